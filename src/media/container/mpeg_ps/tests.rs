use proptest::prelude::*;

use super::super::testing::{Got, scan_all, scan_from, source_of};
use super::*;
use crate::media::codec::mpeg_video::testing::{frame, group, sequence_extension, sequence_header};
use crate::media::scan::Timing;
use crate::media::{Codec, Kind};
use crate::time::MediaTime;

/// Which syntax a file is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Syntax {
    Mpeg1,
    Mpeg2,
}
use Syntax::{Mpeg1, Mpeg2};

fn stamp(prefix: u8, ticks: u64) -> [u8; 5] {
    [
        prefix << 4 | (ticks >> 29) as u8 & 0xe | 1,
        (ticks >> 22) as u8,
        (ticks >> 14) as u8 | 1,
        (ticks >> 7) as u8,
        (ticks << 1) as u8 | 1,
    ]
}

fn pack(syntax: Syntax) -> Vec<u8> {
    match syntax {
        Mpeg1 => vec![0, 0, 1, 0xba, 0x21, 0, 1, 0, 1, 0x80, 0, 1],
        Mpeg2 => vec![0, 0, 1, 0xba, 0x44, 0, 4, 0, 4, 1, 0, 0, 3, 0xf9, 0xff],
    }
}

/// A PES packet; `stamps` are PTS and DTS in ticks.
fn pes(syntax: Syntax, stream_id: u8, stamps: Option<(u64, Option<u64>)>, payload: &[u8]) -> Vec<u8> {
    let fields = match stamps {
        None => Vec::new(),
        Some((pts, None)) => stamp(2, pts).to_vec(),
        Some((pts, Some(dts))) => [stamp(3, pts), stamp(1, dts)].concat(),
    };
    let header = match syntax {
        Mpeg1 if fields.is_empty() => vec![0xff, 0x0f],
        Mpeg1 => [&[0xff, 0x60, 0x20][..], &fields].concat(),
        Mpeg2 => {
            let flags = (fields.len() / 5 + 1) as u8 & 3;
            let flags = if fields.is_empty() { 0 } else { flags };
            [&[0x81, flags << 6, fields.len() as u8 + 2][..], &fields, &[0xff, 0xff]].concat()
        }
    };
    let len = ((header.len() + payload.len()) as u16).to_be_bytes();
    [&[0, 0, 1, stream_id, len[0], len[1]][..], &header, payload].concat()
}

/// A program stream map of streams by type and id.
fn program_map(streams: &[(u8, u8)]) -> Vec<u8> {
    let entries: Vec<u8> = streams.iter().flat_map(|(kind, id)| [*kind, *id, 0, 0]).collect();
    let lens = [(entries.len() + 10) as u8, entries.len() as u8];
    [&[0, 0, 1, 0xbc, 0, lens[0], 0xe1, 0xff, 0, 0, 0, lens[1]][..], &entries, &[1, 2, 3, 4]].concat()
}

/// Ticks of a picture at 25 a second.
const PICTURE: u64 = 3600;

/// Groups `I P B B` of MPEG-2 video at 25 pictures a second with G.711 of the same time; every picture in a pack of its
/// own, key frames with stamps, `base` the first. Then the number of samples.
fn recording(syntax: Syntax, base: u64, groups: u64) -> Vec<u8> {
    let mut file = Vec::new();
    for number in 0..groups {
        for (place, kind, display) in [(0, 'I', 2), (1, 'B', 0), (2, 'B', 1), (3, 'P', 3)] {
            let index = 4 * number + place;
            file.extend(pack(syntax));
            if syntax == Mpeg2 && place == 0 {
                file.extend(program_map(&[(2, 0xe0), (0x90, 0xc0)]));
            }
            let mut picture = frame(kind, display);
            if place == 0 {
                let extension = if syntax == Mpeg2 { sequence_extension(false, false) } else { Vec::new() };
                picture = [sequence_header(3), extension, group(), picture].concat();
            }
            let (pts, dts) = (base + (4 * number + u64::from(display)) * PICTURE, base + index * PICTURE - PICTURE);
            let stamps = (place == 0 || syntax == Mpeg2).then_some((pts, (pts != dts).then_some(dts)));
            file.extend(pes(syntax, 0xe0, stamps, &picture));
            if syntax == Mpeg2 {
                let sound: Vec<u8> = (0..320).map(|byte| (index + byte) as u8).collect();
                file.extend(pes(syntax, 0xc0, Some((base + index * PICTURE, None)), &sound));
            }
        }
    }
    file.extend([0, 0, 1, 0xb9]);
    file
}

fn opened(file: &[u8]) -> MpegPs {
    MpegPs::open(&source_of(file)).unwrap()
}

fn millis(got: &Got, track: usize) -> Vec<(i64, i64)> {
    let millis = |time: MediaTime| time.to_ticks(1000);
    got.samples.iter().filter(|got| got.track == track).map(|got| (millis(got.pts), millis(got.dts))).collect()
}

#[test]
fn pictures_and_sound_of_a_recorder_come_with_the_times_of_their_stamps() {
    let format = opened(&recording(Mpeg2, 1_000_000, 3));
    let header = format.header();
    let kinds: Vec<_> = header.tracks.iter().map(|track| track.codec.name()).collect();
    assert_eq!((kinds, header.notes.len(), header.timing), (vec!["MPEG-2 video", "G.711 A-law"], 0, Timing::Stamped));
    assert_eq!(header.tracks[0].frame_rate, Some(25.0));
    let got = scan_all(&format);
    assert_eq!(got.errors, Vec::<String>::new());
    let video = millis(&got, 0);
    assert_eq!(video[..6], [(80, -40), (0, 0), (40, 40), (120, 80), (240, 120), (160, 160)]);
    assert_eq!(video.len(), 12);
    let sound = millis(&got, 1);
    assert_eq!((&sound[..3], sound.len()), (&[(0, 0), (20, 20), (40, 40)][..], 24));
    assert_eq!(got.samples.iter().filter(|got| got.is_sync && got.track == 0).count(), 3);
}

#[test]
fn mpeg_1_system_streams_count_on_from_the_stamps_there_are() {
    let got = scan_all(&opened(&recording(Mpeg1, 5000, 2)));
    assert_eq!(
        millis(&got, 0),
        [(80, -40), (0, 0), (40, 40), (120, 80), (240, 120), (160, 160), (200, 200), (280, 240)]
    );
}

#[test]
fn the_counter_of_stamps_turns_and_jumps_are_closed() {
    let turn = 1 << 33;
    let at_turn = scan_all(&opened(&recording(Mpeg2, turn - 5 * PICTURE, 3)));
    let plain = scan_all(&opened(&recording(Mpeg2, 900_000, 3)));
    assert_eq!(millis(&at_turn, 0), millis(&plain, 0));
    let twice = [recording(Mpeg2, 900_000, 5), recording(Mpeg2, 900_000, 5)].concat();
    let got = scan_all(&opened(&twice));
    let video = millis(&got, 0);
    // The last picture was shown at 760; the first one of what follows is decoded at 800.
    assert_eq!(video[18..23], [(680, 680), (760, 720), (920, 800), (840, 840), (880, 880)]);
    assert_eq!(millis(&got, 1)[39..41], [(780, 780), (840, 840)]);
}

/// Recordings of 8 s each, put together, with so much stuffing for each picture.
fn put_together(pieces: usize, stuffing: usize) -> Vec<u8> {
    let piece = recording(Mpeg2, 900_000, 50);
    let padding: Vec<u8> = pes(Mpeg2, 0xbe, None, &[0xff; 50_000]).repeat(stuffing / 50_000);
    let is_pack = |at: &usize| piece[*at..].starts_with(&[0, 0, 1, 0xba]);
    let packs: Vec<usize> = (0..piece.len()).filter(is_pack).chain([piece.len()]).collect();
    let padded = packs.windows(2).map(|pack| [&piece[pack[0]..pack[1]], &padding].concat());
    padded.collect::<Vec<_>>().concat().repeat(pieces)
}

#[test]
fn seeks_in_recordings_put_together_go_by_the_bit_rate_until_all_has_been_read() {
    let source = source_of(&put_together(12, 50_000));
    let format = MpegPs::open(&source).unwrap();
    assert_eq!(format.header().timing, Timing::Counted);
    assert_eq!(format.header().notes[0].to_string(), "the clock was set anew: time goes on without a gap");
    super::super::testing::check_put_together(&scan::open(format).unwrap(), &source, 96);
}

#[test]
fn from_a_guess_on_sound_stays_beside_its_pictures_and_every_place_keeps_its_time() {
    let file = put_together(3, 0);
    let format = opened(&file);
    assert_eq!(format.header().timing, Timing::Counted);
    let all = scan_all(&format);
    let told = MediaTime::from_millis(5_000_000);
    for at in (file.len() as u64 / 7..file.len() as u64 * 6 / 7).step_by(997) {
        let got = scan_from(&format, Entry { at, time: Some(told) });
        let off = got.samples[0].pts - told;
        let near = MediaTime::from_millis(-1000)..MediaTime::from_millis(1000);
        assert!(near.contains(&off), "from byte {at} on: {off:?}");
        // How much earlier each sample is than when all is read from the start on.
        let off = (0..2).flat_map(|track| {
            let (all, of) = (millis(&all, track), millis(&got, track));
            all.into_iter().rev().zip(of.into_iter().rev()).map(|(all, of)| of.0 - all.0).collect::<Vec<_>>()
        });
        let off: Vec<i64> = off.collect();
        let apart = off.iter().max().unwrap() - off.iter().min().unwrap();
        assert!(apart <= 40, "from byte {at} on: {apart} ms");
        let key = got.samples.iter().position(|sample| sample.track == 0 && sample.is_sync).unwrap();
        let again = scan_from(&format, got.entries[key]);
        for track in 0..2 {
            let (all, again) = (millis(&got, track), millis(&again, track));
            assert!(all.ends_with(&again), "from byte {at} on, again: track {track}");
        }
        assert_eq!(again.samples.iter().find(|got| got.track == 0), Some(&got.samples[key]));
    }
}

#[test]
fn reading_from_any_entry_gives_the_same_samples_with_the_same_times() {
    for file in [
        recording(Mpeg2, 900_000, 4),
        recording(Mpeg1, 900_000, 4),
        recording(Mpeg2, (1 << 33) - 5 * PICTURE, 4),
        [recording(Mpeg2, 900_000, 3), recording(Mpeg2, 90_000_000, 3)].concat(),
    ] {
        let format = opened(&file);
        let all = scan_all(&format);
        for index in
            (0..all.samples.len()).filter(|index| all.samples[*index].track == 0 && all.samples[*index].is_sync)
        {
            let again = scan_from(&format, all.entries[index]);
            for track in 0..format.header().tracks.len() {
                let of = |got: &Got| got.samples.iter().filter(|got| got.track == track).cloned().collect::<Vec<_>>();
                let (all, again) = (of(&all), of(&again));
                assert!(all.ends_with(&again), "track {track} from sample {index}:\n{all:?}\n{again:?}");
            }
            assert_eq!(again.samples.iter().find(|got| got.track == 0), Some(&all.samples[index]));
        }
    }
}

#[test]
fn reading_from_any_byte_finds_the_next_pack_without_complaint() {
    let file = recording(Mpeg2, 900_000, 4);
    let format = opened(&file);
    let all = scan_all(&format);
    for at in (1..file.len() as u64).step_by(97) {
        let got = scan_from(&format, Entry { at, time: None });
        assert_eq!(got.errors, Vec::<String>::new(), "from byte {at}");
        for sample in got.samples.iter().filter(|sample| sample.is_sync) {
            assert!(all.samples.contains(sample), "from byte {at}: {sample:?}");
        }
    }
}

#[test]
fn damage_is_told_with_its_place_and_reading_goes_on_at_the_next_pack() {
    let mut file = recording(Mpeg2, 900_000, 4);
    let at = file.len() / 2;
    let broken = (at..file.len()).find(|at| file[*at..].starts_with(&[0, 0, 1, 0xc0])).unwrap();
    file[broken + 2] = 7;
    let format = opened(&file);
    let got = scan_all(&format);
    assert_eq!(got.errors, [format!("malformed MPEG-PS start code at byte {broken}")]);
    assert_eq!((millis(&got, 0).len(), millis(&got, 1).len()), (16, 30));
    let whole = scan_all(&opened(&recording(Mpeg2, 900_000, 4)));
    assert_eq!(millis(&got, 0), millis(&whole, 0));
}

#[test]
fn zeros_between_packets_are_stuffing_and_a_file_may_end_anywhere() {
    let file = recording(Mpeg2, 900_000, 2);
    let second_pack = (1..file.len()).find(|at| file[*at..].starts_with(&[0, 0, 1, 0xba])).unwrap();
    let stuffed = [&file[..second_pack], &[0; 200_000], &file[second_pack..]].concat();
    let got = scan_all(&opened(&stuffed));
    assert_eq!((got.errors.len(), got.samples.len()), (0, scan_all(&opened(&file)).samples.len()));
    for end in (second_pack..file.len()).step_by(53) {
        let got = scan_all(&opened(&file[..end]));
        assert!(got.errors.is_empty(), "cut at {end}: {:?}", got.errors);
    }
}

#[test]
fn a_packet_without_length_goes_as_far_as_the_next_one() {
    let mut file = Vec::new();
    for index in 0..4_u64 {
        file.extend(pack(Mpeg2));
        let mut packet = pes(Mpeg2, 0xe0, Some((90_000 + index * PICTURE, None)), &[]);
        packet[4..6].fill(0);
        file.extend(packet);
        let picture = if index == 0 { frame('I', 0) } else { frame('P', index as u16) };
        file.extend([sequence_header(3), sequence_extension(false, false), picture].concat());
        file.resize(file.len() + 100_000 * index as usize, 0x55);
    }
    let got = scan_all(&opened(&file));
    assert_eq!((millis(&got, 0), got.errors.len()), (vec![(0, 0), (40, 40), (80, 80), (120, 120)], 0));
    assert!(got.samples[3].data.len() > 300_000, "{}", got.samples[3].data.len());
}

#[test]
fn a_recorder_of_hikvision_has_40_bytes_in_front_which_tell_of_its_sound() {
    let mut head = [0; 40];
    head[..4].copy_from_slice(b"IMKH");
    head[12..20].copy_from_slice(&[0x10, 0x71, 1, 16, 0x80, 0x3e, 0, 0]);
    let mut body = recording(Mpeg2, 900_000, 2);
    // Without what the map says.
    while let Some(at) = body.windows(4).position(|window| window == [0, 0, 1, 0xbc]) {
        body[at + 3] = 0xbe;
    }
    let file = [&head[..], &body].concat();
    assert_eq!(sniff(&file), Sniff::Yes);
    let format = opened(&file);
    let codecs: Vec<_> = format.header().tracks.iter().map(|track| track.codec.clone()).collect();
    assert!(matches!(&codecs[1], Codec::Pcmu(config) if config.sample_rate == 16_000), "{codecs:?}");
    assert_eq!(format.header().notes.len(), 0);
    assert_eq!(millis(&scan_all(&format), 0).len(), 8);
}

#[test]
fn streams_of_a_dvd_are_told_apart_and_those_left_out_are_named() {
    let sound = |id: u8| [&[id, 1, 0, 4, 0, 0x01, 0x80][..], &[0x11; 400]].concat();
    let mut file = pack(Mpeg2);
    for index in 0..3 {
        for id in [0xa0, 0xa1, 0x88, 0x20] {
            file.extend(pes(Mpeg2, 0xbd, Some((90_000 + index * 188, None)), &sound(id)));
        }
    }
    file.extend(pes(Mpeg2, 0xe0, None, &[1, 2, 3]));
    let format = opened(&file);
    let header = format.header();
    assert_eq!(header.tracks.iter().map(|track| track.codec.sound()).collect::<Vec<_>>(), [Some((48_000, 2)); 2]);
    let notes: Vec<_> = header.notes.iter().map(ToString::to_string).collect();
    assert_eq!(
        notes,
        [
            "stream 0xbd/0x20 is left out: subpictures",
            "stream 0xbd/0x88 is left out: DTS",
            "stream 0xe0 is left out: of unknown coding"
        ]
    );
    assert_eq!(scan_all(&format).samples.len(), 6);
    assert!(header.tracks.iter().all(|track| track.kind() == Kind::Audio));
}

#[test]
fn a_file_that_grows_is_read_on_from_where_it_ended() {
    use std::io::Write;
    let file = recording(Mpeg2, 900_000, 3);
    let half = file.len() / 2 + 7;
    let path = tempfile::NamedTempFile::new().unwrap();
    path.as_file().write_all(&file[..half]).unwrap();
    let source = Source::new(path.reopen().unwrap());
    let format = MpegPs::open(&source).unwrap();
    let mut scanner = format.scan(format.header().start);
    let (mut count, mut sample) = (0, crate::media::Sample::default());
    while let crate::media::Next::Sample = scanner.next(&mut sample).unwrap() {
        count += 1;
        sample.clear();
    }
    assert!(matches!(scanner.next(&mut sample).unwrap(), crate::media::Next::Pending));
    path.as_file().write_all(&file[half..]).unwrap();
    loop {
        sample.clear();
        match scanner.next(&mut sample).unwrap() {
            crate::media::Next::Sample => count += 1,
            crate::media::Next::Pending => scanner.finish(),
            crate::media::Next::End => break,
            crate::media::Next::Skipped(error) => panic!("{error}"),
        }
    }
    assert_eq!(count, scan_all(&opened(&file)).samples.len());
}

#[test]
fn a_pack_at_the_start_tells_and_one_further_on_makes_it_possible() {
    for (head, expected) in [
        (recording(Mpeg1, 0x10000, 1), Sniff::Yes),
        (recording(Mpeg2, 0x10000, 1), Sniff::Yes),
        ([vec![0; 7], recording(Mpeg2, 0x10000, 1)].concat(), Sniff::Yes),
        ([vec![9; 7], recording(Mpeg2, 0x10000, 1)].concat(), Sniff::Maybe),
        ([sequence_header(3), group()].concat(), Sniff::No),
        (vec![0, 0, 1, 0xba, 0], Sniff::No),
        (Vec::new(), Sniff::No),
    ] {
        assert_eq!(sniff(&head), expected, "{:02x?}", &head[..head.len().min(16)]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn damaged_files_neither_panic_nor_hang(
        changes in proptest::collection::vec((any::<u16>(), any::<u8>()), 0..30),
        cut in any::<u16>(),
        at in any::<u16>(),
    ) {
        let mut file = recording(Mpeg2, 900_000, 2);
        let len = file.len();
        for (at, byte) in changes {
            file[usize::from(at) % len] = byte;
        }
        let from = usize::from(cut) % len;
        file.drain(from..len.min(from + 100));
        if let Ok(format) = MpegPs::open(&source_of(&file)) {
            scan_all(&format);
            scan_from(&format, Entry { at: at.into(), time: None });
            scan_from(&format, Entry { at: at.into(), time: Some(MediaTime::from_millis(at.into())) });
        }
    }

    #[test]
    fn random_bytes_neither_panic_nor_hang(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let noise = bytes.iter().map(|byte| [0, 0, 1, *byte][usize::from(byte % 4)]);
        let file: Vec<u8> = pack(Mpeg2).into_iter().chain(noise).collect();
        sniff(&file);
        if let Ok(format) = MpegPs::open(&source_of(&file)) {
            scan_all(&format);
        }
    }
}
