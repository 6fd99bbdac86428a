use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Writes fields from the least significant bit on.
#[derive(Default)]
struct BitWriter {
    bytes: Vec<u8>,
    used: u32,
}

impl BitWriter {
    fn put(&mut self, value: u64, count: u32) -> &mut Self {
        for bit in 0..count {
            if self.used.is_multiple_of(8) {
                self.bytes.push(0);
            }
            let last = self.bytes.len() - 1;
            self.bytes[last] |= ((value.checked_shr(bit).unwrap_or(0) & 1) as u8) << (self.used % 8);
            self.used += 1;
        }
        self
    }
}

/// A setup header with everything in it that has a length of its own, and modes of these block flags.
fn setup(modes: &[u64]) -> Vec<u8> {
    let mut w = BitWriter { bytes: b"\x05vorbis".to_vec(), used: 56 };
    let book = |w: &mut BitWriter, dimensions: u64, entries: u64| {
        w.put(0x56_4342, 24).put(dimensions, 16).put(entries, 24);
    };
    w.put(4 - 1, 8);
    // Ordered lengths, 3 entries: 2 of one length, 1 of the next. No lookup.
    book(&mut w, 1, 3);
    w.put(1, 1).put(0, 5).put(2, 2).put(1, 1).put(0, 4);
    // Sparse lengths, of which 2 are used. Lookup 1 of 2 values (2 to the third is 8) of 4 bits.
    book(&mut w, 3, 8);
    w.put(0, 1).put(1, 1);
    w.put(1, 1).put(0, 5).put(0, 3).put(1, 1).put(0, 5).put(0, 3);
    w.put(1, 4).put(0, 64).put(3, 4).put(0, 1).put(0x21, 8);
    // All lengths. Lookup 2 of 3 times 2 values of 2 bits.
    book(&mut w, 2, 3);
    w.put(0, 1).put(0, 1).put(0, 15).put(2, 4).put(0, 64).put(1, 4).put(0, 1).put(0, 12);
    // No entries at all.
    book(&mut w, 1, 0);
    w.put(0, 1).put(0, 1).put(0, 4);
    w.put(0, 6).put(0, 16);
    // Floors: one of type 0 with 2 books; one of type 1 with partitions of classes 1 and 0.
    w.put(2 - 1, 6);
    w.put(0, 16).put(0, 8 + 16 + 16 + 6 + 8).put(1, 4).put(0, 16);
    w.put(1, 16).put(2, 5).put(1, 4).put(0, 4);
    w.put(2, 3).put(0, 2).put(0, 8);
    w.put(0, 3).put(1, 2).put(0, 8).put(0, 16);
    w.put(0, 2).put(7, 4).put(0, 7 * (3 + 1));
    // A residue of two classes: 2 low books; 1 low book and 2 high ones.
    w.put(0, 6).put(2, 16).put(0, 72).put(1, 6).put(0, 8);
    w.put(0b101, 3).put(0, 1).put(0b010, 3).put(1, 1).put(0b10001, 5).put(0, 5 * 8);
    // A mapping of two submaps with one coupling step of 1 + 1 bits, for two channels.
    w.put(0, 6).put(0, 16).put(1, 1).put(1, 4).put(1, 1).put(0, 8).put(1, 1).put(0, 1).put(0, 2).put(0, 8).put(0, 48);
    w.put(modes.len() as u64 - 1, 6);
    for flag in modes {
        w.put(*flag, 1).put(0, 32).put(0, 8);
    }
    w.put(1, 1);
    w.bytes
}

/// Two channels of 48 kHz, blocks of 256 and 2048, 112 kbit/s.
fn vorbis_id() -> Vec<u8> {
    let mut id = b"\x01vorbis\0\0\0\0\x02".to_vec();
    for word in [48_000_u32, 0, 112_000, 0] {
        id.extend_from_slice(&word.to_le_bytes());
    }
    id.extend_from_slice(&[0xb8, 1]);
    id
}

fn vorbis_comments(len: usize) -> Vec<u8> {
    let mut comments = b"\x03vorbis".to_vec();
    comments.resize(len, 0);
    comments
}

/// 4 times 3 macroblocks of which 62 times 42 pixels are shown, 30000/1001 frames a second, 4:2:2, shift of 6.
fn theora_id(revision: u8) -> Vec<u8> {
    let mut id = b"\x80theora\x03\x02".to_vec();
    id.extend_from_slice(&[revision, 0, 4, 0, 3, 0, 0, 62, 0, 0, 42, 1, 1]);
    id.extend_from_slice(&30_000_u32.to_be_bytes());
    id.extend_from_slice(&1001_u32.to_be_bytes());
    id.extend_from_slice(&[0, 0, 1, 0, 0, 1, 0, 0x03, 0x0d, 0x40, 0b0011_1100, 0b1101_0000]);
    id
}

fn theora_headers() -> [Vec<u8>; 3] {
    [theora_id(1), b"\x81theora\0\0\0\0\0\0\0\0".to_vec(), b"\x82theora tables".to_vec()]
}

#[test]
fn vorbis_headers_tell_rate_channels_and_the_block_size_of_each_mode() {
    let config = VorbisConfig::new([vorbis_id(), vorbis_comments(20), setup(&[0, 1, 1])]).unwrap();
    assert_eq!((config.sample_rate, config.channels, config.bitrate), (48_000, 2, Some(112_000)));
    // The type of packet in the lowest bit, the mode in the next two.
    let sizes: Vec<_> = (0..8).map(|first| config.block_size(&[first, 0xff])).collect();
    let [short, long] = [Some(256), Some(2048)];
    assert_eq!(sizes, [short, None, long, None, long, None, None, None], "mode 3 does not exist");
    assert_eq!(config.block_size(&[0xf8]), short, "what follows the mode does not matter");
    assert_eq!(config.block_size(&[]), None);

    let single = VorbisConfig::new([vorbis_id(), vorbis_comments(20), setup(&[1])]).unwrap();
    assert_eq!(single.block_size(&[0xfe]), long, "a single mode takes no bits");
}

#[test]
fn what_is_no_vorbis_header_is_refused() {
    let good = [vorbis_id(), vorbis_comments(20), setup(&[0, 1])];
    assert!(VorbisConfig::new(good.clone()).is_some());
    let spoilt = |header: usize, at: usize, value: u8| {
        let mut headers = good.clone();
        headers[header][at] = value;
        VorbisConfig::new(headers)
    };
    let rows = [
        ("version", 0, 7, 1),
        ("no channels", 0, 11, 0),
        ("short blocks longer than long ones", 0, 28, 0x8b),
        ("blocks of 32", 0, 28, 0x85),
        ("type of comments", 1, 0, 5),
        ("name of setup", 2, 1, b'w'),
        ("codebook pattern", 2, 8, 0),
    ];
    for (what, header, at, value) in rows {
        assert_eq!(spoilt(header, at, value), None, "{what}");
    }
    for len in 0..good[2].len() {
        let cut = [good[0].clone(), good[1].clone(), good[2][..len].to_vec()];
        assert_eq!(VorbisConfig::new(cut), None, "setup of {len} bytes");
    }
}

#[test]
fn long_comments_are_left_out_and_short_ones_kept() {
    let headers = |len| VorbisConfig::new([vorbis_id(), vorbis_comments(len), setup(&[0])]).unwrap().headers;
    assert_eq!(headers(1024)[1], vorbis_comments(1024));
    assert_eq!(headers(1025)[1], b"\x03vorbis\0\0\0\0\0\0\0\0\x01");
    let mut theora = theora_headers();
    theora[1].resize(5000, b' ');
    assert_eq!(TheoraConfig::new(theora).unwrap().headers, theora_headers());
}

#[test]
fn theora_headers_tell_size_rate_sampling_and_shift() {
    let config = TheoraConfig::new(theora_headers()).unwrap();
    assert_eq!((config.size, config.coded_size), ((62, 42), (64, 48)));
    assert_eq!((config.frame_rate, config.chroma), ((30_000, 1001), Chroma::Yuv422));
    assert_eq!((config.granule_shift, config.bitrate), (6, Some(200_000)));
    let spoilt = |at: usize, value: u8| {
        let mut headers = theora_headers();
        headers[0][at] = value;
        TheoraConfig::new(headers)
    };
    assert_eq!((spoilt(7, 4), spoilt(41, 0b0000_1000), spoilt(0, 0x81)), (None, None, None));
}

#[test]
fn theora_granules_count_frames_from_one_since_3_2_1_and_from_zero_before() {
    let config = |revision| {
        let [_, comments, setup] = theora_headers();
        TheoraConfig::new([theora_id(revision), comments, setup]).unwrap()
    };
    // The key frame, and the fifth frame after it.
    let granules = [10 << 6, 10 << 6 | 5];
    assert_eq!(granules.map(|granule| config(1).frames_until(granule)), [10, 15]);
    assert_eq!(granules.map(|granule| config(0).frames_until(granule)), [11, 16]);
    assert_eq!([0x00, 0x3f, 0x40, 0x80].map(|first| is_theora_key_frame(&[first])), [true, true, false, false]);
    assert!(!is_theora_key_frame(&[]), "no bytes repeat the frame before");
}

#[test]
fn a_codec_private_of_matroska_is_three_laced_packets() {
    let packets = [vorbis_id(), vorbis_comments(600), setup(&[0, 1])];
    let mut private = vec![2, 30, 255, 255, 90];
    packets.iter().for_each(|packet| private.extend_from_slice(packet));
    let headers = XiphHeaders::from_laced(&private).unwrap();
    assert_eq!(headers.packets, packets);
    assert_eq!(headers.clone().vorbis().map(|config| config.channels), Some(2));
    assert_eq!(headers.theora(), None);
    for broken in [&[][..], &[2], &[1, 30, 40], &[2, 255], &[2, 200, 1, 0], &private[..400]] {
        assert_eq!(XiphHeaders::from_laced(broken), None, "{broken:02x?}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_headers_panic(
        mutations in vec((0..3_usize, any::<prop::sample::Index>(), any::<u8>()), 1..8),
        junk in vec(any::<u8>(), 0..400),
    ) {
        let mut vorbis = [vorbis_id(), vorbis_comments(20), setup(&[0, 1])];
        let mut theora = theora_headers();
        for (header, at, value) in mutations {
            for headers in [&mut vorbis, &mut theora] {
                let at = at.index(headers[header].len());
                headers[header][at] = value;
            }
        }
        if let Some(config) = VorbisConfig::new(vorbis) {
            let _ = config.block_size(&junk);
        }
        if let Some(config) = TheoraConfig::new(theora) {
            let _ = config.frames_until(u64::MAX);
        }
        let mut with_junk = b"\x05vorbis".to_vec();
        with_junk.extend_from_slice(&junk);
        let _ = VorbisConfig::new([vorbis_id(), vorbis_comments(20), with_junk]);
        let _ = XiphHeaders::from_laced(&junk);
    }
}
