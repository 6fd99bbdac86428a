//! SETUP (RFC 2326 section 10.4): one track, one way out. The first one makes the session and its streaming thread.
//!
//! A track that is set up may be set up again, even while it plays: its packets then go another way, and nothing else
//! changes. With Range or x-playNow, as QuickTime sends them, a track plays as soon as it is set up.

use std::sync::Arc;
use std::time::Instant;

use log::{info, warn};

use super::target::{lookup_failed, target};
use super::way::{self, Ways};
use super::{Exchange, Outcome, Refusal, Reply, Then, play};
use crate::config::Config;
use crate::media::container::Options;
use crate::media::{Codec, Recording};
use crate::player::{PlayRequest, Player};
use crate::rtp::{HEADER_LEN, Payloader, payloader_for};
use crate::rtsp::headers::{self, Blocksize, Protocol, TransportSpec};
use crate::rtsp::{Method, Status, Url};
use crate::server::group::Group;
use crate::server::session::{Orders, Session, SetUpTrack, random, random_id};
use crate::server::streamer::{self, NewTrack, Order};

/// Clients that send their keepalive exactly when the timeout ends get this much grace (Windows Media Foundation).
const TIMEOUT_GRACE_SECS: u64 = 5;
/// The smallest Blocksize that is granted, in bytes: below it, headers would outweigh what they carry.
const BLOCKSIZE_MIN: u32 = 128;

pub(super) fn handle(exchange: &mut Exchange<'_, '_>) -> Outcome {
    let blocksize = blocksize(exchange)?;
    let config = with_blocksize(exchange.connection.shared.config(), blocksize);
    let play = play_at_once(exchange)?;
    let known = exchange.named_session()?;
    let target = target(exchange)?;
    if known.as_ref().is_some_and(|session| session.file != target.path) {
        return Err(Status::AggregateOperationNotAllowed.into());
    }
    let group = exchange.connection.shared.groups.find(&target.path);
    let recording = match &known {
        Some(session) => Arc::clone(&session.recording),
        None => open_recording(exchange, &target, group, &config)?,
    };
    let (track, codec) = track(&*recording, &target)?;
    if let Some(session) = &known
        && session.with_state(|state| state.is_playing && (session.is_in_group() || state.tracks[track].is_none()))
        && play.is_none()
    {
        // A track cannot join in the middle without being told to play.
        return Err(Refusal::State(&[Method::Play, Method::Pause, Method::Teardown]));
    }
    let payloader = payloader_for(codec, &exchange.connection.shared.payload_options).map_err(|_| Status::NotFound)?;
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
    // What a group plays is begun by PLAY alone.
    let must_run = play.is_some() || !is_new && !session.is_in_group();
    let playing = set_up.and_then(|granted| {
        play.map_or(Ok(()), |request| begin(exchange, &session, track, request))?;
        Ok(granted)
    });
    if playing.is_err() && is_new {
        // So that its channels are free before another one asks for them.
        let _ = session.ask(|reply| Order::End(streamer::EndReason::Teardown, Some(reply)));
    }
    let granted = playing?;
    let timeout = config.rtsp.session_timeout.as_secs();
    let announced = timeout.saturating_sub(TIMEOUT_GRACE_SECS).max(timeout / 2) as u32;
    let response = exchange
        .ok()
        .header("Session", headers::Session { id: session.id.clone(), timeout: Some(announced) })
        .header("Transport", granted);
    let response = match blocksize.filter(|_| !session.is_in_group()) {
        Some(_) => response.header("Blocksize", Blocksize((config.rtp.udp_max_payload_size - HEADER_LEN) as u32)),
        None => response,
    };
    Ok(Reply { response, then: if must_run { Then::Run(session) } else { Then::Nothing } })
}

/// What a Blocksize allows (RFC 2326 section 12.7), as a configuration. It counts no RTP header.
fn with_blocksize(config: Arc<Config>, blocksize: Option<Blocksize>) -> Arc<Config> {
    let Some(blocksize) = blocksize else { return config };
    let mut config = Config::clone(&config);
    config.rtp.udp_max_payload_size = packet_len_max(&config, blocksize);
    Arc::new(config)
}

/// The longest packet that a Blocksize and the configuration allow.
pub(super) fn packet_len_max(config: &Config, Blocksize(blocksize): Blocksize) -> usize {
    (blocksize.max(BLOCKSIZE_MIN) as usize).saturating_add(HEADER_LEN).min(config.rtp.udp_max_payload_size)
}

/// The packet size that the client wants, if it says so.
///
/// # Errors
/// 400 for what is no number.
pub(super) fn blocksize(exchange: &Exchange<'_, '_>) -> Result<Option<Blocksize>, Refusal> {
    let value = exchange.request.headers.get("Blocksize");
    let blocksize = value.map(str::parse::<Blocksize>).transpose().map_err(|_| Status::BadRequest)?;
    if blocksize == Some(Blocksize(0)) { Err(Status::BadRequest.into()) } else { Ok(blocksize) }
}

/// What is to be played as soon as the track is set up, if that is asked for.
fn play_at_once(exchange: &Exchange<'_, '_>) -> Result<Option<PlayRequest>, Refusal> {
    let is_asked = ["Range", "x-playNow"].iter().any(|header| exchange.request.headers.get(header).is_some());
    is_asked.then(|| play::wanted(exchange)).transpose()
}

/// Plays a track that was just set up; where others play already, along with them.
fn begin(exchange: &Exchange<'_, '_>, session: &Session, track: usize, request: PlayRequest) -> Result<(), Refusal> {
    let is_playing = session.with_state(|state| state.is_playing);
    let request = if is_playing { PlayRequest::default() } else { request };
    play::play(exchange, session, vec![track], request).map(drop)
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
    let known_ssrc = session.with_state(|state| state.tracks[track].as_ref().map(|set_up| set_up.ssrc));
    let ssrc = known_ssrc.unwrap_or_else(|| u32::from_ne_bytes(random()));
    let (transport, granted) = way::open(exchange, session, track, spec, config)?;
    let url = exchange.request.url.clone();
    let connection = matches!(granted.protocol, Protocol::RtpTcp).then_some(exchange.connection.number);
    let done = if known_ssrc.is_some() {
        session.ask(|reply| Order::MoveTrack(track, transport, config.rtp.udp_max_payload_size, reply))
    } else {
        let new = Box::new(NewTrack::new(track, transport, payloader, ssrc, config));
        session.ask(|reply| Order::AddTrack(new, reply))
    };
    done.ok_or(Status::SessionNotFound)?;
    session.with_state(|state| {
        state.tracks[track] = Some(SetUpTrack { url, ssrc, connection, report: None });
    });
    info!("{}: {}: session {} track {track}: {granted}", exchange.connection.peer, session.file.display(), session.id);
    Ok(TransportSpec { ssrc: granted.protocol.is_rtp().then_some(ssrc), ..granted })
}
