//! The coefficients of a picture in the order and the codes that a receiver of RTP assumes (RFC 2435 section 4.1 and
//! appendix B). Not one of them changes: it is only their Huffman coding that is done anew.
//!
//! Encoders that choose their codes by the picture, as FFmpeg's does by default, leave no other way. At the same time
//! blocks come into the order of 4:2:0 or 4:2:2, one scan and no restart intervals; and a grey picture gets chroma
//! without colour.

use super::huffman::{Decoder, Encoder, Role};
use super::{Component, Picture, Sampling, Scan};

/// Pictures with more blocks are not recoded: some 33 million pixels in 4:2:0.
const BLOCK_COUNT_MAX: usize = 800_000;
/// Coefficients of a block.
const BLOCK_LEN: u8 = 64;
/// The longest run of zeros that a symbol tells, and the end of a block.
const ZERO_RUN: u8 = 0xF0;
const END_OF_BLOCK: u8 = 0x00;
/// Differences of DC coefficients of 8-bit pictures (table F.1).
const DC_DIFFERENCE_MAX: i32 = 2047;

/// The entropy-coded data of `picture`, which begins with `bytes`, as a receiver of RTP assumes them, into `out`, which
/// is emptied before. What is damaged in them becomes blocks without detail.
///
/// # Errors
/// In words, when the picture cannot be carried.
pub fn recode(picture: &Picture<'_>, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), &'static str> {
    let sampling = picture.sampling()?;
    let mut planes = planes(picture)?;
    let mut details = BitString::default();
    for scan in &picture.scans {
        decode_scan(picture, scan, &bytes[scan.data.clone()], &mut planes, &mut details);
    }
    details.finish();
    encode(picture, sampling, &planes, &details, out);
    Ok(())
}

/// The blocks of a component.
struct Plane {
    /// Blocks in a row.
    stride: usize,
    blocks: Vec<Block>,
}

/// A coded block; without AC coefficients and with the DC coefficient of the one before unless it was decoded.
#[derive(Debug, Clone, Copy, Default)]
struct Block {
    dc: Option<i16>,
    /// Where the AC coefficients are in the string of details, in bits, already in the codes they go out in.
    start: u32,
    len: u16,
}

/// MCUs of a scan of all components, across and down.
fn mcus(picture: &Picture<'_>) -> (usize, usize) {
    let most = |factor: fn(&Component) -> u8| picture.components.iter().map(factor).max().map_or(1, usize::from);
    let across = usize::from(picture.width).div_ceil(8 * most(|component| component.horizontal));
    let down = usize::from(picture.height).div_ceil(8 * most(|component| component.vertical));
    (across, down)
}

fn planes(picture: &Picture<'_>) -> Result<Vec<Plane>, &'static str> {
    let (across, down) = mcus(picture);
    let per_mcu: usize = picture.components.iter().map(|component| blocks_in_mcu(*component)).sum();
    // Every block takes two bits at least, so that a header alone does not allocate.
    let bits: usize = picture.scans.iter().map(|scan| scan.data.len() * 8).sum();
    if across * down * per_mcu > BLOCK_COUNT_MAX.min(bits.saturating_mul(8)) {
        return Err("it has too many blocks for its size");
    }
    let plane = |component: &Component| {
        let (stride, rows) = (across * usize::from(component.horizontal), down * usize::from(component.vertical));
        Plane { stride, blocks: vec![Block::default(); stride * rows] }
    };
    Ok(picture.components.iter().map(plane).collect())
}

fn blocks_in_mcu(component: Component) -> usize {
    usize::from(component.horizontal) * usize::from(component.vertical)
}

/// Decodes the blocks of one scan into the planes of its components, up to the first damage of each restart interval.
fn decode_scan(picture: &Picture<'_>, scan: &Scan<'_>, data: &[u8], planes: &mut [Plane], details: &mut BitString) {
    let mut coders: Vec<Coder> = scan.components.iter().map(|(index, dc, ac)| Coder::new(*index, *dc, *ac)).collect();
    let order = Order::of(picture, scan);
    let mut bits = BitReader::new(data);
    let interval = match picture.restart_interval {
        0 => usize::MAX,
        interval => usize::from(interval),
    };
    let mut mcu = 0;
    while mcu < order.count() {
        let end = order.count().min(mcu.saturating_add(interval));
        coders.iter_mut().for_each(|coder| coder.dc = 0);
        while mcu < end && decode_mcu(&order, mcu, &mut coders, &mut bits, planes, details).is_some() {
            mcu += 1;
        }
        mcu = end;
        if !bits.restart() {
            return;
        }
    }
}

fn decode_mcu(
    order: &Order<'_>,
    mcu: usize,
    coders: &mut [Coder],
    bits: &mut BitReader<'_>,
    planes: &mut [Plane],
    details: &mut BitString,
) -> Option<()> {
    for coder in coders {
        for place in order.places(mcu, coder.component) {
            let block = coder.decode(bits, details)?;
            if let Some(place) = planes[coder.component].blocks.get_mut(place) {
                *place = block;
            }
        }
    }
    Some(())
}

/// In which order blocks come in a scan (section A.2).
struct Order<'a> {
    components: &'a [Component],
    across: usize,
    down: usize,
    /// Whether there is one component only, whose blocks come row by row as far as they have pixels.
    alone: Option<usize>,
    /// Blocks in a row of the plane of the only component.
    stride: usize,
}

impl<'a> Order<'a> {
    fn of(picture: &'a Picture<'_>, scan: &Scan<'_>) -> Self {
        let components = &picture.components[..];
        let (across, down) = mcus(picture);
        let [(index, ..)] = scan.components[..] else {
            return Self { components, across, down, alone: None, stride: 0 };
        };
        let most = |factor: fn(&Component) -> u8| components.iter().map(factor).max().map_or(1, usize::from);
        let blocks =
            |pixels: u16, factor: u8, most: usize| (usize::from(pixels) * usize::from(factor)).div_ceil(8 * most);
        let only = components[index];
        Self {
            components,
            across: blocks(picture.width, only.horizontal, most(|component| component.horizontal)),
            down: blocks(picture.height, only.vertical, most(|component| component.vertical)),
            alone: Some(index),
            stride: across * usize::from(only.horizontal),
        }
    }

    fn count(&self) -> usize {
        self.across * self.down
    }

    /// The indexes in their plane of the blocks of a component in an MCU.
    fn places(&self, mcu: usize, component: usize) -> impl Iterator<Item = usize> + use<> {
        let (x, y) = (mcu % self.across, mcu / self.across);
        let Component { horizontal, vertical, .. } = self.components[component];
        let (wide, high) = if self.alone.is_some() { (1, 1) } else { (usize::from(horizontal), usize::from(vertical)) };
        let stride = if self.alone.is_some() { self.stride } else { self.across * wide };
        (0..high).flat_map(move |row| (0..wide).map(move |column| (y * high + row) * stride + x * wide + column))
    }
}

/// One component of a scan: its codes, those it goes out in, and the last DC coefficient.
struct Coder {
    component: usize,
    dc_codes: Decoder,
    ac_codes: Decoder,
    out_codes: Encoder,
    dc: i32,
}

impl Coder {
    fn new(component: usize, dc: super::CodeTable<'_>, ac: super::CodeTable<'_>) -> Self {
        let out_codes = Encoder::new(Role::of_component(component).ac());
        Self { component, dc_codes: Decoder::new(dc), ac_codes: Decoder::new(ac), out_codes, dc: 0 }
    }

    /// Decodes a block and puts its AC coefficients into `details`; `None` when it is damaged.
    fn decode(&mut self, bits: &mut BitReader<'_>, details: &mut BitString) -> Option<Block> {
        let category = bits.symbol(&self.dc_codes)?;
        let difference = extended(bits.take(Some(category).filter(|category| *category <= 11)?)?, category);
        self.dc = (self.dc + difference).clamp(i16::MIN.into(), i16::MAX.into());
        let start = details.len();
        let mut position = 1;
        while position < BLOCK_LEN {
            let symbol = bits.symbol(&self.ac_codes)?;
            let (run, category) = (symbol >> 4, symbol & 0xf);
            let (code, code_bits) = self.out_codes.code(symbol)?;
            details.push(code, code_bits);
            match symbol {
                END_OF_BLOCK => break,
                ZERO_RUN => position += 16,
                _ => {
                    position += run + 1;
                    details.push(bits.take(category)?, category);
                }
            }
        }
        let (start, len) = (u32::try_from(start).ok()?, u16::try_from(details.len() - start).ok()?);
        (position <= BLOCK_LEN).then_some(Block { dc: Some(self.dc as i16), start, len })
    }
}

/// The value of `bits` in a category (section F.2.2.1, EXTEND).
fn extended(bits: u16, category: u8) -> i32 {
    let bits = i32::from(bits);
    if category > 0 && bits < 1 << (category - 1) { bits - (1 << category) + 1 } else { bits }
}

/// Writes the planes as one scan of MCUs of two luma blocks across and one or two down.
fn encode(picture: &Picture<'_>, sampling: Sampling, planes: &[Plane], details: &BitString, out: &mut Vec<u8>) {
    let rows = if sampling == Sampling::Yuv420 { 2 } else { 1 };
    let across = usize::from(picture.width).div_ceil(16);
    let down = usize::from(picture.height).div_ceil(8 * rows);
    let mut writer = ScanWriter::new(out);
    for y in 0..down {
        for x in 0..across {
            for row in 0..rows {
                for column in 0..2 {
                    writer.block(0, block_at(planes, 0, 2 * x + column, rows * y + row), details);
                }
            }
            writer.block(1, block_at(planes, 1, x, y), details);
            writer.block(2, block_at(planes, 2, x, y), details);
        }
    }
    writer.finish();
}

fn block_at(planes: &[Plane], component: usize, x: usize, y: usize) -> Block {
    let Some(plane) = planes.get(component).filter(|plane| x < plane.stride) else { return Block::default() };
    plane.blocks.get(y * plane.stride + x).copied().unwrap_or_default()
}

/// Writes blocks in the codes of annex K.
struct ScanWriter<'a> {
    out: &'a mut Vec<u8>,
    dc_codes: [Encoder; 2],
    /// The codes of blocks without detail, and their bits.
    empty: [(u16, u8); 2],
    /// Of each component, the last DC coefficient.
    dc: [i32; 3],
    held: u64,
    held_bits: u8,
}

impl<'a> ScanWriter<'a> {
    fn new(out: &'a mut Vec<u8>) -> Self {
        out.clear();
        let roles = [Role::Luma, Role::Chroma];
        let empty = roles.map(|role| Encoder::new(role.ac()).code(END_OF_BLOCK).expect("annex K has all symbols"));
        Self { out, dc_codes: roles.map(|role| Encoder::new(role.dc())), empty, dc: [0; 3], held: 0, held_bits: 0 }
    }

    fn block(&mut self, component: usize, block: Block, details: &BitString) {
        let role = component.min(1);
        let before = self.dc[component];
        let difference = block.dc.map_or(0, |dc| i32::from(dc) - before).clamp(-DC_DIFFERENCE_MAX, DC_DIFFERENCE_MAX);
        self.dc[component] = before + difference;
        let category = (32 - difference.unsigned_abs().leading_zeros()) as u8;
        let (code, code_bits) = self.dc_codes[role].code(category).expect("annex K has all categories");
        self.push(code, code_bits);
        let bits = if difference < 0 { difference - 1 } else { difference };
        self.push(bits as u16 & ((1_u32 << category) - 1) as u16, category);
        if block.dc.is_none() {
            let (code, code_bits) = self.empty[role];
            return self.push(code, code_bits);
        }
        let (mut at, mut left) = (block.start as usize, usize::from(block.len));
        while left > 0 {
            let count = left.min(16) as u8;
            self.push(details.get(at, count), count);
            (at, left) = (at + usize::from(count), left - usize::from(count));
        }
    }

    /// Appends the lowest `count` bits, 16 at most.
    fn push(&mut self, bits: u16, count: u8) {
        self.held = self.held << count | u64::from(bits);
        self.held_bits += count;
        while self.held_bits >= 8 {
            self.held_bits -= 8;
            let byte = (self.held >> self.held_bits) as u8;
            self.out.push(byte);
            if byte == 0xFF {
                self.out.push(0);
            }
        }
    }

    /// The last byte is filled up with ones (section F.1.2.3).
    fn finish(mut self) {
        let free = (8 - self.held_bits) % 8;
        self.push((1 << free) - 1, free);
    }
}

/// Reads the bits of entropy-coded data.
struct BitReader<'a> {
    data: &'a [u8],
    position: usize,
    held: u64,
    held_bits: u8,
}

impl<'a> BitReader<'a> {
    fn new(data: &'a [u8]) -> Self {
        Self { data, position: 0, held: 0, held_bits: 0 }
    }

    /// Takes in bytes while there is room and no marker stands in the way.
    fn fill(&mut self) {
        while self.held_bits <= 48 {
            let Some(byte) = self.data.get(self.position) else { return };
            self.position += 1;
            if *byte == 0xFF {
                if self.data.get(self.position) != Some(&0) {
                    self.position -= 1;
                    return;
                }
                self.position += 1;
            }
            self.held = self.held << 8 | u64::from(*byte);
            self.held_bits += 8;
        }
    }

    /// The next 16 bits without using them up; zeros beyond the end.
    fn peek(&mut self) -> u16 {
        if self.held_bits < 16 {
            self.fill();
        }
        match self.held_bits.checked_sub(16) {
            Some(shift) => (self.held >> shift) as u16,
            None => (self.held << (16 - self.held_bits)) as u16,
        }
    }

    /// The next `count` bits, 15 at most; `None` when there are not so many.
    fn take(&mut self, count: u8) -> Option<u16> {
        let bits = if count == 0 { 0 } else { self.peek() >> (16 - count) };
        self.held_bits = self.held_bits.checked_sub(count)?;
        Some(bits)
    }

    fn symbol(&mut self, codes: &Decoder) -> Option<u8> {
        let (symbol, bits) = codes.decode(self.peek())?;
        self.take(bits.min(15))?;
        if bits == 16 {
            self.take(1)?;
        }
        Some(symbol)
    }

    /// Goes on behind the next restart marker, if there is one.
    fn restart(&mut self) -> bool {
        (self.held, self.held_bits) = (0, 0);
        while let Some(pair) = self.data.get(self.position..self.position + 2) {
            if pair[0] == 0xFF && (0xD0..=0xD7).contains(&pair[1]) {
                self.position += 2;
                return true;
            }
            self.position += 1;
        }
        false
    }
}

/// Bits one after the other, to be read at any place.
#[derive(Default)]
struct BitString {
    words: Vec<u32>,
    held: u64,
    held_bits: u8,
}

impl BitString {
    fn len(&self) -> usize {
        self.words.len() * 32 + usize::from(self.held_bits)
    }

    /// Appends the lowest `count` bits, 16 at most.
    fn push(&mut self, bits: u16, count: u8) {
        self.held = self.held << count | u64::from(bits);
        self.held_bits += count;
        if self.held_bits >= 32 {
            self.held_bits -= 32;
            self.words.push((self.held >> self.held_bits) as u32);
        }
    }

    /// Nothing follows.
    fn finish(&mut self) {
        self.words.push((self.held << (32 - self.held_bits)) as u32);
        self.words.push(0);
    }

    /// `count` bits from bit `at` on, 16 at most.
    fn get(&self, at: usize, count: u8) -> u16 {
        let word = |index: usize| u64::from(self.words.get(index).copied().unwrap_or(0));
        let two = word(at / 32) << 32 | word(at / 32 + 1);
        (two << (at % 32) >> (64 - count)) as u16
    }
}
