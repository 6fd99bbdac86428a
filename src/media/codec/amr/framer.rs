//! AMR in storage format, behind the magic number of its file, as samples of one frame-block each: 20 ms.
//!
//! There is no sync word. Behind damage so many frames in a row are asked for that they can hardly be an accident.

use super::AmrConfig;
use crate::media::codec::frames::{FrameClock, Frames, Look, Syntax};
use crate::media::scan::{Chunk, Framer};
use crate::media::{Codec, Error, Sample};
use crate::time::MediaTime;

/// Cuts AMR in storage format into frame-blocks.
pub struct AmrFramer {
    frames: Frames<AmrSyntax>,
    clock: FrameClock,
    config: AmrConfig,
}

impl AmrFramer {
    /// A framer for a stream of which the magic number told this.
    pub fn new(config: AmrConfig) -> Self {
        Self { frames: Frames::new(AmrSyntax { config }), clock: FrameClock::default(), config }
    }
}

impl Framer for AmrFramer {
    fn push(&mut self, chunk: Chunk<'_>) {
        self.frames.push(chunk);
    }

    fn pop(&mut self, sample: &mut Sample) -> Result<Option<u64>, Error> {
        let Some(frame) = self.frames.find_next()? else { return Ok(None) };
        sample.data.extend_from_slice(&self.frames.bytes()[..frame.len]);
        self.frames.consume(frame.len);
        self.clock.put(sample, frame.stamp, self.config.frame_len(), self.config.sample_rate());
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
        Some(Codec::Amr(self.config))
    }
}

struct AmrSyntax {
    config: AmrConfig,
}

impl Syntax for AmrSyntax {
    type Header = ();
    const NAME: &'static str = "AMR frame";
    const CONFIRMATIONS: usize = 12;
    const IS_TELLING: bool = false;

    fn look(&self, bytes: &[u8], is_end: bool) -> Look<()> {
        let mut len = 0;
        for _ in 0..self.config.channels.max(1) {
            match bytes.get(len) {
                Some(header) => match self.config.stored_frame_len(*header) {
                    Some(frame_len) => len += frame_len,
                    None => return Look::Nothing,
                },
                None if is_end => return Look::Nothing,
                None => return Look::Short,
            }
        }
        Look::Frame((), len)
    }

    fn may_follow(&self, (): &(), (): &()) -> bool {
        true
    }
}
