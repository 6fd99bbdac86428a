//! One viewer's way through an MP4 file: the tracks merged by decoding time, their samples read.

use std::sync::Arc;

use super::Mp4;
use super::cursor::TrackCursor;
use super::fragments::Step;
use super::sample::{Found, PCM_SAMPLES_PER_SECOND};
use super::stream::Stream;
use crate::media::codec::nal::split_length_prefixed;
use crate::media::{Codec, Error, Kind, Next, Reader, Sample, SeekTo};
use crate::time::MediaTime;

/// Bytes of one sample. An intra picture of 8K video takes some megabytes.
pub const SAMPLE_LEN_MAX: u64 = 64 << 20;

/// Bytes of a sample above which the file's size is asked for before memory is taken.
const SAMPLE_LEN_TRUSTED: u64 = 1 << 20;

/// Samples that cannot be read one after the other before that is told again, or, where they lie beyond the end of the
/// file, the track is given up.
const BAD_SAMPLES_MAX: u32 = 256;

/// Empty samples one after the other before that is told. A few are legitimate: they stand for dropped pictures.
const EMPTY_SAMPLES_MAX: u32 = 4096;

/// Fragments that are looked into for a track while another has a sample to go on with.
const LOOKAHEAD_MOOFS: u32 = 64;

/// A cursor over all tracks.
pub struct Mp4Reader {
    movie: Arc<Mp4>,
    slots: Vec<Slot>,
    /// Told with the next call: damage behind the part of a sample that could be handed out.
    pending: Option<Error>,
    /// The place of the damage last told, so that it is not told again for each track.
    told: Option<u64>,
    /// Decoding time of the last sample.
    now: Option<MediaTime>,
}

/// One track of a viewer.
struct Slot {
    cursor: TrackCursor,
    state: State,
    wanted: bool,
    /// It has not been moved along while it was not wanted.
    is_stale: bool,
    /// Description of the last sample that decoding can start at.
    description: u32,
    bad: u32,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// The next sample has to be looked for.
    Unknown,
    /// It has been looked for from this byte of the file on, so far in vain.
    Waiting { from: u64 },
    /// The next sample, of which so many bytes have been handed out; only PCM is divided.
    Found { found: Found, done: u64 },
    /// No more samples.
    Ended,
}

impl Mp4Reader {
    /// A cursor at the very first sample of `movie`.
    pub fn new(movie: Arc<Mp4>) -> Self {
        let slots = (0..movie.streams.len()).map(|index| Slot::new(TrackCursor::new(&movie, index))).collect();
        Self { movie, slots, pending: None, told: None, now: None }
    }

    /// Looks for the next sample of every track that is wanted.
    ///
    /// # Errors
    /// Damage that has been stepped over, or [`Error::Io`].
    fn look(&mut self) -> Result<(), Error> {
        for index in 0..self.slots.len() {
            self.catch_up(index)?;
            let slot = &mut self.slots[index];
            if slot.wanted && matches!(slot.state, State::Unknown) {
                slot.look(&self.movie, LOOKAHEAD_MOOFS)?;
            }
        }
        // Tracks lie apart by a few fragments at most. So that a track that has ended early does not have the rest of
        // the file searched at once, it is looked for as the others go on, and further only when there are no others.
        loop {
            let leader = self.slots.iter().filter_map(Slot::position).max();
            let is_due = |slot: &&mut Slot| match slot.state {
                State::Waiting { from } => slot.wanted && leader.is_none_or(|leader| leader >= from),
                _ => false,
            };
            let Some(slot) = self.slots.iter_mut().find(is_due) else { return Ok(()) };
            slot.look(&self.movie, LOOKAHEAD_MOOFS)?;
        }
    }

    /// Brings a track along that was not wanted while others went on.
    fn catch_up(&mut self, index: usize) -> Result<(), Error> {
        let slot = &mut self.slots[index];
        if !slot.is_stale || !slot.wanted {
            return Ok(());
        }
        slot.is_stale = false;
        let Some(now) = self.now else { return Ok(()) };
        let stream = &self.movie.streams[index];
        let pts = stream.ticks_at_or_after(now);
        slot.state = State::Unknown;
        if !stream.is_video() {
            slot.cursor.seek_sample(&self.movie, pts)
        } else {
            let found = slot.cursor.seek_sync(&self.movie, pts, SeekTo::SyncAtOrAfter)?;
            if found.is_none() {
                slot.state = State::Ended;
            }
            Ok(())
        }
    }

    /// The track whose sample is decoded first; of several, video.
    fn earliest(&self) -> Option<usize> {
        let candidates = self.slots.iter().enumerate().filter(|(_, slot)| slot.wanted);
        let timed = candidates.filter_map(|(index, slot)| {
            let State::Found { found, done } = slot.state else { return None };
            let stream = &self.movie.streams[index];
            Some((stream.dts(&Part::of(stream, &found, done).found), !stream.is_video(), index))
        });
        timed.min().map(|(_, _, index)| index)
    }

    /// Takes the next part of the sample that track `index` has found.
    fn take(&mut self, index: usize) -> Option<Found> {
        let slot = &mut self.slots[index];
        let State::Found { found, done } = slot.state else { return None };
        let part = Part::of(&self.movie.streams[index], &found, done);
        slot.state = match part.is_last {
            true => State::Unknown,
            false => State::Found { found, done: done + part.found.len },
        };
        Some(part.found)
    }

    /// Reads `found` of track `index` into `sample`; false when there is nothing in it.
    fn read(&mut self, index: usize, found: &Found, sample: &mut Sample) -> Result<bool, Error> {
        let stream = &self.movie.streams[index];
        sample.clear();
        if found.len == 0 {
            return Ok(false);
        }
        let number =
            if stream.descriptions.len() < found.description as usize { stream.base } else { found.description };
        let number = number.max(1);
        if !stream.can_play(number) {
            return Err(Error::malformed(format!("sample of a different coding (entry {number})"), found.at));
        }
        if found.len > SAMPLE_LEN_MAX {
            return Err(Error::malformed("size of the sample", found.at));
        }
        if found.len > SAMPLE_LEN_TRUSTED {
            let file_len = self.movie.source.len()?;
            if found.end() > file_len {
                return Err(Error::truncated("sample", file_len));
            }
        }
        let slot = &mut self.slots[index];
        if found.is_sync && (number != stream.base || (slot.description != 0 && slot.description != number)) {
            prepend_parameter_sets(stream, number, sample);
        }
        let before = sample.data.len();
        match self.movie.source.append(&mut sample.data, found.at, found.len as usize, "sample") {
            // Where the sample was to begin may be far behind that, and differs from track to track.
            Err(Error::Truncated { what, .. }) => return Err(Error::truncated(what, self.movie.source.len()?)),
            read => read?,
        }
        if found.is_sync {
            slot.description = number;
        }
        sample.track = index;
        sample.pts = stream.time(found.pts);
        sample.dts = stream.dts(found);
        sample.is_sync = found.is_sync;
        if let Some(layout) = stream.description(number).and_then(|description| description.text) {
            layout.shape(&mut sample.data);
        }
        let nal_length_size = stream.description(number).map_or(0, |description| description.nal_length_size);
        if nal_length_size > 0 {
            self.split(sample, before, nal_length_size, found.at)?;
        }
        Ok(true)
    }

    /// Finds the NAL units of `sample.data[from..]`, which lie at byte `at` of the file.
    fn split(&mut self, sample: &mut Sample, from: usize, length_size: usize, at: u64) -> Result<(), Error> {
        let known = sample.nals.len();
        let split = split_length_prefixed(&sample.data[from..], length_size, &mut sample.nals);
        for nal in &mut sample.nals[known..] {
            *nal = nal.start + from..nal.end + from;
        }
        let is_empty = sample.nals.len() == known;
        let Err(position) = split else {
            // A power cut leaves zeros behind, which read as units of no bytes.
            return if is_empty { Err(Error::malformed("sample without NAL units", at)) } else { Ok(()) };
        };
        let error = Error::malformed("NAL unit length", at + position as u64);
        if is_empty {
            return Err(error);
        }
        sample.data.truncate(from + position);
        self.pending = Some(error);
        Ok(())
    }

    /// What to do about `error`, which track `index` ran into: `None` when nothing need be told.
    fn complaint(&mut self, index: Option<usize>, error: Error) -> Result<Option<Next>, Error> {
        let at = match &error {
            Error::Malformed { at, .. } | Error::Truncated { at, .. } => Some(*at),
            Error::Io { .. } => return Err(error),
            _ => None,
        };
        if let Some(index) = index {
            let slot = &mut self.slots[index];
            slot.bad += 1;
            if slot.bad > BAD_SAMPLES_MAX {
                slot.bad = 1;
                if matches!(error, Error::Truncated { .. }) {
                    slot.state = State::Ended;
                }
            } else if slot.bad > 1 {
                return Ok(None); // told once for a row of them
            }
        }
        if at.is_some() && at == self.told {
            return Ok(None);
        }
        self.told = at;
        Ok(Some(Next::Skipped(error)))
    }

    /// Goes to the very first sample and returns when the presentation starts.
    fn rewind(&mut self) -> MediaTime {
        for slot in &mut self.slots {
            slot.cursor.rewind(&self.movie);
            slot.restart();
        }
        // Here only times matter; damage that this steps over was told when the file was first read.
        while let Err(error) = self.look() {
            if matches!(error, Error::Io { .. }) {
                break;
            }
        }
        let found = self.slots.iter().enumerate().filter(|(_, slot)| slot.wanted).filter_map(|(index, slot)| {
            let State::Found { found, .. } = &slot.state else { return None };
            Some(self.movie.streams[index].time(found.pts))
        });
        found.min().unwrap_or_default().max(MediaTime::ZERO)
    }

    /// The track that decides where a seek lands: the first video that is wanted, else the first audio, else any.
    fn deciding(&self) -> Option<usize> {
        let wanted = || (0..self.slots.len()).filter(|index| self.slots[*index].wanted);
        let first = |kind: Kind| wanted().find(|index| self.movie.streams[*index].kind() == kind);
        first(Kind::Video).or_else(|| first(Kind::Audio)).or_else(|| wanted().next())
    }
}

impl Reader for Mp4Reader {
    fn select(&mut self, track: usize, wanted: bool) {
        if let Some(slot) = self.slots.get_mut(track) {
            slot.is_stale |= wanted && !slot.wanted;
            slot.wanted = wanted;
        }
    }

    fn next(&mut self, sample: &mut Sample) -> Result<Next, Error> {
        if let Some(error) = self.pending.take() {
            return Ok(Next::Skipped(error));
        }
        let mut empty = 0;
        loop {
            if let Err(error) = self.look() {
                match self.complaint(None, error)? {
                    Some(told) => return Ok(told),
                    None => continue,
                }
            }
            let Some(index) = self.earliest() else { return Ok(Next::End) };
            let Some(found) = self.take(index) else { return Ok(Next::End) };
            match self.read(index, &found, sample) {
                Ok(false) if empty < EMPTY_SAMPLES_MAX => empty += 1,
                Ok(false) => return Ok(Next::Skipped(Error::malformed("row of empty samples", found.at))),
                Ok(true) => {
                    self.slots[index].bad = 0;
                    self.now = Some(sample.dts);
                    return Ok(Next::Sample);
                }
                Err(error) => {
                    if let Some(told) = self.complaint(Some(index), error)? {
                        return Ok(told);
                    }
                }
            }
        }
    }

    fn seek(&mut self, to: MediaTime, how: SeekTo) -> Result<MediaTime, Error> {
        self.pending = None;
        self.told = None;
        self.now = None;
        let Some(deciding) = self.deciding().filter(|_| to > MediaTime::ZERO) else { return Ok(self.rewind()) };
        let movie = Arc::clone(&self.movie);
        let stream = &movie.streams[deciding];
        let cursor = &mut self.slots[deciding].cursor;
        let before = cursor.seek_sync(&movie, stream.ticks_at_or_before(to), SeekTo::SyncAtOrBefore)?;
        // What is shown before 0 is there for the decoder only.
        let Some(before) = before.filter(|pts| stream.time(*pts) >= MediaTime::ZERO) else { return Ok(self.rewind()) };
        let after = match how {
            SeekTo::SyncAtOrBefore => None,
            SeekTo::SyncAtOrAfter => cursor.seek_sync(&movie, stream.ticks_at_or_after(to), how)?,
        };
        let landed = stream.time(after.unwrap_or(before));
        for (index, slot) in self.slots.iter_mut().enumerate() {
            slot.restart();
            if index != deciding && slot.wanted {
                slot.cursor.seek_sample(&movie, movie.streams[index].ticks_at_or_after(landed))?;
            }
            slot.is_stale = !slot.wanted;
        }
        self.now = Some(landed);
        Ok(landed)
    }
}

impl Slot {
    fn new(cursor: TrackCursor) -> Self {
        Self { cursor, state: State::Unknown, wanted: true, is_stale: false, description: 0, bad: 0 }
    }

    /// Forgets what was found, because the cursor has been moved.
    fn restart(&mut self) {
        self.state = State::Unknown;
        self.is_stale = false;
        self.bad = 0;
    }

    /// Where in the chain of fragments the sample that it has found came from, roughly.
    fn position(&self) -> Option<u64> {
        match self.state {
            State::Found { .. } if self.wanted => self.cursor.searching_at(),
            _ => None,
        }
    }

    fn look(&mut self, movie: &Mp4, moofs_max: u32) -> Result<(), Error> {
        let from = self.cursor.searching_at().unwrap_or(0);
        self.state = match self.cursor.next(movie, moofs_max)? {
            Step::Sample(found) => State::Found { found, done: 0 },
            Step::NotYet => State::Waiting { from },
            Step::End => State::Ended,
        };
        Ok(())
    }
}

/// What of a run of PCM frames goes out as one sample; of all else, the whole.
struct Part {
    found: Found,
    is_last: bool,
}

impl Part {
    fn of(stream: &Stream, found: &Found, done: u64) -> Self {
        let Some((frame_len, rate)) = stream.pcm() else { return Self { found: *found, is_last: true } };
        let frame_len = u64::from(frame_len.max(1));
        let left = (found.len - done) / frame_len;
        let wanted = u64::from((rate / PCM_SAMPLES_PER_SECOND).max(1));
        // Rather one that is half as long again than a tiny one in the end.
        let frames = if left <= wanted + wanted / 2 { left } else { wanted };
        let frames_to_ticks = |frames: u64| {
            let ticks = u128::from(frames) * u128::from(stream.timescale) + u128::from(rate / 2);
            i64::try_from(ticks / u128::from(rate)).unwrap_or(i64::MAX)
        };
        let into = frames_to_ticks(done / frame_len);
        Self {
            found: Found {
                at: found.at.saturating_add(done),
                len: frames * frame_len,
                dts: found.dts.saturating_add(into),
                pts: found.pts.saturating_add(into),
                duration: frames_to_ticks(frames).unsigned_abs(),
                ..*found
            },
            is_last: frames == left,
        }
    }
}

impl Stream {
    /// Whether samples of this description can go out in the track, in which one codec was announced.
    fn can_play(&self, number: u32) -> bool {
        let (Some(base), Some(description)) = (self.base_description(), self.description(number)) else { return false };
        match &base.codec {
            // What a decoder must know of these comes along with their samples.
            Codec::H264(_)
            | Codec::H265(_)
            | Codec::Av1(_)
            | Codec::Vp8(_)
            | Codec::Vp9(_)
            | Codec::MpegVideo(_)
            | Codec::Jpeg(_)
            | Codec::H263(_)
            | Codec::MpegAudio(_)
            | Codec::Ac3(_)
            | Codec::Eac3(_)
            | Codec::Text(_) => std::mem::discriminant(&base.codec) == std::mem::discriminant(&description.codec),
            codec => *codec == description.codec,
        }
    }
}

/// Puts the parameter sets of a description before a sample: those that were announced are of another one.
fn prepend_parameter_sets(stream: &Stream, number: u32, sample: &mut Sample) {
    let Some(description) = stream.description(number) else { return };
    for set in description.parameter_sets() {
        let prefix = (set.len() as u32).to_be_bytes();
        sample.data.extend_from_slice(&prefix[4 - description.nal_length_size.min(4)..]);
        let start = sample.data.len();
        sample.data.extend_from_slice(set);
        sample.nals.push(start..sample.data.len());
    }
}
