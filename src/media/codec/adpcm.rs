//! Speech and effects coded in fewer bits than PCM: G.722, G.726 and IMA ADPCM.

/// G.722. A reader hands out some 20 ms in each sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct G722Config {
    /// At least 1.
    pub channels: u16,
}

/// G.726. A reader hands out some 20 ms in each sample, whole bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct G726Config {
    /// Bits of one code word: 2 to 5, for 16 to 40 kbit/s at 8000 Hz.
    pub code_bits: u8,
    /// Whether the first code word of a byte stands in its most significant bits (I.366.2), not in the least
    /// significant ones (RFC 3551).
    pub is_most_significant_first: bool,
    /// In Hz; 8000 nearly always.
    pub sample_rate: u32,
}

/// IMA ADPCM as WAV and AVI have it. A sample is one block of the file, with its header for each channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImaAdpcmConfig {
    /// In Hz.
    pub sample_rate: u32,
    /// 1 or 2.
    pub channels: u16,
    /// Bytes of a block.
    pub block_len: u16,
}

impl ImaAdpcmConfig {
    /// Bytes at the start of a block for each channel: its first value, the index of the step, and a reserved one.
    pub const HEADER_LEN: usize = 4;

    /// Values of each channel in a whole block: one in its header and one in every 4 bits that follow, which come in
    /// words of 32 bits of each channel by turns. `None` when such a block has no room for a header.
    pub fn block_frames(&self) -> Option<u32> {
        let headers = Self::HEADER_LEN as u32 * u32::from(self.channels);
        let data = u32::from(self.block_len).checked_sub(headers)?;
        Some(1 + data.checked_div(headers)? * 8)
    }
}
