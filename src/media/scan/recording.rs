//! A [`Format`] as a [`Recording`]: what is known of it as a whole.

use std::sync::{Arc, OnceLock};

use super::super::io::Source;
use super::super::{Error, Indexing, Kind, Next, Note, Progress, Reader, Recording, Sample, Track};
use super::index::{Extended, Extent, Index, Table};
use super::reader::ScannedReader;
use super::search::EXTEND_LEN;
use super::trail::Trail;
use super::{Entry, Format, Header, Scanner, Timing};
use crate::time::MediaTime;

/// Files up to this many bytes are read as a whole when they are opened, so that all is known of them: some 30 ms when
/// they are in memory.
const WHOLE_LEN_MAX: u64 = 16 << 20;
/// How much of a file's end is read to learn when the last samples are shown, in bytes: at first so much, then four
/// times as much, up to the most.
const TAIL_LEN: u64 = 512 << 10;
const TAIL_LEN_MAX: u64 = 8 << 20;

/// An opened recording.
pub struct Scanned {
    format: Box<dyn Format>,
    header: Header,
    /// The track that seeking goes by: the first video track, or else the first.
    seek_track: usize,
    index: Index,
    file: OnceLock<Attached>,
    /// What the end of the file showed, by track.
    tail: OnceLock<Vec<Extent>>,
    /// The tracks with what was known once the file had been opened, and with all that is known once the index is
    /// complete.
    opened: OnceLock<Vec<Track>>,
    whole: OnceLock<Vec<Track>>,
}

struct Attached {
    source: Source,
    /// It was still being written when it was opened: how long it will be nobody knows.
    was_growing: bool,
}

/// Whether playback can start with a sample.
pub fn is_start(sample: &Sample, kind: Kind) -> bool {
    kind != Kind::Video || sample.is_sync
}

/// See [`super::open`].
pub fn open(format: impl Format) -> Result<Arc<dyn Recording>, Error> {
    let header = format.header().clone();
    if header.tracks.is_empty() {
        return Err(Error::Unsupported("no track that could be streamed".to_owned()));
    }
    let seek_track = header.tracks.iter().position(|track| track.kind() == Kind::Video).unwrap_or(0);
    let index = Index::new(header.tracks.len());
    let format = Box::new(format);
    let (file, tail) = Default::default();
    let (opened, whole) = Default::default();
    Ok(Arc::new(Scanned { format, header, seek_track, index, file, tail, opened, whole }))
}

impl Recording for Scanned {
    fn container(&self) -> &'static str {
        self.header.container
    }

    fn tracks(&self) -> &[Track] {
        self.whole.get().or(self.opened.get()).unwrap_or(&self.header.tracks)
    }

    fn duration(&self) -> Option<MediaTime> {
        let was_growing = self.file.get().is_some_and(|file| file.was_growing);
        let told = self.header.duration.filter(|_| !was_growing);
        told.or_else(|| self.extents().and_then(|extents| end_of(&extents)))
    }

    fn notes(&self) -> &[Note] {
        &self.header.notes
    }

    fn reader(self: Arc<Self>) -> Result<Box<dyn Reader>, Error> {
        Ok(Box::new(ScannedReader::new(self)))
    }

    /// Finds out what can be found out of the file at once.
    fn attach(&self, source: &Source) -> Result<(), Error> {
        let was_growing = source.is_growing();
        let is_first = self.file.set(Attached { source: source.clone(), was_growing }).is_ok();
        if !is_first || was_growing || self.is_arithmetic() {
            return Ok(());
        }
        if source.len()? <= WHOLE_LEN_MAX {
            while self.extend(EXTEND_LEN, true)? == Extended::More {}
        } else if self.header.timing == Timing::Stamped
            && let Some(extents) = self.read_tail(source.len()?)?
        {
            let _ = self.tail.set(extents);
            let _ = self.opened.set(self.tracks_with(|track| self.tail.get()?.get(track)?.end(), |_| None));
        }
        Ok(())
    }

    fn indexing(self: Arc<Self>) -> Option<Box<dyn Indexing>> {
        let file = self.file.get()?;
        let is_needless = file.was_growing || self.is_arithmetic() || self.index.with(|table| table.is_complete);
        (!is_needless).then(|| Box::new(Rest(self)) as Box<dyn Indexing>)
    }
}

/// Has the whole file read, a stretch at a time.
struct Rest(Arc<Scanned>);

impl Indexing for Rest {
    fn step(&mut self) -> Result<Progress, Error> {
        Ok(match self.0.extend(EXTEND_LEN, false)? {
            Extended::More => Progress::More { position: self.0.index.with(|table| table.position) },
            Extended::Busy => Progress::Busy,
            Extended::ToEdge | Extended::Complete => Progress::Done,
        })
    }

    fn export(&self) -> Option<Vec<u8>> {
        self.0.index.with(Table::to_bytes)
    }

    fn import(&mut self, kept: &[u8]) -> bool {
        let Some(len) = self.0.len() else { return false };
        let Some(table) = Table::from_bytes(kept, self.0.track_count(), len) else { return false };
        self.0.index.adopt(table);
        self.0.fill_in();
        true
    }
}

/// When the last track ends.
fn end_of(extents: &[Extent]) -> Option<MediaTime> {
    extents.iter().filter_map(Extent::end).max()
}

impl Scanned {
    /// Reads from a place on.
    pub fn scan(&self, entry: Entry) -> Box<dyn Scanner> {
        self.format.scan(entry)
    }

    /// A trail for a scan from `begin` on.
    pub fn trail(&self, begin: Entry) -> Trail {
        let matters = self.header.tracks.iter().map(|track| matches!(track.kind(), Kind::Video | Kind::Audio));
        Trail::new(self.seek_track, begin, matters)
    }

    /// Where the first sample begins.
    pub fn start(&self) -> Entry {
        self.header.start
    }

    /// The track that seeking goes by.
    pub fn seek_track(&self) -> usize {
        self.seek_track
    }

    /// How many tracks there are.
    pub fn track_count(&self) -> usize {
        self.header.tracks.len()
    }

    /// The tracks, whatever more is known of them.
    pub fn header_tracks(&self) -> &[Track] {
        &self.header.tracks
    }

    /// The media type of a track.
    pub fn kind(&self, track: usize) -> Kind {
        self.header.tracks[track].kind()
    }

    /// How times are told.
    pub fn timing(&self) -> Timing {
        self.header.timing
    }

    /// What has been found out by reading.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// As [`Format::locate`].
    pub fn locate(&self, time: MediaTime) -> Option<Entry> {
        self.format.locate(time)
    }

    /// As [`Format::can_guess`].
    pub fn can_guess(&self) -> bool {
        self.timing() == Timing::Counted && self.format.can_guess()
    }

    /// Whether the format finds times by itself.
    pub fn is_arithmetic(&self) -> bool {
        self.format.locate(MediaTime::ZERO).is_some()
    }

    /// The length of the file now, in bytes.
    pub fn len(&self) -> Option<u64> {
        self.file.get()?.source.len().ok()
    }

    /// Whether more may be written to the file.
    pub fn may_grow(&self) -> bool {
        self.file.get().is_some_and(|file| file.source.is_growing())
    }

    /// When the last sample ends, as far as that is known.
    pub fn known_end(&self) -> Option<MediaTime> {
        self.duration()
    }

    /// As [`Index::extend`].
    ///
    /// # Errors
    /// As there.
    pub fn extend(&self, len: u64, waits: bool) -> Result<Extended, Error> {
        let extended = self.index.extend(self, len, waits);
        if !matches!(extended, Ok(Extended::More | Extended::ToEdge | Extended::Busy)) {
            self.fill_in();
        }
        extended
    }

    /// The index is complete: the tracks are told what it shows.
    fn fill_in(&self) {
        if let Some(extents) = self.extents() {
            let _ = self.whole.set(self.tracks_with(|track| extents[track].end(), |track| extents[track].bitrate()));
        }
    }

    /// What is known of each track: by the index when it is complete, or else by the end of the file.
    fn extents(&self) -> Option<Vec<Extent>> {
        let indexed = self.index.with(|table| table.is_complete.then(|| table.extents.clone()));
        indexed.or_else(|| self.tail.get().cloned())
    }

    /// The tracks, where what the format does not tell is filled in.
    fn tracks_with(
        &self,
        end: impl Fn(usize) -> Option<MediaTime>,
        bitrate: impl Fn(usize) -> Option<u32>,
    ) -> Vec<Track> {
        let tracks = self.header.tracks.iter().enumerate().map(|(number, track)| Track {
            duration: track.duration.or_else(|| end(number)),
            bitrate: track.bitrate.or_else(|| bitrate(number)),
            ..track.clone()
        });
        tracks.collect()
    }

    /// Reads the end of the file, until it shows the track that seeking goes by.
    fn read_tail(&self, end: u64) -> Result<Option<Vec<Extent>>, Error> {
        let mut len = TAIL_LEN;
        while len <= TAIL_LEN_MAX {
            let mut extents = vec![Extent::default(); self.track_count()];
            let mut scanner = self.scan(Entry { at: end.saturating_sub(len), time: None });
            let mut sample = Sample::default();
            loop {
                sample.clear();
                match scanner.next(&mut sample)? {
                    Next::Sample => extents[sample.track].add(&sample),
                    Next::Skipped(_) => {}
                    Next::Pending => scanner.finish(),
                    Next::End => break,
                }
            }
            if extents[self.seek_track].end() > Some(MediaTime::ZERO) {
                return Ok(Some(extents));
            }
            len *= 4;
        }
        Ok(None)
    }
}
