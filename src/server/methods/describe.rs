//! DESCRIBE (RFC 2326 section 10.2): the SDP of a recording.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use log::warn;

use super::target::{lookup_failed, target};
use super::{Exchange, Outcome, Refusal};
use crate::library::Found;
use crate::media::container::Options;
use crate::media::{Kind, Recording};
use crate::rtp::{PayloadOptions, payloader_for};
use crate::rtsp::headers::Date;
use crate::rtsp::headers::lists::accepts_sdp;
use crate::rtsp::sdp::{self, Description, Media, MediaKind};
use crate::rtsp::{Status, Url};
use crate::server::group::Group;
use crate::server::streamer::payload_type;

pub(super) fn handle(exchange: &mut Exchange<'_, '_>) -> Outcome {
    let session = exchange.named_session()?;
    if !accepts_sdp(&exchange.request.headers) {
        return Err(Status::NotAcceptable.into());
    }
    let url = target(exchange)?;
    let shared = exchange.connection.shared;
    let group = shared.groups.find(&url.path);
    let (recording, modified) = match group.and_then(|group| group.running()) {
        Some(running) => (running, None),
        None => {
            let found = open_recording(exchange, &url)?;
            (found.recording, found.modified)
        }
    };
    if let Some(modified) = modified
        && !has_changed(exchange, modified)
    {
        let response = exchange.response(Status::NotModified);
        return Ok(response.header("Last-Modified", Date(modified)).into());
    }
    let local_origin = exchange.connection.local_origin();
    let options = &shared.payload_options;
    let mut description = describe(&*recording, options, &url, &local_origin, exchange.connection.local);
    if let Some(group) = group {
        tell_group(&mut description, group);
    }
    if description.media.is_empty() {
        warn!("{}: {}: no track can be streamed", exchange.connection.peer, url.path.display());
        return Err(Status::UnsupportedMediaType.into());
    }
    let response = match session {
        Some(session) => exchange.ok_in(&session),
        None => exchange.ok(),
    };
    let mut response =
        response.header("Content-Base", url.content_base(&local_origin)).header("Cache-Control", "no-cache");
    if let Some(modified) = modified {
        response = response.header("Last-Modified", Date(modified));
    }
    Ok(response.body(sdp::CONTENT_TYPE, description.to_string().into_bytes()).into())
}

/// Whether the file is newer than what the client has (RFC 2326 section 12.23). Its header has whole seconds; one that
/// is no date, or that lies in the future, counts for nothing (RFC 2068 section 14.24).
fn has_changed(exchange: &Exchange<'_, '_>, modified: SystemTime) -> bool {
    let since = exchange.request.headers.get("If-Modified-Since").and_then(|value| value.parse::<Date>().ok());
    since.is_none_or(|Date(since)| since > SystemTime::now() || modified >= since + Duration::from_secs(1))
}

fn open_recording(exchange: &Exchange<'_, '_>, url: &Url) -> Result<Found, Refusal> {
    let shared = exchange.connection.shared;
    let options = Options::from(&*shared.config());
    let found = shared.library.open(&url.path, &options).map_err(|error| lookup_failed(exchange, &error))?;
    if found.is_new {
        log_faults(exchange, &found);
    }
    Ok(found)
}

/// Where the tracks of a channel go. It has no end: who joins cannot choose a place.
fn tell_group(description: &mut Description, group: &Group) {
    description.group = Some((group.config().group, group.config().ttl));
    description.duration = None;
    for media in &mut description.media {
        media.port = group.ports(media.track).map_or(0, |ports| ports.rtp);
    }
}

fn log_faults(exchange: &Exchange<'_, '_>, found: &Found) {
    let Exchange { connection, request, .. } = exchange;
    for note in found.recording.notes() {
        warn!("{}: {}: {note}", connection.peer, request.url);
    }
    for track in found.recording.tracks() {
        if let Err(reason) = payloader_for(&track.codec, &connection.shared.payload_options) {
            warn!("{}: {}: a track is left out: {reason}", connection.peer, request.url);
        }
    }
}

/// What the SDP of a recording says. Tracks that RTP cannot carry are left out.
pub fn describe(
    recording: &dyn Recording,
    options: &PayloadOptions,
    url: &Url,
    local_origin: &str,
    local: IpAddr,
) -> Description {
    let tracks = recording.tracks().iter().enumerate();
    let media = tracks.filter_map(|(number, track)| {
        let payloader = payloader_for(&track.codec, options).ok()?;
        Some(Media {
            track: number,
            port: 0,
            kind: match track.kind() {
                Kind::Video => MediaKind::Video,
                Kind::Audio => MediaKind::Audio,
                Kind::Text => MediaKind::Text,
                Kind::Application => MediaKind::Application,
            },
            payload_type: payload_type(&*payloader, number),
            rtpmap: payloader.rtpmap(),
            fmtp: payloader.fmtp(),
            attributes: payloader.attributes(),
            bitrate: track.bitrate,
            frame_rate: track.frame_rate,
            control: url.track_url(local_origin, number),
        })
    });
    let mut hasher = DefaultHasher::new();
    (&url.path, recording.duration()).hash(&mut hasher);
    let name = url.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Description {
        origin: local,
        // Within what fits a signed number: some parsers read it as one.
        session_id: hasher.finish() >> 1,
        version: 1,
        name,
        info: Some(format!("{} streamed by camreel", recording.container())),
        duration: recording.duration(),
        group: None,
        media: media.collect(),
    }
}
