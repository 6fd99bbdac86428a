//! A multiplexer for tests.

use super::packet::PACKET_LEN;
use super::psi::crc32;

/// A section with its CRC.
pub fn section(table_id: u8, id: u16, body: &[u8]) -> Vec<u8> {
    let len = (5 + body.len() + 4) as u16;
    let mut section = vec![table_id];
    section.extend((0xb000 | len).to_be_bytes());
    section.extend(id.to_be_bytes());
    section.extend([0xc1, 0, 0]);
    section.extend(body);
    section.extend(crc32(&section).to_be_bytes());
    section
}

/// A map section of streams: stream_type, PID and descriptors.
pub fn pmt_section(number: u16, streams: &[(u8, u16, &[u8])]) -> Vec<u8> {
    let mut body = vec![0xe1, 0x00, 0xf0, 0x00];
    for (stream_type, pid, descriptors) in streams {
        body.push(*stream_type);
        body.extend((0xe000 | pid).to_be_bytes());
        body.extend((0xf000 | descriptors.len() as u16).to_be_bytes());
        body.extend(*descriptors);
    }
    section(0x02, number, &body)
}

fn ticks(prefix: u8, ticks: u64) -> [u8; 5] {
    let byte = |shift: u64| (ticks >> shift) as u8;
    [prefix << 4 | byte(29) & 0xe | 1, byte(22), byte(14) | 1, byte(7), byte(0) << 1 | 1]
}

/// A PES packet that tells its length.
pub fn pes(stream_id: u8, stamp: Option<(u64, Option<u64>)>, payload: &[u8]) -> Vec<u8> {
    let (flags, data) = match stamp {
        None => (0, vec![]),
        Some((pts, None)) => (0x80, ticks(2, pts).to_vec()),
        Some((pts, Some(dts))) => (0xc0, [ticks(3, pts), ticks(1, dts)].concat()),
    };
    let len = 3 + data.len() + payload.len();
    let len = if len > 0xffff { 0 } else { len as u16 };
    let mut packet = vec![0, 0, 1, stream_id];
    packet.extend(len.to_be_bytes());
    packet.extend([0x80, flags, data.len() as u8]);
    packet.extend(data);
    packet.extend(payload);
    packet
}

/// Writes transport packets.
#[derive(Debug, Clone, Default)]
pub struct Muxer {
    /// What has been written.
    pub file: Vec<u8>,
    /// continuity_counter by PID.
    pub counters: std::collections::BTreeMap<u16, u8>,
    /// What stands before and behind each packet.
    pub before: usize,
    pub behind: usize,
}

impl Muxer {
    /// A packet with an adaptation field with these bytes (flags and what they announce), stuffed to the full length.
    pub fn packet(&mut self, pid: u16, is_start: bool, field: &[u8], payload: &[u8]) -> usize {
        let room = PACKET_LEN - 4 - if field.is_empty() { 0 } else { 1 + field.len() };
        let taken = payload.len().min(room);
        let stuffing = room - taken;
        let counter = self.counters.entry(pid).or_insert(0xf);
        if taken > 0 {
            *counter = (*counter + 1) & 0xf;
        }
        let has_field = !field.is_empty() || stuffing > 0;
        let control = u8::from(has_field) << 5 | u8::from(taken > 0) << 4 | *counter;
        let mut packet = vec![0x47, u8::from(is_start) << 6 | (pid >> 8) as u8, pid as u8, control];
        if has_field {
            let field_len = PACKET_LEN - 5 - taken;
            packet.push(field_len as u8);
            packet.extend(field);
            if field.is_empty() && field_len > 0 {
                packet.push(0);
            }
            packet.resize(PACKET_LEN - taken, 0xff);
        }
        packet.extend(&payload[..taken]);
        assert_eq!(packet.len(), PACKET_LEN);
        self.file.extend(std::iter::repeat_n(0x11, self.before));
        self.file.extend(packet);
        self.file.extend(std::iter::repeat_n(0x22, self.behind));
        taken
    }

    /// As many packets as it takes for one PES packet.
    pub fn pes(&mut self, pid: u16, packet: &[u8]) {
        let mut rest = packet;
        let mut is_start = true;
        while !rest.is_empty() {
            let taken = self.packet(pid, is_start, &[], rest);
            rest = &rest[taken..];
            is_start = false;
        }
    }

    /// As many packets as it takes for one section.
    pub fn section(&mut self, pid: u16, section: &[u8]) {
        let mut bytes = vec![0];
        bytes.extend(section);
        let mut is_start = true;
        for part in bytes.chunks(PACKET_LEN - 4) {
            let mut part = part.to_vec();
            part.resize(PACKET_LEN - 4, 0xff);
            self.packet(pid, is_start, &[], &part);
            is_start = false;
        }
    }

    /// A PAT with one program and its map, which is on PID 0x1000.
    pub fn tables(&mut self, streams: &[(u8, u16, &[u8])]) {
        self.section(0, &section(0x00, 1, &[0, 1, 0xf0, 0x00]));
        self.section(0x1000, &pmt_section(1, streams));
    }
}

/// An H.264 picture with a delimiter; a key frame has its parameter sets before it.
pub fn h264_picture(lsb: u32, is_key: bool) -> Vec<u8> {
    use crate::media::codec::h264::testing::{Slice, pps, sps};
    let kind = if is_key { Slice { nal: 0x65, slice_type: 7, ..Slice::P } } else { Slice::P };
    let slice = Slice { frame_mbs_only: true, frame_num: u32::from(!is_key), lsb, ..kind };
    let mut nals = vec![vec![0x09, 0xf0]];
    if is_key {
        nals.extend([sps(0, true), pps(0, false)]);
    }
    // So long that it takes several packets and that it is not necessary to see its end to know what it is.
    nals.push([slice.nal(), (0..600_u32).map(|at| 0x80 | (at * 7 + lsb) as u8).collect()].concat());
    nals.iter().flat_map(|nal| [&[0, 0, 0, 1], nal.as_slice()].concat()).collect()
}

/// A frame of MPEG audio, layer II, 48 kHz, mono, 32 kbit/s: 24 ms.
pub fn mp2_frame(number: u32) -> Vec<u8> {
    let mut frame = vec![number as u8 & 0x7f; 96];
    frame[..4].copy_from_slice(&[0xff, 0xfd, 0x14, 0xc0]);
    frame
}

pub const PID_VIDEO: u16 = 0x100;
pub const PID_SOUND: u16 = 0x101;
/// H.264 and MPEG audio on those.
pub const STREAMS: [(u8, u16, &[u8]); 2] = [(0x1b, PID_VIDEO, &[]), (0x03, PID_SOUND, &[])];
/// Ticks between two pictures.
pub const PICTURE: u64 = 3600;
/// Ticks between two frames of sound.
pub const FRAME: u64 = 2160;

impl Muxer {
    /// Pictures from number `from` to `to`, every eighth a key frame, and the sound for them, with `start` the stamp of
    /// picture 0. Tables stand before each key frame.
    pub fn movie(&mut self, start: u64, from: u64, to: u64) {
        self.movie_on([PID_VIDEO, PID_SOUND], start, from, to);
    }

    /// As [`Self::movie`], on other PIDs.
    pub fn movie_on(&mut self, [video, sound]: [u16; 2], start: u64, from: u64, to: u64) {
        let mut frame = (from * PICTURE).div_ceil(FRAME);
        for number in from..to {
            let is_key = number % 8 == 0;
            if is_key {
                self.tables(&[(0x1b, video, &[]), (0x03, sound, &[])]);
            }
            let stamp = |ticks: u64| Some(((start + ticks) % (1 << 33), None));
            self.pes(video, &pes(0xe0, stamp(number * PICTURE), &h264_picture(number as u32 % 8 * 2, is_key)));
            while frame * FRAME < (number + 1) * PICTURE {
                self.pes(sound, &pes(0xc0, stamp(frame * FRAME), &mp2_frame(frame as u32)));
                frame += 1;
            }
        }
    }
}
