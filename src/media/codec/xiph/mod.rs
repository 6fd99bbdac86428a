//! Vorbis I and Theora I: their three header packets, and what a packet tells of itself.
//!
//! The setup header of Vorbis has a file of its own, as its end can be reached in one way only: through all of it.

mod setup;
#[cfg(test)]
mod tests;

use setup::{Modes, modes};

/// More channels than this have no order in Vorbis (Vorbis I section 4.3.9) that anybody plays; taken for damage.
const CHANNELS_MAX: u8 = 64;
/// Comments longer than this are left out of what is announced: pictures, mostly.
const COMMENTS_LEN_MAX: usize = 1024;

/// The three header packets of a stream of Vorbis or Theora.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XiphHeaders {
    /// Identification, comment and setup header.
    pub packets: [Vec<u8>; 3],
}

impl XiphHeaders {
    /// From a CodecPrivate of Matroska: the number of packets less one, the lengths of all but the last in Xiph lacing
    /// (255 and so on, ended by a smaller byte), the packets.
    pub fn from_laced(private: &[u8]) -> Option<Self> {
        let (2, mut rest) = private.split_first().map(|(count, rest)| (*count, rest))? else { return None };
        let (first_len, second_len) = (laced_len(&mut rest)?, laced_len(&mut rest)?);
        let (first, rest) = rest.split_at_checked(first_len)?;
        let (second, third) = rest.split_at_checked(second_len)?;
        Some(Self { packets: [first.to_vec(), second.to_vec(), third.to_vec()] })
    }

    /// What they tell of a Vorbis track; `None` when they are no headers of Vorbis.
    pub fn vorbis(self) -> Option<VorbisConfig> {
        VorbisConfig::new(self.packets)
    }

    /// What they tell of a Theora track; `None` when they are no headers of Theora.
    pub fn theora(self) -> Option<TheoraConfig> {
        TheoraConfig::new(self.packets)
    }
}

fn laced_len(rest: &mut &[u8]) -> Option<usize> {
    let end = rest.iter().position(|byte| *byte < 255)?;
    let len = end * 255 + usize::from(rest[end]);
    *rest = &rest[end + 1..];
    Some(len)
}

/// What is to be known of a Vorbis track. A sample is one audio packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VorbisConfig {
    /// Identification, comment and setup header. Long comments are replaced by none.
    pub headers: [Vec<u8>; 3],
    /// In Hz.
    pub sample_rate: u32,
    /// At least 1.
    pub channels: u8,
    /// Bits a second that the encoder aimed at, where it tells.
    pub bitrate: Option<u32>,
    /// Samples in a short and in a long block.
    block_sizes: [u16; 2],
    modes: Modes,
}

impl VorbisConfig {
    /// From the header packets (Vorbis I section 4.2); `None` when they are none.
    pub fn new(headers: [Vec<u8>; 3]) -> Option<Self> {
        let id: &[u8; 30] = headers[0].first_chunk()?;
        let is_type = |index: usize, first: u8| headers[index].first() == Some(&first) && is_vorbis(&headers[index]);
        let word = |at: usize| u32::from_le_bytes([id[at], id[at + 1], id[at + 2], id[at + 3]]);
        let (channels, sample_rate, sizes) = (id[11], word(12), id[28]);
        let (short, long) = (sizes & 15, sizes >> 4);
        let is_sound = word(7) == 0
            && (1..=CHANNELS_MAX).contains(&channels)
            && sample_rate > 0
            && 6 <= short
            && short <= long
            && long <= 13;
        if !(is_type(0, 1) && is_type(1, 3) && is_type(2, 5) && is_sound) {
            return None;
        }
        let modes = modes(&headers[2][7..], channels)?;
        let bitrate = Some(word(20)).filter(|bits| (1..1 << 31).contains(bits));
        let block_sizes = [1 << short, 1 << long];
        let headers = headers.map(|header| if is_long_comment(&header, 3) { empty_vorbis_comments() } else { header });
        Some(Self { headers, sample_rate, channels, bitrate, block_sizes, modes })
    }

    /// How many samples the block has that this audio packet holds (section 4.3.1); `None` when it is none.
    ///
    /// A quarter of it and a quarter of the one before is what both together yield.
    pub fn block_size(&self, packet: &[u8]) -> Option<u16> {
        let first = *packet.first()?;
        let is_audio = first & 1 == 0;
        let mode = first >> 1 & ((1 << self.modes.bits) - 1);
        let is_long = is_audio.then(|| self.modes.is_long(mode))??;
        Some(self.block_sizes[usize::from(is_long)])
    }
}

fn is_vorbis(header: &[u8]) -> bool {
    header.get(1..7) == Some(b"vorbis")
}

fn is_long_comment(header: &[u8], packet_type: u8) -> bool {
    header.len() > COMMENTS_LEN_MAX && header[0] == packet_type
}

/// Type, name, vendor of no bytes, no comments, framing bit (section 5.2.1).
fn empty_vorbis_comments() -> Vec<u8> {
    b"\x03vorbis\0\0\0\0\0\0\0\0\x01".to_vec()
}

/// What is to be known of a Theora track. A sample is one frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TheoraConfig {
    /// Identification, comment and setup header. Long comments are replaced by none.
    pub headers: [Vec<u8>; 3],
    /// Width and height of the picture in pixels.
    pub size: (u32, u32),
    /// Width and height of what is coded, multiples of 16.
    pub coded_size: (u32, u32),
    /// Frames in so many seconds: neither is 0.
    pub frame_rate: (u32, u32),
    /// How chroma is sampled.
    pub chroma: Chroma,
    /// How far the number of the key frame is shifted within a granule position.
    pub granule_shift: u8,
    /// Bits a second that the encoder aimed at, where it tells.
    pub bitrate: Option<u32>,
    /// Since 3.2.1, granule positions count from 1.
    counts_from_one: bool,
}

/// How the chroma planes of a picture are sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chroma {
    /// 4:2:0.
    Yuv420,
    /// 4:2:2.
    Yuv422,
    /// 4:4:4.
    Yuv444,
}

impl TheoraConfig {
    /// From the header packets (Theora I section 6.2); `None` when they are none.
    pub fn new(headers: [Vec<u8>; 3]) -> Option<Self> {
        let id: &[u8; 42] = headers[0].first_chunk()?;
        let is_type = |index: usize, first: u8| {
            headers[index].first() == Some(&first) && headers[index][1..].starts_with(b"theora")
        };
        let u16_at = |at: usize| u32::from(u16::from_be_bytes([id[at], id[at + 1]]));
        let u24_at = |at: usize| u32::from_be_bytes([0, id[at], id[at + 1], id[at + 2]]);
        let u32_at = |at: usize| u32::from_be_bytes([id[at], id[at + 1], id[at + 2], id[at + 3]]);
        let chroma = match id[41] >> 3 & 3 {
            0 => Chroma::Yuv420,
            2 => Chroma::Yuv422,
            3 => Chroma::Yuv444,
            _ => return None,
        };
        let coded_size = (u16_at(10) * 16, u16_at(12) * 16);
        let frame_rate = (u32_at(22), u32_at(26));
        let is_sound = id[7] == 3 && frame_rate.0 > 0 && frame_rate.1 > 0 && coded_size.0 > 0 && coded_size.1 > 0;
        if !(is_type(0, 0x80) && is_type(1, 0x81) && is_type(2, 0x82) && is_sound) {
            return None;
        }
        let granule_shift = (id[40] & 3) << 3 | id[41] >> 5;
        let bitrate = Some(u24_at(37)).filter(|bits| (1..0xff_ffff).contains(bits));
        let counts_from_one = (id[8], id[9]) >= (2, 1);
        let size = (u24_at(14), u24_at(17));
        let headers =
            headers.map(|header| if is_long_comment(&header, 0x81) { empty_theora_comments() } else { header });
        Some(Self { headers, size, coded_size, frame_rate, chroma, granule_shift, bitrate, counts_from_one })
    }

    /// How many frames of the stream there are up to and with the one that has this granule position (Theora I
    /// appendix A.2.3).
    pub fn frames_until(&self, granule: u64) -> u64 {
        let (key, since) = (granule >> self.granule_shift, granule & ((1 << self.granule_shift) - 1));
        key.saturating_add(since).saturating_add(u64::from(!self.counts_from_one))
    }
}

/// Whether a packet of Theora is a frame that needs no other (Theora I section 7.1). A packet without bytes repeats
/// the frame before.
pub fn is_theora_key_frame(packet: &[u8]) -> bool {
    packet.first().is_some_and(|first| first & 0xc0 == 0)
}

/// Type, name, vendor of no bytes, no comments (Theora I section 6.3).
fn empty_theora_comments() -> Vec<u8> {
    b"\x81theora\0\0\0\0\0\0\0\0".to_vec()
}
