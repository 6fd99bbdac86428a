//! How many chunks, bytes and key frames lie where in a stream: a checkpoint every so often, between which the index
//! is read again.

use super::index::{Cursor, Places, Stepped, old_entry};
use super::stream::{Clock, Stream};
use super::walker::{Data, Step, Walker};
use crate::media::Error;
use crate::media::io::{Source, Window};
use crate::sync::Leaf;

/// Chunks of a stream from one checkpoint to the next.
const STEP: u64 = 128;
/// Checkpoints of a stream, at most: two years of 60 pictures a second.
const CHECKPOINTS_MAX: usize = 1 << 25;
/// Without an index, so many chunks are looked at before what was found is shared.
const EXTEND_CHUNKS: usize = 8192;
/// Of an index, so much is read at once, in bytes.
const WINDOW_LEN: usize = 64 << 10;

/// A place in the data of a stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// As a [`Cursor`] takes it.
    pub place: u64,
    /// What was counted before, see [`Clock::units_of`].
    pub units: u64,
    /// The last checkpoint at or before this one behind which, before the next, there is a key frame.
    with_key: Option<u32>,
}

/// What is known of one stream.
#[derive(Debug, Clone, Default)]
pub struct Table {
    checkpoints: Vec<Checkpoint>,
    /// Chunks, and what they count.
    pub chunks: u64,
    /// See [`Clock::units_of`].
    pub units: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Chunks that the index says decoding can start at, and chunks that are not empty.
    pub keys: u64,
    /// See `keys`.
    pub filled: u64,
}

impl Table {
    fn add(&mut self, clock: &Clock, place: u64, data: &Data) {
        if self.chunks.is_multiple_of(STEP) && self.checkpoints.len() < CHECKPOINTS_MAX {
            let with_key = self.checkpoints.last().and_then(|last| last.with_key);
            self.checkpoints.push(Checkpoint { place, units: self.units, with_key });
        }
        let is_filled = data.len > 0;
        if data.is_key == Some(true) && is_filled {
            self.keys += 1;
            let number = self.checkpoints.len().checked_sub(1).and_then(|number| u32::try_from(number).ok());
            if let Some(last) = self.checkpoints.last_mut() {
                last.with_key = number;
            }
        }
        self.filled += u64::from(is_filled);
        self.chunks += 1;
        self.units += clock.units_of(data.len);
        self.bytes += u64::from(data.len);
    }
}

/// The tables of all streams of a file.
#[derive(Debug)]
pub struct Tables {
    source: Source,
    /// Streams in the file, streamed or not.
    streams: usize,
    state: Leaf<State>,
}

#[derive(Debug)]
struct State {
    tables: Vec<Table>,
    /// Without an index: where looking goes on; `None` when all is known.
    position: Option<u64>,
}

impl Tables {
    /// Those of `streams`, of a file with `count` streams. From an index they are complete.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn new(source: &Source, places: &Places, streams: &[Stream], count: usize) -> Result<Self, Error> {
        let mut tables = vec![Table::default(); streams.len()];
        let mut position = None;
        match places {
            Places::Old { entries_at, count, base } => {
                let mut window = Window::new(source.clone(), WINDOW_LEN);
                for number in 0..*count {
                    let Some(data) = old_entry(&mut window, entries_at + number * 16, *base)? else { continue };
                    if let Some(index) = streams.iter().position(|stream| stream.number == data.stream) {
                        tables[index].add(&streams[index].clock, number, &data);
                    }
                }
            }
            Places::Standard(_) => {
                for (table, stream) in tables.iter_mut().zip(streams) {
                    let mut cursor = Cursor::new(source.clone(), places, stream.number, count, 0);
                    loop {
                        let place = cursor.place();
                        let Some(stepped) = cursor.next(places)? else { break };
                        if let Stepped::Data(data) = stepped {
                            table.add(&stream.clock, place, &data);
                        }
                    }
                }
            }
            Places::Walk(start) => position = Some(*start),
        }
        Ok(Self { source: source.clone(), streams: count, state: Leaf::new(State { tables, position }) })
    }

    /// What is known of stream `index` up to now, and whether that is all.
    pub fn with<R>(&self, index: usize, read: impl FnOnce(&Table, bool) -> R) -> R {
        self.state.with(|state| read(&state.tables[index], state.position.is_none()))
    }

    /// The byte of the file up to which chunks are known; `None`: all are.
    pub fn position(&self) -> Option<u64> {
        self.state.with(|state| state.position)
    }

    /// Looks at some more chunks of a file without an index; `false` when there are none.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn extend(&self, streams: &[Stream]) -> Result<bool, Error> {
        let Some(from) = self.position() else { return Ok(false) };
        let mut walker = Walker::new(self.source.clone(), self.streams, from);
        let mut found = Vec::new();
        let mut is_end = false;
        while found.len() < EXTEND_CHUNKS && !is_end {
            let place = walker.position();
            match walker.next()? {
                Step::Data(data) => found.push((place, data)),
                Step::Skipped(_) => {}
                Step::End => is_end = true,
            }
        }
        self.state.with(|state| {
            // Unless another viewer was faster.
            if state.position == Some(from) {
                for (place, data) in &found {
                    if let Some(index) = streams.iter().position(|stream| stream.number == data.stream) {
                        state.tables[index].add(&streams[index].clock, *place, data);
                    }
                }
                state.position = (!is_end).then(|| walker.position());
            }
        });
        Ok(!is_end)
    }

    /// The last checkpoint at or before so many units, with its number; looks further into a file without an index.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn checkpoint(
        &self,
        streams: &[Stream],
        index: usize,
        units: u64,
    ) -> Result<Option<(usize, Checkpoint)>, Error> {
        while self.with(index, |table, is_whole| !is_whole && table.units <= units) {
            if !self.extend(streams)? {
                break;
            }
        }
        Ok(self.with(index, |table, _| {
            let after = table.checkpoints.partition_point(|checkpoint| checkpoint.units <= units);
            let number = after.checked_sub(1)?;
            Some((number, table.checkpoints[number]))
        }))
    }

    /// Checkpoint `number` of a stream, if it is known.
    pub fn numbered(&self, index: usize, number: usize) -> Option<Checkpoint> {
        self.with(index, |table, _| table.checkpoints.get(number).copied())
    }

    /// The last checkpoint before `number` that a key frame follows before the next, by the index.
    pub fn with_key_before(&self, index: usize, number: usize) -> Option<(usize, Checkpoint)> {
        self.with(index, |table, _| {
            let before = table.checkpoints.get(number.checked_sub(1)?)?.with_key? as usize;
            Some((before, *table.checkpoints.get(before)?))
        })
    }
}

/// Chunks from one checkpoint to the next.
pub const CHECKPOINT_STEP: u64 = STEP;
