//! Cuts MPEG-4 part 2 video into VOPs, each with the headers before it.
//!
//! VOPs that repeat the one before (vop_coded is 0) are left out: the picture before just stays. DivX puts them where
//! the second VOP of a "packed" chunk of an AVI file would have been, and they have no time of their own.

use super::super::picture_times::{CodedPicture, PictureTimes};
use super::{ConfigHeaders, GROUP, Mpeg4VisualConfig, SEQUENCE_END, VOP, VopHeader, group_seconds};
use crate::media::codec::nal::find_start_code;
use crate::media::scan::{Chunk, Framer, Stamp, StreamBuffer};
use crate::media::{Codec, Error, Sample};
use crate::time::MediaTime;

/// The longest VOP in bytes: far beyond the VBV buffer of any level (ISO/IEC 14496-2 annex N).
const VOP_LEN_MAX: usize = 8 << 20;
/// A start code and the byte that tells its kind.
const CODE_LEN: usize = 4;
/// Pictures a second where the stream does not tell.
const FRAME_RATE_DEFAULT: u32 = 25;

/// The framer of MPEG-4 part 2 video.
#[derive(Debug)]
pub struct Mpeg4VisualFramer {
    /// From the start of the sample that is being read.
    buffer: StreamBuffer,
    /// Up to where start codes have been looked for.
    scanned: usize,
    /// Where the unit begins whose end has not been seen.
    unit: Option<usize>,
    /// The VOP of the sample that is being read.
    vop: Option<Vop>,
    headers: ConfigHeaders,
    clock: Clock,
    times: PictureTimes,
    is_known: bool,
    is_finished: bool,
    /// What is left out was reported.
    is_skipping: bool,
}

#[derive(Debug)]
struct Vop {
    /// `None`: it cannot be read, or not until there is a video object layer.
    header: Option<VopHeader>,
    stamp: Option<Stamp>,
}

/// The time of VOPs (ISO/IEC 14496-2 section 6.3.5, modulo_time_base).
#[derive(Debug, Default)]
struct Clock {
    /// The second in which the last VOP that is no B-VOP lies, and the one before that.
    second: i64,
    second_before: i64,
    last: Option<i64>,
    /// The least that was seen between two.
    ticks: Option<u32>,
    is_told: bool,
}

impl Clock {
    fn ticks_of(&mut self, vop: &VopHeader, resolution: u32) -> i64 {
        let seconds = i64::from(vop.seconds);
        let second = if vop.is_bidirectional() {
            self.second_before + seconds
        } else {
            self.second_before = self.second;
            self.second += seconds;
            self.second
        };
        let ticks = second * i64::from(resolution) + i64::from(vop.increment);
        if let Some(last) = self.last.replace(ticks)
            && !self.is_told
            && let Ok(apart @ 1..) = u32::try_from((ticks - last).abs())
        {
            self.ticks = Some(self.ticks.map_or(apart, |least| least.min(apart)));
        }
        ticks
    }

    /// A group header tells the second that the next VOP counts from.
    fn set_second(&mut self, second: i64) {
        self.second_before = self.second;
        self.second = second;
    }
}

impl Default for Mpeg4VisualFramer {
    fn default() -> Self {
        Self {
            buffer: StreamBuffer::default(),
            scanned: 0,
            unit: None,
            vop: None,
            headers: ConfigHeaders::default(),
            clock: Clock::default(),
            times: PictureTimes::new(1),
            is_known: false,
            is_finished: false,
            is_skipping: false,
        }
    }
}

impl Mpeg4VisualFramer {
    /// A framer, as a table of them wants it.
    pub fn boxed() -> Box<dyn Framer> {
        Box::new(Self::default())
    }

    /// Reads on to the next start code; `false` when more bytes are needed.
    fn step(&mut self) -> Result<bool, Error> {
        let bytes = self.buffer.bytes();
        let found = find_start_code(bytes, self.scanned).filter(|at| at + CODE_LEN <= bytes.len());
        self.scanned = self.scanned.max(found.unwrap_or(bytes.len().saturating_sub(CODE_LEN - 1)));
        if self.scanned > VOP_LEN_MAX {
            let at = self.buffer.origin(0);
            self.forget();
            self.is_skipping = true;
            return Err(Error::malformed("MPEG-4 VOP of more than 8 MiB", at));
        }
        let Some(mut at) = found else {
            return self.end_of_bytes().map(|()| false);
        };
        let code = bytes[at + CODE_LEN - 1];
        match self.unit {
            Some(unit) => self.end_unit(unit, at),
            None => {
                let junk = std::mem::take(&mut at);
                self.drop_junk(junk)?;
            }
        }
        let mut ended = Ok(());
        if self.vop.is_some() && code != SEQUENCE_END {
            ended = self.cut(at);
            at = 0;
        }
        if code == VOP {
            self.vop = Some(Vop { header: None, stamp: self.buffer.take_stamp(at) });
        }
        self.unit = Some(at);
        self.scanned = at + CODE_LEN;
        ended.map(|()| true)
    }

    /// There is no further start code: at the end of the stream the last VOP ends.
    fn end_of_bytes(&mut self) -> Result<(), Error> {
        if !self.is_finished {
            return Ok(());
        }
        let end = self.buffer.len();
        if let Some(unit) = self.unit.take() {
            self.end_unit(unit, end);
        }
        let ended = if self.vop.is_some() { self.cut(end) } else { Ok(()) };
        self.forget();
        self.times.flush();
        ended
    }

    fn drop_junk(&mut self, count: usize) -> Result<(), Error> {
        let is_stuffing = self.buffer.bytes()[..count].iter().all(|byte| *byte == 0);
        let at = self.buffer.origin(0);
        self.buffer.consume(count);
        self.scanned = 0;
        if is_stuffing || self.is_skipping {
            return Ok(());
        }
        self.is_skipping = true;
        Err(Error::malformed("MPEG-4 video start code", at))
    }

    /// Reads the headers in the unit from `unit` to `end`.
    fn end_unit(&mut self, unit: usize, end: usize) {
        let bytes = &self.buffer.bytes()[unit..end];
        let is_config = self.headers.take(bytes);
        let resolution = self.headers.layer().map(|layer| layer.resolution);
        match (bytes.get(CODE_LEN - 1), &mut self.vop) {
            (Some(&VOP), Some(vop)) => {
                vop.header = resolution.and_then(|resolution| VopHeader::parse(bytes, resolution));
                self.configure();
            }
            (Some(&GROUP), _) => {
                if let Some(second) = group_seconds(bytes) {
                    self.clock.set_second(second);
                }
            }
            _ if is_config => self.is_known = false,
            _ => {}
        }
    }

    /// Takes what the headers say, once the VOP behind them shows that they are complete.
    fn configure(&mut self) {
        if let Some(layer) = self.headers.layer().filter(|_| !self.is_known) {
            self.times.configure(layer.resolution, self.headers.has_b_vops());
            if let Some(ticks) = layer.fixed_increment {
                (self.clock.ticks, self.clock.is_told) = (Some(ticks), true);
            }
            self.is_known = true;
        }
    }

    /// The sample that is being read ends at `at`.
    fn cut(&mut self, at: usize) -> Result<(), Error> {
        let origin = self.buffer.origin(0);
        let data = self.buffer.bytes()[..at].to_vec();
        self.buffer.consume(at);
        let (vop, layer) = (self.vop.take(), self.headers.layer());
        let (Some(Vop { header: Some(header), stamp }), Some(layer)) = (vop, layer) else {
            let is_reported = std::mem::replace(&mut self.is_skipping, true);
            let error = || Error::malformed("MPEG-4 VOP without headers", origin);
            return if is_reported { Ok(()) } else { Err(error()) };
        };
        self.is_skipping = false;
        if !header.is_coded {
            return Ok(());
        }
        let clock = Some(self.clock.ticks_of(&header, layer.resolution));
        let ticks = self.clock.ticks.unwrap_or((layer.resolution / FRAME_RATE_DEFAULT).max(1)).into();
        let (is_sync, is_bidirectional) = (header.is_intra(), header.is_bidirectional());
        self.times.push(CodedPicture { data, origin, is_sync, is_bidirectional, stamp, ticks, clock });
        Ok(())
    }

    fn forget(&mut self) {
        self.buffer.clear();
        self.scanned = 0;
        self.unit = None;
        self.vop = None;
    }
}

impl Framer for Mpeg4VisualFramer {
    fn push(&mut self, chunk: Chunk<'_>) {
        self.buffer.push(chunk);
    }

    fn pop(&mut self, sample: &mut Sample) -> Result<Option<u64>, Error> {
        loop {
            if let Some(origin) = self.times.pop(sample) {
                return Ok(Some(origin));
            }
            if !self.step()? {
                return Ok(self.times.pop(sample));
            }
        }
    }

    fn finish(&mut self) {
        self.is_finished = true;
    }

    /// The VOP that was being read comes out as far as it came: a decoder does better with a part of it than without it,
    /// and often it is whole, as only what follows would have shown.
    fn reset(&mut self) {
        self.is_skipping = true;
        if let Some(unit) = self.unit.take().filter(|_| !self.is_finished) {
            let end = self.buffer.len();
            self.end_unit(unit, end);
            if self.vop.is_some() {
                let _ = self.cut(end);
            }
        }
        self.forget();
        self.times.flush();
        self.is_finished = false;
        // What is left of a VOP is no further damage.
        self.is_skipping = true;
        self.is_finished = false;
    }

    fn start(&mut self, time: MediaTime) {
        self.times.start(time);
    }

    fn codec(&self) -> Option<Codec> {
        let config = self.headers.config().filter(|_| self.is_known)?;
        Some(Codec::Mpeg4Visual(Mpeg4VisualConfig { vop_ticks: self.clock.ticks, ..config }))
    }

    fn prime(&mut self, codec: &Codec) {
        if let Codec::Mpeg4Visual(Mpeg4VisualConfig { config, vop_ticks, .. }) = codec {
            self.headers = ConfigHeaders::parse(config);
            self.configure();
            if vop_ticks.is_some() {
                (self.clock.ticks, self.clock.is_told) = (*vop_ticks, true);
            }
        }
    }

    fn frame_rate(&self) -> Option<f64> {
        Some(f64::from(self.headers.layer()?.resolution) / f64::from(self.clock.ticks?))
    }
}
