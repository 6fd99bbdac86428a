//! A recording in memory, a payload format that cuts anything anywhere, and a viewer whose clock is invented.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::media::codec::{G711Config, H264Config};
use crate::media::{Codec, Error, Kind, Next, Note, Reader, Recording, Sample, SeekTo, Track};
use crate::player::{END_GRACE, Pacing, PlayError, PlayPoint, PlayRequest, Player, Rate, Step};
use crate::rtp::{HEADER_LEN, PacketBatch, PacketWriter, Payloader, RtpStream};
use crate::time::MediaTime;

/// Bytes of a packet's payload, at most.
pub const PAYLOAD_MAX: usize = 100;
/// Longer than any dialogue with a player: whoever gets here waits for ever.
const STEPS_MAX: usize = 100_000;

/// Milliseconds of media.
pub fn ms(millis: i64) -> MediaTime {
    MediaTime::from_millis(millis)
}

/// One thing that a reader finds.
#[derive(Debug, Clone)]
pub enum Entry {
    Sample(Sample),
    /// Damage.
    Skip,
    /// Nothing yet, so many times.
    Pending(usize),
    /// The disk fails.
    Fail,
}

/// What is in a recording: entries in decode order, and the tracks.
#[derive(Debug, Clone)]
pub struct Fake {
    tracks: Vec<Track>,
    entries: Vec<Entry>,
    duration: Option<MediaTime>,
    fails_to_seek: bool,
}

impl Fake {
    /// Without tracks and samples; add them.
    pub fn new() -> Self {
        Self { tracks: Vec::new(), entries: Vec::new(), duration: None, fails_to_seek: false }
    }

    fn track(mut self, codec: Codec, samples: impl IntoIterator<Item = (i64, i64, bool, usize)>) -> Self {
        let track = self.tracks.len();
        self.tracks.push(Track { codec, duration: None, shown_until: None, bitrate: None, frame_rate: None });
        for (pts, dts, is_sync, len) in samples {
            let sample = Sample { track, pts: ms(pts), dts: ms(dts), is_sync, data: vec![0; len], nals: Vec::new() };
            let later = |entry: &Entry| matches!(entry, Entry::Sample(other) if other.dts > sample.dts);
            let at = self.entries.iter().position(later).unwrap_or(self.entries.len());
            self.entries.insert(at, Entry::Sample(sample));
        }
        self
    }

    /// A video track of samples (pts, dts, key, length), times in milliseconds.
    pub fn video(self, samples: impl IntoIterator<Item = (i64, i64, bool, usize)>) -> Self {
        self.track(Codec::H264(H264Config::default()), samples)
    }

    /// An audio track of samples at these milliseconds.
    pub fn audio(self, times: impl IntoIterator<Item = i64>) -> Self {
        let samples = times.into_iter().map(|time| (time, time, true, 20));
        self.track(Codec::Pcmu(G711Config { sample_rate: 8000, channels: 1 }), samples)
    }

    /// Puts something before the first sample decoded at `dts` or later.
    pub fn insert(mut self, dts: i64, entry: Entry) -> Self {
        let later = |other: &Entry| matches!(other, Entry::Sample(sample) if sample.dts >= ms(dts));
        let at = self.entries.iter().position(later).unwrap_or(self.entries.len());
        self.entries.insert(at, entry);
        self
    }

    pub fn lasts(mut self, millis: i64) -> Self {
        self.duration = Some(ms(millis));
        self
    }

    /// Cuts a track off: what is shown from `millis` on is not.
    pub fn shown_until(mut self, track: usize, millis: i64) -> Self {
        self.tracks[track].shown_until = Some(ms(millis));
        self
    }

    /// Says how many pictures a second a track nominally has.
    pub fn frame_rate(mut self, track: usize, rate: f64) -> Self {
        self.tracks[track].frame_rate = Some(rate);
        self
    }

    pub fn fails_to_seek(mut self) -> Self {
        self.fails_to_seek = true;
        self
    }

    /// Presentation times of a track in decode order, in milliseconds.
    pub fn pts(&self, track: usize) -> Vec<i64> {
        let samples = self.entries.iter().filter_map(|entry| match entry {
            Entry::Sample(sample) if sample.track == track => Some(sample.pts.as_nanos() / 1_000_000),
            _ => None,
        });
        samples.collect()
    }
}

impl Recording for Fake {
    fn container(&self) -> &'static str {
        "fake"
    }

    fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    fn duration(&self) -> Option<MediaTime> {
        self.duration
    }

    fn notes(&self) -> &[Note] {
        &[]
    }

    fn reader(self: Arc<Self>) -> Result<Box<dyn Reader>, Error> {
        Ok(Box::new(FakeReader {
            left: self.entries.clone().into(),
            wanted: vec![true; self.tracks.len()],
            fake: self,
        }))
    }
}

struct FakeReader {
    fake: Arc<Fake>,
    left: VecDeque<Entry>,
    wanted: Vec<bool>,
}

fn broken(what: &'static str) -> Error {
    Error::Io { what, source: std::io::Error::other("the disk is broken") }
}

impl Reader for FakeReader {
    fn select(&mut self, track: usize, wanted: bool) {
        self.wanted[track] = wanted;
    }

    fn next(&mut self, sample: &mut Sample) -> Result<Next, Error> {
        loop {
            match self.left.pop_front() {
                Some(Entry::Sample(next)) if !self.wanted[next.track] => {}
                Some(Entry::Sample(next)) => {
                    *sample = next;
                    return Ok(Next::Sample);
                }
                Some(Entry::Skip) => return Ok(Next::Skipped(Error::malformed("sample", 7))),
                Some(Entry::Pending(0)) => {}
                Some(Entry::Pending(times)) => {
                    self.left.push_front(Entry::Pending(times - 1));
                    return Ok(Next::Pending);
                }
                Some(Entry::Fail) => {
                    self.left.push_front(Entry::Fail);
                    return Err(broken("a sample"));
                }
                None => return Ok(Next::End),
            }
        }
    }

    fn seek(&mut self, to: MediaTime, how: SeekTo) -> Result<MediaTime, Error> {
        if self.fake.fails_to_seek {
            return Err(broken("the index"));
        }
        let has_video =
            self.fake.tracks.iter().zip(&self.wanted).any(|(track, wanted)| *wanted && track.kind() == Kind::Video);
        let is_start = |sample: &Sample| {
            let is_video = self.fake.tracks[sample.track].kind() == Kind::Video;
            self.wanted[sample.track] && sample.is_sync && is_video == has_video
        };
        self.left = self.fake.entries.clone().into();
        let starts: Vec<MediaTime> = self
            .left
            .iter()
            .filter_map(|entry| match entry {
                Entry::Sample(sample) if is_start(sample) => Some(sample.pts),
                _ => None,
            })
            .collect();
        let before = starts.iter().copied().filter(|start| *start <= to && *start >= MediaTime::ZERO).max();
        let after = starts.iter().copied().filter(|start| *start >= to && how == SeekTo::SyncAtOrAfter).min();
        let start = match before {
            Some(before) if to > MediaTime::ZERO => after.unwrap_or(before),
            _ => return Ok(starts.into_iter().min().unwrap_or(MediaTime::ZERO).max(MediaTime::ZERO)),
        };
        if start == MediaTime::ZERO {
            return Ok(start);
        }
        // From the key frame on; of other tracks, what is shown from then on.
        let tracks = &self.fake.tracks;
        let key = self
            .left
            .iter()
            .position(|entry| matches!(entry, Entry::Sample(sample) if is_start(sample) && sample.pts == start));
        let mut index = 0;
        self.left.retain(|entry| {
            index += 1;
            match entry {
                Entry::Sample(sample) if tracks[sample.track].kind() == Kind::Video => Some(index - 1) >= key,
                Entry::Sample(sample) => sample.pts >= start,
                _ => Some(index - 1) >= key,
            }
        });
        Ok(start)
    }
}

/// Cuts a sample's bytes into packets of at most [`PAYLOAD_MAX`].
struct Cutter {
    clock_rate: u32,
}

impl Payloader for Cutter {
    fn rtpmap(&self) -> String {
        format!("X/{}", self.clock_rate)
    }

    fn fmtp(&self) -> Option<String> {
        None
    }

    fn clock_rate(&self) -> u32 {
        self.clock_rate
    }

    fn packetize(&mut self, sample: &Sample, out: &mut PacketWriter<'_>) {
        let mut start = 0;
        while start < sample.data.len() {
            let end = (start + out.payload_max()).min(sample.data.len());
            out.begin();
            out.sample(start..end);
            out.finish(end == sample.data.len());
            start = end;
        }
    }
}

/// A packet that a viewer got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Got {
    /// Microseconds after the viewer's clock began.
    pub at: u64,
    pub track: usize,
    /// Presentation time of the sample, in milliseconds.
    pub pts: i64,
    pub sequence: u16,
    pub rtptime: u32,
    pub marker: bool,
}

/// What else happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Skipped,
    Failed,
    Ended,
    Paused,
    Idle,
}

/// A player and whoever watches it, on an invented clock.
pub struct Viewer {
    pub player: Player,
    began: Instant,
    pub now: Instant,
    pub got: Vec<Got>,
    /// For each begin of a track: packets got until then, the track, and the timestamp its report would have.
    pub begun: Vec<(usize, usize, u32)>,
    pub wakes: usize,
    /// Added to every wait: an overloaded machine.
    pub oversleep: Duration,
}

/// How far to watch.
#[derive(Debug, Clone, Copy)]
pub enum Until {
    /// This long, by the viewer's clock.
    Elapsed(u64),
    /// Until so many packets have come in all.
    Packets(usize),
    /// Until something else than a packet or a wait happens.
    Event,
}

/// How long after the end a viewer of datagrams is told of it, in milliseconds.
pub const GRACE: u64 = END_GRACE.as_millis() as u64;
/// Clock rates of the tracks, by number.
pub const RATES: [u32; 2] = [90_000, 44_100];
/// Where the timestamps and sequence numbers of each track begin.
pub const FIRST_RTPTIME: u32 = u32::MAX - 1000;
pub const FIRST_SEQUENCE: u16 = 65_530;

impl Viewer {
    /// A viewer of the first `datagram.len()` tracks, all set up; which of them go out as datagrams. All that is due
    /// within 40 ms leaves at once.
    pub fn new(fake: Fake, datagram: &[bool]) -> Self {
        Self::with_pacing(fake, datagram, Pacing { lead: Duration::from_millis(40), ..Pacing::default() })
    }

    pub fn with_pacing(fake: Fake, datagram: &[bool], pacing: Pacing) -> Self {
        let now = Instant::now();
        let player = Player::new(Arc::new(fake), pacing, now).unwrap();
        let mut viewer =
            Self { player, began: now, now, got: Vec::new(), begun: Vec::new(), wakes: 0, oversleep: Duration::ZERO };
        for (track, is_datagram) in datagram.iter().enumerate() {
            viewer.set_up(track, *is_datagram);
        }
        viewer
    }

    pub fn set_up(&mut self, track: usize, is_datagram: bool) {
        let stream = RtpStream::new(96, 1, FIRST_SEQUENCE, HEADER_LEN + PAYLOAD_MAX);
        let payloader = Box::new(Cutter { clock_rate: RATES[track] });
        self.player.add_track(track, payloader, stream, FIRST_RTPTIME, is_datagram);
    }

    /// Milliseconds since the clock began.
    pub fn elapsed(&self) -> u64 {
        (self.now - self.began).as_millis() as u64
    }

    pub fn sleep(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
    }

    /// PLAY, its response, and off it goes. `range` in milliseconds.
    pub fn play(&mut self, tracks: &[usize], start: Option<i64>, end: Option<i64>) -> PlayPoint {
        let request = PlayRequest { start: start.map(ms), end: end.map(ms), ..PlayRequest::default() };
        self.request(tracks, &request).unwrap()
    }

    /// As [`Self::play`], at some scale and speed.
    pub fn play_at(
        &mut self,
        tracks: &[usize],
        start: Option<i64>,
        end: Option<i64>,
        (scale, speed): (f64, f64),
    ) -> PlayPoint {
        let rate = Some(Rate::new(scale, speed));
        let request = PlayRequest { start: start.map(ms), end: end.map(ms), rate, ..PlayRequest::default() };
        self.request(tracks, &request).unwrap()
    }

    /// PLAY, its response, and off it goes.
    pub fn request(&mut self, tracks: &[usize], request: &PlayRequest) -> Result<PlayPoint, PlayError> {
        let point = self.player.play(tracks, request, self.now);
        self.player.run(self.now);
        point
    }

    /// Watches; the event that ended it, if one did.
    pub fn watch(&mut self, until: Until) -> Option<Event> {
        for _ in 0..STEPS_MAX {
            if matches!(until, Until::Packets(count) if self.got.len() >= count) {
                return None;
            }
            match self.player.poll(self.now) {
                Ok(Step::Wait(due)) => {
                    assert!(due > self.now, "told to wait for the past");
                    if let Until::Elapsed(millis) = until {
                        let end = self.began + Duration::from_millis(millis);
                        if due > end {
                            self.now = end;
                            return None;
                        }
                    }
                    self.now = due + self.oversleep;
                    self.wakes += 1;
                }
                Ok(Step::Send { track, batch, packets }) => {
                    let at = (self.now - self.began).as_micros() as u64;
                    self.got.extend(packets.map(|index| got(at, track, batch, index)));
                }
                Ok(Step::Begin { track, shown }) => {
                    let rtptime = self.player.rtptime_at(track, shown.max(self.now)).unwrap();
                    self.begun.push((self.got.len(), track, rtptime));
                }
                Ok(Step::Skipped(_)) => return Some(Event::Skipped),
                Ok(Step::Ended) => return Some(Event::Ended),
                Ok(Step::Paused) => return Some(Event::Paused),
                Ok(Step::Idle) => return Some(Event::Idle),
                Err(_) => return Some(Event::Failed),
            }
        }
        panic!("no end after {STEPS_MAX} steps, at {} ms", self.elapsed());
    }

    /// Packets of a track.
    pub fn of(&self, track: usize) -> Vec<Got> {
        self.got.iter().filter(|got| got.track == track).copied().collect()
    }

    /// Presentation times of a track's samples as they came, in milliseconds; a sample counts once.
    pub fn pts(&self, track: usize) -> Vec<i64> {
        self.of(track).iter().filter(|got| got.marker).map(|got| got.pts).collect()
    }

    /// Fails unless each track's sequence numbers count up by one from their start.
    pub fn check_sequence(&self) {
        for track in 0..RATES.len() {
            for (index, got) in self.of(track).iter().enumerate() {
                let expected = FIRST_SEQUENCE.wrapping_add(index as u16);
                assert_eq!(got.sequence, expected, "packet {index} of track {track}: {got:?}");
            }
        }
    }
}

fn got(at: u64, track: usize, batch: &PacketBatch, index: usize) -> Got {
    let mut bytes = Vec::new();
    batch.append_packet(index, &mut bytes);
    let rtp = rtp_types::RtpPacket::parse(&bytes).unwrap();
    Got {
        at,
        track,
        pts: batch.sample.pts.as_nanos() / 1_000_000,
        sequence: rtp.sequence_number(),
        rtptime: rtp.timestamp(),
        marker: rtp.marker_bit(),
    }
}

/// Pictures 40 ms apart in groups of 12, decoded in the order I P B B P B B ..., so that each is decoded up to 80 ms
/// before it is shown. The first is shown at `start` (ms).
pub fn pictures_with_b(start: i64, count: i64) -> Vec<(i64, i64, bool, usize)> {
    (0..count)
        .map(|index| {
            let (group, place) = (index / 12 * 12, index % 12);
            // In order of decoding: 0, then 3 1 2, 6 4 5, 9 7 8, and 11 10 at the end of the group.
            let shown = match place {
                0 => 0,
                10 => 11,
                11 => 10,
                place if place % 3 == 1 => place + 2,
                place => place - 1,
            };
            (start + (group + shown) * 40, start + index * 40 - 80, place == 0, 150)
        })
        .collect()
}

/// Pictures 40 ms apart in their order of display, every 25th a key frame.
pub fn pictures(range: Range<i64>) -> Vec<(i64, i64, bool, usize)> {
    range.map(|index| (index * 40, index * 40, index % 25 == 0, 150)).collect()
}
