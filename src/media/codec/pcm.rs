//! Uncompressed and companded audio: what a track of it must tell.

/// G.711, either law.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct G711Config {
    /// In Hz; 8000 nearly always.
    pub sample_rate: u32,
    /// At least 1.
    pub channels: u16,
}

/// Linear PCM. A reader hands out some 20 ms in each sample, whole frames (one value of every channel).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PcmConfig {
    /// How a value stands in the file.
    pub format: PcmFormat,
    /// In Hz.
    pub sample_rate: u32,
    /// At least 1.
    pub channels: u16,
}

/// How one PCM value stands in the file; the payload format converts it to what its RFC wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PcmFormat {
    /// 8 bits, offset binary.
    U8,
    /// 8 bits, two's complement.
    S8,
    /// 16 bits, little-endian.
    S16Le,
    /// 16 bits, big-endian.
    S16Be,
    /// 24 bits in 3 bytes, little-endian.
    S24Le,
    /// 24 bits in 3 bytes, big-endian.
    S24Be,
    /// 32 bits, little-endian.
    S32Le,
    /// 32 bits, big-endian.
    S32Be,
    /// IEEE 754 single, little-endian.
    F32Le,
    /// IEEE 754 single, big-endian.
    F32Be,
    /// IEEE 754 double, little-endian.
    F64Le,
    /// IEEE 754 double, big-endian.
    F64Be,
}

impl PcmFormat {
    /// Bytes of one value.
    pub fn value_len(self) -> usize {
        match self {
            Self::U8 | Self::S8 => 1,
            Self::S16Le | Self::S16Be => 2,
            Self::S24Le | Self::S24Be => 3,
            Self::S32Le | Self::S32Be | Self::F32Le | Self::F32Be => 4,
            Self::F64Le | Self::F64Be => 8,
        }
    }
}

impl PcmConfig {
    /// Bytes of one frame: a value of every channel.
    pub fn frame_len(&self) -> usize {
        self.format.value_len() * usize::from(self.channels)
    }
}
