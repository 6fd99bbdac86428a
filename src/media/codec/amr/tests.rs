use proptest::prelude::*;

use super::*;
use crate::media::codec::frames::testing::{
    Found, assert_same_from_everywhere, assert_sane, damaged, found, samples_and_damage,
};
use crate::media::scan::Framer;

fn framer(is_wideband: bool, channels: u8) -> Box<dyn Framer> {
    Box::new(AmrFramer::new(AmrConfig { is_wideband, channels }))
}

/// A frame of a type with Q set, whose speech is `len` bytes.
fn frame(frame_type: u8, len: usize) -> Vec<u8> {
    [&[frame_type << 3 | 4][..], &vec![0xff; len]].concat()
}

#[test]
fn frames_are_as_long_as_the_tables_of_their_types_have_them() {
    let narrowband = AmrConfig { is_wideband: false, channels: 1 };
    let wideband = AmrConfig { is_wideband: true, channels: 1 };
    // Bits of speech of each type in 3GPP TS 26.101 and TS 26.201, table A.1b.
    let narrowband_bits = [95, 103, 118, 134, 148, 159, 204, 244, 39];
    let wideband_bits = [132, 177, 253, 285, 317, 365, 397, 461, 477, 40];
    for (config, bits, other) in [
        (narrowband, &narrowband_bits[..], &[(15, Some(1)), (9, None), (14, None)][..]),
        (wideband, &wideband_bits[..], &[(15, Some(1)), (14, Some(1)), (10, None), (13, None)]),
    ] {
        for (frame_type, bits) in bits.iter().enumerate() {
            let len = 1 + usize::div_ceil(*bits, 8);
            assert_eq!(config.stored_frame_len((frame_type as u8) << 3), Some(len), "{config:?} type {frame_type}");
        }
        for (frame_type, len) in other {
            assert_eq!(config.stored_frame_len(frame_type << 3), *len, "{config:?} type {frame_type}");
        }
    }
    for padding in [0x80, 0x01, 0x02] {
        assert_eq!(narrowband.stored_frame_len(padding), None);
    }
}

#[test]
fn every_20_ms_is_a_sample_whatever_is_in_it() {
    let (speech, noise, nothing) = (frame(7, 31), frame(8, 5), frame(15, 0));
    let stream = [&speech[..], &noise, &nothing, &nothing, &speech].concat();
    assert_eq!(
        found(&mut *framer(false, 1), &stream),
        [
            Found::Sample(0, 0, speech.clone()),
            Found::Sample(32, 20_000_000, noise),
            Found::Sample(38, 40_000_000, nothing.clone()),
            Found::Sample(39, 60_000_000, nothing),
            Found::Sample(40, 80_000_000, speech),
        ]
    );
    assert_same_from_everywhere(|| framer(false, 1), &stream);
}

#[test]
fn the_frames_of_all_channels_are_one_sample() {
    let block = [frame(2, 32), frame(9, 5), frame(15, 0)].concat();
    let stream = [&block[..], &block, &block[..33]].concat();
    let (samples, damage) = samples_and_damage(found(&mut *framer(true, 3), &stream));
    assert_eq!(samples, [block.clone(), block]);
    assert_eq!(damage, ["malformed AMR frame at byte 80"]);
}

#[test]
fn behind_damage_many_frames_in_a_row_are_asked_for() {
    let good: Vec<u8> = frame(0, 12).repeat(20);
    // Two headers that happen to be at the right distance do not do.
    let bad = [&[0xff; 40][..], &frame(15, 0), &frame(15, 0), &[0xff; 3]].concat();
    let (samples, damage) = samples_and_damage(found(&mut *framer(false, 1), &[&good[..], &bad, &good].concat()));
    assert_eq!((samples.len(), damage), (40, vec!["malformed AMR frame at byte 260".to_owned()]));
}

fn stream() -> Vec<u8> {
    [frame(0, 12).repeat(30), frame(7, 31).repeat(20), frame(15, 0).repeat(9), frame(8, 5).repeat(20)].concat()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn damaged_streams_end_and_give_no_byte_twice((bytes, chunk_len) in damaged(stream())) {
        assert_sane(&mut *framer(false, 1), &bytes, chunk_len);
    }

    #[test]
    fn reading_on_from_any_sample_gives_the_same((bytes, _) in damaged(stream())) {
        assert_same_from_everywhere(|| framer(false, 1), &bytes);
    }

    #[test]
    fn any_bytes_end(bytes in prop::collection::vec(any::<u8>(), 0..3000), channels in 1..=6_u8) {
        assert_sane(&mut *framer(true, channels), &bytes, 500);
    }
}
