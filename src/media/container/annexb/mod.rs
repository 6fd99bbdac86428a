//! Raw H.264 and H.265 streams: NAL units behind start codes (ITU-T H.264 annex B, H.265 annex B), nothing else.
//!
//! Such files tell no times. Pictures are equally far apart, at the rate that the parameter sets tell, or else at the
//! configured one; picture order counts tell their order of display. The codec is told by the content, as people
//! name such files as they like. What slices and parameter sets mean is in `codec::h264` and `codec::h265`.

mod index;
mod pictures;
mod reader;
mod sniff;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use index::{Index, SCAN_WINDOW_LEN};
use pictures::{Pictures, Sets, Sync, next_nal};
use reader::AnnexbReader;
use sniff::Format;

use super::{Container, Options};
use crate::media::codec::{FrameRate, H264Config, H265Config, h264, h265};
use crate::media::io::{Source, Window};
use crate::media::{Codec, Error, Indexing, Note, Progress, Reader, Recording, Track};
use crate::time::MediaTime;

/// Raw H.264.
pub const H264: Container = Container {
    name: "raw H.264",
    suffixes: &["264", "h264", "avc", "jsv"],
    sniff: |head| sniff::sniff(head, Format::H264),
    open,
};

/// Raw H.265.
pub const H265: Container = Container {
    name: "raw H.265",
    suffixes: &["265", "h265", "hevc"],
    sniff: |head| sniff::sniff(head, Format::H265),
    open,
};

/// Files up to this many bytes are looked at as a whole when they are opened, so that duration and key frames are
/// known: that takes some 50 ms when they are in memory, half a second from a slow disk.
const WHOLE_LEN_MAX: u64 = 64 << 20;
/// Of larger files, so many bytes are looked at.
const HEAD_LEN: u64 = 8 << 20;
/// How many bytes are looked at in one step of what is done in the background.
const STEP_LEN: u64 = 16 << 20;
/// By how many pictures decoding precedes display at least in a file that grows, which may not have shown it yet.
const REORDER_DELAY_GROWING: i64 = 2;
/// How far into a file a key frame is looked for.
const KEY_FRAME_SEARCH_LEN: u64 = 64 << 20;
/// The longest parameter set that is announced, in bytes, and how many of one kind are.
const PARAMETER_SET_LEN_MAX: u64 = 16 << 10;
const PARAMETER_SETS_MAX: usize = 64;

/// An opened raw stream.
struct Annexb {
    container: &'static str,
    source: Source,
    /// A walk through its pictures that has not begun.
    start: Pictures,
    frame_rate: FrameRate,
    /// How many pictures earlier than the first is displayed it is decoded.
    reorder_delay: i64,
    index: Index,
    tracks: Vec<Track>,
    notes: Vec<Note>,
}

impl Recording for Annexb {
    fn container(&self) -> &'static str {
        self.container
    }

    fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    fn duration(&self) -> Option<MediaTime> {
        self.index.extent().total.map(|total| self.frame_rate.time_of(total))
    }

    fn notes(&self) -> &[Note] {
        &self.notes
    }

    fn reader(self: Arc<Self>) -> Result<Box<dyn Reader>, Error> {
        Ok(Box::new(AnnexbReader::new(self)))
    }

    fn indexing(self: Arc<Self>) -> Option<Box<dyn Indexing>> {
        let is_worth_it = self.index.extent().total.is_none() && !self.start.may_grow();
        is_worth_it.then(|| Box::new(Rest(self)) as Box<dyn Indexing>)
    }
}

/// Has the whole file looked at, a stretch at a time.
struct Rest(Arc<Annexb>);

impl Indexing for Rest {
    fn step(&mut self) -> Result<Progress, Error> {
        let is_left = self.0.index.extend(STEP_LEN)?;
        let position = self.0.index.extent().position;
        Ok(if is_left { Progress::More { position } } else { Progress::Done })
    }

    fn export(&self) -> Option<Vec<u8>> {
        self.0.index.to_bytes()
    }

    fn import(&mut self, kept: &[u8]) -> bool {
        self.0.index.adopt(kept)
    }
}

/// Opens a raw stream of either codec.
///
/// # Errors
/// [`Error::Unsupported`] when there are no parameter sets or no pictures; [`Error::Io`].
fn open(source: &Source, options: &Options) -> Result<Arc<dyn Recording>, Error> {
    let end = source.len()?;
    let mut window = Window::new(source.clone(), SCAN_WINDOW_LEN);
    let format = sniff::detect(&mut window, end)?;
    let Begin { at, sync, notes } = find_begin(&mut window, end, format)?;
    let mut start = Pictures::new(at, end, sync);
    start.follow(source)?;
    let (codec, told_rate) = read_parameter_sets(&mut window, source, at, end, format)?;
    let frame_rate = told_rate.unwrap_or_else(|| FrameRate::from_f64(options.frame_rate_default));

    let index = Index::new(source.clone(), &start, end, frame_rate.as_f64().round() as i64);
    let len = end - at;
    index.extend(if len <= WHOLE_LEN_MAX && !start.may_grow() { u64::MAX } else { HEAD_LEN })?;
    let extent = index.extent();
    let duration = extent.total.map(|total| frame_rate.time_of(total));
    let seconds = extent.pictures as f64 / frame_rate.as_f64();
    let bitrate = ((extent.position - at) as f64 * 8.0 / seconds.max(0.001)) as u32;
    let track =
        Track { codec, duration, bitrate: Some(bitrate), shown_until: None, frame_rate: Some(frame_rate.as_f64()) };
    Ok(Arc::new(Annexb {
        container: match format {
            Format::H264 => H264.name,
            Format::H265 => H265.name,
        },
        source: source.clone(),
        frame_rate,
        reorder_delay: extent.reorder_delay.max(if start.may_grow() { REORDER_DELAY_GROWING } else { 0 }),
        start,
        index,
        tracks: vec![track],
        notes,
    }))
}

/// Where playing begins.
struct Begin {
    at: u64,
    sync: Sync,
    notes: Vec<Note>,
}

/// Looks for the first key frame; without any, the first picture must do.
fn find_begin(window: &mut Window, end: u64, format: Format) -> Result<Begin, Error> {
    let sets = match format {
        Format::H264 => Sets::H264(Arc::default()),
        Format::H265 => Sets::H265(Arc::default()),
    };
    let mut walk = Pictures::new(0, end, Sync { sets, starts_sequence: true });
    let mut first_at = None;
    while let Some(unit) = walk.next(window)? {
        first_at.get_or_insert(unit.at);
        if let Some(sync) = unit.sync {
            let sync = Sync { starts_sequence: true, ..sync };
            let text = format!("no key frame in the first {} bytes: they are left out", unit.at);
            let notes = if unit.at > 0 { vec![Note { at: Some(0), text }] } else { vec![] };
            return Ok(Begin { at: unit.at, sync, notes });
        }
        if unit.at > KEY_FRAME_SEARCH_LEN {
            break;
        }
    }
    let Some(at) = first_at else {
        return Err(Error::Unsupported("parameter sets, but no picture that refers to them".to_owned()));
    };
    let sync = Sync { sets: walk.sets(), starts_sequence: true };
    let note = Note { at: Some(at), text: "no key frame: decoders show what they can".to_owned() };
    Ok(Begin { at, sync, notes: vec![note] })
}

/// The parameter sets up to the slice that playing begins with, the last of each id, and the rate they tell.
fn read_parameter_sets(
    window: &mut Window,
    source: &Source,
    begin: u64,
    end: u64,
    format: Format,
) -> Result<(Codec, Option<FrameRate>), Error> {
    let mut sets: [Vec<Vec<u8>>; 3] = Default::default();
    let mut found = next_nal(window, 0, end)?;
    while let Some((_, header_at)) = found {
        let header = window.bytes(header_at, 1, "a NAL unit header")?[0];
        found = next_nal(window, header_at, end)?;
        match kind_of(header, format) {
            Kind::ParameterSet(kind) => {
                let len = found.map_or(end, |(next_at, _)| next_at) - header_at;
                let mut nal = Vec::new();
                source.append(&mut nal, header_at, len.min(PARAMETER_SET_LEN_MAX) as usize, "a parameter set")?;
                nal.truncate(nal.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
                put(&mut sets[kind], nal, format);
            }
            Kind::Slice if header_at >= begin => break,
            Kind::Slice | Kind::Other => {}
        }
    }
    let [vps, sps, pps] = sets;
    Ok(match format {
        Format::H264 => {
            let rate = sps.iter().find_map(|nal| h264::SpsInfo::parse(nal)?.frame_rate);
            (Codec::H264(H264Config { sps, pps }), rate)
        }
        Format::H265 => {
            let told_by_vps = || vps.iter().find_map(|nal| h265::vps_frame_rate(nal));
            let rate = sps.iter().find_map(|nal| h265::SpsInfo::parse(nal)?.frame_rate).or_else(told_by_vps);
            (Codec::H265(H265Config { vps, sps, pps }), rate)
        }
    })
}

/// What a NAL unit is to [`read_parameter_sets`].
enum Kind {
    /// VPS, SPS and PPS are 0, 1 and 2.
    ParameterSet(usize),
    Slice,
    Other,
}

fn kind_of(header: u8, format: Format) -> Kind {
    match format {
        Format::H264 => match h264::nal_type(&[header]) {
            h264::NAL_SPS => Kind::ParameterSet(1),
            h264::NAL_PPS => Kind::ParameterSet(2),
            1..=h264::NAL_IDR => Kind::Slice,
            _ => Kind::Other,
        },
        Format::H265 => match h265::nal_type(&[header]) {
            h265::NAL_VPS => Kind::ParameterSet(0),
            h265::NAL_SPS => Kind::ParameterSet(1),
            h265::NAL_PPS => Kind::ParameterSet(2),
            0..=31 => Kind::Slice,
            _ => Kind::Other,
        },
    }
}

/// Adds a parameter set, in place of one with the same id.
fn put(sets: &mut Vec<Vec<u8>>, nal: Vec<u8>, format: Format) {
    let id_of = match format {
        Format::H264 => h264::parameter_set_id,
        Format::H265 => h265::parameter_set_id,
    };
    let Some(id) = id_of(&nal) else { return };
    match sets.iter().position(|set| id_of(set) == Some(id)) {
        Some(position) => sets[position] = nal,
        None if sets.len() < PARAMETER_SETS_MAX => sets.push(nal),
        None => {}
    }
}
