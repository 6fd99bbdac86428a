//! RTP over UDP (`RTP/AVP`): a pair of sockets connected to the client, so that packets of others never arrive.
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

use super::Transport;
use crate::rtp::PacketBatch;
use crate::server::socket::enlarge_send_buffer;

/// The most bytes that one call may hand to the kernel: the payload of the largest datagram.
const SEND_LEN_MAX: usize = 65_507;
/// The most segments that one call may have (the kernel's `UDP_MAX_SEGMENTS`).
const SEGMENTS_MAX: usize = 64;
/// The most pieces gathered for one call; a key frame of 60 packets needs half of it.
const SLICES_MAX: usize = 256;
/// A full send buffer is waited for no longer than this; the packets are then lost, as on any full link.
const SEND_TIMEOUT: Duration = Duration::from_millis(500);

/// A client's pair of ports and our own.
pub struct Udp {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    /// The segment size set on `rtp`; `None` where the kernel or the interface cannot segment.
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
    fn bind_pair(&self, local: IpAddr, range: (u16, u16)) -> io::Result<(UdpSocket, UdpSocket)> {
        let first = u32::from(range.0).next_multiple_of(2);
        let pairs = (u32::from(range.1) + 1).saturating_sub(first) / 2;
        for _ in 0..pairs {
            let turn = self.next.fetch_add(1, Ordering::Relaxed) % pairs;
            let port = (first + 2 * turn) as u16;
            let bound = UdpSocket::bind((local, port)).and_then(|rtp| Ok((rtp, UdpSocket::bind((local, port + 1))?)));
            match bound {
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

impl Udp {
    /// Sends from `local` to the two ports of `client`, in packets of mostly `packet_len_max` bytes.
    ///
    /// # Errors
    /// When no pair of ports is free or the client cannot be reached.
    pub fn open(
        ports: &UdpPorts,
        range: (u16, u16),
        local: IpAddr,
        client: (IpAddr, u16, u16),
        packet_len_max: usize,
        send_buffer_size: usize,
    ) -> io::Result<Self> {
        let (rtp, rtcp) = ports.bind_pair(local, range)?;
        let (address, rtp_port, rtcp_port) = client;
        rtp.connect(SocketAddr::new(address, rtp_port))?;
        rtcp.connect(SocketAddr::new(address, rtcp_port))?;
        rtp.set_write_timeout(Some(SEND_TIMEOUT))?;
        rtcp.set_nonblocking(true)?;
        enlarge_send_buffer(&SockRef::from(&rtp), send_buffer_size);
        let mut udp = Self { rtp, rtcp, segment_len: None };
        udp.segment_by(packet_len_max);
        Ok(udp)
    }

    /// The two local ports.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn ports(&self) -> io::Result<(u16, u16)> {
        Ok((self.rtp.local_addr()?.port(), self.rtcp.local_addr()?.port()))
    }

    fn segment_by(&mut self, len: usize) {
        let set = i32::try_from(len).is_ok_and(|len| setsockopt(&self.rtp, sockopt::UdpGsoSegment, &len).is_ok());
        self.segment_len = set.then_some(len);
    }

    fn send_one_by_one(&self, batch: &PacketBatch, packets: Range<usize>) -> io::Result<()> {
        let mut packet = Vec::new();
        let mut result = Ok(());
        for index in packets {
            packet.clear();
            batch.append_packet(index, &mut packet);
            if let Err(error) = retry_refused(|| self.rtp.send(&packet)) {
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
            for slice in batch.slices(index) {
                slices[count] = slice;
                count += 1;
            }
        }
        let socket = SockRef::from(&self.rtp);
        match retry_refused(|| socket.send_vectored(&slices[..count])) {
            Err(error) if packets.len() > 1 && cannot_segment(&error) => {
                // The interface cannot: some tunnels and old drivers. From now on without.
                let _ = setsockopt(&self.rtp, sockopt::UdpGsoSegment, &0);
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
            let len = batch.packet_len(index);
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
}

impl Transport for Udp {
    fn send(&mut self, batch: &PacketBatch, packets: Range<usize>) -> io::Result<()> {
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

impl Udp {
    /// A packet longer than a segment, which a format that cannot split made, or of very many pieces.
    fn send_unsegmented(&mut self, batch: &PacketBatch, packet: Range<usize>, segment_len: usize) -> io::Result<()> {
        let _ = setsockopt(&self.rtp, sockopt::UdpGsoSegment, &0);
        let sent = self.send_one_by_one(batch, packet);
        self.segment_by(segment_len);
        sent
    }
}

/// A connected socket reports an earlier "port unreachable" instead of sending. The client may be about to listen, so
/// try once more.
fn retry_refused<T>(mut send: impl FnMut() -> io::Result<T>) -> io::Result<T> {
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
