//! The recordings that the clients play: containers times codecs, each a line of ffmpeg arguments.
//!
//! They are made when first needed, into cargo's folder for test files, and made again when their line changes.
//! Beside each stands what ffmpeg gets out of the file itself: that is what a stream must give too.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use super::common::{for_all, run};
use super::ffmpeg;
use super::frames::{Clock, Played};

/// One recording.
#[derive(Debug)]
pub struct Clip {
    /// File name.
    pub name: &'static str,
    /// The codec of its pictures.
    pub video: Option<Video>,
    /// What its sound is, if it has any.
    pub audio: Audio,
    /// Pictures before time 0, which a player of the file decodes and does not show, but a stream has to carry.
    pub preroll: bool,
    /// Whether times count from a start that the file itself names.
    pub clock: Clock,
    args: &'static [&'static str],
}

/// A video codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Video {
    H264,
    H265,
}

/// How sound is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audio {
    None,
    /// Packet by packet: decoders of the file leave out priming samples that a stream carries.
    Aac,
    /// Packet by packet, for the same reason.
    Opus,
    /// As decoded sound, since packets may be cut anywhere.
    Pcm(Pcm),
}

/// Sound in fixed-size samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pcm {
    /// What turns RTP into PCM in GStreamer.
    pub depayloader: &'static str,
    /// Bytes a second, as the stream carries them.
    pub byte_rate: u64,
}

const PICTURE: &str = "-f lavfi -i testsrc2=size=160x120:rate=25:duration=2";
const PICTURE_NTSC: &str = "-f lavfi -i testsrc2=size=160x120:rate=30000/1001:duration=2";
const PICTURE_12S: &str = "-f lavfi -i testsrc2=size=160x120:rate=25:duration=12";
const PICTURE_1080P: &str = "-f lavfi -i testsrc2=size=1920x1080:rate=25:duration=1.2";
const TONE_48K: &str = "-f lavfi -i sine=frequency=440:beep_factor=4:sample_rate=48000:duration=2";
const TONE_44K: &str = "-f lavfi -i sine=frequency=440:beep_factor=4:sample_rate=44100:duration=2";
const TONE_16K: &str = "-f lavfi -i sine=frequency=440:beep_factor=4:sample_rate=16000:duration=2";
const TONE_8K: &str = "-f lavfi -i sine=frequency=440:beep_factor=4:sample_rate=8000:duration=2";
const TONE_12S: &str = "-f lavfi -i sine=frequency=440:beep_factor=4:sample_rate=48000:duration=12";

const X264: &str = "-c:v libx264 -preset veryfast -pix_fmt yuv420p -g 25";
const NO_B: &str = "-bf 0 -sc_threshold 0";
const B_FRAMES: &str = "-bf 3";
const OPEN_GOP: &str = "-bf 3 -x264-params open-gop=1:b-pyramid=normal";
const SLICES: &str = "-bf 0 -x264-params slices=4:aud=1";
const LONG_GOP: &str = "-bf 0 -g 250 -keyint_min 250 -sc_threshold 0";
const X265: &str = "-c:v libx265 -preset ultrafast -pix_fmt yuv420p -x265-params log-level=none:bframes=0:keyint=25";
const X265_B: &str = "-c:v libx265 -preset ultrafast -pix_fmt yuv420p -x265-params log-level=none:bframes=3:keyint=25";

const AAC: &str = "-c:a aac -b:a 32k";
const AAC_STEREO: &str = "-c:a aac -b:a 48k -ac 2";
const AAC_5_1: &str = "-c:a aac -b:a 128k -ac 6";
const OPUS: &str = "-c:a libopus -b:a 24k";
const OPUS_STEREO: &str = "-c:a libopus -b:a 32k -ac 2";

const FRAGMENTS: &str = "-movflags +frag_keyframe+empty_moov+default_base_moof";
const FRAGMENT_A_FRAME: &str = "-movflags +frag_every_frame+empty_moov+default_base_moof";

const fn clip(name: &'static str, video: Option<Video>, audio: Audio, args: &'static [&'static str]) -> Clip {
    Clip { name, video, audio, preroll: false, clock: Clock::Absolute, args }
}

/// Pictures alone; a stream of bare NAL units has no clock but its frame rate.
const fn raw(name: &'static str, video: Video, args: &'static [&'static str]) -> Clip {
    Clip { name, video: Some(video), audio: Audio::None, preroll: false, clock: Clock::Relative, args }
}

const fn pcm(depayloader: &'static str, byte_rate: u64) -> Audio {
    Audio::Pcm(Pcm { depayloader, byte_rate })
}

const MU_LAW: Audio = pcm("rtppcmudepay ! mulawdec", 8000);
const A_LAW: Audio = pcm("rtppcmadepay ! alawdec", 8000);
const L16_16K: Audio = pcm("rtpL16depay", 32_000);
const L16_48K_STEREO: Audio = pcm("rtpL16depay", 192_000);
const H264: Option<Video> = Some(Video::H264);
const H265: Option<Video> = Some(Video::H265);

/// All of them. A word that starts with `@` names another clip as the input.
pub const CLIPS: &[Clip] = &[
    // MP4: where the index stands, B-frames, edit lists, rates.
    clip("moov_at_end.mp4", H264, Audio::Aac, &[PICTURE, TONE_48K, X264, NO_B, AAC_STEREO]),
    clip("faststart.mp4", H264, Audio::Aac, &[PICTURE, TONE_16K, X264, NO_B, AAC, "-movflags +faststart"]),
    clip("bframes.mp4", H264, Audio::Aac, &[PICTURE, TONE_44K, X264, B_FRAMES, AAC]),
    clip("open_gop.mp4", H264, Audio::None, &[PICTURE, X264, OPEN_GOP, "-movflags negative_cts_offsets"]),
    clip("hvc1.mp4", H265, Audio::Aac, &[PICTURE, TONE_8K, X265, AAC, "-tag:v hvc1"]),
    clip("hev1_bframes_5_1.mp4", H265, Audio::Aac, &[PICTURE, TONE_48K, X265_B, AAC_5_1, "-tag:v hev1"]),
    clip("opus.mp4", H264, Audio::Opus, &[PICTURE, TONE_48K, X264, NO_B, OPUS]),
    clip("ntsc.mp4", H264, Audio::None, &[PICTURE_NTSC, X264, B_FRAMES]),
    clip("uneven.mp4", H264, Audio::None, &[PICTURE, "-vf select='mod(n,3)+gt(mod(n,7),4)' -vsync vfr", X264, NO_B]),
    clip("long_gop.mp4", H264, Audio::Aac, &[PICTURE, TONE_48K, X264, LONG_GOP, AAC]),
    Clip {
        preroll: true,
        ..clip("starts_within_gop.mp4", H264, Audio::None, &["-ss 0.6 -i @long_gop.mp4", "-map 0:v -c copy"])
    },
    clip("late_video.mp4", H264, Audio::Aac, &["-itsoffset 0.3 -i @faststart.mp4 -i @aac.m4a", COPY_BOTH]),
    clip("late_audio.mp4", H264, Audio::Aac, &["-i @faststart.mp4 -itsoffset 0.7 -i @aac.m4a", COPY_BOTH]),
    clip("aac.m4a", None, Audio::Aac, &[TONE_48K, AAC_STEREO]),
    clip("large_pictures.mp4", H264, Audio::None, &[PICTURE_1080P, X264, "-bf 0 -b:v 1500k"]),
    clip("twelve_seconds.mp4", H264, Audio::Aac, &[PICTURE_12S, TONE_12S, X264, B_FRAMES, AAC]),
    // QuickTime, with the sound that cameras put there.
    clip("mu_law.mov", H264, MU_LAW, &[PICTURE, TONE_8K, X264, NO_B, "-c:a pcm_mulaw"]),
    clip("a_law.mov", H264, A_LAW, &[PICTURE, TONE_8K, X264, NO_B, "-c:a pcm_alaw"]),
    clip("big_endian.mov", H264, L16_16K, &[PICTURE, TONE_16K, X264, NO_B, "-c:a pcm_s16be"]),
    clip("little_endian.mov", H264, L16_48K_STEREO, &[PICTURE, TONE_48K, X264, NO_B, "-c:a pcm_s16le -ac 2"]),
    // Fragmented MP4.
    clip("fragment_a_gop.mp4", H264, Audio::Aac, &[PICTURE, TONE_48K, X264, NO_B, AAC, FRAGMENTS]),
    clip("fragment_a_frame.mp4", H264, Audio::Aac, &[PICTURE, TONE_48K, X264, NO_B, AAC, FRAGMENT_A_FRAME]),
    clip("sidx_bframes.mp4", H264, Audio::Aac, &[PICTURE, TONE_48K, X264, B_FRAMES, AAC, DASH]),
    clip("moov_then_moof.mp4", H264, Audio::Aac, &[PICTURE, TONE_48K, X264, NO_B, AAC, "-movflags +frag_keyframe"]),
    clip("fragments_h265.mp4", H265, Audio::None, &[PICTURE, X265, "-tag:v hvc1", FRAGMENTS]),
    // Matroska and WebM.
    clip("aac.mkv", H264, Audio::Aac, &[PICTURE, TONE_48K, X264, NO_B, AAC]),
    clip("bframes_pcm.mkv", H264, L16_16K, &[PICTURE, TONE_16K, X264, B_FRAMES, "-c:a pcm_s16le"]),
    clip("h265_opus.mkv", H265, Audio::Opus, &[PICTURE, TONE_48K, X265_B, OPUS_STEREO]),
    clip("live.mkv", H264, Audio::Aac, &[PICTURE, TONE_48K, X264, NO_B, AAC_5_1, "-live 1"]),
    clip("mu_law.mkv", H264, MU_LAW, &[PICTURE, TONE_8K, X264, NO_B, "-c:a pcm_mulaw"]),
    clip("opus.webm", None, Audio::Opus, &[TONE_48K, OPUS]),
    // NAL units and nothing else.
    raw("plain.264", Video::H264, &[PICTURE, X264, NO_B]),
    raw("bframes.h264", Video::H264, &[PICTURE, X264, B_FRAMES]),
    raw("open_gop.264", Video::H264, &[PICTURE, X264, OPEN_GOP]),
    raw("slices.264", Video::H264, &[PICTURE, X264, SLICES]),
    raw("plain.265", Video::H265, &[PICTURE, X265]),
    raw("bframes.h265", Video::H265, &[PICTURE, X265_B]),
];

const COPY_BOTH: &str = "-map 0:v -map 1:a -c copy";
const DASH: &str = "-movflags +dash+global_sidx+frag_keyframe";

/// The clips on disk.
pub struct Shelf {
    /// The folder they are in: a media root.
    pub folder: PathBuf,
    expected: Vec<OnceLock<Played>>,
}

impl Shelf {
    /// What ffmpeg gets out of the file of `clip`.
    pub fn expected(&self, clip: &Clip) -> &Played {
        let index = CLIPS.iter().position(|other| other.name == clip.name).expect("a clip of the table");
        self.expected[index].get_or_init(|| {
            let played = ffmpeg::play_file(&self.folder.join(clip.name), clip);
            played.unwrap_or_else(|failure| panic!("{}: {failure}", clip.name))
        })
    }
}

/// The row of that name.
pub fn by_name(name: &str) -> &'static Clip {
    CLIPS.iter().find(|clip| clip.name == name).unwrap_or_else(|| panic!("no clip is called {name}"))
}

/// All clips, made by the first who asks.
pub fn shelf() -> &'static Shelf {
    static SHELF: OnceLock<Shelf> = OnceLock::new();
    SHELF.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clips");
        fs::create_dir_all(&folder).expect("a folder for the clips");
        let is_copy = |clip: &&Clip| clip.args.iter().any(|fragment| fragment.contains('@'));
        let (copies, originals): (Vec<&Clip>, Vec<&Clip>) = CLIPS.iter().partition(is_copy);
        for_all(&originals, 4, |clip| make(clip, &folder));
        for_all(&copies, 4, |clip| make(clip, &folder));
        Shelf { folder, expected: CLIPS.iter().map(|_| OnceLock::new()).collect() }
    })
}

/// Makes one clip, unless it stands there already, made by the same line.
fn make(clip: &Clip, folder: &Path) -> Result<(), String> {
    const LIMIT: Duration = Duration::from_secs(60);
    let line = clip.args.join(" ");
    let made_by = folder.join(format!(".{}.args", clip.name));
    let target = folder.join(clip.name);
    if target.exists() && fs::read_to_string(&made_by).is_ok_and(|old| old == line) {
        return Ok(());
    }
    let new = folder.join(format!(".new.{}", clip.name));
    let words = line.split_whitespace().map(|word| word.replace('@', &format!("{}/", folder.display())));
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-v", "error", "-y"]).args(words).arg(&new);
    run(&mut command, LIMIT).expect_success(&format!("making {}", clip.name))?;
    fs::rename(&new, &target).and_then(|()| fs::write(&made_by, line)).map_err(|error| format!("{target:?}: {error}"))
}
