//! The methods: one file each, and the dispatcher. Adding one is a file and an arm of [`dispatch`].

mod describe;
mod identify;
mod options;
mod parameter;
mod pause;
mod play;
mod setup;
mod target;
mod teardown;
mod way;

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::connection::Connection;
use super::session::Session;
use crate::rtsp::headers::{self, CSeq, Date};
use crate::rtsp::{Method, Request, Response, Status, Version};

pub use describe::describe;

/// What Public and Allow list. Each of these works: clients choose their keepalive by it.
const METHODS: [Method; 8] = [
    Method::Options,
    Method::Describe,
    Method::Setup,
    Method::Teardown,
    Method::Play,
    Method::Pause,
    Method::GetParameter,
    Method::SetParameter,
];

/// A response, and what is to happen once it is on its way.
pub struct Reply {
    /// The response.
    pub response: Response,
    /// What then.
    pub then: Then,
}

/// What happens after a response has been written.
pub enum Then {
    /// The next request.
    Nothing,
    /// This session's packets may leave; none overtakes its response.
    Run(Arc<Session>),
}

/// Why a request is not carried out.
enum Refusal {
    Status(Status),
    /// 455, with the methods that would be valid now (RFC 2326 section 11.3.6).
    State(&'static [Method]),
    /// 401, with challenges (RFC 2326 section 14).
    Unauthorized {
        /// Whether only the nonce was wrong.
        stale: bool,
    },
    /// 551, with the options that are not supported (RFC 2326 section 12.32).
    Options(String),
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

type Outcome = Result<Reply, Refusal>;

/// Carries out a request.
pub fn handle(connection: &mut Connection<'_>, request: &Request) -> Reply {
    let cseq = request.headers.get("CSeq").and_then(|value| value.parse::<CSeq>().ok()).map(|cseq| cseq.0);
    let mut exchange = Exchange { connection, request, cseq, user: None, began: Instant::now() };
    match dispatch(&mut exchange) {
        Ok(reply) => reply,
        Err(refusal) => exchange.refuse(refusal),
    }
}

fn dispatch(exchange: &mut Exchange<'_, '_>) -> Outcome {
    if exchange.request.version != Version::RTSP_1_0 {
        return Err(Status::RtspVersionNotSupported.into());
    }
    if exchange.cseq.is_none() {
        return Err(Status::BadRequest.into());
    }
    let required = headers::lists::required_options(&exchange.request.headers);
    if !required.is_empty() {
        return Err(Refusal::Options(headers::lists::option_list(&required)));
    }
    if METHODS.contains(&exchange.request.method) && exchange.request.method != Method::Options {
        exchange.identify()?;
    }
    match &exchange.request.method {
        Method::Options => options::handle(exchange),
        Method::Describe => describe::handle(exchange),
        Method::Setup => setup::handle(exchange),
        Method::Play => play::handle(exchange),
        Method::Pause => pause::handle(exchange),
        Method::Teardown => teardown::handle(exchange),
        Method::GetParameter | Method::SetParameter => parameter::handle(exchange),
        Method::Announce | Method::Record | Method::Redirect => Err(Status::MethodNotAllowed.into()),
        Method::Extension(_) => Err(Status::NotImplemented.into()),
    }
}

/// One request and the connection it came on.
struct Exchange<'a, 'c> {
    connection: &'a mut Connection<'c>,
    request: &'a Request,
    cseq: Option<u32>,
    /// Who logged in; `None` where nobody has to, and before [`Self::identify`].
    user: Option<String>,
    /// When it had come.
    began: Instant,
}

/// The longest Timestamp that is echoed, in bytes.
const TIMESTAMP_LEN_MAX: usize = 64;

impl Exchange<'_, '_> {
    /// A response with what all of them carry. The client's own time is echoed, with how long we have held it
    /// (RFC 2326 section 12.38).
    fn response(&self, status: Status) -> Response {
        let response = Response::new(status, self.cseq)
            .header("Server", concat!("camreel/", env!("CARGO_PKG_VERSION")))
            .header("Date", Date(SystemTime::now()));
        match self.request.headers.get("Timestamp").filter(|timestamp| timestamp.len() <= TIMESTAMP_LEN_MAX) {
            Some(timestamp) => {
                response.header("Timestamp", format_args!("{timestamp} {:.3}", self.began.elapsed().as_secs_f64()))
            }
            None => response,
        }
    }

    fn ok(&self) -> Response {
        self.response(Status::Ok)
    }

    fn refuse(&self, refusal: Refusal) -> Reply {
        let response = match refusal {
            Refusal::Status(status @ (Status::MethodNotAllowed | Status::NotImplemented)) => {
                self.response(status).header("Allow", headers::lists::method_list(&METHODS))
            }
            Refusal::Status(status) => self.response(status),
            Refusal::State(allowed) => {
                self.response(Status::MethodNotValidInThisState).header("Allow", headers::lists::method_list(allowed))
            }
            Refusal::Unauthorized { stale } => self.challenge(stale),
            Refusal::Options(options) => self.response(Status::OptionNotSupported).header("Unsupported", options),
        };
        Reply::from(response)
    }

    /// The session that the request names, if it names one; that is a sign of life. Those of others do not exist.
    fn named_session(&mut self) -> Result<Option<Arc<Session>>, Refusal> {
        let Some(value) = self.request.headers.get("Session") else { return Ok(None) };
        let id = value.parse::<headers::Session>().map_err(|_| Status::SessionNotFound)?.id;
        let session = self.connection.shared.registry.find(&id).ok_or(Status::SessionNotFound)?;
        if !self.owns(&session) {
            return Err(Status::SessionNotFound.into());
        }
        self.permit(&session.file)?;
        session.note_life();
        self.connection.remember(&session);
        Ok(Some(session))
    }

    /// As [`Self::named_session`], for methods that need one.
    fn session(&mut self) -> Result<Arc<Session>, Refusal> {
        self.named_session()?.ok_or_else(|| Status::SessionNotFound.into())
    }

    /// The response of a method on a session: with its id, as RFC 2326 section 12.37 wants.
    fn ok_in(&self, session: &Session) -> Response {
        self.ok().header("Session", headers::Session { id: session.id.clone(), timeout: None })
    }
}

impl From<Response> for Reply {
    fn from(response: Response) -> Self {
        Self { response, then: Then::Nothing }
    }
}
