//! Finds messages in the bytes of a connection (RFC 2326 sections 4 to 7 and 10.12), however they were cut.
//!
//! Each byte is looked at a fixed number of times, be it fed alone or with all the others: the decoder remembers how
//! far it has searched. What has been decoded leaves the buffer, and the buffer gives its memory back, for there are
//! thousands of connections and nearly all of them are silent.

use super::headers::{CSeq, Headers};
use super::message::{Frame, Message, Method, PeerResponse, Request, Version};
use super::status::Status;
use super::url::escape_foreign_bytes;

/// Longest request line, in bytes. RFC 2326 names no limit; HTTP asks for 8000 at least (RFC 9112 section 3), but
/// names of files end at 4096 on every system.
pub const REQUEST_LINE_LEN_MAX: usize = 4096;
/// Longest head of a message, request line and headers together, in bytes.
pub const HEAD_LEN_MAX: usize = 16 << 10;
/// Most header lines in a message.
pub const HEADER_COUNT_MAX: usize = 100;
/// Longest body, in bytes. Clients send parameters, if anything.
pub const BODY_LEN_MAX: usize = 64 << 10;
/// An empty buffer of up to this capacity, in bytes, is kept for the next request.
const BUFFER_KEEP_MAX: usize = 4096;
/// `$`, channel and length of an interleaved frame.
const FRAME_HEADER_LEN: usize = 4;

/// What is wrong with the bytes of a peer. There is no way to tell where its next message begins, so the connection
/// is to be closed, after an answer of [`Self::status`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault} at byte {at} of the connection")]
pub struct DecodeError {
    /// What it is.
    pub fault: Fault,
    /// Where the faulty message begins, counted from the first byte of the connection.
    pub at: u64,
    /// CSeq of the message, when it got that far and could be read.
    pub cseq: Option<u32>,
}

impl DecodeError {
    /// What to answer.
    pub fn status(&self) -> Status {
        match self.fault {
            Fault::RequestLineTooLong => Status::RequestUriTooLarge,
            Fault::HeadTooLong | Fault::TooManyHeaders | Fault::BodyTooLong => Status::RequestEntityTooLarge,
            Fault::NoMessage | Fault::FirstLine | Fault::Nul | Fault::ContentLength => Status::BadRequest,
        }
    }
}

/// The kinds of [`DecodeError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The first byte can begin neither a message nor a frame.
    #[error("neither RTSP nor HTTP")]
    NoMessage,
    /// The first line is neither a request line nor a status line.
    #[error("malformed request line")]
    FirstLine,
    /// See [`REQUEST_LINE_LEN_MAX`].
    #[error("request line of more than {REQUEST_LINE_LEN_MAX} bytes")]
    RequestLineTooLong,
    /// See [`HEAD_LEN_MAX`].
    #[error("head of more than {HEAD_LEN_MAX} bytes")]
    HeadTooLong,
    /// See [`HEADER_COUNT_MAX`].
    #[error("more than {HEADER_COUNT_MAX} header lines")]
    TooManyHeaders,
    /// See [`BODY_LEN_MAX`].
    #[error("body of more than {BODY_LEN_MAX} bytes")]
    BodyTooLong,
    /// A zero byte in a head.
    #[error("zero byte in a head")]
    Nul,
    /// Content-Length is no number, or is there twice and differs.
    #[error("malformed Content-Length")]
    ContentLength,
}

/// Turns the bytes of one connection into messages. After a [`DecodeError`] it only repeats that error.
///
/// A caller feeds what one read gave, then takes messages until there are none; so what is held never exceeds one
/// message and one read.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// Where in `buffer` the first byte lies that is not decoded yet.
    start: usize,
    /// How many bytes lie before `buffer`.
    dropped: u64,
    state: State,
}

#[derive(Debug, Default)]
enum State {
    /// Between two messages.
    #[default]
    Between,
    /// Within a head, of which these lines were seen. Both positions count from `start`.
    Head { lines: usize, line: usize, searched: usize },
    /// The head is complete and its body is not.
    Body { message: Box<Message>, body_len: usize },
    /// Nothing more can be made of the connection.
    Failed(DecodeError),
}

impl Decoder {
    /// A decoder at the start of a connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a part of a message has come and the rest has not.
    pub fn is_mid_message(&self) -> bool {
        !matches!(self.state, State::Between) || self.start < self.buffer.len()
    }

    /// Takes over what a read gave.
    pub fn push(&mut self, bytes: &[u8]) {
        if !matches!(self.state, State::Failed(_)) {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// The next message; `None` when more bytes are needed.
    ///
    /// # Errors
    /// When the bytes are no message, or one beyond the limits. The connection is of no further use.
    pub fn decode(&mut self) -> Result<Option<Message>, DecodeError> {
        let decoded = self.step();
        match &decoded {
            Ok(Some(_)) => {}
            Ok(None) => self.compact(),
            Err(error) => {
                self.buffer = Vec::new();
                self.start = 0;
                self.state = State::Failed(error.clone());
            }
        }
        decoded
    }

    /// Hands over what was pushed and not decoded, for whoever takes over the connection: behind the head of an HTTP
    /// request follows what its Content-Length does not describe (the POST of a tunnel names a length and goes on
    /// for ever). To be called before the next [`Self::decode`].
    pub fn take_buffered(&mut self) -> Vec<u8> {
        self.dropped += self.buffer.len() as u64;
        let rest = self.buffer.split_off(self.start);
        (self.buffer, self.start) = (Vec::new(), 0);
        rest
    }

    fn step(&mut self) -> Result<Option<Message>, DecodeError> {
        loop {
            match &mut self.state {
                State::Between => match self.begin()? {
                    Begin::Head => self.state = State::Head { lines: 0, line: 0, searched: 0 },
                    Begin::Frame(frame) => return Ok(Some(Message::Frame(frame))),
                    Begin::NeedMore => return Ok(None),
                },
                State::Head { .. } => {
                    let Some(head_len) = self.find_head_end()? else { return Ok(None) };
                    let (message, body_len) = self.parse_head(head_len)?;
                    self.start += head_len;
                    self.state = State::Body { message: Box::new(message), body_len };
                }
                State::Body { body_len, .. } => {
                    if self.buffer.len() - self.start < *body_len {
                        return Ok(None);
                    }
                    return Ok(self.finish());
                }
                State::Failed(error) => return Err(error.clone()),
            }
        }
    }

    /// Position of the first byte not decoded, within the connection.
    fn at(&self) -> u64 {
        self.dropped + self.start as u64
    }

    fn undecoded(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// Steps over the line ends that some clients send to keep a connection alive, and looks what comes.
    fn begin(&mut self) -> Result<Begin, DecodeError> {
        let line_ends = self.undecoded().iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        self.start += line_ends;
        match *self.undecoded() {
            [] => Ok(Begin::NeedMore),
            [b'$', channel, high, low, ref rest @ ..] => {
                let len = usize::from(u16::from_be_bytes([high, low]));
                let Some(data) = rest.get(..len) else { return Ok(Begin::NeedMore) };
                let frame = Frame { channel, data: data.to_vec() };
                self.start += FRAME_HEADER_LEN + len;
                Ok(Begin::Frame(frame))
            }
            [b'$', ..] => Ok(Begin::NeedMore),
            [first, ..] if is_token(first) => Ok(Begin::Head),
            // Said at once: a TLS handshake, for one, would never show the end of a line.
            [_, ..] => Err(DecodeError { fault: Fault::NoMessage, at: self.at(), cseq: None }),
        }
    }

    /// Goes on searching for the empty line that ends a head, and returns the head's length with it.
    fn find_head_end(&mut self) -> Result<Option<usize>, DecodeError> {
        let State::Head { mut lines, mut line, mut searched } = self.state else { return Ok(None) };
        let bytes = &self.buffer[self.start..];
        // One byte beyond the limit is enough to see that it is passed.
        let window = &bytes[..bytes.len().min(HEAD_LEN_MAX + 1)];
        while let Some(position) = window[searched..].iter().position(|&b| b == b'\n') {
            let line_end = searched + position;
            let is_empty = trim_line_end(&window[line..line_end]).is_empty();
            if window[searched..line_end].contains(&0) {
                return Err(self.fault(Fault::Nul));
            }
            (line, searched) = (line_end + 1, line_end + 1);
            if line > HEAD_LEN_MAX {
                break;
            }
            if lines == 0 && line_end > REQUEST_LINE_LEN_MAX {
                return Err(self.fault(Fault::RequestLineTooLong));
            }
            if is_empty {
                return Ok(Some(line));
            }
            lines += 1;
            if lines > HEADER_COUNT_MAX + 1 {
                return Err(self.fault(Fault::TooManyHeaders));
            }
        }
        if lines == 0 && window.len() > REQUEST_LINE_LEN_MAX {
            return Err(self.fault(Fault::RequestLineTooLong));
        }
        if window.len() > HEAD_LEN_MAX {
            return Err(self.fault(Fault::HeadTooLong));
        }
        if window[searched..].contains(&0) {
            return Err(self.fault(Fault::Nul));
        }
        searched = window.len();
        self.state = State::Head { lines, line, searched };
        Ok(None)
    }

    /// The message without its body, and how long that is.
    fn parse_head(&self, head_len: usize) -> Result<(Message, usize), DecodeError> {
        let head = &self.undecoded()[..head_len];
        let mut lines = head.split(|&b| b == b'\n').map(trim_line_end);
        let first = lines.next().unwrap_or_default();
        let mut headers = Headers::default();
        let mut may_fold = false;
        for line in lines.filter(|line| !line.is_empty()) {
            may_fold = push_header_line(&mut headers, line, may_fold);
        }
        let body_len = content_length(&headers).map_err(|fault| self.fault(fault));
        if let Some(code) = parse_status_line(first) {
            return Ok((Message::Response(PeerResponse { code, headers, body: Vec::new() }), body_len?));
        }
        let (method, url, version) = parse_request_line(first).ok_or_else(|| self.fault(Fault::FirstLine))?;
        // What a tunnel's POST says of its length is not meant: QuickTime says 32767 and goes on for ever.
        let body_len = if version.is_http() { 0 } else { body_len? };
        Ok((Message::Request(Request { method, url, version, headers, body: Vec::new() }), body_len))
    }

    /// The message whose body is complete.
    fn finish(&mut self) -> Option<Message> {
        let State::Body { message, body_len } = std::mem::take(&mut self.state) else { return None };
        let mut message = *message;
        let bytes = self.undecoded()[..body_len].to_vec();
        self.start += body_len;
        match &mut message {
            Message::Request(request) => request.body = bytes,
            Message::Response(response) => response.body = bytes,
            Message::Frame(_) => {}
        }
        Some(message)
    }

    fn fault(&self, fault: Fault) -> DecodeError {
        DecodeError { fault, at: self.at(), cseq: find_cseq(self.undecoded()) }
    }

    /// Drops what is decoded. Copies no more than was dropped, so that all copies together are linear.
    fn compact(&mut self) {
        let left = self.buffer.len() - self.start;
        if left == 0 {
            self.dropped += self.start as u64;
            self.start = 0;
            if self.buffer.capacity() > BUFFER_KEEP_MAX {
                self.buffer = Vec::new();
            }
            self.buffer.clear();
        } else if self.start >= left {
            self.dropped += self.start as u64;
            self.buffer.drain(..self.start);
            self.start = 0;
            self.buffer.shrink_to(BUFFER_KEEP_MAX);
        }
    }
}

enum Begin {
    Head,
    Frame(Frame),
    NeedMore,
}

/// What a method or a header name is made of (RFC 2326 section 15.1, by way of RFC 2068 section 2.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&byte)
}

/// A line without its CR. Writers in text mode send `\r\r\n`.
fn trim_line_end(line: &[u8]) -> &[u8] {
    let carriage_returns = line.iter().rev().take_while(|&&b| b == b'\r').count();
    &line[..line.len() - carriage_returns]
}

/// UTF-8 where it is, else Latin-1, so that no byte is lost.
fn to_text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|&b| char::from(b)).collect(),
    }
}

/// Adds a line to the headers and returns whether the next may go on with it, as this one `may_fold` onto the last.
///
/// A line that is no header is left out: whoever wrote it finds out soon enough, and LIVE555, which clients were
/// tried with, does not look at it either.
fn push_header_line(headers: &mut Headers, line: &[u8], may_fold: bool) -> bool {
    if let [b' ' | b'\t', ..] = line {
        if may_fold {
            headers.fold(to_text(line).trim());
        }
        return may_fold;
    }
    let Some(colon) = line.iter().position(|&b| b == b':') else { return false };
    let (name, value) = (line[..colon].trim_ascii_end(), line[colon + 1..].trim_ascii());
    let is_header = !name.is_empty() && name.iter().all(|&b| is_token(b));
    if is_header {
        headers.push(to_text(name), to_text(value));
    }
    is_header
}

/// Content-Length (RFC 2326 section 12.14), 0 when there is none.
fn content_length(headers: &Headers) -> Result<usize, Fault> {
    let mut len = None;
    for value in headers.get_all("Content-Length") {
        if value.is_empty() || !value.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Fault::ContentLength);
        }
        let value = value.parse::<usize>().unwrap_or(usize::MAX);
        if len.is_some_and(|known| known != value) {
            return Err(Fault::ContentLength);
        }
        len = Some(value);
    }
    match len.unwrap_or(0) {
        len if len <= BODY_LEN_MAX => Ok(len),
        _ => Err(Fault::BodyTooLong),
    }
}

/// `RTSP/1.0 200 OK` (RFC 2326 section 7.1).
fn parse_status_line(line: &[u8]) -> Option<u16> {
    let line = to_text(line);
    let mut words = line.split_ascii_whitespace();
    Version::parse(words.next()?)?;
    let code = words.next().filter(|code| code.len() == 3 && code.bytes().all(|b| b.is_ascii_digit()))?;
    code.parse().ok()
}

/// `PLAY rtsp://host/path RTSP/1.0` (RFC 2326 section 6.1). The URL is all that stands between the first word and
/// the last, so that a space somebody forgot to escape stays within it.
fn parse_request_line(line: &[u8]) -> Option<(Method, String, Version)> {
    let is_space = |b: &u8| matches!(b, b' ' | b'\t');
    let line = line.trim_ascii_end();
    let (first, last) = (line.iter().position(is_space)?, line.iter().rposition(is_space)?);
    let (method, url, version) = (&line[..first], line[first..last].trim_ascii(), &line[last + 1..]);
    if url.is_empty() || !method.iter().all(|&b| is_token(b)) {
        return None;
    }
    Some((Method::from(to_text(method).as_str()), escape_foreign_bytes(url), Version::parse(&to_text(version))?))
}

/// The CSeq of a head that could not be decoded, so that its sender can tell which request was refused. Only whole
/// lines count: the last one may be cut in the middle of the number.
fn find_cseq(bytes: &[u8]) -> Option<u32> {
    let window = &bytes[..bytes.len().min(HEAD_LEN_MAX)];
    let lines = window.split_inclusive(|&b| b == b'\n').filter_map(|line| line.strip_suffix(b"\n"));
    lines.map(trim_line_end).take_while(|line| !line.is_empty()).find_map(|line| {
        let colon = line.iter().position(|&b| b == b':')?;
        let (name, value) = (line[..colon].trim_ascii(), line[colon + 1..].trim_ascii());
        let value = std::str::from_utf8(value).ok().filter(|_| name.eq_ignore_ascii_case(b"CSeq"))?;
        value.parse::<CSeq>().ok().map(|cseq| cseq.0)
    })
}

#[cfg(test)]
mod tests;
