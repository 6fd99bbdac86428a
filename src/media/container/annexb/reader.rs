//! One viewer's way through a raw stream.

use std::sync::Arc;

use super::Annexb;
use super::pictures::{Pictures, Unit};
use crate::media::codec::nal::split_start_codes;
use crate::media::io::Window;
use crate::media::{Error, Next, Reader, Sample, SeekTo};
use crate::time::MediaTime;

/// How much a viewer reads ahead to find the next access unit, in bytes; its data are read when it is delivered.
const WINDOW_LEN: usize = 32 << 10;
/// The longest access unit that is delivered, in bytes: a picture of 8K in PCM.
const SAMPLE_LEN_MAX: u64 = 64 << 20;

/// The cursor.
pub struct AnnexbReader {
    recording: Arc<Annexb>,
    window: Window,
    pictures: Pictures,
    is_selected: bool,
    /// How many key frames have come since playing started.
    key_frames: u64,
}

impl AnnexbReader {
    pub(super) fn new(recording: Arc<Annexb>) -> Self {
        let window = Window::new(recording.source.clone(), WINDOW_LEN);
        let pictures = recording.start.clone();
        Self { recording, window, pictures, is_selected: true, key_frames: 0 }
    }

    fn deliver(&self, unit: &Unit, sample: &mut Sample) -> Result<Next, Error> {
        let rate = self.recording.frame_rate;
        sample.clear();
        let len = match usize::try_from(unit.len) {
            Ok(len) if unit.len <= SAMPLE_LEN_MAX => len,
            _ => return Ok(Next::Skipped(Error::malformed("access unit of unbelievable length", unit.at))),
        };
        self.recording.source.append(&mut sample.data, unit.at, len, "an access unit")?;
        split_start_codes(&sample.data, &mut sample.nals);
        sample.track = 0;
        sample.pts = rate.time_of(unit.display_index);
        sample.dts = rate.time_of(unit.decode_index - self.recording.reorder_delay);
        sample.is_sync = unit.sync.is_some();
        Ok(Next::Sample)
    }
}

impl Reader for AnnexbReader {
    fn select(&mut self, track: usize, wanted: bool) {
        if track == 0 {
            self.is_selected = wanted;
        }
    }

    fn next(&mut self, sample: &mut Sample) -> Result<Next, Error> {
        while self.is_selected {
            let Some(unit) = self.pictures.next(&mut self.window)? else {
                if !self.pictures.may_grow() {
                    break;
                }
                let end = self.pictures.end();
                self.pictures.follow(&self.recording.source)?;
                if self.pictures.may_grow() && self.pictures.end() == end {
                    return Ok(Next::Pending);
                }
                continue;
            };
            self.key_frames += u64::from(unit.sync.is_some());
            // Leading pictures of the key frame where playing started refer to what the decoder has not seen.
            if !unit.needs_earlier || self.key_frames > 1 {
                return self.deliver(&unit, sample);
            }
        }
        Ok(Next::End)
    }

    fn seek(&mut self, to: MediaTime, how: SeekTo) -> Result<MediaTime, Error> {
        let rate = self.recording.frame_rate;
        let target = match how {
            SeekTo::SyncAtOrBefore => rate.index_at(to),
            // The first picture that is due at or after the time.
            SeekTo::SyncAtOrAfter => rate.index_at(to - MediaTime::from_nanos(1)).saturating_add(1),
        };
        let found = if to <= MediaTime::ZERO { None } else { self.recording.index.find(target, how)? };
        self.key_frames = 0;
        let (pictures, time) = match found {
            Some(start) => {
                let walk = start.walk(&self.recording.start, &self.recording.source)?;
                (walk, rate.time_of(start.display_index))
            }
            None => (self.recording.start.clone(), MediaTime::ZERO),
        };
        self.pictures = pictures;
        Ok(time)
    }
}
