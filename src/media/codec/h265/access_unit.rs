//! Where H.265 access units begin and end (ITU-T H.265 section 7.4.2.4.4), and the order of display (section 8.3.1).
//! Layers beyond the base layer go along with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::parameter_sets::{PpsInfo, SpsInfo};
use super::{NAL_AUD, NAL_EOB, NAL_EOS, NAL_PPS, NAL_SEI_PREFIX, NAL_SPS, NAL_VPS, is_irap, nal_type};
use crate::media::codec::access_unit::{Output, Picture, Role};
use crate::media::codec::h264::count_msb;
use crate::media::codec::rbsp::Bits;

/// The parameter sets in force, by their id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ParameterSets {
    sps: BTreeMap<u8, SpsInfo>,
    pps: BTreeMap<u8, PpsInfo>,
}

/// Follows a stream, NAL unit by NAL unit.
#[derive(Debug, Clone)]
pub struct AccessUnits {
    sets: Arc<ParameterSets>,
    /// The next picture is the first, or follows an end of sequence.
    at_start: bool,
    /// RASL pictures cannot be decoded: NoRaslOutputFlag of the last IRAP picture.
    no_rasl_output: bool,
    /// PicOrderCntVal of the last picture that others may be counted from (prevTid0Pic).
    previous: Option<i64>,
}

impl Default for AccessUnits {
    fn default() -> Self {
        Self::with_sets(Arc::default(), true)
    }
}

/// nal_unit_type of RADL and RASL pictures (table 7-1), the latter of which refer to pictures before the IRAP picture.
const RADL: std::ops::RangeInclusive<u8> = 6..=7;
const RASL: std::ops::RangeInclusive<u8> = 8..=9;
/// nal_unit_type of broken link and IDR pictures.
const BLA: std::ops::RangeInclusive<u8> = 16..=18;
const IDR: std::ops::RangeInclusive<u8> = 19..=20;

impl AccessUnits {
    /// Starts with parameter sets that are known already, at a picture with [`Picture::is_sync`].
    /// `starts_sequence` is what that said when it was met in the course of the stream.
    pub fn with_sets(sets: Arc<ParameterSets>, starts_sequence: bool) -> Self {
        Self { sets, at_start: starts_sequence, no_rasl_output: starts_sequence, previous: None }
    }

    /// The parameter sets in force.
    pub fn sets(&self) -> &Arc<ParameterSets> {
        &self.sets
    }

    /// How many of the first bytes of a NAL unit [`Self::push`] needs, by its first byte.
    pub fn bytes_needed(header: u8) -> usize {
        match header >> 1 & 0x3f {
            0..=31 => super::SLICE_HEADER_MAX,
            NAL_SPS | NAL_PPS => super::PARAMETER_SET_MAX,
            _ => 2,
        }
    }

    /// Takes the next NAL unit, of which the first [`Self::bytes_needed`] bytes suffice.
    pub fn push(&mut self, nal: &[u8]) -> Role {
        let &[first, second, ..] = nal else { return Role::Within };
        let forbidden_zero_bit = first & 0x80 != 0;
        let layer_id = (first & 1) << 5 | second >> 3;
        if forbidden_zero_bit || layer_id > 0 {
            return Role::Within;
        }
        match nal_type(nal) {
            0..=9 | 16..=21 => return self.push_slice(nal),
            NAL_SPS => self.put_sps(nal),
            NAL_PPS => self.put_pps(nal),
            NAL_VPS | NAL_AUD | NAL_SEI_PREFIX | 41..=44 | 48..=55 => {}
            NAL_EOS | NAL_EOB => {
                self.at_start = true;
                return Role::Within;
            }
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
        let first_slice_segment_in_pic = nal.get(2).is_some_and(|byte| byte & 0x80 != 0);
        if !first_slice_segment_in_pic {
            return Role::Slice;
        }
        match SliceHeader::parse(nal, &self.sets) {
            Some(slice) => Role::Picture(self.begin_picture(nal, &slice)),
            None => Role::Within,
        }
    }

    fn begin_picture(&mut self, nal: &[u8], slice: &SliceHeader) -> Picture {
        let nal_type = nal_type(nal);
        let is_irap = is_irap(nal_type);
        let starts = IDR.contains(&nal_type) || BLA.contains(&nal_type) || self.at_start;
        let starts_sequence = is_irap && starts;
        if is_irap {
            self.no_rasl_output = starts;
        }
        self.at_start = false;
        let lsb = i64::from(slice.pic_order_cnt_lsb);
        let max = 1_i64 << slice.log2_max_pic_order_cnt_lsb;
        let msb = match self.previous {
            Some(previous) if !starts_sequence => {
                let previous_lsb = previous.rem_euclid(max);
                count_msb(previous - previous_lsb, previous_lsb, lsb, slice.log2_max_pic_order_cnt_lsb)
            }
            _ => 0,
        };
        let order_count = msb + lsb;
        let temporal_id_plus1 = nal[1] & 7;
        let sub_layer_non_reference = nal_type <= 14 && nal_type % 2 == 0;
        let is_leading = RADL.contains(&nal_type) || RASL.contains(&nal_type);
        if temporal_id_plus1 <= 1 && !sub_layer_non_reference && !is_leading {
            self.previous = Some(order_count);
        }
        let output = match RASL.contains(&nal_type) {
            true if self.no_rasl_output => Output::Undecodable,
            _ if !slice.pic_output => Output::Hidden,
            true => Output::ShownUnlessStarted,
            false => Output::Shown,
        };
        Picture { is_sync: is_irap, starts_sequence, order_count, reorder_max: slice.reorder_max, output }
    }
}

/// Fields of the header of a picture's first slice segment (section 7.3.6.1), under their names in the standard.
struct SliceHeader {
    pic_output: bool,
    pic_order_cnt_lsb: u32,
    log2_max_pic_order_cnt_lsb: u32,
    reorder_max: usize,
}

impl SliceHeader {
    /// `None`: damaged, or the parameter sets are not there.
    fn parse(nal: &[u8], sets: &ParameterSets) -> Option<Self> {
        let nal_type = nal_type(nal);
        let mut r = Bits::new(nal, 2);
        r.flag()?; // first_slice_segment_in_pic_flag
        if is_irap(nal_type) {
            r.flag()?; // no_output_of_prior_pics_flag
        }
        let pps = sets.pps.get(&(r.ue_max(63)? as u8))?;
        let sps = sets.sps.get(&pps.sps_id)?;
        r.skip(pps.num_extra_slice_header_bits)?;
        r.ue_max(2)?; // slice_type
        let pic_output = !pps.output_flag_present || r.flag()?;
        if sps.separate_colour_plane {
            r.skip(2)?; // colour_plane_id
        }
        let is_idr = IDR.contains(&nal_type);
        let pic_order_cnt_lsb = if is_idr { 0 } else { r.bits(sps.log2_max_pic_order_cnt_lsb)? };
        Some(Self {
            pic_output,
            pic_order_cnt_lsb,
            log2_max_pic_order_cnt_lsb: sps.log2_max_pic_order_cnt_lsb,
            reorder_max: usize::from(sps.reorder_pictures),
        })
    }
}
