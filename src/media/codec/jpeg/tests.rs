use proptest::prelude::*;

use super::testing::{Coding, varied};
use super::*;
use crate::media::Sample;
use crate::media::codec::FrameRate;
use crate::media::scan::{Chunk, Framer};
use crate::time::MediaTime;

/// Codes of equal length, in another order than any encoder would choose.
fn flat_tables() -> [[CodeTable<'static>; 2]; 2] {
    const DC_COUNTS: [u8; 16] = [0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    const AC_COUNTS: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 100, 0, 0, 62, 0, 0, 0, 0, 0];
    const DC_SYMBOLS: [u8; 12] = [11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0];
    let ac_symbols: Vec<u8> =
        (0..=255).rev().filter(|symbol| Role::Luma.ac().segment(0)[17..].contains(symbol)).collect();
    let ac_symbols: &'static [u8] = Vec::leak(ac_symbols);
    let (dc, ac) = (CodeTable::of(&DC_COUNTS, &DC_SYMBOLS), CodeTable::of(&AC_COUNTS, ac_symbols));
    [[dc, ac], [dc, ac]]
}

fn recoded(picture: &[u8]) -> Result<Vec<u8>, &'static str> {
    let parsed = Picture::parse(picture, 0).unwrap();
    let mut out = vec![1, 2, 3];
    recode(&parsed, picture, &mut out).map(|()| out)
}

#[test]
fn segments_are_read_as_they_stand() {
    let coding = Coding { restart_interval: 3, ..Coding::assumed(50, 35, true) };
    let bytes = coding.picture(&varied(1));
    let with_more = [&bytes[..], b"more"].concat();
    let picture = Picture::parse(&with_more, 0).unwrap();
    assert_eq!((picture.width, picture.height, picture.restart_interval, picture.len), (50, 35, 3, bytes.len()));
    assert_eq!(picture.sampling(), Ok(Sampling::Yuv420));
    assert!(picture.is_as_assumed());
    let [scan] = &picture.scans[..] else { panic!("{} scans", picture.scans.len()) };
    assert_eq!(bytes[scan.data.clone()], coding.scan(&[0, 1, 2], &varied(1)));
    assert_eq!(scan.data.end, bytes.len() - 2);
    assert_eq!((picture.quantization_of(0).unwrap().bytes[0], picture.quantization_of(2).unwrap().bytes[0]), (1, 11));
    assert_eq!(JpegConfig::of_picture(&bytes), Some(JpegConfig { size: Some((50, 35)), obstacle: None }));
}

#[test]
fn tables_that_are_missing_are_those_of_annex_k() {
    let bytes = Coding { has_tables: false, ..Coding::assumed(16, 16, false) }.picture(&varied(2));
    let picture = Picture::parse(&bytes, 0).unwrap();
    assert!(picture.is_as_assumed());
    assert_eq!(picture.sampling(), Ok(Sampling::Yuv422));
}

#[test]
fn what_rtp_cannot_carry_says_why() {
    let assumed = Coding::assumed(64, 64, true);
    let sampled = "its chroma is sampled neither 4:2:0 nor 4:2:2, which is all that RFC 2435 knows";
    for (factors, quantization, obstacle) in [
        (vec![(1, 1), (1, 1), (1, 1)], vec![0, 1, 1], sampled),
        (vec![(4, 1), (1, 1), (1, 1)], vec![0, 1, 1], sampled),
        (vec![(1, 2), (1, 1), (1, 1)], vec![0, 1, 1], sampled),
        (vec![(2, 2), (1, 1), (1, 2)], vec![0, 1, 1], sampled),
        (vec![(2, 2), (1, 1), (1, 1)], vec![0, 1, 0], "its chroma components are quantized differently"),
        (vec![(1, 1); 4], vec![0; 4], "it has 4 components"),
    ] {
        let bytes = Coding { factors, quantization, ..assumed.clone() }.picture(&varied(3));
        assert_eq!(JpegConfig::of_picture(&bytes).unwrap().obstacle, Some(obstacle));
        assert_eq!(recoded(&bytes), Err(obstacle));
    }
}

#[test]
fn other_processes_and_malformed_segments_are_errors_with_their_place() {
    let bytes = Coding::assumed(16, 16, true).picture(&varied(4));
    let sof = bytes.windows(2).position(|pair| pair == [0xFF, marker::SOF0]).unwrap();
    let error = |at: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = byte;
        Picture::parse(&bytes, 1000).unwrap_err().to_string()
    };
    let behind = 1000 + sof + 2;
    assert_eq!(error(sof + 1, 0xC2), format!("JPEG of process 2 at byte {behind}; only baseline is streamed"));
    assert_eq!(error(sof + 4, 12), "JPEG of 12 bits; only 8 are streamed");
    assert_eq!(error(sof + 11, 0x52), format!("malformed JPEG picture at byte {}", 1000 + sof + 19));
    assert_eq!(error(sof, 0), format!("malformed JPEG picture at byte {}", 1000 + sof + 1));
    assert_eq!(
        Picture::parse(&bytes[..sof + 9], 5).unwrap_err().to_string(),
        format!("JPEG picture is cut off at byte {}", sof + 14)
    );
}

#[test]
fn coefficients_survive_being_recoded_from_any_coding() {
    for (width, height, is_420) in [(64, 48, true), (50, 35, true), (64, 48, false), (33, 21, false), (1, 1, true)] {
        let assumed = Coding::assumed(width, height, is_420);
        let expected = assumed.scan(&[0, 1, 2], &varied(5));
        let other_tables = Coding { tables: flat_tables(), ..assumed.clone() };
        let [luma, chroma] = assumed.tables;
        let swapped = Coding { tables: [chroma, luma], ..assumed.clone() };
        let with_restarts = Coding { restart_interval: 2, ..other_tables.clone() };
        for (name, coding) in [("other codes", other_tables), ("swapped", swapped), ("restarts", with_restarts)] {
            let picture = coding.picture(&varied(5));
            assert!(!Picture::parse(&picture, 0).unwrap().is_as_assumed());
            assert_eq!(recoded(&picture).unwrap(), expected, "{name}, {width}x{height}");
        }
    }
}

#[test]
fn scans_of_one_component_are_brought_together() {
    for is_420 in [true, false] {
        let assumed = Coding::assumed(64, 48, is_420);
        let expected = assumed.scan(&[0, 1, 2], &varied(6));
        let apart = Coding { is_interleaved: false, ..assumed };
        assert_eq!(recoded(&apart.picture(&varied(6))).unwrap(), expected);
    }
}

#[test]
fn the_4_2_2_of_ffmpeg_comes_into_the_usual_order() {
    for height in [64, 56] {
        let assumed = Coding::assumed(48, height, false);
        let coding = Coding { factors: vec![(2, 2), (1, 2), (1, 2)], ..assumed.clone() };
        assert_eq!(
            recoded(&coding.picture(&varied(7))).unwrap(),
            assumed.scan(&[0, 1, 2], &varied(7)),
            "{height} lines"
        );
    }
}

#[test]
fn grey_pictures_get_chroma_without_colour() {
    let grey = Coding { factors: vec![(1, 1)], quantization: vec![0], ..Coding::assumed(32, 32, true) };
    let colourless = |component: usize, x, y| if component == 0 { varied(8)(0, x, y) } else { [0; 64] };
    assert_eq!(
        recoded(&grey.picture(&varied(8))).unwrap(),
        Coding::assumed(32, 32, true).scan(&[0, 1, 2], &colourless)
    );
}

#[test]
fn damage_costs_the_blocks_up_to_the_next_restart_and_the_picture_keeps_its_size() {
    let coding = Coding { tables: flat_tables(), restart_interval: 1, ..Coding::assumed(64, 16, true) };
    let mut picture = coding.picture(&varied(9));
    let first = Picture::parse(&picture, 0).unwrap().scans[0].data.start;
    picture[first..first + 2].copy_from_slice(&[0xFF, 0x00]); // no code
    let damaged = recoded(&picture).unwrap();
    let flat_first = |component: usize, x: usize, y: usize| {
        let in_first_mcu = if component == 0 { x < 2 } else { x < 1 };
        if in_first_mcu { [0; 64] } else { varied(9)(component, x, y) }
    };
    assert_eq!(damaged, Coding::assumed(64, 16, true).scan(&[0, 1, 2], &flat_first));
}

/// Pictures with where they begin, in words what was stepped over.
fn framed(chunks: &[&[u8]]) -> (Vec<(u64, Sample)>, Vec<String>) {
    let mut framer = JpegFramer::new(FrameRate::from_f64(25.0));
    let (mut pictures, mut errors, mut at) = (Vec::new(), Vec::new(), 0);
    for index in 0..=chunks.len() {
        match chunks.get(index) {
            Some(bytes) => framer.push(Chunk { bytes, at, is_packet: false, stamp: None }),
            None => framer.finish(),
        }
        at += chunks.get(index).map_or(0, |bytes| bytes.len() as u64);
        loop {
            let mut sample = Sample::default();
            match framer.pop(&mut sample) {
                Ok(Some(origin)) => pictures.push((origin, sample)),
                Ok(None) => break,
                Err(error) => errors.push(error.to_string()),
            }
        }
    }
    (pictures, errors)
}

fn small(seed: u32) -> Vec<u8> {
    Coding::assumed(16, 16, true).picture(&varied(seed))
}

#[test]
fn pictures_are_found_however_the_stream_is_cut_into_chunks() {
    let (a, b, c) = (small(1), small(2), small(3));
    let part = b"\r\n--frame\r\nContent-Type: image/jpeg\r\nContent-Length: 1234\r\n\r\n";
    let stream = [&part[..], &a, part, &b, &c, part].concat();
    let b_at = (2 * part.len() + a.len()) as u64;
    let expected = [(part.len() as u64, 0, &a), (b_at, 40, &b), (b_at + b.len() as u64, 80, &c)];
    for len in [1, 2, 3, 7, 100, stream.len()] {
        let (pictures, errors) = framed(&stream.chunks(len).collect::<Vec<_>>());
        let found: Vec<_> =
            pictures.iter().map(|(at, sample)| (*at, sample.pts.as_nanos() / 1_000_000, &sample.data)).collect();
        assert_eq!((&found[..], errors.len()), (&expected[..], 0), "in chunks of {len} bytes");
    }
}

#[test]
fn a_thumbnail_does_not_end_the_picture() {
    let (picture, thumbnail) = (small(4), small(5));
    let exif = [&[0xFF, 0xE1][..], &(thumbnail.len() as u16 + 2).to_be_bytes(), &thumbnail].concat();
    let stream = [&picture[..2], &exif, &picture[2..]].concat();
    let (pictures, errors) = framed(&[&stream]);
    assert_eq!((pictures.len(), &pictures[0].1.data, errors.len()), (1, &stream, 0));
}

#[test]
fn a_picture_without_its_end_comes_as_far_as_it_goes() {
    let (a, b) = (small(6), small(7));
    let cut = &a[..a.len() - 20];
    let (pictures, errors) = framed(&[cut, &b, cut]);
    let found: Vec<_> = pictures.iter().map(|(_, sample)| &sample.data[..]).collect();
    assert_eq!((found, errors.len()), (vec![cut, &b[..], cut], 0));
}

#[test]
fn damage_is_told_once_and_reading_goes_on_at_the_next_picture() {
    let (a, b) = (small(8), small(9));
    let noise: Vec<u8> = (0..20_000_u32).map(|index| (index * 7 % 251) as u8).collect();
    let mut broken = a.clone();
    broken[2] = 0x12; // where a marker should be
    let (pictures, errors) = framed(&[&a, &noise, &broken, &noise, &b]);
    assert_eq!(pictures.iter().map(|(_, sample)| &sample.data).collect::<Vec<_>>(), [&a, &b]);
    assert_eq!(errors.len(), 1, "{errors:?}");
}

#[test]
fn counting_goes_on_from_the_time_it_is_told() {
    let mut framer = JpegFramer::new(FrameRate::from_f64(25.0));
    framer.start(MediaTime::from_millis(4000));
    framer.push(Chunk { bytes: &small(1), at: 77, is_packet: false, stamp: None });
    let mut sample = Sample::default();
    assert_eq!(framer.pop(&mut sample).unwrap(), Some(77));
    assert_eq!((sample.pts, sample.is_sync), (MediaTime::from_millis(4000), true));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_damage_makes_it_panic_or_hang(
        changes in proptest::collection::vec((0..2000_usize, any::<u8>()), 0..20),
        cut in 0..2000_usize,
        factor in 0..3_usize,
    ) {
        let factors = [vec![(2, 2), (1, 1), (1, 1)], vec![(2, 2), (1, 2), (1, 2)], vec![(1, 1)]][factor].clone();
        let quantization = vec![0; factors.len()];
        let coding = Coding { tables: flat_tables(), factors, quantization, ..Coding::assumed(40, 40, true) };
        let mut bytes = coding.picture(&varied(10));
        for (at, value) in changes {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        bytes.truncate(bytes.len().saturating_sub(cut).max(2));
        if let Ok(picture) = Picture::parse(&bytes, 0) {
            let _ = recode(&picture, &bytes, &mut Vec::new());
        }
        let (pictures, _) = framed(&[&bytes, &small(1)]);
        prop_assert!(pictures.len() <= 1 + bytes.len() / 4);
    }
}
