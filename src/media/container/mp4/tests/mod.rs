//! Whole files, built in code, through `open` and the reader.

mod codings;
mod fragments;
mod seeking;

use std::sync::LazyLock;

use proptest::prelude::*;

use super::testing::*;
use super::{Mp4, sniff};
use crate::media::codec::{
    AacConfig, Ac3Config, AmrConfig, Av1Config, DvConfig, FlacConfig, G711Config, H263Config, JpegConfig,
    MetadataConfig, Mpeg4VisualConfig, MpegAudioConfig, MpegVideoConfig, OpusConfig, PcmConfig, PcmFormat, TextConfig,
    VpxConfig,
};
use crate::media::container::Sniff;
use crate::media::{Codec, Next, Recording, Sample, SeekTo};
use crate::media::{Note, Reader};
use crate::time::MediaTime;

fn both() -> Vec<TestTrack> {
    vec![video(1, 100), audio(2, 187)]
}

fn notes(movie: &Mp4) -> Vec<String> {
    movie.notes().iter().map(Note::to_string).collect()
}

fn reader(bytes: &[u8]) -> Box<dyn Reader> {
    open(bytes).unwrap().reader().unwrap()
}

fn at(seconds: f64) -> MediaTime {
    MediaTime::from_secs_f64(seconds)
}

#[test]
fn samples_come_out_the_same_wherever_moov_lies_and_however_tables_are_written() {
    let tracks = both();
    for layout in [Layout::MoovFirst, Layout::MoovLast, Layout::Wide, Layout::OpenMdat] {
        assert_eq!(read_all(&whole_file(&tracks, layout)), expected(&tracks), "{layout:?}");
    }
    for bits in [16, 8] {
        let mut tracks = both();
        tracks.iter_mut().for_each(|track| track.size_box = SizeBox::Compact(bits));
        assert_eq!(read_all(&whole_file(&tracks, Layout::MoovLast)), expected(&tracks), "stz2 of {bits} bits");
    }
    let mut tracks = vec![audio(1, 31)];
    tracks[0].samples.iter_mut().for_each(|sample| sample.data.truncate(15));
    tracks[0].size_box = SizeBox::Compact(4);
    assert_eq!(read_all(&whole_file(&tracks, Layout::MoovLast)), expected(&tracks), "stz2 of 4 bits");
}

#[test]
fn the_tracks_say_how_long_how_fast_and_how_large_they_are() {
    let movie = open(&whole_file(&both(), Layout::MoovFirst)).unwrap();
    let tracks = movie.tracks();
    assert_eq!(tracks[0].duration, Some(at(4.0)));
    assert_eq!(tracks[0].frame_rate, Some(25.0));
    let bytes: usize = both()[0].samples.iter().map(|sample| sample.data.len()).sum();
    assert_eq!(tracks[0].bitrate, Some(bytes as u32 * 2));
    assert_eq!(tracks[1].bitrate, Some(128_000), "as esds says");
    assert_eq!(movie.duration(), Some(at(4.0)));
    let config = AacConfig::parse(&[0x11, 0x90], 0).unwrap();
    assert_eq!(tracks[1].codec, Codec::Aac(config));
}

#[test]
fn composition_offsets_give_pts_and_negative_ones_lower_dts() {
    let mut track = video(1, 8);
    for (sample, offset) in track.samples.iter_mut().zip([0, 1024, 0, -512, 0, 1024, 0, -512]) {
        sample.offset = offset;
    }
    let whole = read_all(&whole_file(std::slice::from_ref(&track), Layout::MoovFirst));
    let millis = |nanos: i64| nanos / 1_000_000;
    let times: Vec<_> = whole.iter().map(|got| (millis(got.pts), millis(got.dts))).collect();
    let wanted = [(0, -40), (120, 0), (80, 40), (80, 80), (160, 120), (280, 160), (240, 200), (240, 240)];
    assert_eq!(times, wanted);
    assert_eq!(read_all(&fragmented_file(&[track], PLAIN)), whole, "the same in fragments");
}

#[test]
fn an_edit_list_moves_the_media_on_the_timeline() {
    let edit =
        |entries: &[[u32; 3]]| full(b"elst", 0, 0, &[&words(&[entries.len() as u32]), &words(&entries.concat())]);
    const EMPTY: u32 = u32::MAX;
    for (entries, first_millis, note) in [
        (&[[0, 1024, 0x1_0000]][..], -80, false),
        (&[[700, EMPTY, 0x1_0000], [0, 0, 0x1_0000]], 700, false),
        (&[[700, EMPTY, 0x1_0000], [300, EMPTY, 0x1_0000], [0, 512, 0x1_0000]], 960, false),
        (&[[500, 512, 0x1_0000], [500, 5120, 0x1_0000]], -40, true),
    ] {
        let tracks = [TestTrack { elst: edit(entries), ..video(1, 30) }];
        for bytes in [whole_file(&tracks, Layout::MoovFirst), fragmented_file(&tracks, PLAIN)] {
            let movie = open(&bytes).unwrap();
            assert_eq!(!notes(&movie).is_empty(), note, "{entries:?}: {:?}", notes(&movie));
            let first = &read_all(&bytes)[0];
            assert_eq!((first.pts, first.dts), (first_millis * 1_000_000, first_millis * 1_000_000), "{entries:?}");
            assert_eq!(movie.duration(), Some(at(1.2 + first_millis as f64 / 1000.0)));
        }
    }
}

#[test]
fn what_an_edit_list_cuts_away_is_read_from_the_key_frame_before_only() {
    let mut tracks = both();
    // From 3.5 s on: picture 87, whose group starts with picture 80 at 3.2 s; sound from 1 s before.
    tracks[0].elst = full(b"elst", 0, 0, &[&words(&[1, 500, 44_800, 0x1_0000])]);
    tracks[1].elst = full(b"elst", 0, 0, &[&words(&[1, 500, 168_000, 0x1_0000])]);
    let bytes = whole_file(&tracks, Layout::MoovLast);
    let got = read_all(&bytes);
    let first = |track| got.iter().find(|got| got.track == track).unwrap();
    assert_eq!((first(0).pts, first(0).is_sync), (-300_000_000, true));
    assert!((-1_000_000_000..-970_000_000).contains(&first(1).pts), "{}", first(1).pts);
    assert_eq!(reader(&bytes).seek(at(0.0), SeekTo::SyncAtOrBefore).unwrap(), MediaTime::ZERO);
}

#[test]
fn sync_samples_are_those_of_stss_all_without_one_and_the_first_when_it_is_empty() {
    let mut track = video(1, 25);
    let syncs = |track: &TestTrack| {
        let got = read_all(&whole_file(std::slice::from_ref(track), Layout::MoovFirst));
        got.iter().enumerate().filter(|(_, got)| got.is_sync).map(|(index, _)| index).collect::<Vec<_>>()
    };
    assert_eq!(syncs(&track), [0, 10, 20]);
    track.has_stss = false;
    assert_eq!(syncs(&track), (0..25).collect::<Vec<_>>());
    track.has_stss = true;
    track.samples.iter_mut().for_each(|sample| sample.is_sync = false);
    assert_eq!(syncs(&track), [0]);
}

#[test]
fn pictures_of_stps_are_key_frames_to_land_at_as_well() {
    let track = TestTrack { stps: vec![6, 16], ..video(1, 25) };
    let bytes = whole_file(&[track], Layout::MoovFirst);
    let keys: Vec<_> = read_all(&bytes).iter().enumerate().filter(|(_, got)| got.is_sync).map(|(at, _)| at).collect();
    assert_eq!(keys, [0, 5, 10, 15, 20]);
    let mut reader = reader(&bytes);
    for (to, how, landed) in [
        (0.75, SeekTo::SyncAtOrBefore, 0.6),
        (0.59, SeekTo::SyncAtOrBefore, 0.4),
        (0.01, SeekTo::SyncAtOrAfter, 0.2),
        (0.21, SeekTo::SyncAtOrAfter, 0.4),
    ] {
        assert_eq!(reader.seek(at(to), how).unwrap(), at(landed), "{to} {how:?}");
    }
}

#[test]
fn tracks_that_cannot_be_streamed_are_left_out_with_a_note() {
    let mut text = audio(3, 5);
    text.stsd = stsd(&[atom(b"gpmd", &[&[0; 30]])]);
    let mut dts = audio(4, 5);
    dts.stsd = stsd(&[sound_entry(b"mp4a", 2, 16, 44_100, &[&esds(0xa9)])]);
    let empty = TestTrack { samples: Vec::new(), ..audio(5, 0) };
    let mut without_stsd = audio(6, 5);
    without_stsd.stsd = atom(b"free", &[]);
    let tracks = [video(1, 10), text, dts, empty, without_stsd];
    let bytes = whole_file(&tracks, Layout::MoovFirst);
    let movie = open(&bytes).unwrap();
    assert_eq!(movie.tracks().len(), 1);
    let trak = find(&bytes, b"trak", 4);
    let wanted = [
        "track 3 is left out: GoPro's telemetry (gpmd) is not supported".to_owned(),
        "track 4 is left out: DTS (mp4a) is not supported".to_owned(),
        format!("track 6 is left out: malformed trak without stsd at byte {trak}"),
        "track 5 is left out: it has no samples".to_owned(),
    ];
    assert_eq!(notes(&movie), wanted);
    let error = open(&whole_file(&tracks[1..2], Layout::MoovFirst)).unwrap_err();
    assert_eq!(error.to_string(), format!("no track can be streamed: {}", wanted[0]));
}

#[test]
fn a_file_without_moov_or_samples_says_so() {
    let bytes = whole_file(&both(), Layout::MoovLast);
    let crashed = &bytes[..find(&bytes, b"moov", 0)];
    let wanted = "the index (moov) is missing: the recorder did not finish the file (mdat at byte 24 cannot be read)";
    assert_eq!(open(crashed).unwrap_err().to_string(), wanted);
    assert_eq!(open(&crashed[..500]).unwrap_err().to_string(), wanted, "cut off within mdat");
    let mut broken = bytes.clone();
    patch(&mut broken, find(&bytes, b"moov", 0), &words(&[4]));
    let wanted = format!("malformed size of the moov box at byte {}", find(&bytes, b"moov", 0));
    assert_eq!(open(&broken).unwrap_err().to_string(), wanted);
    let cut_moov = &bytes[..find(&bytes, b"moov", 0) + 40];
    let wanted = format!("moov is cut off at byte {}", cut_moov.len());
    assert_eq!(open(cut_moov).unwrap_err().to_string(), wanted);
    let fragmented = fragmented_file(&both(), PLAIN);
    let first = find(&fragmented, b"moof", 0);
    let wanted = "the recording has no samples: there is nothing but its header (moov)";
    assert_eq!(open(&fragmented[..first]).unwrap_err().to_string(), wanted);
    let wanted = "a part of a recording, without its header: no moov box before the moof at byte 0";
    assert_eq!(open(&fragmented[first..]).unwrap_err().to_string(), wanted);
}

#[test]
fn a_moov_that_is_cut_off_still_gives_the_tracks_before_the_cut() {
    let bytes = whole_file(&both(), Layout::MoovLast);
    let cut = &bytes[..find(&bytes, b"trak", 1) + 100];
    let movie = open(cut).unwrap();
    assert_eq!(movie.tracks().len(), 1);
    let (got, skipped) = read_on(&mut *movie.clone().reader().unwrap());
    assert_eq!((got.len(), skipped.len()), (100, 0));
    assert!(notes(&movie)[0].contains(&format!("cut off at byte {}", cut.len())), "{:?}", notes(&movie));
}

#[test]
fn samples_beyond_the_end_of_the_file_are_named_once_and_all_others_played() {
    let tracks = both();
    let mut bytes = whole_file(&tracks, Layout::MoovFirst);
    let whole = read_all(&bytes);
    bytes.truncate(bytes.len() - 700);
    let (got, skipped) = read_on(&mut *reader(&bytes));
    assert_eq!(skipped, [format!("sample is cut off at byte {}", bytes.len())]);
    assert!(got.len() < whole.len() && got.len() > 200, "{} of {}", got.len(), whole.len());
    assert!(got.iter().all(|got| whole.contains(got)));
    let movie = open(&bytes).unwrap();
    let last = got.iter().rfind(|got| got.track == 0).unwrap().pts;
    assert_eq!(
        movie.tracks()[0].duration,
        Some(MediaTime::from_nanos(last + 40_000_000)),
        "as far as it can be played"
    );
    let last_key = got.iter().rfind(|got| got.track == 0 && got.is_sync).unwrap().pts;
    for how in [SeekTo::SyncAtOrBefore, SeekTo::SyncAtOrAfter] {
        let landed = movie.clone().reader().unwrap().seek(at(3.99), how).unwrap();
        assert_eq!(landed.as_nanos(), last_key, "{how:?}");
    }
}

#[test]
fn pictures_that_last_no_time_can_be_landed_at() {
    let mut track = video(1, 22);
    track.samples[20].duration = 0;
    track.samples[21].duration = 0;
    track.samples[21].is_sync = true;
    let mut reader = reader(&whole_file(&[track], Layout::MoovFirst));
    assert_eq!(reader.seek(at(5.0), SeekTo::SyncAtOrBefore).unwrap(), at(0.8));
    assert_eq!(read_on(&mut *reader).0.len(), 1, "the last of the two, not the first");
}

#[test]
fn one_wild_chunk_offset_costs_only_its_samples() {
    let tracks = [video(1, 100)];
    let mut bytes = whole_file(&tracks, Layout::MoovFirst);
    let stco = find(&bytes, b"stco", 0);
    patch(&mut bytes, stco + 16 + 4 * 3, &words(&[0x7000_0000]));
    let (got, skipped) = read_on(&mut *reader(&bytes));
    assert_eq!((got.len(), skipped.len()), (93, 1), "{skipped:?}");
}

#[test]
fn a_free_box_smaller_than_its_header_and_zeros_at_the_end_do_no_harm() {
    let tracks = both();
    let whole = whole_file(&tracks, Layout::MoovFirst);
    // A free box of 8 bytes that says 3 between ftyp and moov; the samples move by 8 bytes then, so moov goes last.
    let file = whole_file(&tracks, Layout::MoovLast);
    let mut bytes = file.clone();
    bytes.extend([0; 1000]);
    assert_eq!(read_all(&bytes), expected(&tracks), "zeros");
    let moov = find(&file, b"moov", 0);
    let free = [&words(&[3])[..], b"free"].concat();
    let bytes = [&file[..moov], &free, &file[moov..]].concat();
    assert_eq!(read_all(&bytes), expected(&tracks), "free");
    let mut bytes = whole;
    bytes.extend([0, 0, 0, 4, b'j', b'u', b'n', b'k']);
    let movie = open(&bytes).unwrap();
    assert_eq!(notes(&movie), [format!("malformed size of the junk box at byte {}", bytes.len() - 8)]);
    assert_eq!(read_on(&mut *movie.reader().unwrap()).0, expected(&tracks));
}

#[test]
fn a_nal_length_beyond_the_sample_is_told_after_the_units_before_it() {
    let mut track = video(1, 3);
    track.samples[1].data = [prefixed(&[0x41, 1], 4), words(&[99]), vec![1, 2]].concat();
    track.samples[2].data = words(&[99]);
    let bytes = whole_file(&[track], Layout::MoovFirst);
    let mut reader = reader(&bytes);
    let mut sample = Sample::default();
    assert!(matches!(reader.next(&mut sample), Ok(Next::Sample)));
    assert!(matches!(reader.next(&mut sample), Ok(Next::Sample)));
    assert_eq!((&sample.data[..], &sample.nals[..]), (&[0, 0, 0, 2, 0x41, 1][..], std::slice::from_ref(&(4..6))));
    let (got, skipped) = read_on(&mut *reader);
    let second = bytes.len() - 4 - 12 + 6;
    let wanted = [second, bytes.len() - 4].map(|at| format!("malformed NAL unit length at byte {at}"));
    assert_eq!((got.len(), &skipped[..]), (0, &wanted[..]));
}

#[test]
fn zeros_where_samples_should_be_are_told_and_stepped_over() {
    let mut track = video(1, 1000);
    for sample in &mut track.samples[100..900] {
        sample.data.fill(0);
    }
    let (got, skipped) = read_on(&mut *reader(&whole_file(&[track], Layout::MoovFirst)));
    assert_eq!(got.len(), 200);
    assert!((1..10).contains(&skipped.len()), "{skipped:?}");
}

#[test]
fn nal_units_are_found_behind_lengths_of_one_two_and_four_bytes() {
    for length_size in [1, 2, 4] {
        let mut track = video(1, 10);
        track.stsd = stsd(&[visual_entry(b"avc1", &[&avcc(length_size as u8, &[SPS], &[PPS])])]);
        for sample in &mut track.samples {
            sample.data = [prefixed(&[9, 0x10], length_size), prefixed(&[0x41; 30], length_size)].concat();
        }
        let got = read_all(&whole_file(&[track], Layout::MoovFirst));
        assert!(got.iter().all(|got| got.nals == 2), "{length_size}");
    }
}

#[test]
fn parameter_sets_that_the_sample_entry_lacks_come_from_the_first_samples() {
    let mut track = video(1, 10);
    track.stsd = stsd(&[visual_entry(b"avc3", &[&avcc(4, &[], &[])])]);
    track.samples[0].data = [prefixed(SPS, 4), prefixed(PPS, 4), prefixed(&[0x65, 1], 4)].concat();
    for bytes in [whole_file(&[track.clone()], Layout::MoovLast), fragmented_file(&[track.clone()], PLAIN)] {
        let movie = open(&bytes).unwrap();
        let Codec::H264(config) = &movie.tracks()[0].codec else { panic!("{:?}", movie.tracks()) };
        assert_eq!((&config.sps[..], &config.pps[..]), (&[SPS.to_vec()][..], &[PPS.to_vec()][..]));
    }
    track.samples[0].data = prefixed(&[0x65, 1], 4);
    let error = open(&whole_file(&[track], Layout::MoovLast)).unwrap_err();
    assert_eq!(error.to_string(), "no track can be streamed: track 1 is left out: it has no parameter sets");
}

#[test]
fn key_frames_of_another_description_bring_its_parameter_sets_along() {
    let other = [&[0x67, 0x64, 0, 0x28][..], &[0x68, 0xee]];
    let mut track = video(1, 60);
    track.samples_per_chunk = 10;
    let entries = [(4, SPS, PPS), (2, other[0], other[1])]
        .map(|(n, sps, pps)| visual_entry(b"avc1", &[&avcc(n, &[sps], &[pps])]));
    track.stsd = stsd(&entries);
    for (index, sample) in track.samples.iter_mut().enumerate() {
        if (20..40).contains(&index) {
            sample.description = 2;
            sample.data = prefixed(&sample.data[4..], 2);
        }
    }
    let bytes = whole_file(&[track.clone()], Layout::MoovFirst);
    let got = read_all(&bytes);
    let nals: Vec<usize> = got.iter().map(|got| got.nals).collect();
    let wanted: Vec<usize> = (0..60).map(|index| if [20, 30, 40].contains(&index) { 3 } else { 1 }).collect();
    assert_eq!(nals, wanted);
    let data = [prefixed(other[0], 2), prefixed(other[1], 2), track.samples[30].data.clone()].concat();
    assert_eq!(got[30].data, data);
    assert!(got[40].data.starts_with(&prefixed(SPS, 4)), "back to the first description");
}

#[test]
fn the_start_of_a_file_tells_whether_it_is_one() {
    let file = whole_file(&both(), Layout::MoovFirst);
    let starts_with = |kind: &[u8; 4], size: u32| [&words(&[size])[..], kind, &file].concat();
    for (head, sniffed) in [
        (file.clone(), Sniff::Yes),
        (file[24..].to_vec(), Sniff::Yes),
        (starts_with(b"free", 8), Sniff::Yes),
        (starts_with(b"free", 3), Sniff::Yes),
        (starts_with(b"mdat", 100_000), Sniff::Maybe),
        (starts_with(b"mdat", 1), Sniff::Maybe),
        (starts_with(b"wide", 8), Sniff::Yes),
        (starts_with(b"ftyp", 4), Sniff::No),
        (starts_with(b"moov", 3), Sniff::No),
        (b"\x1aE\xdf\xa3 and so on".to_vec(), Sniff::No),
        (vec![], Sniff::No),
        (vec![0; 100], Sniff::No),
    ] {
        assert_eq!(sniff(&head), sniffed, "{}", head[..head.len().min(16)].escape_ascii());
    }
}

/// Opens, reads and seeks; whatever comes of it, it must come soon and without a panic.
fn exercise(bytes: &[u8]) {
    let Ok(movie) = open(bytes) else { return };
    let mut reader = movie.reader().unwrap();
    let mut sample = Sample::default();
    let mut calls = 0;
    for (to, how) in [(-1.0, SeekTo::SyncAtOrBefore), (1.3, SeekTo::SyncAtOrAfter), (9e9, SeekTo::SyncAtOrBefore)] {
        let _ = reader.seek(at(to), how);
        loop {
            calls += 1;
            assert!(calls < 100_000, "reading does not end");
            match reader.next(&mut sample) {
                Ok(Next::End) | Err(_) => break,
                Ok(_) => assert!(sample.nals.iter().all(|nal| nal.end <= sample.data.len() && nal.start < nal.end)),
            }
        }
    }
}

static SMALL_FILES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let mut tracks = vec![video(1, 30), audio(2, 50)];
    tracks[0].samples.iter_mut().zip([1024, 2048, 512, 0].iter().cycle()).for_each(|(s, o)| s.offset = *o);
    tracks[0].elst = full(b"elst", 0, 0, &[&words(&[1, 1200, 1024, 0x1_0000])]);
    let pcm = pcm(3, sound_entry(b"twos", 2, 16, 8000, &[]), 8000, 4, 3000);
    vec![
        whole_file(&[tracks[0].clone(), pcm], Layout::MoovFirst),
        whole_file(&tracks, Layout::Wide),
        fragmented_file(&tracks, PLAIN),
        fragmented_file(&tracks, Fragmenting { base: Base::Implicit, has_tfdt: false, index: Index::Mfra, ..PLAIN }),
        fragmented_file(&tracks, Fragmenting { index: Index::Sidx, is_verbose: true, ..PLAIN }),
    ]
});

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn flipped_bytes_never_panic_nor_hang(
        file in 0_usize..5,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        word in any::<prop::sample::Index>(),
        value in prop::sample::select(vec![None, Some(0_u32), Some(1), Some(7), Some(0x7fff_ffff), Some(0xffff_ffff)]),
    ) {
        let mut bytes = SMALL_FILES[file].clone();
        // Headers are what matters: most of the flips go there.
        let head = find(&bytes, b"moov", 0);
        let len = bytes.len();
        for (place, byte) in flips {
            let at = head + place.index(len - head);
            bytes[at] = byte;
        }
        if let Some(value) = value {
            let at = head + word.index(len - head - 4) / 4 * 4;
            patch(&mut bytes, at.min(len - 4), &value.to_be_bytes());
        }
        exercise(&bytes);
    }

    #[test]
    fn files_cut_off_anywhere_never_panic_nor_hang(file in 0_usize..5, cut in any::<prop::sample::Index>()) {
        let bytes = &SMALL_FILES[file];
        exercise(&bytes[..cut.index(bytes.len())]);
    }
}
