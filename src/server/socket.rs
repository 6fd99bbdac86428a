//! Socket options that the standard library does not have.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 1024;

/// A listening socket. Its port is shared with nobody: a second server gets `AddrInUse`.
///
/// # Errors
/// When the address cannot be bound.
pub fn listen(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Lets a restart bind while old connections are in TIME_WAIT. On Linux it does not share a port that listens.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

/// The address of ours that packets to `peer` leave from; `None` when there is no way to it.
pub fn local_address_towards(peer: SocketAddr) -> Option<IpAddr> {
    let any = if peer.is_ipv4() { IpAddr::from([0, 0, 0, 0]) } else { IpAddr::from([0_u16; 8]) };
    // Nothing is sent: connecting a datagram socket only looks up the route.
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(peer).ok()?;
    Some(socket.local_addr().ok()?.ip().to_canonical())
}

/// Enlarges the send buffer to `wanted` bytes or as near as the kernel agrees, halving the step each time it does not.
/// Returns what it is then.
pub fn enlarge_send_buffer(socket: &SockRef<'_>, wanted: usize) -> usize {
    // Linux reports twice what was set, for its own bookkeeping, and grants less than asked without an error.
    let granted = || socket.send_buffer_size().map_or(0, |size| size / 2);
    let mut target = wanted;
    loop {
        let before = granted();
        if before >= target {
            return before;
        }
        if socket.set_send_buffer_size(target).is_ok() {
            return granted();
        }
        let step = (target - before) / 2;
        if step < 1024 {
            return before;
        }
        target = before + step;
    }
}

/// Options of an accepted connection: small responses and pictures leave at once, a dead peer is noticed.
///
/// # Errors
/// When the system refuses one.
pub fn prepare_accepted(socket: &SockRef<'_>, send_buffer_size: usize) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    let keepalive =
        TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(15)).with_retries(4);
    socket.set_tcp_keepalive(&keepalive)?;
    enlarge_send_buffer(socket, send_buffer_size);
    Ok(())
}
