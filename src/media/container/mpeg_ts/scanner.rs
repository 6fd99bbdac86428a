//! An opened transport stream as a [`Format`].

use std::sync::Arc;

use super::clock::{CLOCK_RATE, Clock};
use super::demux::{Demux, Stream};
use super::landmarks::Landmarks;
use super::packet::{Found, PACKET_LEN, Packets, STRIDES};
use super::probes::{pes_stamp, probe};
use super::program::{Discovery, Place, ProgramReader, discover};
use super::survey::{Surveyed, survey};
use super::tsx::Sidecar;
use crate::media::container::mpeg_clock::Probes;
use crate::media::io::Source;
use crate::media::scan::{Entry, Format, Header, Scanner, Timing};
use crate::media::{Codec, Error, Next, Note, Sample};
use crate::time::MediaTime;

/// What is known of a file.
pub struct TransportStream {
    source: Source,
    stride: usize,
    header: Header,
    /// By track.
    streams: Vec<(Place, Codec, bool)>,
    /// The program that is followed.
    discovery: Discovery,
    /// The stamp of time 0.
    base: u64,
    probes: Probes,
    /// Sorted by place, as far as anybody has read without leaving anything out.
    landmarks: Arc<Landmarks>,
    sidecar: Option<Sidecar>,
}

impl TransportStream {
    /// Finds out what is in the file.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when there is nothing to stream; when the file cannot be read.
    pub fn open(source: &Source) -> Result<Self, Error> {
        let (start, stride) = find_start(source)?;
        let packets = || Packets::from_start(source, start, stride);
        let mut notes = Vec::new();
        let note = |text: String| Note { at: None, text };
        if start > 0 {
            notes.push(Note { at: Some(0), text: format!("the first packet begins at byte {start}") });
        }
        let discovery = discover(packets)?;
        if discovery.number.is_none() {
            notes.push(note("no program map: streams are guessed".to_owned()));
        }
        notes.extend(discovery.left_out.iter().cloned().map(note));
        let survey = survey(packets(), &discovery)?;
        notes.extend(survey.notes);
        let by = survey.streams.iter().find(|stream| stream.place.kind.is_video).or(survey.streams.first());
        let pid = by.map_or(0, |stream| stream.place.pid);
        let probes = probe(source, stride, start, survey.base, |packet| pes_stamp(packet, pid))?;
        if probes.has_jumps {
            notes.push(note("the clock was set anew: time goes on without a gap".to_owned()));
        }
        // Behind a jump of the clock, more must be known than an index tells.
        let sidecar = if probes.has_jumps { None } else { Sidecar::beside(source, start, stride, &mut notes) };
        let header = Header {
            container: super::CONTAINER.name,
            tracks: survey.streams.iter().map(|stream| stream.track.clone()).collect(),
            notes,
            start: Entry { at: start, time: Some(MediaTime::ZERO) },
            timing: if probes.has_jumps { Timing::Counted } else { Timing::Stamped },
            duration: None,
        };
        let known = |stream: Surveyed| (stream.place, stream.track.codec, stream.waits_for_sync);
        Ok(Self {
            source: source.clone(),
            stride,
            header,
            streams: survey.streams.into_iter().map(known).collect(),
            discovery,
            base: survey.base,
            probes,
            landmarks: Arc::default(),
            sidecar,
        })
    }
}

/// Where the first packet is, and how far apart they are.
pub(super) fn find_start(source: &Source) -> Result<(u64, usize), Error> {
    let mut packets = Packets::new(source, 0, STRIDES[0]);
    match packets.next(&mut [0; PACKET_LEN], true)? {
        Found::Packet(at) => Ok((at, packets.stride())),
        Found::Skipped(_) | Found::Starved => Err(Error::Unsupported("no transport packets in it".to_owned())),
    }
}

/// The clock of a reader who begins at `entry`, where `offset` ticks were closed up before, if that is known.
pub(super) fn begin(header: &Header, probes: &Probes, base: u64, entry: Entry, offset: Option<i64>) -> Clock {
    let told = entry.time.map(|time| time.to_ticks(CLOCK_RATE));
    match told.filter(|_| header.timing == Timing::Counted && entry.at > header.start.at) {
        Some(time) => Clock::told(base, offset, time),
        None => {
            let near = told.unwrap_or_else(|| probes.time_at(entry.at));
            Clock::new(base, offset.unwrap_or(0), Some(near), probes.forward_max)
        }
    }
}

impl Format for TransportStream {
    fn header(&self) -> &Header {
        &self.header
    }

    /// Packets are found from any byte on.
    fn can_guess(&self) -> bool {
        true
    }

    fn locate(&self, time: MediaTime) -> Option<Entry> {
        self.sidecar.as_ref().map(|sidecar| sidecar.locate(time, self.header.start))
    }

    fn scan(&self, entry: Entry) -> Box<dyn Scanner> {
        let is_start = entry.at <= self.header.start.at;
        let landmark = self.landmarks.before(entry.at);
        let packets = if is_start { Packets::from_start } else { Packets::new };
        let stream = |(index, (place, codec, _)): (usize, &(Place, Codec, bool))| {
            let pid = landmark.as_ref().and_then(|landmark| landmark.pids.get(index)).unwrap_or(&place.pid);
            let mut stream = Stream::new(*pid, place.kind, Some(codec));
            if !is_start {
                // What comes first may be the rest of a frame.
                stream.framer.reset();
            }
            stream
        };
        let is_known = is_start || entry.time.is_some() && self.landmarks.reach(entry.at);
        let offset = landmark.as_ref().map_or(0, |landmark| landmark.offset);
        let clock = begin(&self.header, &self.probes, self.base, entry, is_known.then_some(offset));
        let streams = self.streams.iter().enumerate().map(stream).collect();
        let packets = packets(&self.source, entry.at, self.stride);
        Box::new(TransportScanner {
            demux: Demux::new(packets, streams, ProgramReader::new(&self.discovery), clock, offset),
            waiting: self.streams.iter().map(|(_, _, waits_for_sync)| is_start && *waits_for_sync).collect(),
            last: entry,
            landmarks: is_known.then(|| Arc::clone(&self.landmarks)),
        })
    }
}

struct TransportScanner {
    demux: Demux,
    /// Tracks of which nothing is wanted before the first key frame.
    waiting: Vec<bool>,
    last: Entry,
    /// Where changes are noted, by readers who know what was before.
    landmarks: Option<Arc<Landmarks>>,
}

impl Scanner for TransportScanner {
    fn next(&mut self, sample: &mut Sample) -> Result<Next, Error> {
        loop {
            let mut origin = 0;
            let next = self.demux.next(sample, &mut origin)?;
            let met = self.demux.take_landmarks();
            if let Some(landmarks) = self.landmarks.as_ref().filter(|_| !self.demux.is_told()) {
                landmarks.add(met, self.demux.position());
            }
            if !matches!(next, Next::Sample) {
                return Ok(next);
            }
            let waiting = &mut self.waiting[sample.track];
            *waiting &= !sample.is_sync;
            if !*waiting {
                // Several samples may begin in one PES packet; its time is that of the first.
                if origin != self.last.at {
                    self.last = Entry { at: origin, time: Some(sample.pts) };
                }
                return Ok(next);
            }
            sample.clear();
        }
    }

    fn finish(&mut self) {
        self.demux.finish();
    }

    fn entry(&self) -> Entry {
        self.last
    }

    fn position(&self) -> u64 {
        self.demux.position()
    }
}
