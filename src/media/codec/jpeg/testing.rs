//! Makes up pictures: coefficients, coded in any way.

use super::huffman::{CodeTable, Encoder, Role};
use super::marker;

/// How a picture is coded.
#[derive(Clone)]
pub struct Coding {
    pub width: u16,
    pub height: u16,
    /// Sampling factors of each component, horizontal and vertical.
    pub factors: Vec<(u8, u8)>,
    /// DC and AC codes of the first component and of the others.
    pub tables: [[CodeTable<'static>; 2]; 2],
    /// Whether DHT is there.
    pub has_tables: bool,
    /// Whether all components come in one scan.
    pub is_interleaved: bool,
    /// In MCUs; 0 for none.
    pub restart_interval: u16,
    /// The number of the quantization table of each component.
    pub quantization: Vec<u8>,
}

impl Coding {
    /// As a receiver of RTP assumes it, in 4:2:0 or 4:2:2.
    pub fn assumed(width: u16, height: u16, is_420: bool) -> Self {
        let luma = if is_420 { (2, 2) } else { (2, 1) };
        Self {
            width,
            height,
            factors: vec![luma, (1, 1), (1, 1)],
            tables: [Role::Luma, Role::Chroma].map(|role| [role.dc(), role.ac()]),
            has_tables: true,
            is_interleaved: true,
            restart_interval: 0,
            quantization: vec![0, 1, 1],
        }
    }

    /// The picture of these coefficients: those of component `.0`, of its block `.1` across and `.2` down, DC first, in
    /// zigzag order.
    pub fn picture(&self, coefficients: &dyn Fn(usize, usize, usize) -> [i16; 64]) -> Vec<u8> {
        let mut picture = vec![0xFF, marker::SOI];
        segment(&mut picture, 0xE0, b"JFIF\0\x01\x02\0\0\x01\0\x01\0\0");
        for number in 0..2 {
            let table: Vec<u8> = (0..64).map(|index| 10 * number + index + 1).collect();
            segment(&mut picture, marker::DQT, &[&[number], &table[..]].concat());
        }
        if self.restart_interval > 0 {
            segment(&mut picture, marker::DRI, &self.restart_interval.to_be_bytes());
        }
        let components = (1..).zip(self.factors.iter().zip(&self.quantization));
        let components = components.flat_map(|(id, ((h, v), quantization))| [id, h << 4 | v, *quantization]);
        let ([h0, h1], [w0, w1]) = (self.height.to_be_bytes(), self.width.to_be_bytes());
        let frame: Vec<u8> = [8, h0, h1, w0, w1, self.factors.len() as u8].into_iter().chain(components).collect();
        segment(&mut picture, marker::SOF0, &frame);
        if self.has_tables {
            for (number, [dc, ac]) in self.tables.iter().enumerate() {
                let number = number as u8;
                segment(&mut picture, marker::DHT, &[dc.segment(number), ac.segment(0x10 | number)].concat());
            }
        }
        let all: Vec<usize> = (0..self.factors.len()).collect();
        let scans: Vec<&[usize]> = if self.is_interleaved { vec![&all] } else { all.chunks(1).collect() };
        for scan in scans {
            let selectors = scan.iter().flat_map(|index| [*index as u8 + 1, 0x11 * (*index).min(1) as u8]);
            let header: Vec<u8> = [scan.len() as u8].into_iter().chain(selectors).chain([0, 63, 0]).collect();
            segment(&mut picture, marker::SOS, &header);
            picture.extend(self.scan(scan, coefficients));
        }
        picture.extend([0xFF, marker::EOI]);
        picture
    }

    /// The entropy-coded data of one scan.
    pub fn scan(&self, scan: &[usize], coefficients: &dyn Fn(usize, usize, usize) -> [i16; 64]) -> Vec<u8> {
        let most = |factor: fn(&(u8, u8)) -> u8| usize::from(self.factors.iter().map(factor).max().unwrap());
        let (most_h, most_v) = (most(|(h, _)| *h), most(|(_, v)| *v));
        let alone = scan.len() == 1;
        let units = |pixels: u16, most: usize, own: u8| match alone {
            true => (usize::from(pixels) * usize::from(own)).div_ceil(8 * most),
            false => usize::from(pixels).div_ceil(8 * most),
        };
        let (own_h, own_v) = self.factors[scan[0]];
        let (across, down) = (units(self.width, most_h, own_h), units(self.height, most_v, own_v));
        let (mut bits, mut dc, mut out) = (String::new(), [0_i32; 4], Vec::new());
        for mcu in 0..across * down {
            if self.restart_interval > 0 && mcu > 0 && mcu.is_multiple_of(self.restart_interval.into()) {
                flush(&mut bits, &mut out);
                out.extend([0xFF, marker::RST0 + (mcu / usize::from(self.restart_interval) - 1) as u8 % 8]);
                dc = [0; 4];
            }
            for component in scan {
                let (h, v) = if alone { (1, 1) } else { self.factors[*component] };
                for (row, column) in (0..usize::from(v)).flat_map(|row| (0..usize::from(h)).map(move |x| (row, x))) {
                    let (x, y) = (mcu % across * usize::from(h) + column, mcu / across * usize::from(v) + row);
                    self.block(*component, coefficients(*component, x, y), &mut dc[*component], &mut bits);
                }
            }
        }
        flush(&mut bits, &mut out);
        out
    }

    fn block(&self, component: usize, coefficients: [i16; 64], dc: &mut i32, bits: &mut String) {
        let [dc_table, ac_table] = self.tables[component.min(1)].map(Encoder::new);
        push_code(bits, &dc_table, 0, i32::from(coefficients[0]) - *dc);
        *dc = coefficients[0].into();
        let mut run = 0;
        for (index, value) in coefficients.iter().enumerate().skip(1).filter(|(_, value)| **value != 0) {
            let zeros = index - 1 - run;
            (0..zeros / 16).for_each(|_| push_code(bits, &ac_table, 0xF0, 0));
            push_code(bits, &ac_table, ((zeros % 16) << 4) as u8, (*value).into());
            run = index;
        }
        if run < 63 {
            push_code(bits, &ac_table, 0, 0);
        }
    }
}

fn segment(picture: &mut Vec<u8>, marker: u8, body: &[u8]) {
    picture.extend([0xFF, marker]);
    picture.extend((body.len() as u16 + 2).to_be_bytes());
    picture.extend(body);
}

/// The code of the symbol of this run and the category of `value`, and the bits of `value`.
fn push_code(bits: &mut String, table: &Encoder, run: u8, value: i32) {
    let category = (32 - value.unsigned_abs().leading_zeros()) as usize;
    let (code, code_len) = table.code(run | category as u8).unwrap();
    bits.push_str(&format!("{code:0width$b}", width = usize::from(code_len)));
    if category > 0 {
        let value = if value < 0 { value + (1 << category) - 1 } else { value };
        bits.push_str(&format!("{value:0category$b}"));
    }
}

fn flush(bits: &mut String, out: &mut Vec<u8>) {
    while !bits.len().is_multiple_of(8) {
        bits.push('1');
    }
    for byte in bits.as_bytes().chunks(8) {
        let byte = byte.iter().fold(0, |byte, bit| byte << 1 | (bit - b'0'));
        out.push(byte);
        if byte == 0xFF {
            out.push(0);
        }
    }
    bits.clear();
}

/// Coefficients that differ from block to block; many, few, or none but DC.
pub fn varied(seed: u32) -> impl Fn(usize, usize, usize) -> [i16; 64] {
    move |component, x, y| {
        let mut state =
            seed ^ (component as u32 * 0x9E37 + x as u32 * 77 + y as u32 * 1009 + 1).wrapping_mul(0x85EB_CA6B);
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state >> 8
        };
        let mut coefficients = [0; 64];
        coefficients[0] = (next() % 2000) as i16 - 1000;
        for _ in 0..next() % 8 * (next() % 8) {
            let bits = next() % 10;
            let value = (next() & ((1 << bits) - 1)) as i16;
            coefficients[1 + next() as usize % 63] = if next() & 1 == 0 { value } else { -value };
        }
        coefficients
    }
}
