use std::io::Write;

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::testing::{scan_all, scan_from, source_of};
use super::*;
use crate::media::codec::av1::leb128;
use crate::media::codec::av1::tests::{obu, sequence_header};

const TD: [u8; 2] = [0x12, 0x00];

/// The OBUs of picture `number` without temporal delimiter; every fifth is a key frame.
fn obus(number: u8, timing: Option<(u32, u32)>) -> Vec<Vec<u8>> {
    let frame = |first: u8| {
        let mut payload = vec![first];
        payload.extend((0..20 + number).map(|byte| byte.wrapping_mul(number)));
        obu(6, &payload)
    };
    if number.is_multiple_of(5) { vec![sequence_header(timing), frame(0x10)] } else { vec![frame(0x30)] }
}

/// Temporal unit `number` in the low-overhead format.
fn unit(number: u8, timing: Option<(u32, u32)>) -> Vec<u8> {
    [&TD[..], &obus(number, timing).concat()].concat()
}

fn low_overhead(count: u8, timing: Option<(u32, u32)>) -> Vec<u8> {
    (0..count).flat_map(|number| unit(number, timing)).collect()
}

fn delimited(bytes: &[u8]) -> Vec<u8> {
    let (leb, len) = leb128(bytes.len() as u32);
    [&leb[..len], bytes].concat()
}

/// The same in the length-delimited format: OBUs without sizes, the delimiter and the frame in two frame units.
fn annex_b(count: u8) -> Vec<u8> {
    let unit = |number: u8| {
        let without_size = |obu: &Vec<u8>| {
            let (head, _) = av1::ObuHead::parse(obu).unwrap();
            [&[head.header & !av1::HAS_SIZE][..], &obu[head.len..]].concat()
        };
        let obus: Vec<u8> = obus(number, None).iter().flat_map(|obu| delimited(&without_size(obu))).collect();
        delimited(&[delimited(&delimited(&[0x10])), delimited(&obus)].concat())
    };
    // Files have the delimiter in the frame unit of the first frame.
    let first = [delimited(&[0x10]), obus(0, None).iter().flat_map(|obu| delimited(obu)).collect()].concat();
    let first = delimited(&delimited(&first));
    [first].into_iter().chain((1..count).map(unit)).flatten().collect()
}

fn format(bytes: &[u8]) -> Result<ObuFile, Error> {
    ObuFile::read(&source_of(bytes), &Options::default())
}

#[test]
fn both_layouts_are_told_from_each_other_and_from_anything_else() {
    assert_eq!(unit::layout_of(&low_overhead(1, None)), Some(Layout::LowOverhead));
    assert_eq!(unit::layout_of(&annex_b(1)), Some(Layout::LengthDelimited));
    for other in [&[][..], &TD, b"DKIF", &[0, 0, 0, 1, 0x67], &[0xff; 40], &[0; 40], &low_overhead(1, None)[2..]] {
        assert_eq!(unit::layout_of(other), None, "{other:02x?}");
    }
}

#[test]
fn both_layouts_give_the_same_temporal_units() {
    let expected: Vec<Vec<u8>> = (0..12).map(|number| unit(number, None)).collect();
    for file in [low_overhead(12, None), annex_b(12)] {
        let format = format(&file).unwrap();
        let got = scan_all(&format);
        assert_eq!(got.errors, Vec::<String>::new());
        let data: Vec<Vec<u8>> = got.samples.iter().map(|sample| sample.data.clone()).collect();
        assert_eq!(data, expected);
        assert_eq!(got.keys(), [0, 5, 10]);
        let Codec::Av1(config) = &format.header().tracks[0].codec else { panic!() };
        assert_eq!((config.size, &config.sequence_header), (Some((640, 360)), &sequence_header(None)));
        for (index, entry) in got.entries.iter().enumerate() {
            assert_eq!(scan_from(&format, *entry).samples, got.samples[index..]);
        }
    }
}

#[test]
fn pictures_are_counted_at_the_rate_of_the_sequence_header_or_else_the_configured_one() {
    for (timing, rate, second) in [(None, 25.0, 40_000_000), (Some((1001, 30_000)), 30_000.0 / 1001.0, 33_366_667)] {
        let format = format(&low_overhead(6, timing)).unwrap();
        assert!((format.header().tracks[0].frame_rate.unwrap() - rate).abs() < 1e-9);
        let got = scan_all(&format);
        assert_eq!(got.samples[1].pts.as_nanos(), second);
        assert_eq!(got.samples.len(), 6);
    }
}

#[test]
fn a_damaged_unit_is_told_once_and_reading_goes_on_at_the_next_delimiter() {
    for (name, file) in [("low overhead", low_overhead(12, None)), ("annex B", annex_b(12))] {
        let all = scan_all(&format(&file).unwrap());
        let at = all.entries[6].at as usize;
        // A length that is too large, bytes that are no header.
        for range in [at + 1..at + 4, at..at + 3] {
            let mut damaged = file.clone();
            damaged[range.clone()].fill(0xfd);
            let got = scan_all(&format(&damaged).unwrap());
            assert_eq!(got.errors.len(), 1, "{name}, {range:?}: {:?}", got.errors);
            assert!(got.errors[0].starts_with("malformed AV1 temporal unit at byte "), "{:?}", got.errors);
            let data = |samples: &[super::super::testing::Scanned]| -> Vec<Vec<u8>> {
                samples.iter().map(|sample| sample.data.clone()).collect()
            };
            let left = data(&got.samples);
            // The unit before may be lost as well: in the low-overhead format it ends where a delimiter is found.
            let lost = all.samples.len() - left.len();
            assert!((1..=2).contains(&lost), "{name}, {range:?}: {lost} lost");
            assert_eq!(left, [&data(&all.samples)[..7 - lost], &data(&all.samples)[7..]].concat(), "{name}, {range:?}");
        }
    }
}

#[test]
fn the_last_unit_waits_for_the_end_of_the_file_and_a_cut_one_is_told() {
    let file = low_overhead(3, None);
    let mut disk = tempfile::NamedTempFile::new().unwrap();
    disk.write_all(&file).unwrap();
    let format = ObuFile::read(&Source::new(disk.reopen().unwrap()), &Options::default()).unwrap();
    let mut scanner = format.scan(format.header().start);
    let mut sample = Sample::default();
    let results: Vec<_> = (0..3).map(|_| scanner.next(&mut sample).unwrap()).collect();
    assert!(matches!(results[..], [Next::Sample, Next::Sample, Next::Pending]), "{results:?}");
    disk.write_all(&unit(3, None)).unwrap();
    assert!(matches!(scanner.next(&mut sample), Ok(Next::Sample)));
    assert_eq!(sample.data, unit(2, None));

    let cut = &low_overhead(3, None)[..file.len() - 4];
    let got = scan_all(&self::format(cut).unwrap());
    assert_eq!(got.samples.len(), 2);
    assert_eq!(got.errors, [format!("the last AV1 temporal unit is cut off at byte {}", cut.len())]);
    let whole = annex_b(3);
    let got = scan_all(&self::format(&whole[..whole.len() - 4]).unwrap());
    assert_eq!((got.samples.len(), got.errors.len()), (2, 1));
}

#[test]
fn a_file_without_sequence_header_is_refused() {
    assert!(matches!(format(&[&TD[..], &obu(6, &[0x10, 1])].concat()), Err(Error::Unrecognised)));
}

proptest! {
    #[test]
    fn damage_of_any_kind_neither_panics_nor_hangs(
        hits in vec((0..600_usize, any::<u8>()), 1..12),
        cut in 20..600_usize,
        is_annex_b in any::<bool>(),
    ) {
        let mut file = if is_annex_b { annex_b(12) } else { low_overhead(12, Some((1, 25))) };
        let whole = scan_all(&format(&file).unwrap());
        for (at, byte) in hits {
            let at = at % file.len();
            file[at] = byte;
        }
        file.truncate(cut);
        if let Ok(format) = format(&file) {
            let got = scan_all(&format);
            prop_assert!(got.samples.len() <= whole.samples.len() + 1);
            scan_from(&format, Entry { at: 50, time: None });
        }
    }
}
