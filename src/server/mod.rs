//! Sockets, threads and the clock: the only layer that has them. It stays thin: the protocol is `rtsp`'s, packets and
//! their times are `player`'s.

mod acceptor;
mod access;
mod banner;
mod connection;
mod group;
mod http;
mod indexer;
mod methods;
mod proxy_protocol;
pub mod register;
mod session;
mod socket;
mod streamer;
mod tls;
mod transport;
mod writer;

use std::any::Any;
use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use log::{info, warn};

use crate::config::{Config, Listener};
use crate::library::Library;
use crate::rtp::PayloadOptions;
use crate::sync::Leaf;
use acceptor::{Acceptor, Admission, Pool};
use access::Access;
pub use banner::Banner;
use group::Groups;
use http::Tunnels;
pub use methods::describe;
use session::Registry;
use streamer::{EndReason, Order};
use transport::UdpPorts;
use writer::ConnectionWriter;

/// How long [`Server::stop`] waits for threads that have been told to end.
const STOP_TIMEOUT: Duration = Duration::from_millis(2500);

/// How much of that the goodbyes may take.
const GOODBYE_TIMEOUT: Duration = Duration::from_millis(1000);
/// How long a thread may take to listen while others wait for their goodbye.
const MOMENT: Duration = Duration::from_millis(20);

/// What all threads share.
pub struct Shared {
    config: Leaf<Arc<Config>>,
    /// As it was at the start: a group that plays, and a client between DESCRIBE and SETUP, rely on it.
    payload_options: PayloadOptions,
    library: Library,
    registry: Registry,
    groups: Groups,
    admission: Admission,
    /// The writing halves of all connections, to end them.
    connections: Leaf<HashMap<u64, Arc<ConnectionWriter>>>,
    next_connection: AtomicU64,
    tunnels: Tunnels,
    udp_ports: UdpPorts,
    access: Access,
    /// Certificate and key, if there are any.
    tls: Leaf<Option<Arc<rustls::ServerConfig>>>,
    /// Who we are in RTCP (RFC 3550 section 6.5.1).
    cname: String,
    /// Every worker and streaming thread holds a clone; when the last is dropped, all have ended.
    threads: Leaf<Option<Sender<Infallible>>>,
    /// Disconnected once the server stops.
    stopping: Receiver<Infallible>,
}

impl Shared {
    /// The configuration as it is now.
    pub fn config(&self) -> Arc<Config> {
        self.config.with(|config| Arc::clone(config))
    }

    /// A token that a thread holds while it runs; `None` once the server stops.
    fn thread_token(&self) -> Option<Sender<Infallible>> {
        self.threads.with(|threads| threads.clone())
    }

    /// Certificate and key as they are now.
    fn tls(&self) -> Option<Arc<rustls::ServerConfig>> {
        self.tls.with(|tls| tls.clone())
    }

    /// Waits, but no longer than the server runs.
    fn hold(&self, time: Duration) {
        let _ = self.stopping.recv_timeout(time);
    }

    fn add_connection(&self, writer: &Arc<ConnectionWriter>) -> u64 {
        let number = self.next_connection.fetch_add(1, Ordering::Relaxed);
        self.connections.with(|connections| connections.insert(number, Arc::clone(writer)));
        number
    }

    fn remove_connection(&self, number: u64) {
        self.connections.with(|connections| connections.remove(&number));
    }
}

/// A running server.
pub struct Server {
    shared: Arc<Shared>,
    acceptors: Vec<Acceptor>,
    addresses: Vec<SocketAddr>,
    http_addresses: Vec<SocketAddr>,
    rtsps_addresses: Vec<SocketAddr>,
    all_threads_ended: Receiver<Infallible>,
    /// Dropped to wake those who wait for nothing else.
    running: Sender<Infallible>,
}

impl Server {
    /// Binds the ports and starts to serve.
    ///
    /// # Errors
    /// When the root, the certificate or the key cannot be read or no port binds.
    pub fn start(config: Config) -> anyhow::Result<Self> {
        raise_open_files_limit();
        let library = Library::new(&config)?;
        let listeners =
            acceptor::bind_first(&config.rtsp.ports, &config.rtsp.bind).context("cannot listen for RTSP")?;
        let http_listeners = match acceptor::bind_first(&config.http.ports, &config.rtsp.bind) {
            Ok(listeners) => listeners,
            Err(error) if config.http.ports.is_empty() => {
                log::debug!("no HTTP port: {error}");
                Vec::new()
            }
            Err(error) => {
                warn!("no HTTP port for tunnels: {error:#}");
                Vec::new()
            }
        };
        let tls = tls::load(&config.rtsps)?;
        let rtsps_listeners = match tls {
            Some(_) => {
                acceptor::bind_first(&config.rtsps.ports, &config.rtsp.bind).context("cannot listen for RTSPS")?
            }
            None => Vec::new(),
        };
        let (threads, all_threads_ended) = crossbeam_channel::bounded(0);
        let (running, stopping) = crossbeam_channel::bounded(0);
        let (groups, unmanaged) = Groups::new(&config.channels);
        let shared = Arc::new(Shared {
            payload_options: config.rtp.payload_options(),
            config: Leaf::new(Arc::new(config)),
            library,
            registry: Registry::default(),
            groups,
            admission: Admission::default(),
            connections: Leaf::default(),
            next_connection: AtomicU64::new(1),
            tunnels: Tunnels::default(),
            udp_ports: UdpPorts::new(),
            tls: Leaf::new(tls),
            access: Access::new(session::random(), Instant::now()),
            cname: host_name(),
            threads: Leaf::new(Some(threads)),
            stopping,
        });
        for group in unmanaged {
            group.start(&shared).context("cannot start a thread for a channel")?;
        }
        indexer::start(&shared).context("cannot start the thread that reads recordings")?;
        let pool = Arc::new(Pool::new());
        let local = |listeners: &[socket2::Socket]| -> Vec<SocketAddr> {
            listeners.iter().filter_map(|listener| listener.local_addr().ok()?.as_socket()).collect()
        };
        let (addresses, http_addresses) = (local(&listeners), local(&http_listeners));
        let rtsps_addresses = local(&rtsps_listeners);
        let kinds = [(Listener::Rtsp, listeners), (Listener::Http, http_listeners), (Listener::Rtsps, rtsps_listeners)];
        let all = kinds.into_iter().flat_map(|(kind, sockets)| sockets.into_iter().map(move |socket| (kind, socket)));
        let acceptors = all
            .map(|(kind, socket)| Acceptor::start(socket, kind, Arc::clone(&shared), Arc::clone(&pool)))
            .collect::<anyhow::Result<_>>()?;
        if let Some(address) = addresses.first() {
            let registers = shared.config().register.clone();
            register::start(&shared, &registers, address.port()).context("cannot start a thread for [[register]]")?;
        }
        Ok(Self { shared, acceptors, addresses, http_addresses, rtsps_addresses, all_threads_ended, running })
    }

    /// Where it listens for RTSP.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where it listens for RTSP tunnelled over HTTP.
    pub fn http_addresses(&self) -> &[SocketAddr] {
        &self.http_addresses
    }

    /// Where it listens for RTSP within TLS.
    pub fn rtsps_addresses(&self) -> &[SocketAddr] {
        &self.rtsps_addresses
    }

    /// The folder that is served.
    pub fn root(&self) -> &Path {
        self.shared.library.root()
    }

    /// The library that is served.
    pub fn library(&self) -> &Library {
        &self.shared.library
    }

    /// Takes over what of `new` can change while running. Running sessions keep what they were set up with.
    pub fn reconfigure(&self, new: Config) {
        let old = self.shared.config();
        let fixed = |config: &Config| {
            let Config { root, follow_symlinks, rtsp, http, rtsps, rtp, log, channels, register, .. } = config.clone();
            let rtsps = rtsps.files().map(|_| rtsps.ports.clone());
            let rtsp = (rtsp.ports, rtsp.bind);
            let log = (log.destinations, log.file);
            (root, follow_symlinks, rtsp, http.ports, rtsps, rtp.mp3, log, channels, register)
        };
        if fixed(&old) != fixed(&new) {
            warn!(
                "root, follow_symlinks, ports, bind, whether there is a certificate, rtp.mp3, log destinations, log file, channels and register change only at the next start"
            );
        }
        // Read again even if the names are the same: certificates are renewed in place.
        match tls::load(&new.rtsps) {
            Ok(Some(tls)) => self.shared.tls.with(|known| *known = Some(tls)),
            Ok(None) => {}
            Err(error) => warn!("certificate and key kept as they were: {error:#}"),
        }
        log::set_max_level(new.log.level);
        self.shared.config.with(|config| *config = Arc::new(new));
        info!("configuration read again");
    }

    /// Ends every session with a goodbye, then every connection and thread. False when some thread did not end in
    /// time.
    pub fn stop(self) -> bool {
        let deadline = Instant::now() + STOP_TIMEOUT;
        for acceptor in self.acceptors {
            acceptor.stop();
        }
        drop(self.running);
        // Whoever waits for a client that takes no data must be woken by ending the connection; the others should
        // still get their goodbye through it. So first all sessions that listen, each within a moment.
        say_goodbye(&self.shared.registry);
        self.shared.threads.with(Option::take);
        let connections = self.shared.connections.with(|connections| connections.drain().collect::<Vec<_>>());
        for (_, writer) in connections {
            writer.shutdown();
        }
        for session in self.shared.registry.all() {
            let _ = session.order_by(Order::End(EndReason::Shutdown, None), deadline);
        }
        let ended = self.all_threads_ended.recv_deadline(deadline);
        matches!(ended, Err(RecvTimeoutError::Disconnected))
    }
}

/// Ends all sessions whose threads listen, and waits until their goodbyes are out.
fn say_goodbye(registry: &Registry) {
    let deadline = Instant::now() + GOODBYE_TIMEOUT;
    let mut answers = Vec::new();
    for session in registry.all() {
        let (reply, answer) = crossbeam_channel::bounded(1);
        if session.order_by(Order::End(EndReason::Shutdown, Some(reply)), deadline.min(Instant::now() + MOMENT)) {
            answers.push(answer);
        }
    }
    for answer in answers {
        let _ = answer.recv_deadline(deadline);
    }
}

/// Looks for what would keep a server from starting, as far as files other than the configuration tell.
///
/// # Errors
/// What that is.
pub fn check(config: &Config) -> anyhow::Result<()> {
    tls::load(&config.rtsps).map(drop)
}

/// Five descriptors for each viewer: the usual soft limit of 1024 would end at 200.
fn raise_open_files_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
        && let Err(error) = setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
    {
        warn!("the limit of open files stays at {soft}: {error}");
    }
}

fn host_name() -> String {
    let name = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    format!("camreel@{}", name.unwrap_or_else(|| "localhost".to_owned()))
}

/// What a panic said.
fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("unknown")
}
