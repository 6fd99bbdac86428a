//! Tracks whose timestamps are times of decoding. V_MS/VFW/FOURCC is what AVI has, where nothing else is known; ffmpeg
//! and mkvmerge leave it so. Of MPEG-4 part 2 and MPEG video, whose bidirectional pictures come directly behind the one
//! that they are displayed before, the times of display follow: a bidirectional picture is displayed when it is
//! decoded, another one when the next of its kind is.
//!
//! H.264 and H.265 in this form are taken to be stamped by display, as they are where they are not reordered.

use std::collections::VecDeque;

use super::segment::Segment;
use super::timeline::{self, Frame};
use super::tracks::Stream;
use super::walker::{Step, Walker};
use crate::media::Error;
use crate::media::codec::{Codec, mpeg_video, mpeg4_visual};
use crate::media::container::avi::is_bidirectional;
use crate::time::MediaTime;

/// Bytes of a picture that are looked at for its kind.
const HEAD_LEN: usize = 4096;
/// Pictures held back at most for the next that is not bidirectional; more are damage.
const HELD_MAX: usize = 32;
/// Blocks looked at for it after a seek.
const BLOCK_COUNT_MAX: usize = 4096;

/// Whether the pictures of a track may be displayed in another order than its timestamps are.
pub fn is_reordered(stream: &Stream) -> bool {
    stream.is_stamped_by_decoding
        && match &stream.codec {
            Codec::Mpeg4Visual(config) => mpeg4_visual::ConfigHeaders::parse(&config.config).has_b_vops(),
            Codec::MpegVideo(config) => {
                let headers = mpeg_video::SequenceHeaders::parse(&config.headers);
                headers.sequence().is_none_or(|sequence| !sequence.has_no_b)
            }
            _ => false,
        }
}

/// A picture that is not bidirectional, and those behind it, until it is known when it is displayed.
#[derive(Debug, Default)]
pub struct Held(VecDeque<Frame>);

impl Held {
    /// Takes the next picture; those whose time is known now go into `queue`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn push(&mut self, segment: &Segment, frame: Frame, queue: &mut VecDeque<Frame>) -> Result<(), Error> {
        if !is_between(segment, &frame)? || self.0.len() >= HELD_MAX {
            self.release(frame.pts, queue);
        }
        self.0.push_back(frame);
        Ok(())
    }

    /// No more pictures follow: what is held goes into `queue`.
    pub fn finish(&mut self, stream: &Stream, queue: &mut VecDeque<Frame>) {
        let Some(last) = self.0.back() else { return };
        let end = last.pts + stream.default_duration.unwrap_or_default();
        self.release(end, queue);
    }

    /// The first one is displayed at `time`.
    fn release(&mut self, time: MediaTime, queue: &mut VecDeque<Frame>) {
        if let Some(first) = self.0.front_mut() {
            first.pts = time.max(first.pts);
        }
        queue.append(&mut self.0);
    }
}

/// When `frame`, in or behind the Cluster at byte `cluster` and not bidirectional, is displayed.
///
/// # Errors
/// [`Error::Io`].
pub fn shown_at(segment: &Segment, cluster: u64, frame: &Frame) -> Result<MediaTime, Error> {
    let mut walker = Walker::new(segment);
    walker.go_to(cluster);
    let mut held = Held::default();
    let (mut frames, mut known) = (VecDeque::new(), VecDeque::new());
    for _ in 0..BLOCK_COUNT_MAX {
        let block = match walker.next(segment)? {
            Step::Block(block) if block.stream == frame.stream => block,
            Step::End => break,
            _ => continue,
        };
        match timeline::frames(segment, &mut walker, block, &mut frames) {
            Err(error @ Error::Io { .. }) => return Err(error),
            Err(_) => break,
            Ok(()) => {}
        }
        for next in frames.drain(..).filter(|next| next.at >= frame.at) {
            held.push(segment, next, &mut known)?;
        }
        if let Some(first) = known.front() {
            return Ok(first.pts);
        }
    }
    held.finish(&segment.streams[frame.stream], &mut known);
    Ok(known.front().map_or(frame.pts, |first| first.pts))
}

/// Whether a picture is bidirectional; one that does not tell is not.
fn is_between(segment: &Segment, frame: &Frame) -> Result<bool, Error> {
    let stream = &segment.streams[frame.stream];
    let mut head = stream.stripped.clone();
    let start = head.len();
    head.resize(start + HEAD_LEN.min(usize::try_from(frame.len).unwrap_or(HEAD_LEN)), 0);
    let filled = segment.source.read_at(&mut head[start..], frame.at, "the start of a picture")?;
    Ok(is_bidirectional(&stream.codec, &head[..start + filled]).unwrap_or(false))
}
