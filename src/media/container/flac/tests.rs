//! Files made here, with the encoder of `codec::flac::testing`.

use std::io::Write;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::media::codec::flac::testing::{self, Coding};
use crate::media::codec::flac::{Channels, Number};

const BLOCK_SIZE: u16 = 192;

fn source(bytes: &[u8]) -> Source {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Source::new(file)
}

fn config() -> FlacConfig {
    testing::config(48_000, 1, 16, BLOCK_SIZE)
}

/// The `index`th frame, of noise, numbered `number`.
fn frame_numbered(index: u64, number: Number) -> Vec<u8> {
    let noise = |at: u64| ((at * 2_654_435_761 + index * 97) >> 7 & 0x3fff) as i64;
    let samples = vec![(0..BLOCK_SIZE.into()).map(noise).collect()];
    testing::frame(&config(), number, Channels::Independent(1), &samples, &Coding::Fixed(1, 1, 12))
}

fn frame(index: u64) -> Vec<u8> {
    frame_numbered(index, Number::Frame(index))
}

fn frames(count: u64) -> Vec<Vec<u8>> {
    (0..count).map(frame).collect()
}

/// A marker, STREAMINFO, and a picture.
fn metadata(sample_count: u64) -> Vec<u8> {
    let info = testing::stream_info(48_000, 1, 16, BLOCK_SIZE, sample_count);
    let mut picture = vec![0x86, 0, 0x40, 0];
    // A picture may hold anything, and holds a frame here.
    picture.extend(frame(77));
    picture.resize(4 + 0x4000, 0xff);
    [b"fLaC\0\0\0\x22", &info[..], &picture].concat()
}

fn file(count: u64) -> Vec<u8> {
    [metadata(count * u64::from(BLOCK_SIZE)), frames(count).concat()].concat()
}

fn open_bytes(bytes: &[u8]) -> Flac {
    Flac::new(&source(bytes)).unwrap()
}

#[derive(Debug, Default)]
struct Scanned {
    samples: Vec<(Entry, Sample)>,
    skipped: Vec<String>,
}

impl Scanned {
    /// Presentation times in frames.
    fn places(&self) -> Vec<i64> {
        self.samples.iter().map(|(_, sample)| sample.pts.to_ticks(48_000) / i64::from(BLOCK_SIZE)).collect()
    }
}

fn scan_from(flac: &Flac, entry: Entry) -> Scanned {
    let mut scanner = flac.scan(entry);
    let mut scanned = Scanned::default();
    let mut last = MediaTime::MIN;
    let mut sample = Sample::default();
    loop {
        sample.clear();
        match scanner.next(&mut sample).unwrap() {
            Next::Sample => {
                assert!(sample.pts >= last && sample.dts == sample.pts && sample.is_sync, "{sample:?} after {last:?}");
                last = sample.pts;
                scanned.samples.push((scanner.entry(), sample.clone()));
            }
            Next::Skipped(error) => scanned.skipped.push(error.to_string()),
            Next::Pending => scanner.finish(),
            Next::End => return scanned,
        }
    }
}

fn scan_all(flac: &Flac) -> Scanned {
    scan_from(flac, flac.header.start)
}

#[test]
fn frames_come_out_whole_and_metadata_is_stepped_over() {
    for prefix in [&b""[..], b"ID3\x04\0\0\0\0\0\x05abcde"] {
        let flac = open_bytes(&[prefix, &file(20)].concat());
        let scanned = scan_all(&flac);
        assert_eq!(scanned.places(), (0..20).collect::<Vec<_>>());
        assert_eq!(scanned.samples.iter().map(|(_, sample)| sample.data.clone()).collect::<Vec<_>>(), frames(20));
        let places: Vec<_> = scanned.samples.iter().map(|(entry, _)| entry.at as usize).collect();
        assert_eq!(places[..2], [prefix.len() + metadata(0).len(), prefix.len() + metadata(0).len() + frame(0).len()]);
        let duration = Some(MediaTime::from_millis(80));
        assert_eq!((flac.header.duration, flac.header.tracks[0].duration), (duration, duration));
        assert_eq!((scanned.skipped, &flac.header.notes[..]), (vec![], &[][..]));
    }
}

#[test]
fn scanning_from_any_byte_gives_what_begins_behind_it_with_the_same_times() {
    let bytes = file(12);
    let flac = open_bytes(&bytes);
    let all = scan_all(&flac);
    for at in (0..bytes.len() as u64).step_by(53) {
        let again = scan_from(&flac, Entry { at, time: None });
        let expected: Vec<_> = all.samples.iter().filter(|(entry, _)| entry.at >= at).collect();
        assert_eq!(format!("{:?}", again.samples.iter().collect::<Vec<_>>()), format!("{expected:?}"), "from {at}");
        assert_eq!(again.skipped, Vec::<String>::new(), "from {at}");
    }
}

#[test]
fn a_damaged_frame_alone_is_left_out() {
    let good = frames(12);
    let third = metadata(0).len() + good[..3].concat().len();
    let rows: [(&str, usize, u8); 3] = [("sync code", 0, 0), ("header", 4, 0x55), ("samples", 100, 0xff)];
    for (what, at, value) in rows {
        let mut bytes = file(12);
        bytes[third + at] ^= value | 0x80;
        let scanned = scan_all(&open_bytes(&bytes));
        let expected: Vec<i64> = (0..12).filter(|index| *index != 3).collect();
        // Without its sync code, it cannot be told from the end of the one before.
        let without_two: Vec<i64> = expected.iter().copied().filter(|index| *index != 2).collect();
        let places = scanned.places();
        assert!(places == expected || at == 0 && places == without_two, "{what}: {places:?}");
        assert_eq!(scanned.skipped.len(), 1, "{what}: {:?}", scanned.skipped);
        assert!(scanned.skipped[0].starts_with("malformed FLAC frame at byte "), "{what}: {:?}", scanned.skipped);
    }
}

#[test]
fn missing_bytes_cost_the_frames_they_are_of() {
    let bytes = file(30);
    let hole = metadata(0).len() + frames(10).concat().len() + 50;
    let cut = [&bytes[..hole], &bytes[hole + 900..]].concat();
    let flac = open_bytes(&cut);
    let scanned = scan_all(&flac);
    let places = scanned.places();
    assert_eq!((&places[..10], places.last()), (&(0..10).collect::<Vec<_>>()[..], Some(&29)));
    assert!(places.len() >= 26, "{places:?}");
    assert_eq!(scanned.skipped.len(), 1, "{:?}", scanned.skipped);
    assert_eq!(flac.header.duration, Some(MediaTime::from_millis(120)), "the last frame tells");
}

#[test]
fn a_file_that_is_cut_off_has_no_certain_duration_and_says_what_is_missing() {
    let bytes = file(12);
    let flac = open_bytes(&bytes[..bytes.len() - 10]);
    assert_eq!((flac.header.duration, scan_all(&flac).places().len()), (None, 11));
    let notes: Vec<_> = flac.header.notes.iter().map(Note::to_string).collect();
    assert_eq!(notes, [format!("the file ends 192 samples too early at byte {}", bytes.len() - 10)]);
}

#[test]
fn tags_behind_the_last_frame_are_no_damage() {
    for tag in [&b"TAG and 125 bytes more"[..], b"APETAGEX and so on"] {
        let scanned = scan_all(&open_bytes(&[&file(5)[..], tag].concat()));
        assert_eq!((scanned.places(), scanned.skipped), ((0..5).collect(), vec![]), "{tag:?}");
    }
}

#[test]
fn a_stream_that_begins_late_begins_at_zero_and_one_that_begins_again_goes_on() {
    let late: Vec<u8> = (1000..1005_u64).flat_map(|index| frame_numbered(index, Number::Sample(index * 192))).collect();
    let bytes = [metadata(0), late.clone()].concat();
    let flac = open_bytes(&bytes);
    assert_eq!((scan_all(&flac).places(), flac.header.duration), ((0..5).collect(), None));

    let twice = [metadata(0), frames(5).concat(), frames(5).concat()].concat();
    assert_eq!(scan_all(&open_bytes(&twice)).places(), (0..10).collect::<Vec<_>>());
}

#[test]
fn a_growing_file_is_read_on_and_its_last_frame_comes_when_it_is_finished() {
    let bytes = file(6);
    let start = metadata(0).len() + frames(2).concat().len() + 40;
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&bytes[..start]).unwrap();
    let flac = Flac::new(&Source::new(file.try_clone().unwrap())).unwrap();
    let mut rest = bytes[start..].chunks(77);
    let mut scanner = flac.scan(flac.header.start);
    let mut sample = Sample::default();
    let mut count = 0;
    loop {
        sample.clear();
        match scanner.next(&mut sample).unwrap() {
            Next::Sample => count += 1,
            Next::Pending => match rest.next() {
                Some(more) => file.write_all(more).unwrap(),
                None => {
                    assert_eq!(count, 5, "another frame could still show that the last one goes on");
                    scanner.finish();
                }
            },
            Next::Skipped(error) => panic!("{error}"),
            Next::End => break,
        }
    }
    assert_eq!(count, 6);
}

#[test]
fn what_is_no_flac_is_refused_with_the_place() {
    let error = |bytes: &[u8]| Flac::new(&source(bytes)).err().unwrap().to_string();
    assert_eq!(error(b"OggS"), "malformed FLAC marker at byte 0");
    assert_eq!(error(b"fLaC\x81\0\0\0"), "malformed STREAMINFO at byte 4");
    assert_eq!(error(&metadata(0)[..30]), "STREAMINFO is cut off at byte 30");
    assert_eq!(error(&metadata(0)), "no FLAC frame behind the metadata");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn damage_neither_panics_nor_hangs(
        mutations in vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        cut in any::<prop::sample::Index>(),
        from in any::<prop::sample::Index>(),
    ) {
        let mut bytes = [&b"fLaC\x80\0\0\x22"[..], &testing::stream_info(48_000, 1, 16, BLOCK_SIZE, 0), &frames(8).concat()].concat();
        for (at, value) in mutations {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes.truncate(cut.index(bytes.len()) + 1);
        if let Ok(flac) = Flac::new(&source(&bytes)) {
            prop_assert!(scan_all(&flac).skipped.len() < 60);
            scan_from(&flac, Entry { at: from.index(bytes.len()) as u64, time: None });
        }
    }

    #[test]
    fn headers_and_sync_codes_in_any_order_do_not_hang(pieces in vec(0..4_usize, 1..400), number in 0..1_u64 << 36) {
        let whole = frame_numbered(1, Number::Sample(number));
        let pieces: Vec<u8> = pieces
            .iter()
            .flat_map(|piece| [&whole[..], &whole[..14], &[0xff, 0xf8], &[0xff]][*piece].to_vec())
            .collect();
        let bytes = [metadata(0), pieces].concat();
        if let Ok(flac) = Flac::new(&source(&bytes)) {
            scan_all(&flac);
        }
    }
}
