//! AC-3 and E-AC-3 (ETSI TS 102 366): the header of a frame. The stream is cut into frames by [`Ac3Framer`].

mod framer;
#[cfg(test)]
mod tests;

pub use framer::Ac3Framer;

/// What is to be known of an AC-3 or E-AC-3 track. A sample is one syncframe, or for E-AC-3 all that belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ac3Config {
    /// In Hz.
    pub sample_rate: u32,
    /// Output channels, low frequency effects included.
    pub channels: u8,
}

/// How much of a frame [`FrameHeader::parse`] needs, in bytes.
pub const HEADER_LEN: usize = 7;
/// The longest syncframe in bytes: E-AC-3 tells it in 11 bits (section E.1.3.1.3), AC-3 has shorter ones.
pub const SYNCFRAME_LEN_MAX: usize = 4096;

/// What part of the sound a syncframe is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// AC-3: all of it.
    Ac3,
    /// E-AC-3: a program, by its number.
    Independent(u8),
    /// E-AC-3: further channels of the program before it.
    Dependent,
}

/// The header of a syncframe: syncinfo() and the start of bsi().
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// What part of the sound it is.
    pub stream: Stream,
    /// In Hz.
    pub sample_rate: u32,
    /// Low frequency effects included.
    pub channels: u8,
    /// Samples of each channel in the syncframe.
    pub sample_count: u32,
    /// Its length in bytes.
    pub len: usize,
}

const SAMPLE_RATES: [u32; 3] = [48_000, 44_100, 32_000];
/// In kbit/s (table 4.13).
const BITRATES: [u32; 19] = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640];
/// Full channels by acmod (table 4.3).
const CHANNELS: [u8; 8] = [2, 1, 2, 3, 3, 4, 4, 5];
/// An audio block in samples.
const BLOCK_LEN: u32 = 256;

impl FrameHeader {
    /// Reads the header of a syncframe in the standard's byte order; `None` when the bytes are none.
    pub fn parse(bytes: &[u8; HEADER_LEN]) -> Option<Self> {
        if !bytes.starts_with(&[0x0b, 0x77]) {
            return None;
        }
        // bsid stands at the same place in both. Up to 8 is AC-3; 9 and 10 are AC-3 at a half and a quarter of the
        // rates, which no standard has but encoders make and decoders take.
        match bytes[5] >> 3 {
            bsid @ 0..=10 => Self::parse_ac3(bytes, bsid),
            11..=16 => Self::parse_eac3(bytes),
            _ => None,
        }
    }

    /// Whether the syncframe is the first of its moment.
    pub fn begins_moment(&self) -> bool {
        matches!(self.stream, Stream::Ac3 | Stream::Independent(0))
    }

    /// Sections 4.3.1 and 4.3.2.
    fn parse_ac3(bytes: &[u8; HEADER_LEN], bsid: u8) -> Option<Self> {
        let rate = *SAMPLE_RATES.get(usize::from(bytes[4] >> 6))?;
        let frmsizecod = bytes[4] & 0x3f;
        let bitrate = *BITRATES.get(usize::from(frmsizecod >> 1))? * 1000;
        // Table 4.13: whole words of 16 bits; at 44.1 kHz every other frame has one more.
        let words = bitrate * 1536 / rate / 16 + u32::from(rate == 44_100 && frmsizecod & 1 == 1);
        let acmod = bytes[6] >> 5;
        // Up to three fields of 2 bits may stand before lfeon.
        let has_cmixlev = acmod & 1 == 1 && acmod != 1;
        let has_surmixlev = acmod & 4 != 0;
        let has_dsurmod = acmod == 2;
        let before = [has_cmixlev, has_surmixlev, has_dsurmod].iter().filter(|has| **has).count() * 2;
        let lfeon = bytes[6] >> (4 - before) & 1;
        Some(Self {
            stream: Stream::Ac3,
            sample_rate: rate >> bsid.saturating_sub(8),
            channels: CHANNELS[usize::from(acmod)] + lfeon,
            sample_count: 6 * BLOCK_LEN,
            len: 2 * words as usize,
        })
    }

    /// Section E.1.2.2.
    fn parse_eac3(bytes: &[u8; HEADER_LEN]) -> Option<Self> {
        let stream = match (bytes[2] >> 6, bytes[2] >> 3 & 7) {
            // 2: an AC-3 stream in other clothes, which is independent as well.
            (0 | 2, number) => Stream::Independent(number),
            (1, _) => Stream::Dependent,
            _ => return None,
        };
        let len = 2 * (usize::from(bytes[2] & 7) << 8 | usize::from(bytes[3])) + 2;
        let (sample_rate, blocks) = match (bytes[4] >> 6, bytes[4] >> 4 & 3) {
            (3, fscod2) => (*SAMPLE_RATES.get(usize::from(fscod2))? / 2, 6),
            (fscod, numblkscod) => (SAMPLE_RATES[usize::from(fscod)], [1, 2, 3, 6][usize::from(numblkscod)]),
        };
        let (acmod, lfeon) = (bytes[4] >> 1 & 7, bytes[4] & 1);
        let channels = CHANNELS[usize::from(acmod)] + lfeon;
        // Shorter than the header itself is none.
        (len >= HEADER_LEN).then_some(Self { stream, sample_rate, channels, sample_count: blocks * BLOCK_LEN, len })
    }
}
