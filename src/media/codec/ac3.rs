//! AC-3 and E-AC-3 (ETSI TS 102 366): the header of a frame.

/// What is to be known of an AC-3 or E-AC-3 track. A sample is one syncframe, or for E-AC-3 all that belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ac3Config {
    /// In Hz.
    pub sample_rate: u32,
    /// Output channels, low frequency effects included.
    pub channels: u8,
}
