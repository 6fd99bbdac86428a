//! G.722, G.726 and IMA ADPCM.

use camreel::media::codec::{G722Config, G726Config, ImaAdpcmConfig};
use camreel::media::{Codec, Sample};
use proptest::collection::vec;
use proptest::prelude::*;

use super::depacketise;
use super::{RTPTIME, Sender};

/// Code words of `bits` bits in these bytes, beginning in the most or the least significant bits of each.
fn code_words(bytes: &[u8], bits: usize, is_most_significant_first: bool) -> Vec<u8> {
    let bit = |index: usize| {
        let within = if is_most_significant_first { 7 - index % 8 } else { index % 8 };
        bytes[index / 8] >> within & 1
    };
    let word = |number: usize| {
        (0..bits).fold(0, |word, index| {
            let place = if is_most_significant_first { bits - 1 - index } else { index };
            word | bit(number * bits + index) << place
        })
    };
    (0..bytes.len() * 8 / bits).map(word).collect()
}

/// The values of a block of one channel, as the IMA recommendation's text has it, but with the exact eighths.
fn ima(block: &[u8]) -> Vec<i32> {
    let step = |index: i32| {
        // Each step is the one before times 1.1, rounded down as the table has it.
        const STEPS: &str = "7 8 9 10 11 12 13 14 16 17 19 21 23 25 28 31 34 37 41 45 50 55 60 66 73 80 88 97 107 118 \
            130 143 157 173 190 209 230 253 279 307 337 371 408 449 494 544 598 658 724 796 876 963 1060 1166 1282 \
            1411 1552 1707 1878 2066 2272 2499 2749 3024 3327 3660 4026 4428 4871 5358 5894 6484 7132 7845 8630 9493 \
            10442 11487 12635 13899 15289 16818 18500 20350 22385 24623 27086 29794 32767";
        STEPS.split_whitespace().nth(index as usize).unwrap().parse::<i32>().unwrap()
    };
    let mut value = i32::from(i16::from_le_bytes([block[0], block[1]]));
    let mut index = i32::from(block[2]).min(88);
    let mut values = vec![value];
    for nibble in block[4..].iter().flat_map(|byte| [byte % 16, byte / 16]) {
        let magnitude = i32::from(nibble % 8);
        let difference = (step(index) * (2 * magnitude + 1)).div_euclid(8);
        value = (if nibble >= 8 { value - difference } else { value + difference }).clamp(-32768, 32767);
        index = (index + [-1, -1, -1, -1, 2, 4, 6, 8][magnitude as usize]).clamp(0, 88);
        values.push(value);
    }
    values
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn g722_bytes_come_out_as_they_went_in(packet_len_max in 200..1453_usize, data in vec(any::<u8>(), 0..5000)) {
        let mut sender = Sender::new(&Codec::G722(G722Config { channels: 1 }), packet_len_max);
        let packets = sender.send(Sample { data: data.clone(), ..Sample::default() });
        let mut received = Vec::new();
        for packet in packets {
            prop_assert_eq!(packet.rtptime.wrapping_sub(RTPTIME), received.len() as u32);
            received.extend(packet.payload);
        }
        prop_assert_eq!(received, data);
    }

    #[test]
    fn g726_code_words_come_out_as_they_went_in(
        packet_len_max in 200..1453_usize,
        code_bits in 2..6_u8,
        is_most_significant_first in any::<bool>(),
        mut data in vec(any::<u8>(), 0..4000),
    ) {
        let bits = usize::from(code_bits);
        data.truncate(data.len() / bits * bits);
        let config = G726Config { code_bits, is_most_significant_first, sample_rate: 8000 };
        let mut sender = Sender::new(&Codec::G726(config), packet_len_max);
        let expected = code_words(&data, bits, is_most_significant_first);
        let mut received = Vec::new();
        for packet in sender.send(Sample { data, ..Sample::default() }) {
            prop_assert_eq!(packet.rtptime.wrapping_sub(RTPTIME), received.len() as u32);
            received.extend(code_words(&packet.payload, bits, true));
        }
        prop_assert_eq!(received, expected);
    }

    #[test]
    fn ima_adpcm_comes_out_as_the_values_it_stands_for(
        packet_len_max in 200..1453_usize,
        words in vec(any::<[u8; 4]>(), 1..500),
        is_stereo in any::<bool>(),
    ) {
        let channels = 1 + usize::from(is_stereo);
        let words = &words[..(words.len() / channels).max(1) * channels.min(words.len())];
        prop_assume!(words.len() % channels == 0);
        let block_len = words.len() as u16 * 4;
        let config = ImaAdpcmConfig { sample_rate: 8000, channels: channels as u16, block_len };
        let mut sender = Sender::new(&Codec::ImaAdpcm(config), packet_len_max);
        let packets = sender.send(Sample { data: words.concat(), ..Sample::default() });
        let of_channel = |channel: usize| {
            ima(&words.iter().skip(channel).step_by(channels).copied().collect::<Vec<_>>().concat())
        };
        let of_channels: Vec<Vec<i32>> = (0..channels).map(of_channel).collect();
        let frames = of_channels[0].len();
        let expected: Vec<i32> =
            (0..frames).flat_map(|frame| of_channels.iter().map(move |values| values[frame])).collect();
        prop_assert_eq!(depacketise::pcm(&packets, 2, channels), expected);
    }
}
