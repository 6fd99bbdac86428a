//! One viewer's place in a sample table.

use super::{PCM_RUN_LEN_MAX, SampleTable, dts_in};
use crate::media::Error;
use crate::media::container::mp4::runs::{Entries, RunCursor, WINDOW_LEN};
use crate::media::container::mp4::sample::Found;
use crate::media::io::{Source, Window};

/// One viewer's place in a [`SampleTable`]: some 3 KB of windows.
#[derive(Debug)]
pub struct TableCursor {
    /// The sample that comes next, from 0.
    sample: u64,
    /// The sample that came last.
    pub(super) before: u64,
    times: RunCursor,
    compositions: RunCursor,
    chunks: RunCursor,
    offsets: Window,
    sizes: Window,
    syncs: SyncCursor,
    partial_syncs: SyncCursor,
    /// The chunk of the sample before, and where that sample ends.
    behind: Option<(u64, u64)>,
}

impl TableCursor {
    /// At the first sample.
    pub fn new(source: &Source) -> Self {
        Self {
            sample: 0,
            before: 0,
            times: RunCursor::new(source),
            compositions: RunCursor::new(source),
            chunks: RunCursor::new(source),
            offsets: Window::new(source.clone(), WINDOW_LEN),
            sizes: Window::new(source.clone(), WINDOW_LEN),
            syncs: SyncCursor::new(source),
            partial_syncs: SyncCursor::new(source),
            behind: None,
        }
    }

    /// Goes to `sample`.
    pub fn seek(&mut self, sample: u64) {
        self.sample = sample;
        self.times.forget();
        self.compositions.forget();
        self.chunks.forget();
        self.syncs.next = None;
        self.partial_syncs.next = None;
        self.behind = None;
    }

    /// The next sample; `None` behind the last. PCM comes as the frames of a chunk together.
    ///
    /// # Errors
    /// When the tables cannot be read, or end too early. The cursor then stays where it is.
    pub fn next(&mut self, source: &Source, table: &SampleTable) -> Result<Option<Found>, Error> {
        let sample = self.sample;
        if sample >= table.count {
            return Ok(None);
        }
        let too_few = |what: &'static str, entries: &Entries| Error::truncated(what, entries.at);
        let chunks = self.chunks.at(source, &table.chunks, sample)?;
        let chunks = chunks.ok_or_else(|| too_few("stsc, with fewer samples than stsz,", &table.chunks.entries))?;
        let times = self.times.at(source, &table.times, sample)?;
        let times = times.ok_or_else(|| too_few("stts", &table.times.entries))?;
        let offset = match &table.compositions {
            Some(compositions) => self.compositions.at(source, compositions, sample)?,
            None => None,
        };
        let into = sample - chunks.first;
        let samples_per_chunk = u64::from(chunks.value.max(1));
        let (chunk, into_chunk) = (chunks.start + into / samples_per_chunk, into % samples_per_chunk);
        let at = match self.behind {
            Some((before, end)) if before == chunk => end,
            _ => self.place(source, table, chunk, sample, into_chunk)?,
        };
        let size = u64::from(table.size(&mut self.sizes, sample)?);
        let count = match table.frame_len {
            Some(_) => (samples_per_chunk - into_chunk)
                .min(times.end() - sample)
                .min(table.count - sample)
                .min((PCM_RUN_LEN_MAX / size.max(1)).max(1)),
            None => 1,
        };
        let len = size * count;
        let dts = dts_in(&times, sample);
        let is_sync = self.is_sync(table, sample)?;
        self.behind = Some((chunk, at.saturating_add(len)));
        self.before = sample;
        self.sample += count;
        Ok(Some(Found {
            at,
            len,
            dts,
            pts: dts.saturating_add(offset.map_or(0, |run| i64::from(run.value as i32))),
            duration: u64::from(times.value).saturating_mul(count),
            is_sync,
            description: chunks.description,
        }))
    }

    /// Where `sample` lies, which is `into_chunk` samples behind the start of `chunk`.
    fn place(
        &mut self,
        source: &Source,
        table: &SampleTable,
        chunk: u64,
        sample: u64,
        into_chunk: u64,
    ) -> Result<u64, Error> {
        let start = self.offset(table, chunk)?;
        let skipped = if into_chunk > 0 { table.len_between(source, sample - into_chunk, sample)? } else { 0 };
        Ok(start.saturating_add(skipped))
    }

    /// Where `chunk` begins, by the table of chunk offsets.
    pub(super) fn offset(&mut self, table: &SampleTable, chunk: u64) -> Result<u64, Error> {
        let at = table.offsets.at.saturating_add(chunk.saturating_mul(table.offset_len));
        if chunk >= u64::from(table.offsets.count) {
            return Err(Error::truncated("chunk offset table", at));
        }
        let bytes = self.offsets.bytes(at, table.offset_len as usize, "chunk offset")?;
        Ok(bytes.iter().fold(0_u64, |offset, byte| offset << 8 | u64::from(*byte)))
    }

    fn is_sync(&mut self, table: &SampleTable, sample: u64) -> Result<bool, Error> {
        let Some(syncs) = table.syncs else { return Ok(true) };
        if syncs.count == 0 && sample == 0 {
            return Ok(true);
        }
        let is_partial = self.partial_syncs.names(table, table.partial_syncs, sample)?;
        Ok(self.syncs.names(table, syncs, sample)? || is_partial)
    }
}

/// A place in `stss` or `stps`.
#[derive(Debug)]
struct SyncCursor {
    window: Window,
    /// The next entry, and its sample; `None` until it is looked for.
    next: Option<(u32, u64)>,
}

impl SyncCursor {
    fn new(source: &Source) -> Self {
        Self { window: Window::new(source.clone(), WINDOW_LEN / 4), next: None }
    }

    /// Whether an entry of `syncs` names `sample`, which is none before that of the last call.
    fn names(&mut self, table: &SampleTable, syncs: Entries, sample: u64) -> Result<bool, Error> {
        if syncs.count == 0 {
            return Ok(false);
        }
        let (mut entry, mut named) = match self.next {
            Some(next) => next,
            None => {
                let entry = table.syncs_up_to(&mut self.window, syncs, sample)?.saturating_sub(1);
                (entry, table.sync_sample(&mut self.window, syncs, entry)?)
            }
        };
        while named < sample && entry + 1 < syncs.count {
            entry += 1;
            named = table.sync_sample(&mut self.window, syncs, entry)?;
        }
        self.next = Some((entry, named));
        Ok(named == sample)
    }
}
