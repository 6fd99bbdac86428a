//! MPEG-1 and MPEG-2 video (ISO/IEC 11172-2, 13818-2): sequence and picture headers.

/// What is to be known of an MPEG-1 or MPEG-2 video track. A sample is one picture (both fields of a frame), with the
/// headers before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MpegVideoConfig {
    /// MPEG-2, not MPEG-1.
    pub is_mpeg2: bool,
    /// Width and height in pixels, where known.
    pub size: Option<(u32, u32)>,
}
