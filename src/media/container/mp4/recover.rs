//! A recording whose index, `moov`, was never written, because the recorder lost power or was stopped: H.264 or H.265
//! in `mdat` is found again when its parameter sets are there, too.
//!
//! What is known of a NAL unit is its length of four bytes, its header, for slices that they refer to a parameter set
//! that was seen, and that no start code is in it. That tells them from the sound that lies between, which cannot be divided into frames without the
//! index and is left out. Nothing tells when pictures are shown: they are counted at the rate that the parameter sets
//! tell, or the framer's default.

use super::boxes::BoxAt;
use crate::media::codec::rbsp::Bits;
use crate::media::codec::{H264Config, H265Config, h264, h265};
use crate::media::io::{Source, Window};
use crate::media::scan::{Chunk, Entry, Format, Framer, Header, NalFramer, Scanner, Timing};
use crate::media::{Codec, Error, Next, Note, Sample, Track};
use crate::time::MediaTime;

/// How much of `mdat` is searched for parameter sets, in bytes.
const SEARCH_LEN: u64 = 32 << 20;
/// How much is read at once, in bytes.
const WINDOW_LEN: usize = 64 << 10;
/// A longer NAL unit is taken for something else, in bytes.
const NAL_LEN_MAX: u32 = 8 << 20;
/// A longer parameter set is taken for something else, in bytes.
const SET_LEN_MAX: u32 = 4096;
/// Bytes of a length, which nearly all writers use.
const LENGTH_SIZE: usize = 4;
/// How many bytes of a NAL unit tell what it is.
const PEEK_LEN: usize = 16;
/// Samples that are read for the frame rate when the file is opened.
const SURVEY_COUNT: usize = 8;
const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// An `mdat` without `moov`.
pub struct Recovered {
    source: Source,
    header: Header,
    codec: Codec,
    /// Where `mdat` ends; the file may be cut off before.
    end: u64,
}

impl Recovered {
    /// Looks for video in `mdat`. `None`: none was found with its parameter sets.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open(source: &Source, mdat: &BoxAt) -> Result<Option<Self>, Error> {
        let mut window = Window::new(source.clone(), WINDOW_LEN);
        let Some((at, codec)) = find_parameter_sets(&mut window, mdat)? else { return Ok(None) };
        let start = Entry { at, time: Some(MediaTime::ZERO) };
        let text = "the index (moov) is missing: the recorder did not finish the file. Its video was found again in mdat; \
                    its sound is left out, and times are counted";
        let track = Track { codec: codec.clone(), duration: None, shown_until: None, bitrate: None, frame_rate: None };
        let header = Header {
            container: super::NAME,
            tracks: vec![track],
            notes: vec![Note { at: Some(mdat.at), text: text.to_owned() }],
            start,
            timing: Timing::Counted,
            duration: None,
        };
        // A box that goes to the end of the file does so while the file grows.
        let end = if mdat.is_cut || mdat.end >= source.len()? { u64::MAX } else { mdat.end };
        let mut recovered = Self { source: source.clone(), header, codec, end };
        let mut scanner = RecoveredScanner::new(&recovered, start);
        scanner.finish();
        let mut sample = Sample::default();
        for _ in 0..SURVEY_COUNT {
            sample.clear();
            if !matches!(scanner.next(&mut sample)?, Next::Sample) {
                break;
            }
        }
        recovered.header.tracks[0].frame_rate = scanner.framer.frame_rate();
        Ok(Some(recovered))
    }
}

impl Format for Recovered {
    fn header(&self) -> &Header {
        &self.header
    }

    fn scan(&self, entry: Entry) -> Box<dyn Scanner> {
        Box::new(RecoveredScanner::new(self, entry))
    }
}

/// Where the first parameter sets lie, and what they are.
fn find_parameter_sets(window: &mut Window, mdat: &BoxAt) -> Result<Option<(u64, Codec)>, Error> {
    let end = mdat.end.min(mdat.body.saturating_add(SEARCH_LEN));
    let mut at = mdat.body;
    while at < end {
        let bytes = window.available(at, LENGTH_SIZE + SET_LEN_MAX as usize, "mdat")?;
        if bytes.len() < LENGTH_SIZE {
            break;
        }
        if let Some(codec) = parameter_sets(bytes) {
            return Ok(Some((at, codec)));
        }
        at += 1;
    }
    Ok(None)
}

/// The codec of parameter sets that follow each other at the start of `bytes`: SPS and PPS, or VPS, SPS and PPS. An
/// access unit delimiter before them does not matter, as it is no parameter set.
fn parameter_sets(bytes: &[u8]) -> Option<Codec> {
    let mut rest = bytes;
    let mut take = || {
        let (len, behind) = rest.split_first_chunk()?;
        let len = u32::from_be_bytes(*len);
        let (nal, behind) = behind.split_at_checked(Some(len).filter(|len| *len <= SET_LEN_MAX)? as usize)?;
        rest = behind;
        Some(nal).filter(|nal| nal.len() > 2)
    };
    let first = take()?;
    if h264::nal_type(first) == h264::NAL_SPS && first[0] & 0x80 == 0 {
        h264::SpsInfo::parse(first).filter(|sps| sps.width > 0)?;
        let pps = take().filter(|nal| h264::nal_type(nal) == h264::NAL_PPS && nal[0] & 0x80 == 0)?;
        return Some(Codec::H264(H264Config { sps: vec![first.to_vec()], pps: vec![pps.to_vec()] }));
    }
    let is = |nal: &[u8], kind: u8| nal[0] & 0x81 == 0 && nal[1] >> 3 == 0 && h265::nal_type(nal) == kind;
    if !is(first, h265::NAL_VPS) {
        return None;
    }
    let sps = take().filter(|nal| is(nal, h265::NAL_SPS))?;
    h265::SpsInfo::parse(sps)?;
    let pps = take().filter(|nal| is(nal, h265::NAL_PPS))?;
    let set = |nal: &[u8]| vec![nal.to_vec()];
    Some(Codec::H265(H265Config { vps: set(first), sps: set(sps), pps: set(pps) }))
}

/// Tells NAL units from other bytes.
#[derive(Debug, Clone)]
struct Recogniser {
    is_h265: bool,
    /// The picture parameter sets that slices may refer to, by id.
    pps: Vec<u32>,
}

impl Recogniser {
    fn new(codec: &Codec) -> Self {
        let mut recogniser = Self { is_h265: matches!(codec, Codec::H265(_)), pps: Vec::new() };
        if let Codec::H264(H264Config { pps, .. }) | Codec::H265(H265Config { pps, .. }) = codec {
            pps.iter().for_each(|pps| recogniser.learn(pps));
        }
        recogniser
    }

    /// Whether a NAL unit of `len` bytes begins with `head`.
    fn is_nal(&self, head: &[u8], len: u32) -> bool {
        if !(2..=NAL_LEN_MAX).contains(&len) || head.len() < 2 {
            return false;
        }
        if self.is_h265 { self.is_h265_nal(head, len) } else { self.is_h264_nal(head, len) }
    }

    /// ITU-T H.264 section 7.4.1.
    fn is_h264_nal(&self, head: &[u8], len: u32) -> bool {
        let (is_forbidden, ref_idc) = (head[0] & 0x80 != 0, head[0] >> 5 & 3);
        !is_forbidden
            && match h264::nal_type(head) {
                kind @ (1 | 5) => (kind == 1 || ref_idc > 0) && self.is_h264_slice(head),
                6 => ref_idc == 0,
                7 | 8 => ref_idc > 0 && len <= SET_LEN_MAX,
                9..=12 => ref_idc == 0 && (len <= 2 || h264::nal_type(head) == 12),
                _ => false,
            }
    }

    fn is_h264_slice(&self, head: &[u8]) -> bool {
        const MACROBLOCKS_MAX: u32 = 139_264; // level 6.2 (table A-1)
        let mut bits = Bits::new(head, 1);
        bits.ue_max(MACROBLOCKS_MAX).is_some()
            && bits.ue_max(9).is_some()
            && bits.ue_max(255).is_some_and(|id| self.pps.contains(&id))
    }

    /// ITU-T H.265 section 7.4.2.2: one layer, a temporal id at least.
    fn is_h265_nal(&self, head: &[u8], len: u32) -> bool {
        let is_plain = head[0] & 0x81 == 0 && head[1] >> 3 == 0 && head[1] & 7 != 0;
        is_plain
            && match h265::nal_type(head) {
                kind @ (0..=9 | 16..=21) => {
                    let mut bits = Bits::new(head, 2);
                    let head_flags = if kind >= 16 { 2 } else { 1 };
                    bits.skip(head_flags).is_some() && bits.ue_max(63).is_some_and(|id| self.pps.contains(&id))
                }
                32..=34 => len <= SET_LEN_MAX,
                35..=37 => len <= 3,
                38..=40 => true,
                _ => false,
            }
    }

    /// Takes note of `nal`, if it is a picture parameter set.
    fn learn(&mut self, nal: &[u8]) {
        let (is_pps, id) = if self.is_h265 {
            (h265::nal_type(nal) == h265::NAL_PPS, h265::parameter_set_id(nal))
        } else {
            (h264::nal_type(nal) == h264::NAL_PPS, h264::parameter_set_id(nal))
        };
        if let Some(id) = id.map(u32::from).filter(|id| is_pps && !self.pps.contains(id)) {
            self.pps.push(id);
        }
    }
}

/// Whether `nal` could be a NAL unit as a whole: no start code nor three zero bytes in it, and no zero byte at its end
/// (ITU-T H.264 section 7.4.1, H.265 section 7.4.2.1).
fn is_clean(nal: &[u8]) -> bool {
    nal.last().is_some_and(|last| *last != 0) && !nal.windows(3).any(|bytes| bytes[..2] == [0, 0] && bytes[2] < 3)
}

struct RecoveredScanner {
    source: Source,
    window: Window,
    end: u64,
    framer: NalFramer,
    recogniser: Recogniser,
    position: u64,
    /// Where the last NAL unit ended.
    expected: u64,
    nal: Vec<u8>,
    last: Entry,
    is_finished: bool,
}

impl RecoveredScanner {
    fn new(recovered: &Recovered, entry: Entry) -> Self {
        let mut framer = match recovered.codec {
            Codec::H265(_) => NalFramer::h265(),
            _ => NalFramer::h264(),
        };
        framer.prime(&recovered.codec);
        framer.start(entry.time.unwrap_or_default());
        Self {
            source: recovered.source.clone(),
            window: Window::new(recovered.source.clone(), WINDOW_LEN),
            end: recovered.end,
            framer,
            recogniser: Recogniser::new(&recovered.codec),
            position: entry.at,
            expected: entry.at,
            nal: Vec::new(),
            last: entry,
            is_finished: false,
        }
    }

    /// Gives the framer the next NAL unit. `false`: the file ends before one is found.
    fn feed(&mut self) -> Result<bool, Error> {
        let end = self.end.min(self.source.len()?);
        while self.position + (LENGTH_SIZE as u64) < end {
            let bytes = self.window.available(self.position, LENGTH_SIZE + PEEK_LEN, "mdat")?;
            let Some((len, head)) = bytes.split_first_chunk() else { return Ok(false) };
            let len = u32::from_be_bytes(*len);
            let head = &head[..head.len().min(len as usize).min(PEEK_LEN)];
            if !self.recogniser.is_nal(head, len) {
                self.position += 1;
                continue;
            }
            let at = self.position + LENGTH_SIZE as u64;
            if at + u64::from(len) > end {
                // The last one may be cut off, or no NAL unit after all.
                if !self.is_finished {
                    return Ok(false);
                }
                self.position += 1;
                continue;
            }
            self.nal.clear();
            self.nal.extend_from_slice(&START_CODE);
            self.source.append(&mut self.nal, at, len as usize, "mdat")?;
            // One that follows another is believed; amid sound it must look right as a whole.
            if self.position != self.expected && !is_clean(&self.nal[START_CODE.len()..]) {
                self.position += 1;
                continue;
            }
            self.recogniser.learn(&self.nal[START_CODE.len()..]);
            self.framer.push(Chunk { bytes: &self.nal, at: self.position, is_packet: true, stamp: None });
            self.position = at + u64::from(len);
            self.expected = self.position;
            return Ok(true);
        }
        Ok(false)
    }
}

impl Scanner for RecoveredScanner {
    fn next(&mut self, sample: &mut Sample) -> Result<Next, Error> {
        loop {
            match self.framer.pop(sample) {
                Ok(Some(at)) => {
                    self.last = Entry { at, time: Some(sample.pts) };
                    return Ok(Next::Sample);
                }
                Ok(None) => {}
                Err(error) => return Ok(Next::Skipped(error)),
            }
            match self.feed() {
                Ok(true) => {}
                Ok(false) if self.is_finished => {
                    // What the framer holds comes out now.
                    self.framer.finish();
                    return match self.framer.pop(sample) {
                        Ok(Some(at)) => {
                            self.last = Entry { at, time: Some(sample.pts) };
                            Ok(Next::Sample)
                        }
                        Ok(None) => Ok(Next::End),
                        Err(error) => Ok(Next::Skipped(error)),
                    };
                }
                Ok(false) | Err(Error::Truncated { .. }) => return Ok(Next::Pending),
                Err(error) => return Err(error),
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

#[cfg(test)]
mod tests;
