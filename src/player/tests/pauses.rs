//! PAUSE and TEARDOWN of all tracks, of one, and amid a burst.

use super::*;

#[test]
fn resume_goes_on_with_the_very_next_sample_wherever_it_was_paused() {
    // 23 ms are 1014.3 ticks of 44.1 kHz: rounding would show.
    let fake = Fake::new().video(pictures_with_b(0, 100)).audio((0..174).map(|index| index * 23)).lasts(4000);
    for pause_after in [0, 1, 2, 3, 7, 50, 51, 52, 53, 370] {
        let mut viewer = Viewer::new(fake.clone(), &[UDP, UDP]);
        viewer.play(&[0, 1], Some(0), None);
        viewer.watch(Until::Packets(pause_after));
        viewer.player.pause(&[0, 1]);
        assert_eq!(viewer.watch(Until::Event), Some(Event::Idle));
        viewer.sleep(5000);
        let first = [viewer.of(0).len(), viewer.of(1).len()];
        let point = viewer.play(&[0, 1], None, None);
        for (track, sequence, rtptime) in &point.tracks {
            assert_eq!(*sequence, FIRST_SEQUENCE.wrapping_add(first[*track] as u16), "paused after {pause_after}");
            check_rtptimes(&viewer, *track, 0, point.start, *rtptime);
        }
        assert_eq!(viewer.watch(Until::Event), Some(Event::Ended));
        assert_eq!((viewer.pts(0), viewer.pts(1)), (fake.pts(0), fake.pts(1)), "paused after {pause_after}");
        viewer.check_sequence();
        for track in [0, 1] {
            check_rtptimes(&viewer, track, 0, ms(0), FIRST_RTPTIME);
        }
    }
}

#[test]
fn what_comes_after_a_pause_is_paced_as_before() {
    let mut viewer = Viewer::new(film(), &[TCP, TCP]);
    viewer.play(&[0, 1], None, None);
    viewer.watch(Until::Elapsed(1010));
    viewer.player.pause(&[0, 1]);
    viewer.sleep(60_000);
    let (resumed, before) = (viewer.elapsed(), viewer.got.len());
    let point = viewer.play(&[0, 1], None, None);
    viewer.watch(Until::Event);
    for got in viewer.got[before..].iter().filter(|got| got.track == 1) {
        let due = (resumed + (ms(got.pts) - point.start).to_duration().as_millis() as u64) * 1000;
        assert!(got.at <= due && got.at + 40_000 >= due, "{got:?} was due at {due}");
    }
}

#[test]
fn a_pause_amid_the_bursts_of_a_key_frame_loses_none_of_it() {
    let huge = Fake::new().video([(0, 0, true, 20_000), (40, 40, false, 150)]).lasts(80);
    let mut viewer = Viewer::new(huge, &[UDP]);
    viewer.play(&[0], None, None);
    viewer.watch(Until::Packets(90));
    viewer.player.pause(&[0]);
    assert_eq!(viewer.watch(Until::Event), Some(Event::Idle));
    viewer.sleep(1000);
    let point = viewer.play(&[0], None, None);
    assert_eq!(point.tracks, [(0, FIRST_SEQUENCE.wrapping_add(90), FIRST_RTPTIME)], "the next packet's number");
    viewer.watch(Until::Event);
    assert_eq!(viewer.got.len(), 202);
    let begun: Vec<usize> = viewer.begun.iter().map(|(before, ..)| *before).collect();
    assert_eq!(begun, [0, 90], "a report before the first packet after each PLAY");
    viewer.check_sequence();
}

#[test]
fn a_pause_before_anything_was_sent_keeps_the_place_sought() {
    let mut viewer = Viewer::new(film(), &[TCP, TCP]);
    viewer.play(&[0, 1], Some(2000), None);
    viewer.player.pause(&[0, 1]);
    let point = viewer.play(&[0, 1], None, None);
    assert_eq!(point.start, ms(1920));
    viewer.watch(Until::Packets(1));
    assert_eq!(viewer.got[0].pts, 1920);
}

#[test]
fn a_pause_between_the_answer_and_the_first_packet_holds() {
    let mut viewer = Viewer::new(film(), &[TCP, TCP]);
    viewer.player.play(&[0, 1], &PlayRequest::default(), viewer.now).unwrap();
    assert_eq!(viewer.watch(Until::Event), Some(Event::Idle), "nothing before the response is out");
    viewer.player.pause(&[0, 1]);
    viewer.player.run(viewer.now);
    assert_eq!(viewer.watch(Until::Event), Some(Event::Idle));
    assert!(!viewer.player.is_playing());
}

#[test]
fn a_seek_in_pause_plays_from_there() {
    let mut viewer = Viewer::new(film(), &[TCP, TCP]);
    viewer.play(&[0, 1], None, None);
    viewer.watch(Until::Elapsed(3000));
    viewer.player.pause(&[0, 1]);
    let before = viewer.got.len();
    assert_eq!(viewer.play(&[0, 1], Some(500), None).start, ms(480));
    viewer.watch(Until::Event);
    assert_eq!(viewer.got[before].pts, 480);
    viewer.check_sequence();
}

// One track of several

#[test]
fn a_track_that_is_paused_alone_stays_out_until_it_joins_in_again() {
    let mut viewer = Viewer::new(film(), &[TCP, TCP]);
    viewer.play(&[0, 1], None, None);
    viewer.watch(Until::Elapsed(1000));
    viewer.player.pause(&[1]);
    viewer.watch(Until::Elapsed(2000));
    let point = viewer.play(&[1], None, None);
    assert_eq!((point.start, point.tracks.len()), (ms(2000), 2), "both play, and the answer tells where");
    viewer.watch(Until::Event);
    assert_eq!(viewer.pts(0), film().pts(0), "the other one does not notice");
    let expected: Vec<i64> = (0..200).map(|index| index * 20).filter(|pts| !(1020..2040).contains(pts)).collect();
    assert_eq!(viewer.pts(1), expected);
    viewer.check_sequence();
    check_rtptimes(&viewer, 1, 0, ms(0), FIRST_RTPTIME);
}

#[test]
fn a_track_paused_alone_amid_its_bursts_sends_no_more_of_them() {
    let huge =
        Fake::new().video([(0, 0, true, 20_000), (400, 400, false, 150)]).audio((0..40).map(|i| i * 20)).lasts(800);
    let mut viewer = Viewer::new(huge, &[UDP, UDP]);
    viewer.play(&[0, 1], None, None);
    viewer.watch(Until::Packets(90));
    viewer.player.pause(&[0]);
    viewer.watch(Until::Elapsed(100));
    assert_eq!((viewer.of(0).len(), viewer.pts(1)), (90, vec![0, 20, 40, 60, 80, 100]));
    let point = viewer.play(&[0], None, None);
    assert_eq!(point.tracks[0].1, FIRST_SEQUENCE.wrapping_add(90));
    viewer.watch(Until::Event);
    viewer.check_sequence();
}

#[test]
fn a_track_goes_on_another_way_and_in_shorter_packets() {
    let huge = Fake::new().video((0..50).map(|index| (index * 40, index * 40, index == 0, 20_000))).lasts(2000);
    let mut viewer = Viewer::new(huge, &[TCP]);
    viewer.play(&[0], None, None);
    viewer.watch(Until::Elapsed(500));
    let before = viewer.got.len();
    assert_eq!((before % 200, viewer.begun.len()), (0, 1), "a hundred bytes in each packet");
    viewer.player.move_track(0, UDP, HEADER_LEN + 50);
    viewer.watch(Until::Elapsed(1000));
    viewer.player.limit_packets(0, HEADER_LEN + PAYLOAD_MAX);
    viewer.watch(Until::Event);
    viewer.check_sequence();
    check_rtptimes(&viewer, 0, 0, ms(0), FIRST_RTPTIME);
    let begun: Vec<usize> = viewer.begun.iter().map(|(before, ..)| *before).collect();
    assert_eq!(begun, [0, before], "a report before the first packet that goes the other way");
    let packets_of = |pts: i64| viewer.got.iter().filter(|got| got.pts == pts).count();
    assert_eq!([480, 800, 1600].map(packets_of), [200, 400, 200]);
    let moments_of = |pts: i64| {
        let mut at: Vec<u64> = viewer.got.iter().filter(|got| got.pts == pts).map(|got| got.at).collect();
        at.dedup();
        at.len()
    };
    assert_eq!([480, 800].map(moments_of), [1, 5], "in bursts, where it goes out as datagrams");
}

#[test]
fn tracks_paused_one_after_the_other_resume_together() {
    let mut viewer = Viewer::new(film(), &[TCP, TCP]);
    viewer.play(&[0, 1], None, None);
    viewer.watch(Until::Elapsed(1000));
    viewer.player.pause(&[0]);
    viewer.watch(Until::Elapsed(1200));
    viewer.player.pause(&[1]);
    assert_eq!(viewer.watch(Until::Event), Some(Event::Idle));
    viewer.play(&[0, 1], None, None);
    viewer.watch(Until::Event);
    assert_eq!(viewer.pts(1), film().pts(1), "the one that was paused with all lost nothing");
    let gap = viewer.pts(0).windows(2).map(|pair| (pair[1] - pair[0]).abs()).max();
    assert!(gap.is_some_and(|gap| (200..=400).contains(&gap)), "{gap:?} ms of the other were skipped");
    viewer.check_sequence();
}

#[test]
fn a_track_that_is_torn_down_falls_silent_and_the_last_one_ends_playback() {
    let mut viewer = Viewer::new(film(), &[TCP, TCP]);
    viewer.play(&[0, 1], None, None);
    viewer.watch(Until::Elapsed(1000));
    let before = viewer.of(0).len();
    viewer.player.remove_track(0);
    viewer.watch(Until::Elapsed(2000));
    assert_eq!((viewer.of(0).len(), viewer.pts(1).last()), (before, Some(&2000)));
    viewer.player.remove_track(1);
    assert_eq!(viewer.watch(Until::Event), Some(Event::Idle));
}

#[test]
fn a_track_set_up_anew_amid_its_bursts_gets_none_of_the_old_packets() {
    let huge = Fake::new().video([(0, 0, true, 20_000), (40, 40, false, 150)]).lasts(80);
    let mut viewer = Viewer::new(huge, &[UDP]);
    viewer.play(&[0], None, None);
    viewer.watch(Until::Packets(90));
    viewer.player.pause(&[0]);
    viewer.got.clear();
    viewer.set_up(0, UDP);
    viewer.play(&[0], None, None);
    viewer.watch(Until::Event);
    assert_eq!(viewer.pts(0), [40]);
    viewer.check_sequence();
}

// The end
