//! The program stream map (ISO/IEC 13818-1 section 2.5.4): which stream is coded in what.

use std::collections::BTreeMap;

use super::streams::Kind;

/// What a map says: the kind of a stream by its elementary_stream_id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProgramMap {
    kinds: BTreeMap<u8, Kind>,
}

impl ProgramMap {
    /// Reads the packet in `packet`, which begins with its start code. What is cut off is not there.
    ///
    /// ```text
    /// |start code 32|length 16|flags 16|info length 16|info ...|map length 16|
    ///     per stream: |stream_type 8|elementary_stream_id 8|info length 16|info ...|
    /// ```
    pub fn parse(packet: &[u8]) -> Self {
        let mut map = Self::default();
        map.read(packet);
        map
    }

    fn read(&mut self, packet: &[u8]) -> Option<()> {
        let u16_at = |at: usize| Some(usize::from(u16::from_be_bytes(*packet.get(at..)?.first_chunk()?)));
        let mut at = 10 + u16_at(8)?;
        let end = (at + 2).checked_add(u16_at(at)?)?.min(packet.len());
        at += 2;
        while at + 4 <= end {
            let (stream_type, stream_id) = (packet[at], packet[at + 1]);
            self.kinds.insert(stream_id, Kind::of_stream_type(stream_type));
            at += 4 + u16_at(at + 2)?;
        }
        Some(())
    }

    /// What the map says of a stream; `None`: nothing.
    pub fn kind_of(&self, stream_id: u8) -> Option<Kind> {
        self.kinds.get(&stream_id).copied()
    }

    /// Adds what a later map says.
    pub fn extend(&mut self, later: Self) {
        self.kinds.extend(later.kinds);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_found_behind_descriptors_and_in_a_map_that_is_cut_off() {
        let packet = [
            &[0, 0, 1, 0xbc, 0, 28, 0xe1, 0xff, 0, 3, 0x40, 1, 9, 0, 15][..],
            &[0x24, 0xe0, 0, 3, 0x42, 1, 7],
            &[0x90, 0xc0, 0, 0],
            &[0x77, 0xbd, 0, 0],
            &[1, 2, 3, 4],
        ]
        .concat();
        let map = ProgramMap::parse(&packet);
        assert_eq!((map.kind_of(0xe0), map.kind_of(0xc0)), (Some(Kind::H265), Some(Kind::Pcma)));
        assert!(matches!(map.kind_of(0xbd), Some(Kind::Unsupported(_))), "{map:?}");
        assert_eq!(map.kind_of(0xe1), None);
        let cut = ProgramMap::parse(&packet[..24]);
        assert_eq!((cut.kind_of(0xe0), cut.kind_of(0xc0)), (Some(Kind::H265), None));
        for len in 0..packet.len() {
            ProgramMap::parse(&packet[..len]);
        }
    }
}
