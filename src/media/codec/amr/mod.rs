//! AMR and AMR-WB (3GPP TS 26.101 and 26.201): frame types and their lengths in storage format (RFC 4867 section 5).

/// What is to be known of an AMR track. A sample is one or more frames in storage format, each 20 ms, the first byte
/// being its frame header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AmrConfig {
    /// AMR-WB, at 16000 Hz.
    pub is_wideband: bool,
    /// At least 1.
    pub channels: u8,
}

impl AmrConfig {
    /// Hz of the output and of the RTP clock.
    pub fn sample_rate(&self) -> u32 {
        if self.is_wideband { 16_000 } else { 8000 }
    }
}
