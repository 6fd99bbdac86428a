//! One real raw format, cut by a framer that could hardly be smaller, from bytes to samples at a seek.

use std::io::Write;
use std::sync::Arc;

use proptest::prelude::*;

use super::super::{Chunk, Framer, RawFormat, StreamBuffer, open};
use super::fake::{Viewer, ms};
use crate::media::codec::G711Config;
use crate::media::io::Source;
use crate::media::{Codec, Error, Next, Progress, Recording, Sample, SeekTo};
use crate::time::MediaTime;

/// A frame is 0xfe, its number in four bytes, and its length in one: that many bytes of 0x55. Each lasts 20 ms.
const SYNC: u8 = 0xfe;
const HEADER_LEN: usize = 6;
const FRAME: MediaTime = MediaTime::from_millis(20);

#[derive(Default)]
struct Counted {
    buffer: StreamBuffer,
    next: MediaTime,
    is_known: bool,
}

impl Framer for Counted {
    fn push(&mut self, chunk: Chunk<'_>) {
        self.buffer.push(chunk);
    }

    fn pop(&mut self, sample: &mut Sample) -> Result<Option<u64>, Error> {
        let bytes = self.buffer.bytes();
        let junk = bytes.iter().position(|byte| *byte == SYNC).unwrap_or(bytes.len());
        if junk > 0 {
            let at = self.buffer.origin(0);
            self.buffer.consume(junk);
            return Err(Error::malformed("frame", at));
        }
        let Some(header) = bytes.get(..HEADER_LEN) else { return Ok(None) };
        let Some(frame) = bytes.get(..HEADER_LEN + usize::from(header[5])) else { return Ok(None) };
        sample.data.extend(&frame[1..5]);
        (sample.pts, sample.dts, sample.is_sync) = (self.next, self.next, true);
        let (at, len) = (self.buffer.origin(0), frame.len());
        self.buffer.consume(len);
        self.next += FRAME;
        self.is_known = true;
        Ok(Some(at))
    }

    fn finish(&mut self) {}

    fn reset(&mut self) {
        self.buffer.clear();
    }

    fn start(&mut self, time: MediaTime) {
        self.next = time;
    }

    fn codec(&self) -> Option<Codec> {
        self.is_known.then_some(Codec::Pcmu(G711Config { sample_rate: 8000, channels: 1 }))
    }
}

fn frames(count: u32) -> Vec<u8> {
    let frame = |number: u32| {
        let len = (number % 200) as u8;
        let mut frame = vec![SYNC];
        frame.extend(number.to_be_bytes().map(|byte| byte & 0x7f));
        frame.push(len & 0x7f);
        frame.extend(std::iter::repeat_n(0x55, usize::from(len & 0x7f)));
        frame
    };
    (0..count).flat_map(frame).collect()
}

/// The number in a frame, as [`frames`] writes it.
fn number(number: u32) -> usize {
    u32::from_be_bytes(number.to_be_bytes().map(|byte| byte & 0x7f)) as usize
}

fn opened(bytes: &[u8]) -> Arc<dyn Recording> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    let source = Source::new(file);
    let recording = open(RawFormat::new(&source, 0, "counted", || Box::<Counted>::default()).unwrap()).unwrap();
    recording.attach(&source).unwrap();
    recording
}

#[test]
fn a_raw_file_is_known_from_end_to_end_when_it_is_opened() {
    let recording = opened(&frames(5000));
    assert_eq!(recording.duration(), Some(ms(100_000)));
    assert!(Arc::clone(&recording).indexing().is_none());
    let mut viewer = Viewer::new(&recording, &[0]);
    assert_eq!(viewer.rest(), (0..5000).map(number).collect::<Vec<_>>());
    for (to, how, landed) in [
        (50_005, SeekTo::SyncAtOrBefore, 50_000),
        (50_005, SeekTo::SyncAtOrAfter, 50_020),
        (0, SeekTo::SyncAtOrBefore, 0),
        (999_999, SeekTo::SyncAtOrBefore, 99_980),
    ] {
        assert_eq!(viewer.seek(to, how), landed);
        assert_eq!(viewer.next().unwrap(), number(landed as u32 / 20));
        assert_eq!(viewer.sample.pts, ms(landed));
    }
}

#[test]
fn damage_is_told_once_for_each_stretch_and_times_go_on() {
    let mut bytes = frames(100);
    let at = frames(50).len();
    bytes.splice(at..at, [0x11; 40]);
    let mut viewer = Viewer::new(&opened(&bytes), &[0]);
    for _ in 0..50 {
        viewer.next().unwrap();
    }
    let skipped = viewer.next().unwrap_err();
    assert!(
        matches!(&skipped, Some(Next::Skipped(error)) if error.to_string() == format!("malformed frame at byte {at}"))
    );
    assert_eq!(viewer.rest().len(), 50);
}

#[test]
fn a_large_raw_file_is_read_in_the_background_and_sought_by_what_that_showed() {
    let bytes = frames(300_000);
    assert!(bytes.len() > 17 << 20);
    let recording = opened(&bytes);
    assert_eq!(recording.duration(), None);
    let mut indexing = Arc::clone(&recording).indexing().unwrap();
    while indexing.step().unwrap() != Progress::Done {}
    assert_eq!(recording.duration(), Some(ms(6_000_000)));
    let mut viewer = Viewer::new(&recording, &[0]);
    assert_eq!(viewer.seek(5_432_199, SeekTo::SyncAtOrBefore), 5_432_180);
    assert_eq!(viewer.next().unwrap(), number(5_432_180 / 20));
}

#[test]
fn a_seek_far_beyond_what_was_read_goes_where_the_time_should_be_by_the_bit_rate() {
    let recording = opened(&frames(800_000));
    let mut viewer = Viewer::new(&recording, &[0]);
    let nearby = |to: i64, how| {
        move |landed: i64| match how {
            SeekTo::SyncAtOrBefore => (to - 20..=to).contains(&landed),
            SeekTo::SyncAtOrAfter => (to..=to + 20).contains(&landed),
        }
    };
    for (to, how) in [(15_000_000, SeekTo::SyncAtOrBefore), (14_000_000, SeekTo::SyncAtOrAfter)] {
        let landed = viewer.seek(to, how);
        assert!(nearby(to, how)(landed), "{how:?} {to}: {landed}");
        assert_eq!(recording.duration(), None, "nobody has read up to there");
        let found = viewer.next().unwrap();
        let millis = |viewer: &Viewer| viewer.sample.pts.as_nanos() / 1_000_000;
        assert_eq!(millis(&viewer), landed);
        let close = (0..50_000).any(|off| [to / 20 - off, to / 20 + off].map(|n| number(n as u32)).contains(&found));
        assert!(close, "a frame that is near in truth, too");
        let numbers = [viewer.next().unwrap(), viewer.next().unwrap()];
        assert_eq!(millis(&viewer), landed + 40, "{numbers:?}");
    }
    let last = viewer.seek(99_999_999, SeekTo::SyncAtOrBefore);
    assert!((15_900_000..16_100_000).contains(&last), "{last}");
    assert_eq!(viewer.next().unwrap(), number(799_999));
    // What is near is read up to, and exact.
    assert_eq!(viewer.seek(3_000_000, SeekTo::SyncAtOrBefore), 3_000_000);
    assert_eq!(viewer.next().unwrap(), number(150_000));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn bytes_changed_anyhow_neither_panic_nor_hang(
        changes in proptest::collection::vec((0..30_000_usize, any::<u8>()), 0..40),
        to in -1000..20_000_i64,
    ) {
        let mut bytes = frames(600);
        for (at, byte) in changes {
            let at = at % bytes.len();
            // The very first frame stays, else the file is none.
            bytes[at.max(HEADER_LEN)] = byte;
        }
        let recording = opened(&bytes);
        let mut viewer = Viewer::new(&recording, &[0]);
        let all = viewer.rest().len();
        let landed = viewer.seek(to, SeekTo::SyncAtOrBefore);
        prop_assert!(landed <= to.max(0));
        let rest = viewer.rest().len();
        prop_assert!(rest <= all, "{rest} of {all}");
        prop_assert_eq!(rest as i64, all as i64 - landed / 20);
    }
}
