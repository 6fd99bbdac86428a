//! Huffman codes (ITU-T T.81 annexes C and F), and the tables of annex K, which RTP assumes.

/// A table as DHT has it (section B.2.4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeTable<'a> {
    /// How many codes have 1 to 16 bits.
    counts: &'a [u8; 16],
    /// What they stand for, shortest first.
    symbols: &'a [u8],
}

/// What a table is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The first component.
    Luma,
    /// The others.
    Chroma,
}

/// Differences of DC coefficients have so many categories (table F.1), and symbols.
const DC_SYMBOLS: [u8; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
const LUMA_DC_COUNTS: [u8; 16] = [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0];
const CHROMA_DC_COUNTS: [u8; 16] = [0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0];
const LUMA_AC_COUNTS: [u8; 16] = [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125];
const CHROMA_AC_COUNTS: [u8; 16] = [0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 119];
#[rustfmt::skip]
const LUMA_AC_SYMBOLS: [u8; 162] = [
    0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07, 0x22, 0x71, 0x14,
    0x32, 0x81, 0x91, 0xA1, 0x08, 0x23, 0x42, 0xB1, 0xC1, 0x15, 0x52, 0xD1, 0xF0, 0x24, 0x33, 0x62, 0x72, 0x82, 0x09,
    0x0A, 0x16, 0x17, 0x18, 0x19, 0x1A, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2A, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3A,
    0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4A, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5A, 0x63, 0x64, 0x65,
    0x66, 0x67, 0x68, 0x69, 0x6A, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88,
    0x89, 0x8A, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7, 0xA8, 0xA9,
    0xAA, 0xB2, 0xB3, 0xB4, 0xB5, 0xB6, 0xB7, 0xB8, 0xB9, 0xBA, 0xC2, 0xC3, 0xC4, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xCA,
    0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8, 0xD9, 0xDA, 0xE1, 0xE2, 0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9, 0xEA,
    0xF1, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9, 0xFA,
];
#[rustfmt::skip]
const CHROMA_AC_SYMBOLS: [u8; 162] = [
    0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71, 0x13, 0x22, 0x32,
    0x81, 0x08, 0x14, 0x42, 0x91, 0xA1, 0xB1, 0xC1, 0x09, 0x23, 0x33, 0x52, 0xF0, 0x15, 0x62, 0x72, 0xD1, 0x0A, 0x16,
    0x24, 0x34, 0xE1, 0x25, 0xF1, 0x17, 0x18, 0x19, 0x1A, 0x26, 0x27, 0x28, 0x29, 0x2A, 0x35, 0x36, 0x37, 0x38, 0x39,
    0x3A, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4A, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5A, 0x63, 0x64,
    0x65, 0x66, 0x67, 0x68, 0x69, 0x6A, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A, 0x82, 0x83, 0x84, 0x85, 0x86,
    0x87, 0x88, 0x89, 0x8A, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7,
    0xA8, 0xA9, 0xAA, 0xB2, 0xB3, 0xB4, 0xB5, 0xB6, 0xB7, 0xB8, 0xB9, 0xBA, 0xC2, 0xC3, 0xC4, 0xC5, 0xC6, 0xC7, 0xC8,
    0xC9, 0xCA, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8, 0xD9, 0xDA, 0xE2, 0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9,
    0xEA, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9, 0xFA,
];

impl Role {
    /// Of the component with this index.
    pub fn of_component(index: usize) -> Self {
        if index == 0 { Self::Luma } else { Self::Chroma }
    }

    /// Its codes of DC differences (tables K.3 and K.4).
    pub fn dc(self) -> CodeTable<'static> {
        match self {
            Self::Luma => CodeTable { counts: &LUMA_DC_COUNTS, symbols: &DC_SYMBOLS },
            Self::Chroma => CodeTable { counts: &CHROMA_DC_COUNTS, symbols: &DC_SYMBOLS },
        }
    }

    /// Its codes of AC coefficients (tables K.5 and K.6).
    pub fn ac(self) -> CodeTable<'static> {
        match self {
            Self::Luma => CodeTable { counts: &LUMA_AC_COUNTS, symbols: &LUMA_AC_SYMBOLS },
            Self::Chroma => CodeTable { counts: &CHROMA_AC_COUNTS, symbols: &CHROMA_AC_SYMBOLS },
        }
    }
}

impl<'a> CodeTable<'a> {
    /// The table that `bytes` begin with, and what follows it; `None` when it is cut off, or holds more codes than
    /// their bits can tell apart.
    pub fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (counts, rest) = bytes.split_first_chunk::<16>()?;
        let mut room = 1_u32;
        for count in counts {
            room = (2 * room).checked_sub(u32::from(*count))?;
        }
        let count = counts.iter().map(|count| usize::from(*count)).sum();
        let (symbols, rest) = rest.split_at_checked(count)?;
        Some((Self { counts, symbols }, rest))
    }

    /// Each symbol with its code and how many bits that has (annex C).
    fn codes(self) -> impl Iterator<Item = (u8, u16, u8)> {
        let lengths = self.counts.iter().zip(1_u8..).flat_map(|(count, bits)| (0..*count).map(move |_| bits));
        let codes = lengths.scan((0_u32, 0_u8), |(next, bits_before), bits| {
            *next <<= bits - *bits_before;
            *bits_before = bits;
            *next += 1;
            Some(((*next - 1) as u16, bits))
        });
        self.symbols.iter().zip(codes).map(|(symbol, (code, bits))| (*symbol, code, bits))
    }

    /// A table of these parts.
    #[cfg(test)]
    pub fn of(counts: &'a [u8; 16], symbols: &'a [u8]) -> Self {
        Self { counts, symbols }
    }

    /// The table as DHT has it, behind `head`: its class and number.
    #[cfg(test)]
    pub fn segment(self, head: u8) -> Vec<u8> {
        [&[head], &self.counts[..], self.symbols].concat()
    }
}

/// Bits that are looked up at once; longer codes are looked for.
const LOOKUP_BITS: u8 = 9;

/// A table made ready for decoding.
pub struct Decoder {
    /// By the next [`LOOKUP_BITS`] bits: the symbol and the bits of its code, 0 for none.
    lookup: [(u8, u8); 1 << LOOKUP_BITS],
    /// The codes that are longer.
    long: Vec<(u8, u16, u8)>,
}

impl Decoder {
    /// For the codes of `table`.
    pub fn new(table: CodeTable<'_>) -> Self {
        let (mut lookup, mut long) = ([(0, 0); 1 << LOOKUP_BITS], Vec::new());
        for (symbol, code, bits) in table.codes() {
            match LOOKUP_BITS.checked_sub(bits) {
                Some(free) => {
                    let start = usize::from(code) << free;
                    lookup[start..start + (1 << free)].fill((symbol, bits));
                }
                None => long.push((symbol, code, bits)),
            }
        }
        Self { lookup, long }
    }

    /// The symbol that the next 16 bits begin with, and the bits of its code.
    pub fn decode(&self, next: u16) -> Option<(u8, u8)> {
        let (symbol, bits) = self.lookup[usize::from(next >> (16 - LOOKUP_BITS))];
        if bits > 0 {
            return Some((symbol, bits));
        }
        // In ascending order of their codes when those are written with 16 bits.
        let after = self.long.partition_point(|(_, code, bits)| code << (16 - bits) <= next);
        let (symbol, code, bits) = *self.long.get(after.checked_sub(1)?)?;
        (next >> (16 - bits) == code).then_some((symbol, bits))
    }
}

/// A table made ready for encoding: by symbol, the code and its bits, 0 for symbols that have none.
pub struct Encoder([(u16, u8); 256]);

impl Encoder {
    /// For the codes of `table`.
    pub fn new(table: CodeTable<'_>) -> Self {
        let mut codes = [(0, 0); 256];
        for (symbol, code, bits) in table.codes() {
            codes[usize::from(symbol)] = (code, bits);
        }
        Self(codes)
    }

    /// The code of `symbol` and its bits.
    pub fn code(&self, symbol: u8) -> Option<(u16, u8)> {
        Some(self.0[usize::from(symbol)]).filter(|(_, bits)| *bits > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_annex_k() {
        let code = |table: CodeTable<'static>, symbol| {
            let (code, bits) = Encoder::new(table).code(symbol).unwrap();
            format!("{code:0width$b}", width = usize::from(bits))
        };
        for (table, symbol, expected) in [
            (Role::Luma.dc(), 0, "00"),
            (Role::Luma.dc(), 5, "110"),
            (Role::Luma.dc(), 11, "111111110"),
            (Role::Chroma.dc(), 0, "00"),
            (Role::Chroma.dc(), 11, "11111111110"),
            (Role::Luma.ac(), 0x00, "1010"), // end of block
            (Role::Luma.ac(), 0x01, "00"),
            (Role::Luma.ac(), 0xF0, "11111111001"),
            (Role::Luma.ac(), 0xFA, "1111111111111110"),
            (Role::Chroma.ac(), 0x00, "00"),
            (Role::Chroma.ac(), 0xF0, "1111111010"),
            (Role::Luma.ac(), 0x09, "1111111110000010"),
            (Role::Chroma.ac(), 0x17, "1111111110001000"),
        ] {
            assert_eq!(code(table, symbol), expected, "{symbol:#x} of {table:?}");
        }
    }

    #[test]
    fn every_code_is_decoded_to_its_symbol_whatever_follows() {
        for table in [Role::Luma.dc(), Role::Chroma.dc(), Role::Luma.ac(), Role::Chroma.ac()] {
            let decoder = Decoder::new(table);
            for (symbol, code, bits) in table.codes() {
                let low = code << (16 - bits);
                for next in [low, low | ((1_u32 << (16 - bits)) - 1) as u16] {
                    assert_eq!(decoder.decode(next), Some((symbol, bits)), "{next:016b}");
                }
            }
            assert_eq!(decoder.decode(0xFFFF), None, "no code is of ones only");
        }
    }

    #[test]
    fn tables_with_more_codes_than_bits_are_none() {
        let mut bytes = [0; 300];
        bytes[0] = 3;
        assert_eq!(CodeTable::split(&bytes), None);
        bytes[0] = 2;
        assert!(CodeTable::split(&bytes).is_some());
        assert_eq!(CodeTable::split(&bytes[..17]), None);
    }
}
