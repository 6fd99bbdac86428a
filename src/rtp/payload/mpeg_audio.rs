//! MPEG-1 and MPEG-2 audio over RTP (RFC 2250 section 3.5): one frame in each packet, longer ones in fragments.
//!
//! Section 3.1: the marker tells the start of a talkspurt; a recording has no silence left out, so it is never set.

use super::Payloader;
use crate::media::Sample;
use crate::rtp::PacketWriter;

/// Length of the MPEG audio-specific header in bytes.
const HEADER_LEN: usize = 4;

/// The payload format of one track of MPEG audio, of any layer.
#[derive(Debug)]
pub struct MpegAudio;

impl Payloader for MpegAudio {
    /// RFC 3551 table 4.
    fn static_payload_type(&self) -> Option<u8> {
        Some(14)
    }

    /// Layer, rate and channels are in the frames.
    fn rtpmap(&self) -> String {
        "MPA/90000".to_owned()
    }

    fn fmtp(&self) -> Option<String> {
        None
    }

    fn clock_rate(&self) -> u32 {
        90_000
    }

    /// ```text
    ///  0                   1                   2                   3
    ///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    /// |             MBZ               |          Frag_offset          |
    /// ```
    ///
    /// The offset has 16 bits; what is longer is no frame of any bit rate and left out.
    fn packetize(&mut self, sample: &Sample, out: &mut PacketWriter<'_>) {
        let len = sample.data.len();
        if len > usize::from(u16::MAX) {
            return;
        }
        let fragment_max = out.payload_max() - HEADER_LEN;
        for start in (0..len).step_by(fragment_max) {
            let [high, low] = (start as u16).to_be_bytes();
            out.begin();
            out.inline(&[0, 0, high, low]);
            out.sample(start..len.min(start + fragment_max));
            out.finish(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{packets, sample_of};
    use super::*;

    #[test]
    fn the_payload_type_is_static_and_the_clock_has_90_khz_whatever_the_rate() {
        let payloader = MpegAudio;
        assert_eq!((payloader.static_payload_type(), payloader.clock_rate()), (Some(14), 90_000));
        assert_eq!((payloader.rtpmap().as_str(), payloader.fmtp()), ("MPA/90000", None));
    }

    #[test]
    fn a_frame_that_fits_is_one_packet_and_a_longer_one_is_fragments_that_tell_their_offset() {
        let frame = sample_of([0xff, 0xfb, 0x90, 0x64, 5, 6, 7, 8, 9]);
        assert_eq!(packets(&mut MpegAudio, &frame, 13), ["-+0 00000000fffb90640506070809"]);
        assert_eq!(packets(&mut MpegAudio, &frame, 9), ["-+0 00000000fffb906405", "-+0 0000000506070809"]);
    }

    #[test]
    fn what_is_empty_or_longer_than_an_offset_can_tell_is_left_out() {
        assert_eq!(packets(&mut MpegAudio, &sample_of([]), 100), Vec::<String>::new());
        assert_eq!(packets(&mut MpegAudio, &sample_of(vec![1; 65_536]), 1400), Vec::<String>::new());
        assert_eq!(packets(&mut MpegAudio, &sample_of(vec![1; 65_535]), 1400).len(), 47);
    }
}
