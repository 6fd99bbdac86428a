//! What leaves: the tracks on their way out, and the packets of one sample at a time.

use std::ops::Range;
use std::time::Instant;

use super::timeline::Timeline;
use super::{Pacing, Step};
use crate::media::Sample;
use crate::rtp::{HEADER_LEN, PacketBatch, PacketWriter, Payloader, RtpStream};
use crate::time::MediaTime;

/// One track on its way out.
pub struct Output {
    payloader: Box<dyn Payloader>,
    pub stream: RtpStream,
    /// RTP timestamp of stream time 0; random (RFC 3550 section 5.1).
    first_rtptime: u32,
    /// Bursts are limited: the transport has no flow control of its own.
    pub is_datagram: bool,
    pub is_active: bool,
    /// Packets have left since PLAY.
    pub has_begun: bool,
}

impl Output {
    pub fn new(payloader: Box<dyn Payloader>, stream: RtpStream, first_rtptime: u32, is_datagram: bool) -> Self {
        Self { payloader, stream, first_rtptime, is_datagram, is_active: false, has_begun: false }
    }

    /// Ticks a second of its timestamps.
    pub fn clock_rate(&self) -> u32 {
        self.payloader.clock_rate()
    }

    /// The RTP timestamp of media time `at`.
    pub fn rtptime(&self, clock: &Timeline, at: MediaTime) -> u32 {
        self.first_rtptime.wrapping_add(clock.ticks(at, self.clock_rate()) as u32)
    }
}

/// The outputs by track, and the packets that are leaving.
#[derive(Default)]
pub struct Outbox {
    pub outputs: Vec<Option<Output>>,
    batch: PacketBatch,
    /// Packets of `batch` that wait for their turn, and when that is.
    unsent: Option<(Range<usize>, Instant)>,
}

impl Outbox {
    /// With room for so many tracks, and none of them there.
    pub fn new(track_count: usize) -> Self {
        Self { outputs: (0..track_count).map(|_| None).collect(), ..Self::default() }
    }

    /// The tracks that play, by index.
    pub fn active(&self) -> impl Iterator<Item = usize> {
        (0..self.outputs.len()).filter(|track| self.is_active(*track))
    }

    pub fn is_active(&self, track: usize) -> bool {
        self.outputs[track].as_ref().is_some_and(|output| output.is_active)
    }

    /// Each track that plays has its first packets before it.
    pub fn begin_anew(&mut self) {
        self.outputs.iter_mut().flatten().for_each(|output| output.has_begun = false);
    }

    /// Presentation time of the packets that wait.
    pub fn unsent_pts(&self) -> Option<MediaTime> {
        self.unsent.as_ref().map(|_| self.batch.sample.pts)
    }

    /// The sequence number of the next packet of a track.
    pub fn next_sequence(&self, track: usize) -> Option<u16> {
        let output = self.outputs[track].as_ref()?;
        let unsent = self.unsent.as_ref().filter(|_| self.batch.sample.track == track);
        let unsent_count = unsent.map_or(0, |(packets, _)| packets.len());
        Some(output.stream.next_sequence().wrapping_sub(unsent_count as u16))
    }

    /// The buffers of a sample whose packets have all left.
    pub fn free_sample(&mut self) -> Option<Sample> {
        self.unsent.is_none().then(|| {
            self.batch.clear();
            std::mem::take(&mut self.batch.sample)
        })
    }

    /// Makes packets of a sample, if its track (still) plays and it gives any, and returns the sample before it.
    pub fn packetize(&mut self, sample: Sample, clock: &mut Timeline, now: Instant) -> Sample {
        let before = std::mem::replace(&mut self.batch.sample, sample);
        self.batch.clear();
        let (track, pts) = (self.batch.sample.track, self.batch.sample.pts);
        let Some(output) = self.outputs[track].as_mut().filter(|output| output.is_active) else { return before };
        clock.note_stamped(pts);
        let rtptime = output.rtptime(clock, pts);
        let (mut writer, sample) = PacketWriter::new(&mut self.batch, &mut output.stream, rtptime);
        output.payloader.packetize(sample, &mut writer);
        let count = self.batch.packet_count();
        self.unsent = (count > 0).then_some((0..count, now));
        before
    }

    /// What is to be done with the packets that wait, if any do: of a datagram track not too many leave at once.
    pub fn next_step(&mut self, clock: &Timeline, pacing: &Pacing, now: Instant) -> Option<Step<'_>> {
        let (packets, due) = self.unsent.clone()?;
        if due > now {
            return Some(Step::Wait(due));
        }
        let track = self.batch.sample.track;
        let output = self.outputs[track].as_mut()?;
        if !std::mem::replace(&mut output.has_begun, true) {
            return Some(Step::Begin { track, shown: clock.due(self.batch.sample.pts) });
        }
        let mut leaving = packets.clone();
        if output.is_datagram {
            leaving.end = leaving.end.min(leaving.start + pacing.burst_packets);
        }
        let rest = leaving.end..packets.end;
        self.unsent = (!rest.is_empty()).then_some((rest, now + pacing.burst_gap));
        Some(Step::Send { track, batch: &self.batch, packets: leaving })
    }

    /// Forgets the packets of a track that were made and wait for their turn, as if they had never been: a gap in the
    /// sequence numbers would look like loss.
    pub fn drop_unsent(&mut self, track: usize) {
        let Some((packets, _)) = self.unsent.take_if(|_| self.batch.sample.track == track) else { return };
        let octets: usize = packets.clone().map(|index| self.batch.packet_len(index) - HEADER_LEN).sum();
        if let Some(output) = &mut self.outputs[track] {
            output.stream.take_back(packets.len(), octets);
        }
    }

    /// As [`Self::drop_unsent`], whichever track it is.
    pub fn drop_all_unsent(&mut self) {
        self.drop_unsent(self.batch.sample.track);
    }
}
