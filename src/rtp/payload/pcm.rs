//! G.711 and linear PCM over RTP (RFC 3551 sections 4.5.11 and 4.5.14, RFC 3190 for 24 bits): whole frames, a frame
//! being one value of every channel, as many as fit into a packet.
//!
//! The marker tells the start of a talkspurt; a recording has no silence left out, so it is never set (RFC 3551
//! section 4.1). Channels stay in the order of the file.

use super::Payloader;
use crate::media::Sample;
use crate::media::codec::{G711Config, PcmConfig, PcmFormat};
use crate::rtp::PacketWriter;

/// The payload format of one G.711 track.
#[derive(Debug)]
pub struct G711 {
    name: &'static str,
    static_payload_type: u8,
    config: G711Config,
}

impl G711 {
    /// For a track in mu-law.
    pub fn pcmu(config: G711Config) -> Self {
        Self { name: "PCMU", static_payload_type: 0, config }
    }

    /// For a track in A-law.
    pub fn pcma(config: G711Config) -> Self {
        Self { name: "PCMA", static_payload_type: 8, config }
    }
}

impl Payloader for G711 {
    fn static_payload_type(&self) -> Option<u8> {
        (self.config.sample_rate == 8000 && self.config.channels <= 1).then_some(self.static_payload_type)
    }

    fn rtpmap(&self) -> String {
        rtpmap(self.name, self.config.sample_rate, self.config.channels)
    }

    fn fmtp(&self) -> Option<String> {
        None
    }

    fn clock_rate(&self) -> u32 {
        self.config.sample_rate
    }

    fn packetize(&mut self, sample: &Sample, out: &mut PacketWriter<'_>) {
        let frame_len = usize::from(self.config.channels.max(1));
        packetize(sample, Values { frame_len, ..Values::as_they_are(1) }, out);
    }
}

/// The payload format of one track of linear PCM: L16, or L24 where the file has more bits.
///
/// 8 bits become L16 too, which loses nothing: FFmpeg does not know L8. From 32-bit integers the lowest byte is left
/// out, as there is no wider format than L24. Floating-point values of -1 to 1 are scaled to 24 bits, rounded to
/// nearest with halves away from zero, and clamped; what is not a number becomes silence.
#[derive(Debug)]
pub struct Linear {
    config: PcmConfig,
}

impl Linear {
    /// For a track with this config.
    pub fn new(config: PcmConfig) -> Self {
        Self { config }
    }

    fn values(&self) -> Values {
        match self.config.format {
            PcmFormat::U8 => Values::converted(1, 2, |from, to| each(from, to, |[a]| [a ^ 0x80, 0])),
            PcmFormat::S8 => Values::converted(1, 2, |from, to| each(from, to, |[a]| [a, 0])),
            PcmFormat::S16Be => Values::as_they_are(2),
            PcmFormat::S16Le => Values::converted(2, 2, |from, to| each(from, to, |[a, b]| [b, a])),
            PcmFormat::S24Be => Values::as_they_are(3),
            PcmFormat::S24Le => Values::converted(3, 3, |from, to| each(from, to, |[a, b, c]| [c, b, a])),
            PcmFormat::S32Be => Values::converted(4, 3, |from, to| each(from, to, |[a, b, c, _]| [a, b, c])),
            PcmFormat::S32Le => Values::converted(4, 3, |from, to| each(from, to, |[_, b, c, d]| [d, c, b])),
            PcmFormat::F32Be => Values::converted(4, 3, |from, to| each(from, to, |be| l24(f32::from_be_bytes(be)))),
            PcmFormat::F32Le => Values::converted(4, 3, |from, to| each(from, to, |le| l24(f32::from_le_bytes(le)))),
            PcmFormat::F64Be => Values::converted(8, 3, |from, to| each(from, to, |be| l24(f64::from_be_bytes(be)))),
            PcmFormat::F64Le => Values::converted(8, 3, |from, to| each(from, to, |le| l24(f64::from_le_bytes(le)))),
        }
    }
}

impl Payloader for Linear {
    fn static_payload_type(&self) -> Option<u8> {
        let is_l16 = self.values().wire_len == 2;
        l16_payload_type(self.config.sample_rate, self.config.channels).filter(|_| is_l16)
    }

    fn rtpmap(&self) -> String {
        let name = if self.values().wire_len == 2 { "L16" } else { "L24" };
        rtpmap(name, self.config.sample_rate, self.config.channels)
    }

    fn fmtp(&self) -> Option<String> {
        None
    }

    fn clock_rate(&self) -> u32 {
        self.config.sample_rate
    }

    fn packetize(&mut self, sample: &Sample, out: &mut PacketWriter<'_>) {
        let values = self.values();
        let channels = usize::from(self.config.channels.max(1));
        packetize(sample, Values { frame_len: values.file_len * channels, ..values }, out);
    }
}

/// RFC 3551 table 4: L16 of 44.1 kHz.
pub(super) fn l16_payload_type(sample_rate: u32, channels: u16) -> Option<u8> {
    match (sample_rate, channels) {
        (44_100, 2) => Some(10),
        (44_100, 1) => Some(11),
        _ => None,
    }
}

/// One channel is what a missing number means (RFC 4566 section 6).
pub(super) fn rtpmap(name: &str, sample_rate: u32, channels: u16) -> String {
    if channels <= 1 { format!("{name}/{sample_rate}") } else { format!("{name}/{sample_rate}/{channels}") }
}

/// Makes as many values of the second kind as there are of the first.
pub(super) type Convert = fn(&[u8], &mut [u8]);

/// How values stand in the file, and how they go out.
pub(super) struct Values {
    /// Bytes of a value in the file.
    pub file_len: usize,
    /// Bytes of a value in a packet.
    pub wire_len: usize,
    /// Bytes of a frame in the file.
    pub frame_len: usize,
    /// Ticks of the RTP clock that a frame lasts.
    pub ticks: u32,
    /// From the one to the other; `None` where they are the same.
    pub convert: Option<Convert>,
}

impl Values {
    pub fn as_they_are(len: usize) -> Self {
        Self { file_len: len, wire_len: len, frame_len: len, ticks: 1, convert: None }
    }

    pub fn converted(file_len: usize, wire_len: usize, convert: Convert) -> Self {
        Self { file_len, wire_len, frame_len: file_len, ticks: 1, convert: Some(convert) }
    }
}

/// A frame of more channels than a packet has room for goes out unsplit. What is less than a frame at the end is not.
pub(super) fn packetize(sample: &Sample, values: Values, out: &mut PacketWriter<'_>) {
    let Values { file_len, wire_len, frame_len, ticks, convert } = values;
    let frames = (out.payload_max() / (frame_len / file_len * wire_len)).max(1);
    let whole_len = sample.data.len() - sample.data.len() % frame_len;
    let mut position = 0;
    while position < whole_len {
        let end = whole_len.min(position + frames * frame_len);
        out.begin();
        match convert {
            None => out.sample(position..end),
            Some(convert) => {
                let file = &sample.data[position..end];
                out.inline_with(file.len() / file_len * wire_len, |wire| convert(file, wire));
            }
        }
        out.finish_unsplit(false);
        out.advance(((end - position) / frame_len) as u32 * ticks);
        position = end;
    }
}

/// Converts value by value. Generic, so that the compiler makes a loop of vector instructions of each use.
pub(super) fn each<const FROM: usize, const TO: usize>(
    from: &[u8],
    to: &mut [u8],
    convert: impl Fn([u8; FROM]) -> [u8; TO],
) {
    for (from, to) in from.as_chunks().0.iter().zip(to.as_chunks_mut().0) {
        *to = convert(*from);
    }
}

/// A floating-point value as 24 bits in big-endian order.
fn l24(value: impl Into<f64>) -> [u8; 3] {
    const ONE: f64 = (1 << 23) as f64;
    // `round` is a call where the processor may be old. With 53 bits, adding a half to 24 is exact, and cutting off
    // what follows the point then rounds to nearest. The cast makes 0 of what is not a number.
    let scaled = value.into() * ONE;
    let integer = (scaled + 0.5_f64.copysign(scaled)).clamp(-ONE, ONE - 1.0) as i32;
    let [_, high, middle, low] = integer.to_be_bytes();
    [high, middle, low]
}

#[cfg(test)]
mod tests {
    use super::super::testing::{packets, sample_of};
    use super::*;

    #[test]
    fn payload_types_are_static_where_rfc_3551_has_them() {
        let g711 = |sample_rate, channels| G711Config { sample_rate, channels };
        let pcm = |format, sample_rate, channels| Linear::new(PcmConfig { format, sample_rate, channels });
        let table: [(Box<dyn Payloader>, Option<u8>, &str); 11] = [
            (Box::new(G711::pcmu(g711(8000, 1))), Some(0), "PCMU/8000"),
            (Box::new(G711::pcma(g711(8000, 1))), Some(8), "PCMA/8000"),
            (Box::new(G711::pcmu(g711(16_000, 1))), None, "PCMU/16000"),
            (Box::new(G711::pcma(g711(8000, 2))), None, "PCMA/8000/2"),
            (Box::new(pcm(PcmFormat::S16Le, 44_100, 2)), Some(10), "L16/44100/2"),
            (Box::new(pcm(PcmFormat::S16Be, 44_100, 1)), Some(11), "L16/44100"),
            (Box::new(pcm(PcmFormat::S16Le, 48_000, 2)), None, "L16/48000/2"),
            (Box::new(pcm(PcmFormat::U8, 8000, 1)), None, "L16/8000"),
            (Box::new(pcm(PcmFormat::S24Le, 44_100, 2)), None, "L24/44100/2"),
            (Box::new(pcm(PcmFormat::S32Be, 44_100, 1)), None, "L24/44100"),
            (Box::new(pcm(PcmFormat::F32Le, 48_000, 6)), None, "L24/48000/6"),
        ];
        for (payloader, payload_type, rtpmap) in table {
            assert_eq!((payloader.static_payload_type(), payloader.rtpmap().as_str()), (payload_type, rtpmap));
            assert_eq!(payloader.fmtp(), None);
        }
    }

    #[test]
    fn values_of_every_format_come_out_big_endian() {
        let f32_half = 0.5_f32.to_bits();
        for (format, value, wire) in [
            (PcmFormat::U8, &[0x81][..], "0100"),
            (PcmFormat::U8, &[0x00], "8000"),
            (PcmFormat::S8, &[0x81], "8100"),
            (PcmFormat::S16Le, &[0x34, 0x12], "1234"),
            (PcmFormat::S16Be, &[0x12, 0x34], "1234"),
            (PcmFormat::S24Le, &[0x56, 0x34, 0x12], "123456"),
            (PcmFormat::S24Be, &[0x12, 0x34, 0x56], "123456"),
            (PcmFormat::S32Le, &[0x78, 0x56, 0x34, 0x12], "123456"),
            (PcmFormat::S32Be, &[0x12, 0x34, 0x56, 0x78], "123456"),
            (PcmFormat::F32Le, &f32_half.to_le_bytes(), "400000"),
            (PcmFormat::F32Be, &f32_half.to_be_bytes(), "400000"),
        ] {
            let mut payloader = Linear::new(PcmConfig { format, sample_rate: 8000, channels: 1 });
            assert_eq!(packets(&mut payloader, &sample_of(value), 100), [format!("-+0 {wire}")], "{format:?}");
        }
    }

    #[test]
    fn floating_point_is_rounded_to_nearest_and_clamped() {
        let step = 1.0 / (1 << 23) as f32;
        for (value, expected) in [
            (0.0, [0, 0, 0]),
            (step, [0, 0, 1]),
            (0.5 * step, [0, 0, 1]),
            (0.499_999_97 * step, [0, 0, 0]),
            (-0.499_999_97 * step, [0, 0, 0]),
            (1.5 * step, [0, 0, 2]),
            (8_388_607.0 * step, [0x7f, 0xff, 0xff]),
            (-0.5 * step, [0xff, 0xff, 0xff]),
            (1.0, [0x7f, 0xff, 0xff]),
            (1e30, [0x7f, 0xff, 0xff]),
            (f32::INFINITY, [0x7f, 0xff, 0xff]),
            (-1.0, [0x80, 0, 0]),
            (-7.5, [0x80, 0, 0]),
            (f32::NAN, [0, 0, 0]),
        ] {
            assert_eq!(l24(value), expected, "{value}");
        }
    }

    #[test]
    fn packets_hold_whole_frames_and_are_stamped_by_them() {
        let config = PcmConfig { format: PcmFormat::S16Le, sample_rate: 44_100, channels: 2 };
        let data: Vec<u8> = (0..22).collect();
        assert_eq!(
            packets(&mut Linear::new(config), &sample_of(&data[..]), 11),
            [
                "-+0 0100030205040706",
                "-+2 09080b0a0d0c0f0e",
                "-+4 11101312" // the last two bytes are no frame
            ]
        );
        let stereo = G711Config { sample_rate: 8000, channels: 2 };
        assert_eq!(packets(&mut G711::pcma(stereo), &sample_of(&data[..10]), 9), ["-+0 0001020304050607", "-+4 0809"]);
    }

    #[test]
    fn a_frame_with_more_channels_than_a_packet_has_room_for_goes_out_whole() {
        let config = PcmConfig { format: PcmFormat::S24Be, sample_rate: 48_000, channels: 4 };
        let data: Vec<u8> = (0..24).collect();
        assert_eq!(
            packets(&mut Linear::new(config), &sample_of(data), 10),
            ["-+0 000102030405060708090a0b", "-+1 0c0d0e0f1011121314151617"]
        );
    }
}
