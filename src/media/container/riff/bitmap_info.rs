//! BITMAPINFOHEADER (Microsoft, `wingdi.h`): from AVI's `strf` of a video stream, or Matroska's V_MS/VFW/FOURCC, to a
//! codec. All fields are little-endian.

use crate::media::Error;
use crate::media::bits::ByteReader;
use crate::media::codec::nal::split_start_codes;
use crate::media::codec::{
    Av1Config, Codec, DvConfig, H263Config, H264Config, H265Config, JpegConfig, Mpeg4VisualConfig, MpegVideoConfig,
    VpxConfig, h264, h265,
};

/// Bytes of the structure; what a codec wants follows.
const LEN: usize = 40;
/// Of the length prefixes of NAL units, where nothing tells.
const LENGTH_SIZE_DEFAULT: usize = 4;

/// The fields of a BITMAPINFOHEADER.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BitmapInfo<'a> {
    /// `biWidth` and the absolute value of `biHeight`, unless one of them is 0.
    pub size: Option<(u32, u32)>,
    /// `biCompression`.
    pub compression: [u8; 4],
    /// What follows the structure.
    pub extra: &'a [u8],
}

impl<'a> BitmapInfo<'a> {
    /// Reads a BITMAPINFOHEADER, which lies at byte `at` of the file.
    ///
    /// # Errors
    /// When it is cut off before `biCompression`.
    pub fn parse(bytes: &'a [u8], at: u64) -> Result<Self, Error> {
        let field = |from: usize| -> Result<[u8; 4], Error> {
            let field = bytes.get(from..from + 4).and_then(|field| field.try_into().ok());
            field.ok_or_else(|| Error::truncated("BITMAPINFOHEADER", at + bytes.len() as u64))
        };
        let (width, height) = (u32::from_le_bytes(field(4)?), i32::from_le_bytes(field(8)?).unsigned_abs());
        let size = (width > 0 && height > 0).then_some((width, height));
        Ok(Self { size, compression: field(16)?, extra: bytes.get(LEN..).unwrap_or_default() })
    }

    /// What the pictures are coded in; of H.264 and H.265 also how long the length prefixes of NAL units are, if they
    /// have such. Parameter sets and headers that are not in the structure are missing: the pictures have them.
    ///
    /// # Errors
    /// In words, when it is nothing that can be streamed.
    pub fn codec(&self) -> Result<(Codec, usize), String> {
        let Self { size, extra, .. } = *self;
        let upper = self.compression.to_ascii_uppercase();
        let codec = match <&[u8; 4]>::try_from(&upper[..]).unwrap_or(&self.compression) {
            b"H264" | b"X264" | b"AVC1" | b"DAVC" | b"VSSH" | b"Q264" | b"V264" | b"GAVC" => return Ok(h264(extra)),
            b"HEVC" | b"H265" | b"X265" | b"HVC1" | b"HEV1" => return Ok(h265(extra)),
            b"MJPG" | b"JPEG" | b"IJPG" | b"DMB1" | b"MJPA" => {
                Codec::Jpeg(JpegConfig { size, ..JpegConfig::default() })
            }
            b"XVID" | b"DIVX" | b"DX50" | b"FMP4" | b"MP4V" | b"M4S2" | b"MP4S" | b"3IV2" | b"3IVX" | b"RMP4"
            | b"SMP4" | b"UMP4" | b"WV1F" | b"XVIX" | b"DXGM" | b"BLZ0" | b"HDX4" | b"SEDG" | b"FVFW" => {
                Codec::Mpeg4Visual(mpeg4(extra, size))
            }
            // Bytes of 0x10000001 and 0x10000002, which editors of the time used.
            b"MPG1" | b"PIM1" | b"MPEG" | [1, 0, 0, 0x10] => Codec::MpegVideo(mpeg_video(false, extra, size)),
            b"MPG2" | b"MP2V" | b"MMES" | b"LMP2" | b"EM2V" | b"DVR " | [2, 0, 0, 0x10] => {
                Codec::MpegVideo(mpeg_video(true, extra, size))
            }
            b"H263" | b"U263" | b"X263" | b"M263" | b"D263" | b"L263" | b"S263" => Codec::H263(H263Config { size }),
            b"DVSD" | b"DVC " | b"DVCS" | b"CDVC" | b"DVSL" | b"DV25" | b"DVCP" => Codec::Dv(dv(size)),
            b"AV01" => Codec::Av1(Av1Config { size, ..Av1Config::default() }),
            b"VP80" => Codec::Vp8(VpxConfig { size, ..VpxConfig::default() }),
            b"VP90" => Codec::Vp9(VpxConfig { size, ..VpxConfig::default() }),
            [0, 0, 0, 0] => return Err("uncompressed video is not streamed".to_owned()),
            _ => return Err(format!("video in {:?} is not streamed", self.compression.escape_ascii().to_string())),
        };
        Ok((codec, LENGTH_SIZE_DEFAULT))
    }
}

/// `extra` is an `avcC` record, parameter sets between start codes, or nothing.
fn h264(extra: &[u8]) -> (Codec, usize) {
    match h264::parse_avcc(ByteReader::new(extra, 0, "avcC")) {
        Ok((config, length_size)) if !config.sps.is_empty() => (Codec::H264(config), length_size),
        _ => {
            let sets = |nal_type| units(extra, |nal| h264::nal_type(nal) == nal_type);
            let config = H264Config { sps: sets(h264::NAL_SPS), pps: sets(h264::NAL_PPS) };
            (Codec::H264(config), LENGTH_SIZE_DEFAULT)
        }
    }
}

/// `extra` is an `hvcC` record, parameter sets between start codes, or nothing.
fn h265(extra: &[u8]) -> (Codec, usize) {
    let sets = |nal_type| units(extra, |nal| h265::nal_type(nal) == nal_type);
    let config = H265Config { vps: sets(h265::NAL_VPS), sps: sets(h265::NAL_SPS), pps: sets(h265::NAL_PPS) };
    if !config.sps.is_empty() {
        return (Codec::H265(config), LENGTH_SIZE_DEFAULT);
    }
    match h265::parse_hvcc(ByteReader::new(extra, 0, "hvcC")) {
        Ok((config, length_size)) => (Codec::H265(config), length_size),
        Err(_) => (Codec::H265(config), LENGTH_SIZE_DEFAULT),
    }
}

fn units(data: &[u8], wanted: impl Fn(&[u8]) -> bool) -> Vec<Vec<u8>> {
    let mut nals = Vec::new();
    split_start_codes(data, &mut nals);
    nals.into_iter().map(|nal| data[nal].to_vec()).filter(|nal| wanted(nal)).collect()
}

fn mpeg4(extra: &[u8], size: Option<(u32, u32)>) -> Mpeg4VisualConfig {
    /// Simple profile at level 1: what is meant where nothing is said (RFC 6416 section 7.1).
    const PROFILE_LEVEL_DEFAULT: u8 = 1;
    Mpeg4VisualConfig::parse(extra).unwrap_or(Mpeg4VisualConfig {
        config: Vec::new(),
        profile_level: PROFILE_LEVEL_DEFAULT,
        size,
        vop_ticks: None,
    })
}

fn mpeg_video(is_mpeg2: bool, extra: &[u8], size: Option<(u32, u32)>) -> MpegVideoConfig {
    MpegVideoConfig::parse(extra).unwrap_or(MpegVideoConfig { is_mpeg2, size, headers: Vec::new() })
}

/// Profiles of IEC 61834 at 25 Mbit/s, by their lines.
fn dv(size: Option<(u32, u32)>) -> DvConfig {
    match size {
        Some((_, 480)) => DvConfig { encode: "SD-VCR/525-60", frame_len: 120_000, size: (720, 480) },
        _ => DvConfig { encode: "SD-VCR/625-50", frame_len: 144_000, size: (720, 576) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bitmap_info(compression: &[u8; 4], extra: &[u8]) -> Vec<u8> {
        let mut bytes = 40_u32.to_le_bytes().to_vec();
        bytes.extend(640_u32.to_le_bytes());
        bytes.extend((-480_i32).to_le_bytes());
        bytes.extend([1, 0, 24, 0]);
        bytes.extend(compression);
        bytes.extend([0; 20]);
        bytes.extend(extra);
        bytes
    }

    #[test]
    fn codecs_are_told_by_their_fourcc_in_any_case() {
        for (fourcc, name) in [
            (b"H264", "H.264"),
            (b"h264", "H.264"),
            (b"HEVC", "H.265"),
            (b"mjpg", "Motion JPEG"),
            (b"XVID", "MPEG-4 part 2"),
            (b"dx50", "MPEG-4 part 2"),
            (b"mpg1", "MPEG-1 video"),
            (b"\x02\0\0\x10", "MPEG-2 video"),
            (b"U263", "H.263"),
            (b"dvsd", "DV"),
            (b"AV01", "AV1"),
            (b"VP80", "VP8"),
            (b"VP90", "VP9"),
        ] {
            let bytes = bitmap_info(fourcc, &[]);
            let info = BitmapInfo::parse(&bytes, 0).unwrap();
            assert_eq!(info.size, Some((640, 480)));
            assert_eq!(info.codec().unwrap().0.name(), name, "{}", fourcc.escape_ascii());
        }
        let of = |fourcc| BitmapInfo::parse(&bitmap_info(fourcc, &[]), 0).unwrap().codec().unwrap_err();
        assert_eq!(of(b"\0\0\0\0"), "uncompressed video is not streamed");
        assert_eq!(of(b"DIV3"), "video in \"DIV3\" is not streamed");
    }

    #[test]
    fn parameter_sets_are_taken_from_either_form() {
        let avcc = [1, 77, 0, 10, 0xfd, 0xe1, 0, 2, 0x67, 77, 1, 0, 1, 0x68];
        let annex_b = [0, 0, 0, 1, 0x67, 77, 0, 0, 1, 0x68];
        for (extra, length_size) in [(&avcc[..], 2), (&annex_b[..], 4)] {
            let bytes = bitmap_info(b"H264", extra);
            let (codec, size) = BitmapInfo::parse(&bytes, 0).unwrap().codec().unwrap();
            assert_eq!(codec, Codec::H264(H264Config { sps: vec![vec![0x67, 77]], pps: vec![vec![0x68]] }));
            assert_eq!(size, length_size);
        }
    }

    #[test]
    fn a_structure_that_is_cut_off_is_refused_with_its_place() {
        let error = BitmapInfo::parse(&bitmap_info(b"MJPG", &[])[..18], 100).unwrap_err();
        assert_eq!(error.to_string(), "BITMAPINFOHEADER is cut off at byte 118");
    }
}
