use super::*;
use crate::media::Codec;
use crate::media::codec::{G711Config, H264Config};

fn ms(millis: i64) -> MediaTime {
    MediaTime::from_millis(millis)
}

/// (track, pts, dts, key), times in milliseconds.
type Entry = (usize, i64, i64, bool);

/// Video is track 0, audio track 1.
struct Fake {
    tracks: Vec<Track>,
    entries: Vec<Entry>,
}

struct FakeReader {
    fake: Arc<Fake>,
    next: usize,
    wanted: [bool; 2],
}

impl Fake {
    fn new(mut entries: Vec<Entry>) -> Self {
        entries.sort_by_key(|(_, _, dts, _)| *dts);
        let track = |codec| Track { codec, duration: None, shown_until: None, bitrate: None, frame_rate: None };
        let video = track(Codec::H264(H264Config::default()));
        let audio = track(Codec::Pcmu(G711Config { sample_rate: 8000, channels: 1 }));
        Self { tracks: vec![video, audio], entries }
    }
}

impl Recording for Fake {
    fn container(&self) -> &'static str {
        "fake"
    }

    fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    fn duration(&self) -> Option<MediaTime> {
        None
    }

    fn notes(&self) -> &[Note] {
        &[]
    }

    fn reader(self: Arc<Self>) -> Result<Box<dyn Reader>, Error> {
        Ok(Box::new(FakeReader { fake: self, next: 0, wanted: [true; 2] }))
    }
}

impl Reader for FakeReader {
    fn select(&mut self, track: usize, wanted: bool) {
        self.wanted[track] = wanted;
    }

    fn next(&mut self, sample: &mut Sample) -> Result<Next, Error> {
        while let Some((track, pts, dts, is_sync)) = self.fake.entries.get(self.next).copied() {
            self.next += 1;
            if self.wanted[track] {
                *sample = Sample { track, pts: ms(pts), dts: ms(dts), is_sync, ..Sample::default() };
                return Ok(Next::Sample);
            }
        }
        Ok(Next::End)
    }

    fn seek(&mut self, to: MediaTime, how: SeekTo) -> Result<MediaTime, Error> {
        assert_eq!(how, SeekTo::SyncAtOrBefore);
        let mut keys =
            self.fake.entries.iter().enumerate().filter(|(_, (track, _, _, is_sync))| *track == 0 && *is_sync);
        let key = keys.rfind(|(_, (_, pts, _, _))| ms(*pts) <= to && to > MediaTime::ZERO);
        self.next = key.map_or(0, |(index, _)| index);
        Ok(key.map_or(MediaTime::ZERO, |(_, (_, pts, _, _))| ms(*pts)))
    }
}

/// Track, pts and dts in milliseconds.
fn read(reader: &mut dyn Reader, count: usize) -> Vec<(usize, i64, i64)> {
    let mut sample = Sample::default();
    let millis = |time: MediaTime| time.as_nanos() / 1_000_000;
    let mut next = || match reader.next(&mut sample) {
        Ok(Next::Sample) => Some((sample.track, millis(sample.pts), millis(sample.dts))),
        _ => None,
    };
    (0..count).map_while(|_| next()).collect()
}

fn looped(fake: Fake) -> Arc<Looped> {
    Arc::new(Looped::new(Arc::new(fake)).unwrap_or_else(|error| panic!("{error}")))
}

/// Pictures from `first` on every 40 ms, a key frame each `group`.
fn pictures(first: i64, count: i64, group: i64) -> Vec<Entry> {
    (0..count).map(|number| (0, first + number * 40, first + number * 40, number % group == 0)).collect()
}

fn sound(first: i64, count: i64) -> Vec<Entry> {
    (0..count).map(|number| (1, first + number * 20, first + number * 20, true)).collect()
}

#[test]
fn the_next_lap_begins_when_the_last_sample_is_over() {
    let looped = looped(Fake::new(pictures(0, 5, 5)));
    assert_eq!((looped.duration(), looped.lap), (None, ms(200)));
    let mut reader = looped.reader().unwrap();
    let times: Vec<i64> = read(&mut *reader, 12).into_iter().map(|(_, pts, _)| pts).collect();
    assert_eq!(times, (0..12).map(|number| number * 40).collect::<Vec<_>>());
}

#[test]
fn sound_and_picture_begin_each_lap_together_whichever_lasts_longer() {
    for (picture_count, sound_count, lap) in [(5, 10, 200), (5, 12, 240), (6, 10, 240)] {
        let looped = looped(Fake::new([pictures(0, picture_count, 5), sound(0, sound_count)].concat()));
        assert_eq!(looped.lap, ms(lap), "{picture_count} pictures, {sound_count} pieces of sound");
        let mut reader = looped.reader().unwrap();
        let all = read(&mut *reader, 3 * (picture_count + sound_count) as usize);
        for track in 0..2 {
            let starts = [0, lap, 2 * lap];
            let found = starts.map(|start| all.iter().any(|(of, pts, _)| (*of, *pts) == (track, start)));
            assert_eq!(found, [true; 3], "track {track} of {all:?}");
        }
    }
}

#[test]
fn times_never_go_back_whatever_comes_before_time_zero() {
    // Two pictures before time 0, decoded ahead of their turn, and priming samples of the sound.
    let reordered: Vec<Entry> = (0..12)
        .map(|number| {
            (0, [-80, 40, -40, 0][number % 4] + number as i64 / 4 * 160, number as i64 * 40 - 120, number % 4 == 0)
        })
        .collect();
    let looped = looped(Fake::new([reordered, sound(-40, 24)].concat()));
    let mut reader = looped.reader().unwrap();
    let all = read(&mut *reader, 200);
    assert_eq!(all.len(), 200);
    for track in 0..2 {
        let times: Vec<i64> = all.iter().filter(|(of, _, _)| *of == track).map(|(_, _, dts)| *dts).collect();
        assert!(times.is_sorted_by(|a, b| a < b), "track {track}: {times:?}");
        let mut shown: Vec<i64> = all.iter().filter(|(of, _, _)| *of == track).map(|(_, pts, _)| *pts).collect();
        shown.sort_unstable();
        assert!(shown.is_sorted_by(|a, b| a < b), "track {track}: {shown:?}");
    }
    let priming = all.iter().filter(|(track, pts, _)| (*track, *pts < 0) == (1, true)).count();
    assert_eq!(priming, 2, "only the first lap has priming samples: {all:?}");
}

#[test]
fn what_an_edit_list_cuts_off_is_in_no_lap() {
    let mut fake = Fake::new([pictures(0, 10, 5), sound(0, 20)].concat());
    fake.tracks.iter_mut().for_each(|track| track.shown_until = Some(ms(320)));
    let looped = looped(fake);
    assert_eq!(looped.lap, ms(320));
    assert!(looped.tracks().iter().all(|track| track.shown_until.is_none()));
    let mut reader = looped.reader().unwrap();
    let all = read(&mut *reader, 48);
    let expected: Vec<i64> = (0..16).map(|number| number * 40).collect();
    let times: Vec<i64> = all.iter().filter(|(track, _, _)| *track == 0).map(|(_, pts, _)| *pts).collect();
    assert_eq!(times, expected);
}

#[test]
fn seeking_finds_the_key_frame_of_the_right_lap() {
    let looped = looped(Fake::new(pictures(0, 10, 5)));
    let mut reader = looped.reader().unwrap();
    for (to, start) in
        [(0, 0), (250, 200), (399, 200), (400, 400), (1000, 1000), (1199, 1000), (-5, 0), (3_600_250, 3_600_200)]
    {
        assert_eq!(reader.seek(ms(to), SeekTo::SyncAtOrBefore).unwrap(), ms(start), "{to}");
        assert_eq!(read(&mut *reader, 2), [(0, start, start), (0, start + 40, start + 40)], "{to}");
    }
}

/// Whoever plays backwards from the end asks for it.
#[test]
fn the_end_of_what_has_none_is_that_of_the_first_lap() {
    let mut reader = looped(Fake::new(pictures(0, 10, 5))).reader().unwrap();
    assert_eq!(reader.seek(MediaTime::MAX, SeekTo::SyncAtOrBefore).unwrap(), ms(200));
    assert_eq!(read(&mut *reader, 1), [(0, 200, 200)]);
}

#[test]
fn a_loop_of_nothing_is_refused_and_a_track_that_is_empty_ends() {
    assert!(Looped::new(Arc::new(Fake::new(Vec::new()))).is_err());
    let mut reader = looped(Fake::new(pictures(0, 5, 5))).reader().unwrap();
    reader.select(0, false);
    let mut sample = Sample::default();
    assert!(matches!(reader.next(&mut sample), Ok(Next::End)));
}

/// Matroska has no decode times, and where they are guessed two pictures may have the same.
#[test]
fn samples_with_the_same_decode_time_all_stay() {
    let looped = looped(Fake::new(vec![(0, 0, 0, true), (0, 80, 0, false), (0, 40, 40, false), (0, 120, 120, false)]));
    let mut reader = looped.reader().unwrap();
    let shown: Vec<i64> = read(&mut *reader, 12).into_iter().map(|(_, pts, _)| pts).collect();
    assert_eq!(shown, [0, 80, 40, 120, 200, 280, 240, 320, 400, 480, 440, 520]);
}

#[test]
fn a_file_that_grew_since_it_was_measured_does_not_turn_back_time() {
    let inner: Arc<dyn Recording> = Arc::new(Fake::new(pictures(0, 10, 5)));
    let tracks = inner.tracks().to_vec();
    let looped = Arc::new(Looped { inner, tracks, lap: ms(200) });
    let mut reader = looped.reader().unwrap();
    let times: Vec<i64> = read(&mut *reader, 30).into_iter().map(|(_, _, dts)| dts).collect();
    assert!(times.is_sorted_by(|a, b| a < b), "{times:?}");
}
