//! Seeks land on the key frame they should, whatever the index says.

use super::*;

const BEFORE: SeekTo = SeekTo::SyncAtOrBefore;
const AFTER: SeekTo = SeekTo::SyncAtOrAfter;

/// Ten seconds of 25 pictures a second with a key frame every two, and 50 audio frames a second, in Clusters of a
/// second, of `padding` bytes more each. Also where each Cluster begins, from the start of the Segment's data.
fn ten_seconds(padding: usize, is_live: bool) -> (Vec<u8>, Vec<u64>) {
    let mut data = Vec::new();
    let mut positions = Vec::new();
    for second in 0..10_u64 {
        positions.push(data.len() as u64);
        let mut cluster = uint(id::TIMESTAMP, second * 1000);
        for index in 0..50_i16 {
            cluster.extend(simple_block(2, index * 20, 0x80, [index as u8; 160]));
            if index % 2 == 0 {
                let is_key = index == 0 && second % 2 == 0;
                cluster.extend(simple_block(1, index * 20, 0x80 * u8::from(is_key), picture(index as u8)));
            }
        }
        cluster.extend(element(id::VOID, vec![0; padding]));
        data.extend(if is_live { open_ended(id::CLUSTER, cluster) } else { element(id::CLUSTER, cluster) });
    }
    (data, positions)
}

/// Cues: time in milliseconds and Cluster.
fn cues(entries: &[(u64, u64)]) -> Vec<u8> {
    let points = entries.iter().map(|(ticks, position)| {
        let positions = master(id::CUE_TRACK_POSITIONS, [uint(id::CUE_CLUSTER_POSITION, *position)]);
        master(id::CUE_POINT, [uint(id::CUE_TIME, *ticks), positions])
    });
    element(id::CUES, points.collect::<Vec<_>>().concat())
}

/// The next sample of each track, in milliseconds.
fn firsts(reader: &mut dyn Reader) -> [Option<i64>; 2] {
    let mut firsts = [None; 2];
    let mut sample = Sample::default();
    while firsts.contains(&None) && matches!(reader.next(&mut sample).unwrap(), Next::Sample) {
        firsts[sample.track].get_or_insert(sample.pts.as_nanos() / 1_000_000);
    }
    firsts
}

/// Files that differ in what helps to find a place, and that all must give the same.
fn variants() -> Vec<(&'static str, Vec<u8>)> {
    let both = || tracks([video(), audio()]);
    let (data, at) = ten_seconds(0, false);
    let (live, _) = ten_seconds(0, true);
    let (large, _) = ten_seconds(2 << 20, false);
    let (large_live, _) = ten_seconds(2 << 20, true);
    let with_cues = |entries: &[(u64, u64)]| {
        let head = (cues(entries).len() + both().len()) as u64;
        let shifted: Vec<_> = entries.iter().map(|(ticks, position)| (*ticks, position + head)).collect();
        file([cues(&shifted), both(), data.clone()])
    };
    let every: Vec<_> = at.iter().enumerate().map(|(second, at)| (second as u64 * 1000, *at)).collect();
    let wrong: Vec<_> = every.iter().map(|(ticks, at)| (*ticks, at + 7)).collect();
    let shuffled: Vec<_> = every.iter().rev().copied().collect();
    vec![
        ("no cues", file([both(), data.clone()])),
        ("a cue for each Cluster", with_cues(&every)),
        ("cues behind each other", with_cues(&shuffled)),
        ("one cue", with_cues(&every[4..5])),
        ("cues that point beside", with_cues(&wrong)),
        ("cues of other times", with_cues(&[(0, at[5]), (5000, at[0]), (9000, 1 << 50)])),
        ("live", live_file([both(), live])),
        ("large", file([both(), large])),
        ("large and live", live_file([both(), large_live])),
    ]
}

#[test]
fn a_seek_lands_on_the_key_frame_and_the_other_tracks_follow_from_there() {
    for (name, bytes) in variants() {
        let mut reader = opened(&bytes).reader().unwrap();
        for (to, how, landed) in [
            (4000, BEFORE, 4000),
            (4000, AFTER, 4000),
            (5999, BEFORE, 4000),
            (4001, AFTER, 6000),
            (100, BEFORE, 0),
            (1, AFTER, 2000),
            (0, AFTER, 0),
            (-50, BEFORE, 0),
            (9999, BEFORE, 8000),
            (9999, AFTER, 8000),
            (99_999, BEFORE, 8000),
            (99_999, AFTER, 8000),
            (i64::MAX, BEFORE, 8000),
        ] {
            assert_eq!(seek(&mut *reader, to, how), landed, "{name}: {how:?} {to}");
            assert_eq!(firsts(&mut *reader), [Some(landed); 2], "{name}: {how:?} {to}");
        }
    }
}

#[test]
fn without_video_any_frame_will_do() {
    for (name, bytes) in variants() {
        let mut reader = opened(&bytes).reader().unwrap();
        reader.select(0, false);
        for (to, how, landed) in [
            (5010, BEFORE, 5000),
            (5010, AFTER, 5020),
            (5020, AFTER, 5020),
            (99_999, BEFORE, 9980),
            (99_999, AFTER, 9980),
        ] {
            assert_eq!(seek(&mut *reader, to, how), landed, "{name}: {how:?} {to}");
            let mut sample = Sample::default();
            reader.next(&mut sample).unwrap();
            assert_eq!((sample.track, sample.pts), (1, MediaTime::from_millis(landed)), "{name}: {how:?} {to}");
        }
    }
}

#[test]
fn before_the_first_key_frame_is_the_very_first_sample() {
    let audio_at = |relative| simple_block(2, relative, 0x80, [0; 160]);
    let blocks = [
        audio_at(100),
        simple_block(1, 120, 0, picture(1)),
        audio_at(120),
        simple_block(1, 200, 0x80, picture(2)),
        audio_at(200),
    ];
    let mut reader = opened(&file([tracks([video(), audio()]), cluster(0, blocks)])).reader().unwrap();
    for to in [-100, 0, 1, 199] {
        assert_eq!(seek(&mut *reader, to, BEFORE), 100, "to {to}");
        assert_eq!(firsts(&mut *reader), [Some(120), Some(100)], "to {to}");
    }
    assert_eq!(seek(&mut *reader, 200, BEFORE), 200);
    assert_eq!(firsts(&mut *reader), [Some(200), Some(200)]);
}

#[test]
fn audio_that_lies_before_its_key_frame_in_the_file_is_found() {
    // The audio of the second key frame's time is in the Cluster before.
    let first = cluster(
        0,
        [
            simple_block(1, 0, 0x80, picture(1)),
            simple_block(2, 0, 0x80, [0; 160]),
            simple_block(2, 980, 0x80, [0; 160]),
            simple_block(2, 1000, 0x80, [0; 160]),
        ],
    );
    let second = cluster(1000, [simple_block(1, 0, 0x80, picture(2)), simple_block(2, 20, 0x80, [0; 160])]);
    let mut reader = opened(&file([tracks([video(), audio()]), first, second])).reader().unwrap();
    assert_eq!(seek(&mut *reader, 1500, BEFORE), 1000);
    assert_eq!(rest(&mut *reader).iter().map(|line| &line[..6]).collect::<Vec<_>>(), ["1 1000", "0 1000", "1 1020"]);
}

#[test]
fn priming_samples_come_along_and_the_landing_is_not_before_the_start() {
    let opus = track(4, "A_OPUS", [uint(id::CODEC_DELAY, 6_500_000)]);
    let blocks = [simple_block(4, 0, 0x80, [0x08, 1]), simple_block(4, 20, 0x80, [0x08, 2])];
    let mut reader = opened(&file([tracks([opus]), cluster(0, blocks)])).reader().unwrap();
    assert_eq!(seek(&mut *reader, 0, BEFORE), 0);
    assert_eq!(rest(&mut *reader), ["0 -7/-7* 0801", "0 13/13* 0802"]);
    assert_eq!(seek(&mut *reader, 5, BEFORE), 0);
    assert_eq!(rest(&mut *reader).len(), 2);
}

#[test]
fn pictures_that_are_stamped_by_decoding_are_shown_in_their_order_and_seeks_go_by_that() {
    // Pictures of MPEG-4 part 2, I P B B P I B B P, and sound of 40 ms beside each.
    let bitmap_info = [&[40, 0, 0, 0][..], &[96, 1, 0, 0, 32, 1, 0, 0, 1, 0, 24, 0], b"XVID", &[0; 20]].concat();
    let duration = uint(id::DEFAULT_DURATION, 40_000_000);
    let video = track(1, "V_MS/VFW/FOURCC", [element(id::CODEC_PRIVATE, bitmap_info), duration]);
    let mut blocks = uint(id::TIMESTAMP, 0);
    for (number, coding_type) in [0_u8, 1, 2, 2, 1, 0, 2, 2, 1].into_iter().enumerate() {
        let (time, flags) = (40 * number as i16, if coding_type == 0 { 0x80 } else { 0 });
        blocks.extend(simple_block(1, time, flags, [0, 0, 1, 0xB6, coding_type << 6, number as u8]));
        blocks.extend(simple_block(2, time, 0x80, [number as u8; 320]));
    }
    let bytes = file([tracks([video, audio()]), element(id::CLUSTER, blocks)]);
    let mut reader = opened(&bytes).reader().unwrap();
    reader.select(1, false);
    let expected = [
        "0 40/40* 000001b60000",
        "0 160/80 000001b64001",
        "0 80/80 000001b68002",
        "0 120/120 000001b68003",
        "0 200/200 000001b64004",
        "0 320/240* 000001b60005",
        "0 240/240 000001b68006",
        "0 280/280 000001b68007",
        "0 360/360 000001b64008",
    ];
    assert_eq!(rest(&mut *reader), expected);
    for (to, how, landed) in [(330, BEFORE, 320), (300, BEFORE, 40), (100, AFTER, 320), (50, BEFORE, 40)] {
        assert_eq!(seek(&mut *reader, to, how), landed, "to {to} {how:?}");
        assert_eq!(rest(&mut *reader), expected[if landed == 320 { 5 } else { 0 }..], "to {to} {how:?}");
    }
    reader.select(1, true);
    assert_eq!(seek(&mut *reader, 330, BEFORE), 320);
    assert_eq!(firsts(&mut *reader), [Some(320), Some(320)]);
}
