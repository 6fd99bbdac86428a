//! The ways out beyond RTP to who asks: payload without RTP, endless channels, multicast groups, and registration with a
//! proxy. What is said on the way is in `../conversations`, as far as it is the same everywhere.

mod channels;
#[path = "../conversations/client.rs"]
#[allow(dead_code)]
mod client;
#[path = "../common/mod.rs"]
mod common;
mod groups;
mod looped_frames;
#[path = "../conversations/media.rs"]
#[allow(dead_code)]
mod media;
mod namespaces;
mod raw;
mod register;

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use common::Server;

/// A server of `root` at `address`, on a port that the kernel picks, configured by the text of a configuration file.
fn serve_at(address: &str, root: &Path, config: &str) -> Server {
    let folder = tempfile::tempdir().expect("a folder for the configuration");
    let path = folder.path().join("camreel.toml");
    std::fs::write(&path, config).expect("a configuration");
    let (path, root) = (path.to_string_lossy(), root.to_string_lossy());
    Server::start_with(&["--config", &path, "--bind", address, "--port", "0", "--http-port", "0", &root])
}

/// The same on the loopback interface.
fn serve(root: &Path, config: &str) -> Server {
    serve_at("127.0.0.1", root, config)
}

/// Waits until the server has logged something.
#[track_caller]
fn expect_log(server: &Server, said: &str) {
    let deadline = Instant::now() + client::PATIENCE;
    while !server.log().contains(said) {
        assert!(Instant::now() < deadline, "no {said:?} in the server's log:\n{}", server.log());
        thread::sleep(Duration::from_millis(10));
    }
}
