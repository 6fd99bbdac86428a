//! VP8 over RTP (RFC 7741) and VP9 over RTP (RFC 9628): a frame, cut anywhere, behind a payload descriptor.

use super::Payloader;
use crate::media::Sample;
use crate::media::codec::VpxConfig;
use crate::media::codec::vpx::FrameHeader;
use crate::rtp::PacketWriter;

/// The payload format of one VP8 track.
///
/// The descriptor is its one required byte. There is no PictureID: receivers that have one take any gap in it for loss,
/// while those without go by sequence numbers, which have gaps only where packets were lost indeed. The partition index
/// is 0 throughout, which RFC 7741 section 4.2 allows.
#[derive(Debug)]
pub struct Vp8;

impl Payloader for Vp8 {
    fn rtpmap(&self) -> String {
        "VP8/90000".to_owned()
    }

    /// `max-fr` and `max-fs` of section 6.1 are what a receiver can take.
    fn fmtp(&self) -> Option<String> {
        None
    }

    fn clock_rate(&self) -> u32 {
        90_000
    }

    fn packetize(&mut self, sample: &Sample, out: &mut PacketWriter<'_>) {
        /// Start of VP8 partition.
        const S: u8 = 0x10;
        let data_max = out.payload_max() - 1;
        let mut descriptor = S;
        let mut position = 0;
        while position < sample.data.len() {
            let end = sample.data.len().min(position + data_max);
            out.begin();
            out.inline(&[descriptor]);
            out.sample(position..end);
            out.finish(end == sample.data.len());
            (position, descriptor) = (end, 0);
        }
    }
}

/// The payload format of one VP9 track, in non-flexible mode, without layers. A superframe counts as one frame.
///
/// The first packet of a key frame tells the picture's size in a scalability structure, because GStreamer takes it from
/// there only; with it, every packet needs a PictureID (RFC 9628 section 4.2).
#[derive(Debug)]
pub struct Vp9 {
    profile: Option<u8>,
    /// 15 bits.
    picture_id: u16,
}

impl Vp9 {
    /// For a track with this config.
    pub fn new(config: VpxConfig) -> Self {
        Self { profile: config.profile, picture_id: 0 }
    }
}

// The bits of the payload descriptor.
const I: u8 = 0x80;
const P: u8 = 0x40;
const B: u8 = 0x08;
const E: u8 = 0x04;
const V: u8 = 0x02;

/// Bytes of a scalability structure with the size of one layer.
const STRUCTURE_LEN: usize = 5;

/// N_S 0: one layer; Y: its size follows; no G: nothing is said of which pictures others refer to (section 4.2.1).
fn scalability_structure((width, height): (u32, u32)) -> [u8; STRUCTURE_LEN] {
    const Y: u8 = 0x10;
    // A VP9 header has 16 bits for one less, so that 65536 is possible and cannot be told here.
    let dimension = |pixels: u32| u16::try_from(pixels).unwrap_or(u16::MAX).to_be_bytes();
    let ([w0, w1], [h0, h1]) = (dimension(width), dimension(height));
    [Y, w0, w1, h0, h1]
}

impl Payloader for Vp9 {
    fn rtpmap(&self) -> String {
        "VP9/90000".to_owned()
    }

    /// Section 6.
    fn fmtp(&self) -> Option<String> {
        self.profile.map(|profile| format!("profile-id={profile}"))
    }

    fn clock_rate(&self) -> u32 {
        90_000
    }

    /// The marker is on the last packet of a picture, as E is.
    fn packetize(&mut self, sample: &Sample, out: &mut PacketWriter<'_>) {
        const LONG: u16 = 0x8000;
        let header = FrameHeader::vp9(&sample.data);
        let key = header.filter(|header| header.is_key);
        let structure = key.and_then(|key| key.size).map(scalability_structure);
        let predicted = if key.is_some() { 0 } else { P };
        let picture_id = (LONG | self.picture_id).to_be_bytes();
        self.picture_id = (self.picture_id + 1) % LONG;

        let mut position = 0;
        while position < sample.data.len() {
            let begins = position == 0;
            let structure = structure.as_ref().filter(|_| begins && out.payload_max() > 3 + STRUCTURE_LEN);
            let head_len = 3 + structure.map_or(0, |structure| structure.len());
            let end = sample.data.len().min(position + out.payload_max() - head_len);
            let ends = end == sample.data.len();
            let mut flags = I | predicted;
            flags |= if begins { B } else { 0 };
            flags |= if ends { E } else { 0 };
            flags |= if structure.is_some() { V } else { 0 };
            out.begin();
            out.inline(&[flags, picture_id[0], picture_id[1]]);
            if let Some(structure) = structure {
                out.inline(structure);
            }
            out.sample(position..end);
            out.finish(ends);
            position = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{packets, sample_of};
    use super::*;

    #[test]
    fn vp8_marks_where_a_frame_begins_and_ends() {
        assert_eq!((Vp8.rtpmap(), Vp8.fmtp()), ("VP8/90000".into(), None));
        let sample = sample_of([0x31, 1, 2, 3, 4, 5, 6]);
        assert_eq!(packets(&mut Vp8, &sample, 9), ["M+0 1031010203040506"]);
        let sample = sample_of([&[0x31; 8][..], &[0x32; 8], &[0x33; 3]].concat());
        let expected = ["-+0 103131313131313131", "-+0 003232323232323232", "M+0 00333333"];
        assert_eq!(packets(&mut Vp8, &sample, 9), expected);
        assert_eq!(packets(&mut Vp8, &sample_of([]), 9), Vec::<String>::new());
    }

    #[test]
    fn vp9_tells_the_size_with_each_key_frame_and_numbers_pictures() {
        let mut payloader = Vp9::new(VpxConfig { size: None, profile: Some(2) });
        assert_eq!((payloader.rtpmap(), payloader.fmtp()), ("VP9/90000".into(), Some("profile-id=2".into())));
        assert_eq!(Vp9::new(VpxConfig::default()).fmtp(), None);
        // Profile 0, key, shown; sync code; BT.601; 352 by 288.
        let key = [0x82, 0x49, 0x83, 0x42, 0x20, 0x15, 0xf0, 0x11, 0xf0, 0xaa, 0xbb, 0xcc];
        // I B V, PictureID 0; N_S 0 and Y, width, height; the frame. Then I E.
        let expected = ["-+0 8a80001001600120824983422015f011", "M+0 848000f0aabbcc"];
        assert_eq!(packets(&mut payloader, &sample_of(key), 16), expected);
        // I P B E, PictureID 1: not a key frame.
        assert_eq!(packets(&mut payloader, &sample_of([0x86, 0x01]), 16), ["M+0 cc80018601"]);
        payloader.picture_id = 0x7fff;
        assert_eq!(packets(&mut payloader, &sample_of([0x86]), 16), ["M+0 ccffff86"]);
        assert_eq!(packets(&mut payloader, &sample_of([0x86]), 16), ["M+0 cc800086"]);
    }
}
