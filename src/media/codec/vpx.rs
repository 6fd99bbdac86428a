//! VP8 (RFC 6386 section 9.1) and VP9 (VP9 Bitstream & Decoding Process Specification section 6.2): the headers of a
//! frame.

use h264_reader::rbsp::{BitRead, BitReader, BitReaderError};

use crate::media::Error;
use crate::media::bits::ByteReader;

/// What is to be known of a VP8 or VP9 track. A sample is one frame; of VP9, a superframe.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VpxConfig {
    /// Width and height in pixels, where known.
    pub size: Option<(u32, u32)>,
    /// VP9's profile, 0 to 3.
    pub profile: Option<u8>,
}

/// What the header of a frame tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// Decoding can start here.
    pub is_key: bool,
    /// Width and height in pixels: key frames tell.
    pub size: Option<(u32, u32)>,
    /// VP9's profile, 0 to 3; 0 for VP8.
    pub profile: u8,
}

impl FrameHeader {
    /// Reads the first bytes of a VP8 frame, 10 at least, that is `len` bytes long. `None` when it is none.
    pub fn vp8(frame: &[u8], len: usize) -> Option<Self> {
        const START_CODE: [u8; 3] = [0x9d, 0x01, 0x2a];
        let tag = u32::from_le_bytes([*frame.first()?, *frame.get(1)?, *frame.get(2)?, 0]);
        let (is_key, version, first_partition_len) = (tag & 1 == 0, tag >> 1 & 7, tag >> 5);
        let head_len = if is_key { 10 } else { 3 };
        // Versions above 3 are reserved; the first partition is never empty.
        if version > 3
            || first_partition_len == 0
            || len < head_len + first_partition_len as usize
            || frame.len() < head_len
        {
            return None;
        }
        if !is_key {
            return Some(Self { is_key, size: None, profile: 0 });
        }
        let dimension = |at: usize| u32::from(u16::from_le_bytes([frame[at], frame[at + 1]]) & 0x3fff);
        let size = (dimension(6), dimension(8));
        (frame[3..6] == START_CODE).then_some(Self { is_key, size: Some(size), profile: 0 })
    }

    /// Reads the start of a VP9 frame, or of a superframe, which begins with its first frame. `None` when it is none.
    pub fn vp9(frame: &[u8]) -> Option<Self> {
        Self::read_vp9(&mut BitReader::new(frame)).ok().flatten()
    }

    fn read_vp9(r: &mut BitReader<&[u8]>) -> Result<Option<Self>, BitReaderError> {
        const FRAME_MARKER: u8 = 2;
        const SYNC_CODE: u32 = 0x49_8342;
        const CS_RGB: u8 = 7;
        if r.read::<2, u8>("frame_marker")? != FRAME_MARKER {
            return Ok(None);
        }
        let profile = u8::from(r.read_bit("profile_low_bit")?) | u8::from(r.read_bit("profile_high_bit")?) << 1;
        if profile == 3 && r.read_bit("reserved_zero")? {
            return Ok(None);
        }
        let shows_existing = r.read_bit("show_existing_frame")?;
        if shows_existing || r.read_bit("frame_type")? {
            return Ok(Some(Self { is_key: false, size: None, profile }));
        }
        r.skip(2, "show_frame, error_resilient_mode")?;
        if r.read::<24, u32>("frame_sync_code")? != SYNC_CODE {
            return Ok(None);
        }
        // color_config (section 6.2.2)
        if profile >= 2 {
            r.skip(1, "ten_or_twelve_bit")?;
        }
        let is_rgb = r.read::<3, u8>("color_space")? == CS_RGB;
        let has_subsampling = profile & 1 == 1;
        r.skip(
            match (is_rgb, has_subsampling) {
                (false, false) => 1,
                (false, true) => 4,
                (true, false) => 0,
                (true, true) => 1,
            },
            "color_range, subsampling",
        )?;
        let width = r.read::<16, u32>("frame_width_minus_1")? + 1;
        let height = r.read::<16, u32>("frame_height_minus_1")? + 1;
        Ok(Some(Self { is_key: true, size: Some((width, height)), profile }))
    }
}

/// Reads a `vpcC` record ("VP Codec ISO Media File Format Binding", version 1) for VP9's profile. It begins with the
/// version of its full box.
///
/// # Errors
/// When it is cut off.
pub fn parse_vpcc(mut r: ByteReader<'_>) -> Result<Option<u8>, Error> {
    let version = r.u8()?;
    r.skip(3)?; // flags
    let profile = r.u8()?;
    Ok((version == 1 && profile <= 3).then_some(profile))
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::rbsp::tests::BitWriter;
    use super::*;

    /// A VP8 frame of `len` bytes, at least 10; a key frame has 176 by 144.
    pub fn vp8_frame(is_key: bool, len: usize) -> Vec<u8> {
        let first_partition_len = 1;
        let tag = u32::from(!is_key) | 1 << 4 | first_partition_len << 5;
        let mut frame = tag.to_le_bytes()[..3].to_vec();
        if is_key {
            frame.extend([0x9d, 0x01, 0x2a, 176, 0x40, 144, 0x00]);
        }
        frame.extend((frame.len()..len.max(frame.len() + 1)).map(|index| index as u8));
        frame
    }

    /// A VP9 frame of some bytes and a profile; a key frame has 352 by 288.
    pub fn vp9_frame(is_key: bool, profile: u32, len: usize) -> Vec<u8> {
        let mut w = BitWriter::default().u(2, 2).u(1, profile & 1).u(1, profile >> 1);
        w = if profile == 3 { w.u(1, 0) } else { w };
        w = w.u(1, 0).u(1, u32::from(!is_key)).u(2, 2);
        if is_key {
            w = w.u(24, 0x49_8342);
            w = if profile >= 2 { w.u(1, 0) } else { w };
            w = w.u(3, 1).u(1, 0);
            w = if profile & 1 == 1 { w.u(3, 0) } else { w };
            w = w.u(16, 351).u(16, 287);
        }
        let mut frame = w.bytes();
        frame.extend((frame.len()..len).map(|index| index as u8));
        frame
    }

    #[test]
    fn a_vp8_key_frame_tells_its_size_without_the_scale() {
        let key = FrameHeader { is_key: true, size: Some((176, 144)), profile: 0 };
        assert_eq!(FrameHeader::vp8(&vp8_frame(true, 20), 20), Some(key));
        let other = FrameHeader { is_key: false, size: None, profile: 0 };
        assert_eq!(FrameHeader::vp8(&vp8_frame(false, 20)[..10], 20), Some(other));
    }

    #[test]
    fn a_vp9_key_frame_of_any_profile_tells_its_size() {
        for profile in 0..4 {
            let header = FrameHeader::vp9(&vp9_frame(true, profile, 30)).unwrap();
            assert_eq!(header, FrameHeader { is_key: true, size: Some((352, 288)), profile: profile as u8 });
            let header = FrameHeader::vp9(&vp9_frame(false, profile, 30)).unwrap();
            assert_eq!(header, FrameHeader { is_key: false, size: None, profile: profile as u8 });
        }
        let existing = FrameHeader { is_key: false, size: None, profile: 0 };
        assert_eq!(FrameHeader::vp9(&[0b1000_1010]), Some(existing), "a frame that is shown once more");
    }

    #[test]
    fn what_is_no_frame_is_told_from_one() {
        for bytes in
            [&[][..], &[0x10, 0x02], &[0x10, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9], &[0xff; 12], &[0x11, 0xff, 9]]
        {
            assert_eq!(FrameHeader::vp8(bytes, bytes.len()), None, "{bytes:02x?}");
        }
        for bytes in [&[][..], &[0x00; 12], &[0x82, 0x49, 0x83, 0x43, 0, 0, 0, 0, 0, 0], &[0xb8, 0]] {
            assert_eq!(FrameHeader::vp9(bytes), None, "{bytes:02x?}");
        }
    }

    #[test]
    fn the_profile_is_taken_from_the_record_of_mp4() {
        let record = [1, 0, 0, 0, 2, 31, 0xa2, 1, 1, 1, 0, 0];
        assert_eq!(parse_vpcc(ByteReader::new(&record, 0, "vpcC")).unwrap(), Some(2));
        assert_eq!(
            parse_vpcc(ByteReader::new(&[0, 0, 0, 0, 2], 0, "vpcC")).unwrap(),
            None,
            "version 0 is laid out else"
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(data in vec(any::<u8>(), 0..40)) {
            let _ = (FrameHeader::vp8(&data, data.len() + 9), FrameHeader::vp9(&data), parse_vpcc(ByteReader::new(&data, 0, "vpcC")));
        }
    }
}
