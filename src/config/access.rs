//! Who may see what: `[auth]`, `[[users]]` and `[[permissions]]`.

use std::fmt;
use std::net::IpAddr;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use anyhow::{bail, ensure};
use serde::{Deserialize, Deserializer, de};

use super::{Network, checked, duration_of_a_second_or_more, names};
use crate::rtsp::auth::{Algorithm, Ha1};

/// `[auth]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Auth {
    /// What passwords are for; clients show it when they ask for one.
    #[serde(deserialize_with = "realm")]
    pub realm: String,
    /// How clients may prove who they are.
    #[serde(deserialize_with = "methods")]
    pub methods: Vec<AuthMethod>,
    /// What Digest may hash with.
    #[serde(deserialize_with = "algorithms")]
    pub algorithms: Vec<Algorithm>,
    /// How long a new connection may use a nonce.
    #[serde(deserialize_with = "duration_of_a_second_or_more")]
    pub nonce_lifetime: Duration,
    /// Wrong passwords from one address before it is blocked.
    #[serde(deserialize_with = "failures")]
    pub failures_max: u32,
    /// For how long it is blocked, and when its wrong passwords are forgotten.
    #[serde(deserialize_with = "duration_of_a_second_or_more")]
    pub block_time: Duration,
}

/// How a client proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMethod {
    /// It shows the password.
    Basic,
    /// It shows a hash that only who knows the password can make.
    Digest,
}

/// One of `[[users]]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "RawUser")]
pub struct User {
    /// By which it logs in.
    pub name: String,
    credentials: Credentials,
}

#[derive(Clone, PartialEq)]
enum Credentials {
    Password(String),
    Hashed { md5: Option<Ha1>, sha256: Option<Ha1> },
}

/// One of `[[permissions]]`: these users, from these networks, may see these paths.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Permission {
    /// `None`: everybody who may log in; or everybody, where there are no users.
    #[serde(default, deserialize_with = "some_names")]
    users: Option<Vec<String>>,
    /// `None`: all.
    #[serde(default, deserialize_with = "some_paths")]
    paths: Option<Vec<PathBuf>>,
    /// `None`: all.
    #[serde(default, deserialize_with = "some_networks")]
    networks: Option<Vec<Network>>,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            realm: "camreel".to_owned(),
            methods: vec![AuthMethod::Digest],
            algorithms: vec![Algorithm::Md5],
            nonce_lifetime: Duration::from_secs(600),
            failures_max: 20,
            block_time: Duration::from_secs(60),
        }
    }
}

impl User {
    /// What Digest with this algorithm is checked against.
    pub fn ha1(&self, algorithm: Algorithm, realm: &str) -> Option<Ha1> {
        match (&self.credentials, algorithm) {
            (Credentials::Password(password), _) => Some(Ha1::new(algorithm, &self.name, realm, password.as_bytes())),
            (Credentials::Hashed { md5, .. }, Algorithm::Md5) => md5.clone(),
            (Credentials::Hashed { sha256, .. }, Algorithm::Sha256) => sha256.clone(),
        }
    }

    /// Whether this is the password, as Basic shows it.
    pub fn has_password(&self, realm: &str, password: &[u8]) -> bool {
        let stored = self.ha1(Algorithm::Sha256, realm).or_else(|| self.ha1(Algorithm::Md5, realm));
        stored.is_some_and(|stored| stored == Ha1::new(stored.algorithm(), &self.name, realm, password))
    }
}

/// Says nothing of the secrets.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password(_) => f.write_str("Password"),
            Self::Hashed { md5, sha256 } => f.debug_list().entries(md5.iter().chain(sha256)).finish(),
        }
    }
}

impl Permission {
    /// Whether it is about clients of this address.
    pub fn covers_network(&self, peer: IpAddr) -> bool {
        self.networks.as_ref().is_none_or(|networks| networks.iter().any(|network| network.contains(peer)))
    }

    /// Whether it is about this path below the root.
    pub fn covers_path(&self, path: &Path) -> bool {
        self.paths.as_ref().is_none_or(|prefixes| prefixes.iter().any(|prefix| path.starts_with(prefix)))
    }

    /// Whether it is about this user; `None` where nobody logs in.
    pub fn covers_user(&self, user: Option<&str>) -> bool {
        let Some(users) = &self.users else { return true };
        user.is_some_and(|user| users.iter().any(|known| known == user))
    }
}

/// Checks what no key can tell alone.
///
/// # Errors
/// What does not fit together.
pub(super) fn check(auth: &Auth, users: &[User], permissions: &[Permission]) -> anyhow::Result<()> {
    for (number, user) in users.iter().enumerate() {
        ensure!(!users[..number].iter().any(|other| other.name == user.name), "two users named {:?}", user.name);
        for algorithm in auth.algorithms.iter().filter(|_| auth.methods.contains(&AuthMethod::Digest)) {
            if user.ha1(*algorithm, &auth.realm).is_none() {
                bail!("user {:?} has no hash for {}, which auth.algorithms asks for", user.name, algorithm.name());
            }
        }
    }
    for name in permissions.iter().flat_map(|permission| permission.users.iter().flatten()) {
        ensure!(users.iter().any(|user| user.name == *name), "permissions name {name:?}, who is not one of users");
    }
    Ok(())
}

/// A user as the file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawUser {
    name: String,
    password: Option<String>,
    ha1_md5: Option<String>,
    ha1_sha256: Option<String>,
}

impl TryFrom<RawUser> for User {
    type Error = String;

    fn try_from(raw: RawUser) -> Result<Self, String> {
        let RawUser { name, password, ha1_md5, ha1_sha256 } = raw;
        check_user_name(&name)?;
        let hash = |algorithm: Algorithm, text: Option<String>| -> Result<Option<Ha1>, String> {
            let parse = |text: String| Ha1::parse(algorithm, &text);
            let wrong = || format!("user {name:?}: not a hash of {}; `camreel passwd` makes one", algorithm.name());
            text.map(|text| parse(text).ok_or_else(wrong)).transpose()
        };
        let (md5, sha256) = (hash(Algorithm::Md5, ha1_md5)?, hash(Algorithm::Sha256, ha1_sha256)?);
        let credentials = match (password, md5.is_some() || sha256.is_some()) {
            (Some(password), false) if !password.is_empty() => Credentials::Password(password),
            (None, true) => Credentials::Hashed { md5, sha256 },
            (Some(_), true) => return Err(format!("user {name:?} has both a password and a hash")),
            (_, false) => return Err(format!("user {name:?} has neither a password nor a hash")),
        };
        Ok(Self { name, credentials })
    }
}

/// What a name may be: some clients put it between quotes and escape nothing, and a colon ends it.
///
/// # Errors
/// Why not.
pub fn check_user_name(name: &str) -> Result<(), String> {
    let is_good = !name.is_empty() && !name.contains([':', '"', '\\']) && !name.contains(char::is_control);
    if is_good {
        Ok(())
    } else {
        Err(format!("{name:?} is no user name: it is empty, or has a colon, quote or backslash"))
    }
}

/// As [`check_user_name`], for a realm.
///
/// # Errors
/// Why not.
pub fn check_realm(realm: &str) -> Result<(), String> {
    let is_good =
        !realm.is_empty() && realm.bytes().all(|b| (b' '..=b'~').contains(&b)) && !realm.contains(['"', '\\']);
    if is_good { Ok(()) } else { Err(format!("{realm:?} is no realm: it is empty, or has quotes or more than ASCII")) }
}

fn realm<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let realm = String::deserialize(deserializer)?;
    check_realm(&realm).map_err(de::Error::custom)?;
    Ok(realm)
}

fn methods<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<AuthMethod>, D::Error> {
    names(deserializer, &[("digest", AuthMethod::Digest), ("basic", AuthMethod::Basic)])
}

fn algorithms<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Algorithm>, D::Error> {
    names(deserializer, &[("md5", Algorithm::Md5), ("sha-256", Algorithm::Sha256)])
}

fn failures<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    checked(deserializer, |count| *count >= 1, "at least 1")
}

/// A list that is there must not be empty: does it mean everything, or nothing?
fn some<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let list = Vec::deserialize(deserializer)?;
    if list.is_empty() { Err(de::Error::custom("empty; leave the key out to mean all")) } else { Ok(list) }
}

fn some_names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    some(deserializer).map(Some)
}

fn some_networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Network>>, D::Error> {
    some(deserializer).map(Some)
}

fn some_paths<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<PathBuf>>, D::Error> {
    let paths: Vec<String> = some(deserializer)?;
    let parse = |path: &String| {
        let relative = PathBuf::from(path.trim_start_matches('/'));
        let is_plain = relative.components().all(|component| matches!(component, Component::Normal(_)));
        if is_plain { Ok(relative) } else { Err(de::Error::custom(format!("{path:?} is not a path below the root"))) }
    };
    paths.iter().map(parse).collect::<Result<_, _>>().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn prefixes_of_paths_end_at_slashes() {
        let permission = |paths: &str| -> Permission { toml::from_str(&format!("paths = {paths}")).unwrap() };
        for (paths, path, expected) in [
            ("[\"yard/\"]", "yard/a.mp4", true),
            ("[\"/yard\"]", "yard/a.mp4", true),
            ("[\"yard\"]", "yard", true),
            ("[\"yard/\"]", "yard2/a.mp4", false),
            ("[\"yard/\"]", "a.mp4", false),
            ("[\"yard/\"]", "", false),
            ("[\"attic/\", \"yard/day/\"]", "yard/day/b.mkv", true),
            ("[\"/\"]", "a.mp4", true),
        ] {
            assert_eq!(permission(paths).covers_path(Path::new(path)), expected, "{paths} and {path}");
        }
    }

    #[test]
    fn a_stored_hash_is_as_good_as_its_password() {
        let password: User = toml::from_str("name = \"u\"\npassword = \"secret\"").unwrap();
        for algorithm in [Algorithm::Md5, Algorithm::Sha256] {
            let ha1 = password.ha1(algorithm, "r").unwrap();
            let key = if algorithm == Algorithm::Md5 { "ha1_md5" } else { "ha1_sha256" };
            let hashed: User = toml::from_str(&format!("name = \"u\"\n{key} = {:?}", ha1.as_hex())).unwrap();
            assert_eq!(hashed.ha1(algorithm, "r"), Some(ha1));
            assert!(hashed.has_password("r", b"secret") && !hashed.has_password("r", b"Secret"));
            assert!(!format!("{password:?}").contains("secret"));
        }
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let user = "[[users]]\nname = \"u\"\npassword = \"p\"\n";
        let hash = format!("[[users]]\nname = \"u\"\nha1_md5 = \"{}\"\n", "0".repeat(32));
        for (text, reason) in [
            (format!("{user}{user}"), "two users named \"u\""),
            (format!("{user}ha1_md5 = \"00\"\n"), "not a hash of MD5"),
            (format!("{hash}password = \"p\"\n"), "both a password and a hash"),
            ("[[users]]\nname = \"u\"\n".to_owned(), "neither a password nor a hash"),
            ("[[users]]\nname = \"u\"\npassword = \"\"\n".to_owned(), "neither a password nor a hash"),
            ("[[users]]\nname = \"a:b\"\npassword = \"p\"\n".to_owned(), "is no user name"),
            (format!("{user}pasword = \"p\"\n"), "unknown field `pasword`"),
            (format!("{hash}[auth]\nalgorithms = [\"md5\", \"sha-256\"]\n"), "no hash for SHA-256"),
            ("[auth]\nrealm = \"a\\\"b\"\n".to_owned(), "is no realm"),
            ("[auth]\nmethods = [\"ntlm\"]\n".to_owned(), "\"digest\" or \"basic\""),
            ("[auth]\nmethods = []\n".to_owned(), "at least one"),
            ("[[permissions]]\nusers = [\"v\"]\n".to_owned(), "\"v\", who is not one of users"),
            ("[[permissions]]\nnetworks = [\"10.0.0.1/8\"]\n".to_owned(), "the network is \"10.0.0.0/8\""),
            ("[[permissions]]\nnetworks = []\n".to_owned(), "leave the key out to mean all"),
            ("[[permissions]]\npaths = [\"../etc\"]\n".to_owned(), "not a path below the root"),
        ] {
            let error = format!("{:#}", Config::parse(&text).unwrap_err());
            assert!(error.contains(reason), "{text}\ngave {error}");
        }
        let fine = format!("{hash}[auth]\nalgorithms = [\"sha-256\"]\nmethods = [\"basic\"]\n");
        Config::parse(&fine).unwrap();
    }
}
