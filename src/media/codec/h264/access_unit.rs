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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::codec::h264::testing::{self, Slice};

    /// The roles of NAL units that follow an SPS for frames and fields, and a PPS.
    fn roles(nals: &[Vec<u8>]) -> Vec<char> {
        let mut units = AccessUnits::default();
        for nal in [testing::sps(0, false), testing::pps(0, false), testing::pps(1, true)] {
            assert_eq!(units.push(&nal), Role::Before);
        }
        nals.iter().map(|nal| letter(units.push(nal))).collect()
    }

    fn letter(role: Role) -> char {
        match role {
            Role::Within => 'w',
            Role::Before => 'b',
            Role::Slice => 's',
            Role::Picture(picture) if picture.is_sync => 'K',
            Role::Picture(_) => 'P',
        }
    }

    const P: Slice = Slice { frame_num: 1, lsb: 2, ..Slice::P };

    #[test]
    fn each_field_of_7_4_1_2_4_that_differs_begins_a_picture() {
        let idr = Slice { nal: 0x65, slice_type: 7, ..Slice::P };
        let top = Slice { field: Some(false), ..P };
        for (what, first, second, expected) in [
            ("nothing", P, Slice { first_mb: 5, ..P }, 's'),
            ("first_mb_in_slice is lower: slices in any order", P, Slice { first_mb: 1, ..P }, 's'),
            ("slice_type", P, Slice { first_mb: 5, slice_type: 2, ..P }, 's'),
            ("frame_num", P, Slice { first_mb: 5, frame_num: 2, ..P }, 'P'),
            ("pic_parameter_set_id", P, Slice { first_mb: 5, pps: 1, redundant_pic_cnt: Some(0), ..P }, 'P'),
            ("field_pic_flag", P, Slice { first_mb: 5, ..top }, 'P'),
            ("nal_ref_idc is 0 in one", P, Slice { first_mb: 5, nal: 0x01, ..P }, 'P'),
            ("nal_ref_idc is not 0 in both", P, Slice { first_mb: 5, nal: 0x21, ..P }, 's'),
            ("pic_order_cnt_lsb", P, Slice { first_mb: 5, lsb: 4, ..P }, 'P'),
            ("IdrPicFlag", P, Slice { first_mb: 5, nal: 0x65, ..P }, 'K'),
            ("idr_pic_id", idr, Slice { first_mb: 5, idr_pic_id: 1, ..idr }, 'K'),
            ("idr_pic_id is the same", idr, Slice { first_mb: 5, ..idr }, 's'),
            ("nothing, but the first macroblock comes again", idr, idr, 'K'),
        ] {
            let nals = [Slice { first_mb: 9, ..first }.nal(), Slice { first_mb: 0, ..first }.nal(), second.nal()];
            assert_eq!(roles(&nals)[2], expected, "{what} differs");
        }
    }

    #[test]
    fn what_may_stand_before_a_picture_belongs_to_the_next_one() {
        let second = Slice { frame_num: 2, lsb: 4, ..P }.nal();
        for (nal, expected) in [
            (vec![0x09, 0xf0], 'b'),
            (vec![0x06, 5, 1, 0, 0x80], 'b'),
            (testing::sps(0, false), 'b'),
            (testing::pps(0, false), 'b'),
            (vec![0x6e, 0x40, 0, 7], 'b'),
            (vec![0x6f, 0x42], 'b'),
            (vec![0x0a], 'w'),
            (vec![0x0b], 'w'),
            (vec![0x0c, 0xff, 0x80], 'w'),
            (vec![0x74, 0x40, 0, 7, 0x88], 'w'),
            (vec![0x18, 1], 'w'),
            (vec![0x41], 'w'),
            (vec![0xe1, 0x9a], 'w'),
            (vec![], 'w'),
        ] {
            assert_eq!(roles(&[P.nal(), nal.clone(), second.clone()]), ['P', expected, 'P'], "{nal:02x?}");
        }
    }

    #[test]
    fn a_prefix_nal_unit_between_slices_of_a_picture_does_not_part_them() {
        let prefix = vec![0x6e, 0x40, 0, 7];
        let nals = [prefix.clone(), P.nal(), prefix, Slice { first_mb: 5, ..P }.nal()];
        assert_eq!(roles(&nals), ['b', 'P', 'b', 's']);
    }

    #[test]
    fn a_delimiter_always_parts_pictures() {
        assert_eq!(roles(&[P.nal(), vec![0x09, 0xf0], Slice { first_mb: 5, ..P }.nal()]), ['P', 'b', 'P']);
    }

    #[test]
    fn both_fields_of_a_frame_are_one_sample() {
        let top = Slice { field: Some(false), ..P };
        let bottom = Slice { field: Some(true), lsb: 3, ..P };
        let next = Slice { frame_num: 2, lsb: 4, ..P };
        for (what, fields, expected) in [
            ("top, bottom", vec![top, bottom, next], "PsP"),
            ("bottom, top", vec![bottom, top, next], "PsP"),
            ("with slices", vec![top, Slice { first_mb: 4, ..top }, bottom, Slice { first_mb: 4, ..bottom }], "Psss"),
            ("top, top", vec![top, Slice { lsb: 4, ..top }], "PP"),
            ("of two frames", vec![top, Slice { frame_num: 2, ..bottom }], "PP"),
            ("three", vec![top, bottom, Slice { lsb: 4, ..top }], "PsP"),
            ("IDR and P", vec![Slice { nal: 0x65, ..top }, bottom, next], "KsP"),
            ("P and IDR", vec![top, Slice { nal: 0x65, ..bottom }], "PK"),
            ("not referred to and referred to", vec![Slice { nal: 0x01, ..top }, bottom], "PP"),
            ("a field and a frame", vec![top, Slice { field: None, ..P }], "PP"),
        ] {
            let nals: Vec<_> = fields.iter().map(Slice::nal).collect();
            assert_eq!(roles(&nals).iter().collect::<String>(), expected, "{what}");
        }
    }

    #[test]
    fn a_redundant_picture_goes_along_with_its_primary_one() {
        let primary = Slice { pps: 1, redundant_pic_cnt: Some(0), ..P };
        let redundant = Slice { redundant_pic_cnt: Some(1), ..primary };
        let nals = [primary.nal(), redundant.nal(), Slice { frame_num: 2, ..primary }.nal()];
        assert_eq!(roles(&nals), ['P', 's', 'P']);
    }

    #[test]
    fn decoding_can_start_at_a_recovery_point() {
        let recovery_point = vec![0x06, 5, 1, 0xaa, 6, 1, 0xc4, 0x80];
        let nals = [recovery_point, P.nal(), Slice { frame_num: 2, lsb: 4, ..P }.nal()];
        assert_eq!(roles(&nals), ['b', 'K', 'P']);
        assert!(super::super::is_sync(nals[..2].iter().map(Vec::as_slice)));
        assert!(!super::super::is_sync(nals[1..].iter().map(Vec::as_slice)));
    }

    #[test]
    fn slices_without_parameter_sets_are_nobody_s() {
        assert_eq!(AccessUnits::default().push(&P.nal()), Role::Within);
    }

    #[test]
    fn operation_5_starts_a_sequence() {
        let mut units = AccessUnits::default();
        for nal in [testing::sps(0, false), testing::pps(0, false)] {
            units.push(&nal);
        }
        for (mmco5, expected) in [(false, (false, 2)), (true, (true, 0))] {
            let Role::Picture(picture) = units.push(&Slice { mmco5, ..P }.nal()) else { panic!("no picture") };
            assert_eq!((picture.starts_sequence, picture.order_count), expected);
            units.push(&[0x09, 0xf0]);
        }
    }
}
