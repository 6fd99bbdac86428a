//! AVI files built byte by byte.

use std::io::Write;

use proptest::prelude::*;

use super::*;
use crate::media::codec::h264::testing::{self, Slice};
use crate::media::{Next, Sample, SeekTo};

fn chunk(id: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut chunk = [&id[..], &(data.len() as u32).to_le_bytes(), data].concat();
    chunk.extend(vec![0; data.len() % 2]);
    chunk
}

fn list(kind: &[u8; 4], parts: &[Vec<u8>]) -> Vec<u8> {
    chunk(b"LIST", &[&kind[..], &parts.concat()].concat())
}

fn le32(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

#[derive(Clone, Copy)]
struct Strh {
    kind: &'static [u8; 4],
    scale: u32,
    rate: u32,
    start: u32,
    sample_size: u32,
}

const VIDEO: Strh = Strh { kind: b"vids", scale: 1, rate: 25, start: 0, sample_size: 0 };
const PCM: Strh = Strh { kind: b"auds", scale: 1, rate: 8000, start: 0, sample_size: 2 };

fn bitmap_info(fourcc: &[u8; 4]) -> Vec<u8> {
    [&le32(&[40, 160, 120, 0x18_0001])[..], fourcc, &[0; 20]].concat()
}

fn wave_format(tag: u16, rate: u32, bytes_per_second: u32, block_align: u16, bits: u16) -> Vec<u8> {
    let mut format = [tag.to_le_bytes(), 1_u16.to_le_bytes()].concat();
    format.extend(le32(&[rate, bytes_per_second]));
    [block_align, bits, 0].iter().for_each(|field| format.extend(field.to_le_bytes()));
    format
}

fn pcm_format() -> Vec<u8> {
    wave_format(1, 8000, 16_000, 2, 16)
}

fn stream(strh: Strh, format: &[u8], index: &[u8]) -> Vec<u8> {
    let header = [&strh.kind[..], &[0; 16], &le32(&[strh.scale, strh.rate, strh.start, 0, 0, 0, strh.sample_size])];
    let header = [&header.concat()[..], &[0; 8]].concat();
    list(b"strl", &[chunk(b"strh", &header), chunk(b"strf", format), index.to_vec()])
}

fn header_list(streams: &[Vec<u8>]) -> Vec<u8> {
    let avih = chunk(b"avih", &le32(&[40_000, 0, 0, 0x10, 0, 0, streams.len() as u32, 0, 160, 120, 0, 0, 0, 0]));
    list(b"hdrl", &[avih, streams.concat()])
}

fn riff(kind: &[u8; 4], parts: &[Vec<u8>]) -> Vec<u8> {
    chunk(b"RIFF", &[&kind[..], &parts.concat()].concat())
}

/// Data of a stream: the identifier of its chunk, whether it is a key frame, the bytes.
type Data = (&'static [u8; 4], bool, Vec<u8>);

/// `idx1` with offsets from the list's type, plus `base`.
fn idx1(data: &[Data], base: u32) -> Vec<u8> {
    let mut entries = Vec::new();
    let mut at = 4_u32;
    for (id, is_key, bytes) in data {
        entries.extend_from_slice(&id[..]);
        entries.extend(le32(&[if *is_key { 0x10 } else { 0 }, at.wrapping_add(base), bytes.len() as u32]));
        at += 8 + (bytes.len() as u32).next_multiple_of(2);
    }
    chunk(b"idx1", &entries)
}

fn chunks(data: &[Data]) -> Vec<u8> {
    data.iter().flat_map(|(id, _, bytes)| chunk(id, bytes)).collect()
}

fn file(streams: &[Vec<u8>], data: &[Data], index: Vec<u8>) -> Vec<u8> {
    riff(b"AVI ", &[header_list(streams), list(b"movi", &[chunks(data)]), index])
}

fn mjpeg_streams() -> [Vec<u8>; 2] {
    [stream(VIDEO, &bitmap_info(b"MJPG"), &[]), stream(PCM, &pcm_format(), &[])]
}

/// Ten seconds of MJPEG, whose pictures end with their number, and PCM, in chunks of half a second that come together.
fn mjpeg_data() -> Vec<Data> {
    let mut data: Vec<Data> = Vec::new();
    for number in 0..250_u32 {
        if number % 12 == 0 {
            let second = vec![number as u8; if number < 240 { 7680 } else { 6400 }];
            data.push((b"01wb", true, second));
        }
        data.push((b"00dc", true, vec![0xff, 0xd8, number as u8]));
    }
    data
}

fn mjpeg() -> Vec<u8> {
    file(&mjpeg_streams(), &mjpeg_data(), idx1(&mjpeg_data(), 0))
}

fn source(bytes: &[u8]) -> Source {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Source::new(file)
}

fn open_bytes(bytes: &[u8]) -> Arc<Avi> {
    Arc::new(Avi::open(&source(bytes)).unwrap())
}

/// Track, presentation and decoding time in milliseconds, key, length and last byte of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    track: usize,
    pts: i64,
    dts: i64,
    is_sync: bool,
    len: usize,
    last: u8,
}

fn read_on(reader: &mut dyn Reader) -> (Vec<Seen>, Vec<String>) {
    let (mut samples, mut damage) = (Vec::new(), Vec::new());
    let mut sample = Sample::default();
    loop {
        match reader.next(&mut sample).unwrap() {
            Next::Sample => samples.push(Seen {
                track: sample.track,
                pts: sample.pts.to_ticks(1000),
                dts: sample.dts.to_ticks(1000),
                is_sync: sample.is_sync,
                len: sample.data.len(),
                last: *sample.data.last().unwrap(),
            }),
            Next::Skipped(error) => damage.push(error.to_string()),
            Next::Pending => panic!("an AVI file has no more to come"),
            Next::End => return (samples, damage),
        }
    }
}

fn read(bytes: &[u8]) -> (Vec<Seen>, Vec<String>) {
    read_on(&mut *open_bytes(bytes).reader().unwrap())
}

fn of_track(samples: &[Seen], track: usize) -> Vec<Seen> {
    samples.iter().filter(|sample| sample.track == track).copied().collect()
}

#[test]
fn chunks_are_counted_and_tracks_interleaved_by_time_however_far_apart_they_lie() {
    let avi = open_bytes(&mjpeg());
    assert_eq!((avi.duration(), avi.notes().len()), (Some(MediaTime::from_millis(10_000)), 0));
    assert_eq!(avi.tracks()[0].frame_rate, Some(25.0));
    assert_eq!(avi.tracks()[1].bitrate, Some(128_000));
    let (samples, damage) = read(&mjpeg());
    assert_eq!((samples.len(), damage), (750, vec![]));
    assert!(samples.is_sorted_by_key(|sample| sample.dts), "{samples:?}");
    let video = of_track(&samples, 0);
    for (number, sample) in video.iter().enumerate() {
        let millis = number as i64 * 40;
        let expected = Seen { track: 0, pts: millis, dts: millis, is_sync: true, len: 3, last: number as u8 };
        assert_eq!(*sample, expected);
    }
    let sound = of_track(&samples, 1);
    assert!(sound.iter().enumerate().all(|(number, sample)| sample.pts == number as i64 * 20), "{sound:?}");

    let (mut pictures, sound): (Vec<Data>, Vec<Data>) = mjpeg_data().into_iter().partition(|data| data.0 == b"00dc");
    pictures.extend(sound);
    let apart = file(&mjpeg_streams(), &pictures, idx1(&pictures, 0));
    assert_eq!(read(&apart).0, samples, "all sound behind all pictures");
}

#[test]
fn every_index_and_none_lead_to_the_same_samples() {
    let (data, streams) = (mjpeg_data(), mjpeg_streams());
    let expected = read(&mjpeg());
    let movi_type_at = 12 + header_list(&streams).len() as u32 + 8;
    let rows = [
        ("offsets from the start of the file", idx1(&data, movi_type_at)),
        ("offsets from the first chunk", idx1(&data, 0u32.wrapping_sub(4))),
        ("no index", vec![]),
        ("an index of zeros", chunk(b"idx1", &[0; 1600])),
        ("an index to somewhere else", idx1(&data, 1000)),
        ("half an index", idx1(&data[..100], 0)),
    ];
    for (what, index) in rows {
        assert_eq!(read(&file(&streams, &data, index)), expected, "{what}");
    }
    let records = data.chunks(7).map(|some| list(b"rec ", &[chunks(some)])).collect::<Vec<_>>();
    let with_records = riff(b"AVI ", &[header_list(&streams), list(b"movi", &records)]);
    assert_eq!(read(&with_records), expected, "rec lists");
}

/// An OpenDML file: three RIFF lists, each with an index chunk for each stream.
fn open_dml() -> Vec<u8> {
    let data = mjpeg_data();
    let super_index = |entries: &[(u64, u32)], id: &[u8; 4]| {
        let mut body = [&[4, 0, 0, 0][..], &le32(&[entries.len() as u32]), id, &[0; 12]].concat();
        entries.iter().for_each(|(at, len)| body.extend([at.to_le_bytes().to_vec(), le32(&[*len, 0])].concat()));
        body.resize(24 + 16 * 4, 0);
        chunk(b"indx", &body)
    };
    let headers = |entries: &[Vec<(u64, u32)>; 2]| {
        header_list(&[
            stream(VIDEO, &bitmap_info(b"MJPG"), &super_index(&entries[0], b"00dc")),
            stream(PCM, &pcm_format(), &super_index(&entries[1], b"01wb")),
        ])
    };
    let headers_len = headers(&[vec![], vec![]]).len();
    let mut entries = [vec![], vec![]];
    let mut riffs = Vec::new();
    let mut at = 0_u64;
    for (number, part) in data.chunks(100).enumerate() {
        let movi_at = at + 12 + if number == 0 { headers_len as u64 } else { 0 };
        let mut offset = 12_u32;
        let mut indexes = [vec![], vec![]];
        for (id, _, bytes) in part {
            indexes[usize::from(id[1] - b'0')].extend(le32(&[offset + 8, bytes.len() as u32]));
            offset += 8 + (bytes.len() as u32).next_multiple_of(2);
        }
        let mut movi = chunks(part);
        for (stream, index) in indexes.iter().enumerate() {
            let id = [b"00dc", b"01wb"][stream];
            let head = [&[2, 0, 0, 1][..], &le32(&[index.len() as u32 / 8]), id, &movi_at.to_le_bytes(), &[0; 4]];
            let standard = chunk([b"ix00", b"ix01"][stream], &[&head.concat()[..], index].concat());
            entries[stream].push((movi_at + 12 + movi.len() as u64, standard.len() as u32));
            movi.extend(standard);
        }
        let movi = list(b"movi", &[movi]);
        at += 12 + movi.len() as u64 + if number == 0 { headers_len as u64 } else { 0 };
        riffs.push(movi);
    }
    let mut file = riff(b"AVI ", &[headers(&entries), riffs[0].clone()]);
    riffs[1..].iter().for_each(|movi| file.extend(riff(b"AVIX", std::slice::from_ref(movi))));
    file
}

#[test]
fn an_open_dml_index_leads_over_all_riff_lists_and_without_it_they_are_stepped_through() {
    let bytes = open_dml();
    let avi = open_bytes(&bytes);
    assert!(matches!(avi.places, Places::Standard(_)), "{:?}", avi.notes());
    assert_eq!(read(&bytes), read(&mjpeg()));
    let mut without = bytes.clone();
    let at = bytes.windows(4).position(|window| window == b"indx").unwrap();
    without[at..at + 4].copy_from_slice(b"JUNK");
    assert!(matches!(open_bytes(&without).places, Places::Walk(_)));
    assert_eq!(read(&without), read(&mjpeg()));
}

#[test]
fn seeking_lands_on_the_picture_and_sound_follows_from_that_time_on() {
    for (what, bytes) in
        [("idx1", mjpeg()), ("OpenDML", open_dml()), ("none", file(&mjpeg_streams(), &mjpeg_data(), vec![]))]
    {
        let avi = open_bytes(&bytes);
        let all = read(&bytes).0;
        let mut reader = Arc::clone(&avi).reader().unwrap();
        for (to, how, landed) in [
            (5000, SeekTo::SyncAtOrBefore, 5000),
            (5039, SeekTo::SyncAtOrBefore, 5000),
            (5001, SeekTo::SyncAtOrAfter, 5040),
            (1, SeekTo::SyncAtOrBefore, 0),
            (99_000, SeekTo::SyncAtOrBefore, 9960),
            (99_000, SeekTo::SyncAtOrAfter, 9960),
            (0, SeekTo::SyncAtOrBefore, 0),
            (-5, SeekTo::SyncAtOrAfter, 0),
        ] {
            let time = reader.seek(MediaTime::from_millis(to), how).unwrap();
            assert_eq!(time, MediaTime::from_millis(landed), "{what}: to {to} {how:?}");
            let (samples, damage) = read_on(&mut *reader);
            assert_eq!(damage, Vec::<String>::new());
            let expected: Vec<_> = all.iter().filter(|sample| sample.pts >= landed).copied().collect();
            assert_eq!(samples, expected, "{what}: to {to}");
        }
    }
}

#[test]
fn without_video_seeking_lands_on_the_very_value_of_pcm() {
    let avi = open_bytes(&mjpeg());
    let mut reader = avi.reader().unwrap();
    reader.select(0, false);
    let to = MediaTime::from_ticks(12_345, 8000);
    assert_eq!(reader.seek(to, SeekTo::SyncAtOrBefore).unwrap(), to);
    let mut sample = Sample::default();
    assert!(matches!(reader.next(&mut sample).unwrap(), Next::Sample));
    assert_eq!((sample.track, sample.pts), (1, to));
    reader.select(0, true);
    let (samples, _) = read_on(&mut *reader);
    assert!(samples.iter().any(|sample| sample.track == 0 && sample.pts == 1560), "{:?}", &samples[..4]);
}

#[test]
fn empty_chunks_take_time_and_starts_shift_a_stream() {
    let video = Strh { start: 50, ..VIDEO };
    let streams = [stream(video, &bitmap_info(b"MJPG"), &[]), stream(PCM, &pcm_format(), &[])];
    let picture = |mark| -> Data { (b"00dc", true, vec![0xff, 0xd8, mark]) };
    let data = vec![picture(1), (b"00dc", false, vec![]), (b"00pc", false, vec![0; 8]), picture(2)];
    let (samples, damage) = read(&file(&streams, &data, idx1(&data, 0)));
    assert_eq!(damage, Vec::<String>::new());
    assert_eq!(samples.iter().map(|sample| (sample.pts, sample.last)).collect::<Vec<_>>(), [(2000, 1), (2080, 2)]);
}

/// Pictures I P b b P b b of H.264 in Annex B, with parameter sets in the first.
fn h264_data() -> Vec<Data> {
    let mut data: Vec<Data> = Vec::new();
    for _ in 0..4 {
        for (number, lsb) in [0_u32, 6, 2, 4, 12, 8, 10].into_iter().enumerate() {
            let is_key = number == 0;
            let nal = match (is_key, lsb % 6) {
                (true, _) => 0x65,
                (false, 0) => 0x41,
                _ => 0x01,
            };
            let frame_num = [0, 1, 2, 2, 2, 3, 3][number];
            let slice =
                Slice { nal, frame_num, lsb, frame_mbs_only: true, slice_type: if is_key { 7 } else { 5 }, ..Slice::P };
            let sets = if is_key { vec![testing::sps(0, true), testing::pps(0, false)] } else { vec![] };
            let units = sets.into_iter().chain([slice.nal()]);
            data.push((b"00dc", is_key, units.flat_map(|unit| [vec![0, 0, 0, 1], unit].concat()).collect()));
        }
    }
    data
}

#[test]
fn pictures_of_h264_are_shown_in_the_order_of_their_order_counts() {
    let streams = [stream(VIDEO, &bitmap_info(b"H264"), &[])];
    let plain = file(&streams, &h264_data(), idx1(&h264_data(), 0));
    let (samples, _) = read(&plain);
    let order = [0, 3, 1, 2, 6, 4, 5];
    for (number, sample) in samples.iter().enumerate() {
        let shown = (number as i64 / 7) * 7 + order[number % 7];
        let seen = (sample.dts, sample.pts, sample.is_sync);
        // Display lags behind decoding by one picture.
        assert_eq!(seen, (number as i64 * 40, (shown + 1) * 40, number % 7 == 0), "picture {number}");
    }
    let mut reader = open_bytes(&plain).reader().unwrap();
    assert_eq!(reader.seek(MediaTime::from_millis(879), SeekTo::SyncAtOrBefore).unwrap(), MediaTime::from_millis(600));
    assert_eq!(read_on(&mut *reader).0, samples[14..]);
}

#[test]
fn key_frames_are_told_by_the_content_where_the_index_marks_all_or_none() {
    let streams = [stream(VIDEO, &bitmap_info(b"H264"), &[])];
    let expected = read(&file(&streams, &h264_data(), idx1(&h264_data(), 0)));
    for mark in [true, false] {
        let data: Vec<Data> = h264_data().into_iter().map(|(id, _, bytes)| (id, mark, bytes)).collect();
        let bytes = file(&streams, &data, idx1(&data, 0));
        assert_eq!(read(&bytes), expected);
        let mut reader = open_bytes(&bytes).reader().unwrap();
        for (how, landed) in [(SeekTo::SyncAtOrBefore, 600), (SeekTo::SyncAtOrAfter, 880)] {
            let time = reader.seek(MediaTime::from_millis(700), how).unwrap();
            assert_eq!(time, MediaTime::from_millis(landed), "all {mark}");
        }
    }
}

#[test]
fn frames_of_mp3_that_chunks_cut_anywhere_come_out_whole_with_the_times_that_bytes_tell() {
    // MPEG-1 layer III, 64 kbit/s at 32 kHz: 288 bytes and 36 ms each.
    let frame = |number: u8| [&[0xff, 0xfb, 0x58, 0xc4][..], &[0; 283], &[number]].concat();
    let stream_bytes: Vec<u8> = (0..100).flat_map(frame).collect();
    let strh = Strh { kind: b"auds", scale: 1, rate: 8000, start: 0, sample_size: 1 };
    let streams = [stream(strh, &wave_format(0x55, 32_000, 8000, 1, 0), &[])];
    let data: Vec<Data> = stream_bytes.chunks(1001).map(|bytes| -> Data { (b"00wb", true, bytes.to_vec()) }).collect();
    let bytes = file(&streams, &data, idx1(&data, 0));
    let (samples, damage) = read(&bytes);
    assert_eq!((samples.len(), damage), (100, vec![]));
    assert!(samples.iter().enumerate().all(|(n, sample)| (sample.pts, sample.last) == (n as i64 * 36, n as u8)));
    let mut reader = open_bytes(&bytes).reader().unwrap();
    let landed = reader.seek(MediaTime::from_millis(1801), SeekTo::SyncAtOrBefore).unwrap();
    assert_eq!(landed, MediaTime::from_millis(50 * 36));
    assert_eq!(read_on(&mut *reader).0, samples[50..]);
    let landed = reader.seek(MediaTime::from_millis(1801), SeekTo::SyncAtOrAfter).unwrap();
    assert_eq!(landed, MediaTime::from_millis(51 * 36));
    assert_eq!(read_on(&mut *reader).0, samples[51..]);
}

/// Sound of 8000 Hz and one channel in blocks of `block_len` bytes, cut into chunks of `chunk_len` bytes.
fn sound_only(tag: u16, bits: u16, block_len: u16, chunk_len: usize, sound: &[u8]) -> Vec<u8> {
    let strh = Strh { kind: b"auds", scale: 1, rate: 8000, start: 0, sample_size: 0 };
    let data: Vec<Data> = sound.chunks(chunk_len).map(|bytes| -> Data { (b"00wb", true, bytes.to_vec()) }).collect();
    let streams = [stream(strh, &wave_format(tag, 8000, 8000, block_len, bits), &[])];
    file(&streams, &data, idx1(&data, 0))
}

#[test]
fn a_seek_in_sound_alone_lands_at_or_before_the_time_and_beyond_the_end_on_the_last_sample() {
    // IMA ADPCM, whose blocks of 256 bytes have 505 values; 40 blocks.
    let blocks: Vec<u8> = (0..40).flat_map(|number| [number; 256]).collect();
    for (what, chunk_len) in [("blocks in chunks", 512), ("chunks that cut blocks", 100), ("one chunk", 40 * 256)] {
        let mut reader = open_bytes(&sound_only(0x11, 4, 256, chunk_len, &blocks)).reader().unwrap();
        let block = |number: i64| MediaTime::from_ticks(505 * number, 8000);
        for (to, how, landed) in [
            (MediaTime::from_millis(1400), SeekTo::SyncAtOrBefore, 22),
            (MediaTime::from_millis(1400), SeekTo::SyncAtOrAfter, 23),
            (block(7), SeekTo::SyncAtOrBefore, 7),
            (block(7), SeekTo::SyncAtOrAfter, 7),
            (MediaTime::from_millis(10), SeekTo::SyncAtOrBefore, 0),
            (MediaTime::from_millis(5982), SeekTo::SyncAtOrBefore, 39),
            (MediaTime::from_millis(5982), SeekTo::SyncAtOrAfter, 39),
        ] {
            assert_eq!(reader.seek(to, how).unwrap(), block(landed), "{what}: to {to} {how:?}");
            let (samples, damage) = read_on(&mut *reader);
            assert_eq!((samples.len(), damage), (40 - landed as usize, vec![]), "{what}: to {to} {how:?}");
            let told = (samples[0].pts, samples[0].last, samples[0].len);
            assert_eq!(told, (block(landed).to_ticks(1000), landed as u8, 256), "{what}: to {to} {how:?}");
        }
    }
}

#[test]
fn a_seek_beyond_the_end_of_sound_that_can_be_cut_anywhere_lands_on_its_last_sample() {
    let bytes = sound_only(7, 8, 1, 1024, &[0x55; 32_000]);
    let last = *read(&bytes).0.last().unwrap();
    // The last chunk begins at 31,744: samples of 160 bytes, the last one of 96.
    assert_eq!((last.pts, last.len), (3988, 96));
    let mut reader = open_bytes(&bytes).reader().unwrap();
    for how in [SeekTo::SyncAtOrBefore, SeekTo::SyncAtOrAfter] {
        let landed = reader.seek(MediaTime::from_millis(5982), how).unwrap();
        assert_eq!(landed, MediaTime::from_millis(3988), "{how:?}");
        assert_eq!(read_on(&mut *reader).0, [last], "{how:?}");
    }
}

#[test]
fn damage_is_told_once_and_reading_goes_on_behind_it() {
    let whole = read(&mjpeg()).0;
    let data = mjpeg_data();
    let start = 12 + header_list(&mjpeg_streams()).len() + 12;
    let at = start + chunks(&data[..60]).len();
    let without_index = file(&mjpeg_streams(), &data, vec![]);
    let mut inserted = without_index.clone();
    inserted.splice(at..at, [0x55; 3001]);
    let (samples, damage) = read(&inserted);
    assert_eq!(damage, [format!("malformed AVI chunk at byte {at}")]);
    assert_eq!(samples, whole);

    let mut cut = without_index.clone();
    cut.truncate(at + 9);
    let (samples, damage) = read(&cut);
    assert_eq!(damage, [format!("AVI chunk is cut off at byte {}", at + 9)]);
    let pictures = of_track(&samples, 0);
    assert_eq!(
        pictures,
        whole.iter().filter(|sample| sample.track == 0).copied().collect::<Vec<_>>()[..pictures.len()]
    );
    assert!((54..56).contains(&pictures.len()), "{}", pictures.len());

    let mut overwritten = mjpeg();
    overwritten[at..at + 20].fill(0x55);
    let (samples, damage) = read(&overwritten);
    assert_eq!(damage.len(), 2, "{damage:?}");
    assert_eq!(samples.len(), whole.len() - 2);
}

#[test]
fn what_cannot_be_streamed_is_noted_and_refused_when_nothing_is_left() {
    let sound = stream(Strh { kind: b"auds", ..PCM }, &wave_format(0x161, 44_100, 16_000, 1, 16), &[]);
    let subtitles = stream(Strh { kind: b"txts", ..VIDEO }, &[], &[]);
    let video = stream(VIDEO, &bitmap_info(b"MJPG"), &[]);
    let data: Vec<Data> = vec![(b"02dc", true, vec![0xff, 0xd8, 1])];
    let avi = open_bytes(&file(&[sound.clone(), subtitles.clone(), video], &data, idx1(&data, 0)));
    assert_eq!((avi.tracks().len(), avi.notes().len()), (1, 2), "{:?}", avi.notes());
    let error = Avi::open(&source(&file(&[sound, subtitles], &data, vec![]))).err().unwrap().to_string();
    assert!(error.starts_with("no track that could be streamed: "), "{error}");
    let raw = [stream(VIDEO, &bitmap_info(b"H264"), &[])];
    let data: Vec<Data> = vec![(b"00dc", true, vec![0, 0, 0, 1, 0x41, 1])];
    let error = Avi::open(&source(&file(&raw, &data, vec![]))).err().unwrap().to_string();
    assert!(error.ends_with("stream 0: H.264 without parameter sets"), "{error}");
}

#[test]
fn a_file_is_told_by_its_first_bytes() {
    assert_eq!((sniff(&mjpeg()), sniff(b"RIFF\0\0\0\0WAVE"), sniff(b"RIFF")), (Sniff::Yes, Sniff::No, Sniff::No));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_files_neither_panic_nor_hang(
        kind in 0..4_usize,
        changes in proptest::collection::vec((0..4000_usize, any::<u8>()), 1..30),
        cut in 0..80_000_usize,
        to in 0..12_000_i64,
    ) {
        let h264 = || file(&[stream(VIDEO, &bitmap_info(b"H264"), &[])], &h264_data(), idx1(&h264_data(), 0));
        let mut file = [mjpeg, open_dml, || file(&mjpeg_streams(), &mjpeg_data(), vec![]), h264][kind]();
        changes.iter().for_each(|(at, byte)| if let Some(there) = file.get_mut(*at) { *there = *byte });
        file.truncate(cut.max(200));
        if let Ok(avi) = Avi::open(&source(&file)) {
            let mut reader = Arc::new(avi).reader().unwrap();
            let (samples, _) = read_on(&mut *reader);
            prop_assert!(samples.iter().all(|sample| sample.dts <= sample.pts), "{:?}", samples);
            reader.seek(MediaTime::from_millis(to), SeekTo::SyncAtOrBefore).unwrap();
            read_on(&mut *reader);
        }
    }
}
