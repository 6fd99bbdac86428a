//! A recording in a container with an index of its own, while a recorder still adds to it: fragmented MP4 and Matroska.
//!
//! Such a container is read as far as it went when it was opened. Once a viewer has come to that edge, the file is opened
//! anew, once for all viewers, and the viewer goes on behind the last sample it got. Containers that are only read
//! forward have no need of this: see [`super::scan`].

use std::sync::Arc;

use super::container::{Opener, Options};
use super::io::Source;
use super::{Error, Next, Note, Reader, Recording, Sample, SeekTo, Track};
use crate::sync::Leaf;
use crate::time::MediaTime;

/// A recording that may grow.
pub struct Growing {
    source: Source,
    open: Opener,
    options: Options,
    /// As it was at first: what was announced.
    first: Arc<dyn Recording>,
    latest: Leaf<Stage>,
}

/// How far a file went at some time.
#[derive(Clone)]
struct Stage {
    recording: Arc<dyn Recording>,
    /// The length of the file when it was opened, in bytes.
    len: u64,
}

impl Growing {
    /// What `open` has made of `source` when that was `len` bytes long, and will make of it again.
    pub fn new(source: &Source, len: u64, open: Opener, options: &Options, first: Arc<dyn Recording>) -> Self {
        let stage = Stage { recording: Arc::clone(&first), len };
        let (source, options) = (source.clone(), options.clone());
        Self { source, open, options, first, latest: Leaf::new(stage) }
    }

    /// The file as it is now.
    fn refresh(&self) -> Result<Stage, Error> {
        let known = self.latest.with(|latest| latest.clone());
        let len = self.source.len()?;
        if len == known.len {
            return Ok(known);
        }
        // Opened in the middle of a write it may make no sense; then it is as it was, and the next look sees more.
        let recording = match (self.open)(&self.source, &self.options) {
            Ok(recording) if recording.tracks().len() == self.first.tracks().len() => recording,
            Err(error @ Error::Io { .. }) => return Err(error),
            _ => known.recording,
        };
        let stage = Stage { recording, len };
        self.latest.with(|latest| *latest = stage.clone());
        Ok(stage)
    }
}

impl Recording for Growing {
    fn container(&self) -> &'static str {
        self.first.container()
    }

    fn tracks(&self) -> &[Track] {
        self.first.tracks()
    }

    /// Unknown as long as it grows.
    fn duration(&self) -> Option<MediaTime> {
        let latest = self.latest.with(|latest| Arc::clone(&latest.recording));
        latest.duration().filter(|_| !self.source.is_growing())
    }

    fn notes(&self) -> &[Note] {
        self.first.notes()
    }

    fn reader(self: Arc<Self>) -> Result<Box<dyn Reader>, Error> {
        let stage = self.refresh()?;
        let inner = Arc::clone(&stage.recording).reader()?;
        let lanes = vec![Lane { is_wanted: true, last: None, is_catching_up: false }; self.tracks().len()];
        Ok(Box::new(GrowingReader { growing: self, inner, len: stage.len, lanes, sought: None, is_at_edge: false }))
    }
}

/// A cursor in a recording that may grow.
struct GrowingReader {
    growing: Arc<Growing>,
    inner: Box<dyn Reader>,
    /// How long the file was that `inner` reads.
    len: u64,
    lanes: Vec<Lane>,
    /// Where the last seek went.
    sought: Option<(MediaTime, SeekTo)>,
    /// `inner` has nothing more that is whole.
    is_at_edge: bool,
}

/// What is known of one track.
#[derive(Debug, Clone)]
struct Lane {
    is_wanted: bool,
    /// Presentation and decode time of the last sample that was handed out.
    last: Option<(MediaTime, MediaTime)>,
    /// What comes before that one is read again.
    is_catching_up: bool,
}

impl Lane {
    /// Whether a sample is to be handed out, not one that was before.
    fn admits(&mut self, sample: &mut Sample) -> bool {
        let Some((pts, dts)) = self.last else {
            self.last = Some((sample.pts, sample.dts));
            return true;
        };
        if self.is_catching_up {
            let is_last = sample.pts == pts;
            // Should the last one not be found again, what is behind it on both counts is new.
            let is_behind = sample.pts > pts && sample.dts > dts;
            self.is_catching_up = !is_last && !is_behind;
            if !is_behind {
                return false;
            }
        }
        // At an edge decode times are guessed from less, and may have come out later.
        sample.dts = sample.dts.max(dts);
        self.last = Some((sample.pts, sample.dts));
        true
    }
}

impl GrowingReader {
    /// Goes on in the file as it is now. False when that is no longer than what was read.
    fn go_on(&mut self) -> Result<bool, Error> {
        let stage = self.growing.refresh()?;
        if stage.len == self.len {
            return Ok(false);
        }
        self.enter(&stage)?;
        let wanted = self.lanes.iter().filter(|lane| lane.is_wanted);
        let earliest = wanted.filter_map(|lane| lane.last).map(|(pts, dts)| pts.min(dts)).min();
        match (earliest, self.sought) {
            (Some(earliest), _) => self.inner.seek(earliest, SeekTo::SyncAtOrBefore).map(drop)?,
            (None, Some((to, how))) => self.inner.seek(to, how).map(drop)?,
            (None, None) => {}
        }
        for lane in &mut self.lanes {
            lane.is_catching_up = lane.last.is_some();
        }
        Ok(true)
    }

    /// Reads `stage` from its start.
    fn enter(&mut self, stage: &Stage) -> Result<(), Error> {
        self.inner = Arc::clone(&stage.recording).reader()?;
        self.len = stage.len;
        self.is_at_edge = false;
        for (track, lane) in self.lanes.iter().enumerate() {
            self.inner.select(track, lane.is_wanted);
        }
        Ok(())
    }
}

impl Reader for GrowingReader {
    fn select(&mut self, track: usize, wanted: bool) {
        if let Some(lane) = self.lanes.get_mut(track) {
            lane.is_wanted = wanted;
            self.inner.select(track, wanted);
        }
    }

    fn next(&mut self, sample: &mut Sample) -> Result<Next, Error> {
        loop {
            if self.is_at_edge {
                // In this order: what was added before it was found complete is seen.
                let is_growing = self.growing.source.is_growing();
                if !self.go_on()? {
                    if is_growing {
                        return Ok(Next::Pending);
                    }
                    self.is_at_edge = false;
                }
            }
            let next = self.inner.next(sample)?;
            let is_edge = match &next {
                Next::Sample => {
                    if self.lanes.get_mut(sample.track).is_some_and(|lane| lane.admits(sample)) {
                        return Ok(next);
                    }
                    continue;
                }
                Next::End => true,
                // A sample whose end has not been written yet.
                Next::Skipped(Error::Truncated { at, .. }) => *at >= self.len,
                Next::Skipped(_) | Next::Pending => false,
            };
            let is_growing = self.growing.source.is_growing() || self.growing.source.len()? != self.len;
            if !is_edge || !is_growing {
                return Ok(next);
            }
            self.is_at_edge = true;
        }
    }

    fn seek(&mut self, to: MediaTime, how: SeekTo) -> Result<MediaTime, Error> {
        let stage = self.growing.refresh()?;
        if stage.len != self.len || self.is_at_edge {
            self.enter(&stage)?;
        }
        for lane in &mut self.lanes {
            (lane.last, lane.is_catching_up) = (None, false);
        }
        self.sought = Some((to, how));
        self.inner.seek(to, how)
    }
}

#[cfg(test)]
mod tests;
