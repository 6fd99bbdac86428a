//! How playback starts: what of a request is granted, and where in the recording that begins. Steps of playback
//! itself are in [`super`].

use std::time::Instant;

use super::feed::KeyFrames;
use super::timeline::Rate;
use super::{END_SLACK, FRAME_RATE_GUESS, Part, PlayError, PlayPoint, PlayRequest, Player, QUEUE_MAX, Resume, State};
use crate::media::{self, Codec, Kind, Next};
use crate::time::MediaTime;

impl Player {
    /// What of a request can be granted.
    pub(super) fn part(&self, tracks: &[usize], request: &PlayRequest, position: MediaTime) -> Result<Part, PlayError> {
        let rate = match request.rate {
            Some(rate) => self.granted(tracks, rate),
            None if self.state == State::Running => self.clock.rate,
            None => Rate::NORMAL,
        };
        let duration = self.recording.duration();
        let is_beyond = |at: MediaTime| duration.is_some_and(|duration| at > duration + END_SLACK);
        let stands_at = request.start.or(self.resume.map(|_| position));
        let is_reversed = stands_at.zip(request.end).is_some_and(|(start, end)| rate.is_before(end, start));
        if is_reversed || request.start.is_some_and(is_beyond) {
            return Err(PlayError::Range);
        }
        // An end at or beyond that of the recording is no bound; rounded, it might cut off the last sample.
        let slack = if rate.is_backwards() { MediaTime::ZERO } else { END_SLACK };
        let last = self.end_of_recording(rate);
        let end = request.end.filter(|end| last.is_none_or(|last| rate.is_before(*end + slack, last)));
        Ok(Part { start: request.start, end, rate, all_begin: request.all_begin })
    }

    /// What can be granted of a rate. Sound is not played at any scale but 1, nor are streams that have sound and a
    /// clock of their own within.
    fn granted(&self, tracks: &[usize], wanted: Rate) -> Rate {
        let is_video = |track: usize| {
            let track = &self.recording.tracks()[track];
            track.kind() == Kind::Video && !matches!(track.codec, Codec::TransportStream(_))
        };
        let has_video = tracks.iter().copied().chain(self.active_tracks()).any(is_video);
        let within = |value: f64, max: f64| value.clamp(max.recip(), max);
        let scale = within(wanted.scale.abs(), self.pacing.scale_max).copysign(wanted.scale);
        Rate { scale: if has_video { scale } else { 1.0 }, speed: within(wanted.speed, self.pacing.speed_max) }
    }

    /// Where the recording ends, the way that time runs; `None` while it is not known.
    pub(super) fn end_of_recording(&self, rate: Rate) -> Option<MediaTime> {
        if rate.is_backwards() { Some(MediaTime::ZERO) } else { self.recording.duration() }
    }

    /// Where playback stands: what is shown now, or was when it was paused.
    pub(super) fn position(&self, now: Instant) -> MediaTime {
        match (self.state, self.resume) {
            (State::Running, _) => self.clock.position(now).max(MediaTime::ZERO),
            (_, Some(Resume::At(point))) => point,
            _ => self.clock.pts_latest(),
        }
    }

    /// What is being played.
    pub(super) fn current(&self) -> Part {
        Part { start: None, end: self.end, rate: self.clock.rate, all_begin: false }
    }

    pub(super) fn must_wait(&self, part: &Part) -> bool {
        let current = self.current();
        let last = self.queue.back().unwrap_or(&current);
        let is_behind = |(start, end): (MediaTime, MediaTime)| !last.rate.is_before(start, end);
        self.is_playing() && part.start.zip(last.end).is_some_and(is_behind)
    }

    pub(super) fn enqueue(&mut self, part: Part) -> Result<PlayPoint, PlayError> {
        if self.queue.len() >= QUEUE_MAX {
            return Err(PlayError::QueueFull);
        }
        self.queue.push_back(part);
        let start = part.start.unwrap_or(MediaTime::ZERO);
        Ok(PlayPoint { start, end: part.end, rate: part.rate, tracks: Vec::new() })
    }

    pub(super) fn activate(&mut self, tracks: &[usize]) {
        for track in tracks {
            if let Some(output) = &mut self.outbox.outputs[*track] {
                output.is_active = true;
            }
        }
        self.select();
    }

    /// Has the tracks read that are sent.
    pub(super) fn select(&mut self) {
        (0..self.outbox.outputs.len()).for_each(|track| self.ahead.feed.select(track, self.is_sent(track)));
    }

    /// Whether a track plays and is not silent at this rate.
    fn is_sent(&self, track: usize) -> bool {
        let is_sent = match self.ahead.feed.key_frames() {
            Some(key_frames) => key_frames.track == track,
            None => self.clock.rate.scale == 1.0 || self.recording.tracks()[track].kind() == Kind::Video,
        };
        is_sent && self.outbox.is_active(track)
    }

    /// Which key frames are sent at a rate; `None`: everything. The first video track counts.
    fn key_frames_at(&self, rate: Rate) -> Option<KeyFrames> {
        let tracks = self.recording.tracks();
        let track = self.active_tracks().find(|track| tracks[*track].kind() == Kind::Video)?;
        let frame_rate = tracks[track].frame_rate.unwrap_or(FRAME_RATE_GUESS);
        let can_be_decoded = frame_rate * rate.of_wall() <= self.pacing.picture_rate_max;
        if rate.scale == 1.0 || !rate.is_backwards() && can_be_decoded {
            return None;
        }
        // A hundredth less, lest rounding leaves out every other one of those that just fit.
        let spacing = MediaTime::from_secs_f64(0.99 * rate.of_wall().abs() / self.pacing.key_frame_rate_max);
        Some(KeyFrames { track, is_backwards: rate.is_backwards(), spacing: spacing.max(MediaTime::from_nanos(1)) })
    }

    /// Whether what is read now is what a rate takes.
    pub(super) fn is_read_as_at(&self, rate: Rate) -> bool {
        self.key_frames_at(rate) == self.ahead.feed.key_frames()
    }

    /// Goes on playing at the same scale.
    pub(super) fn change_speed(&mut self, part: Part, position: MediaTime, now: Instant) -> PlayPoint {
        self.end = part.end.or(self.end);
        if part.rate != self.clock.rate {
            self.clock.rate = part.rate;
            self.clock.resume(position, now);
        }
        self.play_point(position)
    }

    /// Goes on where playback stopped, or stands, which is `position`. Returns where that is.
    pub(super) fn go_on(&mut self, part: Part, resume: Resume, position: MediaTime) -> Result<MediaTime, media::Error> {
        let (before, rate) = (self.clock.rate, part.rate);
        let is_same_way = before.is_backwards() == rate.is_backwards();
        let end = part.end.or(self.end.filter(|_| is_same_way));
        let keys = self.key_frames_at(rate);
        if !self.is_read_as_at(rate) || keys.is_some() && before != rate {
            // Everything starts with a key frame; key frames, with the first that is not yet past.
            let part = Part { start: Some(position), end, ..part };
            return if keys.is_some() { self.go_on_with_keys(part, position) } else { self.seek(part) };
        }
        self.end = end;
        self.clock.rate = rate;
        self.select();
        if before.scale == rate.scale {
            let Resume::At(point) = resume else { return Ok(self.next_pts().max(MediaTime::ZERO)) };
            self.resume = Some(Resume::Next);
            return Ok(point);
        }
        if self.ahead.first().is_none() {
            self.read_first()?;
        }
        self.clock.stamp_anew(position, self.ahead.first_dts().unwrap_or(position));
        self.resume = Some(Resume::Next);
        Ok(position)
    }

    fn go_on_with_keys(&mut self, part: Part, position: MediaTime) -> Result<MediaTime, media::Error> {
        self.turn_to(part);
        if part.all_begin {
            self.begin_silent(position)?;
        }
        self.ahead.feed.go_on_from(position);
        self.read_first()?;
        self.clock.stamp_anew(position, position);
        self.resume = Some(Resume::Next);
        Ok(position)
    }

    /// When the next packets are shown, as far as is known.
    fn next_pts(&self) -> MediaTime {
        let unsent = self.outbox.unsent_pts();
        unsent.or(self.ahead.first().map(|sample| sample.pts)).unwrap_or(self.clock.pts_latest())
    }

    /// Moves to where playback can start at or before a part's start, and gives that place the next free stream time.
    pub(super) fn seek(&mut self, part: Part) -> Result<MediaTime, media::Error> {
        let (start, first) = self.move_to(part)?;
        self.clock.stamp_anew(start, first);
        Ok(start)
    }

    /// Forgets what was to come, and will read as a part has it.
    fn turn_to(&mut self, part: Part) {
        self.outbox.drop_all_unsent();
        self.ahead.clear();
        self.resume = None;
        self.end = part.end;
        self.clock.rate = part.rate;
        self.ahead.feed.give(self.key_frames_at(part.rate));
        self.select();
    }

    /// Moves to where a part starts; returns that and the earliest time at which anything is shown that follows.
    pub(super) fn move_to(&mut self, part: Part) -> Result<(MediaTime, MediaTime), media::Error> {
        self.turn_to(part);
        let key_frames = self.ahead.feed.key_frames();
        let default = if part.rate.is_backwards() { self.recording.duration() } else { Some(MediaTime::ZERO) };
        let mut to = part.start.or(default).unwrap_or(MediaTime::MAX);
        if let Some(KeyFrames { track, .. }) = key_frames
            && let Some(until) = self.recording.tracks()[track].shown_until
        {
            to = to.min(until - MediaTime::from_nanos(1));
        }
        let mut start = self.ahead.feed.seek(to)?;
        if part.all_begin {
            self.begin_silent(start)?;
            start = self.ahead.feed.seek(to)?;
        }
        self.read_first()?;
        self.resume = Some(Resume::Next);
        // Nothing is shown before the first sample is decoded.
        let first = self.ahead.first_dts().filter(|_| key_frames.is_none()).unwrap_or(start);
        Ok((start, first))
    }

    /// Reads one sample of each track that plays and is silent at this rate.
    fn begin_silent(&mut self, at: MediaTime) -> Result<(), media::Error> {
        let silent: Vec<usize> = self.active_tracks().filter(|track| !self.is_sent(*track)).collect();
        for track in &silent {
            (0..self.outbox.outputs.len()).for_each(|other| self.ahead.feed.select(other, other == *track));
            self.ahead.read_near(at)?;
        }
        self.select();
        Ok(())
    }

    /// Reads the first sample after a seek.
    fn read_first(&mut self) -> Result<(), media::Error> {
        if let Next::Skipped(error) = self.read()? {
            self.skipped = Some(error);
        }
        Ok(())
    }

    pub(super) fn play_point(&self, start: MediaTime) -> PlayPoint {
        let tracks = self.outbox.outputs.iter().enumerate().filter_map(|(track, output)| {
            let output = output.as_ref().filter(|output| output.is_active)?;
            Some((track, self.outbox.next_sequence(track)?, output.rtptime(&self.clock, start)))
        });
        PlayPoint { start, end: self.end, rate: self.clock.rate, tracks: tracks.collect() }
    }
}
