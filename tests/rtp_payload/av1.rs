//! AV1: a receiver written from sections 4 and 5 of "RTP Payload Format For AV1", and what is sent to it.

use camreel::media::codec::Av1Config;
use camreel::media::{Codec, Sample};
use proptest::collection::vec;
use proptest::prelude::*;

use super::depacketise::Received;
use super::{RTPTIME, Sender};

fn leb128(bytes: &[u8]) -> (usize, &[u8]) {
    let len = bytes.iter().position(|byte| *byte < 128).unwrap() + 1;
    let value = bytes[..len].iter().rev().fold(0, |value, byte| value * 128 + usize::from(byte % 128));
    (value, &bytes[len..])
}

/// The OBUs of one temporal unit, without sizes, and whether it begins a coded video sequence.
fn receive(packets: &[Received]) -> (Vec<Vec<u8>>, bool) {
    let mut obus: Vec<Vec<u8>> = Vec::new();
    let mut goes_on = false;
    let mut begins_sequence = false;
    for (index, packet) in packets.iter().enumerate() {
        assert_eq!(packet.rtptime, RTPTIME);
        assert_eq!(packet.marker, index + 1 == packets.len(), "marker of packet {index} of {}", packets.len());
        let header = packet.payload[0];
        let (z, y, w, n) = (header & 128 != 0, header & 64 != 0, header / 16 % 4, header & 8 != 0);
        assert_eq!(header % 8, 0, "reserved bits");
        assert_eq!(z, goes_on, "Z of packet {index} is Y of the one before");
        assert!(!n || (index == 0 && !z), "N of packet {index}");
        begins_sequence |= n;
        let mut rest = &packet.payload[1..];
        let mut elements = Vec::new();
        while !rest.is_empty() {
            let is_last_of_w = w > 0 && elements.len() + 1 == usize::from(w);
            let (len, behind) = if is_last_of_w { (rest.len(), rest) } else { leb128(rest) };
            elements.push(&behind[..len]);
            rest = &behind[len..];
        }
        assert!(w == 0 || elements.len() == usize::from(w), "W of packet {index}");
        assert!(elements.iter().all(|element| !element.is_empty()), "an empty element in packet {index}");
        let mut layers = Vec::new();
        for (number, element) in elements.iter().enumerate() {
            if number == 0 && z {
                obus.last_mut().expect("a fragment without beginning").extend_from_slice(element);
            } else {
                let (kind, has_extension, has_size) = (element[0] / 8 % 16, element[0] & 4 != 0, element[0] & 2 != 0);
                assert!(!has_size, "obu_has_size_field of an element");
                assert!(![2, 8].contains(&kind), "an OBU of type {kind} is not to be sent");
                assert!(kind != 1 || number == 0, "a sequence header is element {number}");
                obus.push(element.to_vec());
                layers.extend(has_extension.then(|| element.get(1).copied()).flatten());
            }
        }
        assert!(layers.windows(2).all(|pair| pair[0] == pair[1]), "layers {layers:02x?} in packet {index}");
        goes_on = y;
    }
    assert!(!goes_on, "the last OBU has no end");
    (obus, begins_sequence)
}

/// An OBU to be sent: its type, its extension, the length of its payload.
type Unit = (u8, Option<u8>, usize);

fn payload(len: usize) -> Vec<u8> {
    (0..len).map(|index| (index * 7 + index / 251) as u8).collect()
}

/// As a receiver should give it.
fn bare((kind, extension, len): Unit) -> Vec<u8> {
    let mut bytes = vec![kind << 3 | u8::from(extension.is_some()) << 2];
    bytes.extend(extension);
    bytes.extend(payload(len));
    bytes
}

/// As a file has it; with a size of at least `size_len` bytes.
fn sized(unit: Unit, size_len: usize) -> Vec<u8> {
    let bare = bare(unit);
    let (head, rest) = bare.split_at(1 + usize::from(unit.1.is_some()));
    let mut bytes = head.to_vec();
    bytes[0] |= 2;
    let mut left = rest.len();
    for written in 1.. {
        let more = left >= 128 || written < size_len;
        bytes.push((left % 128) as u8 | if more { 128 } else { 0 });
        left /= 128;
        if !more {
            break;
        }
    }
    bytes.extend(rest);
    bytes
}

fn unit() -> impl Strategy<Value = Unit> {
    let len = prop_oneof![0..40_usize, 150..1500_usize, Just(20_000)];
    let kind = prop_oneof![Just(1), Just(2), Just(3), Just(4), Just(5), Just(6), Just(7), Just(8), Just(15)];
    (kind, proptest::option::of((0..2_u8).prop_map(|layer| layer << 3)), len)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn units_come_out_as_they_went_in(
        packet_len_max in 40..1453_usize,
        units in vec(unit(), 0..9),
        size_len in 1..4_usize,
        last_lacks_size in any::<bool>(),
        is_sync in any::<bool>(),
    ) {
        let sequence_header = (1, None, 11);
        let config = Av1Config { sequence_header: sized(sequence_header, 1), ..Av1Config::default() };
        let mut sender = Sender::new(&Codec::Av1(config), packet_len_max);
        let mut data: Vec<u8> = units.iter().flat_map(|unit| sized(*unit, size_len)).collect();
        let mut expected: Vec<_> = units.iter().filter(|unit| ![2, 8, 15].contains(&unit.0)).copied().collect();
        if last_lacks_size {
            data.extend(bare((6, None, 5)));
            expected.push((6, None, 5));
        }
        if is_sync && !expected.is_empty() && units.iter().all(|unit| unit.0 != 1) {
            expected.insert(0, sequence_header);
        }
        let packets = sender.send(Sample { is_sync, data, ..Sample::default() });
        let (obus, begins_sequence) = receive(&packets);
        let expected: Vec<_> = expected.into_iter().map(bare).collect();
        prop_assert_eq!(begins_sequence, is_sync && !expected.is_empty());
        prop_assert_eq!(obus, expected);
    }

    #[test]
    fn no_bytes_make_it_panic(data in vec(any::<u8>(), 0..600), is_sync in any::<bool>(), max in 21..300_usize) {
        let config = Av1Config { sequence_header: data.clone(), ..Av1Config::default() };
        let mut sender = Sender::new(&Codec::Av1(config), max);
        sender.send(Sample { is_sync, data, ..Sample::default() });
    }
}
