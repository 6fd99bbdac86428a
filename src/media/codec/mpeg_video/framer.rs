//! Cuts MPEG-1 and MPEG-2 video into pictures: each with the headers before it, both fields of a frame together.

use super::super::picture_times::{CodedPicture, PictureTimes};
use super::{EXTENSION, GROUP, PICTURE, PictureHeader, SEQUENCE_END, SEQUENCE_HEADER, SLICES, STRUCTURE_FRAME};
use super::{MpegVideoConfig, SequenceHeaders};
use crate::media::codec::nal::find_start_code;
use crate::media::scan::{Chunk, Framer, Stamp, StreamBuffer};
use crate::media::{Codec, Error, Sample};
use crate::time::MediaTime;

/// The longest picture in bytes. The VBV buffer of the highest level holds a third of it (ISO/IEC 13818-2 table 8-14).
const PICTURE_LEN_MAX: usize = 8 << 20;
/// A start code and the byte that tells its kind.
const CODE_LEN: usize = 4;

/// The framer of MPEG-1 and MPEG-2 video.
#[derive(Debug)]
pub struct MpegVideoFramer {
    /// From the start of the picture that is being read.
    buffer: StreamBuffer,
    /// Up to where start codes have been looked for.
    scanned: usize,
    /// Where the unit begins whose end has not been seen.
    unit: Option<usize>,
    open: Open,
    /// What stands behind the slices of a first field, until it shows whether the second field follows.
    next: Option<Next>,
    headers: SequenceHeaders,
    times: PictureTimes,
    /// The headers are complete.
    is_known: bool,
    is_finished: bool,
    /// What is left out was reported.
    is_skipping: bool,
}

/// The picture that is being read.
#[derive(Debug, Default)]
struct Open {
    picture: Option<Picture>,
    has_slices: bool,
    has_both_fields: bool,
}

#[derive(Debug, Clone, Copy)]
struct Picture {
    header: PictureHeader,
    stamp: Option<Stamp>,
}

#[derive(Debug)]
struct Next {
    at: usize,
    picture: Option<Picture>,
}

impl Default for MpegVideoFramer {
    fn default() -> Self {
        Self {
            buffer: StreamBuffer::default(),
            scanned: 0,
            unit: None,
            open: Open::default(),
            next: None,
            headers: SequenceHeaders::default(),
            times: PictureTimes::new(1),
            is_known: false,
            is_finished: false,
            is_skipping: false,
        }
    }
}

impl MpegVideoFramer {
    /// A framer, as a table of them wants it.
    pub fn boxed() -> Box<dyn Framer> {
        Box::new(Self::default())
    }

    /// Reads on to the next start code; `false` when more bytes are needed.
    fn step(&mut self) -> Result<bool, Error> {
        let bytes = self.buffer.bytes();
        let found = find_start_code(bytes, self.scanned).filter(|at| at + CODE_LEN <= bytes.len());
        let looked_at = found.unwrap_or(bytes.len().saturating_sub(CODE_LEN - 1));
        self.scanned = self.scanned.max(looked_at);
        if self.scanned > PICTURE_LEN_MAX {
            return Err(self.drop_all("MPEG video picture of more than 8 MiB"));
        }
        let Some(at) = found else {
            return self.end_of_bytes().map(|()| false);
        };
        let code = bytes[at + CODE_LEN - 1];
        match self.unit {
            Some(unit) => self.end_unit(unit, at),
            None => self.drop_junk(at)?,
        }
        // What was junk has gone.
        let at = if self.unit.is_some() { at } else { 0 };
        let cut = self.begin_unit(at, code);
        let at = at - cut.unwrap_or(0);
        self.unit = Some(at);
        self.scanned = at + CODE_LEN;
        let ended = cut.map_or(Ok(()), |cut| self.cut(cut));
        self.open.has_slices |= SLICES.contains(&code);
        ended.map(|()| true)
    }

    /// There is no further start code: at the end of the stream the last unit ends, and with it the picture.
    fn end_of_bytes(&mut self) -> Result<(), Error> {
        if !self.is_finished {
            return Ok(());
        }
        if let Some(unit) = self.unit.take() {
            self.end_unit(unit, self.buffer.len());
        }
        // No slice follows what is behind a first field.
        let end = self.next.as_ref().map_or(self.buffer.len(), |next| next.at);
        let ended = if self.open.has_slices { self.cut(end) } else { Ok(()) };
        self.forget();
        self.times.flush();
        ended
    }

    fn drop_all(&mut self, what: &'static str) -> Error {
        let at = self.buffer.origin(0);
        self.forget();
        self.is_skipping = true;
        Error::malformed(what, at)
    }

    fn drop_junk(&mut self, count: usize) -> Result<(), Error> {
        let is_stuffing = self.buffer.bytes()[..count].iter().all(|byte| *byte == 0);
        let at = self.buffer.origin(0);
        self.buffer.consume(count);
        self.scanned = 0;
        if is_stuffing || self.is_skipping {
            return Ok(());
        }
        self.is_skipping = true;
        Err(Error::malformed("MPEG video start code", at))
    }

    /// What the start code at `at` means for the picture that is open: it may end at the place returned.
    fn begin_unit(&mut self, at: usize, code: u8) -> Option<usize> {
        if SLICES.contains(&code) {
            return self.begin_slice();
        }
        if code == SEQUENCE_END || !self.open.has_slices {
            self.note_picture(at, code);
            return None;
        }
        let is_whole = self.open.has_both_fields
            || self.open.picture.is_none_or(|picture| picture.header.structure == STRUCTURE_FRAME);
        let begins_at = self.next.get_or_insert(Next { at, picture: None }).at;
        self.note_picture(at, code);
        (is_whole || code == SEQUENCE_HEADER || code == GROUP).then_some(begins_at)
    }

    fn note_picture(&mut self, at: usize, code: u8) {
        const UNREAD: PictureHeader = PictureHeader {
            temporal_reference: 0,
            coding_type: 0,
            vectors: 0,
            structure: STRUCTURE_FRAME,
            repeats_first_field: false,
            is_top_field_first: false,
        };
        if code == PICTURE {
            // The stamp is that of the picture whose start code begins in the packet (ISO/IEC 13818-1 section 2.4.3.7).
            let picture = Some(Picture { header: UNREAD, stamp: self.buffer.take_stamp(at) });
            match &mut self.next {
                Some(next) => next.picture = picture,
                None => self.open.picture = picture,
            }
        }
    }

    fn begin_slice(&mut self) -> Option<usize> {
        let next = self.next.as_ref()?;
        let fields = self.open.picture.zip(next.picture);
        if fields.is_some_and(|(first, second)| first.header.is_completed_by(&second.header)) {
            self.open.has_both_fields = true;
            self.next = None;
            return None;
        }
        Some(next.at)
    }

    /// Reads the headers in the unit from `unit` to `end`.
    fn end_unit(&mut self, unit: usize, end: usize) {
        let bytes = &self.buffer.bytes()[unit..end];
        let picture = match &mut self.next {
            Some(next) => next.picture.as_mut(),
            None => self.open.picture.as_mut(),
        };
        match (bytes.get(CODE_LEN - 1).copied(), picture) {
            (Some(PICTURE), Some(picture)) => {
                if let Some(header) = PictureHeader::parse(bytes) {
                    picture.header = header;
                }
                self.configure();
            }
            (Some(EXTENSION), Some(picture)) => picture.header.extend(bytes),
            (Some(code), _) if !SLICES.contains(&code) => {
                self.headers.take(bytes);
            }
            _ => {}
        }
    }

    /// Takes what the sequence headers say, once the picture behind them shows that they are complete.
    fn configure(&mut self) {
        if let Some(sequence) = self.headers.sequence() {
            let (numerator, _) = sequence.frame_rate;
            self.times.configure(2 * numerator, !sequence.has_no_b);
            self.is_known = true;
        }
    }

    /// The picture that is open ends at `at`, and what was read behind that belongs to the next.
    fn cut(&mut self, at: usize) -> Result<(), Error> {
        let next = self.next.take().and_then(|next| next.picture);
        let Open { picture, has_slices, .. } = std::mem::take(&mut self.open);
        self.open.picture = next;
        let origin = self.buffer.origin(0);
        let data = self.buffer.bytes()[..at].to_vec();
        self.buffer.consume(at);
        let (Some(picture), Some(sequence), true) = (picture, self.headers.sequence(), has_slices) else {
            let is_reported = std::mem::replace(&mut self.is_skipping, true);
            let error = || Error::malformed("MPEG video picture without headers", origin);
            return if is_reported { Ok(()) } else { Err(error()) };
        };
        self.is_skipping = false;
        let (_, denominator) = sequence.frame_rate;
        self.times.push(CodedPicture {
            data,
            origin,
            is_sync: picture.header.is_intra(),
            is_bidirectional: picture.header.is_bidirectional(),
            stamp: picture.stamp,
            ticks: picture.header.fields(sequence.is_progressive) * i64::from(denominator),
            clock: None,
        });
        Ok(())
    }

    fn forget(&mut self) {
        self.buffer.clear();
        self.scanned = 0;
        self.unit = None;
        self.open = Open::default();
        self.next = None;
    }
}

impl Framer for MpegVideoFramer {
    fn push(&mut self, chunk: Chunk<'_>) {
        self.buffer.push(chunk);
    }

    fn pop(&mut self, sample: &mut Sample) -> Result<Option<u64>, Error> {
        loop {
            if let Some(origin) = self.times.pop(sample) {
                return Ok(Some(origin));
            }
            if !self.step()? {
                return Ok(self.times.pop(sample));
            }
        }
    }

    fn finish(&mut self) {
        self.is_finished = true;
    }

    /// The picture that was being read comes out as far as it came: a decoder does better with a part of it than without
    /// it, and often it is whole, as only what follows would have shown.
    fn reset(&mut self) {
        self.is_skipping = true;
        if self.open.has_slices && !self.is_finished {
            let end = self.next.as_ref().map_or(self.buffer.len(), |next| next.at);
            let _ = self.cut(end);
        }
        self.forget();
        self.times.flush();
        self.is_finished = false;
        // What is left of a picture is no further damage.
        self.is_skipping = true;
        self.is_finished = false;
    }

    fn start(&mut self, time: MediaTime) {
        self.times.start(time);
    }

    fn codec(&self) -> Option<Codec> {
        self.headers.config().filter(|_| self.is_known).map(Codec::MpegVideo)
    }

    fn prime(&mut self, codec: &Codec) {
        if let Codec::MpegVideo(MpegVideoConfig { headers, .. }) = codec {
            self.headers = SequenceHeaders::parse(headers);
            self.configure();
        }
    }

    fn frame_rate(&self) -> Option<f64> {
        let (numerator, denominator) = self.headers.sequence()?.frame_rate;
        Some(f64::from(numerator) / f64::from(denominator))
    }
}
