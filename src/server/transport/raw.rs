//! Payload over UDP without RTP (`RAW/RAW/UDP`, `MP2T/H2221/UDP`), for set-top boxes. There is neither RTCP nor any
//! other sign of life but requests.
//!
//! A datagram holds what would follow the RTP header. For a transport stream that is whole TS packets, as every such
//! box wants them; for other formats it is only of use to who knows them.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use super::Transport;
use super::datagrams::{Datagrams, Part, Sizes, UdpPorts};
use crate::rtp::PacketBatch;

/// A client's port and our own.
pub struct Raw {
    payload: Datagrams,
}

impl Raw {
    /// Sends from one of `ports` in `range` at `local` to `client`.
    ///
    /// # Errors
    /// When no port is free or the client cannot be reached.
    pub fn open(
        ports: &UdpPorts,
        range: (u16, u16),
        local: IpAddr,
        client: SocketAddr,
        sizes: Sizes,
    ) -> io::Result<Self> {
        let socket = ports.bind_single(local, range)?;
        Ok(Self { payload: Datagrams::new(socket, client, Part::Payload, sizes)? })
    }

    /// The local port.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn port(&self) -> io::Result<u16> {
        self.payload.port()
    }
}

impl Transport for Raw {
    fn send(&mut self, batch: &PacketBatch, packets: Range<usize>) -> io::Result<()> {
        self.payload.send(batch, packets)
    }

    fn send_rtcp(&mut self, _packet: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn receive_rtcp(&mut self, _buffer: &mut [u8]) -> Option<usize> {
        None
    }

    fn is_datagram(&self) -> bool {
        true
    }
}
