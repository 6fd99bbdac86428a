//! Vorbis and Theora: their three header packets.

/// What is to be known of a Vorbis track. A sample is one audio packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VorbisConfig {
    /// Identification, comment and setup header.
    pub headers: [Vec<u8>; 3],
    /// In Hz.
    pub sample_rate: u32,
    /// At least 1.
    pub channels: u8,
}

/// What is to be known of a Theora track. A sample is one frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TheoraConfig {
    /// Identification, comment and setup header.
    pub headers: [Vec<u8>; 3],
    /// Width and height of the picture in pixels.
    pub size: (u32, u32),
}
