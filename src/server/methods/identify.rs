//! Who asks, and whether they may. What credentials are worth is decided in [`crate::server::access`]; here it becomes
//! answers, log lines and waits.

use std::net::IpAddr;
use std::path::Path;
use std::time::Instant;

use log::{debug, info, warn};

use super::{Exchange, Refusal};
use crate::rtsp::headers;
use crate::rtsp::{Response, Status, Target};
use crate::server::access::{self, Failure, Verdict};
use crate::server::session::Session;

/// How much of a name goes to the log, in characters.
const NAME_LEN_MAX: usize = 64;

impl Exchange<'_, '_> {
    /// Finds out who asks. The answer to a wrong password is held back here: that costs the worker of this connection,
    /// and nobody else.
    ///
    /// # Errors
    /// 401 without good credentials, 403 from where nobody may see what the URL names or too many guesses came from,
    /// 400 for damaged credentials or those of another request.
    pub(super) fn identify(&mut self) -> Result<(), Refusal> {
        let (shared, peer) = (self.connection.shared, self.connection.peer);
        let (config, address) = (shared.config(), self.peer_address());
        if let Ok(Target::Url(url)) = Target::parse(&self.request.url)
            && !url.path.as_os_str().is_empty()
            && !access::may_network(&config, address, &url.path)
        {
            warn!("{peer}: {} {}: not from this network", self.request.method, self.request.url);
            return Err(Status::Forbidden.into());
        }
        let login = self.connection.login();
        let before = login.user();
        match shared.access.check(&config, self.request, address, login, Instant::now()) {
            Verdict::Granted(user) => {
                if let Some(user) = user.as_ref().filter(|user| before.as_ref() != Some(user)) {
                    info!("{peer}: logged in as {user}");
                }
                self.user = user;
                Ok(())
            }
            Verdict::Challenged { stale } => Err(Refusal::Unauthorized { stale }),
            Verdict::Wrong { user, failure } => {
                self.note_wrong(&user, &failure);
                shared.hold(failure.delay);
                Err(Refusal::Unauthorized { stale: false })
            }
            Verdict::Blocked => {
                debug!("{peer}: {} {}: blocked", self.request.method, self.request.url);
                Err(Status::Forbidden.into())
            }
            Verdict::Malformed(reason) => {
                warn!("{peer}: {} {}: {reason}", self.request.method, self.request.url);
                Err(Status::BadRequest.into())
            }
        }
    }

    fn note_wrong(&self, user: &str, failure: &Failure) {
        let (peer, address) = (self.connection.peer, self.peer_address());
        let user: String = user.chars().take(NAME_LEN_MAX).collect();
        warn!("{peer}: wrong name or password for {user:?}, number {} from {address}", failure.count);
        if failure.blocks {
            let time = self.connection.shared.config().auth.block_time.as_secs();
            warn!("{address}: blocked for {time} s after {} wrong passwords", failure.count);
        }
    }

    /// Whether whoever asks may see `path`.
    ///
    /// # Errors
    /// 403, whether there is such a file or not.
    pub(super) fn permit(&self, path: &Path) -> Result<(), Refusal> {
        let config = self.connection.shared.config();
        if access::may_see(&config, self.user.as_deref(), self.peer_address(), path) {
            return Ok(());
        }
        let (peer, user) = (self.connection.peer, self.user.as_deref().unwrap_or("anybody"));
        warn!("{peer}: {} {}: not for {user}", self.request.method, self.request.url);
        Err(Status::Forbidden.into())
    }

    /// Whether the session is that of whoever asks.
    pub(super) fn owns(&self, session: &Session) -> bool {
        session.belongs_to(self.user.as_deref(), self.peer_address())
    }

    /// As [`Self::identify`], for a method that is open to all. True for whoever may use the session that the request
    /// names: who is known, or logged in before on this connection and named that session.
    pub(super) fn may_use_session(&mut self) -> bool {
        let named = self.request.headers.get("Session").and_then(|value| value.parse::<headers::Session>().ok());
        let Some(named) = named else { return false };
        if self.connection.knows(&named.id) {
            self.user = self.connection.login().user();
            return true;
        }
        self.identify().is_ok()
    }

    /// 401 with what to do about it.
    pub(super) fn challenge(&self, stale: bool) -> Response {
        let shared = self.connection.shared;
        let response = self.response(Status::Unauthorized);
        shared.access.challenge(&shared.config().auth, stale, response, Instant::now())
    }

    fn peer_address(&self) -> IpAddr {
        self.connection.peer.ip().to_canonical()
    }
}
