//! DV over RTP (RFC 6469): as many whole DIF blocks as fit into a packet, with the sound in them.
//!
//! FFmpeg, GStreamer and VLC take it; GStreamer only what has one channel of 25 Mbit/s.

use super::Payloader;
use crate::media::Sample;
use crate::media::codec::DvConfig;
use crate::media::codec::dv::DIF_BLOCK_LEN;
use crate::rtp::PacketWriter;

/// The payload format of one DV track.
#[derive(Debug)]
pub struct Dv {
    config: DvConfig,
}

impl Dv {
    /// For a track with this config.
    pub fn new(config: DvConfig) -> Self {
        Self { config }
    }
}

impl Payloader for Dv {
    fn rtpmap(&self) -> String {
        "DV/90000".to_owned()
    }

    /// Section 5.1: both are required where sound comes along.
    fn fmtp(&self) -> Option<String> {
        Some(format!("encode={};audio=bundled", self.config.encode))
    }

    fn clock_rate(&self) -> u32 {
        90_000
    }

    /// Section 4.1: the marker ends a frame. What is less than a block at its end is not sent.
    fn packetize(&mut self, sample: &Sample, out: &mut PacketWriter<'_>) {
        let blocks = (out.payload_max() / DIF_BLOCK_LEN).max(1);
        let whole_len = sample.data.len() - sample.data.len() % DIF_BLOCK_LEN;
        let mut position = 0;
        while position < whole_len {
            let end = whole_len.min(position + blocks * DIF_BLOCK_LEN);
            out.begin();
            out.sample(position..end);
            out.finish_unsplit(end == whole_len);
            position = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{packets, sample_of};
    use super::*;

    #[test]
    fn packets_are_whole_blocks_and_the_last_has_the_marker() {
        let mut payloader = Dv::new(DvConfig { encode: "SD-VCR/625-50", frame_len: 144_000, size: (720, 576) });
        assert_eq!(payloader.fmtp().unwrap(), "encode=SD-VCR/625-50;audio=bundled");
        let block = |byte: u8| [byte; DIF_BLOCK_LEN];
        let hex = |byte: u8| format!("{byte:02x}").repeat(DIF_BLOCK_LEN);
        let frame = [&block(1)[..], &block(2), &block(3), &[4; 79]].concat();
        let expected = [format!("-+0 {}{}", hex(1), hex(2)), format!("M+0 {}", hex(3))];
        assert_eq!(packets(&mut payloader, &sample_of(frame), 239), expected);
    }
}
