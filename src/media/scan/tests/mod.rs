mod fake;
mod raw;

use std::sync::Arc;

use proptest::prelude::*;

use super::Timing;
use super::index::Table;
use crate::media::{Kind, Next, Progress, Recording, SeekTo};
use fake::{Fake, Record, Viewer, ms, picture, sound};

/// Pictures at 25 a second, a key frame each second, and sound each 20 ms that is stored `late` milliseconds behind the
/// pictures it goes with; negative: before them. For so many seconds.
fn recording(seconds: i64, late: i64, timing: Timing) -> Fake {
    let pictures = (0..25 * seconds).map(|number| (40 * number, picture(40 * number, number % 25 == 0)));
    let sounds = (0..50 * seconds).map(|number| (20 * number + late, sound(1, 20 * number)));
    let mut records: Vec<(i64, Record)> = pictures.chain(sounds).collect();
    records.sort_by_key(|(stored, _)| *stored);
    Fake::new(true, 1, timing, records.into_iter().map(|(_, record)| record).collect())
}

/// What a reader of these tracks should give after a seek, by a look at all records: where it lands, and of each track
/// the records.
fn expected(fake: &Fake, tracks: &[usize], to: i64, how: SeekTo) -> (i64, Vec<Vec<usize>>) {
    let kind = |track: usize| fake.header.tracks[track].kind();
    let by = tracks.iter().copied().find(|track| kind(*track) == Kind::Video).unwrap_or(tracks[0]);
    let is_start = |record: &Record| kind(record.track) != Kind::Video || record.is_sync;
    let starts: Vec<i64> = fake
        .records()
        .iter()
        .filter(|record| record.track == by && is_start(record))
        .map(|record| record.pts)
        .collect();
    let before = starts.iter().copied().filter(|start| *start <= to).max().filter(|_| to > 0);
    let after = starts.iter().copied().filter(|start| *start >= to).min().filter(|_| how == SeekTo::SyncAtOrAfter);
    let of_track = |track: &usize, from: Option<i64>| -> Vec<usize> {
        let all = fake.records().iter().enumerate().filter(|(_, record)| record.track == *track);
        all.skip_while(|(_, record)| from.is_some_and(|from| !is_start(record) || record.pts < from))
            .map(|(number, _)| number)
            .collect()
    };
    let landed = before.map(|before| after.unwrap_or(before));
    let first_of = |track: &usize| fake.records().iter().find(|record| record.track == *track).map(|record| record.pts);
    let first = tracks.iter().filter_map(first_of).min().unwrap_or(0);
    (landed.unwrap_or(first.max(0)), tracks.iter().map(|track| of_track(track, landed)).collect())
}

fn by_track(fake: &Fake, tracks: &[usize], numbers: &[usize]) -> Vec<Vec<usize>> {
    let of = |track: &usize| numbers.iter().copied().filter(|number| fake.records()[*number].track == *track).collect();
    tracks.iter().map(of).collect()
}

#[track_caller]
fn check_seek(fake: &Fake, viewer: &mut Viewer, tracks: &[usize], to: i64, how: SeekTo) {
    let (time, samples) = expected(fake, tracks, to, how);
    assert_eq!(viewer.seek(to, how), time, "seek of {tracks:?} to {to} {how:?}");
    let rest = viewer.rest();
    let rest = by_track(fake, tracks, &rest);
    let ends = |numbers: &Vec<usize>| (numbers.len(), numbers.first().copied(), numbers.last().copied());
    let all_ends = |all: &[Vec<usize>]| all.iter().map(ends).collect::<Vec<_>>();
    assert_eq!(all_ends(&rest), all_ends(&samples), "samples of {tracks:?} after a seek to {to} {how:?}");
    assert!(rest == samples, "order of samples of {tracks:?} after a seek to {to} {how:?}");
}

const HOW: [SeekTo; 2] = [SeekTo::SyncAtOrBefore, SeekTo::SyncAtOrAfter];

#[test]
fn samples_come_by_decode_time_though_sound_is_stored_a_second_late_or_early() {
    for late in [-1500, -300, 0, 700, 1900] {
        let fake = recording(10, late, Timing::Stamped);
        let mut viewer = Viewer::new(&fake.open(), &[0, 1]);
        let numbers = viewer.rest();
        assert_eq!(numbers.len(), fake.records().len());
        let times: Vec<i64> = numbers.iter().map(|number| fake.records()[*number].dts).collect();
        assert!(times.is_sorted(), "sound {late} ms late: {:?}", times.windows(2).find(|pair| pair[0] > pair[1]));
    }
}

#[test]
fn a_track_that_falls_silent_is_not_waited_for() {
    let mut fake = recording(20, 0, Timing::Stamped);
    let records = fake.records().iter().copied();
    let left = records.filter(|record| record.track == 0 || !(4000..16_000).contains(&record.pts)).collect();
    fake = Fake::new(true, 1, Timing::Stamped, left);
    let mut viewer = Viewer::new(&fake.open(), &[0, 1]);
    let mut farthest = 0;
    while let Ok(number) = viewer.next() {
        let (_, read) = fake.reads(|| ());
        assert_eq!(read, 0);
        if (8000..15_000).contains(&fake.records()[number].dts) {
            let at: u64 = fake.records()[..=number].iter().map(|record| record.len).sum();
            let ahead = fake.read.load(std::sync::atomic::Ordering::Relaxed).saturating_sub(at + fake.len());
            farthest = farthest.max(ahead);
        }
    }
    assert!(farthest <= 2000, "{farthest} bytes are held while there is no sound");
}

#[test]
fn tracks_that_are_not_wanted_do_not_come_and_none_is_waited_for() {
    let fake = recording(5, 0, Timing::Counted);
    let opened = fake.open();
    for tracks in [&[0][..], &[1], &[]] {
        let mut viewer = Viewer::new(&opened, tracks);
        let rest = viewer.rest();
        assert!(rest.iter().all(|number| tracks.contains(&fake.records()[*number].track)));
        assert_eq!(rest.len(), tracks.iter().map(|track| [125, 250][*track]).sum::<usize>());
        assert!(matches!(viewer.next(), Err(Some(Next::End))));
    }
    let mut viewer = Viewer::new(&opened, &[0, 1]);
    viewer.next().unwrap();
    viewer.reader.select(1, false);
    assert!(viewer.rest().iter().all(|number| fake.records()[*number].track == 0));
}

#[test]
fn damage_is_told_where_it_is_met_and_reading_goes_on() {
    let mut records = recording(3, 0, Timing::Counted).records().to_vec();
    records[30].is_damaged = true;
    let fake = Fake::new(true, 1, Timing::Counted, records);
    let opened = fake.open();
    let mut viewer = Viewer::new(&opened, &[0, 1]);
    let mut told = Vec::new();
    let mut count = 0;
    loop {
        match viewer.next() {
            Ok(_) => count += 1,
            Err(Some(Next::Skipped(error))) => told.push(error.to_string()),
            Err(_) => break,
        }
    }
    assert_eq!((count, told.len()), (fake.records().len(), 1), "{told:?}");
    assert!(told[0].starts_with("malformed record at byte"), "{told:?}");
}

#[test]
fn what_was_read_before_the_disk_failed_comes_and_then_the_reason() {
    let fake = recording(3, 500, Timing::Stamped).fails_at(60);
    let opened = super::open(fake.clone()).unwrap();
    let mut viewer = Viewer::new(&opened, &[0, 1]);
    assert_eq!(viewer.rest().len(), 60);
    assert!(matches!(viewer.next(), Err(Some(Next::End))), "the reason is told once");
    viewer.seek(0, SeekTo::SyncAtOrBefore);
    for _ in 0..60 {
        viewer.next().unwrap();
    }
    assert!(matches!(viewer.next(), Err(None)));
}

#[test]
fn seeks_go_to_key_frames_and_lose_no_sound_however_it_is_stored() {
    for timing in [Timing::Stamped, Timing::Counted] {
        for late in [-1000, -20, 0, 800] {
            let fake = recording(12, late, timing);
            let arithmetic = fake.clone().arithmetic();
            for opened in [fake.open(), arithmetic.open(), super::open(fake.clone()).unwrap()] {
                for tracks in [&[0, 1][..], &[0], &[1]] {
                    let mut viewer = Viewer::new(&opened, tracks);
                    for to in [-5, 0, 1, 999, 1000, 1001, 4555, 10_999, 11_000, 11_500, 99_999] {
                        HOW.iter().for_each(|how| check_seek(&fake, &mut viewer, tracks, to, *how));
                    }
                }
            }
        }
    }
}

#[test]
fn a_file_that_begins_without_a_key_frame_is_played_from_its_very_first_sample() {
    let records = (0..100).map(|number| picture(40 * number, number % 25 == 20)).collect();
    let fake = Fake::new(true, 0, Timing::Counted, records);
    let mut viewer = Viewer::new(&fake.open(), &[0]);
    for how in HOW {
        check_seek(&fake, &mut viewer, &[0], 799, how);
        check_seek(&fake, &mut viewer, &[0], 800, how);
    }
    assert_eq!(viewer.seek(500, SeekTo::SyncAtOrBefore), 0);
    assert_eq!(viewer.next().unwrap(), 0);
}

#[test]
fn the_end_of_a_recording_is_that_of_its_last_sample() {
    for timing in [Timing::Stamped, Timing::Counted] {
        let fake = recording(10, 0, timing);
        assert_eq!(super::open(fake.clone()).unwrap().duration(), None, "the file has not been seen");
        let opened = fake.open();
        assert_eq!(opened.duration(), Some(ms(10_000)));
        let (video, audio) = (&opened.tracks()[0], &opened.tracks()[1]);
        assert_eq!((video.duration, audio.duration), (Some(ms(10_000)), Some(ms(10_000))));
        assert_eq!((video.bitrate, audio.bitrate), (Some(25 * 4 * 8), Some(50 * 4 * 8)), "of samples of 4 bytes");
    }
}

#[test]
fn a_file_that_grows_is_read_up_to_its_edge_and_on_when_more_has_come() {
    let fake = recording(10, 0, Timing::Counted);
    let (opened, growing) = fake.open_growing(300);
    assert_eq!(opened.duration(), None);
    let mut viewer = Viewer::new(&opened, &[0, 1]);
    let mut numbers = viewer.rest();
    assert!((298..=300).contains(&numbers.len()), "{}", numbers.len());
    for _ in 0..3 {
        assert!(matches!(viewer.next(), Err(Some(Next::Pending))), "nothing has come yet");
    }
    fake.write(&growing, 600);
    numbers.extend(viewer.rest());
    assert!((598..=600).contains(&numbers.len()), "{}", numbers.len());
    fake.write(&growing, 750);
    growing.end();
    numbers.extend(viewer.rest());
    assert_eq!(numbers, (0..750).collect::<Vec<_>>());
    assert!(matches!(viewer.next(), Err(Some(Next::End))), "it has not grown for long");
    assert_eq!(Viewer::new(&opened, &[0, 1]).seek(99_000, SeekTo::SyncAtOrBefore), 9000);
    assert_eq!(opened.duration(), Some(ms(10_000)));
}

#[test]
fn seeks_in_a_file_that_grows_go_as_far_as_it_has_come() {
    for timing in [Timing::Stamped, Timing::Counted] {
        let fake = recording(10, 0, timing);
        let (opened, growing) = fake.open_growing(300);
        let mut viewer = Viewer::new(&opened, &[0, 1]);
        for (to, landed) in [(2500, 2000), (99_000, 3000), (0, 0)] {
            assert_eq!(viewer.seek(to, SeekTo::SyncAtOrBefore), landed, "{timing:?}: sought {to}");
            assert_eq!(fake.records()[viewer.next().unwrap()].pts, landed);
        }
        assert_eq!(viewer.seek(3700, SeekTo::SyncAtOrAfter), 3000);
        fake.write(&growing, 750);
        assert_eq!(viewer.seek(3700, SeekTo::SyncAtOrAfter), 4000);
        assert_eq!(viewer.seek(99_000, SeekTo::SyncAtOrBefore), 9000);
        viewer.rest();
        assert!(matches!(viewer.next(), Err(Some(Next::Pending))));
        growing.end();
        viewer.rest();
        assert!(matches!(viewer.next(), Err(Some(Next::End))));
    }
}

/// About 10 GB: 14 hours at 200 kB/s.
fn large(timing: Timing) -> Fake {
    let pictures = (0..1_250_000_i64).map(|number| Record { len: 8000, ..picture(40 * number, number % 50 == 0) });
    Fake::new(true, 0, timing, pictures.collect())
}

#[test]
fn a_large_file_with_stamps_is_opened_and_sought_by_reading_little_of_it() {
    let fake = large(Timing::Stamped);
    let (opened, read) = fake.reads(|| fake.open());
    assert_eq!(opened.duration(), Some(ms(50_000_000)));
    assert!(read < 1 << 20, "{read} bytes to open it");
    let mut viewer = Viewer::new(&opened, &[0]);
    for (to, landed) in [(49_999_000, 49_998_000), (25_000_001, 25_000_000), (1, 0), (99_999_999, 49_998_000)] {
        let (time, read) = fake.reads(|| viewer.seek(to, SeekTo::SyncAtOrBefore));
        assert_eq!(time, landed, "sought {to}");
        assert!(read < 6 << 20, "{read} bytes to seek {to}");
        assert_eq!(viewer.next().unwrap() as i64, landed / 40);
    }
    assert_eq!(viewer.seek(25_000_001, SeekTo::SyncAtOrAfter), 25_002_000);
}

#[test]
fn a_seek_in_a_large_file_without_stamps_reads_on_up_to_a_limit_and_the_next_one_gets_further() {
    let fake = large(Timing::Counted);
    let (opened, read) = fake.reads(|| fake.open());
    assert_eq!((opened.duration(), read), (None, 0));
    let mut viewer = Viewer::new(&opened, &[0]);
    let (first, read) = fake.reads(|| viewer.seek(40_000_000, SeekTo::SyncAtOrBefore));
    assert!((1_000_000..40_000_000).contains(&first) && read < 300 << 20, "{first} ms, {read} bytes");
    let second = Viewer::new(&opened, &[0]).seek(40_000_000, SeekTo::SyncAtOrBefore);
    assert!(second > first, "{second} ms after {first} ms");
    let (again, read) = fake.reads(|| viewer.seek(first, SeekTo::SyncAtOrBefore));
    assert!(again == first && read < 1 << 20, "{again} ms, {read} bytes");
}

/// Has all of a recording read; how many steps that took.
fn index(opened: &Arc<dyn Recording>) -> usize {
    let mut indexing = Arc::clone(opened).indexing().unwrap();
    (1..).find(|_| indexing.step().unwrap() == Progress::Done).unwrap()
}

#[test]
fn a_large_file_without_stamps_is_known_once_it_has_been_read_in_the_background() {
    let fake = large(Timing::Counted);
    let opened = fake.open();
    let mut viewer = Viewer::new(&opened, &[0]);
    assert!(index(&opened) > 100, "in small steps");
    assert_eq!((opened.duration(), opened.tracks()[0].duration), (Some(ms(50_000_000)), Some(ms(50_000_000))));
    let (landed, read) = fake.reads(|| viewer.seek(40_000_001, SeekTo::SyncAtOrBefore));
    assert!(landed == 40_000_000 && read < 1 << 20, "{landed} ms, {read} bytes");
    assert!(Arc::clone(&opened).indexing().is_none(), "nothing is left to be done");
}

#[test]
fn what_was_found_out_is_as_good_when_the_file_is_opened_another_time() {
    let fake = large(Timing::Counted);
    let opened = fake.open();
    let indexing = Arc::clone(&opened).indexing().unwrap();
    assert!(indexing.export().is_none(), "nothing is known yet");
    index(&opened);
    let kept = indexing.export().unwrap();
    assert!(kept.len() < 400_000, "{} bytes for 25,000 key frames", kept.len());

    let again = fake.open();
    let mut indexing = Arc::clone(&again).indexing().unwrap();
    for bad in [&kept[..kept.len() - 1], &[], b"something else"] {
        assert!(!indexing.import(bad));
    }
    assert!(indexing.import(&kept));
    assert_eq!((again.duration(), again.tracks()[0].bitrate), (opened.duration(), opened.tracks()[0].bitrate));
    assert_eq!(indexing.export().unwrap(), kept);
    let (landed, read) = fake.reads(|| Viewer::new(&again, &[0]).seek(40_000_001, SeekTo::SyncAtOrBefore));
    assert!(landed == 40_000_000 && read < 1 << 20, "{landed} ms, {read} bytes");
}

#[test]
fn the_index_of_very_long_sound_stays_small_and_exact() {
    let records = (0..4_000_000).map(|number| sound(0, 20 * number)).collect();
    let fake = Fake::new(false, 1, Timing::Counted, records);
    let opened = fake.open();
    index(&opened);
    let kept = Arc::clone(&fake.open()).indexing().map(|_| ()).is_some();
    assert!(kept, "it is too large to be read when it is opened");
    let (landed, read) = fake.reads(|| Viewer::new(&opened, &[0]).seek(79_000_013, SeekTo::SyncAtOrBefore));
    assert!(landed == 79_000_000 && read < 100_000, "{landed} ms, {read} bytes");
}

#[test]
fn while_one_reads_on_others_are_not_held_up() {
    let fake = large(Timing::Stamped);
    let opened = fake.open();
    let mut indexing = Arc::clone(&opened).indexing().unwrap();
    std::thread::scope(|scope| {
        let reading = scope.spawn(move || while indexing.step().unwrap() != Progress::Done {});
        let mut viewer = Viewer::new(&opened, &[0]);
        let mut count = 0;
        while !reading.is_finished() || count < 3 {
            assert_eq!(viewer.seek(40_000_001, SeekTo::SyncAtOrBefore), 40_000_000);
            count += 1;
        }
    });
}

#[test]
fn a_disk_that_fails_ends_the_index_where_it_does() {
    let fake = large(Timing::Counted).fails_at(600_000);
    let opened = fake.open();
    let mut indexing = Arc::clone(&opened).indexing().unwrap();
    let error = loop {
        match indexing.step() {
            Ok(progress) => assert_ne!(progress, Progress::Done),
            Err(error) => break error,
        }
    };
    assert_eq!(error.to_string(), "cannot read a record: the disk is broken");
    assert_eq!(indexing.step().unwrap(), Progress::Done);
    assert_eq!(opened.duration(), Some(ms(24_000_000)));
}

/// Pictures with key frames, and two tracks of sound, stored anyhow.
fn any_file() -> impl Strategy<Value = Fake> {
    let gops = proptest::collection::vec((1..60_i64, 20..80_i64), 1..12);
    let timing = prop_oneof![Just(Timing::Stamped), Just(Timing::Counted)];
    let late = || -950..950_i64;
    // Files that are read as a whole when they are opened, and longer ones.
    let scale = prop_oneof![Just(1_u64), Just(150)];
    (gops, 0..30_i64, late(), late(), timing, any::<bool>(), scale).prop_map(
        |(gops, lead_in, late_1, late_2, timing, is_arithmetic, scale)| {
            let mut records = Vec::new();
            let mut now = 0;
            for number in 0..lead_in {
                records.push((now, picture(now, false)));
                now += 33 + number % 3;
            }
            for (count, step) in gops {
                for number in 0..count {
                    // Shown in another order than decoded: each third one later than the two behind it.
                    let pts = now + if number % 3 == 0 { 2 * step } else { -step };
                    let pts = if number == 0 { now } else { pts.max(now) };
                    records.push((now, Record { pts, dts: now, ..picture(now, number == 0) }));
                    now += step;
                }
            }
            let sounds = |track: usize, step: i64, late: i64| {
                (0..now / step).map(move |number| (step * number + late, sound(track, step * number)))
            };
            records.extend(sounds(1, 21, late_1));
            records.extend(sounds(2, 64, late_2));
            records.sort_by_key(|(stored, _)| *stored);
            let scaled = |(_, record): (i64, Record)| Record { len: record.len * scale, ..record };
            let fake = Fake::new(true, 2, timing, records.into_iter().map(scaled).collect());
            if is_arithmetic { fake.arithmetic() } else { fake }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn seeks_agree_with_a_plain_scan(
        fake in any_file(),
        seeks in proptest::collection::vec((-500..30_000_i64, any::<bool>(), 1..8_usize), 1..12),
        is_attached in any::<bool>(),
    ) {
        let opened = if is_attached { fake.open() } else { super::open(fake.clone()).unwrap() };
        for (to, is_after, mask) in seeks {
            let tracks: Vec<usize> = (0..3).filter(|track| mask >> track & 1 == 1).collect();
            check_seek(&fake, &mut Viewer::new(&opened, &tracks), &tracks, to, HOW[usize::from(is_after)]);
        }
    }

    #[test]
    fn a_kept_index_that_was_changed_is_refused_or_at_least_sane(at in 0..400_usize, byte: u8, cut in 0..400_usize) {
        let pictures = (0..2000_i64).map(|number| Record { len: 10_000, ..picture(40 * number, number % 25 == 0) });
        let fake = Fake::new(true, 0, Timing::Stamped, pictures.collect());
        let opened = fake.open();
        let mut indexing = Arc::clone(&opened).indexing().unwrap();
        while indexing.step().unwrap() != Progress::Done {}
        let mut kept = indexing.export().unwrap();
        kept.truncate(400 + cut);
        if let Some(old) = kept.get_mut(at) {
            *old = byte;
        }
        if let Some(table) = Table::from_bytes(&kept, 1, fake.len()) {
            prop_assert!(table.points.is_sorted_by(|a, b| a.time < b.time));
            prop_assert!(table.points.iter().all(|point| point.from.at < fake.len()));
        }
    }

    #[test]
    fn samples_come_in_order_within_a_track_and_by_decode_time_between_tracks(fake in any_file()) {
        let numbers = Viewer::new(&fake.open(), &[0, 1, 2]).rest();
        let all: Vec<usize> = (0..fake.records().len()).collect();
        prop_assert_eq!(by_track(&fake, &[0, 1, 2], &numbers), by_track(&fake, &[0, 1, 2], &all));
        let times: Vec<i64> = numbers.iter().map(|number| fake.records()[*number].dts).collect();
        prop_assert!(times.is_sorted());
    }
}
