//! One file for each payload format, and the table that picks one for a codec.

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

    /// Writes the packets of `sample`.
    fn packetize(&mut self, sample: &Sample, out: &mut PacketWriter<'_>);
}

/// The payload format for a codec, or why there is none.
///
/// # Errors
/// In words for the log, when the codec is known but this variant of it cannot be carried in RTP.
pub fn payloader_for(codec: &Codec) -> Result<Box<dyn Payloader>, String> {
    let _ = codec;
    Err("none yet".to_owned())
}
