//! Blocks (RFC 9559 section 10): the header that SimpleBlock and Block share, and lacing.

use super::ebml::{Fault, vint, vint_max};
use crate::media::Error;
use crate::media::io::Window;

/// Track number, relative timestamp and flags: at most 8 + 2 + 1 bytes.
pub const HEADER_LEN_MAX: usize = 11;

/// Of all frames whose sizes Xiph lacing tells, in bytes: bounds how many bytes of 255 are read in a row.
const LACED_LEN_MAX: u64 = 16 << 20;

/// What stands before the frames of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// TrackNumber.
    pub number: u64,
    /// Ticks from the Timestamp of the Cluster.
    pub relative_ticks: i16,
    /// In a SimpleBlock: all its frames are key frames.
    pub is_key: bool,
    /// How frames are laced.
    pub lacing: Lacing,
    /// Of this header, in bytes.
    pub len: usize,
}

/// How several frames share a block (RFC 9559 section 10.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lacing {
    /// There is but one.
    None,
    /// Sizes as sums of bytes up to the first that is not 255.
    Xiph,
    /// All of one size.
    Fixed,
    /// The first size, then differences, as variable-length integers.
    Ebml,
}

impl Header {
    /// Reads the header of a block whose data begin with `bytes`, [`HEADER_LEN_MAX`] of them if it is that long.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (number, number_len) = vint(bytes).ok()?;
        let fields = bytes.get(number_len..number_len + 3)?;
        let lacing = match fields[2] >> 1 & 3 {
            0 => Lacing::None,
            1 => Lacing::Xiph,
            2 => Lacing::Fixed,
            _ => Lacing::Ebml,
        };
        Some(Self {
            number: number?,
            relative_ticks: i16::from_be_bytes([fields[0], fields[1]]),
            is_key: fields[2] & 0x80 != 0,
            lacing,
            len: number_len + 3,
        })
    }
}

/// Where a frame lies in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Its first byte.
    pub at: u64,
    /// Its length in bytes.
    pub len: u64,
}

/// Puts into `frames` where each frame lies of a block whose header ends at byte `at` and whose data end at `end`:
/// at most 256.
///
/// # Errors
/// [`Error::Malformed`] where the sizes do not add up; [`Error::Truncated`] and [`Error::Io`] from reading.
pub fn unlace(window: &mut Window, lacing: Lacing, at: u64, end: u64, frames: &mut Vec<Extent>) -> Result<(), Error> {
    frames.clear();
    if lacing == Lacing::None {
        frames.push(Extent { at, len: end.saturating_sub(at) });
        return Ok(());
    }
    let mut lace = Lace { window, begin: at, at, end };
    let count = u64::from(lace.byte()?) + 1;
    match lacing {
        Lacing::Fixed => {
            let total = end - lace.at;
            if !total.is_multiple_of(count) {
                return Err(lace.malformed());
            }
            frames.extend((0..count).map(|_| Extent { at: 0, len: total / count }));
        }
        Lacing::Xiph => lace.xiph(count - 1, frames)?,
        _ => lace.ebml(count - 1, frames)?,
    }
    lace.place(lacing != Lacing::Fixed, frames)
}

/// A cursor in the sizes at the start of a laced block.
struct Lace<'a> {
    window: &'a mut Window,
    begin: u64,
    at: u64,
    end: u64,
}

impl Lace<'_> {
    fn malformed(&self) -> Error {
        Error::malformed("lacing of a block", self.begin)
    }

    fn byte(&mut self) -> Result<u8, Error> {
        if self.at >= self.end {
            return Err(self.malformed());
        }
        let byte = self.window.bytes(self.at, 1, "lacing of a block")?[0];
        self.at += 1;
        Ok(byte)
    }

    fn xiph(&mut self, count: u64, frames: &mut Vec<Extent>) -> Result<(), Error> {
        let mut total = 0;
        for _ in 0..count {
            let mut len = 0;
            loop {
                let byte = self.byte()?;
                len += u64::from(byte);
                if total + len > LACED_LEN_MAX {
                    return Err(self.malformed());
                }
                if byte != 0xFF {
                    break;
                }
            }
            total += len;
            frames.push(Extent { at: 0, len });
        }
        Ok(())
    }

    fn ebml(&mut self, count: u64, frames: &mut Vec<Extent>) -> Result<(), Error> {
        let mut len = 0_i64;
        for index in 0..count {
            let (value, value_len) = self.vint()?;
            // Differences are signed: the middle of the range stands for 0 (RFC 9559 section 10.3.3).
            let difference = if index == 0 { value } else { value - (vint_max(value_len) / 2) as i64 };
            len = len.checked_add(difference).filter(|len| *len >= 0).ok_or_else(|| self.malformed())?;
            frames.push(Extent { at: 0, len: len as u64 });
        }
        Ok(())
    }

    fn vint(&mut self) -> Result<(i64, usize), Error> {
        const VINT_LEN_MAX: u64 = 8;
        let wanted = (self.end - self.at).min(VINT_LEN_MAX) as usize;
        let bytes = self.window.available(self.at, wanted, "lacing of a block")?;
        match vint(&bytes[..wanted.min(bytes.len())]) {
            Ok((Some(value), len)) => {
                self.at += len as u64;
                Ok((value as i64, len))
            }
            Err(Fault::Cut) | Err(Fault::Bad) | Ok((None, _)) => Err(self.malformed()),
        }
    }

    /// Puts the frames one behind the other; the last takes the rest, where its size is not told.
    fn place(&self, has_rest: bool, frames: &mut Vec<Extent>) -> Result<(), Error> {
        let mut at = self.at;
        for frame in frames.iter_mut() {
            frame.at = at;
            at = at.checked_add(frame.len).filter(|at| *at <= self.end).ok_or_else(|| self.malformed())?;
        }
        if has_rest {
            frames.push(Extent { at, len: self.end - at });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::io::Source;
    use std::io::Write;

    fn lens(lacing: Lacing, block: &[u8]) -> Result<Vec<u64>, String> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(block).unwrap();
        let mut window = Window::new(Source::new(file), 16);
        let mut frames = Vec::new();
        unlace(&mut window, lacing, 0, block.len() as u64, &mut frames).map_err(|error| error.to_string())?;
        assert!(frames.windows(2).all(|pair| pair[0].at + pair[0].len == pair[1].at), "{frames:?}");
        assert_eq!(frames.last().map(|last| last.at + last.len), Some(block.len() as u64));
        Ok(frames.iter().map(|frame| frame.len).collect())
    }

    fn block(head: &[u8], payload_len: usize) -> Vec<u8> {
        [head, &vec![7; payload_len]].concat()
    }

    #[test]
    fn the_examples_of_the_standard_are_unlaced() {
        // RFC 9559 sections 10.3.2 to 10.3.4: frames of 800, 500 and 1000 bytes; three of 800.
        let xiph = block(&[2, 255, 255, 255, 35, 255, 245], 2300);
        assert_eq!(lens(Lacing::Xiph, &xiph).unwrap(), [800, 500, 1000]);
        let ebml = block(&[2, 0x43, 0x20, 0x5E, 0xD3], 2300);
        assert_eq!(lens(Lacing::Ebml, &ebml).unwrap(), [800, 500, 1000]);
        assert_eq!(lens(Lacing::Fixed, &block(&[2], 2400)).unwrap(), [800, 800, 800]);
        assert_eq!(lens(Lacing::None, &[1, 2, 3]).unwrap(), [3]);
    }

    #[test]
    fn sizes_that_do_not_add_up_are_malformed() {
        for (lacing, block) in [
            (Lacing::Xiph, block(&[2, 255, 255, 255, 35, 255, 245], 1000)),
            (Lacing::Xiph, vec![255; 40]),
            (Lacing::Ebml, block(&[2, 0x43, 0x20, 0x40, 0x00], 2300)),
            (Lacing::Ebml, vec![3, 0xFF, 0x80]),
            (Lacing::Fixed, block(&[2], 2401)),
            (Lacing::Fixed, vec![]),
        ] {
            let error = lens(lacing, &block).unwrap_err();
            assert_eq!(error, "malformed lacing of a block at byte 0", "{lacing:?}");
        }
    }
}
