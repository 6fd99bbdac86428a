//! Motion JPEG without a container: pictures one after the other, or a `multipart/x-mixed-replace` body (RFC 2046
//! section 5.1) as it was saved from a camera. Neither has times: pictures are as many a second as the configuration
//! says.

use std::sync::Arc;

use super::{Container, Options, Sniff};
use crate::media::codec::FrameRate;
use crate::media::codec::jpeg::JpegFramer;
use crate::media::io::Source;
use crate::media::scan::{self, RawFormat};
use crate::media::{Error, Recording};

/// This container's line in [`super::CONTAINERS`].
pub const CONTAINER: Container = Container { name: NAME, suffixes: &["mjpeg", "mjpg", "mjp", "mpjpeg"], sniff, open };

const NAME: &str = "raw Motion JPEG";

/// A single picture begins as a stream of them does, so that the suffix decides; a multipart body is unmistakable.
fn sniff(head: &[u8]) -> Sniff {
    let start = &head[..head.len().min(1024)];
    let is_multipart = start.trim_ascii_start().starts_with(b"--") || start.starts_with(b"HTTP/1.");
    let names_jpeg = || start.to_ascii_lowercase().windows(10).any(|window| window == b"image/jpeg");
    if is_multipart && names_jpeg() {
        Sniff::Yes
    } else if head.windows(3).any(|window| window == [0xFF, 0xD8, 0xFF]) {
        Sniff::Maybe
    } else {
        Sniff::No
    }
}

fn open(source: &Source, options: &Options) -> Result<Arc<dyn Recording>, Error> {
    let rate = FrameRate::from_f64(options.frame_rate_default);
    scan::open(RawFormat::new(source, 0, NAME, move || Box::new(JpegFramer::new(rate)))?)
}
