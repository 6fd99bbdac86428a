//! Messages of RTSP (RFC 2326 sections 4 to 7 and 10.12): what the decoder yields and what the server answers.
//! How they are found in a stream of bytes is in [`super::decoder`]; what single headers mean, in [`super::headers`].

use std::fmt;

use super::{Headers, Status};

/// One thing a peer sent.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// A request, of RTSP or of HTTP.
    Request(Request),
    /// An answer to a request of ours.
    Response(PeerResponse),
    /// Binary data between two messages: RTCP, as a rule.
    Frame(Frame),
}

/// A request (RFC 2326 section 6).
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// What is to be done.
    pub method: Method,
    /// The URL as it was sent, except that bytes which no URL may hold (spaces, controls, all beyond ASCII) are
    /// percent-encoded. So it can be logged and echoed, and decoding it gives back the very bytes.
    pub url: String,
    /// Which protocol, and which version of it. Anything well-formed gets this far: it is the server that says 505.
    pub version: Version,
    /// The headers in the order they came.
    pub headers: Headers,
    /// As many bytes as Content-Length said. Always empty with HTTP: see [`super::Decoder::take_buffered`].
    pub body: Vec<u8>,
}

impl Request {
    /// Appends the request as it goes over the wire.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        write_line(out, &format!("{} {} {}", self.method, self.url, self.version));
        write_fields(out, &self.headers, &self.body);
    }
}

/// A peer's answer to a request of ours (RFC 2326 section 7).
#[derive(Debug, Clone, PartialEq)]
pub struct PeerResponse {
    /// The status code: three digits, of which nothing else is known.
    pub code: u16,
    /// The headers in the order they came.
    pub headers: Headers,
    /// As many bytes as Content-Length said.
    pub body: Vec<u8>,
}

/// As a person reads it: the code with the reason that the RFC gives it, headers, and the body.
impl fmt::Display for PeerResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = Status::ALL.iter().find(|status| status.code() == self.code).map_or("", |status| status.reason());
        writeln!(f, "{} {reason}", self.code)?;
        for (name, value) in self.headers.iter() {
            writeln!(f, "{name}: {value}")?;
        }
        f.write_str(&String::from_utf8_lossy(&self.body))
    }
}

/// Embedded binary data (RFC 2326 section 10.12): `$`, the channel, two bytes of length, and the data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// One of those that SETUP agreed on, or not: that is the server's to know.
    pub channel: u8,
    /// One RTP or RTCP packet; may be empty.
    pub data: Vec<u8>,
}

/// The protocol and version at the end of a request line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// `RTSP/major.minor`.
    Rtsp {
        /// Before the dot.
        major: u8,
        /// Behind it.
        minor: u8,
    },
    /// `HTTP/major.minor`, which opens a tunnel.
    Http {
        /// Before the dot.
        major: u8,
        /// Behind it.
        minor: u8,
    },
}

impl Version {
    /// The version this server speaks.
    pub const RTSP_1_0: Self = Self::Rtsp { major: 1, minor: 0 };

    /// Reads `RTSP/1.0` and its like, in any case. `None` when it is something else.
    pub fn parse(text: &str) -> Option<Self> {
        let (protocol, number) = text.split_once('/')?;
        let (major, minor) = number.split_once('.')?;
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        let (major, minor) = (digits(major)?, digits(minor)?);
        if protocol.eq_ignore_ascii_case("RTSP") {
            Some(Self::Rtsp { major, minor })
        } else if protocol.eq_ignore_ascii_case("HTTP") {
            Some(Self::Http { major, minor })
        } else {
            None
        }
    }

    /// Whether it is HTTP.
    pub const fn is_http(self) -> bool {
        matches!(self, Self::Http { .. })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rtsp { major, minor } => write!(f, "RTSP/{major}.{minor}"),
            Self::Http { major, minor } => write!(f, "HTTP/{major}.{minor}"),
        }
    }
}

/// A method (RFC 2326 section 10). Methods are case-sensitive: `play` is an extension.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "they are the RFC's own words")]
pub enum Method {
    Options,
    Describe,
    Setup,
    Play,
    Pause,
    Teardown,
    GetParameter,
    SetParameter,
    Announce,
    Record,
    Redirect,
    /// Any other token, `GET` and `POST` of HTTP among them.
    Extension(String),
}

impl Method {
    /// The method as a request line has it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Options => "OPTIONS",
            Self::Describe => "DESCRIBE",
            Self::Setup => "SETUP",
            Self::Play => "PLAY",
            Self::Pause => "PAUSE",
            Self::Teardown => "TEARDOWN",
            Self::GetParameter => "GET_PARAMETER",
            Self::SetParameter => "SET_PARAMETER",
            Self::Announce => "ANNOUNCE",
            Self::Record => "RECORD",
            Self::Redirect => "REDIRECT",
            Self::Extension(name) => name,
        }
    }
}

impl From<&str> for Method {
    fn from(name: &str) -> Self {
        match name {
            "OPTIONS" => Self::Options,
            "DESCRIBE" => Self::Describe,
            "SETUP" => Self::Setup,
            "PLAY" => Self::Play,
            "PAUSE" => Self::Pause,
            "TEARDOWN" => Self::Teardown,
            "GET_PARAMETER" => Self::GetParameter,
            "SET_PARAMETER" => Self::SetParameter,
            "ANNOUNCE" => Self::Announce,
            "RECORD" => Self::Record,
            "REDIRECT" => Self::Redirect,
            other => Self::Extension(other.to_owned()),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An answer of ours (RFC 2326 section 7), put together piece by piece.
#[derive(Debug, Clone, PartialEq)]
pub struct Response {
    /// What became of the request.
    pub status: Status,
    /// The number of the request; `None` only when it had none that could be read.
    pub cseq: Option<u32>,
    /// What follows CSeq, in this order.
    pub headers: Headers,
    /// What follows the empty line. Content-Length is written for it.
    pub body: Vec<u8>,
}

impl Response {
    /// An answer with neither headers nor body.
    pub fn new(status: Status, cseq: Option<u32>) -> Self {
        Self { status, cseq, headers: Headers::default(), body: Vec::new() }
    }

    /// Adds a header behind those there are. The value is what `value` displays.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.headers.push(name, value.to_string());
        self
    }

    /// Sets the body and says what it is.
    #[must_use]
    pub fn body(mut self, content_type: &'static str, body: Vec<u8>) -> Self {
        self.headers.push("Content-Type", content_type);
        self.body = body;
        self
    }

    /// Appends the answer as it goes over the wire.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        write_line(out, &format!("{} {}", Version::RTSP_1_0, self.status));
        if let Some(cseq) = self.cseq {
            write_line(out, &format!("CSeq: {cseq}"));
        }
        write_fields(out, &self.headers, &self.body);
    }
}

/// Headers, the empty line and the body.
fn write_fields(out: &mut Vec<u8>, headers: &Headers, body: &[u8]) {
    for (name, value) in headers.iter() {
        write_line(out, &format!("{name}: {value}"));
    }
    if !body.is_empty() {
        write_line(out, &format!("Content-Length: {}", body.len()));
    }
    write_line(out, "");
    out.extend_from_slice(body);
}

/// Whatever a value was made of, it stays one line: control characters become spaces.
fn write_line(out: &mut Vec<u8>, line: &str) {
    out.extend(line.bytes().map(|b| if b.is_ascii_control() { b' ' } else { b }));
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_case_sensitive_and_unknown_ones_stay_themselves() {
        for name in [
            "OPTIONS",
            "DESCRIBE",
            "SETUP",
            "PLAY",
            "PAUSE",
            "TEARDOWN",
            "GET_PARAMETER",
            "SET_PARAMETER",
            "ANNOUNCE",
            "RECORD",
            "REDIRECT",
        ] {
            let method = Method::from(name);
            assert!(!matches!(method, Method::Extension(_)), "{name}");
            assert_eq!(method.to_string(), name);
        }
        for name in ["play", "Options", "REGISTER", "GET"] {
            assert_eq!(Method::from(name), Method::Extension(name.to_owned()));
        }
    }

    #[test]
    fn versions_are_read_in_any_case_and_kept_when_they_are_not_ours() {
        let rows = [
            ("RTSP/1.0", Some(Version::RTSP_1_0)),
            ("rtsp/1.0", Some(Version::RTSP_1_0)),
            ("RTSP/2.0", Some(Version::Rtsp { major: 2, minor: 0 })),
            ("HTTP/1.1", Some(Version::Http { major: 1, minor: 1 })),
            ("RTSP/1", None),
            ("RTSP/", None),
            ("RTSP/+1.0", None),
            ("RTSP/1.0.0", None),
            ("RTSP/256.0", None),
            ("SIP/2.0", None),
        ];
        for (text, expected) in rows {
            assert_eq!(Version::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn a_response_is_written_with_cseq_first_and_length_last() {
        let response = Response::new(Status::Ok, Some(3))
            .header("Content-Base", "rtsp://192.168.1.10/cam1.mp4/")
            .body("application/sdp", b"v=0\r\n".to_vec());
        let mut out = Vec::new();
        response.write_to(&mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "RTSP/1.0 200 OK\r\nCSeq: 3\r\nContent-Base: rtsp://192.168.1.10/cam1.mp4/\r\n\
             Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n"
        );
    }

    #[test]
    fn a_value_cannot_break_out_of_its_line() {
        let mut out = Vec::new();
        Response::new(Status::NotFound, None).header("X-File", "a\r\nSession: 1\0").write_to(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "RTSP/1.0 404 Not Found\r\nX-File: a  Session: 1 \r\n\r\n");
    }
}
