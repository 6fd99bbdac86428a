//! The PROXY protocol, versions 1 and 2 (haproxy.org, doc/proxy-protocol.txt): a relay says for whom it connects, before
//! the first byte of the client.
//!
//! Who may say so is the configuration's business; reading from the socket is [`super::connection`]'s.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// How every header of version 2 begins (section 2.2).
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family, length.
const V2_FIXED_LEN: usize = 16;
/// How every header of version 1 begins (section 2.1). None is shorter than the signature of version 2.
const V1_START: &[u8] = b"PROXY ";
/// The longest header of version 1, in bytes, its line end included.
const V1_LEN_MAX: usize = 107;
/// The longest header of version 2 that we read, in bytes: addresses and whatever a relay knows of the client's TLS.
const V2_LEN_MAX: usize = 4096;

/// What is known after some bytes of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// At least so many more bytes belong to it.
    Need(usize),
    /// That was all of it.
    Done(Announced),
}

/// For whom a relay connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announced {
    /// For a client of this address.
    Client(SocketAddr),
    /// For itself, as health checks do; or it does not say.
    Nobody,
}

/// No header, or not one that we read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// It begins like neither version.
    #[error("no PROXY header")]
    Missing,
    /// It goes on like none.
    #[error("malformed PROXY header")]
    Malformed,
    /// It is longer than any that makes sense.
    #[error("PROXY header of {0} bytes")]
    TooLong(usize),
}

/// Looks at the bytes of a header that have come. Whoever reads no more than [`Step::Need`] says never reads what is
/// the client's.
///
/// # Errors
/// When it is none.
pub fn parse(bytes: &[u8]) -> Result<Step, HeaderError> {
    let begins_like = |start: &[u8]| bytes.iter().zip(start).all(|(byte, expected)| byte == expected);
    if begins_like(SIGNATURE) && begins_like(V1_START) {
        // Nothing has come.
        return Ok(Step::Need(SIGNATURE.len()));
    }
    if begins_like(V1_START) {
        parse_v1(bytes)
    } else if begins_like(SIGNATURE) {
        parse_v2(bytes)
    } else {
        Err(HeaderError::Missing)
    }
}

/// `PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n`, or `PROXY UNKNOWN` and anything.
fn parse_v1(bytes: &[u8]) -> Result<Step, HeaderError> {
    if bytes.len() < SIGNATURE.len() {
        return Ok(Step::Need(SIGNATURE.len() - bytes.len()));
    }
    let Some(line) = bytes.strip_suffix(b"\n") else {
        return if bytes.len() < V1_LEN_MAX { Ok(Step::Need(1)) } else { Err(HeaderError::TooLong(bytes.len())) };
    };
    let line = line.strip_suffix(b"\r").and_then(|line| std::str::from_utf8(line).ok());
    let fields: Vec<&str> = line.ok_or(HeaderError::Malformed)?.split(' ').collect();
    let announced = match fields[..] {
        ["PROXY", "UNKNOWN", ..] => Some(Announced::Nobody),
        ["PROXY", "TCP4", a, b, c, d] => v1_client::<Ipv4Addr>([a, b, c, d]),
        ["PROXY", "TCP6", a, b, c, d] => v1_client::<Ipv6Addr>([a, b, c, d]),
        _ => None,
    };
    announced.map(Step::Done).ok_or(HeaderError::Malformed)
}

fn v1_client<A: FromStr + Into<IpAddr>>(fields: [&str; 4]) -> Option<Announced> {
    let [source, destination, source_port, destination_port] = fields;
    let port = |text: &str| text.parse::<u16>().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()));
    let address = |text: &str| text.parse::<A>().ok();
    // The client's destination is of no use to us, but a header without it is none.
    address(destination)?;
    port(destination_port)?;
    Some(Announced::Client(SocketAddr::new(address(source)?.into().to_canonical(), port(source_port)?)))
}

/// Fixed part, addresses, and whatever else the length covers, which is skipped.
fn parse_v2(bytes: &[u8]) -> Result<Step, HeaderError> {
    let Some((fixed, rest)) = bytes.split_first_chunk::<V2_FIXED_LEN>() else {
        return Ok(Step::Need(V2_FIXED_LEN - bytes.len()));
    };
    let [.., version_and_command, family, high, low] = *fixed;
    let len = usize::from(u16::from_be_bytes([high, low]));
    if V2_FIXED_LEN + len > V2_LEN_MAX {
        return Err(HeaderError::TooLong(V2_FIXED_LEN + len));
    }
    // What does not fit is refused before it is waited for.
    let addresses_len = match family {
        0x11 => 12,
        0x21 => 36,
        _ => 0,
    };
    let is_local = match version_and_command {
        0x20 => true,
        0x21 if len >= addresses_len => false,
        _ => return Err(HeaderError::Malformed),
    };
    if rest.len() < len {
        return Ok(Step::Need(len - rest.len()));
    }
    Ok(Step::Done(if is_local { Announced::Nobody } else { v2_client(family, rest) }))
}

/// Source address, destination address, source port, destination port. Anything but TCP over IP is nobody.
fn v2_client(family: u8, addresses: &[u8]) -> Announced {
    let client = match family {
        0x11 => client_at::<4>(addresses),
        0x21 => client_at::<16>(addresses),
        _ => None,
    };
    client.map_or(Announced::Nobody, Announced::Client)
}

fn client_at<const LEN: usize>(addresses: &[u8]) -> Option<SocketAddr>
where
    IpAddr: From<[u8; LEN]>,
{
    let (source, rest) = addresses.split_first_chunk::<LEN>()?;
    let port = rest.get(LEN..LEN + 2)?.try_into().ok()?;
    Some(SocketAddr::new(IpAddr::from(*source).to_canonical(), u16::from_be_bytes(port)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Feeds a header as it is asked for, and returns the outcome and how many bytes were taken.
    fn read(bytes: &[u8]) -> (Result<Step, HeaderError>, usize) {
        let mut taken = 0;
        loop {
            match parse(&bytes[..taken]) {
                Ok(Step::Need(count)) if taken + count <= bytes.len() => {
                    assert_ne!(count, 0);
                    taken += count;
                }
                outcome => return (outcome, taken),
            }
        }
    }

    fn v2(version_and_command: u8, family: u8, content: &[u8]) -> Vec<u8> {
        let mut header = SIGNATURE.to_vec();
        header.extend([version_and_command, family]);
        header.extend((content.len() as u16).to_be_bytes());
        header.extend(content);
        header
    }

    fn client(address: &str) -> Announced {
        Announced::Client(address.parse().unwrap())
    }

    const V4: &[u8] = &[10, 0, 0, 7, 192, 168, 1, 2, 0xdc, 0x04, 2, 42];

    #[test]
    fn headers_of_both_versions_name_the_client_and_no_byte_behind_them_is_taken() {
        let v6_source = "2001:db8::7".parse::<Ipv6Addr>().unwrap().octets();
        let mapped = "::ffff:10.0.0.7".parse::<Ipv6Addr>().unwrap().octets();
        let v6 = |source: [u8; 16]| [&source[..], &[0; 16], &[0xdc, 0x04, 2, 42]].concat();
        let with_tlvs = [V4, &[0x03, 0, 4, 1, 2, 3, 4], &[0x20, 0, 2, 9, 9]].concat();
        for (header, announced) in [
            (b"PROXY TCP4 10.0.0.7 192.168.1.2 56324 554\r\n".to_vec(), client("10.0.0.7:56324")),
            (b"PROXY TCP6 2001:db8::7 ::1 56324 554\r\n".to_vec(), client("[2001:db8::7]:56324")),
            (b"PROXY UNKNOWN\r\n".to_vec(), Announced::Nobody),
            (b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n".to_vec(), Announced::Nobody),
            (v2(0x21, 0x11, V4), client("10.0.0.7:56324")),
            (v2(0x21, 0x21, &v6(v6_source)), client("[2001:db8::7]:56324")),
            (v2(0x21, 0x21, &v6(mapped)), client("10.0.0.7:56324")),
            (v2(0x21, 0x11, &with_tlvs), client("10.0.0.7:56324")),
            (v2(0x20, 0x00, b""), Announced::Nobody),
            (v2(0x20, 0x11, V4), Announced::Nobody),
            (v2(0x21, 0x00, b"whatever"), Announced::Nobody),
            (v2(0x21, 0x31, &[0; 216]), Announced::Nobody), // AF_UNIX
            (v2(0x21, 0x12, V4), Announced::Nobody),        // UDP
        ] {
            let mut bytes = header.clone();
            bytes.extend_from_slice(b"OPTIONS * RTSP/1.0\r\n\r\n");
            assert_eq!(read(&bytes), (Ok(Step::Done(announced)), header.len()), "{}", header.escape_ascii());
            let (cut, _) = read(&header[..header.len() - 1]);
            assert!(matches!(cut, Ok(Step::Need(_))), "{}: {cut:?}", header.escape_ascii());
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        for (bytes, error) in [
            (b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n".to_vec(), HeaderError::Missing),
            (b"PROXX TCP4 1.2.3.4 1.2.3.4 1 2\r\n".to_vec(), HeaderError::Missing),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00".to_vec(), HeaderError::Missing),
            (b"PROXY TCP4 10.0.0.7 192.168.1.2 56324\r\n".to_vec(), HeaderError::Malformed),
            (b"PROXY TCP4 10.0.0.7 192.168.1.2 56324 554 9\r\n".to_vec(), HeaderError::Malformed),
            (b"PROXY TCP4 10.0.0.7  192.168.1.2 56324 554\r\n".to_vec(), HeaderError::Malformed),
            (b"PROXY TCP4 10.0.0.7 192.168.1.2 56324 65536\r\n".to_vec(), HeaderError::Malformed),
            (b"PROXY TCP4 10.0.0.7 192.168.1.2 +5632 554\r\n".to_vec(), HeaderError::Malformed),
            (b"PROXY TCP4 ::1 ::1 56324 554\r\n".to_vec(), HeaderError::Malformed),
            (b"PROXY TCP6 10.0.0.7 10.0.0.8 56324 554\r\n".to_vec(), HeaderError::Malformed),
            (b"PROXY TCP4 10.0.0.7 192.168.1.2 56324 554\n".to_vec(), HeaderError::Malformed),
            (b"PROXY UDP4 10.0.0.7 192.168.1.2 56324 554\r\n".to_vec(), HeaderError::Malformed),
            ([b"PROXY UNKNOWN ".to_vec(), vec![b'x'; 200]].concat(), HeaderError::TooLong(V1_LEN_MAX)),
            (v2(0x11, 0x11, V4), HeaderError::Malformed),
            (v2(0x22, 0x11, V4), HeaderError::Malformed),
            (v2(0x21, 0x11, &V4[..11]), HeaderError::Malformed),
            (v2(0x21, 0x21, V4), HeaderError::Malformed),
            (v2(0x21, 0x11, &[0; 5000]), HeaderError::TooLong(5016)),
        ] {
            assert_eq!(read(&bytes).0, Err(error), "{}", bytes.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_ask_for_more_than_the_longest_header(
            start in 0..3_usize,
            mut tail in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let mut bytes = [&b""[..], b"PROXY ", &SIGNATURE[..]][start].to_vec();
            bytes.append(&mut tail);
            if let (Ok(Step::Need(count)), taken) = read(&bytes) {
                prop_assert!(taken + count <= V2_LEN_MAX);
            }
        }
    }
}
