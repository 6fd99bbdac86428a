//! What goes into each payload format comes out of a receiver written apart from it, whatever the sizes.

mod audio;
mod av1;
mod blocks;
mod depacketise;
mod h263;
mod jpeg;
mod mp2t;
mod mpa_robust;
mod mpeg_video;
mod speech;
mod vpx;
mod xiph;

use camreel::media::codec::{AacConfig, H264Config, H265Config, PcmConfig, PcmFormat};
use camreel::media::{Codec, Sample};
use camreel::rtp::{HEADER_LEN, PacketBatch, PacketWriter, PayloadOptions, Payloader, RtpStream, payloader_for};
use depacketise::Received;
use proptest::collection::vec;
use proptest::prelude::*;
use rtp_types::RtpPacket;

const SSRC: u32 = 0x89ab_cdef;
const PAYLOAD_TYPE: u8 = 101;
const RTPTIME: u32 = u32::MAX - 1000;

/// A payload format and the stream that it writes to.
struct Sender {
    payloader: Box<dyn Payloader>,
    stream: RtpStream,
    batch: PacketBatch,
}

impl Sender {
    fn new(codec: &Codec, packet_len_max: usize) -> Self {
        Self::with_options(codec, PayloadOptions::default(), packet_len_max)
    }

    fn with_options(codec: &Codec, options: PayloadOptions, packet_len_max: usize) -> Self {
        let payloader = payloader_for(codec, &options).unwrap();
        Self {
            payloader,
            stream: RtpStream::new(PAYLOAD_TYPE, SSRC, 65_530, packet_len_max),
            batch: Default::default(),
        }
    }

    /// Packetises and checks what is common to all formats.
    fn send(&mut self, sample: Sample) -> Vec<Received> {
        let mut sequence = self.stream.next_sequence();
        let (packets_before, octets_before) = (self.stream.packet_count(), self.stream.octet_count());
        self.batch.sample = sample;
        let (mut writer, sample) = PacketWriter::new(&mut self.batch, &mut self.stream, RTPTIME);
        self.payloader.packetize(sample, &mut writer);
        let mut packets = Vec::new();
        for index in 0..self.batch.packet_count() {
            let mut bytes = Vec::new();
            self.batch.append_packet(index, &mut bytes);
            assert_eq!(bytes.len(), self.batch.packet_len(index));
            assert!(bytes.len() <= self.stream.packet_len_max(), "a packet of {} bytes", bytes.len());
            let rtp = RtpPacket::parse(&bytes).expect("a packet that rtp-types can read");
            assert_eq!((rtp.ssrc(), rtp.payload_type(), rtp.sequence_number()), (SSRC, PAYLOAD_TYPE, sequence));
            assert_eq!((rtp.extension(), rtp.padding(), rtp.n_csrcs()), (None, None, 0));
            sequence = sequence.wrapping_add(1);
            let (marker, rtptime) = (rtp.marker_bit(), rtp.timestamp());
            packets.push(Received { marker, rtptime, payload: rtp.payload().to_vec() });
        }
        assert_eq!(self.stream.next_sequence(), sequence);
        assert_eq!(self.stream.packet_count() - packets_before, packets.len() as u32);
        let octets: usize = packets.iter().map(|packet| packet.payload.len()).sum();
        assert_eq!(self.stream.octet_count() - octets_before, octets as u32);
        packets
    }

    /// Packetises an access unit of video: one timestamp, and a marker on its last packet only.
    fn send_picture(&mut self, is_sync: bool, nals: &[Vec<u8>]) -> Vec<Received> {
        let mut sample = Sample { is_sync, ..Sample::default() };
        for nal in nals {
            sample.data.extend_from_slice(&[0, 0, 0, 1]);
            let start = sample.data.len();
            sample.data.extend_from_slice(nal);
            sample.nals.push(start..sample.data.len());
        }
        let packets = self.send(sample);
        for (index, packet) in packets.iter().enumerate() {
            assert_eq!(packet.rtptime, RTPTIME);
            assert_eq!(packet.marker, index + 1 == packets.len(), "marker of packet {index} of {}", packets.len());
        }
        self.check_fragments_are_full(&packets);
        packets
    }

    /// UDP segmentation offload needs all segments but the last to be equally long.
    fn check_fragments_are_full(&self, packets: &[Received]) {
        for packet in packets {
            let header = &packet.payload;
            let is_end = match self.payloader.rtpmap().as_str() {
                "H264/90000" if header[0] & 31 == 28 => header[1] & 0x40 != 0,
                "H265/90000" if header[0] >> 1 & 63 == 49 => header[2] & 0x40 != 0,
                _ => continue,
            };
            let len = HEADER_LEN + packet.payload.len();
            assert!(is_end || len == self.stream.packet_len_max(), "a fragment of {len} bytes amid others");
        }
    }
}

/// Sizes around those where something changes, and any others.
fn nal_len(packet_len_max: usize) -> impl Strategy<Value = usize> {
    let payload_max = packet_len_max - HEADER_LEN;
    prop_oneof![
        2..60_usize,
        payload_max / 2 - 8..payload_max / 2 + 8,
        payload_max - 8..payload_max + 8,
        2 * payload_max - 12..2 * payload_max + 4,
        2..20_000_usize,
        Just(150_000),
    ]
}

/// A unit of this length, with a first byte from `header` and bytes that differ.
fn nal(header: &[u8], len: usize) -> Vec<u8> {
    let mut nal: Vec<u8> = (0..len).map(|index| (index * 7 + index / 251) as u8).collect();
    let header_len = header.len().min(len);
    nal[..header_len].copy_from_slice(&header[..header_len]);
    nal
}

/// A largest packet, and the headers and lengths of NAL units with any types of `nal_types`.
fn picture(nal_types: std::ops::Range<u8>) -> impl Strategy<Value = (usize, Vec<(u8, [u8; 2], usize)>)> {
    (200..1453_usize).prop_flat_map(move |packet_len_max| {
        let nal = (nal_types.clone(), any::<[u8; 2]>(), nal_len(packet_len_max));
        (Just(packet_len_max), vec(nal, 0..12))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn h264_units_come_out_as_they_went_in((packet_len_max, units) in picture(1..24), ends_short in any::<bool>()) {
        let mut sender = Sender::new(&Codec::H264(H264Config::default()), packet_len_max);
        let mut nals: Vec<_> =
            units.iter().map(|(nal_type, any, len)| nal(&[any[0] & 0xe0 | nal_type], *len)).collect();
        nals.extend(ends_short.then(|| vec![0x0a]));
        let packets = sender.send_picture(false, &nals);
        prop_assert_eq!(depacketise::h264(&packets), nals);
    }

    #[test]
    fn h265_units_come_out_as_they_went_in((packet_len_max, units) in picture(0..48), ends_short in any::<bool>()) {
        let mut sender = Sender::new(&Codec::H265(H265Config::default()), packet_len_max);
        let mut nals: Vec<_> = units
            .iter()
            .map(|(nal_type, any, len)| nal(&[any[0] & 0x81 | nal_type << 1, any[1]], *len))
            .collect();
        nals.extend(ends_short.then(|| vec![0x48, 0x01]));
        let packets = sender.send_picture(false, &nals);
        prop_assert_eq!(depacketise::h265(&packets), nals);
    }

    #[test]
    fn h264_key_frames_have_all_parameter_sets_in_order(
        packet_len_max in 200..1453_usize,
        own in vec(any::<bool>(), 4),
        sps_len in 5..3000_usize,
        slice_len in 2..5000_usize,
        with_delimiter in any::<bool>(),
    ) {
        // Ids 0 and 1 of each kind: the first byte of the Exp-Golomb code is 0x80 or 0x40.
        let sps = |id: u8| nal(&[0x67, 0x64, 0, 0x1f, 0x80 >> id], sps_len);
        let pps = |id: u8| nal(&[0x68, 0x80 >> id], 20);
        let config = H264Config { sps: vec![sps(0), sps(1)], pps: vec![pps(0), pps(1)] };
        let mut sender = Sender::new(&Codec::H264(config), packet_len_max);
        let all = [sps(0), sps(1), pps(0), pps(1)];
        let delimiter = with_delimiter.then(|| vec![0x09, 0xf0]);
        let slice = nal(&[0x65], slice_len);
        let mut nals: Vec<Vec<u8>> = delimiter.iter().cloned().collect();
        nals.extend(all.iter().zip(&own).filter(|(_, own)| **own).map(|(set, _)| set.clone()));
        nals.push(slice.clone());

        let mut decoded = depacketise::h264(&sender.send_picture(true, &nals));
        prop_assert_eq!(decoded.pop(), Some(slice));
        if let Some(delimiter) = delimiter {
            prop_assert_eq!(decoded.remove(0), delimiter);
        }
        let kinds: Vec<u8> = decoded.iter().map(|nal| nal[0]).collect();
        prop_assert_eq!(kinds, [0x67, 0x67, 0x68, 0x68]);
        decoded.sort();
        let mut expected = all.to_vec();
        expected.sort();
        prop_assert_eq!(decoded, expected);
    }

    #[test]
    fn no_bytes_and_no_ranges_make_a_video_payloader_panic(
        data in vec(any::<u8>(), 0..600),
        ranges in vec((0..600_usize, 0..600_usize), 0..20),
        is_h265 in any::<bool>(),
        packet_len_max in 21..300_usize,
    ) {
        let sets = || vec![data.clone(), vec![]];
        let codec = if is_h265 {
            Codec::H265(H265Config { vps: sets(), sps: sets(), pps: sets() })
        } else {
            Codec::H264(H264Config { sps: sets(), pps: sets() })
        };
        let mut sender = Sender::new(&codec, packet_len_max);
        let nals = ranges.iter().map(|(a, b)| *a.min(b)..*a.max(b)).collect();
        let packets = sender.send(Sample { is_sync: true, data: data.clone(), nals, ..Sample::default() });
        let nals = if is_h265 { depacketise::h265(&packets) } else { depacketise::h264(&packets) };
        prop_assert!(nals.iter().all(|nal| data.windows(nal.len()).any(|window| window == &nal[..])));
    }

    #[test]
    fn aac_units_come_out_as_they_went_in(packet_len_max in 200..1453_usize, len in 1..=8191_usize) {
        let mut sender = Sender::new(&Codec::Aac(AacConfig::from_parts(2, 48_000, 2)), packet_len_max);
        let unit = nal(&[], len);
        let packets = sender.send(Sample { data: unit.clone(), ..Sample::default() });
        prop_assert!(packets.iter().all(|packet| packet.rtptime == RTPTIME));
        prop_assert_eq!(depacketise::aac(&packets), unit);
    }

    #[test]
    fn pcm_values_come_out_as_they_went_in(
        packet_len_max in 200..1453_usize,
        channels in 1..9_u16,
        values in vec(any::<i32>(), 0..5000),
        format in 0..8_usize,
    ) {
        let (format, file_bits, wire_len): (_, _, usize) = [
            (PcmFormat::U8, 8, 2),
            (PcmFormat::S8, 8, 2),
            (PcmFormat::S16Le, 16, 2),
            (PcmFormat::S16Be, 16, 2),
            (PcmFormat::S24Le, 24, 3),
            (PcmFormat::S24Be, 24, 3),
            (PcmFormat::S32Le, 32, 3),
            (PcmFormat::S32Be, 32, 3),
        ][format];
        let values = &values[..values.len() - values.len() % usize::from(channels)];
        // Their upper bits are what is in the file.
        let data = values.iter().flat_map(|value| {
            let mut bytes = value.to_be_bytes()[..file_bits / 8].to_vec();
            match format {
                PcmFormat::U8 => bytes[0] = bytes[0].wrapping_add(128),
                PcmFormat::S16Le | PcmFormat::S24Le | PcmFormat::S32Le => bytes.reverse(),
                _ => {}
            }
            bytes
        }).collect();
        let codec = Codec::Pcm(PcmConfig { format, sample_rate: 48_000, channels });
        let mut sender = Sender::new(&codec, packet_len_max);
        let packets = sender.send(Sample { data, ..Sample::default() });

        let lost_in_file = 32 - file_bits as u32;
        let on_wire = |value: &i32| value >> lost_in_file << lost_in_file >> (32 - 8 * wire_len);
        let expected: Vec<i32> = values.iter().map(on_wire).collect();
        prop_assert_eq!(depacketise::pcm(&packets, wire_len, channels.into()), expected);
    }
}
