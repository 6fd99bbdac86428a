//! The program as its user meets it: signals, ports, limits, and what it says when it cannot start.

use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;

use crate::client::{Client, PATIENCE, is_bye};
use crate::common::{Server, run};
use crate::media::Media;
use crate::{expect_log, serve};

const STOP_MAX: Duration = Duration::from_secs(3);

#[test]
fn a_signal_to_stop_says_goodbye_to_every_viewer_and_ends_in_time_with_status_0() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let media = Media::new();
        media.add_heavy();
        let mut server = serve(&media.root(), "");
        let url = server.url("long.mkv");
        let mut plays = Client::connect(server.address());
        plays.play_both(&url);
        let mut pauses = Client::connect(server.address());
        let session = pauses.play_both(&url);
        pauses.frame_that("sound", |frame| frame.channel == 2);
        pauses.frame_that("pictures", |frame| frame.channel == 0);
        pauses.in_session("PAUSE", &url, &session).ok();
        let mut silent = Client::connect(server.address());
        silent.set_up(&url, 0, None);
        let mut stalled = Client::connect_narrow(server.address());
        stalled.play_both(&server.url("heavy.mkv"));
        let half_a_request = Client::connect(server.address()).send(b"OPTIONS");
        let datagrams = UdpSocket::bind("127.0.0.1:0").expect("a UDP port");
        let reports = UdpSocket::bind("127.0.0.1:0").expect("a UDP port");
        // Packets may go to either: only the goodbye is of interest.
        let port = |socket: &UdpSocket| socket.local_addr().expect("a port").port();
        let (low, high) = (port(&datagrams).min(port(&reports)), port(&datagrams).max(port(&reports)));
        let udp_transport = format!("Transport: RTP/AVP;unicast;client_port={low}-{high}");
        let mut udp = Client::connect(server.address());
        let session = udp.set_up_by(&url, 0, None, &udp_transport).session();
        udp.in_session("PLAY", &url, &session).ok();
        drop(udp);
        std::thread::sleep(Duration::from_millis(500));

        server.signal(signal);
        let status = server.wait(STOP_MAX);
        assert!(half_a_request && status.is_some_and(|status| status.success()), "{status:?}:\n{}", server.log());
        for (what, client) in [("who plays", &mut plays), ("who pauses", &mut pauses)] {
            for channel in [1, 3] {
                let what = format!("a goodbye to {what} on channel {channel}");
                client.frame_that(&what, |frame| frame.channel == channel && is_bye(&frame.data));
            }
            client.wait_for_close(PATIENCE).expect("the connection is closed");
        }
        silent.wait_for_close(PATIENCE).expect("the connection is closed");
        let rtcp = if port(&reports) == high { &reports } else { &datagrams };
        rtcp.set_nonblocking(true).expect("a socket that does not wait");
        let mut buffer = [0; 2000];
        let mut goodbyes = 0;
        while let Ok(len) = rtcp.recv(&mut buffer) {
            goodbyes += usize::from(is_bye(&buffer[..len]));
        }
        assert_eq!(goodbyes, 1, "over UDP");
        assert!(server.log().contains("stopped"), "{}", server.log());
    }
}

#[test]
fn hangup_reads_the_configuration_again_and_keeps_the_old_one_if_the_new_one_is_bad() {
    let media = Media::new();
    let folder = tempfile::tempdir().expect("a folder for the configuration");
    let path = folder.path().join("camreel.toml");
    let write = |text: &str| std::fs::write(&path, text).expect("a configuration");
    write("rtsp.transports = [\"udp\", \"tcp\"]\n");
    let (config, root) = (path.to_string_lossy(), media.root());
    let root = root.to_string_lossy();
    let server =
        Server::start_with(&["--config", &config, "--bind", "127.0.0.1", "--port", "0", "--http-port", "0", &root]);
    let url = format!("{}/trackID=0", server.url("cam.mkv"));
    let set_up = || {
        let transport = "Transport: RTP/AVP;unicast;client_port=40060-40061";
        Client::connect(server.address()).request("SETUP", &url, &[transport]).status()
    };
    let reload = |text: &str, said: &str| {
        write(text);
        server.signal(Signal::SIGHUP);
        expect_log(&server, said);
    };
    let mut viewer = Client::connect(server.address());
    let session = viewer.play_both(&server.url("long.mkv"));
    assert_eq!(set_up(), 200);
    reload("rtsp.transports = [\"tcp\"]\n", "configuration read again");
    assert_eq!(set_up(), 461);
    reload("rtsp.transports = [\"pigeon\"]\n", "configuration kept as it was");
    assert_eq!(set_up(), 461);
    expect_log(&server, "\"pigeon\" is not");
    // Who plays goes on playing.
    viewer.in_session("GET_PARAMETER", "*", &session).ok();
    viewer.frames.clear();
    viewer.frame(PATIENCE).expect("a frame");
}

#[test]
fn a_port_in_use_means_the_next_one_and_all_in_use_means_one_clear_error() {
    let media = Media::new();
    let root = media.root();
    let root = root.to_string_lossy();
    let taken = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
    let ports = taken.each_ref().map(|listener| listener.local_addr().expect("a port").port().to_string());
    let [first, second] = &ports;
    let server =
        Server::start_with(&["--bind", "127.0.0.1", "--port", first, "--port", "0", "--http-port", "0", &root]);
    assert!(!server.address().ends_with(&format!(":{first}")), "{}", server.address());
    Client::connect(server.address()).request("OPTIONS", "*", &[]).ok();

    let mut command = Command::new(env!("CARGO_BIN_EXE_camreel"));
    command.args(["--bind", "127.0.0.1", "--port", first, "--port", second, "--http-port", "0", &root]);
    let ran = run(&mut command, PATIENCE);
    assert_eq!(ran.status.and_then(|status| status.code()), Some(1), "{}", ran.stderr);
    let said: Vec<&str> = ran.stderr.lines().collect();
    assert_eq!(said.len(), 1, "{said:#?}");
    for part in ["camreel: cannot listen for RTSP", first, second, "Address already in use"] {
        assert!(said[0].contains(part), "{part:?} is not in {:?}", said[0]);
    }
}

/// As LIVE555 does: 80, 8000, 8080, or none and carry on.
#[test]
fn an_http_port_in_use_means_the_next_one_and_all_in_use_means_none() {
    let media = Media::new();
    let root = media.root();
    let root = root.to_string_lossy();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("a port").port().to_string();
    let arguments = ["--bind", "127.0.0.1", "--port", "0", "--http-port", &taken, &root];
    let server = Server::start_with(&arguments);
    Client::connect(server.address()).request("OPTIONS", "*", &[]).ok();
    assert!(server.log().contains("no HTTP port for tunnels"), "{}", server.log());
    let server = Server::start_with(&[&arguments[..], &["--http-port", "0"]].concat());
    assert!(server.log().contains("RTSP over HTTP: port "), "{}", server.log());
}

/// LIVE555 2021-41396: a flood of connections, more than may be open, made its error path overflow.
#[test]
fn a_flood_of_connections_beyond_its_open_files_is_survived() {
    let media = Media::new();
    let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
    let address = format!("127.0.0.1:{port}");
    let mut child = Command::new("sh")
        .args(["-c", "ulimit -n 60; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_camreel"), "--bind", "127.0.0.1"])
        .args(["--port", &port.to_string(), "--http-port", "0"])
        .arg(media.root())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the built server");
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(&address).is_err() {
        assert!(Instant::now() < deadline, "it does not listen");
        std::thread::sleep(Duration::from_millis(10));
    }
    let mut first = Client::connect(&address);
    first.request("OPTIONS", "*", &[]).ok();
    let flood: Vec<Client> = (0..150).map(|_| Client::connect(&address)).collect();
    std::thread::sleep(Duration::from_millis(500));
    first.request("OPTIONS", "*", &[]).ok();
    drop(flood);
    let mut later = Client::connect(&address);
    later.play_both(&format!("rtsp://{address}/cam.mkv"));
    later.frame_that("a packet", |frame| frame.channel == 0);
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(child.id() as i32), Signal::SIGTERM).expect("it takes signals");
    assert!(child.wait().expect("its status").success());
}

#[test]
fn what_cannot_be_served_is_said_in_one_line() {
    let folder = tempfile::tempdir().expect("a folder for the configuration");
    let (config, file) = (folder.path().join("camreel.toml"), folder.path().join("file"));
    std::fs::write(&config, "[rtsp]\nsession_timeout = \"soon\"\n").expect("a configuration");
    std::fs::write(&file, "").expect("a file");
    let (config, file) = (config.to_string_lossy(), file.to_string_lossy());
    for (args, reason) in [
        (vec!["/no/such/folder"], "cannot serve /no/such/folder"),
        (vec![&*file], "cannot serve"),
        (vec!["--config", "/no/such/file", "."], "cannot read /no/such/file"),
        (vec!["--config", &*config, "."], "is not a duration"),
    ] {
        let ran = run(
            Command::new(env!("CARGO_BIN_EXE_camreel")).args(["--port", "0", "--http-port", "0"]).args(&args),
            PATIENCE,
        );
        assert_eq!(ran.status.and_then(|status| status.code()), Some(1), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.starts_with("camreel: ") && ran.stderr.contains(reason), "{args:?}: {}", ran.stderr);
    }
}

#[test]
fn over_the_limit_of_connections_the_peer_is_told_503_and_room_comes_back() {
    for limit in ["limits.connections = 2", "limits.connections_per_address = 2"] {
        let media = Media::new();
        let server = serve(&media.root(), limit);
        let mut inside: Vec<Client> = (0..2).map(|_| Client::connect(server.address())).collect();
        for client in &mut inside {
            client.request("OPTIONS", "*", &[]).ok();
        }
        for asks in [false, true] {
            let mut refused = Client::connect(server.address());
            if asks {
                refused.send(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n");
            }
            let response = refused.response().unwrap_or_else(|error| panic!("{limit}: {error}"));
            assert_eq!(response.status(), 503, "{limit}: {response:?}");
            assert_eq!(response.header("Retry-After"), Some("10"));
            refused.wait_for_close(PATIENCE).expect("the connection is closed");
        }
        expect_log(&server, "refused, there are 2 connections");
        drop(inside.pop());
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut client = Client::connect(server.address());
            client.send(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n");
            match client.response() {
                Ok(response) if response.status() == 200 => break,
                other => assert!(Instant::now() < deadline, "{limit}: {other:?}"),
            }
        }
        inside[0].request("OPTIONS", "*", &[]).ok();
    }
}

/// LIVE555 accepted the 1021st connection and never answered it.
#[test]
fn more_connections_than_a_thousand_are_all_answered() {
    const COUNT: usize = 1200;
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("the limit of open files");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("as many open files as are allowed");
    if hard < 2 * COUNT as u64 {
        eprintln!("skipped: only {hard} files may be open");
        return;
    }
    let media = Media::new();
    let server = serve(&media.root(), "");
    let mut clients: Vec<Client> = (0..COUNT).map(|_| Client::connect(server.address())).collect();
    for client in clients.iter_mut().rev() {
        client.request("OPTIONS", "*", &[]).ok();
    }
    clients.last_mut().expect("a client").play_both(&server.url("cam.mkv"));
    drop(clients);
    assert!(Path::new("/proc").join(server.pid().to_string()).exists());
}
