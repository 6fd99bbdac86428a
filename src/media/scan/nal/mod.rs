//! Access units of H.264 and H.265 out of a byte stream, such as PES packets carry (ISO/IEC 13818-1 sections 2.14 and
//! 2.17): NAL units behind start codes, with a time stamp for some pictures or for all.
//!
//! Where access units begin and end is in `codec::h264` and `codec::h265`; what times they have, in [`timing`].

mod sets;
#[cfg(test)]
mod tests;
mod timing;

use sets::{NalCodec, SetList, Tracker};
use timing::{Timing, Unit};

use super::{Chunk, Framer, Stamp, StreamBuffer};
use crate::media::codec::access_unit::{Picture, Role};
use crate::media::codec::nal::{find_start_code, split_start_codes};
use crate::media::{Codec, Error, Sample};
use crate::time::MediaTime;

/// The longest access unit, in bytes: a picture of 8K in PCM has 50 MB, one that a camera sends a hundredth of that.
const ACCESS_UNIT_LEN_MAX: usize = 16 << 20;
/// How many NAL units of an access unit are delivered. A picture of 8K has some 2000 slices at most.
const NALS_MAX: usize = 4096;
const START_CODE_LEN: usize = 3;

/// Cuts a stream of H.264 or H.265 into access units, both fields of a frame together.
///
/// A stamp is that of the first access unit that begins in its chunk; where stamps do not tell the time of decoding, it
/// follows from the order of display. Access units without stamp are put evenly between those with one. Pictures before
/// the first parameter sets are left out.
pub struct NalFramer {
    parser: Parser,
    timing: Timing,
    is_finished: bool,
}

impl NalFramer {
    /// For ITU-T H.264 streams.
    pub fn h264() -> Self {
        Self::new(NalCodec::H264)
    }

    /// For ITU-T H.265 streams.
    pub fn h265() -> Self {
        Self::new(NalCodec::H265)
    }

    fn new(codec: NalCodec) -> Self {
        Self { parser: Parser::new(codec), timing: Timing::default(), is_finished: false }
    }
}

impl Framer for NalFramer {
    fn push(&mut self, chunk: Chunk<'_>) {
        self.is_finished = false;
        self.parser.buffer.push(chunk);
    }

    fn pop(&mut self, sample: &mut Sample) -> Result<Option<u64>, Error> {
        loop {
            if let Some(timed) = self.timing.pop() {
                let origin = timed.origin;
                (sample.pts, sample.dts, sample.is_sync) = (timed.pts, timed.dts, timed.is_sync);
                self.timing.spare(std::mem::replace(&mut sample.data, timed.data));
                split_start_codes(&sample.data, &mut sample.nals);
                sample.nals.truncate(NALS_MAX);
                return Ok(Some(origin));
            }
            match self.parser.next(self.is_finished, &mut self.timing)? {
                Progress::Unit => {}
                Progress::Starved if self.is_finished && self.timing.finish() => {}
                Progress::Starved => return Ok(None),
            }
        }
    }

    fn finish(&mut self) {
        self.is_finished = true;
    }

    fn reset(&mut self) {
        self.parser.close_whole(&mut self.timing);
        self.parser.reset();
        self.is_finished = false;
    }

    fn start(&mut self, time: MediaTime) {
        self.timing.start(time);
    }

    fn codec(&self) -> Option<Codec> {
        self.parser.has_pictures.then(|| self.parser.sets.codec()).flatten()
    }

    fn prime(&mut self, codec: &Codec) {
        if let Some(sets) = self.parser.sets.primed(codec) {
            sets.iter().for_each(|nal| _ = self.parser.tracker.push(nal));
            self.parser.sets = sets;
            self.parser.has_pictures = true;
        }
    }

    fn frame_rate(&self) -> Option<f64> {
        self.parser.sets.frame_rate().map(|rate| rate.as_f64())
    }
}

/// What [`Parser::next`] came to.
enum Progress {
    /// An access unit was handed over, or left out.
    Unit,
    /// More bytes are needed.
    Starved,
}

/// Finds access units in the bytes. Positions are indexes into `buffer`.
struct Parser {
    buffer: StreamBuffer,
    /// Start codes before this index have been found.
    scanned: usize,
    nal: Option<Nal>,
    /// The access unit that is being read; it begins at index 0.
    open: Option<Open>,
    /// Where the next access unit begins, if one does.
    next_at: Option<usize>,
    tracker: Tracker,
    sets: SetList,
    /// A picture has come whose parameter sets are there.
    has_pictures: bool,
    /// An SPS has come since the last slice.
    has_sps: bool,
}

/// The NAL unit found last.
#[derive(Clone, Copy)]
struct Nal {
    /// Where it begins, with the zero byte before its start code.
    at: usize,
    header: usize,
    is_told: bool,
}

struct Open {
    picture: Picture,
    is_sync: bool,
    stamp: Option<Stamp>,
    origin: u64,
}

impl Parser {
    fn new(codec: NalCodec) -> Self {
        Self {
            buffer: StreamBuffer::default(),
            scanned: 0,
            nal: None,
            open: None,
            next_at: None,
            tracker: Tracker::new(codec),
            sets: SetList::new(codec),
            has_pictures: false,
            has_sps: false,
        }
    }

    /// Reads up to the end of an access unit and hands it over.
    fn next(&mut self, is_finished: bool, timing: &mut Timing) -> Result<Progress, Error> {
        loop {
            let bytes = self.buffer.bytes();
            let code = find_start_code(bytes, self.scanned);
            if let Some(nal) = self.nal.filter(|nal| !nal.is_told) {
                let end = code.unwrap_or(bytes.len());
                let needed = bytes.get(nal.header).map_or(1, |header| self.tracker.bytes_needed(*header));
                if code.is_some() || is_finished || end - nal.header >= needed {
                    self.nal = Some(Nal { is_told: true, ..nal });
                    if self.tell(nal, end, timing) {
                        return Ok(Progress::Unit);
                    }
                    continue;
                }
            }
            match code {
                Some(code) => self.begin_nal(code),
                None if is_finished => return Ok(self.close_last(timing)),
                None => break,
            }
        }
        self.scanned = self.scanned.max(self.buffer.len().saturating_sub(START_CODE_LEN - 1));
        self.forget_unused();
        if self.buffer.len() > ACCESS_UNIT_LEN_MAX {
            let error = Error::malformed("access unit of unbelievable length", self.buffer.origin(0));
            self.reset();
            return Err(error);
        }
        Ok(Progress::Starved)
    }

    fn begin_nal(&mut self, code: usize) {
        // A zero byte in the chunk before is that one's last.
        let has_zero_byte = code > 0 && self.buffer.bytes()[code - 1] == 0 && !self.buffer.begins_chunk(code);
        self.nal = Some(Nal { at: code - usize::from(has_zero_byte), header: code + START_CODE_LEN, is_told: false });
        self.scanned = code + START_CODE_LEN;
        self.forget_unused();
    }

    /// Bytes that are in no access unit are not kept, but for a zero byte that the next start code may have before it.
    fn forget_unused(&mut self) {
        if self.open.is_none() && self.next_at.is_none() {
            let untold = self.nal.filter(|nal| !nal.is_told);
            self.consume(untold.map_or(self.scanned.saturating_sub(1), |nal| nal.at));
        }
    }

    fn consume(&mut self, count: usize) {
        self.buffer.consume(count);
        self.scanned = self.scanned.saturating_sub(count);
        self.next_at = self.next_at.map(|at| at.saturating_sub(count));
        self.nal = self.nal.filter(|nal| nal.header >= count).map(|nal| Nal {
            at: nal.at.saturating_sub(count),
            header: nal.header - count,
            ..nal
        });
    }

    /// Tells the tracker of a NAL unit that ends at `end` or goes on there; `true` when that ended an access unit.
    fn tell(&mut self, nal: Nal, end: usize, timing: &mut Timing) -> bool {
        let bytes = self.buffer.bytes();
        let unit = &bytes[nal.header.min(end)..end];
        let needed = unit.first().map_or(0, |header| self.tracker.bytes_needed(*header));
        let role = self.tracker.push(&unit[..unit.len().min(needed)]);
        if self.tracker.is_parameter_set(unit) {
            self.has_sps |= self.tracker.is_sps(unit);
            self.sets.put(unit);
        }
        match role {
            // A slice whose parameter sets are not there belongs to no picture, and what stands before it neither.
            Role::Within if self.open.is_none() && self.tracker.is_slice(unit) => {
                (self.next_at, self.has_sps) = (None, false);
                false
            }
            Role::Within => false,
            Role::Before => {
                self.next_at.get_or_insert(nal.at);
                false
            }
            Role::Slice => {
                self.next_at = None;
                self.has_sps = false;
                false
            }
            Role::Picture(picture) => {
                let is_intra = self.has_sps && self.tracker.is_intra(unit);
                self.has_sps = false;
                self.begin_picture(picture, is_intra, nal, timing)
            }
        }
    }

    /// An intra picture with parameter sets is one that broadcasters tune in at, also without any other sign.
    fn begin_picture(&mut self, picture: Picture, is_intra: bool, nal: Nal, timing: &mut Timing) -> bool {
        self.has_pictures = true;
        let begins_at = self.next_at.take().unwrap_or(nal.at);
        let was_open = self.close(begins_at, timing);
        // What stands before the slices may have come in the chunk before, or in one of its own without a stamp.
        let stamp = [0, nal.at, nal.header]
            .into_iter()
            .find_map(|index| self.buffer.take_stamp(index.saturating_sub(begins_at)));
        let origin = self.buffer.origin(0);
        self.open = Some(Open { is_sync: picture.is_sync || is_intra, picture, stamp, origin });
        was_open
    }

    /// Ends the access unit that is open at byte `end` and uses up all before.
    fn close(&mut self, end: usize, timing: &mut Timing) -> bool {
        let open = self.open.take();
        let was_open = open.is_some();
        if let Some(Open { picture, is_sync, stamp, origin }) = open {
            timing.set_frame_rate(self.sets.frame_rate());
            timing.push(Unit { picture, is_sync, stamp, origin }, &self.buffer.bytes()[..end]);
        }
        self.consume(end);
        was_open
    }

    fn close_last(&mut self, timing: &mut Timing) -> Progress {
        let was_open = self.close(self.buffer.len(), timing);
        self.reset();
        if was_open { Progress::Unit } else { Progress::Starved }
    }

    /// Hands over the open access unit if what follows it has begun.
    fn close_whole(&mut self, timing: &mut Timing) {
        if let Some(nal) = self.nal.filter(|nal| !nal.is_told) {
            self.tell(nal, self.buffer.len(), timing);
        }
        if let Some(end) = self.next_at {
            self.close(end, timing);
        }
    }

    fn reset(&mut self) {
        self.buffer.clear();
        (self.scanned, self.nal, self.open, self.next_at, self.has_sps) = (0, None, None, None, false);
    }
}
