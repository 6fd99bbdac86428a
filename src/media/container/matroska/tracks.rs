//! Tracks (RFC 9559 section 5.1.4): from a TrackEntry to what is needed of a track, or the reason why it is left out.
//! What a CodecID and its CodecPrivate mean is in `codecs.rs`.

use super::codecs;
use super::ebml::{Child, Children, id};
use crate::media::codec::opus;
use crate::media::{Codec, Kind, Note};
use crate::time::MediaTime;

/// Tracks beyond this many are left out.
const TRACK_COUNT_MAX: usize = 64;
/// The longest header stripping that is undone, in bytes.
const STRIPPED_LEN_MAX: usize = 1024;
/// DefaultDurations beyond this are taken for damage.
const DEFAULT_DURATION_MAX: MediaTime = MediaTime::from_millis(3_600_000);

const TRACK_TYPE_SUBTITLE: u64 = 0x11;

/// A track that can be streamed.
#[derive(Debug, Clone)]
pub struct Stream {
    /// What blocks call it.
    pub number: u64,
    /// What tags call it.
    pub uid: u64,
    /// What is in it.
    pub codec: Codec,
    /// How a frame is made up.
    pub framing: Framing,
    /// What the muxer took off the front of every frame.
    pub stripped: Vec<u8>,
    /// Of one frame, if the muxer tells.
    pub default_duration: Option<MediaTime>,
    /// What presentation is earlier than the timestamps of blocks: CodecDelay.
    pub codec_delay: MediaTime,
}

/// How a frame of a track is made up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// As it is.
    Raw,
    /// NAL units, each behind its length in this many bytes; start codes instead are recognised.
    NalUnits {
        /// Bytes of a length.
        length_size: usize,
    },
    /// PCM, a multiple of this many bytes.
    Multiple(usize),
}

impl Stream {
    /// Whether it is pictures.
    pub fn is_video(&self) -> bool {
        self.codec.kind() == Kind::Video
    }

    /// How long a frame of `len` bytes lasts that begins with `head` (two bytes are enough), if that can be told.
    pub fn frame_duration(&self, len: u64, head: &[u8]) -> Option<MediaTime> {
        let of_codec = match &self.codec {
            Codec::Aac(config) => Some(MediaTime::from_ticks(i64::from(config.frame_len), config.sample_rate)),
            Codec::Opus(_) => Some(MediaTime::from_ticks(i64::from(opus::packet_duration(head)), 48_000)),
            Codec::Pcmu(config) | Codec::Pcma(config) => {
                Some(MediaTime::from_ticks((len / u64::from(config.channels.max(1))) as i64, config.sample_rate))
            }
            Codec::Pcm(config) => {
                Some(MediaTime::from_ticks((len / config.frame_len().max(1) as u64) as i64, config.sample_rate))
            }
            _ => None,
        };
        of_codec.filter(|duration| *duration > MediaTime::ZERO).or(self.default_duration)
    }
}

/// Reads the data of a Tracks element, which lie at byte `at`: the tracks that can be streamed, in the order of the
/// file, and a note for each that is left out.
pub fn parse(data: &[u8], at: u64, notes: &mut Vec<Note>) -> Vec<Stream> {
    let mut streams: Vec<Stream> = Vec::new();
    let mut children = Children::new(data, at);
    loop {
        let child = match children.next() {
            Ok(Some(child)) => child,
            Ok(None) => return streams,
            Err(error) => {
                notes.push(Note::from(&error));
                return streams;
            }
        };
        if child.id != id::TRACK_ENTRY {
            continue;
        }
        let stream = Entry::parse(&child).and_then(|entry| entry.stream(&child));
        match stream {
            Ok(stream) if streams.iter().any(|other| other.number == stream.number) => {
                notes.push(left_out(&child, stream.number, "its number is taken by an earlier track"));
            }
            Ok(_) if streams.len() == TRACK_COUNT_MAX => {
                notes.push(Note { at: Some(child.at), text: "too many tracks: the rest is left out".into() });
                return streams;
            }
            Ok(stream) => streams.push(stream),
            Err(note) => notes.push(note),
        }
    }
}

/// The note that a track is left out.
fn left_out(entry: &Child<'_>, number: u64, why: impl std::fmt::Display) -> Note {
    Note { at: Some(entry.at), text: format!("track {number} is left out: {why}") }
}

/// The elements of a TrackEntry that matter.
#[derive(Debug, Default)]
pub struct Entry<'a> {
    number: u64,
    uid: u64,
    track_type: u64,
    /// CodecID.
    pub codec_id: String,
    /// CodecPrivate, and where it lies.
    pub private: Option<(&'a [u8], u64)>,
    default_duration: u64,
    /// CodecDelay in nanoseconds.
    pub codec_delay: u64,
    /// SamplingFrequency in Hz.
    pub sampling_frequency: Option<f64>,
    /// Channels.
    pub channels: u64,
    /// BitDepth.
    pub bit_depth: u64,
    encodings: Option<Child<'a>>,
}

impl<'a> Entry<'a> {
    fn parse(entry: &Child<'a>) -> Result<Self, Note> {
        let mut parsed = Self { channels: 1, ..Self::default() };
        let mut children = entry.children();
        while let Some(child) = children.next().map_err(|error| left_out(entry, parsed.number, error))? {
            match child.id {
                id::TRACK_NUMBER => parsed.number = child.uint(),
                id::TRACK_UID => parsed.uid = child.uint(),
                id::TRACK_TYPE => parsed.track_type = child.uint(),
                id::CODEC_ID => parsed.codec_id = child.text(),
                id::CODEC_PRIVATE => parsed.private = Some((child.data, child.at)),
                id::DEFAULT_DURATION => parsed.default_duration = child.uint(),
                id::CODEC_DELAY => parsed.codec_delay = child.uint(),
                id::CONTENT_ENCODINGS => parsed.encodings = Some(child),
                id::AUDIO => parsed.audio(&child).map_err(|error| left_out(entry, parsed.number, error))?,
                _ => {}
            }
        }
        Ok(parsed)
    }

    fn audio(&mut self, audio: &Child<'_>) -> Result<(), crate::media::Error> {
        let mut children = audio.children();
        while let Some(child) = children.next()? {
            match child.id {
                id::SAMPLING_FREQUENCY => self.sampling_frequency = Some(child.float()),
                id::CHANNELS => self.channels = child.uint(),
                id::BIT_DEPTH => self.bit_depth = child.uint(),
                _ => {}
            }
        }
        Ok(())
    }

    fn stream(&self, entry: &Child<'_>) -> Result<Stream, Note> {
        if self.track_type == TRACK_TYPE_SUBTITLE {
            return Err(left_out(entry, self.number, format_args!("{} is a subtitle codec", self.codec_id)));
        }
        let encoding = match &self.encodings {
            Some(encodings) => Encoding::parse(encodings).map_err(|why| left_out(entry, self.number, why))?,
            None => Encoding::default(),
        };
        let restored;
        let private = match self.private {
            Some((private, _)) if encoding.private => {
                restored = [encoding.stripped, private].concat();
                &restored[..]
            }
            Some((private, _)) => private,
            None => &[],
        };
        let (codec, framing) = codecs::codec(self, private).map_err(|why| left_out(entry, self.number, why))?;
        let stripped = if encoding.frames { encoding.stripped.to_vec() } else { Vec::new() };
        let default_duration = MediaTime::from_nanos(i64::try_from(self.default_duration).unwrap_or(0));
        Ok(Stream {
            number: self.number,
            uid: self.uid,
            codec,
            framing,
            stripped,
            default_duration: Some(default_duration).filter(|d| *d > MediaTime::ZERO && *d < DEFAULT_DURATION_MAX),
            codec_delay: MediaTime::from_nanos(i64::try_from(self.codec_delay).unwrap_or(0)),
        })
    }
}

/// Header stripping, the one ContentEncoding that is undone (RFC 9559 section 5.1.4.1.31).
#[derive(Debug, Default)]
struct Encoding<'a> {
    /// What was taken off.
    stripped: &'a [u8],
    /// Off every frame.
    frames: bool,
    /// Off the CodecPrivate.
    private: bool,
}

impl<'a> Encoding<'a> {
    fn parse(encodings: &Child<'a>) -> Result<Self, String> {
        let mut found: Option<Self> = None;
        let mut children = encodings.children();
        while let Some(child) = children.next().map_err(|error| error.to_string())? {
            if child.id != id::CONTENT_ENCODING {
                continue;
            }
            if found.is_some() {
                return Err("it is encoded more than once".into());
            }
            found = Some(Self::parse_one(&child)?);
        }
        Ok(found.unwrap_or_default())
    }

    fn parse_one(encoding: &Child<'a>) -> Result<Self, String> {
        const SCOPE_FRAMES: u64 = 1;
        const SCOPE_PRIVATE: u64 = 2;
        let mut scope = SCOPE_FRAMES;
        let mut compression = None;
        let mut children = encoding.children();
        while let Some(child) = children.next().map_err(|error| error.to_string())? {
            match child.id {
                id::CONTENT_ENCODING_SCOPE => scope = child.uint(),
                id::CONTENT_ENCODING_TYPE if child.uint() != 0 => return Err("it is encrypted".into()),
                id::CONTENT_COMPRESSION => compression = Some(child),
                _ => {}
            }
        }
        let mut algorithm = 0;
        let mut stripped: &[u8] = &[];
        let mut children = compression.as_ref().map_or(Children::new(&[], 0), Child::children);
        while let Some(child) = children.next().map_err(|error| error.to_string())? {
            match child.id {
                id::CONTENT_COMP_ALGO => algorithm = child.uint(),
                id::CONTENT_COMP_SETTINGS => stripped = child.data,
                _ => {}
            }
        }
        match algorithm {
            3 if stripped.len() <= STRIPPED_LEN_MAX => {
                Ok(Self { stripped, frames: scope & SCOPE_FRAMES != 0, private: scope & SCOPE_PRIVATE != 0 })
            }
            3 => Err("too much was stripped off its frames".into()),
            0 => Err("it is compressed with zlib".into()),
            1 => Err("it is compressed with bzlib".into()),
            2 => Err("it is compressed with LZO1X".into()),
            other => Err(format!("it is compressed with the unknown algorithm {other}")),
        }
    }
}
