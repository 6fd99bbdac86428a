//! Headers and pictures of MPEG-1 and MPEG-2 video for tests.

use super::{SEQUENCE_END, STRUCTURE_FRAME};

/// A sequence header of 352 times 288 pictures with this frame_rate_code.
pub fn sequence_header(frame_rate_code: u8) -> Vec<u8> {
    vec![0, 0, 1, 0xb3, 0x16, 0x01, 0x20, 0x10 | frame_rate_code, 0xff, 0xff, 0xe0, 0x18]
}

/// A sequence extension of the main profile.
pub fn sequence_extension(is_progressive: bool, is_low_delay: bool) -> Vec<u8> {
    vec![0, 0, 1, 0xb5, 0x14, 0x82 | u8::from(is_progressive) << 3, 0, 1, 0, u8::from(is_low_delay) << 7]
}

/// A group header.
pub fn group() -> Vec<u8> {
    vec![0, 0, 1, 0xb8, 0, 8, 0, 0x40]
}

/// sequence_end_code.
pub fn sequence_end() -> Vec<u8> {
    vec![0, 0, 1, SEQUENCE_END]
}

/// The header of a picture of kind `I`, `P`, `B` or `D`.
pub fn picture_header(kind: char, temporal_reference: u16) -> Vec<u8> {
    let coding_type = "-IPBD".find(kind).unwrap() as u8;
    vec![
        0,
        0,
        1,
        0,
        (temporal_reference >> 2) as u8,
        (temporal_reference as u8) << 6 | coding_type << 3 | 7,
        0xff,
        0xfb,
        0xbb,
        0xb8,
    ]
}

/// A picture coding extension; of a frame, or of the top (1) or bottom (2) field.
pub fn coding_extension(structure: u8, is_top_field_first: bool, repeats_first_field: bool) -> Vec<u8> {
    let flags = u8::from(is_top_field_first) << 7 | u8::from(repeats_first_field) << 1;
    vec![0, 0, 1, 0xb5, 0x8f, 0xff, 0xf0 | structure, flags, 0x80]
}

/// Slices, of `len` bytes in all.
pub fn slices(len: usize) -> Vec<u8> {
    let mut slices = vec![0, 0, 1, 1];
    slices.resize(len / 2, 0x55);
    slices.extend([0, 0, 1, 2]);
    slices.resize(len.max(8), 0xaa);
    slices
}

/// A frame of MPEG-2 without headers of the sequence.
pub fn frame(kind: char, temporal_reference: u16) -> Vec<u8> {
    let extension = coding_extension(STRUCTURE_FRAME, false, false);
    [picture_header(kind, temporal_reference), extension, slices(40 + usize::from(temporal_reference))].concat()
}

/// A field of MPEG-2.
pub fn field(kind: char, temporal_reference: u16, structure: u8) -> Vec<u8> {
    [picture_header(kind, temporal_reference), coding_extension(structure, false, false), slices(30)].concat()
}
