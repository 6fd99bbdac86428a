//! Packets in, samples out: takes the streams of one program apart and follows it when its map changes.

use std::collections::VecDeque;

use super::clock::{CLOCK_RATE, Clock, StreamClock, distance};
use super::landmarks::Landmark;
use super::packet::{Found, PACKET_LEN, PID_NULL, Packet, Packets};
use super::pes::{PesReader, Ticks};
use super::program::{Place, ProgramReader};
use super::streams::StreamKind;
use crate::media::scan::{Chunk, Framer, Stamp};
use crate::media::{Codec, Error, Next, Sample};
use crate::time::MediaTime;

/// Damage within so many bytes of what was told last is not told again.
const DAMAGE_APART: u64 = 64 << 10;
/// How much later than it is decoded a picture may be shown, in ticks.
const DELAY_MAX: i64 = 30 * CLOCK_RATE as i64;

/// One stream of the program.
pub struct Stream {
    /// Where it is now; [`PID_NULL`] while it is nowhere.
    pub pid: u16,
    /// How it is cut.
    pub kind: StreamKind,
    /// What cuts it.
    pub framer: Box<dyn Framer>,
    pes: PesReader,
    clock: StreamClock,
    /// Where its first PES packet is.
    first_at: Option<u64>,
    /// When its last sample is decoded.
    last_dts: MediaTime,
    /// The last packet of it.
    last: Option<[u8; PACKET_LEN]>,
    is_scrambled: bool,
}

impl Stream {
    /// Of the packets of `pid`, with what is known of it.
    pub fn new(pid: u16, kind: StreamKind, codec: Option<&Codec>) -> Self {
        let mut framer = (kind.framer)();
        if let Some(codec) = codec {
            framer.prime(codec);
        }
        Self {
            pid,
            kind,
            framer,
            pes: PesReader::new(!kind.is_video),
            clock: StreamClock::default(),
            first_at: None,
            last_dts: MediaTime::MIN,
            last: None,
            is_scrambled: false,
        }
    }

    /// Where its first PES packet is.
    pub fn first_at(&self) -> Option<u64> {
        self.first_at
    }

    /// Whether its packets are scrambled.
    pub fn is_scrambled(&self) -> bool {
        self.is_scrambled
    }
}

/// Reads forward through a file.
pub struct Demux {
    packets: Packets,
    streams: Vec<Stream>,
    program: ProgramReader,
    clock: Clock,
    /// What is closed up so far.
    offset: i64,
    /// The stream whose framer may have a sample.
    ready: Option<usize>,
    /// The packet with which that stream starts afresh when its framer has no more samples.
    joining: Option<([u8; PACKET_LEN], u64)>,
    errors: VecDeque<Error>,
    /// Where damage was told last.
    damaged_at: Option<u64>,
    landmarks: Vec<Landmark>,
    /// Streams that have been told to be left out.
    known: Vec<Place>,
    is_finished: bool,
    /// How many framers have been told of the end.
    finished: usize,
}

impl Demux {
    /// Takes `streams` out of `packets`, on a timeline that `clock` makes.
    pub fn new(packets: Packets, streams: Vec<Stream>, program: ProgramReader, clock: Clock, offset: i64) -> Self {
        Self {
            packets,
            streams,
            program,
            clock,
            offset,
            ready: None,
            joining: None,
            known: Vec::new(),
            errors: VecDeque::new(),
            damaged_at: None,
            landmarks: Vec::new(),
            is_finished: false,
            finished: 0,
        }
    }

    /// The streams.
    pub fn streams(&self) -> &[Stream] {
        &self.streams
    }

    /// The stamp of time 0.
    pub fn base(&self) -> Option<u64> {
        self.clock.base()
    }

    /// As [`Clock::is_told`].
    pub fn is_told(&self) -> bool {
        self.clock.is_told()
    }

    /// How far it has read.
    pub fn position(&self) -> u64 {
        self.packets.position()
    }

    /// What has changed since this was asked last.
    pub fn take_landmarks(&mut self) -> Vec<Landmark> {
        std::mem::take(&mut self.landmarks)
    }

    /// The file ends where it ends now.
    pub fn finish(&mut self) {
        self.is_finished = true;
    }

    /// The next sample, and where it can be read again. See [`crate::media::scan::Scanner::next`].
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn next(&mut self, sample: &mut Sample, origin: &mut u64) -> Result<Next, Error> {
        let mut packet = [0; PACKET_LEN];
        loop {
            if let Some(error) = self.errors.pop_front() {
                return Ok(Next::Skipped(error));
            }
            if let Some(track) = self.ready {
                let stream = &mut self.streams[track];
                match stream.framer.pop(sample) {
                    Ok(Some(at)) => {
                        // Stamps may go back a little, decoding does not.
                        stream.last_dts = stream.last_dts.max(sample.dts);
                        (sample.track, sample.dts) = (track, stream.last_dts);
                        sample.pts = sample.pts.max(sample.dts);
                        *origin = at;
                        return Ok(Next::Sample);
                    }
                    Ok(None) => self.end_turn(track),
                    Err(error) => self.tell(error, self.packets.position()),
                }
                continue;
            }
            match self.packets.next(&mut packet, self.is_finished)? {
                Found::Packet(at) => self.take(&packet, at),
                Found::Skipped(error) => self.tell(error, self.packets.position()),
                Found::Starved if !self.is_finished => return Ok(Next::Pending),
                Found::Starved => match self.streams.get_mut(self.finished) {
                    Some(stream) => {
                        stream.framer.finish();
                        self.ready = Some(self.finished);
                        self.finished += 1;
                    }
                    None => return Ok(Next::End),
                },
            }
        }
    }

    fn end_turn(&mut self, track: usize) {
        self.ready = None;
        if let Some((packet, at)) = self.joining.take() {
            self.streams[track].framer.reset();
            if let Some(packet) = Packet::parse(&packet) {
                self.push(track, &packet, at);
            }
        }
    }

    /// Tells of damage before byte `at`, once for each stretch.
    fn tell(&mut self, error: Error, at: u64) {
        let is_new = self.damaged_at.is_none_or(|last| at.saturating_sub(last) > DAMAGE_APART);
        self.damaged_at = Some(at);
        if is_new {
            self.errors.push_back(error);
        }
    }

    fn take(&mut self, bytes: &[u8; PACKET_LEN], at: u64) {
        let Some(packet) = Packet::parse(bytes).filter(|packet| !packet.has_error) else {
            // Which stream it is of is not certain either. The counter of that one will tell.
            return self.tell(Error::malformed("transport packet", at), at);
        };
        if packet.pid == PID_NULL {
            return;
        }
        let Some(track) = self.streams.iter().position(|stream| stream.pid == packet.pid) else {
            if let Some(places) = self.program.push(&packet) {
                self.follow(&places, at);
            }
            return;
        };
        let stream = &mut self.streams[track];
        stream.is_scrambled |= packet.is_scrambled;
        if !packet.has_payload || packet.is_scrambled {
            return;
        }
        match stream.check_continuity(bytes, &packet) {
            Continuity::Right => self.push(track, &packet, at),
            Continuity::Repeated => {}
            Continuity::Broken { is_told } => {
                if packet.is_start {
                    // Where recordings are put together, the last frame is whole and nothing is missing.
                    stream.framer.finish();
                    stream.pes.reset();
                    self.joining = Some((*bytes, at));
                    self.ready = Some(track);
                } else {
                    stream.framer.reset();
                    stream.pes.reset();
                    self.push(track, &packet, at);
                }
                if !is_told {
                    self.tell(Error::malformed("continuity of transport packets", at), at);
                }
            }
        }
    }

    /// Gives the payload of a packet to the framer of its stream.
    fn push(&mut self, track: usize, packet: &Packet<'_>, at: u64) {
        let Some(piece) = self.streams[track].pes.push(packet.payload, packet.is_start, at) else { return };
        self.streams[track].first_at.get_or_insert(piece.at);
        let stamp = piece.ticks.map(|ticks| self.stamp(track, ticks, piece.at));
        let chunk = Chunk { bytes: piece.bytes, at: piece.at, is_packet: true, stamp };
        self.streams[track].framer.push(chunk);
        self.ready = Some(track);
    }

    fn stamp(&mut self, track: usize, ticks: Ticks, at: u64) -> Stamp {
        let decoded = ticks.dts.unwrap_or(ticks.pts);
        let delay = distance(decoded, ticks.pts);
        let delay = if (0..=DELAY_MAX).contains(&delay) { delay } else { 0 };
        let placed = self.clock.place(&mut self.streams[track].clock, decoded, delay);
        if let Some(offset) = placed.jumped {
            self.offset = offset;
            self.errors.push_back(Error::malformed("sequence of time stamps", at));
            self.mark(at);
        }
        let time = |ticks| MediaTime::from_ticks(ticks, CLOCK_RATE);
        Stamp { pts: time(placed.time + delay), dts: ticks.dts.map(|_| time(placed.time)) }
    }

    /// Finds the streams in a map that is new.
    fn follow(&mut self, places: &[Place], at: u64) {
        let mut pids: Vec<Option<u16>> = vec![None; self.streams.len()];
        let mut free: Vec<&Place> = places.iter().collect();
        for is_exact in [true, false] {
            for (stream, pid) in self.streams.iter().zip(&mut pids).filter(|(_, pid)| pid.is_none()) {
                let fits = |place: &&Place| place.kind == stream.kind && (!is_exact || place.pid == stream.pid);
                if let Some(index) = free.iter().position(fits) {
                    *pid = Some(free.remove(index).pid);
                }
            }
        }
        let mut has_changed = false;
        for (stream, pid) in self.streams.iter_mut().zip(pids) {
            let pid = pid.unwrap_or(PID_NULL);
            if pid != stream.pid {
                stream.pid = pid;
                stream.last = None;
                stream.pes.reset();
                has_changed = true;
            }
        }
        if has_changed {
            self.mark(at);
        }
        let has_more = !free.is_empty() && places.iter().all(|place| !self.known.contains(place));
        self.known.extend(places.iter().filter(|_| has_more));
        if has_more {
            let text = format!("from byte {at} on, streams of other kinds than before are left out");
            self.errors.push_back(Error::Unsupported(text));
        }
    }

    fn mark(&mut self, at: u64) {
        let pids = self.streams.iter().map(|stream| stream.pid).collect();
        self.landmarks.push(Landmark { at, offset: self.offset, pids });
    }
}

/// What the continuity_counter of a packet says (section 2.4.3.3).
enum Continuity {
    /// It follows the one before.
    Right,
    /// It is the one before.
    Repeated,
    /// It does not follow the one before; the stream itself may have told.
    Broken { is_told: bool },
}

impl Stream {
    fn check_continuity(&mut self, bytes: &[u8; PACKET_LEN], packet: &Packet<'_>) -> Continuity {
        let last = self.last.replace(*bytes);
        let Some(last) = last else { return Continuity::Right };
        let last_counter = last[3] & 0xf;
        if packet.continuity == (last_counter + 1) & 0xf {
            Continuity::Right
        } else if packet.continuity != last_counter {
            Continuity::Broken { is_told: packet.is_discontinuity }
        } else if last == *bytes {
            Continuity::Repeated
        } else {
            // A counter that does not count says nothing.
            Continuity::Right
        }
    }
}
