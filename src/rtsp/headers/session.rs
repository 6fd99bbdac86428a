//! Session (RFC 2326 section 12.37): the identifier, and how long it may stay silent.

use std::fmt;
use std::str::FromStr;

use super::{HeaderError, parse_digits, split_unquoted};

/// A session identifier, in an answer to SETUP with its timeout.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Session {
    /// The identifier, opaque and compared as it is.
    pub id: String,
    /// After how many seconds of silence the server may drop the session. `None`: not said, which means 60.
    pub timeout: Option<u32>,
}

impl FromStr for Session {
    type Err = HeaderError;

    /// Clients are to send the identifier alone. Larix echoes `;timeout=60` with it.
    fn from_str(text: &str) -> Result<Self, HeaderError> {
        let error = || HeaderError::new("Session", text);
        let (id, parameters) = text.split_once(';').unwrap_or((text, ""));
        let id = id.trim();
        if id.is_empty() || id.contains(char::is_whitespace) {
            return Err(error());
        }
        let timeout = split_unquoted(parameters, ';')
            .filter_map(|parameter| parameter.split_once('='))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case("timeout"))
            .and_then(|(_, seconds)| parse_digits(seconds.trim()));
        Ok(Self { id: id.to_owned(), timeout })
    }
}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)?;
        match self.timeout {
            Some(seconds) => write!(f, ";timeout={seconds}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echoed_timeout_is_taken_off_the_identifier() {
        for (text, id, timeout) in [
            ("A1B2C3D4", "A1B2C3D4", None),
            ("A1B2C3D4;timeout=60", "A1B2C3D4", Some(60)),
            (" a1b2-c3 ; Timeout = 65 ", "a1b2-c3", Some(65)),
            ("A1B2;timeout=soon", "A1B2", None),
            ("A1B2;", "A1B2", None),
        ] {
            assert_eq!(text.parse(), Ok(Session { id: id.to_owned(), timeout }), "{text}");
        }
    }

    #[test]
    fn no_identifier_is_an_error() {
        for text in ["", ";timeout=60", "A1 B2"] {
            assert!(text.parse::<Session>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_answer_to_setup_carries_the_timeout() {
        assert_eq!(Session { id: "A1B2".into(), timeout: Some(65) }.to_string(), "A1B2;timeout=65");
        assert_eq!(Session { id: "A1B2".into(), timeout: None }.to_string(), "A1B2");
    }
}
