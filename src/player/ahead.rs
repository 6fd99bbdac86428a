//! The samples after those sent, read so that disk latency falls into the time before they are due: one, or some more
//! near the end of a range.

use std::collections::VecDeque;

use super::feed::Feed;
use super::timeline::Rate;
use crate::media::{Error, Kind, Next, Sample, Track};
use crate::time::MediaTime;

/// How many samples are read ahead to learn whether a picture that is shown after the end is needed before it. Decoders
/// hold back 16 pictures at most (ITU-T H.264 and H.265 annex A); the others are sound between them.
const LOOK_AHEAD_MAX: usize = 96;

/// What becomes of the next sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Send,
    /// It is shown after the end, be it of the range or of its track, and nothing before the end needs it.
    Drop,
    /// It is shown after the pause point, and nothing before that needs it.
    Hold,
    /// The samples behind it tell.
    Unknown,
    /// It, and all behind it, come after the end or the pause point.
    End,
}

/// Where playback is to stop.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub rate: Rate,
    /// The end of the range.
    pub end: Option<MediaTime>,
    /// The pause point.
    pub pause_at: Option<MediaTime>,
}

impl Bounds {
    /// The first of them, the way that time runs.
    pub fn first(&self) -> Option<MediaTime> {
        self.end.into_iter().chain(self.pause_at).reduce(|a, b| self.rate.earlier(a, b))
    }
}

/// Samples that were read and not sent.
pub struct Ahead {
    pub feed: Feed,
    samples: VecDeque<Sample>,
    /// Those that come after a pause point, and precede the others when it is passed.
    held: VecDeque<Sample>,
    /// Nothing comes after those.
    is_all_read: bool,
    /// Room for the next sample.
    spare: Sample,
}

impl Ahead {
    pub fn new(feed: Feed) -> Self {
        let (samples, held) = Default::default();
        Self { feed, samples, held, is_all_read: false, spare: Sample::default() }
    }

    /// Forgets what was read; the reader has been, or will be, moved.
    pub fn clear(&mut self) {
        self.samples.clear();
        self.held.clear();
        self.is_all_read = false;
    }

    /// The next sample.
    pub fn first(&self) -> Option<&Sample> {
        self.samples.front()
    }

    /// Takes the next sample.
    pub fn take_first(&mut self) -> Option<Sample> {
        self.samples.pop_front()
    }

    /// Whether there is room for another sample, so that none need be allocated.
    pub fn has_spare(&self) -> bool {
        self.spare.data.capacity() > 0
    }

    /// Gives back a sample's buffers.
    pub fn reuse(&mut self, sample: Sample) {
        self.spare = sample;
    }

    /// Reads one more sample.
    ///
    /// # Errors
    /// When nothing more can be read.
    pub fn read(&mut self) -> Result<Next, Error> {
        let mut sample = std::mem::take(&mut self.spare);
        let read = self.feed.next(&mut sample);
        match read {
            Ok(Next::Sample) => self.samples.push_back(sample),
            _ => self.spare = sample,
        }
        self.is_all_read = matches!(read, Ok(Next::End));
        read
    }

    /// As [`Self::read`], a sample of the selected tracks that starts at or behind `at`. The reader must be moved next.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_near(&mut self, at: MediaTime) -> Result<(), Error> {
        let mut sample = Sample::default();
        if let Next::Sample = self.feed.read_near(at, &mut sample)? {
            self.samples.push_back(sample);
        }
        Ok(())
    }

    /// When the first of the samples is decoded.
    pub fn first_dts(&self) -> Option<MediaTime> {
        self.samples.iter().map(|sample| sample.dts).min()
    }

    /// Leaves out the next sample.
    pub fn drop_first(&mut self) {
        if let Some(sample) = self.samples.pop_front() {
            self.spare = sample;
        }
    }

    /// Keeps the next sample until playback goes on behind the pause point.
    pub fn hold_first(&mut self) {
        self.held.extend(self.samples.pop_front());
    }

    /// The pause point has been passed.
    pub fn release(&mut self) {
        while let Some(sample) = self.held.pop_back() {
            self.samples.push_front(sample);
        }
    }

    /// Whether the next sample is wanted. A picture that is shown at or after the range's end is only if one that is
    /// decoded later is shown before it: it may refer to that picture.
    pub fn fate_of_first(&self, bounds: &Bounds, tracks: &[Track]) -> Fate {
        let mut ahead = self.samples.iter();
        let Some(sample) = ahead.next() else {
            return if self.is_all_read { Fate::End } else { Fate::Unknown };
        };
        let stop = bounds.first();
        let track = &tracks[sample.track];
        if self.feed.key_frames().is_some() {
            let is_cut_off = track.shown_until.is_some_and(|until| sample.pts >= until);
            return match stop.is_some_and(|stop| !bounds.rate.is_before(sample.pts, stop)) {
                true => Fate::End,
                false if is_cut_off => Fate::Drop,
                false => Fate::Send,
            };
        }
        let shown_until = stop.into_iter().chain(track.shown_until).min();
        let Some(shown_until) = shown_until.filter(|until| sample.pts >= *until) else { return Fate::Send };
        let ends = |other: &Sample| stop.is_some_and(|stop| other.dts >= stop);
        let is_held = track.shown_until.into_iter().chain(bounds.end).all(|until| sample.pts < until);
        let out = if is_held { Fate::Hold } else { Fate::Drop };
        if ends(sample) {
            Fate::End
        } else if track.kind() == Kind::Audio || sample.dts >= shown_until {
            out
        } else if ahead.clone().any(|later| later.track == sample.track && later.pts < shown_until) {
            Fate::Send
        } else if self.is_all_read || ahead.any(|later| later.dts >= shown_until) {
            out
        } else if self.samples.len() >= LOOK_AHEAD_MAX {
            Fate::Send
        } else {
            Fate::Unknown
        }
    }
}
