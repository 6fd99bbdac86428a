//! AU (Sun, `audio/basic` and beyond): a header of 24 bytes or more, then sound; all numbers are big-endian.

use std::sync::Arc;

use super::units::{Units, UnitsFormat};
use super::{Container, Options, Sniff};
use crate::media::bits::ByteReader;
use crate::media::codec::{Codec, G711Config, G722Config, PcmConfig, PcmFormat};
use crate::media::io::Source;
use crate::media::{Error, Recording, Track, scan};

/// This container's line in [`super::CONTAINERS`].
pub const CONTAINER: Container = Container { name: NAME, suffixes: &["au", "snd"], sniff, open };

const NAME: &str = "AU";
const MAGIC: [u8; 4] = *b".snd";
/// Bytes of the fields that every header has.
const HEADER_LEN: usize = 24;
/// A length that was never filled in.
const LEN_UNKNOWN: u32 = u32::MAX;
/// Sample rates beyond this are taken for damage, in Hz.
const SAMPLE_RATE_MAX: u32 = 768_000;
/// More channels than this are taken for damage.
const CHANNELS_MAX: u32 = 64;

fn sniff(head: &[u8]) -> Sniff {
    if head.starts_with(&MAGIC) { Sniff::Yes } else { Sniff::No }
}

fn open(source: &Source, _options: &Options) -> Result<Arc<dyn Recording>, Error> {
    let mut bytes = [0; HEADER_LEN];
    source.read_exact_at(&mut bytes, 0, "AU header")?;
    let mut header = ByteReader::new(&bytes, 0, "AU header");
    header.skip(MAGIC.len())?;
    let (start, len, encoding) = (header.u32()?, header.u32()?, header.u32()?);
    let (sample_rate, channels) = (header.u32()?, header.u32()?);
    let is_sane = (1..=SAMPLE_RATE_MAX).contains(&sample_rate) && (1..=CHANNELS_MAX).contains(&channels);
    if !is_sane || (start as usize) < HEADER_LEN {
        return Err(Error::malformed("AU header", 0));
    }
    let channels = channels as u16;
    let pcm = |format| Codec::Pcm(PcmConfig { format, sample_rate, channels });
    let codec = match encoding {
        1 => Codec::Pcmu(G711Config { sample_rate, channels }),
        2 => pcm(PcmFormat::S8),
        3 => pcm(PcmFormat::S16Be),
        4 => pcm(PcmFormat::S24Be),
        5 => pcm(PcmFormat::S32Be),
        6 => pcm(PcmFormat::F32Be),
        7 => pcm(PcmFormat::F64Be),
        24 if channels == 1 => Codec::G722(G722Config { channels }),
        27 => Codec::Pcma(G711Config { sample_rate, channels }),
        other => return Err(Error::Unsupported(format!("AU of encoding {other} is not streamed"))),
    };
    let start = u64::from(start);
    let end = (len != LEN_UNKNOWN && len != 0).then(|| start + u64::from(len));
    let units = match &codec {
        Codec::Pcm(config) => Units::sound(start, end, config.frame_len() as u32, 1, sample_rate),
        // Each byte holds two values of 16 kHz.
        Codec::G722(_) => Units::sound(start, end, 1, 2, 16_000),
        _ => Units::sound(start, end, channels.into(), 1, sample_rate),
    };
    let track = Track { codec, duration: None, shown_until: None, bitrate: None, frame_rate: None };
    scan::open(UnitsFormat::new(source, NAME, track, Vec::new(), units)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::container::units::testing::{samples_of, source_of};

    fn file(len: u32, encoding: u32, sample_rate: u32, channels: u32, sound: &[u8]) -> Vec<u8> {
        let fields = [28, len, encoding, sample_rate, channels].map(u32::to_be_bytes).concat();
        [&MAGIC[..], &fields, b"note", sound].concat()
    }

    #[test]
    fn sound_begins_where_the_header_says_and_ends_where_it_says() {
        for (len, expected) in [(8, 8), (0, 12), (LEN_UNKNOWN, 12), (100, 12)] {
            let bytes = file(len, 3, 100, 2, &[1; 12]);
            assert_eq!(sniff(&bytes), Sniff::Yes);
            let recording = open(&source_of(&bytes), &Options::default()).unwrap();
            let codec = Codec::Pcm(PcmConfig { format: PcmFormat::S16Be, sample_rate: 100, channels: 2 });
            assert_eq!(recording.tracks()[0].codec, codec);
            let found: usize = samples_of(&recording).iter().map(|sample| sample.data.len()).sum();
            assert_eq!(found, expected, "a length of {len}");
        }
    }

    #[test]
    fn what_cannot_be_played_says_why() {
        let error = |bytes: &[u8]| open(&source_of(bytes), &Options::default()).err().unwrap().to_string();
        assert_eq!(error(&file(4, 23, 8000, 1, &[0; 4])), "AU of encoding 23 is not streamed");
        assert_eq!(error(&file(4, 1, 0, 1, &[0; 4])), "malformed AU header at byte 0");
        assert_eq!(error(b".snd"), "AU header is cut off at byte 4");
    }
}
