//! Matroska and WebM (RFC 9559), as recorders, ffmpeg, mkvmerge and GStreamer write them: finished, live, or cut off.
//!
//! - `ebml.rs`: element headers and values
//! - `segment.rs`: opening: Info, Tracks, SeekHead
//! - `tracks.rs`, `codecs.rs`, `tags.rs`: from TrackEntry and tags to [`Track`]
//! - `cues.rs`, `index.rs`: from a time to a Cluster
//! - `walker.rs`, `block.rs`: from Cluster to block to frame, and over damage
//! - `timeline.rs`: from blocks to frames with times; parameter sets and duration from the frames themselves
//! - `decode_order.rs`: tracks with times of decoding instead
//! - `reader.rs`, `seek.rs`: one viewer's cursor
//!
//! Undone: header stripping. Tracks that are compressed otherwise or encrypted are left out, as are subtitles that are
//! pictures. Subtitles are handed out when they begin to show, without markup; when they end is not told.

mod block;
mod codecs;
mod cues;
mod decode_order;
mod ebml;
mod index;
mod reader;
mod seek;
mod segment;
mod tags;
#[cfg(test)]
mod tests;
mod timeline;
mod tracks;
mod walker;

use std::sync::Arc;

use super::{Container, Options, Sniff};
use crate::media::io::Source;
use crate::media::{Error, Note, Reader, Recording, Track};
use crate::time::MediaTime;
use index::Index;
use segment::{Findings, Segment};

/// This container's line in [`super::CONTAINERS`].
pub const CONTAINER: Container = Container { name: NAME, suffixes: &["mkv", "webm", "mka", "mk3d"], sniff, open };

const NAME: &str = "Matroska";
/// Durations beyond this are taken for damage: a year.
const DURATION_MAX: MediaTime = MediaTime::from_millis(366 * 86_400 * 1000);

fn sniff(head: &[u8]) -> Sniff {
    if head.starts_with(&ebml::id::EBML.to_be_bytes()) { Sniff::Yes } else { Sniff::No }
}

fn open(source: &Source, _options: &Options) -> Result<Arc<dyn Recording>, Error> {
    let (mut segment, mut findings) = segment::read(source)?;
    timeline::complete_codecs(&mut segment, &mut findings.notes)?;
    if segment.streams.is_empty() {
        let reasons: Vec<String> = findings.notes.iter().map(|note| note.text.clone()).collect();
        return Err(Error::Unsupported(format!("no track can be streamed: {}", reasons.join("; "))));
    }
    // Of an unfinished file the Duration is what was meant or guessed: ffmpeg writes that of its input, once.
    let duration = match stated_duration(&segment, &findings) {
        Some(stated) if segment.is_finished => Some(stated),
        stated => timeline::end(&segment)?.or(stated),
    };
    let tracks = segment.streams.iter().map(|stream| track(stream, &segment, &findings)).collect();
    Ok(Arc::new(Matroska { segment, index: Index::default(), tracks, duration, notes: findings.notes }))
}

/// Info's Duration, if it makes sense.
fn stated_duration(segment: &Segment, findings: &Findings) -> Option<MediaTime> {
    let nanos = findings.duration? * segment.scale as f64;
    let is_sane = nanos >= 1.0 && nanos <= DURATION_MAX.as_nanos() as f64;
    is_sane.then(|| MediaTime::from_nanos(nanos.round() as i64))
}

fn track(stream: &tracks::Stream, segment: &Segment, findings: &Findings) -> Track {
    let tag = findings.tags.iter().find(|tag| tag.uid == stream.uid);
    Track {
        codec: stream.codec.clone(),
        duration: tag.and_then(|tag| tag.duration).filter(|_| segment.is_finished),
        bitrate: tag.and_then(|tag| tag.bitrate),
        shown_until: None,
        frame_rate: stream.default_duration.filter(|_| stream.is_video()).map(|duration| 1.0 / duration.as_secs_f64()),
    }
}

/// A Matroska file.
struct Matroska {
    segment: Segment,
    index: Index,
    tracks: Vec<Track>,
    duration: Option<MediaTime>,
    notes: Vec<Note>,
}

impl Recording for Matroska {
    fn container(&self) -> &'static str {
        NAME
    }

    fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    fn duration(&self) -> Option<MediaTime> {
        self.duration
    }

    fn notes(&self) -> &[Note] {
        &self.notes
    }

    fn reader(self: Arc<Self>) -> Result<Box<dyn Reader>, Error> {
        Ok(Box::new(reader::MatroskaReader::new(self)))
    }

    fn grows_by_opening(&self) -> bool {
        !self.segment.is_finished
    }
}
