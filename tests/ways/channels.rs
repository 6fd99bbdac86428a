//! Channels that every viewer has to himself.

use std::time::{Duration, Instant};

use crate::client::{Client, PATIENCE, Rtp, is_bye};
use crate::media::matroska;
use crate::serve;

const CONFIG: &str = "[[channels]]\npath = \"lobby\"\nfile = \"cam.mkv\"\nloop = true\n\
                      [[channels]]\npath = \"once\"\nfile = \"cam.mkv\"\n";

#[test]
fn a_looped_recording_goes_on_for_ever_and_its_time_never_jumps() {
    let root = tempfile::tempdir().expect("a folder");
    std::fs::write(root.path().join("cam.mkv"), matroska(1, 100)).expect("a recording");
    let server = serve(root.path(), CONFIG);
    let url = server.url("lobby");
    let mut client = Client::connect(server.address());
    let description = client.request("DESCRIBE", &url, &[]).ok().body;
    assert!(description.contains("a=range:npt=0-\r\n"), "{description}");

    let begun = Instant::now();
    client.play_both(&url);
    // Pictures are 40 ms apart at 90 kHz, sound comes in pieces of 20 ms at 8 kHz.
    let mut last: [Option<Rtp>; 2] = [None, None];
    let mut count = [0_u32; 2];
    while count[0] < 80 {
        let frame = client.frame(PATIENCE).expect("packets");
        let track = usize::from(frame.channel / 2);
        if frame.channel % 2 == 1 {
            assert!(!is_bye(&frame.data), "a goodbye after {count:?} packets");
            continue;
        }
        let now = Rtp::parse(&frame.data);
        if let Some(last) = last[track] {
            let step = now.rtptime.wrapping_sub(last.rtptime);
            assert_eq!(now.sequence, last.sequence.wrapping_add(1), "track {track} after {count:?} packets");
            assert_eq!(step, [3600, 160][track], "track {track} after {count:?} packets");
        }
        last[track] = Some(now);
        count[track] += 1;
    }
    let elapsed = begun.elapsed();
    assert!(elapsed > Duration::from_millis(2900), "80 pictures, 3.2 s of them, took {elapsed:?}");
    assert!(count[1].abs_diff(160) < 8, "{} pieces of sound with 80 pictures", count[1]);
}

#[test]
fn a_channel_is_played_paused_and_sought_like_a_recording() {
    let root = tempfile::tempdir().expect("a folder");
    std::fs::write(root.path().join("cam.mkv"), matroska(2, 100)).expect("a recording");
    let server = serve(root.path(), CONFIG);
    for (path, range) in [("lobby", "a=range:npt=0-\r\n"), ("once", "a=range:npt=0-2.000\r\n")] {
        let url = server.url(path);
        let mut client = Client::connect(server.address());
        let description = client.request("DESCRIBE", &url, &[]).ok();
        assert!(description.body.contains(range), "{description:?}");
        let session = client.play_both(&url);
        client.in_session("PAUSE", &url, &session).ok();
        let headers = [&*format!("Session: {session}"), "Range: npt=1-"];
        let play = client.request("PLAY", &url, &headers).ok();
        // Key frames are 400 ms apart.
        assert!(play.header("Range").is_some_and(|range| range.starts_with("npt=0.800-")), "{play:?}");
        client.in_session("TEARDOWN", &url, &session).ok();
    }
    let mut client = Client::connect(server.address());
    assert_eq!(client.request("DESCRIBE", &server.url("attic"), &[]).status(), 404);
}

#[test]
fn a_channel_without_its_file_is_not_found_until_the_file_comes() {
    let root = tempfile::tempdir().expect("a folder");
    let server = serve(root.path(), CONFIG);
    let mut client = Client::connect(server.address());
    assert_eq!(client.request("DESCRIBE", &server.url("lobby"), &[]).status(), 404);
    std::fs::write(root.path().join("cam.mkv"), matroska(1, 100)).expect("a recording");
    client.request("DESCRIBE", &server.url("lobby"), &[]).ok();
}
