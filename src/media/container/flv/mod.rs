//! FLV (Adobe Flash Video File Format Specification version 10.1, annex E), with the codecs of Enhanced RTMP version 2.
//!
//! A file is a header and tags, each with its time. The reader looks for tags that the size behind them confirms, so
//! it can begin anywhere and steps over damage. `onMetaData` may have a list of key frames, which makes seeking short.

mod amf;
mod audio;
mod clock;
mod scanner;
mod tag;
#[cfg(test)]
mod tests;
mod video;

use std::sync::Arc;

use amf::MetaData;
use audio::{AudioFormat, AudioTag};
use scanner::{CONFIG_LEN_MAX, FlvScanner};
use tag::{Found, Tag, TagKind, Tags};
use video::{Packet, VIDEO_HEADER_LEN_MAX, VideoFormat, VideoTag};

use super::{Container, Options, Sniff};
use crate::media::codec::{H264Config, H265Config, h264, h265, nal};
use crate::media::io::Source;
use crate::media::scan::{self, Entry, Format, Header, Scanner, Timing};
use crate::media::{Codec, Error, Note, Recording, Track};
use crate::time::MediaTime;

/// The line in the table of containers.
pub const CONTAINER: Container = Container { name: NAME, suffixes: &["flv", "f4v"], sniff, open };

const NAME: &str = "FLV";
const HEADER_LEN: usize = 9;

/// Tags looked at when a file is opened, to learn what it holds.
const SURVEY_TAGS_MAX: usize = 3000;
/// Nothing that begins later than this after the first tag is looked at, in milliseconds.
const SURVEY_MILLIS_MAX: i64 = 10_000;
/// Scripts are read up to this length, in bytes.
const SCRIPT_LEN_MAX: u32 = 4 << 20;
/// The start of a frame, where the codec has to be told from that, in bytes.
const FRAME_HEAD_LEN: usize = 4096;
/// Tags looked at from the end of the file back, for the time of the last.
const TAIL_TAGS_MAX: usize = 16;
/// By how much the end of the last tag may differ from the duration in `onMetaData` that it confirms, in seconds.
const DURATION_TOLERANCE: f64 = 2.0;

fn sniff(head: &[u8]) -> Sniff {
    match head {
        // Version 1 and reserved flags of 0; others exist.
        [b'F', b'L', b'V', 1, flags, ..] if flags & 0xf8 == 0 => Sniff::Yes,
        [b'F', b'L', b'V', ..] => Sniff::Maybe,
        _ => Sniff::No,
    }
}

fn open(source: &Source, _: &Options) -> Result<Arc<dyn Recording>, Error> {
    scan::open(FlvFormat::open(source)?)
}

/// What the scanners of a file share.
pub struct Flv {
    source: Source,
    start: Entry,
    /// The first timestamp, in milliseconds.
    base: i64,
    video: Option<VideoTrack>,
    audio: Option<AudioTrack>,
}

struct VideoTrack {
    index: usize,
    format: VideoFormat,
    codec: Codec,
    /// Of the length prefixes of NAL units.
    length_size: usize,
}

struct AudioTrack {
    index: usize,
    format: AudioFormat,
    codec: Codec,
    /// Bytes of a value of every channel, of what is made of such.
    pcm_frame_len: Option<u64>,
}

/// An opened FLV file.
pub struct FlvFormat {
    flv: Arc<Flv>,
    header: Header,
    /// Where key frames lie, and when they are in milliseconds, both increasing.
    key_frames: Vec<(u64, i64)>,
}

impl FlvFormat {
    /// Looks at the start of a file.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when nothing in it can be streamed; [`Error::Io`].
    pub fn open(source: &Source) -> Result<Self, Error> {
        let survey = Survey::of(source)?;
        let Survey { meta, base, mut notes, video, audio, .. } = survey;
        notes.dedup();
        let positive = |value: Option<f64>| value.filter(|value| *value > 0.0 && value.is_finite());
        let rate = |kilobits: Option<f64>| positive(kilobits).map(|rate| (rate * 1000.0) as u32);
        let track = |codec: &Codec, bitrate, frame_rate| Track {
            codec: codec.clone(),
            duration: None,
            shown_until: None,
            bitrate,
            frame_rate,
        };
        let frame_rate = meta.frame_rate.filter(|rate| (0.1..=480.0).contains(rate));
        let mut tracks = Vec::new();
        tracks.extend(video.as_ref().map(|video| track(&video.codec, rate(meta.video_data_rate), frame_rate)));
        tracks.extend(audio.as_ref().map(|audio| track(&audio.codec, rate(meta.audio_data_rate), None)));
        let start = Entry { at: survey.start, time: Some(MediaTime::ZERO) };
        let flv = Flv { source: source.clone(), start, base, video, audio };
        let duration = duration(&flv, positive(meta.duration))?;
        let header = Header { container: NAME, tracks, notes, start, timing: Timing::Stamped, duration };
        Ok(Self { flv: Arc::new(flv), header, key_frames: key_frames(&meta) })
    }
}

impl Format for FlvFormat {
    fn header(&self) -> &Header {
        &self.header
    }

    fn scan(&self, entry: Entry) -> Box<dyn Scanner> {
        Box::new(FlvScanner::new(Arc::clone(&self.flv), entry))
    }

    /// By the list of key frames, if the one that it names is there.
    fn locate(&self, time: MediaTime) -> Option<Entry> {
        let video = self.flv.video.as_ref()?;
        let raw = time.to_ticks(1000).saturating_add(self.flv.base);
        let before = self.key_frames.partition_point(|(_, millis)| *millis <= raw);
        let mut tags = Tags::new(self.flv.source.clone());
        // The times in the list are decoding times, those asked for are of presentation: one further back may be it.
        self.key_frames[..before].iter().rev().take(2).find_map(|(at, millis)| {
            let entry = key_frame_at(&mut tags, video, *at, *millis, self.flv.base)?;
            entry.time.is_some_and(|pts| pts <= time).then_some(entry)
        })
    }
}

/// The key frames that `onMetaData` lists, unless it contradicts itself.
fn key_frames(meta: &MetaData) -> Vec<(u64, i64)> {
    let pairs = meta.key_frame_positions.iter().zip(&meta.key_frame_times);
    let pairs: Vec<_> = pairs.map(|(at, seconds)| (*at as u64, (seconds * 1000.0).round() as i64)).collect();
    if pairs.is_sorted() && pairs.is_sorted_by_key(|(_, millis)| *millis) { pairs } else { Vec::new() }
}

/// The key frame at byte `at`, if there is one that is decoded at `millis`.
fn key_frame_at(tags: &mut Tags, track: &VideoTrack, at: u64, millis: i64, base: i64) -> Option<Entry> {
    const TOLERANCE: i64 = 20;
    let Found::Tag(tag) = tags.at(at).ok()? else { return None };
    let data = tags.bytes(tag.data_at(), VIDEO_HEADER_LEN_MAX.min(tag.len as usize)).ok()?;
    let video = VideoTag::parse(data, tag.data_at())?;
    let fits = tag.kind == TagKind::Video
        && video.format == track.format
        && video.packet == Packet::Frame
        && video.is_key
        && (i64::from(tag.millis) - millis).abs() <= TOLERANCE;
    let pts = i64::from(tag.millis) + i64::from(video.composition) - base;
    fits.then(|| Entry { at, time: Some(MediaTime::from_millis(pts)) })
}

/// The duration that `onMetaData` tells, if the last tag of the file confirms it: recorders leave it at 0, or at what
/// it was when the connection broke, and files get cut off.
fn duration(flv: &Flv, told: Option<f64>) -> Result<Option<MediaTime>, Error> {
    let Some(told) = told else { return Ok(None) };
    let mut tags = Tags::new(flv.source.clone());
    let mut end = flv.source.len()?;
    let mut last: Option<i64> = None;
    for _ in 0..TAIL_TAGS_MAX {
        let Some(size_at) = end.checked_sub(tag::TRAILER_LEN) else { break };
        let Ok(size) = <[u8; 4]>::try_from(tags.bytes(size_at, 4)?) else { break };
        let Some(at) = size_at.checked_sub(u32::from_be_bytes(size).into()) else { break };
        match tags.at(at)? {
            Found::Tag(tag) if tag.next_at() == end && at >= flv.start.at => {
                last = last.max((tag.kind != TagKind::Script).then(|| i64::from(tag.millis) - flv.base));
                end = at;
            }
            _ => break,
        }
    }
    let is_confirmed = last.is_some_and(|last| (last as f64 / 1000.0 - told).abs() < DURATION_TOLERANCE);
    Ok(is_confirmed.then(|| MediaTime::from_secs_f64(told)))
}

/// What the start of a file shows.
struct Survey {
    start: u64,
    base: i64,
    meta: MetaData,
    video: Option<VideoTrack>,
    audio: Option<AudioTrack>,
    notes: Vec<Note>,
    /// The first timestamp of frames, of video and of audio.
    first: [Option<i64>; 2],
}

impl Survey {
    fn of(source: &Source) -> Result<Self, Error> {
        let mut tags = Tags::new(source.clone());
        let head = tags.bytes(0, HEADER_LEN)?;
        let data_offset =
            head.get(5..HEADER_LEN).map_or(0, |bytes| bytes.iter().fold(0, |at, b| at << 8 | u64::from(*b)));
        let mut survey = Self {
            start: data_offset.max(HEADER_LEN as u64) + tag::TRAILER_LEN,
            base: 0,
            meta: MetaData::default(),
            video: None,
            audio: None,
            notes: Vec::new(),
            first: [None; 2],
        };
        survey.run(&mut tags)?;
        survey.base = survey.first.iter().flatten().copied().min().unwrap_or(0);
        let video_tracks = usize::from(survey.video.is_some());
        if let Some(audio) = &mut survey.audio {
            audio.index = video_tracks;
        }
        Ok(survey)
    }

    fn run(&mut self, tags: &mut Tags) -> Result<(), Error> {
        let mut at = self.start;
        for _ in 0..SURVEY_TAGS_MAX {
            let tag = match tags.at(at)? {
                Found::Tag(tag) => tag,
                Found::Short => break,
                Found::Damage => match tags.find(at)? {
                    Some(tag) => tag,
                    None => break,
                },
            };
            at = tag.next_at();
            let base = self.first.iter().flatten().min();
            if base.is_some_and(|base| i64::from(tag.millis) - base > SURVEY_MILLIS_MAX) {
                break;
            }
            self.look_at(tags, &tag)?;
            if self.video.is_some() && self.audio.is_some() && self.first.iter().all(Option::is_some) {
                break;
            }
        }
        Ok(())
    }

    fn look_at(&mut self, tags: &mut Tags, tag: &Tag) -> Result<(), Error> {
        let len = match tag.kind {
            _ if tag.is_encrypted => {
                self.note("encrypted tags are not streamed".to_owned(), tag);
                return Ok(());
            }
            TagKind::Script => tag.len.min(SCRIPT_LEN_MAX) as usize,
            _ => CONFIG_LEN_MAX.min(tag.len as usize),
        };
        // Frames have no more to tell, once their track is known.
        let is_known = match tag.kind {
            TagKind::Script => false,
            TagKind::Video => self.video.is_some() && self.first[0].is_some(),
            TagKind::Audio => self.audio.is_some() && self.first[1].is_some(),
        };
        if is_known {
            return Ok(());
        }
        let data = tags.bytes(tag.data_at(), len)?;
        match tag.kind {
            TagKind::Script => {
                if let Some(meta) = MetaData::parse(data, tag.data_at()) {
                    self.meta = meta;
                }
            }
            TagKind::Video => self.look_at_video(data, tag),
            TagKind::Audio => self.look_at_audio(data, tag),
        }
        Ok(())
    }

    fn look_at_video(&mut self, data: &[u8], tag: &Tag) {
        let Some(video) = VideoTag::parse(data, tag.data_at()) else { return };
        if let VideoFormat::Other(what) = video.format {
            return self.note(format!("video in {what} is not streamed"), tag);
        }
        let (format, payload) = (video.format, &data[video.header_len..]);
        if self.video.is_none() {
            let at = tag.data_at() + video.header_len as u64;
            let told = video::codec(format, video.packet, payload, at);
            let told = told.or_else(|| (video.packet == Packet::Frame).then(|| codec_of_key_frame(format, payload))?);
            self.video = told.map(|(codec, length_size)| VideoTrack { index: 0, format, codec, length_size });
        }
        if video.packet == Packet::Frame {
            self.first[0].get_or_insert(tag.millis.into());
        }
    }

    fn look_at_audio(&mut self, data: &[u8], tag: &Tag) {
        let Some(audio) = AudioTag::parse(data, tag.data_at()) else { return };
        if let AudioFormat::Other(what) = audio.format {
            return self.note(format!("audio in {what} is not streamed"), tag);
        }
        if self.audio.is_none() {
            let payload = &data[audio.header_len..];
            let codec = audio.codec(payload, tag.data_at() + audio.header_len as u64);
            self.audio = codec.map(|codec| {
                let pcm_frame_len = match &codec {
                    Codec::Pcm(config) => Some(config.frame_len() as u64),
                    Codec::Pcmu(config) | Codec::Pcma(config) => Some(config.channels.into()),
                    _ => None,
                };
                AudioTrack { index: 0, format: audio.format, codec, pcm_frame_len }
            });
        }
        if audio.packet == Packet::Frame {
            self.first[1].get_or_insert(tag.millis.into());
        }
    }

    fn note(&mut self, text: String, tag: &Tag) {
        if self.notes.iter().all(|note| note.text != text) {
            self.notes.push(Note { at: Some(tag.at), text });
        }
    }
}

/// The parameter sets in the first picture, of writers that leave the sequence header out.
fn codec_of_key_frame(format: VideoFormat, payload: &[u8]) -> Option<video::Configured> {
    const LENGTH_SIZE: usize = 4;
    let payload = &payload[..payload.len().min(FRAME_HEAD_LEN)];
    let mut nals = Vec::new();
    // The last unit is longer than what is looked at.
    let _cut_off = nal::split_either(payload, LENGTH_SIZE, &mut nals);
    let of = |wanted: &dyn Fn(&[u8]) -> bool| -> Vec<Vec<u8>> {
        nals.iter().map(|nal| &payload[nal.clone()]).filter(|nal| wanted(nal)).map(<[u8]>::to_vec).collect()
    };
    match format {
        VideoFormat::Avc => {
            let sets = |nal_type| of(&|nal: &[u8]| h264::nal_type(nal) == nal_type);
            let config = H264Config { sps: sets(h264::NAL_SPS), pps: sets(h264::NAL_PPS) };
            (!config.sps.is_empty() && !config.pps.is_empty()).then_some((Codec::H264(config), LENGTH_SIZE))
        }
        VideoFormat::Hevc => {
            let sets = |nal_type| of(&|nal: &[u8]| h265::nal_type(nal) == nal_type);
            let config = H265Config { vps: sets(h265::NAL_VPS), sps: sets(h265::NAL_SPS), pps: sets(h265::NAL_PPS) };
            (!config.sps.is_empty() && !config.pps.is_empty()).then_some((Codec::H265(config), LENGTH_SIZE))
        }
        _ => None,
    }
}
