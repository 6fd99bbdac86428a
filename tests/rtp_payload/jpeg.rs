//! RFC 2435: a receiver that makes up a picture as its appendix B does, and compares what the picture says.

use camreel::media::codec::JpegConfig;
use camreel::media::{Codec, Sample};
use proptest::collection::vec;
use proptest::prelude::*;

use super::Sender;
use super::depacketise::Received;

/// What a receiver knows of a picture.
#[derive(Debug, PartialEq)]
struct Rebuilt {
    is_420: bool,
    /// In pixels, rounded up to blocks.
    size: (usize, usize),
    restart_interval: Option<u16>,
    tables: Vec<u8>,
    scan: Vec<u8>,
}

fn rebuild(packets: &[Received]) -> Rebuilt {
    let mut rebuilt: Option<Rebuilt> = None;
    for (index, packet) in packets.iter().enumerate() {
        let bytes = &packet.payload;
        assert_eq!(packet.marker, index + 1 == packets.len(), "the marker ends a frame");
        assert_eq!(packet.rtptime, packets[0].rtptime);
        assert_eq!(bytes[0], 0, "a whole frame, not a field");
        let offset = usize::from(bytes[1]) << 16 | usize::from(bytes[2]) << 8 | usize::from(bytes[3]);
        let (kind, q) = (bytes[4], bytes[5]);
        assert_eq!(q, 255);
        let mut rest = &bytes[8..];
        let restart_interval = (kind >= 64).then(|| {
            let interval = u16::from_be_bytes([rest[0], rest[1]]);
            assert_eq!(
                rest[2..4],
                [0xff, 0xff],
                "F, L and a count of 3fff: the packet does not begin with an interval"
            );
            rest = &rest[4..];
            interval
        });
        if offset == 0 {
            assert_eq!((rest[0], rest[1]), (0, 0), "MBZ and 8-bit tables");
            let len = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
            let (tables, scan) = rest[4..].split_at(len);
            rebuilt = Some(Rebuilt {
                is_420: match kind % 64 {
                    0 => false,
                    1 => true,
                    other => panic!("type {other}"),
                },
                size: (usize::from(bytes[6]) * 8, usize::from(bytes[7]) * 8),
                restart_interval,
                tables: tables.to_vec(),
                scan: scan.to_vec(),
            });
        } else {
            let rebuilt = rebuilt.as_mut().expect("the first packet has offset 0");
            assert_eq!(offset, rebuilt.scan.len());
            assert_eq!((rebuilt.restart_interval, kind % 64 == 1), (restart_interval, rebuilt.is_420));
            rebuilt.scan.extend_from_slice(rest);
        }
    }
    rebuilt.expect("packets of a picture")
}

fn segment(picture: &mut Vec<u8>, marker: u8, body: &[u8]) {
    picture.extend([0xff, marker]);
    picture.extend((body.len() as u16 + 2).to_be_bytes());
    picture.extend(body);
}

/// A picture without Huffman tables, as cameras that write AVI leave them out.
fn picture(width: u16, height: u16, is_420: bool, restarts: Option<u16>, tables: &[u8], scan: &[u8]) -> Vec<u8> {
    let mut picture = vec![0xff, 0xd8];
    segment(&mut picture, 0xe0, b"AVI1\0\0\0\0\0\0\0\0\0\0");
    segment(&mut picture, 0xdb, &[&[0], &tables[..64], &[1], &tables[64..]].concat());
    if let Some(interval) = restarts {
        segment(&mut picture, 0xdd, &interval.to_be_bytes());
    }
    let ([h0, h1], [w0, w1]) = (height.to_be_bytes(), width.to_be_bytes());
    let luma = if is_420 { 0x22 } else { 0x21 };
    segment(&mut picture, 0xc0, &[8, h0, h1, w0, w1, 3, 1, luma, 0, 2, 0x11, 1, 3, 0x11, 1]);
    segment(&mut picture, 0xda, &[3, 1, 0, 2, 0x11, 3, 0x11, 0, 63, 0]);
    picture.extend(scan);
    picture.extend([0xff, 0xd9]);
    picture
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn pictures_come_out_as_they_went_in(
        packet_len_max in 300..1453_usize,
        (width, height) in (1..=2040_u16, 1..=2040_u16),
        is_420 in any::<bool>(),
        restarts in proptest::option::of(1..u16::MAX),
        tables in vec(1..=255_u8, 128),
        data in vec(any::<u8>(), 1..6000),
    ) {
        // FF is followed by 0, or is a restart marker.
        let scan: Vec<u8> = data.iter().flat_map(|byte| match byte {
            0xff => vec![0xff, 0],
            1 if restarts.is_some() => vec![0xff, 0xd3],
            other => vec![*other],
        }).collect();
        let sample = Sample { data: picture(width, height, is_420, restarts, &tables, &scan), ..Sample::default() };
        let mut sender = Sender::new(&Codec::Jpeg(JpegConfig::default()), packet_len_max);
        let size = (usize::from(width).next_multiple_of(8), usize::from(height).next_multiple_of(8));
        let expected = Rebuilt { is_420, size, restart_interval: restarts, tables, scan };
        prop_assert_eq!(rebuild(&sender.send(sample)), expected);
    }

    #[test]
    fn no_bytes_make_the_payloader_panic(
        packet_len_max in 300..400_usize,
        data in vec(any::<u8>(), 0..300),
        changes in vec((0..400_usize, any::<u8>()), 0..10),
    ) {
        let mut sender = Sender::new(&Codec::Jpeg(JpegConfig::default()), packet_len_max);
        let mut bytes = picture(64, 48, true, None, &[1; 128], &data);
        for (at, value) in changes {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        sender.send(Sample { data: bytes, ..Sample::default() });
        sender.send(Sample { data, ..Sample::default() });
    }
}
