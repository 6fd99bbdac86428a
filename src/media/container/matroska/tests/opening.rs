//! What opening a file tells.

use super::*;
use crate::media::codec::{
    AacConfig, Ac3Config, Av1Config, Codec, FlacConfig, G711Config, H263Config, H264Config, JpegConfig,
    Mpeg4VisualConfig, MpegAudioConfig, MpegVideoConfig, OpusConfig, PcmConfig, PcmFormat, TextConfig, VpxConfig,
};

fn first_cluster() -> Vec<u8> {
    cluster(0, [simple_block(1, 0, 0x80, picture(1))])
}

#[test]
fn header_elements_are_found_in_any_order() {
    let void = || element(id::VOID, [0; 40]);
    let crc = || element(id::CRC_32, [1, 2, 3, 4]);
    let tags = || element(id::TAGS, []);
    let both = || tracks([video(), audio()]);
    let files = [
        file([crc(), info(40.0), both(), first_cluster()]),
        file([void(), tags(), both(), element(id::ATTACHMENTS, [9; 5000]), info(40.0), first_cluster()]),
        file([info(40.0), element(id::CHAPTERS, [9; 30]), both(), void(), first_cluster(), tags()]),
        file([first_cluster(), both(), info(40.0)]),
        [ebml_header(), void(), master(id::SEGMENT, [both(), info(40.0), first_cluster()])].concat(),
    ];
    for (index, bytes) in files.iter().enumerate() {
        let recording = opened(bytes);
        assert_eq!(recording.notes(), [], "file {index}");
        assert_eq!(recording.tracks().len(), 2, "file {index}");
        assert_eq!(recording.duration(), Some(MediaTime::from_millis(40)), "file {index}");
        assert_eq!(read(bytes), ["0 0/0* 000000026501"], "file {index}");
    }
}

#[test]
fn a_seek_head_leads_to_elements_behind_the_clusters() {
    let seek = |id: u32, position: u64| {
        master(id::SEEK, [element(id::SEEK_ID, id.to_be_bytes()), uint(id::SEEK_POSITION, position)])
    };
    let seek_head = |tracks: u64, more: u64| {
        master(id::SEEK_HEAD, [seek(id::TRACKS, tracks), seek(id::SEEK_HEAD, more), seek(id::CUES, 1 << 40)])
    };
    let head_len = seek_head(0, 0).len() as u64;
    let tracks_at = head_len + first_cluster().len() as u64;
    let tracks = tracks([video()]);
    let second_at = tracks_at + tracks.len() as u64;
    // The second SeekHead points back at the first, and at where no Info is.
    let second = master(id::SEEK_HEAD, [seek(id::SEEK_HEAD, 0), seek(id::INFO, 3)]);
    let bytes = file([seek_head(tracks_at, second_at), first_cluster(), tracks, second]);
    let recording = opened(&bytes);
    assert_eq!(recording.tracks().len(), 1);
    let notes: Vec<String> = recording.notes().iter().map(ToString::to_string).collect();
    let data = (ebml_header().len() + 8) as u64;
    assert_eq!(
        notes,
        [
            format!("Cues beyond the end of the file at byte {}", data + (1 << 40)),
            format!("no Info where the SeekHead says at byte {}", data + 3),
        ]
    );
}

/// The codec of a file with just this track, or why it cannot be opened.
fn codec<const N: usize>(codec_id: &str, more: [Vec<u8>; N]) -> Result<Codec, String> {
    let bytes = file([tracks([track(3, codec_id, more)]), first_cluster()]);
    open(&bytes).map(|recording| recording.tracks()[0].codec.clone()).map_err(|error| error.to_string())
}

fn audio_element(rate: f64, channels: u64, bits: u64) -> Vec<u8> {
    master(id::AUDIO, [float(id::SAMPLING_FREQUENCY, rate), uint(id::CHANNELS, channels), uint(id::BIT_DEPTH, bits)])
}

fn video_element(width: u64, height: u64) -> Vec<u8> {
    master(id::VIDEO, [uint(id::PIXEL_WIDTH, width), uint(id::PIXEL_HEIGHT, height)])
}

fn private(data: impl AsRef<[u8]>) -> Vec<u8> {
    element(id::CODEC_PRIVATE, data)
}

#[test]
fn codec_ids_become_codecs() {
    let pcm = |format, sample_rate, channels| Codec::Pcm(PcmConfig { format, sample_rate, channels });
    let g711 = G711Config { sample_rate: 8000, channels: 1 };
    let h264 = Codec::H264(H264Config { sps: vec![SPS.to_vec()], pps: vec![PPS.to_vec()] });
    let mut opus_head = b"OpusHead\x01\x02".to_vec();
    opus_head.extend([0x38, 0x01, 0x80, 0xBB, 0, 0, 0, 0, 0]);
    let opus = |channels, mapping_family| Codec::Opus(OpusConfig { channels, pre_skip: 312, mapping_family });
    let delay = || uint(id::CODEC_DELAY, 6_500_000);
    let bitmap_info = [&[0; 16][..], b"H264", &[0; 20], &avcc()].concat();
    let annex_b = [&[0, 0, 0, 1][..], &SPS, &[0, 0, 1], &PPS].concat();
    let guid = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71];
    let extensible = |sub_format: u8| {
        let plain = wave_format(0xFFFE, 2, 48_000, 24);
        [&plain[..16], &[22, 0], &[0; 6], &[sub_format, 0], &guid].concat()
    };
    let size = Some((640, 360));
    let av1 = Av1Config { level_idx: 5, size, ..Av1Config::default() };
    // 352 by 288, 25 a second; a sequence extension of the main profile.
    let mpeg2 = [0, 0, 1, 0xB3, 0x16, 0x01, 0x20, 0x13, 0xFF, 0xFF, 0xE0, 0x18, 0, 0, 1, 0xB5, 0x14, 0x8A, 0, 1, 0, 0];
    let mpeg_video = |is_mpeg2: bool, (width, height): (u32, u32)| {
        Codec::MpegVideo(MpegVideoConfig { is_mpeg2, size: Some((width, height)), headers: mpeg2.to_vec() })
    };
    let mpeg4 = Mpeg4VisualConfig { profile_level: 1, size, ..Mpeg4VisualConfig::default() };
    let mp3 = MpegAudioConfig { layer: 3, sample_rate: 44_100, channels: 2 };
    let ac3 = Ac3Config { sample_rate: 24_000, channels: 6 };
    // Blocks of 4096, 48 kHz, mono, 16 bits.
    let mut stream_info = [&[0x10, 0, 0x10, 0][..], &[0; 6], &[0x0B, 0xB8, 0x00, 0xF0]].concat();
    stream_info.resize(34, 0);
    let flac = [b"fLaC\x80\0\0\x22", &stream_info[..]].concat();
    let text = |language: &str| Codec::Text(TextConfig { language: Some(language.to_owned()) });
    let aac = |bytes: &[u8]| Codec::Aac(AacConfig::parse(bytes, 0).unwrap());
    let rows = [
        (codec("V_MPEG4/ISO/AVC", [private(avcc())]), Ok(h264.clone())),
        (codec("V_MPEG4/ISO/AVC", [private(annex_b)]), Ok(h264.clone())),
        (codec("V_MS/VFW/FOURCC", [private(bitmap_info)]), Ok(h264)),
        (codec("A_AAC", [private([0x11, 0x90])]), Ok(aac(&[0x11, 0x90]))),
        (codec("A_AAC/MPEG4/LC", [audio_element(44_100.0, 2, 0)]), Ok(aac(&[0x12, 0x10]))),
        (codec("A_AAC/MPEG2/MAIN", [audio_element(48_000.0, 1, 0)]), Ok(aac(&[0x09, 0x88]))),
        (codec("A_OPUS", [private(opus_head), delay()]), Ok(opus(2, 0))),
        (codec("A_OPUS", [audio_element(48_000.0, 6, 0), delay()]), Ok(opus(6, 1))),
        (codec("A_PCM/INT/LIT", [audio_element(8000.0, 1, 8)]), Ok(pcm(PcmFormat::U8, 8000, 1))),
        (codec("A_PCM/INT/LIT", [audio_element(48_000.0, 2, 24)]), Ok(pcm(PcmFormat::S24Le, 48_000, 2))),
        (codec("A_PCM/INT/BIG", [audio_element(44_100.0, 2, 16)]), Ok(pcm(PcmFormat::S16Be, 44_100, 2))),
        (codec("A_PCM/FLOAT/IEEE", [audio_element(44_100.0, 1, 32)]), Ok(pcm(PcmFormat::F32Le, 44_100, 1))),
        (codec("A_MS/ACM", [private(wave_format(6, 1, 8000, 8))]), Ok(Codec::Pcma(g711))),
        (codec("A_MS/ACM", [private(wave_format(7, 1, 8000, 8))]), Ok(Codec::Pcmu(g711))),
        (codec("A_MS/ACM", [private(wave_format(1, 2, 16_000, 16))]), Ok(pcm(PcmFormat::S16Le, 16_000, 2))),
        (codec("A_MS/ACM", [private(extensible(1))]), Ok(pcm(PcmFormat::S24Le, 48_000, 2))),
        (codec("V_VP8", [video_element(640, 360)]), Ok(Codec::Vp8(VpxConfig { size, profile: None }))),
        (
            codec("V_VP9", [private([1, 1, 2]), video_element(640, 360)]),
            Ok(Codec::Vp9(VpxConfig { size, profile: Some(2) })),
        ),
        (codec("V_AV1", [private([0x81, 0x05, 0, 0]), video_element(640, 360)]), Ok(Codec::Av1(av1))),
        (codec("V_MPEG2", [private(mpeg2)]), Ok(mpeg_video(true, (352, 288)))),
        (
            codec("V_MPEG1", [video_element(640, 360)]),
            Ok(Codec::MpegVideo(MpegVideoConfig { size, ..Default::default() })),
        ),
        (codec("V_MJPEG", [video_element(640, 360)]), Ok(Codec::Jpeg(JpegConfig { size, ..Default::default() }))),
        (codec("V_MPEG4/ISO/ASP", [video_element(640, 360)]), Ok(Codec::Mpeg4Visual(mpeg4))),
        (codec("A_MPEG/L3", [audio_element(44_100.0, 2, 0)]), Ok(Codec::MpegAudio(mp3))),
        (codec("A_AC3/BSID9", [audio_element(24_000.0, 6, 0)]), Ok(Codec::Ac3(ac3))),
        (codec("A_EAC3", [audio_element(24_000.0, 6, 0)]), Ok(Codec::Eac3(ac3))),
        (codec("A_FLAC", [private(flac)]), Ok(Codec::Flac(FlacConfig::new(&stream_info).unwrap()))),
        (codec("S_TEXT/UTF8", [element(id::LANGUAGE, "ger")]), Ok(text("ger"))),
        (codec("S_TEXT/ASS", [element(id::LANGUAGE, "ger"), element(id::LANGUAGE_BCP47, "de-AT")]), Ok(text("de-AT"))),
    ];
    for (index, (found, expected)) in rows.into_iter().enumerate() {
        assert_eq!(found, expected, "row {index}");
    }
}

#[test]
fn structures_of_windows_tell_every_codec_that_they_tell_in_riff() {
    let bitmap_info = |fourcc: &[u8; 4], (width, height): (u32, u32)| {
        let size = [width.to_le_bytes(), height.to_le_bytes()].concat();
        private([&[40, 0, 0, 0][..], &size, &[1, 0, 24, 0], fourcc, &[0; 20]].concat())
    };
    for (fourcc, name) in [
        (b"XVID", "MPEG-4 part 2"),
        (b"MJPG", "Motion JPEG"),
        (b"mpg2", "MPEG-2 video"),
        (b"H263", "H.263"),
        (b"dvsd", "DV"),
        (b"VP80", "VP8"),
    ] {
        let found = codec("V_MS/VFW/FOURCC", [bitmap_info(fourcc, (352, 288))]).unwrap();
        assert_eq!(found.name(), name, "{}", fourcc.escape_ascii());
    }
    // The track tells the size where the structure does not.
    let found = codec("V_MS/VFW/FOURCC", [bitmap_info(b"H263", (0, 0)), video_element(704, 576)]);
    assert_eq!(found, Ok(Codec::H263(H263Config { size: Some((704, 576)) })));
    for (tag, bits, name) in [
        (0x0003, 32, "PCM"),
        (0x0011, 4, "IMA ADPCM"),
        (0x0045, 4, "G.726"),
        (0x028F, 4, "G.722"),
        (0x0050, 0, "MP2"),
        (0x0055, 0, "MP3"),
        (0x00FF, 16, "AAC"),
        (0x1600, 16, "AAC"),
        (0x2000, 0, "AC-3"),
    ] {
        let mut format = wave_format(tag, 1, 8000, bits);
        if tag == 0x0011 {
            format[12..14].copy_from_slice(&256_u16.to_le_bytes()); // a block
        }
        assert_eq!(codec("A_MS/ACM", [private(format)]).unwrap().name(), name, "{tag:#06x}");
    }
    let left_out = |found: Result<Codec, String>, why: &str| {
        assert_eq!(found, Err(format!("no track can be streamed: track 3 is left out: {why}")));
    };
    left_out(codec("V_MS/VFW/FOURCC", [bitmap_info(b"MP42", (352, 288))]), "video in \"MP42\" is not streamed");
    let ms_adpcm = codec("A_MS/ACM", [private(wave_format(2, 1, 8000, 4))]);
    left_out(ms_adpcm, "MS ADPCM (WAVE format 0x0002, 4 bits) is not streamed");
    left_out(codec("V_MS/VFW/FOURCC", [private([0; 18])]), "BITMAPINFOHEADER is cut off at byte 127");
    left_out(codec("A_MS/ACM", [private([0; 13])]), "WAVEFORMATEX is cut off at byte 115");
}

#[test]
fn what_cannot_be_streamed_is_left_out_by_name() {
    let compressed = |algorithm| {
        let compression = master(id::CONTENT_COMPRESSION, [uint(id::CONTENT_COMP_ALGO, algorithm)]);
        master(id::CONTENT_ENCODINGS, [master(id::CONTENT_ENCODING, [compression])])
    };
    let encrypted = master(id::CONTENT_ENCODINGS, [master(id::CONTENT_ENCODING, [uint(id::CONTENT_ENCODING_TYPE, 1)])]);
    let rows = [
        (codec("V_PRORES", []), "Apple ProRes is not streamed"),
        (codec("A_DTS/EXPRESS", []), "DTS is not streamed"),
        (codec("S_HDMV/PGS", []), "S_HDMV/PGS is not streamed"),
        (codec("V_MPEG4/ISO/AVC", [private(avcc()), compressed(0)]), "it is compressed with zlib"),
        (codec("V_MPEG4/ISO/AVC", [private(avcc()), encrypted]), "it is encrypted"),
        (codec("A_PCM/FLOAT/IEEE", [audio_element(48_000.0, 1, 16)]), "floats of 16 bits are not streamed"),
        (codec("A_PCM/INT/LIT", [audio_element(f64::NAN, 1, 16)]), "its rate is NaN Hz"),
        (codec("A_PCM/INT/LIT", [audio_element(8000.0, 0, 16)]), "it has 0 channels"),
        (codec("A_OPUS", [private("OpusTags")]), "its OpusHead is malformed"),
        (codec("A_AAC", [private([0xFF])]), "malformed AudioSpecificConfig at byte 99"),
    ];
    for (found, expected) in rows {
        assert_eq!(found, Err(format!("no track can be streamed: track 3 is left out: {expected}")));
    }
    let bytes = file([tracks([track(7, "A_FLAC", []), video(), video()]), first_cluster()]);
    let notes: Vec<String> = opened(&bytes).notes().iter().map(|note| note.text.clone()).collect();
    assert_eq!(
        notes,
        [
            "track 7 is left out: its STREAMINFO is malformed",
            "track 1 is left out: its number is taken by an earlier track"
        ]
    );
}

#[test]
fn parameter_sets_are_taken_from_the_first_key_frame_if_the_header_has_none() {
    let length_prefixed = [&[0, 0, 0, 4][..], &SPS, &[0, 0, 0, 3], &PPS, &[0, 0, 0, 2, 0x65, 1]].concat();
    let start_coded = [&[0, 0, 0, 1][..], &SPS, &[0, 0, 0, 1], &PPS, &[0, 0, 1, 0x65, 1]].concat();
    let expected = Codec::H264(H264Config { sps: vec![SPS.to_vec()], pps: vec![PPS.to_vec()] });
    for frame in [length_prefixed, start_coded] {
        let blocks = [simple_block(1, 0, 0, picture(0)), simple_block(1, 40, 0x80, &frame)];
        let bytes = file([tracks([track(1, "V_MPEG4/ISO/AVC", [])]), cluster(0, blocks)]);
        let recording = opened(&bytes);
        assert_eq!(recording.tracks()[0].codec, expected);
        let mut reader = recording.reader().unwrap();
        let mut sample = Sample::default();
        reader.next(&mut sample).unwrap();
        reader.next(&mut sample).unwrap();
        let types: Vec<u8> = sample.nals.iter().map(|nal| sample.data[nal.start] & 0x1F).collect();
        assert_eq!(types, [7, 8, 5]);
    }
    let bytes = file([tracks([track(1, "V_MPEGH/ISO/HEVC", [])]), first_cluster()]);
    let error = open(&bytes).err().map(|error| error.to_string());
    assert_eq!(error.as_deref(), Some("no track can be streamed: track 1 is left out: it has no H.265 parameter sets"));
}

#[test]
fn the_duration_is_computed_where_none_is_told_or_it_cannot_be_trusted() {
    let clusters = || {
        let first = cluster(0, [simple_block(1, 0, 0x80, picture(1)), simple_block(2, 0, 0x80, [0; 160])]);
        let second = cluster(1000, [simple_block(1, 0, 0x80, picture(1)), simple_block(2, 10, 0x80, [0; 800])]);
        [first, second].concat()
    };
    let both = || tracks([video(), audio()]);
    let empty = open_ended(id::CLUSTER, uint(id::TIMESTAMP, 2000));
    let cut = |mut bytes: Vec<u8>, len: usize| {
        bytes.truncate(bytes.len() - len);
        bytes
    };
    let cases = [
        (file([info(7000.0), both(), clusters()]), Some(7000)),
        (file([both(), clusters()]), Some(1110)),
        (file([info(0.0), both(), clusters()]), Some(1110)),
        (file([info(f64::NAN), both(), clusters()]), Some(1110)),
        (file([info(-5.0), both(), clusters()]), Some(1110)),
        (file([info(1e300), both(), clusters()]), Some(1110)),
        (live_file([info(7000.0), both(), clusters()]), Some(1110)),
        (live_file([both(), clusters(), empty]), Some(1110)),
        (cut(file([info(7000.0), both(), clusters()]), 1), Some(1040)),
        (live_file([info(7000.0), both()]), Some(7000)),
        (file([both()]), None),
    ];
    for (index, (bytes, millis)) in cases.iter().enumerate() {
        assert_eq!(opened(bytes).duration(), millis.map(MediaTime::from_millis), "case {index}");
    }
}

#[test]
fn tags_and_default_duration_tell_of_single_tracks() {
    let simple =
        |name: &str, value: &str| master(id::SIMPLE_TAG, [element(id::TAG_NAME, name), element(id::TAG_STRING, value)]);
    let tag = master(
        id::TAG,
        [
            master(id::TARGETS, [uint(id::TAG_TRACK_UID, 1)]),
            simple("BPS", "512000"),
            simple("DURATION", "00:00:01.500000000"),
        ],
    );
    let tags = master(id::TAGS, [tag]);
    let recording = opened(&file([tags, tracks([video(), audio()]), first_cluster()]));
    let [video, audio] = recording.tracks() else { panic!() };
    assert_eq!((video.bitrate, video.duration), (Some(512_000), Some(MediaTime::from_millis(1500))));
    assert_eq!(video.frame_rate, Some(25.0));
    assert_eq!((audio.bitrate, audio.duration, audio.frame_rate), (None, None, None));
}

#[test]
fn what_is_no_matroska_file_is_refused_with_the_reason() {
    let other = [master(id::EBML, [element(id::DOC_TYPE, "other")]), element(id::SEGMENT, [])].concat();
    let rows = [
        (other, "EBML document of type \"other\""),
        (file([info(1.0)]), "the Matroska header (no Tracks) is cut off at byte 67"),
        (ebml_header(), "EBML element is cut off at byte 22"),
        (vec![0x1A, 0x45, 0xDF, 0xA3], "EBML element is cut off at byte 4"),
        ([ebml_header(), vec![0; 40]].concat(), "malformed EBML element at byte 22"),
        (b"RIFF".to_vec(), "not a recording in any known format"),
    ];
    for (bytes, expected) in rows {
        assert_eq!(open(&bytes).err().map(|error| error.to_string()).as_deref(), Some(expected));
    }
}

#[test]
fn the_default_of_each_kind_comes_first_and_a_turned_picture_is_noted() {
    let audio = |number: u64, flags: Vec<u8>| track(number, "A_PCM/INT/LIT", [audio_element(8000.0, 1, 16), flags]);
    let roll = master(id::VIDEO, [master(id::PROJECTION, [float(id::PROJECTION_POSE_ROLL, 90.0)])]);
    let video = track(1, "V_MPEG4/ISO/AVC", [private(avcc()), roll]);
    let not_default = || uint(id::FLAG_DEFAULT, 0);
    let disabled = uint(id::FLAG_ENABLED, 0);
    let entries = [audio(2, not_default()), video, audio(3, disabled), audio(4, Vec::new()), audio(5, not_default())];
    let blocks = [5, 4, 3, 2].map(|number| simple_block(number, 0, 0, [number; 2]));
    let bytes = file([tracks(entries), cluster(0, [simple_block(1, 0, 0x80, picture(1)), blocks.concat()])]);
    let recording = opened(&bytes);
    let kinds: Vec<String> = recording.tracks().iter().map(|track| track.kind().to_string()).collect();
    assert_eq!(kinds, ["audio", "audio", "video", "audio", "audio"]);
    let mut lines = read(&bytes);
    lines.sort();
    assert_eq!(lines, ["0 0/0* 0404", "1 0/0* 0202", "2 0/0* 000000026501", "3 0/0* 0303", "4 0/0* 0505"]);
    let note = recording.notes()[0].to_string();
    assert!(
        note.starts_with("track 1: its pictures are to be turned by 270 degrees, which RTSP cannot tell"),
        "{note}"
    );
}

#[test]
fn subtitles_come_without_their_markup() {
    let text = |codec_id: &str, cue: &[u8]| {
        let bytes = file([tracks([track(1, codec_id, [])]), cluster(0, [simple_block(1, 40, 0x80, cue)])]);
        let mut reader = opened(&bytes).reader().unwrap();
        let mut sample = Sample::default();
        assert!(matches!(reader.next(&mut sample), Ok(Next::Sample)));
        assert_eq!(sample.pts, MediaTime::from_millis(40));
        String::from_utf8(sample.data).unwrap()
    };
    assert_eq!(text("S_TEXT/UTF8", b"<b>Hello</b>\r\nyou"), "Hello\nyou");
    assert_eq!(text("S_TEXT/WEBVTT", b"<v Ann>a &lt; b"), "a < b");
    assert_eq!(text("D_WEBVTT/SUBTITLES", b"id\nline:0\n<i>one</i>\ntwo"), "one\ntwo");
    assert_eq!(text("S_TEXT/ASS", b"0,0,Default,,0,0,0,,{\\i1}one\\Ntwo"), "one\ntwo");
}
