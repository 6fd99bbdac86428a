//! MPEG-4 part 2 video (ISO/IEC 14496-2): the headers that configure it, and VOPs.

/// What is to be known of an MPEG-4 part 2 track. A sample is one VOP, with the headers that stand before it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mpeg4VisualConfig {
    /// From the visual object sequence (or the video object) to the video object layer header, as `config=` of
    /// RFC 6416 has it.
    pub config: Vec<u8>,
    /// profile_and_level_indication, where the headers tell; else 1, simple profile at level 1.
    pub profile_level: u8,
    /// Width and height in pixels, where known.
    pub size: Option<(u32, u32)>,
}
