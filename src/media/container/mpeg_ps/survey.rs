//! What opening a program stream looks at: its start, until it is known which streams there are and what they are.

use std::collections::BTreeMap;

use super::packets::{Item, PRIVATE_1, Packets};
use super::program_map::ProgramMap;
use super::scanner::{Layout, PsScanner, Stream};
use super::streams::{Kind, PrivateUse, StreamKey, key_of, kind_of};
use super::timeline::{AHEAD_MAX, RATE};
use super::{HIKVISION, NAME};
use crate::media::codec::G711Config;
use crate::media::container::mpeg_clock;
use crate::media::io::Source;
use crate::media::scan::{Entry, Header, Scanner, Timing};
use crate::media::{Codec, Error, Next, Note, Sample, Track};
use crate::time::MediaTime;

/// How much of a file is looked at for streams, in bytes: at least, where streams may still appear, and at most.
const SURVEY_LEN_MIN: u64 = 1 << 20;
const SURVEY_LEN_MAX: u64 = 8 << 20;
/// The first bytes of a stream by which its coding is guessed.
const PROBE_LEN: usize = 256 << 10;
/// The most streams that are looked at. A DVD has 1 of video, 8 of audio and 32 of subpictures.
const STREAMS_MAX: usize = 64;
/// How long a part of the file gives an idea of the bit rate.
const BITRATE_SPAN: MediaTime = MediaTime::from_millis(2000);

/// Looks at the start of the file in `source`.
///
/// # Errors
/// [`Error::Unsupported`] when there is no stream that could be streamed; [`Error::Io`].
pub fn survey(source: &Source) -> Result<(Header, Layout), Error> {
    let mut head = [0; HikvisionHeader::LEN];
    let head_len = source.read_at(&mut head, 0, "the start of the file")?;
    let hikvision = HikvisionHeader::parse(&head[..head_len]);
    let start = if hikvision.is_some() { HikvisionHeader::LEN as u64 } else { 0 };
    let found = find_streams(source, start)?;
    let mut notes = found.notes;
    let mut streams = Vec::new();
    for (key, (kind, _)) in &found.streams {
        match *kind {
            Some(Kind::Unsupported(name)) => notes.push(left_out(*key, name)),
            Some(kind) => streams.push(Stream { key: *key, kind, codec: hikvision.and_then(|head| head.codec(kind)) }),
            None => match hikvision
                .and_then(|head| head.sound_kind())
                .filter(|_| !super::packets::VIDEO.contains(&key.stream_id))
            {
                Some(kind) => {
                    streams.push(Stream { key: *key, kind, codec: hikvision.and_then(|head| head.codec(kind)) })
                }
                None => notes.push(left_out(*key, "of unknown coding")),
            },
        }
    }
    streams.sort_by_key(|stream| (!stream.kind.is_video(), stream.key));
    measure(source, streams, found.private_use, found.first_pack, found.first_stamp, notes)
}

fn left_out(key: StreamKey, what: &str) -> Note {
    let StreamKey { stream_id, substream } = key;
    let substream = if substream == 0 { String::new() } else { format!("/{substream:#04x}") };
    Note { at: None, text: format!("stream {stream_id:#04x}{substream} is left out: {what}") }
}

/// What stands in front of the streams of a Hikvision recorder, in little-endian order.
///
/// ```text
/// |IMKH|version 16|device 16|system 16|video 16|audio 16|channels 8|bits 8|sample rate 32|bit rate 32|reserved 128|
/// ```
#[derive(Debug, Clone, Copy)]
struct HikvisionHeader {
    audio_format: u16,
    channels: u8,
    sample_rate: u32,
}

impl HikvisionHeader {
    const LEN: usize = 40;

    fn parse(head: &[u8]) -> Option<Self> {
        if head.len() < Self::LEN || !head.starts_with(HIKVISION) {
            return None;
        }
        let audio_format = u16::from_le_bytes([head[12], head[13]]);
        let sample_rate = u32::from_le_bytes([head[16], head[17], head[18], head[19]]);
        Some(Self { audio_format, channels: head[14], sample_rate })
    }

    fn sound_kind(self) -> Option<Kind> {
        match self.audio_format {
            0x7110 => Some(Kind::Pcmu),
            0x7111 => Some(Kind::Pcma),
            _ => None,
        }
    }

    /// G.711 with the rate that the header tells.
    fn codec(self, kind: Kind) -> Option<Codec> {
        let sample_rate = if (8000..=48_000).contains(&self.sample_rate) { self.sample_rate } else { 8000 };
        let config = G711Config { sample_rate, channels: self.channels.clamp(1, 2).into() };
        match kind {
            Kind::Pcma => Some(Codec::Pcma(config)),
            Kind::Pcmu => Some(Codec::Pcmu(config)),
            _ => None,
        }
    }
}

/// The streams at the start of a file.
struct Found {
    /// Their kinds, and what was collected to tell them.
    streams: BTreeMap<StreamKey, (Option<Kind>, Vec<u8>)>,
    private_use: Option<PrivateUse>,
    /// Where the first pack or packet begins.
    first_pack: u64,
    first_stamp: u64,
    notes: Vec<Note>,
}

fn find_streams(source: &Source, start: u64) -> Result<Found, Error> {
    let mut packets = Packets::new(source, start);
    packets.finish();
    let mut map = ProgramMap::default();
    let mut first_stamp = None;
    let mut found =
        Found { streams: BTreeMap::new(), private_use: None, first_pack: start, first_stamp: 0, notes: Vec::new() };
    while packets.position() < start + SURVEY_LEN_MAX {
        let is_enough = packets.position() >= start + SURVEY_LEN_MIN
            && !found.streams.is_empty()
            && found.streams.values().all(|(kind, bytes)| kind.is_some() || bytes.len() >= PROBE_LEN);
        match packets.next()? {
            _ if is_enough => break,
            Item::Piece(piece) => {
                first_stamp = first_stamp.or(piece.stamp.map(|stamp| stamp.pts));
                let begun_at = packets.begun_at();
                let payload = packets.payload(&piece)?;
                if piece.stream_id == PRIVATE_1 && found.private_use.is_none() {
                    found.private_use = Some(PrivateUse::of(&map, payload));
                }
                let key = key_of(piece.stream_id, payload, found.private_use);
                if found.streams.is_empty() {
                    found.first_pack = begun_at;
                }
                if found.streams.len() >= STREAMS_MAX && !found.streams.contains_key(&key) {
                    continue;
                }
                let (kind, bytes) = found.streams.entry(key).or_default();
                if kind.is_none() && bytes.len() < PROBE_LEN {
                    bytes.extend_from_slice(payload);
                    *kind = kind_of(key, &map, found.private_use, bytes);
                }
            }
            Item::Map(later) => map.extend(later),
            Item::Damage(error) => {
                found.notes.extend(found.notes.is_empty().then(|| Note::from(&error)));
            }
            Item::Pending | Item::End => break,
        }
    }
    found.first_stamp = first_stamp.unwrap_or_default();
    Ok(found)
}

/// Reads the first samples of `streams`, for what their codecs and their first times are.
fn measure(
    source: &Source,
    streams: Vec<Stream>,
    private_use: Option<PrivateUse>,
    start: u64,
    base: u64,
    mut notes: Vec<Note>,
) -> Result<(Header, Layout), Error> {
    let mut layout = Layout { streams, private_use, base, seek_stream: usize::MAX, start };
    let mut scanner = PsScanner::new(source, &layout, Entry { at: start, time: Some(MediaTime::ZERO) });
    let mut measured: Vec<Measured> = layout.streams.iter().map(|_| Measured::default()).collect();
    let mut sample = Sample::default();
    while scanner.position() < start + SURVEY_LEN_MAX
        && !measured.iter().enumerate().all(|(index, track)| track.is_enough() && scanner.codec(index).is_some())
    {
        sample.clear();
        match scanner.next(&mut sample)? {
            Next::Sample => measured[sample.track].add(&sample),
            Next::Skipped(_) => {}
            Next::Pending => scanner.finish(),
            Next::End => break,
        }
    }
    let mut tracks = Vec::new();
    let mut kept = Vec::new();
    for (index, stream) in layout.streams.iter().enumerate() {
        match (scanner.codec(index), measured[index].first) {
            (Some(codec), Some(first)) => {
                let (bitrate, frame_rate) = (measured[index].bitrate(), scanner.frame_rate(index));
                tracks.push(Track { codec: codec.clone(), duration: None, shown_until: None, bitrate, frame_rate });
                kept.push((Stream { codec: Some(codec), ..stream.clone() }, first));
            }
            _ => notes.push(left_out(stream.key, "without a frame that can be read")),
        }
    }
    let Some(earliest) = kept.iter().map(|(_, first)| first.earliest).min() else {
        return Err(Error::Unsupported("no stream that could be streamed".to_owned()));
    };
    // Tracks are in order of their kind: video comes first, if there is any.
    layout.seek_stream = 0;
    layout.base = base.wrapping_add_signed(earliest.to_ticks(RATE)) % (1 << 33);
    let time = Some(kept[0].1.pts - earliest);
    layout.streams = kept.into_iter().map(|(stream, _)| stream).collect();
    let start = Entry { at: start, time };
    let has_jumps = has_jumps(source, &layout)?;
    if has_jumps {
        notes.push(Note { at: None, text: "the clock was set anew: time goes on without a gap".to_owned() });
    }
    let timing = if has_jumps { Timing::Counted } else { Timing::Stamped };
    let header = Header { container: NAME, tracks, notes, start, timing, duration: None };
    Ok((header, layout))
}

/// Whether the stamps of the stream that seeking goes by ever start anew, as far as some from all over the file tell.
fn has_jumps(source: &Source, layout: &Layout) -> Result<bool, Error> {
    let all = layout.start..source.len()?;
    let probes = mpeg_clock::probe(all, layout.base, AHEAD_MAX, |range, count, stamps| {
        let mut packets = Packets::from_any_byte(source, range.start);
        packets.finish();
        let wanted = stamps.len().saturating_add(count);
        while packets.position() < range.end && stamps.len() < wanted {
            match packets.next()? {
                Item::Piece(piece) => {
                    let Some(stamp) = piece.stamp else { continue };
                    if layout.is_sought_by(&piece, packets.payload(&piece)?) {
                        stamps.push((piece.at, stamp.dts.unwrap_or(stamp.pts)));
                    }
                }
                Item::Map(_) | Item::Damage(_) => {}
                Item::Pending | Item::End => break,
            }
        }
        Ok(())
    })?;
    Ok(probes.has_jumps)
}

/// What the first samples of a stream showed.
#[derive(Debug, Default)]
struct Measured {
    first: Option<First>,
    last: MediaTime,
    bytes: u64,
}

#[derive(Debug, Clone, Copy)]
struct First {
    pts: MediaTime,
    /// The first to be displayed, which may be another one.
    earliest: MediaTime,
    dts: MediaTime,
}

impl Measured {
    fn add(&mut self, sample: &Sample) {
        let first = self.first.get_or_insert(First { pts: sample.pts, earliest: sample.pts, dts: sample.dts });
        first.earliest = first.earliest.min(sample.pts);
        self.bytes += sample.data.len() as u64;
        self.last = sample.dts;
    }

    fn span(&self) -> MediaTime {
        self.first.map_or(MediaTime::ZERO, |first| self.last - first.dts)
    }

    fn is_enough(&self) -> bool {
        self.span() >= BITRATE_SPAN
    }

    fn bitrate(&self) -> Option<u32> {
        let seconds = self.span().as_secs_f64();
        (seconds > 0.0).then(|| (self.bytes as f64 * 8.0 / seconds) as u32)
    }
}
