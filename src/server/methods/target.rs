//! What the URL of a request is about.

use log::warn;

use super::{Exchange, Refusal};
use crate::library::LookupError;
use crate::rtsp::url::UrlError;
use crate::rtsp::{Status, Target, Url};
use crate::server::session::Session;

/// The file and track that the URL names.
///
/// # Errors
/// 404 for a path that climbs or cannot be one, 400 for what is no URL or names no file, 403 for one that the client
/// may not see.
pub(super) fn target(exchange: &Exchange<'_, '_>) -> Result<Url, Refusal> {
    match Target::parse(&exchange.request.url) {
        Ok(Target::Url(url)) => exchange.permit(&url.path).map(|()| url),
        Ok(Target::Server) => Err(Status::BadRequest.into()),
        Err(error) => {
            warn!("{}: {} {}: {error}", exchange.connection.peer, exchange.request.method, exchange.request.url);
            Err(Refusal::Status(match error {
                UrlError::Parent | UrlError::EscapedSlash | UrlError::Nul => Status::NotFound,
                UrlError::Scheme | UrlError::Port => Status::BadRequest,
            }))
        }
    }
}

/// The tracks of a session that the URL is about: one, or all that are set up.
///
/// # Errors
/// 404 when the URL names another file, or a track that is not set up.
pub(super) fn session_tracks(exchange: &Exchange<'_, '_>, session: &Session) -> Result<Vec<usize>, Refusal> {
    let target = target(exchange)?;
    if target.path != session.file {
        return Err(Status::NotFound.into());
    }
    let set_up: Vec<usize> = session.with_state(|state| {
        let tracks = state.tracks.iter().enumerate();
        tracks.filter(|(_, set_up)| set_up.is_some()).map(|(track, _)| track).collect()
    });
    match target.track.map(|track| track as usize) {
        None => Ok(set_up),
        Some(track) if set_up.contains(&track) => Ok(vec![track]),
        Some(_) => Err(Status::NotFound.into()),
    }
}

/// Why a lookup failed, for the log and as a status.
pub(super) fn lookup_failed(exchange: &Exchange<'_, '_>, error: &LookupError) -> Refusal {
    warn!("{}: {} {}: {error}", exchange.connection.peer, exchange.request.method, exchange.request.url);
    match error {
        LookupError::Refused(_) => Status::NotFound.into(),
        LookupError::Media(_) => Status::UnsupportedMediaType.into(),
    }
}
