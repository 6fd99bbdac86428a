use std::io::Write;

use proptest::prelude::*;

use super::testing::{assert_entries_repeat, scan_all, source_of};
use super::*;
use crate::media::codec::{Codec, PcmConfig, PcmFormat};

fn track() -> Track {
    let codec = Codec::Pcm(PcmConfig { format: PcmFormat::S16Be, sample_rate: 100, channels: 2 });
    Track { codec, duration: None, shown_until: None, bitrate: None, frame_rate: None }
}

/// Units of 4 bytes at 100 Hz, so two to a sample, behind 3 bytes of something else.
fn format(source: &Source, end: Option<u64>) -> UnitsFormat {
    UnitsFormat::new(source, "test", track(), Vec::new(), Units::sound(3, end, 4, 1, 100)).unwrap()
}

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|index| index as u8).collect()
}

#[test]
fn samples_are_20_ms_of_whole_units_up_to_the_end() {
    for (unit_len, ticks, rate, expected) in [
        (4, 1, 44_100, 882),
        (1, 1, 8000, 160),
        (1, 2, 16_000, 160),
        (4, 8, 8000, 20),
        (1024, 2041, 8000, 1),
        (400_000, 1, 96_000, 1),
        (512, 1, 768_000, 128),
    ] {
        assert_eq!(Units::sound(0, None, unit_len, ticks, rate).sample_units, expected, "{unit_len} {ticks} {rate}");
    }
    let source = source_of(&bytes(3 + 20));
    let format = format(&source, Some(3 + 20));
    assert_eq!(format.header().duration, Some(MediaTime::from_millis(50)));
    assert_eq!(format.header().tracks[0].bitrate, Some(3200));
    let (samples, skipped) = scan_all(&mut *format.scan(format.header().start));
    let found: Vec<_> =
        samples.iter().map(|(_, sample)| (sample.pts.as_nanos() / 1_000_000, &sample.data[..])).collect();
    let all = bytes(23);
    assert_eq!(found, [(0, &all[3..11]), (20, &all[11..19]), (40, &all[19..23])]);
    assert_eq!(skipped, Vec::<String>::new());
    assert_entries_repeat(&format);
}

#[test]
fn bytes_that_are_no_whole_unit_at_the_end_are_told_and_left_out() {
    for end in [None, Some(100)] {
        let source = source_of(&bytes(3 + 11));
        let (samples, skipped) = scan_all(&mut *format(&source, end).scan(Entry { at: 3, time: None }));
        assert_eq!(samples.iter().map(|(_, sample)| sample.data.len()).collect::<Vec<_>>(), [8]);
        assert_eq!(skipped, ["the last frame is cut off at byte 14"], "{end:?}");
    }
    // A cut off block of which something can be decoded.
    let source = source_of(&bytes(3 + 11));
    let units = Units { last_len_min: 3, ..Units::sound(3, None, 4, 1, 100) };
    let format = UnitsFormat::new(&source, "test", track(), Vec::new(), units).unwrap();
    let (samples, skipped) = scan_all(&mut *format.scan(format.header().start));
    assert_eq!(samples.iter().map(|(_, sample)| sample.data.len()).collect::<Vec<_>>(), [8, 3]);
    assert_eq!((skipped.len(), format.header().duration), (0, Some(MediaTime::from_millis(30))));
}

#[test]
fn a_file_that_grows_is_waited_for_until_it_is_finished() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&bytes(3 + 9)).unwrap();
    let format = format(&Source::new(file.try_clone().unwrap()), None);
    let mut scanner = format.scan(format.header().start);
    let mut sample = Sample::default();
    let mut next = |scanner: &mut Box<dyn Scanner>| {
        sample.clear();
        let next = scanner.next(&mut sample).unwrap();
        (format!("{next:?}"), sample.data.len())
    };
    assert_eq!(next(&mut scanner), ("Sample".into(), 8));
    assert_eq!(next(&mut scanner), ("Pending".into(), 0));
    file.write_all(&bytes(7)).unwrap();
    assert_eq!(next(&mut scanner), ("Sample".into(), 8));
    file.write_all(&bytes(4)).unwrap();
    assert_eq!(next(&mut scanner), ("Pending".into(), 0));
    scanner.finish();
    assert_eq!(next(&mut scanner), ("Sample".into(), 4));
    assert_eq!(next(&mut scanner), ("End".into(), 0));
}

#[test]
fn a_time_is_found_at_the_unit_that_sounds_then() {
    let source = source_of(&bytes(3 + 40));
    let format = format(&source, None);
    for (millis, at, found) in
        [(-5, 3, 0), (0, 3, 0), (9, 3, 0), (10, 7, 10), (55, 23, 50), (90, 39, 90), (4711, 39, 90)]
    {
        let entry = Entry { at, time: Some(MediaTime::from_millis(found)) };
        assert_eq!(format.locate(MediaTime::from_millis(millis)), Some(entry), "{millis} ms");
    }
}

#[test]
fn no_unit_at_all_is_an_error() {
    let source = source_of(&bytes(6));
    let format = UnitsFormat::new(&source, "test", track(), Vec::new(), Units::sound(3, None, 4, 1, 100));
    assert_eq!(format.err().unwrap().to_string(), "a test file without PCM");
}

proptest! {
    #[test]
    fn every_unit_is_found_by_its_own_time_and_not_a_nanosecond_before(
        ticks in prop_oneof![Just(1_u32), Just(2041), Just(1001)],
        rate in prop_oneof![Just(8000_u32), Just(44_100), Just(30_000), Just(768_000), 1..800_000_u32],
        index in 1..4_000_000_u64,
    ) {
        let units = Units::sound(0, None, 1, ticks, rate);
        prop_assert_eq!(units.index_at(units.time_of(index)), index);
        prop_assert_eq!(units.index_at(units.time_of(index) - MediaTime::from_nanos(1)), index - 1);
    }
}
