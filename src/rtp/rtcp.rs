//! RTCP (RFC 3550 section 6): the sender reports that we send, and what the client reports back.
//!
//! When to send which, and whose reports count, is the session's business.

use std::time::Duration;

use rtcp_types::{
    Bye, Compound, Packet, ReportBlock, RtcpPacketParser, RtcpPacketWriter, RtcpPacketWriterExt, Sdes, SdesChunk,
    SdesItem, SenderReport,
};

use super::RtpStream;
use crate::time::NtpTime;

/// The longest CNAME in bytes: its length has 8 bits (RFC 3550 section 6.5).
const CNAME_LEN_MAX: usize = 255;
/// Version, count, packet type and length, which every RTCP packet begins with.
const HEADER_LEN: usize = 4;

/// Appends a sender report and the source's name (SR, SDES with CNAME; RFC 3550 sections 6.4.1 and 6.5).
///
/// `ntp` and `rtptime` are the same moment on the two clocks; packet and octet counts are the stream's.
/// `cname` is cut to 255 bytes.
pub fn sender_report(out: &mut Vec<u8>, ntp: NtpTime, rtptime: u32, stream: &RtpStream, cname: &str) {
    let compound = Compound::builder().add_packet(report(ntp, rtptime, stream)).add_packet(name(stream, cname));
    append(out, &compound);
}

/// Like [`sender_report`], and says that the stream is over (BYE, section 6.6).
pub fn sender_report_and_bye(out: &mut Vec<u8>, ntp: NtpTime, rtptime: u32, stream: &RtpStream, cname: &str) {
    let compound = Compound::builder()
        .add_packet(report(ntp, rtptime, stream))
        .add_packet(name(stream, cname))
        .add_packet(Bye::builder().add_source(stream.ssrc()));
    append(out, &compound);
}

fn report(ntp: NtpTime, rtptime: u32, stream: &RtpStream) -> impl RtcpPacketWriter + 'static {
    SenderReport::builder(stream.ssrc())
        .ntp_timestamp(ntp.0)
        .rtp_timestamp(rtptime)
        .packet_count(stream.packet_count())
        .octet_count(stream.octet_count())
}

fn name<'a>(stream: &RtpStream, cname: &'a str) -> impl RtcpPacketWriter + 'a {
    let len = (0..=CNAME_LEN_MAX.min(cname.len())).rev().find(|len| cname.is_char_boundary(*len)).unwrap_or(0);
    let item = SdesItem::builder(SdesItem::CNAME, &cname[..len]);
    Sdes::builder().add_chunk(SdesChunk::builder(stream.ssrc()).add_item(item))
}

fn append(out: &mut Vec<u8>, compound: &impl RtcpPacketWriter) {
    let start = out.len();
    let len = compound.calculate_size().expect("what limits there are, a sender report keeps");
    out.resize(start + len, 0);
    compound.write_into(&mut out[start..]).expect("the buffer is as long as was asked for");
}

/// What a client's RTCP says, as far as a server cares.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Received {
    /// Well-formed RTCP packets of any type; 0 means that it was something else.
    pub packet_count: usize,
    /// The reception reports in them, about whichever source.
    pub reports: Vec<Report>,
    /// A source said goodbye.
    pub bye: bool,
}

/// One report block (RFC 3550 section 6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// The source it is about.
    pub ssrc: u32,
    /// Packets lost since the last report, in 256ths of those expected.
    pub fraction_lost: u8,
    /// Packets lost since the start; negative when more came than were sent, as duplicates count as received.
    pub cumulative_lost: i32,
    /// The highest sequence number received, and in the upper 16 bits how often they have wrapped.
    pub highest_sequence: u32,
    /// Mean deviation of the time between packets, in ticks of the RTP clock.
    pub jitter: u32,
    /// The middle 32 bits of the NTP time in the last sender report; 0 while none has come.
    pub last_sender_report: u32,
    /// From that report's arrival to the sending of this one, in 65536ths of a second.
    pub delay_since_last_sender_report: u32,
}

impl Report {
    /// The time to the client and back, this report having arrived at `now`. `None` when it has seen no sender
    /// report, or when its clock makes it negative.
    pub fn round_trip(&self, now: NtpTime) -> Option<Duration> {
        if self.last_sender_report == 0 {
            return None;
        }
        let elapsed = now.middle().wrapping_sub(self.last_sender_report);
        let round_trip = elapsed.wrapping_sub(self.delay_since_last_sender_report);
        let is_negative = round_trip > u32::MAX / 2;
        (!is_negative).then(|| Duration::from_nanos(u64::from(round_trip) * 1_000_000_000 >> 16))
    }
}

impl From<ReportBlock<'_>> for Report {
    fn from(block: ReportBlock<'_>) -> Self {
        Self {
            ssrc: block.ssrc(),
            fraction_lost: block.fraction_lost(),
            // 24 bits with a sign.
            cumulative_lost: (block.cumulative_lost() << 8) as i32 >> 8,
            highest_sequence: block.extended_sequence_number(),
            jitter: block.interarrival_jitter(),
            last_sender_report: block.last_sender_report_timestamp(),
            delay_since_last_sender_report: block.delay_since_last_sender_report_timestamp(),
        }
    }
}

/// Reads a compound packet, or a reduced-size one (RFC 5506). A malformed packet in it is stepped over, what is cut
/// off at its end ignored.
pub fn parse(mut bytes: &[u8]) -> Received {
    let mut received = Received::default();
    while let Some((packet, rest)) = split_packet(bytes) {
        bytes = rest;
        match Packet::parse(packet) {
            Ok(Packet::Rr(report)) => received.reports.extend(report.report_blocks().map(Report::from)),
            Ok(Packet::Sr(report)) => received.reports.extend(report.report_blocks().map(Report::from)),
            Ok(Packet::Bye(_)) => received.bye = true,
            Ok(_) => {}
            Err(_) => continue,
        }
        received.packet_count += 1;
    }
    received
}

/// The first packet of a compound, by its length field in words less one, and what follows it.
fn split_packet(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let header: &[u8; HEADER_LEN] = bytes.first_chunk()?;
    let len = HEADER_LEN + 4 * usize::from(u16::from_be_bytes([header[2], header[3]]));
    // Numbers of RTCP packet types, RFC 5761 section 4: anything else is not RTCP, but some punch packet.
    (header[0] >> 6 == 2 && (192..=223).contains(&header[1])).then_some(())?;
    bytes.split_at_checked(len)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rtp::{PacketBatch, PacketWriter};

    const NTP: NtpTime = NtpTime(0xb705_2000_0000_0000);

    /// A stream that has sent two packets of 5 and 7 bytes of payload.
    fn stream() -> RtpStream {
        let mut stream = RtpStream::new(96, 0x1234_5678, 1, 1000);
        let mut batch = PacketBatch::default();
        batch.sample.data = vec![0; 7];
        let (mut writer, _) = PacketWriter::new(&mut batch, &mut stream, 0);
        for len in [5, 7] {
            writer.begin();
            writer.sample(0..len);
            writer.finish(false);
        }
        stream
    }

    #[test]
    fn a_sender_report_is_an_sr_and_the_cname() {
        let mut out = vec![0xee];
        sender_report(&mut out, NTP, 0x0102_0304, &stream(), "cam");
        let expected = [
            &[0xee][..],                        // what was there before
            &[0x80, 200, 0, 6],                 // SR without report blocks, 7 words
            &[0x12, 0x34, 0x56, 0x78],          // SSRC
            &[0xb7, 0x05, 0x20, 0, 0, 0, 0, 0], // NTP
            &[1, 2, 3, 4],                      // RTP
            &[0, 0, 0, 2, 0, 0, 0, 12],         // packets, octets
            &[0x81, 202, 0, 3],                 // SDES of one chunk, 4 words
            &[0x12, 0x34, 0x56, 0x78],
            &[1, 3, b'c', b'a', b'm', 0, 0, 0], // CNAME, end and padding
        ];
        assert_eq!(out, expected.concat());
    }

    #[test]
    fn a_goodbye_follows_the_report_and_reads_back() {
        let mut out = Vec::new();
        sender_report_and_bye(&mut out, NTP, 7, &stream(), "cam");
        let packets: Vec<_> = Compound::parse(&out).unwrap().map(Result::unwrap).collect();
        let [Packet::Sr(sr), Packet::Sdes(sdes), Packet::Bye(bye)] = &packets[..] else { panic!("{packets:?}") };
        assert_eq!((sr.ssrc(), sr.ntp_timestamp(), sr.rtp_timestamp()), (0x1234_5678, NTP.0, 7));
        let names: Vec<_> = sdes.chunks().flat_map(|chunk| chunk.items()).map(|item| item.get_value_string()).collect();
        assert_eq!(names, [Ok("cam".to_owned())]);
        assert_eq!(bye.ssrcs().collect::<Vec<_>>(), [0x1234_5678]);
        assert_eq!(parse(&out), Received { packet_count: 3, reports: vec![], bye: true });
    }

    #[test]
    fn a_cname_of_any_length_fits() {
        for cname in [String::new(), "x".repeat(255), "x".repeat(256), "\u{e4}".repeat(200)] {
            let mut out = Vec::new();
            sender_report(&mut out, NTP, 7, &stream(), &cname);
            assert_eq!(parse(&out).packet_count, 2, "{cname}");
        }
    }

    /// A receiver report with one block, as ffmpeg and VLC send it, by RFC 3550 section 6.4.2.
    const RR: &[u8] = &[
        0x81, 201, 0, 7, // version 2, one block, 8 words
        0xca, 0xfe, 0xba, 0xbe, // SSRC of the receiver
        0x12, 0x34, 0x56, 0x78, // SSRC of the source
        0x40, 0xff, 0xff, 0xfe, // a quarter lost; -2 in all
        0x00, 0x01, 0x00, 0x09, // wrapped once, 9
        0x00, 0x00, 0x01, 0x02, // jitter
        0xb7, 0x05, 0x20, 0x00, // LSR
        0x00, 0x05, 0x40, 0x00, // DLSR
    ];
    const SDES: &[u8] = &[0x81, 202, 0, 2, 0xca, 0xfe, 0xba, 0xbe, 1, 1, b'x', 0];
    const BYE: &[u8] = &[0x81, 203, 0, 1, 0xca, 0xfe, 0xba, 0xbe];
    const APP: &[u8] = &[0x80, 204, 0, 2, 0xca, 0xfe, 0xba, 0xbe, b'P', b'S', b'S', b'0'];
    const REPORT: Report = Report {
        ssrc: 0x1234_5678,
        fraction_lost: 64,
        cumulative_lost: -2,
        highest_sequence: 0x1_0009,
        jitter: 0x102,
        last_sender_report: 0xb705_2000,
        delay_since_last_sender_report: 0x5_4000,
    };

    #[test]
    fn what_clients_send_is_understood_and_the_rest_stepped_over() {
        let unknown = [0x80, 210, 0, 1, 1, 2, 3, 4];
        let rr_without_its_block = [0x81, 201, 0, 1, 1, 2, 3, 4];
        let empty_rr = [0x80, 201, 0, 1, 1, 2, 3, 4];
        for (what, bytes, packet_count, reports, bye) in [
            ("RR and SDES", [RR, SDES].concat(), 2, &[REPORT][..], false),
            ("RR, SDES and BYE", [RR, SDES, BYE].concat(), 3, &[REPORT], true),
            ("BYE alone, reduced-size", BYE.to_vec(), 1, &[], true),
            ("RR without blocks", empty_rr.to_vec(), 1, &[], false),
            ("APP and an unknown type first", [APP, &unknown, RR].concat(), 3, &[REPORT], false),
            ("a malformed RR first", [&rr_without_its_block, BYE].concat(), 1, &[], true),
            ("cut off at the end", [RR, &SDES[..11]].concat(), 1, &[REPORT], false),
            ("bytes left over", [RR, &[0, 0]].concat(), 1, &[REPORT], false),
            ("two RR", [RR, RR].concat(), 2, &[REPORT, REPORT], false),
            ("nothing", vec![], 0, &[], false),
            ("an RTP packet", [&[0x80, 96, 0, 1][..], &[0; 8]].concat(), 0, &[], false),
            ("another version", [&[0x41], &RR[1..]].concat(), 0, &[], false),
            ("a text", b"GET / HTTP/1.0\r\n".to_vec(), 0, &[], false),
        ] {
            assert_eq!(parse(&bytes), Received { packet_count, reports: reports.to_vec(), bye }, "{what}");
        }
    }

    #[test]
    fn round_trip_is_that_of_the_example_in_rfc_3550() {
        let now = NtpTime(0xb44d_b710_8000_0000);
        assert_eq!(REPORT.round_trip(now), Some(Duration::from_millis(6125)));
        assert_eq!(Report { last_sender_report: 0, ..REPORT }.round_trip(now), None);
        assert_eq!(Report { delay_since_last_sender_report: 0x20_0000, ..REPORT }.round_trip(now), None);
        let wrapped = Report { last_sender_report: 0xffff_ff00, delay_since_last_sender_report: 0x80, ..REPORT };
        assert_eq!(wrapped.round_trip(NtpTime(0x0100_0000)), Some(Duration::from_nanos(0x180 * 1_000_000_000 >> 16)));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            parse(&bytes);
        }

        #[test]
        fn no_change_to_real_packets_makes_the_parser_panic(
            changes in proptest::collection::vec((0..80_usize, any::<u8>()), 0..8), len in 0..80_usize,
        ) {
            let mut bytes = [RR, SDES, BYE, APP].concat();
            for (at, value) in changes {
                let at = at % bytes.len();
                bytes[at] = value;
            }
            bytes.truncate(len);
            let received = parse(&bytes);
            prop_assert!(received.reports.len() * 24 <= bytes.len(), "{received:?}");
        }
    }
}
