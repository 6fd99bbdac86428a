//! AAC in ADTS (ISO/IEC 13818-7 section 6.2, 14496-3 section 1.A.2.2): each frame begins with a header that tells the
//! config. A sample is one raw_data_block().
//!
//! High efficiency is not told there: the header has the config of the core, decoders find the rest within (implicit
//! signalling, ISO/IEC 14496-3 section 1.6.5.3), and that is what the AudioSpecificConfig says too.

use std::ops::Range;

use super::{AacConfig, SAMPLE_RATES, pce};
use crate::media::codec::frames::{FrameClock, Frames, Look, Syntax};
use crate::media::codec::tags;
use crate::media::scan::{Chunk, Framer};
use crate::media::{Codec, Error, Sample};
use crate::time::MediaTime;

/// Length of the header in bytes, without its CRC.
const HEADER_LEN: usize = 7;
/// Samples in a raw_data_block().
const BLOCK_LEN: u32 = 1024;

/// What the header of an ADTS frame says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdtsHeader {
    /// Audio object type: 2 is LC.
    pub object_type: u8,
    /// Of the core coder, in Hz.
    pub sample_rate: u32,
    /// 0: a program config element within tells.
    pub channel_configuration: u8,
    /// There are checksums.
    pub has_crc: bool,
    /// Of the whole frame, header included, in bytes.
    pub len: usize,
    /// How many raw_data_block() it has, 1 to 4.
    pub block_count: usize,
}

impl AdtsHeader {
    /// Reads a header; `None` when the bytes are none.
    pub fn parse(bytes: &[u8; HEADER_LEN]) -> Option<Self> {
        let [a, b, c, d, e, f, g] = *bytes;
        if a != 0xff || b & 0xf6 != 0xf0 {
            return None;
        }
        let header = Self {
            object_type: (c >> 6) + 1,
            sample_rate: *SAMPLE_RATES.get(usize::from(c >> 2 & 0xf))?,
            channel_configuration: (c & 1) << 2 | d >> 6,
            has_crc: b & 1 == 0,
            len: usize::from(d & 3) << 11 | usize::from(e) << 3 | usize::from(f >> 5),
            block_count: usize::from(g & 3) + 1,
        };
        (header.len > header.blocks_at()).then_some(header)
    }

    /// Where the first raw_data_block() begins. The positions of the others and a CRC are before it, if any.
    fn blocks_at(&self) -> usize {
        HEADER_LEN + if self.has_crc { 2 * self.block_count } else { 0 }
    }

    /// What a decoder must know; `frame` is all of it.
    fn config(&self, frame: &[u8]) -> AacConfig {
        let channels = if self.channel_configuration == 7 { 8 } else { self.channel_configuration };
        let config = AacConfig::from_parts(self.object_type, self.sample_rate, channels);
        if channels != 0 {
            return config;
        }
        pce::config_with_pce(config, &frame[self.blocks_at()..])
    }

    /// Whether the frame can be decoded with `config`, which such a header gave.
    fn fits(&self, config: &AacConfig) -> bool {
        // from_parts() puts it there.
        let channel_configuration = config.asc.get(1).map(|byte| byte >> 3 & 0xf);
        (self.object_type, self.sample_rate) == (config.object_type, config.sample_rate)
            && channel_configuration == Some(self.channel_configuration)
    }
}

/// Where in `frame`, which is one of ADTS, its raw_data_block() lies; `None` where it has several, or is none.
pub fn access_unit(frame: &[u8]) -> Option<Range<usize>> {
    let header = AdtsHeader::parse(frame.first_chunk()?).filter(|header| header.block_count == 1)?;
    (header.len <= frame.len()).then_some(header.blocks_at()..header.len)
}

/// Cuts ADTS into access units.
pub struct AdtsFramer {
    frames: Frames<AdtsSyntax>,
    clock: FrameClock,
    /// Of the first frame.
    config: Option<AacConfig>,
    /// Frames of another config are being left out, which has been told.
    is_other: bool,
    /// Blocks that are still to come of the frame at the start.
    rest: Option<Rest>,
}

/// What is left of a frame of several blocks.
struct Rest {
    header: AdtsHeader,
    at: u64,
    /// The number of the next block.
    block: usize,
}

impl AdtsFramer {
    /// A framer for a stream of which nothing is known.
    pub fn new() -> Self {
        Self {
            frames: Frames::new(AdtsSyntax),
            clock: FrameClock::default(),
            config: None,
            is_other: false,
            rest: None,
        }
    }

    /// Takes block `block` of the frame at the start.
    fn take(&mut self, sample: &mut Sample, rest: Rest) -> u64 {
        let Rest { header, at, block } = rest;
        let frame = &self.frames.bytes()[..header.len];
        let range = block_range(&header, frame, block);
        sample.data.extend_from_slice(&frame[range]);
        // Without checksums nothing tells where a block ends. Decoders take the first and leave the others.
        let is_last = !header.has_crc || block + 1 == header.block_count;
        let blocks = if header.has_crc { 1 } else { header.block_count as u32 };
        self.clock.put(sample, None, blocks * BLOCK_LEN, header.sample_rate);
        if is_last {
            self.frames.consume(header.len);
        } else {
            self.rest = Some(Rest { block: block + 1, ..rest });
        }
        at
    }
}

impl Default for AdtsFramer {
    fn default() -> Self {
        Self::new()
    }
}

impl Framer for AdtsFramer {
    fn push(&mut self, chunk: Chunk<'_>) {
        self.frames.push(chunk);
    }

    fn pop(&mut self, sample: &mut Sample) -> Result<Option<u64>, Error> {
        if let Some(rest) = self.rest.take() {
            return Ok(Some(self.take(sample, rest)));
        }
        while let Some(frame) = self.frames.find_next()? {
            let header = frame.header;
            if frame.is_certain && self.config.is_none() {
                self.config = Some(header.config(&self.frames.bytes()[..frame.len]));
            }
            if let Some(stamp) = frame.stamp {
                self.clock.start(stamp.pts);
            }
            if self.config.as_ref().is_none_or(|config| header.fits(config)) {
                self.is_other = false;
                return Ok(Some(self.take(sample, Rest { header, at: frame.at, block: 0 })));
            }
            self.frames.consume(frame.len);
            self.clock.put(&mut Sample::default(), None, header.block_count as u32 * BLOCK_LEN, header.sample_rate);
            if !std::mem::replace(&mut self.is_other, true) {
                return Err(Error::malformed("ADTS frame of the same config as the first one", frame.at));
            }
        }
        Ok(None)
    }

    fn finish(&mut self) {
        self.frames.finish();
    }

    fn reset(&mut self) {
        self.rest = None;
        self.frames.reset();
    }

    fn start(&mut self, time: MediaTime) {
        self.clock.start(time);
    }

    fn codec(&self) -> Option<Codec> {
        self.config.clone().map(Codec::Aac)
    }

    fn prime(&mut self, codec: &Codec) {
        if let Codec::Aac(config) = codec {
            self.config = Some(config.clone());
        }
    }
}

/// Where in `frame` block number `block` is. With checksums each but a single one is followed by 2 bytes of its own
/// (section 6.2.1: adts_header_error_check(), adts_raw_data_block_error_check()). Positions that make no sense leave
/// an empty range.
fn block_range(header: &AdtsHeader, frame: &[u8], block: usize) -> std::ops::Range<usize> {
    let blocks_at = header.blocks_at();
    if !header.has_crc || header.block_count == 1 {
        return blocks_at..frame.len();
    }
    // Positions count from the first block.
    let position = |block: usize| match block {
        0 => blocks_at,
        block if block == header.block_count => frame.len(),
        block => {
            let field = HEADER_LEN + 2 * (block - 1);
            blocks_at + usize::from(u16::from_be_bytes([frame[field], frame[field + 1]]))
        }
    };
    let end = position(block + 1).min(frame.len()).saturating_sub(2);
    position(block).min(end)..end
}

struct AdtsSyntax;

impl Syntax for AdtsSyntax {
    type Header = AdtsHeader;
    const NAME: &'static str = "ADTS frame";
    const CONFIRMATIONS: usize = 2;

    fn look(&self, bytes: &[u8], is_end: bool) -> Look<AdtsHeader> {
        if bytes[0] != 0xff {
            return tags::look(bytes, is_end);
        }
        match bytes.first_chunk() {
            Some(header) => AdtsHeader::parse(header).map_or(Look::Nothing, |header| Look::Frame(header, header.len)),
            None if is_end => Look::Nothing,
            None => Look::Short,
        }
    }

    fn may_follow(&self, header: &AdtsHeader, next: &AdtsHeader) -> bool {
        let of = |header: &AdtsHeader| (header.object_type, header.sample_rate, header.channel_configuration);
        of(header) == of(next)
    }
}
