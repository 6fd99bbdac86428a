//! H.264: parameter sets and the `avcC` record (ISO/IEC 14496-15 section 5.3.3).

use crate::media::Error;
use crate::media::bits::ByteReader;

/// nal_unit_type of a sequence parameter set (ITU-T H.264 table 7-1).
pub const NAL_SPS: u8 = 7;
/// nal_unit_type of a picture parameter set.
pub const NAL_PPS: u8 = 8;
/// nal_unit_type of a slice of an IDR picture.
pub const NAL_IDR: u8 = 5;

/// The parameter sets of a track, as NAL units without prefix.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct H264Config {
    /// Sequence parameter sets, in order.
    pub sps: Vec<Vec<u8>>,
    /// Picture parameter sets, in order.
    pub pps: Vec<Vec<u8>>,
}

/// nal_unit_type of a NAL unit.
pub fn nal_type(nal: &[u8]) -> u8 {
    nal.first().map_or(0, |header| header & 0x1f)
}

/// Reads an AVCDecoderConfigurationRecord (`avcC`) and the size of the length prefixes it announces, in bytes.
///
/// # Errors
/// When it is cut off or of an unknown version.
pub fn parse_avcc(mut r: ByteReader<'_>) -> Result<(H264Config, usize), Error> {
    if r.u8()? != 1 {
        return Err(r.malformed());
    }
    r.skip(3)?; // profile, constraints, level: the SPS has them too
    let nal_length_size = usize::from(r.u8()? & 3) + 1;
    let mut config = H264Config::default();
    for _ in 0..r.u8()? & 0x1f {
        let len = r.u16()?;
        config.sps.push(r.take(usize::from(len))?.to_vec());
    }
    for _ in 0..r.u8()? {
        let len = r.u16()?;
        config.pps.push(r.take(usize::from(len))?.to_vec());
    }
    config.sps.retain(|nal| !nal.is_empty());
    config.pps.retain(|nal| !nal.is_empty());
    Ok((config, nal_length_size))
}
