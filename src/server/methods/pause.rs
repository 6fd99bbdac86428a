//! PAUSE (RFC 2326 section 10.6): at once, or at a point in time to come.

use super::play::parsed;
use super::target::session_tracks;
use super::{Exchange, Outcome};
use crate::rtsp::Status;
use crate::rtsp::headers::{NptTime, Range};
use crate::server::streamer::Order;
use crate::time::MediaTime;

/// A session that does not play is paused already: 200. VLC sends PAUSE before each seek, also after the end, and
/// gives up the seek on an error.
pub(super) fn handle(exchange: &mut Exchange<'_, '_>) -> Outcome {
    let session = exchange.session()?;
    let tracks = session_tracks(exchange, &session)?;
    let point = match exchange.request.headers.get("Range") {
        None => None,
        Some(value) => point_in(parsed(Range::parse_point(value))?)?,
    };
    let Some(point) = point else {
        session.ask(|reply| Order::Pause(tracks, reply)).ok_or(Status::SessionNotFound)?;
        return Ok(exchange.ok_in(&session).into());
    };
    let set_up_count = session.with_state(|state| state.tracks.iter().flatten().count());
    if tracks.len() < set_up_count {
        // They share a timeline, so they reach the point together.
        return Err(Status::OnlyAggregateOperationAllowed.into());
    }
    let answer = session.ask(|reply| Order::PauseAt(point, reply)).ok_or(Status::SessionNotFound)?;
    answer.map_err(|_| Status::InvalidRange)?;
    Ok(exchange.ok_in(&session).into())
}

/// The pause point; `None` is now.
fn point_in(range: Range) -> Result<Option<MediaTime>, Status> {
    match range {
        Range::Npt { start: Some(NptTime::At(point)), .. } => Ok(Some(point)),
        Range::Npt { .. } => Ok(None),
        Range::Smpte { start, .. } => Ok(Some(start)),
        Range::Clock { .. } => Err(Status::InvalidRange),
    }
}
