//! Tables of runs: `stts` and `ctts` (ISO/IEC 14496-12 section 8.6.1) and `stsc` (section 8.7.4) say things of so
//! many samples in turn. They stay in the file. A [`RunCursor`] walks one with a small window, and a shared index of
//! checkpoints, built as far as anyone has sought, saves walking from the start.

use super::boxes::{BoxAt, version_and_flags};
use crate::media::Error;
use crate::media::bits::ByteReader;
use crate::media::io::{Source, Window};
use crate::sync::Leaf;

/// Bytes of a table that a cursor holds.
pub const WINDOW_LEN: usize = 512;

/// Bytes read at once when a table is walked to seek.
const SCAN_LEN: usize = 64 << 10;

/// Entries from one checkpoint to the next.
const CHECKPOINT_STEP: u32 = 1024;

/// The entries of a table, in the file.
#[derive(Debug, Clone, Copy, Default)]
pub struct Entries {
    /// Where the first one begins.
    pub at: u64,
    /// How many there are, as far as the box goes.
    pub count: u32,
    /// The box has room for fewer than it says.
    pub count_lies: bool,
}

impl Entries {
    /// Those of the full box `found`, of `entry_len` bytes each, after its count.
    ///
    /// # Errors
    /// When it ends before its count.
    pub fn of(window: &mut Window, found: &BoxAt, entry_len: u64, what: &'static str) -> Result<Self, Error> {
        let len = found.body_len().min(8) as usize;
        let mut r = ByteReader::new(window.bytes(found.body, len, what)?, found.body, what);
        version_and_flags(&mut r)?;
        let count = r.u32()?;
        Ok(Self::bounded(found, found.body + 8, count, entry_len))
    }

    /// `count` entries from byte `at` of `found`, or as many as it has room for.
    pub fn bounded(found: &BoxAt, at: u64, count: u32, entry_len: u64) -> Self {
        let room = found.end.saturating_sub(at) / entry_len;
        let fits = u64::from(count).min(room) as u32;
        Self { at, count: fits, count_lies: fits < count }
    }
}

/// Which table it is: what its entries mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunKind {
    /// Count, and ticks that each sample lasts.
    TimeToSample,
    /// Count, and ticks from decoding to composition of each.
    CompositionOffset,
    /// First chunk, samples in each chunk, sample entry.
    SampleToChunk {
        /// Chunks of the track: the last run goes up to there.
        chunk_count: u32,
    },
}

impl RunKind {
    fn entry_len(self) -> u64 {
        if matches!(self, Self::SampleToChunk { .. }) { 12 } else { 8 }
    }

    fn what(self) -> &'static str {
        match self {
            Self::TimeToSample => "stts entry",
            Self::CompositionOffset => "ctts entry",
            Self::SampleToChunk { .. } => "stsc entry",
        }
    }
}

/// What one entry says, and of which samples.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    entry: u32,
    /// The first sample, from 0.
    pub first: u64,
    /// How many.
    pub count: u64,
    /// Decoding time of the first sample in ticks, or the first chunk, from 0.
    pub start: u64,
    /// Ticks a sample, composition offset, or samples in each chunk.
    pub value: u32,
    /// Number of the sample entry.
    pub description: u32,
}

impl Run {
    /// The first sample after it.
    pub fn end(&self) -> u64 {
        self.first.saturating_add(self.count)
    }
}

/// By what [`RunTable::find`] looks for a run.
#[derive(Debug, Clone, Copy)]
pub enum Key {
    /// The run that this sample is in.
    Sample(u64),
    /// The last run that starts at or before this.
    Start(u64),
}

impl Key {
    fn is_reached_by(self, first: u64, start: u64) -> bool {
        match self {
            Self::Sample(sample) => first <= sample,
            Self::Start(target) => start <= target,
        }
    }
}

/// Where the run of one entry begins.
#[derive(Debug, Clone, Copy)]
struct Checkpoint {
    entry: u32,
    first: u64,
    start: u64,
}

/// One table of runs.
#[derive(Debug)]
pub struct RunTable {
    kind: RunKind,
    /// Its entries.
    pub entries: Entries,
    /// Those of the entries 0, [`CHECKPOINT_STEP`], twice that, and so on, as far as they are known.
    checkpoints: Leaf<Vec<Checkpoint>>,
}

impl RunTable {
    /// The table `found`.
    ///
    /// # Errors
    /// When it ends before its count.
    pub fn read(window: &mut Window, found: &BoxAt, kind: RunKind) -> Result<Self, Error> {
        let entries = Entries::of(window, found, kind.entry_len(), kind.what())?;
        Ok(Self::new(kind, entries))
    }

    /// A table of no entries.
    pub fn empty(kind: RunKind) -> Self {
        Self::new(kind, Entries::default())
    }

    fn new(kind: RunKind, entries: Entries) -> Self {
        Self { kind, entries, checkpoints: Leaf::new(vec![Checkpoint { entry: 0, first: 0, start: 0 }]) }
    }

    /// The entry's place in the file.
    fn entry_at(&self, entry: u32) -> u64 {
        self.entries.at + u64::from(entry) * self.kind.entry_len()
    }

    /// The run of the entry at `checkpoint`; `None` behind the last.
    fn run(&self, window: &mut Window, checkpoint: Checkpoint) -> Result<Option<Run>, Error> {
        let Checkpoint { entry, first, start } = checkpoint;
        if entry >= self.entries.count {
            return Ok(None);
        }
        let is_last = entry + 1 == self.entries.count;
        let (at, what) = (self.entry_at(entry), self.kind.what());
        let RunKind::SampleToChunk { chunk_count } = self.kind else {
            let mut r = ByteReader::new(window.bytes(at, 8, what)?, at, what);
            let (count, value) = (u64::from(r.u32()?), r.u32()?);
            let is_time = self.kind == RunKind::TimeToSample;
            let value = if is_time { sane_delta(value) } else { value };
            // Samples that the table does not reach last as long as the one before.
            let count = if is_time && is_last { u64::MAX - first } else { count };
            return Ok(Some(Run { entry, first, count, start, value, description: 0 }));
        };
        let len = if is_last { 12 } else { 16 };
        let mut r = ByteReader::new(window.bytes(at, len, what)?, at, what);
        let (first_chunk, value, description) = (r.u32()?, r.u32()?, r.u32()?);
        let end_chunk = if is_last { chunk_count.saturating_add(1).max(first_chunk) } else { r.u32()? };
        let in_order = first_chunk >= 1 && u64::from(first_chunk) == start + 1;
        if !in_order || end_chunk < first_chunk || (end_chunk == first_chunk && !is_last) {
            return Err(Error::malformed(what, at));
        }
        let count = u64::from(end_chunk - first_chunk) * u64::from(value);
        Ok(Some(Run { entry, first, count, start, value, description }))
    }

    /// Where the run behind `run` begins.
    fn after(&self, window: &mut Window, run: &Run) -> Result<Checkpoint, Error> {
        let start = match self.kind {
            RunKind::TimeToSample => run.start.saturating_add(run.count.saturating_mul(u64::from(run.value))),
            RunKind::CompositionOffset => 0,
            RunKind::SampleToChunk { chunk_count } if run.entry + 1 == self.entries.count => u64::from(chunk_count),
            RunKind::SampleToChunk { .. } => {
                let at = self.entry_at(run.entry + 1);
                let first_chunk =
                    ByteReader::new(window.bytes(at, 4, self.kind.what())?, at, self.kind.what()).u32()?;
                u64::from(first_chunk).saturating_sub(1)
            }
        };
        Ok(Checkpoint { entry: run.entry + 1, first: run.end(), start })
    }

    /// The last run that reaches `key`; `None` when the table is empty.
    ///
    /// # Errors
    /// When an entry before it cannot be read or contradicts the one before.
    pub fn find(&self, source: &Source, key: Key) -> Result<Option<Run>, Error> {
        let (from, known) = self.checkpoints.with(|checkpoints| {
            let after = checkpoints.partition_point(|point| key.is_reached_by(point.first, point.start)).max(1);
            (checkpoints[after - 1], checkpoints.len() as u32)
        });
        let mut window = Window::new(source.clone(), SCAN_LEN.min(self.bytes_from(from.entry, known)));
        let mut found = None;
        let mut learned = Vec::new();
        let mut next = self.skip_blocks(&mut window, key, from, known, &mut learned)?;
        let walked = loop {
            let is_new = learned.last().is_none_or(|last: &Checkpoint| last.entry < next.entry);
            if is_new && next.entry % CHECKPOINT_STEP == 0 && next.entry / CHECKPOINT_STEP >= known {
                learned.push(next);
            }
            if !key.is_reached_by(next.first, next.start) && found.is_some() {
                break Ok(());
            }
            match self.run(&mut window, next) {
                Err(error) => break Err(error),
                Ok(None) => break Ok(()),
                Ok(Some(run)) => {
                    found = Some(run);
                    match self.after(&mut window, &run) {
                        Err(error) => break Err(error),
                        Ok(after) => next = after,
                    }
                }
            }
        };
        self.checkpoints.with(|checkpoints| {
            // Another viewer may have walked the same way meanwhile.
            for point in learned {
                if u64::from(point.entry) == checkpoints.len() as u64 * u64::from(CHECKPOINT_STEP) {
                    checkpoints.push(point);
                }
            }
        });
        walked.map(|()| found)
    }

    /// Goes from `from`, the last checkpoint of `known`, to the last one that is at or before `key`, by adding up
    /// whole blocks of entries: a day of pictures with reordering has 2 million of them.
    fn skip_blocks(
        &self,
        window: &mut Window,
        key: Key,
        from: Checkpoint,
        known: u32,
        learned: &mut Vec<Checkpoint>,
    ) -> Result<Checkpoint, Error> {
        const LEN: usize = CHECKPOINT_STEP as usize * 8;
        let mut from = from;
        let is_simple = !matches!(self.kind, RunKind::SampleToChunk { .. });
        // The last entry has its own rule, so it is never in a block.
        while is_simple
            && from.entry / CHECKPOINT_STEP + 1 >= known
            && self.entries.count.saturating_sub(from.entry) > CHECKPOINT_STEP
        {
            let block = window.bytes(self.entry_at(from.entry), LEN, self.kind.what())?;
            let mut next = Checkpoint { entry: from.entry + CHECKPOINT_STEP, ..from };
            for entry in block.chunks_exact(8) {
                let count = u64::from(u32::from_be_bytes([entry[0], entry[1], entry[2], entry[3]]));
                let value = u32::from_be_bytes([entry[4], entry[5], entry[6], entry[7]]);
                next.first = next.first.saturating_add(count);
                if self.kind == RunKind::TimeToSample {
                    next.start = next.start.saturating_add(count.saturating_mul(u64::from(sane_delta(value))));
                }
            }
            if !key.is_reached_by(next.first, next.start) {
                break;
            }
            learned.push(next);
            from = next;
        }
        Ok(from)
    }

    /// How much to read ahead from `entry`: up to the next checkpoint where it is known.
    fn bytes_from(&self, entry: u32, known: u32) -> usize {
        let is_inside = entry / CHECKPOINT_STEP + 1 < known;
        let entries = if is_inside { CHECKPOINT_STEP } else { self.entries.count.saturating_sub(entry) };
        (u64::from(entries) * self.kind.entry_len()).clamp(16, SCAN_LEN as u64) as usize
    }

    /// Ticks that all runs last together, where the table has at most `entries_max` entries.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub fn total(&self, source: &Source, sample_count: u64, entries_max: u32) -> Result<Option<u64>, Error> {
        if self.entries.count > entries_max {
            return Ok(None);
        }
        let last = self.find(source, Key::Sample(sample_count.saturating_sub(1)))?;
        Ok(last.map(|run| {
            run.start.saturating_add((sample_count.saturating_sub(run.first)).saturating_mul(u64::from(run.value)))
        }))
    }
}

/// A delta of `stts`. Negative ones, by writers that corrected a time, count as 1, as they do in FFmpeg.
fn sane_delta(delta: u32) -> u32 {
    if delta > i32::MAX as u32 { 1 } else { delta }
}

/// One viewer's place in a [`RunTable`].
#[derive(Debug)]
pub struct RunCursor {
    window: Window,
    run: Option<Run>,
}

impl RunCursor {
    /// Reads from `source`; nothing is read yet.
    pub fn new(source: &Source) -> Self {
        Self { window: Window::new(source.clone(), WINDOW_LEN), run: None }
    }

    /// To be called before the cursor goes somewhere else than forward.
    pub fn forget(&mut self) {
        self.run = None;
    }

    /// The run that `sample` is in; `None` when the table does not reach it.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub fn at(&mut self, source: &Source, table: &RunTable, sample: u64) -> Result<Option<Run>, Error> {
        let mut run = match self.run {
            Some(run) if run.first <= sample => run,
            _ => match table.find(source, Key::Sample(sample))? {
                Some(run) => run,
                None => return Ok(None),
            },
        };
        while run.end() <= sample {
            let next = table.after(&mut self.window, &run)?;
            match table.run(&mut self.window, next)? {
                Some(next) => run = next,
                None => {
                    self.run = Some(run);
                    return Ok(None);
                }
            }
        }
        self.run = Some(run);
        Ok(Some(run))
    }
}
