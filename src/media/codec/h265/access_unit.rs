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
        let sub_layer_non_reference = nal_type <= 14 && nal_type & 1 == 0;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::codec::rbsp::tests::BitWriter;

    const TRAIL_R: u8 = 1;
    const TRAIL_N: u8 = 0;
    const RADL_N: u8 = 6;
    const RASL_N: u8 = 8;
    const BLA_W_LP: u8 = 16;
    const IDR_W_RADL: u8 = 19;
    const CRA: u8 = 21;

    fn header(nal_type: u8) -> [u8; 2] {
        [nal_type << 1, 1]
    }

    /// An SPS with 4 bits of order count, reordering of 2.
    fn sps() -> Vec<u8> {
        let sps = BitWriter::default().u(8, 1).u(32, 0).u(32, 0).u(32, 0).ue(0).ue(1).ue(64).ue(64).u(1, 0);
        let sps = sps.ue(0).ue(0).ue(0).u(1, 1).ue(4).ue(2).ue(0).ue(0).ue(3).ue(0).ue(3).ue(0).ue(0);
        sps.u(4, 0).ue(0).u(4, 0).nal(&header(NAL_SPS))
    }

    fn pps(id: u32, output_flag_present: bool, num_extra_slice_header_bits: u32) -> Vec<u8> {
        let pps = BitWriter::default().ue(id).ue(0).u(1, 0).u(1, output_flag_present.into());
        pps.u(3, num_extra_slice_header_bits).u(16, 0).nal(&header(NAL_PPS))
    }

    /// The first slice segment of a picture.
    fn slice(nal_type: u8, lsb: u32) -> Vec<u8> {
        let slice = BitWriter::default().u(1, 1);
        let slice = if is_irap(nal_type) { slice.u(1, 0) } else { slice };
        let slice = slice.ue(0).ue(1);
        let slice = if nal_type == IDR_W_RADL { slice } else { slice.u(4, lsb) };
        slice.u(32, 0).nal(&header(nal_type))
    }

    fn started() -> AccessUnits {
        let mut units = AccessUnits::default();
        assert_eq!(units.push(&sps()), Role::Before);
        assert_eq!(units.push(&pps(0, false, 0)), Role::Before);
        units
    }

    fn picture(role: Role) -> Picture {
        let Role::Picture(picture) = role else { panic!("{role:?} is no picture") };
        picture
    }

    /// Order counts and output of the pictures of a stream.
    fn pictures(slices: &[(u8, u32)]) -> Vec<(i64, Output)> {
        let mut units = started();
        let pictures = slices.iter().map(|(nal_type, lsb)| picture(units.push(&slice(*nal_type, *lsb))));
        pictures.map(|picture| (picture.order_count, picture.output)).collect()
    }

    #[test]
    fn order_counts_go_on_over_the_wrap_and_begin_anew_with_idr_and_bla() {
        use Output::Shown;
        let stream = [(IDR_W_RADL, 0), (TRAIL_R, 6), (TRAIL_N, 3), (TRAIL_R, 12), (TRAIL_R, 2), (TRAIL_N, 15)];
        let counts = [(0, Shown), (6, Shown), (3, Shown), (12, Shown), (18, Shown), (15, Shown)];
        assert_eq!(pictures(&stream), counts);
        let again = [&stream[..], &[(BLA_W_LP, 9), (TRAIL_R, 1), (IDR_W_RADL, 0), (TRAIL_R, 2)]].concat();
        let expected = [&counts[..], &[(9, Shown), (17, Shown), (0, Shown), (2, Shown)]].concat();
        assert_eq!(pictures(&again), expected);
    }

    #[test]
    fn pictures_that_others_are_not_counted_from_do_not_move_the_count() {
        // After RASL, RADL and sub-layer non-reference pictures with lsb 8, lsb 0 is still that of the CRA picture.
        for (nal_type, output) in
            [(RASL_N, Output::Undecodable), (RADL_N, Output::Shown), (TRAIL_N, Output::Shown), (TRAIL_R, Output::Shown)]
        {
            let counts = pictures(&[(CRA, 1), (nal_type, 8), (TRAIL_R, 15)]);
            let last = if nal_type == TRAIL_R { 15 } else { -1 };
            assert_eq!(counts, [(1, Output::Shown), (8, output), (last, Output::Shown)], "nal_unit_type {nal_type}");
        }
    }

    #[test]
    fn rasl_pictures_are_lost_where_decoding_starts_and_only_there() {
        let mut units = started();
        let mut outputs = Vec::new();
        let end_of_sequence = header(NAL_EOS).to_vec();
        let (cra, rasl, trail) = (slice(CRA, 8), slice(RASL_N, 6), slice(TRAIL_R, 10));
        let bla = slice(BLA_W_LP, 8);
        for nal in [&cra, &rasl, &trail, &cra, &rasl, &end_of_sequence, &cra, &rasl, &cra, &rasl, &bla, &rasl] {
            if let Role::Picture(picture) = units.push(nal) {
                outputs.push((picture.starts_sequence, picture.output));
            }
        }
        use Output::{Shown, ShownUnlessStarted, Undecodable};
        let lost = [(true, Shown), (false, Undecodable)];
        let kept = [(false, Shown), (false, ShownUnlessStarted)];
        assert_eq!(outputs, [&lost[..], &[(false, Shown)], &kept, &lost, &kept, &lost].concat());

        let mut resumed = AccessUnits::with_sets(Arc::clone(units.sets()), false);
        assert!(!picture(resumed.push(&cra)).starts_sequence);
        assert_eq!(picture(resumed.push(&rasl)).output, ShownUnlessStarted);
    }

    #[test]
    fn extra_bits_and_output_flags_of_the_slice_header_are_respected() {
        let mut units = started();
        units.push(&pps(0, true, 3));
        for pic_output in [false, true] {
            let slice = BitWriter::default().u(1, 1).ue(0).u(3, 0b101).ue(1).u(1, pic_output.into()).u(4, 7);
            let picture = picture(units.push(&slice.u(32, 0).nal(&header(TRAIL_R))));
            let output = if pic_output { Output::Shown } else { Output::Hidden };
            assert_eq!((picture.order_count, picture.output, picture.reorder_max), (7, output, 2));
        }
    }

    #[test]
    fn each_nal_unit_goes_with_the_picture_that_7_4_2_4_4_says() {
        let further_slice = BitWriter::default().u(1, 0).ue(0).u(32, 0).nal(&header(TRAIL_R));
        let mut other_layer = slice(TRAIL_R, 2);
        other_layer[1] |= 1 << 3;
        let mut rows = vec![(further_slice, Role::Slice), (other_layer, Role::Within), (vec![0x02], Role::Within)];
        for nal_type in [NAL_VPS, NAL_SPS, NAL_PPS, NAL_AUD, NAL_SEI_PREFIX, 41, 44, 48, 55] {
            rows.push((header(nal_type).to_vec(), Role::Before));
        }
        for nal_type in [NAL_EOS, NAL_EOB, 38, 40, 45, 47, 56, 63, 10, 22, 31] {
            rows.push((header(nal_type).to_vec(), Role::Within));
        }
        let mut forbidden = slice(TRAIL_R, 2);
        forbidden[0] |= 0x80;
        rows.push((forbidden, Role::Within));
        for (nal, role) in rows {
            let mut units = started();
            units.push(&slice(IDR_W_RADL, 0));
            assert_eq!(units.push(&nal), role, "{nal:02x?}");
        }
        assert_eq!(AccessUnits::default().push(&slice(IDR_W_RADL, 0)), Role::Within, "without parameter sets");
    }
}
