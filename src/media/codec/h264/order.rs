//! H.264 picture order count: the order of display (ITU-T H.264 section 8.2.1, all three types).

use super::slice::SliceHeader;
use super::sps::{Cycle, PicOrderCnt, SpsInfo};

/// What the decoding of one picture order count leaves for the next.
#[derive(Debug, Clone, Default)]
pub(super) struct OrderCounter {
    /// `None` before the first picture, which need not be an IDR picture.
    previous: Option<Previous>,
}

#[derive(Debug, Clone, Copy)]
struct Previous {
    /// Of the last reference picture: prevPicOrderCntMsb and prevPicOrderCntLsb.
    msb: i64,
    lsb: i64,
    /// Of the last picture: prevFrameNumOffset and prevFrameNum.
    frame_num_offset: i64,
    frame_num: i64,
}

/// TopFieldOrderCnt and BottomFieldOrderCnt; of a field, its own twice.
#[derive(Debug, Clone, Copy)]
struct FieldOrder {
    top: i64,
    bottom: i64,
}

impl OrderCounter {
    /// PicOrderCnt of the picture that `slice` begins. Where it resets the count itself
    /// (memory_management_control_operation 5), that is what counts for the pictures after it.
    pub fn next(&mut self, slice: &SliceHeader, sps: &SpsInfo) -> i64 {
        let start = Previous { msb: 0, lsb: 0, frame_num_offset: 0, frame_num: 0 };
        let previous = match self.previous {
            Some(previous) if !slice.idr => previous,
            None if !slice.idr => {
                Previous { lsb: i64::from(slice.pic_order_cnt_lsb), frame_num: i64::from(slice.frame_num), ..start }
            }
            _ => start,
        };
        let mut next = previous;
        next.frame_num = i64::from(slice.frame_num);
        if previous.frame_num > next.frame_num {
            next.frame_num_offset = previous.frame_num_offset.saturating_add(1 << sps.log2_max_frame_num);
        }
        let order = match &sps.order {
            PicOrderCnt::Lsb { log2_max } => by_lsb(slice, &previous, &mut next, *log2_max),
            PicOrderCnt::Cycle(cycle) => by_cycle(slice, next.frame_num_offset.saturating_add(next.frame_num), cycle),
            PicOrderCnt::DecodeOrder => {
                let doubled = next.frame_num_offset.saturating_add(next.frame_num).saturating_mul(2);
                let count = doubled - i64::from(slice.nal_ref_idc == 0);
                FieldOrder { top: count, bottom: count }
            }
        };
        let count = match (slice.field_pic, slice.bottom_field) {
            (false, _) => order.top.min(order.bottom),
            (true, false) => order.top,
            (true, true) => order.bottom,
        };
        if slice.mmco5 {
            // Section 8.2.1: afterwards the picture counts as if its own order count had been 0, and frame_num too.
            let lsb = if slice.bottom_field { 0 } else { order.top.saturating_sub(count) };
            next = Previous { lsb, ..start };
        }
        self.previous = Some(next);
        if slice.mmco5 { 0 } else { count }
    }
}

/// pic_order_cnt_type 0 (section 8.2.1.1).
fn by_lsb(slice: &SliceHeader, previous: &Previous, next: &mut Previous, log2_max: u32) -> FieldOrder {
    let lsb = i64::from(slice.pic_order_cnt_lsb);
    let msb = count_msb(previous.msb, previous.lsb, lsb, log2_max);
    if slice.nal_ref_idc != 0 {
        (next.msb, next.lsb) = (msb, lsb);
    }
    let top = msb.saturating_add(lsb);
    FieldOrder { top, bottom: top.saturating_add(i64::from(slice.delta_pic_order_cnt_bottom)) }
}

/// The part of an order count that its `lsb` does not say: that which brings it nearest to the previous one.
/// H.265 has the same rule (section 8.3.1).
pub(in crate::media::codec) fn count_msb(previous_msb: i64, previous_lsb: i64, lsb: i64, log2_max: u32) -> i64 {
    let max = 1_i64 << log2_max;
    if lsb < previous_lsb && previous_lsb - lsb >= max / 2 {
        previous_msb.saturating_add(max)
    } else if lsb > previous_lsb && lsb - previous_lsb > max / 2 {
        previous_msb.saturating_sub(max)
    } else {
        previous_msb
    }
}

/// pic_order_cnt_type 1 (section 8.2.1.2), `frame_num` being FrameNumOffset + frame_num.
fn by_cycle(slice: &SliceHeader, frame_num: i64, cycle: &Cycle) -> FieldOrder {
    let offsets = &cycle.offsets_for_ref_frame;
    let len = offsets.len() as i64;
    let is_reference = slice.nal_ref_idc != 0;
    let absolute = if len == 0 { 0 } else { frame_num - i64::from(!is_reference && frame_num > 0) };
    let sum = |count: i64| offsets.iter().take(count as usize).map(|offset| i64::from(*offset)).sum::<i64>();
    let mut expected = 0_i64;
    if absolute > 0 {
        let (cycles, rest) = ((absolute - 1) / len, (absolute - 1) % len);
        expected = cycles.saturating_mul(sum(len)).saturating_add(sum(rest + 1));
    }
    if !is_reference {
        expected = expected.saturating_add(cycle.offset_for_non_ref_pic.into());
    }
    let [delta_0, delta_1] = slice.delta_pic_order_cnt.map(i64::from);
    let to_bottom = i64::from(cycle.offset_for_top_to_bottom_field);
    let top = expected.saturating_add(delta_0);
    let bottom = if slice.field_pic {
        expected.saturating_add(to_bottom).saturating_add(delta_0)
    } else {
        top.saturating_add(to_bottom).saturating_add(delta_1)
    };
    FieldOrder { top, bottom }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::codec::h264::testing;

    /// The order counts of these slices in a stream with this pic_order_cnt_type.
    fn counts(order: PicOrderCnt, slices: &[SliceHeader]) -> Vec<i64> {
        let mut sps = SpsInfo::parse(&testing::sps(0, true)).unwrap();
        sps.order = order;
        let mut counter = OrderCounter::default();
        slices.iter().map(|slice| counter.next(slice, &sps)).collect()
    }

    fn lsb(pic_order_cnt_lsb: u32) -> SliceHeader {
        SliceHeader { nal_ref_idc: 1, pic_order_cnt_lsb, ..SliceHeader::default() }
    }

    fn number(frame_num: u32, nal_ref_idc: u8) -> SliceHeader {
        SliceHeader { nal_ref_idc, frame_num, ..SliceHeader::default() }
    }

    fn idr(slice: SliceHeader) -> SliceHeader {
        SliceHeader { idr: true, ..slice }
    }

    #[test]
    fn type_0_counts_over_the_wrap_of_its_low_bits() {
        let b = |order_cnt_lsb| SliceHeader { nal_ref_idc: 0, ..lsb(order_cnt_lsb) };
        let slices = [idr(lsb(0)), lsb(6), b(2), b(4), lsb(12), lsb(2), b(14), lsb(10), idr(lsb(0)), lsb(14)];
        let order = PicOrderCnt::Lsb { log2_max: 4 };
        assert_eq!(counts(order, &slices), [0, 6, 2, 4, 12, 18, 14, 26, 0, -2]);
    }

    #[test]
    fn type_0_takes_the_earlier_field_and_restarts_after_operation_5() {
        let order = PicOrderCnt::Lsb { log2_max: 4 };
        let bottom_first = SliceHeader { delta_pic_order_cnt_bottom: -1, ..lsb(5) };
        let restart = SliceHeader { mmco5: true, ..bottom_first };
        assert_eq!(counts(order, &[idr(lsb(0)), bottom_first, restart, lsb(3), lsb(13)]), [0, 4, 0, 3, -3]);
    }

    #[test]
    fn type_1_adds_the_offsets_of_its_cycle() {
        let cycle = Cycle {
            delta_always_zero: true,
            offset_for_non_ref_pic: -2,
            offset_for_top_to_bottom_field: 1,
            offsets_for_ref_frame: vec![4, 6],
        };
        // I P b P b, and frame_num wraps at 16.
        let slices = [idr(number(0, 1)), number(1, 1), number(2, 0), number(2, 1), number(3, 0), number(15, 1)];
        let mut expected = vec![0, 4, 2, 10, 8, 74];
        assert_eq!(counts(PicOrderCnt::Cycle(cycle.clone()), &slices), expected);
        let wrapped = [&slices[..], &[number(0, 1), number(1, 1)]].concat();
        expected.extend([80, 84]);
        assert_eq!(counts(PicOrderCnt::Cycle(cycle), &wrapped), expected);
    }

    #[test]
    fn type_2_counts_in_decode_order() {
        let slices = [idr(number(0, 1)), number(1, 0), number(1, 1), number(15, 1), number(0, 1), number(1, 0)];
        assert_eq!(counts(PicOrderCnt::DecodeOrder, &slices), [0, 1, 2, 30, 32, 33]);
    }

    #[test]
    fn a_stream_may_begin_anywhere() {
        assert_eq!(counts(PicOrderCnt::Lsb { log2_max: 4 }, &[lsb(14), lsb(12), lsb(2)]), [14, 12, 18]);
        assert_eq!(counts(PicOrderCnt::DecodeOrder, &[number(9, 1), number(10, 1)]), [18, 20]);
    }
}
