//! What the start of a file shows: codecs, first times, rates.

use super::clock::{CLOCK_RATE, Clock, shifted};
use super::demux::{Demux, Stream};
use super::packet::Packets;
use super::program::{Discovery, Place, ProgramReader};
use crate::media::{Codec, Error, Next, Note, Sample, Track};
use crate::time::MediaTime;

/// How far streams are looked for, in bytes.
const SURVEY_LEN: u64 = 8 << 20;
/// Bit rates are measured over this time.
const RATE_TIME: MediaTime = MediaTime::from_millis(2000);

/// A stream that is streamed.
pub struct Surveyed {
    pub place: Place,
    pub track: Track,
    /// It has key frames; those before the first are left out when playing from the start.
    pub waits_for_sync: bool,
}

/// What was found.
pub struct Survey {
    pub streams: Vec<Surveyed>,
    pub notes: Vec<Note>,
    /// The stamp of time 0.
    pub base: u64,
}

/// What has been seen of one stream.
#[derive(Default)]
struct Seen {
    /// When its first sample is decoded or shown, and the first where decoding can start.
    first: Option<MediaTime>,
    first_sync: Option<(MediaTime, u64)>,
    last: MediaTime,
    bytes: u64,
}

impl Seen {
    fn take(&mut self, sample: &Sample, origin: u64) {
        let time = sample.dts.min(sample.pts);
        self.first.get_or_insert(time);
        if sample.is_sync {
            self.first_sync.get_or_insert((time, origin));
        }
        self.last = self.last.max(sample.dts);
        self.bytes += sample.data.len() as u64;
    }

    fn start(&self) -> Option<MediaTime> {
        self.first_sync.map(|(time, _)| time).or(self.first)
    }

    fn is_enough(&self, is_video: bool) -> bool {
        let has_start = if is_video { self.first_sync.is_some() } else { self.first.is_some() };
        has_start && self.first.is_some_and(|first| self.last - first >= RATE_TIME)
    }

    fn bitrate(&self) -> Option<u32> {
        let seconds = (self.last - self.first?).as_secs_f64();
        (seconds > 0.2).then(|| (self.bytes as f64 * 8.0 / seconds) as u32)
    }
}

/// Reads the start of the file with all streams that were found.
///
/// # Errors
/// [`Error::Unsupported`] when none of them can be streamed; when the file cannot be read.
pub fn survey(packets: Packets, discovery: &Discovery) -> Result<Survey, Error> {
    let places = discovery.places.as_slice();
    let start = packets.position();
    let streams = places.iter().map(|place| Stream::new(place.pid, place.kind, None)).collect();
    let mut demux = Demux::new(packets, streams, ProgramReader::new(discovery), Clock::unset(), 0);
    let mut seen: Vec<Seen> = places.iter().map(|_| Seen::default()).collect();
    let mut notes = Vec::new();
    let (mut sample, mut origin) = (Sample::default(), 0);
    while demux.position() - start < SURVEY_LEN {
        sample.clear();
        match demux.next(&mut sample, &mut origin)? {
            Next::Sample => seen[sample.track].take(&sample, origin),
            Next::Pending => demux.finish(),
            Next::Skipped(error) if notes.is_empty() => notes.push(Note::from(&error)),
            Next::Skipped(_) => {}
            Next::End => break,
        }
        let is_enough = |(seen, place): (&Seen, &Place)| seen.is_enough(place.kind.is_video);
        if seen.iter().zip(places).all(is_enough) {
            break;
        }
    }
    let len = demux.position() - start;
    conclude(&demux, places, &seen, notes, len)
}

fn conclude(demux: &Demux, places: &[Place], seen: &[Seen], mut notes: Vec<Note>, len: u64) -> Result<Survey, Error> {
    let mut streams = Vec::new();
    let mut start: Option<MediaTime> = None;
    for ((stream, place), seen) in demux.streams().iter().zip(places).zip(seen) {
        let (Some(codec), Some(time)) = (stream.framer.codec(), seen.start()) else {
            let why = if stream.is_scrambled() { "it is scrambled" } else { "it has no frame" };
            let text =
                format!("stream {:#06x} ({}) is left out: {why} in the first {len} bytes", place.pid, place.kind.name);
            notes.push(Note { at: None, text });
            continue;
        };
        start = Some(start.map_or(time, |start| start.min(time)));
        if let (true, Some((_, at)), Some(first_at)) = (place.kind.is_video, seen.first_sync, stream.first_at())
            && at > first_at
        {
            let text = format!("no key frame in the first {at} bytes: pictures before it are left out");
            notes.push(Note { at: None, text });
        }
        let track = track(codec, seen, stream.framer.frame_rate());
        let waits_for_sync = place.kind.is_video && seen.first_sync.is_some();
        streams.push(Surveyed { place: *place, track, waits_for_sync });
    }
    let (Some(start), Some(base)) = (start, demux.base()) else {
        let why = notes.last().map_or("no stream in it", |note| note.text.as_str());
        return Err(Error::Unsupported(format!("nothing that could be streamed: {why}")));
    };
    Ok(Survey { streams, notes, base: shifted(base, start.to_ticks(CLOCK_RATE)) })
}

fn track(codec: Codec, seen: &Seen, frame_rate: Option<f64>) -> Track {
    Track { codec, duration: None, shown_until: None, bitrate: seen.bitrate(), frame_rate }
}
