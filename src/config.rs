//! The configuration: parsed once, and then good. A [`Config`] that exists is one that can run.
//!
//! `config/camreel.toml` is its manual; a test keeps the two equal.

mod access;
mod channels;
mod network;
mod register;
mod transport_streams;

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use log::LevelFilter;
use serde::{Deserialize, Deserializer, de};

pub use access::{Auth, AuthMethod, Permission, User, check_realm, check_user_name};
pub use channels::{Channel, Multicast, below_root};
pub use network::Network;
pub use register::{Delivery, Register, Registry, check_suffix};
pub use transport_streams::TransportStreamsBelow;

use crate::media::container::TransportStreams;
use crate::rtp::{Mp3Format, PayloadOptions};

/// All that can be configured, with the defaults where nothing is.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The folder that is served.
    pub root: PathBuf,
    /// Whether symbolic links may lead out of the root.
    pub follow_symlinks: bool,
    /// Listening and connections.
    pub rtsp: Rtsp,
    /// RTSP tunnelled over HTTP.
    pub http: Http,
    /// RTSP within TLS.
    pub rtsps: Rtsps,
    /// Relays that speak for clients.
    pub proxy_protocol: ProxyProtocol,
    /// Packets.
    pub rtp: Rtp,
    /// How fast clients may have it.
    pub play: Play,
    /// How much a peer, and all peers together, may ask for.
    pub limits: Limits,
    /// Reading recordings.
    pub media: Media,
    /// Where the log goes, and what is in it.
    pub log: Log,
    /// How clients prove who they are.
    pub auth: Auth,
    /// Who may log in. Where there are none, nobody has to.
    pub users: Vec<User>,
    /// Who may see what. Where there are none, everybody may see everything.
    pub permissions: Vec<Permission>,
    /// What becomes of MPEG transport streams below some paths.
    pub transport_streams: Vec<TransportStreamsBelow>,
    /// Recordings under a path of their own.
    pub channels: Vec<Channel>,
    /// Who is told of our streams.
    pub register: Vec<Register>,
}

/// `[rtsp]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rtsp {
    /// Tried in order; the first that binds is used. 0 lets the system choose.
    #[serde(deserialize_with = "ports")]
    pub ports: Vec<u16>,
    /// Local addresses.
    #[serde(deserialize_with = "addresses")]
    pub bind: Vec<IpAddr>,
    /// What a client may choose from in SETUP.
    #[serde(deserialize_with = "transports")]
    pub transports: Vec<LowerTransport>,
    /// A session without a sign of life for so long ends.
    #[serde(deserialize_with = "duration_of_a_second_or_more")]
    pub session_timeout: Duration,
    /// A request, once begun, must be complete within this.
    #[serde(deserialize_with = "duration_of_a_second_or_more")]
    pub read_timeout: Duration,
    /// A client that takes nothing for so long is cut off.
    #[serde(deserialize_with = "duration_of_a_second_or_more")]
    pub write_timeout: Duration,
    /// A connection that has no session and asks nothing for so long is closed.
    #[serde(deserialize_with = "duration_of_a_second_or_more")]
    pub idle_timeout: Duration,
    /// Wanted size of the send buffer of each connection and UDP socket, in bytes.
    #[serde(deserialize_with = "buffer_size")]
    pub send_buffer_size: usize,
}

/// `[http]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Tried in order; the first that binds is used. Empty: no HTTP port.
    #[serde(deserialize_with = "ports_or_none")]
    pub ports: Vec<u16>,
}

/// `[rtsps]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rtsps {
    /// Tried in order; the first that binds is used. 0 lets the system choose.
    #[serde(deserialize_with = "ports")]
    pub ports: Vec<u16>,
    /// PEM file with the certificate and those that lead to its issuer. Empty: no RTSPS.
    pub certificate: PathBuf,
    /// PEM file with its private key.
    pub key: PathBuf,
    /// Whether clients may have their media in the clear beside a TLS connection.
    pub allow_udp: bool,
}

impl Rtsps {
    /// Certificate and key; `None` where TLS is not spoken.
    pub fn files(&self) -> Option<(&Path, &Path)> {
        let (certificate, key) = (&*self.certificate, &*self.key);
        (!certificate.as_os_str().is_empty() && !key.as_os_str().is_empty()).then_some((certificate, key))
    }
}

/// `[proxy_protocol]`
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProxyProtocol {
    /// Where every connection begins with a PROXY header.
    #[serde(deserialize_with = "listeners")]
    pub listeners: Vec<Listener>,
    /// The relays; nobody else may connect there.
    pub from: Vec<Network>,
}

impl ProxyProtocol {
    /// Whether a relay of this address may speak for others.
    pub fn trusts(&self, relay: IpAddr) -> bool {
        self.from.iter().any(|network| network.contains(relay))
    }
}

/// What is listened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listener {
    /// `rtsp.ports`
    Rtsp,
    /// `http.ports`
    Http,
    /// `rtsps.ports`
    Rtsps,
}

/// `[rtp]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rtp {
    /// The longest RTP packet, in bytes, its header included.
    #[serde(deserialize_with = "payload_size")]
    pub udp_max_payload_size: usize,
    /// First and last UDP port for RTP and RTCP.
    #[serde(deserialize_with = "port_range")]
    pub udp_ports: (u16, u16),
    /// Where datagrams may be sent though somebody else asked for them. To who asks they may always be sent.
    pub allow_destination: Vec<Network>,
    /// How long before its time a packet may leave.
    #[serde(deserialize_with = "lead")]
    pub lead: Duration,
    /// How MP3 goes out.
    #[serde(deserialize_with = "mp3_format")]
    pub mp3: Mp3Format,
}

impl Rtp {
    /// What of it is about payload formats.
    pub fn payload_options(&self) -> PayloadOptions {
        PayloadOptions { mp3: self.mp3 }
    }
}

/// `[play]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Play {
    /// The fastest Scale, either way.
    #[serde(deserialize_with = "factor")]
    pub scale_max: f64,
    /// The highest Speed.
    #[serde(deserialize_with = "factor")]
    pub speed_max: f64,
    /// Pictures a second that a client can decode.
    #[serde(deserialize_with = "frame_rate")]
    pub picture_rate_max: f64,
    /// Key frames a second where nothing else is sent.
    #[serde(deserialize_with = "frame_rate")]
    pub key_frame_rate_max: f64,
}

/// `[limits]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Connections at a time.
    #[serde(deserialize_with = "at_least_one")]
    pub connections: usize,
    /// Sessions at a time.
    #[serde(deserialize_with = "at_least_one")]
    pub sessions: usize,
    /// Connections from one address at a time.
    #[serde(deserialize_with = "at_least_one")]
    pub connections_per_address: usize,
}

/// `[media]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Media {
    /// Pictures a second of raw video that does not tell its rate.
    #[serde(deserialize_with = "frame_rate")]
    pub frame_rate_default: f64,
    /// A file that nothing was added to for so long is complete. Zero: no file grows.
    #[serde(deserialize_with = "duration")]
    pub growing_timeout: Duration,
    /// What becomes of MPEG transport streams.
    #[serde(deserialize_with = "transport_streams::form")]
    pub transport_streams: TransportStreams,
    /// The folder of kept indexes; `auto`: where the system keeps such things. Empty: none are kept.
    pub index_cache: PathBuf,
    /// How much that folder may hold, in MiB.
    pub index_cache_max: u64,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// The least serious level that is written.
    #[serde(deserialize_with = "level")]
    pub level: LevelFilter,
    /// Where to.
    #[serde(deserialize_with = "destinations")]
    pub destinations: Vec<LogDestination>,
    /// The file, when it is a destination.
    pub file: PathBuf,
}

/// One place the log goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogDestination {
    /// Standard error.
    Terminal,
    /// [`Log::file`].
    File,
}

/// How packets reach the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LowerTransport {
    /// Datagrams.
    Udp,
    /// Interleaved with the RTSP messages.
    Tcp,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            root: PathBuf::from("./recordings"),
            follow_symlinks: false,
            rtsp: Rtsp::default(),
            http: Http::default(),
            rtsps: Rtsps::default(),
            proxy_protocol: ProxyProtocol::default(),
            rtp: Rtp::default(),
            play: Play::default(),
            limits: Limits::default(),
            media: Media::default(),
            log: Log::default(),
            auth: Auth::default(),
            users: Vec::new(),
            permissions: Vec::new(),
            transport_streams: Vec::new(),
            channels: Vec::new(),
            register: Vec::new(),
        }
    }
}

impl Default for Rtsp {
    fn default() -> Self {
        Self {
            ports: vec![554, 8554],
            bind: vec![IpAddr::from([0, 0, 0, 0]), IpAddr::from([0_u16; 8])],
            transports: vec![LowerTransport::Udp, LowerTransport::Tcp],
            session_timeout: Duration::from_secs(65),
            read_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            send_buffer_size: 256 << 10,
        }
    }
}

impl Default for Http {
    fn default() -> Self {
        Self { ports: vec![80, 8000, 8080] }
    }
}

impl Default for Rtsps {
    fn default() -> Self {
        Self { ports: vec![322, 8322], certificate: PathBuf::new(), key: PathBuf::new(), allow_udp: false }
    }
}

impl Default for Rtp {
    fn default() -> Self {
        Self {
            udp_max_payload_size: 1452,
            udp_ports: (6970, 32_767),
            allow_destination: Vec::new(),
            lead: Duration::from_millis(80),
            mp3: Mp3Format::Mpa,
        }
    }
}

impl Default for Play {
    fn default() -> Self {
        Self { scale_max: 100.0, speed_max: 16.0, picture_rate_max: 60.0, key_frame_rate_max: 25.0 }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 4096, sessions: 4096, connections_per_address: 2048 }
    }
}

impl Default for Media {
    fn default() -> Self {
        Self {
            frame_rate_default: 25.0,
            growing_timeout: Duration::from_secs(10),
            transport_streams: TransportStreams::Tracks,
            index_cache: PathBuf::from("auto"),
            index_cache_max: 256,
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: LevelFilter::Info,
            destinations: vec![LogDestination::Terminal],
            file: PathBuf::from("./camreel.log"),
        }
    }
}

impl Config {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// When it cannot be read, or what is wrong with which key at which line.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("{} is not a good configuration", path.display()))
    }

    /// Parses the text of a configuration file.
    ///
    /// # Errors
    /// What is wrong with which key at which line, or what does not fit together.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let config: Self = toml::from_str(text)?;
        let Rtsps { certificate, key, .. } = &config.rtsps;
        let is_half = certificate.as_os_str().is_empty() != key.as_os_str().is_empty();
        anyhow::ensure!(!is_half, "rtsps has a certificate without a key, or a key without a certificate");
        let ProxyProtocol { listeners, from } = &config.proxy_protocol;
        anyhow::ensure!(listeners.is_empty() || !from.is_empty(), "proxy_protocol has listeners, but nobody in from");
        access::check(&config.auth, &config.users, &config.permissions)?;
        channels::check(&config.channels)?;
        Ok(config)
    }
}

/// A duration is a number and a unit: `"500ms"`, `"10s"`, `"5m"`, `"1h"`.
fn parse_duration(text: &str) -> Option<Duration> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
    let number: u64 = text[..unit_at].parse().ok()?;
    let millis = match text[unit_at..].trim() {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    Some(Duration::from_millis(number.checked_mul(millis)?))
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text)
        .ok_or_else(|| de::Error::custom(format!("{text:?} is not a duration, such as \"500ms\", \"10s\" or \"5m\"")))
}

/// Deserializes a value and refuses what `is_good` does not accept.
fn checked<'de, D, T>(deserializer: D, is_good: impl Fn(&T) -> bool, wanted: &str) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + fmt::Debug,
{
    let value = T::deserialize(deserializer)?;
    if is_good(&value) { Ok(value) } else { Err(de::Error::custom(format!("{value:?} is not {wanted}"))) }
}

/// Parses a list of names, each of which must be in `table`; the list must not be empty.
fn names<'de, D, T>(deserializer: D, table: &[(&str, T)]) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Copy,
{
    let names = checked(deserializer, |names: &Vec<String>| !names.is_empty(), "a list with at least one name")?;
    find_names(&names, table)
}

fn find_names<E: de::Error, T: Copy>(names: &[String], table: &[(&str, T)]) -> Result<Vec<T>, E> {
    let known = || table.iter().map(|(name, _)| format!("{name:?}")).collect::<Vec<_>>().join(" or ");
    let find = |name: &String| {
        let found = table.iter().find(|(known, _)| known == name).map(|(_, value)| *value);
        found.ok_or_else(|| E::custom(format!("{name:?} is not {}", known())))
    };
    names.iter().map(find).collect()
}

fn duration_of_a_second_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let value = duration(deserializer)?;
    if value >= Duration::from_secs(1) { Ok(value) } else { Err(de::Error::custom("must be at least \"1s\"")) }
}

fn lead<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let value = duration(deserializer)?;
    if value <= Duration::from_millis(500) { Ok(value) } else { Err(de::Error::custom("must be at most \"500ms\"")) }
}

fn mp3_format<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Mp3Format, D::Error> {
    let table = [("mpa", Mp3Format::Mpa), ("robust", Mp3Format::Robust)];
    Ok(find_names(&[String::deserialize(deserializer)?], &table)?[0])
}

fn ports<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u16>, D::Error> {
    checked(deserializer, |ports: &Vec<u16>| !ports.is_empty(), "a list with at least one port")
}

fn ports_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u16>, D::Error> {
    Vec::deserialize(deserializer)
}

fn addresses<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpAddr>, D::Error> {
    checked(deserializer, |list: &Vec<IpAddr>| !list.is_empty(), "a list with at least one address")
}

fn transports<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<LowerTransport>, D::Error> {
    names(deserializer, &[("udp", LowerTransport::Udp), ("tcp", LowerTransport::Tcp)])
}

fn destinations<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<LogDestination>, D::Error> {
    names(deserializer, &[("terminal", LogDestination::Terminal), ("file", LogDestination::File)])
}

fn listeners<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Listener>, D::Error> {
    let table = [("rtsp", Listener::Rtsp), ("http", Listener::Http), ("rtsps", Listener::Rtsps)];
    find_names(&Vec::deserialize(deserializer)?, &table)
}

fn buffer_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    checked(deserializer, |size| (4096..=64 << 20).contains(size), "between 4096 and 67108864")
}

fn payload_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    checked(deserializer, |size| (256..=65_000).contains(size), "between 256 and 65000")
}

fn port_range<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(u16, u16), D::Error> {
    let is_good = |(first, last): &(u16, u16)| *first >= 1 && last.saturating_sub(*first) >= 3;
    checked(deserializer, is_good, "a first and a last port with at least four ports")
}

fn at_least_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    checked(deserializer, |count| *count >= 1, "at least 1")
}

fn frame_rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    checked(deserializer, |rate| (0.1..=1000.0).contains(rate), "between 0.1 and 1000.0")
}

fn factor<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    checked(deserializer, |factor| (1.0..=1000.0).contains(factor), "between 1.0 and 1000.0")
}

fn level<'de, D: Deserializer<'de>>(deserializer: D) -> Result<LevelFilter, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_level(&text).ok_or_else(|| de::Error::custom(format!("{text:?} is not one of {LEVELS}")))
}

/// The log levels by name.
pub const LEVELS: &str = "error, warn, info, debug";

/// A log level by its name.
pub fn parse_level(name: &str) -> Option<LevelFilter> {
    match name {
        "error" => Some(LevelFilter::Error),
        "warn" => Some(LevelFilter::Warn),
        "info" => Some(LevelFilter::Info),
        "debug" => Some(LevelFilter::Debug),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANUAL: &str = include_str!("../config/camreel.toml");

    #[test]
    fn the_manual_states_the_defaults() {
        assert_eq!(Config::parse(MANUAL).unwrap(), Config::default());
    }

    /// An example is a block of comment lines that begins with `# [[`.
    #[test]
    fn examples_in_the_manual_are_good() {
        let mut examples = String::new();
        for block in MANUAL.split("\n\n").filter_map(|block| block.find("# [[").map(|start| &block[start..])) {
            let lines = block.lines().map(|line| line.strip_prefix("# ").unwrap_or_else(|| panic!("{line}")));
            examples.extend(lines.flat_map(|line| [line, "\n"]));
        }
        let config = Config::parse(&examples).unwrap_or_else(|error| panic!("{error:#}\n{examples}"));
        let Config { users, permissions, channels, register, transport_streams, .. } = config;
        assert!(!transport_streams.is_empty(), "{examples}");
        assert!(!users.is_empty() && !permissions.is_empty(), "{examples}");
        assert!(!channels.is_empty() && !register.is_empty(), "{examples}");
    }

    /// What is written as a comment or left out of the manual would not be noticed by comparing values.
    #[test]
    fn the_manual_names_every_key() {
        let manual: toml::Table = toml::from_str(MANUAL).unwrap();
        let debug = format!("{:#?}", Config::default());
        let in_code = debug.lines().filter_map(|line| {
            let (key, _) = line.trim().split_once(": ")?;
            key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_').then(|| key.to_owned())
        });
        for key in in_code {
            // Tables of which there may be many have no default; `examples_in_the_manual_are_good` sees to them.
            let is_example = MANUAL.contains(&format!("# [[{key}]]"));
            let in_section =
                manual.values().filter_map(toml::Value::as_table).any(|section| section.contains_key(&key));
            assert!(is_example || in_section || manual.contains_key(&key), "{key} is not in config/camreel.toml");
        }
    }

    #[test]
    fn errors_name_the_line_and_the_reason() {
        for (text, line, reason) in [
            ("root = \"x\"\nrot = 1\n", "line 2", "unknown field `rot`"),
            ("[rtsp]\nports = []\n", "line 2", "at least one port"),
            ("[rtsp]\nports = [70000]\n", "line 2", "70000"),
            ("[rtsp]\n\nsession_timeout = \"65\"\n", "line 3", "is not a duration"),
            ("[rtp]\nudp_max_payload_size = 20\n", "line 2", "between 256 and 65000"),
            ("[rtp]\nudp_ports = [7000, 7001]\n", "line 2", "at least four ports"),
            ("[rtp]\nmp3 = \"adu\"\n", "line 2", "\"mpa\" or \"robust\""),
            ("[log]\nlevel = \"loud\"\n", "line 2", "error, warn, info, debug"),
            ("[log]\ndestinations = [\"printer\"]\n", "line 2", "\"terminal\" or \"file\""),
            ("[rtsp]\nbind = [\"localhost\"]\n", "line 2", "IP address"),
            ("[media]\ntransport_streams = \"both\"\n", "line 2", "\"tracks\" or \"whole\""),
            ("[[transport_streams]]\npath = \"../x\"\nform = \"whole\"\n", "line 2", "../x"),
        ] {
            let error = format!("{:#}", Config::parse(text).unwrap_err());
            assert!(error.contains(line) && error.contains(reason), "{text:?} gave {error:?}");
        }
    }
}
