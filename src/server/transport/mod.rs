//! The ways out: one file each. A transport belongs to one track and is owned by its session's streaming thread.

mod datagrams;
mod interleaved;
mod multicast;
mod raw;
mod udp;

use std::io;
use std::ops::Range;

use crate::rtp::PacketBatch;
pub use datagrams::{Sizes, UdpPorts};
pub use interleaved::Interleaved;
pub use multicast::Multicast;
pub use raw::Raw;
pub use udp::Udp;

/// Where the packets of one track go.
pub trait Transport: Send {
    /// Sends some packets of a batch, with as few system calls as the kernel allows.
    ///
    /// # Errors
    /// When they could not be sent. Where [`Self::is_datagram`], later ones may get through.
    fn send(&mut self, batch: &PacketBatch, packets: Range<usize>) -> io::Result<()>;

    /// Sends a compound RTCP packet.
    ///
    /// # Errors
    /// As [`Self::send`].
    fn send_rtcp(&mut self, packet: &[u8]) -> io::Result<()>;

    /// Fills `buffer` with an RTCP packet that has come, if one has, and returns its length. Never waits.
    fn receive_rtcp(&mut self, buffer: &mut [u8]) -> Option<usize>;

    /// Whether packets can get lost, and nothing but us limits a burst.
    fn is_datagram(&self) -> bool;
}
