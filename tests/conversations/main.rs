//! What the server says to what clients say: golden dialogues as text in `dialogues/`, and around them what takes a
//! second socket, a clock or a signal. `DIALOGUE=play cargo test --test conversations dialogues` speaks only those with
//! that in their names.

mod client;
#[path = "../common/mod.rs"]
mod common;
mod dialogue;
mod files;
mod hostile;
mod media;
mod patience;
mod process;
mod tunnel;
mod udp;

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use common::{Server, for_all};
use dialogue::Dialogue;
use media::Media;

/// How many dialogues are spoken at the same time.
const AT_ONCE: usize = 8;

/// A server of `root` on a port that the kernel picks, configured by the text of a configuration file.
fn serve(root: &Path, config: &str) -> Server {
    let folder = tempfile::tempdir().expect("a folder for the configuration");
    let path = folder.path().join("camreel.toml");
    std::fs::write(&path, config).expect("a configuration");
    let (path, root) = (path.to_string_lossy(), root.to_string_lossy());
    Server::start_with(&["--config", &path, "--bind", "127.0.0.1", "--port", "0", "--http-port", "0", &root])
}

/// Those that are asked for, in the order of their names.
fn dialogues() -> Vec<Dialogue> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conversations/dialogues");
    let files = std::fs::read_dir(&folder).expect("the dialogues").map(|entry| entry.expect("a dialogue").path());
    let only = std::env::var("DIALOGUE").unwrap_or_default();
    let mut dialogues: Vec<Dialogue> = files.map(|path| Dialogue::read(&path)).collect();
    dialogues.retain(|dialogue| dialogue.name.contains(&only));
    dialogues.sort_by(|a, b| a.name.cmp(&b.name));
    dialogues
}

#[test]
fn the_server_answers_as_the_dialogues_say() {
    let dialogues = dialogues();
    let media = Media::new();
    let shared = serve(&media.root(), "");
    for_all(&dialogues, AT_ONCE, |dialogue| {
        let own = (!dialogue.config.is_empty()).then(|| serve(&media.root(), &dialogue.config));
        let server = own.as_ref().unwrap_or(&shared);
        dialogue.speak(server.address()).map_err(|error| format!("{error}\nthe server's log:\n{}", tail(&server.log())))
    });
    let responses: usize = dialogues.iter().map(Dialogue::response_count).sum();
    println!("{} dialogues with {responses} responses", dialogues.len());
}

/// Whoever changes an answer must find out for whose sake it is as it is.
#[test]
fn every_answer_is_checked_for_a_section_of_a_standard_or_for_a_client() {
    for dialogue in dialogues() {
        let (count, reasoned) = (dialogue.response_count(), dialogue.reasoned_count);
        assert_eq!(reasoned, count, "of {count} responses in {}, {reasoned} have a reason", dialogue.name);
    }
}

/// `defects.md` tells where each fault of another server is tested: those places must be there.
#[test]
fn every_fault_that_another_server_had_has_its_test() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let rows = include_str!("defects.md").lines().filter_map(|line| line.strip_suffix(" |")?.rsplit_once("| `"));
    let mut count = 0;
    for (fault, place) in rows {
        let (file, words) = place.split_once("`: ").unwrap_or_else(|| panic!("no place for {fault}: {place}"));
        let text = std::fs::read_to_string(project.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(text.contains(words), "{file} does not say {words:?}, which is to show {fault}");
        count += 1;
    }
    assert!(count > 70, "{count} faults are listed");
}

/// Waits until the server has logged something: it may do so only after its client has noticed.
#[track_caller]
fn expect_log(server: &Server, said: &str) {
    let deadline = Instant::now() + client::PATIENCE;
    while !server.log().contains(said) {
        assert!(Instant::now() < deadline, "{said:?} is not in\n{}", server.log());
        thread::sleep(Duration::from_millis(10));
    }
}

/// The last lines of a log.
fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(8)..].iter().map(|line| format!("    {line}\n")).collect()
}
