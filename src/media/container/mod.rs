//! The table of containers: one line each. The content of a file decides, its name breaks ties.

mod aiff;
mod amr_file;
mod annexb;
mod au;
mod avi;
mod dhav;
mod flac;
mod flv;
mod ivf;
pub mod matroska;
mod mjpeg;
pub mod mp4;
mod mpeg4_es;
mod mpeg_clock;
mod mpeg_ps;
pub mod mpeg_ts;
mod mpeg_video_es;
mod obu;
mod ogg;
mod packet_sound;
mod raw_audio;
mod raw_dv;
mod raw_speech;
pub mod riff;
#[cfg(test)]
mod testing;
pub mod units;
mod wav;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::growing::Growing;
use super::io::Source;
use super::{Error, Kind, Recording};

/// How much of a file's start [`Container::sniff`] is shown, in bytes.
pub const SNIFF_LEN: usize = 4096;

/// One container format.
pub struct Container {
    /// As a person says it.
    pub name: &'static str,
    /// The file name suffixes in lower case, without dot.
    pub suffixes: &'static [&'static str],
    /// How sure the first [`SNIFF_LEN`] bytes make us.
    pub sniff: fn(&[u8]) -> Sniff,
    /// Reads what the file holds.
    pub open: Opener,
}

/// Reads what a file holds.
pub type Opener = fn(&Source, &Options) -> Result<Arc<dyn Recording>, Error>;

/// What the start of a file says about one container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sniff {
    /// Not this one.
    No,
    /// Could be; the suffix decides.
    Maybe,
    /// This one, whatever the suffix says.
    Yes,
}

/// What a person configured about reading files.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Pictures a second of raw video that does not tell its own rate.
    pub frame_rate_default: f64,
    /// A file that nothing was added to for so long is complete. Zero: all are.
    pub growing_timeout: Duration,
    /// What becomes of MPEG transport streams.
    pub transport_streams: TransportStreams,
    /// The same below some paths; the longest that fits counts.
    pub transport_streams_below: Vec<(PathBuf, TransportStreams)>,
}

/// What becomes of MPEG transport streams.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TransportStreams {
    /// Each of their streams is a track.
    #[default]
    Tracks,
    /// They are one track (RFC 2250 section 2).
    Whole,
}

impl Options {
    /// Those for the file at `path`.
    fn at(&self, path: &str) -> Self {
        let fits = self.transport_streams_below.iter().filter(|(below, _)| Path::new(path).starts_with(below));
        let nearest = fits.max_by_key(|(below, _)| below.components().count());
        let transport_streams = nearest.map_or(self.transport_streams, |(_, choice)| *choice);
        Self { transport_streams, transport_streams_below: Vec::new(), ..*self }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            frame_rate_default: 25.0,
            growing_timeout: Duration::ZERO,
            transport_streams: TransportStreams::default(),
            transport_streams_below: Vec::new(),
        }
    }
}

/// All containers that can be read.
pub const CONTAINERS: &[Container] = &[
    mp4::CONTAINER,
    matroska::CONTAINER,
    mpeg_ts::CONTAINER,
    mpeg_ps::CONTAINER,
    avi::CONTAINER,
    flv::CONTAINER,
    ogg::CONTAINER,
    dhav::CONTAINER,
    ivf::CONTAINER,
    wav::CONTAINER,
    annexb::H264,
    annexb::H265,
    aiff::CONTAINER,
    au::CONTAINER,
    flac::CONTAINER,
    obu::CONTAINER,
    mpeg_video_es::CONTAINER,
    mpeg4_es::CONTAINER,
    raw_audio::MPEG_AUDIO,
    raw_audio::ADTS,
    raw_audio::LOAS,
    raw_audio::AC3,
    amr_file::CONTAINER,
    mjpeg::CONTAINER,
    raw_dv::CONTAINER,
    raw_speech::A_LAW,
    raw_speech::MU_LAW,
    raw_speech::G722,
    raw_speech::G726,
    raw_speech::G726_LE,
];

/// Opens the recording in `source`. `name` is the file's name with its path below the root.
///
/// # Errors
/// [`Error::Unrecognised`] when no container claims it, else what the container found.
pub fn open(source: &Source, name: &str, options: &Options) -> Result<Arc<dyn Recording>, Error> {
    let options = &options.at(name);
    let mut head = vec![0; SNIFF_LEN];
    let head_len = source.read_at(&mut head, 0, "the start of the file")?;
    head.truncate(head_len);
    let suffix = suffix(name);
    let container = CONTAINERS
        .iter()
        .map(|container| ((container.sniff)(&head), container.suffixes.contains(&suffix.as_str()), container))
        .filter(|(sniff, suffix_fits, _)| *sniff == Sniff::Yes || (*sniff == Sniff::Maybe && *suffix_fits))
        .max_by_key(|(sniff, suffix_fits, _)| (*sniff, *suffix_fits))
        .map(|(_, _, container)| container)
        .ok_or(Error::Unrecognised)?;
    let len = source.len()?;
    let recording = (container.open)(source, options)?;
    recording.attach(source)?;
    if recording.grows_by_opening() && source.is_growing() {
        return Ok(Arc::new(Growing::new(source, len, container.open, options, recording)));
    }
    Ok(recording)
}

/// Puts the first track of each kind that is a default before the others of its kind: players take the first. All else
/// stays in order.
fn default_first<T>(tracks: &mut [T], kind: impl Fn(&T) -> Kind, is_default: impl Fn(&T) -> bool) {
    for wanted in [Kind::Video, Kind::Audio, Kind::Text, Kind::Application] {
        let first = tracks.iter().position(|track| kind(track) == wanted);
        let default = tracks.iter().position(|track| kind(track) == wanted && is_default(track));
        if let (Some(first), Some(default)) = (first, default) {
            tracks[first..=default].rotate_right(1);
        }
    }
}

/// What follows the last dot of a file name, in lower case.
pub fn suffix(name: &str) -> String {
    name.rsplit_once('.').map(|(_, suffix)| suffix.to_ascii_lowercase()).unwrap_or_default()
}
