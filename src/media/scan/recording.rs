//! A [`Format`] as a [`Recording`].

use std::sync::Arc;

use super::super::{Error, Kind, Next, Note, Reader, Recording, Sample, SeekTo, Track};
use super::{Format, Header, Scanner};
use crate::time::MediaTime;

struct Scanned<F> {
    format: F,
    header: Header,
}

/// See [`super::open`].
pub fn open(format: impl Format) -> Result<Arc<dyn Recording>, Error> {
    let header = format.header().clone();
    if header.tracks.is_empty() {
        return Err(Error::Unsupported("no track that could be streamed".to_owned()));
    }
    Ok(Arc::new(Scanned { format, header }))
}

impl<F: Format> Recording for Scanned<F> {
    fn container(&self) -> &'static str {
        self.header.container
    }

    fn tracks(&self) -> &[Track] {
        &self.header.tracks
    }

    fn duration(&self) -> Option<MediaTime> {
        self.header.duration
    }

    fn notes(&self) -> &[Note] {
        &self.header.notes
    }

    fn reader(self: Arc<Self>) -> Result<Box<dyn Reader>, Error> {
        let scanner = self.format.scan(self.header.start);
        let wanted = vec![true; self.header.tracks.len()];
        Ok(Box::new(ScannedReader { recording: self, scanner, wanted, held: None }))
    }
}

struct ScannedReader<F> {
    recording: Arc<Scanned<F>>,
    scanner: Box<dyn Scanner>,
    wanted: Vec<bool>,
    held: Option<Sample>,
}

impl<F: Format> Reader for ScannedReader<F> {
    fn select(&mut self, track: usize, wanted: bool) {
        self.wanted[track] = wanted;
    }

    fn next(&mut self, sample: &mut Sample) -> Result<Next, Error> {
        if let Some(held) = self.held.take() {
            *sample = held;
            return Ok(Next::Sample);
        }
        loop {
            sample.clear();
            match self.scanner.next(sample)? {
                Next::Sample if !self.wanted[sample.track] => {}
                Next::Pending => self.scanner.finish(),
                other => return Ok(other),
            }
        }
    }

    fn seek(&mut self, to: MediaTime, _how: SeekTo) -> Result<MediaTime, Error> {
        let tracks = &self.recording.header.tracks;
        let is_video = |track: usize| tracks[track].kind() == Kind::Video;
        let by = (0..tracks.len()).find(|track| self.wanted[*track] && is_video(*track));
        let entry = self.recording.format.locate(to).unwrap_or(self.recording.header.start);
        self.scanner = self.recording.format.scan(entry);
        self.held = None;
        let mut sample = Sample::default();
        loop {
            match self.next(&mut sample)? {
                Next::Sample if sample.is_sync && by.is_none_or(|by| by == sample.track) && sample.pts >= to => {
                    let time = sample.pts;
                    self.held = Some(sample);
                    return Ok(time);
                }
                Next::End => return Ok(to),
                _ => {}
            }
        }
    }
}
