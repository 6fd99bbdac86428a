//! How media time lies on stream time and on wall time, at any Scale and Speed (RFC 2326 sections 12.34 and 12.35).

use std::time::{Duration, Instant};

use crate::time::MediaTime;

/// Stream time between the last sample before a seek and the first one after it: about a picture, so that no two
/// pictures share a timestamp.
const SEEK_GAP: MediaTime = MediaTime::from_millis(40);

/// How fast a recording passes, and which way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Media time that passes in a second of stream time: 2 is fast forward, 0.5 slow motion, negative backwards.
    /// Never 0. RTP timestamps count stream time, so at a scale of 2 they tell half of what lies between two pictures.
    pub scale: f64,
    /// Stream time that is delivered in a second of wall time, above 0. It leaves timestamps as they are.
    pub speed: f64,
}

impl Rate {
    /// As it was recorded.
    pub const NORMAL: Self = Self::new(1.0, 1.0);

    /// Scale and Speed as RFC 2326 has them.
    pub const fn new(scale: f64, speed: f64) -> Self {
        Self { scale, speed }
    }

    /// Whether time runs towards the start of the recording.
    pub fn is_backwards(self) -> bool {
        self.scale < 0.0
    }

    /// Whether media time `a` comes before `b` the way that time runs.
    pub fn is_before(self, a: MediaTime, b: MediaTime) -> bool {
        if self.is_backwards() { a > b } else { a < b }
    }

    /// Of two media times, the one that comes first the way that time runs.
    pub fn earlier(self, a: MediaTime, b: MediaTime) -> MediaTime {
        if self.is_before(b, a) { b } else { a }
    }

    /// Media time that passes in a second of wall time; negative is backwards.
    pub fn of_wall(self) -> f64 {
        self.scale * self.speed
    }
}

/// How media time lies on stream time and on wall time.
#[derive(Debug, Clone, Copy)]
pub struct Timeline {
    pub rate: Rate,
    /// Media time of the last seek or change of scale...
    media_start: MediaTime,
    /// ...and the stream time that was given to it. A pause leaves both alone, so that no rounding comes into the
    /// timestamps of what follows.
    stream_start: MediaTime,
    /// Media time of the last start, be it after a seek or after a pause...
    paced_start: MediaTime,
    /// ...and the wall time at which it was due.
    wall_start: Instant,
    /// The latest stream time at which any sample was stamped.
    stream_latest: Option<MediaTime>,
    /// Of all samples since the last seek, the latest presentation time, the way that time runs.
    pts_latest: MediaTime,
    /// How long in all was waited for a recorder.
    held_up: Duration,
}

impl Timeline {
    /// The start of the recording is the start of the stream, and due at `now`.
    pub fn new(now: Instant) -> Self {
        Self {
            rate: Rate::NORMAL,
            media_start: MediaTime::ZERO,
            stream_start: MediaTime::ZERO,
            paced_start: MediaTime::ZERO,
            wall_start: now,
            stream_latest: None,
            pts_latest: MediaTime::ZERO,
            held_up: Duration::ZERO,
        }
    }

    /// When media time `at` is due.
    pub fn due(&self, at: MediaTime) -> Instant {
        self.wall_start + (at - self.paced_start).over(self.rate.of_wall()).to_duration()
    }

    /// Media time that is due at `now`.
    pub fn position(&self, now: Instant) -> MediaTime {
        let elapsed = MediaTime::from_duration(now.saturating_duration_since(self.wall_start));
        self.paced_start + elapsed.times(self.rate.of_wall())
    }

    /// Media time of the latest picture that was sent since the last seek, the way that time runs.
    pub fn pts_latest(&self) -> MediaTime {
        self.pts_latest
    }

    /// Media time of the last seek or change of scale.
    pub fn media_start(&self) -> MediaTime {
        self.media_start
    }

    /// Whether `at` does not come before the last start.
    pub fn is_after_start(&self, at: MediaTime) -> bool {
        !self.rate.is_before(at, self.paced_start)
    }

    /// Wall time at which `at`, a moment of wall time, would have come had the stream been delivered in real time.
    ///
    /// A sender report that pairs timestamps with it tells a clock that runs as fast as the timestamps do. With the
    /// true one, receivers that count on from a report at the nominal clock rate would be ahead by the next, and jump.
    /// The same goes for the time that a recorder was waited for: FFmpeg would take it for a hole in the recording.
    pub fn in_real_time(&self, at: Instant) -> Instant {
        let elapsed = at.saturating_duration_since(self.wall_start);
        let come = self.wall_start + MediaTime::from_duration(elapsed).times(self.rate.speed).to_duration();
        come.checked_sub(self.held_up).unwrap_or(come)
    }

    /// The RTP ticks of media time `at`, from the start of the stream. Both ends of the difference are whole ticks, so
    /// that equal steps of media time are equal steps of RTP time after a seek, too.
    pub fn ticks(&self, at: MediaTime, clock_rate: u32) -> i64 {
        let start = self.stream_start.to_ticks(clock_rate);
        if self.rate.scale == 1.0 {
            return start + (at.to_ticks(clock_rate) - self.media_start.to_ticks(clock_rate));
        }
        start + (at - self.media_start).over(self.rate.scale).to_ticks(clock_rate)
    }

    /// Goes on from media time `start`, which is due at `wall`; timestamps run on as they did.
    pub fn resume(&mut self, start: MediaTime, wall: Instant) {
        self.paced_start = start;
        self.wall_start = wall;
    }

    /// The start is due at `wall` instead.
    pub fn start_at(&mut self, wall: Instant) {
        self.wall_start = wall;
    }

    /// Everything is due so much later.
    pub fn delay(&mut self, by: Duration) {
        self.wall_start += by;
    }

    /// Everything is due so much later, as a recorder had to be waited for.
    pub fn hold_up(&mut self, by: Duration) {
        self.delay(by);
        self.held_up += by;
    }

    /// Gives media time `start` the next stream time that is free. `first` is the earliest time at which anything is
    /// shown that follows: priming samples, and pictures that precede a key frame, lie before `start` all the same.
    pub fn stamp_anew(&mut self, start: MediaTime, first: MediaTime) {
        if let Some(latest) = self.stream_latest {
            self.stamp_from(latest + SEEK_GAP, start, first);
        } else {
            self.media_start = start;
            self.pts_latest = start;
        }
    }

    /// As [`Self::stamp_anew`], so that what follows is due, and stamped, right after media time `end` of what went
    /// `before`.
    pub fn follow(&mut self, before: &Self, end: MediaTime, start: MediaTime, first: MediaTime) {
        let stream_end = before.stream_time(end);
        // Pictures that others refer to may have been sent though they are shown after the end.
        let free = self.stream_latest.filter(|latest| *latest >= stream_end).map(|latest| latest + SEEK_GAP);
        self.stamp_from(free.unwrap_or(stream_end), start, first);
        let gap = (self.stream_start - stream_end).over(self.rate.speed);
        self.resume(start, before.due(end) + gap.to_duration());
    }

    /// Nothing from `first` on is stamped before stream time `free`.
    fn stamp_from(&mut self, free: MediaTime, start: MediaTime, first: MediaTime) {
        self.stream_start = free + (start - first).over(self.rate.scale).max(MediaTime::ZERO);
        self.media_start = start;
        self.pts_latest = start;
    }

    /// A sample that is shown at `pts` has been stamped.
    pub fn note_stamped(&mut self, pts: MediaTime) {
        self.stream_latest = self.stream_latest.max(Some(self.stream_time(pts)));
        if self.rate.is_before(self.pts_latest, pts) {
            self.pts_latest = pts;
        }
    }

    fn stream_time(&self, at: MediaTime) -> MediaTime {
        self.stream_start + (at - self.media_start).over(self.rate.scale)
    }
}
