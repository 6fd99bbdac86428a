use proptest::prelude::*;

use super::testing::*;
use super::*;
use crate::media::scan::{Chunk, Framer};
use crate::media::{Codec, Sample};
use crate::time::MediaTime;

const ADVANCED_SIMPLE: u8 = 0xf5;
const SIMPLE: u8 = 1;

/// A sample: times in milliseconds, whether it is a key frame, where it begins, its length.
type Got = (i64, i64, bool, u64, usize);

fn drain(framer: &mut Mpeg4VisualFramer, got: &mut Vec<Got>, errors: &mut Vec<String>) {
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

fn framed_from(
    mut framer: Mpeg4VisualFramer,
    stream: &[u8],
    from: usize,
    len: usize,
) -> (Vec<Got>, Vec<String>, Option<Codec>) {
    let (mut got, mut errors) = (Vec::new(), Vec::new());
    for (index, bytes) in stream[from..].chunks(len).enumerate() {
        framer.push(Chunk { bytes, at: (from + index * len) as u64, is_packet: false, stamp: None });
        drain(&mut framer, &mut got, &mut errors);
    }
    framer.finish();
    drain(&mut framer, &mut got, &mut errors);
    (got, errors, framer.codec())
}

fn framed(stream: &[u8]) -> (Vec<Got>, Vec<String>, Option<Codec>) {
    framed_from(Mpeg4VisualFramer::default(), stream, 0, 13)
}

fn times(got: &[Got]) -> Vec<(i64, i64)> {
    got.iter().map(|(pts, dts, ..)| (*pts, *dts)).collect()
}

#[test]
fn the_headers_tell_profile_size_and_rate() {
    let all = [headers(ADVANCED_SIMPLE, 30_000, Some(1001)), group(0), vop('I', 0, 0, 30_000)].concat();
    let config = Mpeg4VisualConfig::parse(&all).unwrap();
    assert_eq!((config.profile_level, config.size, config.vop_ticks), (0xf5, Some((176, 144)), Some(1001)));
    assert_eq!(config.config, headers(ADVANCED_SIMPLE, 30_000, Some(1001)));
    // A layer without anything before it, with vbv_parameters, a shape extension and a low delay.
    let layer = VideoObjectLayer::parse(&[0, 0, 1, 0x20, 0x00, 0xc4, 0x88, 0x80, 0x06, 0x40, 0x00]);
    assert_eq!(layer, None, "it is cut off");
    assert_eq!(Mpeg4VisualConfig::parse(&[0, 0, 1, 0xb0, 1]), None);
}

#[test]
fn vop_times_have_as_many_bits_as_the_resolution_takes() {
    for (resolution, bits) in [(1, 1), (2, 1), (3, 2), (25, 5), (30, 5), (32, 5), (33, 6), (30_000, 15), (65_535, 16)] {
        assert_eq!(increment_bits(resolution), bits, "{resolution}");
        let header = VopHeader::parse(&vop('B', 3, resolution - 1, resolution), resolution).unwrap();
        let expected = VopHeader { coding_type: 2, seconds: 3, increment: resolution - 1, is_coded: true };
        assert_eq!(header, expected);
    }
    assert_eq!(group_seconds(&group(3725)), Some(3725));
}

#[test]
fn times_are_those_of_the_vops_and_decoding_is_a_vop_before_display() {
    let parts = [
        [headers(ADVANCED_SIMPLE, 25, None), vop('I', 0, 0, 25)].concat(),
        vop('P', 0, 3, 25),
        vop('B', 0, 1, 25),
        vop('B', 0, 2, 25),
        vop('P', 1, 1, 25),
        vop('B', 0, 24, 25),
        [group(2), vop('I', 0, 0, 25)].concat(),
        // Within the second that the last one began, and in that before.
        vop('P', 0, 2, 25),
        vop('B', 0, 1, 25),
    ];
    let stream = parts.concat();
    let (got, errors, codec) = framed(&stream);
    assert_eq!(
        times(&got),
        [(0, -40), (120, 0), (40, 40), (80, 80), (1040, 920), (960, 960), (2000, 1960), (2080, 2000), (2040, 2040)]
    );
    assert_eq!((errors.len(), got.iter().filter(|got| got.2).count()), (0, 2));
    let mut at = 0;
    for (got, part) in got.iter().zip(&parts) {
        assert_eq!((got.3, got.4), (at, part.len()));
        at += part.len() as u64;
    }
    let Some(Codec::Mpeg4Visual(config)) = &codec else { panic!("{codec:?}") };
    assert_eq!(config.vop_ticks, Some(1));

    // From the second key frame on, without headers.
    let mut framer = Mpeg4VisualFramer::default();
    framer.prime(&codec.unwrap());
    framer.start(MediaTime::from_millis(2000));
    let (again, errors, _) = framed_from(framer, &stream, got[6].3 as usize, 7);
    assert_eq!((&again[..], errors.len()), (&got[6..], 0));
}

#[test]
fn a_simple_profile_stream_does_not_wait_and_times_that_stand_still_are_counted() {
    let stream = [headers(SIMPLE, 50, Some(2)), vop('I', 0, 0, 50), vop('P', 0, 0, 50), vop('P', 0, 0, 50)].concat();
    assert_eq!(times(&framed(&stream).0), [(0, 0), (40, 40), (80, 80)]);
    let stream = [headers(SIMPLE, 50, None), vop('I', 0, 0, 50), vop('P', 0, 0, 50), vop('P', 0, 0, 50)].concat();
    assert_eq!(times(&framed(&stream).0), [(0, 0), (40, 40), (80, 80)]);
}

#[test]
fn a_vop_that_repeats_the_one_before_is_left_out() {
    let packed = [
        headers(ADVANCED_SIMPLE, 25, None),
        vop('I', 0, 0, 25),
        vop('P', 0, 2, 25),
        vop('B', 0, 1, 25),
        empty_vop(2, 25),
        vop('P', 0, 4, 25),
        vop('B', 0, 3, 25),
        empty_vop(4, 25),
    ];
    let (got, errors, _) = framed(&packed.concat());
    assert_eq!((times(&got), errors.len()), (vec![(0, -40), (80, 0), (40, 40), (160, 80), (120, 120)], 0));
}

#[test]
fn what_comes_before_the_headers_is_told_once() {
    let stream = [vop('I', 0, 0, 25), vop('P', 0, 1, 25), headers(SIMPLE, 25, None), vop('I', 0, 2, 25)].concat();
    let (got, errors, _) = framed(&stream);
    assert_eq!((got.len(), errors), (1, vec!["malformed MPEG-4 VOP without headers at byte 0".to_owned()]));
    let (got, errors, _) = framed(&[&[7, 7, 7][..], &headers(SIMPLE, 25, None), &vop('I', 0, 2, 25)].concat());
    assert_eq!((got.len(), errors), (1, vec!["malformed MPEG-4 video start code at byte 0".to_owned()]));
}

proptest! {
    #[test]
    fn damaged_streams_neither_panic_nor_hang_nor_lose_order(
        changes in proptest::collection::vec((0..400_usize, any::<u8>()), 0..20),
        len in 1..100_usize,
    ) {
        let mut stream = headers(ADVANCED_SIMPLE, 25, None);
        for second in 0..6 {
            stream.extend([group(second), vop('I', 0, 2, 25), vop('P', 0, 5, 25), vop('B', 0, 4, 25)].concat());
        }
        for (at, byte) in changes {
            let at = at % stream.len();
            stream[at] = byte;
        }
        let (got, ..) = framed_from(Mpeg4VisualFramer::default(), &stream, 0, len);
        prop_assert!(got.iter().all(|got| got.1 <= got.0), "{:?}", got);
        prop_assert!(got.is_sorted_by_key(|got| got.1), "{:?}", got);
    }

    #[test]
    fn random_bytes_neither_panic_nor_hang(bytes in proptest::collection::vec(any::<u8>(), 0..800)) {
        // Half of the bytes are zero, and a quarter are one, so that there are start codes.
        let stream: Vec<u8> = bytes.iter().map(|byte| [0, 0, 1, *byte][usize::from(byte % 4)]).collect();
        framed(&stream);
        Mpeg4VisualConfig::parse(&stream);
    }
}
