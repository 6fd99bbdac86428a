//! WAVEFORMATEX and WAVEFORMATEXTENSIBLE (Microsoft, `mmreg.h`; RFC 2361 for the tags): from WAV's `fmt ` chunk, AVI's
//! `strf` of a sound stream, or Matroska's A_MS/ACM to a codec. All fields are little-endian.

use crate::media::Error;
use crate::media::codec::{
    AacConfig, Ac3Config, Codec, G711Config, G722Config, G726Config, ImaAdpcmConfig, MpegAudioConfig, PcmConfig,
    PcmFormat,
};

/// Sample rates beyond this are taken for damage, in Hz.
const SAMPLE_RATE_MAX: u32 = 768_000;
/// More channels than this are taken for damage.
const CHANNELS_MAX: u16 = 64;
/// Bytes of the fields that every variant has.
const PLAIN_LEN: usize = 14;

/// The tags (RFC 2361 and what came after it).
mod tag {
    pub const PCM: u16 = 0x0001;
    pub const IEEE_FLOAT: u16 = 0x0003;
    pub const A_LAW: u16 = 0x0006;
    pub const MU_LAW: u16 = 0x0007;
    pub const IMA_ADPCM: u16 = 0x0011;
    pub const G723_ADPCM: u16 = 0x0014;
    pub const G721_ADPCM: u16 = 0x0040;
    pub const MS_G726: u16 = 0x0045;
    pub const MPEG: u16 = 0x0050;
    pub const MPEG_LAYER_3: u16 = 0x0055;
    pub const G726_ADPCM: u16 = 0x0064;
    pub const G722_ADPCM: u16 = 0x0065;
    pub const RAW_AAC: u16 = 0x00FF;
    pub const MS_G722: u16 = 0x028F;
    pub const MPEG_ADTS_AAC: u16 = 0x1600;
    pub const MPEG_RAW_AAC: u16 = 0x1601;
    pub const MPEG_HEAAC: u16 = 0x1610;
    pub const AC3: u16 = 0x2000;
    pub const DIVIO_AAC: u16 = 0x4143;
    pub const FAAC_AAC: u16 = 0x706D;
    pub const VODAFONE_AAC: u16 = 0xA106;
    pub const EXTENSIBLE: u16 = 0xFFFE;
}

/// Bytes 2 to 15 of a SubFormat whose first two are a tag (KSDATAFORMAT_SUBTYPE_WAVEFORMATEX).
const GUID_OF_TAG: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71];
/// The same of an ambisonic SubFormat; what differs is the order of channels.
const GUID_OF_AMBISONIC_TAG: [u8; 14] = [0, 0, 0x21, 0x07, 0xD3, 0x11, 0x86, 0x44, 0xC8, 0xC1, 0xCA, 0, 0, 0];
/// KSDATAFORMAT_SUBTYPE_AC3_AUDIO.
const GUID_AC3: [u8; 16] =
    [0x2C, 0x80, 0x6D, 0xE0, 0x46, 0xDB, 0xCF, 0x11, 0xB4, 0xD1, 0x00, 0x80, 0x5F, 0x6C, 0xBB, 0xEA];
/// What E-AC-3 has instead.
const GUID_EAC3: [u8; 16] =
    [0xAF, 0x87, 0xFB, 0xA7, 0x02, 0x2D, 0xFB, 0x42, 0xA4, 0xD4, 0x05, 0xCD, 0x93, 0x84, 0x3B, 0xDD];

/// The fields of a WAVEFORMATEX.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaveFormat<'a> {
    kind: Kind,
    /// `nChannels`.
    pub channels: u16,
    /// `nSamplesPerSec`: Hz.
    pub sample_rate: u32,
    /// `nAvgBytesPerSec`, 0 where the writer did not know.
    pub bytes_per_second: u32,
    /// `nBlockAlign`: bytes that belong together.
    pub block_align: u16,
    /// `wBitsPerSample`; 0 where it says nothing or is missing.
    pub bits: u16,
    /// What follows `cbSize`, as far as it is there; of the extensible form, what follows SubFormat.
    pub extra: &'a [u8],
    /// Where the structure begins, from the start of the file.
    at: u64,
}

/// `wFormatTag`, or what SubFormat says instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Tag(u16),
    Ac3,
    Eac3,
    Unknown([u8; 16]),
}

/// How the bytes of a codec lie in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Units of `len` bytes that last `ticks` of a clock of `rate` Hz each, without anything between them: a value of
    /// every channel, a block, eight code words. Where a byte lies and when it is heard are proportional.
    Units {
        /// Bytes.
        len: u32,
        /// Of the clock.
        ticks: u32,
        /// Ticks a second.
        rate: u32,
    },
    /// Frames with headers of their own, which a framer finds.
    Frames,
    /// Access units without headers: the container must say where each begins (AVI chunks; impossible in WAV).
    AccessUnits,
}

impl<'a> WaveFormat<'a> {
    /// Reads a WAVEFORMATEX, which lies at byte `at` of the file.
    ///
    /// # Errors
    /// When it is too short, or its rate or number of channels beyond belief (1 to 768,000 Hz, 1 to 64).
    pub fn parse(bytes: &'a [u8], at: u64) -> Result<Self, Error> {
        let u16_at = |from: usize| bytes.get(from..from + 2).map(|field| u16::from_le_bytes([field[0], field[1]]));
        let u32_at = |from: usize| {
            bytes.get(from..from + 4).map(|field| field.iter().rev().fold(0, |v, b| v << 8 | u32::from(*b)))
        };
        let cut_off = || Error::truncated("WAVEFORMATEX", at + bytes.len() as u64);
        let tag = u16_at(0).ok_or_else(cut_off)?;
        let channels = u16_at(2).ok_or_else(cut_off)?;
        let sample_rate = u32_at(4).ok_or_else(cut_off)?;
        let bytes_per_second = u32_at(8).ok_or_else(cut_off)?;
        let block_align = u16_at(12).ok_or_else(cut_off)?;
        if !(1..=CHANNELS_MAX).contains(&channels) || !(1..=SAMPLE_RATE_MAX).contains(&sample_rate) {
            return Err(Error::malformed(format!("WAVEFORMATEX ({channels} channels of {sample_rate} Hz)"), at));
        }
        let bits = u16_at(PLAIN_LEN).unwrap_or(0);
        let extra = bytes.get(18..).unwrap_or_default();
        let extra = &extra[..extra.len().min(u16_at(16).unwrap_or(0).into())];
        let (kind, extra) = match extra.get(6..22) {
            Some(sub_format) if tag == tag::EXTENSIBLE => (Kind::of_sub_format(sub_format), &extra[22..]),
            _ => (Kind::Tag(tag), extra),
        };
        Ok(Self { kind, channels, sample_rate, bytes_per_second, block_align, bits, extra, at })
    }

    /// What the sound is coded in, and how its bytes lie.
    ///
    /// # Errors
    /// In words, when it is nothing that can be streamed.
    pub fn codec(&self) -> Result<(Codec, Framing), String> {
        let Self { channels, sample_rate, .. } = *self;
        let g711 = G711Config { sample_rate, channels };
        let ac3 = Ac3Config { sample_rate, channels: channels.min(8) as u8 };
        match self.kind {
            Kind::Tag(tag::PCM) => self.pcm(self.integers()),
            Kind::Tag(tag::IEEE_FLOAT) => self.pcm(self.floats()),
            Kind::Tag(tag::A_LAW) => Ok((Codec::Pcma(g711), self.units(u32::from(channels), 1))),
            Kind::Tag(tag::MU_LAW) => Ok((Codec::Pcmu(g711), self.units(u32::from(channels), 1))),
            Kind::Tag(tag::IMA_ADPCM) => self.ima_adpcm(),
            Kind::Tag(tag::G722_ADPCM | tag::MS_G722) => self.g722(),
            Kind::Tag(tag::G723_ADPCM | tag::G721_ADPCM | tag::MS_G726 | tag::G726_ADPCM) => self.g726(),
            // Of MPEG the layer is in `extra` (MPEG1WAVEFORMAT), and wrong so often that the frames are to be asked.
            Kind::Tag(tag::MPEG) => Ok((self.mpeg_audio(2), Framing::Frames)),
            Kind::Tag(tag::MPEG_LAYER_3) => Ok((self.mpeg_audio(3), Framing::Frames)),
            Kind::Tag(tag::MPEG_ADTS_AAC) => Ok((self.aac(&[])?, Framing::Frames)),
            Kind::Tag(tag::RAW_AAC | tag::MPEG_RAW_AAC | tag::DIVIO_AAC | tag::FAAC_AAC | tag::VODAFONE_AAC) => {
                Ok((self.aac(self.extra)?, Framing::AccessUnits))
            }
            Kind::Tag(tag::MPEG_HEAAC) => self.he_aac(),
            Kind::Tag(tag::AC3) | Kind::Ac3 => Ok((Codec::Ac3(ac3), Framing::Frames)),
            Kind::Eac3 => Ok((Codec::Eac3(ac3), Framing::Frames)),
            Kind::Tag(tag) => Err(not_streamed(tag, self.bits)),
            Kind::Unknown(guid) => Err(format!("sound with the SubFormat {guid:02x?} is not streamed")),
        }
    }

    fn units(&self, len: u32, ticks: u32) -> Framing {
        Framing::Units { len, ticks, rate: self.sample_rate }
    }

    /// Bytes that a value takes: what `nBlockAlign` leaves for each channel, and where that is nonsense, the bits.
    fn value_len(&self) -> u16 {
        let by_block = self.block_align / self.channels;
        let by_bits = self.bits.div_ceil(8);
        let fits = self.block_align.is_multiple_of(self.channels) && by_block >= by_bits && by_block <= 8;
        if fits && by_block > 0 { by_block } else { by_bits }
    }

    /// Values of fewer bits than they have room for stand in the upper ones.
    fn integers(&self) -> Option<PcmFormat> {
        match self.value_len() {
            1 => Some(PcmFormat::U8),
            2 => Some(PcmFormat::S16Le),
            3 => Some(PcmFormat::S24Le),
            4 => Some(PcmFormat::S32Le),
            _ => None,
        }
    }

    fn floats(&self) -> Option<PcmFormat> {
        match self.value_len() {
            4 => Some(PcmFormat::F32Le),
            8 => Some(PcmFormat::F64Le),
            _ => None,
        }
    }

    fn pcm(&self, format: Option<PcmFormat>) -> Result<(Codec, Framing), String> {
        let format = format.ok_or_else(|| format!("PCM of {} bits is not streamed", self.bits))?;
        let config = PcmConfig { format, sample_rate: self.sample_rate, channels: self.channels };
        Ok((Codec::Pcm(config), self.units(config.frame_len() as u32, 1)))
    }

    /// Blocks of `nBlockAlign` bytes: 4 for each channel with its first value, then 4 bits a value.
    fn ima_adpcm(&self) -> Result<(Codec, Framing), String> {
        let config =
            ImaAdpcmConfig { sample_rate: self.sample_rate, channels: self.channels, block_len: self.block_align };
        if self.channels > 2 || !matches!(self.bits, 0 | 4) {
            return Err(format!("IMA ADPCM of {} bits and {} channels is not streamed", self.bits, self.channels));
        }
        let ticks =
            config.block_frames().ok_or_else(|| format!("IMA ADPCM in blocks of {} bytes", self.block_align))?;
        Ok((Codec::ImaAdpcm(config), self.units(self.block_align.into(), ticks)))
    }

    /// One byte holds two values of 16 kHz, whatever the rate in the header, where some write 8000.
    fn g722(&self) -> Result<(Codec, Framing), String> {
        if self.channels > 1 {
            return Err(format!("G.722 of {} channels is not streamed", self.channels));
        }
        Ok((Codec::G722(G722Config { channels: 1 }), Framing::Units { len: 1, ticks: 2, rate: 16_000 }))
    }

    /// Code words begin in the most significant bits. Eight of them fill whole bytes.
    fn g726(&self) -> Result<(Codec, Framing), String> {
        // Where the header does not tell the bits, its bytes a second do.
        let told =
            if self.bits == 0 { self.bytes_per_second.saturating_mul(8) / self.sample_rate } else { self.bits.into() };
        if self.channels > 1 || !(2..=5).contains(&told) {
            return Err(format!("G.726 of {told} bits and {} channels is not streamed", self.channels));
        }
        let config =
            G726Config { code_bits: told as u8, is_most_significant_first: true, sample_rate: self.sample_rate };
        Ok((Codec::G726(config), self.units(told, 8)))
    }

    fn mpeg_audio(&self, layer: u8) -> Codec {
        let channels = self.channels.min(2) as u8;
        Codec::MpegAudio(MpegAudioConfig { layer, sample_rate: self.sample_rate, channels })
    }

    /// `asc` is the AudioSpecificConfig; without one it is AAC-LC of the rate and channels of the header.
    fn aac(&self, asc: &[u8]) -> Result<Codec, String> {
        const LOW_COMPLEXITY: u8 = 2;
        let config = match AacConfig::parse(asc, self.at) {
            Ok(config) => config,
            Err(_) if asc.len() < 2 => {
                AacConfig::from_parts(LOW_COMPLEXITY, self.sample_rate, self.channels.min(8) as u8)
            }
            Err(error) => return Err(error.to_string()),
        };
        Ok(Codec::Aac(config))
    }

    /// HEAACWAVEINFO: `wPayloadType` and five more fields, then the AudioSpecificConfig.
    fn he_aac(&self) -> Result<(Codec, Framing), String> {
        const INFO_LEN: usize = 12;
        const PAYLOAD_RAW: u8 = 0;
        const PAYLOAD_ADTS: u8 = 1;
        match self.extra {
            [PAYLOAD_RAW, 0, ..] | [] => {
                let asc = self.extra.get(INFO_LEN..).unwrap_or_default();
                Ok((self.aac(asc)?, Framing::AccessUnits))
            }
            [PAYLOAD_ADTS, 0, ..] => Ok((self.aac(&[])?, Framing::Frames)),
            _ => Err("AAC in ADIF or LOAS is not streamed".to_owned()),
        }
    }
}

impl Kind {
    fn of_sub_format(guid: &[u8]) -> Self {
        let guid: [u8; 16] = guid.try_into().expect("a GUID has 16 bytes");
        match guid {
            GUID_AC3 => Self::Ac3,
            GUID_EAC3 => Self::Eac3,
            [low, high, ..] if guid[2..] == GUID_OF_TAG || guid[2..] == GUID_OF_AMBISONIC_TAG => {
                Self::Tag(u16::from_le_bytes([low, high]))
            }
            _ => Self::Unknown(guid),
        }
    }
}

/// Names for what is met but not streamed.
fn not_streamed(tag: u16, bits: u16) -> String {
    let name = match tag {
        0x0002 => "MS ADPCM",
        0x0031 | 0x0032 => "GSM 6.10",
        0x0042 | 0x0111 => "G.723.1",
        0x0057 | 0x0058 => "AMR in RIFF",
        0x0083 => "G.729",
        0x0160..=0x0163 => "Windows Media Audio",
        0x1602 => "AAC in LOAS",
        0x2001 => "DTS",
        0x566F | 0x674F..=0x6751 | 0x676F..=0x6771 => "Vorbis in RIFF",
        0x704F => "Opus in RIFF",
        0xF1AC => "FLAC in RIFF",
        _ => "sound",
    };
    format!("{name} (WAVE format {tag:#06x}, {bits} bits) is not streamed")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn format(tag: u16, channels: u16, sample_rate: u32, block_align: u16, bits: u16, extra: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(tag.to_le_bytes());
        bytes.extend(channels.to_le_bytes());
        bytes.extend(sample_rate.to_le_bytes());
        bytes.extend((sample_rate * u32::from(block_align)).to_le_bytes());
        bytes.extend(block_align.to_le_bytes());
        bytes.extend(bits.to_le_bytes());
        bytes.extend((extra.len() as u16).to_le_bytes());
        bytes.extend(extra);
        bytes
    }

    /// `cbSize` of 22: valid bits, channel mask, SubFormat.
    fn extensible(sub_format: &[u8], channels: u16, block_align: u16, bits: u16) -> Vec<u8> {
        let extra = [&[bits as u8, 0, 3, 0, 0, 0], sub_format].concat();
        format(tag::EXTENSIBLE, channels, 48_000, block_align, bits, &extra)
    }

    fn codec(bytes: &[u8]) -> Result<(Codec, Framing), String> {
        WaveFormat::parse(bytes, 20).unwrap().codec()
    }

    fn units(len: u32, ticks: u32, rate: u32) -> Framing {
        Framing::Units { len, ticks, rate }
    }

    fn linear(format: PcmFormat, sample_rate: u32, channels: u16) -> Codec {
        Codec::Pcm(PcmConfig { format, sample_rate, channels })
    }

    #[test]
    fn pcm_is_told_by_the_bytes_that_a_value_takes() {
        use PcmFormat::*;
        for (tag, block_align, bits, expected) in [
            (1, 2, 8, U8),
            (1, 4, 16, S16Le),
            (1, 4, 12, S16Le),
            (1, 6, 24, S24Le),
            (1, 6, 20, S24Le),
            (1, 8, 24, S32Le),
            (1, 8, 32, S32Le),
            (1, 0, 16, S16Le), // no block align
            (1, 3, 16, S16Le), // no whole value of each channel
            (1, 2, 16, S16Le), // that of one channel
            (1, 65_535, 24, S24Le),
            (3, 8, 32, F32Le),
            (3, 16, 64, F64Le),
        ] {
            let (codec, framing) = codec(&format(tag, 2, 44_100, block_align, bits, &[])).unwrap();
            assert_eq!(codec, linear(expected, 44_100, 2), "{tag} {block_align} {bits}");
            assert_eq!(framing, units(2 * expected.value_len() as u32, 1, 44_100));
        }
        for (tag, block_align, bits) in [(1, 10, 40), (3, 4, 16), (1, 0, 0)] {
            let error = codec(&format(tag, 2, 44_100, block_align, bits, &[])).unwrap_err();
            assert_eq!(error, format!("PCM of {bits} bits is not streamed"));
        }
    }

    #[test]
    fn the_extensible_form_tells_its_codec_in_the_sub_format() {
        let guid = |tag: u8| [&[tag, 0], &GUID_OF_TAG[..]].concat();
        assert_eq!(codec(&extensible(&guid(1), 6, 12, 16)).unwrap().0, linear(PcmFormat::S16Le, 48_000, 6));
        assert_eq!(codec(&extensible(&guid(3), 2, 8, 32)).unwrap().0, linear(PcmFormat::F32Le, 48_000, 2));
        let g711 = G711Config { sample_rate: 48_000, channels: 1 };
        assert_eq!(codec(&extensible(&guid(7), 1, 1, 8)).unwrap(), (Codec::Pcmu(g711), units(1, 1, 48_000)));
        let ac3 = Ac3Config { sample_rate: 48_000, channels: 2 };
        assert_eq!(codec(&extensible(&GUID_AC3, 2, 4, 16)).unwrap(), (Codec::Ac3(ac3), Framing::Frames));
        assert_eq!(codec(&extensible(&GUID_EAC3, 2, 4, 16)).unwrap(), (Codec::Eac3(ac3), Framing::Frames));
        let unknown = codec(&extensible(&[0x42; 16], 2, 4, 16)).unwrap_err();
        assert!(unknown.starts_with("sound with the SubFormat [42, 42,"), "{unknown}");
    }

    #[test]
    fn speech_codecs_lie_in_units_of_whole_bytes() {
        let ima = ImaAdpcmConfig { sample_rate: 8000, channels: 1, block_len: 1024 };
        assert_eq!(
            codec(&format(0x11, 1, 8000, 1024, 4, &[0xf9, 0x07])).unwrap(),
            (Codec::ImaAdpcm(ima), units(1024, 2041, 8000))
        );
        let g722 = Codec::G722(G722Config { channels: 1 });
        assert_eq!(codec(&format(0x028f, 1, 16_000, 1, 4, &[])).unwrap(), (g722.clone(), units(1, 2, 16_000)));
        assert_eq!(codec(&format(0x65, 1, 8000, 1, 8, &[])).unwrap(), (g722, units(1, 2, 16_000)));
        let g726 = G726Config { code_bits: 3, is_most_significant_first: true, sample_rate: 8000 };
        assert_eq!(codec(&format(0x45, 1, 8000, 1, 3, &[])).unwrap(), (Codec::G726(g726), units(3, 8, 8000)));
        for (refused, because) in [
            (format(0x11, 3, 8000, 1024, 4, &[]), "IMA ADPCM of 4 bits and 3 channels is not streamed"),
            (format(0x11, 1, 8000, 1024, 3, &[]), "IMA ADPCM of 3 bits and 1 channels is not streamed"),
            (format(0x11, 2, 8000, 7, 4, &[]), "IMA ADPCM in blocks of 7 bytes"),
            (format(0x45, 2, 8000, 1, 4, &[]), "G.726 of 4 bits and 2 channels is not streamed"),
            (format(0x65, 2, 16_000, 1, 4, &[]), "G.722 of 2 channels is not streamed"),
        ] {
            assert_eq!(codec(&refused).unwrap_err(), because);
        }
    }

    #[test]
    fn compressed_sound_says_who_finds_its_frames() {
        let mp3 = MpegAudioConfig { layer: 3, sample_rate: 44_100, channels: 2 };
        assert_eq!(codec(&format(0x55, 2, 44_100, 1, 0, &[1, 0])).unwrap(), (Codec::MpegAudio(mp3), Framing::Frames));
        let asc = [0x12, 0x10];
        let aac = AacConfig::parse(&asc, 0).unwrap();
        for bytes in [
            format(0xff, 2, 44_100, 1, 16, &asc),
            format(0xff, 2, 44_100, 1, 16, &[]),
            format(0x1610, 2, 44_100, 1, 16, &[&[0, 0, 0xfe, 0, 0, 0, 0, 0, 0, 0, 0, 0], &asc[..]].concat()),
        ] {
            assert_eq!(codec(&bytes).unwrap(), (Codec::Aac(aac.clone()), Framing::AccessUnits));
        }
        assert_eq!(codec(&format(0x1600, 2, 44_100, 1, 16, &[])).unwrap(), (Codec::Aac(aac), Framing::Frames));
        let loas = codec(&format(0x1602, 2, 44_100, 1, 16, &[])).unwrap_err();
        assert_eq!(loas, "AAC in LOAS (WAVE format 0x1602, 16 bits) is not streamed");
    }

    #[test]
    fn what_is_cut_off_or_beyond_belief_is_an_error_with_its_place() {
        let whole = format(1, 2, 44_100, 4, 16, &[]);
        let error = |bytes: &[u8]| WaveFormat::parse(bytes, 20).unwrap_err().to_string();
        assert_eq!(error(&whole[..13]), "WAVEFORMATEX is cut off at byte 33");
        // The first form of all ends before the bits, the next before cbSize.
        assert_eq!(codec(&whole[..16]).unwrap().0, linear(PcmFormat::S16Le, 44_100, 2));
        assert_eq!(codec(&format(6, 1, 8000, 1, 8, &[])[..14]).unwrap().1, units(1, 1, 8000));
        assert_eq!(
            error(&format(1, 0, 44_100, 4, 16, &[])),
            "malformed WAVEFORMATEX (0 channels of 44100 Hz) at byte 20"
        );
        assert_eq!(error(&format(1, 1, 0, 2, 16, &[])), "malformed WAVEFORMATEX (1 channels of 0 Hz) at byte 20");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_and_no_unit_is_empty(
            tag in prop_oneof![any::<u16>(), 0..0x70_u16, Just(0xfffe), Just(0x1610)],
            rest in proptest::collection::vec(any::<u8>(), 0..64),
        ) {
            let bytes = [&tag.to_le_bytes()[..], &rest].concat();
            if let Ok(format) = WaveFormat::parse(&bytes, 0)
                && let Ok((_, Framing::Units { len, ticks, rate })) = format.codec()
            {
                prop_assert!(len > 0 && ticks > 0 && rate > 0);
            }
        }
    }
}
