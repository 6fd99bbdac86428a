//! Movie fragments (ISO/IEC 14496-12 section 8.8): one track's way through the `moof` boxes of a file, sample by
//! sample. Nothing is loaded but a small window; finding the fragment of a time is in `search`.

use super::boxes::{BoxAt, Boxes, version_and_flags};
use super::movie::Trex;
use super::sample::{Found, PCM_SAMPLES_PER_SECOND};
use super::stream::Stream;
use crate::media::Error;
use crate::media::bits::ByteReader;
use crate::media::io::Window;

/// Bytes of a file that are read at once on the way through its fragments: a usual `moof` of one second.
pub const WINDOW_LEN: usize = 1024;

// Flags of `tfhd` (section 8.8.7.1).
const BASE_DATA_OFFSET: u32 = 0x1;
const DESCRIPTION: u32 = 0x2;
const DEFAULT_DURATION: u32 = 0x8;
const DEFAULT_SIZE: u32 = 0x10;
const DEFAULT_FLAGS: u32 = 0x20;
const DEFAULT_BASE_IS_MOOF: u32 = 0x2_0000;

// Flags of `trun` (section 8.8.8.1).
const DATA_OFFSET: u32 = 0x1;
const FIRST_FLAGS: u32 = 0x4;
const SAMPLE_DURATION: u32 = 0x100;
const SAMPLE_SIZE: u32 = 0x200;
const SAMPLE_FLAGS: u32 = 0x400;
const SAMPLE_OFFSET: u32 = 0x800;

/// Flags of a sample (section 8.8.3.1): it says of itself that it is no sync sample, or that it depends on others.
const NON_SYNC: u32 = 0x1_0000 | 0x100_0000;

/// What [`FragmentCursor::next`] found.
#[derive(Debug)]
pub enum Step {
    /// A sample.
    Sample(Found),
    /// As many `moof` boxes as were allowed have been looked at, and the track was in none of them.
    NotYet,
    /// The end of the file.
    End,
}

/// One track's place among the fragments. Cheap to copy, so that a place can be kept and returned to.
#[derive(Debug, Clone)]
pub struct FragmentCursor {
    track_id: u32,
    all_sync: bool,
    /// Bytes of a frame of PCM, and how many samples of that size go together.
    joined: Option<(u32, u32)>,
    top: Boxes,
    moof: Option<BoxAt>,
    trafs: Boxes,
    /// The last `traf` of this `moof` that was come by.
    before: Option<Traf>,
    truns: Boxes,
    defaults: Trex,
    /// From where the data offsets of this `traf` count.
    base: u64,
    /// Where the data of the next sample begin.
    data: u64,
    run: SampleRun,
    /// When the next sample is decoded, in ticks, unless a `tfdt` says otherwise.
    dts: i64,
}

/// A `traf`, and what its samples are found by.
#[derive(Debug, Clone, Copy)]
struct Traf {
    found: BoxAt,
    track_id: u32,
    defaults: Trex,
    /// From where its data offsets count.
    base: u64,
}

/// What is left of a `trun`.
#[derive(Debug, Clone, Copy, Default)]
struct SampleRun {
    at: u64,
    left: u32,
    flags: u32,
    first_flags: Option<u32>,
    data_offset: Option<i32>,
    /// Where it begins, if it has room for fewer samples than it says.
    lies: Option<u64>,
}

impl SampleRun {
    fn entry_len(&self) -> usize {
        (self.flags & 0xf00).count_ones() as usize * 4
    }
}

impl FragmentCursor {
    /// A cursor for `stream` at the top-level box at byte `at`, with `dts` in ticks for samples in fragments without
    /// `tfdt`. Sound can start at every sample, whatever the flags say.
    pub fn new(stream: &Stream, trex: &[(u32, Trex)], at: u64, dts: i64) -> Self {
        let track_id = stream.id;
        Self {
            track_id,
            all_sync: !stream.is_video(),
            joined: stream.pcm().map(|(frame_len, rate)| (frame_len, rate / PCM_SAMPLES_PER_SECOND)),
            top: Boxes::to_end_of_file(at),
            moof: None,
            trafs: Boxes::default(),
            before: None,
            truns: Boxes::default(),
            defaults: trex_of(trex, track_id),
            base: 0,
            data: 0,
            run: SampleRun::default(),
            dts,
        }
    }

    /// Where it looks for the next `moof`.
    pub fn position(&self) -> u64 {
        self.top.position()
    }

    /// Goes on with the top-level box at byte `at`.
    pub fn resume_at(&mut self, at: u64) {
        self.leave_moof();
        self.top = Boxes::to_end_of_file(at);
    }

    /// The next sample of the track, looking into at most `moofs_max` further fragments.
    ///
    /// # Errors
    /// When a box is broken or cut off. What is behind the fragment that it is in can still be read, unless the error
    /// is in a box of the top level: then the end comes next.
    pub fn next(&mut self, window: &mut Window, trex: &[(u32, Trex)], moofs_max: u32) -> Result<Step, Error> {
        let mut moofs = 0;
        loop {
            let more = if self.run.left > 0 {
                self.next_sample(window).map(|found| found.map(Step::Sample))
            } else {
                self.next_run(window, trex).map(|found| (!found).then_some(Step::End))
            };
            match more {
                Ok(None) => {}
                Ok(Some(Step::End)) if moofs == moofs_max => return Ok(Step::NotYet),
                Ok(Some(Step::End)) => match self.next_moof(window)? {
                    true => moofs += 1,
                    false => return Ok(Step::End),
                },
                Ok(Some(step)) => return Ok(step),
                Err(error) => {
                    self.leave_moof();
                    return Err(error);
                }
            }
        }
    }

    fn leave_moof(&mut self) {
        self.trafs.finish();
        self.truns.finish();
        self.run.left = 0;
    }

    /// Goes on to the next `moof`; false at the end of the file.
    fn next_moof(&mut self, window: &mut Window) -> Result<bool, Error> {
        match next_moof(window, &mut self.top)? {
            None => Ok(false),
            Some(moof) => {
                self.moof = Some(moof);
                self.trafs = Boxes::within(&moof);
                self.before = None;
                Ok(true)
            }
        }
    }

    /// Goes on to the next `trun` of the track in this `moof`; false when there is none.
    fn next_run(&mut self, window: &mut Window, trex: &[(u32, Trex)]) -> Result<bool, Error> {
        if let Some(at) = self.run.lies.take() {
            return Err(Error::malformed("sample count of the trun", at));
        }
        let Some(moof) = self.moof else { return Ok(false) };
        loop {
            while let Some(found) = self.truns.next(window)? {
                match &found.kind.0 {
                    b"trun" => {
                        self.run = read_trun(window, &found)?;
                        if let Some(offset) = self.run.data_offset {
                            self.data = self.base.saturating_add_signed(i64::from(offset));
                        }
                        return Ok(true);
                    }
                    b"tfdt" => self.dts = read_tfdt(window, &found)?,
                    _ => {}
                }
            }
            let Some(found) = next_kind(window, &mut self.trafs, b"traf")? else { return Ok(false) };
            let traf = read_traf(window, &found, &moof, self.before.as_ref(), trex)?;
            if traf.track_id == self.track_id {
                self.truns = Boxes::within(&found);
                self.defaults = traf.defaults;
                (self.base, self.data) = (traf.base, traf.base);
            }
            self.before = Some(traf);
        }
    }

    fn next_sample(&mut self, window: &mut Window) -> Result<Option<Found>, Error> {
        let entry = self.next_entry(window)?;
        if entry.size == 0 && self.run.entry_len() == 0 {
            // All samples that are left are empty, and there may be 2^32 of them.
            let ticks = i64::from(entry.duration).saturating_mul(i64::from(self.run.left) + 1);
            self.dts = self.dts.saturating_add(ticks);
            self.run.left = 0;
            return Ok(None);
        }
        let (at, dts) = (self.data, self.dts);
        let (mut len, mut duration) = (u64::from(entry.size), u64::from(entry.duration));
        if let Some((frame_len, count_max)) = self.joined.filter(|(frame_len, _)| entry.size <= *frame_len) {
            let mut count = 1;
            while count < count_max && self.run.left > 0 && len == u64::from(frame_len) * u64::from(count) {
                let entry = self.next_entry(window)?;
                len += u64::from(entry.size);
                duration += u64::from(entry.duration);
                count += 1;
            }
        }
        self.data = at.saturating_add(len);
        self.dts = dts.saturating_add_unsigned(duration);
        Ok(Some(Found {
            at,
            len,
            dts,
            pts: dts.saturating_add(i64::from(entry.composition_offset)),
            duration,
            is_sync: self.all_sync || entry.flags & NON_SYNC == 0,
            description: self.defaults.description,
        }))
    }

    /// What the `trun` says of the next sample, which is then behind.
    fn next_entry(&mut self, window: &mut Window) -> Result<Entry, Error> {
        let entry = read_entry(window, &self.run, &self.defaults)?;
        self.run.left -= 1;
        self.run.at += self.run.entry_len() as u64;
        self.run.first_flags = None;
        Ok(entry)
    }
}

/// What is known of one sample of a `trun`.
#[derive(Debug, Clone, Copy)]
struct Entry {
    duration: u32,
    size: u32,
    flags: u32,
    composition_offset: i32,
}

fn read_entry(window: &mut Window, run: &SampleRun, defaults: &Trex) -> Result<Entry, Error> {
    let mut entry = Entry {
        duration: defaults.duration,
        size: defaults.size,
        flags: run.first_flags.unwrap_or(defaults.flags),
        composition_offset: 0,
    };
    let len = run.entry_len();
    if len > 0 {
        let mut r = ByteReader::new(window.bytes(run.at, len, "trun entry")?, run.at, "trun entry");
        if run.flags & SAMPLE_DURATION != 0 {
            entry.duration = r.u32()?;
        }
        if run.flags & SAMPLE_SIZE != 0 {
            entry.size = r.u32()?;
        }
        if run.flags & SAMPLE_FLAGS != 0 {
            let flags = r.u32()?;
            entry.flags = run.first_flags.unwrap_or(flags);
        }
        if run.flags & SAMPLE_OFFSET != 0 {
            entry.composition_offset = r.i32()?; // version 0 says unsigned, but writers put negative ones there too
        }
    }
    Ok(entry)
}

/// The next `moof` of the file.
///
/// # Errors
/// When the chain of boxes is broken; it has no next box then.
pub fn next_moof(window: &mut Window, top: &mut Boxes) -> Result<Option<BoxAt>, Error> {
    next_kind(window, top, b"moof")
}

fn next_kind(window: &mut Window, boxes: &mut Boxes, kind: &[u8; 4]) -> Result<Option<BoxAt>, Error> {
    while let Some(found) = boxes.next(window)? {
        if found.kind.0 == *kind {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The defaults of the track with id `track_id`.
fn trex_of(trex: &[(u32, Trex)], track_id: u32) -> Trex {
    let known = trex.iter().find(|(id, _)| *id == track_id).map(|(_, trex)| *trex);
    known.unwrap_or(Trex { description: 1, ..Trex::default() })
}

/// Reads the header of the `traf` at `found`; `before` is the one before it in the same `moof`.
fn read_traf(
    window: &mut Window,
    found: &BoxAt,
    moof: &BoxAt,
    before: Option<&Traf>,
    trex: &[(u32, Trex)],
) -> Result<Traf, Error> {
    let tfhd = next_kind(window, &mut Boxes::within(found), b"tfhd")?;
    let tfhd = tfhd.ok_or_else(|| Error::malformed("traf without tfhd", found.at))?;
    let len = tfhd.body_len().min(32) as usize;
    let mut r = ByteReader::new(window.bytes(tfhd.body, len, "tfhd")?, tfhd.body, "tfhd");
    let (_, flags) = version_and_flags(&mut r)?;
    let track_id = r.u32()?;
    let mut defaults = trex_of(trex, track_id);
    let base_data_offset = if flags & BASE_DATA_OFFSET != 0 { Some(r.u64()?) } else { None };
    for (flag, field) in [
        (DESCRIPTION, &mut defaults.description),
        (DEFAULT_DURATION, &mut defaults.duration),
        (DEFAULT_SIZE, &mut defaults.size),
        (DEFAULT_FLAGS, &mut defaults.flags),
    ] {
        if flags & flag != 0 {
            *field = r.u32()?;
        }
    }
    // Section 8.8.7.1. With no flag, data follow those of the `traf` before.
    let base = match (base_data_offset, before) {
        (Some(base), _) => base,
        (None, Some(before)) if flags & DEFAULT_BASE_IS_MOOF == 0 => end_of_data(window, before)?,
        (None, _) => moof.at,
    };
    Ok(Traf { found: *found, track_id, defaults, base })
}

/// Where the data of the samples of `traf` end.
fn end_of_data(window: &mut Window, traf: &Traf) -> Result<u64, Error> {
    let mut boxes = Boxes::within(&traf.found);
    let mut end = traf.base;
    while let Some(trun) = next_kind(window, &mut boxes, b"trun")? {
        let mut run = read_trun(window, &trun)?;
        if let Some(offset) = run.data_offset {
            end = traf.base.saturating_add_signed(i64::from(offset));
        }
        if run.flags & SAMPLE_SIZE == 0 {
            end = end.saturating_add(u64::from(run.left) * u64::from(traf.defaults.size));
            continue;
        }
        for _ in 0..run.left {
            end = end.saturating_add(u64::from(read_entry(window, &run, &traf.defaults)?.size));
            run.at += run.entry_len() as u64;
        }
    }
    Ok(end)
}

fn read_trun(window: &mut Window, trun: &BoxAt) -> Result<SampleRun, Error> {
    let len = trun.body_len().min(16) as usize;
    let mut r = ByteReader::new(window.bytes(trun.body, len, "trun")?, trun.body, "trun");
    let (_, flags) = version_and_flags(&mut r)?;
    let count = r.u32()?;
    let data_offset = if flags & DATA_OFFSET != 0 { Some(r.i32()?) } else { None };
    let first_flags = if flags & FIRST_FLAGS != 0 { Some(r.u32()?) } else { None };
    let mut run = SampleRun { at: r.at(), left: count, flags, first_flags, data_offset, lies: None };
    if run.entry_len() > 0 {
        let room = trun.end.saturating_sub(run.at) / run.entry_len() as u64;
        run.left = u64::from(count).min(room) as u32;
        run.lies = (run.left < count).then_some(trun.at);
    }
    Ok(run)
}

/// What [`fragment_times`] found of one `traf`.
#[derive(Debug, Clone, Copy)]
pub struct TrafTime {
    /// Whose samples they are.
    pub track_id: u32,
    /// When the first is decoded, in ticks, where there is a `tfdt`.
    pub start: Option<i64>,
    /// How long all last together, in ticks; looked for only where there is no `tfdt`.
    pub duration: u64,
}

/// When the samples of `moof` are decoded, by its `traf` boxes in turn, as far as it is whole.
///
/// # Errors
/// When a box is broken or cut off.
pub fn fragment_times(
    window: &mut Window,
    moof: &BoxAt,
    trex: &[(u32, Trex)],
    mut each: impl FnMut(TrafTime),
) -> Result<(), Error> {
    let mut trafs = Boxes::within(moof);
    while let Some(found) = next_kind(window, &mut trafs, b"traf")? {
        // The base of the data does not matter here: as if none came before.
        let traf = read_traf(window, &found, moof, None, trex)?;
        let (mut start, mut duration) = (None, 0_u64);
        let mut boxes = Boxes::within(&found);
        while let Some(child) = boxes.next(window)? {
            match &child.kind.0 {
                b"tfdt" => {
                    start = Some(read_tfdt(window, &child)?);
                    break; // it comes before every trun
                }
                b"trun" => duration = duration.saturating_add(run_duration(window, &child, &traf.defaults)?),
                _ => {}
            }
        }
        each(TrafTime { track_id: traf.track_id, start, duration });
    }
    Ok(())
}

/// Ticks that the samples of a `trun` last together.
fn run_duration(window: &mut Window, trun: &BoxAt, defaults: &Trex) -> Result<u64, Error> {
    let mut run = read_trun(window, trun)?;
    if run.flags & SAMPLE_DURATION == 0 {
        return Ok(u64::from(run.left) * u64::from(defaults.duration));
    }
    let mut duration: u64 = 0;
    for _ in 0..run.left {
        duration = duration.saturating_add(u64::from(read_entry(window, &run, defaults)?.duration));
        run.at += run.entry_len() as u64;
    }
    Ok(duration)
}

fn read_tfdt(window: &mut Window, tfdt: &BoxAt) -> Result<i64, Error> {
    let len = tfdt.body_len().min(12) as usize;
    let mut r = ByteReader::new(window.bytes(tfdt.body, len, "tfdt")?, tfdt.body, "tfdt");
    let (version, _) = version_and_flags(&mut r)?;
    let ticks = if version == 1 { r.u64()? } else { u64::from(r.u32()?) };
    Ok(i64::try_from(ticks).unwrap_or(i64::MAX))
}
