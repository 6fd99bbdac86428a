//! AMR and AMR-WB files (RFC 4867 section 5): a magic number, then frames.

use std::sync::Arc;

use super::{Container, Options, Sniff};
use crate::media::codec::AmrConfig;
use crate::media::codec::amr::{AmrFramer, CHANNELS_MAX};
use crate::media::io::Source;
use crate::media::scan::{self, Framer, RawFormat};
use crate::media::{Error, Recording};

/// AMR and AMR-WB, of any number of channels.
pub const CONTAINER: Container = Container { name: "AMR", suffixes: &["amr", "awb", "3ga"], sniff, open };

/// The longest magic number, with the field of multi-channel files behind it, in bytes.
const START_LEN: usize = 15 + 4;

fn sniff(head: &[u8]) -> Sniff {
    if head.starts_with(b"#!AMR\n")
        || head.starts_with(b"#!AMR-WB\n")
        || head.starts_with(b"#!AMR_MC1.0\n")
        || head.starts_with(b"#!AMR-WB_MC1.0\n")
    {
        Sniff::Yes
    } else {
        Sniff::No
    }
}

fn open(source: &Source, _: &Options) -> Result<Arc<dyn Recording>, Error> {
    let mut start = [0; START_LEN];
    let filled = source.read_at(&mut start, 0, "the magic number")?;
    let (config, len) = read_start(&start[..filled])?;
    let framer = move || Box::new(AmrFramer::new(config)) as Box<dyn Framer>;
    scan::open(RawFormat::new(source, len as u64, CONTAINER.name, framer)?.without_marks())
}

/// What the magic number says, and how long it is (sections 5.1 and 5.2).
fn read_start(start: &[u8]) -> Result<(AmrConfig, usize), Error> {
    const RESERVED: u32 = !0xf;
    let after = |magic: &'static [u8]| start.starts_with(magic).then_some(magic.len());
    for (magic, is_wideband) in [(&b"#!AMR\n"[..], false), (b"#!AMR-WB\n", true)] {
        if let Some(len) = after(magic) {
            return Ok((AmrConfig { is_wideband, channels: 1 }, len));
        }
    }
    for (magic, is_wideband) in [(&b"#!AMR_MC1.0\n"[..], false), (b"#!AMR-WB_MC1.0\n", true)] {
        let Some(len) = after(magic) else { continue };
        let Some(field) = start.get(len..).and_then(|rest| rest.first_chunk()) else {
            return Err(Error::truncated("AMR channel description", start.len() as u64));
        };
        let field = u32::from_be_bytes(*field);
        let channels = (field & !RESERVED) as u8;
        if !(1..=CHANNELS_MAX).contains(&channels) {
            return Err(Error::malformed("AMR channel description", len as u64));
        }
        return Ok((AmrConfig { is_wideband, channels }, len + 4));
    }
    Err(Error::malformed("AMR magic number", 0))
}

#[cfg(test)]
mod tests {
    use super::super::testing::source_of;
    use super::*;
    use crate::media::{Codec, Next, Sample};

    fn codec_of(bytes: &[u8]) -> Result<Codec, String> {
        let recording = open(&source_of(bytes), &Options::default()).map_err(|error| error.to_string())?;
        Ok(recording.tracks()[0].codec.clone())
    }

    #[test]
    fn the_magic_number_tells_band_and_channels() {
        let config = |is_wideband, channels| Ok(Codec::Amr(AmrConfig { is_wideband, channels }));
        let nothing = 0x7c;
        let with = |start: &[u8], count| [start, &vec![nothing; count]].concat();
        assert_eq!(codec_of(&with(b"#!AMR\n", 1)), config(false, 1));
        assert_eq!(codec_of(&with(b"#!AMR-WB\n", 1)), config(true, 1));
        assert_eq!(codec_of(&with(b"#!AMR_MC1.0\n\0\0\0\x02", 2)), config(false, 2));
        assert_eq!(codec_of(&with(b"#!AMR-WB_MC1.0\n\0\0\0\x06", 6)), config(true, 6));
    }

    #[test]
    fn what_is_missing_or_wrong_behind_the_magic_number_is_told() {
        for (bytes, error) in [
            (&b"#!AMR\n"[..], "no AMR frame in the first 0 bytes"),
            (b"#!AMR_MC1.0\n\0\0", "AMR channel description is cut off at byte 14"),
            (b"#!AMR_MC1.0\n\0\0\0\0\x7c", "malformed AMR channel description at byte 12"),
            (b"#!AMR_MC1.0\n\0\0\0\x07\x7c", "malformed AMR channel description at byte 12"),
        ] {
            assert_eq!(codec_of(bytes), Err(error.to_owned()), "{bytes:02x?}");
        }
    }

    #[test]
    fn a_file_plays_from_its_first_frame() {
        let source = source_of(b"#!AMR\n\x7c\x44\x01\x02\x03\x04\x05\x7c");
        let mut reader = open(&source, &Options::default()).unwrap().reader().unwrap();
        let mut sample = Sample::default();
        let mut found = Vec::new();
        while matches!(reader.next(&mut sample).unwrap(), Next::Sample) {
            found.push((sample.pts.as_nanos() / 1_000_000, sample.data.len()));
        }
        assert_eq!(found, [(0, 1), (20, 6), (40, 1)]);
    }
}
