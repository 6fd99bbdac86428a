//! One logical bitstream: packets out of pages, and their times.
//!
//! The granule position of a page is where its last packet ends, so the others are counted back from there by their
//! durations. Only on the last page it may be less than the packets yield: then the end is not to be heard, and they
//! are counted forward from the page before.

use std::collections::VecDeque;
use std::sync::Arc;

use super::mapping::{Contents, Mapping};
use super::page::Page;
use crate::media::Error;
use crate::time::MediaTime;

/// Packets longer than this are left out, in bytes: the largest key frames are far from it.
const PACKET_LEN_MAX: usize = 16 << 20;

/// A packet that is a sample.
#[derive(Debug)]
pub struct Packet {
    /// Where the page lies on which it begins.
    pub at: u64,
    pub track: usize,
    pub pts: MediaTime,
    /// When the first is that is to be heard, if reading began with it.
    pub shown: MediaTime,
    /// When what it holds has been shown, and what of it is to be shown.
    pub end: MediaTime,
    pub shown_end: MediaTime,
    pub is_sync: bool,
    pub data: Vec<u8>,
}

/// A logical bitstream while it is read.
#[derive(Debug)]
pub struct Stream {
    pub track: usize,
    mapping: Arc<Mapping>,
    /// What is added to the bitstream's own time.
    offset: MediaTime,
    assembler: Assembler,
    sequence: Option<u32>,
    /// The position behind the last packet.
    position: Option<i64>,
    /// No packet but headers has come.
    is_at_start: bool,
    /// For [`Mapping::contents`].
    block_before: Option<u16>,
    last_pts: MediaTime,
}

impl Stream {
    /// A bitstream that has not been read.
    pub fn new(track: usize, mapping: Arc<Mapping>, offset: MediaTime) -> Self {
        Self {
            track,
            mapping,
            offset,
            assembler: Assembler::default(),
            sequence: None,
            position: None,
            is_at_start: false,
            block_before: None,
            last_pts: MediaTime::MIN,
        }
    }

    /// Whether it is known where it stands.
    pub fn is_settled(&self) -> bool {
        self.is_at_start || self.position.is_some()
    }

    /// Appends the packets that end on this page to `out`.
    ///
    /// # Errors
    /// When something is missing before or on the page. What is there has been appended.
    pub fn take(&mut self, page: &Page, out: &mut VecDeque<Packet>) -> Result<(), Error> {
        let mut damage = None;
        if self.sequence.is_some_and(|before| before.wrapping_add(1) != page.sequence) {
            damage = Some("page before this one, which is missing,");
            self.assembler = Assembler::default();
            (self.position, self.block_before, self.is_at_start) = (None, None, false);
        }
        self.sequence = Some(page.sequence);
        let mut packets = Vec::new();
        if !self.assembler.take(page, &mut packets) {
            damage = damage.or(Some("packet in Ogg"));
        }
        let mut found = Vec::new();
        for whole in packets {
            if self.mapping.is_header(&whole.data) && !whole.data.is_empty() {
                self.is_at_start = true;
                continue;
            }
            match self.mapping.contents(&whole.data, &mut self.block_before) {
                Some(contents) => found.push((whole, contents)),
                None if whole.data.is_empty() => {}
                None => damage = damage.or(Some("packet in Ogg")),
            }
        }
        self.append(page, found, out);
        damage.map_or(Ok(()), |what| Err(Error::malformed(what, page.at)))
    }

    fn append(&mut self, page: &Page, found: Vec<(Whole, Contents)>, out: &mut VecDeque<Packet>) {
        let total: i64 = found.iter().map(|(_, contents)| i64::from(contents.duration)).sum();
        let Some((start, end)) = self.span(page, total).filter(|_| !found.is_empty()) else { return };
        let mut position = start;
        for (whole, Contents { duration, lead, is_sync }) in found {
            let next = position + i64::from(duration);
            // A picture without bytes repeats the one before; sound behind the end is not to be heard.
            let is_nothing = whole.data.is_empty() || duration > 0 && position >= end;
            if !is_nothing {
                let time = |position| self.offset + self.mapping.time(position);
                let pts = time(position - i64::from(lead)).max(self.last_pts);
                self.last_pts = pts;
                let shown = time(position) + self.mapping.priming();
                let (end, shown_end) = (time(next), time(next.min(end)));
                let Whole { at, data } = whole;
                out.push_back(Packet { at, track: self.track, pts, shown, end, shown_end, is_sync, data });
            }
            position = next;
        }
        self.is_at_start = false;
        self.position = Some(position.min(end));
    }

    /// From where to where the packets go that end on this page and last `total`; `None` when nothing tells.
    fn span(&self, page: &Page, total: i64) -> Option<(i64, i64)> {
        let Some(end) = page.granule.map(|granule| self.mapping.position(granule)) else {
            return self.position.map(|start| (start, start + total));
        };
        let is_trimmed = page.is_last && self.mapping.trims_end();
        let earliest = match self.position {
            Some(before) if is_trimmed => before,
            // RFC 7845 section 4.5: on a page that is the first and the last, positions count from 0.
            None if is_trimmed && self.is_at_start => 0,
            _ => i64::MIN,
        };
        Some(((end - total).max(earliest), end))
    }
}

/// A packet and where the page lies on which it begins.
#[derive(Debug, Default)]
pub struct Whole {
    pub at: u64,
    pub data: Vec<u8>,
}

/// Puts packets together out of pages.
#[derive(Debug, Default)]
pub struct Assembler {
    /// A packet that has begun and not ended.
    begun: Option<Whole>,
    is_too_long: bool,
}

impl Assembler {
    /// Appends the packets that end on this page to `out`; `false` when there was one that cannot be had as a whole.
    pub fn take(&mut self, page: &Page, out: &mut Vec<Whole>) -> bool {
        let mut is_whole = true;
        if !page.is_continued && self.begun.take().is_some() {
            is_whole = false;
        }
        for (index, (part, is_end)) in page.packets().enumerate() {
            if index > 0 || !page.is_continued {
                self.begun = Some(Whole { at: page.at, data: Vec::new() });
                self.is_too_long = false;
            }
            // Without a beginning, it is one that was missed or lies before where reading began.
            let Some(begun) = &mut self.begun else { continue };
            if begun.data.len() + part.len() > PACKET_LEN_MAX {
                self.is_too_long = true;
            } else {
                begun.data.extend_from_slice(part);
            }
            if is_end && let Some(whole) = self.begun.take() {
                if self.is_too_long {
                    is_whole = false;
                } else {
                    out.push(whole);
                }
            }
        }
        is_whole
    }
}
