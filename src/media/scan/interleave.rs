//! The order of samples between tracks. Files store sound up to two seconds away from the pictures it goes with;
//! viewers are to have both by decode time.
//!
//! What comes early is held back until the other tracks have come as far. A track that says nothing for long is not
//! waited for, be it that it has ended or that it speaks rarely, so a viewer of such a file holds nothing back.

use std::collections::VecDeque;

use super::super::{Kind, Sample, Track};
use crate::time::MediaTime;

/// How far tracks may lie apart in a file and still be put in order, in decode time.
pub const APART_MAX: MediaTime = MediaTime::from_millis(2000);
/// How many bytes are held back at most: a second and more of 4K. What goes beyond leaves as the file has it.
const HOLD_LEN_MAX: usize = 4 << 20;
/// How many samples are held back at most.
const HOLD_COUNT_MAX: usize = 512;
/// How many bytes of empty buffers are kept for samples to come.
const SPARE_LEN_MAX: usize = 128 << 10;
/// How many empty samples are kept.
const SPARE_COUNT_MAX: usize = 64;

/// Samples on their way from the order of the file to that of decode times.
#[derive(Debug)]
pub struct Interleaver {
    lanes: Vec<Lane>,
    /// Bytes and samples in all lanes.
    len: usize,
    count: usize,
    /// The first and the latest decode time since the start.
    first: Option<MediaTime>,
    latest: MediaTime,
    spare: Vec<Sample>,
    spare_len: usize,
}

/// The samples of one track.
#[derive(Debug)]
struct Lane {
    is_wanted: bool,
    /// Others wait for it: it is one that goes on and on.
    is_steady: bool,
    queue: VecDeque<Sample>,
    latest: Option<MediaTime>,
}

impl Interleaver {
    /// For these tracks, all wanted.
    pub fn new(tracks: &[Track]) -> Self {
        let lane = |track: &Track| Lane {
            is_wanted: true,
            is_steady: matches!(track.kind(), Kind::Video | Kind::Audio),
            queue: VecDeque::new(),
            latest: None,
        };
        let lanes = tracks.iter().map(lane).collect();
        let (first, latest) = (None, MediaTime::MIN);
        Self { lanes, len: 0, count: 0, first, latest, spare: Vec::new(), spare_len: 0 }
    }

    /// Whether samples of a track come out; those that are held are dropped if not.
    pub fn select(&mut self, track: usize, wanted: bool) {
        self.lanes[track].is_wanted = wanted;
        if !wanted {
            self.drop_lane(track);
        }
    }

    /// Whether samples of a track come out.
    pub fn is_wanted(&self, track: usize) -> bool {
        self.lanes.get(track).is_some_and(|lane| lane.is_wanted)
    }

    /// Drops what is held, and starts anew.
    pub fn clear(&mut self) {
        (0..self.lanes.len()).for_each(|track| self.drop_lane(track));
        (self.first, self.latest) = (None, MediaTime::MIN);
    }

    fn drop_lane(&mut self, track: usize) {
        self.lanes[track].latest = None;
        while let Some(sample) = self.lanes[track].queue.pop_front() {
            self.len -= sample.data.len();
            self.count -= 1;
            self.give_back(sample);
        }
    }

    /// An empty sample, with buffers if there are any left over.
    pub fn spare(&mut self) -> Sample {
        let sample = self.spare.pop().unwrap_or_default();
        self.spare_len -= sample.data.capacity();
        sample
    }

    /// Keeps the buffers of a sample for one to come.
    pub fn give_back(&mut self, mut sample: Sample) {
        sample.clear();
        let len = self.spare_len + sample.data.capacity();
        if self.spare.is_empty() || len <= SPARE_LEN_MAX && self.spare.len() < SPARE_COUNT_MAX {
            self.spare_len = len;
            self.spare.push(sample);
        }
    }

    /// Takes the next sample of a wanted track, in the order of the file.
    pub fn push(&mut self, sample: Sample) {
        let lane = &mut self.lanes[sample.track];
        lane.latest = lane.latest.max(Some(sample.dts));
        self.first.get_or_insert(sample.dts);
        self.latest = self.latest.max(sample.dts);
        self.len += sample.data.len();
        self.count += 1;
        lane.queue.push_back(sample);
    }

    /// The next sample by decode time, once it is known which one that is. `is_all`: nothing comes after what is held.
    pub fn pop(&mut self, is_all: bool) -> Option<Sample> {
        let heads = self.lanes.iter().enumerate().filter_map(|(track, lane)| Some((lane.queue.front()?.dts, track)));
        let (dts, track) = heads.min()?;
        let is_full = self.len > HOLD_LEN_MAX || self.count > HOLD_COUNT_MAX;
        if !is_all && !is_full && self.lanes.iter().any(|lane| self.waits_for(lane, dts)) {
            return None;
        }
        let sample = self.lanes[track].queue.pop_front()?;
        self.len -= sample.data.len();
        self.count -= 1;
        Some(sample)
    }

    /// Takes back what was taken last.
    pub fn put_back(&mut self, sample: Sample) {
        self.len += sample.data.len();
        self.count += 1;
        self.lanes[sample.track].queue.push_front(sample);
    }

    /// Whether a sample decoded at `dts` must wait, as one of this lane may come that is decoded before.
    fn waits_for(&self, lane: &Lane, dts: MediaTime) -> bool {
        let is_behind = lane.queue.is_empty() && lane.latest.is_none_or(|latest| latest < dts);
        let heard_last = lane.latest.or(self.first).unwrap_or(self.latest);
        lane.is_wanted && lane.is_steady && is_behind && self.latest - heard_last <= APART_MAX
    }

    /// The earliest presentation time among what is held.
    pub fn earliest(&self) -> Option<MediaTime> {
        self.lanes.iter().flat_map(|lane| &lane.queue).map(|sample| sample.pts).min()
    }

    /// Whether no track is wanted.
    pub fn is_idle(&self) -> bool {
        !self.lanes.iter().any(|lane| lane.is_wanted)
    }

    /// The wanted tracks.
    pub fn wanted(&self) -> impl Iterator<Item = usize> {
        self.lanes.iter().enumerate().filter(|(_, lane)| lane.is_wanted).map(|(track, _)| track)
    }
}
