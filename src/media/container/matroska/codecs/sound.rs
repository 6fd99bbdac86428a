//! CodecIDs of sound.

use super::not_streamed;
use crate::media::codec::xiph::XiphHeaders;
use crate::media::codec::{AacConfig, Ac3Config, Codec, FlacConfig, MpegAudioConfig, OpusConfig, PcmConfig, PcmFormat};
use crate::media::container::matroska::tracks::{Entry, Framing};
use crate::media::container::riff::{self, WaveFormat};

/// Sample rates beyond this are taken for damage, in Hz.
const SAMPLE_RATE_MAX: f64 = 768_000.0;
/// More channels than this are taken for damage.
const CHANNELS_MAX: u64 = 64;

/// As [`super::codec`].
pub fn codec(entry: &Entry<'_>, private: &[u8]) -> Result<(Codec, Framing), String> {
    let raw = |codec| Ok((codec, Framing::Raw));
    match entry.codec_id.as_str() {
        "A_OPUS" => raw(Codec::Opus(opus(entry, private)?)),
        "A_VORBIS" => raw(Codec::Vorbis(
            XiphHeaders::from_laced(private).and_then(XiphHeaders::vorbis).ok_or("its Vorbis headers are malformed")?,
        )),
        "A_FLAC" => raw(Codec::Flac(flac(private).ok_or("its STREAMINFO is malformed")?)),
        "A_MPEG/L1" => raw(mpeg_audio(entry, 1)?),
        "A_MPEG/L2" => raw(mpeg_audio(entry, 2)?),
        "A_MPEG/L3" => raw(mpeg_audio(entry, 3)?),
        // Old files tell bsid behind the name.
        id if id == "A_AC3" || id.starts_with("A_AC3/") => raw(Codec::Ac3(ac3(entry)?)),
        "A_EAC3" => raw(Codec::Eac3(ac3(entry)?)),
        "A_PCM/INT/LIT" => pcm(entry, [PcmFormat::U8, PcmFormat::S16Le, PcmFormat::S24Le, PcmFormat::S32Le]),
        "A_PCM/INT/BIG" => pcm(entry, [PcmFormat::U8, PcmFormat::S16Be, PcmFormat::S24Be, PcmFormat::S32Be]),
        "A_PCM/FLOAT/IEEE" if entry.bit_depth == 32 => {
            uncompressed(PcmFormat::F32Le, sample_rate(entry)?, channels(entry)?)
        }
        "A_PCM/FLOAT/IEEE" if entry.bit_depth == 64 => {
            uncompressed(PcmFormat::F64Le, sample_rate(entry)?, channels(entry)?)
        }
        "A_PCM/FLOAT/IEEE" => Err(format!("floats of {} bits are not streamed", entry.bit_depth)),
        "A_MS/ACM" => wave_format(entry, private),
        "A_TRUEHD" | "A_MLP" => Err("Dolby TrueHD is not streamed".into()),
        id if id.starts_with("A_DTS") => Err("DTS is not streamed".into()),
        "A_ALAC" => Err("Apple Lossless is not streamed".into()),
        id if id == "A_AAC" || id.starts_with("A_AAC/") => aac(entry, private),
        _ => Err(not_streamed(entry)),
    }
}

fn mpeg_audio(entry: &Entry<'_>, layer: u8) -> Result<Codec, String> {
    let channels = channels(entry)?.min(2) as u8;
    Ok(Codec::MpegAudio(MpegAudioConfig { layer, sample_rate: sample_rate(entry)?, channels }))
}

fn ac3(entry: &Entry<'_>) -> Result<Ac3Config, String> {
    Ok(Ac3Config { sample_rate: sample_rate(entry)?, channels: channels(entry)? as u8 })
}

/// CodecPrivate is the start of a FLAC file (RFC 9639 section 10.1 is for Ogg; this is the native one): its signature,
/// then metadata blocks behind headers of four bytes, STREAMINFO first.
fn flac(private: &[u8]) -> Option<FlacConfig> {
    const BLOCK_HEADER_LEN: usize = 4;
    let blocks = private.strip_prefix(b"fLaC").unwrap_or(private);
    FlacConfig::new(blocks.get(BLOCK_HEADER_LEN..)?)
}

/// The profiles of the old CodecIDs, `A_AAC/MPEG4/LC/SBR` and the like, as audio object types.
fn aac(entry: &Entry<'_>, private: &[u8]) -> Result<(Codec, Framing), String> {
    let config = match AacConfig::parse(private, entry.private_at()) {
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

/// A_MS/ACM: a WAVEFORMATEX. Of what has frames, a block holds whole ones; those that blocks cut are not put together.
fn wave_format(entry: &Entry<'_>, private: &[u8]) -> Result<(Codec, Framing), String> {
    let format = WaveFormat::parse(private, entry.private_at()).map_err(|error| error.to_string())?;
    let (codec, framing) = format.codec()?;
    let framing = match (framing, &codec) {
        (riff::Framing::Units { len, .. }, _) => Framing::Multiple(len as usize),
        (riff::Framing::Frames, Codec::Aac(_)) => Framing::Adts,
        (riff::Framing::Frames | riff::Framing::AccessUnits, _) => Framing::Raw,
    };
    Ok((codec, framing))
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
