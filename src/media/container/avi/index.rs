//! Where the data of each stream lies: by the OpenDML index (`indx` and `ix00`), by `idx1`, or, where neither is
//! there or right, by stepping through the chunks (OpenDML AVI File Format Extensions version 1.02; AVI RIFF File
//! Reference).

use super::super::riff::{CHUNK_HEAD_LEN, Chunk};
use super::header::{Headers, LIST_HEAD_LEN, StreamHeader, u32_at};
use super::walker::{DATA_LEN_MAX, Data, Step, Walker, stream_of};
use crate::media::Error;
use crate::media::io::{Source, Window};

/// How much of an index is read at once.
const WINDOW_LEN: usize = 16 << 10;
/// Blocks of an OpenDML index, of one stream: 16 TiB at one for each GiB.
const BLOCKS_MAX: u32 = 16 << 10;
/// Entries of an index that are compared with what is in the file.
const CHECKED_MAX: u64 = 8;

const OLD_ENTRY_LEN: u64 = 16;
/// dwFlags of an entry of `idx1`.
const FLAG_LIST: u32 = 0x01;
const FLAG_KEY: u32 = 0x10;

/// The ways to find data.
#[derive(Debug)]
pub enum Places {
    /// `idx1`. A place is the number of an entry.
    Old {
        /// Where the entries begin.
        entries_at: u64,
        /// How many there are.
        count: u64,
        /// What is added to an offset to get to a chunk's head.
        base: u64,
    },
    /// OpenDML. A place is the number of a chunk of its stream; blocks by stream.
    Standard(Vec<Vec<Block>>),
    /// None. A place is a byte of the file; the chunks begin at this one.
    Walk(u64),
}

/// One `ix00` chunk, or an `indx` chunk of the same form.
#[derive(Debug, Clone, Copy)]
pub struct Block {
    entries_at: u64,
    entry_len: u64,
    /// qwBaseOffset.
    base: u64,
    /// Entries before it, of the same stream.
    first: u64,
    count: u64,
}

impl Places {
    /// The best way that there is, and what is wrong with the file where that is none of the indexes.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn find(source: &Source, headers: &Headers, movi: &Chunk) -> Result<(Self, Option<&'static str>), Error> {
        let mut window = Window::new(source.clone(), WINDOW_LEN);
        let walk = Self::Walk(movi.at + LIST_HEAD_LEN);
        let mut complaint = None;
        if let Some(standard) = standard(&mut window, &headers.streams)? {
            let places = Self::Standard(standard);
            if places.is_right(source, headers)? {
                return Ok((places, None));
            }
            complaint = Some("OpenDML index");
        }
        match old(source, &mut window, movi)? {
            Some(places) if places.is_right(source, headers)? => Ok((places, None)),
            Some(_) => Ok((walk, Some("idx1 index"))),
            None => Ok((walk, complaint.or(Some("file without an index")))),
        }
    }

    /// Whether the first entries and the last lead to chunks, as far as the file goes, and none follows the last.
    fn is_right(&self, source: &Source, headers: &Headers) -> Result<bool, Error> {
        let mut window = Window::new(source.clone(), CHUNK_HEAD_LEN as usize);
        let mut last: Option<Data> = None;
        let file_len = source.len()?;
        for stream in 0..headers.streams.len() {
            let count = self.count(stream);
            let ends = [0, count.saturating_sub(CHECKED_MAX)];
            for from in ends {
                let mut cursor = Cursor::new(source.clone(), self, stream, headers.streams.len(), from);
                for _ in 0..CHECKED_MAX {
                    let Some(Stepped::Data(data)) = cursor.next(self)? else { break };
                    if data.at < file_len && !is_chunk_of(&mut window, &data)? {
                        return Ok(false);
                    }
                    last = last.filter(|last| last.at > data.at).or(Some(data));
                }
            }
        }
        let Some(last) = last else { return Ok(false) };
        if last.at > file_len {
            return Ok(true); // a file that is cut off still has the index it began with, if that stands first
        }
        let mut walker = Walker::new(source.clone(), headers.streams.len(), last.at - CHUNK_HEAD_LEN);
        Ok(match walker.next()? {
            Step::Data(found) if found.at == last.at => !matches!(walker.next()?, Step::Data(_)),
            Step::Data(_) => false,
            Step::Skipped(_) | Step::End => true,
        })
    }

    /// Places of one stream, or of all where they are not kept apart.
    pub fn count(&self, stream: usize) -> u64 {
        match self {
            Self::Old { count, .. } => *count,
            Self::Standard(blocks) => {
                blocks.get(stream).and_then(|blocks| blocks.last()).map_or(0, |last| last.first + last.count)
            }
            Self::Walk(_) => 0,
        }
    }

    /// Where the data of a stream begins.
    pub fn start(&self) -> u64 {
        match self {
            Self::Walk(start) => *start,
            _ => 0,
        }
    }
}

/// Whether the head of a chunk of the same stream stands before these data.
///
/// # Errors
/// [`Error::Io`].
pub fn is_chunk_of(window: &mut Window, data: &Data) -> Result<bool, Error> {
    let Some(head_at) = data.at.checked_sub(CHUNK_HEAD_LEN) else { return Ok(false) };
    let chunk = Chunk::read(window, head_at)?;
    Ok(chunk.is_some_and(|chunk| stream_of(chunk.id) == Some(data.stream)))
}

/// `idx1` behind the `movi` list, with what its offsets are relative to: the list's type by the reference, the file
/// by many writers.
fn old(source: &Source, window: &mut Window, movi: &Chunk) -> Result<Option<Places>, Error> {
    /// Other chunks between the two.
    const BETWEEN_MAX: usize = 16;
    let mut at = movi.next();
    for _ in 0..BETWEEN_MAX {
        let Some(chunk) = Chunk::read(window, at)? else { return Ok(None) };
        if &chunk.id == b"idx1" {
            let len = u64::from(chunk.len).min(source.len()?.saturating_sub(chunk.body()));
            let count = len / OLD_ENTRY_LEN;
            let base = old_base(window, chunk.body(), count, movi)?;
            return Ok(base.map(|base| Places::Old { entries_at: chunk.body(), count, base }));
        }
        at = chunk.next();
    }
    Ok(None)
}

fn old_base(window: &mut Window, entries_at: u64, count: u64, movi: &Chunk) -> Result<Option<u64>, Error> {
    for number in 0..count.min(CHECKED_MAX) {
        let fields = window.available(entries_at + number * OLD_ENTRY_LEN, OLD_ENTRY_LEN as usize, "idx1")?;
        let Some(id) = fields.first_chunk::<4>().copied() else { return Ok(None) };
        let (offset, len) = (u64::from(u32_at(fields, 8)), u32_at(fields, 12));
        for base in [movi.body(), 0, movi.at, movi.at + LIST_HEAD_LEN] {
            let found = Chunk::read(window, base + offset)?;
            if found.is_some_and(|found| found.id == id && (found.len == len || &id == b"LIST")) {
                return Ok(Some(base));
            }
        }
    }
    Ok(None)
}

/// The OpenDML index of all streams; `None` unless all have one.
fn standard(window: &mut Window, streams: &[StreamHeader]) -> Result<Option<Vec<Vec<Block>>>, Error> {
    let mut all = Vec::new();
    for stream in streams {
        let is_wanted = matches!(&stream.kind, b"vids" | b"auds" | b"iavs");
        match &stream.index {
            Some(index) => all.push(blocks(window, index)?),
            None if is_wanted => return Ok(None),
            None => all.push(Vec::new()),
        }
    }
    let is_filled = all.iter().any(|blocks| !blocks.is_empty());
    Ok(is_filled.then_some(all))
}

/// The blocks that an `indx` chunk names.
fn blocks(window: &mut Window, index: &Chunk) -> Result<Vec<Block>, Error> {
    const INDEX_OF_INDEXES: u8 = 0;
    const SUPER_HEAD_LEN: u64 = 24;
    const SUPER_ENTRY_LEN: u64 = 16;
    let head = window.available(index.body(), SUPER_HEAD_LEN as usize, "indx")?;
    let (kind, count) = (head.get(3).copied(), u32_at(head, 4));
    if kind != Some(INDEX_OF_INDEXES) {
        return Ok(block(window, index.body(), index.end(), 0)?.into_iter().collect());
    }
    let mut blocks: Vec<Block> = Vec::new();
    for number in 0..u64::from(count.min(BLOCKS_MAX)) {
        let entry_at = index.body() + SUPER_HEAD_LEN + number * SUPER_ENTRY_LEN;
        if entry_at + SUPER_ENTRY_LEN > index.end() {
            break;
        }
        let entry = window.available(entry_at, SUPER_ENTRY_LEN as usize, "indx")?;
        let at = u64::from(u32_at(entry, 4)) << 32 | u64::from(u32_at(entry, 0));
        let Some(chunk) = Chunk::read(window, at)? else { break };
        let first = blocks.last().map_or(0, |last| last.first + last.count);
        if chunk.id[..2] != *b"ix" && chunk.id[2..] != *b"ix" {
            break;
        }
        blocks.extend(block(window, chunk.body(), chunk.end(), first)?);
    }
    Ok(blocks)
}

/// The head of a standard index chunk, whose body lies between bytes `at` and `end`.
fn block(window: &mut Window, at: u64, end: u64, first: u64) -> Result<Option<Block>, Error> {
    const HEAD_LEN: u64 = 24;
    const INDEX_OF_CHUNKS: u8 = 1;
    let head = window.available(at, HEAD_LEN as usize, "ix00")?;
    let entry_len = 4 * u64::from(u32_at(head, 0) & 0xffff);
    let is_known = head.get(3) == Some(&INDEX_OF_CHUNKS) && matches!(entry_len, 8 | 12);
    if !is_known {
        return Ok(None);
    }
    let count = u64::from(u32_at(head, 4)).min(end.saturating_sub(at + HEAD_LEN) / entry_len);
    let base = u64::from(u32_at(head, 16)) << 32 | u64::from(u32_at(head, 12));
    Ok((count > 0).then_some(Block { entries_at: at + HEAD_LEN, entry_len, base, first, count }))
}

/// What [`Cursor::next`] came by.
#[derive(Debug)]
pub enum Stepped {
    /// Data of the stream.
    Data(Data),
    /// Damage, of this or another stream.
    Skipped(Error),
}

/// A place in the data of one stream.
#[derive(Debug)]
pub struct Cursor {
    stream: usize,
    place: u64,
    window: Window,
    walker: Option<Walker>,
}

impl Cursor {
    /// Begins at `place`, which [`Places::start`] or [`Self::place`] gave.
    pub fn new(source: Source, places: &Places, stream: usize, streams: usize, place: u64) -> Self {
        let is_walk = matches!(places, Places::Walk(_));
        let walker = is_walk.then(|| Walker::new(source.clone(), streams, place));
        Self { stream, place, window: Window::new(source, WINDOW_LEN), walker }
    }

    /// Goes to `place`.
    pub fn go_to(&mut self, place: u64) {
        self.place = place;
        if let Some(walker) = &mut self.walker {
            walker.go_to(place);
        }
    }

    /// The place of what comes next.
    pub fn place(&self) -> u64 {
        self.walker.as_ref().map_or(self.place, Walker::position)
    }

    /// The next data of the stream; `None` at the end.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn next(&mut self, places: &Places) -> Result<Option<Stepped>, Error> {
        loop {
            let found = match places {
                Places::Old { entries_at, count, base } if self.place < *count => {
                    self.place += 1;
                    old_entry(&mut self.window, entries_at + (self.place - 1) * OLD_ENTRY_LEN, *base)?
                }
                Places::Standard(blocks) => {
                    let blocks = blocks.get(self.stream).map_or(&[][..], |blocks| &blocks[..]);
                    let after = blocks.partition_point(|block| block.first <= self.place);
                    let Some(block) = after.checked_sub(1).map(|index| &blocks[index]) else { return Ok(None) };
                    let number = self.place - block.first;
                    if number >= block.count {
                        return Ok(None);
                    }
                    self.place += 1;
                    standard_entry(&mut self.window, block, number, self.stream)?
                }
                Places::Old { .. } => return Ok(None),
                Places::Walk(_) => {
                    let Some(walker) = &mut self.walker else { return Ok(None) };
                    match walker.next()? {
                        Step::Data(data) => Some(data),
                        Step::Skipped(error) => return Ok(Some(Stepped::Skipped(error))),
                        Step::End => return Ok(None),
                    }
                }
            };
            if let Some(data) = found.filter(|data| data.stream == self.stream) {
                return Ok(Some(Stepped::Data(data)));
            }
        }
    }
}

/// An entry of `idx1`: identifier, flags, offset and length; `None` when it is not about data.
pub fn old_entry(window: &mut Window, at: u64, base: u64) -> Result<Option<Data>, Error> {
    let fields = window.bytes(at, OLD_ENTRY_LEN as usize, "idx1")?;
    let Some(stream) = fields.first_chunk().copied().and_then(stream_of) else { return Ok(None) };
    let (flags, offset, len) = (u32_at(fields, 4), u32_at(fields, 8), u32_at(fields, 12));
    let data = Data { stream, at: base + u64::from(offset) + CHUNK_HEAD_LEN, len, is_key: Some(flags & FLAG_KEY != 0) };
    Ok((flags & FLAG_LIST == 0 && len <= DATA_LEN_MAX).then_some(data))
}

/// An entry of a standard index: offset, and length with its highest bit set unless it is a key frame.
fn standard_entry(window: &mut Window, block: &Block, number: u64, stream: usize) -> Result<Option<Data>, Error> {
    const NOT_KEY: u32 = 1 << 31;
    let fields = window.bytes(block.entries_at + number * block.entry_len, block.entry_len as usize, "ix00")?;
    let (offset, len) = (u32_at(fields, 0), u32_at(fields, 4));
    let at = block.base.saturating_add(offset.into());
    let data = Data { stream, at, len: len & !NOT_KEY, is_key: Some(len & NOT_KEY == 0) };
    // A length that cannot be is kept as nothing, so that what follows keeps its time.
    Ok(Some(if data.len <= DATA_LEN_MAX { data } else { Data { len: 0, ..data } }))
}
