//! Files that are one elementary stream and nothing else.

use super::super::io::Source;
use super::super::{Codec, Error, Next, Note, Sample, Track};
use super::{Chunk, Entry, Format, Framer, Header, Scanner, Timing};
use crate::time::MediaTime;

/// How many bytes are read at once.
const CHUNK_LEN: usize = 32 << 10;
/// How much of a file is looked at when it is opened, to learn what it is, in bytes.
const SURVEY_LEN: u64 = 4 << 20;

/// A raw stream of any codec that has a framer.
pub struct RawFormat {
    source: Source,
    header: Header,
    framer: Box<dyn Fn() -> Box<dyn Framer> + Send + Sync>,
    /// The byte behind the stream; `None` where it goes as far as the file.
    end: Option<u64>,
    can_guess: bool,
}

/// What the start of a raw stream showed.
pub struct Survey {
    /// What it is.
    pub codec: Codec,
    /// Where its first frame begins.
    pub start: u64,
    /// Damage before that.
    pub notes: Vec<Note>,
    /// Nominal frames a second.
    pub frame_rate: Option<f64>,
    /// Average bits a second of what was looked at.
    pub bitrate: Option<u32>,
}

/// Reads the start of `source` from byte `from` on with `framer`, until it knows what it is.
///
/// # Errors
/// [`Error::Unsupported`] when there is no frame; [`Error::Io`].
pub fn survey(source: &Source, from: u64, mut framer: Box<dyn Framer>, name: &str) -> Result<Survey, Error> {
    let mut buffer = vec![0; CHUNK_LEN];
    let mut notes = Vec::new();
    let (mut at, mut is_end) = (from, false);
    let mut first: Option<(u64, MediaTime)> = None;
    let mut sample = Sample::default();
    let (mut bytes, mut last) = (0_u64, MediaTime::ZERO);
    framer.start(MediaTime::ZERO);
    while !is_end {
        let filled = source.read_at(&mut buffer, at, "the start of the stream")?;
        framer.push(Chunk { bytes: &buffer[..filled], at, is_packet: false, stamp: None });
        at += filled as u64;
        is_end = filled == 0 || at - from >= SURVEY_LEN;
        if filled == 0 {
            framer.finish();
        }
        loop {
            sample.clear();
            match framer.pop(&mut sample) {
                Ok(Some(origin)) => {
                    first.get_or_insert((origin, sample.dts));
                    bytes += sample.data.len() as u64;
                    last = sample.dts;
                }
                Ok(None) => break,
                Err(error) if first.is_none() && notes.is_empty() => notes.push(Note::from(&error)),
                Err(_) => {}
            }
        }
        // A second's worth gives a fair idea of the bit rate.
        is_end |= first.is_some_and(|(_, begun)| last - begun > MediaTime::from_millis(1000));
    }
    let (Some((start, begun)), Some(codec)) = (first, framer.codec()) else {
        return Err(Error::Unsupported(format!("no {name} frame in the first {} bytes", at - from)));
    };
    let seconds = (last - begun).as_secs_f64();
    let bitrate = (seconds > 0.0).then(|| (bytes as f64 * 8.0 / seconds) as u32);
    Ok(Survey { codec, start, notes, frame_rate: framer.frame_rate(), bitrate })
}

impl RawFormat {
    /// The raw stream in `source` from byte `from` on, called `container`.
    ///
    /// # Errors
    /// As [`survey`].
    pub fn new(
        source: &Source,
        from: u64,
        container: &'static str,
        framer: impl Fn() -> Box<dyn Framer> + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let Survey { codec, start, notes, frame_rate, bitrate } = survey(source, from, framer(), container)?;
        let track = Track { codec, duration: None, shown_until: None, bitrate, frame_rate };
        let start = Entry { at: start, time: Some(MediaTime::ZERO) };
        let header = Header { container, tracks: vec![track], notes, start, timing: Timing::Counted, duration: None };
        Ok(Self { source: source.clone(), header, framer: Box::new(framer), end: None, can_guess: true })
    }

    /// The same stream, which ends at byte `end` though the file may go on.
    #[must_use]
    pub fn until(self, end: Option<u64>) -> Self {
        Self { end, ..self }
    }

    /// The same stream, whose frames have nothing that tells where one begins: they follow each other from its start.
    #[must_use]
    pub fn without_marks(self) -> Self {
        Self { can_guess: false, ..self }
    }
}

impl Format for RawFormat {
    fn header(&self) -> &Header {
        &self.header
    }

    fn can_guess(&self) -> bool {
        self.can_guess
    }

    fn scan(&self, entry: Entry) -> Box<dyn Scanner> {
        let mut framer = (self.framer)();
        framer.prime(&self.header.tracks[0].codec);
        framer.start(entry.time.unwrap_or_default());
        Box::new(RawScanner {
            source: self.source.clone(),
            framer,
            position: entry.at,
            end: self.end.unwrap_or(u64::MAX),
            last: entry,
            is_finished: false,
        })
    }
}

struct RawScanner {
    source: Source,
    framer: Box<dyn Framer>,
    position: u64,
    end: u64,
    last: Entry,
    is_finished: bool,
}

impl Scanner for RawScanner {
    fn next(&mut self, sample: &mut Sample) -> Result<Next, Error> {
        loop {
            match self.framer.pop(sample) {
                Ok(Some(at)) => {
                    // Several samples may begin at one place; its time is that of the first.
                    if at != self.last.at {
                        self.last = Entry { at, time: Some(sample.pts) };
                    }
                    return Ok(Next::Sample);
                }
                Ok(None) => {}
                Err(error) => return Ok(Next::Skipped(error)),
            }
            let mut buffer = [0; CHUNK_LEN];
            let room = self.end.saturating_sub(self.position).min(CHUNK_LEN as u64) as usize;
            let filled = self.source.read_at(&mut buffer[..room], self.position, "the stream")?;
            if filled == 0 {
                return Ok(if self.is_finished { Next::End } else { Next::Pending });
            }
            self.framer.push(Chunk { bytes: &buffer[..filled], at: self.position, is_packet: false, stamp: None });
            self.position += filled as u64;
        }
    }

    fn finish(&mut self) {
        if !self.is_finished {
            self.is_finished = true;
            self.framer.finish();
        }
    }

    fn entry(&self) -> Entry {
        self.last
    }

    fn position(&self) -> u64 {
        self.position
    }
}
