//! ffmpeg and GStreamer as viewers: what they decode from a stream is what ffmpeg decodes from the file.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use camreel::media::codec::Codec;
use camreel::media::{Kind, Recording};

use super::common::{Server, run};
use super::files::File;
use super::{check, folder, for_each_file, made, read_through};

/// How long a client may take.
const LIMIT: Duration = Duration::from_secs(60);
/// Sound before and after what a stream and its file have in common, in samples of one channel: what a decoder needs to
/// warm up, and what encoders put in front and at the end, which a container may tell a decoder to drop and RTP cannot.
const EDGE_MAX: usize = 4608;

#[test]
fn ffmpeg_decodes_from_every_stream_what_it_decodes_from_the_file() {
    play_all(|url, recording| {
        // ffmpeg 5.1 does not know the payload format of some, and decodes Opus of one channel as two, which is not the
        // same to the bit. Its packets are compared in the tests of clients.
        let is_known = |codec: &Codec| {
            !matches!(codec, Codec::Av1(_) | Codec::Eac3(_) | Codec::Opus(_) | Codec::Text(_) | Codec::Metadata(_))
        };
        let known = |kind| codec_of(recording, kind).filter(|codec| is_known(codec));
        const OPTIONS: &[&str] = &["-rtsp_transport", "tcp"];
        let video = known(Kind::Video).map(|codec| pictures(OPTIONS, OsStr::new(url), format_of(codec))).transpose()?;
        let audio = known(Kind::Audio).map(|codec| sound(OPTIONS, OsStr::new(url), codec)).transpose()?;
        Ok((video, audio))
    });
}

#[test]
fn gstreamer_decodes_from_every_stream_what_ffmpeg_decodes_from_the_file() {
    play_all(|url, recording| {
        let decoder = |kind| gstreamer_decoder(codec_of(recording, kind)?);
        let (mut video, mut audio) = (None, None);
        if let Some(decoder) = decoder(Kind::Video) {
            let tail = "videoconvert ! video/x-raw,format=I420 ! checksumsink hash=md5 sync=false";
            let shown = gstreamer(url, &format!("{decoder} ! {tail}"))?;
            video = Some(shown.lines().filter_map(|line| Some(line.split_once(' ')?.1.to_owned())).collect());
        }
        if let Some(decoder) = decoder(Kind::Audio) {
            let raw = tempfile::NamedTempFile::new().map_err(|error| error.to_string())?;
            let tail = "audioconvert dithering=none ! audio/x-raw,format=F32LE ! filesink sync=false location=";
            gstreamer(url, &format!("{decoder} ! {tail}{}", raw.path().display()))?;
            audio = Some(std::fs::read(raw.path()).map_err(|error| error.to_string())?);
        }
        Ok((video, audio))
    });
}

/// The format in which pictures are compared. JPEG has all 256 levels, and nobody is to convert them.
fn format_of(codec: &Codec) -> &'static str {
    if matches!(codec, Codec::Jpeg(_)) { "yuvj420p" } else { "yuv420p" }
}

/// The codec of the first track of a kind.
fn codec_of(recording: &dyn Recording, kind: Kind) -> Option<&Codec> {
    recording.tracks().iter().find(|track| track.kind() == kind).map(|track| &track.codec)
}

/// Checksums of pictures, and sound as floats.
type Played = (Option<Vec<String>>, Option<Vec<u8>>);

fn play_all(play: impl Fn(&str, &dyn Recording) -> Result<Played, String> + Sync) {
    for_each_file(|file| made(file).map(drop));
    let server = Server::start(&folder());
    for_each_file(|file| {
        let path = made(file)?;
        plays_like_file(&server, file, &path, &play)
            .map_err(|error| format!("{error}\n{}", server.log_about(file.name)))
    });
}

fn plays_like_file(
    server: &Server,
    file: &File,
    path: &Path,
    play: &impl Fn(&str, &dyn Recording) -> Result<Played, String>,
) -> Result<(), String> {
    let (recording, _) = read_through(file, path)?;
    let (video, audio) = play(&server.url(file.name), &*recording)?;
    if let Some(got) = video {
        let codec = codec_of(&*recording, Kind::Video).ok_or("pictures of no track")?;
        let want = pictures(file.input_options(), path.as_os_str(), format_of(codec))?;
        let first = want.iter().zip(&got).position(|(want, got)| want != got);
        check(want == got, || format!("{} pictures, not {}; {first:?} is the first to differ", got.len(), want.len()))?;
    }
    if let Some(got) = audio {
        let codec = codec_of(&*recording, Kind::Audio).ok_or("sound of no track")?;
        let want = sound(file.input_options(), path.as_os_str(), codec)?;
        same_sound(&want, &got, channels(&*recording))?;
    }
    Ok(())
}

/// What turns the packets of a codec into pictures or sound in GStreamer 1.22; `None` where nothing does.
fn gstreamer_decoder(codec: &Codec) -> Option<&'static str> {
    Some(match codec {
        Codec::H264(_) => "rtph264depay ! h264parse ! avdec_h264",
        Codec::H265(_) => "rtph265depay ! h265parse ! avdec_h265",
        Codec::Aac(_) => "rtpmp4gdepay ! avdec_aac",
        Codec::Opus(_) => "rtpopusdepay ! avdec_opus",
        Codec::Pcmu(_) => "rtppcmudepay ! mulawdec",
        Codec::Pcma(_) => "rtppcmadepay ! alawdec",
        Codec::Pcm(_) => "rtpL16depay",
        Codec::Vp8(_) => "rtpvp8depay ! avdec_vp8",
        Codec::Vp9(_) => "rtpvp9depay ! avdec_vp9",
        Codec::Mpeg4Visual(_) => "rtpmp4vdepay ! mpeg4videoparse ! avdec_mpeg4",
        Codec::MpegVideo(_) => "rtpmpvdepay ! mpegvideoparse ! avdec_mpeg2video",
        Codec::Jpeg(_) => "rtpjpegdepay ! avdec_mjpeg",
        Codec::H263(_) => "rtph263pdepay ! avdec_h263",
        Codec::Theora(_) => "rtptheoradepay ! theoradec",
        Codec::MpegAudio(config) if config.layer == 3 => "rtpmpadepay ! mpegaudioparse ! avdec_mp3float",
        Codec::MpegAudio(_) => "rtpmpadepay ! mpegaudioparse ! avdec_mp2float",
        Codec::Ac3(_) => "rtpac3depay ! ac3parse ! avdec_ac3",
        Codec::G722(_) => "rtpg722depay ! avdec_g722",
        Codec::G726(_) => "rtpg726depay ! avdec_g726",
        Codec::Flac(_) | Codec::ImaAdpcm(_) => "rtpL16depay",
        _ => return None,
    })
}

/// What a pipeline behind `rtspsrc` prints.
fn gstreamer(url: &str, behind: &str) -> Result<String, String> {
    let pipeline = format!("rtspsrc location={url} protocols=tcp ! {behind}");
    let mut command = Command::new("gst-launch-1.0");
    command.arg("-q").args(pipeline.split_whitespace());
    let ran = run(&mut command, LIMIT);
    check(ran.status.is_some(), || format!("gst-launch-1.0 {behind} did not end: {}", ran.complaint()))?;
    check(!ran.stdout.contains("ERROR"), || format!("gst-launch-1.0 {behind}: {}", ran.stdout))?;
    Ok(ran.stdout)
}

/// The checksums of the pictures that ffmpeg decodes.
pub fn pictures(options: &[&str], input: &OsStr, format: &str) -> Result<Vec<String>, String> {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-v", "error"]).args(options).arg("-i").arg(input);
    command.args(["-map", "0:v:0", "-fps_mode", "passthrough", "-pix_fmt", format]);
    let ran = run(command.args(["-f", "framehash", "-hash", "MD5", "-"]), LIMIT);
    ran.expect_success("ffmpeg")?;
    let lines = ran.stdout.lines().filter(|line| !line.starts_with('#'));
    Ok(lines.filter_map(|line| Some(line.rsplit_once(", ")?.1.to_owned())).collect())
}

/// How many channels the sound of a recording has.
fn channels(recording: &dyn Recording) -> usize {
    recording.tracks().iter().find_map(|track| track.codec.sound()).map_or(1, |sound| usize::from(sound.1.max(1)))
}

/// The sound that ffmpeg decodes, as floats.
fn sound(options: &[&str], input: &OsStr, codec: &Codec) -> Result<Vec<u8>, String> {
    // The one that GStreamer has as well: decoders round differently.
    let is_layer_2 = matches!(codec, Codec::MpegAudio(config) if config.layer == 2);
    let decoder: &[&str] = if is_layer_2 { &["-c:a", "mp2float"] } else { &[] };
    let raw = tempfile::NamedTempFile::new().map_err(|error| error.to_string())?;
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-v", "error", "-y"]).args(options).args(decoder).arg("-i").arg(input);
    let ran = run(command.args(["-map", "0:a:0", "-c:a", "pcm_f32le", "-f", "f32le"]).arg(raw.path()), LIMIT);
    ran.expect_success("ffmpeg")?;
    std::fs::read(raw.path()).map_err(|error| error.to_string())
}

/// Whether both are the same sound but for the edges: what is in the middle of the one is sought in the other.
fn same_sound(want: &[u8], got: &[u8], channels: usize) -> Result<(), String> {
    let frame = 4 * channels;
    let middle = want.len() / 2 / frame * frame;
    let probe = &want[middle..(middle + 4096 * frame).min(want.len())];
    let place = memchr::memmem::find(got, probe);
    let place = place.ok_or_else(|| format!("the middle of {} bytes is not in {} bytes", want.len(), got.len()))?;
    let alike = |a: &mut dyn Iterator<Item = &u8>, b: &mut dyn Iterator<Item = &u8>| {
        a.zip(b).take_while(|(a, b)| a == b).count()
    };
    let before = alike(&mut want[..middle].iter().rev(), &mut got[..place].iter().rev());
    let behind = alike(&mut want[middle..].iter(), &mut got[place..].iter());
    let edge = EDGE_MAX * frame;
    let missing = (middle - before, want.len() - middle - behind, place - before, got.len() - place - behind);
    let is_right = missing.0 <= edge && missing.1 <= edge && missing.2 <= edge && missing.3 <= edge;
    check(is_right, || format!("bytes that differ at the start and the end of file and stream: {missing:?}"))
}
