//! H.263: the picture header (ITU-T H.263 section 5.1).

use h264_reader::rbsp::{BitRead, BitReader};

/// What is to be known of an H.263 track. A sample is one picture, from its picture start code on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct H263Config {
    /// Width and height in pixels, where known.
    pub size: Option<(u32, u32)>,
}

/// The fields of a picture header that streaming needs, under their names in the standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PictureHeader {
    /// TR, its 8 lower bits: the time of the picture in ticks of its clock, which is 30000/1001 Hz unless the stream
    /// has one of its own (section 5.1.2).
    pub temporal_reference: u8,
    /// Width and height in pixels; `None` in a header that refers to the one before (UFEP 0, section 5.1.4.1).
    pub size: Option<(u32, u32)>,
    /// INTRA (PTYPE bit 9, or picture type code 0 of PLUSPTYPE): it refers to no other picture.
    pub is_intra: bool,
}

/// Source formats 1 to 5: sub-QCIF, QCIF, CIF, 4CIF and 16CIF (section 5.1.3).
const SIZES: [(u32, u32); 5] = [(128, 96), (176, 144), (352, 288), (704, 576), (1408, 1152)];
/// Source format 7 of PTYPE: PLUSPTYPE follows.
const FORMAT_EXTENDED: u32 = 7;
/// Source format 6 of PLUSPTYPE: CPFMT tells the size.
const FORMAT_CUSTOM: u32 = 6;

impl PictureHeader {
    /// Reads the header at the start of `picture`; `None` where there is none.
    pub fn parse(picture: &[u8]) -> Option<Self> {
        const PICTURE_START_CODE: u32 = 0x20;
        let mut bits = BitReader::new(picture);
        let mut take = |count: u32| bits.read_var::<u32>(count, "").ok();
        if take(22)? != PICTURE_START_CODE {
            return None;
        }
        let temporal_reference = take(8)? as u8;
        if take(2)? != 0b10 {
            return None; // the second bit tells H.263 from H.261
        }
        take(3)?; // split screen, document camera, freeze picture release
        let format = take(3)?;
        if format != FORMAT_EXTENDED {
            let size = *SIZES.get(format.checked_sub(1)? as usize)?;
            let is_intra = take(1)? == 0;
            return Some(Self { temporal_reference, size: Some(size), is_intra });
        }
        let ufep = take(3)?;
        let format = match ufep {
            0 => None,
            1 => {
                let format = take(3)?;
                take(15)?; // optional modes, and bits against emulation
                Some(format)
            }
            _ => return None,
        };
        let is_intra = take(3)? == 0;
        take(6)?;
        let continuous_presence_multipoint = take(1)? == 1;
        if continuous_presence_multipoint {
            take(2)?;
        }
        let size = match format {
            None => None,
            Some(FORMAT_CUSTOM) => {
                take(4)?; // pixel aspect ratio
                let width = (take(9)? + 1) * 4;
                take(1)?;
                Some((width, take(9)? * 4))
            }
            Some(format) => Some(*SIZES.get(format.checked_sub(1)? as usize)?),
        };
        Some(Self { temporal_reference, size, is_intra })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::codec::rbsp::tests::BitWriter;

    fn header(temporal_reference: u32) -> BitWriter {
        BitWriter::default().u(22, 0x20).u(8, temporal_reference).u(2, 0b10).u(3, 0)
    }

    fn parse(bits: BitWriter) -> Option<PictureHeader> {
        PictureHeader::parse(&bits.u(16, 0).nal(&[]))
    }

    #[test]
    fn size_time_and_type_are_read_from_ptype() {
        for (format, size) in SIZES.iter().enumerate() {
            for (coding_type, is_intra) in [(0, true), (1, false)] {
                let read = parse(header(200).u(3, format as u32 + 1).u(1, coding_type));
                assert_eq!(read, Some(PictureHeader { temporal_reference: 200, size: Some(*size), is_intra }));
            }
        }
    }

    #[test]
    fn size_and_type_are_read_from_plusptype() {
        let optional_part = |format| header(1).u(3, 7).u(3, 1).u(3, format).u(11, 0).u(4, 0b1000);
        let size = |bits| parse(bits).map(|read| (read.size, read.is_intra));
        let custom = optional_part(6).u(3, 0).u(5, 0).u(1, 1).u(1, 0).u(4, 2).u(9, 79).u(1, 1).u(9, 60);
        assert_eq!(size(custom), Some((Some((320, 240)), true)));
        let multipoint = optional_part(6).u(3, 1).u(5, 0).u(1, 1).u(1, 1).u(2, 3).u(4, 2).u(9, 39).u(1, 1).u(9, 30);
        assert_eq!(size(multipoint), Some((Some((160, 120)), false)));
        assert_eq!(size(optional_part(2).u(3, 1).u(7, 2)), Some((Some((176, 144)), false)));
        let without_optional_part = header(1).u(3, 7).u(3, 0).u(3, 1).u(7, 2);
        assert_eq!(size(without_optional_part), Some((None, false)));
    }

    #[test]
    fn what_is_no_header_is_refused() {
        for (what, bytes) in [
            ("nothing", vec![]),
            ("a start code alone", vec![0, 0, 0x80]),
            ("a group of blocks", vec![0, 0, 0x84, 2, 8, 0, 0]),
            ("H.261's marker", vec![0, 0, 0x80, 3, 0x0c, 0, 0]),
            ("a forbidden source format", vec![0, 0, 0x80, 2, 0, 0, 0]),
            ("a reserved source format of PLUSPTYPE", vec![0, 0, 0x80, 2, 0x1c, 0xf0, 0, 0, 0, 0, 0]),
        ] {
            assert_eq!(PictureHeader::parse(&bytes), None, "{what}");
        }
    }
}
