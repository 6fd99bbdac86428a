//! MPEG-1, MPEG-2 and MPEG-4 part 2 video: receivers written from RFC 2250 section 3 and RFC 6416 section 5, and what is
//! sent to them.

use camreel::media::codec::{Mpeg4VisualConfig, MpegVideoConfig};
use camreel::media::{Codec, Sample};
use proptest::collection::vec;
use proptest::prelude::*;

use super::depacketise::Received;
use super::{RTPTIME, Sender};

/// Where start codes are in `bytes`, and what follows each.
fn start_codes(bytes: &[u8]) -> Vec<(usize, u8)> {
    (0..bytes.len().saturating_sub(3))
        .filter(|at| bytes[*at..].starts_with(&[0, 0, 1]))
        .map(|at| (at, bytes[at + 3]))
        .collect()
}

fn check_common(packets: &[Received]) {
    for (index, packet) in packets.iter().enumerate() {
        assert_eq!(packet.rtptime, RTPTIME);
        assert_eq!(packet.marker, index + 1 == packets.len(), "marker of packet {index} of {}", packets.len());
    }
}

/// What a picture header says that each packet repeats: temporal_reference, picture_coding_type, and the vectors.
fn told_by(header: &[u8]) -> (u16, u8, u8) {
    let bits = header[4..10].iter().fold(0_u64, |all, byte| all << 8 | u64::from(*byte));
    let field = |from: u32, len: u32| (bits >> (48 - from - len) & ((1 << len) - 1)) as u8;
    let (reference, kind) = ((bits >> 38) as u16, field(10, 3));
    let (forward, backward) = (field(29, 4), field(33, 4));
    let vectors = match kind {
        2 => forward,
        3 => backward << 4 | forward,
        _ => 0,
    };
    (reference, kind, vectors)
}

/// The bytes of one picture (RFC 2250 sections 3.1 and 3.4).
fn receive_mpv(packets: &[Received]) -> Vec<u8> {
    check_common(packets);
    let mut picture = Vec::new();
    let mut told = None;
    let mut in_slice = false;
    for (index, packet) in packets.iter().enumerate() {
        let (header, payload) = packet.payload.split_at(4);
        assert!(!payload.is_empty(), "packet {index} is empty");
        assert_eq!((header[0] & 0xfc, header[2] & 0xc0), (0, 0), "MBZ, T, AN, N");
        let (s, b, e) = (header[2] & 0x20 != 0, header[2] & 0x10 != 0, header[2] & 8 != 0);
        let here = (u16::from(header[0]) << 8 | u16::from(header[1]), header[2] & 7, header[3]);
        let codes = start_codes(payload);
        let mut before = None;
        let mut begins_slice = false;
        for (number, (at, code)) in codes.iter().enumerate() {
            match code {
                0xb3 => assert_eq!(*at, 0, "a sequence header within packet {index}"),
                0xb8 => assert!(*at == 0 || before == Some(0xb3), "a group header within packet {index}"),
                0x00 => {
                    assert!(*at == 0 || before == Some(0xb8), "a picture header within packet {index}");
                    told = Some(told_by(&payload[*at..]));
                }
                0x01..=0xaf => {
                    let is_behind_headers = codes[..number].iter().all(|(_, code)| *code == 0 || *code >= 0xb0);
                    let is_behind_slices = number > 0 && codes[0].0 == 0;
                    assert!(*at == 0 || is_behind_slices, "a slice behind the end of another in packet {index}");
                    begins_slice |= is_behind_headers && (*at == 0 || codes[0].0 == 0);
                }
                _ => {}
            }
            if [0, 0xb3, 0xb8].contains(code) || (1..=0xaf).contains(code) {
                before = Some(*code);
            }
            in_slice = (1..=0xaf).contains(code);
        }
        assert_eq!(s, codes.iter().any(|(_, code)| *code == 0xb3), "S of packet {index}");
        assert_eq!(b, begins_slice, "B of packet {index}");
        let is_end = packets.get(index + 1).is_none_or(|next| next.payload[4..].starts_with(&[0, 0, 1]));
        assert_eq!(e, in_slice && is_end, "E of packet {index}");
        if let Some(told) = told {
            assert_eq!(here, told, "what packet {index} repeats of the picture header");
        }
        picture.extend_from_slice(payload);
    }
    picture
}

/// A VOP with what stands before it (RFC 6416 section 5.2).
fn receive_mp4v(packets: &[Received], payload_max: usize) -> Vec<u8> {
    check_common(packets);
    let mut sample = Vec::new();
    let mut has_vop = false;
    for (index, packet) in packets.iter().enumerate() {
        let codes = start_codes(&packet.payload);
        assert!(!packet.payload.is_empty(), "packet {index} is empty");
        if let Some((at, code)) = codes.first() {
            // Headers are at the beginning, unless the one before is longer than a packet.
            let goes_on = sample.len() > payload_max && !has_vop;
            assert!(*at == 0 || goes_on, "code {code:#x} at byte {at} of packet {index}");
        }
        has_vop |= codes.iter().any(|(_, code)| *code == 0xb6);
        assert!(has_vop || !packet.marker, "a marker without a VOP");
        sample.extend_from_slice(&packet.payload);
    }
    sample
}

/// A unit with this code, of `len` bytes that hold no start code.
fn unit(code: u8, len: usize) -> Vec<u8> {
    let fill = (0..len.max(10) - 4).map(|index| (index * 7 + index / 251) as u8 | 0x10);
    [0, 0, 1, code].into_iter().chain(fill).collect()
}

/// Which headers a picture of MPEG-2 has, how long its user data and slices are, and whether it has a second field.
fn mpeg2_picture() -> impl Strategy<Value = Vec<u8>> {
    let slices = || vec((1..=0xaf_u8, prop_oneof![10..200_usize, 1000..6000_usize]), 1..12);
    let (headers, fields) = (any::<[bool; 3]>(), vec((any::<u8>(), 0..300_usize, slices()), 1..3));
    (headers, fields).prop_map(|([has_sequence, has_group, ends], fields)| {
        let mut picture = Vec::new();
        if has_sequence {
            picture.extend([unit(0xb3, 12), unit(0xb5, 10)].concat());
        }
        if has_group {
            picture.extend(unit(0xb8, 10));
        }
        for (byte, user_len, slices) in fields {
            let mut header = unit(0x00, 10);
            header[5] = header[5] & 0xc7 | (byte % 3 + 1) << 3;
            picture.extend([header, unit(0xb5, 10)].concat());
            if user_len > 10 {
                picture.extend(unit(0xb2, user_len));
            }
            picture.extend(slices.into_iter().flat_map(|(code, len)| unit(code, len)));
        }
        if ends {
            picture.extend([0, 0, 1, 0xb7]);
        }
        picture
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn mpeg_2_pictures_come_out_as_they_went_in(packet_len_max in 350..1453_usize, picture in mpeg2_picture()) {
        let mut sender = Sender::new(&Codec::MpegVideo(MpegVideoConfig::default()), packet_len_max);
        let packets = sender.send(Sample { data: picture.clone(), ..Sample::default() });
        prop_assert_eq!(receive_mpv(&packets), picture);
    }

    #[test]
    fn mpeg_2_key_frames_have_a_sequence_header(packet_len_max in 350..1453_usize, picture in mpeg2_picture()) {
        let headers = [unit(0xb3, 12), unit(0xb5, 10)].concat();
        let config = MpegVideoConfig { is_mpeg2: true, size: None, headers: headers.clone() };
        let mut sender = Sender::new(&Codec::MpegVideo(config), packet_len_max);
        let received = receive_mpv(&sender.send(Sample { is_sync: true, data: picture.clone(), ..Sample::default() }));
        let has_own = picture.starts_with(&[0, 0, 1, 0xb3]);
        let expected = if has_own { picture } else { [headers, picture].concat() };
        prop_assert_eq!(received, expected);
    }

    #[test]
    fn mpeg_4_vops_come_out_as_they_went_in(
        packet_len_max in 200..1453_usize,
        header_lens in vec((prop_oneof![Just(0xb0_u8), Just(0xb5), Just(0x20), Just(0xb2), Just(0xb3)], 10..150_usize), 0..5),
        vop_len in prop_oneof![10..100_usize, 1000..20_000_usize],
        config in prop_oneof![Just(Vec::new()), Just(unit(0x20, 30)), Just(unit(0x20, 170))],
        is_sync in any::<bool>(),
    ) {
        let mut sample: Vec<u8> = header_lens.iter().flat_map(|(code, len)| unit(*code, *len)).collect();
        sample.extend(unit(0xb6, vop_len));
        let config = Mpeg4VisualConfig { config, profile_level: 1, ..Mpeg4VisualConfig::default() };
        let mut sender = Sender::new(&Codec::Mpeg4Visual(config.clone()), packet_len_max);
        let packets = sender.send(Sample { is_sync, data: sample.clone(), ..Sample::default() });
        let received = receive_mp4v(&packets, packet_len_max - 12);
        let with_config = [&config.config[..], &sample].concat();
        prop_assert!(received == sample || is_sync && received == with_config);
        prop_assert!(received.len() > sample.len() || !is_sync || config.config.is_empty() || header_lens.iter().any(|(code, _)| *code == 0x20));
    }

    #[test]
    fn no_bytes_make_a_video_payloader_panic(
        noise in vec(any::<u8>(), 0..600),
        packet_len_max in 21..300_usize,
        is_sync in any::<bool>(),
    ) {
        let data: Vec<u8> = noise.iter().map(|byte| [0, 0, 1, *byte][usize::from(byte % 4)]).collect();
        for codec in [
            Codec::MpegVideo(MpegVideoConfig { is_mpeg2: false, size: None, headers: data.clone() }),
            Codec::Mpeg4Visual(Mpeg4VisualConfig { config: data.clone(), ..Mpeg4VisualConfig::default() }),
        ] {
            let is_mpv = matches!(codec, Codec::MpegVideo(_));
            let packets = Sender::new(&codec, packet_len_max).send(Sample { is_sync, data: data.clone(), ..Sample::default() });
            let payloads = packets.iter().flat_map(|packet| packet.payload[if is_mpv { 4 } else { 0 }..].iter().copied());
            prop_assert!(payloads.collect::<Vec<u8>>().ends_with(&data));
        }
    }
}
