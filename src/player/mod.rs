//! When which packet is due (sans-IO: `now` is an argument). One [`Player`] is one viewer's playback of a recording:
//! play, seek, pause, resume, end; fast, slow and backwards. It hands out packets; sending them is the transport's
//! business.
//!
//! Three timelines meet here. *Media time* is the recording's own. *Stream time* is what RTP timestamps count: it
//! starts at 0 with the first PLAY and has no jumps, whatever is sought (RFC 2326 appendix B). *Wall time* says when
//! a sample leaves: paced by its decode time, up to [`Pacing::lead`] early, never late by design. How they lie to each
//! other is in `timeline`, where playback starts in `start`, what is read in `feed` and `ahead`, what leaves in `outbox`.

mod ahead;
mod feed;
mod outbox;
mod start;
mod timeline;

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::media::{self, Next, Recording};
use crate::rtp::{PacketBatch, Payloader, RtpStream};
use crate::time::MediaTime;
use ahead::{Ahead, Bounds, Fate};
use feed::Feed;
use outbox::{Outbox, Output};
pub use timeline::Rate;
use timeline::Timeline;

/// How far behind its time a sample may leave before the whole timetable is moved, rather than caught up with.
const LATENESS_MAX: Duration = Duration::from_secs(2);
/// How long after the last sample's end the client of a datagram track is told that it was the last. FFmpeg reads RTCP
/// before RTP and ends at the goodbye, whatever it has not read yet; on a busy machine that is half a second's worth.
const END_GRACE: Duration = Duration::from_millis(1000);
/// The last sample is not shown longer than this, whatever the recording's duration says.
const LAST_SAMPLE_MAX: Duration = Duration::from_millis(1000);
/// How long to wait before looking again for what a recorder is still writing.
const GROWING_POLL: Duration = Duration::from_millis(100);
/// Pictures a second of a track that does not tell.
const FRAME_RATE_GUESS: f64 = 30.0;
/// How far a start may lie behind the recording's end, and an end before it, and count as the recording's end: what
/// clients know of it has been rounded.
const END_SLACK: MediaTime = MediaTime::from_millis(1);
/// The most ranges that wait for their turn.
const QUEUE_MAX: usize = 32;

/// How samples are spread over time.
#[derive(Debug, Clone, Copy)]
pub struct Pacing {
    /// How long before its time a sample may leave: all that is due within it goes out in one wake.
    pub lead: Duration,
    /// The most packets of a datagram track that leave at once; the rest of a large key frame follows in steps of
    /// [`Self::burst_gap`], so that it does not drown a small receiver.
    pub burst_packets: usize,
    /// The pause between two bursts of one sample.
    pub burst_gap: Duration,
    /// The fastest Scale either way; its inverse is the slowest.
    pub scale_max: f64,
    /// The highest Speed; its inverse is the lowest.
    pub speed_max: f64,
    /// The most pictures a second that a client is taken to decode. Where fast forward would need more, it gets key
    /// frames only.
    pub picture_rate_max: f64,
    /// The most key frames a second, where nothing else is sent.
    pub key_frame_rate_max: f64,
}

impl Default for Pacing {
    fn default() -> Self {
        Self {
            lead: Duration::from_millis(80),
            burst_packets: 90,
            burst_gap: Duration::from_millis(2),
            scale_max: 100.0,
            speed_max: 16.0,
            picture_rate_max: 60.0,
            key_frame_rate_max: 25.0,
        }
    }
}

/// What is to be done now.
#[derive(Debug)]
pub enum Step<'a> {
    /// Nothing until then.
    Wait(Instant),
    /// The first packets of a track since PLAY come next. A receiver wants a sender report before them: without it
    /// it does not know how the tracks lie to each other, and it ignores one that is older than the first packet.
    Begin {
        /// Index of the track.
        track: usize,
        /// When its first sample is shown.
        shown: Instant,
    },
    /// These packets of the batch are due.
    Send {
        /// Index of the track.
        track: usize,
        /// The packets of a sample.
        batch: &'a PacketBatch,
        /// Which of them.
        packets: Range<usize>,
    },
    /// Damage in the recording was stepped over.
    Skipped(media::Error),
    /// Everything was sent, up to the end of the recording or of the range asked for.
    Ended,
    /// The point was reached that [`Player::pause_at`] named.
    Paused,
    /// Not playing: nothing will be due before the next [`Player::play`].
    Idle,
}

/// What is to be played, and how.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct PlayRequest {
    /// From where; `None`: from where it stopped.
    pub start: Option<MediaTime>,
    /// Up to where; `None`: to the end, or to that of the range that goes on.
    pub end: Option<MediaTime>,
    /// As fast as this, if it can be granted. `None`: as it plays, or at normal rate.
    pub rate: Option<Rate>,
    /// Nothing leaves before its time as counted from here.
    pub not_before: Option<Instant>,
    /// Of a track that is not sent at this rate, one sample is: some clients show nothing before every track has begun.
    pub all_begin: bool,
}

/// Where and how playback really starts, for the response to PLAY.
#[derive(Debug, Clone, PartialEq)]
pub struct PlayPoint {
    /// The media time of `rtptime`, below.
    pub start: MediaTime,
    /// The end that was asked for, if it is one before the recording's own.
    pub end: Option<MediaTime>,
    /// The rate that was granted.
    pub rate: Rate,
    /// For each track that plays: index, sequence number of its next packet, RTP timestamp of [`Self::start`].
    /// Nothing, when the range waits for its turn.
    pub tracks: Vec<(usize, u16, u32)>,
}

/// Why something cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum PlayError {
    /// The place cannot be read.
    #[error(transparent)]
    Media(#[from] media::Error),
    /// It is not in the recording, has passed, or runs the other way.
    #[error("invalid range")]
    Range,
    /// Too many ranges wait already.
    #[error("too many ranges wait for their turn")]
    QueueFull,
}

/// One viewer's playback. Starts paused, with no tracks.
pub struct Player {
    recording: Arc<dyn Recording>,
    ahead: Ahead,
    outbox: Outbox,
    pacing: Pacing,
    state: State,
    /// Damage that [`Self::play`] came upon, to be told by [`Self::poll`].
    skipped: Option<media::Error>,
    clock: Timeline,
    end: Option<MediaTime>,
    pause_at: Option<MediaTime>,
    /// Ranges that are played after this one (RFC 2326 section 10.5).
    queue: VecDeque<Part>,
    not_before: Option<Instant>,
    /// Where to go on, if the reader stands there: not before the first PLAY, after the end and after a failure.
    resume: Option<Resume>,
    /// All that a recorder has written has been read; the next sample may be late for no fault of ours.
    is_at_edge: bool,
}

/// A part of the recording that is to be played, and at which rate.
#[derive(Debug, Clone, Copy)]
struct Part {
    /// `None`: from where playback stands, or the beginning.
    start: Option<MediaTime>,
    /// `None`: to the end of the recording.
    end: Option<MediaTime>,
    rate: Rate,
    /// As [`PlayRequest::all_begin`].
    all_begin: bool,
}

/// Where playback goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Resume {
    /// With the next sample.
    Next,
    /// At the pause point that was reached.
    At(MediaTime),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Paused,
    /// PLAY was answered; packets wait for [`Player::run`].
    Armed,
    Running,
}

impl Player {
    /// A player of `recording`, at its start. `now` only anchors the timeline.
    ///
    /// # Errors
    /// When the recording can no longer be read.
    pub fn new(recording: Arc<dyn Recording>, pacing: Pacing, now: Instant) -> Result<Self, media::Error> {
        let mut feed = Feed::new(Arc::clone(&recording).reader()?);
        let track_count = recording.tracks().len();
        for track in 0..track_count {
            feed.select(track, false);
        }
        Ok(Self {
            recording,
            ahead: Ahead::new(feed),
            outbox: Outbox::new(track_count),
            pacing,
            state: State::Paused,
            skipped: None,
            clock: Timeline::new(now),
            end: None,
            pause_at: None,
            queue: VecDeque::new(),
            not_before: None,
            resume: None,
            is_at_edge: false,
        })
    }

    /// Adds a track, or replaces how it goes out. `first_rtptime` is the random start of its timestamps;
    /// `is_datagram` says that bursts must be limited.
    ///
    /// # Panics
    /// If the recording has no such track.
    pub fn add_track(
        &mut self,
        track: usize,
        payloader: Box<dyn Payloader>,
        stream: RtpStream,
        first_rtptime: u32,
        is_datagram: bool,
    ) {
        self.outbox.drop_unsent(track);
        self.outbox.outputs[track] = Some(Output::new(payloader, stream, first_rtptime, is_datagram));
    }

    /// Replaces where a track goes: whether that is datagrams, and how long its packets may be. All else goes on.
    pub fn move_track(&mut self, track: usize, is_datagram: bool, packet_len_max: usize) {
        if let Some(output) = &mut self.outbox.outputs[track] {
            output.is_datagram = is_datagram;
            output.has_begun = false;
        }
        self.limit_packets(track, packet_len_max);
    }

    /// Limits the packets of a track to `packet_len_max` bytes, from the next sample on.
    pub fn limit_packets(&mut self, track: usize, packet_len_max: usize) {
        if let Some(output) = &mut self.outbox.outputs[track] {
            output.stream.limit_packets(packet_len_max);
        }
    }

    /// Takes a track out.
    pub fn remove_track(&mut self, track: usize) {
        self.outbox.drop_unsent(track);
        self.outbox.outputs[track] = None;
        self.ahead.feed.select(track, false);
        if self.active_tracks().next().is_none() {
            self.stop();
        }
    }

    /// The state of a track's packet headers, for RTCP.
    pub fn stream(&self, track: usize) -> Option<&RtpStream> {
        self.outbox.outputs[track].as_ref().map(|output| &output.stream)
    }

    /// Whether PLAY was answered and not all was sent or paused.
    pub fn is_playing(&self) -> bool {
        self.state != State::Paused
    }

    /// The tracks that play, by index. At another Scale than 1 those with sound are among them, and are silent.
    pub fn active_tracks(&self) -> impl Iterator<Item = usize> {
        self.outbox.active()
    }

    /// Prepares playback of `tracks`; packets leave after [`Self::run`]. Tracks that already play go on playing.
    ///
    /// A range that starts at or behind the end of the one that plays waits for its turn, if that end was asked for.
    ///
    /// # Errors
    /// When the range is not one of this recording; all is then as before. When the place cannot be read; playback is
    /// then paused.
    pub fn play(&mut self, tracks: &[usize], request: &PlayRequest, now: Instant) -> Result<PlayPoint, PlayError> {
        let position = self.position(now);
        let part = self.part(tracks, request, position)?;
        if self.must_wait(&part) {
            return self.enqueue(part);
        }
        self.activate(tracks);
        let goes_on = request.start.is_none() && self.resume.is_some();
        // Faster key frames are fewer of them.
        let is_same = part.rate.scale == self.clock.rate.scale && self.is_read_as_at(part.rate);
        if goes_on && self.state == State::Running && is_same {
            return Ok(self.change_speed(part, position, now));
        }
        self.queue.clear();
        self.pause_at = None;
        self.state = State::Paused;
        let start = match self.resume {
            Some(resume) if goes_on => self.go_on(part, resume, position)?,
            _ => self.seek(part)?,
        };
        self.clock.resume(start, now);
        self.outbox.begin_anew();
        self.not_before = request.not_before;
        self.state = State::Armed;
        Ok(self.play_point(start))
    }

    /// Lets packets leave; the response to PLAY is on its way.
    pub fn run(&mut self, now: Instant) {
        if self.state == State::Armed {
            self.clock.start_at(self.not_before.map_or(now, |not_before| now.max(not_before)));
            self.state = State::Running;
        }
    }

    /// Stops `tracks`; [`Self::play`] resumes with the very next sample. Once all have stopped, ranges that wait for
    /// their turn are forgotten (RFC 2326 section 10.6).
    pub fn pause(&mut self, tracks: &[usize]) {
        for track in tracks {
            if let Some(output) = &mut self.outbox.outputs[*track] {
                output.is_active = false;
            }
        }
        // Deselecting skips a track while others play on. A paused whole keeps all of them, to resume without loss.
        if self.active_tracks().next().is_none() {
            self.stop();
        } else {
            tracks.iter().for_each(|track| self.outbox.drop_unsent(*track));
            self.select();
        }
    }

    /// Stops everything when playback reaches `at`, in this range or in one that waits for its turn.
    ///
    /// # Errors
    /// When it reaches that point in none of them, or has passed it; all is then as before.
    pub fn pause_at(&mut self, at: MediaTime, now: Instant) -> Result<(), PlayError> {
        let current = Part { start: Some(self.position(now)), ..self.current() };
        let lies_in = |part: &Part| {
            let end = part.end.or(self.end_of_recording(part.rate));
            let is_behind = part.start.is_some_and(|start| part.rate.is_before(at, start));
            !is_behind && end.is_none_or(|end| !part.rate.is_before(end, at))
        };
        if !self.is_playing() || !std::iter::once(&current).chain(&self.queue).any(lies_in) {
            return Err(PlayError::Range);
        }
        self.pause_at = Some(at);
        Ok(())
    }

    /// What is to be done at `now`. Call again until it waits.
    ///
    /// # Errors
    /// When the recording cannot be read any further; playback has then ended.
    pub fn poll(&mut self, now: Instant) -> Result<Step<'_>, media::Error> {
        if self.state != State::Running {
            return Ok(Step::Idle);
        }
        if self.outbox.unsent_pts().is_none() {
            if let Some(error) = self.skipped.take() {
                return Ok(Step::Skipped(error));
            }
            if let Some(step) = self.prepare(now)? {
                return Ok(step);
            }
        }
        Ok(self.outbox.next_step(&self.clock, &self.pacing, now).unwrap_or(Step::Wait(now)))
    }

    /// The RTP timestamp of `track` that stands for the wall time `now`, for a sender report.
    pub fn rtptime_at(&self, track: usize, now: Instant) -> Option<u32> {
        let output = self.outbox.outputs[track].as_ref()?;
        Some(output.rtptime(&self.clock, self.clock.position(now)))
    }

    /// Ticks of a track's RTP clock in milliseconds.
    pub fn ticks_to_millis(&self, track: usize, ticks: u32) -> Option<f64> {
        let output = self.outbox.outputs[track].as_ref()?;
        Some(f64::from(ticks) * 1000.0 / f64::from(output.clock_rate()))
    }

    /// The time that a sender report of the wall time `now` must tell: see `Timeline::in_real_time`.
    pub fn report_time(&self, now: Instant) -> Instant {
        self.clock.in_real_time(now)
    }

    // Playing

    /// Makes packets of the next sample that is due. A step, if that is to be taken instead.
    fn prepare(&mut self, now: Instant) -> Result<Option<Step<'static>>, media::Error> {
        while self.outbox.unsent_pts().is_none() {
            match self.ahead.fate_of_first(&self.bounds(), self.recording.tracks()) {
                Fate::Unknown => {
                    if let Some(step) = self.read_ahead(now)? {
                        return Ok(Some(step));
                    }
                }
                Fate::End => {
                    if let Some(step) = self.reach_end(now)? {
                        return Ok(Some(step));
                    }
                }
                Fate::Drop => self.ahead.drop_first(),
                Fate::Hold => self.ahead.hold_first(),
                Fate::Send => {
                    if let Some(due) = self.due_of_next(now) {
                        return Ok(Some(Step::Wait(due)));
                    }
                    if let Some(sample) = self.ahead.take_first() {
                        let before = self.outbox.packetize(sample, &mut self.clock, now);
                        self.ahead.reuse(before);
                    }
                }
            }
        }
        Ok(None)
    }

    fn bounds(&self) -> Bounds {
        let rate = self.clock.rate;
        let is_in_this_part = |at: &MediaTime| !rate.is_before(*at, self.clock.media_start());
        Bounds { rate, end: self.end, pause_at: self.pause_at.filter(is_in_this_part) }
    }

    /// Reads one more sample. A step, if that is to be taken instead.
    fn read_ahead(&mut self, now: Instant) -> Result<Option<Step<'static>>, media::Error> {
        match self.read() {
            Ok(Next::Sample | Next::End) => Ok(None),
            Ok(Next::Pending) => {
                self.is_at_edge = true;
                Ok(Some(Step::Wait(now + GROWING_POLL)))
            }
            Ok(Next::Skipped(error)) => Ok(Some(Step::Skipped(error))),
            Err(error) => {
                self.finish();
                Err(error)
            }
        }
    }

    /// Reads one more sample of an active track into the queue, into the buffers of the batch once its packets have
    /// left: so one buffer serves a viewer, as a rule.
    fn read(&mut self) -> Result<Next, media::Error> {
        if !self.ahead.has_spare()
            && let Some(sample) = self.outbox.free_sample()
        {
            self.ahead.reuse(sample);
        }
        self.ahead.read()
    }

    /// When the next sample is due; `None` if it may leave now.
    fn due_of_next(&mut self, now: Instant) -> Option<Instant> {
        let sample = self.ahead.first()?;
        let at = if self.ahead.feed.key_frames().is_some() { sample.pts } else { sample.dts };
        let due = self.clock.due(at);
        // At the edge of a growing file nothing is caught up with either: it comes a second's worth at a time, which
        // would leave in a burst each time.
        let is_at_edge = std::mem::take(&mut self.is_at_edge);
        if now > due && self.clock.is_after_start(at) {
            match now - due {
                late if is_at_edge => self.clock.hold_up(late),
                late if late > LATENESS_MAX => self.clock.delay(late),
                _ => {}
            }
        }
        (due > now + self.lead()).then_some(due)
    }

    /// How early samples leave now: where they come faster, no more of them at once.
    fn lead(&self) -> Duration {
        self.pacing.lead.div_f64(self.clock.rate.of_wall().abs().max(1.0))
    }

    // Stopping

    /// There is nothing more to be sent of this part: the next one follows, or a pause, or the end.
    fn reach_end(&mut self, now: Instant) -> Result<Option<Step<'static>>, media::Error> {
        let bounds = self.bounds();
        if let Some(point) = bounds.pause_at.filter(|point| bounds.first() == Some(*point)) {
            let due = self.clock.due(point);
            return Ok(Some(if due > now { Step::Wait(due) } else { self.pause_there(point) }));
        }
        let Some(next) = self.queue.front().copied() else { return Ok(Some(self.finish_when_due(now))) };
        let end = self.end.unwrap_or(self.clock.pts_latest());
        let due = self.clock.due(end);
        if due > now + self.lead() {
            return Ok(Some(Step::Wait(due)));
        }
        self.queue.pop_front();
        let before = self.clock;
        match self.move_to(next) {
            Ok((start, first)) => self.clock.follow(&before, end, start, first),
            Err(error) => {
                self.finish();
                return Err(error);
            }
        }
        self.outbox.begin_anew();
        Ok(None)
    }

    /// The end, once the last sample has been shown.
    fn finish_when_due(&mut self, now: Instant) -> Step<'static> {
        let (rate, latest) = (self.clock.rate, self.clock.pts_latest());
        let shown = self.end.or(self.end_of_recording(rate)).filter(|end| rate.is_before(latest, *end));
        let shown_last = self.clock.due(latest);
        let mut due = shown.map_or(shown_last, |shown| self.clock.due(shown).min(shown_last + LAST_SAMPLE_MAX));
        if self.outbox.outputs.iter().flatten().any(|output| output.is_active && output.is_datagram) {
            due += END_GRACE;
        }
        if due > now { Step::Wait(due) } else { self.finish() }
    }

    fn finish(&mut self) -> Step<'static> {
        self.ahead.clear();
        self.stop();
        self.resume = None;
        Step::Ended
    }

    fn pause_there(&mut self, point: MediaTime) -> Step<'static> {
        self.stop();
        self.resume = Some(Resume::At(point));
        self.outbox.outputs.iter_mut().flatten().for_each(|output| output.is_active = false);
        Step::Paused
    }

    fn stop(&mut self) {
        self.state = State::Paused;
        self.queue.clear();
        self.pause_at = None;
        self.ahead.release();
    }
}

#[cfg(test)]
mod tests;
