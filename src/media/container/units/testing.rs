//! What tests of containers that are a row of units share.

use std::io::Write;
use std::sync::Arc;

use crate::media::io::Source;
use crate::media::scan::{Entry, Format, Scanner};
use crate::media::{Next, Recording, Sample};

/// A file of these bytes.
pub fn source_of(bytes: &[u8]) -> Source {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Source::new(file)
}

/// What a scanner gives up to the end of a file that does not grow: samples with their entries, and in words what was
/// stepped over.
pub fn scan_all(scanner: &mut dyn Scanner) -> (Vec<(Entry, Sample)>, Vec<String>) {
    let (mut samples, mut skipped) = (Vec::new(), Vec::new());
    let mut sample = Sample::default();
    loop {
        sample.clear();
        match scanner.next(&mut sample).unwrap() {
            Next::Sample => samples.push((scanner.entry(), sample.clone())),
            Next::Skipped(error) => skipped.push(error.to_string()),
            Next::Pending => scanner.finish(),
            Next::End => return (samples, skipped),
        }
    }
}

/// That reading on from the entry of any sample gives that sample and all behind it as they were.
pub fn assert_entries_repeat(format: &dyn Format) {
    let (all, _) = scan_all(&mut *format.scan(format.header().start));
    let compared = |samples: &[(Entry, Sample)]| {
        samples
            .iter()
            .map(|(_, sample)| (sample.pts, sample.dts, sample.is_sync, sample.data.clone()))
            .collect::<Vec<_>>()
    };
    for (index, (entry, _)) in all.iter().enumerate() {
        let (again, _) = scan_all(&mut *format.scan(*entry));
        assert_eq!(compared(&again), compared(&all[index..]), "from the entry of sample {index}: {entry:?}");
    }
}

/// All samples of a recording.
pub fn samples_of(recording: &Arc<dyn Recording>) -> Vec<Sample> {
    let mut reader = recording.clone().reader().unwrap();
    let (mut samples, mut sample) = (Vec::new(), Sample::default());
    loop {
        sample.clear();
        match reader.next(&mut sample).unwrap() {
            Next::Sample => samples.push(sample.clone()),
            Next::Skipped(_) | Next::Pending => {}
            Next::End => return samples,
        }
    }
}
