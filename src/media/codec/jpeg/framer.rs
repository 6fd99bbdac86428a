//! A stream of JPEG pictures: in a file of nothing else, or as `multipart/x-mixed-replace` bodies as they are saved
//! from a camera. What stands between pictures is stepped over.

use super::{JpegConfig, end_of_scan, marker};
use crate::media::codec::{Codec, FrameRate};
use crate::media::scan::{Chunk, Framer, StreamBuffer};
use crate::media::{Error, Sample};
use crate::time::MediaTime;

/// A picture that is longer is taken for damage, in bytes: RTP can tell 24 bits of offset (RFC 2435 section 3.1.2).
pub const PICTURE_LEN_MAX: usize = 1 << 24;
/// Between pictures, more bytes than this are damage: the head of a part of a multipart body is shorter.
const BETWEEN_LEN_MAX: usize = 4096;
/// Bytes that are an SOI marker and the start of the next.
const START: [u8; 3] = [0xFF, marker::SOI, 0xFF];

/// Cuts a stream into pictures, and counts them at a fixed rate.
pub struct JpegFramer {
    buffer: StreamBuffer,
    rate: FrameRate,
    /// The number of the next picture at that rate.
    index: i64,
    progress: Progress,
    /// Bytes since the last picture, and whether it was told that they are too many.
    between: (usize, bool),
    is_finished: bool,
    config: Option<JpegConfig>,
}

/// How far the picture at the start of the buffer is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// Its start is being looked for.
    Between,
    /// A marker begins at this byte, before the first scan or behind one.
    Marker(usize, bool),
    /// Entropy-coded data go on at this byte.
    Scan(usize),
}

/// What looking at the bytes so far led to.
enum Found {
    /// The picture has this length.
    Picture(usize),
    /// So many bytes are no picture.
    Damage(usize),
    /// More bytes are needed.
    Nothing,
}

impl JpegFramer {
    /// Pictures without time stamps are `rate` a second.
    pub fn new(rate: FrameRate) -> Self {
        Self {
            buffer: StreamBuffer::default(),
            rate,
            index: 0,
            progress: Progress::Between,
            between: (0, false),
            is_finished: false,
            config: None,
        }
    }

    /// Drops what precedes the next SOI; whether there is one.
    fn find_start(&mut self) -> bool {
        let bytes = self.buffer.bytes();
        let found = bytes.windows(START.len()).position(|window| window == START);
        let skip = found.unwrap_or(bytes.len().saturating_sub(START.len() - 1));
        self.buffer.consume(skip);
        self.between.0 += skip;
        if found.is_some() {
            self.progress = Progress::Marker(2, false);
        }
        found.is_some()
    }

    /// Goes on through the picture.
    fn advance(&mut self) -> Found {
        let bytes = self.buffer.bytes();
        let found = loop {
            match self.progress {
                Progress::Between => break Found::Nothing,
                Progress::Marker(at, has_scan) => match next_of_marker(bytes, at, has_scan) {
                    Some(Ok(progress)) => self.progress = progress,
                    Some(Err(found)) => break found,
                    None => break Found::Nothing,
                },
                Progress::Scan(at) => {
                    let end = end_of_scan(bytes, at);
                    if end == bytes.len() {
                        // The last byte may be the first of a marker.
                        self.progress = Progress::Scan(end.saturating_sub(1).max(at));
                        break Found::Nothing;
                    }
                    self.progress = Progress::Marker(end, true);
                }
            }
        };
        match found {
            Found::Nothing if bytes.len() > PICTURE_LEN_MAX => Found::Damage(START.len()),
            // The end of the file cut it off; a part of a picture is better than none.
            Found::Nothing if self.is_finished => match self.progress {
                Progress::Scan(_) | Progress::Marker(_, true) => Found::Picture(bytes.len()),
                _ => Found::Damage(bytes.len()),
            },
            found => found,
        }
    }

    fn take_picture(&mut self, len: usize, sample: &mut Sample) -> u64 {
        sample.data.extend_from_slice(&self.buffer.bytes()[..len]);
        let origin = self.buffer.origin(0);
        let stamp = self.buffer.take_stamp(0);
        if let Some(stamp) = stamp {
            self.index = self.rate.index_at(stamp.pts);
        }
        let time = stamp.map_or(self.rate.time_of(self.index), |stamp| stamp.pts);
        (sample.pts, sample.dts, sample.is_sync) = (time, time, true);
        self.index += 1;
        self.buffer.consume(len);
        self.progress = Progress::Between;
        self.between = (0, false);
        if self.config.is_none() {
            self.config = JpegConfig::of_picture(&sample.data);
        }
        origin
    }
}

/// Where things go on behind the marker at byte `at`; or the picture's end; `None` when more bytes are needed.
fn next_of_marker(bytes: &[u8], at: usize, has_scan: bool) -> Option<Result<Progress, Found>> {
    let (first, code) = (bytes.get(at)?, *bytes.get(at + 1)?);
    Some(match (first, code) {
        (0xFF, 0xFF) => Ok(Progress::Marker(at + 1, has_scan)),
        (0xFF, marker::EOI) if has_scan => Err(Found::Picture(at + 2)),
        // The next picture begins: this one has no end of its own.
        (0xFF, marker::SOI) if has_scan => Err(Found::Picture(at)),
        (0xFF, marker::SOI | marker::EOI) => Err(Found::Damage(at)),
        (0xFF, marker::TEM | marker::RST0..=marker::RST7) => Ok(Progress::Marker(at + 2, has_scan)),
        (0xFF, 1..) => {
            let len = usize::from(u16::from_be_bytes([*bytes.get(at + 2)?, *bytes.get(at + 3)?]));
            let end = at + 2 + len.max(2);
            Ok(if code == marker::SOS { Progress::Scan(end) } else { Progress::Marker(end, has_scan) })
        }
        _ => Err(Found::Damage(at)),
    })
}

impl Framer for JpegFramer {
    fn push(&mut self, chunk: Chunk<'_>) {
        self.buffer.push(chunk);
    }

    fn pop(&mut self, sample: &mut Sample) -> Result<Option<u64>, Error> {
        if self.progress == Progress::Between && !self.find_start() {
            let (len, was_told) = self.between;
            if len > BETWEEN_LEN_MAX && !was_told {
                self.between.1 = true;
                return Err(Error::malformed("JPEG stream", self.buffer.origin(0)));
            }
            return Ok(None);
        }
        match self.advance() {
            Found::Picture(len) => Ok(Some(self.take_picture(len, sample))),
            Found::Nothing => Ok(None),
            Found::Damage(len) => {
                let at = self.buffer.origin(0);
                self.buffer.consume(len.max(1));
                self.progress = Progress::Between;
                self.between.1 = true;
                Err(Error::malformed("JPEG picture", at))
            }
        }
    }

    fn finish(&mut self) {
        self.is_finished = true;
    }

    fn reset(&mut self) {
        self.buffer.clear();
        self.progress = Progress::Between;
        self.is_finished = false;
    }

    fn start(&mut self, time: MediaTime) {
        self.index = self.rate.index_at(time);
    }

    fn codec(&self) -> Option<Codec> {
        self.config.map(Codec::Jpeg)
    }

    fn frame_rate(&self) -> Option<f64> {
        Some(self.rate.as_f64())
    }
}
