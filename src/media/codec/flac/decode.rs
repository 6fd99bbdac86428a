//! Decoding a FLAC frame (RFC 9639 section 9.2 and 9.3): there is no payload format for FLAC, so that it is sent as
//! what it decodes to, bit for bit.
//!
//! All arithmetic is in 64 bits: samples have up to 33, coefficients 15, and there are up to 32 of these.

use super::{Channels, FlacConfig, FrameHeader, crc16};

/// Decodes frames of one stream, with buffers that are reused.
#[derive(Debug, Default)]
pub struct Decoder {
    /// The samples of each channel, one channel after the other.
    samples: Vec<i64>,
}

impl Decoder {
    /// Decodes a whole frame. `None` when it is damaged: checksums are looked at.
    pub fn decode(&mut self, frame: &[u8], config: &FlacConfig) -> Option<Decoded<'_>> {
        let header = FrameHeader::parse(frame, config)?;
        if crc16(0, frame) != 0 {
            return None;
        }
        let block_size = header.block_size as usize;
        let channels = usize::from(header.channels.count());
        self.samples.clear();
        self.samples.resize(block_size * channels, 0);
        let mut bits = BitReader { bytes: frame, position: header.len * 8 };
        for (channel, samples) in self.samples.chunks_exact_mut(block_size).enumerate() {
            // The difference of two samples has a bit more than they.
            let is_side = match header.channels {
                Channels::Independent(_) => false,
                Channels::LeftSide | Channels::MidSide => channel == 1,
                Channels::SideRight => channel == 0,
            };
            subframe(&mut bits, u32::from(header.bits_per_sample) + u32::from(is_side), samples)?;
        }
        let (first, second) = self.samples.split_at_mut(block_size);
        restore_stereo(header.channels, first, second);
        Some(Decoded { header, samples: &self.samples })
    }
}

/// A decoded frame.
#[derive(Debug)]
pub struct Decoded<'a> {
    /// Its header.
    pub header: FrameHeader,
    samples: &'a [i64],
}

impl Decoded<'_> {
    /// Appends the samples to `out` in little-endian order, channels interleaved, each in `value_len` bytes with its
    /// most significant bit at the top: 2 bytes hold up to 16 bits, 3 up to 24. Of more the lowest are left out.
    pub fn append_to(&self, out: &mut Vec<u8>, value_len: usize) {
        let block_size = self.header.block_size as usize;
        let to_top = 64 - u32::from(self.header.bits_per_sample);
        out.reserve(self.samples.len() * value_len);
        for index in 0..block_size {
            for channel in self.samples.chunks_exact(block_size) {
                let value = channel[index] << to_top;
                out.extend_from_slice(&value.to_le_bytes()[8 - value_len..]);
            }
        }
    }
}

/// Section 4.2: what the two channels of a stereo frame were.
fn restore_stereo(channels: Channels, first: &mut [i64], second: &mut [i64]) {
    for (first, second) in first.iter_mut().zip(second) {
        match channels {
            Channels::Independent(_) => return,
            Channels::LeftSide => *second = *first - *second,
            Channels::SideRight => *first += *second,
            Channels::MidSide => {
                // The sum of two numbers is odd where their difference is.
                let sum = (*first << 1) | (*second & 1);
                (*first, *second) = ((sum + *second) >> 1, (sum - *second) >> 1);
            }
        }
    }
}

/// Section 9.2: a channel, of `bits` bits a sample.
fn subframe(reader: &mut BitReader<'_>, bits: u32, samples: &mut [i64]) -> Option<()> {
    let header = reader.read(8)?;
    let wasted = if header & 1 == 1 { reader.unary()? + 1 } else { 0 };
    let bits = bits.checked_sub(u32::try_from(wasted).ok()?).filter(|bits| *bits > 0)?;
    match header >> 1 {
        0 => samples.fill(reader.signed(bits)?),
        1 => {
            for sample in &mut *samples {
                *sample = reader.signed(bits)?;
            }
        }
        order @ 8..=12 => fixed(reader, bits, order as usize - 8, samples)?,
        order @ 32..=63 => linear(reader, bits, order as usize - 31, samples)?,
        _ => return None,
    }
    if wasted > 0 {
        samples.iter_mut().for_each(|sample| *sample <<= wasted);
    }
    Some(())
}

/// Section 9.2.5: predictors that need no coefficients.
fn fixed(reader: &mut BitReader<'_>, bits: u32, order: usize, samples: &mut [i64]) -> Option<()> {
    const COEFFICIENTS: [&[i64]; 5] = [&[], &[1], &[2, -1], &[3, -3, 1], &[4, -6, 4, -1]];
    warm_up(reader, bits, order, samples)?;
    residual(reader, order, samples)?;
    predict(COEFFICIENTS[order], 0, bits, samples)
}

/// Section 9.2.6.
fn linear(reader: &mut BitReader<'_>, bits: u32, order: usize, samples: &mut [i64]) -> Option<()> {
    warm_up(reader, bits, order, samples)?;
    let precision = reader.read(4)? as u32 + 1;
    let shift = reader.signed(5)?;
    if precision == 16 || shift < 0 {
        return None;
    }
    let mut coefficients = [0; 32];
    for coefficient in &mut coefficients[..order] {
        *coefficient = reader.signed(precision)?;
    }
    residual(reader, order, samples)?;
    predict(&coefficients[..order], shift as u32, bits, samples)
}

fn warm_up(reader: &mut BitReader<'_>, bits: u32, order: usize, samples: &mut [i64]) -> Option<()> {
    for sample in samples.get_mut(..order)? {
        *sample = reader.signed(bits)?;
    }
    Some(())
}

/// Adds to each residual what is predicted from the samples before it, the nearest first.
fn predict(coefficients: &[i64], shift: u32, bits: u32, samples: &mut [i64]) -> Option<()> {
    let limit = 1_i64 << (bits - 1);
    let mut is_sound = true;
    for index in coefficients.len()..samples.len() {
        let (before, rest) = samples.split_at_mut(index);
        let predicted: i64 = coefficients.iter().zip(before.iter().rev()).map(|(by, sample)| by * sample).sum();
        let sample = rest[0] + (predicted >> shift);
        // Damage must not grow beyond what the type holds.
        is_sound &= (-limit..limit).contains(&sample);
        rest[0] = sample.clamp(-limit, limit - 1);
    }
    is_sound.then_some(())
}

/// Section 9.2.7: what prediction leaves, in partitions with a Rice parameter each.
fn residual(reader: &mut BitReader<'_>, order: usize, samples: &mut [i64]) -> Option<()> {
    let parameter_bits = match reader.read(2)? {
        0 => 4,
        1 => 5,
        _ => return None,
    };
    let escape = (1 << parameter_bits) - 1;
    let partition_order = reader.read(4)?;
    let partition_len = samples.len() >> partition_order;
    if partition_len << partition_order != samples.len() || partition_len < order || partition_len == 0 {
        return None;
    }
    let mut start = order;
    for end in (partition_len..=samples.len()).step_by(partition_len) {
        let parameter = reader.read(parameter_bits)?;
        if parameter == escape {
            let bits = reader.read(5)? as u32;
            for sample in &mut samples[start..end] {
                *sample = if bits == 0 { 0 } else { reader.signed(bits)? };
            }
        } else {
            for sample in &mut samples[start..end] {
                let folded = reader.unary()? << parameter | reader.read(parameter as u32)?;
                *sample = (folded >> 1) as i64 ^ -((folded & 1) as i64);
            }
        }
        start = end;
    }
    Some(())
}

/// Fields from the most significant bit on.
struct BitReader<'a> {
    bytes: &'a [u8],
    /// In bits.
    position: usize,
}

impl BitReader<'_> {
    /// How many bits [`Self::peek`] shows at least.
    const PEEK_BITS: u32 = 57;

    /// The next bits, from the highest bit of the word on; zeros behind the end.
    fn peek(&self) -> u64 {
        let rest = self.bytes.get(self.position / 8..).unwrap_or_default();
        let word = rest.first_chunk().copied().unwrap_or_else(|| {
            let mut word = [0; 8];
            word[..rest.len()].copy_from_slice(rest);
            word
        });
        u64::from_be_bytes(word) << (self.position % 8)
    }

    fn step(&mut self, count: u32) -> Option<()> {
        self.position += count as usize;
        (self.position <= self.bytes.len() * 8).then_some(())
    }

    /// At most 34 bits.
    fn read(&mut self, count: u32) -> Option<u64> {
        let value = self.peek().checked_shr(64 - count).unwrap_or(0);
        self.step(count).map(|()| value)
    }

    /// Two's complement, 1 to 34 bits.
    fn signed(&mut self, count: u32) -> Option<i64> {
        let value = self.peek() as i64 >> (64 - count);
        self.step(count).map(|()| value)
    }

    /// Zeros, ended by a one.
    fn unary(&mut self) -> Option<u64> {
        let mut zeros = 0;
        loop {
            let here = self.peek().leading_zeros();
            if here < Self::PEEK_BITS {
                self.step(here + 1)?;
                return Some(zeros + u64::from(here));
            }
            self.step(Self::PEEK_BITS)?;
            zeros += u64::from(Self::PEEK_BITS);
        }
    }
}
