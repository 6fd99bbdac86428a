//! What tests of containers that are read forward share: a whole file scanned at once.

use std::io::Write;
use std::sync::Arc;

use crate::media::io::Source;
use crate::media::scan::{Entry, Format};
use crate::media::{Next, Progress, Recording, Sample, SeekTo};
use crate::time::MediaTime;

/// More results than any test file has.
const COUNT_MAX: usize = 100_000;

/// A sample, comparable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scanned {
    pub track: usize,
    pub pts: MediaTime,
    pub dts: MediaTime,
    pub is_sync: bool,
    pub data: Vec<u8>,
}

/// What a scanner gave until its end.
#[derive(Debug, Default)]
pub struct Got {
    pub samples: Vec<Scanned>,
    /// Where each sample can be read again.
    pub entries: Vec<Entry>,
    /// What was skipped.
    pub errors: Vec<String>,
}

impl Got {
    /// Which samples are key frames.
    pub fn keys(&self) -> Vec<usize> {
        (0..self.samples.len()).filter(|index| self.samples[*index].is_sync).collect()
    }
}

/// A file of these bytes.
pub fn source_of(bytes: &[u8]) -> Source {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Source::new(file)
}

/// Everything from the start on.
pub fn scan_all(format: &dyn Format) -> Got {
    scan_from(format, format.header().start)
}

/// Everything from `entry` on, to the end of the file as it is.
pub fn scan_from(format: &dyn Format, entry: Entry) -> Got {
    let mut scanner = format.scan(entry);
    let mut got = Got::default();
    let mut sample = Sample::default();
    let mut is_finished = false;
    for _ in 0..COUNT_MAX {
        sample.clear();
        match scanner.next(&mut sample).unwrap() {
            Next::Sample => {
                let Sample { track, pts, dts, is_sync, ref data, .. } = sample;
                assert!(dts <= pts, "decoded at {dts:?}, shown at {pts:?}");
                got.samples.push(Scanned { track, pts, dts, is_sync, data: data.clone() });
                got.entries.push(scanner.entry());
            }
            Next::Pending => {
                assert!(!is_finished, "pending after the end");
                scanner.finish();
                is_finished = true;
            }
            Next::Skipped(error) => got.errors.push(error.to_string()),
            Next::End => return got,
        }
    }
    panic!("no end after {COUNT_MAX} results: {:?}", got.errors.last());
}

/// A large file of pictures and sound, put together from several recordings, about whose end its stamps say nothing: it
/// lasts `seconds`. Seeks go near where they should all the same, and what comes then has the times that they tell.
pub fn check_put_together(recording: &Arc<dyn Recording>, source: &Source, seconds: i64) {
    recording.attach(source).unwrap();
    assert_eq!(recording.duration(), None, "nobody knows yet");
    let mut reader = Arc::clone(recording).reader().unwrap();
    let mut sample = Sample::default();
    for percent in [50, 95, 70] {
        let to = MediaTime::from_millis(seconds * percent * 10);
        let landed = reader.seek(to, SeekTo::SyncAtOrBefore).unwrap();
        assert!(landed <= to && to - landed < MediaTime::from_millis(1000), "{to:?}: {landed:?}");
        let mut first: Vec<Option<MediaTime>> = vec![None; recording.tracks().len()];
        for _ in 0..100 {
            if let Next::Sample = reader.next(&mut sample).unwrap() {
                first[sample.track].get_or_insert(sample.pts);
            }
        }
        assert_eq!(first[0], Some(landed), "the picture");
        let is_near = |first: &Option<MediaTime>| {
            first.is_some_and(|first| first >= landed && first - landed <= MediaTime::from_millis(200))
        };
        assert!(first.iter().all(is_near), "{landed:?}: {first:?}");
        assert_eq!(recording.duration(), None, "nobody has read up to there");
    }
    let mut indexing = Arc::clone(recording).indexing().unwrap();
    while !matches!(indexing.step().unwrap(), Progress::Done) {}
    let lasts = recording.duration().unwrap().as_secs_f64();
    assert!((lasts - seconds as f64).abs() < 1.0, "{lasts} s");
    for seconds in [seconds / 2, seconds - 2] {
        let to = MediaTime::from_millis(seconds * 1000);
        let landed = reader.seek(to, SeekTo::SyncAtOrBefore).unwrap();
        assert!(landed <= to && to - landed < MediaTime::from_millis(1000), "{to:?}: {landed:?}");
        assert!(matches!(reader.next(&mut sample).unwrap(), Next::Sample));
        assert_eq!((sample.track, sample.pts), (0, landed));
    }
}
