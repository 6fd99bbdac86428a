use std::fs::File;
use std::io::{Seek, Write};
use std::time::{Duration, SystemTime};

use super::*;
use crate::media::codec::{Codec, G711Config, H264Config};

/// A container in which each byte is a sample: `K` a key frame, `P` another picture, `a` sound, 40 ms each; `.` is one
/// that is not yet whole.
struct Letters {
    letters: Vec<u8>,
    tracks: Vec<Track>,
}

fn open_letters(source: &Source, _: &Options) -> Result<Arc<dyn Recording>, Error> {
    let mut letters = vec![0; source.len()? as usize];
    source.read_exact_at(&mut letters, 0, "letters")?;
    let track = |codec| Track { codec, duration: None, shown_until: None, bitrate: None, frame_rate: None };
    let video = track(Codec::H264(H264Config::default()));
    let audio = track(Codec::Pcmu(G711Config { sample_rate: 8000, channels: 1 }));
    Ok(Arc::new(Letters { letters, tracks: vec![video, audio] }))
}

impl Recording for Letters {
    fn container(&self) -> &'static str {
        "letters"
    }

    fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    fn duration(&self) -> Option<MediaTime> {
        Some(at(self.letters.iter().filter(|letter| **letter != b'a').count()))
    }

    fn notes(&self) -> &[Note] {
        &[]
    }

    fn reader(self: Arc<Self>) -> Result<Box<dyn Reader>, Error> {
        Ok(Box::new(LettersReader { letters: self, next: 0, counts: [0, 0], wanted: [true, true] }))
    }
}

struct LettersReader {
    letters: Arc<Letters>,
    next: usize,
    counts: [usize; 2],
    wanted: [bool; 2],
}

fn at(number: usize) -> MediaTime {
    MediaTime::from_millis(number as i64 * 40)
}

impl Reader for LettersReader {
    fn select(&mut self, track: usize, wanted: bool) {
        self.wanted[track] = wanted;
    }

    fn next(&mut self, sample: &mut Sample) -> Result<Next, Error> {
        while let Some(letter) = self.letters.letters.get(self.next).copied() {
            self.next += 1;
            if letter == b'.' {
                return Ok(Next::Skipped(Error::truncated("letter", self.letters.letters.len() as u64)));
            }
            let track = usize::from(letter == b'a');
            let time = at(self.counts[track]);
            self.counts[track] += 1;
            if self.wanted[track] {
                let data = vec![letter];
                *sample = Sample { track, pts: time, dts: time, is_sync: letter != b'P', data, nals: vec![] };
                return Ok(Next::Sample);
            }
        }
        Ok(Next::End)
    }

    fn seek(&mut self, to: MediaTime, _: SeekTo) -> Result<MediaTime, Error> {
        let mut sample = Sample::default();
        let mut landed = (0, [0, 0], MediaTime::ZERO);
        (self.next, self.counts) = (0, [0, 0]);
        loop {
            let before = (self.next, self.counts);
            match self.next(&mut sample)? {
                Next::Sample if sample.data == b"K" && sample.pts <= to => landed = (before.0, before.1, sample.pts),
                Next::End => break,
                _ => {}
            }
        }
        (self.next, self.counts) = (landed.0, landed.1);
        Ok(landed.2)
    }
}

struct Recorder {
    file: File,
}

impl Recorder {
    fn new(letters: &str) -> (Self, Arc<Growing>) {
        let mut recorder = Self { file: tempfile::tempfile().unwrap() };
        recorder.write(letters);
        let source = Source::new(recorder.file.try_clone().unwrap()).growing(Duration::from_secs(1000));
        let options = Options::default();
        let first = open_letters(&source, &options).unwrap();
        let growing = Growing::new(&source, letters.len() as u64, open_letters, &options, first);
        (recorder, Arc::new(growing))
    }

    fn write(&mut self, letters: &str) {
        self.file.write_all(letters.as_bytes()).unwrap();
    }

    /// Nothing has been written for longer than anybody waits.
    fn ends(&self) {
        self.file.set_modified(SystemTime::now() - Duration::from_secs(5000)).unwrap();
    }
}

/// Letters with their numbers within the track, up to what comes then.
fn read(reader: &mut dyn Reader) -> String {
    let (mut text, mut sample) = (String::new(), Sample::default());
    loop {
        match reader.next(&mut sample).unwrap() {
            Next::Sample => {
                let number = sample.pts.as_nanos() / at(1).as_nanos();
                text += &format!("{}{number} ", sample.data[0] as char);
            }
            Next::Pending => return text + "pending",
            Next::Skipped(error) => return format!("{text}{error}"),
            Next::End => return text + "end",
        }
    }
}

#[test]
fn a_viewer_at_the_edge_goes_on_behind_the_last_sample() {
    let (mut recorder, growing) = Recorder::new("KaPaPa");
    let mut reader = Arc::clone(&growing).reader().unwrap();
    assert_eq!(read(&mut *reader), "K0 a0 P1 a1 P2 a2 pending");
    assert_eq!((read(&mut *reader), growing.duration()), ("pending".to_owned(), None));
    recorder.write("PaKaPa");
    assert_eq!(read(&mut *reader), "P3 a3 K4 a4 P5 a5 pending");
    recorder.write("P");
    recorder.ends();
    assert_eq!(read(&mut *reader), "P6 end");
    assert_eq!((read(&mut *reader), growing.duration()), ("end".to_owned(), Some(at(7))));
}

#[test]
fn a_sample_that_is_not_yet_whole_is_waited_for_unless_it_stays_so() {
    let (recorder, growing) = Recorder::new("KP.");
    let mut reader = Arc::clone(&growing).reader().unwrap();
    assert_eq!(read(&mut *reader), "K0 P1 pending");
    let (other, growing) = Recorder::new("KP.");
    let mut whole = Arc::clone(&growing).reader().unwrap();
    recorder.ends();
    assert_eq!(read(&mut *reader), "end", "what was told once is not told again");
    other.ends();
    assert_eq!(read(&mut *whole), "K0 P1 letter is cut off at byte 3");
}

#[test]
fn a_seek_sees_what_was_added_and_tracks_that_nobody_wants_stay_away() {
    let (mut recorder, growing) = Recorder::new("KaPa");
    let mut reader = Arc::clone(&growing).reader().unwrap();
    reader.select(1, false);
    assert_eq!(read(&mut *reader), "K0 P1 pending");
    recorder.write("PaPaKaPa");
    assert_eq!(reader.seek(at(5), SeekTo::SyncAtOrBefore).unwrap(), at(4));
    assert_eq!(read(&mut *reader), "K4 P5 pending");
    recorder.write("PaKaPa");
    assert_eq!(read(&mut *reader), "P6 K7 P8 pending");
    // Sought at the edge, where nothing is behind it yet.
    reader.select(1, true);
    assert_eq!(reader.seek(at(100), SeekTo::SyncAtOrBefore).unwrap(), at(7));
    assert_eq!(read(&mut *reader), "K7 a7 P8 a8 pending");
}

#[test]
fn a_file_that_makes_no_sense_for_a_moment_is_waited_for() {
    let (mut recorder, growing) = Recorder::new("KP");
    let mut reader = Arc::clone(&growing).reader().unwrap();
    assert_eq!(read(&mut *reader), "K0 P1 pending");
    recorder.file.set_len(1).unwrap();
    assert_eq!(read(&mut *reader), "pending");
    recorder.file.set_len(0).unwrap();
    recorder.file.rewind().unwrap();
    recorder.write("KPPP");
    assert_eq!(read(&mut *reader), "P2 P3 pending");
}
