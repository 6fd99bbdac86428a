//! MPEG-4 part 2 video (ISO/IEC 14496-2): the headers that configure it, and VOPs. `framer` cuts a stream into them.

mod framer;

use super::nal::find_start_code;
pub use framer::Mpeg4VisualFramer;

/// video_object_start_code (ISO/IEC 14496-2 table 6-3).
pub const VIDEO_OBJECTS: std::ops::RangeInclusive<u8> = 0x00..=0x1f;
/// video_object_layer_start_code.
pub const VIDEO_OBJECT_LAYERS: std::ops::RangeInclusive<u8> = 0x20..=0x2f;
/// visual_object_sequence_start_code.
pub const SEQUENCE: u8 = 0xb0;
/// visual_object_sequence_end_code.
pub const SEQUENCE_END: u8 = 0xb1;
/// user_data_start_code.
pub const USER_DATA: u8 = 0xb2;
/// group_of_vop_start_code.
pub const GROUP: u8 = 0xb3;
/// visual_object_start_code.
pub const VISUAL_OBJECT: u8 = 0xb5;
/// vop_start_code.
pub const VOP: u8 = 0xb6;

/// The most bytes of configuration that are kept. Real ones have some 50, user data included.
const CONFIG_LEN_MAX: usize = 4096;
/// Simple profile at level 1: what is meant where nothing is said (RFC 6416 section 7.1).
const PROFILE_LEVEL_DEFAULT: u8 = 1;

/// What is to be known of an MPEG-4 part 2 track. A sample is one VOP, with the headers that stand before it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mpeg4VisualConfig {
    /// From the visual object sequence (or the video object) to the video object layer header, as `config=` of
    /// RFC 6416 has it; empty where only the samples have it.
    pub config: Vec<u8>,
    /// profile_and_level_indication, where the headers tell; else 1, simple profile at level 1.
    pub profile_level: u8,
    /// Width and height in pixels, where known.
    pub size: Option<(u32, u32)>,
    /// Ticks from one VOP to the next, by vop_time_increment_resolution; `None` where that is not constant or not
    /// known.
    pub vop_ticks: Option<u32>,
}

impl Mpeg4VisualConfig {
    /// Reads the headers, as containers keep them apart (the DecoderSpecificInfo of `esds`). `None`: there is no video
    /// object layer in them.
    pub fn parse(config: &[u8]) -> Option<Self> {
        ConfigHeaders::parse(config).config()
    }
}

/// What a video object layer header says (ISO/IEC 14496-2 section 6.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VideoObjectLayer {
    /// vop_time_increment_resolution: ticks a second, at least 1.
    pub resolution: u32,
    /// fixed_vop_time_increment, if VOPs are equally far apart.
    pub fixed_increment: Option<u32>,
    /// Width and height in pixels of a rectangular object.
    pub size: Option<(u32, u32)>,
    /// low_delay, where it is told: there are no B-VOPs.
    pub is_low_delay: Option<bool>,
}

impl VideoObjectLayer {
    /// Reads the header in `unit`, which begins with its start code.
    pub fn parse(unit: &[u8]) -> Option<Self> {
        const EXTENDED_PAR: u32 = 15;
        const SHAPE_RECTANGULAR: u32 = 0;
        const SHAPE_GRAYSCALE: u32 = 3;
        const VBV_PARAMETERS_BITS: usize = 79;
        if !unit.get(3).is_some_and(|code| VIDEO_OBJECT_LAYERS.contains(code)) {
            return None;
        }
        let mut bits = Bits::of(unit.get(4..)?);
        bits.take(1 + 8)?; // random_accessible_vol, video_object_type_indication
        let verid = if bits.flag()? { Some(bits.take(4 + 3)? >> 3) } else { None };
        if bits.take(4)? == EXTENDED_PAR {
            bits.take(16)?;
        }
        let mut is_low_delay = None;
        if bits.flag()? {
            bits.take(2)?; // chroma_format
            is_low_delay = Some(bits.flag()?);
            if bits.flag()? {
                bits.skip(VBV_PARAMETERS_BITS);
            }
        }
        let shape = bits.take(2)?;
        if shape == SHAPE_GRAYSCALE && verid.is_some_and(|verid| verid != 1) {
            bits.take(4)?; // video_object_layer_shape_extension
        }
        bits.take(1)?;
        let resolution = bits.take(16)?.max(1);
        bits.take(1)?;
        let fixed_increment =
            if bits.flag()? { Some(bits.take(increment_bits(resolution))?).filter(|ticks| *ticks > 0) } else { None };
        let mut size = None;
        if shape == SHAPE_RECTANGULAR {
            bits.take(1)?;
            let width = bits.take(13)?;
            bits.take(1)?;
            size = Some((width, bits.take(13)?)).filter(|(width, height)| *width > 0 && *height > 0);
        }
        Some(Self { resolution, fixed_increment, size, is_low_delay })
    }
}

/// The length of vop_time_increment in bits: as many as it takes to tell `resolution` moments apart.
fn increment_bits(resolution: u32) -> usize {
    (u32::BITS - (resolution - 1).leading_zeros()).max(1) as usize
}

/// What a VOP header says (ISO/IEC 14496-2 section 6.2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VopHeader {
    /// 0 to 3: I, P, B, S.
    pub coding_type: u8,
    /// modulo_time_base: how many seconds have begun.
    pub seconds: u32,
    /// vop_time_increment: ticks since the second began.
    pub increment: u32,
    /// vop_coded; else it repeats the one before.
    pub is_coded: bool,
}

impl VopHeader {
    /// Reads the header in `unit`, which begins with its start code, of a stream with this
    /// vop_time_increment_resolution.
    pub fn parse(unit: &[u8], resolution: u32) -> Option<Self> {
        /// Nothing that records makes fewer pictures.
        const SECONDS_MAX: u32 = 3600;
        if unit.get(3) != Some(&VOP) {
            return None;
        }
        let mut bits = Bits::of(unit.get(4..)?);
        let coding_type = bits.take(2)? as u8;
        let mut seconds = 0;
        while bits.flag()? {
            seconds += 1;
            if seconds > SECONDS_MAX {
                return None;
            }
        }
        bits.take(1)?;
        let increment = bits.take(increment_bits(resolution))?;
        bits.take(1)?;
        Some(Self { coding_type, seconds, increment, is_coded: bits.flag()? })
    }

    /// Decoding can start here.
    pub fn is_intra(&self) -> bool {
        self.coding_type == 0
    }

    /// It comes behind a VOP that it is displayed before.
    pub fn is_bidirectional(&self) -> bool {
        self.coding_type == 2
    }
}

/// The time_code of the group header in `unit`, in seconds (ISO/IEC 14496-2 section 6.2.4).
fn group_seconds(unit: &[u8]) -> Option<i64> {
    let mut bits = Bits::of(unit.get(4..)?);
    let (hours, minutes) = (bits.take(5)?, bits.take(6)?);
    bits.take(1)?;
    Some(i64::from((hours * 60 + minutes) * 60 + bits.take(6)?))
}

/// Collects the headers that configure a decoder.
#[derive(Debug, Clone, Default)]
pub struct ConfigHeaders {
    bytes: Vec<u8>,
    layer: Option<VideoObjectLayer>,
    profile_level: Option<u8>,
    /// What follows still belongs to it.
    is_open: bool,
}

impl ConfigHeaders {
    /// Those in `config`, up to the first unit that does not belong to them.
    pub fn parse(config: &[u8]) -> Self {
        let mut collected = Self::default();
        let mut next = find_start_code(config, 0);
        while let Some(at) = next {
            next = find_start_code(config, at + 3);
            if !collected.take(&config[at..next.unwrap_or(config.len())]) {
                break;
            }
        }
        collected
    }

    /// Takes the next unit of a stream, which begins with a start code. `false`: it does not belong to the headers.
    pub fn take(&mut self, unit: &[u8]) -> bool {
        let Some(code) = unit.get(3).copied() else { return self.is_open };
        let is_header = VIDEO_OBJECTS.contains(&code)
            || VIDEO_OBJECT_LAYERS.contains(&code)
            || [SEQUENCE, VISUAL_OBJECT].contains(&code)
            || code == USER_DATA && self.is_open;
        if !is_header {
            self.is_open = false;
            return false;
        }
        if !self.is_open {
            self.bytes.clear();
            self.is_open = true;
        }
        if self.bytes.len() + unit.len() <= CONFIG_LEN_MAX {
            self.bytes.extend_from_slice(unit);
        }
        if code == SEQUENCE {
            self.profile_level = unit.get(4).copied();
        }
        self.layer = VideoObjectLayer::parse(unit).or(self.layer);
        true
    }

    /// What the video object layer says; `None` until there was one.
    pub fn layer(&self) -> Option<&VideoObjectLayer> {
        self.layer.as_ref()
    }

    /// The headers, as they stand in the stream.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether there can be B-VOPs. The levels of the simple profile are those of ISO/IEC 14496-2 table G.1.
    pub fn has_b_vops(&self) -> bool {
        let is_simple = self.profile_level.is_some_and(|profile_level| (1..=9).contains(&profile_level));
        let is_low_delay = self.layer.and_then(|layer| layer.is_low_delay).unwrap_or(is_simple);
        !is_low_delay
    }

    /// What they make of the track.
    pub fn config(&self) -> Option<Mpeg4VisualConfig> {
        let layer = self.layer?;
        Some(Mpeg4VisualConfig {
            config: self.bytes.clone(),
            profile_level: self.profile_level.unwrap_or(PROFILE_LEVEL_DEFAULT),
            size: layer.size,
            vop_ticks: layer.fixed_increment,
        })
    }
}

/// Bits of a header. Every reader returns `None` at the end of what there is.
struct Bits<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Bits<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    fn take(&mut self, count: usize) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            let byte = *self.bytes.get(self.position / 8)?;
            value = value << 1 | u32::from(byte >> (7 - self.position % 8) & 1);
            self.position += 1;
        }
        Some(value)
    }

    fn flag(&mut self) -> Option<bool> {
        self.take(1).map(|bit| bit == 1)
    }

    fn skip(&mut self, count: usize) {
        self.position += count;
    }
}

#[cfg(test)]
pub mod testing;
#[cfg(test)]
mod tests;
