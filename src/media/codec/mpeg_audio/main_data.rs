//! Where the main data of a layer III frame lies, as its side information tells (ISO/IEC 11172-3 section 2.4.1.7,
//! 13818-3 section 2.4.1.7): it may begin in frames before, and end before its own does (the bit reservoir).

use super::{FrameHeader, HEADER_LEN, Version};

/// How far back main data can begin in bytes: what 9 bits tell.
pub const RESERVOIR_LEN_MAX: usize = 511;

/// The main data of a frame: scale factors and Huffman codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MainData {
    /// Where its frame has main data behind header, CRC and side information, in bytes from the start of the frame.
    pub slot_at: usize,
    /// How many bytes before [`Self::slot_at`] it begins; headers and side information of frames before do not count.
    pub begin: usize,
    /// How many bytes there are.
    pub len: usize,
}

impl MainData {
    /// Reads the side information of the layer III frame that begins with `header`; `None` when it is cut off.
    pub fn parse(header: &FrameHeader, frame: &[u8]) -> Option<Self> {
        let side_at = HEADER_LEN + if header.has_crc { 2 } else { 0 };
        let slot_at = side_at + header.side_information_len();
        let side = frame.get(side_at..slot_at)?;
        let channels = usize::from(header.channels);
        // main_data_begin, then private bits and (MPEG-1 only) four bits of scfsi for each channel; then what is told
        // of each channel of each granule, which begins with part2_3_length.
        let is_mono = channels == 1;
        let (begin_bits, private_bits, scfsi_bits, granules, granule_bits) = match header.version {
            Version::Mpeg1 => (9, if is_mono { 5 } else { 3 }, 4 * channels, 2, 59),
            Version::Mpeg2 | Version::Mpeg25 => (8, channels, 0, 1, 63),
        };
        let first = begin_bits + private_bits + scfsi_bits;
        let part_len = |index| bits(side, first + index * granule_bits, 12);
        let len_bits: usize = (0..granules * channels).map(part_len).sum();
        Some(Self { slot_at, begin: bits(side, 0, begin_bits), len: len_bits.div_ceil(8) })
    }
}

/// `count` bits from bit `at` on.
fn bits(bytes: &[u8], at: usize, count: usize) -> usize {
    (at..at + count).fold(0, |value, bit| value << 1 | usize::from(bytes[bit / 8] >> (7 - bit % 8) & 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Side information of which the fields named are all ones, as (first bit, bits), and the others zero.
    fn side_information(len: usize, fields: &[(usize, usize)]) -> Vec<u8> {
        let mut side = vec![0; len];
        for bit in fields.iter().flat_map(|(first, count)| *first..first + count) {
            side[bit / 8] |= 0x80 >> (bit % 8);
        }
        side
    }

    /// The places are those of the syntax tables, added up by hand.
    #[test]
    fn main_data_begin_and_the_lengths_of_all_granules_are_read_where_the_tables_have_them() {
        let mpeg1_stereo: &[usize] = &[20, 79, 138, 197];
        let mpeg1_mono: &[usize] = &[18, 77];
        for (header, side_len, begin, parts) in [
            ([0xff, 0xfb, 0x90, 0x64], 32, 511, mpeg1_stereo),
            ([0xff, 0xfa, 0x90, 0xc4], 17, 511, mpeg1_mono),
            ([0xff, 0xf3, 0x40, 0x00], 17, 255, &[10, 73]),
            ([0xff, 0xf3, 0x40, 0xc0], 9, 255, &[9]),
            ([0xff, 0xe3, 0x18, 0xc0], 9, 255, &[9]),
        ] {
            let header_read = FrameHeader::parse(header).unwrap();
            let crc: &[u8] = if header_read.has_crc { &[0xff; 2] } else { &[] };
            let frame = |fields: &[(usize, usize)]| [&header, crc, &side_information(side_len, fields)].concat();
            let slot_at = 4 + crc.len() + side_len;
            let begin_bits = if begin == 511 { 9 } else { 8 };
            let read = |fields: &[(usize, usize)]| MainData::parse(&header_read, &frame(fields)).unwrap();
            assert_eq!(read(&[(0, begin_bits)]), MainData { slot_at, begin, len: 0 }, "{header:02x?}");
            for part in parts {
                assert_eq!(read(&[(*part, 12)]), MainData { slot_at, begin: 0, len: 512 }, "{header:02x?} bit {part}");
                assert_eq!(read(&[(part + 11, 1)]).len, 1, "{header:02x?} bit {part}");
            }
            let all: Vec<_> = parts.iter().map(|part| (*part, 12)).collect();
            assert_eq!(read(&all).len, (4095 * parts.len()).div_ceil(8), "{header:02x?}");
            assert_eq!(MainData::parse(&header_read, &frame(&all)[..slot_at - 1]), None, "{header:02x?}");
        }
    }
}
