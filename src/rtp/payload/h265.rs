//! H.265 over RTP (RFC 7798, without DONL): single NAL units, aggregation packets (AP) and fragmentation units (FU).
//!
//! Which NAL units are sent, and the loops that put them together or take them apart, are in [`super::nal_units`];
//! finding them in a sample is in `media::codec::nal`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::Payloader;
use super::nal_units::{NalFormat, NalSender, Role, exp_golomb};
use crate::media::Sample;
use crate::media::codec::h265::{H265Config, NAL_PPS, NAL_SPS, NAL_VPS, nal_type};
use crate::rtp::PacketWriter;

const AP: u8 = 48;
const FU: u8 = 49;
const NAL_DELIMITER: u8 = 35;
const NAL_HEADER_LEN: usize = 2;

/// The payload format of one H.265 track.
#[derive(Debug)]
pub struct H265 {
    sender: NalSender<Format>,
    fmtp: Option<String>,
}

impl H265 {
    /// For a track with these parameter sets.
    pub fn new(config: &H265Config) -> Self {
        Self { sender: NalSender::new(config.vps.iter().chain(&config.sps).chain(&config.pps)), fmtp: fmtp(config) }
    }
}

impl Payloader for H265 {
    fn rtpmap(&self) -> String {
        "H265/90000".to_owned()
    }

    fn fmtp(&self) -> Option<String> {
        self.fmtp.clone()
    }

    fn clock_rate(&self) -> u32 {
        90_000
    }

    fn packetize(&mut self, sample: &Sample, out: &mut PacketWriter<'_>) {
        self.sender.packetize(sample, out);
    }
}

/// RFC 7798 section 7.1. One parameter set of each kind; if there are more, they come in-band before every key frame.
/// `sprop-max-don-diff` stays at its default of 0: packets are in decoding order.
fn fmtp(config: &H265Config) -> Option<String> {
    let mut parameters = Vec::new();
    if let Some(ptl) = config.sps.first().and_then(|sps| ProfileTierLevel::of_sps(sps)) {
        let ProfileTierLevel { general, level } = ptl;
        parameters.push(format!("profile-space={}", general[0] >> 6));
        parameters.push(format!("profile-id={}", general[0] & 0x1f));
        parameters.push(format!("tier-flag={}", general[0] >> 5 & 1));
        parameters.push(format!("level-id={level}"));
        let constraints: String = general[5..].iter().map(|byte| format!("{byte:02X}")).collect();
        parameters.push(format!("interop-constraints={constraints}"));
    }
    for (name, sets) in [("sprop-vps", &config.vps), ("sprop-sps", &config.sps), ("sprop-pps", &config.pps)] {
        parameters.extend(sets.first().map(|set| format!("{name}={}", BASE64.encode(set))));
    }
    (!parameters.is_empty()).then(|| parameters.join(";"))
}

/// The fixed part of profile_tier_level() (ITU-T H.265 section 7.3.3).
struct ProfileTierLevel {
    /// Profile space, tier and profile in one byte, 32 compatibility flags, 48 bits of constraints.
    general: [u8; 11],
    level: u8,
}

impl ProfileTierLevel {
    /// Where it lies in an SPS without emulation prevention: behind the NAL unit header and a byte with
    /// sps_video_parameter_set_id, sps_max_sub_layers_minus1 and sps_temporal_id_nesting_flag.
    const AT: usize = NAL_HEADER_LEN + 1;
    const LEN: usize = 12;

    fn of_sps(sps: &[u8]) -> Option<Self> {
        let head = SpsHead::of(sps);
        let bytes = head.bytes().get(Self::AT..Self::AT + Self::LEN)?;
        let (general, level) = bytes.split_first_chunk()?;
        Some(Self { general: *general, level: level[0] })
    }
}

/// The start of an SPS, up to behind its id, without emulation prevention bytes.
struct SpsHead {
    buffer: [u8; Self::LEN_MAX],
    len: usize,
}

impl SpsHead {
    /// Header, profile_tier_level() with seven sub-layers, and the id.
    const LEN_MAX: usize = ProfileTierLevel::AT + ProfileTierLevel::LEN + 2 + 6 * 12 + 2;

    fn of(sps: &[u8]) -> Self {
        let mut head = Self { buffer: [0; Self::LEN_MAX], len: 0 };
        let mut zeros = 0;
        for byte in sps {
            // ITU-T H.265 section 7.3.1.1: the 3 of 00 00 03 is no data.
            if zeros >= 2 && *byte == 3 {
                zeros = 0;
                continue;
            }
            zeros = if *byte == 0 { zeros + 1 } else { 0 };
            if head.len == Self::LEN_MAX {
                break;
            }
            head.buffer[head.len] = *byte;
            head.len += 1;
        }
        head
    }

    fn bytes(&self) -> &[u8] {
        &self.buffer[..self.len]
    }

    /// sps_seq_parameter_set_id, which follows profile_tier_level() and what that says of sub-layers.
    fn id(&self) -> Option<u16> {
        let bytes = self.bytes();
        let sub_layers = usize::from(bytes.get(NAL_HEADER_LEN)? >> 1 & 7);
        let mut position = ProfileTierLevel::AT + ProfileTierLevel::LEN;
        if sub_layers > 0 {
            // For each of eight sub-layers two flags, those beyond the count reserved: profile present, level present.
            let flags = u16::from_be_bytes([*bytes.get(position)?, *bytes.get(position + 1)?]);
            position += 2;
            for layer in 0..sub_layers {
                let layer_flags = flags >> (14 - 2 * layer) & 3;
                position += if layer_flags & 2 != 0 { 11 } else { 0 };
                position += usize::from(layer_flags & 1);
            }
        }
        exp_golomb(bytes, position * 8, 15)
    }
}

#[derive(Debug)]
struct Format;

impl NalFormat for Format {
    type Header = [u8; 2];
    type FragmentHeader = [u8; 3];
    const HEADER_LEN: usize = NAL_HEADER_LEN;
    const FRAGMENT_HEADER_LEN: usize = 3;

    fn role(nal: &[u8]) -> Role {
        if nal.len() < NAL_HEADER_LEN {
            return Role::Unfit;
        }
        match nal_type(nal) {
            // RFC 7798 section 4.4: the packet types of the payload format, and what is left to it.
            48..=63 => Role::Unfit,
            NAL_DELIMITER => Role::Delimiter,
            NAL_VPS => Role::ParameterSet { kind: 0, id: nal.get(2).map(|byte| u16::from(byte >> 4)) },
            NAL_SPS => Role::ParameterSet { kind: 1, id: SpsHead::of(nal).id() },
            NAL_PPS => Role::ParameterSet { kind: 2, id: exp_golomb(nal, 16, 63) },
            _ => Role::Other,
        }
    }

    fn header(nal: &[u8]) -> [u8; 2] {
        [nal[0], nal[1]]
    }

    /// Section 4.4.2: F is set if it is in any of the units; LayerId and TID are the lowest of theirs.
    ///
    /// ```text
    ///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5
    /// |F|  Type 48  |  LayerId  | TID |
    /// ```
    fn aggregate_header(headers: impl Iterator<Item = [u8; 2]>) -> [u8; 2] {
        let (mut f, mut layer_id, mut tid) = (0, 0x3f, 7);
        for header in headers.map(u16::from_be_bytes) {
            f |= header & 0x8000;
            layer_id = layer_id.min(header >> 3 & 0x3f);
            tid = tid.min(header & 7);
        }
        (f | u16::from(AP) << 9 | layer_id << 3 | tid).to_be_bytes()
    }

    /// Section 4.4.3: payload header and FU header.
    ///
    /// ```text
    ///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3
    /// |F|  Type 49  |  LayerId  | TID |S|E|  FuType   |
    /// ```
    fn fragment_header(nal: [u8; 2], is_start: bool, is_end: bool) -> [u8; 3] {
        [nal[0] & 0x81 | FU << 1, nal[1], u8::from(is_start) << 7 | u8::from(is_end) << 6 | nal_type(&nal)]
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{packets, sample_of_nals};
    use super::*;

    const AUD: &[u8] = &[0x46, 0x01, 0x10];
    const VPS: &[u8] = &[0x40, 0x01, 0x0c];
    /// Main profile, Main tier, level 3.1, with emulation prevention bytes as x265 writes them.
    const SPS: &[u8] = &[
        0x42, 0x01, 0x01, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03, 0x00, 0x5d,
        0xa0,
    ];
    const PPS: &[u8] = &[0x44, 0x01, 0xc1];
    const IDR: &[u8] = &[0x26, 0x01, 0xaf];
    const SLICE: &[u8] = &[0x02, 0x01, 0xd0];
    const SPS_HEX: &str = "42010101600000030090000003000003005da0";

    fn payloader(vps: &[&[u8]], sps: &[&[u8]], pps: &[&[u8]]) -> H265 {
        let owned = |sets: &[&[u8]]| sets.iter().map(|set| set.to_vec()).collect();
        H265::new(&H265Config { vps: owned(vps), sps: owned(sps), pps: owned(pps) })
    }

    /// One that has sent its first sample, which is given all parameter sets, key frame or not.
    fn started(vps: &[&[u8]], sps: &[&[u8]], pps: &[&[u8]]) -> H265 {
        let mut payloader = payloader(vps, sps, pps);
        packets(&mut payloader, &sample_of_nals(false, &[SLICE]), 100);
        payloader
    }

    #[test]
    fn fmtp_has_the_profile_without_emulation_prevention_and_one_set_of_each_kind() {
        let full = "profile-space=0;profile-id=1;tier-flag=0;level-id=93;interop-constraints=900000000000;\
                    sprop-vps=QAEM;sprop-sps=QgEBAWAAAAMAkAAAAwAAAwBdoA==;sprop-pps=RAHB";
        assert_eq!(payloader(&[VPS], &[SPS], &[PPS]).fmtp().as_deref(), Some(full));
        assert_eq!(payloader(&[VPS, VPS], &[SPS, SPS], &[PPS, PPS]).fmtp().as_deref(), Some(full));
        assert_eq!(payloader(&[], &[], &[]).fmtp(), None);
        let cut_off = payloader(&[], &[&SPS[..16]], &[PPS]).fmtp();
        assert_eq!(cut_off.as_deref(), Some("sprop-sps=QgEBAWAAAAMAkAAAAwAAAw==;sprop-pps=RAHB"));
    }

    #[test]
    fn the_id_of_an_sps_is_found_behind_its_sub_layers() {
        let general = [1, 0x60, 0, 0, 0x80, 0x90, 1, 1, 1, 1, 1, 0x5d];
        let sps = |sub_layers: u8, flags: [u8; 2], layers: usize, id_bits: u8| {
            let mut sps = vec![0x42, 0x01, sub_layers << 1 | 1];
            sps.extend_from_slice(&general);
            sps.extend_from_slice(&flags[..if sub_layers > 0 { 2 } else { 0 }]);
            sps.resize(sps.len() + layers, 0x11);
            sps.push(id_bits);
            sps
        };
        for (sps, id) in [
            (sps(0, [0, 0], 0, 0b1000_0000), Some(0)),
            (sps(0, [0, 0], 0, 0b0110_0000), Some(2)),
            (sps(1, [0b0000_0000, 0], 0, 0b0100_0000), Some(1)),
            (sps(1, [0b0100_0000, 0], 1, 0b0100_0000), Some(1)),
            (sps(2, [0b1101_0000, 0], 11 + 1 + 1, 0b0010_1000), Some(4)),
            (sps(6, [0xff, 0xf0], 6 * 12, 0b0001_0000), Some(7)),
            (sps(6, [0xff, 0xf0], 6 * 12, 0b0000_1000), None), // cut off in the code
            (SPS.to_vec(), Some(0)),
            (SPS[..17].to_vec(), None),
        ] {
            assert_eq!(SpsHead::of(&sps).id(), id, "{sps:02x?}");
        }
    }

    #[test]
    fn nal_units_that_fit_together_go_out_as_ap_with_the_lowest_layer_and_temporal_id() {
        let mut payloader = started(&[], &[], &[]);
        // Layer 1 and TID 3; F, layer 0 and TID 2.
        let sample = sample_of_nals(false, &[&[0x02, 0x0b, 0xaa], &[0x82, 0x02, 0xbb, 0xcc]]);
        assert_eq!(packets(&mut payloader, &sample, 100), ["M+0 e0020003020baa00048202bbcc"]);
    }

    #[test]
    fn a_unit_of_exactly_the_maximum_is_single_and_one_byte_more_makes_two_fragments() {
        let mut payloader = started(&[], &[], &[]);
        // IDR_N_LP of layer 33, TID 5.
        let long = [0x29, 0x0d, 1, 2, 3, 4, 5, 6, 7, 8];
        assert_eq!(packets(&mut payloader, &sample_of_nals(false, &[&long]), 10), ["M+0 290d0102030405060708"]);
        assert_eq!(
            packets(&mut payloader, &sample_of_nals(false, &[&long]), 9),
            ["-+0 630d94010203040506", "M+0 630d540708"]
        );
    }

    #[test]
    fn a_key_frame_is_given_the_sets_it_lacks_behind_its_delimiter() {
        let mut payloader = started(&[VPS], &[SPS], &[PPS]);
        let expected = [format!("M+0 60010003460110000340010c0013{SPS_HEX}00034401c100032601af")];
        for nals in [
            &[AUD, IDR][..],
            &[AUD, VPS, SPS, PPS, IDR],
            &[AUD, VPS, IDR],
            &[AUD, SPS, IDR],
            &[AUD, PPS, IDR],
            &[AUD, VPS, PPS, IDR],
        ] {
            assert_eq!(packets(&mut payloader, &sample_of_nals(true, nals), 100), expected, "{nals:02x?}");
        }
        assert_eq!(
            packets(&mut payloader, &sample_of_nals(false, &[AUD, SLICE]), 100),
            ["M+0 6001000346011000030201d0"]
        );
    }

    #[test]
    fn types_that_a_receiver_takes_for_packets_of_the_format_are_left_out() {
        let mut payloader = started(&[VPS], &[SPS], &[PPS]);
        let unfit: Vec<[u8; 3]> = (48..=63).map(|nal_type| [nal_type << 1, 1, 7]).collect();
        let mut nals: Vec<&[u8]> = unfit.iter().map(|nal| &nal[..]).collect();
        nals.extend([&[][..], &[0x26]]);
        assert_eq!(packets(&mut payloader, &sample_of_nals(true, &nals), 100), Vec::<String>::new());
        let end_of_sequence = [0x48, 0x01];
        nals.push(&end_of_sequence);
        assert_eq!(packets(&mut payloader, &sample_of_nals(false, &nals), 100), ["M+0 4801"]);
    }
}
