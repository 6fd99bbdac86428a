//! The files: four seconds each, key frames every second.

/// A file, and how ffmpeg makes it.
#[derive(Debug)]
pub struct File {
    pub name: &'static str,
    /// As `CONTAINERS` has it.
    pub container: &'static str,
    /// The codecs of its tracks.
    pub holds: &'static [&'static str],
    args: &'static [&'static str],
    pub like: Like,
}

/// How far ffprobe must see the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Like {
    /// The same packets at the same times.
    Packets,
    /// The same packets; their times it does not know, or counts from elsewhere.
    Sizes,
    /// The same bytes altogether: packets may be cut anywhere.
    Bytes,
    /// Neither: what is left to say about it is in the tests of the container.
    Nothing,
}

const PICTURE: &str = "-f lavfi -i testsrc2=size=176x144:rate=25:duration=4";
const TONE: &str = "-f lavfi -i sine=frequency=440:beep_factor=4:sample_rate=48000:duration=4";
const TONE_8K: &str = "-f lavfi -i sine=frequency=440:beep_factor=4:sample_rate=8000:duration=4";

const H264: &str = "-c:v libx264 -preset veryfast -pix_fmt yuv420p -g 25 -bf 2 -sc_threshold 0";
const H265: &str = "-c:v libx265 -preset ultrafast -pix_fmt yuv420p -x265-params log-level=none:bframes=2:keyint=25";
const AAC: &str = "-c:a aac -b:a 64k";
const OPUS: &str = "-c:a libopus -b:a 32k";

const fn file(
    name: &'static str,
    container: &'static str,
    holds: &'static [&'static str],
    like: Like,
    args: &'static [&'static str],
) -> File {
    File { name, container, holds, args, like }
}

impl File {
    /// The arguments of ffmpeg before the output.
    pub fn line(&self) -> String {
        self.args.join(" ")
    }
}

use Like::{Bytes, Packets, Sizes};

/// All of them.
pub const FILES: &[File] = &[
    file("h264_aac.mp4", "MP4", &["H.264", "AAC"], Packets, &[PICTURE, TONE, H264, AAC]),
    file("h265_opus.mp4", "MP4", &["H.265", "Opus"], Packets, &[PICTURE, TONE, H265, OPUS]),
    file("mulaw.mov", "MP4", &["G.711 mu-law"], Bytes, &[TONE_8K, "-c:a pcm_mulaw"]),
    file("alaw.mov", "MP4", &["G.711 A-law"], Bytes, &[TONE_8K, "-c:a pcm_alaw"]),
    file("pcm.mov", "MP4", &["PCM"], Bytes, &[TONE_8K, "-c:a pcm_s16le"]),
    file("h264_aac.mkv", "Matroska", &["H.264", "AAC"], Packets, &[PICTURE, TONE, H264, AAC]),
    file("h265_opus.mkv", "Matroska", &["H.265", "Opus"], Packets, &[PICTURE, TONE, H265, OPUS]),
    file("mulaw.mkv", "Matroska", &["G.711 mu-law"], Bytes, &[TONE_8K, "-c:a pcm_mulaw"]),
    file("alaw.mkv", "Matroska", &["G.711 A-law"], Bytes, &[TONE_8K, "-c:a pcm_alaw"]),
    file("pcm.mkv", "Matroska", &["PCM"], Bytes, &[TONE_8K, "-c:a pcm_s16le"]),
    file("plain.264", "raw H.264", &["H.264"], Sizes, &[PICTURE, H264]),
    file("plain.265", "raw H.265", &["H.265"], Sizes, &[PICTURE, H265]),
];

/// Codec, container, and where they are tested together when ffmpeg cannot make such a file: a source file, and words
/// in it.
pub const ELSEWHERE: &[(&str, &str, &str)] = &[];
