//! What sample tables and fragments both yield: a place in the file with times.

/// Samples of PCM are this fraction of a second.
pub const PCM_SAMPLES_PER_SECOND: u32 = 50;

/// One sample, or the PCM frames of a whole chunk, found but not read. Times are in ticks of the track and on the
/// timeline of the media, before the edit list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Where it begins, in bytes from the start of the file.
    pub at: u64,
    /// In bytes.
    pub len: u64,
    /// When it is to be decoded.
    pub dts: i64,
    /// When it is to be shown.
    pub pts: i64,
    /// How long it lasts.
    pub duration: u64,
    /// Decoding can start here.
    pub is_sync: bool,
    /// Number of its sample entry, from 1.
    pub description: u32,
}

impl Found {
    /// Where it ends, in bytes from the start of the file.
    pub fn end(&self) -> u64 {
        self.at.saturating_add(self.len)
    }
}
