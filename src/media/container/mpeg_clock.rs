//! The time stamps of MPEG systems (ISO/IEC 13818-1 section 2.4.3.7), 33 bits at 90 kHz, from all over a file: whether
//! its clock was ever set anew, and how far time has come where.

use std::ops::Range;

use crate::media::Error;

/// Ticks a second of PTS and DTS.
pub const CLOCK_RATE: u32 = 90_000;
/// Stamps count modulo this.
pub const MODULUS: i64 = 1 << 33;
/// Files up to this many bytes are looked at as a whole.
const WHOLE_LEN_MAX: u64 = 4 << 20;
/// Into how many parts larger files are divided, in each of which a stamp is looked for.
const PARTS: u64 = 16;
/// From part to part the place in it moves on by so many of [`PARTS`]: recordings of one length that were put together
/// would else be met at the same place each.
const STRIDE: u64 = 7;
/// How far for each stamp, in bytes, and how much of the end of a file is looked at as a whole.
const SEARCH_LEN: u64 = 512 << 10;
/// How far stamps may go back in a stream whose pictures are reordered, in ticks.
const BACKWARD_MAX: i64 = 2 * CLOCK_RATE as i64;

/// The signed distance of two stamps that is nearest to 0.
pub fn distance(from: u64, to: u64) -> i64 {
    let distance = (to as i64 - from as i64).rem_euclid(MODULUS);
    if distance >= MODULUS / 2 { distance - MODULUS } else { distance }
}

/// How time goes in a file, as far as some stamps tell.
#[derive(Debug)]
pub struct Probes {
    /// Bytes of the file, and the ticks from its first stamp to there.
    pub course: Vec<(u64, i64)>,
    /// The clock was set anew somewhere.
    pub has_jumps: bool,
    /// What is not seen as a jump forward, in ticks.
    pub forward_max: i64,
}

/// Looks at the stamps of one stream in the bytes `all` of a file; `base` is that of time 0. Between two stamps that
/// follow each other, more than `forward_max` ticks are a jump.
///
/// `find` appends up to so many stamps within a range of bytes, each with its place before it.
///
/// # Errors
/// Those of `find`.
pub fn probe(
    all: Range<u64>,
    base: u64,
    forward_max: i64,
    mut find: impl FnMut(Range<u64>, usize, &mut Vec<(u64, u64)>) -> Result<(), Error>,
) -> Result<Probes, Error> {
    let Range { start, end } = all;
    let len = end.saturating_sub(start);
    let mut stamps = Vec::new();
    let is_whole = len <= WHOLE_LEN_MAX;
    if is_whole {
        find(start..end, usize::MAX, &mut stamps)?;
    } else {
        for part in 0..PARTS {
            let at = start + len / PARTS * part + len / PARTS / PARTS * (part * STRIDE % PARTS);
            find(at..at + SEARCH_LEN, 1, &mut stamps)?;
        }
        find(end - SEARCH_LEN..end, usize::MAX, &mut stamps)?;
    }
    Ok(judge(&stamps, start, base, forward_max, is_whole))
}

fn judge(stamps: &[(u64, u64)], start: u64, base: u64, least: i64, is_whole: bool) -> Probes {
    let mut course = vec![(start, 0)];
    let (mut last, mut time) = (base, 0);
    let mut steps = Vec::new();
    for (at, stamp) in stamps {
        let step = distance(last, *stamp);
        (last, time) = (*stamp, time + step);
        course.push((*at, time));
        steps.push(step);
    }
    let backward = steps.iter().any(|step| *step < -BACKWARD_MAX);
    // Between two probes a gap may hide that is not longer than they are apart.
    let forward_max = if is_whole { least } else { least.saturating_add(4 * median_of_parts(&steps)) };
    let has_jumps = backward || steps.iter().any(|step| *step > forward_max);
    course.dedup_by_key(|(at, _)| *at / SEARCH_LEN);
    Probes { course, has_jumps, forward_max: if has_jumps { least } else { forward_max } }
}

fn median_of_parts(steps: &[i64]) -> i64 {
    let mut parts: Vec<_> = steps.iter().take(PARTS as usize).copied().collect();
    parts.sort_unstable();
    parts.get(parts.len() / 2).copied().unwrap_or_default().max(0)
}

impl Probes {
    /// Average bits a second.
    pub fn bitrate(&self) -> Option<u32> {
        let ((from, begun), (to, ended)) = (self.course.first()?, self.course.last()?);
        let seconds = (ended - begun) as f64 / f64::from(CLOCK_RATE);
        (seconds > 0.2 && !self.has_jumps).then(|| ((to - from) as f64 * 8.0 / seconds) as u32)
    }

    /// About how many ticks after the first stamp byte `at` is.
    pub fn time_at(&self, at: u64) -> i64 {
        let next = self.course.partition_point(|(place, _)| *place <= at).clamp(1, self.course.len().max(2) - 1);
        let (Some((from, begun)), Some((to, ended))) = (self.course.get(next - 1), self.course.get(next)) else {
            return 0;
        };
        let share = (at as f64 - *from as f64) / to.saturating_sub(*from).max(1) as f64;
        begun + ((ended - begun) as f64 * share) as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = CLOCK_RATE as i64;

    fn stamps(seconds: &[i64]) -> Vec<(u64, u64)> {
        let stamp = |(index, second): (usize, &i64)| ((index as u64 + 1) << 20, (second * SECOND) as u64 % (1 << 33));
        seconds.iter().enumerate().map(stamp).collect()
    }

    #[test]
    fn jumps_are_told_from_the_wrap_of_the_counter_and_from_changes_of_the_bit_rate() {
        for (what, seconds, is_whole, has_jumps) in [
            ("even", vec![0, 60, 120, 180], false, false),
            ("over the wrap", vec![95_000, 95_400, 95_800, 96_200], false, false),
            ("back", vec![0, 60, 120, 20], false, true),
            ("far ahead", vec![0, 60, 120, 9000, 9060], false, true),
            ("a quiet night", vec![0, 60, 120, 300, 360], false, false),
            ("20 s missing", vec![0, 1, 21, 22], true, true),
        ] {
            let stamps = stamps(&seconds);
            let probes = judge(&stamps, 0, stamps[0].1, 10 * SECOND, is_whole);
            assert_eq!(probes.has_jumps, has_jumps, "{what}: {probes:?}");
        }
    }

    #[test]
    fn the_course_of_time_tells_about_when_a_byte_is() {
        let stamps = stamps(&[0, 60, 120, 1120]);
        let probes = judge(&stamps, 0, 0, 10 * SECOND, false);
        for (megabytes, seconds) in [(1, 0), (2, 60), (3, 120), (4, 1120), (5, 2120)] {
            assert_eq!(probes.time_at(megabytes << 20), seconds * SECOND, "{megabytes} MB");
        }
        assert_eq!(judge(&[], 0, 0, 10 * SECOND, true).time_at(1000), 0);
    }

    #[test]
    fn recordings_of_one_length_put_together_are_told_from_one_however_many_they_are() {
        const LEN: u64 = 1 << 30;
        for count in [1, 2, 3, 4, 8, 15, 16, 17, 32, 100] {
            let piece = LEN / count;
            // 100 kB a second.
            let stamp = |at: u64| (at % piece) * 9 / 10;
            let find = |range: Range<u64>, count: usize, stamps: &mut Vec<(u64, u64)>| {
                stamps.extend(range.step_by(64 << 10).take(count).map(|at| (at, stamp(at))));
                Ok(())
            };
            let probes = probe(0..LEN, 0, 10 * SECOND, find).unwrap();
            assert_eq!(probes.has_jumps, count > 1, "{count}: {probes:?}");
        }
    }

    #[test]
    fn the_distance_of_stamps_is_that_on_the_shorter_way() {
        assert_eq!((distance(1, (1 << 33) - 1), distance((1 << 33) - 1, 1), distance(5, 9)), (-2, 2, 4));
    }
}
