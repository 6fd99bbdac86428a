//! RTP interleaved with the RTSP messages on their connection (RFC 2326 section 10.12).

use std::io::{self, IoSlice};
use std::ops::Range;
use std::sync::Arc;

use super::Transport;
use crate::rtp::PacketBatch;
use crate::server::writer::ConnectionWriter;

/// The most pieces gathered for one write.
const SLICES_MAX: usize = 256;
/// The most packets gathered for one write.
const PACKETS_MAX: usize = 80;

/// Two channels of a connection.
pub struct Interleaved {
    writer: Arc<ConnectionWriter>,
    rtp_channel: u8,
    rtcp_channel: u8,
}

impl Interleaved {
    /// Sends on `channels` (RTP, RTCP) of the connection behind `writer`.
    pub fn new(writer: Arc<ConnectionWriter>, channels: (u8, u8)) -> Self {
        Self { writer, rtp_channel: channels.0, rtcp_channel: channels.1 }
    }
}

/// `$`, the channel, and the length in network order.
fn frame_header(channel: u8, len: usize) -> io::Result<[u8; 4]> {
    let len = u16::try_from(len).map_err(|_| io::Error::other("a packet is too long for an interleaved frame"))?;
    let [high, low] = len.to_be_bytes();
    Ok([b'$', channel, high, low])
}

impl Transport for Interleaved {
    fn send(&mut self, batch: &PacketBatch, packets: Range<usize>) -> io::Result<()> {
        let mut next = packets.start;
        while next < packets.end {
            let mut headers = [[0; 4]; PACKETS_MAX];
            let mut gathered = next;
            for header in &mut headers {
                if gathered == packets.end {
                    break;
                }
                *header = frame_header(self.rtp_channel, batch.packet_len(gathered))?;
                gathered += 1;
            }
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let mut count = 0;
            let first = next;
            while next < gathered && count + 1 + batch.slices(next).len() <= SLICES_MAX {
                slices[count] = IoSlice::new(&headers[next - first]);
                count += 1;
                for slice in batch.slices(next) {
                    slices[count] = slice;
                    count += 1;
                }
                next += 1;
            }
            if next > first {
                self.writer.write(&mut slices[..count])?;
                continue;
            }
            let mut packet = Vec::new();
            batch.append_packet(next, &mut packet);
            self.writer.write(&mut [IoSlice::new(&headers[0]), IoSlice::new(&packet)])?;
            next += 1;
        }
        Ok(())
    }

    fn send_rtcp(&mut self, packet: &[u8]) -> io::Result<()> {
        let header = frame_header(self.rtcp_channel, packet.len())?;
        self.writer.write(&mut [IoSlice::new(&header), IoSlice::new(packet)])
    }

    /// What the client sends on its channels comes with its requests, and the connection's worker reads it.
    fn receive_rtcp(&mut self, _buffer: &mut [u8]) -> Option<usize> {
        None
    }

    fn is_datagram(&self) -> bool {
        false
    }
}
