//! One viewer's way through a recording that is read forward.

use std::sync::Arc;

use super::super::{Error, Kind, Next, Reader, Sample, SeekTo};
use super::interleave::Interleaver;
use super::recording::{Scanned, is_start};
use super::search::{Goal, Landing};
use super::{Entry, Scanner};
use crate::time::MediaTime;

/// How much is read to reach the sample that a seek goes to, in bytes.
const REACH_LEN_MAX: u64 = 64 << 20;

/// How much earlier a sample may seem when it is counted from another place.
const ROUNDING: MediaTime = MediaTime::from_nanos(20_000);
/// The same of a picture without a time stamp of its own, which is put between others that have one: less than from one
/// picture to the next, and key frames are further apart.
const PICTURE_ROUNDING: MediaTime = MediaTime::from_millis(24);

/// The cursor.
pub struct ScannedReader {
    recording: Arc<Scanned>,
    scanner: Box<dyn Scanner>,
    lanes: Interleaver,
    cut: Option<Cut>,
    /// Nothing comes after what is held: the end, or a fault that is told once.
    is_over: bool,
    fault: Option<Error>,
    /// Damage met while a seek was under way.
    skipped: Option<Error>,
}

/// What is left out after a seek: all that comes before the time it went to.
struct Cut {
    time: MediaTime,
    /// Of each track: nothing is left out any more.
    is_open: Vec<bool>,
}

impl Cut {
    fn lets_pass(&mut self, sample: &Sample, kind: Kind) -> bool {
        let is_open = &mut self.is_open[sample.track];
        let rounding = if kind == Kind::Video { PICTURE_ROUNDING } else { ROUNDING };
        *is_open = *is_open || is_start(sample, kind) && sample.pts + rounding >= self.time;
        *is_open
    }
}

impl ScannedReader {
    /// A cursor at the start.
    pub fn new(recording: Arc<Scanned>) -> Self {
        let scanner = recording.scan(recording.start());
        let lanes = Interleaver::new(recording.header_tracks());
        Self { recording, scanner, lanes, cut: None, is_over: false, fault: None, skipped: None }
    }

    /// Reads on from `entry`.
    fn go_to(&mut self, entry: Entry, cut: Option<Cut>) {
        self.scanner = self.recording.scan(entry);
        self.lanes.clear();
        self.cut = cut;
        self.is_over = false;
        (self.fault, self.skipped) = (None, None);
    }

    /// Takes in one more sample of the file. [`Next::Sample`] is also what was left out.
    fn read(&mut self) -> Next {
        let mut sample = self.lanes.spare();
        let next = match self.scanner.next(&mut sample) {
            Ok(Next::Pending) if !self.recording.may_grow() => {
                self.scanner.finish();
                self.scanner.next(&mut sample)
            }
            next => next,
        };
        match next {
            Ok(Next::Sample) if self.is_wanted(&sample) => self.lanes.push(sample),
            Ok(next) => {
                self.is_over = matches!(next, Next::End);
                self.lanes.give_back(sample);
                return next;
            }
            Err(error) => {
                self.fault = Some(error);
                self.is_over = true;
                return Next::End;
            }
        }
        Next::Sample
    }

    fn is_wanted(&mut self, sample: &Sample) -> bool {
        let kind = self.recording.kind(sample.track);
        self.lanes.is_wanted(sample.track) && self.cut.as_mut().is_none_or(|cut| cut.lets_pass(sample, kind))
    }

    /// Goes to the very first sample.
    fn rewind(&mut self) -> MediaTime {
        self.go_to(self.recording.start(), None);
        let first = loop {
            if let Some(sample) = self.lanes.pop(self.is_over) {
                let earliest = self.lanes.earliest().map_or(sample.pts, |earliest| earliest.min(sample.pts));
                self.lanes.put_back(sample);
                break earliest;
            }
            if self.is_over {
                break MediaTime::ZERO;
            }
            match self.read() {
                Next::Skipped(error) => self.skipped = self.skipped.take().or(Some(error)),
                Next::Pending => break self.lanes.earliest().unwrap_or_default(),
                Next::Sample | Next::End => {}
            }
        };
        first.max(MediaTime::ZERO)
    }

    /// Goes to where `landing` says, and on until there is what was sought.
    fn land(&mut self, track: usize, landing: Landing) -> Result<(), Error> {
        let Landing { from, time } = landing;
        let is_open = vec![false; self.recording.track_count()];
        self.go_to(from, Some(Cut { time, is_open }));
        while self.lanes.is_wanted(track)
            && !self.cut.as_ref().is_some_and(|cut| cut.is_open[track])
            && self.scanner.position().saturating_sub(from.at) < REACH_LEN_MAX
        {
            match self.read() {
                Next::Skipped(error) => self.skipped = self.skipped.take().or(Some(error)),
                Next::Sample => {}
                Next::Pending | Next::End => break,
            }
        }
        self.fault.take().map_or(Ok(()), Err)
    }
}

impl Reader for ScannedReader {
    fn select(&mut self, track: usize, wanted: bool) {
        self.lanes.select(track, wanted);
    }

    fn next(&mut self, sample: &mut Sample) -> Result<Next, Error> {
        self.lanes.give_back(std::mem::take(sample));
        loop {
            if let Some(error) = self.skipped.take() {
                return Ok(Next::Skipped(error));
            }
            if let Some(next) = self.lanes.pop(self.is_over) {
                *sample = next;
                return Ok(Next::Sample);
            }
            if self.is_over || self.lanes.is_idle() {
                return self.fault.take().map_or(Ok(Next::End), Err);
            }
            match self.read() {
                Next::Sample | Next::End => {}
                other => return Ok(other),
            }
        }
    }

    fn seek(&mut self, to: MediaTime, how: SeekTo) -> Result<MediaTime, Error> {
        let is_video = |track: &usize| self.recording.kind(*track) == Kind::Video;
        let track = self.lanes.wanted().find(is_video).or(self.lanes.wanted().next());
        let track = track.unwrap_or(self.recording.seek_track());
        let landing = match to > MediaTime::ZERO {
            true => self.recording.find(&Goal { track, to, how })?,
            false => None,
        };
        let Some(landing) = landing else { return Ok(self.rewind()) };
        self.land(track, landing)?;
        Ok(landing.time)
    }
}
