//! From blocks to frames, each with its time; and what must be learned from the frames where the headers are silent:
//! parameter sets and the duration.
//!
//! Timestamps are presentation times. A block's is that of its first frame; those laced behind it follow by
//! DefaultDuration, or by what the codec says a frame lasts (RFC 9559 section 10.3).

use std::collections::VecDeque;

use super::block::Extent;
use super::codecs;
use super::index;
use super::segment::Segment;
use super::tracks::Framing;
use super::walker::{Block, Step, Walker};
use crate::media::codec::{learn, nal};
use crate::media::{Error, Note};
use crate::time::MediaTime;

/// Frames beyond this length are taken for damage, in bytes.
pub const SAMPLE_LEN_MAX: u64 = 64 << 20;

/// Blocks looked at for parameter sets that the headers lack.
const PARAMETER_SET_BLOCK_COUNT_MAX: usize = 2000;
/// Key frames of a track read for them.
const PARAMETER_SET_FRAME_COUNT_MAX: usize = 4;
/// What is read of one of them, in bytes.
const PARAMETER_SET_FRAME_LEN_MAX: u64 = 1 << 20;
/// Clusters without a block that are stepped over, from the last one back, in search of the end.
const END_CLUSTER_COUNT_MAX: usize = 8;
/// Blocks looked at for the end of the last.
const END_BLOCK_COUNT_MAX: usize = 200_000;

/// One frame of a track that can be streamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Index in [`Segment::streams`].
    pub stream: usize,
    /// When it is to be shown.
    pub pts: MediaTime,
    /// Where its bytes begin in the file.
    pub at: u64,
    /// How many there are.
    pub len: u64,
    /// Decoding can start here.
    pub is_sync: bool,
}

/// Appends the frames of `block`, which `walker` has just come by. Frames without bytes are left out.
///
/// # Errors
/// [`Error::Io`], and [`Error::Truncated`] where the file has become shorter.
pub fn frames(segment: &Segment, walker: &mut Walker, block: Block, frames: &mut VecDeque<Frame>) -> Result<(), Error> {
    let stream = &segment.streams[block.stream];
    let is_sync = block.is_key || !stream.is_video();
    let count = walker.frames().len();
    let mut pts = start(segment, block);
    for index in 0..count {
        let extent = walker.frames()[index];
        if extent.len > 0 {
            frames.push_back(Frame { stream: block.stream, pts, at: extent.at, len: extent.len, is_sync });
        }
        if index + 1 < count {
            let before = index.checked_sub(1).map(|before| walker.frames()[before]);
            pts += duration(segment, walker, block, extent, before)?;
        }
    }
    Ok(())
}

/// When the first frame of `block` is to be shown.
fn start(segment: &Segment, block: Block) -> MediaTime {
    // CodecDelay in whole ticks, as ffmpeg has it, which also wrote the timestamps with that much added.
    let half_tick = MediaTime::from_nanos(segment.time(1).as_nanos() / 2);
    let delay_ticks = segment.ticks(segment.streams[block.stream].codec_delay + half_tick);
    segment.time(block.ticks.saturating_sub(delay_ticks))
}

/// How long a frame of `block` lasts; zero if nothing tells. `before` is the one before it in the block.
fn duration(
    segment: &Segment,
    walker: &mut Walker,
    block: Block,
    extent: Extent,
    before: Option<Extent>,
) -> Result<MediaTime, Error> {
    let stream = &segment.streams[block.stream];
    let share = block.duration_ticks.map(|ticks| segment.time(ticks / walker.frames().len().max(1) as i64));
    if let Some(known) = if walker.frames().len() == 1 { share } else { None }.or(stream.default_duration) {
        return Ok(known);
    }
    let before = before.map(|before| walker.frame_head(before, &stream.stripped)).transpose()?;
    let head = walker.frame_head(extent, &stream.stripped)?;
    let of_codec = stream.frame_duration(extent.len + stream.stripped.len() as u64, &head, before.as_deref());
    Ok(of_codec.or(share).unwrap_or_default().max(MediaTime::ZERO))
}

/// Puts into `nals` where the NAL units of a frame lie, by length or by start code, whichever it has.
///
/// # Errors
/// The position in `data` from which on it is neither; `nals` has what came before.
pub fn split_nals(data: &[u8], length_size: usize, nals: &mut Vec<std::ops::Range<usize>>) -> Result<(), usize> {
    let Err(position) = nal::split_length_prefixed(data, length_size, nals) else { return Ok(()) };
    // Some muxers put Annex B into Matroska as it is.
    if data.starts_with(&[0, 0, 1]) || data.starts_with(&[0, 0, 0, 1]) {
        nals.clear();
        nal::split_start_codes(data, nals);
        return Ok(());
    }
    Err(position)
}

/// Takes what the headers lack from the first frames: parameter sets from key frames, and what else a first frame tells
/// of its codec. Tracks that have no parameter sets there either are left out.
///
/// # Errors
/// [`Error::Io`].
pub fn complete_codecs(segment: &mut Segment, notes: &mut Vec<Note>) -> Result<(), Error> {
    let mut codecs: Vec<_> = segment.streams.iter().map(|stream| stream.codec.clone()).collect();
    let mut to_learn: Vec<bool> = codecs.iter().map(learn::is_wanted).collect();
    if codecs.iter().all(codecs::is_complete) && !to_learn.contains(&true) {
        return Ok(());
    }
    let mut frames_read = vec![0; codecs.len()];
    let mut walker = Walker::new(segment);
    let mut found = VecDeque::new();
    for _ in 0..PARAMETER_SET_BLOCK_COUNT_MAX {
        let block = match walker.next(segment)? {
            Step::Block(block) => block,
            Step::Skipped(_) => continue,
            Step::End => break,
        };
        let (codec, frames_read) = (&mut codecs[block.stream], &mut frames_read[block.stream]);
        if std::mem::take(&mut to_learn[block.stream]) {
            learn_codec(segment, &walker, block, codec)?;
        }
        if block.is_key && !codecs::is_complete(codec) && *frames_read < PARAMETER_SET_FRAME_COUNT_MAX {
            *frames_read += 1;
            found.clear();
            if frames(segment, &mut walker, block, &mut found).is_err() {
                continue;
            }
            for frame in &found {
                add_parameter_sets(segment, frame, codec)?;
            }
        }
        if codecs.iter().all(codecs::is_complete) && !to_learn.contains(&true) {
            break;
        }
    }
    for (stream, codec) in segment.streams.iter_mut().zip(codecs) {
        stream.codec = codec;
    }
    segment.streams.retain(|stream| {
        let is_complete = codecs::is_complete(&stream.codec);
        if !is_complete {
            let text = format!("track {} is left out: it has no {} parameter sets", stream.number, stream.codec.name());
            notes.push(Note { at: None, text });
        }
        is_complete
    });
    Ok(())
}

/// Takes over what the first frame of `block` tells of its codec, which the headers leave open.
fn learn_codec(segment: &Segment, walker: &Walker, block: Block, codec: &mut crate::media::Codec) -> Result<(), Error> {
    let Some(frame) = walker.frames().first() else { return Ok(()) };
    let mut data = segment.streams[block.stream].stripped.clone();
    let start = data.len();
    data.resize(start + frame.len.min(learn::LEARN_LEN as u64) as usize, 0);
    let filled = segment.source.read_at(&mut data[start..], frame.at, "a frame")?;
    data.truncate(start + filled);
    learn::learn(codec, &data);
    Ok(())
}

/// Takes the parameter sets at the start of `frame` into `codec`.
fn add_parameter_sets(segment: &Segment, frame: &Frame, codec: &mut crate::media::Codec) -> Result<(), Error> {
    let stream = &segment.streams[frame.stream];
    let Framing::NalUnits { length_size } = stream.framing else { return Ok(()) };
    let mut data = stream.stripped.clone();
    let len = frame.len.min(PARAMETER_SET_FRAME_LEN_MAX) as usize;
    match segment.source.append(&mut data, frame.at, len, "a key frame") {
        Ok(()) => {}
        Err(error @ Error::Io { .. }) => return Err(error),
        Err(_) => return Ok(()),
    }
    let mut nals = Vec::new();
    // What could be split is used: of a long frame only the start has been read.
    let _ = split_nals(&data, length_size, &mut nals);
    nals.into_iter().for_each(|nal| codecs::add_parameter_set(codec, &data[nal]));
    Ok(())
}

/// When the last frame ends, by the blocks of the last Cluster that has any; `None` if there are none.
///
/// # Errors
/// [`Error::Io`].
pub fn end(segment: &Segment) -> Result<Option<MediaTime>, Error> {
    let mut before = segment.end;
    for _ in 0..END_CLUSTER_COUNT_MAX {
        let Some(last) = index::last_cluster(segment, before)? else { return Ok(None) };
        let end = end_from(segment, last)?;
        if end.is_some() {
            return Ok(end);
        }
        before = last;
    }
    Ok(None)
}

/// When the last frame ends of those from the Cluster at byte `cluster` on.
fn end_from(segment: &Segment, cluster: u64) -> Result<Option<MediaTime>, Error> {
    let mut walker = Walker::new(segment);
    walker.go_to(cluster);
    let mut end: Option<MediaTime> = None;
    let mut found = VecDeque::new();
    for _ in 0..END_BLOCK_COUNT_MAX {
        let block = match walker.next(segment)? {
            Step::Block(block) => block,
            Step::Skipped(_) => continue,
            Step::End => break,
        };
        found.clear();
        let Some(last) = walker.frames().last().copied() else { continue };
        let ends = frames(segment, &mut walker, block, &mut found)
            .and_then(|()| duration(segment, &mut walker, block, last, None))
            .ok()
            .zip(found.back())
            .map(|(duration, last)| last.pts + duration);
        end = end.max(ends);
    }
    Ok(end)
}
