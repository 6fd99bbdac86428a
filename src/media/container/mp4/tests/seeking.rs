//! Seeking, in tables and in fragments.

use super::fragments::fragmentings;
use super::*;

#[test]
fn seeking_lands_at_key_frames_and_sound_follows_from_there() {
    let tracks = both();
    let mut files = vec![whole_file(&tracks, Layout::MoovFirst)];
    files.extend(fragmentings().into_iter().map(|how| fragmented_file(&tracks, how)));
    for bytes in files {
        let mut reader = reader(&bytes);
        for (to, how, landed) in [
            (1.0, SeekTo::SyncAtOrBefore, 0.8),
            (1.0, SeekTo::SyncAtOrAfter, 1.2),
            (1.2, SeekTo::SyncAtOrBefore, 1.2),
            (1.2, SeekTo::SyncAtOrAfter, 1.2),
            (3.99, SeekTo::SyncAtOrBefore, 3.6),
            (3.99, SeekTo::SyncAtOrAfter, 3.6), // none after it: the last
            (1000.0, SeekTo::SyncAtOrBefore, 3.6),
            (0.1, SeekTo::SyncAtOrBefore, 0.0),
            (0.0, SeekTo::SyncAtOrAfter, 0.0),
            (-5.0, SeekTo::SyncAtOrBefore, 0.0),
        ] {
            assert_eq!(reader.seek(at(to), how).unwrap(), at(landed), "to {to}, {how:?}");
            let got = read_on(&mut *reader).0;
            let wanted: Vec<Got> =
                expected(&tracks).into_iter().filter(|sample| sample.pts >= at(landed).as_nanos()).collect();
            assert_eq!(got.len(), wanted.len(), "to {to}, {how:?}");
            assert_eq!(got, wanted, "to {to}, {how:?}");
        }
    }
}

#[test]
fn without_video_seeking_lands_at_the_sample_that_sounds() {
    let tracks = [audio(1, 187)];
    for bytes in [whole_file(&tracks, Layout::MoovFirst), fragmented_file(&tracks, PLAIN)] {
        let mut reader = reader(&bytes);
        let frame = |number: i64| MediaTime::from_ticks(number * 1024, 48_000);
        assert_eq!(reader.seek(at(2.0), SeekTo::SyncAtOrBefore).unwrap(), frame(93));
        assert_eq!(reader.seek(at(2.0), SeekTo::SyncAtOrAfter).unwrap(), frame(94));
        assert_eq!(read_on(&mut *reader).0[0].pts, frame(94).as_nanos());
    }
}

#[test]
fn a_file_before_whose_first_key_frame_there_is_something_starts_at_its_very_first_sample() {
    let mut track = video(1, 40);
    track.samples[0].is_sync = false;
    for bytes in [whole_file(&[track.clone()], Layout::MoovFirst), fragmented_file(&[track.clone()], PLAIN)] {
        let mut reader = reader(&bytes);
        assert_eq!(reader.seek(at(0.3), SeekTo::SyncAtOrBefore).unwrap(), at(0.0));
        assert_eq!(read_on(&mut *reader).0, expected(&[track.clone()]));
    }
}

#[test]
fn long_tables_are_entered_anywhere_with_the_result_of_reading_from_the_start() {
    // Every sample has its own run in stts and ctts, every chunk its own in stsc, and there is a chunk for every 3;
    // then the same in a single chunk. Both are longer than the steps of the checkpoints.
    for samples_per_chunk in [3, 10_000] {
        let mut track = video(1, 9000);
        track.samples_per_chunk = samples_per_chunk;
        for (index, sample) in track.samples.iter_mut().enumerate() {
            sample.duration = 400 + (index as u32 * 7919) % 200;
            sample.offset = [512, 1024, 512, 0][index % 4];
            sample.data = prefixed(&[&[0x41][..], &vec![index as u8; 1 + index % 37]].concat(), 4);
        }
        let bytes = whole_file(&[track.clone()], Layout::MoovFirst);
        let all = expected(&[track]);
        let movie = open(&bytes).unwrap();
        for to in [8999, 5, 4100, 1023, 1024, 2048, 8192, 3000, 0] {
            let mut reader = movie.clone().reader().unwrap();
            let sync = to / 10 * 10;
            let landed = reader.seek(MediaTime::from_nanos(all[to].dts + 100_000_000), SeekTo::SyncAtOrBefore).unwrap();
            let first = all.iter().position(|got| got.pts == landed.as_nanos()).unwrap();
            assert!(first >= sync && first <= to + 10, "to {to}: {first}");
            let mut sample = Sample::default();
            for wanted in all[first..].iter().take(40) {
                assert!(matches!(reader.next(&mut sample), Ok(Next::Sample)));
                assert_eq!((sample.pts.as_nanos(), &sample.data), (wanted.pts, &wanted.data), "to {to}");
            }
        }
    }
}

#[test]
fn a_long_fragmented_file_is_entered_by_bisection_and_its_end_found() {
    let mut track = video(1, 3000);
    track.samples.iter_mut().for_each(|sample| sample.data = prefixed(&[0x41; 3000], 4));
    let bytes = fragmented_file(&[track.clone(), audio(2, 100)], PLAIN);
    assert!(bytes.len() > 8 << 20, "longer than what is walked: {}", bytes.len());
    let movie = open(&bytes).unwrap();
    assert_eq!(movie.duration(), Some(at(120.0)));
    assert_eq!(movie.tracks()[1].duration, None, "sound ends long before the part that is looked at");
    for to in [100.1, 50.1, 119.9, 3.3, 77.7] {
        let mut reader = movie.clone().reader().unwrap();
        let landed = reader.seek(at(to), SeekTo::SyncAtOrBefore).unwrap();
        assert_eq!(landed, at((to / 0.4).floor() * 0.4));
        let got = read_on(&mut *reader).0;
        assert_eq!(got[0].pts, landed.as_nanos());
        assert_eq!(
            got.iter().filter(|got| got.track == 0).count(),
            3000 - (landed.as_secs_f64() * 25.0).round() as usize
        );
    }
    assert_eq!(read_all(&bytes), expected(&[track, audio(2, 100)]));
}

#[test]
fn a_track_that_is_taken_back_in_goes_on_where_the_others_are() {
    let tracks = both();
    for bytes in [whole_file(&tracks, Layout::MoovFirst), fragmented_file(&tracks, PLAIN)] {
        let mut reader = reader(&bytes);
        reader.select(0, false);
        let mut sample = Sample::default();
        while sample.dts < at(1.0) {
            assert!(matches!(reader.next(&mut sample), Ok(Next::Sample)));
            assert_eq!(sample.track, 1);
        }
        reader.select(0, true);
        let got = read_on(&mut *reader).0;
        let first = got.iter().find(|got| got.track == 0).unwrap();
        assert_eq!((first.pts, first.is_sync), (at(1.2).as_nanos(), true));
        reader.select(1, false);
        reader.seek(at(2.0), SeekTo::SyncAtOrBefore).unwrap();
        assert!(read_on(&mut *reader).0.iter().all(|got| got.track == 0));
    }
}
