//! H.265 parameter sets: what timing, order of display and slice headers need of them
//! (ITU-T H.265 sections 7.3.2.1 to 7.3.2.3, 7.3.3, 7.3.4, 7.3.7 and E.2.1).

use super::{NAL_PPS, NAL_SPS, NAL_VPS, nal_type};
use crate::media::codec::FrameRate;
use crate::media::codec::access_unit::REORDER_MAX;
use crate::media::codec::rbsp::Bits;

/// Facts of a sequence parameter set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpsInfo {
    /// sps_seq_parameter_set_id.
    pub id: u8,
    /// sps_video_parameter_set_id.
    pub vps_id: u8,
    /// Width in pixels, within the conformance window.
    pub width: u32,
    /// Height in pixels, within the conformance window.
    pub height: u32,
    /// Pictures a second, where the VUI has a rate that can be believed. The VPS may have one instead.
    pub frame_rate: Option<FrameRate>,
    /// How many pictures are held back at most for reordering (sps_max_num_reorder_pics of the highest sub-layer).
    pub reorder_pictures: u8,
    pub(super) separate_colour_plane: bool,
    pub(super) log2_max_pic_order_cnt_lsb: u32,
}

/// Width and height in pixels at most.
const SIZE_MAX: u32 = 16_384;

impl SpsInfo {
    /// Reads an SPS NAL unit of the base layer, or the first some hundred bytes of one. `None`: it is none, or
    /// damaged. Of a damaged VUI, what stands before the damage counts.
    pub fn parse(nal: &[u8]) -> Option<Self> {
        let (mut r, mut sps) = Self::parse_to_vui(nal)?;
        if sps.parse_vui(&mut r, true).is_none() {
            // Some encoders leave out default_display_window_flag. The flag and number of ticks that follow look like
            // a window of millions of pixels then.
            let (mut r, mut without_window) = Self::parse_to_vui(nal)?;
            let _ = without_window.parse_vui(&mut r, false);
            sps = without_window;
        }
        Some(sps)
    }

    fn parse_to_vui(nal: &[u8]) -> Option<(Bits<'_>, Self)> {
        if nal_type(nal) != NAL_SPS {
            return None;
        }
        let mut r = Bits::new(nal, 2);
        let vps_id = r.bits(4)? as u8;
        let max_sub_layers_minus1 = r.bits(3).filter(|layers| *layers < 7)?;
        r.flag()?; // sps_temporal_id_nesting_flag
        skip_profile_tier_level(&mut r, max_sub_layers_minus1)?;
        let id = r.ue_max(15)? as u8;
        let chroma_format = r.ue_max(3)?;
        let separate_colour_plane = chroma_format == 3 && r.flag()?;
        let width = r.ue_max(SIZE_MAX)?;
        let height = r.ue_max(SIZE_MAX)?;
        let (cropped_width, cropped_height) = parse_window(&mut r, chroma_format)?;
        r.ue_max(8)?; // bit_depth_luma_minus8
        r.ue_max(8)?; // bit_depth_chroma_minus8
        let log2_max_pic_order_cnt_lsb = r.ue_max(12)? + 4;
        let reorder_pictures = parse_ordering_info(&mut r, max_sub_layers_minus1)? as u8;
        let sps = Self {
            id,
            vps_id,
            width: width.checked_sub(cropped_width).filter(|width| *width > 0)?,
            height: height.checked_sub(cropped_height).filter(|height| *height > 0)?,
            frame_rate: None,
            reorder_pictures,
            separate_colour_plane,
            log2_max_pic_order_cnt_lsb,
        };
        for _ in 0..6 {
            r.ue_max(16)?; // log2_min_luma_coding_block_size_minus3 ... max_transform_hierarchy_depth_intra
        }
        Some((r, sps))
    }

    /// From scaling_list_enabled_flag to the rate in the VUI (section E.2.1).
    fn parse_vui(&mut self, r: &mut Bits<'_>, has_display_window_flag: bool) -> Option<()> {
        skip_to_vui(r, self.log2_max_pic_order_cnt_lsb)?;
        const EXTENDED_SAR: u32 = 255;
        if !r.flag()? {
            return Some(()); // vui_parameters_present_flag
        }
        if r.flag()? && r.bits(8)? == EXTENDED_SAR {
            r.skip(32)?; // sar_width, sar_height
        }
        if r.flag()? {
            r.flag()?; // overscan_appropriate_flag
        }
        if r.flag()? {
            r.skip(4)?; // video_format, video_full_range_flag
            if r.flag()? {
                r.skip(24)?; // colour_primaries, transfer_characteristics, matrix_coeffs
            }
        }
        if r.flag()? {
            r.ue()?; // chroma_sample_loc_type_top_field
            r.ue()?; // chroma_sample_loc_type_bottom_field
        }
        r.skip(3)?; // neutral_chroma_indication_flag, field_seq_flag, frame_field_info_present_flag
        if has_display_window_flag && r.flag()? {
            for _ in 0..4 {
                r.ue_max(SIZE_MAX)?; // def_disp_win_left_offset ... def_disp_win_bottom_offset
            }
        }
        self.frame_rate = parse_timing(r)?;
        Some(())
    }
}

/// The pictures a second that a VPS NAL unit tells, where that can be believed.
pub fn vps_frame_rate(nal: &[u8]) -> Option<FrameRate> {
    if nal_type(nal) != NAL_VPS {
        return None;
    }
    let mut r = Bits::new(nal, 2);
    r.skip(12)?; // vps_video_parameter_set_id ... vps_max_layers_minus1
    let max_sub_layers_minus1 = r.bits(3).filter(|layers| *layers < 7)?;
    r.skip(17)?; // vps_temporal_id_nesting_flag, vps_reserved_0xffff_16bits
    skip_profile_tier_level(&mut r, max_sub_layers_minus1)?;
    parse_ordering_info(&mut r, max_sub_layers_minus1)?;
    let layers = r.bits(6)? + 1;
    let layer_sets = r.ue_max(1023)?;
    r.skip(layer_sets * layers)?; // layer_id_included_flag
    parse_timing(&mut r)?
}

/// vui_timing_info_present_flag and its rate, or those of a VPS.
fn parse_timing(r: &mut Bits<'_>) -> Option<Option<FrameRate>> {
    if !r.flag()? {
        return Some(None);
    }
    let num_units_in_tick = r.bits(32)?;
    let time_scale = r.bits(32)?;
    Some(FrameRate::new(time_scale.into(), num_units_in_tick.into()))
}

/// profile_tier_level(1, max_sub_layers_minus1), section 7.3.3.
fn skip_profile_tier_level(r: &mut Bits<'_>, max_sub_layers_minus1: u32) -> Option<()> {
    const PROFILE_BITS: u32 = 88;
    const LEVEL_BITS: u32 = 8;
    r.skip(PROFILE_BITS + LEVEL_BITS)?;
    if max_sub_layers_minus1 == 0 {
        return Some(());
    }
    let present = r.bits(16)?; // two flags for each of eight sub-layers, some of them reserved
    for layer in 0..max_sub_layers_minus1 {
        let flags = present >> (14 - 2 * layer);
        r.skip(if flags & 2 != 0 { PROFILE_BITS } else { 0 } + if flags & 1 != 0 { LEVEL_BITS } else { 0 })?;
    }
    Some(())
}

/// How many pixels of width and height the conformance window cuts off (equations 7-8 to 7-11).
fn parse_window(r: &mut Bits<'_>, chroma_format: u32) -> Option<(u32, u32)> {
    if !r.flag()? {
        return Some((0, 0));
    }
    let (left, right, top, bottom) = (r.ue()?, r.ue()?, r.ue()?, r.ue()?);
    let unit_x = if matches!(chroma_format, 1 | 2) { 2 } else { 1 };
    let unit_y = if chroma_format == 1 { 2 } else { 1 };
    Some((left.checked_add(right)?.checked_mul(unit_x)?, top.checked_add(bottom)?.checked_mul(unit_y)?))
}

/// max_num_reorder_pics of the highest sub-layer.
fn parse_ordering_info(r: &mut Bits<'_>, max_sub_layers_minus1: u32) -> Option<u32> {
    let for_each_sub_layer = r.flag()?;
    let mut reorder = 0;
    for _ in 0..if for_each_sub_layer { max_sub_layers_minus1 + 1 } else { 1 } {
        r.ue_max(REORDER_MAX)?; // max_dec_pic_buffering_minus1
        reorder = r.ue_max(REORDER_MAX)?;
        r.ue()?; // max_latency_increase_plus1
    }
    Some(reorder)
}

/// From scaling_list_enabled_flag to vui_parameters_present_flag.
fn skip_to_vui(r: &mut Bits<'_>, log2_max_pic_order_cnt_lsb: u32) -> Option<()> {
    if r.flag()? && r.flag()? {
        skip_scaling_lists(r)?;
    }
    r.skip(2)?; // amp_enabled_flag, sample_adaptive_offset_enabled_flag
    if r.flag()? {
        r.skip(8)?; // pcm_sample_bit_depth_luma_minus1, pcm_sample_bit_depth_chroma_minus1
        r.ue()?; // log2_min_pcm_luma_coding_block_size_minus3
        r.ue()?; // log2_diff_max_min_pcm_luma_coding_block_size
        r.flag()?; // pcm_loop_filter_disabled_flag
    }
    let mut delta_pocs = 0;
    for index in 0..r.ue_max(64)? {
        delta_pocs = skip_short_term_ref_pic_set(r, index, delta_pocs)?;
    }
    if r.flag()? {
        for _ in 0..r.ue_max(32)? {
            r.skip(log2_max_pic_order_cnt_lsb + 1)?; // lt_ref_pic_poc_lsb_sps, used_by_curr_pic_lt_sps_flag
        }
    }
    r.skip(2) // sps_temporal_mvp_enabled_flag, strong_intra_smoothing_enabled_flag
}

/// scaling_list_data(), section 7.3.4.
fn skip_scaling_lists(r: &mut Bits<'_>) -> Option<()> {
    for size in 0..4 {
        for _ in 0..if size == 3 { 2 } else { 6 } {
            if !r.flag()? {
                r.ue()?; // scaling_list_pred_matrix_id_delta
                continue;
            }
            if size > 1 {
                r.se()?; // scaling_list_dc_coef_minus8
            }
            for _ in 0..if size == 0 { 16 } else { 64 } {
                r.se()?; // scaling_list_delta_coef
            }
        }
    }
    Some(())
}

/// st_ref_pic_set(index) of an SPS, section 7.3.7. Takes the NumDeltaPocs of the set before and returns its own.
fn skip_short_term_ref_pic_set(r: &mut Bits<'_>, index: u32, delta_pocs_before: u32) -> Option<u32> {
    /// More cannot be referred to; sets that are predicted from each other would grow without end.
    const DELTA_POCS_MAX: u32 = 32;
    if index > 0 && r.flag()? {
        r.flag()?; // delta_rps_sign
        r.ue()?; // abs_delta_rps_minus1
        let mut delta_pocs = 0;
        for _ in 0..=delta_pocs_before {
            let used_by_curr_pic = r.flag()?;
            delta_pocs += u32::from(used_by_curr_pic || r.flag()?); // use_delta_flag
        }
        return (delta_pocs <= DELTA_POCS_MAX).then_some(delta_pocs);
    }
    let delta_pocs = r.ue_max(DELTA_POCS_MAX / 2)? + r.ue_max(DELTA_POCS_MAX / 2)?;
    for _ in 0..delta_pocs {
        r.ue()?; // delta_poc_minus1
        r.flag()?; // used_by_curr_pic_flag
    }
    Some(delta_pocs)
}

/// Facts of a picture parameter set that a slice header cannot be read without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PpsInfo {
    pub id: u8,
    pub sps_id: u8,
    pub output_flag_present: bool,
    pub num_extra_slice_header_bits: u32,
}

impl PpsInfo {
    /// Reads a PPS NAL unit. `None`: it is none, or damaged.
    pub fn parse(nal: &[u8]) -> Option<Self> {
        if nal_type(nal) != NAL_PPS {
            return None;
        }
        let mut r = Bits::new(nal, 2);
        let id = r.ue_max(63)? as u8;
        let sps_id = r.ue_max(15)? as u8;
        r.flag()?; // dependent_slice_segments_enabled_flag
        Some(Self { id, sps_id, output_flag_present: r.flag()?, num_extra_slice_header_bits: r.bits(3)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::codec::rbsp::tests::BitWriter;

    /// SPS of x265: 4:2:0; cropped; with HRD and two sub-layers; 4:4:4 with scaling lists.
    const SPS: [&[u8]; 4] = [
        b"\x42\x01\x01\x01\x60\x00\x00\x03\x00\x90\x00\x00\x03\x00\x00\x03\x00\x1e\xa0\x10\x20\x61\x65\x95\x9a\x49\
          \x32\xbc\x05\xa0\x20\x00\x00\x03\x00\x20\x00\x00\x03\x03\x21",
        b"\x42\x01\x01\x01\x60\x00\x00\x03\x00\x90\x00\x00\x03\x00\x00\x03\x00\x3c\xa0\x0a\x08\x0f\x1d\xf9\x65\x66\
          \x92\x4c\xaf\xff\x16\x9e\x16\x87\x68\x08\x00\x00\x03\x00\x08\x00\x00\x03\x00\xc8\x40",
        b"\x42\x01\x02\x01\x60\x00\x00\x03\x00\x90\x00\x00\x03\x00\x00\x03\x00\x3c\x00\x00\xa0\x10\x20\x61\x65\x95\
          \x8a\x2b\x15\x24\x99\x5e\x02\xd0\x10\x00\x00\x3e\x90\x00\x05\xdc\x06\x00\xc9\x05\xe0\x01\xe8\x40\x00\x7a\
          \x12\xe0\x01\xe8\x40\x00\x7a\x12\x20",
        b"\x42\x01\x01\x04\x08\x00\x00\x03\x00\x9e\x08\x00\x00\x03\x00\x00\x1e\x90\x04\x10\x62\xcb\x75\x72\x72\xbc\
          \x05\xa0\x20\x00\x00\x03\x00\x20\x00\x00\x03\x03\x21",
    ];

    #[test]
    fn size_rate_and_reordering_are_what_ffprobe_reads() {
        let expected = [(128, 96, 25.0, 2), (316, 240, 25.0, 2), (128, 96, 24_000.0 / 1001.0, 2), (64, 48, 25.0, 0)];
        for (nal, (width, height, rate, reorder)) in SPS.iter().zip(expected) {
            let sps = SpsInfo::parse(nal).unwrap();
            assert_eq!((sps.width, sps.height, sps.reorder_pictures), (width, height, reorder), "{nal:02x?}");
            assert_eq!(sps.frame_rate.map(FrameRate::as_f64), Some(rate), "{nal:02x?}");
        }
    }

    /// An SPS with a VUI, up to frame_field_info_present_flag.
    fn sps_with_vui() -> BitWriter {
        let sps = BitWriter::default().u(8, 1).u(32, 0).u(32, 0).u(32, 0).ue(0).ue(1).ue(640).ue(360).u(1, 0);
        let sps = sps.ue(0).ue(0).ue(4).u(1, 1).ue(4).ue(2).ue(0).ue(0).ue(3).ue(0).ue(3).ue(0).ue(0);
        // Reference picture sets: one by itself, two that are predicted from the one before.
        let sps = sps.u(4, 0).ue(3).ue(1).ue(1).ue(0).u(1, 1).ue(0).u(1, 1);
        let sps = sps.u(2, 0b10).ue(0).u(1, 1).u(2, 0b00).u(2, 0b01).u(2, 0b10).ue(0).u(3, 0b111);
        sps.u(1, 1).ue(1).u(8, 0).u(1, 0).u(2, 0).u(1, 1).u(4, 0).u(3, 0)
    }

    #[test]
    fn a_vui_without_its_display_window_flag_is_understood() {
        for (what, vui) in [
            ("no window", sps_with_vui().u(1, 0)),
            ("a window", sps_with_vui().u(1, 1).ue(0).ue(8).ue(0).ue(8)),
            ("the flag is missing", sps_with_vui()),
        ] {
            let nal = vui.u(1, 1).u(32, 1001).u(32, 60_000).u(1, 0).u(1, 0).nal(&[0x42, 1]);
            let sps = SpsInfo::parse(&nal).unwrap();
            assert_eq!(sps.frame_rate.map(FrameRate::as_f64), Some(60_000.0 / 1001.0), "{what}");
        }
    }

    #[test]
    fn a_vps_may_tell_the_rate() {
        let vps = |timing: bool| {
            let vps = BitWriter::default().u(12, 0x0ff).u(3, 0).u(17, 0x1ffff).u(32, 0).u(32, 0).u(32, 0);
            let vps = vps.u(1, 1).ue(4).ue(2).ue(0).u(6, 0).ue(1).u(1, 1).u(1, timing.into());
            vps.u(32, 1).u(32, 50).nal(&[0x40, 1])
        };
        assert_eq!(vps_frame_rate(&vps(true)), FrameRate::new(50, 1));
        assert_eq!(vps_frame_rate(&vps(false)), None);
    }

    #[test]
    fn no_prefix_of_a_parameter_set_and_no_flipped_bit_does_harm() {
        for nal in SPS {
            for len in 0..nal.len() {
                let _ = (SpsInfo::parse(&nal[..len]), PpsInfo::parse(&nal[..len]), vps_frame_rate(&nal[..len]));
            }
            for bit in 0..nal.len() * 8 {
                let mut nal = nal.to_vec();
                nal[bit / 8] ^= 0x80 >> (bit % 8);
                for nal_type in [NAL_SPS, NAL_PPS, NAL_VPS] {
                    nal[0] = nal_type << 1;
                    let _ = (SpsInfo::parse(&nal), PpsInfo::parse(&nal), vps_frame_rate(&nal));
                }
            }
        }
    }
}
