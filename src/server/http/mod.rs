//! What an HTTP request on the RTSP or HTTP port gets: RTSP tunnels, so far.

mod tunnel;

use log::debug;

use super::connection::Connection;
use crate::rtsp::Request;
pub use tunnel::{Base64Decoder, GET_RESPONSE, Tunnel, Tunnels};

/// The header by which the two halves of a tunnel find each other.
const COOKIE: &str = "x-sessioncookie";
/// Longest cookie, in bytes; Apple's are 22.
const COOKIE_LEN_MAX: usize = 256;

/// What becomes of a connection after an HTTP request.
pub enum Upgrade {
    /// It carries what we send through a tunnel, after [`GET_RESPONSE`].
    Outward,
    /// It carries what the client sends through a tunnel.
    Inward(Tunnel),
    /// Nothing: this response, and the end.
    Refused(String),
}

/// Decides about an HTTP request.
pub fn handle(connection: &Connection<'_>, request: &Request) -> Upgrade {
    let cookie = request.headers.get(COOKIE).map(str::trim).filter(|cookie| !cookie.is_empty());
    match (request.method.as_str(), cookie) {
        ("GET" | "POST", Some(cookie)) if cookie.len() > COOKIE_LEN_MAX => refused("400 Bad Request"),
        ("GET", Some(cookie)) if connection.open_tunnel(cookie) => Upgrade::Outward,
        ("GET", Some(_)) => refused("409 Conflict"),
        ("POST", Some(cookie)) => match find(connection, cookie) {
            Some(tunnel) => Upgrade::Inward(tunnel),
            None => refused("404 Not Found"),
        },
        _ => {
            debug!("{}: {} {} is no tunnel", connection.peer, request.method, request.url);
            refused("405 Method Not Allowed")
        }
    }
}

/// The tunnel of a cookie. Both halves must be within TLS, or neither: a password is not to go one way in the clear.
fn find(connection: &Connection<'_>, cookie: &str) -> Option<Tunnel> {
    let tunnel = connection.shared.tunnels.find(cookie, connection.peer.ip().to_canonical());
    tunnel.filter(|tunnel| tunnel.writer.is_secure() == connection.is_secure())
}

fn refused(status: &str) -> Upgrade {
    let allow = if status.starts_with("405") { "Allow: GET, POST\r\n" } else { "" };
    Upgrade::Refused(format!("HTTP/1.1 {status}\r\n{allow}Connection: close\r\nContent-Length: 0\r\n\r\n"))
}
