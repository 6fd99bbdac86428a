//! Files that are cut off, damaged or made to harm.

use proptest::prelude::*;

use super::*;

/// Three Clusters of two pictures and an audio frame each.
fn clusters() -> [Vec<u8>; 3] {
    [0, 1, 2].map(|index: u8| {
        let mark = index * 16;
        let blocks = [
            simple_block(1, 0, 0x80, picture(mark)),
            simple_block(2, 0, 0x80, [mark; 8]),
            simple_block(1, 40, 0, picture(mark + 1)),
        ];
        cluster(u64::from(index) * 1000, blocks)
    })
}

/// The file, and where each Cluster begins.
fn whole() -> (Vec<u8>, [usize; 3]) {
    let [a, b, c] = clusters();
    let lens = [a.len(), b.len(), c.len()];
    let bytes = file([info(2080.0), tracks([video(), audio()]), a, b, c]);
    let third = bytes.len() - lens[2];
    (bytes, [third - lens[1] - lens[0], third - lens[1], third])
}

/// The lines of `samples` of one Cluster, which its number tells.
fn without_cluster(samples: &[String], cluster: i64) -> Vec<String> {
    let is_other = |line: &&String| {
        let pts: i64 = line.split([' ', '/']).nth(1).unwrap().parse().unwrap();
        pts / 1000 != cluster
    };
    samples.iter().filter(is_other).cloned().collect()
}

#[test]
fn a_file_that_is_cut_off_plays_every_whole_block_and_says_where_it_ends() {
    let (bytes, [first, ..]) = whole();
    let all = read(&bytes);
    assert_eq!(all.len(), 9);
    let mut most = 0;
    for len in first..bytes.len() {
        let mut lines = read(&bytes[..len]);
        let last = lines.pop().unwrap_or_default();
        assert!(last.ends_with(&format!("is cut off at byte {len}")), "cut at {len}: {last}");
        assert!(lines.iter().all(|line| all.contains(line)), "cut at {len}: {lines:?}");
        assert!(lines.len() >= most, "cut at {len}: {lines:?}");
        most = lines.len();
    }
    assert_eq!(most, 8);
}

#[test]
fn behind_damage_reading_goes_on_at_the_next_cluster_and_it_is_told_once() {
    let (bytes, [_, second, third]) = whole();
    let all = read(&bytes);
    let expected = without_cluster(&all, 1);
    // The Timestamp follows the 8-byte header of the Cluster; from there on, zeros and noise.
    for (fill, at) in [(0, second + 8), (0xFF, second + 8), (0x37, second), (0x00, second)] {
        let mut bytes = bytes.clone();
        bytes[at..third - 3].fill(fill);
        let lines = read(&bytes);
        let told: Vec<&String> = lines.iter().filter(|line| !all.contains(line)).collect();
        assert!(matches!(told[..], [one] if one.contains(&format!("at byte {at}"))), "{fill:02x} at {at}: {told:?}");
        let samples: Vec<String> = lines.iter().filter(|line| all.contains(line)).cloned().collect();
        assert_eq!(samples, expected, "{fill:02x} at {at}");
    }
}

#[test]
fn sizes_that_lie_cost_no_more_than_their_cluster() {
    let (bytes, [_, second, _]) = whole();
    let all = read(&bytes);
    let samples = |bytes: &[u8]| -> Vec<String> { read(bytes).into_iter().filter(|line| all.contains(line)).collect() };
    // The size of the Cluster too large (it swallows the next), and of its first block, beyond Cluster and file.
    let first_block_size = second + 8 + 13 + 1;
    for (at, size, expected) in [
        (second + 4, 0x1000_1000_u32, all.clone()),
        (first_block_size, 0x1000_0100, without_cluster(&all, 1)),
        (first_block_size, 0x1FFF_FFF0, without_cluster(&all, 1)),
    ] {
        let mut bytes = bytes.clone();
        bytes[at..at + 4].copy_from_slice(&size.to_be_bytes());
        assert_eq!(samples(&bytes), expected, "size {size:08x} at {at}");
    }
}

#[test]
fn a_block_that_cannot_be_read_is_skipped_alone() {
    let bad_lacing = simple_block(1, 0, 0x82, [3, 255, 255]);
    let bad_header = element(id::SIMPLE_BLOCK, [0x81, 0]);
    let bad_nal = simple_block(1, 20, 0, [0, 0, 9, 9, 1]);
    let unknown = element(0x42FE, [1; 10]);
    let of_other_track = simple_block(9, 0, 0x80, [1; 10]);
    let blocks = [bad_lacing, bad_header, of_other_track, unknown, bad_nal, simple_block(1, 40, 0x80, picture(7))];
    let lines = read(&file([tracks([video()]), cluster(0, blocks)]));
    let kinds: Vec<&str> = lines.iter().map(|line| line.split(" at byte").next().unwrap()).collect();
    assert_eq!(
        kinds,
        ["malformed lacing of a block", "malformed block header", "malformed NAL unit length", "0 40/40* 000000026507"]
    );
}

#[test]
fn a_file_that_shrinks_while_it_plays_ends() {
    let (bytes, [_, second, _]) = whole();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&bytes).unwrap();
    let source = Source::new(file.try_clone().unwrap());
    let mut reader = crate::media::open(&source, "", &Options::default()).unwrap().reader().unwrap();
    reader.next(&mut Sample::default()).unwrap();
    file.set_len(second as u64).unwrap();
    let lines = rest(&mut *reader);
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[2].starts_with("a frame is cut off at byte "), "{lines:?}");
    reader.seek(MediaTime::from_millis(1000), SeekTo::SyncAtOrBefore).unwrap();
}

#[test]
fn a_file_appended_to_another_is_not_played() {
    let (bytes, _) = whole();
    let live = live_file([tracks([video(), audio()]), clusters().concat()]);
    assert_eq!(read(&[live, bytes.clone()].concat()), read(&bytes));
}

/// Opens, reads and seeks; whatever comes, it must come to an end.
fn exercise(bytes: &[u8]) {
    let Ok(recording) = open(bytes) else { return };
    let mut reader = recording.reader().unwrap();
    // Each block of at least 5 bytes has at most 256 frames, and each damage is at least a byte.
    let limit = bytes.len() * 60;
    let mut sample = Sample::default();
    for to in [None, Some(1040), Some(5000), Some(1), Some(-9)] {
        for how in [SeekTo::SyncAtOrBefore, SeekTo::SyncAtOrAfter] {
            if let Some(to) = to {
                reader.seek(MediaTime::from_millis(to), how).unwrap();
            }
            let mut count = 0;
            while !matches!(reader.next(&mut sample).unwrap(), Next::End) {
                count += 1;
                assert!(count < limit, "no end");
                for nal in &sample.nals {
                    assert!(!sample.data[nal.clone()].is_empty());
                }
            }
        }
    }
}

/// A file with one of everything.
fn rich() -> Vec<u8> {
    let laced = simple_block(2, 500, 0x86, [&[2, 0x85, 0xC2][..], &[7; 40]].concat());
    let xiph = simple_block(2, 600, 0x82, [&[1, 9][..], &[7; 40]].concat());
    let group = master(
        id::BLOCK_GROUP,
        [
            element(id::BLOCK, block(1, 40, 0, picture(4))),
            element(id::REFERENCE_BLOCK, [0xD8]),
            uint(id::BLOCK_DURATION, 40),
        ],
    );
    let cue = |ticks: u64, position: u64| {
        let positions = master(id::CUE_TRACK_POSITIONS, [uint(id::CUE_CLUSTER_POSITION, position)]);
        master(id::CUE_POINT, [uint(id::CUE_TIME, ticks), positions])
    };
    let cues = master(id::CUES, [cue(0, 300), cue(1000, 440)]);
    let bare = track(3, "V_MPEGH/ISO/HEVC", []);
    let opus = track(4, "A_OPUS", [uint(id::CODEC_DELAY, 6_500_000)]);
    let [a, b, c] = clusters();
    let more = cluster(3000, [laced, xiph, group, simple_block(4, 0, 0x84, [1, 8, 1, 8, 1])]);
    file([cues, tracks([video(), audio(), bare, opus]), a, b, more, c])
}

proptest! {
    #[test]
    fn no_mutation_of_a_file_panics_or_hangs(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        cut in prop::option::of(any::<prop::sample::Index>()),
        is_live in any::<bool>(),
    ) {
        let mut bytes = rich();
        if is_live {
            // Of unknown size: the Segment.
            let size_at = ebml_header().len() + 4;
            bytes[size_at..size_at + 4].copy_from_slice(&[0x1F, 0xFF, 0xFF, 0xFF]);
        }
        for (index, value) in edits {
            let at = index.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        exercise(&bytes);
    }

    #[test]
    fn no_sequence_of_elements_panics_or_hangs(
        elements in prop::collection::vec((prop::sample::select(IDS), any::<u8>(), 0_usize..20), 0..60),
    ) {
        let mut bytes = [ebml_header(), open_ended(id::SEGMENT, tracks([video(), audio()]))].concat();
        for (id, size, len) in elements {
            bytes.extend(id_bytes(id));
            bytes.push(size);
            bytes.extend(std::iter::repeat_n(0x81, len));
        }
        exercise(&bytes);
    }
}

const IDS: &[u32] = &[
    id::CLUSTER,
    id::TIMESTAMP,
    id::SIMPLE_BLOCK,
    id::BLOCK_GROUP,
    id::BLOCK,
    id::BLOCK_DURATION,
    id::REFERENCE_BLOCK,
    id::SEEK_HEAD,
    id::CUES,
    id::TRACKS,
    id::VOID,
    id::SEGMENT,
];
