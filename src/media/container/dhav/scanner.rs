//! Reads the samples of all tracks, from any place in a file.

use super::clock::{Clock, Mode};
use super::frame::{Audio, FrameHeader, FrameKind};
use super::frames::{Frame, Frames, Item};
use crate::media::codec::aac::AdtsFramer;
use crate::media::codec::jpeg::JpegFramer;
use crate::media::codec::mpeg_audio::MpegAudioFramer;
use crate::media::codec::mpeg4_visual::Mpeg4VisualFramer;
use crate::media::codec::{FrameRate, G711Config, PcmConfig, PcmFormat};
use crate::media::container::packet_sound::Blocks;
use crate::media::io::Source;
use crate::media::scan::{Chunk, Entry, Framer, NalFramer, Scanner, Stamp};
use crate::media::{Codec, Error, Next, Sample};
use crate::time::MediaTime;

/// How far behind an entry its frame is looked for, in bytes.
const ANCHOR_SEARCH_LEN: u64 = 32 << 20;

/// What a stream is coded in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamKind {
    /// MPEG-4 part 2, at so many pictures a second.
    Mpeg4Visual(u8),
    /// Motion JPEG.
    Jpeg(u8),
    /// H.264.
    H264(u8),
    /// H.265.
    H265(u8),
    /// Linear PCM.
    Pcm(PcmFormat, Audio),
    /// G.711 mu-law.
    Pcmu(Audio),
    /// G.711 A-law.
    Pcma(Audio),
    /// AAC with ADTS headers.
    Aac,
    /// MPEG audio.
    MpegAudio,
    /// Known by this name, but not to be streamed.
    Unsupported(&'static str),
}

impl StreamKind {
    /// What the extensions of a frame tell; `None`: nothing.
    pub fn of(frame: &Frame) -> Option<Self> {
        match frame.header.kind {
            FrameKind::Video => frame.extensions.video.map(|(codec, rate)| match codec {
                1 => Self::Mpeg4Visual(rate),
                2 | 4 | 8 => Self::H264(rate),
                3 => Self::Jpeg(rate),
                0xc => Self::H265(rate),
                _ => Self::Unsupported("video of an unknown codec"),
            }),
            FrameKind::Audio => frame.extensions.audio.map(|audio| match audio.codec {
                0x07 => Self::Pcm(PcmFormat::S8, audio),
                0x0c | 0x10 => Self::Pcm(PcmFormat::S16Le, audio),
                0x0a | 0x16 => Self::Pcmu(audio),
                0x0e => Self::Pcma(audio),
                0x1a => Self::Aac,
                0x1f | 0x21 => Self::MpegAudio,
                0x0d => Self::Unsupported("Microsoft ADPCM"),
                _ => Self::Unsupported("audio of an unknown codec"),
            }),
            FrameKind::Other => None,
        }
    }

    /// Pictures a second, if that is told.
    pub fn frame_rate(self) -> Option<u8> {
        match self {
            Self::Mpeg4Visual(rate) | Self::Jpeg(rate) | Self::H264(rate) | Self::H265(rate) => {
                Some(rate).filter(|rate| *rate > 0)
            }
            _ => None,
        }
    }

    fn framer(self) -> Option<Box<dyn Framer>> {
        const RATE_DEFAULT: u8 = 25;
        Some(match self {
            Self::Mpeg4Visual(_) => Mpeg4VisualFramer::boxed(),
            Self::Jpeg(_) => {
                Box::new(JpegFramer::new(FrameRate::from_f64(self.frame_rate().unwrap_or(RATE_DEFAULT).into())))
            }
            Self::H264(_) => Box::new(NalFramer::h264()),
            Self::H265(_) => Box::new(NalFramer::h265()),
            Self::Pcm(format, Audio { channels, sample_rate, .. }) => {
                let config = PcmConfig { format, sample_rate, channels: channels.into() };
                Box::new(Blocks::of_frames(Codec::Pcm(config)))
            }
            Self::Pcmu(audio) => Box::new(Blocks::of_frames(Codec::Pcmu(g711(audio)))),
            Self::Pcma(audio) => Box::new(Blocks::of_frames(Codec::Pcma(g711(audio)))),
            Self::Aac => Box::new(AdtsFramer::new()),
            Self::MpegAudio => Box::new(MpegAudioFramer::new()),
            Self::Unsupported(_) => return None,
        })
    }
}

fn g711(audio: Audio) -> G711Config {
    G711Config { sample_rate: audio.sample_rate, channels: audio.channels.into() }
}

/// A stream that is read.
#[derive(Debug, Clone)]
pub struct Stream {
    /// The channel of the recorder.
    pub channel: u8,
    /// Video or audio.
    pub frame_kind: FrameKind,
    /// What it is coded in.
    pub kind: StreamKind,
    /// What is known of it.
    pub codec: Option<Codec>,
}

/// What readers of one file share.
#[derive(Debug, Clone)]
pub struct Layout {
    /// The streams that are read, in the order of their tracks; seeking goes by the first.
    pub streams: Vec<Stream>,
    /// How its clock is read.
    pub mode: Mode,
    /// The first frame, and its time.
    pub anchor: FrameHeader,
    /// See `anchor`.
    pub anchor_time: MediaTime,
    /// Where the first frame begins.
    pub start: u64,
}

struct Track {
    channel: u8,
    frame_kind: FrameKind,
    framer: Box<dyn Framer>,
    /// Reading began in the middle of the stream.
    is_settling: bool,
    /// Where its last sample can be read again.
    last: Option<Entry>,
}

/// Position and parser state of one reader.
pub struct DhavScanner {
    frames: Frames,
    clock: Clock,
    tracks: Vec<Track>,
    /// The tracks that may have samples.
    ready: std::ops::Range<usize>,
    last: Entry,
    is_drained: bool,
}

impl DhavScanner {
    /// Reads from `entry` on.
    pub fn new(source: &Source, layout: &Layout, entry: Entry) -> Self {
        let is_start = entry.at <= layout.start;
        let plain = Clock::new(layout.mode, layout.anchor, layout.anchor_time);
        let anchored = entry.time.filter(|_| !is_start).and_then(|time| {
            // The frame of the entry is where the times of the file put it, unless they jump before that.
            const NEAR: MediaTime = MediaTime::from_millis(1000);
            let header = first_header(source, layout, entry.at)?;
            let by_file = plain.clone().time_of(&header)?;
            let is_near = (-NEAR..=NEAR).contains(&(by_file - time));
            (!is_near).then(|| Clock::new(layout.mode, header, time))
        });
        let tracks = layout.streams.iter().enumerate().filter_map(|(index, stream)| {
            let mut framer = stream.kind.framer()?;
            if let Some(codec) = &stream.codec {
                framer.prime(codec);
            }
            framer.start(entry.time.filter(|_| index == 0).unwrap_or_default());
            let Stream { channel, frame_kind, .. } = *stream;
            Some(Track { channel, frame_kind, framer, is_settling: !is_start, last: None })
        });
        Self {
            frames: Frames::new(source, entry.at),
            clock: anchored.unwrap_or(plain),
            tracks: tracks.collect(),
            ready: 0..0,
            last: entry,
            is_drained: false,
        }
    }

    /// What is known of track `index` by now.
    pub fn codec(&self, index: usize) -> Option<Codec> {
        self.tracks[index].framer.codec()
    }

    fn pop(&mut self, sample: &mut Sample) -> Option<Result<(), Error>> {
        while let Some(index) = self.ready.clone().next() {
            let track = &mut self.tracks[index];
            match track.framer.pop(sample) {
                Ok(Some(at)) => {
                    track.is_settling = false;
                    sample.track = index;
                    // Several samples may begin in one frame; its time is that of the first.
                    let last = track.last.filter(|last| last.at == at);
                    self.last = *track.last.insert(last.unwrap_or(Entry { at, time: Some(sample.pts) }));
                    return Some(Ok(()));
                }
                Ok(None) => self.ready.start += 1,
                Err(_) if track.is_settling => {}
                Err(error) => return Some(Err(error)),
            }
        }
        None
    }

    fn feed(&mut self, frame: &Frame) -> Result<(), Error> {
        let key = (frame.header.channel, frame.header.kind);
        let Some(index) = self.tracks.iter().position(|track| (track.channel, track.frame_kind) == key) else {
            return Ok(());
        };
        let stamp = self.clock.time_of(&frame.header).map(|pts| Stamp { pts, dts: None });
        let bytes = self.frames.payload(frame)?;
        self.tracks[index].framer.push(Chunk { bytes, at: frame.at, is_packet: true, stamp });
        self.ready = index..index + 1;
        Ok(())
    }

    fn reset(&mut self) {
        for track in &mut self.tracks {
            track.framer.reset();
            track.is_settling = true;
        }
        self.ready = 0..self.tracks.len();
    }
}

/// The header of the first frame, from byte `at` on, of the stream that seeking goes by.
fn first_header(source: &Source, layout: &Layout, at: u64) -> Option<FrameHeader> {
    let stream = layout.streams.first()?;
    let mut frames = Frames::new(source, at);
    while frames.position() < at.saturating_add(ANCHOR_SEARCH_LEN) {
        match frames.next().ok()? {
            Item::Frame(frame) if (frame.header.channel, frame.header.kind) == (stream.channel, stream.frame_kind) => {
                return Some(frame.header);
            }
            Item::Frame(_) | Item::Damage(_) => {}
            Item::Pending | Item::End => return None,
        }
    }
    None
}

impl Scanner for DhavScanner {
    fn next(&mut self, sample: &mut Sample) -> Result<Next, Error> {
        loop {
            match self.pop(sample) {
                Some(Ok(())) => return Ok(Next::Sample),
                Some(Err(error)) => return Ok(Next::Skipped(error)),
                None => {}
            }
            match self.frames.next()? {
                Item::Frame(frame) => self.feed(&frame)?,
                Item::Damage(error) => {
                    self.reset();
                    return Ok(Next::Skipped(error));
                }
                Item::Pending => return Ok(Next::Pending),
                Item::End if self.is_drained => return Ok(Next::End),
                Item::End => {
                    self.is_drained = true;
                    self.tracks.iter_mut().for_each(|track| track.framer.finish());
                    self.ready = 0..self.tracks.len();
                }
            }
        }
    }

    fn finish(&mut self) {
        self.frames.finish();
    }

    fn entry(&self) -> Entry {
        self.last
    }

    fn position(&self) -> u64 {
        self.frames.position()
    }
}
