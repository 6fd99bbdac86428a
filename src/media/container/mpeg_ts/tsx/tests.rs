use std::io::Write;

use super::super::testing::*;
use super::*;
use crate::media::io::Source;
use crate::time::MediaTime;

fn source(bytes: &[u8]) -> Source {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Source::new(file)
}

fn index_of(file: &[u8]) -> Vec<u8> {
    let mut index = Vec::new();
    let count = write(&source(file), &mut index).unwrap();
    assert_eq!(index.len(), count as usize * RECORD_LEN);
    index
}

fn records(index: &[u8]) -> Vec<Record> {
    index.as_chunks::<RECORD_LEN>().0.iter().map(|bytes| Record::from_bytes(*bytes)).collect()
}

/// A packet with nothing but a clock reference.
fn reference(muxer: &mut Muxer, ticks: u64) {
    let [a, b, c, d] = ((ticks >> 1) as u32).to_be_bytes();
    muxer.packet(0x1ff, false, &[0x10, a, b, c, d, (ticks << 7) as u8 | 0x7e, 0], &[]);
}

fn recording() -> Vec<u8> {
    let mut muxer = Muxer::default();
    for second in 0..10 {
        reference(&mut muxer, 900_000 + second * 90_000);
        muxer.movie(900_000, second * 24, second * 24 + 24);
    }
    muxer.file
}

#[test]
fn a_record_has_its_numbers_where_live555_has_them() {
    let record = Record { kind: 0x85, offset: 0x12, len: 0x34, time: 0x0403_0280, packet: 0x0908_0706 };
    let bytes = [0x85, 0x12, 0x34, 0x02, 0x03, 0x04, 0x80, 0x06, 0x07, 0x08, 0x09];
    assert_eq!((record.to_bytes(), Record::from_bytes(bytes)), (bytes, record));
}

#[test]
fn each_nal_unit_gets_a_record_for_each_packet_that_it_lies_in() {
    let mut muxer = Muxer::default();
    reference(&mut muxer, 900_000);
    muxer.tables(&[(0x1b, PID_VIDEO, &[])]);
    reference(&mut muxer, 900_000 + 135_000);
    muxer.pes(PID_VIDEO, &pes(0xe0, Some((0, None)), &h264_picture(0, true)));
    let found = records(&index_of(&muxer.file));
    let kinds: Vec<u8> = found.iter().map(|record| record.kind).collect();
    // A delimiter, both parameter sets and the first piece of the slice in one packet, the rest of it in three more.
    assert_eq!(kinds, [0x8a, 0x85, 0x86, 0x89, 9, 9, 9]);
    // The PES header has 14 bytes. The zero byte before each start code is the last of what comes before.
    assert_eq!((found[0].packet, found[0].offset, found[0].len), (4, 4 + 14, 1 + 3 + 2 + 1));
    assert_eq!(found[1].offset, found[0].offset + found[0].len);
    assert!(found.iter().all(|record| record.time == 0x180), "one second and a half: {found:x?}");
    assert_eq!(found.iter().map(|record| record.packet).collect::<Vec<_>>(), [4, 4, 4, 4, 5, 6, 7]);
    let covered: usize = found.iter().map(|record| usize::from(record.len)).sum();
    assert_eq!(covered, h264_picture(0, true).len());
}

#[test]
fn headers_of_mpeg_video_reach_up_to_the_picture() {
    let picture = |kind: u8| [&[0, 0, 1, 0, 0, kind << 3, 0, 0][..], &[0, 0, 1, 1, 0xaa, 0xaa]].concat();
    let sequence = [0, 0, 1, 0xb3, 0x14, 0, 0, 0, 0, 0, 1, 0xb5, 0x14];
    let group = [0, 0, 1, 0xb8, 0, 8, 0, 0];
    let mut muxer = Muxer::default();
    muxer.tables(&[(0x02, PID_VIDEO, &[])]);
    let stream = [&sequence[..], &group, &picture(1), &picture(2)].concat();
    muxer.pes(PID_VIDEO, &pes(0xe0, Some((0, None)), &stream));
    let found: Vec<_> = records(&index_of(&muxer.file)).iter().map(|record| (record.kind, record.len)).collect();
    assert_eq!(found, [(0x81, 13), (0x82, 8), (0x84, 14), (0x83, 14)]);
}

#[test]
fn an_index_that_was_written_leads_to_the_key_frames() {
    let file = recording();
    let sidecar = Sidecar::open(source(&index_of(&file)), &source(&file)).unwrap();
    for seconds in [0, 3, 9, 100] {
        let (at, time) = sidecar.find(MediaTime::from_millis(seconds * 1000 + 500)).unwrap();
        let expected = seconds.min(9);
        assert_eq!(time, MediaTime::from_millis(expected * 1000));
        // The third key frame of that second of the muxer, the last with that reference.
        assert_eq!(file[at as usize..at as usize + 3], [0x47, 0x41, 0x00]);
    }
    assert_eq!(sidecar.find(MediaTime::from_millis(-5)), None);
}

#[test]
fn an_index_of_another_file_is_refused() {
    let file = recording();
    let index = index_of(&file);
    let mut swapped = index.clone();
    swapped.rotate_left(index.len() / 2 / RECORD_LEN * RECORD_LEN);
    let mut far = index.clone();
    let last = far.len() - 2;
    far[last] = 0x7f;
    for (what, index) in [
        ("nothing", vec![]),
        ("a byte too many", [&index[..], &[0]].concat()),
        ("not in order", swapped),
        ("beyond the end", far),
        ("noise", vec![0xa5; 11 * 1000]),
    ] {
        assert!(Sidecar::open(source(&index), &source(&file)).is_err(), "{what}");
    }
}

#[test]
fn a_file_without_video_has_no_index() {
    let mut muxer = Muxer::default();
    muxer.tables(&[(0x03, PID_SOUND, &[])]);
    muxer.pes(PID_SOUND, &pes(0xc0, Some((0, None)), &mp2_frame(0)));
    for file in [muxer.file, vec![0x55; 2000], vec![]] {
        assert!(write(&source(&file), &mut Vec::new()).is_err());
    }
}

proptest::proptest! {
    #[test]
    fn damaged_files_neither_panic_nor_hang(
        damage in proptest::collection::vec((proptest::prelude::any::<proptest::sample::Index>(), 0_u8..), 0..60),
    ) {
        let mut muxer = Muxer::default();
        muxer.movie(0, 0, 16);
        let mut file = muxer.file;
        for (index, value) in &damage {
            let index = index.index(file.len());
            file[index] = *value;
        }
        let mut index = Vec::new();
        if write(&source(&file), &mut index).is_ok() {
            for (position, value) in damage {
                let position = position.index(index.len());
                index[position] = value;
            }
            if let Ok(sidecar) = Sidecar::open(source(&index), &source(&file)) {
                sidecar.find(MediaTime::from_millis(300));
            }
        }
    }
}

#[test]
fn an_index_beside_a_file_is_used_where_it_fits_and_named_where_not() {
    use super::super::scanner::TransportStream;
    use super::super::whole::WholeStream;
    use crate::media::scan::Format;
    let file = recording();
    let index = index_of(&file);
    let with = |index: Vec<u8>| {
        source(&file).with_beside(move |behind| {
            let mut opened = tempfile::tempfile().unwrap();
            opened.write_all(&index).unwrap();
            (behind == "x").then_some(opened)
        })
    };
    let time = MediaTime::from_millis(4500);
    let (tracks, whole) =
        (TransportStream::open(&with(index.clone())).unwrap(), WholeStream::open(&with(index)).unwrap());
    for format in [&tracks as &dyn Format, &whole] {
        let entry = format.locate(time).unwrap();
        assert_eq!(entry.time, Some(MediaTime::from_millis(4000)));
        assert_eq!(format.header().notes, []);
        assert_eq!(format.locate(MediaTime::from_millis(-1)), Some(format.header().start));
    }
    let garbage = TransportStream::open(&with(vec![0xa5; 1000])).unwrap();
    assert_eq!(garbage.locate(time), None);
    let note = garbage.header().notes[0].to_string();
    assert_eq!(note, "its .tsx is not used: malformed length of the index, which is no multiple of 11 at byte 1000");
}
