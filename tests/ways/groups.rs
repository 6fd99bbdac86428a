//! Multicast groups, between two network namespaces.

use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};
use std::thread;
use std::time::Duration;

use crate::client::{Client, PATIENCE, Response, Rtp, is_alive, is_bye, receiver_report, rtcp_types};
use crate::common::Server;
use crate::looped_frames::{check_repeats, ffmpeg, gstreamer, make_clip};
use crate::media::matroska;
use crate::namespaces::{CLIENT, End, Lan, SERVER, SERVER_V6};
use crate::{expect_log, serve_at};

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 255, 1, 1);
const CHANNEL: &str = "[[channels]]\npath = \"lobby\"\nfile = \"cam.mkv\"\nloop = true\ngroup = \"239.255.1.1\"\n\
                       port = 5004\nttl = 3\n";
const MULTICAST: &str = "Transport: RTP/AVP;multicast";

/// Both ends of the cable, a server of a looped recording at one of them. Order matters: the server goes first.
struct Stage {
    server: Server,
    lan: Lan,
    _root: tempfile::TempDir,
}

impl Stage {
    /// `None` where there can be no namespaces.
    fn new(config: &str) -> Option<Self> {
        let root = tempfile::tempdir().expect("a folder");
        std::fs::write(root.path().join("cam.mkv"), matroska(1, 100)).expect("a recording");
        Self::of(root, SERVER, config)
    }

    fn of(root: tempfile::TempDir, address: &str, config: &str) -> Option<Self> {
        let lan = Lan::new()?;
        let server = lan.at(End::Server, || serve_at(address, root.path(), config));
        Some(Self { server, lan, _root: root })
    }

    fn client(&self) -> Client {
        self.lan.at(End::Client, || Client::connect(self.server.address()))
    }

    /// A member of the group, at one of its ports.
    fn member(&self, port: u16) -> UdpSocket {
        self.lan.at(End::Client, || {
            let socket = UdpSocket::bind((GROUP, port)).expect("a UDP port");
            socket.join_multicast_v4(&GROUP, &CLIENT.parse().expect("an address")).expect("a member of the group");
            socket.set_read_timeout(Some(PATIENCE)).expect("a read timeout");
            socket
        })
    }

    fn url(&self) -> String {
        self.server.url("lobby")
    }

    /// A viewer of both tracks.
    fn viewer(&self) -> (Client, String) {
        let (mut client, url) = (self.client(), self.url());
        let session = client.set_up_by(&url, 0, None, MULTICAST).session();
        client.set_up_by(&url, 1, Some(&session), MULTICAST);
        (client, session)
    }
}

fn receive(socket: &UdpSocket) -> Option<Vec<u8>> {
    let mut buffer = [0; 2000];
    let len = socket.recv(&mut buffer).ok()?;
    Some(buffer[..len].to_vec())
}

#[track_caller]
fn next_rtp(socket: &UdpSocket) -> Rtp {
    Rtp::parse(&receive(socket).unwrap_or_else(|| panic!("no packet came to {socket:?}")))
}

/// Whether nothing comes for some time.
fn is_silent(socket: &UdpSocket) -> bool {
    socket.set_read_timeout(Some(Duration::from_millis(300))).expect("a read timeout");
    let is_silent = receive(socket).is_none();
    socket.set_read_timeout(Some(PATIENCE)).expect("a read timeout");
    is_silent
}

/// Sequence number and timestamp that RTP-Info tells for a track.
fn rtp_info(play: &Response, track: usize) -> (u16, u32) {
    let value = play.header("RTP-Info").unwrap_or_else(|| panic!("no RTP-Info in {play:?}"));
    let of_track = value.split(',').nth(track).unwrap_or_else(|| panic!("no track {track} in {value}"));
    let number = |name: &str| -> u32 {
        let found = of_track.split(';').find_map(|parameter| parameter.strip_prefix(name));
        found.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no {name} in {value}"))
    };
    (number("seq=") as u16, number("rtptime="))
}

#[test]
fn viewers_share_a_stream_from_the_first_that_comes_to_the_last_that_goes() {
    let Some(stage) = Stage::new(CHANNEL) else { return };
    let url = stage.url();
    let (rtp, rtcp, sound) = (stage.member(5004), stage.member(5005), stage.member(5006));

    let mut first = stage.client();
    let description = first.request("DESCRIBE", &url, &[]).ok().body;
    for line in ["c=IN IP4 239.255.1.1/3", "m=video 5004 RTP/AVP 96", "m=audio 5006 RTP/AVP 0", "a=range:npt=0-"] {
        assert!(description.lines().any(|found| found == line), "no {line} in\n{description}");
    }
    // FFmpeg's way of asking, and VLC's, which names ports of its own: they are the channel's to choose.
    let set_up = first.set_up_by(&url, 0, None, "Transport: RTP/AVP/UDP;multicast");
    let granted = set_up.header("Transport").unwrap_or_default();
    assert!(granted.starts_with("RTP/AVP;multicast;destination=239.255.1.1;port=5004-5005;ttl=3;ssrc="), "{granted}");
    let (session, ssrc) = (set_up.session(), set_up.transport("ssrc").to_owned());
    let set_up = first.set_up_by(&url, 1, Some(&session), "Transport: RTP/AVP;multicast;port=9000-9001");
    assert_eq!(set_up.transport("port"), "5006-5007");
    assert!(is_silent(&rtp), "nothing is sent before PLAY");

    let play = first.in_session("PLAY", &url, &session).ok();
    let begin = next_rtp(&rtp);
    assert_eq!((begin.sequence, begin.rtptime), rtp_info(&play, 0));
    assert_eq!(format!("{:08X}", begin.ssrc), ssrc);
    assert_eq!(next_rtp(&sound).sequence, rtp_info(&play, 1).0);
    assert_eq!(rtcp_types(&receive(&rtcp).expect("a report")), [200, 202]);

    // The second comes a good second later, when the recording has begun again.
    for _ in 0..30 {
        next_rtp(&rtp);
    }
    let (mut second, other_session) = stage.viewer();
    let play = second.in_session("PLAY", &url, &other_session).ok();
    let (sequence, rtptime) = rtp_info(&play, 0);
    assert!(play.header("Range").is_some_and(|range| range.starts_with("npt=1.")), "{play:?}");
    let passed = sequence.wrapping_sub(begin.sequence);
    assert!((28..60).contains(&passed), "{passed} packets since the first");
    let elapsed = rtptime.wrapping_sub(begin.rtptime);
    assert!(elapsed.abs_diff(u32::from(passed) * 3600) <= 3 * 3600, "{elapsed} ticks and {passed} packets later");

    first.in_session("TEARDOWN", &url, &session).ok();
    let mut last = next_rtp(&rtp);
    for _ in 0..30 {
        let next = next_rtp(&rtp);
        let step = (next.sequence.wrapping_sub(last.sequence), next.rtptime.wrapping_sub(last.rtptime));
        assert_eq!(step, (1, 3600), "one who goes leaves the others alone");
        last = next;
    }
    second.in_session("TEARDOWN", &url, &other_session).ok();
    while !is_bye(&receive(&rtcp).expect("a goodbye")) {}
    while receive(&rtp).is_some_and(|_| !is_silent(&rtp)) {}
    assert!(is_silent(&rtp) && is_silent(&rtcp), "nothing is sent to nobody");
    assert!(!is_alive_at(&stage, &session) && !is_alive_at(&stage, &other_session));
    expect_log(&stage.server, "lobby: goes to 239.255.1.1");
}

fn is_alive_at(stage: &Stage, session: &str) -> bool {
    stage.lan.at(End::Client, || is_alive(stage.server.address(), session))
}

#[test]
fn what_a_group_is_not_there_for_is_refused_or_sent_to_the_one_who_asks() {
    let only = "[[channels]]\npath = \"only\"\nfile = \"cam.mkv\"\ngroup = \"239.255.1.2\"\nport = 5104\n\
                multicast_only = true\n";
    let Some(stage) = Stage::new(&format!("{CHANNEL}{only}")) else { return };
    let status = |url: &str, transport: &str, session: Option<&str>| {
        let session = session.map(|id| format!("Session: {id}"));
        let headers: Vec<&str> = [Some(transport), session.as_deref()].into_iter().flatten().collect();
        stage.client().request("SETUP", &format!("{url}/trackID=0"), &headers).status()
    };
    let (unicast, tcp) =
        ("Transport: RTP/AVP;unicast;client_port=40200-40201", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1");
    let only = stage.server.url("only");
    assert_eq!(status(&only, unicast, None), 461);
    assert_eq!(status(&only, tcp, None), 461);
    assert_eq!(status(&stage.url(), "Transport: RTP/AVP/TCP;multicast", None), 461);
    assert_eq!(status(&stage.server.url("cam.mkv"), MULTICAST, None), 461, "a recording that is no channel");
    // A session is in the group with all its tracks, or with none.
    let (_client, session) = stage.viewer();
    assert_eq!(status(&stage.url(), tcp, Some(&session)), 461);

    // Whoever wants a channel to himself has it from its start.
    let (mut client, url) = (stage.client(), stage.url());
    let own = client.set_up(&url, 0, None).session();
    assert_eq!(status(&url, MULTICAST, Some(&own)), 461);
    let play = client.in_session("PLAY", &url, &own).ok();
    assert!(play.header("Range").is_some_and(|range| range.starts_with("npt=0.000-")), "{play:?}");
    client.frame(PATIENCE).expect("packets");
}

#[test]
fn a_viewer_lives_by_its_reports_to_the_group_and_is_forgotten_when_they_end() {
    // Reports are read every 4.5 seconds at the latest.
    let Some(stage) = Stage::new(&format!("[rtsp]\nsession_timeout = \"5s\"\n{CHANNEL}")) else { return };
    let (url, rtcp) = (stage.url(), stage.member(5005));
    let (mut viewer, session) = stage.viewer();
    viewer.in_session("PLAY", &url, &session).ok();
    let report = receive(&rtcp).expect("a report");
    let ssrc = u32::from_be_bytes([report[4], report[5], report[6], report[7]]);
    drop(viewer);

    let sender = stage.lan.at(End::Client, || UdpSocket::bind((CLIENT, 0)).expect("a UDP port"));
    for _ in 0..14 {
        sender.send_to(&receiver_report(ssrc), (GROUP, 5005)).expect("a report is sent");
        thread::sleep(Duration::from_millis(500));
    }
    assert!(!stage.server.log().contains("timed out"), "{}", stage.server.log());
    // Our own reports come back to us, and are no sign of anybody's life.
    thread::sleep(Duration::from_secs(5));
    expect_log(&stage.server, &format!("session {session} ended: timed out"));
    while !is_bye(&receive(&rtcp).expect("a goodbye")) {}
}

#[test]
fn a_channel_that_is_always_on_needs_no_viewers_and_says_goodbye_when_the_server_stops() {
    let Some(mut stage) = Stage::new(&format!("{CHANNEL}always = true\n")) else { return };
    let (rtp, rtcp) = (stage.member(5004), stage.member(5005));
    let mut last = next_rtp(&rtp);
    for _ in 0..30 {
        let next = next_rtp(&rtp);
        assert_eq!(next.rtptime.wrapping_sub(last.rtptime), 3600);
        last = next;
    }
    let (mut viewer, session) = stage.viewer();
    viewer.in_session("PLAY", &stage.url(), &session).ok();
    viewer.in_session("TEARDOWN", &stage.url(), &session).ok();
    next_rtp(&rtp);
    stage.server.signal(nix::sys::signal::Signal::SIGTERM);
    let status = stage.server.wait(Duration::from_secs(4)).expect("the server stops");
    assert!(status.success(), "{status}:\n{}", stage.server.log());
    while !is_bye(&receive(&rtcp).expect("a goodbye")) {}
}

#[test]
fn a_group_of_ipv6_works_as_well() {
    let group: Ipv6Addr = "ff15::1:2".parse().expect("an address");
    let root = tempfile::tempdir().expect("a folder");
    std::fs::write(root.path().join("cam.mkv"), matroska(1, 100)).expect("a recording");
    let config = format!(
        "[[channels]]\npath = \"lobby\"\nfile = \"cam.mkv\"\nloop = true\ngroup = \"{group}\"\nport = 5004\n\
         interface = \"{SERVER_V6}\"\n"
    );
    let Some(stage) = Stage::of(root, SERVER_V6, &config) else { return };
    let rtp = stage.lan.at(End::Client, || {
        let cable = nix::net::if_::if_nametoindex("cable").expect("the cable");
        let socket = UdpSocket::bind((group, 5004)).expect("a UDP port");
        socket.join_multicast_v6(&group, cable).expect("a member of the group");
        socket.set_read_timeout(Some(PATIENCE)).expect("a read timeout");
        socket
    });
    let mut client = stage.client();
    let description = client.request("DESCRIBE", &stage.url(), &[]).ok().body;
    assert!(description.contains("c=IN IP6 ff15::1:2\r\n"), "{description}");
    let set_up = client.set_up_by(&stage.url(), 0, None, MULTICAST);
    assert_eq!(set_up.transport("destination"), "ff15::1:2");
    let play = client.in_session("PLAY", &stage.url(), &set_up.session()).ok();
    let begin = next_rtp(&rtp);
    assert_eq!((begin.sequence, begin.rtptime), rtp_info(&play, 0));
}

#[test]
fn ffmpeg_and_gstreamer_join_at_any_time_and_see_every_picture_of_every_lap() {
    let root = tempfile::tempdir().expect("a folder");
    let path = root.path().join("cam.mkv");
    make_clip(&path);
    let clip = ffmpeg(&[], &path.to_string_lossy(), &[]);
    let Some(stage) = Stage::of(root, SERVER, CHANNEL) else { return };
    let url = stage.url();
    let lan = &stage.lan;
    thread::scope(|scope| {
        let by_ffmpeg = |delay: u64| {
            thread::sleep(Duration::from_millis(delay));
            lan.at(End::Client, || ffmpeg(&["-rtsp_transport", "udp_multicast"], &url, &["-t", "5"]))
        };
        let (first, second) = (scope.spawn(move || by_ffmpeg(0)), scope.spawn(move || by_ffmpeg(1300)));
        let third = scope.spawn(|| {
            thread::sleep(Duration::from_millis(700));
            lan.at(End::Client, || gstreamer(&url, 7))
        });
        for (name, found) in [("ffmpeg", first), ("ffmpeg, later", second), ("GStreamer", third)] {
            let found = found.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            println!("{name}: {} pictures", found.len());
            check_repeats(&clip, &found, 75);
        }
    });
    let log = stage.server.log();
    assert_eq!(log.matches("goes to 239.255.1.1").count(), 1, "one stream for all:\n{log}");
}
