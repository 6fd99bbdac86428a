//! From the timestamps of tags to media time: a start that is not 0, clocks that run over or begin anew, and values
//! that go back a little.

use super::super::super::scan::Stamp;
use crate::time::MediaTime;

/// A track's timestamp that goes back by more than this begins anew, in milliseconds; by less, it is just out of order.
const JUMP_MIN: i64 = 1000;
/// After how many milliseconds a timestamp begins anew at 0: 24 bits of writers that leave TimestampExtended out; 32.
const TURNS: [i64; 2] = [1 << 24, 1 << 32];

/// Follows the timestamps of a file from one place on.
#[derive(Debug)]
pub struct Clock {
    /// What to subtract where nothing else is known.
    base: i64,
    /// The presentation time of the first sample, where it is known.
    first: Option<MediaTime>,
    /// What to add to timestamps; `None` before the first.
    offset: Option<i64>,
    /// The last timestamp of each track since the clock last began anew, and what it came to.
    last: [Option<Last>; 2],
}

#[derive(Debug, Clone, Copy)]
struct Last {
    raw: i64,
    dts: i64,
}

impl Clock {
    /// A clock that reads `base` milliseconds at the start of the recording, and `first` at the place where it is
    /// begun with, if that is known.
    pub fn new(base: i64, first: Option<MediaTime>) -> Self {
        Self { base, first, offset: None, last: [None; 2] }
    }

    /// The time of a frame of `track`, of two, with this timestamp and composition time in milliseconds.
    pub fn stamp(&mut self, track: usize, millis: i32, composition: i32) -> Stamp {
        let (raw, composition) = (i64::from(millis), i64::from(composition));
        let offset = self.offset_for(track, raw, composition);
        self.offset = Some(offset);
        let not_before = self.last[track].map_or(i64::MIN, |last| last.dts);
        let dts = (raw + offset).max(not_before);
        self.last[track] = Some(Last { raw, dts });
        let pts = (raw + offset + composition).max(dts);
        Stamp { pts: MediaTime::from_millis(pts), dts: Some(MediaTime::from_millis(dts)) }
    }

    fn offset_for(&mut self, track: usize, raw: i64, composition: i64) -> i64 {
        let Some(offset) = self.offset else { return self.first_offset(raw + composition) };
        let Some(last) = self.last[track] else { return offset };
        if raw >= last.raw - JUMP_MIN {
            return offset;
        }
        let over = |turn: &&i64| (raw + **turn - last.raw).abs() <= JUMP_MIN;
        let end = self.last.iter().flatten().map(|last| last.dts).max().unwrap_or(last.dts);
        for other in &mut self.last {
            *other = other.map(|last| Last { raw, ..last });
        }
        match TURNS.iter().find(over) {
            Some(turn) => offset + turn,
            None => end - raw,
        }
    }

    fn first_offset(&self, raw_pts: i64) -> i64 {
        let usual = MediaTime::from_millis(raw_pts - self.base);
        match self.first {
            Some(first) if (first - usual).as_nanos().abs() > MediaTime::from_millis(JUMP_MIN).as_nanos() => {
                first.as_nanos() / 1_000_000 - raw_pts
            }
            _ => -self.base,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(clock: &mut Clock, stamps: &[(usize, i32, i32)]) -> Vec<(i64, i64)> {
        let to_millis = |time: MediaTime| time.as_nanos() / 1_000_000;
        let stamps = stamps.iter().map(|(track, raw, composition)| clock.stamp(*track, *raw, *composition));
        stamps.map(|stamp| (to_millis(stamp.dts.unwrap()), to_millis(stamp.pts))).collect()
    }

    #[test]
    fn time_begins_at_the_base_and_frames_are_shown_by_their_composition_time() {
        let mut clock = Clock::new(5000, None);
        let stamps = [(0, 5000, 80), (1, 5010, 0), (0, 5040, 160), (0, 5080, -40)];
        assert_eq!(millis(&mut clock, &stamps), [(0, 80), (10, 10), (40, 200), (80, 80)]);
    }

    #[test]
    fn a_clock_that_runs_over_goes_on_and_one_that_begins_anew_is_appended() {
        let mut clock = Clock::new(0, Some(MediaTime::from_millis(16_777_200)));
        assert_eq!(
            millis(&mut clock, &[(0, 16_777_200, 0), (0, 24, 0)]),
            [(16_777_200, 16_777_200), (16_777_240, 16_777_240)]
        );
        let mut clock = Clock::new(0, None);
        let stamps = [(0, 90_000, 0), (1, 90_020, 0), (0, 0, 0), (1, 10, 0), (0, 40, 0)];
        let expected = [(90_000, 90_000), (90_020, 90_020), (90_020, 90_020), (90_030, 90_030), (90_060, 90_060)];
        assert_eq!(millis(&mut clock, &stamps), expected);
    }

    #[test]
    fn decoding_times_never_go_back() {
        let mut clock = Clock::new(0, None);
        assert_eq!(millis(&mut clock, &[(0, 100, 0), (0, 60, 20), (0, 120, 0)]), [(100, 100), (100, 100), (120, 120)]);
    }

    #[test]
    fn behind_a_jump_an_entry_tells_what_time_it_is() {
        let mut clock = Clock::new(0, Some(MediaTime::from_millis(95_000)));
        assert_eq!(millis(&mut clock, &[(0, 4000, 1000), (0, 4040, 0)]), [(94_000, 95_000), (94_040, 94_040)]);
    }
}
