//! VP8 (RFC 6386) and VP9: the headers of a frame.

/// What is to be known of a VP8 or VP9 track. A sample is one frame; of VP9, a superframe.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VpxConfig {
    /// Width and height in pixels, where known.
    pub size: Option<(u32, u32)>,
    /// VP9's profile, 0 to 3.
    pub profile: Option<u8>,
}
