//! What integration tests share: the built server on a port of its own, and other programs run under a deadline.

#![allow(dead_code)] // each test program uses a part of it

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long the server may take from start to the end of its banner.
const START_MAX: Duration = Duration::from_secs(20);
/// How often a child is asked whether it has ended.
const POLL: Duration = Duration::from_millis(10);

/// A running camreel, killed on drop.
pub struct Server {
    child: Child,
    url: String,
    // Holds the log, and goes with the server.
    folder: tempfile::TempDir,
}

impl Server {
    /// Serves `root` on a port that the kernel picks, on the loopback interface only.
    pub fn start(root: &Path) -> Self {
        long_ago(root);
        Self::start_with(&["--bind", "127.0.0.1", "--port", "0", "--http-port", "0", &root.to_string_lossy()])
    }

    /// Runs the server with these arguments and waits for its banner. Panics, with all it wrote, if none comes.
    pub fn start_with(args: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the server's log");
        let log = File::create(folder.path().join("log")).expect("the server's log");
        let child = Command::new(env!("CARGO_BIN_EXE_camreel"))
            .args(args)
            .env("CACHE_DIRECTORY", folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("one file for both streams"))
            .stderr(log)
            .spawn()
            .expect("the built server");
        let mut server = Self { child, url: String::new(), folder };
        let deadline = Instant::now() + START_MAX;
        while server.url.is_empty() {
            let ended = server.child.try_wait().expect("the server's status");
            let log = server.log();
            assert!(ended.is_none(), "camreel {args:?} ended with {ended:?} instead of serving:\n{log}");
            assert!(Instant::now() < deadline, "camreel {args:?} told no URL within {START_MAX:?}:\n{log}");
            if let Some(url) = banner_url(&log) {
                server.url = url;
            }
            thread::sleep(POLL);
        }
        server
    }

    /// The URL of a recording, given its path below the root.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Host and port, as `TcpStream::connect` takes them.
    pub fn address(&self) -> &str {
        self.url.trim_start_matches("rtsp://").trim_end_matches('/')
    }

    /// All that it has written so far, banner and log.
    pub fn log(&self) -> String {
        let bytes = fs::read(self.folder.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The lines of it that mention `word`, such as a recording's name.
    pub fn log_about(&self, word: &str) -> String {
        let log = self.log();
        log.lines().filter(|line| line.contains(word)).map(|line| format!("    {line}\n")).collect()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).expect("the server takes signals");
    }

    /// Its process id.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id() as i32)
    }

    /// Waits for its end, no longer than `limit`; `None` if it still runs then.
    pub fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        wait(&mut self.child, limit)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Has the files in a folder that were written just now seem to have been written long ago: else the server would wait
/// for more of them.
pub fn long_ago(folder: &Path) {
    let is_fresh = |file: &File| {
        let modified = file.metadata().and_then(|metadata| metadata.modified());
        modified.is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age < Duration::from_secs(60)))
    };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let kind = entry.file_type().expect("a kind of file");
        if kind.is_dir() {
            long_ago(&entry.path());
        } else if kind.is_file()
            && let Ok(file) = File::options().append(true).open(entry.path())
            && is_fresh(&file)
        {
            file.set_modified(SystemTime::now() - Duration::from_secs(3600)).expect("a time of change");
        }
    }
}

/// The first `rtsp://host:port/` of the banner. Its line must be complete, else the port may not be.
fn banner_url(log: &str) -> Option<String> {
    const SCHEME: &str = "rtsp://";
    let complete = &log[..=log.rfind('\n')?];
    let url = complete.lines().map(str::trim).find(|line| line.starts_with(SCHEME))?;
    let slash = url[SCHEME.len()..].find('/')?;
    Some(url[..=SCHEME.len() + slash].to_owned())
}

/// What a program left behind.
pub struct Ran {
    /// Its exit status; `None` if it had to be killed at the deadline.
    pub status: Option<ExitStatus>,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
    /// How long it ran.
    pub elapsed: Duration,
}

impl Ran {
    /// Fails with what the program said, unless it ended by itself, within its time, with status 0.
    pub fn expect_success(&self, what: &str) -> Result<(), String> {
        match self.status {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(format!("{what} failed with {status}:\n{}", self.complaint())),
            None => Err(format!("{what} did not end within {:?}:\n{}", self.elapsed, self.complaint())),
        }
    }

    /// The last lines of what it said on standard error.
    pub fn complaint(&self) -> String {
        const LINES_MAX: usize = 12;
        let lines: Vec<&str> = self.stderr.lines().collect();
        lines[lines.len().saturating_sub(LINES_MAX)..].join("\n")
    }
}

/// Runs a program to its end, or kills it after `limit`. Its output goes through files, so that no pipe can block it.
pub fn run(command: &mut Command, limit: Duration) -> Ran {
    let folder = tempfile::tempdir().expect("a folder for a program's output");
    let path = |name: &str| -> PathBuf { folder.path().join(name) };
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(File::create(path("out")).expect("a file for standard output"))
        .stderr(File::create(path("err")).expect("a file for standard error"))
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; scripts/test.sh installs what the tests need"));
    let status = wait(&mut child, limit);
    if status.is_none() {
        let _ = child.kill();
        let _ = child.wait();
    }
    let text = |name: &str| String::from_utf8_lossy(&fs::read(path(name)).unwrap_or_default()).into_owned();
    Ran { status, stdout: text("out"), stderr: text("err"), elapsed: start.elapsed() }
}

fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + limit;
    loop {
        match child.try_wait().expect("a child's status") {
            Some(status) => return Some(status),
            None if Instant::now() >= deadline => return None,
            None => thread::sleep(POLL),
        }
    }
}

/// Runs `check` on every row, `at_once` of them at a time, and fails in the end with all that went wrong.
pub fn for_all<T: Sync>(rows: &[T], at_once: usize, check: impl Fn(&T) -> Result<(), String> + Sync) {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let failures = std::sync::Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..at_once.min(rows.len()) {
            scope.spawn(|| {
                while let Some(row) = rows.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                    if let Err(failure) = check(row) {
                        failures.lock().expect("no thread panics while it holds this").push(failure);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no thread panics while it holds this");
    assert!(failures.is_empty(), "{} of {} failed\n\n{}\n", failures.len(), rows.len(), failures.join("\n\n"));
}
