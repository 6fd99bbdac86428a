//! What a client got out of a stream, frame by frame, and the comparison of two such lists.

use std::fmt;

/// How far two clients may disagree about a time. RTP clocks round to 1/90000 s, Matroska to 1 ms.
const TOLERANCE_NANOS: i64 = 1_000_000;

/// One decoded picture, or one packet of sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Presentation time in nanoseconds, where the client knows it.
    pub pts: Option<i64>,
    /// Length in bytes, where the client tells it.
    pub len: Option<u64>,
    /// Its checksum in hexadecimal digits.
    pub hash: String,
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pts {
            Some(pts) => write!(f, "{:>10.3} ms {}", pts as f64 / 1e6, self.hash),
            None => write!(f, "{:>10} ms {}", "?", self.hash),
        }
    }
}

/// Everything a client got out of one recording.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Played {
    /// Decoded pictures in the order they are shown.
    pub video: Vec<Frame>,
    /// Coded packets of sound.
    pub audio: Vec<Frame>,
    /// Decoded sound, for codecs whose packets may be cut anywhere.
    pub pcm: Vec<u8>,
    /// What the client complained of. It counts only where something is missing.
    pub complaint: String,
}

impl Played {
    /// How much came, and what the client said.
    pub fn summary(&self) -> String {
        let (pictures, packets, bytes) = (self.video.len(), self.audio.len(), self.pcm.len());
        format!("{pictures} pictures, {packets} packets and {bytes} bytes of sound; it said:{}", self.complaint)
    }
}

/// Which times must agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// Every time, as counted from the start of the recording.
    Absolute,
    /// Every time, once so many nanoseconds are added to the file's.
    Shifted(i64),
    /// The distances between frames, for what has no time 0 of its own.
    Relative,
    /// None: what the client tells depends on when packets arrived.
    Unknown,
}

/// Whether `got` has the frames of `want`, all of them, in order, at the same times; else the first difference.
pub fn compare(what: &str, want: &[Frame], got: &[Frame], clock: Clock) -> Result<(), String> {
    let shift = match clock {
        Clock::Absolute | Clock::Unknown => 0,
        Clock::Shifted(shift) => shift,
        Clock::Relative => shift_of_first(want, got),
    };
    let same_time = |a: Option<i64>, b: Option<i64>| match (a, b) {
        (Some(a), Some(b)) if clock != Clock::Unknown => (a + shift - b).abs() <= TOLERANCE_NANOS,
        _ => true,
    };
    let same = |(a, b): (&Frame, &Frame)| a.hash == b.hash && same_time(a.pts, b.pts);
    match want.iter().zip(got).position(|pair| !same(pair)) {
        None if want.len() == got.len() => Ok(()),
        first => {
            let at = first.unwrap_or(want.len().min(got.len()));
            Err(format!(
                "{what} differs at frame {at} (file: {} frames, stream: {})\n{}",
                want.len(),
                got.len(),
                side_by_side(want, got, at)
            ))
        }
    }
}

/// How much later the first frame is in `got`, of those whose time is known in both.
pub fn shift_of_first(want: &[Frame], got: &[Frame]) -> i64 {
    want.iter().zip(got).find_map(|(a, b)| Some(b.pts? - a.pts?)).unwrap_or(0)
}

/// A few lines of both lists around `at`, the differing one marked.
fn side_by_side(want: &[Frame], got: &[Frame], at: usize) -> String {
    let line = |frames: &[Frame], index: usize| frames.get(index).map_or("-".to_owned(), ToString::to_string);
    (at.saturating_sub(2)..at + 3)
        .filter(|&index| index < want.len().max(got.len()) || index == at)
        .map(|index| {
            let mark = if index == at { '>' } else { ' ' };
            format!("  {mark} {index:>4}  file {:<48}  stream {}", line(want, index), line(got, index))
        })
        .collect::<Vec<_>>()
        .join("\n")
}

/// Whether the packets of a PCM stream start at `first` and follow each other without gap or overlap.
/// `byte_rate` is bytes a second.
pub fn check_continuous(packets: &[Frame], first: i64, byte_rate: u64) -> Result<(), String> {
    let mut bytes = 0;
    for (index, packet) in packets.iter().enumerate() {
        let due = first + i64::try_from(bytes * 1_000_000_000 / byte_rate).expect("a short clip");
        let (Some(pts), Some(len)) = (packet.pts, packet.len) else {
            return Err(format!("packet {index} of the sound has no time or no length"));
        };
        if (pts - due).abs() > TOLERANCE_NANOS {
            return Err(format!("packet {index} of the sound, {packet}, should come at {} ms", due as f64 / 1e6));
        }
        bytes += len;
    }
    Ok(())
}

/// Whether two runs of decoded sound are the same bytes; else where they part.
pub fn compare_pcm(want: &[u8], got: &[u8]) -> Result<(), String> {
    if want == got {
        return Ok(());
    }
    let at = want.iter().zip(got).position(|(a, b)| a != b).unwrap_or(want.len().min(got.len()));
    Err(format!("sound differs at byte {at} (file: {} bytes, stream: {})", want.len(), got.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(list: &[(i64, &str)]) -> Vec<Frame> {
        list.iter()
            .map(|&(ms, hash)| Frame { pts: Some(ms * 1_000_000), len: Some(160), hash: hash.to_owned() })
            .collect()
    }

    #[test]
    fn a_missing_a_swapped_and_a_late_frame_are_differences() {
        let want = frames(&[(0, "a"), (40, "b"), (80, "c")]);
        assert_eq!(compare("video", &want, &want, Clock::Absolute), Ok(()));
        for (got, at) in [
            (&[(0, "a"), (40, "b")][..], 2),
            (&[(0, "a"), (40, "b"), (80, "c"), (120, "d")], 3),
            (&[(40, "b"), (80, "c")], 0),
            (&[(0, "a"), (40, "c"), (80, "b")], 1),
            (&[(0, "a"), (40, "b"), (82, "c")], 2),
        ] {
            let told = compare("video", &want, &frames(got), Clock::Absolute).expect_err("a difference");
            assert!(told.starts_with(&format!("video differs at frame {at} ")), "{told}");
        }
    }

    #[test]
    fn a_relative_comparison_forgives_a_shift_of_all_and_nothing_else() {
        let want = frames(&[(0, "a"), (40, "b")]);
        let shifted = frames(&[(500, "a"), (540, "b")]);
        assert!(compare("video", &want, &shifted, Clock::Absolute).is_err());
        assert_eq!(compare("video", &want, &shifted, Clock::Relative), Ok(()));
    }

    #[test]
    fn a_hole_in_pcm_is_found() {
        assert_eq!(check_continuous(&frames(&[(0, "a"), (20, "b")]), 0, 8000), Ok(()));
        assert!(check_continuous(&frames(&[(0, "a"), (40, "b")]), 0, 8000).is_err());
        assert!(check_continuous(&frames(&[(20, "a"), (40, "b")]), 0, 8000).is_err());
    }
}
