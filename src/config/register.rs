//! Where our streams are registered: `[[register]]`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};

use super::channels::below_root;

/// The port of RTSP where a URL names none.
const PORT_DEFAULT: u16 = 554;

/// One of `[[register]]`: a proxy or recorder that is told of one of our recordings or channels.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Register {
    /// Who is told.
    pub url: Registry,
    /// The recording or channel.
    #[serde(deserialize_with = "path")]
    pub path: PathBuf,
    /// The other side asks for the stream on the connection that told it, and needs no way to us.
    #[serde(default)]
    pub reuse_connection: bool,
    /// How it should ask for the stream.
    #[serde(default)]
    pub preferred_delivery_protocol: Delivery,
    /// What the other side should call the stream.
    #[serde(default, deserialize_with = "suffix")]
    pub proxy_url_suffix: Option<String>,
}

/// How packets should go to a proxy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Delivery {
    /// Datagrams.
    Udp,
    /// Within the connection.
    #[default]
    Interleaved,
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Udp => "udp",
            Self::Interleaved => "interleaved",
        })
    }
}

/// A host and port where streams are registered, written `rtsp://host:port/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registry {
    /// A name or an address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl fmt::Display for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "rtsp://[{host}]:{port}/") } else { write!(f, "rtsp://{host}:{port}/") }
    }
}

impl FromStr for Registry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not rtsp://HOST[:PORT]/");
        let rest = text.strip_prefix("rtsp://").ok_or_else(wrong)?;
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, port)) => (host, port.strip_prefix(':').or(port.is_empty().then_some(""))),
            None => authority.split_once(':').map_or((authority, Some("")), |(host, port)| (host, Some(port))),
        };
        let port = match port.ok_or_else(wrong)? {
            "" => PORT_DEFAULT,
            digits => digits.parse().ok().filter(|port| *port > 0).ok_or_else(wrong)?,
        };
        let is_host = |c: char| c.is_ascii_alphanumeric() || "-._:%".contains(c);
        if host.is_empty() || !host.chars().all(is_host) {
            return Err(wrong());
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

impl<'de> Deserialize<'de> for Registry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Checks the name that a stream is to have with a proxy: it becomes a part of its URLs, and of a header.
///
/// # Errors
/// When it cannot be one.
pub fn check_suffix(suffix: &str) -> Result<(), String> {
    let is_good = |c: char| c.is_ascii_alphanumeric() || "-._~/".contains(c);
    if suffix.is_empty() || !suffix.chars().all(is_good) {
        return Err(format!("{suffix:?} is not made of letters, digits and -._~/ alone"));
    }
    Ok(())
}

fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    below_root(&String::deserialize(deserializer)?).map_err(de::Error::custom)
}

fn suffix<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let suffix = String::deserialize(deserializer)?;
    check_suffix(&suffix).map_err(de::Error::custom)?;
    Ok(Some(suffix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn what_is_registered_is_taken_over_and_checked() {
        let config = Config::parse(
            "[[register]]\nurl = \"rtsp://nvr/\"\npath = \"yard/a.mp4\"\n\
             [[register]]\nurl = \"rtsp://[fd00::1]:8554\"\npath = \"lobby\"\nreuse_connection = true\n\
             preferred_delivery_protocol = \"udp\"\nproxy_url_suffix = \"cam1\"\n",
        );
        let config = config.unwrap_or_else(|error| panic!("{error:#}"));
        let [nvr, other] = config.register.as_slice() else { panic!("{:?}", config.register) };
        assert_eq!((nvr.url.to_string().as_str(), nvr.reuse_connection), ("rtsp://nvr:554/", false));
        assert_eq!((nvr.preferred_delivery_protocol, &nvr.proxy_url_suffix), (Delivery::Interleaved, &None));
        assert_eq!(other.url, Registry { host: "fd00::1".to_owned(), port: 8554 });
        assert_eq!(other.url.to_string(), "rtsp://[fd00::1]:8554/");
        for (text, reason) in [
            ("url = \"nvr\"\npath = \"a\"", "is not rtsp://HOST"),
            ("url = \"rtsps://nvr/\"\npath = \"a\"", "is not rtsp://HOST"),
            ("url = \"rtsp://nvr/live\"\npath = \"a\"", "is not rtsp://HOST"),
            ("url = \"rtsp://nvr:0/\"\npath = \"a\"", "is not rtsp://HOST"),
            ("url = \"rtsp://[::1]x/\"\npath = \"a\"", "is not rtsp://HOST"),
            ("url = \"rtsp://nvr/\"", "missing field `path`"),
            ("url = \"rtsp://nvr/\"\npath = \"../a\"", "not a path below the root"),
            ("url = \"rtsp://nvr/\"\npath = \"a\"\nproxy_url_suffix = \"a;b\"", "letters, digits"),
            ("url = \"rtsp://nvr/\"\npath = \"a\"\npreferred_delivery_protocol = \"tcp\"", "`udp` or `interleaved`"),
        ] {
            let error = format!("{:#}", Config::parse(&format!("[[register]]\n{text}\n")).unwrap_err());
            assert!(error.contains(reason), "{text:?} gave {error:?}");
        }
    }
}
