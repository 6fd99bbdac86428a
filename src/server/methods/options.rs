//! OPTIONS (RFC 2326 section 10.1). Needs neither a file nor a session; one that is named must exist.
//!
//! It is open to all, for VLC takes a 401 here as a sign to try HTTP, and tells nothing about sessions of others. Clients
//! that keep theirs alive with it need not log in again on the connection that they logged in on.

use super::{Exchange, METHODS, Outcome};
use crate::rtsp::headers::lists::method_list;

pub(super) fn handle(exchange: &mut Exchange<'_, '_>) -> Outcome {
    let session = if exchange.may_use_session() { exchange.named_session()? } else { None };
    let response = match session {
        Some(session) => exchange.ok_in(&session),
        None => exchange.ok(),
    };
    Ok(response.header("Public", method_list(&METHODS)).into())
}
