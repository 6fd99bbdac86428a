//! MPEG transport streams (ISO/IEC 13818-1, ITU-T H.222.0): packets of 188 bytes, also with 4 more before each (BDAV) or
//! 16 behind (DVB), cut out of a longer recording anywhere, damaged, or put together from several.
//!
//! | module | what it knows |
//! |---|---|
//! | `packet` | where packets are and what their headers say |
//! | `psi`, `program` | the tables of programs, and which one is played |
//! | `pes`, `streams`, `private` | elementary streams and what cuts them into frames |
//! | `clock` | stamps that wrap around and clocks that are set anew, as one timeline |
//! | `demux` | samples out of packets |
//! | `survey`, `probes` | what is found out when a file is opened |
//! | `scanner` | the recording, by tracks |
//! | `whole` | the recording as one track of packets |
//!
//! Time 0 is the earliest stamp of the first samples. A jump of the clock is closed up: time goes on. Files in which
//! that is found can only be read from places that were met before ([`scan::Timing::Counted`]).

mod clock;
mod demux;
mod landmarks;
mod packet;
mod pes;
mod private;
mod probes;
mod program;
mod psi;
mod scanner;
mod streams;
mod survey;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
pub mod tsx;
mod whole;
#[cfg(test)]
mod whole_tests;

use std::sync::Arc;

use super::{Container, Options, Sniff, TransportStreams};
use crate::media::io::Source;
use crate::media::scan;
use crate::media::{Error, Recording};
use scanner::TransportStream;
use whole::WholeStream;

/// MPEG-TS.
pub const CONTAINER: Container =
    Container { name: "MPEG-TS", suffixes: &["ts", "m2ts", "mts", "m2t", "tp", "trp", "tsp"], sniff, open };

/// Packets must be there, but the suffix is believed when they may begin further on.
fn sniff(head: &[u8]) -> Sniff {
    match packet::find_stride(head) {
        Some(_) => Sniff::Yes,
        None if head.is_empty() => Sniff::No,
        None => Sniff::Maybe,
    }
}

fn open(source: &Source, options: &Options) -> Result<Arc<dyn Recording>, Error> {
    match options.transport_streams {
        TransportStreams::Tracks => scan::open(TransportStream::open(source)?),
        TransportStreams::Whole => scan::open(WholeStream::open(source)?),
    }
}
