//! TEARDOWN (RFC 2326 section 10.7): of one track, or of all and with them the session.

use super::target::session_tracks;
use super::{Exchange, Outcome};
use crate::server::streamer::{EndReason, Order};

pub(super) fn handle(exchange: &mut Exchange<'_, '_>) -> Outcome {
    let session = exchange.session()?;
    let tracks = session_tracks(exchange, &session)?;
    let is_last = session.with_state(|state| {
        let mut others = state.tracks.iter().enumerate().filter(|(_, set_up)| set_up.is_some());
        others.all(|(track, _)| tracks.contains(&track))
    });
    // A thread that does not answer has ended already, or will when its client's write times out.
    if is_last {
        let _ = session.ask(|reply| Order::End(EndReason::Teardown, Some(reply)));
        return Ok(exchange.ok().into());
    }
    for track in tracks {
        let _ = session.ask(|reply| Order::RemoveTrack(track, reply));
        session.with_state(|state| state.tracks[track] = None);
    }
    Ok(exchange.ok_in(&session).into())
}
