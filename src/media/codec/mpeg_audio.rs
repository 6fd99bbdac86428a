//! MPEG-1 and MPEG-2 audio (ISO/IEC 11172-3, 13818-3), layers I to III: the header of a frame.

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
