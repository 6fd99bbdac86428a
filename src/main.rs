//! The program: arguments, configuration, server, signals. The only place where the process exits.

use std::process::ExitCode;

use camreel::cli::{Cli, Command, Serve};
use camreel::config::Config;
use camreel::logging::{self, LogControl};
use camreel::server::{self, Banner, Server};
use camreel::{passwd, probe};
use clap::Parser;
use log::{error, info, warn};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match &cli.command {
        Some(Command::Probe { files }) => Ok(probe::run(files)),
        Some(Command::Check { config }) => Config::load(config).and_then(|loaded| server::check(&loaded)).map(|()| {
            println!("{}: good", config.display());
            true
        }),
        Some(Command::Passwd { user, realm }) => passwd::run(user, realm).map(|()| true),
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

/// Serves until a signal says stop. True when every thread ended in time.
fn serve(arguments: &Serve) -> anyhow::Result<bool> {
    let config = arguments.config()?;
    let log = logging::start(&config.log)?;
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    let server = Server::start(config)?;
    print!("{}", Banner::of(&server));
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
