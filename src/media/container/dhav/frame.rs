//! The header of a frame, and what its extensions tell.

/// `DHAV`.
pub const MAGIC: &[u8; 4] = b"DHAV";
/// `dhav`, before the length of the frame at its end.
const TRAILER: &[u8; 4] = b"dhav";
/// Length of the fixed part of the header, in bytes.
pub const HEADER_LEN: usize = 24;
/// Length of the trailer.
pub const TRAILER_LEN: usize = 8;
/// The longest frame that is believed, in bytes.
pub const FRAME_LEN_MAX: usize = 16 << 20;

/// What a frame is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// A picture.
    Video,
    /// Sound.
    Audio,
    /// Anything else.
    Other,
}

/// The header of a frame, in little-endian order:
///
/// ```text
/// |DHAV|type 8|subtype 8|channel 8|part 8|number 32|length 32|date 32|milliseconds 16|extension length 8|checksum 8|
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// What it is of.
    pub kind: FrameKind,
    /// The channel of the recorder.
    pub channel: u8,
    /// Counts the frames of a stream.
    pub number: u32,
    /// Length of the frame in bytes, from its header to its trailer.
    pub len: usize,
    /// When it was recorded, in seconds since 1970 of local time.
    pub date: i64,
    /// A clock in milliseconds that turns after 65536 of them.
    pub millis: u16,
    /// Length of the header with its extensions, in bytes.
    pub header_len: usize,
}

impl FrameHeader {
    /// Reads the first [`HEADER_LEN`] bytes of a frame.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; HEADER_LEN] = bytes.first_chunk()?;
        let u32_at = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let kind = match bytes[4] {
            0xfc..=0xfe => FrameKind::Video,
            0xf0 => FrameKind::Audio,
            _ => FrameKind::Other,
        };
        let (len, header_len) = (u32_at(12) as usize, HEADER_LEN + usize::from(bytes[22]));
        // Auxiliary frames (0xf1) may have no extensions where the length of such stands.
        let header_len = if kind == FrameKind::Other { HEADER_LEN } else { header_len };
        let is_sensible = bytes.starts_with(MAGIC) && (header_len..=FRAME_LEN_MAX).contains(&len);
        is_sensible.then_some(Self {
            kind,
            channel: bytes[6],
            number: u32_at(8),
            len,
            date: seconds_of(u32_at(16)),
            millis: u16::from_le_bytes([bytes[20], bytes[21]]),
            header_len,
        })
    }

    /// Whether `bytes` are the trailer of a frame of this length.
    pub fn is_ended_by(&self, bytes: &[u8]) -> bool {
        bytes.starts_with(TRAILER) && bytes.get(4..TRAILER_LEN) == Some(&(self.len as u32).to_le_bytes()[..])
    }
}

/// |year since 2000 6|month 4|day 5|hour 5|minute 6|second 6|, as seconds since 1970.
fn seconds_of(date: u32) -> i64 {
    let field = |shift: u32, bits: u32| i64::from(date >> shift & ((1 << bits) - 1));
    let (year, month, day) = (2000 + field(26, 6), field(22, 4), field(17, 5));
    let (hour, minute, second) = (field(12, 5), field(6, 6), field(0, 6));
    // Days of the proleptic Gregorian calendar, in years that begin in March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1 - 719_468;
    ((days * 24 + hour) * 60 + minute) * 60 + second
}

/// What the extensions of a header tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extensions {
    /// The number of the video codec, and pictures a second.
    pub video: Option<(u8, u8)>,
    /// What the sound is.
    pub audio: Option<Audio>,
}

/// Sound, as an extension tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Audio {
    /// The number of the codec.
    pub codec: u8,
    /// At least 1.
    pub channels: u8,
    /// In Hz.
    pub sample_rate: u32,
}

impl Extensions {
    /// Reads what stands between the header and the payload, up to what is not known.
    pub fn parse(bytes: &[u8]) -> Self {
        let mut all = Self::default();
        let mut rest = bytes;
        while let [tag, ..] = rest {
            let len = match tag {
                0x80 | 0x81 | 0x83 | 0x84 | 0x85 | 0x8b | 0x94 | 0x96 | 0xa0 | 0xb2 | 0xb4 => 4,
                0x82 | 0x88 | 0x8c | 0x91..=0x93 | 0x95 | 0x9a | 0x9b | 0xb3 => 8,
                _ => break,
            };
            let Some((field, after)) = rest.split_at_checked(len) else { break };
            match *tag {
                0x81 => all.video = Some((field[2], field[3])),
                0x83 => all.audio = Some(audio(field[1], field[2], field[3])),
                0x8c => all.audio = Some(audio(field[2], field[3], field[4])),
                _ => {}
            }
            rest = after;
        }
        all
    }
}

fn audio(channels: u8, codec: u8, rate: u8) -> Audio {
    const RATES: [u32; 13] =
        [8000, 4000, 8000, 11_025, 16_000, 20_000, 22_050, 32_000, 44_100, 48_000, 96_000, 192_000, 64_000];
    let sample_rate = RATES.get(usize::from(rate)).copied().unwrap_or(8000);
    Audio { codec, channels: channels.max(1), sample_rate }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_become_seconds_since_1970() {
        let date = |year: u32, month: u32, day: u32, hour: u32, minute: u32, second: u32| {
            (year - 2000) << 26 | month << 22 | day << 17 | hour << 12 | minute << 6 | second
        };
        for (date, seconds) in [
            (date(2000, 1, 1, 0, 0, 0), 946_684_800),
            (date(2024, 2, 29, 23, 59, 59), 1_709_251_199),
            (date(2024, 3, 1, 0, 0, 0), 1_709_251_200),
            (date(2038, 12, 31, 12, 30, 15), 2_177_411_415),
        ] {
            assert_eq!(seconds_of(date), seconds);
        }
    }

    #[test]
    fn extensions_are_read_up_to_what_is_not_known() {
        let all = Extensions::parse(&[0x80, 0, 40, 30, 0x81, 0, 0xc, 25, 0x83, 2, 0x0e, 4, 0x77, 0x81, 1]);
        let audio = Some(Audio { codec: 0x0e, channels: 2, sample_rate: 16_000 });
        assert_eq!(all, Extensions { video: Some((0xc, 25)), audio });
        let long = Extensions::parse(&[0x88, 0, 0, 0, 0, 0, 0, 0, 0x8c, 0, 0, 0x1a, 9, 0, 0, 0]);
        assert_eq!(long.audio, Some(Audio { codec: 0x1a, channels: 1, sample_rate: 48_000 }));
        assert_eq!(Extensions::parse(&[0x81, 0, 8]), Extensions::default());
    }
}
