//! AV1: the `av1C` record, open bitstream units (OBUs) and the sequence header.

/// What is to be known of an AV1 track. A sample is one temporal unit in the low-overhead format, every OBU with its
/// size field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Av1Config {
    /// The sequence header OBU, where it is known beforehand, with its header and size.
    pub sequence_header: Vec<u8>,
    /// seq_profile.
    pub profile: u8,
    /// seq_level_idx of the first operating point.
    pub level_idx: u8,
    /// seq_tier of the first operating point.
    pub tier: u8,
    /// Width and height in pixels.
    pub size: Option<(u32, u32)>,
}
