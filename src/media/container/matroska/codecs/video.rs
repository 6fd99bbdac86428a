//! CodecIDs of video.

use super::{add_h264, add_h265, not_streamed};
use crate::media::bits::ByteReader;
use crate::media::codec::xiph::XiphHeaders;
use crate::media::codec::{
    Av1Config, Codec, H264Config, H265Config, JpegConfig, Mpeg4VisualConfig, MpegVideoConfig, VpxConfig, av1, h264,
    h265, nal,
};
use crate::media::container::matroska::tracks::{Entry, Framing};
use crate::media::container::riff::BitmapInfo;

/// Of the length prefixes of NAL units, where nothing tells.
const LENGTH_SIZE_DEFAULT: usize = 4;

/// As [`super::codec`].
pub fn codec(entry: &Entry<'_>, private: &[u8]) -> Result<(Codec, Framing), String> {
    let size = entry.size;
    let codec = match entry.codec_id.as_str() {
        "V_MPEG4/ISO/AVC" => return Ok(h264(private)),
        "V_MPEGH/ISO/HEVC" => return Ok(h265(private)),
        "V_MS/VFW/FOURCC" => return video_for_windows(entry, private),
        "V_AV1" => {
            let record = av1::parse_av1c(ByteReader::new(private, 0, "av1C")).unwrap_or_default();
            Codec::Av1(Av1Config { size: record.size.or(size), ..record })
        }
        "V_VP8" => Codec::Vp8(VpxConfig { size, profile: None }),
        "V_VP9" => Codec::Vp9(VpxConfig { size, profile: vp9_profile(private) }),
        "V_MPEG4/ISO/SP" | "V_MPEG4/ISO/ASP" | "V_MPEG4/ISO/AP" => {
            let config = Mpeg4VisualConfig::parse(private);
            // Simple profile at level 1: what is meant where nothing is said (RFC 6416 section 7.1).
            let unknown = || Mpeg4VisualConfig { profile_level: 1, size, ..Mpeg4VisualConfig::default() };
            Codec::Mpeg4Visual(config.unwrap_or_else(unknown))
        }
        id @ ("V_MPEG1" | "V_MPEG2") => {
            let is_mpeg2 = id == "V_MPEG2";
            let unknown = || MpegVideoConfig { is_mpeg2, size, headers: Vec::new() };
            Codec::MpegVideo(MpegVideoConfig::parse(private).unwrap_or_else(unknown))
        }
        "V_MJPEG" => Codec::Jpeg(JpegConfig { size, ..JpegConfig::default() }),
        "V_THEORA" => XiphHeaders::from_laced(private)
            .and_then(XiphHeaders::theora)
            .map(Codec::Theora)
            .ok_or("its Theora headers are malformed")?,
        "V_PRORES" => return Err("Apple ProRes is not streamed".into()),
        "V_FFV1" => return Err("FFV1 is not streamed".into()),
        "V_UNCOMPRESSED" => return Err("uncompressed video is not streamed".into()),
        "V_QUICKTIME" => return Err("V_QUICKTIME, video in a sample entry of QuickTime, is not streamed".into()),
        _ => return Err(not_streamed(entry)),
    };
    Ok((codec, Framing::Raw))
}

/// In WebM, CodecPrivate is a list of features: id, length, value. Feature 1 is the profile.
fn vp9_profile(private: &[u8]) -> Option<u8> {
    let [1, 1, profile @ 0..=3, ..] = *private else { return None };
    Some(profile)
}

fn h264(private: &[u8]) -> (Codec, Framing) {
    let record = h264::parse_avcc(ByteReader::new(private, 0, "avcC")).ok();
    let (config, length_size) = record.unwrap_or_else(|| {
        let mut config = H264Config::default();
        start_coded(private).for_each(|nal| add_h264(&mut config, nal));
        (config, LENGTH_SIZE_DEFAULT)
    });
    (Codec::H264(config), Framing::NalUnits { length_size })
}

fn h265(private: &[u8]) -> (Codec, Framing) {
    // Early muxers wrote hvcC with version 0; an Annex B record begins 00 00 01 or 00 00 00 01 and reads as neither.
    let is_annex_b = nal::find_start_code(private, 0).is_some_and(|at| at <= 1);
    let record = if is_annex_b { None } else { h265::parse_hvcc(ByteReader::new(private, 0, "hvcC")).ok() };
    let (config, length_size) = record.unwrap_or_else(|| {
        let mut config = H265Config::default();
        start_coded(private).for_each(|nal| add_h265(&mut config, nal));
        (config, LENGTH_SIZE_DEFAULT)
    });
    (Codec::H265(config), Framing::NalUnits { length_size })
}

/// The NAL units between the start codes of `data`.
fn start_coded(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut nals = Vec::new();
    nal::split_start_codes(data, &mut nals);
    nals.into_iter().map(|range| &data[range])
}

/// V_MS/VFW/FOURCC: a BITMAPINFOHEADER, then what the codec wants.
fn video_for_windows(entry: &Entry<'_>, private: &[u8]) -> Result<(Codec, Framing), String> {
    let info = BitmapInfo::parse(private, entry.private_at()).map_err(|error| error.to_string())?;
    let (codec, length_size) = BitmapInfo { size: info.size.or(entry.size), ..info }.codec()?;
    let framing = match codec {
        Codec::H264(_) | Codec::H265(_) => Framing::NalUnits { length_size },
        _ => Framing::Raw,
    };
    Ok((codec, framing))
}
