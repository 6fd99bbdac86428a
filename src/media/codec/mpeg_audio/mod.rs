//! MPEG-1 and MPEG-2 audio (ISO/IEC 11172-3, 13818-3), layers I to III, and the lower rates known as MPEG-2.5: the
//! header of a frame. The stream is cut into frames by [`MpegAudioFramer`].

mod framer;
mod main_data;
#[cfg(test)]
mod tests;

pub use framer::MpegAudioFramer;
pub use main_data::{MainData, RESERVOIR_LEN_MAX};

/// What is to be known of an MPEG audio track. A sample is one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MpegAudioConfig {
    /// 1 to 3.
    pub layer: u8,
    /// In Hz.
    pub sample_rate: u32,
    /// 1 or 2.
    pub channels: u8,
}

/// The length of a frame header in bytes.
pub const HEADER_LEN: usize = 4;

/// Which standard a frame follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// ISO/IEC 11172-3: 32 to 48 kHz.
    Mpeg1,
    /// ISO/IEC 13818-3: 16 to 24 kHz.
    Mpeg2,
    /// No standard, but in use: 8 to 12 kHz.
    Mpeg25,
}

/// The header of a frame (ISO/IEC 11172-3 section 2.4.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// Which standard it follows.
    pub version: Version,
    /// 1 to 3.
    pub layer: u8,
    /// A CRC of 16 bits follows the header.
    pub has_crc: bool,
    /// Bits a second; `None` in free format, where it is constant but not told.
    pub bitrate: Option<u32>,
    /// In Hz.
    pub sample_rate: u32,
    /// One slot more than the bit rate gives.
    pub is_padded: bool,
    /// 1 or 2.
    pub channels: u8,
}

/// In kbit/s, from index 1 on: MPEG-1 layers I to III, then MPEG-2 layer I, and layers II and III.
const BITRATES: [[u32; 14]; 5] = [
    [32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
    [32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
    [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
    [32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
    [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
];
/// Of MPEG-1, in Hz. MPEG-2 has half of them, MPEG-2.5 a quarter.
const SAMPLE_RATES: [u32; 3] = [44_100, 48_000, 32_000];

impl FrameHeader {
    /// Reads a header; `None` when the bytes are none.
    pub fn parse([a, b, c, d]: [u8; HEADER_LEN]) -> Option<Self> {
        if a != 0xff || b & 0xe0 != 0xe0 {
            return None;
        }
        let version = match b >> 3 & 3 {
            0 => Version::Mpeg25,
            2 => Version::Mpeg2,
            3 => Version::Mpeg1,
            _ => return None,
        };
        let layer = match b >> 1 & 3 {
            0 => return None,
            code => 4 - code,
        };
        let bitrate = match (usize::from(c >> 4), version, layer) {
            (15, ..) => return None,
            (0, ..) => None,
            (index, Version::Mpeg1, layer) => Some(BITRATES[usize::from(layer) - 1][index - 1] * 1000),
            (index, _, 1) => Some(BITRATES[3][index - 1] * 1000),
            (index, ..) => Some(BITRATES[4][index - 1] * 1000),
        };
        let rate = *SAMPLE_RATES.get(usize::from(c >> 2 & 3))?;
        let sample_rate = match version {
            Version::Mpeg1 => rate,
            Version::Mpeg2 => rate / 2,
            Version::Mpeg25 => rate / 4,
        };
        let channels = if d >> 6 == 3 { 1 } else { 2 };
        Some(Self { version, layer, has_crc: b & 1 == 0, bitrate, sample_rate, is_padded: c & 2 != 0, channels })
    }

    /// Samples of each channel in the frame.
    pub fn sample_count(&self) -> u32 {
        match (self.layer, self.version) {
            (1, _) => 384,
            (2, _) | (_, Version::Mpeg1) => 1152,
            _ => 576,
        }
    }

    /// The length of the frame in bytes, header included; `None` in free format.
    pub fn frame_len(&self) -> Option<usize> {
        let bitrate = self.bitrate?;
        // A slot is 4 bytes in layer I and one in the others (section 2.4.3.1).
        let slot_len = if self.layer == 1 { 4 } else { 1 };
        let slots = self.sample_count() / 8 / slot_len * bitrate / self.sample_rate + u32::from(self.is_padded);
        Some((slots * slot_len) as usize)
    }

    /// How long the side information of layer III is that follows header and CRC, in bytes (section 2.4.1.7).
    pub fn side_information_len(&self) -> usize {
        match (self.version, self.channels) {
            (Version::Mpeg1, 1) => 17,
            (Version::Mpeg1, _) => 32,
            (_, 1) => 9,
            _ => 17,
        }
    }

    /// What a track of such frames is.
    pub fn config(&self) -> MpegAudioConfig {
        MpegAudioConfig { layer: self.layer, sample_rate: self.sample_rate, channels: self.channels }
    }
}

/// What stands instead of sound in the first frame of many files (Xing, Info, VBRI), as far as it is of use here.
/// Decoders that do not know it play silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InfoFrame {
    /// How many frames of sound follow.
    pub frame_count: Option<u32>,
    /// From the start of the info frame to the end of the last frame, in bytes.
    pub byte_count: Option<u32>,
}

impl InfoFrame {
    /// Reads the frame that begins with `header`; `None` when it is one of sound. What is cut off is not known.
    pub fn parse(header: &FrameHeader, frame: &[u8]) -> Option<Self> {
        /// VBRI stands here whatever the side information.
        const VBRI_AT: usize = HEADER_LEN + 32;
        const HAS_FRAME_COUNT: u32 = 1;
        const HAS_BYTE_COUNT: u32 = 2;
        if header.layer != 3 {
            return None;
        }
        let field = |at: usize| frame.get(at..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes));
        let xing_at = HEADER_LEN + header.side_information_len();
        if matches!(frame.get(xing_at..xing_at + 4), Some(b"Xing" | b"Info")) {
            let flags = field(xing_at + 4).unwrap_or(0);
            let frame_count = (flags & HAS_FRAME_COUNT != 0).then(|| field(xing_at + 8)).flatten();
            let byte_count_at = xing_at + if frame_count.is_some() { 12 } else { 8 };
            let byte_count = (flags & HAS_BYTE_COUNT != 0).then(|| field(byte_count_at)).flatten();
            return Some(Self { frame_count, byte_count });
        }
        let is_vbri = frame.get(VBRI_AT..VBRI_AT + 4) == Some(b"VBRI");
        is_vbri.then(|| Self { byte_count: field(VBRI_AT + 10), frame_count: field(VBRI_AT + 14) })
    }
}
