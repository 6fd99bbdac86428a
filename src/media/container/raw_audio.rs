//! Files that are one stream of compressed audio and nothing but tags beside it: MPEG audio, ADTS, LOAS, AC-3, E-AC-3.
//! How the streams are cut into frames is in `codec`; reading, seeking and the rest in [`scan`].

use std::sync::Arc;

use super::{Container, Options, Sniff};
use crate::media::codec::aac::{AdtsFramer, LatmFramer};
use crate::media::codec::ac3::Ac3Framer;
use crate::media::codec::mpeg_audio::{FrameHeader, HEADER_LEN, InfoFrame, MpegAudioFramer};
use crate::media::codec::tags;
use crate::media::io::Source;
use crate::media::scan::{self, Chunk, Entry, Format, Framer, Header, RawFormat, Scanner};
use crate::media::{Error, Recording, Sample};
use crate::time::MediaTime;

/// MPEG audio of any layer.
pub const MPEG_AUDIO: Container = Container {
    name: "MPEG audio",
    suffixes: &["mp3", "mp2", "mp1", "mpa", "mpga", "m2a"],
    sniff: |head| sniff(head, mpeg_audio),
    open: open_mpeg_audio,
};

/// AAC in ADTS.
pub const ADTS: Container = Container {
    name: "ADTS",
    suffixes: &["aac", "adts"],
    sniff: |head| sniff(head, adts),
    open: |source, _| open(source, "ADTS", adts),
};

/// AAC in LATM within LOAS.
pub const LOAS: Container = Container {
    name: "LOAS",
    suffixes: &["latm", "loas"],
    sniff: |head| sniff(head, latm),
    open: |source, _| open(source, "LOAS", latm),
};

/// AC-3 and E-AC-3.
pub const AC3: Container = Container {
    name: "AC-3",
    suffixes: &["ac3", "eac3", "ec3"],
    sniff: |head| sniff(head, ac3),
    open: |source, _| open(source, "AC-3", ac3),
};

/// So many frames in a row at the start of a file are no accident.
const SURE_COUNT: usize = 2;
/// How many tags may stand before the first frame.
const TAGS_MAX: usize = 16;
/// How much may stand behind the last frame, in bytes: tags.
const END_TAGS_LEN_MAX: u64 = 64 << 10;
/// The longest frame in which an info frame is looked for, in bytes.
const INFO_FRAME_LEN_MAX: usize = 4096;

fn mpeg_audio() -> Box<dyn Framer> {
    Box::new(MpegAudioFramer::new())
}

fn adts() -> Box<dyn Framer> {
    Box::new(AdtsFramer::new())
}

fn latm() -> Box<dyn Framer> {
    Box::new(LatmFramer::new())
}

fn ac3() -> Box<dyn Framer> {
    Box::new(Ac3Framer::new())
}

/// Frames from the first byte on are enough. Without, the file may begin with a tag longer than what is shown, or in
/// the middle of a frame.
fn sniff(head: &[u8], framer: fn() -> Box<dyn Framer>) -> Sniff {
    if head.is_empty() {
        return Sniff::No;
    }
    let (mut framer, mut sample) = (framer(), Sample::default());
    framer.push(Chunk { bytes: head, at: 0, is_packet: false, stamp: None });
    let is_whole = head.len() < super::SNIFF_LEN;
    if is_whole {
        framer.finish();
    }
    let mut count = 0;
    while let Ok(Some(_)) = framer.pop(&mut sample) {
        count += 1;
    }
    if count >= SURE_COUNT || (count > 0 && is_whole) { Sniff::Yes } else { Sniff::Maybe }
}

fn open(source: &Source, name: &'static str, framer: fn() -> Box<dyn Framer>) -> Result<Arc<dyn Recording>, Error> {
    let start = skip_tags(source)?;
    scan::open(RawFormat::new(source, start, name, framer)?)
}

/// Behind the tags that the file begins with: they may be longer than what is read ahead to find the first frame.
fn skip_tags(source: &Source) -> Result<u64, Error> {
    let mut at = 0;
    for _ in 0..TAGS_MAX {
        let mut start = [0; 16];
        let filled = source.read_at(&mut start, at, "a tag")?;
        match tags::tag_len(&start[..filled]) {
            Some(len) => at += len,
            None => break,
        }
    }
    Ok(at)
}

fn open_mpeg_audio(source: &Source, _: &Options) -> Result<Arc<dyn Recording>, Error> {
    let start = skip_tags(source)?;
    let raw = RawFormat::new(source, start, MPEG_AUDIO.name, mpeg_audio)?;
    let duration = told_duration(source, start)?;
    let header = Header { duration, ..raw.header().clone() };
    scan::open(MpegAudioFile { raw, header })
}

/// The duration by the info frame that stands at `at`, if one does and tells of all that is in the file: files are cut,
/// appended to each other, or still growing.
fn told_duration(source: &Source, at: u64) -> Result<Option<MediaTime>, Error> {
    let mut frame = [0; INFO_FRAME_LEN_MAX];
    let filled = source.read_at(&mut frame, at, "the first frame")?;
    let file_len = source.len()?;
    let frame = &frame[..filled];
    let Some(header) = frame.first_chunk().and_then(|bytes: &[u8; HEADER_LEN]| FrameHeader::parse(*bytes)) else {
        return Ok(None);
    };
    let Some(InfoFrame { frame_count: Some(frame_count), byte_count: Some(byte_count) }) =
        InfoFrame::parse(&header, frame)
    else {
        return Ok(None);
    };
    let tells_all = (at + u64::from(byte_count)..=at + u64::from(byte_count) + END_TAGS_LEN_MAX).contains(&file_len);
    let ticks = i64::from(frame_count) * i64::from(header.sample_count());
    Ok(tells_all.then(|| MediaTime::from_ticks(ticks, header.sample_rate)))
}

/// A raw stream whose duration its first frame may tell.
struct MpegAudioFile {
    raw: RawFormat,
    header: Header,
}

impl Format for MpegAudioFile {
    fn header(&self) -> &Header {
        &self.header
    }

    fn scan(&self, entry: Entry) -> Box<dyn Scanner> {
        self.raw.scan(entry)
    }

    fn can_guess(&self) -> bool {
        self.raw.can_guess()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{scan_all, scan_from, source_of};
    use super::super::{SNIFF_LEN, open as open_any};
    use super::*;
    use crate::media::Codec;

    /// MPEG-1 layer III, 64 kbit/s at 32 kHz: 288 bytes, 36 ms.
    fn mp3_frame(fill: u8) -> Vec<u8> {
        let mut frame = vec![fill; 288];
        frame[..4].copy_from_slice(&[0xff, 0xfb, 0x58, 0xc0]);
        frame
    }

    /// LC at 8 kHz, mono, with a payload of 93 bytes.
    fn adts_frame(fill: u8) -> Vec<u8> {
        [&[0xff, 0xf1, 0x6c, 0x40, 0x0c, 0x9f, 0xfc][..], &[fill; 93]].concat()
    }

    /// 32 kbit/s at 48 kHz, stereo: 128 bytes.
    fn ac3_frame(fill: u8) -> Vec<u8> {
        [&[0x0b, 0x77, 0, 0, 0, 0x40, 0x40][..], &[fill; 121]].concat()
    }

    /// A LOAS frame of 103 bytes that refers to a config before it.
    fn loas_frame(fill: u8) -> Vec<u8> {
        [&[0x56, 0xe0, 0x64][..], &[fill | 0x80; 100]].concat()
    }

    fn repeated(frame: fn(u8) -> Vec<u8>, count: u8) -> Vec<u8> {
        (0..count).flat_map(frame).collect()
    }

    /// An info frame that tells of so many frames and bytes.
    fn info_frame(frame_count: u32, byte_count: u32) -> Vec<u8> {
        let mut frame = mp3_frame(0);
        let told = [&b"Info\0\0\0\x03"[..], &frame_count.to_be_bytes(), &byte_count.to_be_bytes()].concat();
        frame[21..21 + told.len()].copy_from_slice(&told);
        frame
    }

    const ALL: [Container; 4] = [MPEG_AUDIO, ADTS, LOAS, AC3];

    #[test]
    fn each_stream_is_known_by_its_frames_and_claimed_by_one_only() {
        let streams = [mp3_frame, adts_frame, loas_frame, ac3_frame].map(|frame| repeated(frame, 100));
        for (number, container) in ALL.iter().enumerate() {
            for (other, stream) in streams.iter().enumerate() {
                let sniff = (container.sniff)(&stream[..SNIFF_LEN]);
                // Where every frame of LOAS refers to a config before it, the suffix has to tell.
                let is_sure = number == other && container.name != "LOAS";
                assert_eq!(sniff, if is_sure { Sniff::Yes } else { Sniff::Maybe }, "{} {other}", container.name);
            }
            assert_eq!((container.sniff)(b""), Sniff::No);
            assert_eq!((container.sniff)(&[0; SNIFF_LEN]), Sniff::Maybe);
        }
    }

    #[test]
    fn a_tag_longer_than_what_is_sniffed_leaves_it_to_the_suffix() {
        let tag = [&b"ID3\x03\0\0\0\x7f\x7f\x7f"[..], &vec![0xff; (127 << 14) + (127 << 7) + 127]].concat();
        let source = source_of(&[&tag[..], &tag, &tag, &repeated(mp3_frame, 10)].concat());
        let recording = open_any(&source, "a.mp3", &Options::default()).unwrap();
        assert_eq!((recording.container(), recording.notes().len()), ("MPEG audio", 0));
        assert!(open_any(&source, "a.bin", &Options::default()).is_err());
    }

    #[test]
    fn an_info_frame_tells_the_duration_when_it_tells_of_the_whole_file() {
        let (frames, len) = (repeated(mp3_frame, 50), 51 * 288);
        let id3v1 = [&b"TAG"[..], &[0; 125]].concat();
        let duration = |parts: &[&[u8]]| told_duration(&source_of(&parts.concat()), 0).unwrap();
        let told = Some(MediaTime::from_millis(1800));
        assert_eq!(duration(&[&info_frame(50, len), &frames]), told);
        assert_eq!(duration(&[&info_frame(50, len), &frames, &id3v1]), told);
        assert_eq!(duration(&[&info_frame(50, len), &frames[..288 * 40]]), None, "cut");
        assert_eq!(duration(&[&info_frame(50, len), &frames, &[0; 70_000]]), None, "appended to");
        assert_eq!(duration(&[&frames]), None);
    }

    #[test]
    fn files_are_read_again_from_any_sample() {
        for (name, frame, count) in [("a.mp3", mp3_frame as fn(u8) -> Vec<u8>, 40), ("a.aac", adts_frame, 60)] {
            let damaged = [&repeated(frame, count)[..], &[1, 2, 3], &repeated(frame, count)].concat();
            let make: fn() -> Box<dyn Framer> = if name == "a.mp3" { mpeg_audio } else { adts };
            let format = RawFormat::new(&source_of(&damaged), 0, name, make).unwrap();
            let all = scan_all(&format);
            assert_eq!((all.samples.len(), all.errors.len()), (2 * usize::from(count), 1), "{name}");
            for (index, entry) in all.entries.iter().enumerate() {
                assert_eq!(scan_from(&format, *entry).samples, all.samples[index..], "{name} from sample {index}");
            }
        }
    }

    #[test]
    fn a_config_that_changes_is_that_of_the_track_wherever_reading_begins() {
        // The same in stereo.
        let stereo_frame = |fill| {
            let mut frame = adts_frame(fill);
            frame[3] = 0x80;
            frame
        };
        let stereo: Vec<u8> = (0..5).flat_map(stereo_frame).collect();
        let stream = [&repeated(adts_frame, 5)[..], &stereo, &repeated(adts_frame, 5)].concat();
        let format = RawFormat::new(&source_of(&stream), 0, "ADTS", adts).unwrap();
        let Codec::Aac(config) = &format.header().tracks[0].codec else { panic!("no AAC") };
        assert_eq!(config.channels, 1);
        let from_stereo = Entry { at: 500, time: Some(MediaTime::from_millis(640)) };
        let got = scan_from(&format, from_stereo);
        assert_eq!((got.samples.len(), got.samples[0].pts), (5, MediaTime::from_millis(1280)));
    }
}
