//! The packets of one sample, ready for one gather write: headers in one buffer, payload where the reader put it.

use std::io::IoSlice;
use std::ops::Range;

use super::{HEADER_LEN, RtpStream};
use crate::media::Sample;

/// The packets of one sample. Buffers are reused from sample to sample.
#[derive(Debug, Default)]
pub struct PacketBatch {
    /// The sample whose bytes the packets refer to.
    pub sample: Sample,
    /// RTP headers, payload headers, and what else is not in the sample.
    inline: Vec<u8>,
    pieces: Vec<Piece>,
    packets: Vec<Packet>,
}

/// A run of bytes of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// In the batch's own buffer.
    Inline(Range<usize>),
    /// In the sample.
    Sample(Range<usize>),
}

#[derive(Debug, Clone)]
struct Packet {
    pieces: Range<usize>,
    len: usize,
}

impl PacketBatch {
    /// How many packets there are.
    pub fn packet_count(&self) -> usize {
        self.packets.len()
    }

    /// Length of packet `index` in bytes, RTP header included.
    pub fn packet_len(&self, index: usize) -> usize {
        self.packets[index].len
    }

    /// The bytes of packet `index`, in order, for a gather write.
    pub fn slices(&self, index: usize) -> impl ExactSizeIterator<Item = IoSlice<'_>> {
        self.pieces[self.packets[index].pieces.clone()].iter().map(|piece| IoSlice::new(self.bytes(piece)))
    }

    /// Packet `index` in one piece; for tests, and for transports that must copy anyway.
    pub fn append_packet(&self, index: usize, out: &mut Vec<u8>) {
        for piece in &self.pieces[self.packets[index].pieces.clone()] {
            out.extend_from_slice(self.bytes(piece));
        }
    }

    fn bytes(&self, piece: &Piece) -> &[u8] {
        match piece {
            Piece::Inline(range) => &self.inline[range.clone()],
            Piece::Sample(range) => &self.sample.data[range.clone()],
        }
    }

    /// Forgets the packets, not the sample.
    pub fn clear(&mut self) {
        self.inline.clear();
        self.pieces.clear();
        self.packets.clear();
    }
}

/// What a payload format writes packets with. It opens packets one after the other, each with a complete RTP header.
#[derive(Debug)]
pub struct PacketWriter<'a> {
    inline: &'a mut Vec<u8>,
    pieces: &'a mut Vec<Piece>,
    packets: &'a mut Vec<Packet>,
    stream: &'a mut RtpStream,
    rtptime: u32,
    open: Option<Packet>,
}

impl<'a> PacketWriter<'a> {
    /// A writer that empties `batch` of packets and adds those of its sample, stamped `rtptime`. The sample is handed
    /// back beside it, as both are parts of the batch.
    pub fn new(batch: &'a mut PacketBatch, stream: &'a mut RtpStream, rtptime: u32) -> (Self, &'a Sample) {
        batch.clear();
        let PacketBatch { sample, inline, pieces, packets } = batch;
        (Self { inline, pieces, packets, stream, rtptime, open: None }, sample)
    }

    /// The most payload bytes (payload header included) that a packet may have.
    pub fn payload_max(&self) -> usize {
        self.stream.packet_len_max() - HEADER_LEN
    }

    /// Opens a packet.
    pub fn begin(&mut self) {
        debug_assert!(self.open.is_none(), "a packet was begun before the last was finished");
        let start = self.inline.len();
        self.inline.extend_from_slice(&self.stream.next_header(self.rtptime));
        let piece = self.pieces.len();
        self.pieces.push(Piece::Inline(start..self.inline.len()));
        self.open = Some(Packet { pieces: piece..piece + 1, len: HEADER_LEN });
    }

    /// Adds bytes that are not in the sample, such as a payload header.
    pub fn inline(&mut self, bytes: &[u8]) {
        let start = self.inline.len();
        self.inline.extend_from_slice(bytes);
        let end = self.inline.len();
        match self.pieces.last_mut() {
            // Every packet starts with an inline piece, so this never reaches into the packet before.
            Some(Piece::Inline(range)) if range.end == start => range.end = end,
            _ => self.pieces.push(Piece::Inline(start..end)),
        }
        self.grow(bytes.len());
    }

    /// Adds bytes of the sample, by reference.
    pub fn sample(&mut self, range: Range<usize>) {
        self.grow(range.len());
        self.pieces.push(Piece::Sample(range));
    }

    fn grow(&mut self, len: usize) {
        let packet = self.open.as_mut().expect("bytes are added to a begun packet");
        packet.len += len;
    }

    /// Closes the packet. `marker` is the M bit, whose meaning is the payload format's.
    pub fn finish(&mut self, marker: bool) {
        let mut packet = self.open.take().expect("a begun packet is finished");
        packet.pieces.end = self.pieces.len();
        debug_assert!(packet.len <= self.stream.packet_len_max(), "packet of {} bytes is too long", packet.len);
        if marker && let Piece::Inline(header) = &self.pieces[packet.pieces.start] {
            self.inline[header.start + 1] |= 0x80;
        }
        self.stream.count(packet.len - HEADER_LEN);
        self.packets.push(packet);
    }

    /// Packets begun from here on are stamped `ticks` of the RTP clock later: for formats whose sample holds
    /// several moments, such as PCM.
    pub fn advance(&mut self, ticks: u32) {
        self.rtptime = self.rtptime.wrapping_add(ticks);
    }
}
