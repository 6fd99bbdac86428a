//! Sending the packets of a sample as datagrams, for all transports that do.
//!
//! Sending is what costs: with segmentation offload (`UDP_SEGMENT`, Linux 4.18) one call sends the packets of a whole
//! picture. All but the last of them must have the segment size, which is how fragmentation units come anyway.

use std::io::{self, ErrorKind, IoSlice};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};
use socket2::SockRef;

use crate::rtp::{HEADER_LEN, PacketBatch};
use crate::server::socket::enlarge_send_buffer;

/// The most bytes that one call may hand to the kernel: the payload of the largest datagram.
const SEND_LEN_MAX: usize = 65_507;
/// The most segments that one call may have (the kernel's `UDP_MAX_SEGMENTS`).
const SEGMENTS_MAX: usize = 64;
/// The most pieces gathered for one call; a key frame of 60 packets needs half of it.
const SLICES_MAX: usize = 256;
/// A full send buffer is waited for no longer than this; the packets are then lost, as on any full link.
const SEND_TIMEOUT: Duration = Duration::from_millis(500);

/// What a datagram holds of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Packet,
    /// What follows the RTP header.
    Payload,
}

/// How large datagrams and their buffers are.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// Of most packets, in bytes, RTP header included.
    pub packet_len_max: usize,
    /// Wanted of the socket's send buffer, in bytes.
    pub send_buffer_size: usize,
}

/// A connected socket that packets leave through.
#[derive(Debug)]
pub struct Datagrams {
    socket: UdpSocket,
    /// So many bytes at the start of each packet stay here.
    skip: usize,
    /// The segment size set on the socket; `None` where the kernel or the interface cannot segment.
    segment_len: Option<usize>,
}

/// The range of local ports for media, and where to look next.
#[derive(Debug)]
pub struct UdpPorts {
    next: AtomicU32,
}

impl UdpPorts {
    /// Starts looking at the beginning.
    pub const fn new() -> Self {
        Self { next: AtomicU32::new(0) }
    }

    /// Binds an even port and the odd one above it (RFC 3550 section 11) of `range` at `local`.
    ///
    /// # Errors
    /// When no such pair is free.
    pub fn bind_pair(&self, local: IpAddr, range: (u16, u16)) -> io::Result<(UdpSocket, UdpSocket)> {
        self.bind(range, |port| {
            UdpSocket::bind((local, port)).and_then(|rtp| Ok((rtp, UdpSocket::bind((local, port + 1))?)))
        })
    }

    /// Binds an even port of `range` at `local`, for packets that have no RTCP beside them.
    ///
    /// # Errors
    /// When none is free.
    pub fn bind_single(&self, local: IpAddr, range: (u16, u16)) -> io::Result<UdpSocket> {
        self.bind(range, |port| UdpSocket::bind((local, port)))
    }

    /// Binds, with the next even port that is free.
    fn bind<T>(&self, range: (u16, u16), bind: impl Fn(u16) -> io::Result<T>) -> io::Result<T> {
        let first = u32::from(range.0).next_multiple_of(2);
        let pairs = (u32::from(range.1) + 1).saturating_sub(first) / 2;
        for _ in 0..pairs {
            let turn = self.next.fetch_add(1, Ordering::Relaxed) % pairs;
            match bind((first + 2 * turn) as u16) {
                Err(error) if error.kind() == ErrorKind::AddrInUse => {}
                other => return other,
            }
        }
        Err(io::Error::new(ErrorKind::AddrInUse, format!("no free pair of UDP ports in {}-{}", range.0, range.1)))
    }
}

impl Default for UdpPorts {
    fn default() -> Self {
        Self::new()
    }
}

impl Datagrams {
    /// Sends through `socket` to `destination`.
    ///
    /// # Errors
    /// When that cannot be reached.
    pub fn new(socket: UdpSocket, destination: SocketAddr, part: Part, sizes: Sizes) -> io::Result<Self> {
        socket.connect(destination)?;
        socket.set_write_timeout(Some(SEND_TIMEOUT))?;
        enlarge_send_buffer(&SockRef::from(&socket), sizes.send_buffer_size);
        let skip = match part {
            Part::Packet => 0,
            Part::Payload => HEADER_LEN,
        };
        let mut datagrams = Self { socket, skip, segment_len: None };
        datagrams.segment_by(sizes.packet_len_max - skip);
        Ok(datagrams)
    }

    /// The local port.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn port(&self) -> io::Result<u16> {
        Ok(self.socket.local_addr()?.port())
    }

    /// Sends some packets of a batch.
    ///
    /// # Errors
    /// When some could not be sent; the others were.
    pub fn send(&mut self, batch: &PacketBatch, packets: Range<usize>) -> io::Result<()> {
        let mut left = packets;
        let mut result = Ok(());
        while !left.is_empty() {
            let Some(segment_len) = self.segment_len else {
                return self.send_one_by_one(batch, left).and(result);
            };
            let count = self.segments(batch, &left, segment_len);
            let (now, sent) = if count > 0 {
                let now = left.start..left.start + count;
                (now.clone(), self.send_segments(batch, now))
            } else {
                let now = left.start..left.start + 1;
                (now.clone(), self.send_unsegmented(batch, now, segment_len))
            };
            left.start = now.end;
            result = result.and(sent);
        }
        result
    }

    fn segment_by(&mut self, len: usize) {
        let set = i32::try_from(len).is_ok_and(|len| setsockopt(&self.socket, sockopt::UdpGsoSegment, &len).is_ok());
        self.segment_len = set.then_some(len);
    }

    fn send_one_by_one(&self, batch: &PacketBatch, packets: Range<usize>) -> io::Result<()> {
        let mut packet = Vec::new();
        let mut result = Ok(());
        for index in packets {
            packet.clear();
            batch.append_packet(index, &mut packet);
            if let Err(error) = retry_refused(|| self.socket.send(&packet[self.skip..])) {
                result = Err(error);
            }
        }
        result
    }

    /// Sends packets that go in one call: all of the segment's length but the last, which may be shorter.
    fn send_segments(&mut self, batch: &PacketBatch, packets: Range<usize>) -> io::Result<()> {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let mut count = 0;
        for index in packets.clone() {
            for slice in batch.slices_behind(index, self.skip) {
                slices[count] = slice;
                count += 1;
            }
        }
        let socket = SockRef::from(&self.socket);
        match retry_refused(|| socket.send_vectored(&slices[..count])) {
            Err(error) if packets.len() > 1 && cannot_segment(&error) => {
                // The interface cannot: some tunnels and old drivers. From now on without.
                let _ = setsockopt(&self.socket, sockopt::UdpGsoSegment, &0);
                self.segment_len = None;
                self.send_one_by_one(batch, packets)
            }
            result => result.map(drop),
        }
    }

    /// How many packets from `packets.start` on fit into one call; 0 if even the first does not.
    fn segments(&self, batch: &PacketBatch, packets: &Range<usize>, segment_len: usize) -> usize {
        let (mut count, mut bytes, mut slices) = (0, 0, 0);
        for index in packets.clone().take(SEGMENTS_MAX) {
            let len = batch.packet_len(index) - self.skip;
            bytes += len;
            slices += batch.slices(index).len();
            if len > segment_len || bytes > SEND_LEN_MAX || slices > SLICES_MAX {
                break;
            }
            count += 1;
            if len < segment_len {
                break;
            }
        }
        count
    }

    /// A packet longer than a segment, which a format that cannot split made, or of very many pieces.
    fn send_unsegmented(&mut self, batch: &PacketBatch, packet: Range<usize>, segment_len: usize) -> io::Result<()> {
        let _ = setsockopt(&self.socket, sockopt::UdpGsoSegment, &0);
        let sent = self.send_one_by_one(batch, packet);
        self.segment_by(segment_len);
        sent
    }
}

/// A connected socket reports an earlier "port unreachable" instead of sending. The client may be about to listen, so
/// try once more.
pub fn retry_refused<T>(mut send: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    match send() {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => send(),
        result => result,
    }
}

fn cannot_segment(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(nix::errno::Errno::from_raw);
    use nix::errno::Errno;
    matches!(code, Some(Errno::EIO | Errno::EINVAL | Errno::ENOPROTOOPT | Errno::EMSGSIZE | Errno::EOPNOTSUPP))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn rtp_gets_an_even_port_and_rtcp_the_next_whatever_others_have_taken() {
        const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
        // Other processes take ports meanwhile; a range of 20 pairs has room for all.
        let range = (41_000, 41_040);
        let _odd = UdpSocket::bind((LOCAL, 41_001));
        let _even = UdpSocket::bind((LOCAL, 41_002));
        let ports = UdpPorts::new();
        let pairs: Vec<(u16, u16)> = (0..5)
            .map(|_| {
                let (rtp, rtcp) = ports.bind_pair(LOCAL, range).unwrap();
                (rtp.local_addr().unwrap().port(), rtcp.local_addr().unwrap().port())
            })
            .collect();
        for (rtp, rtcp) in &pairs {
            assert!(rtp % 2 == 0 && *rtcp == rtp + 1, "{pairs:?}");
            assert!(![41_000, 41_002].contains(rtp), "{pairs:?}");
        }
    }
}
