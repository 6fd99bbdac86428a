//! What a NAL unit means for the access unit that it is in: the words that H.264 and H.265 have in common.

/// Where a NAL unit of a stream belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It goes along with the NAL unit before it.
    Within,
    /// The access unit that is open ends here, unless a [`Role::Slice`] follows after all.
    Before,
    /// A further slice of the picture that is open, or its second field.
    Slice,
    /// The first slice of a picture. Its access unit begins with the first [`Role::Before`] since the last slice.
    Picture(Picture),
}

/// What the first slice of a picture says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Picture {
    /// Decoding can start here.
    pub is_sync: bool,
    /// All earlier pictures are displayed before this one, and picture order counts begin anew.
    pub starts_sequence: bool,
    /// PicOrderCnt: the order of display within a sequence.
    pub order_count: i64,
    /// How many pictures a decoder holds back at most, to put them in order of display.
    pub reorder_max: usize,
    /// Whether it is ever displayed.
    pub output: Output,
}

/// Whether a picture is displayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Yes.
    Shown,
    /// Yes, unless decoding started at the last random access point: it refers to pictures before that.
    ShownUnlessStarted,
    /// No, but other pictures refer to it.
    Hidden,
    /// No, and it cannot be decoded either: what it refers to is not there.
    Undecodable,
}

/// How many pictures a decoder of either codec holds back at most (H.264 section A.3, H.265 section A.4.2).
pub const REORDER_MAX: u32 = 16;
