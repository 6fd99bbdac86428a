//! Stamps from all over a transport stream.

use std::ops::Range;

use super::clock::FORWARD_MAX;
use super::packet::{Found, PACKET_LEN, Packet, Packets};
use super::pes;
use crate::media::Error;
use crate::media::container::mpeg_clock::{self, Probes};
use crate::media::io::Source;

/// The time stamp of a PES packet of the stream on `pid` that begins in a packet.
pub fn pes_stamp(packet: &Packet<'_>, pid: u16) -> Option<u64> {
    let is_it = packet.pid == pid && packet.is_start;
    let pes::Parsed::Header(header) = pes::parse(packet.payload) else { return None };
    header.ticks.filter(|_| is_it).map(|ticks| ticks.dts.unwrap_or(ticks.pts))
}

/// Looks at the stamps that `stamp_of` finds in packets, the first of which is `base`.
///
/// # Errors
/// When the file cannot be read.
pub fn probe(
    source: &Source,
    stride: usize,
    start: u64,
    base: u64,
    stamp_of: impl Fn(&Packet<'_>) -> Option<u64>,
) -> Result<Probes, Error> {
    mpeg_clock::probe(start..source.len()?, base, FORWARD_MAX, |range, count, stamps| {
        find_stamps(source, stride, &stamp_of, range, count, stamps)
    })
}

/// Appends the first `count` stamps within `range`, and where they are.
fn find_stamps(
    source: &Source,
    stride: usize,
    stamp_of: &impl Fn(&Packet<'_>) -> Option<u64>,
    range: Range<u64>,
    count: usize,
    stamps: &mut Vec<(u64, u64)>,
) -> Result<(), Error> {
    let mut packets = Packets::new(source, range.start, stride);
    let mut bytes = [0; PACKET_LEN];
    let wanted = stamps.len().saturating_add(count);
    while packets.position() < range.end && stamps.len() < wanted {
        match packets.next(&mut bytes, true)? {
            Found::Starved => break,
            Found::Skipped(_) => {}
            Found::Packet(at) => {
                stamps.extend(Packet::parse(&bytes).and_then(|packet| stamp_of(&packet)).map(|stamp| (at, stamp)));
            }
        }
    }
    Ok(())
}
