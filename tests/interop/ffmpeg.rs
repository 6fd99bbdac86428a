//! ffmpeg as a client, and as the judge of what is in a file.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::clips::{Audio, Clip};
use super::common::{Ran, run};
use super::frames::{Frame, Played};

/// How long reading a short file may take.
const FILE_LIMIT: Duration = Duration::from_secs(60);

/// What ffmpeg gets out of a file.
pub fn play_file(path: &Path, clip: &Clip) -> Result<Played, String> {
    play(&[], path.as_os_str(), clip, FILE_LIMIT)
}

/// What ffmpeg gets out of a URL, with these options before it.
///
/// It does not know the time of the first picture after each PLAY and writes 0: its parser looks for the packet that
/// a picture started in by position, and packets from a network have none (`ff_fetch_timestamp`, `pos == -1`).
pub fn play_url(options: &[&str], url: &str, clip: &Clip, limit: Duration) -> Result<Played, String> {
    let mut played = play(options, OsStr::new(url), clip, limit)?;
    if let Some(first) = played.video.first_mut() {
        first.pts = None;
    }
    Ok(played)
}

/// Pictures are decoded. Sound is taken as packets, and where these may be cut anywhere, decoded as well.
fn play(options: &[&str], input: &OsStr, clip: &Clip, limit: Duration) -> Result<Played, String> {
    const VIDEO: &[&str] = &["-map", "0:v", "-fps_mode", "passthrough", "-enc_time_base", "-1"];
    const AUDIO: &[&str] = &["-map", "0:a", "-c:a", "copy"];
    const PCM: &[&str] = &["-map", "0:a", "-c:a", "pcm_s16le", "-f", "s16le"];
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let (video, audio, pcm) = (folder.path().join("video"), folder.path().join("audio"), folder.path().join("pcm"));
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-v", "warning", "-copyts"]).args(options).arg("-i").arg(input);
    if clip.video.is_some() {
        command.args(VIDEO).args(["-f", "framehash", "-hash", "MD5"]).arg(&video);
    }
    if clip.audio != Audio::None {
        command.args(AUDIO).args(["-f", "framehash", "-hash", "SHA160"]).arg(&audio);
    }
    if let Audio::Pcm(_) = clip.audio {
        command.args(PCM).arg(&pcm);
    }
    let ran: Ran = run(&mut command, limit);
    ran.expect_success("ffmpeg")?;
    let frames = |path: &Path| fs::read_to_string(path).map_or_else(|_| Ok(Vec::new()), |text| parse(&text));
    Ok(Played {
        video: frames(&video)?,
        audio: frames(&audio)?,
        pcm: fs::read(&pcm).unwrap_or_default(),
        complaint: ran.complaint(),
    })
}

/// The pictures of a file of NAL units of this format, in the order they are shown. They have no times.
pub fn decode(path: &Path, format: &str, limit: Duration) -> Result<Vec<Frame>, String> {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-v", "warning", "-f", format, "-i"]).arg(path);
    command.args(["-fps_mode", "passthrough", "-f", "framehash", "-hash", "MD5", "-"]);
    let ran = run(&mut command, limit);
    ran.expect_success("ffmpeg")?;
    parse(&ran.stdout)
}

/// Reads what the `framehash` muxer writes: `#tb 0: 1/90000`, then `stream, dts, pts, duration, size, hash[, ...]`.
fn parse(text: &str) -> Result<Vec<Frame>, String> {
    let mut seconds_per_tick = None;
    let mut frames = Vec::new();
    for line in text.lines() {
        if let Some(base) = line.strip_prefix("#tb 0: ") {
            seconds_per_tick = base.split_once('/').and_then(|(n, d)| Some((n.parse().ok()?, d.parse().ok()?)));
        } else if !line.starts_with('#') {
            let fields: Vec<&str> = line.split(',').map(str::trim).collect();
            let frame = seconds_per_tick.and_then(|base| frame(&fields, base));
            frames.push(frame.ok_or_else(|| format!("not a line of framehash: {line}"))?);
        }
    }
    Ok(frames)
}

fn frame(fields: &[&str], (numerator, denominator): (i128, i128)) -> Option<Frame> {
    let [_stream, _dts, pts, _duration, size, hash, ..] = fields else { return None };
    let pts: i128 = pts.parse().ok()?;
    let pts = i64::try_from(pts * numerator * 1_000_000_000 / denominator).ok()?;
    Some(Frame { pts: Some(pts), len: Some(size.parse().ok()?), hash: (*hash).to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn framehash_lines_become_frames_whatever_follows_the_hash() {
        let text = "#format: frame checksums\n#tb 0: 1/48000\n#stream#, dts, pts, duration, size, hash\n\
                    0,      -1024,      -1024,     1024,      148, b748, S=1,       10, f009\n";
        assert_eq!(parse(text), Ok(vec![Frame { pts: Some(-21_333_333), len: Some(148), hash: "b748".to_owned() }]));
    }
}
