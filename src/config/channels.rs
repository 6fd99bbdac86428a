//! Channels: `[[channels]]`. A path of its own for a recording, which may repeat for ever and go to a multicast group.

use std::net::{IpAddr, SocketAddr};
use std::path::{Component, Path, PathBuf};

use anyhow::ensure;
use serde::Deserialize;

/// The last port that a group's first track may have: each track takes two.
const PORT_MAX: u16 = 65_000;

/// One of `[[channels]]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawChannel")]
pub struct Channel {
    /// The path of its URL.
    pub path: PathBuf,
    /// The recording, below the root.
    pub file: PathBuf,
    /// Whether it begins again when it ends.
    pub is_looped: bool,
    /// The group that all its viewers may share, if any.
    pub multicast: Option<Multicast>,
}

/// Where and how a channel is sent to a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Multicast {
    /// The group's address.
    pub group: IpAddr,
    /// Of RTP of the first track; even. RTCP is above it, the next track two above it.
    pub port: u16,
    /// How many routers may pass packets on, and one more.
    pub ttl: u8,
    /// Local address of the interface that packets leave through; the system chooses if there is none.
    pub interface: Option<IpAddr>,
    /// Nobody may have the channel sent to himself alone.
    pub is_only_way: bool,
    /// It is sent though nobody watches.
    pub is_always_on: bool,
}

/// A channel as the file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawChannel {
    path: String,
    file: String,
    #[serde(rename = "loop", default)]
    is_looped: bool,
    group: Option<IpAddr>,
    port: Option<u16>,
    ttl: Option<u8>,
    interface: Option<IpAddr>,
    multicast_only: Option<bool>,
    always: Option<bool>,
}

impl TryFrom<RawChannel> for Channel {
    type Error = String;

    fn try_from(raw: RawChannel) -> Result<Self, String> {
        let multicast = match (raw.group, raw.port) {
            (Some(group), Some(port)) => Some(multicast(&raw, group, port)?),
            (Some(_), None) => return Err("a channel with a group needs a port".to_owned()),
            (None, _) => {
                let needs_group = [
                    ("port", raw.port.is_some()),
                    ("ttl", raw.ttl.is_some()),
                    ("interface", raw.interface.is_some()),
                    ("multicast_only", raw.multicast_only.is_some()),
                    ("always", raw.always.is_some()),
                ];
                if let Some((key, _)) = needs_group.iter().find(|(_, is_there)| *is_there) {
                    return Err(format!("{key} is of no use to a channel without a group"));
                }
                None
            }
        };
        Ok(Self { path: below_root(&raw.path)?, file: below_root(&raw.file)?, is_looped: raw.is_looped, multicast })
    }
}

fn multicast(raw: &RawChannel, group: IpAddr, port: u16) -> Result<Multicast, String> {
    let is_always_on = raw.always.unwrap_or(false);
    if !group.is_multicast() {
        return Err(format!("group {group} is no multicast address (224.0.0.0/4 or ff00::/8)"));
    }
    if port == 0 || !port.is_multiple_of(2) || port > PORT_MAX {
        return Err(format!("port {port} is not an even number up to {PORT_MAX}"));
    }
    if raw.interface.is_some_and(|interface| interface.is_ipv4() != group.is_ipv4()) {
        return Err("interface and group are not of the same version of IP".to_owned());
    }
    if is_always_on && !raw.is_looped {
        return Err("a channel that is always sent needs loop = true".to_owned());
    }
    Ok(Multicast {
        group,
        port,
        ttl: raw.ttl.unwrap_or(1),
        interface: raw.interface,
        is_only_way: raw.multicast_only.unwrap_or(false),
        is_always_on,
    })
}

/// A relative path without `.` and `..`, which may be written with a slash before it.
///
/// # Errors
/// When it is none.
pub fn below_root(text: &str) -> Result<PathBuf, String> {
    let path = Path::new(text.trim_start_matches('/'));
    let is_plain = path.components().all(|component| matches!(component, Component::Normal(_)));
    if path.as_os_str().is_empty() || !is_plain {
        return Err(format!("{text:?} is not a path below the root"));
    }
    Ok(path.components().collect())
}

/// Checks what no channel can tell alone.
///
/// # Errors
/// What does not fit together.
pub(super) fn check(channels: &[Channel]) -> anyhow::Result<()> {
    for (number, channel) in channels.iter().enumerate() {
        let others = &channels[..number];
        ensure!(!others.iter().any(|other| other.path == channel.path), "two channels at {:?}", channel.path);
        let Some(multicast) = &channel.multicast else { continue };
        let address = |multicast: &Multicast| SocketAddr::new(multicast.group, multicast.port);
        let same = others.iter().filter_map(|other| other.multicast.as_ref()).map(address);
        ensure!(!same.into_iter().any(|other| other == address(multicast)), "two channels with {}", address(multicast));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn what_a_channel_says_is_taken_over_and_checked() {
        let config = Config::parse(
            "[[channels]]\npath = \"/lobby/\"\nfile = \"yard/a.mp4\"\nloop = true\ngroup = \"239.255.1.1\"\n\
             port = 5004\nttl = 4\ninterface = \"192.168.1.10\"\nalways = true\n\
             [[channels]]\npath = \"hall\"\nfile = \"b.mkv\"\n",
        );
        let config = config.unwrap_or_else(|error| panic!("{error:#}"));
        let [lobby, hall] = config.channels.as_slice() else { panic!("{:?}", config.channels) };
        assert_eq!((lobby.path.to_str(), lobby.is_looped), (Some("lobby"), true));
        let multicast = lobby.multicast.as_ref().expect("a group");
        assert_eq!((multicast.port, multicast.ttl, multicast.is_always_on), (5004, 4, true));
        assert_eq!((hall.is_looped, &hall.multicast), (false, &None));
    }

    #[test]
    fn errors_say_what_is_wrong_with_a_channel() {
        let group = "group = \"239.1.1.1\"\nport = 5004\n";
        for (text, reason) in [
            ("path = \"a\"\n".to_owned(), "missing field `file`"),
            ("path = \"../a\"\nfile = \"b\"\n".to_owned(), "not a path below the root"),
            ("path = \"\"\nfile = \"b\"\n".to_owned(), "not a path below the root"),
            ("path = \"a\"\nfile = \"b\"\ngroup = \"10.0.0.1\"\nport = 5004\n".to_owned(), "no multicast address"),
            ("path = \"a\"\nfile = \"b\"\ngroup = \"239.1.1.1\"\n".to_owned(), "needs a port"),
            ("path = \"a\"\nfile = \"b\"\nport = 5004\n".to_owned(), "port is of no use"),
            ("path = \"a\"\nfile = \"b\"\nmulticast_only = true\n".to_owned(), "multicast_only is of no use"),
            ("path = \"a\"\nfile = \"b\"\ngroup = \"239.1.1.1\"\nport = 5005\n".to_owned(), "not an even number"),
            (format!("path = \"a\"\nfile = \"b\"\n{group}always = true\n"), "needs loop = true"),
            (format!("path = \"a\"\nfile = \"b\"\n{group}interface = \"fe80::1\"\n"), "same version of IP"),
            (format!("path = \"a\"\nfile = \"b\"\n{group}tll = 1\n"), "unknown field `tll`"),
            ("path = \"a\"\nfile = \"b\"\n[[channels]]\npath = \"/a\"\nfile = \"c\"\n".to_owned(), "two channels at"),
            (
                format!("path = \"a\"\nfile = \"b\"\n{group}[[channels]]\npath = \"c\"\nfile = \"c\"\n{group}"),
                "two channels with 239.1.1.1:5004",
            ),
        ] {
            let error = format!("{:#}", Config::parse(&format!("[[channels]]\n{text}")).unwrap_err());
            assert!(error.contains(reason), "{text:?} gave {error:?}");
        }
    }
}
