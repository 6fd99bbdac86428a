//! GET_PARAMETER and SET_PARAMETER (RFC 2326 sections 10.8 and 10.9). Without a body they are keepalives: VLC, FFmpeg
//! and GStreamer choose them by Public. No parameter is known.

use super::{Exchange, Outcome};
use crate::rtsp::Status;

pub(super) fn handle(exchange: &mut Exchange<'_, '_>) -> Outcome {
    let session = exchange.named_session()?;
    if !exchange.request.body.trim_ascii().is_empty() {
        return Err(Status::ParameterNotUnderstood.into());
    }
    Ok(match session {
        Some(session) => exchange.ok_in(&session).into(),
        None => exchange.ok().into(),
    })
}
