//! A recording that is still being written.

use super::*;

#[test]
fn what_a_recorder_still_writes_is_waited_for() {
    let mut viewer = Viewer::new(film().insert(1000, Entry::Pending(10)), &[TCP, TCP]);
    viewer.play(&[0, 1], None, None);
    viewer.watch(Until::Elapsed(1500));
    assert_eq!(viewer.pts(1).last(), Some(&980));
    assert_eq!(viewer.watch(Until::Event), Some(Event::Ended));
    assert_eq!(viewer.pts(1), film().pts(1));
    let late = viewer.of(1).into_iter().find(|got| got.pts == 1000).unwrap();
    assert_eq!(late.at, 900_000 + 10 * 100_000, "found by the eleventh look, 100 ms apart");
}

#[test]
fn at_the_edge_of_a_growing_file_nothing_bursts_and_nothing_gets_later_and_later() {
    // A recorder that writes a second's worth at a time: each comes 700 ms after what was before it had been shown.
    let film = (1..4).fold(film(), |film, second| film.insert(1000 * second, Entry::Pending(17)));
    let mut viewer = Viewer::new(film.clone(), &[TCP, TCP]);
    viewer.play(&[0, 1], None, None);
    assert_eq!(viewer.watch(Until::Event), Some(Event::Ended));
    assert_eq!((viewer.pts(0), viewer.pts(1)), (film.pts(0), film.pts(1)), "nothing is lost");
    viewer.check_sequence();
    for pair in viewer.of(1).windows(2) {
        let (media, wall) = (1000 * (pair[1].pts - pair[0].pts), (pair[1].at - pair[0].at) as i64);
        assert!(wall >= media - 40_000, "{media} us of media in {wall} us, beyond the lead: {pair:?}");
        let ticks = i64::from(pair[1].rtptime.wrapping_sub(pair[0].rtptime) as i32);
        assert!((ticks - media * 441 / 10_000).abs() <= 1, "timestamps go on as if nothing had happened: {pair:?}");
    }
    // 4 seconds, and three waits of 1.7 seconds that began 60 ms before the next sample was due.
    assert!((4000 + 3 * 1600..4000 + 3 * 1700).contains(&viewer.elapsed()), "{} ms", viewer.elapsed());
}

#[test]
fn reports_tell_one_clock_however_long_a_recorder_is_waited_for() {
    let mut viewer = Viewer::new(film().insert(1000, Entry::Pending(30)), &[TCP, TCP]);
    viewer.play(&[0, 1], None, None);
    let mut reports = Vec::new();
    for elapsed in [500, 2000, 3900, 4500, 5500] {
        viewer.watch(Until::Elapsed(elapsed));
        reports.push((viewer.player.rtptime_at(0, viewer.now).unwrap(), viewer.player.report_time(viewer.now)));
    }
    for pair in reports.windows(2) {
        let ticks = i64::from(pair[1].0.wrapping_sub(pair[0].0) as i32);
        let told = pair[1].1.saturating_duration_since(pair[0].1).as_micros() as i64;
        let told = told - pair[0].1.saturating_duration_since(pair[1].1).as_micros() as i64;
        assert!((ticks - told * 90 / 1000).abs() <= 2, "{ticks} ticks in {told} us");
    }
}
