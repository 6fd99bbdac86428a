//! An exact number of pictures a second, and the times of pictures that are equally far apart.

use crate::time::MediaTime;

/// Pictures a second as a fraction, such as 30000/1001: times that are computed from it do not drift.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameRate {
    numerator: u64,
    denominator: u64,
}

/// What a parameter set may say and be believed: beyond, it counts ticks of something else.
const SANE: std::ops::RangeInclusive<f64> = 1.0..=300.0;

impl FrameRate {
    /// `numerator / denominator` pictures a second, unless that is beyond what a camera delivers (1 to 300).
    pub fn new(numerator: u64, denominator: u64) -> Option<Self> {
        let rate = Self { numerator, denominator };
        (denominator > 0 && SANE.contains(&rate.as_f64())).then_some(rate)
    }

    /// The fraction that `rate` stands for: whole, or with 1001 below for what television made of 24, 30 and 60,
    /// or else in thousandths. What is no rate at all counts as one picture a second.
    pub fn from_f64(rate: f64) -> Self {
        let rate = if rate > 0.0 { rate.clamp(0.001, 1000.0) } else { 1.0 };
        let whole = |value: f64| {
            (value.round() >= 1.0 && (value / value.round() - 1.0).abs() < 1e-5).then(|| value.round() as u64)
        };
        if let Some(numerator) = whole(rate) {
            Self { numerator, denominator: 1 }
        } else if let Some(thousands) = whole(rate * 1.001) {
            Self { numerator: thousands * 1000, denominator: 1001 }
        } else {
            Self { numerator: (rate * 1000.0).round() as u64, denominator: 1000 }
        }
    }

    /// Pictures a second.
    pub fn as_f64(self) -> f64 {
        self.numerator as f64 / self.denominator as f64
    }

    /// When picture `index` is due, the first being number 0.
    pub fn time_of(self, index: i64) -> MediaTime {
        let nanos = i128::from(index) * i128::from(self.denominator) * 1_000_000_000;
        let numerator = i128::from(self.numerator);
        let rounded = (nanos + numerator / 2).div_euclid(numerator);
        MediaTime::from_nanos(rounded.clamp(i64::MIN.into(), i64::MAX.into()) as i64)
    }

    /// The number of the last picture that is due at or before `time`.
    pub fn index_at(self, time: MediaTime) -> i64 {
        let divisor = i128::from(self.denominator) * 1_000_000_000;
        let index = (i128::from(time.as_nanos()) * i128::from(self.numerator)).div_euclid(divisor);
        let index = index.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
        // The times are rounded, so the next one may be due already.
        if self.time_of(index.saturating_add(1)) <= time { index.saturating_add(1) } else { index }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_found_at_its_own_time_and_not_a_nanosecond_before() {
        for (numerator, denominator) in [(25, 1), (30_000, 1001), (24_000, 1001), (1, 1), (299_999, 1000), (15, 2)] {
            let rate = FrameRate::new(numerator, denominator).unwrap();
            for index in [-7, -1, 0, 1, 2, 3, 1001, 86_400 * 30 * 365] {
                let time = rate.time_of(index);
                assert_eq!(rate.index_at(time), index, "{rate:?}");
                assert_eq!(rate.index_at(time - MediaTime::from_nanos(1)), index - 1, "{rate:?}");
            }
        }
    }

    #[test]
    fn a_day_of_television_does_not_drift() {
        let rate = FrameRate::new(30_000, 1001).unwrap();
        assert_eq!(rate.time_of(30_000 * 1000), MediaTime::from_millis(1_001_000_000));
    }

    #[test]
    fn rates_of_people_become_the_fractions_they_mean() {
        for (rate, numerator, denominator) in [
            (25.0, 25, 1),
            (29.97, 30_000, 1001),
            (23.976, 24_000, 1001),
            (59.94, 60_000, 1001),
            (12.5, 12_500, 1000),
            (0.2, 200, 1000),
            (0.0, 1, 1),
            (f64::NAN, 1, 1),
            (f64::INFINITY, 1000, 1),
        ] {
            assert_eq!(FrameRate::from_f64(rate), FrameRate { numerator, denominator }, "of {rate}");
        }
    }

    #[test]
    fn rates_beyond_belief_are_refused() {
        for (numerator, denominator) in [(0, 1), (1, 0), (0, 0), (1, 2), (90_000, 1), (u64::MAX, 1)] {
            assert_eq!(FrameRate::new(numerator, denominator), None, "{numerator}/{denominator}");
        }
    }
}
