//! The time of a frame: its header has a date in whole seconds and a clock of milliseconds that turns every minute.

use super::frame::{FrameHeader, FrameKind};
use crate::time::MediaTime;

/// How the milliseconds of the headers of a file are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// As a counter that turns after 65536.
    Counter,
    /// As those since the second of the date began.
    OfSecond,
    /// As nothing: they stand still, and pictures are numbered, so many a second.
    Numbered(u32),
}

/// How far the two may be apart, in milliseconds: one is of whole seconds, and a clock may be set.
const APART_MAX: i64 = 2000;
/// How far dates go back without a new stretch, in milliseconds.
const BACK_MAX: i64 = 5000;
/// Gaps that are longer are closed, in milliseconds: a recorder whose clock was set. One that waits for motion leaves
/// shorter ones.
const AHEAD_MAX: i64 = 3_600_000;
/// How long the last picture before a jump lasts, in milliseconds.
const PICTURE: i64 = 40;
const TURN: i64 = 1 << 16;

/// The clock of one reader.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    mode: Mode,
    anchor: FrameHeader,
    /// The time of the anchor, in milliseconds.
    time: i64,
    /// The latest time so far.
    end: Option<i64>,
}

impl Clock {
    /// A clock by which `anchor` has `time`.
    pub fn new(mode: Mode, anchor: FrameHeader, time: MediaTime) -> Self {
        Self { mode, anchor, time: time.to_ticks(1000), end: None }
    }

    /// How the milliseconds of these headers of one stream are meant, at `rate` pictures a second, if that is known.
    pub fn mode_of(headers: &[FrameHeader], rate: Option<u8>) -> Mode {
        let Some((first, others)) = headers.split_first() else { return Mode::Counter };
        let is_still = others.len() > 1 && others.iter().all(|header| header.millis == first.millis);
        let span = others.last().map_or(0, |last| last.date - first.date);
        match rate {
            Some(rate @ 1..) if is_still => Mode::Numbered(rate.into()),
            _ if span >= 2 && headers.iter().all(|header| header.millis < 1000) => Mode::OfSecond,
            _ => Mode::Counter,
        }
    }

    /// The time of a frame; `None` where its header does not tell better than counting does.
    pub fn time_of(&mut self, header: &FrameHeader) -> Option<MediaTime> {
        let by_date = self.time + (header.date - self.anchor.date) * 1000;
        let exact = match self.mode {
            Mode::Counter => {
                let low = i64::from(header.millis.wrapping_sub(self.anchor.millis));
                let turns = (by_date - self.time - low + TURN / 2).div_euclid(TURN);
                self.time + low + turns * TURN
            }
            Mode::OfSecond => by_date + i64::from(header.millis) - i64::from(self.anchor.millis),
            Mode::Numbered(_) if header.kind == FrameKind::Audio && self.end.is_some() => return None,
            Mode::Numbered(_) if header.kind == FrameKind::Audio => by_date,
            Mode::Numbered(rate) => {
                let count = header.number.wrapping_sub(self.anchor.number).cast_signed();
                self.time + i64::from(count) * 1000 / i64::from(rate)
            }
        };
        let time = match self.end {
            Some(end) if !(end - BACK_MAX..=end + AHEAD_MAX).contains(&by_date) => self.set(header, end + PICTURE),
            _ if (exact - by_date).abs() > APART_MAX => self.set(header, by_date),
            _ => exact,
        };
        self.end = Some(self.end.map_or(time, |end| end.max(time)));
        Some(MediaTime::from_millis(time))
    }

    fn set(&mut self, header: &FrameHeader, time: i64) -> i64 {
        (self.anchor, self.time) = (*header, time);
        time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(date: i64, millis: u16, number: u32) -> FrameHeader {
        FrameHeader { kind: FrameKind::Video, channel: 0, number, len: 100, date, millis, header_len: 24 }
    }

    fn times(mode: Mode, headers: &[(i64, u16, u32)]) -> Vec<i64> {
        let headers: Vec<_> = headers.iter().map(|(date, millis, number)| header(*date, *millis, *number)).collect();
        let mut clock = Clock::new(mode, headers[0], MediaTime::ZERO);
        headers.iter().map(|header| clock.time_of(header).unwrap().to_ticks(1000)).collect()
    }

    #[test]
    fn the_counter_turns_and_the_date_tells_how_often() {
        let headers = [(100, 65_500, 0), (100, 4, 1), (101, 44, 2), (231, 64_000, 3), (3700, 61_060, 4)];
        assert_eq!(times(Mode::Counter, &headers), [0, 40, 80, 64_036 + 65_536, 3_600_040]);
    }

    #[test]
    fn a_clock_that_was_set_anew_goes_on_by_the_date_and_a_date_that_jumps_goes_on_behind() {
        let headers = [(100, 0, 0), (101, 1000, 1), (105, 40_000, 2), (106, 41_000, 3), (50, 500, 4), (51, 1500, 5)];
        assert_eq!(times(Mode::Counter, &headers), [0, 1000, 5000, 6000, 6040, 7040]);
        assert_eq!(times(Mode::Counter, &[(100, 0, 0), (1_000_100, 0, 1)]), [0, 40]);
    }

    #[test]
    fn milliseconds_may_be_those_of_the_second_or_stand_still() {
        let of_second = [(100, 900, 0), (101, 100, 1), (102, 100, 2)];
        assert_eq!(times(Mode::OfSecond, &of_second), [0, 200, 1200]);
        let still = [(100, 0, 7), (100, 0, 8), (101, 0, 32)];
        assert_eq!(times(Mode::Numbered(25), &still), [0, 40, 1000]);
        let headers = |all: &[(i64, u16, u32)]| all.iter().map(|all| header(all.0, all.1, all.2)).collect::<Vec<_>>();
        assert_eq!(Clock::mode_of(&headers(&of_second), Some(25)), Mode::OfSecond);
        assert_eq!(Clock::mode_of(&headers(&still), Some(25)), Mode::Numbered(25));
        assert_eq!(Clock::mode_of(&headers(&[(100, 7, 0), (100, 47, 1)]), Some(25)), Mode::Counter);
        assert_eq!(Clock::mode_of(&[], None), Mode::Counter);
    }
}
