//! Fast, slow and backwards: a client that counts as RFC 2326 section 12.34 has it knows what it shows.
//!
//! It takes RTP over TCP, puts the pictures of each PLAY into a file as they come, has ffmpeg decode them, and looks
//! up each in what ffmpeg gets out of the recording. The time that RTP-Info, Range and Scale give the picture must be
//! the one that it has there.

use std::fs;
use std::time::{Duration, Instant};

use super::client::{Client, PATIENCE, Response, is_bye};
use super::clips::{Clip, Video, by_name, shelf};
use super::common::{Server, for_all};
use super::depacketise::{self, Received};
use super::ffmpeg;
use super::frames::Frame;

/// How long each PLAY is watched, unless it ends before.
const WATCHED: Duration = Duration::from_millis(1500);
/// How far a time may be off: RTP clocks round, and what they round is multiplied by the scale.
const TOLERANCE_NANOS: f64 = 1e6;
/// How long ffmpeg may take to decode what was watched.
const DECODE_LIMIT: Duration = Duration::from_secs(60);

/// What is asked of PLAY, and which pictures must come.
struct Ask {
    headers: &'static [&'static str],
    /// The scale that must be granted.
    scale: f64,
    /// Pictures that must come at least, and whether these are key frames only, which are a second apart.
    at_least: usize,
    keys_only: bool,
}

const fn ask(headers: &'static [&'static str], scale: f64, at_least: usize, keys_only: bool) -> Ask {
    Ask { headers, scale, at_least, keys_only }
}

/// Of a recording of twelve seconds.
const LONG: &[Ask] = &[
    ask(&["Range: npt=0-", "Scale: 2"], 2.0, 70, false),
    ask(&["Range: npt=5.5-", "Scale: 0.5"], 0.5, 15, false),
    ask(&["Range: npt=2-", "Scale: 8"], 8.0, 10, true),
    ask(&["Range: npt=11.9-", "Scale: -8"], -8.0, 12, true),
    ask(&["Range: npt=10-7", "Scale: -2"], -2.0, 3, true),
    ask(&["Scale: -4"], -4.0, 5, true),
    ask(&["Range: npt=3-", "Speed: 4"], 1.0, 140, false),
    ask(&["Range: npt=9-", "Scale: -1", "Speed: 6"], -1.0, 9, true),
    ask(&["Range: npt=0:00:04.2-"], 1.0, 35, false),
    ask(&["Range: smpte-25=0:00:07:05-"], 1.0, 35, false),
];

/// Of one of two.
const SHORT: &[Ask] = &[
    ask(&["Range: npt=0-", "Scale: 2"], 2.0, 49, false),
    ask(&["Range: npt=0-", "Scale: 4"], 4.0, 2, true),
    ask(&["Range: npt=1.99-", "Scale: -2"], -2.0, 2, true),
    ask(&["Scale: -2"], -2.0, 2, true),
    ask(&["Range: npt=0-", "Speed: 3"], 1.0, 49, false),
];

#[test]
fn at_any_rate_the_time_that_a_client_counts_is_that_of_the_picture_it_shows() {
    const ROWS: &[(&str, &[Ask])] = &[
        ("twelve_seconds.mp4", LONG),
        ("faststart.mp4", SHORT),
        ("bframes.mp4", SHORT),
        ("hvc1.mp4", SHORT),
        ("fragment_a_gop.mp4", SHORT),
        ("fragment_a_frame.mp4", SHORT),
        ("sidx_bframes.mp4", SHORT),
        ("aac.mkv", SHORT),
        ("bframes_pcm.mkv", SHORT),
        ("h265_opus.mkv", SHORT),
        ("live.mkv", SHORT),
        ("plain.264", SHORT),
        ("plain.265", SHORT),
    ];
    let server = Server::start(&shelf().folder);
    for_all(ROWS, 5, |(name, asks)| {
        agrees(&server, by_name(name), asks).map_err(|failure| format!("{name}: {failure}\n{}", server.log_about(name)))
    });
}

fn agrees(server: &Server, clip: &Clip, asks: &[Ask]) -> Result<(), String> {
    let url = server.url(clip.name);
    let mut viewer = Viewer::set_up(server, &url);
    for ask in asks {
        let what = ask.headers.join(", ");
        viewer.watch(&url, clip, ask).map_err(|failure| format!("{what}: {failure}"))?;
    }
    Ok(())
}

/// A client of the video track alone.
struct Viewer {
    client: Client,
    session: String,
}

/// One picture, as it came.
struct Picture {
    /// Its timestamp, as counted from the one in RTP-Info.
    offset: i32,
    packets: Vec<Received>,
}

impl Viewer {
    fn set_up(server: &Server, url: &str) -> Self {
        let mut client = Client::connect(server.address());
        let transport = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1";
        let session = client.request("SETUP", &format!("{url}/trackID=0"), &[transport]).ok().session();
        Self { client, session }
    }

    fn watch(&mut self, url: &str, clip: &Clip, ask: &Ask) -> Result<(), String> {
        let session = format!("Session: {}", self.session);
        self.client.frames.clear();
        let answer = self.client.request("PLAY", url, &[&[session.as_str()], ask.headers].concat()).ok();
        let pictures = self.take(&answer, ask.at_least);
        self.client.request("PAUSE", url, &[&session]).ok();
        let scale = answer.header("Scale").map_or(1.0, |scale| scale.parse().unwrap_or(f64::NAN));
        if scale != ask.scale {
            return Err(format!("scale {scale} was granted"));
        }
        let counted = count_times(&answer, scale, &pictures);
        let shown = decode(clip, &pictures)?;
        if shown.len() != counted.len() || shown.len() < ask.at_least {
            return Err(format!("{} pictures came, {} of them can be decoded", counted.len(), shown.len()));
        }
        for (index, (counted, shown)) in counted.iter().zip(&shown).enumerate() {
            check_time(clip, *counted, shown, scale).map_err(|failure| format!("picture {index}: {failure}"))?;
        }
        let apart = counted.windows(2).map(|pair| (pair[1] - pair[0]).abs() / 1e9);
        match apart.into_iter().reduce(f64::min) {
            Some(apart) if ask.keys_only != (apart > 0.9) => Err(format!("pictures come {apart} s apart: {counted:?}")),
            _ => Ok(()),
        }
    }

    /// What comes after an answer. The last picture may not be complete and is left out, unless a goodbye follows it.
    /// On a busy machine it takes longer until there are enough.
    fn take(&mut self, answer: &Response, at_least: usize) -> Vec<Picture> {
        let (seq, rtptime) = rtp_info(answer);
        let mut pictures: Vec<Picture> = Vec::new();
        let begun = Instant::now();
        loop {
            let time = if pictures.len() > at_least { WATCHED } else { WATCHED + PATIENCE };
            let Ok(frame) = self.client.frame(time.saturating_sub(begun.elapsed())) else { break };
            if frame.channel == 1 && is_bye(&frame.data) {
                return pictures;
            }
            if frame.channel != 0 {
                continue;
            }
            let packet = rtp_types::RtpPacket::parse(&frame.data).expect("an RTP packet");
            // What was on its way before.
            if (packet.sequence_number().wrapping_sub(seq) as i16) < 0 {
                continue;
            }
            let (marker, payload) = (packet.marker_bit(), packet.payload().to_vec());
            let offset = packet.timestamp().wrapping_sub(rtptime) as i32;
            let packet = Received { marker, rtptime: packet.timestamp(), payload };
            match pictures.last_mut().filter(|picture| picture.offset == offset) {
                Some(picture) => picture.packets.push(packet),
                None => pictures.push(Picture { offset, packets: vec![packet] }),
            }
        }
        pictures.pop();
        pictures
    }
}

fn rtp_info(answer: &Response) -> (u16, u32) {
    let info = answer.header("RTP-Info").expect("RTP-Info");
    let number = |name: &str| {
        let value = info.split(';').find_map(|parameter| parameter.strip_prefix(name));
        value.and_then(|value| value.parse::<u32>().ok()).unwrap_or_else(|| panic!("no {name} in {info}"))
    };
    (number("seq=") as u16, number("rtptime="))
}

/// Section 12.34: what lies between two timestamps, times the scale, is what lies between them in the recording.
/// Nanoseconds, in the order of display.
fn count_times(answer: &Response, scale: f64, pictures: &[Picture]) -> Vec<f64> {
    let range = answer.header("Range").and_then(|range| range.strip_prefix("npt=")).expect("a Range");
    let start: f64 = range.split('-').next().and_then(|start| start.parse().ok()).expect("a start");
    let mut offsets: Vec<i32> = pictures.iter().map(|picture| picture.offset).collect();
    offsets.sort_unstable();
    offsets.into_iter().map(|offset| (start + f64::from(offset) / 90_000.0 * scale) * 1e9).collect()
}

/// What ffmpeg makes of the pictures, in the order they are shown.
fn decode(clip: &Clip, pictures: &[Picture]) -> Result<Vec<Frame>, String> {
    let mut bytes = Vec::new();
    for Picture { packets, .. } in pictures {
        let nals = match clip.video {
            Some(Video::H264) => depacketise::h264(packets),
            Some(Video::H265) => depacketise::h265(packets),
            None => return Err("there are no pictures in it".to_owned()),
        };
        for nal in nals {
            bytes.extend([0, 0, 0, 1]);
            bytes.extend(nal);
        }
    }
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let path = folder.path().join("pictures");
    fs::write(&path, bytes).map_err(|error| error.to_string())?;
    ffmpeg::decode(&path, if clip.video == Some(Video::H265) { "hevc" } else { "h264" }, DECODE_LIMIT)
}

/// Whether the recording shows this picture at the time that was counted, give or take a tick.
fn check_time(clip: &Clip, counted: f64, shown: &Frame, scale: f64) -> Result<(), String> {
    let expected = &shelf().expected(clip).video;
    let times = expected.iter().filter(|frame| frame.hash == shown.hash).filter_map(|frame| frame.pts);
    let first = expected.first().and_then(|frame| frame.pts).unwrap_or(0);
    let zero = match clip.clock {
        super::frames::Clock::Relative => first,
        _ => 0,
    };
    let times: Vec<f64> = times.map(|time| (time - zero) as f64).collect();
    let tolerance = TOLERANCE_NANOS * scale.abs().max(1.0);
    if times.iter().any(|time| (time - counted).abs() <= tolerance) {
        return Ok(());
    }
    Err(format!("counted {:.4} s, but in the recording it is shown at {times:?} ns", counted / 1e9))
}
