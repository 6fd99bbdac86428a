//! Who is let in: users, what they may see, and what becomes of those who guess.
//!
//! The formats of challenges and credentials are in [`crate::rtsp::auth`]. Nothing here waits: who is to wait is told
//! so, and does it in a worker of its own.

mod failures;
mod nonces;

use std::net::IpAddr;
use std::path::Path;
use std::time::Instant;

use crate::config::{Auth, AuthMethod, Config, Permission, User};
use crate::rtsp::auth::{Algorithm, Authorization, Basic, Challenge, Digest, Ha1};
use crate::rtsp::{Request, Response, Target};
use crate::sync::Leaf;
pub use failures::Failure;
use failures::Failures;
use nonces::Nonces;

/// What the server remembers of nonces and of wrong passwords.
#[derive(Debug)]
pub struct Access {
    nonces: Nonces,
    failures: Failures,
}

/// Who logged in on a connection, and with what; both halves of a tunnel share it.
#[derive(Debug, Default)]
pub struct Login {
    proven: Leaf<Option<Proven>>,
}

#[derive(Debug, Clone, PartialEq)]
struct Proven {
    user: String,
    /// `None` with Basic.
    nonce: Option<String>,
}

/// What credentials are worth.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Come in: as this user, or as nobody in particular where there are no users.
    Granted(Option<String>),
    /// Log in first. `stale`: the proof was right, but its nonce must be a new one.
    Challenged {
        /// As the challenge has it.
        stale: bool,
    },
    /// This was not the password.
    Wrong {
        /// Who it claimed to be.
        user: String,
        /// What follows.
        failure: Failure,
    },
    /// Too many wrong passwords came from there.
    Blocked,
    /// These are no credentials, or those of another request; the reason, for the log.
    Malformed(String),
}

impl Access {
    /// Starts with nothing remembered.
    pub fn new(key: [u8; 32], now: Instant) -> Self {
        Self { nonces: Nonces::new(key, now), failures: Failures::default() }
    }

    /// Looks at the credentials of a request from `peer`, on a connection where `login` happened.
    pub fn check(&self, config: &Config, request: &Request, peer: IpAddr, login: &Login, now: Instant) -> Verdict {
        if config.users.is_empty() {
            return Verdict::Granted(None);
        }
        let Some(value) = request.headers.get("Authorization") else { return Verdict::Challenged { stale: false } };
        let Auth { methods, algorithms, realm, .. } = &config.auth;
        let authorization = match Authorization::parse(value) {
            Ok(authorization) => authorization,
            Err(error) => return Verdict::Malformed(error.to_string()),
        };
        let user = match &authorization {
            Authorization::Basic(basic) if methods.contains(&AuthMethod::Basic) => &basic.user,
            Authorization::Digest(digest)
                if methods.contains(&AuthMethod::Digest)
                    && algorithms.contains(&digest.algorithm)
                    && digest.realm == *realm =>
            {
                &digest.user
            }
            // Not what was asked for, so nothing was guessed.
            _ => return Verdict::Challenged { stale: false },
        };
        let proven = login.proven.with(|proven| proven.clone());
        let is_known_here = proven.as_ref().is_some_and(|proven| proven.user == *user);
        if !is_known_here && self.failures.is_blocked(peer, &config.auth, now) {
            return Verdict::Blocked;
        }
        let is_right = match &authorization {
            Authorization::Basic(basic) => is_password(config, basic),
            Authorization::Digest(digest) => is_proof(config, digest, request),
            Authorization::Other => false,
        };
        if !is_right {
            let failure = self.failures.note(peer, &config.auth, now);
            return Verdict::Wrong { user: user.clone(), failure };
        }
        let nonce = match &authorization {
            Authorization::Digest(digest) => {
                if !is_same_file(&digest.uri, &request.url) {
                    return Verdict::Malformed(format!("credentials for {:?}", digest.uri));
                }
                let pinned = proven.as_ref().and_then(|proven| proven.nonce.as_deref());
                if !self.is_good_nonce(digest, &config.auth, pinned, now) {
                    return Verdict::Challenged { stale: true };
                }
                Some(digest.nonce.clone())
            }
            _ => None,
        };
        let new = Proven { user: user.clone(), nonce };
        login.proven.with(|proven| *proven = Some(new));
        Verdict::Granted(Some(user.clone()))
    }

    /// A nonce of ours that is young, or that this connection has logged in with: there LIVE555 lets none expire
    /// either, and ExoPlayer takes a second 401 for the end. With `qop`, each count is good once.
    fn is_good_nonce(&self, digest: &Digest, auth: &Auth, pinned: Option<&str>, now: Instant) -> bool {
        let Some(issued) = self.nonces.issue_time(&digest.nonce) else { return false };
        let is_young = now.saturating_duration_since(issued) <= auth.nonce_lifetime;
        let is_fresh = is_young || pinned == Some(&digest.nonce);
        let is_first_use = |nc| self.nonces.use_once(&digest.nonce, nc, issued, auth.nonce_lifetime, now);
        is_fresh && digest.count.as_ref().is_none_or(|count| is_first_use(count.nc))
    }

    /// Adds the challenges to a 401.
    ///
    /// One header each, and the order matters: FFmpeg, GStreamer and LIVE555 (VLC) take the last Digest they find,
    /// whether they have its algorithm or not, and prefer it to Basic. ExoPlayer takes the first Digest; its older
    /// versions take the last header. So MD5 comes last, and with MD5 alone everybody is content.
    pub fn challenge(&self, auth: &Auth, stale: bool, mut response: Response, now: Instant) -> Response {
        const HEADER: &str = "WWW-Authenticate";
        let realm = &*auth.realm;
        if auth.methods.contains(&AuthMethod::Basic) {
            response = response.header(HEADER, Challenge::Basic { realm });
        }
        if auth.methods.contains(&AuthMethod::Digest) {
            let offered = [Algorithm::Sha256, Algorithm::Md5];
            for algorithm in offered.into_iter().filter(|algorithm| auth.algorithms.contains(algorithm)) {
                let nonce = self.nonces.issue(now);
                response = response.header(HEADER, Challenge::Digest { realm, nonce: &nonce, algorithm, stale });
            }
        }
        response
    }
}

impl Login {
    /// Who logged in last.
    pub fn user(&self) -> Option<String> {
        self.proven.with(|proven| proven.as_ref().map(|proven| proven.user.clone()))
    }
}

fn find<'a>(config: &'a Config, name: &str) -> Option<&'a User> {
    config.users.iter().find(|user| user.name == name)
}

fn is_password(config: &Config, basic: &Basic) -> bool {
    find(config, &basic.user).is_some_and(|user| user.has_password(&config.auth.realm, &basic.password))
}

fn is_proof(config: &Config, digest: &Digest, request: &Request) -> bool {
    let ha1 = find(config, &digest.user).and_then(|user| user.ha1(digest.algorithm, &config.auth.realm));
    // For who does not exist the same is computed, so that time does not tell who does.
    let is_user = ha1.is_some();
    let ha1 = ha1.unwrap_or_else(|| Ha1::new(digest.algorithm, &digest.user, &config.auth.realm, b""));
    digest.is_proof_of(&ha1, request.method.as_str()) && is_user
}

/// Whether the URL that was hashed names the file that the request does. The rest may differ: VLC hashes the base URL
/// in SETUP, with its slash at the end; Bosch's clients leave out scheme and host; HappyTime's leave out the slash.
fn is_same_file(hashed: &str, requested: &str) -> bool {
    match (Target::parse(hashed), Target::parse(requested)) {
        (Ok(Target::Url(hashed)), Ok(Target::Url(requested))) => hashed.path == requested.path,
        _ => hashed == requested,
    }
}

/// Whether any user could see `path` from there; who could not is not even asked for a name.
pub fn may_network(config: &Config, peer: IpAddr, path: &Path) -> bool {
    let permissions = &config.permissions;
    permissions.is_empty() || permissions.iter().any(|it| it.covers_network(peer) && it.covers_path(path))
}

/// Whether this user may see `path` from there.
pub fn may_see(config: &Config, user: Option<&str>, peer: IpAddr, path: &Path) -> bool {
    let permissions = &config.permissions;
    let fits = |it: &Permission| it.covers_user(user) && it.covers_network(peer) && it.covers_path(path);
    permissions.is_empty() || permissions.iter().any(fits)
}

#[cfg(test)]
mod tests;
