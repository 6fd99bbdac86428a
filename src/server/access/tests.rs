//! Whole decisions, on an invented clock.

use std::time::Duration;

use super::*;
use crate::rtsp::{Headers, Method, Version};

const URL: &str = "rtsp://nas:8554/yard/a.mp4";

fn config(more: &str) -> Config {
    let users =
        "[[users]]\nname = \"guard\"\npassword = \"secret\"\n[[users]]\nname = \"family\"\npassword = \"other\"\n";
    Config::parse(&format!("{users}{more}")).unwrap()
}

fn request(method: Method, url: &str, authorization: Option<&str>) -> Request {
    let mut headers = Headers::default();
    if let Some(value) = authorization {
        headers.push("Authorization", value);
    }
    Request { method, url: url.to_owned(), version: Version::RTSP_1_0, headers, body: Vec::new() }
}

/// A server and one client's connection to it.
struct Scene {
    config: Config,
    access: Access,
    login: Login,
    peer: IpAddr,
    now: Instant,
}

impl Scene {
    fn new(more: &str) -> Self {
        let now = Instant::now();
        let peer = IpAddr::from([10, 0, 0, 7]);
        Self { config: config(more), access: Access::new([1; 32], now), login: Login::default(), peer, now }
    }

    fn ask(&self, url: &str, authorization: Option<&str>) -> Verdict {
        let request = request(Method::Describe, url, authorization);
        self.access.check(&self.config, &request, self.peer, &self.login, self.now)
    }

    /// The nonce of the last challenge, as most clients take it.
    fn nonce(&self) -> String {
        let response = Response::new(crate::rtsp::Status::Unauthorized, None);
        let response = self.access.challenge(&self.config.auth, false, response, self.now);
        let last = response.headers.get_all("WWW-Authenticate").last().unwrap().to_owned();
        last.split('"').nth(3).unwrap().to_owned()
    }

    fn digest(&self, user: &str, password: &str, nonce: &str, uri: &str) -> String {
        digest(Algorithm::Md5, user, password, nonce, uri, None)
    }

    fn granted(user: &str) -> Verdict {
        Verdict::Granted(Some(user.to_owned()))
    }
}

/// What a client answers to a challenge.
fn digest(algorithm: Algorithm, user: &str, password: &str, nonce: &str, uri: &str, nc: Option<&str>) -> String {
    let hash = |text: String| match algorithm {
        Algorithm::Md5 => crate::rtsp::auth::hex(&<md5::Md5 as md5::Digest>::digest(text)),
        Algorithm::Sha256 => crate::rtsp::auth::hex(&<sha2::Sha256 as sha2::Digest>::digest(text)),
    };
    let (ha1, ha2) = (hash(format!("{user}:camreel:{password}")), hash(format!("DESCRIBE:{uri}")));
    let (response, count) = match nc {
        None => (hash(format!("{ha1}:{nonce}:{ha2}")), String::new()),
        Some(nc) => (hash(format!("{ha1}:{nonce}:{nc}:c0:auth:{ha2}")), format!(", qop=auth, nc={nc}, cnonce=\"c0\"")),
    };
    let name = algorithm.name();
    format!(
        "Digest username=\"{user}\", realm=\"camreel\", nonce=\"{nonce}\", uri=\"{uri}\", algorithm={name}, \
         response=\"{response}\"{count}"
    )
}

#[test]
fn without_users_nobody_is_asked() {
    let scene = Scene { config: Config::default(), ..Scene::new("") };
    assert_eq!(scene.ask(URL, None), Verdict::Granted(None));
    assert_eq!(scene.ask(URL, Some("Digest nonsense")), Verdict::Granted(None));
}

#[test]
fn the_right_password_opens_with_or_without_a_count_and_on_another_connection() {
    let scene = Scene::new("");
    assert_eq!(scene.ask(URL, None), Verdict::Challenged { stale: false });
    let nonce = scene.nonce();
    let old = scene.digest("guard", "secret", &nonce, URL);
    assert_eq!(scene.ask(URL, Some(&old)), Scene::granted("guard"));
    assert_eq!(scene.login.user().as_deref(), Some("guard"));
    let elsewhere = Scene { login: Login::default(), ..scene };
    let counted = digest(Algorithm::Md5, "family", "other", &nonce, URL, Some("00000001"));
    assert_eq!(elsewhere.ask(URL, Some(&counted)), Scene::granted("family"));
}

#[test]
fn the_hashed_url_may_differ_in_form_but_not_name_another_file() {
    let track = "rtsp://nas:8554/yard/a.mp4/trackID=0";
    for (requested, hashed, expected) in [
        (track, "rtsp://nas:8554/yard/a.mp4/", true), // VLC
        (track, "/yard/a.mp4/trackID=0", true),       // Bosch
        ("rtsp://nas:8554/yard/a.mp4/", URL, true),   // HappyTime
        (URL, "rtsp://10.0.0.1/yard/%61.mp4?x=1", true),
        ("*", "*", true),
        (URL, "rtsp://nas:8554/yard/b.mp4", false),
        (URL, "*", false),
        (URL, "", false),
        (URL, "rtsp://nas:8554/yard/../yard/a.mp4", false),
    ] {
        let scene = Scene::new("");
        let proof = scene.digest("guard", "secret", &scene.nonce(), hashed);
        let verdict = scene.ask(requested, Some(&proof));
        assert_eq!(verdict == Scene::granted("guard"), expected, "{requested} with {hashed}: {verdict:?}");
        assert_eq!(matches!(verdict, Verdict::Malformed(_)), !expected, "{requested} with {hashed}: {verdict:?}");
    }
}

#[test]
fn an_old_nonce_is_stale_but_not_where_it_was_logged_in_with() {
    let mut scene = Scene::new("[auth]\nnonce_lifetime = \"60s\"\n");
    let nonce = scene.nonce();
    let proof = scene.digest("guard", "secret", &nonce, URL);
    assert_eq!(scene.ask(URL, Some(&proof)), Scene::granted("guard"));
    scene.now += Duration::from_secs(61);
    assert_eq!(scene.ask(URL, Some(&proof)), Scene::granted("guard"));
    scene.login = Login::default();
    assert_eq!(scene.ask(URL, Some(&proof)), Verdict::Challenged { stale: true });
    let wrong = scene.digest("guard", "wrong", &nonce, URL);
    assert!(matches!(scene.ask(URL, Some(&wrong)), Verdict::Wrong { .. }), "stale means that the password was right");
    let foreign = scene.digest("guard", "secret", &"0".repeat(64), URL);
    assert_eq!(scene.ask(URL, Some(&foreign)), Verdict::Challenged { stale: true });
}

#[test]
fn a_replay_is_refused_and_a_new_nonce_offered() {
    let scene = Scene::new("");
    let nonce = scene.nonce();
    let counted = |nc| digest(Algorithm::Md5, "guard", "secret", &nonce, URL, Some(nc));
    for (nc, expected) in [
        ("00000001", Scene::granted("guard")),
        ("00000001", Verdict::Challenged { stale: true }),
        ("00000002", Scene::granted("guard")),
        ("00000000", Verdict::Challenged { stale: true }),
    ] {
        assert_eq!(scene.ask(URL, Some(&counted(nc))), expected, "{nc}");
    }
}

#[test]
fn only_what_is_configured_is_offered_and_accepted() {
    let offers = |scene: &Scene| -> Vec<String> {
        let response = Response::new(crate::rtsp::Status::Unauthorized, None);
        let response = scene.access.challenge(&scene.config.auth, false, response, scene.now);
        let headers = response.headers.get_all("WWW-Authenticate");
        headers.map(|value| value.split(", nonce").next().unwrap().to_owned()).collect()
    };
    let basic = "Basic Z3VhcmQ6c2VjcmV0";
    let digest_only = Scene::new("");
    assert_eq!(offers(&digest_only), ["Digest realm=\"camreel\""]);
    assert_eq!(digest_only.ask(URL, Some(basic)), Verdict::Challenged { stale: false });
    let sha256 = digest(Algorithm::Sha256, "guard", "secret", &digest_only.nonce(), URL, Some("1"));
    assert_eq!(digest_only.ask(URL, Some(&sha256)), Verdict::Challenged { stale: false });
    let all = Scene::new("[auth]\nmethods = [\"digest\", \"basic\"]\nalgorithms = [\"md5\", \"sha-256\"]\n");
    assert_eq!(offers(&all), ["Basic realm=\"camreel\"", "Digest realm=\"camreel\"", "Digest realm=\"camreel\""]);
    let sha256 = digest(Algorithm::Sha256, "guard", "secret", &all.nonce(), URL, Some("1"));
    for good in [basic, &sha256] {
        assert_eq!(all.ask(URL, Some(good)), Scene::granted("guard"), "{good}");
    }
    assert!(matches!(all.ask(URL, Some("Basic Z3VhcmQ6d3Jvbmc=")), Verdict::Wrong { .. }));
}

#[test]
fn who_guesses_is_blocked_but_not_who_is_logged_in_from_there() {
    let mut scene = Scene::new("[auth]\nfailures_max = 5\nblock_time = \"60s\"\n");
    let nonce = scene.nonce();
    let right = scene.digest("guard", "secret", &nonce, URL);
    let logged_in = Login::default();
    scene.login = logged_in;
    assert_eq!(scene.ask(URL, Some(&right)), Scene::granted("guard"));
    let logged_in = std::mem::take(&mut scene.login);
    for count in 1..=5 {
        let user = if count % 2 == 0 { "guard" } else { "nobody" };
        match scene.ask(URL, Some(&scene.digest(user, "guess", &nonce, URL))) {
            Verdict::Wrong { failure, .. } => assert_eq!((failure.count, failure.blocks), (count, count == 5)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(scene.ask(URL, Some(&right)), Verdict::Blocked);
    assert_eq!(scene.ask(URL, None), Verdict::Challenged { stale: false });
    scene.login = logged_in;
    assert_eq!(scene.ask(URL, Some(&right)), Scene::granted("guard"));
    let other = scene.digest("family", "other", &nonce, URL);
    assert_eq!(scene.ask(URL, Some(&other)), Verdict::Blocked, "another user of a connection that logged in");
    scene.login = Login::default();
    scene.now += Duration::from_secs(60);
    assert_eq!(scene.ask(URL, Some(&right)), Scene::granted("guard"));
}

#[test]
fn permissions_open_paths_to_users_and_networks() {
    let config = config(
        "[[permissions]]\nusers = [\"guard\"]\nnetworks = [\"10.0.0.0/8\", \"fd00::/8\"]\n\
         [[permissions]]\nusers = [\"family\"]\npaths = [\"yard/\"]\n",
    );
    for (user, peer, path, network, sees) in [
        ("guard", "10.1.1.1", "attic/a.mp4", true, true),
        ("guard", "fd12::1", "yard/a.mp4", true, true),
        ("guard", "192.168.0.1", "attic/a.mp4", false, false),
        ("guard", "192.168.0.1", "yard/a.mp4", true, false),
        ("family", "192.168.0.1", "yard/a.mp4", true, true),
        ("family", "10.1.1.1", "attic/a.mp4", true, false),
        ("family", "10.1.1.1", "yardage.mp4", true, false),
    ] {
        let (peer, path) = (peer.parse().unwrap(), Path::new(path));
        assert_eq!(may_network(&config, peer, path), network, "{peer} {}", path.display());
        assert_eq!(may_see(&config, Some(user), peer, path), sees, "{user} {peer} {}", path.display());
    }
    let open = Config::parse("[[permissions]]\nnetworks = [\"127.0.0.0/8\"]\n").unwrap();
    assert!(may_see(&open, None, "127.0.0.1".parse().unwrap(), Path::new("a")));
    assert!(!may_see(&open, None, "10.0.0.1".parse().unwrap(), Path::new("a")));
}
