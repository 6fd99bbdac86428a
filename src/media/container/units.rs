//! Files that are a row of units of equal length in bytes and time: PCM, G.711, blocks of ADPCM, frames of DV. Where a
//! byte lies and when it is heard or seen are proportional, so that seeking is arithmetic.

use crate::media::io::Source;
use crate::media::scan::{Entry, Format, Header, Scanner, Timing};
use crate::media::{Error, Next, Note, Sample, Track};
use crate::time::MediaTime;

/// How long a sample of sound is meant to be, as a fraction of a second: 20 ms.
const SAMPLES_A_SECOND: u32 = 50;
/// A sample of more than one unit is not longer than this, in bytes.
const SAMPLE_LEN_MAX: u32 = 64 << 10;

/// A row of units in a file.
#[derive(Debug, Clone)]
pub struct Units {
    /// The byte of the file where the first one begins.
    pub start: u64,
    /// The byte behind the last one; `None` when they go as far as the file does.
    pub end: Option<u64>,
    /// Bytes of a unit, at least 1.
    pub unit_len: u32,
    /// How long a unit lasts, in ticks of `rate`; at least 1.
    pub ticks: u32,
    /// Ticks a second.
    pub rate: u32,
    /// Units in a sample.
    pub sample_units: u32,
    /// A last unit that is cut off is of use when it has this many bytes at least.
    pub last_len_min: u32,
}

impl Units {
    /// Units of sound, some 20 ms of them to a sample, from byte `start` on.
    pub fn sound(start: u64, end: Option<u64>, unit_len: u32, ticks: u32, rate: u32) -> Self {
        let some_20_ms = rate / SAMPLES_A_SECOND / ticks;
        let sample_units = some_20_ms.min(SAMPLE_LEN_MAX / unit_len).max(1);
        Self { start, end, unit_len, ticks, rate, sample_units, last_len_min: unit_len }
    }

    /// When unit `index` begins.
    fn time_of(&self, index: u64) -> MediaTime {
        let ticks = index.saturating_mul(self.ticks.into());
        MediaTime::from_ticks(i64::try_from(ticks).unwrap_or(i64::MAX), self.rate)
    }

    /// The last unit that begins at or before `time`.
    fn index_at(&self, time: MediaTime) -> u64 {
        let ticks = u64::try_from(time.to_ticks(self.rate)).unwrap_or(0);
        let index = ticks / u64::from(self.ticks);
        // `to_ticks` rounds, possibly up.
        if self.time_of(index) > time { index.saturating_sub(1) } else { index }
    }

    fn place_of(&self, index: u64) -> u64 {
        self.start.saturating_add(index.saturating_mul(self.unit_len.into()))
    }

    /// Units that lie before byte `end` of the file, a last one that is cut off included where it is of use.
    fn count_before(&self, end: u64) -> u64 {
        let len = end.saturating_sub(self.start);
        len / u64::from(self.unit_len) + u64::from(len % u64::from(self.unit_len) >= u64::from(self.last_len_min))
    }

    fn end_now(&self, source: &Source) -> Result<u64, Error> {
        let file_end = source.len()?;
        Ok(self.end.map_or(file_end, |end| end.min(file_end)))
    }
}

/// A file of units.
pub struct UnitsFormat {
    source: Source,
    header: Header,
    units: Units,
}

impl UnitsFormat {
    /// The `units` in `source`, which a container of this name holds. The track's duration and bit rate follow from
    /// them.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when there is not one unit; [`Error::Io`].
    pub fn new(
        source: &Source,
        container: &'static str,
        track: Track,
        notes: Vec<Note>,
        units: Units,
    ) -> Result<Self, Error> {
        let count = units.count_before(units.end_now(source)?);
        if count == 0 {
            return Err(Error::Unsupported(format!("a {container} file without {}", track.codec.name())));
        }
        let duration = Some(units.time_of(count));
        let bits_a_second = u64::from(units.unit_len) * 8 * u64::from(units.rate) / u64::from(units.ticks);
        let track = Track { duration, bitrate: u32::try_from(bits_a_second).ok(), ..track };
        let start = Entry { at: units.start, time: Some(MediaTime::ZERO) };
        let header = Header { container, tracks: vec![track], notes, start, timing: Timing::Counted, duration };
        Ok(Self { source: source.clone(), header, units })
    }
}

impl Format for UnitsFormat {
    fn header(&self) -> &Header {
        &self.header
    }

    fn scan(&self, entry: Entry) -> Box<dyn Scanner> {
        let index = entry.at.saturating_sub(self.units.start) / u64::from(self.units.unit_len);
        let (source, units) = (self.source.clone(), self.units.clone());
        Box::new(UnitsScanner { source, units, next: index, last: entry, is_finished: false })
    }

    fn locate(&self, time: MediaTime) -> Option<Entry> {
        let count = self.units.count_before(self.units.end_now(&self.source).ok()?);
        let index = self.units.index_at(time).min(count.saturating_sub(1));
        Some(Entry { at: self.units.place_of(index), time: Some(self.units.time_of(index)) })
    }
}

struct UnitsScanner {
    source: Source,
    units: Units,
    /// The unit that the next sample begins with.
    next: u64,
    last: Entry,
    is_finished: bool,
}

impl UnitsScanner {
    /// How many of `len` bytes, with which the units end now, are of use.
    fn useful(&self, len: usize) -> usize {
        let rest = len % self.units.unit_len as usize;
        if rest >= self.units.last_len_min as usize { len } else { len - rest }
    }

    /// What is left behind the last whole unit is damage, told once.
    fn end(&mut self, at: u64, len: usize) -> Next {
        if len == 0 {
            return Next::End;
        }
        self.next += 1;
        Next::Skipped(Error::truncated("the last frame", at + len as u64))
    }
}

impl Scanner for UnitsScanner {
    fn next(&mut self, sample: &mut Sample) -> Result<Next, Error> {
        let at = self.units.place_of(self.next);
        let wanted = u64::from(self.units.unit_len) * u64::from(self.units.sample_units);
        let is_last = self.units.end.is_some_and(|end| end.saturating_sub(at) <= wanted);
        let wanted = self.units.end.map_or(wanted, |end| wanted.min(end.saturating_sub(at)));
        sample.data.resize(wanted as usize, 0);
        let filled = self.source.read_at(&mut sample.data, at, "a sample")?;
        if filled < sample.data.len() && !self.is_finished {
            sample.data.clear();
            return Ok(Next::Pending);
        }
        let useful = if is_last || filled < sample.data.len() { self.useful(filled) } else { filled };
        sample.data.truncate(useful);
        if useful == 0 {
            return Ok(self.end(at, filled));
        }
        let time = self.units.time_of(self.next);
        (sample.track, sample.pts, sample.dts, sample.is_sync) = (0, time, time, true);
        self.last = Entry { at, time: Some(time) };
        self.next += (useful as u64).div_ceil(self.units.unit_len.into());
        Ok(Next::Sample)
    }

    fn finish(&mut self) {
        self.is_finished = true;
    }

    fn entry(&self) -> Entry {
        self.last
    }

    fn position(&self) -> u64 {
        self.units.place_of(self.next)
    }
}

#[cfg(test)]
pub mod testing;
#[cfg(test)]
mod tests;
