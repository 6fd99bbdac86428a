//! When which packet is due (sans-IO: `now` is an argument). One [`Player`] is one viewer's playback of a recording:
//! play, seek, pause, resume, end. It hands out packets; sending them is the transport's business.
//!
//! Three timelines meet here. *Media time* is the recording's own. *Stream time* is what RTP timestamps count: it
//! starts at 0 with the first PLAY and has no jumps, whatever is sought (RFC 2326 appendix B). *Wall time* says when
//! a sample leaves: paced by its decode time, up to [`Pacing::lead`] early, never late by design.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::media::{self, Kind, Next, Reader, Recording, Sample, SeekTo};
use crate::rtp::{HEADER_LEN, PacketBatch, PacketWriter, Payloader, RtpStream};
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
/// How many samples are read ahead to learn whether a picture that is shown after the end is needed before it. Decoders
/// hold back 16 pictures at most (ITU-T H.264 and H.265 annex A); the others are sound between them.
const LOOK_AHEAD_MAX: usize = 96;

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
    /// The samples after those sent, read so that disk latency falls into the time before they are due: one, or some
    /// more near the end of a range.
    ahead: VecDeque<Sample>,
    /// Nothing comes after those.
    is_all_read: bool,
    /// Damage that [`Self::play`] came upon, to be told by [`Self::poll`].
    skipped: Option<media::Error>,
    /// Room for the next sample.
    spare: Sample,
    batch: PacketBatch,
    /// Packets of `batch` that wait for their turn, and when that is.
    unsent: Option<(Range<usize>, Instant)>,
    clock: Timeline,
    end: Option<MediaTime>,
    /// The reader stands where playback stopped. Not so before the first PLAY, after the end and after a failure.
    can_resume: bool,
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
    /// Packets have left since PLAY.
    has_begun: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Paused,
    /// PLAY was answered; packets wait for [`Player::run`].
    Armed,
    Running,
}

/// What becomes of the next sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Send,
    /// It is shown after the end, be it of the range or of its track, and nothing before the end needs it.
    Drop,
    /// The samples behind it tell.
    Unknown,
    /// It, and all behind it, come after the end.
    End,
}

/// How media time lies on stream time and on wall time.
#[derive(Debug, Clone, Copy)]
struct Timeline {
    /// Media time of the last seek...
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
    /// The latest presentation time of any sample since the last seek.
    pts_latest: MediaTime,
}

impl Timeline {
    fn due(&self, dts: MediaTime) -> Instant {
        let offset = dts - self.paced_start;
        self.wall_start + offset.to_duration()
    }

    /// Media time that is due at `now`.
    fn position(&self, now: Instant) -> MediaTime {
        self.paced_start + MediaTime::from_duration(now.saturating_duration_since(self.wall_start))
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
            paced_start: MediaTime::ZERO,
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
            ahead: VecDeque::new(),
            is_all_read: false,
            skipped: None,
            spare: Sample::default(),
            batch: PacketBatch::default(),
            unsent: None,
            clock,
            end: None,
            can_resume: false,
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
        self.drop_unsent(track);
        self.outputs[track] =
            Some(Output { payloader, stream, first_rtptime, is_datagram, active: false, has_begun: false });
    }

    /// Takes a track out.
    pub fn remove_track(&mut self, track: usize) {
        self.drop_unsent(track);
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
        let from_here = start.is_none() && self.can_resume;
        if from_here {
            self.end = end.or(self.end);
        }
        if from_here && self.state == State::Running {
            return Ok(self.play_point(self.clock.position(now)));
        }
        self.state = State::Paused;
        let position = match start {
            None if from_here => self.next_pts().max(MediaTime::ZERO),
            _ => self.seek(start.unwrap_or(MediaTime::ZERO), end)?,
        };
        self.clock.paced_start = position;
        self.clock.wall_start = now;
        self.outputs.iter_mut().flatten().for_each(|output| output.has_begun = false);
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
            tracks.iter().for_each(|track| self.drop_unsent(*track));
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
            let first = if due > now { Some(Step::Wait(due)) } else { self.begin() };
            if let Some(first) = first {
                self.unsent = Some((packets, due));
                return Ok(first);
            }
            return Ok(self.send(packets, now));
        }
        if let Some(error) = self.skipped.take() {
            return Ok(Step::Skipped(error));
        }
        loop {
            match self.fate_of_next() {
                Fate::Unknown => {
                    if let Some(step) = self.read_ahead(now)? {
                        return Ok(step);
                    }
                }
                Fate::End => return Ok(self.finish_when_due(now)),
                Fate::Drop => self.drop_next(),
                Fate::Send => {
                    if let Some(due) = self.due_of_next(now) {
                        return Ok(Step::Wait(due));
                    }
                    if self.packetize() {
                        let packets = 0..self.batch.packet_count();
                        if let Some(begin) = self.begin() {
                            self.unsent = Some((packets, now));
                            return Ok(begin);
                        }
                        return Ok(self.send(packets, now));
                    }
                }
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

    /// When the next packets are shown, as far as is known.
    fn next_pts(&self) -> MediaTime {
        let unsent = self.unsent.as_ref().map(|_| self.batch.sample.pts);
        unsent.or(self.ahead.front().map(|sample| sample.pts)).unwrap_or(self.clock.pts_latest)
    }

    /// Moves to where playback can start at or before `to`, and gives that place the next free stream time.
    fn seek(&mut self, to: MediaTime, end: Option<MediaTime>) -> Result<MediaTime, media::Error> {
        if self.unsent.is_some() {
            self.drop_unsent(self.batch.sample.track);
        }
        self.ahead.clear();
        (self.is_all_read, self.can_resume) = (false, false);
        self.end = end;
        let start = self.reader.seek(to, SeekTo::SyncAtOrBefore)?;
        let first = self.read_first()?;
        if let Some(latest) = self.clock.stream_latest {
            // Nothing is shown before the first sample is decoded. Priming samples, and pictures that precede a key
            // frame, are shown before `start` all the same.
            self.clock.stream_start = latest + SEEK_GAP + (start - first.unwrap_or(start)).max(MediaTime::ZERO);
        }
        self.clock.media_start = start;
        self.clock.pts_latest = start;
        self.can_resume = true;
        Ok(start)
    }

    /// Reads the first sample after a seek and returns its decode time.
    fn read_first(&mut self) -> Result<Option<MediaTime>, media::Error> {
        match self.read()? {
            Next::Skipped(error) => self.skipped = Some(error),
            Next::Sample | Next::Pending | Next::End => {}
        }
        Ok(self.ahead.front().map(|sample| sample.dts))
    }

    fn stream_time(&self, at: MediaTime) -> MediaTime {
        self.clock.stream_start + (at - self.clock.media_start)
    }

    fn play_point(&self, start: MediaTime) -> PlayPoint {
        let tracks = self.outputs.iter().enumerate().filter_map(|(track, output)| {
            let output = output.as_ref().filter(|output| output.active)?;
            let unsent = self.unsent.as_ref().filter(|_| self.batch.sample.track == track);
            let unsent_count = unsent.map_or(0, |(packets, _)| packets.len());
            let sequence = output.stream.next_sequence().wrapping_sub(unsent_count as u16);
            Some((track, sequence, output.rtptime(&self.clock, start)))
        });
        PlayPoint { start, end: self.end, tracks: tracks.collect() }
    }

    /// Reads one more sample. A step, if that is to be taken instead.
    fn read_ahead(&mut self, now: Instant) -> Result<Option<Step<'static>>, media::Error> {
        match self.read() {
            Ok(Next::Sample | Next::End) => Ok(None),
            Ok(Next::Pending) => Ok(Some(Step::Wait(now + GROWING_POLL))),
            Ok(Next::Skipped(error)) => Ok(Some(Step::Skipped(error))),
            Err(error) => {
                self.finish();
                Err(error)
            }
        }
    }

    /// Reads one more sample of an active track into the queue.
    fn read(&mut self) -> Result<Next, media::Error> {
        let mut sample = self.free_sample();
        let read = self.reader.next(&mut sample);
        match read {
            Ok(Next::Sample) => self.ahead.push_back(sample),
            _ => self.spare = sample,
        }
        self.is_all_read = matches!(read, Ok(Next::End));
        read
    }

    /// A sample to read into. That of the batch, once its packets have left: so one buffer serves a viewer, as a rule.
    fn free_sample(&mut self) -> Sample {
        if self.unsent.is_none() && self.spare.data.capacity() == 0 {
            self.batch.clear();
            return std::mem::take(&mut self.batch.sample);
        }
        std::mem::take(&mut self.spare)
    }

    /// Whether the next sample is wanted. A picture that is shown at or after the range's end is only if one that is
    /// decoded later is shown before it: it may refer to that picture.
    fn fate_of_next(&self) -> Fate {
        let mut ahead = self.ahead.iter();
        let Some(sample) = ahead.next() else {
            return if self.is_all_read { Fate::End } else { Fate::Unknown };
        };
        let track = &self.recording.tracks()[sample.track];
        let end = self.end.into_iter().chain(track.shown_until).min();
        let Some(end) = end.filter(|end| sample.pts >= *end) else { return Fate::Send };
        if self.end.is_some_and(|end| sample.dts >= end) {
            Fate::End
        } else if track.kind() == Kind::Audio || sample.dts >= end {
            Fate::Drop
        } else if ahead.clone().any(|later| later.track == sample.track && later.pts < end) {
            Fate::Send
        } else if self.is_all_read || ahead.any(|later| later.dts >= end) {
            Fate::Drop
        } else if self.ahead.len() >= LOOK_AHEAD_MAX {
            Fate::Send
        } else {
            Fate::Unknown
        }
    }

    fn drop_next(&mut self) {
        if let Some(sample) = self.ahead.pop_front() {
            self.spare = sample;
        }
    }

    /// When the next sample is due; `None` if it may leave now.
    fn due_of_next(&mut self, now: Instant) -> Option<Instant> {
        let dts = self.ahead.front()?.dts;
        let due = self.clock.due(dts);
        if now > due + LATENESS_MAX && dts >= self.clock.paced_start {
            self.clock.wall_start += now - due;
        }
        (due > now + self.pacing.lead).then_some(due)
    }

    /// The end, once the last sample has been shown.
    fn finish_when_due(&mut self, now: Instant) -> Step<'static> {
        let latest = self.clock.pts_latest;
        let shown = self.end.or(self.recording.duration()).unwrap_or(latest);
        let mut due = self.clock.due(shown.clamp(latest, latest + LAST_SAMPLE_MAX));
        if self.outputs.iter().flatten().any(|output| output.active && output.is_datagram) {
            due += END_GRACE;
        }
        if due > now { Step::Wait(due) } else { self.finish() }
    }

    fn finish(&mut self) -> Step<'static> {
        self.ahead.clear();
        self.state = State::Paused;
        self.can_resume = false;
        Step::Ended
    }

    /// Makes packets of the next sample, if its track (still) plays and it gives any.
    fn packetize(&mut self) -> bool {
        let Some(sample) = self.ahead.pop_front() else { return false };
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

    /// What is to be done before the first packets of a track, if those in the batch are.
    fn begin(&mut self) -> Option<Step<'static>> {
        let (track, pts) = (self.batch.sample.track, self.batch.sample.pts);
        let output = self.outputs[track].as_mut().filter(|output| !output.has_begun)?;
        output.has_begun = true;
        Some(Step::Begin { track, shown: self.clock.due(pts) })
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

    /// Forgets the packets of a track that were made and wait for their turn, as if they had never been: a gap in the
    /// sequence numbers would look like loss.
    fn drop_unsent(&mut self, track: usize) {
        let Some((packets, _)) = self.unsent.take_if(|_| self.batch.sample.track == track) else { return };
        let octets: usize = packets.clone().map(|index| self.batch.packet_len(index) - HEADER_LEN).sum();
        if let Some(output) = &mut self.outputs[track] {
            output.stream.take_back(packets.len(), octets);
        }
    }
}

#[cfg(test)]
mod tests;
