//! EBML (RFC 8794): element headers, from a file or from a master element held in memory, and element values.
//!
//! Masters are never entered by recursion: each level of Matroska that matters has a loop of its own, so the depth is
//! that of the code, whatever a file nests.

use crate::media::Error;
use crate::media::io::{Source, Window};

/// Element IDs, with their length marker (RFC 9559 section 5, RFC 8794 section 11).
pub mod id {
    #![allow(missing_docs, reason = "the names are those of RFC 9559")]

    pub const EBML: u32 = 0x1A45_DFA3;
    pub const DOC_TYPE: u32 = 0x4282;
    pub const VOID: u32 = 0xEC;
    pub const CRC_32: u32 = 0xBF;
    pub const SEGMENT: u32 = 0x1853_8067;

    pub const SEEK_HEAD: u32 = 0x114D_9B74;
    pub const SEEK: u32 = 0x4DBB;
    pub const SEEK_ID: u32 = 0x53AB;
    pub const SEEK_POSITION: u32 = 0x53AC;

    pub const INFO: u32 = 0x1549_A966;
    pub const TIMESTAMP_SCALE: u32 = 0x2A_D7B1;
    pub const DURATION: u32 = 0x4489;

    pub const TRACKS: u32 = 0x1654_AE6B;
    pub const TRACK_ENTRY: u32 = 0xAE;
    pub const TRACK_NUMBER: u32 = 0xD7;
    pub const TRACK_UID: u32 = 0x73C5;
    #[cfg(test)]
    pub const TRACK_TYPE: u32 = 0x83;
    pub const DEFAULT_DURATION: u32 = 0x23_E383;
    pub const CODEC_ID: u32 = 0x86;
    pub const CODEC_PRIVATE: u32 = 0x63A2;
    pub const CODEC_DELAY: u32 = 0x56AA;
    pub const FLAG_ENABLED: u32 = 0xB9;
    pub const FLAG_DEFAULT: u32 = 0x88;
    pub const LANGUAGE: u32 = 0x22_B59C;
    pub const LANGUAGE_BCP47: u32 = 0x22_B59D;
    pub const VIDEO: u32 = 0xE0;
    pub const PIXEL_WIDTH: u32 = 0xB0;
    pub const PIXEL_HEIGHT: u32 = 0xBA;
    pub const PROJECTION: u32 = 0x7670;
    pub const PROJECTION_POSE_ROLL: u32 = 0x7675;
    pub const AUDIO: u32 = 0xE1;
    pub const SAMPLING_FREQUENCY: u32 = 0xB5;
    pub const CHANNELS: u32 = 0x9F;
    pub const BIT_DEPTH: u32 = 0x6264;
    pub const CONTENT_ENCODINGS: u32 = 0x6D80;
    pub const CONTENT_ENCODING: u32 = 0x6240;
    pub const CONTENT_ENCODING_SCOPE: u32 = 0x5032;
    pub const CONTENT_ENCODING_TYPE: u32 = 0x5033;
    pub const CONTENT_COMPRESSION: u32 = 0x5034;
    pub const CONTENT_COMP_ALGO: u32 = 0x4254;
    pub const CONTENT_COMP_SETTINGS: u32 = 0x4255;

    pub const CLUSTER: u32 = 0x1F43_B675;
    pub const TIMESTAMP: u32 = 0xE7;
    pub const SILENT_TRACKS: u32 = 0x5854;
    pub const POSITION: u32 = 0xA7;
    pub const PREV_SIZE: u32 = 0xAB;
    pub const SIMPLE_BLOCK: u32 = 0xA3;
    pub const ENCRYPTED_BLOCK: u32 = 0xAF;
    pub const BLOCK_GROUP: u32 = 0xA0;
    pub const BLOCK: u32 = 0xA1;
    pub const BLOCK_DURATION: u32 = 0x9B;
    pub const REFERENCE_BLOCK: u32 = 0xFB;

    pub const CUES: u32 = 0x1C53_BB6B;
    pub const CUE_POINT: u32 = 0xBB;
    pub const CUE_TIME: u32 = 0xB3;
    pub const CUE_TRACK_POSITIONS: u32 = 0xB7;
    pub const CUE_CLUSTER_POSITION: u32 = 0xF1;

    pub const TAGS: u32 = 0x1254_C367;
    pub const TAG: u32 = 0x7373;
    pub const TARGETS: u32 = 0x63C0;
    pub const TAG_TRACK_UID: u32 = 0x63C5;
    pub const SIMPLE_TAG: u32 = 0x67C8;
    pub const TAG_NAME: u32 = 0x45A3;
    pub const TAG_STRING: u32 = 0x4487;

    pub const ATTACHMENTS: u32 = 0x1941_A469;
    pub const CHAPTERS: u32 = 0x1043_A770;
}

/// The longest element header: an ID of 4 bytes and a size of 8.
pub const HEADER_LEN_MAX: usize = 12;

/// The header of an element in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element {
    /// With its length marker, as in [`id`].
    pub id: u32,
    /// Where the header begins, in bytes from the start of the file.
    pub at: u64,
    /// Where the data begin.
    pub data: u64,
    /// Bytes of data; `None` where the writer did not know (RFC 8794 section 6.2).
    pub size: Option<u64>,
}

impl Element {
    /// Where the data end, if that is known. Not to be trusted: the caller compares it with what surrounds it.
    pub fn end(&self) -> Option<u64> {
        self.size.map(|size| self.data.saturating_add(size))
    }

    /// Reads the header at byte `at`.
    ///
    /// # Errors
    /// [`Error::Malformed`] for bytes that are no header, [`Error::Truncated`] where the file ends in it, and
    /// [`Error::Io`].
    pub fn read(window: &mut Window, at: u64) -> Result<Self, Error> {
        let bytes = window.available(at, HEADER_LEN_MAX, "an EBML element")?;
        match header(bytes) {
            Ok((id, size, len)) => Ok(Self { id, at, data: at + len as u64, size }),
            Err(Fault::Bad) => Err(Error::malformed("EBML element", at)),
            Err(Fault::Cut) => Err(Error::truncated("EBML element", at + bytes.len() as u64)),
        }
    }

    /// The data, as far as the file has them and not beyond `len_max` bytes.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn load(&self, source: &Source, end: u64, len_max: usize) -> Result<Vec<u8>, Error> {
        let len = self.end().unwrap_or(end).min(end).saturating_sub(self.data);
        let mut data = vec![0; usize::try_from(len).unwrap_or(usize::MAX).min(len_max)];
        let filled = source.read_at(&mut data, self.data, "an EBML element")?;
        data.truncate(filled);
        Ok(data)
    }
}

/// Why bytes are not a variable-length integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// They end too early.
    Cut,
    /// No length marker, or one longer than allowed.
    Bad,
}

/// An element's ID, its size (`None` if unknown) and the length of both together.
fn header(bytes: &[u8]) -> Result<(u32, Option<u64>, usize), Fault> {
    let id_len = vint_len(bytes, 4)?;
    let id = bytes[..id_len].iter().fold(0, |id, byte| id << 8 | u32::from(*byte));
    let (size, size_len) = vint(&bytes[id_len..])?;
    Ok((id, size, id_len + size_len))
}

/// A variable-length integer without its marker and its length in bytes; `None` for the reserved value, all ones
/// (RFC 8794 section 4).
///
/// # Errors
/// See [`Fault`].
pub fn vint(bytes: &[u8]) -> Result<(Option<u64>, usize), Fault> {
    let len = vint_len(bytes, 8)?;
    let value = bytes[..len].iter().fold(0, |value, byte| value << 8 | u64::from(*byte)) & vint_max(len);
    Ok(((value != vint_max(len)).then_some(value), len))
}

/// The largest value of a variable-length integer of `len` bytes: seven bits of each.
pub fn vint_max(len: usize) -> u64 {
    (1 << (7 * len)) - 1
}

fn vint_len(bytes: &[u8], len_max: usize) -> Result<usize, Fault> {
    let first = bytes.first().ok_or(Fault::Cut)?;
    let len = first.leading_zeros() as usize + 1;
    match len {
        _ if len > len_max => Err(Fault::Bad),
        _ if len > bytes.len() => Err(Fault::Cut),
        _ => Ok(len),
    }
}

/// The elements of a master held in memory, one after the other.
#[derive(Debug, Clone)]
pub struct Children<'a> {
    bytes: &'a [u8],
    at: u64,
}

/// One element of a master held in memory.
#[derive(Debug, Clone, Copy)]
pub struct Child<'a> {
    /// With its length marker, as in [`id`].
    pub id: u32,
    /// Where its data begin, in bytes from the start of the file.
    pub at: u64,
    /// Its data.
    pub data: &'a [u8],
}

impl<'a> Children<'a> {
    /// Walks `bytes`, which lie at byte `at` of the file.
    pub fn new(bytes: &'a [u8], at: u64) -> Self {
        Self { bytes, at }
    }

    /// The next element, `None` behind the last.
    ///
    /// # Errors
    /// Where the bytes are no element, or one that reaches beyond its parent.
    pub fn next(&mut self) -> Result<Option<Child<'a>>, Error> {
        if self.bytes.is_empty() {
            return Ok(None);
        }
        let (id, size, header_len) = match header(self.bytes) {
            Ok(header) => header,
            Err(Fault::Bad) => return Err(Error::malformed("EBML element", self.at)),
            Err(Fault::Cut) => return Err(self.cut()),
        };
        let data_len = size.and_then(|size| usize::try_from(size).ok()).ok_or_else(|| self.cut())?;
        let data = self.bytes[header_len..].get(..data_len).ok_or_else(|| self.cut())?;
        let child = Child { id, at: self.at + header_len as u64, data };
        self.bytes = &self.bytes[header_len + data_len..];
        self.at = child.at + data_len as u64;
        Ok(Some(child))
    }

    fn cut(&self) -> Error {
        Error::truncated("EBML element", self.at + self.bytes.len() as u64)
    }
}

impl<'a> Child<'a> {
    /// The elements in it.
    pub fn children(&self) -> Children<'a> {
        Children::new(self.data, self.at)
    }

    /// An unsigned integer; of one that is too long, the last 8 bytes.
    pub fn uint(&self) -> u64 {
        uint(self.data)
    }

    /// A float of 4 or 8 bytes; any other length counts as 0 (RFC 8794 section 7.3).
    pub fn float(&self) -> f64 {
        match *self.data {
            [a, b, c, d] => f64::from(f32::from_be_bytes([a, b, c, d])),
            [a, b, c, d, e, f, g, h] => f64::from_be_bytes([a, b, c, d, e, f, g, h]),
            _ => 0.0,
        }
    }

    /// A string, up to its first NUL and no longer than [`TEXT_LEN_MAX`].
    pub fn text(&self) -> String {
        let len = self.data.iter().position(|byte| *byte == 0).unwrap_or(self.data.len()).min(TEXT_LEN_MAX);
        String::from_utf8_lossy(&self.data[..len]).into_owned()
    }
}

/// What is kept of a string, in bytes.
pub const TEXT_LEN_MAX: usize = 128;

/// A big-endian unsigned integer of any length; of one that is too long, the last 8 bytes.
pub fn uint(data: &[u8]) -> u64 {
    data.iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_of_every_length_and_the_reserved_value_are_read() {
        for (bytes, expected) in [
            (&[0x82][..], Ok((Some(2), 1))),
            (&[0xFF], Ok((None, 1))),
            (&[0x40, 0x7F], Ok((Some(127), 2))),
            (&[0x01, 0, 0, 0, 0, 0, 1, 0], Ok((Some(256), 8))),
            (&[0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], Ok((None, 8))),
            (&[0x10, 0, 0], Err(Fault::Cut)),
            (&[0x00, 0xFF], Err(Fault::Bad)),
            (&[], Err(Fault::Cut)),
        ] {
            assert_eq!(vint(bytes), expected, "{bytes:02x?}");
        }
    }

    #[test]
    fn a_child_that_reaches_beyond_its_parent_is_named_with_its_byte() {
        let mut children = Children::new(&[0xE7, 0x81, 5, 0xA3, 0x85, 1, 2], 100);
        assert_eq!(children.next().unwrap().unwrap().uint(), 5);
        assert_eq!(children.next().unwrap_err().to_string(), "EBML element is cut off at byte 107");
    }
}
