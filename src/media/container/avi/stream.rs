//! One stream of an AVI file: its codec, and how its data is counted.

use super::super::riff::{BitmapInfo, Framing, WaveFormat};
use super::header::StreamHeader;
use super::pictures::Keys;
use crate::media::codec::Codec;
use crate::time::MediaTime;

/// A stream that can be streamed.
#[derive(Debug, Clone)]
pub struct Stream {
    /// Its number in the file.
    pub number: usize,
    /// What it is coded in.
    pub codec: Codec,
    /// How its data is made up.
    pub layout: Layout,
    /// How its data is counted.
    pub clock: Clock,
    /// By how much later than decoded a picture is shown that is not reordered.
    pub delay: MediaTime,
}

/// How the data of a stream is made up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// A chunk is a picture.
    Pictures {
        /// Of the length prefixes of NAL units, of codecs that have such.
        length_size: usize,
        /// What tells where decoding can start.
        keys: Keys,
        /// They are not displayed in the order in which they are decoded.
        is_reordered: bool,
    },
    /// Units of `len` bytes, cut anywhere by chunks.
    Units {
        /// Bytes.
        len: u32,
        /// Units in a sample.
        sample: u32,
    },
    /// Frames that a framer finds, cut anywhere by chunks.
    Frames,
    /// A chunk is an access unit.
    AccessUnits,
}

/// How chunks are counted, and what time that is. What is counted are bytes where `dwSampleSize` says so, else chunks
/// or blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// Bytes of a tick, where bytes are counted.
    pub bytes_per_tick: Option<u32>,
    /// Bytes of a block, of which each begun one in a chunk counts; `None`: chunks count.
    block_len: Option<u32>,
    /// Seconds of a tick are `scale / rate`.
    scale: u32,
    rate: u32,
    /// `dwStart`, in ticks.
    start: u32,
}

/// Ticks outside of this range are damage: one in a minute to 768,000 a second.
const RATE_RANGE: std::ops::RangeInclusive<f64> = 1.0 / 60.0..=768_000.0;
/// Starts later than this are damage, in seconds.
const START_MAX: f64 = 86_400.0;

impl Clock {
    /// How much `len` bytes in a chunk count.
    pub fn units_of(&self, len: u32) -> u64 {
        match (self.bytes_per_tick, self.block_len) {
            (Some(_), _) => len.into(),
            (None, Some(block_len)) => len.div_ceil(block_len).max(1).into(),
            (None, None) => 1,
        }
    }

    /// When that begins which so many units come before.
    pub fn time(&self, units: u64) -> MediaTime {
        let per_tick = i128::from(self.bytes_per_tick.unwrap_or(1));
        let units = i128::from(units) + i128::from(self.start) * per_tick;
        let divisor = i128::from(self.rate) * per_tick;
        let nanos = (units * i128::from(self.scale) * 1_000_000_000 + divisor / 2) / divisor;
        MediaTime::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
    }

    /// How many units begin before `time` or at it, not counting the last of these.
    pub fn units_at(&self, time: MediaTime) -> u64 {
        let per_tick = i128::from(self.bytes_per_tick.unwrap_or(1));
        let divisor = i128::from(self.scale) * 1_000_000_000;
        // Half a nanosecond more, as `time` rounds.
        let doubled = (2 * i128::from(time.as_nanos()) + 1) * i128::from(self.rate) * per_tick;
        let units = doubled.div_euclid(2 * divisor) - i128::from(self.start) * per_tick;
        u64::try_from(units.max(0)).unwrap_or(u64::MAX)
    }

    /// Ticks a second.
    pub fn ticks_per_second(&self) -> f64 {
        f64::from(self.rate) / f64::from(self.scale)
    }

    fn new(header: &StreamHeader, fallback: (u32, u32)) -> Self {
        let is_sane = header.scale > 0 && RATE_RANGE.contains(&(f64::from(header.rate) / f64::from(header.scale)));
        let (scale, rate) = if is_sane { (header.scale, header.rate) } else { fallback };
        let is_near = f64::from(header.start) * f64::from(scale) / f64::from(rate) < START_MAX;
        let start = if is_near { header.start } else { 0 };
        Self { bytes_per_tick: None, block_len: None, scale, rate, start }
    }

    /// Of video, where every chunk is one tick.
    fn of_video(header: &StreamHeader, micros_per_frame: u32) -> Self {
        let micros = if micros_per_frame > 0 { micros_per_frame } else { 40_000 };
        Self::new(header, (micros, 1_000_000))
    }

    /// Of sound in units of `len` bytes, `ticks / rate` seconds each. `dwRate` is believed if it is not far off: some
    /// writers trim it so that sound and pictures end together.
    fn of_units(header: &StreamHeader, len: u32, ticks: u32, rate: u32) -> Self {
        const TOLERANCE: f64 = 0.02;
        let own = f64::from(rate) / f64::from(ticks) * f64::from(len);
        let plain = Self::new(header, (ticks, rate));
        let told = plain.ticks_per_second() * f64::from(header.sample_size);
        if header.sample_size > 0 && (told / own - 1.0).abs() < TOLERANCE {
            return Self { bytes_per_tick: Some(header.sample_size), ..plain };
        }
        Self { bytes_per_tick: Some(len), scale: ticks, rate, start: 0, ..plain }
    }

    /// Of sound in frames.
    fn of_frames(header: &StreamHeader, format: &WaveFormat<'_>) -> Self {
        /// Smaller blocks cannot be frames.
        const BLOCK_LEN_MIN: u16 = 96;
        let average = format.bytes_per_second.max(1);
        if header.sample_size > 0 {
            return Self { bytes_per_tick: Some(header.sample_size), ..Self::new(header, (1, average)) };
        }
        let block_len = (format.block_align >= BLOCK_LEN_MIN).then_some(format.block_align.into());
        Self { block_len, ..Self::new(header, (1024, format.sample_rate)) }
    }
}

impl Stream {
    /// What the headers of stream `number` make of it.
    ///
    /// # Errors
    /// In words, when it is nothing that can be streamed.
    pub fn new(number: usize, header: &StreamHeader, micros_per_frame: u32) -> Result<Self, String> {
        let (codec, layout, clock) = match &header.kind {
            b"vids" => {
                let info = BitmapInfo::parse(&header.format, header.format_at).map_err(|error| error.to_string())?;
                let (codec, length_size) = info.codec()?;
                let layout = Layout::Pictures { length_size, keys: Keys::of(&codec), is_reordered: false };
                (codec, layout, Clock::of_video(header, micros_per_frame))
            }
            b"auds" => sound(header)?,
            b"iavs" => return Err("DV with its sound in one stream is not streamed".to_owned()),
            kind => return Err(format!("a stream of kind {:?} is not streamed", kind.escape_ascii().to_string())),
        };
        Ok(Self { number, codec, layout, clock, delay: MediaTime::ZERO })
    }
}

fn sound(header: &StreamHeader) -> Result<(Codec, Layout, Clock), String> {
    const SAMPLES_PER_SECOND: u32 = 50;
    let format = WaveFormat::parse(&header.format, header.format_at).map_err(|error| error.to_string())?;
    let (codec, framing) = format.codec()?;
    Ok(match framing {
        Framing::Units { len, ticks, rate } => {
            let sample = (rate / SAMPLES_PER_SECOND / ticks).max(1);
            (codec, Layout::Units { len, sample }, Clock::of_units(header, len, ticks, rate))
        }
        Framing::Frames => {
            let clock = Clock::of_frames(header, &format);
            (codec, Layout::Frames, clock)
        }
        Framing::AccessUnits => {
            let clock = Clock { bytes_per_tick: None, block_len: None, ..Clock::of_frames(header, &format) };
            (codec, Layout::AccessUnits, clock)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(scale: u32, rate: u32, start: u32, sample_size: u32) -> StreamHeader {
        StreamHeader { scale, rate, start, sample_size, ..StreamHeader::default() }
    }

    #[test]
    fn units_and_times_are_each_others_inverse() {
        for clock in [
            Clock::of_video(&header(1001, 30_000, 7, 0), 0),
            Clock::of_units(&header(4, 176_400, 0, 4), 4, 1, 44_100),
            Clock::of_units(&header(0, 0, 0, 0), 256, 505, 8000),
        ] {
            for units in [0, 1, 2, 1000, 30_001, 10_000_000] {
                let time = clock.time(units);
                assert_eq!(clock.units_at(time), units, "{clock:?} at {time}");
                assert_eq!(clock.units_at(time - MediaTime::from_nanos(2)), u64::saturating_sub(units, 1), "{clock:?}");
            }
        }
    }

    #[test]
    fn video_counts_chunks_from_its_start_and_rates_that_cannot_be_give_way() {
        let clock = Clock::of_video(&header(1, 25, 50, 0), 0);
        assert_eq!((clock.time(25), clock.units_of(0)), (MediaTime::from_millis(3000), 1));
        for (scale, rate) in [(0, 25), (1, 0), (1, u32::MAX)] {
            let clock = Clock::of_video(&header(scale, rate, 0, 0), 20_000);
            assert_eq!(clock.time(25), MediaTime::from_millis(500), "{scale}/{rate}");
        }
    }
}
