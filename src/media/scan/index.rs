//! What has been found out by reading a file from its start on: where key frames are, how long tracks last.
//!
//! Shared by all viewers. It is extended a stretch at a time, by whoever has use for it: when a small file is opened,
//! by a viewer who seeks beyond it, or beforehand. Who wants to know what is in it already never waits.

use crossbeam_channel::{Receiver, Sender};

use super::super::{Error, Next, Sample};
use super::recording::{Scanned, is_start};
use super::trail::Trail;
use super::{Entry, Scanner};
use crate::sync::Leaf;
use crate::time::MediaTime;

/// Two points lie so far apart at least; key frames in between are found by reading on from a point.
const STEP_MIN: MediaTime = MediaTime::from_millis(500);
/// How many points there are at most, of 32 bytes each. Where more would be needed, every other one is left out.
pub const POINTS_MAX: usize = 1 << 16;

/// A key frame, or with sound alone any sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// From where everything that is shown from [`Self::time`] on can be read.
    pub from: Entry,
    /// When it is shown.
    pub time: MediaTime,
    /// There are more between this one and the next.
    pub has_more: bool,
}

/// What is known of one track.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extent {
    /// The earliest presentation time.
    pub first: Option<MediaTime>,
    /// The latest presentation time.
    pub last: Option<MediaTime>,
    /// The latest decode time, and how far it lies from the one before.
    pub decoded: Option<MediaTime>,
    /// How long the last sample lasts, as far as that shows.
    pub step: MediaTime,
    /// Bytes of all samples.
    pub len: u64,
}

impl Extent {
    /// Takes in a sample.
    pub fn add(&mut self, sample: &Sample) {
        self.first = Some(self.first.map_or(sample.pts, |first| first.min(sample.pts)));
        self.last = self.last.max(Some(sample.pts));
        let step = self.decoded.map_or(MediaTime::ZERO, |before| sample.dts - before);
        if step > MediaTime::ZERO {
            self.step = step;
        }
        self.decoded = self.decoded.max(Some(sample.dts));
        self.len += sample.data.len() as u64;
    }

    /// When the last sample ends.
    pub fn end(&self) -> Option<MediaTime> {
        self.last.map(|last| last + self.step)
    }

    /// Average bits a second.
    pub fn bitrate(&self) -> Option<u32> {
        let seconds = (self.end()? - self.first?).as_secs_f64();
        (seconds > 0.0).then(|| (self.len as f64 * 8.0 / seconds) as u32)
    }
}

/// What is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// By time, and by place.
    pub points: Vec<Point>,
    /// Of each track.
    pub extents: Vec<Extent>,
    /// The byte of the file up to which it has been read.
    pub position: u64,
    /// All of the file has been read.
    pub is_complete: bool,
    step: MediaTime,
}

impl Table {
    /// All there is to know.
    pub fn complete(points: Vec<Point>, extents: Vec<Extent>, position: u64) -> Self {
        Self { points, extents, position, is_complete: true, step: STEP_MIN }
    }

    fn add(&mut self, point: Point) {
        self.points.push(point);
        if self.points.len() <= POINTS_MAX {
            return;
        }
        self.step = self.step + self.step;
        let mut is_kept = false;
        self.points.retain_mut(|point| {
            is_kept = !is_kept;
            point.has_more = true;
            is_kept
        });
    }

    /// The last point at or before `time`.
    pub fn before(&self, time: MediaTime) -> Option<Point> {
        let after = self.points.partition_point(|point| point.time <= time);
        after.checked_sub(1).map(|index| self.points[index])
    }

    /// The first point at or after `time`.
    pub fn after(&self, time: MediaTime) -> Option<Point> {
        self.points.get(self.points.partition_point(|point| point.time < time)).copied()
    }

    /// Up to which time all samples of a track are known.
    pub fn reach(&self, track: usize) -> MediaTime {
        if self.is_complete { MediaTime::MAX } else { self.extents[track].decoded.unwrap_or(MediaTime::MIN) }
    }
}

/// How far [`Index::extend`] came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extended {
    /// There is more.
    More,
    /// Up to the end of the file, which may still grow.
    ToEdge,
    /// All of it is known.
    Complete,
    /// Somebody else is at it.
    Busy,
}

/// The index of one file.
pub struct Index {
    table: Leaf<Table>,
    /// Where reading goes on, for one who extends it at a time: others wait until it is put back. `None` before it was
    /// begun and after it was completed.
    put: Sender<Option<Box<Frontier>>>,
    take: Receiver<Option<Box<Frontier>>>,
}

/// Where reading goes on.
struct Frontier {
    scanner: Box<dyn Scanner>,
    trail: Trail,
    sample: Sample,
    extents: Vec<Extent>,
    last_point: Option<MediaTime>,
}

/// The right to extend the index. Whatever happens, it goes back.
struct Turn<'a> {
    index: &'a Index,
    frontier: Option<Box<Frontier>>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let _ = self.index.put.try_send(self.frontier.take());
    }
}

/// What a stretch of the file showed.
#[derive(Default)]
struct Found {
    points: Vec<Point>,
    /// More key frames follow the last point that was known before.
    has_more: bool,
}

impl Index {
    /// An index of so many tracks that knows nothing.
    pub fn new(track_count: usize) -> Self {
        let (put, take) = crossbeam_channel::bounded(1);
        let _ = put.try_send(None);
        let table = Table {
            points: Vec::new(),
            extents: vec![Extent::default(); track_count],
            position: 0,
            is_complete: false,
            step: STEP_MIN,
        };
        Self { table: Leaf::new(table), put, take }
    }

    /// What is known now.
    pub fn with<R>(&self, look: impl FnOnce(&Table) -> R) -> R {
        self.table.with(|table| look(table))
    }

    /// Takes over what was found out another time.
    pub fn adopt(&self, known: Table) {
        self.table.with(|table| *table = known);
    }

    /// Reads the next `len` bytes of the file, or some more. Who does not wait is told when it is [`Extended::Busy`].
    ///
    /// # Errors
    /// When the file cannot be read any further; what was found until then is all that there is.
    pub fn extend(&self, recording: &Scanned, len: u64, waits: bool) -> Result<Extended, Error> {
        let taken = if waits { self.take.recv().ok() } else { self.take.try_recv().ok() };
        let Some(frontier) = taken else { return Ok(Extended::Busy) };
        let mut turn = Turn { index: self, frontier: None };
        if self.with(|table| table.is_complete) {
            return Ok(Extended::Complete);
        }
        let mut frontier = frontier.unwrap_or_else(|| Box::new(Frontier::new(recording)));
        let step = self.with(|table| table.step);
        let mut found = Found::default();
        let extended = frontier.advance(recording, len, step, &mut found);
        let is_complete = !matches!(extended, Ok(Extended::More | Extended::ToEdge));
        self.table.with(|table| {
            if let Some(last) = table.points.last_mut() {
                last.has_more |= found.has_more;
            }
            found.points.into_iter().for_each(|point| table.add(point));
            table.extents.clone_from(&frontier.extents);
            table.position = frontier.scanner.position();
            table.is_complete = is_complete;
        });
        turn.frontier = Some(frontier).filter(|_| !is_complete);
        extended
    }
}

impl Frontier {
    fn new(recording: &Scanned) -> Self {
        Self {
            scanner: recording.scan(recording.start()),
            trail: recording.trail(recording.start()),
            sample: Sample::default(),
            extents: vec![Extent::default(); recording.track_count()],
            last_point: None,
        }
    }

    fn advance(
        &mut self,
        recording: &Scanned,
        len: u64,
        step: MediaTime,
        found: &mut Found,
    ) -> Result<Extended, Error> {
        let until = self.scanner.position().saturating_add(len);
        while self.scanner.position() < until {
            self.sample.clear();
            match self.scanner.next(&mut self.sample)? {
                Next::Sample => self.add(recording, step, found),
                Next::Skipped(_) => {}
                Next::Pending if recording.may_grow() => return Ok(Extended::ToEdge),
                Next::Pending => self.scanner.finish(),
                Next::End => return Ok(Extended::Complete),
            }
        }
        Ok(Extended::More)
    }

    fn add(&mut self, recording: &Scanned, step: MediaTime, found: &mut Found) {
        let sample = &self.sample;
        self.extents[sample.track].add(sample);
        self.trail.push(sample, || self.scanner.entry());
        if sample.track != recording.seek_track() || !is_start(sample, recording.kind(sample.track)) {
            return;
        }
        if self.last_point.is_some_and(|last| sample.pts < last + step) {
            match found.points.last_mut() {
                Some(last) => last.has_more = true,
                None => found.has_more = true,
            }
            return;
        }
        let (from, _) = self.trail.start_of(sample.pts);
        found.points.push(Point { from, time: sample.pts, has_more: false });
        self.last_point = Some(sample.pts);
    }
}
