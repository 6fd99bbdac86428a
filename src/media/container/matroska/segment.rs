//! Opening a file: what is told before the first Cluster, and what the SeekHead points at (RFC 9559 section 5.1).
//!
//! Nothing here reads Clusters, so it takes the same time for a large file as for a small one.

use super::cues::{self, Cue};
use super::ebml::{Children, Element, id, uint};
use super::tags::{self, TrackTag};
use super::tracks::{self, Stream};
use super::walker::{find_cluster, resync_end};
use crate::media::io::{Source, Window};
use crate::media::{Error, Note};
use crate::time::MediaTime;

/// Read-ahead of headers, in bytes.
pub const WINDOW_LEN: usize = 4 << 10;
/// What is read of Tracks, Tags and the like, in bytes.
const MASTER_LEN_MAX: usize = 4 << 20;
/// Elements looked at before the first Cluster; more are damage.
const FRONT_COUNT_MAX: usize = 10_000;
/// Elements that a SeekHead may point at.
const SEEK_COUNT_MAX: usize = 64;
/// Clusters stepped over in search of Tracks that come behind them.
const HOP_COUNT_MAX: usize = 100_000;

/// Nanoseconds of a tick where the file does not tell (RFC 9559 section 5.1.2.9).
const TIMESTAMP_SCALE_DEFAULT: u64 = 1_000_000;

/// Where a Segment lies and what it says of itself.
#[derive(Debug)]
pub struct Segment {
    /// The file.
    pub source: Source,
    /// Where its data begin: positions in SeekHead and Cues count from here.
    pub data: u64,
    /// Where it ends, within the file as it was when it was opened.
    pub end: u64,
    /// It says that it is longer than the file.
    pub is_cut: bool,
    /// It says how long it is, and the file is no shorter: whoever wrote it came to the end.
    pub is_finished: bool,
    /// Nanoseconds of a tick: TimestampScale.
    pub scale: u64,
    /// The tracks that can be streamed.
    pub streams: Vec<Stream>,
    /// By time.
    pub cues: Vec<Cue>,
    /// Where the first Cluster begins; `end` if there is none.
    pub first_cluster: u64,
}

impl Segment {
    /// `ticks` as a time; saturates.
    pub fn time(&self, ticks: i64) -> MediaTime {
        let nanos = i128::from(ticks) * i128::from(self.scale);
        MediaTime::from_nanos(nanos.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64)
    }

    /// The tick at or before `time`.
    pub fn ticks(&self, time: MediaTime) -> i64 {
        time.as_nanos().div_euclid(i64::try_from(self.scale).unwrap_or(i64::MAX))
    }
}

/// What else was found on opening.
#[derive(Debug, Default)]
pub struct Findings {
    /// Info's Duration in ticks, as it stands there.
    pub duration: Option<f64>,
    /// Of single tracks.
    pub tags: Vec<TrackTag>,
    /// What is wrong or left out.
    pub notes: Vec<Note>,
}

/// Reads all that there is but the Clusters.
///
/// # Errors
/// Where there is no Segment or no Tracks in it, and [`Error::Io`].
pub fn read(source: &Source) -> Result<(Segment, Findings), Error> {
    let len = source.len()?;
    let mut window = Window::new(source.clone(), WINDOW_LEN);
    let segment = find_segment(&mut window, len)?;
    let claimed_end = segment.end();
    let mut opening = Opening {
        window,
        segment: Segment {
            source: source.clone(),
            data: segment.data,
            end: claimed_end.unwrap_or(len).min(len),
            is_cut: claimed_end.is_some_and(|end| end > len),
            is_finished: claimed_end.is_some_and(|end| end <= len),
            scale: TIMESTAMP_SCALE_DEFAULT,
            streams: Vec::new(),
            cues: Vec::new(),
            first_cluster: len,
        },
        findings: Findings::default(),
        seeks: Vec::new(),
        visited: Vec::new(),
    };
    opening.front()?;
    opening.follow_seek_head()?;
    if !opening.has(id::TRACKS) {
        opening.behind_clusters()?;
    }
    if !opening.has(id::TRACKS) {
        return Err(Error::truncated("the Matroska header (no Tracks)", opening.segment.end));
    }
    Ok((opening.segment, opening.findings))
}

/// The Segment, behind the EBML header and what fills the gap.
fn find_segment(window: &mut Window, len: u64) -> Result<Element, Error> {
    const LEADING_COUNT_MAX: usize = 16;
    let mut at = 0;
    for _ in 0..LEADING_COUNT_MAX {
        let element = Element::read(window, at)?;
        match element.id {
            id::SEGMENT => return Ok(element),
            id::EBML | id::VOID | id::CRC_32 => {}
            _ => return Err(Error::malformed("Segment", at)),
        }
        if element.id == id::EBML {
            check_doc_type(window, &element)?;
        }
        at = element.end().filter(|end| *end <= len).ok_or_else(|| Error::truncated("the EBML header", len))?;
    }
    Err(Error::malformed("Segment", at))
}

fn check_doc_type(window: &mut Window, ebml: &Element) -> Result<(), Error> {
    const EBML_HEADER_LEN_MAX: u64 = 1024;
    let len = ebml.size.unwrap_or(0).min(EBML_HEADER_LEN_MAX) as usize;
    let mut children = Children::new(window.bytes(ebml.data, len, "the EBML header")?, ebml.data);
    while let Ok(Some(child)) = children.next() {
        if child.id == id::DOC_TYPE && !matches!(child.text().as_str(), "matroska" | "webm") {
            return Err(Error::Unsupported(format!("EBML document of type {:?}", child.text())));
        }
    }
    Ok(())
}

/// The state of opening.
struct Opening {
    window: Window,
    segment: Segment,
    findings: Findings,
    /// ID and position of what SeekHeads point at.
    seeks: Vec<(u32, u64)>,
    /// Elements that were read: ID and position.
    visited: Vec<(u32, u64)>,
}

impl Opening {
    fn has(&self, id: u32) -> bool {
        self.visited.iter().any(|(visited, _)| *visited == id)
    }

    fn note(&mut self, at: u64, text: impl Into<String>) {
        self.findings.notes.push(Note { at: Some(at), text: text.into() });
    }

    /// Reads all from the start of the Segment to the first Cluster.
    fn front(&mut self) -> Result<(), Error> {
        let mut at = self.segment.data;
        for _ in 0..FRONT_COUNT_MAX {
            if at >= self.segment.end {
                self.segment.first_cluster = self.segment.end;
                return Ok(());
            }
            let element = match Element::read(&mut self.window, at) {
                Ok(element) if element.id == id::CLUSTER => {
                    self.segment.first_cluster = at;
                    return Ok(());
                }
                Ok(element) => element,
                Err(error @ Error::Io { .. }) => return Err(error),
                Err(_) => return self.resync(at),
            };
            match element.end() {
                Some(end) if end <= self.segment.end => {
                    self.visit(&element)?;
                    at = end;
                }
                _ => return self.resync(at),
            }
        }
        self.resync(at)
    }

    /// Goes on behind damage that lies before the first Cluster.
    fn resync(&mut self, at: u64) -> Result<(), Error> {
        self.note(at, "damage before the first Cluster");
        let end = resync_end(at, self.segment.end);
        let cluster = find_cluster(&self.segment.source, at + 1, end)?;
        self.segment.first_cluster = cluster.unwrap_or(self.segment.end);
        Ok(())
    }

    /// Reads what SeekHeads point at and has not been read. They may point at further SeekHeads.
    fn follow_seek_head(&mut self) -> Result<(), Error> {
        let mut next = 0;
        while next < self.seeks.len().min(SEEK_COUNT_MAX) {
            let (id, at) = self.seeks[next];
            next += 1;
            let is_known = matches!(id, id::SEEK_HEAD | id::INFO | id::TRACKS | id::CUES | id::TAGS);
            if !is_known || self.visited.contains(&(id, at)) {
                continue;
            }
            if at >= self.segment.end {
                self.note(at, format!("{} beyond the end of the file", name(id)));
                continue;
            }
            match Element::read(&mut self.window, at) {
                Ok(element) if element.id == id => self.visit(&element)?,
                Err(error @ Error::Io { .. }) => return Err(error),
                _ => self.note(at, format!("no {} where the SeekHead says", name(id))),
            }
        }
        Ok(())
    }

    /// Looks for Tracks that come behind the Clusters and in no SeekHead.
    fn behind_clusters(&mut self) -> Result<(), Error> {
        let mut at = self.segment.first_cluster;
        for _ in 0..HOP_COUNT_MAX {
            if at >= self.segment.end {
                break;
            }
            let Ok(element) = Element::read(&mut self.window, at) else { break };
            if element.id == id::TRACKS || element.id == id::INFO {
                self.visit(&element)?;
            }
            let Some(end) = element.end() else { break };
            at = end;
        }
        Ok(())
    }

    /// Reads an element of the Segment, if it matters and is the first of its kind.
    fn visit(&mut self, element: &Element) -> Result<(), Error> {
        let is_repeated = element.id != id::SEEK_HEAD && self.has(element.id);
        if is_repeated || self.visited.contains(&(element.id, element.at)) {
            return Ok(());
        }
        match element.id {
            id::SEEK_HEAD | id::INFO | id::TRACKS | id::TAGS => {
                let data = element.load(&self.segment.source, self.segment.end, MASTER_LEN_MAX)?;
                let parsed = match element.id {
                    id::SEEK_HEAD => self.seek_head(Children::new(&data, element.data)),
                    id::INFO => self.info(Children::new(&data, element.data)),
                    id::TAGS => tags::parse(&data, element.data).map(|tags| self.findings.tags = tags),
                    _ => {
                        self.segment.streams = tracks::parse(&data, element.data, &mut self.findings.notes);
                        Ok(())
                    }
                };
                if let Err(error) = parsed {
                    self.note(element.at, format!("{} are damaged ({error})", name(element.id)));
                }
            }
            id::CUES => {
                self.segment.cues = cues::read(&self.segment.source, element, self.segment.data, self.segment.end)?;
            }
            _ => return Ok(()),
        }
        self.visited.push((element.id, element.at));
        Ok(())
    }

    fn seek_head(&mut self, mut children: Children<'_>) -> Result<(), Error> {
        while let Some(seek) = children.next()? {
            if seek.id != id::SEEK || self.seeks.len() >= SEEK_COUNT_MAX {
                continue;
            }
            let (mut id, mut position) = (0, None);
            let mut fields = seek.children();
            while let Some(field) = fields.next()? {
                match field.id {
                    id::SEEK_ID => id = u32::try_from(uint(field.data)).unwrap_or(0),
                    id::SEEK_POSITION => position = Some(field.uint()),
                    _ => {}
                }
            }
            let at = position.and_then(|position| self.segment.data.checked_add(position));
            self.seeks.extend(at.map(|at| (id, at)));
        }
        Ok(())
    }

    fn info(&mut self, mut children: Children<'_>) -> Result<(), Error> {
        while let Some(child) = children.next()? {
            match child.id {
                id::TIMESTAMP_SCALE if child.uint() > 0 => self.segment.scale = child.uint(),
                id::DURATION => self.findings.duration = Some(child.float()),
                _ => {}
            }
        }
        Ok(())
    }
}

/// The name of an element that SeekHeads point at.
fn name(id: u32) -> &'static str {
    match id {
        id::SEEK_HEAD => "SeekHead",
        id::INFO => "Info",
        id::TRACKS => "Tracks",
        id::CUES => "Cues",
        id::TAGS => "Tags",
        _ => "an element",
    }
}
