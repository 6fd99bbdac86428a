//! PLAY (RFC 2326 section 10.5).
//!
//! The RFC has a range wait until the one before it has been played. Clients that seek without PAUSE expect to be
//! moved at once instead. Both get what they mean: a range waits if it starts at or behind the end that was asked for
//! with the one before, as in the RFC's example; any other takes effect at once.

use std::time::{Instant, SystemTime};

use log::warn;

use super::setup::{blocksize, packet_len_max};
use super::target::session_tracks;
use super::{Exchange, Outcome, Refusal, Reply, Then};
use crate::player::{PlayError, PlayPoint, PlayRequest, Rate};
use crate::rtp::HEADER_LEN;
use crate::rtsp::headers::range::effective_time;
use crate::rtsp::headers::{Blocksize, NptTime, Range, RangeError, RtpInfo, RtpInfoStream, Scale, Speed};
use crate::rtsp::{Method, Response, Status};
use crate::server::session::{Session, SessionState};
use crate::server::streamer::Order;
use crate::time::MediaTime;

pub(super) fn handle(exchange: &mut Exchange<'_, '_>) -> Outcome {
    let session = exchange.session()?;
    let tracks = session_tracks(exchange, &session)?;
    if tracks.is_empty() {
        return Err(Refusal::State(&[Method::Setup, Method::Teardown]));
    }
    let request = wanted(exchange)?;
    let packet_len_max = blocksize(exchange)?.map(|size| packet_len_max(&exchange.connection.shared.config(), size));
    let moves = request.start.is_some() || request.rate.is_some();
    if moves && session.with_state(|state| state.is_playing && plays_others(state, &tracks)) {
        // One track cannot be moved while others play on: they share a timeline.
        return Err(Status::OnlyAggregateOperationAllowed.into());
    }
    let point = play(exchange, &session, tracks.clone(), request)?;
    let mut response = exchange.ok_in(&session).header("Range", range(&point));
    if !point.tracks.is_empty() {
        // Of a range that waits for its turn nobody knows yet at which packet that will be.
        response = response.header("RTP-Info", rtp_info(&session, &point));
    }
    response = with_rate(exchange, response, point.rate);
    if let Some(len) = packet_len_max.filter(|_| !session.is_in_group()) {
        let _ = session.order(Order::LimitPackets(tracks, len));
        response = response.header("Blocksize", Blocksize((len - HEADER_LEN) as u32));
    }
    Ok(Reply { response, then: Then::Run(session) })
}

/// Has the streaming thread prepare playback.
pub(super) fn play(
    exchange: &Exchange<'_, '_>,
    session: &Session,
    tracks: Vec<usize>,
    request: PlayRequest,
) -> Result<PlayPoint, Refusal> {
    let answer = session.ask(|reply| Order::Play(tracks, request, reply)).ok_or(Status::SessionNotFound)?;
    let point = answer.map_err(|error| match error {
        PlayError::Range => Status::InvalidRange,
        PlayError::QueueFull => Status::ServiceUnavailable,
        PlayError::Media(error) => {
            warn!("{}: {}: cannot play: {error}", exchange.connection.peer, session.file.display());
            session.with_state(|state| state.is_playing = false);
            Status::InternalServerError
        }
    })?;
    session.with_state(|state| state.is_playing = true);
    Ok(point)
}

fn plays_others(state: &SessionState, tracks: &[usize]) -> bool {
    state.tracks.iter().enumerate().any(|(track, set_up)| set_up.is_some() && !tracks.contains(&track))
}

/// What the headers ask for.
pub(super) fn wanted(exchange: &Exchange<'_, '_>) -> Result<PlayRequest, Refusal> {
    let headers = &exchange.request.headers;
    let scale = headers.get("Scale").map(str::parse::<Scale>).transpose().map_err(|_| Status::BadRequest)?;
    let speed = headers.get("Speed").map(str::parse::<Speed>).transpose().map_err(|_| Status::BadRequest)?;
    // Without either, a range is played as it was recorded, and a PLAY of nothing else changes nothing.
    let is_asked = scale.is_some() || speed.is_some();
    let rate = Rate::new(scale.map_or(1.0, |scale| scale.0), speed.map_or(1.0, |speed| speed.0));
    let all_begin = waits_for_all_tracks(exchange);
    let mut request = PlayRequest { rate: is_asked.then_some(rate), all_begin, ..PlayRequest::default() };
    if let Some(value) = headers.get("Range") {
        (request.start, request.end) = wanted_range(value)?;
        request.not_before = effective_time(value).map_err(|_| Status::BadRequest)?.and_then(instant_of);
        request.rate = Some(rate);
    }
    Ok(request)
}

/// GStreamer shows nothing before each track has begun, so a silent one would keep it waiting for ever.
fn waits_for_all_tracks(exchange: &Exchange<'_, '_>) -> bool {
    exchange.request.headers.get("User-Agent").is_some_and(|agent| agent.starts_with("GStreamer/"))
}

/// Start and end of a range; `None` for a start means to go on.
fn wanted_range(value: &str) -> Result<(Option<MediaTime>, Option<MediaTime>), Refusal> {
    match parsed(value.parse())? {
        Range::Npt { start: Some(NptTime::At(start)), end } => Ok((Some(start), end)),
        Range::Npt { start: Some(NptTime::Now) | None, end } => Ok((None, end)),
        Range::Smpte { start, end } => Ok((Some(start), end)),
        // No recording has a time of day.
        Range::Clock { .. } => Err(Status::InvalidRange.into()),
    }
}

/// The range, or what a client is told whose range cannot be understood.
pub(super) fn parsed(range: Result<Range, RangeError>) -> Result<Range, Refusal> {
    range.map_err(|error| match error {
        RangeError::Malformed => Status::BadRequest.into(),
        RangeError::UnknownUnit => Status::NotImplemented.into(),
    })
}

/// A time of day as one of the clock that playback goes by; `None` if it has passed, or will not come.
fn instant_of(time: SystemTime) -> Option<Instant> {
    let wait = time.duration_since(SystemTime::now()).ok()?;
    Instant::now().checked_add(wait)
}

/// What is played. The recording's own end is left open, as LIVE555 has it: GStreamer cuts every track off at the end
/// it is told, counted from its first sample, and so loses the last pictures where the sound begins with priming
/// samples. Backwards, an open end would mean the other one.
fn range(point: &PlayPoint) -> Range {
    let first = point.rate.is_backwards().then_some(MediaTime::ZERO);
    Range::npt(point.start, point.end.or(first))
}

/// Whoever asks for a rate is told the one there is, or takes the one asked for as granted. Of a Scale without a Speed
/// GStreamer thinks that timestamps tell media time, and drops what then seems late; so they come together.
fn with_rate(exchange: &Exchange<'_, '_>, response: Response, rate: Rate) -> Response {
    let is_asked = |header| exchange.request.headers.get(header).is_some();
    let tells_scale = is_asked("Scale") || rate.scale != 1.0;
    let response = if tells_scale { response.header("Scale", Scale(rate.scale)) } else { response };
    let tells_speed = is_asked("Speed") || rate != Rate::NORMAL;
    if tells_speed { response.header("Speed", Speed(rate.speed)) } else { response }
}

/// Every track, in the order of SETUP's URLs, which must be repeated as they were.
fn rtp_info(session: &Session, point: &PlayPoint) -> RtpInfo {
    session.with_state(|state| {
        let streams = point.tracks.iter().filter_map(|(track, seq, rtptime)| {
            let url = state.tracks[*track].as_ref()?.url.clone();
            Some(RtpInfoStream { url, seq: *seq, rtptime: *rtptime })
        });
        RtpInfo(streams.collect())
    })
}
