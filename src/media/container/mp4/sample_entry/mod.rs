//! The sample description `stsd` (ISO/IEC 14496-12 section 8.5.2): from the entry of a track to its [`Codec`].

mod esds;
mod sound;
mod text;
mod visual;

use std::fmt;

use super::boxes::{BoxAt, Boxes, FourCc, version_and_flags};
use crate::media::bits::ByteReader;
use crate::media::codec::{H264Config, H265Config, h264, h265};
use crate::media::io::Window;
use crate::media::{Codec, Error};
pub use text::TextLayout;

/// Sample entries that are read of one track.
const ENTRIES_MAX: u32 = 64;

/// One way in which samples of a track are coded.
#[derive(Debug, Clone)]
pub struct Description {
    /// With what a decoder must know.
    pub codec: Codec,
    /// Bytes of the length before each NAL unit; 0 for codecs that have none.
    pub nal_length_size: usize,
    /// Average bits a second, where `btrt` or `esds` tell.
    pub bitrate: Option<u32>,
    /// How text stands in a sample, for subtitles.
    pub text: Option<TextLayout>,
}

impl Description {
    fn new(codec: Codec, bitrate: Option<u32>) -> Self {
        Self { codec, nal_length_size: 0, bitrate, text: None }
    }

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
    if let Some(description) = visual::read(window, entry)? {
        return Ok(description);
    }
    if let Some(description) = sound::read(window, entry, stsd_version, timescale)? {
        return Ok(description);
    }
    if let Some(description) = text::read(window, entry)? {
        return Ok(description);
    }
    Err(Unplayable::Unsupported { kind: entry.kind, detail: name_of(entry.kind).map(str::to_owned) })
}

/// What is met in files, and known, but cannot be streamed.
fn name_of(kind: FourCc) -> Option<&'static str> {
    Some(match &kind.0 {
        b"encv" => "encrypted video",
        b"enca" => "encrypted sound",
        b"vvc1" | b"vvi1" => "H.266",
        b"mjpb" => "Motion JPEG in QuickTime's format B",
        b"apch" | b"apcn" | b"apcs" | b"apco" | b"ap4h" | b"ap4x" => "Apple ProRes",
        b"AVdn" | b"AVdh" => "Avid DNx",
        b"png " | b"tiff" | b"gif " | b"rle " | b"2vuy" | b"yuv2" => "video of single pictures or without compression",
        b"SVQ1" | b"SVQ3" | b"cvid" => "QuickTime video of old",
        b"vc-1" => "VC-1",
        b"alac" => "Apple Lossless",
        b"ima4" => "IMA ADPCM in QuickTime's blocks",
        b"dtsc" | b"dtsh" | b"dtsl" | b"dtse" => "DTS",
        b"mlpa" => "Dolby TrueHD",
        b"ac-4" => "AC-4",
        b"mha1" | b"mhm1" => "MPEG-H audio",
        b"QDMC" | b"QDM2" | b"MAC3" | b"MAC6" => "QuickTime sound of old",
        b"Qclp" | b"sqcp" | b"sevc" | b"ssmv" => "QCELP, EVRC or SMV",
        b"gpmd" => "GoPro's telemetry",
        b"rtmd" => "Sony's metadata",
        b"camm" => "camera motion metadata",
        b"tmcd" => "time code",
        b"stpp" => "TTML subtitles",
        b"c608" | b"c708" => "closed captions",
        b"mp4s" => "MPEG-4 systems data",
        b"rtp " => "a hint track",
        _ => return None,
    })
}

/// The average of a BitRateBox (section 8.5.2.2); many writers leave it 0.
fn read_btrt(window: &mut Window, found: &BoxAt) -> Result<Option<u32>, Error> {
    let body = found.load(window, "btrt")?;
    let mut r = ByteReader::new(&body, found.body, "btrt");
    r.skip(8)?; // buffer size, peak
    Ok(Some(r.u32()?).filter(|bits| *bits > 0))
}
