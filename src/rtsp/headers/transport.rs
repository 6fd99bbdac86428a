//! Transport (RFC 2326 section 12.39): in SETUP the ways the client would take its packets, best first; in the answer
//! the one that was chosen, with both ends filled in.

use std::fmt;
use std::str::FromStr;

use super::{HeaderError, parse_digits, split_unquoted, unquote};

/// One way to carry a stream. What the header did not say is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransportSpec {
    /// Transport, profile and lower transport.
    pub protocol: Protocol,
    /// `multicast` was said. The RFC makes it the default; but clients that say neither word want unicast.
    pub multicast: bool,
    /// Where the stream is to go, as an address or a name.
    pub destination: Option<String>,
    /// Where it comes from.
    pub source: Option<String>,
    /// Channels within the RTSP connection.
    pub interleaved: Option<Interleaved>,
    /// The client's UDP ports.
    pub client_port: Option<PortPair>,
    /// The server's UDP ports.
    pub server_port: Option<PortPair>,
    /// The UDP ports of a multicast group.
    pub port: Option<PortPair>,
    /// Time to live of multicast packets.
    pub ttl: Option<u8>,
    /// How many multicast layers there are.
    pub layers: Option<u32>,
    /// With RECORD: go on behind what is there.
    pub append: bool,
    /// What the stream is for; not said means PLAY.
    pub mode: Option<Mode>,
    /// SSRC of the packets.
    pub ssrc: Option<u32>,
}

/// Transport, profile and lower transport of a [`TransportSpec`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Protocol {
    /// `RTP/AVP`, which is the same as `RTP/AVP/UDP`.
    RtpUdp,
    /// `RTP/AVP/TCP`: interleaved with RTSP (section 10.12).
    RtpTcp,
    /// `RTP/SAVP` or `RTP/SAVP/UDP`: encrypted (RFC 3711).
    SrtpUdp,
    /// `RTP/SAVP/TCP`.
    SrtpTcp,
    /// `RAW/RAW/UDP`: payload without RTP, for set-top boxes.
    RawUdp,
    /// `MP2T/H2221/UDP`: the same, for transport streams.
    Mp2tUdp,
    /// Any other, as it was written.
    Other(String),
}

/// What a stream is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// To be played. Also when `RECORD` is named beside it.
    Play,
    /// To be recorded.
    Record,
    /// Neither.
    Other(String),
}

/// The UDP ports of RTP and RTCP. They are equal where both share one (RFC 5761).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortPair {
    /// Port of RTP; never 0.
    pub rtp: u16,
    /// Port of RTCP; never 0.
    pub rtcp: u16,
}

/// The interleaved channels of RTP and RTCP, which differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interleaved {
    /// Channel of RTP.
    pub rtp: u8,
    /// Channel of RTCP, above that of RTP.
    pub rtcp: u8,
}

impl TransportSpec {
    /// A unicast spec with nothing but its protocol, to be filled in.
    pub fn new(protocol: Protocol) -> Self {
        Self {
            protocol,
            multicast: false,
            destination: None,
            source: None,
            interleaved: None,
            client_port: None,
            server_port: None,
            port: None,
            ttl: None,
            layers: None,
            append: false,
            mode: None,
            ssrc: None,
        }
    }

    /// The specs of a whole header, in order of preference. One that is malformed does not void the others.
    ///
    /// # Errors
    /// When no spec is well-formed: the first fault, or that there is nothing at all.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, HeaderError> {
        let mut fault = None;
        let mut specs = Vec::new();
        for piece in split_unquoted(text, ',') {
            match piece.parse() {
                Ok(spec) => specs.push(spec),
                Err(error) => fault = fault.or(Some(error)),
            }
        }
        if specs.is_empty() {
            return Err(fault.unwrap_or_else(|| HeaderError::new("Transport", text)));
        }
        Ok(specs)
    }

    /// `None` when the value is malformed. Ports and channels must be right, for packets go there. A client's
    /// `ttl`, `layers` or `ssrc` decides nothing, so a malformed one counts as not said. Unknown parameters are
    /// ignored.
    fn set(&mut self, parameter: &str) -> Option<()> {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let value = unquote(value.trim());
        match name.trim().to_ascii_lowercase().as_str() {
            "multicast" => self.multicast = true,
            "destination" => self.destination = (!value.is_empty()).then(|| value.to_owned()),
            "source" => self.source = (!value.is_empty()).then(|| value.to_owned()),
            "interleaved" => self.interleaved = Some(value.parse().ok()?),
            "client_port" => self.client_port = Some(value.parse().ok()?),
            "server_port" => self.server_port = Some(value.parse().ok()?),
            "port" => self.port = Some(value.parse().ok()?),
            "ttl" => self.ttl = parse_digits(value),
            "layers" => self.layers = parse_digits(value),
            "append" => self.append = true,
            "mode" => self.mode = Some(Mode::parse(value)),
            "ssrc" => self.ssrc = parse_hex(value),
            _ => {}
        }
        Some(())
    }
}

impl FromStr for TransportSpec {
    type Err = HeaderError;

    fn from_str(text: &str) -> Result<Self, HeaderError> {
        let error = || HeaderError::new("Transport", text);
        let mut pieces = split_unquoted(text, ';');
        let protocol = pieces.next().filter(|protocol| !protocol.contains('=')).ok_or_else(error)?;
        let mut spec = Self::new(Protocol::parse(protocol));
        for parameter in pieces {
            spec.set(parameter).ok_or_else(error)?;
        }
        Ok(spec)
    }
}

/// As an answer has it: the same order that LIVE555 and GStreamer use, which every client has met.
impl fmt::Display for TransportSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};{}", self.protocol, if self.multicast { "multicast" } else { "unicast" })?;
        parameter(f, "destination", self.destination.as_ref())?;
        parameter(f, "source", self.source.as_ref())?;
        parameter(f, "interleaved", self.interleaved)?;
        parameter(f, "client_port", self.client_port.map(|ports| self.protocol.ports(ports)))?;
        parameter(f, "server_port", self.server_port.map(|ports| self.protocol.ports(ports)))?;
        parameter(f, "port", self.port)?;
        parameter(f, "ttl", self.ttl)?;
        parameter(f, "layers", self.layers)?;
        if self.append {
            f.write_str(";append")?;
        }
        parameter(f, "ssrc", self.ssrc.map(|ssrc| format!("{ssrc:08X}")))?;
        parameter(f, "mode", self.mode.as_ref())
    }
}

fn parameter(f: &mut fmt::Formatter<'_>, name: &str, value: Option<impl fmt::Display>) -> fmt::Result {
    match value {
        Some(value) => write!(f, ";{name}={value}"),
        None => Ok(()),
    }
}

impl Protocol {
    fn parse(text: &str) -> Self {
        match text.to_ascii_uppercase().as_str() {
            "RTP/AVP" | "RTP/AVP/UDP" => Self::RtpUdp,
            "RTP/AVP/TCP" => Self::RtpTcp,
            "RTP/SAVP" | "RTP/SAVP/UDP" => Self::SrtpUdp,
            "RTP/SAVP/TCP" => Self::SrtpTcp,
            "RAW/RAW/UDP" => Self::RawUdp,
            "MP2T/H2221/UDP" => Self::Mp2tUdp,
            _ => Self::Other(text.to_owned()),
        }
    }

    /// Whether there is RTP in it.
    pub fn is_rtp(&self) -> bool {
        matches!(self, Self::RtpUdp | Self::RtpTcp | Self::SrtpUdp | Self::SrtpTcp)
    }

    /// How an answer has the ports of one end. Without RTP there is no RTCP, and one port is all there is.
    fn ports(&self, ports: PortPair) -> String {
        if self.is_rtp() { ports.to_string() } else { ports.rtp.to_string() }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RtpUdp => "RTP/AVP",
            Self::RtpTcp => "RTP/AVP/TCP",
            Self::SrtpUdp => "RTP/SAVP",
            Self::SrtpTcp => "RTP/SAVP/TCP",
            Self::RawUdp => "RAW/RAW/UDP",
            Self::Mp2tUdp => "MP2T/H2221/UDP",
            Self::Other(text) => text,
        })
    }
}

impl Mode {
    /// One or more methods, such as `"PLAY,RECORD"`, in any case.
    fn parse(text: &str) -> Self {
        let names = |wanted: &str| text.split(',').any(|name| name.trim().eq_ignore_ascii_case(wanted));
        if names("PLAY") {
            Self::Play
        } else if names("RECORD") {
            Self::Record
        } else {
            Self::Other(text.to_owned())
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Play => f.write_str("\"PLAY\""),
            Self::Record => f.write_str("\"RECORD\""),
            Self::Other(text) => write!(f, "\"{text}\""),
        }
    }
}

impl FromStr for PortPair {
    type Err = HeaderError;

    fn from_str(text: &str) -> Result<Self, HeaderError> {
        // The RFC wants a pair; some set-top boxes send one port. Take the one above it for RTCP.
        parse_pair(text, |port: u16| port.checked_add(1))
            .filter(|&(rtp, rtcp)| rtp > 0 && rtp <= rtcp)
            .map(|(rtp, rtcp)| Self { rtp, rtcp })
            .ok_or_else(|| HeaderError::new("Transport", text))
    }
}

impl fmt::Display for PortPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.rtp, self.rtcp)
    }
}

impl FromStr for Interleaved {
    type Err = HeaderError;

    fn from_str(text: &str) -> Result<Self, HeaderError> {
        parse_pair(text, |channel: u8| channel.checked_add(1))
            .filter(|(rtp, rtcp)| rtp < rtcp)
            .map(|(rtp, rtcp)| Self { rtp, rtcp })
            .ok_or_else(|| HeaderError::new("Transport", text))
    }
}

impl fmt::Display for Interleaved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.rtp, self.rtcp)
    }
}

/// `a-b`, or `a` and what `next` makes of it.
fn parse_pair<T: FromStr + Copy>(text: &str, next: impl Fn(T) -> Option<T>) -> Option<(T, T)> {
    match text.split_once('-') {
        Some((first, second)) => Some((parse_digits(first.trim())?, parse_digits(second.trim())?)),
        None => {
            let first = parse_digits(text)?;
            Some((first, next(first)?))
        }
    }
}

/// Up to eight hexadecimal digits; the standard library would take a sign as well.
fn parse_hex(text: &str) -> Option<u32> {
    text.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u32::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn udp(rtp: u16, rtcp: u16) -> TransportSpec {
        TransportSpec { client_port: Some(PortPair { rtp, rtcp }), ..TransportSpec::new(Protocol::RtpUdp) }
    }

    fn tcp(channels: Option<(u8, u8)>) -> TransportSpec {
        let interleaved = channels.map(|(rtp, rtcp)| Interleaved { rtp, rtcp });
        TransportSpec { interleaved, ..TransportSpec::new(Protocol::RtpTcp) }
    }

    #[test]
    fn what_real_clients_send_is_understood() {
        let play = Some(Mode::Play);
        let multicast = TransportSpec { multicast: true, ..TransportSpec::new(Protocol::RtpUdp) };
        let rows: Vec<(&str, Vec<TransportSpec>)> = vec![
            // VLC, openRTSP
            ("RTP/AVP;unicast;client_port=50000-50001", vec![udp(50_000, 50_001)]),
            ("RTP/AVP/TCP;unicast;interleaved=0-1", vec![tcp(Some((0, 1)))]),
            // FFmpeg
            ("RTP/AVP/UDP;unicast;client_port=21036-21037", vec![udp(21_036, 21_037)]),
            ("RTP/AVP/UDP;multicast", vec![multicast.clone()]),
            // GStreamer: all it can do, in one header
            (
                "RTP/AVP;unicast;client_port=5000-5001,RTP/AVP;multicast,RTP/AVP/TCP;unicast;interleaved=0-1",
                vec![udp(5000, 5001), multicast.clone(), tcp(Some((0, 1)))],
            ),
            // ExoPlayer
            ("RTP/AVP/TCP;unicast;interleaved=2-3", vec![tcp(Some((2, 3)))]),
            // QuickTime
            (
                "RTP/AVP;unicast;client_port=6970-6971;mode=\"PLAY\"",
                vec![TransportSpec { mode: play.clone(), ..udp(6970, 6971) }],
            ),
            ("RTP/AVP/TCP;unicast", vec![tcp(None)]),
            // gortsplib, retina
            (
                "RTP/AVP/TCP;unicast;interleaved=4-5;mode=play",
                vec![TransportSpec { mode: play.clone(), ..tcp(Some((4, 5))) }],
            ),
            // Set-top boxes
            (
                "RAW/RAW/UDP;unicast;client_port=1234",
                vec![TransportSpec { protocol: Protocol::RawUdp, ..udp(1234, 1235) }],
            ),
            (
                "MP2T/H2221/UDP;unicast;destination=10.0.0.9;client_port=1234-1235;ttl=8",
                vec![TransportSpec {
                    protocol: Protocol::Mp2tUdp,
                    destination: Some("10.0.0.9".into()),
                    ttl: Some(8),
                    ..udp(1234, 1235)
                }],
            ),
            // gortsplib with SRTP
            (
                "RTP/SAVP;unicast;client_port=3000-3001",
                vec![TransportSpec { protocol: Protocol::SrtpUdp, ..udp(3000, 3001) }],
            ),
            // The RFC's own example, section 12.39
            (
                "RTP/AVP;multicast;ttl=127;mode=\"PLAY\", RTP/AVP;unicast;client_port=3456-3457;mode=\"PLAY\"",
                vec![
                    TransportSpec { ttl: Some(127), mode: play.clone(), ..multicast },
                    TransportSpec { mode: play.clone(), ..udp(3456, 3457) },
                ],
            ),
        ];
        for (text, expected) in rows {
            assert_eq!(TransportSpec::parse_list(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn spaces_case_quotes_and_unknown_parameters_do_no_harm() {
        let mode = Some(Mode::Play);
        let expected = TransportSpec { mode, ssrc: Some(0x1A2B), append: true, ..udp(4000, 4001) };
        let text = "rtp/avp ; UNICAST; Client_Port = 4000 - 4001;mode=\"PLAY,RECORD\";SSRC=1a2b;append;x-fec=\"a,b;c\"";
        assert_eq!(TransportSpec::parse_list(text), Ok(vec![expected]));
        let unknown = TransportSpec::parse_list("DVB/RAW/MEGA;unicast;frontend=1").unwrap();
        assert_eq!(unknown, [TransportSpec::new(Protocol::Other("DVB/RAW/MEGA".into()))]);
        let worthless = TransportSpec::parse_list("RTP/AVP;ssrc=+1;ttl=300;layers=x;source=;mode=receive").unwrap();
        let mode = Some(Mode::Other("receive".into()));
        assert_eq!(worthless, [TransportSpec { mode, ..TransportSpec::new(Protocol::RtpUdp) }]);
    }

    /// LIVE555 took `client_port=0` and set up a session that nobody could hear, and wrapped channel 300 to 44.
    #[test]
    fn a_bad_port_or_channel_voids_its_spec() {
        for text in [
            "RTP/AVP;unicast;client_port=0-1",
            "RTP/AVP;unicast;client_port=0",
            "RTP/AVP;unicast;client_port=65535",
            "RTP/AVP;unicast;client_port=65535-65536",
            "RTP/AVP;unicast;client_port=5001-5000",
            "RTP/AVP;unicast;client_port=-5000",
            "RTP/AVP;unicast;client_port=+5000",
            "RTP/AVP;unicast;client_port=a-b",
            "RTP/AVP;unicast;client_port=",
            "RTP/AVP;unicast;client_port",
            "RTP/AVP/TCP;unicast;interleaved=300-301",
            "RTP/AVP/TCP;unicast;interleaved=255",
            "RTP/AVP/TCP;unicast;interleaved=255-256",
            "RTP/AVP/TCP;unicast;interleaved=1-1",
            "RTP/AVP/TCP;unicast;interleaved=1-0",
            "client_port=5000-5001",
            "",
            ",;,",
        ] {
            assert!(TransportSpec::parse_list(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn one_malformed_spec_does_not_void_the_others() {
        let text = "RTP/AVP/TCP;interleaved=300-301,RTP/AVP;unicast;client_port=5000-5001,RTP/AVP;client_port=0";
        assert_eq!(TransportSpec::parse_list(text), Ok(vec![udp(5000, 5001)]));
    }

    #[test]
    fn a_single_port_or_channel_stands_for_a_pair() {
        assert_eq!(TransportSpec::parse_list("RTP/AVP;client_port=4588"), Ok(vec![udp(4588, 4589)]));
        assert_eq!(TransportSpec::parse_list("RTP/AVP/TCP;interleaved=254"), Ok(vec![tcp(Some((254, 255)))]));
    }

    #[test]
    fn answers_are_written_as_clients_expect_them_and_read_back_the_same() {
        let rows = [
            (
                TransportSpec {
                    server_port: Some(PortPair { rtp: 6970, rtcp: 6971 }),
                    ssrc: Some(0xAB_CDEF),
                    ..udp(5000, 5001)
                },
                "RTP/AVP;unicast;client_port=5000-5001;server_port=6970-6971;ssrc=00ABCDEF",
            ),
            (
                TransportSpec {
                    destination: Some("10.0.0.7".into()),
                    source: Some("fe80::1".into()),
                    server_port: Some(PortPair { rtp: 6970, rtcp: 6971 }),
                    ..udp(5000, 5001)
                },
                "RTP/AVP;unicast;destination=10.0.0.7;source=fe80::1;client_port=5000-5001;server_port=6970-6971",
            ),
            (
                TransportSpec { ssrc: Some(0xDEAD_BEEF), mode: Some(Mode::Play), ..tcp(Some((0, 1))) },
                "RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=DEADBEEF;mode=\"PLAY\"",
            ),
            (
                TransportSpec {
                    multicast: true,
                    destination: Some("224.1.0.1".into()),
                    port: Some(PortPair { rtp: 8002, rtcp: 8003 }),
                    ttl: Some(16),
                    ..TransportSpec::new(Protocol::RtpUdp)
                },
                "RTP/AVP;multicast;destination=224.1.0.1;port=8002-8003;ttl=16",
            ),
            (
                TransportSpec {
                    protocol: Protocol::RawUdp,
                    server_port: Some(PortPair { rtp: 6970, rtcp: 6971 }),
                    ..udp(1234, 1235)
                },
                "RAW/RAW/UDP;unicast;client_port=1234;server_port=6970",
            ),
        ];
        for (spec, text) in rows {
            assert_eq!(spec.to_string(), text);
            assert_eq!(text.parse(), Ok(spec));
        }
    }
}
