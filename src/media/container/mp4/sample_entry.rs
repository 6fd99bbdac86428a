//! The sample description `stsd` (ISO/IEC 14496-12 section 8.5.2; sound entries also as in the QuickTime File Format,
//! "Sound Sample Descriptions" version 0 to 2): from the entry of a track to its [`Codec`].

use std::fmt;

use super::boxes::{BoxAt, Boxes, FourCc, version_and_flags};
use crate::media::bits::ByteReader;
use crate::media::codec::{
    AacConfig, G711Config, H264Config, H265Config, OpusConfig, PcmConfig, PcmFormat, h264, h265,
};
use crate::media::io::Window;
use crate::media::{Codec, Error};

/// Sample entries that are read of one track.
const ENTRIES_MAX: u32 = 64;

/// Bytes of a VisualSampleEntry before the boxes inside it, without box header (section 12.1.3).
const VISUAL_LEN: u64 = 78;

/// One way in which samples of a track are coded.
#[derive(Debug, Clone)]
pub struct Description {
    /// With what a decoder must know.
    pub codec: Codec,
    /// Bytes of the length before each NAL unit; 0 for codecs that have none.
    pub nal_length_size: usize,
    /// Average bits a second, where `btrt` or `esds` tell.
    pub bitrate: Option<u32>,
}

impl Description {
    /// The parameter sets of H.264 and H.265, in the order in which a decoder wants them.
    pub fn parameter_sets(&self) -> impl Iterator<Item = &Vec<u8>> {
        let (vps, sps, pps): (&[_], &[_], &[_]) = match &self.codec {
            Codec::H264(H264Config { sps, pps }) => (&[], sps, pps),
            Codec::H265(H265Config { vps, sps, pps }) => (vps, sps, pps),
            _ => (&[], &[], &[]),
        };
        vps.iter().chain(sps).chain(pps)
    }

    /// Whether a kind of parameter set is not there, so that it must come with the samples (`avc3`, `hev1`).
    pub fn lacks_parameter_sets(&self) -> bool {
        match &self.codec {
            Codec::H264(config) => config.sps.is_empty() || config.pps.is_empty(),
            Codec::H265(config) => config.vps.is_empty() || config.sps.is_empty() || config.pps.is_empty(),
            _ => false,
        }
    }

    /// Adds `nal` when it is a parameter set of a kind that is not in `had` and not yet known in these words.
    pub fn learn_parameter_set(&mut self, nal: &[u8], had: &Self) {
        let set = match (&mut self.codec, &had.codec) {
            (Codec::H264(config), Codec::H264(had)) => match h264::nal_type(nal) {
                h264::NAL_SPS if had.sps.is_empty() => &mut config.sps,
                h264::NAL_PPS if had.pps.is_empty() => &mut config.pps,
                _ => return,
            },
            (Codec::H265(config), Codec::H265(had)) => match h265::nal_type(nal) {
                h265::NAL_VPS if had.vps.is_empty() => &mut config.vps,
                h265::NAL_SPS if had.sps.is_empty() => &mut config.sps,
                h265::NAL_PPS if had.pps.is_empty() => &mut config.pps,
                _ => return,
            },
            _ => return,
        };
        if !set.iter().any(|known| known == nal) {
            set.push(nal.to_vec());
        }
    }
}

/// Why samples that refer to an entry cannot be played.
#[derive(Debug)]
pub enum Unplayable {
    /// Well-formed, but of a coding that is not known here.
    Unsupported {
        /// The type of the entry.
        kind: FourCc,
        /// What more can be said, such as the object type within `mp4a`.
        detail: Option<String>,
    },
    /// Broken.
    Bad(Error),
}

impl From<Error> for Unplayable {
    fn from(error: Error) -> Self {
        Self::Bad(error)
    }
}

impl fmt::Display for Unplayable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported { kind, detail: Some(detail) } => write!(f, "{detail} ({kind}) is not supported"),
            Self::Unsupported { kind, detail: None } => write!(f, "the coding {kind} is not supported"),
            Self::Bad(error) => error.fmt(f),
        }
    }
}

/// Reads the entries of `stsd`, in order: samples refer to them by number.
///
/// # Errors
/// When the list itself is broken. What is wrong with one entry is told in its place.
pub fn read(window: &mut Window, stsd: &BoxAt, timescale: u32) -> Result<Vec<Result<Description, Unplayable>>, Error> {
    let bytes = window.bytes(stsd.body, 8, "stsd")?;
    let mut r = ByteReader::new(bytes, stsd.body, "stsd");
    let (version, _) = version_and_flags(&mut r)?;
    let count = r.u32()?.min(ENTRIES_MAX);
    let mut boxes = Boxes::new(stsd.body + 8, stsd.end);
    let mut entries = Vec::new();
    for _ in 0..count {
        let Some(entry) = boxes.next(window)? else { break };
        entries.push(read_entry(window, &entry, version, timescale));
    }
    Ok(entries)
}

fn read_entry(window: &mut Window, entry: &BoxAt, stsd_version: u8, timescale: u32) -> Result<Description, Unplayable> {
    let unsupported = |detail: Option<String>| Unplayable::Unsupported { kind: entry.kind, detail };
    match &entry.kind.0 {
        b"avc1" | b"avc2" | b"avc3" | b"avc4" | b"dva1" | b"dvav" => Ok(read_avc(window, entry)?),
        b"hvc1" | b"hev1" | b"hvc2" | b"hev2" | b"dvh1" | b"dvhe" => Ok(read_hevc(window, entry)?),
        b"mp4a" | b"ulaw" | b"alaw" | b"twos" | b"sowt" | b"raw " | b"NONE" | b"in24" | b"in32" | b"fl32" | b"lpcm"
        | b"ipcm" | b"fpcm" | b"Opus" => {
            let sound = Sound::read(window, entry, stsd_version, timescale)?;
            let (codec, bitrate) = match &entry.kind.0 {
                b"mp4a" => sound.aac().map_err(|e| e.or_unsupported(unsupported))?,
                b"Opus" => (sound.opus(entry)?, None),
                b"ulaw" => (Codec::Pcmu(sound.g711()), None),
                b"alaw" => (Codec::Pcma(sound.g711()), None),
                _ => {
                    let detail = || Some(format!("PCM of {} bits", sound.bits));
                    let format = sound.pcm_format(entry.kind)?.ok_or_else(|| unsupported(detail()))?;
                    let (sample_rate, channels) = (sound.sample_rate, sound.channels);
                    (Codec::Pcm(PcmConfig { format, sample_rate, channels }), None)
                }
            };
            Ok(Description { codec, nal_length_size: 0, bitrate: bitrate.or(sound.btrt) })
        }
        _ => Err(unsupported(None)),
    }
}

fn read_avc(window: &mut Window, entry: &BoxAt) -> Result<Description, Error> {
    let mut boxes = Boxes::new(entry.body.saturating_add(VISUAL_LEN), entry.end);
    let (mut avcc, mut bitrate) = (None, None);
    while let Some(found) = boxes.next(window)? {
        match &found.kind.0 {
            b"avcC" => {
                let body = found.load(window, "avcC")?;
                avcc = Some(h264::parse_avcc(ByteReader::new(&body, found.body, "avcC"))?);
            }
            b"btrt" => bitrate = read_btrt(window, &found)?,
            _ => {}
        }
    }
    let (config, nal_length_size) = avcc.ok_or_else(|| Error::malformed("sample entry without avcC", entry.at))?;
    Ok(Description { codec: Codec::H264(config), nal_length_size, bitrate })
}

fn read_hevc(window: &mut Window, entry: &BoxAt) -> Result<Description, Error> {
    let mut boxes = Boxes::new(entry.body.saturating_add(VISUAL_LEN), entry.end);
    let (mut hvcc, mut bitrate) = (None, None);
    while let Some(found) = boxes.next(window)? {
        match &found.kind.0 {
            b"hvcC" => {
                let body = found.load(window, "hvcC")?;
                hvcc = Some(h265::parse_hvcc(ByteReader::new(&body, found.body, "hvcC"))?);
            }
            b"btrt" => bitrate = read_btrt(window, &found)?,
            _ => {}
        }
    }
    let (config, nal_length_size) = hvcc.ok_or_else(|| Error::malformed("sample entry without hvcC", entry.at))?;
    Ok(Description { codec: Codec::H265(config), nal_length_size, bitrate })
}

/// The average of a BitRateBox (section 8.5.2.2); many writers leave it 0.
fn read_btrt(window: &mut Window, found: &BoxAt) -> Result<Option<u32>, Error> {
    let body = found.load(window, "btrt")?;
    let mut r = ByteReader::new(&body, found.body, "btrt");
    r.skip(8)?; // buffer size, peak
    Ok(Some(r.u32()?).filter(|bits| *bits > 0))
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
            pcmc: None,
            btrt: None,
        };
        let boxes = BoxAt { body: r.at(), ..*entry };
        // `wave` is QuickTime's wrapper around what ISO has directly.
        super::boxes::visit(window, &boxes, |window, found| {
            sound.read_box(window, &found)?;
            Ok(found.kind == FourCc(*b"wave"))
        })?;
        Ok(sound)
    }

    fn read_box(&mut self, window: &mut Window, found: &BoxAt) -> Result<(), Error> {
        match &found.kind.0 {
            b"esds" => self.esds = Some((found.load(window, "esds")?, found.body)),
            b"dOps" => self.dops = Some((found.load(window, "dOps")?, found.body)),
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

    fn aac(&self) -> Result<(Codec, Option<u32>), AacError> {
        let Some((body, at)) = &self.esds else {
            return Ok((Codec::Aac(self.aac_without_config()), None));
        };
        let esds = Esds::read(ByteReader::new(body, *at, "esds"))?;
        if !matches!(esds.object_type, 0x40 | 0x66..=0x68) {
            return Err(AacError::ObjectType(esds.object_type));
        }
        let config = match &esds.decoder_config {
            Some((asc, at)) => AacConfig::parse(asc, *at)?,
            None => self.aac_without_config(),
        };
        Ok((Codec::Aac(config), Some(esds.average_bitrate).filter(|bits| *bits > 0)))
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

    /// How a value of linear PCM stands in the file; `None` for formats that are not known.
    fn pcm_format(&self, kind: FourCc) -> Result<Option<PcmFormat>, Error> {
        let (bits, is_float, is_little_endian) = match &kind.0 {
            b"in24" => (24, false, self.is_little_endian),
            b"in32" => (32, false, self.is_little_endian),
            b"fl32" => (32, true, self.is_little_endian),
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
            _ => return Ok(None),
        }))
    }
}

enum AacError {
    ObjectType(u8),
    Bad(Error),
}

impl From<Error> for AacError {
    fn from(error: Error) -> Self {
        Self::Bad(error)
    }
}

impl AacError {
    fn or_unsupported(self, unsupported: impl FnOnce(Option<String>) -> Unplayable) -> Unplayable {
        match self {
            Self::Bad(error) => Unplayable::Bad(error),
            Self::ObjectType(0x69 | 0x6b) => unsupported(Some("MPEG-1/2 audio".into())),
            Self::ObjectType(object_type) => unsupported(Some(format!("object type {object_type:#04x}"))),
        }
    }
}

/// What is used of the elementary stream descriptor (ISO/IEC 14496-1 section 7.2.6.5).
#[derive(Debug, Default)]
struct Esds {
    object_type: u8,
    average_bitrate: u32,
    /// DecoderSpecificInfo, with its place.
    decoder_config: Option<(Vec<u8>, u64)>,
}

const TAG_ES: u8 = 3;
const TAG_DECODER_CONFIG: u8 = 4;
const TAG_DECODER_SPECIFIC: u8 = 5;

impl Esds {
    fn read(mut r: ByteReader<'_>) -> Result<Self, Error> {
        version_and_flags(&mut r)?;
        let mut esds = Self::default();
        // The descriptors that matter are first in their parents, so stepping into them is enough. A length that
        // lies does not matter either: only that of DecoderSpecificInfo is used, clipped to what is there.
        while r.remaining() > 0 {
            let tag = r.u8()?;
            let len = descriptor_len(&mut r)?;
            match tag {
                TAG_ES => {
                    r.skip(2)?; // ES_ID
                    let flags = r.u8()?;
                    if flags & 0x80 != 0 {
                        r.skip(2)?; // dependsOn_ES_ID
                    }
                    if flags & 0x40 != 0 {
                        let url_len = r.u8()?;
                        r.skip(usize::from(url_len))?;
                    }
                    if flags & 0x20 != 0 {
                        r.skip(2)?; // OCR_ES_Id
                    }
                }
                TAG_DECODER_CONFIG => {
                    esds.object_type = r.u8()?;
                    r.skip(8)?; // stream type, buffer size, peak bit rate
                    esds.average_bitrate = r.u32()?;
                }
                TAG_DECODER_SPECIFIC => {
                    let at = r.at();
                    let info = r.take(len.min(r.remaining()))?;
                    esds.decoder_config = Some((info.to_vec(), at)).filter(|(info, _)| !info.is_empty());
                    break;
                }
                _ => r.skip(len.min(r.remaining()))?,
            }
        }
        if esds.object_type == 0 {
            return Err(r.malformed());
        }
        Ok(esds)
    }
}

/// A length in one to four bytes of seven bits (ISO/IEC 14496-1 section 8.3.3).
fn descriptor_len(r: &mut ByteReader<'_>) -> Result<usize, Error> {
    let mut len = 0;
    for _ in 0..4 {
        let byte = r.u8()?;
        len = len << 7 | usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            break;
        }
    }
    Ok(len)
}
