//! Sound in frames that chunks cut anywhere.

use std::collections::VecDeque;

use super::stream::{Clock, Stream};
use super::walker::Data;
use crate::media::codec::Codec;
use crate::media::codec::aac::AdtsFramer;
use crate::media::codec::ac3::Ac3Framer;
use crate::media::codec::mpeg_audio::MpegAudioFramer;
use crate::media::io::Source;
use crate::media::scan::{Chunk, Framer};
use crate::media::{Error, Sample};
use crate::time::MediaTime;

/// How much of a chunk is read at once.
const PIECE_LEN: usize = 64 << 10;

/// Cuts the data of a stream into frames.
pub struct Frames {
    framer: Box<dyn Framer>,
    clock: Clock,
    /// What is added to the framer's times; `None` until a frame was found, whose place tells its time.
    shift: Option<MediaTime>,
    /// Until then: pieces that were pushed, and the units before them.
    pieces: VecDeque<(Data, u64)>,
    is_finished: bool,
}

/// The framer of a codec.
///
/// # Errors
/// In words, when there is none.
pub fn framer_of(codec: &Codec) -> Result<Box<dyn Framer>, String> {
    Ok(match codec {
        Codec::MpegAudio(_) => Box::new(MpegAudioFramer::new()),
        Codec::Ac3(_) | Codec::Eac3(_) => Box::new(Ac3Framer::new()),
        Codec::Aac(_) => Box::new(AdtsFramer::new()),
        other => return Err(format!("{} in frames is not streamed", other.name())),
    })
}

impl Frames {
    /// Begins anywhere in a stream.
    pub fn new(stream: &Stream) -> Option<Self> {
        let mut framer = framer_of(&stream.codec).ok()?;
        framer.prime(&stream.codec);
        framer.start(MediaTime::ZERO);
        Some(Self { framer, clock: stream.clock, shift: None, pieces: VecDeque::new(), is_finished: false })
    }

    /// Takes data that `units` come before.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn push(&mut self, source: &Source, data: Data, units: u64) -> Result<(), Error> {
        if self.shift.is_none() {
            self.pieces.push_back((data, units));
        }
        let (mut at, end) = (data.at, data.at + u64::from(data.len));
        let mut piece = Vec::new();
        while at < end {
            let len = PIECE_LEN.min((end - at) as usize);
            piece.clear();
            source.append(&mut piece, at, len, "sound of an AVI chunk")?;
            self.framer.push(Chunk { bytes: &piece, at, is_packet: false, stamp: None });
            at += len as u64;
        }
        Ok(())
    }

    /// The next frame; `false`: more data is needed.
    ///
    /// # Errors
    /// When bytes had to be stepped over that are no frame.
    pub fn pop(&mut self, sample: &mut Sample) -> Result<bool, Error> {
        loop {
            sample.clear();
            match self.framer.pop(sample) {
                Ok(Some(origin)) => {
                    let shift = match self.shift {
                        Some(shift) => shift,
                        None => self.anchor(origin) - sample.pts,
                    };
                    self.shift = Some(shift);
                    self.pieces.clear();
                    (sample.pts, sample.dts, sample.is_sync) = (sample.pts + shift, sample.dts + shift, true);
                    return Ok(true);
                }
                Ok(None) => return Ok(false),
                // The end of a frame that began before the place where reading did.
                Err(_) if self.shift.is_none() => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// No more data follows.
    pub fn finish(&mut self) {
        self.is_finished = true;
        self.framer.finish();
    }

    /// Whether [`Self::finish`] was called.
    pub fn is_finished(&self) -> bool {
        self.is_finished
    }

    /// The time of what lies at byte `origin`.
    fn anchor(&self, origin: u64) -> MediaTime {
        let contains = |(data, _): &&(Data, u64)| (data.at..data.at + u64::from(data.len)).contains(&origin);
        let Some((data, units)) = self.pieces.iter().find(contains).or(self.pieces.front()) else {
            return MediaTime::ZERO;
        };
        let within = if self.clock.bytes_per_tick.is_some() { origin.saturating_sub(data.at) } else { 0 };
        self.clock.time(units + within)
    }
}

/// What the first frames of a stream tell of its codec.
///
/// # Errors
/// When the file cannot be read.
pub fn codec_of(source: &Source, stream: &Stream, data: &[Data]) -> Result<Option<Codec>, Error> {
    let Some(mut frames) = Frames::new(stream) else { return Ok(None) };
    let mut sample = Sample::default();
    for data in data {
        match frames.push(source, *data, 0) {
            Ok(()) => {}
            Err(error @ Error::Io { .. }) => return Err(error),
            Err(_) => break,
        }
    }
    frames.finish();
    let _whether_found = frames.pop(&mut sample);
    Ok(frames.framer.codec())
}
