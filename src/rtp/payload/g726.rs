//! G.726 over RTP in the packing of ITU-T I.366.2 (`AAL2-G726-*`, RFC 3551 section 4.5.4): code words begin in the most
//! significant bits of a byte.
//!
//! RFC 3551's own packing (`G726-*`) begins in the least significant bits. It is not sent, whatever the file has: by
//! default GStreamer reads it the other way round, as VLC always does, for so many devices confuse the two. `AAL2-G726-*`
//! has one meaning in FFmpeg and GStreamer alike. Where the file has the other packing, code words are put in order.

use super::Payloader;
use super::pcm::{self, Values, each};
use crate::media::Sample;
use crate::media::codec::G726Config;
use crate::rtp::PacketWriter;

/// Code words in the fewest bytes that they fill wholly; as many bytes as a code word has bits.
const GROUP_CODES: u32 = 8;

/// The payload format of one G.726 track.
#[derive(Debug)]
pub struct G726 {
    config: G726Config,
}

impl G726 {
    /// For a track with this config.
    ///
    /// # Errors
    /// When there is no such code (2 to 5 bits).
    pub fn new(config: G726Config) -> Result<Self, String> {
        if !(2..=5).contains(&config.code_bits) {
            return Err(format!("G.726 has no code words of {} bits", config.code_bits));
        }
        Ok(Self { config })
    }
}

impl Payloader for G726 {
    /// The number is that of kbit/s at 8000 Hz.
    fn rtpmap(&self) -> String {
        pcm::rtpmap(&format!("AAL2-G726-{}", self.config.code_bits * 8), self.config.sample_rate, 1)
    }

    fn fmtp(&self) -> Option<String> {
        None
    }

    fn clock_rate(&self) -> u32 {
        self.config.sample_rate
    }

    fn packetize(&mut self, sample: &Sample, out: &mut PacketWriter<'_>) {
        let len = usize::from(self.config.code_bits);
        let values = match self.config.code_bits {
            _ if self.config.is_most_significant_first => Values::as_they_are(len),
            2 => Values::converted(2, 2, |from, to| each(from, to, turned::<2>)),
            3 => Values::converted(3, 3, |from, to| each(from, to, turned::<3>)),
            4 => Values::converted(4, 4, |from, to| each(from, to, turned::<4>)),
            _ => Values::converted(5, 5, |from, to| each(from, to, turned::<5>)),
        };
        pcm::packetize(sample, Values { ticks: GROUP_CODES, ..values }, out);
    }
}

/// Eight code words of `BITS` bits that begin in the least significant bits, as they begin in the most significant ones.
fn turned<const BITS: usize>(group: [u8; BITS]) -> [u8; BITS] {
    let codes = group.iter().rev().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    let turned =
        (0..GROUP_CODES as usize).fold(0, |turned, code| turned << BITS | codes >> (code * BITS) & ((1 << BITS) - 1));
    let mut bytes = [0; BITS];
    bytes.copy_from_slice(&turned.to_be_bytes()[8 - BITS..]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::super::testing::{packets, sample_of};
    use super::*;

    fn payloader(code_bits: u8, is_most_significant_first: bool) -> G726 {
        G726::new(G726Config { code_bits, is_most_significant_first, sample_rate: 8000 }).unwrap()
    }

    #[test]
    fn the_name_tells_the_bit_rate_and_the_packing() {
        for (code_bits, rtpmap) in
            [(2, "AAL2-G726-16/8000"), (3, "AAL2-G726-24/8000"), (4, "AAL2-G726-32/8000"), (5, "AAL2-G726-40/8000")]
        {
            assert_eq!(payloader(code_bits, false).rtpmap(), rtpmap);
        }
        let none = G726Config { code_bits: 6, is_most_significant_first: true, sample_rate: 8000 };
        assert_eq!(G726::new(none).unwrap_err(), "G.726 has no code words of 6 bits");
    }

    #[test]
    fn packets_hold_groups_of_eight_code_words() {
        let data: Vec<u8> = (0..20).collect();
        assert_eq!(
            packets(&mut payloader(3, true), &sample_of(data), 11),
            ["-+0 000102030405060708", "-+24 090a0b0c0d0e0f1011"] // two bytes more are no group
        );
    }

    #[test]
    fn the_packing_of_rfc_3551_is_turned_into_that_of_i_366_2() {
        // Code words 0 to 7 (of two bits: 0 to 3, twice) from the least significant bit on; then from the most.
        for (code_bits, file, wire) in [
            (2, vec![0b1110_0100, 0b1110_0100], "1b1b"),
            (3, vec![0b1000_1000, 0b1100_0110, 0b1111_1010], "053977"),
            (4, vec![0x10, 0x32, 0x54, 0x76], "01234567"),
            (5, vec![0x20, 0x88, 0x41, 0x8a, 0x39], "00443214c7"),
        ] {
            let expected = format!("-+0 {wire}");
            assert_eq!(
                packets(&mut payloader(code_bits, false), &sample_of(file), 100),
                [expected],
                "{code_bits} bits"
            );
        }
    }
}
