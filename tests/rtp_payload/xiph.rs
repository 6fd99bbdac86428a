//! A receiver of Vorbis (RFC 5215) and Theora (draft-barbato-avt-rtp-theora).

use base64::Engine;
use camreel::media::codec::{TheoraConfig, VorbisConfig};
use camreel::media::{Codec, Sample};
use camreel::rtp::{PayloadOptions, payloader_for};
use proptest::prelude::*;

use super::depacketise::Received;
use super::{RTPTIME, Sender, nal};

/// The setup header of a stream with one mode, of short blocks: a codebook of no entries, a floor without partitions,
/// a residue without books, a mapping of one submap.
const VORBIS_SETUP: &[u8] =
    b"\x05vorbis\0BCV\x01\0\0\0\0\0\0\0\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x40";

fn vorbis() -> VorbisConfig {
    let mut id = b"\x01vorbis\0\0\0\0\x01\x80\xbb\0\0".to_vec();
    id.extend_from_slice(&[0; 12]);
    id.extend_from_slice(&[0xb8, 1]);
    VorbisConfig::new([id, b"\x03vorbis\0\0\0\0\0\0\0\0\x01".to_vec(), VORBIS_SETUP.to_vec()])
        .expect("headers of Vorbis")
}

fn theora() -> TheoraConfig {
    let mut id = b"\x80theora\x03\x02\x01\0\x14\0\x0f\0\x01\x40\0\0\xf0\0\0".to_vec();
    id.extend_from_slice(&[0, 0, 0, 25, 0, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0xc0]);
    let setup = nal(b"\x82theora", 3000);
    TheoraConfig::new([id, b"\x81theora\0\0\0\0\0\0\0\0".to_vec(), setup]).expect("headers of Theora")
}

/// The ident and the header packets of a packed configuration (RFC 5215 section 3.2.1).
fn unpack(fmtp: &str) -> ([u8; 3], Vec<Vec<u8>>) {
    let configuration = fmtp.split(';').find_map(|part| part.trim().strip_prefix("configuration=")).expect("headers");
    let packed = base64::prelude::BASE64_STANDARD.decode(configuration).expect("base64");
    assert_eq!(packed[..4], [0, 0, 0, 1], "one packed configuration");
    let ident = [packed[4], packed[5], packed[6]];
    let len = usize::from(packed[7]) * 256 + usize::from(packed[8]);
    let mut rest = &packed[10..];
    let lens: Vec<usize> = (0..packed[9])
        .map(|_| {
            let mut len = 0;
            loop {
                let byte = rest[0];
                rest = &rest[1..];
                len = len * 128 + usize::from(byte % 128);
                if byte < 128 {
                    return len;
                }
            }
        })
        .collect();
    assert_eq!(rest.len(), len, "the length is that of all headers");
    let mut headers = Vec::new();
    for len in lens {
        let (header, after) = rest.split_at(len);
        headers.push(header.to_vec());
        rest = after;
    }
    headers.push(rest.to_vec());
    (ident, headers)
}

/// The packets of the codec in these (RFC 5215 section 2 and 5).
fn depacketise(packets: &[Received], ident: [u8; 3]) -> Vec<Vec<u8>> {
    let mut whole = Vec::new();
    let mut fragments: Option<Vec<u8>> = None;
    for Received { marker, rtptime, payload } in packets {
        assert!(!marker, "the marker is always zero");
        assert_eq!(*rtptime, RTPTIME, "one packet of the codec has one time");
        assert_eq!(payload[..3], ident);
        let (kind, data_type, count) = (payload[3] >> 6, payload[3] >> 4 & 3, payload[3] & 15);
        assert_eq!(data_type, 0, "raw payload");
        assert_eq!(count, u8::from(kind == 0), "fragments count as none");
        let len = usize::from(payload[4]) * 256 + usize::from(payload[5]);
        let data = &payload[6..];
        assert_eq!(data.len(), len);
        match (kind, &mut fragments) {
            (0, None) => whole.push(data.to_vec()),
            (1, None) => fragments = Some(data.to_vec()),
            (2, Some(begun)) => begun.extend_from_slice(data),
            (3, Some(begun)) => {
                begun.extend_from_slice(data);
                whole.extend(fragments.take());
            }
            _ => panic!("fragment type {kind} here, with {fragments:?} before"),
        }
    }
    assert_eq!(fragments, None, "the last fragment ends the packet");
    whole
}

#[test]
fn the_headers_in_the_sdp_are_those_of_the_file() {
    let vorbis = vorbis();
    let payloader = payloader_for(&Codec::Vorbis(vorbis.clone()), &PayloadOptions::default()).unwrap();
    assert_eq!(unpack(&payloader.fmtp().unwrap()).1, vorbis.headers);
    assert_eq!((payloader.rtpmap(), payloader.clock_rate()), ("VORBIS/48000/1".into(), 48_000));

    let theora = theora();
    let payloader = payloader_for(&Codec::Theora(theora.clone()), &PayloadOptions::default()).unwrap();
    let fmtp = payloader.fmtp().unwrap();
    assert_eq!(unpack(&fmtp).1, theora.headers);
    let expected = "sampling=YCbCr-4:2:0;width=320;height=240;delivery-method=out_band;configuration=";
    assert!(fmtp.starts_with(expected), "{fmtp}");
    assert_eq!((payloader.rtpmap(), payloader.clock_rate()), ("THEORA/90000".into(), 90_000));
}

proptest! {
    #[test]
    fn packets_come_out_as_they_went_in(packet_len_max in 200..1453_usize, len in 0..20_000_usize, is_video in any::<bool>()) {
        let codec = if is_video { Codec::Theora(theora()) } else { Codec::Vorbis(vorbis()) };
        let (ident, _) = unpack(&payloader_for(&codec, &PayloadOptions::default()).unwrap().fmtp().unwrap());
        let data = nal(&[], len);
        let packets = Sender::new(&codec, packet_len_max).send(Sample { data: data.clone(), ..Sample::default() });
        let expected = if len == 0 { vec![] } else { vec![data] };
        prop_assert_eq!(depacketise(&packets, ident), expected);
    }
}
