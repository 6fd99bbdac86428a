//! The setup header of Vorbis (Vorbis I section 4.2.4), read for what stands at its end: which modes have long blocks.

/// Entries of a codebook that are read; more are damage. libvorbis makes at most some 8000.
const ENTRIES_MAX: u32 = 1 << 20;

/// The modes of a stream, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Modes {
    /// Bits of a mode's number in an audio packet.
    pub bits: u32,
    count: u8,
    /// A bit for each mode.
    long: u64,
}

impl Modes {
    /// Whether blocks of this mode are long; `None` when there is no such mode.
    pub fn is_long(self, mode: u8) -> Option<bool> {
        (mode < self.count).then(|| self.long >> mode & 1 == 1)
    }
}

/// The modes, out of the setup header without its first 7 bytes.
pub fn modes(setup: &[u8], channels: u8) -> Option<Modes> {
    let mut bits = BitReader { bytes: setup, position: 0 };
    times(&mut bits, 8, codebook)?;
    // Time-domain transforms, which are placeholders.
    times(&mut bits, 6, |bits| bits.skip(16))?;
    times(&mut bits, 6, floor)?;
    times(&mut bits, 6, residue)?;
    times(&mut bits, 6, |bits| mapping(bits, channels))?;
    let count = bits.read(6)? + 1;
    let mut long = 0;
    for mode in 0..count {
        long |= u64::from(bits.read(1)?) << mode;
        let (window, transform, _mapping) = (bits.read(16)?, bits.read(16)?, bits.read(8)?);
        if (window, transform) != (0, 0) {
            return None;
        }
    }
    (bits.read(1)? == 1).then_some(Modes { bits: ilog(count - 1), count: count as u8, long })
}

/// Reads a count less one of `count_bits` bits, and as many of what `read` reads.
fn times(bits: &mut BitReader<'_>, count_bits: u32, read: impl Fn(&mut BitReader<'_>) -> Option<()>) -> Option<()> {
    let count = bits.read(count_bits)? + 1;
    (0..count).try_for_each(|_| read(bits))
}

/// Section 3.2.1.
fn codebook(bits: &mut BitReader<'_>) -> Option<()> {
    if bits.read(24)? != 0x56_4342 {
        return None;
    }
    let (dimensions, entries) = (bits.read(16)?, bits.read(24)?);
    if entries > ENTRIES_MAX {
        return None;
    }
    let is_ordered = bits.read(1)? == 1;
    if is_ordered {
        bits.skip(5)?;
        let mut entry = 0;
        while entry < entries {
            // At least one bit each time, so that damage ends with the data.
            entry += bits.read(ilog(entries - entry))?;
        }
    } else if bits.read(1)? == 1 {
        for _ in 0..entries {
            let is_used = bits.read(1)? == 1;
            bits.skip(if is_used { 5 } else { 0 })?;
        }
    } else {
        bits.skip(u64::from(entries) * 5)?;
    }
    let lookup = bits.read(4)?;
    if lookup == 0 {
        return Some(());
    }
    bits.skip(64)?;
    let value_bits = u64::from(bits.read(4)? + 1);
    bits.skip(1)?;
    let values = match lookup {
        1 => u64::from(lookup1_values(entries, dimensions)?),
        2 => u64::from(entries) * u64::from(dimensions),
        _ => return None,
    };
    bits.skip(values * value_bits)
}

/// The largest whole number whose `dimensions`th power is not more than `entries` (section 9.2.3).
fn lookup1_values(entries: u32, dimensions: u32) -> Option<u32> {
    if dimensions == 0 {
        return None;
    }
    let fits = |root: u32| {
        let mut power = 1_u64;
        // A root of 2 or more is too much after 21 steps, and 1 always fits: the loop is short.
        root < 2
            || (0..dimensions).all(|_| {
                power = power.saturating_mul(root.into());
                power <= entries.into()
            })
    };
    let mut root = (f64::from(entries)).powf(1.0 / f64::from(dimensions)) as u32 + 1;
    while !fits(root) {
        root -= 1;
    }
    Some(root.min(entries))
}

/// Sections 6.2.1 and 7.2.2.
fn floor(bits: &mut BitReader<'_>) -> Option<()> {
    match bits.read(16)? {
        0 => {
            bits.skip(8 + 16 + 16 + 6 + 8)?;
            times(bits, 4, |bits| bits.skip(8))
        }
        1 => {
            let mut classes = [0; 31];
            let classes = &mut classes[..bits.read(5)? as usize];
            for class in classes.iter_mut() {
                *class = bits.read(4)? as usize;
            }
            let class_count = classes.iter().max().map_or(0, |most| most + 1);
            let mut dimensions = [0; 16];
            for dimension in &mut dimensions[..class_count] {
                *dimension = bits.read(3)? + 1;
                let subclass_bits = bits.read(2)?;
                bits.skip(if subclass_bits > 0 { 8 } else { 0 })?;
                bits.skip(8 << subclass_bits)?;
            }
            bits.skip(2)?;
            let range_bits = bits.read(4)?;
            let points: u32 = classes.iter().map(|class| dimensions[*class]).sum();
            bits.skip(u64::from(points * range_bits))
        }
        _ => None,
    }
}

/// Section 8.6.1.
fn residue(bits: &mut BitReader<'_>) -> Option<()> {
    if bits.read(16)? > 2 {
        return None;
    }
    bits.skip(24 + 24 + 24)?;
    let classes = bits.read(6)? + 1;
    bits.skip(8)?;
    let mut books = 0;
    for _ in 0..classes {
        let low = bits.read(3)?;
        let high = if bits.read(1)? == 1 { bits.read(5)? } else { 0 };
        books += u64::from((high << 3 | low).count_ones());
    }
    bits.skip(books * 8)
}

/// Section 4.2.4, "Mappings".
fn mapping(bits: &mut BitReader<'_>, channels: u8) -> Option<()> {
    if bits.read(16)? != 0 {
        return None;
    }
    let submaps = if bits.read(1)? == 1 { bits.read(4)? + 1 } else { 1 };
    if bits.read(1)? == 1 {
        let steps = bits.read(8)? + 1;
        bits.skip(u64::from(steps) * 2 * u64::from(ilog(u32::from(channels) - 1)))?;
    }
    bits.skip(2)?;
    if submaps > 1 {
        bits.skip(u64::from(channels) * 4)?;
    }
    bits.skip(u64::from(submaps) * 24)
}

/// Bits that a number takes (section 9.2.1).
fn ilog(value: u32) -> u32 {
    32 - value.leading_zeros()
}

/// Fields from the least significant bit on (section 2.1.4).
struct BitReader<'a> {
    bytes: &'a [u8],
    position: u64,
}

impl BitReader<'_> {
    fn require(&self, count: u64) -> Option<()> {
        (self.position + count <= self.bytes.len() as u64 * 8).then_some(())
    }

    /// At most 24 bits.
    fn read(&mut self, count: u32) -> Option<u32> {
        self.require(count.into())?;
        let byte = (self.position / 8) as usize;
        let mut word = [0; 4];
        let there = (self.bytes.len() - byte).min(4);
        word[..there].copy_from_slice(&self.bytes[byte..byte + there]);
        let value = u32::from_le_bytes(word) >> (self.position % 8) & ((1 << count) - 1);
        self.position += u64::from(count);
        Some(value)
    }

    fn skip(&mut self, count: u64) -> Option<()> {
        self.require(count)?;
        self.position += count;
        Some(())
    }
}
