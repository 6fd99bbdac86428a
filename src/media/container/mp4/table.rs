//! The sample table `stbl` (ISO/IEC 14496-12 section 8.5 to 8.7): where each sample lies, when it is due, and whether
//! decoding can start there. The tables stay in the file, whatever their size; what a viewer holds is in
//! [`TableCursor`], what all viewers share are the checkpoints of [`RunTable`].

mod cursor;

pub use self::cursor::TableCursor;
use super::boxes::{BoxAt, version_and_flags};
use super::movie::Tables;
use super::runs::{Entries, Key, Run, RunKind, RunTable};
use crate::media::Error;
use crate::media::bits::ByteReader;
use crate::media::io::{Source, Window};
use crate::sync::Leaf;

/// Samples from one known sum of sizes to the next.
const SUM_STEP: u64 = 4096;

/// Bytes read at once to add up sizes.
const SCAN_LEN: usize = 16 << 10;

/// Entries of a table that are looked at when the file is opened.
const OPEN_ENTRIES_MAX: u32 = 65_536;

/// Bytes of PCM that are found at once, before they are divided into samples.
const PCM_RUN_LEN_MAX: u64 = 1 << 20;

/// Samples that decode order and presentation order may be apart when a time is sought.
const REORDER_MAX: u64 = 64;

/// Samples that are looked at one after the other when a time is sought and composition offsets are far from sane.
const SEEK_STEPS_MAX: usize = 4096;

/// The sample table of a track.
#[derive(Debug)]
pub struct SampleTable {
    /// Samples of the track.
    pub count: u64,
    /// Those that the file holds: fewer when it is cut off. Seeking and durations go by this.
    pub playable: u64,
    times: RunTable,
    compositions: Option<RunTable>,
    chunks: RunTable,
    offsets: Entries,
    offset_len: u64,
    sizes: Sizes,
    /// `None`: every sample is a sync sample.
    syncs: Option<Entries>,
    /// Those of `stps`, at which decoding can start as well.
    partial_syncs: Entries,
    /// Sums of the sizes of the first 0, [`SUM_STEP`], twice that ... samples, as far as they are known.
    sums: Leaf<Vec<u64>>,
    /// Bytes of a frame, where each sample is one PCM frame.
    frame_len: Option<u32>,
}

#[derive(Debug, Clone, Copy)]
enum Sizes {
    /// All have the same.
    Fixed(u32),
    /// One entry of so many bits for each (`stz2` has 4, 8 and 16).
    Each { entries: Entries, bits: u8 },
}

impl SampleTable {
    /// A table of no samples.
    pub fn empty() -> Self {
        Self {
            count: 0,
            playable: 0,
            times: RunTable::empty(RunKind::TimeToSample),
            compositions: None,
            chunks: RunTable::empty(RunKind::SampleToChunk { chunk_count: 0 }),
            offsets: Entries::default(),
            offset_len: 4,
            sizes: Sizes::Fixed(0),
            syncs: None,
            partial_syncs: Entries::default(),
            sums: Leaf::new(vec![0]),
            frame_len: None,
        }
    }

    /// The table whose boxes are `tables`, in the `trak` at byte `at`.
    ///
    /// # Errors
    /// When one that is needed is missing, or ends before its count.
    pub fn read(window: &mut Window, tables: &Tables, at: u64) -> Result<Self, Error> {
        let Some(stsz) = &tables.stsz else { return Ok(Self::empty()) };
        let (sizes, count) = read_sizes(window, stsz)?;
        if count == 0 {
            return Ok(Self::empty());
        }
        let missing = |name: &str| Error::malformed(format!("sample table without {name}"), at);
        let stts = tables.stts.as_ref().ok_or_else(|| missing("stts"))?;
        let stsc = tables.stsc.as_ref().ok_or_else(|| missing("stsc"))?;
        let stco = tables.stco.as_ref().ok_or_else(|| missing("stco"))?;
        let times = RunTable::read(window, stts, RunKind::TimeToSample)?;
        if times.entries.count == 0 {
            return Err(Error::malformed("stts of no entries", stts.at));
        }
        let offset_len = if stco.kind.0 == *b"co64" { 8 } else { 4 };
        let offsets = Entries::of(window, stco, offset_len, "chunk offset table")?;
        let chunks = RunTable::read(window, stsc, RunKind::SampleToChunk { chunk_count: offsets.count })?;
        let compositions = match &tables.ctts {
            Some(ctts) => Some(RunTable::read(window, ctts, RunKind::CompositionOffset)?),
            None => None,
        };
        let syncs = match &tables.stss {
            Some(stss) => Some(Entries::of(window, stss, 4, "stss")?),
            None => None,
        };
        let partial_syncs = match &tables.stps {
            Some(stps) => Entries::of(window, stps, 4, "stps")?,
            None => Entries::default(),
        };
        let sums = Leaf::new(vec![0]);
        Ok(Self {
            count,
            playable: count,
            times,
            compositions,
            chunks,
            offsets,
            offset_len,
            sizes,
            syncs,
            partial_syncs,
            sums,
            frame_len: None,
        })
    }

    /// Which of its tables are shorter than they say.
    pub fn lies(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let sizes = match self.sizes {
            Sizes::Fixed(_) => Entries::default(),
            Sizes::Each { entries, .. } => entries,
        };
        let compositions = self.compositions.as_ref().map(|table| table.entries).unwrap_or_default();
        let all = [
            ("stts", self.times.entries),
            ("ctts", compositions),
            ("stsc", self.chunks.entries),
            ("stsz", sizes),
            ("chunk offset table", self.offsets),
            ("stss", self.syncs.unwrap_or_default()),
            ("stps", self.partial_syncs),
        ];
        all.into_iter().filter(|(_, entries)| entries.count_lies).map(|(name, entries)| (name, entries.at))
    }

    /// Takes note that every sample is a sync sample, whatever `stss` says.
    pub fn ignore_syncs(&mut self) {
        self.syncs = None;
    }

    /// Takes note that the samples are PCM of `frame_len` bytes a frame. QuickTime has one sample for each frame then,
    /// and its size may be given as 1 whatever it is.
    ///
    /// # Errors
    /// When the sizes cannot be read.
    pub fn set_pcm(&mut self, source: &Source, frame_len: u32) -> Result<(), Error> {
        let len = match self.sizes {
            Sizes::Fixed(len) => len,
            Sizes::Each { .. } if self.count == 0 => return Ok(()),
            Sizes::Each { .. } => self.size(&mut Window::new(source.clone(), 16), 0)?,
        };
        if len <= frame_len {
            self.frame_len = Some(frame_len);
        }
        Ok(())
    }

    /// Finds out how many samples the file holds, which is `len` bytes long. Chunks are taken to lie in order.
    ///
    /// # Errors
    /// When the tables cannot be read.
    pub fn find_playable(&mut self, source: &Source, len: u64) -> Result<(), Error> {
        let Some(last) = self.count.checked_sub(1) else { return Ok(()) };
        let mut cursor = TableCursor::new(source);
        cursor.seek(last);
        if cursor.next(source, self)?.is_none_or(|found| found.end() <= len) {
            return Ok(());
        }
        let (mut low, mut high) = (0, u64::from(self.offsets.count));
        while low < high {
            let middle = low + (high - low) / 2;
            if cursor.offset(self, middle)? < len {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let cut_chunk = low.saturating_sub(1);
        let Some(run) = self.chunks.find(source, Key::Start(cut_chunk))? else { return Ok(()) };
        let first = run.first.saturating_add(cut_chunk.saturating_sub(run.start).saturating_mul(u64::from(run.value)));
        cursor.seek(first.min(last));
        while let Some(found) = cursor.next(source, self)? {
            if found.end() > len {
                let frames = self.frame_len.map_or(0, |frame_len| len.saturating_sub(found.at) / u64::from(frame_len));
                self.playable = cursor.before + frames;
                break;
            }
        }
        Ok(())
    }

    /// Ticks that the playable samples last together; `None` where finding out would take long.
    ///
    /// # Errors
    /// When `stts` cannot be read.
    pub fn media_duration(&self, source: &Source) -> Result<Option<u64>, Error> {
        let entries_max = if self.playable < self.count { u32::MAX } else { OPEN_ENTRIES_MAX };
        self.times.total(source, self.playable, entries_max)
    }

    /// When the sample behind the last would be decoded, in ticks.
    ///
    /// # Errors
    /// When `stts` cannot be read.
    pub fn end_dts(&self, source: &Source) -> Result<i64, Error> {
        let ticks = self.times.total(source, self.count, u32::MAX)?.unwrap_or(0);
        Ok(i64::try_from(ticks).unwrap_or(i64::MAX))
    }

    /// Bytes of the playable samples: exact for small tables, estimated from some of the sizes for large ones.
    ///
    /// # Errors
    /// When the sizes cannot be read.
    pub fn total_len(&self, source: &Source) -> Result<u64, Error> {
        const PROBES: u64 = 16;
        const PROBE_LEN: u64 = 1024;
        if self.is_fixed_size() || self.playable <= u64::from(OPEN_ENTRIES_MAX) {
            return self.len_between(source, 0, self.playable);
        }
        let mut total = 0;
        for probe in 0..PROBES {
            let from = (self.playable - PROBE_LEN) / (PROBES - 1) * probe;
            total += self.len_between(source, from, from + PROBE_LEN)?;
        }
        Ok((u128::from(total) * u128::from(self.playable) / u128::from(PROBES * PROBE_LEN)) as u64)
    }

    /// By how many ticks composition comes before decoding at most, as far as the start of the table shows.
    ///
    /// # Errors
    /// When `ctts` cannot be read.
    pub fn composition_lead(&self, window: &mut Window) -> Result<i64, Error> {
        const LOOK_AT_MAX: u32 = 4096;
        let Some(table) = &self.compositions else { return Ok(0) };
        let len = table.entries.count.min(LOOK_AT_MAX) as usize * 8;
        let bytes = window.bytes(table.entries.at, len, "ctts")?;
        let offsets = bytes.chunks_exact(8).map(|entry| i32::from_be_bytes([entry[4], entry[5], entry[6], entry[7]]));
        Ok(offsets.map(|offset| -i64::from(offset)).max().unwrap_or(0).max(0))
    }

    fn is_fixed_size(&self) -> bool {
        self.frame_len.is_some() || matches!(self.sizes, Sizes::Fixed(_))
    }

    fn size(&self, window: &mut Window, sample: u64) -> Result<u32, Error> {
        let (entries, bits) = match (self.frame_len, self.sizes) {
            (Some(len), _) | (None, Sizes::Fixed(len)) => return Ok(len),
            (None, Sizes::Each { entries, bits }) => (entries, u64::from(bits)),
        };
        let at = entries.at + sample * bits / 8;
        let bytes = window.bytes(at, bits.div_ceil(8) as usize, "stsz entry")?;
        Ok(match (bits, bytes) {
            (4, bytes) if sample.is_multiple_of(2) => u32::from(bytes[0] >> 4),
            (4, bytes) => u32::from(bytes[0] & 15),
            (_, bytes) => bytes.iter().fold(0, |size, byte| size << 8 | u32::from(*byte)),
        })
    }

    /// Bytes of the samples `from..to`.
    fn len_between(&self, source: &Source, from: u64, to: u64) -> Result<u64, Error> {
        if self.is_fixed_size() {
            let len = self.size(&mut Window::new(source.clone(), 0), 0)?;
            return Ok((to - from).saturating_mul(u64::from(len)));
        }
        if to - from <= SUM_STEP {
            return self.add_up(source, from, to);
        }
        Ok(self.len_before(source, to)?.saturating_sub(self.len_before(source, from)?))
    }

    /// Bytes of the samples before `sample`, by the sums, which are extended as needed.
    fn len_before(&self, source: &Source, sample: u64) -> Result<u64, Error> {
        let wanted = sample / SUM_STEP;
        let (mut known, mut sum) = self.sums.with(|sums| {
            let index = (sums.len() as u64 - 1).min(wanted);
            (index, sums[index as usize])
        });
        let mut learned = Vec::new();
        while known < wanted {
            sum += self.add_up(source, known * SUM_STEP, (known + 1) * SUM_STEP)?;
            known += 1;
            learned.push((known, sum));
        }
        self.sums.with(|sums| {
            for (index, sum) in learned {
                if index == sums.len() as u64 {
                    sums.push(sum);
                }
            }
        });
        Ok(sum + self.add_up(source, wanted * SUM_STEP, sample)?)
    }

    fn add_up(&self, source: &Source, from: u64, to: u64) -> Result<u64, Error> {
        let mut window = Window::new(source.clone(), SCAN_LEN.min(4 * (to - from) as usize));
        let mut sum = 0;
        for sample in from..to {
            sum += u64::from(self.size(&mut window, sample)?);
        }
        Ok(sum)
    }

    /// Number of the sync sample at index `entry` of `stss`, from 0.
    fn sync_sample(&self, window: &mut Window, syncs: Entries, entry: u32) -> Result<u64, Error> {
        let at = syncs.at + u64::from(entry) * 4;
        let number = ByteReader::new(window.bytes(at, 4, "stss entry")?, at, "stss entry").u32()?;
        Ok(u64::from(number.saturating_sub(1)))
    }

    /// How many entries of `stss` name samples at or before `sample`.
    fn syncs_up_to(&self, window: &mut Window, syncs: Entries, sample: u64) -> Result<u32, Error> {
        let (mut low, mut high) = (0, syncs.count);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.sync_sample(window, syncs, middle)? <= sample {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    /// The last sync sample at or before `sample`.
    fn sync_at_or_before(&self, window: &mut Window, sample: u64) -> Result<Option<u64>, Error> {
        let Some(syncs) = self.syncs else { return Ok(Some(sample)) };
        // A stss that names none would leave nowhere to start: the first sample must do.
        let mut last = (syncs.count == 0).then_some(0);
        for syncs in [syncs, self.partial_syncs] {
            if let Some(entry) = self.syncs_up_to(window, syncs, sample)?.checked_sub(1) {
                last = last.max(Some(self.sync_sample(window, syncs, entry)?));
            }
        }
        Ok(last)
    }

    /// The first sync sample behind `sample`.
    fn sync_after(&self, window: &mut Window, sample: u64) -> Result<Option<u64>, Error> {
        let Some(syncs) = self.syncs else { return Ok(Some(sample + 1).filter(|next| *next < self.playable)) };
        let mut next: Option<u64> = None;
        for syncs in [syncs, self.partial_syncs] {
            let entry = self.syncs_up_to(window, syncs, sample)?;
            if entry < syncs.count {
                let found = self.sync_sample(window, syncs, entry)?;
                next = Some(next.map_or(found, |next| next.min(found)));
            }
        }
        Ok(next.filter(|sample| *sample < self.playable))
    }

    /// The last sample decoded at or before `dts`, in ticks; the first where there is none.
    fn sample_at(&self, source: &Source, dts: i64) -> Result<u64, Error> {
        let dts = u64::try_from(dts).unwrap_or(0);
        let Some(run) = self.times.find(source, Key::Start(dts))? else { return Ok(0) };
        // Samples that last no time at all are decoded at once, the last of them last.
        let into = dts.saturating_sub(run.start).checked_div(u64::from(run.value)).unwrap_or(u64::MAX);
        let last = run.end().min(self.playable).saturating_sub(1);
        Ok(run.first.saturating_add(into).min(last))
    }

    /// When `sample` is to be shown, in ticks of the media.
    ///
    /// # Errors
    /// When the tables cannot be read.
    pub fn pts(&self, source: &Source, sample: u64) -> Result<i64, Error> {
        let Some(run) = self.times.find(source, Key::Sample(sample))? else { return Ok(0) };
        let offset = match &self.compositions {
            Some(table) => table.find(source, Key::Sample(sample))?.filter(|run| sample < run.end()),
            None => None,
        };
        Ok(dts_in(&run, sample).saturating_add(offset.map_or(0, |run| i64::from(run.value as i32))))
    }

    /// The last sync sample shown at or before `pts`, in ticks of the media, with its own time.
    /// `lead` is by how much composition may come before decoding.
    ///
    /// # Errors
    /// When the tables cannot be read.
    pub fn last_sync(&self, source: &Source, pts: i64, lead: i64) -> Result<Option<(u64, i64)>, Error> {
        let mut window = Window::new(source.clone(), 64);
        let mut sample = self.sample_at(source, pts.saturating_add(lead))?;
        for _ in 0..SEEK_STEPS_MAX {
            let Some(sync) = self.sync_at_or_before(&mut window, sample)? else { break };
            let sync_pts = self.pts(source, sync.min(self.count.saturating_sub(1)))?;
            if sync_pts <= pts && sync < self.playable {
                return Ok(Some((sync, sync_pts)));
            }
            match sync.min(sample).checked_sub(1) {
                Some(before) => sample = before,
                None => break,
            }
        }
        Ok(None)
    }

    /// The first sync sample shown at or after `pts`, in ticks of the media, with its own time.
    ///
    /// # Errors
    /// When the tables cannot be read.
    pub fn first_sync(&self, source: &Source, pts: i64, lead: i64) -> Result<Option<(u64, i64)>, Error> {
        let mut window = Window::new(source.clone(), 64);
        let mut next = match self.last_sync(source, pts, lead)? {
            Some((sync, sync_pts)) if sync_pts == pts => return Ok(Some((sync, sync_pts))),
            Some((sync, _)) => self.sync_after(&mut window, sync)?,
            None => self
                .sync_at_or_before(&mut window, 0)?
                .map_or_else(|| self.sync_after(&mut window, 0), |s| Ok(Some(s)))?,
        };
        for _ in 0..SEEK_STEPS_MAX {
            let Some(sync) = next else { break };
            let sync_pts = self.pts(source, sync)?;
            if sync_pts >= pts {
                return Ok(Some((sync, sync_pts)));
            }
            next = self.sync_after(&mut window, sync)?.filter(|after| *after > sync);
        }
        Ok(None)
    }

    /// The first sample in decoding order that is shown at or after `pts`; [`Self::count`] when there is none.
    ///
    /// # Errors
    /// When the tables cannot be read.
    pub fn first_sample(&self, source: &Source, pts: i64, lead: i64) -> Result<u64, Error> {
        let mut sample = self.sample_at(source, pts.saturating_add(lead))?;
        if self.compositions.is_some() {
            for _ in 0..SEEK_STEPS_MAX {
                sample = sample.saturating_sub(REORDER_MAX);
                if sample == 0 || self.pts(source, sample)? < pts {
                    break;
                }
            }
        }
        while sample < self.count && self.pts(source, sample)? < pts {
            sample += 1;
        }
        Ok(sample)
    }
}

/// Ticks that the samples of `run` before `sample` last, and all before it.
fn dts_in(run: &Run, sample: u64) -> i64 {
    let into = (sample - run.first).saturating_mul(u64::from(run.value));
    i64::try_from(run.start.saturating_add(into)).unwrap_or(i64::MAX)
}

/// Sizes and count of `stsz` or `stz2` (section 8.7.3).
fn read_sizes(window: &mut Window, found: &BoxAt) -> Result<(Sizes, u64), Error> {
    let len = found.body_len().min(12) as usize;
    let mut r = ByteReader::new(window.bytes(found.body, len, "stsz")?, found.body, "stsz");
    version_and_flags(&mut r)?;
    let (size, count) = (r.u32()?, r.u32()?);
    let bits = match (&found.kind.0, size) {
        (b"stsz", 0) => 32,
        (b"stsz", size) => return Ok((Sizes::Fixed(size), u64::from(count))),
        (_, size) => match size & 0xff {
            bits @ (4 | 8 | 16) => bits as u8,
            _ => return Err(Error::malformed("field size of stz2", found.body + 7)),
        },
    };
    let at = found.body + 12;
    let entries = match bits {
        4 => {
            let bytes = Entries::bounded(found, at, count.div_ceil(2), 1);
            Entries { at, count: count.min(bytes.count.saturating_mul(2)), count_lies: bytes.count_lies }
        }
        bits => Entries::bounded(found, at, count, u64::from(bits / 8)),
    };
    Ok((Sizes::Each { entries, bits }, u64::from(entries.count)))
}
