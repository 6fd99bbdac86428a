//! The header list of an AVI file: `avih`, and for each stream `strh`, `strf` and `indx`.

use super::super::riff::{CHUNK_HEAD_LEN, Chunk};
use crate::media::Error;
use crate::media::io::Window;

/// Chunks before the `movi` list, at most.
const CHUNKS_MAX: usize = 4096;
/// As many as two digits can tell apart.
const STREAMS_MAX: usize = 100;
/// The longest `strf`, in bytes.
const FORMAT_LEN_MAX: usize = 64 << 10;
/// Bytes of a list's head: that of a chunk, and the list's type.
pub const LIST_HEAD_LEN: u64 = CHUNK_HEAD_LEN + 4;

/// What stands before the data.
#[derive(Debug, Default)]
pub struct Headers {
    /// `dwMicroSecPerFrame` of `avih`.
    pub micros_per_frame: u32,
    /// In the order of their numbers.
    pub streams: Vec<StreamHeader>,
    /// Where the `movi` list begins.
    pub movi: Option<Chunk>,
}

/// `strh`, `strf` and the place of `indx`.
#[derive(Debug, Default, Clone)]
pub struct StreamHeader {
    /// `fccType`: `vids`, `auds` or others.
    pub kind: [u8; 4],
    /// `dwScale`; a tick lasts so many seconds by `rate`.
    pub scale: u32,
    /// `dwRate`.
    pub rate: u32,
    /// `dwStart`, in ticks.
    pub start: u32,
    /// `dwLength`, in ticks.
    pub length: u32,
    /// `dwSampleSize`: bytes of a tick, or 0 when chunks are counted.
    pub sample_size: u32,
    /// `strf`.
    pub format: Vec<u8>,
    /// Where that lies in the file.
    pub format_at: u64,
    /// `indx`.
    pub index: Option<Chunk>,
}

/// The type of a list, such as `movi`, when `chunk` is one.
///
/// # Errors
/// [`Error::Io`].
pub fn list_type(window: &mut Window, chunk: &Chunk) -> Result<Option<[u8; 4]>, Error> {
    if &chunk.id != b"LIST" && &chunk.id != b"RIFF" {
        return Ok(None);
    }
    Ok(window.available(chunk.body(), 4, "list type")?.first_chunk().copied())
}

impl Headers {
    /// Reads them. Where a list ends is not asked: some writers get that wrong, and the order of chunks tells as much.
    ///
    /// # Errors
    /// [`Error::Malformed`] when there are no streams before the data; [`Error::Io`].
    pub fn read(window: &mut Window) -> Result<Self, Error> {
        let mut headers = Self::default();
        let mut at = LIST_HEAD_LEN;
        for _ in 0..CHUNKS_MAX {
            let Some(chunk) = Chunk::read(window, at)? else { break };
            at = chunk.next();
            match list_type(window, &chunk)?.as_ref() {
                Some(b"movi") => {
                    headers.movi = Some(chunk);
                    break;
                }
                Some(b"hdrl" | b"odml") => at = chunk.at + LIST_HEAD_LEN,
                Some(b"strl") => {
                    if headers.streams.len() < STREAMS_MAX {
                        headers.streams.push(StreamHeader::default());
                    }
                    at = chunk.at + LIST_HEAD_LEN;
                }
                Some(_) => {}
                None => headers.take(window, &chunk)?,
            }
        }
        if headers.streams.is_empty() {
            return Err(Error::malformed("AVI header list", LIST_HEAD_LEN));
        }
        Ok(headers)
    }

    fn take(&mut self, window: &mut Window, chunk: &Chunk) -> Result<(), Error> {
        if &chunk.id == b"avih" {
            let field = window.available(chunk.body(), 4, "avih")?;
            self.micros_per_frame = u32_at(field, 0);
        }
        let Some(stream) = self.streams.last_mut() else { return Ok(()) };
        match &chunk.id {
            b"strh" => {
                const LEN: usize = 48;
                let fields = window.available(chunk.body(), LEN, "strh")?;
                let fields = &fields[..fields.len().min(chunk.len as usize)];
                stream.kind = fields.first_chunk().copied().unwrap_or_default();
                stream.scale = u32_at(fields, 20);
                stream.rate = u32_at(fields, 24);
                stream.start = u32_at(fields, 28);
                stream.length = u32_at(fields, 32);
                stream.sample_size = u32_at(fields, 44);
            }
            b"strf" => {
                let len = FORMAT_LEN_MAX.min(chunk.len as usize);
                let format = window.available(chunk.body(), len, "strf")?;
                stream.format = format[..format.len().min(len)].to_vec();
                stream.format_at = chunk.body();
            }
            b"indx" => stream.index = Some(*chunk),
            _ => {}
        }
        Ok(())
    }
}

/// The little-endian number at byte `at` of `fields`; 0 where they end before.
pub fn u32_at(fields: &[u8], at: usize) -> u32 {
    fields.get(at..at + 4).map_or(0, |field| field.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte)))
}
