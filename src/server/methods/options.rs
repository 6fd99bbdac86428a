//! OPTIONS (RFC 2326 section 10.1). Needs neither a file nor a session; one that is named must exist.

use super::{Exchange, METHODS, Outcome};
use crate::rtsp::headers::lists::method_list;

pub(super) fn handle(exchange: &mut Exchange<'_, '_>) -> Outcome {
    let response = match exchange.named_session()? {
        Some(session) => exchange.ok_in(&session),
        None => exchange.ok(),
    };
    Ok(response.header("Public", method_list(&METHODS)).into())
}
