//! Telling proxies and recorders of our streams: REGISTER and DEREGISTER, as LIVE555 has them. No RFC has.
//!
//! Here is one exchange, and doing it by hand; `keeper` does it for as long as the server runs.

mod keeper;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::config::{Register, Registry};
use crate::rtsp::{Decoder, Headers, Message, Method, PeerResponse, Request, Version, url};
pub use keeper::start;

/// How long it may take to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Read at a time, in bytes.
const READ_LEN: usize = 2048;
/// Left out of a URL.
const RTSP_PORT: u16 = 554;

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// There is a stream.
    Register,
    /// It is no more.
    Deregister,
}

impl Verb {
    fn as_str(self) -> &'static str {
        match self {
            Self::Register => "REGISTER",
            Self::Deregister => "DEREGISTER",
        }
    }
}

/// Registers a stream once, or takes it back. `port` is where this machine serves RTSP.
///
/// # Errors
/// When the other side cannot be reached or does not answer.
pub fn by_hand(verb: Verb, register: &Register, port: u16) -> anyhow::Result<PeerResponse> {
    let addresses = resolve(&register.url)?;
    let stream = connect(&addresses, CONNECT_TIMEOUT).with_context(|| format!("cannot connect to {}", register.url))?;
    let request = request(verb, register, &our_url(&stream, register, port)?);
    let (answer, _) =
        ask(&stream, &request, ANSWER_TIMEOUT).with_context(|| format!("no answer of {}", register.url))?;
    Ok(answer)
}

fn resolve(registry: &Registry) -> anyhow::Result<Vec<SocketAddr>> {
    let found = (registry.host.as_str(), registry.port).to_socket_addrs();
    let addresses: Vec<SocketAddr> = found.with_context(|| format!("cannot find {}", registry.host))?.collect();
    if addresses.is_empty() {
        bail!("{} has no address", registry.host);
    }
    Ok(addresses)
}

fn connect(addresses: &[SocketAddr], timeout: Duration) -> io::Result<TcpStream> {
    let mut failure = io::Error::other("no address");
    for address in addresses {
        match TcpStream::connect_timeout(address, timeout) {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// The URL of the stream, as whoever is at the other end of `stream` reaches it.
fn our_url(stream: &TcpStream, register: &Register, port: u16) -> io::Result<String> {
    let local = stream.local_addr()?.ip().to_canonical();
    let host = if local.is_ipv6() { format!("[{local}]") } else { local.to_string() };
    let origin = if port == RTSP_PORT { format!("rtsp://{host}") } else { format!("rtsp://{host}:{port}") };
    Ok(url::recording_url(&origin, &register.path))
}

fn request(verb: Verb, register: &Register, url: &str) -> Request {
    let mut headers = Headers::default();
    headers.push("CSeq", "1");
    headers.push("User-Agent", concat!("camreel/", env!("CARGO_PKG_VERSION")));
    let suffix = register.proxy_url_suffix.as_ref().map(|suffix| format!("proxy_url_suffix={suffix}"));
    let mut transport = Vec::new();
    if verb == Verb::Register {
        transport.extend(register.reuse_connection.then(|| "reuse_connection".to_owned()));
        transport.push(format!("preferred_delivery_protocol={}", register.preferred_delivery_protocol));
    }
    transport.extend(suffix);
    if !transport.is_empty() {
        headers.push("Transport", transport.join("; "));
    }
    let method = Method::Extension(verb.as_str().to_owned());
    Request { method, url: url.to_owned(), version: Version::RTSP_1_0, headers, body: Vec::new() }
}

/// Sends a request and waits for its answer. What came behind the answer is still in the decoder.
fn ask(stream: &TcpStream, request: &Request, timeout: Duration) -> io::Result<(PeerResponse, Decoder)> {
    let deadline = Instant::now() + timeout;
    let mut bytes = Vec::new();
    request.write_to(&mut bytes);
    stream.set_write_timeout(Some(timeout))?;
    (&mut &*stream).write_all(&bytes)?;
    let mut decoder = Decoder::new();
    let mut buffer = [0; READ_LEN];
    loop {
        match decoder.decode().map_err(io::Error::other)? {
            Some(Message::Response(response)) => return Ok((response, decoder)),
            Some(_) => return Err(io::Error::other("something else than an answer came")),
            None => {}
        }
        let wait = deadline.saturating_duration_since(Instant::now());
        if wait.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(wait))?;
        match (&mut &*stream).read(&mut buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(len) => decoder.push(&buffer[..len]),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
    }
}
