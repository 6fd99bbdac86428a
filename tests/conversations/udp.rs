//! Sessions over UDP: where datagrams come from, what keeps a session alive, and how it ends.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use crate::client::{Client, PATIENCE, Response, Rtp, is_alive, is_bye, receiver_report, rtcp_types};
use crate::media::Media;
use crate::{expect_log, serve};

/// A client's pair of ports.
struct Ports {
    rtp: UdpSocket,
    rtcp: UdpSocket,
}

impl Ports {
    fn new() -> Self {
        let socket = || UdpSocket::bind("127.0.0.1:0").expect("a UDP port");
        let (a, b) = (socket(), socket());
        let port = |socket: &UdpSocket| socket.local_addr().expect("a port").port();
        let (rtp, rtcp) = if port(&a) < port(&b) { (a, b) } else { (b, a) };
        for socket in [&rtp, &rtcp] {
            socket.set_read_timeout(Some(PATIENCE)).expect("a read timeout");
        }
        Self { rtp, rtcp }
    }

    fn transport(&self) -> String {
        let port = |socket: &UdpSocket| socket.local_addr().expect("a port").port();
        format!("Transport: RTP/AVP;unicast;client_port={}-{}", port(&self.rtp), port(&self.rtcp))
    }

    /// Takes packets only from the ports that SETUP announced.
    fn connect(&self, set_up: &Response) {
        let (rtp, rtcp) = set_up.transport("server_port").split_once('-').expect("a pair of ports");
        self.rtp.connect(format!("127.0.0.1:{rtp}")).expect("a connected socket");
        self.rtcp.connect(format!("127.0.0.1:{rtcp}")).expect("a connected socket");
    }

    fn next_rtp(&self) -> Option<Rtp> {
        receive(&self.rtp).map(|packet| Rtp::parse(&packet))
    }
}

fn receive(socket: &UdpSocket) -> Option<Vec<u8>> {
    let mut buffer = [0; 2000];
    let len = socket.recv(&mut buffer).ok()?;
    Some(buffer[..len].to_vec())
}

fn ssrc(set_up: &Response) -> u32 {
    u32::from_str_radix(set_up.transport("ssrc"), 16).expect("an SSRC in hexadecimal")
}

#[test]
fn datagrams_come_from_the_announced_ports_as_rtp_info_says_and_end_with_a_goodbye_each() {
    let media = Media::new();
    let server = serve(&media.root(), "");
    let url = server.url("cam.mkv");
    let mut client = Client::connect(server.address());
    let tracks = [Ports::new(), Ports::new()];
    let mut session = None;
    let set_up: Vec<Response> = (0..2)
        .map(|track| {
            let response = client.set_up_by(&url, track, session.as_deref(), &tracks[track].transport());
            session = Some(response.session());
            tracks[track].connect(&response);
            response
        })
        .collect();
    let session = format!("Session: {}", session.expect("a session"));
    let mut next = [None, None];
    // The second time shows that it can be played again after the goodbye, without PAUSE.
    for round in 0..2 {
        let play = client.request("PLAY", &url, &[&session, "Range: npt=2.4-"]).ok();
        let info = play.header("RTP-Info").expect("RTP-Info").to_owned();
        for (track, ports) in tracks.iter().enumerate() {
            assert_eq!(rtcp_types(&receive(&ports.rtcp).expect("a sender report")), [200, 202]);
            let first = ports.next_rtp().expect("a packet");
            let told = format!("url={url}/trackID={track};seq={};rtptime={}", first.sequence, first.rtptime);
            assert!(info.contains(&told), "round {round}: {told} is not in {info}");
            assert_eq!(first.ssrc, ssrc(&set_up[track]));
            assert!(next[track].is_none_or(|next| next == first.sequence), "{first:?} follows {next:?}");
            while !is_bye(&receive(&ports.rtcp).expect("a goodbye")) {}
            ports.rtp.set_nonblocking(true).expect("a socket that does not wait");
            let mut last = first;
            while let Some(packet) = ports.next_rtp() {
                assert_eq!(packet.sequence, last.sequence.wrapping_add(1), "{packet:?} follows {last:?}");
                last = packet;
            }
            ports.rtp.set_nonblocking(false).expect("a socket that waits");
            next[track] = Some(last.sequence.wrapping_add(1));
            // 600 ms: the last of 15 pictures, 14 * 40 ms later; and of sound in pieces of 20 ms.
            let ticks = last.rtptime.wrapping_sub(first.rtptime);
            assert_eq!(ticks, [14 * 3600, 29 * 160][track], "round {round}, track {track}");
        }
    }
}

/// LIVE555 told the end of a Matroska range, and played on.
#[test]
fn a_range_ends_with_the_last_picture_and_sound_before_its_end() {
    let media = Media::new();
    let server = serve(&media.root(), "");
    let url = server.url("cam.mkv");
    let mut client = Client::connect(server.address());
    let session = client.set_up(&url, 0, None).session();
    client.set_up(&url, 1, Some(&session));
    client.request("PLAY", &url, &[&format!("Session: {session}"), "Range: npt=2.4-2.5"]).ok();
    let mut times = [Vec::new(), Vec::new()];
    let mut goodbyes = 0;
    while goodbyes < 2 {
        let frame = client.frame(PATIENCE).expect("a frame");
        match frame.channel {
            0 | 2 => times[usize::from(frame.channel / 2)].push(Rtp::parse(&frame.data).rtptime),
            _ => goodbyes += usize::from(is_bye(&frame.data)),
        }
    }
    let from_first = |times: &[u32]| times.iter().map(|time| time.wrapping_sub(times[0])).collect::<Vec<_>>();
    assert_eq!(from_first(&times[0]), [0, 3600, 7200], "pictures at 2.40, 2.44 and 2.48");
    assert_eq!(from_first(&times[1]), [0, 160, 320, 480, 640], "sound from 2.40 to 2.50");
}

/// LIVE555 allows it since 2026.04.
#[test]
fn one_track_goes_out_over_udp_and_the_other_over_tcp_until_the_connection_ends() {
    let media = Media::new();
    let server = serve(&media.root(), "");
    let url = server.url("long.mkv");
    let mut client = Client::connect(server.address());
    let ports = Ports::new();
    let set_up = client.set_up_by(&url, 0, None, &ports.transport());
    ports.connect(&set_up);
    let session = set_up.session();
    client.set_up(&url, 1, Some(&session));
    client.in_session("PLAY", &url, &session).ok();
    client.frame_that("sound", |frame| frame.channel == 2);
    assert!(ports.next_rtp().is_some(), "no picture came");
    drop(client);
    // What is interleaved takes the whole session along.
    let ended = Instant::now() + PATIENCE;
    while is_alive(server.address(), &session) {
        assert!(Instant::now() < ended, "it lives on without its connection");
    }
}

#[test]
fn a_session_over_udp_outlives_its_connection_as_long_as_reports_come_from_its_client() {
    let media = Media::new();
    let server = serve(&media.root(), "rtsp.session_timeout = \"1s\"");
    let url = server.url("long.mkv");
    let ports = Ports::new();
    let mut client = Client::connect(server.address());
    let set_up = client.set_up_by(&url, 0, None, &ports.transport());
    ports.connect(&set_up);
    client.in_session("PLAY", &url, &set_up.session()).ok();
    drop(client);

    let report = receiver_report(ssrc(&set_up));
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(2500) {
        ports.rtcp.send(&report).expect("a report goes out");
        let pause = Instant::now() + Duration::from_millis(250);
        while Instant::now() < pause {
            assert!(ports.next_rtp().is_some(), "it ended after {:?} in spite of reports", start.elapsed());
        }
    }

    // Reports of a stranger are none, and neither is garbage of the client.
    let stranger = UdpSocket::bind("127.0.0.1:0").expect("a UDP port");
    let server_port = set_up.transport("server_port").split_once('-').expect("a pair").1.to_owned();
    let silent = Instant::now();
    ports.rtcp.set_read_timeout(Some(Duration::from_millis(100))).expect("a read timeout");
    let mut has_ended = false;
    while !has_ended && silent.elapsed() < PATIENCE {
        let _ = stranger.send_to(&report, format!("127.0.0.1:{server_port}"));
        let _ = ports.rtcp.send(b"hello");
        has_ended = receive(&ports.rtcp).is_some_and(|packet| is_bye(&packet));
    }
    let took = silent.elapsed();
    assert!(has_ended && took < Duration::from_secs(3), "no goodbye after {took:?} of silence:\n{}", server.log());
    assert!(!is_alive(server.address(), &set_up.session()));
    expect_log(&server, "ended: timed out");
}
