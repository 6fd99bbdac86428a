//! PLAY (RFC 2326 section 10.5).

use log::warn;

use super::target::session_tracks;
use super::{Exchange, Outcome, Refusal, Reply, Then};
use crate::player::{PlayPoint, PlayRequest};
use crate::rtsp::headers::{NptTime, Range, RangeError, RtpInfo, RtpInfoStream};
use crate::rtsp::{Method, Status};
use crate::server::session::Session;
use crate::server::streamer::Order;
use crate::time::MediaTime;

pub(super) fn handle(exchange: &mut Exchange<'_, '_>) -> Outcome {
    let session = exchange.session()?;
    let tracks = session_tracks(exchange, &session)?;
    if tracks.is_empty() {
        return Err(Refusal::State(&[Method::Setup, Method::Teardown]));
    }
    let (start, end) = wanted_range(exchange, session.recording.duration())?;
    if start.is_some() && session.with_state(|state| state.is_playing && plays_others(state, &tracks)) {
        // One track cannot be moved while others play on: they share a timeline.
        return Err(Status::OnlyAggregateOperationAllowed.into());
    }
    let request = PlayRequest { start, end, ..PlayRequest::default() };
    let order = |reply| Order::Play(tracks, request, reply);
    let point = match session.ask(order) {
        None => return Err(Status::SessionNotFound.into()),
        Some(Err(error)) => {
            warn!("{}: {}: cannot play: {error}", exchange.connection.peer, session.file.display());
            return Err(Status::InternalServerError.into());
        }
        Some(Ok(point)) => point,
    };
    session.with_state(|state| state.is_playing = true);
    // The recording's own end is left open, as LIVE555 has it: GStreamer cuts every track off at the end it is told,
    // counted from its first sample, and so loses the last pictures where the sound begins with priming samples.
    let mut response = exchange
        .ok_in(&session)
        .header("Range", Range::npt(point.start, point.end))
        .header("RTP-Info", rtp_info(&session, &point));
    // Whoever asks for a rate is told the one there is, or takes the one asked for as granted.
    for header in ["Scale", "Speed"] {
        if exchange.request.headers.get(header).is_some() {
            response = response.header(header, "1.0");
        }
    }
    Ok(Reply { response, then: Then::Run(session) })
}

fn plays_others(state: &crate::server::session::SessionState, tracks: &[usize]) -> bool {
    state.tracks.iter().enumerate().any(|(track, set_up)| set_up.is_some() && !tracks.contains(&track))
}

/// Start and end of what is asked for; `None` for a start means to go on.
fn wanted_range(
    exchange: &Exchange<'_, '_>,
    duration: Option<MediaTime>,
) -> Result<(Option<MediaTime>, Option<MediaTime>), Refusal> {
    let Some(value) = exchange.request.headers.get("Range") else { return Ok((None, None)) };
    let range = match value.parse::<Range>() {
        Ok(range) => range,
        Err(RangeError::Malformed) => return Err(Status::BadRequest.into()),
        Err(RangeError::UnknownUnit) => return Err(Status::NotImplemented.into()),
    };
    let reversed = range.is_reversed();
    let Range::Npt { start, end } = range else { return Err(Status::InvalidRange.into()) };
    let start = match start {
        Some(NptTime::At(start)) => Some(start),
        Some(NptTime::Now) | None => None,
    };
    let is_beyond = duration.zip(start).is_some_and(|(duration, start)| start > duration);
    if is_beyond || reversed {
        return Err(Status::InvalidRange.into());
    }
    // An end at or beyond that of the recording is no bound; rounded, it might cut off the last sample.
    let end = end.filter(|end| duration.is_none_or(|duration| *end + MediaTime::from_millis(1) < duration));
    Ok((start, end))
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
