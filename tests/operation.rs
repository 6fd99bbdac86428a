//! Running the server for real: signals, the supervisor, and the recordings that come with it.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use common::{Ran, Server, for_all, run};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long the server may take to stop.
const STOP_MAX: Duration = Duration::from_secs(3);
const CLIENT_LIMIT: Duration = Duration::from_secs(60);

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Plays to the end and throws the pictures away.
fn ffmpeg(transport: &str, url: &str) -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-v", "error", "-rtsp_transport", transport, "-i", url, "-f", "null", "-"]);
    command
}

#[test]
fn every_recording_that_comes_with_the_server_plays_to_its_end() {
    let server = Server::start(&project().join("recordings"));
    let names =
        ["front-door.mp4", "garage.mkv", "gate.264", "yard/2026-11-20_12-00-00.mp4", "yard/2026-11-20_12-00-10.mov"];
    for_all(&names, names.len(), |name| {
        let ran = run(&mut ffmpeg("tcp", &server.url(name)), CLIENT_LIMIT);
        ran.expect_success(name)?;
        if ran.stderr.is_empty() { Ok(()) } else { Err(format!("{name}: ffmpeg complains:\n{}", ran.complaint())) }
    });
}

#[test]
fn a_signal_ends_the_server_within_three_seconds_and_with_it_the_streams() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut server = Server::start(&project().join("recordings"));
        let urls = [("tcp", "front-door.mp4"), ("udp", "front-door.mp4"), ("tcp", "gate.264"), ("udp", "gate.264")];
        thread::scope(|scope| {
            for (transport, name) in urls {
                let url = server.url(name);
                scope.spawn(move || {
                    let ran = run(&mut ffmpeg(transport, &url), CLIENT_LIMIT);
                    assert!(ran.status.is_some(), "ffmpeg over {transport} hangs when the server is gone");
                });
            }
            thread::sleep(Duration::from_secs(2));
            let start = Instant::now();
            server.signal(signal);
            let status = server.wait(STOP_MAX);
            let elapsed = start.elapsed();
            assert!(
                status.is_some_and(|status| status.success()),
                "{status:?} {elapsed:?} after {signal}:\n{}",
                server.log()
            );
        });
    }
}

#[test]
fn sighup_reads_the_configuration_again_and_disturbs_no_one() {
    let mut server = Server::start(&project().join("recordings"));
    let url = server.url("gate.264");
    thread::scope(|scope| {
        let client = scope.spawn(move || run(&mut ffmpeg("tcp", &url), CLIENT_LIMIT));
        thread::sleep(Duration::from_secs(1));
        for _ in 0..3 {
            server.signal(Signal::SIGHUP);
            thread::sleep(Duration::from_millis(200));
        }
        let ran = client.join().expect("the client's thread");
        ran.expect_success("a client that played meanwhile").unwrap_or_else(|failure| panic!("{failure}"));
    });
    assert!(server.wait(Duration::ZERO).is_none(), "SIGHUP ended the server:\n{}", server.log());
}

/// `scripts/supervise.sh` with a folder of its own; stops on drop what it has started.
struct Supervisor {
    run_folder: tempfile::TempDir,
}

impl Supervisor {
    fn new() -> Self {
        Self { run_folder: tempfile::tempdir().expect("a folder for the supervisor") }
    }

    fn ask(&self, arguments: &[&str]) -> Ran {
        let mut command = Command::new(project().join("scripts/supervise.sh"));
        command
            .args(arguments)
            .env("CAMREEL_RUN_DIR", self.run_folder.path())
            .env("CAMREEL_BIN", env!("CARGO_BIN_EXE_camreel"))
            .env("CAMREEL_HEALTH_INTERVAL", "1")
            .env("CAMREEL_HEALTH_TIMEOUT", "1");
        run(&mut command, Duration::from_secs(40))
    }

    fn start(&self) -> Ran {
        let recordings = project().join("recordings");
        let options = ["start", "--", "--bind", "127.0.0.1", "--port", "0", "--http-port", "0"];
        self.ask(&[&options[..], &[&recordings.to_string_lossy()]].concat())
    }

    /// The exit status of `status`.
    fn status(&self) -> Option<i32> {
        self.ask(&["status"]).status.and_then(|status| status.code())
    }

    fn pid(&self, of: &str) -> Pid {
        let text = fs::read_to_string(self.file(of)).expect("a pid file");
        Pid::from_raw(text.trim().parse().expect("a pid"))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.run_folder.path().join(name)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.file("supervisor.log")).unwrap_or_default()
    }

    /// Waits until another server than `old` is healthy.
    fn wait_for_another(&self, old: Pid) {
        let deadline = Instant::now() + Duration::from_secs(40);
        while self.pid("camreel.pid") == old || self.status() != Some(0) {
            assert!(Instant::now() < deadline, "no new server:\n{}", self.log());
            thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.ask(&["stop"]);
    }
}

#[test]
fn the_supervisor_starts_the_server_again_after_a_crash_and_when_it_no_longer_answers() {
    let supervisor = Supervisor::new();
    assert_eq!(supervisor.status(), Some(3), "nothing runs yet");
    supervisor.start().expect_success("start").unwrap_or_else(|failure| panic!("{failure}\n{}", supervisor.log()));
    assert_eq!(supervisor.status(), Some(0), "{}", supervisor.log());

    let first = supervisor.pid("camreel.pid");
    let again = supervisor.start();
    assert!(again.stdout.contains("runs already"), "a second start said: {}", again.stdout);
    assert_eq!(supervisor.pid("camreel.pid"), first, "a second start changes nothing");

    kill(first, Signal::SIGKILL).expect("the server is ours");
    supervisor.wait_for_another(first);

    let second = supervisor.pid("camreel.pid");
    kill(second, Signal::SIGSTOP).expect("the server is ours");
    supervisor.wait_for_another(second);

    supervisor.ask(&["stop"]).expect_success("stop").unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(supervisor.status(), Some(3), "{}", supervisor.log());
}

#[test]
fn a_new_supervisor_takes_over_from_one_that_was_killed() {
    let supervisor = Supervisor::new();
    supervisor.start().expect_success("start").unwrap_or_else(|failure| panic!("{failure}\n{}", supervisor.log()));
    let orphan = supervisor.pid("camreel.pid");
    kill(supervisor.pid("supervisor.pid"), Signal::SIGKILL).expect("the supervisor is ours");
    supervisor.start().expect_success("start").unwrap_or_else(|failure| panic!("{failure}\n{}", supervisor.log()));
    assert_ne!(supervisor.pid("camreel.pid"), orphan, "the server without supervisor is replaced");
    assert_eq!(supervisor.status(), Some(0), "{}", supervisor.log());
}

#[test]
fn an_end_with_status_0_is_not_taken_for_a_crash() {
    let supervisor = Supervisor::new();
    supervisor.start().expect_success("start").unwrap_or_else(|failure| panic!("{failure}\n{}", supervisor.log()));
    kill(supervisor.pid("camreel.pid"), Signal::SIGTERM).expect("the server is ours");
    thread::sleep(Duration::from_secs(4));
    assert_eq!(supervisor.status(), Some(3), "{}", supervisor.log());
    assert!(supervisor.log().contains("status 0"), "{}", supervisor.log());
}
