//! Tags (RFC 9559 section 5.1.8): what mkvmerge and ffmpeg note of each track, its bitrate and duration.

use super::ebml::{Child, Children, id};
use crate::media::Error;
use crate::time::MediaTime;

/// Tags beyond this many are not looked at.
const TAG_COUNT_MAX: usize = 256;

/// What a tag says of one track.
#[derive(Debug, Clone, PartialEq)]
pub struct TrackTag {
    /// TrackUID.
    pub uid: u64,
    /// BPS: bits a second.
    pub bitrate: Option<u32>,
    /// DURATION: from time 0 to its end.
    pub duration: Option<MediaTime>,
}

/// Reads the data of a Tags element, which lie at byte `at`.
///
/// # Errors
/// Where they are no tags.
pub fn parse(data: &[u8], at: u64) -> Result<Vec<TrackTag>, Error> {
    let mut tags = Vec::new();
    let mut children = Children::new(data, at);
    while let Some(child) = children.next()? {
        if child.id == id::TAG && tags.len() < TAG_COUNT_MAX {
            tags.extend(tag(&child)?);
        }
    }
    Ok(tags)
}

fn tag(tag: &Child<'_>) -> Result<Option<TrackTag>, Error> {
    let mut found = TrackTag { uid: 0, bitrate: None, duration: None };
    let mut children = tag.children();
    while let Some(child) = children.next()? {
        match child.id {
            id::TARGETS => {
                let mut targets = child.children();
                while let Some(target) = targets.next()? {
                    if target.id == id::TAG_TRACK_UID {
                        found.uid = target.uint();
                    }
                }
            }
            id::SIMPLE_TAG => simple_tag(&child, &mut found)?,
            _ => {}
        }
    }
    Ok((found.uid != 0).then_some(found))
}

fn simple_tag(tag: &Child<'_>, found: &mut TrackTag) -> Result<(), Error> {
    let (mut name, mut value) = (String::new(), String::new());
    let mut children = tag.children();
    while let Some(child) = children.next()? {
        match child.id {
            id::TAG_NAME => name = child.text(),
            id::TAG_STRING => value = child.text(),
            _ => {}
        }
    }
    match name.as_str() {
        "BPS" | "BPS-eng" => found.bitrate = value.parse().ok().filter(|bps| *bps > 0),
        "DURATION" | "DURATION-eng" => found.duration = clock(&value),
        _ => {}
    }
    Ok(())
}

/// `00:01:02.345000000`.
fn clock(text: &str) -> Option<MediaTime> {
    let mut parts = text.splitn(3, ':');
    let hours: u32 = parts.next()?.trim().parse().ok()?;
    let minutes: u32 = parts.next()?.parse().ok()?;
    let seconds: f64 = parts.next()?.parse().ok()?;
    let total = f64::from(hours) * 3600.0 + f64::from(minutes) * 60.0 + seconds;
    (total.is_finite() && total > 0.0).then(|| MediaTime::from_secs_f64(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_a_clock() {
        for (text, millis) in
            [("00:00:08.021000000", Some(8021)), ("01:02:03.5", Some(3_723_500)), ("8.021", None), ("0:0:nan", None)]
        {
            assert_eq!(clock(text), millis.map(MediaTime::from_millis), "{text}");
        }
    }
}
