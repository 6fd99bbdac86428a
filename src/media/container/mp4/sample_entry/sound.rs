//! AudioSampleEntry (ISO/IEC 14496-12 section 12.2.3), and what the QuickTime File Format has instead: "Sound Sample
//! Descriptions", version 0 to 2.

use super::super::boxes::{BoxAt, FourCc, version_and_flags, visit};
use super::esds::Esds;
use super::{Description, Unplayable, read_btrt};
use crate::media::bits::ByteReader;
use crate::media::codec::xiph::XiphHeaders;
use crate::media::codec::{
    AacConfig, Ac3Config, AmrConfig, FlacConfig, G711Config, MpegAudioConfig, OpusConfig, PcmConfig, PcmFormat,
};
use crate::media::io::Window;
use crate::media::{Codec, Error};

/// Reads `entry`, if it is of sound that is known here.
///
/// # Errors
/// When it is broken, or a variant that is not streamed.
pub fn read(
    window: &mut Window,
    entry: &BoxAt,
    stsd_version: u8,
    timescale: u32,
) -> Result<Option<Description>, Unplayable> {
    if !is_known(&entry.kind.0) {
        return Ok(None);
    }
    let sound = Sound::read(window, entry, stsd_version, timescale)?;
    let mut bitrate = None;
    let codec = match &entry.kind.0 {
        b"mp4a" => {
            let (codec, told) = sound.by_object_type(entry.kind)?;
            bitrate = told;
            codec
        }
        b"Opus" => sound.opus(entry)?,
        b"fLaC" => sound.flac(entry)?,
        b"ulaw" => Codec::Pcmu(sound.g711()),
        b"alaw" => Codec::Pcma(sound.g711()),
        b".mp3" | b"mp3 " | b"MP3 " | b"ms\0\x55" => sound.mpeg_audio(3),
        b".mp2" | b"ms\0\x50" => sound.mpeg_audio(2),
        b"ac-3" | b"AC-3" | b"sac3" | b"ms\x20\0" => Codec::Ac3(sound.ac3()),
        b"ec-3" | b"EC-3" => Codec::Eac3(sound.ac3()),
        b"samr" => Codec::Amr(AmrConfig { is_wideband: false, channels: 1 }),
        b"sawb" => Codec::Amr(AmrConfig { is_wideband: true, channels: 1 }),
        _ => sound.pcm(entry.kind)?,
    };
    Ok(Some(Description::new(codec, bitrate.or(sound.btrt))))
}

fn is_known(kind: &[u8; 4]) -> bool {
    const KNOWN: [&[u8; 4]; 28] = [
        b"mp4a",
        b"Opus",
        b"fLaC",
        b"ulaw",
        b"alaw",
        b".mp3",
        b"mp3 ",
        b"MP3 ",
        b"ms\0\x55",
        b".mp2",
        b"ms\0\x50",
        b"ac-3",
        b"AC-3",
        b"sac3",
        b"ms\x20\0",
        b"ec-3",
        b"EC-3",
        b"samr",
        b"sawb",
        b"twos",
        b"sowt",
        b"raw ",
        b"NONE",
        b"in24",
        b"in32",
        b"fl32",
        b"fl64",
        b"lpcm",
    ];
    KNOWN.contains(&kind) || matches!(kind, b"ipcm" | b"fpcm")
}

/// A sound sample entry, whichever version it has.
#[derive(Debug)]
struct Sound {
    channels: u16,
    sample_rate: u32,
    bits: u32,
    /// formatSpecificFlags of version 2.
    lpcm_flags: Option<u32>,
    /// A box `enda` says so.
    is_little_endian: bool,
    /// Content of `esds`, with its place.
    esds: Option<(Vec<u8>, u64)>,
    dops: Option<(Vec<u8>, u64)>,
    dfla: Option<(Vec<u8>, u64)>,
    /// Format flags and bits a value.
    pcmc: Option<(u8, u8)>,
    btrt: Option<u32>,
}

/// formatSpecificFlags of a version 2 entry (kAudioFormatFlagIsFloat and so on).
const LPCM_FLOAT: u32 = 1;
const LPCM_BIG_ENDIAN: u32 = 2;
const LPCM_SIGNED: u32 = 4;

impl Sound {
    fn read(window: &mut Window, entry: &BoxAt, stsd_version: u8, timescale: u32) -> Result<Self, Error> {
        let len = entry.body_len().min(64) as usize;
        let mut r =
            ByteReader::new(window.bytes(entry.body, len, "sound sample entry")?, entry.body, "sound sample entry");
        r.skip(8)?; // reserved, data reference
        let version = r.u16()?;
        r.skip(6)?; // revision, vendor
        let (mut channels, mut bits) = (r.u16()?, u32::from(r.u16()?));
        r.skip(4)?; // compression id, packet size
        let mut sample_rate = r.u32()? >> 16;
        let mut lpcm_flags = None;
        // An ISO entry of version 1 lies in an stsd of version 1 and has no fields more; QuickTime's stsd is version 0.
        match version {
            1 if stsd_version == 0 => r.skip(16)?, // samples and bytes in packets: PCM and AAC do without
            2 if stsd_version == 0 => {
                r.skip(4)?; // size of the entry
                sample_rate = f64::from_bits(r.u64()?).round() as u32;
                channels = u16::try_from(r.u32()?).map_err(|_| r.malformed())?;
                r.skip(4)?;
                bits = r.u32()?;
                lpcm_flags = Some(r.u32()?);
                r.skip(8)?; // bytes and frames of a packet
            }
            _ => {}
        }
        let mut sound = Self {
            channels: channels.max(1),
            sample_rate: if sample_rate > 0 { sample_rate } else { timescale },
            bits,
            lpcm_flags,
            is_little_endian: false,
            esds: None,
            dops: None,
            dfla: None,
            pcmc: None,
            btrt: None,
        };
        let boxes = BoxAt { body: r.at(), ..*entry };
        // `wave` is QuickTime's wrapper around what ISO has directly.
        visit(window, &boxes, |window, found| {
            sound.read_box(window, &found)?;
            Ok(found.kind == FourCc(*b"wave"))
        })?;
        Ok(sound)
    }

    fn read_box(&mut self, window: &mut Window, found: &BoxAt) -> Result<(), Error> {
        match &found.kind.0 {
            b"esds" => self.esds = Some((found.load(window, "esds")?, found.body)),
            b"dOps" => self.dops = Some((found.load(window, "dOps")?, found.body)),
            b"dfLa" => self.dfla = Some((found.load(window, "dfLa")?, found.body)),
            b"btrt" => self.btrt = read_btrt(window, found)?,
            b"enda" => {
                let body = found.load(window, "enda")?;
                self.is_little_endian = ByteReader::new(&body, found.body, "enda").u16()? & 1 == 1;
            }
            b"pcmC" => {
                let body = found.load(window, "pcmC")?;
                let mut r = ByteReader::new(&body, found.body, "pcmC");
                version_and_flags(&mut r)?;
                self.pcmc = Some((r.u8()?, r.u8()?));
            }
            _ => {}
        }
        Ok(())
    }

    fn g711(&self) -> G711Config {
        G711Config { sample_rate: self.sample_rate, channels: self.channels }
    }

    /// What the object type in `esds` names; AAC where there is none. Also its average bits a second.
    fn by_object_type(&self, kind: FourCc) -> Result<(Codec, Option<u32>), Unplayable> {
        let Some((body, at)) = &self.esds else {
            return Ok((Codec::Aac(self.aac_without_config()), None));
        };
        let esds = Esds::read(ByteReader::new(body, *at, "esds"))?;
        let info = esds.decoder_config.as_ref().map(|(info, at)| (&info[..], *at));
        let unsupported = |detail: String| Unplayable::Unsupported { kind, detail: Some(detail) };
        let codec = match esds.object_type {
            0x40 | 0x66..=0x68 => Codec::Aac(match info {
                Some((asc, at)) => AacConfig::parse(asc, at)?,
                None => self.aac_without_config(),
            }),
            // Which layer it is, only a frame tells.
            0x69 | 0x6b => self.mpeg_audio(3),
            0xa5 => Codec::Ac3(self.ac3()),
            0xa6 => Codec::Eac3(self.ac3()),
            0xad => Codec::Opus(self.opus_head(info.map(|(head, _)| head))),
            // What FFmpeg writes: the header packets in Xiph lacing.
            0xdd => info
                .and_then(|(headers, _)| XiphHeaders::from_laced(headers)?.vorbis())
                .map(Codec::Vorbis)
                .ok_or_else(|| unsupported("Vorbis without its headers".into()))?,
            0xa9..=0xac => return Err(unsupported("DTS".into())),
            0xe1 => return Err(unsupported("QCELP".into())),
            other => return Err(unsupported(format!("object type {other:#04x}"))),
        };
        Ok((codec, Some(esds.average_bitrate).filter(|bits| *bits > 0)))
    }

    fn mpeg_audio(&self, layer: u8) -> Codec {
        let channels = self.channels.min(2) as u8;
        Codec::MpegAudio(MpegAudioConfig { layer, sample_rate: self.sample_rate, channels })
    }

    fn ac3(&self) -> Ac3Config {
        Ac3Config { sample_rate: self.sample_rate, channels: self.channels.min(16) as u8 }
    }

    /// OpusHead (RFC 7845 section 5.1), where there is one.
    fn opus_head(&self, head: Option<&[u8]>) -> OpusConfig {
        match head {
            Some(
                [b'O', b'p', b'u', b's', b'H', b'e', b'a', b'd', _, channels, p0, p1, _, _, _, _, _, _, family, ..],
            ) => OpusConfig { channels: *channels, pre_skip: u16::from_le_bytes([*p0, *p1]), mapping_family: *family },
            _ => OpusConfig {
                channels: self.channels.min(255) as u8,
                pre_skip: 0,
                mapping_family: u8::from(self.channels > 2),
            },
        }
    }

    /// `dfLa` has the metadata blocks of FLAC behind version and flags, STREAMINFO first ("Encapsulation of FLAC in ISO
    /// Base Media File Format" section 3.3.2).
    fn flac(&self, entry: &BoxAt) -> Result<Codec, Error> {
        const BLOCK_HEADER_LEN: usize = 4;
        let (body, at) = self.dfla.as_ref().ok_or_else(|| Error::malformed("sample entry without dfLa", entry.at))?;
        let mut r = ByteReader::new(body, *at, "dfLa");
        version_and_flags(&mut r)?;
        r.skip(BLOCK_HEADER_LEN)?;
        FlacConfig::new(r.rest()).map(Codec::Flac).ok_or_else(|| Error::malformed("STREAMINFO", *at))
    }

    /// AAC-LC, as nothing says otherwise.
    fn aac_without_config(&self) -> AacConfig {
        AacConfig::from_parts(2, self.sample_rate, self.channels.min(8) as u8)
    }

    /// `dOps` is OpusHead in big-endian, without its magic ("Encapsulation of Opus in ISO Base Media File Format").
    fn opus(&self, entry: &BoxAt) -> Result<Codec, Error> {
        let (body, at) = self.dops.as_ref().ok_or_else(|| Error::malformed("sample entry without dOps", entry.at))?;
        let mut r = ByteReader::new(body, *at, "dOps");
        r.skip(1)?; // version
        let (channels, pre_skip) = (r.u8()?, r.u16()?);
        r.skip(6)?; // input sample rate, gain
        Ok(Codec::Opus(OpusConfig { channels, pre_skip, mapping_family: r.u8()? }))
    }

    fn pcm(&self, kind: FourCc) -> Result<Codec, Unplayable> {
        let detail = || Some(format!("PCM of {} bits", self.bits));
        let format = self.pcm_format(kind)?.ok_or_else(|| Unplayable::Unsupported { kind, detail: detail() })?;
        Ok(Codec::Pcm(PcmConfig { format, sample_rate: self.sample_rate, channels: self.channels }))
    }

    /// How a value of linear PCM stands in the file; `None` for formats that are not known.
    fn pcm_format(&self, kind: FourCc) -> Result<Option<PcmFormat>, Error> {
        let (bits, is_float, is_little_endian) = match &kind.0 {
            b"in24" => (24, false, self.is_little_endian),
            b"in32" => (32, false, self.is_little_endian),
            b"fl32" => (32, true, self.is_little_endian),
            b"fl64" => (64, true, self.is_little_endian),
            b"sowt" => (self.bits, false, true),
            b"ipcm" | b"fpcm" => {
                // ISO/IEC 23003-5 section 4.2
                let (flags, bits) = self.pcmc.unwrap_or((0, self.bits as u8));
                (u32::from(bits), kind.0[0] == b'f', flags & 1 == 1)
            }
            b"lpcm" if self.lpcm_flags.is_some() => {
                let flags = self.lpcm_flags.unwrap_or_default();
                if self.bits == 8 && flags & LPCM_SIGNED == 0 {
                    return Ok(Some(PcmFormat::U8));
                }
                (self.bits, flags & LPCM_FLOAT != 0, flags & LPCM_BIG_ENDIAN == 0)
            }
            b"raw " | b"NONE" if self.bits <= 8 => return Ok(Some(PcmFormat::U8)),
            _ => (self.bits, false, self.is_little_endian), // twos, raw with 16 bits
        };
        Ok(Some(match (bits, is_float, is_little_endian) {
            (8, false, _) => PcmFormat::S8,
            (16, false, true) => PcmFormat::S16Le,
            (16, false, false) => PcmFormat::S16Be,
            (24, false, true) => PcmFormat::S24Le,
            (24, false, false) => PcmFormat::S24Be,
            (32, false, true) => PcmFormat::S32Le,
            (32, false, false) => PcmFormat::S32Be,
            (32, true, true) => PcmFormat::F32Le,
            (32, true, false) => PcmFormat::F32Be,
            (64, true, true) => PcmFormat::F64Le,
            (64, true, false) => PcmFormat::F64Be,
            _ => return Ok(None),
        }))
    }
}
