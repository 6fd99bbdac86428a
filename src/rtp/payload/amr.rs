//! AMR and AMR-WB over RTP (RFC 4867) in the octet-aligned mode, which is the one that FFmpeg and GStreamer take: one
//! frame-block in each packet, without CRC, interleaving or sorting.

use super::Payloader;
use crate::media::Sample;
use crate::media::codec::AmrConfig;
use crate::rtp::PacketWriter;

/// Codec mode request 15: none (section 4.3.1), and four reserved bits.
const PAYLOAD_HEADER: u8 = 0xf0;
/// In an entry of the table of contents: another one follows. In storage the bit is 0.
const F: u8 = 0x80;

/// The payload format of one AMR or AMR-WB track.
#[derive(Debug)]
pub struct Amr {
    config: AmrConfig,
    /// The last frame-block was speech.
    is_talking: bool,
}

impl Amr {
    /// For a track with this config.
    pub fn new(config: AmrConfig) -> Self {
        Self { config, is_talking: false }
    }

    /// One packet: header, table of contents, and the speech of all channels (section 4.4).
    fn packetize_block(&mut self, data: &[u8], frames: &[(usize, usize)], out: &mut PacketWriter<'_>) {
        out.begin();
        out.inline(&[PAYLOAD_HEADER]);
        for (index, (start, _)) in frames.iter().enumerate() {
            let follows = if index + 1 < frames.len() { F } else { 0 };
            out.inline(&[data[*start] | follows]);
        }
        for (start, end) in frames {
            if end - start > 1 {
                out.sample(start + 1..*end);
            }
        }
        // The marker tells the first speech behind silence (section 4.1).
        let is_talking = frames.first().is_some_and(|(start, _)| self.config.is_speech(data[*start]));
        let begins_talking = is_talking && !self.is_talking;
        self.is_talking = is_talking;
        out.finish_unsplit(begins_talking);
    }
}

impl Payloader for Amr {
    /// Section 8.3: the number of channels may be left out where it is 1, but some receivers ask for it.
    fn rtpmap(&self) -> String {
        let name = if self.config.is_wideband { "AMR-WB" } else { "AMR" };
        format!("{name}/{}/{}", self.config.sample_rate(), self.config.channels.max(1))
    }

    fn fmtp(&self) -> Option<String> {
        Some("octet-align=1".to_owned())
    }

    fn clock_rate(&self) -> u32 {
        self.config.sample_rate()
    }

    /// Frame-blocks without any data are sent as well, though they need not be (section 4.3.2): it is in them that
    /// decoders go on with the comfort noise, and a recording holds them for that. What is no frame at the end of a
    /// sample is left out.
    fn packetize(&mut self, sample: &Sample, out: &mut PacketWriter<'_>) {
        let channels = usize::from(self.config.channels.max(1));
        let data = &sample.data[..];
        let mut frames = Vec::with_capacity(channels);
        let mut position = 0;
        while let Some(header) = data.get(position) {
            let Some(len) = self.config.stored_frame_len(*header).filter(|len| position + len <= data.len()) else {
                return;
            };
            frames.push((position, position + len));
            position += len;
            if frames.len() == channels {
                self.packetize_block(data, &frames, out);
                out.advance(self.config.frame_len());
                frames.clear();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{packets, sample_of};
    use super::*;

    fn amr(is_wideband: bool, channels: u8) -> Amr {
        Amr::new(AmrConfig { is_wideband, channels })
    }

    /// A frame of 4.75 kbit/s: type 0, Q.
    const SPEECH: [u8; 13] = [0x04, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
    /// Comfort noise: type 8, Q.
    const NOISE: [u8; 6] = [0x44, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5];
    /// No data: type 15, Q.
    const NOTHING: [u8; 1] = [0x7c];

    #[test]
    fn sdp_asks_for_the_octet_aligned_mode() {
        assert_eq!((amr(false, 1).rtpmap(), amr(false, 1).fmtp()), ("AMR/8000/1".into(), Some("octet-align=1".into())));
        assert_eq!((amr(true, 2).rtpmap(), amr(true, 2).clock_rate()), ("AMR-WB/16000/2".into(), 16_000));
    }

    #[test]
    fn a_frame_is_header_table_of_contents_and_speech() {
        let mut payloader = amr(false, 1);
        assert_eq!(packets(&mut payloader, &sample_of(SPEECH), 100), ["M+0 f0040102030405060708090a0b0c"]);
    }

    #[test]
    fn every_block_is_sent_and_the_marker_is_on_the_first_speech_behind_silence() {
        let mut payloader = amr(false, 1);
        let data = [&SPEECH[..], &SPEECH, &NOISE, &NOTHING, &SPEECH, &SPEECH, &NOTHING, &SPEECH].concat();
        let markers: Vec<String> = packets(&mut payloader, &sample_of(data), 100)
            .iter()
            .map(|packet| packet.chars().take(9).collect())
            .collect();
        assert_eq!(
            markers,
            ["M+0 f0040", "-+160 f00", "-+320 f04", "-+480 f07", "M+640 f00", "-+800 f00", "-+960 f07", "M+1120 f0"]
        );
    }

    #[test]
    fn wideband_frames_are_twice_as_many_ticks_apart() {
        let frame = [&[0x04][..], &[7; 17]].concat();
        let sent = packets(&mut amr(true, 1), &sample_of([&frame[..], &frame].concat()), 100);
        let seven = "07".repeat(17);
        assert_eq!(sent, [format!("M+0 f004{seven}"), format!("-+320 f004{seven}")]);
    }

    #[test]
    fn channels_share_a_packet_and_all_tables_come_first() {
        let data = [&NOISE[..], &NOTHING, &NOTHING, &NOISE].concat();
        assert_eq!(
            packets(&mut amr(false, 2), &sample_of(data), 100),
            ["-+0 f0c47ca1a2a3a4a5", "-+160 f0fc44a1a2a3a4a5"]
        );
    }

    #[test]
    fn what_is_no_frame_is_left_out() {
        let cut_off = [&NOISE[..], &SPEECH[..12]].concat();
        assert_eq!(packets(&mut amr(false, 1), &sample_of(cut_off), 100), ["-+0 f044a1a2a3a4a5"]);
        for data in [vec![], vec![0x80], vec![0x4c, 1, 2, 3]] {
            assert_eq!(packets(&mut amr(false, 1), &sample_of(data), 100), Vec::<String>::new());
        }
        // One channel of two.
        assert_eq!(packets(&mut amr(false, 2), &sample_of(NOISE), 100), Vec::<String>::new());
    }
}
