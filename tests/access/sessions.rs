//! Sessions belong to who made them. CVE-2026-41470 of LIVE555: whoever knew an id could play and tear down the session
//! of somebody else, without a password and from any connection.

use std::net::{IpAddr, Ipv4Addr};

use super::client::Client;
use super::{Site, USERS};

/// All that can be done to a session.
const METHODS: [&str; 6] = ["SETUP", "PLAY", "PAUSE", "GET_PARAMETER", "SET_PARAMETER", "TEARDOWN"];

#[test]
fn the_session_of_another_user_does_not_exist() {
    let site = Site::start(USERS);
    let url = site.url("yard/clip.h264");
    let mut victim = Client::connect(site.address());
    let guard = victim.log_in("guard", "secret", &url);
    let session = format!("Session: {}", victim.set_up(&guard, &url));
    let mut stranger = Client::connect(site.address());
    let mut other = Client::connect(site.address());
    let family = other.log_in("family", "pass word", &url);
    let transport = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1";
    for method in METHODS {
        assert_eq!(stranger.ask(method, &url, &[&session, transport]).status, 401, "{method} of a stranger");
        let answer = other.ask_as(&family, method, &url, &[&session, transport]);
        assert_eq!(answer.status, 454, "{method} of another user");
    }
    // Whether there is such a session is not told either.
    for header in [&*session, "Session: 0123456789ABCDEF"] {
        let answer = stranger.ask("OPTIONS", &url, &[header]);
        assert_eq!((answer.status, answer.header("Session")), (200, None), "{header}");
    }
    assert_eq!(victim.ask_as(&guard, "PLAY", &url, &[&session]).status, 200);
    victim.expect_packet();
    assert_eq!(victim.ask("OPTIONS", &url, &[&session]).header("Session"), Some(&session["Session: ".len()..]));
    assert_eq!(victim.ask_as(&guard, "TEARDOWN", &url, &[&session]).status, 200);
}

#[test]
fn the_same_user_may_go_on_over_another_connection() {
    let site = Site::start(USERS);
    let url = site.url("yard/clip.h264");
    let mut first = Client::connect(site.address());
    let guard = first.log_in("guard", "secret", &url);
    let session = format!("Session: {}", first.set_up(&guard, &url));
    let mut second = Client::connect_from(IpAddr::from([127, 0, 0, 2]), site.address());
    assert_eq!(second.ask_as(&guard, "PLAY", &url, &[&session]).status, 200);
    first.expect_packet();
}

#[test]
fn where_nobody_logs_in_the_session_of_another_address_does_not_exist() {
    let site = Site::start("");
    let url = site.url("yard/clip.h264");
    let mut victim = Client::connect(site.address());
    let transport = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1";
    let set_up = victim.ask("SETUP", &format!("{url}/trackID=0"), &[transport]);
    let session = format!("Session: {}", set_up.session());
    let mut stranger = Client::connect_from(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)), site.address());
    for method in METHODS {
        assert_eq!(stranger.ask(method, &url, &[&session, transport]).status, 454, "{method}");
    }
    assert_eq!(victim.ask("PLAY", &url, &[&session]).status, 200);
    victim.expect_packet();
    let mut same_address = Client::connect(site.address());
    assert_eq!(same_address.ask("TEARDOWN", &url, &[&session]).status, 200);
}

#[test]
fn networks_decide_before_anybody_is_asked_for_a_name() {
    let near = "[[permissions]]\nnetworks = [\"127.0.0.1\"]\n[[permissions]]\npaths = [\"attic/\"]\n";
    for (sections, granted) in
        [(near.to_owned(), 200), (format!("{}{near}", &USERS[..USERS.find("[[p").unwrap()]), 401)]
    {
        let site = Site::start(&sections);
        for (address, path, status) in [
            ([127, 0, 0, 1], "yard/clip.h264", granted),
            ([127, 0, 0, 2], "yard/clip.h264", 403),
            ([127, 0, 0, 2], "attic/clip.h264", granted),
        ] {
            let mut client = Client::connect_from(IpAddr::from(address), site.address());
            let answer = client.ask("DESCRIBE", &site.url(path), &[]);
            assert_eq!(answer.status, status, "{address:?} {path}");
            assert_eq!(client.ask("OPTIONS", &site.url(path), &[]).status, 200);
        }
    }
}
