//! program_config_element() (ISO/IEC 14496-3 section 4.4.1.1): which channels there are, where no number stands for
//! them. ADTS has it in the first access unit, an AudioSpecificConfig within itself.

use super::{AacConfig, Bits};

/// ID_PCE: what an element of an access unit is.
const ID_PCE: u32 = 5;

/// Adds the program config element that `access_unit` begins with to `config`, which has none; without one, `config`
/// as it is.
pub fn config_with_pce(config: AacConfig, access_unit: &[u8]) -> AacConfig {
    let mut bits = Bits { bytes: access_unit, position: 0 };
    if bits.take(3) != Some(ID_PCE) {
        return config;
    }
    let mut asc = Writer::default();
    // What from_parts() wrote but for its padding: up to extensionFlag of GASpecificConfig().
    let fields = if config.asc.len() == 2 { 16 } else { 40 };
    let mut head = Bits { bytes: &config.asc, position: 0 };
    for _ in 0..fields {
        asc.put(head.take(1).unwrap_or(0), 1);
    }
    match copy(&mut bits, &mut asc) {
        Some(channels) => AacConfig { asc: asc.bytes, channels, ..config },
        None => config,
    }
}

/// Reads a program config element and returns how many channels it has.
pub fn read(bits: &mut Bits<'_>) -> Option<u8> {
    copy(bits, &mut Writer::default())
}

/// Copies an element from one place to another, whose byte alignments differ.
fn copy(bits: &mut Bits<'_>, out: &mut Writer) -> Option<u8> {
    let mut field = |count: usize| {
        let value = bits.take(count)?;
        out.put(value, count);
        Some(value)
    };
    field(10)?; // element_instance_tag, object_type, sampling_frequency_index
    let mut elements = [0; 3];
    for count in &mut elements {
        *count = field(4)?; // front, side, back
    }
    let lfe = field(2)?;
    let assoc_data = field(3)?;
    let cc = field(4)?;
    for len in [4, 4, 3] {
        // mono_mixdown, stereo_mixdown, matrix_mixdown
        if field(1)? == 1 {
            field(len)?;
        }
    }
    let mut channels = lfe;
    for _ in 0..elements.iter().sum() {
        channels += 1 + field(1)?; // is_cpe
        field(4)?;
    }
    for _ in 0..lfe + assoc_data {
        field(4)?;
    }
    for _ in 0..cc {
        field(5)?;
    }
    bits.align();
    out.align();
    let comment_len = bits.take(8)?;
    out.put(comment_len, 8);
    for _ in 0..comment_len {
        out.put(bits.take(8)?, 8);
    }
    u8::try_from(channels).ok()
}

#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    /// Bits of the last byte that are not used yet.
    free: usize,
}

impl Writer {
    fn put(&mut self, value: u32, count: usize) {
        for index in (0..count).rev() {
            if self.free == 0 {
                self.bytes.push(0);
                self.free = 8;
            }
            self.free -= 1;
            if let Some(last) = self.bytes.last_mut() {
                *last |= ((value >> index & 1) as u8) << self.free;
            }
        }
    }

    fn align(&mut self) {
        self.free = 0;
    }
}
