//! H.263 over RTP (RFC 4629), as `H263-1998`, which covers the H.263 of 1996 as well (section 1).
//!
//! A picture is split where its groups of blocks begin, if that fills the packets well, so that a decoder can go on
//! behind a lost one; else anywhere, as "follow-on packets" (section 6.1.3).
//!
//! ```text
//!  0                   1
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |   RR    |P|V|   PLEN    |PEBIT|
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use memchr::memmem;

use super::Payloader;
use crate::media::Sample;
use crate::rtp::PacketWriter;

/// The payload header: neither VRC (V) nor a copy of the picture header (PLEN) is sent.
const HEADER_LEN: usize = 2;
/// P: the payload begins with a start code, whose first two bytes, both 0, are left out (section 5.1).
const HEADER_AT_START_CODE: [u8; HEADER_LEN] = [0x04, 0];
const HEADER_FOLLOW_ON: [u8; HEADER_LEN] = [0, 0];
/// The bytes of a start code that P stands for.
const START_CODE_ZEROS: usize = 2;

/// The payload format of one H.263 track.
#[derive(Debug)]
pub struct H263;

impl Payloader for H263 {
    fn rtpmap(&self) -> String {
        "H263-1998/90000".to_owned()
    }

    /// Section 8.1.1: all parameters are optional and tell what a receiver can do.
    fn fmtp(&self) -> Option<String> {
        None
    }

    fn clock_rate(&self) -> u32 {
        90_000
    }

    fn packetize(&mut self, sample: &Sample, out: &mut PacketWriter<'_>) {
        let data = &sample.data[..];
        let room = out.payload_max().saturating_sub(HEADER_LEN).max(1);
        let mut position = 0;
        while position < data.len() {
            out.begin();
            if is_start_code(&data[position..]) {
                out.inline(&HEADER_AT_START_CODE);
                position += START_CODE_ZEROS;
            } else {
                out.inline(&HEADER_FOLLOW_ON);
            }
            let end = split(data, position, room);
            out.sample(position..end);
            position = end;
            out.finish(position == data.len());
        }
    }
}

/// Whether a start code begins here at a byte boundary: 16 bits of 0, then a 1 (ITU-T H.263 sections 5.1.1 and 5.2.2).
fn is_start_code(data: &[u8]) -> bool {
    matches!(data, [0, 0, third, ..] if third & 0x80 != 0)
}

/// Where the packet ends whose payload begins at `start`: before the last start code that leaves it at least half full.
fn split(data: &[u8], start: usize, room: usize) -> usize {
    let end = data.len().min(start + room);
    if end == data.len() {
        return end;
    }
    // A start code that begins right behind the packet is the best place of all.
    let from = start + room / 2;
    let window = &data[from..data.len().min(end + START_CODE_ZEROS + 1)];
    let codes = memmem::rfind_iter(window, &[0, 0]).map(|found| from + found);
    codes.into_iter().find(|at| *at > start && *at <= end && is_start_code(&data[*at..])).unwrap_or(end)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{packets, sample_of};
    use super::*;

    #[test]
    fn a_picture_start_code_loses_its_two_zeros_to_the_p_bit() {
        assert_eq!(packets(&mut H263, &sample_of([0, 0, 0x80, 2, 8, 1]), 100), ["M+0 040080020801"]);
    }

    #[test]
    fn a_long_picture_goes_on_in_full_packets_without_the_p_bit_and_ends_with_the_marker() {
        let picture = [0, 0, 0x80, 2, 8, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
        assert_eq!(
            packets(&mut H263, &sample_of(picture), 9),
            ["-+0 040080020801020304", "-+0 000005060708090a0b", "M+0 00000c"]
        );
    }

    #[test]
    fn a_picture_is_split_before_a_group_of_blocks_that_leaves_the_packet_half_full() {
        let picture = [0, 0, 0x80, 2, 8, 1, 0, 0, 0x84, 3, 4, 0, 0, 5, 6, 0, 0, 0x88, 9];
        assert_eq!(
            packets(&mut H263, &sample_of(picture), 9),
            ["-+0 040080020801", "-+0 040084030400000506", "M+0 04008809"]
        );
    }

    #[test]
    fn an_empty_sample_makes_no_packet() {
        assert_eq!(packets(&mut H263, &sample_of([]), 100), Vec::<String>::new());
        assert_eq!((H263.rtpmap().as_str(), H263.fmtp(), H263.clock_rate()), ("H263-1998/90000", None, 90_000));
    }
}
