//! A raw client: it sends what it is told and takes apart what comes, without a thought of its own.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Longer than any answer takes, even on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(8);

/// One RTSP or HTTP response.
#[derive(Debug, Clone, Default)]
pub struct Response {
    /// Status line and headers.
    pub head: Vec<String>,
    /// What follows the empty line.
    pub body: String,
}

impl Response {
    /// The status code; 0 if there is none.
    pub fn status(&self) -> u16 {
        let code = self.head.first().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        code.unwrap_or(0)
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.iter().skip(1).find_map(|line| {
            let (known, value) = line.split_once(": ")?;
            known.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    /// The session's id, without the timeout.
    pub fn session(&self) -> String {
        let value = self.header("Session").unwrap_or_else(|| panic!("no Session in {self:?}"));
        value.split(';').next().unwrap_or_default().to_owned()
    }

    /// A parameter of Transport, such as `client_port`.
    pub fn transport(&self, name: &str) -> &str {
        let value = self.header("Transport").unwrap_or_else(|| panic!("no Transport in {self:?}"));
        let parameters = value.split(';').filter_map(|parameter| parameter.split_once('='));
        parameters.filter(|(known, _)| *known == name).map(|(_, value)| value).next().unwrap_or_default()
    }

    /// Fails, with all of it, unless it is a 200.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.status(), 200, "{self:#?}");
        self
    }

    /// All of it as lines, the body behind an empty one if there is one.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = self.head.clone();
        if !self.body.is_empty() {
            lines.push(String::new());
            lines.extend(self.body.lines().map(str::to_owned));
        }
        lines
    }
}

/// Binary data between two responses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub channel: u8,
    pub data: Vec<u8>,
}

/// A connection to the server.
pub struct Client {
    stream: TcpStream,
    bytes: Vec<u8>,
    /// Frames that came and were not asked for yet.
    pub frames: VecDeque<Frame>,
    next_cseq: u32,
}

impl Client {
    pub fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap_or_else(|error| panic!("cannot connect to {address}: {error}"));
        Self::over(stream)
    }

    /// A client on a connection that there is already.
    pub fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("TCP_NODELAY");
        Self { stream, bytes: Vec::new(), frames: VecDeque::new(), next_cseq: 1 }
    }

    /// With the least room for what it does not read.
    pub fn connect_narrow(address: &str) -> Self {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
        socket.set_recv_buffer_size(4096).expect("a small buffer");
        let address: std::net::SocketAddr = address.parse().expect("an address");
        socket.connect(&address.into()).unwrap_or_else(|error| panic!("cannot connect to {address}: {error}"));
        Self { stream: socket.into(), bytes: Vec::new(), frames: VecDeque::new(), next_cseq: 1 }
    }

    /// The socket itself.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Sends bytes as they are; false when the server has closed.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Sends a request with these further header lines and returns the answer.
    #[track_caller]
    pub fn request(&mut self, method: &str, url: &str, headers: &[&str]) -> Response {
        let cseq = self.next_cseq;
        self.next_cseq += 1;
        let mut text = format!("{method} {url} RTSP/1.0\r\nCSeq: {cseq}\r\n");
        for header in headers {
            text += header;
            text += "\r\n";
        }
        text += "\r\n";
        assert!(self.send(text.as_bytes()), "the connection was closed before {text}");
        let response = self.response().unwrap_or_else(|error| panic!("{error} instead of an answer to\n{text}"));
        assert_eq!(response.header("CSeq"), Some(cseq.to_string().as_str()), "{response:#?} to\n{text}");
        response
    }

    /// The next response; frames before it are kept.
    ///
    /// # Errors
    /// In words, when the connection ends or nothing comes.
    pub fn response(&mut self) -> Result<Response, String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.take_frames();
            if let Some(response) = self.take_response() {
                return Ok(response);
            }
            if !self.read(deadline)? {
                return Err(format!("the server closed the connection after {:?}", self.text()));
            }
        }
    }

    /// The next frame. Responses before it are a fault.
    ///
    /// # Errors
    /// In words, when the connection ends or none comes in time.
    pub fn frame(&mut self, patience: Duration) -> Result<Frame, String> {
        let deadline = Instant::now() + patience;
        loop {
            self.take_frames();
            if let Some(frame) = self.frames.pop_front() {
                return Ok(frame);
            }
            if !self.bytes.is_empty() && self.bytes[0] != b'$' {
                return Err(format!("{:?} instead of a frame", self.text()));
            }
            if !self.read(deadline)? {
                return Err("the server closed the connection".to_owned());
            }
        }
    }

    /// Takes frames until one on `channel` satisfies `wanted`; fails when none does.
    #[track_caller]
    pub fn frame_that(&mut self, what: &str, mut wanted: impl FnMut(&Frame) -> bool) -> Frame {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.frame(deadline.saturating_duration_since(Instant::now())) {
                Ok(frame) if wanted(&frame) => return frame,
                Ok(_) => {}
                Err(error) => panic!("{error} instead of {what}"),
            }
        }
    }

    /// Reads on until the server closes the connection; how long that took. Responses and frames are kept.
    ///
    /// # Errors
    /// In words, when it does not within `patience`.
    pub fn wait_for_close(&mut self, patience: Duration) -> Result<Duration, String> {
        let start = Instant::now();
        loop {
            match self.read(start + patience) {
                Ok(true) => {}
                Ok(false) => return Ok(start.elapsed()),
                Err(error) => return Err(format!("{error}; the connection is still open")),
            }
        }
    }

    /// What has come and is neither frame nor whole response.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// Reads what there is; false at the end of the connection.
    fn read(&mut self, deadline: Instant) -> Result<bool, String> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err("nothing came in time".to_owned());
        }
        self.stream.set_read_timeout(Some(left)).expect("a read timeout");
        let mut buffer = [0; 16 << 10];
        match self.stream.read(&mut buffer) {
            Ok(0) => Ok(false),
            Ok(len) => {
                self.bytes.extend_from_slice(&buffer[..len]);
                Ok(true)
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Err(format!("nothing came within {left:?}"))
            }
            // The server had not read all that was sent to it when it closed.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(false),
            Err(error) => Err(error.to_string()),
        }
    }

    fn take_frames(&mut self) {
        while let [b'$', channel, high, low, rest @ ..] = self.bytes.as_slice() {
            let len = usize::from(u16::from_be_bytes([*high, *low]));
            let Some(data) = rest.get(..len) else { break };
            self.frames.push_back(Frame { channel: *channel, data: data.to_vec() });
            self.bytes.drain(..4 + len);
        }
    }

    fn take_response(&mut self) -> Option<Response> {
        let text = String::from_utf8_lossy(&self.bytes).into_owned();
        if text.starts_with('$') {
            return None;
        }
        let (head, rest) = text.split_once("\r\n\r\n")?;
        let mut response = Response { head: head.split("\r\n").map(str::to_owned).collect(), body: String::new() };
        let body_len = response.header("Content-Length").and_then(|len| len.parse().ok()).unwrap_or(0);
        response.body = rest.get(..body_len)?.to_owned();
        self.bytes.drain(..head.len() + 4 + body_len);
        Some(response)
    }
}

/// What an RTP packet says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rtp {
    pub sequence: u16,
    pub rtptime: u32,
    pub ssrc: u32,
}

impl Rtp {
    #[track_caller]
    pub fn parse(packet: &[u8]) -> Self {
        let packet = rtp_types::RtpPacket::parse(packet).unwrap_or_else(|error| panic!("{error}: {packet:?}"));
        Self { sequence: packet.sequence_number(), rtptime: packet.timestamp(), ssrc: packet.ssrc() }
    }
}

/// The types of the packets in a compound RTCP packet: 200 SR, 202 SDES, 203 BYE.
pub fn rtcp_types(mut bytes: &[u8]) -> Vec<u8> {
    let mut types = Vec::new();
    while let [first, packet_type, high, low, ..] = bytes {
        assert_eq!(first >> 6, 2, "RTCP of another version: {bytes:?}");
        types.push(*packet_type);
        let len = (usize::from(u16::from_be_bytes([*high, *low])) + 1) * 4;
        bytes = bytes.get(len..).unwrap_or_else(|| panic!("RTCP is cut off: {bytes:?}"));
    }
    types
}

/// Whether a compound RTCP packet says goodbye.
pub fn is_bye(bytes: &[u8]) -> bool {
    rtcp_types(bytes).contains(&203)
}

/// A receiver report about `ssrc`.
pub fn receiver_report(ssrc: u32) -> Vec<u8> {
    let mut report = vec![0x81, 201, 0, 7, 0, 0, 0, 9];
    report.extend(ssrc.to_be_bytes());
    report.extend([0; 20]);
    report
}

/// A frame as it goes over the wire.
pub fn frame_bytes(channel: u8, data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![b'$', channel];
    bytes.extend((data.len() as u16).to_be_bytes());
    bytes.extend(data);
    bytes
}

impl Client {
    /// SETUP of a track over this connection, in a new session or in one there is.
    #[track_caller]
    pub fn set_up(&mut self, url: &str, track: usize, session: Option<&str>) -> Response {
        let transport = format!("Transport: RTP/AVP/TCP;unicast;interleaved={}-{}", 2 * track, 2 * track + 1);
        self.set_up_by(url, track, session, &transport)
    }

    /// SETUP of a track by this Transport header.
    #[track_caller]
    pub fn set_up_by(&mut self, url: &str, track: usize, session: Option<&str>, transport: &str) -> Response {
        let session = session.map(|id| format!("Session: {id}"));
        let headers: Vec<&str> = [Some(transport), session.as_deref()].into_iter().flatten().collect();
        self.request("SETUP", &format!("{url}/trackID={track}"), &headers).ok()
    }

    /// A request on a session.
    #[track_caller]
    pub fn in_session(&mut self, method: &str, url: &str, session: &str) -> Response {
        self.request(method, url, &[&format!("Session: {session}")])
    }

    /// SETUP of both tracks over this connection, and PLAY; the session's id.
    #[track_caller]
    pub fn play_both(&mut self, url: &str) -> String {
        let session = self.set_up(url, 0, None).session();
        self.set_up(url, 1, Some(&session));
        self.in_session("PLAY", url, &session).ok();
        session
    }
}

/// Whether the server at `address` knows the session.
pub fn is_alive(address: &str, session: &str) -> bool {
    let status = Client::connect(address).in_session("OPTIONS", "*", session).status();
    assert!([200, 454].contains(&status), "{status}");
    status == 200
}
