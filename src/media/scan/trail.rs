//! What a scan has passed of late, to tell from where a file must be read for everything from some time on to come.

use std::collections::VecDeque;

use super::super::Sample;
use super::Entry;
use super::interleave::APART_MAX;
use crate::time::MediaTime;

/// How many places are remembered at most.
const MARKS_MAX: usize = 512;

/// The places of the last samples of the track that seeking goes by, and how far the other tracks had come by then.
#[derive(Debug)]
pub struct Trail {
    track: usize,
    /// Never empty.
    marks: VecDeque<Mark>,
    /// The latest presentation time of any other track.
    others: Option<MediaTime>,
    /// Which of the other tracks that matter have not been heard yet.
    unheard: Vec<bool>,
}

#[derive(Debug)]
struct Mark {
    entry: Entry,
    /// Of the sample that begins there, or of the first one from where the scan began.
    dts: Option<MediaTime>,
    /// The latest presentation time of other tracks before this place.
    others: Option<MediaTime>,
    /// Nothing before this place is shown later than that.
    is_proven: bool,
}

impl Trail {
    /// Remembers places of `track` in a scan from `begin`. `matters` says of each track whether it goes on and on, so
    /// that its silence means that it has not been seen yet. Where the scan begins at a place with a time, nothing
    /// before it matters.
    pub fn new(track: usize, begin: Entry, matters: impl Iterator<Item = bool>) -> Self {
        let is_proven = begin.time.is_some();
        let unheard = matters.enumerate().map(|(other, matters)| !is_proven && other != track && matters).collect();
        let first = Mark { entry: begin, dts: None, others: None, is_proven };
        Self { track, marks: VecDeque::from([first]), others: None, unheard }
    }

    /// What has been passed: the sample, and where it can be read again.
    pub fn push(&mut self, sample: &Sample, entry: impl FnOnce() -> Entry) {
        if sample.track != self.track {
            self.others = self.others.max(Some(sample.pts));
            if let Some(unheard) = self.unheard.get_mut(sample.track) {
                *unheard = false;
            }
            return;
        }
        self.marks[0].dts.get_or_insert(sample.dts);
        let is_old = |mark: &Mark| mark.dts.is_some_and(|dts| sample.dts - dts > APART_MAX);
        while self.marks.len() >= MARKS_MAX || self.marks.len() > 1 && self.marks.front().is_some_and(is_old) {
            self.marks.pop_front();
        }
        let is_proven = !self.unheard.contains(&true);
        self.marks.push_back(Mark { entry: entry(), dts: Some(sample.dts), others: self.others, is_proven });
    }

    /// The last place from which everything that is shown from `time` on can be read, as far as has been passed; and
    /// whether that is certain.
    pub fn start_of(&self, time: MediaTime) -> (Entry, bool) {
        let is_before = |mark: &&Mark| mark.others.is_none_or(|others| others < time);
        match self.marks.iter().rev().find(is_before) {
            Some(mark) => (mark.entry, mark.is_proven),
            None => (self.marks[0].entry, false),
        }
    }
}
