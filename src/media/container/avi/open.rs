//! Opening an AVI file: headers, index, and what only the first pictures and frames tell.

use super::Avi;
use super::frames::codec_of;
use super::header::Headers;
use super::index::{Cursor, Places, Stepped};
use super::order::Order;
use super::pictures::{HEAD_LEN, Keys, Pictures};
use super::stream::{Layout, Stream};
use super::table::Tables;
use super::walker::Data;
use crate::media::codec::nal::split_either;
use crate::media::codec::{
    Av1Config, Codec, H263Config, H264Config, H265Config, JpegConfig, Mpeg4VisualConfig, MpegVideoConfig, dv, h263,
    h264, h265, vpx,
};
use crate::media::io::{Source, Window};
use crate::media::{Error, Note, Track};
use crate::time::MediaTime;

/// How much of the header list is read at once.
const WINDOW_LEN: usize = 16 << 10;
/// Without an index, batches of chunks that are looked at before the file is open; what is left is guessed.
const BATCHES_MAX: usize = 3;
/// A picture of JPEG is looked at so far, in bytes: its tables may stand behind those of an application.
const JPEG_LEN_MAX: usize = 1 << 20;
/// The first chunks of a stream that are looked at.
const SURVEYED: usize = 100;

impl Avi {
    /// Reads what the file holds.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when nothing in it can be streamed; [`Error::Malformed`]; [`Error::Io`].
    pub fn open(source: &Source) -> Result<Self, Error> {
        let headers = Headers::read(&mut Window::new(source.clone(), WINDOW_LEN))?;
        let movi = headers.movi.ok_or_else(|| Error::malformed("AVI file without a movi list", 0))?;
        let mut notes = Vec::new();
        let mut streams = Vec::new();
        for (number, header) in headers.streams.iter().enumerate() {
            match Stream::new(number, header, headers.micros_per_frame) {
                Ok(stream) => streams.push(stream),
                Err(text) => notes.push(Note { at: Some(header.format_at), text }),
            }
        }
        let (places, complaint) = Places::find(source, &headers, &movi)?;
        let has_no_index = complaint.is_some();
        notes.extend(complaint.map(|what| Note { at: None, text: format!("{what}: its chunks are counted instead") }));
        let stream_count = headers.streams.len();
        for stream in &mut streams {
            survey(source, &places, stream_count, stream)?;
        }
        notes.extend(streams.iter().filter(|stream| is_packed(&stream.codec)).map(|stream| Note {
            at: None,
            text: format!("stream {}: bidirectional pictures are packed with the ones before", stream.number),
        }));
        streams.retain(|stream| {
            let is_complete = is_complete(&stream.codec);
            if !is_complete {
                let text = format!("stream {}: {} without parameter sets", stream.number, stream.codec.name());
                notes.push(Note { at: None, text });
            }
            is_complete
        });
        if streams.is_empty() {
            let reasons: Vec<_> = notes.iter().map(ToString::to_string).collect();
            return Err(Error::Unsupported(format!("no track that could be streamed: {}", reasons.join("; "))));
        }
        let tables = Tables::new(source, &places, &streams, stream_count)?;
        for _ in 0..BATCHES_MAX {
            if !tables.extend(&streams)? {
                break;
            }
        }
        for (index, stream) in streams.iter_mut().enumerate() {
            choose_keys(stream, &tables, index, has_no_index);
        }
        let tracks = tracks(source, &streams, &tables)?;
        let duration = tracks.iter().filter_map(|track| track.duration).max();
        Ok(Self { source: source.clone(), stream_count, streams, tracks, places, tables, duration, notes })
    }
}

/// Recorders exist that mark every picture as a key frame, or none.
fn choose_keys(stream: &mut Stream, tables: &Tables, index: usize, has_no_index: bool) {
    let Layout::Pictures { keys, .. } = &mut stream.layout else { return };
    let is_credible = tables.with(index, |table, _| table.keys > 0 && (table.keys < table.filled || table.filled <= 1));
    if *keys == Keys::Index && (has_no_index || !is_credible) {
        *keys = Keys::Content;
    }
}

/// What can be said of tracks by counting. Of a file without an index that is large, the rest is taken to be like what
/// was counted.
fn tracks(source: &Source, streams: &[Stream], tables: &Tables) -> Result<Vec<Track>, Error> {
    let len = source.len()?;
    let share = tables.position().map_or(1.0, |position| len as f64 / position.max(1) as f64);
    let of = |(index, stream): (usize, &Stream)| {
        let (units, bytes) = tables.with(index, |table, _| (table.units, table.bytes));
        let end = stream.clock.time((units as f64 * share) as u64) + stream.delay;
        let seconds = stream.clock.time(units).as_secs_f64();
        let is_video = matches!(stream.layout, Layout::Pictures { .. });
        Track {
            codec: stream.codec.clone(),
            duration: Some(end),
            shown_until: None,
            bitrate: (seconds > 0.0).then(|| (bytes as f64 * 8.0 / seconds) as u32),
            frame_rate: is_video.then(|| stream.clock.ticks_per_second()),
        }
    };
    Ok(streams.iter().enumerate().map(of).collect())
}

/// Learns from the first chunks of a stream what its headers do not tell.
fn survey(source: &Source, places: &Places, stream_count: usize, stream: &mut Stream) -> Result<(), Error> {
    let data = first_data(source, places, stream_count, stream.number)?;
    match stream.layout {
        Layout::Pictures { length_size, .. } => {
            for data in &data {
                let len = if matches!(stream.codec, Codec::Jpeg(_)) { JPEG_LEN_MAX } else { HEAD_LEN };
                let mut head = vec![0; len.min(data.len as usize)];
                let filled = source.read_at(&mut head, data.at, "the start of a picture")?;
                if complete(&mut stream.codec, &head[..filled], length_size) {
                    break;
                }
            }
            find_delay(source, stream, &data)?;
        }
        Layout::Frames => {
            if let Some(codec) = codec_of(source, stream, &data)? {
                stream.codec = codec;
            }
        }
        Layout::Units { .. } | Layout::AccessUnits => {}
    }
    Ok(())
}

fn first_data(source: &Source, places: &Places, stream_count: usize, number: usize) -> Result<Vec<Data>, Error> {
    /// Of all streams, so that a stream without data does not make opening long.
    const STEPS_MAX: usize = 4 * SURVEYED;
    let mut cursor = Cursor::new(source.clone(), places, number, stream_count, places.start());
    let mut found = Vec::new();
    for _ in 0..STEPS_MAX {
        match cursor.next(places)? {
            Some(Stepped::Data(data)) if data.len > 0 => found.push(data),
            Some(_) => {}
            None => break,
        }
        if found.len() >= SURVEYED {
            break;
        }
    }
    Ok(found)
}

/// Takes what is missing of a codec's configuration from the start of a picture; `true` when nothing is.
fn complete(codec: &mut Codec, head: &[u8], length_size: usize) -> bool {
    match codec {
        Codec::H264(config) => {
            for nal in nals(head, length_size) {
                match h264::nal_type(nal) {
                    h264::NAL_SPS => add(&mut config.sps, nal),
                    h264::NAL_PPS => add(&mut config.pps, nal),
                    _ => {}
                }
            }
        }
        Codec::H265(config) => {
            for nal in nals(head, length_size) {
                match h265::nal_type(nal) {
                    h265::NAL_VPS => add(&mut config.vps, nal),
                    h265::NAL_SPS => add(&mut config.sps, nal),
                    h265::NAL_PPS => add(&mut config.pps, nal),
                    _ => {}
                }
            }
        }
        Codec::Mpeg4Visual(config) if config.config.is_empty() => match Mpeg4VisualConfig::parse(head) {
            Some(found) => *config = found,
            None => return false,
        },
        Codec::MpegVideo(config) if config.headers.is_empty() => match MpegVideoConfig::parse(head) {
            Some(found) => *config = found,
            None => return false,
        },
        Codec::Jpeg(config) => match JpegConfig::of_picture(head) {
            Some(found) => *config = found,
            None => return false,
        },
        Codec::Dv(config) => match dv::Profile::of(head) {
            Some(profile) => *config = profile.config,
            None => return false,
        },
        Codec::Av1(config) => match Av1Config::from_obus(head) {
            Some(found) => *config = found,
            None => return false,
        },
        Codec::Vp9(config) => {
            let header = vpx::FrameHeader::vp9(head);
            config.profile = header.map(|header| header.profile);
            config.size = header.and_then(|header| header.size).or(config.size);
        }
        Codec::H263(config) => {
            let size = h263::PictureHeader::parse(head).and_then(|header| header.size);
            *config = H263Config { size: size.or(config.size) };
        }
        _ => {}
    }
    is_complete(codec)
}

fn nals(head: &[u8], length_size: usize) -> Vec<&[u8]> {
    let mut nals = Vec::new();
    // The last unit goes on behind what is looked at: it is a slice.
    let _cut_off = split_either(head, length_size, &mut nals);
    nals.into_iter().map(|nal| &head[nal]).collect()
}

fn add(sets: &mut Vec<Vec<u8>>, nal: &[u8]) {
    const SETS_MAX: usize = 256;
    if sets.len() < SETS_MAX && !sets.iter().any(|set| set == nal) {
        sets.push(nal.to_vec());
    }
}

/// Whether all is there that a decoder cannot do without.
fn is_complete(codec: &Codec) -> bool {
    match codec {
        Codec::H264(H264Config { sps, pps }) => !sps.is_empty() && !pps.is_empty(),
        Codec::H265(H265Config { vps, sps, pps }) => !vps.is_empty() && !sps.is_empty() && !pps.is_empty(),
        _ => true,
    }
}

/// Finds out by how many pictures display lags behind decoding, if pictures are reordered at all.
fn find_delay(source: &Source, stream: &mut Stream, data: &[Data]) -> Result<(), Error> {
    let Layout::Pictures { length_size, .. } = stream.layout else { return Ok(()) };
    let mut order = Order::new(Pictures::new(&stream.codec, length_size));
    let mut lag = 0;
    let mut index = 0;
    // Times that count pictures, so that the difference does.
    let mut counting = stream.clone();
    counting.delay = MediaTime::from_nanos(data.len() as i64);
    for (number, data) in data.iter().enumerate() {
        order.push(source, &counting, *data, MediaTime::from_nanos(number as i64))?;
    }
    order.finish(&counting);
    let mut is_any_reordered = false;
    while let Some(held) = order.pop() {
        let shown = held.pts.unwrap_or(held.dts).as_nanos() - data.len() as i64;
        is_any_reordered |= shown != index;
        lag = lag.max(index - shown);
        index += 1;
    }
    let Layout::Pictures { is_reordered, .. } = &mut stream.layout else { return Ok(()) };
    *is_reordered = is_any_reordered;
    if is_any_reordered {
        lag = lag.max(told_delay(&stream.codec));
        stream.delay = stream.clock.time(lag as u64) - stream.clock.time(0);
    }
    Ok(())
}

/// Whether user data of DivX says that a chunk may hold two pictures: `DivX503b1393p`. Decoders take that apart.
fn is_packed(codec: &Codec) -> bool {
    let Codec::Mpeg4Visual(config) = codec else { return false };
    let Some(at) = config.config.windows(4).position(|window| window == b"DivX") else { return false };
    let text = config.config[at..].iter().take_while(|byte| byte.is_ascii_alphanumeric());
    text.last() == Some(&b'p')
}

/// By how many pictures display lags behind decoding, as parameter sets tell. Streams that could reorder as many begin
/// so much earlier, and so do their times of decoding, which the file has been made with.
fn told_delay(codec: &Codec) -> i64 {
    match codec {
        Codec::H264(config) => {
            let sps = config.sps.first().and_then(|sps| h264::SpsInfo::parse(sps));
            sps.filter(|sps| sps.reorder_told).map_or(0, |sps| sps.reorder_frames.into())
        }
        Codec::H265(config) => {
            let sps = config.sps.first().and_then(|sps| h265::SpsInfo::parse(sps));
            sps.map_or(0, |sps| sps.reorder_pictures.into())
        }
        _ => 0,
    }
}
