//! IMA ADPCM over RTP: decoded, as L16 (RFC 3551 section 4.5.11).
//!
//! Its own payload format, DVI4 (RFC 3551 section 4.5.1), is known to none of FFmpeg, GStreamer and VLC. Decoding gives
//! the values that they would have come to; what is lost is bandwidth, of which a LAN has enough for 16 bits of sound.

use super::Payloader;
use super::pcm;
use crate::media::Sample;
use crate::media::codec::ImaAdpcmConfig;
use crate::rtp::PacketWriter;

/// The payload format of one track of IMA ADPCM.
#[derive(Debug)]
pub struct ImaAdpcm {
    config: ImaAdpcmConfig,
    /// The values of a block.
    values: Vec<i16>,
}

impl ImaAdpcm {
    /// For a track with this config.
    pub fn new(config: ImaAdpcmConfig) -> Self {
        Self { config, values: Vec::new() }
    }
}

impl Payloader for ImaAdpcm {
    fn static_payload_type(&self) -> Option<u8> {
        pcm::l16_payload_type(self.config.sample_rate, self.config.channels)
    }

    fn rtpmap(&self) -> String {
        pcm::rtpmap("L16", self.config.sample_rate, self.config.channels)
    }

    fn fmtp(&self) -> Option<String> {
        None
    }

    fn clock_rate(&self) -> u32 {
        self.config.sample_rate
    }

    fn packetize(&mut self, sample: &Sample, out: &mut PacketWriter<'_>) {
        const VALUE_LEN: usize = 2;
        self.config.decode(&sample.data, &mut self.values);
        let channels = usize::from(self.config.channels.max(1));
        let frames = (out.payload_max() / (VALUE_LEN * channels)).max(1);
        for values in self.values.chunks(frames * channels) {
            out.begin();
            out.inline_with(values.len() * VALUE_LEN, |wire| {
                wire.as_chunks_mut().0.iter_mut().zip(values).for_each(|(wire, value)| *wire = value.to_be_bytes());
            });
            out.finish_unsplit(false);
            out.advance((values.len() / channels) as u32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{packets, sample_of};
    use super::*;

    #[test]
    fn a_block_goes_out_as_the_values_it_stands_for() {
        let config = ImaAdpcmConfig { sample_rate: 44_100, channels: 1, block_len: 8 };
        let mut payloader = ImaAdpcm::new(config);
        assert_eq!((payloader.static_payload_type(), payloader.rtpmap()), (Some(11), "L16/44100".into()));
        assert_eq!(
            packets(&mut payloader, &sample_of([100, 0, 0, 0, 0x07, 0xf8, 0x00, 0x00]), 9),
            ["-+0 0064007100730072", "-+4 005a005d00600062", "-+8 0064"]
        );
        assert_eq!(packets(&mut payloader, &sample_of([1, 2, 3]), 9), Vec::<String>::new());
    }
}
