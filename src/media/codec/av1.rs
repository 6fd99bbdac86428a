//! AV1: open bitstream units (OBUs), the sequence header, whether decoding can start at a temporal unit, and the `av1C`
//! record. Sections are those of the AV1 Bitstream & Decoding Process Specification.

use std::ops::Range;

use h264_reader::rbsp::{BitRead, BitReader, BitReaderError};

use super::FrameRate;
use crate::media::Error;
use crate::media::bits::ByteReader;

/// What is to be known of an AV1 track. A sample is one temporal unit in the low-overhead format, every OBU with its
/// size field; the last may do without. Temporal delimiters may be there or not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Av1Config {
    /// The sequence header OBU, where it is known beforehand, with its header and size.
    pub sequence_header: Vec<u8>,
    /// seq_profile.
    pub profile: u8,
    /// seq_level_idx of the first operating point.
    pub level_idx: u8,
    /// seq_tier of the first operating point.
    pub tier: u8,
    /// Width and height in pixels.
    pub size: Option<(u32, u32)>,
}

impl Av1Config {
    /// What the sequence header OBU in `data` tells, which is a temporal unit or the `configOBUs` of an `av1C` record.
    pub fn from_obus(data: &[u8]) -> Option<Self> {
        let obu = Obus::new(data).find(|obu| obu.kind == OBU_SEQUENCE_HEADER)?;
        let header = SequenceHeader::parse(&data[obu.payload.clone()])?;
        let mut sequence_header = Vec::new();
        obu.write_low_overhead(data, &mut sequence_header);
        let SequenceHeader { profile, level_idx, tier, size, .. } = header;
        Some(Self { sequence_header, profile, level_idx, tier, size: Some(size) })
    }
}

/// Reads an `av1C` record ("AV1 Codec ISO Media File Format Binding" section 2.3.3).
///
/// # Errors
/// When it is cut off, or of another version than 1.
pub fn parse_av1c(mut r: ByteReader<'_>) -> Result<Av1Config, Error> {
    let unknown = r.malformed();
    if r.u8()? != 0x81 {
        return Err(unknown);
    }
    let (profile_level, tier) = (r.u8()?, r.u8()?);
    r.skip(1)?; // initial presentation delay
    let told = Av1Config {
        profile: profile_level >> 5,
        level_idx: profile_level & 31,
        tier: tier >> 7,
        ..Av1Config::default()
    };
    Ok(Av1Config::from_obus(r.rest()).unwrap_or(told))
}

/// obu_type of a sequence header (section 6.2.2), and so on.
pub const OBU_SEQUENCE_HEADER: u8 = 1;
/// A temporal delimiter: a temporal unit begins here.
pub const OBU_TEMPORAL_DELIMITER: u8 = 2;
/// The header of a frame whose tiles are in OBUs of their own.
pub const OBU_FRAME_HEADER: u8 = 3;
/// A frame header together with tiles.
pub const OBU_FRAME: u8 = 6;
/// A tile list, as only large scale tile decoding has it.
pub const OBU_TILE_LIST: u8 = 8;
/// Bytes without meaning.
pub const OBU_PADDING: u8 = 15;

/// obu_has_size_field in the header of an OBU.
pub const HAS_SIZE: u8 = 0x02;
const HAS_EXTENSION: u8 = 0x04;
const FORBIDDEN: u8 = 0x80;

/// An OBU, by where it lies in the data that it was found in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obu {
    /// obu_type.
    pub kind: u8,
    /// The first byte of its header.
    pub header: u8,
    /// The second byte of its header, temporal_id and spatial_id, where it has one.
    pub extension: Option<u8>,
    /// What follows header and size.
    pub payload: Range<usize>,
}

impl Obu {
    /// Reads the OBU that begins at byte `start` of `data`; without a size field it reaches to the end of `data`.
    /// `None`: what stands there is no OBU, or is cut off.
    pub fn parse(data: &[u8], start: usize) -> Option<Self> {
        let (head, len) = ObuHead::parse(data.get(start..)?)?;
        let begin = start + head.len;
        let end = match len {
            Some(len) => begin.checked_add(usize::try_from(len).ok()?)?,
            None => data.len(),
        };
        (end <= data.len()).then_some(Self {
            kind: head.kind,
            header: head.header,
            extension: head.extension,
            payload: begin..end,
        })
    }

    /// Appends it to `out` with a size field; `data` is what it was found in.
    pub fn write_low_overhead(&self, data: &[u8], out: &mut Vec<u8>) {
        out.push(self.header | HAS_SIZE);
        out.extend(self.extension);
        let (leb, len) = leb128(self.payload.len() as u32);
        out.extend_from_slice(&leb[..len]);
        out.extend_from_slice(&data[self.payload.clone()]);
    }
}

/// The header of an OBU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObuHead {
    /// obu_type.
    pub kind: u8,
    /// Its first byte.
    pub header: u8,
    /// Its second byte, where it has one.
    pub extension: Option<u8>,
    /// Bytes of header and size field.
    pub len: usize,
}

/// The longest header of an OBU with its size field, in bytes.
pub const OBU_HEAD_LEN_MAX: usize = 2 + LEB128_LEN_MAX;

impl ObuHead {
    /// Reads the header at the start of `data` and obu_size, where there is one (section 5.3). `None`: it is none, or
    /// cut off.
    pub fn parse(data: &[u8]) -> Option<(Self, Option<u64>)> {
        let header = *data.first()?;
        if header & FORBIDDEN != 0 {
            return None;
        }
        let extension = if header & HAS_EXTENSION != 0 { Some(*data.get(1)?) } else { None };
        let mut len = 1 + usize::from(extension.is_some());
        let mut size = None;
        if header & HAS_SIZE != 0 {
            let (value, leb_len) = read_leb128(&data[len..])?;
            len += leb_len;
            size = Some(value);
        }
        Some((Self { kind: header >> 3 & 15, header, extension, len }, size))
    }
}

/// The OBUs of a temporal unit in the low-overhead format (section 5.2). Ends at what is no OBU.
#[derive(Debug, Clone)]
pub struct Obus<'a> {
    data: &'a [u8],
    position: usize,
}

impl<'a> Obus<'a> {
    /// The OBUs in `data`.
    pub fn new(data: &'a [u8]) -> Self {
        Self { data, position: 0 }
    }

    /// Up to which byte OBUs were found: all of the data, unless it is damaged.
    pub fn position(&self) -> usize {
        self.position
    }
}

impl Iterator for Obus<'_> {
    type Item = Obu;

    fn next(&mut self) -> Option<Obu> {
        if self.position >= self.data.len() {
            return None;
        }
        let obu = Obu::parse(self.data, self.position)?;
        self.position = obu.payload.end;
        Some(obu)
    }
}

/// The longest leb128 in bytes (section 4.10.5).
pub const LEB128_LEN_MAX: usize = 8;

/// The number at the start of `data`, and how many bytes it takes (section 4.10.5). `None` when it is cut off or more
/// than 32 bits.
pub fn read_leb128(data: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0;
    for (index, byte) in data.iter().take(LEB128_LEN_MAX).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return (value <= u64::from(u32::MAX)).then_some((value, index + 1));
        }
    }
    None
}

/// `value` as the shortest leb128: its bytes are the first ones of the array, as many as the second number says.
pub fn leb128(mut value: u32) -> ([u8; 5], usize) {
    let mut bytes = [0; 5];
    let mut len = 0;
    loop {
        bytes[len] = (value & 0x7f) as u8;
        value >>= 7;
        len += 1;
        if value == 0 {
            return (bytes, len);
        }
        bytes[len - 1] |= 0x80;
    }
}

/// Whether decoding can start at this temporal unit: its first frame is a key frame that is shown (section 7.6.2).
/// `None` when there is no frame in it.
pub fn is_key(unit: &[u8]) -> Option<bool> {
    let mut is_reduced = false;
    for obu in Obus::new(unit) {
        match obu.kind {
            OBU_SEQUENCE_HEADER => {
                // seq_profile takes 3 bits, still_picture 1, then comes reduced_still_picture_header.
                is_reduced = unit[obu.payload].first().is_some_and(|byte| byte & 0x08 != 0);
            }
            OBU_FRAME_HEADER | OBU_FRAME => {
                // show_existing_frame, two bits of frame_type (0: key frame), show_frame (section 5.9.2).
                let first = unit[obu.payload].first()?;
                return Some(is_reduced || first >> 4 == 0b0001);
            }
            _ => {}
        }
    }
    None
}

/// What is used of a sequence header (section 5.5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SequenceHeader {
    /// seq_profile.
    pub profile: u8,
    /// seq_level_idx of the first operating point.
    pub level_idx: u8,
    /// seq_tier of the first operating point.
    pub tier: u8,
    /// max_frame_width and max_frame_height in pixels.
    pub size: (u32, u32),
    /// Where pictures are equally far apart, and it is told how far.
    pub frame_rate: Option<FrameRate>,
}

impl SequenceHeader {
    /// Reads the payload of a sequence header OBU. `None` when it is cut off.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let mut bits = BitReader::new(payload);
        Self::read(&mut bits).ok()
    }

    fn read(r: &mut BitReader<&[u8]>) -> Result<Self, BitReaderError> {
        let profile = r.read::<3, u8>("seq_profile")?;
        r.skip(1, "still_picture")?;
        let (mut level_idx, mut tier, mut frame_rate) = (0, 0, None);
        if r.read_bit("reduced_still_picture_header")? {
            level_idx = r.read::<5, u8>("seq_level_idx")?;
        } else {
            let mut delay_len = None;
            if r.read_bit("timing_info_present_flag")? {
                frame_rate = timing_info(r)?;
                if r.read_bit("decoder_model_info_present_flag")? {
                    delay_len = Some(r.read::<5, u32>("buffer_delay_length_minus_1")? + 1);
                    r.skip(32 + 5 + 5, "decoder_model_info")?;
                }
            }
            let has_display_delay = r.read_bit("initial_display_delay_present_flag")?;
            for point in 0..=r.read::<5, u8>("operating_points_cnt_minus_1")? {
                let (level_here, tier_here) = operating_point(r, delay_len, has_display_delay)?;
                if point == 0 {
                    (level_idx, tier) = (level_here, tier_here);
                }
            }
        }
        let width_len = r.read::<4, u32>("frame_width_bits_minus_1")? + 1;
        let height_len = r.read::<4, u32>("frame_height_bits_minus_1")? + 1;
        let width = r.read_var::<u32>(width_len, "max_frame_width_minus_1")? + 1;
        let height = r.read_var::<u32>(height_len, "max_frame_height_minus_1")? + 1;
        Ok(Self { profile, level_idx, tier, size: (width, height), frame_rate })
    }
}

/// Section 5.5.3.
fn timing_info(r: &mut BitReader<&[u8]>) -> Result<Option<FrameRate>, BitReaderError> {
    let units_in_tick = r.read::<32, u32>("num_units_in_display_tick")?;
    let time_scale = r.read::<32, u32>("time_scale")?;
    if !r.read_bit("equal_picture_interval")? {
        return Ok(None);
    }
    let ticks = u64::from(r.read_ue("num_ticks_per_picture_minus_1")?) + 1;
    Ok(FrameRate::new(time_scale.into(), u64::from(units_in_tick).saturating_mul(ticks)))
}

/// One operating point of section 5.5.1: its level and tier. `delay_len` is that of the decoder model's delays.
fn operating_point(
    r: &mut BitReader<&[u8]>,
    delay_len: Option<u32>,
    has_display_delay: bool,
) -> Result<(u8, u8), BitReaderError> {
    r.skip(12, "operating_point_idc")?;
    let level_idx = r.read::<5, u8>("seq_level_idx")?;
    let tier = if level_idx > 7 { u8::from(r.read_bit("seq_tier")?) } else { 0 };
    if let Some(len) = delay_len
        && r.read_bit("decoder_model_present_for_this_op")?
    {
        r.skip(2 * len + 1, "operating_parameters_info")?;
    }
    if has_display_delay && r.read_bit("initial_display_delay_present_for_this_op")? {
        r.skip(4, "initial_display_delay_minus_1")?;
    }
    Ok((level_idx, tier))
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::rbsp::tests::BitWriter;
    use super::*;

    /// A sequence header of 640 by 360, profile 0, level 4 (3.0), with `timing` as units in a tick and time scale.
    pub fn sequence_header(timing: Option<(u32, u32)>) -> Vec<u8> {
        let mut w = BitWriter::default().u(3, 0).u(1, 0).u(1, 0);
        w = match timing {
            None => w.u(1, 0),
            Some((units, scale)) => w.u(1, 1).u(32, units).u(32, scale).u(1, 1).ue(0).u(1, 1).u(5, 9).u(32, 7).u(10, 0),
        };
        w = w.u(1, 1).u(5, 1);
        for level in [4, 9] {
            w = w.u(12, 0x101).u(5, level);
            w = if level > 7 { w.u(1, 1) } else { w };
            w = if timing.is_some() { w.u(1, 1).u(10, 1).u(10, 1).u(1, 0) } else { w };
            w = w.u(1, 1).u(4, 3);
        }
        w = w.u(4, 9).u(4, 8).u(10, 639).u(9, 359).u(20, 0);
        obu(OBU_SEQUENCE_HEADER, &w.bytes())
    }

    /// An OBU with its size.
    pub fn obu(kind: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![kind << 3 | HAS_SIZE];
        let (leb, len) = leb128(payload.len() as u32);
        bytes.extend(&leb[..len]);
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn a_sequence_header_tells_profile_level_size_and_rate() {
        for (timing, rate) in [(None, None), (Some((1001, 30_000)), FrameRate::new(30_000, 1001))] {
            let data = sequence_header(timing);
            let found = Obu::parse(&data, 0).unwrap();
            let header = SequenceHeader::parse(&data[found.payload]).unwrap();
            let expected = SequenceHeader { profile: 0, level_idx: 4, tier: 0, size: (640, 360), frame_rate: rate };
            assert_eq!(header, expected);
        }
    }

    /// What libaom 3.6 writes for 320 by 240.
    #[test]
    fn a_sequence_header_of_libaom_is_read() {
        let data = [0x0a, 0x0b, 0x00, 0x00, 0x00, 0x04, 0x3c, 0xff, 0xbc, 0xda, 0xf9, 0x00, 0x40];
        let config = Av1Config::from_obus(&data).unwrap();
        assert_eq!((config.profile, config.level_idx, config.tier), (0, 0, 0));
        assert_eq!((config.size, &config.sequence_header[..]), (Some((320, 240)), &data[..]));
    }

    #[test]
    fn the_record_of_mp4_gives_its_sequence_header_or_else_its_own_fields() {
        let obu = sequence_header(None);
        let record = [&[0x81, 0x05, 0x0c, 0x00][..], &obu].concat();
        let config = parse_av1c(ByteReader::new(&record, 0, "av1C")).unwrap();
        assert_eq!((config.sequence_header, config.level_idx, config.size), (obu, 4, Some((640, 360))));
        let config = parse_av1c(ByteReader::new(&[0x81, 0x29, 0x80, 0x00], 0, "av1C")).unwrap();
        assert_eq!(config, Av1Config { profile: 1, level_idx: 9, tier: 1, ..Av1Config::default() });
        let error = parse_av1c(ByteReader::new(&[0x82, 0, 0, 0], 70, "av1C")).unwrap_err();
        assert_eq!(error.to_string(), "malformed av1C at byte 70");
    }

    #[test]
    fn a_unit_is_a_key_when_its_first_frame_is_a_key_frame_that_is_shown() {
        let frame = |first: u8| [obu(OBU_TEMPORAL_DELIMITER, &[]), obu(OBU_FRAME, &[first, 7])].concat();
        for (first, expected) in [(0b0001_0000, true), (0, false), (0b0011_0000, false), (0b1001_0000, false)] {
            assert_eq!(is_key(&frame(first)), Some(expected), "frame header {first:#010b}");
        }
        let still = [obu(OBU_SEQUENCE_HEADER, &[0x18, 0]), obu(OBU_FRAME_HEADER, &[0xff])].concat();
        assert_eq!(is_key(&still), Some(true), "a still picture has no frame_type");
        assert_eq!(is_key(&obu(OBU_TEMPORAL_DELIMITER, &[])), None);
    }

    #[test]
    fn the_last_unit_may_lack_its_size_and_extensions_are_kept() {
        let data = [0x12, 0x00, 0x36, 0x28, 0x02, 0xaa, 0xbb, 0x30, 0xcc, 0xdd];
        let found: Vec<Obu> = Obus::new(&data).collect();
        let (kinds, ends): (Vec<_>, Vec<_>) = found.iter().map(|obu| (obu.kind, obu.payload.clone())).unzip();
        assert_eq!((kinds, ends), (vec![2, 6, 6], vec![2..2, 5..7, 8..10]));
        assert_eq!(found[1].extension, Some(0x28));
        let mut written = Vec::new();
        found.iter().for_each(|obu| obu.write_low_overhead(&data, &mut written));
        assert_eq!(written, [0x12, 0x00, 0x36, 0x28, 0x02, 0xaa, 0xbb, 0x32, 0x02, 0xcc, 0xdd]);
    }

    #[test]
    fn numbers_of_any_length_are_read_and_the_shortest_written() {
        for (bytes, value) in [(&[5][..], 5), (&[0x80, 0x01], 128), (&[0x85, 0x80, 0x00], 5), (&[0xff; 4], 0)] {
            let expected = (value > 0).then_some((value, bytes.len()));
            assert_eq!(read_leb128(bytes), expected, "{bytes:02x?}");
        }
        assert_eq!(read_leb128(&[0xff, 0xff, 0xff, 0xff, 0x7f]), None, "more than 32 bits");
        for value in [0, 127, 128, 16_383, 16_384, u32::MAX] {
            let (bytes, len) = leb128(value);
            assert_eq!(read_leb128(&bytes[..len]), Some((value.into(), len)));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(data in vec(any::<u8>(), 0..200), reserved in any::<bool>()) {
            let data = if reserved { [vec![0x0a, 0x40], data].concat() } else { data };
            let ends: Vec<usize> = Obus::new(&data).map(|obu| obu.payload.end).collect();
            prop_assert!(ends.is_sorted() && ends.last().is_none_or(|end| *end <= data.len()));
            let _ = (Av1Config::from_obus(&data), is_key(&data), parse_av1c(ByteReader::new(&data, 0, "av1C")));
        }
    }
}
