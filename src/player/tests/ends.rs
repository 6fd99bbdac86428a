//! The end of a recording, and of a range.

use super::*;

#[test]
fn the_end_is_told_when_the_last_sample_has_been_shown() {
    // FFmpeg ends at the goodbye, whatever datagrams it has not read yet.
    for (transports, ended) in [([TCP, TCP], 4000), ([UDP, TCP], 4000 + GRACE)] {
        let mut viewer = Viewer::new(film(), &transports);
        viewer.play(&[0, 1], None, None);
        assert_eq!(viewer.watch(Until::Event), Some(Event::Ended));
        assert_eq!(viewer.elapsed(), ended, "{transports:?}");
        assert_eq!(viewer.watch(Until::Event), Some(Event::Idle));
        assert!(!viewer.player.is_playing());
    }
}

#[test]
fn a_duration_that_is_wrong_neither_hides_the_last_picture_nor_delays_the_end() {
    for (told, ended) in [(0, 80), (40, 80), (120, 120), (500, 500), (60_000, 1080)] {
        let mut viewer = Viewer::new(Fake::new().video(pictures(0..3)).lasts(told), &[TCP]);
        viewer.play(&[0], None, None);
        assert_eq!(viewer.watch(Until::Event), Some(Event::Ended));
        assert_eq!(viewer.elapsed(), ended, "a duration of {told} ms");
    }
    let mut viewer = Viewer::new(Fake::new().video(pictures(0..3)), &[TCP]);
    viewer.play(&[0], None, None);
    viewer.watch(Until::Event);
    assert_eq!(viewer.elapsed(), 80, "no duration");
}

#[test]
fn play_after_the_end_starts_over() {
    let mut viewer = Viewer::new(film(), &[TCP, TCP]);
    for with_pause in [false, true] {
        viewer.play(&[0, 1], Some(3500), None);
        assert_eq!(viewer.watch(Until::Event), Some(Event::Ended));
        if with_pause {
            viewer.player.pause(&[0, 1]);
        }
        let (video, audio) = (viewer.of(0).len(), viewer.of(1).len());
        let point = viewer.play(&[0, 1], None, None);
        assert_eq!((point.start, point.end), (ms(0), None));
        assert_eq!(viewer.watch(Until::Event), Some(Event::Ended));
        assert_eq!(viewer.of(1).len() - audio, 200);
        check_rtptimes(&viewer, 0, video, point.start, rtptime_of(&point, 0));
        viewer.check_sequence();
    }
}

#[test]
fn an_empty_recording_ends_at_once() {
    let mut viewer = Viewer::new(Fake::new().video([]), &[UDP]);
    viewer.play(&[0], None, None);
    assert_eq!(viewer.watch(Until::Event), Some(Event::Ended));
    assert_eq!((viewer.got.len(), viewer.elapsed()), (0, GRACE));
}

#[test]
fn a_range_ends_with_the_last_picture_shown_before_it() {
    let all = film().pts(0);
    // Ends at each picture's time, and just before and after it, through two groups.
    for end in (1..25).flat_map(|index| [index * 40 - 1, index * 40, index * 40 + 1]) {
        let mut viewer = Viewer::new(film(), &[TCP, TCP]);
        let point = viewer.play(&[0, 1], Some(0), Some(end));
        assert_eq!(point.end, Some(ms(end)));
        assert_eq!(viewer.watch(Until::Event), Some(Event::Ended), "end at {end}");
        assert_eq!(viewer.pts(1), (0..end).step_by(20).collect::<Vec<_>>(), "audio up to {end}");
        // Every picture shown before the end, and of the others only those that one of these is decoded behind.
        let last_needed = all.iter().rposition(|pts| *pts < end).unwrap();
        assert_eq!(viewer.pts(0), all[..=last_needed], "video up to {end}");
        let shown_last = viewer.pts(0).into_iter().filter(|pts| *pts < end).max();
        assert_eq!(shown_last, Some((end - 1) / 40 * 40));
        viewer.check_sequence();
        check_rtptimes(&viewer, 0, 0, ms(0), FIRST_RTPTIME);
        let last_shown = viewer.pts(0).into_iter().max().unwrap().max(end);
        assert_eq!(viewer.elapsed(), last_shown as u64, "the end is told when it has been shown");
    }
}

#[test]
fn pictures_near_the_end_of_a_range_leave_on_time() {
    let mut viewer = Viewer::new(film(), &[TCP, TCP]);
    viewer.play(&[0, 1], Some(0), Some(1000));
    viewer.watch(Until::Event);
    for (index, got) in viewer.of(0).iter().filter(|got| got.marker).enumerate() {
        let due = (index as i64 * 40 - 80).max(0) as u64 * 1000;
        assert!(got.at <= due, "{got:?} was due at {due}");
    }
}

#[test]
fn what_lies_behind_a_range_is_not_read_for_it() {
    // One more picture than may be looked at, all shown after the end, none decoded after it.
    let late = (0..200).map(|index| (5000, index, index == 0, 10));
    let mut viewer = Viewer::new(Fake::new().video(late).insert(100, Entry::Fail), &[TCP]);
    viewer.play(&[0], Some(0), Some(1000));
    assert_eq!(viewer.watch(Until::Event), Some(Event::Failed), "{:?}", viewer.pts(0));
    assert!(viewer.got.len() <= 5, "{}", viewer.got.len());
}

#[test]
fn the_end_of_a_range_outlives_pause_and_resume_and_goes_with_a_new_one() {
    let mut viewer = Viewer::new(film(), &[TCP, TCP]);
    viewer.play(&[0, 1], Some(0), Some(1000));
    viewer.watch(Until::Elapsed(500));
    viewer.player.pause(&[0, 1]);
    assert_eq!(viewer.play(&[0, 1], None, None).end, Some(ms(1000)), "resumed");
    viewer.watch(Until::Elapsed(700));
    assert_eq!(viewer.play(&[0, 1], None, None).end, Some(ms(1000)), "while playing");
    assert_eq!(viewer.play(&[0, 1], None, Some(1200)).end, Some(ms(1200)), "another end");
    assert_eq!(viewer.watch(Until::Event), Some(Event::Ended));
    assert_eq!(viewer.pts(1).last(), Some(&1180));
    assert_eq!(viewer.play(&[0, 1], Some(2000), None).end, None, "a new range");
    assert_eq!(viewer.watch(Until::Event), Some(Event::Ended));
    assert_eq!(viewer.pts(1).last(), Some(&3980));
}

// Faults, and recordings that grow
