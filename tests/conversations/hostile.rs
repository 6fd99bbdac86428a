//! What LIVE555 fell over, one row each (the CVE's number or the date of its change), and more of the kind. After each
//! the server must answer as before.

use std::io::Write;
use std::net::Shutdown;
use std::thread;
use std::time::Duration;

use crate::client::{Client, PATIENCE};
use crate::media::Media;
use crate::serve;

/// What must come of some bytes.
enum Then {
    /// This status, and the connection stays.
    Status(u16),
    /// This status, and the connection is closed.
    Refused(u16),
    /// Nothing, as more is waited for.
    /// An end without a word: the peer would not understand any.
    Closed,
    Waits,
}

use Then::{Closed, Refused, Status, Waits};

const CSEQ: &str = "CSeq: 1\r\n";

fn rows() -> Vec<(&'static str, Vec<u8>, Then)> {
    let options = |headers: &str| format!("OPTIONS * RTSP/1.0\r\n{CSEQ}{headers}\r\n").into_bytes();
    let a = |count: usize| "a".repeat(count);
    vec![
        ("2007-6036: a very short request", b"A\r\n\r\n".to_vec(), Refused(400)),
        ("2007-6036: shorter still", b"\n".to_vec(), Waits),
        ("2007-6036: a method alone", b"DESCRIBE\r\n\r\n".to_vec(), Refused(400)),
        ("2007-6036: a method and a space", b"DESCRIBE \r\n\r\n".to_vec(), Refused(400)),
        ("2013-6933: a space first", b" OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n".to_vec(), Refused(400)),
        ("2013-6934: a tab first", b"\tOPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n".to_vec(), Refused(400)),
        ("2013-6934: nothing but white space", [b' '; 3000].to_vec(), Refused(400)),
        ("2015.07.23: a long line", format!("OPTIONS {} RTSP/1.0\r\n\r\n", a(30_000)).into_bytes(), Refused(414)),
        ("2015.07.23: a long method", a(30_000).into_bytes(), Refused(414)),
        ("2015.07.23: a long header", options(&format!("X: {}\r\n", a(30_000))), Refused(413)),
        ("2015.07.23: many headers", options(&"X: y\r\n".repeat(200)), Refused(413)),
        ("2018.08.26: a length that wraps", options("Content-Length: 18446744073709551615\r\n"), Refused(413)),
        ("2018.08.26: a length beyond that", options("Content-Length: 99999999999999999999999\r\n"), Refused(413)),
        ("2018.08.26: a negative length", options("Content-Length: -1\r\n"), Refused(400)),
        ("2018.08.26: two lengths", options("Content-Length: 0\r\nContent-Length: 5\r\n"), Refused(400)),
        ("2019-7733: a huge length", options("Content-Length: 2147483647\r\n"), Refused(413)),
        ("2019-7733: a body just too long", options("Content-Length: 65537\r\n"), Refused(413)),
        ("2019-9215: malformed Authorization", options("Authorization: Digest username=\"\r\n"), Status(200)),
        ("2019-9215: Authorization of nothing", options("Authorization:\r\n"), Status(200)),
        (
            "2019-7732: repeated fields",
            options(&format!("Authorization: Digest {}\r\n", "username=\"a\", realm=\"b\", nonce=\"c\", ".repeat(200))),
            Status(200),
        ),
        ("2025.09: an escape cut off", format!("DESCRIBE /% RTSP/1.0\r\n{CSEQ}\r\n").into_bytes(), Status(404)),
        ("2025.09: half an escape", format!("DESCRIBE /a%4 RTSP/1.0\r\n{CSEQ}\r\n").into_bytes(), Status(404)),
        ("2026.02: a zero byte first", b"\0OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n".to_vec(), Refused(400)),
        ("2026.02: a zero byte in the line", b"OPTIONS *\0 RTSP/1.0\r\nCSeq: 1\r\n\r\n".to_vec(), Refused(400)),
        ("2026.02: a zero byte in CSeq", b"OPTIONS * RTSP/1.0\r\nCSeq: 1\0\r\n\r\n".to_vec(), Refused(400)),
        (
            "2026.06.29: SETUP without Transport",
            format!("SETUP /cam.mkv/trackID=0 RTSP/1.0\r\n{CSEQ}\r\n").into_bytes(),
            Status(461),
        ),
        (
            "a token of 200 bytes and more",
            format!("OPTIONS {} RTSP/1.0\r\n{CSEQ}\r\n", a(1000)).into_bytes(),
            Status(200),
        ),
        ("a TLS handshake", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), Closed),
        ("no protocol at all", b"\xff\xfe\xfd\xfc".to_vec(), Refused(400)),
        ("another protocol", b"INVITE sip:x SIP/2.0\r\n\r\n".to_vec(), Refused(400)),
        (
            "a frame of no length, and of the greatest",
            [&b"$\x00\x00\x00$\x01\xff\xff"[..], &[0; 65_535]].concat(),
            Waits,
        ),
        ("dollar signs", vec![b'$'; 4 + 0x2424], Waits),
        ("a session id of all kinds", options("Session: ../../%00;;;timeout=99999999999999999999\r\n"), Status(454)),
        ("a long session id", options(&format!("Session: {}\r\n", a(8000))), Status(454)),
        (
            "format strings",
            format!("DESCRIBE /%25n%25s{{}}.mkv RTSP/1.0\r\n{CSEQ}User-Agent: %n%s{{}}\r\n\r\n").into_bytes(),
            Status(404),
        ),
    ]
}

#[test]
fn nothing_that_broke_another_server_breaks_this_one() {
    let media = Media::new();
    let server = serve(&media.root(), "");
    for (what, bytes, then) in rows() {
        let mut client = Client::connect(server.address());
        client.send(&bytes);
        match then {
            Status(status) | Refused(status) => {
                let response = client.response().unwrap_or_else(|error| panic!("{what}: {error}"));
                assert_eq!(response.status(), status, "{what}: {response:?}");
            }
            Closed | Waits => {}
        }
        if matches!(then, Refused(_) | Closed) {
            client.wait_for_close(PATIENCE).unwrap_or_else(|error| panic!("{what}: {error}"));
        } else {
            client.send(b"OPTIONS * RTSP/1.0\r\nCSeq: 77\r\n\r\n");
            let response = client.response().unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(response.header("CSeq"), Some("77"), "{what}: {response:?}");
        }
        Client::connect(server.address()).request("OPTIONS", "*", &[]).ok();
    }
    let log = server.log();
    assert!(!log.contains("panicked") && !log.contains("fault"), "{log}");
}

/// Bytes that go away in the middle: RST, FIN, half a session.
#[test]
fn clients_that_vanish_at_any_point_leave_nothing_behind() {
    let media = Media::new();
    media.add_heavy();
    let server = serve(&media.root(), "");
    let url = server.url("heavy.mkv");
    thread::scope(|scope| {
        for stage in 0..5 {
            let (server, url) = (&server, &url);
            scope.spawn(move || {
                for abruptly in [false, true] {
                    let mut client = Client::connect(server.address());
                    if stage >= 1 {
                        client.send(b"DESCRIBE");
                    }
                    if stage >= 2 {
                        client.send(b" * RTSP/1.0\r\nCSeq: 0\r\n\r\n");
                        client.response().expect("an answer");
                        client.set_up(url, 0, None);
                    }
                    if stage >= 3 {
                        client.play_both(url);
                    }
                    if stage >= 4 {
                        thread::sleep(Duration::from_millis(300));
                    }
                    if abruptly {
                        let socket = socket2::SockRef::from(client.stream());
                        socket.set_linger(Some(Duration::ZERO)).expect("a reset instead of an end");
                    } else {
                        let _ = client.stream().shutdown(Shutdown::Write);
                        let _ = client.stream().flush();
                    }
                }
            });
        }
    });
    let fds = || std::fs::read_dir(format!("/proc/{}/fd", server.pid())).expect("its descriptors").count();
    let idle = {
        let fresh = serve(&media.root(), "");
        std::fs::read_dir(format!("/proc/{}/fd", fresh.pid())).expect("its descriptors").count()
    };
    let deadline = std::time::Instant::now() + PATIENCE;
    // The library keeps what was opened: one file.
    while fds() > idle + 1 {
        assert!(std::time::Instant::now() < deadline, "{} descriptors, {idle} when idle:\n{}", fds(), server.log());
        thread::sleep(Duration::from_millis(20));
    }
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

/// 2021-39283 (several SETUP and PLAY on one connection) and 2021-38380 (very many for one file at once).
#[test]
fn many_sessions_of_one_file_at_once_all_play() {
    let media = Media::new();
    let server = serve(&media.root(), "");
    let url = server.url("cam.mkv");
    thread::scope(|scope| {
        for _ in 0..20 {
            let (server, url) = (&server, &url);
            scope.spawn(move || {
                let mut client = Client::connect(server.address());
                for channel in (0..10).step_by(2) {
                    let transport = format!("Transport: RTP/AVP/TCP;unicast;interleaved={channel}-{}", channel + 1);
                    let session = client.set_up_by(url, 0, None, &transport).session();
                    client.in_session("PLAY", url, &session).ok();
                    client.frame_that("a packet", |frame| frame.channel == channel);
                }
            });
        }
    });
    assert!(!server.log().contains("panicked"), "{}", server.log());
}
