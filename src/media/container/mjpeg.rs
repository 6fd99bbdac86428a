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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::codec::jpeg::testing::{Coding, varied};
    use crate::media::container::units::testing::{samples_of, source_of};

    #[test]
    fn a_multipart_body_is_known_by_its_content_and_a_stream_of_pictures_by_its_suffix_too() {
        for (head, expected) in [
            (&b"--frame\r\nContent-type: IMAGE/JPEG\r\n\r\n\xFF\xD8\xFF"[..], Sniff::Yes),
            (b"HTTP/1.0 200 OK\r\n\r\n--b\r\nContent-Type: image/jpeg\r\n\r\n", Sniff::Yes),
            (b"\xFF\xD8\xFF\xE0", Sniff::Maybe),
            (b"--frame\r\nContent-Type: text/plain\r\n\r\n", Sniff::No),
            (b"", Sniff::No),
        ] {
            assert_eq!(sniff(head), expected, "{}", String::from_utf8_lossy(head));
        }
    }

    #[test]
    fn pictures_are_as_far_apart_as_the_configuration_says() {
        let pictures = [1, 2, 3].map(|seed| Coding::assumed(16, 16, true).picture(&varied(seed)));
        let options = Options { frame_rate_default: 12.5, ..Options::default() };
        let recording = open(&source_of(&pictures.concat()), &options).unwrap();
        assert_eq!(recording.tracks()[0].codec.picture_size(), Some((16, 16)));
        let samples = samples_of(&recording);
        let found: Vec<_> = samples.iter().map(|sample| (sample.pts.as_nanos() / 1_000_000, &sample.data)).collect();
        assert_eq!(found, [(0, &pictures[0]), (80, &pictures[1]), (160, &pictures[2])]);
    }
}
