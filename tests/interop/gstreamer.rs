//! GStreamer's `rtspsrc` as a client.

use std::fs;
use std::process::Command;
use std::time::Duration;

use super::clips::{Audio, Clip, Video};
use super::common::run;
use super::frames::{Frame, Played};

/// What GStreamer gets out of a URL. `protocols` is `tcp` or `udp`.
///
/// `checksumsink` prints time and checksum of each buffer: MD5 for pictures and SHA-1 for sound, as
/// [`super::ffmpeg`] has them, so that one output holds both and the length of the checksum tells them apart.
pub fn play_url(protocols: &str, url: &str, clip: &Clip, limit: Duration) -> Result<Played, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let pcm = folder.path().join("pcm");
    // With `buffer-mode=none` times are those of the RTP timestamps, not smoothed by when packets arrived.
    let mut pipeline = format!("rtspsrc name=s location={url} protocols={protocols} buffer-mode=none");
    if let Some(video) = clip.video {
        let decoder = match video {
            Video::H264 => "rtph264depay ! h264parse ! avdec_h264",
            Video::H265 => "rtph265depay ! h265parse ! avdec_h265",
        };
        pipeline += &format!(
            " s. ! application/x-rtp,media=video ! queue ! {decoder} ! videoconvert ! video/x-raw,format=I420 \
             ! checksumsink hash=md5"
        );
    }
    let sink = "checksumsink hash=sha1";
    let sound = match clip.audio {
        Audio::None => None,
        Audio::Aac => Some(format!("rtpmp4gdepay ! {sink}")),
        Audio::Opus => Some(format!("rtpopusdepay ! {sink}")),
        Audio::Pcm(pcm_format) => Some(format!(
            "{} ! audioconvert dithering=none ! audio/x-raw,format=S16LE ! filesink location={}",
            pcm_format.depayloader,
            pcm.display()
        )),
    };
    if let Some(sound) = sound {
        pipeline += &format!(" s. ! application/x-rtp,media=audio ! queue ! {sound}");
    }
    let mut command = Command::new("gst-launch-1.0");
    command.arg("-q").args(pipeline.split_whitespace());
    let ran = run(&mut command, limit);
    ran.expect_success("gst-launch-1.0")?;
    let (mut played, other) = parse(&ran.stdout);
    if let Some(line) = other.first() {
        return Err(format!("gst-launch-1.0: {line}"));
    }
    played.pcm = fs::read(&pcm).unwrap_or_default();
    Ok(played)
}

/// Reads `0:00:01.300000000 42a6...` lines; hands back the lines that are something else.
fn parse(text: &str) -> (Played, Vec<&str>) {
    let mut played = Played::default();
    let mut other = Vec::new();
    for line in text.lines() {
        let frame = line.split_once(' ').and_then(|(time, hash)| Some((nanos(time)?, hash)));
        match frame {
            Some((pts, hash)) if hash.len() == 32 => {
                played.video.push(Frame { pts: Some(pts), len: None, hash: hash.to_owned() })
            }
            Some((pts, hash)) if hash.len() == 40 => {
                played.audio.push(Frame { pts: Some(pts), len: None, hash: hash.to_owned() })
            }
            _ => other.push(line),
        }
    }
    (played, other)
}

/// `H:MM:SS.nnnnnnnnn` in nanoseconds.
fn nanos(time: &str) -> Option<i64> {
    let (clock, fraction) = time.split_once('.')?;
    let seconds = clock.split(':').try_fold(0_i64, |sum, part| Some(sum * 60 + part.parse::<i64>().ok()?))?;
    Some(seconds * 1_000_000_000 + fraction.parse::<i64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_lines_are_told_apart_by_the_length_of_the_checksum() {
        let md5 = "99994fcf5e39c5acafad31daa261ef31";
        let sha1 = "19b88c3de874abed86ef68453a6947ef0011047e";
        let text = format!("0:01:00.080000000 {md5}\n0:00:00.021312500 {sha1}\nERROR: pipeline\n");
        let (played, other) = parse(&text);
        assert_eq!(played.video, [Frame { pts: Some(60_080_000_000), len: None, hash: md5.to_owned() }]);
        assert_eq!(played.audio, [Frame { pts: Some(21_312_500), len: None, hash: sha1.to_owned() }]);
        assert_eq!(other, ["ERROR: pipeline"]);
    }
}
