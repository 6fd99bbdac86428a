//! H.265: NAL unit types, the `hvcC` record (ISO/IEC 14496-15 section 8.3.3), and what headers tell of pictures.
//!
//! [`SpsInfo`] has size and rate, [`AccessUnits`] finds pictures in a stream of NAL units and their order of display.

mod access_unit;
mod parameter_sets;

pub use access_unit::{AccessUnits, ParameterSets};
pub use parameter_sets::{SpsInfo, vps_frame_rate};

use crate::media::Error;
use crate::media::bits::ByteReader;

/// nal_unit_type of a video parameter set (ITU-T H.265 table 7-1).
pub const NAL_VPS: u8 = 32;
/// nal_unit_type of a sequence parameter set.
pub const NAL_SPS: u8 = 33;
/// nal_unit_type of a picture parameter set.
pub const NAL_PPS: u8 = 34;
/// nal_unit_type of an access unit delimiter.
pub const NAL_AUD: u8 = 35;
/// nal_unit_type of an end of sequence.
pub const NAL_EOS: u8 = 36;
/// nal_unit_type of an end of bitstream.
pub const NAL_EOB: u8 = 37;
/// nal_unit_type of supplemental enhancement information that stands before the picture.
pub const NAL_SEI_PREFIX: u8 = 39;

/// How many bytes of a slice are looked at: as far as the picture order count.
const SLICE_HEADER_MAX: usize = 32;
/// How many bytes of a parameter set are looked at.
const PARAMETER_SET_MAX: usize = 4096;

/// The parameter sets of a track, as NAL units without prefix.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct H265Config {
    /// Video parameter sets, in order.
    pub vps: Vec<Vec<u8>>,
    /// Sequence parameter sets, in order.
    pub sps: Vec<Vec<u8>>,
    /// Picture parameter sets, in order.
    pub pps: Vec<Vec<u8>>,
}

/// nal_unit_type of a NAL unit.
pub fn nal_type(nal: &[u8]) -> u8 {
    nal.first().map_or(0, |header| header >> 1 & 0x3f)
}

/// Whether pictures of this nal_unit_type are random access points: BLA, IDR and CRA (ITU-T H.265 section 3.69).
pub fn is_irap(nal_type: u8) -> bool {
    (16..=23).contains(&nal_type)
}

/// Whether decoding can start at an access unit that consists of `nals`: it has a slice of an IRAP picture.
pub fn is_sync<'a>(nals: impl IntoIterator<Item = &'a [u8]>) -> bool {
    nals.into_iter().any(|nal| is_irap(nal_type(nal)))
}

/// The id of a VPS, SPS or PPS; `None` for other or damaged NAL units.
pub fn parameter_set_id(nal: &[u8]) -> Option<u8> {
    match nal_type(nal) {
        NAL_VPS => nal.get(2).map(|byte| byte >> 4),
        NAL_SPS => SpsInfo::parse(nal).map(|sps| sps.id),
        NAL_PPS => parameter_sets::PpsInfo::parse(nal).map(|pps| pps.id),
        _ => None,
    }
}

/// Reads an HEVCDecoderConfigurationRecord (`hvcC`) and the size of the length prefixes it announces, in bytes.
///
/// # Errors
/// When it is cut off.
pub fn parse_hvcc(mut r: ByteReader<'_>) -> Result<(H265Config, usize), Error> {
    r.skip(21)?; // version, profile, level, chroma and depth: the SPS has them too
    let nal_length_size = usize::from(r.u8()? & 3) + 1;
    let mut config = H265Config::default();
    for _ in 0..r.u8()? {
        let nal_type = r.u8()? & 0x3f;
        for _ in 0..r.u16()? {
            let len = r.u16()?;
            let nal = r.take(usize::from(len))?;
            match nal_type {
                _ if nal.is_empty() => {}
                NAL_VPS => config.vps.push(nal.to_vec()),
                NAL_SPS => config.sps.push(nal.to_vec()),
                NAL_PPS => config.pps.push(nal.to_vec()),
                _ => {}
            }
        }
    }
    Ok((config, nal_length_size))
}
