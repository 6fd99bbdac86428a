//! Cues (RFC 9559 section 5.1.5): from a time to the Cluster to look in. Only a hint: a cue may be missing, wrong or
//! point at a picture that is no key frame, so whoever follows one checks what is there.

use super::ebml::{Child, Children, Element, id};
use crate::media::Error;
use crate::media::io::Source;

/// Cues kept; a day of one cue a second has 86,400.
const CUE_COUNT_MAX: usize = 1 << 20;
/// What is read of a Cues element, in bytes.
const CUES_LEN_MAX: usize = 64 << 20;
/// What is read of it at a time, in bytes.
const CHUNK_LEN: usize = 64 << 10;

/// Where a time is said to lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cue {
    /// In units of TimestampScale.
    pub ticks: i64,
    /// Where its Cluster begins, in bytes from the start of the file.
    pub cluster: u64,
}

/// Reads the `cues` element of a Segment whose data begin at `segment_data` and end at `segment_end`: sorted by time,
/// one cue for each Cluster, none that points out of the Segment. Damage ends the list, it is an index only.
///
/// # Errors
/// [`Error::Io`].
pub fn read(source: &Source, cues: &Element, segment_data: u64, segment_end: u64) -> Result<Vec<Cue>, Error> {
    let mut found = Vec::new();
    let end = cues.end().unwrap_or(segment_end).min(segment_end).min(cues.data.saturating_add(CUES_LEN_MAX as u64));
    let mut chunk = Vec::new();
    let mut at = cues.data;
    while at < end && found.len() < CUE_COUNT_MAX {
        let wanted = usize::try_from(end - at).unwrap_or(usize::MAX).min(CHUNK_LEN);
        chunk.resize(wanted, 0);
        let filled = source.read_at(&mut chunk, at, "Cues")?;
        let mut children = Children::new(&chunk[..filled], at);
        let begun = at;
        // An error means that a cue goes beyond the chunk: the next one begins with it.
        while let Ok(Some(child)) = children.next() {
            at = child.at + child.data.len() as u64;
            if child.id == id::CUE_POINT
                && let Some(cue) = cue(&child, segment_data, segment_end)
            {
                push(&mut found, cue);
            }
        }
        if at == begun {
            break;
        }
    }
    found.sort_by_key(|cue| (cue.ticks, cue.cluster));
    found.truncate(CUE_COUNT_MAX);
    found.shrink_to_fit();
    Ok(found)
}

/// Keeps `cue`, unless it points at the same Cluster as the one before and is no earlier.
fn push(found: &mut Vec<Cue>, cue: Cue) {
    match found.last_mut() {
        Some(last) if last.cluster == cue.cluster => last.ticks = last.ticks.min(cue.ticks),
        _ => found.push(cue),
    }
}

fn cue(point: &Child<'_>, segment_data: u64, segment_end: u64) -> Option<Cue> {
    let mut ticks = None;
    let mut cluster: Option<u64> = None;
    let mut children = point.children();
    while let Ok(Some(child)) = children.next() {
        match child.id {
            id::CUE_TIME => ticks = i64::try_from(child.uint()).ok(),
            id::CUE_TRACK_POSITIONS => {
                let mut positions = child.children();
                while let Ok(Some(position)) = positions.next() {
                    if position.id == id::CUE_CLUSTER_POSITION {
                        // Of several tracks, the Cluster that comes first.
                        cluster = Some(cluster.unwrap_or(u64::MAX).min(position.uint()));
                    }
                }
            }
            _ => {}
        }
    }
    let cluster = segment_data.checked_add(cluster?)?;
    (cluster < segment_end).then_some(Cue { ticks: ticks?, cluster })
}
