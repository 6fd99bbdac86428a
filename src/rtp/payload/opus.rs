//! Opus over RTP (RFC 7587): one Opus packet in each RTP packet.

use super::Payloader;
use crate::media::Sample;
use crate::media::codec::OpusConfig;
use crate::rtp::PacketWriter;

/// The longest Opus packet in bytes: 48 frames of 1275 (RFC 6716 section 3.4, R2 and R5), and their lengths.
/// What is longer is damaged and left out.
const OPUS_PACKET_LEN_MAX: usize = 48 * (1275 + 2) + 2;

/// The payload format of one Opus track.
#[derive(Debug)]
pub struct Opus {
    is_stereo: bool,
}

impl Opus {
    /// For a track with this config.
    ///
    /// # Errors
    /// When it has more than one Opus stream inside, which RFC 7587 does not carry. There is a `multiopus` of Chrome
    /// and GStreamer, but FFmpeg, which does not know it, then refuses the pictures beside it too.
    pub fn new(config: OpusConfig) -> Result<Self, String> {
        let OpusConfig { channels, mapping_family, .. } = config;
        if mapping_family != 0 || channels > 2 {
            return Err(format!(
                "Opus with {channels} channels of mapping family {mapping_family}; RFC 7587 carries mono and stereo of \
                 family 0 only"
            ));
        }
        Ok(Self { is_stereo: channels == 2 })
    }
}

impl Payloader for Opus {
    /// RFC 7587 section 7: always 48000 and 2, whatever is inside.
    fn rtpmap(&self) -> String {
        "opus/48000/2".to_owned()
    }

    /// Section 6.1. `sprop-stereo` tells what is sent; receivers that look at `stereo` instead see the same.
    fn fmtp(&self) -> Option<String> {
        Some(if self.is_stereo { "sprop-stereo=1;stereo=1" } else { "sprop-stereo=0;stereo=0" }.to_owned())
    }

    fn clock_rate(&self) -> u32 {
        48_000
    }

    /// Section 4.2: a packet cannot be split. The marker tells the start of a talkspurt, and a recording has no
    /// silence left out, so it is never set (RFC 3551 section 4.1).
    fn packetize(&mut self, sample: &Sample, out: &mut PacketWriter<'_>) {
        if sample.data.is_empty() || sample.data.len() > OPUS_PACKET_LEN_MAX {
            return;
        }
        out.begin();
        out.sample(0..sample.data.len());
        out.finish_unsplit(false);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{packets, sample_of};
    use super::*;

    fn payloader(channels: u8, mapping_family: u8) -> Result<Opus, String> {
        Opus::new(OpusConfig { channels, pre_skip: 312, mapping_family })
    }

    #[test]
    fn rtpmap_is_always_stereo_and_fmtp_tells_what_it_is() {
        let (mono, stereo) = (payloader(1, 0).unwrap(), payloader(2, 0).unwrap());
        assert_eq!((mono.rtpmap(), mono.fmtp().unwrap()), ("opus/48000/2".into(), "sprop-stereo=0;stereo=0".into()));
        assert_eq!(
            (stereo.rtpmap(), stereo.fmtp().unwrap()),
            ("opus/48000/2".into(), "sprop-stereo=1;stereo=1".into())
        );
    }

    #[test]
    fn surround_is_refused_with_the_reason() {
        for (channels, mapping_family) in [(6, 1), (2, 255), (3, 0)] {
            let error = payloader(channels, mapping_family).unwrap_err();
            assert!(error.starts_with(&format!("Opus with {channels} channels of mapping family")), "{error}");
        }
    }

    #[test]
    fn a_packet_longer_than_the_maximum_goes_out_whole_and_an_impossible_one_not_at_all() {
        let mut payloader = payloader(2, 0).unwrap();
        assert_eq!(packets(&mut payloader, &sample_of([0xfc, 0xff, 0xfe]), 100), ["-+0 fcfffe"]);
        let long = packets(&mut payloader, &sample_of([0xfc; 1275]), 100);
        assert_eq!(long, [format!("-+0 {}", "fc".repeat(1275))]);
        for impossible in [vec![], vec![0xff; OPUS_PACKET_LEN_MAX + 1]] {
            assert_eq!(packets(&mut payloader, &sample_of(impossible), 100), Vec::<String>::new());
        }
    }
}
