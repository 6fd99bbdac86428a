//! H.264 parameter sets: what timing, order of display and slice headers need of them
//! (ITU-T H.264 sections 7.3.2.1, 7.3.2.2 and E.1.1).
//!
//! Parsed here and not by `h264-reader`, whose parser refuses pictures larger than the level allows and other
//! untruths that cameras tell. What decoders put up with must not keep a recording from being streamed.

use super::{NAL_PPS, NAL_SPS, nal_type};
use crate::media::codec::FrameRate;
use crate::media::codec::access_unit::REORDER_MAX;
use crate::media::codec::rbsp::Bits;

/// Facts of a sequence parameter set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpsInfo {
    /// seq_parameter_set_id.
    pub id: u8,
    /// Width in pixels, cropped.
    pub width: u32,
    /// Height of a frame in pixels, cropped.
    pub height: u32,
    /// Frames a second, where the VUI has a rate that can be believed.
    pub frame_rate: Option<FrameRate>,
    /// How many frames are held back at most for reordering: as the VUI tells, else what profile and level allow.
    pub reorder_frames: u8,
    /// Whether the VUI tells `reorder_frames`; else it is only a bound.
    pub reorder_told: bool,
    pub(super) max_num_ref_frames: u32,
    pub(super) separate_colour_plane: bool,
    /// ChromaArrayType is not 0.
    pub(super) has_chroma_array: bool,
    pub(super) log2_max_frame_num: u32,
    pub(super) order: PicOrderCnt,
    pub(super) frame_mbs_only: bool,
    /// FrameSizeInMbs.
    pub(super) frame_size: u32,
}

/// How picture order counts are coded: pic_order_cnt_type 0, 1 and 2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PicOrderCnt {
    Lsb { log2_max: u32 },
    Cycle(Cycle),
    DecodeOrder,
}

/// pic_order_cnt_type 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cycle {
    pub delta_always_zero: bool,
    pub offset_for_non_ref_pic: i32,
    pub offset_for_top_to_bottom_field: i32,
    pub offsets_for_ref_frame: Vec<i32>,
}

/// profile_idc values that exist; others are damage.
const PROFILES: [u32; 16] = [66, 77, 88, 100, 110, 122, 244, 44, 83, 86, 118, 128, 134, 135, 138, 139];
/// Those which do not have chroma format, bit depth and scaling lists in the SPS.
const PROFILES_PLAIN: [u32; 3] = [66, 77, 88];
/// Width and height in macroblocks at most: 16384 pixels.
const SIZE_MAX: u32 = 1024;

impl SpsInfo {
    /// Reads an SPS NAL unit, or the first some hundred bytes of one. `None`: it is none, or damaged.
    /// Of a damaged VUI, what stands before the damage counts.
    pub fn parse(nal: &[u8]) -> Option<Self> {
        if nal_type(nal) != NAL_SPS {
            return None;
        }
        let mut r = Bits::new(nal, 1);
        let profile_idc = r.bits(8).filter(|profile| PROFILES.contains(profile))?;
        let constraints = r.bits(8)?;
        let level_idc = r.bits(8)?;
        let id = r.ue_max(31)? as u8;
        let chroma = if PROFILES_PLAIN.contains(&profile_idc) { Chroma::PLAIN } else { Chroma::parse(&mut r)? };
        let log2_max_frame_num = r.ue_max(12)? + 4;
        let order = PicOrderCnt::parse(&mut r)?;
        let max_num_ref_frames = r.ue()?;
        r.flag()?; // gaps_in_frame_num_value_allowed_flag
        let width_in_mbs = r.ue_max(SIZE_MAX - 1)? + 1;
        let height_in_map_units = r.ue_max(SIZE_MAX - 1)? + 1;
        let frame_mbs_only = r.flag()?;
        let height_in_mbs = height_in_map_units * if frame_mbs_only { 1 } else { 2 };
        if !frame_mbs_only {
            r.flag()?; // mb_adaptive_frame_field_flag
        }
        r.flag()?; // direct_8x8_inference_flag
        let (cropped_width, cropped_height) = parse_cropping(&mut r, chroma.format, frame_mbs_only)?;
        let frame_size = width_in_mbs * height_in_mbs;
        let intra_only = constraints & 0x10 != 0 && matches!(profile_idc, 44 | 86 | 100 | 110 | 122 | 244);
        let reorder_frames = match order {
            PicOrderCnt::DecodeOrder => 0,
            _ if intra_only => 0,
            _ => dpb_frames(level_idc, constraints, frame_size).max(max_num_ref_frames).min(REORDER_MAX) as u8,
        };
        let mut sps = Self {
            id,
            width: (width_in_mbs * 16).checked_sub(cropped_width).filter(|width| *width > 0)?,
            height: (height_in_mbs * 16).checked_sub(cropped_height).filter(|height| *height > 0)?,
            frame_rate: None,
            reorder_frames,
            reorder_told: false,
            max_num_ref_frames,
            separate_colour_plane: chroma.separate_planes,
            has_chroma_array: chroma.format != 0 && !chroma.separate_planes,
            log2_max_frame_num,
            order,
            frame_mbs_only,
            frame_size,
        };
        if r.flag().unwrap_or(false) {
            let _ = sps.parse_vui(&mut r);
        }
        Some(sps)
    }

    /// The VUI parameters (section E.1.1) up to the damage, if there is any.
    fn parse_vui(&mut self, r: &mut Bits<'_>) -> Option<()> {
        const EXTENDED_SAR: u32 = 255;
        if r.flag()? && r.bits(8)? == EXTENDED_SAR {
            r.skip(32)?; // sar_width, sar_height
        }
        if r.flag()? {
            r.flag()?; // overscan_appropriate_flag
        }
        if r.flag()? {
            r.skip(4)?; // video_format, video_full_range_flag
            if r.flag()? {
                r.skip(24)?; // colour_primaries, transfer_characteristics, matrix_coefficients
            }
        }
        if r.flag()? {
            r.ue()?; // chroma_sample_loc_type_top_field
            r.ue()?; // chroma_sample_loc_type_bottom_field
        }
        if r.flag()? {
            let num_units_in_tick = r.bits(32)?;
            let time_scale = r.bits(32)?;
            r.flag()?; // fixed_frame_rate_flag
            // A tick is a field: two make a frame (equation C-1 and table E-6).
            self.frame_rate = FrameRate::new(time_scale.into(), 2 * u64::from(num_units_in_tick));
        }
        let nal_hrd = r.flag()?;
        if nal_hrd {
            skip_hrd(r)?;
        }
        let vcl_hrd = r.flag()?;
        if vcl_hrd {
            skip_hrd(r)?;
        }
        if nal_hrd || vcl_hrd {
            r.flag()?; // low_delay_hrd_flag
        }
        r.flag()?; // pic_struct_present_flag
        if r.flag()? {
            r.flag()?; // motion_vectors_over_pic_boundaries_flag
            for _ in 0..4 {
                r.ue()?; // max_bytes_per_pic_denom ... log2_max_mv_length_vertical
            }
            self.reorder_frames = r.ue_max(REORDER_MAX)? as u8;
            self.reorder_told = true;
        }
        Some(())
    }
}

impl PicOrderCnt {
    fn parse(r: &mut Bits<'_>) -> Option<Self> {
        Some(match r.ue()? {
            0 => Self::Lsb { log2_max: r.ue_max(12)? + 4 },
            1 => Self::Cycle(Cycle {
                delta_always_zero: r.flag()?,
                offset_for_non_ref_pic: r.se()?,
                offset_for_top_to_bottom_field: r.se()?,
                offsets_for_ref_frame: (0..r.ue_max(255)?).map(|_| r.se()).collect::<Option<_>>()?,
            }),
            2 => Self::DecodeOrder,
            _ => return None,
        })
    }
}

struct Chroma {
    /// chroma_format_idc.
    format: u32,
    separate_planes: bool,
}

impl Chroma {
    /// 4:2:0, which is what profiles without these fields have.
    const PLAIN: Self = Self { format: 1, separate_planes: false };

    fn parse(r: &mut Bits<'_>) -> Option<Self> {
        let format = r.ue_max(3)?;
        let separate_planes = format == 3 && r.flag()?;
        r.ue_max(6)?; // bit_depth_luma_minus8
        r.ue_max(6)?; // bit_depth_chroma_minus8
        r.flag()?; // qpprime_y_zero_transform_bypass_flag
        if r.flag()? {
            for list in 0..if format == 3 { 12 } else { 8 } {
                if r.flag()? {
                    skip_scaling_list(r, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
        Some(Self { format, separate_planes })
    }
}

/// Section 7.3.2.1.1.1.
fn skip_scaling_list(r: &mut Bits<'_>, size: usize) -> Option<()> {
    let mut scale = 8;
    for _ in 0..size {
        scale = (scale + r.se()?.rem_euclid(256)) % 256;
        if scale == 0 {
            break;
        }
    }
    Some(())
}

/// How many pixels of width and height are cropped away (equations 7-19 to 7-22).
fn parse_cropping(r: &mut Bits<'_>, chroma_format: u32, frame_mbs_only: bool) -> Option<(u32, u32)> {
    if !r.flag()? {
        return Some((0, 0));
    }
    let (left, right, top, bottom) = (r.ue()?, r.ue()?, r.ue()?, r.ue()?);
    let unit_x = if matches!(chroma_format, 1 | 2) { 2 } else { 1 };
    let unit_y = if chroma_format == 1 { 2 } else { 1 } * if frame_mbs_only { 1 } else { 2 };
    Some((left.checked_add(right)?.checked_mul(unit_x)?, top.checked_add(bottom)?.checked_mul(unit_y)?))
}

/// Section E.1.2.
fn skip_hrd(r: &mut Bits<'_>) -> Option<()> {
    let count = r.ue_max(31)? + 1;
    r.skip(8)?; // bit_rate_scale, cpb_size_scale
    for _ in 0..count {
        r.ue()?; // bit_rate_value_minus1
        r.ue()?; // cpb_size_value_minus1
        r.flag()?; // cbr_flag
    }
    r.skip(20) // lengths of the fields in picture timing SEI
}

/// MaxDpbFrames (section A.3.1), by MaxDpbMbs of table A-1. An unknown level counts as the next higher one.
fn dpb_frames(level_idc: u32, constraints: u32, frame_size: u32) -> u32 {
    const MAX_DPB_MBS: [(u32, u32); 12] = [
        (10, 396),
        (11, 900),
        (20, 2_376),
        (21, 4_752),
        (30, 8_100),
        (31, 18_000),
        (32, 20_480),
        (41, 32_768),
        (42, 34_816),
        (50, 110_400),
        (52, 184_320),
        (255, 696_320),
    ];
    const CONSTRAINT_SET3: u32 = 0x10;
    let level_idc = if level_idc == 11 && constraints & CONSTRAINT_SET3 != 0 { 9 } else { level_idc }; // level 1b
    let row = MAX_DPB_MBS.iter().find(|(level, _)| level_idc <= *level);
    row.map_or(0, |(_, max_dpb_mbs)| max_dpb_mbs / frame_size.max(1)).min(REORDER_MAX)
}

/// Facts of a picture parameter set that a slice header cannot be read without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PpsInfo {
    pub id: u8,
    pub sps_id: u8,
    pub bottom_field_pic_order_in_frame_present: bool,
    /// num_ref_idx_l0_default_active_minus1 + 1, and for l1.
    pub num_ref_idx_default: [u32; 2],
    pub weighted_pred: bool,
    pub weighted_bipred_idc: u32,
    pub redundant_pic_cnt_present: bool,
}

impl PpsInfo {
    /// Reads a PPS NAL unit. `None`: it is none, or damaged.
    pub fn parse(nal: &[u8]) -> Option<Self> {
        if nal_type(nal) != NAL_PPS {
            return None;
        }
        let mut r = Bits::new(nal, 1);
        let id = r.ue_max(255)? as u8;
        let sps_id = r.ue_max(31)? as u8;
        r.flag()?; // entropy_coding_mode_flag
        let bottom_field_pic_order_in_frame_present = r.flag()?;
        let slice_groups = r.ue_max(7)? + 1;
        if slice_groups > 1 {
            skip_slice_groups(&mut r, slice_groups)?;
        }
        let num_ref_idx_default = [r.ue_max(31)? + 1, r.ue_max(31)? + 1];
        let weighted_pred = r.flag()?;
        let weighted_bipred_idc = r.bits(2)?;
        r.se()?; // pic_init_qp_minus26
        r.se()?; // pic_init_qs_minus26
        r.se()?; // chroma_qp_index_offset
        r.flag()?; // deblocking_filter_control_present_flag
        r.flag()?; // constrained_intra_pred_flag
        Some(Self {
            id,
            sps_id,
            bottom_field_pic_order_in_frame_present,
            num_ref_idx_default,
            weighted_pred,
            weighted_bipred_idc,
            redundant_pic_cnt_present: r.flag()?,
        })
    }
}

/// The slice group map of a PPS with `count` groups.
fn skip_slice_groups(r: &mut Bits<'_>, count: u32) -> Option<()> {
    match r.ue()? {
        0 => {
            for _ in 0..count {
                r.ue()?; // run_length_minus1
            }
        }
        2 => {
            for _ in 0..count - 1 {
                r.ue()?; // top_left
                r.ue()?; // bottom_right
            }
        }
        3..=5 => {
            r.flag()?; // slice_group_change_direction_flag
            r.ue()?; // slice_group_change_rate_minus1
        }
        6 => {
            let units = r.ue_max(SIZE_MAX * SIZE_MAX)? + 1; // pic_size_in_map_units_minus1
            let bits = 32 - (count - 1).leading_zeros(); // Ceil(Log2(count))
            for _ in 0..units {
                r.skip(bits)?; // slice_group_id
            }
        }
        1 => {}
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::codec::rbsp::tests::BitWriter;
    use h264_reader::nal::sps::SeqParameterSet;
    use h264_reader::nal::{Nal, RefNal};

    /// SPS of x264 (1080p; interlaced; 4:2:2 with HRD), of a camera, of conformance streams and of openh264.
    const SAMPLES: [&[u8]; 6] = [
        b"\x67\x64\x00\x28\xac\xb4\x03\xc0\x11\x3f\x2e\x02\x20\x00\x00\x03\x00\x20\x00\x00\x06\x41\xe3\x06\x54",
        b"\x67\x64\x00\x15\xac\xd9\x42\x88\xfd\xe0\x22\x00\x00\x03\x00\x02\x00\x00\x03\x00\x64\x3e\x28\x53\x2c",
        b"\x67\x7a\x00\x1e\xb6\xcd\x94\x0b\x41\x26\xc0\x44\x00\x00\x03\x00\x04\x00\x00\x03\x00\xc9\x89\x80\x03\xd0\
          \x90\x00\x7a\x12\x93\x0c\x01\xe2\xc5\xb2\xc0",
        b"\x67\x64\x00\x29\xac\x1b\x1a\x80\x78\x02\x27\xe5\xc0\x5b\x80\x80\x80\xa0\x00\x00\x7d\x00\x00\x1d\x4c\x13\
          \x7d\x40",
        b"\x67\x42\xe0\x15\x8d\x94\xc1\x62\x72",
        b"\x67\x42\x00\x34\xf3\x00\xf0\x04\x4f\xca\x80",
    ];

    #[test]
    fn size_and_rate_are_what_another_parser_reads() {
        for nal in SAMPLES {
            let ours = SpsInfo::parse(nal).unwrap();
            let theirs = SeqParameterSet::from_bits(RefNal::new(nal, &[], true).rbsp_bits()).unwrap();
            assert_eq!((ours.width, ours.height), theirs.pixel_dimensions().unwrap(), "{nal:02x?}");
            assert_eq!(ours.frame_rate.map(FrameRate::as_f64), theirs.fps(), "{nal:02x?}");
            let restriction = theirs.vui_parameters.and_then(|vui| vui.bitstream_restrictions);
            let told = restriction.map(|restriction| restriction.max_num_reorder_frames);
            assert_eq!(ours.reorder_told.then_some(u32::from(ours.reorder_frames)), told, "{nal:02x?}");
            assert_eq!(ours.max_num_ref_frames, theirs.max_num_ref_frames, "{nal:02x?}");
        }
    }

    /// The first fields of an SPS up to max_num_ref_frames, in pictures of `width` by `height` macroblocks.
    fn sps(profile_idc: u32, level_idc: u32, poc_type: u32, width: u32, height: u32) -> BitWriter {
        let sps = BitWriter::default().u(8, profile_idc).u(8, 0).u(8, level_idc).ue(0).ue(0).ue(poc_type);
        let sps = if poc_type == 0 { sps.ue(0) } else { sps };
        sps.ue(1).u(1, 0).ue(width - 1).ue(height - 1).u(1, 1).u(1, 1).u(1, 0)
    }

    #[test]
    fn without_a_told_bound_reordering_is_bounded_by_the_level() {
        for (profile_idc, level_idc, poc_type, width, height, expected) in [
            (77, 40, 0, 120, 68, 4),
            (77, 51, 0, 120, 68, 16),
            (77, 10, 0, 11, 9, 4),
            (77, 30, 2, 45, 36, 0),
            // A picture beyond its level: as many as are referred to.
            (77, 31, 0, 240, 135, 1),
        ] {
            let nal = sps(profile_idc, level_idc, poc_type, width, height).u(1, 0).nal(&[0x67]);
            let sps = SpsInfo::parse(&nal).unwrap();
            assert_eq!(
                (sps.reorder_frames, sps.reorder_told),
                (expected, false),
                "level {level_idc}, {width}x{height}"
            );
        }
    }

    #[test]
    fn what_cameras_get_wrong_costs_no_more_than_itself() {
        // A picture larger than its level allows, which h264-reader refuses.
        let nal = sps(77, 31, 0, 240, 135).u(1, 0).nal(&[0x67]);
        assert!(SeqParameterSet::from_bits(RefNal::new(&nal, &[], true).rbsp_bits()).is_err());
        assert_eq!(SpsInfo::parse(&nal).map(|sps| (sps.width, sps.height)), Some((3840, 2160)));
        // A VUI that is cut off behind the rate.
        let vui = sps(77, 31, 0, 80, 45).u(1, 1).u(4, 0).u(1, 1).u(32, 1001).u(32, 60_000).u(1, 1);
        let read = SpsInfo::parse(&vui.nal(&[0x67])).unwrap();
        assert_eq!(read.frame_rate.map(|rate| rate.time_of(30_000).as_nanos()), Some(1_001_000_000_000));
        // A rate of millions.
        let vui = sps(77, 31, 0, 80, 45).u(1, 1).u(4, 0).u(1, 1).u(32, 1).u(32, 90_000_000).u(1, 1);
        assert_eq!(SpsInfo::parse(&vui.nal(&[0x67])).unwrap().frame_rate, None);
    }

    #[test]
    fn no_prefix_of_a_parameter_set_and_no_flipped_bit_does_harm() {
        for nal in SAMPLES {
            for len in 0..nal.len() {
                let _ = (SpsInfo::parse(&nal[..len]), PpsInfo::parse(&nal[..len]));
            }
            for bit in 0..nal.len() * 8 {
                let mut nal = nal.to_vec();
                nal[bit / 8] ^= 0x80 >> (bit % 8);
                let _ = SpsInfo::parse(&nal);
                nal[0] = 0x68;
                let _ = PpsInfo::parse(&nal);
            }
        }
        assert_eq!(SpsInfo::parse(&[]), None);
    }
}
