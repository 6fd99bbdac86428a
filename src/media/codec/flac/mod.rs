//! FLAC (RFC 9639): the STREAMINFO block (section 8.2), frame headers (section 9.1), and the two checksums. Decoding
//! frames is in `decode`.

mod decode;
#[cfg(test)]
pub mod testing;
#[cfg(test)]
mod tests;

pub use decode::{Decoded, Decoder};

/// What is to be known of a FLAC track. A sample is one frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlacConfig {
    /// The STREAMINFO block without its header: 34 bytes.
    pub stream_info: Vec<u8>,
    /// In Hz.
    pub sample_rate: u32,
    /// 1 to 8.
    pub channels: u8,
    /// 4 to 32.
    pub bits_per_sample: u8,
}

/// Length of a STREAMINFO block without its header, in bytes.
pub const STREAM_INFO_LEN: usize = 34;
/// The longest frame header in bytes: 4, a number in 7, block size and sample rate in 2 each, checksum.
pub const FRAME_HEADER_LEN_MAX: usize = 16;

impl FlacConfig {
    /// From a STREAMINFO block without its header; `None` when it is too short or impossible.
    pub fn new(stream_info: &[u8]) -> Option<Self> {
        let info: &[u8; STREAM_INFO_LEN] = stream_info.first_chunk()?;
        let sample_rate = u32::from_be_bytes([0, info[10], info[11], info[12]]) >> 4;
        let channels = (info[12] >> 1 & 7) + 1;
        let bits_per_sample = ((info[12] & 1) << 4 | info[13] >> 4) + 1;
        let is_sound = sample_rate > 0 && bits_per_sample >= 4;
        is_sound.then(|| Self { stream_info: info.to_vec(), sample_rate, channels, bits_per_sample })
    }

    /// From metadata blocks with their headers, STREAMINFO first, behind a `fLaC` or not: the CodecPrivate of Matroska,
    /// and what follows version and flags in the `dfLa` box of MP4.
    pub fn from_blocks(blocks: &[u8]) -> Option<Self> {
        let blocks = blocks.strip_prefix(b"fLaC").unwrap_or(blocks);
        let (header, info) = blocks.split_first_chunk::<4>()?;
        (header[0] & 0x7f == 0).then(|| Self::new(info))?
    }

    /// The most samples of a channel in a frame, at least 1.
    pub fn block_size_max(&self) -> u32 {
        self.stream_info.get(2..4).map_or(u16::MAX, |max| u16::from_be_bytes([max[0], max[1]])).max(1).into()
    }

    /// Samples of a channel in the whole stream, where it tells.
    pub fn sample_count(&self) -> Option<u64> {
        let last: &[u8; 5] = self.stream_info.get(13..18)?.first_chunk()?;
        let count = last.iter().fold(0, |count, byte| count << 8 | u64::from(*byte)) & 0xf_ffff_ffff;
        (count > 0).then_some(count)
    }
}

/// A frame header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// Its length in bytes, checksum included.
    pub len: usize,
    /// Samples of a channel in the frame.
    pub block_size: u32,
    /// In Hz.
    pub sample_rate: u32,
    /// How the channels are coded.
    pub channels: Channels,
    /// Of the decoded samples.
    pub bits_per_sample: u8,
    /// Where the frame stands in its stream.
    pub number: Number,
}

/// How channels are coded (RFC 9639 section 9.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channels {
    /// So many, each by itself.
    Independent(u8),
    /// Left, and left less right.
    LeftSide,
    /// Left less right, and right.
    SideRight,
    /// Their mean, and left less right.
    MidSide,
}

impl Channels {
    /// How many there are.
    pub fn count(self) -> u8 {
        if let Self::Independent(count) = self { count } else { 2 }
    }
}

/// Where a frame stands in its stream (RFC 9639 section 9.1.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Number {
    /// Frames before it, all of the same block size.
    Frame(u64),
    /// Samples of a channel before it.
    Sample(u64),
}

impl FrameHeader {
    /// The frame header at the start of `bytes` (RFC 9639 section 9.1); `None` when there is none, or one of another
    /// stream than `config` is of.
    pub fn parse(bytes: &[u8], config: &FlacConfig) -> Option<Self> {
        let &[0xff, second, sizes, shape, ..] = bytes else { return None };
        if second & 0xfe != 0xf8 || shape & 1 != 0 {
            return None;
        }
        let (number, mut len) = coded_number(bytes.get(4..)?)?;
        len += 4;
        let number = if second & 1 == 0 { Number::Frame(number) } else { Number::Sample(number) };
        let block_size = block_size(sizes >> 4, bytes, &mut len)?;
        let sample_rate = sample_rate(sizes & 15, bytes, &mut len)?.unwrap_or(config.sample_rate);
        let channels = match shape >> 4 {
            count @ 0..=7 => Channels::Independent(count + 1),
            8 => Channels::LeftSide,
            9 => Channels::SideRight,
            10 => Channels::MidSide,
            _ => return None,
        };
        let bits_per_sample = [config.bits_per_sample, 8, 12, 0, 16, 20, 24, 32][usize::from(shape >> 1 & 7)];
        let fits = sample_rate == config.sample_rate
            && channels.count() == config.channels
            && bits_per_sample == config.bits_per_sample;
        // A checksum over bytes and their checksum is 0.
        let is_whole = crc8(bytes.get(..=len)?) == 0;
        (fits && is_whole).then_some(Self { len: len + 1, block_size, sample_rate, channels, bits_per_sample, number })
    }

    /// Samples of a channel before the frame, less than 2^52.
    pub fn first_sample(&self, config: &FlacConfig) -> u64 {
        match self.number {
            Number::Sample(number) => number,
            // The last frame may be shorter, so it is the block size of the stream that counts.
            Number::Frame(number) => number.saturating_mul(config.block_size_max().into()),
        }
    }
}

/// Section 9.1.1; uncommon sizes follow the number (section 9.1.6).
fn block_size(code: u8, bytes: &[u8], len: &mut usize) -> Option<u32> {
    Some(match code {
        1 => 192,
        2..=5 => 144 << code,
        6 => u32::from(take(bytes, len, 1)?) + 1,
        7 => u32::from(take(bytes, len, 2)?) + 1,
        8..=15 => 1 << code,
        _ => return None,
    })
}

/// Section 9.1.2; uncommon rates follow the number (section 9.1.7). `Some(None)`: that of the stream.
fn sample_rate(code: u8, bytes: &[u8], len: &mut usize) -> Option<Option<u32>> {
    const COMMON: [u32; 12] =
        [0, 88_200, 176_400, 192_000, 8000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000];
    Some(match code {
        0 => None,
        1..=11 => Some(COMMON[usize::from(code)]),
        12 => Some(u32::from(take(bytes, len, 1)?) * 1000),
        13 => Some(take(bytes, len, 2)?.into()),
        14 => Some(u32::from(take(bytes, len, 2)?) * 10),
        _ => return None,
    })
}

fn take(bytes: &[u8], len: &mut usize, count: usize) -> Option<u16> {
    let taken = bytes.get(*len..*len + count)?;
    *len += count;
    Some(taken.iter().fold(0, |value, byte| value << 8 | u16::from(*byte)))
}

/// A number of up to 36 bits, coded as UTF-8 would if it went on that far, and the bytes it takes.
fn coded_number(bytes: &[u8]) -> Option<(u64, usize)> {
    let first = *bytes.first()?;
    let len = match first.leading_ones() {
        0 => return Some((first.into(), 1)),
        ones @ 2..=7 => ones as usize,
        _ => return None,
    };
    let mut number = u64::from(first) & (0x7f >> len);
    for byte in bytes.get(1..len)? {
        if byte & 0xc0 != 0x80 {
            return None;
        }
        number = number << 6 | u64::from(byte & 0x3f);
    }
    Some((number, len))
}

/// Of a frame header: x^8 + x^2 + x + 1, from 0.
fn crc8(bytes: &[u8]) -> u8 {
    bytes
        .iter()
        .fold(0, |crc, byte| (0..8).fold(crc ^ byte, |crc, _| if crc & 0x80 == 0 { crc << 1 } else { crc << 1 ^ 0x07 }))
}

/// Goes on with the checksum of a frame: x^16 + x^15 + x^2 + 1, from 0. Over a whole frame it is 0.
pub fn crc16(crc: u16, bytes: &[u8]) -> u16 {
    bytes.iter().fold(crc, |crc, byte| crc << 8 ^ CRC16[usize::from((crc >> 8) as u8 ^ byte)])
}

const CRC16: [u16; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let (mut crc, mut bit) = ((index as u16) << 8, 0);
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x8005 };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
};
