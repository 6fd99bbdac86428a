//! Writes the index of a file, byte for byte what LIVE555 writes: its clock in single precision, its start codes of
//! three bytes (a fourth belongs to what comes before), its units of MPEG video that reach up to the next header.

use std::collections::VecDeque;
use std::io::Write;

use super::super::packet::{PACKET_LEN, Packet, SYNC_BYTE};
use super::super::psi::{ProgramMap, Sections, parse_pat};
use super::{FIRST, GROUP_HEADER, INTRA_PICTURE, JUNK, PICTURE, Record, SEQUENCE_HEADER};
use crate::media::Error;
use crate::media::codec::nal::find_start_code;
use crate::media::codec::{h264, h265};
use crate::media::io::Source;

/// How much is read at once, in bytes.
const READ_LEN: usize = 1024 * PACKET_LEN;
/// The longest unit; LIVE555 gives up there too.
const UNIT_LEN_MAX: usize = 800_000;
const CODE_LEN: usize = 4;
/// Bytes of a PES header before its data, and the room that LIVE555 wants behind it.
const PES_FIXED_LEN: usize = 9;

/// Writes the index of the file in `source`, and returns how many records it has.
///
/// # Errors
/// [`Error::Unsupported`] when it does not consist of packets of 188 bytes, or has no video of these codecs;
/// [`Error::Io`].
pub fn write(source: &Source, out: &mut impl Write) -> Result<u64, Error> {
    let mut indexer = Indexer::default();
    let mut buffer = vec![0; READ_LEN];
    let (mut at, mut records) = (0, 0);
    loop {
        let filled = source.read_at(&mut buffer, at, "transport packets")?;
        at += filled as u64;
        let whole = buffer[..filled].chunks_exact(PACKET_LEN).take_while(|packet| packet[0] == SYNC_BYTE);
        let mut taken = 0;
        for packet in whole {
            indexer.take(packet);
            taken += PACKET_LEN;
        }
        let is_end = taken < READ_LEN || indexer.is_full();
        if is_end {
            indexer.finish();
        }
        records += indexer.flush(out)?;
        if is_end {
            break;
        }
    }
    if records == 0 {
        let text = "no packets of 188 bytes with MPEG-1 or MPEG-2 video, H.264 or H.265 from the start";
        return Err(Error::Unsupported(text.to_owned()));
    }
    Ok(records)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Family {
    #[default]
    Mpeg,
    H264,
    H265,
}

/// What a packet brought, or what is left of it.
#[derive(Debug, Clone, Copy)]
struct Piece {
    offset: usize,
    len: usize,
    time: f32,
    packet: u32,
}

#[derive(Default)]
struct Indexer {
    packets: u32,
    pat: Sections,
    map: Sections,
    map_pid: Option<u16>,
    video: Option<(u16, Family)>,
    counter: Option<u8>,
    /// The first clock reference, moved where the clock goes back, and the last.
    first: Option<f32>,
    last: f32,
    /// Bytes of video that are in no unit yet, and where they come from.
    bytes: Vec<u8>,
    pieces: VecDeque<Piece>,
    /// From where in `bytes` the end of the first unit is looked for.
    scanned: usize,
    records: Vec<Record>,
}

impl Indexer {
    fn is_full(&self) -> bool {
        self.bytes.len() > UNIT_LEN_MAX
    }

    fn take(&mut self, bytes: &[u8]) {
        let number = self.packets;
        self.packets = self.packets.wrapping_add(1);
        let Some(packet) = bytes.first_chunk().and_then(Packet::parse) else { return };
        if let Some(pcr) = packet.pcr {
            self.take_reference(pcr);
        }
        self.take_tables(&packet);
        let Some((pid, _)) = self.video else { return };
        if packet.pid != pid
            || !packet.has_payload
            || packet.payload.is_empty()
            || self.counter == Some(packet.continuity)
        {
            return;
        }
        self.counter = Some(packet.continuity);
        let mut payload = packet.payload;
        if packet.is_start && payload.starts_with(&[0, 0, 1]) && payload.len() >= PES_FIXED_LEN {
            let header_len = PES_FIXED_LEN + usize::from(payload[PES_FIXED_LEN - 1]);
            payload = payload.get(header_len..).unwrap_or_default();
        }
        let time = self.last - self.first.unwrap_or_default();
        let piece = Piece { offset: PACKET_LEN - payload.len(), len: payload.len(), time, packet: number };
        if piece.len > 0 {
            self.bytes.extend_from_slice(payload);
            self.pieces.push_back(piece);
            while self.cut() {}
        }
    }

    /// In single precision, summed up in the same order: seconds of a clock that runs for long are coarse.
    fn take_reference(&mut self, pcr: u64) {
        let (base, extension) = (pcr / 300, pcr % 300);
        let mut seconds = (base >> 1) as f32 / 45_000.0;
        if base & 1 == 1 {
            seconds += 1.0 / 90_000.0;
        }
        seconds += extension as f32 / 27_000_000.0;
        match &mut self.first {
            None => self.first = Some(seconds),
            Some(first) if seconds < self.last => *first -= self.last - seconds,
            Some(_) => {}
        }
        self.last = seconds;
    }

    fn take_tables(&mut self, packet: &Packet<'_>) {
        if packet.pid == 0 {
            self.pat.push(packet.payload, packet.is_start, |section| {
                self.map_pid = parse_pat(section).and_then(|programs| programs.first().map(|(_, pid)| *pid));
            });
        } else if self.map_pid == Some(packet.pid) {
            self.map.push(packet.payload, packet.is_start, |section| {
                let Some(map) = ProgramMap::parse(section) else { return };
                let family = |stream_type| match stream_type {
                    0x01 | 0x02 => Some(Family::Mpeg),
                    0x1b => Some(Family::H264),
                    0x24 => Some(Family::H265),
                    _ => None,
                };
                let video = map.streams.iter().find_map(|entry| Some((entry.pid, family(entry.stream_type)?)));
                self.video = video.or(self.video);
            });
        }
    }

    /// Cuts off the first unit, if its end is there.
    fn cut(&mut self) -> bool {
        let Some((begin, code)) = self.find_code(0) else { return false };
        let mut from = self.scanned.max(begin + CODE_LEN);
        let end = loop {
            let Some((at, next)) = self.find_code(from) else {
                self.scanned = from.max(self.bytes.len().saturating_sub(CODE_LEN - 1));
                return false;
            };
            if self.ends(code, next) {
                break at;
            }
            from = at + CODE_LEN;
        };
        let kind = self.kind_of(code, begin);
        self.record(kind, begin, end);
        self.bytes.drain(..end);
        self.scanned = 0;
        true
    }

    /// The next start code from `from` on, and the byte behind it.
    fn find_code(&self, from: usize) -> Option<(usize, u8)> {
        let at = find_start_code(&self.bytes, from)?;
        Some((at, *self.bytes.get(at + CODE_LEN - 1)?))
    }

    /// Whether the unit that `code` begins ends before `next`.
    fn ends(&self, code: u8, next: u8) -> bool {
        const SEQUENCES: [u8; 2] = [0xb3, 0xb0];
        const GROUP: u8 = 0xb8;
        const PICTURES: [u8; 2] = [0x00, 0xb6];
        if self.video.is_some_and(|(_, family)| family != Family::Mpeg) {
            return true;
        }
        match code {
            0xb3 | 0xb0 => next == GROUP || PICTURES.contains(&next),
            GROUP => PICTURES.contains(&next),
            _ => next == GROUP || PICTURES.contains(&next) || SEQUENCES.contains(&next),
        }
    }

    fn kind_of(&self, code: u8, begin: usize) -> u8 {
        let byte = |index: usize| self.bytes.get(begin + index).copied().unwrap_or_default();
        match self.video.map_or(Family::Mpeg, |(_, family)| family) {
            Family::H264 => match h264::nal_type(&[code]) {
                1 => 8,
                h264::NAL_IDR => 9,
                h264::NAL_SEI => 7,
                h264::NAL_SPS => super::H264_SPS,
                h264::NAL_PPS => 6,
                _ => 10,
            },
            Family::H265 => match h265::nal_type(&[code]) {
                19 | 20 => 15,
                h265::NAL_VPS => super::H265_VPS,
                h265::NAL_SPS => super::H265_SPS,
                h265::NAL_PPS => 13,
                0..=31 => 14,
                _ => 16,
            },
            Family::Mpeg => match code {
                0xb3 | 0xb0 => SEQUENCE_HEADER,
                0xb8 => GROUP_HEADER,
                // vop_coding_type and picture_coding_type.
                0xb6 if byte(4) & 0xc0 == 0 => INTRA_PICTURE,
                0xb6 => PICTURE,
                _ if byte(5) & 0x38 == 0x08 => INTRA_PICTURE,
                _ => PICTURE,
            },
        }
    }

    /// Writes records of the pieces up to byte `end`, of which the first `junk` bytes are no unit.
    fn record(&mut self, kind: u8, junk: usize, end: usize) {
        let (mut junk, mut left, mut is_first) = (junk, end, true);
        while let Some(piece) = self.pieces.front_mut().filter(|_| left > 0) {
            let is_junk = junk >= piece.len;
            junk -= if is_junk { piece.len } else { 0 };
            let len = piece.len.min(left);
            let kind = if is_junk { JUNK } else { kind } | if is_first { FIRST } else { 0 };
            if kind != JUNK {
                let (offset, len) = (piece.offset as u8, len as u8);
                let seconds = piece.time as u32;
                let fraction = (256.0 * (piece.time - seconds as f32)) as u32;
                let time = seconds << 8 | fraction & 0xff;
                self.records.push(Record { kind, offset, len, time, packet: piece.packet });
            }
            is_first = false;
            left -= len;
            if len == piece.len {
                self.pieces.pop_front();
            } else {
                piece.offset += len;
                piece.len -= len;
            }
        }
    }

    /// The last unit ends with the file.
    fn finish(&mut self) {
        if !self.bytes.is_empty() {
            self.bytes.extend([0, 0, 1, 0]);
            while self.cut() {}
        }
    }

    fn flush(&mut self, out: &mut impl Write) -> Result<u64, Error> {
        let count = self.records.len() as u64;
        for record in self.records.drain(..) {
            let written = out.write_all(&record.to_bytes());
            written.map_err(|source| Error::Io { what: "the index that is written", source })?;
        }
        Ok(count)
    }
}
