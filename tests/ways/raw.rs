//! RAW/RAW/UDP: the payload of every packet, without its header.

use std::net::UdpSocket;
use std::time::Duration;

use crate::client::{Client, PATIENCE};
use crate::media::matroska;
use crate::serve;

/// How many packets are compared.
const COUNT: usize = 30;

#[test]
fn datagrams_hold_what_follows_the_rtp_header_and_nothing_else() {
    let root = tempfile::tempdir().expect("a folder");
    // Pictures of 4000 bytes: three packets each, so that datagrams of a segment's length and shorter ones mix.
    std::fs::write(root.path().join("cam.mkv"), matroska(2, 4000)).expect("a recording");
    let server = serve(root.path(), "");
    let url = server.url("cam.mkv");

    let mut with_rtp = Client::connect(server.address());
    let session = with_rtp.set_up(&url, 0, None).session();
    with_rtp.in_session("PLAY", &url, &session).ok();
    let mut expected = Vec::new();
    while expected.len() < COUNT {
        let frame = with_rtp.frame(PATIENCE).expect("packets");
        if frame.channel == 0 {
            expected.push(rtp_types::RtpPacket::parse(&frame.data).expect("RTP").payload().to_vec());
        }
    }

    let socket = UdpSocket::bind("127.0.0.1:0").expect("a UDP port");
    socket.set_read_timeout(Some(PATIENCE)).expect("a read timeout");
    let port = socket.local_addr().expect("a port").port();
    let mut box_ = Client::connect(server.address());
    let set_up = box_.set_up_by(&url, 0, None, &format!("Transport: RAW/RAW/UDP;unicast;client_port={port}"));
    socket.connect(format!("127.0.0.1:{}", set_up.transport("server_port"))).expect("a connected socket");
    let session = set_up.session();
    box_.in_session("PLAY", &url, &session).ok();
    let mut buffer = [0; 2000];
    for (number, expected) in expected.iter().enumerate() {
        let len = socket.recv(&mut buffer).unwrap_or_else(|error| panic!("datagram {number}: {error}"));
        assert!(
            buffer[..len] == **expected,
            "datagram {number} of {len} bytes is not the payload of {}",
            expected.len()
        );
    }
    box_.in_session("TEARDOWN", &url, &session).ok();
    // Neither a report nor a goodbye comes: a set-top box would take it for picture data.
    socket.set_read_timeout(Some(Duration::from_millis(300))).expect("a read timeout");
    while let Ok(len) = socket.recv(&mut buffer) {
        assert_ne!(buffer[..2], [0x80, 200], "RTCP of {len} bytes");
    }
}

#[test]
fn a_set_top_box_that_asks_nothing_more_is_forgotten() {
    let root = tempfile::tempdir().expect("a folder");
    std::fs::write(root.path().join("cam.mkv"), matroska(20, 100)).expect("a recording");
    let server = serve(root.path(), "[rtsp]\nsession_timeout = \"1s\"\n");
    let url = server.url("cam.mkv");
    let mut client = Client::connect(server.address());
    let set_up = client.set_up_by(&url, 0, None, "Transport: RAW/RAW/UDP;unicast;client_port=40190");
    client.in_session("PLAY", &url, &set_up.session()).ok();
    crate::expect_log(&server, "ended: timed out");
}
