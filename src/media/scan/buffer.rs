//! The bytes that a framer has been given and not yet used up, and where each of them came from.

use std::collections::VecDeque;

use super::{Chunk, Stamp};

/// A queue of bytes that remembers the place and the time stamp of the chunks they came in.
#[derive(Debug, Default)]
pub struct StreamBuffer {
    bytes: Vec<u8>,
    /// How many of `bytes` have been used up.
    used: usize,
    /// Bytes of the stream before `bytes[0]`.
    base: u64,
    chunks: VecDeque<Mark>,
}

#[derive(Debug)]
struct Mark {
    /// Where in the stream the chunk begins.
    start: u64,
    at: u64,
    is_packet: bool,
    stamp: Option<Stamp>,
}

/// How many bytes may have been used up before the rest moves to the front.
const USED_MAX: usize = 64 << 10;

impl StreamBuffer {
    /// Appends a chunk. Packets with the same [`Chunk::at`] that follow each other are pieces of one: the stamp that the
    /// first of them has is for a frame that begins in any.
    pub fn push(&mut self, chunk: Chunk<'_>) {
        if self.used > USED_MAX && self.used > self.bytes.len() / 2 || self.used == self.bytes.len() {
            self.bytes.drain(..self.used);
            self.base += self.used as u64;
            self.used = 0;
        }
        let start = self.base + self.bytes.len() as u64;
        let Chunk { bytes, at, is_packet, stamp } = chunk;
        let continues = |last: &Mark| {
            let goes_on_at = if is_packet { last.at } else { last.at + (start - last.start) };
            is_packet == last.is_packet && stamp.is_none() && goes_on_at == at
        };
        if !self.chunks.back().is_some_and(continues) {
            self.chunks.push_back(Mark { start, at, is_packet, stamp });
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The bytes that are there.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[self.used..]
    }

    /// How many bytes are there.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.used
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Uses up the first `count` bytes, at most all.
    pub fn consume(&mut self, count: usize) {
        self.used = self.bytes.len().min(self.used.saturating_add(count));
        let now = self.base + self.used as u64;
        while self.chunks.get(1).is_some_and(|next| next.start <= now) {
            self.chunks.pop_front();
        }
    }

    /// Forgets all bytes.
    pub fn clear(&mut self) {
        self.consume(usize::MAX);
        self.chunks.clear();
    }

    fn mark_of(&self, index: usize) -> Option<usize> {
        let position = self.base + (self.used + index) as u64;
        self.chunks.partition_point(|mark| mark.start <= position).checked_sub(1)
    }

    /// Whether byte `index` of [`Self::bytes`] is the first one of a chunk.
    pub fn begins_chunk(&self, index: usize) -> bool {
        let position = self.base + (self.used + index) as u64;
        self.chunks.binary_search_by_key(&position, |mark| mark.start).is_ok()
    }

    /// Where the first chunk begins behind byte 0.
    pub fn next_chunk(&self) -> Option<usize> {
        let now = self.base + self.used as u64;
        let next = self.chunks.get(self.chunks.partition_point(|mark| mark.start <= now))?;
        Some((next.start - now) as usize).filter(|index| *index < self.len())
    }

    /// From where in the file byte `index` of [`Self::bytes`] can be read again.
    pub fn origin(&self, index: usize) -> u64 {
        let position = self.base + (self.used + index) as u64;
        let Some(mark) = self.mark_of(index).map(|number| &self.chunks[number]) else { return 0 };
        if mark.is_packet { mark.at } else { mark.at + (position - mark.start) }
    }

    /// The time stamp of the chunk in which byte `index` lies, unless it was taken already: it is that of the first
    /// frame only that begins there (ISO/IEC 13818-1 section 2.4.3.7).
    pub fn take_stamp(&mut self, index: usize) -> Option<Stamp> {
        let number = self.mark_of(index)?;
        self.chunks[number].stamp.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::MediaTime;

    #[test]
    fn each_byte_knows_its_place_and_each_stamp_is_given_once() {
        let mut buffer = StreamBuffer::default();
        let stamp = |millis| Some(Stamp { pts: MediaTime::from_millis(millis), dts: None });
        buffer.push(Chunk { bytes: b"abc", at: 100, is_packet: true, stamp: stamp(1) });
        buffer.push(Chunk { bytes: b"defg", at: 188, is_packet: true, stamp: stamp(2) });
        assert_eq!((buffer.origin(2), buffer.origin(3)), (100, 188));
        assert_eq!((buffer.take_stamp(4), buffer.take_stamp(4), buffer.take_stamp(0)), (stamp(2), None, stamp(1)));
        buffer.consume(4);
        assert_eq!((buffer.bytes(), buffer.origin(0)), (&b"efg"[..], 188));
        buffer.clear();
        buffer.push(Chunk { bytes: b"hi", at: 300, is_packet: false, stamp: None });
        buffer.push(Chunk { bytes: b"jk", at: 302, is_packet: false, stamp: None });
        assert_eq!((buffer.bytes(), buffer.origin(1), buffer.origin(3)), (&b"hijk"[..], 301, 303));
        buffer.consume(9);
        assert!(buffer.is_empty());
    }

    #[test]
    fn pieces_of_one_packet_share_its_stamp() {
        let mut buffer = StreamBuffer::default();
        let stamp = Some(Stamp { pts: MediaTime::from_millis(1), dts: None });
        buffer.push(Chunk { bytes: b"ab", at: 188, is_packet: true, stamp });
        buffer.push(Chunk { bytes: b"cd", at: 188, is_packet: true, stamp: None });
        buffer.push(Chunk { bytes: b"ef", at: 564, is_packet: true, stamp: None });
        buffer.consume(3);
        assert_eq!((buffer.origin(0), buffer.origin(1)), (188, 564));
        assert_eq!((buffer.take_stamp(1), buffer.take_stamp(0), buffer.take_stamp(0)), (None, stamp, None));
        assert_eq!((buffer.begins_chunk(0), buffer.begins_chunk(1)), (false, true));
        assert_eq!(buffer.next_chunk(), Some(1));
        buffer.consume(1);
        assert_eq!(buffer.next_chunk(), None);
    }
}
