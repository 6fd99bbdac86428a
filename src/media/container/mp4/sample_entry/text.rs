//! Entries of text and metadata: 3GPP timed text (3GPP TS 26.245), QuickTime text, WebVTT (ISO/IEC 14496-30), and
//! `mett` and `metx` (ISO/IEC 14496-12 section 12.3.3), in which cameras of ONVIF have what they saw.

use super::super::boxes::BoxAt;
use super::{Description, Unplayable};
use crate::media::Codec;
use crate::media::bits::ByteReader;
use crate::media::codec::{MetadataConfig, TextConfig, markup};
use crate::media::io::Window;

/// Bytes of a `mett` or `metx` entry that are looked at.
const ENTRY_LEN_MAX: u64 = 1024;
/// The payload format that ONVIF's documents have (ONVIF Streaming Specification section 5.2.1.1).
const ONVIF_METADATA: &str = "vnd.onvif.metadata";

/// How the text stands in a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextLayout {
    /// Behind its length in 16 bits; boxes with styles may follow (TS 26.245 section 5.17).
    Prefixed,
    /// In `payl` boxes within `vttc` boxes (ISO/IEC 14496-30 section 6.6).
    WebVtt,
}

impl TextLayout {
    /// Makes of the bytes of a sample the plain text in it.
    pub fn shape(self, data: &mut Vec<u8>) {
        let text = match self {
            Self::Prefixed => prefixed(data),
            Self::WebVtt => web_vtt(data),
        };
        data.clear();
        data.extend_from_slice(text.as_bytes());
    }
}

/// Reads `entry`, if it is of text or metadata that is known here.
///
/// # Errors
/// When it is broken, or metadata for which there is no payload format.
pub fn read(window: &mut Window, entry: &BoxAt) -> Result<Option<Description>, Unplayable> {
    let layout = match &entry.kind.0 {
        b"tx3g" | b"text" => TextLayout::Prefixed,
        b"wvtt" => TextLayout::WebVtt,
        b"mett" | b"metx" => return metadata(window, entry).map(Some),
        _ => return Ok(None),
    };
    let description = Description::new(Codec::Text(TextConfig::default()), None);
    Ok(Some(Description { text: Some(layout), ..description }))
}

/// content_encoding, then mime_format, or namespace and schema_location: all end with a zero byte.
fn metadata(window: &mut Window, entry: &BoxAt) -> Result<Description, Unplayable> {
    let len = entry.body_len().min(ENTRY_LEN_MAX) as usize;
    let mut r = ByteReader::new(window.bytes(entry.body, len, "metadata sample entry")?, entry.body, "metadata entry");
    r.skip(8)?; // reserved, data reference
    let strings: Vec<String> =
        r.rest().split(|byte| *byte == 0).take(3).map(|text| String::from_utf8_lossy(text).into_owned()).collect();
    let unsupported = |detail: String| Unplayable::Unsupported { kind: entry.kind, detail: Some(detail) };
    if strings.first().is_some_and(|encoding| !encoding.is_empty()) {
        return Err(unsupported(format!("metadata encoded as {}", strings[0])));
    }
    let kind = strings.get(1).map(String::as_str).unwrap_or_default();
    if !kind.to_ascii_lowercase().contains("onvif") {
        return Err(unsupported(format!("metadata of {kind}")));
    }
    Ok(Description::new(Codec::Metadata(MetadataConfig { encoding: ONVIF_METADATA.to_owned() }), None))
}

/// UTF-8, or UTF-16 behind a byte order mark.
fn prefixed(data: &[u8]) -> String {
    let Some((len, rest)) = data.split_first_chunk() else { return String::new() };
    let text = &rest[..rest.len().min(u16::from_be_bytes(*len).into())];
    let units = |from_bytes: fn([u8; 2]) -> u16| -> String {
        let units = text[2..].as_chunks().0.iter().map(|bytes| from_bytes(*bytes));
        char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
    };
    match text {
        [0xfe, 0xff, ..] => units(u16::from_be_bytes),
        [0xff, 0xfe, ..] => units(u16::from_le_bytes),
        _ => String::from_utf8_lossy(text).into_owned(),
    }
}

/// The cues of a sample, each on lines of its own. `vtte`, a sample without cue, is no text.
fn web_vtt(data: &[u8]) -> String {
    let mut cues = Vec::new();
    for (kind, cue) in boxes(data) {
        if kind == b"vttc" {
            let payloads = boxes(cue).filter(|(kind, _)| *kind == b"payl");
            cues.extend(payloads.map(|(_, text)| markup::web_vtt(&String::from_utf8_lossy(text))));
        }
    }
    cues.join("\n")
}

/// The boxes in `data` by their types, up to what is none.
fn boxes(mut data: &[u8]) -> impl Iterator<Item = (&[u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let (size, rest) = data.split_first_chunk()?;
        let (kind, rest) = rest.split_first_chunk()?;
        let len = (u32::from_be_bytes(*size) as usize).checked_sub(8)?;
        let (body, behind) = rest.split_at_checked(len)?;
        data = behind;
        Some((kind, body))
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::atom;
    use super::*;

    fn shaped(layout: TextLayout, data: &[u8]) -> String {
        let mut data = data.to_vec();
        layout.shape(&mut data);
        String::from_utf8(data).unwrap()
    }

    #[test]
    fn timed_text_is_what_its_length_covers() {
        let styled = [&[0, 5][..], "Grüß".as_bytes(), &atom(b"styl", &[&[0; 4]])].concat();
        assert_eq!(shaped(TextLayout::Prefixed, &styled), "Grü\u{fffd}");
        assert_eq!(shaped(TextLayout::Prefixed, &[0, 3, b'a', b'b', b'c', 9, 9]), "abc");
        assert_eq!(shaped(TextLayout::Prefixed, &[0, 6, 0xfe, 0xff, 0, b'h', 0, b'i']), "hi");
        for nothing in [&[][..], &[0], &[0, 0], &[0, 0, 0, 0, 0, 8]] {
            assert_eq!(shaped(TextLayout::Prefixed, nothing), "");
        }
        assert_eq!(shaped(TextLayout::Prefixed, &[0, 9, b'a']), "a", "a length that lies");
    }

    #[test]
    fn webvtt_is_the_text_of_its_cues() {
        let cue = |text: &[u8]| atom(b"vttc", &[&atom(b"iden", &[b"7"]), &atom(b"payl", &[text])]);
        let two = [cue(b"<v Ann>Hello &amp; <i>bye</i>"), cue(b"2")].concat();
        assert_eq!(shaped(TextLayout::WebVtt, &two), "Hello & bye\n2");
        assert_eq!(shaped(TextLayout::WebVtt, &atom(b"vtte", &[])), "");
        assert_eq!(shaped(TextLayout::WebVtt, &two[..20]), "");
    }
}
