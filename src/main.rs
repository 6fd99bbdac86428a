//! The program: arguments, configuration, server, signals. The only place where the process exits.

use std::io::{IsTerminal, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use camreel::cli::{Cli, Command, RegisterByHand, Serve};
use camreel::config::{Config, Delivery, Register};
use camreel::logging::{self, LogControl};
use camreel::server::register::{Verb, by_hand};
use camreel::server::{self, Banner, Server};
use camreel::{indexing, passwd, probe};
use clap::Parser;
use log::{error, info, warn};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match &cli.command {
        Some(Command::Probe { files }) => probe::run(files, &mut std::io::stdout().lock()).map_err(Into::into),
        Some(Command::Index { paths, config, tsx }) => index(paths, config.as_deref(), *tsx),
        Some(Command::Check { config }) => Config::load(config).and_then(|loaded| server::check(&loaded)).map(|()| {
            println!("{}: good", config.display());
            true
        }),
        Some(Command::Passwd { user, realm }) => passwd::run(user, realm).map(|()| true),
        Some(Command::Register(by_hand)) => register(by_hand),
        None => serve(&cli.serve),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("camreel: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Tells a proxy of a stream, and prints what it says. True when it agrees.
fn register(arguments: &RegisterByHand) -> anyhow::Result<bool> {
    let RegisterByHand { url, path, suffix, udp, deregister, port } = arguments;
    let verb = if *deregister { Verb::Deregister } else { Verb::Register };
    let register = Register {
        url: url.clone(),
        path: path.clone(),
        reuse_connection: false,
        preferred_delivery_protocol: if *udp { Delivery::Udp } else { Delivery::Interleaved },
        proxy_url_suffix: suffix.clone(),
    };
    let listens = |port: &u16| TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).is_ok();
    let port = port.or_else(|| Config::default().rtsp.ports.into_iter().find(listens));
    let port = port.context("no server runs here; name its port with --port")?;
    let answer = by_hand(verb, &register, port)?;
    write!(std::io::stdout(), "{answer}")?;
    Ok(answer.code / 100 == 2)
}

/// Indexes recordings. True when none failed.
fn index(paths: &[PathBuf], config: Option<&Path>, tsx: bool) -> anyhow::Result<bool> {
    let config = config.map_or_else(|| Ok(Config::default()), Config::load)?;
    let (mut out, mut terminal) = (std::io::stdout().lock(), std::io::stderr());
    let terminal = std::io::stderr().is_terminal().then_some(&mut terminal as &mut dyn Write);
    Ok(indexing::run(paths, &config, tsx, &mut out, terminal)?)
}

/// Serves until a signal says stop. True when every thread ended in time.
fn serve(arguments: &Serve) -> anyhow::Result<bool> {
    let config = arguments.config()?;
    let log = logging::start(&config.log)?;
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    let server = Server::start(config)?;
    // Whoever starts us without a place to print to wants us to serve all the same.
    let _ = write!(std::io::stdout(), "{}", Banner::of(&server));
    for signal in signals.forever() {
        if signal != SIGHUP {
            info!("stopping on signal {signal}");
            break;
        }
        reload(arguments, &server, &log);
    }
    let all_ended = server.stop();
    if !all_ended {
        error!("some threads did not end in time");
    }
    info!("stopped");
    log::logger().flush();
    Ok(all_ended)
}

fn reload(arguments: &Serve, server: &Server, log: &LogControl) {
    log.reopen();
    match arguments.config() {
        Ok(config) => server.reconfigure(config),
        Err(error) => warn!("configuration kept as it was: {error:#}"),
    }
}
