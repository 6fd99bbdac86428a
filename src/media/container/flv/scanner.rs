//! Reads an FLV file forward, tag by tag.

use std::ops::Range;
use std::sync::Arc;

use super::Flv;
use super::audio::AudioTag;
use super::clock::Clock;
use super::tag::{Found, Tag, TagKind, Tags};
use super::video::{self, Packet, VIDEO_HEADER_LEN_MAX, VideoTag};
use crate::media::codec::nal;
use crate::media::scan::{Entry, Scanner};
use crate::media::{Codec, Error, Next, Sample};
use crate::time::MediaTime;

/// Samples of PCM last some 20 ms.
const PCM_SAMPLES_PER_SECOND: u32 = 50;
/// Where no tag is found up to the end, searching goes on from so far before it once the file has grown, in bytes.
const SEARCH_AGAIN_LEN: u64 = 1 << 20;
/// Headers with parameter sets are read up to this length, in bytes.
pub const CONFIG_LEN_MAX: usize = 64 << 10;

/// A position in an FLV file.
pub struct FlvScanner {
    file: Arc<Flv>,
    tags: Tags,
    position: u64,
    /// `position` is where a tag begins, unless the file is damaged.
    is_placed: bool,
    clock: Clock,
    last: Entry,
    is_finished: bool,
    /// Where a stretch of damage begins that is not told yet.
    damage: Option<u64>,
    /// Parameter sets that are not those of the track: they go before each key frame. How long length prefixes are now.
    changed_sets: Vec<Vec<u8>>,
    length_size: usize,
    /// What is left of a tag with PCM.
    pcm: Option<PcmRest>,
}

/// Whole frames of PCM on their way out.
struct PcmRest {
    /// Where they lie in the file.
    bytes: Range<u64>,
    time: MediaTime,
    frame_len: u64,
    sample_rate: u32,
}

impl FlvScanner {
    /// Begins at `entry`.
    pub fn new(file: Arc<Flv>, entry: Entry) -> Self {
        let is_start = entry.at == file.start.at;
        let clock = Clock::new(file.base, entry.time.filter(|_| !is_start));
        Self {
            tags: Tags::new(file.source.clone()),
            position: entry.at,
            is_placed: is_start,
            clock,
            last: entry,
            is_finished: false,
            damage: None,
            changed_sets: Vec::new(),
            length_size: file.video.as_ref().map_or(4, |video| video.length_size),
            pcm: None,
            file,
        }
    }

    /// Goes to the first tag at or behind the place where reading begins, which may be any byte.
    fn place(&mut self) -> Result<bool, Error> {
        let here = self.tags.at(self.position)?;
        if let Found::Tag(tag) = here
            && self.tags.is_confirmed(&tag)?
        {
            return Ok(true);
        }
        let found = self.tags.find(self.position)?;
        if let Some(tag) = &found {
            self.position = tag.at;
        }
        Ok(found.is_some())
    }

    /// The tag at the present position, or what [`Scanner::next`] says instead.
    fn tag(&mut self) -> Result<Result<Tag, Next>, Error> {
        match self.tags.at(self.position)? {
            Found::Tag(tag) if self.is_credible(&tag)? => {
                if let Some(at) = self.damage.take() {
                    return Ok(Err(Next::Skipped(Error::malformed("FLV tag", at))));
                }
                self.position = tag.next_at();
                Ok(Ok(tag))
            }
            Found::Short if !self.is_finished => Ok(Err(Next::Pending)),
            Found::Short | Found::Damage | Found::Tag(_) => self.resynchronise().map(Err),
        }
    }

    /// Writers that put anything into PreviousTagSize exist; but then another tag follows, or nothing.
    fn is_credible(&mut self, tag: &Tag) -> Result<bool, Error> {
        if self.tags.is_confirmed(tag)? {
            return Ok(true);
        }
        Ok(match self.tags.at(tag.next_at())? {
            Found::Tag(_) => true,
            Found::Short => self.tags.bytes(tag.next_at(), 1)?.is_empty(),
            Found::Damage => false,
        })
    }

    /// Goes to the next tag behind a place where none is.
    fn resynchronise(&mut self) -> Result<Next, Error> {
        let from = *self.damage.get_or_insert(self.position);
        if let Some(tag) = self.tags.find(self.position + 1)? {
            self.position = tag.at;
            self.damage = None;
            return Ok(Next::Skipped(Error::malformed("FLV tag", from)));
        }
        let end = self.file.source.len()?;
        if !self.is_finished {
            self.position = self.position.max(end.saturating_sub(SEARCH_AGAIN_LEN));
            return Ok(Next::Pending);
        }
        self.position = end.max(self.position);
        self.damage = None;
        Ok(if from < end { Next::Skipped(Error::truncated("FLV tag", end)) } else { Next::End })
    }

    /// Takes what a tag holds; `false` when that is no sample.
    fn take(&mut self, tag: &Tag, sample: &mut Sample) -> Result<bool, Error> {
        if tag.is_encrypted {
            return Ok(false);
        }
        match tag.kind {
            TagKind::Video => self.take_video(tag, sample),
            TagKind::Audio => self.take_audio(tag, sample),
            TagKind::Script => Ok(false),
        }
    }

    fn take_video(&mut self, tag: &Tag, sample: &mut Sample) -> Result<bool, Error> {
        let file = Arc::clone(&self.file);
        let Some(track) = &file.video else { return Ok(false) };
        let head = self.tags.bytes(tag.data_at(), VIDEO_HEADER_LEN_MAX.min(tag.len as usize))?;
        let Some(video) = VideoTag::parse(head, tag.data_at()) else { return Ok(false) };
        let payload_at = tag.data_at() + video.header_len as u64;
        let len = tag.len as usize - video.header_len;
        if video.format != track.format || len == 0 {
            return Ok(false);
        }
        match video.packet {
            Packet::Other => return Ok(false),
            Packet::Header => {
                let header = self.tags.bytes(payload_at, len.min(CONFIG_LEN_MAX))?;
                if let Some((codec, length_size)) = video::codec(video.format, Packet::Header, header, payload_at) {
                    self.length_size = length_size;
                    self.changed_sets = if codec == track.codec { Vec::new() } else { parameter_sets(&codec) };
                }
                return Ok(false);
            }
            Packet::Frame => {}
        }
        let stamp = self.clock.stamp(0, tag.millis, video.composition);
        (sample.track, sample.pts, sample.dts) = (track.index, stamp.pts, stamp.dts.unwrap_or(stamp.pts));
        sample.is_sync = video.is_key;
        if matches!(track.codec, Codec::H264(_) | Codec::H265(_)) {
            return self.read_nals(payload_at, len, sample);
        }
        self.tags.append(&mut sample.data, payload_at, len)?;
        Ok(true)
    }

    /// Reads a picture of NAL units; `false` when there are none in it.
    fn read_nals(&mut self, at: u64, len: usize, sample: &mut Sample) -> Result<bool, Error> {
        if sample.is_sync {
            for set in &self.changed_sets {
                sample.data.extend_from_slice(&(set.len() as u32).to_be_bytes());
                let start = sample.data.len();
                sample.data.extend_from_slice(set);
                sample.nals.push(start..sample.data.len());
            }
        }
        let (start, first) = (sample.data.len(), sample.nals.len());
        self.tags.append(&mut sample.data, at, len)?;
        let whole = nal::split_either(&sample.data[start..], self.length_size, &mut sample.nals);
        for nal in &mut sample.nals[first..] {
            *nal = nal.start + start..nal.end + start;
        }
        match whole {
            Err(position) if sample.nals.len() == first => {
                Err(Error::malformed("length of a NAL unit", at + position as u64))
            }
            _ => Ok(sample.nals.len() > first),
        }
    }

    fn take_audio(&mut self, tag: &Tag, sample: &mut Sample) -> Result<bool, Error> {
        let file = Arc::clone(&self.file);
        let Some(track) = &file.audio else { return Ok(false) };
        let head = self.tags.bytes(tag.data_at(), VIDEO_HEADER_LEN_MAX.min(tag.len as usize))?;
        let Some(audio) = AudioTag::parse(head, tag.data_at()) else { return Ok(false) };
        let payload_at = tag.data_at() + audio.header_len as u64;
        if audio.format != track.format || audio.packet != Packet::Frame || payload_at >= tag.end() {
            return Ok(false);
        }
        let stamp = self.clock.stamp(1, tag.millis, 0);
        if let Some(frame_len) = track.pcm_frame_len {
            let sample_rate = track.codec.sound().map_or(8000, |(rate, _)| rate);
            self.pcm = Some(PcmRest { bytes: payload_at..tag.end(), time: stamp.pts, frame_len, sample_rate });
            return self.take_pcm(sample);
        }
        (sample.track, sample.pts, sample.dts, sample.is_sync) = (track.index, stamp.pts, stamp.pts, true);
        self.tags.append(&mut sample.data, payload_at, (tag.end() - payload_at) as usize)?;
        Ok(true)
    }

    /// The next part of a tag with PCM; `false` when there is none.
    fn take_pcm(&mut self, sample: &mut Sample) -> Result<bool, Error> {
        let (Some(track), Some(rest)) = (&self.file.audio, &mut self.pcm) else { return Ok(false) };
        let left = (rest.bytes.end - rest.bytes.start) / rest.frame_len;
        let wanted = u64::from((rest.sample_rate / PCM_SAMPLES_PER_SECOND).max(1));
        // Rather one that is half as long again than a tiny one in the end.
        let frames = if left <= wanted + wanted / 2 { left } else { wanted };
        let len = frames * rest.frame_len;
        (sample.track, sample.pts, sample.dts, sample.is_sync) = (track.index, rest.time, rest.time, true);
        let at = rest.bytes.start;
        rest.bytes.start += len;
        rest.time += MediaTime::from_ticks(frames as i64, rest.sample_rate);
        if frames == left {
            self.pcm = None;
        }
        if frames > 0 {
            self.tags.append(&mut sample.data, at, len as usize)?;
        }
        Ok(frames > 0)
    }
}

/// The parameter sets of a codec that has such.
fn parameter_sets(codec: &Codec) -> Vec<Vec<u8>> {
    match codec {
        Codec::H264(config) => [&config.sps[..], &config.pps].concat(),
        Codec::H265(config) => [&config.vps[..], &config.sps, &config.pps].concat(),
        _ => Vec::new(),
    }
}

impl Scanner for FlvScanner {
    fn next(&mut self, sample: &mut Sample) -> Result<Next, Error> {
        if self.pcm.is_some() && self.take_pcm(sample)? {
            return Ok(Next::Sample);
        }
        if !self.is_placed {
            self.is_placed = self.place()?;
            if !self.is_placed {
                return Ok(if self.is_finished { Next::End } else { Next::Pending });
            }
        }
        loop {
            let tag = match self.tag()? {
                Ok(tag) => tag,
                Err(instead) => return Ok(instead),
            };
            sample.clear();
            match self.take(&tag, sample) {
                Ok(true) => {
                    self.last = Entry { at: tag.at, time: Some(sample.pts) };
                    return Ok(Next::Sample);
                }
                Ok(false) => {}
                Err(error @ Error::Io { .. }) => return Err(error),
                Err(error) => return Ok(Next::Skipped(error)),
            }
        }
    }

    fn finish(&mut self) {
        self.is_finished = true;
    }

    fn entry(&self) -> Entry {
        self.last
    }

    fn position(&self) -> u64 {
        self.position
    }
}
