//! What a scan has passed of late, to tell from where a file must be read for everything from some time on to come.

use std::collections::VecDeque;

use super::super::Sample;
use super::Entry;
use super::interleave::APART_MAX;
use crate::time::MediaTime;

/// How many places of a track are remembered at most.
const MARKS_MAX: usize = 512;

/// The places of the last samples of each track. Reading begins at those of the track that seeking goes by.
#[derive(Debug)]
pub struct Trail {
    begin: Entry,
    /// The track that seeking goes by.
    track: usize,
    tracks: Vec<Passed>,
}

/// What has been passed of one track.
#[derive(Debug)]
struct Passed {
    /// It goes on and on, so that its silence means that it has not been seen yet.
    is_steady: bool,
    marks: VecDeque<Mark>,
    /// Not all of its marks are left.
    is_trimmed: bool,
}

#[derive(Debug, Clone, Copy)]
struct Mark {
    entry: Entry,
    pts: MediaTime,
    dts: MediaTime,
}

impl Trail {
    /// Remembers places in a scan from `begin` of a recording that is sought by `track`; `are_steady` says of each track
    /// whether it goes on and on.
    pub fn new(track: usize, begin: Entry, are_steady: impl Iterator<Item = bool>) -> Self {
        let passed = |is_steady| Passed { is_steady, marks: VecDeque::new(), is_trimmed: false };
        Self { begin, track, tracks: are_steady.map(passed).collect() }
    }

    /// What has been passed: the sample, and where it can be read again.
    pub fn push(&mut self, sample: &Sample, entry: impl FnOnce() -> Entry) {
        if self.tracks.len() == 1 {
            // Nothing else could be lost, so no other place is asked for.
            self.tracks[0].marks.clear();
        }
        let passed = &mut self.tracks[sample.track];
        let is_old = |mark: &Mark| sample.dts - mark.dts > APART_MAX;
        while passed.marks.len() >= MARKS_MAX || passed.marks.len() > 1 && passed.marks.front().is_some_and(is_old) {
            passed.marks.pop_front();
            passed.is_trimmed = true;
        }
        passed.marks.push_back(Mark { entry: entry(), pts: sample.pts, dts: sample.dts });
    }

    /// The last place from which everything that is shown from `time` on can be read, as far as has been passed; and
    /// whether that is certain.
    ///
    /// Of each other track that is from the last sample on that is shown before `time`: what follows may begin in the
    /// middle of its packet.
    pub fn start_of(&self, time: MediaTime) -> (Entry, bool) {
        let begins_anywhere = self.begin.time.is_none();
        let (mut at, mut is_certain) = (u64::MAX, true);
        let others = self.tracks.iter().enumerate().filter(|(track, passed)| *track != self.track && passed.is_steady);
        for (_, passed) in others {
            match passed.marks.iter().rev().find(|mark| mark.pts < time) {
                Some(mark) => at = at.min(mark.entry.at),
                None if passed.is_trimmed => is_certain = false,
                None => {
                    at = self.begin.at;
                    is_certain &= !begins_anywhere;
                }
            }
        }
        let marks = &self.tracks[self.track];
        match marks.marks.iter().rev().find(|mark| mark.entry.at <= at) {
            Some(mark) => (mark.entry, is_certain),
            None if !marks.is_trimmed => (self.begin, is_certain && !begins_anywhere),
            None => (marks.marks.front().map_or(self.begin, |mark| mark.entry), false),
        }
    }
}
