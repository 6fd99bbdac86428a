//! retina as a client: it has no patience with servers that bend the rules, and unlike ffmpeg it knows the time of the
//! very first picture.

use std::time::Duration;

use futures::StreamExt;
use retina::client::{
    PlayOptions, Session, SessionOptions, SetupOptions, TcpTransportOptions, Transport as Way, UdpTransportOptions,
};
use retina::codec::CodecItem;

use super::Transport;
use super::clips::{Audio, Clip};

/// How far a time may be off: a tick of 90 kHz, and a millisecond where the container rounds to that.
const TOLERANCE_NANOS: i64 = 1_000_000;

/// How long nothing comes before it counts as the end: reports come every 5 seconds, but not after the goodbye.
const SILENCE: Duration = Duration::from_millis(2500);

/// When each frame is shown, in nanoseconds from the start of the recording.
#[derive(Debug, Default)]
pub struct Times {
    /// Of pictures, in the order they are shown.
    pub video: Vec<i64>,
    /// Of packets of sound.
    pub audio: Vec<i64>,
}

/// Whether retina has a depacketiser for all that is in `clip`.
pub fn understands(clip: &Clip) -> bool {
    match clip.audio {
        Audio::None | Audio::Aac => true,
        Audio::Pcm(pcm) => pcm.byte_rate == 8000,
        Audio::Opus => false,
    }
}

/// Plays a URL to its end.
pub fn play_url(url: &str, transport: Transport, limit: Duration) -> Result<Times, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    runtime.block_on(async {
        let played = tokio::time::timeout(limit, play(url, transport)).await;
        played.map_err(|_| format!("no end after {limit:?}"))?.map_err(|error| error.to_string())
    })
}

async fn play(url: &str, transport: Transport) -> Result<Times, Box<dyn std::error::Error>> {
    let mut session = Session::describe(url::Url::parse(url)?, SessionOptions::default()).await?;
    for stream in 0..session.streams().len() {
        let way = match transport {
            Transport::Tcp => Way::Tcp(TcpTransportOptions::default()),
            Transport::Udp => Way::Udp(UdpTransportOptions::default()),
        };
        session.setup(stream, SetupOptions::default().transport(way)).await?;
    }
    let mut frames = session.play(PlayOptions::default()).await?.demuxed()?;
    let mut times = Times::default();
    // retina does not take a goodbye for an end, so silence has to do.
    while let Ok(Some(item)) = tokio::time::timeout(SILENCE, frames.next()).await {
        match item? {
            CodecItem::VideoFrame(frame) => times.video.push(nanos(frame.timestamp())),
            CodecItem::AudioFrame(frame) => times.audio.push(nanos(frame.timestamp())),
            _ => {}
        }
    }
    times.video.sort_unstable();
    Ok(times)
}

fn nanos(time: retina::Timestamp) -> i64 {
    (i128::from(time.elapsed()) * 1_000_000_000 / i128::from(time.clock_rate().get())) as i64
}

/// Whether the times are the same; else the first that differ.
pub fn compare_times(what: &str, want: &[i64], got: &[i64]) -> Result<(), String> {
    if want.len() != got.len() {
        return Err(format!("{what}: {} frames in the file, {} in the stream", want.len(), got.len()));
    }
    match want.iter().zip(got).position(|(want, got)| (want - got).abs() > TOLERANCE_NANOS) {
        None => Ok(()),
        Some(at) => Err(format!("{what} frame {at} is at {} ns in the file, {} in the stream", want[at], got[at])),
    }
}
