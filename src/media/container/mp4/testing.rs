//! MP4 files built in code, and what a reader makes of them.

use std::io::Write;
use std::sync::Arc;

use super::Mp4;
use crate::media::io::Source;
use crate::media::{Error, Next, Reader, Recording, Sample};

pub const SPS: &[u8] = &[0x67, 0x42, 0xc0, 0x1e, 0xd9];
pub const PPS: &[u8] = &[0x68, 0xce, 0x3c, 0x80];

/// A box.
pub fn atom(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    [&(body.len() as u32 + 8).to_be_bytes(), &kind[..], &body].concat()
}

/// A full box.
pub fn full(kind: &[u8; 4], version: u8, flags: u32, parts: &[&[u8]]) -> Vec<u8> {
    let head = (u32::from(version) << 24 | flags).to_be_bytes();
    let parts: Vec<&[u8]> = std::iter::once(&head[..]).chain(parts.iter().copied()).collect();
    atom(kind, &parts)
}

/// 32-bit fields.
pub fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

#[derive(Debug, Clone)]
pub struct TestSample {
    pub data: Vec<u8>,
    pub duration: u32,
    pub offset: i32,
    pub is_sync: bool,
    pub description: u32,
}

/// A track and how it is to be written.
#[derive(Debug, Clone)]
pub struct TestTrack {
    pub id: u32,
    pub handler: [u8; 4],
    pub timescale: u32,
    pub stsd: Vec<u8>,
    pub samples: Vec<TestSample>,
    pub samples_per_chunk: usize,
    pub elst: Vec<u8>,
    pub has_stss: bool,
    /// Numbers of samples, from 1.
    pub stps: Vec<u32>,
    pub size_box: SizeBox,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SizeBox {
    Each,
    /// All have this size, as `stsz` says, and there are so many.
    Fixed(u32, u32),
    Compact(u32),
}

/// A NAL unit behind its length in `length_size` bytes.
pub fn prefixed(nal: &[u8], length_size: usize) -> Vec<u8> {
    [&(nal.len() as u32).to_be_bytes()[4 - length_size..], nal].concat()
}

pub fn avcc(length_size: u8, sps: &[&[u8]], pps: &[&[u8]]) -> Vec<u8> {
    let mut body = vec![1, 0x42, 0xc0, 0x1e, 0xfc | (length_size - 1), 0xe0 | sps.len() as u8];
    for set in sps {
        body.extend_from_slice(&(set.len() as u16).to_be_bytes());
        body.extend_from_slice(set);
    }
    body.push(pps.len() as u8);
    for set in pps {
        body.extend_from_slice(&(set.len() as u16).to_be_bytes());
        body.extend_from_slice(set);
    }
    atom(b"avcC", &[&body])
}

pub fn visual_entry(kind: &[u8; 4], boxes: &[&[u8]]) -> Vec<u8> {
    atom(kind, &[&[&[0_u8; 78][..]], boxes].concat())
}

/// A sound entry of version 0.
pub fn sound_entry(kind: &[u8; 4], channels: u16, bits: u16, rate: u32, boxes: &[&[u8]]) -> Vec<u8> {
    let mut fields = vec![0; 16];
    fields.extend_from_slice(&channels.to_be_bytes());
    fields.extend_from_slice(&bits.to_be_bytes());
    fields.extend_from_slice(&[0; 4]);
    fields.extend_from_slice(&(rate << 16).to_be_bytes());
    atom(kind, &[&[&fields[..]], boxes].concat())
}

pub fn stsd(entries: &[Vec<u8>]) -> Vec<u8> {
    full(b"stsd", 0, 0, &[&words(&[entries.len() as u32]), &entries.concat()])
}

/// An AudioSpecificConfig of AAC-LC, 48 kHz, stereo, in an `esds`.
pub fn esds(object_type: u8) -> Vec<u8> {
    let info = [5, 2, 0x11, 0x90];
    let config = [&[4, 13 + 4, object_type, 0x15, 0, 0, 0][..], &words(&[0, 128_000]), &info].concat();
    full(b"esds", 0, 0, &[&[3, 3 + config.len() as u8, 0, 1, 0], &config])
}

/// Video of `count` pictures of 40 ms at 12 800 Hz, every tenth a key frame; its data tell its number.
pub fn video(id: u32, count: usize) -> TestTrack {
    let sample = |index: usize| {
        let nal_type = if index.is_multiple_of(10) { 0x65 } else { 0x41 };
        let nal = [&[nal_type, id as u8, index as u8, (index >> 8) as u8][..], &vec![7; index % 13]].concat();
        TestSample {
            data: prefixed(&nal, 4),
            duration: 512,
            offset: 0,
            is_sync: index.is_multiple_of(10),
            description: 1,
        }
    };
    TestTrack {
        id,
        handler: *b"vide",
        timescale: 12_800,
        stsd: stsd(&[visual_entry(b"avc1", &[&avcc(4, &[SPS], &[PPS])])]),
        samples: (0..count).map(sample).collect(),
        samples_per_chunk: 7,
        elst: Vec::new(),
        has_stss: true,
        stps: Vec::new(),
        size_box: SizeBox::Each,
    }
}

/// AAC of `count` frames at 48 kHz.
pub fn audio(id: u32, count: usize) -> TestTrack {
    let sample = |index: usize| TestSample {
        data: vec![index as u8; 20 + index % 5],
        duration: 1024,
        offset: 0,
        is_sync: true,
        description: 1,
    };
    TestTrack {
        id,
        handler: *b"soun",
        timescale: 48_000,
        stsd: stsd(&[sound_entry(b"mp4a", 2, 16, 48_000, &[&esds(0x40)])]),
        samples: (0..count).map(sample).collect(),
        samples_per_chunk: 9,
        elst: Vec::new(),
        has_stss: false,
        stps: Vec::new(),
        size_box: SizeBox::Each,
    }
}

/// PCM with one sample for each frame, as QuickTime has it; a chunk has `samples_per_chunk` frames.
pub fn pcm(id: u32, entry: Vec<u8>, timescale: u32, frame_len: usize, frames: usize) -> TestTrack {
    let sample = |index: usize| TestSample {
        data: vec![index as u8; frame_len],
        duration: 1,
        offset: 0,
        is_sync: true,
        description: 1,
    };
    TestTrack {
        stsd: stsd(&[entry]),
        timescale,
        samples: (0..frames).map(sample).collect(),
        samples_per_chunk: 1000,
        size_box: SizeBox::Fixed(1, frames as u32),
        ..audio(id, 0)
    }
}

/// How a whole file is laid out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Layout {
    MoovFirst,
    MoovLast,
    /// `mdat` with a 64-bit size, and `co64`.
    Wide,
    /// `mdat` goes to the end of the file.
    OpenMdat,
}

/// A file of sample tables; chunks of the tracks take turns.
pub fn whole_file(tracks: &[TestTrack], layout: Layout) -> Vec<u8> {
    let ftyp = atom(b"ftyp", &[b"isom\0\0\0\0isommp41"]);
    let mut mdat = Vec::new();
    let mut chunks: Vec<Vec<u64>> = vec![Vec::new(); tracks.len()];
    let rounds = tracks.iter().map(|track| track.samples.len().div_ceil(track.samples_per_chunk)).max().unwrap_or(0);
    for round in 0..rounds {
        for (track, chunks) in tracks.iter().zip(&mut chunks) {
            let Some(chunk) = track.samples.chunks(track.samples_per_chunk).nth(round) else { continue };
            chunks.push(mdat.len() as u64);
            chunk.iter().for_each(|sample| mdat.extend_from_slice(&sample.data));
        }
    }
    let is_wide = layout == Layout::Wide;
    let moov = |base: u64| {
        let traks: Vec<u8> =
            tracks.iter().zip(&chunks).flat_map(|(track, at)| trak(track, at, base, is_wide)).collect();
        atom(b"moov", &[&mvhd(), &traks])
    };
    let head_len = ftyp.len() as u64;
    match layout {
        Layout::MoovFirst => [&ftyp[..], &moov(head_len + moov(0).len() as u64 + 8), &atom(b"mdat", &[&mdat])].concat(),
        Layout::MoovLast => [&ftyp[..], &atom(b"mdat", &[&mdat]), &moov(head_len + 8)].concat(),
        Layout::Wide => {
            let size = (mdat.len() as u64 + 16).to_be_bytes();
            [&ftyp[..], &words(&[1]), b"mdat", &size, &mdat, &moov(head_len + 16)].concat()
        }
        Layout::OpenMdat => {
            let moov = moov(head_len + moov(0).len() as u64 + 8);
            [&ftyp[..], &moov, &words(&[0]), b"mdat", &mdat].concat()
        }
    }
}

pub fn mvhd() -> Vec<u8> {
    full(b"mvhd", 0, 0, &[&words(&[0, 0, 1000, 0]), &[0; 80]])
}

/// A `trak` whose chunks begin at `chunks` behind `base`.
pub fn trak(track: &TestTrack, chunks: &[u64], base: u64, is_wide: bool) -> Vec<u8> {
    let tkhd = full(b"tkhd", 0, 3, &[&words(&[0, 0, track.id]), &[0; 68]]);
    let duration: u32 = track.samples.iter().map(|sample| sample.duration).sum();
    let mdhd = full(b"mdhd", 0, 0, &[&words(&[0, 0, track.timescale, duration, 0])]);
    let hdlr = full(b"hdlr", 0, 0, &[&[0; 4], &track.handler, &[0; 13]]);
    let stbl = atom(b"stbl", &[&track.stsd, &sample_tables(track, chunks, base, is_wide)]);
    let edts = if track.elst.is_empty() { Vec::new() } else { atom(b"edts", &[&track.elst]) };
    atom(b"trak", &[&tkhd, &edts, &atom(b"mdia", &[&mdhd, &hdlr, &atom(b"minf", &[&stbl])])])
}

fn sample_tables(track: &TestTrack, chunks: &[u64], base: u64, is_wide: bool) -> Vec<u8> {
    let samples = &track.samples;
    let mut stts: Vec<[u32; 2]> = Vec::new();
    for sample in samples {
        match stts.last_mut() {
            Some([count, delta]) if *delta == sample.duration => *count += 1,
            _ => stts.push([1, sample.duration]),
        }
    }
    let ctts: Vec<u32> = samples.iter().flat_map(|sample| [1, sample.offset as u32]).collect();
    let syncs = samples.iter().zip(1..).filter(|(sample, _)| sample.is_sync).map(|(_, number)| number);
    let syncs: Vec<u32> = syncs.collect();
    let mut stsc = Vec::new();
    for (chunk, number) in samples.chunks(track.samples_per_chunk).zip(1_u32..) {
        stsc.extend([number, chunk.len() as u32, chunk[0].description]);
    }
    let sizes: Vec<u32> = samples.iter().map(|sample| sample.data.len() as u32).collect();
    let count = sizes.len() as u32;
    let stsz = match track.size_box {
        SizeBox::Each => full(b"stsz", 0, 0, &[&words(&[0, count]), &words(&sizes)]),
        SizeBox::Fixed(size, count) => full(b"stsz", 0, 0, &[&words(&[size, count])]),
        SizeBox::Compact(bits) => {
            let bytes: Vec<u8> = match bits {
                16 => sizes.iter().flat_map(|size| (*size as u16).to_be_bytes()).collect(),
                8 => sizes.iter().map(|size| *size as u8).collect(),
                _ => sizes.chunks(2).map(|pair| (pair[0] << 4 | pair.get(1).unwrap_or(&0)) as u8).collect(),
            };
            full(b"stz2", 0, 0, &[&words(&[bits, count]), &bytes])
        }
    };
    let offsets: Vec<u8> = match is_wide {
        true => chunks.iter().flat_map(|at| (at + base).to_be_bytes()).collect(),
        false => chunks.iter().flat_map(|at| ((at + base) as u32).to_be_bytes()).collect(),
    };
    let mut tables = full(b"stts", 0, 0, &[&words(&[stts.len() as u32]), &words(&stts.concat())]);
    if samples.iter().any(|sample| sample.offset != 0) {
        tables.extend(full(b"ctts", 1, 0, &[&words(&[count]), &words(&ctts)]));
    }
    if track.has_stss {
        tables.extend(full(b"stss", 0, 0, &[&words(&[syncs.len() as u32]), &words(&syncs)]));
    }
    if !track.stps.is_empty() {
        tables.extend(full(b"stps", 0, 0, &[&words(&[track.stps.len() as u32]), &words(&track.stps)]));
    }
    tables.extend(full(b"stsc", 0, 0, &[&words(&[stsc.len() as u32 / 3]), &words(&stsc)]));
    tables.extend(stsz);
    let kind = if is_wide { b"co64" } else { b"stco" };
    tables.extend(full(kind, 0, 0, &[&words(&[chunks.len() as u32]), &offsets]));
    tables
}

/// How fragments are written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fragmenting {
    pub base: Base,
    pub has_tfdt: bool,
    /// Durations, sizes and flags come with each sample, rather than as defaults where that is possible.
    pub is_verbose: bool,
    /// Milliseconds of a fragment.
    pub millis: u64,
    /// Each track has a `moof` of its own.
    pub is_separate: bool,
    pub index: Index,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Base {
    Moof,
    Absolute,
    /// No flag: the first `traf` counts from the `moof`, the others go on.
    Implicit,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Index {
    None,
    Mfra,
    Sidx,
    /// An `mfra` that points anywhere.
    Wrong,
}

pub const PLAIN: Fragmenting = Fragmenting {
    base: Base::Moof,
    has_tfdt: true,
    is_verbose: false,
    millis: 400,
    is_separate: false,
    index: Index::None,
};

/// The `moov` of a file whose samples are in fragments.
pub fn fragment_moov(tracks: &[TestTrack]) -> Vec<u8> {
    let empty = |track: &TestTrack| TestTrack {
        samples: Vec::new(),
        has_stss: false,
        stps: Vec::new(),
        size_box: SizeBox::Each,
        ..track.clone()
    };
    let traks: Vec<u8> = tracks.iter().flat_map(|track| trak(&empty(track), &[], 0, false)).collect();
    let trex: Vec<u8> = tracks.iter().flat_map(trex).collect();
    atom(b"moov", &[&mvhd(), &traks, &atom(b"mvex", &[&trex])])
}

fn trex(track: &TestTrack) -> Vec<u8> {
    full(b"trex", 0, 0, &[&words(&[track.id, 1, 0, 0, 0])])
}

/// A file of fragments.
pub fn fragmented_file(tracks: &[TestTrack], how: Fragmenting) -> Vec<u8> {
    let ftyp = atom(b"ftyp", &[b"iso5\0\0\0\0iso5mp41"]);
    let head = [&ftyp[..], &fragment_moov(tracks)].concat();
    let (fragments, starts) = fragments(tracks, how, head.len() as u64, &vec![0; tracks.len()]);
    let scale = u64::from(tracks[0].timescale);
    match how.index {
        Index::None => [head, fragments].concat(),
        Index::Sidx => {
            let sidx_len = 32 + starts.len() * 12;
            let (fragments, starts) =
                self::fragments(tracks, how, (head.len() + sidx_len) as u64, &vec![0; tracks.len()]);
            let end = (head.len() + sidx_len + fragments.len()) as u64;
            let mut entries = Vec::new();
            for (index, start) in starts.iter().enumerate() {
                let size = starts.get(index + 1).unwrap_or(&end) - start;
                entries.extend([size as u32, (how.millis * scale / 1000) as u32, 0x9000_0000]);
            }
            let sidx = full(
                b"sidx",
                0,
                0,
                &[&words(&[tracks[0].id, scale as u32, 0, 0, starts.len() as u32]), &words(&entries)],
            );
            assert_eq!(sidx.len(), sidx_len);
            [head, sidx, fragments].concat()
        }
        Index::Mfra | Index::Wrong => {
            let wrong = u64::from(how.index == Index::Wrong) * 5;
            let entries = starts.iter().zip(0_u64..).flat_map(|(start, index)| {
                let time = (index * how.millis * scale / 1000) as u32;
                [&words(&[time, (start + wrong) as u32])[..], &[1, 1, 1]].concat()
            });
            let entries: Vec<u8> = entries.collect();
            let tfra = full(b"tfra", 0, 0, &[&words(&[tracks[0].id, 0, starts.len() as u32]), &entries]);
            let mfro = full(b"mfro", 0, 0, &[&words(&[tfra.len() as u32 + 8 + 16])]);
            [head, fragments, atom(b"mfra", &[&tfra, &mfro])].concat()
        }
    }
}

/// Fragments that begin at byte `at` of the file, and where each begins. `from` tells how many samples of each track
/// were written before.
pub fn fragments(tracks: &[TestTrack], how: Fragmenting, at: u64, from: &[usize]) -> (Vec<u8>, Vec<u64>) {
    let mut next = from.to_vec();
    let mut ticks: Vec<u64> = Vec::new();
    for (track, from) in tracks.iter().zip(from) {
        ticks.push(track.samples[..*from].iter().map(|sample| u64::from(sample.duration)).sum());
    }
    let (mut bytes, mut starts) = (Vec::new(), Vec::new());
    for number in 1.. {
        let mut parts = Vec::new();
        for (index, track) in tracks.iter().enumerate() {
            let end_ticks = number * how.millis * u64::from(track.timescale) / 1000;
            let (start, start_ticks) = (next[index], ticks[index]);
            while next[index] < track.samples.len() && ticks[index] < end_ticks {
                ticks[index] += u64::from(track.samples[next[index]].duration);
                next[index] += 1;
            }
            if next[index] > start {
                parts.push((track, &track.samples[start..next[index]], start_ticks));
            }
        }
        if parts.is_empty() && next.iter().zip(tracks).all(|(next, track)| *next == track.samples.len()) {
            return (bytes, starts);
        }
        let groups: Vec<_> = if how.is_separate { parts.chunks(1).collect() } else { vec![&parts[..]] };
        for group in groups.into_iter().filter(|group| !group.is_empty()) {
            starts.push(at + bytes.len() as u64);
            let moof_at = at + bytes.len() as u64;
            bytes.extend(fragment(group, how, moof_at));
        }
    }
    unreachable!()
}

/// One `moof` with its `mdat`.
fn fragment(parts: &[(&TestTrack, &[TestSample], u64)], how: Fragmenting, moof_at: u64) -> Vec<u8> {
    let build = |moof_len: u64| {
        let mut trafs = Vec::new();
        let mut data = moof_len + 8; // from the start of the moof
        let mut before = 0; // where an implicit base is
        for (track, samples, ticks) in parts {
            let base = match how.base {
                Base::Moof => 0,
                Base::Absolute => 0,
                Base::Implicit => before,
            };
            trafs.extend(traf(track, samples, *ticks, how, moof_at, (data - base) as u32));
            data += samples.iter().map(|sample| sample.data.len() as u64).sum::<u64>();
            before = data;
        }
        atom(b"moof", &[&full(b"mfhd", 0, 0, &[&words(&[1])]), &trafs])
    };
    let moof = build(build(0).len() as u64);
    let data: Vec<u8> =
        parts.iter().flat_map(|(_, samples, _)| samples.iter().flat_map(|sample| sample.data.clone())).collect();
    [moof, atom(b"mdat", &[&data])].concat()
}

fn traf(
    track: &TestTrack,
    samples: &[TestSample],
    ticks: u64,
    how: Fragmenting,
    moof_at: u64,
    data_offset: u32,
) -> Vec<u8> {
    let flags_of = |sample: &TestSample| if sample.is_sync { 0x200_0000 } else { 0x101_0000 };
    let (mut tfhd_flags, mut tfhd) = (0, words(&[track.id]));
    match how.base {
        Base::Moof => tfhd_flags |= 0x2_0000,
        Base::Absolute => {
            tfhd_flags |= 1;
            tfhd.extend(moof_at.to_be_bytes());
        }
        Base::Implicit => {}
    }
    let rest_flags = samples.get(1).map_or(0, flags_of);
    let first_alone = samples.iter().skip(1).all(|sample| flags_of(sample) == rest_flags);
    let has_offsets = samples.iter().any(|sample| sample.offset != 0);
    let is_terse = !how.is_verbose && first_alone && samples.iter().all(|s| s.duration == samples[0].duration);
    let (mut trun_flags, mut trun) = (1 | 0x200, words(&[samples.len() as u32, data_offset]));
    if is_terse {
        tfhd_flags |= 0x8 | 0x20;
        tfhd.extend(words(&[samples[0].duration, rest_flags]));
        trun_flags |= 4;
        trun.extend(words(&[flags_of(&samples[0])]));
    } else {
        trun_flags |= 0x100 | 0x400;
    }
    if has_offsets {
        trun_flags |= 0x800;
    }
    for sample in samples {
        if !is_terse {
            trun.extend(words(&[sample.duration]));
        }
        trun.extend(words(&[sample.data.len() as u32]));
        if !is_terse {
            trun.extend(words(&[flags_of(sample)]));
        }
        if has_offsets {
            trun.extend(words(&[sample.offset as u32]));
        }
    }
    let tfdt = if how.has_tfdt { full(b"tfdt", 1, 0, &[&ticks.to_be_bytes()]) } else { Vec::new() };
    atom(b"traf", &[&full(b"tfhd", 0, tfhd_flags, &[&tfhd]), &tfdt, &full(b"trun", 1, trun_flags, &[&trun])])
}

pub fn source(bytes: &[u8]) -> Source {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Source::new(file)
}

pub fn open(bytes: &[u8]) -> Result<Arc<Mp4>, Error> {
    Mp4::open(&source(bytes)).map(Arc::new)
}

/// What a reader handed out, times in nanoseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Got {
    pub track: usize,
    pub pts: i64,
    pub dts: i64,
    pub is_sync: bool,
    pub data: Vec<u8>,
    pub nals: usize,
}

/// All samples from where `reader` stands, and what it stepped over.
pub fn read_on(reader: &mut dyn Reader) -> (Vec<Got>, Vec<String>) {
    let (mut got, mut skipped) = (Vec::new(), Vec::new());
    let mut sample = Sample::default();
    loop {
        match reader.next(&mut sample).unwrap() {
            Next::Sample => got.push(Got {
                track: sample.track,
                pts: sample.pts.as_nanos(),
                dts: sample.dts.as_nanos(),
                is_sync: sample.is_sync,
                data: sample.data.clone(),
                nals: sample.nals.len(),
            }),
            Next::Skipped(error) => skipped.push(error.to_string()),
            Next::Pending => panic!("an MP4 file has no more to come"),
            Next::End => return (got, skipped),
        }
    }
}

/// All samples of a file that must be in order.
pub fn read_all(bytes: &[u8]) -> Vec<Got> {
    let (got, skipped) = read_on(&mut *open(bytes).unwrap().reader().unwrap());
    assert_eq!(skipped, Vec::<String>::new());
    got
}

/// What a reader should hand out for tracks without edit list and with offsets that are not negative.
pub fn expected(tracks: &[TestTrack]) -> Vec<Got> {
    let mut all = Vec::new();
    for (index, track) in tracks.iter().enumerate() {
        let mut ticks = 0;
        for sample in &track.samples {
            let nanos = |ticks: i64| crate::time::MediaTime::from_ticks(ticks, track.timescale).as_nanos();
            all.push(Got {
                track: index,
                pts: nanos(ticks + i64::from(sample.offset)),
                dts: nanos(ticks),
                is_sync: sample.is_sync,
                data: sample.data.clone(),
                nals: usize::from(track.handler == *b"vide"),
            });
            ticks += i64::from(sample.duration);
        }
    }
    all.sort_by_key(|got| (got.dts, tracks[got.track].handler != *b"vide", got.track));
    all
}

/// Where the `number`th box `kind` begins, found by its name.
pub fn find(bytes: &[u8], kind: &[u8; 4], number: usize) -> usize {
    let places = bytes.windows(4).enumerate().filter(|(_, window)| window == kind);
    places.map(|(at, _)| at - 4).nth(number).unwrap()
}

/// Overwrites bytes.
pub fn patch(bytes: &mut [u8], at: usize, with: &[u8]) {
    bytes[at..at + with.len()].copy_from_slice(with);
}
