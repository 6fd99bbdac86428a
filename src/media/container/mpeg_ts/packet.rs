//! Transport packets (ISO/IEC 13818-1 section 2.4.3.2) and where they lie in a file: one after the other, or behind a
//! time code of 4 bytes each (BDAV, `.m2ts` and `.mts`), or before 16 bytes of error correction (DVB).

use crate::media::Error;
use crate::media::io::{Source, Window};

/// The length of a packet in bytes.
pub const PACKET_LEN: usize = 188;
/// The first byte of each packet.
pub const SYNC_BYTE: u8 = 0x47;
/// The PID of packets that only fill up (section 2.4.1).
pub const PID_NULL: u16 = 0x1fff;
/// The distances of sync bytes in files, in bytes.
pub const STRIDES: [usize; 3] = [188, 192, 204];

/// So many sync bytes must follow one behind bytes that were no packet.
const CONFIRMATIONS: usize = 4;
/// How much of the file is read at once.
const WINDOW_LEN: usize = 32 << 10;

/// The fields of a transport packet.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'a> {
    /// What it carries.
    pub pid: u16,
    /// payload_unit_start_indicator: a PES packet or section begins here.
    pub is_start: bool,
    /// transport_error_indicator: the receiver knew that bits are wrong.
    pub has_error: bool,
    /// transport_scrambling_control is not 0.
    pub is_scrambled: bool,
    /// continuity_counter.
    pub continuity: u8,
    /// discontinuity_indicator: counters and clock may jump.
    pub is_discontinuity: bool,
    /// random_access_indicator: decoding can start here.
    pub is_random_access: bool,
    /// program_clock_reference, in ticks of 27 MHz.
    pub pcr: Option<u64>,
    /// Whether there is a payload, of any length.
    pub has_payload: bool,
    /// The payload.
    pub payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads a packet; `None` where its lengths contradict each other.
    pub fn parse(bytes: &'a [u8; PACKET_LEN]) -> Option<Self> {
        let control = bytes[3];
        let mut packet = Self {
            pid: u16::from_be_bytes([bytes[1] & 0x1f, bytes[2]]),
            is_start: bytes[1] & 0x40 != 0,
            has_error: bytes[1] & 0x80 != 0,
            is_scrambled: control & 0xc0 != 0,
            continuity: control & 0xf,
            is_discontinuity: false,
            is_random_access: false,
            pcr: None,
            has_payload: control & 0x10 != 0,
            payload: &[],
        };
        let mut payload_at = 4;
        if control & 0x20 != 0 {
            let len = usize::from(bytes[4]);
            payload_at = 5 + len;
            packet.read_adaptation_field(bytes.get(5..payload_at)?);
        }
        if packet.has_payload {
            packet.payload = &bytes[payload_at..];
        }
        Some(packet)
    }

    /// Section 2.4.3.4.
    fn read_adaptation_field(&mut self, field: &[u8]) {
        let Some(flags) = field.first() else { return };
        self.is_discontinuity = flags & 0x80 != 0;
        self.is_random_access = flags & 0x40 != 0;
        if let (true, Some(&[a, b, c, d, e, f])) = (flags & 0x10 != 0, field.get(1..7)) {
            let base = u64::from(u32::from_be_bytes([a, b, c, d])) << 1 | u64::from(e >> 7);
            let extension = u64::from(e & 1) << 8 | u64::from(f);
            self.pcr = Some(base * 300 + extension);
        }
    }
}

/// What [`Packets::next`] found.
pub enum Found {
    /// A packet whose sync byte is at this byte of the file.
    Packet(u64),
    /// Bytes that are no packets were stepped over.
    Skipped(Error),
    /// The file has no more bytes now.
    Starved,
}

/// The packets of a file, one after the other.
pub struct Packets {
    window: Window,
    stride: usize,
    position: u64,
    /// A packet has been found before `position`.
    is_synced: bool,
    /// Bytes before the first packet were meant to be stepped over.
    is_silent: bool,
}

impl Packets {
    /// Reads from byte `at`, which may lie anywhere, with packets so far apart if that fits.
    pub fn new(source: &Source, at: u64, stride: usize) -> Self {
        let window = Window::new(source.clone(), WINDOW_LEN);
        Self { window, stride, position: at, is_synced: false, is_silent: true }
    }

    /// As [`Self::new`], but bytes before the first packet are damage.
    pub fn from_start(source: &Source, at: u64, stride: usize) -> Self {
        Self { is_silent: false, ..Self::new(source, at, stride) }
    }

    /// How far it has read.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The distance of two packets, in bytes.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// Puts the next packet into `packet`. With `is_end`, no more bytes follow those of the file.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn next(&mut self, packet: &mut [u8; PACKET_LEN], is_end: bool) -> Result<Found, Error> {
        let at = self.position;
        let bytes = self.window.available(at, PACKET_LEN, "transport packets")?;
        let Some(bytes) = bytes.first_chunk::<PACKET_LEN>() else { return Ok(Found::Starved) };
        if self.is_synced && bytes[0] == SYNC_BYTE {
            *packet = *bytes;
            self.position += self.stride as u64;
            return Ok(Found::Packet(at));
        }
        if !self.synchronise(is_end)? {
            return Ok(Found::Starved);
        }
        let is_told = self.is_synced || !self.is_silent;
        self.is_synced = true;
        if self.position > at && is_told {
            return Ok(Found::Skipped(Error::malformed("transport packet", at)));
        }
        self.next(packet, is_end)
    }

    /// Moves on to the next sync byte that others follow; `false` when the file ends before.
    fn synchronise(&mut self, is_end: bool) -> Result<bool, Error> {
        // The distance that fitted so far goes first.
        let [first, second, third] = STRIDES;
        let strides = [self.stride, first, second, third];
        let needed = CONFIRMATIONS * STRIDES[2] + 1;
        loop {
            let bytes = self.window.available(self.position, needed, "transport packets")?;
            if bytes.len() < needed && !is_end || bytes.len() < PACKET_LEN {
                return Ok(false);
            }
            let is_tail = bytes.len() < needed;
            let candidates = bytes.len() - if is_tail { PACKET_LEN - 1 } else { needed - 1 };
            let found = memchr::memchr_iter(SYNC_BYTE, &bytes[..candidates]).find_map(|start| {
                let stride = strides.into_iter().find(|stride| is_followed(&bytes[start..], *stride))?;
                Some((start, stride))
            });
            if let Some((start, stride)) = found {
                self.position += start as u64;
                self.stride = stride;
                return Ok(true);
            }
            self.position += candidates as u64;
        }
    }
}

/// Whether further sync bytes follow the first of `bytes` at this distance, as far as there are bytes.
fn is_followed(bytes: &[u8], stride: usize) -> bool {
    (1..=CONFIRMATIONS).all(|index| bytes.get(index * stride).is_none_or(|byte| *byte == SYNC_BYTE))
}

/// The distance of the sync bytes in the start of a file, and where the first is; `None` when there are too few.
pub fn find_stride(head: &[u8]) -> Option<(usize, usize)> {
    /// How many sync bytes in a row are needed.
    const NEEDED: usize = 5;
    let starts = memchr::memchr_iter(SYNC_BYTE, head);
    starts.filter(|start| head.len() - start > (NEEDED - 1) * PACKET_LEN).find_map(|start| {
        let fits = |stride: &usize| {
            let mut syncs = head[start..].iter().step_by(*stride);
            syncs.len() >= NEEDED && syncs.all(|byte| *byte == SYNC_BYTE)
        };
        STRIDES.into_iter().find(fits).map(|stride| (stride, start))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_a_packet_are_where_2_4_3_2_has_them() {
        let mut bytes = [0xff; PACKET_LEN];
        bytes[..12].copy_from_slice(&[0x47, 0x41, 0x23, 0x3a, 7, 0xd0, 0x12, 0x34, 0x56, 0x78, 0xff, 0x2c]);
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!((packet.pid, packet.is_start, packet.continuity), (0x123, true, 10));
        assert_eq!((packet.is_discontinuity, packet.is_random_access), (true, true));
        assert_eq!(packet.pcr, Some((0x1234_5678 * 2 + 1) * 300 + 0x12c));
        assert_eq!(packet.payload.len(), 188 - 12);
        bytes[4] = 184;
        assert!(Packet::parse(&bytes).is_none(), "an adaptation field that is too long");
        bytes[3] = 0x9a;
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!((packet.is_scrambled, packet.payload.len()), (true, 184));
    }

    #[test]
    fn strides_are_told_wherever_the_file_begins() {
        for stride in STRIDES {
            for skip in [0, 1, 50, 187] {
                let file: Vec<u8> = (0..4096 + skip).map(|at| if at % stride == 0 { 0x47 } else { 0x55 }).collect();
                let expected = (stride - skip) % stride;
                assert_eq!(find_stride(&file[skip..]), Some((stride, expected)), "{stride} from {skip}");
            }
        }
        assert_eq!(find_stride(&[0x55; 4096]), None);
        assert_eq!(find_stride(&[0x47; 188]), None);
    }
}
