//! What the payload formats of H.264 (RFC 6184) and H.265 (RFC 7798) share: which NAL units go out for a sample, and
//! how they are put together or taken apart. The bit layouts and the SDP are each format's own.
//!
//! A key frame is sent with all parameter sets, wherever they come from: what the file keeps apart (`avcC`, `hvcC`)
//! or sent once at its start is put in front of the key frames that lack it. Some decoders ignore the SDP's.

use std::ops::Range;

use crate::media::Sample;
use crate::rtp::PacketWriter;

/// The most bytes of parameter sets that are remembered. Real ones are some tens of bytes; a set that would exceed
/// this is sent where it stands in the file, but not repeated.
const PARAMETER_SETS_LEN_MAX: usize = 64 << 10;

/// The bit layouts of one format.
pub(super) trait NalFormat {
    /// The header of a NAL unit, which a packet that aggregates has too.
    type Header: AsRef<[u8]> + Copy;
    /// The header of a packet that carries a fragment.
    type FragmentHeader: AsRef<[u8]>;
    /// Length of a NAL unit's header in bytes.
    const HEADER_LEN: usize;
    /// Length of a fragment's header in bytes.
    const FRAGMENT_HEADER_LEN: usize;

    /// What to do with a NAL unit; anything may be in it, even nothing.
    fn role(nal: &[u8]) -> Role;
    /// The header of a NAL unit whose role is not [`Role::Unfit`].
    fn header(nal: &[u8]) -> Self::Header;
    /// The header of a packet that aggregates NAL units with these headers.
    fn aggregate_header(headers: impl Iterator<Item = Self::Header>) -> Self::Header;
    /// The header of a fragment of a NAL unit with this header.
    fn fragment_header(nal: Self::Header, is_start: bool, is_end: bool) -> Self::FragmentHeader;
}

/// What a NAL unit is, as far as sending it is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Must not be sent: a receiver would take it for a packet type of the format.
    Unfit,
    /// An access unit delimiter, which comes before all others.
    Delimiter,
    /// A parameter set.
    ParameterSet {
        /// Sets of a lower kind come before those of a higher.
        kind: u8,
        /// Which of its kind; `None` where it cannot be told, and the set not be remembered.
        id: Option<u16>,
    },
    /// Anything else.
    Other,
}

/// Sends the NAL units of one track.
#[derive(Debug)]
pub(super) struct NalSender<F> {
    sets: Vec<ParameterSet>,
    /// The NAL units of the present sample; kept for its buffer.
    units: Vec<Unit>,
    has_sent: bool,
    format: std::marker::PhantomData<fn() -> F>,
}

/// The last parameter set seen of its kind and id.
#[derive(Debug)]
struct ParameterSet {
    kind: u8,
    id: u16,
    nal: Vec<u8>,
    /// Still to be put into the present sample.
    is_missing: bool,
}

/// A NAL unit to be sent.
#[derive(Debug, Clone)]
enum Unit {
    /// Bytes of the sample.
    Sample(Range<usize>),
    /// Index of a remembered parameter set.
    Set(usize),
}

impl<F: NalFormat> NalSender<F> {
    /// A sender that knows `parameter_sets` beforehand.
    pub fn new<'a>(parameter_sets: impl Iterator<Item = &'a Vec<u8>>) -> Self {
        let mut sender =
            Self { sets: Vec::new(), units: Vec::new(), has_sent: false, format: std::marker::PhantomData };
        for nal in parameter_sets {
            if let Role::ParameterSet { kind, id: Some(id) } = F::role(nal) {
                sender.remember(kind, id, nal);
            }
        }
        sender
    }

    /// Writes the packets of `sample`, the marker set on the last one only.
    pub fn packetize(&mut self, sample: &Sample, out: &mut PacketWriter<'_>) {
        self.choose_units(sample);
        let payload_max = out.payload_max();
        let mut position = 0;
        while position < self.units.len() {
            let count = self.count_that_fit(position, sample, payload_max);
            let is_last = position + count.max(1) == self.units.len();
            match count {
                0 => self.send_fragments(position, sample, out, is_last),
                1 => self.send_single(position, sample, out, is_last),
                _ => self.send_aggregate(position..position + count, sample, out, is_last),
            }
            position += count.max(1);
        }
    }

    /// Fills `units`: those of the sample that may be sent and, if decoding can start here, the sets it lacks.
    fn choose_units(&mut self, sample: &Sample) {
        self.units.clear();
        let needs_all_sets = sample.is_sync || !self.has_sent;
        for set in &mut self.sets {
            set.is_missing = needs_all_sets;
        }
        // Beforehand, as a set that the sample brings itself is not missing, wherever in the sample it is.
        for range in &sample.nals {
            let nal = sample.data.get(range.clone()).unwrap_or_default();
            if let Role::ParameterSet { kind, id: Some(id) } = F::role(nal) {
                self.remember(kind, id, nal);
            }
        }
        for range in &sample.nals {
            match F::role(sample.data.get(range.clone()).unwrap_or_default()) {
                Role::Unfit => continue,
                Role::Delimiter => {}
                // A missing PPS goes behind the sample's own SPS, as it may refer to it.
                Role::ParameterSet { kind, .. } => self.add_missing_sets(kind),
                Role::Other => self.add_missing_sets(u8::MAX),
            }
            self.units.push(Unit::Sample(range.clone()));
        }
        self.has_sent |= !self.units.is_empty();
    }

    fn add_missing_sets(&mut self, below_kind: u8) {
        for (index, set) in self.sets.iter_mut().enumerate() {
            if set.is_missing && set.kind < below_kind {
                set.is_missing = false;
                self.units.push(Unit::Set(index));
            }
        }
    }

    /// Remembers a parameter set in place of the one with the same id.
    fn remember(&mut self, kind: u8, id: u16, nal: &[u8]) {
        let known = self.sets.iter().position(|set| set.kind == kind && set.id == id);
        if let Some(index) = known {
            let set = &mut self.sets[index];
            set.is_missing = false;
            if set.nal == nal {
                return;
            }
        }
        let len_of_others: usize =
            self.sets.iter().filter(|set| (set.kind, set.id) != (kind, id)).map(|set| set.nal.len()).sum();
        if len_of_others + nal.len() > PARAMETER_SETS_LEN_MAX {
            // Without it: the one it replaces is out of date.
            self.sets.retain(|set| (set.kind, set.id) != (kind, id));
            return;
        }
        match known {
            Some(index) => {
                let set = &mut self.sets[index];
                set.nal.clear();
                set.nal.extend_from_slice(nal);
            }
            None => {
                let index = self.sets.partition_point(|set| set.kind <= kind);
                self.sets.insert(index, ParameterSet { kind, id, nal: nal.to_vec(), is_missing: false });
            }
        }
    }

    fn bytes<'a>(&'a self, unit: usize, sample: &'a Sample) -> &'a [u8] {
        match &self.units[unit] {
            Unit::Sample(range) => &sample.data[range.clone()],
            Unit::Set(index) => &self.sets[*index].nal,
        }
    }

    /// How many units from `first` on go into one packet: 0 when not even one does.
    fn count_that_fit(&self, first: usize, sample: &Sample, payload_max: usize) -> usize {
        if self.bytes(first, sample).len() > payload_max {
            return 0;
        }
        let mut len = F::HEADER_LEN;
        let fits = |unit: &usize| {
            let nal_len = self.bytes(*unit, sample).len();
            len += size_of::<u16>() + nal_len;
            len <= payload_max && nal_len <= usize::from(u16::MAX)
        };
        (first..self.units.len()).take_while(fits).count().max(1)
    }

    fn send_single(&self, unit: usize, sample: &Sample, out: &mut PacketWriter<'_>, is_last: bool) {
        out.begin();
        self.put(unit, 0..self.bytes(unit, sample).len(), out);
        out.finish(is_last);
    }

    fn send_aggregate(&self, units: Range<usize>, sample: &Sample, out: &mut PacketWriter<'_>, is_last: bool) {
        out.begin();
        let headers = units.clone().map(|unit| F::header(self.bytes(unit, sample)));
        out.inline(F::aggregate_header(headers).as_ref());
        for unit in units {
            let len = self.bytes(unit, sample).len();
            out.inline(&(len as u16).to_be_bytes());
            self.put(unit, 0..len, out);
        }
        out.finish(is_last);
    }

    /// All fragments but the last fill their packets, so that one UDP send can cut them to equal segments.
    fn send_fragments(&self, unit: usize, sample: &Sample, out: &mut PacketWriter<'_>, is_last: bool) {
        let nal = self.bytes(unit, sample);
        let header = F::header(nal);
        let fragment_max = out.payload_max() - F::FRAGMENT_HEADER_LEN;
        let mut position = F::HEADER_LEN;
        while position < nal.len() {
            let end = nal.len().min(position + fragment_max);
            let (is_start, is_end) = (position == F::HEADER_LEN, end == nal.len());
            out.begin();
            out.inline(F::fragment_header(header, is_start, is_end).as_ref());
            self.put(unit, position..end, out);
            out.finish(is_last && is_end);
            position = end;
        }
    }

    /// Adds bytes of a unit to the open packet: the sample's by reference, those of a remembered set as a copy.
    fn put(&self, unit: usize, range: Range<usize>, out: &mut PacketWriter<'_>) {
        match &self.units[unit] {
            Unit::Sample(nal) => out.sample(nal.start + range.start..nal.start + range.end),
            Unit::Set(index) => out.inline(&self.sets[*index].nal[range]),
        }
    }
}

/// Reads an `ue(v)` (Exp-Golomb code, ITU-T H.264 section 9.1) at bit `position` of bytes without emulation
/// prevention; `None` when it ends too early or is above `max`.
pub(super) fn exp_golomb(bytes: &[u8], mut position: usize, max: u16) -> Option<u16> {
    let mut bit = || {
        let byte = *bytes.get(position / 8)?;
        let bit = byte >> (7 - position % 8) & 1;
        position += 1;
        Some(u32::from(bit))
    };
    let mut zeros = 0;
    while bit()? == 0 {
        zeros += 1;
        if zeros > 16 {
            return None;
        }
    }
    let mut code = 1_u32;
    for _ in 0..zeros {
        code = code << 1 | bit()?;
    }
    u16::try_from(code - 1).ok().filter(|value| *value <= max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_golomb_codes_read_as_table_9_2_of_the_standard_has_them() {
        for (bits, value) in [
            (0b1000_0000_0000_0000_u16, Some(0)),
            (0b0100_0000_0000_0000, Some(1)),
            (0b0110_0000_0000_0000, Some(2)),
            (0b0010_0000_0000_0000, Some(3)),
            (0b0001_0010_0000_0000, Some(8)),
            (0b0000_0001_0000_0000, Some(127)),
            (0b0000_0000_1000_0000, None), // above 200
            (0b0000_0000_0000_0001, None), // cut off
        ] {
            let bytes = bits.to_be_bytes();
            assert_eq!(exp_golomb(&bytes, 0, 200), value, "{bits:016b}");
            let shifted = (u32::from(bits) << 13).to_be_bytes();
            assert_eq!(exp_golomb(&shifted, 3, 200).is_some(), value.is_some(), "{bits:016b} at bit 3");
        }
    }
}
