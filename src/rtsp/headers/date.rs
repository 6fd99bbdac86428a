//! Dates: those of Date (RFC 2326 section 12.18), Last-Modified (12.24) and If-Modified-Since (12.23), in RFC 1123 form
//! and always GMT; and UTC times as in Range (section 3.7).

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{HeaderError, parse_digits};

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A moment, displayed as `Sun, 06 Nov 1994 08:49:37 GMT`. What lies before 1970 is shown as 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Date(pub SystemTime);

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let (days, second) = (seconds / 86_400, seconds % 86_400);
        let (year, month, day) = civil(days);
        write!(
            f,
            "{}, {day:02} {} {year:04} {:02}:{:02}:{:02} GMT",
            DAYS[(days % 7) as usize],
            MONTHS[month],
            second / 3600,
            second / 60 % 60,
            second % 60,
        )
    }
}

/// Days since 1970-01-01 as year, month (from 0) and day (from 1) of the Gregorian calendar.
///
/// Years are counted from March, so that the leap day is the last of its year; 400 years have 146 097 days.
fn civil(days: u64) -> (u64, usize, u64) {
    let days = days + 719_468; // from 0000-03-01
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march as usize + 2) % 12;
    let year = era * 400 + year_of_era + u64::from(month < 2);
    (year, month, day)
}

impl FromStr for Date {
    type Err = HeaderError;

    /// RFC 1123 only: what a client sends is what a server gave it. The day of the week is not looked at.
    fn from_str(text: &str) -> Result<Self, HeaderError> {
        parse_date(text).map(Self).ok_or_else(|| HeaderError::new("date", text))
    }
}

fn parse_date(text: &str) -> Option<SystemTime> {
    let (_, date) = text.split_once(',')?;
    let mut words = date.split_ascii_whitespace();
    let (day, month, year, clock) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let month = MONTHS.iter().position(|known| known.eq_ignore_ascii_case(month))? as u64 + 1;
    let mut clock = clock.splitn(3, ':').map(parse_digits);
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    let is_gmt = words.next().is_some_and(|zone| zone.eq_ignore_ascii_case("GMT")) && words.next().is_none();
    if !is_gmt {
        return None;
    }
    unix_time([parse_digits(year)?, month, parse_digits(day)?, hour, minute, second])
}

/// A UTC time such as `19961108T142730.25Z`.
pub fn parse_utc_time(text: &str) -> Option<SystemTime> {
    let (whole, fraction) = match text.strip_suffix('Z')?.split_once('.') {
        None => (text.strip_suffix('Z')?, ""),
        Some(parts) => parts,
    };
    let (date, clock) = whole.split_once('T')?;
    if !whole.is_ascii() || (date.len(), clock.len()) != (8, 6) {
        return None;
    }
    let parts = [&date[..4], &date[4..6], &date[6..], &clock[..2], &clock[2..4], &clock[4..]];
    let mut numbers = [0; 6];
    for (number, part) in numbers.iter_mut().zip(parts) {
        *number = parse_digits(part)?;
    }
    let nanos = super::range::parse_fraction(fraction)?;
    unix_time(numbers)?.checked_add(Duration::from_nanos(nanos as u64))
}

/// Year, month, day, hour, minute and second as a time; `None` for what is in no calendar, or before 1970.
fn unix_time([year, month, day, hour, minute, second]: [u64; 6]) -> Option<SystemTime> {
    let is_time = hour < 24 && minute < 60 && second <= 60;
    if !is_time || !(1970..=9999).contains(&year) || !(1..=12).contains(&month) {
        return None;
    }
    let days = days_from_civil(year, month, day);
    let is_day = day >= 1 && civil(days) == (year, month as usize - 1, day);
    is_day.then(|| UNIX_EPOCH + Duration::from_secs(days * 86_400 + hour * 3600 + minute * 60 + second))
}

/// The inverse of [`civil`], with the month from 1.
fn days_from_civil(year: u64, month: u64, day: u64) -> u64 {
    let (year, month_from_march) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, year_of_era) = (year / 400, year % 400);
    let day_of_year = (153 * month_from_march + 2) / 5 + day.max(1) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era).saturating_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (unix, expected) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"), // the RFCs' own example
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (1_709_164_800, "Thu, 29 Feb 2024 00:00:00 GMT"),
            (1_735_689_599, "Tue, 31 Dec 2024 23:59:59 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"), // 2100 is no leap year
        ] {
            assert_eq!(Date(UNIX_EPOCH + Duration::from_secs(unix)).to_string(), expected);
        }
    }

    #[test]
    fn what_was_written_reads_back() {
        for day in (0..60_000).step_by(7) {
            let time = UNIX_EPOCH + Duration::from_secs(day * 86_400 + day % 86_400);
            assert_eq!(Date(time).to_string().parse(), Ok(Date(time)), "day {day}");
        }
        for text in [
            "",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 06 Nov 1994 08:49 GMT",
            "Sun, 31 Feb 1994 08:49:37 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, 06 Nov 99999999999 08:49:37 GMT",
            "Sun, 06 Nov 1969 08:49:37 GMT",
            "06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "now",
        ] {
            assert!(text.parse::<Date>().is_err(), "{text}");
        }
    }

    #[test]
    fn utc_times_are_read_to_the_nanosecond() {
        let time = |millis| Some(UNIX_EPOCH + Duration::from_millis(millis));
        for (text, expected) in [
            ("19961108T142730.25Z", time(847_463_250_250)),
            ("19700101T000000Z", time(0)),
            ("20240229T235959.Z", time(1_709_251_199_000)),
            ("20230229T235959Z", None),
            ("20231301T000000Z", None),
            ("19961108T142730", None),
            ("19961108142730Z", None),
            ("1996-11-08T14:27:30Z", None),
            ("19961108T1427\u{e4}Z", None),
            ("+9961108T142730Z", None),
            ("Z", None),
        ] {
            assert_eq!(parse_utc_time(text), expected, "{text}");
        }
    }
}
