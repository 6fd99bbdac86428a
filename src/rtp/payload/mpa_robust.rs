//! Layer III of MPEG audio (MP3) as application data units (RFC 5219): a packet has all that belongs to one frame.
//!
//! A frame of MP3 leaves room that it does not need to those after it: the main data of a frame may begin in frames
//! before (the bit reservoir). A receiver of plain frames that loses one therefore loses some after it, too. An ADU is
//! header, CRC and side information of a frame as they are, and behind them its main data, from wherever it lies. Each
//! can be decoded alone, and a receiver that wants frames makes them again from what the headers tell (section 4.1,
//! appendix A). What lies in the file between main data (ancillary data) is not sent.
//!
//! An ADU goes out in a packet of its own, not interleaved (section 6), so that the sync word of its header stays.

use super::Payloader;
use crate::media::Sample;
use crate::media::codec::mpeg_audio::{FrameHeader, HEADER_LEN, MainData, RESERVOIR_LEN_MAX};
use crate::rtp::PacketWriter;
use crate::time::MediaTime;

/// Length of an ADU descriptor in bytes. There is one of a single byte, too, for ADUs below 64 bytes; receivers must
/// understand either for those (section 4.2).
const DESCRIPTOR_LEN: usize = 2;
/// C: what follows continues the ADU of the packet before.
const C_CONTINUATION: u16 = 0x8000;
/// T: the descriptor has two bytes.
const T_TWO_BYTES: u16 = 0x4000;
/// What the size's 14 bits can tell.
const ADU_LEN_MAX: usize = 0x3fff;

/// The payload format of one track of MP3.
#[derive(Debug, Default)]
pub struct MpaRobust {
    /// The end of the main data of the frames before: as much as a frame can refer to.
    reservoir: Vec<u8>,
    /// When the next frame begins, if it follows on the last.
    next_pts: Option<MediaTime>,
    /// The buffer of the ADU that is sent.
    adu: Vec<u8>,
}

impl Payloader for MpaRobust {
    /// Section 7: bit rate, sample rate and channels are in the frames.
    fn rtpmap(&self) -> String {
        "mpa-robust/90000".to_owned()
    }

    fn fmtp(&self) -> Option<String> {
        None
    }

    fn clock_rate(&self) -> u32 {
        90_000
    }

    /// ```text
    ///  0                   1
    ///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5
    /// |C|1|          ADU size         |
    /// ```
    ///
    /// The size is that of all of the ADU in each of its fragments (section 4.3). The marker has no use (section 4.4).
    fn packetize(&mut self, sample: &Sample, out: &mut PacketWriter<'_>) {
        let header = sample.data.first_chunk::<HEADER_LEN>().and_then(|bytes| FrameHeader::parse(*bytes));
        let header = header.filter(|header| header.layer == 3);
        // Without a bit rate (free format) a receiver could not tell how long the frame was.
        let Some((header, len)) = header.and_then(|header| Some((header, header.frame_len()?))) else {
            return self.forget();
        };
        let frame = &sample.data[..len.min(sample.data.len())];
        let Some(main) = MainData::parse(&header, frame) else { return self.forget() };
        self.look_for_a_gap(sample.pts, &header);
        if self.assemble(frame, main) {
            self.send(out);
        }
        self.keep(&frame[main.slot_at..]);
    }
}

impl MpaRobust {
    /// Nothing is known of what lies before the next frame.
    fn forget(&mut self) {
        self.reservoir.clear();
        self.next_pts = None;
    }

    /// Behind a seek or a gap, what is in the reservoir is not what the frame refers to. Times of containers may be
    /// rounded; half a frame is far more than that, and less than what a lost one leaves.
    fn look_for_a_gap(&mut self, pts: MediaTime, header: &FrameHeader) {
        let duration = MediaTime::from_ticks(header.sample_count().into(), header.sample_rate);
        let distance = self.next_pts.map(|expected| (pts - expected).as_nanos().unsigned_abs());
        if distance.is_none_or(|distance| distance > duration.as_nanos().unsigned_abs() / 2) {
            self.reservoir.clear();
        }
        self.next_pts = Some(pts + duration);
    }

    /// Puts together the ADU of a frame. False when it is not all there, as behind a seek; where a frame ends before
    /// its main data should, its ADU does, too.
    fn assemble(&mut self, frame: &[u8], MainData { slot_at, begin, len }: MainData) -> bool {
        let behind = &frame[slot_at..];
        let from_reservoir = begin.min(len);
        let Some(start) = self.reservoir.len().checked_sub(if len == 0 { 0 } else { begin }) else { return false };
        self.adu.clear();
        self.adu.extend_from_slice(&frame[..slot_at]);
        self.adu.extend_from_slice(&self.reservoir[start..start + from_reservoir]);
        self.adu.extend_from_slice(&behind[..behind.len().min(len - from_reservoir)]);
        self.adu.len() <= ADU_LEN_MAX
    }

    fn send(&self, out: &mut PacketWriter<'_>) {
        let size = self.adu.len() as u16;
        let mut continuation = 0;
        for fragment in self.adu.chunks(out.payload_max() - DESCRIPTOR_LEN) {
            out.begin();
            out.inline(&(continuation | T_TWO_BYTES | size).to_be_bytes());
            out.inline(fragment);
            out.finish(false);
            continuation = C_CONTINUATION;
        }
    }

    /// Keeps what the frames after may refer to.
    fn keep(&mut self, main_data: &[u8]) {
        self.reservoir.extend_from_slice(main_data);
        let surplus = self.reservoir.len().saturating_sub(RESERVOIR_LEN_MAX);
        self.reservoir.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{packets, sample_of};
    use super::super::{Mp3Format, PayloadOptions, payloader_for};
    use super::*;
    use crate::media::codec::MpegAudioConfig;
    use crate::media::{Codec, Sample};

    /// MPEG-2 layer III, 8 kbit/s, 22.05 kHz, mono: 26 bytes, of which 9 are side information and 13 main data.
    const HEADER: [u8; 4] = [0xff, 0xf3, 0x10, 0xc0];
    const DURATION_NANOS: i64 = 26_122_449;

    /// Frame `number`, whose main data begins `begin` bytes back and has `bits`. Each byte of its slot tells the
    /// number of the frame and its own.
    fn frame(number: u8, begin: u8, bits: u16) -> Sample {
        let [high, low] = (bits << 3).to_be_bytes();
        let slot = (0..13).map(|index| number << 4 | index);
        let data: Vec<u8> = HEADER.into_iter().chain([begin, high, low, 0, 0, 0, 0, 0, 0x11]).chain(slot).collect();
        Sample { pts: MediaTime::from_nanos(DURATION_NANOS * i64::from(number)), ..sample_of(data) }
    }

    #[test]
    fn it_is_on_request_and_for_layer_iii_only() {
        let rtpmap = |layer, mp3| {
            let codec = Codec::MpegAudio(MpegAudioConfig { layer, sample_rate: 44_100, channels: 2 });
            let payloader = payloader_for(&codec, &PayloadOptions { mp3 }).unwrap();
            (payloader.static_payload_type(), payloader.rtpmap(), payloader.fmtp(), payloader.clock_rate())
        };
        let plain = (Some(14), "MPA/90000".to_owned(), None, 90_000);
        let robust = (None, "mpa-robust/90000".to_owned(), None, 90_000);
        assert_eq!(PayloadOptions::default().mp3, Mp3Format::Mpa);
        assert_eq!([1, 2, 3].map(|layer| rtpmap(layer, Mp3Format::Mpa)), [(); 3].map(|()| plain.clone()));
        assert_eq!([1, 2, 3].map(|layer| rtpmap(layer, Mp3Format::Robust)), [plain.clone(), plain, robust]);
    }

    #[test]
    fn an_adu_has_the_main_data_of_its_frame_from_wherever_it_lies() {
        let mut payloader = MpaRobust::default();
        for (sample, expected) in [
            // 80 bits: ten bytes. The rest is for frames after.
            (frame(1, 0, 80), "-+0 4017fff310c0000280000000000011 10111213141516171819"),
            // 89 bits, rounded up to twelve bytes: two of the frame before, ten of its own.
            (frame(2, 2, 89), "-+0 4019fff310c00202c8000000000011 1b1c20212223242526272829"),
            // All of it lies in the frame before.
            (frame(3, 3, 16), "-+0 400ffff310c0030080000000000011 2a2b"),
            // It begins in the frame before the one before.
            (frame(4, 14, 48), "-+0 4013fff310c00e0180000000000011 2c3031323334"),
            // No sound.
            (frame(5, 0, 0), "-+0 400dfff310c0000000000000000011 "),
        ] {
            assert_eq!(packets(&mut payloader, &sample, 100), [expected.replace("11 ", "11")]);
        }
    }

    #[test]
    fn fragments_have_the_size_of_the_whole_and_tell_which_continue() {
        let expected = ["-+0 4017fff310c000028000", "-+0 c0170000000011101112", "-+0 c01713141516171819"];
        assert_eq!(packets(&mut MpaRobust::default(), &frame(1, 0, 80), 10), expected);
        assert_eq!(packets(&mut MpaRobust::default(), &frame(1, 0, 80), 25).len(), 1);
        assert_eq!(packets(&mut MpaRobust::default(), &frame(1, 0, 80), 24).len(), 2);
    }

    #[test]
    fn frames_wait_until_what_they_refer_to_was_there() {
        let mut payloader = MpaRobust::default();
        let mut sent = |number, begin, bits| packets(&mut payloader, &frame(number, begin, bits), 100).len();
        assert_eq!([sent(0, 1, 80), sent(1, 14, 80), sent(2, 26, 80)], [0, 0, 1]);
        // What has no main data needs nothing.
        assert_eq!(packets(&mut MpaRobust::default(), &frame(0, 200, 0), 100).len(), 1);
    }

    #[test]
    fn behind_a_gap_nothing_is_taken_from_before_it() {
        const MILLISECOND: i64 = 1_000_000;
        for (off_by, expected) in [
            (0, 1),
            (MILLISECOND, 1),
            (-MILLISECOND, 1),
            (DURATION_NANOS, 0),
            (-DURATION_NANOS, 0),
            (-60_000 * MILLISECOND, 0),
            (60_000 * MILLISECOND, 0),
        ] {
            let mut payloader = MpaRobust::default();
            packets(&mut payloader, &frame(0, 0, 80), 100);
            let mut next = frame(1, 1, 80);
            next.pts = MediaTime::from_nanos(next.pts.as_nanos() + off_by);
            assert_eq!(packets(&mut payloader, &next, 100).len(), expected, "{off_by}");
        }
    }

    #[test]
    fn what_is_no_frame_of_layer_iii_with_a_known_length_is_left_out_with_those_that_refer_to_it() {
        let whole = frame(1, 0, 80).data;
        let changed = |at: usize, byte| {
            let mut data = whole.clone();
            data[at] = byte;
            data
        };
        for data in [vec![], whole[..3].to_vec(), whole[..12].to_vec(), changed(0, 0), changed(1, 0xf5), changed(2, 0)]
        {
            let mut payloader = MpaRobust::default();
            packets(&mut payloader, &frame(0, 0, 80), 100);
            let other = Sample { data, ..frame(1, 0, 80) };
            assert_eq!(packets(&mut payloader, &other, 100), Vec::<String>::new(), "{other:?}");
            assert_eq!(packets(&mut payloader, &frame(2, 1, 80), 100), Vec::<String>::new(), "{other:?}");
            assert_eq!(packets(&mut payloader, &frame(3, 1, 80), 100).len(), 1);
        }
    }

    #[test]
    fn main_data_that_is_cut_off_is_sent_as_far_as_it_is_there() {
        let cut = packets(&mut MpaRobust::default(), &frame(1, 0, 4095), 100);
        assert_eq!(cut, ["-+0 401afff310c0007ff8000000000011101112131415161718191a1b1c"]);
        let Sample { mut data, .. } = frame(1, 0, 80);
        data.extend([0xee; 7]);
        assert_eq!(packets(&mut MpaRobust::default(), &sample_of(data), 100).len(), 1);
    }
}
