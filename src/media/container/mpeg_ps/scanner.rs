//! Reads the samples of all tracks out of a program stream, from any place in it.

use std::collections::VecDeque;

use super::packets::{Item, PROGRAM_END, Packets, Piece};
use super::streams::{Kind, PrivateUse, StreamKey, key_of};
use super::timeline::Timeline;
use crate::media::io::Source;
use crate::media::scan::{Chunk, Entry, Framer, Scanner};
use crate::media::{Codec, Error, Next, Sample};
use crate::time::MediaTime;

/// How far behind an entry the first time stamp is looked for, in bytes.
const STAMP_SEARCH_LEN: u64 = 4 << 20;

/// A stream that is read.
#[derive(Debug, Clone)]
pub struct Stream {
    /// Which of the file it is.
    pub key: StreamKey,
    /// What cuts it into samples.
    pub kind: Kind,
    /// What is known of it.
    pub codec: Option<Codec>,
}

/// What readers of one file share.
#[derive(Debug, Clone)]
pub struct Layout {
    /// The streams that are read, in the order of their tracks.
    pub streams: Vec<Stream>,
    /// How private_stream_1 is used, if it is.
    pub private_use: Option<PrivateUse>,
    /// The time stamp of time 0.
    pub base: u64,
    /// Which of the streams seeking goes by.
    pub seek_stream: usize,
    /// Where the first sample begins.
    pub start: u64,
}

impl Layout {
    /// Whether a packet is of the stream that seeking goes by.
    pub fn is_sought_by(&self, piece: &Piece, payload: &[u8]) -> bool {
        let sought = self.streams.get(self.seek_stream).map(|stream| stream.key);
        sought == Some(key_of(piece.stream_id, payload, self.private_use))
    }
}

struct Track {
    key: StreamKey,
    header_len: usize,
    framer: Box<dyn Framer>,
    /// Until a packet has a time stamp, nothing is taken from it.
    awaits_stamp: bool,
    /// Reading began in the middle of it, and what came so far may be the end of a frame.
    is_settling: bool,
    /// The last packets with a time stamp, by their place in the file.
    stamped: VecDeque<u64>,
    /// Where its last sample can be read again: a packet with a time stamp, as without one the times of what is in it
    /// are not known. Samples in packets that have none are read again from before.
    last: Option<Entry>,
}

/// Packets with a time stamp that are remembered: more than can be in one picture.
const STAMPED_MAX: usize = 32;

/// Position and parser state of one reader.
pub struct PsScanner {
    packets: Packets,
    timeline: Timeline,
    private_use: Option<PrivateUse>,
    tracks: Vec<Track>,
    /// The tracks that may have samples.
    ready: std::ops::Range<usize>,
    last: Entry,
    is_drained: bool,
}

impl PsScanner {
    /// Reads from `entry` on. If that is no place that was met before, its time is that of what comes first.
    pub fn new(source: &Source, layout: &Layout, entry: Entry) -> Self {
        let is_start = entry.at == layout.start;
        let is_met = entry.time.is_some() && (is_start || begins_unit(source, entry.at));
        let packets = if is_met { Packets::new } else { Packets::from_any_byte };
        let timeline = entry.time.and_then(|time| anchored(packets(source, entry.at), layout, time));
        let packets = packets(source, entry.at);
        let tracks = layout.streams.iter().enumerate().filter_map(|(index, stream)| {
            let mut framer = stream.kind.framer(stream.codec.as_ref())?;
            let has_time = index == layout.seek_stream && is_met;
            framer.start(if has_time { entry.time.unwrap_or_default() } else { MediaTime::ZERO });
            Some(Track {
                key: stream.key,
                header_len: stream.kind.header_len(stream.key),
                framer,
                awaits_stamp: !is_start && !has_time,
                is_settling: !is_start,
                stamped: VecDeque::new(),
                last: None,
            })
        });
        Self {
            packets,
            timeline: timeline.unwrap_or(Timeline::new(layout.base)),
            private_use: layout.private_use,
            tracks: tracks.collect(),
            ready: 0..0,
            last: entry,
            is_drained: false,
        }
    }

    /// What is known of track `index` by now.
    pub fn codec(&self, index: usize) -> Option<Codec> {
        self.tracks[index].framer.codec()
    }

    /// See [`Framer::frame_rate`].
    pub fn frame_rate(&self, index: usize) -> Option<f64> {
        self.tracks[index].framer.frame_rate()
    }

    /// A sample of a track that may have one.
    fn pop(&mut self, sample: &mut Sample) -> Option<Result<(), Error>> {
        while let Some(index) = self.ready.clone().next() {
            let track = &mut self.tracks[index];
            match track.framer.pop(sample) {
                Ok(Some(at)) => {
                    track.is_settling = false;
                    sample.track = index;
                    // Several samples may begin in one packet; its time is that of the first.
                    let last = track.last.filter(|last| last.at == at || !track.stamped.contains(&at));
                    self.last = *track.last.insert(last.unwrap_or(Entry { at, time: Some(sample.pts) }));
                    return Some(Ok(()));
                }
                Ok(None) => self.ready.start += 1,
                Err(_) if track.is_settling => {}
                Err(error) => return Some(Err(error)),
            }
        }
        None
    }

    fn feed(&mut self, piece: &Piece) -> Result<(), Error> {
        let payload = self.packets.payload(piece)?;
        let key = key_of(piece.stream_id, payload, self.private_use);
        let Some(index) = self.tracks.iter().position(|track| track.key == key) else { return Ok(()) };
        let stamp = piece.stamp.map(|stamp| self.timeline.stamp(key, stamp));
        let track = &mut self.tracks[index];
        if track.awaits_stamp && stamp.is_none() {
            return Ok(());
        }
        track.awaits_stamp = false;
        if stamp.is_some() {
            if track.stamped.len() == STAMPED_MAX {
                track.stamped.pop_front();
            }
            track.stamped.push_back(piece.at);
        }
        let bytes = payload.get(track.header_len..).unwrap_or_default();
        track.framer.push(Chunk { bytes, at: piece.at, is_packet: true, stamp });
        self.ready = index..index + 1;
        Ok(())
    }

    /// Bytes are missing.
    fn reset(&mut self) {
        for track in &mut self.tracks {
            track.framer.reset();
            track.is_settling = true;
        }
        self.ready = 0..self.tracks.len();
    }
}

/// Whether a pack or a packet begins at byte `at`, as it does wherever a sample was met.
fn begins_unit(source: &Source, at: u64) -> bool {
    let mut code = [0; 4];
    let filled = source.read_at(&mut code, at, "the program stream");
    filled.is_ok_and(|filled| filled == code.len()) && code[..3] == [0, 0, 1] && code[3] >= PROGRAM_END
}

/// The timeline on which the first time stamp in `packets` of the stream that seeking goes by has `time`.
fn anchored(mut packets: Packets, layout: &Layout, time: MediaTime) -> Option<Timeline> {
    let until = packets.position().saturating_add(STAMP_SEARCH_LEN);
    while packets.position() < until {
        match packets.next().ok()? {
            Item::Piece(piece) => {
                let Some(stamp) = piece.stamp else { continue };
                if layout.is_sought_by(&piece, packets.payload(&piece).ok()?) {
                    return Some(Timeline::at(layout.base, stamp.pts, time));
                }
            }
            Item::Pending | Item::End => return None,
            Item::Map(_) | Item::Damage(_) => {}
        }
    }
    None
}

impl Scanner for PsScanner {
    fn next(&mut self, sample: &mut Sample) -> Result<Next, Error> {
        loop {
            match self.pop(sample) {
                Some(Ok(())) => return Ok(Next::Sample),
                Some(Err(error)) => return Ok(Next::Skipped(error)),
                None => {}
            }
            match self.packets.next()? {
                Item::Piece(piece) => self.feed(&piece)?,
                Item::Map(_) => {}
                Item::Damage(error) => {
                    self.reset();
                    return Ok(Next::Skipped(error));
                }
                Item::Pending => return Ok(Next::Pending),
                Item::End if self.is_drained => return Ok(Next::End),
                Item::End => {
                    self.is_drained = true;
                    self.tracks.iter_mut().for_each(|track| track.framer.finish());
                    self.ready = 0..self.tracks.len();
                }
            }
        }
    }

    fn finish(&mut self) {
        self.packets.finish();
    }

    fn entry(&self) -> Entry {
        self.last
    }

    fn position(&self) -> u64 {
        self.packets.position()
    }
}
