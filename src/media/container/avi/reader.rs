//! One viewer's cursor: a lane for each track, of which the one goes on whose sample is decoded first. So it does not
//! matter how far apart in the file sound and pictures lie.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Avi;
use super::lane::Lane;
use super::seek::{self, Spot};
use super::stream::Layout;
use crate::media::{Error, Kind, Next, Reader, Sample, SeekTo};
use crate::time::MediaTime;

/// Damage that was told of late, so that each lane's coming by it is not told again.
const TOLD_MAX: usize = 64;
/// Chunks that are looked into for the sample before a time; more without one are damage.
const CHUNKS_BACK_MAX: usize = 256;

/// A cursor in an AVI file.
pub struct AviReader {
    avi: Arc<Avi>,
    lanes: Vec<Lane>,
    told: VecDeque<String>,
    /// When the last sample was decoded.
    now: MediaTime,
}

impl AviReader {
    /// At the first sample.
    pub fn new(avi: Arc<Avi>) -> Self {
        let lanes = (0..avi.streams.len()).map(|index| Lane::new(&avi, index)).collect();
        Self { avi, lanes, told: VecDeque::new(), now: MediaTime::ZERO }
    }

    /// The wanted lane whose sample is decoded first.
    fn first(&mut self) -> Result<Option<usize>, Error> {
        let mut first: Option<(MediaTime, usize)> = None;
        for index in 0..self.lanes.len() {
            if !self.lanes[index].wanted {
                continue;
            }
            if self.lanes[index].is_stale {
                self.place(index, self.now)?;
            }
            let peeked = self.lanes[index].peek(&self.avi, index)?;
            if let Some((dts, _)) = peeked
                && first.is_none_or(|(before, _)| dts < before)
            {
                first = Some((dts, index));
            }
        }
        Ok(first.map(|(_, index)| index))
    }

    /// Damage that was not told of yet.
    fn complaint(&mut self) -> Option<Error> {
        for lane in &mut self.lanes {
            while let Some(error) = lane.complaints.pop_front() {
                if let Some(error) = remember(&mut self.told, error) {
                    return Some(error);
                }
            }
        }
        None
    }

    /// Goes to the first sample of a track at or after `time`; of video, to the picture at or before it.
    fn place(&mut self, index: usize, time: MediaTime) -> Result<(), Error> {
        let avi = Arc::clone(&self.avi);
        let stream = &avi.streams[index];
        let lane = &mut self.lanes[index];
        let units = stream.clock.units_at(time);
        let Some(spot) = seek::chunk_at(&avi, index, units)? else {
            lane.go_to(&avi, index, avi.places.start(), 0, 0);
            return Ok(());
        };
        match stream.layout {
            Layout::Units { len, .. } => {
                let len = u64::from(len.max(1));
                // From the first whole unit that does not begin earlier.
                let begin = if stream.clock.time(units / len * len) < time { units / len * len + len } else { units };
                let begin = begin / len * len;
                lane.go_to(&avi, index, spot.place, spot.units, begin.saturating_sub(spot.units));
                lane.begin_at(MediaTime::MIN);
            }
            _ => {
                lane.go_to(&avi, index, spot.place, spot.units, 0);
                lane.begin_at(time);
            }
        }
        Ok(())
    }

    /// Goes to the sample of a track without key frames that `to` and `how` mean, and returns its time; beyond the end
    /// to the last one. `None`: there is none before.
    fn place_at_sample(&mut self, index: usize, to: MediaTime, how: SeekTo) -> Result<Option<MediaTime>, Error> {
        let avi = Arc::clone(&self.avi);
        let stream = &avi.streams[index];
        match (how, stream.layout) {
            (SeekTo::SyncAtOrAfter, _) => self.place(index, to)?,
            // Between any two units it may be cut.
            (SeekTo::SyncAtOrBefore, Layout::Units { len, .. }) => {
                let len = u64::from(len.max(1));
                self.place(index, stream.clock.time(stream.clock.units_at(to) / len * len))?;
            }
            (SeekTo::SyncAtOrBefore, _) => return self.place_at_last(index, to),
        }
        match self.lanes[index].peek(&avi, index)? {
            Some((_, pts)) => Ok(Some(pts)),
            None => self.place_at_last(index, to),
        }
    }

    /// Goes to the last sample of a track that is shown at or before `to`.
    fn place_at_last(&mut self, index: usize, to: MediaTime) -> Result<Option<MediaTime>, Error> {
        let avi = Arc::clone(&self.avi);
        let stream = &avi.streams[index];
        let mut units = stream.clock.units_at(to);
        for _ in 0..CHUNKS_BACK_MAX {
            let Some(spot) = seek::chunk_at(&avi, index, units)? else { return Ok(None) };
            let skip = match stream.layout {
                Layout::Units { len, .. } => spot.units.next_multiple_of(len.max(1).into()) - spot.units,
                _ => 0,
            };
            let lane = &mut self.lanes[index];
            lane.go_to(&avi, index, spot.place, spot.units, skip);
            let mut last = None;
            while let Some((_, pts)) = lane.peek(&avi, index)?.filter(|(_, pts)| *pts <= to) {
                last = Some(pts);
                lane.pass();
            }
            if let Some(last) = last {
                lane.go_to(&avi, index, spot.place, spot.units, skip);
                lane.begin_at(last);
                return Ok(Some(last));
            }
            // What is played at that time began in a chunk before, or this one is empty.
            let Some(before) = spot.units.checked_sub(1) else { return Ok(None) };
            units = before;
        }
        Ok(None)
    }

    /// The track that seeking goes by.
    fn deciding(&self) -> Option<usize> {
        let wanted = |index: &usize| self.lanes[*index].wanted;
        let is_video = |index: &usize| self.avi.tracks[*index].kind() == Kind::Video;
        let all = 0..self.lanes.len();
        all.clone().filter(wanted).find(is_video).or_else(|| all.clone().find(wanted))
    }

    fn rewind(&mut self) -> Result<MediaTime, Error> {
        let avi = Arc::clone(&self.avi);
        let mut earliest: Option<MediaTime> = None;
        for (index, lane) in self.lanes.iter_mut().enumerate() {
            lane.go_to(&avi, index, avi.places.start(), 0, 0);
            if lane.wanted
                && let Some((_, pts)) = lane.peek(&avi, index)?
            {
                earliest = Some(earliest.map_or(pts, |before| before.min(pts)));
            }
        }
        self.now = MediaTime::ZERO;
        Ok(earliest.unwrap_or_default().max(MediaTime::ZERO))
    }

    /// Goes to a key frame and returns its time; `None`: there is none.
    fn place_at_key(&mut self, index: usize, to: MediaTime, how: SeekTo) -> Result<Option<MediaTime>, Error> {
        let avi = Arc::clone(&self.avi);
        let stream = &avi.streams[index];
        let target = to - stream.delay;
        let mut units = stream.clock.units_at(target);
        let before = seek::key_frame(&avi, index, units, SeekTo::SyncAtOrBefore)?;
        let Some(before) = before else { return Ok(None) };
        let mut spot = before;
        if how == SeekTo::SyncAtOrAfter {
            units += u64::from(stream.clock.time(units) < target);
            spot = seek::key_frame(&avi, index, units, how)?.unwrap_or(before);
        }
        let mut landed = self.land(index, spot)?;
        // Pictures that are decoded behind a key frame may be shown before it, which is thus shown later than it seemed.
        if how == SeekTo::SyncAtOrBefore && landed.is_some_and(|pts| pts > to) {
            let Some(units) = spot.units.checked_sub(1) else { return Ok(None) };
            let Some(earlier) = seek::key_frame(&avi, index, units, how)? else { return Ok(None) };
            landed = self.land(index, earlier)?;
        }
        Ok(landed)
    }

    /// Goes to a chunk and returns when what begins there is shown.
    fn land(&mut self, index: usize, spot: Spot) -> Result<Option<MediaTime>, Error> {
        let avi = Arc::clone(&self.avi);
        self.lanes[index].go_to(&avi, index, spot.place, spot.units, 0);
        let peeked = self.lanes[index].peek(&avi, index)?;
        Ok(peeked.map(|(_, pts)| pts))
    }
}

/// The error, unless it was told of late.
fn remember(told: &mut VecDeque<String>, error: Error) -> Option<Error> {
    let text = error.to_string();
    if told.contains(&text) {
        return None;
    }
    if told.len() >= TOLD_MAX {
        told.pop_front();
    }
    told.push_back(text);
    Some(error)
}

impl Reader for AviReader {
    fn select(&mut self, track: usize, wanted: bool) {
        if let Some(lane) = self.lanes.get_mut(track) {
            lane.is_stale |= wanted && !lane.wanted;
            lane.wanted = wanted;
        }
    }

    fn next(&mut self, sample: &mut Sample) -> Result<Next, Error> {
        loop {
            let first = self.first()?;
            if let Some(error) = self.complaint() {
                return Ok(Next::Skipped(error));
            }
            let Some(index) = first else { return Ok(Next::End) };
            let avi = Arc::clone(&self.avi);
            match self.lanes[index].take(&avi, index, sample) {
                Ok(true) => {
                    self.now = sample.dts;
                    return Ok(Next::Sample);
                }
                Ok(false) => {}
                Err(error @ Error::Io { .. }) => return Err(error),
                Err(error) => {
                    if let Some(error) = remember(&mut self.told, error) {
                        return Ok(Next::Skipped(error));
                    }
                }
            }
        }
    }

    fn seek(&mut self, to: MediaTime, how: SeekTo) -> Result<MediaTime, Error> {
        self.told.clear();
        let Some(deciding) = self.deciding().filter(|_| to > MediaTime::ZERO) else { return self.rewind() };
        let landed = if self.avi.tracks[deciding].kind() == Kind::Video {
            self.place_at_key(deciding, to, how)?
        } else {
            self.place_at_sample(deciding, to, how)?
        };
        let Some(landed) = landed else { return self.rewind() };
        for index in 0..self.lanes.len() {
            if index != deciding && self.lanes[index].wanted {
                self.place(index, landed)?;
            }
            self.lanes[index].is_stale = !self.lanes[index].wanted;
        }
        self.now = landed;
        Ok(landed)
    }
}
