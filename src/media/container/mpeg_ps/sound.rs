//! The linear PCM of a DVD: its header, and how values of more than 16 bits are packed.

use crate::media::Codec;
use crate::media::codec::{PcmConfig, PcmFormat};
use crate::media::container::packet_sound::Blocks;

/// What the header of linear PCM on a DVD says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DvdSound {
    /// Bits of a value: 16, 20 or 24.
    pub bits: u8,
    /// In Hz.
    pub sample_rate: u32,
    /// 1 to 8.
    pub channels: u8,
}

impl DvdSound {
    /// Reads it at the start of a payload.
    ///
    /// ```text
    /// |sub_stream_id 8|frames 8|first access unit 16|flags 8|bits 2|rate 2|0|channels - 1 3|dynamic range 8|
    /// ```
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let byte = *payload.get(5)?;
        let bits = [16, 20, 24, 0][usize::from(byte >> 6)];
        let sample_rate = [48_000, 96_000, 44_100, 32_000][usize::from(byte >> 4 & 3)];
        (bits != 0).then_some(Self { bits, sample_rate, channels: (byte & 7) + 1 })
    }

    /// How many values make a group, of which the lower bits stand behind the upper 16.
    fn group(self) -> usize {
        if self.channels == 1 { 2 } else { 4 }
    }

    /// Bytes of a group.
    fn group_len(self) -> usize {
        self.group() * usize::from(self.bits) / 8
    }

    /// Bytes that hold whole groups of every channel.
    fn block_len(self) -> usize {
        match (self.bits, self.channels) {
            (16, channels) => 2 * usize::from(channels),
            // Two values of every channel; an odd number of channels takes two such to fill groups.
            (_, channels) if channels > 1 && channels % 2 == 1 => usize::from(channels) * self.group_len(),
            (_, 1) => self.group_len(),
            (_, channels) => usize::from(channels) / 2 * self.group_len(),
        }
    }

    /// Appends the values in `block`, big-endian in 16 or 24 bits.
    fn unpack(self, block: &[u8], out: &mut Vec<u8>) {
        if self.bits == 16 {
            out.extend_from_slice(block);
            return;
        }
        for group in block.chunks_exact(self.group_len()) {
            let (upper, lower) = group.split_at(2 * self.group());
            for (index, value) in upper.chunks_exact(2).enumerate() {
                out.extend_from_slice(value);
                out.push(match self.bits {
                    24 => lower[index],
                    _ if index % 2 == 0 => lower[index / 2] & 0xf0,
                    _ => lower[index / 2] << 4,
                });
            }
        }
    }

    /// What gives it out, in values of 16 or 24 bits.
    pub fn blocks(self) -> Blocks {
        let format = if self.bits == 16 { PcmFormat::S16Be } else { PcmFormat::S24Be };
        let config = PcmConfig { format, sample_rate: self.sample_rate, channels: self.channels.into() };
        let values = self.block_len() * 8 / usize::from(self.bits);
        let frames = values / usize::from(self.channels);
        let unpack = Box::new(move |block: &[u8], out: &mut Vec<u8>| self.unpack(block, out));
        Blocks::new(Codec::Pcm(config), self.block_len(), frames as u32, self.sample_rate)
            .unpacked(values * format.value_len(), unpack)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Sample;
    use crate::media::scan::{Chunk, Framer};

    fn chunk(bytes: &[u8]) -> Chunk<'_> {
        Chunk { bytes, at: 0, is_packet: true, stamp: None }
    }

    #[test]
    fn values_of_a_dvd_are_put_together_from_upper_and_lower_bits() {
        let header = |bits: u8, channels: u8| [0xa0, 1, 0, 4, 0, bits << 6 | (channels - 1), 0x80];
        for (bits, channels, block, expected) in [
            (0, 2, &[1, 2, 3, 4][..], &[1, 2, 3, 4][..]),
            (2, 2, &[1, 2, 3, 4, 5, 6, 7, 8, 0xa, 0xb, 0xc, 0xd], &[1, 2, 0xa, 3, 4, 0xb, 5, 6, 0xc, 7, 8, 0xd]),
            (1, 2, &[1, 2, 3, 4, 5, 6, 7, 8, 0xab, 0xcd], &[1, 2, 0xa0, 3, 4, 0xb0, 5, 6, 0xc0, 7, 8, 0xd0]),
            (1, 1, &[1, 2, 3, 4, 0xab], &[1, 2, 0xa0, 3, 4, 0xb0]),
        ] {
            let sound = DvdSound::parse(&header(bits, channels)).unwrap();
            let mut framer = sound.blocks();
            framer.push(chunk(&block[..3]));
            framer.push(chunk(&block[3..]));
            let mut sample = Sample::default();
            framer.pop(&mut sample).unwrap().unwrap();
            assert_eq!(sample.data, expected, "{sound:?}");
        }
        assert_eq!(DvdSound::parse(&header(3, 2)), None);
        assert_eq!(DvdSound::parse(&[0xa0]), None);
    }

    #[test]
    fn every_number_of_channels_has_blocks_of_whole_frames() {
        for bits in [16, 20, 24] {
            for channels in 1..=8 {
                let sound = DvdSound { bits, sample_rate: 48_000, channels };
                let values = sound.block_len() * 8 / usize::from(bits);
                assert_eq!(values % usize::from(channels), 0, "{sound:?}");
                assert_eq!(sound.block_len() * 8 % usize::from(bits), 0, "{sound:?}");
                if bits > 16 {
                    assert_eq!(sound.block_len() % sound.group_len(), 0, "{sound:?}");
                }
            }
        }
    }
}
