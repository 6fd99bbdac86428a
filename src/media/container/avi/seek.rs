//! Finding the chunk at which a stream can be played from some time on.

use super::Avi;
use super::index::{Cursor, Stepped};
use super::pictures::{HEAD_LEN, Keys, Pictures};
use super::stream::{Layout, Stream};
use super::table::{CHECKPOINT_STEP, Checkpoint};
use super::walker::Data;
use crate::media::{Error, SeekTo};

/// Where only pictures tell, so many of them are looked at, before and behind.
const LOOKED_AT_MAX: u64 = 20_000;

/// A chunk of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spot {
    /// As a [`Cursor`] takes it.
    pub place: u64,
    /// What was counted before it.
    pub units: u64,
}

/// Steps through the chunks of a stream.
struct Steps<'a> {
    avi: &'a Avi,
    stream: &'a Stream,
    cursor: Cursor,
    units: u64,
}

impl<'a> Steps<'a> {
    fn new(avi: &'a Avi, index: usize, from: Checkpoint) -> Self {
        let stream = &avi.streams[index];
        let cursor = Cursor::new(avi.source.clone(), &avi.places, stream.number, avi.stream_count, from.place);
        Self { avi, stream, cursor, units: from.units }
    }

    fn next(&mut self) -> Result<Option<(Spot, Data)>, Error> {
        loop {
            let spot = Spot { place: self.cursor.place(), units: self.units };
            match self.cursor.next(&self.avi.places)? {
                None => return Ok(None),
                Some(Stepped::Skipped(_)) => {}
                Some(Stepped::Data(data)) => {
                    self.units += self.stream.clock.units_of(data.len);
                    return Ok(Some((spot, data)));
                }
            }
        }
    }
}

/// The chunk that so many units lie in, or the last one.
///
/// # Errors
/// When the index or the file cannot be read.
pub fn chunk_at(avi: &Avi, index: usize, units: u64) -> Result<Option<Spot>, Error> {
    let Some((_, from)) = avi.tables.checkpoint(&avi.streams, index, units)? else { return Ok(None) };
    let mut steps = Steps::new(avi, index, from);
    let mut last = None;
    while let Some((spot, _)) = steps.next()? {
        if spot.units > units {
            break;
        }
        last = Some(spot);
    }
    Ok(last)
}

/// The key frame at or before the picture that so many units come before, or the one at or after it.
///
/// # Errors
/// When the index or the file cannot be read.
pub fn key_frame(avi: &Avi, index: usize, units: u64, how: SeekTo) -> Result<Option<Spot>, Error> {
    match how {
        SeekTo::SyncAtOrBefore => key_frame_before(avi, index, units),
        SeekTo::SyncAtOrAfter => key_frame_after(avi, index, units),
    }
}

fn key_frame_before(avi: &Avi, index: usize, units: u64) -> Result<Option<Spot>, Error> {
    let Some((mut number, mut from)) = avi.tables.checkpoint(&avi.streams, index, units)? else { return Ok(None) };
    let by_index = matches!(avi.streams[index].layout, Layout::Pictures { keys: Keys::Index, .. });
    for _ in 0..LOOKED_AT_MAX / CHECKPOINT_STEP {
        if let Some(spot) = last_key_of(avi, index, from, units)? {
            return Ok(Some(spot));
        }
        let before = if by_index {
            avi.tables.with_key_before(index, number)
        } else {
            number.checked_sub(1).and_then(|before| Some((before, avi.tables.numbered(index, before)?)))
        };
        let Some(before) = before else { return Ok(None) };
        (number, from) = before;
    }
    Ok(None)
}

/// The last key frame behind a checkpoint, before the next, that at most so many units come before.
fn last_key_of(avi: &Avi, index: usize, from: Checkpoint, units: u64) -> Result<Option<Spot>, Error> {
    let mut steps = Steps::new(avi, index, from);
    let mut found = Vec::new();
    while found.len() < CHECKPOINT_STEP as usize {
        match steps.next()? {
            Some((spot, data)) if spot.units <= units => found.push((spot, data)),
            _ => break,
        }
    }
    for (spot, data) in found.into_iter().rev() {
        if is_key(avi, &avi.streams[index], &data)? {
            return Ok(Some(spot));
        }
    }
    Ok(None)
}

fn key_frame_after(avi: &Avi, index: usize, units: u64) -> Result<Option<Spot>, Error> {
    let Some((_, from)) = avi.tables.checkpoint(&avi.streams, index, units)? else { return Ok(None) };
    let mut steps = Steps::new(avi, index, from);
    let by_index = matches!(avi.streams[index].layout, Layout::Pictures { keys: Keys::Index, .. });
    let mut looked_at = 0;
    while let Some((spot, data)) = steps.next()? {
        if spot.units < units {
            continue;
        }
        looked_at += u64::from(!by_index);
        if looked_at > LOOKED_AT_MAX {
            break;
        }
        if is_key(avi, &avi.streams[index], &data)? {
            return Ok(Some(spot));
        }
    }
    Ok(None)
}

/// Whether decoding can start at these data.
fn is_key(avi: &Avi, stream: &Stream, data: &Data) -> Result<bool, Error> {
    let Layout::Pictures { keys, length_size, .. } = stream.layout else { return Ok(data.len > 0) };
    Ok(match keys {
        _ if data.len == 0 => false,
        Keys::All => true,
        Keys::Index => data.is_key == Some(true),
        Keys::Content => {
            let mut head = vec![0; HEAD_LEN.min(data.len as usize)];
            let filled = avi.source.read_at(&mut head, data.at, "the start of a picture")?;
            let picture = Pictures::new(&stream.codec, length_size).push(&stream.codec, &head[..filled]);
            picture.is_some_and(|picture| picture.is_sync)
        }
    })
}
