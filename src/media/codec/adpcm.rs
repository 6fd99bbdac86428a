//! Speech and effects coded in fewer bits than PCM: G.722, G.726, and IMA ADPCM (IMA Digital Audio Focus and Technical
//! Working Groups, Recommended Practices 3.00), which can be decoded here.

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

/// Differences that a code word may stand for, by the index of the step (Recommended Practices, table of step sizes).
const STEPS: [i32; 89] = [
    7, 8, 9, 10, 11, 12, 13, 14, 16, 17, 19, 21, 23, 25, 28, 31, 34, 37, 41, 45, 50, 55, 60, 66, 73, 80, 88, 97, 107,
    118, 130, 143, 157, 173, 190, 209, 230, 253, 279, 307, 337, 371, 408, 449, 494, 544, 598, 658, 724, 796, 876, 963,
    1060, 1166, 1282, 1411, 1552, 1707, 1878, 2066, 2272, 2499, 2749, 3024, 3327, 3660, 4026, 4428, 4871, 5358, 5894,
    6484, 7132, 7845, 8630, 9493, 10_442, 11_487, 12_635, 13_899, 15_289, 16_818, 18_500, 20_350, 22_385, 24_623,
    27_086, 29_794, 32_767,
];
/// How a code word without its sign changes the index.
const INDEX_CHANGES: [i32; 8] = [-1, -1, -1, -1, 2, 4, 6, 8];

impl ImaAdpcmConfig {
    /// Bytes at the start of a block for each channel: its first value, the index of the step, and a reserved one.
    /// The words that follow have as many.
    pub const HEADER_LEN: usize = 4;
    /// Code words in a word.
    const WORD_VALUES: usize = 8;

    /// Values of each channel in a whole block: one in its header and one in every 4 bits that follow, which come in
    /// words of 32 bits of each channel by turns. `None` when such a block has no room for a header.
    pub fn block_frames(&self) -> Option<u32> {
        let headers = Self::HEADER_LEN as u32 * u32::from(self.channels);
        let data = u32::from(self.block_len).checked_sub(headers)?;
        Some(1 + data.checked_div(headers)? * Self::WORD_VALUES as u32)
    }

    /// Puts the values of `block` into `values`, those of all channels by turns. A block that is cut off gives what
    /// its whole words hold, and nothing when its headers are not whole.
    pub fn decode(&self, block: &[u8], values: &mut Vec<i16>) {
        values.clear();
        let channels = usize::from(self.channels.max(1));
        let Some((headers, words)) = block.split_at_checked(channels * Self::HEADER_LEN) else { return };
        let words = words.as_chunks::<{ Self::HEADER_LEN }>().0;
        let rounds = words.len() / channels;
        values.resize(channels * (1 + rounds * Self::WORD_VALUES), 0);
        for (channel, header) in headers.as_chunks::<{ Self::HEADER_LEN }>().0.iter().enumerate() {
            let mut state = ImaState::of_header(*header);
            let mut values = values.iter_mut().skip(channel).step_by(channels);
            values.next().into_iter().for_each(|first| *first = state.value as i16);
            // The least significant bits of a byte come first.
            let codes = words.iter().skip(channel).step_by(channels).take(rounds).flatten();
            let codes = codes.flat_map(|byte| [byte & 0xf, byte >> 4]);
            values.zip(codes).for_each(|(value, code)| *value = state.decode(code));
        }
    }
}

/// What a code word of one channel is relative to.
struct ImaState {
    value: i32,
    index: i32,
}

impl ImaState {
    fn of_header([low, high, index, _reserved]: [u8; 4]) -> Self {
        Self { value: i16::from_le_bytes([low, high]).into(), index: i32::from(index).min(STEPS.len() as i32 - 1) }
    }

    /// The next value. Eighths of the step are added up before they are cut off, as FFmpeg does; the recommendation
    /// cuts off each, which differs in the last bit.
    fn decode(&mut self, code: u8) -> i16 {
        let size = i32::from(code & 7);
        let difference = ((2 * size + 1) * STEPS[self.index as usize]) >> 3;
        self.value = if code & 8 == 0 { self.value + difference } else { self.value - difference };
        self.value = self.value.clamp(i16::MIN.into(), i16::MAX.into());
        self.index = (self.index + INDEX_CHANGES[size as usize]).clamp(0, STEPS.len() as i32 - 1);
        self.value as i16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(channels: u16, block: &[u8]) -> Vec<i16> {
        let mut values = vec![99; 3];
        ImaAdpcmConfig { sample_rate: 8000, channels, block_len: block.len() as u16 }.decode(block, &mut values);
        values
    }

    #[test]
    fn code_words_add_up_to_values_by_hand() {
        // First value 100 and step 7: +7 for code 7 (15 * 7 / 8 = 13), index 8; step 16: code 0 adds 2, index 7; step
        // 14: code 8 takes 1, index 6; code 15 takes 15 * 13 / 8 = 24, index 14; then code 0 adds 28 / 8 = 3 and so on.
        let block = [100, 0, 0, 0, 0x07, 0xf8, 0x00, 0x00];
        assert_eq!(decoded(1, &block), [100, 113, 115, 114, 90, 93, 96, 98, 100]);
    }

    #[test]
    fn channels_take_turns_by_words_in_the_block_and_by_values_outside() {
        let block = [[1, 0, 0, 0], [0xff, 0xff, 0, 0], [0; 4], [0x88, 0x88, 0x88, 0x88]].concat();
        let expected: Vec<i16> = vec![1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1];
        assert_eq!(decoded(2, &block), expected); // 7 / 8 of the least step is 0
    }

    #[test]
    fn values_and_steps_stay_within_their_range_whatever_the_block_says() {
        let block = [0xff, 0x7f, 255, 0, 0x77, 0x77, 0x77, 0x77];
        assert_eq!(decoded(1, &block), [i16::MAX; 9]);
        let block = [0x00, 0x80, 88, 0, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(decoded(1, &block), [i16::MIN; 9]);
    }

    #[test]
    fn a_cut_off_block_gives_its_whole_words() {
        for (len, count) in [(0, 0), (7, 0), (8, 2), (15, 2), (16, 18), (24, 34)] {
            assert_eq!(decoded(2, &[0; 24][..len]).len(), count, "of {len} bytes");
        }
    }
}
