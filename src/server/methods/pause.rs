//! PAUSE (RFC 2326 section 10.6).

use super::target::session_tracks;
use super::{Exchange, Outcome};
use crate::rtsp::Status;
use crate::server::streamer::Order;

/// A session that does not play is paused already: 200. VLC sends PAUSE before each seek, also after the end, and
/// gives up the seek on an error.
pub(super) fn handle(exchange: &mut Exchange<'_, '_>) -> Outcome {
    let session = exchange.session()?;
    let tracks = session_tracks(exchange, &session)?;
    session.ask(|reply| Order::Pause(tracks, reply)).ok_or(Status::SessionNotFound)?;
    Ok(exchange.ok_in(&session).into())
}
