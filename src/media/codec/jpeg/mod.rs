//! JPEG pictures (ITU-T T.81) as Motion JPEG has them: the segments that RTP does not carry as they are.
//!
//! - here: the segments of a picture, and whether RTP can carry it
//! - `huffman.rs`: code tables, those of annex K above all
//! - `recode.rs`: the same coefficients in the order and the codes that RTP assumes
//! - `framer.rs`: a stream of pictures, in a file of nothing else or in a multipart body

mod framer;
pub mod huffman;
mod recode;
#[cfg(test)]
pub(crate) mod testing;

use std::ops::Range;

use crate::media::Error;
use huffman::{CodeTable, Role};

pub use framer::{JpegFramer, PICTURE_LEN_MAX};
pub use recode::recode;

/// What is to be known of a Motion JPEG track. A sample is one picture from SOI to EOI; of two fields, both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JpegConfig {
    /// Width and height in pixels, where known.
    pub size: Option<(u32, u32)>,
    /// Why RTP cannot carry the pictures, where the first one showed that.
    pub obstacle: Option<&'static str>,
}

impl JpegConfig {
    /// What a picture tells of the track; `None` when it is none.
    pub fn of_picture(picture: &[u8]) -> Option<Self> {
        let parsed = Picture::parse(picture, 0).ok()?;
        Some(Self { size: Some((parsed.width.into(), parsed.height.into())), obstacle: parsed.sampling().err() })
    }
}

/// Marker codes (ITU-T T.81 table B.1).
mod marker {
    pub const SOF0: u8 = 0xC0;
    pub const SOF1: u8 = 0xC1;
    pub const DHT: u8 = 0xC4;
    pub const JPG: u8 = 0xC8;
    pub const DAC: u8 = 0xCC;
    pub const SOF15: u8 = 0xCF;
    pub const RST0: u8 = 0xD0;
    pub const RST7: u8 = 0xD7;
    pub const SOI: u8 = 0xD8;
    pub const EOI: u8 = 0xD9;
    pub const SOS: u8 = 0xDA;
    pub const DQT: u8 = 0xDB;
    pub const DRI: u8 = 0xDD;
    pub const TEM: u8 = 0x01;
}

/// What a picture with more components is not looked at further.
const COMPONENT_COUNT_MAX: usize = 4;
/// Tables of each kind.
const TABLE_COUNT: usize = 4;
/// A picture of three components has so many scans at most.
const SCAN_COUNT_MAX: usize = 3;

/// A component as the frame header has it (section B.2.2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Component {
    id: u8,
    /// Horizontal sampling factor, 1 to 4.
    pub horizontal: u8,
    /// Vertical sampling factor, 1 to 4.
    pub vertical: u8,
    /// The number of its quantization table, 0 to 3.
    pub quantization: u8,
}

/// One scan (section B.2.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan<'a> {
    /// Of each component in it: its index in [`Picture::components`], its DC and its AC codes.
    pub components: Vec<(usize, CodeTable<'a>, CodeTable<'a>)>,
    /// Where its entropy-coded data lie in the picture, restart markers included.
    pub data: Range<usize>,
}

/// A quantization table in zigzag order (section B.2.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuantizationTable<'a> {
    /// 64 values, of one byte or of two.
    pub bytes: &'a [u8],
}

impl QuantizationTable<'_> {
    /// Whether values have 16 bits.
    pub fn is_16_bit(&self) -> bool {
        self.bytes.len() > 64
    }
}

/// The segments of one picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture<'a> {
    /// In pixels.
    pub width: u16,
    /// In pixels.
    pub height: u16,
    /// As the frame header has them.
    pub components: Vec<Component>,
    quantization: [Option<QuantizationTable<'a>>; TABLE_COUNT],
    /// MCUs between restart markers, 0 without.
    pub restart_interval: u16,
    /// In the order of the file.
    pub scans: Vec<Scan<'a>>,
    /// What is behind its EOI: bytes of the picture up to there.
    pub len: usize,
}

/// How many chroma values there are, as RTP knows it (RFC 2435 section 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampling {
    /// One chroma value for two pixels beside each other: RTP/JPEG type 0.
    Yuv422,
    /// One for two by two pixels: type 1.
    Yuv420,
}

impl<'a> Picture<'a> {
    /// Reads the picture that begins with `bytes`, which lie at byte `at` of the file. One that is cut off within its
    /// last scan is a picture, too.
    ///
    /// # Errors
    /// Where it is malformed or cut off; [`Error::Unsupported`] for processes other than sequential Huffman coding of
    /// 8 bits.
    pub fn parse(bytes: &'a [u8], at: u64) -> Result<Self, Error> {
        Walk { bytes, at, position: 0, tables: Tables::default() }.picture()
    }

    /// How chroma is sampled.
    ///
    /// # Errors
    /// In words, when RTP has no way to carry that, even after [`recode`].
    pub fn sampling(&self) -> Result<Sampling, &'static str> {
        let [luma, cb, cr] = self.components[..] else {
            // Grey pictures get chroma that has no colour.
            return if self.components.len() == 1 { Ok(Sampling::Yuv420) } else { Err("it has 4 components") };
        };
        let is_alike = (cb.horizontal, cb.vertical) == (cr.horizontal, cr.vertical);
        let horizontal = is_alike && luma.horizontal == 2 * cb.horizontal;
        match (luma.vertical, 2 * cb.vertical) {
            _ if self.quantization_of(1) != self.quantization_of(2) => {
                Err("its chroma components are quantized differently")
            }
            (luma, twice) if horizontal && luma == twice => Ok(Sampling::Yuv420),
            (luma, twice) if horizontal && 2 * luma == twice => Ok(Sampling::Yuv422),
            _ => Err("its chroma is sampled neither 4:2:0 nor 4:2:2, which is all that RFC 2435 knows"),
        }
    }

    /// The quantization table of component `index`.
    pub fn quantization_of(&self, index: usize) -> Option<QuantizationTable<'a>> {
        let number = self.components.get(index)?.quantization;
        self.quantization[usize::from(number)]
    }

    /// Whether the entropy-coded data are as a receiver of RTP assumes them (RFC 2435 section 4.1 and appendix B): one
    /// scan of three components, luma sampled twice as often and chroma once, with the codes of annex K.
    pub fn is_as_assumed(&self) -> bool {
        let [scan] = &self.scans[..] else { return false };
        let is_plain = |(index, component): (usize, &Component)| {
            let (number, dc, ac) = &scan.components[index];
            let role = Role::of_component(index);
            *number == index
                && (index == 0 || (component.horizontal, component.vertical) == (1, 1))
                && *dc == role.dc()
                && *ac == role.ac()
        };
        self.components.len() == 3 && scan.components.len() == 3 && self.components.iter().enumerate().all(is_plain)
    }
}

#[derive(Default)]
struct Tables<'a> {
    quantization: [Option<QuantizationTable<'a>>; TABLE_COUNT],
    dc: [Option<CodeTable<'a>>; TABLE_COUNT],
    ac: [Option<CodeTable<'a>>; TABLE_COUNT],
    restart_interval: u16,
}

/// The way through the segments of a picture.
struct Walk<'a> {
    bytes: &'a [u8],
    at: u64,
    position: usize,
    tables: Tables<'a>,
}

impl<'a> Walk<'a> {
    fn picture(mut self) -> Result<Picture<'a>, Error> {
        if self.bytes.first_chunk() != Some(&[0xFF, marker::SOI]) {
            return Err(self.malformed());
        }
        self.position = 2;
        let mut frame: Option<(u16, u16, Vec<Component>)> = None;
        let mut scans = Vec::new();
        loop {
            let marker = match self.marker() {
                // Cut off behind a scan, as some cameras leave out EOI.
                Err(Error::Truncated { .. }) if !scans.is_empty() => marker::EOI,
                marker => marker?,
            };
            match marker {
                marker::EOI => break,
                marker::RST0..=marker::RST7 | marker::TEM => {}
                marker::SOS => {
                    let components = frame.as_ref().map(|(_, _, components)| &components[..]).unwrap_or_default();
                    scans.push(self.scan(components)?);
                    if scans.len() > SCAN_COUNT_MAX {
                        return Err(self.malformed());
                    }
                }
                marker::SOF0 | marker::SOF1 if frame.is_none() => frame = Some(self.frame_header()?),
                marker::SOF0..=marker::SOF15 if !matches!(marker, marker::DHT | marker::JPG | marker::DAC) => {
                    return Err(Error::Unsupported(format!(
                        "JPEG of process {} at byte {}; only baseline is streamed",
                        marker - marker::SOF0,
                        self.at + self.position as u64
                    )));
                }
                _ => self.tables(marker)?,
            }
        }
        let (Some((height, width, components)), false) = (frame, scans.is_empty()) else {
            return Err(self.malformed());
        };
        let Tables { quantization, restart_interval, .. } = self.tables;
        Ok(Picture { width, height, components, quantization, restart_interval, scans, len: self.position })
    }

    fn malformed(&self) -> Error {
        Error::malformed("JPEG picture", self.at + self.position as u64)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Error> {
        let taken = self.bytes.get(self.position..self.position + len);
        let taken = taken.ok_or_else(|| Error::truncated("JPEG picture", self.at + self.bytes.len() as u64))?;
        self.position += len;
        Ok(taken)
    }

    /// The code of the next marker; any number of FF may precede it (section B.1.1.2).
    fn marker(&mut self) -> Result<u8, Error> {
        if self.take(1)? != [0xFF] {
            return Err(self.malformed());
        }
        loop {
            match self.take(1)? {
                [0xFF] => {}
                [0] => return Err(self.malformed()),
                code => return Ok(code[0]),
            }
        }
    }

    /// The parameters of a marker segment.
    fn segment(&mut self) -> Result<&'a [u8], Error> {
        let len = self.take(2)?.iter().fold(0, |len, byte| len << 8 | usize::from(*byte));
        self.take(len.checked_sub(2).ok_or_else(|| self.malformed())?)
    }

    /// Takes in the tables of a segment; others are stepped over.
    fn tables(&mut self, marker: u8) -> Result<(), Error> {
        let segment = self.segment()?;
        let is_well_formed = match marker {
            marker::DQT => self.quantization_tables(segment),
            marker::DHT => self.code_tables(segment),
            marker::DRI => segment.first_chunk().map(|interval| {
                self.tables.restart_interval = u16::from_be_bytes(*interval);
            }),
            _ => Some(()),
        };
        is_well_formed.ok_or_else(|| self.malformed())
    }

    fn quantization_tables(&mut self, mut segment: &'a [u8]) -> Option<()> {
        while let Some((head, rest)) = segment.split_first() {
            let len = if head >> 4 == 0 { 64 } else { 128 };
            let (bytes, rest) = rest.split_at_checked(len)?;
            *self.tables.quantization.get_mut(usize::from(head & 0xf))? = Some(QuantizationTable { bytes });
            segment = rest;
        }
        Some(())
    }

    fn code_tables(&mut self, mut segment: &'a [u8]) -> Option<()> {
        while let Some((head, rest)) = segment.split_first() {
            let (table, rest) = CodeTable::split(rest)?;
            let kind = if head >> 4 == 0 { &mut self.tables.dc } else { &mut self.tables.ac };
            *kind.get_mut(usize::from(head & 0xf))? = Some(table);
            segment = rest;
        }
        Some(())
    }

    fn frame_header(&mut self) -> Result<(u16, u16, Vec<Component>), Error> {
        let segment = self.segment()?;
        let [precision, h0, h1, w0, w1, count, rest @ ..] = segment else { return Err(self.malformed()) };
        let (height, width) = (u16::from_be_bytes([*h0, *h1]), u16::from_be_bytes([*w0, *w1]));
        if *precision != 8 {
            return Err(Error::Unsupported(format!("JPEG of {precision} bits; only 8 are streamed")));
        }
        let components: Vec<Component> = rest
            .as_chunks::<3>()
            .0
            .iter()
            .take(usize::from(*count))
            .map(|[id, factors, quantization]| Component {
                id: *id,
                horizontal: factors >> 4,
                vertical: factors & 0xf,
                quantization: *quantization,
            })
            .collect();
        let is_sane = |component: &Component| {
            (1..=4).contains(&component.horizontal)
                && (1..=4).contains(&component.vertical)
                && usize::from(component.quantization) < TABLE_COUNT
        };
        let count_fits =
            components.len() == usize::from(*count) && (1..=COMPONENT_COUNT_MAX).contains(&components.len());
        // A height of 0 is told after the first scan (section B.2.5), which no camera does.
        if !count_fits || !components.iter().all(is_sane) || width == 0 || height == 0 {
            return Err(self.malformed());
        }
        Ok((height, width, components))
    }

    /// A scan header and what follows it up to the next marker. Tables that are missing are those of annex K, as in
    /// AVI (section "AVI1" of the Open DML file format).
    fn scan(&mut self, components: &[Component]) -> Result<Scan<'a>, Error> {
        let segment = self.segment()?;
        let [count, rest @ ..] = segment else { return Err(self.malformed()) };
        let selectors = rest.as_chunks::<2>().0.iter().take(usize::from(*count));
        let found: Option<Vec<_>> = selectors
            .map(|[id, tables]| {
                let index = components.iter().position(|component| component.id == *id)?;
                let role = |number: u8| if number == 0 { Role::Luma } else { Role::Chroma };
                let (dc, ac) = (tables >> 4, tables & 0xf);
                let dc = self.tables.dc.get(usize::from(dc))?.unwrap_or(role(dc).dc());
                let ac_table = self.tables.ac.get(usize::from(ac))?.unwrap_or(role(ac).ac());
                Some((index, dc, ac_table))
            })
            .collect();
        let Some(found) = found.filter(|found| !found.is_empty() && found.len() == usize::from(*count)) else {
            return Err(self.malformed());
        };
        let start = self.position;
        self.position = end_of_scan(self.bytes, start);
        Ok(Scan { components: found, data: start..self.position })
    }
}

/// Where the entropy-coded data that begin at `start` end: at a marker other than RST, or at the end.
fn end_of_scan(bytes: &[u8], start: usize) -> usize {
    let mut position = start;
    while let Some(found) = bytes.get(position..).and_then(|rest| rest.iter().position(|byte| *byte == 0xFF)) {
        position += found;
        match bytes.get(position + 1) {
            Some(0 | marker::RST0..=marker::RST7) => position += 2,
            // A fill byte.
            Some(0xFF) => position += 1,
            Some(_) => return position,
            None => break,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests;
