//! JPEG pictures (ITU-T T.81): the segments that RTP does not carry as they are.

/// What is to be known of a Motion JPEG track. A sample is one picture from SOI to EOI; of two fields, both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JpegConfig {
    /// Width and height in pixels, where known.
    pub size: Option<(u32, u32)>,
}
