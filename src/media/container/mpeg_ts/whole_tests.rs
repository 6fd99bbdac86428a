use std::io::Write;

use super::packet::PACKET_LEN;
use super::testing::*;
use super::whole::WholeStream;
use crate::media::io::Source;
use crate::media::scan::{Entry, Format, Scanner, Timing};
use crate::media::{Next, Sample};

fn open(bytes: &[u8]) -> WholeStream {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    WholeStream::open(&Source::new(file)).unwrap()
}

fn drain(mut scanner: Box<dyn Scanner>) -> (Vec<(Sample, Entry)>, Vec<String>) {
    let (mut samples, mut errors) = (Vec::new(), Vec::new());
    loop {
        let mut sample = Sample::default();
        match scanner.next(&mut sample).unwrap() {
            Next::Sample => samples.push((sample, scanner.entry())),
            Next::Pending => scanner.finish(),
            Next::Skipped(error) => errors.push(error.to_string()),
            Next::End => return (samples, errors),
        }
    }
}

fn from_start(stream: &WholeStream) -> Vec<(Sample, Entry)> {
    drain(stream.scan(stream.header().start)).0
}

/// Ten packets between two clock references, one of them the second of its kind: 100 ms, 24 times, a key frame first.
fn paced(start: u64, muxer: &mut Muxer, references: std::ops::Range<u64>) {
    for number in references {
        if number % 8 == 0 {
            muxer.tables(&STREAMS);
        }
        let ticks = (start + number * 9000) % (1 << 33);
        let [a, b, c, d] = ((ticks >> 1) as u32).to_be_bytes();
        muxer.packet(0x1ff, false, &[0x10, a, b, c, d, (ticks << 7) as u8 | 0x7e, 0], &[]);
        let picture = h264_picture(number as u32 % 8 * 2, number % 8 == 0);
        muxer.pes(PID_VIDEO, &pes(0xe0, Some((ticks, None)), &picture));
        for _ in 0..5 {
            muxer.packet(0x1fff, false, &[], &[0xff; 184]);
        }
    }
}

fn recording() -> Muxer {
    let mut muxer = Muxer::default();
    paced(1000, &mut muxer, 0..24);
    muxer
}

fn bytes(samples: &[(Sample, Entry)]) -> Vec<u8> {
    samples.iter().flat_map(|(sample, _)| sample.data.clone()).collect()
}

#[test]
fn every_packet_comes_out_once_and_at_most_seven_together() {
    let file = recording().file;
    let found = from_start(&open(&file));
    assert!(bytes(&found) == file);
    assert!(found.iter().all(|(sample, _)| sample.data.len() <= 7 * PACKET_LEN));
    assert_eq!(found.iter().filter(|(sample, _)| sample.is_sync).count(), 3);
}

#[test]
fn packets_between_clock_references_are_evenly_apart() {
    let file = recording().file;
    let reference_at = |number: usize| {
        let packets = file.chunks(PACKET_LEN).enumerate().filter(|(_, packet)| packet[1..3] == [0x01, 0xff]);
        packets.map(|(index, _)| index).nth(number).unwrap() as i64
    };
    for (sample, entry) in from_start(&open(&file)) {
        let index = entry.at as i64 / PACKET_LEN as i64;
        let ticks = sample.pts.to_ticks(90_000);
        let Some(before) = (0..23).rev().find(|number| reference_at(*number) <= index) else { continue };
        let [from, to] = [reference_at(before), reference_at(before + 1)];
        let expected = before as i64 * 9000 + (index - from) * 9000 / (to - from);
        if to <= reference_at(23) && index <= reference_at(23) {
            assert!((ticks - expected).abs() <= 1, "packet {index}: {ticks} instead of {expected}");
        }
    }
}

#[test]
fn reading_from_a_key_frame_begins_with_the_tables() {
    let file = recording().file;
    let stream = open(&file);
    let all = from_start(&stream);
    for (index, (sample, entry)) in all.iter().enumerate().filter(|(_, (sample, _))| sample.is_sync) {
        let (again, _) = drain(stream.scan(*entry));
        assert_eq!(again[0].0.data[..2 * PACKET_LEN], file[..2 * PACKET_LEN], "the first tables of the file");
        assert_eq!(again[0].0.data[2 * PACKET_LEN..], sample.data);
        assert!(again[0].0.is_sync);
        assert!(bytes(&again[1..]) == bytes(&all[index + 1..]));
        let times =
            |list: &[(Sample, Entry)]| list.iter().map(|(sample, _)| sample.pts.to_ticks(90_000)).collect::<Vec<_>>();
        let apart =
            times(&again).into_iter().zip(times(&all[index..])).map(|(again, first)| (again - first).abs()).max();
        assert!(apart <= Some(2), "{apart:?} ticks apart");
    }
}

#[test]
fn what_surrounds_packets_is_left_out() {
    let plain = recording().file;
    for (before, behind) in [(4, 0), (0, 16)] {
        let mut muxer = Muxer { before, behind, ..Muxer::default() };
        paced(1000, &mut muxer, 0..24);
        assert!(bytes(&from_start(&open(&muxer.file))) == plain, "{before} before, {behind} behind");
    }
}

#[test]
fn time_goes_on_over_wraps_and_jumps_of_the_clock() {
    let mut wrapping = Muxer::default();
    paced((1 << 33) - 30_000, &mut wrapping, 0..24);
    let mut jumping = recording();
    paced(90_000 * 3600, &mut jumping, 24..48);
    for (what, file, timing, last) in
        [("wrap", wrapping.file, Timing::Stamped, 23 * 9000), ("jump", jumping.file, Timing::Counted, 46 * 9000 + 3600)]
    {
        let stream = open(&file);
        assert_eq!(stream.header().timing, timing, "{what}");
        let (found, errors) = drain(stream.scan(stream.header().start));
        assert!(bytes(&found) == file, "{what}");
        assert_eq!(errors.len(), usize::from(what == "jump"), "{errors:?}");
        let times: Vec<_> = found.iter().map(|(sample, _)| sample.pts.to_ticks(90_000)).collect();
        assert!(times.windows(2).all(|pair| (0..9000).contains(&(pair[1] - pair[0]))), "{what}: {times:?}");
        let end = times.last().copied().unwrap_or_default();
        assert!((last..last + 9000).contains(&end), "{what}: {end}");
    }
}

#[test]
fn without_clock_references_the_stamps_of_the_first_stream_pace_it() {
    let mut muxer = Muxer::default();
    muxer.movie(5000, 0, 24);
    let found = from_start(&open(&muxer.file));
    assert!(bytes(&found) == muxer.file);
    let end = found.last().unwrap().0.pts.to_ticks(90_000);
    assert!((22 * 3600..25 * 3600).contains(&end), "{end}");
}

#[test]
fn a_file_without_any_clock_is_refused() {
    let mut muxer = Muxer::default();
    muxer.tables(&STREAMS);
    for _ in 0..30 {
        muxer.packet(0x1fff, false, &[], &[0xff; 184]);
    }
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&muxer.file).unwrap();
    let error = WholeStream::open(&Source::new(file)).err().unwrap().to_string();
    assert_eq!(error, format!("no clock reference in the first {} bytes", muxer.file.len()));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(48))]
    #[test]
    fn damaged_files_neither_panic_nor_hang(
        damage in proptest::collection::vec((proptest::prelude::any::<proptest::sample::Index>(), 0_u8..), 0..60),
        at in 0_u64..40_000,
    ) {
        let mut file = recording().file;
        for (index, value) in damage {
            let index = index.index(file.len());
            file[index] = value;
        }
        let mut opened = tempfile::tempfile().unwrap();
        opened.write_all(&file).unwrap();
        if let Ok(stream) = WholeStream::open(&Source::new(opened)) {
            for entry in [stream.header().start, Entry { at, time: None }] {
                let (found, _) = drain(stream.scan(entry));
                proptest::prop_assert!(found.windows(2).all(|pair| pair[0].0.dts <= pair[1].0.dts));
            }
        }
    }
}
