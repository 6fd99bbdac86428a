use proptest::prelude::*;

use super::*;
use crate::media::Codec;
use crate::media::codec::frames::testing::{
    Found, assert_same_from_everywhere, assert_sane, damaged, found, samples_and_damage,
};
use crate::media::scan::Framer;

fn framer() -> Box<dyn Framer> {
    Box::new(MpegAudioFramer::new())
}

/// A frame with this header, the bytes behind it being `fill`.
fn frame(header: [u8; 4], fill: u8) -> Vec<u8> {
    let len = FrameHeader::parse(header).unwrap().frame_len().unwrap();
    let mut frame = vec![fill; len];
    frame[..4].copy_from_slice(&header);
    frame
}

/// MPEG-1 layer III, 128 kbit/s, 44.1 kHz, stereo: 417 bytes.
const MP3: [u8; 4] = [0xff, 0xfb, 0x90, 0x00];
/// The same with padding.
const MP3_PADDED: [u8; 4] = [0xff, 0xfb, 0x92, 0x00];
/// In free format.
const MP3_FREE: [u8; 4] = [0xff, 0xfb, 0x00, 0x00];

fn mp3_stream() -> Vec<u8> {
    [frame(MP3, 1), frame(MP3_PADDED, 2), frame(MP3, 3), frame(MP3, 4)].concat()
}

#[test]
fn headers_read_as_the_tables_of_the_standards_have_them() {
    use Version::*;
    // Lengths by the formula of section 2.4.3.1, worked out by hand.
    for (header, version, layer, bitrate, sample_rate, channels, sample_count, len) in [
        ([0xff, 0xfb, 0x90, 0x64], Mpeg1, 3, 128_000, 44_100, 2, 1152, 417),
        ([0xff, 0xfa, 0x92, 0xc4], Mpeg1, 3, 128_000, 44_100, 1, 1152, 418),
        ([0xff, 0xfd, 0xe8, 0x00], Mpeg1, 2, 384_000, 32_000, 2, 1152, 1728),
        ([0xff, 0xff, 0xe6, 0x00], Mpeg1, 1, 448_000, 48_000, 2, 384, 452),
        ([0xff, 0xf3, 0x40, 0xc0], Mpeg2, 3, 32_000, 22_050, 1, 576, 104),
        ([0xff, 0xf5, 0xe8, 0x00], Mpeg2, 2, 160_000, 16_000, 2, 1152, 1440),
        ([0xff, 0xf7, 0x14, 0x00], Mpeg2, 1, 32_000, 24_000, 2, 384, 64),
        ([0xff, 0xe3, 0x18, 0x00], Mpeg25, 3, 8_000, 8_000, 2, 576, 72),
    ] {
        let read = FrameHeader::parse(header).unwrap();
        assert_eq!((read.version, read.layer, read.bitrate), (version, layer, Some(bitrate)), "{header:02x?}");
        assert_eq!((read.sample_rate, read.channels), (sample_rate, channels), "{header:02x?}");
        assert_eq!((read.sample_count(), read.frame_len()), (sample_count, Some(len)), "{header:02x?}");
    }
    let no_headers = [
        [0xff, 0xdb, 0x90, 0], // sync
        [0xfe, 0xfb, 0x90, 0], // sync
        [0xff, 0xeb, 0x90, 0], // version
        [0xff, 0xf9, 0x90, 0], // layer
        [0xff, 0xfb, 0xf0, 0], // bit rate
        [0xff, 0xfb, 0x9c, 0], // sample rate
    ];
    for bytes in no_headers {
        assert_eq!(FrameHeader::parse(bytes), None, "{bytes:02x?}");
    }
}

#[test]
fn frames_come_out_with_the_times_that_they_have_by_the_count() {
    let (first, second) = (frame(MP3, 1), frame(MP3_PADDED, 2));
    let mut framer = framer();
    let all = found(&mut *framer, &[&first[..], &second, &first].concat());
    assert_eq!(
        all,
        [
            Found::Sample(0, 0, first.clone()),
            Found::Sample(417, 26_122_449, second),
            Found::Sample(835, 52_244_898, first)
        ]
    );
    let config = MpegAudioConfig { layer: 3, sample_rate: 44_100, channels: 2 };
    assert_eq!(framer.codec(), Some(Codec::MpegAudio(config)));
}

#[test]
fn tags_are_stepped_over_in_silence() {
    let id3v2 = [&b"ID3\x04\0\0\0\0\x01\x02"[..], &[0xff; 130]].concat();
    let ape = [&b"APETAGEX"[..], &2000_u32.to_le_bytes(), &40_u32.to_le_bytes(), &[0; 16], &[7; 40]].concat();
    let id3v1 = [&b"TAG"[..], &[b' '; 125]].concat();
    let mp3 = frame(MP3, 1);
    let stream = [&id3v2[..], &mp3, &mp3, &ape, &id3v1].concat();
    let (samples, damage) = samples_and_damage(found(&mut *framer(), &stream));
    assert_eq!((samples, damage), (vec![mp3.clone(), mp3], vec![]));
    assert_same_from_everywhere(framer, &stream);
}

#[test]
fn a_table_of_contents_is_no_sound() {
    let with = |at: usize, text: &[u8]| {
        let mut frame = frame(MP3, 0);
        frame[at..at + text.len()].copy_from_slice(text);
        frame
    };
    let count = |frame_count, byte_count| Some(InfoFrame { frame_count, byte_count });
    let header = FrameHeader::parse(MP3).unwrap();
    for (info, expected) in [
        (with(36, b"Xing\0\0\0\x03\0\0\0\x04\0\0\x08\x2c"), count(Some(4), Some(2092))),
        (with(36, b"Info\0\0\0\x02\0\0\x08\x2c"), count(None, Some(2092))),
        (with(36, b"Info\0\0\0\0"), count(None, None)),
        (with(36, b"VBRI\0\x01\0\0\0\0\0\0\x08\x2c\0\0\0\x04"), count(Some(4), Some(2092))),
    ] {
        assert_eq!(InfoFrame::parse(&header, &info), expected);
        let stream = [info, mp3_stream()].concat();
        let (samples, damage) = samples_and_damage(found(&mut *framer(), &stream));
        assert_eq!((samples.len(), samples[0][4], damage.len()), (4, 1, 0));
    }
    assert_eq!(InfoFrame::parse(&header, &frame(MP3, 0)), None);
}

#[test]
fn a_sync_word_within_a_frame_and_bytes_between_frames_are_stepped_over() {
    let mut first = frame(MP3, 1);
    first[100..104].copy_from_slice(&MP3);
    let stream = [&[0x55; 1000][..], &MP3, &[0x55; 30], &first, &mp3_stream(), &[0x55; 9]].concat();
    let (samples, damage) = samples_and_damage(found(&mut *framer(), &stream));
    assert_eq!(samples.len(), 5);
    assert_eq!(samples[0], first);
    assert_eq!(damage, ["malformed MPEG audio frame at byte 0", "malformed MPEG audio frame at byte 3120"]);
}

#[test]
fn in_free_format_the_next_header_tells_how_long_a_frame_is() {
    let frame = |len: usize| [&MP3_FREE[..], &vec![9; len - 4]].concat();
    let stream = [frame(1253), frame(1254), frame(1253), frame(1253)].concat();
    let (samples, damage) = samples_and_damage(found(&mut *framer(), &stream));
    let lens: Vec<_> = samples.iter().map(Vec::len).collect();
    // Of the last one nothing tells where it ends.
    assert_eq!((lens, damage.len()), (vec![1253, 1254, 1253], 1));
}

#[test]
fn another_sample_rate_in_the_midst_is_another_pace() {
    let (fast, slow) = (frame([0xff, 0xfb, 0x94, 0], 1), frame([0xff, 0xfb, 0x98, 0], 2));
    let stream = [&fast[..], &fast, &slow, &slow, &slow].concat();
    let times: Vec<i64> = found(&mut *framer(), &stream)
        .into_iter()
        .map(|item| match item {
            Found::Sample(_, time, _) => time / 1_000_000,
            Found::Damage(text) => panic!("{text}"),
        })
        .collect();
    assert_eq!(times, [0, 24, 48, 84, 120]);
    assert_same_from_everywhere(framer, &stream);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn damaged_streams_end_and_give_no_byte_twice((bytes, chunk_len) in damaged([mp3_stream(), mp3_stream()].concat())) {
        assert_sane(&mut *framer(), &bytes, chunk_len);
    }

    #[test]
    fn reading_on_from_any_sample_gives_the_same((bytes, _) in damaged([mp3_stream(), mp3_stream()].concat())) {
        assert_same_from_everywhere(framer, &bytes);
    }

    #[test]
    fn any_bytes_end(bytes in prop::collection::vec(prop_oneof![Just(0xff_u8), Just(0xfb), any::<u8>()], 0..3000)) {
        assert_sane(&mut *framer(), &bytes, 500);
    }
}
