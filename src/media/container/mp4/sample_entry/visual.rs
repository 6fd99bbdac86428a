//! VisualSampleEntry (ISO/IEC 14496-12 section 12.1.3) with the boxes of each coding.

use super::super::boxes::{BoxAt, Boxes};
use super::esds::Esds;
use super::{Description, Unplayable, read_btrt};
use crate::media::bits::ByteReader;
use crate::media::codec::{
    Av1Config, DvConfig, H263Config, JpegConfig, Mpeg4VisualConfig, MpegVideoConfig, VpxConfig, av1, h264, h265, vpx,
};
use crate::media::io::Window;
use crate::media::{Codec, Error};

/// Bytes of a VisualSampleEntry before the boxes inside it, without box header.
const VISUAL_LEN: u64 = 78;
/// Where width and height stand in it.
const SIZE_AT: u64 = 24;

/// What of the coding a sample entry's type tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    H264,
    H265,
    Av1,
    Vp8,
    Vp9,
    /// `mp4v`: the object type in `esds` decides.
    ByObjectType,
    MpegVideo {
        is_mpeg2: bool,
    },
    Jpeg,
    H263,
    Dv(&'static str, u32, (u32, u32)),
}

/// The codings by the type of their sample entry: those of ISO standards, and what QuickTime and its cameras have.
fn coding_of(kind: &[u8; 4]) -> Option<Coding> {
    const SD_60: (u32, u32) = (720, 480);
    const SD_50: (u32, u32) = (720, 576);
    Some(match kind {
        b"avc1" | b"avc2" | b"avc3" | b"avc4" | b"dva1" | b"dvav" => Coding::H264,
        b"hvc1" | b"hev1" | b"hvc2" | b"hev2" | b"dvh1" | b"dvhe" => Coding::H265,
        b"av01" | b"dav1" => Coding::Av1,
        b"vp08" => Coding::Vp8,
        b"vp09" => Coding::Vp9,
        b"mp4v" | b"MP4V" => Coding::ByObjectType,
        b"DIVX" | b"XVID" | b"3IV2" | b"FMP4" => Coding::ByObjectType,
        b"m1v " | b"m1v1" | b"mp1v" | b"mpeg" | b"MPEG" => Coding::MpegVideo { is_mpeg2: false },
        b"m2v1" | b"mp2v" | b"mpg2" | b"MPG2" | b"mp2 " | b"AVmp" => Coding::MpegVideo { is_mpeg2: true },
        // HDV, XDCAM and IMX by frame rate and size.
        [b'h', b'd', b'v', _]
        | [b'x', b'd', b'v', _]
        | [b'x', b'd', b'5', _]
        | [b'm', b'x', b'3'..=b'5', b'n' | b'p'] => Coding::MpegVideo { is_mpeg2: true },
        b"xdhd" | b"xdh2" => Coding::MpegVideo { is_mpeg2: true },
        b"jpeg" | b"mjpa" | b"mjpg" | b"MJPG" | b"AVDJ" | b"AVRn" | b"dmb1" => Coding::Jpeg,
        b"s263" | b"h263" | b"H263" | b"M263" => Coding::H263,
        b"dvc " | b"DVC " => Coding::Dv("SD-VCR/525-60", 120_000, SD_60),
        b"dvcp" | b"DVCP" => Coding::Dv("SD-VCR/625-50", 144_000, SD_50),
        b"dvpp" => Coding::Dv("314M-25/625-50", 144_000, SD_50),
        b"dvpn" => Coding::Dv("314M-25/525-60", 120_000, SD_60),
        b"dv5n" => Coding::Dv("314M-50/525-60", 240_000, SD_60),
        b"dv5p" => Coding::Dv("314M-50/625-50", 288_000, SD_50),
        b"dvh5" => Coding::Dv("370M/1080-50i", 576_000, (1440, 1080)),
        b"dvh6" => Coding::Dv("370M/1080-60i", 480_000, (1280, 1080)),
        b"dvhp" => Coding::Dv("370M/720-60p", 240_000, (960, 720)),
        b"dvhq" => Coding::Dv("370M/720-50p", 288_000, (960, 720)),
        _ => return None,
    })
}

/// Reads `entry`, if it is of video that is known here.
///
/// # Errors
/// When it is broken, or its object type is none that is streamed.
pub fn read(window: &mut Window, entry: &BoxAt) -> Result<Option<Description>, Unplayable> {
    let Some(coding) = coding_of(&entry.kind.0) else { return Ok(None) };
    let records = Records::read(window, entry)?;
    let missing = |what: &str| Error::malformed(format!("sample entry without {what}"), entry.at);
    let mut description = Description::new(Codec::H263(H263Config::default()), records.bitrate);
    description.codec = match coding {
        Coding::H264 => {
            let (config, length_size) = records.avcc.ok_or_else(|| missing("avcC"))?;
            description.nal_length_size = length_size;
            Codec::H264(config)
        }
        Coding::H265 => {
            let (config, length_size) = records.hvcc.ok_or_else(|| missing("hvcC"))?;
            description.nal_length_size = length_size;
            Codec::H265(config)
        }
        Coding::Av1 => {
            let config = records.av1c.unwrap_or_default();
            Codec::Av1(Av1Config { size: config.size.or(records.size), ..config })
        }
        Coding::Vp8 => Codec::Vp8(VpxConfig { size: records.size, profile: None }),
        Coding::Vp9 => Codec::Vp9(VpxConfig { size: records.size, profile: records.vp9_profile }),
        Coding::ByObjectType => {
            let object_type = records.esds.as_ref().map(|esds| esds.object_type);
            by_object_type(&records)
                .ok_or_else(|| Unplayable::Unsupported { kind: entry.kind, detail: object_type.map(name_of) })?
        }
        Coding::MpegVideo { is_mpeg2 } => Codec::MpegVideo(mpeg_video(&records, is_mpeg2)),
        Coding::Jpeg => Codec::Jpeg(JpegConfig { size: records.size, ..JpegConfig::default() }),
        Coding::H263 => Codec::H263(H263Config { size: records.size }),
        Coding::Dv(encode, frame_len, size) => Codec::Dv(DvConfig { encode, frame_len, size }),
    };
    Ok(Some(description))
}

/// What the boxes inside an entry say.
#[derive(Debug, Default)]
struct Records {
    size: Option<(u32, u32)>,
    avcc: Option<(crate::media::codec::H264Config, usize)>,
    hvcc: Option<(crate::media::codec::H265Config, usize)>,
    av1c: Option<Av1Config>,
    vp9_profile: Option<u8>,
    esds: Option<Esds>,
    bitrate: Option<u32>,
}

impl Records {
    fn read(window: &mut Window, entry: &BoxAt) -> Result<Self, Error> {
        let mut records = Self::default();
        if entry.body_len() >= SIZE_AT + 4 {
            let at = entry.body + SIZE_AT;
            let mut r = ByteReader::new(window.bytes(at, 4, "visual sample entry")?, at, "visual sample entry");
            let size = (u32::from(r.u16()?), u32::from(r.u16()?));
            records.size = Some(size).filter(|(width, height)| *width > 0 && *height > 0);
        }
        let mut boxes = Boxes::new(entry.body.saturating_add(VISUAL_LEN), entry.end);
        while let Some(found) = boxes.next(window)? {
            records.read_box(window, &found)?;
        }
        Ok(records)
    }

    fn read_box(&mut self, window: &mut Window, found: &BoxAt) -> Result<(), Error> {
        let mut load = |what: &'static str| found.load(window, what);
        match &found.kind.0 {
            b"avcC" => self.avcc = Some(h264::parse_avcc(ByteReader::new(&load("avcC")?, found.body, "avcC"))?),
            b"hvcC" => self.hvcc = Some(h265::parse_hvcc(ByteReader::new(&load("hvcC")?, found.body, "hvcC"))?),
            b"av1C" => self.av1c = Some(av1::parse_av1c(ByteReader::new(&load("av1C")?, found.body, "av1C"))?),
            b"vpcC" => self.vp9_profile = vpx::parse_vpcc(ByteReader::new(&load("vpcC")?, found.body, "vpcC"))?,
            b"esds" => {
                let esds = Esds::read(ByteReader::new(&load("esds")?, found.body, "esds"))?;
                self.bitrate = self.bitrate.or(Some(esds.average_bitrate).filter(|bits| *bits > 0));
                self.esds = Some(esds);
            }
            b"btrt" => self.bitrate = read_btrt(window, found)?.or(self.bitrate),
            _ => {}
        }
        Ok(())
    }

    /// DecoderSpecificInfo; nothing where there is none.
    fn decoder_config(&self) -> &[u8] {
        let config = self.esds.as_ref().and_then(|esds| esds.decoder_config.as_ref());
        config.map_or(&[], |(bytes, _)| bytes)
    }
}

/// The coding that the object type names; MPEG-4 part 2 where there is no `esds`.
fn by_object_type(records: &Records) -> Option<Codec> {
    Some(match records.esds.as_ref().map_or(0x20, |esds| esds.object_type) {
        0x20 => {
            let config = Mpeg4VisualConfig::parse(records.decoder_config());
            let config = config.unwrap_or_else(|| Mpeg4VisualConfig {
                config: Vec::new(),
                // Simple profile at level 1: what is meant where nothing is said (RFC 6416 section 7.1).
                profile_level: 1,
                size: records.size,
                vop_ticks: None,
            });
            Codec::Mpeg4Visual(config)
        }
        0x60..=0x65 => Codec::MpegVideo(mpeg_video(records, true)),
        0x6a => Codec::MpegVideo(mpeg_video(records, false)),
        0x6c => Codec::Jpeg(JpegConfig { size: records.size, ..JpegConfig::default() }),
        _ => return None,
    })
}

fn mpeg_video(records: &Records, is_mpeg2: bool) -> MpegVideoConfig {
    let config = MpegVideoConfig::parse(records.decoder_config());
    config.unwrap_or(MpegVideoConfig { is_mpeg2, size: records.size, headers: Vec::new() })
}

fn name_of(object_type: u8) -> String {
    match object_type {
        0x6d => "video of PNG pictures".to_owned(),
        0x6e => "JPEG 2000".to_owned(),
        0xa3 => "VC-1".to_owned(),
        0xa4 => "Dirac".to_owned(),
        other => format!("object type {other:#04x}"),
    }
}
