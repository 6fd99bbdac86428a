//! The header of a PES packet, in the syntax of MPEG-2 (ISO/IEC 13818-1 section 2.4.3.6) and that of MPEG-1
//! (ISO/IEC 11172-1 section 2.4.3.3).

/// What stands before the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PesHeader {
    /// Its length in bytes, from the start code on.
    pub len: usize,
    /// The time stamps, if it has any.
    pub stamp: Option<RawStamp>,
}

/// Time stamps as they stand in the file: 33 bits, 90 kHz.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawStamp {
    /// PTS.
    pub pts: u64,
    /// DTS, where it differs.
    pub dts: Option<u64>,
}

/// Start code, stream_id and PES_packet_length.
pub const PES_START_LEN: usize = 6;

/// Reads the header of the packet in `packet`. `None`: it is malformed, or cut off.
pub fn parse(packet: &[u8]) -> Option<PesHeader> {
    match packet.get(PES_START_LEN)? >> 6 {
        2 => parse_mpeg2(packet),
        _ => parse_mpeg1(packet),
    }
}

/// ```text
/// |10|scrambling 2|priority|alignment|copyright|original| PTS_DTS_flags 2|others 6| PES_header_data_length 8|
/// ```
fn parse_mpeg2(packet: &[u8]) -> Option<PesHeader> {
    const FIXED_LEN: usize = PES_START_LEN + 3;
    let (flags, data_len) = (*packet.get(7)?, usize::from(*packet.get(8)?));
    let fields = packet.get(FIXED_LEN..FIXED_LEN + data_len)?;
    let stamp = match flags >> 6 {
        2 => time_stamp(fields).map(|pts| RawStamp { pts, dts: None }),
        3 => time_stamp(fields).map(|pts| RawStamp { pts, dts: fields.get(5..).and_then(time_stamp) }),
        _ => None,
    };
    Some(PesHeader { len: FIXED_LEN + data_len, stamp })
}

/// ```text
/// |stuffing 0xff *|01 STD_buffer 14|0010 PTS 36, or 0011 PTS 36 DTS 40, or 00001111|
/// ```
fn parse_mpeg1(packet: &[u8]) -> Option<PesHeader> {
    const STUFFING_MAX: usize = 16;
    let stuffing = packet[PES_START_LEN..].iter().take_while(|byte| **byte == 0xff).count();
    if stuffing > STUFFING_MAX {
        return None;
    }
    let mut at = PES_START_LEN + stuffing;
    if packet.get(at)? >> 6 == 1 {
        at += 2;
    }
    match packet.get(at)? >> 4 {
        2 => {
            let pts = time_stamp(&packet[at..])?;
            Some(PesHeader { len: at + 5, stamp: Some(RawStamp { pts, dts: None }) })
        }
        3 => {
            let (pts, dts) = (time_stamp(&packet[at..])?, time_stamp(packet.get(at + 5..)?)?);
            Some(PesHeader { len: at + 10, stamp: Some(RawStamp { pts, dts: Some(dts) }) })
        }
        0 if packet[at] == 0x0f => Some(PesHeader { len: at + 1, stamp: None }),
        _ => None,
    }
}

/// A time stamp in 5 bytes, of which each of the last bits of the first, third and fifth is a marker.
fn time_stamp(bytes: &[u8]) -> Option<u64> {
    let [a, b, c, d, e] = bytes.first_chunk::<5>()?.map(u64::from);
    Some((a >> 1 & 7) << 30 | b << 22 | c >> 1 << 15 | d << 7 | e >> 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_both_syntaxes_are_read() {
        let pts = [0x21, 0x00, 0x05, 0xbf, 0x21]; // 90000
        let dts = [0x11, 0x00, 0x05, 0xa3, 0x01]; // 86400
        let start = [0, 0, 1, 0xe0, 0, 99];
        let stamp = |dts| Some(RawStamp { pts: 90_000, dts });
        for (header, len, expected) in [
            (&[&[0x80, 0, 0][..]][..], 9, None),
            (&[&[0x84, 0x80, 7], &pts, &[0xff, 0xff]], 16, stamp(None)),
            (&[&[0x80, 0xc0, 10], &[0x31, 0x00, 0x05, 0xbf, 0x21], &dts], 19, stamp(Some(86_400))),
            (&[&[0x0f]], 7, None),
            (&[&[0xff, 0xff, 0x0f]], 9, None),
            (&[&[0xff, 0x60, 0x20], &pts], 14, stamp(None)),
            (&[&[0x31, 0x00, 0x05, 0xbf, 0x21], &dts], 16, stamp(Some(86_400))),
        ] {
            let packet = [&start[..], &header.concat(), &[1, 2, 3]].concat();
            assert_eq!(parse(&packet), Some(PesHeader { len, stamp: expected }), "{header:02x?}");
        }
    }

    #[test]
    fn a_header_that_is_cut_off_or_makes_no_sense_is_none() {
        let start = [0, 0, 1, 0xe0, 0, 99];
        for header in
            [&[][..], &[0x80, 0], &[0x80, 0x80, 5, 0x21], &[0x31, 0, 5, 0xbf, 0x21, 0x11], &[0x51], &[0xff; 17]]
        {
            assert_eq!(parse(&[&start[..], header].concat()), None, "{header:02x?}");
        }
    }

    #[test]
    fn the_largest_time_stamp_has_33_bits() {
        assert_eq!(time_stamp(&[0x2f, 0xff, 0xff, 0xff, 0xff]), Some((1 << 33) - 1));
    }
}
