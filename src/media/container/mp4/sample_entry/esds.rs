//! The elementary stream descriptor in an `esds` box (ISO/IEC 14496-1 section 7.2.6).

use super::super::boxes::version_and_flags;
use crate::media::Error;
use crate::media::bits::ByteReader;

/// What is used of the elementary stream descriptor (ISO/IEC 14496-1 section 7.2.6.5).
#[derive(Debug, Default)]
pub struct Esds {
    /// objectTypeIndication (ISO/IEC 14496-1 table 5, and what is registered).
    pub object_type: u8,
    /// avgBitrate, 0 where it is not told.
    pub average_bitrate: u32,
    /// DecoderSpecificInfo, with its place.
    pub decoder_config: Option<(Vec<u8>, u64)>,
}

const TAG_ES: u8 = 3;
const TAG_DECODER_CONFIG: u8 = 4;
const TAG_DECODER_SPECIFIC: u8 = 5;

impl Esds {
    /// Reads the content of the box.
    ///
    /// # Errors
    /// When it is cut off or tells no object type.
    pub fn read(mut r: ByteReader<'_>) -> Result<Self, Error> {
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
