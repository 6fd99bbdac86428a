//! A stream of AC-3 or E-AC-3 as samples: all syncframes of one moment, which are the first program's independent
//! substream, what depends on it, and further programs. AC-3 whose bytes are swapped in pairs is put in order.

use super::{Ac3Config, FrameHeader, HEADER_LEN, Stream};
use crate::media::codec::frames::{FrameClock, Frames, Look, Syntax};
use crate::media::codec::tags;
use crate::media::scan::{Chunk, Framer};
use crate::media::{Codec, Error, Sample};
use crate::time::MediaTime;

/// The most syncframes of one moment: 8 programs of one independent and 8 dependent substreams (section E.1.3.1.2).
const SYNCFRAMES_MAX: usize = 72;

/// Cuts AC-3 and E-AC-3 into samples.
pub struct Ac3Framer {
    frames: Frames<Ac3Syntax>,
    clock: FrameClock,
    codec: Option<Codec>,
}

impl Ac3Framer {
    /// A framer for a stream of which nothing is known.
    pub fn new() -> Self {
        Self { frames: Frames::new(Ac3Syntax), clock: FrameClock::default(), codec: None }
    }
}

impl Default for Ac3Framer {
    fn default() -> Self {
        Self::new()
    }
}

impl Framer for Ac3Framer {
    fn push(&mut self, chunk: Chunk<'_>) {
        self.frames.push(chunk);
    }

    fn pop(&mut self, sample: &mut Sample) -> Result<Option<u64>, Error> {
        let Some(frame) = self.frames.find_next()? else { return Ok(None) };
        sample.data.extend_from_slice(&self.frames.bytes()[..frame.len]);
        self.frames.consume(frame.len);
        let Moment { first, is_enhanced, channels, is_swapped, .. } = frame.header;
        if is_swapped {
            sample.data.as_chunks_mut::<2>().0.iter_mut().for_each(|pair| pair.reverse());
        }
        if frame.is_certain && self.codec.is_none() {
            let config = Ac3Config { sample_rate: first.sample_rate, channels };
            self.codec = Some(if is_enhanced { Codec::Eac3(config) } else { Codec::Ac3(config) });
        }
        self.clock.put(sample, frame.stamp, first.sample_count, first.sample_rate);
        Ok(Some(frame.at))
    }

    fn finish(&mut self) {
        self.frames.finish();
    }

    fn reset(&mut self) {
        self.frames.reset();
    }

    fn start(&mut self, time: MediaTime) {
        self.clock.start(time);
    }

    fn codec(&self) -> Option<Codec> {
        self.codec.clone()
    }
}

/// The syncframes of one moment.
struct Moment {
    first: FrameHeader,
    /// Any of them is E-AC-3.
    is_enhanced: bool,
    /// Of the first program.
    channels: u8,
    is_swapped: bool,
}

struct Ac3Syntax;

impl Syntax for Ac3Syntax {
    type Header = Moment;
    const NAME: &'static str = "AC-3 frame";
    const CONFIRMATIONS: usize = 1;

    fn look(&self, bytes: &[u8], is_end: bool) -> Look<Moment> {
        let (first, is_swapped) = match (bytes, is_end) {
            ([0x0b | 0x77], false) => return Look::Short,
            ([0x0b, 0x77, ..], _) => (header(bytes, false), false),
            ([0x77, 0x0b, ..], _) => (header(bytes, true), true),
            _ => return tags::look(bytes, is_end),
        };
        match first {
            Header::Short if is_end => Look::Nothing,
            Header::Short => Look::Short,
            Header::Nothing => Look::Nothing,
            Header::Frame(first) if !first.begins_moment() => Look::Nothing,
            Header::Frame(first) => moment(first, is_swapped, bytes, is_end),
        }
    }

    fn may_follow(&self, header: &Moment, next: &Moment) -> bool {
        let of = |moment: &Moment| (moment.first.sample_rate, moment.first.stream, moment.is_swapped);
        of(header) == of(next)
    }
}

/// Adds what follows `first` until the next moment begins.
fn moment(first: FrameHeader, is_swapped: bool, bytes: &[u8], is_end: bool) -> Look<Moment> {
    let mut moment = Moment { first, is_enhanced: first.stream != Stream::Ac3, channels: first.channels, is_swapped };
    let mut len = first.len;
    let mut is_first_program = true;
    for _ in 1..SYNCFRAMES_MAX {
        match bytes.get(len..).map_or(Header::Short, |rest| header(rest, is_swapped)) {
            // A frame whose own bytes are not all there yet tells enough of itself.
            Header::Short if !is_end => return if bytes.len() < len { Look::Frame(moment, len) } else { Look::Short },
            Header::Frame(next) if !next.begins_moment() => {
                is_first_program &= next.stream == Stream::Dependent;
                if is_first_program {
                    // chanmap tells which channels it adds; it may also replace some. Decoders go by the stream.
                    moment.channels = moment.channels.max(next.channels);
                }
                moment.is_enhanced = true;
                len += next.len;
            }
            _ => break,
        }
    }
    Look::Frame(moment, len)
}

enum Header {
    Frame(FrameHeader),
    Short,
    Nothing,
}

fn header(bytes: &[u8], is_swapped: bool) -> Header {
    // One byte more, as pairs are swapped.
    match bytes.first_chunk::<{ HEADER_LEN + 1 }>() {
        None => Header::Short,
        Some(chunk) => {
            let mut ordered = *chunk;
            if is_swapped {
                ordered.as_chunks_mut::<2>().0.iter_mut().for_each(|pair| pair.reverse());
            }
            let header = ordered.first_chunk().and_then(FrameHeader::parse);
            header.map_or(Header::Nothing, Header::Frame)
        }
    }
}
