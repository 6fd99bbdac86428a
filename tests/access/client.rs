//! A client that says exactly what it is told to, over anything that reads and writes.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// How long an answer may take, held back or not.
const ANSWER_MAX: Duration = Duration::from_secs(20);

/// A connection.
pub struct Client<S> {
    stream: S,
    cseq: u32,
    received: Vec<u8>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    head: String,
}

/// Who to log in as, and what the last challenge was.
#[derive(Clone)]
pub struct Login {
    user: &'static str,
    password: &'static str,
    /// Of the challenge that was taken.
    pub nonce: String,
}

impl Client<TcpStream> {
    /// Connects to `address`.
    pub fn connect(address: &str) -> Self {
        Self::over(TcpStream::connect(address).expect("the server accepts"))
    }

    /// Connects to `address` from a certain local address.
    pub fn connect_from(local: IpAddr, address: &str) -> Self {
        let address: SocketAddr = address.parse().expect("an address");
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::new(local, 0).into()).expect("a loopback address");
        socket.connect(&address.into()).expect("the server accepts");
        Self::over(socket.into())
    }

    /// Speaks over a connection on which something was said already.
    pub fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(ANSWER_MAX)).expect("a timeout");
        Self::new(stream)
    }
}

impl<S: Read + Write> Client<S> {
    /// Speaks over a connection that there is.
    pub fn new(stream: S) -> Self {
        Self { stream, cseq: 0, received: Vec::new() }
    }

    /// Sends a request with these header lines and waits for its answer.
    pub fn ask(&mut self, method: &str, url: &str, headers: &[&str]) -> Answer {
        self.try_ask(method, url, headers).unwrap_or_else(|| panic!("no answer to {method} {url}"))
    }

    /// As [`Self::ask`]; `None` when the server closes instead.
    pub fn try_ask(&mut self, method: &str, url: &str, headers: &[&str]) -> Option<Answer> {
        self.cseq += 1;
        let mut request = format!("{method} {url} RTSP/1.0\r\nCSeq: {}\r\n", self.cseq);
        for header in headers {
            let _ = write!(request, "{header}\r\n");
        }
        self.stream.write_all(format!("{request}\r\n").as_bytes()).ok()?;
        self.answer()
    }

    /// As [`Self::ask`], with proof of the password.
    pub fn ask_as(&mut self, login: &Login, method: &str, url: &str, headers: &[&str]) -> Answer {
        let authorization = login.digest(method, url);
        self.ask(method, url, &[headers, &[&authorization]].concat())
    }

    /// Logs in for `url`, as clients do: by a DESCRIBE that is refused.
    pub fn log_in(&mut self, user: &'static str, password: &'static str, url: &str) -> Login {
        let refused = self.ask("DESCRIBE", url, &[]);
        assert_eq!(refused.status, 401, "{refused:?}");
        Login { user, password, nonce: refused.nonce() }
    }

    /// Sets up the first track of `url` over this connection and returns the session's id.
    pub fn set_up(&mut self, login: &Login, url: &str) -> String {
        let transport = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1";
        let answer = self.ask_as(login, "SETUP", &format!("{url}/trackID=0"), &[transport]);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.session()
    }

    /// The next answer; packets before it are skipped.
    fn answer(&mut self) -> Option<Answer> {
        loop {
            if let [b'$', _, high, low, ..] = *self.received {
                let len = 4 + usize::from(u16::from_be_bytes([high, low]));
                if self.received.len() >= len {
                    self.received.drain(..len);
                    continue;
                }
            } else if let Some(end) = find(&self.received, b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&self.received[..end]).into_owned();
                let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
                let answer = Answer { status: status.unwrap_or_else(|| panic!("no status line: {head}")), head };
                let body_len = answer.header("Content-Length").map_or(0, |len| len.parse().expect("a length"));
                if self.received.len() >= end + 4 + body_len {
                    self.received.drain(..end + 4 + body_len);
                    return Some(answer);
                }
            }
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer) {
                Ok(0) | Err(_) => return None,
                Ok(len) => self.received.extend_from_slice(&buffer[..len]),
            }
        }
    }

    /// Waits until a packet has come.
    pub fn expect_packet(&mut self) {
        let mut buffer = [0; 4096];
        while self.received.first() != Some(&b'$') {
            let len = self.stream.read(&mut buffer).expect("packets");
            assert_ne!(len, 0, "the server closed");
            self.received.extend_from_slice(&buffer[..len]);
        }
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

impl Answer {
    /// The values of all headers of that name.
    pub fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let lines = self.head.split("\r\n").filter_map(|line| line.split_once(": "));
        lines.filter(move |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The value of the first.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head
            .split("\r\n")
            .filter_map(|line| line.split_once(": "))
            .find(|(known, _)| *known == name)
            .map(|it| it.1)
    }

    /// The id of the session.
    pub fn session(&self) -> String {
        let value = self.header("Session").unwrap_or_else(|| panic!("no session in {self:?}"));
        value.split(';').next().unwrap_or_default().to_owned()
    }

    /// The nonce of the last challenge.
    pub fn nonce(&self) -> String {
        let last = self.headers("WWW-Authenticate").last().unwrap_or_else(|| panic!("no challenge in {self:?}"));
        last.split('"').nth(3).unwrap_or_default().to_owned()
    }
}

impl Login {
    /// The header of a request, as RFC 2069 has it.
    pub fn digest(&self, method: &str, uri: &str) -> String {
        let Self { user, password, nonce } = self;
        let (ha1, ha2) = (md5(&format!("{user}:camreel:{password}")), md5(&format!("{method}:{uri}")));
        let response = md5(&format!("{ha1}:{nonce}:{ha2}"));
        format!(
            "Authorization: Digest username=\"{user}\", realm=\"camreel\", nonce=\"{nonce}\", uri=\"{uri}\", \
             response=\"{response}\""
        )
    }

    /// The header of a request, with a count, as RFC 7616 has it.
    pub fn digest_with_count(&self, method: &str, uri: &str, nc: u32) -> String {
        let Self { user, password, nonce } = self;
        let (ha1, ha2) = (md5(&format!("{user}:camreel:{password}")), md5(&format!("{method}:{uri}")));
        let response = md5(&format!("{ha1}:{nonce}:{nc:08x}:c0ffee:auth:{ha2}"));
        format!(
            "Authorization: Digest username=\"{user}\", realm=\"camreel\", nonce=\"{nonce}\", uri=\"{uri}\", \
             qop=auth, nc={nc:08x}, cnonce=\"c0ffee\", response=\"{response}\""
        )
    }
}

fn md5(text: &str) -> String {
    use md5::{Digest as _, Md5};
    Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}
