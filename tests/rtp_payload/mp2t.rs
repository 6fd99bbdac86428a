//! Transport streams (RFC 2250 section 2): a receiver that knows of packets of 188 bytes and of nothing else.

use camreel::media::codec::TransportStreamConfig;
use camreel::media::{Codec, Sample};
use proptest::collection::vec;
use proptest::prelude::*;

use super::{RTPTIME, Sender};

proptest! {
    #[test]
    fn transport_packets_come_out_whole_and_in_order(
        packets in vec(any::<u8>(), 1..40),
        packet_len_max in 200_usize..1600,
    ) {
        let data: Vec<u8> = packets.iter().flat_map(|byte| [&[0x47], &[*byte; 187][..]].concat()).collect();
        let mut sender = Sender::new(&Codec::TransportStream(TransportStreamConfig {}), packet_len_max);
        let received = sender.send(Sample { data: data.clone(), ..Sample::default() });
        let mut joined = Vec::new();
        for packet in &received {
            prop_assert_eq!(packet.payload.len() % 188, 0);
            prop_assert!(packet.payload.len() <= 7 * 188 && packet.payload[0] == 0x47);
            prop_assert_eq!((packet.marker, packet.rtptime), (false, RTPTIME));
            joined.extend_from_slice(&packet.payload);
        }
        prop_assert!(joined == data);
        // Nobody gets more packets than he must.
        let fit = ((packet_len_max - 12) / 188).clamp(1, 7);
        prop_assert_eq!(received.len(), packets.len().div_ceil(fit));
    }
}
