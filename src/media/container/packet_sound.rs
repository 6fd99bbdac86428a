//! Sound without frames of its own, in packets as a container brings them: G.711 and linear PCM.

use std::collections::VecDeque;

use crate::media::scan::{Chunk, Framer, Stamp};
use crate::media::{Codec, Error, Sample};
use crate::time::MediaTime;

/// Samples are 20 ms long at most.
const SAMPLES_A_SECOND: u32 = 50;

/// Appends blocks as they are given out, of such as they come.
pub type Unpack = Box<dyn Fn(&[u8], &mut Vec<u8>) + Send>;

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
    unpack: Option<Unpack>,
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
    /// For blocks of `block_len` bytes that last `block_ticks` of `rate` a second.
    pub fn new(codec: Codec, block_len: usize, block_ticks: u32, rate: u32) -> Self {
        Self {
            codec,
            block_len: block_len.max(1),
            out_block_len: block_len.max(1),
            block_ticks: block_ticks.max(1),
            rate: rate.max(1),
            unpack: None,
            packets: VecDeque::new(),
            rest: Vec::new(),
            start: MediaTime::ZERO,
            ticks: 0,
            is_certain: false,
        }
    }

    /// For a codec whose samples are frames of a value of every channel: G.711 and linear PCM.
    pub fn of_frames(codec: Codec) -> Self {
        let (rate, channels) = codec.sound().unwrap_or((8000, 1));
        let frame_len = match &codec {
            Codec::Pcm(config) => config.frame_len(),
            _ => channels.into(),
        };
        Self::new(codec, frame_len, 1, rate)
    }

    /// Blocks are given out as `unpack` makes them, in `block_len` bytes.
    pub fn unpacked(self, block_len: usize, unpack: Unpack) -> Self {
        Self { out_block_len: block_len.max(1), unpack: Some(unpack), ..self }
    }
}

impl Framer for Blocks {
    fn push(&mut self, chunk: Chunk<'_>) {
        let mut all = std::mem::take(&mut self.rest);
        all.extend_from_slice(chunk.bytes);
        let whole = all.len() - all.len() % self.block_len;
        self.rest = all.split_off(whole);
        let bytes = match &self.unpack {
            None => all,
            Some(unpack) => {
                let mut bytes = Vec::with_capacity(all.len() / self.block_len * self.out_block_len);
                unpack(&all, &mut bytes);
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
        let mut framer = Blocks::of_frames(Codec::Pcma(G711Config { sample_rate: 8000, channels: 1 }));
        framer.push(chunk(&[0; 320], Some(1000)));
        framer.push(chunk(&[0; 200], None));
        framer.push(chunk(&[0; 160], Some(2000)));
        let expected = [(1_000_000, 160, 320), (1_020_000, 160, 320), (1_040_000, 160, 200), (1_060_000, 40, 200)];
        assert_eq!(popped(&mut framer), [&expected[..], &[(2_000_000, 160, 160)]].concat());
    }
}
