//! H.263: the picture header (ITU-T H.263 section 5.1).

/// What is to be known of an H.263 track. A sample is one picture, from its picture start code on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct H263Config {
    /// Width and height in pixels, where known.
    pub size: Option<(u32, u32)>,
}
