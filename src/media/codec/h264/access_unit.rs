//! Where H.264 access units begin and end (ITU-T H.264 sections 7.4.1.2.3 and 7.4.1.2.4).
//!
//! Stricter than the first slice's number, which is not 0 where slices come in any order, and more lenient than the
//! standard where streams of cameras are.

use std::sync::Arc;

use super::order::OrderCounter;
use super::slice::{ParameterSets, SLICE_I, SliceHeader};
use super::sps::{PpsInfo, SpsInfo};
use super::{NAL_AUD, NAL_IDR, NAL_PPS, NAL_SEI, NAL_SPS, SEI_RECOVERY_POINT, nal_type};
use crate::media::codec::access_unit::{Output, Picture, Role};
use crate::media::codec::rbsp::has_sei;

/// Follows a stream, NAL unit by NAL unit.
#[derive(Debug, Clone, Default)]
pub struct AccessUnits {
    sets: Arc<ParameterSets>,
    counter: OrderCounter,
    /// The last slice of a primary coded picture.
    previous: Option<SliceHeader>,
    /// The first field of a frame whose second one may follow.
    first_field: Option<SliceHeader>,
    /// Which colour planes (bits) of the open picture have had their first macroblock.
    started_planes: u8,
    /// An access unit delimiter has come since the last slice.
    delimited: bool,
    /// A recovery point SEI message has come since the last slice. Its picture is one where decoding can start, however
    /// many pictures the recovery takes: streams with intra refresh have no others.
    recovery_point: bool,
}

impl AccessUnits {
    /// Starts with parameter sets that are known already, at a picture with [`Picture::is_sync`].
    pub fn with_sets(sets: Arc<ParameterSets>) -> Self {
        Self { sets, ..Self::default() }
    }

    /// The parameter sets in force.
    pub fn sets(&self) -> &Arc<ParameterSets> {
        &self.sets
    }

    /// How many of the first bytes of a NAL unit [`Self::push`] needs, by its first byte.
    pub fn bytes_needed(header: u8) -> usize {
        match header & 0x1f {
            1 | 2 | NAL_IDR => super::SLICE_HEADER_MAX,
            NAL_SEI | NAL_SPS | NAL_PPS => super::PARAMETER_SET_MAX,
            _ => 1,
        }
    }

    /// Takes the next NAL unit, of which the first [`Self::bytes_needed`] bytes suffice.
    pub fn push(&mut self, nal: &[u8]) -> Role {
        let forbidden_zero_bit = nal.first().is_none_or(|header| header & 0x80 != 0);
        if forbidden_zero_bit {
            return Role::Within;
        }
        match nal_type(nal) {
            1 | 2 | NAL_IDR => return self.push_slice(nal),
            NAL_AUD => self.delimited = true,
            NAL_SEI => self.recovery_point |= has_sei(nal, 1, SEI_RECOVERY_POINT),
            NAL_SPS => self.put_sps(nal),
            NAL_PPS => self.put_pps(nal),
            // Prefix NAL units of scalable streams, parameter sets of what is beyond the base layer, reserved ones.
            14..=18 => {}
            _ => return Role::Within,
        }
        Role::Before
    }

    fn put_sps(&mut self, nal: &[u8]) {
        let Some(sps) = SpsInfo::parse(nal) else { return };
        if self.sets.sps.get(&sps.id) != Some(&sps) {
            Arc::make_mut(&mut self.sets).sps.insert(sps.id, sps);
        }
    }

    fn put_pps(&mut self, nal: &[u8]) {
        let Some(pps) = PpsInfo::parse(nal) else { return };
        if self.sets.pps.get(&pps.id) != Some(&pps) {
            Arc::make_mut(&mut self.sets).pps.insert(pps.id, pps);
        }
    }

    fn push_slice(&mut self, nal: &[u8]) -> Role {
        let sets = Arc::clone(&self.sets);
        let Some((slice, sps, pps)) = SliceHeader::parse(nal, &sets) else { return Role::Within };
        if slice.redundant_pic_cnt > 0 {
            return Role::Slice;
        }
        let is_new = self.is_new_picture(&slice);
        let plane = 1 << slice.colour_plane_id;
        self.started_planes = if is_new { 0 } else { self.started_planes };
        self.started_planes |= if slice.first_mb_in_slice == 0 { plane } else { 0 };
        self.previous = Some(slice);
        self.delimited = false;
        let recovery_point = std::mem::take(&mut self.recovery_point);
        if !is_new {
            return Role::Slice;
        }
        let order_count = self.counter.next(&slice, sps);
        if self.is_second_field(&slice) {
            self.first_field = None;
            return Role::Slice;
        }
        self.first_field = slice.field_pic.then_some(slice);
        Role::Picture(Picture {
            is_sync: slice.idr || recovery_point || is_lone_reference(&slice, sps, pps),
            starts_sequence: slice.idr || slice.mmco5,
            order_count,
            reorder_max: usize::from(sps.reorder_frames),
            output: Output::Shown,
        })
    }

    fn is_new_picture(&self, slice: &SliceHeader) -> bool {
        let Some(previous) = &self.previous else { return true };
        // Encoders exist that write every picture as an IDR picture with the same idr_pic_id, against section 7.4.3.
        // But no picture has its first macroblock twice.
        let starts_again = slice.first_mb_in_slice == 0 && self.started_planes & 1 << slice.colour_plane_id != 0;
        self.delimited || starts_again || previous.differs_from(slice)
    }

    /// Whether `slice` begins the other field of the frame that is open (sections 3.30 and 3.31).
    fn is_second_field(&self, slice: &SliceHeader) -> bool {
        self.first_field.is_some_and(|first| {
            slice.field_pic
                && first.bottom_field != slice.bottom_field
                && first.frame_num == slice.frame_num
                && (first.idr || !slice.idr)
                && (first.nal_ref_idc != 0 || slice.nal_ref_idc == 0)
        })
    }
}

/// Whether an intra picture is all that later ones can refer to, so that decoding can start there unannounced.
fn is_lone_reference(slice: &SliceHeader, sps: &SpsInfo, pps: &PpsInfo) -> bool {
    let one_reference = sps.max_num_ref_frames <= 1 && pps.num_ref_idx_default[0] <= 1;
    one_reference && slice.slice_type == SLICE_I && slice.nal_ref_idc != 0
}
