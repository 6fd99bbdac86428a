//! Time stamps of 33 bits that wrap around after 26.5 hours, and clocks that are set anew, as one timeline.

use crate::media::container::mpeg_clock::MODULUS;
pub use crate::media::container::mpeg_clock::{CLOCK_RATE, distance};

/// How far a stamp may be before the one before it in its stream, in ticks: without DTS, as far as pictures are
/// reordered. Beyond, the clock was set back.
const BACKWARD_MAX: i64 = 2 * CLOCK_RATE as i64;
/// How far behind another stream of its program one may be when the clock is set.
const SKEW_MAX: i64 = 10 * CLOCK_RATE as i64;
/// The least jump forward that is closed up.
pub const FORWARD_MAX: i64 = 10 * CLOCK_RATE as i64;
/// What comes after a jump is so much later than what came before it.
const STEP: i64 = CLOCK_RATE as i64 / 25;
/// How far the first stamp may be from the time that is told for where reading begins, to be placed by what was closed
/// up before: what is told is the time of a sample, and it may have no stamp of its own.
const NEAR: i64 = 2 * CLOCK_RATE as i64;
/// How far from the others the first stamp of a stream may be where reading begins at a time that is told. Beyond, the
/// clock was set in between.
const FIRST_SKEW_MAX: i64 = 5 * CLOCK_RATE as i64;
/// How much earlier than the first stamp of the file others may be.
const EARLIER_MAX: i64 = 60 * CLOCK_RATE as i64;

/// The stamp that is `ticks` after another one.
pub fn shifted(stamp: u64, ticks: i64) -> u64 {
    (stamp as i64 + ticks).rem_euclid(MODULUS) as u64
}

/// How long after `base`, the first stamp of a file, `stamp` is when nothing else is known.
pub fn since(base: u64, stamp: u64) -> i64 {
    let distance = (stamp as i64 - base as i64).rem_euclid(MODULUS);
    if distance >= MODULUS - EARLIER_MAX { distance - MODULUS } else { distance }
}

/// Puts the stamps of all streams of a program on one timeline.
#[derive(Debug, Clone)]
pub struct Clock {
    /// The stamp of time 0; `None` until the first one has come.
    base: Option<u64>,
    /// What was closed up before the place where reading begins.
    offset: i64,
    /// The time there, as far as it is known.
    near: Option<i64>,
    /// When what comes first is shown, unless the stamps say nearly the same.
    told: Option<i64>,
    /// It is that time that was gone by, not the stamps of the file.
    is_told: bool,
    /// A stamp and its time, after the last jump, and before it.
    anchor: Option<(u64, i64)>,
    anchor_before: Option<(u64, i64)>,
    /// The latest time of any stream.
    latest: i64,
    /// The least jump forward that is closed up.
    forward_max: i64,
}

/// The stamps of one stream.
#[derive(Debug, Clone, Copy, Default)]
pub struct StreamClock {
    last: Option<(u64, i64)>,
}

/// A time, and whether the clock has jumped there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// In ticks from the start of the file.
    pub time: i64,
    /// What is closed up from here on, when that is new.
    pub jumped: Option<i64>,
}

impl Clock {
    /// Begins to read where `offset` ticks were closed up before. `near` is the time there, which tells the turn of the
    /// counter.
    pub fn new(base: u64, offset: i64, near: Option<i64>, forward_max: i64) -> Self {
        Self { base: Some(base), offset, near, forward_max, ..Self::unset() }
    }

    /// Begins to read at a time that was told, perhaps by guessing: wherever the stamps of the file start anew, what
    /// comes first has that time. `offset` ticks were closed up before as far as that is known.
    pub fn told(base: u64, offset: Option<i64>, time: i64) -> Self {
        let told = Some(time);
        // Without an offset no stamp says anything.
        let base = offset.map(|_| base);
        Self { base, offset: offset.unwrap_or(0), near: told, told, ..Self::unset() }
    }

    /// The first stamp that comes is time 0.
    pub fn unset() -> Self {
        Self {
            base: None,
            offset: 0,
            near: None,
            told: None,
            is_told: false,
            anchor: None,
            anchor_before: None,
            latest: i64::MIN,
            forward_max: FORWARD_MAX,
        }
    }

    /// The stamp of time 0, if there has been any.
    pub fn base(&self) -> Option<u64> {
        self.base
    }

    /// Whether times go by one that was told: nothing that is closed up from here on is known from the start of the
    /// file on.
    pub fn is_told(&self) -> bool {
        self.is_told
    }

    /// The time of the next `stamp` of a stream, whose sample is shown `delay` ticks later.
    pub fn place(&mut self, stream: &mut StreamClock, stamp: u64, delay: i64) -> Placed {
        let placed = match (stream.last, self.anchor) {
            (_, None) => Placed { time: self.first(stamp, delay), jumped: None },
            (None, Some((anchor, time))) => {
                let since = time + distance(anchor, stamp);
                // The anchor may be old: the turn of the counter is that which is nearest to now.
                let turns = ((self.latest - since) as f64 / MODULUS as f64).round() as i64;
                let time = since + turns * MODULUS;
                // Of another stream reading may have begun shortly before the clock was set.
                match self.told.is_some() && !(-FIRST_SKEW_MAX..=FIRST_SKEW_MAX).contains(&(time - self.latest)) {
                    true => self.jump(stamp),
                    false => Placed { time, jumped: None },
                }
            }
            (Some((last, last_time)), Some(anchor)) => {
                let step = distance(last, stamp);
                if (-BACKWARD_MAX..=self.forward_max).contains(&step) {
                    Placed { time: last_time + step, jumped: None }
                } else if let Some(time) = by(anchor, stamp, last_time) {
                    Placed { time, jumped: None }
                } else if let Some(time) = self.anchor_before.and_then(|before| by(before, stamp, last_time)) {
                    // It was a single stamp that was wrong.
                    (self.anchor, self.anchor_before) = (self.anchor_before, None);
                    self.offset = time - since(self.base.unwrap_or(stamp), stamp);
                    Placed { time, jumped: Some(self.offset) }
                } else {
                    self.jump(stamp)
                }
            }
        };
        stream.last = Some((stamp, placed.time));
        self.anchor.get_or_insert((stamp, placed.time));
        self.latest = self.latest.max(placed.time);
        placed
    }

    fn first(&mut self, stamp: u64, delay: i64) -> i64 {
        let is_unknown = self.base.is_none();
        let time = since(*self.base.get_or_insert(stamp), stamp) + self.offset;
        let turns = self.near.map_or(0, |near| ((near - time) as f64 / MODULUS as f64).round() as i64);
        let time = time + turns * MODULUS;
        match self.told.map(|told| told - delay) {
            Some(told) if is_unknown || (told - time).abs() > NEAR => {
                self.is_told = true;
                told
            }
            _ => time,
        }
    }

    fn jump(&mut self, stamp: u64) -> Placed {
        let time = self.latest.saturating_add(STEP);
        self.offset = time - since(self.base.unwrap_or(stamp), stamp);
        (self.anchor, self.anchor_before) = (Some((stamp, time)), self.anchor);
        Placed { time, jumped: Some(self.offset) }
    }
}

/// The time of `stamp` by an anchor, if it fits to the one before it.
fn by((anchor, time): (u64, i64), stamp: u64, last_time: i64) -> Option<i64> {
    let time = time + distance(anchor, stamp);
    (-BACKWARD_MAX..=SKEW_MAX).contains(&(time - last_time)).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = CLOCK_RATE as i64;

    /// The times of stamps of two streams in turn, in seconds, and how often the clock jumped.
    fn times(clock: &mut Clock, stamps: &[(usize, u64)]) -> (Vec<i64>, usize) {
        let mut streams = [StreamClock::default(); 2];
        let placed: Vec<_> = stamps
            .iter()
            .map(|(stream, stamp)| clock.place(&mut streams[*stream], stamp * CLOCK_RATE as u64 % (1 << 33), 0))
            .collect();
        let times = placed.iter().map(|placed| (placed.time + SECOND / 2).div_euclid(SECOND)).collect();
        (times, placed.iter().filter(|placed| placed.jumped.is_some()).count())
    }

    #[test]
    fn time_goes_on_over_the_wrap_of_the_counter_again_and_again() {
        let turn = (1_u64 << 33) / 90_000;
        let base = (turn - 2) * 90_000;
        let mut clock = Clock::new(base, 0, None, FORWARD_MAX);
        let mut stream = StreamClock::default();
        for second in 0..3 * turn as i64 {
            if second % 7 == 0 {
                let stamp = (base + second as u64 * 90_000) % (1 << 33);
                assert_eq!(clock.place(&mut stream, stamp, 0), Placed { time: second * SECOND, jumped: None });
            }
        }
    }

    #[test]
    fn a_jump_is_closed_up_once_for_all_streams() {
        let mut clock = Clock::new(1000 * 90_000, 0, None, FORWARD_MAX);
        let stamps = [(0, 1000), (1, 1000), (0, 1005), (1, 1004), (0, 20), (1, 1005), (1, 20), (0, 25), (1, 24)];
        assert_eq!(times(&mut clock, &stamps), (vec![0, 0, 5, 4, 5, 5, 5, 10, 9], 1));
        let mut clock = Clock::new(1000 * 90_000, 0, None, FORWARD_MAX);
        let stamps = [(0, 1000), (1, 1001), (0, 9000), (1, 9000), (0, 9001), (0, 9011), (0, 500)];
        assert_eq!(times(&mut clock, &stamps), (vec![0, 1, 1, 1, 2, 12, 12], 2));
    }

    #[test]
    fn a_single_wrong_stamp_moves_nothing_but_itself() {
        let mut clock = Clock::new(1000 * 90_000, 0, None, FORWARD_MAX);
        let stamps = [(0, 1000), (1, 1000), (0, 1001), (0, 77), (0, 1002), (1, 1003), (0, 1003)];
        assert_eq!(times(&mut clock, &stamps).0, [0, 0, 1, 1, 2, 3, 3]);
    }

    #[test]
    fn reading_that_begins_behind_a_jump_or_a_wrap_gives_the_same_times() {
        let mut clock = Clock::new(1000 * 90_000, 985 * SECOND, Some(5 * SECOND), FORWARD_MAX);
        assert_eq!(times(&mut clock, &[(0, 20), (1, 20), (0, 25)]).0, [5, 5, 10]);
        let three_turns = 3 * MODULUS / SECOND;
        let mut clock = Clock::new(1000 * 90_000, 0, Some(3 * MODULUS), FORWARD_MAX);
        assert_eq!(times(&mut clock, &[(0, 1020), (1, 1019)]).0, [three_turns + 20, three_turns + 19]);
    }

    #[test]
    fn a_time_that_was_told_is_that_of_what_comes_first_unless_stamps_say_nearly_the_same() {
        for (offset, told, expected) in [
            (Some(985), 5, [5, 5, 10]),
            (Some(985), 6, [5, 5, 10]),
            (Some(985), 4000, [4000, 4000, 4005]),
            (None, 6, [6, 6, 11]),
            (Some(0), 4000, [4000, 4000, 4005]),
        ] {
            let offset = offset.map(|seconds| seconds * SECOND);
            let mut clock = Clock::told(1000 * 90_000, offset, told * SECOND);
            assert_eq!(times(&mut clock, &[(0, 20), (1, 20), (0, 25)]).0, expected, "{offset:?}, {told} s");
        }
        let mut clock = Clock::told(0, None, 100 * SECOND);
        assert_eq!(clock.place(&mut StreamClock::default(), 77, SECOND).time, 99 * SECOND, "what is shown at 100 s");
        let mut clock = Clock::told(0, None, 100 * SECOND);
        let stamps = [(0, 5000), (1, 20), (0, 20), (0, 21), (1, 21)];
        assert_eq!(times(&mut clock, &stamps), (vec![100, 100, 100, 101, 101], 1), "shortly before the clock is set");
    }

    #[test]
    fn what_is_a_little_earlier_than_the_first_stamp_has_a_negative_time() {
        let mut clock = Clock::new(10 * 90_000, 0, None, FORWARD_MAX);
        assert_eq!(times(&mut clock, &[(0, 8), (1, 10)]).0, [-2, 0]);
        assert_eq!(since(10, 9), -1);
        assert_eq!(distance(1, (1 << 33) - 1), -2);
    }
}
