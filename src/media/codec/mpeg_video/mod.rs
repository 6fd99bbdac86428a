//! MPEG-1 and MPEG-2 video (ISO/IEC 11172-2, 13818-2): sequence and picture headers. `framer` cuts a stream into
//! pictures.

mod framer;

use super::nal::find_start_code;
pub use framer::MpegVideoFramer;

/// picture_start_code (ISO/IEC 13818-2 table 6-1).
pub const PICTURE: u8 = 0x00;
/// The first and last slice_start_code.
pub const SLICES: std::ops::RangeInclusive<u8> = 0x01..=0xaf;
/// sequence_header_code.
pub const SEQUENCE_HEADER: u8 = 0xb3;
/// extension_start_code.
pub const EXTENSION: u8 = 0xb5;
/// sequence_end_code.
pub const SEQUENCE_END: u8 = 0xb7;
/// group_start_code.
pub const GROUP: u8 = 0xb8;

/// extension_start_code_identifier (ISO/IEC 13818-2 table 6-2).
const SEQUENCE_EXTENSION: u8 = 1;
const SEQUENCE_DISPLAY_EXTENSION: u8 = 2;
const SEQUENCE_SCALABLE_EXTENSION: u8 = 5;
const PICTURE_CODING_EXTENSION: u8 = 8;

/// The most bytes of a sequence header with its extensions: they have 140, 10, 12 and 9.
const HEADERS_LEN_MAX: usize = 512;

/// What is to be known of an MPEG-1 or MPEG-2 video track. A sample is one picture (both fields of a frame), with the
/// headers before it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MpegVideoConfig {
    /// MPEG-2, not MPEG-1.
    pub is_mpeg2: bool,
    /// Width and height in pixels, where known.
    pub size: Option<(u32, u32)>,
    /// The sequence header with its extensions, with start codes; empty where only the samples have it.
    pub headers: Vec<u8>,
}

impl MpegVideoConfig {
    /// Reads a sequence header and the extensions behind it, as containers keep them apart. `None`: there is none.
    pub fn parse(headers: &[u8]) -> Option<Self> {
        SequenceHeaders::parse(headers).config()
    }
}

/// What a sequence header and its extensions say (ISO/IEC 13818-2 sections 6.2.2.1 and 6.2.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sequence {
    /// Width and height in pixels.
    pub size: (u32, u32),
    /// Frames a second as numerator and denominator.
    pub frame_rate: (u32, u32),
    /// There is a sequence extension: it is MPEG-2.
    pub is_mpeg2: bool,
    /// All pictures are frames without fields.
    pub is_progressive: bool,
    /// There are no B pictures: low_delay, or the simple profile.
    pub has_no_b: bool,
}

impl Sequence {
    /// Reads the sequence header in `unit`, which begins with its start code.
    pub fn parse(unit: &[u8]) -> Option<Self> {
        let [_, _, _, SEQUENCE_HEADER, a, b, c, d] = *unit.first_chunk()? else { return None };
        let size = (u32::from(a) << 4 | u32::from(b) >> 4, (u32::from(b) & 15) << 8 | u32::from(c));
        let frame_rate = frame_rate_of(d & 15)?;
        let is_sane = size.0 > 0 && size.1 > 0;
        is_sane.then_some(Self { size, frame_rate, is_mpeg2: false, is_progressive: true, has_no_b: false })
    }

    /// Adds what the sequence extension in `unit` says.
    fn extend(&mut self, unit: &[u8]) -> Option<()> {
        const PROFILE_SIMPLE: u8 = 5;
        let [_, _, _, EXTENSION, a, b, c, _, _, f] = *unit.first_chunk()? else { return None };
        self.is_mpeg2 = true;
        self.is_progressive = b & 8 != 0;
        self.size.0 |= (u32::from(b) & 1) << 13 | (u32::from(c) >> 7) << 12;
        self.size.1 |= (u32::from(c) >> 5 & 3) << 12;
        self.has_no_b = f & 0x80 != 0 || a & 7 == PROFILE_SIMPLE;
        let (numerator, denominator) = (u32::from(f) >> 5 & 3, u32::from(f) & 31);
        self.frame_rate = (self.frame_rate.0 * (numerator + 1), self.frame_rate.1 * (denominator + 1));
        Some(())
    }
}

/// frame_rate_code (ISO/IEC 13818-2 table 6-4). What is reserved there is what an old encoder made of 15 and fewer
/// frames a second in MPEG-1; decoders take it for 25.
fn frame_rate_of(code: u8) -> Option<(u32, u32)> {
    Some(match code {
        0 => return None,
        1 => (24_000, 1001),
        2 => (24, 1),
        4 => (30_000, 1001),
        5 => (30, 1),
        6 => (50, 1),
        7 => (60_000, 1001),
        8 => (60, 1),
        _ => (25, 1),
    })
}

/// Collects a sequence header and the extensions that follow it.
#[derive(Debug, Clone, Default)]
pub struct SequenceHeaders {
    sequence: Option<Sequence>,
    bytes: Vec<u8>,
    /// What follows still belongs to it.
    is_open: bool,
}

impl SequenceHeaders {
    /// Those in `headers`, up to the first unit that does not belong to them.
    pub fn parse(headers: &[u8]) -> Self {
        let mut collected = Self::default();
        let mut next = find_start_code(headers, 0);
        while let Some(at) = next {
            next = find_start_code(headers, at + 3);
            if !collected.take(&headers[at..next.unwrap_or(headers.len())]) {
                break;
            }
        }
        collected
    }

    /// Takes the next unit of a stream, which begins with a start code. `false`: it does not belong to the headers.
    pub fn take(&mut self, unit: &[u8]) -> bool {
        const USER_DATA: u8 = 0xb2;
        match unit.get(3).copied() {
            Some(SEQUENCE_HEADER) => {
                if let Some(sequence) = Sequence::parse(unit) {
                    self.sequence = Some(sequence);
                    self.bytes.clear();
                    self.bytes.extend_from_slice(&unit[..unit.len().min(HEADERS_LEN_MAX)]);
                    self.is_open = true;
                }
                true
            }
            Some(EXTENSION) if self.is_open => {
                let id = unit.get(4).map_or(0, |byte| byte >> 4);
                if id == SEQUENCE_EXTENSION
                    && let Some(sequence) = &mut self.sequence
                {
                    sequence.extend(unit);
                }
                let is_kept =
                    [SEQUENCE_EXTENSION, SEQUENCE_DISPLAY_EXTENSION, SEQUENCE_SCALABLE_EXTENSION].contains(&id);
                if is_kept && self.bytes.len() + unit.len() <= HEADERS_LEN_MAX {
                    self.bytes.extend_from_slice(unit);
                }
                true
            }
            Some(USER_DATA) => self.is_open,
            _ => {
                self.is_open = false;
                false
            }
        }
    }

    /// What they say; `None` until there was a sequence header.
    pub fn sequence(&self) -> Option<&Sequence> {
        self.sequence.as_ref()
    }

    /// The sequence header with its extensions; empty until there was one.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What they make of the track.
    pub fn config(&self) -> Option<MpegVideoConfig> {
        let Sequence { size, is_mpeg2, .. } = self.sequence?;
        Some(MpegVideoConfig { is_mpeg2, size: Some(size), headers: self.bytes.clone() })
    }
}

/// picture_coding_type (ISO/IEC 13818-2 table 6-12). MPEG-1 has another kind of I picture, with DC coefficients only.
const TYPE_I: u8 = 1;
const TYPE_B: u8 = 3;
const TYPE_D: u8 = 4;
/// picture_structure (ISO/IEC 13818-2 table 6-14): both fields.
const STRUCTURE_FRAME: u8 = 3;

/// What a picture header and its coding extension say (ISO/IEC 13818-2 sections 6.2.3 and 6.2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PictureHeader {
    /// Place in order of display within the group of pictures, modulo 1024.
    pub temporal_reference: u16,
    /// 1 to 4: I, P, B, D.
    pub coding_type: u8,
    /// full_pel_backward_vector, backward_f_code, full_pel_forward_vector and forward_f_code, in the places that the
    /// RTP payload header has for them (RFC 2250 section 3.4).
    pub vectors: u8,
    /// 1 and 2 are the top and bottom field, 3 is a frame.
    pub structure: u8,
    /// repeat_first_field: it is displayed for more than a frame.
    pub repeats_first_field: bool,
    /// top_field_first.
    pub is_top_field_first: bool,
}

impl PictureHeader {
    /// Reads the picture header in `unit`, which begins with its start code.
    ///
    /// ```text
    /// |temporal_reference 10|type 3|vbv_delay 16|P, B: full_pel 1, f_code 3|B: full_pel 1, f_code 3|
    /// ```
    pub fn parse(unit: &[u8]) -> Option<Self> {
        let [_, _, _, PICTURE, a, b, c, d] = *unit.first_chunk()? else { return None };
        let byte = |index: usize| u16::from(unit.get(index).copied().unwrap_or_default());
        let coding_type = b >> 3 & 7;
        // The four bits behind vbv_delay, and the four behind them.
        let after_delay = u16::from(d & 7) << 13 | byte(8) << 5 | byte(9) >> 3;
        let (forward, backward) = ((after_delay >> 12) as u8, (after_delay >> 8 & 15) as u8);
        let _ = c;
        let vectors = match coding_type {
            2 => forward,
            TYPE_B => backward << 4 | forward,
            _ => 0,
        };
        Some(Self {
            temporal_reference: u16::from(a) << 2 | u16::from(b) >> 6,
            coding_type,
            vectors,
            structure: STRUCTURE_FRAME,
            repeats_first_field: false,
            is_top_field_first: false,
        })
    }

    /// Adds what the extension in `unit` says, if it is the picture coding extension.
    pub fn extend(&mut self, unit: &[u8]) {
        let Some([_, _, _, EXTENSION, a, _, c, d, ..]) = unit.first_chunk::<8>().copied() else { return };
        if a >> 4 != PICTURE_CODING_EXTENSION {
            return;
        }
        // A structure of 0 is reserved.
        self.structure = if c & 3 == 0 { STRUCTURE_FRAME } else { c & 3 };
        self.is_top_field_first = d & 0x80 != 0;
        self.repeats_first_field = d & 2 != 0;
    }

    /// Decoding can start here.
    pub fn is_intra(&self) -> bool {
        self.coding_type == TYPE_I || self.coding_type == TYPE_D
    }

    /// It comes behind a picture that it is displayed before.
    pub fn is_bidirectional(&self) -> bool {
        self.coding_type == TYPE_B
    }

    /// Whether `other` is the second field of the frame whose first this is.
    pub fn is_completed_by(&self, other: &Self) -> bool {
        self.structure + other.structure == STRUCTURE_FRAME && self.temporal_reference == other.temporal_reference
    }

    /// For how many fields it is displayed, both fields of a frame together (ISO/IEC 13818-2 section 6.3.10).
    pub fn fields(&self, is_progressive_sequence: bool) -> i64 {
        match (self.structure == STRUCTURE_FRAME && self.repeats_first_field, is_progressive_sequence) {
            (false, _) => 2,
            (true, false) => 3,
            (true, true) if self.is_top_field_first => 6,
            (true, true) => 4,
        }
    }
}

#[cfg(test)]
pub mod testing;
#[cfg(test)]
mod tests;
