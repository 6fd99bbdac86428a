//! What elementary streams carry, by stream_type and descriptors (ISO/IEC 13818-1 tables 2-34 and 2-45, ETSI EN 300 468
//! annex D, ATSC A/53 part 3, and what is in use besides), or by their first bytes where no map tells; and the table of
//! their framers.

use super::pes;
use super::private::{MetadataFramer, OpusFramer, SoundFramer};
use super::psi::{StreamEntry, descriptors};
use crate::media::codec::aac::{AdtsFramer, LatmFramer};
use crate::media::codec::ac3::Ac3Framer;
use crate::media::codec::mpeg_audio::MpegAudioFramer;
use crate::media::codec::mpeg_video::MpegVideoFramer;
use crate::media::codec::mpeg4_visual::Mpeg4VisualFramer;
use crate::media::codec::nal::split_start_codes;
use crate::media::codec::{h264, h265};
use crate::media::scan::{Framer, NalFramer};

/// How an elementary stream is cut into frames.
#[derive(Clone, Copy)]
pub struct StreamKind {
    /// As a person says it.
    pub name: &'static str,
    /// Whether it is video.
    pub is_video: bool,
    /// What cuts it.
    pub framer: fn() -> Box<dyn Framer>,
}

impl PartialEq for StreamKind {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl std::fmt::Debug for StreamKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

const fn video(name: &'static str, framer: fn() -> Box<dyn Framer>) -> StreamKind {
    StreamKind { name, is_video: true, framer }
}

const fn sound(name: &'static str, framer: fn() -> Box<dyn Framer>) -> StreamKind {
    StreamKind { name, is_video: false, framer }
}

const MPEG_VIDEO: StreamKind = video("MPEG-1/2 video", MpegVideoFramer::boxed);
const MPEG4_VISUAL: StreamKind = video("MPEG-4 part 2", Mpeg4VisualFramer::boxed);
const H264: StreamKind = video("H.264", || Box::new(NalFramer::h264()));
const H265: StreamKind = video("H.265", || Box::new(NalFramer::h265()));
const MPEG_AUDIO: StreamKind = sound("MPEG audio", || Box::new(MpegAudioFramer::new()));
const ADTS: StreamKind = sound("AAC", || Box::new(AdtsFramer::new()));
const LATM: StreamKind = sound("AAC (LATM)", || Box::new(LatmFramer::new()));
const AC3: StreamKind = sound("AC-3", || Box::new(Ac3Framer::new()));
const OPUS: StreamKind = sound("Opus", || Box::new(OpusFramer::default()));
const PCMA: StreamKind = sound("G.711 A-law", || Box::new(SoundFramer::pcma()));
const PCMU: StreamKind = sound("G.711 mu-law", || Box::new(SoundFramer::pcmu()));
const LPCM: StreamKind = sound("LPCM (BDAV)", || Box::new(SoundFramer::bdav()));
const ONVIF: StreamKind = sound("ONVIF metadata", || Box::new(MetadataFramer::new("vnd.onvif.metadata")));
const KLV: StreamKind = sound("KLV metadata", || Box::new(MetadataFramer::new("smpte336m")));

const KLV_CELLS: StreamKind = sound("KLV metadata in cells", || Box::new(MetadataFramer::in_cells("smpte336m")));

/// stream_type of metadata in PES packets (table 2-34).
const METADATA_IN_PES: u8 = 0x15;
/// Descriptor tags.
const REGISTRATION: u8 = 0x05;
const METADATA: u8 = 0x26;
const DVB_TELETEXT: u8 = 0x56;
const DVB_SUBTITLES: u8 = 0x59;
const DVB_AC3: u8 = 0x6a;
const DVB_EAC3: u8 = 0x7a;
const DVB_AAC: u8 = 0x7c;

/// What the stream of a program is whose own descriptors are `program`.
///
/// # Errors
/// When it cannot be streamed: what it is, in words.
pub fn kind_of(entry: &StreamEntry, program: &[u8]) -> Result<StreamKind, String> {
    let is_bdav = registrations(program).any(|format| format == b"HDMV");
    Ok(match entry.stream_type {
        0x01 | 0x02 => MPEG_VIDEO,
        0x03 | 0x04 => MPEG_AUDIO,
        0x06 | 0x15 => return kind_of_private(entry),
        0x0f => ADTS,
        0x10 => MPEG4_VISUAL,
        0x11 => LATM,
        0x1b => H264,
        0x24 => H265,
        0x80 if is_bdav => LPCM,
        // User private, as cable systems of North America have it (SCTE 54).
        0x80 => MPEG_VIDEO,
        0x81 | 0x84 | 0x87 => AC3,
        0xa1 if is_bdav => AC3,
        // Cameras (GB/T 28181 annex C and its program streams, of which these numbers are taken over).
        0x90 if !is_bdav => PCMA,
        0x91 if !is_bdav => PCMU,
        other => return Err(name_of(other)),
    })
}

/// Streams whose descriptors tell what they are.
fn kind_of_private(entry: &StreamEntry) -> Result<StreamKind, String> {
    for format in registrations(&entry.descriptors) {
        match format {
            b"Opus" => return Ok(OPUS),
            b"AC-3" | b"EAC3" => return Ok(AC3),
            b"HEVC" => return Ok(H265),
            b"KLVA" if entry.stream_type == METADATA_IN_PES => return Ok(KLV_CELLS),
            b"KLVA" => return Ok(KLV),
            b"ONVF" => return Ok(ONVIF),
            _ => {}
        }
    }
    for (tag, content) in descriptors(&entry.descriptors) {
        match tag {
            DVB_AC3 | DVB_EAC3 => return Ok(AC3),
            DVB_AAC => return Ok(ADTS),
            DVB_SUBTITLES => return Err("DVB subtitles".to_owned()),
            DVB_TELETEXT => return Err("teletext".to_owned()),
            METADATA if content.windows(4).any(|window| window == b"KLVA") => return Ok(KLV_CELLS),
            _ => {}
        }
    }
    Err(name_of(entry.stream_type))
}

fn registrations(bytes: &[u8]) -> impl Iterator<Item = &[u8; 4]> {
    descriptors(bytes).filter(|(tag, _)| *tag == REGISTRATION).filter_map(|(_, content)| content.first_chunk())
}

/// What is known by name, but not streamed.
fn name_of(stream_type: u8) -> String {
    let name = match stream_type {
        0x05 | 0x0b..=0x0d | 0x86 => "data",
        0x06 => "private data",
        0x15 => "metadata",
        0x1c => "raw MPEG-4 audio",
        0x1f | 0x20 => "a further layer of H.264",
        0x21 => "JPEG 2000",
        0x33 => "H.266",
        0x82 | 0x85 | 0x8a => "DTS",
        0x83 => "TrueHD",
        0x90 => "subtitles",
        0xd1 => "Dirac",
        0xea => "VC-1",
        _ => return format!("stream type {stream_type:#04x}"),
    };
    name.to_owned()
}

/// What a stream is by the start of one of its PES packets, for recordings without a map.
pub fn guess(pes_packet: &[u8]) -> Option<StreamKind> {
    let pes::Parsed::Header(header) = pes::parse(pes_packet) else { return None };
    let payload = &pes_packet[header.len..];
    match header.stream_id {
        0xe0..=0xef => guess_video(payload),
        0xc0..=0xdf | 0xbd | 0xfd => guess_sound(payload),
        _ => None,
    }
}

/// Whether the first packet of a PES packet shows that a key frame begins: parameter sets, sequence headers, or the
/// picture itself.
pub fn begins_key_frame(pes_packet: &[u8]) -> bool {
    let pes::Parsed::Header(header) = pes::parse(pes_packet) else { return false };
    let payload = &pes_packet[header.len..];
    let mut nals = Vec::new();
    split_start_codes(payload, &mut nals);
    nals.iter().map(|nal| &payload[nal.clone()]).any(|nal| match nal {
        [0xb3 | 0xb0, ..] => true,
        [first, ..] if first & 0x80 != 0 => false,
        [0x67 | 0x27 | 0x47 | 0x65 | 0x25 | 0x45, second, ..] if *second != 1 => true,
        [_, 1, ..] => matches!(h265::nal_type(nal), 16..=21 | h265::NAL_VPS | h265::NAL_SPS),
        _ => false,
    })
}

fn guess_video(payload: &[u8]) -> Option<StreamKind> {
    let mut nals = Vec::new();
    split_start_codes(payload, &mut nals);
    let first = &payload[nals.first()?.clone()];
    match first {
        // sequence_header_code, group_start_code and picture_start_code; the start codes of a VOS, VO, VOL, GOV or VOP.
        [0xb3 | 0xb8 | 0x00, ..] => return Some(MPEG_VIDEO),
        [0xb0 | 0xb5 | 0xb6, ..] => return Some(MPEG4_VISUAL),
        _ => {}
    }
    nals.into_iter().find_map(|nal| {
        let nal = &payload[nal];
        let is_h265 = matches!(h265::nal_type(nal), 32..=35) && nal.get(1) == Some(&1);
        let is_h264 = matches!(h264::nal_type(nal), h264::NAL_AUD | h264::NAL_SPS) && nal[0] & 0x80 == 0;
        // 0x40 and 0x42, the parameter sets of H.265, are no header of H.264 that anybody writes, and the reverse.
        if is_h265 { Some(H265) } else { is_h264.then_some(H264) }
    })
}

fn guess_sound(payload: &[u8]) -> Option<StreamKind> {
    match payload {
        [0xff, second, ..] if second & 0xf6 == 0xf0 => Some(ADTS),
        [0xff, second, ..] if second & 0xe0 == 0xe0 && second & 0x06 != 0 => Some(MPEG_AUDIO),
        [0x56, second, ..] if second & 0xe0 == 0xe0 => Some(LATM),
        [0x0b, 0x77, ..] => Some(AC3),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::pes;
    use super::*;

    fn entry(stream_type: u8, descriptors: &[u8]) -> StreamEntry {
        StreamEntry { stream_type, pid: 0x100, descriptors: descriptors.to_vec() }
    }

    #[test]
    fn streams_are_known_by_type_and_descriptors() {
        let hdmv = [5, 4, b'H', b'D', b'M', b'V'];
        for (stream_type, descriptors, program, expected) in [
            (0x02, &[][..], &[][..], Ok("MPEG-1/2 video")),
            (0x03, &[], &[], Ok("MPEG audio")),
            (0x06, &[5, 4, b'O', b'p', b'u', b's'], &[], Ok("Opus")),
            (0x06, &[0x6a, 1, 0], &[], Ok("AC-3")),
            (0x06, &[0x0a, 0, 0x7a, 1, 0], &[], Ok("AC-3")),
            (0x06, &[0x59, 1, 0], &[], Err("DVB subtitles")),
            (0x06, &[], &[], Err("private data")),
            (0x15, &[0x26, 6, 1, 0xff, b'K', b'L', b'V', b'A'], &[], Ok("KLV metadata in cells")),
            (0x0f, &[], &[], Ok("AAC")),
            (0x10, &[], &[], Ok("MPEG-4 part 2")),
            (0x11, &[], &[], Ok("AAC (LATM)")),
            (0x1b, &[], &[], Ok("H.264")),
            (0x24, &[], &[], Ok("H.265")),
            (0x80, &[], &hdmv, Ok("LPCM (BDAV)")),
            (0x80, &[], &[], Ok("MPEG-1/2 video")),
            (0x81, &[], &[], Ok("AC-3")),
            (0x87, &[], &[], Ok("AC-3")),
            (0x90, &[], &[], Ok("G.711 A-law")),
            (0x90, &[], &hdmv, Err("subtitles")),
            (0x91, &[], &[], Ok("G.711 mu-law")),
            (0x86, &[], &[], Err("data")),
            (0xfe, &[], &[], Err("stream type 0xfe")),
        ] {
            let found = kind_of(&entry(stream_type, descriptors), program);
            let found = found.as_ref().map(|kind| kind.name).map_err(String::as_str);
            assert_eq!(found, expected, "{stream_type:#x} {descriptors:02x?}");
        }
    }

    #[test]
    fn without_a_map_the_first_bytes_tell() {
        for (stream_id, payload, expected) in [
            (0xe0, &[0, 0, 0, 1, 0x09, 0xf0, 0, 0, 0, 1, 0x67, 1][..], Some("H.264")),
            (0xe0, &[0, 0, 0, 1, 0x46, 0x01, 0x50, 0, 0, 1, 0x40, 1][..], Some("H.265")),
            (0xe0, &[0, 0, 1, 0xb3, 0x16], Some("MPEG-1/2 video")),
            (0xe0, &[0, 0, 1, 0xb0, 0x01], Some("MPEG-4 part 2")),
            (0xe0, &[0, 0, 1, 0x41, 0x9a], None),
            (0xc0, &[0xff, 0xf1, 0x50], Some("AAC")),
            (0xc0, &[0xff, 0xfd, 0x50], Some("MPEG audio")),
            (0xc0, &[0x56, 0xe0, 0x50], Some("AAC (LATM)")),
            (0xbd, &[0x0b, 0x77, 0x50], Some("AC-3")),
            (0xbd, &[0x20, 0x00, 0x50], None),
        ] {
            let found = guess(&pes(stream_id, Some((0, None)), payload)).map(|kind| kind.name);
            assert_eq!(found, expected, "{payload:02x?}");
        }
    }
}
