//! Opus (RFC 6716): what the `dOps` box and the OpusHead record tell (RFC 7845 section 5.1), and packet durations.

/// What is to be known of an Opus track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpusConfig {
    /// Output channels.
    pub channels: u8,
    /// Samples at 48 kHz that a decoder throws away at the start.
    pub pre_skip: u16,
    /// 0: mono or stereo, one stream, which is all that RFC 7587 carries.
    pub mapping_family: u8,
}

/// Samples at 48 kHz in a packet, by its TOC byte (RFC 6716 section 3.1); 0 for an empty or impossible one.
pub fn packet_duration(packet: &[u8]) -> u32 {
    let Some(toc) = packet.first() else { return 0 };
    let frame = match toc >> 3 {
        config @ 0..=11 => [480, 960, 1920, 2880][usize::from(config % 4)],
        config @ 12..=15 => [480, 960][usize::from(config % 2)],
        config => [120, 240, 480, 960][usize::from(config % 4)],
    };
    let count = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => packet.get(1).map_or(0, |byte| u32::from(byte & 0x3f)),
    };
    let duration = frame * count;
    if duration <= 5760 { duration } else { 0 }
}
