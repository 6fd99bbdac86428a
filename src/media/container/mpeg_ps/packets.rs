//! The walk over a program stream: packs, headers and PES packets in turn, and on from the next pack after damage.

use super::pes::{self, PES_START_LEN, RawStamp};
use super::program_map::ProgramMap;
use crate::media::Error;
use crate::media::codec::nal::find_start_code;
use crate::media::io::{Source, Window};

/// How much is read at once, in bytes. No PES packet but one without length is longer.
const WINDOW_LEN: usize = 68 << 10;
/// A start code and the byte behind it.
const CODE_LEN: usize = 4;
const WHAT: &str = "the program stream";

/// MPEG_program_end_code, the lowest of the codes that structure a program stream (ISO/IEC 13818-1 section 2.5.3).
pub const PROGRAM_END: u8 = 0xb9;
/// pack_start_code.
pub const PACK: u8 = 0xba;
/// stream_id of a program stream map (ISO/IEC 13818-1 table 2-22).
const PROGRAM_MAP: u8 = 0xbc;
/// private_stream_1.
pub const PRIVATE_1: u8 = 0xbd;
/// Streams of MPEG audio, which carry other codecs too, and of video.
pub const AUDIO: std::ops::RangeInclusive<u8> = 0xc0..=0xdf;
/// See [`AUDIO`].
pub const VIDEO: std::ops::RangeInclusive<u8> = 0xe0..=0xef;
/// stream_id of streams that have another id in the extension of the header.
pub const EXTENDED: u8 = 0xfd;

/// What the walk came upon.
#[derive(Debug)]
pub enum Item {
    /// A packet of an elementary stream, or a part of one. [`Packets::payload`] has the bytes.
    Piece(Piece),
    /// A program stream map.
    Map(ProgramMap),
    /// Bytes that make no sense, from which it has gone on to the next pack.
    Damage(Error),
    /// The end of the file as it is; the packet there may still grow.
    Pending,
    /// The end.
    End,
}

/// A packet of an elementary stream, or a part of one whose length is not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Where the packet begins in the file.
    pub at: u64,
    /// Its stream_id.
    pub stream_id: u8,
    /// Its time stamps; with the first part only.
    pub stamp: Option<RawStamp>,
    payload_at: u64,
    payload_len: usize,
}

/// A place in a program stream.
#[derive(Debug)]
pub struct Packets {
    window: Window,
    position: u64,
    /// A packet without length whose end has not been seen.
    unbounded: Option<(u64, u8)>,
    /// It looks for a pack.
    is_lost: bool,
    /// Where it began, or went on after damage.
    begun_at: u64,
    /// No further bytes follow those of the file.
    is_finished: bool,
}

impl Packets {
    /// Reads from byte `at` on, where a pack or a packet begins.
    pub fn new(source: &Source, at: u64) -> Self {
        let window = Window::new(source.clone(), WINDOW_LEN);
        Self { window, position: at, unbounded: None, is_lost: false, begun_at: at, is_finished: false }
    }

    /// Reads from the first pack behind byte `at` on.
    pub fn from_any_byte(source: &Source, at: u64) -> Self {
        Self { is_lost: true, ..Self::new(source, at) }
    }

    /// The file ends where it ends.
    pub fn finish(&mut self) {
        self.is_finished = true;
    }

    /// The byte of the file up to which it has been read.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Where it began, or went on after damage.
    pub fn begun_at(&self) -> u64 {
        self.begun_at
    }

    /// The bytes of `piece`, the last that came.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn payload(&mut self, piece: &Piece) -> Result<&[u8], Error> {
        let bytes = self.window.available(piece.payload_at, piece.payload_len, WHAT)?;
        Ok(&bytes[..bytes.len().min(piece.payload_len)])
    }

    /// What comes next.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn next(&mut self) -> Result<Item, Error> {
        loop {
            if self.is_lost && !self.find_pack()? {
                return Ok(self.at_end());
            }
            if let Some((at, stream_id)) = self.unbounded {
                match self.next_part(at, stream_id)? {
                    Some(item) => return Ok(item),
                    None => continue,
                }
            }
            let bytes = self.window.available(self.position, CODE_LEN, WHAT)?;
            let Some([a, b, c, code]) = bytes.first_chunk().copied() else { return Ok(self.at_end()) };
            let found = match (a, b, c) {
                (0, 0, 1) if code >= PROGRAM_END => self.next_unit(code)?,
                (0, 0, 0) if self.skip_stuffing()? => None,
                _ => Some(self.damage("start code")),
            };
            if let Some(item) = found {
                return Ok(item);
            }
        }
    }

    fn at_end(&self) -> Item {
        if self.is_finished { Item::End } else { Item::Pending }
    }

    fn damage(&mut self, what: &'static str) -> Item {
        let error = Error::malformed(format!("MPEG-PS {what}"), self.position);
        self.is_lost = true;
        self.position += 1;
        Item::Damage(error)
    }

    /// Steps over zeros before a start code; `false`: what follows them is none.
    fn skip_stuffing(&mut self) -> Result<bool, Error> {
        let mut position = self.position;
        loop {
            let bytes = self.window.available(position, CODE_LEN, WHAT)?;
            match bytes.iter().position(|byte| *byte != 0) {
                Some(zeros) if bytes[zeros] == 1 => {
                    // At least three zeros were there to begin with.
                    self.position = position + zeros as u64 - 2;
                    return Ok(true);
                }
                Some(_) => return Ok(false),
                None if bytes.len() < CODE_LEN => {
                    self.position = position;
                    return Ok(true);
                }
                None => position += (bytes.len() - 2) as u64,
            }
        }
    }

    /// Goes to the next pack; `false`: there is none in the file.
    fn find_pack(&mut self) -> Result<bool, Error> {
        loop {
            let bytes = self.window.available(self.position, CODE_LEN, WHAT)?;
            if bytes.len() < CODE_LEN {
                return Ok(false);
            }
            let mut from = 0;
            while let Some(at) = find_start_code(bytes, from) {
                if bytes.get(at + 3) == Some(&PACK) {
                    self.position += at as u64;
                    self.begun_at = self.position;
                    self.is_lost = false;
                    self.unbounded = None;
                    return Ok(true);
                }
                from = at + 1;
            }
            self.position += (bytes.len() + 1 - CODE_LEN) as u64;
        }
    }

    /// The unit with this code at the present position; `None`: it was stepped over.
    fn next_unit(&mut self, code: u8) -> Result<Option<Item>, Error> {
        match code {
            PROGRAM_END => {
                self.position += CODE_LEN as u64;
                Ok(None)
            }
            PACK => self.skip_pack(),
            _ => self.next_packet(code),
        }
    }

    /// ISO/IEC 13818-1 section 2.5.3.3, ISO/IEC 11172-1 section 2.4.3.2.
    fn skip_pack(&mut self) -> Result<Option<Item>, Error> {
        const LEN_MPEG1: usize = 12;
        const LEN_MPEG2: usize = 14;
        let bytes = self.window.available(self.position, LEN_MPEG2, WHAT)?;
        let len = match bytes.get(CODE_LEN) {
            Some(byte) if byte >> 4 == 2 => LEN_MPEG1,
            Some(byte) if byte >> 6 == 1 => LEN_MPEG2 + usize::from(bytes.get(13).copied().unwrap_or_default() & 7),
            Some(_) => return Ok(Some(self.damage("pack header"))),
            None => LEN_MPEG1,
        };
        if bytes.len() < len.min(LEN_MPEG2) {
            return Ok(Some(self.at_end()));
        }
        self.position += len as u64;
        Ok(None)
    }

    fn next_packet(&mut self, stream_id: u8) -> Result<Option<Item>, Error> {
        let at = self.position;
        let is_finished = self.is_finished;
        let bytes = self.window.available(at, PES_START_LEN, WHAT)?;
        let Some(len) = bytes.get(CODE_LEN..PES_START_LEN) else { return Ok(Some(self.at_end())) };
        let len = usize::from(u16::from_be_bytes([len[0], len[1]]));
        let is_stream =
            stream_id == PRIVATE_1 || AUDIO.contains(&stream_id) || VIDEO.contains(&stream_id) || stream_id == EXTENDED;
        if len == 0 && is_stream {
            return self.begin_unbounded(at, stream_id);
        }
        let end = PES_START_LEN + len;
        let bytes = self.window.available(at, end, WHAT)?;
        if bytes.len() < end && !is_finished {
            return Ok(Some(Item::Pending));
        }
        let packet = &bytes[..bytes.len().min(end)];
        self.position += packet.len() as u64;
        if stream_id == PROGRAM_MAP {
            return Ok(Some(Item::Map(ProgramMap::parse(packet))));
        }
        if !is_stream {
            return Ok(None);
        }
        let Some(header) = pes::parse(packet) else {
            self.position = at;
            return Ok(Some(if packet.len() < end { Item::End } else { self.damage("PES header") }));
        };
        let (payload_at, payload_len) = (at + header.len as u64, packet.len().saturating_sub(header.len));
        Ok(Some(Item::Piece(Piece { at, stream_id, stamp: header.stamp, payload_at, payload_len })))
    }

    /// A packet of length 0 goes as far as the next code that structures the program stream, which no video stream
    /// contains (ISO/IEC 13818-1 section 2.4.3.7 has it for transport streams only, but recorders write it).
    fn begin_unbounded(&mut self, at: u64, stream_id: u8) -> Result<Option<Item>, Error> {
        const HEADER_MAX: usize = PES_START_LEN + 3 + 255;
        let is_finished = self.is_finished;
        let bytes = self.window.available(at, HEADER_MAX, WHAT)?;
        match pes::parse(bytes) {
            Some(header) => {
                let payload_at = at + header.len as u64;
                self.position = payload_at;
                self.unbounded = Some((at, stream_id));
                let stamp = header.stamp;
                Ok(Some(Item::Piece(Piece { at, stream_id, stamp, payload_at, payload_len: 0 })))
            }
            None if bytes.len() < HEADER_MAX && !is_finished => Ok(Some(Item::Pending)),
            None => Ok(Some(self.damage("PES header"))),
        }
    }

    /// The next part of a packet without length; `None` at its end.
    fn next_part(&mut self, at: u64, stream_id: u8) -> Result<Option<Item>, Error> {
        let is_finished = self.is_finished;
        let bytes = self.window.available(self.position, WINDOW_LEN / 2, WHAT)?;
        let mut from = 0;
        let mut end = None;
        while let Some(code) = find_start_code(bytes, from).filter(|code| code + 3 < bytes.len()) {
            if bytes[code + 3] >= PROGRAM_END {
                end = Some(code);
                break;
            }
            from = code + 3;
        }
        // A start code may be cut off at the end of what is at hand.
        let is_all = is_finished && bytes.len() < WINDOW_LEN / 2;
        let safe_len = if is_all { bytes.len() } else { bytes.len().saturating_sub(CODE_LEN - 1) };
        let payload_len = end.unwrap_or(safe_len);
        if end.is_some() || payload_len == 0 && is_all {
            self.unbounded = None;
        }
        if payload_len == 0 {
            return Ok(if self.unbounded.is_none() { None } else { Some(Item::Pending) });
        }
        let piece = Piece { at, stream_id, stamp: None, payload_at: self.position, payload_len };
        self.position += payload_len as u64;
        Ok(Some(Item::Piece(piece)))
    }
}
