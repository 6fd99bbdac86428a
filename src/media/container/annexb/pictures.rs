//! The access units of a file one after the other, with their places in decode order and order of display.
//!
//! This looks at the headers of slices only and holds places, not data. How far it looks ahead is what the stream
//! itself needs for reordering, 16 pictures or some more.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::media::Error;
use crate::media::codec::access_unit::{Output, Picture, Role};
use crate::media::codec::display_order::DisplayOrder;
use crate::media::codec::nal::find_start_code;
use crate::media::codec::{h264, h265};
use crate::media::io::{Source, Window};

/// How many access units are held back at most. Only damaged streams keep a picture waiting for so many others.
pub const HELD_MAX: usize = 64;

/// With the zero byte that may precede it.
const START_CODE_LEN_MAX: u64 = 4;

/// One sample, without its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Where it begins in the file, with its first start code.
    pub at: u64,
    /// Its length in bytes.
    pub len: u64,
    /// Its place in decode order, from the start of the recording.
    pub decode_index: i64,
    /// Its place in order of display.
    pub display_index: i64,
    /// Whether decoding can start here, and with what.
    pub sync: Option<Sync>,
    /// It cannot be decoded when playing started at the random access point before it.
    pub needs_earlier: bool,
}

/// What must be known to start at a picture in the middle of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sync {
    /// The parameter sets in force.
    pub sets: Sets,
    /// See [`Picture::starts_sequence`].
    pub starts_sequence: bool,
}

/// Parameter sets of either codec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sets {
    /// Of H.264.
    H264(Arc<h264::ParameterSets>),
    /// Of H.265.
    H265(Arc<h265::ParameterSets>),
}

#[derive(Debug, Clone)]
enum Tracker {
    H264(h264::AccessUnits),
    H265(h265::AccessUnits),
}

impl Tracker {
    fn new(sync: Sync) -> Self {
        match sync.sets {
            Sets::H264(sets) => Self::H264(h264::AccessUnits::with_sets(sets)),
            Sets::H265(sets) => Self::H265(h265::AccessUnits::with_sets(sets, sync.starts_sequence)),
        }
    }

    fn sets(&self) -> Sets {
        match self {
            Self::H264(tracker) => Sets::H264(Arc::clone(tracker.sets())),
            Self::H265(tracker) => Sets::H265(Arc::clone(tracker.sets())),
        }
    }

    fn bytes_needed(&self, header: u8) -> usize {
        match self {
            Self::H264(_) => h264::AccessUnits::bytes_needed(header),
            Self::H265(_) => h265::AccessUnits::bytes_needed(header),
        }
    }

    fn push(&mut self, nal: &[u8]) -> Role {
        match self {
            Self::H264(tracker) => tracker.push(nal),
            Self::H265(tracker) => tracker.push(nal),
        }
    }
}

/// A walk through the access units of a file.
#[derive(Debug, Clone)]
pub struct Pictures {
    /// The byte to look at next, and the one to end at.
    position: u64,
    end: u64,
    /// More may be written behind the end.
    may_grow: bool,
    tracker: Tracker,
    /// The access unit that is being read: where it begins, and its picture.
    open: Option<Open>,
    /// Where the next access unit begins, if one does.
    next_at: Option<u64>,
    /// Access units in decode order, up to one whose place in order of display is not known.
    held: VecDeque<Held>,
    order: DisplayOrder,
    /// The decode index of the next access unit.
    decoded: i64,
    /// What to add to the numbers of `order`; known with the place of the first unit.
    first_display_index: Option<i64>,
    display_offset: i64,
}

#[derive(Debug, Clone)]
struct Open {
    at: u64,
    picture: Picture,
    sync: Option<Sync>,
}

#[derive(Debug, Clone)]
struct Held {
    unit: Unit,
    is_numbered: bool,
}

impl Pictures {
    /// Walks from byte `at` to byte `end`, with the parameter sets that `sync` has.
    pub fn new(at: u64, end: u64, sync: Sync) -> Self {
        Self {
            position: at,
            end,
            may_grow: false,
            tracker: Tracker::new(sync),
            open: None,
            next_at: None,
            held: VecDeque::new(),
            order: DisplayOrder::default(),
            decoded: 0,
            first_display_index: None,
            display_offset: 0,
        }
    }

    /// Walks on from an access unit that was met in a walk before, and gives the same numbers as that did.
    pub fn from_sync(at: u64, end: u64, sync: Sync, decode_index: i64, display_index: i64) -> Self {
        let walk = Self::new(at, end, sync);
        Self { decoded: decode_index, first_display_index: Some(display_index), ..walk }
    }

    /// Goes on to where the file ends now. What is open there is held back as long as more may come.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn follow(&mut self, source: &Source) -> Result<(), Error> {
        // In this order: what ends in between has its full length.
        self.may_grow = source.is_growing();
        self.end = source.len()?.max(self.end);
        Ok(())
    }

    /// Whether the end may only be that for now.
    pub fn may_grow(&self) -> bool {
        self.may_grow
    }

    /// The byte of the file that it goes up to.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// The parameter sets in force where it has looked last.
    pub fn sets(&self) -> Sets {
        self.tracker.sets()
    }

    /// The byte of the file up to which it has looked.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// How many pictures the walk has displayed; all, after its end.
    pub fn display_count(&self) -> i64 {
        self.order.numbered() + self.display_offset
    }

    /// The next access unit in decode order, or `None` at the end of the file, be it for now.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn next(&mut self, window: &mut Window) -> Result<Option<Unit>, Error> {
        loop {
            if self.held.front().is_some_and(|held| held.is_numbered) {
                return Ok(self.held.pop_front().map(|held| self.placed(held.unit)));
            }
            if !self.read_nal(window)? {
                if self.may_grow {
                    return Ok(None);
                }
                self.close(self.end);
                self.number(|order, known| order.finish(known));
                if self.held.is_empty() {
                    return Ok(None);
                }
            }
        }
    }

    fn placed(&mut self, mut unit: Unit) -> Unit {
        if let Some(wanted) = self.first_display_index.take() {
            self.display_offset = wanted - unit.display_index;
        }
        unit.display_index += self.display_offset;
        unit
    }

    /// Looks at one NAL unit; `false` at the end of the file. Where more may come, one that is not all there yet is left
    /// to be looked at again, as is the start of a start code.
    fn read_nal(&mut self, window: &mut Window) -> Result<bool, Error> {
        let Some((at, header_at)) = next_nal(window, self.position, self.end)? else {
            let left = if self.may_grow { START_CODE_LEN_MAX } else { 0 };
            self.position = self.end.saturating_sub(left).max(self.position);
            return Ok(false);
        };
        let header = bytes(window, header_at, self.end, 1)?.first().copied().unwrap_or_default();
        let needed = self.tracker.bytes_needed(header);
        let nal = bytes(window, header_at, self.end, needed)?;
        let next = find_start_code(nal, 0);
        if self.may_grow && next.is_none() && nal.len() < needed {
            return Ok(false);
        }
        self.position = header_at;
        let nal = &nal[..next.unwrap_or(nal.len())];
        match self.tracker.push(nal) {
            Role::Within => {}
            Role::Before => self.next_at = self.next_at.or(Some(at)),
            Role::Slice => self.next_at = None,
            Role::Picture(picture) => {
                let begins_at = self.next_at.take().unwrap_or(at);
                self.close(begins_at);
                let starts_sequence = picture.starts_sequence;
                let sync = picture.is_sync.then(|| Sync { sets: self.tracker.sets(), starts_sequence });
                self.open = Some(Open { at: begins_at, picture, sync });
            }
        }
        Ok(true)
    }

    /// Ends the access unit that is open at byte `end`.
    fn close(&mut self, end: u64) {
        let Some(Open { at, picture, sync }) = self.open.take() else { return };
        let is_shown = match picture.output {
            Output::Undecodable => return,
            Output::Hidden => false,
            Output::Shown | Output::ShownUnlessStarted => true,
        };
        let decode_index = self.decoded;
        self.decoded += 1;
        let display_index = self.order.numbered();
        let needs_earlier = picture.output == Output::ShownUnlessStarted;
        let unit = Unit { at, len: end - at, decode_index, display_index, sync, needs_earlier };
        // A picture that is not displayed has no number of its own. It gets the time of one that is.
        self.held.push_back(Held { unit, is_numbered: !is_shown });
        if is_shown {
            self.number(|order, known| order.push(decode_index, &picture, known));
        }
        if self.held.len() > HELD_MAX {
            self.number(|order, known| order.finish(known));
        }
    }

    /// Lets `change` number pictures that are held.
    fn number(&mut self, change: impl FnOnce(&mut DisplayOrder, &mut dyn FnMut(i64, i64))) {
        let Some(first) = self.held.front().map(|held| held.unit.decode_index) else { return };
        let held = &mut self.held;
        change(&mut self.order, &mut |decode_index, number| {
            if let Some(held) = usize::try_from(decode_index - first).ok().and_then(|index| held.get_mut(index)) {
                held.unit.display_index = number;
                held.is_numbered = true;
            }
        });
    }
}

/// The next NAL unit at or after `position`: where its start code begins, with the zero byte that may precede it, and
/// where its header is. `None` when there is none with a header before `end`.
///
/// # Errors
/// When the file cannot be read.
pub fn next_nal(window: &mut Window, position: u64, end: u64) -> Result<Option<(u64, u64)>, Error> {
    /// A start code of four bytes that lies across the end of what was at hand is found whole the next time.
    const OVERLAP: usize = 3;
    const START_CODE_LEN: usize = 3;
    let mut position = position;
    loop {
        let data = bytes(window, position, end, OVERLAP + 1)?;
        if let Some(code) = find_start_code(data, 0) {
            let header_at = position + (code + START_CODE_LEN) as u64;
            let zero_byte = usize::from(code > 0 && data[code - 1] == 0);
            return Ok((header_at < end).then_some((position + (code - zero_byte) as u64, header_at)));
        }
        if data.len() <= OVERLAP || position + data.len() as u64 >= end {
            return Ok(None);
        }
        position += (data.len() - OVERLAP) as u64;
    }
}

/// What is at hand from byte `at`, at least `len` bytes unless `end` or the end of the file comes before.
fn bytes(window: &mut Window, at: u64, end: u64, len: usize) -> Result<&[u8], Error> {
    let left = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX);
    let data = window.available(at, len.min(left), "the raw video stream")?;
    Ok(&data[..data.len().min(left)])
}
