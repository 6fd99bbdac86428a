//! Who a client says it is: Digest (RFC 7616, and RFC 2069 for the clients that know no `qop`) and Basic (RFC 7617),
//! challenges out and credentials in.
//!
//! Which users there are, what a nonce is worth and what follows from a wrong password is `server::access`'s business.

use std::fmt::{self, Write as _};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use percent_encoding::percent_decode_str;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::headers::{HeaderError, split_unquoted, unquote};

/// A hash function of Digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// What every client has.
    Md5,
    /// What hardly any RTSP client has (RFC 7616 section 3.3).
    Sha256,
}

impl Algorithm {
    /// The name as headers have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::Md5, Self::Sha256].into_iter().find(|known| known.name().eq_ignore_ascii_case(name))
    }

    /// Length of a hash in hexadecimal.
    const fn hex_len(self) -> usize {
        match self {
            Self::Md5 => 32,
            Self::Sha256 => 64,
        }
    }

    /// The hash of `parts` with colons between them, in hexadecimal.
    fn hash(self, parts: &[&[u8]]) -> String {
        let joined = parts.join(&b':');
        match self {
            Self::Md5 => hex(&Md5::digest(joined)),
            Self::Sha256 => hex(&Sha256::digest(joined)),
        }
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// `H(user:realm:password)` (RFC 7616 section 3.4.2): as good as the password, but only for this realm.
#[derive(Clone)]
pub struct Ha1 {
    algorithm: Algorithm,
    hex: String,
}

impl Ha1 {
    /// That of a password.
    pub fn new(algorithm: Algorithm, user: &str, realm: &str, password: &[u8]) -> Self {
        Self { algorithm, hex: algorithm.hash(&[user.as_bytes(), realm.as_bytes(), password]) }
    }

    /// Reads one that was stored; `None` when it is not hexadecimal or has the wrong length.
    pub fn parse(algorithm: Algorithm, text: &str) -> Option<Self> {
        let is_good = text.len() == algorithm.hex_len() && text.bytes().all(|b| b.is_ascii_hexdigit());
        is_good.then(|| Self { algorithm, hex: text.to_ascii_lowercase() })
    }

    /// The function it was made with.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// As it is stored.
    pub fn as_hex(&self) -> &str {
        &self.hex
    }
}

/// In constant time: these are secrets.
impl PartialEq for Ha1 {
    fn eq(&self, other: &Self) -> bool {
        self.algorithm == other.algorithm && same(&self.hex, &other.hex)
    }
}

/// Says nothing of the secret.
impl fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ha1({})", self.algorithm.name())
    }
}

/// Whether two texts are the same, in a time that tells nothing but their lengths.
fn same(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

/// What WWW-Authenticate asks for; one header each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Challenge<'a> {
    /// Name and password, readable by all who listen.
    Basic {
        /// What the password is for.
        realm: &'a str,
    },
    /// Proof of the password.
    Digest {
        /// What the password is for.
        realm: &'a str,
        /// To be hashed with it.
        nonce: &'a str,
        /// How.
        algorithm: Algorithm,
        /// The proof was right, only its nonce was not good any more: no need to ask the user.
        stale: bool,
    },
}

/// The order of the parameters is not free. ExoPlayer wants `Digest realm="…", nonce="…"` first. LIVE555, in VLC, sees
/// `stale` only right behind the nonce, without quotes. The algorithm is left out where it is MD5, the default: so
/// LIVE555's own server has it, which all clients were tried with.
impl fmt::Display for Challenge<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Basic { realm } => write!(f, "Basic realm=\"{realm}\""),
            Self::Digest { realm, nonce, algorithm, stale } => {
                write!(f, "Digest realm=\"{realm}\", nonce=\"{nonce}\"")?;
                if stale {
                    f.write_str(", stale=true")?;
                }
                if algorithm != Algorithm::Md5 {
                    write!(f, ", algorithm={}", algorithm.name())?;
                }
                f.write_str(", qop=\"auth\"")
            }
        }
    }
}

/// Credentials: the value of Authorization.
#[derive(Debug, Clone, PartialEq)]
pub enum Authorization {
    /// RFC 7617.
    Basic(Basic),
    /// RFC 7616 or RFC 2069.
    Digest(Digest),
    /// A scheme, algorithm or quality of protection that we never ask for.
    Other,
}

/// A name and a password.
#[derive(Clone, PartialEq)]
pub struct Basic {
    /// Who.
    pub user: String,
    /// The password, in whatever encoding.
    pub password: Vec<u8>,
}

/// Says nothing of the password.
impl fmt::Debug for Basic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Basic({:?})", self.user)
    }
}

/// Proof of a password.
#[derive(Debug, Clone, PartialEq)]
pub struct Digest {
    /// Who.
    pub user: String,
    /// What the password is for.
    pub realm: String,
    /// The nonce that was hashed.
    pub nonce: String,
    /// The URL that was hashed. It need not be that of the request to the letter.
    pub uri: String,
    /// What was hashed with.
    pub algorithm: Algorithm,
    /// `None`: as RFC 2069 has it, which VLC, GStreamer and ExoPlayer follow.
    pub count: Option<Count>,
    response: String,
}

/// What `qop=auth` adds (RFC 7616 section 3.4).
#[derive(Debug, Clone, PartialEq)]
pub struct Count {
    /// How many requests with this nonce there were, this one included.
    pub nc: u32,
    nc_text: String,
    cnonce: String,
}

impl Authorization {
    /// Reads the value of the header.
    ///
    /// # Errors
    /// When Digest lacks a parameter or has one twice, or Basic is not base64 of a name, a colon and a password.
    pub fn parse(value: &str) -> Result<Self, HeaderError> {
        let (scheme, rest) = value.split_once([' ', '\t']).unwrap_or((value, ""));
        // What is wrong goes to the log, so none of the value does.
        let malformed = |what: &str| HeaderError::new("Authorization", what);
        if scheme.eq_ignore_ascii_case("Basic") {
            parse_basic(rest.trim()).map(Self::Basic).ok_or_else(|| malformed("Basic"))
        } else if scheme.eq_ignore_ascii_case("Digest") {
            Parameters::parse(rest).and_then(Parameters::into_authorization).map_err(|what| malformed(&what))
        } else {
            Ok(Self::Other)
        }
    }
}

fn parse_basic(encoded: &str) -> Option<Basic> {
    let decoded = STANDARD.decode(encoded).ok()?;
    let colon = decoded.iter().position(|&b| b == b':')?;
    let user = String::from_utf8_lossy(&decoded[..colon]).into_owned();
    Some(Basic { user, password: decoded[colon + 1..].to_vec() })
}

/// The parameters of Digest that mean something to us.
#[derive(Default)]
struct Parameters<'a> {
    username: Option<&'a str>,
    username_extended: Option<&'a str>,
    realm: Option<&'a str>,
    nonce: Option<&'a str>,
    uri: Option<&'a str>,
    response: Option<&'a str>,
    algorithm: Option<&'a str>,
    qop: Option<&'a str>,
    nc: Option<&'a str>,
    cnonce: Option<&'a str>,
}

impl<'a> Parameters<'a> {
    fn parse(text: &'a str) -> Result<Self, String> {
        let mut parameters = Self::default();
        for piece in split_unquoted(text, ',') {
            let (name, value) = piece.split_once('=').ok_or("a parameter without a value")?;
            let name = name.trim().to_ascii_lowercase();
            let slot = match name.as_str() {
                "username" => &mut parameters.username,
                "username*" => &mut parameters.username_extended,
                "realm" => &mut parameters.realm,
                "nonce" => &mut parameters.nonce,
                "uri" => &mut parameters.uri,
                "response" => &mut parameters.response,
                "algorithm" => &mut parameters.algorithm,
                "qop" => &mut parameters.qop,
                "nc" => &mut parameters.nc,
                "cnonce" => &mut parameters.cnonce,
                _ => continue,
            };
            if slot.replace(unquote(value.trim())).is_some() {
                return Err(format!("Digest with {name} twice"));
            }
        }
        Ok(parameters)
    }

    fn into_authorization(self) -> Result<Authorization, String> {
        let needed = |value: Option<&str>, name| value.map(str::to_owned).ok_or(format!("Digest without {name}"));
        let count = match self.qop {
            None => None,
            Some(qop) if qop.eq_ignore_ascii_case("auth") => {
                let nc_text = needed(self.nc, "nc")?;
                let is_hex = (1..=8).contains(&nc_text.len()) && nc_text.bytes().all(|b| b.is_ascii_hexdigit());
                let nc = is_hex.then(|| u32::from_str_radix(&nc_text, 16).ok()).flatten();
                Some(Count {
                    nc: nc.ok_or("Digest with a malformed nc")?,
                    nc_text,
                    cnonce: needed(self.cnonce, "cnonce")?,
                })
            }
            Some(_) => return Ok(Authorization::Other),
        };
        let Some(algorithm) = self.algorithm.map_or(Some(Algorithm::Md5), Algorithm::parse) else {
            return Ok(Authorization::Other);
        };
        let user = match (self.username, self.username_extended) {
            (Some(user), None) => user.to_owned(),
            (None, Some(extended)) => decode_extended(extended).ok_or("Digest with a malformed username*")?,
            (None, None) => return Err("Digest without username".to_owned()),
            (Some(_), Some(_)) => return Err("Digest with username and username*".to_owned()),
        };
        Ok(Authorization::Digest(Digest {
            user,
            realm: needed(self.realm, "realm")?,
            nonce: needed(self.nonce, "nonce")?,
            uri: needed(self.uri, "uri")?,
            algorithm,
            count,
            response: needed(self.response, "response")?.to_ascii_lowercase(),
        }))
    }
}

/// `UTF-8''J%C3%A4s%C3%B8n` (RFC 8187 section 3.2).
fn decode_extended(value: &str) -> Option<String> {
    let (charset, rest) = value.split_once('\'')?;
    let (_language, encoded) = rest.split_once('\'')?;
    let is_utf8 = charset.eq_ignore_ascii_case("UTF-8");
    is_utf8.then(|| percent_decode_str(encoded).decode_utf8().ok().map(|text| text.into_owned())).flatten()
}

impl Digest {
    /// Whether it proves knowledge of the password behind `ha1`, for a request of this method. What that is worth
    /// depends on the nonce and the URL. Takes the same time whether right or wrong.
    pub fn is_proof_of(&self, ha1: &Ha1, method: &str) -> bool {
        let ha2 = self.algorithm.hash(&[method.as_bytes(), self.uri.as_bytes()]);
        let (ha1_hex, nonce, ha2) = (ha1.hex.as_bytes(), self.nonce.as_bytes(), ha2.as_bytes());
        let expected = match &self.count {
            None => self.algorithm.hash(&[ha1_hex, nonce, ha2]),
            Some(Count { nc_text, cnonce, .. }) => {
                self.algorithm.hash(&[ha1_hex, nonce, nc_text.as_bytes(), cnonce.as_bytes(), b"auth", ha2])
            }
        };
        ha1.algorithm == self.algorithm && same(&expected, &self.response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn digest(value: &str) -> Digest {
        match Authorization::parse(value) {
            Ok(Authorization::Digest(digest)) => digest,
            other => panic!("{value}: {other:?}"),
        }
    }

    /// The examples of the RFCs: what they are from, user, realm, password, method, and the header.
    const VECTORS: &[(&str, &str, &str, &str)] = &[
        (
            "RFC 2069 section 2.4, with the response of its erratum 749",
            "testrealm@host.com",
            "CircleOfLife",
            "Digest username=\"Mufasa\", realm=\"testrealm@host.com\", \
             nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", uri=\"/dir/index.html\", \
             response=\"1949323746fe6a43ef61f9606e7febea\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"",
        ),
        (
            "RFC 2617 section 3.5",
            "testrealm@host.com",
            "Circle Of Life",
            "Digest username=\"Mufasa\", realm=\"testrealm@host.com\", \
             nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", uri=\"/dir/index.html\", qop=auth, nc=00000001, \
             cnonce=\"0a4f113b\", response=\"6629fae49393a05397450978507c4ef1\", \
             opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"",
        ),
        (
            "RFC 7616 section 3.9.1, MD5",
            "http-auth@example.org",
            "Circle of Life",
            "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", uri=\"/dir/index.html\", algorithm=MD5, \
             nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", nc=00000001, \
             cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, \
             response=\"8ca523f5e9506fed4657c9700eebdbec\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"",
        ),
        (
            "RFC 7616 section 3.9.1, SHA-256",
            "http-auth@example.org",
            "Circle of Life",
            "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", uri=\"/dir/index.html\", algorithm=SHA-256, \
             nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", nc=00000001, \
             cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, \
             response=\"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1\", \
             opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"",
        ),
    ];

    #[test]
    fn the_examples_of_the_rfcs_are_proofs_and_nothing_near_them_is() {
        for (source, realm, password, header) in VECTORS {
            let proof = digest(header);
            let ha1 = |password: &str| Ha1::new(proof.algorithm, "Mufasa", realm, password.as_bytes());
            assert!(proof.is_proof_of(&ha1(password), "GET"), "{source}");
            assert!(!proof.is_proof_of(&ha1(password), "POST"), "{source}: another method");
            assert!(!proof.is_proof_of(&ha1(&password.to_lowercase()), "GET"), "{source}: another password");
            let changes: [fn(&mut Digest); 4] = [
                |proof| proof.uri.push('/'),
                |proof| proof.nonce.push('0'),
                |proof| proof.response.truncate(8),
                |proof| proof.response.clear(),
            ];
            for (number, change) in changes.iter().enumerate() {
                let mut proof = proof.clone();
                change(&mut proof);
                assert!(!proof.is_proof_of(&ha1(password), "GET"), "{source}: change {number}");
            }
            if let Some(count) = &proof.count {
                assert_eq!(count.nc, 1, "{source}");
            }
        }
    }

    #[test]
    fn a_proof_with_qop_is_none_without_and_one_of_an_algorithm_none_of_another() {
        let (_, realm, password, header) = VECTORS[2];
        let proof = digest(header);
        let md5 = Ha1::new(Algorithm::Md5, "Mufasa", realm, password.as_bytes());
        assert!(!Digest { count: None, ..proof.clone() }.is_proof_of(&md5, "GET"));
        assert!(!Digest { algorithm: Algorithm::Sha256, ..proof }.is_proof_of(&md5, "GET"));
    }

    #[test]
    fn what_clients_write_is_read() {
        // VLC 3 (LIVE555), FFmpeg 5.1, GStreamer 1.22, and one that shouts.
        for (value, uri, nc) in [
            (
                "Digest username=\"u\", realm=\"camreel\", nonce=\"ab\", uri=\"rtsp://h/a.mp4/\", response=\"00\"",
                "rtsp://h/a.mp4/",
                None,
            ),
            (
                "Digest username=\"u\", realm=\"camreel\", nonce=\"ab\", uri=\"rtsp://h:8554/a,b.mp4\", \
                 response=\"00\", qop=\"auth\", cnonce=\"cd\", nc=0000001f",
                "rtsp://h:8554/a,b.mp4",
                Some(0x1f),
            ),
            (
                "Digest username=\"u\", realm=\"camreel\", nonce=\"ab\", uri=\"/a.mp4\", response=\"00\", \
                 algorithm=\"MD5\"",
                "/a.mp4",
                None,
            ),
            ("DIGEST\tUserName=u,REALM=camreel,NONCE=ab,URI=/a.mp4,Response=00,Opaque=,,x=y", "/a.mp4", None),
            ("Digest username*=UTF-8''%75, realm=camreel, nonce=ab, uri=/a.mp4, response=00", "/a.mp4", None),
        ] {
            let read = digest(value);
            let fields = [&*read.user, &*read.realm, &*read.nonce, &*read.uri, &*read.response];
            assert_eq!(fields, ["u", "camreel", "ab", uri, "00"], "{value}");
            assert_eq!(read.count.map(|count| count.nc), nc, "{value}");
        }
        let basic = Authorization::parse("basic  QWxhZGRpbjpvcGVuOnNlc2FtZQ== ");
        let expected = Basic { user: "Aladdin".to_owned(), password: b"open:sesame".to_vec() };
        assert_eq!(basic, Ok(Authorization::Basic(expected)));
    }

    #[test]
    fn credentials_we_never_asked_for_are_something_else_and_damaged_ones_are_errors() {
        for other in [
            "Bearer abc",
            "",
            "Digest username=u, realm=r, nonce=n, uri=/, response=0, algorithm=MD5-sess",
            "Digest username=u, realm=r, nonce=n, uri=/, response=0, qop=auth-int, nc=1, cnonce=2",
        ] {
            assert_eq!(Authorization::parse(other), Ok(Authorization::Other), "{other}");
        }
        for (damaged, what) in [
            // CVE-2019-9215 of LIVE555: read beyond a header like these.
            ("Digest", "without username"),
            ("Digest username", "without a value"),
            ("Digest username=\"u", "without realm"),
            ("Digest username=u, realm=r, nonce=n, uri=/", "without response"),
            // CVE-2019-7732 of LIVE555: leaked each repeated field.
            ("Digest username=u, username=u, realm=r, nonce=n, uri=/, response=0", "username twice"),
            ("Digest username=u, realm=r, nonce=n, uri=/, response=0, response=1", "response twice"),
            ("Digest username=u, realm=r, nonce=n, uri=/, response=0, qop=auth, cnonce=1", "without nc"),
            ("Digest username=u, realm=r, nonce=n, uri=/, response=0, qop=auth, nc=1", "without cnonce"),
            ("Digest username=u, realm=r, nonce=n, uri=/, response=0, qop=auth, nc=+1, cnonce=1", "malformed nc"),
            (
                "Digest username=u, realm=r, nonce=n, uri=/, response=0, qop=auth, nc=123456789, cnonce=1",
                "malformed nc",
            ),
            ("Digest username*=latin1''u, realm=r, nonce=n, uri=/, response=0", "malformed username*"),
            ("Basic QWxhZGRpbg==", "Basic"),
            ("Basic !", "Basic"),
        ] {
            let error = Authorization::parse(damaged).expect_err(damaged).to_string();
            assert!(error.contains(what), "{damaged}: {error}");
        }
    }

    #[test]
    fn challenges_have_the_order_that_clients_parse() {
        let digest = |algorithm, stale| Challenge::Digest { realm: "camreel", nonce: "ab12", algorithm, stale };
        for (challenge, text) in [
            (digest(Algorithm::Md5, false), "Digest realm=\"camreel\", nonce=\"ab12\", qop=\"auth\""),
            (digest(Algorithm::Md5, true), "Digest realm=\"camreel\", nonce=\"ab12\", stale=true, qop=\"auth\""),
            (
                digest(Algorithm::Sha256, true),
                "Digest realm=\"camreel\", nonce=\"ab12\", stale=true, algorithm=SHA-256, qop=\"auth\"",
            ),
            (Challenge::Basic { realm: "camreel" }, "Basic realm=\"camreel\""),
        ] {
            assert_eq!(challenge.to_string(), text);
        }
    }

    #[test]
    fn secrets_do_not_show_in_debug_output() {
        let ha1 = Ha1::new(Algorithm::Md5, "u", "r", b"secret");
        let basic = Authorization::parse(&format!("Basic {}", STANDARD.encode("u:secret"))).unwrap();
        for text in [format!("{ha1:?}"), format!("{basic:?}")] {
            assert!(!text.contains("secret") && !text.contains(ha1.as_hex()), "{text}");
        }
        assert_eq!(Ha1::parse(Algorithm::Md5, &ha1.as_hex().to_uppercase()), Some(ha1));
        assert_eq!(Ha1::parse(Algorithm::Sha256, &"0".repeat(32)), None);
        assert_eq!(Ha1::parse(Algorithm::Md5, &"g".repeat(32)), None);
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(value in "(Digest|Basic) [a-z*]{0,8}(=[\"a-zA-Z0-9', =+/\\\\%]{0,40})?(, ?(uri|nc|qop|nonce)=[ -~é]{0,20}){0,4}") {
            let _ = Authorization::parse(&value);
        }
    }
}
