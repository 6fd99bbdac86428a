//! MPEG-1 and MPEG-2 video over RTP (RFC 2250 section 3), as an elementary stream: packets begin at headers and
//! slices, of which long ones are split.
//!
//! The SDP has no place for the sequence header, so a key frame that lacks it is sent with the last one.

use std::ops::Range;

use super::Payloader;
use crate::media::Sample;
use crate::media::codec::MpegVideoConfig;
use crate::media::codec::mpeg_video::{
    EXTENSION, GROUP, PICTURE, PictureHeader, SEQUENCE_HEADER, SLICES, SequenceHeaders,
};
use crate::media::codec::nal::find_start_code;
use crate::rtp::PacketWriter;

/// The MPEG video-specific header.
const HEADER_LEN: usize = 4;

/// The payload format of one track.
#[derive(Debug)]
pub struct MpegVideo {
    /// The sequence header in force, with its extensions.
    headers: Vec<u8>,
}

impl MpegVideo {
    /// For a track with this config.
    pub fn new(config: &MpegVideoConfig) -> Self {
        Self { headers: config.headers.clone() }
    }
}

impl Payloader for MpegVideo {
    fn static_payload_type(&self) -> Option<u8> {
        Some(32)
    }

    fn rtpmap(&self) -> String {
        "MPV/90000".to_owned()
    }

    fn fmtp(&self) -> Option<String> {
        None
    }

    fn clock_rate(&self) -> u32 {
        90_000
    }

    /// The marker is on the last packet of the frame, even if it is made of two fields.
    fn packetize(&mut self, sample: &Sample, out: &mut PacketWriter<'_>) {
        let data = &sample.data[..];
        let own = SequenceHeaders::parse(data);
        if !own.bytes().is_empty() {
            self.headers.clear();
            self.headers.extend_from_slice(own.bytes());
        } else if sample.is_sync && (1..=out.payload_max() - HEADER_LEN).contains(&self.headers.len()) {
            send_headers(&self.headers, data, out);
        }
        let mut packer = Packer { data, picture: first_picture(data), packet: None, out };
        for unit in Units::of(data) {
            packer.add(unit);
        }
        packer.close(true);
    }
}

/// Sends sequence headers that are not in the sample. They belong to its first picture.
fn send_headers(headers: &[u8], data: &[u8], out: &mut PacketWriter<'_>) {
    out.begin();
    out.inline(&payload_header(first_picture(data).as_ref(), true, false, false));
    out.inline(headers);
    out.finish(false);
}

fn first_picture(data: &[u8]) -> Option<PictureHeader> {
    Units::of(data).find_map(|unit| PictureHeader::parse(&data[unit]))
}

/// The MPEG video-specific header (RFC 2250 section 3.4). The extension for MPEG-2 is optional and left out (T), as is
/// the header for error resilience (AN, N).
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// |   MBZ   |T|         TR        |A|N|S|B|E|  P  |F|  BFC|F|  FFC|
/// ```
fn payload_header(
    picture: Option<&PictureHeader>,
    has_sequence_header: bool,
    begins_slice: bool,
    ends_slice: bool,
) -> [u8; HEADER_LEN] {
    let (temporal_reference, coding_type, vectors) =
        picture.map_or((0, 0, 0), |header| (header.temporal_reference, header.coding_type, header.vectors));
    let [reference_high, reference_low] = temporal_reference.to_be_bytes();
    let flags = u8::from(has_sequence_header) << 5 | u8::from(begins_slice) << 4 | u8::from(ends_slice) << 3;
    [reference_high, reference_low, flags | coding_type, vectors]
}

/// The units of a picture: from start code to start code. What comes before the first is a unit of its own.
struct Units<'a> {
    data: &'a [u8],
    position: usize,
}

impl<'a> Units<'a> {
    fn of(data: &'a [u8]) -> Self {
        Self { data, position: 0 }
    }
}

impl Iterator for Units<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let start = self.position;
        if start >= self.data.len() {
            return None;
        }
        self.position = find_start_code(self.data, start + 1).unwrap_or(self.data.len());
        Some(start..self.position)
    }
}

/// A packet that is being put together.
struct Packet {
    range: Range<usize>,
    has_sequence_header: bool,
    begins_slice: bool,
    /// The last unit in it.
    last: Last,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    /// The sequence header with what belongs to it.
    Sequence,
    /// The group header with what belongs to it.
    Group,
    /// The picture header with what belongs to it, or anything else that is not a slice.
    Header,
    /// A slice to its end, and where it began may be in packets before.
    Slice {
        /// It began in this packet.
        is_whole: bool,
    },
}

struct Packer<'a, 'b, 'c> {
    data: &'a [u8],
    /// The picture that the packet belongs to.
    picture: Option<PictureHeader>,
    packet: Option<Packet>,
    out: &'b mut PacketWriter<'c>,
}

impl Packer<'_, '_, '_> {
    /// Section 3.1: the headers of a sequence, a group and a picture are at the beginning of a packet, or behind one
    /// another in that order; a slice begins behind headers or whole slices.
    fn add(&mut self, unit: Range<usize>) {
        let bytes = &self.data[unit.clone()];
        let last = self.packet.as_ref().map(|packet| packet.last);
        let (kind, must_begin) = match bytes.get(3).filter(|_| bytes.starts_with(&[0, 0, 1])).copied() {
            Some(SEQUENCE_HEADER) => (Last::Sequence, true),
            Some(GROUP) => (Last::Group, last != Some(Last::Sequence)),
            Some(PICTURE) => (Last::Header, last != Some(Last::Group)),
            Some(code) if SLICES.contains(&code) => {
                (Last::Slice { is_whole: true }, last == Some(Last::Slice { is_whole: false }))
            }
            Some(EXTENSION) if last == Some(Last::Sequence) => (Last::Sequence, false),
            _ => (last.filter(|last| !matches!(last, Last::Slice { .. })).unwrap_or(Last::Header), false),
        };
        if must_begin || self.room() < unit.len() && !self.takes_part_of(kind) {
            self.close(false);
        }
        self.picture = PictureHeader::parse(bytes).or(self.picture.take());
        self.append(unit, kind);
    }

    /// How many more bytes the packet may have.
    fn room(&self) -> usize {
        let len = self.packet.as_ref().map_or(0, |packet| packet.range.len());
        (self.out.payload_max() - HEADER_LEN).saturating_sub(len)
    }

    /// Whether a unit that does not fit may begin in the packet: a slice behind nothing but headers.
    fn takes_part_of(&self, kind: Last) -> bool {
        let is_headers = self.packet.as_ref().is_some_and(|packet| !matches!(packet.last, Last::Slice { .. }));
        matches!(kind, Last::Slice { .. }) && is_headers && self.room() > 0
    }

    /// Adds a unit to the packet; what does not fit goes into further ones.
    fn append(&mut self, unit: Range<usize>, kind: Last) {
        let is_slice = matches!(kind, Last::Slice { .. });
        let mut position = unit.start;
        while position < unit.end {
            let end = unit.end.min(position + self.room());
            let is_start = position == unit.start;
            let packet = self.packet.get_or_insert(Packet {
                range: position..position,
                has_sequence_header: false,
                begins_slice: false,
                last: Last::Header,
            });
            packet.range.end = end;
            packet.has_sequence_header |= kind == Last::Sequence && is_start;
            packet.begins_slice |= is_slice && is_start;
            packet.last = kind;
            if end < unit.end {
                packet.last = Last::Header;
                self.close(false);
            } else if is_slice && !is_start {
                packet.last = Last::Slice { is_whole: false };
            }
            position = end;
        }
    }

    fn close(&mut self, is_last: bool) {
        let Some(Packet { range, has_sequence_header, begins_slice, last }) = self.packet.take() else { return };
        let ends_slice = matches!(last, Last::Slice { .. });
        self.out.begin();
        self.out.inline(&payload_header(self.picture.as_ref(), has_sequence_header, begins_slice, ends_slice));
        self.out.sample(range);
        self.out.finish(is_last);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{packets, sample_of};
    use super::*;

    /// temporal_reference 5, I; and with vectors, B: full_pel_forward 0, forward_f_code 3, full_pel_backward 1,
    /// backward_f_code 2.
    const I_PICTURE: [u8; 8] = [0, 0, 1, 0, 0x01, 0x4f, 0xff, 0xf8];
    const B_PICTURE: [u8; 10] = [0, 0, 1, 0, 0x01, 0x5f, 0xff, 0xf9, 0xd0, 0];

    fn slice(number: u8, len: usize) -> Vec<u8> {
        [&[0, 0, 1, number][..], &vec![0x11 * number; len - 4]].concat()
    }

    fn payloader(headers: &[u8]) -> MpegVideo {
        MpegVideo::new(&MpegVideoConfig { is_mpeg2: false, size: None, headers: headers.to_vec() })
    }

    /// A packet without marker (`-`) or with (`M`), of bytes that are written apart.
    fn packet(marker: char, payload: &str) -> String {
        format!("{marker}+0 {}", payload.replace(' ', ""))
    }

    #[test]
    fn headers_and_whole_slices_share_packets_and_the_last_has_the_marker() {
        let sample = sample_of([&B_PICTURE[..], &slice(1, 6), &slice(2, 6), &slice(3, 6)].concat());
        assert_eq!(
            packets(&mut payloader(&[]), &sample, 30),
            [
                packet('-', "00051ba3 00000100015ffff9d000 000001011111 000001022222"),
                packet('M', "00051ba3 000001033333"),
            ]
        );
    }

    #[test]
    fn a_long_slice_is_split_and_no_other_follows_its_end_in_a_packet() {
        let sample = sample_of([&I_PICTURE[..], &slice(1, 20), &slice(2, 5)].concat());
        assert_eq!(
            packets(&mut payloader(&[]), &sample, 20),
            [
                packet('-', "00051100 00000100014ffff8 0000010111111111"),
                packet('-', "00050900 111111111111111111111111"),
                packet('M', "00051900 0000010222"),
            ]
        );
    }

    #[test]
    fn a_sequence_a_group_and_a_picture_begin_packets_or_follow_one_another() {
        let sequence = [0, 0, 1, 0xb3, 0x16, 0x01, 0x20, 0x13];
        let group = [0, 0, 1, 0xb8, 0, 8, 0, 0];
        let all = |parts: &[&[u8]]| sample_of(parts.concat());
        let starts = |sample: &Sample| -> Vec<(String, String)> {
            packets(&mut payloader(&[]), sample, 100)
                .iter()
                .map(|packet| (packet[4..12].to_owned(), packet[12..20].to_owned()))
                .collect()
        };
        let (one, first) = (slice(1, 9), |header: &str, code: &str| (header.to_owned(), code.to_owned()));
        assert_eq!(starts(&all(&[&sequence, &group, &I_PICTURE, &one])), [first("00053900", "000001b3")]);
        assert_eq!(
            starts(&all(&[&sequence, &I_PICTURE, &one])),
            [first("00052100", "000001b3"), first("00051900", "00000100")]
        );
        // Both fields of a frame.
        assert_eq!(
            starts(&all(&[&I_PICTURE, &one, &B_PICTURE, &one])),
            [first("00051900", "00000100"), first("00051ba3", "00000100")]
        );
    }

    #[test]
    fn a_key_frame_without_sequence_header_gets_the_one_of_the_track_or_the_last_of_the_stream() {
        let headers = [0, 0, 1, 0xb3, 0x16, 0x01, 0x20, 0x13];
        let mut payloader = payloader(&headers);
        let picture = sample_of([&I_PICTURE[..], &slice(1, 5)].concat());
        let key = Sample { is_sync: true, ..picture.clone() };
        let bare = "M+0 0005190000000100014ffff80000010111";
        assert_eq!(packets(&mut payloader, &picture, 100), [bare]);
        assert_eq!(packets(&mut payloader, &key, 100), ["-+0 00052100000001b316012013", bare]);
        let changed = sample_of([&[0, 0, 1, 0xb3, 0x0a, 0x00, 0x78, 0x13][..], &I_PICTURE, &slice(1, 5)].concat());
        assert_eq!(packets(&mut payloader, &changed, 100).len(), 2);
        assert_eq!(packets(&mut payloader, &key, 100), ["-+0 00052100000001b30a007813", bare]);
    }
}
