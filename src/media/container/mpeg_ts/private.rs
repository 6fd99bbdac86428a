//! Framers of what only transport streams carry in this way: Opus behind control headers, sound and metadata that fill
//! PES packets.

use crate::media::bits::ByteReader;
use crate::media::codec::frames::FrameClock;
use crate::media::codec::opus::packet_duration;
use crate::media::codec::{G711Config, MetadataConfig, OpusConfig, PcmConfig, PcmFormat};
use crate::media::scan::{Chunk, Framer, Stamp, StreamBuffer};
use crate::media::{Codec, Error, Sample};
use crate::time::MediaTime;

/// Opus: each access unit stands behind an opus_control_header() (ETSI TS 103 491 annex, and what FFmpeg writes).
#[derive(Default)]
pub struct OpusFramer {
    buffer: StreamBuffer,
    clock: FrameClock,
    channels: Option<u8>,
    is_lost: bool,
}

/// control_header_prefix, in the first 11 bits.
const OPUS_PREFIX: u16 = 0x3ff << 5;
const OPUS_PREFIX_MASK: u16 = 0x7ff << 5;
/// The longest access unit of Opus: 120 ms in frames of 1275 bytes.
const OPUS_LEN_MAX: usize = 61_298;
const OPUS_RATE: u32 = 48_000;

/// An opus_control_header(): its length in bytes, and that of the access unit behind it.
fn opus_header(bytes: &[u8]) -> Result<(usize, usize), Error> {
    let mut r = ByteReader::new(bytes, 0, "Opus control header");
    let flags = r.u16()?;
    if flags & OPUS_PREFIX_MASK != OPUS_PREFIX {
        return Err(r.malformed());
    }
    let mut len = 0;
    loop {
        let byte = usize::from(r.u8()?);
        len += byte;
        if len > OPUS_LEN_MAX {
            return Err(r.malformed());
        }
        if byte < 255 {
            break;
        }
    }
    let [has_start_trim, has_end_trim, has_extension] = [0x10, 0x08, 0x04].map(|bit| flags & bit != 0);
    r.skip(2 * (usize::from(has_start_trim) + usize::from(has_end_trim)))?;
    if has_extension {
        let extension_len = r.u8()?;
        r.skip(extension_len.into())?;
    }
    Ok((r.at() as usize, len))
}

impl Framer for OpusFramer {
    fn push(&mut self, chunk: Chunk<'_>) {
        self.buffer.push(chunk);
    }

    fn pop(&mut self, sample: &mut Sample) -> Result<Option<u64>, Error> {
        loop {
            let bytes = self.buffer.bytes();
            match opus_header(bytes) {
                Ok((header_len, len)) if bytes.len() >= header_len + len => {
                    self.is_lost = false;
                    let (origin, stamp) = (self.buffer.origin(0), self.buffer.take_stamp(0));
                    sample.data.extend_from_slice(&self.buffer.bytes()[header_len..header_len + len]);
                    self.buffer.consume(header_len + len);
                    let Some(toc) = sample.data.first() else { continue };
                    self.channels.get_or_insert(1 + (toc >> 2 & 1));
                    self.clock.put(sample, stamp, packet_duration(&sample.data), OPUS_RATE);
                    return Ok(Some(origin));
                }
                Ok(_) | Err(Error::Truncated { .. }) => return Ok(None),
                Err(_) => {
                    let error = Error::malformed("Opus control header", self.buffer.origin(0));
                    let mut pairs = bytes.windows(2).skip(1);
                    let next =
                        pairs.position(|pair| u16::from_be_bytes([pair[0], pair[1]]) & OPUS_PREFIX_MASK == OPUS_PREFIX);
                    self.buffer.consume(next.map_or(bytes.len(), |position| position + 1));
                    if !std::mem::replace(&mut self.is_lost, true) {
                        return Err(error);
                    }
                }
            }
        }
    }

    fn finish(&mut self) {}

    fn reset(&mut self) {
        self.buffer.clear();
        self.is_lost = true;
    }

    fn start(&mut self, time: MediaTime) {
        self.clock.start(time);
    }

    fn codec(&self) -> Option<Codec> {
        self.channels.map(|channels| Codec::Opus(OpusConfig { channels, pre_skip: 0, mapping_family: 0 }))
    }
}

/// Sound without frames of its own, cut into pieces of 20 ms at most.
pub struct SoundFramer {
    format: SoundFormat,
    buffer: StreamBuffer,
    clock: FrameClock,
    codec: Option<Codec>,
    /// Where the next piece begins and its time, when a header before it has been read.
    begun: Option<(u64, Option<Stamp>)>,
    is_finished: bool,
}

#[derive(Clone, Copy)]
enum SoundFormat {
    G711 {
        codec: fn(G711Config) -> Codec,
    },
    /// Linear PCM of BDAV, behind a header of 4 bytes in each PES packet.
    Bdav,
}

const G711: G711Config = G711Config { sample_rate: 8000, channels: 1 };
const PIECES_A_SECOND: u32 = 50;
const BDAV_HEADER_LEN: usize = 4;

impl SoundFramer {
    /// G.711 A-law, 8 kHz, mono.
    pub fn pcma() -> Self {
        Self::new(SoundFormat::G711 { codec: Codec::Pcma })
    }

    /// G.711 mu-law, 8 kHz, mono.
    pub fn pcmu() -> Self {
        Self::new(SoundFormat::G711 { codec: Codec::Pcmu })
    }

    /// Linear PCM as on Blu-ray discs.
    pub fn bdav() -> Self {
        Self::new(SoundFormat::Bdav)
    }

    fn new(format: SoundFormat) -> Self {
        let codec = match format {
            SoundFormat::G711 { codec } => Some(codec(G711)),
            SoundFormat::Bdav => None,
        };
        Self {
            format,
            buffer: StreamBuffer::default(),
            clock: FrameClock::default(),
            codec,
            begun: None,
            is_finished: false,
        }
    }

    /// Bytes of one value of every channel, and their rate.
    fn frame(&self) -> Option<(usize, u32)> {
        match self.codec.as_ref()? {
            Codec::Pcm(config) => Some((config.frame_len(), config.sample_rate)),
            _ => Some((1, G711.sample_rate)),
        }
    }

    /// Reads the header that a PES packet begins with; `false` while it is not there.
    fn read_header(&mut self) -> Result<bool, Error> {
        if !matches!(self.format, SoundFormat::Bdav) || !self.buffer.begins_chunk(0) {
            return Ok(true);
        }
        let Some(header) = self.buffer.bytes().first_chunk() else { return Ok(false) };
        let Some(config) = bdav_config(*header) else {
            let error = Error::malformed("LPCM header", self.buffer.origin(0));
            self.buffer.clear();
            return Err(error);
        };
        self.codec.get_or_insert(Codec::Pcm(config));
        self.begun = Some((self.buffer.origin(0), self.buffer.take_stamp(0)));
        self.buffer.consume(BDAV_HEADER_LEN);
        Ok(true)
    }

    /// How many bytes are the next piece, and how many behind it are none; `None` until there are enough.
    fn piece(&self, frame_len: usize, wanted: usize) -> Option<(usize, usize)> {
        let len = self.buffer.len().min(wanted);
        let packet_end = self.buffer.next_chunk().filter(|end| *end < len);
        let available = packet_end.unwrap_or(len);
        let is_all = packet_end.is_some() || len == wanted || self.is_finished;
        (is_all && available > 0).then(|| (available / frame_len * frame_len, available % frame_len))
    }
}

/// The header of a PES packet of BDAV; `None` for more channels than two, which come in another order.
fn bdav_config(header: [u8; BDAV_HEADER_LEN]) -> Option<PcmConfig> {
    let [_, _, layout, bits] = header;
    // Mono is written as two channels, of which the second one is silent.
    let channels = matches!(layout >> 4, 1 | 3).then_some(2)?;
    let sample_rate = match layout & 0xf {
        1 => 48_000,
        4 => 96_000,
        5 => 192_000,
        _ => return None,
    };
    let format = match bits >> 6 {
        1 => PcmFormat::S16Be,
        // 20 bits are written as 24.
        2 | 3 => PcmFormat::S24Be,
        _ => return None,
    };
    Some(PcmConfig { format, sample_rate, channels })
}

impl Framer for SoundFramer {
    fn push(&mut self, chunk: Chunk<'_>) {
        self.is_finished = false;
        self.buffer.push(chunk);
    }

    fn pop(&mut self, sample: &mut Sample) -> Result<Option<u64>, Error> {
        while !self.buffer.is_empty() && self.read_header()? {
            let Some((frame_len, rate)) = self.frame() else { break };
            let wanted = (rate / PIECES_A_SECOND) as usize * frame_len;
            let Some((len, rest)) = self.piece(frame_len, wanted) else { break };
            let begun = self.begun.take();
            let (origin, stamp) = begun.unwrap_or_else(|| (self.buffer.origin(0), self.buffer.take_stamp(0)));
            sample.data.extend_from_slice(&self.buffer.bytes()[..len]);
            self.buffer.consume(len + rest);
            if len > 0 {
                self.clock.put(sample, stamp, (len / frame_len) as u32, rate);
                return Ok(Some(origin));
            }
        }
        Ok(None)
    }

    fn finish(&mut self) {
        self.is_finished = true;
    }

    fn reset(&mut self) {
        self.buffer.clear();
        self.begun = None;
        self.is_finished = false;
    }

    fn start(&mut self, time: MediaTime) {
        self.clock.start(time);
    }

    fn codec(&self) -> Option<Codec> {
        self.codec.clone()
    }
}

/// Metadata: a sample is the payload of one PES packet.
pub struct MetadataFramer {
    encoding: &'static str,
    /// Documents stand in metadata_AU_cells (ISO/IEC 13818-1 section 2.12.4.2).
    has_cells: bool,
    buffer: StreamBuffer,
    last: MediaTime,
    has_samples: bool,
    is_finished: bool,
}

/// The longest document, in bytes.
const DOCUMENT_LEN_MAX: usize = 1 << 20;

impl MetadataFramer {
    /// Documents whose payload format has the encoding name `encoding`.
    pub fn new(encoding: &'static str) -> Self {
        let (buffer, last) = (StreamBuffer::default(), MediaTime::ZERO);
        Self { encoding, has_cells: false, buffer, last, has_samples: false, is_finished: false }
    }

    /// The same, each in a metadata_AU_cell().
    pub fn in_cells(encoding: &'static str) -> Self {
        Self { has_cells: true, ..Self::new(encoding) }
    }
}

/// What the first metadata_AU_cell() holds.
fn cell(payload: &[u8]) -> &[u8] {
    let Some((&[_service_id, _sequence_number, _flags, high, low], rest)) = payload.split_first_chunk() else {
        return &[];
    };
    &rest[..rest.len().min(u16::from_be_bytes([high, low]).into())]
}

impl Framer for MetadataFramer {
    fn push(&mut self, chunk: Chunk<'_>) {
        self.is_finished = false;
        self.buffer.push(chunk);
    }

    fn pop(&mut self, sample: &mut Sample) -> Result<Option<u64>, Error> {
        let len = self.buffer.len();
        let end = self.buffer.next_chunk();
        let Some(end) = end.or((self.is_finished && len > 0).then_some(len)) else {
            if len <= DOCUMENT_LEN_MAX {
                return Ok(None);
            }
            let error = Error::malformed("metadata of unbelievable length", self.buffer.origin(0));
            self.buffer.clear();
            return Err(error);
        };
        let (origin, stamp) = (self.buffer.origin(0), self.buffer.take_stamp(0));
        self.last = stamp.map_or(self.last, |stamp| stamp.pts.max(self.last));
        let payload = &self.buffer.bytes()[..end];
        sample.data.extend_from_slice(if self.has_cells { cell(payload) } else { payload });
        self.buffer.consume(end);
        (sample.pts, sample.dts, sample.is_sync) = (self.last, self.last, true);
        self.has_samples = true;
        Ok(Some(origin))
    }

    fn finish(&mut self) {
        self.is_finished = true;
    }

    fn reset(&mut self) {
        self.buffer.clear();
        self.is_finished = false;
    }

    fn start(&mut self, time: MediaTime) {
        self.last = time;
    }

    fn codec(&self) -> Option<Codec> {
        self.has_samples.then(|| Codec::Metadata(MetadataConfig { encoding: self.encoding.to_owned() }))
    }
}
