//! AC-3 (RFC 4184) and E-AC-3 (RFC 4598) over RTP: one sample in each packet, longer ones in fragments.
//!
//! Both headers have two bytes, of which the second, NF, counts the frames in the packet, or else the fragments of the
//! frame. They differ in how the first tells a fragment:
//!
//! ```text
//!  0                   1                       0                   1
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5             0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5
//! |    MBZ    | FT|       NF      |  AC-3     |     MBZ     |F|       NF      |  E-AC-3
//! ```

use super::Payloader;
use crate::media::Sample;
use crate::media::codec::Ac3Config;
use crate::media::codec::ac3::{self, FrameHeader};
use crate::rtp::PacketWriter;

const HEADER_LEN: usize = 2;

/// RFC 4184 section 4.1.1: a first fragment that has the first five eighths of the frame can be decoded by itself.
const FT_INITIAL_WITH_FIVE_EIGHTHS: u8 = 1;
const FT_INITIAL: u8 = 2;
const FT_FURTHER: u8 = 3;
/// RFC 4598 section 4.1.1.
const F_FRAGMENT: u8 = 1;

/// The payload format of one AC-3 or E-AC-3 track.
#[derive(Debug)]
pub struct Ac3 {
    config: Ac3Config,
    is_enhanced: bool,
}

impl Ac3 {
    /// For a track of AC-3.
    pub fn plain(config: Ac3Config) -> Self {
        Self { config, is_enhanced: false }
    }

    /// For a track of E-AC-3.
    pub fn enhanced(config: Ac3Config) -> Self {
        Self { config, is_enhanced: true }
    }

    fn fragment_type(&self, start: usize, end: usize, len: usize) -> u8 {
        match start {
            _ if self.is_enhanced => F_FRAGMENT,
            0 if end * 8 >= len * 5 => FT_INITIAL_WITH_FIVE_EIGHTHS,
            0 => FT_INITIAL,
            _ => FT_FURTHER,
        }
    }
}

impl Payloader for Ac3 {
    /// RFC 4184 section 6, where a missing number of channels means 6; RFC 4598 section 6 has none.
    fn rtpmap(&self) -> String {
        let Ac3Config { sample_rate, channels } = self.config;
        if self.is_enhanced { format!("eac3/{sample_rate}") } else { format!("ac3/{sample_rate}/{channels}") }
    }

    fn fmtp(&self) -> Option<String> {
        None
    }

    fn clock_rate(&self) -> u32 {
        self.config.sample_rate
    }

    /// The marker is on packets with complete frames and on last fragments (section 3 of both).
    fn packetize(&mut self, sample: &Sample, out: &mut PacketWriter<'_>) {
        let len = sample.data.len();
        let fragment_max = out.payload_max() - HEADER_LEN;
        let Ok(count) = u8::try_from(len.div_ceil(fragment_max)) else { return };
        for start in (0..len).step_by(fragment_max) {
            let end = len.min(start + fragment_max);
            out.begin();
            match count {
                1 => out.inline(&[0, frame_count(&sample.data)]),
                _ => out.inline(&[self.fragment_type(start, end, len), count]),
            }
            out.sample(start..end);
            out.finish(end == len);
        }
    }
}

/// How many frames there are: of E-AC-3 with fewer than six blocks, a container may have several in a sample. What
/// belongs to one moment is one frame (RFC 4598 section 2.1.2).
fn frame_count(data: &[u8]) -> u8 {
    let mut count: u8 = 0;
    let mut rest = data;
    while let Some(header) = rest.first_chunk::<{ ac3::HEADER_LEN }>().and_then(FrameHeader::parse) {
        count = count.saturating_add(header.begins_moment().into());
        rest = rest.get(header.len..).unwrap_or_default();
    }
    count.max(1)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{packets, sample_of};
    use super::*;

    const CONFIG: Ac3Config = Ac3Config { sample_rate: 48_000, channels: 6 };

    #[test]
    fn sdp_names_the_rate_and_for_ac3_the_channels() {
        let (ac3, eac3) = (Ac3::plain(CONFIG), Ac3::enhanced(CONFIG));
        assert_eq!((ac3.rtpmap().as_str(), ac3.clock_rate(), ac3.fmtp()), ("ac3/48000/6", 48_000, None));
        assert_eq!((eac3.rtpmap().as_str(), eac3.clock_rate(), eac3.fmtp()), ("eac3/48000", 48_000, None));
    }

    #[test]
    fn a_frame_that_fits_is_one_packet_of_one_frame() {
        let frame = sample_of([0x0b, 0x77, 1, 2, 3, 4, 5]);
        assert_eq!(packets(&mut Ac3::plain(CONFIG), &frame, 9), ["M+0 00010b770102030405"]);
        assert_eq!(packets(&mut Ac3::enhanced(CONFIG), &frame, 9), ["M+0 00010b770102030405"]);
    }

    #[test]
    fn fragments_of_ac3_tell_whether_the_first_has_five_eighths_and_how_many_there_are() {
        let frame = |len: u8| sample_of((1..=len).collect::<Vec<u8>>());
        assert_eq!(packets(&mut Ac3::plain(CONFIG), &frame(11), 9), ["-+0 010201020304050607", "M+0 030208090a0b"]);
        assert_eq!(packets(&mut Ac3::plain(CONFIG), &frame(12), 9), ["-+0 020201020304050607", "M+0 030208090a0b0c"]);
        assert_eq!(
            packets(&mut Ac3::plain(CONFIG), &frame(15), 9),
            ["-+0 020301020304050607", "-+0 030308090a0b0c0d0e", "M+0 03030f"]
        );
    }

    #[test]
    fn fragments_of_eac3_are_all_of_one_kind() {
        let frame = sample_of((1..=15).collect::<Vec<u8>>());
        assert_eq!(
            packets(&mut Ac3::enhanced(CONFIG), &frame, 9),
            ["-+0 010301020304050607", "-+0 010308090a0b0c0d0e", "M+0 01030f"]
        );
    }

    #[test]
    fn short_frames_in_one_sample_are_counted_and_what_depends_on_them_is_not() {
        // Syncframes of 8 bytes: independent substream 0, dependent 0, independent 0 again, independent 1.
        let syncframe = |stream: u8| [0x0b, 0x77, stream, 0x03, 0x04, 0x80, 0, 0];
        let data = [syncframe(0x00), syncframe(0x40), syncframe(0x00), syncframe(0x08)].concat();
        let sent = packets(&mut Ac3::enhanced(CONFIG), &sample_of(data), 100);
        assert!(sent.len() == 1 && sent[0].starts_with("M+0 00020b77"), "{sent:?}");
    }

    #[test]
    fn what_takes_more_fragments_than_can_be_counted_is_left_out() {
        assert_eq!(packets(&mut Ac3::plain(CONFIG), &sample_of(vec![1; 2551]), 12), Vec::<String>::new());
        assert_eq!(packets(&mut Ac3::plain(CONFIG), &sample_of(vec![1; 2550]), 12).len(), 255);
    }
}
