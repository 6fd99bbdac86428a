//! The session description in an answer to DESCRIBE (RFC 4566, and RFC 2326 appendix C for what RTSP makes of it).
//!
//! What the lines of one track say comes from its payload format in `rtp`; here is only their order and form.
//!
//! # What clients made us write
//! - `v=`, `o=`, `s=` and `t=` always, and a control URL for every track: ExoPlayer plays nothing without.
//! - `a=range` in normal play time with both ends once the duration is known: without the end VLC, mpv, GStreamer and
//!   ExoPlayer show no position and refuse to seek. In any other unit FFmpeg shows a random duration.
//! - Control URLs of tracks are absolute. Relative ones are joined in three ways: by RFC 3986 (GStreamer: the query is
//!   lost), by a slash (FFmpeg: it comes behind the query) and as a path (ExoPlayer: it comes before the query).
//! - The control URL of the whole session is `*`, the one of Content-Base, which they all understand.
//! - `a=rtpmap` comes before `a=fmtp`, for FFmpeg reads the latter by the former; and for static payload types too,
//!   which the RFC leaves out, because some recorders know no table.
//! - No `a=type:broadcast` and no `a=x-qt-text-*`, as LIVE555 has them: a recording is no broadcast, and nobody reads
//!   the others.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sdp_types::{Bandwidth, BandwidthType, Connection, MediaType, Origin, Session, Time, TransportProto};

use crate::time::MediaTime;

/// The media type to name in Content-Type.
pub const CONTENT_TYPE: &str = "application/sdp";

/// A recording, as DESCRIBE tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// Our address as the client reached it. Its family is that of `c=` as well.
    pub origin: IpAddr,
    /// Number of this description, the same for the same recording.
    pub session_id: u64,
    /// Grows whenever the recording changes.
    pub version: u64,
    /// What it is called, for people.
    pub name: String,
    /// More about it, for people.
    pub info: Option<String>,
    /// How long it is; `None` while it is not known.
    pub duration: Option<MediaTime>,
    /// The multicast group that its tracks go to, and the time to live of their packets.
    pub group: Option<(IpAddr, u8)>,
    /// Its tracks, in order.
    pub media: Vec<Media>,
}

/// A track, as DESCRIBE tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct Media {
    /// Index of the track in the recording.
    pub track: usize,
    /// Port of RTP in the group; 0 where the client chooses one in SETUP.
    pub port: u16,
    /// Video or audio.
    pub kind: MediaKind,
    /// RTP payload type, 0 to 127.
    pub payload_type: u8,
    /// What follows the payload type in `a=rtpmap`, such as `H264/90000`.
    pub rtpmap: String,
    /// What follows it in `a=fmtp`.
    pub fmtp: Option<String>,
    /// Further attributes, each with its name and value.
    pub attributes: Vec<(&'static str, String)>,
    /// Average bits a second.
    pub bitrate: Option<u32>,
    /// Nominal pictures a second.
    pub frame_rate: Option<f64>,
    /// The track's own URL, absolute: see [`super::Url::track_url`].
    pub control: String,
}

/// The media type of `m=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaKind {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
    /// Text that is read at times.
    Text,
    /// Anything else that is timed, such as metadata.
    Application,
}

/// The text of the description. Line ends within a value are left out.
impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::new();
        self.session().write(&mut out).map_err(|_| fmt::Error)?;
        f.write_str(&String::from_utf8_lossy(&out))
    }
}

impl Description {
    fn session(&self) -> Session {
        // RFC 4566 section 5.3 forbids an empty name and proposes this one.
        let name = if self.name.trim().is_empty() { "-" } else { &self.name };
        let connection = match (self.group, self.origin) {
            (Some((group, ttl)), _) => Connection::from_ip_addr_ttl(group, Some(ttl)),
            // Unicast addresses are agreed on in SETUP (RFC 2326 section C.1.7).
            (None, IpAddr::V4(_)) => Connection::from_ip_addr(Ipv4Addr::UNSPECIFIED),
            (None, IpAddr::V6(_)) => Connection::from_ip_addr(Ipv6Addr::UNSPECIFIED),
        };
        let origin = Origin::with_ip_addr(self.session_id, self.version, self.origin);
        Session::builder(origin, name)
            .session_description_if_some(self.info.as_deref().filter(|info| !info.is_empty()))
            .connection(connection)
            .time(Time::new(0, 0))
            .attribute_with_value("tool", concat!("camreel ", env!("CARGO_PKG_VERSION")))
            .attribute_with_value("range", range(self.duration))
            .attribute_with_value("control", "*")
            .medias(self.media.iter().map(Media::description))
            .build()
    }
}

impl Media {
    fn description(&self) -> sdp_types::Media {
        let kind = match self.kind {
            MediaKind::Video => MediaType::Video,
            MediaKind::Audio => MediaType::Audio,
            MediaKind::Text => MediaType::Text,
            MediaKind::Application => MediaType::Application,
        };
        let payload_type = self.payload_type;
        // RFC 4566 section 5.8: kilobits, here rounded up.
        let bandwidth = self.bitrate.map(|bits| Bandwidth::new(BandwidthType::As, u64::from(bits).div_ceil(1000)));
        let media = sdp_types::Media::builder(kind, self.port, TransportProto::RtpAvp, payload_type)
            .bandwidth_if_some(bandwidth)
            .attribute_with_value("rtpmap", format!("{payload_type} {}", self.rtpmap))
            .attribute_with_value_if_some("fmtp", self.fmtp.as_ref().map(|fmtp| format!("{payload_type} {fmtp}")));
        let attributes = self.attributes.iter();
        attributes
            .fold(media, |media, (name, value)| media.attribute_with_value(*name, value))
            .attribute_with_value_if_some("framerate", self.frame_rate.and_then(frame_rate))
            .attribute_with_value("control", &self.control)
            .build()
    }
}

/// `a=range` (RFC 2326 section C.1.5). The start is a bare 0: that is how every server writes it.
fn range(duration: Option<MediaTime>) -> String {
    match duration {
        Some(duration) if duration >= MediaTime::from_millis(1) => format!("npt=0-{duration}"),
        _ => "npt=0-".to_owned(),
    }
}

/// `a=framerate` (RFC 4566 section 6), with no more than three decimals: 25, 29.97. Nothing for nonsense.
fn frame_rate(rate: f64) -> Option<String> {
    let millis = (rate * 1000.0).round();
    (millis >= 1.0 && millis <= f64::from(u32::MAX)).then(|| (millis / 1000.0).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn h264_and_aac() -> Description {
        Description {
            origin: IpAddr::V4(Ipv4Addr::new(192, 168, 1, 10)),
            session_id: 1_700_000_000,
            version: 1,
            name: "cam1.mp4".into(),
            info: Some("MP4, 2 tracks".into()),
            duration: Some(MediaTime::from_millis(123_456)),
            group: None,
            media: vec![
                Media {
                    track: 0,
                    port: 0,
                    kind: MediaKind::Video,
                    payload_type: 96,
                    rtpmap: "H264/90000".into(),
                    fmtp: Some(
                        "packetization-mode=1;profile-level-id=64001F;sprop-parameter-sets=Z2QAH6w=,aO48gA==".into(),
                    ),
                    attributes: vec![("x-dimensions", "2560,1440".into())],
                    bitrate: Some(2_000_001),
                    frame_rate: Some(30_000.0 / 1001.0),
                    control: "rtsp://192.168.1.10/cam1.mp4/trackID=0".into(),
                },
                Media {
                    track: 1,
                    port: 0,
                    kind: MediaKind::Audio,
                    payload_type: 0,
                    rtpmap: "PCMU/8000".into(),
                    fmtp: None,
                    attributes: Vec::new(),
                    bitrate: None,
                    frame_rate: None,
                    control: "rtsp://192.168.1.10/cam1.mp4/trackID=1".into(),
                },
            ],
        }
    }

    #[test]
    fn the_whole_description_is_as_clients_want_it() {
        let expected = format!(
            "v=0\r\n\
             o=- 1700000000 1 IN IP4 192.168.1.10\r\n\
             s=cam1.mp4\r\n\
             i=MP4, 2 tracks\r\n\
             c=IN IP4 0.0.0.0\r\n\
             t=0 0\r\n\
             a=tool:camreel {}\r\n\
             a=range:npt=0-123.456\r\n\
             a=control:*\r\n\
             m=video 0 RTP/AVP 96\r\n\
             b=AS:2001\r\n\
             a=rtpmap:96 H264/90000\r\n\
             a=fmtp:96 packetization-mode=1;profile-level-id=64001F;sprop-parameter-sets=Z2QAH6w=,aO48gA==\r\n\
             a=x-dimensions:2560,1440\r\n\
             a=framerate:29.97\r\n\
             a=control:rtsp://192.168.1.10/cam1.mp4/trackID=0\r\n\
             m=audio 0 RTP/AVP 0\r\n\
             a=rtpmap:0 PCMU/8000\r\n\
             a=control:rtsp://192.168.1.10/cam1.mp4/trackID=1\r\n",
            env!("CARGO_PKG_VERSION")
        );
        assert_eq!(h264_and_aac().to_string(), expected);
    }

    #[test]
    fn a_parser_reads_back_what_was_written() {
        let description = h264_and_aac();
        assert_eq!(Session::parse(description.to_string().as_bytes()), Ok(description.session()));
    }

    #[test]
    fn unknown_duration_and_ipv6_are_told_as_such() {
        let mut description = h264_and_aac();
        description.duration = None;
        description.info = None;
        description.origin = "fd00::10".parse().unwrap();
        description.media.clear();
        let text = description.to_string();
        assert!(text.contains("o=- 1700000000 1 IN IP6 fd00::10\r\n"), "{text}");
        assert!(text.contains("c=IN IP6 ::\r\n"), "{text}");
        assert!(text.contains("a=range:npt=0-\r\n"), "{text}");
        assert!(!text.contains("i="), "{text}");
    }

    #[test]
    fn a_multicast_group_is_told_with_its_ports() {
        let mut description = h264_and_aac();
        description.group = Some(("239.255.1.1".parse().unwrap(), 4));
        (description.media[0].port, description.media[1].port) = (5004, 5006);
        let text = description.to_string();
        for line in ["c=IN IP4 239.255.1.1/4\r\n", "m=video 5004 RTP/AVP 96\r\n", "m=audio 5006 RTP/AVP 0\r\n"] {
            assert!(text.contains(line), "{text}");
        }
        // IPv6 has no time to live here (RFC 4566 section 5.7).
        description.group = Some(("ff15::1".parse().unwrap(), 4));
        assert!(description.to_string().contains("c=IN IP6 ff15::1\r\n"), "{description}");
    }

    #[test]
    fn a_name_cannot_break_out_of_its_line() {
        let mut description = h264_and_aac();
        description.name = "cam1\r\na=control:rtsp://evil/".into();
        let parsed = Session::parse(description.to_string().as_bytes()).unwrap();
        assert_eq!(parsed.session_name, "cam1a=control:rtsp://evil/");
        description.name = " ".into();
        assert!(description.to_string().contains("\r\ns=-\r\n"));
    }

    #[test]
    fn frame_rates_are_short_and_never_nonsense() {
        for (rate, expected) in [
            (25.0, Some("25")),
            (12.5, Some("12.5")),
            (24_000.0 / 1001.0, Some("23.976")),
            (0.0, None),
            (-1.0, None),
            (f64::NAN, None),
            (f64::INFINITY, None),
        ] {
            assert_eq!(frame_rate(rate).as_deref(), expected, "{rate}");
        }
    }
}
