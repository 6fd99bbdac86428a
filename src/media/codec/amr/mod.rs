//! AMR and AMR-WB (3GPP TS 26.101 and 26.201): frame types and their lengths in storage format (RFC 4867 section 5).
//! The stream is cut into frames by [`AmrFramer`].

mod framer;
#[cfg(test)]
mod tests;

pub use framer::AmrFramer;

/// What is to be known of an AMR track. A sample is one or more frame-blocks in storage format: for each 20 ms one
/// frame of every channel, whose first byte is its frame header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AmrConfig {
    /// AMR-WB, at 16000 Hz.
    pub is_wideband: bool,
    /// At least 1.
    pub channels: u8,
}

/// The most channels of a multi-channel session (RFC 4867 section 4.1).
pub const CHANNELS_MAX: u8 = 6;
/// A frame lasts 20 ms: so many samples at 8 kHz, twice as many at 16 kHz.
const FRAME_LEN_NARROWBAND: u32 = 160;

/// Bytes of speech by frame type, header not included (TS 26.101 table A.1b); types that are comfort noise of other
/// codecs (9 to 11) or of no use (12 to 14) may not be stored (RFC 4867 section 5.3).
const SPEECH_LEN_NARROWBAND: [Option<u8>; 16] = {
    let mut len = [None; 16];
    let known = [12, 13, 15, 17, 19, 20, 26, 31, 5];
    let mut index = 0;
    while index < known.len() {
        len[index] = Some(known[index]);
        index += 1;
    }
    len[15] = Some(0);
    len
};
/// The same of AMR-WB (TS 26.201 table A.1b); 14 is a lost frame, 15 none.
const SPEECH_LEN_WIDEBAND: [Option<u8>; 16] = {
    let mut len = [None; 16];
    let known = [17, 23, 32, 36, 40, 46, 50, 58, 60, 5];
    let mut index = 0;
    while index < known.len() {
        len[index] = Some(known[index]);
        index += 1;
    }
    len[14] = Some(0);
    len[15] = Some(0);
    len
};

impl AmrConfig {
    /// Hz of the output and of the RTP clock.
    pub fn sample_rate(&self) -> u32 {
        if self.is_wideband { 16_000 } else { 8000 }
    }

    /// Samples of each channel in a frame.
    pub fn frame_len(&self) -> u32 {
        if self.is_wideband { 2 * FRAME_LEN_NARROWBAND } else { FRAME_LEN_NARROWBAND }
    }

    /// The length in bytes of the frame that begins with the byte `header`, this included; `None` when it is none:
    ///
    /// ```text
    ///  0 1 2 3 4 5 6 7
    /// |P|  FT   |Q|P|P|
    /// ```
    pub fn stored_frame_len(&self, header: u8) -> Option<usize> {
        if header & 0x83 != 0 {
            return None;
        }
        let frame_type = usize::from(header >> 3 & 0xf);
        let speech = if self.is_wideband { SPEECH_LEN_WIDEBAND } else { SPEECH_LEN_NARROWBAND }[frame_type]?;
        Some(1 + usize::from(speech))
    }

    /// Whether the frame that begins with the byte `header` is speech: not comfort noise, nor lost, nor nothing.
    pub fn is_speech(&self, header: u8) -> bool {
        let modes = if self.is_wideband { 9 } else { 8 };
        header >> 3 & 0xf < modes
    }
}
