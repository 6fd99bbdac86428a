//! AV1 over RTP ("RTP Payload Format For AV1", version 1.0, of the Alliance for Open Media): OBUs without their size
//! fields, up to three in a packet, the last one or the first cut where the packet ends or begins.

use std::ops::Range;

use super::Payloader;
use crate::media::Sample;
use crate::media::codec::Av1Config;
use crate::media::codec::av1::{
    HAS_SIZE, OBU_PADDING, OBU_SEQUENCE_HEADER, OBU_TEMPORAL_DELIMITER, OBU_TILE_LIST, Obu, Obus, leb128,
};
use crate::rtp::PacketWriter;

// The bits of the aggregation header (section 4.4).
const Z: u8 = 0x80;
const Y: u8 = 0x40;
const W_SHIFT: u8 = 4;
const N: u8 = 0x08;

/// OBU elements that W can count, so that the last has no length. More than three OBUs of some size are rare.
const ELEMENTS_MAX: usize = 3;
/// A fragment of fewer bytes is not worth its place: the OBU begins in the next packet instead.
const FRAGMENT_LEN_MIN: usize = 16;

/// The payload format of one AV1 track.
#[derive(Debug)]
pub struct Av1 {
    config: Av1Config,
}

impl Av1 {
    /// For a track with this config.
    pub fn new(config: &Av1Config) -> Self {
        Self { config: config.clone() }
    }

    /// The OBUs of a temporal unit that are sent: a key frame has the sequence header, and what receivers must ignore
    /// is left out (section 5).
    fn obus(&self, sample: &Sample) -> Vec<Element> {
        let mut elements = Vec::new();
        let mut has_sequence_header = false;
        for obu in Obus::new(&sample.data) {
            has_sequence_header |= obu.kind == OBU_SEQUENCE_HEADER;
            if !matches!(obu.kind, OBU_TEMPORAL_DELIMITER | OBU_TILE_LIST | OBU_PADDING) {
                elements.push(Element::of(&obu, Origin::Sample));
            }
        }
        if sample.is_sync
            && !has_sequence_header
            && !elements.is_empty()
            && let Some(obu) = Obu::parse(&self.config.sequence_header, 0)
        {
            elements.insert(0, Element::of(&obu, Origin::Config));
        }
        elements
    }
}

/// Where the payload of an OBU is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Sample,
    Config,
}

/// An OBU as it is sent: its header without a size field, and its payload.
#[derive(Debug)]
struct Element {
    head: [u8; 2],
    head_len: usize,
    payload: Range<usize>,
    origin: Origin,
    is_sequence_header: bool,
}

impl Element {
    fn of(obu: &Obu, origin: Origin) -> Self {
        Self {
            head: [obu.header & !HAS_SIZE, obu.extension.unwrap_or(0)],
            head_len: 1 + usize::from(obu.extension.is_some()),
            payload: obu.payload.clone(),
            origin,
            is_sequence_header: obu.kind == OBU_SEQUENCE_HEADER,
        }
    }

    fn len(&self) -> usize {
        self.head_len + self.payload.len()
    }

    /// temporal_id and spatial_id.
    fn layer(&self) -> Option<u8> {
        (self.head_len == 2).then_some(self.head[1])
    }

    /// Adds bytes `range` of it to the packet that is open.
    fn write(&self, range: Range<usize>, config: &[u8], out: &mut PacketWriter<'_>) {
        let head = range.start.min(self.head_len)..range.end.min(self.head_len);
        out.inline(&self.head[head]);
        let offset = |at: usize| self.payload.start + at.saturating_sub(self.head_len);
        let payload = offset(range.start)..offset(range.end);
        match self.origin {
            Origin::Sample if payload.is_empty() => {}
            Origin::Sample => out.sample(payload),
            Origin::Config => out.inline(&config[payload]),
        }
    }
}

/// Which part of which OBU is in a packet.
struct Part {
    element: usize,
    range: Range<usize>,
}

/// The parts of the next packet of at most `room` bytes behind the aggregation header, from byte `offset` of OBU `next`
/// on.
fn plan(elements: &[Element], mut next: usize, mut offset: usize, room: usize) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::with_capacity(ELEMENTS_MAX);
    let mut used = 0;
    let mut layer = None;
    while next < elements.len() && parts.len() < ELEMENTS_MAX {
        let element = &elements[next];
        // Section 5: one layer in each packet, and a sequence header comes first.
        let other_layer = layer.is_some() && element.layer().is_some() && layer != element.layer();
        if !parts.is_empty() && (other_layer || element.is_sequence_header) {
            break;
        }
        layer = layer.or(element.layer());
        // What was last needs a length once something follows.
        let length_len = parts.last().map_or(0, |part| leb128(part.range.len() as u32).1);
        let left = element.len() - offset;
        let free = room.saturating_sub(used + length_len);
        if left > free && !parts.is_empty() && free < FRAGMENT_LEN_MIN {
            break;
        }
        let len = left.min(free);
        parts.push(Part { element: next, range: offset..offset + len });
        if len < left {
            break;
        }
        used += length_len + len;
        (next, offset) = (next + 1, 0);
    }
    parts
}

impl Payloader for Av1 {
    fn rtpmap(&self) -> String {
        "AV1/90000".to_owned()
    }

    /// Section 7.1.
    fn fmtp(&self) -> Option<String> {
        let Av1Config { profile, level_idx, tier, .. } = self.config;
        Some(format!("profile={profile};level-idx={level_idx};tier={tier}"))
    }

    fn clock_rate(&self) -> u32 {
        90_000
    }

    /// The marker is on the last packet of a temporal unit (section 4.2).
    fn packetize(&mut self, sample: &Sample, out: &mut PacketWriter<'_>) {
        let elements = self.obus(sample);
        let room = out.payload_max() - 1;
        let (mut next, mut offset) = (0, 0);
        while next < elements.len() {
            let parts = plan(&elements, next, offset, room);
            let Some(last) = parts.last() else { return };
            let is_cut = last.range.end < elements[last.element].len();
            let mut header = (parts.len() as u8) << W_SHIFT;
            header |= if offset > 0 { Z } else { 0 };
            header |= if is_cut { Y } else { 0 };
            header |= if sample.is_sync && (next, offset) == (0, 0) { N } else { 0 };
            out.begin();
            out.inline(&[header]);
            for (index, part) in parts.iter().enumerate() {
                if index + 1 < parts.len() {
                    let (leb, len) = leb128(part.range.len() as u32);
                    out.inline(&leb[..len]);
                }
                elements[part.element].write(part.range.clone(), &self.config.sequence_header, out);
            }
            (next, offset) = if is_cut { (last.element, last.range.end) } else { (last.element + 1, 0) };
            out.finish(next == elements.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{packets, sample_of};
    use super::*;

    fn payloader() -> Av1 {
        let sequence_header = vec![0x0a, 0x03, 0xa1, 0xa2, 0xa3];
        Av1::new(&Av1Config { sequence_header, profile: 1, level_idx: 8, tier: 1, size: None })
    }

    fn sample(is_sync: bool, data: &[u8]) -> Sample {
        Sample { is_sync, ..sample_of(data) }
    }

    #[test]
    fn the_sdp_tells_profile_level_and_tier() {
        let payloader = payloader();
        assert_eq!(payloader.rtpmap(), "AV1/90000");
        assert_eq!(payloader.fmtp().unwrap(), "profile=1;level-idx=8;tier=1");
    }

    #[test]
    fn obus_share_a_packet_without_sizes_and_delimiters() {
        // TD; sequence header of 2 bytes; metadata of 1; a frame of 3, the last, which needs no length.
        let data = [0x12, 0x00, 0x0a, 0x02, 0xb1, 0xb2, 0x2a, 0x01, 0xc1, 0x32, 0x03, 0x10, 0xd2, 0xd3];
        // W 3, N; lengths 3 and 2 with headers 08 and 28; then 30.
        assert_eq!(packets(&mut payloader(), &sample(true, &data), 40), ["M+0 380308b1b20228c13010d2d3"]);
    }

    #[test]
    fn a_key_frame_without_sequence_header_gets_that_of_the_track() {
        let frame = [0x32, 0x02, 0x10, 0xd2];
        assert_eq!(packets(&mut payloader(), &sample(true, &frame), 40), ["M+0 280408a1a2a33010d2"]);
        assert_eq!(packets(&mut payloader(), &sample(false, &frame), 40), ["M+0 103010d2"]);
        assert_eq!(packets(&mut payloader(), &sample(true, &[0x12, 0]), 40), Vec::<String>::new());
    }

    #[test]
    fn an_obu_is_cut_where_the_packet_ends_and_goes_on_in_the_next() {
        let mut data = vec![0x0a, 0x01, 0xb1, 0x32, 0x30];
        data.extend([0xe1; 0x30]);
        let expected = [
            // Y, W 2, N; the sequence header, then 24 bytes of the frame with its header.
            format!("-+0 680208b130{}", "e1".repeat(19)),
            // Z and Y, W 1.
            format!("-+0 d0{}", "e1".repeat(23)),
            // Z, W 1: what is left.
            format!("M+0 90{}", "e1".repeat(6)),
        ];
        assert_eq!(packets(&mut payloader(), &sample(true, &data), 24), expected);
    }

    #[test]
    fn layers_do_not_share_a_packet_and_a_fourth_obu_needs_another() {
        // Frames of spatial layers 0 and 1.
        let data = [0x36, 0x00, 0x01, 0xd1, 0x36, 0x08, 0x01, 0xd2];
        assert_eq!(packets(&mut payloader(), &sample(false, &data), 40), ["-+0 103400d1", "M+0 103408d2"]);
        // Four tile groups; the last has no size field.
        let data = [0x22, 0x01, 0xd1, 0x22, 0x01, 0xd2, 0x22, 0x01, 0xd3, 0x20, 0xd4];
        assert_eq!(packets(&mut payloader(), &sample(false, &data), 40), ["-+0 300220d10220d220d3", "M+0 1020d4"]);
    }

    #[test]
    fn a_fragment_of_few_bytes_waits_for_the_next_packet() {
        let mut data = vec![0x2a, 0x05, 1, 2, 3, 4, 5, 0x32, 0x10];
        data.extend([0xe1; 16]);
        let expected = ["-+0 10280102030405".to_owned(), format!("M+0 1030{}", "e1".repeat(16))];
        assert_eq!(packets(&mut payloader(), &sample(false, &data), 20), expected);
    }
}
