//! Seek points of an index.

use super::super::packet::{PACKET_LEN, SYNC_BYTE};
use super::{RECORD_LEN, Record};
use crate::media::io::Source;
use crate::media::scan::Entry;
use crate::media::{Error, Note};
use crate::time::MediaTime;

/// At how many places an index is compared with its file.
const SAMPLES: u64 = 64;
/// How much of the file may be behind the last record, in packets: what comes after the last picture.
const TAIL_MAX: u64 = 20_000;
/// How many records a picture at which decoding can start is looked for before a time, and how many are read at once.
const BACK_MAX: u64 = 1 << 20;
const BLOCK: u64 = 4096;

/// An index that fits to its file.
#[derive(Debug)]
pub struct Sidecar {
    source: Source,
    count: u64,
}

impl Sidecar {
    /// Takes the index in `source` for that of the file `of`, which has packets of 188 bytes from its start.
    ///
    /// # Errors
    /// Why it is not; when either cannot be read.
    pub fn open(source: Source, of: &Source) -> Result<Self, Error> {
        let (len, packets) = (source.len()?, of.len()? / PACKET_LEN as u64);
        if len == 0 || len % RECORD_LEN as u64 != 0 {
            return Err(Error::malformed("length of the index, which is no multiple of 11", len));
        }
        let sidecar = Self { source, count: len / RECORD_LEN as u64 };
        let mut last: Option<Record> = None;
        let step = ((sidecar.count - 1) / SAMPLES).max(1);
        for number in (0..sidecar.count).step_by(step as usize).chain([sidecar.count - 1]) {
            let record = sidecar.record(number)?;
            let at = number * RECORD_LEN as u64;
            let is_later = last.is_none_or(|last| last.time <= record.time && last.packet <= record.packet);
            let mut sync = [0];
            of.read_at(&mut sync, u64::from(record.packet) * PACKET_LEN as u64, "a transport packet")?;
            let ends = usize::from(record.offset) + usize::from(record.len);
            if !is_later || sync[0] != SYNC_BYTE || ends > PACKET_LEN {
                return Err(Error::malformed("record of the index", at));
            }
            last = Some(record);
        }
        if last.is_some_and(|last| u64::from(last.packet) + TAIL_MAX < packets) {
            return Err(Error::truncated("the index", len));
        }
        Ok(sidecar)
    }

    /// Looks for the index beside the file `of`. What is wrong with one is told in `notes`.
    pub fn beside(of: &Source, start: u64, stride: usize, notes: &mut Vec<Note>) -> Option<Self> {
        let source = of.beside("x").filter(|_| !of.is_growing())?;
        let fits = start == 0 && stride == PACKET_LEN;
        let opened = match fits {
            true => Self::open(source, of),
            false => Err(Error::Unsupported("it is for packets of 188 bytes only".to_owned())),
        };
        opened.map_err(|error| notes.push(Note { at: None, text: format!("its .tsx is not used: {error}") })).ok()
    }

    /// Where playback of `time` begins, for [`crate::media::scan::Format::locate`]; from the start, where the index
    /// knows nothing.
    pub fn locate(&self, time: MediaTime, start: Entry) -> Entry {
        self.find(time).map_or(start, |(at, time)| Entry { at, time: Some(time) })
    }

    fn record(&self, number: u64) -> Result<Record, Error> {
        let mut bytes = [0; RECORD_LEN];
        self.source.read_exact_at(&mut bytes, number * RECORD_LEN as u64, "a record of the index")?;
        Ok(Record::from_bytes(bytes))
    }

    /// The last place at or before `time` where decoding can start: its byte in the file and its time. `None` where
    /// there is none, or the index cannot be read.
    pub fn find(&self, time: MediaTime) -> Option<(u64, MediaTime)> {
        let rounded = time.to_ticks(256);
        let is_later = MediaTime::from_ticks(rounded, 256) > time;
        let wanted = u32::try_from(rounded - i64::from(is_later)).ok()?;
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.record(middle).ok()?.time <= wanted { low = middle + 1 } else { high = middle }
        }
        let mut end = low;
        let first = low.saturating_sub(BACK_MAX);
        let mut block = Vec::new();
        while end > first {
            let start = end.saturating_sub(BLOCK).max(first);
            block.clear();
            let len = ((end - start) as usize) * RECORD_LEN;
            self.source.append(&mut block, start * RECORD_LEN as u64, len, "records of the index").ok()?;
            let (records, _) = block.as_chunks::<RECORD_LEN>();
            if let Some(record) = records.iter().rev().map(|bytes| Record::from_bytes(*bytes)).find(|it| it.is_clean())
            {
                let at = u64::from(record.packet) * PACKET_LEN as u64;
                return Some((at, MediaTime::from_ticks(record.time.into(), 256)));
            }
            end = start;
        }
        None
    }
}
