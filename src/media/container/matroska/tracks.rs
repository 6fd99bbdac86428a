//! Tracks (RFC 9559 section 5.1.4): from a TrackEntry to what is needed of a track, or the reason why it is left out.
//! What a CodecID and its CodecPrivate mean is in `codecs.rs`.

use super::super::default_first;
use super::codecs;
use super::ebml::{Child, Children, id};
use crate::media::codec::{ac3, flac, mpeg_audio, opus};
use crate::media::{Codec, Kind, Note};
use crate::time::MediaTime;

/// Tracks beyond this many are left out.
const TRACK_COUNT_MAX: usize = 64;
/// The longest header stripping that is undone, in bytes.
const STRIPPED_LEN_MAX: usize = 1024;
/// DefaultDurations beyond this are taken for damage.
const DEFAULT_DURATION_MAX: MediaTime = MediaTime::from_millis(3_600_000);

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
    /// It is among those that are played unless somebody chooses others.
    pub is_default: bool,
    /// By how many degrees counterclockwise its pictures are to be turned.
    pub roll: f64,
    /// Of one frame, if the muxer tells.
    pub default_duration: Option<MediaTime>,
    /// What presentation is earlier than the timestamps of blocks: CodecDelay.
    pub codec_delay: MediaTime,
}

/// How a frame of a track is made up.
#[derive(Debug, Clone, Copy)]
pub enum Framing {
    /// As it is.
    Raw,
    /// NAL units, each behind its length in this many bytes; start codes instead are recognised.
    NalUnits {
        /// Bytes of a length.
        length_size: usize,
    },
    /// A multiple of this many bytes: values of all channels, or blocks.
    Multiple(usize),
    /// AAC behind an ADTS header.
    Adts,
    /// Text with markup.
    Text {
        /// Takes the markup out.
        plain: fn(&str) -> String,
    },
}

impl Stream {
    /// Whether it is pictures.
    pub fn is_video(&self) -> bool {
        self.codec.kind() == Kind::Video
    }

    /// How long a frame of `len` bytes lasts that begins with `head` (16 bytes are enough), if that can be told. Of the
    /// frame `before` it, where it is known, the head.
    pub fn frame_duration(&self, len: u64, head: &[u8], before: Option<&[u8]>) -> Option<MediaTime> {
        let len = i64::try_from(len).unwrap_or(i64::MAX);
        let ticks = |ticks: i64, rate: u32| Some(MediaTime::from_ticks(ticks, rate.max(1)));
        let of_codec = match &self.codec {
            Codec::Aac(config) => ticks(config.frame_len.into(), config.sample_rate),
            Codec::Opus(_) => ticks(opus::packet_duration(head).into(), 48_000),
            Codec::Pcmu(config) | Codec::Pcma(config) => {
                ticks(len / i64::from(config.channels.max(1)), config.sample_rate)
            }
            Codec::Pcm(config) => ticks(len / config.frame_len().max(1) as i64, config.sample_rate),
            Codec::G722(config) => ticks(len.saturating_mul(2) / i64::from(config.channels.max(1)), 16_000),
            Codec::G726(config) => {
                ticks(len.saturating_mul(8) / i64::from(config.code_bits.max(1)), config.sample_rate)
            }
            Codec::ImaAdpcm(config) => {
                let blocks = len / i64::from(config.block_len.max(1));
                config.block_frames().and_then(|frames| ticks(blocks * i64::from(frames), config.sample_rate))
            }
            Codec::MpegAudio(_) => head
                .first_chunk()
                .and_then(|head| mpeg_audio::FrameHeader::parse(*head))
                .and_then(|header| ticks(header.sample_count().into(), header.sample_rate)),
            Codec::Ac3(_) | Codec::Eac3(_) => head
                .first_chunk()
                .and_then(ac3::FrameHeader::parse)
                .and_then(|header| ticks(header.sample_count.into(), header.sample_rate)),
            Codec::Flac(config) => flac::FrameHeader::parse(head, config)
                .and_then(|header| ticks(header.block_size.into(), config.sample_rate)),
            Codec::Vorbis(config) => config.block_size(head).and_then(|size| {
                let before = before.and_then(|before| config.block_size(before)).unwrap_or(size);
                ticks((i64::from(before) + i64::from(size)) / 4, config.sample_rate)
            }),
            _ => None,
        };
        of_codec.filter(|duration| *duration > MediaTime::ZERO).or(self.default_duration)
    }
}

/// Reads the data of a Tracks element, which lie at byte `at`: the tracks that can be streamed, in the order of the
/// file but with the default of each kind first, and a note for each that is left out.
pub fn parse(data: &[u8], at: u64, notes: &mut Vec<Note>) -> Vec<Stream> {
    let mut streams: Vec<Stream> = Vec::new();
    let mut children = Children::new(data, at);
    loop {
        let child = match children.next() {
            Ok(Some(child)) => child,
            Ok(None) => break,
            Err(error) => {
                notes.push(Note::from(&error));
                break;
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
                break;
            }
            Ok(stream) => {
                if stream.is_video() && stream.roll != 0.0 {
                    let degrees = (360.0 - stream.roll).rem_euclid(360.0);
                    let text = format!("track {}: its pictures are to be turned by {degrees} degrees", stream.number);
                    notes.push(Note { at: Some(child.at), text: text + ", which RTSP cannot tell" });
                }
                streams.push(stream);
            }
            Err(note) => notes.push(note),
        }
    }
    default_first(&mut streams, |stream| stream.codec.kind(), |stream| stream.is_default);
    streams
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
    /// PixelWidth and PixelHeight.
    pub size: Option<(u32, u32)>,
    /// By how many degrees counterclockwise its pictures are to be turned.
    roll: f64,
    /// As the file has it, unless it is undetermined.
    pub language: Option<String>,
    language_bcp47: Option<String>,
    is_enabled: bool,
    is_default: bool,
    encodings: Option<Child<'a>>,
}

impl<'a> Entry<'a> {
    fn parse(entry: &Child<'a>) -> Result<Self, Note> {
        let mut parsed = Self { channels: 1, is_enabled: true, is_default: true, ..Self::default() };
        let mut children = entry.children();
        while let Some(child) = children.next().map_err(|error| left_out(entry, parsed.number, error))? {
            match child.id {
                id::TRACK_NUMBER => parsed.number = child.uint(),
                id::TRACK_UID => parsed.uid = child.uint(),
                id::FLAG_ENABLED => parsed.is_enabled = child.uint() != 0,
                id::FLAG_DEFAULT => parsed.is_default = child.uint() != 0,
                id::LANGUAGE if parsed.language_bcp47.is_none() => parsed.language = Some(child.text()),
                id::LANGUAGE_BCP47 => parsed.language_bcp47 = Some(child.text()),
                id::VIDEO => parsed.video(&child).map_err(|error| left_out(entry, parsed.number, error))?,
                id::CODEC_ID => parsed.codec_id = child.text(),
                id::CODEC_PRIVATE => parsed.private = Some((child.data, child.at)),
                id::DEFAULT_DURATION => parsed.default_duration = child.uint(),
                id::CODEC_DELAY => parsed.codec_delay = child.uint(),
                id::CONTENT_ENCODINGS => parsed.encodings = Some(child),
                id::AUDIO => parsed.audio(&child).map_err(|error| left_out(entry, parsed.number, error))?,
                _ => {}
            }
        }
        parsed.language = parsed.language_bcp47.take().or(parsed.language).filter(|language| language != "und");
        Ok(parsed)
    }

    /// Where the CodecPrivate lies.
    pub fn private_at(&self) -> u64 {
        self.private.map_or(0, |(_, at)| at)
    }

    fn video(&mut self, video: &Child<'_>) -> Result<(), crate::media::Error> {
        let (mut width, mut height) = (0, 0);
        let mut children = video.children();
        while let Some(child) = children.next()? {
            match child.id {
                id::PIXEL_WIDTH => width = u32::try_from(child.uint()).unwrap_or(0),
                id::PIXEL_HEIGHT => height = u32::try_from(child.uint()).unwrap_or(0),
                id::PROJECTION => {
                    let mut fields = child.children();
                    while let Some(field) = fields.next()? {
                        if field.id == id::PROJECTION_POSE_ROLL {
                            self.roll = field.float();
                        }
                    }
                }
                _ => {}
            }
        }
        self.size = Some((width, height)).filter(|_| width > 0 && height > 0);
        Ok(())
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
            is_default: self.is_default && self.is_enabled,
            roll: self.roll,
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
