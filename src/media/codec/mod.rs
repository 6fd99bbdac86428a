//! Facts about codecs: their configuration records and the few header fields that streaming needs. No I/O.

pub mod aac;
pub mod access_unit;
mod frame_rate;
pub mod h264;
pub mod h265;
pub mod nal;
pub mod opus;
pub mod pcm;
pub mod rbsp;

use super::Kind;
pub use aac::AacConfig;
pub use frame_rate::FrameRate;
pub use h264::H264Config;
pub use h265::H265Config;
pub use opus::OpusConfig;
pub use pcm::{G711Config, PcmConfig, PcmFormat};

/// What a track is coded in, with what a decoder must know before the first sample.
///
/// An enum on purpose: the compiler lists every place that must answer for a new codec.
#[derive(Debug, Clone, PartialEq)]
pub enum Codec {
    /// ITU-T H.264. [`super::Sample::nals`] is filled.
    H264(H264Config),
    /// ITU-T H.265. [`super::Sample::nals`] is filled.
    H265(H265Config),
    /// MPEG-4 audio (ISO/IEC 14496-3); a sample is one raw access unit, without ADTS header.
    Aac(AacConfig),
    /// G.711 mu-law.
    Pcmu(G711Config),
    /// G.711 A-law.
    Pcma(G711Config),
    /// Linear PCM.
    Pcm(PcmConfig),
    /// Opus (RFC 6716); a sample is one packet.
    Opus(OpusConfig),
}

impl Codec {
    /// Whether it is video or audio.
    pub fn kind(&self) -> Kind {
        match self {
            Self::H264(_) | Self::H265(_) => Kind::Video,
            Self::Aac(_) | Self::Pcmu(_) | Self::Pcma(_) | Self::Pcm(_) | Self::Opus(_) => Kind::Audio,
        }
    }

    /// Width and height in pixels as shown, for video whose parameter sets tell.
    pub fn picture_size(&self) -> Option<(u32, u32)> {
        match self {
            Self::H264(config) => {
                config.sps.first().and_then(|sps| h264::SpsInfo::parse(sps)).map(|sps| (sps.width, sps.height))
            }
            Self::H265(config) => {
                config.sps.first().and_then(|sps| h265::SpsInfo::parse(sps)).map(|sps| (sps.width, sps.height))
            }
            _ => None,
        }
    }

    /// The name a person knows it by.
    pub fn name(&self) -> &'static str {
        match self {
            Self::H264(_) => "H.264",
            Self::H265(_) => "H.265",
            Self::Aac(_) => "AAC",
            Self::Pcmu(_) => "G.711 mu-law",
            Self::Pcma(_) => "G.711 A-law",
            Self::Pcm(_) => "PCM",
            Self::Opus(_) => "Opus",
        }
    }
}
