//! Keeps streams registered: one thread for each `[[register]]`. It registers again whenever the other side has gone
//! and come back, which shows by the connection, and takes the registration back when the server stops.

use std::io::{self, Read};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use crossbeam_channel::{RecvTimeoutError, TryRecvError};
use log::{debug, info, warn};
use socket2::SockRef;

use super::{ANSWER_TIMEOUT, CONNECT_TIMEOUT, Verb, ask, connect, our_url, request, resolve};
use crate::config::Register;
use crate::rtsp::{Decoder, Status};
use crate::server::connection::Connection;
use crate::server::writer::ConnectionWriter;
use crate::server::{Shared, socket};

/// The first wait before trying again; each doubles, up to the last.
const WAIT_FIRST: Duration = Duration::from_secs(1);
const WAIT_LAST: Duration = Duration::from_secs(60);
/// A registration that held so long was a good one: the next wait is the first again.
const GOOD_AFTER: Duration = Duration::from_secs(60);
/// How long each step of taking a registration back may last: the server is stopping.
const GOODBYE_TIMEOUT: Duration = Duration::from_millis(500);
/// Stack of a keeper, in bytes: as much as a worker has, for it may serve its connection.
const STACK_LEN: usize = 512 << 10;

/// Starts to keep `registers` registered, for a server that serves RTSP at `port`.
///
/// # Errors
/// When no thread can be started.
pub fn start(shared: &Arc<Shared>, registers: &[Register], port: u16) -> io::Result<()> {
    for register in registers {
        let mut keeper = Keeper {
            shared: Arc::clone(shared),
            register: register.clone(),
            port,
            registered: None,
            complaint: String::new(),
        };
        thread::Builder::new().name("register".to_owned()).stack_size(STACK_LEN).spawn(move || keeper.run())?;
    }
    Ok(())
}

struct Keeper {
    shared: Arc<Shared>,
    register: Register,
    port: u16,
    /// Where, and by which URL, the stream was last registered.
    registered: Option<(SocketAddr, String)>,
    /// Why it could not be, as last logged.
    complaint: String,
}

impl Keeper {
    fn run(&mut self) {
        let mut wait = WAIT_FIRST;
        loop {
            let since = Instant::now();
            if let Err(error) = self.register_once() {
                self.complain(&format!("{error:#}"));
            }
            if since.elapsed() >= GOOD_AFTER {
                wait = WAIT_FIRST;
            }
            // Woken by the server's stop, or by this.
            if self.shared.stopping.recv_timeout(wait) == Err(RecvTimeoutError::Disconnected) {
                break;
            }
            wait = (wait * 2).min(WAIT_LAST);
        }
    }

    /// Registers, and returns when that has come to an end.
    fn register_once(&mut self) -> anyhow::Result<()> {
        // Finding a host may take the system longer than a server may take to stop, which waits only for those who
        // hold a token.
        let addresses = resolve(&self.register.url)?;
        let Some(_token) = self.shared.thread_token() else { return Ok(()) };
        let stream = connect(&addresses, CONNECT_TIMEOUT).context("cannot connect")?;
        let shared = Arc::clone(&self.shared);
        let open = OpenConnection::new(&shared, &stream)?;
        if self.is_stopping() {
            return Ok(());
        }
        let held = self.hold(stream);
        drop(open);
        if self.is_stopping() {
            self.take_back();
        }
        held
    }

    fn hold(&mut self, stream: TcpStream) -> anyhow::Result<()> {
        let url = our_url(&stream, &self.register, self.port)?;
        let (answer, decoder) = ask(&stream, &request(Verb::Register, &self.register, &url), ANSWER_TIMEOUT)?;
        self.registered = Some((stream.peer_addr()?, url.clone()));
        let is_known = answer.code == Status::ParameterNotUnderstood.code() && self.register.proxy_url_suffix.is_some();
        if is_known && self.register.reuse_connection {
            // LIVE555 keeps the name for as long as it runs, and the connection that it used is gone.
            self.take_back();
            bail!("the name was taken; it was taken back to be registered again");
        }
        if answer.code / 100 != 2 && !is_known {
            self.registered = None;
            bail!("the answer to REGISTER is {}", answer.code);
        }
        info!("{url}: registered with {}", self.register.url);
        self.complaint.clear();
        if self.register.reuse_connection {
            self.serve(stream, decoder)?;
        } else {
            wait_for_close(&stream);
        }
        debug!("{}: the connection of a registration has ended", self.register.url);
        Ok(())
    }

    /// The other side is the client from here on.
    fn serve(&self, stream: TcpStream, decoder: Decoder) -> io::Result<()> {
        let peer = stream.peer_addr()?;
        socket::prepare_accepted(&SockRef::from(&stream), self.shared.config().rtsp.send_buffer_size)?;
        Connection::new(&self.shared, stream, peer, None)?.opened_by_us(decoder).run();
        Ok(())
    }

    fn take_back(&mut self) {
        let Some((address, url)) = self.registered.take() else { return };
        let asked = connect(&[address], GOODBYE_TIMEOUT)
            .and_then(|stream| ask(&stream, &request(Verb::Deregister, &self.register, &url), GOODBYE_TIMEOUT));
        match asked {
            Ok((answer, _)) => info!("{url}: taken back from {}: {}", self.register.url, answer.code),
            Err(error) => warn!("{url}: not taken back from {}: {error}", self.register.url),
        }
    }

    fn is_stopping(&self) -> bool {
        self.shared.stopping.try_recv() == Err(TryRecvError::Disconnected)
    }

    /// Logs a reason once, not at every attempt.
    fn complain(&mut self, reason: &str) {
        if self.complaint != reason && !self.is_stopping() {
            warn!("{}: not registered with {}: {reason}", self.register.path.display(), self.register.url);
            reason.clone_into(&mut self.complaint);
        }
    }
}

/// Waits until the other side closes the connection, or the server does.
fn wait_for_close(stream: &TcpStream) {
    let mut buffer = [0; 512];
    let _ = socket::prepare_accepted(&SockRef::from(stream), buffer.len());
    let _ = stream.set_read_timeout(None);
    loop {
        // Woken by the other side's close, by the system when it is dead, or by the server's stop.
        match (&mut &*stream).read(&mut buffer) {
            Ok(0) => return,
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return,
            _ => {}
        }
    }
}

/// Has the server end a connection when it stops.
struct OpenConnection<'a> {
    shared: &'a Shared,
    number: u64,
}

impl<'a> OpenConnection<'a> {
    fn new(shared: &'a Shared, stream: &TcpStream) -> io::Result<Self> {
        let writer = ConnectionWriter::new(stream.try_clone()?, None, shared.config().rtsp.write_timeout)?;
        Ok(Self { shared, number: shared.add_connection(&Arc::new(writer)) })
    }
}

impl Drop for OpenConnection<'_> {
    fn drop(&mut self) {
        self.shared.remove_connection(self.number);
    }
}
