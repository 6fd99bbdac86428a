//! The command line.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};
use log::LevelFilter;

use crate::config::{Config, LEVELS, Registry, below_root, check_suffix, parse_level};

/// Streams camera recordings over RTSP: every file below a folder is rtsp://HOST/FILE.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// What to do other than serve.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How to serve.
    #[command(flatten)]
    pub serve: Serve,
}

/// What to do other than serve.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print what would be served for each file, and what is wrong with it
    Probe {
        /// Recordings
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Read recordings from end to end ahead of time, and keep what that shows
    Index {
        /// Recordings, and folders of them
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// Configuration file, for media.index_cache
        #[arg(long)]
        config: Option<PathBuf>,
        /// Also write what LIVE555 looks for beside MPEG transport streams, a.tsx for a.ts
        #[arg(long)]
        tsx: bool,
    },
    /// Read a password, and print the user with its hashes for the configuration
    Passwd {
        /// Name of the user
        user: String,
        /// As auth.realm in the configuration
        #[arg(long, default_value = "camreel")]
        realm: String,
    },
    /// Tell a proxy or recorder of a stream of the server on this machine, and print the answer
    Register(RegisterByHand),
    /// Say whether a configuration is good, and what is wrong with it
    Check {
        /// The configuration file
        #[arg(long)]
        config: PathBuf,
    },
}

/// REGISTER by hand.
#[derive(Debug, Args)]
pub struct RegisterByHand {
    /// Who is told: `rtsp://HOST:PORT/`
    pub url: Registry,
    /// The recording or channel
    #[arg(value_parser = below_root)]
    pub path: PathBuf,
    /// What the other side is to call the stream
    #[arg(long, value_parser = suffix)]
    pub suffix: Option<String>,
    /// Prefer UDP to packets within the connection
    #[arg(long)]
    pub udp: bool,
    /// Take a registration back (DEREGISTER)
    #[arg(long)]
    pub deregister: bool,
    /// RTSP port of the server [default: that of 554 and 8554 where something listens]
    #[arg(long)]
    pub port: Option<u16>,
}

fn suffix(text: &str) -> Result<String, String> {
    check_suffix(text).map(|()| text.to_owned())
}

/// How to serve. Flags override the configuration file.
#[derive(Debug, Args)]
pub struct Serve {
    /// The folder to serve
    pub dir: Option<PathBuf>,
    /// Configuration file [default without DIR: config/camreel.toml]
    #[arg(long)]
    pub config: Option<PathBuf>,
    /// RTSP port; repeat it for more to try in order. 0: any free one
    #[arg(long)]
    pub port: Vec<u16>,
    /// HTTP port for tunnels; repeat it for more to try in order
    #[arg(long)]
    pub http_port: Vec<u16>,
    /// Local address to listen on; repeat it for more
    #[arg(long)]
    pub bind: Vec<IpAddr>,
    /// The least serious log level: error, warn, info, debug
    #[arg(long, value_parser = level)]
    pub log_level: Option<LevelFilter>,
}

fn level(name: &str) -> Result<LevelFilter, String> {
    parse_level(name).ok_or_else(|| format!("not one of {LEVELS}"))
}

/// Where the configuration lies that is taken when nothing is said.
const CONFIG_DEFAULT: &str = "config/camreel.toml";

impl Serve {
    /// The configuration to run: file, then flags. Read again on SIGHUP.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn config(&self) -> anyhow::Result<Config> {
        let mut config = match self.config_path()? {
            Some(path) => Config::load(&path)?,
            None => Config::default(),
        };
        if let Some(dir) = &self.dir {
            config.root.clone_from(dir);
        }
        override_list(&mut config.rtsp.ports, &self.port);
        override_list(&mut config.http.ports, &self.http_port);
        override_list(&mut config.rtsp.bind, &self.bind);
        if let Some(level) = self.log_level {
            config.log.level = level;
        }
        Ok(config)
    }

    /// The file named, or without a folder the one beside us; a folder alone needs none.
    fn config_path(&self) -> anyhow::Result<Option<PathBuf>> {
        if self.config.is_some() || self.dir.is_some() {
            return Ok(self.config.clone());
        }
        let beside_program = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join(CONFIG_DEFAULT)));
        let candidates = [Some(PathBuf::from(CONFIG_DEFAULT)), beside_program];
        let found = candidates.into_iter().flatten().find(|path| Path::exists(path));
        found.map(Some).ok_or_else(|| {
            anyhow::anyhow!(
                "name a folder to serve (camreel DIR) or a configuration; there is no {CONFIG_DEFAULT} here"
            )
        })
    }
}

fn override_list<T: Clone>(configured: &mut Vec<T>, given: &[T]) {
    if !given.is_empty() {
        *configured = given.to_vec();
    }
}
