//! RTP to a multicast group (`RTP/AVP;multicast`). Reports of receivers come to the group as well (RFC 3550 section
//! 6.2), so we are a member of it for RTCP.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::ops::Range;
use std::sync::Arc;

use log::debug;
use nix::ifaddrs::getifaddrs;
use nix::net::if_::if_nametoindex;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::Transport;
use super::datagrams::{Datagrams, Part, Sizes};
use crate::config;
use crate::rtp::PacketBatch;
use crate::server::Shared;
use crate::server::group::Group;

/// One track's pair of ports in a group.
pub struct Multicast {
    rtp: Datagrams,
    rtcp: UdpSocket,
    rtcp_address: SocketAddr,
    group: Arc<Group>,
    track: usize,
}

/// The interface that packets leave through.
#[derive(Debug, Clone, Copy)]
struct Interface {
    v4: Ipv4Addr,
    /// Index; 0 lets the system choose.
    v6: u32,
}

impl Multicast {
    /// Sends a track to its group.
    ///
    /// # Errors
    /// When no port is free, there is no such interface, or no way to the group.
    pub fn open(shared: &Shared, group: &Arc<Group>, track: usize, sizes: Sizes) -> io::Result<Self> {
        let config = group.config();
        let ports = group.ports(track).ok_or_else(|| io::Error::other("the group has no more ports"))?;
        let interface = Interface::of(config)?;
        let any = match config.group {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let rtp = shared.udp_ports.bind_single(any, shared.config().rtp.udp_ports)?;
        interface.leave_through(SockRef::from(&rtp), config)?;
        let rtp = Datagrams::new(rtp, interface.address(config.group, ports.rtp), Part::Packet, sizes)?;
        let rtcp_address = interface.address(config.group, ports.rtcp);
        let rtcp = bind_member(rtcp_address, interface, config)?;
        Ok(Self { rtp, rtcp, rtcp_address, group: Arc::clone(group), track })
    }
}

impl Interface {
    fn of(config: &config::Multicast) -> io::Result<Self> {
        let any = Self { v4: Ipv4Addr::UNSPECIFIED, v6: 0 };
        match config.interface {
            None => Ok(any),
            Some(IpAddr::V4(v4)) => Ok(Self { v4, ..any }),
            Some(IpAddr::V6(address)) => Ok(Self { v6: interface_index(address)?, ..any }),
        }
    }

    /// An address in the group. Those of IPv6 that do not lead beyond a link are told which link that is.
    fn address(self, group: IpAddr, port: u16) -> SocketAddr {
        match group {
            IpAddr::V4(_) => SocketAddr::new(group, port),
            IpAddr::V6(group) => SocketAddrV6::new(group, port, 0, self.v6).into(),
        }
    }

    fn leave_through(self, socket: SockRef<'_>, config: &config::Multicast) -> io::Result<()> {
        match config.group {
            IpAddr::V4(_) => {
                socket.set_multicast_ttl_v4(config.ttl.into())?;
                socket.set_multicast_if_v4(&self.v4)
            }
            IpAddr::V6(_) => {
                socket.set_multicast_hops_v6(config.ttl.into())?;
                socket.set_multicast_if_v6(self.v6)
            }
        }
    }
}

/// The index of the interface that has this address.
fn interface_index(address: Ipv6Addr) -> io::Result<u32> {
    let has_address = |interface: &nix::ifaddrs::InterfaceAddress| {
        interface.address.and_then(|found| found.as_sockaddr_in6().map(|found| found.ip())) == Some(address)
    };
    let interface = getifaddrs()?.find(has_address);
    let interface = interface.ok_or_else(|| io::Error::other(format!("no interface has the address {address}")))?;
    Ok(if_nametoindex(interface.interface_name.as_str())?)
}

/// A socket that hears and speaks in the group. Others on this machine may, too.
fn bind_member(address: SocketAddr, interface: Interface, config: &config::Multicast) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    interface.leave_through(SockRef::from(&socket), config)?;
    let joined = match config.group {
        IpAddr::V4(group) => socket.join_multicast_v4(&group, &interface.v4),
        IpAddr::V6(group) => socket.join_multicast_v6(&group, interface.v6),
    };
    if let Err(error) = joined {
        debug!("no reports of receivers in {address}: {error}");
    }
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

impl Transport for Multicast {
    fn send(&mut self, batch: &PacketBatch, packets: Range<usize>) -> io::Result<()> {
        self.rtp.send(batch, packets)
    }

    fn send_rtcp(&mut self, packet: &[u8]) -> io::Result<()> {
        self.rtcp.send_to(packet, self.rtcp_address).map(drop)
    }

    fn receive_rtcp(&mut self, buffer: &mut [u8]) -> Option<usize> {
        loop {
            match self.rtcp.recv_from(buffer) {
                Ok((len, from)) => {
                    self.group.receive_rtcp(from, self.track, &buffer[..len]);
                    return Some(len);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
    }

    fn is_datagram(&self) -> bool {
        true
    }
}
