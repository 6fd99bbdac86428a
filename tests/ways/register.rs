//! REGISTER and DEREGISTER, against a proxy that is made up here.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::client::{Client, PATIENCE, Rtp, is_bye};
use crate::common::{Server, run};
use crate::media::matroska;
use crate::serve;

/// Who streams are registered with.
struct Proxy {
    listener: TcpListener,
}

/// A request that came, and the connection to answer it on.
struct Call {
    stream: TcpStream,
    lines: Vec<String>,
}

impl Proxy {
    fn new() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").expect("a port") }
    }

    fn port(&self) -> u16 {
        self.listener.local_addr().expect("a port").port()
    }

    /// A line of `[[register]]` that names this proxy.
    fn config(&self, more: &str) -> String {
        format!("[[register]]\nurl = \"rtsp://127.0.0.1:{}/\"\npath = \"cam.mkv\"\n{more}", self.port())
    }

    /// The next request, each on a connection of its own.
    #[track_caller]
    fn call(&self) -> Call {
        self.listener.set_nonblocking(true).expect("a listener");
        let deadline = Instant::now() + PATIENCE;
        let mut stream = loop {
            match self.listener.accept() {
                Ok((stream, _)) => break stream,
                Err(_) if Instant::now() < deadline => thread::sleep(Duration::from_millis(10)),
                Err(error) => panic!("nobody called: {error}"),
            }
        };
        stream.set_nonblocking(false).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a read timeout");
        let mut text = Vec::new();
        while !text.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap_or_else(|error| panic!("{error} after {text:?}"));
            text.push(byte[0]);
        }
        let lines = String::from_utf8(text).expect("text").trim_end().split("\r\n").map(str::to_owned).collect();
        Call { stream, lines }
    }
}

impl Call {
    #[track_caller]
    fn answer(&mut self, status: &str) {
        self.stream.write_all(format!("RTSP/1.0 {status}\r\nCSeq: 1\r\n\r\n").as_bytes()).expect("an answer is sent");
    }

    /// The URL that it is about.
    fn url(&self) -> String {
        self.lines[0].split(' ').nth(1).expect("a URL").to_owned()
    }
}

fn server(root: &Path, config: &str) -> Server {
    std::fs::write(root.join("cam.mkv"), matroska(20, 100)).expect("a recording");
    serve(root, config)
}

#[test]
fn a_stream_is_registered_again_when_the_proxy_comes_back_and_taken_back_at_the_end() {
    let (root, proxy) = (tempfile::tempdir().expect("a folder"), Proxy::new());
    let config = proxy.config("preferred_delivery_protocol = \"udp\"\nproxy_url_suffix = \"cam1\"\n");
    let mut server = server(root.path(), &config);
    let url = server.url("cam.mkv");
    let expected = [
        format!("REGISTER {url} RTSP/1.0"),
        "CSeq: 1".to_owned(),
        format!("User-Agent: camreel/{}", env!("CARGO_PKG_VERSION")),
        "Transport: preferred_delivery_protocol=udp; proxy_url_suffix=cam1".to_owned(),
    ];
    let mut call = proxy.call();
    assert_eq!(call.lines, expected);
    call.answer("200 OK");
    Client::connect(server.address()).request("DESCRIBE", &call.url(), &[]).ok();

    // The proxy goes, and is there again. What it knew of us it may have kept, and may say so.
    drop(call);
    let mut call = proxy.call();
    assert_eq!(call.lines, expected);
    call.answer("451 Invalid parameter");
    crate::expect_log(&server, &format!("{url}: registered with rtsp://127.0.0.1:{}/", proxy.port()));

    server.signal(Signal::SIGTERM);
    let mut goodbye = proxy.call();
    assert_eq!(goodbye.lines[0], format!("DEREGISTER {url} RTSP/1.0"));
    assert_eq!(goodbye.lines[3..], ["Transport: proxy_url_suffix=cam1"]);
    goodbye.answer("200 OK");
    let status = server.wait(Duration::from_secs(4)).expect("the server stops");
    assert!(status.success(), "{status}:\n{}", server.log());
    drop(call);
}

#[test]
fn on_a_reused_connection_the_proxy_is_a_client_like_any_other() {
    let (root, proxy) = (tempfile::tempdir().expect("a folder"), Proxy::new());
    // Longer idle than any client may be.
    let config = format!("[rtsp]\nidle_timeout = \"1s\"\n{}", proxy.config("reuse_connection = true\n"));
    let mut server = server(root.path(), &config);
    let mut call = proxy.call();
    assert_eq!(call.lines[3], "Transport: reuse_connection; preferred_delivery_protocol=interleaved");
    let url = call.url();
    // The first request comes with the answer, in one piece.
    call.answer(&format!("200 OK\r\nCSeq: 1\r\n\r\nDESCRIBE {url} RTSP/1.0"));
    let mut client = Client::over(call.stream);
    let description = client.response().expect("a description").ok();
    assert!(description.body.contains("m=video"), "{description:?}");
    thread::sleep(Duration::from_millis(1500));
    client.request("OPTIONS", "*", &[]).ok();
    let session = client.play_both(&url);
    let first = client.frame_that("a packet", |frame| frame.channel == 0);
    Rtp::parse(&first.data);
    client.in_session("TEARDOWN", &url, &session).ok();
    client.frame_that("a goodbye", |frame| frame.channel == 1 && is_bye(&frame.data));

    drop(client);
    let mut call = proxy.call();
    assert_eq!(call.url(), url);
    call.answer("200 OK");
    // A stop ends the connection and takes the registration back.
    crate::expect_log(&server, "connection closed after");
    server.signal(Signal::SIGTERM);
    let mut goodbye = proxy.call();
    assert_eq!(goodbye.lines[0], format!("DEREGISTER {url} RTSP/1.0"));
    assert_eq!(goodbye.lines.len(), 3, "nothing to say in Transport: {:?}", goodbye.lines);
    goodbye.answer("200 OK");
    assert!(server.wait(Duration::from_secs(4)).is_some_and(|status| status.success()), "{}", server.log());
}

#[test]
fn a_name_that_is_still_taken_is_taken_back_where_its_connection_is_gone() {
    let (root, proxy) = (tempfile::tempdir().expect("a folder"), Proxy::new());
    let server = server(root.path(), &proxy.config("reuse_connection = true\nproxy_url_suffix = \"cam1\"\n"));
    proxy.call().answer("451 Invalid parameter");
    let mut taken_back = proxy.call();
    assert!(taken_back.lines[0].starts_with("DEREGISTER "), "{:?}", taken_back.lines);
    taken_back.answer("200 OK");
    let again = proxy.call();
    assert!(again.lines[0].starts_with("REGISTER "), "{:?}", again.lines);
    drop(again);
    crate::expect_log(&server, "the name was taken");
}

#[test]
fn a_proxy_that_is_not_there_or_refuses_is_asked_again_and_a_stop_does_not_wait_for_it() {
    let (root, proxy) = (tempfile::tempdir().expect("a folder"), Proxy::new());
    let port = proxy.port();
    let config = proxy.config("");
    drop(proxy);
    let mut server = server(root.path(), &config);
    crate::expect_log(&server, "cannot connect");
    let proxy = Proxy { listener: TcpListener::bind(("127.0.0.1", port)).expect("the same port") };
    proxy.call().answer("405 Method Not Allowed");
    crate::expect_log(&server, "the answer to REGISTER is 405");
    // This one never answers, and the server stops nevertheless.
    let call = proxy.call();
    server.signal(Signal::SIGTERM);
    assert!(server.wait(Duration::from_secs(4)).is_some_and(|status| status.success()), "{}", server.log());
    drop(call);
}

#[test]
fn by_hand_the_answer_is_printed_and_told_by_the_exit_status() {
    let proxy = Proxy::new();
    let url = format!("rtsp://127.0.0.1:{}", proxy.port());
    for (arguments, verb, transport, status) in [
        (
            &["--suffix", "cam1"][..],
            "REGISTER",
            "preferred_delivery_protocol=interleaved; proxy_url_suffix=cam1",
            "200 OK",
        ),
        (&["--udp"], "REGISTER", "preferred_delivery_protocol=udp", "404 Not Found"),
        (&["--deregister", "--suffix", "cam1"], "DEREGISTER", "proxy_url_suffix=cam1", "200 OK"),
    ] {
        let ran = thread::scope(|scope| {
            let by_hand = scope.spawn(|| {
                let mut command = Command::new(env!("CARGO_BIN_EXE_camreel"));
                let path = "yard/my file.mp4";
                run(command.args(["register", &url, path, "--port", "8554"]).args(arguments), PATIENCE)
            });
            let mut call = proxy.call();
            assert_eq!(call.lines[0], format!("{verb} rtsp://127.0.0.1:8554/yard/my%20file.mp4 RTSP/1.0"));
            assert_eq!(call.lines[3], format!("Transport: {transport}"));
            call.answer(status);
            by_hand.join().expect("it ran")
        });
        assert!(ran.stdout.starts_with(status), "{:?} {:?}", ran.stdout, ran.stderr);
        assert_eq!(ran.status.map(|found| found.success()), Some(status.starts_with("200")), "{}", ran.stderr);
    }
}
