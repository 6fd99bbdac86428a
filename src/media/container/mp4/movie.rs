//! The `moov` box (ISO/IEC 14496-12 section 8.2): what it says of the movie and of each track, and where the sample
//! tables lie. What a sample entry means is `sample_entry`'s, what a sample table says `table`'s.

use super::boxes::{BoxAt, FourCc, version_and_flags, visit};
use crate::media::Error;
use crate::media::bits::ByteReader;
use crate::media::io::Window;

/// Tracks of one file that are looked at.
const TRACKS_MAX: usize = 64;

/// Edits of one track that are read: any number of empty ones is odd, and one real one is all that is honoured.
const EDITS_MAX: u32 = 64;

/// What `moov` says.
#[derive(Debug, Default)]
pub struct Movie {
    /// Ticks a second of the durations in edit lists.
    pub timescale: u32,
    /// What `mehd` promises of the whole, with its fragments, in ticks of the movie; 0 where it does not tell.
    pub fragment_duration: u64,
    /// In the order of the file.
    pub traks: Vec<Trak>,
    /// What samples in fragments are like unless the fragment says otherwise, by track id.
    pub trex: Vec<(u32, Trex)>,
    /// The first damage in it.
    pub problem: Option<Error>,
}

/// Defaults for samples in fragments (`trex`, section 8.8.3; `tfhd`, section 8.8.7).
#[derive(Debug, Clone, Copy, Default)]
pub struct Trex {
    /// Number of the sample entry, from 1.
    pub description: u32,
    /// In ticks of the track.
    pub duration: u32,
    /// In bytes.
    pub size: u32,
    /// As section 8.8.3.1 has them.
    pub flags: u32,
}

/// What a `trak` says.
#[derive(Debug, Default)]
pub struct Trak {
    /// Where it begins.
    pub at: u64,
    /// The id that fragments refer to.
    pub id: u32,
    /// track_enabled: it is among those that are played unless somebody chooses others.
    pub is_enabled: bool,
    /// By how many degrees clockwise its pictures are to be turned: 90, 180 or 270, or 0.
    pub rotation: u16,
    /// Kind of media, such as `vide`.
    pub handler: FourCc,
    /// As `mdhd` has it, such as `eng`, unless it is undetermined.
    pub language: Option<String>,
    /// Ticks a second; at least 1.
    pub timescale: u32,
    /// In ticks, as `mdhd` has it; 0 where it does not tell.
    pub duration: u64,
    /// Edit list.
    pub edits: Vec<Edit>,
    /// compositionToDTSShift of `cslg` (section 8.6.1.4), in ticks.
    pub composition_shift: Option<i32>,
    /// The sample description, in the file.
    pub stsd: Option<BoxAt>,
    /// The sample tables, in the file.
    pub tables: Tables,
    /// The first damage in it.
    pub problem: Option<Error>,
}

/// Where the boxes of a sample table lie (section 8.6 and 8.7).
#[derive(Debug, Default)]
pub struct Tables {
    /// Decoding times.
    pub stts: Option<BoxAt>,
    /// Composition offsets.
    pub ctts: Option<BoxAt>,
    /// Sync samples.
    pub stss: Option<BoxAt>,
    /// Partial sync samples (QuickTime File Format, "Partial Sync Sample Atom"): intra pictures behind which pictures
    /// come that are shown before them and refer further back, as those of open groups of pictures do.
    pub stps: Option<BoxAt>,
    /// Samples to chunks.
    pub stsc: Option<BoxAt>,
    /// Sample sizes: `stsz` or `stz2`.
    pub stsz: Option<BoxAt>,
    /// Chunk offsets: `stco` or `co64`.
    pub stco: Option<BoxAt>,
}

/// One entry of an edit list (section 8.6.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edit {
    /// In ticks of the movie.
    pub duration: u64,
    /// Where in the media it begins, in ticks of the track; `None` for an empty edit.
    pub media_time: Option<i64>,
}

impl Movie {
    /// Reads `moov`; what is not broken is kept.
    ///
    /// # Errors
    /// [`Error::Io`] only.
    pub fn read(window: &mut Window, moov: &BoxAt) -> Result<Self, Error> {
        let mut movie = Self { timescale: 1, ..Self::default() };
        let walked = visit(window, moov, |window, found| {
            match &found.kind.0 {
                b"trak" if movie.traks.len() < TRACKS_MAX => movie.traks.push(Trak::read(window, &found)?),
                b"mvhd" => movie.timescale = read_mvhd(window, &found)?,
                b"mvex" => return Ok(true),
                b"mehd" => movie.fragment_duration = read_mehd(window, &found)?,
                b"trex" if movie.trex.len() < TRACKS_MAX => movie.trex.push(read_trex(window, &found)?),
                _ => {}
            }
            Ok(false)
        });
        movie.problem = walked?.or_else(|| moov.is_cut.then(|| Error::truncated("moov", moov.end)));
        Ok(movie)
    }
}

impl Trak {
    fn read(window: &mut Window, trak: &BoxAt) -> Result<Self, Error> {
        let mut read = Self { at: trak.at, timescale: 1, ..Self::default() };
        let damage = visit(window, trak, |window, found| read.read_box(window, found))?;
        read.problem = damage.or_else(|| trak.is_cut.then(|| Error::truncated("trak", trak.end)));
        Ok(read)
    }

    /// Takes what `found` says; true where there are boxes inside that matter.
    fn read_box(&mut self, window: &mut Window, found: BoxAt) -> Result<bool, Error> {
        match &found.kind.0 {
            b"mdia" | b"minf" | b"stbl" | b"edts" => return Ok(true),
            b"tkhd" => (self.id, self.is_enabled, self.rotation) = read_tkhd(window, &found)?,
            b"mdhd" => (self.timescale, self.duration, self.language) = read_mdhd(window, &found)?,
            b"hdlr" if self.handler == FourCc::default() => self.handler = read_hdlr(window, &found)?,
            b"elst" => self.edits = read_elst(window, &found)?,
            b"cslg" => self.composition_shift = read_cslg(window, &found)?,
            b"stsd" => self.stsd = Some(found),
            b"stts" => self.tables.stts = Some(found),
            b"ctts" => self.tables.ctts = Some(found),
            b"stss" => self.tables.stss = Some(found),
            b"stps" => self.tables.stps = Some(found),
            b"stsc" => self.tables.stsc = Some(found),
            b"stsz" | b"stz2" => self.tables.stsz = Some(found),
            b"stco" | b"co64" => self.tables.stco = Some(found),
            _ => {}
        }
        Ok(false)
    }

    /// What the edit list makes of the media, as far as one stretch of it can tell.
    pub fn presentation(&self, movie_timescale: u32) -> Presentation {
        let mut empty: u64 = 0;
        for (index, edit) in self.edits.iter().enumerate() {
            match edit.media_time {
                None => empty = empty.saturating_add(edit.duration),
                Some(media_time) => {
                    let delay = rescale(empty, movie_timescale, self.timescale);
                    let is_last = index + 1 == self.edits.len();
                    let duration = Some(edit.duration).filter(|duration| *duration > 0 && is_last);
                    let end =
                        duration.map(|ticks| delay.saturating_add(rescale(ticks, movie_timescale, self.timescale)));
                    return Presentation { shift: delay.saturating_sub(media_time), end, is_simplified: !is_last };
                }
            }
        }
        Presentation { shift: 0, end: None, is_simplified: !self.edits.is_empty() }
    }
}

/// How a track lies on the timeline of the presentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presentation {
    /// What is added to a time of the media, in ticks of the track.
    pub shift: i64,
    /// From when on nothing is shown, in ticks of the track; `None`: all is. Says nothing about fragments: whoever
    /// writes them does not know the end when he writes the edit list.
    pub end: Option<i64>,
    /// The edit list says more than that.
    pub is_simplified: bool,
}

/// `ticks` of a clock of `from` Hz on one of `to` Hz, rounded to nearest.
fn rescale(ticks: u64, from: u32, to: u32) -> i64 {
    let from = u128::from(from.max(1));
    let scaled = (u128::from(ticks) * u128::from(to) + from / 2) / from;
    i64::try_from(scaled).unwrap_or(i64::MAX)
}

fn read_mvhd(window: &mut Window, found: &BoxAt) -> Result<u32, Error> {
    let body = found.load(window, "mvhd")?;
    let mut r = ByteReader::new(&body, found.body, "mvhd");
    let (version, _) = version_and_flags(&mut r)?;
    r.skip(if version == 1 { 16 } else { 8 })?; // creation, modification
    Ok(r.u32()?.max(1))
}

/// Id, whether it is enabled, and the rotation in its matrix (section 8.3.2).
fn read_tkhd(window: &mut Window, found: &BoxAt) -> Result<(u32, bool, u16), Error> {
    let body = found.load(window, "tkhd")?;
    let mut r = ByteReader::new(&body, found.body, "tkhd");
    let (version, flags) = version_and_flags(&mut r)?;
    r.skip(if version == 1 { 16 } else { 8 })?;
    let id = r.u32()?;
    Ok((id, flags & 1 == 1, read_rotation(&mut r, version).unwrap_or(0)))
}

/// The matrix { a, b, u, c, d, v, x, y, w } turns by right angles, or whatever else it does is left aside.
fn read_rotation(r: &mut ByteReader<'_>, version: u8) -> Result<u16, Error> {
    r.skip(4 + if version == 1 { 8 } else { 4 } + 8 + 8)?; // reserved, duration, reserved, layer to volume
    let (a, b, _, c, d) = (r.i32()?, r.i32()?, r.i32()?, r.i32()?, r.i32()?);
    Ok(match (a.signum(), b.signum(), c.signum(), d.signum()) {
        (0, 1, -1, 0) => 90,
        (-1, 0, 0, -1) => 180,
        (0, -1, 1, 0) => 270,
        _ => 0,
    })
}

/// Timescale, duration and language (section 8.4.2).
fn read_mdhd(window: &mut Window, found: &BoxAt) -> Result<(u32, u64, Option<String>), Error> {
    let body = found.load(window, "mdhd")?;
    let mut r = ByteReader::new(&body, found.body, "mdhd");
    let (version, _) = version_and_flags(&mut r)?;
    r.skip(if version == 1 { 16 } else { 8 })?;
    let timescale = r.u32()?.max(1);
    // All ones: the duration is not known (section 8.4.2.3).
    let duration = match version {
        1 => Some(r.u64()?).filter(|duration| *duration != u64::MAX),
        _ => Some(r.u32()?).filter(|duration| *duration != u32::MAX).map(u64::from),
    };
    Ok((timescale, duration.unwrap_or(0), r.u16().ok().and_then(language)))
}

/// Three letters of five bits each; below 0x400 it is a code of the Macintosh.
fn language(packed: u16) -> Option<String> {
    let letter = |shift: u16| char::from((packed >> shift & 31) as u8 + 0x60);
    let code: String = [10, 5, 0].map(letter).iter().collect();
    (packed >= 0x400 && code.bytes().all(|byte| byte.is_ascii_lowercase()) && code != "und").then_some(code)
}

fn read_hdlr(window: &mut Window, found: &BoxAt) -> Result<FourCc, Error> {
    let bytes = window.bytes(found.body, found.body_len().min(12) as usize, "hdlr")?;
    let mut r = ByteReader::new(bytes, found.body, "hdlr");
    r.skip(8)?;
    Ok(FourCc(r.array()?))
}

fn read_elst(window: &mut Window, found: &BoxAt) -> Result<Vec<Edit>, Error> {
    let body = found.load(window, "elst")?;
    let mut r = ByteReader::new(&body, found.body, "elst");
    let (version, _) = version_and_flags(&mut r)?;
    let mut edits = Vec::new();
    for _ in 0..r.u32()?.min(EDITS_MAX) {
        let (duration, media_time) = match version {
            1 => (r.u64()?, r.i64()?),
            _ => (u64::from(r.u32()?), i64::from(r.i32()?)),
        };
        r.skip(4)?; // media rate
        edits.push(Edit { duration, media_time: Some(media_time).filter(|time| *time >= 0) });
    }
    Ok(edits)
}

fn read_cslg(window: &mut Window, found: &BoxAt) -> Result<Option<i32>, Error> {
    let body = found.load(window, "cslg")?;
    let mut r = ByteReader::new(&body, found.body, "cslg");
    let (version, _) = version_and_flags(&mut r)?;
    Ok(if version == 0 { Some(r.i32()?) } else { i32::try_from(r.i64()?).ok() })
}

fn read_mehd(window: &mut Window, found: &BoxAt) -> Result<u64, Error> {
    let body = found.load(window, "mehd")?;
    let mut r = ByteReader::new(&body, found.body, "mehd");
    let (version, _) = version_and_flags(&mut r)?;
    if version == 1 { r.u64() } else { r.u32().map(u64::from) }
}

fn read_trex(window: &mut Window, found: &BoxAt) -> Result<(u32, Trex), Error> {
    let body = found.load(window, "trex")?;
    let mut r = ByteReader::new(&body, found.body, "trex");
    version_and_flags(&mut r)?;
    let id = r.u32()?;
    Ok((id, Trex { description: r.u32()?, duration: r.u32()?, size: r.u32()?, flags: r.u32()? }))
}
