//! MPEG transport streams over RTP (RFC 2250 section 2): whole packets of 188 bytes, as many as fit, seven at most.

use super::Payloader;
use crate::media::Sample;
use crate::rtp::PacketWriter;

/// The length of a transport packet in bytes.
const PACKET_LEN: usize = 188;
/// How many go into a datagram by long custom: 1316 bytes, which every network lets through.
const PACKETS_MAX: usize = 7;

/// The payload format of a transport stream.
#[derive(Debug, Default)]
pub struct Mp2t;

impl Payloader for Mp2t {
    /// RFC 3551 section 6.
    fn static_payload_type(&self) -> Option<u8> {
        Some(33)
    }

    fn rtpmap(&self) -> String {
        "MP2T/90000".to_owned()
    }

    fn fmtp(&self) -> Option<String> {
        None
    }

    fn clock_rate(&self) -> u32 {
        90_000
    }

    /// Section 2: an integral number of packets. The marker would tell that the timestamp jumps, which it never does. A
    /// packet that is longer than the client wants goes out all the same, as it cannot be split.
    fn packetize(&mut self, sample: &Sample, out: &mut PacketWriter<'_>) {
        let len = (out.payload_max() / PACKET_LEN).clamp(1, PACKETS_MAX) * PACKET_LEN;
        let end = sample.data.len() / PACKET_LEN * PACKET_LEN;
        for start in (0..end).step_by(len) {
            out.begin();
            out.sample(start..end.min(start + len));
            out.finish_unsplit(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{packets, sample_of};
    use super::*;

    #[test]
    fn whole_packets_go_out_as_many_as_fit_up_to_seven() {
        let data: Vec<u8> = (0..10_u8).flat_map(|number| [number; PACKET_LEN]).collect();
        for (payload_max, expected) in
            [(1400, vec![7, 3]), (1316, vec![7, 3]), (1315, vec![6, 4]), (376, vec![2; 5]), (100, vec![1; 10])]
        {
            let packets = packets(&mut Mp2t, &sample_of(data.clone()), payload_max);
            let lens: Vec<_> = packets.iter().map(|packet| (packet.len() - "-+0 ".len()) / 2).collect();
            assert_eq!(lens, expected.iter().map(|count| count * PACKET_LEN).collect::<Vec<_>>(), "{payload_max}");
            let joined: String = packets.iter().map(|packet| packet.strip_prefix("-+0 ").unwrap()).collect();
            assert!(joined.starts_with("0000") && joined.ends_with("0909"));
        }
        assert_eq!(packets(&mut Mp2t, &sample_of([0x47; 100]), 1400), Vec::<String>::new());
    }

    #[test]
    fn the_payload_type_is_the_assigned_one() {
        assert_eq!((Mp2t.static_payload_type(), Mp2t.rtpmap().as_str(), Mp2t.fmtp()), (Some(33), "MP2T/90000", None));
    }
}
