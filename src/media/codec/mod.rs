//! Facts about codecs: their configuration records and the few header fields that streaming needs. No I/O.

pub mod aac;
pub mod ac3;
pub mod access_unit;
pub mod adpcm;
pub mod amr;
pub mod av1;
pub mod display_order;
pub mod dv;
pub mod flac;
mod frame_rate;
pub mod frames;
pub mod h263;
pub mod h264;
pub mod h265;
pub mod jpeg;
pub mod learn;
pub mod markup;
pub mod mpeg4_visual;
pub mod mpeg_audio;
pub mod mpeg_ts;
pub mod mpeg_video;
pub mod nal;
pub mod opus;
pub mod pcm;
mod picture_times;
pub mod rbsp;
pub mod tags;
pub mod text;
pub mod vpx;
pub mod xiph;

use super::Kind;
pub use aac::AacConfig;
pub use ac3::Ac3Config;
pub use adpcm::{G722Config, G726Config, ImaAdpcmConfig};
pub use amr::AmrConfig;
pub use av1::Av1Config;
pub use dv::DvConfig;
pub use flac::FlacConfig;
pub use frame_rate::FrameRate;
pub use h263::H263Config;
pub use h264::H264Config;
pub use h265::H265Config;
pub use jpeg::JpegConfig;
pub use mpeg_audio::MpegAudioConfig;
pub use mpeg_ts::TransportStreamConfig;
pub use mpeg_video::MpegVideoConfig;
pub use mpeg4_visual::Mpeg4VisualConfig;
pub use opus::OpusConfig;
pub use pcm::{G711Config, PcmConfig, PcmFormat};
pub use text::{MetadataConfig, TextConfig};
pub use vpx::VpxConfig;
pub use xiph::{TheoraConfig, VorbisConfig, XiphHeaders};

/// What a track is coded in, with what a decoder must know before the first sample.
///
/// An enum on purpose: the compiler lists every place that must answer for a new codec.
#[derive(Debug, Clone, PartialEq)]
pub enum Codec {
    /// ITU-T H.264. [`super::Sample::nals`] is filled.
    H264(H264Config),
    /// ITU-T H.265. [`super::Sample::nals`] is filled.
    H265(H265Config),
    /// AV1.
    Av1(Av1Config),
    /// VP8 (RFC 6386).
    Vp8(VpxConfig),
    /// VP9.
    Vp9(VpxConfig),
    /// MPEG-4 part 2 (ISO/IEC 14496-2).
    Mpeg4Visual(Mpeg4VisualConfig),
    /// MPEG-1 or MPEG-2 video.
    MpegVideo(MpegVideoConfig),
    /// Motion JPEG.
    Jpeg(JpegConfig),
    /// DV, with its sound.
    Dv(DvConfig),
    /// ITU-T H.263.
    H263(H263Config),
    /// Theora.
    Theora(TheoraConfig),
    /// A whole transport stream.
    TransportStream(TransportStreamConfig),
    /// MPEG-4 audio (ISO/IEC 14496-3); a sample is one raw access unit, without ADTS header.
    Aac(AacConfig),
    /// MPEG-1 or MPEG-2 audio, any layer.
    MpegAudio(MpegAudioConfig),
    /// AC-3.
    Ac3(Ac3Config),
    /// E-AC-3.
    Eac3(Ac3Config),
    /// AMR and AMR-WB.
    Amr(AmrConfig),
    /// G.711 mu-law.
    Pcmu(G711Config),
    /// G.711 A-law.
    Pcma(G711Config),
    /// Linear PCM.
    Pcm(PcmConfig),
    /// ITU-T G.722.
    G722(G722Config),
    /// ITU-T G.726.
    G726(G726Config),
    /// IMA ADPCM.
    ImaAdpcm(ImaAdpcmConfig),
    /// Opus (RFC 6716); a sample is one packet.
    Opus(OpusConfig),
    /// Vorbis.
    Vorbis(VorbisConfig),
    /// FLAC (RFC 9639).
    Flac(FlacConfig),
    /// Subtitles.
    Text(TextConfig),
    /// Metadata of a camera.
    Metadata(MetadataConfig),
}

impl Codec {
    /// Whether it is video, audio or something else.
    pub fn kind(&self) -> Kind {
        match self {
            Self::H264(_)
            | Self::H265(_)
            | Self::Av1(_)
            | Self::Vp8(_)
            | Self::Vp9(_)
            | Self::Mpeg4Visual(_)
            | Self::MpegVideo(_)
            | Self::Jpeg(_)
            | Self::Dv(_)
            | Self::H263(_)
            | Self::Theora(_)
            | Self::TransportStream(_) => Kind::Video,
            Self::Aac(_)
            | Self::MpegAudio(_)
            | Self::Ac3(_)
            | Self::Eac3(_)
            | Self::Amr(_)
            | Self::Pcmu(_)
            | Self::Pcma(_)
            | Self::Pcm(_)
            | Self::G722(_)
            | Self::G726(_)
            | Self::ImaAdpcm(_)
            | Self::Opus(_)
            | Self::Vorbis(_)
            | Self::Flac(_) => Kind::Audio,
            Self::Text(_) => Kind::Text,
            Self::Metadata(_) => Kind::Application,
        }
    }

    /// Width and height in pixels as shown, for video whose headers tell.
    pub fn picture_size(&self) -> Option<(u32, u32)> {
        match self {
            Self::H264(config) => {
                config.sps.first().and_then(|sps| h264::SpsInfo::parse(sps)).map(|sps| (sps.width, sps.height))
            }
            Self::H265(config) => {
                config.sps.first().and_then(|sps| h265::SpsInfo::parse(sps)).map(|sps| (sps.width, sps.height))
            }
            Self::Av1(config) => config.size,
            Self::Vp8(config) | Self::Vp9(config) => config.size,
            Self::Mpeg4Visual(config) => config.size,
            Self::MpegVideo(config) => config.size,
            Self::Jpeg(config) => config.size,
            Self::Dv(config) => Some(config.size),
            Self::H263(config) => config.size,
            Self::Theora(config) => Some(config.size),
            _ => None,
        }
    }

    /// Hz of the sound and its channels (0 where only the stream tells), for audio.
    pub fn sound(&self) -> Option<(u32, u16)> {
        Some(match self {
            Self::Aac(config) => (config.sample_rate, config.channels.into()),
            Self::MpegAudio(config) => (config.sample_rate, config.channels.into()),
            Self::Ac3(config) | Self::Eac3(config) => (config.sample_rate, config.channels.into()),
            Self::Amr(config) => (config.sample_rate(), config.channels.into()),
            Self::Pcmu(config) | Self::Pcma(config) => (config.sample_rate, config.channels),
            Self::Pcm(config) => (config.sample_rate, config.channels),
            Self::G722(config) => (16_000, config.channels),
            Self::G726(config) => (config.sample_rate, 1),
            Self::ImaAdpcm(config) => (config.sample_rate, config.channels),
            Self::Opus(config) => (48_000, config.channels.into()),
            Self::Vorbis(config) => (config.sample_rate, config.channels.into()),
            Self::Flac(config) => (config.sample_rate, config.channels.into()),
            _ => return None,
        })
    }

    /// The name a person knows it by.
    pub fn name(&self) -> &'static str {
        match self {
            Self::H264(_) => "H.264",
            Self::H265(_) => "H.265",
            Self::Av1(_) => "AV1",
            Self::Vp8(_) => "VP8",
            Self::Vp9(_) => "VP9",
            Self::Mpeg4Visual(_) => "MPEG-4 part 2",
            Self::MpegVideo(config) => {
                if config.is_mpeg2 {
                    "MPEG-2 video"
                } else {
                    "MPEG-1 video"
                }
            }
            Self::Jpeg(_) => "Motion JPEG",
            Self::Dv(_) => "DV",
            Self::H263(_) => "H.263",
            Self::Theora(_) => "Theora",
            Self::TransportStream(_) => "transport stream",
            Self::Aac(_) => "AAC",
            Self::MpegAudio(config) => ["MP1", "MP1", "MP2", "MP3"][usize::from(config.layer.min(3))],
            Self::Ac3(_) => "AC-3",
            Self::Eac3(_) => "E-AC-3",
            Self::Amr(config) => {
                if config.is_wideband {
                    "AMR-WB"
                } else {
                    "AMR"
                }
            }
            Self::Pcmu(_) => "G.711 mu-law",
            Self::Pcma(_) => "G.711 A-law",
            Self::Pcm(_) => "PCM",
            Self::G722(_) => "G.722",
            Self::G726(_) => "G.726",
            Self::ImaAdpcm(_) => "IMA ADPCM",
            Self::Opus(_) => "Opus",
            Self::Vorbis(_) => "Vorbis",
            Self::Flac(_) => "FLAC",
            Self::Text(_) => "text",
            Self::Metadata(_) => "metadata",
        }
    }
}
