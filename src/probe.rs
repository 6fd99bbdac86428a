//! `camreel probe`: what would be served for a file, in words, and what is wrong with it and where.

use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::media::container::{self, Options};
use crate::media::io::Source;
use crate::media::{self, Codec, Next, Recording, Sample, Track};
use crate::rtp::{PayloadOptions, payloader_for};
use crate::rtsp::Url;
use crate::server::describe;
use crate::time::MediaTime;

/// The most damaged places that are listed of one file.
const DAMAGE_COUNT_MAX: usize = 20;
/// An origin that only shows where the host's name would stand.
const ORIGIN: &str = "rtsp://HOST";

/// Writes what would be served for each file to `out`. True when each has something that can be.
///
/// # Errors
/// When `out` takes nothing more.
pub fn run(files: &[PathBuf], out: &mut impl io::Write) -> io::Result<bool> {
    let mut all_good = true;
    for path in files {
        match probe(path) {
            Ok(report) => writeln!(out, "{report}")?,
            Err(error) => {
                all_good = false;
                writeln!(out, "{}\n  cannot be served: {error}\n", path.display())?;
            }
        }
    }
    Ok(all_good)
}

/// The report on one file.
fn probe(path: &Path) -> Result<String, media::Error> {
    let file = File::open(path).map_err(|source| media::Error::Io { what: "the file", source })?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let recording = container::open(&Source::new(file), &name, &Options::default())?;
    let found = Survey::of(&recording)?;
    let mut report = format!("{}\n", path.display());
    line(&mut report, "container", recording.container());
    let duration = recording.duration().map_or("not known".to_owned(), |duration| format!("{duration} s"));
    line(&mut report, "duration", &duration);
    for (number, track) in recording.tracks().iter().enumerate() {
        line(&mut report, &format!("track {number}"), &describe_track(track, &found.tracks[number]));
    }
    for note in recording.notes() {
        line(&mut report, "note", &note.to_string());
    }
    for damage in &found.damage {
        line(&mut report, "damage", damage);
    }
    report += "  SDP\n";
    let url = Url::parse(&format!("/{name}")).map_err(|error| media::Error::Unsupported(error.to_string()))?;
    let description =
        describe(&*recording, &PayloadOptions::default(), &url, ORIGIN, IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    for text in description.to_string().lines() {
        let _ = writeln!(report, "    {text}");
    }
    Ok(report)
}

fn line(report: &mut String, name: &str, text: &str) {
    let _ = writeln!(report, "  {name:<10} {text}");
}

fn describe_track(track: &Track, survey: &TrackSurvey) -> String {
    let mut text = format!("{} {}", track.kind(), track.codec.name());
    if let Some((width, height)) = track.codec.picture_size() {
        let _ = write!(text, " {width}x{height}");
    }
    if let Codec::Pcm(config) = &track.codec {
        let _ = write!(text, " {:?}", config.format);
    }
    if let Some((rate, channels)) = track.codec.sound() {
        let _ = write!(text, " {rate} Hz, {channels} channels");
    }
    if let Some(rate) = track.frame_rate {
        let _ = write!(text, ", {rate:.3} pictures/s");
    }
    let _ = write!(text, ", {} samples", survey.count);
    if let (Some(first), Some(last)) = (survey.first, survey.last) {
        let _ = write!(text, " from {first} s to {last} s, {} bytes", survey.bytes);
        let span = (last - first).as_secs_f64();
        if span > 0.0 {
            let _ = write!(text, " ({:.0} kbit/s)", survey.bytes as f64 * 8.0 / 1000.0 / span);
        }
    }
    if survey.key_count > 1 && survey.key_count < survey.count {
        let average = survey.key_spacing_sum.as_secs_f64() / (survey.key_count - 1) as f64;
        let _ = write!(text, ", key frames every {average:.3} s (at most {} s)", survey.key_spacing_max);
    } else if survey.key_count == 1 && survey.count > 1 {
        text += ", one key frame";
    }
    if let Err(reason) = payloader_for(&track.codec, &PayloadOptions::default()) {
        let _ = write!(text, "; left out: {reason}");
    }
    text
}

/// What reading a file from end to end shows.
#[derive(Default)]
struct Survey {
    tracks: Vec<TrackSurvey>,
    damage: Vec<String>,
}

#[derive(Default, Clone)]
struct TrackSurvey {
    count: u64,
    bytes: u64,
    first: Option<MediaTime>,
    last: Option<MediaTime>,
    key_count: u64,
    last_key: Option<MediaTime>,
    key_spacing_sum: MediaTime,
    key_spacing_max: MediaTime,
}

impl Survey {
    fn of(recording: &Arc<dyn Recording>) -> Result<Self, media::Error> {
        let mut survey = Self { tracks: vec![TrackSurvey::default(); recording.tracks().len()], damage: Vec::new() };
        let mut reader = Arc::clone(recording).reader()?;
        let mut sample = Sample::default();
        loop {
            match reader.next(&mut sample) {
                Ok(Next::Sample) => survey.tracks[sample.track].add(&sample),
                Ok(Next::Skipped(error)) => survey.note_damage(&error),
                Ok(Next::End | Next::Pending) => return Ok(survey),
                Err(error) => {
                    survey.note_damage(&error);
                    return Ok(survey);
                }
            }
        }
    }

    fn note_damage(&mut self, error: &media::Error) {
        match self.damage.len() {
            count if count < DAMAGE_COUNT_MAX => self.damage.push(error.to_string()),
            count if count == DAMAGE_COUNT_MAX => self.damage.push("and more".to_owned()),
            _ => {}
        }
    }
}

impl TrackSurvey {
    fn add(&mut self, sample: &Sample) {
        self.count += 1;
        self.bytes += sample.data.len() as u64;
        self.first = Some(self.first.map_or(sample.pts, |first| first.min(sample.pts)));
        self.last = self.last.max(Some(sample.pts));
        if sample.is_sync {
            self.key_count += 1;
            if let Some(last) = self.last_key.replace(sample.pts) {
                self.key_spacing_sum += sample.pts - last;
                self.key_spacing_max = self.key_spacing_max.max(sample.pts - last);
            }
        }
    }
}
