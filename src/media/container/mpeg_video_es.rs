//! Raw MPEG-1 and MPEG-2 video (ISO/IEC 11172-2, 13818-2): a file that is an elementary stream.

use std::sync::Arc;

use super::{Container, Options, Sniff};
use crate::media::codec::mpeg_video::{MpegVideoFramer, SEQUENCE_HEADER, Sequence};
use crate::media::codec::nal::find_start_code;
use crate::media::io::Source;
use crate::media::scan::{self, RawFormat};
use crate::media::{Error, Recording};

/// The line in the table of containers.
pub const CONTAINER: Container =
    Container { name: NAME, suffixes: &["m2v", "m1v", "mpv", "mpeg", "mpg", "mpv2", "m2p"], sniff, open };

const NAME: &str = "MPEG video";

/// The first start code tells, if it is that of a sequence header. A stream that was cut somewhere has one further on.
fn sniff(head: &[u8]) -> Sniff {
    let mut next = find_start_code(head, 0);
    let is_at_start = next.is_some_and(|at| head[..at].iter().all(|byte| *byte == 0));
    let mut is_first = true;
    while let Some(at) = next {
        match head.get(at + 3) {
            // The codes of the systems layer: this is a program stream.
            Some(0xb9..) => return Sniff::No,
            Some(&SEQUENCE_HEADER) if Sequence::parse(&head[at..]).is_some() => {
                return if is_at_start && is_first { Sniff::Yes } else { Sniff::Maybe };
            }
            _ => {}
        }
        is_first = false;
        next = find_start_code(head, at + 3);
    }
    if is_first { Sniff::No } else { Sniff::Maybe }
}

fn open(source: &Source, _options: &Options) -> Result<Arc<dyn Recording>, Error> {
    scan::open(RawFormat::new(source, 0, NAME, MpegVideoFramer::boxed)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_header_at_the_start_tells_and_the_systems_layer_denies() {
        let header = [0, 0, 1, 0xb3, 0x16, 0x01, 0x20, 0x13, 0xff, 0xff, 0xe0, 0x18];
        assert_eq!(sniff(&header), Sniff::Yes);
        assert_eq!(sniff(&[&[0, 0], &header[..]].concat()), Sniff::Yes);
        assert_eq!(sniff(&[&[0, 0, 1, 5, 9], &header[..]].concat()), Sniff::Maybe);
        assert_eq!(sniff(&[&[0, 0, 1, 0xba, 9], &header[..]].concat()), Sniff::No);
        assert_eq!((sniff(&[]), sniff(&[7; 100]), sniff(&[0, 0, 1, 5])), (Sniff::No, Sniff::No, Sniff::Maybe));
    }
}
