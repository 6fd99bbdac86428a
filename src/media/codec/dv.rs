//! DV (IEC 61834, SMPTE 314M and 370M): the profiles of its frames. A frame is a row of DIF blocks of 80 bytes, and has
//! its sound in it.

/// What is to be known of a DV track. A sample is one frame, all its DIF blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DvConfig {
    /// As `encode=` of RFC 6469 section 5.1 has it, such as `SD-VCR/525-60`.
    pub encode: &'static str,
    /// Bytes of a frame.
    pub frame_len: u32,
    /// Width and height in pixels.
    pub size: (u32, u32),
}

/// Bytes of a DIF block.
pub const DIF_BLOCK_LEN: usize = 80;
/// How much of a frame [`Profile::of`] looks at, in bytes: the header, the subcode and the VAUX blocks.
pub const PROFILE_LEN: usize = 6 * DIF_BLOCK_LEN;
/// The longest frame of all profiles, in bytes.
pub const FRAME_LEN_MAX: u32 = 576_000;

/// One kind of DV.
#[derive(Debug, PartialEq, Eq)]
pub struct Profile {
    /// What its track is.
    pub config: DvConfig,
    /// Frames in so many seconds: numerator and denominator of the frame rate.
    pub frame_rate: (u32, u32),
    /// DSF: whether a frame has the 12 sequences of 50 Hz, not the 10 of 60 Hz.
    is_50_hz: bool,
    /// STYPE of the VAUX source pack.
    signal_type: u8,
    /// APT of the header block: 0 for IEC 61834, 1 for SMPTE 314M; `None` where either will do.
    application: Option<u8>,
}

const NTSC: (u32, u32) = (30_000, 1001);
const PAL: (u32, u32) = (25, 1);

#[rustfmt::skip]
static PROFILES: [Profile; 9] = [
    // Of SMPTE 314M as well, whose frames differ in nothing that a receiver minds: for 314M-25/525-60, GStreamer expects
    // frames twice as long as they are.
    profile("SD-VCR/525-60", 120_000, (720, 480), NTSC, false, 0x00, None),
    profile("SD-VCR/625-50", 144_000, (720, 576), PAL, true, 0x00, Some(0)),
    profile("314M-25/625-50", 144_000, (720, 576), PAL, true, 0x00, None),
    profile("314M-50/525-60", 240_000, (720, 480), NTSC, false, 0x04, None),
    profile("314M-50/625-50", 288_000, (720, 576), PAL, true, 0x04, None),
    profile("370M/1080-60i", 480_000, (1280, 1080), NTSC, false, 0x14, None),
    profile("370M/1080-50i", FRAME_LEN_MAX, (1440, 1080), PAL, true, 0x14, None),
    profile("370M/720-60p", 240_000, (960, 720), (60_000, 1001), false, 0x18, None),
    profile("370M/720-50p", 288_000, (960, 720), (50, 1), true, 0x18, None),
];

const fn profile(
    encode: &'static str,
    frame_len: u32,
    size: (u32, u32),
    frame_rate: (u32, u32),
    is_50_hz: bool,
    signal_type: u8,
    application: Option<u8>,
) -> Profile {
    Profile { config: DvConfig { encode, frame_len, size }, frame_rate, is_50_hz, signal_type, application }
}

impl Profile {
    /// The profile of the frame that `frame` begins with, of which [`PROFILE_LEN`] bytes are looked at; `None` when it
    /// is no start of a frame, or of none that is known.
    pub fn of(frame: &[u8]) -> Option<&'static Self> {
        let [header, subcode_1, subcode_2, vaux @ ..] = frame.get(..PROFILE_LEN)?.as_chunks::<DIF_BLOCK_LEN>().0 else {
            return None;
        };
        // The first sequence: one header block, two of subcode, three of VAUX (IEC 61834-2 figure 42, SMPTE 314M
        // figure 9). The section is in the upper three bits, the number of the sequence in the second byte's upper four.
        let is_block = |block: &[u8; DIF_BLOCK_LEN], section: u8, number: usize| {
            block[0] >> 5 == section && block[1] >> 4 == 0 && usize::from(block[2]) == number
        };
        let is_start = is_block(header, 0, 0)
            && header[3] & 0x3F == 0x3F
            && is_block(subcode_1, 1, 0)
            && is_block(subcode_2, 1, 1)
            && vaux.iter().enumerate().all(|(number, block)| is_block(block, 2, number));
        if !is_start {
            return None;
        }
        let is_50_hz = header[3] & 0x80 != 0;
        let application = header[4] & 0x07;
        // Pack 9 of the last VAUX block is VIDEO SOURCE.
        let signal_type = vaux.last()?[3 + 9 * 5 + 3] & 0x1F;
        PROFILES.iter().find(|profile| {
            (profile.is_50_hz, profile.signal_type) == (is_50_hz, signal_type)
                && profile.application.is_none_or(|wanted| wanted == application)
        })
    }

    /// Frames a second.
    pub fn frames_per_second(&self) -> f64 {
        f64::from(self.frame_rate.0) / f64::from(self.frame_rate.1)
    }
}

/// Makes up frames for tests.
#[cfg(test)]
pub mod testing {
    use super::*;

    /// A frame of this profile, with `fill` in all that tells nothing.
    pub fn frame(encode: &str, fill: u8) -> Vec<u8> {
        let profile = PROFILES.iter().find(|profile| profile.config.encode == encode).unwrap();
        let mut frame = vec![fill; profile.config.frame_len as usize];
        let blocks = [(0x1F, 0), (0x3F, 0), (0x3F, 1), (0x56, 0), (0x56, 1), (0x56, 2)];
        for (block, (section, number)) in frame.as_chunks_mut::<DIF_BLOCK_LEN>().0.iter_mut().zip(blocks) {
            block[..3].copy_from_slice(&[section, 0x07, number]);
        }
        frame[3] = if profile.is_50_hz { 0xBF } else { 0x3F };
        frame[4] = 0x78 | profile.application.unwrap_or(1);
        frame[5 * DIF_BLOCK_LEN + 51] = 0xC0 | profile.signal_type;
        frame
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::testing::frame;
    use super::*;

    #[test]
    fn every_profile_is_told_by_the_start_of_its_frame() {
        for profile in &PROFILES {
            let frame = frame(profile.config.encode, 0xFF);
            assert_eq!(Profile::of(&frame[..PROFILE_LEN]), Some(profile));
            assert_eq!(frame.len() % DIF_BLOCK_LEN, 0);
            assert!(profile.config.frame_len <= FRAME_LEN_MAX);
        }
        assert_eq!(Profile::of(&frame("370M/720-60p", 0)).unwrap().frames_per_second(), 60_000.0 / 1001.0);
    }

    #[test]
    fn what_begins_otherwise_is_no_frame() {
        let frame = frame("SD-VCR/625-50", 0xFF);
        assert_eq!(Profile::of(&frame[..PROFILE_LEN - 1]), None, "too short");
        for (at, byte) in [(0, 0x3F), (1, 0x17), (2, 1), (3, 0x00), (80, 0x1F), (162, 0), (400, 0x90), (451, 0x0A)] {
            let mut frame = frame.clone();
            frame[at] = byte;
            assert_eq!(Profile::of(&frame), None, "byte {at} is {byte:#x}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..PROFILE_LEN + 10)) {
            let _ = Profile::of(&bytes);
        }
    }
}
