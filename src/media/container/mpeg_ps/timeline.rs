//! Time stamps of 33 bits into the time of the recording: over the turn of the counter, and over jumps.
//!
//! A recorder that restarts leaves a jump; so does a disc between its cells, and whoever puts files one behind the
//! other. Where the stamps of a stream jump back, or ahead by more than a minute, the recording goes on right behind
//! what came before. The streams do not jump at the same byte, so each is known to be in one stretch or another.

use std::collections::BTreeMap;

use super::pes::RawStamp;
use super::streams::StreamKey;
use crate::media::scan::Stamp;
use crate::time::MediaTime;

pub use crate::media::container::mpeg_clock::CLOCK_RATE as RATE;
use crate::media::container::mpeg_clock::{MODULUS as TURN, distance};

/// How far stamps of one stream go back in a stretch, in ticks: times of presentation do, by some pictures.
const STREAM_BACK_MAX: i64 = RATE as i64 / 2;
/// How far one stream is behind another in a stretch, in ticks: 10 s.
const BACK_MAX: i64 = 10 * RATE as i64;
/// How far stamps go ahead: a minute. A recorder that waits for motion may leave out some.
pub const AHEAD_MAX: i64 = 60 * RATE as i64;
/// How long the last picture of a stretch is taken to last, in ticks.
const PICTURE: i64 = RATE as i64 / 25;
/// How far the first stamp may be from the time that is told for it: a second, if that is of an earlier sample (ISO/IEC
/// 13818-1 section 2.7.4 wants one every 0.7 s).
const NEAR: i64 = RATE as i64;

/// The timeline of one reader.
#[derive(Debug, Clone)]
pub struct Timeline {
    /// The stamp of time 0.
    base: u64,
    /// How many stretches have begun.
    count: usize,
    /// The present one.
    stretch: Option<Stretch>,
    streams: BTreeMap<StreamKey, Stretch>,
    /// The latest time so far, in ticks.
    end: i64,
}

/// A stamp and its time, which those that follow in a stretch are compared with.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    number: usize,
    raw: u64,
    ticks: i64,
}

impl Stretch {
    fn to(self, raw: u64) -> Self {
        Self { raw, ticks: self.ticks + distance(self.raw, raw), ..self }
    }
}

impl Timeline {
    /// Takes stamps as they are: in the turn of the counter that begins at the stamp `base`, which has time 0.
    pub fn new(base: u64) -> Self {
        Self { base, count: 0, stretch: None, streams: BTreeMap::new(), end: i64::MIN }
    }

    /// Begins at the stamp `raw`, which belongs to `time` or to a little later.
    pub fn at(base: u64, raw: u64, time: MediaTime) -> Self {
        let (plain, wanted) = (distance(base, raw), time.to_ticks(RATE));
        let turns = (wanted - plain + TURN / 2).div_euclid(TURN);
        let in_turn = plain + turns * TURN;
        // Behind a jump, times are not a matter of turns.
        let ticks = if (in_turn - wanted).abs() <= NEAR { in_turn } else { wanted };
        let stretch = Some(Stretch { number: 0, raw, ticks });
        Self { base, count: 1, stretch, streams: BTreeMap::new(), end: ticks }
    }

    /// The times of a stamp of stream `key`. Stamps are to be given in the order of the file.
    pub fn stamp(&mut self, key: StreamKey, raw: RawStamp) -> Stamp {
        let lead = raw.dts.map(|dts| distance(dts, raw.pts)).filter(|lead| (0..=BACK_MAX).contains(lead));
        let dts = raw.pts.wrapping_sub(lead.unwrap_or(0) as u64) % (1 << 33);
        let ticks = self.ticks_of(key, dts);
        let pts = ticks + lead.unwrap_or(0);
        self.end = self.end.max(pts);
        let time = |ticks| MediaTime::from_ticks(ticks, RATE);
        Stamp { pts: time(pts), dts: lead.map(|_| time(ticks)) }
    }

    fn ticks_of(&mut self, key: StreamKey, raw: u64) -> i64 {
        let continues = |stretch: &Stretch, back_max: i64| {
            (-back_max..=AHEAD_MAX).contains(&distance(stretch.raw, raw)).then(|| stretch.to(raw))
        };
        let own = self.streams.get(&key);
        // What jumps back within its stretch has left it.
        let present = self.stretch.filter(|stretch| own.is_none_or(|own| own.number != stretch.number));
        let found = own
            .and_then(|own| continues(own, STREAM_BACK_MAX))
            .or_else(|| present.and_then(|stretch| continues(&stretch, BACK_MAX)));
        let stretch = found.unwrap_or_else(|| self.begin(raw));
        if self.stretch.is_none_or(|present| present.number <= stretch.number) {
            self.stretch = Some(stretch);
        }
        self.streams.insert(key, stretch);
        stretch.ticks
    }

    fn begin(&mut self, raw: u64) -> Stretch {
        let as_it_is = (raw.wrapping_sub(self.base) as i64 + BACK_MAX).rem_euclid(TURN) - BACK_MAX;
        let ticks = if self.count == 0 { as_it_is } else { self.end + PICTURE };
        self.count += 1;
        Stretch { number: self.count, raw, ticks }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = RATE as u64;
    const VIDEO: StreamKey = StreamKey { stream_id: 0xe0, substream: 0 };
    const AUDIO: StreamKey = StreamKey { stream_id: 0xc0, substream: 0 };

    fn times(timeline: &mut Timeline, stamps: &[(StreamKey, u64)]) -> Vec<i64> {
        let mut millis = |key, pts| timeline.stamp(key, RawStamp { pts, dts: None }).pts.as_nanos() / 1_000_000;
        stamps.iter().map(|(key, pts)| millis(*key, *pts)).collect()
    }

    #[test]
    fn the_counter_turns_without_a_jump() {
        let last = (1 << 33) - SECOND;
        let stamps =
            [(VIDEO, last), (VIDEO, last + SECOND / 2), (VIDEO, 0), (AUDIO, last + SECOND / 4), (VIDEO, SECOND)];
        assert_eq!(times(&mut Timeline::new(last), &stamps), [0, 500, 1000, 250, 2000]);
    }

    #[test]
    fn a_jump_goes_on_behind_what_came_before_for_all_streams() {
        let here = 1000 * SECOND;
        // Back by a second and by far, and ahead.
        for there in [here, 0, 5000 * SECOND] {
            let stamps = [
                (VIDEO, here),
                (AUDIO, here),
                (VIDEO, here + SECOND),
                (VIDEO, there),
                (AUDIO, here + SECOND * 7 / 8),
                (VIDEO, there + SECOND / 2),
                (AUDIO, there),
                (VIDEO, there + SECOND),
                (AUDIO, there + SECOND),
            ];
            let expected = [0, 0, 1000, 1040, 875, 1540, 1040, 2040, 2040];
            assert_eq!(times(&mut Timeline::new(here), &stamps), expected, "jump to {there}");
        }
    }

    #[test]
    fn a_pause_of_half_a_minute_is_one() {
        let stamps = [(VIDEO, 0), (VIDEO, SECOND), (VIDEO, 31 * SECOND), (AUDIO, 30 * SECOND)];
        assert_eq!(times(&mut Timeline::new(0), &stamps), [0, 1000, 31_000, 30_000]);
    }

    #[test]
    fn without_a_time_stamps_are_taken_as_they_are() {
        for (first, expected) in [(100 * SECOND, 0), (99 * SECOND, -1000), (50_000 * SECOND, 49_900_000)] {
            assert_eq!(times(&mut Timeline::new(100 * SECOND), &[(VIDEO, first)]), [expected]);
        }
    }

    #[test]
    fn an_entry_tells_the_turn_of_the_counter_or_the_stretch() {
        let day = MediaTime::from_millis(86_400_000 + 3);
        let raw = 86_400 * SECOND;
        let stamps = [(VIDEO, raw), (AUDIO, raw - SECOND), (VIDEO, raw + SECOND)];
        assert_eq!(times(&mut Timeline::at(0, raw, day), &stamps), [86_400_000, 86_399_000, 86_401_000]);
        // 26.5 hours make a turn.
        let later = MediaTime::from_millis(200_000_000);
        let raw = 200_000 * SECOND % (1 << 33);
        assert_eq!(times(&mut Timeline::at(0, raw, later), &[(VIDEO, raw)]), [200_000_000]);
        let stamps = [(VIDEO, 7), (VIDEO, 7 + SECOND)];
        assert_eq!(times(&mut Timeline::at(0, 7, later), &stamps), [200_000_000, 200_001_000]);
    }

    #[test]
    fn decode_times_are_before_presentation_or_not_believed() {
        let mut timeline = Timeline::new(0);
        let dts = |timeline: &mut Timeline, pts, dts| timeline.stamp(VIDEO, RawStamp { pts, dts: Some(dts) }).dts;
        assert_eq!(dts(&mut timeline, 9000, 1800), Some(MediaTime::from_millis(20)));
        assert_eq!(dts(&mut timeline, 0, (1 << 33) - 9000), Some(MediaTime::from_millis(-100)));
        assert_eq!(dts(&mut timeline, 9000, 18_000), None);
    }
}
