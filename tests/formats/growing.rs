//! Recordings that are played while they are written: up to the edge, on as the file grows, and to an end.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::client::Client;
use super::common::{Server, for_all};
use super::{check, clients};

/// File names, and how ffmpeg writes what a camera sends, as it comes.
const RECORDERS: &[(&str, &[&str])] = &[
    ("fragment_a_second.mp4", &["-movflags", "+frag_keyframe+empty_moov+default_base_moof", "-flush_packets", "1"]),
    ("fragment_a_frame.mp4", &["-movflags", "+frag_every_frame+empty_moov+default_base_moof", "-flush_packets", "1"]),
    ("clusters.mkv", &["-cluster_time_limit", "500", "-flush_packets", "1"]),
    ("packets.ts", &["-flush_packets", "1"]),
    ("pictures.264", &["-an", "-flush_packets", "1"]),
];
/// How long each recording goes on, in seconds.
const RECORDING_LEN: &str = "6";
/// How long the server waits for more.
const GROWING_TIMEOUT: &str = "[media]\ngrowing_timeout = \"2s\"\n";

/// A recorder, which ends with the test that started it.
struct Recorder(Child);

impl Recorder {
    fn start(path: &Path, args: &[&str]) -> Self {
        let mut command = Command::new("ffmpeg");
        command.args(["-nostdin", "-v", "error", "-y", "-re", "-f", "lavfi", "-i", "testsrc2=size=176x144:rate=25"]);
        command.args(["-re", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-t", RECORDING_LEN]);
        command.args(["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p"]);
        command.args(["-g", "25", "-c:a", "aac"]).args(args).arg(path);
        Self(command.stdin(Stdio::null()).spawn().expect("ffmpeg can be started"))
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_recording_is_played_on_while_it_is_written_and_ends_when_it_does() {
    let folder = tempfile::tempdir().expect("a folder for recordings");
    let config = folder.path().join("camreel.toml");
    std::fs::write(&config, GROWING_TIMEOUT).expect("a configuration");
    let root = folder.path().join("root");
    std::fs::create_dir(&root).expect("a media root");
    let (config, root_arg) = (config.to_string_lossy(), root.to_string_lossy());
    let server =
        Server::start_with(&["--config", &config, "--bind", "127.0.0.1", "--port", "0", "--http-port", "0", &root_arg]);
    for_all(RECORDERS, RECORDERS.len(), |(name, args)| {
        let path = root.join(name);
        let _recorder = Recorder::start(&path, args);
        plays_on(&server, name, &path).map_err(|error| format!("{name}: {error}\n{}", server.log_about(name)))
    });
}

fn plays_on(server: &Server, name: &str, path: &Path) -> Result<(), String> {
    let begun = Instant::now();
    // A second and more of it.
    while begun.elapsed() < Duration::from_millis(2500) || std::fs::metadata(path).map_or(0, |file| file.len()) < 1000 {
        check(begun.elapsed() < Duration::from_secs(20), || "nothing is recorded".to_owned())?;
        thread::sleep(Duration::from_millis(50));
    }
    let url = server.url(name);
    let described = Client::connect(server.address()).request("DESCRIBE", &url, &[]).ok();
    let range = described.body.lines().find(|line| line.starts_with("a=range:")).unwrap_or_default().to_owned();
    check(range.ends_with('-'), || format!("an end is told of what has none: {range}"))?;
    let got = clients::pictures(&["-rtsp_transport", "tcp"], url.as_ref(), "yuv420p")?;
    let want = clients::pictures(&[], path.as_os_str(), "yuv420p")?;
    let first = want.iter().zip(&got).position(|(want, got)| want != got);
    check(want == got, || format!("{} pictures, not {}; {first:?} is the first to differ", got.len(), want.len()))
}
