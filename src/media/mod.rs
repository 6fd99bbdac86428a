//! Reading recordings: what a file holds ([`Recording`]) and one viewer's way through it ([`Reader`]).
//!
//! A container is one file or folder below `container/` and one line in [`CONTAINERS`]. Facts of one codec that
//! need no I/O are in `codec/`. How samples become packets is `rtp`'s business; whose file it is, `library`'s.

pub mod bits;
pub mod codec;
pub mod container;
pub mod growing;
pub mod io;
pub mod looped;
pub mod scan;
pub mod varint;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::time::MediaTime;
pub use codec::Codec;
pub use container::{CONTAINERS, Container, open};

/// What a file holds. Immutable, shared by all its viewers in an `Arc`, cached by the library.
pub trait Recording: Send + Sync {
    /// The name of the container as a person says it, such as `"MP4"`.
    fn container(&self) -> &'static str;

    /// The tracks that can be streamed, in the order of the file; what cannot be is told in [`Self::notes`].
    fn tracks(&self) -> &[Track];

    /// From time 0 to the end of the last sample; `None` while it is not known.
    fn duration(&self) -> Option<MediaTime>;

    /// What is wrong with the file, or was left out, as far as opening it showed.
    fn notes(&self) -> &[Note];

    /// A cursor of its own, at the very first sample, with every track selected.
    ///
    /// # Errors
    /// When the file can no longer be read.
    fn reader(self: Arc<Self>) -> Result<Box<dyn Reader>, Error>;

    /// Tells the recording which file it was opened from, so that it finds out what its format does not tell: how long
    /// it lasts, whether it still grows. Called once, by whoever opened it.
    ///
    /// # Errors
    /// When the file cannot be read.
    fn attach(&self, _source: &io::Source) -> Result<(), Error> {
        Ok(())
    }

    /// Whether a recorder that still writes the file would add to it in such a way that opening it anew shows more.
    /// Recordings that see by themselves that their file grows say no.
    fn grows_by_opening(&self) -> bool {
        false
    }

    /// What is left to be found out by reading all of the file, so that seeks and the duration are exact; `None` when
    /// all is known, or will not be while the file grows.
    fn indexing(self: Arc<Self>) -> Option<Box<dyn Indexing>> {
        None
    }
}

/// Finds out by reading a file what opening it did not show. What it finds is there for all viewers at once.
pub trait Indexing: Send {
    /// Reads on for some milliseconds.
    ///
    /// # Errors
    /// When the file cannot be read any further.
    fn step(&mut self) -> Result<Progress, Error>;

    /// All that was found out, as bytes for [`Self::import`] another time; `None` before it is all.
    fn export(&self) -> Option<Vec<u8>>;

    /// Takes over what was found out of the same file another time. False when it is not that, and is ignored.
    fn import(&mut self, kept: &[u8]) -> bool;
}

/// How far [`Indexing::step`] came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// There is more to read.
    More {
        /// The byte of the file up to which it has been read.
        position: u64,
    },
    /// A viewer's seek is at it; try again soon.
    Busy,
    /// All is known that can be.
    Done,
}

/// One viewer's cursor in a [`Recording`]: its own file position, read with `pread`, never a memory map.
pub trait Reader: Send {
    /// Whether samples of `track` (index in [`Recording::tracks`]) are wanted; at first all are.
    /// Takes effect with the next sample.
    fn select(&mut self, track: usize, wanted: bool);

    /// Puts the next sample of a selected track into `sample`, whose buffers are reused.
    /// Within a track, samples come in decode order; between tracks, by decode time.
    ///
    /// # Errors
    /// When nothing more can be read. What can be stepped over is [`Next::Skipped`] instead.
    fn next(&mut self, sample: &mut Sample) -> Result<Next, Error>;

    /// Moves to where playback can start near `to` and returns where that is, in presentation time.
    ///
    /// With video selected that is a key frame's time (see [`SeekTo`]); without, a sample boundary. Samples of the
    /// other tracks follow from that time on. Where `to` lies before the first key frame, or at 0 or less, the
    /// cursor goes to the very first sample of the file, and the time returned is that of the earliest selected
    /// sample, or 0 where that is negative (priming samples come along with their negative times).
    /// Beyond the end, the last key frame.
    ///
    /// # Errors
    /// When the place cannot be read.
    fn seek(&mut self, to: MediaTime, how: SeekTo) -> Result<MediaTime, Error>;
}

/// What [`Reader::next`] found.
#[derive(Debug)]
pub enum Next {
    /// A sample.
    Sample,
    /// Nothing yet: the recorder is still writing.
    Pending,
    /// Damage was stepped over; the next call goes on behind it.
    Skipped(Error),
    /// The end of the recording.
    End,
}

/// Which key frame [`Reader::seek`] looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeekTo {
    /// The last one at or before the time asked for.
    SyncAtOrBefore,
    /// The first one at or after it.
    SyncAtOrAfter,
}

/// One elementary stream of a recording.
#[derive(Debug, Clone)]
pub struct Track {
    /// What is in it, with all that a decoder must know beforehand.
    pub codec: Codec,
    /// From time 0 to the end of its last sample, where known.
    pub duration: Option<MediaTime>,
    /// Samples from this time on are not to be shown, though others may need them: what an edit list cuts off.
    pub shown_until: Option<MediaTime>,
    /// Average bits a second, where the container tells or it can be computed cheaply.
    pub bitrate: Option<u32>,
    /// Nominal pictures a second, for video where it can be told.
    pub frame_rate: Option<f64>,
}

impl Track {
    /// Whether it is video or audio.
    pub fn kind(&self) -> Kind {
        self.codec.kind()
    }
}

/// The media type of a track, as `m=` of the SDP has it (RFC 4566 section 5.14).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
    /// Text that is read at times (RFC 4103).
    Text,
    /// Anything else, such as what a camera saw in its pictures.
    Application,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Video => "video",
            Self::Audio => "audio",
            Self::Text => "text",
            Self::Application => "application",
        })
    }
}

/// One coded picture (an access unit, both fields of a frame together), one audio frame, or some 20 ms of PCM.
#[derive(Debug, Default, Clone)]
pub struct Sample {
    /// Index in [`Recording::tracks`].
    pub track: usize,
    /// When it is to be shown.
    pub pts: MediaTime,
    /// When it is to be decoded. Playback is paced by this.
    pub dts: MediaTime,
    /// Decoding can start here.
    pub is_sync: bool,
    /// The bytes as the file has them, including length prefixes or start codes of NAL units.
    pub data: Vec<u8>,
    /// H.264 and H.265: where in `data` each NAL unit lies, without prefix, never empty. Other codecs: nothing.
    pub nals: Vec<Range<usize>>,
}

impl Sample {
    /// Empties it and keeps its buffers, unless they have grown far beyond what was in them: thousands of sessions
    /// should not each hold a buffer of the size of their largest key frame.
    pub fn clear(&mut self) {
        const KEEP_MAX: usize = 32 << 10;
        if self.data.capacity() > KEEP_MAX && self.data.len() < self.data.capacity() / 2 {
            self.data = Vec::new();
        }
        self.data.clear();
        self.nals.clear();
    }
}

/// Something that is wrong with a file, or was left out of what is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Where in the file, in bytes from its start.
    pub at: Option<u64>,
    /// What, in words.
    pub text: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some(at) => write!(f, "{} at byte {at}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

impl From<&Error> for Note {
    fn from(error: &Error) -> Self {
        Self { at: None, text: error.to_string() }
    }
}

/// Why a recording, or a part of it, cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system could not read.
    #[error("cannot read {what}: {source}")]
    Io {
        /// What was to be read.
        what: &'static str,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// The bytes contradict the format.
    #[error("malformed {what} at byte {at}")]
    Malformed {
        /// What should have been there.
        what: Cow<'static, str>,
        /// Where, from the start of the file.
        at: u64,
    },
    /// The file, or an element of it, ends too early.
    #[error("{what} is cut off at byte {at}")]
    Truncated {
        /// What was being read.
        what: Cow<'static, str>,
        /// Where the bytes ended, from the start of the file.
        at: u64,
    },
    /// Well-formed, but nothing that can be streamed.
    #[error("{0}")]
    Unsupported(String),
    /// No container recognises the file.
    #[error("not a recording in any known format")]
    Unrecognised,
}

impl Error {
    /// [`Error::Malformed`].
    pub fn malformed(what: impl Into<Cow<'static, str>>, at: u64) -> Self {
        Self::Malformed { what: what.into(), at }
    }

    /// [`Error::Truncated`].
    pub fn truncated(what: impl Into<Cow<'static, str>>, at: u64) -> Self {
        Self::Truncated { what: what.into(), at }
    }
}
