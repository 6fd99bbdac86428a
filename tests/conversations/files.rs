//! Recordings change while they are served: recorders write, rotate and delete them.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{Client, PATIENCE, is_bye};
use crate::common::{Server, long_ago};
use crate::media::{Media, matroska};
use crate::serve;

fn describe(server: &Server, name: &str) -> (u16, String) {
    let response = Client::connect(server.address()).request("DESCRIBE", &server.url(name), &[]);
    (response.status(), response.body)
}

/// In LIVE555 a second client's DESCRIBE between two SETUPs of the first made its second SETUP fail.
#[test]
fn a_file_that_changes_between_two_setups_is_another_one_only_for_who_comes_later() {
    let media = Media::new();
    let server = serve(&media.root(), "");
    let (path, url) = (media.root().join("changing.mkv"), server.url("changing.mkv"));
    fs::write(&path, matroska(2, 100)).expect("a recording");
    let mut first = Client::connect(server.address());
    let session = first.set_up(&url, 0, None).session();
    fs::write(&path, matroska(4, 100)).expect("another recording");
    let (status, description) = describe(&server, "changing.mkv");
    assert!(status == 200 && description.contains("npt=0-4.000"), "{description}");
    first.set_up(&url, 1, Some(&session));
    // It has the one that it set up: of 2 seconds.
    let (inside, beyond) = ("Range: npt=1.9-", "Range: npt=2.1-");
    assert_eq!(first.request("PLAY", &url, &[&format!("Session: {session}"), beyond]).status(), 457);
    first.request("PLAY", &url, &[&format!("Session: {session}"), inside]).ok();
}

#[test]
fn a_deleted_file_plays_to_its_end_for_who_has_it_and_is_gone_for_others() {
    let media = Media::new();
    let server = serve(&media.root(), "");
    let url = server.url("deleted.mkv");
    let path = media.root().join("deleted.mkv");
    fs::write(&path, matroska(1, 100)).expect("a recording");
    let mut viewer = Client::connect(server.address());
    let session = viewer.set_up(&url, 0, None).session();
    fs::remove_file(&path).expect("it can be deleted");
    assert_eq!(describe(&server, "deleted.mkv").0, 404);
    viewer.in_session("PLAY", &url, &session).ok();
    viewer.frame_that("a goodbye", |frame| frame.channel == 1 && is_bye(&frame.data));
}

#[test]
fn a_file_cut_off_while_it_plays_ends_that_session_with_a_goodbye() {
    let media = Media::new();
    let server = serve(&media.root(), "");
    let url = server.url("cut.mkv");
    let path = media.root().join("cut.mkv");
    fs::write(&path, matroska(10, 4000)).expect("a recording");
    let mut viewer = Client::connect(server.address());
    viewer.play_both(&url);
    viewer.frame_that("a packet", |frame| frame.channel == 0);
    fs::OpenOptions::new().write(true).open(&path).and_then(|file| file.set_len(20_000)).expect("it can be cut");
    // Either of a gap up to where the recording should have ended, or at once: but it ends.
    let mut other = Client::connect(server.address());
    other.play_both(&server.url("long.mkv"));
    viewer.frame_that("a goodbye", |frame| frame.channel == 1 && is_bye(&frame.data));
    other.frame(PATIENCE).expect("a frame");
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

/// LIVE555 lost a descriptor and 183 KiB with each DESCRIBE of a program stream, and memory with each of Matroska.
#[test]
fn a_thousand_descriptions_leave_neither_descriptors_nor_memory_behind() {
    let media = Media::new();
    let server = serve(&media.root(), "");
    let mut client = Client::connect(server.address());
    let mut describe_all = |rounds: usize| {
        for round in 0..rounds {
            for name in ["cam.mkv", "one.264", "text.mkv", "no-such-file.mkv"] {
                if round % 50 == 0 {
                    // As if a recorder had touched it: opened anew.
                    let _ = fs::File::open(media.root().join(name))
                        .and_then(|file| file.set_modified(std::time::SystemTime::now()));
                }
                client.request("DESCRIBE", &server.url(name), &[]);
            }
        }
    };
    let fds = || fs::read_dir(format!("/proc/{}/fd", server.pid())).expect("its descriptors").count();
    let resident = || {
        let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("its status");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("its memory").to_owned();
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<i64>().ok()).expect("a number of KiB")
    };
    describe_all(50);
    let before = (fds(), resident());
    describe_all(250);
    let after = (fds(), resident());
    assert_eq!(after.0, before.0, "descriptors");
    assert!(after.1 - before.1 < 1024, "{} KiB became {}", before.1, after.1);
}

/// A session that plays keeps nothing from changing: who seeks in it while the file grows.
#[test]
fn a_file_that_grows_is_described_anew_each_time() {
    let media = Media::new();
    let server = serve(&media.root(), "");
    let path = media.root().join("growing.mkv");
    for seconds in [1, 2, 3] {
        fs::write(&path, matroska(seconds, 100)).expect("a recording");
        let (status, description) = describe(&server, "growing.mkv");
        assert!(status == 200 && description.contains(&format!("npt=0-{seconds}.000")), "{description}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_long_raw_stream_tells_its_duration_once_it_has_been_read_in_the_background() {
    let media = Media::new();
    // 24 pictures and a megabyte of filler data (NAL unit type 12), again and again.
    let mut clip = fs::read(media.root().join("one.264")).expect("a clip");
    clip.extend([0, 0, 1, 12]);
    clip.resize(1 << 20, 0xff);
    fs::write(media.root().join("long.264"), clip.repeat(66)).expect("a recording of 66 MB");
    long_ago(&media.root());
    let server = serve(&media.root(), "");
    let begun = Instant::now();
    let mut answers = Vec::new();
    while begun.elapsed() < PATIENCE && answers.last().is_none_or(|range: &String| range.ends_with('-')) {
        let (_, description) = describe(&server, "long.264");
        let range = description.lines().find(|line| line.starts_with("a=range:")).unwrap_or_default();
        answers.push(range.to_owned());
        thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(answers.first().map(String::as_str), Some("a=range:npt=0-"), "it is too long to be read at once");
    let end = answers.last().and_then(|range| range.strip_prefix("a=range:npt=0-")?.parse::<f64>().ok());
    assert!(end.is_some_and(|end| (52.0..53.0).contains(&end)), "{answers:?}");
}
