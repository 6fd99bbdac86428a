//! The headers of a message, and the ones that mean something to us, each in a file of its own with its clause.
//!
//! A header that is a value of its own has a type with `FromStr` (what a client sends) and `Display` (what we write).
//! Those that are a number or a list of words are in [`numbers`] and [`lists`]. Authorization is in [`super::auth`].

pub mod date;
pub mod lists;
pub mod numbers;
pub mod range;
pub mod rtp_info;
pub mod session;
pub mod transport;

use std::borrow::Cow;

pub use date::Date;
pub use numbers::{Bandwidth, Blocksize, CSeq, Scale, Speed};
pub use range::{NptTime, Range, RangeError};
pub use rtp_info::{RtpInfo, RtpInfoStream};
pub use session::Session;
pub use transport::{Interleaved, Mode, PortPair, Protocol, TransportSpec};

/// Header fields in the order they came or are to be written. Names compare without regard to case
/// (RFC 2326 section 4.2, by way of RFC 2068).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers {
    fields: Vec<(Cow<'static, str>, String)>,
}

impl Headers {
    /// The value of the first field of that name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.get_all(name).next()
    }

    /// The values of all fields of that name, in order.
    pub fn get_all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.fields.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// A header that is a list: repeated fields are one list, in order (RFC 2068 section 4.2).
    pub fn list(&self, name: &str) -> Option<String> {
        let values: Vec<&str> = self.get_all(name).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// Adds a field at the end.
    pub fn push(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) {
        self.fields.push((name.into(), value.into()));
    }

    /// All fields, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(name, value)| (name.as_ref(), value.as_str()))
    }

    /// How many fields there are; a repeated name counts each time.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Goes on with the last value: what a folded line says (RFC 2068 section 2.2, LWS).
    pub(super) fn fold(&mut self, rest: &str) {
        if let Some((_, value)) = self.fields.last_mut() {
            if !value.is_empty() && !rest.is_empty() {
                value.push(' ');
            }
            value.push_str(rest);
        }
    }
}

/// A header value that is not what its clause says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed {header}: {value:?}")]
pub struct HeaderError {
    /// The name of the header.
    pub header: &'static str,
    /// The start of its value, for the log.
    pub value: String,
}

impl HeaderError {
    /// How much of a value goes to the log, in characters.
    const VALUE_LEN_MAX: usize = 100;

    pub(super) fn new(header: &'static str, value: &str) -> Self {
        Self { header, value: value.chars().take(Self::VALUE_LEN_MAX).collect() }
    }
}

/// Splits at `separator`, but not within double quotes. Pieces come trimmed, empty ones not at all.
pub(super) fn split_unquoted(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |c| {
        quoted ^= c == '"';
        c == separator && !quoted
    })
    .map(str::trim)
    .filter(|piece| !piece.is_empty())
}

/// Takes the double quotes off a value that has them.
pub(super) fn unquote(text: &str) -> &str {
    text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text)
}

/// Digits and nothing but digits: the number parsers of the standard library take a sign as well.
pub(super) fn parse_digits<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_compare_without_case_and_repeated_fields_are_one_list() {
        let mut headers = Headers::default();
        headers.push("Require", "onvif-replay");
        headers.push("cseq", "7");
        headers.push("REQUIRE", "implicit-play");
        assert_eq!(headers.get("CSeq"), Some("7"));
        assert_eq!(headers.get("require"), Some("onvif-replay"));
        assert_eq!(headers.list("Require").as_deref(), Some("onvif-replay, implicit-play"));
        assert_eq!(headers.list("Proxy-Require"), None);
        let order: Vec<_> = headers.iter().map(|(name, _)| name).collect();
        assert_eq!(order, ["Require", "cseq", "REQUIRE"]);
    }

    #[test]
    fn lists_are_not_split_within_quotes() {
        let pieces: Vec<_> = split_unquoted("a;mode=\"PLAY,RECORD\" , b,, c=\"x", ',').collect();
        assert_eq!(pieces, ["a;mode=\"PLAY,RECORD\"", "b", "c=\"x"]);
    }
}
