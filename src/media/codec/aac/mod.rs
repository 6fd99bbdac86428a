//! AAC: the AudioSpecificConfig (ISO/IEC 14496-3 section 1.6.2.1). Streams of it are cut into access units in
//! [`adts`] and [`latm`].

pub mod adts;
pub mod latm;
mod pce;
#[cfg(test)]
mod stream_tests;

pub use adts::AdtsFramer;
pub use latm::LatmFramer;

use crate::media::Error;

/// What an AAC decoder must know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AacConfig {
    /// The AudioSpecificConfig as it stands in the file.
    pub asc: Vec<u8>,
    /// Audio object type: 2 is LC.
    pub object_type: u8,
    /// Of the core coder, in Hz: the RTP clock. With implicit SBR the output has twice as many.
    pub sample_rate: u32,
    /// Output channels, 1 to 8; 0 where only a program config element tells.
    pub channels: u8,
    /// Samples of each channel in an access unit: 1024, or 960.
    pub frame_len: u32,
}

const SAMPLE_RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000, 7350];
const OBJECT_SBR: u32 = 5;
const OBJECT_PS: u32 = 29;

impl AacConfig {
    /// Reads an AudioSpecificConfig, which lies at byte `at` of the file.
    ///
    /// # Errors
    /// When it is cut off or names no sample rate.
    pub fn parse(asc: &[u8], at: u64) -> Result<Self, Error> {
        let mut bits = Bits { bytes: asc, position: 0 };
        let config = Self::read(&mut bits).ok_or_else(|| Error::malformed("AudioSpecificConfig", at))?;
        Ok(Self { asc: asc.to_vec(), ..config })
    }

    /// Reads one that stands in the midst of other bits, of a kind whose end can be found.
    fn read_within(bits: &mut Bits<'_>) -> Option<Self> {
        let mut start = Bits { ..*bits };
        let config = Self::read(bits)?;
        let mut asc = Vec::new();
        start.copy(bits.position - start.position, &mut asc)?;
        is_general_audio(config.object_type).then_some(Self { asc, ..config })
    }

    /// Reads up to the end of GASpecificConfig() (section 4.4.1), as far as there is one; `asc` is left empty.
    fn read(bits: &mut Bits<'_>) -> Option<Self> {
        let mut object_type = bits.object_type()?;
        let mut sample_rate = bits.sample_rate()?;
        let channel_configuration = bits.take(4)?;
        if object_type == OBJECT_SBR || object_type == OBJECT_PS {
            // Explicit hierarchical signalling: the rate of the output, then the core coder.
            let _output_rate = bits.sample_rate()?;
            object_type = bits.object_type()?;
        } else if sample_rate == 0 {
            sample_rate = 48_000;
        }
        let frame_len = if bits.take(1) == Some(1) { 960 } else { 1024 };
        let mut channels = match channel_configuration {
            7 | 12 | 14 => 8,
            11 => 7,
            1..=6 => channel_configuration as u8,
            _ => 0,
        };
        let object_type = object_type as u8;
        if is_general_audio(object_type) {
            // What is cut off here, decoders take for zeros.
            let has_pce = channel_configuration == 0;
            channels = read_general_audio(bits, object_type, has_pce).flatten().unwrap_or(channels);
        }
        Some(Self { asc: Vec::new(), object_type, sample_rate, channels, frame_len })
    }

    /// The config of AAC with the given `object_type`, `sample_rate` in Hz and channel configuration, as an ADTS
    /// header or a container without AudioSpecificConfig tells them.
    pub fn from_parts(object_type: u8, sample_rate: u32, channels: u8) -> Self {
        let channel_configuration = if channels == 8 { 7 } else { channels & 0xf };
        let asc = match SAMPLE_RATES.iter().position(|rate| *rate == sample_rate) {
            Some(index) => {
                let bits =
                    u16::from(object_type & 31) << 11 | (index as u16) << 7 | u16::from(channel_configuration) << 3;
                bits.to_be_bytes().to_vec()
            }
            None => {
                let bits = u64::from(object_type & 31) << 35
                    | 0xf << 31
                    | u64::from(sample_rate & 0xff_ffff) << 7
                    | u64::from(channel_configuration) << 3;
                bits.to_be_bytes()[3..].to_vec()
            }
        };
        Self { asc, object_type, sample_rate, channels, frame_len: 1024 }
    }
}

/// Whether GASpecificConfig() belongs to this audio object type.
fn is_general_audio(object_type: u8) -> bool {
    matches!(object_type, 1..=4 | 6 | 7 | 17 | 19..=23)
}

/// What follows frameLengthFlag in GASpecificConfig(); the channels of a program config element, if it has one.
fn read_general_audio(bits: &mut Bits<'_>, object_type: u8, has_pce: bool) -> Option<Option<u8>> {
    let depends_on_core_coder = bits.take(1)? == 1;
    if depends_on_core_coder {
        bits.take(14)?; // coreCoderDelay
    }
    let has_extension = bits.take(1)? == 1;
    let channels = if has_pce { Some(pce::read(bits)?) } else { None };
    if matches!(object_type, 6 | 20) {
        bits.take(3)?; // layerNr
    }
    if has_extension {
        match object_type {
            22 => bits.take(5 + 11)?,
            17 | 19 | 20 | 23 => bits.take(3)?,
            _ => 0,
        };
        bits.take(1)?; // extensionFlag3
    }
    Some(channels)
}

/// A cursor over bits.
struct Bits<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl Bits<'_> {
    /// Steps to the next whole byte.
    fn align(&mut self) {
        self.position = self.position.next_multiple_of(8);
    }

    fn take(&mut self, count: usize) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            let byte = *self.bytes.get(self.position / 8)?;
            value = value << 1 | u32::from(byte >> (7 - self.position % 8) & 1);
            self.position += 1;
        }
        Some(value)
    }

    /// Appends `count` bits to `out`, the last byte filled up with zeros.
    fn copy(&mut self, count: usize, out: &mut Vec<u8>) -> Option<()> {
        if count > 8 * self.bytes.len() - self.position {
            return None;
        }
        let shift = self.position % 8;
        let at = self.position / 8;
        let len = count.div_ceil(8);
        out.extend((at..at + len).map(|index| {
            let next = self.bytes.get(index + 1).copied().unwrap_or(0);
            (u16::from_be_bytes([self.bytes[index], next]) >> (8 - shift)) as u8
        }));
        if let (Some(last), used @ 1..) = (out.last_mut(), count % 8) {
            *last &= 0xff << (8 - used);
        }
        self.position += count;
        Some(())
    }

    fn object_type(&mut self) -> Option<u32> {
        match self.take(5)? {
            31 => Some(32 + self.take(6)?),
            short => Some(short),
        }
    }

    fn sample_rate(&mut self) -> Option<u32> {
        match self.take(4)? {
            15 => self.take(24).filter(|rate| *rate > 0),
            index => SAMPLE_RATES.get(index as usize).copied(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configs_read_as_the_standard_has_them() {
        for (asc, object_type, sample_rate, channels) in [
            (&[0x12, 0x10][..], 2, 44_100, 2),
            (&[0x11, 0x90], 2, 48_000, 2),
            (&[0x15, 0x88], 2, 8000, 1),
            (&[0x2b, 0x92, 0x08, 0x00], 2, 22_050, 2), // HE-AAC, explicit SBR, 44.1 kHz output
            (&[0x17, 0x80, 0x1f, 0x40, 0x08], 2, 16_000, 1), // escape rate
        ] {
            let config = AacConfig::parse(asc, 0).unwrap();
            assert_eq!((config.object_type, config.sample_rate, config.channels), (object_type, sample_rate, channels));
        }
    }

    #[test]
    fn a_config_made_from_parts_reads_back_the_same() {
        for (rate, channels) in [(44_100, 2), (8000, 1), (48_000, 8), (12_345, 6)] {
            let made = AacConfig::from_parts(2, rate, channels);
            assert_eq!(AacConfig::parse(&made.asc, 0).unwrap(), made, "{rate} Hz, {channels} channels");
        }
    }
}
