//! Raw speech without any header: G.711, G.722 and G.726, mono. Nothing in such a file tells what it is, so its suffix
//! decides, and the rate is the one that these codecs were made for: 8000 Hz, for G.722 16,000.

use std::sync::Arc;

use super::units::{Units, UnitsFormat};
use super::{Container, Options, Sniff};
use crate::media::codec::{Codec, G711Config, G722Config, G726Config};
use crate::media::io::Source;
use crate::media::{Error, Recording, Track, scan};

/// Raw G.711 A-law.
pub const A_LAW: Container =
    Container { name: "raw A-law", suffixes: &["alaw", "al", "g711a"], sniff, open: open_a_law };
/// Raw G.711 mu-law.
pub const MU_LAW: Container =
    Container { name: "raw mu-law", suffixes: &["ulaw", "ul", "mulaw", "g711u"], sniff, open: open_mu_law };
/// Raw G.722.
pub const G722: Container = Container { name: "raw G.722", suffixes: &["g722", "722"], sniff, open: open_g722 };
/// Raw G.726 of 32 kbit/s, code words beginning in the most significant bits, as FFmpeg and ITU-T I.366.2 have it.
pub const G726: Container = Container { name: "raw G.726", suffixes: &["g726"], sniff, open: open_g726 };
/// The same beginning in the least significant bits, as RFC 3551 has it.
pub const G726_LE: Container = Container { name: "raw G.726 LE", suffixes: &["g726le"], sniff, open: open_g726_le };

/// Any bytes might be.
fn sniff(head: &[u8]) -> Sniff {
    if head.is_empty() { Sniff::No } else { Sniff::Maybe }
}

const G711: G711Config = G711Config { sample_rate: 8000, channels: 1 };

fn open_a_law(source: &Source, _options: &Options) -> Result<Arc<dyn Recording>, Error> {
    open(source, A_LAW.name, Codec::Pcma(G711), Units::sound(0, None, 1, 1, 8000))
}

fn open_mu_law(source: &Source, _options: &Options) -> Result<Arc<dyn Recording>, Error> {
    open(source, MU_LAW.name, Codec::Pcmu(G711), Units::sound(0, None, 1, 1, 8000))
}

/// Each byte holds two values of 16 kHz.
fn open_g722(source: &Source, _options: &Options) -> Result<Arc<dyn Recording>, Error> {
    open(source, G722.name, Codec::G722(G722Config { channels: 1 }), Units::sound(0, None, 1, 2, 16_000))
}

fn open_g726(source: &Source, _options: &Options) -> Result<Arc<dyn Recording>, Error> {
    open(source, G726.name, g726(true), Units::sound(0, None, 4, 8, 8000))
}

fn open_g726_le(source: &Source, _options: &Options) -> Result<Arc<dyn Recording>, Error> {
    open(source, G726_LE.name, g726(false), Units::sound(0, None, 4, 8, 8000))
}

fn g726(is_most_significant_first: bool) -> Codec {
    Codec::G726(G726Config { code_bits: 4, is_most_significant_first, sample_rate: 8000 })
}

fn open(source: &Source, name: &'static str, codec: Codec, units: Units) -> Result<Arc<dyn Recording>, Error> {
    let track = Track { codec, duration: None, shown_until: None, bitrate: None, frame_rate: None };
    scan::open(UnitsFormat::new(source, name, track, Vec::new(), units)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::container;
    use crate::media::container::units::testing::{samples_of, source_of};

    #[test]
    fn the_suffix_tells_what_it_is_and_20_ms_are_a_sample() {
        for (name, codec, sample_len, millis) in [
            ("door.alaw", "G.711 A-law", 160, 25),
            ("door.AL", "G.711 A-law", 160, 25),
            ("door.ul", "G.711 mu-law", 160, 25),
            ("door.g722", "G.722", 160, 25),
            ("door.g726", "G.726", 80, 50),
            ("door.g726le", "G.726", 80, 50),
        ] {
            let recording = container::open(&source_of(&[0x55; 200]), name, &Options::default()).unwrap();
            assert_eq!((recording.tracks()[0].codec.name(), samples_of(&recording)[0].data.len()), (codec, sample_len));
            assert_eq!(recording.duration().unwrap().as_nanos(), millis * 1_000_000, "{name}");
        }
    }

    #[test]
    fn no_other_file_is_taken_for_speech_and_no_empty_one() {
        for (name, bytes) in [("door.bin", &[0x55; 200][..]), ("door", &[0x55; 200]), ("door.alaw", &[])] {
            let error = container::open(&source_of(bytes), name, &Options::default()).err().unwrap();
            assert_eq!(error.to_string(), "not a recording in any known format", "{name}");
        }
        let wav = [
            &b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data\x04\0\0\0"[..],
            &[1; 4],
        ];
        let recording = container::open(&source_of(&wav.concat()), "door.alaw", &Options::default()).unwrap();
        assert_eq!(recording.container(), "WAV", "content goes before the suffix");
    }
}
