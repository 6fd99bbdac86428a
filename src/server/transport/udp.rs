//! RTP over UDP (`RTP/AVP`): a pair of sockets connected to the client, so that packets of others never arrive.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::Range;

use super::Transport;
use super::datagrams::{Datagrams, Part, Sizes, UdpPorts, retry_refused};
use crate::rtp::PacketBatch;
use crate::rtsp::headers::PortPair;

/// A client's pair of ports and our own.
pub struct Udp {
    rtp: Datagrams,
    rtcp: UdpSocket,
}

impl Udp {
    /// Sends from a pair of `ports` in `range` at `local` to two ports at `client`.
    ///
    /// # Errors
    /// When no pair of ports is free or the client cannot be reached.
    pub fn open(
        ports: &UdpPorts,
        range: (u16, u16),
        local: IpAddr,
        client: (IpAddr, PortPair),
        sizes: Sizes,
    ) -> io::Result<Self> {
        let (rtp, rtcp) = ports.bind_pair(local, range)?;
        let (address, client_ports) = client;
        let rtp = Datagrams::new(rtp, SocketAddr::new(address, client_ports.rtp), Part::Packet, sizes)?;
        rtcp.connect(SocketAddr::new(address, client_ports.rtcp))?;
        rtcp.set_nonblocking(true)?;
        Ok(Self { rtp, rtcp })
    }

    /// The two local ports.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn ports(&self) -> io::Result<PortPair> {
        Ok(PortPair { rtp: self.rtp.port()?, rtcp: self.rtcp.local_addr()?.port() })
    }
}

impl Transport for Udp {
    fn send(&mut self, batch: &PacketBatch, packets: Range<usize>) -> io::Result<()> {
        self.rtp.send(batch, packets)
    }

    fn send_rtcp(&mut self, packet: &[u8]) -> io::Result<()> {
        retry_refused(|| self.rtcp.send(packet)).map(drop)
    }

    fn receive_rtcp(&mut self, buffer: &mut [u8]) -> Option<usize> {
        loop {
            match self.rtcp.recv(buffer) {
                Ok(len) => return Some(len),
                // What an earlier send brought back: "port unreachable".
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                Err(_) => return None,
            }
        }
    }

    fn is_datagram(&self) -> bool {
        true
    }
}
