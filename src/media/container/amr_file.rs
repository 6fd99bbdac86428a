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
    scan::open(RawFormat::new(source, len as u64, CONTAINER.name, framer(config))?)
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

/// What makes framers for files like this.
fn framer(config: AmrConfig) -> fn() -> Box<dyn Framer> {
    fn make<const IS_WIDEBAND: bool, const CHANNELS: u8>() -> Box<dyn Framer> {
        Box::new(AmrFramer::new(AmrConfig { is_wideband: IS_WIDEBAND, channels: CHANNELS }))
    }
    match (config.is_wideband, config.channels) {
        (false, 2) => make::<false, 2>,
        (false, 3) => make::<false, 3>,
        (false, 4) => make::<false, 4>,
        (false, 5) => make::<false, 5>,
        (false, 6) => make::<false, 6>,
        (false, _) => make::<false, 1>,
        (true, 2) => make::<true, 2>,
        (true, 3) => make::<true, 3>,
        (true, 4) => make::<true, 4>,
        (true, 5) => make::<true, 5>,
        (true, 6) => make::<true, 6>,
        (true, _) => make::<true, 1>,
    }
}
