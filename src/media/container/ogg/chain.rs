//! Chains (RFC 3533 section 4): links that follow each other, each a recording of its own with serial numbers of its
//! own. They are served as one: a link begins when all that its predecessor's decoders yield has been shown.
//!
//! Where links begin is found by bisection when a file is opened, and again when it has grown.

use std::collections::VecDeque;
use std::sync::Arc;

use super::demux::{Demuxer, Link, Step};
use super::page::{Found, Page, PageReader};
use crate::media::io::Source;
use crate::media::{Error, Note};
use crate::sync::Leaf;
use crate::time::MediaTime;

/// Links beyond this number are not found beforehand.
const LINKS_MAX: usize = 1000;
/// How far into a file, or behind the place where one should be, the first page of a link is looked for, in bytes.
const FIRST_PAGE_SEARCH_LEN: u64 = 8 << 20;
/// How far into a link the first sample of each track is looked for, in bytes.
const FIRST_SAMPLES_LEN: u64 = 1 << 20;
/// How far back from the end of a link its last samples are looked for, one after the other, in bytes.
const TAIL_LENS: [u64; 3] = [128 << 10, 1 << 20, 8 << 20];
/// When no more bytes than this follow, all pages are looked at: quick enough, and no link is missed.
const WALK_LEN_MAX: u64 = 4 << 20;
/// At how many places a longer file is looked into for the serial numbers there.
const PROBES: u64 = 8;
/// When so many bytes are left of a bisection, pages are read one after the other.
const BISECTION_LEN_MIN: u64 = 128 << 10;

/// The links of a file.
pub struct Chain {
    source: Source,
    known: Leaf<Known>,
}

#[derive(Clone)]
struct Known {
    links: Vec<Arc<Link>>,
    /// The length of the file when links were last looked for.
    until: u64,
}

/// The first sample of a track in a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct First {
    /// Where the page lies on which the first sample of the track begins.
    pub at: u64,
    pub pts: MediaTime,
    /// When its first sound that is to be heard is.
    pub shown: MediaTime,
}

/// The end of a track in a link.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct End {
    /// When what the decoder yields has been shown, and what of it is to be shown.
    pub decoded: MediaTime,
    pub shown: MediaTime,
}

impl Chain {
    /// Finds the links of `source`. The streams of the first have tracks in their order; those of others have the
    /// tracks that they continue.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when there is no first page; [`Error::Io`].
    pub fn open(source: &Source, notes: &mut Vec<Note>) -> Result<Self, Error> {
        let at = first_page(source, 0, |page| page.is_first)?
            .ok_or_else(|| Error::Unsupported("no Ogg bitstream begins in it".to_owned()))?;
        let mut link = Link::read(source, at, notes)?;
        let mut tracks = 0..;
        for stream in link.streams.iter_mut().filter(|stream| stream.mapping.is_some()) {
            stream.track = tracks.next();
        }
        let shown = firsts(source, &link)?.iter().flatten().map(|first| first.shown).min();
        link.offset = -shown.unwrap_or_default().max(MediaTime::ZERO);
        let chain = Self { source: source.clone(), known: Leaf::new(Known { links: vec![Arc::new(link)], until: 0 }) };
        chain.grow(notes)?;
        Ok(chain)
    }

    /// The first link.
    pub fn first(&self) -> Arc<Link> {
        self.known.with(|known| known.links[0].clone())
    }

    /// The last link, and the length of the file when it was found.
    pub fn last(&self) -> (Arc<Link>, u64) {
        self.known.with(|known| (known.links[known.links.len() - 1].clone(), known.until))
    }

    /// The link in which byte `at` of the file lies.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn link_at(&self, at: u64) -> Result<Arc<Link>, Error> {
        if self.known.with(|known| at >= known.until) {
            self.grow(&mut Vec::new())?;
        }
        Ok(self.known.with(|known| {
            let following = known.links.partition_point(|link| link.at <= at);
            known.links[following.saturating_sub(1)].clone()
        }))
    }

    /// The link that begins with the page at byte `at`, which was come upon while reading `before`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn link_from(&self, at: u64, before: &Link) -> Result<Arc<Link>, Error> {
        let link = self.link_at(at)?;
        if link.at == at {
            return Ok(link);
        }
        // Bisection goes by serial numbers, and this one has those of the link before.
        let link = Arc::new(self.successor(before, at, &mut Vec::new())?);
        self.known.with(|known| {
            if known.links.last().is_some_and(|last| last.at < at) && known.links.len() < LINKS_MAX {
                known.links.push(link.clone());
            }
        });
        Ok(link)
    }

    /// Looks for links in what has been appended to the file.
    fn grow(&self, notes: &mut Vec<Note>) -> Result<(), Error> {
        let len = self.source.len()?;
        let mut known = self.known.with(|known| known.clone());
        if len <= known.until {
            return Ok(());
        }
        while known.links.len() < LINKS_MAX
            && let Some(last) = known.links.last()
            && let Some(at) = next_link(&self.source, last, len)?
        {
            let link = self.successor(last, at, notes)?;
            known.links.push(Arc::new(link));
        }
        known.until = len;
        self.known.with(|current| {
            if current.until < len {
                *current = known;
            }
        });
        Ok(())
    }

    /// The link that begins at byte `at` and follows `before`.
    fn successor(&self, before: &Link, at: u64, notes: &mut Vec<Note>) -> Result<Link, Error> {
        let mut link = Link::read(&self.source, at, notes)?;
        let first = self.first();
        for index in 0..link.streams.len() {
            let Some(mapping) = link.streams[index].mapping.clone() else { continue };
            let is_free = |track| link.streams.iter().all(|stream| stream.track != track);
            let continued = first.streams.iter().find(|stream| {
                is_free(stream.track) && stream.mapping.as_ref().is_some_and(|first| first.goes_on_as(&mapping))
            });
            let stream = &link.streams[index];
            if continued.is_none() {
                let what = mapping.codec.name();
                let text = format!("{what} that is coded otherwise than at the start of the file is left out");
                notes.push(Note { at: Some(stream.at), text });
            }
            link.streams[index].track = continued.and_then(|stream| stream.track);
        }
        let end = ends(&self.source, before, at)?.iter().flatten().map(|end| end.decoded).max();
        let firsts = firsts(&self.source, &link)?;
        link.offset = match end {
            Some(end) => end - firsts.iter().flatten().map(|first| first.pts).min().unwrap_or_default(),
            None => before.offset - firsts.iter().flatten().map(|first| first.shown).min().unwrap_or_default(),
        };
        Ok(link)
    }
}

/// Where the first page lies from byte `from` on that is `wanted`.
fn first_page(source: &Source, from: u64, wanted: impl Fn(&Page) -> bool) -> Result<Option<u64>, Error> {
    let mut pages = PageReader::new(source.clone(), from);
    while pages.position() - from < FIRST_PAGE_SEARCH_LEN {
        match pages.next()? {
            Found::Page if wanted(pages.page()) => return Ok(Some(pages.page().at)),
            Found::Nothing => break,
            _ => {}
        }
    }
    Ok(None)
}

/// Where the link begins that follows `link` in a file of `len` bytes.
///
/// A page is of another link when its serial number is, or when its bitstream counts from the start again: whoever
/// strings the same file together twice gives both links the same serial numbers, though RFC 3533 section 4 forbids it.
fn next_link(source: &Source, link: &Link, len: u64) -> Result<Option<u64>, Error> {
    let mut low = link.data_at;
    if len.saturating_sub(low) <= WALK_LEN_MAX {
        return first_page(source, low, |page| page.is_first);
    }
    let mut seen = Seen { link, counts: Vec::new() };
    let (step, mut high) = ((len - low) / PROBES, None);
    for probe in 1..=PROBES {
        let at = if probe == PROBES { len } else { link.data_at + step * probe };
        let page = if probe == PROBES { last_page(source, low, len)? } else { page_from(source, at, len)? };
        let Some(page) = page else { continue };
        match seen.belongs(&page) {
            Some(true) => low = page.end(),
            Some(false) => {
                high = Some(at);
                break;
            }
            None => {}
        }
    }
    let Some(mut high) = high else { return Ok(None) };
    while high.saturating_sub(low) > BISECTION_LEN_MIN {
        let middle = low + (high - low) / 2;
        match page_from(source, middle, high)?.filter(|page| seen.belongs(page) == Some(true)) {
            Some(page) => low = page.end(),
            None => high = middle,
        }
    }
    first_page(source, low, |page| page.is_first)
}

/// What pages of a link have been seen at places ever further on.
struct Seen<'a> {
    link: &'a Link,
    /// The sequence number of the last page of each bitstream, by its serial number.
    counts: Vec<(u32, u32)>,
}

impl Seen<'_> {
    /// Whether a page is of the link; `None` when it is the first of its bitstream to be seen, and nothing tells.
    fn belongs(&mut self, page: &Page) -> Option<bool> {
        if page.is_first || !self.link.has(page.serial) {
            return Some(false);
        }
        let Some((_, count)) = self.counts.iter_mut().find(|(serial, _)| *serial == page.serial) else {
            self.counts.push((page.serial, page.sequence));
            return None;
        };
        let goes_on = page.sequence >= *count;
        *count = (*count).max(page.sequence);
        Some(goes_on)
    }
}

/// The first page from byte `from` on, if one begins before `until`.
fn page_from(source: &Source, from: u64, until: u64) -> Result<Option<Page>, Error> {
    let mut pages = PageReader::new(source.clone(), from);
    while pages.position() < until {
        match pages.next()? {
            Found::Page => return Ok(Some(pages.page().clone())),
            Found::Skipped(_) => {}
            Found::Nothing => break,
        }
    }
    Ok(None)
}

/// The last page of the file, if there is one in its last bytes.
pub fn last_page(source: &Source, from: u64, len: u64) -> Result<Option<Page>, Error> {
    for tail_len in TAIL_LENS {
        let start = len.saturating_sub(tail_len).max(from);
        let mut pages = PageReader::new(source.clone(), start);
        pages.finish();
        let mut last = None;
        loop {
            match pages.next()? {
                Found::Page => last = Some(pages.page().clone()),
                Found::Skipped(_) => {}
                Found::Nothing => break,
            }
        }
        if last.is_some() || start == from {
            return Ok(last);
        }
    }
    Ok(None)
}

/// The first sample of each track in `link`, where it is not far.
pub fn firsts(source: &Source, link: &Link) -> Result<Vec<Option<First>>, Error> {
    let mut firsts: Vec<Option<First>> = vec![None; track_count(link)];
    let mut demuxer = Demuxer::new(source, Arc::new(link.clone()), link.at);
    let mut ready = VecDeque::new();
    let is_missing = |firsts: &[Option<First>]| {
        link.streams.iter().filter_map(|stream| stream.track).any(|track| firsts[track].is_none())
    };
    while is_missing(&firsts) && demuxer.position().saturating_sub(link.data_at) < FIRST_SAMPLES_LEN {
        if matches!(demuxer.step(&mut ready)?, Step::Nothing | Step::Link(_)) {
            break;
        }
        for packet in ready.drain(..) {
            let first = First { at: packet.at, pts: packet.pts, shown: packet.shown };
            firsts[packet.track].get_or_insert(first);
        }
    }
    Ok(firsts)
}

/// The end of each track in `link`, which ends before byte `until` of the file.
pub fn ends(source: &Source, link: &Link, until: u64) -> Result<Vec<Option<End>>, Error> {
    let link = Arc::new(link.clone());
    let mut ends = Vec::new();
    for tail_len in TAIL_LENS {
        let start = until.saturating_sub(tail_len).max(link.at);
        ends = vec![None; track_count(&link)];
        let mut demuxer = Demuxer::new(source, link.clone(), start);
        demuxer.finish();
        let mut ready = VecDeque::new();
        while demuxer.position() < until {
            if matches!(demuxer.step(&mut ready)?, Step::Nothing | Step::Link(_)) {
                break;
            }
            for packet in ready.drain(..) {
                let end = ends[packet.track].get_or_insert(End::default());
                end.decoded = end.decoded.max(packet.end);
                end.shown = end.shown.max(packet.shown_end);
            }
        }
        let is_missing = |track: usize| ends[track].is_none();
        if start == link.at || !link.streams.iter().filter_map(|stream| stream.track).any(is_missing) {
            break;
        }
    }
    Ok(ends)
}

fn track_count(link: &Link) -> usize {
    link.streams.iter().filter_map(|stream| stream.track).max().map_or(0, |track| track + 1)
}
