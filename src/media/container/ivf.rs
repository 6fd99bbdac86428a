//! IVF: VP8, VP9 or AV1 as libvpx and libaom write them to a file. There is no standard; what they write is this, in
//! little-endian numbers:
//!
//! ```text
//! header of 32 bytes: "DKIF", version (16 bits), header length (16), FourCC, width (16), height (16),
//!                     ticks a second (32), units of a tick (32), number of frames (32), unused (32)
//! each frame:         length (32), time in ticks (64), the frame
//! ```
//!
//! Frames have no mark to find them by. After damage, one is taken for found where the next ones follow each other, too.

use std::sync::Arc;

use super::{Container, Options, Sniff};
use crate::media::codec::vpx::FrameHeader;
use crate::media::codec::{Av1Config, VpxConfig, av1};
use crate::media::io::{Source, Window};
use crate::media::scan::{self, Entry, Format, Header, Scanner, Timing};
use crate::media::{Codec, Error, Next, Note, Recording, Sample, Track};
use crate::time::MediaTime;

/// This container's line in [`super::CONTAINERS`].
pub const CONTAINER: Container = Container { name: NAME, suffixes: &["ivf"], sniff, open };

const NAME: &str = "IVF";
const HEADER_LEN: usize = 32;
const FRAME_HEAD_LEN: usize = 12;
/// A longer frame is taken for damage, in bytes.
const FRAME_LEN_MAX: u32 = 64 << 20;
/// A longer pause between frames is taken for damage, in seconds.
const GAP_MAX: u64 = 24 * 3600;
/// How far from the first frame another one may be, in seconds, when it is looked for anywhere in the file: 100 years.
/// Most of what is no frame is further away, so that nothing needs to be read where it would end.
const SPAN_MAX: u64 = 100 * 366 * 24 * 3600;
/// How many bytes of a frame tell whether it is one.
const PEEK_LEN: usize = 16;
/// How many frames must follow each other for the first of them to be taken for one, after damage.
const CHAIN_LEN: usize = 3;
/// How much is read at once while looking for a frame, in bytes.
const WINDOW_LEN: usize = 64 << 10;
/// How many frames are looked at for the frame rate.
const SURVEY_COUNT: usize = 32;

fn sniff(head: &[u8]) -> Sniff {
    if head.len() >= HEADER_LEN && head.starts_with(b"DKIF") { Sniff::Yes } else { Sniff::No }
}

fn open(source: &Source, _: &Options) -> Result<Arc<dyn Recording>, Error> {
    scan::open(Ivf::read(source)?)
}

/// What the FourCC names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Vp8,
    Vp9,
    Av1,
}

impl Coding {
    /// Whether decoding can start at the frame; `None` when it is no frame of this coding.
    ///
    /// `frame` may be cut off behind its first [`PEEK_LEN`] bytes; `len` is how long it is.
    fn is_key(self, frame: &[u8], len: usize) -> Option<bool> {
        match self {
            Self::Vp8 => FrameHeader::vp8(frame, len).map(|header| header.is_key),
            Self::Vp9 => FrameHeader::vp9(frame).map(|header| header.is_key),
            Self::Av1 => {
                let (head, size) = av1::ObuHead::parse(frame)?;
                let fits = size.is_none_or(|size| head.len as u64 + size <= len as u64);
                fits.then(|| frame.len() == len && av1::is_key(frame) == Some(true))
            }
        }
    }
}

/// The facts that a scanner needs.
#[derive(Debug, Clone)]
struct Layout {
    coding: Coding,
    /// Ticks a second are `rate / scale`.
    rate: u32,
    scale: u32,
    /// The time of the first frame in ticks, which counts as 0, once it is known.
    first: Option<u64>,
}

impl Layout {
    fn time_of(&self, ticks: u64) -> MediaTime {
        let ticks = i128::from(ticks) - i128::from(self.first.unwrap_or_default());
        let nanos = ticks * i128::from(self.scale) * 1_000_000_000;
        let rounded = (nanos + i128::from(self.rate) / 2).div_euclid(i128::from(self.rate));
        MediaTime::from_nanos(rounded.clamp(i64::MIN.into(), i64::MAX.into()) as i64)
    }

    /// Ticks of the longest pause.
    fn gap_max(&self) -> u64 {
        self.ticks_of(GAP_MAX)
    }

    fn ticks_of(&self, seconds: u64) -> u64 {
        (seconds * u64::from(self.rate) / u64::from(self.scale)).max(1)
    }

    /// Whether a frame of this recording may have such a time.
    fn is_possible(&self, ticks: u64) -> bool {
        self.first.is_none_or(|first| ticks.abs_diff(first) <= self.ticks_of(SPAN_MAX))
    }
}

/// The head of a frame.
#[derive(Debug, Clone, Copy)]
struct Head {
    len: u32,
    ticks: u64,
}

impl Head {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (len, rest) = bytes.split_first_chunk()?;
        let (ticks, _) = rest.split_first_chunk()?;
        Some(Self { len: u32::from_le_bytes(*len), ticks: u64::from_le_bytes(*ticks) })
    }
}

struct Ivf {
    source: Source,
    header: Header,
    layout: Layout,
}

impl Ivf {
    fn read(source: &Source) -> Result<Self, Error> {
        let mut bytes = [0; HEADER_LEN];
        source.read_exact_at(&mut bytes, 0, "the IVF header")?;
        let u16_at = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let u32_at = |at: usize| u32::from(u16_at(at)) | u32::from(u16_at(at + 2)) << 16;
        let coding = match &bytes[8..12] {
            b"VP80" => Coding::Vp8,
            b"VP90" => Coding::Vp9,
            b"AV01" => Coding::Av1,
            other => return Err(Error::Unsupported(format!("IVF with {:?}", String::from_utf8_lossy(other)))),
        };
        let (rate, scale) = (u32_at(16), u32_at(20));
        if rate == 0 || scale == 0 {
            return Err(Error::malformed("IVF time base", 16));
        }
        let start = u64::from(u16_at(6)).max(HEADER_LEN as u64);
        let layout = Layout { coding, rate, scale, first: None };
        let size = (u32::from(u16_at(12)), u32::from(u16_at(14)));
        let size = Some(size).filter(|(width, height)| *width > 0 && *height > 0);
        survey(source, layout, start, size)
    }
}

/// Looks at the first frames for what the header does not tell.
fn survey(source: &Source, layout: Layout, start: u64, size: Option<(u32, u32)>) -> Result<Ivf, Error> {
    let mut scanner = IvfScanner::new(source.clone(), layout.clone(), Entry { at: start, time: Some(MediaTime::ZERO) });
    scanner.finish();
    let mut notes = Vec::new();
    let mut sample = Sample::default();
    let mut first: Option<(Entry, u64, Codec)> = None;
    let mut ticks = Vec::new();
    while ticks.len() < SURVEY_COUNT {
        sample.clear();
        match scanner.next(&mut sample)? {
            Next::Sample => {
                let now = scanner.ticks.unwrap_or_default();
                ticks.push(now);
                first.get_or_insert_with(|| {
                    let entry = Entry { at: scanner.last.at, time: Some(MediaTime::ZERO) };
                    (entry, now, codec(layout.coding, size, &sample.data))
                });
            }
            Next::Skipped(error) if first.is_none() => notes.push(Note::from(&error)),
            Next::Skipped(_) => {}
            Next::Pending | Next::End => break,
        }
    }
    let (start, first, codec) = first.ok_or_else(|| Error::Unsupported("IVF without a frame".into()))?;
    let frame_rate = interval(&ticks).map(|step| f64::from(layout.rate) / f64::from(layout.scale) / step as f64);
    let track = Track { codec, duration: None, shown_until: None, bitrate: None, frame_rate };
    let header = Header { container: NAME, tracks: vec![track], notes, start, timing: Timing::Stamped, duration: None };
    Ok(Ivf { source: source.clone(), header, layout: Layout { first: Some(first), ..layout } })
}

/// How many ticks frames are apart, where all are equally far apart.
fn interval(ticks: &[u64]) -> Option<u64> {
    let mut steps = ticks.windows(2).map(|pair| pair[1].saturating_sub(pair[0]));
    let first = steps.next().filter(|step| *step > 0)?;
    steps.all(|step| step == first).then_some(first)
}

fn codec(coding: Coding, size: Option<(u32, u32)>, frame: &[u8]) -> Codec {
    let vpx = |header: Option<FrameHeader>, is_vp9: bool| VpxConfig {
        size: header.and_then(|header| header.size).or(size),
        profile: header.map(|header| header.profile).filter(|_| is_vp9),
    };
    match coding {
        Coding::Vp8 => Codec::Vp8(vpx(FrameHeader::vp8(frame, frame.len()), false)),
        Coding::Vp9 => Codec::Vp9(vpx(FrameHeader::vp9(frame), true)),
        Coding::Av1 => {
            Codec::Av1(Av1Config::from_obus(frame).unwrap_or_else(|| Av1Config { size, ..Av1Config::default() }))
        }
    }
}

impl Format for Ivf {
    fn header(&self) -> &Header {
        &self.header
    }

    fn scan(&self, entry: Entry) -> Box<dyn Scanner> {
        Box::new(IvfScanner::new(self.source.clone(), self.layout.clone(), entry))
    }
}

struct IvfScanner {
    source: Source,
    window: Window,
    layout: Layout,
    position: u64,
    /// The bytes before `position` may be no frame: the next one has to be looked for. Where that began, and why.
    lost: Option<Lost>,
    last: Entry,
    /// The time of the last frame in ticks.
    ticks: Option<u64>,
    /// Of the last sample; times of decoding do not go back.
    dts: Option<MediaTime>,
    is_finished: bool,
}

/// Bytes that are no frames.
#[derive(Debug, Clone, Copy)]
struct Lost {
    since: u64,
    /// Whether it is told as damage: it is not when reading just began anywhere.
    is_told: bool,
}

/// What stands at a place.
enum Found {
    Frame(Head),
    Nothing,
    /// The file ends before that can be told.
    Unknown,
}

impl IvfScanner {
    fn new(source: Source, layout: Layout, entry: Entry) -> Self {
        // A place without a time is any byte of the file.
        let lost = entry.time.is_none().then_some(Lost { since: entry.at, is_told: false });
        Self {
            window: Window::new(source.clone(), WINDOW_LEN),
            source,
            position: entry.at,
            lost,
            last: entry,
            ticks: None,
            dts: None,
            layout,
            is_finished: false,
        }
    }

    /// Whether a frame begins at byte `at`, going by its head and its first bytes.
    fn frame_at(&mut self, at: u64) -> Result<Found, Error> {
        let bytes = self.window.available(at, FRAME_HEAD_LEN + PEEK_LEN, "an IVF frame")?;
        let Some(head) = Head::parse(bytes) else { return Ok(Found::Unknown) };
        if head.len > FRAME_LEN_MAX {
            return Ok(Found::Nothing);
        }
        let frame = &bytes[FRAME_HEAD_LEN..];
        let frame = &frame[..frame.len().min(head.len as usize)];
        if frame.len() < PEEK_LEN.min(head.len as usize) {
            return Ok(Found::Unknown);
        }
        let is_frame = head.len == 0 || self.layout.coding.is_key(frame, head.len as usize).is_some();
        Ok(if is_frame { Found::Frame(head) } else { Found::Nothing })
    }

    /// Whether frames follow each other from byte `at` on of a file of so many bytes, whose times go on from there.
    fn is_chain(&mut self, mut at: u64, file_len: u64) -> Result<Option<bool>, Error> {
        let mut ticks: Option<u64> = None;
        for _ in 0..CHAIN_LEN {
            if at == file_len && ticks.is_some() {
                return Ok(Some(true));
            }
            match self.frame_at(at)? {
                Found::Frame(head) => {
                    let gap = ticks.map_or(0, |ticks| head.ticks.abs_diff(ticks));
                    if head.len == 0 || gap > self.layout.gap_max() || !self.layout.is_possible(head.ticks) {
                        return Ok(Some(false));
                    }
                    at += FRAME_HEAD_LEN as u64 + u64::from(head.len);
                    ticks = Some(head.ticks);
                    if at > file_len {
                        return Ok(if self.is_finished { Some(false) } else { None });
                    }
                }
                Found::Nothing => return Ok(Some(false)),
                Found::Unknown => return Ok(if self.is_finished { Some(false) } else { None }),
            }
        }
        Ok(Some(true))
    }

    /// Looks for the next frame. `false`: the file ends before one is found.
    fn find(&mut self) -> Result<bool, Error> {
        let file_len = self.source.len()?;
        while self.position < file_len {
            match self.is_chain(self.position, file_len)? {
                Some(true) => return Ok(true),
                Some(false) => self.position += 1,
                None => return Ok(false),
            }
        }
        Ok(false)
    }

    /// What is left of the file is no whole frame.
    fn at_end(&mut self) -> Result<Next, Error> {
        if !self.is_finished {
            return Ok(Next::Pending);
        }
        let file_len = self.source.len()?;
        let rest = self.position < file_len;
        let lost = self.lost.take().filter(|lost| lost.is_told);
        self.position = file_len.max(self.position);
        Ok(match lost {
            Some(Lost { since, .. }) => Next::Skipped(Error::malformed("IVF frame", since)),
            None if rest => Next::Skipped(Error::truncated("the last IVF frame", file_len)),
            None => Next::End,
        })
    }

    /// Whether the time of a frame cannot be believed, going by the one before.
    fn is_far(&self, head: Head) -> bool {
        self.ticks.is_some_and(|last| last.abs_diff(head.ticks) > self.layout.gap_max())
    }

    fn read(&mut self, head: Head, sample: &mut Sample) -> Result<bool, Error> {
        let at = self.position + FRAME_HEAD_LEN as u64;
        let end = at + u64::from(head.len);
        if end > self.source.len()? {
            return Ok(false);
        }
        match self.source.append(&mut sample.data, at, head.len as usize, "an IVF frame") {
            Ok(()) => {}
            Err(Error::Truncated { .. }) => return Ok(false),
            Err(error) => return Err(error),
        }
        sample.pts = self.layout.time_of(head.ticks);
        sample.dts = self.dts.map_or(sample.pts, |last| sample.pts.max(last));
        sample.pts = sample.dts;
        sample.is_sync = self.layout.coding.is_key(&sample.data, sample.data.len()) == Some(true);
        self.dts = Some(sample.dts);
        self.ticks = Some(head.ticks);
        self.last = Entry { at: self.position, time: Some(sample.pts) };
        self.position = end;
        Ok(true)
    }
}

impl Scanner for IvfScanner {
    fn next(&mut self, sample: &mut Sample) -> Result<Next, Error> {
        loop {
            if let Some(Lost { since, is_told }) = self.lost {
                if !self.find()? {
                    return self.at_end();
                }
                self.lost = None;
                self.ticks = None;
                if is_told && self.position > since {
                    return Ok(Next::Skipped(Error::malformed("IVF frame", since)));
                }
            }
            match self.frame_at(self.position)? {
                // A frame that the encoder dropped.
                Found::Frame(Head { len: 0, .. }) => self.position += FRAME_HEAD_LEN as u64,
                Found::Frame(head) if self.is_far(head) => {
                    self.lost = Some(Lost { since: self.position, is_told: true })
                }
                Found::Frame(head) => {
                    return if self.read(head, sample)? { Ok(Next::Sample) } else { self.at_end() };
                }
                Found::Nothing => self.lost = Some(Lost { since: self.position, is_told: true }),
                Found::Unknown => return self.at_end(),
            }
        }
    }

    fn finish(&mut self) {
        self.is_finished = true;
    }

    fn entry(&self) -> Entry {
        self.last
    }

    fn position(&self) -> u64 {
        self.position
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::testing::{Got, scan_all, scan_from, source_of};
    use super::*;
    use crate::media::codec::av1::tests::{obu, sequence_header};
    use crate::media::codec::vpx::tests::{vp8_frame, vp9_frame};

    /// A file of `frames` with their times, 30 ticks of 1001/1000 to 1000 a second: NTSC's rate.
    fn ivf(four_cc: &[u8; 4], frames: &[(u64, Vec<u8>)]) -> Vec<u8> {
        let mut file = b"DKIF\0\0\x20\0".to_vec();
        file.extend(four_cc);
        file.extend([176, 0, 144, 0]);
        for number in [30_000_u32, 1001, 0, 0] {
            file.extend(number.to_le_bytes());
        }
        for (ticks, frame) in frames {
            file.extend((frame.len() as u32).to_le_bytes());
            file.extend(ticks.to_le_bytes());
            file.extend(frame);
        }
        file
    }

    /// Key frames at 0 and 5, from `first` ticks on.
    fn vp8_file(first: u64) -> Vec<u8> {
        let frames: Vec<_> = (0..10).map(|n| (first + n, vp8_frame(n % 5 == 0, 40 + n as usize))).collect();
        ivf(b"VP80", &frames)
    }

    fn format(bytes: &[u8]) -> Result<Ivf, Error> {
        Ivf::read(&source_of(bytes))
    }

    #[test]
    fn frames_have_the_times_of_the_file_counted_from_the_first() {
        for first in [0, 700] {
            let format = format(&vp8_file(first)).unwrap();
            let track = &format.header().tracks[0];
            assert_eq!(track.codec, Codec::Vp8(VpxConfig { size: Some((176, 144)), profile: None }));
            assert!((track.frame_rate.unwrap() - 29.97).abs() < 0.001);
            let got = scan_all(&format);
            assert_eq!(got.errors, Vec::<String>::new());
            assert_eq!(got.keys(), [0, 5]);
            let times: Vec<_> = got.samples.iter().map(|sample| sample.pts.as_nanos()).collect();
            assert_eq!(times[..3], [0, 33_366_667, 66_733_333]);
            assert_eq!(got.samples[9].data, vp8_frame(false, 49));
        }
    }

    #[test]
    fn each_coding_is_told_with_what_its_first_frame_says() {
        let file = ivf(b"VP90", &[(0, vp9_frame(true, 2, 30)), (1, vp9_frame(false, 2, 30))]);
        let vp9 = format(&file).unwrap();
        assert_eq!(vp9.header().tracks[0].codec, Codec::Vp9(VpxConfig { size: Some((352, 288)), profile: Some(2) }));
        assert_eq!(scan_all(&vp9).keys(), [0]);

        let unit = |parts: &[Vec<u8>]| [vec![vec![0x12, 0x00]], parts.to_vec()].concat().concat();
        let frame = |first: u8| obu(6, &[first, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
        let file = ivf(b"AV01", &[(0, unit(&[sequence_header(None), frame(0x10)])), (3, unit(&[frame(0x30)]))]);
        let av1 = format(&file).unwrap();
        let Codec::Av1(config) = &av1.header().tracks[0].codec else { panic!() };
        assert_eq!((config.size, &config.sequence_header), (Some((640, 360)), &sequence_header(None)));
        assert_eq!(scan_all(&av1).keys(), [0]);
    }

    #[test]
    fn what_is_no_video_that_is_known_is_refused_with_the_reason() {
        let error = |bytes: &[u8]| format(bytes).err().unwrap().to_string();
        assert_eq!(error(&ivf(b"H264", &[])), "IVF with \"H264\"");
        assert_eq!(error(&ivf(b"VP80", &[])), "IVF without a frame");
        assert_eq!(error(&vp8_file(0)[..20]), "the IVF header is cut off at byte 20");
        let mut no_rate = vp8_file(0);
        no_rate[16..20].fill(0);
        assert_eq!(error(&no_rate), "malformed IVF time base at byte 16");
    }

    #[test]
    fn reading_again_from_a_frame_gives_the_same_samples() {
        let format = format(&vp8_file(40)).unwrap();
        let all = scan_all(&format);
        for (index, entry) in all.entries.iter().enumerate() {
            assert_eq!(scan_from(&format, *entry).samples, all.samples[index..]);
        }
    }

    #[test]
    fn from_any_byte_reading_begins_at_the_next_frame_without_a_word() {
        let format = format(&vp8_file(40)).unwrap();
        let all = scan_all(&format);
        for at in HEADER_LEN as u64..all.entries[7].at {
            let next = all.entries.partition_point(|entry| entry.at < at);
            let got = scan_from(&format, Entry { at, time: None });
            assert_eq!(got.errors, Vec::<String>::new(), "from byte {at}");
            assert_eq!(got.samples, all.samples[next..], "from byte {at}");
        }
    }

    #[test]
    fn a_damaged_frame_is_told_once_and_stepped_over() {
        let file = vp8_file(0);
        let all = scan_all(&format(&file).unwrap());
        let second = all.entries[2].at as usize;
        // Its length, its time, and its first bytes.
        for range in [second..second + 4, second + 8..second + 12, second + 12..second + 15] {
            let mut damaged = file.clone();
            damaged[range.clone()].fill(0xff);
            let got = scan_all(&format(&damaged).unwrap());
            assert_eq!(got.errors, [format!("malformed IVF frame at byte {second}")], "{range:?}");
            assert_eq!(got.samples, [&all.samples[..2], &all.samples[3..]].concat(), "{range:?}");
        }
    }

    #[test]
    fn a_frame_that_is_cut_off_is_told_only_when_the_file_has_ended() {
        let file = vp8_file(0);
        let mut disk = tempfile::NamedTempFile::new().unwrap();
        disk.write_all(&file[..file.len() - 20]).unwrap();
        let format = Ivf::read(&Source::new(disk.reopen().unwrap())).unwrap();
        let mut scanner = format.scan(format.header().start);
        let mut sample = Sample::default();
        for _ in 0..9 {
            sample.clear();
            assert!(matches!(scanner.next(&mut sample), Ok(Next::Sample)));
        }
        sample.clear();
        assert!(matches!(scanner.next(&mut sample), Ok(Next::Pending)));
        disk.write_all(&file[file.len() - 20..]).unwrap();
        assert!(matches!(scanner.next(&mut sample), Ok(Next::Sample)));
        assert_eq!(sample.data, vp8_frame(false, 49));

        disk.as_file().set_len(file.len() as u64 - 1).unwrap();
        let Got { samples, errors, .. } = scan_all(&format);
        assert_eq!(
            (samples.len(), errors),
            (9, vec![format!("the last IVF frame is cut off at byte {}", file.len() - 1)])
        );
    }

    proptest! {
        #[test]
        fn damage_of_any_kind_neither_panics_nor_hangs(
            hits in vec((0..600_usize, any::<u8>()), 1..12),
            cut in 32..600_usize,
            coding in 0..3_usize,
        ) {
            let mut file = vp8_file(3);
            file[8..12].copy_from_slice([b"VP80", b"VP90", b"AV01"][coding]);
            for (at, byte) in hits {
                let at = at % file.len();
                file[at] = byte;
            }
            file.truncate(cut);
            if let Ok(format) = format(&file) {
                let got = scan_all(&format);
                prop_assert!(got.samples.iter().map(|sample| sample.dts).is_sorted());
                scan_from(&format, Entry { at: 50, time: None });
            }
        }
    }
}
