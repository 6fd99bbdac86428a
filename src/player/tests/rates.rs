//! Fast, slow and backwards.

use super::*;

/// 20 seconds at 25 pictures a second, none of them reordered, with a key frame every second, and sound.
fn plain() -> Fake {
    Fake::new().video(pictures(0..500)).audio((0..1000).map(|index| index * 20)).lasts(20_000)
}

/// Fails unless the packets of the video track from `first` on are stamped by the wall clock: their distance in media
/// time divided by `scale`, `rtptime` standing for `start` (ms); and leave by the same clock.
fn check_scaled(viewer: &Viewer, first: usize, point: &PlayPoint, began: u64, lead: u64) {
    let (start, rtptime, scale) = (point.start.as_secs_f64(), rtptime_of(point, 0), point.rate.scale);
    for got in &viewer.of(0)[first..] {
        let offset = (got.pts as f64 / 1000.0 - start) / scale;
        let ticks = got.rtptime.wrapping_sub(rtptime) as i32;
        assert!((f64::from(ticks) - offset * 90_000.0).abs() <= 1.0, "{got:?} is stamped {ticks}, not {offset} s");
        let due = began as f64 + offset / point.rate.speed * 1000.0;
        let at = got.at as f64 / 1000.0;
        assert!(at <= due.max(began as f64) + 1.0, "{got:?} was due at {due} ms");
        assert!(at + lead as f64 + 1.0 >= due, "{got:?} leaves too early for {due} ms");
    }
}

/// A viewer who has watched from the start to its end, at a scale and a speed.
fn watched(fake: Fake, start: Option<i64>, end: Option<i64>, rate: (f64, f64)) -> (Viewer, PlayPoint) {
    let mut viewer = Viewer::new(fake, &[TCP, TCP]);
    let point = viewer.play_at(&[0, 1], start, end, rate);
    assert_eq!(viewer.watch(Until::Event), Some(Event::Ended));
    viewer.check_sequence();
    (viewer, point)
}

// Scale

#[test]
fn fast_forward_and_slow_motion_send_every_picture_that_can_be_decoded_and_no_sound() {
    // 25 pictures a second, and 60 can be decoded.
    for (scale, elapsed) in [(2.0, 10_000), (2.4, 8_333), (0.5, 40_000), (0.1, 200_000)] {
        let (viewer, point) = watched(plain_with_rate(), None, None, (scale, 1.0));
        assert_eq!(point.rate, Rate::new(scale, 1.0));
        assert_eq!(viewer.pts(0), plain().pts(0), "scale {scale}");
        assert_eq!(viewer.pts(1), [] as [i64; 0], "scale {scale}");
        assert_eq!(viewer.elapsed(), elapsed, "scale {scale}");
        check_scaled(&viewer, 0, &point, 0, 40);
    }
}

fn plain_with_rate() -> Fake {
    plain().frame_rate(0, 25.0)
}

#[test]
fn pictures_that_are_reordered_are_scaled_as_they_are_decoded_and_shown() {
    let film = Fake::new().video(pictures_with_b(0, 100)).lasts(4000).frame_rate(0, 25.0);
    let mut viewer = Viewer::new(film.clone(), &[TCP]);
    let point = viewer.play_at(&[0], None, None, (2.0, 1.0));
    assert_eq!(viewer.watch(Until::Event), Some(Event::Ended));
    assert_eq!(viewer.pts(0), film.pts(0));
    for got in viewer.got {
        let ticks = got.rtptime.wrapping_sub(rtptime_of(&point, 0)) as i32;
        assert_eq!(i64::from(ticks), got.pts * 45, "{got:?}");
    }
}

#[test]
fn what_is_too_fast_to_decode_comes_as_key_frames_evenly_spaced() {
    // Key frames every second; at most 25 of them a second.
    for (scale, apart) in [(4.0, 1), (20.0, 1), (25.0, 1), (26.0, 2), (50.0, 2), (100.0, 4)] {
        let (viewer, point) = watched(plain_with_rate(), None, None, (scale, 1.0));
        let expected: Vec<i64> = (0..20).step_by(apart).map(|second| second * 1000).collect();
        assert_eq!(viewer.pts(0), expected, "scale {scale}");
        assert_eq!(viewer.pts(1), [] as [i64; 0]);
        check_scaled(&viewer, 0, &point, 0, 40);
    }
}

#[test]
fn a_recording_of_key_frames_only_is_thinned_out_evenly() {
    let intra = Fake::new().video((0..500).map(|index| (index * 40, index * 40, true, 150))).lasts(20_000);
    for (scale, step) in [(4.0, 160), (10.0, 400), (-1.0, 40), (-4.0, 160)] {
        let mut viewer = Viewer::new(intra.clone().frame_rate(0, 25.0), &[TCP]);
        let point = viewer.play_at(&[0], None, None, (scale, 1.0));
        assert_eq!(viewer.watch(Until::Event), Some(Event::Ended));
        let mut pts = viewer.pts(0);
        if scale < 0.0 {
            assert_eq!(pts.pop(), Some(0), "rewinding ends at the very first picture");
        }
        let gaps: Vec<i64> = pts.windows(2).map(|pair| (pair[1] - pair[0]).abs()).collect();
        assert!(gaps.iter().all(|gap| *gap == step) && gaps.len() > 40, "scale {scale}: {gaps:?}");
        check_scaled(&viewer, 0, &point, 0, 40);
    }
}

#[test]
fn backwards_plays_key_frames_from_the_end_to_the_very_first() {
    for scale in [-1.0, -0.5, -8.0] {
        let (viewer, point) = watched(plain(), None, None, (scale, 1.0));
        assert_eq!((point.start, point.end), (ms(19_000), None));
        let expected: Vec<i64> = (0..20).rev().map(|second| second * 1000).collect();
        assert_eq!(viewer.pts(0), expected, "scale {scale}");
        check_scaled(&viewer, 0, &point, 0, 40);
        assert_eq!(viewer.elapsed(), (19_000.0 / -scale) as u64, "ends at time 0");
    }
}

#[test]
fn backwards_from_one_time_to_another() {
    let (viewer, point) = watched(plain(), Some(15_300), Some(9_000), (-2.0, 1.0));
    assert_eq!((point.start, point.end), (ms(15_000), Some(ms(9000))));
    assert_eq!(viewer.pts(0), [15_000, 14_000, 13_000, 12_000, 11_000, 10_000], "a range does not hold its end");
    assert_eq!(viewer.elapsed(), 3000);
    // A recording that starts in the middle of a group: there is nothing before its first key frame.
    let headless = Fake::new().video(pictures(5..60)).lasts(2400);
    let mut viewer = Viewer::new(headless, &[TCP]);
    viewer.play_at(&[0], Some(2200), None, (-1.0, 1.0));
    assert_eq!(viewer.watch(Until::Event), Some(Event::Ended));
    assert_eq!(viewer.pts(0), [2000, 1000]);
}

#[test]
fn key_frames_are_found_behind_damage_and_before_it() {
    let damaged = || plain().insert(5000, Entry::Skip);
    let seconds = |range: Range<i64>| range.map(|second| second * 1000).collect::<Vec<_>>();
    let mut viewer = Viewer::new(damaged(), &[TCP, TCP]);
    viewer.play_at(&[0, 1], None, None, (10.0, 1.0));
    while viewer.watch(Until::Event) == Some(Event::Skipped) {}
    assert_eq!(viewer.pts(0), seconds(0..20));
    let mut viewer = Viewer::new(damaged(), &[TCP, TCP]);
    viewer.play_at(&[0, 1], None, None, (-10.0, 1.0));
    while viewer.watch(Until::Event) == Some(Event::Skipped) {}
    assert_eq!(viewer.pts(0), seconds(0..20).into_iter().rev().collect::<Vec<_>>());
}

#[test]
fn fast_forward_goes_on_with_what_a_recorder_adds() {
    let growing = plain_with_rate().insert(10_010, Entry::Pending(5));
    let mut viewer = Viewer::new(growing, &[TCP, TCP]);
    viewer.play_at(&[0, 1], None, None, (10.0, 1.0));
    assert_eq!(viewer.watch(Until::Event), Some(Event::Ended));
    assert_eq!(viewer.pts(0).last(), Some(&19_000));
}

#[test]
fn a_scale_beyond_what_is_offered_is_granted_as_the_nearest_and_sound_alone_has_none() {
    for (wanted, granted) in [(1000.0, 100.0), (-1000.0, -100.0), (0.000_1, 0.01), (-0.000_1, -0.01), (3.0, 3.0)] {
        let mut viewer = Viewer::new(plain(), &[TCP, TCP]);
        assert_eq!(viewer.play_at(&[0, 1], Some(10_000), None, (wanted, 1.0)).rate.scale, granted);
    }
    let sound = Fake::new().audio((0..50).map(|index| index * 20)).lasts(1000);
    let mut viewer = Viewer::new(sound.clone(), &[TCP]);
    assert_eq!(viewer.play_at(&[0], None, None, (4.0, 1.0)).rate, Rate::NORMAL);
    assert_eq!(viewer.watch(Until::Event), Some(Event::Ended));
    assert_eq!(viewer.pts(0), sound.pts(0));
}

#[test]
fn sound_comes_back_at_normal_rate() {
    let mut viewer = Viewer::new(plain_with_rate(), &[TCP, TCP]);
    viewer.play(&[0, 1], None, None);
    viewer.watch(Until::Elapsed(2000));
    viewer.play_at(&[0, 1], None, None, (2.0, 1.0));
    viewer.watch(Until::Elapsed(4000));
    let sound = viewer.pts(1).len();
    let point = viewer.play_at(&[0, 1], None, None, (1.0, 1.0));
    assert!((ms(5960)..=ms(6120)).contains(&point.start), "{point:?}");
    assert_eq!(viewer.pts(1).len(), sound);
    viewer.watch(Until::Event);
    assert_eq!(viewer.pts(0), plain().pts(0), "no picture is lost or repeated");
    let gap = viewer.pts(1)[sound] - point.start.as_nanos() / 1_000_000;
    assert!((0..=120).contains(&gap), "{}", viewer.pts(1)[sound]);
    check_rtptimes(&viewer, 1, sound, point.start, rtptime_of(&point, 1));
    viewer.check_sequence();
}

/// Every change at once, from where playback stands, and timestamps never go back.
#[test]
fn a_change_of_scale_takes_effect_at_once_where_playback_stands() {
    let scales = [1.0, 2.0, 8.0, 1.0, -4.0, -1.0, 0.5, 10.0, -10.0, 2.0, 1.0];
    for fake in [plain_with_rate(), Fake::new().video(pictures_with_b(0, 500)).lasts(20_000).frame_rate(0, 25.0)] {
        let mut viewer = Viewer::new(fake, &[TCP, TCP][..1]);
        viewer.play(&[0], Some(6000), None);
        let mut before = 1.0;
        for (turn, scale) in scales.into_iter().enumerate() {
            viewer.watch(Until::Elapsed(turn as u64 * 400));
            let stood_at = viewer.player.position(viewer.now);
            let latest = viewer.got.iter().map(|got| got.rtptime as i32).max();
            let sent = viewer.got.len();
            let point = viewer.play_at(&[0], None, None, (scale, 1.0));
            let what = format!("turn {turn}, from {before} to {scale} at {stood_at}: {point:?}");
            assert_eq!(point.rate.scale, scale, "{what}");
            // All pictures start with a key frame where there were key frames only before.
            let moved = (point.start - stood_at).as_nanos() / 1_000_000;
            let were_keys = !(0.0..=2.4).contains(&before);
            let are_all = (0.0..=2.4).contains(&scale);
            assert!((if were_keys && are_all { -1000 } else { 0 }..=0).contains(&moved), "{what}");
            viewer.watch(Until::Elapsed(turn as u64 * 400 + 399));
            let rtptime = rtptime_of(&point, 0);
            for got in &viewer.got[sent..] {
                let ticks = f64::from(got.rtptime.wrapping_sub(rtptime) as i32);
                let offset = (got.pts as f64 / 1000.0 - point.start.as_secs_f64()) / scale;
                assert!((ticks - offset * 90_000.0).abs() <= 1.0, "{what}: {got:?} at {offset} s");
                if turn > 0 {
                    assert!(latest.is_none_or(|latest| got.rtptime.wrapping_sub(latest as u32) as i32 > 0), "{what}");
                }
            }
            before = scale;
        }
        viewer.check_sequence();
    }
}

#[test]
fn play_without_a_rate_keeps_the_one_there_is_while_playing_and_is_normal_after_a_pause() {
    let mut viewer = Viewer::new(plain(), &[TCP, TCP]);
    viewer.play_at(&[0, 1], None, None, (10.0, 1.0));
    viewer.watch(Until::Elapsed(500));
    let point = viewer.play(&[0, 1], None, None);
    assert_eq!((point.rate.scale, point.start), (10.0, ms(5000)));
    viewer.player.pause(&[0, 1]);
    let point = viewer.play(&[0, 1], None, None);
    assert_eq!((point.rate, point.start), (Rate::NORMAL, ms(5000)));
}

#[test]
fn a_pause_in_fast_forward_resumes_with_the_very_next_key_frame() {
    for scale in [10.0, -10.0] {
        let mut viewer = Viewer::new(plain(), &[TCP, TCP]);
        viewer.play_at(&[0, 1], None, None, (scale, 1.0));
        viewer.watch(Until::Packets(20));
        viewer.player.pause(&[0, 1]);
        viewer.sleep(10_000);
        viewer.play_at(&[0, 1], None, None, (scale, 1.0));
        assert_eq!(viewer.watch(Until::Event), Some(Event::Ended));
        assert_eq!(viewer.pts(0).len(), 20);
        viewer.check_sequence();
    }
}

#[test]
fn a_sender_report_tells_the_timestamp_of_its_moment_at_any_scale() {
    for scale in [2.0, 10.0, -4.0, 0.25] {
        let mut viewer = Viewer::new(plain_with_rate(), &[TCP, TCP]);
        let point = viewer.play_at(&[0, 1], Some(10_000), None, (scale, 1.0));
        viewer.watch(Until::Elapsed(700));
        for track in [0, 1] {
            let report = viewer.player.rtptime_at(track, viewer.now).unwrap();
            let passed = report.wrapping_sub(rtptime_of(&point, track)) as i32;
            assert!((passed - ticks(700, track) as i32).abs() <= 1, "scale {scale}, track {track}: {passed}");
        }
        assert_eq!(viewer.player.report_time(viewer.now), viewer.now);
    }
}

// Speed

#[test]
fn speed_delivers_everything_in_less_time_with_the_same_timestamps() {
    for (speed, elapsed) in [(2.0, 10_000), (0.5, 40_000), (8.0, 2500)] {
        let (viewer, point) = watched(plain(), None, None, (1.0, speed));
        assert_eq!(point.rate, Rate::new(1.0, speed));
        assert_eq!((viewer.pts(0), viewer.pts(1)), (plain().pts(0), plain().pts(1)));
        assert_eq!(viewer.elapsed(), elapsed, "speed {speed}");
        for track in [0, 1] {
            check_rtptimes(&viewer, track, 0, ms(0), FIRST_RTPTIME);
        }
        check_scaled(&viewer, 0, &point, 0, 40);
    }
}

#[test]
fn a_change_of_speed_leaves_no_trace_in_the_stream() {
    let mut viewer = Viewer::new(plain(), &[TCP, TCP]);
    viewer.play(&[0, 1], None, None);
    for (elapsed, speed, position) in [(1000, 2.0, 1000), (2000, 4.0, 3000), (3000, 0.5, 7000), (5000, 1.0, 8000)] {
        viewer.watch(Until::Elapsed(elapsed));
        let point = viewer.play_at(&[0, 1], None, None, (1.0, speed));
        assert_eq!((point.start, point.rate.speed), (ms(position), speed));
    }
    assert_eq!(viewer.watch(Until::Event), Some(Event::Ended));
    assert_eq!(viewer.elapsed(), 17_000);
    assert_eq!((viewer.pts(0), viewer.pts(1)), (plain().pts(0), plain().pts(1)));
    viewer.check_sequence();
    for track in [0, 1] {
        check_rtptimes(&viewer, track, 0, ms(0), FIRST_RTPTIME);
    }
}

#[test]
fn speed_is_granted_within_limits() {
    for (wanted, granted) in [(100.0, 16.0), (0.001, 0.062_5), (3.0, 3.0)] {
        let mut viewer = Viewer::new(plain(), &[TCP, TCP]);
        assert_eq!(viewer.play_at(&[0, 1], None, None, (1.0, wanted)).rate.speed, granted);
    }
}

#[test]
fn backwards_at_a_speed_hurries_what_is_stamped_as_without() {
    let (viewer, point) = watched(plain(), Some(10_000), None, (-1.0, 2.0));
    assert_eq!(viewer.pts(0), (0..=10).rev().map(|second| second * 1000).collect::<Vec<_>>());
    assert_eq!(viewer.elapsed(), 5000);
    check_scaled(&viewer, 0, &point, 0, 40);
}

/// Receivers count on from a report at the nominal clock rate, and tracks are reported at different moments.
#[test]
fn reports_at_a_speed_tell_a_clock_that_runs_as_fast_as_the_timestamps() {
    let mut viewer = Viewer::new(plain(), &[TCP, TCP]);
    let point = viewer.play_at(&[0, 1], Some(5000), None, (1.0, 3.0));
    let began = viewer.now;
    for (track, elapsed) in [(0, 300), (1, 450), (0, 2000)] {
        viewer.watch(Until::Elapsed(elapsed));
        let report = viewer.player.rtptime_at(track, viewer.now).unwrap();
        let told = viewer.player.report_time(viewer.now) - began;
        let passed = report.wrapping_sub(rtptime_of(&point, track));
        assert_eq!(passed, ticks(told.as_millis() as i64, track));
        assert_eq!(told, Duration::from_millis(3 * elapsed));
    }
}

/// As over TCP, where the client's pace is all there is.
#[test]
fn who_cannot_be_served_at_the_speed_granted_gets_all_of_it_later() {
    let mut viewer = Viewer::new(plain(), &[TCP, TCP]);
    viewer.oversleep = Duration::from_millis(700);
    viewer.play_at(&[0, 1], None, None, (1.0, 16.0));
    assert_eq!(viewer.watch(Until::Event), Some(Event::Ended));
    assert_eq!((viewer.pts(0), viewer.pts(1)), (plain().pts(0), plain().pts(1)));
    viewer.check_sequence();
}

/// GStreamer shows nothing before each track has begun.
#[test]
fn a_silent_track_begins_with_one_sample_where_a_client_waits_for_it() {
    for (rate, start) in [((2.0, 1.0), 10_000), ((10.0, 1.0), 10_000), ((-2.0, 1.0), 10_000)] {
        let mut viewer = Viewer::new(plain_with_rate(), &[TCP, TCP]);
        let rate = Some(Rate::new(rate.0, rate.1));
        let request = PlayRequest { start: Some(ms(start)), rate, all_begin: true, ..PlayRequest::default() };
        let point = viewer.request(&[0, 1], &request).unwrap();
        viewer.watch(Until::Elapsed(1000));
        assert_eq!((point.start, viewer.pts(1), viewer.got[0].at), (ms(start), vec![start], 0), "{rate:?}");
        assert!(viewer.pts(0).len() > 1 && viewer.pts(0)[0] == start, "{rate:?}: {:?}", viewer.pts(0));
        assert_eq!(viewer.of(1)[0].rtptime, rtptime_of(&point, 1));
        // And so does the next change.
        viewer.request(&[0, 1], &PlayRequest { start: None, ..request }).unwrap();
        let back = PlayRequest { rate: Some(Rate::new(-30.0, 1.0)), all_begin: true, ..PlayRequest::default() };
        viewer.request(&[0, 1], &back).unwrap();
        viewer.watch(Until::Elapsed(1100));
        assert_eq!(viewer.pts(1).len(), 2, "{rate:?}: {:?}", viewer.pts(1));
        viewer.check_sequence();
    }
}
