//! FLV files built byte by byte.

use std::io::Write;

use proptest::prelude::*;

use super::*;
use crate::media::codec::av1::tests::sequence_header;
use crate::media::codec::nal::split_length_prefixed;
use crate::media::{Next, Sample};

const AVCC: [u8; 19] = [1, 77, 0, 10, 0xff, 0xe1, 0, 4, 0x67, 77, 0, 10, 1, 0, 3, 0x68, 0xee, 1, 0];

fn tag(kind: u8, millis: i32, data: &[u8]) -> Vec<u8> {
    let mut tag = vec![kind];
    tag.extend(&(data.len() as u32).to_be_bytes()[1..]);
    let [extended, t0, t1, t2] = millis.to_be_bytes();
    tag.extend([t0, t1, t2, extended, 0, 0, 0]);
    tag.extend(data);
    tag.extend((tag.len() as u32).to_be_bytes());
    tag
}

fn header() -> Vec<u8> {
    b"FLV\x01\x05\0\0\0\x09\0\0\0\0".to_vec()
}

fn avc_header() -> Vec<u8> {
    tag(9, 0, &[&[0x17, 0, 0, 0, 0][..], &AVCC].concat())
}

/// A picture of one slice, whose last byte is `mark`.
fn picture(millis: i32, is_key: bool, composition: i32, mark: u8) -> Vec<u8> {
    let first = if is_key { 0x17 } else { 0x27 };
    let nal = [if is_key { 0x65 } else { 0x41 }, 0x88, mark];
    let data = [&[first, 1][..], &composition.to_be_bytes()[1..], &[0, 0, 0, 3], &nal].concat();
    tag(9, millis, &data)
}

fn a_law(millis: i32, len: usize) -> Vec<u8> {
    tag(8, millis, &[&[0x72][..], &vec![0xd5; len]].concat())
}

/// Ten seconds of video with a key frame each second, and of A-law in tags of 40 ms.
fn clip() -> Vec<u8> {
    clip_from(0)
}

fn clip_from(millis: i32) -> Vec<u8> {
    let mut file = [header(), avc_header()].concat();
    for index in 0..250 {
        file.extend(picture(millis + index * 40, index % 25 == 0, 80, index as u8));
        file.extend(a_law(millis + index * 40, 320));
    }
    file
}

fn source(bytes: &[u8]) -> Source {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Source::new(file)
}

fn open_bytes(bytes: &[u8]) -> FlvFormat {
    FlvFormat::open(&source(bytes)).unwrap()
}

/// Track, presentation and decoding time in milliseconds, key, last byte of a sample.
type Seen = (usize, i64, i64, bool, u8);

/// All samples from an entry on, and damage.
fn read(format: &FlvFormat, entry: Entry) -> (Vec<Seen>, Vec<String>) {
    let mut scanner = format.scan(entry);
    let (mut samples, mut damage) = (Vec::new(), Vec::new());
    let mut sample = Sample::default();
    loop {
        sample.clear();
        match scanner.next(&mut sample).unwrap() {
            Next::Sample => {
                let millis = |time: MediaTime| time.to_ticks(1000);
                let last = sample.data.last().copied().unwrap();
                samples.push((sample.track, millis(sample.pts), millis(sample.dts), sample.is_sync, last));
            }
            Next::Pending => scanner.finish(),
            Next::Skipped(error) => damage.push(error.to_string()),
            Next::End => return (samples, damage),
        }
    }
}

#[test]
fn samples_have_the_times_of_their_tags_and_pcm_is_cut_into_20_ms() {
    let format = open_bytes(&clip());
    let kinds: Vec<_> = format.header().tracks.iter().map(|track| track.codec.name()).collect();
    assert_eq!(kinds, ["H.264", "G.711 A-law"]);
    let (samples, damage) = read(&format, format.header().start);
    assert_eq!((samples.len(), damage), (750, vec![]));
    assert_eq!(
        samples[..4],
        [(0, 80, 0, true, 0), (1, 0, 0, true, 0xd5), (1, 20, 20, true, 0xd5), (0, 120, 40, false, 1)]
    );
}

#[test]
fn time_begins_with_the_first_frame_whatever_its_timestamp() {
    let plain = open_bytes(&clip());
    for offset in [7_000, 0x0100_0000, -3000] {
        let shifted = open_bytes(&clip_from(offset));
        assert_eq!(read(&shifted, shifted.header().start), read(&plain, plain.header().start), "from {offset} ms");
    }
}

#[test]
fn scanning_again_from_an_entry_gives_the_same_samples_with_the_same_times() {
    let format = open_bytes(&[clip(), clip()[13..].to_vec()].concat());
    let (all, _) = read(&format, format.header().start);
    assert_eq!((all.len(), all.last().unwrap().1), (1500, 19_940), "the second clip is appended to the first");
    let mut scanner = format.scan(format.header().start);
    let mut sample = Sample::default();
    for index in 0..all.len() {
        sample.clear();
        assert!(matches!(scanner.next(&mut sample).unwrap(), Next::Sample));
        if index % 37 == 0 && sample.track == 0 {
            assert_eq!(read(&format, scanner.entry()).0, all[index..], "from sample {index}");
        }
    }
}

#[test]
fn scanning_from_any_byte_finds_the_next_tag() {
    let file = clip();
    let format = open_bytes(&file);
    let (all, _) = read(&format, format.header().start);
    for at in (0..file.len() as u64).step_by(997) {
        let (some, damage) = read(&format, Entry { at, time: None });
        assert!(all.ends_with(&some), "from byte {at}: {:?}", some.first());
        assert_eq!(damage, Vec::<String>::new());
        assert!(
            some.len() * file.len() / all.len() + 1000 > file.len() - at as usize,
            "from byte {at}: {}",
            some.len()
        );
    }
}

#[test]
fn damage_is_told_once_with_its_place_and_reading_goes_on_behind_it() {
    let file = clip();
    let whole = read(&open_bytes(&file), Entry { at: 13, time: None }).0;
    let mut inserted = file.clone();
    let at = header().len() + avc_header().len() + 3 * (picture(0, true, 0, 0).len() + a_law(0, 320).len());
    inserted.splice(at..at, [0x55; 3000]);
    let (samples, damage) = read(&open_bytes(&inserted), Entry { at: 13, time: None });
    assert_eq!(damage, [format!("malformed FLV tag at byte {at}")]);
    assert_eq!(samples, whole);

    let mut overwritten = file.clone();
    overwritten[at..at + 1000].fill(0);
    let (samples, damage) = read(&open_bytes(&overwritten), Entry { at: 13, time: None });
    assert_eq!(damage, [format!("malformed FLV tag at byte {at}")]);
    assert_eq!((&samples[..9], samples.len()), (&whole[..9], whole.len() - 9));
}

#[test]
fn a_file_that_is_cut_off_gives_all_whole_tags_and_one_that_grows_goes_on() {
    let file = clip();
    let cut = file.len() / 2;
    let mut growing = tempfile::tempfile().unwrap();
    growing.write_all(&file[..cut]).unwrap();
    let format = FlvFormat::open(&Source::new(growing.try_clone().unwrap())).unwrap();
    assert_eq!(format.header().duration, None);
    let (_, damage) = read(&format, format.header().start);
    assert_eq!(damage, [format!("FLV tag is cut off at byte {cut}")]);

    let mut scanner = format.scan(format.header().start);
    let mut count = 0;
    let mut sample = Sample::default();
    while let Next::Sample = scanner.next(&mut sample).unwrap() {
        count += 1;
    }
    assert!(matches!(scanner.next(&mut sample).unwrap(), Next::Pending));
    growing.write_all(&file[cut..]).unwrap();
    while let Next::Sample = scanner.next(&mut sample).unwrap() {
        count += 1;
    }
    assert_eq!(count, 750);
}

#[test]
fn sizes_that_a_writer_left_at_0_do_no_harm_as_long_as_tags_follow_each_other() {
    let mut file = header();
    for tag in [avc_header(), picture(0, true, 0, 1), a_law(0, 160), picture(40, false, 0, 2)] {
        file.extend(&tag[..tag.len() - 4]);
        file.extend([0; 4]);
    }
    let format = open_bytes(&file);
    let (samples, damage) = read(&format, format.header().start);
    assert_eq!((samples.len(), damage), (3, vec![]));
}

#[test]
fn enhanced_tags_are_read_as_the_codec_that_their_fourcc_names() {
    let hvcc_start = [0x90 | 0x80, b'h', b'v', b'c', b'1'];
    let video = |first: u8, payload: &[u8]| tag(9, 40, &[&[first, b'a', b'v', b'0', b'1'][..], payload].concat());
    let sequence = sequence_header(None);
    let record = [&[0x81, 0x04, 0, 0][..], &sequence].concat();
    let file = [header(), video(0x90, &record), video(0x91, &[0x12, 0]), video(0xa3, &[0x32, 1, 9])];
    let format = open_bytes(&file.concat());
    let Codec::Av1(config) = &format.header().tracks[0].codec else { panic!("{:?}", format.header().tracks) };
    assert_eq!((config.size, &config.sequence_header), (Some((640, 360)), &sequence));
    let (samples, _) = read(&format, format.header().start);
    assert_eq!(samples, [(0, 0, 0, true, 0), (0, 0, 0, false, 9)]);

    let composed = VideoTag::parse(&[&[0x91][..], &hvcc_start[1..], &[0xff, 0xff, 0xfe, 7]].concat(), 0).unwrap();
    let expected =
        VideoTag { format: VideoFormat::Hevc, packet: Packet::Frame, is_key: true, composition: -2, header_len: 8 };
    assert_eq!(composed, expected);
    let modified = VideoTag::parse(&[0x97, 1, 9, 9, 0x03, b'h', b'v', b'c', b'1', 7], 0).unwrap();
    assert_eq!(modified, VideoTag { composition: 0, header_len: 9, ..expected });
}

#[test]
fn what_is_not_streamed_is_noted_once() {
    let speex = || tag(8, 0, &[0xb2, 1, 2]);
    let file = [header(), avc_header(), speex(), picture(0, true, 0, 0), speex(), tag(9, 0, &[0x22, 5])].concat();
    let format = open_bytes(&file);
    let notes: Vec<_> = format.header().notes.iter().map(ToString::to_string).collect();
    let at = header().len() + avc_header().len();
    assert_eq!(notes, [format!("audio in Speex is not streamed at byte {at}")]);
}

#[test]
fn parameter_sets_that_change_go_before_each_key_frame() {
    let mut other = AVCC;
    other[11] = 11;
    let changed = tag(9, 40, &[&[0x17, 0, 0, 0, 0][..], &other].concat());
    let file = [header(), avc_header(), picture(0, true, 0, 0), changed, picture(40, true, 0, 0), avc_header()];
    let format = open_bytes(&[&file.concat()[..], &picture(80, true, 0, 0)].concat());
    let mut scanner = format.scan(format.header().start);
    let mut sample = Sample::default();
    let mut counts = Vec::new();
    for _ in 0..3 {
        sample.clear();
        assert!(matches!(scanner.next(&mut sample).unwrap(), Next::Sample));
        let mut nals = Vec::new();
        split_length_prefixed(&sample.data, 4, &mut nals).unwrap();
        assert_eq!(nals, sample.nals);
        counts.push(nals.len());
    }
    assert_eq!(counts, [1, 3, 1]);
}

#[test]
fn the_list_of_key_frames_is_believed_where_a_key_frame_is() {
    let number = |number: f64| [&[0][..], &number.to_be_bytes()].concat();
    let name = |name: &str| [&(name.len() as u16).to_be_bytes()[..], name.as_bytes()].concat();
    let with_list = |positions: &[f64]| {
        let mut script = [&[2][..], &name("onMetaData"), &[8, 0, 0, 0, 2], &name("duration"), &number(10.0)].concat();
        script.extend([name("keyframes"), vec![3]].concat());
        for (list, values) in [("filepositions", positions.to_vec()), ("times", (0..10).map(f64::from).collect())] {
            script.extend([name(list), vec![10], (values.len() as u32).to_be_bytes().to_vec()].concat());
            values.iter().for_each(|value| script.extend(number(*value)));
        }
        script.extend([0, 0, 9, 0, 0, 9]);
        [header(), tag(18, 0, &script), clip()[13..].to_vec()].concat()
    };
    let length = picture(0, true, 0, 0).len() + a_law(0, 320).len();
    let first = with_list(&[0.0; 10]).len() - 250 * length;
    let positions: Vec<_> = (0..10).map(|second| (first + second * 25 * length) as f64).collect();
    let format = open_bytes(&with_list(&positions));
    assert_eq!(format.header().duration, Some(MediaTime::from_millis(10_000)));
    for (to, expected) in [(5079, 4), (5080, 5), (90_000, 9)] {
        let entry = format.locate(MediaTime::from_millis(to)).unwrap();
        let time = MediaTime::from_millis(expected * 1000 + 80);
        assert_eq!(entry, Entry { at: positions[expected as usize] as u64, time: Some(time) }, "{to} ms");
        assert_eq!(read(&format, entry).0[0].1, expected * 1000 + 80);
    }
    let wrong: Vec<_> = positions.iter().map(|at| at + 1.0).collect();
    assert_eq!(open_bytes(&with_list(&wrong)).locate(MediaTime::from_millis(5000)), None);
}

#[test]
fn a_duration_that_the_last_tag_contradicts_is_not_believed() {
    let with_duration = |seconds: f64| {
        let script =
            [&[2, 0, 10][..], b"onMetaData", &[8, 0, 0, 0, 1, 0, 8], b"duration", &[0], &seconds.to_be_bytes()];
        open_bytes(&[header(), tag(18, 0, &script.concat()), clip()[13..].to_vec()].concat()).header().duration
    };
    assert_eq!(with_duration(10.04), Some(MediaTime::from_millis(10_040)));
    for wrong in [0.0, 3.0, 100.0, -1.0, f64::NAN] {
        assert_eq!(with_duration(wrong), None, "{wrong}");
    }
}

#[test]
fn a_file_is_told_by_its_first_bytes() {
    assert_eq!((sniff(&clip()), sniff(b"FLV\x02"), sniff(b"ID3")), (Sniff::Yes, Sniff::Maybe, Sniff::No));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_files_neither_panic_nor_hang(
        changes in proptest::collection::vec((0..3000_usize, any::<u8>()), 1..20),
        cut in 0..3000_usize,
        from in 0..3000_u64,
    ) {
        let mut file = clip();
        file.truncate(3000);
        changes.iter().for_each(|(at, byte)| file[*at] = *byte);
        file.truncate(cut);
        if let Ok(format) = FlvFormat::open(&source(&file)) {
            let (samples, _) = read(&format, format.header().start);
            prop_assert!(samples.iter().all(|(_, pts, dts, ..)| dts <= pts), "{:?}", samples);
            read(&format, Entry { at: from, time: None });
        }
    }
}
