//! Where playback of some time begins: by arithmetic, by what the index knows, or by bisection of the file.

use super::super::{Error, Next, Sample, SeekTo};
use super::index::{Extended, Point};
use super::interleave::APART_MAX;
use super::recording::{Scanned, is_start};
use super::{Entry, Timing};
use crate::time::MediaTime;

/// How many bytes one seek reads beyond the index, where times are counted: some half a second's work. A seek that
/// would need more lands at the last key frame found, and the next one gets further.
const SEEK_LEN_MAX: u64 = 256 << 20;
/// Where a place can be guessed by the bit rate, what lies further ahead than this is not read up to, in bytes.
const GUESS_LEN_MIN: u64 = 24 << 20;
/// How many bytes are read before what was found is shared.
pub const EXTEND_LEN: u64 = 8 << 20;
/// How far a key frame is looked for from a place near it, in bytes.
const SEARCH_LEN_MAX: u64 = 64 << 20;
/// How many places of a file are looked at to find a time.
const PROBES_MAX: usize = 32;
/// Bisection ends when what is left is no longer than this, in bytes.
const NARROW_LEN: u64 = 256 << 10;
/// How far a sample of the track in question is looked for from one of these places, in bytes.
const PROBE_LEN_MAX: u64 = 4 << 20;
/// How far before the time in question a key frame is looked for first, in bytes; then four times as far, and so on.
const STEP_BACK_LEN: u64 = 1 << 20;
/// How far before the time in question a key frame is looked for at most.
const STEP_BACK_LEN_MAX: u64 = 64 << 20;
/// How far a time may lie outside of what the places around it have, and still be believed.
const SLACK: MediaTime = MediaTime::from_millis(2000);

/// What is looked for.
#[derive(Debug, Clone, Copy)]
pub struct Goal {
    /// A sample of this track, for video a key frame,
    pub track: usize,
    /// that is shown near this time:
    pub to: MediaTime,
    /// on this side of it.
    pub how: SeekTo,
}

/// Where playback begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Landing {
    /// From where everything that is shown from [`Self::time`] on can be read.
    pub from: Entry,
    /// When the sample is shown.
    pub time: MediaTime,
}

impl From<Point> for Landing {
    fn from(point: Point) -> Self {
        Self { from: point.from, time: point.time }
    }
}

/// What is around a time.
#[derive(Debug, Default)]
struct Around {
    /// The last one at or before it, and whether it is certain that nothing is lost from there.
    before: Option<(Landing, bool)>,
    /// The first one after it.
    after: Option<(Landing, bool)>,
}

impl Around {
    /// What was looked for. The first one after a time only counts if there is one before it, too.
    fn pick(&self, goal: &Goal) -> Option<(Landing, bool)> {
        let before = self.before?;
        match goal.how {
            SeekTo::SyncAtOrAfter if before.0.time < goal.to => Some(self.after.unwrap_or(before)),
            _ => Some(before),
        }
    }
}

/// What is taken to be the course of times behind what has been read.
#[derive(Debug, Clone, Copy)]
struct Slope {
    /// Up to where it has been read, and the time there.
    at: u64,
    time: MediaTime,
    bytes_a_second: f64,
    /// The length of the file.
    end: u64,
}

impl Slope {
    fn place_of(&self, time: MediaTime) -> u64 {
        let further = ((time - self.time).as_secs_f64() * self.bytes_a_second) as u64;
        self.at.saturating_add(further).min(self.end)
    }

    fn time_of(&self, at: u64) -> MediaTime {
        self.time + MediaTime::from_secs_f64(at.saturating_sub(self.at) as f64 / self.bytes_a_second)
    }
}

impl Scanned {
    /// Finds where playback begins; `None` where that is before the first key frame.
    ///
    /// # Errors
    /// When the file cannot be read there.
    pub fn find(&self, goal: &Goal) -> Result<Option<Landing>, Error> {
        if self.is_arithmetic() {
            return self.calculate(goal);
        }
        if !self.is_known(goal)
            && self.timing() == Timing::Stamped
            && let Some(landing) = self.bisect(goal)?
        {
            return Ok(Some(landing));
        }
        let mut left = SEEK_LEN_MAX;
        while left > 0 && !self.is_known(goal) {
            if self.can_guess()
                && let Some(slope) = self.slope(goal)
            {
                match self.guess(goal, &slope)? {
                    None => break,
                    landing => return Ok(landing),
                }
            }
            match self.extend(EXTEND_LEN, true)? {
                Extended::More => left -= EXTEND_LEN,
                Extended::ToEdge | Extended::Complete | Extended::Busy => break,
            }
        }
        self.look_up(goal)
    }

    /// Whether the index has the answer.
    fn is_known(&self, goal: &Goal) -> bool {
        self.index().with(|table| {
            let is_reached = table.reach(goal.track) > goal.to && table.reach(self.seek_track()) > goal.to;
            let has_after = || table.points.last().is_some_and(|last| last.time >= goal.to);
            table.is_complete || is_reached && (goal.how == SeekTo::SyncAtOrBefore || has_after())
        })
    }

    fn look_up(&self, goal: &Goal) -> Result<Option<Landing>, Error> {
        let (before, after) = self.index().with(|table| (table.before(goal.to), table.after(goal.to)));
        if goal.track == self.seek_track() {
            let Some(before) = before else { return Ok(None) };
            let is_met = goal.how == SeekTo::SyncAtOrBefore || before.time == goal.to;
            match after {
                _ if is_met && !before.has_more => return Ok(Some(before.into())),
                Some(after) if !before.has_more => return Ok(Some(after.into())),
                _ => {}
            }
        }
        // From that point on, or from ones further and further before it, where that shows nothing of the track.
        let mut point = before;
        let mut back = APART_MAX;
        loop {
            let around = self.look_around(point.map_or(self.start(), |point| point.from), goal)?;
            match (around.pick(goal), point) {
                (Some((landing, _)), _) => return Ok(Some(landing)),
                (None, None) => return Ok(None),
                (None, Some(Point { time, .. })) => point = self.index().with(|table| table.before(time - back)),
            }
            back = back + back;
        }
    }

    /// How a time is told from a place behind what has been read, by the bit rate; `None` when the time that is looked
    /// for is not far behind it, or nothing has been read.
    fn slope(&self, goal: &Goal) -> Option<Slope> {
        let (at, time) = self.index().with(|table| (table.position, table.reach(goal.track)));
        let end = self.len().filter(|_| time > MediaTime::ZERO)?;
        let (len, lasts) = match self.known_end().filter(|end_time| *end_time > time) {
            Some(end_time) => (end.saturating_sub(at), end_time - time),
            None => (at.saturating_sub(self.start().at), time),
        };
        let slope = Slope { at, time, bytes_a_second: (len as f64 / lasts.as_secs_f64()).max(1.0), end };
        (slope.place_of(goal.to) > at.saturating_add(GUESS_LEN_MIN)).then_some(slope)
    }

    /// Near where the time in question should be.
    fn guess(&self, goal: &Goal, slope: &Slope) -> Result<Option<Landing>, Error> {
        let near = slope.place_of(goal.to);
        let mut back = STEP_BACK_LEN;
        while back <= STEP_BACK_LEN_MAX && near - back > slope.at {
            let at = near - back;
            let entry = Entry { at, time: Some(slope.time_of(at)) };
            if let Some((landing, _)) = self.look_around(entry, goal)?.pick(goal) {
                return Ok(Some(landing));
            }
            back *= 4;
        }
        Ok(None)
    }

    /// By arithmetic, and by looking whether there is a key frame.
    fn calculate(&self, goal: &Goal) -> Result<Option<Landing>, Error> {
        // What belongs to the first sample may be stored before it.
        let located = |time: MediaTime| self.locate(time).filter(|_| time > MediaTime::ZERO);
        let locate = |time: MediaTime| located(time).unwrap_or(self.start());
        let from = self.known_end().map_or(goal.to, |end| goal.to.min(end));
        let mut back = MediaTime::ZERO;
        loop {
            let time = (from - back).max(MediaTime::ZERO);
            if let Some((mut landing, _)) = self.look_around(locate(time), goal)?.pick(goal) {
                if self.track_count() > 1 {
                    landing.from = locate(landing.time - APART_MAX);
                }
                return Ok(Some(landing));
            }
            if time == MediaTime::ZERO {
                return Ok(None);
            }
            back = (back + back).max(MediaTime::from_millis(1000));
        }
    }

    /// Reads on from `entry` until it is known what is around the time.
    fn look_around(&self, entry: Entry, goal: &Goal) -> Result<Around, Error> {
        let mut scanner = self.scan(entry);
        let mut trail = self.trail(entry);
        let mut around = Around::default();
        let mut sample = Sample::default();
        while scanner.position().saturating_sub(entry.at) < SEARCH_LEN_MAX {
            sample.clear();
            match scanner.next(&mut sample)? {
                Next::Sample => trail.push(&sample, || scanner.entry()),
                Next::Skipped(_) => continue,
                Next::Pending if self.may_grow() => break,
                Next::Pending => {
                    scanner.finish();
                    continue;
                }
                Next::End => break,
            }
            if sample.track != goal.track {
                continue;
            }
            if !is_start(&sample, self.kind(sample.track)) {
                // Key frames that follow are shown later still.
                if goal.how == SeekTo::SyncAtOrBefore && sample.dts > goal.to {
                    break;
                }
                continue;
            }
            let time = sample.pts;
            let (from, is_certain) = trail.start_of(time);
            let found = Some((Landing { from, time }, is_certain));
            if time > goal.to {
                around.after = found;
                break;
            }
            around.before = found;
        }
        Ok(around)
    }

    /// By the stamps at places of the file that the index does not know; `None` when they do not rise from place to
    /// place, or there is no key frame near.
    fn bisect(&self, goal: &Goal) -> Result<Option<Landing>, Error> {
        let Some(end) = self.len() else { return Ok(None) };
        let (known_at, known_time) = self.index().with(|table| (table.position, table.reach(goal.track)));
        let floor = known_at.max(self.start().at);
        let Some(near) = self.narrow(goal, (floor, known_time.max(MediaTime::ZERO)), end)? else { return Ok(None) };
        let mut back = STEP_BACK_LEN;
        while back <= STEP_BACK_LEN_MAX {
            let at = near.saturating_sub(back);
            // What the index knows it knows better.
            let known = self.index().with(|table| table.points.last().copied()).filter(|_| at <= floor);
            let entry = match known {
                Some(point) => point.from,
                None if at <= self.start().at => self.start(),
                None => Entry { at, time: None },
            };
            let around = self.look_around(entry, goal)?;
            let is_whole = at <= floor;
            match around.pick(goal) {
                Some((landing, is_certain)) if is_certain || is_whole => return Ok(Some(landing)),
                None if is_whole => return Ok(None),
                _ => back *= 4,
            }
        }
        Ok(None)
    }

    /// A byte shortly before the place where samples are decoded at the time in question.
    fn narrow(&self, goal: &Goal, (at, time): (u64, MediaTime), end: u64) -> Result<Option<u64>, Error> {
        let end_time = self.known_end();
        if end_time.is_some_and(|end| goal.to >= end) || goal.to == MediaTime::MAX {
            return Ok(Some(end));
        }
        let (mut low, mut high) = ((at, time), (end, end_time));
        for round in 0..PROBES_MAX {
            let width = high.0.saturating_sub(low.0);
            if width <= NARROW_LEN {
                break;
            }
            let at = match high.1 {
                // Every third time the middle, lest a crooked file takes for ever.
                Some(high_time) if round % 3 < 2 && high_time > low.1 => {
                    let share = (goal.to - low.1).as_secs_f64() / (high_time - low.1).as_secs_f64();
                    low.0 + (width as f64 * share.clamp(0.02, 0.98)) as u64
                }
                _ => low.0 + width / 2,
            };
            match self.probe(goal.track, at, high.0)? {
                Some(found) if found < low.1 - SLACK || high.1.is_some_and(|high| found > high + SLACK) => {
                    return Ok(None);
                }
                Some(found) if found <= goal.to => low = (at, found),
                Some(found) => high = (at, Some(found)),
                None => high.0 = at,
            }
        }
        Ok(Some(low.0))
    }

    /// When the first sample of a track from byte `at` on is decoded; `None` if there is none before `end`, or none
    /// near.
    fn probe(&self, track: usize, at: u64, end: u64) -> Result<Option<MediaTime>, Error> {
        let mut scanner = self.scan(Entry { at, time: None });
        let end = end.min(at.saturating_add(PROBE_LEN_MAX));
        let mut sample = Sample::default();
        loop {
            sample.clear();
            match scanner.next(&mut sample)? {
                Next::Sample if sample.track == track => return Ok(Some(sample.dts)),
                Next::Sample | Next::Skipped(_) if scanner.position() < end => {}
                Next::Sample | Next::Skipped(_) | Next::End => return Ok(None),
                Next::Pending => scanner.finish(),
            }
        }
    }
}
