//! H.265: parameter sets and the `hvcC` record (ISO/IEC 14496-15 section 8.3.3).

use crate::media::Error;
use crate::media::bits::ByteReader;

/// nal_unit_type of a video parameter set (ITU-T H.265 table 7-1).
pub const NAL_VPS: u8 = 32;
/// nal_unit_type of a sequence parameter set.
pub const NAL_SPS: u8 = 33;
/// nal_unit_type of a picture parameter set.
pub const NAL_PPS: u8 = 34;

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
