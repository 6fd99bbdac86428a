//! One RTP stream: what its packet headers count (RFC 3550 section 5.1).

use super::HEADER_LEN;

/// The state of one RTP stream. Its timestamps come from media time, so that they never drift; the caller maps them.
#[derive(Debug, Clone)]
pub struct RtpStream {
    payload_type: u8,
    ssrc: u32,
    next_sequence: u16,
    packet_len_max: usize,
    packet_count: u32,
    octet_count: u32,
}

impl RtpStream {
    /// A stream whose packets are at most `packet_len_max` bytes long, RTP header included. `ssrc` and the first
    /// sequence number should be random (RFC 3550 section 8.1 and 5.1).
    pub fn new(payload_type: u8, ssrc: u32, first_sequence: u16, packet_len_max: usize) -> Self {
        Self::check_room(packet_len_max);
        Self {
            payload_type: payload_type & 0x7f,
            ssrc,
            next_sequence: first_sequence,
            packet_len_max,
            packet_count: 0,
            octet_count: 0,
        }
    }

    fn check_room(packet_len_max: usize) {
        assert!(packet_len_max > HEADER_LEN + 8, "a packet must have room for a payload");
    }

    /// Changes how long packets may be, from the next on.
    pub fn limit_packets(&mut self, packet_len_max: usize) {
        Self::check_room(packet_len_max);
        self.packet_len_max = packet_len_max;
    }

    /// The synchronisation source.
    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// The sequence number of the next packet, as RTP-Info has it.
    pub fn next_sequence(&self) -> u16 {
        self.next_sequence
    }

    /// The longest packet, in bytes.
    pub fn packet_len_max(&self) -> usize {
        self.packet_len_max
    }

    /// Packets made so far; wraps, as in a sender report.
    pub fn packet_count(&self) -> u32 {
        self.packet_count
    }

    /// Payload bytes in them; wraps.
    pub fn octet_count(&self) -> u32 {
        self.octet_count
    }

    /// The header of the next packet, marker clear; advances the sequence number.
    pub(super) fn next_header(&mut self, rtptime: u32) -> [u8; HEADER_LEN] {
        let mut header = [0; HEADER_LEN];
        header[0] = 0x80; // version 2
        header[1] = self.payload_type;
        header[2..4].copy_from_slice(&self.next_sequence.to_be_bytes());
        header[4..8].copy_from_slice(&rtptime.to_be_bytes());
        header[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        self.next_sequence = self.next_sequence.wrapping_add(1);
        header
    }

    /// Undoes the last `packet_count` packets, with `octet_count` bytes of payload, which were made and not sent.
    pub fn take_back(&mut self, packet_count: usize, octet_count: usize) {
        self.next_sequence = self.next_sequence.wrapping_sub(packet_count as u16);
        self.packet_count = self.packet_count.wrapping_sub(packet_count as u32);
        self.octet_count = self.octet_count.wrapping_sub(octet_count as u32);
    }

    pub(super) fn count(&mut self, payload_len: usize) {
        self.packet_count = self.packet_count.wrapping_add(1);
        self.octet_count = self.octet_count.wrapping_add(payload_len as u32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_is_that_of_rfc_3550_and_the_sequence_number_wraps() {
        let mut stream = RtpStream::new(0xe0, 0x1234_5678, 0xffff, 1400);
        assert_eq!(stream.next_header(0x0102_0304), [0x80, 0x60, 0xff, 0xff, 1, 2, 3, 4, 0x12, 0x34, 0x56, 0x78]);
        assert_eq!(stream.next_sequence(), 0);
        assert_eq!(stream.next_header(0)[2..4], [0, 0]);
    }

    #[test]
    fn counts_are_of_payload_and_wrap() {
        let mut stream = RtpStream { octet_count: u32::MAX - 4, ..RtpStream::new(96, 1, 0, 1400) };
        stream.count(10);
        stream.count(0);
        assert_eq!((stream.packet_count(), stream.octet_count()), (2, 5));
    }
}
