//! RTSP over HTTP, as QuickTime made it and all clients have it: a GET whose endless response carries what we send,
//! and POSTs with the same cookie whose endless bodies carry what the client sends, in base64.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::server::connection::Attached;
use crate::server::writer::ConnectionWriter;
use crate::sync::Leaf;

/// The response to the GET. HTTP/1.0 and no length: it ends when the connection does.
pub const GET_RESPONSE: &[u8] = b"HTTP/1.0 200 OK\r\n\
    Connection: close\r\n\
    Cache-Control: no-store\r\n\
    Pragma: no-cache\r\n\
    Content-Type: application/x-rtsp-tunnelled\r\n\r\n";

/// The outward half of a tunnel, for the inward half to use.
#[derive(Clone)]
pub struct Tunnel {
    /// Where responses and packets go.
    pub writer: Arc<ConnectionWriter>,
    /// Number of the outward connection: what is interleaved ends with it.
    pub number: u64,
    /// Sessions and channels; they outlive a POST, as clients may open another.
    pub attached: Arc<Attached>,
    /// Whose it is.
    pub peer: IpAddr,
}

/// The tunnels that are open, by cookie.
#[derive(Default)]
pub struct Tunnels {
    open: Leaf<HashMap<String, Tunnel>>,
}

impl Tunnels {
    /// Adds a tunnel; false when the cookie is taken.
    #[must_use]
    pub fn add(&self, cookie: &str, tunnel: Tunnel) -> bool {
        self.open.with(|open| {
            let is_free = !open.contains_key(cookie);
            if is_free {
                open.insert(cookie.to_owned(), tunnel);
            }
            is_free
        })
    }

    /// The tunnel of a cookie, if it is of the same address: a cookie is no secret.
    pub fn find(&self, cookie: &str, peer: IpAddr) -> Option<Tunnel> {
        self.open.with(|open| open.get(cookie).filter(|tunnel| tunnel.peer == peer).cloned())
    }

    /// Forgets the tunnel whose outward connection has ended.
    pub fn remove(&self, number: u64) {
        self.open.with(|open| open.retain(|_, tunnel| tunnel.number != number));
    }
}

/// Decodes base64 that comes in pieces cut anywhere. Each request may end in padding, and another follow.
#[derive(Debug, Default)]
pub struct Base64Decoder {
    quartet: Vec<u8>,
}

impl Base64Decoder {
    /// Decodes what is complete of `encoded` and what was left before. White space is ignored.
    ///
    /// # Errors
    /// When it is not base64.
    pub fn decode(&mut self, encoded: &[u8]) -> Result<Vec<u8>, base64::DecodeSliceError> {
        let mut decoded = Vec::with_capacity(encoded.len() / 4 * 3 + 3);
        for byte in encoded.iter().filter(|byte| !byte.is_ascii_whitespace()) {
            self.quartet.push(*byte);
            if self.quartet.len() == 4 {
                let mut triple = [0; 3];
                let len = STANDARD.decode_slice(&self.quartet, &mut triple)?;
                decoded.extend_from_slice(&triple[..len]);
                self.quartet.clear();
            }
        }
        Ok(decoded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_that_are_padded_one_by_one_and_cut_anywhere_come_out_whole() {
        let requests = ["OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n", "OPTIONS * RTSP/1.0\r\nCSeq: 22\r\n\r\n", "x"];
        let mut encoded = Vec::new();
        for request in requests {
            encoded.extend_from_slice(STANDARD.encode(request).as_bytes());
            encoded.extend_from_slice(b"\r\n");
        }
        for step in 1..encoded.len() {
            let mut decoder = Base64Decoder::default();
            let decoded: Vec<u8> = encoded.chunks(step).flat_map(|piece| decoder.decode(piece).unwrap()).collect();
            assert_eq!(String::from_utf8(decoded).unwrap(), requests.concat(), "cut every {step} bytes");
        }
        assert!(Base64Decoder::default().decode(b"ab!d").is_err());
    }
}
