//! A connection, from its first byte to its last: read, decode, handle, write. One worker owns it.

use std::io::{self, ErrorKind, IoSlice, Read};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use log::{debug, info};

use super::access::Login;
use super::http::{self, Base64Decoder, Tunnel, Upgrade};
use super::methods::{self, Reply, Then};
use super::proxy_protocol::{self, Announced, Step};
use super::session::Session;
use super::streamer::{EndReason, Order};
use super::tls::{self, Progress, Tls};
use super::writer::ConnectionWriter;
use super::{Shared, socket};
use crate::config::Config;
use crate::rtsp::headers::lists::has_word;
use crate::rtsp::{Decoder, Frame, Message, Request, Response};
use crate::sync::Leaf;

/// Read at a time, in bytes.
const READ_LEN: usize = 4096;
/// How long a streaming thread may take to hear of a client's RTCP goodbye. It says TEARDOWN as well, as a rule.
const GOODBYE_TIMEOUT: Duration = Duration::from_millis(20);

/// What a worker knows of its connection.
pub struct Connection<'a> {
    pub(super) shared: &'a Arc<Shared>,
    pub(super) peer: SocketAddr,
    pub(super) local: IpAddr,
    /// Of the connection that responses go through.
    pub(super) number: u64,
    pub(super) writer: Arc<ConnectionWriter>,
    own_number: u64,
    own_writer: Arc<ConnectionWriter>,
    stream: TcpStream,
    decoder: Decoder,
    role: Role,
    attached: Arc<Attached>,
    /// We opened it, so it is not for us to end it.
    is_ours: bool,
}

/// What a connection is used for.
enum Role {
    /// Requests in, responses and packets out.
    Plain,
    /// Responses and packets out of a tunnel; what comes in is of no interest.
    Outward,
    /// Requests into a tunnel.
    Inward(Base64Decoder),
}

/// What hangs on a connection, or on both halves of a tunnel.
#[derive(Default)]
pub struct Attached {
    /// Who logged in.
    login: Login,
    /// Sessions that requests on it named. As long as one lives, the connection may be silent.
    sessions: Leaf<Vec<Arc<Session>>>,
    /// Who uses which interleaved channels.
    channels: Leaf<Vec<Channel>>,
}

/// A pair of channels that a track was given.
#[derive(Clone)]
struct Channel {
    rtp: u8,
    /// What the client sends on this one are its reports.
    rtcp: u8,
    session: Arc<Session>,
    track: usize,
}

impl Channel {
    fn overlaps(&self, rtp: u8, rtcp: u8) -> bool {
        [self.rtp, self.rtcp].iter().any(|used| [rtp, rtcp].contains(used))
    }
}

impl<'a> Connection<'a> {
    /// Takes over an accepted connection, to speak TLS on it first if that is given.
    ///
    /// # Errors
    /// When the socket cannot be used.
    pub fn new(shared: &'a Arc<Shared>, stream: TcpStream, peer: SocketAddr, tls: Option<Tls>) -> io::Result<Self> {
        let local = stream.local_addr()?.ip();
        let writer = Arc::new(ConnectionWriter::new(stream.try_clone()?, tls, shared.config().rtsp.write_timeout)?);
        let number = shared.add_connection(&writer);
        debug!("{peer}: connected");
        Ok(Self {
            shared,
            peer,
            local: local.to_canonical(),
            number,
            own_number: number,
            own_writer: Arc::clone(&writer),
            writer,
            stream,
            decoder: Decoder::new(),
            role: Role::Plain,
            attached: Arc::default(),
            is_ours: false,
        })
    }

    /// The same for a connection that we opened. `decoder` holds what of the other side's requests has come already.
    pub fn opened_by_us(mut self, decoder: Decoder) -> Self {
        (self.decoder, self.is_ours) = (decoder, true);
        self
    }

    /// Reads the header by which a relay says for whom it connects. That is the client from then on; `None` when the
    /// relay speaks for itself.
    ///
    /// # Errors
    /// When there is none, or not in time.
    pub fn read_announcement(&mut self) -> io::Result<Option<SocketAddr>> {
        let deadline = Instant::now() + self.shared.config().rtsp.read_timeout;
        let mut header = Vec::new();
        loop {
            match proxy_protocol::parse(&header).map_err(io::Error::other)? {
                Step::Need(count) => self.read_more(&mut header, count, deadline)?,
                Step::Done(Announced::Nobody) => return Ok(None),
                Step::Done(Announced::Client(client)) => {
                    debug!("{}: connected through {}", client, self.peer);
                    self.peer = client;
                    // The relay's own way to us need not lead to the client.
                    self.local = socket::local_address_towards(client).unwrap_or(self.local);
                    return Ok(Some(client));
                }
            }
        }
    }

    /// Reads up to `count` bytes and appends them. Woken by bytes, by either side's shutdown, or by the deadline.
    fn read_more(&self, header: &mut Vec<u8>, count: usize, deadline: Instant) -> io::Result<()> {
        let late = || io::Error::new(ErrorKind::TimedOut, "no PROXY header in time");
        let wait = deadline.saturating_duration_since(Instant::now());
        if wait.is_zero() {
            return Err(late());
        }
        self.stream.set_read_timeout(Some(wait))?;
        let start = header.len();
        header.resize(start + count, 0);
        let read = match (&self.stream).read(&mut header[start..]) {
            Ok(0) => Err(io::Error::new(ErrorKind::UnexpectedEof, "closed within the PROXY header")),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Err(late()),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(0),
            read => read,
        }?;
        header.truncate(start + read);
        Ok(())
    }

    /// Serves it to its end. What was interleaved in it ends with it.
    pub fn run(mut self) {
        let since = Instant::now();
        let end = self.serve();
        info!("{}: connection closed after {:.1} s: {end}", self.peer, since.elapsed().as_secs_f64());
    }

    /// Reads and answers until there is a reason to end, which is returned in words.
    fn serve(&mut self) -> String {
        let mut buffer = [0; READ_LEN];
        let mut plain = Vec::new();
        let mut last_read = Instant::now();
        // A handshake must be complete in time just as a message must.
        let mut progress = if self.own_writer.is_secure() { Progress::Handshaking } else { Progress::Open };
        let mut message_began = (progress == Progress::Handshaking).then_some(last_read);
        if let Err(end) = self.handle_buffered() {
            return end;
        }
        loop {
            let config = self.shared.config();
            let Some(wait) = self.patience(&config, last_read, message_began) else {
                let end = match (progress, message_began) {
                    (Progress::Handshaking, _) => "the TLS handshake was not completed",
                    (_, Some(_)) => "a request was not completed",
                    (_, None) => "idle",
                };
                return end.to_owned();
            };
            // Woken by bytes, by the peer's or the server's shutdown, or by this.
            if let Err(error) = self.stream.set_read_timeout(Some(wait)) {
                return error.to_string();
            }
            let bytes = match (&self.stream).read(&mut buffer) {
                Ok(0) => return "by the client".to_owned(),
                Ok(len) => self.decrypt(&buffer[..len], &mut plain, &mut progress),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return error.to_string(),
            };
            let has_progressed = match bytes {
                // Pieces of TLS records are no sign of life.
                Ok([]) => false,
                Ok(bytes) => {
                    last_read = Instant::now();
                    match self.take_in(bytes).and_then(|()| self.handle_buffered()) {
                        Ok(has_progressed) => has_progressed,
                        Err(end) => return end,
                    }
                }
                Err(error) => return error.to_string(),
            };
            let is_under_way = match progress {
                Progress::Handshaking => true,
                Progress::Open => self.decoder.is_mid_message(),
                Progress::Closed => return "by the client".to_owned(),
            };
            if has_progressed {
                message_began = None;
            }
            message_began = is_under_way.then(|| message_began.unwrap_or(last_read));
        }
    }

    /// What bytes from the socket say, by way of `plain` if they are TLS.
    fn decrypt<'b>(&self, bytes: &'b [u8], plain: &'b mut Vec<u8>, progress: &mut Progress) -> io::Result<&'b [u8]> {
        if !self.own_writer.is_secure() {
            return Ok(bytes);
        }
        plain.clear();
        *progress = self.own_writer.decrypt(bytes, plain)?;
        Ok(plain)
    }

    /// Gives bytes to the decoder, out of their tunnel if they came through one.
    fn take_in(&mut self, bytes: &[u8]) -> Result<(), String> {
        match &mut self.role {
            Role::Plain if bytes.first() == Some(&tls::HANDSHAKE_RECORD) && !self.decoder.is_mid_message() => {
                return Err("TLS on a port without it".to_owned());
            }
            Role::Plain => self.decoder.push(bytes),
            Role::Outward => {}
            Role::Inward(base64) => {
                let decoded = base64.decode(bytes).map_err(|error| format!("no base64 in a tunnel: {error}"))?;
                self.decoder.push(&decoded);
            }
        }
        Ok(())
    }

    /// How long to wait for the next byte; `None`: no longer.
    fn patience(&self, config: &Config, last_read: Instant, message_began: Option<Instant>) -> Option<Duration> {
        let has_session = self.attached.sessions.with(|sessions| sessions.iter().any(|session| !session.has_ended()));
        let deadline = match message_began {
            Some(began) => began + config.rtsp.read_timeout,
            // Looked at again from time to time, as the session may end without this worker hearing of it.
            None if has_session || self.is_ours => Instant::now() + config.rtsp.session_timeout,
            None => last_read + config.rtsp.idle_timeout,
        };
        let wait = deadline.saturating_duration_since(Instant::now());
        (!wait.is_zero()).then_some(wait)
    }

    /// Handles the messages that have come whole; whether there was any.
    fn handle_buffered(&mut self) -> Result<bool, String> {
        let mut has_progressed = false;
        loop {
            match self.decoder.decode() {
                Ok(None) => return Ok(has_progressed),
                Ok(Some(Message::Frame(frame))) => self.receive_frame(&frame),
                // We ask clients nothing, so there is nothing that this could answer.
                Ok(Some(Message::Response(_))) => {}
                Ok(Some(Message::Request(request))) if request.version.is_http() => self.upgrade(&request)?,
                Ok(Some(Message::Request(request))) => self.answer(&request)?,
                Err(error) => {
                    let _ = self.write(&Response::new(error.status(), error.cseq).header("Connection", "close"));
                    return Err(error.to_string());
                }
            }
            has_progressed = true;
        }
    }

    fn answer(&mut self, request: &Request) -> Result<(), String> {
        let Reply { response, then } = methods::handle(self, request);
        debug!("{}: {} {} -> {}", self.peer, request.method, request.url, response.status);
        let is_last = has_word(&request.headers, "Connection", "close");
        let response = if is_last { response.header("Connection", "close") } else { response };
        self.write(&response).map_err(|error| error.to_string())?;
        if let Then::Run(session) = then {
            let _ = session.order(Order::Run);
        }
        if is_last { Err("as the client asked".to_owned()) } else { Ok(()) }
    }

    fn write(&self, response: &Response) -> io::Result<()> {
        let mut bytes = Vec::new();
        response.write_to(&mut bytes);
        self.writer.write(&mut [IoSlice::new(&bytes)])
    }

    /// Makes the connection one half of a tunnel.
    fn upgrade(&mut self, request: &Request) -> Result<(), String> {
        if !matches!(self.role, Role::Plain) {
            return Err("HTTP within a tunnel".to_owned());
        }
        match http::handle(self, request) {
            Upgrade::Refused(response) => {
                let _ = self.writer.write(&mut [IoSlice::new(response.as_bytes())]);
                Err(format!("{} {} over HTTP", request.method, request.url))
            }
            Upgrade::Outward => {
                self.role = Role::Outward;
                self.writer.write(&mut [IoSlice::new(http::GET_RESPONSE)]).map_err(|error| error.to_string())
            }
            Upgrade::Inward(tunnel) => {
                self.number = tunnel.number;
                self.writer = tunnel.writer;
                self.attached = tunnel.attached;
                self.role = Role::Inward(Base64Decoder::default());
                let body = self.decoder.take_buffered();
                self.take_in(&body)
            }
        }
    }

    /// Opens a tunnel whose outward half this connection is; false when its cookie is taken.
    pub(super) fn open_tunnel(&self, cookie: &str) -> bool {
        let (writer, attached) = (Arc::clone(&self.writer), Arc::clone(&self.attached));
        let tunnel = Tunnel { writer, number: self.number, attached, peer: self.peer.ip().to_canonical() };
        self.shared.tunnels.add(cookie, tunnel)
    }

    /// Whether media cannot take another way than this connection.
    pub(super) fn is_tunnel(&self) -> bool {
        matches!(self.role, Role::Inward(_))
    }

    fn receive_frame(&self, frame: &Frame) {
        let find = |channels: &mut Vec<Channel>| channels.iter().find(|channel| channel.rtcp == frame.channel).cloned();
        if let Some(Channel { session, track, .. }) = self.attached.channels.with(find)
            && session.receive_rtcp(track, &frame.data)
        {
            // Its thread may be waiting for us to take what it sends; so not for long.
            let (reply, _) = crossbeam_channel::bounded(1);
            let _ = session.order_by(Order::Pause(vec![track], reply), Instant::now() + GOODBYE_TIMEOUT);
        }
    }

    /// The start of our URLs as this client reaches us, for requests that name no host.
    pub(super) fn local_origin(&self) -> String {
        let scheme = if self.is_secure() { "rtsps" } else { "rtsp" };
        match self.stream.local_addr() {
            Ok(address) => format!("{scheme}://{}", SocketAddr::new(self.local, address.port())),
            Err(_) => format!("{scheme}://localhost"),
        }
    }

    /// Whether nobody on the way can read along.
    pub(super) fn is_secure(&self) -> bool {
        self.own_writer.is_secure()
    }

    /// Who logged in on this connection.
    pub(super) fn login(&self) -> &Login {
        &self.attached.login
    }

    /// Whether a request on this connection named the session before.
    pub(super) fn knows(&self, id: &str) -> bool {
        self.attached.sessions.with(|sessions| sessions.iter().any(|session| session.id == id))
    }

    /// A request on this connection named `session`.
    pub(super) fn remember(&self, session: &Arc<Session>) {
        self.attached.sessions.with(|sessions| {
            sessions.retain(|known| !known.has_ended());
            if !sessions.iter().any(|known| Arc::ptr_eq(known, session)) {
                sessions.push(Arc::clone(session));
            }
        });
        session.with_state(|state| state.connection = Arc::downgrade(&self.attached));
    }

    /// Gives a pair of channels to a track, which gives back those it had: `wanted`, unless another track has them,
    /// else two that are free.
    pub(super) fn open_channels(
        &self,
        wanted: Option<(u8, u8)>,
        session: &Arc<Session>,
        track: usize,
    ) -> Option<(u8, u8)> {
        self.attached.channels.with(|channels| {
            let is_of_track = |channel: &Channel| Arc::ptr_eq(&channel.session, session) && channel.track == track;
            channels.retain(|channel| !channel.session.has_ended() && !is_of_track(channel));
            let is_free = |(rtp, rtcp): &(u8, u8)| !channels.iter().any(|channel| channel.overlaps(*rtp, *rtcp));
            let pairs = (0..=254_u8).step_by(2).map(|rtp| (rtp, rtp + 1));
            let (rtp, rtcp) = wanted.into_iter().chain(pairs).find(is_free)?;
            channels.push(Channel { rtp, rtcp, session: Arc::clone(session), track });
            Some((rtp, rtcp))
        })
    }
}

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        self.shared.remove_connection(self.own_number);
        self.own_writer.close();
        if matches!(self.role, Role::Inward(_)) {
            // The client may go on with another POST; all ends with the outward half.
            return;
        }
        self.shared.tunnels.remove(self.own_number);
        for session in self.attached.sessions.with(std::mem::take) {
            // The time that it may stay silent begins.
            session.note_life();
            let is_interleaved_here = session
                .with_state(|state| state.tracks.iter().flatten().any(|track| track.connection == Some(self.number)));
            if is_interleaved_here {
                let _ = session.order(Order::End(EndReason::ConnectionClosed, None));
            }
        }
    }
}
