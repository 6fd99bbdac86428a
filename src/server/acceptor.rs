//! Accepting connections: one thread for each listening socket, admission by the limits, and the pool of workers.

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use log::{error, warn};
use socket2::{SockRef, Socket};
use threadpool::ThreadPool;

use super::connection::Connection;
use super::tls::Tls;
use super::{Shared, socket};
use crate::config::Listener;
use crate::sync::Leaf;

/// How long to wait when a connection cannot be accepted: out of descriptors, mostly.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Workers at start; more by demand.
const WORKERS_MIN: usize = 8;
/// Stack of a worker: opening a recording is the deepest it goes.
const WORKER_STACK_LEN: usize = 512 << 10;

/// Binds the first of `ports` that is free at every one of `addresses`. IPv6 addresses are left out where the system
/// has no IPv6.
///
/// # Errors
/// Why each port did not bind.
pub fn bind_first(ports: &[u16], addresses: &[IpAddr]) -> anyhow::Result<Vec<Socket>> {
    let mut failures = Vec::new();
    for port in ports {
        match bind_all(*port, addresses) {
            Ok(listeners) => return Ok(listeners),
            Err(error) => failures.push(format!("{error:#}")),
        }
    }
    bail!("{}", if failures.is_empty() { "no port is configured".to_owned() } else { failures.join("; ") })
}

fn bind_all(mut port: u16, addresses: &[IpAddr]) -> anyhow::Result<Vec<Socket>> {
    let mut listeners = Vec::new();
    let mut left_out = None;
    for address in addresses {
        let address = SocketAddr::new(*address, port);
        match socket::listen(address) {
            Ok(listener) => {
                // Port 0: the first address chooses, the others follow.
                port = listener.local_addr()?.as_socket().map_or(port, |bound| bound.port());
                listeners.push(listener);
            }
            Err(error) if address.is_ipv6() && lacks_ipv6(&error) => left_out = Some((address, error)),
            Err(error) => return Err(anyhow!(error)).with_context(|| format!("cannot bind {address}")),
        }
    }
    match left_out {
        Some((address, error)) if listeners.is_empty() => Err(anyhow!("cannot bind {address}: {error}")),
        _ => Ok(listeners),
    }
}

fn lacks_ipv6(error: &io::Error) -> bool {
    use nix::errno::Errno;
    let code = error.raw_os_error().map(Errno::from_raw);
    matches!(code, Some(Errno::EAFNOSUPPORT | Errno::EADDRNOTAVAIL | Errno::EPROTONOSUPPORT))
}

/// A listening socket and its thread.
pub struct Acceptor {
    listener: Arc<Socket>,
    is_stopping: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Acceptor {
    /// Starts accepting.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(listener: Socket, kind: Listener, shared: Arc<Shared>, pool: Arc<Pool>) -> anyhow::Result<Self> {
        let (listener, is_stopping) = (Arc::new(listener), Arc::new(AtomicBool::new(false)));
        let thread = thread::Builder::new().name("acceptor".to_owned()).spawn({
            let (listener, is_stopping) = (Arc::clone(&listener), Arc::clone(&is_stopping));
            move || accept_all(&listener, kind, &is_stopping, &shared, &pool)
        })?;
        Ok(Self { listener, is_stopping, thread })
    }

    /// Stops accepting. Shutting the socket down wakes the blocked `accept`.
    pub fn stop(self) {
        self.is_stopping.store(true, Ordering::Relaxed);
        let _ = self.listener.shutdown(Shutdown::Both);
        let _ = self.thread.join();
    }
}

fn accept_all(listener: &Socket, kind: Listener, is_stopping: &AtomicBool, shared: &Arc<Shared>, pool: &Pool) {
    let mut was_refused = false;
    loop {
        let accepted = listener.accept();
        if is_stopping.load(Ordering::Relaxed) {
            return;
        }
        match accepted {
            Ok((socket, address)) => {
                was_refused = false;
                if let Some(peer) = address.as_socket() {
                    admit(socket.into(), peer, kind, shared, pool);
                }
            }
            // The peer gave up before we came to it.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                if !was_refused {
                    error!("cannot accept connections: {error}");
                }
                was_refused = true;
                thread::sleep(ACCEPT_PAUSE);
            }
        }
    }
}

fn admit(stream: TcpStream, peer: SocketAddr, kind: Listener, shared: &Arc<Shared>, pool: &Pool) {
    let config = shared.config();
    let is_relay = config.proxy_protocol.listeners.contains(&kind);
    if is_relay && !config.proxy_protocol.trusts(peer.ip()) {
        warn!("{peer}: refused, not one of proxy_protocol.from");
        return;
    }
    // Behind a relay are many clients; each counts once it is announced.
    let per_address = if is_relay { usize::MAX } else { config.limits.connections_per_address };
    let mut permit = match Permit::new(shared, peer.ip().to_canonical(), per_address) {
        Ok(permit) => permit,
        Err(limit) => {
            warn!("{peer}: refused, {limit}");
            return refuse(stream, kind);
        }
    };
    if let Err(error) = socket::prepare_accepted(&SockRef::from(&stream), config.rtsp.send_buffer_size) {
        warn!("{peer}: {error}");
        return;
    }
    let Some(token) = shared.thread_token() else { return };
    let shared = Arc::clone(shared);
    pool.execute(config.limits.connections, move || {
        let _token = token;
        if let Err(error) = serve(&shared, stream, (peer, is_relay), kind, &mut permit) {
            warn!("{peer}: {error}");
        }
    });
}

/// Serves a connection to its end.
fn serve(
    shared: &Arc<Shared>,
    stream: TcpStream,
    (peer, is_relay): (SocketAddr, bool),
    kind: Listener,
    permit: &mut Permit,
) -> io::Result<()> {
    let tls = match kind {
        Listener::Rtsp | Listener::Http => None,
        Listener::Rtsps => Some(Tls::new(shared.tls().ok_or(io::ErrorKind::Unsupported)?)?),
    };
    let refusable = if is_relay { Some(stream.try_clone()?) } else { None };
    let mut connection = Connection::new(shared, stream, peer, tls)?;
    if let Some(stream) = refusable
        && let Some(client) = connection.read_announcement()?
    {
        let per_address = shared.config().limits.connections_per_address;
        if let Err(limit) = permit.move_to(client.ip(), per_address) {
            warn!("{client}: refused, {limit}");
            refuse(stream, kind);
            return Ok(());
        }
    }
    connection.run();
    Ok(())
}

/// Tells a peer that there is no room; whether it hears that is its own affair. Within TLS it would cost a handshake.
fn refuse(mut stream: TcpStream, kind: Listener) {
    const RESPONSE: &[u8] = b"RTSP/1.0 503 Service Unavailable\r\nRetry-After: 10\r\nConnection: close\r\n\r\n";
    let _ = stream.set_nonblocking(true);
    if kind != Listener::Rtsps {
        let _ = stream.write(RESPONSE);
    }
    let _ = stream.shutdown(Shutdown::Write);
}

/// Counts connections, in all and for each address.
#[derive(Default)]
pub struct Admission {
    open: Leaf<HashMap<IpAddr, usize>>,
}

impl Admission {
    fn admit(&self, peer: IpAddr, in_all: usize, per_address: usize) -> Result<(), String> {
        self.open.with(|open| {
            let total: usize = open.values().sum();
            let from_peer = open.get(&peer).copied().unwrap_or(0);
            if total >= in_all {
                return Err(format!("there are {total} connections already"));
            }
            if from_peer >= per_address {
                return Err(format!("there are {from_peer} connections from this address already"));
            }
            open.insert(peer, from_peer + 1);
            Ok(())
        })
    }

    fn release(&self, peer: IpAddr) {
        self.open.with(|open| {
            if let Some(count) = open.get_mut(&peer) {
                *count -= 1;
                if *count == 0 {
                    open.remove(&peer);
                }
            }
        });
    }
}

/// A connection that was counted; given back on drop.
struct Permit {
    shared: Arc<Shared>,
    peer: IpAddr,
}

impl Permit {
    fn new(shared: &Arc<Shared>, peer: IpAddr, per_address: usize) -> Result<Self, String> {
        shared.admission.admit(peer, shared.config().limits.connections, per_address)?;
        Ok(Self { shared: Arc::clone(shared), peer })
    }

    /// Counts it for another address.
    fn move_to(&mut self, peer: IpAddr, per_address: usize) -> Result<(), String> {
        // In all there are not more of them then.
        self.shared.admission.admit(peer, usize::MAX, per_address)?;
        let before = std::mem::replace(&mut self.peer, peer);
        self.shared.admission.release(before);
        Ok(())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.shared.admission.release(self.peer);
    }
}

/// The pool of workers, one for each connection that is open.
///
/// `threadpool` starts all its threads at once and queues without bound. So it starts small, and grows before a
/// connection would have to wait: a client that connects is served, or told that there is no room.
pub struct Pool {
    threads: ThreadPool,
    busy: Arc<AtomicUsize>,
    panics: AtomicUsize,
}

impl Pool {
    /// A pool with a few threads.
    pub fn new() -> Self {
        let threads = threadpool::Builder::new()
            .num_threads(WORKERS_MIN)
            .thread_name("worker".to_owned())
            .thread_stack_size(WORKER_STACK_LEN)
            .build();
        Self { threads, busy: Arc::default(), panics: AtomicUsize::new(0) }
    }

    /// Runs `job` at once. Admission has seen to it that no more than `max` run.
    pub fn execute(&self, max: usize, job: impl FnOnce() + Send + 'static) {
        let busy = self.busy.fetch_add(1, Ordering::Relaxed) + 1;
        let size = self.threads.max_count();
        if busy > size {
            let mut threads = self.threads.clone();
            threads.set_num_threads((size * 2).min(max).max(busy));
        }
        let guard = Busy(Arc::clone(&self.busy));
        self.threads.execute(move || {
            let _guard = guard;
            job();
        });
        let panics = self.threads.panic_count();
        if self.panics.swap(panics, Ordering::Relaxed) < panics {
            error!("a worker failed; its connection was ended ({panics} since start)");
        }
    }
}

struct Busy(Arc<AtomicUsize>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
