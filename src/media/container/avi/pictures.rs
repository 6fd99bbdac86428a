//! What the start of a picture says: whether decoding can start there, and when it is displayed among the others. AVI
//! tells neither reliably.

use crate::media::codec::access_unit::{Output, Picture, Role};
use crate::media::codec::nal::{find_start_code, split_either};
use crate::media::codec::{Codec, av1, h263, h264, h265, mpeg_video, mpeg4_visual, vpx};

/// How many bytes of a picture are looked at: parameter sets and other headers, and the start of its first slice.
pub const HEAD_LEN: usize = 4096;

/// What tells where decoding can start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// The index.
    Index,
    /// What is in the pictures.
    Content,
    /// Nothing needs to: it can start anywhere.
    All,
}

impl Keys {
    /// What can tell for a codec, where there is an index.
    pub fn of(codec: &Codec) -> Self {
        if matches!(codec, Codec::Jpeg(_) | Codec::Dv(_)) { Self::All } else { Self::Index }
    }
}

/// Follows the pictures of one stream.
#[derive(Debug, Clone)]
pub struct Pictures {
    follower: Follower,
    length_size: usize,
}

#[derive(Debug, Clone)]
enum Follower {
    H264(h264::AccessUnits),
    H265(Box<h265::AccessUnits>),
    /// Codecs whose bidirectional pictures come directly behind the one that they are displayed before. How many of
    /// the others there were, and bidirectional ones since the last.
    Anchors {
        anchors: i64,
        between: i64,
        reorder_max: usize,
    },
    /// Displayed as they come.
    Plain,
}

/// Order counts from one anchor to the next: room for the bidirectional ones between.
const ANCHOR_STEP: i64 = 1 << 20;

impl Pictures {
    /// Begins before any picture of a stream of this codec, or at one where decoding can start.
    pub fn new(codec: &Codec, length_size: usize) -> Self {
        let anchors = |reorder_max| Follower::Anchors { anchors: 0, between: 0, reorder_max };
        let follower = match codec {
            Codec::H264(config) => {
                let mut units = h264::AccessUnits::default();
                for set in config.sps.iter().chain(&config.pps) {
                    units.push(set);
                }
                Follower::H264(units)
            }
            Codec::H265(config) => {
                let mut units = h265::AccessUnits::default();
                for set in config.sps.iter().chain(&config.pps) {
                    units.push(set);
                }
                Follower::H265(Box::new(units))
            }
            Codec::Mpeg4Visual(config) => {
                let has_b_vops = mpeg4_visual::ConfigHeaders::parse(&config.config).has_b_vops();
                anchors(usize::from(has_b_vops))
            }
            Codec::MpegVideo(config) => {
                let headers = mpeg_video::SequenceHeaders::parse(&config.headers);
                anchors(usize::from(headers.sequence().is_none_or(|sequence| !sequence.has_no_b)))
            }
            _ => Follower::Plain,
        };
        Self { follower, length_size }
    }

    /// Takes the next picture, of which the first [`HEAD_LEN`] bytes suffice. `None`: it says nothing.
    pub fn push(&mut self, codec: &Codec, head: &[u8]) -> Option<Picture> {
        match &mut self.follower {
            Follower::H264(units) => first_picture(head, self.length_size, |nal| units.push(nal)),
            Follower::H265(units) => first_picture(head, self.length_size, |nal| units.push(nal)),
            Follower::Anchors { anchors, between, reorder_max } => {
                let (is_sync, is_between) = match codec {
                    Codec::Mpeg4Visual(_) => vop(head)?,
                    _ => mpeg_picture(head)?,
                };
                let order_count = if is_between && *anchors > 0 {
                    *between += 1;
                    (*anchors - 1) * ANCHOR_STEP + *between
                } else {
                    (*anchors, *between) = (*anchors + 1, 0);
                    *anchors * ANCHOR_STEP
                };
                Some(plain(is_sync, order_count, *reorder_max))
            }
            Follower::Plain => Some(plain(is_plain_sync(codec, head)?, 0, 0)),
        }
    }
}

fn plain(is_sync: bool, order_count: i64, reorder_max: usize) -> Picture {
    Picture { is_sync, starts_sequence: false, order_count, reorder_max, output: Output::Shown }
}

fn first_picture(head: &[u8], length_size: usize, mut push: impl FnMut(&[u8]) -> Role) -> Option<Picture> {
    let mut nals = Vec::new();
    // The last unit goes on behind what is looked at; its start is all that is wanted.
    if let Err(position) = split_either(head, length_size, &mut nals) {
        nals.push((position + length_size).min(head.len())..head.len());
    }
    nals.into_iter().find_map(|nal| match push(&head[nal]) {
        Role::Picture(picture) => Some(picture),
        _ => None,
    })
}

/// Whether a picture of MPEG-4 part 2 or MPEG video comes directly behind the one that it is displayed before; `None`
/// where `head`, the start of it, does not tell.
pub fn is_bidirectional(codec: &Codec, head: &[u8]) -> Option<bool> {
    let (_, is_bidirectional) = match codec {
        Codec::Mpeg4Visual(_) => vop(head)?,
        Codec::MpegVideo(_) => mpeg_picture(head)?,
        _ => return None,
    };
    Some(is_bidirectional)
}

/// Whether a VOP is intra and whether it is bidirectional.
fn vop(head: &[u8]) -> Option<(bool, bool)> {
    let at = unit(head, mpeg4_visual::VOP)?;
    let coding_type = head.get(at + 4)? >> 6;
    Some((coding_type == 0, coding_type == 2))
}

/// The same of MPEG-1 and MPEG-2.
fn mpeg_picture(head: &[u8]) -> Option<(bool, bool)> {
    let at = unit(head, mpeg_video::PICTURE)?;
    let header = mpeg_video::PictureHeader::parse(&head[at..])?;
    Some((header.is_intra(), header.is_bidirectional()))
}

/// Where the unit with this start code begins.
fn unit(head: &[u8], code: u8) -> Option<usize> {
    let mut at = find_start_code(head, 0)?;
    while head.get(at + 3) != Some(&code) {
        at = find_start_code(head, at + 3)?;
    }
    Some(at)
}

fn is_plain_sync(codec: &Codec, head: &[u8]) -> Option<bool> {
    let first = *head.first()?;
    Some(match codec {
        Codec::H263(_) => h263::PictureHeader::parse(head)?.is_intra,
        // RFC 6386 section 9.1: the lowest bit is 0 in key frames.
        Codec::Vp8(_) => first & 1 == 0,
        Codec::Vp9(_) => vpx::FrameHeader::vp9(head)?.is_key,
        Codec::Av1(_) => av1::is_key(head)?,
        _ => true,
    })
}
