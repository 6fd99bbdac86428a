//! H.264 slice headers, as far as the limits of pictures and their order of display need them
//! (ITU-T H.264 section 7.3.3).

use std::collections::BTreeMap;

use super::sps::{PicOrderCnt, PpsInfo, SpsInfo};
use super::{NAL_IDR, nal_type};
use crate::media::codec::rbsp::Bits;

/// The parameter sets in force, by their id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ParameterSets {
    pub(super) sps: BTreeMap<u8, SpsInfo>,
    pub(super) pps: BTreeMap<u8, PpsInfo>,
}

/// Fields of a slice header under their names in the standard. What is absent is 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct SliceHeader {
    pub nal_ref_idc: u8,
    pub idr: bool,
    pub first_mb_in_slice: u32,
    /// slice_type modulo 5.
    pub slice_type: u32,
    pub pic_parameter_set_id: u8,
    pub colour_plane_id: u32,
    pub frame_num: u32,
    pub field_pic: bool,
    pub bottom_field: bool,
    pub idr_pic_id: u32,
    pub pic_order_cnt_lsb: u32,
    pub delta_pic_order_cnt_bottom: i32,
    pub delta_pic_order_cnt: [i32; 2],
    pub redundant_pic_cnt: u32,
    /// memory_management_control_operation 5 is there: all references are dropped.
    pub mmco5: bool,
}

/// slice_type modulo 5 of an I slice (table 7-6).
pub(super) const SLICE_I: u32 = 2;
const SLICE_B: u32 = 1;
const SLICE_SI: u32 = 4;

impl SliceHeader {
    /// Reads the header of a slice (or of a data partition A) from the first bytes of its NAL unit, with the
    /// parameter sets it refers to. `None`: damaged, or the parameter sets are not there.
    pub fn parse<'a>(nal: &[u8], sets: &'a ParameterSets) -> Option<(Self, &'a SpsInfo, &'a PpsInfo)> {
        let mut r = Bits::new(nal, 1);
        let first_mb_in_slice = r.ue()?;
        let slice_type = r.ue_max(9)? % 5;
        let pic_parameter_set_id = r.ue_max(255)? as u8;
        let pps = sets.pps.get(&pic_parameter_set_id)?;
        let sps = sets.sps.get(&pps.sps_id)?;
        if first_mb_in_slice >= sps.frame_size {
            return None;
        }
        let mut slice = Self {
            nal_ref_idc: nal.first()? >> 5 & 3,
            idr: nal_type(nal) == NAL_IDR,
            first_mb_in_slice,
            slice_type,
            pic_parameter_set_id,
            ..Self::default()
        };
        if sps.separate_colour_plane {
            slice.colour_plane_id = r.bits(2)?;
        }
        slice.frame_num = r.bits(sps.log2_max_frame_num)?;
        slice.field_pic = !sps.frame_mbs_only && r.flag()?;
        slice.bottom_field = slice.field_pic && r.flag()?;
        if slice.idr {
            slice.idr_pic_id = r.ue()?;
        }
        slice.parse_order(&mut r, sps, pps)?;
        if pps.redundant_pic_cnt_present {
            slice.redundant_pic_cnt = r.ue()?;
        }
        // What follows may be damaged or beyond the bytes at hand: all that was needed is there already.
        if !slice.idr && slice.nal_ref_idc != 0 {
            slice.mmco5 = slice.find_mmco5(&mut r, sps, pps).unwrap_or(false);
        }
        Some((slice, sps, pps))
    }

    fn parse_order(&mut self, r: &mut Bits<'_>, sps: &SpsInfo, pps: &PpsInfo) -> Option<()> {
        let both_fields = pps.bottom_field_pic_order_in_frame_present && !self.field_pic;
        match &sps.order {
            PicOrderCnt::Lsb { log2_max } => {
                self.pic_order_cnt_lsb = r.bits(*log2_max)?;
                if both_fields {
                    self.delta_pic_order_cnt_bottom = r.se()?;
                }
            }
            PicOrderCnt::Cycle(cycle) if !cycle.delta_always_zero => {
                self.delta_pic_order_cnt[0] = r.se()?;
                if both_fields {
                    self.delta_pic_order_cnt[1] = r.se()?;
                }
            }
            PicOrderCnt::Cycle(_) | PicOrderCnt::DecodeOrder => {}
        }
        Some(())
    }

    /// Goes on from redundant_pic_cnt to dec_ref_pic_marking().
    fn find_mmco5(&self, r: &mut Bits<'_>, sps: &SpsInfo, pps: &PpsInfo) -> Option<bool> {
        let is_b = self.slice_type == SLICE_B;
        let is_intra = matches!(self.slice_type, SLICE_I | SLICE_SI);
        let lists = if is_intra { 0 } else { 1 + usize::from(is_b) };
        let mut num_ref_idx = pps.num_ref_idx_default;
        if is_b {
            r.flag()?; // direct_spatial_mv_pred_flag
        }
        if !is_intra && r.flag()? {
            for count in &mut num_ref_idx[..lists] {
                *count = r.ue_max(31)? + 1;
            }
        }
        for _ in 0..lists {
            skip_ref_pic_list_modification(r)?;
        }
        if (pps.weighted_pred && !is_b && !is_intra) || (pps.weighted_bipred_idc == 1 && is_b) {
            skip_pred_weight_table(r, &num_ref_idx[..lists], sps.has_chroma_array)?;
        }
        if !r.flag()? {
            return Some(false); // adaptive_ref_pic_marking_mode_flag
        }
        loop {
            match r.ue()? {
                0 => return Some(false),
                5 => return Some(true),
                3 => {
                    r.ue()?; // difference_of_pic_nums_minus1
                    r.ue()?; // long_term_frame_idx
                }
                1 | 2 | 4 | 6 => drop(r.ue()?),
                _ => return None,
            }
        }
    }

    /// Whether `self` and `next` are slices of different primary coded pictures (section 7.4.1.2.4).
    pub fn differs_from(&self, next: &Self) -> bool {
        // Fields that one of the two does not have are 0 in both, or a field before them in this list differs.
        let same = |slice: &Self| {
            (
                slice.frame_num,
                slice.pic_parameter_set_id,
                (slice.field_pic, slice.bottom_field),
                slice.nal_ref_idc == 0,
                (slice.pic_order_cnt_lsb, slice.delta_pic_order_cnt_bottom),
                slice.delta_pic_order_cnt,
                (slice.idr, slice.idr_pic_id),
            )
        };
        same(self) != same(next)
    }
}

/// Section 7.3.3.1, one list.
fn skip_ref_pic_list_modification(r: &mut Bits<'_>) -> Option<()> {
    if r.flag()? {
        while r.ue_max(3)? != 3 {
            r.ue()?; // abs_diff_pic_num_minus1 or long_term_pic_num
        }
    }
    Some(())
}

/// Section 7.3.3.2, for lists of so many entries.
fn skip_pred_weight_table(r: &mut Bits<'_>, lists: &[u32], chroma: bool) -> Option<()> {
    r.ue()?; // luma_log2_weight_denom
    if chroma {
        r.ue()?; // chroma_log2_weight_denom
    }
    for _ in 0..lists.iter().sum() {
        if r.flag()? {
            r.se()?; // luma_weight
            r.se()?; // luma_offset
        }
        if chroma && r.flag()? {
            for _ in 0..4 {
                r.se()?; // chroma_weight, chroma_offset, for Cb and Cr
            }
        }
    }
    Some(())
}
