//! MPEG-4 part 2 video over RTP (RFC 6416 section 5): the headers and the VOP of a sample, in as many packets as it
//! takes.
//!
//! A key frame that lacks the headers which configure a decoder is sent with them: some decoders ignore the SDP's.

use super::Payloader;
use crate::media::Sample;
use crate::media::codec::Mpeg4VisualConfig;
use crate::media::codec::mpeg4_visual::{ConfigHeaders, VOP};
use crate::media::codec::nal::find_start_code;
use crate::rtp::PacketWriter;

/// Room that must be left in a packet for a VOP to begin there: more than its header has, which must not be split.
const VOP_HEADER_MAX: usize = 64;

/// The payload format of one track.
#[derive(Debug)]
pub struct Mpeg4Visual {
    profile_level: u8,
    /// What the SDP tells.
    config: Vec<u8>,
    /// The headers in force.
    headers: Vec<u8>,
}

impl Mpeg4Visual {
    /// For a track with this config.
    pub fn new(config: &Mpeg4VisualConfig) -> Self {
        let Mpeg4VisualConfig { config, profile_level, .. } = config;
        Self { profile_level: *profile_level, config: config.clone(), headers: config.clone() }
    }
}

impl Payloader for Mpeg4Visual {
    fn rtpmap(&self) -> String {
        "MP4V-ES/90000".to_owned()
    }

    /// RFC 6416 section 7.1.
    fn fmtp(&self) -> Option<String> {
        let profile_level = self.profile_level;
        if self.config.is_empty() {
            return Some(format!("profile-level-id={profile_level}"));
        }
        let config: String = self.config.iter().map(|byte| format!("{byte:02X}")).collect();
        Some(format!("profile-level-id={profile_level};config={config}"))
    }

    fn clock_rate(&self) -> u32 {
        90_000
    }

    /// Section 5.2: headers are at the beginning of a packet, before what they belong to, and none is split. The
    /// marker is on the last packet of the VOP (section 5.1).
    fn packetize(&mut self, sample: &Sample, out: &mut PacketWriter<'_>) {
        let data = &sample.data[..];
        let own = ConfigHeaders::parse(data);
        let mut prefix: &[u8] = &[];
        if own.layer().is_some() {
            self.headers.clear();
            self.headers.extend_from_slice(own.bytes());
        } else if sample.is_sync && self.headers.len() <= out.payload_max() {
            prefix = &self.headers;
        }
        send(prefix, data, out);
    }
}

/// Sends the headers `prefix` and `data` behind them.
fn send(prefix: &[u8], data: &[u8], out: &mut PacketWriter<'_>) {
    let payload_max = out.payload_max();
    let mut len = 0;
    if !prefix.is_empty() && !data.is_empty() {
        out.begin();
        out.inline(prefix);
        len = prefix.len();
    }
    let mut position = 0;
    while position < data.len() {
        // The headers of the sample, one by one; then the VOP, and what is behind it, as it comes.
        let is_vop = data[position..].starts_with(&[0, 0, 1, VOP]);
        let end = if is_vop { data.len() } else { find_start_code(data, position + 1).unwrap_or(data.len()) };
        let needed = if is_vop { VOP_HEADER_MAX.min(end - position) } else { end - position };
        if len > 0 && len + needed > payload_max {
            out.finish(false);
            len = 0;
        }
        while position < end {
            if len == 0 {
                out.begin();
            }
            let part_end = end.min(position + payload_max - len);
            out.sample(position..part_end);
            len += part_end - position;
            position = part_end;
            if len == payload_max || position == data.len() {
                out.finish(position == data.len());
                len = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{packets, sample_of};
    use super::*;

    const HEADERS: [u8; 11] = [0, 0, 1, 0xb0, 1, 0, 0, 1, 0x20, 0x77, 0x88];
    const HEADERS_HEX: &str = "000001b00100000120";

    fn payloader(config: &[u8]) -> Mpeg4Visual {
        Mpeg4Visual::new(&Mpeg4VisualConfig { config: config.to_vec(), profile_level: 245, ..Default::default() })
    }

    #[test]
    fn sdp_has_the_profile_and_the_headers_where_they_are_known() {
        let payloader_with = payloader(&[0, 0, 1, 0xb0, 0xf5]);
        assert_eq!(payloader_with.rtpmap(), "MP4V-ES/90000");
        assert_eq!(payloader_with.fmtp().unwrap(), "profile-level-id=245;config=000001B0F5");
        assert_eq!(payloader(&[]).fmtp().unwrap(), "profile-level-id=245");
    }

    #[test]
    fn a_vop_goes_out_in_full_packets_with_the_marker_on_the_last() {
        let mut payloader = payloader(&[]);
        let vop = sample_of([0, 0, 1, 0xb6, 1, 2, 3, 4, 5]);
        assert_eq!(packets(&mut payloader, &vop, 9), ["M+0 000001b60102030405"]);
        assert_eq!(packets(&mut payloader, &vop, 10), ["M+0 000001b60102030405"]);
        let long = sample_of([&[0, 0, 1, 0xb6][..], &[7; 18]].concat());
        assert_eq!(
            packets(&mut payloader, &long, 10),
            ["-+0 000001b6070707070707", "-+0 07070707070707070707", "M+0 0707"]
        );
        assert_eq!(packets(&mut payloader, &sample_of([]), 100), Vec::<String>::new());
    }

    #[test]
    fn headers_are_not_split_and_a_vop_begins_behind_them_only_if_its_own_header_fits() {
        let mut payloader = payloader(&[]);
        let group = [0, 0, 1, 0xb3, 9, 9, 9];
        let sample = sample_of([&HEADERS[..], &group, &[0, 0, 1, 0xb6, 1, 2]].concat());
        assert_eq!(packets(&mut payloader, &sample, 24), [format!("M+0 {HEADERS_HEX}7788000001b3090909000001b60102")]);
        assert_eq!(
            packets(&mut payloader, &sample, 20),
            [format!("-+0 {HEADERS_HEX}7788000001b3090909"), "M+0 000001b60102".into()]
        );
        assert_eq!(
            packets(&mut payloader, &sample, 13),
            ["-+0 000001b00100000120".to_owned() + "7788", "M+0 000001b3090909000001b60102".into()]
        );
    }

    #[test]
    fn a_key_frame_without_headers_gets_those_of_the_track_or_the_last_ones_of_the_stream() {
        let mut payloader = payloader(&[0, 0, 1, 0x00]);
        let vop = sample_of([0, 0, 1, 0xb6, 1, 2]);
        let key = Sample { is_sync: true, ..vop.clone() };
        assert_eq!(packets(&mut payloader, &key, 100), ["M+0 00000100000001b60102"]);
        assert_eq!(packets(&mut payloader, &vop, 100), ["M+0 000001b60102"]);
    }
}
