//! GStreamer's `rtspsrc` as a client.

use std::fs;
use std::process::Command;
use std::time::Duration;

use super::clips::{Audio, Clip, Pcm, Video};
use super::common::run;
use super::frames::{Frame, Played};

/// A sink that neither waits for the clock, nor for the other stream when the pipeline starts.
const SINK: &str = "sync=false async=false";

/// How GStreamer arrives at the times of frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// Its default: RTP timestamps, drawn towards the times of arrival. They are not comparable with a file's.
    Smoothed,
    /// RTP timestamps and sender reports alone.
    Exact,
}

/// What GStreamer gets out of a URL. `protocols` is `tcp` or `udp`.
///
/// `checksumsink` prints time and checksum of each buffer: MD5 for pictures and SHA-1 for sound, as
/// [`super::ffmpeg`] has them, so that one output holds both and the length of the checksum tells them apart.
///
/// Each depayloader takes from `rtspsrc` the stream that fits it. A filter between them would make gst-launch link
/// them one after the other from two threads, and sometimes it loses one.
pub fn play_url(protocols: &str, times: Times, url: &str, clip: &Clip, limit: Duration) -> Result<Played, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let pcm = folder.path().join("pcm");
    let buffer_mode = match times {
        Times::Smoothed => "auto",
        Times::Exact => "none",
    };
    let mut pipeline = format!("rtspsrc name=s location={url} protocols={protocols} buffer-mode={buffer_mode}");
    if let Some(video) = clip.video {
        let decoder = match video {
            Video::H264 => "rtph264depay ! queue ! h264parse ! avdec_h264",
            Video::H265 => "rtph265depay ! queue ! h265parse ! avdec_h265",
        };
        pipeline += &format!(" s. ! {decoder} ! videoconvert ! video/x-raw,format=I420 ! checksumsink hash=md5 {SINK}");
    }
    let packets = format!("queue ! checksumsink hash=sha1 {SINK}");
    match clip.audio {
        Audio::None => {}
        Audio::Aac => pipeline += &format!(" s. ! rtpmp4gdepay ! {packets}"),
        Audio::Opus => pipeline += &format!(" s. ! rtpopusdepay ! {packets}"),
        Audio::Pcm(Pcm { depayloader, .. }) => {
            pipeline += &format!(
                " s. ! {depayloader} ! queue ! audioconvert dithering=none ! audio/x-raw,format=S16LE \
                 ! filesink location={} {SINK}",
                pcm.display()
            );
        }
    }
    let mut command = Command::new("gst-launch-1.0");
    command.arg("-q").args(pipeline.split_whitespace());
    let ran = run(&mut command, limit);
    let (mut played, other) = parse(&ran.stdout);
    played.pcm = fs::read(&pcm).unwrap_or_default();
    // An error while the pipeline is taken down is gst-launch's own affair: PAUSE and TEARDOWN get into each other's
    // way within it. What matters is that it ended by itself and has every frame.
    played.complaint = other.into_iter().chain(ran.stderr.lines()).map(|line| format!("\n    {line}")).collect();
    if ran.status.is_none() {
        return Err(format!("gst-launch-1.0 did not end within {limit:?}: {}", played.summary()));
    }
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
