//! Raw MPEG-4 part 2 video (ISO/IEC 14496-2): a file that is an elementary stream.

use std::sync::Arc;

use super::{Container, Options, Sniff};
use crate::media::codec::mpeg4_visual::{
    GROUP, Mpeg4VisualFramer, SEQUENCE, VIDEO_OBJECTS, VISUAL_OBJECT, VOP, VideoObjectLayer,
};
use crate::media::codec::nal::find_start_code;
use crate::media::io::Source;
use crate::media::scan::{self, RawFormat};
use crate::media::{Error, Recording};

/// The line in the table of containers.
pub const CONTAINER: Container =
    Container { name: NAME, suffixes: &["m4e", "m4v", "mp4v", "cmp", "xvid", "divx"], sniff, open };

const NAME: &str = "MPEG-4 video";

/// A video object layer header with sensible values tells, if the stream begins as one with such does.
fn sniff(head: &[u8]) -> Sniff {
    let mut next = find_start_code(head, 0);
    let Some(first) = next else { return Sniff::No };
    let code = head.get(first + 3).copied().unwrap_or(0xff);
    let begins_well = head[..first].iter().all(|byte| *byte == 0)
        && (VIDEO_OBJECTS.contains(&code)
            || [SEQUENCE, VISUAL_OBJECT].contains(&code)
            || VideoObjectLayer::parse(&head[first..]).is_some());
    let mut has_vop = false;
    while let Some(at) = next {
        match head.get(at + 3) {
            // The codes of the systems layer: this is a program stream.
            Some(0xb9..) => return Sniff::No,
            Some(0x20..=0x2f) if begins_well && is_sensible(&head[at..]) => return Sniff::Yes,
            Some(&VOP | &GROUP) => has_vop = true,
            _ => {}
        }
        next = find_start_code(head, at + 3);
    }
    if has_vop || begins_well { Sniff::Maybe } else { Sniff::No }
}

fn is_sensible(unit: &[u8]) -> bool {
    VideoObjectLayer::parse(unit).is_some_and(|layer| layer.size.is_some_and(|(width, height)| width > 7 && height > 7))
}

fn open(source: &Source, _options: &Options) -> Result<Arc<dyn Recording>, Error> {
    scan::open(RawFormat::new(source, 0, NAME, Mpeg4VisualFramer::boxed)?)
}
