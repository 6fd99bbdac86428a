//! RIFF (Multimedia Programming Interface and Data Specifications 1.0, chapter 2): what WAV and AVI share.
//!
//! - here: the head of a chunk, and where the next one begins
//! - `bitmap_info.rs`: BITMAPINFOHEADER, which says what pictures are coded in; Matroska has it too
//! - `wave_format.rs`: WAVEFORMATEX, which says what sound is coded in; Matroska has it too

pub mod bitmap_info;
pub mod wave_format;

use crate::media::Error;
use crate::media::io::Window;

pub use bitmap_info::BitmapInfo;
pub use wave_format::{Framing, WaveFormat};

/// Bytes of a chunk's head: its identifier and its length.
pub const CHUNK_HEAD_LEN: u64 = 8;

/// The head of one chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// What it is, such as `b"fmt "`.
    pub id: [u8; 4],
    /// The byte of the file where its head begins.
    pub at: u64,
    /// Bytes of its body as its head tells, padding not counted. What it means when it is 0 or all ones is up to the
    /// format: writers that cannot go back leave it so.
    pub len: u32,
}

impl Chunk {
    /// Reads the head at byte `at`; `None` at the end of the file, or where it ends within the head.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn read(window: &mut Window, at: u64) -> Result<Option<Self>, Error> {
        let bytes = window.available(at, CHUNK_HEAD_LEN as usize, "chunk head")?;
        Ok(bytes.first_chunk::<8>().map(|head| Self::parse(*head, at)))
    }

    /// The head that these bytes are, which lie at byte `at` of the file.
    pub fn parse(head: [u8; 8], at: u64) -> Self {
        let [i0, i1, i2, i3, l0, l1, l2, l3] = head;
        Self { id: [i0, i1, i2, i3], at, len: u32::from_le_bytes([l0, l1, l2, l3]) }
    }

    /// The byte of the file where its body begins.
    pub fn body(&self) -> u64 {
        self.at.saturating_add(CHUNK_HEAD_LEN)
    }

    /// The byte behind its body, padding not counted.
    pub fn end(&self) -> u64 {
        self.body().saturating_add(self.len.into())
    }

    /// Where the next chunk begins: bodies of odd length are padded with one byte.
    pub fn next(&self) -> u64 {
        self.end().saturating_add(u64::from(self.len & 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_chunk_begins_behind_the_padding_of_an_odd_body() {
        for (len, next) in [(0_u32, 108), (1, 110), (2, 110), (u32::MAX, 108 + (1 << 32))] {
            let mut head = *b"LIST\0\0\0\0";
            head[4..].copy_from_slice(&len.to_le_bytes());
            let chunk = Chunk::parse(head, 100);
            assert_eq!((&chunk.id, chunk.body(), chunk.next()), (b"LIST", 108, next));
        }
    }
}
