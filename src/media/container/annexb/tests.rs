//! Whole streams: two clips that x264 and x265 made, compared with what ffprobe says of them, and streams made here.

use std::io::Write;
use std::ops::Range;

use super::index::Start;
use super::pictures::Unit;
use super::*;
use crate::media::codec::h264::testing::{self, Slice};
use crate::media::{Next, Sample, SeekTo};
use std::time::{Duration, SystemTime};

/// 24 pictures in three open groups, with a pyramid of B pictures: key frames are the pictures 0, 5 and 13.
const CLIP_264: &[u8] = include_bytes!("../../../../tests/media/open_gop_bframes.h264");
const CLIP_265: &[u8] = include_bytes!("../../../../tests/media/open_gop_bframes.h265");
/// Places in order of display, in decode order: the order of ffprobe -show_frames.
const DISPLAY_264: [i64; 24] = [0, 4, 2, 1, 3, 8, 6, 5, 7, 12, 10, 9, 11, 16, 14, 13, 15, 20, 18, 17, 19, 23, 21, 22];
const DISPLAY_265: [i64; 24] = [0, 4, 2, 1, 3, 8, 6, 5, 7, 12, 10, 9, 11, 16, 14, 13, 15, 20, 18, 17, 19, 23, 22, 21];
/// Lengths of the access units, by ffprobe -show_packets.
const LEN_264: [usize; 24] =
    [1231, 35, 12, 12, 21, 600, 13, 13, 12, 16, 11, 12, 12, 600, 13, 13, 12, 16, 11, 12, 12, 22, 13, 12];
/// Likewise, but ffmpeg counts the first zero byte of a start code to the access unit before.
const LEN_265: [usize; 24] =
    [554, 32, 14, 15, 15, 553, 17, 16, 16, 18, 14, 15, 15, 560, 16, 17, 16, 17, 14, 15, 15, 18, 16, 16];
const KEYS: [usize; 3] = [0, 5, 13];

fn source(bytes: &[u8]) -> Source {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Source::new(file)
}

fn opened(bytes: &[u8]) -> Result<Arc<dyn Recording>, Error> {
    open(&source(bytes), &Options::default())
}

fn read_all(reader: &mut dyn Reader) -> Vec<Sample> {
    let mut samples = Vec::new();
    let mut sample = Sample::default();
    loop {
        match reader.next(&mut sample).unwrap() {
            Next::Sample => samples.push(sample.clone()),
            Next::Skipped(_) => {}
            Next::Pending | Next::End => return samples,
        }
    }
}

fn samples(bytes: &[u8]) -> Vec<Sample> {
    read_all(&mut *opened(bytes).unwrap().reader().unwrap())
}

#[test]
fn samples_are_the_access_units_that_ffprobe_shows() {
    let rate_264 = FrameRate::new(30_000, 1001).unwrap();
    let rate_265 = FrameRate::new(24, 1).unwrap();
    for (clip, lens, display, rate) in
        [(CLIP_264, LEN_264, DISPLAY_264, rate_264), (CLIP_265, LEN_265, DISPLAY_265, rate_265)]
    {
        let recording = opened(clip).unwrap();
        assert_eq!(recording.duration(), Some(rate.time_of(24)));
        assert_eq!(recording.tracks()[0].frame_rate, Some(rate.as_f64()));
        assert_eq!(recording.notes(), []);
        let samples = read_all(&mut *recording.reader().unwrap());
        assert_eq!(samples.iter().map(|sample| sample.data.len()).collect::<Vec<_>>(), lens);
        let data: Vec<u8> = samples.iter().flat_map(|sample| sample.data.clone()).collect();
        assert_eq!(data, clip);
        for (index, sample) in samples.iter().enumerate() {
            assert_eq!(sample.pts, rate.time_of(display[index]), "picture {index}");
            assert_eq!(sample.dts, rate.time_of(index as i64 - 2), "picture {index}");
            assert_eq!(sample.is_sync, KEYS.contains(&index), "picture {index}");
            let payload: usize = sample.nals.iter().map(Range::len).sum();
            let start_codes = 4 * sample.nals.len();
            assert!((sample.data.len() - start_codes..sample.data.len()).contains(&payload), "picture {index}");
        }
    }
}

/// A file that a recorder still writes, and the means to go on.
struct Growing {
    file: std::fs::File,
    bytes: Vec<u8>,
    written: usize,
}

impl Growing {
    const TIMEOUT: Duration = Duration::from_secs(600);

    fn new(bytes: &[u8], written: usize) -> Self {
        let mut growing = Self { file: tempfile::tempfile().unwrap(), bytes: bytes.to_vec(), written: 0 };
        growing.write_up_to(written);
        growing
    }

    fn source(&self) -> Source {
        Source::new(self.file.try_clone().unwrap()).growing(Self::TIMEOUT)
    }

    fn write_up_to(&mut self, end: usize) {
        let end = end.min(self.bytes.len());
        self.file.write_all(&self.bytes[self.written..end]).unwrap();
        self.written = end;
    }

    /// The recorder has ended long ago.
    fn end(&self) {
        self.file.set_modified(SystemTime::now() - 2 * Self::TIMEOUT).unwrap();
    }
}

#[test]
fn a_stream_that_grows_gives_the_same_samples_as_when_it_is_whole() {
    for (clip, step) in [(CLIP_264, 1), (CLIP_264, 97), (CLIP_265, 1), (CLIP_265, 41)] {
        let whole = samples(clip);
        let mut growing = Growing::new(clip, 1500);
        let recording = open(&growing.source(), &Options::default()).unwrap();
        assert_eq!(recording.duration(), None);
        let mut reader = Arc::clone(&recording).reader().unwrap();
        let mut found = read_all(&mut *reader);
        while growing.written < clip.len() {
            growing.write_up_to(growing.written + step);
            found.extend(read_all(&mut *reader));
            let mut sample = Sample::default();
            assert!(matches!(reader.next(&mut sample), Ok(Next::Pending)), "at byte {}", growing.written);
        }
        assert!((10..24).contains(&found.len()), "{} samples before it is known where it ends", found.len());
        growing.end();
        found.extend(read_all(&mut *reader));
        assert!(matches!(reader.next(&mut Sample::default()), Ok(Next::End)));
        let told = |samples: &[Sample]| -> Vec<(i64, i64, bool, Vec<u8>)> {
            let told =
                |sample: &Sample| (sample.pts.as_nanos(), sample.dts.as_nanos(), sample.is_sync, sample.data.clone());
            samples.iter().map(told).collect()
        };
        assert!(told(&found) == told(&whole), "written {step} bytes at a time");
    }
}

#[test]
fn seeks_in_a_stream_that_grows_go_as_far_as_it_has_come() {
    let mut growing = Growing::new(CLIP_264, 1900);
    let recording = open(&growing.source(), &Options::default()).unwrap();
    let whole = samples(CLIP_264);
    let mut reader = Arc::clone(&recording).reader().unwrap();
    assert_eq!(reader.seek(MediaTime::MAX, SeekTo::SyncAtOrBefore).unwrap(), MediaTime::ZERO);
    growing.write_up_to(usize::MAX);
    assert_eq!(reader.seek(MediaTime::MAX, SeekTo::SyncAtOrBefore).unwrap(), whole[13].pts);
    assert!(matches!(reader.next(&mut Sample::default()), Ok(Next::Sample)));
    assert!(Arc::clone(&recording).indexing().is_none(), "there is no end to it");
    growing.end();
    assert_eq!(reader.seek(MediaTime::MAX, SeekTo::SyncAtOrBefore).unwrap(), whole[13].pts);
    assert_eq!(recording.duration(), opened(CLIP_264).unwrap().duration());
}

#[test]
fn a_large_stream_is_known_once_it_has_been_looked_at_in_the_background_and_when_it_is_opened_again() {
    let bytes = CLIP_264.repeat(WHOLE_LEN_MAX as usize / CLIP_264.len() + 2);
    let recording = opened(&bytes).unwrap();
    assert_eq!(recording.duration(), None);
    let mut indexing = Arc::clone(&recording).indexing().unwrap();
    assert!(indexing.export().is_none());
    while indexing.step().unwrap() != Progress::Done {}
    let duration = recording.duration().unwrap();
    assert!(duration > MediaTime::from_millis(10_000_000));
    let kept = indexing.export().unwrap();
    let seek = |recording: &Arc<dyn Recording>| {
        let mut reader = Arc::clone(recording).reader().unwrap();
        let landed = reader.seek(MediaTime::from_millis(9_876_543), SeekTo::SyncAtOrBefore).unwrap();
        let mut sample = Sample::default();
        assert!(matches!(reader.next(&mut sample), Ok(Next::Sample)));
        (landed, sample.pts, sample.dts, sample.data)
    };
    let again = opened(&bytes).unwrap();
    let mut importing = Arc::clone(&again).indexing().unwrap();
    assert!(!importing.import(&kept[..kept.len() - 1]) && !importing.import(b"nonsense"));
    assert!(importing.import(&kept));
    assert_eq!(again.duration(), Some(duration));
    assert!(Arc::clone(&again).indexing().is_none());
    assert_eq!(seek(&again), seek(&recording));
}

#[test]
fn a_seek_far_beyond_what_is_known_goes_where_the_time_should_be_by_the_bit_rate() {
    let keys: Vec<_> = samples(CLIP_264).into_iter().filter(|sample| sample.is_sync).collect();
    let bytes = CLIP_264.repeat(WHOLE_LEN_MAX as usize / CLIP_264.len() + 2);
    let recording = opened(&bytes).unwrap();
    let mut reader = Arc::clone(&recording).reader().unwrap();
    let to = MediaTime::from_millis(9_876_543);
    let gop = MediaTime::from_millis(1000);
    for (how, range) in [(SeekTo::SyncAtOrBefore, to - gop..to), (SeekTo::SyncAtOrAfter, to..to + gop)] {
        let landed = reader.seek(to, how).unwrap();
        assert!(range.contains(&landed), "{how:?}: {landed}");
        assert_eq!(recording.duration(), None, "nobody has read up to there");
        let mut sample = Sample::default();
        assert!(matches!(reader.next(&mut sample), Ok(Next::Sample)));
        assert!(sample.is_sync && sample.pts == landed && sample.dts <= landed, "{sample:?}");
        assert!(keys.iter().any(|key| key.data == sample.data), "a whole key frame");
    }
    let last = reader.seek(MediaTime::MAX, SeekTo::SyncAtOrBefore).unwrap();
    assert!(last > to && last < MediaTime::MAX && read_all(&mut *reader).len() < 24, "{last}");
}

#[test]
fn parameter_sets_are_announced_once() {
    let recording = opened(CLIP_264).unwrap();
    let Codec::H264(config) = &recording.tracks()[0].codec else { panic!("not H.264") };
    assert_eq!((config.sps.len(), config.pps.len()), (1, 1));
    assert_eq!((config.sps[0][0], config.pps[0][0]), (0x67, 0x68));
    let recording = opened(CLIP_265).unwrap();
    let Codec::H265(config) = &recording.tracks()[0].codec else { panic!("not H.265") };
    assert_eq!((config.vps.len(), config.sps.len(), config.pps.len()), (1, 1, 1));
    assert_eq!((config.vps[0][0], config.sps[0][0], config.pps[0][0]), (0x40, 0x42, 0x44));
}

#[test]
fn a_parameter_set_that_comes_again_replaces_the_one_with_its_id() {
    let first = (testing::sps(0, true), testing::pps(0, true));
    let second = (testing::sps(2, true), testing::pps(1, false));
    let mut stream = Vec::new();
    for nal in [&first.0, &first.1, &second.0, &second.1] {
        stream.extend([0, 0, 0, 1]);
        stream.extend(nal);
    }
    stream.extend(CLIP_264);
    let Codec::H264(config) = opened(&stream).unwrap().tracks()[0].codec.clone() else { panic!("not H.264") };
    assert_eq!(config.sps.len(), 1, "one id, three contents");
    assert_eq!(config.pps.len(), 2);
    assert_eq!(config.pps[1], second.1);
}

#[test]
fn seeks_land_on_key_frames_and_play_on_as_without() {
    use SeekTo::{SyncAtOrAfter, SyncAtOrBefore};
    for (clip, display) in [(CLIP_264, DISPLAY_264), (CLIP_265, DISPLAY_265)] {
        let recording = opened(clip).unwrap();
        let rate = recording.tracks()[0].frame_rate.map(FrameRate::from_f64).unwrap();
        let straight = samples(clip);
        let mut reader = recording.reader().unwrap();
        let just_before = |index| rate.time_of(index) - MediaTime::from_nanos(1);
        for (to, how, key) in [
            (MediaTime::MIN, SyncAtOrBefore, 0),
            (MediaTime::ZERO, SyncAtOrAfter, 0),
            (rate.time_of(7), SyncAtOrBefore, 0),
            (just_before(8), SyncAtOrBefore, 0),
            (rate.time_of(8), SyncAtOrBefore, 5),
            (rate.time_of(15), SyncAtOrBefore, 5),
            (rate.time_of(16), SyncAtOrBefore, 13),
            (MediaTime::MAX, SyncAtOrBefore, 13),
            (MediaTime::from_nanos(1), SyncAtOrAfter, 5),
            (just_before(8), SyncAtOrAfter, 5),
            (rate.time_of(8), SyncAtOrAfter, 5),
            (rate.time_of(9), SyncAtOrAfter, 13),
            (rate.time_of(17), SyncAtOrAfter, 13),
            (MediaTime::MAX, SyncAtOrAfter, 13),
        ] {
            assert_eq!(reader.seek(to, how).unwrap(), rate.time_of(display[key]), "{how:?} {to}");
            let tail = read_all(&mut *reader);
            let mut expected = straight[key..].to_vec();
            if tail.len() < expected.len() {
                // H.265 leading pictures that refer to what came before the key frame.
                assert_eq!(clip, CLIP_265);
                expected.retain(|sample| sample.is_sync || sample.pts > rate.time_of(display[key]));
            }
            let time = |sample: &Sample| (sample.pts, sample.dts, sample.data.clone());
            assert!(tail.iter().map(time).eq(expected.iter().map(time)), "{how:?} {to}");
        }
    }
}

#[test]
fn an_index_that_grows_answers_as_one_that_is_whole() {
    for (clip, format) in [(CLIP_264, Format::H264), (CLIP_265, Format::H265)] {
        let source = source(clip);
        let end = clip.len() as u64;
        let mut window = Window::new(source.clone(), 512);
        let begin = find_begin(&mut window, end, format).unwrap();
        let start = Pictures::new(begin.at, end, begin.sync);
        for step in [1, 7, 10, 100] {
            let whole = Index::new(source.clone(), &start, end, step);
            while whole.extend(u64::MAX).unwrap() {}
            assert_eq!(whole.extent().total, Some(24));
            for how in [SeekTo::SyncAtOrBefore, SeekTo::SyncAtOrAfter] {
                // About each key frame, between them and beyond the end.
                for target in [0, 1, 4, 7, 8, 9, 15, 16, 17, 23, 29] {
                    let growing = Index::new(source.clone(), &start, end, step);
                    growing.extend(700).unwrap();
                    assert_eq!(growing.extent().total, None);
                    let found = |index: &Index| index.find(target, how).unwrap();
                    let (growing, whole) = (found(&growing), found(&whole));
                    assert_eq!(growing, whole, "display index {target}, {how:?}, step {step}");
                    assert!(whole.is_some_and(|Start { display_index, .. }| [0, 8, 16].contains(&display_index)));
                }
            }
        }
    }
}

#[test]
fn nothing_depends_on_how_much_is_read_at_once() {
    let units = |window_len| {
        let sets = Sets::H264(Arc::default());
        let mut pictures = Pictures::new(0, CLIP_264.len() as u64, Sync { sets, starts_sequence: true });
        let mut window = Window::new(source(CLIP_264), window_len);
        std::iter::from_fn(|| pictures.next(&mut window).unwrap()).collect::<Vec<Unit>>()
    };
    let expected = units(1 << 16);
    assert_eq!(expected.len(), 24);
    for window_len in (1..100).chain(1200..1250) {
        assert_eq!(units(window_len), expected, "windows of {window_len} bytes");
    }
}

#[test]
fn what_precedes_the_first_key_frame_is_left_out_and_told() {
    // The first group's key frame is cut through.
    let recording = opened(&CLIP_264[1000..]).unwrap();
    let expected = "no key frame in the first 311 bytes: they are left out at byte 0";
    assert_eq!(recording.notes().iter().map(Note::to_string).collect::<Vec<_>>(), [expected]);
    let samples = read_all(&mut *recording.reader().unwrap());
    assert_eq!(samples.len(), 19);
    assert!(samples[0].is_sync);
    assert_eq!(samples.iter().map(|sample| sample.pts).min(), Some(MediaTime::ZERO));
}

#[test]
fn junk_and_zeros_around_the_stream_are_put_up_with() {
    for (what, before, after) in [
        ("zeros", vec![0; 100], vec![0; 100]),
        ("junk", vec![0x55; 9000], vec![]),
        ("a start code at the end", vec![], vec![0, 0, 1]),
        ("a NAL unit of one byte", vec![0, 0, 1, 0x41], vec![0, 0, 1, 0x41]),
    ] {
        let samples = samples(&[&before, CLIP_264, &after].concat());
        assert_eq!(samples.len(), 24, "{what}");
        assert!(
            samples
                .iter()
                .zip(&DISPLAY_264)
                .all(|(sample, index)| { sample.pts == FrameRate::new(30_000, 1001).unwrap().time_of(*index) })
        );
    }
}

#[test]
fn a_cut_off_picture_is_delivered() {
    let cut = &CLIP_264[..1231 + 20];
    assert_eq!(samples(cut).iter().map(|sample| sample.data.len()).collect::<Vec<_>>(), [1231, 20]);
}

#[test]
fn the_content_tells_the_codec_whatever_the_name() {
    for (clip, name) in [(CLIP_264, "raw H.264"), (CLIP_265, "raw H.265")] {
        for container in [&H264, &H265] {
            let recording = (container.open)(&source(clip), &Options::default()).unwrap();
            assert_eq!(recording.container(), name);
        }
        for file in ["cam.264", "cam.h265", "cam.mp4", "cam"] {
            let recording = crate::media::open(&source(clip), file, &Options::default()).unwrap();
            assert_eq!(recording.container(), name, "{file}");
        }
    }
}

#[test]
fn sniffing_is_sure_of_streams_and_denies_other_formats() {
    use crate::media::container::Sniff::{Maybe, No, Yes};
    let with = |before: &[u8], clip: &[u8]| [before, clip].concat();
    for (what, head, h264, h265) in [
        ("H.264", CLIP_264.to_vec(), Yes, No),
        ("H.265", CLIP_265.to_vec(), No, Yes),
        ("zeros first", with(&[0; 50], CLIP_264), Yes, No),
        ("junk first", with(&[7; 50], CLIP_265), No, Maybe),
        ("slices only", CLIP_264[1232..1311].to_vec(), Maybe, Maybe),
        ("a NAL unit longer than what is looked at", vec![7; 4096], Maybe, Maybe),
        ("a program stream", with(b"\0\0\x01\xba\x44\0\0\x01\xbb\0\0\x01\xe0\x10\x10", &[7; 100]), No, No),
        ("H.264 in a program stream", with(b"\0\0\x01\xba\x44\0\0\x01\xe0\x10\x10", CLIP_264), Maybe, No),
        ("MPEG-2 video", with(b"\0\0\x01\xb3\x44\0\0\x01\xb5\x10\0\0\x01\xb8", &[7; 100]), No, No),
        ("nothing", vec![], No, No),
    ] {
        assert_eq!(((H264.sniff)(&head), (H265.sniff)(&head)), (h264, h265), "{what}");
    }
}

#[test]
fn without_parameter_sets_or_pictures_a_file_is_refused() {
    let parameter_sets_only = [&[0, 0, 1][..], &testing::sps(0, true), &[0, 0, 1], &testing::pps(0, false)].concat();
    for (bytes, expected) in [
        (&b""[..], "no H.264 or H.265 sequence parameter set in the first 0 bytes"),
        (&[0x5a; 5000], "no H.264 or H.265 sequence parameter set in the first 5000 bytes"),
        (&CLIP_264[1232..1311], "no H.264 or H.265 sequence parameter set in the first 79 bytes"),
        (&parameter_sets_only, "parameter sets, but no picture that refers to them"),
    ] {
        assert_eq!(opened(bytes).err().map(|error| error.to_string()).as_deref(), Some(expected));
    }
}

/// A stream of these slices behind parameter sets for frames and fields.
fn stream_of(slices: &[Slice]) -> Vec<u8> {
    let mut stream = Vec::new();
    for nal in [testing::sps(0, false), testing::pps(0, false)].into_iter().chain(slices.iter().map(Slice::nal)) {
        stream.extend([0, 0, 1]);
        stream.extend(nal);
    }
    stream
}

const IDR: Slice = Slice { nal: 0x65, slice_type: 7, ..Slice::P };

#[test]
fn both_fields_of_a_frame_are_in_one_sample_with_the_time_of_a_frame() {
    let mut slices = Vec::new();
    for frame in 0..3 {
        let field = |bottom: bool| Slice {
            field: Some(bottom),
            frame_num: frame,
            lsb: 2 * frame + u32::from(bottom),
            ..if frame == 0 && !bottom { IDR } else { Slice::P }
        };
        slices.extend([field(false), field(true)]);
    }
    let samples = samples(&stream_of(&slices));
    assert_eq!(samples.iter().map(|sample| sample.nals.len()).collect::<Vec<_>>(), [4, 2, 2]);
    assert_eq!(samples.iter().map(|sample| sample.pts.as_nanos()).collect::<Vec<_>>(), [0, 40_000_000, 80_000_000]);
}

#[test]
fn a_picture_of_thousands_of_slices_is_one_sample() {
    let slices: Vec<_> = (0..4000).map(|index| Slice { first_mb: index % 80, ..IDR }).collect();
    // Every 80 slices the first macroblock comes again.
    assert_eq!(samples(&stream_of(&slices)).len(), 50);
    let slices: Vec<_> = (0..4000).map(|index| Slice { first_mb: 1 + index % 79, ..IDR }).collect();
    let samples = samples(&stream_of(&slices));
    assert_eq!(samples.iter().map(|sample| sample.nals.len()).collect::<Vec<_>>(), [4002]);
}

#[test]
fn a_stream_whose_order_counts_never_allow_output_is_not_held_back_for_ever() {
    let mut slices = vec![IDR];
    for index in 1..2000_u32 {
        slices.push(Slice { frame_num: index % 16, lsb: (16 - index % 16) % 16, ..Slice::P });
    }
    let samples = samples(&stream_of(&slices));
    assert_eq!(samples.len(), 2000);
    let mut times: Vec<_> = samples.iter().map(|sample| sample.pts).collect();
    times.sort_unstable();
    times.dedup();
    assert_eq!(times.len(), 2000, "every picture has a time of its own");
}

#[test]
fn the_configured_rate_counts_where_the_stream_tells_none() {
    let options = Options { frame_rate_default: 12.5, ..Options::default() };
    let stream = stream_of(&[IDR, Slice { frame_num: 1, lsb: 2, ..Slice::P }]);
    let recording = open(&source(&stream), &options).unwrap();
    assert_eq!(recording.duration(), Some(MediaTime::from_millis(160)));
}

#[test]
fn an_unselected_track_has_no_samples() {
    let mut reader = opened(CLIP_264).unwrap().reader().unwrap();
    reader.select(0, false);
    assert!(matches!(reader.next(&mut Sample::default()), Ok(Next::End)));
    reader.select(0, true);
    assert_eq!(read_all(&mut *reader).len(), 24);
}

#[test]
fn a_file_that_shrinks_ends_with_an_error_and_not_with_a_panic() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(CLIP_264).unwrap();
    let recording = open(&Source::new(file.try_clone().unwrap()), &Options::default()).unwrap();
    let mut reader = recording.reader().unwrap();
    file.set_len(600).unwrap();
    assert!(matches!(reader.next(&mut Sample::default()), Err(Error::Truncated { at: 600, .. }) | Ok(Next::End)));
}

#[test]
fn damage_anywhere_does_no_harm() {
    let mut seed = 1_u32;
    let mut random = move |below: usize| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) as usize % below
    };
    for clip in [CLIP_264, CLIP_265] {
        for _ in 0..150 {
            let mut bytes = clip.to_vec();
            for _ in 0..1 + random(20) {
                let at = random(bytes.len());
                bytes[at] = [0, 1, 3, 0x65, 0x67, 0x42, 0xff, random(256) as u8][random(8)];
            }
            bytes.truncate(1 + random(bytes.len()));
            let Ok(recording) = opened(&bytes) else { continue };
            let mut reader = recording.reader().unwrap();
            let samples = read_all(&mut *reader);
            assert!(samples.len() < bytes.len());
            assert!(samples.iter().all(|sample| sample.data.len() <= bytes.len()));
            for how in [SeekTo::SyncAtOrBefore, SeekTo::SyncAtOrAfter] {
                let landed = reader.seek(MediaTime::from_millis(random(1000) as i64), how).unwrap();
                assert!(landed >= MediaTime::ZERO);
                read_all(&mut *reader);
            }
        }
    }
}
