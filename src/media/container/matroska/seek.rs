//! Seeking: the index says where to begin looking, the block headers from there on say where the key frame is.

use std::collections::VecDeque;

use super::decode_order;
use super::reader::{From, MatroskaReader};
use super::segment::Segment;
use super::timeline::{self, Frame};
use super::walker::{Step, Walker};
use crate::media::{Error, SeekTo};
use crate::time::MediaTime;

/// How much earlier than the key frame samples of other tracks are looked for.
const INTERLEAVE_MAX: MediaTime = MediaTime::from_millis(1000);
/// How much later than the time sought other tracks may get before the track that leads counts as ended.
const LEAD_MISSING_MAX: MediaTime = MediaTime::from_millis(10_000);
/// How far the search goes back at first where there is no key frame before the time sought; then twice as far.
const STEP_BACK: MediaTime = MediaTime::from_millis(2000);
/// Blocks looked at in one search.
const SCAN_BLOCK_COUNT_MAX: usize = 5_000_000;

impl MatroskaReader {
    /// See [`crate::media::Reader::seek`].
    pub(super) fn seek_to(&mut self, to: MediaTime, how: SeekTo) -> Result<MediaTime, Error> {
        let found = match self.lead() {
            Some(lead) if to > MediaTime::ZERO => self.find_shown(lead, to, how)?,
            _ => None,
        };
        match found {
            Some(frame) => self.land(&frame),
            None => {
                let first_cluster = self.recording.segment.first_cluster;
                self.restart(first_cluster);
                Ok(self.earliest()?.unwrap_or_default().max(MediaTime::ZERO))
            }
        }
    }

    /// The track that decides where to land: the first wanted video track, else the first wanted one.
    fn lead(&self) -> Option<usize> {
        let streams = &self.recording.segment.streams;
        let mut wanted = (0..self.lanes.len()).filter(|track| self.lanes[*track].wanted);
        wanted.clone().find(|track| streams[*track].is_video()).or_else(|| wanted.next())
    }

    /// The frame to land on, with the time when it is displayed; `None` if `to` lies before the first.
    fn find_shown(&self, lead: usize, to: MediaTime, how: SeekTo) -> Result<Option<Frame>, Error> {
        let segment = &self.recording.segment;
        let mut found = self.find(lead, to, how)?;
        if !decode_order::is_reordered(&segment.streams[lead]) {
            return Ok(found);
        }
        // What is decoded before `to` may be displayed behind it; then it is the key frame before.
        for _ in 0..2 {
            let Some(frame) = found else { break };
            let cluster = self.recording.index.locate(segment, segment.ticks(frame.pts), frame.at)?;
            let cluster = cluster.map_or(segment.first_cluster, |cluster| cluster.at);
            let pts = decode_order::shown_at(segment, cluster, &frame)?;
            if pts <= to || how == SeekTo::SyncAtOrAfter {
                return Ok(Some(Frame { pts, ..frame }));
            }
            found = self.find(lead, frame.pts - segment.time(1), how)?;
        }
        Ok(None)
    }

    /// The frame to land on by its timestamp; `None` if `to` lies before the first.
    fn find(&self, lead: usize, to: MediaTime, how: SeekTo) -> Result<Option<Frame>, Error> {
        let segment = &self.recording.segment;
        let locate = |time, below| self.recording.index.locate(segment, segment.ticks(time), below);
        let mut after = None;
        let mut below = u64::MAX;
        let mut step_back = MediaTime::ZERO;
        let Some(mut start) = locate(to, below)? else { return Ok(None) };
        loop {
            let goal = Goal { lead, to, how, below };
            let scan = goal.scan(segment, start.at)?;
            after = scan.after.or(after);
            if let Some(before) = scan.before {
                let is_after = how == SeekTo::SyncAtOrAfter && before.pts < to;
                return Ok(if is_after { after.or(Some(before)) } else { Some(before) });
            }
            if start.at <= segment.first_cluster {
                return Ok(None);
            }
            below = start.at;
            let earlier = segment.time(start.ticks.saturating_sub(1)) - step_back;
            step_back = step_back + step_back.max(STEP_BACK);
            let Some(previous) = locate(earlier, below)? else { return Ok(None) };
            start = previous;
        }
    }

    /// Moves to `frame`, and the other tracks to its time.
    fn land(&mut self, frame: &Frame) -> Result<MediaTime, Error> {
        let segment = &self.recording.segment;
        let from = segment.ticks(frame.pts - INTERLEAVE_MAX);
        let start = self.recording.index.locate(segment, from, frame.at)?;
        let start = start.map_or(segment.first_cluster, |cluster| cluster.at);
        self.restart(start);
        let streams = &self.recording.segment.streams;
        for (track, (lane, stream)) in self.lanes.iter_mut().zip(streams).enumerate() {
            lane.from = match () {
                () if track == frame.stream => From::Byte(frame.at),
                () if stream.is_video() => From::SyncTime(frame.pts),
                () => From::Time(frame.pts),
            };
        }
        Ok(frame.pts.max(MediaTime::ZERO))
    }
}

/// What is looked for.
struct Goal {
    lead: usize,
    to: MediaTime,
    how: SeekTo,
    /// The search ends at this byte.
    below: u64,
}

/// Key frames around the time sought; of audio, any frame.
#[derive(Debug, Default)]
struct Scan {
    /// The last one at or before it.
    before: Option<Frame>,
    /// The first one after it.
    after: Option<Frame>,
}

impl Goal {
    /// Looks through the blocks from the Cluster at byte `start` on.
    fn scan(&self, segment: &Segment, start: u64) -> Result<Scan, Error> {
        let mut scan = Scan::default();
        let mut walker = Walker::new(segment);
        walker.go_to(start);
        let mut frames = VecDeque::new();
        for _ in 0..SCAN_BLOCK_COUNT_MAX {
            let block = match walker.next(segment)? {
                Step::Block(block) => block,
                Step::Skipped(_) => continue,
                Step::End => break,
            };
            if walker.frames().first().is_some_and(|frame| frame.at >= self.below) {
                break;
            }
            if block.stream != self.lead {
                let is_far = segment.time(block.ticks) - self.to > LEAD_MISSING_MAX;
                if is_far && self.how == SeekTo::SyncAtOrBefore {
                    break;
                }
                continue;
            }
            frames.clear();
            match timeline::frames(segment, &mut walker, block, &mut frames) {
                Err(error @ Error::Io { .. }) => return Err(error),
                Err(_) => break,
                Ok(()) => {}
            }
            if frames.iter().any(|frame| scan.take(frame, self)) {
                break;
            }
        }
        Ok(scan)
    }
}

impl Scan {
    /// Takes note of a frame of the track that leads; true when there is nothing more to be learned.
    fn take(&mut self, frame: &Frame, goal: &Goal) -> bool {
        if frame.pts <= goal.to {
            if frame.is_sync {
                self.before = Some(*frame);
            }
            return false;
        }
        // All that precedes a key frame in decoding order also precedes it on the screen, so that no key frame at or
        // before `to` can follow this frame.
        if frame.is_sync {
            self.after = Some(*frame);
        }
        frame.is_sync || goal.how == SeekTo::SyncAtOrBefore
    }
}
