//! The data of video tags: VideoTagHeader (Adobe Flash Video File Format Specification section E.4.3), H.265 as codec
//! 12 as Chinese services write it, and ExVideoTagHeader (Enhanced RTMP version 2).

use crate::media::Codec;
use crate::media::bits::ByteReader;
use crate::media::codec::h263::PictureHeader;
use crate::media::codec::{H263Config, VpxConfig, av1, h264, h265, vpx};

/// What coded the pictures of a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VideoFormat {
    /// H.264.
    Avc,
    /// H.265.
    Hevc,
    /// AV1.
    Av1,
    /// VP8.
    Vp8,
    /// VP9.
    Vp9,
    /// H.263 as the standard has it.
    H263,
    /// What is not streamed, by name.
    Other(&'static str),
}

/// What a tag is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packet {
    /// What a decoder must know beforehand.
    Header,
    /// A picture, or sound.
    Frame,
    /// Neither.
    Other,
}

/// The header of the data of a video tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VideoTag {
    /// What coded it.
    pub format: VideoFormat,
    /// What it is for.
    pub packet: Packet,
    /// FrameType 1 or 4: decoding can start here.
    pub is_key: bool,
    /// CompositionTime: by how much later than decoded the picture is shown, in milliseconds.
    pub composition: i32,
    /// Bytes of the header.
    pub header_len: usize,
}

/// As many bytes of a tag as [`VideoTag::parse`] looks at, at most.
pub const VIDEO_HEADER_LEN_MAX: usize = 64;

/// FrameType of a tag that holds a command for the player, not a picture.
const FRAME_TYPE_COMMAND: u8 = 5;

impl VideoTag {
    /// Reads the start of the data of a video tag, which lies at byte `at` of the file; `None`: cut off.
    pub fn parse(data: &[u8], at: u64) -> Option<Self> {
        let mut r = ByteReader::new(data, at, "video tag");
        let first = r.u8().ok()?;
        let frame_type = first >> 4 & 7;
        let is_key = matches!(frame_type, 1 | 4);
        let read = if first & 0x80 != 0 { read_extended(&mut r, first & 0xf) } else { read_plain(&mut r, first & 0xf) };
        let (format, mut packet, composition) = read?;
        if frame_type == FRAME_TYPE_COMMAND {
            packet = Packet::Other;
        }
        Some(Self { format, packet, is_key, composition, header_len: data.len() - r.remaining() })
    }
}

fn read_plain(r: &mut ByteReader<'_>, codec_id: u8) -> Option<(VideoFormat, Packet, i32)> {
    let format = match codec_id {
        7 => VideoFormat::Avc,
        12 => VideoFormat::Hevc,
        13 => VideoFormat::Av1,
        8 => return Some((VideoFormat::H263, Packet::Frame, 0)),
        2 => return Some((VideoFormat::Other("Sorenson H.263"), Packet::Frame, 0)),
        3 | 6 => return Some((VideoFormat::Other("Screen Video"), Packet::Frame, 0)),
        4 | 5 => return Some((VideoFormat::Other("VP6"), Packet::Frame, 0)),
        _ => return Some((VideoFormat::Other("an unknown codec"), Packet::Frame, 0)),
    };
    let packet = match r.u8().ok()? {
        0 => Packet::Header,
        1 => Packet::Frame,
        _ => Packet::Other,
    };
    Some((format, packet, composition(r)?))
}

/// A signed number of 24 bits.
fn composition(r: &mut ByteReader<'_>) -> Option<i32> {
    Some((r.u24().ok()? << 8) as i32 >> 8)
}

fn read_extended(r: &mut ByteReader<'_>, packet_type: u8) -> Option<(VideoFormat, Packet, i32)> {
    const MULTITRACK: u8 = 6;
    let packet_type = skip_modifiers(r, packet_type)?;
    if packet_type == MULTITRACK {
        return Some((VideoFormat::Other("several tracks in one tag"), Packet::Other, 0));
    }
    let format = match &r.array().ok()? {
        b"avc1" => VideoFormat::Avc,
        b"hvc1" => VideoFormat::Hevc,
        b"av01" => VideoFormat::Av1,
        b"vp08" => VideoFormat::Vp8,
        b"vp09" => VideoFormat::Vp9,
        b"vvc1" => VideoFormat::Other("H.266"),
        _ => VideoFormat::Other("an unknown codec"),
    };
    Some(match packet_type {
        0 => (format, Packet::Header, 0),
        1 if matches!(format, VideoFormat::Avc | VideoFormat::Hevc) => (format, Packet::Frame, composition(r)?),
        1 | 3 => (format, Packet::Frame, 0),
        _ => (format, Packet::Other, 0),
    })
}

/// PacketType ModEx: steps over what modifies a packet and returns the type of that.
pub fn skip_modifiers(r: &mut ByteReader<'_>, mut packet_type: u8) -> Option<u8> {
    const MODIFIER: u8 = 7;
    while packet_type == MODIFIER {
        let mut len = usize::from(r.u8().ok()?) + 1;
        if len == 256 {
            len = usize::from(r.u16().ok()?) + 1;
        }
        r.skip(len).ok()?;
        packet_type = r.u8().ok()? & 0xf;
    }
    Some(packet_type)
}

/// A codec, and how long the length prefixes of its NAL units are, if it has such.
pub type Configured = (Codec, usize);

/// The codec that a tag with [`Packet::Header`] tells, or one without such a tag a frame. `None` when `payload` does
/// not tell.
pub fn codec(format: VideoFormat, packet: Packet, payload: &[u8], at: u64) -> Option<Configured> {
    let is_header = packet == Packet::Header;
    match format {
        VideoFormat::Avc if is_header => {
            let (config, length_size) = h264::parse_avcc(ByteReader::new(payload, at, "avcC")).ok()?;
            (!config.sps.is_empty()).then_some((Codec::H264(config), length_size))
        }
        VideoFormat::Hevc if is_header => {
            let (config, length_size) = h265::parse_hvcc(ByteReader::new(payload, at, "hvcC")).ok()?;
            (!config.sps.is_empty()).then_some((Codec::H265(config), length_size))
        }
        VideoFormat::Av1 if is_header => {
            Some((Codec::Av1(av1::parse_av1c(ByteReader::new(payload, at, "av1C")).ok()?), 0))
        }
        VideoFormat::Vp8 if packet == Packet::Frame => {
            let size = vpx::FrameHeader::vp8(payload, payload.len())?.size;
            Some((Codec::Vp8(VpxConfig { size, profile: None }), 0))
        }
        VideoFormat::Vp9 if is_header => Some((Codec::Vp9(vp9(payload)), 0)),
        VideoFormat::H263 => {
            let size = PictureHeader::parse(payload)?.size;
            Some((Codec::H263(H263Config { size }), 0))
        }
        _ => None,
    }
}

/// The `vpcC` record, behind a version and flags or not (VP Codec ISO Media File Format Binding).
fn vp9(record: &[u8]) -> VpxConfig {
    let profile = match *record {
        [1, 0, 0, 0, profile, ..] | [profile, ..] => Some(profile).filter(|profile| *profile <= 3),
        [] => None,
    };
    VpxConfig { size: None, profile }
}
