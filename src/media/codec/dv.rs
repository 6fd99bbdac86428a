//! DV (IEC 61834, SMPTE 314M and 370M): the profiles of its frames.

/// What is to be known of a DV track. A sample is one frame, all its DIF blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DvConfig {
    /// As `encode=` of RFC 6469 section 5.1 has it, such as `SD-VCR/525-60`.
    pub encode: &'static str,
    /// Bytes of a frame.
    pub frame_len: u32,
    /// Width and height in pixels.
    pub size: (u32, u32),
}
