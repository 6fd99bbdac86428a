//! Whether bytes are a raw H.264 or H.265 stream, and which. Only a sequence parameter set tells for sure: start codes
//! are in MPEG-1, MPEG-2 and MPEG-4 video, program streams and transport streams as well.

use super::pictures::next_nal;
use crate::media::Error;
use crate::media::codec::nal::{find_start_code, split_start_codes};
use crate::media::codec::{h264, h265};
use crate::media::container::Sniff;
use crate::media::io::Window;

/// The codec of a raw stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// ITU-T H.264 annex B.
    H264,
    /// ITU-T H.265 annex B.
    H265,
}

/// How far into a file a sequence parameter set is looked for: one comes with every key frame, and a recording that
/// was cut out of a longer one may begin anywhere between two.
const SEARCH_LEN: u64 = 8 << 20;
/// How many bytes of a parameter set are looked at.
const PARAMETER_SET_MAX: usize = 4096;

/// Whether the start of a file is a raw stream of this format.
pub fn sniff(head: &[u8], format: Format) -> Sniff {
    let mut nals = Vec::new();
    split_start_codes(head, &mut nals);
    // The start codes of other formats have the highest bit set behind them, which is forbidden in a NAL unit header.
    let forbidden = nals.iter().filter(|nal| head[nal.start] & 0x80 != 0).count();
    let begins_with_start_code = head.iter().find(|byte| **byte != 0) == Some(&1) && head.starts_with(&[0, 0]);
    match nals.iter().find_map(|nal| format_of(&head[nal.clone()])) {
        Some(found) if found != format => Sniff::No,
        Some(_) if begins_with_start_code && forbidden == 0 => Sniff::Yes,
        Some(_) => Sniff::Maybe,
        // The first parameter set may be further on.
        None if !head.is_empty() && 2 * forbidden <= nals.len() => Sniff::Maybe,
        None => Sniff::No,
    }
}

/// The format of the first sequence parameter set.
///
/// # Errors
/// [`Error::Unsupported`] when there is none; [`Error::Io`].
pub fn detect(window: &mut Window, end: u64) -> Result<Format, Error> {
    let search_end = end.min(SEARCH_LEN);
    let mut position = 0;
    while let Some((_, header_at)) = next_nal(window, position, search_end)? {
        let nal = window.available(header_at, PARAMETER_SET_MAX, "the raw video stream")?;
        let nal = &nal[..nal.len().min(PARAMETER_SET_MAX)];
        let nal = &nal[..find_start_code(nal, 0).unwrap_or(nal.len())];
        if let Some(format) = format_of(nal) {
            return Ok(format);
        }
        position = header_at;
    }
    Err(Error::Unsupported(format!("no H.264 or H.265 sequence parameter set in the first {search_end} bytes")))
}

/// The format whose sequence parameter set `nal` is, if it is one.
fn format_of(nal: &[u8]) -> Option<Format> {
    let forbidden_zero_bit = nal.first()? & 0x80 != 0;
    if forbidden_zero_bit {
        None
    } else if h264::SpsInfo::parse(nal).is_some() {
        Some(Format::H264)
    } else if nal.get(1).is_some_and(|byte| byte >> 3 == 0) && h265::SpsInfo::parse(nal).is_some() {
        Some(Format::H265)
    } else {
        None
    }
}
