//! The index that LIVE555's MPEG2TransportStreamIndexer puts beside a transport stream, with an `x` behind its name:
//! which piece of which picture is in which packet. We take seek points from one that fits, and write the same.
//!
//! A record has 11 bytes, numbers little-endian:
//!
//! ```text
//! 0     type: 1 sequence header, 2 group header, 3 picture, 4 I picture (MPEG-1, -2 and -4);
//!       5 SPS, 6 PPS, 7 SEI, 8 slice, 9 IDR slice, 10 other (H.264);
//!       11 VPS, 12 SPS, 13 PPS, 14 slice, 15 IDR slice, 16 other (H.265);
//!       0x80 added: the first piece of it
//! 1     where the piece begins in its packet
//! 2     its length
//! 3-6   clock reference before the packet, from the first of the file: seconds, 24 bits, and 1/256 seconds
//! 7-10  number of the packet, the first being 0
//! ```

mod reader;
#[cfg(test)]
mod tests;
mod writer;

pub use reader::Sidecar;
pub use writer::write;

/// The length of a record in bytes.
const RECORD_LEN: usize = 11;
/// Added to the type of the first piece.
const FIRST: u8 = 0x80;

const SEQUENCE_HEADER: u8 = 1;
const GROUP_HEADER: u8 = 2;
const PICTURE: u8 = 3;
const INTRA_PICTURE: u8 = 4;
const H264_SPS: u8 = 5;
const H265_VPS: u8 = 11;
const H265_SPS: u8 = 12;
/// What is no picture; only the first piece of a stream that begins with it gets a record.
const JUNK: u8 = 17;

/// One record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Record {
    kind: u8,
    offset: u8,
    len: u8,
    /// In 1/256 seconds.
    time: u32,
    packet: u32,
}

impl Record {
    fn to_bytes(self) -> [u8; RECORD_LEN] {
        let [seconds_0, seconds_1, seconds_2] =
            [self.time >> 8, self.time >> 16, self.time >> 24].map(|part| part as u8);
        let [a, b, c, d] = self.packet.to_le_bytes();
        [self.kind, self.offset, self.len, seconds_0, seconds_1, seconds_2, self.time as u8, a, b, c, d]
    }

    fn from_bytes(bytes: [u8; RECORD_LEN]) -> Self {
        let [kind, offset, len, s0, s1, s2, fraction, a, b, c, d] = bytes;
        let time = u32::from_le_bytes([fraction, s0, s1, s2]);
        Self { kind, offset, len, time, packet: u32::from_le_bytes([a, b, c, d]) }
    }

    /// Whether decoding can start at it.
    fn is_clean(self) -> bool {
        const CLEAN: [u8; 5] = [SEQUENCE_HEADER, GROUP_HEADER, H264_SPS, H265_VPS, H265_SPS];
        self.kind & FIRST != 0 && CLEAN.contains(&(self.kind & !FIRST))
    }
}
