//! Elementary streams of a program stream: which there are, what they are coded in, and what cuts them into samples.

use std::ops::RangeInclusive;

use super::packets::{AUDIO, EXTENDED, PRIVATE_1, VIDEO};
use super::program_map::ProgramMap;
use super::sound::DvdSound;
use crate::media::Codec;
use crate::media::codec::aac::{AdtsFramer, LatmFramer};
use crate::media::codec::ac3::Ac3Framer;
use crate::media::codec::mpeg_audio::MpegAudioFramer;
use crate::media::codec::mpeg_video::{self, MpegVideoFramer};
use crate::media::codec::mpeg4_visual::{self, Mpeg4VisualFramer};
use crate::media::codec::nal::split_start_codes;
use crate::media::codec::{G711Config, h264, h265};
use crate::media::container::packet_sound::Blocks;
use crate::media::scan::{Framer, NalFramer};

/// Which elementary stream a packet belongs to: its stream_id, and within private_stream_1 of a DVD the first byte of
/// the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamKey {
    /// stream_id.
    pub stream_id: u8,
    /// sub_stream_id; 0 where there is none.
    pub substream: u8,
}

/// What a stream is coded in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// MPEG-1 or MPEG-2 video.
    MpegVideo,
    /// MPEG-4 part 2.
    Mpeg4Visual,
    /// H.264.
    H264,
    /// H.265.
    H265,
    /// MPEG-1 or MPEG-2 audio.
    MpegAudio,
    /// AAC with ADTS headers.
    Adts,
    /// AAC in LATM with a LOAS header.
    Latm,
    /// AC-3 and E-AC-3.
    Ac3,
    /// G.711 A-law.
    Pcma,
    /// G.711 mu-law.
    Pcmu,
    /// Linear PCM of a DVD.
    DvdSound(DvdSound),
    /// Known by this name, but not to be streamed.
    Unsupported(&'static str),
}

/// Rate of G.711 where nothing tells it, in Hz.
const G711_RATE: u32 = 8000;

/// sub_stream_id of private_stream_1 on a DVD, with the length of what stands before the bytes of the stream.
const DVD_SUBPICTURES: RangeInclusive<u8> = 0x20..=0x3f;
const DVD_AC3: RangeInclusive<u8> = 0x80..=0x87;
const DVD_DTS: RangeInclusive<u8> = 0x88..=0x8f;
const DVD_DTS_MORE: RangeInclusive<u8> = 0x98..=0x9f;
const DVD_SOUND: RangeInclusive<u8> = 0xa0..=0xaf;
const DVD_EAC3: RangeInclusive<u8> = 0xc0..=0xcf;
const DVD_HEADER_LEN: usize = 4;
const DVD_SOUND_HEADER_LEN: usize = 7;

impl Kind {
    /// stream_type of a program stream map (ISO/IEC 13818-1 table 2-34; from 0x80 on as GB/T 28181 annex C and
    /// Hikvision recorders have them, and 0x81 and 0x87 as ATSC A/52 does).
    pub fn of_stream_type(stream_type: u8) -> Self {
        match stream_type {
            0x01 | 0x02 => Self::MpegVideo,
            0x03 | 0x04 => Self::MpegAudio,
            0x0f => Self::Adts,
            0x10 => Self::Mpeg4Visual,
            0x11 => Self::Latm,
            0x1b => Self::H264,
            0x24 => Self::H265,
            0x80 => Self::Unsupported("SVAC video"),
            0x81 | 0x87 => Self::Ac3,
            0x90 => Self::Pcma,
            0x91 => Self::Pcmu,
            0x92 => Self::Unsupported("G.722.1"),
            0x93 => Self::Unsupported("G.723.1"),
            0x99 => Self::Unsupported("G.729"),
            0x9b => Self::Unsupported("SVAC audio"),
            _ => Self::Unsupported("private data"),
        }
    }

    /// Whether it is video.
    pub fn is_video(self) -> bool {
        matches!(self, Self::MpegVideo | Self::Mpeg4Visual | Self::H264 | Self::H265)
    }

    /// What cuts such a stream into samples; `codec` is what is known of it. `None`: it is not to be streamed.
    pub fn framer(self, codec: Option<&Codec>) -> Option<Box<dyn Framer>> {
        let g711 = |codec: fn(G711Config) -> Codec, known: Option<&Codec>| {
            let codec = known.cloned().unwrap_or(codec(G711Config { sample_rate: G711_RATE, channels: 1 }));
            Box::new(Blocks::of_frames(codec))
        };
        let mut framer: Box<dyn Framer> = match self {
            Self::MpegVideo => MpegVideoFramer::boxed(),
            Self::Mpeg4Visual => Mpeg4VisualFramer::boxed(),
            Self::H264 => Box::new(NalFramer::h264()),
            Self::H265 => Box::new(NalFramer::h265()),
            Self::MpegAudio => Box::new(MpegAudioFramer::new()),
            Self::Adts => Box::new(AdtsFramer::new()),
            Self::Latm => Box::new(LatmFramer::new()),
            Self::Ac3 => Box::new(Ac3Framer::new()),
            Self::Pcma => g711(Codec::Pcma, codec),
            Self::Pcmu => g711(Codec::Pcmu, codec),
            Self::DvdSound(sound) => Box::new(sound.blocks()),
            Self::Unsupported(_) => return None,
        };
        if let Some(codec) = codec {
            framer.prime(codec);
        }
        Some(framer)
    }

    /// How many bytes at the start of each payload are not of the stream.
    pub fn header_len(self, key: StreamKey) -> usize {
        match self {
            _ if key.substream == 0 => 0,
            Self::DvdSound(_) => DVD_SOUND_HEADER_LEN,
            _ => DVD_HEADER_LEN,
        }
    }
}

/// How private_stream_1 is used in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrivateUse {
    /// For one stream, as the program stream map says, or AC-3 without further header.
    One(Kind),
    /// As on a DVD, for streams that the first byte of the payload tells apart.
    Substreams,
}

impl PrivateUse {
    /// How the file uses it, by its map and the first packet of the stream.
    pub fn of(map: &ProgramMap, payload: &[u8]) -> Self {
        const AC3_SYNC: [u8; 2] = [0x0b, 0x77];
        match map.kind_of(PRIVATE_1) {
            Some(kind) => Self::One(kind),
            None if payload.starts_with(&AC3_SYNC) => Self::One(Kind::Ac3),
            None => Self::Substreams,
        }
    }
}

/// The stream that a packet belongs to.
pub fn key_of(stream_id: u8, payload: &[u8], private_use: Option<PrivateUse>) -> StreamKey {
    let has_substreams = stream_id == PRIVATE_1 && private_use == Some(PrivateUse::Substreams);
    let substream = if has_substreams { payload.first().copied().unwrap_or_default() } else { 0 };
    StreamKey { stream_id, substream }
}

/// What stream `key` is, by the map of the program and its own first bytes; `None`: more of them are needed.
pub fn kind_of(key: StreamKey, map: &ProgramMap, private_use: Option<PrivateUse>, bytes: &[u8]) -> Option<Kind> {
    match (key.stream_id, private_use) {
        (PRIVATE_1, Some(PrivateUse::One(kind))) => Some(kind),
        (PRIVATE_1, _) => dvd_kind(key.substream, bytes),
        (EXTENDED, _) => Some(Kind::Unsupported("an extended stream")),
        (stream_id, _) => match map.kind_of(stream_id) {
            // What a map calls private may still be well known, and some recorders write a wrong type.
            Some(kind @ Kind::Unsupported(_)) => Some(kind),
            Some(kind) if !kind.is_video() => Some(kind),
            Some(kind) => Some(guess_video(bytes).unwrap_or(kind)),
            None if VIDEO.contains(&stream_id) => guess_video(bytes),
            None if AUDIO.contains(&stream_id) => guess_audio(bytes),
            None => None,
        },
    }
}

fn dvd_kind(substream: u8, bytes: &[u8]) -> Option<Kind> {
    Some(match substream {
        id if DVD_SUBPICTURES.contains(&id) => Kind::Unsupported("subpictures"),
        id if DVD_AC3.contains(&id) || DVD_EAC3.contains(&id) => Kind::Ac3,
        id if DVD_DTS.contains(&id) || DVD_DTS_MORE.contains(&id) => Kind::Unsupported("DTS"),
        id if DVD_SOUND.contains(&id) => match DvdSound::parse(bytes) {
            Some(sound) => Kind::DvdSound(sound),
            None => Kind::Unsupported("PCM of unknown kind"),
        },
        _ => Kind::Unsupported("private data"),
    })
}

/// Video by its start codes. NAL units have no start code with the highest bit set, the others have such only.
fn guess_video(bytes: &[u8]) -> Option<Kind> {
    let mut units = Vec::new();
    split_start_codes(bytes, &mut units);
    // The last one may be cut off.
    let whole = units.len().saturating_sub(1);
    let mut is_nal = true;
    for unit in &units {
        match bytes[unit.start] {
            mpeg_video::SEQUENCE_HEADER if mpeg_video::Sequence::parse(&bytes[unit.start - 3..]).is_some() => {
                return Some(Kind::MpegVideo);
            }
            mpeg4_visual::VOP => return Some(Kind::Mpeg4Visual),
            0x80.. => is_nal = false,
            _ => {}
        }
    }
    units[..whole].iter().filter(|_| is_nal).find_map(|unit| nal_kind(&bytes[unit.clone()]))
}

fn nal_kind(nal: &[u8]) -> Option<Kind> {
    const NAL_SPS_H265: u8 = 33;
    if nal.len() > 2 && h265::nal_type(nal) == NAL_SPS_H265 && h265::SpsInfo::parse(nal).is_some() {
        Some(Kind::H265)
    } else if h264::nal_type(nal) == h264::NAL_SPS && h264::SpsInfo::parse(nal).is_some() {
        Some(Kind::H264)
    } else {
        None
    }
}

/// Audio by the sync words of frames: 11 or 12 bits set, and the layer, which is 0 in an ADTS header.
fn guess_audio(bytes: &[u8]) -> Option<Kind> {
    let is_adts = |pair: &[u8]| pair[0] == 0xff && pair[1] & 0xf6 == 0xf0;
    let is_mpeg = |pair: &[u8]| pair[0] == 0xff && pair[1] & 0xe0 == 0xe0 && pair[1] & 6 != 0 && pair[1] & 0x18 != 8;
    let is_latm = |pair: &[u8]| pair[0] == 0x56 && pair[1] & 0xe0 == 0xe0;
    match bytes {
        [a, b, ..] if is_adts(&[*a, *b]) => Some(Kind::Adts),
        [a, b, ..] if is_mpeg(&[*a, *b]) => Some(Kind::MpegAudio),
        [a, b, ..] if is_latm(&[*a, *b]) => Some(Kind::Latm),
        [0x0b, 0x77, ..] => Some(Kind::Ac3),
        // The stream was cut somewhere. What comes often enough is a frame.
        _ => {
            const OFTEN: usize = 3;
            let count = |is: &dyn Fn(&[u8]) -> bool| bytes.windows(2).filter(|pair| is(pair)).count();
            let (adts, mpeg) = (count(&is_adts), count(&is_mpeg));
            match adts.max(mpeg) {
                OFTEN.. if adts > mpeg => Some(Kind::Adts),
                OFTEN.. => Some(Kind::MpegAudio),
                _ => None,
            }
        }
    }
}
