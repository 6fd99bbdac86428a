//! A file that is made up: records one after the other, whose samples tell their times, and how much of it was read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use super::super::{Entry, Format, Header, Scanner, Timing};
use crate::media::codec::{G711Config, H264Config};
use crate::media::io::Source;
use crate::media::{Codec, Error, Next, Reader, Recording, Sample, SeekTo, Track};
use crate::time::MediaTime;

/// Milliseconds of media.
pub fn ms(millis: i64) -> MediaTime {
    MediaTime::from_millis(millis)
}

/// One sample in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    pub track: usize,
    pub pts: i64,
    pub dts: i64,
    pub is_sync: bool,
    /// Bytes that it takes in the file.
    pub len: u64,
    /// Damage precedes it.
    pub is_damaged: bool,
}

/// A key frame or another picture of track 0, shown when it is decoded.
pub fn picture(pts: i64, is_sync: bool) -> Record {
    Record { track: 0, pts, dts: pts, is_sync, len: 1000, is_damaged: false }
}

/// Sound on a track.
pub fn sound(track: usize, pts: i64) -> Record {
    Record { track, pts, dts: pts, is_sync: true, len: 100, is_damaged: false }
}

/// The file. Shared with its scanners, so that it can be looked at while it is open.
#[derive(Debug, Clone)]
pub struct Fake {
    pub header: Header,
    records: Arc<Vec<Record>>,
    /// Where each record begins, and the end.
    places: Arc<Vec<u64>>,
    /// How many records are there yet.
    written: Arc<AtomicU64>,
    /// How many bytes have been read.
    pub read: Arc<AtomicU64>,
    /// Finds times by arithmetic.
    is_arithmetic: bool,
    fails_at: Option<u64>,
}

impl Fake {
    /// A file with one video track, if any record has track 0 that is not sound alone, and `sounds` others.
    pub fn new(has_video: bool, sounds: usize, timing: Timing, records: Vec<Record>) -> Self {
        let video = Codec::H264(H264Config::default());
        let audio = Codec::Pcmu(G711Config { sample_rate: 8000, channels: 1 });
        let codecs = has_video.then_some(video).into_iter().chain(std::iter::repeat_n(audio, sounds));
        let track = |codec| Track { codec, duration: None, shown_until: None, bitrate: None, frame_rate: None };
        let first = records.iter().find(|record| record.track == 0).map_or(0, |record| record.pts);
        let header = Header {
            container: "fake",
            tracks: codecs.map(track).collect(),
            notes: Vec::new(),
            start: Entry { at: 0, time: Some(ms(first)) },
            timing,
            duration: None,
        };
        let mut places = vec![0];
        let mut at = 0;
        places.extend(records.iter().map(|record| {
            at += record.len;
            at
        }));
        let written = Arc::new(AtomicU64::new(records.len() as u64));
        let read = Arc::default();
        let (records, places) = (Arc::new(records), Arc::new(places));
        Self { header, records, places, written, read, is_arithmetic: false, fails_at: None }
    }

    pub fn arithmetic(mut self) -> Self {
        self.is_arithmetic = true;
        self.header.duration = self.records.iter().map(|record| ms(record.pts + 20)).max();
        self
    }

    /// The disk fails at this record.
    pub fn fails_at(self, record: u64) -> Self {
        Self { fails_at: Some(record), ..self }
    }

    /// The recorder has come so far.
    pub fn write(&self, source: &Growing, records: usize) {
        self.written.store(records as u64, Ordering::Relaxed);
        source.set_len(self.places[records]);
    }

    pub fn records(&self) -> &[Record] {
        &self.records
    }

    pub fn len(&self) -> u64 {
        self.places[self.records.len()]
    }

    /// Opens it as a file that is complete.
    pub fn open(&self) -> Arc<dyn Recording> {
        let file = tempfile::tempfile().unwrap();
        file.set_len(self.len()).unwrap();
        let recording = super::super::open(self.clone()).unwrap();
        recording.attach(&Source::new(file)).unwrap();
        recording
    }

    /// Opens it as a file that is being written.
    pub fn open_growing(&self, records: usize) -> (Arc<dyn Recording>, Growing) {
        let growing = Growing { file: tempfile::tempfile().unwrap() };
        self.write(&growing, records);
        let recording = super::super::open(self.clone()).unwrap();
        recording.attach(&growing.source()).unwrap();
        (recording, growing)
    }

    /// How many bytes are read by `work`.
    pub fn reads<R>(&self, work: impl FnOnce() -> R) -> (R, u64) {
        let before = self.read.load(Ordering::Relaxed);
        let done = work();
        (done, self.read.load(Ordering::Relaxed) - before)
    }
}

/// A file that a recorder writes.
pub struct Growing {
    file: std::fs::File,
}

impl Growing {
    const TIMEOUT: Duration = Duration::from_secs(600);

    pub fn source(&self) -> Source {
        Source::new(self.file.try_clone().unwrap()).growing(Self::TIMEOUT)
    }

    fn set_len(&self, len: u64) {
        self.file.set_len(len).unwrap();
        self.file.set_modified(SystemTime::now()).unwrap();
    }

    /// The recorder has ended long ago.
    pub fn end(&self) {
        self.file.set_modified(SystemTime::now() - 2 * Self::TIMEOUT).unwrap();
    }
}

impl Format for Fake {
    fn header(&self) -> &Header {
        &self.header
    }

    fn scan(&self, entry: Entry) -> Box<dyn Scanner> {
        let next = self.places.partition_point(|place| *place < entry.at);
        match entry.time {
            None => assert_eq!(self.header.timing, Timing::Stamped, "times are counted from a place with a time"),
            Some(time) => {
                let told = self.records[next..].iter().find(|record| record.track == 0).map(|record| ms(record.pts));
                assert!(told.is_none() || told == Some(time), "at {}: {time} is not {told:?}", entry.at);
            }
        }
        Box::new(FakeScanner { fake: self.clone(), next, is_finished: false, told_damage: false })
    }

    fn locate(&self, time: MediaTime) -> Option<Entry> {
        let is_before = |(_, record): &(usize, &Record)| record.track == 0 && ms(record.pts) <= time;
        let found = self.records.iter().enumerate().rev().find(is_before);
        let entry = |(index, record): (usize, &Record)| Entry { at: self.places[index], time: Some(ms(record.pts)) };
        self.is_arithmetic.then(|| found.map_or(self.header.start, entry))
    }
}

struct FakeScanner {
    fake: Fake,
    next: usize,
    is_finished: bool,
    told_damage: bool,
}

impl Scanner for FakeScanner {
    fn next(&mut self, sample: &mut Sample) -> Result<Next, Error> {
        assert!(sample.data.is_empty(), "a sample is empty when it is to be filled");
        if self.next as u64 >= self.fake.written.load(Ordering::Relaxed) {
            return Ok(if self.is_finished { Next::End } else { Next::Pending });
        }
        if self.fake.fails_at == Some(self.next as u64) {
            let source = std::io::Error::other("the disk is broken");
            return Err(Error::Io { what: "a record", source });
        }
        let record = self.fake.records[self.next];
        if record.is_damaged && !std::mem::replace(&mut self.told_damage, true) {
            return Ok(Next::Skipped(Error::malformed("record", self.fake.places[self.next])));
        }
        self.told_damage = false;
        self.fake.read.fetch_add(record.len, Ordering::Relaxed);
        (sample.track, sample.is_sync) = (record.track, record.is_sync);
        (sample.pts, sample.dts) = (ms(record.pts), ms(record.dts));
        sample.data.extend((self.next as u32).to_be_bytes());
        self.next += 1;
        Ok(Next::Sample)
    }

    fn finish(&mut self) {
        self.is_finished = true;
    }

    fn entry(&self) -> Entry {
        let last = self.next - 1;
        Entry { at: self.fake.places[last], time: Some(ms(self.fake.records[last].pts)) }
    }

    fn position(&self) -> u64 {
        self.fake.places[self.next]
    }
}

/// A viewer, and the numbers of the records that came.
pub struct Viewer {
    pub reader: Box<dyn Reader>,
    pub sample: Sample,
}

impl Viewer {
    /// Of these tracks of a recording.
    pub fn new(recording: &Arc<dyn Recording>, tracks: &[usize]) -> Self {
        let mut reader = Arc::clone(recording).reader().unwrap();
        for track in 0..recording.tracks().len() {
            reader.select(track, tracks.contains(&track));
        }
        Self { reader, sample: Sample::default() }
    }

    pub fn seek(&mut self, to: i64, how: SeekTo) -> i64 {
        self.reader.seek(ms(to), how).unwrap().as_nanos() / 1_000_000
    }

    /// The number of the next record, if one comes.
    pub fn next(&mut self) -> Result<usize, Option<Next>> {
        match self.reader.next(&mut self.sample) {
            Ok(Next::Sample) => Ok(self.number()),
            Ok(other) => Err(Some(other)),
            Err(_) => Err(None),
        }
    }

    fn number(&self) -> usize {
        u32::from_be_bytes(self.sample.data[..].try_into().unwrap()) as usize
    }

    /// All samples up to the end, or as long as there are any.
    pub fn rest(&mut self) -> Vec<usize> {
        let mut numbers = Vec::new();
        loop {
            match self.next() {
                Ok(number) => numbers.push(number),
                Err(Some(Next::Skipped(_))) => {}
                Err(_) => return numbers,
            }
        }
    }
}
