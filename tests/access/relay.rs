//! Clients behind a relay that speaks the PROXY protocol.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use socket2::{Domain, Socket, Type};

use super::Site;
use super::client::Client;
use super::secure;

const RELAYED: &str = "[proxy_protocol]\nlisteners = [\"rtsp\", \"rtsps\"]\nfrom = [\"127.0.0.1\"]\n";

/// Connects as a relay of `local` would, with these bytes first.
fn connect(local: [u8; 4], address: &str, header: &[u8]) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::new(IpAddr::from(local), 0).into()).expect("a loopback address");
    socket.connect(&address.parse::<SocketAddr>().expect("an address").into()).expect("the server accepts");
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    let _ = stream.write_all(header);
    stream
}

fn relayed(site: &Site, client: &str) -> Client<TcpStream> {
    let header = format!("PROXY TCP4 {client} 192.0.2.1 40000 554\r\n");
    Client::over(connect([127, 0, 0, 1], site.address(), header.as_bytes()))
}

/// All that comes until the server closes.
fn read_to_end(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn the_announced_client_counts_for_permissions_limits_and_the_log() {
    let site = Site::start(&format!(
        "{RELAYED}[limits]\nconnections_per_address = 1\n[[permissions]]\nnetworks = [\"10.0.0.0/8\"]\n"
    ));
    let url = site.url("yard/clip.h264");
    let mut near = relayed(&site, "10.1.2.3");
    assert_eq!(near.ask("DESCRIBE", &url, &[]).status, 200);
    assert_eq!(relayed(&site, "11.1.2.3").ask("DESCRIBE", &url, &[]).status, 403);
    assert_eq!(relayed(&site, "10.1.2.4").ask("DESCRIBE", &url, &[]).status, 200);
    assert_eq!(relayed(&site, "10.1.2.3").ask("OPTIONS", &url, &[]).status, 503, "a second one of that address");
    drop(near);
    site.wait_for_log("10.1.2.3:40000: connection closed", 1);
    let unknown = connect([127, 0, 0, 1], site.address(), b"PROXY UNKNOWN\r\n");
    assert_eq!(Client::over(unknown).ask("DESCRIBE", &url, &[]).status, 403, "the relay itself");
    site.wait_for_log("11.1.2.3:40000: DESCRIBE", 1);
}

#[test]
fn datagrams_go_to_the_announced_client() {
    let site = Site::start(RELAYED);
    let url = site.url("yard/clip.h264");
    let rtp = UdpSocket::bind("127.0.0.3:0").expect("a socket of the client");
    rtp.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
    let port = rtp.local_addr().expect("its port").port();
    let mut client = relayed(&site, "127.0.0.3");
    let transport = format!("Transport: RTP/AVP;unicast;client_port={port}-{}", port.wrapping_add(1).max(1));
    let set_up = client.ask("SETUP", &format!("{url}/trackID=0"), &[&transport]);
    assert_eq!(set_up.status, 200, "{set_up:?}\n{}", site.server.log());
    let session = format!("Session: {}", set_up.session());
    assert_eq!(client.ask("PLAY", &url, &[&session]).status, 200);
    let mut packet = [0; 2000];
    let len = rtp.recv(&mut packet).expect("a packet");
    assert!(len > 12 && packet[0] >> 6 == 2, "RTP version 2");
}

#[test]
fn within_tls_the_header_comes_before_the_handshake() {
    let site = secure::start(RELAYED);
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    header.extend([10, 9, 8, 7, 192, 0, 2, 1, 0x9c, 0x40, 1, 66]);
    let stream = connect([127, 0, 0, 1], &secure::secure_address(&site), &header);
    let mut client = Client::new(secure::connect_over(&site, stream));
    assert_eq!(client.ask("OPTIONS", "*", &[]).status, 200);
    drop(client);
    site.wait_for_log("10.9.8.7:40000: connection closed", 1);
}

#[test]
fn who_is_no_relay_or_announces_nobody_is_refused() {
    let site = Site::start(RELAYED);
    let options = "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n";
    let good = format!("PROXY TCP4 10.1.2.3 192.0.2.1 40000 554\r\n{options}");
    assert!(read_to_end(connect([127, 0, 0, 2], site.address(), good.as_bytes())).is_empty());
    site.wait_for_log("refused, not one of proxy_protocol.from", 1);
    assert!(read_to_end(connect([127, 0, 0, 1], site.address(), options.as_bytes())).is_empty());
    site.wait_for_log("no PROXY header", 1);
    assert!(read_to_end(connect([127, 0, 0, 1], site.address(), b"PROXY TCP4 10.1.2.3\r\n")).is_empty());
    site.wait_for_log("malformed PROXY header", 1);
    let start = Instant::now();
    assert!(read_to_end(connect([127, 0, 0, 1], site.address(), b"PROXY TCP4 10")).is_empty());
    let waited = start.elapsed();
    assert!(waited > Duration::from_millis(900) && waited < Duration::from_secs(3), "{waited:?}");
    site.wait_for_log("no PROXY header in time", 1);
}

#[test]
fn a_header_where_none_is_expected_means_nothing() {
    let site = Site::start("[[permissions]]\nnetworks = [\"10.0.0.0/8\"]\n");
    for header in [&b"PROXY TCP4 10.1.2.3 192.0.2.1 40000 554\r\n"[..], b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"] {
        let mut bytes = header.to_vec();
        bytes.extend_from_slice(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n");
        let answer = read_to_end(connect([127, 0, 0, 1], site.address(), &bytes));
        assert!(answer.starts_with("RTSP/1.0 400 "), "{}: {answer:?}", header.escape_ascii());
    }
}

#[test]
fn waiting_for_a_header_does_not_hold_up_the_end() {
    let mut site = Site::start(RELAYED);
    let _silent = connect([127, 0, 0, 1], site.address(), b"PROXY ");
    std::thread::sleep(Duration::from_millis(100));
    let start = Instant::now();
    site.server.signal(Signal::SIGTERM);
    assert!(site.server.wait(Duration::from_secs(3)).is_some_and(|status| status.success()), "{}", site.server.log());
    assert!(start.elapsed() < Duration::from_millis(800), "{:?}", start.elapsed());
}
