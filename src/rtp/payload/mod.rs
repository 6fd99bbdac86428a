//! One file for each payload format, and the table that picks one for a codec.

mod aac;
mod ac3;
mod amr;
mod av1;
mod dv;
mod flac;
mod g722;
mod g726;
mod h263;
mod h264;
mod h265;
mod ima_adpcm;
mod jpeg;
mod metadata;
mod mp2t;
mod mpa_robust;
mod mpeg4_visual;
mod mpeg_audio;
mod mpeg_video;
mod nal_units;
mod opus;
mod pcm;
mod t140;
#[cfg(test)]
mod testing;
mod vpx;
mod xiph;

use super::PacketWriter;
use crate::media::codec::MpegAudioConfig;
use crate::media::{Codec, Sample};

/// Splits samples into packets. Which codec facts the SDP needs is its business too.
pub trait Payloader: Send {
    /// The payload type: a static one where RFC 3551 assigns it, else `None` and the session numbers it from 96.
    fn static_payload_type(&self) -> Option<u8> {
        None
    }

    /// What follows the payload type in `a=rtpmap` (RFC 4566 section 6), such as `H264/90000`.
    fn rtpmap(&self) -> String;

    /// What follows the payload type in `a=fmtp`, if anything.
    fn fmtp(&self) -> Option<String>;

    /// Further attributes of the media description, each with its name and value.
    fn attributes(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// Ticks a second of the RTP timestamp.
    fn clock_rate(&self) -> u32;

    /// Writes the packets of `sample`; none when nothing in it can be sent.
    fn packetize(&mut self, sample: &Sample, out: &mut PacketWriter<'_>);
}

/// Where a codec has more than one payload format: which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PayloadOptions {
    /// How layer III of MPEG audio goes out.
    pub mp3: Mp3Format,
}

/// A payload format for layer III of MPEG audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mp3Format {
    /// Frames, as every receiver knows them (RFC 2250).
    #[default]
    Mpa,
    /// Application data units, of which each can be decoded without those before it (RFC 5219).
    Robust,
}

/// The payload format for a codec, or why there is none.
///
/// # Errors
/// In words for the log, when the codec is known but this variant of it cannot be carried in RTP.
pub fn payloader_for(codec: &Codec, options: &PayloadOptions) -> Result<Box<dyn Payloader>, String> {
    Ok(match codec {
        Codec::H264(config) => Box::new(h264::H264::new(config)),
        Codec::H265(config) => Box::new(h265::H265::new(config)),
        Codec::Aac(config) => Box::new(aac::Aac::new(config)),
        Codec::Pcmu(config) => Box::new(pcm::G711::pcmu(*config)),
        Codec::Pcma(config) => Box::new(pcm::G711::pcma(*config)),
        Codec::Pcm(config) => Box::new(pcm::Linear::new(*config)),
        Codec::Opus(config) => Box::new(opus::Opus::new(*config)?),
        Codec::Mpeg4Visual(config) => Box::new(mpeg4_visual::Mpeg4Visual::new(config)),
        Codec::Av1(config) => Box::new(av1::Av1::new(config)),
        Codec::Vp8(_) => Box::new(vpx::Vp8),
        Codec::Vp9(config) => Box::new(vpx::Vp9::new(*config)),
        Codec::MpegVideo(config) => Box::new(mpeg_video::MpegVideo::new(config)),
        Codec::H263(_) => Box::new(h263::H263),
        Codec::Theora(config) => Box::new(xiph::Theora::new(config)?),
        Codec::Jpeg(config) => Box::new(jpeg::Jpeg::new(*config)?),
        Codec::Dv(config) => Box::new(dv::Dv::new(*config)),
        Codec::TransportStream(_) => Box::new(mp2t::Mp2t),
        Codec::G722(config) => Box::new(g722::G722::new(*config)?),
        Codec::G726(config) => Box::new(g726::G726::new(*config)?),
        Codec::ImaAdpcm(config) => Box::new(ima_adpcm::ImaAdpcm::new(*config)),
        Codec::Vorbis(config) => Box::new(xiph::Vorbis::new(config)?),
        Codec::Flac(config) => Box::new(flac::Flac::new(config)),
        Codec::MpegAudio(MpegAudioConfig { layer: 3, .. }) if options.mp3 == Mp3Format::Robust => {
            Box::new(mpa_robust::MpaRobust::default())
        }
        Codec::MpegAudio(_) => Box::new(mpeg_audio::MpegAudio),
        Codec::Ac3(config) => Box::new(ac3::Ac3::plain(*config)),
        Codec::Eac3(config) => Box::new(ac3::Ac3::enhanced(*config)),
        Codec::Amr(config) => Box::new(amr::Amr::new(*config)),
        Codec::Text(config) => Box::new(t140::T140::new(config.clone())),
        Codec::Metadata(config) => Box::new(metadata::Metadata::new(config.clone())?),
    })
}
