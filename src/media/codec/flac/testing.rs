//! An encoder for tests: every way to code a subframe, with no choice made by itself.

use super::{Channels, FlacConfig, Number, crc8, crc16};

/// How a subframe is coded.
#[derive(Debug, Clone)]
pub enum Coding {
    /// One value for all.
    Constant,
    /// Values as they are.
    Verbatim,
    /// A predictor without coefficients, of this order; residuals in 2 to this power of partitions with this parameter.
    Fixed(usize, u32, u32),
    /// Likewise, with residuals as they are in so many bits.
    Escaped(usize, u32),
    /// A predictor with these coefficients and this shift; residuals with this parameter of 5 bits.
    Linear(Vec<i64>, u32, u32),
    /// What is within, of values shifted to the right by so much.
    Wasted(u32, Box<Coding>),
}

/// A config of these facts.
pub fn config(sample_rate: u32, channels: u8, bits_per_sample: u8, block_size: u16) -> FlacConfig {
    FlacConfig::new(&stream_info(sample_rate, channels, bits_per_sample, block_size, 0)).unwrap()
}

/// A STREAMINFO block without its header.
pub fn stream_info(sample_rate: u32, channels: u8, bits_per_sample: u8, block_size: u16, sample_count: u64) -> Vec<u8> {
    let mut w = BitWriter::default();
    w.put(block_size.into(), 16).put(block_size.into(), 16).put(0, 24).put(0, 24);
    w.put(sample_rate.into(), 20).put(i64::from(channels) - 1, 3).put(i64::from(bits_per_sample) - 1, 5);
    w.put(sample_count as i64, 36);
    w.bytes.resize(34, 0);
    w.bytes
}

/// A frame of these samples, channel by channel, as they are after `restore_stereo`.
pub fn frame(
    config: &FlacConfig,
    number: Number,
    channels: Channels,
    samples: &[Vec<i64>],
    coding: &Coding,
) -> Vec<u8> {
    let mut w = BitWriter::default();
    let (blocking, value) = match number {
        Number::Frame(number) => (0, number),
        Number::Sample(number) => (1, number),
    };
    let shape = match channels {
        Channels::Independent(count) => i64::from(count) - 1,
        Channels::LeftSide => 8,
        Channels::SideRight => 9,
        Channels::MidSide => 10,
    };
    // Block size in 16 bits; sample rate and bits as in STREAMINFO.
    w.put(0b11_1111_1111_1110, 14).put(0, 1).put(blocking, 1).put(7, 4).put(0, 4).put(shape, 4).put(0, 3).put(0, 1);
    put_number(&mut w, value);
    w.put(samples[0].len() as i64 - 1, 16);
    let crc = crc8(&w.bytes);
    w.put(crc.into(), 8);
    let bits = u32::from(config.bits_per_sample);
    let side =
        |left: &[i64], right: &[i64]| left.iter().zip(right).map(|(left, right)| left - right).collect::<Vec<_>>();
    match (channels, samples) {
        (Channels::Independent(_), _) => samples.iter().for_each(|samples| put_subframe(&mut w, bits, samples, coding)),
        (Channels::LeftSide, [left, right]) => {
            put_subframe(&mut w, bits, left, coding);
            put_subframe(&mut w, bits + 1, &side(left, right), coding);
        }
        (Channels::SideRight, [left, right]) => {
            put_subframe(&mut w, bits + 1, &side(left, right), coding);
            put_subframe(&mut w, bits, right, coding);
        }
        (Channels::MidSide, [left, right]) => {
            let middle: Vec<_> = left.iter().zip(right).map(|(left, right)| (left + right) >> 1).collect();
            put_subframe(&mut w, bits, &middle, coding);
            put_subframe(&mut w, bits + 1, &side(left, right), coding);
        }
        _ => panic!("stereo is two channels"),
    }
    let crc = crc16(0, &w.bytes);
    w.bytes.extend_from_slice(&crc.to_be_bytes());
    w.bytes
}

/// As UTF-8, on to 7 bytes.
fn put_number(w: &mut BitWriter, value: u64) {
    let value = value as i64;
    if value < 0x80 {
        w.put(value, 8);
        return;
    }
    let following = (1..7).find(|count| value < 1 << (6 * count + 6 - count)).unwrap();
    w.put(0x7f, following + 1).put(0, 1).put(value >> (6 * following), 6 - following);
    for index in (0..following).rev() {
        w.put(value >> (6 * index) & 0x3f | 0x80, 8);
    }
}

fn put_subframe(w: &mut BitWriter, bits: u32, samples: &[i64], coding: &Coding) {
    let (wasted, coding) = if let Coding::Wasted(wasted, within) = coding { (*wasted, &**within) } else { (0, coding) };
    let samples: Vec<i64> = samples.iter().map(|sample| sample >> wasted).collect();
    let bits = bits - wasted;
    let kind = match coding {
        Coding::Constant => 0,
        Coding::Verbatim => 1,
        Coding::Fixed(order, ..) | Coding::Escaped(order, _) => 8 + *order as i64,
        Coding::Linear(coefficients, ..) => 31 + coefficients.len() as i64,
        Coding::Wasted(..) => panic!("once is enough"),
    };
    w.put(kind, 7).put(i64::from(wasted > 0), 1);
    if wasted > 0 {
        w.put(1, wasted);
    }
    let fixed: [&[i64]; 5] = [&[], &[1], &[2, -1], &[3, -3, 1], &[4, -6, 4, -1]];
    match coding {
        Coding::Constant => w.put_all(&samples[..1], bits),
        Coding::Verbatim => w.put_all(&samples, bits),
        Coding::Fixed(order, partition_order, parameter) => {
            w.put_all(&samples[..*order], bits);
            w.put(0, 2).put((*partition_order).into(), 4);
            let partition_len = samples.len() >> partition_order;
            for (index, residual) in residuals(&samples, fixed[*order], 0).into_iter().enumerate() {
                if index == 0 || (index + order).is_multiple_of(partition_len) {
                    w.put((*parameter).into(), 4);
                }
                w.put_rice(residual, *parameter);
            }
        }
        Coding::Escaped(order, value_bits) => {
            w.put_all(&samples[..*order], bits);
            w.put(0, 2).put(0, 4).put(15, 4).put((*value_bits).into(), 5);
            w.put_all(&residuals(&samples, fixed[*order], 0), *value_bits);
        }
        Coding::Linear(coefficients, shift, parameter) => {
            w.put_all(&samples[..coefficients.len()], bits);
            w.put(14, 4).put((*shift).into(), 5);
            w.put_all(coefficients, 15);
            w.put(1, 2).put(0, 4).put((*parameter).into(), 5);
            residuals(&samples, coefficients, *shift).iter().for_each(|residual| w.put_rice(*residual, *parameter));
        }
        Coding::Wasted(..) => {}
    }
}

fn residuals(samples: &[i64], coefficients: &[i64], shift: u32) -> Vec<i64> {
    let order = coefficients.len();
    let predicted =
        |at: usize| (0..order).map(|back| coefficients[back] * samples[at - 1 - back]).sum::<i64>() >> shift;
    (order..samples.len()).map(|at| samples[at] - predicted(at)).collect()
}

/// Writes fields from the most significant bit on.
#[derive(Default)]
struct BitWriter {
    bytes: Vec<u8>,
    used: usize,
}

impl BitWriter {
    fn put(&mut self, value: i64, count: u32) -> &mut Self {
        for bit in (0..count).rev() {
            if self.used == self.bytes.len() * 8 {
                self.bytes.push(0);
            }
            self.bytes[self.used / 8] |= ((value >> bit & 1) as u8) << (7 - self.used % 8);
            self.used += 1;
        }
        self
    }

    fn put_all(&mut self, values: &[i64], count: u32) {
        for value in values {
            self.put(*value, count);
        }
    }

    fn put_rice(&mut self, residual: i64, parameter: u32) {
        let folded = (residual << 1) ^ (residual >> 63);
        for _ in 0..folded >> parameter {
            self.put(0, 1);
        }
        self.put(1, 1).put(folded, parameter);
    }
}
