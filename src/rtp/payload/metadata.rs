//! Metadata over RTP: the XML documents of ONVIF (Streaming Specification section 5.1.2.1.1, `vnd.onvif.metadata`) and
//! KLV units (RFC 6597, `smpte336m`). Both are split anywhere, and the marker ends a document or unit.

use super::Payloader;
use crate::media::Sample;
use crate::media::codec::MetadataConfig;
use crate::rtp::PacketWriter;

/// The payload format of one metadata track.
#[derive(Debug)]
pub struct Metadata {
    config: MetadataConfig,
}

impl Metadata {
    /// For a track with this config.
    ///
    /// # Errors
    /// When its payload format is another one.
    pub fn new(config: MetadataConfig) -> Result<Self, String> {
        match config.encoding.as_str() {
            "vnd.onvif.metadata" | "smpte336m" => Ok(Self { config }),
            other => Err(format!("metadata of encoding {other:?} has no payload format here")),
        }
    }
}

impl Payloader for Metadata {
    fn rtpmap(&self) -> String {
        format!("{}/90000", self.config.encoding)
    }

    fn fmtp(&self) -> Option<String> {
        None
    }

    fn clock_rate(&self) -> u32 {
        90_000
    }

    fn packetize(&mut self, sample: &Sample, out: &mut PacketWriter<'_>) {
        let len = sample.data.len();
        let mut position = 0;
        while position < len {
            let end = len.min(position + out.payload_max());
            out.begin();
            out.sample(position..end);
            out.finish(end == len);
            position = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{packets, sample_of};
    use super::*;

    #[test]
    fn a_document_is_split_and_its_last_packet_has_the_marker() {
        for encoding in ["vnd.onvif.metadata", "smpte336m"] {
            let mut payloader = Metadata::new(MetadataConfig { encoding: encoding.into() }).unwrap();
            assert_eq!(payloader.rtpmap(), format!("{encoding}/90000"));
            assert_eq!(
                packets(&mut payloader, &sample_of("<tt:Metadata/>"), 9),
                ["-+0 3c74743a4d65746164", "M+0 6174612f3e"]
            );
            assert_eq!(packets(&mut payloader, &sample_of(""), 9), Vec::<String>::new());
        }
    }

    #[test]
    fn other_encodings_are_refused_by_name() {
        let error = Metadata::new(MetadataConfig { encoding: "x-gps".into() }).unwrap_err();
        assert_eq!(error, "metadata of encoding \"x-gps\" has no payload format here");
    }
}
