//! Sound without frames of its own, in packets as they come: G.711 and the linear PCM of a DVD.

use std::collections::VecDeque;

use crate::media::codec::{PcmConfig, PcmFormat};
use crate::media::scan::{Chunk, Framer, Stamp};
use crate::media::{Codec, Error, Sample};
use crate::time::MediaTime;

/// Samples are 20 ms long at most.
const SAMPLES_A_SECOND: u32 = 50;

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
}

/// Gives out what comes in packets, in samples of 20 ms at most. No sample is made of two packets, so that each has the
/// time that its packet tells.
pub struct Blocks {
    codec: Codec,
    /// Bytes that belong together, as they come and as they are given out.
    block_len: usize,
    out_block_len: usize,
    /// How long they last, in ticks of `rate`.
    block_ticks: u32,
    rate: u32,
    dvd: Option<DvdSound>,
    packets: VecDeque<Packet>,
    /// What is less than a block at the end of the last packet.
    rest: Vec<u8>,
    /// The time of the next sample, as a start and ticks since then.
    start: MediaTime,
    ticks: i64,
    is_certain: bool,
}

struct Packet {
    at: u64,
    stamp: Option<Stamp>,
    bytes: Vec<u8>,
    used: usize,
}

impl Blocks {
    fn new(codec: Codec, block_len: usize, block_ticks: u32, rate: u32) -> Self {
        Self {
            codec,
            block_len,
            out_block_len: block_len,
            block_ticks,
            rate: rate.max(1),
            dvd: None,
            packets: VecDeque::new(),
            rest: Vec::new(),
            start: MediaTime::ZERO,
            ticks: 0,
            is_certain: false,
        }
    }

    /// G.711 as `codec` has it.
    pub fn of_g711(codec: Codec) -> Self {
        let (rate, channels) = codec.sound().unwrap_or((8000, 1));
        Self::new(codec, usize::from(channels.max(1)), 1, rate)
    }

    /// Linear PCM of a DVD.
    pub fn of_dvd(sound: DvdSound) -> Self {
        let format = if sound.bits == 16 { PcmFormat::S16Be } else { PcmFormat::S24Be };
        let config = PcmConfig { format, sample_rate: sound.sample_rate, channels: sound.channels.into() };
        let block_len = sound.block_len();
        let values = block_len * 8 / usize::from(sound.bits);
        let frames = values / usize::from(sound.channels);
        let made = Self::new(Codec::Pcm(config), block_len, frames as u32, sound.sample_rate);
        Self { dvd: Some(sound), out_block_len: values * format.value_len(), ..made }
    }
}

impl Framer for Blocks {
    fn push(&mut self, chunk: Chunk<'_>) {
        let mut all = std::mem::take(&mut self.rest);
        all.extend_from_slice(chunk.bytes);
        let whole = all.len() - all.len() % self.block_len;
        self.rest = all.split_off(whole);
        let bytes = match self.dvd {
            None => all,
            Some(sound) => {
                let mut bytes = Vec::with_capacity(all.len() / self.block_len * self.out_block_len);
                sound.unpack(&all, &mut bytes);
                bytes
            }
        };
        if !bytes.is_empty() {
            self.packets.push_back(Packet { at: chunk.at, stamp: chunk.stamp, bytes, used: 0 });
        }
    }

    fn pop(&mut self, sample: &mut Sample) -> Result<Option<u64>, Error> {
        let Some(packet) = self.packets.front_mut() else { return Ok(None) };
        if let Some(stamp) = packet.stamp.take() {
            (self.start, self.ticks) = (stamp.pts, 0);
        }
        let blocks_max = (self.rate / SAMPLES_A_SECOND / self.block_ticks).max(1) as usize;
        let end = packet.bytes.len().min(packet.used + blocks_max * self.out_block_len);
        sample.data.extend_from_slice(&packet.bytes[packet.used..end]);
        sample.pts = self.start + MediaTime::from_ticks(self.ticks, self.rate);
        sample.dts = sample.pts;
        sample.is_sync = true;
        self.ticks += ((end - packet.used) / self.out_block_len) as i64 * i64::from(self.block_ticks);
        packet.used = end;
        let at = packet.at;
        if end == packet.bytes.len() {
            self.packets.pop_front();
        }
        self.is_certain = true;
        Ok(Some(at))
    }

    fn finish(&mut self) {}

    fn reset(&mut self) {
        self.rest.clear();
    }

    fn start(&mut self, time: MediaTime) {
        (self.start, self.ticks) = (time, 0);
    }

    fn codec(&self) -> Option<Codec> {
        self.is_certain.then(|| self.codec.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::codec::G711Config;

    fn chunk(bytes: &[u8], millis: Option<i64>) -> Chunk<'_> {
        let stamp = millis.map(|millis| Stamp { pts: MediaTime::from_millis(millis), dts: None });
        Chunk { bytes, at: bytes.len() as u64, is_packet: true, stamp }
    }

    fn popped(framer: &mut Blocks) -> Vec<(i64, usize, u64)> {
        let mut all = Vec::new();
        let mut sample = Sample::default();
        while let Some(at) = framer.pop(&mut sample).unwrap() {
            all.push((sample.pts.as_nanos() / 1000, sample.data.len(), at));
            sample.clear();
        }
        all
    }

    #[test]
    fn g711_comes_in_20_ms_with_the_times_of_packets_and_counted_between() {
        let mut framer = Blocks::of_g711(Codec::Pcma(G711Config { sample_rate: 8000, channels: 1 }));
        framer.push(chunk(&[0; 320], Some(1000)));
        framer.push(chunk(&[0; 200], None));
        framer.push(chunk(&[0; 160], Some(2000)));
        let expected = [(1_000_000, 160, 320), (1_020_000, 160, 320), (1_040_000, 160, 200), (1_060_000, 40, 200)];
        assert_eq!(popped(&mut framer), [&expected[..], &[(2_000_000, 160, 160)]].concat());
    }

    #[test]
    fn values_of_a_dvd_are_put_together_from_upper_and_lower_bits() {
        let header = |bits: u8, channels: u8| [0xa0, 1, 0, 4, 0, bits << 6 | channels - 1, 0x80];
        for (bits, channels, block, expected) in [
            (0, 2, &[1, 2, 3, 4][..], &[1, 2, 3, 4][..]),
            (2, 2, &[1, 2, 3, 4, 5, 6, 7, 8, 0xa, 0xb, 0xc, 0xd], &[1, 2, 0xa, 3, 4, 0xb, 5, 6, 0xc, 7, 8, 0xd]),
            (1, 2, &[1, 2, 3, 4, 5, 6, 7, 8, 0xab, 0xcd], &[1, 2, 0xa0, 3, 4, 0xb0, 5, 6, 0xc0, 7, 8, 0xd0]),
            (1, 1, &[1, 2, 3, 4, 0xab], &[1, 2, 0xa0, 3, 4, 0xb0]),
        ] {
            let sound = DvdSound::parse(&header(bits, channels)).unwrap();
            let mut framer = Blocks::of_dvd(sound);
            framer.push(chunk(&block[..3], None));
            framer.push(chunk(&block[3..], None));
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
