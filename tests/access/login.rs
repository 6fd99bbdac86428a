//! Logging in, with real clients and by hand.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::client::Client;
use super::common::run;
use super::{Site, USERS};

/// How long a client may take for the clip.
const LIMIT: Duration = Duration::from_secs(30);

/// How many pictures ffmpeg gets, and what it complains about.
pub fn ffmpeg(options: &[&str], url: &str) -> (usize, String) {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-v", "error"]).args(options).args(["-i", url, "-f", "framemd5", "-"]);
    let ran = run(&mut command, LIMIT);
    (ran.stdout.lines().filter(|line| !line.starts_with('#')).count(), ran.complaint())
}

/// How many pictures GStreamer gets, and what it complains about.
pub fn gstreamer(source: &str) -> (usize, String) {
    let pipeline = format!("rtspsrc {source} ! rtph264depay ! h264parse ! avdec_h264 ! checksumsink sync=false");
    let mut command = Command::new("gst-launch-1.0");
    command.arg("-q").args(pipeline.split_whitespace());
    let ran = run(&mut command, LIMIT);
    (ran.stdout.lines().filter(|line| line.starts_with("0:")).count(), ran.stderr + &ran.stdout)
}

#[test]
fn clients_with_the_password_play_whatever_the_algorithms_and_transports() {
    for auth in [
        "",
        "[auth]\nalgorithms = [\"sha-256\", \"md5\"]\nmethods = [\"basic\", \"digest\"]\n",
        "[auth]\nmethods = [\"basic\"]\n",
    ] {
        let site = Site::start(&format!("{auth}{USERS}"));
        let path = "yard/clip.h264";
        for transport in ["tcp", "udp", "http"] {
            for user in ["guard:secret", "family:pass%20word"] {
                let (count, complaint) = ffmpeg(&["-rtsp_transport", transport], &site.url_as(user, path));
                assert!(count > 0, "ffmpeg as {user} over {transport} with {auth:?}: {complaint}");
            }
            let scheme = if transport == "http" { "rtsph" } else { "rtsp" };
            let protocols = if transport == "udp" { "udp" } else { "tcp" };
            let (count, complaint) = gstreamer(&format!(
                "location={scheme}://{}/{path} protocols={protocols} user-id=guard user-pw=secret",
                site.address()
            ));
            assert!(count > 0, "GStreamer over {transport} with {auth:?}: {complaint}");
        }
    }
}

#[test]
fn clients_without_the_password_or_the_permission_are_told_so() {
    let site = Site::start(USERS);
    for (user, path, status) in [
        ("guard:wrong", "yard/clip.h264", "401 Unauthorized"),
        ("nobody:secret", "yard/clip.h264", "401 Unauthorized"),
        ("family:pass%20word", "attic/clip.h264", "403 Forbidden"),
        ("family:pass%20word", "attic/none.h264", "403 Forbidden"),
        ("family:pass%20word", "yard/none.h264", "404 Not Found"),
    ] {
        let (count, complaint) = ffmpeg(&["-rtsp_transport", "tcp"], &site.url_as(user, path));
        assert!(count == 0 && complaint.contains(status), "{user} {path}: {complaint}");
    }
    site.wait_for_log("wrong name or password for \"guard\", number 1 from 127.0.0.1", 1);
    site.wait_for_log("not for family", 2);
}

#[test]
fn every_method_but_options_asks_for_credentials_as_exoplayer_and_vlc_read_it() {
    let site = Site::start(USERS);
    let url = site.url("yard/clip.h264");
    let mut client = Client::connect(site.address());
    assert_eq!(client.ask("OPTIONS", &url, &[]).status, 200);
    assert_eq!(client.ask("OPTIONS", "*", &["Session: 0123456789ABCDEF"]).status, 200);
    for method in ["DESCRIBE", "SETUP", "PLAY", "PAUSE", "TEARDOWN", "GET_PARAMETER", "SET_PARAMETER"] {
        let answer = client.ask(method, &url, &["Session: 0123456789ABCDEF", "Transport: RTP/AVP/TCP"]);
        assert_eq!(answer.status, 401, "{method}");
        let challenges: Vec<_> = answer.headers("WWW-Authenticate").collect();
        let [challenge] = challenges[..] else { panic!("{method}: {challenges:?}") };
        assert!(challenge.starts_with("Digest realm=\"camreel\", nonce=\""), "{method}: {challenge}");
    }
    assert_eq!(client.ask("RECORD", &url, &[]).status, 405);
}

#[test]
fn a_nonce_is_good_on_any_connection_but_each_count_only_once() {
    let site = Site::start(USERS);
    let url = site.url("yard/clip.h264");
    let login = Client::connect(site.address()).log_in("guard", "secret", &url);
    let mut other = Client::connect(site.address());
    let counted = login.digest_with_count("DESCRIBE", &url, 1);
    assert_eq!(other.ask("DESCRIBE", &url, &[&counted]).status, 200);
    let replayed = Client::connect(site.address()).ask("DESCRIBE", &url, &[&counted]);
    assert_eq!(replayed.status, 401);
    let challenge = replayed.header("WWW-Authenticate").unwrap_or_default();
    assert!(challenge.contains("\", stale=true, "), "{challenge}");
    let next = login.digest_with_count("DESCRIBE", &url, 2);
    assert_eq!(Client::connect(site.address()).ask("DESCRIBE", &url, &[&next]).status, 200);
    let elsewhere = login.digest("DESCRIBE", &site.url("attic/clip.h264"));
    assert_eq!(other.ask("DESCRIBE", &url, &[&elsewhere]).status, 400, "credentials of another file");
    assert_eq!(other.ask("DESCRIBE", &url, &["Authorization: Digest username=\"guard"]).status, 400);
}

#[test]
fn guesses_are_slowed_down_and_then_not_heard_and_hold_up_nobody_else() {
    let site = Site::start(&format!("[auth]\nfailures_max = 5\nblock_time = \"2s\"\n{USERS}"));
    let url = site.url("yard/clip.h264");
    let mut viewer = Client::connect(site.address());
    let right = viewer.log_in("guard", "secret", &url);
    assert_eq!(viewer.ask_as(&right, "DESCRIBE", &url, &[]).status, 200);
    let mut guesser = Client::connect(site.address());
    let wrong = guesser.log_in("guard", "guess", &url);
    let mut waits = Vec::new();
    for _ in 0..5 {
        let start = Instant::now();
        assert_eq!(guesser.ask_as(&wrong, "DESCRIBE", &url, &[]).status, 401);
        waits.push(start.elapsed().as_millis() / 100);
    }
    assert!(
        waits[..3].iter().all(|wait| *wait < 4) && waits[3] >= 5 && waits[4] >= 10,
        "tenths of a second: {waits:?}"
    );
    assert_eq!(guesser.ask_as(&wrong, "DESCRIBE", &url, &[]).status, 403);
    assert_eq!(guesser.ask_as(&right, "DESCRIBE", &url, &[]).status, 403, "not even the right one tells anything now");
    assert_eq!(viewer.ask_as(&right, "DESCRIBE", &url, &[]).status, 200, "who is logged in plays on");
    site.wait_for_log("127.0.0.1: blocked for 2 s after 5 wrong passwords", 1);
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(guesser.ask_as(&right, "DESCRIBE", &url, &[]).status, 200);
}

#[test]
fn an_answer_that_is_held_back_does_not_hold_up_the_end() {
    let mut site = Site::start(USERS);
    let url = site.url("yard/clip.h264");
    let mut guesser = Client::connect(site.address());
    let wrong = guesser.log_in("guard", "guess", &url);
    for _ in 0..6 {
        guesser.ask_as(&wrong, "DESCRIBE", &url, &[]);
    }
    std::thread::scope(|scope| {
        scope.spawn(|| guesser.try_ask("DESCRIBE", &url, &[&wrong.digest("DESCRIBE", &url)]));
        std::thread::sleep(Duration::from_millis(300));
        site.server.signal(nix::sys::signal::Signal::SIGTERM);
        let status = site.server.wait(Duration::from_secs(3));
        assert!(status.is_some_and(|status| status.success()), "{status:?}\n{}", site.server.log());
    });
}

#[test]
fn users_and_permissions_change_with_sighup_without_a_restart() {
    let site = Site::start("");
    let url = site.url("yard/clip.h264");
    assert_eq!(Client::connect(site.address()).ask("DESCRIBE", &url, &[]).status, 200);
    let mut config = std::fs::read_to_string(site.config()).expect("the configuration");
    config.push_str(USERS);
    std::fs::write(site.config(), config).expect("the configuration");
    site.server.signal(nix::sys::signal::Signal::SIGHUP);
    let deadline = Instant::now() + Duration::from_secs(5);
    while Client::connect(site.address()).ask("DESCRIBE", &url, &[]).status != 401 {
        assert!(Instant::now() < deadline, "{}", site.server.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn passwd_prints_a_user_that_can_log_in() {
    let mut passwd = Command::new(env!("CARGO_BIN_EXE_camreel"))
        .args(["passwd", "guard"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("camreel");
    passwd.stdin.take().expect("a pipe").write_all(b"secret\n").expect("a reader");
    let entry = String::from_utf8(passwd.wait_with_output().expect("its output").stdout).expect("text");
    assert!(!entry.contains("secret"), "{entry}");
    let site = Site::start(&entry);
    let url = site.url("yard/clip.h264");
    let mut client = Client::connect(site.address());
    let login = client.log_in("guard", "secret", &url);
    assert_eq!(client.ask_as(&login, "DESCRIBE", &url, &[]).status, 200);
}
