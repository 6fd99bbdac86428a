//! Who is let in: real clients with passwords, and dialogues of those who should stay out.

mod client;
#[path = "../common/mod.rs"]
mod common;
mod login;
mod relay;
mod secure;
mod sessions;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::Server;

/// A recording short enough to wait for.
const CLIP: &[u8] = include_bytes!("../media/open_gop_bframes.h264");
/// Two users, of whom one sees only the yard.
const USERS: &str = "[[users]]\nname = \"guard\"\npassword = \"secret\"\n\
    [[users]]\nname = \"family\"\npassword = \"pass word\"\n\
    [[permissions]]\nusers = [\"guard\"]\n\
    [[permissions]]\nusers = [\"family\"]\npaths = [\"yard/\"]\n";

/// A server with a configuration, and what it serves: `yard/clip.h264` and `attic/clip.h264`.
struct Site {
    server: Server,
    folder: tempfile::TempDir,
}

impl Site {
    /// Serves on ports that the kernel picks, with these further sections.
    fn start(sections: &str) -> Self {
        Self::start_in(|_| sections.to_owned())
    }

    /// As [`Self::start`], with sections that depend on the site's folder.
    fn start_in(sections: impl FnOnce(&Path) -> String) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for place in ["yard", "attic"] {
            let place = folder.path().join("root").join(place);
            fs::create_dir_all(&place).expect("a folder for a recording");
            fs::write(place.join("clip.h264"), CLIP).expect("a recording");
        }
        let config = format!(
            "root = {:?}\n[rtsp]\nports = [0]\nbind = [\"127.0.0.1\"]\nread_timeout = \"1s\"\n[http]\nports = []\n{}",
            folder.path().join("root"),
            sections(folder.path())
        );
        fs::write(folder.path().join("camreel.toml"), config).expect("a configuration");
        let path = folder.path().join("camreel.toml");
        let server = Server::start_with(&["--config", &path.to_string_lossy()]);
        Self { server, folder }
    }

    /// Waits until so many lines of the log have this in them.
    fn wait_for_log(&self, word: &str, count: usize) {
        let deadline = Instant::now() + Duration::from_secs(5);
        while self.server.log_about(word).lines().count() < count {
            assert!(Instant::now() < deadline, "{word:?} is not {count} times in\n{}", self.server.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The configuration file.
    fn config(&self) -> PathBuf {
        self.folder.path().join("camreel.toml")
    }

    fn address(&self) -> &str {
        self.server.address()
    }

    fn url(&self, path: &str) -> String {
        self.server.url(path)
    }

    /// A URL that names a user.
    fn url_as(&self, user: &str, path: &str) -> String {
        format!("rtsp://{user}@{}/{path}", self.address())
    }
}
