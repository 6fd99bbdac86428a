//! WAV: RIFF/WAVE, its 64-bit forms RF64 and BW64 (EBU Tech 3306, ITU-R BS.2088), and Sony's Wave64. Chunks may stand in
//! any order, as long as `fmt ` comes before `data`; all others (LIST, bext, fact, ...) are stepped over.
//!
//! The length of `data` is believed where it can be: writers that cannot go back leave it 0 or all ones, RF64 tells it
//! in `ds64`, beyond 4 GiB plain RIFF has only its lower 32 bits, and a recording that was cut off has less.

use std::sync::Arc;

use super::riff::{Chunk, Framing, WaveFormat};
use super::units::{Units, UnitsFormat};
use super::{Container, Options, Sniff};
use crate::media::codec::aac::AdtsFramer;
use crate::media::codec::ac3::Ac3Framer;
use crate::media::codec::mpeg_audio::MpegAudioFramer;
use crate::media::codec::{Codec, ImaAdpcmConfig};
use crate::media::io::{Source, Window};
use crate::media::scan::{self, Framer};
use crate::media::{Error, Note, Recording, Track};

/// This container's line in [`super::CONTAINERS`].
pub const CONTAINER: Container =
    Container { name: NAME, suffixes: &["wav", "wave", "rf64", "bw64", "bwf", "w64"], sniff, open };

const NAME: &str = "WAV";
/// More chunks than this before `data` are taken for damage.
const CHUNK_COUNT_MAX: usize = 4096;
/// How much of a `fmt ` chunk is read, in bytes.
const FMT_LEN_MAX: u64 = 1024;
/// What writers that cannot go back give as a length.
const LEN_UNKNOWN: u64 = u32::MAX as u64;
/// Read at once while chunks are looked for, in bytes.
const WINDOW_LEN: usize = 4096;

/// Behind their first four bytes, the GUIDs of Wave64 that stand for RIFF ...
const W64_RIFF: [u8; 12] = [0x2E, 0x91, 0xCF, 0x11, 0xA5, 0xD6, 0x28, 0xDB, 0x04, 0xC1, 0x00, 0x00];
/// ... and for its chunks.
const W64_CHUNK: [u8; 12] = [0xF3, 0xAC, 0xD3, 0x11, 0x8C, 0xD1, 0x00, 0xC0, 0x4F, 0x8E, 0xDB, 0x8A];

fn sniff(head: &[u8]) -> Sniff {
    match form(head) {
        Some(_) => Sniff::Yes,
        None => Sniff::No,
    }
}

/// How chunks are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Riff,
    Wave64,
}

fn form(head: &[u8]) -> Option<Form> {
    match head {
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E', ..] => Some(Form::Riff),
        [b'R', b'F', b'6', b'4', _, _, _, _, b'W', b'A', b'V', b'E', ..] => Some(Form::Riff),
        [b'B', b'W', b'6', b'4', _, _, _, _, b'W', b'A', b'V', b'E', ..] => Some(Form::Riff),
        [b'r', b'i', b'f', b'f', guid @ ..] if guid.starts_with(&W64_RIFF) && is_wave_guid(guid.get(20..)) => {
            Some(Form::Wave64)
        }
        _ => None,
    }
}

fn is_wave_guid(guid: Option<&[u8]>) -> bool {
    guid.is_some_and(|guid| guid.starts_with(b"wave") && guid[4..].starts_with(&W64_CHUNK))
}

fn open(source: &Source, _options: &Options) -> Result<Arc<dyn Recording>, Error> {
    let mut window = Window::new(source.clone(), WINDOW_LEN);
    let form = form(window.available(0, 40, "the head")?).ok_or(Error::Unrecognised)?;
    let file_end = source.len()?;
    let layout = Layout::read(&mut window, form, file_end)?;
    let format = WaveFormat::parse(&layout.format, layout.format_at)?;
    let (codec, framing) = format.codec().map_err(Error::Unsupported)?;
    let mut notes = Vec::new();
    let end = layout.data.end(file_end, &mut notes);
    let Framing::Units { len, ticks, rate } = framing else {
        return open_frames(source, layout.data.start, end, codec, framing);
    };
    let mut units = Units::sound(layout.data.start, end, len, ticks, rate);
    if let Codec::ImaAdpcm(config) = &codec {
        // The header of each channel, and a word of each: any less has no more than one value.
        units.last_len_min = 2 * ImaAdpcmConfig::HEADER_LEN as u32 * u32::from(config.channels);
    }
    let track = Track { codec, duration: None, shown_until: None, bitrate: None, frame_rate: None };
    scan::open(UnitsFormat::new(source, NAME, track, notes, units)?)
}

/// Sound in frames of its own, which are cut by the framer of its codec.
fn open_frames(
    source: &Source,
    start: u64,
    end: Option<u64>,
    codec: Codec,
    framing: Framing,
) -> Result<Arc<dyn Recording>, Error> {
    let framer = framer_of(&codec).filter(|_| framing == Framing::Frames);
    let framer = framer.ok_or_else(|| Error::Unsupported(format!("{} in WAV is not streamed", codec.name())))?;
    scan::open(scan::RawFormat::new(source, start, NAME, framer)?.until(end))
}

/// The framer of a codec that may stand in WAV with frames of its own.
fn framer_of(codec: &Codec) -> Option<fn() -> Box<dyn Framer>> {
    match codec {
        Codec::MpegAudio(_) => Some(|| Box::new(MpegAudioFramer::new())),
        Codec::Aac(_) => Some(|| Box::new(AdtsFramer::new())),
        Codec::Ac3(_) | Codec::Eac3(_) => Some(|| Box::new(Ac3Framer::new())),
        _ => None,
    }
}

/// What the chunks told.
struct Layout {
    /// The body of `fmt `, which is a WAVEFORMATEX.
    format: Vec<u8>,
    format_at: u64,
    data: Data,
}

/// Where the sound lies.
struct Data {
    start: u64,
    /// Bytes, as the file tells; `None` when it does not.
    len: Option<u64>,
    /// Whether the length may be only the lower 32 bits of what it should be.
    is_32_bit: bool,
}

impl Data {
    /// Where it ends, of a file of this length: `None` where it goes on as far as the file.
    fn end(&self, file_end: u64, notes: &mut Vec<Note>) -> Option<u64> {
        let there = file_end.saturating_sub(self.start);
        let len = self.len?;
        if len > there {
            let text = format!("{there} of {len} bytes of sound are there: cut off");
            notes.push(Note { at: Some(file_end), text });
        }
        let is_overflown = self.is_32_bit && there > LEN_UNKNOWN && there & LEN_UNKNOWN >= len;
        (!is_overflown).then(|| self.start.saturating_add(len))
    }
}

impl Layout {
    fn read(window: &mut Window, form: Form, file_end: u64) -> Result<Self, Error> {
        let mut at = if form == Form::Riff { 12 } else { 40 };
        let mut format = None;
        let mut data_len_64 = None;
        for _ in 0..CHUNK_COUNT_MAX {
            let Some(chunk) = read_chunk(window, form, at)? else { break };
            match &chunk.id {
                b"ds64" if form == Form::Riff => {
                    let body = window.bytes(chunk.body, 16, "ds64 chunk")?;
                    data_len_64 = body.last_chunk().map(|len| u64::from_le_bytes(*len));
                }
                b"fmt " => {
                    let len = chunk.len.min(FMT_LEN_MAX) as usize;
                    format = Some((window.bytes(chunk.body, len, "fmt chunk")?.to_vec(), chunk.body));
                }
                b"data" => {
                    let (format, format_at) = format.ok_or_else(|| Error::malformed("WAV (data before fmt)", at))?;
                    let data = chunk.as_data(form, data_len_64, file_end);
                    return Ok(Self { format, format_at, data });
                }
                _ => {}
            }
            at = chunk.next;
        }
        Err(Error::truncated("WAV without a data chunk", at.min(file_end)))
    }
}

/// A chunk in either form.
struct AnyChunk {
    id: [u8; 4],
    body: u64,
    len: u64,
    next: u64,
}

impl AnyChunk {
    fn as_data(&self, form: Form, data_len_64: Option<u64>, file_end: u64) -> Data {
        let told = match (form, data_len_64) {
            (Form::Riff, Some(len_64)) if self.len == LEN_UNKNOWN => Some(len_64).filter(|len| *len < u64::MAX),
            (Form::Riff, _) if self.len == LEN_UNKNOWN => None,
            _ => Some(self.len),
        };
        // A length of 0 and something behind it is one that was never filled in.
        let len = told.filter(|len| *len > 0 || self.body >= file_end);
        Data { start: self.body, len, is_32_bit: form == Form::Riff && data_len_64.is_none() }
    }
}

fn read_chunk(window: &mut Window, form: Form, at: u64) -> Result<Option<AnyChunk>, Error> {
    match form {
        Form::Riff => Ok(Chunk::read(window, at)?.map(|chunk| AnyChunk {
            id: chunk.id,
            body: chunk.body(),
            len: chunk.len.into(),
            next: chunk.next(),
        })),
        Form::Wave64 => read_wave64_chunk(window, at),
    }
}

/// A GUID, then the length of the chunk with this head; chunks begin at multiples of 8 bytes.
fn read_wave64_chunk(window: &mut Window, at: u64) -> Result<Option<AnyChunk>, Error> {
    const HEAD_LEN: usize = 24;
    let bytes = window.available(at, HEAD_LEN, "chunk head")?;
    let (Some(id), Some(guid), Some(len)) = (bytes.first_chunk(), bytes.get(4..16), bytes.get(16..HEAD_LEN)) else {
        return Ok(None);
    };
    // What is no chunk of RIFF has a name that nothing has.
    let id = if guid == W64_CHUNK { *id } else { [0; 4] };
    let len = len.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte));
    let body = at.saturating_add(HEAD_LEN as u64);
    let next = at.saturating_add(len.max(HEAD_LEN as u64)).checked_next_multiple_of(8).unwrap_or(u64::MAX);
    Ok(Some(AnyChunk { id, body, len: len.saturating_sub(HEAD_LEN as u64), next }))
}

#[cfg(test)]
mod tests;
