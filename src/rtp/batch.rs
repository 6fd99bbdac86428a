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
        self.slices_behind(index, 0)
    }

    /// The same without the first `skip` bytes, which are at most the RTP header.
    pub fn slices_behind(&self, index: usize, skip: usize) -> impl ExactSizeIterator<Item = IoSlice<'_>> {
        debug_assert!(skip <= HEADER_LEN, "{skip} bytes are more than an RTP header");
        let pieces = self.pieces[self.packets[index].pieces.clone()].iter();
        // The first piece holds all of the header.
        pieces
            .enumerate()
            .map(move |(number, piece)| IoSlice::new(&self.bytes(piece)[if number == 0 { skip } else { 0 }..]))
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

    /// Forgets the packets, not the sample. Buffers that the packets before did not half fill shrink to what a frame
    /// of usual size needs: thousands of sessions should not each hold what their largest key frame took.
    pub fn clear(&mut self) {
        clear_and_trim(&mut self.inline, INLINE_KEEP_MAX);
        clear_and_trim(&mut self.pieces, PIECES_KEEP_MAX);
        clear_and_trim(&mut self.packets, PACKETS_KEEP_MAX);
    }
}

/// How much of each buffer is kept however little of it is used: enough for some 60 packets.
const INLINE_KEEP_MAX: usize = 1 << 10;
const PIECES_KEEP_MAX: usize = 128;
const PACKETS_KEEP_MAX: usize = 64;

fn clear_and_trim<T>(buffer: &mut Vec<T>, keep_max: usize) {
    let oversized = buffer.capacity() > keep_max && buffer.len() < buffer.capacity() / 2;
    buffer.clear();
    if oversized {
        buffer.shrink_to(keep_max);
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
        self.inline_with(bytes.len(), |buffer| buffer.copy_from_slice(bytes));
    }

    /// Adds `len` bytes that `fill` writes, such as samples in another byte order. They are zero beforehand.
    pub fn inline_with(&mut self, len: usize, fill: impl FnOnce(&mut [u8])) {
        let start = self.inline.len();
        let end = start + len;
        self.inline.resize(end, 0);
        fill(&mut self.inline[start..end]);
        match self.pieces.last_mut() {
            // Every packet starts with an inline piece, so this never reaches into the packet before; and all inline
            // pieces lie one after the other, so that the last one ends where this begins.
            Some(Piece::Inline(range)) => range.end = end,
            _ => self.pieces.push(Piece::Inline(start..end)),
        }
        self.grow(len);
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
        debug_assert!(
            self.open.as_ref().is_some_and(|packet| packet.len <= self.stream.packet_len_max()),
            "{:?} is longer than {} bytes",
            self.open,
            self.stream.packet_len_max()
        );
        self.finish_unsplit(marker);
    }

    /// Closes a packet that may be longer than [`RtpStream::packet_len_max`], because its format has no way to split
    /// what is in it. Over UDP it is then IP that fragments it; a receiver still gets one packet.
    pub fn finish_unsplit(&mut self, marker: bool) {
        let mut packet = self.open.take().expect("a begun packet is finished");
        packet.pieces.end = self.pieces.len();
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

#[cfg(test)]
mod tests {
    use rtp_types::RtpPacket;

    use super::*;

    fn batch_of(data: &[u8]) -> PacketBatch {
        let mut batch = PacketBatch::default();
        batch.sample.data.extend_from_slice(data);
        batch
    }

    fn packet(batch: &PacketBatch, index: usize) -> Vec<u8> {
        let mut packet = Vec::new();
        batch.append_packet(index, &mut packet);
        packet
    }

    #[test]
    fn packets_are_headers_and_references_into_the_sample() {
        let mut stream = RtpStream::new(97, 0xcafe_babe, 0xffff, 100);
        let mut batch = batch_of(b"0123456789");
        let (mut writer, sample) = PacketWriter::new(&mut batch, &mut stream, 0xffff_fff0);
        assert_eq!((writer.payload_max(), sample.data.len()), (88, 10));
        writer.begin();
        writer.inline(b"ab");
        writer.inline_with(2, |bytes| bytes[1] = b'd');
        writer.sample(0..4);
        writer.inline(b"ef");
        writer.finish(false);
        writer.advance(0x20);
        writer.begin();
        writer.sample(4..10);
        writer.finish(true);

        assert_eq!(
            batch.pieces,
            [
                Piece::Inline(0..16),
                Piece::Sample(0..4),
                Piece::Inline(16..18),
                Piece::Inline(18..30),
                Piece::Sample(4..10)
            ]
        );
        let expected: [(u16, u32, bool, &[u8]); 2] =
            [(0xffff, 0xffff_fff0, false, b"ab\0d0123ef"), (0, 0x10, true, b"456789")];
        for (index, expected) in expected.into_iter().enumerate() {
            let bytes = packet(&batch, index);
            let rtp = RtpPacket::parse(&bytes).unwrap();
            let fields = (rtp.sequence_number(), rtp.timestamp(), rtp.marker_bit(), rtp.payload());
            assert_eq!(fields, expected);
            assert_eq!((rtp.ssrc(), rtp.payload_type()), (0xcafe_babe, 97));
            let gathered: Vec<u8> = batch.slices(index).flat_map(|slice| slice.to_vec()).collect();
            assert_eq!((gathered, batch.packet_len(index)), (bytes.clone(), bytes.len()));
            let payload: Vec<u8> = batch.slices_behind(index, HEADER_LEN).flat_map(|slice| slice.to_vec()).collect();
            assert_eq!(payload, rtp.payload());
        }
        assert_eq!((stream.packet_count(), stream.octet_count(), stream.next_sequence()), (2, 16, 1));
    }

    #[test]
    fn a_new_writer_forgets_the_packets_before() {
        let mut stream = RtpStream::new(97, 1, 0, 100);
        let mut batch = batch_of(b"0123");
        for _ in 0..2 {
            let (mut writer, _) = PacketWriter::new(&mut batch, &mut stream, 0);
            writer.begin();
            writer.sample(0..4);
            writer.finish(true);
        }
        assert_eq!(batch.packet_count(), 1);
        assert_eq!(packet(&batch, 0)[2..4], [0, 1]);
    }

    #[test]
    fn buffers_of_a_large_frame_are_given_back_after_small_ones_and_those_of_usual_frames_kept() {
        let mut stream = RtpStream::new(97, 1, 0, 100);
        let mut batch = batch_of(b"0123");
        let mut capacities = Vec::new();
        for count in [1000, 8, 8, 60, 2, 2] {
            let (mut writer, _) = PacketWriter::new(&mut batch, &mut stream, 0);
            for _ in 0..count {
                writer.begin();
                writer.sample(0..4);
                writer.finish(true);
            }
            capacities.push((batch.inline.capacity(), batch.pieces.capacity(), batch.packets.capacity()));
        }
        let kept = (INLINE_KEEP_MAX, PIECES_KEEP_MAX, PACKETS_KEEP_MAX);
        assert!(capacities[0].2 >= 1000, "{capacities:?}");
        assert_eq!(capacities[2..], [kept; 4], "{capacities:?}");
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "is longer than 100 bytes")]
    fn a_packet_that_is_too_long_panics_in_debug_builds() {
        let mut stream = RtpStream::new(97, 1, 0, 100);
        let mut batch = batch_of(&[0; 89]);
        let (mut writer, _) = PacketWriter::new(&mut batch, &mut stream, 0);
        writer.begin();
        writer.sample(0..89);
        writer.finish(true);
    }
}
