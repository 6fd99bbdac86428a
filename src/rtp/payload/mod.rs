//! One file for each payload format, and the table that picks one for a codec.

mod aac;
mod flac;
mod h264;
mod h265;
mod nal_units;
mod opus;
mod pcm;
#[cfg(test)]
mod testing;
mod xiph;

use super::PacketWriter;
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

    /// Ticks a second of the RTP timestamp.
    fn clock_rate(&self) -> u32;

    /// Writes the packets of `sample`; none when nothing in it can be sent.
    fn packetize(&mut self, sample: &Sample, out: &mut PacketWriter<'_>);
}

/// The payload format for a codec, or why there is none.
///
/// # Errors
/// In words for the log, when the codec is known but this variant of it cannot be carried in RTP.
pub fn payloader_for(codec: &Codec) -> Result<Box<dyn Payloader>, String> {
    Ok(match codec {
        Codec::H264(config) => Box::new(h264::H264::new(config)),
        Codec::H265(config) => Box::new(h265::H265::new(config)),
        Codec::Aac(config) => Box::new(aac::Aac::new(config)),
        Codec::Pcmu(config) => Box::new(pcm::G711::pcmu(*config)),
        Codec::Pcma(config) => Box::new(pcm::G711::pcma(*config)),
        Codec::Pcm(config) => Box::new(pcm::Linear::new(*config)),
        Codec::Opus(config) => Box::new(opus::Opus::new(*config)?),
        Codec::Av1(_) => return Err(no_format(codec)),
        Codec::Vp8(_) => return Err(no_format(codec)),
        Codec::Vp9(_) => return Err(no_format(codec)),
        Codec::Mpeg4Visual(_) => return Err(no_format(codec)),
        Codec::MpegVideo(_) => return Err(no_format(codec)),
        Codec::Jpeg(_) => return Err(no_format(codec)),
        Codec::Dv(_) => return Err(no_format(codec)),
        Codec::H263(_) => return Err(no_format(codec)),
        Codec::Theora(config) => Box::new(xiph::Theora::new(config)?),
        Codec::TransportStream(_) => return Err(no_format(codec)),
        Codec::MpegAudio(_) => return Err(no_format(codec)),
        Codec::Ac3(_) => return Err(no_format(codec)),
        Codec::Eac3(_) => return Err(no_format(codec)),
        Codec::Amr(_) => return Err(no_format(codec)),
        Codec::G722(_) => return Err(no_format(codec)),
        Codec::G726(_) => return Err(no_format(codec)),
        Codec::ImaAdpcm(_) => return Err(no_format(codec)),
        Codec::Vorbis(config) => Box::new(xiph::Vorbis::new(config)?),
        Codec::Flac(config) => Box::new(flac::Flac::new(config)),
        Codec::Text(_) => return Err(no_format(codec)),
        Codec::Metadata(_) => return Err(no_format(codec)),
    })
}

fn no_format(codec: &Codec) -> String {
    format!("{} has no payload format here", codec.name())
}
