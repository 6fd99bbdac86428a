//! The URL of a request (RFC 2326 section 3.2): which recording, and which of its tracks.
//!
//! A path is decoded once, component by component, and is then a relative path that cannot leave the folder it is
//! joined to. Whether anything is there is `library`'s business.
//!
//! Tracks are named by [`Url::track_url`]: `trackID=N` behind the path and before the query. Not every client puts it
//! there, so reading is wider: FFmpeg joins with a slash and no more, so that a relative control URL comes behind the
//! query (`cam.mp4?start=5/trackID=0`).

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, percent_encode};

use super::headers::parse_digits;

/// What no URL may hold. Beyond ASCII nothing may, anyway.
const FOREIGN: &AsciiSet = &CONTROLS.add(b' ');
/// Where clients split the lists that URLs stand in.
const LIST_CHARACTERS: &AsciiSet = &FOREIGN.add(b',').add(b';');
/// What would not stand for itself in a path.
const PATH_CHARACTERS: &AsciiSet = &LIST_CHARACTERS.add(b'%').add(b'?').add(b'#');
/// What comes before the number of a track.
const TRACK_PREFIX: &str = "trackID=";

/// What a request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// `*`: the server itself.
    Server,
    /// A recording, or one of its tracks.
    Url(Url),
}

impl Target {
    /// Reads the URL of a request line: `*`, an absolute URL, or a path alone.
    ///
    /// # Errors
    /// See [`UrlError`].
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        if text == "*" { Ok(Self::Server) } else { Url::parse(text).map(Self::Url) }
    }
}

/// An RTSP URL, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// Scheme, host and port as the client wrote them, `rtsp://192.168.1.10:8554`: the name by which it reaches us,
    /// which need not be one that we know. User and password are taken out. `None` when only a path was sent.
    pub origin: Option<String>,
    /// The recording: a relative path without `.` and `..`; empty for the root.
    pub path: PathBuf,
    /// The track, counted from 0.
    pub track: Option<u32>,
    /// What stands behind the question mark, not decoded.
    pub query: Option<String>,
    /// `path` as it was sent, with a slash before each component.
    escaped_path: String,
}

/// A URL that names nothing we could serve. All of them deserve a 400, except that what points outside may as well be
/// said not to exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Neither `rtsp`, `rtspu` nor `rtsps`.
    #[error("unknown scheme in the URL")]
    Scheme,
    /// The port is no number from 1 to 65535.
    #[error("malformed port in the URL")]
    Port,
    /// `..`, escaped or not.
    #[error("`..` in the URL")]
    Parent,
    /// `%2F`, which would be a slash within a name.
    #[error("escaped slash in the URL")]
    EscapedSlash,
    /// `%00`.
    #[error("zero byte in the URL")]
    Nul,
}

impl Url {
    /// Reads an absolute URL (`rtsp://host[:port]/path?query`, or `rtsp:/path`), or a path alone.
    ///
    /// Escapes that are none (`100%.mp4`) stand for themselves, and so does `#`: players hand on what was typed.
    ///
    /// # Errors
    /// See [`UrlError`].
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let (origin, rest) = split_origin(text)?;
        let (path, query) = match rest.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (rest, None),
        };
        let mut components = decode_components(path)?;
        let mut query = query;
        let mut track = components.last().and_then(|(_, name)| parse_track(name));
        if track.is_some() {
            components.pop();
        } else if let Some((before, number)) = query.and_then(split_track) {
            (track, query) = (Some(number), before);
        }
        let escaped_path = components.iter().flat_map(|(escaped, _)| ["/", escaped]).collect();
        let path = components.into_iter().map(|(_, name)| OsString::from_vec(name)).collect();
        Ok(Self { origin, path, track, query: query.map(str::to_owned), escaped_path })
    }

    /// The recording's own URL, without query and without a slash at the end.
    ///
    /// `local_origin`, such as `rtsp://192.168.1.10:8554`, stands in where the client sent only a path.
    pub fn base(&self, local_origin: &str) -> String {
        let origin = self.origin.as_deref().unwrap_or(local_origin);
        escape_list_characters(&format!("{origin}{}", self.escaped_path))
    }

    /// Content-Base (RFC 2326 section 12.11). It must end with a slash, for clients join without looking.
    pub fn content_base(&self, local_origin: &str) -> String {
        self.base(local_origin) + "/"
    }

    /// The URL by which SETUP is to name a track, with the query as it was.
    pub fn track_url(&self, local_origin: &str, track: usize) -> String {
        let url = format!("{}/{TRACK_PREFIX}{track}", self.base(local_origin));
        match &self.query {
            Some(query) => format!("{url}?{}", escape_list_characters(query)),
            None => url,
        }
    }
}

/// The URL of the recording at a relative path; `origin` as in [`Url::origin`].
pub fn recording_url(origin: &str, path: &Path) -> String {
    let escape = |name: &OsStr| percent_encode(name.as_bytes(), PATH_CHARACTERS).to_string();
    path.iter().fold(origin.to_owned(), |url, name| url + "/" + &escape(name))
}

/// The path as a person reads it.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", self.path.display())?;
        self.track.map_or(Ok(()), |track| write!(f, " track {track}"))
    }
}

/// Percent-encodes the bytes that no URL may hold, and no others. Decoding gives back what was sent.
pub(super) fn escape_foreign_bytes(bytes: &[u8]) -> String {
    percent_encode(bytes, FOREIGN).to_string()
}

/// Percent-encodes what clients take for the end of a URL within a list: comma, semicolon and space.
pub(super) fn escape_list_characters(url: &str) -> String {
    percent_encode(url.as_bytes(), LIST_CHARACTERS).to_string()
}

/// Scheme and authority without user and password, if there are any; and all that follows.
fn split_origin(text: &str) -> Result<(Option<String>, &str), UrlError> {
    let scheme_len = text.bytes().take_while(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b)).count();
    let Some(rest) = text[scheme_len..].strip_prefix(":/").filter(|_| scheme_len > 0) else { return Ok((None, text)) };
    let scheme = text[..scheme_len].to_ascii_lowercase();
    if !["rtsp", "rtspu", "rtsps"].contains(&scheme.as_str()) {
        return Err(UrlError::Scheme);
    }
    let Some(rest) = rest.strip_prefix('/') else { return Ok((None, rest)) };
    let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let host_port = authority.rsplit_once('@').map_or(authority, |(_, host_port)| host_port);
    // The colons of an IPv6 address are within brackets.
    let port = host_port.rsplit_once(':').map(|(_, port)| port).filter(|port| !port.contains(']'));
    // `host:` with nothing behind it is a host (RFC 3986 section 3.2.3).
    if port.is_some_and(|port| !port.is_empty() && parse_digits::<u16>(port).is_none_or(|port| port == 0)) {
        return Err(UrlError::Port);
    }
    let origin = (!host_port.is_empty()).then(|| format!("{scheme}://{host_port}"));
    Ok((origin, rest))
}

/// The components of a path, each as it was sent and decoded. Empty ones and `.` are left out.
fn decode_components(path: &str) -> Result<Vec<(&str, Vec<u8>)>, UrlError> {
    let mut components = Vec::new();
    for escaped in path.split('/') {
        let name: Vec<u8> = percent_decode_str(escaped).collect();
        match name.as_slice() {
            b"" | b"." => continue,
            b".." => return Err(UrlError::Parent),
            name if name.contains(&b'/') => return Err(UrlError::EscapedSlash),
            name if name.contains(&0) => return Err(UrlError::Nul),
            _ => components.push((escaped, name)),
        }
    }
    Ok(components)
}

fn parse_track(component: &[u8]) -> Option<u32> {
    parse_digits(std::str::from_utf8(component).ok()?.strip_prefix(TRACK_PREFIX)?)
}

/// Takes `/trackID=N` off the end of a query; what is before it may be nothing.
fn split_track(query: &str) -> Option<(Option<&str>, u32)> {
    let (before, last) = query.trim_end_matches('/').rsplit_once('/')?;
    let track = parse_track(last.as_bytes())?;
    Some(((!before.is_empty()).then_some(before), track))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn parts(text: &str) -> (Option<String>, String, Option<u32>, Option<String>) {
        let url = url(text);
        (url.origin, url.path.to_str().unwrap().to_owned(), url.track, url.query)
    }

    #[test]
    fn every_form_of_url_names_the_same_file() {
        for (text, origin) in [
            ("rtsp://192.168.1.10/day/cam1.mp4", Some("rtsp://192.168.1.10")),
            ("rtsp://192.168.1.10:8554/day/cam1.mp4/", Some("rtsp://192.168.1.10:8554")),
            ("RTSP://nas.local//day/./cam1.mp4//", Some("rtsp://nas.local")),
            ("rtspu://nas/day/cam1.mp4", Some("rtspu://nas")),
            ("rtsps://nas:322/day/cam1.mp4", Some("rtsps://nas:322")),
            ("rtsp://admin:p@ss:w@nas:554/day/cam1.mp4", Some("rtsp://nas:554")),
            ("rtsp://[fe80::1%25eth0]:8554/day/cam1.mp4", Some("rtsp://[fe80::1%25eth0]:8554")),
            ("rtsp://[::1]/day/cam1.mp4", Some("rtsp://[::1]")),
            ("rtsp://nas:/day/cam1.mp4", Some("rtsp://nas:")),
            ("rtsp:/day/cam1.mp4", None),
            ("rtsp:///day/cam1.mp4", None),
            ("/day/cam1.mp4", None),
            ("day/cam1.mp4", None),
            ("/day/c%61m1%2Emp4", None),
        ] {
            assert_eq!(parts(text), (origin.map(str::to_owned), "day/cam1.mp4".into(), None, None), "{text}");
        }
        assert_eq!(Target::parse("*"), Ok(Target::Server));
        for root in ["rtsp://nas", "rtsp://nas/", "rtsp://nas/./"] {
            assert_eq!(parts(root), (Some("rtsp://nas".into()), String::new(), None, None), "{root}");
        }
    }

    #[test]
    fn tracks_are_found_wherever_a_client_puts_them() {
        let file = "rtsp://h/file.mp4";
        for (text, track, query) in [
            (format!("{file}/trackID=0"), Some(0), None),
            (format!("{file}/trackID=12/"), Some(12), None),
            (format!("{file}//trackID%3D1"), Some(1), None),
            (format!("{file}/trackID=1?start=5"), Some(1), Some("start=5")), // ExoPlayer; also what we write
            (format!("{file}?start=5/trackID=0"), Some(0), Some("start=5")), // FFmpeg
            (format!("{file}/?start=5/trackID=0/"), Some(0), Some("start=5")),
            (format!("{file}?dir=/a/b/trackID=3"), Some(3), Some("dir=/a/b")),
            (format!("{file}?/trackID=3"), Some(3), None),
            (format!("{file}?dir=/a/"), None, Some("dir=/a/")),
            (format!("{file}?trackID=3"), None, Some("trackID=3")),
            (format!("{file}?"), None, Some("")),
        ] {
            let expected = (Some("rtsp://h".to_owned()), "file.mp4".to_owned(), track, query.map(str::to_owned));
            assert_eq!(parts(&text), expected, "{text}");
        }
        for name in ["trackID=", "trackID=-1", "trackID=+1", "trackID=x", "trackID=99999999999", "trackid=1", "track1"]
        {
            assert_eq!(parts(&format!("/file.mp4/{name}")).2, None, "{name}");
        }
    }

    #[test]
    fn nothing_leads_out_of_the_root() {
        for (text, error) in [
            ("rtsp://h/../etc/passwd", UrlError::Parent),
            ("rtsp://h/a/%2e%2e/etc/passwd", UrlError::Parent),
            ("rtsp://h/a/.%2E", UrlError::Parent),
            ("/..", UrlError::Parent),
            ("..", UrlError::Parent),
            ("rtsp://h/..%2f..%2fetc/passwd", UrlError::EscapedSlash),
            ("rtsp://h/%2Fetc/passwd", UrlError::EscapedSlash),
            ("rtsp://h/cam1.mp4%00.txt", UrlError::Nul),
            ("http://h/cam1.mp4", UrlError::Scheme),
            ("file:///etc/passwd", UrlError::Scheme),
            ("rtsp://h:0/a", UrlError::Port),
            ("rtsp://h:65536/a", UrlError::Port),
            ("rtsp://h:554x/a", UrlError::Port),
        ] {
            assert_eq!(Url::parse(text), Err(error), "{text}");
        }
        // An absolute path is one below the root; a second decoding, which would find `..`, never takes place.
        for (text, path) in [
            ("rtsp://h//etc/passwd", "etc/passwd"),
            ("/etc/passwd", "etc/passwd"),
            ("/%252e%252e/a", "%2e%2e/a"),
            ("/..\\..\\a", "..\\..\\a"),
            ("/.../..a", ".../..a"),
        ] {
            let url = url(text);
            assert_eq!(url.path.to_str(), Some(path), "{text}");
            assert!(url.path.is_relative(), "{text}");
        }
    }

    #[test]
    fn names_are_decoded_to_the_very_bytes() {
        for (text, name) in [
            ("/my%20file.mp4", &b"my file.mp4"[..]),
            ("/a+b&c=d#e.mp4", b"a+b&c=d#e.mp4"),
            ("/%D0%9A%D0%B0.mp4", "\u{41a}\u{430}.mp4".as_bytes()),
            ("/caf%E9.mp4", b"caf\xe9.mp4"),
            ("/is%3Fit.mp4", b"is?it.mp4"),
            // LIVE555 2025.09 read beyond an escape that the URL cuts off.
            ("/100%", b"100%"),
            ("/100%4", b"100%4"),
            ("/100%.mp4", b"100%.mp4"),
            ("/100%zz", b"100%zz"),
        ] {
            assert_eq!(url(text).path.as_os_str().as_bytes(), name, "{text}");
        }
        let sent = b"/caf\xe9 \xd0\x9a.mp4";
        assert_eq!(url(&escape_foreign_bytes(sent)).path.as_os_str().as_bytes(), &sent[1..]);
    }

    #[test]
    fn urls_we_hand_out_lead_back_to_the_same_track() {
        let local = "rtsp://10.0.0.1:8554";
        for (sent, base, track) in [
            ("rtsp://nas/day/cam1.mp4", "rtsp://nas/day/cam1.mp4", "rtsp://nas/day/cam1.mp4/trackID=1"),
            ("rtsp://u:p@nas:8554/a%20b.mp4/", "rtsp://nas:8554/a%20b.mp4", "rtsp://nas:8554/a%20b.mp4/trackID=1"),
            ("rtsp://nas/a,b;c.mp4?x=1;2", "rtsp://nas/a%2Cb%3Bc.mp4", "rtsp://nas/a%2Cb%3Bc.mp4/trackID=1?x=1%3B2"),
            ("/cam1.mp4/trackID=0?q", "rtsp://10.0.0.1:8554/cam1.mp4", "rtsp://10.0.0.1:8554/cam1.mp4/trackID=1?q"),
            ("rtsp://nas/cam1.mp4?q/trackID=0", "rtsp://nas/cam1.mp4", "rtsp://nas/cam1.mp4/trackID=1?q"),
            ("rtsp://nas/", "rtsp://nas", "rtsp://nas/trackID=1"),
        ] {
            let sent_url = url(sent);
            assert_eq!(sent_url.base(local), base, "{sent}");
            assert_eq!(sent_url.content_base(local), format!("{base}/"), "{sent}");
            assert_eq!(sent_url.track_url(local, 1), track, "{sent}");
            let back = url(track);
            assert_eq!((back.path, back.track), (sent_url.path, Some(1)), "{sent}");
        }
    }

    #[test]
    fn the_url_of_a_recording_leads_back_to_its_path() {
        for (path, expected) in [
            ("yard/a.mp4", "rtsp://10.0.0.1/yard/a.mp4"),
            ("my file, 100%;?#.mp4", "rtsp://10.0.0.1/my%20file%2C%20100%25%3B%3F%23.mp4"),
            ("gr\u{f6}\u{df}e.mkv", "rtsp://10.0.0.1/gr%C3%B6%C3%9Fe.mkv"),
        ] {
            let url = recording_url("rtsp://10.0.0.1", Path::new(path));
            assert_eq!(url, expected);
            assert_eq!(Url::parse(&url).unwrap().path, Path::new(path));
        }
    }
}
