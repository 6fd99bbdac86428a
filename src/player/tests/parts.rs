//! Ranges that wait for their turn, pause points, and what is refused.

use super::*;

fn film() -> Fake {
    Fake::new().video(pictures_with_b(0, 500)).audio((0..1000).map(|index| index * 20)).lasts(20_000)
}

fn range(start: i64, end: i64) -> PlayRequest {
    PlayRequest { start: Some(ms(start)), end: Some(ms(end)), ..PlayRequest::default() }
}

/// The seconds of sound that came, each once.
fn seconds(viewer: &Viewer) -> Vec<i64> {
    let mut seconds: Vec<i64> = viewer.pts(1).iter().map(|pts| pts / 1000).collect();
    seconds.dedup();
    seconds
}

// Queued ranges (RFC 2326 section 10.5)

#[test]
fn ranges_behind_each_other_are_played_one_after_the_other() {
    let mut viewer = Viewer::new(film(), &[TCP, TCP]);
    // Key frames every 480 ms: these are some.
    viewer.request(&[0, 1], &range(0, 1440)).unwrap();
    for (start, end) in [(4800, 6240), (14_400, 15_360)] {
        let point = viewer.request(&[0, 1], &range(start, end)).unwrap();
        assert_eq!((point.start, point.end, point.tracks), (ms(start), Some(ms(end)), vec![]));
    }
    assert_eq!(viewer.watch(Until::Event), Some(Event::Ended));
    assert_eq!(seconds(&viewer), [0, 1, 4, 5, 6, 14, 15]);
    let played = 1440 + 1440 + 960;
    assert!((played..played + 400).contains(&viewer.elapsed()), "{}", viewer.elapsed());
    viewer.check_sequence();
    // Sound is stamped, and leaves, as if it were one piece, but for the time that pictures are reordered in.
    for pair in viewer.of(1).windows(2) {
        let (stamped, left) = (pair[1].rtptime.wrapping_sub(pair[0].rtptime), pair[1].at - pair[0].at);
        assert!((ticks(20, 1)..=ticks(150, 1)).contains(&stamped), "{pair:?}");
        assert!(left <= 200_000, "{pair:?}");
    }
    let begun = viewer.begun.iter().filter(|(_, track, _)| *track == 1).count();
    assert_eq!(begun, 3, "each range starts with a report");
}

#[test]
fn a_range_that_does_not_lie_behind_the_one_that_plays_is_a_seek() {
    let mut viewer = Viewer::new(film(), &[TCP, TCP]);
    viewer.request(&[0, 1], &range(0, 10_000)).unwrap();
    viewer.request(&[0, 1], &range(12_000, 13_000)).unwrap();
    viewer.watch(Until::Elapsed(500));
    assert_eq!(viewer.play(&[0, 1], Some(4800), Some(6000)).start, ms(4800));
    assert_eq!(viewer.watch(Until::Event), Some(Event::Ended));
    assert_eq!(seconds(&viewer), [0, 4, 5], "and what waited is forgotten");
    // Without an end that was asked for, there is nothing to wait for.
    viewer.play(&[0, 1], Some(0), None);
    let point = viewer.play(&[0, 1], Some(4800), None);
    assert_eq!((point.start, point.tracks.len()), (ms(4800), 2));
}

#[test]
fn play_that_only_asks_whether_we_live_disturbs_nothing() {
    let mut viewer = Viewer::new(film(), &[TCP, TCP]);
    viewer.request(&[0, 1], &range(0, 1440)).unwrap();
    viewer.request(&[0, 1], &range(4800, 5760)).unwrap();
    viewer.watch(Until::Elapsed(500));
    viewer.player.pause_at(ms(5000), viewer.now).unwrap();
    assert_eq!(viewer.play(&[0, 1], None, None).start, ms(500));
    assert_eq!(viewer.watch(Until::Event), Some(Event::Paused));
    assert_eq!(viewer.pts(1).last(), Some(&4980));
}

#[test]
fn ranges_that_wait_have_rates_of_their_own() {
    let mut viewer = Viewer::new(film().frame_rate(0, 25.0), &[TCP, TCP]);
    viewer.request(&[0, 1], &range(0, 960)).unwrap();
    let fast = Rate::new(20.0, 1.0);
    viewer.request(&[0, 1], &PlayRequest { rate: Some(fast), ..range(960, 10_000) }).unwrap();
    let back = Rate::new(-20.0, 1.0);
    viewer.request(&[0, 1], &PlayRequest { rate: Some(back), ..range(15_000, 10_000) }).unwrap();
    viewer.request(&[0, 1], &range(9600, 10_080)).unwrap();
    assert_eq!(viewer.watch(Until::Event), Some(Event::Ended));
    assert_eq!(seconds(&viewer), [0, 9, 10], "sound where the rate is normal");
    let fast = [960, 1920, 2880, 3840, 4800, 5760, 6720, 7680, 8640, 9600];
    let back = [14_880, 13_920, 12_960, 12_000, 11_040, 10_080];
    let pts = viewer.pts(0);
    assert!(pts.windows(16).any(|pts| pts == [&fast[..], &back].concat()), "{pts:?}");
    viewer.check_sequence();
}

#[test]
fn only_so_many_ranges_wait() {
    let mut viewer = Viewer::new(film(), &[TCP, TCP]);
    viewer.request(&[0, 1], &range(0, 10)).unwrap();
    for index in 1..=QUEUE_MAX as i64 {
        viewer.request(&[0, 1], &range(index * 10, index * 10 + 10)).unwrap();
    }
    let last = viewer.request(&[0, 1], &range(5000, 5010));
    assert!(matches!(last, Err(PlayError::QueueFull)), "{last:?}");
}

#[test]
fn a_pause_forgets_what_waits_and_keeps_the_place() {
    let mut viewer = Viewer::new(film(), &[TCP, TCP]);
    viewer.request(&[0, 1], &range(0, 1440)).unwrap();
    viewer.request(&[0, 1], &range(4800, 5760)).unwrap();
    viewer.watch(Until::Elapsed(500));
    viewer.player.pause(&[0, 1]);
    assert_eq!(viewer.play(&[0, 1], None, None).end, Some(ms(1440)));
    assert_eq!(viewer.watch(Until::Event), Some(Event::Ended));
    assert_eq!(seconds(&viewer), [0, 1]);
}

// Pause points (section 10.6)

#[test]
fn playback_pauses_at_a_point_and_goes_on_from_it_without_loss() {
    for point in [1000, 1010, 1440, 1441, 1600, 2000] {
        let mut viewer = Viewer::new(film(), &[UDP, UDP]);
        viewer.play(&[0, 1], None, None);
        viewer.watch(Until::Elapsed(500));
        viewer.player.pause_at(ms(point), viewer.now).unwrap();
        assert_eq!(viewer.watch(Until::Event), Some(Event::Paused));
        assert_eq!(viewer.elapsed(), point as u64);
        assert!(!viewer.player.is_playing());
        assert_eq!(viewer.pts(1).last(), Some(&((point - 1) / 20 * 20)), "what starts at the point is not played");
        let shown = viewer.pts(0).into_iter().filter(|pts| *pts < point).max();
        assert_eq!(shown, Some((point - 1) / 40 * 40));
        assert_eq!(viewer.watch(Until::Event), Some(Event::Idle));
        viewer.sleep(3000);
        assert_eq!(viewer.play(&[0, 1], None, None).start, ms(point));
        assert_eq!(viewer.watch(Until::Event), Some(Event::Ended));
        assert_eq!((viewer.pts(0), viewer.pts(1)), (film().pts(0), film().pts(1)), "paused at {point}");
        viewer.check_sequence();
        for track in [0, 1] {
            check_rtptimes(&viewer, track, 0, ms(0), FIRST_RTPTIME);
        }
    }
}

#[test]
fn a_pause_point_works_at_any_rate() {
    for (scale, speed, from, point, last, elapsed) in
        [(20.0, 1.0, 0, 10_000, 9600, 500), (-20.0, 1.0, 14_400, 9600, 10_560, 240), (1.0, 4.0, 0, 2000, 1960, 500)]
    {
        let mut viewer = Viewer::new(film().frame_rate(0, 25.0), &[TCP, TCP]);
        viewer.play_at(&[0, 1], Some(from), None, (scale, speed));
        viewer.player.pause_at(ms(point), viewer.now).unwrap();
        assert_eq!(viewer.watch(Until::Event), Some(Event::Paused), "scale {scale}");
        let before = |pts: &i64| if scale > 0.0 { *pts < point } else { *pts > point };
        let shown = viewer.pts(0).into_iter().filter(before);
        let shown_last = if scale > 0.0 { shown.max() } else { shown.min() };
        assert_eq!((shown_last, viewer.elapsed()), (Some(last), elapsed), "scale {scale}");
        assert_eq!(viewer.play_at(&[0, 1], None, None, (scale, speed)).start, ms(point));
        viewer.watch(Until::Packets(viewer.got.len() + 1));
    }
}

#[test]
fn a_pause_point_that_will_not_be_reached_is_refused() {
    let mut viewer = Viewer::new(film(), &[TCP, TCP]);
    assert!(viewer.player.pause_at(ms(1000), viewer.now).is_err(), "nothing plays");
    viewer.request(&[0, 1], &range(4800, 6000)).unwrap();
    viewer.request(&[0, 1], &range(14_400, 15_000)).unwrap();
    viewer.watch(Until::Elapsed(500));
    for (point, is_good) in [(5200, false), (4000, false), (7000, false), (16_000, false), (5400, true), (14_500, true)]
    {
        assert_eq!(viewer.player.pause_at(ms(point), viewer.now).is_ok(), is_good, "{point}");
    }
    assert_eq!(viewer.watch(Until::Event), Some(Event::Paused));
    assert_eq!(viewer.pts(1).last(), Some(&14_480), "the last point that was named counts");
    let mut viewer = Viewer::new(film(), &[TCP, TCP]);
    viewer.play_at(&[0, 1], Some(14_400), None, (-10.0, 1.0));
    viewer.watch(Until::Elapsed(100));
    for (point, is_good) in [(14_000, false), (20_000, false), (13_000, true), (0, true)] {
        assert_eq!(viewer.player.pause_at(ms(point), viewer.now).is_ok(), is_good, "{point}, backwards");
    }
}

#[test]
fn pause_before_the_pause_point_and_a_seek_make_it_void() {
    let mut viewer = Viewer::new(film(), &[TCP, TCP]);
    viewer.play(&[0, 1], None, None);
    viewer.player.pause_at(ms(2000), viewer.now).unwrap();
    viewer.watch(Until::Elapsed(500));
    viewer.player.pause(&[0, 1]);
    viewer.play(&[0, 1], None, None);
    viewer.watch(Until::Elapsed(3000));
    assert!(viewer.player.is_playing());
    viewer.player.pause_at(ms(5000), viewer.now).unwrap();
    viewer.play(&[0, 1], Some(1000), None);
    assert_eq!(viewer.watch(Until::Event), Some(Event::Ended));
}

// What is refused

#[test]
fn a_range_that_runs_the_other_way_or_lies_outside_is_refused_and_changes_nothing() {
    let mut viewer = Viewer::new(film(), &[TCP, TCP]);
    viewer.play(&[0, 1], None, None);
    viewer.watch(Until::Elapsed(5000));
    let request = |start: Option<i64>, end: Option<i64>, scale| PlayRequest {
        start: start.map(ms),
        end: end.map(ms),
        rate: Some(Rate::new(scale, 1.0)),
        ..PlayRequest::default()
    };
    for (start, end, scale) in [
        (Some(10_000), Some(9000), 1.0),
        (Some(9000), Some(10_000), -1.0),
        (Some(20_002), None, 1.0),
        (Some(20_002), Some(0), -1.0),
        (None, Some(4000), 1.0),
        (None, Some(6000), -1.0),
    ] {
        let refused = viewer.request(&[0, 1], &request(start, end, scale));
        assert!(matches!(refused, Err(PlayError::Range)), "{start:?} {end:?} {scale}: {refused:?}");
    }
    assert_eq!(viewer.watch(Until::Event), Some(Event::Ended));
    assert_eq!(viewer.pts(1), film().pts(1));
    for (start, end, scale) in [(Some(20_001), None, 1.0), (Some(20_001), Some(0), -1.0), (Some(10), Some(10), 1.0)] {
        let granted = viewer.request(&[0, 1], &request(start, end, scale));
        assert!(granted.is_ok(), "{start:?} {end:?} {scale}: {granted:?}");
        viewer.player.pause(&[0, 1]);
    }
}

#[test]
fn playback_may_begin_later() {
    let mut viewer = Viewer::new(film(), &[TCP, TCP]);
    let not_before = Some(viewer.now + Duration::from_millis(5000));
    viewer.request(&[0, 1], &PlayRequest { not_before, ..PlayRequest::default() }).unwrap();
    viewer.watch(Until::Event);
    let first = viewer.of(1)[0];
    assert!((4_960_000..=5_000_000).contains(&first.at), "{first:?}");
    let second = viewer.of(1)[50];
    assert!((5_960_000..=6_000_000).contains(&second.at), "{second:?}");
}
