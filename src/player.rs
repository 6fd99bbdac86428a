//! When which packet is due (sans-IO: `now` is an argument). One [`Player`] is one viewer's playback of a recording:
//! play, seek, pause, resume, end. It hands out packets; sending them is the transport's business.
//!
//! Three timelines meet here. *Media time* is the recording's own. *Stream time* is what RTP timestamps count: it
//! starts at 0 with the first PLAY and has no jumps, whatever is sought (RFC 2326 appendix B). *Wall time* says when
//! a sample leaves: paced by its decode time, up to [`Pacing::lead`] early, never late by design.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::media::{self, Kind, Next, Reader, Recording, Sample, SeekTo};
use crate::rtp::{PacketBatch, PacketWriter, Payloader, RtpStream};
use crate::time::MediaTime;

/// How far behind its time a sample may leave before the whole timetable is moved, rather than caught up with.
const LATENESS_MAX: Duration = Duration::from_secs(2);
/// Stream time between the last sample before a seek and the first one after it: about a picture, so that no two
/// pictures share a timestamp.
const SEEK_GAP: MediaTime = MediaTime::from_millis(40);
/// How long after the last sample's end the client of a datagram track is told that it was the last. FFmpeg reads RTCP
/// before RTP and ends at the goodbye, whatever it has not read yet; on a busy machine that is half a second's worth.
const END_GRACE: Duration = Duration::from_millis(1000);
/// The last sample is not taken to last longer than this, whatever the recording's duration says.
const LAST_SAMPLE_MAX: MediaTime = MediaTime::from_millis(1000);
/// How long to wait before looking again for what a recorder is still writing.
const GROWING_POLL: Duration = Duration::from_millis(200);

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
}

impl Default for Pacing {
    fn default() -> Self {
        Self { lead: Duration::from_millis(80), burst_packets: 90, burst_gap: Duration::from_millis(2) }
    }
}

/// What is to be done now.
#[derive(Debug)]
pub enum Step<'a> {
    /// Nothing until then.
    Wait(Instant),
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
    /// Not playing: nothing will be due before the next [`Player::play`].
    Idle,
}

/// Where playback really starts, for the response to PLAY.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlayPoint {
    /// The media time of `rtptime`, below.
    pub start: MediaTime,
    /// The end that was asked for, if it is one before the recording's own.
    pub end: Option<MediaTime>,
    /// For each track that plays: index, sequence number of its next packet, RTP timestamp of [`Self::start`].
    pub tracks: Vec<(usize, u16, u32)>,
}

/// One viewer's playback. Starts paused, with no tracks.
pub struct Player {
    recording: Arc<dyn Recording>,
    reader: Box<dyn Reader>,
    outputs: Vec<Option<Output>>,
    pacing: Pacing,
    state: State,
    /// The sample after those sent; its data are at hand, so that disk latency falls into the time before it is due.
    pending: Option<Sample>,
    /// Room for the next pending sample.
    spare: Sample,
    batch: PacketBatch,
    /// Packets of `batch` that wait for their turn, and when that is.
    unsent: Option<(Range<usize>, Instant)>,
    clock: Timeline,
    end: Option<MediaTime>,
    at_end: bool,
}

/// One track on its way out.
struct Output {
    payloader: Box<dyn Payloader>,
    stream: RtpStream,
    /// RTP timestamp of stream time 0; random (RFC 3550 section 5.1).
    first_rtptime: u32,
    /// Bursts are limited: the transport has no flow control of its own.
    is_datagram: bool,
    active: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Paused,
    /// PLAY was answered; packets wait for [`Player::run`].
    Armed,
    Running,
}

/// How media time lies on stream time and on wall time.
#[derive(Debug, Clone, Copy)]
struct Timeline {
    /// Media time of the last start...
    media_start: MediaTime,
    /// ...the stream time that was given to it...
    stream_start: MediaTime,
    /// ...and the wall time at which it was due.
    wall_start: Instant,
    /// The latest stream time at which any sample was stamped.
    stream_latest: Option<MediaTime>,
    /// The latest presentation time of any sample since the last start.
    pts_latest: MediaTime,
}

impl Timeline {
    fn due(&self, dts: MediaTime) -> Instant {
        let offset = dts - self.media_start;
        self.wall_start + offset.to_duration()
    }

    /// Media time that is due at `now`.
    fn position(&self, now: Instant) -> MediaTime {
        self.media_start + MediaTime::from_duration(now.saturating_duration_since(self.wall_start))
    }
}

impl Output {
    /// The RTP timestamp of media time `at`. Both ends of the difference are whole ticks, so that equal steps of
    /// media time are equal steps of RTP time after a seek, too.
    fn rtptime(&self, clock: &Timeline, at: MediaTime) -> u32 {
        let rate = self.payloader.clock_rate();
        let ticks = clock.stream_start.to_ticks(rate) + (at.to_ticks(rate) - clock.media_start.to_ticks(rate));
        self.first_rtptime.wrapping_add(ticks as u32)
    }
}

impl Player {
    /// A player of `recording`, at its start. `now` only anchors the timeline.
    ///
    /// # Errors
    /// When the recording can no longer be read.
    pub fn new(recording: Arc<dyn Recording>, pacing: Pacing, now: Instant) -> Result<Self, media::Error> {
        let mut reader = Arc::clone(&recording).reader()?;
        for track in 0..recording.tracks().len() {
            reader.select(track, false);
        }
        let clock = Timeline {
            media_start: MediaTime::ZERO,
            stream_start: MediaTime::ZERO,
            wall_start: now,
            stream_latest: None,
            pts_latest: MediaTime::ZERO,
        };
        let outputs = recording.tracks().iter().map(|_| None).collect();
        Ok(Self {
            recording,
            reader,
            outputs,
            pacing,
            state: State::Paused,
            pending: None,
            spare: Sample::default(),
            batch: PacketBatch::default(),
            unsent: None,
            clock,
            end: None,
            at_end: false,
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
        self.outputs[track] = Some(Output { payloader, stream, first_rtptime, is_datagram, active: false });
    }

    /// Takes a track out.
    pub fn remove_track(&mut self, track: usize) {
        self.outputs[track] = None;
        self.reader.select(track, false);
        if self.active_tracks().next().is_none() {
            self.state = State::Paused;
        }
    }

    /// The state of a track's packet headers, for RTCP.
    pub fn stream(&self, track: usize) -> Option<&RtpStream> {
        self.outputs[track].as_ref().map(|output| &output.stream)
    }

    /// Whether PLAY was answered and not all was sent or paused.
    pub fn is_playing(&self) -> bool {
        self.state != State::Paused
    }

    /// The tracks that play, by index.
    pub fn active_tracks(&self) -> impl Iterator<Item = usize> {
        let active = |output: &Option<Output>| output.as_ref().is_some_and(|output| output.active);
        (0..self.outputs.len()).filter(move |track| active(&self.outputs[*track]))
    }

    /// Prepares playback of `tracks` from `start` (resuming where it stopped if `None`) to `end`; packets leave after
    /// [`Self::run`]. Tracks that already play go on playing.
    ///
    /// # Errors
    /// When the place cannot be read; playback is then paused.
    pub fn play(
        &mut self,
        tracks: &[usize],
        start: Option<MediaTime>,
        end: Option<MediaTime>,
        now: Instant,
    ) -> Result<PlayPoint, media::Error> {
        self.activate(tracks);
        let from_here = start.is_none() && !self.at_end;
        if from_here && self.state == State::Running {
            self.end = end.or(self.end);
            return Ok(self.play_point(self.clock.position(now)));
        }
        self.state = State::Paused;
        let position = match self.pending.as_ref().filter(|_| from_here) {
            // The next sample has been read and not sent.
            Some(sample) => self.resume(sample.pts.max(MediaTime::ZERO), end),
            None => self.seek(start.unwrap_or(MediaTime::ZERO), end)?,
        };
        self.clock.wall_start = now;
        self.state = State::Armed;
        Ok(self.play_point(position))
    }

    /// Lets packets leave; the response to PLAY is on its way.
    pub fn run(&mut self, now: Instant) {
        if self.state == State::Armed {
            self.clock.wall_start = now;
            self.state = State::Running;
        }
    }

    /// Stops `tracks`; [`Self::play`] resumes with the very next sample.
    pub fn pause(&mut self, tracks: &[usize]) {
        for track in tracks {
            if let Some(output) = &mut self.outputs[*track] {
                output.active = false;
            }
        }
        // Deselecting skips a track while others play on. A paused whole keeps all of them, to resume without loss.
        if self.active_tracks().next().is_none() {
            self.state = State::Paused;
        } else {
            self.select_active();
        }
    }

    /// What is to be done at `now`. Call again until it waits.
    ///
    /// # Errors
    /// When the recording cannot be read any further; playback has then ended.
    pub fn poll(&mut self, now: Instant) -> Result<Step<'_>, media::Error> {
        if self.state != State::Running {
            return Ok(Step::Idle);
        }
        if let Some((packets, due)) = self.unsent.take() {
            if due > now {
                self.unsent = Some((packets, due));
                return Ok(Step::Wait(due));
            }
            return Ok(self.send(packets, now));
        }
        loop {
            if self.pending.is_none()
                && let Some(step) = self.read_ahead(now)?
            {
                return Ok(step);
            }
            let Some(sample) = &self.pending else { return Ok(self.finish_when_due(now)) };
            if self.is_beyond_end(sample) {
                if self.end.is_some_and(|end| sample.dts >= end) {
                    return Ok(self.finish_when_due(now));
                }
                self.drop_pending();
                continue;
            }
            let due = self.clock.due(sample.dts);
            if due > now + self.pacing.lead {
                return Ok(Step::Wait(due));
            }
            if now > due + LATENESS_MAX && sample.dts >= self.clock.media_start {
                self.clock.wall_start += now - due;
            }
            if self.packetize() {
                return Ok(self.send(0..self.batch.packet_count(), now));
            }
        }
    }

    /// The RTP timestamp of `track` that stands for the wall time `now`, for a sender report.
    pub fn rtptime_at(&self, track: usize, now: Instant) -> Option<u32> {
        let output = self.outputs[track].as_ref()?;
        Some(output.rtptime(&self.clock, self.clock.position(now)))
    }

    fn activate(&mut self, tracks: &[usize]) {
        for track in tracks {
            if let Some(output) = &mut self.outputs[*track] {
                output.active = true;
            }
        }
        self.select_active();
    }

    fn select_active(&mut self) {
        for (track, output) in self.outputs.iter().enumerate() {
            self.reader.select(track, output.as_ref().is_some_and(|output| output.active));
        }
    }

    /// Goes on at media time `position`, where it stopped. Stream time goes on as if there had been no pause.
    fn resume(&mut self, position: MediaTime, end: Option<MediaTime>) -> MediaTime {
        self.end = end.or(self.end);
        self.clock.stream_start = self.stream_time(position);
        self.clock.media_start = position;
        position
    }

    /// Moves to where playback can start at or before `to`, and gives that place the next free stream time.
    fn seek(&mut self, to: MediaTime, end: Option<MediaTime>) -> Result<MediaTime, media::Error> {
        if let Some(latest) = self.clock.stream_latest {
            self.clock.stream_start = latest + SEEK_GAP;
        }
        self.drop_pending();
        self.unsent = None;
        self.at_end = false;
        self.end = end;
        self.clock.media_start = self.reader.seek(to, SeekTo::SyncAtOrBefore)?;
        self.clock.pts_latest = self.clock.media_start;
        Ok(self.clock.media_start)
    }

    fn stream_time(&self, at: MediaTime) -> MediaTime {
        self.clock.stream_start + (at - self.clock.media_start)
    }

    fn play_point(&self, start: MediaTime) -> PlayPoint {
        let tracks = self.outputs.iter().enumerate().filter_map(|(track, output)| {
            let output = output.as_ref().filter(|output| output.active)?;
            Some((track, output.stream.next_sequence(), output.rtptime(&self.clock, start)))
        });
        PlayPoint { start, end: self.end, tracks: tracks.collect() }
    }

    /// Reads the next sample of an active track. A step, if that is to be taken instead.
    fn read_ahead(&mut self, now: Instant) -> Result<Option<Step<'static>>, media::Error> {
        let mut sample = std::mem::take(&mut self.spare);
        let read = self.reader.next(&mut sample);
        match read {
            Ok(Next::Sample) => {
                self.pending = Some(sample);
                return Ok(None);
            }
            _ => self.spare = sample,
        }
        match read {
            Ok(Next::Pending) => Ok(Some(Step::Wait(now + GROWING_POLL))),
            Ok(Next::Skipped(error)) => Ok(Some(Step::Skipped(error))),
            Ok(_) => Ok(None),
            Err(error) => {
                self.finish();
                Err(error)
            }
        }
    }

    /// Whether a sample is not wanted because of the range's end. A picture that is shown after the end but decoded
    /// before it may be what the last pictures refer to, so it goes along.
    fn is_beyond_end(&self, sample: &Sample) -> bool {
        let kind = self.recording.tracks()[sample.track].kind();
        self.end.is_some_and(|end| match kind {
            Kind::Video => sample.dts >= end,
            Kind::Audio => sample.pts >= end,
        })
    }

    fn drop_pending(&mut self) {
        if let Some(sample) = self.pending.take() {
            self.spare = sample;
        }
    }

    /// The end, once the last sample has been shown.
    fn finish_when_due(&mut self, now: Instant) -> Step<'static> {
        let shown = self.end.or(self.recording.duration()).unwrap_or(self.clock.pts_latest);
        let mut due = self.clock.due(shown.min(self.clock.pts_latest + LAST_SAMPLE_MAX));
        if self.outputs.iter().flatten().any(|output| output.active && output.is_datagram) {
            due += END_GRACE;
        }
        if due > now { Step::Wait(due) } else { self.finish() }
    }

    fn finish(&mut self) -> Step<'static> {
        self.drop_pending();
        self.state = State::Paused;
        self.at_end = true;
        Step::Ended
    }

    /// Makes packets of the pending sample, if its track (still) plays and it gives any.
    fn packetize(&mut self) -> bool {
        let Some(sample) = self.pending.take() else { return false };
        self.spare = std::mem::replace(&mut self.batch.sample, sample);
        self.batch.clear();
        let (track, pts) = (self.batch.sample.track, self.batch.sample.pts);
        let stream_time = self.stream_time(pts);
        let Some(output) = self.outputs[track].as_mut().filter(|output| output.active) else { return false };
        self.clock.stream_latest = self.clock.stream_latest.max(Some(stream_time));
        self.clock.pts_latest = self.clock.pts_latest.max(pts);
        let rtptime = output.rtptime(&self.clock, pts);
        let (mut writer, sample) = PacketWriter::new(&mut self.batch, &mut output.stream, rtptime);
        output.payloader.packetize(sample, &mut writer);
        self.batch.packet_count() > 0
    }

    /// The packets that may leave now; of a datagram track not too many at once.
    fn send(&mut self, packets: Range<usize>, now: Instant) -> Step<'_> {
        let track = self.batch.sample.track;
        let is_datagram = self.outputs[track].as_ref().is_some_and(|output| output.is_datagram);
        let mut now_packets = packets.clone();
        if is_datagram && packets.len() > self.pacing.burst_packets {
            now_packets.end = packets.start + self.pacing.burst_packets;
            self.unsent = Some((now_packets.end..packets.end, now + self.pacing.burst_gap));
        }
        Step::Send { track, batch: &self.batch, packets: now_packets }
    }
}
