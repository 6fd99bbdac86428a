//! Frames of FLAC, one behind the other.
//!
//! A frame header does not tell where its frame ends, and what looks like a header may be anything. So a frame ends
//! where its checksum comes out and the sync code of another follows, or the file ends (RFC 9639 section 9.1 and 9.3).

use crate::media::codec::FlacConfig;
use crate::media::codec::flac::{FRAME_HEADER_LEN_MAX, FrameHeader, Number, crc16};
use crate::media::scan::{Chunk, Framer, StreamBuffer};
use crate::media::{Codec, Error, Sample};
use crate::time::MediaTime;

/// The shortest frame: a header of 6 bytes, a channel of 2, a checksum of 2.
const FRAME_LEN_MIN: usize = 10;
/// Valid headers within a frame, by chance or behind bytes that are missing, before it is given up.
const STRANGERS_MAX: usize = 8;
/// Tags that other programs append to files, of so many bytes at least; only these may follow the last frame.
const TRAILING_TAGS: [&[u8]; 2] = [b"TAG", b"APETAGEX"];

/// Cuts frames. What it knows of the stream it was told.
pub struct FlacFramer {
    config: FlacConfig,
    /// Samples before the first frame of the file.
    base: i64,
    buffer: StreamBuffer,
    /// The header at the start of the buffer, once there is one.
    header: Option<FrameHeader>,
    /// How many bytes of the frame the checksum is over.
    checked: usize,
    crc: u16,
    /// Where bytes began that are no frame.
    damaged_from: Option<u64>,
    /// Whether a frame has been found: what comes before is no damage.
    is_aligned: bool,
    /// How many headers have been come upon that do not follow the one at the start.
    strangers: usize,
    /// Samples of a channel up to the end of the last frame, from the first on.
    position: i64,
    is_finished: bool,
}

impl FlacFramer {
    /// For a stream of this config, whose first frame has `base` samples of each channel before it.
    pub fn new(config: FlacConfig, base: i64) -> Self {
        Self {
            config,
            base,
            buffer: StreamBuffer::default(),
            header: None,
            checked: 0,
            crc: 0,
            damaged_from: None,
            is_aligned: false,
            strangers: 0,
            position: i64::MIN,
            is_finished: false,
        }
    }

    /// Steps over bytes that are no frame.
    fn step_over(&mut self, count: usize) {
        if count > 0 {
            let at = self.buffer.origin(0);
            self.damaged_from.get_or_insert(at);
            self.consume(count);
        }
    }

    fn consume(&mut self, count: usize) {
        self.buffer.consume(count);
        (self.header, self.checked, self.crc, self.strangers) = (None, 0, 0, 0);
    }

    /// Looks for a frame header and steps to it; `None` when more bytes are needed.
    fn find_header(&mut self) -> Option<FrameHeader> {
        loop {
            let bytes = self.buffer.bytes();
            let distance = sync_code(bytes, 0).unwrap_or(bytes.len().saturating_sub(1));
            let is_candidate = sync_code(bytes, 0).is_some();
            self.step_over(distance);
            let bytes = self.buffer.bytes();
            if !is_candidate || bytes.len() < FRAME_HEADER_LEN_MAX && !self.is_finished {
                return None;
            }
            if let Some(header) = FrameHeader::parse(bytes, &self.config) {
                return Some(header);
            }
            self.step_over(1);
        }
    }

    /// Looks for the end of the frame at the start of the buffer.
    fn find_end(&mut self, header: &FrameHeader) -> End {
        let bytes = self.buffer.bytes();
        let limit = frame_len_max(header);
        if self.checked == 0 {
            let Some(least) = bytes.get(..FRAME_LEN_MIN) else {
                return if self.is_finished { End::Nowhere } else { End::NeedsMore };
            };
            (self.checked, self.crc) = (FRAME_LEN_MIN, crc16(0, least));
        }
        loop {
            let candidate = sync_code(bytes, self.checked);
            // The last byte may be the first of a sync code.
            let until = candidate.unwrap_or(bytes.len().saturating_sub(1)).max(self.checked);
            self.crc = crc16(self.crc, &bytes[self.checked..until]);
            self.checked = until;
            if until > limit {
                return End::Nowhere;
            }
            if candidate.is_none() {
                return if self.is_finished { self.end_of_stream() } else { End::NeedsMore };
            }
            if self.crc == 0 {
                return End::At(until);
            }
            if bytes.len() - until < FRAME_HEADER_LEN_MAX && !self.is_finished {
                return End::NeedsMore;
            }
            let next = FrameHeader::parse(&bytes[until..], &self.config);
            match next {
                Some(next) if follows(header, &next) => return End::Damaged(until),
                Some(_) if self.strangers == STRANGERS_MAX => return End::Nowhere,
                Some(_) => self.strangers += 1,
                None => {}
            }
            self.crc = crc16(self.crc, &bytes[until..=until]);
            self.checked += 1;
        }
    }

    /// The last frame ends with the file, or before a tag.
    fn end_of_stream(&self) -> End {
        let bytes = self.buffer.bytes();
        if crc16(self.crc, &bytes[self.checked..]) == 0 {
            return End::At(bytes.len());
        }
        let tags = TRAILING_TAGS.iter().flat_map(|tag| memchr::memmem::find_iter(bytes, tag));
        let end = tags.filter(|at| *at >= FRAME_LEN_MIN).find(|at| crc16(0, &bytes[..*at]) == 0);
        end.map_or(End::Nowhere, End::At)
    }

    /// Samples of a channel before the frame. Where numbers go back, as in files that were strung together, frames
    /// follow each other all the same.
    fn place(&mut self, header: &FrameHeader) -> i64 {
        let first = header.first_sample(&self.config) as i64;
        if first - self.base < self.position {
            self.base = first - self.position;
        }
        let place = first - self.base;
        self.position = place + i64::from(header.block_size);
        place
    }

    fn told_damage(&mut self) -> Option<Error> {
        let at = self.damaged_from.take()?;
        self.is_aligned.then(|| Error::malformed("FLAC frame", at))
    }
}

/// Where a frame ends.
enum End {
    At(usize),
    /// Its successor begins here, but the checksum says that something is damaged.
    Damaged(usize),
    /// It is not one.
    Nowhere,
    NeedsMore,
}

impl Framer for FlacFramer {
    fn push(&mut self, chunk: Chunk<'_>) {
        self.buffer.push(chunk);
    }

    fn pop(&mut self, sample: &mut Sample) -> Result<Option<u64>, Error> {
        loop {
            if self.is_finished && TRAILING_TAGS.iter().any(|tag| self.buffer.bytes().starts_with(tag)) {
                self.consume(self.buffer.len());
            }
            let Some(header) = self.header.or_else(|| self.find_header()) else {
                if self.is_finished {
                    self.step_over(self.buffer.len());
                }
                return if self.is_finished { self.told_damage().map_or(Ok(None), Err) } else { Ok(None) };
            };
            self.header = Some(header);
            match self.find_end(&header) {
                End::NeedsMore => return Ok(None),
                End::Nowhere => self.step_over(1),
                End::Damaged(end) => self.step_over(end),
                End::At(end) => {
                    if let Some(error) = self.told_damage() {
                        return Err(error);
                    }
                    self.is_aligned = true;
                    let at = self.buffer.origin(0);
                    sample.data.extend_from_slice(&self.buffer.bytes()[..end]);
                    sample.pts = MediaTime::from_ticks(self.place(&header), self.config.sample_rate);
                    (sample.dts, sample.is_sync) = (sample.pts, true);
                    self.consume(end);
                    return Ok(Some(at));
                }
            }
        }
    }

    fn finish(&mut self) {
        self.is_finished = true;
    }

    fn reset(&mut self) {
        self.buffer.clear();
        self.consume(0);
        (self.damaged_from, self.is_aligned) = (None, false);
    }

    /// Frames tell their own time.
    fn start(&mut self, _time: MediaTime) {}

    fn codec(&self) -> Option<Codec> {
        Some(Codec::Flac(self.config.clone()))
    }
}

/// Where the next sync code is from byte `from` on: 14 bits of ones and a zero (section 9.1).
fn sync_code(bytes: &[u8], from: usize) -> Option<usize> {
    let found = memchr::memchr_iter(0xff, bytes.get(from..)?).map(|index| from + index);
    found.into_iter().find(|at| bytes.get(at + 1).is_some_and(|second| second & 0xfe == 0xf8))
}

/// Whether `next` is the header of the frame behind that of `header`.
fn follows(header: &FrameHeader, next: &FrameHeader) -> bool {
    match (header.number, next.number) {
        (Number::Frame(number), Number::Frame(next)) => next == number + 1,
        (Number::Sample(number), Number::Sample(next)) => next == number + u64::from(header.block_size),
        _ => false,
    }
}

/// Twice what the samples themselves take: no encoder makes more of them.
fn frame_len_max(header: &FrameHeader) -> usize {
    let value_bits = usize::from(header.bits_per_sample) + 1;
    let samples = header.block_size as usize * usize::from(header.channels.count());
    64 + samples * value_bits / 4
}
