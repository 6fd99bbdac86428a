//! Finding the fragment of a time. There may be 100,000 of them in 10 GB, so neither opening nor seeking walks them all:
//! an index (`sidx`, `mfra`) is taken as a hint and checked against the `moof` that it points to; without one, the
//! file is bisected by looking for the next `moof` behind a byte. Files whose fragments carry no time (`tfdt`) are
//! walked from the start, once. What was found is shared by all viewers.

use super::boxes::{BoxAt, Boxes};
use super::fragments::{FragmentCursor, Step, WINDOW_LEN, fragment_times, next_moof};
use super::hints::Hints;
use super::movie::Trex;
use super::sample::Found;
use super::stream::Stream;
use crate::media::Error;
use crate::media::io::{Source, Window};
use crate::sync::Leaf;
use crate::time::MediaTime;

/// Known places that are kept, of some 24 bytes each.
const POINTS_MAX: usize = 65_536;

/// Fragments from one kept place to the next on a walk.
const POINT_STEP: u32 = 16;

/// Bytes between two known places below which the file is walked rather than bisected.
const WALK_LEN_MAX: u64 = 512 << 10;

/// Bytes that are searched for a `moof` at once, and at most.
const PROBE_LEN: usize = 64 << 10;
const PROBE_LEN_MAX: u64 = 64 << 20;

/// Halvings of a file of 2^63 bytes.
const BISECTIONS_MAX: usize = 64;

/// Bytes of the end of the file in which the last samples are looked for, more when no fragment begins there.
const TAIL_LEN: u64 = 1 << 20;
const TAIL_LENS: [u64; 3] = [TAIL_LEN, TAIL_LEN << 3, TAIL_LEN << 6];

/// Fragments that are walked to find the end of a file that cannot be bisected, when it is opened. On a disk that has
/// to move its head for each, that takes seconds already.
const OPEN_MOOFS_MAX: u32 = 1000;

/// Fragments in which a track may be absent when a place in it is sought.
const ABSENT_MOOFS_MAX: u32 = 4096;

/// Samples that are walked to find a sync sample, some days' worth.
const WALK_SAMPLES_MAX: u32 = 1 << 24;

/// How far before the time sought a second attempt starts; then twice that, and so on.
const STEP_BACK: MediaTime = MediaTime::from_millis(2000);

/// The fragments of a file.
#[derive(Debug)]
pub struct Fragments {
    source: Source,
    /// Where the first `moof` begins.
    first: u64,
    /// Defaults of the tracks.
    pub trex: Vec<(u32, Trex)>,
    /// The first `moof` tells the time of every track in it: taken to be so for all.
    has_times: bool,
    hints: Hints,
    /// In the order of the file; the first is the first `moof`.
    points: Leaf<Vec<Point>>,
}

/// A known `moof`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Point {
    at: u64,
    /// When its first sample is decoded.
    time: MediaTime,
    /// Where the fragments carry no time: when the next sample of each stream is decoded, in ticks.
    dts: Vec<i64>,
}

impl Fragments {
    /// Those from the `moof` at byte `first` on; the samples of `moov` come before. `hints` is not yet trusted.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn new(
        source: &Source,
        first: u64,
        trex: Vec<(u32, Trex)>,
        streams: &[Stream],
        hints: Hints,
    ) -> Result<Self, Error> {
        let points = Leaf::new(Vec::new());
        let mut fragments = Self { source: source.clone(), first, trex, has_times: true, hints, points };
        let mut window = fragments.window();
        if let Some(moof) = next_moof(&mut window, &mut Boxes::to_end_of_file(first)).unwrap_or_default() {
            let (mut any, mut all) = (false, true);
            let _ = fragment_times(&mut window, &moof, &fragments.trex, |traf| {
                if streams.iter().any(|stream| stream.id == traf.track_id) {
                    any = true;
                    all &= traf.start.is_some();
                }
            });
            fragments.has_times = any && all;
        }
        let mut start = Point { at: first, time: MediaTime::MIN, dts: Vec::new() };
        if !fragments.has_times {
            // They go on where the samples of `moov` end.
            for stream in streams {
                start.dts.push(stepping_over_damage(stream.table.end_dts(source))?.unwrap_or(0));
            }
        }
        fragments.points = Leaf::new(vec![start]);
        Ok(fragments)
    }

    fn window(&self) -> Window {
        Window::new(self.source.clone(), WINDOW_LEN)
    }

    /// A cursor for `streams[index]` at the first fragment.
    pub fn start(&self, streams: &[Stream], index: usize) -> FragmentCursor {
        let first = self.points.with(|points| points[0].clone());
        self.cursor_at(streams, index, &first)
    }

    fn cursor_at(&self, streams: &[Stream], index: usize, point: &Point) -> FragmentCursor {
        let dts = point.dts.get(index).copied().unwrap_or(0);
        FragmentCursor::new(&streams[index], &self.trex, point.at, dts)
    }

    /// The last known `moof` that starts at or before `target`, or the first, and a later one.
    fn known(&self, target: MediaTime) -> (Point, Option<u64>) {
        self.points.with(|points| {
            let after = points.partition_point(|point| point.time <= target).max(1);
            (points[after - 1].clone(), points.get(after).map(|point| point.at))
        })
    }

    fn learn(&self, point: &Point) {
        self.points.with(|points| {
            let index = points.partition_point(|known| known.at < point.at);
            let is_new = points.get(index).is_none_or(|known| known.at != point.at);
            let in_order = (index == 0 || points[index - 1].time <= point.time)
                && points.get(index).is_none_or(|next| next.time >= point.time);
            if is_new && in_order && index > 0 && points.len() < POINTS_MAX {
                points.insert(index, point.clone());
            }
        });
    }

    /// The last fragment that starts at or before `target` on the timeline of decoding, or the first.
    fn locate(&self, streams: &[Stream], target: MediaTime) -> Result<Point, Error> {
        let (mut low, mut high) = self.known(target);
        if self.has_times {
            for hint in self.hints.around(target).into_iter().flatten() {
                if low.at < hint && high.is_none_or(|high| hint < high) {
                    if let Some(point) = self.check(streams, hint)? {
                        self.learn(&point);
                    }
                    (low, high) = self.known(target);
                }
            }
            low = self.bisect(streams, target, low, high)?;
        }
        self.walk(streams, target, low)
    }

    /// Narrows the place of `target` down from `low..high` until walking is cheap.
    fn bisect(&self, streams: &[Stream], target: MediaTime, low: Point, high: Option<u64>) -> Result<Point, Error> {
        let mut low = low;
        let mut high = match high {
            Some(high) => high,
            None => self.source.len()?,
        };
        for _ in 0..BISECTIONS_MAX {
            if high.saturating_sub(low.at) <= WALK_LEN_MAX {
                break;
            }
            let middle = low.at + (high - low.at) / 2;
            match self.probe(streams, middle, high)? {
                Probe::Found(point) => {
                    self.learn(&point);
                    if point.time <= target && point.time >= low.time {
                        low = point;
                    } else {
                        high = middle;
                    }
                }
                Probe::None => high = middle,
                Probe::GaveUp => break,
            }
        }
        Ok(low)
    }

    /// Walks the fragments from `from` to the last that starts at or before `target`.
    fn walk(&self, streams: &[Stream], target: MediaTime, from: Point) -> Result<Point, Error> {
        let mut window = self.window();
        let mut top = Boxes::to_end_of_file(from.at);
        let mut next = from.dts.clone();
        let mut last = from;
        let mut count = 0;
        while let Some(moof) = stepping_over_damage(next_moof(&mut window, &mut top))?.flatten() {
            let before = next.clone();
            let time = stepping_over_damage(self.time_of(&mut window, streams, &moof, &mut next))?.flatten();
            let Some(time) = time else { continue };
            if time > target {
                break;
            }
            last = Point { at: moof.at, time, dts: before };
            count += 1;
            if count % POINT_STEP == 0 {
                self.learn(&last);
            }
        }
        Ok(last)
    }

    /// When the first sample of `moof` is decoded; `None` when there is none of our streams. `next` is moved on where
    /// fragments carry no time.
    fn time_of(
        &self,
        window: &mut Window,
        streams: &[Stream],
        moof: &BoxAt,
        next: &mut [i64],
    ) -> Result<Option<MediaTime>, Error> {
        let mut earliest = None;
        fragment_times(window, moof, &self.trex, |traf| {
            let Some(index) = streams.iter().position(|stream| stream.id == traf.track_id) else { return };
            let start = match (traf.start, next.get_mut(index)) {
                (Some(start), _) => start,
                (None, Some(next)) => {
                    let start = *next;
                    *next = next.saturating_add_unsigned(traf.duration);
                    start
                }
                (None, None) => return,
            };
            let time = streams[index].time(start.saturating_sub(streams[index].lead));
            earliest = Some(earliest.map_or(time, |earliest: MediaTime| earliest.min(time)));
        })?;
        Ok(earliest)
    }

    /// The `moof` at byte `at`, if there is one that tells its time. A segment's other boxes may come before it.
    fn check(&self, streams: &[Stream], at: u64) -> Result<Option<Point>, Error> {
        let mut window = self.window();
        let mut top = Boxes::to_end_of_file(at);
        while let Some(found) = stepping_over_damage(top.next(&mut window))?.flatten() {
            match &found.kind.0 {
                b"styp" | b"sidx" | b"emsg" | b"prft" | b"free" | b"uuid" => {}
                b"moof" => {
                    let time = stepping_over_damage(self.time_of(&mut window, streams, &found, &mut []))?.flatten();
                    return Ok(time.map(|time| Point { at: found.at, time, dts: Vec::new() }));
                }
                _ => break,
            }
        }
        Ok(None)
    }

    /// The first `moof` that begins in `from..to`, found by its looks: its header and that of the `mfhd` in it.
    fn probe(&self, streams: &[Stream], from: u64, to: u64) -> Result<Probe, Error> {
        let mut buffer = vec![0; PROBE_LEN];
        let mut at = from;
        while at < to {
            if at - from > PROBE_LEN_MAX {
                return Ok(Probe::GaveUp);
            }
            let filled = self.source.read_at(&mut buffer, at, "fragments")?;
            for (position, looks) in buffer[..filled].windows(16).enumerate() {
                let is_moof = looks[4..8] == *b"moof" && looks[8..16] == *b"\0\0\0\x10mfhd";
                if is_moof
                    && at + (position as u64) < to
                    && let Some(point) = self.check(streams, at + position as u64)?
                {
                    return Ok(Probe::Found(point));
                }
            }
            if filled < PROBE_LEN {
                break;
            }
            at += PROBE_LEN as u64 - 15;
        }
        Ok(Probe::None)
    }

    /// Where to go on when the chain of boxes is broken at byte `at`: the next `moof`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn resynchronize(&self, streams: &[Stream], at: u64) -> Result<Option<u64>, Error> {
        match self.probe(streams, at.saturating_add(1), u64::MAX)? {
            Probe::Found(point) => Ok(Some(point.at)),
            Probe::None | Probe::GaveUp => Ok(None),
        }
    }

    /// The cursor of `streams[index]` before its last sync sample that is shown at or before `pts`, in ticks.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn last_sync(
        &self,
        streams: &[Stream],
        index: usize,
        pts: i64,
    ) -> Result<Option<(FragmentCursor, Found)>, Error> {
        let stream = &streams[index];
        let (target, len) = (stream.time(pts), self.source.len()?);
        let mut back = MediaTime::ZERO;
        loop {
            let point = self.locate(streams, target - back)?;
            let mut best = None;
            self.each_sample(self.cursor_at(streams, index, &point), |before, found| {
                if found.is_sync && found.pts <= pts && found.end() <= len {
                    best = Some((before, found));
                }
                found.dts.saturating_sub(stream.lead) <= pts
            })?;
            if best.is_some() || point.at == self.first {
                return Ok(best);
            }
            back = if back == MediaTime::ZERO { STEP_BACK } else { back + back };
        }
    }

    /// The cursor of `streams[index]` before its first sync sample that is shown at or after `pts`, in ticks.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn first_sync(
        &self,
        streams: &[Stream],
        index: usize,
        pts: i64,
    ) -> Result<Option<(FragmentCursor, Found)>, Error> {
        let from = match self.last_sync(streams, index, pts)? {
            Some((cursor, _)) => cursor,
            None => self.start(streams, index),
        };
        let (mut first, len) = (None, self.source.len()?);
        self.each_sample(from, |before, found| {
            if found.is_sync && found.pts >= pts && found.end() <= len {
                first = Some((before, found));
            }
            first.is_none()
        })?;
        Ok(first)
    }

    /// The cursor of `streams[index]` before its first sample that is shown at or after `pts`, in ticks; at the end
    /// where there is none.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn first_sample(&self, streams: &[Stream], index: usize, pts: i64) -> Result<FragmentCursor, Error> {
        let target = streams[index].time(pts);
        let mut back = MediaTime::ZERO;
        loop {
            let point = self.locate(streams, target - back)?;
            let (mut starts_late, mut place) = (None, None);
            let end = self.each_sample(self.cursor_at(streams, index, &point), |before, found| {
                starts_late.get_or_insert(found.pts > pts);
                if found.pts >= pts {
                    place = Some(before);
                }
                place.is_none()
            })?;
            if starts_late == Some(false) || point.at == self.first {
                return Ok(place.unwrap_or(end));
            }
            back = if back == MediaTime::ZERO { STEP_BACK } else { back + back };
        }
    }

    /// Walks the samples from `cursor` on while `wanted` says so; it is given the cursor as it stands before each.
    fn each_sample(
        &self,
        mut cursor: FragmentCursor,
        mut wanted: impl FnMut(FragmentCursor, Found) -> bool,
    ) -> Result<FragmentCursor, Error> {
        let mut window = self.window();
        for _ in 0..WALK_SAMPLES_MAX {
            let before = cursor.clone();
            let goes_on = match stepping_over_damage(cursor.next(&mut window, &self.trex, ABSENT_MOOFS_MAX))? {
                None => true,
                Some(Step::Sample(found)) => wanted(before, found),
                Some(Step::NotYet | Step::End) => false,
            };
            if !goes_on {
                break;
            }
        }
        Ok(cursor)
    }

    /// When the last whole sample of each stream ends, in ticks of the media; `None` where that is not found cheaply.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn ends(&self, streams: &[Stream]) -> Result<Vec<Option<i64>>, Error> {
        let len = self.source.len()?;
        let Some(late) = self.late_point(streams, len)? else { return Ok(vec![None; streams.len()]) };
        let mut ends = Vec::new();
        for index in 0..streams.len() {
            let mut end: Option<i64> = None;
            self.each_sample(self.cursor_at(streams, index, &late), |_, found| {
                let is_whole = found.end() <= len;
                if is_whole {
                    let sample_end = found.pts.saturating_add_unsigned(found.duration);
                    end = Some(end.map_or(sample_end, |end| end.max(sample_end)));
                }
                is_whole
            })?;
            ends.push(end);
        }
        Ok(ends)
    }

    /// A fragment close to the end of the file, found without walking the whole of a long one.
    fn late_point(&self, streams: &[Stream], len: u64) -> Result<Option<Point>, Error> {
        let first = self.points.with(|points| points[0].clone());
        if len.saturating_sub(self.first) <= TAIL_LEN {
            return Ok(Some(first));
        }
        if self.has_times {
            if let Some(at) = self.hints.last().filter(|at| len.saturating_sub(*at) <= TAIL_LEN)
                && let Some(point) = self.check(streams, at)?
            {
                return Ok(Some(point));
            }
            for tail_len in TAIL_LENS {
                let from = len.saturating_sub(tail_len).max(self.first);
                if let Probe::Found(point) = self.probe(streams, from, len)? {
                    return Ok(Some(point));
                }
            }
        }
        self.walk_when_opened(streams, first, len)
    }

    /// Walks to the end of the file; `None` when that would take long.
    fn walk_when_opened(&self, streams: &[Stream], first: Point, len: u64) -> Result<Option<Point>, Error> {
        let mut window = self.window();
        let mut top = Boxes::to_end_of_file(first.at);
        let mut next = first.dts.clone();
        let mut late = first;
        for count in 1..=OPEN_MOOFS_MAX {
            let before = next.clone();
            let Some(moof) = stepping_over_damage(next_moof(&mut window, &mut top))?.flatten() else {
                return Ok(Some(late));
            };
            let time = stepping_over_damage(self.time_of(&mut window, streams, &moof, &mut next))?.flatten();
            let Some(time) = time else { continue };
            let point = Point { at: moof.at, time, dts: before };
            if count % POINT_STEP == 0 {
                self.learn(&point);
            }
            if len.saturating_sub(late.at) > TAIL_LEN {
                late = point;
            }
        }
        Ok(None)
    }
}

/// What [`Fragments::probe`] found.
enum Probe {
    Found(Point),
    /// There is none.
    None,
    /// None for so long that looking on is not worth while.
    GaveUp,
}

/// `None` where the file is damaged: an index is not the place to complain, the reader will come by.
fn stepping_over_damage<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error @ Error::Io { .. }) => Err(error),
        Err(_) => Ok(None),
    }
}
