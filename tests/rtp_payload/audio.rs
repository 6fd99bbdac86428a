//! MPEG audio, AC-3, E-AC-3 and AMR: receivers written from the RFCs, and what they make of what is sent.

use camreel::media::codec::{Ac3Config, AmrConfig, MpegAudioConfig};
use camreel::media::{Codec, Sample};
use proptest::collection::vec;
use proptest::prelude::*;

use super::depacketise::Received;
use super::{RTPTIME, Sender};

/// The frame in these packets (RFC 2250 section 3.5).
fn mpeg_audio(packets: &[Received]) -> Vec<u8> {
    let mut frame = Vec::new();
    for packet in packets {
        assert!(!packet.marker, "a marker without silence suppression");
        let (mbz, offset) = (&packet.payload[..2], &packet.payload[2..4]);
        assert_eq!(mbz, [0, 0]);
        assert_eq!(usize::from(offset[0]) * 256 + usize::from(offset[1]), frame.len(), "Frag_offset");
        assert!(packet.payload.len() > 4, "an empty fragment");
        frame.extend_from_slice(&packet.payload[4..]);
    }
    frame
}

/// The frame in these packets (RFC 4184 section 4.1), whose FT and NF must be those of each fragment's place.
fn ac3(packets: &[Received]) -> Vec<u8> {
    let mut frame: Vec<u8> = Vec::new();
    let types: Vec<u8> = packets.iter().map(|packet| packet.payload[0]).collect();
    let counts: Vec<u8> = packets.iter().map(|packet| packet.payload[1]).collect();
    for (index, packet) in packets.iter().enumerate() {
        frame.extend_from_slice(&packet.payload[2..]);
        assert_eq!(packet.marker, index + 1 == packets.len(), "marker of packet {index}");
    }
    if let [only] = &types[..] {
        assert_eq!((*only, counts[0]), (0, 1), "one whole frame");
    } else if let [first, rest @ ..] = &types[..] {
        let has_five_eighths = (packets[0].payload.len() - 2) as f64 >= 0.625 * frame.len() as f64;
        assert_eq!(*first, if has_five_eighths { 1 } else { 2 }, "FT of the first");
        assert!(rest.iter().all(|other| *other == 3), "FT of the others: {rest:?}");
        assert!(counts.iter().all(|count| usize::from(*count) == packets.len()), "NF: {counts:?}");
    }
    frame
}

/// The frame in these packets (RFC 4598 section 4.1).
fn eac3(packets: &[Received]) -> Vec<u8> {
    let mut frame = Vec::new();
    for (index, packet) in packets.iter().enumerate() {
        let expected = if packets.len() == 1 { [0, 1] } else { [1, packets.len() as u8] };
        assert_eq!(packet.payload[..2], expected, "F and NF");
        assert_eq!(packet.marker, index + 1 == packets.len(), "marker of packet {index}");
        frame.extend_from_slice(&packet.payload[2..]);
    }
    frame
}

/// Frames as storage has them, each with the ticks from the first packet to it (RFC 4867 sections 4.3 and 5.3,
/// octet-aligned, one frame-block in each packet).
fn amr(packets: &[Received], speech_len: fn(u8) -> usize, channels: usize) -> Vec<(u32, Vec<u8>)> {
    let mut blocks = Vec::new();
    for packet in packets {
        let [header, rest @ ..] = &packet.payload[..] else { panic!("an empty payload") };
        assert_eq!(*header, 0xf0, "no codec mode request, and four zeros");
        let (contents, mut speech) = rest.split_at(channels);
        let mut block = Vec::new();
        for (index, entry) in contents.iter().enumerate() {
            assert_eq!(*entry >= 128, index + 1 < channels, "F of entry {index}");
            assert_eq!(entry % 4, 0, "padding");
            let (frame, others) = speech.split_at(speech_len(entry / 8 % 16));
            block.push(entry % 128);
            block.extend_from_slice(frame);
            speech = others;
        }
        assert!(speech.is_empty(), "{} bytes behind the last frame", speech.len());
        blocks.push((packet.rtptime.wrapping_sub(RTPTIME), block));
    }
    blocks
}

/// 3GPP TS 26.101 table A.1b.
fn narrowband_len(frame_type: u8) -> usize {
    match frame_type {
        0 => 12,
        1 => 13,
        2 => 15,
        3 => 17,
        4 => 19,
        5 => 20,
        6 => 26,
        7 => 31,
        8 => 5,
        15 => 0,
        other => panic!("type {other} may not be sent"),
    }
}

/// 3GPP TS 26.201 table A.1b.
fn wideband_len(frame_type: u8) -> usize {
    match frame_type {
        0 => 17,
        1 => 23,
        2 => 32,
        3 => 36,
        4 => 40,
        5 => 46,
        6 => 50,
        7 => 58,
        8 => 60,
        9 => 5,
        14 | 15 => 0,
        other => panic!("type {other} may not be sent"),
    }
}

fn sample(data: Vec<u8>) -> Sample {
    Sample { data, ..Sample::default() }
}

/// Bytes of which none is a sync word by accident.
fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|index| (index % 251) as u8).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn mpeg_audio_frames_come_out_as_they_went_in(packet_len_max in 200..1453_usize, len in 1..6000_usize) {
        let config = MpegAudioConfig { layer: 3, sample_rate: 44_100, channels: 2 };
        let packets = Sender::new(&Codec::MpegAudio(config), packet_len_max).send(sample(bytes(len)));
        prop_assert!(packets.iter().all(|packet| packet.rtptime == RTPTIME));
        prop_assert_eq!(mpeg_audio(&packets), bytes(len));
    }

    #[test]
    fn ac3_frames_come_out_as_they_went_in(packet_len_max in 200..1453_usize, len in 1..8000_usize) {
        let config = Ac3Config { sample_rate: 48_000, channels: 6 };
        let packets = Sender::new(&Codec::Ac3(config), packet_len_max).send(sample(bytes(len)));
        prop_assert!(packets.iter().all(|packet| packet.rtptime == RTPTIME));
        prop_assert_eq!(ac3(&packets), bytes(len));
        let packets = Sender::new(&Codec::Eac3(config), packet_len_max).send(sample(bytes(len)));
        prop_assert!(packets.iter().all(|packet| packet.rtptime == RTPTIME));
        prop_assert_eq!(eac3(&packets), bytes(len));
    }

    #[test]
    fn amr_frames_come_out_as_they_went_in(
        is_wideband in any::<bool>(),
        channels in 1..=6_u8,
        types in vec((0..12_usize, any::<bool>()), 0..60),
    ) {
        let speech_len = if is_wideband { wideband_len } else { narrowband_len };
        let known: &[u8] =
            if is_wideband { &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 14, 15] } else { &[0, 1, 2, 3, 4, 5, 6, 7, 8, 15, 15, 15] };
        let frames: Vec<Vec<u8>> = types
            .iter()
            .map(|(frame_type, quality)| {
                let header = known[*frame_type] * 8 + u8::from(*quality) * 4;
                [vec![header], bytes(speech_len(known[*frame_type]))].concat()
            })
            .collect();
        let blocks: Vec<&[Vec<u8>]> = frames.chunks_exact(usize::from(channels)).collect();
        let ticks = if is_wideband { 320 } else { 160 };
        let expected: Vec<(u32, Vec<u8>)> = blocks
            .iter()
            .enumerate()
            .map(|(index, block)| (index as u32 * ticks, block.concat()))
            .collect();
        let codec = Codec::Amr(AmrConfig { is_wideband, channels });
        let packets = Sender::new(&codec, 1452).send(sample(frames.concat()));
        prop_assert_eq!(amr(&packets, speech_len, channels.into()), expected);
    }
}
