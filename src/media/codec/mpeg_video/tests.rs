use proptest::prelude::*;

use super::testing::*;
use super::*;
use crate::media::scan::{Chunk, Framer, Stamp};
use crate::media::{Codec, Sample};
use crate::time::MediaTime;

/// A sample: times in milliseconds, whether it is a key frame, where it begins, its length.
type Got = (i64, i64, bool, u64, usize);

fn chunk(bytes: &[u8], at: u64) -> Chunk<'_> {
    Chunk { bytes, at, is_packet: false, stamp: None }
}

fn drain(framer: &mut MpegVideoFramer, got: &mut Vec<Got>, errors: &mut Vec<String>) {
    let millis = |time: MediaTime| time.to_ticks(1000);
    loop {
        let mut sample = Sample::default();
        match framer.pop(&mut sample) {
            Ok(Some(at)) => got.push((millis(sample.pts), millis(sample.dts), sample.is_sync, at, sample.data.len())),
            Ok(None) => return,
            Err(error) => errors.push(error.to_string()),
        }
    }
}

/// What comes of `stream` in chunks of `len` bytes.
fn framed_in(stream: &[u8], len: usize) -> (Vec<Got>, Vec<String>, Option<Codec>) {
    let mut framer = MpegVideoFramer::default();
    let (mut got, mut errors) = (Vec::new(), Vec::new());
    for (index, bytes) in stream.chunks(len).enumerate() {
        framer.push(chunk(bytes, (index * len) as u64));
        drain(&mut framer, &mut got, &mut errors);
    }
    framer.finish();
    drain(&mut framer, &mut got, &mut errors);
    (got, errors, framer.codec())
}

fn headers() -> Vec<u8> {
    [sequence_header(3), sequence_extension(false, false)].concat()
}

fn times(got: &[Got]) -> Vec<(i64, i64)> {
    got.iter().map(|(pts, dts, ..)| (*pts, *dts)).collect()
}

#[test]
fn a_sequence_header_with_its_extension_tells_size_rate_and_kind() {
    let mpeg1 = MpegVideoConfig::parse(&sequence_header(4)).unwrap();
    assert_eq!((mpeg1.is_mpeg2, mpeg1.size), (false, Some((352, 288))));
    let all = [headers(), group(), frame('I', 0)].concat();
    let mpeg2 = MpegVideoConfig::parse(&all).unwrap();
    assert_eq!((mpeg2.is_mpeg2, &mpeg2.headers[..]), (true, &headers()[..]));
    for (code, rate) in [(1, (24_000, 1001)), (3, (25, 1)), (5, (30, 1)), (8, (60, 1)), (13, (25, 1))] {
        assert_eq!(Sequence::parse(&sequence_header(code)).unwrap().frame_rate, rate);
    }
    assert_eq!((Sequence::parse(&sequence_header(0)), MpegVideoConfig::parse(&group())), (None, None));
    // Sizes of 14 bits, and 25 frames a second times 2 over 5.
    let mut sequence = Sequence::parse(&sequence_header(3)).unwrap();
    sequence.extend(&[0, 0, 1, 0xb5, 0x14, 0x83, 0xa0, 1, 0, 0x24]).unwrap();
    assert_eq!((sequence.size, sequence.frame_rate), ((352 + 0x3000, 288 + 0x1000), (50, 5)));
    assert!(!sequence.has_no_b && !sequence.is_progressive);
}

#[test]
fn a_picture_header_has_its_vectors_where_rtp_wants_them() {
    // temporal_reference 0x201, B, vbv_delay 0xffff, full_pel_forward 1, forward_f_code 2, full_pel_backward 0,
    // backward_f_code 5.
    let unit = [0, 0, 1, 0, 0x80, 0x5f, 0xff, 0xfd, 0x28, 0];
    let header = PictureHeader::parse(&unit[..]).unwrap();
    assert_eq!((header.temporal_reference, header.coding_type, header.vectors), (0x201, 3, 0x5a));
    let forward_only = PictureHeader::parse(&[0, 0, 1, 0, 0x80, 0x57, 0xff, 0xfd, 0x28, 0]).unwrap();
    assert_eq!((forward_only.coding_type, forward_only.vectors), (2, 0x0a));
    let intra = PictureHeader::parse(&[0, 0, 1, 0, 0x80, 0x4f, 0xff, 0xfd, 0x28, 0]).unwrap();
    assert_eq!((intra.coding_type, intra.vectors), (1, 0));
}

#[test]
fn samples_begin_at_their_headers_wherever_the_stream_is_cut_into_chunks() {
    let first = [headers(), group(), frame('I', 0)].concat();
    let second = frame('P', 3);
    let third = frame('B', 1);
    let fourth = [frame('B', 2), sequence_end()].concat();
    let fifth = [headers(), frame('I', 0)].concat();
    let all = [&first, &second, &third, &fourth, &fifth];
    let stream: Vec<u8> = all.iter().flat_map(|part| part.iter().copied()).collect();
    let mut at = 0;
    let mut places = Vec::new();
    for part in all {
        places.push((at, part.len()));
        at += part.len() as u64;
    }
    for len in [1, 2, 3, 7, 50, 10_000] {
        let (got, errors, codec) = framed_in(&stream, len);
        assert_eq!(errors, Vec::<String>::new());
        assert_eq!(times(&got), [(0, -40), (120, 0), (40, 40), (80, 80), (160, 120)], "chunks of {len}");
        assert_eq!(got.iter().map(|got| (got.3, got.4)).collect::<Vec<_>>(), places);
        assert_eq!(got.iter().map(|got| got.2).collect::<Vec<_>>(), [true, false, false, false, true]);
        assert_eq!(codec.map(|codec| codec.picture_size()), Some(Some((352, 288))));
    }
}

#[test]
fn two_fields_are_one_sample_and_two_first_fields_are_two() {
    let (top, bottom) = (1, 2);
    let whole =
        [headers(), field('I', 0, top), field('P', 0, bottom), field('P', 1, bottom), field('P', 1, top)].concat();
    let (got, errors, _) = framed_in(&whole, 11);
    assert_eq!((times(&got), errors.len()), (vec![(0, -40), (40, 0)], 0));
    assert_eq!(got[0].4, headers().len() + 2 * field('I', 0, top).len());
    // The second field of the first frame is missing, and the first frame of another picture.
    for next in [field('P', 1, bottom), field('P', 0, top), [group(), field('I', 0, bottom)].concat()] {
        let torn = [headers(), field('I', 0, top), next, field('P', 2, bottom)].concat();
        assert_eq!(framed_in(&torn, 11).0.len(), 3);
    }
}

#[test]
fn fields_that_are_repeated_make_24_frames_of_30() {
    let mut stream = [sequence_header(5), sequence_extension(false, false)].concat();
    for index in 0..8 {
        let extension = coding_extension(STRUCTURE_FRAME, index % 4 < 2, index % 2 == 0);
        stream.extend([picture_header(if index == 0 { 'I' } else { 'P' }, index), extension, slices(20)].concat());
    }
    let (got, ..) = framed_in(&stream, 64);
    assert_eq!(got.iter().map(|got| got.0).collect::<Vec<_>>(), [0, 50, 83, 133, 167, 217, 250, 300]);
    for (is_progressive, is_top_first, repeats, fields) in
        [(true, false, false, 2), (true, false, true, 4), (true, true, true, 6), (false, true, true, 3)]
    {
        let mut header = PictureHeader::parse(&picture_header('P', 0)).unwrap();
        header.extend(&coding_extension(STRUCTURE_FRAME, is_top_first, repeats));
        assert_eq!(header.fields(is_progressive), fields);
    }
}

#[test]
fn a_low_delay_stream_does_not_wait_for_the_next_picture() {
    let stream =
        [sequence_header(3), sequence_extension(true, true), frame('I', 0), frame('P', 1), frame('P', 2)].concat();
    let mut framer = MpegVideoFramer::default();
    framer.push(chunk(&stream, 0));
    let (mut got, mut errors) = (Vec::new(), Vec::new());
    drain(&mut framer, &mut got, &mut errors);
    assert_eq!(times(&got), [(0, 0), (40, 40)]);
}

#[test]
fn stamps_belong_to_the_first_picture_whose_start_code_begins_in_the_packet() {
    let first = [headers(), frame('I', 0)].concat();
    let (second, third) = (frame('P', 1), frame('P', 2));
    let stream = [&first[..], &second, &third].concat();
    // The second packet begins within the start code of the second picture, the third in the middle of it.
    let cuts = [0, first.len() + 1, first.len() + 20, stream.len()];
    let mut framer = MpegVideoFramer::default();
    for (index, cut) in cuts.windows(2).enumerate() {
        let stamp = Stamp { pts: MediaTime::from_millis(1000 * (index as i64 + 1)), dts: None };
        let (bytes, at) = (&stream[cut[0]..cut[1]], 100 * index as u64);
        framer.push(Chunk { bytes, at, is_packet: true, stamp: Some(stamp) });
    }
    framer.finish();
    let (mut got, mut errors) = (Vec::new(), Vec::new());
    drain(&mut framer, &mut got, &mut errors);
    let places: Vec<(i64, u64)> = got.iter().map(|got| (got.0, got.3)).collect();
    assert_eq!(places, [(1000, 0), (1040, 0), (3000, 200)]);
}

#[test]
fn reading_may_begin_at_a_picture_behind_the_headers() {
    let whole = [headers(), frame('I', 0), frame('P', 3), frame('B', 1), frame('B', 2), frame('I', 6), frame('B', 4)];
    let stream = whole.concat();
    let (all, _, codec) = framed_in(&stream, 1000);
    let from = all[4].3 as usize;
    let mut framer = MpegVideoFramer::default();
    framer.prime(&codec.unwrap());
    framer.start(MediaTime::from_millis(all[4].0));
    framer.push(chunk(&stream[from..], from as u64));
    framer.finish();
    let (mut got, mut errors) = (Vec::new(), Vec::new());
    drain(&mut framer, &mut got, &mut errors);
    assert_eq!((&got[..], errors.len()), (&all[4..], 0));
}

#[test]
fn what_is_no_picture_is_told_once_and_stepped_over() {
    let junk = [9, 9, 9, 9];
    let stream = [&junk[..], &frame('I', 0), &frame('P', 1), &headers(), &frame('I', 2), &frame('P', 3)].concat();
    let (got, errors, _) = framed_in(&stream, 33);
    assert_eq!(got.len(), 2);
    assert_eq!(errors, ["malformed MPEG video start code at byte 0"]);
    let stream = [&frame('I', 0)[..], &frame('P', 1), &headers(), &frame('I', 2)].concat();
    assert_eq!(framed_in(&stream, 33).1, ["malformed MPEG video picture without headers at byte 0"]);
}

#[test]
fn after_a_gap_pictures_go_on_with_the_next_one() {
    let mut framer = MpegVideoFramer::default();
    let (mut got, mut errors) = (Vec::new(), Vec::new());
    framer.push(chunk(&[headers(), frame('I', 0), frame('P', 1), frame('P', 2)[..30].to_vec()].concat(), 0));
    drain(&mut framer, &mut got, &mut errors);
    framer.reset();
    framer.push(chunk(&[&frame('P', 3)[25..], &frame('P', 4)].concat(), 1000));
    framer.finish();
    drain(&mut framer, &mut got, &mut errors);
    assert_eq!((times(&got), errors.len()), (vec![(0, -40), (40, 0), (80, 40), (120, 80)], 0));
    assert_eq!(got[2].4, 30);
}

proptest! {
    #[test]
    fn damaged_streams_neither_panic_nor_hang_nor_lose_order(
        changes in proptest::collection::vec((0..600_usize, any::<u8>()), 0..20),
        len in 1..100_usize,
    ) {
        let mut stream = [headers(), group()].concat();
        for index in 0..4 {
            stream.extend([frame('I', index), field('P', index, 1), field('P', index, 2), frame('B', index)].concat());
        }
        for (at, byte) in changes {
            let at = at % stream.len();
            stream[at] = byte;
        }
        let (got, ..) = framed_in(&stream, len);
        prop_assert!(got.iter().all(|got| got.1 <= got.0), "{:?}", got);
        prop_assert!(got.is_sorted_by_key(|got| got.1), "{:?}", got);
    }

    #[test]
    fn random_bytes_neither_panic_nor_hang(bytes in proptest::collection::vec(any::<u8>(), 0..800)) {
        // Half of the bytes are zero, and a quarter are one, so that there are start codes.
        let stream: Vec<u8> = bytes.iter().map(|byte| [0, 0, 1, *byte][usize::from(byte % 4)]).collect();
        framed_in(&stream, 100);
        MpegVideoConfig::parse(&stream);
    }
}
