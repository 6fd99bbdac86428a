//! AIFF and AIFF-C (Apple, Audio Interchange File Format 1.3 and AIFF-C draft of 1991): chunks as in RIFF, but with
//! big-endian numbers. The COMM chunk says what the SSND chunk holds; either may come first.

use std::sync::Arc;

use super::units::{Units, UnitsFormat};
use super::{Container, Options, Sniff};
use crate::media::bits::ByteReader;
use crate::media::codec::{Codec, G711Config, PcmConfig, PcmFormat};
use crate::media::io::{Source, Window};
use crate::media::{Error, Recording, Track, scan};

/// This container's line in [`super::CONTAINERS`].
pub const CONTAINER: Container = Container { name: NAME, suffixes: &["aiff", "aif", "aifc"], sniff, open };

const NAME: &str = "AIFF";
/// More chunks than this are taken for damage.
const CHUNK_COUNT_MAX: usize = 4096;
/// How much of a COMM chunk is read, in bytes.
const COMM_LEN_MAX: u32 = 64;
/// Read at once while chunks are looked for, in bytes.
const WINDOW_LEN: usize = 4096;
/// Sample rates beyond this are taken for damage, in Hz.
const SAMPLE_RATE_MAX: f64 = 768_000.0;
/// More channels than this are taken for damage.
const CHANNELS_MAX: u16 = 64;

fn sniff(head: &[u8]) -> Sniff {
    match head {
        [b'F', b'O', b'R', b'M', _, _, _, _, b'A', b'I', b'F', b'F' | b'C', ..] => Sniff::Yes,
        _ => Sniff::No,
    }
}

fn open(source: &Source, _options: &Options) -> Result<Arc<dyn Recording>, Error> {
    let mut window = Window::new(source.clone(), WINDOW_LEN);
    let file_end = source.len()?;
    let (mut codec, mut sound) = (None, None);
    let mut at = 12;
    for _ in 0..CHUNK_COUNT_MAX {
        if (codec.is_some() && sound.is_some()) || at + 8 > file_end {
            break;
        }
        let mut head = ByteReader::new(window.bytes(at, 8, "chunk head")?, at, "chunk head");
        let (id, len) = (head.array::<4>()?, head.u32()?);
        let body = at + 8;
        match &id {
            b"COMM" => {
                let bytes = window.bytes(body, len.min(COMM_LEN_MAX) as usize, "COMM chunk")?;
                codec = Some(common(ByteReader::new(bytes, body, "COMM chunk"))?);
            }
            b"SSND" => sound = Some(sound_data(&mut window, body, len)?),
            _ => {}
        }
        at = body + u64::from(len) + u64::from(len & 1);
    }
    let (Some((codec, frame_len, sample_rate)), Some((start, end))) = (codec, sound) else {
        return Err(Error::truncated("AIFF without COMM or SSND", at.min(file_end)));
    };
    let units = Units::sound(start, end, frame_len, 1, sample_rate);
    let track = Track { codec, duration: None, shown_until: None, bitrate: None, frame_rate: None };
    scan::open(UnitsFormat::new(source, NAME, track, Vec::new(), units)?)
}

/// Where the sound begins and ends: behind an offset that is nearly always 0, and the size of blocks. A length that was
/// never filled in is 0.
fn sound_data(window: &mut Window, body: u64, len: u32) -> Result<(u64, Option<u64>), Error> {
    const FIELDS_LEN: u32 = 8;
    let offset = ByteReader::new(window.bytes(body, 8, "SSND chunk")?, body, "SSND chunk").u32()?;
    let start = body + u64::from(FIELDS_LEN) + u64::from(offset);
    Ok((start, (len > FIELDS_LEN && len < u32::MAX).then(|| body + u64::from(len))))
}

/// The codec, the bytes of a value of every channel, and how many of these there are a second.
fn common(mut comm: ByteReader<'_>) -> Result<(Codec, u32, u32), Error> {
    let at = comm.at();
    let (channels, _frames, bits) = (comm.u16()?, comm.u32()?, comm.u16()?);
    let rate = extended(comm.array()?);
    let compression = comm.array().unwrap_or(*b"NONE");
    if !(1..=CHANNELS_MAX).contains(&channels) || !(1.0..=SAMPLE_RATE_MAX).contains(&rate) {
        return Err(Error::malformed(format!("COMM chunk ({channels} channels of {rate} Hz)"), at));
    }
    let sample_rate = rate.round() as u32;
    let g711 = G711Config { sample_rate, channels };
    let format = match (&compression, bits) {
        (b"ulaw" | b"ULAW", _) => return Ok((Codec::Pcmu(g711), channels.into(), sample_rate)),
        (b"alaw" | b"ALAW", _) => return Ok((Codec::Pcma(g711), channels.into(), sample_rate)),
        (b"raw ", 8) => PcmFormat::U8,
        (b"sowt", 9..=16) => PcmFormat::S16Le,
        (b"fl32" | b"FL32", _) => PcmFormat::F32Be,
        (b"fl64" | b"FL64", _) => PcmFormat::F64Be,
        // Values of fewer bits than they have room for stand in the upper ones.
        (b"NONE" | b"twos" | b"sowt", 1..=8) => PcmFormat::S8,
        (b"NONE" | b"twos", 9..=16) => PcmFormat::S16Be,
        (b"NONE" | b"twos" | b"in24", 17..=24) => PcmFormat::S24Be,
        (b"NONE" | b"twos" | b"in32", 25..=32) => PcmFormat::S32Be,
        _ => {
            let name = String::from_utf8_lossy(&compression).into_owned();
            return Err(Error::Unsupported(format!("AIFF of compression {name:?} and {bits} bits is not streamed")));
        }
    };
    let config = PcmConfig { format, sample_rate, channels };
    Ok((Codec::Pcm(config), config.frame_len() as u32, sample_rate))
}

/// An extended floating-point number of 80 bits (IEEE 754 of 1985): sign and exponent, then 64 bits with the point
/// behind the first.
fn extended([e0, e1, mantissa @ ..]: [u8; 10]) -> f64 {
    let exponent = i32::from(u16::from_be_bytes([e0, e1])) - 16_383 - 63;
    u64::from_be_bytes(mantissa) as f64 * 2_f64.powi(exponent)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::media::container::units::testing::{samples_of, source_of};

    const RATE_44100: [u8; 10] = [0x40, 0x0E, 0xAC, 0x44, 0, 0, 0, 0, 0, 0];

    fn chunk(id: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let mut chunk = [&id[..], &(body.len() as u32).to_be_bytes(), body].concat();
        chunk.resize(chunk.len().next_multiple_of(2), 0);
        chunk
    }

    fn comm(channels: u16, bits: u16, compression: &[u8]) -> Vec<u8> {
        chunk(b"COMM", &[&channels.to_be_bytes()[..], &[0; 4], &bits.to_be_bytes(), &RATE_44100, compression].concat())
    }

    fn ssnd(offset: u8, sound: &[u8]) -> Vec<u8> {
        chunk(b"SSND", &[&[0, 0, 0, offset, 0, 0, 0, 0], sound].concat())
    }

    fn file(chunks: &[Vec<u8>]) -> Vec<u8> {
        [&b"FORM\0\0\0\0AIFC"[..], &chunks.concat()].concat()
    }

    fn opened(bytes: &[u8]) -> Result<Arc<dyn Recording>, Error> {
        open(&source_of(bytes), &Options::default())
    }

    #[test]
    fn comm_and_ssnd_may_come_in_any_order_among_others() {
        let (name, sound): (_, Vec<u8>) = (chunk(b"NAME", b"odd"), (0..12).collect());
        for chunks in
            [vec![comm(2, 16, b""), name.clone(), ssnd(0, &sound)], vec![name, ssnd(0, &sound), comm(2, 16, b"")]]
        {
            let bytes = file(&chunks);
            assert_eq!(sniff(&bytes), Sniff::Yes);
            let recording = opened(&bytes).unwrap();
            let config = PcmConfig { format: PcmFormat::S16Be, sample_rate: 44_100, channels: 2 };
            assert_eq!(recording.tracks()[0].codec, Codec::Pcm(config));
            assert_eq!(samples_of(&recording)[0].data, sound);
        }
    }

    #[test]
    fn compressions_are_codecs_or_refused_by_name() {
        for (bits, compression, name) in [
            (16, b"sowt", Some(PcmFormat::S16Le)),
            (24, b"in24", Some(PcmFormat::S24Be)),
            (20, b"NONE", Some(PcmFormat::S24Be)),
            (8, b"raw ", Some(PcmFormat::U8)),
            (32, b"fl32", Some(PcmFormat::F32Be)),
            (64, b"fl64", Some(PcmFormat::F64Be)),
            (16, b"ulaw", None),
        ] {
            let recording = opened(&file(&[comm(1, bits, compression), ssnd(2, &[0; 34])])).unwrap();
            let codec = &recording.tracks()[0].codec;
            assert_eq!(name, if let Codec::Pcm(config) = codec { Some(config.format) } else { None }, "{codec:?}");
            let len: usize = samples_of(&recording).iter().map(|sample| sample.data.len()).sum();
            assert_eq!(len, 32 - 32 % name.map_or(1, PcmFormat::value_len), "behind the offset");
        }
        let error = opened(&file(&[comm(1, 16, b"ima4"), ssnd(0, &[0; 34])])).err().unwrap();
        assert_eq!(error.to_string(), "AIFF of compression \"ima4\" and 16 bits is not streamed");
    }

    proptest! {
        #[test]
        fn no_damage_makes_it_panic_or_hang(
            changes in proptest::collection::vec((0..100_usize, any::<u8>()), 0..12),
            cut in 0..100_usize,
        ) {
            let mut bytes = file(&[comm(1, 16, b"NONE"), ssnd(0, &[7; 40])]);
            for (at, value) in changes {
                let at = at % bytes.len();
                bytes[at] = value;
            }
            bytes.truncate(bytes.len() - cut.min(bytes.len()));
            if let Ok(recording) = opened(&bytes) {
                samples_of(&recording);
            }
        }
    }
}
