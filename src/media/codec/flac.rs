//! FLAC: the STREAMINFO block (RFC 9639 section 8.2).

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
