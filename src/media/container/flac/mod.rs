//! FLAC files (RFC 9639 section 5): a stream of frames behind metadata, of which only STREAMINFO matters here.
//!
//! Frames are numbered, so that the time is known wherever reading begins, and no seek table is needed.

mod framer;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use framer::FlacFramer;

use super::{Container, Options, Sniff};
use crate::media::codec::FlacConfig;
use crate::media::codec::flac::{FrameHeader, STREAM_INFO_LEN};
use crate::media::io::Source;
use crate::media::scan::{self, Chunk, Entry, Format, Framer, Header, Scanner, Timing};
use crate::media::{Codec, Error, Next, Note, Recording, Sample, Track};
use crate::time::MediaTime;

/// The line of the table of containers.
pub const CONTAINER: Container = Container { name: "FLAC", suffixes: &["flac", "fla"], sniff, open };

/// What a file begins with.
const MARKER: &[u8; 4] = b"fLaC";
/// Metadata blocks beyond this number are damage.
const BLOCKS_MAX: usize = 10_000;
/// How much is read at once, in bytes.
const CHUNK_LEN: usize = 32 << 10;
/// How far behind the metadata the first frame is looked for, in bytes.
const FIRST_FRAME_SEARCH_LEN: u64 = 16 << 20;
/// How far before the end of the file its last frame is looked for, one after the other, in bytes.
const TAIL_LENS: [u64; 2] = [64 << 10, 8 << 20];

fn sniff(head: &[u8]) -> Sniff {
    match head {
        [b'f', b'L', b'a', b'C', ..] => Sniff::Yes,
        [b'I', b'D', b'3', ..] => Sniff::Maybe,
        _ => Sniff::No,
    }
}

fn open(source: &Source, _options: &Options) -> Result<Arc<dyn Recording>, Error> {
    scan::open(Flac::new(source)?)
}

/// An opened file.
struct Flac {
    source: Source,
    config: FlacConfig,
    /// Samples before the first frame.
    base: u64,
    header: Header,
}

impl Flac {
    fn new(source: &Source) -> Result<Self, Error> {
        let (config, frames_at) = read_metadata(source)?;
        let mut notes = Vec::new();
        let first = first_frame(source, &config, frames_at, &mut notes)?;
        let (at, base) = first.ok_or_else(|| Error::Unsupported("no FLAC frame behind the metadata".to_owned()))?;
        let len = source.len()?;
        let end = last_end(source, &config, at, base, len)?;
        // A file that is still written to does not know its length yet, or is not that long yet.
        let promised = config.sample_count().map(|count| count.saturating_sub(base));
        let is_complete = promised.is_some_and(|count| end.is_some_and(|end| end >= count));
        if let (Some(promised), Some(end)) = (promised.filter(|_| !is_complete), end) {
            let missing = promised.saturating_sub(end);
            notes.push(Note { at: Some(len), text: format!("the file ends {missing} samples too early") });
        }
        let duration = end.filter(|_| is_complete).map(|end| time(end, &config));
        let seconds = end.map(|end| time(end, &config).as_secs_f64()).filter(|seconds| *seconds > 0.0);
        let bitrate = seconds.map(|seconds| (len.saturating_sub(at) as f64 * 8.0 / seconds) as u32);
        let codec = Codec::Flac(config.clone());
        let track = Track { codec, duration, shown_until: None, bitrate, frame_rate: None };
        let header = Header {
            container: CONTAINER.name,
            tracks: vec![track],
            notes,
            start: Entry { at, time: Some(MediaTime::ZERO) },
            timing: Timing::Stamped,
            duration,
        };
        Ok(Self { source: source.clone(), config, base, header })
    }
}

fn time(samples: u64, config: &FlacConfig) -> MediaTime {
    MediaTime::from_ticks(i64::try_from(samples).unwrap_or(i64::MAX), config.sample_rate)
}

/// STREAMINFO, and where the metadata ends. An ID3 tag before it is stepped over.
fn read_metadata(source: &Source) -> Result<(FlacConfig, u64), Error> {
    let mut at = id3_len(source)?;
    let mut marker = [0; 4];
    source.read_exact_at(&mut marker, at, "FLAC marker")?;
    if &marker != MARKER {
        return Err(Error::malformed("FLAC marker", at));
    }
    at += 4;
    let mut config = None;
    for _ in 0..BLOCKS_MAX {
        let mut header = [0; 4];
        source.read_exact_at(&mut header, at, "FLAC metadata block")?;
        let [kind, a, b, c] = header;
        let len = u32::from_be_bytes([0, a, b, c]);
        if kind & 0x7f == 0 && config.is_none() {
            let mut info = [0; STREAM_INFO_LEN];
            source.read_exact_at(&mut info, at + 4, "STREAMINFO")?;
            config = FlacConfig::new(&info);
        }
        at += 4 + u64::from(len);
        if kind & 0x80 != 0 {
            break;
        }
    }
    config.map(|config| (config, at)).ok_or_else(|| Error::malformed("STREAMINFO", 4))
}

/// How long the ID3v2 tag is that some programs put in front, in bytes.
fn id3_len(source: &Source) -> Result<u64, Error> {
    let mut header = [0; 10];
    let filled = source.read_at(&mut header, 0, "the start of the file")?;
    if filled < header.len() || !header.starts_with(b"ID3") {
        return Ok(0);
    }
    // 7 bits in each byte, and the same again for a footer.
    let len = header[6..].iter().fold(0, |len, byte| len << 7 | u64::from(byte & 0x7f));
    let footer_len = if header[5] & 0x10 != 0 { 10 } else { 0 };
    Ok(10 + len + footer_len)
}

/// Where the first frame lies, and how many samples it says come before it.
fn first_frame(
    source: &Source,
    config: &FlacConfig,
    from: u64,
    notes: &mut Vec<Note>,
) -> Result<Option<(u64, u64)>, Error> {
    let mut scanner = FlacScanner::new(source.clone(), FlacFramer::new(config.clone(), 0), from);
    let mut sample = Sample::default();
    while scanner.position - from < FIRST_FRAME_SEARCH_LEN {
        match scanner.next(&mut sample)? {
            Next::Sample => {
                if scanner.last.at > from {
                    notes.push(Note { at: Some(from), text: "bytes before the first FLAC frame".to_owned() });
                }
                let header = FrameHeader::parse(&sample.data, config);
                return Ok(header.map(|header| (scanner.last.at, header.first_sample(config))));
            }
            Next::Pending => scanner.finish(),
            Next::Skipped(_) => {}
            Next::End => break,
        }
    }
    Ok(None)
}

/// How many samples there are up to the end of the last frame.
fn last_end(source: &Source, config: &FlacConfig, from: u64, base: u64, len: u64) -> Result<Option<u64>, Error> {
    for tail_len in TAIL_LENS {
        let start = len.saturating_sub(tail_len).max(from);
        let mut scanner = FlacScanner::new(source.clone(), FlacFramer::new(config.clone(), base as i64), start);
        let mut sample = Sample::default();
        let mut end = None;
        loop {
            sample.clear();
            match scanner.next(&mut sample)? {
                Next::Sample => {
                    if let Some(header) = FrameHeader::parse(&sample.data, config) {
                        let first = header.first_sample(config).saturating_sub(base);
                        end = Some(first.saturating_add(header.block_size.into()));
                    }
                }
                Next::Pending => scanner.finish(),
                Next::Skipped(_) => {}
                Next::End => break,
            }
        }
        if end.is_some() {
            return Ok(end);
        }
    }
    Ok(None)
}

impl Format for Flac {
    fn header(&self) -> &Header {
        &self.header
    }

    fn scan(&self, entry: Entry) -> Box<dyn Scanner> {
        let framer = FlacFramer::new(self.config.clone(), self.base as i64);
        // Metadata may hold anything, frames too.
        let at = entry.at.max(self.header.start.at);
        Box::new(FlacScanner::new(self.source.clone(), framer, at))
    }
}

struct FlacScanner {
    source: Source,
    framer: FlacFramer,
    position: u64,
    last: Entry,
    is_finished: bool,
}

impl FlacScanner {
    fn new(source: Source, framer: FlacFramer, at: u64) -> Self {
        Self { source, framer, position: at, last: Entry { at, time: None }, is_finished: false }
    }
}

impl Scanner for FlacScanner {
    fn next(&mut self, sample: &mut Sample) -> Result<Next, Error> {
        loop {
            match self.framer.pop(sample) {
                Ok(Some(at)) => {
                    self.last = Entry { at, time: Some(sample.pts) };
                    return Ok(Next::Sample);
                }
                Ok(None) => {}
                Err(error) => return Ok(Next::Skipped(error)),
            }
            let mut buffer = [0; CHUNK_LEN];
            let filled = self.source.read_at(&mut buffer, self.position, "FLAC frames")?;
            if filled == 0 {
                return Ok(if self.is_finished { Next::End } else { Next::Pending });
            }
            self.framer.push(Chunk { bytes: &buffer[..filled], at: self.position, is_packet: false, stamp: None });
            self.position += filled as u64;
        }
    }

    fn finish(&mut self) {
        self.is_finished = true;
        self.framer.finish();
    }

    fn entry(&self) -> Entry {
        self.last
    }

    fn position(&self) -> u64 {
        self.position
    }
}
