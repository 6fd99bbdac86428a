//! Where a temporal unit begins and ends, in either layout of raw AV1.

use crate::media::Error;
use crate::media::codec::av1::{
    OBU_HEAD_LEN_MAX, OBU_PADDING, OBU_SEQUENCE_HEADER, OBU_TEMPORAL_DELIMITER, OBU_TILE_LIST, Obu, ObuHead,
    SequenceHeader, read_leb128,
};
use crate::media::io::{Source, Window};

/// A longer temporal unit is taken for damage, in bytes.
const UNIT_LEN_MAX: u64 = 64 << 20;
/// How many OBUs must follow each other for the first to be taken for one, after damage.
const CHAIN_LEN: usize = 4;

/// How temporal units follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Each OBU has its size; a temporal delimiter begins a unit (section 7.5).
    LowOverhead,
    /// Each unit has its length in front, each frame within it, and each OBU within that (annex B.2).
    LengthDelimited,
}

/// What stands at a place of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A temporal unit of this many bytes.
    Whole(usize),
    /// The same, so far: the file ends behind it and it may go on.
    Last(usize),
    /// A temporal unit that the file does not have to its end.
    CutOff,
    /// Something else.
    Damaged,
}

/// The layout of a file with these first bytes: a temporal delimiter and a sequence header, in one way or the other.
pub fn layout_of(head: &[u8]) -> Option<Layout> {
    let is_start = |delimiter: Option<Obu>, header: Option<Obu>| {
        let header = header.filter(|obu| obu.kind == OBU_SEQUENCE_HEADER)?;
        SequenceHeader::parse(&head[header.payload])?;
        delimiter.filter(|obu| obu.kind == OBU_TEMPORAL_DELIMITER && obu.payload.is_empty())
    };
    if is_start(Obu::parse(head, 0), Obu::parse(head, 2)).is_some() {
        return Some(Layout::LowOverhead);
    }
    let mut at = 0;
    let mut number = || {
        let (value, len) = read_leb128(head.get(at..)?)?;
        at += len;
        Some((value, at))
    };
    let (unit_len, _) = number()?;
    let (frame_len, _) = number()?;
    let (delimiter_len, delimiter_at) = number()?;
    if frame_len > unit_len || delimiter_len > 2 {
        return None;
    }
    let delimiter_end = delimiter_at + delimiter_len as usize;
    let delimiter = Obu::parse(head.get(..delimiter_end)?, delimiter_at);
    let (header_len, len) = read_leb128(head.get(delimiter_end..)?)?;
    let header_at = delimiter_end + len;
    let header = Obu::parse(head.get(..header_at + usize::try_from(header_len).ok()?)?, header_at);
    is_start(delimiter, header).map(|_| Layout::LengthDelimited)
}

impl Layout {
    /// What stands at byte `at` of a file of `file_len` bytes.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn unit_at(self, window: &mut Window, at: u64, file_len: u64) -> Result<Unit, Error> {
        match self {
            Self::LowOverhead => low_overhead(window, at, file_len),
            Self::LengthDelimited => length_delimited(window, at, file_len),
        }
    }

    /// Whether a temporal unit begins at byte `at`: stricter than [`Self::unit_at`], for any byte of a damaged file.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn is_likely(self, window: &mut Window, at: u64, file_len: u64) -> Result<bool, Error> {
        match self {
            Self::LowOverhead => {
                if window.available(at, 2, "AV1")?.get(..2) != Some(&[OBU_TEMPORAL_DELIMITER << 3 | 2, 0]) {
                    return Ok(false);
                }
                let mut position = at;
                for _ in 0..CHAIN_LEN {
                    match obu_at(window, position, file_len)? {
                        Found::Obu { end, .. } => position = end,
                        Found::End if position > at + 2 => return Ok(true),
                        _ => return Ok(false),
                    }
                }
                Ok(true)
            }
            Self::LengthDelimited => Ok(matches!(length_delimited(window, at, file_len)?, Unit::Whole(len) if len > 4)),
        }
    }

    /// Appends the temporal unit of `len` bytes at byte `at` to `out`, in the low-overhead format.
    ///
    /// # Errors
    /// When the file has become shorter; [`Error::Io`].
    pub fn read(self, source: &Source, at: u64, len: usize, out: &mut Vec<u8>) -> Result<(), Error> {
        match self {
            Self::LowOverhead => source.append(out, at, len, "an AV1 temporal unit"),
            Self::LengthDelimited => {
                let mut unit = Vec::new();
                source.append(&mut unit, at, len, "an AV1 temporal unit")?;
                let obus = delimited_obus(&unit).ok_or_else(|| Error::malformed("AV1 temporal unit", at))?;
                obus.iter().for_each(|obu| obu.write_low_overhead(&unit, out));
                Ok(())
            }
        }
    }
}

enum Found {
    Obu {
        kind: u8,
        end: u64,
    },
    /// Exactly the end of the file.
    End,
    CutOff,
    Damaged,
}

/// The OBU with a size at byte `at`.
fn obu_at(window: &mut Window, at: u64, file_len: u64) -> Result<Found, Error> {
    if at >= file_len {
        return Ok(Found::End);
    }
    let bytes = window.available(at, OBU_HEAD_LEN_MAX, "AV1")?;
    let bytes = &bytes[..bytes.len().min(OBU_HEAD_LEN_MAX)];
    let Some((head, size)) = ObuHead::parse(bytes) else {
        return Ok(if bytes.len() < OBU_HEAD_LEN_MAX { Found::CutOff } else { Found::Damaged });
    };
    // Section 5.3.2: a reserved bit, and types that are reserved. Nobody uses them, damage does.
    let is_reserved = head.header & 1 != 0 || head.kind == 0 || (OBU_TILE_LIST + 1..OBU_PADDING).contains(&head.kind);
    match size {
        Some(size) if !is_reserved && size <= UNIT_LEN_MAX => {
            let end = at + head.len as u64 + size;
            Ok(if end > file_len { Found::CutOff } else { Found::Obu { kind: head.kind, end } })
        }
        _ => Ok(Found::Damaged),
    }
}

fn low_overhead(window: &mut Window, at: u64, file_len: u64) -> Result<Unit, Error> {
    let mut position = at;
    loop {
        match obu_at(window, position, file_len)? {
            // At least a temporal delimiter takes two bytes, so this ends within bounds.
            Found::Obu { kind: OBU_TEMPORAL_DELIMITER, .. } if position > at => {
                return Ok(Unit::Whole((position - at) as usize));
            }
            Found::Obu { kind, .. } if position == at && kind != OBU_TEMPORAL_DELIMITER => return Ok(Unit::Damaged),
            Found::Obu { end, .. } if end - at > UNIT_LEN_MAX => return Ok(Unit::Damaged),
            Found::Obu { end, .. } => position = end,
            Found::End => return Ok(Unit::Last((position - at) as usize)),
            Found::CutOff => return Ok(Unit::CutOff),
            Found::Damaged => return Ok(Unit::Damaged),
        }
    }
}

fn length_delimited(window: &mut Window, at: u64, file_len: u64) -> Result<Unit, Error> {
    /// temporal_unit_size, frame_unit_size, obu_length, and a temporal delimiter.
    const PEEK_LEN: usize = 3 * 8 + 2;
    let bytes = window.available(at, PEEK_LEN, "AV1")?;
    if bytes.is_empty() {
        return Ok(Unit::Last(0));
    }
    let bytes = &bytes[..bytes.len().min(PEEK_LEN)];
    let Some((size, size_len)) = read_leb128(bytes) else {
        return Ok(if bytes.len() < PEEK_LEN { Unit::CutOff } else { Unit::Damaged });
    };
    if size > UNIT_LEN_MAX {
        return Ok(Unit::Damaged);
    }
    let len = size_len + size as usize;
    let begins = begins_with_delimiter(&bytes[size_len..]);
    if begins == Some(false) {
        return Ok(Unit::Damaged);
    }
    if at + len as u64 > file_len {
        return Ok(Unit::CutOff);
    }
    // Its first bytes look right; only now is it worth while to read all of it.
    let unit = window.bytes(at, len, "AV1")?;
    Ok(if delimited_obus(unit).is_some() { Unit::Whole(len) } else { Unit::Damaged })
}

/// Whether a temporal delimiter is the first OBU of the first frame unit; `None` when too few bytes are there.
fn begins_with_delimiter(bytes: &[u8]) -> Option<bool> {
    let (_, frame_at) = read_leb128(bytes)?;
    let (obu_len, obu_at) = read_leb128(&bytes[frame_at..])?;
    let header = bytes.get(frame_at + obu_at)?;
    Some((1..=2).contains(&obu_len) && header >> 3 == OBU_TEMPORAL_DELIMITER)
}

/// The OBUs of a whole length-delimited temporal unit. `None` when lengths contradict each other.
fn delimited_obus(unit: &[u8]) -> Option<Vec<Obu>> {
    let mut obus = Vec::new();
    let section = |at: usize, limit: usize| {
        let (len, len_len) = read_leb128(&unit[at..limit])?;
        let begin = at + len_len;
        let end = begin.checked_add(usize::try_from(len).ok()?)?;
        (end <= limit).then_some((begin, end))
    };
    let (mut at, unit_end) = section(0, unit.len())?;
    while at < unit_end {
        let (mut obu_at, frame_end) = section(at, unit_end)?;
        while obu_at < frame_end {
            let (begin, end) = section(obu_at, frame_end)?;
            obus.push(Obu::parse(&unit[..end], begin)?);
            obu_at = end;
        }
        at = frame_end;
    }
    (!obus.is_empty()).then_some(obus)
}
