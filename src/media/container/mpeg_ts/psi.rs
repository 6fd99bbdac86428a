//! Program specific information: which programs there are and what streams they have (ISO/IEC 13818-1 section 2.4.4).

/// The longest section, in bytes (section 2.4.4.1: private ones; those of a PAT or PMT have 1024).
const SECTION_LEN_MAX: usize = 4096;
const HEADER_LEN: usize = 3;
const CRC_LEN: usize = 4;
/// The stuffing after the last section of a packet.
const STUFFING: u8 = 0xff;
/// How many programs and streams are looked at; a section has no room for many more.
const PROGRAMS_MAX: usize = 256;
const STREAMS_MAX: usize = 64;

/// Puts the sections of one PID together.
#[derive(Debug, Default)]
pub struct Sections {
    bytes: Vec<u8>,
    /// Whether the section that is open began where it should.
    is_open: bool,
}

impl Sections {
    /// Takes the payload of a packet, in which a section starts or not, and gives each section that it completes to
    /// `found`, if its CRC is right.
    pub fn push(&mut self, payload: &[u8], is_start: bool, mut found: impl FnMut(&[u8])) {
        if !is_start {
            self.extend(payload, &mut found);
            return;
        }
        // Section 2.4.4.1: pointer_field counts the bytes before the first section that begins in this packet.
        let Some((pointer, rest)) = payload.split_first() else { return };
        let (tail, sections) = rest.split_at(rest.len().min(usize::from(*pointer)));
        self.extend(tail, &mut found);
        self.bytes.clear();
        self.is_open = true;
        self.extend(sections, &mut found);
    }

    /// Bytes are missing.
    pub fn reset(&mut self) {
        self.is_open = false;
        self.bytes.clear();
    }

    fn extend(&mut self, bytes: &[u8], found: &mut impl FnMut(&[u8])) {
        if !self.is_open {
            return;
        }
        self.bytes.extend_from_slice(bytes);
        while let &[table_id, high, low, ..] = self.bytes.as_slice() {
            let len = HEADER_LEN + usize::from(u16::from_be_bytes([high & 0xf, low]));
            if table_id == STUFFING || len > SECTION_LEN_MAX {
                self.reset();
                return;
            }
            if self.bytes.len() < len {
                return;
            }
            if crc32(&self.bytes[..len]) == 0 {
                found(&self.bytes[..len]);
            }
            self.bytes.drain(..len);
        }
    }
}

/// The CRC of a section (annex A), 0 over one with its own at the end.
pub fn crc32(bytes: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0x04c1_1db7;
    bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| crc << 1 ^ if crc >> 31 == 1 { POLYNOMIAL } else { 0 })
    })
}

/// The programs of a PAT section (section 2.4.4.3) as (program_number, PID of its map); `None` for other sections and
/// those that are not in force yet.
pub fn parse_pat(section: &[u8]) -> Option<Vec<(u16, u16)>> {
    let body = body(section, 0x00)?;
    let entries = body.chunks_exact(4).map(|entry| (be16(&entry[0..2]), be16(&entry[2..4]) & 0x1fff));
    // Program number 0 is the PID of the network's own information.
    Some(entries.filter(|(number, _)| *number != 0).take(PROGRAMS_MAX).collect())
}

/// A program map (section 2.4.4.8).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProgramMap {
    /// program_number.
    pub number: u16,
    /// Of what the whole program is told: its descriptors.
    pub descriptors: Vec<u8>,
    /// The elementary streams, in the order of the map.
    pub streams: Vec<StreamEntry>,
}

/// One elementary stream of a program map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamEntry {
    /// stream_type (table 2-34).
    pub stream_type: u8,
    /// elementary_PID.
    pub pid: u16,
    /// Its descriptors.
    pub descriptors: Vec<u8>,
}

impl ProgramMap {
    /// Reads a PMT section; `None` for other sections, those not in force yet, and damage.
    pub fn parse(section: &[u8]) -> Option<Self> {
        let mut rest = body(section, 0x02)?;
        let mut map = Self { number: be16(&section[3..5]), ..Self::default() };
        rest = rest.get(2..)?; // PCR_PID
        map.descriptors = take_descriptors(&mut rest)?;
        while let (&[stream_type, high, low, ..], true) = (rest, map.streams.len() < STREAMS_MAX) {
            rest = &rest[3..];
            let descriptors = take_descriptors(&mut rest)?;
            map.streams.push(StreamEntry { stream_type, pid: be16(&[high, low]) & 0x1fff, descriptors });
        }
        Some(map)
    }
}

/// The bytes between the header of a section in force and its CRC.
fn body(section: &[u8], table_id: u8) -> Option<&[u8]> {
    const SYNTAX_HEADER_LEN: usize = 8;
    let is_current = section.get(5)? & 1 == 1;
    let end = section.len().checked_sub(CRC_LEN)?;
    section.get(SYNTAX_HEADER_LEN..end).filter(|_| section[0] == table_id && is_current)
}

fn be16(bytes: &[u8]) -> u16 {
    u16::from_be_bytes([bytes[0], bytes[1]])
}

fn take_descriptors(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let len = usize::from(be16(rest.get(..2)?) & 0xfff);
    let descriptors = rest.get(2..2 + len)?.to_vec();
    *rest = &rest[2 + len..];
    Some(descriptors)
}

/// The descriptors in a loop of them, as (descriptor_tag, content) (section 2.6.1).
pub fn descriptors(mut bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let &[tag, len, ..] = bytes else { return None };
        let content = bytes.get(2..2 + usize::from(len))?;
        bytes = &bytes[2 + usize::from(len)..];
        Some((tag, content))
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{pmt_section, section};
    use super::*;

    #[test]
    fn a_section_is_found_in_one_packet_and_over_several() {
        let long: Vec<u8> = (0..700_u32).map(|number| number as u8).collect();
        let sections = [section(0x00, 1, &[0, 0, 0xe0, 0x10, 0, 1, 0xf0, 0]), section(0x02, 1, &long)];
        for payload_len in [20, 100, 184, 2000] {
            let mut found = Vec::new();
            let mut assembler = Sections::default();
            assembler.push(&[0xee; 50], false, |_| panic!("nothing has begun"));
            let all = sections.concat();
            let mut bytes = vec![0];
            bytes.extend(&all);
            for (number, payload) in bytes.chunks(payload_len).enumerate() {
                assembler.push(payload, number == 0, |section| found.push(section.to_vec()));
            }
            assert_eq!(found, sections, "payloads of {payload_len}");
        }
    }

    #[test]
    fn the_rest_of_a_section_may_stand_before_the_next_one() {
        let (first, second) = (section(0x02, 1, &[1; 40]), section(0x02, 1, &[2; 10]));
        let mut found = Vec::new();
        let mut assembler = Sections::default();
        assembler.push(&[&[0], &first[..30]].concat(), true, |section| found.push(section.to_vec()));
        let rest = [&[(first.len() - 30) as u8], &first[30..], &second, &[0xff; 20]].concat();
        assembler.push(&rest, true, |section| found.push(section.to_vec()));
        assert_eq!(found, [first, second]);
    }

    #[test]
    fn damaged_sections_are_ignored() {
        let mut damaged = section(0x00, 1, &[0, 1, 0xe1, 0]);
        damaged[9] ^= 1;
        Sections::default().push(&[&[0], &damaged[..]].concat(), true, |section| panic!("{section:02x?}"));
    }

    #[test]
    fn a_pat_names_programs_and_not_the_network() {
        let pat = section(0x00, 1, &[0, 0, 0xe0, 0x10, 0, 1, 0xf0, 0x11, 0, 2, 0xe2, 0x22]);
        assert_eq!(parse_pat(&pat), Some(vec![(1, 0x1011), (2, 0x222)]));
        assert_eq!(parse_pat(&section(0x02, 1, &[0; 8])), None);
    }

    #[test]
    fn a_pmt_names_streams_with_their_descriptors() {
        let registration = [5, 4, b'O', b'p', b'u', b's'];
        let section = pmt_section(7, &[(0x1b, 0x100, &[]), (0x06, 0x101, &registration)]);
        let map = ProgramMap::parse(&section).unwrap();
        assert_eq!((map.number, map.streams.len()), (7, 2));
        assert_eq!((map.streams[0].stream_type, map.streams[0].pid), (0x1b, 0x100));
        assert_eq!(descriptors(&map.streams[1].descriptors).collect::<Vec<_>>(), [(5, &b"Opus"[..])]);
        for len in 0..section.len() {
            let _ = ProgramMap::parse(&section[..len]);
        }
    }
}
