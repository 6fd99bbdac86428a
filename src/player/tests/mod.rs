//! One viewer's playback on an invented clock. What is played, and who watches, is in [`fake`].

mod ends;
mod fake;
mod growing;
mod parts;
mod pauses;
mod rates;

use std::time::Duration;

use super::*;
use crate::rtp::HEADER_LEN;
use fake::{
    Entry, Event, FIRST_RTPTIME, FIRST_SEQUENCE, Fake, GRACE, PAYLOAD_MAX, RATES, Until, Viewer, ms, pictures,
    pictures_with_b,
};

const UDP: bool = true;
const TCP: bool = false;

/// Four seconds of video with B-pictures and of audio in 20 ms pieces, interleaved.
fn film() -> Fake {
    Fake::new().video(pictures_with_b(0, 100)).audio((0..200).map(|index| index * 20)).lasts(4000)
}

/// Ticks of a track's clock in some milliseconds.
fn ticks(millis: i64, track: usize) -> u32 {
    ms(millis).to_ticks(RATES[track]) as u32
}

/// Fails unless the packets from `first` on are stamped by their presentation time, to the tick, with `rtptime`
/// standing for `start` (ms).
fn check_rtptimes(viewer: &Viewer, track: usize, first: usize, start: MediaTime, rtptime: u32) {
    for got in &viewer.of(track)[first..] {
        let expected = ms(got.pts).to_ticks(RATES[track]) - start.to_ticks(RATES[track]);
        assert_eq!(got.rtptime.wrapping_sub(rtptime) as i32, expected as i32, "{got:?} after {start}, {rtptime}");
    }
}

fn rtptime_of(point: &PlayPoint, track: usize) -> u32 {
    point.tracks.iter().find(|(known, _, _)| *known == track).expect("a track that plays").2
}

// Pace

#[test]
fn nothing_leaves_after_it_is_due_or_more_than_the_lead_before() {
    for lead in [0, 40, 250] {
        let pacing = Pacing { lead: Duration::from_millis(lead), ..Pacing::default() };
        let mut viewer = Viewer::with_pacing(film(), &[TCP, TCP], pacing);
        viewer.play(&[0, 1], None, None);
        assert_eq!(viewer.watch(Until::Event), Some(Event::Ended));
        assert_eq!((viewer.pts(0), viewer.pts(1)), (film().pts(0), film().pts(1)));
        let dts = |track: usize, index: usize| if track == 0 { index as i64 * 40 - 80 } else { index as i64 * 20 };
        for track in [0, 1] {
            let samples = viewer.of(track).into_iter().filter(|got| got.marker).enumerate();
            for (index, got) in samples {
                let (due, at) = (dts(track, index).max(0) as u64 * 1000, got.at);
                assert!(at <= due, "lead {lead}: {got:?} left at {at} us, due {due}");
                assert!(at + lead * 1000 >= due, "lead {lead}: {got:?} left at {at} us, due {due}");
            }
        }
    }
}

#[test]
fn all_that_is_due_within_the_lead_leaves_in_one_wake() {
    let count_wakes = |lead| {
        let pacing = Pacing { lead: Duration::from_millis(lead), ..Pacing::default() };
        let mut viewer = Viewer::with_pacing(film(), &[UDP, UDP], pacing);
        viewer.play(&[0, 1], None, None);
        viewer.watch(Until::Elapsed(3900));
        viewer.wakes
    };
    // Without a lead, one wake for each 20 ms of audio, and video comes along; each lead adds to the 20 ms.
    assert_eq!([0, 40, 100].map(count_wakes), [195, 65, 32]);
}

#[test]
fn a_huge_key_frame_leaves_in_bursts_over_udp_and_at_once_over_tcp() {
    let huge = || Fake::new().video([(0, 0, true, 20_000), (40, 40, false, 150), (80, 80, false, 150)]).lasts(120);
    let at = |is_datagram| {
        let mut viewer = Viewer::new(huge(), &[is_datagram]);
        viewer.play(&[0], None, None);
        assert_eq!(viewer.watch(Until::Event), Some(Event::Ended));
        viewer.check_sequence();
        let at: Vec<u64> = viewer.got.iter().map(|got| got.at).collect();
        assert_eq!(at.len(), 204);
        at
    };
    let udp = at(UDP);
    assert_eq!((udp[0], udp[89], udp[90], udp[179], udp[180], udp[199]), (0, 0, 2000, 2000, 4000, 4000));
    assert_eq!(udp[200..], [4000, 4000, 80_000, 80_000], "the next picture follows within the lead");
    assert_eq!(at(TCP)[..202], [0; 202]);
}

#[test]
fn who_is_a_little_late_catches_up() {
    let mut viewer = Viewer::new(film(), &[TCP, TCP]);
    viewer.play(&[0, 1], None, None);
    viewer.watch(Until::Elapsed(1000));
    viewer.sleep(1500);
    viewer.watch(Until::Elapsed(2500));
    let newest = viewer.of(1).last().copied().unwrap();
    assert_eq!((newest.pts, newest.at), (2540, 2_500_000), "all that was missed, at once");
    viewer.watch(Until::Elapsed(3000));
    assert_eq!(viewer.of(1).last().unwrap().pts, 3020, "and then by the same timetable");
}

#[test]
fn who_is_very_late_goes_on_with_a_new_timetable_instead_of_a_flood() {
    let mut viewer = Viewer::new(film(), &[TCP, TCP]);
    viewer.play(&[0, 1], None, None);
    viewer.watch(Until::Elapsed(1000));
    let before = viewer.got.len();
    viewer.sleep(10_000);
    viewer.watch(Until::Elapsed(11_500));
    let at_once = viewer.got[before..].iter().filter(|got| got.at == 11_000_000).count();
    assert!(at_once <= 8, "{at_once} packets left at once: {:?}", &viewer.got[before..]);
    let missed: Vec<i64> = viewer.pts(1).windows(2).map(|pair| pair[1] - pair[0]).filter(|gap| *gap != 20).collect();
    assert!(missed.is_empty(), "nothing is left out");
    assert_eq!(viewer.watch(Until::Event), Some(Event::Ended));
    viewer.check_sequence();
    check_rtptimes(&viewer, 0, 0, ms(0), FIRST_RTPTIME);
}

#[test]
fn a_gap_in_the_recording_is_waited_out() {
    let gap = Fake::new().video(pictures(0..25).into_iter().chain(pictures(100..110))).lasts(4400);
    let mut viewer = Viewer::new(gap, &[UDP]);
    viewer.play(&[0], None, None);
    assert_eq!(viewer.watch(Until::Event), Some(Event::Ended));
    let behind = viewer.got.iter().find(|got| got.pts == 4000).unwrap();
    assert_eq!((behind.at, behind.rtptime), (4_000_000, FIRST_RTPTIME.wrapping_add(4 * 90_000)));
}

#[test]
fn an_overloaded_machine_delays_and_loses_nothing() {
    let mut viewer = Viewer::new(film(), &[UDP, UDP]);
    viewer.oversleep = Duration::from_millis(333);
    viewer.play(&[0, 1], None, None);
    assert_eq!(viewer.watch(Until::Event), Some(Event::Ended));
    assert_eq!((viewer.pts(0), viewer.pts(1)), (film().pts(0), film().pts(1)));
    viewer.check_sequence();
}

// Start and seek

#[test]
fn priming_samples_come_first_with_timestamps_before_the_start() {
    let primed = Fake::new().audio((-3..50).map(|index| index * 20)).lasts(1000);
    let mut viewer = Viewer::new(primed, &[TCP]);
    let point = viewer.play(&[0], None, None);
    let tracks = vec![(0, FIRST_SEQUENCE, FIRST_RTPTIME)];
    let expected = PlayPoint { start: ms(0), end: None, rate: Rate::NORMAL, tracks };
    assert_eq!(point, expected);
    viewer.watch(Until::Elapsed(0));
    let first: Vec<_> =
        viewer.got.iter().map(|got| (got.pts, got.rtptime.wrapping_sub(FIRST_RTPTIME) as i32)).collect();
    assert_eq!(first, [(-60, -5400), (-40, -3600), (-20, -1800), (0, 0), (20, 1800), (40, 3600)]);
}

#[test]
fn a_seek_starts_at_the_key_frame_and_the_answer_says_so() {
    let mut viewer = Viewer::new(film(), &[TCP, TCP]);
    viewer.play(&[0, 1], None, None);
    viewer.watch(Until::Elapsed(500));
    let before = viewer.got.len();
    let (video, audio) = (viewer.of(0).len(), viewer.of(1).len());
    // Key frames are shown every 480 ms.
    let point = viewer.play(&[0, 1], Some(2000), None);
    assert_eq!((point.start, point.end), (ms(1920), None));
    let next = |track: usize| viewer.player.stream(track).unwrap().next_sequence();
    assert_eq!(
        point.tracks.iter().map(|(track, seq, _)| (*track, *seq)).collect::<Vec<_>>(),
        [(0, next(0)), (1, next(1))]
    );
    viewer.watch(Until::Event);
    assert_eq!(viewer.got[before].pts, 1920, "the key frame is the first");
    assert_eq!(viewer.pts(1)[audio], 1920);
    check_rtptimes(&viewer, 0, video, point.start, rtptime_of(&point, 0));
    check_rtptimes(&viewer, 1, audio, point.start, rtptime_of(&point, 1));
}

#[test]
fn timestamps_never_go_back_or_drift_apart_however_often_one_seeks() {
    // 23 ms are 1014.3 ticks of 44.1 kHz: rounding would show.
    let uneven = Fake::new().video(pictures_with_b(0, 100)).audio((0..174).map(|index| index * 23)).lasts(4000);
    let mut viewer = Viewer::new(uneven, &[UDP, UDP]);
    let mut first = [0, 0];
    for (round, to) in [0, 2000, 500, 3999, 0, 1, 480, 479, 1000].into_iter().enumerate() {
        let latest = [0, 1].map(|track| viewer.of(track).iter().map(|got| got.rtptime as i32).max());
        let point = viewer.play(&[0, 1], Some(to), None);
        viewer.watch(Until::Elapsed((round as u64 + 1) * 333));
        for track in [0, 1] {
            check_rtptimes(&viewer, track, first[track], point.start, rtptime_of(&point, track));
            let new: Vec<_> = viewer.of(track)[first[track]..].to_vec();
            for got in &new {
                let is_later = latest[track].is_none_or(|latest| got.rtptime.wrapping_sub(latest as u32) as i32 > 0);
                assert!(is_later, "round {round}, seek to {to}: {got:?} is stamped before {latest:?}");
            }
            first[track] += new.len();
        }
        // Both clocks tell the same stream time.
        let since = [0, 1].map(|track| f64::from(rtptime_of(&point, track).wrapping_sub(FIRST_RTPTIME)));
        let apart = since[0] / f64::from(RATES[0]) - since[1] / f64::from(RATES[1]);
        assert!(apart.abs() < 1.0 / f64::from(RATES[1]), "round {round}: {apart} s apart");
    }
    viewer.check_sequence();
}

/// The priming samples of an encoder, or pictures shown before the key frame that starts a group, would else be
/// stamped before what was sent last.
#[test]
fn what_is_shown_before_the_start_is_stamped_after_what_was_sent() {
    let primed = Fake::new().audio((-10..50).map(|index| index * 20)).lasts(1000);
    let mut viewer = Viewer::new(primed, &[TCP]);
    viewer.play(&[0], None, None);
    viewer.watch(Until::Elapsed(300));
    let latest = viewer.got.last().unwrap().rtptime;
    let before = viewer.got.len();
    viewer.play(&[0], Some(0), None);
    viewer.watch(Until::Elapsed(310));
    let again = viewer.got[before];
    assert_eq!((again.pts, again.rtptime.wrapping_sub(latest)), (-200, ticks(40, 0)));
}

#[test]
fn a_seek_amid_the_bursts_of_a_key_frame_leaves_no_gap_in_the_sequence_numbers() {
    let huge = Fake::new().video([(0, 0, true, 20_000), (40, 40, false, 150), (80, 80, true, 150)]).lasts(120);
    let mut viewer = Viewer::new(huge, &[UDP]);
    viewer.play(&[0], None, None);
    viewer.watch(Until::Packets(90));
    let counted = |viewer: &Viewer| {
        let stream = viewer.player.stream(0).unwrap();
        (stream.packet_count(), stream.octet_count())
    };
    assert_eq!(counted(&viewer), (200, 20_000));
    let point = viewer.play(&[0], Some(80), None);
    assert_eq!(point.tracks[0].1, FIRST_SEQUENCE.wrapping_add(90));
    assert_eq!(counted(&viewer), (90, 9000), "a sender report tells what was sent");
    viewer.watch(Until::Event);
    viewer.check_sequence();
    assert_eq!(viewer.pts(0), [80]);
}

#[test]
fn playing_again_while_playing_goes_on_and_tells_where_it_is() {
    let mut viewer = Viewer::new(film(), &[TCP, TCP]);
    viewer.play(&[0, 1], None, None);
    viewer.watch(Until::Elapsed(1000));
    let point = viewer.play(&[0, 1], None, None);
    assert_eq!(point.start, ms(1000));
    assert_eq!(rtptime_of(&point, 0), FIRST_RTPTIME.wrapping_add(90_000));
    viewer.watch(Until::Event);
    assert_eq!((viewer.pts(0), viewer.pts(1)), (film().pts(0), film().pts(1)));
}

#[test]
fn a_sender_report_tells_the_timestamp_of_its_moment() {
    let mut viewer = Viewer::new(film(), &[TCP, TCP]);
    viewer.play(&[0, 1], Some(2000), None);
    viewer.watch(Until::Elapsed(700));
    let report = viewer.player.rtptime_at(1, viewer.now).unwrap();
    let newest = viewer.of(1).last().copied().unwrap();
    let passing = 1920 + 700;
    assert!((passing..=passing + 40).contains(&newest.pts), "{newest:?}");
    assert_eq!(newest.rtptime.wrapping_sub(report), ticks(newest.pts - passing, 1));
}

// Pause and resume

#[test]
fn damage_is_told_once_and_played_on_behind() {
    let damaged = || film().insert(1000, Entry::Skip).insert(1920, Entry::Skip);
    let mut viewer = Viewer::new(damaged(), &[TCP, TCP]);
    viewer.play(&[0, 1], None, None);
    let events = [(); 3].map(|()| viewer.watch(Until::Event).unwrap());
    assert_eq!(events, [Event::Skipped, Event::Skipped, Event::Ended]);
    assert_eq!(viewer.pts(1), film().pts(1));
    // Where a seek lands upon it.
    let first = Fake::new().audio([0, 20]).insert(0, Entry::Skip);
    let mut viewer = Viewer::new(first, &[TCP]);
    viewer.play(&[0], None, None);
    let events = [(); 2].map(|()| viewer.watch(Until::Event).unwrap());
    assert_eq!((events, viewer.pts(0)), ([Event::Skipped, Event::Ended], vec![0, 20]));
}

#[test]
fn a_failing_disk_ends_playback_and_play_tries_again_from_the_start() {
    let mut viewer = Viewer::new(film().insert(1000, Entry::Fail), &[TCP, TCP]);
    viewer.play(&[0, 1], None, None);
    assert_eq!(viewer.watch(Until::Event), Some(Event::Failed));
    assert_eq!(viewer.pts(1).last(), Some(&980));
    assert_eq!(viewer.watch(Until::Event), Some(Event::Idle));
    assert_eq!(viewer.play(&[0, 1], None, None).start, ms(0));
    assert_eq!(viewer.watch(Until::Event), Some(Event::Failed));
    viewer.check_sequence();
}

#[test]
fn a_seek_that_fails_is_the_answer_and_stops_playback() {
    let mut viewer = Viewer::new(film().fails_to_seek(), &[TCP, TCP]);
    for start in [Some(ms(1000)), None] {
        assert!(viewer.player.play(&[0, 1], &PlayRequest { start, ..PlayRequest::default() }, viewer.now).is_err());
        viewer.player.run(viewer.now);
        assert_eq!(viewer.watch(Until::Event), Some(Event::Idle));
    }
}

#[test]
fn nothing_is_due_before_play() {
    let mut viewer = Viewer::new(film(), &[TCP, TCP]);
    assert_eq!(viewer.watch(Until::Event), Some(Event::Idle));
    assert_eq!(viewer.player.active_tracks().count(), 0);
}

#[test]
fn every_track_begins_with_a_report_of_a_time_no_earlier_than_its_first_packet() {
    let mut viewer = Viewer::new(film(), &[TCP, TCP]);
    for (start, elapsed) in [(Some(0), 300), (Some(2000), 600), (None, 900)] {
        viewer.play(&[0, 1], start, None);
        viewer.watch(Until::Elapsed(elapsed));
        viewer.player.pause(&[0, 1]);
    }
    let mut tracks: Vec<usize> = viewer.begun.iter().map(|(_, track, _)| *track).collect();
    tracks.sort_unstable();
    assert_eq!(tracks, [0, 0, 0, 1, 1, 1]);
    for (before, track, rtptime) in &viewer.begun {
        let first = viewer.got[*before..].iter().find(|got| got.track == *track).expect("packets follow");
        assert!(rtptime.wrapping_sub(first.rtptime) as i32 >= 0, "track {track}: {rtptime} before {}", first.rtptime);
    }
}

#[test]
fn what_a_track_does_not_show_is_sent_only_if_something_that_is_shown_needs_it() {
    // I0 P120 B40 B80 P240 B160 B200: decoded in this order.
    let film = Fake::new()
        .video([
            (0, -40, true, 10),
            (120, 0, false, 10),
            (40, 40, false, 10),
            (80, 80, false, 10),
            (240, 120, false, 10),
            (160, 160, false, 10),
            (200, 200, false, 10),
        ])
        .audio((0..20).map(|index| index * 20))
        .shown_until(0, 100)
        .shown_until(1, 300);
    let mut viewer = Viewer::new(film, &[TCP, TCP]);
    viewer.play(&[0, 1], None, None);
    assert_eq!(viewer.watch(Until::Event), Some(Event::Ended));
    assert_eq!(viewer.pts(0), [0, 120, 40, 80], "120 goes along because 40 and 80 refer to it");
    assert_eq!(viewer.pts(1).last(), Some(&280));
}
