//! Raw AV1: the low-overhead bitstream format (AV1 specification section 5.2, "Section 5") and the length-delimited one
//! (annex B).
//!
//! A temporal unit is one picture. Nothing in the stream tells when it is shown, so that pictures are counted: at the
//! rate that the sequence header tells, or the configured one.

mod unit;

use std::sync::Arc;

use super::{Container, Options, Sniff};
use crate::media::codec::av1::{self, Obu, SequenceHeader};
use crate::media::codec::{Av1Config, FrameRate};
use crate::media::io::{Source, Window};
use crate::media::scan::{self, Entry, Format, Header, Scanner, Timing};
use crate::media::{Codec, Error, Next, Note, Recording, Sample, Track};
use crate::time::MediaTime;
use unit::{Layout, Unit};

/// This container's line in [`super::CONTAINERS`].
pub const CONTAINER: Container = Container { name: NAME, suffixes: &["obu", "av1"], sniff, open };

const NAME: &str = "AV1 stream";
/// How much is read at once, in bytes.
const WINDOW_LEN: usize = 64 << 10;
/// How many temporal units are looked at for a sequence header.
const SURVEY_COUNT: usize = 300;

fn sniff(head: &[u8]) -> Sniff {
    if unit::layout_of(head).is_some() { Sniff::Yes } else { Sniff::No }
}

fn open(source: &Source, options: &Options) -> Result<Arc<dyn Recording>, Error> {
    scan::open(ObuFile::read(source, options)?)
}

struct ObuFile {
    source: Source,
    header: Header,
    layout: Layout,
    rate: FrameRate,
}

impl ObuFile {
    fn read(source: &Source, options: &Options) -> Result<Self, Error> {
        let mut head = vec![0; super::SNIFF_LEN];
        let len = source.read_at(&mut head, 0, "the start of the file")?;
        let layout = unit::layout_of(&head[..len]).ok_or(Error::Unrecognised)?;
        let default = FrameRate::from_f64(options.frame_rate_default);
        let begin = Entry { at: 0, time: Some(MediaTime::ZERO) };
        let mut scanner = ObuScanner::new(source.clone(), layout, default, begin);
        scanner.finish();
        let mut notes = Vec::new();
        let mut sample = Sample::default();
        let mut start = None;
        for _ in 0..SURVEY_COUNT {
            sample.clear();
            match scanner.next(&mut sample)? {
                Next::Sample => {
                    start.get_or_insert(scanner.last.at);
                    if let Some(config) = Av1Config::from_obus(&sample.data) {
                        let start = Entry { at: start.unwrap_or(0), time: Some(MediaTime::ZERO) };
                        return Ok(Self::new(source, layout, start, config, notes, default));
                    }
                }
                Next::Skipped(error) if start.is_none() => notes.push(Note::from(&error)),
                Next::Skipped(_) => {}
                Next::Pending | Next::End => break,
            }
        }
        Err(Error::Unsupported("AV1 without a sequence header".into()))
    }

    fn new(
        source: &Source,
        layout: Layout,
        start: Entry,
        config: Av1Config,
        notes: Vec<Note>,
        default: FrameRate,
    ) -> Self {
        let told = Obu::parse(&config.sequence_header, 0)
            .and_then(|obu| SequenceHeader::parse(&config.sequence_header[obu.payload]))
            .and_then(|header| header.frame_rate);
        let rate = told.unwrap_or(default);
        let track = Track {
            codec: Codec::Av1(config),
            duration: None,
            shown_until: None,
            bitrate: None,
            frame_rate: Some(rate.as_f64()),
        };
        let header =
            Header { container: NAME, tracks: vec![track], notes, start, timing: Timing::Counted, duration: None };
        Self { source: source.clone(), header, layout, rate }
    }
}

impl Format for ObuFile {
    fn header(&self) -> &Header {
        &self.header
    }

    fn scan(&self, entry: Entry) -> Box<dyn Scanner> {
        Box::new(ObuScanner::new(self.source.clone(), self.layout, self.rate, entry))
    }
}

struct ObuScanner {
    window: Window,
    source: Source,
    layout: Layout,
    rate: FrameRate,
    position: u64,
    /// Where the bytes began that are no temporal units; the next one is being looked for.
    lost: Option<u64>,
    /// The number of the next picture.
    index: i64,
    last: Entry,
    is_finished: bool,
}

impl ObuScanner {
    fn new(source: Source, layout: Layout, rate: FrameRate, entry: Entry) -> Self {
        Self {
            window: Window::new(source.clone(), WINDOW_LEN),
            source,
            layout,
            rate,
            position: entry.at,
            lost: None,
            index: rate.index_at(entry.time.unwrap_or_default()),
            last: entry,
            is_finished: false,
        }
    }

    /// Looks for the next temporal unit from `position` on. `false`: the file ends before one is found.
    fn find(&mut self, file_len: u64) -> Result<bool, Error> {
        while self.position < file_len {
            if self.layout.is_likely(&mut self.window, self.position, file_len)? {
                return Ok(true);
            }
            self.position += 1;
        }
        Ok(false)
    }

    /// What is left of the file is no whole temporal unit.
    fn at_end(&mut self, file_len: u64) -> Next {
        if !self.is_finished {
            return Next::Pending;
        }
        let has_rest = self.position < file_len;
        self.position = self.position.max(file_len);
        match self.lost.take() {
            Some(since) => Next::Skipped(Error::malformed("AV1 temporal unit", since)),
            None if has_rest => Next::Skipped(Error::truncated("the last AV1 temporal unit", file_len)),
            None => Next::End,
        }
    }

    /// Takes the temporal unit of `len` bytes at `position`. `false` when there is no picture in it.
    fn take(&mut self, len: usize, sample: &mut Sample) -> Result<bool, Error> {
        sample.clear();
        self.layout.read(&self.source, self.position, len, &mut sample.data)?;
        let at = self.position;
        self.position += len as u64;
        let Some(is_key) = av1::is_key(&sample.data) else { return Ok(false) };
        sample.pts = self.rate.time_of(self.index);
        sample.dts = sample.pts;
        // Without a sequence header nothing can be decoded, but the one of the track goes along with the key frame.
        sample.is_sync = is_key;
        self.index += 1;
        self.last = Entry { at, time: Some(sample.pts) };
        Ok(true)
    }
}

impl Scanner for ObuScanner {
    fn next(&mut self, sample: &mut Sample) -> Result<Next, Error> {
        loop {
            let file_len = self.source.len()?;
            if let Some(since) = self.lost {
                if !self.find(file_len)? {
                    return Ok(self.at_end(file_len));
                }
                self.lost = None;
                return Ok(Next::Skipped(Error::malformed("AV1 temporal unit", since)));
            }
            match self.layout.unit_at(&mut self.window, self.position, file_len)? {
                Unit::Whole(len) => {
                    if self.take(len, sample)? {
                        return Ok(Next::Sample);
                    }
                }
                // The last unit has nothing behind it to tell that it is complete.
                Unit::Last(len) if self.is_finished && len > 0 => {
                    if self.take(len, sample)? {
                        return Ok(Next::Sample);
                    }
                }
                // A length that was damaged may lead beyond the end of the file.
                Unit::CutOff if self.is_finished => {
                    let begin = self.position;
                    self.position += 1;
                    if self.find(file_len)? {
                        return Ok(Next::Skipped(Error::malformed("AV1 temporal unit", begin)));
                    }
                    self.position = begin;
                    return Ok(self.at_end(file_len));
                }
                Unit::Last(_) | Unit::CutOff => return Ok(self.at_end(file_len)),
                Unit::Damaged => {
                    self.lost = Some(self.position);
                    self.position += 1;
                }
            }
        }
    }

    fn finish(&mut self) {
        self.is_finished = true;
    }

    fn entry(&self) -> Entry {
        self.last
    }

    fn position(&self) -> u64 {
        self.position
    }
}

#[cfg(test)]
mod tests;
