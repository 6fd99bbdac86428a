use proptest::prelude::*;

use super::*;
use crate::media::Codec;
use crate::media::codec::frames::testing::{
    Found, assert_same_from_everywhere, assert_sane, damaged, found, samples_and_damage,
};
use crate::media::scan::Framer;

fn framer() -> Box<dyn Framer> {
    Box::new(Ac3Framer::new())
}

/// An AC-3 frame: `fscod` and `frmsizecod` in one byte, `bsid`, and acmod with what follows it.
fn ac3(sizes: u8, bsid: u8, mode: u8, fill: u8) -> Vec<u8> {
    let start = [0x0b, 0x77, 0, 0, sizes, bsid << 3, mode];
    let mut frame = vec![fill; FrameHeader::parse(&start).unwrap().len];
    frame[..7].copy_from_slice(&start);
    frame
}

/// An E-AC-3 syncframe of `len` bytes at 48 kHz with six blocks: strmtyp and substreamid in one byte, then acmod and
/// lfeon.
fn eac3(stream: u8, mode: u8, len: usize) -> Vec<u8> {
    let [high, low] = (len as u16 / 2 - 1).to_be_bytes();
    let mut frame = vec![0x33; len];
    frame[..7].copy_from_slice(&[0x0b, 0x77, stream | high, low, 0x30 | mode, 0x80, 0]);
    frame
}

/// 5.1 at 48 kHz: acmod 7, cmixlev and surmixlev, lfeon.
const MODE_51: u8 = 0xe1;

#[test]
fn headers_of_ac3_read_as_table_4_13_has_them() {
    for (sizes, bsid, mode, sample_rate, channels, len) in [
        (0x1c, 8, MODE_51, 48_000, 6, 1536),  // 384 kbit/s
        (0x5c, 8, 0x40, 44_100, 2, 2 * 835),  // stereo: acmod 2, dsurmod, lfeon 0
        (0x5d, 8, 0x44, 44_100, 3, 2 * 836),  // stereo with lfeon; one word more
        (0xa5, 6, 0x28, 32_000, 1, 2 * 1920), // 640 kbit/s, mono: lfeon is right behind acmod, here 0
        (0x00, 9, 0x40, 24_000, 2, 2 * 64),   // half the rate
        (0x00, 10, 0x38, 12_000, 2, 2 * 64),  // mono with lfeon, a quarter of the rate
    ] {
        let header = FrameHeader::parse(&[0x0b, 0x77, 0, 0, sizes, bsid << 3, mode]).unwrap();
        assert_eq!((header.sample_rate, header.channels, header.len), (sample_rate, channels, len), "{sizes:02x}");
        assert_eq!((header.stream, header.sample_count), (Stream::Ac3, 1536));
    }
    for (sizes, bsid) in [(0xc0, 8), (0x26, 8), (0x00, 17)] {
        assert_eq!(FrameHeader::parse(&[0x0b, 0x77, 0, 0, sizes, bsid << 3, 0]), None, "{sizes:02x} {bsid}");
    }
}

#[test]
fn headers_of_eac3_read_as_annex_e_has_them() {
    for (bytes, stream, sample_rate, channels, sample_count, len) in [
        ([0x02, 0xff, 0x3f], Stream::Independent(0), 48_000, 6, 1536, 1536),
        ([0x47, 0xff, 0x3e], Stream::Dependent, 48_000, 5, 1536, 4096),
        ([0x88, 0x3f, 0x42], Stream::Independent(1), 44_100, 1, 256, 128),
        ([0x00, 0x3f, 0xd4], Stream::Independent(0), 22_050, 2, 1536, 128), // fscod2
    ] {
        let [a, b, c] = bytes;
        let header = FrameHeader::parse(&[0x0b, 0x77, a, b, c, 0x80, 0]).unwrap();
        assert_eq!(
            (header.stream, header.sample_rate, header.channels),
            (stream, sample_rate, channels),
            "{bytes:02x?}"
        );
        assert_eq!((header.sample_count, header.len), (sample_count, len), "{bytes:02x?}");
    }
    assert_eq!(FrameHeader::parse(&[0x0b, 0x77, 0xc0, 0xff, 0x3f, 0x80, 0]), None, "reserved strmtyp");
    assert_eq!(FrameHeader::parse(&[0x0b, 0x77, 0x00, 0x01, 0x3f, 0x80, 0]), None, "shorter than its header");
}

#[test]
fn ac3_comes_out_frame_by_frame_in_either_byte_order() {
    let frames = [ac3(0x5c, 8, 0x40, 1), ac3(0x5d, 8, 0x40, 2), ac3(0x5c, 8, 0x40, 3)];
    let stream = frames.concat();
    let mut swapped = stream.clone();
    swapped.as_chunks_mut::<2>().0.iter_mut().for_each(|pair| pair.reverse());
    for bytes in [stream, swapped] {
        let mut one = framer();
        let (samples, damage) = samples_and_damage(found(&mut *one, &bytes));
        assert_eq!((&samples[..], damage.len()), (&frames[..], 0));
        assert_eq!(one.codec(), Some(Codec::Ac3(Ac3Config { sample_rate: 44_100, channels: 2 })));
        assert_same_from_everywhere(framer, &bytes);
    }
}

#[test]
fn what_belongs_to_one_moment_of_eac3_is_one_sample() {
    // 5.1 with two more channels, and a second program.
    let moment = [eac3(0x00, 0xf, 600), eac3(0x40, 0x4, 200), eac3(0x08, 0x2, 100)].concat();
    let stream = [&moment[..], &moment, &moment].concat();
    let mut one = framer();
    let all = found(&mut *one, &stream);
    assert_eq!(all[1], Found::Sample(900, 32_000_000, moment));
    assert_eq!(all.len(), 3);
    assert_eq!(one.codec(), Some(Codec::Eac3(Ac3Config { sample_rate: 48_000, channels: 6 })));
    assert_same_from_everywhere(framer, &stream);
}

#[test]
fn ac3_that_eac3_depends_on_is_eac3() {
    let moment = [ac3(0x1c, 8, MODE_51, 1), eac3(0x40, 0x4, 200)].concat();
    let mut one = framer();
    let (samples, _) = samples_and_damage(found(&mut *one, &[&moment[..], &moment].concat()));
    assert_eq!(samples, [moment.clone(), moment]);
    assert_eq!(one.codec(), Some(Codec::Eac3(Ac3Config { sample_rate: 48_000, channels: 6 })));
}

#[test]
fn a_stream_that_begins_in_the_middle_of_a_moment_begins_with_the_next() {
    let (independent, dependent) = (eac3(0x00, 0xf, 600), eac3(0x40, 0x4, 200));
    let stream = [&dependent[..], &independent, &dependent, &independent, &dependent].concat();
    let (samples, damage) = samples_and_damage(found(&mut *framer(), &stream));
    assert_eq!((samples.len(), samples[0].len()), (2, 800));
    assert_eq!(damage, ["malformed AC-3 frame at byte 0"]);
}

fn stream() -> Vec<u8> {
    let moment = [eac3(0x00, 0xf, 300), eac3(0x40, 0x4, 100)].concat();
    [&ac3(0x00, 8, 0x40, 1)[..], &ac3(0x00, 8, 0x40, 2), &moment, &moment, &moment].concat()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn damaged_streams_end_and_give_no_byte_twice((bytes, chunk_len) in damaged(stream())) {
        assert_sane(&mut *framer(), &bytes, chunk_len);
    }

    #[test]
    fn reading_on_from_any_sample_gives_the_same((bytes, _) in damaged(stream())) {
        assert_same_from_everywhere(framer, &bytes);
    }

    #[test]
    fn any_bytes_end(bytes in prop::collection::vec(prop_oneof![Just(0x0b_u8), Just(0x77), any::<u8>()], 0..3000)) {
        assert_sane(&mut *framer(), &bytes, 500);
    }
}
