//! Samples in the order, and with the times, that they should have.

use super::*;

#[test]
fn laced_frames_follow_each_other_by_their_duration() {
    // Fixed lacing of three frames of 20 ms; EBML lacing of 10, 20 and 30 ms; Xiph lacing of 10 and 20 ms.
    let fixed = simple_block(2, 0, 0x84, [&[2][..], &[0xAA; 480]].concat());
    let ebml = simple_block(2, 100, 0x86, [&[2, 0x40, 80, 0x60, 0x4F][..], &[0xBB; 480]].concat());
    let xiph = simple_block(2, 200, 0x82, [&[1, 80][..], &[0xCC; 240]].concat());
    let samples = read(&file([tracks([audio()]), cluster(1000, [fixed, ebml, xiph])]));
    let times: Vec<&str> = samples.iter().map(|line| line.split(' ').nth(1).unwrap()).collect();
    assert_eq!(times[..3], ["1000/1000*", "1020/1020*", "1040/1040*"]);
    assert_eq!(times[3..], ["1100/1100*", "1110/1110*", "1130/1130*", "1200/1200*", "1210/1210*"]);
}

#[test]
fn default_duration_and_the_codec_tell_how_long_a_laced_frame_lasts() {
    let laced = || simple_block(2, 0, 0x84, [1, 0x08, 1, 0x08, 2]);
    let times = |entry: Vec<u8>| -> Vec<String> {
        let samples = read(&file([tracks([entry]), cluster(0, [laced()])]));
        samples.iter().map(|line| line.split('/').next().unwrap().to_owned()).collect()
    };
    let rate = master(id::AUDIO, [float(id::SAMPLING_FREQUENCY, 8000.0)]);
    let aac = |more: Vec<u8>| track(2, "A_AAC/MPEG4/LC", [rate.clone(), more]);
    assert_eq!(times(aac(Vec::new())), ["0 0", "0 128"]);
    assert_eq!(times(aac(uint(id::DEFAULT_DURATION, 64_000_000))), ["0 0", "0 64"]);
    assert_eq!(times(track(2, "A_OPUS", [])), ["0 0", "0 20"]);
}

#[test]
fn opus_is_shown_earlier_by_its_codec_delay_in_whole_ticks() {
    let opus = track(2, "A_OPUS", [uint(id::CODEC_DELAY, 6_500_000)]);
    let blocks = [simple_block(2, 0, 0x80, [0x08, 1]), simple_block(2, 20, 0x80, [0x08, 2])];
    assert_eq!(read(&file([tracks([opus]), cluster(0, blocks)])), ["0 -7/-7* 0801", "0 13/13* 0802"]);
}

#[test]
fn stripped_headers_are_put_back() {
    let compression = master(
        id::CONTENT_COMPRESSION,
        [uint(id::CONTENT_COMP_ALGO, 3), element(id::CONTENT_COMP_SETTINGS, [0, 0, 0, 2, 0x65])],
    );
    let encodings = master(id::CONTENT_ENCODINGS, [master(id::CONTENT_ENCODING, [compression])]);
    let entry = track(1, "V_MPEG4/ISO/AVC", [element(id::CODEC_PRIVATE, avcc()), encodings]);
    let bytes = file([tracks([entry]), cluster(0, [simple_block(1, 0, 0x80, [0x77])])]);
    assert_eq!(read(&bytes), ["0 0/0* 000000026577"]);
}

#[test]
fn a_block_without_reference_is_a_key_frame() {
    let group = |relative, more: Vec<u8>| {
        element(id::BLOCK_GROUP, [more, element(id::BLOCK, block(1, relative, 0, picture(1)))].concat())
    };
    let behind = |relative, more: Vec<u8>| {
        element(id::BLOCK_GROUP, [element(id::BLOCK, block(1, relative, 0, picture(2))), more].concat())
    };
    let reference = || element(id::REFERENCE_BLOCK, [0xD8]);
    let blocks = [
        group(0, uint(id::BLOCK_DURATION, 40)),
        group(40, reference()),
        behind(80, reference()),
        behind(120, element(0x75A1, [0; 9])),
        simple_block(1, 160, 0, picture(3)),
    ];
    let keys: Vec<bool> =
        read(&file([tracks([video()]), cluster(0, blocks)])).iter().map(|line| line.contains('*')).collect();
    assert_eq!(keys, [true, false, false, true, false]);
}

#[test]
fn decoding_times_never_decrease_nor_come_after_the_picture_is_due() {
    // I P B B P B B, in decoding order.
    let order = [0_i16, 120, 40, 80, 240, 160, 200];
    let blocks = order.map(|relative| simple_block(1, relative, 0x80 * u8::from(relative == 0), picture(1)));
    let samples = read(&file([tracks([video()]), cluster(0, blocks)]));
    let times: Vec<&str> = samples.iter().map(|line| line.split(' ').nth(1).unwrap()).collect();
    assert_eq!(times, ["0/0*", "120/40", "40/40", "80/80", "240/160", "160/160", "200/200"]);
}

#[test]
fn tracks_that_are_badly_interleaved_come_out_by_decoding_time() {
    let blocks = [
        simple_block(1, 0, 0x80, picture(1)),
        simple_block(1, 40, 0, picture(2)),
        simple_block(1, 80, 0, picture(3)),
        simple_block(2, 0, 0x80, [1; 2]),
        simple_block(2, 60, 0x80, [2; 2]),
    ];
    let samples = read(&file([tracks([video(), audio()]), cluster(0, blocks)]));
    let order: Vec<&str> = samples.iter().map(|line| line.split('/').next().unwrap()).collect();
    assert_eq!(order, ["0 0", "1 0", "0 40", "1 60", "0 80"]);
}

/// Two seconds of 25 pictures and 50 audio frames a second, in Clusters of a second.
fn two_seconds() -> Vec<u8> {
    let cluster = |second: u64| {
        let mut blocks = uint(id::TIMESTAMP, second * 1000);
        for index in 0..50_i16 {
            if index % 2 == 0 {
                blocks.extend(simple_block(1, index * 20, 0x80 * u8::from(index == 0), picture(index as u8)));
            }
            blocks.extend(simple_block(2, index * 20, 0x80, [index as u8; 160]));
        }
        element(id::CLUSTER, blocks)
    };
    file([tracks([video(), audio()]), cluster(0), cluster(1)])
}

#[test]
fn tracks_that_are_not_wanted_are_left_out_and_may_be_wanted_again_at_once() {
    let mut reader = opened(&two_seconds()).reader().unwrap();
    let mut sample = Sample::default();
    let mut next = |reader: &mut Box<dyn Reader>| {
        reader.next(&mut sample).unwrap();
        (sample.track, sample.pts.as_nanos() / 1_000_000)
    };
    reader.select(1, false);
    assert_eq!([next(&mut reader), next(&mut reader)], [(0, 0), (0, 40)]);
    reader.select(1, true);
    assert_eq!([next(&mut reader), next(&mut reader), next(&mut reader)], [(1, 40), (1, 60), (0, 80)]);
    reader.select(0, false);
    assert_eq!([next(&mut reader), next(&mut reader)], [(1, 80), (1, 100)]);
    reader.select(1, false);
    assert!(matches!(reader.next(&mut Sample::default()), Ok(Next::End)));
    reader.select(1, true);
    assert_eq!(rest(&mut *reader).len(), 94);
}

#[test]
fn clusters_of_unknown_size_end_where_the_next_begins() {
    let live = |ticks: u64, mark: u8| {
        let blocks = [uint(id::TIMESTAMP, ticks), simple_block(1, 0, 0x80, picture(mark))].concat();
        open_ended(id::CLUSTER, blocks)
    };
    let cues = element(id::CUES, []);
    let bytes = live_file([tracks([video()]), live(0, 1), element(id::VOID, [0; 9]), live(40, 2), cues, live(80, 3)]);
    assert_eq!(read(&bytes), ["0 0/0* 000000026501", "0 40/40* 000000026502", "0 80/80* 000000026503"]);
}

#[test]
fn pcm_is_cut_to_whole_frames_and_empty_frames_are_left_out() {
    let pcm = track(2, "A_MS/ACM", [element(id::CODEC_PRIVATE, wave_format(1, 2, 8000, 16))]);
    let blocks = [simple_block(2, 0, 0x80, [1, 2, 3, 4, 5, 6]), simple_block(2, 20, 0x80, [])];
    assert_eq!(read(&file([tracks([pcm]), cluster(0, blocks)])), ["0 0/0* 01020304"]);
}

#[test]
fn the_adts_header_of_aac_is_taken_off_and_frames_of_several_access_units_are_told() {
    let aac = track(2, "A_MS/ACM", [element(id::CODEC_PRIVATE, wave_format(0x1600, 1, 48_000, 16))]);
    // 10 bytes: 7 of the header, whose last two bits are how many access units follow the first.
    let frame = |more: u8| [0xFF, 0xF1, 0x4C, 0x40, 1, 0x5F, 0xFC | more, 0x21, 0x22, 0x23];
    let blocks = [simple_block(2, 0, 0x80, frame(0)), simple_block(2, 20, 0x80, frame(1))];
    let bytes = file([tracks([aac]), cluster(0, blocks)]);
    let at = bytes.len() - 10;
    let expected = ["0 0/0* 212223".to_owned(), format!("malformed AAC frame of one access unit at byte {at}")];
    assert_eq!(read(&bytes), expected);
}

#[test]
fn pictures_with_start_codes_are_recognised_although_lengths_were_announced() {
    let frame = [0, 0, 0, 1, 0x67, 9, 0, 0, 1, 0x65, 7];
    let bytes = file([tracks([video()]), cluster(0, [simple_block(1, 0, 0x80, frame)])]);
    let mut sample = Sample::default();
    opened(&bytes).reader().unwrap().next(&mut sample).unwrap();
    assert_eq!(sample.nals, [4..6, 9..11]);
}
