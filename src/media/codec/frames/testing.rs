//! What the tests of audio framers share.

use proptest::prelude::*;

use crate::media::Sample;
use crate::media::scan::{Chunk, Framer};
use crate::time::MediaTime;

/// What a framer gave.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// Where a sample began, its time in nanoseconds, and its bytes.
    Sample(u64, i64, Vec<u8>),
    /// Damage, in words.
    Damage(String),
}

/// All that `framer` finds in `bytes` from `from` on, pushed in chunks of `chunk_len`, the first sample being at
/// `start`.
pub fn found_from(framer: &mut dyn Framer, bytes: &[u8], from: u64, start: MediaTime, chunk_len: usize) -> Vec<Found> {
    framer.start(start);
    let mut found = Vec::new();
    let mut at = from;
    for chunk in bytes[from as usize..].chunks(chunk_len) {
        framer.push(Chunk { bytes: chunk, at, is_packet: false, stamp: None });
        at += chunk.len() as u64;
        drain(framer, &mut found);
    }
    framer.finish();
    drain(framer, &mut found);
    found
}

/// The same from the first byte and time 0 on, in one chunk.
pub fn found(framer: &mut dyn Framer, bytes: &[u8]) -> Vec<Found> {
    found_from(framer, bytes, 0, MediaTime::ZERO, bytes.len().max(1))
}

/// The bytes of the samples, and the damage.
pub fn samples_and_damage(found: Vec<Found>) -> (Vec<Vec<u8>>, Vec<String>) {
    let (mut samples, mut damage) = (Vec::new(), Vec::new());
    for item in found {
        match item {
            Found::Sample(_, _, bytes) => samples.push(bytes),
            Found::Damage(text) => damage.push(text),
        }
    }
    (samples, damage)
}

fn drain(framer: &mut dyn Framer, found: &mut Vec<Found>) {
    let mut sample = Sample::default();
    loop {
        sample.clear();
        match framer.pop(&mut sample) {
            Ok(Some(at)) => {
                assert!(sample.is_sync && sample.dts == sample.pts);
                found.push(Found::Sample(at, sample.pts.as_nanos(), sample.data.clone()));
            }
            Ok(None) => return,
            Err(error) => found.push(Found::Damage(error.to_string())),
        }
    }
}

/// Asserts that reading on from each sample gives the same again, as does any way of cutting `bytes` into chunks.
pub fn assert_same_from_everywhere(make: impl Fn() -> Box<dyn Framer>, bytes: &[u8]) {
    let all = found(&mut *make(), bytes);
    for chunk_len in [1, 7, 188, 1000] {
        assert_eq!(found_from(&mut *make(), bytes, 0, MediaTime::ZERO, chunk_len), all, "chunks of {chunk_len} bytes");
    }
    let mut places: Vec<(u64, i64)> = Vec::new();
    for (index, item) in all.iter().enumerate() {
        // Where several samples begin, the time is that of the first.
        let Found::Sample(at, time, _) = item else { continue };
        if places.last().is_some_and(|(last, _)| last == at) {
            continue;
        }
        places.push((*at, *time));
        let again = found_from(&mut *make(), bytes, *at, MediaTime::from_nanos(*time), bytes.len());
        assert_eq!(again, all[index..], "from byte {at}");
    }
}

/// A stream with some bytes changed, cut or inserted, in chunks of some length.
pub fn damaged(stream: Vec<u8>) -> impl Strategy<Value = (Vec<u8>, usize)> {
    let len = stream.len();
    let change = (0..len, any::<u8>(), 0..4_u8);
    (prop::collection::vec(change, 0..12), 1..2000_usize).prop_map(move |(changes, chunk_len)| {
        let mut bytes = stream.clone();
        for (at, value, kind) in changes {
            let at = at.min(bytes.len());
            match kind {
                0 => drop(bytes.splice(at..at, [value; 3])),
                1 => drop(bytes.drain(at..bytes.len().min(at + usize::from(value)))),
                2 => bytes.truncate(bytes.len().max(at + 1)),
                _ => bytes[at..].iter_mut().take(2).for_each(|byte| *byte ^= value),
            }
        }
        (bytes, chunk_len)
    })
}

/// Asserts that a framer ends, and gives each byte at most once.
pub fn assert_sane(framer: &mut dyn Framer, bytes: &[u8], chunk_len: usize) {
    let (samples, damage) = samples_and_damage(found_from(framer, bytes, 0, MediaTime::ZERO, chunk_len));
    let given: usize = samples.iter().map(Vec::len).sum();
    assert!(given <= bytes.len(), "{given} bytes out of {}", bytes.len());
    assert!(damage.len() <= bytes.len());
}
