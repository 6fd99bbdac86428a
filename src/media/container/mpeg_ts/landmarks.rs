//! Where in a file clocks were set anew and streams moved, as far as readers have met it: what must be known to read on
//! from a place behind.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::sync::Leaf;

/// How many are remembered.
const LANDMARKS_MAX: usize = 4096;

/// What changes from some byte of the file on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Landmark {
    /// The byte.
    pub at: u64,
    /// How many ticks have been closed up before.
    pub offset: i64,
    /// Where each stream is.
    pub pids: Vec<u16>,
}

/// Sorted by place.
#[derive(Debug, Default)]
pub struct Landmarks {
    all: Leaf<Vec<Landmark>>,
    /// The byte up to which they are known.
    reach: AtomicU64,
}

impl Landmarks {
    /// The last one at or before byte `at`.
    pub fn before(&self, at: u64) -> Option<Landmark> {
        self.all.with(|all| {
            let passed = all.partition_point(|landmark| landmark.at <= at);
            passed.checked_sub(1).and_then(|last| all.get(last).cloned())
        })
    }

    /// Whether all that come before byte `at` are known.
    pub fn reach(&self, at: u64) -> bool {
        at <= self.reach.load(Ordering::Acquire)
    }

    /// Adds what a reader met up to byte `until` who knew what was before.
    pub fn add(&self, found: Vec<Landmark>, until: u64) {
        self.insert(found);
        self.reach.fetch_max(until, Ordering::Release);
    }

    fn insert(&self, found: Vec<Landmark>) {
        if found.is_empty() {
            return;
        }
        self.all.with(|all| {
            for landmark in found {
                let place = all.partition_point(|known| known.at < landmark.at);
                let is_new = all.get(place).is_none_or(|known| known.at != landmark.at);
                if is_new && all.len() < LANDMARKS_MAX {
                    all.insert(place, landmark);
                }
            }
        });
    }
}
