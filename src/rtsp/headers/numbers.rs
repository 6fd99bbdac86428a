//! The headers that are a single number: CSeq (RFC 2326 section 12.17), Scale (12.34), Speed (12.35),
//! Blocksize (12.7) and Bandwidth (12.6).

use std::fmt;
use std::str::FromStr;

use super::{HeaderError, parse_digits};

macro_rules! whole_number {
    ($(#[$doc:meta])* $name:ident, $header:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name(pub u32);

        impl FromStr for $name {
            type Err = HeaderError;

            fn from_str(text: &str) -> Result<Self, HeaderError> {
                parse_digits(text.trim()).map(Self).ok_or_else(|| HeaderError::new($header, text))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

whole_number! {
    /// Number of a request, repeated in its answer.
    CSeq, "CSeq"
}
whole_number! {
    /// The largest media packet the client wants, in bytes, without the headers of IP and UDP.
    Blocksize, "Blocksize"
}
whole_number! {
    /// What the client's line carries, in bits a second.
    Bandwidth, "Bandwidth"
}

macro_rules! factor {
    ($(#[$doc:meta])* $name:ident, $header:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
        pub struct $name(pub f64);

        impl FromStr for $name {
            type Err = HeaderError;

            fn from_str(text: &str) -> Result<Self, HeaderError> {
                parse_decimal(text.trim()).filter($valid).map(Self).ok_or_else(|| HeaderError::new($header, text))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_decimal(self.0, f)
            }
        }
    };
}

factor! {
    /// How fast the recording passes: 2 is double, negative is backwards. Never 0.
    Scale, "Scale", |&scale| scale != 0.0
}
factor! {
    /// How fast the data are delivered, with every sample kept. Always above 0.
    Speed, "Speed", |&speed| speed > 0.0
}

/// Beyond this a factor is no factor. It also keeps what is echoed short.
const FACTOR_MAX: f64 = 1_000_000.0;

/// As every server writes it, with a point: `2.0`.
fn write_decimal(value: f64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if value.fract() == 0.0 { write!(f, "{value:.1}") } else { write!(f, "{value}") }
}

/// `[-] 1*DIGIT [ . *DIGIT ]`. The parser of the standard library also takes `inf`, `nan` and `1e9`.
fn parse_decimal(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !unsigned.starts_with(|c: char| c.is_ascii_digit()) || !unsigned.bytes().all(|b| b.is_ascii_digit() || b == b'.')
    {
        return None;
    }
    text.parse().ok().filter(|value: &f64| value.abs() <= FACTOR_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cseq_is_digits_and_fits_32_bits() {
        for (text, expected) in [
            ("1", Some(1)),
            (" 42 ", Some(42)),
            ("0", Some(0)),
            ("007", Some(7)),
            ("4294967295", Some(u32::MAX)),
            ("4294967296", None),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("1 2", None),
            ("0x10", None),
            ("3\u{0}", None),
        ] {
            assert_eq!(text.parse::<CSeq>().ok(), expected.map(CSeq), "{text:?}");
        }
    }

    #[test]
    fn scale_takes_any_sign_but_no_zero_and_no_words() {
        for (text, expected) in [
            ("1", Some(1.0)),
            ("2.0", Some(2.0)),
            ("-1.000000", Some(-1.0)), // GStreamer, backwards
            ("0.5", Some(0.5)),
            ("4.", Some(4.0)),
            ("0", None),
            ("-0.0", None),
            ("inf", None),
            ("NaN", None),
            ("1e3", None),
            ("1.2.3", None),
            (".5", None),
            ("", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(text.parse::<Scale>().ok(), expected.map(Scale), "{text:?}");
        }
    }

    #[test]
    fn speed_is_positive() {
        assert_eq!("1.500000".parse::<Speed>(), Ok(Speed(1.5)));
        for text in ["0", "0.0", "-1", "fast"] {
            assert!(text.parse::<Speed>().is_err(), "{text}");
        }
    }

    #[test]
    fn factors_are_written_without_exponent_or_padding() {
        for (scale, expected) in
            [(1.0, "1.0"), (-2.0, "-2.0"), (0.5, "0.5"), (1.25, "1.25"), (1_000_000.0, "1000000.0")]
        {
            assert_eq!(Scale(scale).to_string(), expected);
        }
    }
}
