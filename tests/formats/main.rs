//! Every codec in every container of the README's table: it is read as ffprobe reads it, every seek lands on the right
//! sample and goes on as if the file had been read up to there, and a server fast-forwards it and plays it backwards.
//!
//! The files are in `files`. What clients see of them is `tests/interop`'s business.

#[allow(dead_code)] // a part of it is used here
#[path = "../conversations/client.rs"]
mod client;
mod clients;
#[path = "../common/mod.rs"]
mod common;
mod dav;
mod files;
mod growing;
mod probed;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use camreel::media::container::{self, Options};
use camreel::media::io::Source;
use camreel::media::{CONTAINERS, Kind, Next, Reader, Recording, Sample, SeekTo};
use camreel::rtp::{PayloadOptions, payloader_for};
use camreel::time::MediaTime;
use client::Client;
use common::{Server, for_all, run};
use files::{ELSEWHERE, FILES, File, Like};

/// How many files are made or played at the same time.
const AT_ONCE: usize = 8;
/// How long ffmpeg may take for one of them.
const LIMIT: Duration = Duration::from_secs(120);
/// How far sound may start from the time asked for.
const SOUND_TOLERANCE: MediaTime = MediaTime::from_millis(130);

#[test]
fn files_are_read_as_ffprobe_reads_them() {
    for_each_file(|file| {
        let path = made(file)?;
        let (recording, scan) = read_through(file, &path)?;
        let told: BTreeSet<&str> = recording.tracks().iter().map(|track| track.codec.name()).collect();
        let expected: BTreeSet<&str> = file.holds.iter().copied().collect();
        check(told == expected, || format!("it holds {told:?}"))?;
        check(recording.container() == file.container, || format!("it is called {}", recording.container()))?;
        for track in recording.tracks() {
            payloader_for(&track.codec, &PayloadOptions::default())?;
        }
        probed::compare(file, &path, &recording, &scan)?;
        let duration = recording.duration().ok_or("its duration is not known")?;
        let end = scan.iter().map(|sample| sample.pts).max().unwrap_or_default();
        let apart = (duration - end).as_secs_f64();
        check((-0.05..0.6).contains(&apart), || format!("it lasts {duration} s, and ends with {end} s"))
    });
}

#[test]
fn seeks_land_where_they_should_and_go_on_from_there() {
    for_each_file(|file| {
        let path = made(file)?;
        let (recording, scan) = read_through(file, &path)?;
        let tracks = recording.tracks();
        let by = (0..tracks.len()).find(|track| tracks[*track].kind() == Kind::Video).unwrap_or(0);
        let is_video = tracks[by].kind() == Kind::Video;
        let own: Vec<&Read> = scan.iter().filter(|sample| sample.track == by).collect();
        let end = own.iter().map(|sample| sample.pts).max().unwrap_or_default();
        let mut reader = Arc::clone(&recording).reader().map_err(|error| error.to_string())?;
        // Back and forth, so that no seek depends on where the one before has led.
        for part in [0.5, 0.1, 0.93, 0.0, 0.37, 0.74, 1.5] {
            let to = end.times(part);
            let landed = reader.seek(to, SeekTo::SyncAtOrBefore).map_err(|error| error.to_string())?;
            let syncs = own.iter().filter(|sample| sample.is_sync).map(|sample| sample.pts);
            // Before the first key frame it is the start of the recording, whichever track that has.
            let is_start = to <= own[0].pts || to <= MediaTime::ZERO;
            let from = if is_start {
                scan.iter().map(|sample| sample.pts).min()
            } else {
                syncs.filter(|pts| *pts <= to).max()
            };
            let right = from.unwrap_or_default().max(MediaTime::ZERO);
            let apart = to.min(end) - landed;
            let is_near = apart <= SOUND_TOLERANCE && -apart <= SOUND_TOLERANCE;
            let is_right = landed == right || !is_video && is_near;
            check(is_right, || format!("a seek to {to} s lands at {landed} s, not at {right} s"))?;
            // Sound that may be cut anywhere is cut elsewhere then.
            if file.like != Like::Bytes {
                goes_on(&mut *reader, by, landed, &own).map_err(|error| format!("after a seek to {to} s: {error}"))?;
            }
        }
        Ok(())
    });
}

/// Whether what comes after a seek is what came there before.
fn goes_on(reader: &mut dyn Reader, by: usize, landed: MediaTime, own: &[&Read]) -> Result<(), String> {
    let first = own.iter().position(|sample| sample.is_sync && sample.pts.max(MediaTime::ZERO) >= landed);
    let mut expected = own[first.unwrap_or(own.len() - 1)..].iter();
    let mut sample = Sample::default();
    let mut count = 0;
    loop {
        sample.clear();
        match reader.next(&mut sample).map_err(|error| error.to_string())? {
            Next::Sample if sample.track == by => {
                let read = Read::of(&sample);
                let expected = expected.next().ok_or("there is more than before")?;
                check(read == **expected, || format!("sample {count} is {read:?}, not {expected:?}"))?;
                count += 1;
            }
            Next::Sample => {
                let early = landed - sample.pts;
                check(early <= SOUND_TOLERANCE, || format!("track {} begins {early} s early", sample.track))?;
            }
            Next::End if expected.next().is_none() => return Ok(()),
            other => return Err(format!("{other:?} after {count} samples")),
        }
    }
}

#[test]
fn all_video_is_fast_forwarded_and_played_backwards() {
    let server = Server::start(&folder());
    for_each_file(|file| {
        let path = made(file)?;
        let (recording, _) = read_through(file, &path)?;
        let is_video = |track: usize| recording.tracks()[track].kind() == Kind::Video;
        let Some(track) = (0..recording.tracks().len()).find(|track| is_video(*track)) else { return Ok(()) };
        let url = server.url(file.name);
        let mut client = Client::connect(server.address());
        let session = client.set_up(&url, track, None).ok().session();
        for (scale, range) in [("8.0", "npt=0-"), ("-8.0", "npt=3.5-0")] {
            let headers = [format!("Session: {session}"), format!("Scale: {scale}"), format!("Range: {range}")];
            let play = client.request("PLAY", &url, &headers.each_ref().map(String::as_str)).ok();
            check(play.header("Scale") == Some(scale), || format!("Scale {scale} was not granted: {play:?}"))?;
            let mut packets = 0;
            client.frame_that("a goodbye", |frame| {
                packets += usize::from(frame.channel == 0);
                frame.channel == 1 && client::is_bye(&frame.data)
            });
            check(packets > 1, || format!("{packets} packets came at Scale {scale}"))?;
        }
        Ok(())
    });
}

#[test]
fn the_table_of_the_readme_is_what_is_tested() {
    let mut tested: BTreeSet<(String, String)> = BTreeSet::new();
    for file in FILES {
        tested.extend(file.holds.iter().map(|codec| ((*codec).to_owned(), file.container.to_owned())));
    }
    for (codec, container, test) in ELSEWHERE {
        let (path, name) = test.split_once(": ").expect("a file and words in it");
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("a file with tests");
        assert!(text.contains(name), "{path} does not say {name:?}, which is to show {codec} in {container}");
        tested.insert(((*codec).to_owned(), (*container).to_owned()));
    }
    let known: BTreeSet<String> = CONTAINERS.iter().map(|container| container.name.to_owned()).collect();
    let unknown: Vec<_> = tested.iter().filter(|(_, container)| !known.contains(container)).collect();
    assert!(unknown.is_empty(), "{unknown:?} are in no container");
    let told = told();
    let only_told: Vec<_> = told.difference(&tested).collect();
    let only_tested: Vec<_> = tested.difference(&told).collect();
    assert!(only_told.is_empty() && only_tested.is_empty(), "told only: {only_told:?}\ntested only: {only_tested:?}");
}

/// Codec and container of each cell that says so. The last column but one names containers that hold nothing else.
fn told() -> BTreeSet<(String, String)> {
    let readme = include_str!("../../README.md");
    let mut lines = readme.lines().skip_while(|line| !line.starts_with("| codec |")).map(cells);
    let head = lines.next().expect("a table of codecs");
    let mut told = BTreeSet::new();
    for row in lines.skip(1).take_while(|row| row.len() == head.len()) {
        for (column, cell) in head.iter().zip(&row).skip(1).take(head.len() - 2) {
            match (*column, *cell) {
                ("alone", names) => {
                    let names = names.split(", ").filter(|name| !name.is_empty());
                    told.extend(names.map(|name| (row[0].to_owned(), name.to_owned())));
                }
                (container, "yes") => drop(told.insert((row[0].to_owned(), container.to_owned()))),
                (_, "") => {}
                (container, other) => panic!("{other:?} is said of {} in {container}", row[0]),
            }
        }
    }
    told
}

fn cells(line: &'static str) -> Vec<&'static str> {
    line.trim_matches('|').split('|').map(str::trim).collect()
}

/// What is compared of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read {
    track: usize,
    pts: MediaTime,
    dts: MediaTime,
    is_sync: bool,
    len: usize,
    /// Of the bytes.
    sum: u64,
}

impl Read {
    fn of(sample: &Sample) -> Self {
        let Sample { track, pts, dts, is_sync, ref data, .. } = *sample;
        let sum = data.iter().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
        Self { track, pts, dts, is_sync, len: data.len(), sum }
    }
}

/// Opens a file and reads it from end to end; nothing in it is damaged.
fn read_through(file: &File, path: &Path) -> Result<(Arc<dyn Recording>, Vec<Read>), String> {
    let source = Source::new(fs::File::open(path).map_err(|error| error.to_string())?);
    let recording = container::open(&source, file.name, &Options::default()).map_err(|error| error.to_string())?;
    let mut reader = Arc::clone(&recording).reader().map_err(|error| error.to_string())?;
    let (mut scan, mut sample) = (Vec::new(), Sample::default());
    loop {
        sample.clear();
        match reader.next(&mut sample).map_err(|error| error.to_string())? {
            Next::Sample => scan.push(Read::of(&sample)),
            Next::End => break,
            other => return Err(format!("{other:?} after {} samples", scan.len())),
        }
    }
    check(!scan.is_empty(), || "nothing is in it".to_owned())?;
    Ok((recording, scan))
}

fn check(is_right: bool, complaint: impl FnOnce() -> String) -> Result<(), String> {
    if is_right { Ok(()) } else { Err(complaint()) }
}

/// Checks every file, several at the same time; failures tell the file's name.
fn for_each_file(check: impl Fn(&File) -> Result<(), String> + Sync) {
    for_all(FILES, AT_ONCE, |file| check(file).map_err(|error| format!("{}: {error}", file.name)));
}

/// Where the files are: a media root.
fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("formats");
    fs::create_dir_all(&folder).expect("a folder for the files");
    folder
}

/// The path of a file, which is made unless it stands there already, made by the same line.
fn made(file: &File) -> Result<PathBuf, String> {
    let folder = folder();
    let line = file.line();
    let (target, made_by) = (folder.join(file.name), folder.join(format!(".{}.args", file.name)));
    if target.exists() && fs::read_to_string(&made_by).is_ok_and(|old| old == line) {
        return Ok(target);
    }
    // Tests run side by side, and each may be the first.
    let number = std::process::id() as usize ^ std::ptr::from_ref(&line).addr();
    let new = folder.join(format!(".new{number}.{}", file.name));
    match file.recorder() {
        Some(recorder) => dav::make(&line, recorder, &new)?,
        None => {
            let mut command = std::process::Command::new("ffmpeg");
            command.args(["-nostdin", "-v", "error", "-y"]).args(line.split_whitespace()).arg(&new);
            run(&mut command, LIMIT).expect_success(&format!("making {}", file.name))?;
        }
    }
    fs::rename(&new, &target)
        .and_then(|()| fs::write(&made_by, line))
        .map_err(|error| format!("{target:?}: {error}"))?;
    // What was just written might still grow.
    let yesterday = SystemTime::now() - Duration::from_secs(86_400);
    let file = fs::File::options().append(true).open(&target).map_err(|error| error.to_string())?;
    file.set_modified(yesterday).map_err(|error| error.to_string())?;
    Ok(target)
}
