//! Recordings without a table of their samples: raw streams, MPEG-TS and -PS, Ogg, and whatever else can only be read
//! forward.
//!
//! A format says how to read on from a place ([`Format`], [`Scanner`]); an elementary stream's format says where its
//! frames begin and end ([`Framer`]). All else is done here, once for all of them: the order of samples between
//! tracks, selection, seeking by arithmetic, by index or by bisection, duration, files that grow.

mod buffer;
mod framer;
mod index;
mod interleave;
mod kept;
mod nal;
mod raw;
mod reader;
mod recording;
mod search;
#[cfg(test)]
mod tests;
mod trail;

use std::sync::Arc;

pub use buffer::StreamBuffer;
pub use framer::{Chunk, Framer, Stamp};
pub use nal::NalFramer;
pub use raw::{RawFormat, Survey, survey};

use super::{Error, Next, Note, Recording, Sample, Track};
use crate::time::MediaTime;

/// What a format tells of one opened file, and how it is read from any place in it.
pub trait Format: Send + Sync + 'static {
    /// What opening it showed.
    fn header(&self) -> &Header;

    /// Reads samples from `entry` on, which [`Header::start`], [`Scanner::entry`] or [`Self::locate`] gave, or with
    /// [`Timing::Stamped`] is any byte of the file and has no time: the scanner then looks for the next place where
    /// it can read.
    fn scan(&self, entry: Entry) -> Box<dyn Scanner>;

    /// Where playback of `time` begins, when that is a matter of arithmetic: at the last sample that is not later.
    /// Formats that answer need no index.
    fn locate(&self, _time: MediaTime) -> Option<Entry> {
        None
    }

    /// Whether [`Self::scan`] takes any byte of the file as well, with a time that was guessed, though times are
    /// [`Timing::Counted`]. Then a seek far beyond what has been read goes where the time should be by the bit rate.
    fn can_guess(&self) -> bool {
        false
    }
}

/// What opening a file showed.
#[derive(Debug, Clone)]
pub struct Header {
    /// The name of the container as a person says it.
    pub container: &'static str,
    /// The tracks, in the order in which they are offered. Their `duration` may be left `None`: it is found out.
    pub tracks: Vec<Track>,
    /// What is wrong with the file, or was left out.
    pub notes: Vec<Note>,
    /// Where its first sample begins, at the time it has: 0, or before it for priming samples.
    pub start: Entry,
    /// How times are told.
    pub timing: Timing,
    /// The duration, where the format tells it for certain.
    pub duration: Option<MediaTime>,
}

/// How a format tells the time of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timing {
    /// Samples carry time stamps: wherever reading begins, times are known.
    Stamped,
    /// Samples are counted: times are known from an entry with a time on only.
    Counted,
}

/// A place from which a file can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The byte of the file.
    pub at: u64,
    /// The presentation time of the first sample that begins there (of the track that seeking goes by: the first
    /// video track, or else the first). A format with time stamps takes it to resolve what stamps leave open: which
    /// turn of a counter, which stretch after a jump. `None`: not known, stamps are taken as they are.
    pub time: Option<MediaTime>,
}

/// Reads forward through a file. Position and parser state of one reader.
pub trait Scanner: Send {
    /// Puts the next sample into `sample`, of any track, in the order of the file. Within a track that is decode order;
    /// `pts` and `dts` are final. The sample has been cleared.
    ///
    /// [`Next::Pending`] when the file has no more bytes now and the next sample is not complete: it may still grow.
    /// A later call reads on from there. Only after [`Self::finish`] is it [`Next::End`].
    ///
    /// # Errors
    /// When nothing more can be read. Damage is [`Next::Skipped`], once for each stretch, and reading goes on.
    fn next(&mut self, sample: &mut Sample) -> Result<Next, Error>;

    /// The file ends where it ends now: what is held of the last samples comes out.
    fn finish(&mut self);

    /// Where the last sample can be read again, with its presentation time. Asked for after a sample of any track:
    /// reading begins at samples of the track that seeking goes by only, but never behind the place of a sample of
    /// another track that is still wanted.
    fn entry(&self) -> Entry;

    /// The byte of the file up to which it has been read, for progress.
    fn position(&self) -> u64;
}

/// The recording that a format tells of.
///
/// # Errors
/// [`Error::Unsupported`] when there are no tracks; when the file cannot be read.
pub fn open(format: impl Format) -> Result<Arc<dyn Recording>, Error> {
    recording::open(format)
}
