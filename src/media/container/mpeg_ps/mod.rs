//! MPEG program streams (ISO/IEC 13818-1) and MPEG-1 system streams (ISO/IEC 11172-1), as on DVDs and in recorders.
//!
//! | file | what |
//! |---|---|
//! | `packets`, `pes` | the walk from packet to packet, and their headers |
//! | `program_map`, `streams` | which streams there are, and what they are coded in |
//! | `sound` | the PCM of DVDs |
//! | `timeline` | time stamps into the time of the recording |
//! | `survey` | what opening a file looks at |
//! | `scanner` | samples of all tracks, from any place |
//!
//! Where stamps start anew, as in recordings put together, time goes on without a gap. Files in which that is found can
//! only be read from places with a time ([`scan::Timing::Counted`]): met before, or guessed.
//!
//! Recorders by Hikvision put a header of 40 bytes in front, which begins with `IMKH`, and call the file `.mp4`.

mod packets;
mod pes;
mod program_map;
mod scanner;
mod sound;
mod streams;
mod survey;
#[cfg(test)]
mod tests;
mod timeline;

use std::sync::Arc;

use super::{Container, Options, Sniff};
use crate::media::codec::nal::find_start_code;
use crate::media::io::Source;
use crate::media::scan::{self, Entry, Format, Header, Scanner};
use crate::media::{Error, Recording};
use scanner::{Layout, PsScanner};

/// The line in the table of containers.
pub const CONTAINER: Container =
    Container { name: NAME, suffixes: &["mpg", "mpeg", "vob", "ps", "m2p", "evo", "mod", "tod", "dat"], sniff, open };

const NAME: &str = "MPEG-PS";
/// What a file of a Hikvision recorder begins with.
const HIKVISION: &[u8] = b"IMKH";

/// A pack header at the start tells; one further on makes it possible.
fn sniff(head: &[u8]) -> Sniff {
    if head.starts_with(HIKVISION) {
        return Sniff::Yes;
    }
    let mut next = find_start_code(head, 0);
    let is_at_start = next.is_some_and(|at| head[..at].iter().all(|byte| *byte == 0));
    let mut is_first = true;
    while let Some(at) = next {
        if is_pack(&head[at..]) {
            return if is_at_start && is_first { Sniff::Yes } else { Sniff::Maybe };
        }
        is_first = false;
        next = find_start_code(head, at + 3);
    }
    Sniff::No
}

/// Whether these are the first bytes of a pack of MPEG-1 or MPEG-2.
fn is_pack(bytes: &[u8]) -> bool {
    bytes.get(3) == Some(&packets::PACK) && bytes.get(4).is_some_and(|byte| byte >> 4 == 2 || byte >> 6 == 1)
}

fn open(source: &Source, _options: &Options) -> Result<Arc<dyn Recording>, Error> {
    scan::open(MpegPs::open(source)?)
}

/// A program stream.
struct MpegPs {
    source: Source,
    header: Header,
    layout: Layout,
}

impl MpegPs {
    fn open(source: &Source) -> Result<Self, Error> {
        let (header, layout) = survey::survey(source)?;
        Ok(Self { source: source.clone(), header, layout })
    }
}

impl Format for MpegPs {
    fn header(&self) -> &Header {
        &self.header
    }

    fn scan(&self, entry: Entry) -> Box<dyn Scanner> {
        Box::new(PsScanner::new(&self.source, &self.layout, entry))
    }

    /// Packs are found from any byte on.
    fn can_guess(&self) -> bool {
        true
    }
}
