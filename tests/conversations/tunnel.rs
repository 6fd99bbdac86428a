//! RTSP over HTTP: a GET for what the server says, a POST with the same cookie for what the client says, in base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::client::{Client, PATIENCE, Response, Rtp, is_alive, is_bye};
use crate::common::Server;
use crate::media::Media;
use crate::serve;

/// Both halves of a tunnel.
struct Tunnel {
    get: Client,
    post: Client,
    next_cseq: u32,
}

fn get_text(cookie: &str) -> String {
    format!(
        "GET /cam.mkv HTTP/1.0\r\nCSeq: 1\r\nUser-Agent: LibVLC\r\nx-sessioncookie: {cookie}\r\n\
         Accept: application/x-rtsp-tunnelled\r\nPragma: no-cache\r\nCache-Control: no-cache\r\n\r\n"
    )
}

/// QuickTime says that its body is 32767 bytes long, and goes on for ever.
fn post_text(cookie: &str) -> String {
    format!(
        "POST /cam.mkv HTTP/1.0\r\nCSeq: 1\r\nx-sessioncookie: {cookie}\r\nContent-Type: application/x-rtsp-tunnelled\r\n\
         Content-Length: 32767\r\nExpires: Sun, 9 Jan 1972 00:00:00 GMT\r\n\r\n"
    )
}

impl Tunnel {
    fn open(address: &str, cookie: &str) -> Self {
        let mut get = Client::connect(address);
        get.send(get_text(cookie).as_bytes());
        let response = get.response().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(response.head[0], "HTTP/1.0 200 OK");
        assert_eq!(response.header("Content-Type"), Some("application/x-rtsp-tunnelled"));
        let mut post = Client::connect(address);
        post.send(post_text(cookie).as_bytes());
        Self { get, post, next_cseq: 1 }
    }

    fn encoded(&mut self, method: &str, url: &str, headers: &[&str]) -> String {
        let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        let text = format!("{method} {url} RTSP/1.0\r\nCSeq: {}\r\n{headers}\r\n", self.next_cseq);
        self.next_cseq += 1;
        STANDARD.encode(text)
    }

    #[track_caller]
    fn request(&mut self, method: &str, url: &str, headers: &[&str]) -> Response {
        let text = self.encoded(method, url, headers);
        self.post.send(text.as_bytes());
        self.get.response().unwrap_or_else(|error| panic!("{error} instead of an answer to {method}"))
    }
}

/// The address of the HTTP port, as the banner tells it.
fn http_address(server: &Server) -> String {
    let log = server.log();
    let port = log.lines().find_map(|line| line.strip_prefix("RTSP over HTTP: port ")?.split(',').next());
    format!("127.0.0.1:{}", port.unwrap_or_else(|| panic!("no HTTP port in\n{log}")))
}

#[test]
fn a_recording_plays_through_a_tunnel_on_either_port() {
    let media = Media::new();
    let server = serve(&media.root(), "");
    let url = server.url("cam.mkv");
    for (cookie, address) in [("aaaa", server.address().to_owned()), ("bbbb", http_address(&server))] {
        let mut tunnel = Tunnel::open(&address, cookie);
        tunnel.request("OPTIONS", &url, &[]).ok();
        let description = tunnel.request("DESCRIBE", &url, &["Accept: application/sdp"]).ok();
        assert!(description.body.contains("m=video"), "{description:?}");
        // Datagrams would not get through to who needs a tunnel: who asks for them gets the tunnel, too.
        let transport = "Transport: RTP/AVP;unicast;client_port=40080-40081";
        let set_up = tunnel.request("SETUP", &format!("{url}/trackID=0"), &[transport]).ok();
        assert_eq!((set_up.transport("interleaved"), set_up.transport("client_port")), ("0-1", ""));
        let id = set_up.session();
        let session = format!("Session: {id}");
        let play = tunnel.request("PLAY", &url, &[&session, "Range: npt=2.8-"]).ok();
        let first = tunnel.get.frame_that("the first packet", |frame| frame.channel == 0);
        let seq = format!("seq={};", Rtp::parse(&first.data).sequence);
        assert!(play.header("RTP-Info").is_some_and(|info| info.contains(&seq)), "{seq} is not in {play:?}");
        tunnel.get.frame_that("a goodbye", |frame| frame.channel == 1 && is_bye(&frame.data));
        tunnel.request("TEARDOWN", &url, &[&session]).ok();
        assert!(!is_alive(server.address(), &id));
    }
}

#[test]
fn base64_may_be_cut_anywhere_and_requests_come_in_several_posts() {
    let media = Media::new();
    let server = serve(&media.root(), "");
    let mut tunnel = Tunnel::open(server.address(), "cut");
    // Two requests in one go, the second one cut within a group of four.
    let both = tunnel.encoded("OPTIONS", "*", &[]) + "\r\n" + &tunnel.encoded("OPTIONS", "*", &[]);
    for piece in both.as_bytes().chunks(3) {
        tunnel.post.send(piece);
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    for cseq in ["1", "2"] {
        assert_eq!(tunnel.get.response().expect("an answer").header("CSeq"), Some(cseq));
    }
    // A session set up through one POST plays on through the next.
    let url = server.url("cam.mkv");
    let set_up = tunnel.request("SETUP", &format!("{url}/trackID=0"), &["Transport: RTP/AVP/TCP;unicast"]).ok();
    let session = format!("Session: {}", set_up.session());
    tunnel.post = Client::connect(server.address());
    let first = tunnel.encoded("PLAY", &url, &[&session]);
    // With the head and the first request in one write.
    tunnel.post.send((post_text("cut") + &first).as_bytes());
    tunnel.get.response().expect("an answer").ok();
    tunnel.get.frame_that("a packet", |frame| frame.channel == 0);
    // All ends with the GET.
    let id = set_up.session();
    drop(tunnel.get);
    tunnel.post.send(b"AAAA");
    let deadline = std::time::Instant::now() + PATIENCE;
    while is_alive(server.address(), &id) {
        assert!(std::time::Instant::now() < deadline, "the session lives on without its tunnel");
    }
}

#[test]
fn what_is_no_tunnel_is_refused_and_hurts_nobody() {
    let media = Media::new();
    let server = serve(&media.root(), "");
    let mut good = Tunnel::open(server.address(), "good");
    let long = "x".repeat(300);
    let rows: Vec<(&str, String, &str)> = vec![
        ("a browser", "GET /cam.mkv HTTP/1.1\r\nHost: nas\r\n\r\n".to_owned(), "405 Method Not Allowed"),
        ("CORS", "OPTIONS / HTTP/1.1\r\nOrigin: http://x\r\n\r\n".to_owned(), "405 Method Not Allowed"),
        ("an empty cookie", get_text(""), "405 Method Not Allowed"),
        ("a POST that knows no GET", post_text("unknown"), "404 Not Found"),
        ("a cookie that is taken", get_text("good"), "409 Conflict"),
        // LIVE555 2018-4013: a stack overflow by long and repeated headers.
        ("a long cookie", get_text(&long), "400 Bad Request"),
        ("a long cookie to post", post_text(&long), "400 Bad Request"),
        (
            "a cookie again and again",
            format!("GET / HTTP/1.0\r\n{}\r\n", format!("x-sessioncookie: {long}\r\n").repeat(40)),
            "400 Bad Request",
        ),
    ];
    for (what, text, status) in rows {
        let mut client = Client::connect(server.address());
        client.send(text.as_bytes());
        let response = client.response().unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(response.head[0], format!("HTTP/1.1 {status}"), "{what}");
        client.wait_for_close(PATIENCE).unwrap_or_else(|error| panic!("{what}: {error}"));
    }

    // LIVE555 2019-6256: GET and POST with one cookie on one connection. What comes behind the GET is of no interest.
    let mut same = Client::connect(server.address());
    same.send(get_text("same").as_bytes());
    same.response().expect("an answer");
    same.send(post_text("same").as_bytes());
    same.send(STANDARD.encode("OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n").as_bytes());
    same.frame(std::time::Duration::from_millis(200)).expect_err("nothing comes of it");
    // 2026.07.08: a second cookie on a connection that has one.
    same.send(get_text("other").as_bytes());
    let mut post = Client::connect(server.address());
    post.send(post_text("other").as_bytes());
    assert_eq!(post.response().expect("an answer").status(), 404);

    // No base64, HTTP within a tunnel, and no RTSP in the base64: the POST ends, the others live.
    for inside in ["!!!!".to_owned(), STANDARD.encode(get_text("inner")), STANDARD.encode("\x16\x03\x01\x02\x00\x01")] {
        let mut tunnel = Tunnel::open(server.address(), &format!("cookie{}", inside.len()));
        tunnel.post.send(inside.as_bytes());
        tunnel.post.wait_for_close(PATIENCE).unwrap_or_else(|error| panic!("{inside}: {error}"));
    }
    good.request("OPTIONS", "*", &[]).ok();
}
