//! Reading a file at a position. Shared by all viewers of a recording: there is no file position to fight over.
//!
//! Never a memory map: recorders truncate and rotate files while we serve them, and a page that has gone kills the
//! process. A short read is just an error.

use std::fmt;
use std::fs::{File, Metadata};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::Error;

/// An open file, cheap to clone.
#[derive(Debug, Clone)]
pub struct Source {
    file: Arc<File>,
    growing_timeout: Duration,
    beside: Option<Beside>,
}

/// Opens the file whose name is that of a recording with something behind it; `None` where there is none.
#[derive(Clone)]
struct Beside(Arc<Opener>);

type Opener = dyn Fn(&str) -> Option<File> + Send + Sync;

impl fmt::Debug for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Beside")
    }
}

impl Source {
    /// Reads from `file`, which should be a regular one. It is taken to be complete; see [`Self::growing`].
    pub fn new(file: File) -> Self {
        Self { file: Arc::new(file), growing_timeout: Duration::ZERO, beside: None }
    }

    /// The file may be one that a recorder still writes: it is complete when nothing was added for `timeout`.
    #[must_use]
    pub fn growing(self, timeout: Duration) -> Self {
        Self { growing_timeout: timeout, ..self }
    }

    /// Other files may belong to it: `open` opens the one whose name is that of this file with something behind it.
    #[must_use]
    pub fn with_beside(self, open: impl Fn(&str) -> Option<File> + Send + Sync + 'static) -> Self {
        Self { beside: Some(Beside(Arc::new(open))), ..self }
    }

    /// The file whose name has `behind` behind that of this one, if there is one.
    pub fn beside(&self, behind: &str) -> Option<Self> {
        let file = (self.beside.as_ref()?.0)(behind)?;
        Some(Self::new(file))
    }

    /// Whether more may come: the file has changed within the timeout. This is the only place where reading looks at
    /// a clock, and it is the one that the file's own time of change was taken from. A time that lies further ahead
    /// than the timeout comes from elsewhere and says nothing.
    pub fn is_growing(&self) -> bool {
        if self.growing_timeout.is_zero() {
            return false;
        }
        let Ok(modified) = self.file.metadata().and_then(|metadata| metadata.modified()) else { return false };
        let now = SystemTime::now();
        let apart = now.duration_since(modified).unwrap_or_else(|ahead| ahead.duration());
        apart < self.growing_timeout
    }

    /// What the system tells of the file.
    ///
    /// # Errors
    /// When it does not.
    pub fn metadata(&self) -> std::io::Result<Metadata> {
        self.file.metadata()
    }

    /// Its length now, in bytes; it may be growing.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn len(&self) -> Result<u64, Error> {
        let metadata = self.file.metadata().map_err(|source| Error::Io { what: "the file's size", source })?;
        Ok(metadata.len())
    }

    /// Whether it has no bytes now.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn is_empty(&self) -> Result<bool, Error> {
        Ok(self.len()? == 0)
    }

    /// Fills `buffer` from byte `at` as far as the file goes, and returns how much that was.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn read_at(&self, buffer: &mut [u8], at: u64, what: &'static str) -> Result<usize, Error> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.file.read_at(&mut buffer[filled..], at.saturating_add(filled as u64)) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(source) => return Err(Error::Io { what, source }),
            }
        }
        Ok(filled)
    }

    /// Fills `buffer` from byte `at`.
    ///
    /// # Errors
    /// [`Error::Truncated`] when the file ends before; [`Error::Io`].
    pub fn read_exact_at(&self, buffer: &mut [u8], at: u64, what: &'static str) -> Result<(), Error> {
        let filled = self.read_at(buffer, at, what)?;
        if filled < buffer.len() {
            return Err(Error::truncated(what, at.saturating_add(filled as u64)));
        }
        Ok(())
    }

    /// Appends `len` bytes from byte `at` to `buffer`. The caller has bounded `len`.
    ///
    /// # Errors
    /// As [`Self::read_exact_at`]; the buffer is then as before.
    pub fn append(&self, buffer: &mut Vec<u8>, at: u64, len: usize, what: &'static str) -> Result<(), Error> {
        let before = buffer.len();
        buffer.resize(before + len, 0);
        let read = self.read_exact_at(&mut buffer[before..], at, what);
        if read.is_err() {
            buffer.truncate(before);
        }
        read
    }
}

/// A small read-ahead over a [`Source`] for fields that lie close together, such as the entries of a table.
#[derive(Debug)]
pub struct Window {
    source: Source,
    buffer: Vec<u8>,
    start: u64,
    size: usize,
}

impl Window {
    /// Reads ahead `size` bytes at a time.
    pub fn new(source: Source, size: usize) -> Self {
        Self { source, buffer: Vec::new(), start: 0, size }
    }

    /// `len` bytes from byte `at`.
    ///
    /// # Errors
    /// [`Error::Truncated`] when the file ends before; [`Error::Io`].
    pub fn bytes(&mut self, at: u64, len: usize, what: &'static str) -> Result<&[u8], Error> {
        let available = self.available(at, len, what)?;
        if available.len() < len {
            let end = at + available.len() as u64;
            return Err(Error::truncated(what, end));
        }
        Ok(&self.available(at, len, what)?[..len])
    }

    /// As many bytes from byte `at` as are at hand, at least `len` unless the file ends before.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn available(&mut self, at: u64, len: usize, what: &'static str) -> Result<&[u8], Error> {
        let held = self.start <= at && at.saturating_add(len as u64) <= self.start + self.buffer.len() as u64;
        if !held {
            self.buffer.resize(self.size.max(len), 0);
            self.start = at;
            let filled = self.source.read_at(&mut self.buffer, at, what);
            self.buffer.truncate(*filled.as_ref().unwrap_or(&0));
            filled?;
        }
        let from = usize::try_from(at - self.start).unwrap_or(usize::MAX).min(self.buffer.len());
        Ok(&self.buffer[from..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn source(bytes: &[u8]) -> Source {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Source::new(file)
    }

    #[test]
    fn a_window_gives_the_same_bytes_wherever_it_is_asked() {
        let bytes: Vec<u8> = (0..=255).collect();
        let mut window = Window::new(source(&bytes), 16);
        for (at, len) in [(0, 4), (14, 4), (200, 40), (3, 1), (252, 4)] {
            assert_eq!(window.bytes(at, len, "test").unwrap(), &bytes[at as usize..at as usize + len]);
        }
    }

    #[test]
    fn a_file_grows_until_it_has_not_changed_for_a_while() {
        let source = |seconds_ago: i64| {
            let file = tempfile::tempfile().unwrap();
            let ago = Duration::from_secs(seconds_ago.unsigned_abs());
            let now = SystemTime::now();
            file.set_modified(if seconds_ago < 0 { now + ago } else { now - ago }).unwrap();
            Source::new(file)
        };
        for (seconds_ago, is_growing) in [(0, true), (50, true), (70, false), (-50, true), (-7000, false)] {
            let source = source(seconds_ago);
            assert_eq!(source.clone().growing(Duration::from_secs(60)).is_growing(), is_growing, "{seconds_ago} s");
            assert!(!source.is_growing(), "without a timeout a file is complete");
        }
    }

    #[test]
    fn the_end_of_the_file_is_named_with_its_byte() {
        let mut window = Window::new(source(&[0; 10]), 4);
        let error = window.bytes(8, 4, "stco entry").unwrap_err();
        assert_eq!(error.to_string(), "stco entry is cut off at byte 10");
    }
}
