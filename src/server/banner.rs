//! What is printed at start: where the server can be reached, and what it serves.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::Server;

/// The most files that are counted for the banner.
const COUNT_MAX: usize = 100_000;
/// Left out of a URL.
const RTSP_PORT: u16 = 554;
/// The same with TLS.
const RTSPS_PORT: u16 = 322;

/// What a person wants to know when a server has started.
#[derive(Debug)]
pub struct Banner {
    root: String,
    count: String,
    prefixes: Vec<String>,
    secure_prefixes: Vec<String>,
    tunnel_port: Option<u16>,
}

impl Banner {
    /// Gathers it from a running server.
    pub fn of(server: &Server) -> Self {
        let (count, is_more) = server.library().count(COUNT_MAX);
        Self {
            root: server.root().display().to_string(),
            count: format!("{}{count}", if is_more { "more than " } else { "" }),
            prefixes: prefixes("rtsp", RTSP_PORT, server.addresses()),
            secure_prefixes: prefixes("rtsps", RTSPS_PORT, server.rtsps_addresses()),
            tunnel_port: server.http_addresses().first().map(SocketAddr::port),
        }
    }
}

impl fmt::Display for Banner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "camreel {}", env!("CARGO_PKG_VERSION"))?;
        writeln!(f, "serves {} recordings below {}", self.count, self.root)?;
        writeln!(f, "play them with any of")?;
        for prefix in self.prefixes.iter().chain(&self.secure_prefixes) {
            writeln!(f, "  {prefix}FILE")?;
        }
        match self.tunnel_port {
            Some(port) => writeln!(f, "RTSP over HTTP: port {port}, and the RTSP port"),
            None => writeln!(f, "RTSP over HTTP: the RTSP port"),
        }
    }
}

/// The start of every URL under which the listening addresses can be reached.
fn prefixes(scheme: &str, port_default: u16, addresses: &[SocketAddr]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut prefixes = Vec::new();
    for address in addresses {
        let hosts =
            if address.ip().is_unspecified() { interface_addresses(address.is_ipv4()) } else { vec![address.ip()] };
        for host in hosts.into_iter().filter(|host| seen.insert(*host)) {
            let host = match host {
                IpAddr::V4(host) => host.to_string(),
                IpAddr::V6(host) => format!("[{host}]"),
            };
            let port = if address.port() == port_default { String::new() } else { format!(":{}", address.port()) };
            prefixes.push(format!("{scheme}://{host}{port}/"));
        }
    }
    prefixes
}

/// The addresses of our interfaces, the network's before the loopback. IPv6 link-local ones need a zone, which URLs
/// have no room for.
fn interface_addresses(is_ipv4: bool) -> Vec<IpAddr> {
    let interfaces = nix::ifaddrs::getifaddrs().into_iter().flatten();
    let mut addresses: Vec<IpAddr> = interfaces
        .filter_map(|interface| {
            let address = interface.address?;
            let v4 = address.as_sockaddr_in().map(|address| IpAddr::from(address.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::from(address.ip())))
        })
        .filter(|address| match address {
            IpAddr::V4(_) => is_ipv4,
            IpAddr::V6(address) => !is_ipv4 && !address.is_unicast_link_local(),
        })
        .collect();
    addresses.sort_by_key(IpAddr::is_loopback);
    addresses
}
