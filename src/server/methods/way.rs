//! The way out of a track: which of those that SETUP offers is taken, and how it is opened.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use log::warn;

use super::{Exchange, Refusal};
use crate::config::{Config, LowerTransport};
use crate::media::Codec;
use crate::rtsp::Status;
use crate::rtsp::headers::{Interleaved as Channels, Mode, PortPair, Protocol, TransportSpec};
use crate::server::connection::Connection;
use crate::server::group::Group;
use crate::server::session::Session;
use crate::server::transport::{Interleaved, Raw, Sizes, Transport, Udp};

/// What decides which ways there are.
pub(super) struct Ways<'a> {
    /// Index of the track.
    pub track: usize,
    /// What is in it.
    pub codec: &'a Codec,
    /// The group of the channel, if it has one.
    pub group: Option<&'a Arc<Group>>,
    /// The session that the track comes to, if there is one already. It is in the group with all its tracks or none.
    pub known: Option<&'a Session>,
}

/// The first of the transports that the client offers which we can serve.
///
/// # Errors
/// 461 when there is none: FFmpeg and VLC then try the next.
pub(super) fn choose(exchange: &Exchange<'_, '_>, ways: &Ways<'_>, config: &Config) -> Result<TransportSpec, Refusal> {
    let offered = exchange.request.headers.list("Transport").and_then(|list| TransportSpec::parse_list(&list).ok());
    let chosen = offered.unwrap_or_default().into_iter().find(|spec| {
        let is_play = matches!(spec.mode, None | Some(Mode::Play));
        let is_there = if spec.multicast {
            ways.has_group(exchange.connection, spec, config)
        } else {
            ways.has_unicast(exchange, spec, config)
        };
        is_play && is_there
    });
    chosen.ok_or_else(|| Status::UnsupportedTransport.into())
}

impl Ways<'_> {
    /// Whether the track goes to a group that the session is in, or can join. Where that is, is not the client's choice.
    fn has_group(&self, connection: &Connection<'_>, spec: &TransportSpec, config: &Config) -> bool {
        spec.protocol == Protocol::RtpUdp
            && (!connection.is_secure() || config.rtsps.allow_udp)
            && self.group.is_some_and(|group| group.ports(self.track).is_some())
            && self.known.is_none_or(Session::is_in_group)
    }

    fn has_unicast(&self, exchange: &Exchange<'_, '_>, spec: &TransportSpec, config: &Config) -> bool {
        let lower = match spec.protocol {
            Protocol::RtpTcp => LowerTransport::Tcp,
            Protocol::RtpUdp => LowerTransport::Udp,
            // Who tunnels would not get datagrams, and takes interleaved RTP instead; but not who knows no RTP.
            Protocol::RawUdp | Protocol::Mp2tUdp if exchange.connection.is_tunnel() => return false,
            Protocol::RawUdp => LowerTransport::Udp,
            Protocol::Mp2tUdp if is_transport_stream(self.codec) => LowerTransport::Udp,
            Protocol::Mp2tUdp | Protocol::SrtpUdp | Protocol::SrtpTcp | Protocol::Other(_) => return false,
        };
        let is_reachable = match lower {
            LowerTransport::Tcp => true,
            LowerTransport::Udp if is_exposed(exchange.connection, config) => false,
            LowerTransport::Udp => spec.client_port.is_some() && destination(exchange, spec, config).is_some(),
        };
        is_reachable
            && config.rtsp.transports.contains(&lower)
            && self.group.is_none_or(|group| !group.config().is_only_way)
            && !self.known.is_some_and(Session::is_in_group)
    }
}

/// Whether datagrams would go in the clear beside a connection within TLS.
fn is_exposed(connection: &Connection<'_>, config: &Config) -> bool {
    connection.is_secure() && !connection.is_tunnel() && !config.rtsps.allow_udp
}

/// Whether the packets of this codec hold an MPEG transport stream (RFC 2250 section 2).
fn is_transport_stream(codec: &Codec) -> bool {
    matches!(codec, Codec::TransportStream(_))
}

/// Where datagrams go: to who asks. Elsewhere only where the configuration says so, for else anybody could have us
/// flood a third party (RFC 2326 section 12.39). `None`: not there.
fn destination(exchange: &Exchange<'_, '_>, spec: &TransportSpec, config: &Config) -> Option<IpAddr> {
    let peer = exchange.connection.peer.ip().to_canonical();
    let Some(wanted) = &spec.destination else { return Some(peer) };
    let wanted = wanted.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok()?.to_canonical();
    let is_allowed = |address: IpAddr| {
        !address.is_multicast() && config.rtp.allow_destination.iter().any(|network| network.contains(address))
    };
    if wanted.is_unspecified() {
        return Some(peer);
    }
    (wanted == peer || is_allowed(wanted)).then_some(wanted)
}

/// Opens the way that `spec`, which was chosen, describes; and how the response describes it.
///
/// # Errors
/// 461 when no port or channel is free, or the client cannot be reached.
pub(super) fn open(
    exchange: &mut Exchange<'_, '_>,
    session: &Arc<Session>,
    track: usize,
    spec: &TransportSpec,
    config: &Config,
) -> Result<(Box<dyn Transport>, TransportSpec), Refusal> {
    match (&spec.protocol, spec.client_port) {
        (Protocol::RawUdp | Protocol::Mp2tUdp, Some(client)) => open_raw(exchange, spec, client, config),
        (Protocol::RtpUdp, Some(client)) if !exchange.connection.is_tunnel() => {
            open_udp(exchange, spec, client, config)
        }
        _ => open_interleaved(exchange, session, track, spec),
    }
}

type Opened = Result<(Box<dyn Transport>, TransportSpec), Refusal>;

fn open_interleaved(
    exchange: &mut Exchange<'_, '_>,
    session: &Arc<Session>,
    track: usize,
    spec: &TransportSpec,
) -> Opened {
    let connection = &mut *exchange.connection;
    let wanted = spec.interleaved.map(|wanted| (wanted.rtp, wanted.rtcp));
    let (rtp, rtcp) = connection.open_channels(wanted, session, track).ok_or(Status::UnsupportedTransport)?;
    let transport = Interleaved::new(Arc::clone(&connection.writer), (rtp, rtcp));
    let granted = TransportSpec { interleaved: Some(Channels { rtp, rtcp }), ..TransportSpec::new(Protocol::RtpTcp) };
    Ok((Box::new(transport), granted))
}

fn open_udp(exchange: &Exchange<'_, '_>, spec: &TransportSpec, client: PortPair, config: &Config) -> Opened {
    let (local, address) = ends(exchange, spec, config)?;
    let ports = &exchange.connection.shared.udp_ports;
    let udp = Udp::open(ports, config.rtp.udp_ports, local, (address, client), Sizes::from(config));
    let with_ports = udp.and_then(|udp| Ok((udp.ports()?, udp)));
    let (server_port, udp) = with_ports.map_err(|error| unreachable(exchange, client, &error))?;
    Ok((Box::new(udp), granted(spec, address, client, server_port)))
}

fn open_raw(exchange: &Exchange<'_, '_>, spec: &TransportSpec, client: PortPair, config: &Config) -> Opened {
    let (local, address) = ends(exchange, spec, config)?;
    let ports = &exchange.connection.shared.udp_ports;
    let client_address = SocketAddr::new(address, client.rtp);
    let raw = Raw::open(ports, config.rtp.udp_ports, local, client_address, Sizes::from(config));
    let with_port = raw.and_then(|raw| Ok((raw.port()?, raw)));
    let (port, raw) = with_port.map_err(|error| unreachable(exchange, client, &error))?;
    Ok((Box::new(raw), granted(spec, address, client, PortPair { rtp: port, rtcp: port })))
}

/// From where to where datagrams go.
fn ends(exchange: &Exchange<'_, '_>, spec: &TransportSpec, config: &Config) -> Result<(IpAddr, IpAddr), Refusal> {
    let address = destination(exchange, spec, config).ok_or(Status::UnsupportedTransport)?;
    let local = match address {
        // The address that the client reached us at need not be one that leads elsewhere.
        _ if address == exchange.connection.peer.ip().to_canonical() => exchange.connection.local,
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    Ok((local, address))
}

fn unreachable(exchange: &Exchange<'_, '_>, client: PortPair, error: &std::io::Error) -> Refusal {
    warn!("{}: no UDP to ports {client}: {error}", exchange.connection.peer);
    Status::UnsupportedTransport.into()
}

/// The answer names the destination to who named it.
fn granted(spec: &TransportSpec, address: IpAddr, client: PortPair, server: PortPair) -> TransportSpec {
    TransportSpec {
        destination: spec.destination.as_ref().map(|_| address.to_string()),
        client_port: Some(client),
        server_port: Some(server),
        ..TransportSpec::new(spec.protocol.clone())
    }
}

impl From<&Config> for Sizes {
    fn from(config: &Config) -> Self {
        Self { packet_len_max: config.rtp.udp_max_payload_size, send_buffer_size: config.rtsp.send_buffer_size }
    }
}
