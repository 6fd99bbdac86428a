//! How long the server waits, and for what. All its timeouts are cut to a second or two here.

use std::thread;
use std::time::{Duration, Instant};

use crate::client::{Client, PATIENCE, frame_bytes, is_alive, is_bye, receiver_report};
use crate::common::Server;
use crate::media::Media;
use crate::{expect_log, serve};

const QUICK: &str = "[rtsp]\n\
    read_timeout = \"1s\"\n\
    write_timeout = \"1s\"\n\
    idle_timeout = \"1s\"\n\
    session_timeout = \"2s\"\n";

/// A timeout of a second must have struck by then, on a busy machine, too; and not before.
const A_SECOND: std::ops::Range<Duration> = Duration::from_millis(900)..Duration::from_millis(3500);

fn quick() -> (Media, Server) {
    let media = Media::new();
    let server = serve(&media.root(), QUICK);
    (media, server)
}

/// LIVE555 waited for ever for the rest of a head or a body.
#[test]
fn a_request_that_does_not_come_to_its_end_is_cut_off_however_it_drips() {
    let (_media, server) = quick();
    let starts: [(&str, &[u8]); 6] = [
        ("a method", b"OPTI"),
        ("a head", b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nX-Slow: "),
        ("a body", b"SET_PARAMETER * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 60000\r\n\r\n"),
        ("a frame", b"$\x00\xff\xff"),
        ("a tunnel", b"GET / HTTP/1.0\r\nx-sessioncookie: "),
        ("a second request", b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\nOPTIONS"),
    ];
    thread::scope(|scope| {
        for (what, start) in starts {
            let server = &server;
            scope.spawn(move || {
                let mut client = Client::connect(server.address());
                let began = Instant::now();
                client.send(start);
                while began.elapsed() < PATIENCE && client.wait_for_close(Duration::from_millis(150)).is_err() {
                    client.send(b"x");
                }
                assert!(A_SECOND.contains(&began.elapsed()), "{what} was cut off after {:?}", began.elapsed());
            });
        }
    });
    expect_log(&server, "a request was not completed");
}

/// Whoever sends all the time is not slow, even if every read ends within a message.
#[test]
fn messages_that_never_stop_are_no_slow_message() {
    let (_media, server) = quick();
    let mut client = Client::connect(server.address());
    let frame = frame_bytes(1, &receiver_report(1));
    let (head, tail) = frame.split_at(10);
    let start = Instant::now();
    client.send(head);
    while start.elapsed() < Duration::from_millis(2500) {
        thread::sleep(Duration::from_millis(100));
        assert!(client.send(&[tail, head].concat()), "cut off after {:?}:\n{}", start.elapsed(), server.log());
    }
    client.send(tail);
    client.request("OPTIONS", "*", &[]).ok();
}

#[test]
fn an_idle_connection_is_closed_unless_it_has_a_session() {
    let (_media, server) = quick();
    let mut with_session = Client::connect(server.address());
    with_session.set_up(&server.url("cam.mkv"), 0, None);
    let mut idle = Client::connect(server.address());
    let mut asked_once = Client::connect(server.address());
    asked_once.request("OPTIONS", "*", &[]).ok();
    let mut sends_line_ends = Client::connect(server.address());
    for client in [&mut idle, &mut asked_once] {
        let took = client.wait_for_close(PATIENCE).unwrap_or_else(|error| panic!("{error}"));
        assert!(took < A_SECOND.end, "{took:?}");
    }
    sends_line_ends.wait_for_close(PATIENCE).expect("it is closed");
    let early = with_session.wait_for_close(Duration::from_millis(300));
    assert!(early.is_err(), "closed with a session of 2 s after 1.3 s");
    // The session ends after 2 s of silence, and the connection some time after it.
    with_session.wait_for_close(PATIENCE).expect("it is closed when its session has ended");
    expect_log(&server, "ended: timed out");
}

#[test]
fn a_session_lives_by_requests_or_interleaved_reports_and_ends_without_them() {
    let (_media, server) = quick();
    let url = server.url("long.mkv");
    let mut asks = Client::connect(server.address());
    let asking = asks.play_both(&url);
    let mut reports = Client::connect(server.address());
    let set_up = reports.set_up(&url, 0, None);
    let reporting = set_up.session();
    let ssrc = u32::from_str_radix(set_up.transport("ssrc"), 16).expect("an SSRC");
    let mut mistaken = Client::connect(server.address());
    let mistaking = mistaken.set_up(&url, 0, None).session();
    let mut paused = Client::connect(server.address());
    let pausing = paused.play_both(&url);
    paused.in_session("PAUSE", &url, &pausing).ok();
    let start = Instant::now();
    let mut methods = ["GET_PARAMETER", "OPTIONS", "SET_PARAMETER", "PLAY"].into_iter().cycle();
    while start.elapsed() < Duration::from_millis(3500) {
        thread::sleep(Duration::from_millis(500));
        asks.in_session(methods.next().expect("a method"), &url, &asking).ok();
        reports.send(&frame_bytes(1, &receiver_report(ssrc)));
        mistaken.send(&frame_bytes(1, &receiver_report(ssrc)));
    }
    assert!(is_alive(server.address(), &pausing), "whoever pauses may stay silent while the connection is open");
    assert!(is_alive(server.address(), &reporting), "reports do not count");
    assert!(!is_alive(server.address(), &mistaking), "reports about the packets of others count");
    assert!(is_alive(server.address(), &asking));
    // What was just asked counts as well; then nobody says anything.
    let silent = Instant::now();
    asks.frames.clear();
    asks.frame_that("a goodbye", |frame| frame.channel == 1 && is_bye(&frame.data));
    let took = silent.elapsed();
    assert!(took > Duration::from_millis(1500) && took < Duration::from_millis(4500), "{took:?}");
    thread::sleep(Duration::from_millis(300));
    assert!(!is_alive(server.address(), &asking), "it lives on after its goodbye");
    assert!(!is_alive(server.address(), &reporting), "it lives on without reports");
}

/// FFmpeg and mpv say nothing while they pause, however long that is.
#[test]
fn a_pause_lasts_as_long_as_the_connection_is_open_and_a_session_timeout_longer() {
    let (_media, server) = quick();
    let url = server.url("long.mkv");
    let mut client = Client::connect(server.address());
    let ports = "Transport: RTP/AVP;unicast;client_port=40960-40961";
    let session = client.request("SETUP", &format!("{url}/trackID=0"), &[ports]).ok().session();
    client.in_session("PLAY", &url, &session).ok();
    client.in_session("PAUSE", &url, &session).ok();
    thread::sleep(Duration::from_millis(4500));
    client.in_session("PLAY", &url, &session).ok();
    client.in_session("PAUSE", &url, &session).ok();
    thread::sleep(Duration::from_millis(2500));
    drop(client);
    thread::sleep(Duration::from_millis(1000));
    let mut other = Client::connect(server.address());
    other.in_session("OPTIONS", "*", &session).ok();
    drop(other);
    let closed = Instant::now();
    expect_log(&server, "ended: timed out");
    assert!(closed.elapsed() > Duration::from_millis(1500), "it ended {:?} after its connection", closed.elapsed());
}

/// In LIVE555 a reader that is slow holds up all others.
#[test]
fn a_reader_that_stops_reading_is_cut_off_and_nobody_else_notices() {
    let media = Media::new();
    media.add_heavy();
    let server = serve(&media.root(), "rtsp.write_timeout = \"1s\"");
    let mut stalled: Vec<(Client, String)> = (0..3)
        .map(|_| {
            let mut client = Client::connect_narrow(server.address());
            let session = client.play_both(&server.url("heavy.mkv"));
            (client, session)
        })
        .collect();
    let mut other = Client::connect(server.address());
    let url = server.url("long.mkv");
    let session = other.play_both(&url);
    let (start, mut last, mut worst) = (Instant::now(), Instant::now(), Duration::ZERO);
    while start.elapsed() < Duration::from_millis(3500) {
        other.frame(PATIENCE).expect("a frame");
        worst = worst.max(last.elapsed());
        last = Instant::now();
        if other.frames.is_empty() && start.elapsed().subsec_millis() < 100 {
            other.in_session("GET_PARAMETER", &url, &session).ok();
        }
    }
    assert!(worst < Duration::from_millis(950), "the other one waited for {worst:?}");
    let log = server.log();
    assert_eq!(log.matches("cannot send: the client takes no data").count(), 3, "{log}");
    for (_, session) in &stalled {
        assert!(!is_alive(server.address(), session));
    }
    // What was sent until then can still be read; then it is over.
    let (client, _) = &mut stalled[0];
    client.wait_for_close(PATIENCE).expect("the connection was closed");
}
