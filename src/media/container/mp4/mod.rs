//! MP4, QuickTime and 3GP, whole or in fragments (ISO/IEC 14496-12, the QuickTime File Format, ISO/IEC 14496-14 and 15).
//!
//! | file | what |
//! |---|---|
//! | `boxes` | headers and the walk over them |
//! | `movie`, `sample_entry` | what `moov` and `stsd` say |
//! | `runs`, `table` | sample tables, which stay in the file |
//! | `fragments`, `search`, `hints` | `moof` boxes in turn, and the one of a time |
//! | `stream`, `sample` | what is known of a track, and of a sample |
//! | `cursor`, `reader` | one viewer's place in a track, and in the file |
//! | `recover` | video without `moov` |
//!
//! Opening reads the headers and a few samples, whatever the size of the file. A viewer holds some 5 KB for each track.

mod boxes;
mod cursor;
mod fragments;
mod hints;
mod movie;
mod open;
mod reader;
mod recover;
mod runs;
mod sample;
mod sample_entry;
mod search;
mod stream;
mod table;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use self::boxes::FourCc;
use self::reader::Mp4Reader;
use self::search::Fragments;
use self::stream::Stream;
use super::{Container, Options, Sniff};
use crate::media::io::Source;
use crate::media::{Error, Note, Reader, Recording, Track, scan};
use crate::time::MediaTime;

/// The line in the table of containers.
pub const CONTAINER: Container = Container { name: NAME, suffixes: &["mp4", "mov", "m4v", "m4a", "3gp"], sniff, open };

const NAME: &str = "MP4";

/// An MP4 file.
#[derive(Debug)]
pub struct Mp4 {
    source: Source,
    /// The same as `tracks`, in the same order.
    streams: Vec<Stream>,
    tracks: Vec<Track>,
    fragments: Option<Fragments>,
    duration: Option<MediaTime>,
    notes: Vec<Note>,
}

impl Recording for Mp4 {
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
        Ok(Box::new(Mp4Reader::new(self)))
    }

    /// Fragments are added at the end; a single index is written once all is there.
    fn grows_by_opening(&self) -> bool {
        self.fragments.is_some()
    }
}

fn open(source: &Source, _: &Options) -> Result<Arc<dyn Recording>, Error> {
    if let Some(recovered) = open::without_index(source)? {
        return scan::open(recovered);
    }
    Ok(Arc::new(Mp4::open(source)?))
}

/// Boxes that a file can begin with, and whether nothing else does.
const FIRST_BOXES: [(&[u8; 4], bool); 12] = [
    (b"ftyp", true),
    (b"styp", true),
    (b"moov", true),
    (b"moof", true),
    (b"sidx", true),
    (b"mdat", false),
    (b"free", false),
    (b"skip", false),
    (b"wide", false),
    (b"pnot", false),
    (b"uuid", false),
    (b"junk", false),
];

/// A file of this format begins with a box that can stand first; `free` and the like only count as much as the box
/// behind them.
fn sniff(head: &[u8]) -> Sniff {
    let mut at = 0;
    let mut sure = Sniff::No;
    while let Some((size, kind)) = box_head(head, at) {
        // A `free` box smaller than its header is known; see `boxes`.
        let is_sane = matches!(size, 0 | 1 | 8..) || kind == FourCc(*b"free");
        match FIRST_BOXES.iter().find(|(first, _)| FourCc(**first) == kind) {
            Some((_, true)) if is_sane => return Sniff::Yes,
            Some((_, false)) if is_sane => sure = Sniff::Maybe,
            _ => break,
        }
        match size {
            0 | 1 => break,
            size => at += size.max(8) as usize,
        }
    }
    sure
}

fn box_head(head: &[u8], at: usize) -> Option<(u32, FourCc)> {
    let bytes = head.get(at..at + 8)?;
    Some((u32::from_be_bytes(bytes[..4].try_into().ok()?), FourCc(bytes[4..].try_into().ok()?)))
}
