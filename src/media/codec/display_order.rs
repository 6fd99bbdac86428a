//! Which picture is displayed when: decode order into order of display, by picture order counts.
//!
//! That is what a decoder does when it outputs pictures by "bumping" (ITU-T H.264 section C.4.5.3, H.265 section
//! C.5.2.2): a picture is output once more pictures wait than may be reordered, the lowest order count first.

use super::access_unit::Picture;

/// Numbers pictures in order of display.
#[derive(Debug, Clone, Default)]
pub struct DisplayOrder {
    /// Pictures whose number is not known yet.
    waiting: Vec<Waiting>,
    /// How many have been numbered.
    numbered: i64,
    /// The order count of the picture numbered last, in this sequence.
    last_count: Option<i64>,
}

#[derive(Debug, Clone, Copy)]
struct Waiting {
    order_count: i64,
    decode_index: i64,
}

impl DisplayOrder {
    /// Takes the next picture in decode order and tells `known` the decode index and number of every picture whose
    /// number is certain now.
    pub fn push(&mut self, decode_index: i64, picture: &Picture, known: &mut dyn FnMut(i64, i64)) {
        if picture.starts_sequence {
            self.finish(known);
        }
        self.waiting.push(Waiting { order_count: picture.order_count, decode_index });
        while self.waiting.len() > picture.reorder_max {
            self.number_first(known);
        }
    }

    /// Numbers pictures as soon as they follow the one numbered last without a gap: when `step` is the least distance
    /// between the order counts of two pictures, no picture can come between them any more. That is sooner than
    /// [`Self::push`] for streams that do not tell how little they reorder.
    pub fn number_contiguous(&mut self, step: i64, known: &mut dyn FnMut(i64, i64)) {
        while let Some(first) = self.waiting.iter().map(|picture| picture.order_count).min() {
            let next = self.waiting.iter().map(|picture| picture.order_count).filter(|count| *count > first).min();
            let adjoins = |count: i64, before: i64| count > before && count.saturating_sub(before) <= step;
            let is_next = match self.last_count {
                Some(last) => adjoins(first, last),
                // The first of a sequence: pictures before it, if there are any, follow it directly.
                None => next.is_some_and(|next| adjoins(next, first)),
            };
            if !is_next {
                return;
            }
            self.number_first(known);
        }
    }

    /// Numbers all that wait: no further picture comes before them.
    pub fn finish(&mut self, known: &mut dyn FnMut(i64, i64)) {
        while !self.waiting.is_empty() {
            self.number_first(known);
        }
        self.last_count = None;
    }

    /// The number that the next picture gets.
    pub fn numbered(&self) -> i64 {
        self.numbered
    }

    fn number_first(&mut self, known: &mut dyn FnMut(i64, i64)) {
        let first =
            self.waiting.iter().enumerate().min_by_key(|(_, picture)| (picture.order_count, picture.decode_index));
        if let Some((position, _)) = first {
            let picture = self.waiting.swap_remove(position);
            known(picture.decode_index, self.numbered);
            self.numbered += 1;
            self.last_count = Some(picture.order_count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::codec::access_unit::Output;

    /// The numbers of pictures with these order counts; `None` stands before a picture that starts a sequence.
    fn numbers(reorder_max: usize, order_counts: &[Option<i64>]) -> (Vec<i64>, usize) {
        let mut order = DisplayOrder::default();
        let mut numbers = vec![-1; order_counts.iter().flatten().count()];
        let (mut starts_sequence, mut decode_index, mut waited) = (false, 0, 0);
        for order_count in order_counts {
            let Some(order_count) = *order_count else {
                starts_sequence = true;
                continue;
            };
            let picture = Picture { is_sync: false, starts_sequence, order_count, reorder_max, output: Output::Shown };
            order.push(decode_index, &picture, &mut |index, number| numbers[index as usize] = number);
            waited = waited.max(order.waiting.len());
            decode_index += 1;
            starts_sequence = false;
        }
        order.finish(&mut |index, number| numbers[index as usize] = number);
        (numbers, waited)
    }

    #[test]
    fn pictures_are_numbered_in_order_of_display() {
        for (what, reorder_max, order_counts, expected) in [
            ("no reordering", 0, vec![0, 2, 4, 6], vec![0, 1, 2, 3]),
            ("I P B B P B B", 1, vec![0, 6, 2, 4, 12, 8, 10], vec![0, 3, 1, 2, 6, 4, 5]),
            ("pyramid", 2, vec![0, 8, 4, 2, 6, 16, 12, 10, 14], vec![0, 4, 2, 1, 3, 8, 6, 5, 7]),
            ("more room than is used", 16, vec![0, 6, 2, 4], vec![0, 3, 1, 2]),
            ("open group: leading pictures of the second I", 1, vec![0, 4, 2, 10, 6, 8], vec![0, 2, 1, 5, 3, 4]),
            ("as many pictures between as may be", 1, vec![0, 12, 2, 4, 6, 8, 10], vec![0, 6, 1, 2, 3, 4, 5]),
            ("negative counts", 2, vec![0, -4, -2, 6, 2, 4], vec![2, 0, 1, 5, 3, 4]),
            ("equal counts keep decode order", 2, vec![0, 0, 0], vec![0, 1, 2]),
            ("less room than is used: late ones come late", 0, vec![0, 6, 2, 4], vec![0, 1, 2, 3]),
        ] {
            let order_counts: Vec<_> = order_counts.into_iter().map(Some).collect();
            let (numbers, waited) = numbers(reorder_max, &order_counts);
            assert_eq!(numbers, expected, "{what}");
            assert!(waited <= reorder_max, "{what}: {waited} waited");
        }
    }

    #[test]
    fn contiguous_counts_are_certain_at_once() {
        let mut order = DisplayOrder::default();
        let mut certain = Vec::new();
        for (decode_index, order_count) in [0, 2, 4, 10, 6, 8, 12].into_iter().enumerate() {
            let picture = Picture {
                is_sync: false,
                starts_sequence: order_count == 0,
                order_count,
                reorder_max: 16,
                output: Output::Shown,
            };
            let mut numbers = Vec::new();
            order.push(decode_index as i64, &picture, &mut |index, _| numbers.push(index));
            order.number_contiguous(2, &mut |index, _| numbers.push(index));
            certain.push(numbers);
        }
        // The fourth picture is certain when the two before it in order of display have come.
        assert_eq!(certain, [vec![], vec![0, 1], vec![2], vec![], vec![4], vec![5, 3], vec![6]]);
    }

    #[test]
    fn a_new_sequence_comes_after_all_before_it_whatever_its_counts() {
        let order_counts = [Some(0), Some(8), Some(4), None, Some(0), Some(4), Some(2), None, Some(0)];
        assert_eq!(numbers(16, &order_counts).0, [0, 2, 1, 3, 5, 4, 6]);
    }
}
