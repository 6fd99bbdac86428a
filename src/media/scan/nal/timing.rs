//! Times of access units: stamps where there are some, and what follows from them for the others.
//!
//! A picture's place in order of display comes from its order count. One without a stamp is put evenly between the
//! nearest two that have one, or a picture's duration after the last. Without a time of decoding, a picture is decoded
//! when the first is displayed of those that follow it in the stream: never later, and times never go back. So the
//! times of a picture depend on what follows only, and are the same wherever reading begins.

use std::collections::{BTreeMap, VecDeque};

use crate::media::codec::FrameRate;
use crate::media::codec::access_unit::{Output, Picture};
use crate::media::codec::display_order::DisplayOrder;
use crate::media::scan::Stamp;
use crate::time::MediaTime;

/// How many access units, or bytes of them, are held back at most until a stamp comes.
const HELD_MAX: usize = 64;
const HELD_LEN_MAX: usize = 8 << 20;
/// How many stamps are remembered to find the time of others.
const ANCHORS_MAX: usize = 128;
/// After so many pictures whose order counts are all even, odd ones are not expected any more.
const EVEN_COUNTS: u32 = 16;
/// The duration of pictures that nothing tells.
const PICTURE_DURATION_DEFAULT: MediaTime = MediaTime::from_millis(40);
/// How many buffers are kept for later access units, and up to which size in bytes.
const SPARES_MAX: usize = 4;
const SPARE_LEN_MAX: usize = 256 << 10;

/// An access unit without its data.
pub struct Unit {
    pub picture: Picture,
    pub is_sync: bool,
    pub stamp: Option<Stamp>,
    /// The byte of the file where it begins.
    pub origin: u64,
}

/// An access unit with its times.
pub struct Timed {
    pub data: Vec<u8>,
    pub is_sync: bool,
    pub origin: u64,
    pub pts: MediaTime,
    pub dts: MediaTime,
}

struct Held {
    unit: Unit,
    data: Vec<u8>,
    /// Its place in order of display.
    number: Option<i64>,
}

/// Holds access units back until their times are certain.
#[derive(Default)]
pub struct Timing {
    /// In decode order.
    held: VecDeque<Held>,
    held_len: usize,
    order: DisplayOrder,
    /// The decode index of the next unit.
    decoded: i64,
    /// How many order counts there were, and whether one was odd.
    counts: u32,
    has_odd_counts: bool,
    /// Times by place in order of display.
    anchors: BTreeMap<i64, MediaTime>,
    /// Of units that have gone before their place was known.
    gone: VecDeque<(i64, MediaTime)>,
    /// The time of the next unit, unless it has a stamp.
    start: Option<MediaTime>,
    /// There have been stamps; some of them told the time of decoding.
    is_stamped: bool,
    tells_dts: bool,
    last_dts: Option<MediaTime>,
    duration_told: Option<MediaTime>,
    is_finishing: bool,
    spares: Vec<Vec<u8>>,
}

impl Timing {
    /// The next unit, unless it has a stamp, is presented at `time`.
    pub fn start(&mut self, time: MediaTime) {
        self.start = Some(time);
    }

    /// What the parameter sets in force tell.
    pub fn set_frame_rate(&mut self, rate: Option<FrameRate>) {
        self.duration_told = rate.map(|rate| rate.time_of(1));
    }

    /// Takes back a buffer for later use.
    pub fn spare(&mut self, mut buffer: Vec<u8>) {
        if self.spares.len() < SPARES_MAX && (1..=SPARE_LEN_MAX).contains(&buffer.capacity()) {
            buffer.clear();
            self.spares.push(buffer);
        }
    }

    /// Takes the next access unit in decode order.
    pub fn push(&mut self, mut unit: Unit, bytes: &[u8]) {
        if let Some(stamp) = unit.stamp {
            self.is_stamped = true;
            self.tells_dts |= stamp.dts.is_some_and(|dts| dts != stamp.pts);
        } else if let Some(pts) = self.start {
            unit.stamp = Some(Stamp { pts, dts: None });
        }
        self.start = None;
        let mut data = self.spares.pop().unwrap_or_default();
        data.extend_from_slice(bytes);
        self.held_len += data.len();
        let picture = unit.picture;
        // A picture that is not displayed has no number of its own. It gets the time of one that is.
        let number = (picture.output == Output::Hidden).then(|| self.order.numbered());
        self.held.push_back(Held { unit, data, number });
        let decode_index = self.decoded;
        self.decoded += 1;
        if number.is_some() {
            return;
        }
        self.counts = self.counts.saturating_add(1);
        self.has_odd_counts |= picture.order_count & 1 != 0;
        let step = if self.counts > EVEN_COUNTS && !self.has_odd_counts { 2 } else { 1 };
        self.number(|order, known| {
            order.push(decode_index, &picture, known);
            order.number_contiguous(step, known);
        });
    }

    /// No more units follow, or not soon: the times of those that are held are settled. `false` when none are.
    pub fn finish(&mut self) -> bool {
        self.is_finishing = !self.held.is_empty();
        self.number(|order, known| order.finish(known));
        self.is_finishing
    }

    /// The next unit whose times are certain.
    pub fn pop(&mut self) -> Option<Timed> {
        let is_full = self.held.len() > HELD_MAX || self.held_len > HELD_LEN_MAX;
        if is_full && self.held.front()?.number.is_none() {
            self.number(|order, known| order.finish(known));
        }
        let must = is_full || self.is_finishing;
        let Some((pts, dts)) = self.times(must) else {
            self.is_finishing &= !self.held.is_empty();
            return None;
        };
        let Held { unit, data, number } = self.held.pop_front()?;
        self.held_len -= data.len();
        if number.is_none() {
            self.gone.push_back((self.decoded - 1 - self.held.len() as i64, pts));
        }
        let dts = self.last_dts.map_or(dts, |last| dts.max(last));
        self.last_dts = Some(dts);
        Some(Timed { data, is_sync: unit.is_sync, origin: unit.origin, pts: pts.max(dts), dts })
    }

    /// Lets `change` number pictures.
    fn number(&mut self, change: impl FnOnce(&mut DisplayOrder, &mut dyn FnMut(i64, i64))) {
        let first = self.decoded - self.held.len() as i64;
        let (held, gone, anchors) = (&mut self.held, &mut self.gone, &mut self.anchors);
        change(&mut self.order, &mut |decode_index, number| {
            let place = usize::try_from(decode_index - first).ok();
            if let Some(held) = place.and_then(|index| held.get_mut(index)) {
                held.number = Some(number);
                if let Some(stamp) = held.unit.stamp {
                    anchors.insert(number, stamp.pts);
                }
            } else if let Some(place) = gone.iter().position(|(index, _)| *index == decode_index) {
                anchors.extend(gone.remove(place).map(|(_, pts)| (number, pts)));
            }
        });
        while self.anchors.len() > ANCHORS_MAX {
            self.anchors.pop_first();
        }
    }

    /// When the first unit is presented and decoded; `None` while that depends on what follows, unless it `must` be told.
    fn times(&self, must: bool) -> Option<(MediaTime, MediaTime)> {
        let Held { unit, number, .. } = self.held.front()?;
        match unit.stamp {
            Some(Stamp { pts, dts: Some(dts) }) => Some((pts, dts.min(pts))),
            Some(Stamp { pts, dts: None }) if self.tells_dts => Some((pts, pts)),
            stamp => {
                let number = (*number)?;
                let pts = stamp.map(|stamp| stamp.pts).or_else(|| self.between(number, must))?;
                let dts = if self.tells_dts { self.dts_between() } else { self.first_displayed(number, must)? };
                Some((pts, dts.min(pts)))
            }
        }
    }

    /// The time of the picture with this `number`, by those of others.
    fn between(&self, number: i64, must: bool) -> Option<MediaTime> {
        let before = self.anchors.range(..=number).next_back();
        let after = self.anchors.range(number..).next();
        match (before, after) {
            (Some((before, from)), Some((after, to))) if after > before => {
                Some(*from + (*to - *from).times((number - before) as f64 / (after - before) as f64))
            }
            (Some((_, time)), Some(_)) => Some(*time),
            (None, None) if must => Some(self.duration().times(number as f64)),
            _ if !must && self.is_stamped => None,
            (Some((before, from)), None) => Some(*from + self.duration().times((number - before) as f64)),
            (None, Some((after, to))) => Some(*to - self.duration().times((after - number) as f64)),
            (None, None) => None,
        }
    }

    /// How long a picture is displayed.
    fn duration(&self) -> MediaTime {
        let mut last = self.anchors.iter().rev();
        let measured = match (last.next(), last.next()) {
            (Some((late, to)), Some((early, from))) if to > from => Some((*to - *from).over((late - early) as f64)),
            _ => None,
        };
        self.duration_told.or(measured).unwrap_or(PICTURE_DURATION_DEFAULT)
    }

    /// When the first of the units is displayed that are held, of which one has this `number`. Those that are still to
    /// come are displayed later.
    fn first_displayed(&self, number: i64, must: bool) -> Option<MediaTime> {
        let first = self.held.iter().filter_map(|held| Some((held.number?, held))).min_by_key(|(number, _)| *number);
        let (first, held) = first.filter(|(first, _)| *first <= number)?;
        held.unit.stamp.map(|stamp| stamp.pts).or_else(|| self.between(first, must))
    }

    /// When the first unit, which has no stamp, is decoded among others that tell.
    fn dts_between(&self) -> MediaTime {
        let last = self.last_dts;
        let next = self.held.iter().enumerate().skip(1).find_map(|(index, held)| Some((index, held.unit.stamp?)));
        match (last, next.map(|(index, stamp)| (index, stamp.dts.unwrap_or(stamp.pts)))) {
            (Some(last), Some((index, next))) => last + (next - last).over((index + 1) as f64),
            (Some(last), None) => last + self.duration(),
            (None, Some((index, next))) => next - self.duration().times(index as f64),
            (None, None) => MediaTime::MAX,
        }
    }
}
