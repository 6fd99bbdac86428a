//! A transport stream as one track of packets, at the pace of its own clock (ISO/IEC 13818-1 section 2.4.2.2).
//!
//! A sample is up to seven packets, as many as fit into a datagram with what a network usually lets through. Between two
//! program clock references, packets are equally far apart. Where a key frame begins, a sample begins; where reading
//! begins there, the tables that a decoder needs come first.

use std::collections::VecDeque;
use std::sync::Arc;

use super::clock::{CLOCK_RATE, Clock, StreamClock};
use super::landmarks::{Landmark, Landmarks};
use super::packet::{Found, PACKET_LEN, Packet, Packets};
use super::probes::{pes_stamp, probe};
use super::program::{discover, map_pid};
use super::scanner::{begin, find_start};
use super::streams::begins_key_frame;
use super::tsx::Sidecar;
use crate::media::codec::TransportStreamConfig;
use crate::media::container::mpeg_clock::Probes;
use crate::media::io::Source;
use crate::media::scan::{Entry, Format, Header, Scanner, Timing};
use crate::media::{Codec, Error, Next, Note, Sample, Track};
use crate::time::MediaTime;

/// Packets in a sample.
const PACKETS_MAX: usize = 7;
/// How many packets are held back at most until the next clock reference, which should come within 100 ms.
const QUEUE_MAX: usize = 8192;
/// How far the tables and the first clock reference are looked for, in bytes.
const SEARCH_LEN: u64 = 8 << 20;
/// How many packets of each table are repeated at most.
const TABLE_PACKETS_MAX: usize = 8;

/// What is known of a file.
pub struct WholeStream {
    source: Source,
    stride: usize,
    header: Header,
    layout: Arc<Layout>,
    base: u64,
    probes: Probes,
    landmarks: Arc<Landmarks>,
    sidecar: Option<Sidecar>,
}

/// What to look for in packets.
#[derive(Debug, Default)]
struct Layout {
    /// The packets with the clock: references, or where there are none, the stamps of a stream.
    clock_pid: u16,
    has_references: bool,
    /// Key frames are those of this stream.
    video_pid: Option<u16>,
    /// Without video, reading can begin at any frame of this one.
    sound_pid: Option<u16>,
    /// The packets of the tables.
    tables: Vec<u8>,
}

impl Layout {
    fn stamp(&self, packet: &Packet<'_>) -> Option<u64> {
        match self.has_references {
            true if packet.pid == self.clock_pid => packet.pcr.map(|pcr| pcr / 300),
            true => None,
            false => pes_stamp(packet, self.clock_pid),
        }
    }

    fn is_sync(&self, packet: &Packet<'_>) -> bool {
        if !packet.is_start || packet.is_scrambled {
            return false;
        }
        match self.video_pid {
            Some(pid) => packet.pid == pid && (packet.is_random_access || begins_key_frame(packet.payload)),
            None => self.sound_pid == Some(packet.pid),
        }
    }
}

impl WholeStream {
    /// Finds out what is in the file.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when there is no clock in it; when the file cannot be read.
    pub fn open(source: &Source) -> Result<Self, Error> {
        let (start, stride) = find_start(source)?;
        let packets = || Packets::from_start(source, start, stride);
        let discovery = discover(packets)?;
        let video_pid = discovery.places.iter().find(|place| place.kind.is_video).map(|place| place.pid);
        let sound_pid = discovery.places.first().map(|place| place.pid);
        let mut layout = Layout { video_pid, sound_pid, ..Layout::default() };
        let map_pid = match discovery.number {
            Some(number) => map_pid(packets(), number)?,
            None => None,
        };
        let base = look(packets(), &mut layout, map_pid)?;
        let probes = probe(source, stride, start, base, |packet| layout.stamp(packet))?;
        let note = "the clock was set anew: time goes on without a gap";
        let mut notes = if probes.has_jumps { vec![Note { at: None, text: note.to_owned() }] } else { vec![] };
        // Behind a jump of the clock, more must be known than an index tells.
        let sidecar = if probes.has_jumps { None } else { Sidecar::beside(source, start, stride, &mut notes) };
        let codec = Codec::TransportStream(TransportStreamConfig {});
        let track = Track { codec, duration: None, shown_until: None, bitrate: probes.bitrate(), frame_rate: None };
        let header = Header {
            container: "MPEG-TS, whole",
            tracks: vec![track],
            notes,
            start: Entry { at: start, time: Some(MediaTime::ZERO) },
            timing: if probes.has_jumps { Timing::Counted } else { Timing::Stamped },
            duration: None,
        };
        let (layout, landmarks) = (Arc::new(layout), Arc::default());
        Ok(Self { source: source.clone(), stride, header, layout, base, probes, landmarks, sidecar })
    }
}

/// Finds the first clock reference, and the packets of the tables.
fn look(mut packets: Packets, layout: &mut Layout, map_pid: Option<u16>) -> Result<u64, Error> {
    let start = packets.position();
    let mut bytes = [0; PACKET_LEN];
    let mut tables: Vec<(u16, Vec<u8>)> =
        [Some(0), map_pid].into_iter().flatten().map(|pid| (pid, Vec::new())).collect();
    let mut complete = 0;
    let (mut reference, mut stamp) = (None, None);
    while packets.position() - start < SEARCH_LEN && (reference.is_none() || complete < tables.len()) {
        match packets.next(&mut bytes, true)? {
            Found::Starved => break,
            Found::Skipped(_) => continue,
            Found::Packet(_) => {}
        }
        let Some(packet) = Packet::parse(&bytes) else { continue };
        if let Some(pcr) = packet.pcr {
            reference.get_or_insert((packet.pid, pcr / 300));
        }
        if let Some(found) = layout.sound_pid.and_then(|pid| pes_stamp(&packet, pid)) {
            stamp.get_or_insert((packet.pid, found));
        }
        if let Some((_, table)) = tables.iter_mut().find(|(pid, _)| *pid == packet.pid) {
            // All up to where the table comes again.
            match (packet.is_start, table.is_empty()) {
                (true, false) => complete += 1,
                (false, true) => {}
                _ if table.len() < TABLE_PACKETS_MAX * PACKET_LEN => table.extend(bytes),
                _ => {}
            }
        }
    }
    layout.tables = tables.into_iter().flat_map(|(_, table)| table).collect();
    layout.has_references = reference.is_some();
    let Some((pid, base)) = reference.or(stamp) else {
        return Err(Error::Unsupported(format!(
            "no clock reference in the first {} bytes",
            packets.position() - start
        )));
    };
    layout.clock_pid = pid;
    Ok(base)
}

impl Format for WholeStream {
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
        let offset = self.landmarks.before(entry.at).map_or(0, |landmark| landmark.offset);
        let is_known = is_start || entry.time.is_some() && self.landmarks.reach(entry.at);
        let packets = if is_start { Packets::from_start } else { Packets::new };
        Box::new(WholeScanner {
            packets: packets(&self.source, entry.at, self.stride),
            layout: Arc::clone(&self.layout),
            clock: begin(&self.header, &self.probes, self.base, entry, is_known.then_some(offset)),
            stream: StreamClock::default(),
            offset,
            queue: VecDeque::new(),
            timed: 0,
            reference: entry.time.map(|time| time.to_ticks(CLOCK_RATE)),
            slope: 0.0,
            is_first: !is_start,
            is_finished: false,
            last: entry,
            landmarks: is_known.then(|| Arc::clone(&self.landmarks)),
        })
    }
}

struct Queued {
    at: u64,
    bytes: [u8; PACKET_LEN],
    is_sync: bool,
    /// In ticks; certain for the first [`WholeScanner::timed`].
    time: i64,
}

struct WholeScanner {
    packets: Packets,
    layout: Arc<Layout>,
    clock: Clock,
    stream: StreamClock,
    offset: i64,
    queue: VecDeque<Queued>,
    /// How many of `queue` have their time.
    timed: usize,
    /// The time of the last packet that has one, or of the first where reading began.
    reference: Option<i64>,
    /// Ticks from a packet to the next, at last.
    slope: f64,
    /// Nothing has been delivered, and the tables go before it.
    is_first: bool,
    is_finished: bool,
    last: Entry,
    /// Where jumps are noted, by readers who know what was before.
    landmarks: Option<Arc<Landmarks>>,
}

impl WholeScanner {
    /// Reads one packet; what it found if that was none.
    fn read(&mut self) -> Result<Option<Next>, Error> {
        let mut bytes = [0; PACKET_LEN];
        let at = match self.packets.next(&mut bytes, self.is_finished)? {
            Found::Packet(at) => at,
            Found::Skipped(error) => return Ok(Some(Next::Skipped(error))),
            Found::Starved if self.is_finished => {
                self.spread(None);
                return Ok(self.queue.is_empty().then_some(Next::End));
            }
            Found::Starved => return Ok(Some(Next::Pending)),
        };
        let packet = Packet::parse(&bytes);
        let is_sync = packet.is_some_and(|packet| self.layout.is_sync(&packet));
        let stamp = packet.and_then(|packet| self.layout.stamp(&packet));
        self.queue.push_back(Queued { at, bytes, is_sync, time: 0 });
        let mut jump = None;
        if let Some(stamp) = stamp {
            let placed = self.clock.place(&mut self.stream, stamp, 0);
            self.spread(Some(placed.time));
            jump = placed.jumped;
        } else if self.queue.len() - self.timed > QUEUE_MAX {
            self.spread(None);
        }
        let landmark = jump.map(|offset| Landmark { at, offset, pids: Vec::new() });
        if let Some(landmarks) = self.landmarks.as_ref().filter(|_| !self.clock.is_told()) {
            landmarks.add(landmark.into_iter().collect(), self.packets.position());
        }
        let Some(offset) = jump else { return Ok(None) };
        self.offset = offset;
        Ok(Some(Next::Skipped(Error::malformed("sequence of clock references", at))))
    }

    /// Puts the packets that have no time evenly up to the last one, which is at `time`, or goes on as before.
    fn spread(&mut self, time: Option<i64>) {
        let count = self.queue.len() - self.timed;
        let Some(from) = self.reference.or(time) else {
            // Nothing tells when these are; the first reference will.
            self.queue.clear();
            return;
        };
        if count == 0 {
            return;
        }
        // Where reading begins, the first packet itself is at the time that is known.
        let steps = if self.timed == 0 && self.slope == 0.0 { (count - 1).max(1) } else { count };
        if let Some(time) = time {
            self.slope = (time - from).max(0) as f64 / steps as f64;
        }
        let first = count - steps.min(count);
        for (index, queued) in self.queue.iter_mut().skip(self.timed).enumerate() {
            let passed = (index + 1 - first) as f64;
            queued.time = from + (passed * self.slope).round() as i64;
        }
        self.timed = self.queue.len();
        self.reference = self.queue.back().map(|queued| queued.time.max(from));
    }

    /// How many packets are the next sample; `None` until there are enough.
    fn sample_len(&self) -> Option<usize> {
        let ready = self.queue.iter().take(self.timed).take(PACKETS_MAX);
        let until_sync = ready.skip(1).position(|queued| queued.is_sync).map(|index| index + 1);
        let full = (self.timed >= PACKETS_MAX).then_some(PACKETS_MAX);
        let rest = (self.is_finished && self.timed > 0).then_some(self.timed);
        until_sync.or(full).or(rest)
    }

    fn deliver(&mut self, count: usize, sample: &mut Sample) {
        let Some(first) = self.queue.front() else { return };
        let time = MediaTime::from_ticks(first.time, CLOCK_RATE);
        (sample.track, sample.pts, sample.dts, sample.is_sync) = (0, time, time, first.is_sync);
        self.last = Entry { at: first.at, time: Some(time) };
        let is_table = Packet::parse(&first.bytes).is_some_and(|packet| packet.pid == 0);
        if std::mem::take(&mut self.is_first) && !is_table {
            sample.data.extend_from_slice(&self.layout.tables);
        }
        for queued in self.queue.drain(..count) {
            sample.data.extend_from_slice(&queued.bytes);
        }
        self.timed -= count;
    }
}

impl Scanner for WholeScanner {
    fn next(&mut self, sample: &mut Sample) -> Result<Next, Error> {
        loop {
            if let Some(count) = self.sample_len() {
                self.deliver(count, sample);
                return Ok(Next::Sample);
            }
            if let Some(other) = self.read()? {
                return Ok(other);
            }
        }
    }

    fn finish(&mut self) {
        self.is_finished = true;
    }

    fn entry(&self) -> Entry {
        self.last
    }

    fn position(&self) -> u64 {
        self.packets.position()
    }
}
