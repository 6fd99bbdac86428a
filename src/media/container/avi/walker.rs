//! Steps through the chunks of the `movi` lists, without an index.

use super::super::riff::{CHUNK_HEAD_LEN, Chunk};
use super::header::{LIST_HEAD_LEN, list_type};
use crate::media::Error;
use crate::media::io::{Source, Window};

/// How much is read ahead at a chunk's head: what comes next is a frame further on.
const WINDOW_LEN: usize = 64;
/// How much is read at once in search of a chunk.
const SEARCH_LEN: usize = 64 << 10;
/// How far a chunk is searched for at once, in bytes.
const SEARCH_LEN_MAX: u64 = 256 << 20;
/// The longest chunk of a stream, in bytes; what is longer is damage.
pub const DATA_LEN_MAX: u32 = 64 << 20;

/// Data of one stream, as its chunk's head or an index tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Data {
    /// The number of the stream.
    pub stream: usize,
    /// Where the bytes begin, behind the chunk's head.
    pub at: u64,
    /// How many there are.
    pub len: u32,
    /// The index tells that decoding can start here; `None` where there is no index.
    pub is_key: Option<bool>,
}

/// What [`Walker::next`] came by.
#[derive(Debug)]
pub enum Step {
    /// Data of a stream.
    Data(Data),
    /// Damage was stepped over.
    Skipped(Error),
    /// The end of the file, or nothing that can be read up to it.
    End,
}

/// What the head of a chunk announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Data of the stream with this number.
    Stream(usize),
    /// A list to go into.
    List,
    /// Something to step over.
    Other,
}

/// A position in the `movi` lists of a file.
#[derive(Debug)]
pub struct Walker {
    source: Source,
    window: Window,
    streams: usize,
    position: u64,
}

/// The stream whose data a chunk with this identifier holds: `00dc`, `01wb` and the like, but no change of palette.
pub fn stream_of(id: [u8; 4]) -> Option<usize> {
    let [tens, ones, kind @ ..] = id;
    let is_data = tens.is_ascii_digit() && ones.is_ascii_digit() && kind.iter().all(u8::is_ascii_alphanumeric);
    (is_data && &kind != b"pc").then(|| usize::from(tens - b'0') * 10 + usize::from(ones - b'0'))
}

impl Walker {
    /// Begins at byte `position`, where a chunk begins, of a file with so many streams.
    pub fn new(source: Source, streams: usize, position: u64) -> Self {
        Self { window: Window::new(source.clone(), WINDOW_LEN), source, streams, position }
    }

    /// Goes on at byte `position`, where a chunk begins.
    pub fn go_to(&mut self, position: u64) {
        self.position = position;
    }

    /// Where it goes on.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The next data of any stream.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn next(&mut self) -> Result<Step, Error> {
        loop {
            let Some(chunk) = Chunk::read(&mut self.window, self.position)? else { return Ok(Step::End) };
            match self.kind(&chunk)? {
                Some(Kind::List) => self.position = chunk.at + LIST_HEAD_LEN,
                Some(Kind::Other) => self.position = chunk.next(),
                Some(Kind::Stream(stream)) => return self.step_over(&chunk, stream),
                None => return self.resynchronise(chunk.at, chunk.at),
            }
        }
    }

    fn step_over(&mut self, chunk: &Chunk, stream: usize) -> Result<Step, Error> {
        let data = Data { stream, at: chunk.body(), len: chunk.len, is_key: None };
        let Some(next) = Chunk::read(&mut self.window, chunk.next())? else {
            let is_whole = chunk.len == 0 || self.has_byte(chunk.end() - 1)?;
            self.position = chunk.next();
            let cut_off = || self.source.len().map(|len| Step::Skipped(Error::truncated("AVI chunk", len)));
            return if is_whole { Ok(Step::Data(data)) } else { cut_off() };
        };
        if self.kind(&next)?.is_some() {
            self.position = chunk.next();
            return Ok(Step::Data(data));
        }
        // Either its length is wrong, and other chunks lie within; or what follows is not a chunk.
        match self.find(chunk.body())? {
            Some(found) if found < chunk.end() => self.resynchronise(chunk.at, chunk.body()),
            found => {
                self.position = found.filter(|found| *found <= chunk.next()).unwrap_or(chunk.next());
                Ok(Step::Data(data))
            }
        }
    }

    fn has_byte(&mut self, at: u64) -> Result<bool, Error> {
        Ok(!self.window.available(at, 1, "AVI chunk")?.is_empty())
    }

    /// What a chunk's head announces; `None`: it is not one.
    fn kind(&mut self, chunk: &Chunk) -> Result<Option<Kind>, Error> {
        Ok(match &chunk.id {
            b"LIST" => match list_type(&mut self.window, chunk)?.as_ref() {
                Some(b"rec " | b"movi") => Some(Kind::List),
                Some(other) if other.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ') => Some(Kind::Other),
                _ => None,
            },
            b"RIFF" => (list_type(&mut self.window, chunk)? == Some(*b"AVIX")).then_some(Kind::List),
            b"JUNK" | b"idx1" | b"indx" => Some(Kind::Other),
            [b'i', b'x', tens, ones] if tens.is_ascii_digit() && ones.is_ascii_digit() => Some(Kind::Other),
            [tens, ones, b'p', b'c'] if tens.is_ascii_digit() && ones.is_ascii_digit() => Some(Kind::Other),
            id => stream_of(*id).filter(|stream| *stream < self.streams && chunk.len <= DATA_LEN_MAX).map(Kind::Stream),
        })
    }

    /// Goes to the next chunk at or after `search_from`, as there is none at `damage_at`.
    fn resynchronise(&mut self, damage_at: u64, search_from: u64) -> Result<Step, Error> {
        match self.find(search_from)? {
            Some(found) => {
                self.position = found;
                Ok(Step::Skipped(Error::malformed("AVI chunk", damage_at)))
            }
            None => {
                let end = self.source.len()?.max(damage_at);
                self.position = end;
                Ok(if end > damage_at { Step::Skipped(Error::malformed("AVI chunk", damage_at)) } else { Step::End })
            }
        }
    }

    /// The first chunk at or after `from` that another one follows, or the end of the file.
    fn find(&mut self, from: u64) -> Result<Option<u64>, Error> {
        const HEAD_LEN: usize = CHUNK_HEAD_LEN as usize;
        let mut buffer = vec![0; SEARCH_LEN];
        let mut at = from;
        while at - from < SEARCH_LEN_MAX {
            let filled = self.source.read_at(&mut buffer, at, "AVI chunks")?;
            for (index, head) in buffer[..filled].windows(HEAD_LEN).enumerate() {
                // Most bytes are no digit, `L`, `R`, `J` or `i`.
                if !head[0].is_ascii_digit() && !b"LRJi".contains(&head[0]) {
                    continue;
                }
                let Ok(head) = <[u8; HEAD_LEN]>::try_from(head) else { continue };
                let chunk = Chunk::parse(head, at + index as u64);
                if self.is_followed(&chunk)? {
                    return Ok(Some(chunk.at));
                }
            }
            if filled < buffer.len() {
                break;
            }
            at += (filled - (HEAD_LEN - 1)) as u64;
        }
        Ok(None)
    }

    fn is_followed(&mut self, chunk: &Chunk) -> Result<bool, Error> {
        let next = match self.kind(chunk)? {
            Some(Kind::List) => chunk.at + LIST_HEAD_LEN,
            Some(_) => chunk.next(),
            None => return Ok(false),
        };
        match Chunk::read(&mut self.window, next)? {
            Some(next) => Ok(self.kind(&next)?.is_some()),
            None => Ok(self.source.len()? == next),
        }
    }
}
