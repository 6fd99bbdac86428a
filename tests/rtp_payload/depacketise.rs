//! Receivers of each payload format, written from the RFCs' rules for receivers and sharing nothing with the senders.
//! Whatever the RFC forbids panics.

/// An RTP packet as a receiver sees it.
#[derive(Debug, Clone)]
pub struct Received {
    pub marker: bool,
    pub rtptime: u32,
    pub payload: Vec<u8>,
}

/// NAL units of one access unit (RFC 6184 section 5.4, non-interleaved mode).
pub fn h264(packets: &[Received]) -> Vec<Vec<u8>> {
    let mut nals = Vec::new();
    let mut fragments: Option<Vec<u8>> = None;
    for packet in packets {
        let payload = &packet.payload[..];
        let packet_type = payload[0] % 32;
        assert!(fragments.is_none() || packet_type == 28, "fragments are interrupted by type {packet_type}");
        match packet_type {
            1..=23 => nals.push(payload.to_vec()),
            24 => {
                let inner = aggregated(&payload[1..]);
                let forbidden = inner.iter().any(|nal| nal[0] >= 128);
                let nri = inner.iter().map(|nal| nal[0] / 32 % 4).max().unwrap();
                assert_eq!(payload[0], u8::from(forbidden) * 128 + nri * 32 + 24, "STAP-A header of {inner:02x?}");
                assert!(inner.iter().all(|nal| (1..24).contains(&(nal[0] % 32))), "{inner:02x?}");
                nals.extend(inner);
            }
            28 => {
                let (start, end, reserved) = (payload[1] >= 128, payload[1] / 64 % 2 == 1, payload[1] / 32 % 2);
                assert_eq!(reserved, 0, "R of an FU header");
                let nal_header = payload[0] / 32 * 32 + payload[1] % 32;
                fragment(&mut fragments, &mut nals, &[nal_header], &payload[2..], start, end);
            }
            other => panic!("packet type {other} has no place in packetization-mode 1"),
        }
    }
    assert!(fragments.is_none(), "the last NAL unit has no end");
    nals
}

/// NAL units of one access unit (RFC 7798 section 4.4, sprop-max-don-diff 0).
pub fn h265(packets: &[Received]) -> Vec<Vec<u8>> {
    let mut nals = Vec::new();
    let mut fragments: Option<Vec<u8>> = None;
    for packet in packets {
        let payload = &packet.payload[..];
        let header = u16::from_be_bytes([payload[0], payload[1]]);
        let packet_type = header / 512 % 64;
        assert!(fragments.is_none() || packet_type == 49, "fragments are interrupted by type {packet_type}");
        match packet_type {
            0..=47 => nals.push(payload.to_vec()),
            48 => {
                let inner = aggregated(&payload[2..]);
                let headers: Vec<_> = inner.iter().map(|nal| u16::from_be_bytes([nal[0], nal[1]])).collect();
                let forbidden = headers.iter().any(|header| *header >= 0x8000);
                let layer = headers.iter().map(|header| header / 8 % 64).min().unwrap();
                let tid = headers.iter().map(|header| header % 8).min().unwrap();
                assert_eq!(header, u16::from(forbidden) * 0x8000 + 48 * 512 + layer * 8 + tid, "AP of {inner:02x?}");
                assert!(headers.iter().all(|header| header / 512 % 64 < 48), "{inner:02x?}");
                nals.extend(inner);
            }
            49 => {
                let (start, end) = (payload[2] >= 128, payload[2] / 64 % 2 == 1);
                let nal_header = header - 49 * 512 + u16::from(payload[2] % 64) * 512;
                fragment(&mut fragments, &mut nals, &nal_header.to_be_bytes(), &payload[3..], start, end);
            }
            other => panic!("packet type {other} has no place in RFC 7798"),
        }
    }
    assert!(fragments.is_none(), "the last NAL unit has no end");
    nals
}

/// Units behind 16-bit sizes; there must be two at least, or it should have been a single NAL unit packet.
fn aggregated(mut rest: &[u8]) -> Vec<Vec<u8>> {
    let mut nals = Vec::new();
    while !rest.is_empty() {
        let (nal, after) = rest[2..].split_at(usize::from(rest[0]) * 256 + usize::from(rest[1]));
        nals.push(nal.to_vec());
        rest = after;
    }
    assert!(nals.len() >= 2, "an aggregate of {}", nals.len());
    nals
}

fn fragment(
    fragments: &mut Option<Vec<u8>>,
    nals: &mut Vec<Vec<u8>>,
    nal_header: &[u8],
    data: &[u8],
    start: bool,
    end: bool,
) {
    assert!(!(start && end), "start and end in one fragment");
    assert!(!data.is_empty(), "an empty fragment");
    assert_eq!(fragments.is_none(), start, "start bit");
    let nal = fragments.get_or_insert_with(|| nal_header.to_vec());
    assert_eq!(&nal[..nal_header.len()], nal_header, "headers differ between fragments");
    nal.extend_from_slice(data);
    if end {
        nals.extend(fragments.take());
    }
}

/// The access unit in these packets (RFC 3640 section 3.3.6, AAC-hbr; this sender puts one into each packet).
pub fn aac(packets: &[Received]) -> Vec<u8> {
    let mut unit = Vec::new();
    let size = |packet: &Received| u16::from_be_bytes([packet.payload[2], packet.payload[3]]) / 8;
    for packet in packets {
        assert_eq!(packet.payload[..2], [0, 16], "AU-headers-length in bits");
        assert_eq!(packet.payload[3] % 8, 0, "AU-Index");
        assert_eq!(size(packet), size(&packets[0]), "AU-size of a fragment is that of the whole");
        unit.extend_from_slice(&packet.payload[4..]);
        assert_eq!(packet.marker, unit.len() == usize::from(size(packet)), "marker is on the end of the unit");
    }
    unit
}

/// The values in these packets (RFC 3551 section 4.5.11, RFC 3190 section 4), 16 or 24 bits each. Their timestamps
/// must count frames.
pub fn pcm(packets: &[Received], value_len: usize, channels: usize) -> Vec<i32> {
    let mut values = Vec::new();
    for packet in packets {
        assert!(!packet.marker, "a marker without silence suppression");
        let frames = (values.len() / channels) as u32;
        assert_eq!(packet.rtptime.wrapping_sub(packets[0].rtptime), frames, "timestamp");
        assert_eq!(packet.payload.len() % (value_len * channels), 0, "whole frames");
        values.extend(packet.payload.chunks_exact(value_len).map(|value| {
            let unsigned = value.iter().fold(0_i32, |all, byte| all * 256 + i32::from(*byte));
            let range = 1 << (8 * value_len);
            if unsigned >= range / 2 { unsigned - range } else { unsigned }
        }));
    }
    values
}
