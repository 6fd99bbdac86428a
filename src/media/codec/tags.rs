//! What stands before, between and behind the frames of raw audio: ID3 and APE tags, of which only the length matters.

use super::frames::Look;

/// The longest start of a tag that tells its length.
const START_LEN: usize = 16;
/// Length of an ID3v1 tag.
const ID3V1_LEN: u64 = 128;
/// Length of what may stand before an ID3v1 tag to enlarge it.
const ID3V1_ENHANCED_LEN: u64 = 227;
/// Length of the header, and of the footer, of an ID3v2 or APE tag.
const ID3V2_HEADER_LEN: usize = 10;
const APE_HEADER_LEN: u64 = 32;

/// The tag that begins with the first of `bytes`, if any.
pub fn look<H>(bytes: &[u8], is_end: bool) -> Look<H> {
    let starts: [&[u8]; 3] = [b"ID3", b"TAG", b"APETAGEX"];
    let shown = bytes.len().min(START_LEN);
    let begins = |start: &[u8]| bytes[..shown.min(start.len())] == start[..shown.min(start.len())];
    if !starts.into_iter().any(begins) {
        return Look::Nothing;
    }
    match tag_len(bytes) {
        Some(len) => Look::Tag(len),
        None if bytes.len() < START_LEN && !is_end => Look::Short,
        None => Look::Nothing,
    }
}

/// The length in bytes of the tag that begins with the first of `bytes`.
pub fn tag_len(bytes: &[u8]) -> Option<u64> {
    if let Some(header) = bytes.first_chunk::<ID3V2_HEADER_LEN>().filter(|header| header.starts_with(b"ID3")) {
        // ID3v2.4 section 3.1: the version is never 0xff, the size has 7 bits in each byte.
        let [.., major, revision, flags, a, b, c, d] = *header;
        if major == 0xff || revision == 0xff || [a, b, c, d].iter().any(|byte| *byte > 0x7f) {
            return None;
        }
        let size = [a, b, c, d].iter().fold(0, |size, byte| size << 7 | u64::from(*byte));
        let has_footer = flags & 0x10 != 0;
        return Some(size + ID3V2_HEADER_LEN as u64 * if has_footer { 2 } else { 1 });
    }
    if bytes.starts_with(b"TAG+") {
        return Some(ID3V1_ENHANCED_LEN);
    }
    if bytes.starts_with(b"TAG") && bytes.len() > 3 {
        return Some(ID3V1_LEN);
    }
    // APEv2: the size includes the footer and not the header, which this is, as a footer stands behind items.
    let header = bytes.first_chunk::<START_LEN>().filter(|header| header.starts_with(b"APETAGEX"))?;
    let size = u32::from_le_bytes([header[12], header[13], header[14], header[15]]);
    Some(u64::from(size) + APE_HEADER_LEN)
}
