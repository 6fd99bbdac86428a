//! Bits of a NAL unit: raw byte sequence payload (ITU-T H.264 section 7.4.1, H.265 section 7.4.2) and Exp-Golomb codes.
//!
//! The bit reader is `h264-reader`'s. The emulation prevention is our own, because that crate's refuses bytes that no
//! encoder should write but some do, and decoders put up with.

use std::io::{self, BufRead, Read};

use h264_reader::rbsp::{BitRead, BitReader};

/// Bits of one NAL unit, or of the first bytes of one. Every reader returns `None` at the end of what there is.
pub struct Bits<'a> {
    reader: BitReader<Unescaped<'a>>,
}

impl<'a> Bits<'a> {
    /// Reads `nal` behind its header of `header_len` bytes.
    pub fn new(nal: &'a [u8], header_len: usize) -> Self {
        let rest = nal.get(header_len..).unwrap_or_default();
        Self { reader: BitReader::new(Unescaped { rest, ready: 0, zeros: 0 }) }
    }

    /// A flag.
    pub fn flag(&mut self) -> Option<bool> {
        self.reader.read_bit("").ok()
    }

    /// `count` bits, at most 32, as an unsigned number: `u(n)`.
    pub fn bits(&mut self, count: u32) -> Option<u32> {
        self.reader.read_var(count, "").ok()
    }

    /// Steps over `count` bits.
    pub fn skip(&mut self, count: u32) -> Option<()> {
        self.reader.skip(count, "").ok()
    }

    /// An unsigned Exp-Golomb code: `ue(v)`.
    pub fn ue(&mut self) -> Option<u32> {
        self.reader.read_ue("").ok()
    }

    /// An unsigned Exp-Golomb code that may be `max` at most.
    pub fn ue_max(&mut self, max: u32) -> Option<u32> {
        self.ue().filter(|value| *value <= max)
    }

    /// A signed Exp-Golomb code: `se(v)`.
    pub fn se(&mut self) -> Option<i32> {
        self.reader.read_se("").ok()
    }
}

/// The bytes of a NAL unit without emulation prevention: of `00 00 03`, the 3 is dropped.
#[derive(Clone)]
struct Unescaped<'a> {
    rest: &'a [u8],
    /// How many bytes of `rest` are known to be payload.
    ready: usize,
    /// Zero bytes at the end of what is ready or gone, at most 2.
    zeros: u8,
}

impl BufRead for Unescaped<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        /// Few, as most readers want the first bytes of a slice only.
        const AHEAD: usize = 16;
        if self.ready == 0 {
            if self.zeros == 2 && self.rest.first() == Some(&3) {
                self.rest = &self.rest[1..];
                self.zeros = 0;
            }
            for byte in self.rest.iter().take(AHEAD) {
                if self.zeros == 2 && *byte == 3 {
                    break;
                }
                self.zeros = if *byte == 0 { (self.zeros + 1).min(2) } else { 0 };
                self.ready += 1;
            }
        }
        Ok(&self.rest[..self.ready])
    }

    fn consume(&mut self, count: usize) {
        let count = count.min(self.ready);
        self.rest = &self.rest[count..];
        self.ready -= count;
    }
}

impl Read for Unescaped<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(buffer.len());
        buffer[..count].copy_from_slice(&available[..count]);
        self.consume(count);
        Ok(count)
    }
}

/// The `sei_message`s of an SEI NAL unit with a header of `header_len` bytes: whether one of them has `payload_type`
/// (H.264 section 7.3.2.3.1, H.265 section 7.3.2.4).
pub fn has_sei(nal: &[u8], header_len: usize, payload_type: u32) -> bool {
    let mut bits = Bits::new(nal, header_len);
    // Each message takes two bytes at least, so the walk ends with the NAL unit.
    while let Some(found) = sei_number(&mut bits) {
        if found == payload_type {
            return true;
        }
        let skipped = sei_number(&mut bits).and_then(|len| bits.skip(len.checked_mul(8)?));
        if skipped.is_none() {
            return false;
        }
    }
    false
}

/// A number of an SEI message: each byte 255 adds, and goes on to the next.
fn sei_number(bits: &mut Bits<'_>) -> Option<u32> {
    let mut number = 0_u32;
    loop {
        let byte = bits.bits(8)?;
        number = number.checked_add(byte)?;
        if byte != 255 {
            return Some(number);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Writes bits, for tests that make NAL units; emulation prevention is added at the end.
    #[derive(Default)]
    pub struct BitWriter {
        bits: Vec<bool>,
    }

    impl BitWriter {
        pub fn u(mut self, count: u32, value: u32) -> Self {
            self.bits.extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
            self
        }

        pub fn ue(self, value: u32) -> Self {
            let len = 31 - (value + 1).leading_zeros();
            self.u(len, 0).u(len + 1, value + 1)
        }

        pub fn se(self, value: i32) -> Self {
            self.ue(if value > 0 { 2 * value.unsigned_abs() - 1 } else { 2 * value.unsigned_abs() })
        }

        /// The bits as they are, with a stop bit behind them.
        pub fn bytes(mut self) -> Vec<u8> {
            self.bits.push(true);
            let byte =
                |bits: &[bool]| bits.iter().rev().enumerate().fold(0, |byte, (i, bit)| byte | u8::from(*bit) << i);
            self.bits.resize(self.bits.len().next_multiple_of(8), false);
            self.bits.chunks(8).map(byte).collect()
        }

        pub fn nal(self, header: &[u8]) -> Vec<u8> {
            let mut nal = header.to_vec();
            let mut zeros = 0;
            for byte in self.bytes() {
                if zeros == 2 && byte <= 3 {
                    nal.push(3);
                    zeros = 0;
                }
                zeros = if byte == 0 { zeros + 1 } else { 0 };
                nal.push(byte);
            }
            nal
        }
    }

    #[test]
    fn emulation_prevention_is_dropped_wherever_it_stands() {
        for (nal, plain) in [
            (vec![0x67, 0, 0, 3, 1, 9], vec![0, 0, 1, 9]),
            (vec![0x67, 5, 0, 0, 3, 0, 0, 3, 0], vec![5, 0, 0, 0, 0, 0]),
            (vec![0x67, 0, 3, 3, 0, 0, 4, 3], vec![0, 3, 3, 0, 0, 4, 3]),
            ([&[0x67_u8][..], &[7; 14], &[0, 0, 3, 2]].concat(), [&[7_u8; 14][..], &[0, 0, 2]].concat()),
            ([&[0x67_u8][..], &[7; 15], &[0, 0, 3, 2]].concat(), [&[7_u8; 15][..], &[0, 0, 2]].concat()),
        ] {
            let mut bits = Bits::new(&nal, 1);
            let read: Vec<u8> = std::iter::from_fn(|| bits.bits(8).map(|byte| byte as u8)).collect();
            assert_eq!(read, plain, "of {nal:02x?}");
        }
    }

    #[test]
    fn the_longest_codes_and_the_end_of_the_data_are_read_without_harm() {
        let nal = BitWriter::default().ue(0).ue(7).se(-3).se(4).ue(u32::MAX - 1).nal(&[0x67]);
        let mut bits = Bits::new(&nal, 1);
        assert_eq!((bits.ue(), bits.ue(), bits.se(), bits.se()), (Some(0), Some(7), Some(-3), Some(4)));
        assert_eq!(bits.ue(), Some(u32::MAX - 1));
        assert_eq!(Bits::new(&[0; 9], 1).ue(), None);
        assert_eq!(Bits::new(&[], 1).flag(), None);
    }

    #[test]
    fn sei_messages_are_walked_behind_long_payloads() {
        let mut nal = vec![0x06, 5, 255, 3];
        nal.extend([0xaa; 258]);
        nal.extend([6, 1, 0xc4, 0x80]);
        assert!(has_sei(&nal, 1, 6));
        assert!(!has_sei(&nal, 1, 1));
        assert!(!has_sei(&nal[..100], 1, 6));
    }
}
