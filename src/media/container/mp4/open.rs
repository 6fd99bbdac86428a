//! Opening: from the boxes of the top level and `moov` to an [`Mp4`], leaving out what cannot be streamed.

use super::super::default_first;
use super::Mp4;
use super::boxes::{BoxAt, Boxes};
use super::cursor::TrackCursor;
use super::fragments::Step;
use super::hints::Hints;
use super::movie::{Movie, Presentation, Trak};
use super::recover::Recovered;
use super::sample::Found;
use super::sample_entry::{self, Description, Unplayable};
use super::search::Fragments;
use super::stream::{Stream, pcm_of};
use super::table::SampleTable;
use crate::media::codec::learn;
use crate::media::codec::nal::split_length_prefixed;
use crate::media::io::{Source, Window};
use crate::media::{Codec, Error, Kind, Note, Track};
use crate::time::MediaTime;

/// Boxes of the top level that are come by to find `moov` and the first `moof`.
const TOP_BOXES_MAX: usize = 65_536;

/// Bytes that are read at once on the way through `moov`.
const WINDOW_LEN: usize = 4096;

/// Fragments that are looked into for the first sample of a track.
const FIRST_SAMPLE_MOOFS_MAX: u32 = 256;

/// Samples at the start of a track that are looked at for times, and for parameter sets.
const FIRST_SAMPLES_MAX: usize = 256;
const PARAMETER_SET_SAMPLES_MAX: usize = 32;
const PARAMETER_SET_LEN_MAX: u64 = 4 << 20;

/// How much sound before the start of the presentation a decoder may want (priming, Opus pre-roll). More than that
/// has been cut away by an edit list.
const AUDIO_LEAD_IN: MediaTime = MediaTime::from_millis(1000);

/// The boxes of the top level.
#[derive(Debug, Default)]
struct Layout {
    moov: Option<BoxAt>,
    mdat: Option<BoxAt>,
    sidx: Option<BoxAt>,
    first_moof: Option<u64>,
    problem: Option<Error>,
}

impl Layout {
    fn read(window: &mut Window, len: u64) -> Result<Self, Error> {
        let mut layout = Self::default();
        let mut top = Boxes::new(0, len);
        for _ in 0..TOP_BOXES_MAX {
            let found = match top.next(window) {
                Ok(Some(found)) => found,
                Ok(None) => break,
                Err(error @ Error::Io { .. }) => return Err(error),
                Err(error) => {
                    layout.problem = Some(error);
                    break;
                }
            };
            match &found.kind.0 {
                b"moov" => layout.moov = layout.moov.or(Some(found)),
                b"mdat" => layout.mdat = layout.mdat.or(Some(found)),
                b"sidx" => layout.sidx = layout.sidx.or(Some(found)),
                b"moof" => layout.first_moof = layout.first_moof.or(Some(found.at)),
                _ => {}
            }
            if found.is_cut && layout.problem.is_none() {
                layout.problem = Some(Error::truncated(format!("{} box", found.kind), len));
            }
            if layout.moov.is_some() && layout.first_moof.is_some() {
                break;
            }
        }
        Ok(layout)
    }

    /// Why a file without `moov` cannot be played.
    fn no_moov(self) -> Error {
        let text = match (self.problem, self.first_moof, self.mdat) {
            // A recorder that stops leaves its last box cut off, not broken: this is damage, and `moov` may be behind.
            (Some(error @ Error::Malformed { .. }), _, _) | (Some(error), _, None) => return error,
            (_, Some(at), _) => {
                format!("a part of a recording, without its header: no moov box before the moof at byte {at}")
            }
            (_, None, Some(mdat)) => {
                format!(
                    "the index (moov) is missing: the recorder did not finish the file (mdat at byte {} cannot be read)",
                    mdat.at
                )
            }
            (None, None, None) => return Error::malformed("file: it has neither moov nor mdat box", 0),
        };
        Error::Unsupported(text)
    }
}

/// The video of a file without `moov`, where it can be found again.
///
/// # Errors
/// [`Error::Io`].
pub fn without_index(source: &Source) -> Result<Option<Recovered>, Error> {
    let mut window = Window::new(source.clone(), WINDOW_LEN);
    match Layout::read(&mut window, source.len()?)? {
        Layout { moov: None, first_moof: None, mdat: Some(mdat), .. } => Recovered::open(source, &mdat),
        _ => Ok(None),
    }
}

impl Mp4 {
    /// Opens the file in `source`.
    ///
    /// # Errors
    /// When there is no track that can be streamed.
    pub fn open(source: &Source) -> Result<Self, Error> {
        let mut window = Window::new(source.clone(), WINDOW_LEN);
        let len = source.len()?;
        let layout = Layout::read(&mut window, len)?;
        let Some(moov) = layout.moov else {
            return Err(layout.no_moov());
        };
        let mut notes: Vec<Note> = layout.problem.iter().map(Note::from).collect();
        let movie = Movie::read(&mut window, &moov)?;
        notes.extend(movie.problem.iter().filter(|_| layout.problem.is_none()).map(Note::from));
        let mut streams = Vec::new();
        for trak in &movie.traks {
            match read_stream(source, &mut window, trak, &movie, &mut notes) {
                Ok(stream) => streams.push(stream),
                Err(Unplayable::Bad(error @ Error::Io { .. })) => return Err(error),
                Err(why) => notes.push(left_out(trak.id, &why)),
            }
        }
        default_first(&mut streams, Stream::kind, |stream| stream.is_enabled);
        let mut opened =
            Self { source: source.clone(), streams, tracks: Vec::new(), fragments: None, duration: None, notes };
        opened.find_fragments(&movie, &layout, false)?;
        let is_empty = layout.first_moof.is_none()
            && !opened.streams.is_empty()
            && opened.streams.iter().all(|stream| stream.table.count == 0);
        let first_samples = opened.keep_playable()?;
        if opened.streams.is_empty() {
            return Err(nothing_to_stream(&opened.notes, &movie, is_empty));
        }
        opened.find_fragments(&movie, &layout, true)?;
        opened.describe(&first_samples)?;
        if opened.duration.is_none() && movie.fragment_duration > 0 {
            let ticks = i64::try_from(movie.fragment_duration).unwrap_or(i64::MAX);
            opened.duration = Some(MediaTime::from_ticks(ticks, movie.timescale));
        }
        Ok(opened)
    }

    /// Makes the fragments known to the streams as they are now.
    fn find_fragments(&mut self, movie: &Movie, layout: &Layout, with_hints: bool) -> Result<(), Error> {
        let Some(first) = layout.first_moof else { return Ok(()) };
        let hints = match with_hints {
            true => Hints::read(&self.source, layout.sidx.as_ref(), &self.streams)?,
            false => Hints::default(),
        };
        self.fragments = Some(Fragments::new(&self.source, first, movie.trex.clone(), &self.streams, hints)?);
        Ok(())
    }

    /// Learns what the first samples of each stream tell, and leaves out streams that cannot be played.
    /// Returns the first samples of those that are kept.
    fn keep_playable(&mut self) -> Result<Vec<Vec<Found>>, Error> {
        let mut kept = Vec::new();
        for index in 0..self.streams.len() {
            let samples = self.first_samples(index)?;
            self.streams[index].learn_from(&samples);
            self.learn_parameter_sets(index, &samples)?;
            self.learn_codec(index, &samples)?;
            let stream = &self.streams[index];
            let why = match (samples.is_empty(), stream.base_description()) {
                (true, _) => Some("it has no samples"),
                (false, Some(description)) if !description.lacks_parameter_sets() => None,
                (false, _) => Some("it has no parameter sets"),
            };
            self.notes.extend(why.map(|why| left_out(stream.id, &why)));
            kept.push(Some(samples).filter(|_| why.is_none()));
        }
        let mut is_kept = kept.iter().map(Option::is_some);
        self.streams.retain(|_| is_kept.next().unwrap_or(false));
        Ok(kept.into_iter().flatten().collect())
    }

    /// Where the first samples of stream `index` are.
    fn first_samples(&self, index: usize) -> Result<Vec<Found>, Error> {
        let mut cursor = TrackCursor::new(self, index);
        let mut samples = Vec::new();
        for _ in 0..FIRST_SAMPLES_MAX {
            match cursor.next(self, FIRST_SAMPLE_MOOFS_MAX) {
                Ok(Step::Sample(found)) => samples.push(found),
                Ok(Step::NotYet | Step::End) => break,
                Err(error @ Error::Io { .. }) => return Err(error),
                Err(_) => {}
            }
        }
        Ok(samples)
    }

    /// Takes parameter sets that the sample entry lacks (`avc3`, `hev1`) from the first of `samples` that have them.
    fn learn_parameter_sets(&mut self, index: usize, samples: &[Found]) -> Result<(), Error> {
        let stream = &mut self.streams[index];
        let number = stream.base;
        let Some(Some(description)) = stream.descriptions.get_mut(number.saturating_sub(1) as usize) else {
            return Ok(());
        };
        let (had, mut data, mut nals) = (description.clone(), Vec::new(), Vec::new());
        let mut left = PARAMETER_SET_LEN_MAX;
        for found in samples.iter().take(PARAMETER_SET_SAMPLES_MAX) {
            if !description.lacks_parameter_sets() || found.len > left {
                break;
            }
            left -= found.len;
            data.clear();
            nals.clear();
            match self.source.append(&mut data, found.at, found.len as usize, "sample") {
                Err(error @ Error::Io { .. }) => return Err(error),
                Err(_) => break,
                Ok(()) => {}
            }
            // Damage in a sample is told when it is read; what came before it counts.
            let _ = split_length_prefixed(&data, description.nal_length_size, &mut nals);
            for nal in &nals {
                description.learn_parameter_set(&data[nal.clone()], &had);
            }
        }
        Ok(())
    }

    /// Takes from the first of `samples` what the sample entry leaves open.
    fn learn_codec(&mut self, index: usize, samples: &[Found]) -> Result<(), Error> {
        let stream = &mut self.streams[index];
        let number = stream.base;
        let Some(Some(description)) = stream.descriptions.get_mut(number.saturating_sub(1) as usize) else {
            return Ok(());
        };
        let Some(first) = samples.first().filter(|_| learn::is_wanted(&description.codec)) else { return Ok(()) };
        let mut head = vec![0; first.len.min(learn::LEARN_LEN as u64) as usize];
        let filled = self.source.read_at(&mut head, first.at, "sample")?;
        learn::learn(&mut description.codec, &head[..filled]);
        Ok(())
    }

    /// Works out what the public tracks say.
    fn describe(&mut self, first_samples: &[Vec<Found>]) -> Result<(), Error> {
        let ends = match &self.fragments {
            Some(fragments) => fragments.ends(&self.streams)?,
            None => vec![None; self.streams.len()],
        };
        for ((stream, samples), fragments_end) in self.streams.iter().zip(first_samples).zip(ends) {
            let Some(base) = stream.base_description() else { continue };
            let end = match (fragments_end, &self.fragments) {
                (Some(end), _) => Some(stream.time(end)),
                (None, None) => Some(table_end(&self.source, stream, samples)?),
                (None, Some(_)) => None,
            };
            let shown_until = match self.fragments {
                None => stream.end.map(|end| MediaTime::from_ticks(end, stream.timescale)),
                Some(_) => None,
            };
            let shown_end = end.map(|end| shown_until.map_or(end, |shown_until| end.min(shown_until)));
            let duration = shown_end.filter(|end| *end > MediaTime::ZERO);
            let bitrate = match (base.bitrate, &self.fragments, duration) {
                (None, None, Some(duration)) => Some(bits_per_second(stream.table.total_len(&self.source)?, duration)),
                (told, _, _) => told,
            };
            let frame_rate = match base.codec.kind() {
                Kind::Video => frame_rate(&self.source, stream, samples)?,
                Kind::Audio | Kind::Text | Kind::Application => None,
            };
            self.tracks.push(Track { codec: base.codec.clone(), duration, shown_until, bitrate, frame_rate });
        }
        self.duration = self.tracks.iter().filter_map(|track| track.duration).max();
        Ok(())
    }
}

/// What `trak` says, if all that is needed is there.
fn read_stream(
    source: &Source,
    window: &mut Window,
    trak: &Trak,
    movie: &Movie,
    notes: &mut Vec<Note>,
) -> Result<Stream, Unplayable> {
    let missing = |what: &'static str| match &trak.problem {
        Some(Error::Truncated { at, .. }) => Error::truncated("trak", *at),
        _ => Error::malformed(format!("trak without {what}"), trak.at),
    };
    let stsd = trak.stsd.as_ref().ok_or_else(|| missing("stsd"))?;
    let (mut descriptions, base) = read_descriptions(window, stsd, trak.timescale)?;
    for description in descriptions.iter_mut().flatten() {
        if let Codec::Text(config) = &mut description.codec {
            config.language.clone_from(&trak.language);
        }
    }
    let Presentation { shift, end, is_simplified } = trak.presentation(movie.timescale);
    if is_simplified {
        let text = format!("track {}: of its edit list of {} only the start is honoured", trak.id, trak.edits.len());
        notes.push(Note { at: None, text });
    }
    let mut table = SampleTable::read(window, &trak.tables, trak.at)?;
    notes.extend(table.lies().map(|(name, at)| Note { at: Some(at), text: format!("{name} with too large a count") }));
    let lead = table.composition_lead(window)?.max(trak.composition_shift.map_or(0, i64::from));
    let codec = descriptions[base].as_ref().map(|description| &description.codec);
    if trak.rotation != 0 && codec.is_some_and(|codec| codec.kind() == Kind::Video) {
        let text = format!("track {}: its pictures are to be turned by {} degrees", trak.id, trak.rotation);
        notes.push(Note { at: None, text: text + ", which RTSP cannot tell" });
    }
    if codec.is_some_and(|codec| codec.kind() != Kind::Video) {
        table.ignore_syncs();
    }
    if let Some((frame_len, _)) = codec.and_then(pcm_of) {
        table.set_pcm(source, frame_len)?;
    }
    if let Err(error) = table.find_playable(source, source.len()?) {
        notes.push(Note::from(&error)); // reading plays what comes before
    }
    let base = base as u32 + 1;
    let mut stream = Stream {
        id: trak.id,
        is_enabled: trak.is_enabled,
        timescale: trak.timescale,
        media_duration: trak.duration,
        shift,
        end,
        lead,
        descriptions,
        base,
        table,
        start: 0,
    };
    stream.start = first_needed_sample(source, &stream)?;
    Ok(stream)
}

/// What the sample entries say, and the index of the first that can be played.
fn read_descriptions(
    window: &mut Window,
    stsd: &BoxAt,
    timescale: u32,
) -> Result<(Vec<Option<Description>>, usize), Unplayable> {
    let mut descriptions = Vec::new();
    let mut first_problem = None;
    for entry in sample_entry::read(window, stsd, timescale)? {
        descriptions.push(match entry {
            Ok(description) => Some(description),
            Err(why) => {
                first_problem.get_or_insert(why);
                None
            }
        });
    }
    match descriptions.iter().position(Option::is_some) {
        Some(base) => Ok((descriptions, base)),
        None => Err(first_problem.unwrap_or_else(|| Error::malformed("stsd of no entries", stsd.at).into())),
    }
}

/// The first sample that is needed to show the presentation from its start: an edit list may cut away the beginning
/// of the media, but decoding has to start at a sync sample.
fn first_needed_sample(source: &Source, stream: &Stream) -> Result<u64, Error> {
    if stream.shift >= 0 || stream.table.count == 0 {
        return Ok(0);
    }
    if !stream.is_video() {
        let first = stream.table.first_sample(source, stream.ticks_at_or_after(-AUDIO_LEAD_IN), stream.lead)?;
        return Ok(if first < stream.table.count { first } else { 0 });
    }
    let sync = stream.table.last_sync(source, stream.ticks_at_or_before(MediaTime::ZERO), stream.lead)?;
    Ok(sync.map_or(0, |(sample, _)| sample))
}

/// When the last sample of a sample table ends: composition starts late by as much as it ends late.
fn table_end(source: &Source, stream: &Stream, samples: &[Found]) -> Result<MediaTime, Error> {
    let duration = stream.table.media_duration(source)?.unwrap_or(stream.media_duration);
    let first_pts = stream.table.pts(source, 0)?.min(samples.first().map_or(i64::MAX, |found| found.pts));
    Ok(stream.time(first_pts.saturating_add_unsigned(duration)))
}

/// Pictures a second: the average where the table tells how long all samples last, else that of the usual one among
/// the first.
fn frame_rate(source: &Source, stream: &Stream, samples: &[Found]) -> Result<Option<f64>, Error> {
    let whole = match stream.table.count {
        0 => None,
        _ => stream.table.media_duration(source)?.map(|ticks| (stream.table.playable, ticks)),
    };
    let (count, ticks) = whole.unwrap_or_else(|| {
        let mut durations: Vec<u64> = samples.iter().map(|found| found.duration).collect();
        durations.sort_unstable();
        (1, durations.get(durations.len() / 2).copied().unwrap_or(0))
    });
    Ok(Some(count as f64 * f64::from(stream.timescale) / ticks as f64).filter(|rate| rate.is_normal()))
}

fn bits_per_second(len: u64, duration: MediaTime) -> u32 {
    let bits = len as f64 * 8.0 / duration.as_secs_f64();
    bits.min(f64::from(u32::MAX)) as u32
}

fn left_out(track_id: u32, why: &dyn std::fmt::Display) -> Note {
    Note { at: None, text: format!("track {track_id} is left out: {why}") }
}

/// Why no track is left.
fn nothing_to_stream(notes: &[Note], movie: &Movie, is_empty: bool) -> Error {
    if let Some(Error::Truncated { at, .. }) = movie.problem {
        return Error::truncated("moov", at);
    }
    if is_empty {
        return Error::Unsupported("the recording has no samples: there is nothing but its header (moov)".into());
    }
    let reasons: Vec<String> = notes.iter().map(Note::to_string).collect();
    match reasons.is_empty() {
        true => Error::Unsupported("the recording has no tracks".into()),
        false => Error::Unsupported(format!("no track can be streamed: {}", reasons.join("; "))),
    }
}
