//! Raw DV: frames one after the other, all of the same profile and so of the same length. A file that was cut out of
//! another may begin anywhere in a frame.

use std::sync::Arc;

use super::units::{Units, UnitsFormat};
use super::{Container, Options, Sniff};
use crate::media::codec::Codec;
use crate::media::codec::dv::{FRAME_LEN_MAX, PROFILE_LEN, Profile};
use crate::media::io::Source;
use crate::media::{Error, Note, Recording, Track, scan};

/// This container's line in [`super::CONTAINERS`].
pub const CONTAINER: Container = Container { name: NAME, suffixes: &["dv", "dif"], sniff, open };

const NAME: &str = "raw DV";
/// The first frame begins at one of so many bytes.
const SEARCH_LEN: usize = FRAME_LEN_MAX as usize;

fn sniff(head: &[u8]) -> Sniff {
    match Profile::of(head) {
        Some(_) => Sniff::Yes,
        None if head.is_empty() => Sniff::No,
        None => Sniff::Maybe,
    }
}

fn open(source: &Source, _options: &Options) -> Result<Arc<dyn Recording>, Error> {
    let mut start = vec![0; SEARCH_LEN + PROFILE_LEN];
    let len = source.read_at(&mut start, 0, "the start of the DV stream")?;
    start.truncate(len);
    let found = start.windows(PROFILE_LEN).enumerate().find_map(|(at, window)| Some((at, Profile::of(window)?)));
    let Some((at, profile)) = found else {
        return Err(Error::Unsupported(format!("no DV frame of a known profile begins in the first {len} bytes")));
    };
    let mut notes = Vec::new();
    if at > 0 {
        notes.push(Note { at: Some(at as u64), text: "the first whole frame begins".to_owned() });
    }
    let (rate, ticks) = profile.frame_rate;
    let units = Units {
        start: at as u64,
        end: None,
        unit_len: profile.config.frame_len,
        ticks,
        rate,
        sample_units: 1,
        last_len_min: profile.config.frame_len,
    };
    let frame_rate = Some(profile.frames_per_second());
    let track =
        Track { codec: Codec::Dv(profile.config), duration: None, shown_until: None, bitrate: None, frame_rate };
    scan::open(UnitsFormat::new(source, NAME, track, notes, units)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::codec::dv::testing::frame;
    use crate::media::container::units::testing::{samples_of, source_of};

    fn opened(bytes: &[u8]) -> Result<Arc<dyn Recording>, Error> {
        open(&source_of(bytes), &Options::default())
    }

    #[test]
    fn frames_come_out_whole_at_the_rate_of_their_profile() {
        let frames = [frame("SD-VCR/525-60", 1), frame("SD-VCR/525-60", 2), frame("SD-VCR/525-60", 3)];
        let recording = opened(&frames.concat()).unwrap();
        let track = &recording.tracks()[0];
        assert_eq!((track.bitrate, track.codec.picture_size()), (Some(28_771_228), Some((720, 480))));
        assert_eq!(recording.duration().unwrap().to_ticks(30_000), 3 * 1001);
        let samples = samples_of(&recording);
        let found: Vec<_> = samples.iter().map(|sample| (sample.pts.to_ticks(30_000), &sample.data[..])).collect();
        assert_eq!(found, [(0, &frames[0][..]), (1001, &frames[1]), (2002, &frames[2])]);
    }

    #[test]
    fn a_file_that_begins_within_a_frame_is_read_from_the_next_one_on() {
        let (cut, whole) = (frame("314M-25/625-50", 1), frame("314M-25/625-50", 2));
        let bytes = [&cut[1234..], &whole, &whole[..100]].concat();
        assert_eq!((sniff(&bytes), sniff(&whole[..4096])), (Sniff::Maybe, Sniff::Yes));
        let recording = opened(&bytes).unwrap();
        assert_eq!(
            recording.notes()[0].to_string(),
            format!("the first whole frame begins at byte {}", 144_000 - 1234)
        );
        assert_eq!(samples_of(&recording).iter().map(|sample| &sample.data).collect::<Vec<_>>(), [&whole]);
    }

    #[test]
    fn bytes_without_a_frame_are_refused_with_the_reason() {
        let error = opened(&[0x1F; 5000]).err().unwrap();
        assert_eq!(error.to_string(), "no DV frame of a known profile begins in the first 5000 bytes");
    }
}
