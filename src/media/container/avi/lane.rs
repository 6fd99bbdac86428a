//! One viewer's way through the data of one stream, up to the next sample.

use std::collections::VecDeque;

use super::super::riff::CHUNK_HEAD_LEN;
use super::Avi;
use super::frames::Frames;
use super::index::{Cursor, Stepped, is_chunk_of};
use super::order::Order;
use super::pictures::{Keys, Pictures};
use super::stream::{Layout, Stream};
use super::walker::Data;
use crate::media::codec::{Codec, h264, h265, nal};
use crate::media::io::Window;
use crate::media::{Error, Sample};
use crate::time::MediaTime;

/// Empty chunks, or samples before the wanted time, stepped over in a row before others get their turn.
const STEPS_MAX: usize = 1 << 20;

/// A position in one stream.
pub struct Lane {
    /// Its samples are handed out.
    pub wanted: bool,
    /// It has not kept up with the others while it was not wanted.
    pub is_stale: bool,
    cursor: Cursor,
    /// Reads the heads of chunks.
    heads: Window,
    /// What was counted before the cursor's place.
    units: u64,
    /// Samples before this time are left out.
    from: MediaTime,
    work: Work,
    next: Option<Ready>,
    is_ended: bool,
    /// Damage that was met on the way.
    pub complaints: VecDeque<Error>,
}

/// What the layout of a stream needs.
enum Work {
    Pictures,
    Ordered(Box<Order>),
    Units(UnitsLeft),
    Frames(Box<Frames>),
    AccessUnits,
}

/// Units of a chunk that have not been handed out.
#[derive(Default)]
struct UnitsLeft {
    at: u64,
    len: u64,
    /// Bytes of a unit that the chunk before began.
    carried: Vec<u8>,
}

/// The next sample.
struct Ready {
    pts: MediaTime,
    dts: MediaTime,
    is_key: Option<bool>,
    /// Bytes that come before those in the file.
    before: Vec<u8>,
    at: u64,
    len: usize,
}

impl Lane {
    /// At the start of stream `index`.
    pub fn new(avi: &Avi, index: usize) -> Self {
        let stream = &avi.streams[index];
        let cursor = Cursor::new(avi.source.clone(), &avi.places, stream.number, avi.stream_count, avi.places.start());
        let mut lane = Self {
            wanted: true,
            is_stale: false,
            cursor,
            heads: Window::new(avi.source.clone(), CHUNK_HEAD_LEN as usize),
            units: 0,
            from: MediaTime::MIN,
            work: Work::Pictures,
            next: None,
            is_ended: false,
            complaints: VecDeque::new(),
        };
        lane.go_to(avi, index, avi.places.start(), 0, 0);
        lane
    }

    /// Goes on at a chunk's place, which `units` come before; sound in units behind `skip` bytes of it.
    pub fn go_to(&mut self, avi: &Avi, index: usize, place: u64, units: u64, skip: u64) {
        let stream = &avi.streams[index];
        self.cursor.go_to(place);
        (self.units, self.from, self.next, self.is_ended, self.is_stale) = (units, MediaTime::MIN, None, false, false);
        self.work = match stream.layout {
            Layout::Pictures { length_size, is_reordered: true, .. } => {
                Work::Ordered(Box::new(Order::new(Pictures::new(&stream.codec, length_size))))
            }
            Layout::Pictures { .. } => Work::Pictures,
            Layout::Units { .. } => Work::Units(UnitsLeft::default()),
            Layout::Frames => Frames::new(stream).map_or(Work::AccessUnits, |frames| Work::Frames(Box::new(frames))),
            Layout::AccessUnits => Work::AccessUnits,
        };
        self.skip(avi, skip);
    }

    /// Leaves out the first bytes of what is made up of units; they may be those of several chunks.
    fn skip(&mut self, avi: &Avi, mut skip: u64) {
        let Work::Units(left) = &mut self.work else { return };
        while skip > 0
            && let Ok(Some(stepped)) = self.cursor.next(&avi.places)
        {
            let Stepped::Data(data) = stepped else { continue };
            self.units += u64::from(data.len);
            let skipped = skip.min(data.len.into());
            (left.at, left.len) = (data.at + skipped, u64::from(data.len) - skipped);
            skip -= skipped;
        }
    }

    /// Leaves out what comes before `from`.
    pub fn begin_at(&mut self, from: MediaTime) {
        self.from = from;
    }

    /// When the next sample is decoded and shown; `None` at the end.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn peek(&mut self, avi: &Avi, index: usize) -> Result<Option<(MediaTime, MediaTime)>, Error> {
        for _ in 0..STEPS_MAX {
            if let Some(next) = &self.next {
                if next.pts >= self.from {
                    return Ok(Some((next.dts, next.pts)));
                }
                self.next = None;
            }
            if self.is_ended {
                return Ok(None);
            }
            self.step(avi, &avi.streams[index])?;
        }
        self.is_ended = true;
        Ok(None)
    }

    /// Steps over the sample that was peeked at.
    pub fn pass(&mut self) {
        self.next = None;
    }

    /// Puts the sample that was peeked at into `sample`.
    ///
    /// # Errors
    /// When it cannot be read; where the file ends before it does, the lane has ended.
    pub fn take(&mut self, avi: &Avi, index: usize, sample: &mut Sample) -> Result<bool, Error> {
        let Some(ready) = self.next.take() else { return Ok(false) };
        sample.clear();
        (sample.track, sample.pts, sample.dts) = (index, ready.pts, ready.dts);
        sample.data.extend_from_slice(&ready.before);
        if ready.len > 0
            && let Err(error) = avi.source.append(&mut sample.data, ready.at, ready.len, "the data of an AVI chunk")
        {
            self.is_ended |= matches!(error, Error::Truncated { .. });
            return Err(error);
        }
        finish_sample(&avi.streams[index], ready.is_key, ready.at, sample)
    }

    /// The next data of the stream that is not empty, with what comes before it.
    fn data(&mut self, avi: &Avi, stream: &Stream) -> Result<Option<(Data, u64)>, Error> {
        for _ in 0..STEPS_MAX {
            match self.cursor.next(&avi.places)? {
                None => return Ok(None),
                Some(Stepped::Skipped(error)) => self.complaints.push_back(error),
                Some(Stepped::Data(data)) => {
                    let before = self.units;
                    self.units += stream.clock.units_of(data.len);
                    if data.len == 0 {
                        continue;
                    }
                    // What an index leads to may have been overwritten.
                    if is_chunk_of(&mut self.heads, &data)? {
                        return Ok(Some((data, before)));
                    }
                    let len = avi.source.len()?;
                    if data.at >= len {
                        self.complaints.push_back(Error::truncated("AVI file", len));
                        return Ok(None);
                    }
                    self.complaints.push_back(Error::malformed("AVI chunk", data.at));
                }
            }
        }
        Ok(None)
    }

    /// Takes one step towards the next sample.
    fn step(&mut self, avi: &Avi, stream: &Stream) -> Result<(), Error> {
        match &mut self.work {
            Work::Pictures | Work::AccessUnits => self.step_plain(avi, stream),
            Work::Ordered(order) => {
                if let Some(held) = order.pop() {
                    let pts = held.pts.unwrap_or(held.dts);
                    self.next = Some(Ready::of(held.data, held.dts, pts));
                    return Ok(());
                }
                if order.is_finished() {
                    self.is_ended = true;
                    return Ok(());
                }
                let data = self.data(avi, stream)?;
                let Work::Ordered(order) = &mut self.work else { return Ok(()) };
                match data {
                    Some((data, units)) => order.push(&avi.source, stream, data, stream.clock.time(units)),
                    None => {
                        order.finish(stream);
                        Ok(())
                    }
                }
            }
            Work::Units(_) => self.step_units(avi, stream),
            Work::Frames(_) => self.step_frames(avi, stream),
        }
    }

    fn step_plain(&mut self, avi: &Avi, stream: &Stream) -> Result<(), Error> {
        match self.data(avi, stream)? {
            Some((data, units)) => {
                let dts = stream.clock.time(units);
                self.next = Some(Ready::of(data, dts, dts + stream.delay));
            }
            None => self.is_ended = true,
        }
        Ok(())
    }

    fn step_units(&mut self, avi: &Avi, stream: &Stream) -> Result<(), Error> {
        let Layout::Units { len: unit_len, sample } = stream.layout else { return Ok(()) };
        let unit_len = u64::from(unit_len.max(1));
        let Work::Units(left) = &mut self.work else { return Ok(()) };
        let there = left.carried.len() as u64 + left.len;
        if there < unit_len {
            if left.len > 0 {
                avi.source.append(&mut left.carried, left.at, left.len as usize, "the data of an AVI chunk")?;
                left.len = 0;
            }
            match self.data(avi, stream)? {
                Some((data, _)) => {
                    let Work::Units(left) = &mut self.work else { return Ok(()) };
                    (left.at, left.len) = (data.at, data.len.into());
                }
                None => self.is_ended = true,
            }
            return Ok(());
        }
        // Rather one that is half as long again than a tiny one in the end.
        let (units, wanted) = (there / unit_len, u64::from(sample));
        let units = if units <= wanted + wanted / 2 { units } else { wanted };
        let before = std::mem::take(&mut left.carried);
        let len = units * unit_len - before.len() as u64;
        let pts = stream.clock.time(self.units - left.len - before.len() as u64);
        self.next = Some(Ready { pts, dts: pts, is_key: None, before, at: left.at, len: len as usize });
        (left.at, left.len) = (left.at + len, left.len - len);
        Ok(())
    }

    fn step_frames(&mut self, avi: &Avi, stream: &Stream) -> Result<(), Error> {
        let Work::Frames(frames) = &mut self.work else { return Ok(()) };
        let mut sample = Sample::default();
        match frames.pop(&mut sample) {
            Ok(true) => {
                let Sample { pts, dts, data: before, .. } = sample;
                self.next = Some(Ready { pts, dts, is_key: None, before, at: 0, len: 0 });
                return Ok(());
            }
            Ok(false) => {}
            Err(error) => {
                self.complaints.push_back(error);
                return Ok(());
            }
        }
        let data = self.data(avi, stream)?;
        let Work::Frames(frames) = &mut self.work else { return Ok(()) };
        match data {
            Some((data, units)) => frames.push(&avi.source, data, units),
            None if frames.is_finished() => {
                self.is_ended = true;
                Ok(())
            }
            None => {
                frames.finish();
                Ok(())
            }
        }
    }
}

impl Ready {
    fn of(data: Data, dts: MediaTime, pts: MediaTime) -> Self {
        Self { pts, dts, is_key: data.is_key, before: Vec::new(), at: data.at, len: data.len as usize }
    }
}

/// Finds NAL units and whether decoding can start; `false` when there is nothing to be decoded.
fn finish_sample(stream: &Stream, is_key: Option<bool>, at: u64, sample: &mut Sample) -> Result<bool, Error> {
    let Layout::Pictures { length_size, keys, .. } = stream.layout else {
        sample.is_sync = true;
        return Ok(!sample.data.is_empty());
    };
    let Sample { data, nals, .. } = sample;
    let is_sync_by_nals = match &stream.codec {
        Codec::H264(_) | Codec::H265(_) => {
            let whole = nal::split_either(data, length_size, nals);
            if nals.is_empty() {
                return match whole {
                    Ok(()) => Ok(false),
                    Err(position) => Err(Error::malformed("length of a NAL unit", at + position as u64)),
                };
            }
            let mut units = nals.iter().map(|nal| &data[nal.clone()]);
            let is_h264 = matches!(stream.codec, Codec::H264(_));
            Some(if is_h264 { h264::is_sync(&mut units) } else { h265::is_sync(&mut units) })
        }
        _ => None,
    };
    sample.is_sync = match keys {
        Keys::All => true,
        Keys::Index => is_key.unwrap_or(false),
        Keys::Content => is_sync_by_nals.unwrap_or_else(|| {
            let picture = Pictures::new(&stream.codec, length_size).push(&stream.codec, &sample.data);
            picture.is_some_and(|picture| picture.is_sync)
        }),
    };
    Ok(true)
}
