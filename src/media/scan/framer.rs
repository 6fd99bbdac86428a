//! Elementary streams: what cuts them into frames.

use super::super::{Codec, Error, Sample};
use crate::time::MediaTime;

/// Cuts the elementary stream of one codec into samples, from a file of nothing else or out of PES packets.
///
/// Where time stamps come with the stream, samples have those; the others follow from the codec's own: so many samples
/// at such a rate, such a frame rate. Without any, counting begins at the time given to [`Self::start`].
pub trait Framer: Send {
    /// Takes the next bytes of the stream.
    fn push(&mut self, chunk: Chunk<'_>);

    /// Puts the next complete frame into `sample` (`pts`, `dts`, `is_sync`, `data`, `nals`; it has been cleared) and
    /// returns the byte of the file where the frame began, or the chunk that it began in ([`Chunk::at`]). `None`: more
    /// bytes are needed.
    ///
    /// # Errors
    /// When bytes had to be stepped over that are no frame. The next call goes on behind them.
    fn pop(&mut self, sample: &mut Sample) -> Result<Option<u64>, Error>;

    /// No more bytes follow: what is held is the last frame, if it is a whole one.
    fn finish(&mut self);

    /// Bytes are missing here: forgets what is incomplete, not what is known of the stream. After [`Self::finish`], more
    /// bytes may follow then.
    fn reset(&mut self);

    /// The next frame, unless a stamp comes with it, is presented at `time`.
    fn start(&mut self, time: MediaTime);

    /// What the stream is, once enough of it was seen.
    fn codec(&self) -> Option<Codec>;

    /// Tells what the stream is, from its start: for codecs whose headers come once, so that reading can begin behind
    /// them. To be called before the first [`Self::push`].
    fn prime(&mut self, _codec: &Codec) {}

    /// Nominal frames a second, for video that tells.
    fn frame_rate(&self) -> Option<f64> {
        None
    }
}

/// Bytes of an elementary stream.
#[derive(Debug, Clone, Copy)]
pub struct Chunk<'a> {
    /// The bytes.
    pub bytes: &'a [u8],
    /// Where they lie in the file.
    pub at: u64,
    /// Whether frames that begin in them are to be found from `at` on (the packet around them has to be read again),
    /// not at their own byte. Chunks of one packet that follow each other have the same `at`.
    pub is_packet: bool,
    /// The time of the first frame that begins in them.
    pub stamp: Option<Stamp>,
}

/// The time of a frame, as a container tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// When it is to be shown.
    pub pts: MediaTime,
    /// When it is to be decoded; `None`: the same.
    pub dts: Option<MediaTime>,
}
