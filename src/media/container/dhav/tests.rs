use proptest::prelude::*;

use super::super::testing::{Got, scan_all, scan_from, source_of};
use super::*;
use crate::media::codec::mpeg4_visual::testing::{headers, vop};

/// A frame of kind `0xfc` (picture), `0xfd` (key frame) or `0xf0` (sound) at `millis` since noon.
fn frame(kind: u8, number: u32, millis: u32, extensions: &[u8], payload: &[u8]) -> Vec<u8> {
    let len = (24 + extensions.len() + payload.len() + 8) as u32;
    let seconds = millis / 1000;
    let (hour, minute, second) = (12 + seconds / 3600, seconds / 60 % 60, seconds % 60);
    let date = 24_u32 << 26 | 5 << 22 | 17 << 17 | hour << 12 | minute << 6 | second;
    let clock = (millis as u16).wrapping_add(65_000).to_le_bytes();
    [
        &b"DHAV"[..],
        &[kind, 0, 1, 0],
        &number.to_le_bytes(),
        &len.to_le_bytes(),
        &date.to_le_bytes(),
        &clock,
        &[extensions.len() as u8, 0],
        extensions,
        payload,
        b"dhav",
        &len.to_le_bytes(),
    ]
    .concat()
}

const VIDEO: [u8; 8] = [0x80, 0, 22, 18, 0x81, 0, 1, 25];
const AUDIO: [u8; 4] = [0x83, 1, 0x0e, 2];

/// `seconds` of MPEG-4 video at 25 pictures a second, a key frame in each, and of G.711.
fn recording(from_millis: u32, seconds: u32) -> Vec<u8> {
    let mut file = Vec::new();
    for index in 0..25 * seconds {
        let millis = from_millis + 40 * index;
        let (in_second, is_key) = (index % 25, index % 25 == 0);
        let mut picture = vop(if is_key { 'I' } else { 'P' }, u32::from(is_key && index > 0), in_second, 25);
        if index == 0 {
            picture = [headers(1, 25, None), picture].concat();
        }
        file.extend(frame(if is_key { 0xfd } else { 0xfc }, index, millis, &VIDEO, &picture));
        let sound: Vec<u8> = (0..320).map(|byte| (index + byte) as u8).collect();
        file.extend(frame(0xf0, index, millis, &AUDIO, &sound));
        if is_key {
            file.extend(frame(0xf1, index, millis, &[], b"private"));
        }
    }
    file
}

fn opened(file: &[u8]) -> Dhav {
    Dhav::open(&source_of(file)).unwrap()
}

fn millis(got: &Got, track: usize) -> Vec<i64> {
    got.samples.iter().filter(|got| got.track == track).map(|got| got.pts.to_ticks(1000)).collect()
}

#[test]
fn pictures_and_sound_have_the_times_of_their_frames() {
    let format = opened(&recording(7000, 3));
    let header = format.header();
    let names: Vec<_> = header.tracks.iter().map(|track| track.codec.name()).collect();
    assert_eq!((names, header.notes.len()), (vec!["MPEG-4 part 2", "G.711 A-law"], 0));
    assert_eq!((header.tracks[0].frame_rate, header.tracks[1].codec.sound()), (Some(25.0), Some((8000, 1))));
    let got = scan_all(&format);
    assert_eq!(got.errors, Vec::<String>::new());
    assert_eq!(millis(&got, 0), (0..75).map(|index| 40 * index).collect::<Vec<_>>());
    assert_eq!(millis(&got, 1), (0..150).map(|index| 20 * index).collect::<Vec<_>>());
    assert_eq!(got.samples.iter().filter(|got| got.track == 0 && got.is_sync).count(), 3);
}

#[test]
fn a_file_may_have_a_header_of_its_own() {
    let mut head = b"DAHUA".to_vec();
    head.resize(0x400, 0x55);
    let file = [head, recording(0, 1)].concat();
    assert_eq!((sniff(&file), sniff(&recording(0, 1)), sniff(b"DHAV")), (Sniff::Yes, Sniff::Yes, Sniff::Maybe));
    assert_eq!(scan_all(&opened(&file)).samples.len(), 75);
}

#[test]
fn reading_from_any_entry_gives_the_same_samples_with_the_same_times() {
    let jump = [recording(3_000_000, 2), recording(0, 2)].concat();
    for file in [recording(0, 3), jump] {
        let format = opened(&file);
        let all = scan_all(&format);
        for index in (0..all.samples.len()).filter(|index| all.samples[*index].track == 0) {
            let again = scan_from(&format, all.entries[index]);
            for track in 0..2 {
                let of = |got: &Got| got.samples.iter().filter(|got| got.track == track).cloned().collect::<Vec<_>>();
                assert!(of(&all).ends_with(&of(&again)), "track {track} from sample {index}");
            }
            assert_eq!(again.samples.iter().find(|got| got.track == 0), Some(&all.samples[index]));
        }
    }
}

#[test]
fn reading_from_any_byte_finds_the_next_frame_without_complaint_and_its_time() {
    let file = recording(1000, 100);
    let format = opened(&file);
    let all = scan_all(&format);
    for at in (1..file.len() as u64 - 5000).step_by(file.len() / 7) {
        let got = scan_from(&format, Entry { at, time: None });
        assert_eq!(got.errors, Vec::<String>::new(), "from byte {at}");
        for track in 0..2 {
            let of = |got: &Got| got.samples.iter().filter(|got| got.track == track).cloned().collect::<Vec<_>>();
            assert!(!of(&got).is_empty() && of(&all).ends_with(&of(&got)), "track {track} from byte {at}");
        }
    }
}

#[test]
fn damage_is_told_with_its_place_and_reading_goes_on_at_the_next_frame() {
    let mut file = recording(0, 2);
    let places: Vec<usize> = memchr::memmem::find_iter(&file, b"DHAV").collect();
    file[places[20]] = b'X';
    file.truncate(file.len() - 100);
    let got = scan_all(&opened(&file));
    assert_eq!(got.errors, [format!("malformed DHAV frame at byte {}", places[20])]);
    assert!(got.samples.len() >= 145, "{}", got.samples.len());
    // Zeros in the middle are damage too, and the end may be anywhere.
    let torn = [&recording(0, 1)[..], &[0; 300_000], &recording(1000, 1)].concat();
    let got = scan_all(&opened(&torn));
    assert_eq!((got.errors.len(), millis(&got, 0).len()), (1, 50));
}

#[test]
fn streams_of_unknown_codecs_are_named() {
    let only = frame(0xf0, 0, 0, &[0x83, 1, 0x0d, 2], &[0; 50]);
    let error = Dhav::open(&source_of(&only)).map(|_| ()).unwrap_err();
    assert_eq!(error.to_string(), "no stream that could be streamed");
    assert!(Dhav::open(&source_of(&[7; 5000])).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn damaged_files_neither_panic_nor_hang(
        changes in proptest::collection::vec((any::<u16>(), any::<u8>()), 0..30),
        cut in any::<u16>(),
        at in any::<u16>(),
    ) {
        let mut file = recording(0, 1);
        let len = file.len();
        for (at, byte) in changes {
            file[usize::from(at) % len] = byte;
        }
        let from = usize::from(cut) % len;
        file.drain(from..len.min(from + 100));
        if let Ok(format) = Dhav::open(&source_of(&file)) {
            scan_all(&format);
            scan_from(&format, Entry { at: at.into(), time: None });
            scan_from(&format, Entry { at: at.into(), time: Some(MediaTime::from_millis(at.into())) });
        }
    }
}
