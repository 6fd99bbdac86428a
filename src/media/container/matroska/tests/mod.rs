//! Files for the tests, built element by element; and what is read of them, as text that is easy to compare.

mod damage;
mod opening;
mod reading;
mod seeking;

use std::fs::File;
use std::io::Write;
use std::sync::Arc;

use super::ebml::id;
use crate::media::container::Options;
use crate::media::io::Source;
use crate::media::{Error, Next, Reader, Recording, Sample, SeekTo};
use crate::time::MediaTime;

/// An element of known size.
fn element(id: u32, data: impl AsRef<[u8]>) -> Vec<u8> {
    let data = data.as_ref();
    [&id_bytes(id)[..], &(0x1000_0000 | data.len() as u32).to_be_bytes(), data].concat()
}

/// An element whose size the writer did not know.
fn open_ended(id: u32, data: impl AsRef<[u8]>) -> Vec<u8> {
    [&id_bytes(id)[..], &[0xFF], data.as_ref()].concat()
}

fn id_bytes(id: u32) -> Vec<u8> {
    id.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect()
}

fn uint(id: u32, value: u64) -> Vec<u8> {
    element(id, value.to_be_bytes())
}

fn float(id: u32, value: f64) -> Vec<u8> {
    element(id, value.to_be_bytes())
}

fn master<const N: usize>(id: u32, children: [Vec<u8>; N]) -> Vec<u8> {
    element(id, children.concat())
}

fn ebml_header() -> Vec<u8> {
    master(id::EBML, [element(id::DOC_TYPE, "matroska")])
}

/// EBML header and a Segment of known size.
fn file<const N: usize>(children: [Vec<u8>; N]) -> Vec<u8> {
    [ebml_header(), master(id::SEGMENT, children)].concat()
}

/// EBML header and a Segment of unknown size.
fn live_file<const N: usize>(children: [Vec<u8>; N]) -> Vec<u8> {
    [ebml_header(), open_ended(id::SEGMENT, children.concat())].concat()
}

/// Info with a Duration in milliseconds.
fn info(duration: f64) -> Vec<u8> {
    master(id::INFO, [uint(id::TIMESTAMP_SCALE, 1_000_000), float(id::DURATION, duration)])
}

/// A TrackEntry; its UID is its number.
fn track<const N: usize>(number: u64, codec_id: &str, more: [Vec<u8>; N]) -> Vec<u8> {
    let kind = match codec_id.as_bytes()[0] {
        b'V' => 1,
        b'A' => 2,
        _ => 0x11,
    };
    let head = [
        uint(id::TRACK_NUMBER, number),
        uint(id::TRACK_UID, number),
        uint(id::TRACK_TYPE, kind),
        element(id::CODEC_ID, codec_id),
    ];
    element(id::TRACK_ENTRY, [head.concat(), more.concat()].concat())
}

const SPS: [u8; 4] = [0x67, 0x42, 0x00, 0x1E];
const PPS: [u8; 3] = [0x68, 0xCE, 0x38];

/// An `avcC` record with 4-byte lengths.
fn avcc() -> Vec<u8> {
    let sps = [&[0xE1, 0, SPS.len() as u8][..], &SPS].concat();
    let pps = [&[1, 0, PPS.len() as u8][..], &PPS].concat();
    [&[1, 0x42, 0x00, 0x1E, 0xFF][..], &sps, &pps].concat()
}

/// Track 1: H.264.
fn video() -> Vec<u8> {
    track(1, "V_MPEG4/ISO/AVC", [element(id::CODEC_PRIVATE, avcc()), uint(id::DEFAULT_DURATION, 40_000_000)])
}

/// Track 2: mu-law, so that a frame lasts one eighth of a millisecond for each byte.
fn audio() -> Vec<u8> {
    track(2, "A_MS/ACM", [element(id::CODEC_PRIVATE, wave_format(7, 1, 8000, 8))])
}

fn wave_format(tag: u16, channels: u16, rate: u32, bits: u16) -> Vec<u8> {
    let mut format = Vec::new();
    format.extend(tag.to_le_bytes());
    format.extend(channels.to_le_bytes());
    format.extend(rate.to_le_bytes());
    format.extend((rate * u32::from(channels) * u32::from(bits) / 8).to_le_bytes());
    format.extend((channels * bits / 8).to_le_bytes());
    format.extend(bits.to_le_bytes());
    format.extend(0_u16.to_le_bytes());
    format
}

fn tracks<const N: usize>(entries: [Vec<u8>; N]) -> Vec<u8> {
    master(id::TRACKS, entries)
}

/// The data of a SimpleBlock or Block. `flags`: 0x80 for a key frame, and lacing.
fn block(number: u8, relative: i16, flags: u8, frames: impl AsRef<[u8]>) -> Vec<u8> {
    [&[0x80 | number][..], &relative.to_be_bytes(), &[flags], frames.as_ref()].concat()
}

fn simple_block(number: u8, relative: i16, flags: u8, frames: impl AsRef<[u8]>) -> Vec<u8> {
    element(id::SIMPLE_BLOCK, block(number, relative, flags, frames))
}

/// A picture of one NAL unit, behind its length.
fn picture(mark: u8) -> Vec<u8> {
    vec![0, 0, 0, 2, 0x65, mark]
}

/// A Cluster at `ticks` with the given blocks.
fn cluster<const N: usize>(ticks: u64, blocks: [Vec<u8>; N]) -> Vec<u8> {
    element(id::CLUSTER, [uint(id::TIMESTAMP, ticks), blocks.concat()].concat())
}

fn source(bytes: &[u8]) -> Source {
    let mut file: File = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Source::new(file)
}

fn open(bytes: &[u8]) -> Result<Arc<dyn Recording>, Error> {
    crate::media::open(&source(bytes), "test.mkv", &Options::default())
}

fn opened(bytes: &[u8]) -> Arc<dyn Recording> {
    open(bytes).unwrap_or_else(|error| panic!("cannot open: {error}"))
}

/// All that is left in `reader`, a line for each sample: track, pts and dts in milliseconds, `*` for a key frame, data.
fn rest(reader: &mut dyn Reader) -> Vec<String> {
    let mut lines = Vec::new();
    let mut sample = Sample::default();
    for _ in 0..100_000 {
        match reader.next(&mut sample).unwrap() {
            Next::Sample => lines.push(line(&sample)),
            Next::Skipped(error) => lines.push(error.to_string()),
            Next::End => return lines,
            Next::Pending => panic!("pending"),
        }
    }
    panic!("the reader does not come to an end");
}

fn line(sample: &Sample) -> String {
    let millis = |time: MediaTime| time.as_nanos() as f64 / 1e6;
    let key = if sample.is_sync { "*" } else { "" };
    let data: String = sample.data.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{} {}/{}{key} {data}", sample.track, millis(sample.pts), millis(sample.dts))
}

/// All samples of a file.
fn read(bytes: &[u8]) -> Vec<String> {
    rest(&mut *opened(bytes).reader().unwrap())
}

/// Where a seek lands, in milliseconds.
fn seek(reader: &mut dyn Reader, millis: i64, how: SeekTo) -> i64 {
    reader.seek(MediaTime::from_millis(millis), how).unwrap().as_nanos() / 1_000_000
}
