//! What the README says, compared with the program as far as it can be.

mod common;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use camreel::config::Config;
use camreel::media::CONTAINERS;
use common::{Server, run};

const README: &str = include_str!("../README.md");
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The rows of the table whose head begins with `first`, as cells.
fn table(first: &str) -> Vec<Vec<&'static str>> {
    let head = format!("| {first} |");
    let lines = README.lines().skip_while(|line| !line.starts_with(&head));
    let rows: Vec<_> = lines.take_while(|line| line.starts_with('|')).skip(2).map(cells).collect();
    assert!(!rows.is_empty(), "no table begins with {head:?}");
    rows
}

fn cells(line: &'static str) -> Vec<&'static str> {
    line.trim_matches('|').split('|').map(str::trim).collect()
}

/// The second cell of the row whose first is `name`.
fn row(name: &str) -> &'static str {
    let mut rows = README.lines().filter(|line| line.starts_with('|')).map(cells);
    rows.find(|cells| cells[0] == name).unwrap_or_else(|| panic!("no row {name:?}"))[1]
}

/// Words that look like long flags.
fn flags(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    words.filter(|word| word.len() > 2 && word.starts_with("--")).collect()
}

#[test]
fn containers_and_their_suffixes_are_those_of_the_table() {
    let told: Vec<_> = table("container").iter().map(|row| (row[0], row[1].to_owned())).collect();
    let known: Vec<_> = CONTAINERS.iter().map(|container| (container.name, container.suffixes.join(" "))).collect();
    assert_eq!(told, known);
}

/// Which of them stand in which containers is tested with files, in `tests/formats`.
#[test]
fn every_codec_has_its_row() {
    let source = include_str!("../src/media/codec/mod.rs");
    let names = source.split_once("pub fn name(&self)").expect("names of codecs").1;
    let known: BTreeSet<_> = names.split('"').skip(1).step_by(2).collect();
    let told: BTreeSet<_> = table("codec").iter().map(|row| row[0]).collect();
    assert_eq!(told, known);
}

#[test]
fn methods_are_those_that_options_lists() {
    let server = Server::start(&Path::new(ROOT).join("recordings"));
    let mut connection = TcpStream::connect(server.address()).unwrap();
    connection.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    connection.write_all(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n").unwrap();
    let mut response = Vec::new();
    while !response.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        connection.read_exact(&mut byte).unwrap_or_else(|error| panic!("{error} after {response:?}"));
        response.push(byte[0]);
    }
    let response = String::from_utf8(response).unwrap();
    let public = response.lines().find_map(|line| line.strip_prefix("Public: "));
    assert_eq!(public, Some(row("methods")), "{response}");
}

#[test]
fn flags_are_those_of_help() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_camreel"));
    let help = run(command.arg("--help"), Duration::from_secs(10)).stdout;
    let sentence =
        README.lines().find(|line| line.starts_with("Flags override the configuration:")).expect("a list of flags");
    assert_eq!(flags(sentence), flags(&help), "\n{help}");
}

#[test]
fn every_subcommand_is_told() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_camreel"));
    let help = run(command.arg("--help"), Duration::from_secs(10)).stdout;
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names: Vec<_> =
        lines.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").collect();
    assert!(!names.is_empty(), "{help}");
    for name in names {
        assert!(README.contains(&format!("`camreel {name} ")), "the README does not tell `camreel {name}`");
    }
}

#[test]
fn ports_and_the_rust_version_are_those_in_use() {
    let Config { rtsp, rtsps, http, .. } = Config::default();
    let [first, second] = rtsp.ports[..] else { panic!("{:?}", rtsp.ports) };
    let [first_secure, second_secure] = rtsps.ports[..] else { panic!("{:?}", rtsps.ports) };
    let http_ports: Vec<String> = http.ports.iter().map(u16::to_string).collect();
    for told in [
        format!("port {first}, or {second} where"),
        format!("port {first_secure}, or {second_secure} |"),
        format!("the first of {} that", http_ports.join(", ")),
        format!("Rust {} or later", env!("CARGO_PKG_RUST_VERSION")),
    ] {
        assert!(README.contains(&told), "the README does not say {told:?}");
    }
}

#[test]
fn every_path_and_url_leads_somewhere() {
    let words = || README.split(|c: char| c.is_whitespace() || "`(),;".contains(c));
    let urls: Vec<&str> =
        words().filter_map(|word| word.split_once("rtsp://127.0.0.1:8554/")).map(|url| url.1).collect();
    assert!(urls.len() > 3, "{urls:?}");
    let recordings = urls.iter().map(|url| format!("recordings/{url}"));
    let folders = ["scripts/", "config/", "recordings/", "src/", "tests/"];
    let named =
        words().filter(|word| folders.iter().any(|folder| word.starts_with(folder)) || word.contains("LICENSE"));
    for path in recordings.chain(named.map(|word| word.trim_end_matches('.').to_owned())) {
        assert!(Path::new(ROOT).join(&path).exists(), "{path} is not there");
    }
}
