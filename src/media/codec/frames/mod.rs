//! Finding the frames of a stream in which each begins with a header that tells its length: MPEG audio, ADTS, LOAS,
//! AC-3, AMR. What the headers are is a [`Syntax`]; what is done with the frames is a `Framer`'s business.
//!
//! A sync word may stand anywhere within a frame as well. So a header is believed when another one stands where its
//! frame ends, or nothing does. What a frame is does not depend on what came before it, unless bytes had to be stepped
//! over: reading on from any frame gives the same frames again.

use crate::media::scan::{Chunk, Stamp, StreamBuffer};
use crate::media::{Error, Sample};
use crate::time::MediaTime;

/// How the frames of one codec are recognised.
pub trait Syntax: Send + 'static {
    /// What a header says.
    type Header;
    /// What a frame is, in words, for errors.
    const NAME: &'static str;
    /// How many further frames must follow the first one behind bytes that were none.
    const CONFIRMATIONS: usize;
    /// Whether a frame must be followed by another one (or by bytes in which none begins too early) to be believed.
    /// Not so where headers are too short to be told from anything else.
    const IS_TELLING: bool = true;

    /// What begins with the first of `bytes`, of which there is at least one. When `is_end`, no more follow them, and
    /// what would be [`Look::Short`] is [`Look::Nothing`].
    fn look(&self, bytes: &[u8], is_end: bool) -> Look<Self::Header>;

    /// Whether a frame with the header `next` may follow one with the header `header`.
    fn may_follow(&self, header: &Self::Header, next: &Self::Header) -> bool;
}

/// What some bytes are.
pub enum Look<H> {
    /// The header of a frame of so many bytes, at least 1; not all of them need to be there yet.
    Frame(H, usize),
    /// So many bytes that are no frame, but may stand between two.
    Tag(u64),
    /// It takes more bytes to tell.
    Short,
    /// No frame.
    Nothing,
}

/// A frame; its bytes are the first of [`Frames::bytes`].
pub struct Frame<H> {
    /// What its header says.
    pub header: H,
    /// Its length in bytes.
    pub len: usize,
    /// Where it can be read again.
    pub at: u64,
    /// The time that came with it.
    pub stamp: Option<Stamp>,
    /// Whether another frame, or the end, is where it ends.
    pub is_certain: bool,
}

/// Cuts a stream into frames.
pub struct Frames<S> {
    syntax: S,
    buffer: StreamBuffer,
    /// Bytes of a tag that are still to come.
    tag_len: u64,
    /// The last bytes were no frame, which has been told.
    is_lost: bool,
    is_finished: bool,
}

impl<S: Syntax> Frames<S> {
    /// A stream of which nothing was seen.
    pub fn new(syntax: S) -> Self {
        Self { syntax, buffer: StreamBuffer::default(), tag_len: 0, is_lost: false, is_finished: false }
    }

    /// See [`crate::media::scan::Framer::push`].
    pub fn push(&mut self, chunk: Chunk<'_>) {
        self.buffer.push(chunk);
    }

    /// See [`crate::media::scan::Framer::finish`].
    pub fn finish(&mut self) {
        self.is_finished = true;
    }

    /// See [`crate::media::scan::Framer::reset`]. What follows may begin in the middle of a frame, which nobody needs
    /// to be told.
    pub fn reset(&mut self) {
        self.buffer.clear();
        self.tag_len = 0;
        self.is_lost = true;
        self.is_finished = false;
    }

    /// All bytes that are held.
    pub fn bytes(&self) -> &[u8] {
        self.buffer.bytes()
    }

    /// Steps behind a frame.
    pub fn consume(&mut self, len: usize) {
        self.buffer.consume(len);
    }

    /// The next frame, which is at the start of [`Self::bytes`] and stays there until it is consumed. `None`: more
    /// bytes are needed.
    ///
    /// # Errors
    /// When bytes are no frame, once for each stretch of them.
    pub fn find_next(&mut self) -> Result<Option<Frame<S::Header>>, Error> {
        loop {
            self.skip_tag();
            if self.buffer.is_empty() {
                return Ok(None);
            }
            if self.is_lost {
                return Ok(if self.find() { self.take(true) } else { None });
            }
            match self.syntax.look(self.buffer.bytes(), self.is_finished) {
                Look::Tag(len) => self.tag_len = len.max(1),
                Look::Short if !self.is_finished => return Ok(None),
                Look::Short | Look::Nothing => return Err(self.lose(1)),
                Look::Frame(header, len) => match self.judge(&header, len) {
                    Verdict::Frame { is_certain } => return Ok(self.take(is_certain)),
                    Verdict::CutOff => return Err(self.lose(1)),
                    Verdict::CutOffByEnd => {
                        let end = self.buffer.origin(self.buffer.len() - 1) + 1;
                        self.lose(usize::MAX);
                        return Err(Error::truncated(S::NAME, end));
                    }
                    Verdict::Unclear => return Ok(None),
                },
            }
        }
    }

    fn skip_tag(&mut self) {
        let len = usize::try_from(self.tag_len).unwrap_or(usize::MAX).min(self.buffer.len());
        self.buffer.consume(len);
        self.tag_len -= len as u64;
    }

    /// Notes that the first `len` bytes are no frame.
    fn lose(&mut self, len: usize) -> Error {
        let at = self.buffer.origin(0);
        self.buffer.consume(len);
        self.is_lost = true;
        Error::malformed(S::NAME, at)
    }

    fn take(&mut self, is_certain: bool) -> Option<Frame<S::Header>> {
        let Look::Frame(header, len) = self.syntax.look(self.buffer.bytes(), self.is_finished) else { return None };
        self.is_lost = false;
        let (at, stamp) = (self.buffer.origin(0), self.buffer.take_stamp(0));
        Some(Frame { header, len, at, stamp, is_certain })
    }

    /// What is to be made of the frame at the start, when what came before it was all right.
    fn judge(&self, header: &S::Header, len: usize) -> Verdict {
        let bytes = self.buffer.bytes();
        if bytes.len() < len {
            return if self.is_finished { Verdict::CutOffByEnd } else { Verdict::Unclear };
        }
        if !S::IS_TELLING {
            return Verdict::Frame { is_certain: true };
        }
        match self.is_followed(0, header, len, 1) {
            Some(true) => Verdict::Frame { is_certain: true },
            None => Verdict::Unclear,
            // Either bytes of this frame are missing, and the next begins too early; or it is whole, and followed by
            // something else.
            Some(false) => {
                for early in 1..len {
                    match self.confirm(early, 1) {
                        Some(true) => return Verdict::CutOff,
                        None => return Verdict::Unclear,
                        Some(false) => {}
                    }
                }
                Verdict::Frame { is_certain: false }
            }
        }
    }

    /// Drops bytes until a frame is at the start. False: more bytes are needed.
    fn find(&mut self) -> bool {
        for position in 0..self.buffer.len() {
            match self.confirm(position, S::CONFIRMATIONS) {
                Some(false) => {}
                answer => {
                    self.buffer.consume(position);
                    return answer == Some(true);
                }
            }
        }
        self.buffer.consume(usize::MAX);
        false
    }

    /// Whether a frame begins at `position` and `count` further ones follow. `None`: cannot be told yet.
    fn confirm(&self, position: usize, count: usize) -> Option<bool> {
        match self.syntax.look(&self.buffer.bytes()[position..], self.is_finished) {
            Look::Frame(header, len) => self.is_followed(position, &header, len, count),
            Look::Short if !self.is_finished => None,
            Look::Short | Look::Tag(_) | Look::Nothing => Some(false),
        }
    }

    /// Whether the frame at `position` is followed by `count` more, or by as many as there are before a tag or the
    /// end. `None`: cannot be told yet.
    fn is_followed(&self, mut position: usize, header: &S::Header, len: usize, count: usize) -> Option<bool> {
        position += len;
        let mut held: Option<S::Header> = None;
        for _ in 0..count {
            let Some(rest) = self.buffer.bytes().get(position..) else {
                return if self.is_finished { Some(false) } else { None };
            };
            if rest.is_empty() {
                return if self.is_finished { Some(true) } else { None };
            }
            match self.syntax.look(rest, self.is_finished) {
                Look::Frame(next, len) if self.syntax.may_follow(held.as_ref().unwrap_or(header), &next) => {
                    position += len;
                    held = Some(next);
                }
                Look::Tag(_) => return Some(true),
                Look::Short if !self.is_finished => return None,
                _ => return Some(false),
            }
        }
        Some(true)
    }
}

enum Verdict {
    Frame {
        is_certain: bool,
    },
    /// The next frame begins before the end of this one.
    CutOff,
    CutOffByEnd,
    /// It takes more bytes to tell.
    Unclear,
}

/// Counts the samples of audio frames, and so tells their times. Times are whole samples, so that counting on from
/// any of them gives the same.
#[derive(Debug, Default)]
pub struct FrameClock {
    /// The time of the next frame.
    next: MediaTime,
    /// The same in samples, at this rate.
    count: Option<(i64, u32)>,
}

impl FrameClock {
    /// The next frame is at `time`.
    pub fn start(&mut self, time: MediaTime) {
        *self = Self { next: time, count: None };
    }

    /// Puts the time of a frame of so many samples at `rate` Hz into `sample`. Sound is never decoded in another order
    /// than it is heard.
    pub fn put(&mut self, sample: &mut Sample, stamp: Option<Stamp>, samples: u32, rate: u32) {
        if let Some(stamp) = stamp {
            self.start(stamp.pts);
        }
        let count = match self.count {
            Some((count, of)) if of == rate => count,
            _ => self.next.to_ticks(rate),
        };
        sample.pts = self.next;
        sample.dts = self.next;
        sample.is_sync = true;
        let count = count.saturating_add(samples.into());
        *self = Self { next: MediaTime::from_ticks(count, rate), count: Some((count, rate)) };
    }
}

#[cfg(test)]
pub mod testing;
#[cfg(test)]
mod tests;
