//! H.264 over RTP (RFC 6184, packetization-mode 1): single NAL units, STAP-A and FU-A.
//!
//! Which NAL units are sent, and the loops that put them together or take them apart, are in [`super::nal_units`];
//! finding them in a sample is in `media::codec::nal`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::Payloader;
use super::nal_units::{NalFormat, NalSender, Role, exp_golomb};
use crate::media::Sample;
use crate::media::codec::h264::{H264Config, NAL_PPS, NAL_SPS, nal_type};
use crate::rtp::PacketWriter;

const STAP_A: u8 = 24;
const FU_A: u8 = 28;
const NAL_DELIMITER: u8 = 9;

/// The payload format of one H.264 track.
#[derive(Debug)]
pub struct H264 {
    sender: NalSender<Format>,
    fmtp: String,
}

impl H264 {
    /// For a track with these parameter sets.
    pub fn new(config: &H264Config) -> Self {
        Self { sender: NalSender::new(config.sps.iter().chain(&config.pps)), fmtp: fmtp(config) }
    }
}

impl Payloader for H264 {
    fn rtpmap(&self) -> String {
        "H264/90000".to_owned()
    }

    fn fmtp(&self) -> Option<String> {
        Some(self.fmtp.clone())
    }

    fn clock_rate(&self) -> u32 {
        90_000
    }

    fn packetize(&mut self, sample: &Sample, out: &mut PacketWriter<'_>) {
        self.sender.packetize(sample, out);
    }
}

/// RFC 6184 section 8.1. `sprop-parameter-sets` has one SPS and one PPS, as ExoPlayer refuses any other number; if
/// there are more, they come in-band before every key frame.
fn fmtp(config: &H264Config) -> String {
    let mut fmtp = "packetization-mode=1".to_owned();
    let Some(sps) = config.sps.first() else { return fmtp };
    if let Some(profile_level) = sps.get(1..4) {
        fmtp += ";profile-level-id=";
        profile_level.iter().for_each(|byte| fmtp += &format!("{byte:02X}"));
    }
    if let Some(pps) = config.pps.first() {
        fmtp += &format!(";sprop-parameter-sets={},{}", BASE64.encode(sps), BASE64.encode(pps));
    }
    fmtp
}

#[derive(Debug)]
struct Format;

impl NalFormat for Format {
    type Header = [u8; 1];
    type FragmentHeader = [u8; 2];
    const HEADER_LEN: usize = 1;
    const FRAGMENT_HEADER_LEN: usize = 2;

    fn role(nal: &[u8]) -> Role {
        match nal_type(nal) {
            // RFC 6184 table 1: undefined, or the packet types of the payload format. An empty unit counts as 0.
            0 | 24..=31 => Role::Unfit,
            NAL_DELIMITER => Role::Delimiter,
            // seq_parameter_set_id follows profile, constraints and level. Ids are short enough, and a level never 0,
            // so that no emulation prevention byte can be in between; so for the PPS.
            NAL_SPS => Role::ParameterSet { kind: 0, id: exp_golomb(nal, 32, 31) },
            NAL_PPS => Role::ParameterSet { kind: 1, id: exp_golomb(nal, 8, 255) },
            _ => Role::Other,
        }
    }

    fn header(nal: &[u8]) -> [u8; 1] {
        [nal[0]]
    }

    /// Section 5.7: F is set if it is in any of the units, NRI is the highest of theirs.
    ///
    /// ```text
    ///  0 1 2 3 4 5 6 7
    /// |F|NRI|  Type   |
    /// ```
    fn aggregate_header(headers: impl Iterator<Item = [u8; 1]>) -> [u8; 1] {
        [headers.fold(STAP_A, |stap, [nal]| {
            let f = (stap | nal) & 0x80;
            let nri = (stap & 0x60).max(nal & 0x60);
            f | nri | STAP_A
        })]
    }

    /// Section 5.8: FU indicator and FU header.
    ///
    /// ```text
    ///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5
    /// |F|NRI|   28    |S|E|R|  Type   |
    /// ```
    fn fragment_header([nal]: [u8; 1], is_start: bool, is_end: bool) -> [u8; 2] {
        [nal & 0xe0 | FU_A, u8::from(is_start) << 7 | u8::from(is_end) << 6 | nal & 0x1f]
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{packets, sample_of_nals};
    use super::*;

    const AUD: &[u8] = &[0x09, 0xf0];
    const SPS: &[u8] = &[0x67, 0x64, 0x00, 0x1f, 0xac];
    const PPS: &[u8] = &[0x68, 0xee, 0x3c];
    const IDR: &[u8] = &[0x65, 0x88, 0x01];
    const SLICE: &[u8] = &[0x41, 0x9a, 0x02];

    fn payloader(sps: &[&[u8]], pps: &[&[u8]]) -> H264 {
        let owned = |sets: &[&[u8]]| sets.iter().map(|set| set.to_vec()).collect();
        H264::new(&H264Config { sps: owned(sps), pps: owned(pps) })
    }

    /// One that has sent its first sample, which is given all parameter sets, key frame or not.
    fn started(sps: &[&[u8]], pps: &[&[u8]]) -> H264 {
        let mut payloader = payloader(sps, pps);
        packets(&mut payloader, &sample_of_nals(false, &[SLICE]), 100);
        payloader
    }

    #[test]
    fn fmtp_has_the_profile_and_one_set_of_each_kind() {
        for (sps, pps, fmtp) in [
            (&[][..], &[][..], "packetization-mode=1"),
            (&[SPS], &[PPS], "packetization-mode=1;profile-level-id=64001F;sprop-parameter-sets=Z2QAH6w=,aO48"),
            (
                &[SPS, &[0x67, 0x42, 0, 0x1e, 0x40]],
                &[PPS, &[0x68, 0x40]],
                "packetization-mode=1;profile-level-id=64001F;sprop-parameter-sets=Z2QAH6w=,aO48",
            ),
            (&[SPS], &[], "packetization-mode=1;profile-level-id=64001F"),
            (&[], &[PPS], "packetization-mode=1"),
            (&[&[0x67, 0x64]], &[], "packetization-mode=1"),
        ] {
            assert_eq!(payloader(sps, pps).fmtp().as_deref(), Some(fmtp), "{sps:x?} {pps:x?}");
        }
    }

    #[test]
    fn nal_units_that_fit_together_go_out_as_stap_a_with_the_highest_nri() {
        let mut payloader = started(&[], &[]);
        let sample = sample_of_nals(false, &[&[0x06, 0x05], &[0x21, 0xaa], &[0x41, 0xbb, 0xcc]]);
        assert_eq!(packets(&mut payloader, &sample, 100), ["M+0 5800020605000221aa000341bbcc"]);
    }

    #[test]
    fn f_bit_of_one_unit_is_that_of_the_stap_a_and_of_every_fragment() {
        let mut payloader = started(&[], &[]);
        let broken = [0xc1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
        assert_eq!(
            packets(&mut payloader, &sample_of_nals(false, &[&[0x21, 0xaa], &broken]), 20),
            ["M+0 d8000221aa000bc10102030405060708090a"]
        );
        assert_eq!(
            packets(&mut payloader, &sample_of_nals(false, &[&broken]), 9),
            ["-+0 dc8101020304050607", "M+0 dc4108090a"]
        );
    }

    #[test]
    fn a_unit_of_exactly_the_maximum_is_single_and_one_byte_more_makes_two_fragments() {
        let mut payloader = started(&[], &[]);
        let long = [0x65, 1, 2, 3, 4, 5, 6, 7, 8, 9];
        assert_eq!(packets(&mut payloader, &sample_of_nals(false, &[&long]), 10), ["M+0 65010203040506070809"]);
        assert_eq!(
            packets(&mut payloader, &sample_of_nals(false, &[&long]), 9),
            ["-+0 7c8501020304050607", "M+0 7c450809"]
        );
    }

    #[test]
    fn only_the_last_of_many_slices_has_the_marker() {
        let mut payloader = started(&[], &[]);
        let slice = [0x41; 6];
        assert_eq!(
            packets(&mut payloader, &sample_of_nals(false, &[&slice, &slice, &[0x41; 12], &slice]), 9),
            ["-+0 414141414141", "-+0 414141414141", "-+0 5c8141414141414141", "-+0 5c4141414141", "M+0 414141414141"]
        );
    }

    #[test]
    fn a_key_frame_is_given_the_sets_it_lacks_behind_its_delimiter() {
        let mut payloader = started(&[SPS], &[PPS]);
        let expected = ["M+0 78000209f000056764001fac000368ee3c0003658801"];
        assert_eq!(packets(&mut payloader, &sample_of_nals(true, &[AUD, IDR]), 100), expected);
        assert_eq!(
            packets(&mut payloader, &sample_of_nals(true, &[AUD, SPS, PPS, IDR]), 100),
            expected,
            "one that has them is given none"
        );
        assert_eq!(
            packets(&mut payloader, &sample_of_nals(true, &[AUD, SPS, IDR]), 100),
            expected,
            "a PPS goes behind the sample's own SPS"
        );
        assert_eq!(
            packets(&mut payloader, &sample_of_nals(true, &[AUD, PPS, IDR]), 100),
            expected,
            "an SPS goes before the sample's own PPS"
        );
        assert_eq!(packets(&mut payloader, &sample_of_nals(false, &[AUD, SLICE]), 100), ["M+0 58000209f00003419a02"]);
    }

    #[test]
    fn the_first_sample_is_given_the_sets_even_if_it_is_no_key_frame() {
        let mut payloader = payloader(&[SPS], &[PPS]);
        let slice = sample_of_nals(false, &[SLICE]);
        assert_eq!(packets(&mut payloader, &slice, 100), ["M+0 7800056764001fac000368ee3c0003419a02"]);
        assert_eq!(packets(&mut payloader, &slice, 100), ["M+0 419a02"]);
    }

    #[test]
    fn a_set_in_the_stream_replaces_the_one_of_the_same_id_and_joins_those_of_others() {
        let mut payloader = started(&[SPS], &[PPS]);
        let new_sps = &[0x67, 0x42, 0x00, 0x1e, 0x80]; // id 0
        let second_pps = &[0x68, 0x40]; // id 1
        packets(&mut payloader, &sample_of_nals(false, &[new_sps, second_pps, SLICE]), 100);
        assert_eq!(
            packets(&mut payloader, &sample_of_nals(true, &[IDR]), 100),
            ["M+0 7800056742001e80000368ee3c000268400003658801"]
        );
    }

    #[test]
    fn long_parameter_sets_that_are_added_are_fragmented_too() {
        let mut payloader = started(&[&[0x67, 0x64, 0, 0x1f, 0x80, 1, 2, 3, 4, 5]], &[PPS]);
        assert_eq!(
            packets(&mut payloader, &sample_of_nals(true, &[IDR]), 9),
            ["-+0 7c8764001f80010203", "-+0 7c470405", "-+0 68ee3c", "M+0 658801"]
        );
    }

    #[test]
    fn types_that_a_receiver_takes_for_packets_of_the_format_are_left_out() {
        let mut payloader = started(&[SPS], &[PPS]);
        let unfit: Vec<[u8; 2]> = (24..=31).chain([0]).map(|nal_type| [0x60 | nal_type, 1]).collect();
        let mut nals: Vec<&[u8]> = unfit.iter().map(|nal| &nal[..]).collect();
        assert_eq!(packets(&mut payloader, &sample_of_nals(true, &nals), 100), Vec::<String>::new());
        nals.insert(3, &[0x0a]);
        nals.insert(3, &[]);
        assert_eq!(packets(&mut payloader, &sample_of_nals(false, &nals), 100), ["M+0 0a"]);
    }

    #[test]
    fn parameter_sets_beyond_the_limit_are_sent_but_not_remembered() {
        let mut payloader = started(&[SPS], &[PPS]);
        let mut huge = vec![0x68, 0x40];
        huge.resize(70_000, 1);
        let sent = packets(&mut payloader, &sample_of_nals(false, &[&huge]), 40_000);
        assert_eq!(sent.len(), 2, "{sent:?}");
        assert_eq!(
            packets(&mut payloader, &sample_of_nals(true, &[IDR]), 100),
            ["M+0 7800056764001fac000368ee3c0003658801"]
        );
    }
}
