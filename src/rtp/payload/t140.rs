//! Text over RTP (RFC 4103), one cue in a packet and no redundancy. An empty cue, which clears the display, is an empty
//! packet, as LIVE555 sends it.

use super::Payloader;
use crate::media::Sample;
use crate::media::codec::TextConfig;
use crate::rtp::PacketWriter;

/// The payload format of one text track.
#[derive(Debug)]
pub struct T140 {
    config: TextConfig,
}

impl T140 {
    /// For a track with this config.
    pub fn new(config: TextConfig) -> Self {
        Self { config }
    }
}

impl Payloader for T140 {
    fn rtpmap(&self) -> String {
        "t140/1000".to_owned()
    }

    fn fmtp(&self) -> Option<String> {
        None
    }

    /// VLC names the track by it (RFC 4566 section 6, `a=lang`).
    fn attributes(&self) -> Vec<(&'static str, String)> {
        let is_tag = |language: &&String| {
            !language.is_empty() && language.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        self.config.language.iter().filter(is_tag).map(|language| ("lang", language.clone())).collect()
    }

    fn clock_rate(&self) -> u32 {
        1000
    }

    /// Section 4: a packet holds whole characters; the marker tells that none were sent for a while, as before a cue.
    fn packetize(&mut self, sample: &Sample, out: &mut PacketWriter<'_>) {
        let text = &sample.data;
        let mut position = 0;
        loop {
            let end = end_of_characters(text, position, out.payload_max());
            out.begin();
            out.sample(position..end);
            out.finish(position == 0);
            position = end;
            if position == text.len() {
                return;
            }
        }
    }
}

/// Where at most `len` bytes from `start` on end with a whole UTF-8 character; in what is none, anywhere.
fn end_of_characters(text: &[u8], start: usize, len: usize) -> usize {
    const CHARACTER_LEN_MAX: usize = 4;
    let end = text.len().min(start + len);
    let is_boundary = |at: &usize| text.get(*at).is_none_or(|byte| byte & 0xC0 != 0x80);
    (end.saturating_sub(CHARACTER_LEN_MAX - 1)..=end).rev().filter(|at| *at > start).find(is_boundary).unwrap_or(end)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{packets, sample_of};
    use super::*;

    fn payloader(language: Option<&str>) -> T140 {
        T140::new(TextConfig { language: language.map(str::to_owned) })
    }

    #[test]
    fn a_cue_goes_out_with_the_marker_and_an_empty_one_as_an_empty_packet() {
        assert_eq!(packets(&mut payloader(None), &sample_of("Hi"), 100), ["M+0 4869"]);
        assert_eq!(packets(&mut payloader(None), &sample_of(""), 100), ["M+0 "]);
    }

    #[test]
    fn a_long_cue_is_cut_between_characters() {
        let cue = "1234567€äöü"; // € has three bytes, the others two
        assert_eq!(packets(&mut payloader(None), &sample_of(cue), 9), ["M+0 31323334353637", "-+0 e282acc3a4c3b6c3bc"]);
        let noise = vec![0x80; 20];
        assert_eq!(packets(&mut payloader(None), &sample_of(noise), 9).len(), 3);
    }

    #[test]
    fn the_language_is_told_where_it_is_one() {
        assert_eq!(payloader(Some("de-CH")).attributes(), [("lang", "de-CH".to_owned())]);
        for none in [None, Some(""), Some("de\r\na=x")] {
            assert_eq!(payloader(none).attributes(), []);
        }
    }
}
