//! Finding NAL units in a sample: by start code (ITU-T H.264 annex B) or by length prefix (ISO/IEC 14496-15).

use std::ops::Range;
use std::sync::LazyLock;

use memchr::memmem;

/// Appends to `nals` where each NAL unit of `data` lies, each behind a big-endian length of `length_size` bytes.
/// Empty units are left out.
///
/// # Errors
/// The position in `data` of a length that reaches beyond its end; the units before it have been appended.
pub fn split_length_prefixed(data: &[u8], length_size: usize, nals: &mut Vec<Range<usize>>) -> Result<(), usize> {
    let mut position = 0;
    while position < data.len() {
        let start = position + length_size;
        let prefix = data.get(position..start).ok_or(position)?;
        let len = prefix.iter().fold(0_usize, |len, byte| len << 8 | usize::from(*byte));
        let end = start.checked_add(len).filter(|end| *end <= data.len()).ok_or(position)?;
        if len > 0 {
            nals.push(start..end);
        }
        position = end;
    }
    Ok(())
}

/// As [`split_length_prefixed`], but where `data` begins with a start code all the same, that is what separates: some
/// muxers put streams into such containers as they are.
///
/// # Errors
/// As [`split_length_prefixed`].
pub fn split_either(data: &[u8], length_size: usize, nals: &mut Vec<Range<usize>>) -> Result<(), usize> {
    let before = nals.len();
    let Err(position) = split_length_prefixed(data, length_size, nals) else { return Ok(()) };
    if data.starts_with(&[0, 0, 1]) || data.starts_with(&[0, 0, 0, 1]) {
        nals.truncate(before);
        split_start_codes(data, nals);
        return Ok(());
    }
    Err(position)
}

/// Appends to `nals` where each NAL unit of `data` lies between start codes; zero bytes that trail a unit are not
/// part of it. What comes before the first start code is ignored, empty units are left out.
pub fn split_start_codes(data: &[u8], nals: &mut Vec<Range<usize>>) {
    let mut next = find_start_code(data, 0);
    while let Some(code) = next {
        let start = code + 3;
        next = find_start_code(data, start);
        let mut end = next.unwrap_or(data.len());
        while end > start && data[end - 1] == 0 {
            end -= 1;
        }
        if end > start {
            nals.push(start..end);
        }
    }
}

/// Where the next `00 00 01` begins at or after `from`.
pub fn find_start_code(data: &[u8], from: usize) -> Option<usize> {
    static FINDER: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(b"\0\0\x01"));
    FINDER.find(data.get(from..)?).map(|found| from + found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_codes_of_three_and_four_bytes_are_found_and_trailing_zeros_dropped() {
        let data = [9, 0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 2, 0, 0, 0, 0, 1, 0x65, 0, 0, 3, 0, 0, 1];
        let mut nals = Vec::new();
        split_start_codes(&data, &mut nals);
        assert_eq!(nals, [5..7, 10..12, 17..21]);
    }

    #[test]
    fn a_length_beyond_the_end_is_named_and_what_came_before_kept() {
        let data = [0, 2, 0x65, 1, 0, 0, 0, 9, 0x41];
        let mut nals = Vec::new();
        assert_eq!(split_length_prefixed(&data, 2, &mut nals), Err(6));
        assert_eq!((nals.len(), &nals[0]), (1, &(2..4)));
    }
}
