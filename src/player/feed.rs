//! Where the player's samples come from: all that a reader gives, or key frames only, forwards or backwards.
//!
//! Key frames are what is left when a client cannot decode as many pictures as pass, and all there is backwards.
//! [`Reader::seek`] hops from one to the next, whatever the container, so what lies between is not read.

use crate::media::{Error, Next, Reader, Sample, SeekTo};
use crate::time::MediaTime;

/// Times come to the millisecond, and FFmpeg cuts off what is beyond it instead of rounding: 1.5 s is told as 1.499.
/// A key frame so close behind the time asked for is the one that was meant.
const CUT_OFF: MediaTime = MediaTime::from_millis(1);

/// A reader that gives everything or key frames only.
pub struct Feed {
    reader: Box<dyn Reader>,
    keys: Option<Keys>,
}

/// Which key frames are given.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KeyFrames {
    /// Of this track; no other is given.
    pub track: usize,
    pub is_backwards: bool,
    /// At least so much media time lies between two of them.
    pub spacing: MediaTime,
}

/// The way from key frame to key frame.
struct Keys {
    which: KeyFrames,
    /// The next one lies here or beyond.
    target: MediaTime,
    /// The reader must be moved to `target` first.
    must_hop: bool,
}

impl Feed {
    /// Everything that `reader` gives.
    pub fn new(reader: Box<dyn Reader>) -> Self {
        Self { reader, keys: None }
    }

    /// As [`Reader::select`].
    pub fn select(&mut self, track: usize, wanted: bool) {
        self.reader.select(track, wanted);
    }

    /// Which key frames are given; `None`: all samples.
    pub fn key_frames(&self) -> Option<KeyFrames> {
        self.keys.as_ref().map(|keys| keys.which)
    }

    /// Gives everything from now on, or key frames. The reader must be moved next.
    pub fn give(&mut self, key_frames: Option<KeyFrames>) {
        self.keys = key_frames.map(|which| Keys { which, target: MediaTime::ZERO, must_hop: false });
    }

    /// Moves to where playback can start at or before `to`, and returns where that is.
    ///
    /// # Errors
    /// As [`Reader::seek`].
    pub fn seek(&mut self, to: MediaTime) -> Result<MediaTime, Error> {
        let is_backwards = self.keys.as_ref().is_some_and(|keys| keys.which.is_backwards);
        let to = if is_backwards || to <= MediaTime::ZERO { to } else { to + CUT_OFF };
        let landed = self.reader.seek(to, SeekTo::SyncAtOrBefore)?;
        if let Some(keys) = &mut self.keys {
            (keys.target, keys.must_hop) = (landed, false);
        }
        Ok(landed)
    }

    /// Reads a sample that starts at or behind `at`, of the selected tracks, whatever is given otherwise. The reader must
    /// be moved next.
    ///
    /// # Errors
    /// As [`Reader::next`] and [`Reader::seek`].
    pub fn read_near(&mut self, at: MediaTime, sample: &mut Sample) -> Result<Next, Error> {
        self.reader.seek(at, SeekTo::SyncAtOrAfter)?;
        self.reader.next(sample)
    }

    /// The next key frame is the first one from `position` on, the way that time runs.
    pub fn go_on_from(&mut self, position: MediaTime) {
        if let Some(keys) = &mut self.keys {
            (keys.target, keys.must_hop) = (position, true);
        }
    }

    /// As [`Reader::next`].
    ///
    /// # Errors
    /// As [`Reader::next`] and [`Reader::seek`].
    pub fn next(&mut self, sample: &mut Sample) -> Result<Next, Error> {
        match &mut self.keys {
            None => self.reader.next(sample),
            Some(keys) if keys.which.is_backwards => keys.previous(&mut *self.reader, sample),
            Some(keys) => keys.next(&mut *self.reader, sample),
        }
    }
}

impl Keys {
    fn is_wanted(&self, sample: &Sample) -> bool {
        sample.is_sync && sample.track == self.which.track
    }

    /// Where there is no key frame after the target, the reader comes to stand at the last one; reading on from there
    /// finds the end, or what a recorder has added.
    fn next(&mut self, reader: &mut dyn Reader, sample: &mut Sample) -> Result<Next, Error> {
        if std::mem::take(&mut self.must_hop) {
            reader.seek(self.target, SeekTo::SyncAtOrAfter)?;
        }
        loop {
            match reader.next(sample)? {
                Next::Sample if self.is_wanted(sample) && sample.pts >= self.target => break,
                Next::Sample => {}
                other => return Ok(other),
            }
        }
        self.target = sample.pts + self.which.spacing;
        self.must_hop = true;
        Ok(Next::Sample)
    }

    fn previous(&mut self, reader: &mut dyn Reader, sample: &mut Sample) -> Result<Next, Error> {
        loop {
            let mut landed = self.target;
            if std::mem::take(&mut self.must_hop) {
                if self.target < MediaTime::ZERO {
                    return Ok(Next::End);
                }
                landed = reader.seek(self.target, SeekTo::SyncAtOrBefore)?;
            }
            let found = loop {
                match reader.next(sample)? {
                    Next::Sample if self.is_wanted(sample) => break true,
                    Next::Sample => {}
                    Next::End => break false,
                    other => return Ok(other),
                }
            };
            self.must_hop = true;
            if found && sample.pts <= self.target {
                self.target = self.before(sample.pts);
                return Ok(Next::Sample);
            }
            // The recording begins without a key frame, or the one that the reader stood at is damaged.
            if landed <= MediaTime::ZERO || landed > self.target {
                return Ok(Next::End);
            }
            self.target = self.before(landed);
        }
    }

    /// The target behind a key frame at `pts`. The very first picture is not left out for the sake of spacing: it is
    /// where rewinding ends.
    fn before(&self, pts: MediaTime) -> MediaTime {
        let next = pts - self.which.spacing;
        if pts > MediaTime::ZERO { next.max(MediaTime::ZERO) } else { next }
    }
}
