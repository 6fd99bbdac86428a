//! Recordings of Dahua recorders (`.dav`): frames of video and sound behind a header each, with its length again at the
//! end. There is no public standard; what is here is what files show.
//!
//! | file | what |
//! |---|---|
//! | `frame` | the header of a frame |
//! | `frames` | the walk from frame to frame |
//! | `clock` | the time of a frame |
//! | `scanner` | samples of all tracks, from any place |

mod clock;
mod frame;
mod frames;
mod scanner;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use self::clock::Clock;
use self::frame::{FrameHeader, FrameKind, MAGIC};
use self::frames::{Frames, Item};
use self::scanner::{DhavScanner, Layout, Stream, StreamKind};
use super::{Container, Options, Sniff};
use crate::media::io::Source;
use crate::media::scan::{self, Entry, Format, Header, Scanner, Timing};
use crate::media::{Codec, Error, Kind, Next, Note, Recording, Sample, Track};
use crate::time::MediaTime;

/// The line in the table of containers.
pub const CONTAINER: Container = Container { name: NAME, suffixes: &["dav"], sniff, open };

const NAME: &str = "Dahua DAV";
/// What a file with a header of its own begins with, and where its frames begin.
const FILE_MAGIC: &[u8] = b"DAHUA";
const FILE_HEADER_LEN: u64 = 0x400;
/// How much of a file is looked at when it is opened, in bytes: at least, as streams may still appear, and at most.
const SURVEY_LEN_MIN: u64 = 2 << 20;
const SURVEY_LEN_MAX: u64 = 16 << 20;
/// The most streams of a file.
const STREAMS_MAX: usize = 32;
/// How many headers show what their clock is.
const CLOCK_FRAMES: usize = 250;
/// How long a part of the file gives an idea of the bit rate.
const BITRATE_SPAN: MediaTime = MediaTime::from_millis(2000);

fn sniff(head: &[u8]) -> Sniff {
    if head.starts_with(FILE_MAGIC) || head.starts_with(MAGIC) && FrameHeader::parse(head).is_some() {
        Sniff::Yes
    } else {
        Sniff::Maybe
    }
}

fn open(source: &Source, _options: &Options) -> Result<Arc<dyn Recording>, Error> {
    scan::open(Dhav::open(source)?)
}

/// A recording of a Dahua recorder.
struct Dhav {
    source: Source,
    header: Header,
    layout: Layout,
}

impl Format for Dhav {
    fn header(&self) -> &Header {
        &self.header
    }

    fn scan(&self, entry: Entry) -> Box<dyn Scanner> {
        Box::new(DhavScanner::new(&self.source, &self.layout, entry))
    }
}

impl Dhav {
    fn open(source: &Source) -> Result<Self, Error> {
        let mut magic = [0; FILE_MAGIC.len()];
        let magic_len = source.read_at(&mut magic, 0, "the start of the file")?;
        let start = if magic[..magic_len] == *FILE_MAGIC { FILE_HEADER_LEN } else { 0 };
        let (layout, notes) = find_streams(source, start)?;
        let (header, layout) = measure(source, layout, notes)?;
        Ok(Self { source: source.clone(), header, layout })
    }
}

/// Which streams the start of the file has.
fn find_streams(source: &Source, start: u64) -> Result<(Layout, Vec<Note>), Error> {
    let mut frames = Frames::new(source, start);
    frames.finish();
    let mut streams: Vec<Stream> = Vec::new();
    let mut notes = Vec::new();
    let mut headers: Vec<FrameHeader> = Vec::new();
    let mut first: Option<(u64, FrameHeader)> = None;
    while frames.position() < start + SURVEY_LEN_MAX {
        let is_enough = frames.position() >= start + SURVEY_LEN_MIN && headers.len() >= CLOCK_FRAMES;
        let frame = match frames.next()? {
            _ if is_enough => break,
            Item::Frame(frame) => frame,
            Item::Damage(error) => {
                notes.extend(notes.is_empty().then(|| Note::from(&error)));
                continue;
            }
            Item::Pending | Item::End => break,
        };
        let Some(kind) = StreamKind::of(&frame) else { continue };
        let (at, _) = *first.get_or_insert((frame.at, frame.header));
        if frame.header.kind == FrameKind::Video && headers.len() < CLOCK_FRAMES {
            let channel = headers.first().map_or(frame.header.channel, |first| first.channel);
            headers.extend((channel == frame.header.channel).then_some(frame.header));
        }
        let key = (frame.header.channel, frame.header.kind);
        let is_known = streams.iter().any(|stream| (stream.channel, stream.frame_kind) == key);
        if !is_known && streams.len() < STREAMS_MAX {
            if let StreamKind::Unsupported(what) = kind {
                notes.push(Note { at: Some(at), text: format!("channel {}: {what} is left out", key.0) });
            }
            streams.push(Stream { channel: key.0, frame_kind: key.1, kind, codec: None });
        }
    }
    let Some((start, anchor)) = first else {
        return Err(Error::Unsupported("no DHAV frame of a known codec".to_owned()));
    };
    streams.retain(|stream| !matches!(stream.kind, StreamKind::Unsupported(_)));
    streams.sort_by_key(|stream| (stream.frame_kind != FrameKind::Video, stream.channel));
    let rate = streams.iter().find_map(|stream| stream.kind.frame_rate());
    let mode = Clock::mode_of(&headers, rate);
    Ok((Layout { streams, mode, anchor, anchor_time: MediaTime::ZERO, start }, notes))
}

/// Reads the first samples, for what their codecs and their first times are.
fn measure(source: &Source, mut layout: Layout, mut notes: Vec<Note>) -> Result<(Header, Layout), Error> {
    let mut scanner = DhavScanner::new(source, &layout, Entry { at: layout.start, time: None });
    // By track: the first time of decoding, the first and the earliest of presentation, the last, and bytes.
    let mut seen: Vec<Option<Measured>> = vec![None; layout.streams.len()];
    let mut sample = Sample::default();
    while scanner.position() < layout.start + SURVEY_LEN_MAX
        && !seen.iter().all(|seen| seen.is_some_and(|seen| seen.last - seen.dts >= BITRATE_SPAN))
    {
        sample.clear();
        match scanner.next(&mut sample)? {
            Next::Sample => seen[sample.track].get_or_insert(Measured::new(&sample)).add(&sample),
            Next::Skipped(_) => {}
            Next::Pending => scanner.finish(),
            Next::End => break,
        }
    }
    let mut tracks = Vec::new();
    let mut kept: Vec<(Stream, Measured)> = Vec::new();
    for (index, stream) in layout.streams.drain(..).enumerate() {
        let Some((codec, measured)) = scanner.codec(index).zip(seen[index]) else {
            let channel = stream.channel;
            notes.push(Note {
                at: None,
                text: format!("channel {channel}: a stream without a whole frame is left out"),
            });
            continue;
        };
        let frame_rate = stream.kind.frame_rate().map(f64::from).filter(|_| codec.kind() == Kind::Video);
        tracks.push(track(codec.clone(), &measured, frame_rate));
        kept.push((Stream { codec: Some(codec), ..stream }, measured));
    }
    let Some(earliest) = kept.iter().map(|(_, measured)| measured.earliest).min() else {
        return Err(Error::Unsupported("no stream that could be streamed".to_owned()));
    };
    layout.anchor_time = -earliest;
    let start = Entry { at: layout.start, time: Some(kept[0].1.pts - earliest) };
    layout.streams = kept.into_iter().map(|(stream, _)| stream).collect();
    let header = Header { container: NAME, tracks, notes, start, timing: Timing::Stamped, duration: None };
    Ok((header, layout))
}

fn track(codec: Codec, measured: &Measured, frame_rate: Option<f64>) -> Track {
    let seconds = (measured.last - measured.dts).as_secs_f64();
    let bitrate = (seconds > 0.0).then(|| (measured.bytes as f64 * 8.0 / seconds) as u32);
    Track { codec, duration: None, shown_until: None, bitrate, frame_rate }
}

/// What the first samples of a stream showed.
#[derive(Debug, Clone, Copy)]
struct Measured {
    /// Of the first sample.
    pts: MediaTime,
    dts: MediaTime,
    earliest: MediaTime,
    last: MediaTime,
    bytes: u64,
}

impl Measured {
    fn new(sample: &Sample) -> Self {
        Self { pts: sample.pts, dts: sample.dts, earliest: sample.pts, last: sample.dts, bytes: 0 }
    }

    fn add(&mut self, sample: &Sample) {
        self.earliest = self.earliest.min(sample.pts);
        self.last = sample.dts;
        self.bytes += sample.data.len() as u64;
    }
}
