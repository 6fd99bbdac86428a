//! Whether what a client decoded is a recording that repeats: each picture followed by the next, the last by the first.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::common::{Ran, run};

/// How long a client may take.
const LIMIT: Duration = Duration::from_secs(40);

/// Pictures of the clip.
pub const PICTURES: usize = 50;

/// Pictures from one key frame to the next.
const KEY_INTERVAL: usize = 12;

/// Makes a clip of two seconds.
pub fn make_clip(path: &Path) {
    const ARGUMENTS: &str = "-nostdin -v error -f lavfi -i testsrc2=size=160x120:rate=25:duration=2 \
        -f lavfi -i sine=frequency=440:sample_rate=48000:duration=2 \
        -c:v libx264 -preset veryfast -pix_fmt yuv420p -g 12 -bf 2 -c:a aac -b:a 32k";
    let mut command = Command::new("ffmpeg");
    let ran = run(command.args(ARGUMENTS.split_whitespace()).arg(path), LIMIT);
    ran.expect_success("ffmpeg").unwrap_or_else(|error| panic!("{error}"));
}

/// The pictures that ffmpeg decodes of a file or URL, as checksums. `until` limits them.
pub fn ffmpeg(options: &[&str], input: &str, until: &[&str]) -> Vec<String> {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-v", "error"]).args(options).args(["-i", input]).args(until);
    let ran =
        run(command.args(["-map", "0:v", "-fps_mode", "passthrough", "-f", "framehash", "-hash", "MD5", "-"]), LIMIT);
    let last = |line: &str| line.rsplit(',').next().map(|hash| hash.trim().to_owned());
    let pictures: Vec<String> = ran.stdout.lines().filter(|line| !line.starts_with('#')).filter_map(last).collect();
    assert!(!pictures.is_empty(), "ffmpeg {options:?} {input}: no picture\n{}", ran.complaint());
    pictures
}

/// The pictures that GStreamer decodes of a multicast channel, within some seconds.
pub fn gstreamer(url: &str, seconds: u64) -> Vec<String> {
    let pipeline = format!(
        "rtspsrc name=s location={url} protocols=udp-mcast s. ! rtph264depay ! queue ! h264parse ! avdec_h264 \
         ! videoconvert ! video/x-raw,format=I420 ! checksumsink hash=md5 sync=false async=false \
         s. ! rtpmp4gdepay ! queue ! fakesink sync=false async=false"
    );
    let mut command = Command::new("timeout");
    command.args(["--signal=INT", &seconds.to_string(), "gst-launch-1.0", "-q"]).args(pipeline.split_whitespace());
    let ran: Ran = run(&mut command, LIMIT);
    let hashes = ran.stdout.lines().filter_map(|line| line.split_once(' ')).map(|(_, hash)| hash.to_owned());
    let pictures: Vec<String> = hashes.filter(|hash| hash.len() == 32).collect();
    assert!(!pictures.is_empty(), "gst-launch-1.0 {pipeline}: no picture\n{}", ran.complaint());
    pictures
}

/// Fails unless `found` is `clip` again and again from some key frame on, for at least `count` pictures. Before that,
/// GStreamer shows what it can make of pictures that lack their key frame; FFmpeg does not.
#[track_caller]
pub fn check_repeats(clip: &[String], found: &[String], count: usize) {
    assert_eq!(clip.len(), PICTURES);
    let place = |picture: &String| clip.iter().position(|known| known == picture);
    let is_key = |picture: &String| place(picture).is_some_and(|place| place.is_multiple_of(KEY_INTERVAL));
    let first = found.iter().position(is_key).unwrap_or_else(|| panic!("no key frame in {} pictures", found.len()));
    assert!(first <= KEY_INTERVAL + 2, "the first key frame is picture {first} of {} that came", found.len());
    let start = place(&found[first]).unwrap_or_default();
    for (number, picture) in found[first..].iter().enumerate() {
        let expected = (start + number) % clip.len();
        assert_eq!(place(picture), Some(expected), "picture {number} behind the key frame");
    }
    assert!(found.len() - first >= count, "{} pictures came, not {count}", found.len() - first);
}
