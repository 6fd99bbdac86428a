use proptest::prelude::*;

use super::*;
use crate::media::Sample;
use crate::media::codec::{PcmConfig, PcmFormat};
use crate::media::container::units::testing::{samples_of, source_of};

/// The `fmt ` body of 16 bits stereo at 100 Hz.
fn pcm() -> Vec<u8> {
    format(1, 2, 100, 4, 16, &[])
}

fn format(tag: u16, channels: u16, sample_rate: u32, block_align: u16, bits: u16, extra: &[u8]) -> Vec<u8> {
    let mut bytes = [tag.to_le_bytes(), channels.to_le_bytes()].concat();
    bytes.extend(sample_rate.to_le_bytes());
    bytes.extend((sample_rate * u32::from(block_align)).to_le_bytes());
    bytes.extend([block_align.to_le_bytes(), bits.to_le_bytes(), (extra.len() as u16).to_le_bytes()].concat());
    bytes.extend(extra);
    bytes
}

fn chunk(id: &[u8; 4], body: &[u8]) -> Vec<u8> {
    chunk_of_len(id, body.len() as u32, body)
}

fn chunk_of_len(id: &[u8; 4], len: u32, body: &[u8]) -> Vec<u8> {
    let mut chunk = [&id[..], &len.to_le_bytes(), body].concat();
    chunk.resize(chunk.len().next_multiple_of(2), 0);
    chunk
}

fn riff(id: &[u8; 4], chunks: &[Vec<u8>]) -> Vec<u8> {
    [&[id[0], id[1], id[2], id[3], 0, 0, 0, 0], &b"WAVE"[..], &chunks.concat()].concat()
}

fn sound(len: usize) -> Vec<u8> {
    (0..len).map(|index| index as u8).collect()
}

fn opened(bytes: &[u8]) -> Arc<dyn Recording> {
    assert_eq!(sniff(bytes), Sniff::Yes);
    open(&source_of(bytes), &Options::default()).unwrap()
}

fn error_of(bytes: &[u8]) -> String {
    open(&source_of(bytes), &Options::default()).err().unwrap().to_string()
}

fn bytes_of(samples: &[Sample]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.data.clone()).collect()
}

#[test]
fn chunks_in_any_order_and_of_odd_length_are_stepped_over() {
    let data = sound(12);
    let list = chunk(b"LIST", b"INFOodd");
    for chunks in [
        vec![chunk(b"fmt ", &pcm()), chunk(b"data", &data)],
        vec![list.clone(), chunk(b"bext", &[0; 603]), chunk(b"fmt ", &pcm()), list.clone(), chunk(b"data", &data)],
        vec![chunk(b"JUNK", &[0; 9001]), chunk(b"fmt ", &pcm()), chunk(b"data", &data), list.clone()],
    ] {
        let recording = opened(&riff(b"RIFF", &chunks));
        let codec = Codec::Pcm(PcmConfig { format: PcmFormat::S16Le, sample_rate: 100, channels: 2 });
        assert_eq!((&recording.tracks()[0].codec, recording.notes()), (&codec, &[][..]));
        assert_eq!(recording.duration().unwrap().as_nanos(), 30_000_000);
        assert_eq!(bytes_of(&samples_of(&recording)), data);
    }
}

#[test]
fn a_length_that_was_never_filled_in_means_all_that_follows() {
    for len in [0, u32::MAX] {
        let recording = opened(&riff(b"RIFF", &[chunk(b"fmt ", &pcm()), chunk_of_len(b"data", len, &sound(20))]));
        assert_eq!(recording.notes(), []);
        assert_eq!(bytes_of(&samples_of(&recording)), sound(20), "a length of {len}");
    }
}

#[test]
fn rf64_tells_the_length_in_ds64() {
    let ds64 = |len: u64| chunk(b"ds64", &[&[0; 8], &len.to_le_bytes()[..], &[0; 12]].concat());
    for id in [b"RF64", b"BW64"] {
        let chunks = |ds64| [ds64, chunk(b"fmt ", &pcm()), chunk_of_len(b"data", u32::MAX, &sound(20))];
        let recording = opened(&riff(id, &chunks(ds64(8))));
        assert_eq!(bytes_of(&samples_of(&recording)), sound(8));
        let unfinished = opened(&riff(id, &chunks(ds64(u64::MAX))));
        assert_eq!(bytes_of(&samples_of(&unfinished)), sound(20));
    }
}

#[test]
fn wave64_is_read_as_well() {
    let guid_chunk = |id: &[u8; 4], body: &[u8]| {
        let mut chunk = [&id[..], &W64_CHUNK, &(body.len() as u64 + 24).to_le_bytes(), body].concat();
        chunk.resize(chunk.len().next_multiple_of(8), 0);
        chunk
    };
    let head = [&b"riff"[..], &W64_RIFF, &[0; 8], b"wave", &W64_CHUNK].concat();
    let chunks = [guid_chunk(b"fact", &[1, 2, 3]), guid_chunk(b"fmt ", &pcm()), guid_chunk(b"data", &sound(12))];
    let recording = opened(&[head, chunks.concat()].concat());
    assert_eq!(bytes_of(&samples_of(&recording)), sound(12));
}

#[test]
fn beyond_4_gib_a_length_of_32_bits_is_taken_for_its_lower_half() {
    const GIB: u64 = 1 << 30;
    let len = |len, is_32_bit, file_len| {
        let mut notes = Vec::new();
        let end = Data { start: 44, len: Some(len), is_32_bit }.end(44 + file_len, &mut notes);
        (end.map(|end| end - 44), notes.len())
    };
    assert_eq!(len(GIB, true, 5 * GIB), (None, 0)); // overflown
    assert_eq!(len(GIB, true, 5 * GIB + 100), (None, 0)); // with a LIST behind
    assert_eq!(len(2 * GIB, true, 5 * GIB), (Some(2 * GIB), 0)); // whatever follows is longer than that
    assert_eq!(len(GIB, false, 5 * GIB), (Some(GIB), 0)); // ds64 tells
    assert_eq!(len(GIB, true, 2 * GIB), (Some(GIB), 0));
    assert_eq!(len(3 * GIB, true, 2 * GIB), (Some(3 * GIB), 1)); // cut off
}

#[test]
fn what_was_cut_off_is_told_and_the_rest_is_played() {
    let whole = riff(b"RIFF", &[chunk(b"fmt ", &pcm()), chunk(b"data", &sound(400))]);
    let recording = opened(&whole[..whole.len() - 101]);
    assert_eq!(recording.notes()[0].to_string(), "299 of 400 bytes of sound are there: cut off at byte 345");
    assert_eq!(bytes_of(&samples_of(&recording)), sound(296));
}

#[test]
fn adpcm_comes_in_its_blocks_and_the_last_may_be_short() {
    let ima = format(0x11, 1, 8000, 256, 4, &[0xf9, 1]);
    for (len, lens, frames) in [(512, vec![256, 256], 2), (512 + 8, vec![256, 256, 8], 3), (512 + 7, vec![256, 256], 2)]
    {
        let recording = opened(&riff(b"RIFF", &[chunk(b"fmt ", &ima), chunk(b"data", &sound(len))]));
        let samples = samples_of(&recording);
        assert_eq!(samples.iter().map(|sample| sample.data.len()).collect::<Vec<_>>(), lens);
        assert_eq!(samples[1].pts.to_ticks(8000), 505);
        assert_eq!(recording.duration().unwrap().to_ticks(8000), 505 * frames);
    }
}

#[test]
fn frames_inside_are_cut_by_their_own_headers_up_to_the_end_of_the_chunk() {
    // Layer III, 128 kbit/s, 44.1 kHz, mono: 417 bytes.
    let frame = |fill: u8| [&[0xFF, 0xFB, 0x90, 0xC4][..], &[fill; 413]].concat();
    let data = [frame(0), frame(1), frame(2)].concat();
    let chunks =
        [chunk(b"fmt ", &format(0x55, 1, 44_100, 1, 0, &[])), chunk(b"data", &data), chunk(b"LIST", &frame(3))];
    let recording = opened(&riff(b"RIFF", &chunks));
    assert_eq!(recording.tracks()[0].codec.name(), "MP3");
    let samples = samples_of(&recording);
    assert_eq!(samples.iter().map(|sample| sample.data[4]).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(samples[2].pts.to_ticks(44_100), 2 * 1152);
}

#[test]
fn what_cannot_be_played_says_why() {
    let fmt = |body: &[u8]| chunk(b"fmt ", body);
    let data = chunk(b"data", &sound(12));
    for (chunks, because) in [
        (vec![data.clone(), fmt(&pcm())], "malformed WAV (data before fmt) at byte 12"),
        (vec![fmt(&pcm())], "WAV without a data chunk is cut off at byte 38"),
        (vec![fmt(&pcm()[..10]), data.clone()], "WAVEFORMATEX is cut off at byte 30"),
        (vec![fmt(&pcm()), chunk(b"data", &[])], "a WAV file without PCM"),
        (
            vec![fmt(&format(2, 1, 8000, 256, 4, &[])), data.clone()],
            "MS ADPCM (WAVE format 0x0002, 4 bits) is not streamed",
        ),
        (vec![fmt(&format(0xff, 1, 8000, 1, 0, &[])), data], "AAC in WAV is not streamed"),
    ] {
        assert_eq!(error_of(&riff(b"RIFF", &chunks)), because);
    }
}

#[test]
fn other_riff_files_are_not_claimed() {
    for head in [&b"RIFF\0\0\0\0AVI LIST"[..], b"RIFX\0\0\0\0WAVE", b"RIFF", b"riff", b""] {
        assert_eq!(sniff(head), Sniff::No);
    }
}

proptest! {
    #[test]
    fn no_damage_makes_it_panic_or_hang(
        changes in proptest::collection::vec((0..200_usize, any::<u8>()), 0..12),
        cut in 0..200_usize,
    ) {
        let chunks = [chunk(b"LIST", b"INFO"), chunk(b"fmt ", &pcm()), chunk(b"data", &sound(120))];
        let mut bytes = riff(b"RIFF", &chunks);
        for (at, value) in changes {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
        bytes.truncate(bytes.len() - cut.min(bytes.len()));
        if let Ok(recording) = open(&source_of(&bytes), &Options::default()) {
            prop_assert!(bytes_of(&samples_of(&recording)).len() <= 120);
        }
    }
}
