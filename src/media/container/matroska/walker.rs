//! The way through the Clusters (RFC 9559 section 5.1.3), block by block, reading headers only.
//!
//! The walk is flat: a Cluster or BlockGroup is entered by moving the position to its data, and left when its end or
//! the ID of the next Cluster comes. That is also how Clusters of unknown size end (RFC 8794 section 6.2). Whatever
//! does not fit is damage: the walk goes on at the next Cluster.

use super::block::{self, Extent, Header};
use super::ebml::{self, Element, id};
use super::segment::{Segment, WINDOW_LEN};
use crate::media::Error;
use crate::media::io::{Source, Window};

/// How far the next Cluster is looked for behind damage, in bytes.
const RESYNC_LEN_MAX: u64 = 1 << 30;
/// What is read at a time while looking for a Cluster, in bytes.
const RESYNC_CHUNK_LEN: usize = 64 << 10;
/// Elements between two blocks of tracks that can be streamed; more are damage.
const ELEMENT_COUNT_MAX: usize = 1 << 20;
/// Elements before the Timestamp of a Cluster, which should come first.
const BEFORE_TIMESTAMP_COUNT_MAX: usize = 8;
/// What they may take, in bytes.
const BEFORE_TIMESTAMP_LEN_MAX: u64 = 64 << 10;

/// One viewer's place in a [`Segment`].
#[derive(Debug)]
pub struct Walker {
    window: Window,
    /// The next element.
    position: u64,
    /// Where the Cluster ends that is being read, if that is known.
    cluster_end: Option<u64>,
    /// Its Timestamp.
    cluster_ticks: i64,
    /// More was announced than the file has.
    is_cut: bool,
    /// That has been told.
    is_cut_told: bool,
    frames: Vec<Extent>,
}

/// What [`Walker::next`] came by.
#[derive(Debug)]
pub enum Step {
    /// A block of a track that can be streamed; its frames are in [`Walker::frames`].
    Block(Block),
    /// Damage was stepped over.
    Skipped(Error),
    /// The end of the Segment.
    End,
}

/// A SimpleBlock or BlockGroup.
#[derive(Debug, Clone, Copy)]
pub struct Block {
    /// Index in [`Segment::streams`].
    pub stream: usize,
    /// Its timestamp: the Cluster's and its own.
    pub ticks: i64,
    /// Decoding can start here.
    pub is_key: bool,
    /// BlockDuration, of all frames together.
    pub duration_ticks: Option<i64>,
}

/// How much of a frame tells how long it lasts, in bytes: FLAC has the longest header.
pub const FRAME_HEAD_LEN: usize = 16;

impl Walker {
    /// Begins with the first Cluster of `segment`.
    pub fn new(segment: &Segment) -> Self {
        Self {
            window: Window::new(segment.source.clone(), WINDOW_LEN),
            position: segment.first_cluster,
            cluster_end: None,
            cluster_ticks: 0,
            is_cut: segment.is_cut,
            is_cut_told: false,
            frames: Vec::new(),
        }
    }

    /// Goes to the Cluster that begins at byte `at`.
    pub fn go_to(&mut self, at: u64) {
        self.position = at;
        self.cluster_end = None;
        self.cluster_ticks = 0;
        self.is_cut_told = false;
    }

    /// Where the frames of the last block lie.
    pub fn frames(&self) -> &[Extent] {
        &self.frames
    }

    /// The first bytes of a frame, at most [`FRAME_HEAD_LEN`], behind those that were stripped off it.
    pub fn frame_head(&mut self, frame: Extent, stripped: &[u8]) -> Result<Vec<u8>, Error> {
        let mut head = stripped[..stripped.len().min(FRAME_HEAD_LEN)].to_vec();
        let len = frame.len.min((FRAME_HEAD_LEN - head.len()) as u64) as usize;
        head.extend_from_slice(self.window.bytes(frame.at, len, "a frame")?);
        Ok(head)
    }

    /// The next block.
    ///
    /// # Errors
    /// [`Error::Io`] only; anything else is [`Step::Skipped`].
    pub fn next(&mut self, segment: &Segment) -> Result<Step, Error> {
        for _ in 0..ELEMENT_COUNT_MAX {
            if self.cluster_end.is_some_and(|end| self.position >= end) {
                self.cluster_end = None;
            }
            if self.position >= segment.end {
                return Ok(self.end(segment));
            }
            let at = self.position;
            match self.element(segment) {
                Ok(Visit::Block(block)) => return Ok(Step::Block(block)),
                Ok(Visit::Nothing) => {}
                Ok(Visit::SkippedBlock(error)) => return Ok(Step::Skipped(error)),
                Ok(Visit::AnotherFile) => self.position = segment.end,
                Err(error @ Error::Io { .. }) => return Err(error),
                Err(error) => return self.resync(segment, at, error),
            }
        }
        let error = Error::malformed("Cluster without blocks", self.position);
        self.resync(segment, self.position, error)
    }

    /// The end, and once before it that the file goes no further than this.
    fn end(&mut self, segment: &Segment) -> Step {
        if self.is_cut && !self.is_cut_told {
            self.is_cut_told = true;
            return Step::Skipped(Error::truncated("Segment", segment.end));
        }
        Step::End
    }

    /// Goes to the next Cluster behind the damage at byte `at`.
    fn resync(&mut self, segment: &Segment, at: u64, error: Error) -> Result<Step, Error> {
        self.cluster_end = None;
        let cluster = find_cluster(&segment.source, at + 1, resync_end(at, segment.end))?;
        self.position = cluster.unwrap_or(segment.end);
        self.is_cut_told |= cluster.is_none();
        match error {
            // Not the end of the file, as there is more: a size that lies.
            Error::Truncated { .. } if cluster.is_some() => {
                Ok(Step::Skipped(Error::malformed("size of an element", at)))
            }
            error => Ok(Step::Skipped(error)),
        }
    }

    /// Reads the element at the position and moves behind it, or into it.
    fn element(&mut self, segment: &Segment) -> Result<Visit, Error> {
        let element = Element::read(&mut self.window, self.position)?;
        if element.id == id::CLUSTER {
            self.position = element.data;
            self.cluster_end = element.end();
            self.cluster_ticks = 0;
            self.is_cut |= element.end().is_some_and(|end| end > segment.end);
            return Ok(Visit::Nothing);
        }
        if matches!(element.id, id::EBML | id::SEGMENT) {
            return Ok(Visit::AnotherFile);
        }
        let end = self.checked_end(segment, &element)?;
        let mut visit = Visit::Nothing;
        match element.id {
            id::TIMESTAMP => self.cluster_ticks = self.uint(&element)?,
            id::SIMPLE_BLOCK => visit = self.block(segment, element.data, end)?,
            id::BLOCK_GROUP => visit = self.block_group(segment, element.data, end)?,
            other if is_known(other) => {}
            _ => self.check_unknown(segment, end)?,
        }
        self.position = end;
        Ok(visit)
    }

    /// Where `element` ends, within its Cluster and the file.
    fn checked_end(&self, segment: &Segment, element: &Element) -> Result<u64, Error> {
        let end = element.end().ok_or_else(|| Error::malformed("element of unknown size", element.at))?;
        if end > segment.end {
            let what =
                if element.id == id::SIMPLE_BLOCK || element.id == id::BLOCK_GROUP { "block" } else { "element" };
            return Err(Error::truncated(what, segment.end));
        }
        if self.cluster_end.is_some_and(|cluster_end| end > cluster_end) {
            return Err(Error::malformed("element that reaches beyond its Cluster", element.at));
        }
        Ok(end)
    }

    /// An element that we do not know may be of a later version of the format; if so, a known one follows it.
    fn check_unknown(&mut self, segment: &Segment, end: u64) -> Result<(), Error> {
        if end == segment.end || self.cluster_end == Some(end) {
            return Ok(());
        }
        let next = Element::read(&mut self.window, end)?;
        if is_known(next.id) || matches!(next.id, id::CLUSTER | id::TIMESTAMP | id::SIMPLE_BLOCK | id::BLOCK_GROUP) {
            return Ok(());
        }
        Err(Error::malformed("unknown element", self.position))
    }

    fn uint(&mut self, element: &Element) -> Result<i64, Error> {
        let len = element.size.filter(|size| *size <= 8).ok_or_else(|| Error::malformed("integer", element.at))?;
        let value = ebml::uint(self.window.bytes(element.data, len as usize, "an integer")?);
        i64::try_from(value).map_err(|_| Error::malformed("integer", element.at))
    }

    /// Reads a BlockGroup's elements, which may come in any order around the one Block.
    fn block_group(&mut self, segment: &Segment, data: u64, end: u64) -> Result<Visit, Error> {
        let mut at = data;
        let mut visit = Visit::Nothing;
        let mut has_reference = false;
        let mut duration_ticks = None;
        while at < end {
            let element = Element::read(&mut self.window, at)?;
            let element_end =
                element.end().filter(|e| *e <= end).ok_or_else(|| Error::malformed("element of a BlockGroup", at))?;
            match element.id {
                id::BLOCK => visit = self.block(segment, element.data, element_end)?,
                id::BLOCK_DURATION => duration_ticks = Some(self.uint(&element)?),
                id::REFERENCE_BLOCK => has_reference = true,
                _ => {}
            }
            at = element_end;
        }
        if let Visit::Block(block) = &mut visit {
            block.is_key = !has_reference;
            block.duration_ticks = duration_ticks;
        }
        Ok(visit)
    }

    /// Reads the header and the lacing of a block.
    fn block(&mut self, segment: &Segment, data: u64, end: u64) -> Result<Visit, Error> {
        let bytes = self.window.available(data, block::HEADER_LEN_MAX, "a block")?;
        let len = usize::try_from(end - data).unwrap_or(usize::MAX).min(bytes.len());
        let Some(header) = Header::parse(&bytes[..len]) else {
            return Ok(Visit::SkippedBlock(Error::malformed("block header", data)));
        };
        let Some(stream) = segment.streams.iter().position(|stream| stream.number == header.number) else {
            return Ok(Visit::Nothing);
        };
        let frames_at = data + header.len as u64;
        match block::unlace(&mut self.window, header.lacing, frames_at, end, &mut self.frames) {
            Ok(()) => {}
            Err(error @ Error::Malformed { .. }) => return Ok(Visit::SkippedBlock(error)),
            Err(error) => return Err(error),
        }
        Ok(Visit::Block(Block {
            stream,
            ticks: self.cluster_ticks.saturating_add(i64::from(header.relative_ticks)),
            is_key: header.is_key,
            duration_ticks: None,
        }))
    }
}

/// What one element of a Cluster was.
enum Visit {
    Block(Block),
    /// A block that cannot be read, though what follows it can.
    SkippedBlock(Error),
    Nothing,
    /// The start of a file that was appended to this one.
    AnotherFile,
}

/// Elements of a Segment or Cluster that are stepped over.
fn is_known(id: u32) -> bool {
    matches!(
        id,
        id::VOID
            | id::CRC_32
            | id::POSITION
            | id::PREV_SIZE
            | id::SILENT_TRACKS
            | id::ENCRYPTED_BLOCK
            | id::CUES
            | id::TAGS
            | id::SEEK_HEAD
            | id::INFO
            | id::TRACKS
            | id::ATTACHMENTS
            | id::CHAPTERS
    )
}

/// The beginning of a Cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClusterHead {
    /// Where it begins, in bytes from the start of the file.
    pub at: u64,
    /// Where it ends, if that is told.
    pub end: Option<u64>,
    /// Its Timestamp.
    pub ticks: i64,
}

impl ClusterHead {
    /// Reads the beginning of the Cluster at byte `at`; `None` if there is none.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn read(window: &mut Window, at: u64) -> Result<Option<Self>, Error> {
        match Self::try_read(window, at) {
            Err(error @ Error::Io { .. }) => Err(error),
            other => Ok(other.unwrap_or(None)),
        }
    }

    fn try_read(window: &mut Window, at: u64) -> Result<Option<Self>, Error> {
        let cluster = Element::read(window, at)?;
        if cluster.id != id::CLUSTER {
            return Ok(None);
        }
        let mut child_at = cluster.data;
        for _ in 0..BEFORE_TIMESTAMP_COUNT_MAX {
            if child_at - cluster.data > BEFORE_TIMESTAMP_LEN_MAX {
                return Ok(None);
            }
            let child = Element::read(window, child_at)?;
            match (child.id, child.size) {
                (id::TIMESTAMP, Some(len @ 0..=8)) => {
                    let ticks = ebml::uint(window.bytes(child.data, len as usize, "a Timestamp")?);
                    let ticks = i64::try_from(ticks).ok();
                    return Ok(ticks.map(|ticks| Self { at, end: cluster.end(), ticks }));
                }
                (id::VOID | id::CRC_32 | id::POSITION | id::PREV_SIZE | id::SILENT_TRACKS, Some(_)) => {
                    child_at = child.end().unwrap_or(u64::MAX);
                }
                _ => return Ok(None),
            }
        }
        Ok(None)
    }
}

/// How far to look for a Cluster behind damage at byte `at`.
pub fn resync_end(at: u64, segment_end: u64) -> u64 {
    at.saturating_add(RESYNC_LEN_MAX).min(segment_end)
}

/// The first Cluster that begins at byte `from` or later, and before `to`.
///
/// # Errors
/// [`Error::Io`].
pub fn find_cluster(source: &Source, from: u64, to: u64) -> Result<Option<u64>, Error> {
    let mut window = Window::new(source.clone(), WINDOW_LEN);
    let mut chunk = vec![0; RESYNC_CHUNK_LEN];
    let mut at = from;
    while at < to {
        let filled = source.read_at(&mut chunk, at, "the next Cluster")?;
        let mut next = 0;
        while let Some(found) = find_cluster_id(&chunk[..filled], next) {
            let candidate = at + found as u64;
            if candidate >= to {
                return Ok(None);
            }
            if ClusterHead::read(&mut window, candidate)?.is_some() {
                return Ok(Some(candidate));
            }
            next = found + 1;
        }
        if filled < chunk.len() {
            return Ok(None);
        }
        // The ID may lie across two chunks.
        at += (filled - CLUSTER_ID.len() + 1) as u64;
    }
    Ok(None)
}

/// The last Cluster that begins at byte `from` or later, and before `to`.
///
/// # Errors
/// [`Error::Io`].
pub fn find_last_cluster(source: &Source, from: u64, to: u64) -> Result<Option<u64>, Error> {
    let mut window = Window::new(source.clone(), WINDOW_LEN);
    let mut chunk = vec![0; RESYNC_CHUNK_LEN];
    let mut end = to;
    while end > from {
        let at = end.saturating_sub((RESYNC_CHUNK_LEN - CLUSTER_ID.len()) as u64).max(from);
        let filled = source.read_at(&mut chunk, at, "the last Cluster")?;
        let mut last = None;
        let mut next = 0;
        while let Some(found) = find_cluster_id(&chunk[..filled], next) {
            let candidate = at + found as u64;
            if candidate < end && ClusterHead::read(&mut window, candidate)?.is_some() {
                last = Some(candidate);
            }
            next = found + 1;
        }
        if last.is_some() {
            return Ok(last);
        }
        end = at;
    }
    Ok(None)
}

const CLUSTER_ID: [u8; 4] = id::CLUSTER.to_be_bytes();

fn find_cluster_id(bytes: &[u8], from: usize) -> Option<usize> {
    let mut from = from;
    loop {
        let rest = bytes.get(from..)?;
        let found = from + rest.iter().position(|byte| *byte == CLUSTER_ID[0])?;
        if bytes.get(found..found + CLUSTER_ID.len())? == CLUSTER_ID {
            return Some(found);
        }
        from = found + 1;
    }
}
