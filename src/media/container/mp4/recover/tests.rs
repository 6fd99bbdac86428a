use std::io::Write;

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::super::testing::{Got, scan_all, scan_from, source_of};
use super::super::testing::{atom, prefixed};
use super::*;
use crate::media::codec::h264::testing::{Slice, pps, sps};

/// Bytes that are no NAL units, as sound between pictures is.
fn sound(seed: u32, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12_345);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..len).map(|_| next() | 1).collect()
}

/// The NAL units of picture `number`; every fifth is an IDR picture with parameter sets before it.
fn picture(number: u32) -> Vec<Vec<u8>> {
    let position = number % 5;
    let slice = Slice { frame_mbs_only: true, frame_num: position, lsb: 2 * position, ..Slice::P };
    let mut nals = match position {
        0 => vec![vec![0x09, 0x10], sps(0, true), pps(0, false), Slice { nal: 0x65, slice_type: 7, ..slice }.nal()],
        _ => vec![vec![0x09, 0x30], slice.nal()],
    };
    nals.last_mut().unwrap().extend(sound(number, 30 + number as usize));
    nals
}

/// `ftyp` and an `mdat` whose size was never filled in, with sound behind every second picture.
fn crashed(count: u32) -> Vec<u8> {
    let mut file = atom(b"ftyp", &[b"isom\0\0\0\0isom"]);
    file.extend(atom(b"free", &[]));
    file.extend([&0_u32.to_be_bytes()[..], b"mdat"].concat());
    for number in 0..count {
        picture(number).iter().for_each(|nal| file.extend(prefixed(nal, 4)));
        if number % 2 == 1 {
            file.extend(sound(number + 1000, 200));
        }
    }
    file
}

/// A picture as it is handed out: behind start codes.
fn annex_b(number: u32) -> Vec<u8> {
    picture(number).iter().flat_map(|nal| [&START_CODE[..], nal].concat()).collect()
}

fn recovered(bytes: &[u8]) -> Option<Recovered> {
    super::super::open::without_index(&source_of(bytes)).unwrap()
}

#[test]
fn pictures_are_found_again_between_sound() {
    let file = crashed(20);
    let format = recovered(&file).unwrap();
    let Codec::H264(config) = &format.header().tracks[0].codec else { panic!() };
    assert_eq!((&config.sps, &config.pps), (&vec![sps(0, true)], &vec![pps(0, false)]));
    let note = format.header().notes[0].to_string();
    assert!(note.starts_with("the index (moov) is missing: the recorder did not finish the file."), "{note}");
    assert!(note.ends_with("at byte 28"), "{note}");
    let got = scan_all(&format);
    assert_eq!((got.samples.len(), got.keys(), &got.errors[..]), (20, vec![0, 5, 10, 15], &[][..]));
    for (number, sample) in (0..).zip(&got.samples) {
        // What stands before the first parameter sets was not known for what it is.
        let expected = annex_b(number);
        let expected = if number == 0 { &expected[START_CODE.len() + 2..] } else { &expected[..] };
        assert_eq!(sample.data, expected, "picture {number}");
        assert_eq!(sample.pts.as_nanos(), i64::from(number) * 40_000_000);
    }
}

#[test]
fn reading_again_from_a_key_frame_gives_the_same_samples() {
    let format = recovered(&crashed(20)).unwrap();
    let all = scan_all(&format);
    for index in all.keys() {
        assert_eq!(scan_from(&format, all.entries[index]).samples, all.samples[index..], "from picture {index}");
    }
}

#[test]
fn a_file_goes_on_being_read_as_it_grows_and_a_cut_picture_is_no_picture() {
    let file = crashed(12);
    let mut disk = tempfile::NamedTempFile::new().unwrap();
    disk.write_all(&file[..file.len() - 300]).unwrap();
    let source = Source::new(disk.reopen().unwrap());
    let format = super::super::open::without_index(&source).unwrap().unwrap();
    let mut scanner = format.scan(format.header().start);
    let mut sample = Sample::default();
    let mut count = 0;
    while matches!(scanner.next(&mut sample), Ok(Next::Sample)) {
        count += 1;
    }
    assert!((1..12).contains(&count), "{count}");
    let Got { samples, errors, .. } = scan_all(&format);
    assert_eq!((samples.len() > count, &errors[..]), (true, &[][..]));
    disk.write_all(&file[file.len() - 300..]).unwrap();
    scanner.finish();
    while matches!(scanner.next(&mut sample), Ok(Next::Sample)) {
        count += 1;
    }
    assert_eq!(count, 12);
}

#[test]
fn without_parameter_sets_in_mdat_there_is_nothing_to_be_found() {
    let mut file = atom(b"ftyp", &[b"isom\0\0\0\0isom"]);
    let slice = Slice { frame_mbs_only: true, ..Slice::P }.nal();
    file.extend(atom(b"mdat", &[&prefixed(&slice, 4), &sound(1, 3000)]));
    assert!(recovered(&file).is_none());
    let moov = [crashed(3), atom(b"moov", &[])].concat();
    let size = (moov.len() - 28 - 8) as u32;
    let mut finished = moov.clone();
    finished[28..32].copy_from_slice(&size.to_be_bytes());
    assert!(recovered(&finished).is_none(), "a file with moov is read by it");
}

proptest! {
    #[test]
    fn damage_of_any_kind_neither_panics_nor_hangs(
        hits in vec((36..3000_usize, any::<u8>()), 0..12),
        cut in 30..3000_usize,
    ) {
        let mut file = crashed(20);
        for (at, byte) in hits {
            let at = at % file.len();
            file[at] = byte;
        }
        file.truncate(cut);
        if let Some(format) = recovered(&file) {
            let got = scan_all(&format);
            prop_assert!(got.samples.len() <= 40);
        }
    }
}
