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
const H264_NO_B: &str = "-c:v libx264 -preset veryfast -pix_fmt yuv420p -g 25 -bf 0 -sc_threshold 0";
const H265_NO_B: &str =
    "-c:v libx265 -preset ultrafast -pix_fmt yuv420p -x265-params log-level=none:bframes=0:keyint=25";
const H265: &str = "-c:v libx265 -preset ultrafast -pix_fmt yuv420p -x265-params log-level=none:bframes=2:keyint=25";
const MPEG4: &str = "-c:v mpeg4 -g 25 -bf 2 -q:v 5";
/// AVI tells no presentation times.
const MPEG4_NO_B: &str = "-c:v mpeg4 -g 25 -q:v 5";
const MPEG2_NO_B: &str = "-c:v mpeg2video -g 25 -q:v 5 -sc_threshold 1000000000";
const H263: &str = "-c:v h263 -g 25";
const DV: &str = "-f lavfi -i testsrc2=size=720x576:rate=25:duration=4 -c:v dvvideo -pix_fmt yuv420p";
const MPEG2: &str = "-c:v mpeg2video -g 25 -bf 2 -q:v 5 -sc_threshold 1000000000";
const MPEG1: &str = "-c:v mpeg1video -g 25 -bf 2 -q:v 5 -sc_threshold 1000000000";
const VP8: &str = "-c:v libvpx -deadline realtime -cpu-used 8 -g 25 -b:v 300k";
const VP9: &str = "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 25 -b:v 300k";
const AV1: &str = "-c:v libaom-av1 -usage realtime -cpu-used 8 -g 25 -b:v 300k";
const JPEG: &str = "-c:v mjpeg -huffman default -q:v 5 -pix_fmt yuvj420p";

const MP2: &str = "-c:a mp2 -b:a 128k";
const MP3: &str = "-c:a libmp3lame -b:a 64k";
const AC3: &str = "-c:a ac3 -b:a 128k";
const EAC3: &str = "-c:a eac3 -b:a 128k";
const VORBIS: &str = "-c:a libvorbis";
const FLAC: &str = "-c:a flac";
const CUES: &str = "-f srt -i data:text/plain;base64,MQowMDowMDowMCw1MDAgLS0+IDAwOjAwOjAxLDUwMApIZWxsbwoKMgowMDowMDowMiwwMDAgLS0+IDAwOjAwOjAzLDAwMApXb3JsZAo=";
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

    /// For what ffmpeg does not write: the suffix of its pictures alone, and what the recorder calls their codec.
    pub fn recorder(&self) -> Option<(&'static str, u8)> {
        match (self.container, self.holds) {
            ("Dahua DAV", ["H.264", ..]) => Some(("264", 8)),
            ("Dahua DAV", ["H.265", ..]) => Some(("265", 12)),
            _ => None,
        }
    }

    /// What ffmpeg must be told of a file that tells nothing itself.
    pub fn input_options(&self) -> &'static [&'static str] {
        match self.container {
            "raw A-law" => &["-f", "alaw", "-ar", "8000"],
            "raw mu-law" => &["-f", "mulaw", "-ar", "8000"],
            "raw G.726" => &["-f", "g726", "-code_size", "4", "-ar", "8000"],
            "raw G.726 LE" => &["-f", "g726le", "-code_size", "4", "-ar", "8000"],
            _ => &[],
        }
    }
}

use Like::{Bytes, Nothing, Packets, Sizes};

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
    file("vp9_flac.mp4", "MP4", &["VP9", "FLAC"], Packets, &[PICTURE, TONE, VP9, FLAC, "-strict -2"]),
    file("av1_ac3.mp4", "MP4", &["AV1", "AC-3"], Packets, &[PICTURE, TONE, AV1, AC3]),
    file("mpeg4_mp3.mp4", "MP4", &["MPEG-4 part 2", "MP3"], Packets, &[PICTURE, TONE, MPEG4, MP3]),
    file("mpeg2_eac3.mp4", "MP4", &["MPEG-2 video", "E-AC-3"], Packets, &[PICTURE, TONE, MPEG2, EAC3]),
    file("mpeg1_mp2.mp4", "MP4", &["MPEG-1 video", "MP2"], Packets, &[PICTURE, TONE, MPEG1, MP2]),
    file("jpeg.mov", "MP4", &["Motion JPEG"], Packets, &[PICTURE, JPEG]),
    file("h263.3gp", "MP4", &["H.263"], Packets, &[PICTURE, H263]),
    file("vorbis.mp4", "MP4", &["Vorbis"], Packets, &[TONE, VORBIS]),
    file("dv.mov", "MP4", &["DV"], Packets, &[DV]),
    file("text.mp4", "MP4", &["H.264", "text"], Packets, &[PICTURE, CUES, H264, "-c:s mov_text"]),
    file("text.mkv", "Matroska", &["H.264", "text"], Packets, &[PICTURE, CUES, H264, "-c:s srt"]),
    file("vp8_vorbis.webm", "Matroska", &["VP8", "Vorbis"], Packets, &[PICTURE, TONE, VP8, VORBIS]),
    file("vp9_flac.mkv", "Matroska", &["VP9", "FLAC"], Packets, &[PICTURE, TONE, VP9, FLAC]),
    file("av1_ac3.mkv", "Matroska", &["AV1", "AC-3"], Packets, &[PICTURE, TONE, AV1, AC3]),
    file("mpeg4_mp3.mkv", "Matroska", &["MPEG-4 part 2", "MP3"], Packets, &[PICTURE, TONE, MPEG4, MP3]),
    file("mpeg2_eac3.mkv", "Matroska", &["MPEG-2 video", "E-AC-3"], Packets, &[PICTURE, TONE, MPEG2, EAC3]),
    file("mpeg1_mp2.mkv", "Matroska", &["MPEG-1 video", "MP2"], Packets, &[PICTURE, TONE, MPEG1, MP2]),
    file("jpeg.mkv", "Matroska", &["Motion JPEG"], Packets, &[PICTURE, JPEG]),
    file("theora.mkv", "Matroska", &["Theora"], Packets, &[PICTURE, "-c:v libtheora -g 25"]),
    file("h263.mkv", "Matroska", &["H.263"], Packets, &[PICTURE, H263]),
    file("plain.264", "raw H.264", &["H.264"], Sizes, &[PICTURE, H264]),
    file("plain.265", "raw H.265", &["H.265"], Sizes, &[PICTURE, H265]),
    // Transport streams.
    file("h264_aac.ts", "MPEG-TS", &["H.264", "AAC"], Nothing, &[PICTURE, TONE, H264, AAC]),
    file("h265_ac3.m2ts", "MPEG-TS", &["H.265", "AC-3"], Packets, &[PICTURE, TONE, H265, AC3]),
    file("mpeg2_mp2.ts", "MPEG-TS", &["MPEG-2 video", "MP2"], Packets, &[PICTURE, TONE, MPEG2, MP2]),
    file("mpeg1_mp3.ts", "MPEG-TS", &["MPEG-1 video", "MP3"], Packets, &[PICTURE, TONE, MPEG1, MP3]),
    file("mpeg4_eac3.ts", "MPEG-TS", &["MPEG-4 part 2", "E-AC-3"], Packets, &[PICTURE, TONE, MPEG4, EAC3]),
    file("h264_latm.ts", "MPEG-TS", &["H.264", "AAC"], Nothing, &[PICTURE, TONE, H264, AAC, "-mpegts_flags latm"]),
    file("opus.ts", "MPEG-TS", &["Opus"], Nothing, &[TONE, OPUS]),
    // Program streams.
    file("mpeg1_mp2.mpg", "MPEG-PS", &["MPEG-1 video", "MP2"], Packets, &[PICTURE, TONE, MPEG1, MP2, "-f mpeg"]),
    file("mpeg2_ac3.vob", "MPEG-PS", &["MPEG-2 video", "AC-3"], Packets, &[PICTURE, TONE, MPEG2, AC3, "-f vob"]),
    file("mp3.mpg", "MPEG-PS", &["MPEG-2 video", "MP3"], Packets, &[PICTURE, TONE, MPEG2, MP3, "-f vob"]),
    file("h264.mpg", "MPEG-PS", &["H.264"], Sizes, &[PICTURE, H264_NO_B, "-f vob"]),
    file("h265.mpg", "MPEG-PS", &["H.265"], Sizes, &[PICTURE, H265_NO_B, "-f vob"]),
    // AVI.
    file("jpeg_pcm.avi", "AVI", &["Motion JPEG", "PCM"], Nothing, &[PICTURE, TONE_8K, JPEG, "-c:a pcm_s16le"]),
    file("mpeg4_mp3.avi", "AVI", &["MPEG-4 part 2", "MP3"], Nothing, &[PICTURE, TONE, MPEG4_NO_B, MP3]),
    file("h264_ac3.avi", "AVI", &["H.264", "AC-3"], Nothing, &[PICTURE, TONE, H264, AC3]),
    file("h263_alaw.avi", "AVI", &["H.263", "G.711 A-law"], Nothing, &[PICTURE, TONE_8K, H263, "-c:a pcm_alaw"]),
    file("mpeg2_mp2.avi", "AVI", &["MPEG-2 video", "MP2"], Nothing, &[PICTURE, TONE, MPEG2_NO_B, MP2]),
    file("ima.avi", "AVI", &["IMA ADPCM"], Bytes, &[TONE_8K, "-c:a adpcm_ima_wav"]),
    file("mulaw.avi", "AVI", &["G.711 mu-law"], Bytes, &[TONE_8K, "-c:a pcm_mulaw"]),
    // Dahua's recorders.
    file("h264.dav", "Dahua DAV", &["H.264", "G.711 A-law"], Nothing, &[PICTURE, TONE_8K, "-map 0:v", H264_NO_B]),
    file("h265.dav", "Dahua DAV", &["H.265", "G.711 A-law"], Nothing, &[PICTURE, TONE_8K, "-map 0:v", H265_NO_B]),
    // Flash.
    file("h264_aac.flv", "FLV", &["H.264", "AAC"], Packets, &[PICTURE, TONE, H264, AAC]),
    file("mp3.flv", "FLV", &["MP3"], Packets, &[TONE, "-ar 44100", MP3]),
    file("mulaw.flv", "FLV", &["G.711 mu-law"], Bytes, &[TONE_8K, "-c:a pcm_mulaw"]),
    file("alaw.flv", "FLV", &["G.711 A-law"], Bytes, &[TONE_8K, "-c:a pcm_alaw"]),
    // Ogg.
    // ffprobe sees a gap behind the first blocks of Vorbis, which its encoder did not leave.
    file("theora_vorbis.ogv", "Ogg", &["Theora", "Vorbis"], Sizes, &[PICTURE, TONE, "-c:v libtheora -g 25", VORBIS]),
    file("opus.opus", "Ogg", &["Opus"], Packets, &[TONE, OPUS]),
    file("flac.oga", "Ogg", &["FLAC"], Packets, &[TONE, FLAC]),
    // Codecs of the web, alone.
    file("vp8.ivf", "IVF", &["VP8"], Packets, &[PICTURE, VP8]),
    file("vp9.ivf", "IVF", &["VP9"], Packets, &[PICTURE, VP9]),
    file("av1.ivf", "IVF", &["AV1"], Packets, &[PICTURE, AV1]),
    file("av1.obu", "AV1 stream", &["AV1"], Sizes, &[PICTURE, AV1]),
    // Waves.
    file("pcm.wav", "WAV", &["PCM"], Bytes, &[TONE, "-c:a pcm_s16le"]),
    file("mulaw.wav", "WAV", &["G.711 mu-law"], Bytes, &[TONE_8K, "-c:a pcm_mulaw"]),
    file("alaw.wav", "WAV", &["G.711 A-law"], Bytes, &[TONE_8K, "-c:a pcm_alaw"]),
    file("g722.wav", "WAV", &["G.722"], Bytes, &[TONE, "-ar 16000 -c:a g722"]),
    file("g726.wav", "WAV", &["G.726"], Bytes, &[TONE_8K, "-c:a g726"]),
    file("ima.wav", "WAV", &["IMA ADPCM"], Bytes, &[TONE_8K, "-c:a adpcm_ima_wav"]),
    // Sound alone.
    file("layer_2.mp2", "MPEG audio", &["MP2"], Packets, &[TONE, MP2]),
    file("layer_3.mp3", "MPEG audio", &["MP3"], Packets, &[TONE, MP3]),
    file("adts.aac", "ADTS", &["AAC"], Nothing, &[TONE, AAC]),
    file("loas.latm", "LOAS", &["AAC"], Nothing, &[TONE, AAC, "-f latm"]),
    file("plain.ac3", "AC-3", &["AC-3"], Packets, &[TONE, AC3]),
    file("plain.eac3", "AC-3", &["E-AC-3"], Packets, &[TONE, EAC3]),
    file("plain.alaw", "raw A-law", &["G.711 A-law"], Bytes, &[TONE_8K, "-c:a pcm_alaw -f alaw"]),
    file("plain.ulaw", "raw mu-law", &["G.711 mu-law"], Bytes, &[TONE_8K, "-c:a pcm_mulaw -f mulaw"]),
    file("plain.g722", "raw G.722", &["G.722"], Bytes, &[TONE, "-ar 16000 -c:a g722"]),
    file("plain.g726", "raw G.726", &["G.726"], Bytes, &[TONE_8K, "-c:a g726 -f g726"]),
    file("plain.g726le", "raw G.726 LE", &["G.726"], Bytes, &[TONE_8K, "-c:a g726le -f g726le"]),
    file("plain.flac", "FLAC", &["FLAC"], Packets, &[TONE, FLAC]),
    // Pictures alone.
    file("plain.mjpeg", "raw Motion JPEG", &["Motion JPEG"], Sizes, &[PICTURE, JPEG]),
    file(
        "plain.dv",
        "raw DV",
        &["DV"],
        Packets,
        &[
            "-f lavfi -i testsrc2=size=720x576:rate=25:duration=4",
            TONE,
            "-c:v dvvideo -pix_fmt yuv420p -c:a pcm_s16le -ac 2",
        ],
    ),
    file("mpeg1.m1v", "MPEG video", &["MPEG-1 video"], Sizes, &[PICTURE, MPEG1]),
    file("mpeg2.m2v", "MPEG video", &["MPEG-2 video"], Sizes, &[PICTURE, MPEG2]),
    file("mpeg4.m4e", "MPEG-4 video", &["MPEG-4 part 2"], Sizes, &[PICTURE, MPEG4, "-f m4v"]),
];

/// Codec, container, and where they are tested together when ffmpeg cannot make such a file: a source file, and words
/// in it.
pub const ELSEWHERE: &[(&str, &str, &str)] = &[
    ("AMR", "AMR", "src/media/container/amr_file.rs: a_file_plays_from_its_first_frame"),
    ("AMR-WB", "AMR", "src/media/container/amr_file.rs: the_magic_number_tells_band_and_channels"),
    ("AMR", "MP4", "src/media/container/mp4/tests/codings.rs: b\"samr\""),
    ("AMR-WB", "MP4", "src/media/container/mp4/tests/codings.rs: b\"sawb\""),
    ("metadata", "MP4", "src/media/container/mp4/tests/codings.rs: Codec::Metadata(metadata)"),
    ("metadata", "MPEG-TS", "src/media/container/mpeg_ts/tests.rs: sound_of_cameras_and_opus_have_their_times"),
    ("G.711 A-law", "MPEG-TS", "src/media/container/mpeg_ts/tests.rs: sound_of_cameras_and_opus_have_their_times"),
    ("G.711 A-law", "MPEG-PS", "src/media/container/mpeg_ps/tests.rs: pictures_and_sound_of_a_recorder_come_with"),
    ("G.711 mu-law", "MPEG-PS", "src/media/container/mpeg_ps/tests.rs: a_recorder_of_hikvision_has_40_bytes_in_front"),
    (
        "MPEG-4 part 2",
        "Dahua DAV",
        "src/media/container/dhav/tests.rs: pictures_and_sound_have_the_times_of_their_frames",
    ),
    (
        "G.711 A-law",
        "Dahua DAV",
        "src/media/container/dhav/tests.rs: pictures_and_sound_have_the_times_of_their_frames",
    ),
    ("MP1", "MPEG audio", "src/media/codec/mpeg_audio/tests.rs: headers_read_as_the_tables_of_the_standards_have_them"),
    ("transport stream", "MPEG-TS", "src/media/container/mpeg_ts/whole_tests.rs: every_packet_comes_out_once"),
];
