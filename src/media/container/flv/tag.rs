//! Tags of an FLV file: the header of one, and where the next one is after damage (Adobe Flash Video File Format
//! Specification version 10.1, sections E.3 and E.4.1).

use crate::media::Error;
use crate::media::io::{Source, Window};

/// Bytes of a tag before its data.
pub const TAG_HEADER_LEN: u64 = 11;
/// Bytes of PreviousTagSize, which follows every tag.
pub const TRAILER_LEN: u64 = 4;
/// How much is read at once, in bytes.
const WINDOW_LEN: usize = 32 << 10;

/// What a tag holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TagKind {
    /// TagType 8.
    Audio,
    /// TagType 9.
    Video,
    /// TagType 18.
    Script,
}

/// The header of a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag {
    /// Where it begins in the file.
    pub at: u64,
    /// What it holds.
    pub kind: TagKind,
    /// Filter: what it holds is encrypted.
    pub is_encrypted: bool,
    /// DataSize, in bytes.
    pub len: u32,
    /// Timestamp with TimestampExtended as its upper 8 bits, in milliseconds.
    pub millis: i32,
}

impl Tag {
    /// Reads the header of a tag at byte `at`; `None` when it is none.
    pub fn parse(header: &[u8], at: u64) -> Option<Self> {
        let &[first, s0, s1, s2, t0, t1, t2, extended, 0, 0, 0] = header.get(..TAG_HEADER_LEN as usize)? else {
            return None;
        };
        if first & 0xc0 != 0 {
            return None;
        }
        let kind = match first & 0x1f {
            8 => TagKind::Audio,
            9 => TagKind::Video,
            18 => TagKind::Script,
            _ => return None,
        };
        Some(Self {
            at,
            kind,
            is_encrypted: first & 0x20 != 0,
            len: u32::from_be_bytes([0, s0, s1, s2]),
            millis: i32::from_be_bytes([extended, t0, t1, t2]),
        })
    }

    /// Where its data begins.
    pub fn data_at(&self) -> u64 {
        self.at + TAG_HEADER_LEN
    }

    /// Where its PreviousTagSize begins.
    pub fn end(&self) -> u64 {
        self.data_at() + u64::from(self.len)
    }

    /// Where the next tag begins.
    pub fn next_at(&self) -> u64 {
        self.end() + TRAILER_LEN
    }
}

/// What is found where a tag should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// A tag, with all of its data.
    Tag(Tag),
    /// The file ends before the tag does.
    Short,
    /// No tag.
    Damage,
}

/// Reads the headers of the tags of a file.
#[derive(Debug)]
pub struct Tags {
    source: Source,
    window: Window,
}

impl Tags {
    /// For the file in `source`.
    pub fn new(source: Source) -> Self {
        Self { window: Window::new(source.clone(), WINDOW_LEN), source }
    }

    /// What is at byte `at`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn at(&mut self, at: u64) -> Result<Found, Error> {
        let header = self.bytes(at, TAG_HEADER_LEN as usize)?;
        if header.len() < TAG_HEADER_LEN as usize {
            return Ok(Found::Short);
        }
        let Some(tag) = Tag::parse(header, at) else { return Ok(Found::Damage) };
        // Its last byte shows that the data is there, without asking for the length of the file.
        let is_whole = tag.len == 0 || !self.bytes(tag.end() - 1, 1)?.is_empty();
        Ok(if is_whole { Found::Tag(tag) } else { Found::Short })
    }

    /// Whether the size that follows `tag` confirms it.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn is_confirmed(&mut self, tag: &Tag) -> Result<bool, Error> {
        let size = (tag.next_at() - TRAILER_LEN - tag.at) as u32;
        Ok(self.bytes(tag.end(), TRAILER_LEN as usize)? == size.to_be_bytes())
    }

    /// The first tag at or after byte `from` that the size behind it confirms; `None` when there is none up to the end
    /// of the file.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn find(&mut self, from: u64) -> Result<Option<Tag>, Error> {
        let mut buffer = vec![0; WINDOW_LEN];
        let mut at = from;
        loop {
            let filled = self.source.read_at(&mut buffer, at, "FLV tags")?;
            for (index, header) in buffer[..filled].windows(TAG_HEADER_LEN as usize).enumerate() {
                if let Some(tag) = Tag::parse(header, at + index as u64)
                    && self.source_confirms(&tag)?
                {
                    return Ok(Some(tag));
                }
            }
            if filled < buffer.len() {
                return Ok(None);
            }
            at += (filled - (TAG_HEADER_LEN as usize - 1)) as u64;
        }
    }

    /// As [`Self::is_confirmed`], without moving the window from the place that is being searched.
    fn source_confirms(&self, tag: &Tag) -> Result<bool, Error> {
        let mut size = [0; TRAILER_LEN as usize];
        let filled = self.source.read_at(&mut size, tag.end(), "an FLV tag size")?;
        Ok(filled == size.len() && u64::from(u32::from_be_bytes(size)) == tag.end() - tag.at)
    }

    /// As many of `len` bytes from byte `at` as there are.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn bytes(&mut self, at: u64, len: usize) -> Result<&[u8], Error> {
        let bytes = self.window.available(at, len, "an FLV tag")?;
        Ok(&bytes[..bytes.len().min(len)])
    }

    /// Appends `len` bytes from byte `at` to `buffer`.
    ///
    /// # Errors
    /// [`Error::Truncated`] when the file ends before; [`Error::Io`].
    pub fn append(&mut self, buffer: &mut Vec<u8>, at: u64, len: usize) -> Result<(), Error> {
        if len > WINDOW_LEN / 4 {
            return self.source.append(buffer, at, len, "the data of an FLV tag");
        }
        buffer.extend_from_slice(self.window.bytes(at, len, "the data of an FLV tag")?);
        Ok(())
    }
}
