//! From a CodecID and its CodecPrivate to a codec (Matroska codec specifications, draft-ietf-cellar-codec).

use super::tracks::{Entry, Framing};
use crate::media::bits::ByteReader;
use crate::media::codec::{
    AacConfig, Codec, G711Config, H264Config, H265Config, OpusConfig, PcmConfig, PcmFormat, h264, h265, nal,
};

/// Sample rates beyond this are taken for damage, in Hz.
const SAMPLE_RATE_MAX: f64 = 768_000.0;
/// More channels than this are taken for damage.
const CHANNELS_MAX: u64 = 64;
/// Of the length prefixes of NAL units, where nothing tells.
const LENGTH_SIZE_DEFAULT: usize = 4;

/// The codec of a track and how its frames are made up; the reason where it cannot be streamed. An H.264 or H.265
/// codec without parameter sets means that they are to be looked for in the first key frame.
///
/// `private` is the CodecPrivate, empty where there is none.
pub fn codec(entry: &Entry<'_>, private: &[u8]) -> Result<(Codec, Framing), String> {
    match entry.codec_id.as_str() {
        "V_MPEG4/ISO/AVC" => Ok(h264(private)),
        "V_MPEGH/ISO/HEVC" => Ok(h265(private)),
        "V_MS/VFW/FOURCC" => video_for_windows(private),
        "A_OPUS" => opus(entry, private).map(|config| (Codec::Opus(config), Framing::Raw)),
        "A_PCM/INT/LIT" => pcm(entry, [PcmFormat::U8, PcmFormat::S16Le, PcmFormat::S24Le, PcmFormat::S32Le]),
        "A_PCM/INT/BIG" => pcm(entry, [PcmFormat::U8, PcmFormat::S16Be, PcmFormat::S24Be, PcmFormat::S32Be]),
        "A_PCM/FLOAT/IEEE" if entry.bit_depth == 32 => {
            uncompressed(PcmFormat::F32Le, sample_rate(entry)?, channels(entry)?)
        }
        "A_PCM/FLOAT/IEEE" => Err(format!("floats of {} bits are not streamed", entry.bit_depth)),
        "A_MS/ACM" => wave_format(private),
        other if other == "A_AAC" || other.starts_with("A_AAC/") => aac(entry, private),
        other => Err(format!("{other} is not streamed")),
    }
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

/// Whether an H.264 or H.265 track has all the parameter sets a decoder needs; of other codecs, true.
pub fn is_complete(codec: &Codec) -> bool {
    match codec {
        Codec::H264(config) => !config.sps.is_empty() && !config.pps.is_empty(),
        Codec::H265(config) => !config.vps.is_empty() && !config.sps.is_empty() && !config.pps.is_empty(),
        _ => true,
    }
}

/// Takes `nal` into `codec` if it is a parameter set that is not there yet.
pub fn add_parameter_set(codec: &mut Codec, nal: &[u8]) {
    match codec {
        Codec::H264(config) => add_h264(config, nal),
        Codec::H265(config) => add_h265(config, nal),
        _ => {}
    }
}

fn add_h264(config: &mut H264Config, nal: &[u8]) {
    match h264::nal_type(nal) {
        h264::NAL_SPS => add(&mut config.sps, nal),
        h264::NAL_PPS => add(&mut config.pps, nal),
        _ => {}
    }
}

fn add_h265(config: &mut H265Config, nal: &[u8]) {
    match h265::nal_type(nal) {
        h265::NAL_VPS => add(&mut config.vps, nal),
        h265::NAL_SPS => add(&mut config.sps, nal),
        h265::NAL_PPS => add(&mut config.pps, nal),
        _ => {}
    }
}

fn add(sets: &mut Vec<Vec<u8>>, nal: &[u8]) {
    // As many picture parameter sets as their id can tell apart (ITU-T H.264 section 7.4.2.2).
    const PARAMETER_SET_COUNT_MAX: usize = 256;
    if sets.len() < PARAMETER_SET_COUNT_MAX && !sets.iter().any(|set| set == nal) {
        sets.push(nal.to_vec());
    }
}

/// V_MS/VFW/FOURCC: a BITMAPINFOHEADER, then what the codec wants.
fn video_for_windows(private: &[u8]) -> Result<(Codec, Framing), String> {
    const HEADER_LEN: usize = 40;
    let fourcc = private.get(16..20).ok_or("V_MS/VFW/FOURCC without a BITMAPINFOHEADER")?;
    let extra = private.get(HEADER_LEN..).unwrap_or_default();
    match fourcc.to_ascii_uppercase().as_slice() {
        b"H264" | b"AVC1" | b"X264" => Ok(h264(extra)),
        b"HEVC" | b"H265" | b"HVC1" | b"HEV1" => Ok(h265(extra)),
        _ => Err(format!("V_MS/VFW/FOURCC {:?} is not streamed", String::from_utf8_lossy(fourcc))),
    }
}

/// The profiles of the old CodecIDs, `A_AAC/MPEG4/LC/SBR` and the like, as audio object types.
fn aac(entry: &Entry<'_>, private: &[u8]) -> Result<(Codec, Framing), String> {
    let at = entry.private.map_or(0, |(_, at)| at);
    let config = match AacConfig::parse(private, at) {
        Ok(config) => config,
        Err(error) if !private.is_empty() => return Err(error.to_string()),
        Err(_) => {
            let object_type = match entry.codec_id.split('/').nth(2) {
                Some("MAIN") => 1,
                Some("SSR") => 3,
                Some("LTP") => 4,
                _ => 2,
            };
            AacConfig::from_parts(object_type, sample_rate(entry)?, channels(entry)? as u8)
        }
    };
    Ok((Codec::Aac(config), Framing::Raw))
}

/// OpusHead (RFC 7845 section 5.1), or what the track itself tells.
fn opus(entry: &Entry<'_>, private: &[u8]) -> Result<OpusConfig, String> {
    if let [b'O', b'p', b'u', b's', b'H', b'e', b'a', b'd', _version, channels, p0, p1, _, _, _, _, _, _, family, ..] =
        *private
    {
        let pre_skip = u16::from_le_bytes([p0, p1]);
        return Ok(OpusConfig { channels: channels.max(1), pre_skip, mapping_family: family });
    }
    if !private.is_empty() {
        return Err("its OpusHead is malformed".into());
    }
    let channels = channels(entry)? as u8;
    let pre_skip = entry.codec_delay.saturating_mul(48) / 1_000_000;
    let pre_skip = u16::try_from(pre_skip).unwrap_or(0);
    Ok(OpusConfig { channels, pre_skip, mapping_family: u8::from(channels > 2) })
}

/// `formats` are those of 8, 16, 24 and 32 bits.
fn pcm(entry: &Entry<'_>, formats: [PcmFormat; 4]) -> Result<(Codec, Framing), String> {
    let format = match entry.bit_depth {
        8 => formats[0],
        16 => formats[1],
        24 => formats[2],
        32 => formats[3],
        other => return Err(format!("PCM of {other} bits is not streamed")),
    };
    uncompressed(format, sample_rate(entry)?, channels(entry)?)
}

fn uncompressed(format: PcmFormat, sample_rate: u32, channels: u16) -> Result<(Codec, Framing), String> {
    let config = PcmConfig { format, sample_rate, channels };
    Ok((Codec::Pcm(config), Framing::Multiple(config.frame_len())))
}

/// A_MS/ACM: a WAVEFORMATEX, little-endian.
fn wave_format(private: &[u8]) -> Result<(Codec, Framing), String> {
    const PCM: u16 = 1;
    const IEEE_FLOAT: u16 = 3;
    const A_LAW: u16 = 6;
    const MU_LAW: u16 = 7;
    const EXTENSIBLE: u16 = 0xFFFE;
    const SUB_FORMAT_AT: usize = 24;

    let u16_at = |at: usize| private.get(at..at + 2).map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]]));
    let missing = || "A_MS/ACM without a WAVEFORMATEX".to_owned();
    let mut tag = u16_at(0).ok_or_else(missing)?;
    if tag == EXTENSIBLE {
        tag = u16_at(SUB_FORMAT_AT).ok_or_else(missing)?;
    }
    let channels = check_channels(u64::from(u16_at(2).ok_or_else(missing)?))?;
    let rate = u32::from(u16_at(4).ok_or_else(missing)?) | u32::from(u16_at(6).ok_or_else(missing)?) << 16;
    let sample_rate = check_sample_rate(f64::from(rate))?;
    let bits = u16_at(14).unwrap_or(0);
    let g711 = G711Config { sample_rate, channels };
    let format = match (tag, bits) {
        (A_LAW, _) => return Ok((Codec::Pcma(g711), Framing::Multiple(usize::from(channels)))),
        (MU_LAW, _) => return Ok((Codec::Pcmu(g711), Framing::Multiple(usize::from(channels)))),
        (PCM, 8) => PcmFormat::U8,
        (PCM, 16) => PcmFormat::S16Le,
        (PCM, 24) => PcmFormat::S24Le,
        (PCM, 32) => PcmFormat::S32Le,
        (IEEE_FLOAT, 32) => PcmFormat::F32Le,
        _ => return Err(format!("A_MS/ACM of format {tag:#06x} with {bits} bits is not streamed")),
    };
    uncompressed(format, sample_rate, channels)
}

fn sample_rate(entry: &Entry<'_>) -> Result<u32, String> {
    check_sample_rate(entry.sampling_frequency.unwrap_or(8000.0))
}

fn check_sample_rate(rate: f64) -> Result<u32, String> {
    if (1.0..=SAMPLE_RATE_MAX).contains(&rate) {
        Ok(rate.round() as u32)
    } else {
        Err(format!("its rate is {rate} Hz"))
    }
}

fn channels(entry: &Entry<'_>) -> Result<u16, String> {
    check_channels(entry.channels)
}

fn check_channels(channels: u64) -> Result<u16, String> {
    if (1..=CHANNELS_MAX).contains(&channels) {
        Ok(channels as u16)
    } else {
        Err(format!("it has {channels} channels"))
    }
}
