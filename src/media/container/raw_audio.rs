//! Files that are one stream of compressed audio and nothing but tags beside it: MPEG audio, ADTS, LOAS, AC-3, E-AC-3.
//! How the streams are cut into frames is in `codec`; reading, seeking and the rest in [`scan`].

use std::sync::Arc;

use super::{Container, Options, Sniff};
use crate::media::codec::aac::{AdtsFramer, LatmFramer};
use crate::media::codec::ac3::Ac3Framer;
use crate::media::codec::mpeg_audio::{FrameHeader, HEADER_LEN, MpegAudioFramer, info_of};
use crate::media::codec::tags;
use crate::media::io::Source;
use crate::media::scan::{self, Chunk, Entry, Format, Framer, Header, RawFormat, Scanner};
use crate::media::{Error, Recording, Sample};
use crate::time::MediaTime;

/// MPEG audio of any layer.
pub const MPEG_AUDIO: Container = Container {
    name: "MPEG audio",
    suffixes: &["mp3", "mp2", "mp1", "mpa", "mpga", "m2a"],
    sniff: |head| sniff(head, mpeg_audio),
    open: open_mpeg_audio,
};

/// AAC in ADTS.
pub const ADTS: Container = Container {
    name: "ADTS",
    suffixes: &["aac", "adts"],
    sniff: |head| sniff(head, adts),
    open: |source, _| open(source, "ADTS", adts),
};

/// AAC in LATM within LOAS.
pub const LOAS: Container = Container {
    name: "LOAS",
    suffixes: &["latm", "loas"],
    sniff: |head| sniff(head, latm),
    open: |source, _| open(source, "LOAS", latm),
};

/// AC-3 and E-AC-3.
pub const AC3: Container = Container {
    name: "AC-3",
    suffixes: &["ac3", "eac3", "ec3"],
    sniff: |head| sniff(head, ac3),
    open: |source, _| open(source, "AC-3", ac3),
};

/// So many frames in a row at the start of a file are no accident.
const SURE_COUNT: usize = 2;
/// How many tags may stand before the first frame.
const TAGS_MAX: usize = 16;
/// The longest frame in which an info frame is looked for, in bytes.
const INFO_FRAME_LEN_MAX: usize = 4096;

fn mpeg_audio() -> Box<dyn Framer> {
    Box::new(MpegAudioFramer::new())
}

fn adts() -> Box<dyn Framer> {
    Box::new(AdtsFramer::new())
}

fn latm() -> Box<dyn Framer> {
    Box::new(LatmFramer::new())
}

fn ac3() -> Box<dyn Framer> {
    Box::new(Ac3Framer::new())
}

/// Frames from the first byte on are enough. Without, the file may begin with a tag longer than what is shown, or in
/// the middle of a frame.
fn sniff(head: &[u8], framer: fn() -> Box<dyn Framer>) -> Sniff {
    if head.is_empty() {
        return Sniff::No;
    }
    let (mut framer, mut sample) = (framer(), Sample::default());
    framer.push(Chunk { bytes: head, at: 0, is_packet: false, stamp: None });
    let is_whole = head.len() < super::SNIFF_LEN;
    if is_whole {
        framer.finish();
    }
    let mut count = 0;
    while let Ok(Some(_)) = framer.pop(&mut sample) {
        count += 1;
    }
    if count >= SURE_COUNT || (count > 0 && is_whole) { Sniff::Yes } else { Sniff::Maybe }
}

fn open(source: &Source, name: &'static str, framer: fn() -> Box<dyn Framer>) -> Result<Arc<dyn Recording>, Error> {
    let start = skip_tags(source)?;
    scan::open(RawFormat::new(source, start, name, framer)?)
}

/// Behind the tags that the file begins with: they may be longer than what is read ahead to find the first frame.
fn skip_tags(source: &Source) -> Result<u64, Error> {
    let mut at = 0;
    for _ in 0..TAGS_MAX {
        let mut start = [0; 16];
        let filled = source.read_at(&mut start, at, "a tag")?;
        match tags::tag_len(&start[..filled]) {
            Some(len) => at += len,
            None => break,
        }
    }
    Ok(at)
}

fn open_mpeg_audio(source: &Source, _: &Options) -> Result<Arc<dyn Recording>, Error> {
    let start = skip_tags(source)?;
    let raw = RawFormat::new(source, start, MPEG_AUDIO.name, mpeg_audio)?;
    let duration = told_duration(source, start)?;
    let header = Header { duration, ..raw.header().clone() };
    scan::open(MpegAudioFile { raw, header })
}

/// The duration by the info frame that stands at `at`, if one does.
fn told_duration(source: &Source, at: u64) -> Result<Option<MediaTime>, Error> {
    let mut frame = [0; INFO_FRAME_LEN_MAX];
    let filled = source.read_at(&mut frame, at, "the first frame")?;
    let header = frame[..filled].first_chunk::<HEADER_LEN>().and_then(|bytes| FrameHeader::parse(*bytes));
    let count = header.and_then(|header| info_of(&header, &frame[..filled]).flatten().zip(Some(header)));
    Ok(count.map(|(count, header)| {
        MediaTime::from_ticks(i64::from(count) * i64::from(header.sample_count()), header.sample_rate)
    }))
}

/// A raw stream whose duration its first frame may tell.
struct MpegAudioFile {
    raw: RawFormat,
    header: Header,
}

impl Format for MpegAudioFile {
    fn header(&self) -> &Header {
        &self.header
    }

    fn scan(&self, entry: Entry) -> Box<dyn Scanner> {
        self.raw.scan(entry)
    }
}
