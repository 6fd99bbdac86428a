//! From a CodecID and its CodecPrivate to a codec (Matroska codec specifications, draft-ietf-cellar-codec).

mod sound;
mod video;

pub use video::VIDEO_FOR_WINDOWS;

use super::tracks::{Entry, Framing};
use crate::media::codec::{Codec, H264Config, H265Config, TextConfig, h264, h265, markup};

/// The codec of a track and how its frames are made up; the reason where it cannot be streamed. An H.264 or H.265
/// codec without parameter sets means that they are to be looked for in the first key frame.
///
/// `private` is the CodecPrivate, empty where there is none.
pub fn codec(entry: &Entry<'_>, private: &[u8]) -> Result<(Codec, Framing), String> {
    match entry.codec_id.as_bytes().first() {
        Some(b'V') => video::codec(entry, private),
        Some(b'A') => sound::codec(entry, private),
        Some(b'S' | b'D') => text(entry),
        _ => Err(not_streamed(entry)),
    }
}

fn not_streamed(entry: &Entry<'_>) -> String {
    format!("{} is not streamed", entry.codec_id)
}

/// Subtitles that are text; those that are pictures have no payload format.
fn text(entry: &Entry<'_>) -> Result<(Codec, Framing), String> {
    let plain: fn(&str) -> String = match entry.codec_id.as_str() {
        "S_TEXT/UTF8" | "S_TEXT/ASCII" => markup::sub_rip,
        "S_TEXT/WEBVTT" => markup::web_vtt,
        // As WebM had it first.
        "D_WEBVTT/SUBTITLES" => |block: &str| markup::web_vtt(block.splitn(3, '\n').nth(2).unwrap_or_default()),
        "S_TEXT/ASS" | "S_TEXT/SSA" | "S_ASS" | "S_SSA" => markup::ass,
        _ => return Err(not_streamed(entry)),
    };
    Ok((Codec::Text(TextConfig { language: entry.language.clone() }), Framing::Text { plain }))
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
