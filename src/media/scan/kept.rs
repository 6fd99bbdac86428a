//! The index of a recording as bytes, to be kept until it is opened another time: times and places as differences from
//! one point to the next, some 5 to 8 bytes for each.

use super::super::varint::{put, put_signed, take, take_signed};
use super::Entry;
use super::index::{Extent, POINTS_MAX, Point, Table};
use crate::time::MediaTime;

impl Table {
    /// All that is known, if that is all there is.
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        put(&mut out, self.position);
        put(&mut out, self.extents.len() as u64);
        for extent in &self.extents {
            for time in [extent.first, extent.last, extent.decoded] {
                put_time(&mut out, time, MediaTime::ZERO);
            }
            put_signed(&mut out, extent.step.as_nanos());
            put(&mut out, extent.len);
        }
        put(&mut out, self.points.len() as u64);
        let (mut at, mut time) = (0_u64, MediaTime::ZERO);
        for point in &self.points {
            put_signed(&mut out, point.from.at.wrapping_sub(at) as i64);
            put_signed(&mut out, (point.time - time).as_nanos());
            (at, time) = (point.from.at, point.time);
            put_time(&mut out, point.from.time, time);
            out.push(u8::from(point.has_more));
        }
        self.is_complete.then_some(out)
    }

    /// What [`Self::to_bytes`] has written of a recording with so many tracks in a file of `len` bytes; `None` for
    /// anything else.
    pub fn from_bytes(mut bytes: &[u8], track_count: usize, len: u64) -> Option<Self> {
        let bytes = &mut bytes;
        let position = take(bytes)?;
        if take(bytes)? != track_count as u64 || position > len {
            return None;
        }
        let mut extents = Vec::new();
        for _ in 0..track_count {
            let (first, last, decoded) = (take_time(bytes)?, take_time(bytes)?, take_time(bytes)?);
            let step = MediaTime::from_nanos(take_signed(bytes)?);
            extents.push(Extent { first, last, decoded, step, len: take(bytes)? });
        }
        let count = take(bytes).filter(|count| *count <= POINTS_MAX as u64)?;
        let mut points = Vec::new();
        let (mut at, mut time) = (0_u64, MediaTime::ZERO);
        for number in 0..count {
            at = at.checked_add_signed(take_signed(bytes)?).filter(|at| *at < len)?;
            let step = take_signed(bytes).filter(|step| number == 0 || *step > 0)?;
            time = MediaTime::from_nanos(time.as_nanos().checked_add(step)?);
            let behind = take_time(bytes)?;
            let from = Entry { at, time: behind.map(|behind| time + behind) };
            let has_more = take(bytes).filter(|flag| *flag <= 1)? == 1;
            points.push(Point { from, time, has_more });
        }
        bytes.is_empty().then(|| Self::complete(points, extents, position))
    }
}

/// A time as its distance from another one.
fn put_time(out: &mut Vec<u8>, time: Option<MediaTime>, from: MediaTime) {
    out.push(u8::from(time.is_some()));
    if let Some(time) = time {
        put_signed(out, (time - from).as_nanos());
    }
}

fn take_time(bytes: &mut &[u8]) -> Option<Option<MediaTime>> {
    match take(bytes)? {
        0 => Some(None),
        1 => Some(Some(MediaTime::from_nanos(take_signed(bytes)?))),
        _ => None,
    }
}
