use proptest::prelude::*;

use super::*;
use crate::media::codec::frames::testing::{
    Found, assert_same_from_everywhere, assert_sane, damaged, found, samples_and_damage,
};
use crate::media::scan::Framer;
use crate::media::{Codec, Sample};

fn adts() -> Box<dyn Framer> {
    Box::new(AdtsFramer::new())
}

fn latm() -> Box<dyn Framer> {
    Box::new(LatmFramer::new())
}

fn config_of(framer: &dyn Framer) -> AacConfig {
    match framer.codec() {
        Some(Codec::Aac(config)) => config,
        other => panic!("{other:?}"),
    }
}

/// Writes fields of so many bits one after the other.
fn bits(fields: &[(u32, usize)]) -> Vec<u8> {
    let all: Vec<bool> =
        fields.iter().flat_map(|(value, count)| (0..*count).rev().map(move |bit| value >> bit & 1 == 1)).collect();
    all.chunks(8).map(|byte| byte.iter().enumerate().map(|(bit, set)| u8::from(*set) << (7 - bit)).sum()).collect()
}

/// An ADTS frame of LC (13818-7 table 8 and 9) around `blocks`, with checksums when there is `crc`.
fn adts_frame(rate_index: u32, channels: u32, crc: bool, blocks: &[&[u8]]) -> Vec<u8> {
    let mut payload = Vec::new();
    let mut positions = Vec::new();
    for block in blocks {
        positions.push(payload.len() as u16);
        payload.extend_from_slice(block);
        if crc && blocks.len() > 1 {
            payload.extend_from_slice(&[0xcc, 0xcc]);
        }
    }
    let mut check = Vec::new();
    if crc {
        check.extend(positions[1..].iter().flat_map(|position| position.to_be_bytes()));
        check.extend_from_slice(&[0xcc, 0xcc]);
    }
    let len = (7 + check.len() + payload.len()) as u32;
    let header = [(0xfff, 12), (0, 3), (u32::from(!crc), 1), (1, 2), (rate_index, 4), (0, 1), (channels, 3), (0, 4)];
    let rest = [(len, 13), (0x7ff, 11), (blocks.len() as u32 - 1, 2)];
    [bits(&[&header[..], &rest].concat()), check, payload].concat()
}

fn adts_stream() -> Vec<u8> {
    (0..6_u8).flat_map(|index| adts_frame(4, 2, false, &[&vec![index; 40 + usize::from(index)]])).collect()
}

#[test]
fn access_units_come_out_of_adts_without_header_and_with_their_times() {
    let stream = [adts_frame(4, 2, false, &[&[1; 30]]), adts_frame(4, 2, true, &[&[2; 40]])].concat();
    let mut framer = adts();
    let all = found(&mut *framer, &stream);
    assert_eq!(all, [Found::Sample(0, 0, vec![1; 30]), Found::Sample(37, 23_219_955, vec![2; 40])]);
    assert_eq!(config_of(&*framer), AacConfig::parse(&[0x12, 0x10], 0).unwrap());
    assert_same_from_everywhere(adts, &adts_stream());
}

#[test]
fn a_frame_of_several_blocks_is_as_many_access_units_where_their_places_are_told() {
    let stream = [
        adts_frame(3, 1, true, &[&[1; 10], &[2; 20], &[3; 30]]),
        adts_frame(3, 1, true, &[&[4; 10]]),
        adts_frame(3, 1, false, &[&[5; 10], &[6; 10]]),
        adts_frame(3, 1, false, &[&[7; 10]]),
    ]
    .concat();
    let all = found(&mut *adts(), &stream);
    let block = |at, number: i64, bytes: Vec<u8>| {
        Found::Sample(at, crate::time::MediaTime::from_ticks(1024 * number, 48_000).as_nanos(), bytes)
    };
    assert_eq!(
        all,
        [
            block(0, 0, vec![1; 10]),
            block(0, 1, vec![2; 20]),
            block(0, 2, vec![3; 30]),
            block(79, 3, vec![4; 10]),
            block(98, 4, [[5; 10], [6; 10]].concat()), // nothing tells where the first one ends
            block(125, 6, vec![7; 10]),
        ]
    );
    assert_same_from_everywhere(adts, &stream);
}

#[test]
fn what_stands_for_the_number_of_channels_goes_into_the_config() {
    // ID_PCE, tag 0, LC, 48 kHz, one pair in front and one element behind, no mixdown, aligned, comment "hi".
    let head = [(5, 3), (0, 4), (1, 2), (3, 4), (1, 4), (0, 4), (1, 4), (0, 2), (0, 3), (0, 4), (0, 3)];
    let elements = [(1, 1), (0, 4), (0, 1), (1, 4)];
    let unit = [bits(&[&head[..], &elements].concat()), b"\x02hi".to_vec(), vec![9; 20]].concat();
    let frame = adts_frame(3, 0, false, &[&unit]);
    let mut framer = adts();
    found(&mut *framer, &[&frame[..], &frame].concat());
    let config = config_of(&*framer);
    // The same fields behind 16 bits of config.
    let asc = [(2, 5), (3, 4), (0, 4), (0, 3)];
    let expected = [bits(&[&asc[..], &head[1..], &elements].concat()), b"\x02hi".to_vec()].concat();
    assert_eq!((config.asc.clone(), config.channels), (expected, 3));
    assert_eq!(AacConfig::parse(&config.asc, 0).unwrap(), config);
}

#[test]
fn frames_of_another_config_are_left_out_and_told_once() {
    let (stereo, mono) = (adts_frame(3, 2, false, &[&[1; 20]]), adts_frame(3, 1, false, &[&[2; 20]]));
    let stream = [&stereo[..], &stereo, &mono, &mono, &mono, &stereo, &stereo].concat();
    let all = found(&mut *adts(), &stream);
    let told = Found::Damage("malformed ADTS frame of the same config as the first one at byte 54".into());
    assert_eq!(all[2], told);
    assert_eq!(all[3], Found::Sample(135, 5 * 21_333_333 + 2, vec![1; 20]));
    assert_eq!(all.len(), 5);
}

/// An AudioMuxElement in a LOAS frame: with StreamMuxConfig of version 0 around `asc`, or with the one before.
fn loas(asc: Option<&[(u32, usize)]>, units: &[&[u8]]) -> Vec<u8> {
    let mut fields = vec![(u32::from(asc.is_none()), 1)];
    if let Some(asc) = asc {
        fields.extend([(0, 1), (1, 1), (units.len() as u32 - 1, 6), (0, 4), (0, 3)]);
        fields.extend(asc);
        fields.extend([(0, 3), (0xff, 8), (0, 1), (0, 1)]);
    }
    for unit in units {
        fields.extend(vec![(255, 8); unit.len() / 255]);
        fields.push(((unit.len() % 255) as u32, 8));
        fields.extend(unit.iter().map(|byte| (u32::from(*byte), 8)));
    }
    let element = bits(&fields);
    [bits(&[(0x2b7, 11), (element.len() as u32, 13)]), element].concat()
}

/// LC, 44.1 kHz, stereo.
const ASC: [(u32, usize); 4] = [(2, 5), (4, 4), (2, 4), (0, 3)];

fn loas_stream() -> Vec<u8> {
    let unit = |fill| vec![fill; 300];
    let mut stream = Vec::new();
    for number in 0..9_u8 {
        let asc = (number % 3 == 0).then_some(&ASC[..]);
        stream.extend(loas(asc, &[&unit(number)]));
    }
    stream
}

#[test]
fn access_units_come_out_of_loas_and_begin_where_the_config_is() {
    let mut framer = latm();
    let all = found(&mut *framer, &loas_stream());
    assert_eq!(config_of(&*framer), AacConfig::parse(&[0x12, 0x10], 0).unwrap());
    let Found::Sample(at, time, unit) = &all[4] else { panic!("{all:?}") };
    assert_eq!((*time, unit), (92_879_819, &vec![4; 300]));
    assert_eq!(all[3], Found::Sample(*at, 69_659_864, vec![3; 300]));
    assert_eq!(all.len(), 9);
    assert_same_from_everywhere(latm, &loas_stream());
}

#[test]
fn an_element_may_have_several_access_units() {
    let element = loas(Some(&ASC), &[&[1; 10], &[2; 255], &[3; 3]]);
    let (samples, damage) = samples_and_damage(found(&mut *latm(), &[&element[..], &element].concat()));
    assert_eq!((samples.len(), damage.len()), (6, 0));
    assert_eq!(samples[..3], [vec![1; 10], vec![2; 255], vec![3; 3]]);
}

#[test]
fn explicit_high_efficiency_and_version_1_are_read_in_loas() {
    // AOT 5 with 22.05 kHz of LC within, 44.1 kHz out.
    let asc = [(5, 5), (7, 4), (2, 4), (4, 4), (2, 5), (0, 3)];
    let mut framer = latm();
    found(&mut *framer, &[loas(Some(&asc), &[&[1; 10]]), loas(None, &[&[1; 10]])].concat());
    assert_eq!(
        config_of(&*framer),
        AacConfig::parse(&[0x2b, 0x92, 0x08, 0x00], 0)
            .map(|config| AacConfig { asc: vec![0x2b, 0x92, 0x08, 0x00], ..config })
            .unwrap()
    );

    // audioMuxVersion 1: taraBufferFullness of one byte; the config has 17 bits, the last for padding.
    let version_1 = [
        &[(0, 1), (1, 1), (0, 1), (0, 10), (1, 1), (0, 6), (0, 4), (0, 3), (0, 2), (17, 8)][..],
        &ASC,
        &[(0, 1), (0, 3), (0, 8), (0, 1), (0, 1), (2, 8), (0xabcd, 16)],
    ]
    .concat();
    let element = bits(&version_1);
    let frame = [bits(&[(0x2b7, 11), (element.len() as u32, 13)]), element].concat();
    let mut framer = latm();
    let (samples, damage) = samples_and_damage(found(&mut *framer, &[&frame[..], &frame].concat()));
    assert_eq!((samples, damage), (vec![vec![0xab, 0xcd]; 2], vec![]));
    assert_eq!(config_of(&*framer).sample_rate, 44_100);
}

#[test]
fn elements_before_a_config_are_told_once() {
    let stream = [loas(None, &[&[1; 10]]), loas(None, &[&[1; 10]]), loas_stream()].concat();
    let (samples, damage) = samples_and_damage(found(&mut *latm(), &stream));
    assert_eq!(
        (samples.len(), damage),
        (9, vec!["malformed audio multiplex element behind a config at byte 0".into()])
    );
}

#[test]
fn elements_behind_a_seek_are_read_before_their_config_comes_again() {
    let stream = [loas(None, &[&[1; 10]]), loas(None, &[&[2; 300]]), loas_stream()].concat();
    let mut known = latm();
    samples_and_damage(found(&mut *known, &loas_stream()));
    let mut framer = latm();
    framer.prime(&known.codec().unwrap());
    let (samples, damage) = samples_and_damage(found(&mut *framer, &stream));
    assert_eq!((samples.len(), &samples[0][..], samples[1].len(), damage), (11, &[1; 10][..], 300, vec![]));
    // Of two units in an element, nothing is known before their config.
    let mut framer = latm();
    framer.prime(&known.codec().unwrap());
    let (samples, damage) =
        samples_and_damage(found(&mut *framer, &[loas(None, &[&[1; 10], &[2; 10]]), loas_stream()].concat()));
    assert_eq!((samples.len(), damage), (9, vec![]));
}

#[test]
fn a_stamp_is_the_time_of_the_first_unit_that_begins_in_its_packet() {
    let mut framer = latm();
    let stamp = crate::media::scan::Stamp { pts: crate::time::MediaTime::from_millis(5000), dts: None };
    let stream = loas_stream();
    framer.push(crate::media::scan::Chunk { bytes: &stream, at: 376, is_packet: true, stamp: Some(stamp) });
    let mut sample = Sample::default();
    assert_eq!((framer.pop(&mut sample).unwrap(), sample.pts), (Some(376), stamp.pts));
    assert_eq!((framer.pop(&mut sample).unwrap(), sample.pts.as_nanos()), (Some(376), 5_023_219_955));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn damaged_adts_ends_and_gives_no_byte_twice((bytes, chunk_len) in damaged(adts_stream())) {
        assert_sane(&mut *adts(), &bytes, chunk_len);
    }

    #[test]
    fn damaged_loas_ends_and_gives_no_byte_twice((bytes, chunk_len) in damaged(loas_stream())) {
        assert_sane(&mut *latm(), &bytes, chunk_len);
    }

    #[test]
    fn any_bytes_end(
        bytes in prop::collection::vec(prop_oneof![Just(0xff_u8), Just(0xf1), Just(0x56), Just(0xe0), any::<u8>()], 0..3000),
    ) {
        assert_sane(&mut *adts(), &bytes, 500);
        assert_sane(&mut *latm(), &bytes, 500);
    }

    #[test]
    fn no_config_makes_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = AacConfig::parse(&bytes, 0);
        let _ = pce::config_with_pce(AacConfig::from_parts(2, 48_000, 0), &bytes);
    }
}
