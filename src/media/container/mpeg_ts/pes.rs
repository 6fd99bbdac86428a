//! PES packets (ISO/IEC 13818-1 section 2.4.3.6): the header with its time stamps, and the pieces of the payload as
//! transport packets bring them.

/// packet_start_code_prefix.
const PREFIX: [u8; 3] = [0, 0, 1];
/// Bytes of the header up to PES_header_data_length.
const FIXED_LEN: usize = 9;
/// stream_id of streams whose packets have no such header (table 2-22): maps, padding, private_stream_2 and the like.
const WITHOUT_HEADER: [u8; 8] = [0xbc, 0xbe, 0xbf, 0xf0, 0xf1, 0xf2, 0xf8, 0xff];

/// Time stamps in ticks of 90 kHz, 33 bits of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticks {
    /// When to show.
    pub pts: u64,
    /// When to decode, where that is not the same.
    pub dts: Option<u64>,
}

/// The header of a PES packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What kind of stream it is of.
    pub stream_id: u8,
    /// The bytes before the payload.
    pub len: usize,
    /// The bytes of the payload, where told.
    pub payload_len: Option<usize>,
    /// Its time.
    pub ticks: Option<Ticks>,
}

/// What the first bytes of a PES packet are.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed {
    /// A header.
    Header(Header),
    /// It goes on in the next packet.
    Short,
    /// Nothing with a payload that anybody needs.
    Other,
}

/// Reads the header of the PES packet that begins with `bytes`.
pub fn parse(bytes: &[u8]) -> Parsed {
    if bytes.len() < PREFIX.len() || bytes[..3] != PREFIX {
        return if PREFIX.starts_with(bytes) { Parsed::Short } else { Parsed::Other };
    }
    let Some(&[_, _, _, stream_id, high, low, marker, flags, data_len]) = bytes.first_chunk::<FIXED_LEN>() else {
        return Parsed::Short;
    };
    if WITHOUT_HEADER.contains(&stream_id) || marker & 0xc0 != 0x80 {
        return Parsed::Other;
    }
    let len = FIXED_LEN + usize::from(data_len);
    let Some(data) = bytes.get(FIXED_LEN..len) else { return Parsed::Short };
    // PES_packet_length counts from behind itself; 0 is for video that does not tell.
    let packet_len = usize::from(u16::from_be_bytes([high, low]));
    let payload_len = (packet_len > 0).then(|| (packet_len + 6).saturating_sub(len));
    Parsed::Header(Header { stream_id, len, payload_len, ticks: read_ticks(flags, data) })
}

fn read_ticks(flags: u8, data: &[u8]) -> Option<Ticks> {
    let pts = (flags & 0x80 != 0).then(|| data.first_chunk().and_then(ticks))??;
    let dts = (flags & 0x40 != 0).then(|| data.get(5..)?.first_chunk().and_then(ticks)).flatten();
    Some(Ticks { pts, dts })
}

/// 33 bits in three pieces, each before a marker bit that is 1. Some encoders forget the marker bits.
fn ticks(bytes: &[u8; 5]) -> Option<u64> {
    let [a, b, c, d, e] = bytes.map(u64::from);
    let has_prefix = a >> 4 != 0;
    has_prefix.then_some((a >> 1 & 7) << 30 | b << 22 | (c >> 1) << 15 | d << 7 | e >> 1)
}

/// A piece of the payload of a PES packet.
#[derive(Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// The bytes.
    pub bytes: &'a [u8],
    /// Where the transport packet is in which the PES packet begins.
    pub at: u64,
    /// The time stamps, with the first piece.
    pub ticks: Option<Ticks>,
}

/// Takes PES packets of one PID out of transport packets.
#[derive(Debug, Default)]
pub struct PesReader {
    state: State,
    /// Where the PES packet begins.
    at: u64,
    /// Whether PES_packet_length is believed. That of video is often wrong, as it counts up to 65,535 only.
    is_bounded: bool,
}

#[derive(Debug, Default)]
enum State {
    /// Until the next PES packet begins.
    #[default]
    Idle,
    /// A header that goes over more than one packet.
    Header(Vec<u8>),
    /// Within the payload, with so many bytes to come.
    Payload(Option<usize>),
}

impl PesReader {
    /// With `is_bounded`, what is beyond PES_packet_length is left out.
    pub fn new(is_bounded: bool) -> Self {
        Self { is_bounded, ..Self::default() }
    }

    /// Bytes are missing: waits for the next PES packet.
    pub fn reset(&mut self) {
        self.state = State::Idle;
    }

    /// Takes the payload of the transport packet at byte `at` of the file.
    pub fn push<'a>(&mut self, payload: &'a [u8], is_start: bool, at: u64) -> Option<Piece<'a>> {
        if is_start {
            self.at = at;
            self.state = State::Header(Vec::new());
        }
        let (bytes, ticks) = match &mut self.state {
            State::Idle => return None,
            State::Payload(_) => (payload, None),
            State::Header(held) => {
                let held_len = held.len();
                held.extend_from_slice(payload);
                match parse(held) {
                    Parsed::Short => return None,
                    Parsed::Other => {
                        self.state = State::Idle;
                        return None;
                    }
                    Parsed::Header(header) => {
                        self.state = State::Payload(header.payload_len.filter(|_| self.is_bounded));
                        (payload.get(header.len - held_len..)?, header.ticks)
                    }
                }
            }
        };
        let bytes = match &mut self.state {
            State::Payload(Some(left)) => {
                let taken = bytes.len().min(*left);
                *left -= taken;
                &bytes[..taken]
            }
            _ => bytes,
        };
        (!bytes.is_empty() || ticks.is_some()).then_some(Piece { bytes, at: self.at, ticks })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::pes;
    use super::*;

    #[test]
    fn stamps_of_33_bits_are_read_from_their_three_pieces() {
        for (pts, dts) in [(0, None), (0x1_ffff_ffff, Some(0)), (0x1_2345_6789, Some(0x0_abcd_ef01))] {
            let packet = pes(0xe0, Some((pts, dts)), b"payload");
            let Parsed::Header(header) = parse(&packet) else { panic!("no header") };
            assert_eq!(header.ticks, Some(Ticks { pts, dts }));
            assert_eq!((header.stream_id, &packet[header.len..]), (0xe0, &b"payload"[..]));
        }
    }

    #[test]
    fn a_header_may_go_over_several_packets_and_lengths_bound_the_payload() {
        let mut packet = pes(0xc0, Some((900, None)), b"0123456789");
        packet.extend([0xff; 20]);
        for first in 1..packet.len() {
            let mut reader = PesReader::new(true);
            let mut found = Vec::new();
            let mut ticks = Vec::new();
            for (index, piece) in [&packet[..first], &packet[first..]].into_iter().enumerate() {
                if let Some(piece) = reader.push(piece, index == 0, 188 * index as u64) {
                    assert_eq!(piece.at, 0);
                    found.extend(piece.bytes);
                    ticks.extend(piece.ticks);
                }
            }
            assert_eq!((found.as_slice(), ticks.len()), (&b"0123456789"[..], 1), "cut at {first}");
        }
    }

    #[test]
    fn what_has_no_time_and_what_is_no_pes_packet_is_told_apart() {
        assert_eq!(parse(&[0, 0, 1, 0xbe, 0, 3, 0xff, 0xff, 0xff]), Parsed::Other);
        assert_eq!(parse(&[0, 0, 2, 0xe0]), Parsed::Other);
        assert_eq!(parse(&[0, 0]), Parsed::Short);
        assert!(matches!(parse(&pes(0xe0, None, b"x")), Parsed::Header(Header { ticks: None, .. })));
        let mut reader = PesReader::new(false);
        assert_eq!(reader.push(b"the rest of a packet that began before", false, 0), None);
    }
}
