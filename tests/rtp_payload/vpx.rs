//! VP8 and VP9: receivers written from RFC 7741 section 4 and RFC 9628 section 4, and what is sent to them.

use camreel::media::codec::VpxConfig;
use camreel::media::{Codec, Sample};
use proptest::collection::vec;
use proptest::prelude::*;

use super::depacketise::Received;
use super::{RTPTIME, Sender};

fn check_markers(packets: &[Received]) {
    for (index, packet) in packets.iter().enumerate() {
        assert_eq!(packet.rtptime, RTPTIME);
        assert_eq!(packet.marker, index + 1 == packets.len(), "marker of packet {index} of {}", packets.len());
    }
}

/// The frame in these packets (RFC 7741 section 4.2).
fn vp8(packets: &[Received]) -> Vec<u8> {
    check_markers(packets);
    let mut frame = Vec::new();
    for (index, packet) in packets.iter().enumerate() {
        let descriptor = packet.payload[0];
        let (x, start, partition) = (descriptor & 0x80 != 0, descriptor & 0x10 != 0, descriptor & 7);
        assert_eq!(descriptor & 0x48, 0, "reserved bits");
        assert_eq!((start, partition), (index == 0, 0), "S and PID of packet {index}");
        let extension = if x { packet.payload[1] } else { 0 };
        let picture_id = match (extension & 0x80 != 0, packet.payload.get(2)) {
            (false, _) => 0,
            (true, Some(first)) if *first >= 0x80 => 2,
            _ => 1,
        };
        let others = usize::from(extension & 0x40 != 0) + usize::from(extension & 0x30 != 0);
        frame.extend_from_slice(&packet.payload[1 + usize::from(x) + picture_id + others..]);
    }
    frame
}

/// A picture as RFC 9628 section 4.2 describes it.
#[derive(Debug, Default, PartialEq)]
struct Picture {
    id: u16,
    is_predicted: bool,
    size: Option<(u16, u16)>,
    frame: Vec<u8>,
}

fn vp9(packets: &[Received]) -> Picture {
    check_markers(packets);
    let mut picture = Picture::default();
    for (index, packet) in packets.iter().enumerate() {
        let mut rest = packet.payload.iter().copied();
        let mut byte = || rest.next().expect("a descriptor that is not cut off");
        let flags = byte();
        let has = |bit: u8| flags & bit != 0;
        assert!(!has(0x20) && !has(0x10), "layers, flexible mode");
        assert_eq!(has(0x08), index == 0, "B of packet {index}");
        assert_eq!(has(0x04), index + 1 == packets.len(), "E of packet {index}");
        assert!(has(0x80), "a PictureID, as there is a scalability structure");
        let first = byte();
        let id = if first >= 0x80 { u16::from(first & 0x7f) << 8 | u16::from(byte()) } else { first.into() };
        assert!(index == 0 || (id, has(0x40)) == (picture.id, picture.is_predicted), "packet {index} is of another");
        (picture.id, picture.is_predicted) = (id, has(0x40));
        if has(0x02) {
            assert_eq!(index, 0, "a scalability structure amid a frame");
            let structure = byte();
            assert_eq!(structure & 0xe8, 0, "one layer, no picture group");
            if structure & 0x10 != 0 {
                let mut dimension = || u16::from(byte()) << 8 | u16::from(byte());
                picture.size = Some((dimension(), dimension()));
            }
        }
        let before = picture.frame.len();
        picture.frame.extend(rest);
        assert!(picture.frame.len() > before, "an empty packet");
    }
    picture
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn vp8_frames_come_out_as_they_went_in(frame in vec(any::<u8>(), 0..9000), packet_len_max in 21..1453_usize) {
        let mut sender = Sender::new(&Codec::Vp8(VpxConfig::default()), packet_len_max);
        let packets = sender.send(Sample { data: frame.clone(), ..Sample::default() });
        prop_assert_eq!(vp8(&packets), frame);
    }

    #[test]
    fn vp9_frames_come_out_as_they_went_in(
        frames in vec((any::<bool>(), vec(any::<u8>(), 1..9000)), 1..4),
        packet_len_max in 40..1453_usize,
    ) {
        let mut sender = Sender::new(&Codec::Vp9(VpxConfig::default()), packet_len_max);
        for (number, (is_key, mut frame)) in frames.into_iter().enumerate() {
            // A key frame of profile 0 in 352 by 288, or one that refers to others.
            let head: &[u8] = if is_key { &[0x82, 0x49, 0x83, 0x42, 0x20, 0x15, 0xf0, 0x11, 0xf0] } else { &[0x86] };
            frame.splice(0..0, head.iter().copied());
            let packets = sender.send(Sample { data: frame.clone(), ..Sample::default() });
            let size = is_key.then_some((352, 288));
            prop_assert_eq!(vp9(&packets), Picture { id: number as u16, is_predicted: !is_key, size, frame });
        }
    }

    #[test]
    fn no_bytes_make_it_panic(data in vec(any::<u8>(), 0..300), packet_len_max in 21..300_usize) {
        for codec in [Codec::Vp8(VpxConfig::default()), Codec::Vp9(VpxConfig::default())] {
            Sender::new(&codec, packet_len_max).send(Sample { data: data.clone(), ..Sample::default() });
        }
    }
}
