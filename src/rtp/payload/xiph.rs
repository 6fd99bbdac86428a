//! Vorbis over RTP (RFC 5215), and Theora in the same manner (draft-barbato-avt-rtp-theora): one packet of the codec in
//! each RTP packet, longer ones in fragments.
//!
//! The header packets go into the SDP, packed as RFC 5215 section 3.2.1 has it: a receiver needs them before anything
//! else, and FFmpeg and VLC take them from nowhere else. Nothing is sent in band.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! |                     Ident                     | F |VDT|# pkts.|  section 2.2; then for each packet:
//! |            length             |  data ..                         section 2.3
//! ```

use base64::prelude::{BASE64_STANDARD, Engine};

use super::Payloader;
use crate::media::Sample;
use crate::media::codec::xiph::Chroma;
use crate::media::codec::{TheoraConfig, VorbisConfig};
use crate::rtp::PacketWriter;

/// Payload header and the length of the one packet behind it.
const HEADER_LEN: usize = 6;
/// The RTP clock of Theora.
const THEORA_CLOCK_RATE: u32 = 90_000;

/// The payload format of one Vorbis track.
#[derive(Debug)]
pub struct Vorbis {
    sample_rate: u32,
    channels: u8,
    configuration: Configuration,
}

impl Vorbis {
    /// For a track with this config.
    ///
    /// # Errors
    /// When its headers are longer than a configuration can be.
    pub fn new(config: &VorbisConfig) -> Result<Self, String> {
        let configuration = Configuration::pack(&config.headers)?;
        Ok(Self { sample_rate: config.sample_rate, channels: config.channels, configuration })
    }
}

impl Payloader for Vorbis {
    fn rtpmap(&self) -> String {
        format!("VORBIS/{}/{}", self.sample_rate, self.channels)
    }

    /// RFC 5215 section 6.1 and 7.1.
    fn fmtp(&self) -> Option<String> {
        Some(format!("configuration={}", self.configuration.base64))
    }

    fn clock_rate(&self) -> u32 {
        self.sample_rate
    }

    fn packetize(&mut self, sample: &Sample, out: &mut PacketWriter<'_>) {
        packetize(self.configuration.ident, sample, out);
    }
}

/// The payload format of one Theora track.
#[derive(Debug)]
pub struct Theora {
    coded_size: (u32, u32),
    chroma: Chroma,
    configuration: Configuration,
}

impl Theora {
    /// For a track with this config.
    ///
    /// # Errors
    /// When its headers are longer than a configuration can be.
    pub fn new(config: &TheoraConfig) -> Result<Self, String> {
        let configuration = Configuration::pack(&config.headers)?;
        Ok(Self { coded_size: config.coded_size, chroma: config.chroma, configuration })
    }
}

impl Payloader for Theora {
    fn rtpmap(&self) -> String {
        format!("THEORA/{THEORA_CLOCK_RATE}")
    }

    /// The draft's section 6.1. Width and height are those of what is coded, multiples of 16.
    fn fmtp(&self) -> Option<String> {
        let sampling = match self.chroma {
            Chroma::Yuv420 => "YCbCr-4:2:0",
            Chroma::Yuv422 => "YCbCr-4:2:2",
            Chroma::Yuv444 => "YCbCr-4:4:4",
        };
        let ((width, height), configuration) = (self.coded_size, &self.configuration.base64);
        Some(format!(
            "sampling={sampling};width={width};height={height};delivery-method=out_band;configuration={configuration}"
        ))
    }

    fn clock_rate(&self) -> u32 {
        THEORA_CLOCK_RATE
    }

    fn packetize(&mut self, sample: &Sample, out: &mut PacketWriter<'_>) {
        packetize(self.configuration.ident, sample, out);
    }
}

/// The header packets as the SDP has them, and the number that every packet refers to them by.
#[derive(Debug)]
struct Configuration {
    ident: [u8; 3],
    base64: String,
}

impl Configuration {
    /// RFC 5215 section 3.2.1: the number of packed headers, and for the one that it is: its ident, the bytes of all
    /// header packets, their number less one, the lengths of all but the last in groups of 7 bits.
    fn pack(headers: &[Vec<u8>; 3]) -> Result<Self, String> {
        let len: usize = headers.iter().map(Vec::len).sum();
        let len = u16::try_from(len)
            .map_err(|_| format!("headers of {len} bytes; RFC 5215 section 3.2.1 has room for 65535"))?;
        let ident = ident(headers);
        let mut packed = vec![0, 0, 0, 1];
        packed.extend_from_slice(&ident);
        packed.extend_from_slice(&len.to_be_bytes());
        packed.push(2);
        push_len(&mut packed, headers[0].len());
        push_len(&mut packed, headers[1].len());
        headers.iter().for_each(|header| packed.extend_from_slice(header));
        Ok(Self { ident, base64: BASE64_STANDARD.encode(packed) })
    }
}

/// Big-endian groups of 7 bits; the first bit of each byte tells that another follows.
fn push_len(packed: &mut Vec<u8>, len: usize) {
    for shift in [14, 7] {
        if len >> shift > 0 {
            packed.push(0x80 | (len >> shift & 0x7f) as u8);
        }
    }
    packed.push((len & 0x7f) as u8);
}

/// A number that differs where headers do (RFC 5215 section 2.2 leaves open how): their FNV-1a hash, folded to 24 bits.
fn ident(headers: &[Vec<u8>; 3]) -> [u8; 3] {
    let hash = headers
        .iter()
        .flatten()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    let [high, a, b, c] = hash.to_be_bytes();
    [a ^ high, b, c]
}

/// RFC 5215 section 5.1. The marker is never set (section 2.1), and fragments have the timestamp of the whole.
fn packetize(ident: [u8; 3], sample: &Sample, out: &mut PacketWriter<'_>) {
    /// F of section 2.2; VDT is 0, raw payload.
    const UNFRAGMENTED_ONE_PACKET: u8 = 0x01;
    const START: u8 = 1 << 6;
    const CONTINUATION: u8 = 2 << 6;
    const END: u8 = 3 << 6;

    let data_max = (out.payload_max() - HEADER_LEN).min(usize::from(u16::MAX));
    let len = sample.data.len();
    let mut position = 0;
    while position < len {
        let end = len.min(position + data_max);
        let kind = match (position == 0, end == len) {
            (true, true) => UNFRAGMENTED_ONE_PACKET,
            (true, false) => START,
            (false, false) => CONTINUATION,
            (false, true) => END,
        };
        out.begin();
        out.inline(&ident);
        out.inline(&[kind]);
        out.inline(&((end - position) as u16).to_be_bytes());
        out.sample(position..end);
        out.finish(false);
        position = end;
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{packets, sample_of};
    use super::*;

    const HEADERS: [&[u8]; 3] = [b"id", b"comments", b"setup"];

    fn vorbis() -> Vorbis {
        let configuration = Configuration::pack(&HEADERS.map(<[u8]>::to_vec)).unwrap();
        Vorbis { sample_rate: 44_100, channels: 2, configuration }
    }

    #[test]
    fn the_configuration_is_the_packed_headers_of_section_3_2_1() {
        let vorbis = vorbis();
        let packed = BASE64_STANDARD.decode(&vorbis.configuration.base64).unwrap();
        let mut expected = vec![0, 0, 0, 1];
        expected.extend_from_slice(&vorbis.configuration.ident);
        expected.extend_from_slice(&[0, 15, 2, 2, 8]);
        expected.extend_from_slice(b"idcommentssetup");
        assert_eq!(packed, expected);
        assert_eq!(vorbis.rtpmap(), "VORBIS/44100/2");
        assert_eq!(vorbis.fmtp().unwrap(), format!("configuration={}", vorbis.configuration.base64));
        assert_eq!(vorbis.clock_rate(), 44_100);
    }

    #[test]
    fn lengths_are_in_groups_of_seven_bits() {
        let packed = |len| {
            let mut packed = Vec::new();
            push_len(&mut packed, len);
            packed
        };
        assert_eq!(packed(0), [0]);
        assert_eq!(packed(127), [0x7f]);
        assert_eq!(packed(128), [0x81, 0]);
        assert_eq!(packed(16_384), [0x81, 0x80, 0]);
        assert_eq!(packed(65_535), [0x83, 0xff, 0x7f]);
    }

    #[test]
    fn headers_that_have_no_room_are_refused_and_other_headers_have_another_ident() {
        let headers = |setup_len: usize| [b"id".to_vec(), b"comments".to_vec(), vec![0; setup_len]];
        assert!(Configuration::pack(&headers(65_525)).is_ok());
        let error = Configuration::pack(&headers(65_526)).unwrap_err();
        assert_eq!(error, "headers of 65536 bytes; RFC 5215 section 3.2.1 has room for 65535");
        assert_ne!(ident(&headers(1)), ident(&headers(2)));
    }

    #[test]
    fn a_packet_goes_out_whole_behind_ident_one_packet_and_its_length() {
        let mut vorbis = vorbis();
        let ident: String = vorbis.configuration.ident.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(packets(&mut vorbis, &sample_of([1, 2, 3]), 100), [format!("-+0 {ident}010003010203")]);
        assert_eq!(packets(&mut vorbis, &sample_of([]), 100), Vec::<String>::new());
    }

    #[test]
    fn a_long_packet_goes_out_as_start_continuation_and_end() {
        let mut vorbis = vorbis();
        let ident: String = vorbis.configuration.ident.iter().map(|byte| format!("{byte:02x}")).collect();
        let long = packets(&mut vorbis, &sample_of([1, 2, 3, 4, 5, 6, 7, 8, 9]), 10);
        let expected = ["40000401020304", "80000405060708", "c0000109"];
        assert_eq!(long, expected.map(|rest| format!("-+0 {ident}{rest}")));
        // One that just fits.
        assert_eq!(packets(&mut vorbis, &sample_of([1, 2, 3, 4]), 10), [format!("-+0 {ident}01000401020304")]);
    }
}
