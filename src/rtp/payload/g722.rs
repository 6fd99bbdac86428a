//! G.722 over RTP (RFC 3551 section 4.5.2): as many bytes as fit into a packet.

use super::Payloader;
use super::pcm::{self, Values};
use crate::media::Sample;
use crate::media::codec::G722Config;
use crate::rtp::PacketWriter;

/// The payload format of one G.722 track.
#[derive(Debug)]
pub struct G722;

impl G722 {
    /// For a track with this config.
    ///
    /// # Errors
    /// When it has more than one channel: FFmpeg and GStreamer decode one only.
    pub fn new(config: G722Config) -> Result<Self, String> {
        let G722Config { channels } = config;
        if channels > 1 {
            return Err(format!("G.722 of {channels} channels; receivers know one only"));
        }
        Ok(Self)
    }
}

impl Payloader for G722 {
    fn static_payload_type(&self) -> Option<u8> {
        Some(9)
    }

    /// RFC 3551 section 4.5.2: the clock runs at 8000 Hz, though there are 16,000 values a second; an error of RFC 1890
    /// that had to stay.
    fn rtpmap(&self) -> String {
        "G722/8000".to_owned()
    }

    fn fmtp(&self) -> Option<String> {
        None
    }

    fn clock_rate(&self) -> u32 {
        8000
    }

    /// A byte holds two values, so lasts one tick.
    fn packetize(&mut self, sample: &Sample, out: &mut PacketWriter<'_>) {
        pcm::packetize(sample, Values::as_they_are(1), out);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{packets, sample_of};
    use super::*;

    #[test]
    fn a_byte_is_a_tick_of_8000_hz() {
        let mut payloader = G722::new(G722Config { channels: 1 }).unwrap();
        assert_eq!((payloader.static_payload_type(), payloader.rtpmap()), (Some(9), "G722/8000".into()));
        assert_eq!(
            packets(&mut payloader, &sample_of([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]), 9),
            ["-+0 010203040506070809", "-+9 0a0b"]
        );
    }

    #[test]
    fn two_channels_are_refused_with_the_reason() {
        let error = G722::new(G722Config { channels: 2 }).unwrap_err();
        assert_eq!(error, "G.722 of 2 channels; receivers know one only");
    }
}
