//! SETUP (RFC 2326 section 10.4): one track, one way out. The first one makes the session and its streaming thread.

use std::sync::Arc;
use std::time::Instant;

use log::{info, warn};

use super::target::{lookup_failed, target};
use super::way::{self, Ways};
use super::{Exchange, Outcome, Refusal};
use crate::config::Config;
use crate::media::container::Options;
use crate::media::{Codec, Recording};
use crate::player::Player;
use crate::rtp::{Payloader, payloader_for};
use crate::rtsp::headers::{self, Protocol, TransportSpec};
use crate::rtsp::{Method, Status, Url};
use crate::server::group::Group;
use crate::server::session::{Orders, Session, SetUpTrack, random, random_id};
use crate::server::streamer::{self, NewTrack, Order};

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
    let group = exchange.connection.shared.groups.find(&target.path);
    let recording = match &known {
        Some(session) => Arc::clone(&session.recording),
        None => open_recording(exchange, &target, group, &config)?,
    };
    let (track, codec) = track(&*recording, &target)?;
    let payloader = payloader_for(codec).map_err(|_| Status::NotFound)?;
    let spec = way::choose(exchange, &Ways { track, codec, group, known: known.as_deref() }, &config)?;
    let is_new = known.is_none();
    let group = group.filter(|_| spec.multicast);
    let session = match known {
        Some(session) => session,
        None => create_session(exchange, &target, recording, group, &config)?,
    };
    let set_up = match group {
        Some(group) => Ok(set_up_in_group(exchange, &session, track, group)),
        None => set_up_track(exchange, &session, track, payloader, &spec, &config),
    };
    if set_up.is_err() && is_new {
        let _ = session.order(Order::End(streamer::EndReason::Teardown, None));
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

/// What is at the path; of a group's channel, what goes to the group now.
fn open_recording(
    exchange: &Exchange<'_, '_>,
    target: &Url,
    group: Option<&Arc<Group>>,
    config: &Config,
) -> Result<Arc<dyn Recording>, Refusal> {
    if let Some(running) = group.and_then(|group| group.running()) {
        return Ok(running);
    }
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

/// Makes a session for a recording: with a streaming thread of its own, or as a viewer of a group.
fn create_session(
    exchange: &mut Exchange<'_, '_>,
    target: &Url,
    recording: Arc<dyn Recording>,
    group: Option<&Arc<Group>>,
    config: &Config,
) -> Result<Arc<Session>, Refusal> {
    let shared = exchange.connection.shared;
    let peer = exchange.connection.peer;
    let client = (peer.ip().to_canonical(), exchange.user.clone());
    let new = |orders| {
        let session = Arc::new(Session::new(random_id(), target.path.clone(), Arc::clone(&recording), client, orders));
        if shared.registry.add(Arc::clone(&session), config.limits.sessions) {
            return Ok(session);
        }
        warn!("{peer}: refused, there are {} sessions already", config.limits.sessions);
        Err(Refusal::from(Status::ServiceUnavailable))
    };
    let (session, started, refusal) = match group {
        Some(group) => {
            let session = new(group.orders())?;
            let joined = group.join(&session);
            (session, joined, Status::UnsupportedTransport)
        }
        None => {
            let player = Player::new(Arc::clone(&recording), streamer::pacing(config), Instant::now());
            let player = player.map_err(|error| {
                warn!("{peer}: {}: {error}", exchange.request.url);
                Status::InternalServerError
            })?;
            let (orders, receiver) = crossbeam_channel::bounded(0);
            let session = new(Orders::Streamer(orders))?;
            let spawned = streamer::spawn(shared, &session, player, receiver);
            (session, spawned, Status::ServiceUnavailable)
        }
    };
    if let Err(error) = started {
        shared.registry.remove(&session.id);
        warn!("{peer}: {}: no session: {error}", exchange.request.url);
        return Err(refusal.into());
    }
    exchange.connection.remember(&session);
    Ok(session)
}

/// Notes that a viewer of a group wants this track, which goes to the group in any case.
fn set_up_in_group(exchange: &Exchange<'_, '_>, session: &Arc<Session>, track: usize, group: &Group) -> TransportSpec {
    let url = exchange.request.url.clone();
    let set_up = SetUpTrack { url, ssrc: group.ssrc(track), connection: None, report: None };
    session.with_state(|state| state.tracks[track] = Some(set_up));
    let granted = group.transport(track);
    info!("{}: {}: session {} track {track}: {granted}", exchange.connection.peer, session.file.display(), session.id);
    granted
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
    let ssrc = u32::from_ne_bytes(random());
    let (transport, granted) = way::open(exchange, session, track, spec, config)?;
    let url = exchange.request.url.clone();
    let connection = matches!(granted.protocol, Protocol::RtpTcp).then_some(exchange.connection.number);
    let new = Box::new(NewTrack::new(track, transport, payloader, ssrc, config));
    session.ask(|reply| Order::AddTrack(new, reply)).ok_or(Status::SessionNotFound)?;
    session.with_state(|state| {
        state.tracks[track] = Some(SetUpTrack { url, ssrc, connection, report: None });
    });
    info!("{}: {}: session {} track {track}: {granted}", exchange.connection.peer, session.file.display(), session.id);
    Ok(TransportSpec { ssrc: granted.protocol.is_rtp().then_some(ssrc), ..granted })
}
