//! The walk from frame to frame, and on from the next one after damage.

use memchr::memmem;

use super::frame::{Extensions, FrameHeader, HEADER_LEN, MAGIC, TRAILER_LEN};
use crate::media::Error;
use crate::media::io::{Source, Window};

/// How much is read at once, in bytes.
const WINDOW_LEN: usize = 64 << 10;
const WHAT: &str = "the Dahua recording";

/// What the walk came upon.
#[derive(Debug)]
pub enum Item {
    /// A frame. [`Frames::payload`] has the bytes.
    Frame(Frame),
    /// Bytes that are no frame, from which it has gone on to the next one.
    Damage(Error),
    /// The end of the file as it is.
    Pending,
    /// The end.
    End,
}

/// A frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Where it begins in the file.
    pub at: u64,
    /// Its header.
    pub header: FrameHeader,
    /// What the extensions of the header tell.
    pub extensions: Extensions,
    payload_len: usize,
}

/// A place in a file.
#[derive(Debug)]
pub struct Frames {
    window: Window,
    position: u64,
    /// It looks for a frame.
    is_lost: bool,
    is_finished: bool,
}

impl Frames {
    /// Reads from the first frame at or behind byte `at` on.
    pub fn new(source: &Source, at: u64) -> Self {
        Self { window: Window::new(source.clone(), WINDOW_LEN), position: at, is_lost: true, is_finished: false }
    }

    /// The file ends where it ends.
    pub fn finish(&mut self) {
        self.is_finished = true;
    }

    /// The byte of the file up to which it has been read.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The bytes of `frame`, the last that came.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn payload(&mut self, frame: &Frame) -> Result<&[u8], Error> {
        let bytes = self.window.available(frame.at + frame.header.header_len as u64, frame.payload_len, WHAT)?;
        Ok(&bytes[..bytes.len().min(frame.payload_len)])
    }

    /// What comes next.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn next(&mut self) -> Result<Item, Error> {
        if self.is_lost && !self.find_magic()? {
            return Ok(self.at_end());
        }
        let at = self.position;
        let bytes = self.window.available(at, HEADER_LEN, WHAT)?;
        if bytes.len() < HEADER_LEN && MAGIC.starts_with(&bytes[..bytes.len().min(MAGIC.len())]) {
            return Ok(self.at_end());
        }
        let Some(header) = FrameHeader::parse(bytes) else { return Ok(self.damage()) };
        let is_finished = self.is_finished;
        let bytes = self.window.available(at, header.len + MAGIC.len(), WHAT)?;
        if bytes.len() < header.len && !is_finished {
            return Ok(Item::Pending);
        }
        let len = bytes.len().min(header.len);
        let trailer_at = header.len.saturating_sub(TRAILER_LEN).max(header.header_len);
        let has_trailer = bytes.get(trailer_at..header.len).is_some_and(|bytes| header.is_ended_by(bytes));
        let is_followed = bytes.len() < header.len + MAGIC.len() || bytes[header.len..].starts_with(MAGIC);
        if !has_trailer && !is_followed {
            return Ok(self.damage());
        }
        let extensions = Extensions::parse(bytes.get(HEADER_LEN..header.header_len.min(len)).unwrap_or_default());
        let payload_end = if has_trailer { trailer_at } else { len };
        let payload_len = payload_end.saturating_sub(header.header_len);
        self.position += len as u64;
        Ok(Item::Frame(Frame { at, header, extensions, payload_len }))
    }

    fn at_end(&self) -> Item {
        if self.is_finished { Item::End } else { Item::Pending }
    }

    fn damage(&mut self) -> Item {
        let error = Error::malformed("DHAV frame", self.position);
        self.position += 1;
        self.is_lost = true;
        Item::Damage(error)
    }

    /// Goes to the next start of a frame; `false`: there is none in the file.
    fn find_magic(&mut self) -> Result<bool, Error> {
        loop {
            let bytes = self.window.available(self.position, HEADER_LEN, WHAT)?;
            if bytes.len() < HEADER_LEN {
                return Ok(false);
            }
            let found = memmem::find_iter(bytes, MAGIC)
                .find(|at| bytes.len() - at < HEADER_LEN || FrameHeader::parse(&bytes[*at..]).is_some());
            match found {
                Some(0) => {
                    self.is_lost = false;
                    return Ok(true);
                }
                Some(at) => self.position += at as u64,
                None => self.position += (bytes.len() - MAGIC.len() + 1) as u64,
            }
        }
    }
}
