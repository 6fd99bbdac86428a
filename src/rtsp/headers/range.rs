//! Range (RFC 2326 section 12.29): which part of a recording PLAY is about, in normal play time (3.6), SMPTE time
//! codes (3.5) or absolute time (3.7).

use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use super::date::parse_utc_time;
use super::{parse_digits, split_unquoted};
use crate::time::MediaTime;

/// A range of time. When to begin with it, which may be said behind it, is told by [`effective_time`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Range {
    /// `npt=`: time from the start of the recording.
    Npt {
        /// `None` when only an end is named (`-20`): from where it stands.
        start: Option<NptTime>,
        /// `None`: to the end of the recording.
        end: Option<MediaTime>,
    },
    /// `smpte=` and its kin: time codes, here as the time from the start of the recording that they stand for.
    Smpte {
        /// From where.
        start: MediaTime,
        /// `None`: to the end of the recording.
        end: Option<MediaTime>,
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
    /// From `start` to `end`, as an answer to PLAY says it. What lies before the recording, such as the priming
    /// samples of an audio encoder, counts as its start: there is no negative play time.
    pub fn npt(start: MediaTime, end: Option<MediaTime>) -> Self {
        Self::Npt { start: Some(NptTime::At(start.max(MediaTime::ZERO))), end }
    }

    /// A point in time, as PAUSE has it (section 10.6): `npt=15`, or with the hyphen that the grammar wants.
    ///
    /// # Errors
    /// As for a range; one with an end is malformed.
    pub fn parse_point(text: &str) -> Result<Self, RangeError> {
        let point = text.split(';').next().unwrap_or_default();
        let has_hyphen = point.split_once('=').is_some_and(|(_, span)| span.contains('-'));
        let range = if has_hyphen { point.parse() } else { format!("{point}-").parse() };
        match range {
            Ok(Self::Npt { start: None, .. } | Self::Npt { end: Some(_), .. }) => Err(RangeError::Malformed),
            Ok(Self::Smpte { end: Some(_), .. } | Self::Clock { end: Some(_), .. }) => Err(RangeError::Malformed),
            range => range,
        }
    }
}

/// When the operation is to begin (`;time=` behind the range), if that is said.
///
/// # Errors
/// When it is no time.
pub fn effective_time(text: &str) -> Result<Option<SystemTime>, RangeError> {
    let parameters = text.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let time = parameters.into_iter().find(|(name, _)| name.trim().eq_ignore_ascii_case("time"));
    time.map(|(_, time)| parse_utc_time(time.trim()).ok_or(RangeError::Malformed)).transpose()
}

impl FromStr for Range {
    type Err = RangeError;

    /// Of a list of ranges, which the grammar allows and nobody sends, the first counts.
    fn from_str(text: &str) -> Result<Self, RangeError> {
        let range = split_unquoted(text, ',').next().ok_or(RangeError::Malformed)?;
        let range = range.split(';').next().unwrap_or_default();
        let (unit, span) = range.split_once('=').ok_or(RangeError::Malformed)?;
        let unit = unit.trim().to_ascii_lowercase();
        if unit == "npt" && is_before_start(span.trim()) {
            return Ok(Self::npt(MediaTime::ZERO, None));
        }
        let (start, end) = span.split_once('-').ok_or(RangeError::Malformed)?;
        let (start, end) = (start.trim(), end.trim());
        match unit.as_str() {
            "npt" => parse_npt_range(start, end),
            "clock" => {
                let (start, end) = opaque(start, end)?;
                Ok(Self::Clock { start, end })
            }
            "smpte" | "smpte-30-drop" => parse_smpte_range(start, end, drop_frame_time),
            "smpte-25" => parse_smpte_range(start, end, time_at_25),
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
            // In the unit that everybody understands.
            Self::Smpte { start, end } => Self::npt(*start, *end).fmt(f),
            Self::Clock { start, end } => write!(f, "clock={start}-{}", end.as_deref().unwrap_or_default()),
        }
    }
}

/// A time code: hours, minutes, seconds, frames and hundredths of a frame.
struct TimeCode {
    minutes: i64,
    seconds: i64,
    frames: i64,
    subframes: i64,
}

fn parse_smpte_range(start: &str, end: &str, time_of: fn(&TimeCode) -> Option<MediaTime>) -> Result<Range, RangeError> {
    let parse = |text: &str| parse_time_code(text).as_ref().and_then(time_of).ok_or(RangeError::Malformed);
    let start = parse(start)?;
    let end = if end.is_empty() { None } else { Some(parse(end)?) };
    Ok(Range::Smpte { start, end })
}

/// `10:07:33:05.01`; frames, and what follows them, may be left out. Each number has one or two digits.
fn parse_time_code(text: &str) -> Option<TimeCode> {
    let two_digits = |text: &str| parse_digits::<i64>(text).filter(|_| (1..=2).contains(&text.len()));
    let (whole, subframes) = match text.split_once('.') {
        None => (text, 0),
        Some((whole, subframes)) => (whole, two_digits(subframes)?),
    };
    let numbers: Vec<i64> = whole.split(':').map(two_digits).collect::<Option<_>>()?;
    let (hours, minutes, seconds, frames) = match *numbers {
        [hours, minutes, seconds] => (hours, minutes, seconds, 0),
        [hours, minutes, seconds, frames] => (hours, minutes, seconds, frames),
        _ => return None,
    };
    (minutes < 60 && seconds < 60).then_some(TimeCode { minutes: hours * 60 + minutes, seconds, frames, subframes })
}

fn time_at_25(code: &TimeCode) -> Option<MediaTime> {
    let frames = (code.minutes * 60 + code.seconds) * 25 + code.frames;
    (code.frames < 25).then(|| MediaTime::from_ticks(frames * 100 + code.subframes, 2500))
}

/// 30 frames are counted for 29.97 that pass, so the first two numbers of every minute but each tenth are left out.
/// Where a code names one of those, as the example in section 3.5 does, the next that there is is meant.
fn drop_frame_time(code: &TimeCode) -> Option<MediaTime> {
    let is_left_out = code.minutes % 10 != 0 && code.seconds == 0 && code.frames < 2;
    let (frames, subframes) = if is_left_out { (2, 0) } else { (code.frames, code.subframes) };
    let left_out = 2 * (code.minutes - code.minutes / 10);
    let frames_before = (code.minutes * 60 + code.seconds) * 30 + frames - left_out;
    (code.frames < 30).then(|| MediaTime::from_ticks((frames_before * 100 + subframes) * 1001, 3_000_000))
}

fn opaque(start: &str, end: &str) -> Result<(String, Option<String>), RangeError> {
    if start.is_empty() {
        return Err(RangeError::Malformed);
    }
    Ok((start.to_owned(), (!end.is_empty()).then(|| end.to_owned())))
}

/// Whether it is a time before the start as FFmpeg writes it, each part with its sign: -1.016 s is `-1.-16-`, -0.016 s
/// is `0.-16-`. It asks for such when the first sample that it has got is later than the first that is shown.
fn is_before_start(span: &str) -> bool {
    let parts = span.strip_suffix('-').and_then(|time| time.split_once(".-"));
    parts.is_some_and(|(seconds, millis)| {
        [seconds.strip_prefix('-').unwrap_or(seconds), millis]
            .iter()
            .all(|digits| parse_digits::<i64>(digits).is_some())
    })
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
pub(super) fn parse_fraction(text: &str) -> Option<i64> {
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

    fn ms(millis: i64) -> MediaTime {
        MediaTime::from_millis(millis)
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
            ("npt=0.-16-", at(0), None), // FFmpeg, for -0.016 s
            ("npt=-1.-16-", at(0), None),
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
    fn absolute_time_is_kept_as_it_is() {
        assert_eq!(
            "clock=20231108T142300.25Z-20231108T143000Z".parse(),
            Ok(Range::Clock { start: "20231108T142300.25Z".into(), end: Some("20231108T143000Z".into()) })
        );
        assert_eq!("clock=20231108T142300Z-".parse(), Ok(Range::Clock { start: "20231108T142300Z".into(), end: None }));
    }

    #[test]
    fn time_codes_count_frames_from_the_start_of_the_recording() {
        let frames = |count: i64| MediaTime::from_ticks(count * 1001, 30_000);
        for (text, start, end) in [
            ("smpte-25=10:07:00-10:07:33:05.01", ms(36_420_000), Some(ms(36_453_200) + MediaTime::from_nanos(400_000))),
            ("smpte-25=0:00:01:24-", ms(1960), None),
            ("smpte=0:00:01-", frames(30), None),
            ("smpte=0:00:00:01.50-0:00:00:29", frames(3).over(2.0), Some(frames(29))),
            // One minute ends with frame 1799, and the next begins with number 2.
            ("smpte=00:00:59:29-00:01:00:02", frames(1799), Some(frames(1800))),
            ("SMPTE-30-drop=0:01:00-0:01:00:01", frames(1800), Some(frames(1800))),
            // Ten minutes are 17982 frames and 600.0 seconds less a little; an hour is six times that.
            ("smpte=0:09:59:29-0:10:00", frames(17_981), Some(frames(17_982))),
            ("smpte=1:00:00:01-99:59:59:29", frames(107_893), Some(frames(10_789_199))),
        ] {
            assert_eq!(text.parse(), Ok(Range::Smpte { start, end }), "{text}");
        }
        for text in [
            "smpte=",
            "smpte=-",
            "smpte=-0:00:01",
            "smpte=1-",
            "smpte=0:01-",
            "smpte=0:60:00-",
            "smpte=0:00:60-",
            "smpte=0:00:00:30-",
            "smpte-25=0:00:00:25-",
            "smpte=0:00:00:00.123-",
            "smpte=0:00:00.-",
            "smpte=100:00:00-",
            "smpte=0:00:+1-",
            "smpte=0:00:00-now",
            "smpte=0:0:0:0:0-",
        ] {
            assert_eq!(text.parse::<Range>(), Err(RangeError::Malformed), "{text}");
        }
    }

    #[test]
    fn a_pause_point_is_one_time_and_nothing_else() {
        for text in ["npt=15", "npt=15-", "npt=0:00:15", " npt = 15 - ", "NPT=15;time=19970123T143720Z"] {
            assert_eq!(Range::parse_point(text), Ok(Range::Npt { start: at(15_000), end: None }), "{text}");
        }
        for text in ["smpte-25=0:00:15", "smpte-25=0:00:15-", "SMPTE-25=0:00:15"] {
            assert_eq!(Range::parse_point(text), Ok(Range::Smpte { start: ms(15_000), end: None }), "{text}");
        }
        assert_eq!(Range::parse_point("npt=now"), Ok(Range::Npt { start: Some(NptTime::Now), end: None }));
        for text in ["npt=15-16", "npt=-15", "npt=", "npt", "", "smpte=0:00:01-0:00:02", "clock=a-b"] {
            assert_eq!(Range::parse_point(text), Err(RangeError::Malformed), "{text}");
        }
    }

    #[test]
    fn a_range_may_say_when_to_begin_with_it() {
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(854_030_240);
        assert_eq!(effective_time("npt=0-;time=19970123T143720Z"), Ok(Some(time)));
        assert_eq!(effective_time("npt=0- ; TIME = 19970123T143720Z ;x=y"), Ok(Some(time)));
        assert_eq!(effective_time("npt=0-"), Ok(None));
        for text in ["npt=0-;time=", "npt=0-;time=now", "npt=0-;time=19970123T143720"] {
            assert_eq!(effective_time(text), Err(RangeError::Malformed), "{text}");
        }
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
    fn answers_have_milliseconds_and_read_back_the_same() {
        let rows = [
            (Range::npt(MediaTime::from_millis(1234), until(5000)), "npt=1.234-5.000"),
            (Range::npt(MediaTime::from_millis(1234), None), "npt=1.234-"),
            (Range::npt(MediaTime::from_millis(-21), None), "npt=0.000-"),
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
