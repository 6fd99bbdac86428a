//! The recordings that are talked about, made here byte by byte: players could not show them, but the server neither
//! decodes nor cares.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use nix::sys::stat::Mode;

use crate::common::long_ago;

/// A folder with all of them, and one beside it with what must stay secret.
pub struct Media {
    folder: tempfile::TempDir,
}

impl Media {
    /// Makes them.
    pub fn new() -> Self {
        let media = Self { folder: tempfile::tempdir().expect("a folder for recordings") };
        media.make().expect("recordings can be written");
        media
    }

    /// What is served.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    /// Adds one that a connection is soon full of: 10 MB a second, where the kernel may keep 4.
    pub fn add_heavy(&self) {
        fs::write(self.root().join("heavy.mkv"), matroska(2, 400_000)).expect("recordings can be written");
    }

    fn make(&self) -> std::io::Result<()> {
        let root = self.root();
        fs::create_dir_all(root.join("day/cam 1"))?;
        let cam = matroska(3, 150);
        for name in [
            "cam.mkv",
            "day/cam 1/2026-11-20.mkv",
            "my file.mkv",
            "gr\u{f6}\u{df}e.mkv",
            "a#b.mkv",
            "100%.mkv",
            "UPPER.MKV",
            "video.h264",
        ] {
            fs::write(root.join(name), &cam)?;
        }
        fs::write(root.join("long.mkv"), matroska(60, 150))?;
        let video = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/media/open_gop_bframes.h264");
        fs::copy(&video, root.join("one.264"))?;
        fs::copy(&video, root.join("one.mkv"))?;
        fs::write(root.join("text.mkv"), "This is not a recording.\n".repeat(100))?;
        fs::write(root.join("empty.mkv"), "")?;
        fs::write(root.join("half.mkv"), &cam[..60])?;

        let outside = self.folder.path().join("outside");
        fs::create_dir(&outside)?;
        fs::write(outside.join("secret.mkv"), &cam)?;
        symlink("../outside/secret.mkv", root.join("link_out.mkv"))?;
        symlink("../outside", root.join("folder_out"))?;
        symlink("cam.mkv", root.join("link_in.mkv"))?;
        symlink("/dev/zero", root.join("device.mkv"))?;
        symlink("loop.mkv", root.join("loop.mkv"))?;
        fs::create_dir(root.join("folder.mkv"))?;
        nix::unistd::mkfifo(&root.join("fifo.mkv"), Mode::S_IRWXU)?;
        long_ago(&root);
        Ok(())
    }
}

/// Milliseconds of a picture.
const PICTURE_MS: u64 = 40;
/// Pictures from one key frame to the next; each group is a Cluster.
const GROUP: u64 = 10;

/// H.264 at 25 pictures a second, of `picture_len` bytes each, and mu-law, so many seconds of both.
pub fn matroska(seconds: u64, picture_len: usize) -> Vec<u8> {
    let pictures = seconds * 1000 / PICTURE_MS;
    let duration = (seconds as f64 * 1e3).to_be_bytes();
    let info = element(0x1549_A966, [uint(0x2A_D7B1, 1_000_000), element(0x4489, duration)]);
    let tracks = element(0x1654_AE6B, [video_track(), audio_track()]);
    let mut position = (seek_head(0).len() + info.len() + tracks.len()) as u64;
    let (mut clusters, mut cues) = (Vec::new(), Vec::new());
    for first in (0..pictures).step_by(GROUP as usize) {
        let place = element(0xB7, [uint(0xF7, 1), uint(0xF1, position)]);
        cues.push(element(0xBB, [uint(0xB3, first * PICTURE_MS), place]));
        let cluster = cluster(first, pictures.min(first + GROUP), picture_len);
        position += cluster.len() as u64;
        clusters.push(cluster);
    }
    let body = [seek_head(position), info, tracks, clusters.concat(), element(CUES, cues)].concat();
    [element(0x1A45_DFA3, [element(0x4282, "matroska")]), element(0x1853_8067, [body])].concat()
}

const CUES: u32 = 0x1C53_BB6B;

/// Tells where the Cues are, which come last.
fn seek_head(cues_at: u64) -> Vec<u8> {
    element(0x114D_9B74, [element(0x4DBB, [element(0x53AB, CUES.to_be_bytes()), uint(0x53AC, cues_at)])])
}

/// The pictures `first..last` and the sound that goes with them.
fn cluster(first: u64, last: u64, picture_len: usize) -> Vec<u8> {
    let mut blocks = vec![uint(0xE7, first * PICTURE_MS)];
    for picture in first..last {
        let relative = ((picture - first) * PICTURE_MS) as u16;
        let is_key = picture == first;
        blocks.push(block(1, relative, is_key, &picture_of(is_key, picture_len)));
        for half in 0..2 {
            // 20 ms of mu-law silence.
            blocks.push(block(2, relative + half * 20, true, &[0xff; 160]));
        }
    }
    element(0x1F43_B675, blocks)
}

/// One slice behind its length.
fn picture_of(is_key: bool, len: usize) -> Vec<u8> {
    let mut slice = vec![0x5a; len];
    slice[0] = if is_key { 0x65 } else { 0x41 };
    [&(len as u32).to_be_bytes()[..], &slice].concat()
}

fn block(track: u8, relative: u16, is_key: bool, data: &[u8]) -> Vec<u8> {
    let [high, low] = relative.to_be_bytes();
    element(0xA3, [&[0x80 | track, high, low, u8::from(is_key) << 7][..], data].concat())
}

fn video_track() -> Vec<u8> {
    const AVCC: &[u8] = &[
        1, 0x42, 0x00, 0x1E, 0xFF, // version, profile, constraints, level, 4-byte lengths
        0xE1, 0, 4, 0x67, 0x42, 0x00, 0x1E, // one SPS
        1, 0, 3, 0x68, 0xCE, 0x38, // one PPS
    ];
    track(1, 1, "V_MPEG4/ISO/AVC", AVCC, vec![uint(0x23_E383, PICTURE_MS * 1_000_000)])
}

fn audio_track() -> Vec<u8> {
    // A WAVEFORMATEX: mu-law, one channel, 8000 Hz, 8000 bytes a second, 1 byte a block, 8 bits.
    const MU_LAW: &[u8] = &[7, 0, 1, 0, 0x40, 0x1F, 0, 0, 0x40, 0x1F, 0, 0, 1, 0, 8, 0, 0, 0];
    track(2, 2, "A_MS/ACM", MU_LAW, Vec::new())
}

fn track(number: u64, kind: u64, codec_id: &str, private: &[u8], more: Vec<Vec<u8>>) -> Vec<u8> {
    let known = [uint(0xD7, number), uint(0x73C5, number), uint(0x83, kind), element(0x86, codec_id)];
    element(0xAE, [known.concat(), element(0x63A2, private), more.concat()])
}

fn uint(id: u32, value: u64) -> Vec<u8> {
    element(id, value.to_be_bytes())
}

/// An EBML element with a length of 4 bytes.
fn element(id: u32, content: impl Content) -> Vec<u8> {
    let content = content.bytes();
    let mut bytes: Vec<u8> = id.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
    bytes.extend_from_slice(&(0x1000_0000 | content.len() as u32).to_be_bytes());
    bytes.extend_from_slice(&content);
    bytes
}

/// Bytes, or elements one after the other.
trait Content {
    fn bytes(self) -> Vec<u8>;
}

impl Content for &[u8] {
    fn bytes(self) -> Vec<u8> {
        self.to_vec()
    }
}

impl Content for &str {
    fn bytes(self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }
}

impl Content for Vec<u8> {
    fn bytes(self) -> Vec<u8> {
        self
    }
}

impl<const N: usize> Content for [u8; N] {
    fn bytes(self) -> Vec<u8> {
        self.to_vec()
    }
}

impl<const N: usize> Content for [Vec<u8>; N] {
    fn bytes(self) -> Vec<u8> {
        self.concat()
    }
}

impl Content for Vec<Vec<u8>> {
    fn bytes(self) -> Vec<u8> {
        self.concat()
    }
}
