//! A stream of MPEG audio as frames. Tags (ID3, APE) are stepped over, and so are the frames that hold a table of
//! contents instead of sound (Xing, Info, VBRI), as FFmpeg does; the first frame of sound is at the time of the start.

use super::{FrameHeader, HEADER_LEN, InfoFrame};
use crate::media::codec::frames::{FrameClock, Frames, Look, Syntax};
use crate::media::codec::tags;
use crate::media::scan::{Chunk, Framer};
use crate::media::{Codec, Error, Sample};
use crate::time::MediaTime;

/// The longest frame in free format that is looked for, in bytes: 640 kbit/s at 8 kHz, which decoders take at most.
const FREE_FORMAT_LEN_MAX: usize = 5760 + 4;

/// Cuts MPEG audio of any layer into frames.
pub struct MpegAudioFramer {
    frames: Frames<MpegAudioSyntax>,
    clock: FrameClock,
    codec: Option<Codec>,
}

impl MpegAudioFramer {
    /// A framer for a stream of which nothing is known.
    pub fn new() -> Self {
        Self { frames: Frames::new(MpegAudioSyntax), clock: FrameClock::default(), codec: None }
    }
}

impl Default for MpegAudioFramer {
    fn default() -> Self {
        Self::new()
    }
}

impl Framer for MpegAudioFramer {
    fn push(&mut self, chunk: Chunk<'_>) {
        self.frames.push(chunk);
    }

    fn pop(&mut self, sample: &mut Sample) -> Result<Option<u64>, Error> {
        while let Some(frame) = self.frames.find_next()? {
            let bytes = &self.frames.bytes()[..frame.len];
            if InfoFrame::parse(&frame.header, bytes).is_some() {
                self.frames.consume(frame.len);
                continue;
            }
            sample.data.extend_from_slice(bytes);
            self.frames.consume(frame.len);
            if frame.is_certain && self.codec.is_none() {
                self.codec = Some(Codec::MpegAudio(frame.header.config()));
            }
            self.clock.put(sample, frame.stamp, frame.header.sample_count(), frame.header.sample_rate);
            return Ok(Some(frame.at));
        }
        Ok(None)
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

struct MpegAudioSyntax;

impl Syntax for MpegAudioSyntax {
    type Header = FrameHeader;
    const NAME: &'static str = "MPEG audio frame";
    const CONFIRMATIONS: usize = 2;

    fn look(&self, bytes: &[u8], is_end: bool) -> Look<FrameHeader> {
        if bytes[0] != 0xff {
            return tags::look(bytes, is_end);
        }
        let Some(first) = bytes.first_chunk::<HEADER_LEN>() else { return Look::Short };
        match FrameHeader::parse(*first) {
            None => Look::Nothing,
            Some(header) => match header.frame_len() {
                Some(len) => Look::Frame(header, len),
                None => match free_format_len(bytes, first) {
                    Some(len) => Look::Frame(header, len),
                    None if bytes.len() < FREE_FORMAT_LEN_MAX + HEADER_LEN => Look::Short,
                    None => Look::Nothing,
                },
            },
        }
    }

    fn may_follow(&self, header: &FrameHeader, next: &FrameHeader) -> bool {
        let of = |header: &FrameHeader| (header.version, header.layer, header.sample_rate);
        of(header) == of(next)
    }
}

/// In free format only the place of the next header tells how long a frame is. All of it must be the same, but for
/// the padding, the private bit and the mode extension.
fn free_format_len(bytes: &[u8], header: &[u8; HEADER_LEN]) -> Option<usize> {
    const MASK: u32 = 0xffff_fccf;
    let same = u32::from_be_bytes(*header) & MASK;
    let shortest = HEADER_LEN + 1;
    bytes
        .get(shortest..)?
        .windows(HEADER_LEN)
        .take(FREE_FORMAT_LEN_MAX - shortest)
        .position(|window| u32::from_be_bytes([window[0], window[1], window[2], window[3]]) & MASK == same)
        .map(|distance| shortest + distance)
}
