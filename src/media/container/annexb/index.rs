//! Where in a file decoding can start: places about a second apart, and the search for those between.
//!
//! The index of a small file is whole from the start. That of a large one grows when a viewer seeks beyond it, and
//! is shared by all viewers. Anyone may call [`Index::extend`] to fill it beforehand.

use super::pictures::{HELD_MAX, Pictures, Sets, Sync, Unit};
use crate::media::io::{Source, Window};
use crate::media::varint::{put, put_signed, take, take_signed};
use crate::media::{Error, SeekTo};
use crate::sync::Leaf;

/// How many bytes are looked at before what was found is shared.
const EXTEND_LEN: u64 = 32 << 20;
/// How many bytes one seek looks at beyond what is known already. A seek that would need more lands at the last key
/// frame found, and the next one gets further.
const SEEK_LEN_MAX: u64 = 256 << 20;
/// What lies further ahead of what is known than this is not looked up to, but guessed, in bytes.
const GUESS_LEN_MIN: u64 = 48 << 20;
/// How far before the place of a guess a key frame is looked for first, in bytes; then four times as far, and so on.
const STEP_BACK_LEN: u64 = 1 << 20;
/// How far before it one is looked for at most.
const STEP_BACK_LEN_MAX: u64 = 64 << 20;
/// How many bytes are read at once when only headers are wanted.
pub const SCAN_WINDOW_LEN: usize = 128 << 10;
/// How many places are kept at most, of 24 bytes each: enough for eleven days.
const POINTS_MAX: usize = 1 << 20;
/// How many different parameter sets are kept at most; where there are more, nothing is added.
const SETS_MAX: usize = 256;

/// A place where decoding can start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The byte of the file.
    pub at: u64,
    /// Its place in decode order.
    pub decode_index: i64,
    /// Its place in order of display.
    pub display_index: i64,
    /// What must be known there.
    pub sync: Sync,
}

impl Start {
    /// Walks from here to where `start`, a walk through the same recording, ends, or further if the file has grown.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn walk(&self, start: &Pictures, source: &Source) -> Result<Pictures, Error> {
        let end = start.end();
        let mut walk = Pictures::from_sync(self.at, end, self.sync.clone(), self.decode_index, self.display_index);
        if start.may_grow() {
            walk.follow(source)?;
        }
        Ok(walk)
    }

    fn from_unit(unit: Unit) -> Option<Self> {
        let Unit { at, decode_index, display_index, sync, .. } = unit;
        sync.map(|sync| Self { at, decode_index, display_index, sync })
    }
}

/// The index of one file.
#[derive(Debug)]
pub struct Index {
    source: Source,
    /// A walk that has not begun.
    start: Pictures,
    end: u64,
    /// Pictures between two places of the table, at least.
    step: i64,
    table: Leaf<Table>,
}

/// How far an index reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// How many pictures are known, in decode order.
    pub pictures: i64,
    /// The byte of the file up to which it has been looked at.
    pub position: u64,
    /// By how many places a picture's decoding comes later than its display would, at most.
    pub reorder_delay: i64,
    /// How many pictures are displayed, once the whole file is known.
    pub total: Option<i64>,
}

#[derive(Debug)]
struct Table {
    points: Vec<Point>,
    sets: Vec<Sets>,
    frontier: Pictures,
    extent: Extent,
}

/// A [`Start`] in 24 bytes.
#[derive(Debug, Clone, Copy, Default)]
struct Point {
    at: u64,
    decode_index: u32,
    display_index: u32,
    /// Index in [`Table::sets`].
    sets: u16,
    starts_sequence: bool,
}

impl Index {
    /// An index that knows nothing but the `start` of a recording which ends at byte `end` of `source`. Places in it
    /// will be `step` pictures apart, or more where there are fewer key frames.
    pub fn new(source: Source, start: &Pictures, end: u64, step: i64) -> Self {
        let extent = Extent { pictures: 0, position: start.position(), reorder_delay: 0, total: None };
        let table = Table { points: Vec::new(), sets: Vec::new(), frontier: start.clone(), extent };
        Self { source, start: start.clone(), end, step: step.max(1), table: Leaf::new(table) }
    }

    /// How far it reaches now.
    pub fn extent(&self) -> Extent {
        self.table.with(|table| table.extent)
    }

    /// Looks at the next `len` bytes of the file, or some more, beyond what is known. Returns whether more is left.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn extend(&self, len: u64) -> Result<bool, Error> {
        let mut window = Window::new(self.source.clone(), SCAN_WINDOW_LEN);
        let (mut walk, mut extent) = self.table.with(|table| (table.frontier.clone(), table.extent));
        if walk.may_grow() {
            walk.follow(&self.source)?;
        }
        let from = extent.position;
        let mut found = Vec::new();
        let mut left = true;
        while left && walk.position() - from < len {
            match walk.next(&mut window)? {
                Some(unit) => {
                    extent.pictures = unit.decode_index + 1;
                    extent.reorder_delay = extent.reorder_delay.max(unit.decode_index - unit.display_index);
                    found.extend(Start::from_unit(unit));
                }
                None => {
                    extent.total = (!walk.may_grow()).then(|| walk.display_count());
                    left = false;
                }
            }
        }
        extent.position = walk.position();
        self.table.with(|table| {
            // Another viewer may have come to the same place in the meantime, and found the same.
            if table.extent.position == from {
                found.into_iter().for_each(|start| table.add(&start, self.step));
                table.frontier = walk;
                table.extent = extent;
            }
        });
        Ok(left)
    }

    /// All that is known, if that is all there is, and one set of parameter sets serves for the whole file: those that
    /// change on the way are not written down.
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        let first = self.start.sets();
        self.table.with(|table| {
            let total = table.extent.total?;
            if table.sets.iter().any(|sets| *sets != first) {
                return None;
            }
            let mut out = Vec::new();
            for number in [table.extent.pictures, table.extent.reorder_delay, total, table.points.len() as i64] {
                put_signed(&mut out, number);
            }
            put(&mut out, table.extent.position);
            let mut last = Point::default();
            for point in &table.points {
                put(&mut out, point.at - last.at);
                put_signed(&mut out, i64::from(point.decode_index) - i64::from(last.decode_index));
                put_signed(&mut out, i64::from(point.display_index) - i64::from(point.decode_index));
                out.push(u8::from(point.starts_sequence));
                last = *point;
            }
            Some(out)
        })
    }

    /// Takes over what [`Self::to_bytes`] has written another time; false if it is not that.
    pub fn adopt(&self, kept: &[u8]) -> bool {
        let Some((points, extent)) = self.parse(kept) else { return false };
        let first = self.start.sets();
        self.table.with(|table| (table.points, table.sets, table.extent) = (points, vec![first], extent));
        true
    }

    fn parse(&self, mut bytes: &[u8]) -> Option<(Vec<Point>, Extent)> {
        let bytes = &mut bytes;
        let (pictures, reorder_delay) = (take_signed(bytes)?, take_signed(bytes)?);
        let total = take_signed(bytes).filter(|total| (0..=pictures).contains(total))?;
        let count = take_signed(bytes).filter(|count| (0..=POINTS_MAX as i64).contains(count))?;
        let position = take(bytes).filter(|position| *position <= self.end)?;
        let mut points = Vec::new();
        let mut last = Point::default();
        for number in 0..count {
            let at = last.at.checked_add(take(bytes)?).filter(|at| *at < self.end)?;
            let step = take_signed(bytes).filter(|step| number == 0 || *step > 0)?;
            let decode_index = u32::try_from(i64::from(last.decode_index).checked_add(step)?).ok()?;
            let behind = take_signed(bytes)?;
            let display_index = u32::try_from(i64::from(decode_index).checked_add(behind)?).ok()?;
            let starts_sequence = take(bytes).filter(|flag| *flag <= 1)? == 1;
            last = Point { at, decode_index, display_index, sets: 0, starts_sequence };
            points.push(last);
        }
        let extent = Extent { pictures, position, reorder_delay, total: Some(total) };
        bytes.is_empty().then_some((points, extent))
    }

    /// The key frame for display index `target`, or `None` where that lies before the first one. What the index does
    /// not know yet is looked at first, unless that is far: then a place is guessed by the bit rate.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn find(&self, target: i64, how: SeekTo) -> Result<Option<Start>, Error> {
        let mut scanned = 0;
        while scanned < SEEK_LEN_MAX && !self.table.with(|table| table.reaches(target, how)) {
            if let Some(guess) = self.guess(target) {
                match self.find_near(&guess, target, how)? {
                    None => break,
                    found => return Ok(found),
                }
            }
            if !self.extend(EXTEND_LEN)? {
                break;
            }
            scanned += EXTEND_LEN;
        }
        let Some((before, after)) = self.table.with(|table| table.around(target)) else { return Ok(None) };
        let mut window = Window::new(self.source.clone(), SCAN_WINDOW_LEN);
        let mut walk = before.walk(&self.start, &self.source)?;
        // Key frames further on than a step would be in the table.
        let listed_from = before.decode_index + self.step;
        let mut last = before;
        while last.display_index < target {
            let unit = walk.next(&mut window)?.filter(|unit| unit.decode_index < listed_from);
            let Some(unit) = unit else { break };
            match Start::from_unit(unit) {
                Some(start) if start.display_index <= target => last = start,
                Some(start) => return Ok(Some(if how == SeekTo::SyncAtOrAfter { start } else { last })),
                None => {}
            }
        }
        let wants_after = how == SeekTo::SyncAtOrAfter && last.display_index < target;
        Ok(Some(after.filter(|_| wants_after).unwrap_or(last)))
    }
}

/// Where a picture should be, by the bit rate.
struct Guess {
    near: u64,
    /// What is known up to here.
    known: Extent,
    bytes_a_picture: f64,
    sets: Sets,
    end: u64,
}

impl Index {
    /// `None` when the picture is not far behind what is known.
    fn guess(&self, target: i64) -> Option<Guess> {
        let (known, walk) = self.table.with(|table| (table.extent, table.frontier.clone()));
        let (end, sets) = (walk.end(), walk.sets());
        let passed = known.position.saturating_sub(self.start.position()) as f64;
        let bytes_a_picture = (known.pictures > 0).then(|| (passed / known.pictures as f64).max(1.0))?;
        let further = (target.saturating_sub(known.pictures) as f64 * bytes_a_picture) as u64;
        let near = known.position.saturating_add(further).min(end);
        let is_far = near > known.position.saturating_add(GUESS_LEN_MIN);
        is_far.then_some(Guess { near, known, bytes_a_picture, sets, end })
    }

    /// As [`Self::find`], counted from the guess.
    fn find_near(&self, guess: &Guess, target: i64, how: SeekTo) -> Result<Option<Start>, Error> {
        let mut back = STEP_BACK_LEN;
        while back <= STEP_BACK_LEN_MAX && guess.near - back > guess.known.position {
            let at = guess.near - back;
            let further = (at - guess.known.position) as f64 / guess.bytes_a_picture;
            let number = guess.known.pictures + further as i64;
            let sync = Sync { sets: guess.sets.clone(), starts_sequence: true };
            let walk = Pictures::from_sync(at, guess.end, sync, number, number);
            let (before, after) = self.look_around(walk, target, back)?;
            if let Some(before) = before {
                let wants_after = how == SeekTo::SyncAtOrAfter && before.display_index < target;
                return Ok(Some(after.filter(|_| wants_after).unwrap_or(before)));
            }
            back *= 4;
        }
        Ok(None)
    }

    /// The last key frame of a walk at or before the target, and the first one behind it, if they are no further than
    /// `back` bytes and as many as that again.
    fn look_around(&self, mut walk: Pictures, target: i64, back: u64) -> Result<(Option<Start>, Option<Start>), Error> {
        let mut window = Window::new(self.source.clone(), SCAN_WINDOW_LEN);
        let until = walk.position().saturating_add(back + STEP_BACK_LEN_MAX);
        let mut before = None;
        while walk.position() < until
            && let Some(unit) = walk.next(&mut window)?
        {
            let Some(start) = Start::from_unit(unit) else { continue };
            // Counting began anywhere: a picture is not shown before it is decoded.
            let start = Start { decode_index: start.decode_index.min(start.display_index), ..start };
            if start.display_index > target {
                return Ok((before, Some(start)));
            }
            before = Some(start);
        }
        Ok((before, None))
    }
}

impl Table {
    fn add(&mut self, start: &Start, step: i64) {
        let too_near = self.points.last().is_some_and(|last| start.decode_index < i64::from(last.decode_index) + step);
        if too_near || self.points.len() >= POINTS_MAX {
            return;
        }
        let known = self.sets.iter().rposition(|sets| *sets == start.sync.sets);
        let sets = known.unwrap_or(self.sets.len());
        let (Ok(decode_index), Ok(display_index)) = (start.decode_index.try_into(), start.display_index.try_into())
        else {
            return;
        };
        if sets >= SETS_MAX {
            return;
        }
        if known.is_none() {
            self.sets.push(start.sync.sets.clone());
        }
        let starts_sequence = start.sync.starts_sequence;
        self.points.push(Point { at: start.at, decode_index, display_index, sets: sets as u16, starts_sequence });
    }

    /// Whether the answer to a search is in what is known.
    fn reaches(&self, target: i64, how: SeekTo) -> bool {
        let at_or_before = self.extent.pictures > target.saturating_add(HELD_MAX as i64);
        let at_or_after = self.points.last().is_some_and(|last| i64::from(last.display_index) >= target);
        self.extent.total.is_some() || at_or_before && (how == SeekTo::SyncAtOrBefore || at_or_after)
    }

    /// The last place at or before display index `target`, and the one after that.
    fn around(&self, target: i64) -> Option<(Start, Option<Start>)> {
        let after = self.points.partition_point(|point| i64::from(point.display_index) <= target);
        let before = self.points.get(after.checked_sub(1)?)?;
        Some((self.start(before), self.points.get(after).map(|point| self.start(point))))
    }

    fn start(&self, point: &Point) -> Start {
        let sync = Sync { sets: self.sets[usize::from(point.sets)].clone(), starts_sequence: point.starts_sequence };
        let (decode_index, display_index) = (point.decode_index.into(), point.display_index.into());
        Start { at: point.at, decode_index, display_index, sync }
    }
}
