//! SETUP (RFC 2326 section 10.4): one track, one way out. The first one makes the session and its streaming thread.

use std::sync::Arc;
use std::thread;
use std::time::Instant;

use log::{info, warn};

use super::target::{lookup_failed, target};
use super::{Exchange, Outcome, Refusal, way};
use crate::config::Config;
use crate::media::container::Options;
use crate::media::{Codec, Recording};
use crate::player::{Pacing, Player};
use crate::rtp::{Payloader, RtpStream, payloader_for};
use crate::rtsp::headers::{self, Protocol, TransportSpec};
use crate::rtsp::{Method, Status, Url};
use crate::server::session::{Session, SetUpTrack, random, random_id};
use crate::server::streamer::{self, NewTrack, Order};

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
    let recording = match &known {
        Some(session) => Arc::clone(&session.recording),
        None => open_recording(exchange, &target, &config)?,
    };
    let (track, codec) = track(&*recording, &target)?;
    let payloader = payloader_for(codec).map_err(|_| Status::NotFound)?;
    let spec = way::choose(exchange, codec, &config)?;
    let is_new = known.is_none();
    let session = match known {
        Some(session) => session,
        None => create_session(exchange, &target, Arc::clone(&recording), &config)?,
    };
    let set_up = set_up_track(exchange, &session, track, payloader, &spec, &config);
    if set_up.is_err() && is_new {
        let _ = session.ask(|reply| Order::End(streamer::EndReason::Teardown, Some(reply)));
    }
    let granted = set_up?;
    let timeout = config.rtsp.session_timeout.as_secs();
    let announced = timeout.saturating_sub(TIMEOUT_GRACE_SECS).max(timeout / 2) as u32;
    let response = exchange
        .ok()
        .header("Session", headers::Session { id: session.id.clone(), timeout: Some(announced) })
        .header("Transport", granted);
    Ok(response.into())
}

fn open_recording(exchange: &Exchange<'_, '_>, target: &Url, config: &Config) -> Result<Arc<dyn Recording>, Refusal> {
    let found = exchange.connection.shared.library.open(&target.path, &Options::from(config));
    Ok(found.map_err(|error| lookup_failed(exchange, &error))?.recording)
}

/// The track that the URL names, by index; where there is only one, it need not.
fn track<'a>(recording: &'a dyn Recording, target: &Url) -> Result<(usize, &'a Codec), Refusal> {
    let tracks = recording.tracks();
    let track = match target.track {
        Some(track) => track as usize,
        None if tracks.len() == 1 => 0,
        None => return Err(Status::AggregateOperationNotAllowed.into()),
    };
    Ok((track, &tracks.get(track).ok_or(Status::NotFound)?.codec))
}

/// Starts a streaming thread for a recording.
fn create_session(
    exchange: &mut Exchange<'_, '_>,
    target: &Url,
    recording: Arc<dyn Recording>,
    config: &Config,
) -> Result<Arc<Session>, Refusal> {
    let shared = exchange.connection.shared;
    let pacing = Pacing { lead: config.rtp.lead, ..Pacing::default() };
    let player = Player::new(Arc::clone(&recording), pacing, Instant::now()).map_err(|error| {
        warn!("{}: {}: {error}", exchange.connection.peer, exchange.request.url);
        Status::InternalServerError
    })?;
    let (orders, receiver) = crossbeam_channel::bounded(0);
    let client = (exchange.connection.peer.ip().to_canonical(), exchange.user.clone());
    let session = Arc::new(Session::new(random_id(), target.path.clone(), recording, client, orders));
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
    track: usize,
    payloader: Box<dyn Payloader>,
    spec: &TransportSpec,
    config: &Config,
) -> Result<TransportSpec, Refusal> {
    let stream = new_stream(payload_type(&*payloader, track), config);
    let ssrc = stream.ssrc();
    let (transport, granted) = way::open(exchange, session, track, spec, config)?;
    let url = exchange.request.url.clone();
    let connection = matches!(granted.protocol, Protocol::RtpTcp).then_some(exchange.connection.number);
    let first_rtptime = u32::from_ne_bytes(random()) & FIRST_RTPTIME_MASK | 1;
    let new = Box::new(NewTrack { track, transport, payloader, stream, first_rtptime });
    session.ask(|reply| Order::AddTrack(new, reply)).ok_or(Status::SessionNotFound)?;
    session.with_state(|state| {
        state.tracks[track] = Some(SetUpTrack { url, ssrc, connection, report: None });
    });
    info!("{}: {}: session {} track {track}: {granted}", exchange.connection.peer, session.file.display(), session.id);
    Ok(TransportSpec { ssrc: granted.protocol.is_rtp().then_some(ssrc), ..granted })
}

/// The payload type of a track: the format's own, or one of the dynamic range (RFC 3551 section 6).
pub(super) fn payload_type(payloader: &dyn Payloader, track: usize) -> u8 {
    payloader.static_payload_type().unwrap_or(96 + (track % 32) as u8)
}

fn new_stream(payload_type: u8, config: &Config) -> RtpStream {
    let (ssrc, sequence) = (u32::from_ne_bytes(random()), u16::from_ne_bytes(random()));
    RtpStream::new(payload_type, ssrc, sequence, config.rtp.udp_max_payload_size)
}
