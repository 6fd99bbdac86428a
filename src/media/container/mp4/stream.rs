//! What is known of one track beside its public [`Track`](crate::media::Track): clock, edit, descriptions, samples.

use super::sample::Found;
use super::sample_entry::Description;
use super::table::SampleTable;
use crate::media::{Codec, Kind};
use crate::time::MediaTime;

/// One track that can be streamed.
#[derive(Debug)]
pub struct Stream {
    /// The id that fragments refer to.
    pub id: u32,
    /// It is among those that are played unless somebody chooses others.
    pub is_enabled: bool,
    /// Ticks a second.
    pub timescale: u32,
    /// What `mdhd` says, in ticks; 0 where it does not tell.
    pub media_duration: u64,
    /// What the edit list adds to a time of the media to have it on the timeline of the presentation, in ticks.
    pub shift: i64,
    /// From when on the edit list shows nothing, in ticks on the timeline of the presentation.
    pub end: Option<i64>,
    /// By how many ticks composition may come before decoding, where offsets are negative. Decoding times are lowered
    /// by this, so that they stay at or before composition (ISO/IEC 14496-12 section 8.6.1.4).
    pub lead: i64,
    /// By the number of the sample entry, from 1; `None` for those that cannot be played.
    pub descriptions: Vec<Option<Description>>,
    /// The number of the description that the codec of the track is taken from.
    pub base: u32,
    /// The samples of `moov`.
    pub table: SampleTable,
    /// The first sample of the table that a viewer needs; those before it are cut away by the edit list.
    pub start: u64,
}

impl Stream {
    /// Takes over what the first samples show: which description is used, and how far composition comes before
    /// decoding.
    pub fn learn_from(&mut self, samples: &[Found]) {
        if let Some(first) = samples.first().filter(|first| self.description(first.description).is_some()) {
            self.base = first.description;
        }
        let lead = samples.iter().map(|found| found.dts.saturating_sub(found.pts)).max();
        self.lead = self.lead.max(lead.unwrap_or(0));
    }

    /// The description that the codec of the track is taken from.
    pub fn base_description(&self) -> Option<&Description> {
        self.description(self.base)
    }

    /// The description with this number.
    pub fn description(&self, number: u32) -> Option<&Description> {
        self.descriptions.get((number as usize).checked_sub(1)?)?.as_ref()
    }

    /// What kind of media it is.
    pub fn kind(&self) -> Kind {
        self.base_description().map_or(Kind::Application, |description| description.codec.kind())
    }

    /// Whether it is pictures; of all else, decoding can start at any sample.
    pub fn is_video(&self) -> bool {
        self.kind() == Kind::Video
    }

    /// Bytes of a frame and frames a second, where samples are PCM or G.711 and may be divided anywhere between.
    pub fn pcm(&self) -> Option<(u32, u32)> {
        pcm_of(&self.base_description()?.codec)
    }

    /// Presentation time of `ticks` of the media.
    pub fn time(&self, ticks: i64) -> MediaTime {
        MediaTime::from_ticks(ticks.saturating_add(self.shift), self.timescale)
    }

    /// When it is decoded.
    pub fn dts(&self, found: &Found) -> MediaTime {
        self.time(found.dts.saturating_sub(self.lead))
    }

    /// The last tick of the media at or before `time`.
    pub fn ticks_at_or_before(&self, time: MediaTime) -> i64 {
        let ticks = time.to_ticks(self.timescale).saturating_sub(self.shift);
        if self.time(ticks) > time { ticks.saturating_sub(1) } else { ticks }
    }

    /// The first tick of the media at or after `time`.
    pub fn ticks_at_or_after(&self, time: MediaTime) -> i64 {
        let ticks = time.to_ticks(self.timescale).saturating_sub(self.shift);
        if self.time(ticks) < time { ticks.saturating_add(1) } else { ticks }
    }
}

/// Bytes of a frame and frames a second of PCM and G.711.
pub fn pcm_of(codec: &Codec) -> Option<(u32, u32)> {
    match codec {
        Codec::Pcmu(config) | Codec::Pcma(config) => Some((u32::from(config.channels), config.sample_rate.max(1))),
        Codec::Pcm(config) => Some((config.frame_len() as u32, config.sample_rate.max(1))),
        _ => None,
    }
}
