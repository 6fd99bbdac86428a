//! One viewer's cursor: reads block headers a little ahead, puts the frames of the tracks in order of decoding time,
//! and reads the data of those that are wanted, each with one `pread`.
//!
//! Matroska tells presentation times only. A frame's decoding time is taken to be the earliest presentation time among
//! it and the [`LOOK_AHEAD`] frames of its track that follow, and no less than the frame's before: so it never
//! decreases, no frame is decoded after it should be shown, and without reordering it is the presentation time.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Matroska;
use super::segment::Segment;
use super::timeline::{self, Frame, SAMPLE_LEN_MAX};
use super::tracks::{Framing, Stream};
use super::walker::{Step, Walker};
use crate::media::codec::aac::adts;
use crate::media::{Error, Next, Reader, Sample, SeekTo};
use crate::time::MediaTime;

/// Frames of a video track that are looked at behind the one whose decoding time is wanted: as many as a decoder may
/// hold back (ITU-T H.264 section A.3.1, MaxDpbFrames).
const LOOK_AHEAD: usize = 16;
/// Fewer will do once they cover [`LOOK_AHEAD_TIME`], so that slow video is not read ahead by many seconds.
const LOOK_AHEAD_MIN: usize = 5;
const LOOK_AHEAD_TIME: MediaTime = MediaTime::from_millis(2000);
/// Frames of all tracks that are held; thus also how badly tracks may be interleaved before it shows.
const QUEUED_COUNT_MAX: usize = 512;

/// A cursor in a Matroska file.
pub(super) struct MatroskaReader {
    pub(super) recording: Arc<Matroska>,
    pub(super) walker: Walker,
    /// One for each track.
    pub(super) lanes: Vec<Lane>,
    /// What comes behind the frames that are held.
    pub(super) barrier: Option<Barrier>,
    /// Frames of the last block on their way into the lanes.
    incoming: VecDeque<Frame>,
}

/// What is held of one track.
#[derive(Debug)]
pub(super) struct Lane {
    /// Its samples are handed out.
    pub(super) wanted: bool,
    /// From which frame on.
    pub(super) from: From,
    queue: VecDeque<Frame>,
    last_dts: MediaTime,
}

/// What of a track lies before the place that was sought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    /// Nothing.
    Anywhere,
    /// What begins before this byte of the file.
    Byte(u64),
    /// What is shown before this time.
    Time(MediaTime),
    /// What comes before the first key frame at or after this time.
    SyncTime(MediaTime),
}

/// What reading ahead ran into. It is told once the frames before it have been handed out.
#[derive(Debug)]
pub(super) enum Barrier {
    Skipped(Error),
    End,
}

impl MatroskaReader {
    pub(super) fn new(recording: Arc<Matroska>) -> Self {
        let lane = |_| Lane { wanted: true, from: From::Anywhere, queue: VecDeque::new(), last_dts: MediaTime::MIN };
        Self {
            walker: Walker::new(&recording.segment),
            lanes: recording.segment.streams.iter().map(lane).collect(),
            recording,
            barrier: None,
            incoming: VecDeque::new(),
        }
    }

    /// Forgets what is held and goes on at the Cluster at byte `cluster`, with all tracks from its start.
    pub(super) fn restart(&mut self, cluster: u64) {
        self.walker.go_to(cluster);
        self.barrier = None;
        for lane in &mut self.lanes {
            *lane =
                Lane { wanted: lane.wanted, from: From::Anywhere, queue: VecDeque::new(), last_dts: MediaTime::MIN };
        }
    }

    /// The earliest presentation time among the next frames of the wanted tracks.
    pub(super) fn earliest(&mut self) -> Result<Option<MediaTime>, Error> {
        self.fill()?;
        let lanes = self.lanes.iter().filter(|lane| lane.wanted);
        Ok(lanes.filter_map(|lane| lane.queue.front()).map(|frame| frame.pts).min())
    }

    /// Reads ahead until it is clear which frame comes next.
    fn fill(&mut self) -> Result<(), Error> {
        let segment = &self.recording.segment;
        while self.barrier.is_none() && !is_filled(&self.lanes, segment) {
            match self.walker.next(segment)? {
                Step::Skipped(error) => self.barrier = Some(Barrier::Skipped(error)),
                Step::End => self.barrier = Some(Barrier::End),
                Step::Block(block) => {
                    match timeline::frames(segment, &mut self.walker, block, &mut self.incoming) {
                        Err(error @ Error::Io { .. }) => return Err(error),
                        Err(error) => self.barrier = Some(Barrier::Skipped(error)),
                        Ok(()) => {}
                    }
                    let lane = &mut self.lanes[block.stream];
                    for frame in self.incoming.drain(..) {
                        if lane.admits(&frame) {
                            lane.queue.push_back(frame);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes the wanted frame with the earliest decoding time off its queue.
    fn pop(&mut self) -> Option<(Frame, MediaTime)> {
        let heads = self.lanes.iter().enumerate().filter(|(_, lane)| lane.wanted);
        let heads = heads.filter_map(|(track, lane)| Some((lane.dts()?, lane.queue.front()?.at, track)));
        let (dts, at, track) = heads.min()?;
        let lane = &mut self.lanes[track];
        let frame = lane.queue.pop_front()?;
        lane.last_dts = dts;
        // What nobody wants goes as the others pass it by, so that a track can be selected at any time.
        for lane in self.lanes.iter_mut().filter(|lane| !lane.wanted) {
            while lane.queue.front().is_some_and(|unwanted| unwanted.at < at) {
                lane.queue.pop_front();
            }
        }
        Some((frame, dts))
    }

    /// Reads the data of `frame` into `sample`.
    fn load(&self, frame: &Frame, sample: &mut Sample) -> Result<(), Error> {
        let segment = &self.recording.segment;
        let stream = &segment.streams[frame.stream];
        if frame.len > SAMPLE_LEN_MAX {
            return Err(Error::malformed("frame of an impossible length", frame.at));
        }
        sample.data.extend_from_slice(&stream.stripped);
        segment.source.append(&mut sample.data, frame.at, frame.len as usize, "a frame")?;
        shape(stream, frame, sample)
    }
}

/// Finds the NAL units of a sample, cuts it to whole values, or takes off what is not the codec's.
fn shape(stream: &Stream, frame: &Frame, sample: &mut Sample) -> Result<(), Error> {
    match stream.framing {
        Framing::Raw => {}
        Framing::Text { plain } => {
            let text = plain(&String::from_utf8_lossy(&sample.data));
            sample.data.clear();
            sample.data.extend_from_slice(text.as_bytes());
        }
        Framing::Multiple(len) => sample.data.truncate(sample.data.len() / len.max(1) * len.max(1)),
        Framing::Adts => {
            let unit = adts::access_unit(&sample.data);
            let unit = unit.ok_or_else(|| Error::malformed("AAC frame of one access unit", frame.at))?;
            sample.data.truncate(unit.end);
            sample.data.drain(..unit.start);
        }
        Framing::NalUnits { length_size } => {
            // Units before the damage are worth having; a decoder conceals the rest of the picture.
            let damage = timeline::split_nals(&sample.data, length_size, &mut sample.nals).err();
            if sample.nals.is_empty() {
                let position = damage.unwrap_or(0).saturating_sub(stream.stripped.len());
                return Err(Error::malformed("NAL unit length", frame.at + position as u64));
            }
        }
    }
    Ok(())
}

/// Whether enough is held to tell which frame comes next and when it is to be decoded.
fn is_filled(lanes: &[Lane], segment: &Segment) -> bool {
    let queued: usize = lanes.iter().map(|lane| lane.queue.len()).sum();
    let mut wanted = lanes.iter().zip(&segment.streams).filter(|(lane, _)| lane.wanted);
    queued >= QUEUED_COUNT_MAX || wanted.all(|(lane, stream)| lane.is_filled(stream.is_video()))
}

impl Lane {
    /// Whether `frame` lies behind the place that was sought.
    fn admits(&mut self, frame: &Frame) -> bool {
        let admitted = match self.from {
            From::Anywhere => return true,
            From::Byte(at) => frame.at >= at,
            From::Time(time) => frame.pts >= time,
            From::SyncTime(time) => frame.is_sync && frame.pts >= time,
        };
        if admitted {
            self.from = From::Anywhere;
        }
        admitted
    }

    fn is_filled(&self, is_video: bool) -> bool {
        let (Some(first), Some(last)) = (self.queue.front(), self.queue.back()) else { return false };
        let enough = if is_video { LOOK_AHEAD + 1 } else { 1 };
        self.queue.len() >= enough || (self.queue.len() >= LOOK_AHEAD_MIN && last.pts - first.pts >= LOOK_AHEAD_TIME)
    }

    /// The decoding time of the next frame.
    fn dts(&self) -> Option<MediaTime> {
        let earliest = self.queue.iter().take(LOOK_AHEAD + 1).map(|frame| frame.pts).min()?;
        Some(earliest.max(self.last_dts))
    }
}

impl Reader for MatroskaReader {
    fn select(&mut self, track: usize, wanted: bool) {
        if let Some(lane) = self.lanes.get_mut(track) {
            lane.wanted = wanted;
        }
    }

    fn next(&mut self, sample: &mut Sample) -> Result<Next, Error> {
        sample.clear();
        if !self.lanes.iter().any(|lane| lane.wanted) {
            return Ok(Next::End);
        }
        loop {
            self.fill()?;
            let Some((frame, dts)) = self.pop() else {
                self.lanes.iter_mut().for_each(|lane| lane.queue.clear());
                match self.barrier.take() {
                    // All that was held belongs to tracks nobody wants.
                    None => continue,
                    Some(Barrier::Skipped(error)) => return Ok(Next::Skipped(error)),
                    Some(Barrier::End) => {
                        self.barrier = Some(Barrier::End);
                        return Ok(Next::End);
                    }
                }
            };
            *sample = Sample {
                track: frame.stream,
                pts: frame.pts,
                dts,
                is_sync: frame.is_sync,
                data: std::mem::take(&mut sample.data),
                nals: std::mem::take(&mut sample.nals),
            };
            return match self.load(&frame, sample) {
                Ok(()) => Ok(Next::Sample),
                Err(error @ Error::Io { .. }) => Err(error),
                Err(error) => {
                    if matches!(error, Error::Truncated { .. }) {
                        // The file has become shorter under our hands.
                        self.lanes.iter_mut().for_each(|lane| lane.queue.clear());
                        self.barrier = Some(Barrier::End);
                    }
                    Ok(Next::Skipped(error))
                }
            };
        }
    }

    fn seek(&mut self, to: MediaTime, how: SeekTo) -> Result<MediaTime, Error> {
        self.seek_to(to, how)
    }
}
