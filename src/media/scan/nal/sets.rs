//! What H.264 and H.265 have different names for: parameter sets, NAL unit types.

use crate::media::Codec;
use crate::media::codec::access_unit::Role;
use crate::media::codec::rbsp::Bits;
use crate::media::codec::{FrameRate, H264Config, H265Config, h264, h265};

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NalCodec {
    /// ITU-T H.264.
    H264,
    /// ITU-T H.265.
    H265,
}

/// Follows a stream, NAL unit by NAL unit.
pub enum Tracker {
    H264(Box<h264::AccessUnits>),
    H265(Box<h265::AccessUnits>),
}

impl Tracker {
    /// From the start of a stream.
    pub fn new(codec: NalCodec) -> Self {
        match codec {
            NalCodec::H264 => Self::H264(Box::default()),
            NalCodec::H265 => Self::H265(Box::default()),
        }
    }

    /// How many of the first bytes of a NAL unit [`Self::push`] needs, by its first byte. Parameter sets are wanted
    /// whole, as they are kept.
    pub fn bytes_needed(&self, header: u8) -> usize {
        match self {
            _ if self.is_parameter_set(&[header]) => usize::MAX,
            Self::H264(_) => h264::AccessUnits::bytes_needed(header),
            Self::H265(_) => h265::AccessUnits::bytes_needed(header),
        }
    }

    /// Takes the next NAL unit, of which the first [`Self::bytes_needed`] bytes suffice.
    pub fn push(&mut self, nal: &[u8]) -> Role {
        match self {
            Self::H264(tracker) => tracker.push(nal),
            Self::H265(tracker) => tracker.push(nal),
        }
    }

    /// Whether it is a VPS, SPS or PPS.
    pub fn is_parameter_set(&self, nal: &[u8]) -> bool {
        match self {
            Self::H264(_) => matches!(h264::nal_type(nal), h264::NAL_SPS | h264::NAL_PPS),
            Self::H265(_) => matches!(h265::nal_type(nal), h265::NAL_VPS | h265::NAL_SPS | h265::NAL_PPS),
        }
    }

    /// Whether it is a slice.
    pub fn is_slice(&self, nal: &[u8]) -> bool {
        match self {
            Self::H264(_) => (1..=h264::NAL_IDR).contains(&h264::nal_type(nal)),
            Self::H265(_) => !nal.is_empty() && h265::nal_type(nal) < h265::NAL_VPS,
        }
    }

    /// Whether it is an SPS.
    pub fn is_sps(&self, nal: &[u8]) -> bool {
        match self {
            Self::H264(_) => h264::nal_type(nal) == h264::NAL_SPS,
            Self::H265(_) => h265::nal_type(nal) == h265::NAL_SPS,
        }
    }

    /// Whether a slice of H.264 is an I slice (ITU-T H.264 section 7.3.3). H.265 tells by its NAL unit types.
    pub fn is_intra(&self, nal: &[u8]) -> bool {
        const SLICE_I: [u32; 2] = [2, 7];
        let mut bits = Bits::new(nal, 1);
        match self {
            Self::H264(_) => bits.ue().and_then(|_first_mb_in_slice| bits.ue()).is_some_and(|it| SLICE_I.contains(&it)),
            Self::H265(_) => false,
        }
    }
}

/// The longest parameter set that is kept, in bytes, and how many of one kind are.
const PARAMETER_SET_LEN_MAX: usize = 16 << 10;
const PARAMETER_SETS_MAX: usize = 64;

/// The parameter sets of a stream, the first of each id.
pub struct SetList {
    codec: NalCodec,
    vps: Vec<Vec<u8>>,
    sps: Vec<Vec<u8>>,
    pps: Vec<Vec<u8>>,
    frame_rate: Option<FrameRate>,
}

impl SetList {
    /// Without any.
    pub fn new(codec: NalCodec) -> Self {
        Self { codec, vps: Vec::new(), sps: Vec::new(), pps: Vec::new(), frame_rate: None }
    }

    /// With those that `codec` has; `None` when it is another one than this.
    pub fn primed(&self, codec: &Codec) -> Option<Self> {
        let (vps, sps, pps) = match (self.codec, codec) {
            (NalCodec::H264, Codec::H264(H264Config { sps, pps })) => (Vec::new(), sps.clone(), pps.clone()),
            (NalCodec::H265, Codec::H265(H265Config { vps, sps, pps })) => (vps.clone(), sps.clone(), pps.clone()),
            _ => return None,
        };
        let mut primed = Self { vps, sps, pps, ..Self::new(self.codec) };
        primed.find_frame_rate();
        Some(primed)
    }

    /// All, in the order in which a decoder wants them.
    pub fn iter(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.vps.iter().chain(&self.sps).chain(&self.pps)
    }

    /// Adds a parameter set, with whatever zero bytes trail it, unless one with its id is there.
    pub fn put(&mut self, nal: &[u8]) {
        let nal = &nal[..nal.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)];
        let id_of = match self.codec {
            NalCodec::H264 => h264::parameter_set_id,
            NalCodec::H265 => h265::parameter_set_id,
        };
        let list = match (self.codec, nal_type(self.codec, nal)) {
            (NalCodec::H264, h264::NAL_SPS) | (NalCodec::H265, h265::NAL_SPS) => &mut self.sps,
            (NalCodec::H264, h264::NAL_PPS) | (NalCodec::H265, h265::NAL_PPS) => &mut self.pps,
            (NalCodec::H265, h265::NAL_VPS) => &mut self.vps,
            _ => return,
        };
        if list.iter().any(|known| known == nal) || list.len() >= PARAMETER_SETS_MAX {
            return;
        }
        let Some(id) = id_of(nal).filter(|_| nal.len() <= PARAMETER_SET_LEN_MAX) else { return };
        if list.iter().all(|known| id_of(known) != Some(id)) {
            list.push(nal.to_vec());
            self.find_frame_rate();
        }
    }

    fn find_frame_rate(&mut self) {
        self.frame_rate = match self.codec {
            NalCodec::H264 => self.sps.iter().find_map(|nal| h264::SpsInfo::parse(nal)?.frame_rate),
            NalCodec::H265 => {
                let told_by_vps = || self.vps.iter().find_map(|nal| h265::vps_frame_rate(nal));
                self.sps.iter().find_map(|nal| h265::SpsInfo::parse(nal)?.frame_rate).or_else(told_by_vps)
            }
        };
    }

    /// The pictures a second that they tell.
    pub fn frame_rate(&self) -> Option<FrameRate> {
        self.frame_rate
    }

    /// The codec with them; `None` without any SPS.
    pub fn codec(&self) -> Option<Codec> {
        let Self { codec, vps, sps, pps, .. } = self;
        let (vps, sps, pps) = (vps.clone(), sps.clone(), pps.clone());
        (!sps.is_empty()).then_some(match codec {
            NalCodec::H264 => Codec::H264(H264Config { sps, pps }),
            NalCodec::H265 => Codec::H265(H265Config { vps, sps, pps }),
        })
    }
}

fn nal_type(codec: NalCodec, nal: &[u8]) -> u8 {
    match codec {
        NalCodec::H264 => h264::nal_type(nal),
        NalCodec::H265 => h265::nal_type(nal),
    }
}
