//! From a time to the Cluster to begin looking in.
//!
//! Cues narrow it down where there are any. What they leave open is halved by byte position, looking at each middle
//! for the next Cluster and its Timestamp: some twelve looks in 10 GB, where stepping over every Cluster of a file
//! without Cues would cost thousands of reads all over the disk, and an index to keep. What has been found is
//! remembered for all viewers.

use std::collections::BTreeMap;

use super::cues::Cue;
use super::ebml::{Element, id};
use super::segment::{Segment, WINDOW_LEN};
use super::walker::{ClusterHead, find_cluster, find_last_cluster, resync_end};
use crate::media::Error;
use crate::media::io::Window;
use crate::sync::Leaf;

/// Below this distance, in bytes, Clusters are stepped over one by one.
const STEP_DISTANCE: u64 = 4 << 20;
/// Clusters remembered.
const REMEMBERED_COUNT_MAX: usize = 4096;
/// Elements stepped over in search of the last Cluster at or before a time.
const STEP_COUNT_MAX: usize = 1 << 20;
/// Cues in a row that are tried when the first points at no Cluster.
const CUE_TRY_COUNT_MAX: usize = 16;
/// How far from the end the last Cluster is looked for, in bytes.
const LAST_CLUSTER_DISTANCE_MAX: u64 = 64 << 20;

/// Finds Clusters by time.
#[derive(Debug, Default)]
pub struct Index {
    /// Position and Timestamp of Clusters that were found by halving.
    remembered: Leaf<BTreeMap<u64, i64>>,
}

impl Index {
    /// The last Cluster whose Timestamp is `ticks` or less and that begins before byte `below`; if all are later, the
    /// first one. `None` if there is none.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn locate(&self, segment: &Segment, ticks: i64, below: u64) -> Result<Option<ClusterHead>, Error> {
        let mut window = Window::new(segment.source.clone(), WINDOW_LEN);
        let below = below.min(segment.end);
        let Some(first) = ClusterHead::read(&mut window, segment.first_cluster)?.filter(|first| first.at < below)
        else {
            return Ok(None);
        };
        let (mut low, mut high) = bracket_by_cues(&mut window, segment, first, ticks, below)?;
        self.remembered.with(|remembered| {
            for (at, known_ticks) in remembered.range(low.at + 1..high) {
                if *known_ticks <= ticks {
                    low = ClusterHead { at: *at, end: None, ticks: *known_ticks };
                } else {
                    high = *at;
                    break;
                }
            }
        });
        while high.saturating_sub(low.at) > STEP_DISTANCE {
            let middle = low.at + (high - low.at) / 2;
            let Some(found) = find_cluster(&segment.source, middle, high)? else {
                high = middle;
                continue;
            };
            let Some(head) = ClusterHead::read(&mut window, found)? else { break };
            self.remember(head);
            if head.ticks <= ticks {
                low = head;
            } else {
                // Nothing begins between the middle and this one.
                high = middle;
            }
        }
        step(&mut window, segment, low, ticks, below).map(Some)
    }

    fn remember(&self, head: ClusterHead) {
        self.remembered.with(|remembered| {
            if remembered.len() < REMEMBERED_COUNT_MAX {
                remembered.insert(head.at, head.ticks);
            }
        });
    }
}

/// The Cluster of the last cue at or before `ticks`, and where that of the next one begins.
fn bracket_by_cues(
    window: &mut Window,
    segment: &Segment,
    first: ClusterHead,
    ticks: i64,
    below: u64,
) -> Result<(ClusterHead, u64), Error> {
    let split = segment.cues.partition_point(|cue| cue.ticks <= ticks);
    let (before, after) = segment.cues.split_at(split);
    let mut low = first;
    for cue in before.iter().rev().filter(|cue| cue.cluster < below).take(CUE_TRY_COUNT_MAX) {
        if let Some(head) = usable(window, cue, ticks)? {
            low = head;
            break;
        }
    }
    let mut high = below;
    if let Some(cue) = after.first().filter(|cue| cue.cluster > low.at && cue.cluster < below) {
        high = cue.cluster;
    }
    Ok((low, high))
}

/// What `cue` points at, if that is a Cluster of the time.
fn usable(window: &mut Window, cue: &Cue, ticks: i64) -> Result<Option<ClusterHead>, Error> {
    Ok(ClusterHead::read(window, cue.cluster)?.filter(|head| head.ticks <= ticks))
}

/// Steps from one Cluster to the next, up to the last at or before `ticks` that begins before byte `below`.
fn step(
    window: &mut Window,
    segment: &Segment,
    low: ClusterHead,
    ticks: i64,
    below: u64,
) -> Result<ClusterHead, Error> {
    let mut last = low;
    let mut at = low.at;
    let mut budget = STEP_COUNT_MAX;
    while let Some(head) = next_cluster(window, segment, at, below, &mut budget)? {
        if head.ticks > ticks {
            break;
        }
        last = head;
        at = head.at;
    }
    Ok(last)
}

/// The Cluster behind the one at byte `at`, before byte `below`; each element stepped over costs one of `budget`.
fn next_cluster(
    window: &mut Window,
    segment: &Segment,
    at: u64,
    below: u64,
    budget: &mut usize,
) -> Result<Option<ClusterHead>, Error> {
    let mut position = at;
    loop {
        if position >= below || *budget == 0 {
            return Ok(None);
        }
        *budget -= 1;
        let element = match Element::read(window, position) {
            Ok(element) => element,
            Err(error @ Error::Io { .. }) => return Err(error),
            Err(_) => break,
        };
        if element.id == id::CLUSTER && position > at {
            return match ClusterHead::read(window, position)? {
                Some(head) => Ok(Some(head)),
                None => break_out(window, segment, position, below),
            };
        }
        position = match element.end() {
            Some(end) if end <= segment.end => end,
            // Of unknown size: its blocks are stepped over.
            None if element.id == id::CLUSTER => element.data,
            _ => break,
        };
    }
    break_out(window, segment, position.max(at), below)
}

/// The next Cluster behind damage at byte `at`.
fn break_out(window: &mut Window, segment: &Segment, at: u64, below: u64) -> Result<Option<ClusterHead>, Error> {
    match find_cluster(&segment.source, at + 1, resync_end(at, below))? {
        Some(found) => ClusterHead::read(window, found),
        None => Ok(None),
    }
}

/// The last Cluster of the Segment that begins before byte `before`.
///
/// # Errors
/// [`Error::Io`].
pub fn last_cluster(segment: &Segment, before: u64) -> Result<Option<u64>, Error> {
    let from = before.saturating_sub(LAST_CLUSTER_DISTANCE_MAX).max(segment.first_cluster);
    if let Some(found) = find_last_cluster(&segment.source, from, before)? {
        return Ok(Some(found));
    }
    let last_cue = segment.cues.iter().map(|cue| cue.cluster).filter(|at| *at < before).max();
    Ok(Some(last_cue.unwrap_or(segment.first_cluster)).filter(|at| *at < before))
}
