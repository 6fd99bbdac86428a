//! A receiver of H.263 (RFC 4629), from the RFC's sections 4 to 6.

use camreel::media::codec::H263Config;
use camreel::media::{Codec, Sample};
use camreel::rtp::HEADER_LEN;
use proptest::collection::vec;
use proptest::prelude::*;

use super::depacketise::Received;
use super::{RTPTIME, Sender};

/// The picture in these packets.
fn h263(packets: &[Received]) -> Vec<u8> {
    let mut picture = Vec::new();
    for (index, packet) in packets.iter().enumerate() {
        assert_eq!(packet.rtptime, RTPTIME);
        assert_eq!(packet.marker, index + 1 == packets.len(), "the marker is that of the last packet only");
        let header = u16::from_be_bytes([packet.payload[0], packet.payload[1]]);
        let (reserved, p, v, plen, pebit) =
            (header >> 11, header >> 10 & 1 == 1, header >> 9 & 1 == 1, header >> 3 & 63, header & 7);
        assert_eq!(reserved, 0, "RR is zero");
        assert!(!v, "there is no video redundancy coding");
        assert_eq!((plen, pebit), (0, 0), "there is no extra picture header");
        let payload = &packet.payload[2..];
        if p {
            // Section 5.1: two bytes of zero bits are to be prepended.
            assert!(payload[0] >= 0x80, "what follows 16 zero bits is the 1 of a start code: {payload:02x?}");
            picture.extend([0, 0]);
        }
        picture.extend(payload);
    }
    picture
}

/// Bytes of a picture, with start codes of groups of blocks here and there, and zeros that are none.
fn picture() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        8 => vec(any::<u8>(), 0..400),
        2 => Just(vec![0, 0, 0x84, 0x13]),
        1 => vec(0..2_u8, 0..6),
        1 => vec(any::<u8>(), 1000..3000),
    ];
    vec(part, 0..12).prop_map(|parts| [vec![0, 0, 0x80, 0x02, 0x08], parts.concat()].concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn h263_pictures_come_out_as_they_went_in(packet_len_max in 30..1453_usize, picture in picture()) {
        let mut sender = Sender::new(&Codec::H263(H263Config::default()), packet_len_max);
        let packets = sender.send(Sample { data: picture.clone(), ..Sample::default() });
        prop_assert_eq!(h263(&packets), picture);
        // Every packet but the last is at least half full.
        let half = (packet_len_max - HEADER_LEN - 2) / 2;
        let lens: Vec<_> = packets.iter().map(|packet| packet.payload.len()).collect();
        prop_assert!(lens.iter().rev().skip(1).all(|len| *len >= half), "{:?} of {}", lens, packet_len_max);
    }

    #[test]
    fn no_bytes_make_the_h263_payloader_panic(packet_len_max in 21..300_usize, data in vec(0..3_u8, 0..600)) {
        let mut sender = Sender::new(&Codec::H263(H263Config::default()), packet_len_max);
        prop_assert_eq!(h263(&sender.send(Sample { data: data.clone(), ..Sample::default() })), data);
    }
}
