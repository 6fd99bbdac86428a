//! What sample entries tell, and tracks that are not pictures.

use super::*;

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
