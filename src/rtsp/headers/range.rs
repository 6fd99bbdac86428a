//! Range (RFC 2326 section 12.29): which part of a recording PLAY is about, in normal play time (3.6), SMPTE time
//! codes (3.5) or absolute time (3.7).

use std::fmt;
use std::str::FromStr;

use super::{parse_digits, split_unquoted};
use crate::time::MediaTime;

/// A range of time. A `;time=` behind it, which says when to begin the operation, is ignored: no client sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Range {
    /// `npt=`: time from the start of the recording.
    Npt {
        /// `None` when only an end is named (`-20`): from where it stands.
        start: Option<NptTime>,
        /// `None`: to the end of the recording.
        end: Option<MediaTime>,
    },
    /// `smpte=` and its kin: time codes, uninterpreted.
    Smpte {
        /// The unit: `smpte`, `smpte-30-drop` or `smpte-25`.
        unit: String,
        /// Never empty.
        start: String,
        /// `None`: to the end.
        end: Option<String>,
    },
    /// `clock=`: UTC such as `20231108T142300.25Z`, uninterpreted.
    Clock {
        /// Never empty.
        start: String,
        /// `None`: to the end.
        end: Option<String>,
    },
}

/// Where a range of normal play time begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NptTime {
    /// `now`: the live point, or where it stands.
    Now,
    /// So far from the start.
    At(MediaTime),
}

/// A Range that cannot be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// It is no range of the unit it names.
    #[error("malformed Range")]
    Malformed,
    /// Its unit is none of RFC 2326, which asks for 501 then.
    #[error("unknown unit in Range")]
    UnknownUnit,
}

impl Range {
    /// From `start` to `end`, as an answer to PLAY says it.
    pub fn npt(start: MediaTime, end: Option<MediaTime>) -> Self {
        Self::Npt { start: Some(NptTime::At(start)), end }
    }

    /// Whether it names its later end first, in normal play time: right for a negative Scale, wrong otherwise.
    pub fn is_reversed(&self) -> bool {
        matches!(self, Self::Npt { start: Some(NptTime::At(start)), end: Some(end) } if start > end)
    }
}

impl FromStr for Range {
    type Err = RangeError;

    /// Of a list of ranges, which the grammar allows and nobody sends, the first counts.
    fn from_str(text: &str) -> Result<Self, RangeError> {
        let range = split_unquoted(text, ',').next().ok_or(RangeError::Malformed)?;
        let range = range.split(';').next().unwrap_or_default();
        let (unit, span) = range.split_once('=').ok_or(RangeError::Malformed)?;
        let unit = unit.trim().to_ascii_lowercase();
        let (start, end) = span.split_once('-').ok_or(RangeError::Malformed)?;
        let (start, end) = (start.trim(), end.trim());
        match unit.as_str() {
            "npt" => parse_npt_range(start, end),
            "clock" => {
                let (start, end) = opaque(start, end)?;
                Ok(Self::Clock { start, end })
            }
            "smpte" | "smpte-30-drop" | "smpte-25" => {
                let (start, end) = opaque(start, end)?;
                Ok(Self::Smpte { unit, start, end })
            }
            _ => Err(RangeError::UnknownUnit),
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Npt { start, end } => {
                f.write_str("npt=")?;
                match start {
                    Some(NptTime::At(start)) => write!(f, "{start}")?,
                    Some(NptTime::Now) => f.write_str("now")?,
                    None => {}
                }
                f.write_str("-")?;
                end.map_or(Ok(()), |end| write!(f, "{end}"))
            }
            Self::Smpte { unit, start, end } => write!(f, "{unit}={start}-{}", end.as_deref().unwrap_or_default()),
            Self::Clock { start, end } => write!(f, "clock={start}-{}", end.as_deref().unwrap_or_default()),
        }
    }
}

fn opaque(start: &str, end: &str) -> Result<(String, Option<String>), RangeError> {
    if start.is_empty() {
        return Err(RangeError::Malformed);
    }
    Ok((start.to_owned(), (!end.is_empty()).then(|| end.to_owned())))
}

fn parse_npt_range(start: &str, end: &str) -> Result<Range, RangeError> {
    let start = match start {
        "" => None,
        now if now.eq_ignore_ascii_case("now") => Some(NptTime::Now),
        time => Some(NptTime::At(parse_npt_time(time).ok_or(RangeError::Malformed)?)),
    };
    let end = match end {
        "" => None,
        time => Some(parse_npt_time(time).ok_or(RangeError::Malformed)?),
    };
    if start.is_none() && end.is_none() {
        return Err(RangeError::Malformed);
    }
    Ok(Range::Npt { start, end })
}

/// `12.5`, or hours, minutes and seconds as `1:02:03.4`. What is later than any recording saturates.
fn parse_npt_time(text: &str) -> Option<MediaTime> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let nanos = parse_fraction(fraction)?;
    let seconds = match whole.split_once(':') {
        None => parse_saturating(whole)?,
        Some((hours, rest)) => {
            let (minutes, seconds) = rest.split_once(':')?;
            let sixty = |text: &str| parse_digits::<i64>(text).filter(|&value| value < 60);
            let (minutes, seconds) = (sixty(minutes)?, sixty(seconds)?);
            parse_saturating(hours)?.saturating_mul(3600).saturating_add(minutes * 60 + seconds)
        }
    };
    Some(MediaTime::from_nanos(seconds.saturating_mul(1_000_000_000).saturating_add(nanos)))
}

/// Digits as a number of seconds or hours; `None` without any, the largest number with too many.
fn parse_saturating(text: &str) -> Option<i64> {
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(i64::MAX))
}

/// The digits behind the point, in nanoseconds; any beyond the ninth are dropped.
fn parse_fraction(text: &str) -> Option<i64> {
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let digits = text.bytes().chain(std::iter::repeat(b'0')).take(9);
    Some(digits.fold(0, |nanos, digit| nanos * 10 + i64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Option<NptTime> {
        Some(NptTime::At(MediaTime::from_millis(millis)))
    }

    fn until(millis: i64) -> Option<MediaTime> {
        Some(MediaTime::from_millis(millis))
    }

    #[test]
    fn normal_play_time_is_read_in_all_its_forms() {
        let rows = [
            ("npt=0.000-", at(0), None), // VLC, FFmpeg
            ("npt=0-", at(0), None),     // GStreamer
            ("npt=12.345-67.890", at(12_345), until(67_890)),
            ("npt=-20", None, until(20_000)),
            ("npt=now-", Some(NptTime::Now), None),
            ("npt=NOW-7", Some(NptTime::Now), until(7000)),
            ("npt=1:02:03.4-", at(3_723_400), None),
            ("npt=123:59:59-124:00:00.5", at(446_399_000), until(446_400_500)),
            ("npt=10-0:00:20", at(10_000), until(20_000)),
            (" NPT = 10.5 - 20 ", at(10_500), until(20_000)),
            ("npt=5.-6.", at(5000), until(6000)),
            ("npt=0.1234567899999-", Some(NptTime::At(MediaTime::from_nanos(123_456_789))), None),
            ("npt=7-;time=19970123T143720Z", at(7000), None),
            ("npt=7-8,npt=20-30", at(7000), until(8000)),
            ("npt=99999999999999999999-", Some(NptTime::At(MediaTime::MAX)), None),
            ("npt=9223372036854775807:59:59.999999999-", Some(NptTime::At(MediaTime::MAX)), None),
        ];
        for (text, start, end) in rows {
            assert_eq!(text.parse(), Ok(Range::Npt { start, end }), "{text}");
        }
    }

    #[test]
    fn other_units_are_kept_as_they_are() {
        assert_eq!(
            "clock=20231108T142300.25Z-20231108T143000Z".parse(),
            Ok(Range::Clock { start: "20231108T142300.25Z".into(), end: Some("20231108T143000Z".into()) })
        );
        assert_eq!("clock=20231108T142300Z-".parse(), Ok(Range::Clock { start: "20231108T142300Z".into(), end: None }));
        let smpte =
            Range::Smpte { unit: "smpte-25".into(), start: "10:07:00".into(), end: Some("10:07:33:05.01".into()) };
        assert_eq!("smpte-25=10:07:00-10:07:33:05.01".parse(), Ok(smpte));
    }

    #[test]
    fn what_is_no_range_is_an_error() {
        for text in [
            "",
            "npt",
            "npt=",
            "npt=-",
            "npt=5",
            "npt:0-",
            "npt=a-b",
            "npt=-5-",
            "npt=--5",
            "npt=1--2",
            "npt=.5-",
            "npt=1:2-",
            "npt=0:60:00-",
            "npt=0:00:60-",
            "npt=1:2:3:4-",
            "npt=1e3-",
            "npt=inf-",
            "npt=+1-",
            "npt=0.5.5-",
            "npt=now",
            "npt=5-now",
            "npt=\u{661}-",
            "clock=-",
            "clock=-20231108T143000Z",
            "smpte=",
            ";time=1",
            ",",
        ] {
            assert_eq!(text.parse::<Range>(), Err(RangeError::Malformed), "{text:?}");
        }
        assert_eq!("bytes=0-".parse::<Range>(), Err(RangeError::UnknownUnit));
    }

    /// CVE-2020-24027: an absolute range of any length overflowed a buffer.
    #[test]
    fn a_very_long_clock_range_is_only_long() {
        let start = "2".repeat(15_000);
        assert_eq!(format!("clock={start}-").parse(), Ok(Range::Clock { start, end: None }));
    }

    #[test]
    fn reversed_ranges_are_told_apart() {
        for (text, reversed) in [("npt=20-10", true), ("npt=10-20", false), ("npt=10-10", false), ("npt=20-", false)] {
            assert_eq!(text.parse::<Range>().unwrap().is_reversed(), reversed, "{text}");
        }
    }

    #[test]
    fn answers_have_milliseconds_and_read_back_the_same() {
        let rows = [
            (Range::npt(MediaTime::from_millis(1234), until(5000)), "npt=1.234-5.000"),
            (Range::npt(MediaTime::from_millis(1234), None), "npt=1.234-"),
            (Range::Npt { start: Some(NptTime::Now), end: None }, "npt=now-"),
            (Range::Npt { start: None, end: until(5000) }, "npt=-5.000"),
            (Range::Clock { start: "20231108T142300Z".into(), end: None }, "clock=20231108T142300Z-"),
        ];
        for (range, text) in rows {
            assert_eq!(range.to_string(), text);
            assert_eq!(text.parse(), Ok(range));
        }
    }
}
