//! GStreamer as a viewer who seeks, at every rate, in the same pipeline. `seeks.py` is that viewer; where Python cannot
//! import GStreamer (`python3-gi` on Debian), there is no test.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::clips::{Clip, by_name, shelf};
use super::common::{Server, run};

/// How long all seeks together may take.
const LIMIT: Duration = Duration::from_secs(60);
/// How far a time may be off.
const TOLERANCE_NANOS: f64 = 1.5e6;
const SECOND: f64 = 1e9;

/// A seek, and what must be seen then.
struct Seek {
    /// As `seeks.py` takes it.
    what: &'static str,
    /// Seconds of recording that pass in one of GStreamer's stream time. It knows the start of each segment; and takes
    /// a Speed into account, but not a Scale.
    scale: f64,
    /// The time of the first picture, in seconds.
    first: f64,
    at_least: usize,
}

const FORWARDS: &[Seek] = &[
    Seek { what: "1::7.3::1.5", scale: 1.0, first: 7.0, at_least: 20 },
    // Speed.
    Seek { what: "2::4::1.5", scale: 1.0, first: 4.0, at_least: 45 },
    Seek { what: "0.5::5::1.5", scale: 1.0, first: 5.0, at_least: 10 },
    // Scale: all pictures, and key frames.
    Seek { what: "2:T:3::1.5", scale: 2.0, first: 3.0, at_least: 45 },
    Seek { what: "6:TK:2::1.5", scale: 6.0, first: 2.0, at_least: 5 },
    // And on as if nothing had been.
    Seek { what: "1::1.5::1.5", scale: 1.0, first: 1.0, at_least: 20 },
];

/// Once it has been told an end, and backwards there is one, GStreamer 1.22 keeps it for whatever it plays next, and
/// takes sound that does not begin with the very timestamp in RTP-Info to have reached it. So these come last.
const BACKWARDS: &[Seek] = &[
    // Scale -1, with a Speed, and faster.
    Seek { what: "-1::0:10:3.5", scale: -1.0, first: 10.0, at_least: 2 },
    Seek { what: "-3::0:9:1.5", scale: -1.0, first: 9.0, at_least: 3 },
    Seek { what: "-4:T:0:11:1.5", scale: -4.0, first: 11.0, at_least: 4 },
];

#[test]
fn gstreamer_shows_what_it_asked_for_forwards() {
    seek_all(FORWARDS);
}

#[test]
fn gstreamer_shows_what_it_asked_for_backwards() {
    seek_all(BACKWARDS);
}

fn seek_all(seeks: &[Seek]) {
    let Some(mut viewer) = viewer() else {
        eprintln!("not tested: no Python with GStreamer");
        return;
    };
    let clip = by_name("twelve_seconds.mp4");
    let server = Server::start(&shelf().folder);
    let ran = run(viewer.arg(server.url(clip.name)).args(seeks.iter().map(|seek| seek.what)), LIMIT);
    ran.expect_success("seeks.py").unwrap_or_else(|error| panic!("{error}"));
    let mut failures = Vec::new();
    for (index, seek) in seeks.iter().enumerate() {
        let shown: Vec<Shown<'_>> = ran.stdout.lines().filter_map(|line| Shown::parse(line, index + 1)).collect();
        if let Err(failure) = check(clip, seek, &shown) {
            failures.push(format!("{}: {failure}", seek.what));
        }
    }
    assert!(failures.is_empty(), "{}\n{}\n{}", failures.join("\n"), ran.complaint(), server.log_about(clip.name));
}

/// A Python that knows GStreamer, about to run `seeks.py`. That of the system knows it rather than another.
fn viewer() -> Option<Command> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/seeks.py");
    let knows = |python: &&str| {
        let import = "import gi; gi.require_version('Gst', '1.0'); from gi.repository import Gst";
        Command::new(python).args(["-c", import]).output().is_ok_and(|output| output.status.success())
    };
    let python = ["/usr/bin/python3", "python3"].into_iter().find(knows)?;
    let mut command = Command::new(python);
    command.arg(script);
    Some(command)
}

/// A picture that GStreamer has shown.
struct Shown<'a> {
    hash: &'a str,
    /// Seconds from the start of its segment.
    since_start: f64,
}

impl<'a> Shown<'a> {
    fn parse(line: &'a str, seek: usize) -> Option<Self> {
        let mut words = line.split(' ');
        if words.next()?.parse() != Ok(seek) {
            return None;
        }
        let (hash, time, start) = (words.next()?, words.next()?, words.next()?);
        let (time, start) = (time.parse::<f64>().ok()?, start.parse::<f64>().ok()?);
        Some(Self { hash, since_start: (time - start) / SECOND })
    }
}

fn check(clip: &Clip, seek: &Seek, shown: &[Shown<'_>]) -> Result<(), String> {
    if shown.len() < seek.at_least {
        return Err(format!("{} pictures were shown", shown.len()));
    }
    let expected = &shelf().expected(clip).video;
    for (index, picture) in shown.iter().enumerate() {
        let counted = seek.first + picture.since_start * seek.scale;
        let times = expected.iter().filter(|frame| frame.hash == picture.hash).filter_map(|frame| frame.pts);
        let mut apart = times.map(|time| (time as f64 - counted * SECOND).abs());
        if !apart.any(|apart| apart <= TOLERANCE_NANOS * seek.scale.abs()) {
            return Err(format!("picture {index} is taken for that of {counted:.3} s, and is not"));
        }
    }
    Ok(())
}
