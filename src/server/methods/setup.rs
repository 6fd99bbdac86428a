//! SETUP (RFC 2326 section 10.4): one track, one way out. The first one makes the session and its streaming thread.

use std::sync::Arc;
use std::thread;
use std::time::Instant;

use log::{info, warn};

use super::target::{lookup_failed, target};
use super::{Exchange, Outcome, Refusal};
use crate::config::{Config, LowerTransport};
use crate::media::container::Options;
use crate::player::{Pacing, Player};
use crate::rtp::{Payloader, RtpStream, payloader_for};
use crate::rtsp::headers::{self, Interleaved as Channels, Mode, PortPair, Protocol, TransportSpec};
use crate::rtsp::{Method, Status, Url};
use crate::server::session::{Session, SetUpTrack, random, random_id};
use crate::server::streamer::{self, NewTrack, Order};
use crate::server::transport::{Interleaved, Transport, Udp};

/// Stack of a streaming thread, in bytes. Only what is touched takes memory.
const STREAMER_STACK_LEN: usize = 256 << 10;
/// Timestamps start in the lower half, so that none wraps within the first hours, which confuses FFmpeg; and not at
/// 0, which it takes for "unknown".
const FIRST_RTPTIME_MASK: u32 = 0x7fff_ffff;
/// Clients that send their keepalive exactly when the timeout ends get this much grace (Windows Media Foundation).
const TIMEOUT_GRACE_SECS: u64 = 5;

pub(super) fn handle(exchange: &mut Exchange<'_, '_>) -> Outcome {
    let config = exchange.connection.shared.config();
    let known = exchange.named_session()?;
    let target = target(exchange)?;
    if let Some(session) = &known {
        if session.file != target.path {
            return Err(Status::AggregateOperationNotAllowed.into());
        }
        if session.with_state(|state| state.is_playing) {
            return Err(Refusal::State(&[Method::Play, Method::Pause, Method::Teardown]));
        }
    }
    let specs = exchange.request.headers.list("Transport").and_then(|list| TransportSpec::parse_list(&list).ok());
    let spec = specs.unwrap_or_default().into_iter().find(|spec| is_acceptable(spec, &config));
    let spec = spec.ok_or(Status::UnsupportedTransport)?;
    let is_new = known.is_none();
    let session = match known {
        Some(session) => session,
        None => create_session(exchange, &target, &config)?,
    };
    let set_up = set_up_track(exchange, &session, &target, &spec, &config);
    let spec = match set_up {
        Ok(spec) => spec,
        Err(refusal) => {
            if is_new {
                let _ = session.order(Order::End(streamer::EndReason::Teardown, None));
            }
            return Err(refusal);
        }
    };
    let timeout = config.rtsp.session_timeout.as_secs();
    let announced = timeout.saturating_sub(TIMEOUT_GRACE_SECS).max(timeout / 2) as u32;
    let response = exchange
        .ok()
        .header("Session", headers::Session { id: session.id.clone(), timeout: Some(announced) })
        .header("Transport", spec);
    Ok(response.into())
}

/// Whether we can serve one of the transports that a client offers.
fn is_acceptable(spec: &TransportSpec, config: &Config) -> bool {
    let is_play = matches!(spec.mode, None | Some(Mode::Play));
    let lower = match spec.protocol {
        Protocol::RtpUdp if spec.client_port.is_some() => LowerTransport::Udp,
        Protocol::RtpTcp => LowerTransport::Tcp,
        _ => return false,
    };
    is_play && !spec.multicast && config.rtsp.transports.contains(&lower)
}

/// Opens the recording and starts a streaming thread for it.
fn create_session(exchange: &mut Exchange<'_, '_>, target: &Url, config: &Config) -> Result<Arc<Session>, Refusal> {
    let shared = exchange.connection.shared;
    let options = Options::from(config);
    let found = shared.library.open(&target.path, &options).map_err(|error| lookup_failed(exchange, &error))?;
    let pacing = Pacing {
        lead: config.rtp.lead,
        scale_max: config.play.scale_max,
        speed_max: config.play.speed_max,
        picture_rate_max: config.play.picture_rate_max,
        key_frame_rate_max: config.play.key_frame_rate_max,
        ..Pacing::default()
    };
    let player = Player::new(Arc::clone(&found.recording), pacing, Instant::now()).map_err(|error| {
        warn!("{}: {}: {error}", exchange.connection.peer, exchange.request.url);
        Status::InternalServerError
    })?;
    let (orders, receiver) = crossbeam_channel::bounded(0);
    let peer = exchange.connection.peer.ip().to_canonical();
    let session = Arc::new(Session::new(random_id(), target.path.clone(), found.recording, peer, orders));
    let token = shared.thread_token().ok_or(Status::ServiceUnavailable)?;
    if !shared.registry.add(Arc::clone(&session), config.limits.sessions) {
        warn!("{}: refused, there are {} sessions already", exchange.connection.peer, config.limits.sessions);
        return Err(Status::ServiceUnavailable.into());
    }
    let spawned = thread::Builder::new().name("streamer".to_owned()).stack_size(STREAMER_STACK_LEN).spawn({
        let (shared, session) = (Arc::clone(shared), Arc::clone(&session));
        move || {
            let _token = token;
            streamer::run(&shared, &session, player, receiver);
        }
    });
    if let Err(error) = spawned {
        shared.registry.remove(&session.id);
        warn!("{}: no thread for a session: {error}", exchange.connection.peer);
        return Err(Status::ServiceUnavailable.into());
    }
    exchange.connection.remember(&session);
    Ok(session)
}

/// Gives the track to the streaming thread, and returns the transport as the response has it.
fn set_up_track(
    exchange: &mut Exchange<'_, '_>,
    session: &Arc<Session>,
    target: &Url,
    spec: &TransportSpec,
    config: &Config,
) -> Result<TransportSpec, Refusal> {
    let tracks = session.recording.tracks();
    let track = match target.track {
        Some(track) => track as usize,
        None if tracks.len() == 1 => 0,
        None => return Err(Status::AggregateOperationNotAllowed.into()),
    };
    let codec = tracks.get(track).map(|track| &track.codec).ok_or(Status::NotFound)?;
    let payloader = payloader_for(codec).map_err(|_| Status::NotFound)?;
    let stream = new_stream(payload_type(&*payloader, track), config);
    let ssrc = stream.ssrc();
    let (transport, granted) = open_transport(exchange, session, track, spec, config)?;
    let url = exchange.request.url.clone();
    let connection = matches!(granted.protocol, Protocol::RtpTcp).then_some(exchange.connection.number);
    let first_rtptime = u32::from_ne_bytes(random()) & FIRST_RTPTIME_MASK | 1;
    let new = Box::new(NewTrack { track, transport, payloader, stream, first_rtptime });
    session.ask(|reply| Order::AddTrack(new, reply)).ok_or(Status::SessionNotFound)?;
    session.with_state(|state| {
        state.tracks[track] = Some(SetUpTrack { url, ssrc, connection, report: None });
    });
    info!("{}: {}: session {} track {track}: {granted}", exchange.connection.peer, session.file.display(), session.id);
    Ok(TransportSpec { ssrc: Some(ssrc), ..granted })
}

/// The payload type of a track: the format's own, or one of the dynamic range (RFC 3551 section 6).
pub(super) fn payload_type(payloader: &dyn Payloader, track: usize) -> u8 {
    payloader.static_payload_type().unwrap_or(96 + (track % 32) as u8)
}

fn new_stream(payload_type: u8, config: &Config) -> RtpStream {
    let (ssrc, sequence) = (u32::from_ne_bytes(random()), u16::from_ne_bytes(random()));
    RtpStream::new(payload_type, ssrc, sequence, config.rtp.udp_max_payload_size)
}

/// The way out that `spec` asks for, and how the response describes it.
fn open_transport(
    exchange: &mut Exchange<'_, '_>,
    session: &Arc<Session>,
    track: usize,
    spec: &TransportSpec,
    config: &Config,
) -> Result<(Box<dyn Transport>, TransportSpec), Refusal> {
    let connection = &mut *exchange.connection;
    // Who had to dig a tunnel would not get datagrams; such clients take interleaved data instead.
    if let (Protocol::RtpUdp, Some(client), false) = (&spec.protocol, spec.client_port, connection.is_tunnel()) {
        // To the address that asks and no other, whatever `destination` says: we flood nobody.
        let peer = (connection.peer.ip().to_canonical(), client.rtp, client.rtcp);
        let rtp = &config.rtp;
        let udp = Udp::open(
            &connection.shared.udp_ports,
            rtp.udp_ports,
            connection.local,
            peer,
            rtp.udp_max_payload_size,
            config.rtsp.send_buffer_size,
        );
        let with_ports = udp.and_then(|udp| Ok((udp.ports()?, udp)));
        let ((rtp, rtcp), udp) = with_ports.map_err(|error| {
            warn!("{}: no UDP to ports {client}: {error}", connection.peer);
            Status::UnsupportedTransport
        })?;
        let server_port = Some(PortPair { rtp, rtcp });
        let granted = TransportSpec { client_port: Some(client), server_port, ..TransportSpec::new(Protocol::RtpUdp) };
        return Ok((Box::new(udp), granted));
    }
    let wanted = spec.interleaved.map(|wanted| (wanted.rtp, wanted.rtcp));
    let (rtp, rtcp) = connection.open_channels(wanted, session, track).ok_or(Status::UnsupportedTransport)?;
    let transport = Interleaved::new(Arc::clone(&connection.writer), (rtp, rtcp));
    let granted = TransportSpec { interleaved: Some(Channels { rtp, rtcp }), ..TransportSpec::new(Protocol::RtpTcp) };
    Ok((Box::new(transport), granted))
}
