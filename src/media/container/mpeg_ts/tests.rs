use std::io::Write;

use proptest::prelude::*;

use super::packet::PACKET_LEN;
use super::scanner::TransportStream;
use super::testing::*;
use crate::media::container::Sniff;
use crate::media::io::Source;
use crate::media::scan::{Entry, Format, Scanner, Timing};
use crate::media::{Error, Next, Sample};
use crate::time::MediaTime;

fn source(bytes: &[u8]) -> Source {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Source::new(file)
}

fn open(bytes: &[u8]) -> TransportStream {
    TransportStream::open(&source(bytes)).unwrap()
}

/// Track, pts and dts in ticks, length.
type Seen = (usize, i64, i64, usize);

fn seen(sample: &Sample) -> Seen {
    (sample.track, sample.pts.to_ticks(90_000), sample.dts.to_ticks(90_000), sample.data.len())
}

/// All samples that a scanner gives, where each can be read again, and what was damaged.
fn drain(mut scanner: Box<dyn Scanner>) -> (Vec<(Seen, Entry)>, Vec<String>) {
    let (mut samples, mut errors) = (Vec::new(), Vec::new());
    let mut sample = Sample::default();
    loop {
        sample.clear();
        match scanner.next(&mut sample).unwrap() {
            Next::Sample => samples.push((seen(&sample), scanner.entry())),
            Next::Pending => scanner.finish(),
            Next::Skipped(error) => errors.push(error.to_string()),
            Next::End => return (samples, errors),
        }
    }
}

fn samples(stream: &TransportStream) -> Vec<Seen> {
    drain(stream.scan(stream.header().start)).0.into_iter().map(|(seen, _)| seen).collect()
}

/// The times of one track.
fn times(samples: &[Seen], track: usize) -> Vec<i64> {
    samples.iter().filter(|sample| sample.0 == track).map(|sample| sample.1).collect()
}

fn expected_times(count: u64, step: u64) -> Vec<i64> {
    (0..count).map(|number| (number * step) as i64).collect()
}

fn notes(stream: &TransportStream) -> String {
    stream.header().notes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// A second of pictures and sound.
fn movie() -> Muxer {
    let mut muxer = Muxer::default();
    muxer.movie(900_000, 0, 24);
    muxer
}

#[test]
fn pictures_and_sound_come_out_with_their_times() {
    let stream = open(&movie().file);
    let header = stream.header();
    let names: Vec<_> = header.tracks.iter().map(|track| track.codec.name()).collect();
    assert_eq!((names, notes(&stream), header.timing), (vec!["H.264", "MP2"], String::new(), Timing::Stamped));
    let samples = samples(&stream);
    assert_eq!(times(&samples, 0), expected_times(24, PICTURE));
    assert_eq!(times(&samples, 1), expected_times(40, FRAME));
    assert_eq!(samples.iter().find(|sample| sample.0 == 1).map(|sample| sample.3), Some(96));
}

#[test]
fn packets_are_found_at_every_distance_and_from_the_middle_of_one_on() {
    let expected = samples(&open(&movie().file));
    for (before, behind) in [(0, 0), (4, 0), (0, 16)] {
        for cut in [0, 1, 100] {
            let mut muxer = Muxer { before, behind, ..Muxer::default() };
            // The start of a packet, of which the file has the rest only.
            muxer.packet(0x1fff, false, &[0; 183], &[]);
            muxer.movie(900_000, 0, 24);
            let file = &muxer.file[cut..];
            assert_eq!(super::sniff(&file[..4096]), Sniff::Yes);
            let stream = open(file);
            assert_eq!(samples(&stream), expected, "{before} and {behind} more bytes, from byte {cut} on");
        }
    }
}

#[test]
fn damage_is_told_once_and_reading_goes_on_behind_it() {
    let clean = movie().file;
    let junk_at = clean.len() / 2 / PACKET_LEN * PACKET_LEN;
    let junk: Vec<u8> = (0..3000_u32).map(|number| (number * 7) as u8).collect();
    let inserted = [&clean[..junk_at], &junk, &clean[junk_at..]].concat();
    let stream = open(&inserted);
    let (found, errors) = drain(stream.scan(stream.header().start));
    assert_eq!(errors, [format!("malformed transport packet at byte {junk_at}")]);
    assert_eq!(
        found.into_iter().map(|found| found.0).collect::<Vec<_>>(),
        samples(&open(&clean)),
        "nothing is missing"
    );
}

#[test]
fn lost_packets_cost_the_frame_that_they_are_of() {
    let clean = movie();
    // The second packet of a picture.
    let packets: Vec<&[u8]> = clean.file.chunks(PACKET_LEN).collect();
    let starts = packets.iter().enumerate().filter(|(_, packet)| packet[1..3] == [0x41, 0x00]);
    let lost = starts.map(|(index, _)| index).nth(10).unwrap() + 1;
    let file = [packets[..lost].concat(), packets[lost + 1..].concat()].concat();
    let stream = open(&file);
    let (found, errors) = drain(stream.scan(stream.header().start));
    let at = lost * PACKET_LEN;
    assert_eq!(errors, [format!("malformed continuity of transport packets at byte {at}")]);
    let found: Vec<Seen> = found.into_iter().map(|found| found.0).collect();
    let mut expected = expected_times(24, PICTURE);
    expected.remove(10);
    assert_eq!((times(&found, 0), times(&found, 1)), (expected, expected_times(40, FRAME)));
}

#[test]
fn a_packet_that_comes_twice_counts_once() {
    let clean = movie().file;
    let file: Vec<u8> = clean.chunks(PACKET_LEN).flat_map(|packet| [packet, packet].concat()).collect();
    let stream = open(&file);
    assert_eq!(drain(stream.scan(stream.header().start)).1, Vec::<String>::new());
    assert_eq!(samples(&stream), samples(&open(&clean)));
}

#[test]
fn a_counter_that_never_counts_is_ignored() {
    let clean = movie().file;
    let mut file = clean.clone();
    file.chunks_mut(PACKET_LEN).for_each(|packet| packet[3] &= 0xf0);
    assert_eq!(samples(&open(&file)), samples(&open(&clean)));
}

#[test]
fn recordings_put_together_play_on_without_a_gap_and_lose_nothing() {
    for (what, second_start) in [("back", 0), ("far ahead", 90_000 * 5000), ("the same again", 900_000)] {
        let mut muxer = Muxer::default();
        muxer.movie(900_000, 0, 75);
        let mut second = Muxer::default();
        second.movie(second_start, 0, 16);
        let joined_at = muxer.file.len();
        muxer.file.extend(&second.file);
        let stream = open(&muxer.file);
        let (found, errors) = drain(stream.scan(stream.header().start));
        let found: Vec<Seen> = found.into_iter().map(|found| found.0).collect();
        assert_eq!(stream.header().timing, Timing::Counted, "{what}");
        let video = times(&found, 0);
        assert_eq!(video.len(), 91, "{what}");
        assert!(
            video.windows(2).all(|pair| (1..=2 * PICTURE as i64).contains(&(pair[1] - pair[0]))),
            "{what}: {video:?}"
        );
        // Sound stays where it was beside the pictures.
        let sound = times(&found, 1);
        let offsets = [video[75] - video[0], sound[125] - sound[0]];
        assert_eq!(offsets[0], offsets[1], "{what}");
        let jump = format!("malformed sequence of time stamps at byte {}", joined_at + 2 * PACKET_LEN);
        assert_eq!(errors.iter().filter(|error| **error == jump).count(), 1, "{what}: {errors:?}");
    }
}

/// Recordings of 8 s each, put together, with so much stuffing a second.
fn put_together(pieces: u64, stuffing: usize) -> Vec<u8> {
    let mut file = Vec::new();
    for _ in 0..pieces {
        let mut muxer = Muxer::default();
        for number in 0..200 {
            muxer.movie(900_000, number, number + 1);
            for _ in 0..stuffing / 25 / PACKET_LEN {
                muxer.packet(0x1fff, false, &[], &[0xff; 184]);
            }
        }
        file.extend(muxer.file);
    }
    file
}

#[test]
fn seeks_in_recordings_put_together_go_by_the_bit_rate_until_all_has_been_read() {
    let source = source(&put_together(12, 1 << 20));
    for recording in [
        crate::media::scan::open(TransportStream::open(&source).unwrap()).unwrap(),
        crate::media::scan::open(super::whole::WholeStream::open(&source).unwrap()).unwrap(),
    ] {
        crate::media::container::testing::check_put_together(&recording, &source, 96);
    }
}

#[test]
fn from_a_guess_on_sound_stays_beside_its_pictures_and_every_place_keeps_its_time() {
    let file = put_together(3, 0);
    let stream = open(&file);
    assert_eq!(stream.header().timing, Timing::Counted);
    let all = samples(&open(&file));
    let told = 5000 * 90_000;
    for at in (file.len() as u64 / 7..file.len() as u64 * 6 / 7).step_by(9973) {
        let (found, _) = drain(stream.scan(Entry { at, time: Some(MediaTime::from_ticks(told, 90_000)) }));
        assert!((told..told + 90_000).contains(&found[0].0.1), "from byte {at} on: {:?}", found[0]);
        // How much earlier each sample is than when all is read from the start on.
        let of: Vec<Seen> = found.iter().map(|found| found.0).collect();
        let off = (0..2).flat_map(|track| {
            let (all, of) = (times(&all, track), times(&of, track));
            all.into_iter().rev().zip(of.into_iter().rev()).map(|(all, of)| of - all).collect::<Vec<_>>()
        });
        let off: Vec<i64> = off.collect();
        let apart = off.iter().max().unwrap() - off.iter().min().unwrap();
        assert!(apart <= PICTURE as i64, "from byte {at} on: {apart} ticks");
        let key = found.iter().position(|(seen, _)| seen.0 == 0).unwrap();
        let again: Vec<Seen> = drain(stream.scan(found[key].1)).0.into_iter().map(|found| found.0).collect();
        for track in 0..2 {
            assert!(times(&of, track).ends_with(&times(&again, track)), "from byte {at} on, again");
        }
        assert_eq!(again.iter().find(|seen| seen.0 == 0), Some(&of[key]));
    }
}

#[test]
fn times_go_on_over_the_wrap_of_the_counter() {
    let mut muxer = Muxer::default();
    muxer.movie((1 << 33) - 12 * PICTURE - 77, 0, 24);
    let stream = open(&muxer.file);
    assert_eq!(stream.header().timing, Timing::Stamped);
    let samples = samples(&stream);
    assert_eq!((times(&samples, 0), times(&samples, 1)), (expected_times(24, PICTURE), expected_times(40, FRAME)));
}

#[test]
fn every_sample_can_be_read_again_with_the_same_time() {
    let mut joined = movie();
    let mut second = Muxer::default();
    second.movie_on([0x200, 0x201], 0, 0, 16);
    joined.file.extend(&second.file);
    let mut wrapped = Muxer::default();
    wrapped.movie((1 << 33) - 12 * PICTURE, 0, 24);
    for (what, file) in [("plain", movie().file), ("put together", joined.file), ("over the wrap", wrapped.file)] {
        let stream = open(&file);
        let (all, _) = drain(stream.scan(stream.header().start));
        assert_eq!(all.iter().filter(|(seen, _)| seen.0 == 0).count(), if what == "put together" { 40 } else { 24 });
        for (index, (seen, entry)) in all.iter().enumerate() {
            let (again, errors) = drain(stream.scan(*entry));
            let of_track = |list: &[(Seen, Entry)]| -> Vec<Seen> {
                list.iter().map(|(seen, _)| *seen).filter(|other| other.0 == seen.0).collect()
            };
            assert_eq!(of_track(&again), of_track(&all[index..]), "{what}: from sample {index} on, {entry:?}");
            assert!(errors.iter().all(|error| error.contains("continuity") || error.contains("stamps")), "{errors:?}");
        }
    }
}

#[test]
fn from_any_byte_on_times_are_those_of_the_file() {
    let file = movie().file;
    let stream = open(&file);
    let all = samples(&stream);
    for at in (1..file.len() as u64).step_by(997) {
        let (found, errors) = drain(stream.scan(Entry { at, time: None }));
        assert_eq!(errors, Vec::<String>::new(), "from byte {at} on");
        for track in 0..2 {
            let [found, all] = [&found.iter().map(|it| it.0).collect(), &all].map(|list| times(list, track));
            assert!(all.ends_with(&found), "from byte {at} on: {found:?}");
        }
    }
}

#[test]
fn streams_are_followed_to_other_pids() {
    let mut muxer = movie();
    muxer.movie_on([0x300, 0x301], 900_000, 24, 48);
    let stream = open(&muxer.file);
    let samples = samples(&stream);
    assert_eq!((times(&samples, 0), times(&samples, 1)), (expected_times(48, PICTURE), expected_times(80, FRAME)));
}

#[test]
fn the_first_program_with_anything_in_it_is_played_and_the_others_named() {
    let mut muxer = Muxer::default();
    muxer.section(0, &section(0x00, 1, &[0, 0, 0xe0, 0x10, 0, 1, 0xf0, 0, 0, 2, 0xf0, 1, 0, 3, 0xf0, 2]));
    muxer.section(0x1000, &pmt_section(1, &[(0x05, 0x90, &[])]));
    muxer.section(0x1001, &pmt_section(2, &STREAMS));
    muxer.section(0x1002, &pmt_section(3, &[(0x02, 0x400, &[])]));
    let mut second = Muxer::default();
    second.movie(0, 0, 16);
    // The tables of the second movie are left out.
    let without_tables = second.file.chunks(PACKET_LEN).filter(|packet| [1, 2, 3].contains(&(packet[1] & 0x1f)));
    muxer.file.extend(without_tables.flatten());
    let stream = open(&muxer.file);
    assert_eq!(stream.header().tracks.len(), 2);
    assert_eq!(notes(&stream), "program 1 is left out; program 3 is left out");
}

#[test]
fn a_piece_without_tables_is_played_by_what_is_in_it() {
    let clean = movie().file;
    let is_media = |packet: &&[u8]| packet[1] & 0x1f == 1;
    let file: Vec<u8> = clean.chunks(PACKET_LEN).filter(is_media).skip(30).flatten().copied().collect();
    let stream = open(&file);
    let names: Vec<_> = stream.header().tracks.iter().map(|track| track.codec.name()).collect();
    assert_eq!(names, ["H.264", "MP2"]);
    assert!(notes(&stream).contains("no program map: streams are guessed"), "{}", notes(&stream));
    assert!(notes(&stream).contains("no key frame in the first"), "{}", notes(&stream));
    let samples = samples(&stream);
    let first = samples.iter().map(|sample| sample.1).min();
    assert_eq!(
        (first, samples.iter().filter(|sample| sample.0 == 0).count()),
        (Some(0), 16),
        "from the second key frame on"
    );
}

#[test]
fn a_private_stream_without_descriptors_is_known_by_its_content() {
    let mut muxer = Muxer::default();
    for number in 0..100_u64 {
        if number % 20 == 0 {
            muxer.tables(&[(0x06, 0x1100, &[])]);
        }
        muxer.pes(0x1100, &pes(0xbd, Some((number * FRAME, None)), &mp2_frame(number as u32)));
    }
    let stream = open(&muxer.file);
    assert_eq!(times(&samples(&stream), 0), expected_times(100, FRAME));
    assert_eq!(notes(&stream), "");
}

#[test]
fn scrambled_streams_are_named_and_the_others_played() {
    let mut file = movie().file;
    for packet in
        file.chunks_mut(PACKET_LEN).filter(|packet| packet[1..3] == [0x41, 0x00] || packet[1..3] == [0x01, 0x00])
    {
        packet[3] |= 0x80;
    }
    let stream = open(&file);
    let names: Vec<_> = stream.header().tracks.iter().map(|track| track.codec.name()).collect();
    assert_eq!(names, ["MP2"]);
    assert!(notes(&stream).contains("stream 0x0100 (H.264) is left out: it is scrambled"), "{}", notes(&stream));
}

#[test]
fn nothing_to_play_is_an_error_that_says_why() {
    let mut muxer = Muxer::default();
    muxer.tables(&[(0x86, 0x100, &[])]);
    for _ in 0..20 {
        muxer.packet(0x1fff, false, &[], &[0xff; 184]);
    }
    for (file, expected) in
        [(vec![0x55; 5000], "no transport packets in it"), (muxer.file, "nothing that could be streamed")]
    {
        let error = TransportStream::open(&source(&file)).err().unwrap();
        assert!(matches!(&error, Error::Unsupported(text) if text.contains(expected)), "{error}");
    }
}

#[test]
fn a_file_that_grows_is_read_on_where_it_ended() {
    let clean = movie().file;
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&clean[..clean.len() / 2]).unwrap();
    let source = Source::new(file.try_clone().unwrap());
    let stream = TransportStream::open(&source).unwrap();
    let mut scanner = stream.scan(stream.header().start);
    let mut found = Vec::new();
    for part in clean[clean.len() / 2..].chunks(1000) {
        let mut sample = Sample::default();
        while matches!(scanner.next(&mut sample).unwrap(), Next::Sample) {
            found.push(seen(&sample));
            sample.clear();
        }
        file.write_all(part).unwrap();
    }
    found.extend(drain(scanner).0.into_iter().map(|(seen, _)| seen));
    assert_eq!(found, samples(&open(&clean)));
}

#[test]
fn sound_of_cameras_and_opus_have_their_times() {
    let opus = [5, 4, b'O', b'p', b'u', b's'];
    let mut muxer = Muxer::default();
    muxer.tables(&[(0x90, 0x110, &[]), (0x06, 0x111, &opus), (0x15, 0x112, &[5, 4, b'K', b'L', b'V', b'A'])]);
    for number in 0..50_u64 {
        let stamp = Some((number * 3600, None));
        muxer.pes(0x110, &pes(0xc0, stamp, &[0xd5; 320]));
        // Two access units of 20 ms, the second with a length of two bytes and both trims.
        let units = [&[0x7f, 0xe0, 3, 0xf8, 1, 2][..], &[0x7f, 0xf8, 255, 1, 0, 0, 0, 0], &[0xf8; 256]].concat();
        muxer.pes(0x111, &pes(0xbd, stamp, &units));
        muxer.pes(0x112, &pes(0xfc, stamp, b"\x00\x01\xdf\x00\x08document"));
    }
    let stream = open(&muxer.file);
    let names: Vec<_> = stream.header().tracks.iter().map(|track| track.codec.name()).collect();
    assert_eq!(names, ["G.711 A-law", "Opus", "metadata"]);
    let found = samples(&stream);
    assert_eq!((times(&found, 0), times(&found, 1)), (expected_times(100, 1800), expected_times(100, 1800)));
    assert_eq!(times(&found, 2), expected_times(50, 3600));
    let lens = |track| found.iter().filter(|it| it.0 == track).take(2).map(|it| it.3).collect::<Vec<_>>();
    assert_eq!((lens(0), lens(1), lens(2)), (vec![160, 160], vec![3, 256], vec![8, 8]));
}

#[test]
fn other_files_are_not_taken_for_transport_streams() {
    assert_eq!(super::sniff(b""), Sniff::No);
    assert_eq!(super::sniff(&[0x11; 4096]), Sniff::Maybe);
    assert_eq!(super::sniff(&[0x47; 400]), Sniff::Maybe);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn damaged_files_neither_panic_nor_hang(
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..60),
        cut in any::<proptest::sample::Index>(),
        at in any::<proptest::sample::Index>(),
    ) {
        let mut file = movie().file;
        for (index, value) in damage {
            let index = index.index(file.len());
            file[index] = value;
        }
        file.truncate(cut.index(file.len()) + 1);
        if let Ok(stream) = TransportStream::open(&source(&file)) {
            let at = at.index(file.len()) as u64;
            for entry in [stream.header().start, Entry { at, time: None }, Entry { at, time: Some(MediaTime::MAX) }] {
                let (found, errors) = drain(stream.scan(entry));
                prop_assert!(found.len() + errors.len() <= file.len());
                for track in 0..2 {
                    let dts: Vec<_> = found.iter().filter(|it| it.0.0 == track).map(|it| it.0.2).collect();
                    prop_assert!(dts.windows(2).all(|pair| pair[0] <= pair[1]), "{:?}", dts);
                }
            }
        }
    }

    #[test]
    fn random_bytes_neither_panic_nor_hang(bytes in proptest::collection::vec(prop_oneof![Just(0x47_u8), any::<u8>()], 0..3000)) {
        if let Ok(stream) = TransportStream::open(&source(&bytes)) {
            drain(stream.scan(stream.header().start));
        }
    }
}
