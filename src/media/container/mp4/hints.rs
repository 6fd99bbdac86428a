//! Indexes of fragments that a file may carry: `mfra` at its end (ISO/IEC 14496-12 section 8.8.9 to 8.8.11) and `sidx`
//! before its fragments (section 8.16.3). Hints only: nothing here is believed before the `moof` has been looked at.

use super::boxes::{BoxAt, Boxes, version_and_flags};
use super::stream::Stream;
use crate::media::Error;
use crate::media::bits::ByteReader;
use crate::media::io::{Source, Window};
use crate::time::MediaTime;

/// Hints that are kept; of a longer index, every second, third, and so on.
const HINTS_MAX: u32 = 4096;

/// Bytes of an index that are read at once.
const READ_LEN: usize = 16 << 10;

/// Where a fragment may begin, by time, both rising.
#[derive(Debug, Default)]
pub struct Hints {
    entries: Vec<(MediaTime, u64)>,
}

impl Hints {
    /// Those of the `mfra` at the end of the file, else of `sidx`; none where neither makes sense.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn read(source: &Source, sidx: Option<&BoxAt>, streams: &[Stream]) -> Result<Self, Error> {
        let mut window = Window::new(source.clone(), READ_LEN);
        let mut entries = read_or_nothing(read_mfra(source, &mut window, streams))?;
        if let (true, Some(sidx)) = (entries.is_empty(), sidx) {
            entries = read_or_nothing(read_sidx(&mut window, sidx, streams))?;
        }
        let is_rising = entries.windows(2).all(|pair| pair[0].0 <= pair[1].0 && pair[0].1 < pair[1].1);
        Ok(if is_rising { Self { entries } } else { Self::default() })
    }

    /// The last fragment at or before `time`, and the first after it.
    pub fn around(&self, time: MediaTime) -> [Option<u64>; 2] {
        let after = self.entries.partition_point(|(start, _)| *start <= time);
        let before = after.checked_sub(1).and_then(|index| self.entries.get(index));
        [before, self.entries.get(after)].map(|entry| entry.map(|(_, at)| *at))
    }

    /// The last fragment.
    pub fn last(&self) -> Option<u64> {
        self.entries.last().map(|(_, at)| *at)
    }
}

fn read_or_nothing(read: Result<Vec<(MediaTime, u64)>, Error>) -> Result<Vec<(MediaTime, u64)>, Error> {
    match read {
        Ok(entries) => Ok(entries),
        Err(error @ Error::Io { .. }) => Err(error),
        Err(_) => Ok(Vec::new()),
    }
}

/// The entries of the first `tfra` of a video stream, or of any.
fn read_mfra(source: &Source, window: &mut Window, streams: &[Stream]) -> Result<Vec<(MediaTime, u64)>, Error> {
    let len = source.len()?;
    // `mfro`, of 16 bytes, ends the file and says how long `mfra` is.
    let Some(mfro) = len.checked_sub(16) else { return Ok(Vec::new()) };
    let mut r = ByteReader::new(window.bytes(mfro, 16, "mfro")?, mfro, "mfro");
    if r.array()? != *b"\0\0\0\x10mfro" {
        return Ok(Vec::new());
    }
    r.skip(4)?;
    let start = len.saturating_sub(u64::from(r.u32()?));
    let mfra = Boxes::new(start, len).next(window)?.filter(|found| found.kind.0 == *b"mfra");
    let Some(mfra) = mfra else { return Ok(Vec::new()) };
    let mut boxes = Boxes::within(&mfra);
    let mut entries = Vec::new();
    while let Some(found) = boxes.next(window)? {
        if found.kind.0 == *b"tfra" {
            let (is_video, read) = read_tfra(window, &found, streams)?;
            if entries.is_empty() || is_video {
                entries = read;
            }
            if is_video {
                break;
            }
        }
    }
    Ok(entries)
}

/// Its entries, and whether they are of video.
fn read_tfra(window: &mut Window, tfra: &BoxAt, streams: &[Stream]) -> Result<(bool, Vec<(MediaTime, u64)>), Error> {
    let len = tfra.body_len().min(16) as usize;
    let mut r = ByteReader::new(window.bytes(tfra.body, len, "tfra")?, tfra.body, "tfra");
    let (version, _) = version_and_flags(&mut r)?;
    let track_id = r.u32()?;
    let lengths = r.u32()?;
    let number_lens = (lengths >> 4 & 3) + (lengths >> 2 & 3) + (lengths & 3) + 3;
    let time_len = if version == 1 { 16 } else { 8 };
    let entry_len = u64::from(time_len + number_lens);
    let room = tfra.end.saturating_sub(tfra.body + 16) / entry_len;
    let count = u64::from(r.u32()?).min(room) as u32;
    let Some(stream) = streams.iter().find(|stream| stream.id == track_id) else { return Ok((false, Vec::new())) };
    let mut entries = Vec::new();
    for index in steps(count) {
        let at = tfra.body + 16 + u64::from(index) * entry_len;
        let mut r = ByteReader::new(window.bytes(at, time_len as usize, "tfra entry")?, at, "tfra entry");
        let (ticks, moof) =
            if version == 1 { (r.u64()?, r.u64()?) } else { (u64::from(r.u32()?), u64::from(r.u32()?)) };
        let time = stream.time(i64::try_from(ticks).unwrap_or(i64::MAX));
        // Several sync samples of one fragment have an entry each.
        if entries.last().is_none_or(|(_, last)| *last != moof) {
            entries.push((time, moof));
        }
    }
    Ok((stream.is_video(), entries))
}

/// The indices of at most [`HINTS_MAX`] of `count` entries, evenly spaced, the last among them.
fn steps(count: u32) -> impl Iterator<Item = u32> {
    let step = count / HINTS_MAX + 1;
    let last = count.checked_sub(1);
    (0..count).step_by(step as usize).chain(last.filter(|last| last % step != 0))
}

/// The subsegments of one `sidx`. Those that refer to a further `sidx` are left out.
fn read_sidx(window: &mut Window, sidx: &BoxAt, streams: &[Stream]) -> Result<Vec<(MediaTime, u64)>, Error> {
    let len = sidx.body_len().min(32) as usize;
    let mut r = ByteReader::new(window.bytes(sidx.body, len, "sidx")?, sidx.body, "sidx");
    let (version, _) = version_and_flags(&mut r)?;
    let reference_id = r.u32()?;
    let timescale = r.u32()?;
    let (start, first_offset) =
        if version == 0 { (u64::from(r.u32()?), u64::from(r.u32()?)) } else { (r.u64()?, r.u64()?) };
    r.skip(2)?;
    let count = u32::from(r.u16()?);
    let first_entry = r.at();
    let stream = streams.iter().find(|stream| stream.id == reference_id).or(streams.first());
    let shift = stream.map_or(MediaTime::ZERO, |stream| MediaTime::from_ticks(stream.shift, stream.timescale));
    let mut ticks = i64::try_from(start).unwrap_or(i64::MAX);
    let mut at = sidx.end.saturating_add(first_offset);
    let mut entries = Vec::new();
    for index in 0..count {
        let entry_at = first_entry + u64::from(index) * 12;
        let mut r = ByteReader::new(window.bytes(entry_at, 12, "sidx entry")?, entry_at, "sidx entry");
        let (reference, duration) = (r.u32()?, r.u32()?);
        if reference >> 31 == 0 {
            entries.push((MediaTime::from_ticks(ticks, timescale) + shift, at));
        }
        at = at.saturating_add(u64::from(reference & 0x7fff_ffff));
        ticks = ticks.saturating_add(i64::from(duration));
    }
    Ok(entries)
}
