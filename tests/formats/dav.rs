//! Recordings as those of Dahua, which ffmpeg reads but does not write: its pictures and its sound, each in a frame of
//! their own. The layout is in `media/container/dhav`.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::common::run;
use super::{LIMIT, check};

/// Bytes of G.711 that go with one picture of 40 ms.
const SOUND_LEN: usize = 320;

/// Makes a recording of the pictures that ffmpeg makes with the arguments in `line`, in the raw format that `suffix`
/// stands for and the recorder calls `codec`, and of a tone.
pub fn make(line: &str, (suffix, codec): (&str, u8), out: &Path) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let (video, audio) = (folder.path().join(format!("video.{suffix}")), folder.path().join("audio"));
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error"]).args(line.split_whitespace()).arg(&video);
    ffmpeg.args(["-map", "1:a", "-c:a", "pcm_alaw", "-f", "alaw"]).arg(&audio);
    run(&mut ffmpeg, LIMIT).expect_success("making the streams of a recorder")?;
    let mut ffprobe = Command::new("ffprobe");
    ffprobe.args(["-v", "error", "-show_entries", "packet=size,flags", "-of", "csv=p=0"]).arg(&video);
    let probed = run(&mut ffprobe, LIMIT);
    probed.expect_success("ffprobe")?;

    let read = |path: &Path| fs::read(path).map_err(|error| error.to_string());
    let (pictures, sound) = (read(&video)?, read(&audio)?);
    let (mut file, mut at, mut sounds) = (Vec::new(), 0, sound.chunks(SOUND_LEN));
    for (number, packet) in probed.stdout.lines().enumerate() {
        let (len, flags) = packet.split_once(',').ok_or_else(|| format!("not a packet: {packet}"))?;
        let end = at + len.parse::<usize>().map_err(|error| format!("{packet}: {error}"))?;
        let picture = pictures.get(at..end).ok_or("a packet beyond the end")?;
        let kind = if flags.starts_with('K') { 0xfd } else { 0xfc };
        file.extend(frame(kind, number as u32, &[0x80, 0, 22, 18, 0x81, 0, codec, 25], picture));
        let piece = sounds.next().unwrap_or_default();
        file.extend(frame(0xf0, number as u32, &[0x83, 1, 0x0e, 2], piece));
        at = end;
    }
    check(at == pictures.len(), || format!("{at} bytes of pictures, not {}", pictures.len()))?;
    fs::write(out, file).map_err(|error| error.to_string())
}

/// A frame of the picture with this number, 25 a second, from noon on.
fn frame(kind: u8, number: u32, extensions: &[u8], payload: &[u8]) -> Vec<u8> {
    let len = (24 + extensions.len() + payload.len() + 8) as u32;
    let millis = number * 40;
    let date = 24_u32 << 26 | 5 << 22 | 17 << 17 | 12 << 12 | (millis / 60_000) << 6 | (millis / 1000 % 60);
    [
        &b"DHAV"[..],
        &[kind, 0, 1, 0],
        &number.to_le_bytes(),
        &len.to_le_bytes(),
        &date.to_le_bytes(),
        &(millis as u16).to_le_bytes(),
        &[extensions.len() as u8, 0],
        extensions,
        payload,
        b"dhav",
        &len.to_le_bytes(),
    ]
    .concat()
}
