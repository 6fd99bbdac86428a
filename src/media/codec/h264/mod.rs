//! H.264: NAL unit types, the `avcC` record (ISO/IEC 14496-15 section 5.3.3), and what headers tell of pictures.
//!
//! [`SpsInfo`] has size and rate, [`AccessUnits`] finds pictures in a stream of NAL units and their order of display.

mod access_unit;
mod order;
mod slice;
mod sps;

pub use access_unit::AccessUnits;
pub(super) use order::count_msb;
pub use slice::ParameterSets;
pub use sps::SpsInfo;

use crate::media::Error;
use crate::media::bits::ByteReader;
use crate::media::codec::rbsp::has_sei;

/// nal_unit_type of a sequence parameter set (ITU-T H.264 table 7-1).
pub const NAL_SPS: u8 = 7;
/// nal_unit_type of a picture parameter set.
pub const NAL_PPS: u8 = 8;
/// nal_unit_type of a slice of an IDR picture.
pub const NAL_IDR: u8 = 5;
/// nal_unit_type of supplemental enhancement information.
pub const NAL_SEI: u8 = 6;
/// nal_unit_type of an access unit delimiter.
pub const NAL_AUD: u8 = 9;

/// payloadType of the recovery point SEI message (section D.1.8).
const SEI_RECOVERY_POINT: u32 = 6;

/// How many bytes of a slice are looked at. Headers are a tenth of that, but for the largest weight tables.
const SLICE_HEADER_MAX: usize = 512;
/// How many bytes of a parameter set or of supplemental enhancement information are looked at.
const PARAMETER_SET_MAX: usize = 4096;

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

/// Whether decoding can start at an access unit that consists of `nals`: it has a slice of an IDR picture, or
/// a recovery point SEI message, as pictures have in streams with open groups of pictures or intra refresh.
pub fn is_sync<'a>(nals: impl IntoIterator<Item = &'a [u8]>) -> bool {
    nals.into_iter().any(|nal| match nal_type(nal) {
        NAL_IDR => true,
        NAL_SEI => has_sei(nal, 1, SEI_RECOVERY_POINT),
        _ => false,
    })
}

/// seq_parameter_set_id of an SPS, pic_parameter_set_id of a PPS; `None` for other or damaged NAL units.
pub fn parameter_set_id(nal: &[u8]) -> Option<u8> {
    match nal_type(nal) {
        NAL_SPS => SpsInfo::parse(nal).map(|sps| sps.id),
        NAL_PPS => sps::PpsInfo::parse(nal).map(|pps| pps.id),
        _ => None,
    }
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

/// NAL units for tests.
#[cfg(test)]
pub(crate) mod testing {
    use crate::media::codec::rbsp::tests::BitWriter;

    /// An SPS for pictures of 10 by 8 macroblocks, and for fields unless `frame_mbs_only`. frame_num and, in
    /// pic_order_cnt_type 0, pic_order_cnt_lsb have 4 bits.
    pub fn sps(poc_type: u32, frame_mbs_only: bool) -> Vec<u8> {
        let sps = BitWriter::default().u(8, 77).u(8, 0).u(8, 10).ue(0).ue(0).ue(poc_type);
        let sps = if poc_type == 0 { sps.ue(0) } else { sps };
        let sps = sps.ue(4).u(1, 0).ue(9).ue(if frame_mbs_only { 7 } else { 3 }).u(1, frame_mbs_only.into());
        let sps = if frame_mbs_only { sps } else { sps.u(1, 0) };
        sps.u(1, 1).u(1, 0).u(1, 0).nal(&[0x67])
    }

    /// A PPS, with redundant_pic_cnt in slices or not.
    pub fn pps(id: u32, redundant_pic_cnt_present: bool) -> Vec<u8> {
        let pps = BitWriter::default().ue(id).ue(0).u(2, 0).ue(0).ue(0).ue(0).u(3, 0).se(0).se(0).se(0).u(2, 0);
        pps.u(1, redundant_pic_cnt_present.into()).nal(&[0x68])
    }

    /// A slice that refers to [`sps`] and [`pps`].
    #[derive(Debug, Clone, Copy)]
    pub struct Slice {
        pub nal: u8,
        pub first_mb: u32,
        pub slice_type: u32,
        pub pps: u32,
        pub frame_num: u32,
        /// `None` where the SPS has frames only.
        pub frame_mbs_only: bool,
        /// Top is `false`.
        pub field: Option<bool>,
        pub idr_pic_id: u32,
        pub lsb: u32,
        pub redundant_pic_cnt: Option<u32>,
        pub mmco5: bool,
    }

    impl Slice {
        /// A P slice of a reference frame, in a stream that may have fields.
        pub const P: Self = Self {
            nal: 0x41,
            first_mb: 0,
            slice_type: 5,
            pps: 0,
            frame_num: 0,
            frame_mbs_only: false,
            field: None,
            idr_pic_id: 0,
            lsb: 0,
            redundant_pic_cnt: None,
            mmco5: false,
        };

        pub fn nal(&self) -> Vec<u8> {
            let mut bits = BitWriter::default().ue(self.first_mb).ue(self.slice_type).ue(self.pps).u(4, self.frame_num);
            if !self.frame_mbs_only {
                bits = bits.u(1, self.field.is_some().into());
            }
            if let Some(bottom) = self.field {
                bits = bits.u(1, bottom.into());
            }
            if self.nal & 0x1f == 5 {
                bits = bits.ue(self.idr_pic_id);
            }
            bits = bits.u(4, self.lsb);
            if let Some(count) = self.redundant_pic_cnt {
                bits = bits.ue(count);
            }
            if self.slice_type % 5 != 2 {
                bits = bits.u(2, 0); // num_ref_idx_active_override_flag, ref_pic_list_modification_flag_l0
            }
            if self.nal & 0x60 != 0 && self.nal & 0x1f != 5 {
                bits = if self.mmco5 { bits.u(1, 1).ue(1).ue(3).ue(5).ue(0) } else { bits.u(1, 0) };
            }
            bits.u(16, 0xabcd).nal(&[self.nal])
        }
    }
}
