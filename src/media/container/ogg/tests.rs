//! Files made here, page by page. That they are read as FFmpeg reads them is for the interop tests.

use std::io::Write;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// One packet of Opus lasts 20 ms: CELT, full band, one frame, mono.
const OPUS_TOC: u8 = 31 << 3;
const OPUS_TICKS: u64 = 960;
const PRE_SKIP: u16 = 312;
const CONTINUED: u8 = 1;
const FIRST: u8 = 2;
const LAST: u8 = 4;

fn source(bytes: &[u8]) -> Source {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Source::new(file)
}

/// A page of these segments.
fn raw_page(serial: u32, sequence: u32, flags: u8, granule: u64, lacing: &[u8], body: &[u8]) -> Vec<u8> {
    let mut page = b"OggS\0".to_vec();
    page.push(flags);
    page.extend_from_slice(&granule.to_le_bytes());
    page.extend_from_slice(&serial.to_le_bytes());
    page.extend_from_slice(&sequence.to_le_bytes());
    page.extend_from_slice(&[0; 4]);
    page.push(lacing.len() as u8);
    page.extend_from_slice(lacing);
    page.extend_from_slice(body);
    let crc = page::checksum(&page);
    page[22..26].copy_from_slice(&crc.to_le_bytes());
    page
}

/// A page of whole packets.
fn page(serial: u32, sequence: u32, flags: u8, granule: u64, packets: &[&[u8]]) -> Vec<u8> {
    let mut lacing = Vec::new();
    for packet in packets {
        lacing.extend(std::iter::repeat_n(255, packet.len() / 255));
        lacing.push((packet.len() % 255) as u8);
    }
    raw_page(serial, sequence, flags, granule, &lacing, &packets.concat())
}

fn opus_head(channels: u8) -> Vec<u8> {
    let mut head = b"OpusHead\x01".to_vec();
    head.push(channels);
    head.extend_from_slice(&PRE_SKIP.to_le_bytes());
    head.extend_from_slice(&[0x80, 0xbb, 0, 0, 0, 0, 0]);
    head
}

/// The `index`th packet of Opus, of a length of its own.
fn opus_packet(index: usize) -> Vec<u8> {
    let mut packet = vec![OPUS_TOC, index as u8, (index >> 8) as u8];
    packet.resize(40 + index % 7, 0xee);
    packet
}

/// Pages of Opus: two of headers, then `pages` of 5 packets each. The last one cuts off `trimmed` ticks.
fn opus_pages(serial: u32, pages: usize, trimmed: u64) -> Vec<Vec<u8>> {
    let mut all =
        vec![page(serial, 0, FIRST, 0, &[&opus_head(1)]), page(serial, 1, 0, 0, &[b"OpusTags\0\0\0\0\0\0\0\0"])];
    for index in 0..pages {
        let packets: Vec<_> = (index * 5..index * 5 + 5).map(opus_packet).collect();
        let packets: Vec<&[u8]> = packets.iter().map(Vec::as_slice).collect();
        let is_last = index + 1 == pages;
        let granule = (index as u64 + 1) * 5 * OPUS_TICKS - if is_last { trimmed } else { 0 };
        all.push(page(serial, index as u32 + 2, if is_last { LAST } else { 0 }, granule, &packets));
    }
    all
}

fn opus_file(serial: u32, pages: usize, trimmed: u64) -> Vec<u8> {
    opus_pages(serial, pages, trimmed).concat()
}

/// What a scanner gives: samples with the entries where they can be read again, and damage.
#[derive(Debug, Default)]
struct Scanned {
    samples: Vec<(Entry, Sample)>,
    skipped: Vec<String>,
}

impl Scanned {
    /// Presentation times in ticks of 48 kHz.
    fn ticks(&self, track: usize) -> Vec<i64> {
        self.samples.iter().filter(|(_, s)| s.track == track).map(|(_, s)| s.pts.to_ticks(48_000)).collect()
    }

    fn data(&self) -> Vec<&[u8]> {
        self.samples.iter().map(|(_, sample)| &sample.data[..]).collect()
    }
}

fn scan_from(ogg: &Ogg, entry: Entry) -> Scanned {
    let mut scanner = ogg.scan(entry);
    let mut scanned = Scanned::default();
    let mut last_dts = vec![MediaTime::MIN; ogg.header.tracks.len()];
    let mut sample = Sample::default();
    loop {
        sample.clear();
        match scanner.next(&mut sample).unwrap() {
            Next::Sample => {
                assert!(sample.dts >= last_dts[sample.track] && sample.dts <= sample.pts, "{sample:?}");
                last_dts[sample.track] = sample.dts;
                scanned.samples.push((scanner.entry(), sample.clone()));
            }
            Next::Skipped(error) => scanned.skipped.push(error.to_string()),
            Next::Pending => scanner.finish(),
            Next::End => return scanned,
        }
    }
}

fn open_bytes(bytes: &[u8]) -> Ogg {
    Ogg::new(&source(bytes)).unwrap()
}

fn scan_all(ogg: &Ogg) -> Scanned {
    scan_from(ogg, ogg.header.start)
}

#[test]
fn opus_begins_before_zero_by_its_pre_skip_and_ends_where_the_last_granule_says() {
    let ogg = open_bytes(&opus_file(7, 3, 1000));
    let scanned = scan_all(&ogg);
    let expected: Vec<i64> = (0..14).map(|index| index * 960 - 312).collect();
    // 15 packets less 1000 ticks: the last packet is not heard at all, 40 ticks of the one before neither.
    assert_eq!(scanned.ticks(0), expected);
    assert_eq!(scanned.data(), (0..14).map(opus_packet).collect::<Vec<_>>());
    assert!(scanned.samples.iter().all(|(_, sample)| sample.is_sync));
    let duration = MediaTime::from_ticks(15 * 960 - 1000 - 312, 48_000);
    assert_eq!((ogg.header.duration, ogg.header.tracks[0].duration), (Some(duration), Some(duration)));
    assert_eq!(ogg.header.start.time, Some(MediaTime::from_ticks(-312, 48_000)));
    assert_eq!((scanned.skipped, &ogg.header.notes[..]), (vec![], &[][..]));
}

#[test]
fn a_file_of_one_page_counts_from_zero_and_a_stream_joined_late_begins_at_zero_too() {
    let ogg = open_bytes(&opus_file(7, 1, 1500));
    assert_eq!(scan_all(&ogg).ticks(0), [-312, 648, 1608, 2568]);

    // The first page ends at 100 s.
    let packets: Vec<_> = (0..5).map(opus_packet).collect();
    let packets: Vec<&[u8]> = packets.iter().map(Vec::as_slice).collect();
    let mut late = opus_pages(7, 1, 0)[..2].concat();
    late.extend(page(7, 2, 0, 4_800_000, &packets));
    assert_eq!(scan_all(&open_bytes(&late)).ticks(0), [-312, 648, 1608, 2568, 3528]);
}

#[test]
fn packets_go_over_any_number_of_pages_and_end_with_a_segment_of_no_bytes() {
    let long: Vec<u8> = std::iter::once(OPUS_TOC).chain((0..1019).map(|index| index as u8)).collect();
    assert_eq!(long.len(), 4 * 255, "its last segment has no bytes");
    let none = u64::MAX;
    let mut file = opus_pages(7, 1, 0)[..2].concat();
    let short = opus_packet(0);
    file.extend(raw_page(7, 2, 0, 960, &[40, 255], &[&short[..], &long[..255]].concat()));
    file.extend(raw_page(7, 3, CONTINUED, none, &[255, 255], &long[255..765]));
    file.extend(raw_page(7, 4, CONTINUED, none, &[], &[]));
    file.extend(raw_page(7, 5, CONTINUED, none, &[255], &long[765..]));
    file.extend(raw_page(7, 6, CONTINUED | LAST, 2880, &[0, 40], &short));
    let scanned = scan_all(&open_bytes(&file));
    assert_eq!(scanned.data(), [&short[..], &long, &short]);
    assert_eq!(scanned.ticks(0), [-312, 648, 1608]);
    let places: Vec<_> = scanned.samples.iter().map(|(entry, _)| entry.at).collect();
    assert_eq!(places[0], places[1], "the long one begins on the page of the first");
    assert_eq!(scanned.skipped, Vec::<String>::new());
}

#[test]
fn scanning_from_any_byte_gives_what_begins_behind_it_with_the_same_times() {
    let file = opus_file(7, 12, 700);
    let ogg = open_bytes(&file);
    let all = scan_all(&ogg);
    for (entry, _) in &all.samples {
        let again = scan_from(&ogg, *entry);
        let expected: Vec<_> = all.samples.iter().filter(|(from, _)| from.at >= entry.at).collect();
        assert_eq!(format!("{:?}", again.samples.iter().collect::<Vec<_>>()), format!("{expected:?}"));
    }
    for at in (0..file.len() as u64).step_by(61) {
        let again = scan_from(&ogg, Entry { at, time: None });
        let expected: Vec<_> = all.samples.iter().filter(|(from, _)| from.at >= at).collect();
        assert_eq!(format!("{:?}", again.samples.iter().collect::<Vec<_>>()), format!("{expected:?}"), "from {at}");
        assert_eq!(again.skipped, Vec::<String>::new(), "from {at}");
    }
}

#[test]
fn a_damaged_page_is_stepped_over_with_one_word_and_times_go_on_as_they_were() {
    let pages = opus_pages(7, 6, 0);
    let third = pages[..4].concat().len();
    for (what, damage) in [
        ("a flipped bit", pages[4].iter().enumerate().map(|(i, byte)| byte ^ u8::from(i == 90)).collect::<Vec<u8>>()),
        ("half a page", pages[4][..70].to_vec()),
        ("other bytes", b"OggS and OggS again, but neither is one".to_vec()),
    ] {
        let file = [&pages[..4].concat()[..], &damage, &pages[5..].concat()].concat();
        let scanned = scan_all(&open_bytes(&file));
        let expected: Vec<i64> = (0..30).filter(|index| !(10..15).contains(index)).map(|i| i * 960 - 312).collect();
        assert_eq!(scanned.ticks(0), expected, "{what}");
        assert_eq!(scanned.skipped, [format!("malformed Ogg page at byte {third}")], "{what}");
    }
}

#[test]
fn a_missing_page_is_told_and_so_is_a_file_that_is_cut_off() {
    let pages = opus_pages(7, 6, 0);
    let file = [pages[..4].concat(), pages[5..].concat()].concat();
    let at = pages[..4].concat().len();
    let scanned = scan_all(&open_bytes(&file));
    assert_eq!(scanned.samples.len(), 25);
    assert_eq!(scanned.skipped, [format!("malformed page before this one, which is missing, at byte {at}")]);

    let len = pages.concat().len() - 5;
    let ogg = open_bytes(&pages.concat()[..len]);
    let scanned = scan_all(&ogg);
    assert_eq!((scanned.samples.len(), ogg.header.duration), (25, None), "nobody knows how long it is to become");
    assert_eq!(scanned.skipped, [format!("the last Ogg page is cut off at byte {len}")]);
}

#[test]
fn a_growing_file_is_read_on_where_it_ended() {
    let pages = opus_pages(7, 4, 0);
    let mut file = tempfile::tempfile().unwrap();
    let ogg = {
        file.write_all(&pages[..3].concat()).unwrap();
        Ogg::new(&Source::new(file.try_clone().unwrap())).unwrap()
    };
    assert_eq!(ogg.header.duration, None);
    let mut scanner = ogg.scan(ogg.header.start);
    let mut sample = Sample::default();
    let mut times = Vec::new();
    let mut halves = pages[3..].iter().flat_map(|page| page.chunks(page.len().div_ceil(2)));
    loop {
        match scanner.next(&mut sample).unwrap() {
            Next::Sample => times.push(sample.pts.to_ticks(48_000)),
            Next::Pending => match halves.next() {
                Some(half) => file.write_all(half).unwrap(),
                None => scanner.finish(),
            },
            Next::Skipped(error) => panic!("{error}"),
            Next::End => break,
        }
    }
    assert_eq!(times, (0..20).map(|index| index * 960 - 312).collect::<Vec<i64>>());
}

#[test]
fn links_follow_each_other_without_gap_or_overlap_whatever_their_serial_numbers() {
    for serials in [[1, 2, 3], [1, 1, 1], [1, 2, 1]] {
        let file = serials.map(|serial| opus_file(serial, 2, 0)).concat();
        let ogg = open_bytes(&file);
        let all = scan_all(&ogg);
        assert_eq!(all.ticks(0), (0..30).map(|index| index * 960 - 312).collect::<Vec<i64>>(), "{serials:?}");
        assert_eq!(ogg.header.duration.map(|end| end.to_ticks(48_000)), Some(30 * 960 - 312), "{serials:?}");
        for (entry, _) in &all.samples {
            let again = scan_from(&ogg, *entry);
            let expected = all.samples.iter().filter(|(from, _)| from.at >= entry.at).count();
            assert_eq!(again.samples.len(), expected, "{serials:?} from {entry:?}");
            assert_eq!(again.samples[0].1.pts, all.samples[30 - expected].1.pts, "{serials:?} from {entry:?}");
        }
    }
}

#[test]
fn links_of_a_long_file_are_found_by_bisection() {
    // Pages of the longest possible packets of Opus tags, which are headers wherever they are, make 6 MB of each.
    let mut tags = b"OpusTags".to_vec();
    tags.resize(254 * 255, 0);
    let link = |serial: u32| {
        let mut pages = opus_pages(serial, 4, 0);
        let fill = |sequence: u32| page(serial, sequence, 0, 960 * 10, &[&tags]);
        let last = pages.split_off(4).into_iter().enumerate();
        pages.extend((4..100).map(fill));
        pages.extend(last.map(|(index, mut page)| {
            page[18..22].copy_from_slice(&(100 + index as u32).to_le_bytes());
            let crc = page::checksum(&page);
            page[22..26].copy_from_slice(&crc.to_le_bytes());
            page
        }));
        pages.concat()
    };
    for serials in [[1, 2], [1, 1]] {
        let ogg = open_bytes(&serials.map(link).concat());
        let expected = (0..40).map(|index| index * 960 - 312).collect::<Vec<i64>>();
        assert_eq!(ogg.header.duration.map(|end| end.to_ticks(48_000)), Some(40 * 960 - 312), "{serials:?}");
        assert_eq!(scan_all(&ogg).ticks(0), expected, "{serials:?}");
    }
}

#[test]
fn a_link_in_another_codec_is_left_out_with_a_note() {
    let middle = page(2, 0, FIRST, 0, &[b"Speex   and so on"]);
    let flac = flac_pages(3).concat();
    let file = [opus_file(1, 2, 0), middle, flac, opus_file(4, 2, 0)].concat();
    let ogg = open_bytes(&file);
    assert_eq!(ogg.header.tracks.len(), 1);
    let notes: Vec<_> = ogg.header.notes.iter().map(Note::to_string).collect();
    let at = opus_file(1, 2, 0).len() + 27 + 1 + 17;
    assert_eq!(notes, [format!("FLAC that is coded otherwise than at the start of the file is left out at byte {at}")]);
    assert_eq!(scan_all(&ogg).ticks(0), (0..20).map(|index| index * 960 - 312).collect::<Vec<i64>>());
}

/// 4:2:0, 25 frames a second, shift of 4.
fn theora_headers() -> [Vec<u8>; 3] {
    let mut id = b"\x80theora\x03\x02\x01\0\x04\0\x03\0\0\x40\0\0\x30\0\0".to_vec();
    id.extend_from_slice(&[0, 0, 0, 25, 0, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0x80]);
    [id, b"\x81theora\0\0\0\0\0\0\0\0".to_vec(), b"\x82theora".to_vec()]
}

#[test]
fn theora_frames_are_counted_back_from_the_granule_and_side_by_side_with_opus() {
    let [id, comments, setup] = theora_headers();
    let (key, other): (&[u8], &[u8]) = (&[0x30, 1], &[0x70, 2]);
    let opus = opus_pages(2, 2, 0);
    let file = [
        page(1, 0, FIRST, 0, &[&id]),
        opus[0].clone(),
        page(1, 1, 0, 0, &[&comments, &setup]),
        opus[1].clone(),
        // Frames 1 to 3, of which the second repeats the first.
        page(1, 2, 0, 1 << 4 | 2, &[key, &[], other]),
        opus[2].clone(),
        // A key frame of 4 and one that follows it.
        page(1, 3, LAST, 4 << 4 | 1, &[key, other]),
        opus[3].clone(),
    ]
    .concat();
    let ogg = open_bytes(&file);
    let names: Vec<_> = ogg.header.tracks.iter().map(|track| (track.codec.name(), track.frame_rate)).collect();
    assert_eq!(names, [("Theora", Some(25.0)), ("Opus", None)]);
    let scanned = scan_all(&ogg);
    let video: Vec<_> =
        scanned.samples.iter().filter(|(_, sample)| sample.track == 0).map(|(_, sample)| sample).collect();
    let shown: Vec<_> = video.iter().map(|sample| (sample.pts.to_ticks(25), sample.is_sync)).collect();
    assert_eq!(shown, [(0, true), (2, false), (3, true), (4, false)]);
    assert_eq!(scanned.ticks(1), (0..10).map(|index| index * 960 - 312).collect::<Vec<i64>>());
    assert_eq!(
        ogg.header.tracks.iter().map(|track| track.duration.unwrap().to_ticks(48_000)).collect::<Vec<_>>(),
        [9600, 9600 - 312]
    );
}

/// One frame of 192 samples of silence, a constant subframe, in each page, 44.1 kHz, mono, 16 bits.
fn flac_pages(serial: u32) -> Vec<Vec<u8>> {
    let mut id = b"\x7fFLAC\x01\0\0\x01fLaC\0\0\0\x22\0\xc0\0\xc0\0\0\0\0\0\0".to_vec();
    id.extend_from_slice(&[0x0a, 0xc4, 0x40, 0xf0, 0, 0, 0, 0]);
    id.resize(51, 0);
    let frames: [&[u8]; 2] = [
        &[0xff, 0xf8, 0x19, 0x08, 0x00, 0xba, 0x00, 0x00, 0x00, 0x30, 0xb2],
        &[0xff, 0xf8, 0x19, 0x08, 0x01, 0xbd, 0x00, 0x00, 0x00, 0x5c, 0xca],
    ];
    vec![
        page(serial, 0, FIRST, 0, &[&id]),
        page(serial, 1, 0, 0, &[b"\x84\0\0\x08\0\0\0\0\0\0\0\0"]),
        page(serial, 2, 0, 192, &[frames[0]]),
        page(serial, 3, LAST, 384, &[frames[1]]),
    ]
}

#[test]
fn flac_frames_last_as_long_as_their_headers_say() {
    let ogg = open_bytes(&flac_pages(5).concat());
    let Codec::Flac(config) = &ogg.header.tracks[0].codec else { panic!("{:?}", ogg.header.tracks) };
    assert_eq!((config.sample_rate, config.channels, config.bits_per_sample), (44_100, 1, 16));
    let scanned = scan_all(&ogg);
    let times: Vec<_> = scanned.samples.iter().map(|(_, sample)| sample.pts.to_ticks(44_100)).collect();
    assert_eq!((times, scanned.skipped), (vec![0, 192], vec![]));
}

#[test]
fn what_cannot_be_streamed_is_named() {
    let speex = page(1, 0, FIRST, 0, &[b"Speex   and so on"]);
    let skeleton = page(2, 0, FIRST, 0, &[b"fishead\0"]);
    let headless = page(3, 0, FIRST, 0, &[&theora_headers()[0]]);
    let file = [speex, skeleton, headless, opus_file(4, 1, 0)].concat();
    let ogg = open_bytes(&file);
    let notes: Vec<_> = ogg.header.notes.iter().map(Note::to_string).collect();
    assert_eq!(
        notes,
        [
            "a bitstream of Speex is not streamed at byte 0",
            "a bitstream is left out, as its headers are malformed or missing at byte 81"
        ]
    );
    assert_eq!((ogg.header.tracks.len(), scan_all(&ogg).samples.len()), (1, 5));

    let nothing = Ogg::new(&source(b"OggS, it says")).err().map(|error| error.to_string());
    assert_eq!(nothing.as_deref(), Some("no Ogg bitstream begins in it"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn damage_neither_panics_nor_hangs_and_leaves_what_is_whole(
        mutations in vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        cut in any::<prop::sample::Index>(),
        from in any::<prop::sample::Index>(),
    ) {
        let [id, comments, setup] = theora_headers();
        let mut file = [page(9, 0, FIRST, 0, &[&id]), opus_file(1, 6, 10), page(9, 1, 0, 0, &[&comments, &setup])].concat();
        file.extend(page(9, 2, 0, 17, &[&[0x30], &[]]));
        file.extend(opus_file(2, 3, 10));
        file.extend(flac_pages(3).concat());
        for (at, value) in mutations {
            let at = at.index(file.len());
            file[at] = value;
        }
        file.truncate(cut.index(file.len()) + 1);
        if let Ok(ogg) = Ogg::new(&source(&file)) {
            let all = scan_all(&ogg);
            prop_assert!(all.skipped.len() < 100, "{:?}", all.skipped);
            let at = from.index(file.len()) as u64;
            scan_from(&ogg, Entry { at, time: None });
        }
    }

    #[test]
    fn valid_pages_of_any_content_neither_panic_nor_hang(
        pages in vec((0..3_u32, 0..4_u32, 0..8_u8, any::<u64>(), vec(any::<u8>(), 0..40)), 1..20),
    ) {
        let mut file = opus_file(0, 1, 0);
        file.extend(page(1, 0, FIRST, 0, &[&theora_headers()[0]]));
        for (serial, sequence, flags, granule, lacing) in pages {
            let body = vec![OPUS_TOC; lacing.iter().map(|len| usize::from(*len)).sum()];
            file.extend(raw_page(serial, sequence, flags, granule, &lacing, &body));
        }
        if let Ok(ogg) = Ogg::new(&source(&file)) {
            scan_all(&ogg);
        }
    }
}

#[test]
fn the_checksum_is_the_remainder_of_the_division_that_the_rfc_describes() {
    let divided = |page: &[u8]| {
        page.iter().fold(0_u32, |sum, byte| {
            let sum = sum ^ u32::from(*byte) << 24;
            (0..8).fold(sum, |sum, _| if sum >> 31 == 0 { sum << 1 } else { sum << 1 ^ 0x04c1_1db7 })
        })
    };
    for len in 27..60_u8 {
        let mut bytes: Vec<u8> = (0..len).map(|number| number.wrapping_mul(37) ^ len).collect();
        let told = page::checksum(&bytes);
        bytes[22..26].fill(0);
        assert_eq!(told, divided(&bytes), "{len} bytes");
    }
}
