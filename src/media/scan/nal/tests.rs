use proptest::prelude::*;

use super::*;
use crate::media::codec::H264Config;
use crate::media::codec::h264::testing::{Slice, pps, sps};
use crate::media::codec::rbsp::tests::BitWriter;

const AUD: &[u8] = &[0x09, 0xf0];

fn millis(millis: i64) -> MediaTime {
    MediaTime::from_millis(millis)
}

fn annexb(nals: &[Vec<u8>]) -> Vec<u8> {
    nals.iter().flat_map(|nal| [&[0, 0, 0, 1], nal.as_slice()].concat()).collect()
}

/// A picture in slices that begin at these macroblocks.
fn picture(lsb: u32, is_idr: bool, first_mbs: &[u32]) -> Vec<Vec<u8>> {
    let kind = if is_idr { Slice { nal: 0x65, slice_type: 7, ..Slice::P } } else { Slice::P };
    let slice = Slice { frame_mbs_only: true, frame_num: u32::from(!is_idr), lsb, ..kind };
    // So long that it is not necessary to see its end to know what it is.
    let nal = |first_mb| [Slice { first_mb, ..slice }.nal(), vec![0xab; 600]].concat();
    first_mbs.iter().map(|first_mb| nal(*first_mb)).collect()
}

/// A key frame with all that stands before it.
fn key_frame() -> Vec<u8> {
    annexb(&[vec![AUD.to_vec(), sps(0, true), pps(0, false)], picture(0, true, &[0])].concat())
}

fn p(lsb: u32) -> Vec<u8> {
    annexb(&[vec![AUD.to_vec()], picture(lsb, false, &[0])].concat())
}

fn push(framer: &mut NalFramer, bytes: &[u8], at: u64, pts: Option<i64>, dts: Option<i64>) {
    let stamp = pts.map(|pts| Stamp { pts: millis(pts), dts: dts.map(millis) });
    framer.push(Chunk { bytes, at, is_packet: true, stamp });
}

/// Origin, pts and dts in milliseconds, length and number of NAL units of all that is there.
fn drain(framer: &mut NalFramer) -> Vec<(u64, i64, i64, usize, usize)> {
    let mut found = Vec::new();
    loop {
        let mut sample = Sample::default();
        match framer.pop(&mut sample) {
            Ok(Some(origin)) => {
                let [pts, dts] = [sample.pts, sample.dts].map(|time| time.to_ticks(1000));
                found.push((origin, pts, dts, sample.data.len(), sample.nals.len()));
            }
            Ok(None) => return found,
            Err(error) => panic!("{error}"),
        }
    }
}

fn times(framer: &mut NalFramer) -> Vec<(i64, i64)> {
    drain(framer).into_iter().map(|(_, pts, dts, ..)| (pts, dts)).collect()
}

#[test]
fn access_units_are_the_same_however_their_bytes_come() {
    let mbs: Vec<u32> = (0..9).map(|row| row * 8).collect();
    let nine_slices = annexb(&picture(4, false, &mbs));
    let stream = [key_frame(), p(2), nine_slices.clone(), annexb(&picture(6, false, &[0, 40]))].concat();
    let lens = [key_frame().len(), p(2).len(), nine_slices.len()];
    for piece in [1, 2, 3, 5, 7, 64, 184, 4096] {
        let mut framer = NalFramer::h264();
        let mut found = Vec::new();
        for (index, bytes) in stream.chunks(piece).enumerate() {
            let at = (index * piece) as u64;
            framer.push(Chunk {
                bytes,
                at,
                is_packet: false,
                stamp: (index == 0).then_some(Stamp { pts: millis(7), dts: None }),
            });
            found.extend(drain(&mut framer));
        }
        assert!(found.is_empty(), "the times of pictures without stamp depend on the next one: {found:?}");
        framer.finish();
        found.extend(drain(&mut framer));
        let starts = [0, lens[0], lens[0] + lens[1], lens.iter().sum()].map(|at: usize| at as u64);
        assert_eq!(found.iter().map(|found| found.0).collect::<Vec<_>>(), starts, "pieces of {piece}");
        assert_eq!(found.iter().map(|found| found.4).collect::<Vec<_>>(), [4, 2, 9, 2], "pieces of {piece}");
        assert_eq!(found.iter().map(|found| found.1).collect::<Vec<_>>(), [7, 47, 87, 127], "pieces of {piece}");
    }
}

#[test]
fn the_config_has_the_parameter_sets_once() {
    let mut framer = NalFramer::h264();
    assert_eq!(framer.codec(), None);
    push(&mut framer, &[key_frame(), p(2), key_frame()].concat(), 0, Some(0), None);
    drain(&mut framer);
    assert_eq!(framer.codec(), Some(Codec::H264(H264Config { sps: vec![sps(0, true)], pps: vec![pps(0, false)] })));
}

#[test]
fn told_times_of_decoding_are_kept_and_need_no_waiting() {
    let mut framer = NalFramer::h264();
    let mut found = Vec::new();
    let stream = [(key_frame(), 80, Some(0)), (p(6), 200, Some(40)), (p(2), 120, None), (p(4), 160, None)];
    for (number, (bytes, pts, dts)) in stream.into_iter().enumerate() {
        push(&mut framer, &bytes, number as u64 * 188, Some(pts), dts);
        found.extend(times(&mut framer));
        assert_eq!(found.len(), number, "all but the one that may go on");
    }
    framer.finish();
    found.extend(times(&mut framer));
    assert_eq!(found, [(80, 0), (200, 40), (120, 120), (160, 160)]);
}

#[test]
fn without_told_times_of_decoding_none_is_later_than_what_is_displayed() {
    let mut framer = NalFramer::h264();
    let stream = [(key_frame(), 0), (p(6), 120), (p(2), 40), (p(4), 80), (p(12), 240), (p(8), 160), (p(10), 200)];
    for (number, (bytes, pts)) in stream.iter().enumerate() {
        push(&mut framer, bytes, number as u64 * 188, Some(*pts), None);
    }
    framer.finish();
    let expected = [(0, 0), (120, 40), (40, 40), (80, 80), (240, 160), (160, 160), (200, 200)];
    assert_eq!(times(&mut framer), expected);
}

#[test]
fn a_stream_that_never_reorders_is_not_held_back_for_long() {
    let mut framer = NalFramer::h264();
    let mut held_max = 0;
    let (mut pushed, mut popped) = (0, 0);
    for number in 0..100 {
        let bytes = if number % 7 == 0 { key_frame() } else { p(number % 7 * 2) };
        push(&mut framer, &bytes, 0, Some(i64::from(number) * 40), None);
        pushed += 1;
        let found = times(&mut framer);
        assert!(found.iter().all(|(pts, dts)| pts == dts), "{found:?}");
        popped += found.len();
        held_max = if number > 20 { held_max.max(pushed - popped) } else { 0 };
    }
    assert!(held_max <= 2, "{held_max}");
}

#[test]
fn several_pictures_in_a_packet_share_its_stamp_out() {
    let mut framer = NalFramer::h264();
    push(&mut framer, &[key_frame(), p(2), p(4)].concat(), 1000, Some(0), None);
    push(&mut framer, &[p(6), p(8)].concat(), 2000, Some(150), None);
    push(&mut framer, &p(10), 3000, Some(230), None);
    framer.finish();
    let found = drain(&mut framer);
    let times: Vec<_> = found.iter().map(|found| (found.0, found.1, found.2)).collect();
    let expected =
        [(1000, 0, 0), (1000, 50, 50), (1000, 100, 100), (2000, 150, 150), (2000, 190, 190), (3000, 230, 230)];
    assert_eq!(times, expected);
}

#[test]
fn a_stamp_is_that_of_the_picture_that_begins_in_the_packet() {
    let stream = [key_frame(), p(2), p(4)];
    let bytes = stream.concat();
    // Each packet begins in the middle of a picture, the last also in the middle of a start code.
    let cuts = [0, stream[0].len() - 3, stream[0].len() + stream[1].len() + 2, bytes.len()];
    let mut framer = NalFramer::h264();
    for (number, cut) in cuts.windows(2).enumerate() {
        for piece in bytes[cut[0]..cut[1]].chunks(4).enumerate() {
            let pts = (piece.0 == 0).then_some(number as i64 * 40);
            push(&mut framer, piece.1, number as u64 * 188, pts, None);
        }
    }
    framer.finish();
    let times: Vec<_> = drain(&mut framer).iter().map(|found| (found.0, found.1)).collect();
    assert_eq!(times, [(0, 0), (188, 40), (188, 80)]);
}

#[test]
fn parameter_sets_in_a_packet_of_their_own_begin_the_picture() {
    let mut framer = NalFramer::h264();
    push(&mut framer, &annexb(&[sps(0, true), pps(0, false)]), 100, Some(40), None);
    for first_mb in [0, 20, 40] {
        push(&mut framer, &annexb(&picture(0, true, &[first_mb])), 200, Some(40), None);
    }
    push(&mut framer, &annexb(&picture(2, false, &[0])), 300, Some(80), None);
    framer.finish();
    let found = drain(&mut framer);
    assert_eq!(found.iter().map(|it| (it.0, it.1, it.4)).collect::<Vec<_>>(), [(100, 40, 5), (300, 80, 1)]);
}

#[test]
fn both_fields_of_a_frame_are_one_sample_also_with_a_stamp_each() {
    let field = |bottom, frame_num, lsb| Slice { field: Some(bottom), frame_num, lsb, ..Slice::P };
    let mut framer = NalFramer::h264();
    push(&mut framer, &annexb(&[sps(0, false), pps(0, false)]), 0, None, None);
    for frame in 0..3_u32 {
        let [top, bottom] = [false, true].map(|is_bottom| {
            let slice = field(is_bottom, frame, frame * 4 + u32::from(is_bottom));
            annexb(&[AUD.to_vec(), if frame == 0 { Slice { nal: 0x65, slice_type: 7, ..slice } } else { slice }.nal()])
        });
        push(&mut framer, &top, u64::from(frame) * 1000, Some(i64::from(frame) * 40), None);
        push(&mut framer, &bottom, u64::from(frame) * 1000 + 500, Some(i64::from(frame) * 40 + 20), None);
    }
    framer.finish();
    let found = drain(&mut framer);
    assert_eq!(found.iter().map(|it| (it.1, it.4)).collect::<Vec<_>>(), [(0, 6), (40, 4), (80, 4)]);
}

#[test]
fn without_any_stamp_pictures_are_counted_from_the_start() {
    let mut framer = NalFramer::h264();
    framer.start(millis(1000));
    push(&mut framer, &[key_frame(), p(6), p(2), p(4), p(8)].concat(), 0, None, None);
    framer.finish();
    assert_eq!(times(&mut framer), [(1000, 1000), (1120, 1040), (1040, 1040), (1080, 1080), (1160, 1160)]);
}

#[test]
fn reading_goes_on_behind_a_gap_and_the_open_picture_is_dropped() {
    let mut framer = NalFramer::h264();
    push(&mut framer, &[key_frame(), p(2)].concat(), 0, Some(0), None);
    drain(&mut framer);
    framer.reset();
    push(&mut framer, &[0xaa; 50], 0, None, None);
    push(&mut framer, &p(6), 400, Some(120), None);
    push(&mut framer, &p(8), 500, Some(160), None);
    framer.finish();
    assert_eq!(times(&mut framer), [(0, 0), (120, 120), (160, 160)]);
}

#[test]
fn a_stream_goes_on_after_its_end_was_told() {
    let mut framer = NalFramer::h264();
    push(&mut framer, &[key_frame(), p(2)].concat(), 0, Some(0), None);
    framer.finish();
    assert_eq!(times(&mut framer), [(0, 0), (40, 40)]);
    framer.reset();
    push(&mut framer, &key_frame(), 900, Some(500), None);
    framer.finish();
    assert_eq!(times(&mut framer), [(500, 500)]);
}

#[test]
fn reading_can_begin_anywhere_when_the_parameter_sets_are_known() {
    let config = Codec::H264(H264Config { sps: vec![sps(0, true)], pps: vec![pps(0, false)] });
    for (is_primed, expected) in [(false, vec![]), (true, vec![(40, 40)])] {
        let mut framer = NalFramer::h264();
        if is_primed {
            framer.prime(&config);
        }
        push(&mut framer, &p(2), 0, Some(40), None);
        framer.finish();
        assert_eq!(times(&mut framer), expected);
    }
}

#[test]
fn pictures_before_the_first_parameter_sets_are_left_out_whole() {
    let mut framer = NalFramer::h264();
    push(&mut framer, &[p(2), p(4)].concat(), 0, Some(0), None);
    push(&mut framer, &[key_frame(), p(2)].concat(), 188, Some(80), None);
    framer.finish();
    let found = drain(&mut framer);
    assert_eq!(found.iter().map(|it| (it.0, it.1, it.3)).collect::<Vec<_>>()[0], (188, 80, key_frame().len()));
}

#[test]
fn an_intra_picture_with_parameter_sets_is_a_place_to_start() {
    let intra = Slice { frame_mbs_only: true, slice_type: 7, frame_num: 2, lsb: 4, ..Slice::P }.nal();
    let mut framer = NalFramer::h264();
    let sets = [sps(0, true), pps(0, false)].to_vec();
    push(&mut framer, &[key_frame(), p(2)].concat(), 0, Some(0), None);
    push(&mut framer, &annexb(&[AUD.to_vec(), intra.clone()]), 0, Some(40), None);
    push(&mut framer, &annexb(&[vec![AUD.to_vec()], sets, vec![intra]].concat()), 0, Some(80), None);
    framer.finish();
    let mut sample = Sample::default();
    let mut found = Vec::new();
    while framer.pop(&mut sample).unwrap().is_some() {
        found.push(sample.is_sync);
        sample.clear();
    }
    assert_eq!(found, [true, false, false, true]);
}

#[test]
fn an_endless_picture_is_given_up_and_what_follows_is_found() {
    let mut framer = NalFramer::h264();
    push(&mut framer, &key_frame(), 0, Some(0), None);
    let noise = vec![0xaa; 1 << 20];
    let mut errors = 0;
    for _ in 0..=ACCESS_UNIT_LEN_MAX >> 20 {
        push(&mut framer, &noise, 1, None, None);
        errors += usize::from(framer.pop(&mut Sample::default()).is_err());
    }
    assert_eq!((errors, framer.parser.buffer.len() < 2 << 20), (1, true));
    push(&mut framer, &[key_frame(), p(2)].concat(), 9, Some(40), None);
    framer.finish();
    assert_eq!(times(&mut framer), [(40, 40), (80, 80)]);
}

#[test]
fn h265_pictures_are_found_too() {
    let header = |nal_type: u8| [nal_type << 1, 1];
    let sps = BitWriter::default().u(8, 1).u(32, 0).u(32, 0).u(32, 0).ue(0).ue(1).ue(64).ue(64).u(1, 0);
    let sps = sps.ue(0).ue(0).ue(0).u(1, 1).ue(4).ue(0).ue(0).ue(0).ue(3).ue(0).ue(3).ue(0).ue(0);
    let sps = sps.u(4, 0).ue(0).u(4, 0).nal(&header(33));
    let pps = BitWriter::default().ue(0).ue(0).u(2, 0).u(3, 0).u(16, 0).nal(&header(34));
    let idr = BitWriter::default().u(2, 2).ue(0).ue(1).u(32, 0).nal(&header(19));
    let trail = |lsb| BitWriter::default().u(1, 1).ue(0).ue(1).u(4, lsb).u(32, 0).nal(&header(1));
    let further = BitWriter::default().u(1, 0).ue(0).u(32, 0).nal(&header(1));
    let mut framer = NalFramer::h265();
    push(&mut framer, &annexb(&[sps, pps, idr]), 0, Some(0), None);
    push(&mut framer, &annexb(&[trail(1), further.clone(), further]), 188, Some(40), None);
    push(&mut framer, &annexb(&[trail(2)]), 376, Some(80), None);
    framer.finish();
    let found = drain(&mut framer);
    assert_eq!(found.iter().map(|it| (it.1, it.2, it.4)).collect::<Vec<_>>(), [(0, 0, 3), (40, 40, 3), (80, 80, 1)]);
    assert!(matches!(framer.codec(), Some(Codec::H265(config)) if config.sps.len() == 1 && config.pps.len() == 1));
}

proptest! {
    #[test]
    fn damaged_streams_neither_panic_nor_break_the_order_of_decoding(
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..20),
        pieces in proptest::collection::vec((1_usize..300, proptest::option::of(-5000_i64..5000)), 1..60),
        is_h265: bool,
    ) {
        let mut stream: Vec<u8> = (0..40).flat_map(|number| if number % 9 == 0 { key_frame() } else { p(number % 8 * 2) }).collect();
        for (index, value) in damage {
            let index = index.index(stream.len());
            stream[index] = value;
        }
        let mut framer = if is_h265 { NalFramer::h265() } else { NalFramer::h264() };
        let (mut at, mut last) = (0, MediaTime::MIN);
        for (len, pts) in pieces.into_iter().cycle().take(200) {
            let end = stream.len().min(at + len);
            push(&mut framer, &stream[at..end], at as u64, pts, None);
            at = if end == stream.len() { framer.finish(); 0 } else { end };
            let mut sample = Sample::default();
            while let Ok(Some(_)) = framer.pop(&mut sample) {
                prop_assert!(sample.dts >= last && sample.pts >= sample.dts);
                prop_assert!(sample.nals.iter().all(|nal| nal.end <= sample.data.len()));
                last = sample.dts;
                sample.clear();
            }
            prop_assert!(framer.parser.buffer.len() <= stream.len() + 300);
        }
    }
}
