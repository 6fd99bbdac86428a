//! Whole files, built in code, through `open` and the reader.

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
fn pcm_goes_out_in_20_ms_of_whole_frames_that_do_not_cross_a_chunk() {
    let entry = sound_entry(b"sowt", 2, 16, 44_100, &[]);
    // Chunks of 2000 frames; stsz says that a sample has one byte.
    let track = TestTrack { samples_per_chunk: 2000, ..pcm(1, entry, 44_100, 4, 2500) };
    let all: Vec<u8> = track.samples.iter().flat_map(|sample| sample.data.clone()).collect();
    let bytes = whole_file(&[track], Layout::MoovFirst);
    let movie = open(&bytes).unwrap();
    let (sample_rate, channels) = (44_100, 2);
    assert_eq!(movie.tracks()[0].codec, Codec::Pcm(PcmConfig { format: PcmFormat::S16Le, sample_rate, channels }));
    let got = read_all(&bytes);
    let frames: Vec<usize> = got.iter().map(|got| got.data.len() / 4).collect();
    assert_eq!(frames, [882, 1118, 500], "rather longer than a tiny rest");
    let starts = [0, 882, 2000].map(|frame| MediaTime::from_ticks(frame, 44_100).as_nanos());
    assert_eq!(got.iter().map(|got| got.pts).collect::<Vec<_>>(), starts);
    assert_eq!(got.iter().flat_map(|got| got.data.clone()).collect::<Vec<u8>>(), all);
    let mut reader = movie.reader().unwrap();
    let landed = reader.seek(MediaTime::from_ticks(1500, 44_100), SeekTo::SyncAtOrBefore).unwrap();
    assert_eq!(landed, MediaTime::from_ticks(1500, 44_100), "any frame can be landed at");
    assert_eq!(read_on(&mut *reader).0[0].data[0], 1500_u32 as u8);
}

#[test]
fn long_blocks_and_single_frames_of_pcm_are_divided_and_joined_alike_in_fragments() {
    let entry = sound_entry(b"ulaw", 1, 16, 8000, &[]);
    let mut track = pcm(1, entry, 8000, 1, 0);
    let sample = TestSample { data: vec![5; 800], duration: 800, offset: 0, is_sync: true, description: 1 };
    track.samples = vec![sample; 4];
    let bytes = fragmented_file(&[track], PLAIN);
    let movie = open(&bytes).unwrap();
    assert_eq!(movie.tracks()[0].codec, Codec::Pcmu(G711Config { sample_rate: 8000, channels: 1 }));
    let times: Vec<_> = read_all(&bytes).iter().map(|got| (got.pts / 1_000_000, got.data.len())).collect();
    assert_eq!(times, (0..20).map(|index| (index * 20, 160)).collect::<Vec<_>>());
    let entry = sound_entry(b"ulaw", 1, 16, 8000, &[]);
    let track = pcm(1, entry, 8000, 1, 3200);
    let times: Vec<_> =
        read_all(&fragmented_file(&[track], PLAIN)).iter().map(|got| (got.pts / 1_000_000, got.data.len())).collect();
    assert_eq!(times, (0..20).map(|index| (index * 20, 160)).collect::<Vec<_>>(), "from samples of one frame");
}

#[test]
fn sound_entries_of_all_versions_tell_their_coding() {
    let version_1 = |kind: &[u8; 4], channels: u16, rate: u32, boxes: &[&[u8]]| {
        let mut entry = sound_entry(kind, channels, 16, rate, &[&[&[0; 16][..]], boxes].concat());
        entry[17] = 1;
        entry
    };
    let version_2 = |bits: u32, flags: u32| {
        let fields =
            [&words(&[72])[..], &96_000_f64.to_be_bytes(), &words(&[6, 0x7f00_0000, bits, flags, 12, 1])].concat();
        let mut entry = sound_entry(b"lpcm", 3, 16, 1, &[&fields]);
        entry[17] = 2;
        entry
    };
    let enda = atom(b"wave", &[&atom(b"frma", &[b"in24"]), &atom(b"enda", &[&[0, 1]]), &[0, 0, 0, 8, 0, 0, 0, 0]]);
    let wave = atom(b"wave", &[&atom(b"mp4a", &[&[0; 4]]), &esds(0x40), &[0, 0, 0, 8, 0, 0, 0, 0]]);
    let pcmc = full(b"pcmC", 0, 0, &[&[1, 24]]);
    let dops = atom(b"dOps", &[&[0, 2, 1, 0x38, 0, 0, 0xbb, 0x80, 0, 0, 0]]);
    let pcm = |format, sample_rate, channels| Codec::Pcm(PcmConfig { format, sample_rate, channels });
    let g711 = |sample_rate, channels| G711Config { sample_rate, channels };
    for (entry, codec) in [
        (sound_entry(b"twos", 1, 16, 8000, &[]), pcm(PcmFormat::S16Be, 8000, 1)),
        (sound_entry(b"twos", 1, 8, 8000, &[]), pcm(PcmFormat::S8, 8000, 1)),
        (sound_entry(b"sowt", 2, 16, 48_000, &[]), pcm(PcmFormat::S16Le, 48_000, 2)),
        (sound_entry(b"raw ", 1, 8, 22_050, &[]), pcm(PcmFormat::U8, 22_050, 1)),
        (sound_entry(b"alaw", 1, 16, 8000, &[]), Codec::Pcma(g711(8000, 1))),
        (version_1(b"ulaw", 2, 16_000, &[]), Codec::Pcmu(g711(16_000, 2))),
        (version_1(b"in24", 2, 48_000, &[]), pcm(PcmFormat::S24Be, 48_000, 2)),
        (version_1(b"in24", 2, 48_000, &[&enda]), pcm(PcmFormat::S24Le, 48_000, 2)),
        (version_1(b"fl32", 1, 48_000, &[&enda]), pcm(PcmFormat::F32Le, 48_000, 1)),
        (version_1(b"in32", 1, 48_000, &[]), pcm(PcmFormat::S32Be, 48_000, 1)),
        (version_2(24, 4 | 8), pcm(PcmFormat::S24Le, 96_000, 6)),
        (version_2(16, 4 | 8 | 2), pcm(PcmFormat::S16Be, 96_000, 6)),
        (version_2(32, 1 | 8), pcm(PcmFormat::F32Le, 96_000, 6)),
        (sound_entry(b"ipcm", 2, 16, 48_000, &[&pcmc]), pcm(PcmFormat::S24Le, 48_000, 2)),
        (version_1(b"mp4a", 2, 48_000, &[&wave]), Codec::Aac(AacConfig::parse(&[0x11, 0x90], 0).unwrap())),
        (sound_entry(b"mp4a", 2, 16, 44_100, &[]), Codec::Aac(AacConfig::from_parts(2, 44_100, 2))),
        (
            sound_entry(b"Opus", 2, 16, 48_000, &[&dops]),
            Codec::Opus(OpusConfig { channels: 2, pre_skip: 312, mapping_family: 0 }),
        ),
    ] {
        let track = TestTrack { stsd: stsd(&[entry]), ..audio(1, 5) };
        let movie = open(&whole_file(&[track], Layout::MoovFirst)).unwrap();
        assert_eq!(movie.tracks()[0].codec, codec);
    }
}

/// The codec of a track with this sample entry, or why there is none.
fn codec_of(entry: Vec<u8>, first_sample: &[u8]) -> Result<Codec, String> {
    let mut track = TestTrack { stsd: stsd(&[entry]), ..audio(1, 3) };
    track.samples[0].data = first_sample.to_vec();
    open(&whole_file(&[track], Layout::MoovFirst))
        .map(|movie| movie.tracks()[0].codec.clone())
        .map_err(|error| error.to_string())
}

#[test]
fn sample_entries_of_every_coding_tell_what_it_is() {
    let size = Some((640, 360));
    let visual = |kind: &[u8; 4], boxes: &[&[u8]]| {
        let mut entry = visual_entry(kind, boxes);
        entry[8 + 24..8 + 28].copy_from_slice(&[2, 128, 1, 104]);
        entry
    };
    let sound = |kind: &[u8; 4], boxes: &[&[u8]]| sound_entry(kind, 2, 16, 44_100, boxes);
    let vpcc = full(b"vpcC", 1, 0, &[&[2, 31, 0xa2, 1, 1, 1, 0, 0]]);
    let av1c = atom(b"av1C", &[&[0x81, 0x05, 0x0c, 0]]);
    let mut stream_info = [&[0x10, 0, 0x10, 0][..], &[0; 6], &[0x0b, 0xb8, 0x00, 0xf0]].concat();
    stream_info.resize(34, 0);
    let dfla = full(b"dfLa", 0, 0, &[&[0x80, 0, 0, 34], &stream_info]);
    let mpeg_audio = |layer| Codec::MpegAudio(MpegAudioConfig { layer, sample_rate: 44_100, channels: 2 });
    let mpeg_video = |is_mpeg2| Codec::MpegVideo(MpegVideoConfig { is_mpeg2, size, headers: Vec::new() });
    let ac3 = Ac3Config { sample_rate: 44_100, channels: 2 };
    let dv = DvConfig { encode: "SD-VCR/625-50", frame_len: 144_000, size: (720, 576) };
    let jpeg = JpegConfig { size, ..JpegConfig::default() };
    let mpeg4 = Mpeg4VisualConfig { profile_level: 1, size, ..Mpeg4VisualConfig::default() };
    let onvif = b"\0http://www.onvif.org/ver10/schema\0\0";
    let metadata = MetadataConfig { encoding: "vnd.onvif.metadata".into() };
    for (entry, codec) in [
        (visual(b"av01", &[&av1c]), Codec::Av1(Av1Config { level_idx: 5, size, ..Av1Config::default() })),
        (visual(b"vp08", &[]), Codec::Vp8(VpxConfig { size, profile: None })),
        (visual(b"vp09", &[&vpcc]), Codec::Vp9(VpxConfig { size, profile: Some(2) })),
        (visual(b"mp4v", &[&esds(0x20)]), Codec::Mpeg4Visual(mpeg4)),
        (visual(b"mp4v", &[&esds(0x61)]), mpeg_video(true)),
        (visual(b"mp4v", &[&esds(0x6a)]), mpeg_video(false)),
        (visual(b"mp4v", &[&esds(0x6c)]), Codec::Jpeg(jpeg)),
        (visual(b"xdv7", &[]), mpeg_video(true)),
        (visual(b"hdv3", &[]), mpeg_video(true)),
        (visual(b"m1v1", &[]), mpeg_video(false)),
        (visual(b"mjpa", &[]), Codec::Jpeg(jpeg)),
        (visual(b"s263", &[]), Codec::H263(H263Config { size })),
        (visual(b"dvcp", &[]), Codec::Dv(dv)),
        (sound(b"mp4a", &[&esds(0x6b)]), mpeg_audio(3)),
        (sound(b".mp3", &[]), mpeg_audio(3)),
        (sound(b"mp4a", &[&esds(0xa5)]), Codec::Ac3(ac3)),
        (sound(b"ac-3", &[]), Codec::Ac3(ac3)),
        (sound(b"ec-3", &[]), Codec::Eac3(ac3)),
        (sound(b"samr", &[]), Codec::Amr(AmrConfig { is_wideband: false, channels: 1 })),
        (sound(b"sawb", &[]), Codec::Amr(AmrConfig { is_wideband: true, channels: 1 })),
        (sound(b"fLaC", &[&dfla]), Codec::Flac(FlacConfig::new(&stream_info).unwrap())),
        (atom(b"tx3g", &[&[0; 38]]), Codec::Text(TextConfig::default())),
        (atom(b"wvtt", &[&[0; 8]]), Codec::Text(TextConfig::default())),
        (atom(b"metx", &[&[0; 8], onvif]), Codec::Metadata(metadata)),
    ] {
        assert_eq!(codec_of(entry.clone(), &[0; 20]), Ok(codec), "{}", entry[4..8].escape_ascii());
    }
    for (entry, why) in [
        (visual(b"mp4v", &[&esds(0xa3)]), "VC-1 (mp4v) is not supported"),
        (visual(b"encv", &[]), "encrypted video (encv) is not supported"),
        (sound(b"alac", &[]), "Apple Lossless (alac) is not supported"),
        (sound(b"ima4", &[]), "IMA ADPCM in QuickTime's blocks (ima4) is not supported"),
        (sound(b"mp4a", &[&esds(0xdd)]), "Vorbis without its headers (mp4a) is not supported"),
        (atom(b"mett", &[&[0; 8], b"\0text/plain\0"]), "metadata of text/plain (mett) is not supported"),
    ] {
        assert_eq!(codec_of(entry, &[0; 20]), Err(format!("no track can be streamed: track 1 is left out: {why}")));
    }
}

#[test]
fn the_first_sample_tells_what_the_entry_gets_wrong() {
    let layer_2 = [0xff, 0xfd, 0x84, 0xc0, 0, 0];
    let expected = Codec::MpegAudio(MpegAudioConfig { layer: 2, sample_rate: 48_000, channels: 1 });
    assert_eq!(codec_of(sound_entry(b".mp3", 2, 16, 44_100, &[]), &layer_2), Ok(expected));
}

#[test]
fn text_is_without_markup_and_seeking_goes_by_the_video() {
    let mut text = TestTrack { stsd: stsd(&[atom(b"tx3g", &[&[0; 38]])]), timescale: 1000, ..audio(1, 3) };
    for (sample, data) in text.samples.iter_mut().zip([&b"\0\x02hi"[..], b"\0\0", b"\0\x03bye\0\0\0\x08styl"]) {
        (sample.data, sample.duration) = (data.to_vec(), 300);
    }
    let bytes = whole_file(&[text, video(2, 30)], Layout::MoovFirst);
    let got = read_all(&bytes);
    let texts: Vec<_> = got.iter().filter(|got| got.track == 0).map(|got| got.data.clone()).collect();
    assert_eq!(texts, [b"hi".to_vec(), Vec::new(), b"bye".to_vec()]);
    let mut reader = reader(&bytes);
    assert_eq!(reader.seek(at(0.5), SeekTo::SyncAtOrBefore).unwrap(), at(0.4), "the key frame, not the text at 0.3");
}

#[test]
fn an_enabled_track_comes_before_those_of_its_kind_that_are_not() {
    let tracks = [video(1, 10), audio(2, 5), audio(3, 5)];
    let mut bytes = whole_file(&tracks, Layout::MoovFirst);
    let tkhd = find(&bytes, b"tkhd", 1);
    patch(&mut bytes, tkhd + 8, &words(&[0]));
    let movie = open(&bytes).unwrap();
    assert_eq!(movie.streams.iter().map(|stream| stream.id).collect::<Vec<_>>(), [1, 3, 2]);
}

#[test]
fn a_matrix_that_turns_the_pictures_is_noted() {
    for (matrix, degrees) in [([0, 1, -1, 0], 90), ([-1, 0, 0, -1], 180), ([0, -1, 1, 0], 270)] {
        let mut bytes = whole_file(&[video(1, 10)], Layout::MoovFirst);
        let matrix_at = find(&bytes, b"tkhd", 0) + 8 + 40;
        let [a, b, c, d] = matrix.map(|value: i32| (value << 16) as u32);
        patch(&mut bytes, matrix_at, &words(&[a, b, 0, c, d, 0, 0, 0, 1 << 30]));
        let expected = format!("track 1: its pictures are to be turned by {degrees} degrees, which RTSP cannot tell");
        assert_eq!(notes(&open(&bytes).unwrap()), [expected]);
    }
}

fn fragmentings() -> Vec<Fragmenting> {
    let mut all = Vec::new();
    for base in [Base::Moof, Base::Absolute, Base::Implicit] {
        for has_tfdt in [true, false] {
            for (is_verbose, is_separate) in [(false, false), (true, false), (false, true)] {
                for index in [Index::None, Index::Mfra, Index::Sidx, Index::Wrong] {
                    all.push(Fragmenting { base, has_tfdt, is_verbose, is_separate, index, ..PLAIN });
                }
            }
        }
    }
    all
}

#[test]
fn fragments_give_the_same_samples_in_whatever_way_they_are_written() {
    let tracks = both();
    for how in fragmentings() {
        let bytes = fragmented_file(&tracks, how);
        assert_eq!(read_all(&bytes), expected(&tracks), "{how:?}");
        let movie = open(&bytes).unwrap();
        assert_eq!(movie.duration(), Some(at(4.0)), "{how:?}");
        assert_eq!(movie.tracks()[0].frame_rate, Some(25.0), "{how:?}");
    }
}

#[test]
fn fragments_that_follow_the_samples_of_moov_go_on_after_them() {
    let tracks = both();
    let first: Vec<TestTrack> = [(0, 20), (1, 38)]
        .map(|(index, count)| TestTrack { samples: tracks[index].samples[..count].to_vec(), ..tracks[index].clone() })
        .to_vec();
    for has_tfdt in [true, false] {
        let mut bytes = whole_file(&first, Layout::MoovFirst);
        let how = Fragmenting { has_tfdt, ..PLAIN };
        bytes.extend(fragments(&tracks, how, bytes.len() as u64, &[20, 38]).0);
        assert_eq!(read_all(&bytes), expected(&tracks), "tfdt: {has_tfdt}");
        let mut reader = reader(&bytes);
        for (to, landed) in [(0.5, 0.4), (1.0, 0.8), (3.3, 3.2), (0.79, 0.4)] {
            assert_eq!(reader.seek(at(to), SeekTo::SyncAtOrBefore).unwrap(), at(landed), "tfdt: {has_tfdt}");
            assert_eq!(read_on(&mut *reader).0[0].pts, at(landed).as_nanos());
        }
        assert_eq!(reader.seek(at(0.5), SeekTo::SyncAtOrAfter).unwrap(), at(0.8));
    }
}

#[test]
fn a_fragmented_file_that_is_cut_off_plays_as_far_as_it_is_whole() {
    let tracks = both();
    let bytes = fragmented_file(&tracks, PLAIN);
    let whole = read_all(&bytes);
    let last_moof = find(&bytes, b"moof", 9);
    let last_mdat = find(&bytes, b"mdat", 9);
    let before = whole.iter().filter(|got| got.dts < 3_600_000_000).count();
    for (cut, at_least, what) in [
        (last_moof + 5, before, "box header"),
        (last_moof + 60, before, "tfhd"),
        (last_mdat + 8 + 60, before + 3, "sample"),
    ] {
        let (got, skipped) = read_on(&mut *reader(&bytes[..cut]));
        assert!(got.len() >= at_least && got.len() < whole.len(), "cut at {cut}: {} samples", got.len());
        assert_eq!(got, whole.iter().filter(|sample| got.contains(sample)).cloned().collect::<Vec<_>>());
        assert_eq!(skipped.len(), 1, "{skipped:?}");
        let told = &skipped[0];
        assert!(told.contains("cut off at byte") && (told.contains(what) || cut == last_moof + 60), "{told}");
    }
    let (got, skipped) = read_on(&mut *reader(&bytes[..last_moof]));
    assert_eq!((got.len(), skipped.len()), (before, 0), "cut between fragments");
}

#[test]
fn damage_between_fragments_costs_one_of_them() {
    let tracks = both();
    let bytes = fragmented_file(&tracks, PLAIN);
    let whole = read_all(&bytes);
    let mut damaged = bytes.clone();
    let mdat = find(&bytes, b"mdat", 3);
    patch(&mut damaged, mdat, &words(&[5]));
    let (got, skipped) = read_on(&mut *reader(&damaged));
    assert_eq!(skipped, [format!("malformed size of the mdat box at byte {mdat}")]);
    assert_eq!(got.len(), whole.len(), "the moof before the damage still finds its data");
    let mut damaged = bytes.clone();
    let moof = find(&bytes, b"moof", 3);
    patch(&mut damaged, find(&bytes, b"traf", 6), &words(&[2]));
    let (got, skipped) = read_on(&mut *reader(&damaged));
    assert_eq!(skipped.len(), 1, "{skipped:?} for the moof at {moof}");
    let lost = whole.iter().filter(|got| (1_200_000_000..1_600_000_000).contains(&got.dts)).count();
    assert!((whole.len() - lost..whole.len()).contains(&got.len()), "{} of {}", got.len(), whole.len());
}

#[test]
fn counts_that_lie_are_bounded_by_the_box_and_told() {
    let tracks = [video(1, 50)];
    let bytes = whole_file(&tracks, Layout::MoovLast);
    for (kind, field) in [(b"stsz", 16), (b"stts", 12), (b"stsc", 12), (b"stco", 12), (b"stss", 12)] {
        let mut lying = bytes.clone();
        let place = find(&bytes, kind, 0) + field;
        patch(&mut lying, place, &words(&[u32::MAX]));
        let movie = open(&lying).unwrap();
        assert!(notes(&movie)[0].contains("with too large a count at byte"), "{:?}", notes(&movie));
        assert_eq!(read_on(&mut *movie.reader().unwrap()).0, expected(&tracks), "{}", kind.escape_ascii());
    }
    let fragmented = fragmented_file(&tracks, Fragmenting { is_verbose: true, ..PLAIN });
    let mut lying = fragmented.clone();
    let trun = find(&fragmented, b"trun", 2);
    patch(&mut lying, trun + 12, &words(&[u32::MAX]));
    let (got, skipped) = read_on(&mut *reader(&lying));
    assert_eq!(skipped, [format!("malformed sample count of the trun at byte {trun}")]);
    assert_eq!(got, expected(&tracks));
}

#[test]
fn tables_that_contradict_each_other_play_as_far_as_they_agree() {
    let tracks = [video(1, 50)];
    let bytes = whole_file(&tracks, Layout::MoovLast);
    // The fourth of eight runs of chunks starts before the third.
    let mut wild = bytes.clone();
    let stsc = find(&bytes, b"stsc", 0);
    patch(&mut wild, stsc + 16 + 3 * 12, &words(&[2]));
    let (got, skipped) = read_on(&mut *reader(&wild));
    assert_eq!(skipped, [format!("malformed stsc entry at byte {}", stsc + 16 + 2 * 12)]);
    assert_eq!(got, expected(&tracks)[..14]);
    // More sizes than the chunks hold samples.
    let mut short = bytes.clone();
    patch(&mut short, find(&bytes, b"stco", 0) + 12, &words(&[5]));
    let (got, skipped) = read_on(&mut *reader(&short));
    assert_eq!((got, skipped.len()), (expected(&tracks)[..35].to_vec(), 1), "{skipped:?}");
    // stts says less than there is: the last delta goes on.
    let mut few = bytes.clone();
    patch(&mut few, find(&bytes, b"stts", 0) + 16, &words(&[3]));
    assert_eq!(read_all(&few), expected(&tracks));
}

#[test]
fn a_run_of_four_thousand_million_empty_samples_is_over_at_once() {
    let tracks = [video(1, 20)];
    let mut bytes = fragmented_file(&tracks, PLAIN);
    let tfhd = full(b"tfhd", 0, 0x2_0000, &[&words(&[1])]);
    let trun = full(b"trun", 0, 0, &[&words(&[u32::MAX])]);
    bytes.extend(atom(b"moof", &[&full(b"mfhd", 0, 0, &[&words(&[3])]), &atom(b"traf", &[&tfhd, &trun])]));
    assert_eq!(read_all(&bytes), expected(&tracks));
}

#[test]
fn seeking_lands_at_key_frames_and_sound_follows_from_there() {
    let tracks = both();
    let mut files = vec![whole_file(&tracks, Layout::MoovFirst)];
    files.extend(fragmentings().into_iter().map(|how| fragmented_file(&tracks, how)));
    for bytes in files {
        let mut reader = reader(&bytes);
        for (to, how, landed) in [
            (1.0, SeekTo::SyncAtOrBefore, 0.8),
            (1.0, SeekTo::SyncAtOrAfter, 1.2),
            (1.2, SeekTo::SyncAtOrBefore, 1.2),
            (1.2, SeekTo::SyncAtOrAfter, 1.2),
            (3.99, SeekTo::SyncAtOrBefore, 3.6),
            (3.99, SeekTo::SyncAtOrAfter, 3.6), // none after it: the last
            (1000.0, SeekTo::SyncAtOrBefore, 3.6),
            (0.1, SeekTo::SyncAtOrBefore, 0.0),
            (0.0, SeekTo::SyncAtOrAfter, 0.0),
            (-5.0, SeekTo::SyncAtOrBefore, 0.0),
        ] {
            assert_eq!(reader.seek(at(to), how).unwrap(), at(landed), "to {to}, {how:?}");
            let got = read_on(&mut *reader).0;
            let wanted: Vec<Got> =
                expected(&tracks).into_iter().filter(|sample| sample.pts >= at(landed).as_nanos()).collect();
            assert_eq!(got.len(), wanted.len(), "to {to}, {how:?}");
            assert_eq!(got, wanted, "to {to}, {how:?}");
        }
    }
}

#[test]
fn without_video_seeking_lands_at_the_sample_that_sounds() {
    let tracks = [audio(1, 187)];
    for bytes in [whole_file(&tracks, Layout::MoovFirst), fragmented_file(&tracks, PLAIN)] {
        let mut reader = reader(&bytes);
        let frame = |number: i64| MediaTime::from_ticks(number * 1024, 48_000);
        assert_eq!(reader.seek(at(2.0), SeekTo::SyncAtOrBefore).unwrap(), frame(93));
        assert_eq!(reader.seek(at(2.0), SeekTo::SyncAtOrAfter).unwrap(), frame(94));
        assert_eq!(read_on(&mut *reader).0[0].pts, frame(94).as_nanos());
    }
}

#[test]
fn a_file_before_whose_first_key_frame_there_is_something_starts_at_its_very_first_sample() {
    let mut track = video(1, 40);
    track.samples[0].is_sync = false;
    for bytes in [whole_file(&[track.clone()], Layout::MoovFirst), fragmented_file(&[track.clone()], PLAIN)] {
        let mut reader = reader(&bytes);
        assert_eq!(reader.seek(at(0.3), SeekTo::SyncAtOrBefore).unwrap(), at(0.0));
        assert_eq!(read_on(&mut *reader).0, expected(&[track.clone()]));
    }
}

#[test]
fn long_tables_are_entered_anywhere_with_the_result_of_reading_from_the_start() {
    // Every sample has its own run in stts and ctts, every chunk its own in stsc, and there is a chunk for every 3;
    // then the same in a single chunk. Both are longer than the steps of the checkpoints.
    for samples_per_chunk in [3, 10_000] {
        let mut track = video(1, 9000);
        track.samples_per_chunk = samples_per_chunk;
        for (index, sample) in track.samples.iter_mut().enumerate() {
            sample.duration = 400 + (index as u32 * 7919) % 200;
            sample.offset = [512, 1024, 512, 0][index % 4];
            sample.data = prefixed(&[&[0x41][..], &vec![index as u8; 1 + index % 37]].concat(), 4);
        }
        let bytes = whole_file(&[track.clone()], Layout::MoovFirst);
        let all = expected(&[track]);
        let movie = open(&bytes).unwrap();
        for to in [8999, 5, 4100, 1023, 1024, 2048, 8192, 3000, 0] {
            let mut reader = movie.clone().reader().unwrap();
            let sync = to / 10 * 10;
            let landed = reader.seek(MediaTime::from_nanos(all[to].dts + 100_000_000), SeekTo::SyncAtOrBefore).unwrap();
            let first = all.iter().position(|got| got.pts == landed.as_nanos()).unwrap();
            assert!(first >= sync && first <= to + 10, "to {to}: {first}");
            let mut sample = Sample::default();
            for wanted in all[first..].iter().take(40) {
                assert!(matches!(reader.next(&mut sample), Ok(Next::Sample)));
                assert_eq!((sample.pts.as_nanos(), &sample.data), (wanted.pts, &wanted.data), "to {to}");
            }
        }
    }
}

#[test]
fn a_long_fragmented_file_is_entered_by_bisection_and_its_end_found() {
    let mut track = video(1, 3000);
    track.samples.iter_mut().for_each(|sample| sample.data = prefixed(&[0x41; 3000], 4));
    let bytes = fragmented_file(&[track.clone(), audio(2, 100)], PLAIN);
    assert!(bytes.len() > 8 << 20, "longer than what is walked: {}", bytes.len());
    let movie = open(&bytes).unwrap();
    assert_eq!(movie.duration(), Some(at(120.0)));
    assert_eq!(movie.tracks()[1].duration, None, "sound ends long before the part that is looked at");
    for to in [100.1, 50.1, 119.9, 3.3, 77.7] {
        let mut reader = movie.clone().reader().unwrap();
        let landed = reader.seek(at(to), SeekTo::SyncAtOrBefore).unwrap();
        assert_eq!(landed, at((to / 0.4).floor() * 0.4));
        let got = read_on(&mut *reader).0;
        assert_eq!(got[0].pts, landed.as_nanos());
        assert_eq!(
            got.iter().filter(|got| got.track == 0).count(),
            3000 - (landed.as_secs_f64() * 25.0).round() as usize
        );
    }
    assert_eq!(read_all(&bytes), expected(&[track, audio(2, 100)]));
}

#[test]
fn a_track_that_is_taken_back_in_goes_on_where_the_others_are() {
    let tracks = both();
    for bytes in [whole_file(&tracks, Layout::MoovFirst), fragmented_file(&tracks, PLAIN)] {
        let mut reader = reader(&bytes);
        reader.select(0, false);
        let mut sample = Sample::default();
        while sample.dts < at(1.0) {
            assert!(matches!(reader.next(&mut sample), Ok(Next::Sample)));
            assert_eq!(sample.track, 1);
        }
        reader.select(0, true);
        let got = read_on(&mut *reader).0;
        let first = got.iter().find(|got| got.track == 0).unwrap();
        assert_eq!((first.pts, first.is_sync), (at(1.2).as_nanos(), true));
        reader.select(1, false);
        reader.seek(at(2.0), SeekTo::SyncAtOrBefore).unwrap();
        assert!(read_on(&mut *reader).0.iter().all(|got| got.track == 0));
    }
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
