//! When pictures are displayed that are not displayed in the order in which they are decoded. AVI has times of decoding
//! only: the order is in the pictures.

use std::collections::VecDeque;

use super::pictures::{HEAD_LEN, Pictures};
use super::stream::Stream;
use super::walker::Data;
use crate::media::Error;
use crate::media::codec::access_unit::{Output, Picture};
use crate::media::codec::display_order::DisplayOrder;
use crate::media::io::Source;
use crate::time::MediaTime;

/// Pictures held back at most. Only damaged streams keep one waiting for so many others.
const HELD_MAX: usize = 64;

/// A picture that is shown behind all before it and before all behind it.
const IN_PLACE: Picture =
    Picture { is_sync: false, starts_sequence: true, order_count: 0, reorder_max: 0, output: Output::Shown };

/// A picture in decode order.
#[derive(Debug, Clone, Copy)]
pub struct Held {
    /// Its data.
    pub data: Data,
    /// When it is decoded.
    pub dts: MediaTime,
    /// When it is shown, once that is known.
    pub pts: Option<MediaTime>,
}

/// Puts times of display to pictures.
#[derive(Debug)]
pub struct Order {
    pictures: Pictures,
    order: DisplayOrder,
    held: VecDeque<Held>,
    /// The place in decode order of `held[0]`.
    first: i64,
    /// The times of decoding that times of display are taken from, and the place of the first of them.
    slots: VecDeque<MediaTime>,
    slots_first: i64,
    is_finished: bool,
}

impl Order {
    /// Begins at a picture where decoding can start.
    pub fn new(pictures: Pictures) -> Self {
        Self {
            pictures,
            order: DisplayOrder::default(),
            held: VecDeque::new(),
            first: 0,
            slots: VecDeque::new(),
            slots_first: 0,
            is_finished: false,
        }
    }

    /// Takes the next picture, which is decoded at `dts`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn push(&mut self, source: &Source, stream: &Stream, data: Data, dts: MediaTime) -> Result<(), Error> {
        let mut head = vec![0; HEAD_LEN.min(data.len as usize)];
        let filled = source.read_at(&mut head, data.at, "the start of a picture")?;
        let index = self.first + self.held.len() as i64;
        self.held.push_back(Held { data, dts, pts: None });
        self.slots.push_back(dts);
        match self.pictures.push(&stream.codec, &head[..filled]) {
            Some(picture) => {
                self.number(stream, |order, known| order.push(index, &picture, known));
            }
            None => {
                // What cannot be read is shown where it stands.
                self.number(stream, |order, known| order.finish(known));
                self.number(stream, |order, known| order.push(index, &IN_PLACE, known));
            }
        }
        if self.held.len() > HELD_MAX {
            self.number(stream, |order, known| order.finish(known));
        }
        Ok(())
    }

    /// No more pictures follow.
    pub fn finish(&mut self, stream: &Stream) {
        self.is_finished = true;
        self.number(stream, |order, known| order.finish(known));
    }

    /// Whether [`Self::finish`] was called.
    pub fn is_finished(&self) -> bool {
        self.is_finished
    }

    /// The next picture in decode order, if it is known when it is shown.
    pub fn pop(&mut self) -> Option<Held> {
        self.held.front()?.pts?;
        self.first += 1;
        self.held.pop_front()
    }

    fn number(&mut self, stream: &Stream, number: impl FnOnce(&mut DisplayOrder, &mut dyn FnMut(i64, i64))) {
        let Self { order, held, first, slots, slots_first, .. } = self;
        number(order, &mut |index, number| {
            // A number is never higher than the place of the last picture, and seldom far below.
            let slot = usize::try_from(number - *slots_first).ok().and_then(|slot| slots.get(slot)).copied();
            let held = usize::try_from(index - *first).ok().and_then(|index| held.get_mut(index));
            if let Some(held) = held {
                held.pts = Some((slot.unwrap_or(held.dts) + stream.delay).max(held.dts));
            }
        });
        while self.slots.len() > 2 * HELD_MAX {
            self.slots.pop_front();
            self.slots_first += 1;
        }
    }
}
