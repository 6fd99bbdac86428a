//! One viewer's place in one track: in the samples of `moov`, then in the fragments that follow.

use super::Mp4;
use super::fragments::{FragmentCursor, Step, WINDOW_LEN};
use super::table::TableCursor;
use crate::media::io::Window;
use crate::media::{Error, SeekTo};

/// A place in a track.
#[derive(Debug)]
pub struct TrackCursor {
    index: usize,
    place: Place,
    /// For fragments.
    window: Window,
}

#[derive(Debug)]
enum Place {
    Table(Box<TableCursor>),
    Fragments(Box<FragmentCursor>),
    End,
}

impl TrackCursor {
    /// At the first sample of stream `index`.
    pub fn new(movie: &Mp4, index: usize) -> Self {
        let window = Window::new(movie.source.clone(), WINDOW_LEN);
        let mut cursor = Self { index, place: Place::End, window };
        cursor.rewind(movie);
        cursor
    }

    /// Goes to the first sample that a viewer needs.
    pub fn rewind(&mut self, movie: &Mp4) {
        let stream = &movie.streams[self.index];
        if stream.table.count > 0 {
            self.go_to_sample(movie, stream.start);
        } else {
            self.go_to_fragments(movie);
        }
    }

    fn go_to_sample(&mut self, movie: &Mp4, sample: u64) {
        if let Place::Table(cursor) = &mut self.place {
            return cursor.seek(sample);
        }
        let mut cursor = TableCursor::new(&movie.source);
        cursor.seek(sample);
        self.place = Place::Table(Box::new(cursor));
    }

    fn go_to_fragments(&mut self, movie: &Mp4) {
        self.place = match &movie.fragments {
            Some(fragments) => Place::Fragments(Box::new(fragments.start(&movie.streams, self.index))),
            None => Place::End,
        };
    }

    /// Where in the chain of fragments it looks for its next `moof`; `None` elsewhere.
    pub fn searching_at(&self) -> Option<u64> {
        match &self.place {
            Place::Fragments(cursor) => Some(cursor.position()),
            _ => None,
        }
    }

    /// The next sample, looking into at most `moofs_max` further fragments.
    ///
    /// # Errors
    /// When the file is damaged here. The next call goes on behind the damage, or at the end.
    pub fn next(&mut self, movie: &Mp4, moofs_max: u32) -> Result<Step, Error> {
        match &mut self.place {
            Place::End => return Ok(Step::End),
            Place::Table(cursor) => match cursor.next(&movie.source, &movie.streams[self.index].table) {
                Ok(Some(found)) => return Ok(Step::Sample(found)),
                Ok(None) => self.go_to_fragments(movie),
                Err(error) => {
                    self.go_to_fragments(movie);
                    return Err(error);
                }
            },
            Place::Fragments(_) => {}
        }
        self.next_in_fragments(movie, moofs_max)
    }

    fn next_in_fragments(&mut self, movie: &Mp4, moofs_max: u32) -> Result<Step, Error> {
        let (Place::Fragments(cursor), Some(fragments)) = (&mut self.place, &movie.fragments) else {
            return Ok(Step::End);
        };
        let step = cursor.next(&mut self.window, &fragments.trex, moofs_max);
        // When the chain of boxes has broken, nothing says where the next one is. A `moof` can be told by its looks.
        if let (Err(Error::Malformed { at, .. }), u64::MAX) = (&step, cursor.position())
            && let Some(next) = fragments.resynchronize(&movie.streams, *at)?
        {
            cursor.resume_at(next);
        }
        step
    }

    /// Goes to the sync sample that `how` asks for around `pts`, in ticks, and returns its time; where there is none,
    /// it stays where it is.
    ///
    /// # Errors
    /// When the place cannot be read.
    pub fn seek_sync(&mut self, movie: &Mp4, pts: i64, how: SeekTo) -> Result<Option<i64>, Error> {
        let (index, stream) = (self.index, &movie.streams[self.index]);
        let in_table = |table_how| match (stream.table.count, table_how) {
            (0, _) => Ok(None),
            (_, SeekTo::SyncAtOrBefore) => stream.table.last_sync(&movie.source, pts, stream.lead),
            (_, SeekTo::SyncAtOrAfter) => stream.table.first_sync(&movie.source, pts, stream.lead),
        };
        if how == SeekTo::SyncAtOrAfter
            && let Some((sample, pts)) = in_table(how)?
        {
            self.go_to_sample(movie, sample);
            return Ok(Some(pts));
        }
        if let Some(fragments) = &movie.fragments {
            let found = match how {
                SeekTo::SyncAtOrBefore => fragments.last_sync(&movie.streams, index, pts)?,
                SeekTo::SyncAtOrAfter => fragments.first_sync(&movie.streams, index, pts)?,
            };
            if let Some((cursor, found)) = found {
                self.place = Place::Fragments(Box::new(cursor));
                return Ok(Some(found.pts));
            }
        }
        if how == SeekTo::SyncAtOrBefore
            && let Some((sample, pts)) = in_table(how)?
        {
            self.go_to_sample(movie, sample);
            return Ok(Some(pts));
        }
        Ok(None)
    }

    /// Goes to the first sample that is shown at or after `pts`, in ticks.
    ///
    /// # Errors
    /// When the place cannot be read.
    pub fn seek_sample(&mut self, movie: &Mp4, pts: i64) -> Result<(), Error> {
        let stream = &movie.streams[self.index];
        if stream.table.count > 0 {
            let sample = stream.table.first_sample(&movie.source, pts, stream.lead)?;
            if sample < stream.table.count {
                self.go_to_sample(movie, sample);
                return Ok(());
            }
        }
        self.place = match &movie.fragments {
            Some(fragments) => Place::Fragments(Box::new(fragments.first_sample(&movie.streams, self.index, pts)?)),
            None => Place::End,
        };
        Ok(())
    }
}
