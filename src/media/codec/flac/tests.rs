use proptest::collection::vec;
use proptest::prelude::*;

use super::testing::{Coding, config, frame, stream_info};
use super::*;

#[test]
fn stream_info_tells_rate_channels_bits_and_length() {
    let config = FlacConfig::new(&stream_info(96_000, 6, 24, 4096, 0x9_8765_4321)).unwrap();
    assert_eq!((config.sample_rate, config.channels, config.bits_per_sample), (96_000, 6, 24));
    assert_eq!((config.block_size_max(), config.sample_count()), (4096, Some(0x9_8765_4321)));
    assert_eq!(FlacConfig::new(&stream_info(44_100, 2, 16, 4096, 0)).unwrap().sample_count(), None);
    assert_eq!(FlacConfig::new(&stream_info(0, 2, 16, 4096, 0)), None, "a rate of 0 is for what is no sound");
    assert_eq!(FlacConfig::new(&[1; 33]), None);
}

#[test]
fn metadata_blocks_of_other_containers_tell_the_same() {
    let info = stream_info(44_100, 2, 16, 4096, 0);
    let blocks = [&[0x80, 0, 0, 34][..], &info].concat();
    let expected = FlacConfig::new(&info);
    assert_eq!(FlacConfig::from_blocks(&blocks), expected);
    assert_eq!(FlacConfig::from_blocks(&[b"fLaC", &blocks[..]].concat()), expected);
    assert_eq!(FlacConfig::from_blocks(&[&[4, 0, 0, 34][..], &info].concat()), None, "comments first");
    assert_eq!(FlacConfig::from_blocks(b"fLa"), None);
}

/// A header of these bytes and its checksum.
fn header(bytes: &[u8]) -> Vec<u8> {
    [bytes, &[crc8(bytes)]].concat()
}

#[test]
fn frame_headers_have_common_sizes_and_rates_in_codes_and_others_behind_the_number() {
    let rows: [(&[u8], u32, u32, usize, Number); 8] = [
        (&[0xff, 0xf8, 0x19, 0x18, 0], 192, 44_100, 6, Number::Frame(0)),
        (&[0xff, 0xf8, 0x59, 0x18, 0x7f], 4608, 44_100, 6, Number::Frame(127)),
        (&[0xff, 0xf8, 0xc0, 0x10, 0xc2, 0x80], 4096, 44_100, 7, Number::Frame(128)),
        (
            &[0xff, 0xf9, 0xf9, 0x18, 0xfe, 0xbf, 0xbf, 0xbf, 0xbf, 0xbf, 0xbf],
            32_768,
            44_100,
            12,
            Number::Sample((1 << 36) - 1),
        ),
        (&[0xff, 0xf8, 0x69, 0x18, 5, 0x10], 17, 44_100, 7, Number::Frame(5)),
        (&[0xff, 0xf8, 0x79, 0x18, 5, 0xff, 0xff], 65_536, 44_100, 8, Number::Frame(5)),
        (&[0xff, 0xf8, 0x6d, 0x18, 5, 0x10, 0xac, 0x44], 17, 44_100, 9, Number::Frame(5)),
        (&[0xff, 0xf8, 0xce, 0x18, 5, 0x11, 0x3a], 4096, 44_100, 8, Number::Frame(5)),
    ];
    let config = config(44_100, 2, 16, 4096);
    for (bytes, block_size, sample_rate, len, number) in rows {
        let expected = FrameHeader {
            len,
            block_size,
            sample_rate,
            channels: Channels::Independent(2),
            bits_per_sample: 16,
            number,
        };
        assert_eq!(FrameHeader::parse(&header(bytes), &config), Some(expected), "{bytes:02x?}");
        assert_eq!(FrameHeader::parse(&header(bytes)[..len - 1], &config), None, "cut off: {bytes:02x?}");
        let mut wrong = header(bytes);
        wrong[len - 1] ^= 1;
        assert_eq!(FrameHeader::parse(&wrong, &config), None, "wrong checksum: {bytes:02x?}");
    }
}

#[test]
fn headers_of_another_stream_are_none_of_ours() {
    let good: &[u8] = &[0xff, 0xf8, 0x19, 0x18, 0];
    let config = config(44_100, 2, 16, 4096);
    assert!(FrameHeader::parse(&header(good), &config).is_some());
    let rows = [
        ("sync code", 1, 0xfa),
        ("48 kHz", 2, 0x1a),
        ("no block size", 2, 0x09),
        ("no sample rate", 2, 0x1f),
        ("mono", 3, 0x08),
        ("24 bits", 3, 0x1c),
        ("reserved bits per sample", 3, 0x16),
        ("reserved bit", 3, 0x19),
        ("reserved channels", 3, 0xb8),
        ("number", 4, 0x80),
    ];
    for (what, at, value) in rows {
        let mut bytes = good.to_vec();
        bytes[at] = value;
        assert_eq!(FrameHeader::parse(&header(&bytes), &config), None, "{what}");
    }
}

/// What a frame decodes to, as little-endian values.
fn decoded(frame: &[u8], config: &FlacConfig, value_len: usize) -> Option<Vec<u8>> {
    let mut decoder = Decoder::default();
    let mut out = Vec::new();
    decoder.decode(frame, config)?.append_to(&mut out, value_len);
    Some(out)
}

#[test]
fn the_frame_that_the_standard_takes_apart_decodes_to_its_samples() {
    // RFC 9639 appendix D.1: a stereo frame of one sample in verbatim subframes with wasted bits.
    let frame = [0xff, 0xf8, 0x69, 0x18, 0, 0, 0xbf, 0x03, 0x58, 0xfd, 0x03, 0x12, 0x8b, 0xaa, 0x9a];
    let config = config(44_100, 2, 16, 4096);
    let samples: Vec<u8> = [25_588_i16, 10_416].iter().flat_map(|sample| sample.to_le_bytes()).collect();
    assert_eq!(decoded(&frame, &config, 2), Some(samples));
}

#[test]
fn values_stand_at_the_top_of_the_bytes_they_are_sent_in() {
    let rows: [(u8, usize, i64, &[u8]); 6] = [
        (8, 2, -2, &[0x00, 0xfe]),
        (12, 2, 0x123, &[0x30, 0x12]),
        (16, 2, -2, &[0xfe, 0xff]),
        (20, 3, 0x12345, &[0x50, 0x34, 0x12]),
        (24, 3, -2, &[0xfe, 0xff, 0xff]),
        (32, 3, 0x1234_5678, &[0x56, 0x34, 0x12]),
    ];
    for (bits, value_len, value, expected) in rows {
        let config = config(48_000, 1, bits, 16);
        let frame = frame(&config, Number::Frame(0), Channels::Independent(1), &[vec![value; 16]], &Coding::Constant);
        assert_eq!(decoded(&frame, &config, value_len), Some(expected.repeat(16)), "{bits} bits");
    }
}

/// Any way to code 64 samples in which 3 bits are wasted.
fn coding() -> impl Strategy<Value = Coding> {
    let plain =
        prop_oneof![
            Just(Coding::Verbatim),
            (0..5_usize, 0..4_u32, 7..14_u32)
                .prop_map(|(order, partitions, parameter)| Coding::Fixed(order, partitions, parameter)),
            (0..5_usize).prop_map(|order| Coding::Escaped(order, 26)),
            (vec(-40..40_i64, 1..33), 3..9_u32, 12..20_u32)
                .prop_map(|(coefficients, shift, parameter)| Coding::Linear(coefficients, shift, parameter)),
        ];
    (plain, prop_oneof![Just(0_u32), 1..4_u32]).prop_map(|(plain, wasted)| match wasted {
        0 => plain,
        wasted => Coding::Wasted(wasted, Box::new(plain)),
    })
}

proptest! {
    #[test]
    fn what_was_encoded_in_any_way_comes_out_bit_for_bit(
        samples in vec(-4096..4096_i64, 128),
        coding in coding(),
        channels in prop_oneof![
            Just(Channels::Independent(2)), Just(Channels::LeftSide), Just(Channels::SideRight), Just(Channels::MidSide)
        ],
        number in 0..1_u64 << 36,
    ) {
        let config = config(48_000, 2, 16, 64);
        // Mean and difference of multiples of 16 are multiples of 8.
        let samples: Vec<i64> = samples.iter().map(|sample| sample & !0xf).collect();
        let (left, right) = samples.split_at(64);
        let frame = frame(&config, Number::Sample(number), channels, &[left.to_vec(), right.to_vec()], &coding);
        let expected: Vec<u8> =
            left.iter().zip(right).flat_map(|(left, right)| [*left as i16, *right as i16]).flat_map(i16::to_le_bytes).collect();
        prop_assert_eq!(decoded(&frame, &config, 2), Some(expected));
        prop_assert_eq!(FrameHeader::parse(&frame, &config).unwrap().first_sample(&config), number);
    }

    #[test]
    fn a_frame_with_any_bit_wrong_is_refused(at in any::<prop::sample::Index>(), bit in 0..8_u32) {
        let config = config(48_000, 1, 16, 64);
        let samples = [(0..64).map(|sample| sample * 37 % 101).collect()];
        let mut frame = frame(&config, Number::Frame(3), Channels::Independent(1), &samples, &Coding::Fixed(2, 1, 5));
        let at = at.index(frame.len());
        frame[at] ^= 1_u8 << bit;
        prop_assert_eq!(decoded(&frame, &config, 2), None);
    }

    #[test]
    fn no_bytes_with_a_right_checksum_make_the_decoder_panic(
        mut body in vec(any::<u8>(), 0..300),
        first in prop_oneof![Just(0x02_u8), Just(0x18), Just(0x4e), Just(0x7e), Just(0x03), any::<u8>()],
        shape in 0..11_u8,
        bits in 4..33_u8,
    ) {
        let channels = if shape < 8 { shape + 1 } else { 2 };
        let config = config(48_000, channels, bits, 192);
        let mut frame = header(&[0xff, 0xf8, 0x10, shape << 4, 0]);
        frame.push(first);
        frame.append(&mut body);
        let crc = crc16(0, &frame);
        frame.extend_from_slice(&crc.to_be_bytes());
        let _ = decoded(&frame, &config, 3);
    }
}
