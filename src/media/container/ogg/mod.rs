//! Ogg (RFC 3533) with Opus (RFC 7845), Vorbis, Theora and FLAC in it, whatever of them lies side by side.
//!
//! `page` finds pages, `stream` makes packets with times of them, `mapping` knows what each codec means by a granule
//! position, `demux` reads what lies side by side, `chain` what follows each other. Any byte of the file is good to
//! start from: granule positions tell the time.

mod chain;
mod demux;
mod mapping;
mod page;
mod stream;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;

use chain::Chain;
use demux::{Demuxer, Link, Step};
use mapping::{Kind, Mapping};
use page::CAPTURE_PATTERN;
use stream::Packet;

use super::{Container, Options, Sniff};
use crate::media::io::Source;
use crate::media::scan::{self, Entry, Format, Header, Scanner, Timing};
use crate::media::{Codec, Error, Next, Note, Recording, Sample, Track};
use crate::time::MediaTime;

/// The line of the table of containers.
pub const CONTAINER: Container = Container {
    name: "Ogg",
    suffixes: &["ogg", "ogv", "oga", "opus", "spx", "ogx"],
    sniff: |head| if head.starts_with(CAPTURE_PATTERN) { Sniff::Yes } else { Sniff::No },
    open,
};

/// How far before the place where samples are wanted pages are read, one after the other, to learn where each stream
/// stands, in bytes.
const LOOK_BACK_LENS: [u64; 2] = [128 << 10, 1 << 20];

fn open(source: &Source, _options: &Options) -> Result<Arc<dyn Recording>, Error> {
    scan::open(Ogg::new(source)?)
}

/// An opened file.
struct Ogg {
    source: Source,
    chain: Arc<Chain>,
    header: Header,
}

impl Ogg {
    fn new(source: &Source) -> Result<Self, Error> {
        let mut notes = Vec::new();
        let chain = Chain::open(source, &mut notes)?;
        let first = chain.first();
        notes.extend(first.streams.iter().filter(|stream| stream.track.is_none()).filter_map(left_out));
        let mut tracks: Vec<Track> = first
            .streams
            .iter()
            .filter(|stream| stream.track.is_some())
            .filter_map(|stream| track(stream.mapping.as_ref()?))
            .collect();
        let duration = durations(source, &chain, &mut tracks)?;
        let firsts = chain::firsts(source, &first)?;
        let start = Entry {
            at: firsts.iter().flatten().map(|first| first.at).min().unwrap_or(first.at),
            time: Some(firsts.iter().flatten().map(|first| first.pts).min().unwrap_or_default()),
        };
        let header = Header { container: CONTAINER.name, tracks, notes, start, timing: Timing::Stamped, duration };
        Ok(Self { source: source.clone(), chain: Arc::new(chain), header })
    }
}

fn track(mapping: &Mapping) -> Option<Track> {
    let (bitrate, frame_rate) = match &mapping.codec {
        Codec::Vorbis(config) => (config.bitrate, None),
        Codec::Theora(config) => {
            let (frames, seconds) = config.frame_rate;
            (config.bitrate, Some(f64::from(frames) / f64::from(seconds)))
        }
        _ => (None, None),
    };
    Some(Track { codec: mapping.codec.clone(), duration: None, shown_until: None, bitrate, frame_rate })
}

/// Why a stream is no track; `None` where nobody misses it.
fn left_out(stream: &demux::LinkStream) -> Option<Note> {
    let text = match stream.kind {
        Kind::Skeleton => return None,
        Kind::Other(name) => format!("a bitstream of {name} is not streamed"),
        _ => "a bitstream is left out, as its headers are malformed or missing".to_owned(),
    };
    Some(Note { at: Some(stream.at), text })
}

/// Fills in when each track ends, and returns when the last does, if the file is complete: a bitstream that is still
/// written to has no last page.
fn durations(source: &Source, chain: &Chain, tracks: &mut [Track]) -> Result<Option<MediaTime>, Error> {
    let (last, len) = chain.last();
    let is_complete = chain::last_page(source, last.at, len)?.is_some_and(|page| page.is_last);
    if !is_complete {
        return Ok(None);
    }
    let ends = chain::ends(source, &last, len)?;
    for (track, end) in tracks.iter_mut().zip(&ends) {
        track.duration = end.map(|end| end.shown);
    }
    let duration = ends.iter().flatten().map(|end| end.shown).max();
    if let ([track], Some(seconds)) = (tracks, duration.map(MediaTime::as_secs_f64).filter(|seconds| *seconds > 0.0)) {
        track.bitrate = Some((len as f64 * 8.0 / seconds) as u32);
    }
    Ok(duration)
}

impl Format for Ogg {
    fn header(&self) -> &Header {
        &self.header
    }

    fn scan(&self, entry: Entry) -> Box<dyn Scanner> {
        Box::new(OggScanner {
            source: self.source.clone(),
            chain: self.chain.clone(),
            demuxer: None,
            ready: VecDeque::new(),
            from: entry.at,
            entry,
            end: MediaTime::MIN,
            is_finished: false,
        })
    }
}

struct OggScanner {
    source: Source,
    chain: Arc<Chain>,
    /// What reads, once it does.
    demuxer: Option<Demuxer>,
    /// Packets of the page that was read last.
    ready: VecDeque<Packet>,
    /// Where what begins earlier is not wanted.
    from: u64,
    entry: Entry,
    /// When all that came so far has been shown.
    end: MediaTime,
    is_finished: bool,
}

impl OggScanner {
    /// Begins some way before the place where samples are wanted, so that each stream knows there where it stands:
    /// what a Vorbis packet yields depends on the one before, and where the last page begins too.
    fn begin(&self) -> Result<Demuxer, Error> {
        let mut link = self.chain.link_at(self.from)?;
        let mut back = LOOK_BACK_LENS.iter();
        loop {
            let is_last_try = back.len() <= 1;
            let at = self.from.saturating_sub(*back.next().unwrap_or(&0)).max(link.at);
            let mut demuxer = Demuxer::new(&self.source, link.clone(), at);
            let mut early = VecDeque::new();
            while demuxer.position() < self.from {
                match demuxer.step(&mut early)? {
                    Step::Nothing => break,
                    Step::Link(at) if at > link.at => {
                        link = self.chain.link_from(at, &link)?;
                        demuxer.enter(link.clone());
                    }
                    _ => early.clear(),
                }
            }
            if is_last_try || at == link.at || demuxer.is_settled() {
                return Ok(demuxer);
            }
        }
    }

    /// The link that begins at byte `at`. What it is the successor of has been read, so that it cannot begin earlier
    /// than that ended.
    fn enter(&mut self, at: u64) -> Result<(), Error> {
        let Some(demuxer) = &mut self.demuxer else { return Ok(()) };
        let mut link = self.chain.link_from(at, &demuxer.link)?;
        let begin = chain::firsts(&self.source, &link)?.iter().flatten().map(|first| first.pts).min();
        if let Some(begin) = begin.filter(|begin| *begin < self.end) {
            let offset = link.offset + (self.end - begin);
            link = Arc::new(Link { offset, ..Link::clone(&link) });
        }
        demuxer.enter(link);
        Ok(())
    }
}

impl Scanner for OggScanner {
    fn next(&mut self, sample: &mut Sample) -> Result<Next, Error> {
        loop {
            while let Some(packet) = self.ready.pop_front() {
                if packet.at < self.from {
                    continue;
                }
                let Packet { at, track, pts, end, is_sync, data, .. } = packet;
                self.entry = Entry { at, time: Some(pts) };
                self.end = self.end.max(end);
                (sample.track, sample.pts, sample.dts, sample.is_sync) = (track, pts, pts, is_sync);
                sample.data = data;
                return Ok(Next::Sample);
            }
            if self.demuxer.is_none() {
                let mut demuxer = self.begin()?;
                if self.is_finished {
                    demuxer.finish();
                }
                self.demuxer = Some(demuxer);
            }
            let Some(demuxer) = &mut self.demuxer else { continue };
            match demuxer.step(&mut self.ready)? {
                Step::Page => {}
                Step::Skipped(error) => return Ok(Next::Skipped(error)),
                Step::Link(at) => self.enter(at)?,
                Step::Nothing => return Ok(if self.is_finished { Next::End } else { Next::Pending }),
            }
        }
    }

    fn finish(&mut self) {
        self.is_finished = true;
        if let Some(demuxer) = &mut self.demuxer {
            demuxer.finish();
        }
    }

    fn entry(&self) -> Entry {
        self.entry
    }

    fn position(&self) -> u64 {
        self.demuxer.as_ref().map_or(self.from, Demuxer::position)
    }
}
