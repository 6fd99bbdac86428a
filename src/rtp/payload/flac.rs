//! FLAC over RTP, for which there is no payload format: as the linear PCM that it decodes to, bit for bit (RFC 3551
//! section 4.5.11, RFC 3190). This is the one place where media are decoded, at some 0.5 % of a core for stereo of
//! 48 kHz; all other containers and codecs go out as they are.

use super::Payloader;
use super::pcm::Linear;
use crate::media::Sample;
use crate::media::codec::flac::Decoder;
use crate::media::codec::{FlacConfig, PcmConfig, PcmFormat};
use crate::rtp::PacketWriter;

/// The payload format of one FLAC track: L16 for up to 16 bits a sample, else L24. Of 32 bits the lowest 8 are left out.
#[derive(Debug)]
pub struct Flac {
    config: FlacConfig,
    linear: Linear,
    value_len: usize,
    decoder: Decoder,
    /// What a frame decodes to.
    decoded: Sample,
}

impl Flac {
    /// For a track with this config.
    pub fn new(config: &FlacConfig) -> Self {
        let (value_len, format) =
            if config.bits_per_sample <= 16 { (2, PcmFormat::S16Le) } else { (3, PcmFormat::S24Le) };
        let pcm = PcmConfig { format, sample_rate: config.sample_rate, channels: config.channels.into() };
        Self {
            config: config.clone(),
            linear: Linear::new(pcm),
            value_len,
            decoder: Decoder::default(),
            decoded: Sample::default(),
        }
    }
}

impl Payloader for Flac {
    fn static_payload_type(&self) -> Option<u8> {
        self.linear.static_payload_type()
    }

    fn rtpmap(&self) -> String {
        self.linear.rtpmap()
    }

    fn fmtp(&self) -> Option<String> {
        self.linear.fmtp()
    }

    fn clock_rate(&self) -> u32 {
        self.linear.clock_rate()
    }

    /// A damaged frame is left out.
    fn packetize(&mut self, sample: &Sample, out: &mut PacketWriter<'_>) {
        self.decoded.clear();
        if let Some(decoded) = self.decoder.decode(&sample.data, &self.config) {
            decoded.append_to(&mut self.decoded.data, self.value_len);
            self.linear.packetize(&self.decoded, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{packets, sample_of};
    use super::*;
    use crate::media::codec::flac::testing::{Coding, config, frame};
    use crate::media::codec::flac::{Channels, Number};

    #[test]
    fn sixteen_bits_and_less_are_l16_and_more_are_l24() {
        let rows = [
            (44_100, 2, 16, "L16/44100/2", Some(10)),
            (44_100, 1, 12, "L16/44100", Some(11)),
            (8000, 1, 8, "L16/8000", None),
            (48_000, 2, 20, "L24/48000/2", None),
            (96_000, 6, 24, "L24/96000/6", None),
            (192_000, 8, 32, "L24/192000/8", None),
        ];
        for (sample_rate, channels, bits, rtpmap, payload_type) in rows {
            let flac = Flac::new(&config(sample_rate, channels, bits, 4096));
            assert_eq!((&flac.rtpmap()[..], flac.static_payload_type()), (rtpmap, payload_type));
            assert_eq!((flac.clock_rate(), flac.fmtp()), (sample_rate, None));
        }
    }

    #[test]
    fn a_frame_goes_out_as_its_samples_in_network_order_with_timestamps_that_count_them() {
        let config = config(48_000, 2, 16, 16);
        let channels = [(0..16).collect(), (0..16).map(|value| -value).collect()];
        let frame = frame(&config, Number::Frame(0), Channels::LeftSide, &channels, &Coding::Verbatim);
        let mut payloader = Flac::new(&config);
        let sent = packets(&mut payloader, &sample_of(frame.clone()), 40);
        assert_eq!(sent.len(), 2);
        assert!(sent[0].starts_with("-+0 000000000001ffff0002fffe0003fffd"), "{}", sent[0]);
        assert!(sent[1].starts_with("-+10 000afff6000bfff5"), "{}", sent[1]);

        let mut damaged = frame;
        damaged[20] ^= 1;
        assert_eq!(packets(&mut payloader, &sample_of(damaged), 40), Vec::<String>::new());
        assert_eq!(packets(&mut payloader, &sample_of([]), 40), Vec::<String>::new());
    }
}
