//! AAC in LATM within LOAS (ISO/IEC 14496-3 section 1.7): a sync layer around audio multiplex elements, which carry
//! their config themselves now and then. A sample is one access unit.
//!
//! One program of one layer is read, which is what broadcasters and cameras send.

use std::collections::VecDeque;
use std::ops::Range;

use super::{AacConfig, Bits};
use crate::media::codec::frames::{FrameClock, Frames, Look, Syntax};
use crate::media::scan::{Chunk, Framer};
use crate::media::{Codec, Error, Sample};
use crate::time::MediaTime;

/// Length of the header of AudioSyncStream() in bytes.
const HEADER_LEN: usize = 3;
const WHAT: &str = "audio multiplex element";

/// Cuts a LOAS stream into access units.
pub struct LatmFramer {
    frames: Frames<LoasSyntax>,
    clock: FrameClock,
    first: Option<AacConfig>,
    mux: Option<StreamMuxConfig>,
    /// Where the last element with a config begins: what follows can be read from there only.
    config_at: u64,
    /// Elements are being left out, which has been told.
    is_unusable: bool,
    /// Access units of the last element that are still to come, as they lie in `units`.
    ranges: VecDeque<Range<usize>>,
    units: Vec<u8>,
}

impl LatmFramer {
    /// A framer for a stream of which nothing is known.
    pub fn new() -> Self {
        Self {
            frames: Frames::new(LoasSyntax),
            clock: FrameClock::default(),
            first: None,
            mux: None,
            config_at: 0,
            is_unusable: false,
            ranges: VecDeque::new(),
            units: Vec::new(),
        }
    }

    /// Reads the element at the start of the stream, which begins at byte `at` of the file.
    fn read_element(&mut self, len: usize, at: u64) -> Result<(), Problem> {
        let element = &self.frames.bytes()[HEADER_LEN..len];
        let mut bits = Bits { bytes: element, position: 0 };
        let use_same_stream_mux = bits.take(1).ok_or(Problem::Damage)? == 1;
        if !use_same_stream_mux {
            self.mux = Some(StreamMuxConfig::read(&mut bits).ok_or(Problem::Damage)?);
            self.config_at = at;
        }
        let mux = self.mux.as_ref().ok_or(Problem::NoConfig)?;
        let first = self.first.get_or_insert_with(|| mux.config.clone());
        self.units.clear();
        for _ in 0..mux.unit_count {
            let bit_count = mux.unit_len(&mut bits).ok_or(Problem::Damage)?;
            let start = self.units.len();
            bits.copy(bit_count, &mut self.units).ok_or(Problem::Damage)?;
            self.ranges.push_back(start..self.units.len());
        }
        // Its length, the unit and the padding are all that there is in an element of the usual layout.
        if mux.is_guessed && (bits.position.div_ceil(8) != element.len() || self.units.is_empty()) {
            return Err(Problem::NoConfig);
        }
        if mux.config == *first { Ok(()) } else { Err(Problem::OtherConfig) }
    }
}

/// Why an element gives no access units.
#[derive(Clone, Copy, PartialEq)]
enum Problem {
    Damage,
    /// None was seen so far.
    NoConfig,
    /// Another one than that of the track.
    OtherConfig,
}

impl Default for LatmFramer {
    fn default() -> Self {
        Self::new()
    }
}

impl Framer for LatmFramer {
    fn push(&mut self, chunk: Chunk<'_>) {
        self.frames.push(chunk);
    }

    fn pop(&mut self, sample: &mut Sample) -> Result<Option<u64>, Error> {
        loop {
            if let (Some(range), Some(mux)) = (self.ranges.pop_front(), &self.mux) {
                sample.data.extend_from_slice(&self.units[range]);
                self.clock.put(sample, None, mux.config.frame_len, mux.config.sample_rate);
                return Ok(Some(self.config_at));
            }
            let Some(frame) = self.frames.find_next()? else { return Ok(None) };
            if let Some(stamp) = frame.stamp {
                self.clock.start(stamp.pts);
            }
            let read = self.read_element(frame.len, frame.at);
            self.frames.consume(frame.len);
            let Err(problem) = read else {
                self.is_unusable = false;
                continue;
            };
            if let (Problem::OtherConfig, Some(mux)) = (problem, &self.mux) {
                let count = self.ranges.len() as u32;
                self.clock.put(&mut Sample::default(), None, count * mux.config.frame_len, mux.config.sample_rate);
            }
            self.ranges.clear();
            // Without a config nobody need be told where a stream was cut out of a longer one.
            if !std::mem::replace(&mut self.is_unusable, true) {
                let what = match problem {
                    Problem::Damage => WHAT,
                    Problem::NoConfig => "audio multiplex element behind a config",
                    Problem::OtherConfig => "audio multiplex element of the same config as the first one",
                };
                return Err(Error::malformed(what, frame.at));
            }
        }
    }

    fn finish(&mut self) {
        self.frames.finish();
    }

    fn reset(&mut self) {
        self.ranges.clear();
        self.frames.reset();
    }

    fn start(&mut self, time: MediaTime) {
        self.clock.start(time);
    }

    fn codec(&self) -> Option<Codec> {
        self.first.clone().map(Codec::Aac)
    }

    /// Configs come once in a while only: until the next one, elements are taken to have the layout that nearly all
    /// have. What does not fit it is left out, and nobody need be told.
    fn prime(&mut self, codec: &Codec) {
        if let (Codec::Aac(config), None) = (codec, &self.mux) {
            self.first = Some(config.clone());
            self.mux =
                Some(StreamMuxConfig { is_guessed: true, config: config.clone(), unit_count: 1, fixed_len: None });
            self.is_unusable = true;
        }
    }
}

/// StreamMuxConfig() (section 1.7.3.1).
struct StreamMuxConfig {
    /// It did not come with the stream.
    is_guessed: bool,
    config: AacConfig,
    /// Access units in an element.
    unit_count: usize,
    /// The length of every access unit in bits, where it is fixed.
    fixed_len: Option<usize>,
}

impl StreamMuxConfig {
    fn read(bits: &mut Bits<'_>) -> Option<Self> {
        let version = bits.take(1)?;
        if version == 1 {
            let version_a = bits.take(1)?;
            if version_a != 0 {
                return None; // reserved
            }
            get_value(bits)?; // taraBufferFullness
        }
        bits.take(1)?; // allStreamsSameTimeFraming: with one stream it is all the same
        let unit_count = bits.take(6)? as usize + 1;
        let (num_program, num_layer) = (bits.take(4)?, bits.take(3)?);
        if num_program != 0 || num_layer != 0 {
            return None;
        }
        let config = if version == 0 {
            AacConfig::read_within(bits)?
        } else {
            let len = get_value(bits)? as usize;
            let start = bits.position;
            let mut asc = Vec::new();
            bits.copy(len, &mut asc)?;
            bits.position = start + len;
            AacConfig::parse(&asc, 0).ok()?
        };
        let fixed_len = match bits.take(3)? {
            0 => {
                bits.take(8)?; // latmBufferFullness
                None
            }
            1 => Some(8 * (bits.take(9)? as usize + 20)),
            _ => return None, // CELP and HVXC
        };
        if bits.take(1)? == 1 {
            // otherDataPresent; the data stand behind the access units, where nothing else is looked for.
            if version == 1 {
                get_value(bits)?;
            } else {
                while bits.take(9)? >> 8 == 1 {}
            }
        }
        if bits.take(1)? == 1 {
            bits.take(8)?; // crcCheckSum
        }
        Some(Self { is_guessed: false, config, unit_count, fixed_len })
    }

    /// PayloadLengthInfo(): how long the next access unit is, in bits.
    fn unit_len(&self, bits: &mut Bits<'_>) -> Option<usize> {
        if let Some(len) = self.fixed_len {
            return Some(len);
        }
        let mut len = 0;
        loop {
            let part = bits.take(8)?;
            len += part as usize;
            if part != 255 {
                return Some(8 * len);
            }
        }
    }
}

/// LatmGetValue() (section 1.7.3.1).
fn get_value(bits: &mut Bits<'_>) -> Option<u32> {
    let len = 8 * (bits.take(2)? as usize + 1);
    bits.take(len)
}

struct LoasSyntax;

impl Syntax for LoasSyntax {
    type Header = ();
    const NAME: &'static str = "LOAS frame";
    // The sync word has 11 bits and nothing else is fixed.
    const CONFIRMATIONS: usize = 4;

    fn look(&self, bytes: &[u8], is_end: bool) -> Look<()> {
        match *bytes {
            [0x56, b, c, ..] if b & 0xe0 == 0xe0 => {
                Look::Frame((), HEADER_LEN + (usize::from(b & 0x1f) << 8 | usize::from(c)))
            }
            [0x56] if !is_end => Look::Short,
            [0x56, b] if b & 0xe0 == 0xe0 && !is_end => Look::Short,
            _ => Look::Nothing,
        }
    }

    fn may_follow(&self, (): &(), (): &()) -> bool {
        true
    }
}
