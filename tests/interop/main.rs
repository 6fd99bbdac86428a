//! What ffmpeg and GStreamer get out of a stream is what ffmpeg gets out of the file: the same frames from the very
//! first to the very last, in the same order, at the same times, and then the client ends by itself.
//!
//! The recordings are in `clips`, the comparison in `frames`, one module for each client.

#[allow(dead_code)] // a part of it is used here
#[path = "../conversations/client.rs"]
mod client;
mod clips;
#[path = "../common/mod.rs"]
mod common;
#[allow(dead_code)] // a part of it is used here
#[path = "../rtp_payload/depacketise.rs"]
mod depacketise;
mod ffmpeg;
mod frames;
mod gstreamer;
mod rates;
mod seeks;
mod strict;

use std::time::Duration;

use clips::{Audio, CLIPS, Clip, by_name, shelf};
use common::{Server, for_all};
use frames::{Clock, Played, check_continuous, compare, compare_pcm, shift_of_first};
use gstreamer::Times;

/// How many clients play at the same time. They mostly wait: a clip plays as long as it lasts.
const AT_ONCE: usize = 10;
/// How long a client may take for a clip of at most 12 seconds.
const LIMIT: Duration = Duration::from_secs(60);

/// How packets reach the client.
#[derive(Debug, Clone, Copy)]
enum Transport {
    Udp,
    Tcp,
}

impl Transport {
    fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        }
    }
}

/// Who plays.
#[derive(Debug, Clone, Copy)]
enum Client {
    Ffmpeg,
    GStreamer,
}

#[test]
fn ffmpeg_over_tcp_gets_what_is_in_the_file() {
    play_all(Client::Ffmpeg, Transport::Tcp);
}

#[test]
fn ffmpeg_over_udp_gets_what_is_in_the_file() {
    play_all(Client::Ffmpeg, Transport::Udp);
}

#[test]
fn gstreamer_over_tcp_gets_what_is_in_the_file() {
    play_all(Client::GStreamer, Transport::Tcp);
}

#[test]
fn gstreamer_over_udp_gets_what_is_in_the_file() {
    play_all(Client::GStreamer, Transport::Udp);
}

/// Serves all clips and has each played once.
fn play_all(client: Client, transport: Transport) {
    let server = Server::start(&shelf().folder);
    for_all(CLIPS, AT_ONCE, |clip| plays_like_file(&server, clip, client, transport));
}

/// Whether `client` gets out of the stream of `clip` what ffmpeg gets out of its file; else the evidence.
fn plays_like_file(server: &Server, clip: &Clip, client: Client, transport: Transport) -> Result<(), String> {
    let check = |played: Played| {
        let complaint = played.complaint.clone();
        agrees_with_file(played, clip, client).map_err(|failure| format!("{failure}\n  the client said: {complaint}"))
    };
    play(server, clip, client, transport).and_then(check).map_err(|failure| {
        let log = server.log_about(clip.name);
        format!("{} with {client:?} over {transport:?}: {failure}\n  the server's log:\n{log}", clip.name)
    })
}

fn play(server: &Server, clip: &Clip, client: Client, transport: Transport) -> Result<Played, String> {
    let (url, transport) = (server.url(clip.name), transport.name());
    match client {
        Client::Ffmpeg => ffmpeg::play_url(&["-rtsp_transport", transport], &url, clip, LIMIT),
        Client::GStreamer => gstreamer::play_url(transport, Times::Smoothed, &url, clip, LIMIT),
    }
}

fn agrees_with_file(mut played: Played, clip: &Clip, client: Client) -> Result<(), String> {
    let expected = shelf().expected(clip);
    let clock = match client {
        Client::Ffmpeg => clip.clock,
        Client::GStreamer => Clock::Unknown,
    };
    if clip.preroll {
        let preroll = played.video.len().saturating_sub(expected.video.len());
        if preroll == 0 {
            return Err("the pictures before time 0, which the first one shown is coded from, are missing".into());
        }
        played.video.drain(..preroll);
    }
    compare("video", &expected.video, &played.video, clock)?;
    match (clip.audio, client) {
        (Audio::None, _) => Ok(()),
        (Audio::Aac | Audio::Opus, _) => compare("audio", &expected.audio, &played.audio, clock),
        (Audio::Pcm(_), Client::GStreamer) => compare_pcm(&expected.pcm, &played.pcm),
        (Audio::Pcm(format), Client::Ffmpeg) => {
            compare_pcm(&expected.pcm, &played.pcm)?;
            let first = expected.audio[0].pts.ok_or("ffmpeg knows no time of the file's first sound")?;
            check_continuous(&played.audio, first, format.byte_rate)
        }
    }
}

#[test]
fn gstreamer_sees_the_times_of_the_file_and_the_offset_between_picture_and_sound() {
    const NAMES: &[&str] = &[
        "bframes.mp4",
        "hvc1.mp4",
        "late_audio.mp4",
        "late_video.mp4",
        "ntsc.mp4",
        "opus.mp4",
        "sidx_bframes.mp4",
        "twelve_seconds.mp4",
        "h265_opus.mkv",
        "live.mkv",
        "open_gop.264",
    ];
    let server = Server::start(&shelf().folder);
    for_all(NAMES, AT_ONCE, |name| {
        gstreamer_times_agree(&server, by_name(name)).map_err(|failure| format!("{name}: {failure}"))
    });
}

/// Whether GStreamer shows each frame when the file says, apart from one shift that picture and sound have in common.
fn gstreamer_times_agree(server: &Server, clip: &Clip) -> Result<(), String> {
    /// GStreamer cuts each stream off at its first sample plus the length of `Range`, so that priming samples at
    /// the start cost as much at the end.
    const CUT_OFF_MAX: usize = 4;
    let mut played = gstreamer::play_url("tcp", Times::Exact, &server.url(clip.name), clip, LIMIT)?;
    let expected = shelf().expected(clip);
    let mut clock = None;
    for (what, want, got) in
        [("audio", &expected.audio, &mut played.audio), ("video", &expected.video, &mut played.video)]
    {
        if got.len() < want.len() && want.len() - got.len() <= CUT_OFF_MAX {
            got.extend_from_slice(&want[got.len()..]);
            got.iter_mut().skip(want.len() - CUT_OFF_MAX).for_each(|frame| frame.pts = None);
        }
        let clock = *clock.get_or_insert_with(|| Clock::Shifted(shift_of_first(want, got)));
        compare(what, want, got, clock)?;
    }
    Ok(())
}

#[test]
fn retina_has_nothing_to_object_to_and_sees_the_times_of_the_file() {
    let server = Server::start(&shelf().folder);
    let clips = CLIPS.iter().filter(|clip| strict::understands(clip) && !clip.preroll);
    let rows: Vec<_> = clips.flat_map(|clip| [(clip, Transport::Tcp), (clip, Transport::Udp)]).collect();
    for_all(&rows, AT_ONCE, |(clip, transport)| {
        retina_agrees(&server, clip, *transport)
            .map_err(|failure| format!("{} over {transport:?}: {failure}", clip.name))
    });
}

/// Whether retina gets every frame of `clip` at the time that ffmpeg reads in its file.
fn retina_agrees(server: &Server, clip: &Clip, transport: Transport) -> Result<(), String> {
    let played = strict::play_url(&server.url(clip.name), transport, LIMIT)?;
    let expected = shelf().expected(clip);
    let wanted = |frames: &[frames::Frame]| frames.iter().filter_map(|frame| frame.pts).collect::<Vec<i64>>();
    if clip.video.is_some() {
        let mut want = wanted(&expected.video);
        // Of a single track, retina counts from the first packet.
        if matches!((clip.audio, clip.clock), (Audio::None, _) | (_, Clock::Relative)) {
            let first = want[0];
            want.iter_mut().for_each(|time| *time -= first);
        }
        strict::compare_times("video", &want, &played.video)?;
    }
    match clip.audio {
        Audio::Aac => strict::compare_times("audio", &wanted(&expected.audio), &played.audio),
        Audio::None | Audio::Opus | Audio::Pcm(_) => Ok(()),
    }
}

#[test]
fn a_seek_lands_on_the_key_frame_at_or_before_the_time_and_plays_to_the_end() {
    /// A clip, the time sought in seconds, and where its key frame before that is, in
    /// milliseconds after the first picture.
    const SEEKS: &[(&str, &str, i64)] = &[
        ("faststart.mp4", "1.5", 1000),
        ("faststart.mp4", "1.01", 1000),
        ("faststart.mp4", "1.0", 1000),
        ("faststart.mp4", "0.9", 0),
        ("bframes.mp4", "1.2", 1000),
        ("hev1_bframes_5_1.mp4", "1.7", 1000),
        ("twelve_seconds.mp4", "10.3", 10_000),
        ("big_endian.mov", "1.3", 1000),
        ("fragment_a_gop.mp4", "1.5", 1000),
        ("fragment_a_frame.mp4", "1.5", 1000),
        ("sidx_bframes.mp4", "1.5", 1000),
        ("moov_then_moof.mp4", "1.5", 1000),
        ("aac.mkv", "1.5", 1000),
        ("h265_opus.mkv", "1.5", 1000),
        ("live.mkv", "1.5", 1000),
        ("plain.264", "1.5", 1000),
        ("bframes.h265", "1.5", 1000),
    ];
    let server = Server::start(&shelf().folder);
    let rows: Vec<_> = SEEKS.iter().flat_map(|row| [(row, Transport::Tcp), (row, Transport::Udp)]).collect();
    for_all(&rows, AT_ONCE, |((name, to, key), transport)| {
        seek_lands(&server, by_name(name), to, *key, *transport).map_err(|failure| {
            format!("{name} sought to {to} s over {transport:?}: {failure}\n{}", server.log_about(name))
        })
    });
}

/// Whether a stream sought `to` a time starts with the key frame at `key` (ms after the first picture) and goes on from there.
fn seek_lands(server: &Server, clip: &Clip, to: &str, key: i64, transport: Transport) -> Result<(), String> {
    /// Pictures that may still come from before the seek.
    const LEFT_OVER_MAX: usize = 4;
    // Without `-seek_timestamp` the time would count from the first sample, which may lie before 0.
    let options = ["-rtsp_transport", transport.name(), "-noaccurate_seek", "-seek_timestamp", "1", "-ss", to];
    let played = ffmpeg::play_url(&options, &server.url(clip.name), clip, LIMIT)?;
    let expected = shelf().expected(clip);
    let key = expected.video[0].pts.map(|first| first + key * 1_000_000);
    let from = expected.video.iter().position(|frame| frame.pts >= key).ok_or("the key frame is not in the file")?;
    let want = &expected.video[from..];
    // ffmpeg still reads what lay in its UDP sockets before the seek.
    let left_over = match transport {
        Transport::Udp => played.video.iter().rposition(|frame| frame.hash == want[0].hash).unwrap_or(0),
        Transport::Tcp => 0,
    };
    if left_over > LEFT_OVER_MAX {
        return Err(format!("{left_over} pictures came before the key frame"));
    }
    compare("video", want, &played.video[left_over..], clip.clock)
}
