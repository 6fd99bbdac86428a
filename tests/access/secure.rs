//! RTSP within TLS, and over HTTPS.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use nix::sys::signal::Signal;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::client::Client;
use super::login::{ffmpeg, gstreamer};
use super::{CLIP, Site, USERS};

type TlsStream = StreamOwned<ClientConnection, TcpStream>;

/// Makes a certificate and its key in `folder`, over those that are there.
fn make_certificate(folder: &Path) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    fs::write(folder.join("certificate.pem"), made.cert.pem()).expect("its file");
    fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).expect("its key's file");
}

/// A site that speaks TLS as well, with these further lines in `[rtsps]` and after it.
pub fn start(lines: &str) -> Site {
    Site::start_in(|folder| {
        make_certificate(folder);
        let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
        format!("[rtsps]\nports = [0]\ncertificate = {certificate:?}\nkey = {key:?}\n{lines}")
    })
}

/// Host and port of TLS.
pub fn secure_address(site: &Site) -> String {
    let log = site.server.log();
    let line = log.lines().map(str::trim).find(|line| line.starts_with("rtsps://"));
    let line = line.unwrap_or_else(|| panic!("no rtsps in the banner:\n{log}"));
    line["rtsps://".len()..].split('/').next().unwrap_or_default().to_owned()
}

/// Connects, trusting the certificate that lies in the site's folder and no other.
fn connect(site: &Site) -> TlsStream {
    connect_over(site, TcpStream::connect(secure_address(site)).expect("the server accepts"))
}

/// As [`connect`], over a connection that there is.
pub fn connect_over(site: &Site, stream: TcpStream) -> TlsStream {
    let file = site.folder.path().join("certificate.pem");
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(file).expect("the certificate")).expect("a good one");
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    let connection = ClientConnection::new(Arc::new(config), name).expect("a client");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    StreamOwned::new(connection, stream)
}

#[test]
fn clients_play_within_tls_and_over_https() {
    let site = start(USERS);
    let address = secure_address(&site);
    let path = "yard/clip.h264";
    let (expected, complaint) = ffmpeg(&["-rtsp_transport", "tcp"], &site.url_as("guard:secret", path));
    assert!(expected > 0, "{complaint}");
    for (transport, scheme) in [("tcp", "rtsps"), ("https", "rtsp")] {
        let (count, complaint) =
            ffmpeg(&["-rtsp_transport", transport], &format!("{scheme}://guard:secret@{address}/{path}"));
        assert_eq!(count, expected, "ffmpeg over {transport}: {complaint}\n{}", site.server.log());
    }
    // It shows more pictures of an open group at the start than ffmpeg does.
    let login = "user-id=guard user-pw=secret";
    let (expected, complaint) = gstreamer(&format!("location={} protocols=tcp {login}", site.url(path)));
    assert!(expected > 0, "{complaint}");
    for scheme in ["rtsps", "rtspsh"] {
        let source = format!("location={scheme}://{address}/{path} {login} tls-validation-flags=0");
        let (count, complaint) = gstreamer(&source);
        assert_eq!(count, expected, "GStreamer with {scheme}: {complaint}\n{}", site.server.log());
    }
}

#[test]
fn urls_that_are_handed_out_keep_their_scheme_and_media_stay_within_tls() {
    let site = start("");
    let url = format!("rtsps://{}/yard/clip.h264", secure_address(&site));
    let mut client = Client::new(connect(&site));
    let described = client.ask("DESCRIBE", &url, &[]);
    assert_eq!(described.header("Content-Base"), Some(&*format!("{url}/")));
    let by_path = client.ask("DESCRIBE", "/yard/clip.h264", &[]);
    assert_eq!(by_path.header("Content-Base"), Some(&*format!("{url}/")));
    let track = format!("{url}/trackID=0");
    let udp = "RTP/AVP;unicast;client_port=40000-40001";
    for exposed in [udp, "RAW/RAW/UDP;unicast;client_port=40000-40001"] {
        assert_eq!(client.ask("SETUP", &track, &[&format!("Transport: {exposed}")]).status, 461, "{exposed}");
    }
    let both = format!("Transport: {udp}, RTP/AVP/TCP;unicast;interleaved=0-1");
    let set_up = client.ask("SETUP", &track, &[&both]);
    assert!(set_up.header("Transport").is_some_and(|it| it.starts_with("RTP/AVP/TCP")), "{set_up:?}");
    let played = client.ask("PLAY", &url, &[&format!("Session: {}", set_up.session())]);
    assert!(played.header("RTP-Info").is_some_and(|it| it.starts_with(&format!("url={track};"))), "{played:?}");
    client.expect_packet();
    let site = start("allow_udp = true\n");
    let url = format!("rtsps://{}/yard/clip.h264/trackID=0", secure_address(&site));
    assert_eq!(Client::new(connect(&site)).ask("SETUP", &url, &[&format!("Transport: {udp}")]).status, 200);
}

/// Requests and packets cross: the worker reads and answers while the streaming thread writes.
#[test]
fn requests_are_answered_while_packets_are_sent() {
    let site = start("");
    fs::write(site.folder.path().join("root/long.h264"), CLIP.repeat(60)).expect("a longer recording");
    let url = format!("rtsps://{}/long.h264", secure_address(&site));
    let mut client = Client::new(connect(&site));
    let transport = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1";
    let session = client.ask("SETUP", &format!("{url}/trackID=0"), &[transport]).session();
    let session = format!("Session: {session}");
    assert_eq!(client.ask("PLAY", &url, &[&session]).status, 200);
    let until = Instant::now() + Duration::from_secs(2);
    let mut answers = 0;
    while Instant::now() < until {
        assert_eq!(client.ask("GET_PARAMETER", &url, &[&session]).status, 200, "after {answers}");
        answers += 1;
    }
    assert!(answers > 20, "{answers}");
    client.expect_packet();
    assert_eq!(client.ask("TEARDOWN", &url, &[&session]).status, 200);
}

#[test]
fn both_halves_of_a_tunnel_are_within_tls_or_neither_is() {
    let site = start("");
    let url = format!("rtsps://{}/yard/clip.h264", secure_address(&site));
    let head = |method: &str| format!("{method} / HTTP/1.1\r\nx-sessioncookie: abc\r\nContent-Length: 32767\r\n\r\n");
    let mut outward = connect(&site);
    outward.write_all(head("GET").as_bytes()).expect("a GET");
    let mut answer = [0; 15];
    outward.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"HTTP/1.0 200 OK");
    let mut exposed = TcpStream::connect(site.address()).expect("the plain port");
    exposed.write_all(head("POST").as_bytes()).expect("a POST");
    let mut refused = String::new();
    exposed.read_to_string(&mut refused).expect("an answer");
    assert!(refused.starts_with("HTTP/1.1 404 "), "{refused}");
    let mut inward = connect(&site);
    let request = format!("DESCRIBE {url} RTSP/1.0\r\nCSeq: 7\r\n\r\n");
    inward.write_all(format!("{}{}", head("POST"), STANDARD.encode(request)).as_bytes()).expect("a POST");
    let mut described = String::new();
    while !described.contains("v=0") {
        let mut buffer = [0; 4096];
        let len = outward.read(&mut buffer).expect("an answer through the tunnel");
        assert_ne!(len, 0, "{described}");
        described += &String::from_utf8_lossy(&buffer[..len]);
    }
    assert!(described.contains("RTSP/1.0 200 OK\r\nCSeq: 7\r\n") && described.contains(&url), "{described}");
}

#[test]
fn a_certificate_is_renewed_with_sighup_and_a_bad_one_changes_nothing() {
    let site = start("");
    let url = format!("rtsps://{}/yard/clip.h264", secure_address(&site));
    let mut old = Client::new(connect(&site));
    assert_eq!(old.ask("DESCRIBE", &url, &[]).status, 200);
    make_certificate(site.folder.path());
    assert!(Client::new(connect(&site)).try_ask("OPTIONS", "*", &[]).is_none(), "the old certificate is still in use");
    site.server.signal(Signal::SIGHUP);
    site.wait_for_log("configuration read again", 1);
    assert_eq!(Client::new(connect(&site)).ask("OPTIONS", "*", &[]).status, 200);
    assert_eq!(old.ask("DESCRIBE", &url, &[]).status, 200, "connections outlive their certificate");
    let good = fs::read(site.folder.path().join("certificate.pem")).expect("the certificate");
    fs::write(site.folder.path().join("certificate.pem"), "none").expect("its file");
    site.server.signal(Signal::SIGHUP);
    site.wait_for_log("configuration read again", 2);
    site.wait_for_log("certificate and key kept as they were: there is no certificate in", 1);
    fs::write(site.folder.path().join("certificate.pem"), good).expect("its file");
    assert_eq!(Client::new(connect(&site)).ask("OPTIONS", "*", &[]).status, 200);
}

#[test]
fn who_does_not_speak_tls_or_speaks_it_elsewhere_is_cut_off_with_a_log_line() {
    let mut site = start("[log]\nlevel = \"debug\"\n");
    let secure = secure_address(&site);
    assert!(Client::connect(&secure).try_ask("OPTIONS", "*", &[]).is_none());
    let mut hello = TcpStream::connect(site.address()).expect("the plain port");
    hello.write_all(&[22, 3, 1, 0, 5, 1, 0, 0, 1, 0]).expect("a ClientHello");
    let mut answer = Vec::new();
    let _ = hello.read_to_end(&mut answer);
    assert_eq!(answer, b"");
    let mut garbage = TcpStream::connect(&secure).expect("the TLS port");
    garbage.write_all(&[22, 3, 1, 0, 5, 1, 0, 0, 1, 0]).expect("half a ClientHello");
    let _ = garbage.read_to_end(&mut answer);
    assert_eq!(answer.first(), Some(&21), "an alert: {answer:?}");
    for line in ["no TLS on a port for it", "TLS on a port without it", "TLS: "] {
        site.wait_for_log(line, 1);
    }
    site.server.signal(Signal::SIGTERM);
    assert!(site.server.wait(Duration::from_secs(3)).is_some_and(|status| status.success()));
}

#[test]
fn a_handshake_is_not_waited_for_longer_than_a_request() {
    let site = start("");
    let mut silent = TcpStream::connect(secure_address(&site)).expect("the TLS port");
    let start = Instant::now();
    let writer = silent.try_clone().expect("a second handle");
    // A byte now and then does not buy time.
    let trickle = thread::spawn(move || {
        for byte in [22, 3, 1, 2, 0, 1, 0, 1, 252, 3] {
            if (&writer).write_all(&[byte]).is_err() {
                break;
            }
            thread::sleep(Duration::from_millis(300));
        }
    });
    let mut answer = Vec::new();
    let _ = silent.read_to_end(&mut answer);
    let waited = start.elapsed();
    assert!(waited >= Duration::from_millis(900) && waited < Duration::from_secs(3), "{waited:?}");
    trickle.join().expect("the trickle");
    site.wait_for_log("the TLS handshake was not completed", 1);
}
