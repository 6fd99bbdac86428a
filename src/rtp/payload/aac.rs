//! AAC over RTP (RFC 3640, mode AAC-hbr): one access unit in each packet, longer ones in fragments.

use super::Payloader;
use crate::media::Sample;
use crate::media::codec::AacConfig;
use crate::rtp::PacketWriter;

/// The longest access unit in bytes: its size has 13 bits (RFC 3640 section 3.3.6). The standard allows 768 bytes for
/// a channel (ISO/IEC 14496-3 section 4.5.3.1), so what is longer is damaged even with 8 channels. It is left out.
const ACCESS_UNIT_LEN_MAX: usize = 8191;
/// AU-headers-length, and one AU-header.
const HEADERS_LEN: usize = 4;
/// What the SDP tells of a stream whose channels are only in a program config element within. Most have two, and the
/// decoder goes by the `config` anyway.
const CHANNELS_DEFAULT: u8 = 2;

/// The payload format of one AAC track.
#[derive(Debug)]
pub struct Aac {
    config: AacConfig,
}

impl Aac {
    /// For a track with this config.
    pub fn new(config: &AacConfig) -> Self {
        Self { config: config.clone() }
    }

    fn channels(&self) -> u8 {
        if self.config.channels == 0 { CHANNELS_DEFAULT } else { self.config.channels }
    }
}

impl Payloader for Aac {
    /// With channels even if it is one: ExoPlayer makes its own AudioSpecificConfig from them and the rate.
    fn rtpmap(&self) -> String {
        format!("mpeg4-generic/{}/{}", self.config.sample_rate, self.channels())
    }

    /// RFC 3640 section 4.1.
    fn fmtp(&self) -> Option<String> {
        let profile_level = profile_level_indication(&self.config.asc, self.config.sample_rate, self.channels());
        let config: String = self.config.asc.iter().map(|byte| format!("{byte:02X}")).collect();
        Some(format!(
            "streamtype=5;profile-level-id={profile_level};mode=AAC-hbr;sizelength=13;indexlength=3;\
             indexdeltalength=3;config={config}"
        ))
    }

    fn clock_rate(&self) -> u32 {
        self.config.sample_rate
    }

    /// RFC 3640 section 3.3.6. The size in the header is that of the whole access unit, in every fragment; the marker
    /// is set on the last one.
    ///
    /// ```text
    ///  0                   1                   2                   3
    ///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    /// |   AU-headers-length = 16      |         AU-size         |index|
    /// ```
    fn packetize(&mut self, sample: &Sample, out: &mut PacketWriter<'_>) {
        let len = sample.data.len();
        if len > ACCESS_UNIT_LEN_MAX {
            return;
        }
        let [size_high, size_low] = ((len as u16) << 3).to_be_bytes();
        let fragment_max = out.payload_max() - HEADERS_LEN;
        let mut position = 0;
        while position < len {
            let end = len.min(position + fragment_max);
            out.begin();
            out.inline(&[0, 16, size_high, size_low]);
            out.sample(position..end);
            out.finish(end == len);
            position = end;
        }
    }
}

/// audioProfileLevelIndication (ISO/IEC 14496-3 table 1.14): the lowest level of the profile that covers the stream.
///
/// 42, level 4 of the AAC profile, is never said although it would fit five channels at 48 kHz: ExoPlayer takes the
/// number for an audio object type, of which 42 is xHE-AAC. Level 5 covers them too.
fn profile_level_indication(asc: &[u8], core_rate: u32, channels: u8) -> u8 {
    const UNSPECIFIED: u8 = 0xfe;
    let object_type = asc.first().map_or(0, |byte| byte >> 3);
    // Channels of levels do not count the low frequency one: up to 6 are at most 5.1.
    match (object_type, channels) {
        (2, 0..=2) if core_rate <= 24_000 => 0x28,  // AAC profile, level 1
        (2, 0..=2) if core_rate <= 48_000 => 0x29,  // level 2
        (2, 0..=6) if core_rate <= 96_000 => 0x2b,  // level 5
        (2, _) if core_rate <= 48_000 => 0x50,      // level 6
        (2, _) if core_rate <= 96_000 => 0x51,      // level 7
        (5, 0..=2) if core_rate <= 24_000 => 0x2c,  // High Efficiency AAC profile, level 2
        (5, 0..=2) if core_rate <= 48_000 => 0x2d,  // level 3
        (5, 0..=6) if core_rate <= 24_000 => 0x2e,  // level 4
        (5, 0..=6) if core_rate <= 48_000 => 0x2f,  // level 5
        (29, 0..=2) if core_rate <= 24_000 => 0x30, // High Efficiency AAC v2 profile, level 2
        (29, 0..=2) if core_rate <= 48_000 => 0x31, // level 3
        _ => UNSPECIFIED,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{packets, sample_of};
    use super::*;

    fn payloader(asc: &[u8]) -> Aac {
        Aac::new(&AacConfig::parse(asc, 0).unwrap())
    }

    #[test]
    fn sdp_has_the_config_and_a_profile_that_covers_it() {
        for (asc, rtpmap, profile_level) in [
            (&[0x15, 0x88][..], "mpeg4-generic/8000/1", 40),
            (&[0x13, 0x10], "mpeg4-generic/24000/2", 40),
            (&[0x11, 0x90], "mpeg4-generic/48000/2", 41),
            (&[0x11, 0xb0], "mpeg4-generic/48000/6", 43), // not 42, see there
            (&[0x11, 0xb8], "mpeg4-generic/48000/8", 80),
            (&[0x11, 0x80, 0x04, 0xc8], "mpeg4-generic/48000/2", 41), // a program config element
            (&[0x10, 0x10], "mpeg4-generic/96000/2", 43),
            (&[0x10, 0x38], "mpeg4-generic/96000/8", 81),
            (&[0x2b, 0x92, 0x08, 0x00], "mpeg4-generic/22050/2", 44),
            (&[0xeb, 0x8a, 0x08, 0x00], "mpeg4-generic/22050/1", 48),
            (&[0x09, 0x90], "mpeg4-generic/48000/2", 254), // Main
        ] {
            let payloader = payloader(asc);
            let config: String = asc.iter().map(|byte| format!("{byte:02X}")).collect();
            let fmtp = format!(
                "streamtype=5;profile-level-id={profile_level};mode=AAC-hbr;sizelength=13;indexlength=3;\
                 indexdeltalength=3;config={config}"
            );
            assert_eq!((payloader.rtpmap().as_str(), payloader.fmtp()), (rtpmap, Some(fmtp)), "{asc:02x?}");
        }
    }

    #[test]
    fn an_access_unit_that_fits_is_one_packet_and_a_longer_one_is_fragments_with_its_whole_size() {
        let mut payloader = payloader(&[0x11, 0x90]);
        let unit = sample_of([1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(packets(&mut payloader, &unit, 12), ["M+0 001000400102030405060708"]);
        assert_eq!(packets(&mut payloader, &unit, 9), ["-+0 001000400102030405", "M+0 00100040060708"]);
    }

    #[test]
    fn an_access_unit_whose_size_needs_14_bits_is_left_out_and_so_is_an_empty_one() {
        let mut payloader = payloader(&[0x11, 0x90]);
        assert_eq!(packets(&mut payloader, &sample_of([]), 1000), Vec::<String>::new());
        assert_eq!(packets(&mut payloader, &sample_of([7; 8192]), 1000), Vec::<String>::new());
        let longest = packets(&mut payloader, &sample_of([7; 8191]), 1004);
        assert_eq!(longest.len(), 9);
        assert!(longest[0].starts_with("-+0 0010fff80707"), "{}", longest[0]);
    }
}
