//! AVI (AVI RIFF File Reference; OpenDML AVI File Format Extensions version 1.02).
//!
//! Chunks have no times: they are counted, stream by stream. The index of the file, `idx1` or that of OpenDML, tells
//! where they lie; a file without one, or with a wrong one, is stepped through. Either way a checkpoint every so often
//! is kept, and what lies between is read again when it is wanted.
//!
//! - `header.rs`: the header list; `stream.rs`: what it makes of a stream, and how that counts
//! - `walker.rs`: chunk by chunk through the file; `index.rs`: the indexes; `table.rs`: the checkpoints
//! - `pictures.rs`: what pictures tell of themselves; `order.rs`: when they are displayed
//! - `frames.rs`: sound in frames that chunks cut anywhere
//! - `lane.rs`: one stream; `reader.rs`: all of them; `seek.rs`: where to start

mod frames;
mod header;
mod index;
mod lane;
mod open;
mod order;
mod pictures;
mod reader;
mod seek;
mod stream;
mod table;
#[cfg(test)]
mod tests;
mod walker;

use std::sync::Arc;

pub(super) use pictures::is_bidirectional;

use index::Places;
use reader::AviReader;
use stream::Stream;
use table::Tables;

use super::{Container, Options, Sniff};
use crate::media::io::Source;
use crate::media::{Error, Note, Reader, Recording, Track};
use crate::time::MediaTime;

/// The line in the table of containers.
pub const CONTAINER: Container = Container { name: NAME, suffixes: &["avi", "divx"], sniff, open };

const NAME: &str = "AVI";

fn sniff(head: &[u8]) -> Sniff {
    let is_avi = head.starts_with(b"RIFF") && matches!(head.get(8..12), Some(b"AVI " | b"AVI\x19"));
    if is_avi { Sniff::Yes } else { Sniff::No }
}

fn open(source: &Source, _: &Options) -> Result<Arc<dyn Recording>, Error> {
    Ok(Arc::new(Avi::open(source)?))
}

/// An AVI file.
pub struct Avi {
    source: Source,
    /// Streams in the file, streamed or not.
    stream_count: usize,
    /// The same as `tracks`, in the same order.
    streams: Vec<Stream>,
    tracks: Vec<Track>,
    places: Places,
    tables: Tables,
    duration: Option<MediaTime>,
    notes: Vec<Note>,
}

impl Recording for Avi {
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

    /// An index is written last.
    fn grows_by_opening(&self) -> bool {
        matches!(self.places, Places::Walk(_))
    }

    fn reader(self: Arc<Self>) -> Result<Box<dyn Reader>, Error> {
        Ok(Box::new(AviReader::new(self)))
    }
}
