//! The box structure (ISO/IEC 14496-12 section 4.2): headers, and the walk over the boxes of a range of the file.
//! What is in a box is read elsewhere; the content of large ones is never loaded.

use std::fmt;

use crate::media::Error;
use crate::media::bits::ByteReader;
use crate::media::io::Window;

/// Levels of boxes inside boxes that [`visit`] goes down; `moov/trak/mdia/minf/stbl` are five.
const DEPTH_MAX: usize = 8;

/// Bytes of the content of one box that are loaded at once, such as a sample description with its records.
const BODY_LEN_MAX: u64 = 1 << 20;

/// The type of a box, a sample entry or a handler.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct FourCc(pub [u8; 4]);

impl fmt::Display for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

impl fmt::Debug for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One box and where it lies. Positions are bytes from the start of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BoxAt {
    /// The type.
    pub kind: FourCc,
    /// Where its header begins.
    pub at: u64,
    /// Where its content begins.
    pub body: u64,
    /// Where it ends, as far as what it lies in goes.
    pub end: u64,
    /// Its size says that it goes on beyond what it lies in.
    pub is_cut: bool,
}

impl BoxAt {
    /// Bytes of its content.
    pub fn body_len(&self) -> u64 {
        self.end - self.body
    }

    /// Its whole content; read it with [`ByteReader::new`] at `self.body`.
    ///
    /// # Errors
    /// [`Error::Malformed`] when it is longer than any sane box of its kind, [`Error::Truncated`] when it is cut off.
    pub fn load(&self, window: &mut Window, what: &'static str) -> Result<Vec<u8>, Error> {
        if self.body_len() > BODY_LEN_MAX {
            return Err(Error::malformed(format!("size of the {what}"), self.at));
        }
        if self.is_cut {
            return Err(Error::truncated(what, self.end));
        }
        Ok(window.bytes(self.body, self.body_len() as usize, what)?.to_vec())
    }
}

/// The boxes of a range of the file, one after the other.
#[derive(Debug, Clone, Copy, Default)]
pub struct Boxes {
    next: u64,
    end: u64,
}

impl Boxes {
    /// Those from byte `from` up to byte `end`.
    pub fn new(from: u64, end: u64) -> Self {
        Self { next: from, end }
    }

    /// Those from byte `from` as far as the file goes.
    pub fn to_end_of_file(from: u64) -> Self {
        Self::new(from, u64::MAX)
    }

    /// Those inside `parent`.
    pub fn within(parent: &BoxAt) -> Self {
        Self::new(parent.body, parent.end)
    }

    /// Where the next one would begin.
    pub fn position(&self) -> u64 {
        self.next
    }

    /// Forgets what is left.
    pub fn finish(&mut self) {
        self.next = self.end;
    }

    /// The next box; `None` at the end, and where only padding follows: room for fewer than 8 bytes, or a
    /// header of zeros as a power cut leaves behind.
    ///
    /// # Errors
    /// [`Error::Malformed`] for a size smaller than the header, [`Error::Truncated`] when the file ends within it.
    /// There is no box after it then.
    pub fn next(&mut self, window: &mut Window) -> Result<Option<BoxAt>, Error> {
        let at = self.next;
        if self.end.saturating_sub(at) < 8 {
            return Ok(None);
        }
        self.finish();
        let head = window.available(at, 16, "box header")?;
        if head.iter().take(8).all(|byte| *byte == 0) {
            return Ok(None);
        }
        let mut r = ByteReader::new(head, at, "box header");
        let short_size = u64::from(r.u32()?);
        let kind = FourCc(r.array()?);
        let (header_len, size) = match short_size {
            0 => (8, self.end - at), // to the end of what it lies in
            1 => (16, r.u64()?),
            // Some writers leave a `free` box smaller than its own header; it can only be meant as an empty one.
            2..8 if kind == FourCc(*b"free") => (8, 8),
            size => (8, size),
        };
        if size < header_len {
            return Err(Error::malformed(format!("size of the {kind} box"), at));
        }
        let end = at.saturating_add(size);
        let is_cut = end > self.end;
        self.next = end.min(self.end);
        Ok(Some(BoxAt { kind, at, body: (at + header_len).min(self.next), end: self.next, is_cut }))
    }
}

/// Calls `visitor` for the boxes inside `parent`, in order, and for those inside a box for which it returns true.
/// A box that is broken ends what it lies in, not the walk; the first such damage is returned.
///
/// # Errors
/// [`Error::Io`] only.
pub fn visit(
    window: &mut Window,
    parent: &BoxAt,
    mut visitor: impl FnMut(&mut Window, BoxAt) -> Result<bool, Error>,
) -> Result<Option<Error>, Error> {
    let mut levels = vec![Boxes::within(parent)];
    let mut damage = None;
    while let Some(level) = levels.last_mut() {
        let visited = level.next(window).and_then(|found| match found {
            Some(found) => visitor(window, found).map(|go_down| Some((found, go_down))),
            None => Ok(None),
        });
        match visited {
            Err(error @ Error::Io { .. }) => return Err(error),
            Err(error) => {
                damage.get_or_insert(error);
            }
            Ok(None) => {
                levels.pop();
            }
            Ok(Some((found, true))) if levels.len() < DEPTH_MAX => levels.push(Boxes::within(&found)),
            Ok(Some(_)) => {}
        }
    }
    Ok(damage)
}

/// Reads the version and flags that every "full box" begins with (section 4.2).
///
/// # Errors
/// [`Error::Truncated`].
pub fn version_and_flags(r: &mut ByteReader<'_>) -> Result<(u8, u32), Error> {
    Ok((r.u8()?, r.u24()?))
}
