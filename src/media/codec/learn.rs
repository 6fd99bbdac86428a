//! What a container may leave open about a codec, and the first frame tells.

use super::vpx::FrameHeader;
use super::{
    Ac3Config, Av1Config, Codec, JpegConfig, Mpeg4VisualConfig, MpegAudioConfig, MpegVideoConfig, ac3, h263, mpeg_audio,
};

/// How much of a frame is enough for [`learn`], in bytes.
pub const LEARN_LEN: usize = 64 << 10;

/// Whether the first frame of a track can tell more of its codec than the container did. Parameter sets of H.264 and
/// H.265 are another matter: they may come later.
pub fn is_wanted(codec: &Codec) -> bool {
    match codec {
        Codec::Av1(config) => config.sequence_header.is_empty(),
        Codec::Vp8(config) => config.size.is_none(),
        Codec::Vp9(config) => config.size.is_none() || config.profile.is_none(),
        Codec::Mpeg4Visual(config) => config.config.is_empty(),
        Codec::MpegVideo(config) => config.headers.is_empty(),
        Codec::H263(config) => config.size.is_none(),
        // What containers tell of their layer, rate and channels is wrong too often.
        Codec::MpegAudio(_) | Codec::Ac3(_) | Codec::Eac3(_) => true,
        // Whether RTP can carry the pictures, they say themselves.
        Codec::Jpeg(_) => true,
        _ => false,
    }
}

/// Takes over what the start of the first frame tells, [`LEARN_LEN`] bytes or all of it.
pub fn learn(codec: &mut Codec, frame: &[u8]) {
    match codec {
        Codec::Av1(config) => {
            if let Some(found) = Av1Config::from_obus(frame) {
                *config = found;
            }
        }
        Codec::Vp8(config) => {
            config.size = FrameHeader::vp8(frame, usize::MAX).and_then(|header| header.size).or(config.size);
        }
        Codec::Vp9(config) => {
            if let Some(header) = FrameHeader::vp9(frame) {
                config.size = header.size.or(config.size);
                config.profile = Some(header.profile);
            }
        }
        Codec::Mpeg4Visual(config) => *config = Mpeg4VisualConfig::parse(frame).unwrap_or_else(|| config.clone()),
        Codec::MpegVideo(config) => *config = MpegVideoConfig::parse(frame).unwrap_or_else(|| config.clone()),
        Codec::Jpeg(config) => *config = JpegConfig::of_picture(frame).unwrap_or(*config),
        Codec::H263(config) => {
            config.size = h263::PictureHeader::parse(frame).and_then(|header| header.size).or(config.size);
        }
        Codec::MpegAudio(config) => {
            if let Some(header) = frame.first_chunk().and_then(|head| mpeg_audio::FrameHeader::parse(*head)) {
                let mpeg_audio::FrameHeader { layer, sample_rate, channels, .. } = header;
                *config = MpegAudioConfig { layer, sample_rate, channels };
            }
        }
        Codec::Ac3(_) | Codec::Eac3(_) => learn_ac3(codec, frame),
        _ => {}
    }
}

/// Also which of both it is. What further channels dependent substreams have only the container tells.
fn learn_ac3(codec: &mut Codec, frame: &[u8]) {
    let (Codec::Ac3(config) | Codec::Eac3(config)) = codec else { return };
    let Some(header) = frame.first_chunk().and_then(ac3::FrameHeader::parse) else { return };
    let is_ac3 = header.stream == ac3::Stream::Ac3;
    let channels = if is_ac3 { header.channels } else { header.channels.max(config.channels) };
    let config = Ac3Config { sample_rate: header.sample_rate, channels };
    *codec = if is_ac3 { Codec::Ac3(config) } else { Codec::Eac3(config) };
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::av1::tests::sequence_header;
    use super::super::vpx::tests::{vp8_frame, vp9_frame};
    use super::super::{H263Config, VpxConfig};
    use super::*;

    fn learned(mut codec: Codec, frame: &[u8]) -> Codec {
        assert!(is_wanted(&codec), "{codec:?}");
        learn(&mut codec, frame);
        codec
    }

    #[test]
    fn first_frames_tell_what_containers_leave_open() {
        let vpx = VpxConfig { size: None, profile: None };
        let size = Some((176, 144));
        assert_eq!(learned(Codec::Vp8(vpx), &vp8_frame(true, 30)), Codec::Vp8(VpxConfig { size, profile: None }));
        let expected = VpxConfig { size: Some((352, 288)), profile: Some(2) };
        assert_eq!(learned(Codec::Vp9(vpx), &vp9_frame(true, 2, 30)), Codec::Vp9(expected));
        let Codec::Av1(config) = learned(Codec::Av1(Av1Config::default()), &sequence_header(None)) else { panic!() };
        assert_eq!(config.size, Some((640, 360)));
        // Layer II, 48 kHz, mono.
        let mp3 = MpegAudioConfig { layer: 3, sample_rate: 44_100, channels: 2 };
        let expected = MpegAudioConfig { layer: 2, sample_rate: 48_000, channels: 1 };
        assert_eq!(learned(Codec::MpegAudio(mp3), &[0xff, 0xfd, 0x84, 0xc0]), Codec::MpegAudio(expected));
        // AC-3 of 48 kHz in 2/0, which the container takes for E-AC-3.
        let told = Ac3Config { sample_rate: 44_100, channels: 6 };
        let expected = Ac3Config { sample_rate: 48_000, channels: 2 };
        let frame = [0x0b, 0x77, 0, 0, 0x14, 0x40, 0x40, 0, 0];
        assert_eq!(learned(Codec::Eac3(told), &frame), Codec::Ac3(expected));
    }

    #[test]
    fn a_frame_that_tells_nothing_changes_nothing() {
        for codec in [
            Codec::Vp9(VpxConfig { size: Some((2, 2)), profile: None }),
            Codec::Mpeg4Visual(Mpeg4VisualConfig { size: Some((2, 2)), ..Default::default() }),
            Codec::MpegVideo(MpegVideoConfig { size: Some((2, 2)), ..Default::default() }),
            Codec::H263(H263Config { size: None }),
            Codec::Ac3(Ac3Config { sample_rate: 1, channels: 2 }),
        ] {
            assert_eq!(learned(codec.clone(), &[0; 40]), codec);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(frame in vec(any::<u8>(), 0..60)) {
            for mut codec in [
                Codec::Av1(Av1Config::default()),
                Codec::Vp8(VpxConfig::default()),
                Codec::Vp9(VpxConfig::default()),
                Codec::Mpeg4Visual(Mpeg4VisualConfig::default()),
                Codec::MpegVideo(MpegVideoConfig::default()),
                Codec::H263(H263Config::default()),
                Codec::Eac3(Ac3Config { sample_rate: 1, channels: 2 }),
            ] {
                learn(&mut codec, &frame);
            }
        }
    }
}
