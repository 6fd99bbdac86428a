//! What the payload formats' tests share: packets written out, so that a test can list every one it expects.

use super::Payloader;
use crate::media::Sample;
use crate::rtp::{HEADER_LEN, PacketBatch, PacketWriter, RtpStream};

const RTPTIME: u32 = 0xffff_ff00;

/// A sample whose bytes are NAL units behind 4-byte length prefixes.
pub fn sample_of_nals(is_sync: bool, nals: &[&[u8]]) -> Sample {
    let mut sample = Sample { is_sync, ..Sample::default() };
    for nal in nals {
        sample.data.extend_from_slice(&(nal.len() as u32).to_be_bytes());
        let start = sample.data.len();
        sample.data.extend_from_slice(nal);
        sample.nals.push(start..sample.data.len());
    }
    sample
}

/// A sample of these bytes.
pub fn sample_of(data: impl Into<Vec<u8>>) -> Sample {
    Sample { data: data.into(), ..Sample::default() }
}

/// The packets of `sample` with at most `payload_max` bytes each behind the header. Each is written `M+TICKS PAYLOAD`:
/// `M` or `-` for the marker, how much later than the sample the packet is stamped, its payload in hexadecimal.
pub fn packets(payloader: &mut dyn Payloader, sample: &Sample, payload_max: usize) -> Vec<String> {
    let mut stream = RtpStream::new(96, 0x1234_5678, 65_534, HEADER_LEN + payload_max);
    let mut batch = PacketBatch::default();
    batch.sample = sample.clone();
    let (mut writer, sample) = PacketWriter::new(&mut batch, &mut stream, RTPTIME);
    payloader.packetize(sample, &mut writer);
    (0..batch.packet_count())
        .map(|index| {
            let mut packet = Vec::new();
            batch.append_packet(index, &mut packet);
            let marker = if packet[1] & 0x80 == 0 { '-' } else { 'M' };
            let rtptime = u32::from_be_bytes(packet[4..8].try_into().unwrap());
            let payload: String = packet[HEADER_LEN..].iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{marker}+{} {payload}", rtptime.wrapping_sub(RTPTIME))
        })
        .collect()
}
