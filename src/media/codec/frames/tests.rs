use super::*;

/// Frames of a byte 0xaa, their whole length, and anything; tags are 0xbb and a length.
struct Simple;

impl Syntax for Simple {
    type Header = ();
    const NAME: &'static str = "simple frame";
    const CONFIRMATIONS: usize = 2;

    fn look(&self, bytes: &[u8], is_end: bool) -> Look<()> {
        match *bytes {
            [0xaa, len, ..] if len >= 2 => Look::Frame((), len.into()),
            [0xbb, len, ..] => Look::Tag(len.into()),
            [0xaa | 0xbb] if !is_end => Look::Short,
            _ => Look::Nothing,
        }
    }

    fn may_follow(&self, (): &(), (): &()) -> bool {
        true
    }
}

/// What is found in `bytes`, pushed one by one: `at+len`, or the byte of the damage behind a `!`.
fn found(bytes: &[u8]) -> Vec<String> {
    let mut frames = Frames::new(Simple);
    let mut all = Vec::new();
    let mut drain = |frames: &mut Frames<Simple>| {
        loop {
            match frames.find_next() {
                Ok(Some(frame)) => {
                    all.push(format!("{}+{}", frame.at, frame.len));
                    frames.consume(frame.len);
                }
                Ok(None) => return,
                Err(Error::Malformed { at, .. }) => all.push(format!("!{at}")),
                Err(Error::Truncated { at, .. }) => all.push(format!("cut off {at}")),
                Err(other) => panic!("{other}"),
            }
        }
    };
    for (at, byte) in bytes.iter().enumerate() {
        frames.push(Chunk { bytes: &[*byte], at: at as u64, is_packet: false, stamp: None });
        drain(&mut frames);
    }
    frames.finish();
    drain(&mut frames);
    all
}

#[test]
fn frames_and_tags_follow_each_other() {
    assert_eq!(found(&[0xaa, 3, 0, 0xaa, 2, 0xbb, 4, 9, 9, 0xaa, 2]), ["0+3", "3+2", "9+2"]);
    assert_eq!(found(&[0xbb, 3, 0]), Vec::<String>::new());
}

#[test]
fn a_sync_word_within_a_frame_is_no_frame() {
    assert_eq!(found(&[0xaa, 6, 0xaa, 3, 0, 0, 0xaa, 2]), ["0+6", "6+2"]);
}

#[test]
fn behind_damage_two_more_frames_are_asked_for_and_the_damage_is_told_once() {
    // At 2 there is something like a frame, which is followed by one more only.
    assert_eq!(found(&[1, 1, 0xaa, 2, 0xaa, 3, 0, 7, 0xaa, 2, 0xaa, 2, 0xaa, 2]), ["!0", "8+2", "10+2", "12+2"]);
    // Or by the end.
    assert_eq!(found(&[1, 1, 0xaa, 2, 0xaa, 3, 0]), ["!0", "2+2", "4+3"]);
}

#[test]
fn a_whole_frame_before_damage_is_given_and_one_that_lacks_bytes_is_not() {
    assert_eq!(found(&[0xaa, 4, 0, 0, 1, 1, 0xaa, 2, 0xaa, 2, 0xaa, 2]), ["0+4", "!4", "6+2", "8+2", "10+2"]);
    assert_eq!(found(&[0xaa, 5, 0, 0xaa, 3, 0, 0xaa, 2, 0xaa, 2]), ["!0", "3+3", "6+2", "8+2"]);
}

#[test]
fn what_is_cut_off_by_the_end_is_told() {
    assert_eq!(found(&[0xaa, 2, 0xaa, 4, 0]), ["0+2", "cut off 5"]);
    assert_eq!(found(&[0xaa, 2, 0xaa]), ["0+2", "!2"]);
}

#[test]
fn after_a_reset_the_rest_of_a_frame_is_passed_over_in_silence() {
    let mut frames = Frames::new(Simple);
    let push = |frames: &mut Frames<Simple>, at, bytes| frames.push(Chunk { bytes, at, is_packet: false, stamp: None });
    push(&mut frames, 0, &[0xaa, 9, 1, 2]);
    assert!(frames.find_next().unwrap().is_none());
    frames.reset();
    push(&mut frames, 100, &[3, 4, 0xaa, 2, 0xaa, 2]);
    assert!(frames.find_next().unwrap().is_none(), "one more header is needed");
    frames.finish();
    assert_eq!(frames.find_next().unwrap().unwrap().at, 102);
}

#[test]
fn times_are_whole_samples_whatever_the_stamps() {
    let mut clock = FrameClock::default();
    let mut time = |stamp: Option<i64>, rate| {
        let mut sample = Sample::default();
        let stamp = stamp.map(|nanos| Stamp { pts: MediaTime::from_nanos(nanos), dts: None });
        clock.put(&mut sample, stamp, 1024, rate);
        sample.pts.as_nanos()
    };
    assert_eq!([time(None, 48_000), time(None, 48_000), time(None, 48_000)], [0, 21_333_333, 42_666_667]);
    // 1 s and a fraction of a sample: the next one is 49024 samples behind 0.
    assert_eq!([time(Some(1_000_007_000), 48_000), time(None, 48_000)], [1_000_007_000, 1_021_333_333]);
    // At half the rate, counting goes on from the nearest sample: 25024.
    assert_eq!([time(None, 24_000), time(None, 24_000)], [1_042_666_667, 1_085_333_333]);
}
