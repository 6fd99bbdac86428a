//! RTP-Info (RFC 2326 section 12.33): for each stream, where in RTP the answer to PLAY begins.
//!
//! Clients hang a lot on it. VLC counts its slider from `rtptime` and drops packets before `seq`. FFmpeg compares
//! `url` byte by byte with the URL it sent in SETUP, and takes an `rtptime` of 0 for none. ExoPlayer throws the whole
//! list away when it finds any other key. So: nothing but these three, and the URL as SETUP had it.

use std::fmt;

use crate::rtsp::url::escape_list_characters;

/// The streams of one PLAY, in the order they were set up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RtpInfo(pub Vec<RtpInfoStream>);

/// Where one stream begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RtpInfoStream {
    /// The URL of SETUP. A comma, semicolon or space in it is escaped, for that is where clients split.
    pub url: String,
    /// Sequence number of the first packet.
    pub seq: u16,
    /// RTP timestamp that goes with the start of the Range in the same answer.
    pub rtptime: u32,
}

impl fmt::Display for RtpInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, stream) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            let url = escape_list_characters(&stream.url);
            write!(f, "url={url};seq={};rtptime={}", stream.seq, stream.rtptime)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_parted_by_commas_and_urls_hold_none() {
        let info = RtpInfo(vec![
            RtpInfoStream { url: "rtsp://h/cam1.mp4/trackID=0".into(), seq: 65_535, rtptime: u32::MAX },
            RtpInfoStream { url: "rtsp://h/a,b;c d%2C.mp4/trackID=1?q".into(), seq: 1, rtptime: 90_000 },
        ]);
        assert_eq!(
            info.to_string(),
            "url=rtsp://h/cam1.mp4/trackID=0;seq=65535;rtptime=4294967295,\
             url=rtsp://h/a%2Cb%3Bc%20d%2C.mp4/trackID=1?q;seq=1;rtptime=90000"
        );
    }
}
