//! Formats that only split what they are given: DV, text and metadata.

use camreel::media::codec::{DvConfig, MetadataConfig, TextConfig};
use camreel::media::{Codec, Sample};
use proptest::collection::vec;
use proptest::prelude::*;

use super::Sender;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn dv_blocks_come_out_whole_and_in_order(packet_len_max in 200..1453_usize, data in vec(any::<[u8; 80]>(), 1..100)) {
        let config = DvConfig { encode: "SD-VCR/625-50", frame_len: 144_000, size: (720, 576) };
        let mut sender = Sender::new(&Codec::Dv(config), packet_len_max);
        let packets = sender.send(Sample { data: data.concat(), ..Sample::default() });
        for (index, packet) in packets.iter().enumerate() {
            prop_assert_eq!(packet.payload.len() % 80, 0);
            prop_assert_eq!(packet.marker, index + 1 == packets.len());
            prop_assert_eq!(packet.rtptime, packets[0].rtptime);
        }
        let received: Vec<u8> = packets.into_iter().flat_map(|packet| packet.payload).collect();
        prop_assert_eq!(received, data.concat());
    }

    #[test]
    fn every_packet_of_a_cue_is_text_by_itself(packet_len_max in 21..60_usize, cue in ".{0,200}") {
        let mut sender = Sender::new(&Codec::Text(TextConfig::default()), packet_len_max);
        let packets = sender.send(Sample { data: cue.clone().into_bytes(), ..Sample::default() });
        let texts = packets.into_iter().map(|packet| String::from_utf8(packet.payload).expect("whole characters"));
        prop_assert_eq!(texts.collect::<String>(), cue);
    }

    #[test]
    fn metadata_is_whole_at_the_marker(packet_len_max in 200..1453_usize, data in vec(any::<u8>(), 1..5000)) {
        let config = MetadataConfig { encoding: "vnd.onvif.metadata".to_owned() };
        let mut sender = Sender::new(&Codec::Metadata(config), packet_len_max);
        let packets = sender.send(Sample { data: data.clone(), ..Sample::default() });
        let markers: Vec<bool> = packets.iter().map(|packet| packet.marker).collect();
        prop_assert_eq!(markers.iter().position(|marker| *marker), Some(packets.len() - 1));
        let received: Vec<u8> = packets.into_iter().flat_map(|packet| packet.payload).collect();
        prop_assert_eq!(received, data);
    }
}
