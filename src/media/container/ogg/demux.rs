//! One link of a chain: the logical bitstreams that lie side by side between one group of first pages and the next.

use std::collections::VecDeque;
use std::sync::Arc;

use super::mapping::{Kind, Mapping};
use super::page::{Found, PageReader};
use super::stream::{Assembler, Packet, Stream};
use crate::media::io::Source;
use crate::media::{Error, Note};
use crate::time::MediaTime;

/// How far the headers of a link may reach, in bytes: comments hold pictures at times.
const HEADERS_LEN_MAX: u64 = 64 << 20;
/// More bitstreams in a link than this are left out.
const STREAMS_MAX: usize = 64;
/// Headers longer than this have nothing in them that is needed, in bytes.
const HEADER_KEEP_MAX: usize = 1 << 20;

/// What lies side by side.
#[derive(Debug, Clone)]
pub struct Link {
    /// Where its first page lies.
    pub at: u64,
    /// Where its first page lies that is not the first of a bitstream.
    pub data_at: u64,
    pub streams: Vec<LinkStream>,
    /// What is added to its own time.
    pub offset: MediaTime,
}

/// A logical bitstream of a link.
#[derive(Debug, Clone)]
pub struct LinkStream {
    /// Where its first page lies.
    pub at: u64,
    pub serial: u32,
    pub kind: Kind,
    /// What its headers tell, where they are whole and of a codec that is streamed.
    pub mapping: Option<Arc<Mapping>>,
    /// As which track it is streamed.
    pub track: Option<usize>,
}

impl Link {
    /// Reads the headers of the link that begins at byte `at`. No stream has a track.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn read(source: &Source, at: u64, notes: &mut Vec<Note>) -> Result<Self, Error> {
        let mut pages = PageReader::new(source.clone(), at);
        let mut link = Self { at, data_at: u64::MAX, streams: Vec::new(), offset: MediaTime::ZERO };
        let mut waiting: Vec<Headers> = Vec::new();
        while pages.position() - at < HEADERS_LEN_MAX {
            match pages.next()? {
                Found::Nothing => break,
                Found::Skipped(error) => notes.push(Note::from(&error)),
                Found::Page => {
                    let page = pages.page();
                    if !page.is_first {
                        link.data_at = link.data_at.min(page.at);
                    } else if page.at > link.data_at {
                        break;
                    } else if link.streams.len() < STREAMS_MAX {
                        let first = page.packets().next().map_or(&[][..], |(packet, _)| packet);
                        let kind = Kind::of(first);
                        let (at, serial) = (page.at, page.serial);
                        link.streams.push(LinkStream { at, serial, kind, mapping: None, track: None });
                        waiting.push(Headers::default());
                    }
                    let stream = link.streams.iter().position(|stream| stream.serial == page.serial);
                    if let Some(index) = stream {
                        let stream = &mut link.streams[index];
                        stream.mapping = stream.mapping.take().or(waiting[index].take(page, stream.kind));
                    }
                    let is_known = |stream: &LinkStream| stream.mapping.is_some() || !stream.kind.is_streamed();
                    if link.data_at != u64::MAX && link.streams.iter().all(is_known) {
                        break;
                    }
                }
            }
        }
        link.data_at = link.data_at.min(pages.position());
        Ok(link)
    }

    /// Streams that can be read, by serial number.
    fn readers(&self) -> Vec<(u32, Stream)> {
        let reader = |stream: &LinkStream| {
            let (mapping, track) = (stream.mapping.clone()?, stream.track?);
            Some((stream.serial, Stream::new(track, mapping, self.offset)))
        };
        self.streams.iter().filter_map(reader).collect()
    }

    /// Whether a page with this serial number belongs to it.
    pub fn has(&self, serial: u32) -> bool {
        self.streams.iter().any(|stream| stream.serial == serial)
    }
}

/// The headers of one bitstream while they come.
#[derive(Default)]
struct Headers {
    assembler: Assembler,
    packets: Vec<Vec<u8>>,
}

impl Headers {
    fn take(&mut self, page: &super::page::Page, kind: Kind) -> Option<Arc<Mapping>> {
        let mut whole = Vec::new();
        self.assembler.take(page, &mut whole);
        for mut packet in whole {
            if !kind.is_header(&packet.data) || self.packets.len() >= kind.header_count() {
                continue;
            }
            packet.data.truncate(HEADER_KEEP_MAX);
            self.packets.push(packet.data);
        }
        (self.packets.len() == kind.header_count())
            .then(|| std::mem::take(&mut self.packets))
            .and_then(|headers| Mapping::new(kind, headers))
            .map(Arc::new)
    }
}

/// Reads a link forward.
pub struct Demuxer {
    pages: PageReader,
    pub link: Arc<Link>,
    streams: Vec<(u32, Stream)>,
    /// Damage told of since a stream's last page is not told again for each stream.
    told: Vec<u32>,
}

/// What a step came to.
pub enum Step {
    /// A page has been read; packets may be ready.
    Page,
    /// Something was damaged or missing.
    Skipped(Error),
    /// The first page of another link, at this byte.
    Link(u64),
    /// No more pages now.
    Nothing,
}

impl Demuxer {
    /// From byte `at` on, which is in `link`.
    pub fn new(source: &Source, link: Arc<Link>, at: u64) -> Self {
        let streams = link.readers();
        Self { pages: PageReader::new(source.clone(), at), link, streams, told: Vec::new() }
    }

    /// See [`PageReader::finish`].
    pub fn finish(&mut self) {
        self.pages.finish();
    }

    /// Up to where the file has been read.
    pub fn position(&self) -> u64 {
        self.pages.position()
    }

    /// Goes on reading in another link, which begins with the page that was read last.
    pub fn enter(&mut self, link: Arc<Link>) {
        self.streams = link.readers();
        self.link = link;
    }

    /// Whether it is known of every stream where it stands.
    pub fn is_settled(&self) -> bool {
        self.streams.iter().all(|(_, stream)| stream.is_settled())
    }

    /// Reads a page, and appends the packets that end on it to `ready`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn step(&mut self, ready: &mut VecDeque<Packet>) -> Result<Step, Error> {
        match self.pages.next()? {
            Found::Nothing => return Ok(Step::Nothing),
            Found::Skipped(error) => {
                self.told = self.streams.iter().map(|(serial, _)| *serial).collect();
                return Ok(Step::Skipped(error));
            }
            Found::Page => {}
        }
        let page = self.pages.page();
        if page.is_first && page.at > self.link.data_at {
            return Ok(Step::Link(page.at));
        }
        let Some((serial, stream)) = self.streams.iter_mut().find(|(serial, _)| *serial == page.serial) else {
            return Ok(Step::Page);
        };
        let was_told = self.told.iter().position(|told| told == serial).map(|index| self.told.swap_remove(index));
        Ok(match stream.take(page, ready) {
            Err(error) if was_told.is_none() => Step::Skipped(error),
            _ => Step::Page,
        })
    }
}
