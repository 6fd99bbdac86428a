//! Running the server for real: signals, and the recordings that come with it. The supervisor is in `supervise`.

mod common;

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use common::{Server, for_all, run};
use nix::sys::signal::Signal;

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
    let rows: Vec<_> = names.iter().flat_map(|name| [("tcp", name), ("udp", name)]).collect();
    for_all(&rows, rows.len(), |(transport, name)| {
        let ran = run(&mut ffmpeg(transport, &server.url(name)), CLIENT_LIMIT);
        ran.expect_success(name)?;
        let complaint = ran.complaint();
        if complaint.is_empty() {
            Ok(())
        } else {
            Err(format!("{name} over {transport}: ffmpeg complains:\n{complaint}"))
        }
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
