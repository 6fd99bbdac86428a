//! The two clocks of a stream: time within a recording ([`MediaTime`]) and wall-clock time on the wire ([`NtpTime`]).
//! Neither reads a clock: whoever needs "now" is told.

use std::fmt;
use std::ops::{Add, AddAssign, Neg, Sub};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const NANOS_PER_SECOND: i128 = 1_000_000_000;

/// A point on, or a length of, a recording's own timeline: nanoseconds from its start.
///
/// Negative for what lies before the start, such as the priming samples of an audio encoder.
/// Nanoseconds hold 292 years, and ticks of every clock rate in use (up to 1 GHz) survive the way there and back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MediaTime(i64);

impl MediaTime {
    /// The start of the recording.
    pub const ZERO: Self = Self(0);
    /// Later than any sample.
    pub const MAX: Self = Self(i64::MAX);
    /// Earlier than any sample.
    pub const MIN: Self = Self(i64::MIN);

    /// `nanos` nanoseconds from the start.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// `millis` milliseconds from the start.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// `ticks` of a clock with `rate` ticks a second, rounded to the nearest nanosecond; saturates at the ends.
    /// A `rate` of 0, which damaged files hold, counts as 1.
    pub fn from_ticks(ticks: i64, rate: u32) -> Self {
        let nanos = div_round(i128::from(ticks) * NANOS_PER_SECOND, i128::from(rate.max(1)));
        Self(clamp(nanos))
    }

    /// Seconds as a person or an SDP writes them; not a number counts as 0.
    pub fn from_secs_f64(seconds: f64) -> Self {
        Self((seconds * 1e9).round() as i64)
    }

    /// Ticks of a clock with `rate` ticks a second, rounded to nearest: the inverse of [`Self::from_ticks`].
    pub fn to_ticks(self, rate: u32) -> i64 {
        clamp(div_round(i128::from(self.0) * i128::from(rate), NANOS_PER_SECOND))
    }

    /// Nanoseconds from the start.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Seconds from the start.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// The length as a [`Duration`]; what lies before the start is zero.
    pub fn to_duration(self) -> Duration {
        Duration::from_nanos(self.0.max(0) as u64)
    }

    /// The length `factor` times over, rounded to the nanosecond; saturates. Exact for a factor of 1.
    pub fn times(self, factor: f64) -> Self {
        if factor == 1.0 { self } else { Self((self.0 as f64 * factor).round() as i64) }
    }

    /// The length divided by `divisor`, as [`Self::times`].
    pub fn over(self, divisor: f64) -> Self {
        if divisor == 1.0 { self } else { Self((self.0 as f64 / divisor).round() as i64) }
    }

    /// A [`Duration`] as a length of media; saturates at 292 years.
    pub fn from_duration(duration: Duration) -> Self {
        Self(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
    }
}

/// Division rounded to nearest, halves away from zero.
fn div_round(numerator: i128, denominator: i128) -> i128 {
    let half = denominator / 2;
    if numerator >= 0 { (numerator + half) / denominator } else { (numerator - half) / denominator }
}

fn clamp(value: i128) -> i64 {
    value.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
}

impl Add for MediaTime {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for MediaTime {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for MediaTime {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Neg for MediaTime {
    type Output = Self;
    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

/// Seconds with milliseconds, as `Range: npt=` has them (RFC 2326 section 3.6).
impl fmt::Display for MediaTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = div_round(i128::from(self.0), 1_000_000);
        let sign = if millis < 0 { "-" } else { "" };
        let millis = millis.unsigned_abs();
        write!(f, "{sign}{}.{:03}", millis / 1000, millis % 1000)
    }
}

/// A 64-bit NTP timestamp: seconds since 1900-01-01 UTC and a fraction of 2^32 (RFC 3550 section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct NtpTime(pub u64);

/// Seconds from the NTP epoch (1900) to the Unix epoch (1970).
const NTP_UNIX_OFFSET: u64 = 2_208_988_800;

impl NtpTime {
    /// The middle 32 bits, as LSR in a receiver report has them (RFC 3550 section 6.4.1).
    pub fn middle(self) -> u32 {
        (self.0 >> 16) as u32
    }
}

impl From<SystemTime> for NtpTime {
    fn from(time: SystemTime) -> Self {
        let unix = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = unix.as_secs().wrapping_add(NTP_UNIX_OFFSET);
        let fraction = (u64::from(unix.subsec_nanos()) << 32) / 1_000_000_000;
        Self((seconds << 32) | fraction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_survive_the_way_to_nanoseconds_and_back_at_every_rate() {
        for rate in [1_u32, 600, 1000, 8000, 11_025, 12_288, 22_050, 24_000, 30_000, 44_100, 48_000, 90_000, 10_000_000]
        {
            for ticks in [-90_001_i64, -1, 0, 1, 2, 3, 1001, 44_099, 123_456_789, i64::from(rate) * 86_400 * 365 * 100]
            {
                let there = MediaTime::from_ticks(ticks, rate);
                assert_eq!(there.to_ticks(rate), ticks, "{ticks} ticks of {rate} Hz became {there:?}");
            }
        }
    }

    #[test]
    fn lengths_are_stretched_to_the_nanosecond_and_saturate() {
        let hour = MediaTime::from_millis(3_600_000);
        assert_eq!((hour.over(3.0), hour.times(-2.0)), (MediaTime::from_millis(1_200_000), -hour - hour));
        let there_and_back = (hour.over(7.0).times(7.0) - hour).as_nanos();
        assert!(there_and_back.abs() <= 4, "off by {there_and_back} ns");
        assert_eq!((MediaTime::MAX.times(1.0), MediaTime::MAX.over(0.1)), (MediaTime::MAX, MediaTime::MAX));
        assert_eq!(MediaTime::MAX.times(-2.0), MediaTime::MIN);
    }

    #[test]
    fn display_rounds_to_milliseconds_and_keeps_the_sign() {
        for (nanos, text) in [(0, "0.000"), (1_499_999, "0.001"), (-21_333_333, "-0.021"), (61_000_500_000, "61.001")] {
            assert_eq!(MediaTime::from_nanos(nanos).to_string(), text);
        }
    }

    #[test]
    fn ntp_time_of_the_unix_epoch_is_2208988800() {
        let half_past = UNIX_EPOCH + Duration::from_millis(500);
        assert_eq!(NtpTime::from(half_past), NtpTime((2_208_988_800 << 32) | (1 << 31)));
    }
}
