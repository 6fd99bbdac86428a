//! A recording that begins again when it ends, for ever: another recording, played lap after lap on one timeline.
//!
//! No time ever goes back. The next lap begins when the last sample of the lap before has lasted as long as it should,
//! on every track at once, so that sound and picture stay together. How long a lap is, is measured when the loop is
//! made: its two ends are read.

use std::sync::Arc;

use super::{Error, Indexing, Kind, Next, Note, Reader, Recording, Sample, SeekTo, Track};
use crate::time::MediaTime;

/// The most samples that are read at the start to see how each track begins.
const START_SAMPLES_MAX: usize = 2000;
/// What a track's last sample is taken to last, where nothing tells.
const LAST_SAMPLE_DEFAULT: MediaTime = MediaTime::from_millis(40);
/// A lap is no shorter than this, so that a file of next to nothing does not keep a processor busy.
const LAP_MIN: MediaTime = MediaTime::from_millis(100);

/// An endless recording, made of another one.
pub struct Looped {
    inner: Arc<dyn Recording>,
    tracks: Vec<Track>,
    lap: MediaTime,
}

impl Looped {
    /// Loops `inner`.
    ///
    /// # Errors
    /// When its ends cannot be read, or there is nothing in it.
    pub fn new(inner: Arc<dyn Recording>) -> Result<Self, Error> {
        let lap = measure(&inner)?;
        // What an edit list cuts off is left out of every lap by the reader.
        let endless = |track: &Track| Track { duration: None, shown_until: None, ..track.clone() };
        let tracks = inner.tracks().iter().map(endless).collect();
        Ok(Self { inner, tracks, lap })
    }

    /// What is looped.
    pub fn inner(&self) -> &Arc<dyn Recording> {
        &self.inner
    }
}

impl Recording for Looped {
    fn container(&self) -> &'static str {
        self.inner.container()
    }

    fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    /// It has no end.
    fn duration(&self) -> Option<MediaTime> {
        None
    }

    fn notes(&self) -> &[Note] {
        self.inner.notes()
    }

    fn indexing(self: Arc<Self>) -> Option<Box<dyn Indexing>> {
        Arc::clone(&self.inner).indexing()
    }

    fn reader(self: Arc<Self>) -> Result<Box<dyn Reader>, Error> {
        let inner = Arc::clone(&self.inner).reader()?;
        let none = vec![None; self.tracks.len()];
        let (latest, floor) = (none.clone(), none);
        Ok(Box::new(LoopedReader { looped: self, inner, lap: 0, is_lap_empty: true, latest, floor }))
    }
}

/// A cursor in an endless recording.
struct LoopedReader {
    looped: Arc<Looped>,
    inner: Box<dyn Reader>,
    /// The lap that is being read, counted from 0.
    lap: i64,
    /// All of this lap is to be read, and nothing of it was handed out yet.
    is_lap_empty: bool,
    /// The latest decode time on each track.
    latest: Vec<Option<MediaTime>>,
    /// The same when the lap began: no sample of it goes back to there.
    floor: Vec<Option<MediaTime>>,
}

impl LoopedReader {
    /// Media time at which the lap began.
    fn start(&self) -> MediaTime {
        MediaTime::from_nanos(self.looped.lap.as_nanos().saturating_mul(self.lap))
    }

    /// Moves a sample to where its lap lies; false if it is left out.
    fn place(&mut self, sample: &mut Sample) -> bool {
        let track = &self.looped.inner.tracks()[sample.track];
        // The sound before time 0 only gets a decoder started, which in later laps it is.
        let is_priming = self.lap > 0 && track.kind() == Kind::Audio && sample.pts < MediaTime::ZERO;
        if is_priming || is_cut_off(track, sample) {
            return false;
        }
        let start = self.start();
        (sample.pts, sample.dts) = (sample.pts + start, sample.dts + start);
        let latest = &mut self.latest[sample.track];
        *latest = (*latest).max(Some(sample.dts));
        // Only in a file that has grown since it was measured does a lap begin before the last one is over.
        self.floor[sample.track].is_none_or(|floor| sample.dts > floor)
    }

    /// Goes to the start of the next lap; false when that would lead nowhere.
    fn begin_next_lap(&mut self) -> Result<bool, Error> {
        if self.is_lap_empty {
            return Ok(false);
        }
        self.inner.seek(MediaTime::ZERO, SeekTo::SyncAtOrBefore)?;
        self.lap += 1;
        self.is_lap_empty = true;
        self.floor.clone_from(&self.latest);
        Ok(true)
    }
}

impl Reader for LoopedReader {
    fn select(&mut self, track: usize, wanted: bool) {
        self.inner.select(track, wanted);
    }

    fn next(&mut self, sample: &mut Sample) -> Result<Next, Error> {
        loop {
            match self.inner.next(sample)? {
                Next::Sample if self.place(sample) => {
                    self.is_lap_empty = false;
                    return Ok(Next::Sample);
                }
                Next::Sample => {}
                Next::Skipped(error) => return Ok(Next::Skipped(error)),
                // What a recorder adds comes with the next lap, if it comes at all.
                Next::End | Next::Pending => {
                    if !self.begin_next_lap()? {
                        return Ok(Next::End);
                    }
                }
            }
        }
    }

    fn seek(&mut self, to: MediaTime, how: SeekTo) -> Result<MediaTime, Error> {
        let lap_len = self.looped.lap.as_nanos();
        // Later than any sample: there is no such time, so the end of the first lap is meant.
        self.lap = if to == MediaTime::MAX { 0 } else { to.as_nanos().max(0) / lap_len };
        self.is_lap_empty = false;
        self.latest.fill(None);
        self.floor.fill(None);
        let start = self.start();
        Ok(self.inner.seek(to - start, how)? + start)
    }
}

/// Whether an edit list cuts a sample off. A picture that is shown too late but decoded in time stays: others may need
/// it.
fn is_cut_off(track: &Track, sample: &Sample) -> bool {
    let is_behind = |time: MediaTime| track.shown_until.is_some_and(|end| time >= end);
    match track.kind() {
        Kind::Audio | Kind::Text | Kind::Application => is_behind(sample.pts),
        Kind::Video => is_behind(sample.dts),
    }
}

/// Where a track begins and ends, on one of its two clocks.
#[derive(Debug, Default, Clone, Copy)]
struct Span {
    first: Option<MediaTime>,
    last: Option<MediaTime>,
}

impl Span {
    fn add(&mut self, time: MediaTime) {
        self.first = Some(self.first.map_or(time, |first| first.min(time)));
        self.last = self.last.max(Some(time));
    }

    /// From the first sample to the last.
    fn len(&self) -> MediaTime {
        self.last.unwrap_or(MediaTime::ZERO) - self.first.unwrap_or(MediaTime::ZERO)
    }
}

/// Both clocks of a track, and the step between its last two samples.
#[derive(Debug, Default, Clone, Copy)]
struct Extent {
    decoded: Span,
    shown: Span,
    latest: Option<MediaTime>,
    step: Option<MediaTime>,
}

impl Extent {
    fn add(&mut self, sample: &Sample) {
        self.decoded.add(sample.dts);
        self.shown.add(sample.pts);
        let step = self.latest.replace(sample.dts).map(|latest| sample.dts - latest);
        self.step = step.filter(|step| *step > MediaTime::ZERO).or(self.step);
    }

    /// How long a lap must be, for the next one not to begin before this one is over.
    fn lap(&self, track: &Track) -> MediaTime {
        let (Some(first), Some(last)) = (self.shown.first, self.shown.last) else { return MediaTime::ZERO };
        let last_sample = self.last_sample(track, last);
        match track.kind() {
            // What comes before time 0 is in the first lap only.
            Kind::Audio | Kind::Text | Kind::Application => last + last_sample - first.max(MediaTime::ZERO),
            Kind::Video => self.shown.len().max(self.decoded.len()) + last_sample,
        }
    }

    /// How long the last sample lasts. The track's own end knows, if it is any good: samples may differ in length.
    fn last_sample(&self, track: &Track, last: MediaTime) -> MediaTime {
        let step = self.step.unwrap_or(LAST_SAMPLE_DEFAULT);
        let until_end = track.duration.map(|end| end - last);
        let is_good =
            |left: &MediaTime| *left > MediaTime::ZERO && left.as_nanos() <= step.as_nanos().saturating_mul(4);
        until_end.filter(is_good).unwrap_or(step)
    }
}

/// How long a lap is: so long that on no track the next one begins before this one is over.
fn measure(recording: &Arc<dyn Recording>) -> Result<MediaTime, Error> {
    let mut extents = vec![Extent::default(); recording.tracks().len()];
    let mut reader = Arc::clone(recording).reader()?;
    add_samples(&mut *reader, recording, &mut extents, |extents, count| {
        count < START_SAMPLES_MAX && extents.iter().any(|extent| extent.step.is_none())
    })?;
    for extent in &mut extents {
        extent.latest = None;
    }
    // From the last key frame on; of the other tracks, from its time on.
    reader.seek(MediaTime::MAX, SeekTo::SyncAtOrBefore)?;
    add_samples(&mut *reader, recording, &mut extents, |_, _| true)?;
    let laps = extents.iter().zip(recording.tracks()).map(|(extent, track)| extent.lap(track));
    let lap = laps.max().unwrap_or(MediaTime::ZERO);
    if lap == MediaTime::ZERO {
        return Err(Error::Unsupported("there is nothing in the recording that could be looped".to_owned()));
    }
    Ok(lap.max(LAP_MIN))
}

/// Takes in what is read, as long as `goes_on`.
fn add_samples(
    reader: &mut dyn Reader,
    recording: &Arc<dyn Recording>,
    extents: &mut [Extent],
    goes_on: impl Fn(&[Extent], usize) -> bool,
) -> Result<(), Error> {
    let mut sample = Sample::default();
    let mut count = 0;
    while goes_on(extents, count) {
        match reader.next(&mut sample)? {
            Next::Sample if is_cut_off(&recording.tracks()[sample.track], &sample) => {}
            Next::Sample => extents[sample.track].add(&sample),
            Next::Skipped(_) => {}
            Next::End | Next::Pending => return Ok(()),
        }
        count += 1;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
