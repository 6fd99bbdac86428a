//! JPEG over RTP (RFC 2435): baseline pictures in 4:2:0 and 4:2:2, with their quantization tables in each of them.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | Type-specific |              Fragment Offset                  |
//! |      Type     |       Q       |     Width     |     Height    |
//! |       Restart Interval        |F|L|       Restart Count       |  types 64 and 65
//! |      MBZ      |   Precision   |             Length            |  first packet
//! |                   Quantization Table Data                     |  first packet
//! ```
//!
//! Receivers make up the segments of the picture from these, and assume the Huffman codes of ITU-T T.81 annex K, one
//! scan and one order of blocks. A picture that has them otherwise is recoded without loss
//! ([`jpeg::recode`]).
//!
//! Sizes are multiples of 8 here: others are rounded up, and receivers show the few pixels of padding. Beyond 2040
//! there is no number: 0 is sent, and `a=x-dimensions` tells GStreamer and VLC; FFmpeg cannot play such pictures.

use log::warn;

use super::Payloader;
use crate::media::Sample;
use crate::media::codec::JpegConfig;
use crate::media::codec::jpeg::{self, PICTURE_LEN_MAX, Picture, Sampling};
use crate::rtp::PacketWriter;

/// The largest width and height that the header can tell, in pixels.
const SIZE_MAX: u32 = 255 * 8;
/// Q: the tables are in each picture (section 4.2).
const Q_IN_BAND: u8 = 255;
/// Added to the type when there are restart intervals (section 3.1.3).
const TYPE_WITH_RESTARTS: u8 = 64;
/// F, L and Restart Count of packets that do not begin at a restart marker (section 3.1.7).
const RESTART_UNALIGNED: [u8; 2] = [0xFF, 0xFF];
/// Type-specific values of whole frames and of fields (section 3.1.1).
const FRAME: u8 = 0;
const FIRST_FIELD: u8 = 1;
const SECOND_FIELD: u8 = 2;
/// The headers of the first packet, with tables of 16 bits.
const HEADERS_LEN_MAX: usize = 8 + 4 + 4 + 2 * 128;

/// The payload format of one Motion JPEG track.
#[derive(Debug)]
pub struct Jpeg {
    config: JpegConfig,
    /// Entropy-coded data that were recoded.
    recoded: Vec<u8>,
    has_warned: bool,
}

impl Jpeg {
    /// For a track with this config.
    ///
    /// # Errors
    /// When its first picture showed that RTP cannot carry it.
    pub fn new(config: JpegConfig) -> Result<Self, String> {
        match config.obstacle {
            Some(obstacle) => Err(format!("Motion JPEG that RTP cannot carry: {obstacle}")),
            None => Ok(Self { config, recoded: Vec::new(), has_warned: false }),
        }
    }

    /// Sends the one or two pictures of a sample.
    fn send(&mut self, sample: &Sample, out: &mut PacketWriter<'_>) -> Result<(), String> {
        let first = Picture::parse(&sample.data, 0).map_err(|error| error.to_string())?;
        let second_start = find_soi(&sample.data[first.len..]).map(|start| first.len + start);
        let second = second_start.and_then(|start| Some((start, Picture::parse(&sample.data[start..], 0).ok()?)));
        let Some((start, second)) = second else { return self.send_picture(sample, 0, &first, FRAME, out) };
        self.send_picture(sample, 0, &first, FIRST_FIELD, out)?;
        self.send_picture(sample, start, &second, SECOND_FIELD, out)
    }

    /// Sends `picture`, which begins at byte `start` of the sample.
    fn send_picture(
        &mut self,
        sample: &Sample,
        start: usize,
        picture: &Picture<'_>,
        type_specific: u8,
        out: &mut PacketWriter<'_>,
    ) -> Result<(), String> {
        let mut frame = Frame::of(picture, type_specific)?;
        if picture.is_as_assumed() {
            let data = start + picture.scans[0].data.start;
            frame.restart_interval = Some(picture.restart_interval).filter(|interval| *interval > 0);
            let len = picture.scans[0].data.len();
            frame.send(len, out, |out, part| out.sample(data + part.start..data + part.end));
        } else {
            jpeg::recode(picture, &sample.data[start..], &mut self.recoded)?;
            frame.send(self.recoded.len(), out, |out, part| out.inline(&self.recoded[part]));
        }
        Ok(())
    }
}

impl Payloader for Jpeg {
    fn static_payload_type(&self) -> Option<u8> {
        Some(26)
    }

    fn rtpmap(&self) -> String {
        "JPEG/90000".to_owned()
    }

    fn fmtp(&self) -> Option<String> {
        None
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        match self.config.size {
            Some((width, height)) if width.max(height) > SIZE_MAX => {
                vec![("x-dimensions", format!("{width},{height}"))]
            }
            _ => Vec::new(),
        }
    }

    fn clock_rate(&self) -> u32 {
        90_000
    }

    /// The marker ends a picture (section 3). Of two fields, each is a picture; they have one timestamp, as the sample
    /// does not tell how far they are apart.
    fn packetize(&mut self, sample: &Sample, out: &mut PacketWriter<'_>) {
        if let Err(reason) = self.send(sample, out)
            && !self.has_warned
        {
            self.has_warned = true;
            warn!("the picture at {} s, and maybe others, cannot be sent: {reason}", sample.pts);
        }
    }
}

fn find_soi(data: &[u8]) -> Option<usize> {
    data.windows(3).position(|window| window == [0xFF, 0xD8, 0xFF])
}

/// What the headers of a picture's packets say.
struct Frame<'a> {
    type_specific: u8,
    sampling: u8,
    /// In units of 8 pixels, 0 for what cannot be told.
    size: [u8; 2],
    restart_interval: Option<u16>,
    precision: u8,
    tables: [&'a [u8]; 2],
}

impl<'a> Frame<'a> {
    fn of(picture: &Picture<'a>, type_specific: u8) -> Result<Self, String> {
        let sampling = match picture.sampling()? {
            Sampling::Yuv422 => 0,
            Sampling::Yuv420 => 1,
        };
        let luma = picture.quantization_of(0).ok_or("it has no quantization table")?;
        let chroma = picture.quantization_of(1).unwrap_or(luma);
        let size = [picture.width, picture.height].map(u32::from);
        let size = if size[0].max(size[1]) > SIZE_MAX { [0; 2] } else { size.map(|pixels| pixels.div_ceil(8) as u8) };
        Ok(Self {
            type_specific,
            sampling,
            size,
            restart_interval: None,
            precision: u8::from(luma.is_16_bit()) | u8::from(chroma.is_16_bit()) << 1,
            tables: [luma.bytes, chroma.bytes],
        })
    }

    /// Writes the packets of `len` bytes of entropy-coded data, without the EOI that receivers add; `add` adds a part
    /// of them to a packet.
    fn send(
        &self,
        len: usize,
        out: &mut PacketWriter<'_>,
        add: impl Fn(&mut PacketWriter<'_>, std::ops::Range<usize>),
    ) {
        let mut headers = Vec::with_capacity(HEADERS_LEN_MAX);
        let mut offset = 0;
        while offset < len.min(PICTURE_LEN_MAX) {
            headers.clear();
            self.write_headers(offset, &mut headers);
            let room = out.payload_max().saturating_sub(headers.len()).max(1);
            let end = len.min(offset + room);
            out.begin();
            out.inline(&headers);
            add(out, offset..end);
            out.finish_unsplit(end == len);
            offset = end;
        }
    }

    fn write_headers(&self, offset: usize, headers: &mut Vec<u8>) {
        let [_, o0, o1, o2] = (offset as u32).to_be_bytes();
        let with_restarts = if self.restart_interval.is_some() { TYPE_WITH_RESTARTS } else { 0 };
        headers.extend([self.type_specific, o0, o1, o2]);
        headers.extend([self.sampling + with_restarts, Q_IN_BAND, self.size[0], self.size[1]]);
        if let Some(interval) = self.restart_interval {
            headers.extend(interval.to_be_bytes());
            headers.extend(RESTART_UNALIGNED);
        }
        if offset == 0 {
            let len: usize = self.tables.iter().map(|table| table.len()).sum();
            headers.extend([0, self.precision]);
            headers.extend((len as u16).to_be_bytes());
            self.tables.iter().for_each(|table| headers.extend(*table));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{packets, sample_of};
    use super::*;
    use crate::media::codec::jpeg::testing::{Coding, varied};

    const HEADERS_LEN: usize = 8 + 4 + 128;

    fn payloader() -> Jpeg {
        Jpeg::new(JpegConfig::default()).unwrap()
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The tables that [`Coding`] makes, behind their header.
    fn tables() -> String {
        let tables: Vec<u8> = (1..=64).chain(11..=74).collect();
        format!("00000080{}", hex(&tables))
    }

    #[test]
    fn packets_are_as_rfc_2435_has_them() {
        let coding = Coding::assumed(50, 35, true);
        let scan = coding.scan(&[0, 1, 2], &varied(1));
        let sample = sample_of(coding.picture(&varied(1)));
        let room = scan.len() / 2;
        let first = room + 8 - HEADERS_LEN;
        assert_eq!(
            packets(&mut payloader(), &sample, room + 8),
            [
                // Type 1, Q 255, 7 by 5 blocks of 8; the picture's end is left to the receiver.
                format!("-+0 0000000001ff0705{}{}", tables(), hex(&scan[..first])),
                format!("-+0 00{first:06x}01ff0705{}", hex(&scan[first..first + room])),
                format!("M+0 00{:06x}01ff0705{}", first + room, hex(&scan[first + room..])),
            ]
        );
    }

    #[test]
    fn restart_intervals_are_told_in_every_packet() {
        let coding = Coding { restart_interval: 2, ..Coding::assumed(32, 32, false) };
        let scan = coding.scan(&[0, 1, 2], &varied(2));
        let found = packets(&mut payloader(), &sample_of(coding.picture(&varied(2))), HEADERS_LEN + 4 + scan.len() - 1);
        let last = scan.len() - 1;
        assert_eq!(
            found,
            [
                format!("-+0 0000000040ff04040002ffff{}{}", tables(), hex(&scan[..last])),
                format!("M+0 00{last:06x}40ff04040002ffff{}", hex(&scan[last..])),
            ]
        );
    }

    #[test]
    fn a_picture_in_another_order_goes_out_as_receivers_assume_it() {
        let assumed = Coding::assumed(48, 32, false);
        let other = Coding { factors: vec![(2, 2), (1, 2), (1, 2)], restart_interval: 1, ..assumed.clone() };
        let scan = assumed.scan(&[0, 1, 2], &varied(3));
        let expected = format!("M+0 0000000000ff0604{}{}", tables(), hex(&scan));
        assert_eq!(packets(&mut payloader(), &sample_of(other.picture(&varied(3))), 50_000), [expected]);
    }

    #[test]
    fn sizes_beyond_what_the_header_has_room_for_are_told_in_the_sdp() {
        let huge = Coding::assumed(2048, 16, true);
        let sample = sample_of(huge.picture(&|_, _, _| [0; 64]));
        let mut payloader = Jpeg::new(JpegConfig::of_picture(&sample.data).unwrap()).unwrap();
        assert_eq!(payloader.attributes(), [("x-dimensions", "2048,16".to_owned())]);
        assert!(packets(&mut payloader, &sample, 50_000)[0].starts_with("M+0 0000000001ff0000"));
        let large = JpegConfig { size: Some((2040, 2040)), obstacle: None };
        assert_eq!(Jpeg::new(large).unwrap().attributes(), []);
    }

    #[test]
    fn two_fields_are_two_pictures() {
        let coding = Coding::assumed(16, 16, true);
        let fields = [coding.picture(&varied(4)), coding.picture(&varied(5))];
        let found = packets(&mut payloader(), &sample_of(fields.join(&[0, 0][..])), 50_000);
        let expected = |field: u8, seed| {
            format!("M+0 {field:02x}00000001ff0202{}{}", tables(), hex(&coding.scan(&[0, 1, 2], &varied(seed))))
        };
        assert_eq!(found, [expected(1, 4), expected(2, 5)]);
    }

    #[test]
    fn what_cannot_be_carried_is_refused_or_left_out() {
        let full_chroma = Coding { factors: vec![(1, 1); 3], ..Coding::assumed(16, 16, true) }.picture(&varied(6));
        let config = JpegConfig::of_picture(&full_chroma).unwrap();
        let error = Jpeg::new(config).unwrap_err();
        assert!(error.starts_with("Motion JPEG that RTP cannot carry: its chroma is sampled neither"), "{error}");
        for sample in
            [full_chroma, vec![], vec![0xFF; 100], Coding::assumed(16, 16, true).picture(&varied(7))[..100].to_vec()]
        {
            assert_eq!(packets(&mut payloader(), &sample_of(sample), 1000), Vec::<String>::new());
        }
    }
}
