//! `scripts/supervise.sh`: a crashed or hanging server comes back, one instance runs, and status codes tell the truth.

mod common;

use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use common::{Ran, run};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long one call of the script may take.
const CALL_MAX: Duration = Duration::from_secs(40);
/// How long the supervisor may take for what it does by itself.
const CHANGE_MAX: Duration = Duration::from_secs(40);

/// Exit statuses of `status`.
const HEALTHY: i32 = 0;
const UNHEALTHY: i32 = 1;
const STOPPED: i32 = 3;

/// A folder for the script's state, and an empty one to serve. Whatever runs there is stopped on drop.
struct Supervised {
    folder: tempfile::TempDir,
}

impl Supervised {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("recordings")).expect("a folder to serve");
        fs::create_dir(folder.path().join("run")).expect("a folder for state");
        Self { folder }
    }

    fn call(&self, words: &[&str]) -> Ran {
        let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/supervise.sh"));
        command.args(words).current_dir(self.folder.path());
        command.env("CAMREEL_BIN", env!("CARGO_BIN_EXE_camreel")).env("CAMREEL_RUN_DIR", "run");
        command.envs([("CAMREEL_HEALTH_INTERVAL", "1"), ("CAMREEL_HEALTH_WAIT", "1"), ("CAMREEL_STOP_WAIT", "3")]);
        command.env("CAMREEL_FAILURES_MAX", "2");
        run(&mut command, CALL_MAX)
    }

    /// Starts it, serving on a port that the kernel picks.
    fn start(&self) -> Ran {
        self.call(&["start", "--", "--bind", "127.0.0.1", "--port", "0", "--http-port", "0", "recordings"])
    }

    fn started() -> Self {
        let supervised = Self::new();
        let started = supervised.start();
        assert_eq!(code(&started), 0, "{}", supervised.evidence(&started));
        supervised
    }

    fn file(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join("run").join(name)).unwrap_or_default()
    }

    /// The process whose id a file names.
    fn pid(&self, name: &str) -> Pid {
        let text = self.file(name);
        Pid::from_raw(text.trim().parse().unwrap_or_else(|_| panic!("{name} is {text:?}, not a process id")))
    }

    /// Waits until `status` exits with `wanted` and tells a server other than `old`.
    fn wait_for(&self, wanted: i32, old: Option<Pid>) {
        let deadline = Instant::now() + CHANGE_MAX;
        loop {
            let status = self.call(&["status"]);
            let is_old = old.is_some_and(|old| status.stdout.contains(&format!("pid {old},")));
            if code(&status) == wanted && !is_old {
                return;
            }
            assert!(Instant::now() < deadline, "not within {CHANGE_MAX:?}: {}", self.evidence(&status));
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn expect_status(&self, wanted: i32) -> String {
        let status = self.call(&["status"]);
        assert_eq!(code(&status), wanted, "{}", self.evidence(&status));
        status.stdout
    }

    fn evidence(&self, ran: &Ran) -> String {
        format!("{:?}\n{}{}\nthe log:\n{}", ran.status, ran.stdout, ran.stderr, self.file("camreel.log"))
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.call(&["stop"]);
    }
}

fn code(ran: &Ran) -> i32 {
    ran.status.and_then(|status| status.code()).unwrap_or(-1)
}

/// Whether a process ends within a moment. One that nobody has waited for yet (state Z) has ended.
fn ends(pid: Pid) -> bool {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        if stat.rsplit(") ").next().is_none_or(|fields| fields.is_empty() || fields.starts_with('Z')) {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn it_starts_once_tells_pid_and_port_and_stops() {
    let supervised = Supervised::new();
    assert_eq!(supervised.expect_status(STOPPED), "stopped\n");
    let started = supervised.start();
    assert_eq!(code(&started), 0, "{}", supervised.evidence(&started));
    let (server, supervisor) = (supervised.pid("camreel.pid"), supervised.pid("supervisor.pid"));
    let banner = supervised.file("camreel.out");
    let port = banner.split("rtsp://127.0.0.1:").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
    let status = supervised.expect_status(HEALTHY);
    assert!(status.contains(&format!("pid {server}, up 0d 00:00:")), "{status:?}");
    assert!(status.ends_with(&format!(" port {port}, healthy\n")), "{status:?} but the banner says {banner:?}");

    let second = supervised.start();
    assert_eq!(code(&second), 1, "{}", supervised.evidence(&second));
    assert!(second.stderr.contains("it runs already: pid"), "{}", second.stderr);
    assert_eq!(supervised.pid("camreel.pid"), server);

    let stopped = supervised.call(&["stop"]);
    assert_eq!((code(&stopped), stopped.stdout.as_str()), (0, "stopped\n"), "{}", supervised.evidence(&stopped));
    assert!(ends(server), "the server outlived stop");
    assert!(ends(supervisor), "the supervisor outlived stop");
    assert_eq!(supervised.expect_status(STOPPED), "stopped\n");
    assert_eq!(supervised.call(&["stop"]).stdout, "not running\n");
}

#[test]
fn a_crashed_server_is_started_again_each_time_a_little_later() {
    let supervised = Supervised::started();
    for delay in [1, 2] {
        let server = supervised.pid("camreel.pid");
        kill(server, Signal::SIGKILL).unwrap();
        supervised.wait_for(HEALTHY, Some(server));
        let line = format!("the server ended (signal 9); starting it again in {delay} s\n");
        let log = supervised.file("camreel.log");
        assert!(log.contains(&line), "{line:?} is not in the log:\n{log}");
    }
}

#[test]
fn a_hanging_server_is_replaced() {
    let supervised = Supervised::started();
    let server = supervised.pid("camreel.pid");
    kill(server, Signal::SIGSTOP).unwrap();
    supervised.wait_for(UNHEALTHY, None);
    supervised.wait_for(HEALTHY, Some(server));
    assert!(ends(server), "the server that hung still runs");
    let log = supervised.file("camreel.log");
    assert!(log.contains("no answer to OPTIONS (3 of 3)"), "{log}");
}

#[test]
fn restart_keeps_the_arguments_and_also_takes_over_a_server_whose_supervisor_is_gone() {
    let supervised = Supervised::started();
    let (server, supervisor) = (supervised.pid("camreel.pid"), supervised.pid("supervisor.pid"));
    kill(supervisor, Signal::SIGKILL).unwrap();
    supervised.wait_for(UNHEALTHY, None);
    let restarted = supervised.call(&["restart"]);
    assert_eq!(code(&restarted), 0, "{}", supervised.evidence(&restarted));
    assert!(ends(server), "two servers run");
    assert!(supervised.file("camreel.out").contains("recordings\n"), "{}", supervised.file("camreel.out"));
    supervised.expect_status(HEALTHY);
}

#[test]
fn a_server_that_ends_with_status_0_stays_ended() {
    let supervised = Supervised::started();
    kill(supervised.pid("camreel.pid"), Signal::SIGTERM).unwrap();
    supervised.wait_for(STOPPED, None);
    let status = supervised.expect_status(STOPPED);
    assert_eq!(status, "stopped: the server ended by itself with status 0: done\n");
}

#[test]
fn a_server_that_cannot_start_is_given_up_and_the_reason_is_shown() {
    for (arguments, reason, failures) in [
        (["--config", "missing.toml"], "cannot read missing.toml: No such file", 2),
        (["--colour", "blue"], "unexpected argument '--colour'", 1),
    ] {
        let supervised = Supervised::new();
        let started = supervised.call(&["start", "--", arguments[0], arguments[1]]);
        assert_eq!(code(&started), 1, "{}", supervised.evidence(&started));
        assert_eq!(started.stderr.matches(reason).count(), failures, "{}", started.stderr);
        let status = supervised.expect_status(STOPPED);
        assert!(status.contains("giving up: the server failed with status"), "{status:?}");
    }
}

#[test]
fn ids_left_by_a_power_cut_neither_keep_it_from_starting_nor_harm_whoever_has_them_now() {
    let supervised = Supervised::new();
    let mut bystander = Command::new("sleep").arg("60").spawn().unwrap();
    for name in ["camreel.pid", "supervisor.pid"] {
        let run = supervised.folder.path().join("run");
        fs::write(run.join(name), format!("{}\n", bystander.id())).unwrap();
        fs::write(run.join(name.replace("pid", "lock")), "").unwrap();
    }
    assert_eq!(supervised.expect_status(STOPPED), "stopped\n");
    assert_eq!(supervised.call(&["stop"]).stdout, "not running\n");
    let started = supervised.start();
    assert_eq!(code(&started), 0, "{}", supervised.evidence(&started));
    assert_eq!(code(&supervised.call(&["stop"])), 0);
    let ended = bystander.try_wait().unwrap();
    let _ = bystander.kill();
    let _ = bystander.wait();
    assert_eq!(ended, None, "a process that only has an old id was ended");
}
