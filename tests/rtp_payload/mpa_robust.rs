//! MP3 as application data units (RFC 5219): a stream as an encoder lays it out goes in, and a receiver written from the
//! RFC makes a stream of frames of the units again.

use camreel::media::codec::MpegAudioConfig;
use camreel::media::{Codec, Sample};
use camreel::rtp::{Mp3Format, PayloadOptions};
use camreel::time::MediaTime;
use proptest::collection::vec;
use proptest::prelude::*;

use super::depacketise::Received;
use super::{RTPTIME, Sender};

/// The ADUs in these packets (section 4.2 and 4.3).
fn adus(packets: &[Received]) -> Vec<Vec<u8>> {
    let mut adus = Vec::new();
    let mut fragment: Option<(usize, Vec<u8>)> = None;
    for packet in packets {
        assert_eq!((packet.marker, packet.rtptime), (false, RTPTIME));
        let mut rest = &packet.payload[..];
        while !rest.is_empty() {
            let first = usize::from(rest[0]);
            let (continues, has_two_bytes, start) = (first & 0x80 != 0, first & 0x40 != 0, first & 0x3f);
            let size = if has_two_bytes { start << 8 | usize::from(rest[1]) } else { start };
            rest = &rest[if has_two_bytes { 2 } else { 1 }..];
            let here = rest.len().min(size);
            let (bytes, others) = rest.split_at(here);
            match &mut fragment {
                Some((whole, so_far)) => {
                    assert!(continues && *whole == size, "{size} bytes amid fragments of {whole}");
                    so_far.extend_from_slice(rest);
                    rest = &[];
                    if so_far.len() >= size {
                        adus.extend(fragment.take().map(|(_, adu)| adu));
                    }
                }
                None => {
                    assert!(!continues, "a continuation of nothing");
                    rest = others;
                    match here == size {
                        true => adus.push(bytes.to_vec()),
                        false => fragment = Some((size, bytes.to_vec())),
                    }
                }
            }
        }
    }
    assert_eq!(fragment, None, "an ADU that does not end");
    assert!(adus.iter().all(|adu| adu[0] == 0xff && adu[1] & 0xe0 == 0xe0), "a sync word as if interleaved");
    adus
}

/// Where main data stands in a frame, how long that frame is, and how far back main data begins: from the header and
/// the first bits behind it.
fn layout(bytes: &[u8]) -> (usize, usize, usize) {
    let is_mpeg1 = bytes[1] >> 3 & 3 == 3;
    let is_mono = bytes[3] >> 6 == 3;
    let crc_len = if bytes[1] & 1 == 0 { 2 } else { 0 };
    let side_len = match (is_mpeg1, is_mono) {
        (true, false) => 32,
        (true, true) | (false, false) => 17,
        (false, true) => 9,
    };
    let index = usize::from(bytes[2] >> 4);
    let mpeg1_kbits = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
    let mpeg2_kbits = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
    let rate = [44_100, 48_000, 32_000][usize::from(bytes[2] >> 2 & 3)];
    let padding = usize::from(bytes[2] >> 1 & 1);
    let frame_len = match is_mpeg1 {
        true => 144_000 * mpeg1_kbits[index] / rate + padding,
        false => 72_000 * mpeg2_kbits[index] / (rate / 2) + padding,
    };
    let side = &bytes[4 + crc_len..];
    let begin = if is_mpeg1 { usize::from(side[0]) << 1 | usize::from(side[1] >> 7) } else { side[0].into() };
    (4 + crc_len + side_len, frame_len, begin)
}

/// Frames from ADUs that follow one on the other (appendix A.2): main data goes back to where the header says, and what
/// nothing fills is zero.
fn frames(adus: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let slot_lens = adus.iter().map(|adu| {
        let (slot_at, frame_len, _) = layout(adu);
        frame_len - slot_at
    });
    let mut main_data = vec![0; slot_lens.sum()];
    let (mut slot, mut written) = (0, 0);
    let mut slots = Vec::new();
    for adu in adus {
        let (slot_at, frame_len, begin) = layout(adu);
        let start = slot - begin;
        let end = start + adu.len() - slot_at;
        // Where a frame without main data says that it begins does not matter.
        if end > start {
            assert!(start >= written, "main data at {start}, where some ends at {written}");
            main_data[start..end].copy_from_slice(&adu[slot_at..]);
            written = end;
        }
        slot += frame_len - slot_at;
        slots.push((&adu[..slot_at], slot));
    }
    let mut start = 0;
    let to_frame = |(head, end): (&[u8], usize)| [head, &main_data[std::mem::replace(&mut start, end)..end]].concat();
    slots.into_iter().map(to_frame).collect()
}

/// How an encoder fills one frame.
#[derive(Debug, Clone)]
struct Filling {
    bitrate_index: u8,
    is_padded: bool,
    /// Of the room that there is, in 256ths.
    share: usize,
    stuffing: usize,
    seed: u8,
}

fn filling() -> impl Strategy<Value = Filling> {
    (1..15_u8, any::<bool>(), 0..257_usize, prop_oneof![Just(0), 0..40_usize], any::<u8>()).prop_map(
        |(bitrate_index, is_padded, share, stuffing, seed)| Filling { bitrate_index, is_padded, share, stuffing, seed },
    )
}

/// What a stream has in all its headers: MPEG-1 or 2, CRC, mono; and the frames.
type Stream = (bool, bool, bool, Vec<Filling>);

fn stream() -> impl Strategy<Value = Stream> {
    (any::<bool>(), any::<bool>(), any::<bool>(), vec(filling(), 1..40))
}

/// Frames as an encoder with a bit reservoir makes them; ancillary data is zero.
fn encode((is_mpeg1, has_crc, is_mono, fillings): &Stream) -> Vec<Vec<u8>> {
    let version = if *is_mpeg1 { 0xfb } else { 0xf3 };
    let begin_max = if *is_mpeg1 { 511 } else { 255 };
    let mut heads: Vec<(Vec<u8>, usize)> = Vec::new();
    let (mut main_data, mut written) = (Vec::new(), 0_usize);
    for filling in fillings {
        let c = filling.bitrate_index << 4 | u8::from(filling.is_padded) << 1;
        let mut head = vec![0xff, version - u8::from(*has_crc), c, if *is_mono { 0xc0 } else { 0 }];
        head.resize(40, 0);
        let (slot_at, frame_len, _) = layout(&head);
        head.resize(slot_at, 0);
        let slot = main_data.len();
        main_data.resize(slot + frame_len - slot_at, 0);
        let start = (written + filling.stuffing).max(slot.saturating_sub(begin_max)).min(slot);
        let parts = match (is_mpeg1, is_mono) {
            (true, false) => &[20, 79, 138, 197][..],
            (true, true) => &[18, 77],
            (false, false) => &[10, 73],
            (false, true) => &[9],
        };
        let len = ((main_data.len() - start) * filling.share / 256).min(4095 * parts.len() / 8);
        for (index, byte) in main_data[start..start + len].iter_mut().enumerate() {
            *byte = filling.seed.wrapping_add(index as u8).wrapping_mul(7);
        }
        written = if len > 0 { start + len } else { written };
        let side = &mut head[4 + if *has_crc { 2 } else { 0 }..];
        put(side, 0, if *is_mpeg1 { 9 } else { 8 }, slot - start);
        // The last byte is not always full.
        let mut bits = (len * 8).saturating_sub(usize::from(filling.seed % 8));
        for part in parts {
            let here = bits.min(4095);
            put(side, *part, 12, here);
            bits -= here;
        }
        heads.push((head, main_data.len()));
    }
    let mut start = 0;
    let to_frame =
        |(head, end): (Vec<u8>, usize)| [&head[..], &main_data[std::mem::replace(&mut start, end)..end]].concat();
    heads.into_iter().map(to_frame).collect()
}

/// Writes `count` bits from bit `at` on.
fn put(bytes: &mut [u8], at: usize, count: usize, value: usize) {
    for bit in 0..count {
        bytes[(at + bit) / 8] |= ((value >> (count - 1 - bit) & 1) as u8) << (7 - (at + bit) % 8);
    }
}

fn sender(packet_len_max: usize) -> Sender {
    let codec = Codec::MpegAudio(MpegAudioConfig { layer: 3, sample_rate: 44_100, channels: 2 });
    Sender::with_options(&codec, PayloadOptions { mp3: Mp3Format::Robust }, packet_len_max)
}

/// What is sent of each of these frames, one following on the other: an ADU or nothing.
fn send(frames: &[Vec<u8>], packet_len_max: usize) -> Vec<Option<Vec<u8>>> {
    let mut sender = sender(packet_len_max);
    let mut pts = MediaTime::ZERO;
    let send = |frame: &Vec<u8>| {
        let sent = sender.send(Sample { pts, data: frame.clone(), ..Sample::default() });
        // MPEG-2 has half of both.
        pts += MediaTime::from_ticks(1152, 44_100);
        let mut adus = adus(&sent);
        assert!(adus.len() <= 1, "{} ADUs of one frame", adus.len());
        adus.pop()
    };
    frames.iter().map(send).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn frames_made_of_adus_are_those_that_went_in(stream in stream(), packet_len_max in 64..1453_usize) {
        let original = encode(&stream);
        let adus: Option<Vec<_>> = send(&original, packet_len_max).into_iter().collect();
        prop_assert_eq!(frames(&adus.expect("nothing is left out from the start on")), original);
    }

    #[test]
    fn from_the_middle_on_every_adu_is_as_from_the_start_or_waits_for_what_it_refers_to(
        stream in stream(),
        skipped in 0..20_usize,
    ) {
        let original = encode(&stream);
        let skipped = skipped.min(original.len());
        let whole = send(&original, 1452);
        let mut known = 0;
        for ((frame, whole), late) in original.iter().zip(whole).skip(skipped).zip(send(&original[skipped..], 1452)) {
            let (slot_at, frame_len, begin) = layout(frame);
            let has_sound = whole.as_ref().is_some_and(|adu| adu.len() > slot_at);
            let expected = if begin <= known || !has_sound { whole } else { None };
            prop_assert_eq!(late, expected);
            known += frame_len - slot_at;
        }
    }

    #[test]
    fn no_bytes_make_it_panic(samples in vec((vec(any::<u8>(), 0..600), any::<bool>()), 0..20), len in 64..300_usize) {
        let mut sender = sender(len);
        for (mut data, is_frame) in samples {
            if let Some(header) = data.first_chunk_mut::<2>().filter(|_| is_frame) {
                *header = [0xff, 0xfb];
            }
            adus(&sender.send(Sample { data, ..Sample::default() }));
        }
    }
}
