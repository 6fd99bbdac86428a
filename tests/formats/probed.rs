//! What ffprobe sees in a file, and how that compares.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use camreel::media::{Kind, Recording};
use camreel::time::MediaTime;

use super::files::{File, Like};
use super::{LIMIT, Read, check, run};

/// How far times may be apart: Matroska counts milliseconds.
const TOLERANCE: f64 = 0.0011;

struct Packet {
    /// `v` or `a`.
    kind: String,
    pts: Option<f64>,
    len: usize,
}

/// Compares samples with ffprobe's packets, video with video and sound with sound.
pub fn compare(file: &File, path: &Path, recording: &Arc<dyn Recording>, scan: &[Read]) -> Result<(), String> {
    if file.like == Like::Nothing {
        return Ok(());
    }
    let packets = packets(file, path)?;
    for (number, track) in recording.tracks().iter().enumerate() {
        let kind = match track.kind() {
            Kind::Video => "video",
            Kind::Audio => "audio",
            Kind::Text | Kind::Application => continue,
        };
        let theirs: Vec<&Packet> = packets.iter().filter(|packet| packet.kind == kind).collect();
        let ours: Vec<&Read> = scan.iter().filter(|sample| sample.track == number).collect();
        same(file.like, &ours, &theirs).map_err(|error| format!("{kind}: {error}"))?;
    }
    Ok(())
}

fn same(like: Like, ours: &[&Read], theirs: &[&Packet]) -> Result<(), String> {
    if like == Like::Bytes {
        let sums = (ours.iter().map(|read| read.len).sum::<usize>(), theirs.iter().map(|packet| packet.len).sum());
        return check(sums.0 == sums.1, || format!("{} bytes, not {}", sums.0, sums.1));
    }
    check(ours.len() == theirs.len(), || format!("{} samples, not {}", ours.len(), theirs.len()))?;
    let start = |times: &mut dyn Iterator<Item = f64>| times.fold(f64::INFINITY, f64::min);
    let our_start = start(&mut ours.iter().map(|read| read.pts.as_secs_f64()));
    let their_start = start(&mut theirs.iter().filter_map(|packet| packet.pts));
    for (index, (read, packet)) in ours.iter().zip(theirs).enumerate() {
        // Whose the zero byte before a start code is, the standards leave open.
        let slack = usize::from(packet.kind == "video");
        check(read.len.abs_diff(packet.len) <= slack, || {
            format!("sample {index} has {} bytes, not {}", read.len, packet.len)
        })?;
        if let (Like::Packets, Some(pts)) = (like, packet.pts) {
            let apart = (read.pts.as_secs_f64() - our_start) - (pts - their_start);
            check(apart.abs() <= TOLERANCE, || format!("sample {index} is at {} s, not {pts} s", read.pts))?;
        }
    }
    let is_in_order = ours.windows(2).all(|pair| pair[0].dts <= pair[1].dts);
    let is_ahead = ours.iter().all(|read| read.dts <= read.pts + MediaTime::from_millis(2));
    check(is_in_order && is_ahead, || "decode times are not in order, or later than presentation".to_owned())
}

fn packets(file: &File, path: &Path) -> Result<Vec<Packet>, String> {
    let mut command = Command::new("ffprobe");
    command.args(["-v", "error"]).args(file.input_options());
    command.args(["-show_entries", "packet=codec_type,pts_time,size", "-of", "compact=p=0"]).arg(path);
    let ran = run(&mut command, LIMIT);
    ran.expect_success("ffprobe")?;
    let packet = |line: &str| {
        let field = |name: &str| line.split('|').find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
        let len = field("size")?.parse().ok()?;
        Some(Packet {
            kind: field("codec_type")?.to_owned(),
            pts: field("pts_time").and_then(|pts| pts.parse().ok()),
            len,
        })
    };
    Ok(ran.stdout.lines().filter_map(packet).collect())
}
