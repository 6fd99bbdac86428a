//! Codecs in Ogg: how a logical bitstream tells what it is, which of its packets are headers, and what a granule
//! position means (RFC 3533 section 4 leaves that to the codec).

use crate::media::codec::flac::{FlacConfig, FrameHeader};
use crate::media::codec::opus::packet_duration;
use crate::media::codec::xiph::{TheoraConfig, VorbisConfig, is_theora_key_frame};
use crate::media::codec::{Codec, OpusConfig};
use crate::time::MediaTime;

/// The clock of Opus in Ogg (RFC 7845 section 4).
const OPUS_CLOCK_RATE: u32 = 48_000;

/// What the first packet of a logical bitstream tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// RFC 7845.
    Opus,
    /// Vorbis I appendix A.
    Vorbis,
    /// Theora I appendix A.
    Theora,
    /// RFC 9639 section 10.1.
    Flac,
    /// An index of the others, which is not streamed.
    Skeleton,
    /// What is not streamed, by its name.
    Other(&'static str),
}

impl Kind {
    /// From the first packet.
    pub fn of(packet: &[u8]) -> Self {
        const MAGIC: [(&[u8], Kind); 16] = [
            (b"OpusHead", Kind::Opus),
            (b"\x01vorbis", Kind::Vorbis),
            (b"\x80theora", Kind::Theora),
            (b"\x7fFLAC", Kind::Flac),
            (b"fishead\0", Kind::Skeleton),
            (b"Speex   ", Kind::Other("Speex")),
            (b"fLaC", Kind::Other("FLAC in the manner of 2004")),
            (b"BBCD\0", Kind::Other("Dirac")),
            (b"OVP80", Kind::Other("VP8")),
            (b"CELT    ", Kind::Other("CELT")),
            (b"PCM     ", Kind::Other("PCM")),
            (b"\x80kate", Kind::Other("Kate")),
            (b"\x01video", Kind::Other("OGM video")),
            (b"\x01audio", Kind::Other("OGM audio")),
            (b"\x01text", Kind::Other("OGM text")),
            (b"Midi", Kind::Other("MIDI")),
        ];
        let found = MAGIC.iter().find(|(magic, _)| packet.starts_with(magic));
        found.map_or(Self::Other("a codec that is not known"), |(_, kind)| *kind)
    }

    /// Whether a packet is a header. Headers are told by what they are, so that it does not matter where reading
    /// begins, nor whether an encoder wrote them twice.
    pub fn is_header(self, packet: &[u8]) -> bool {
        let first = packet.first();
        match self {
            Self::Opus => packet.starts_with(b"OpusHead") || packet.starts_with(b"OpusTags"),
            Self::Vorbis => first.is_some_and(|first| first & 1 == 1),
            Self::Theora => first.is_some_and(|first| first & 0x80 != 0),
            Self::Flac => first != Some(&0xff),
            Self::Skeleton | Self::Other(_) => true,
        }
    }

    /// Whether it can be a track.
    pub fn is_streamed(self) -> bool {
        !matches!(self, Self::Skeleton | Self::Other(_))
    }

    /// How many of the headers must be known: those that tell of times, or that a decoder needs.
    pub fn header_count(self) -> usize {
        match self {
            Self::Vorbis | Self::Theora => 3,
            _ => 1,
        }
    }
}

/// What is to be known of a logical bitstream to read it.
#[derive(Debug, Clone)]
pub struct Mapping {
    /// What it is coded in.
    pub codec: Codec,
    kind: Kind,
}

/// What a packet holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contents {
    /// By how many ticks the position grows.
    pub duration: u32,
    /// How many ticks before its position it is stamped, where it yields nothing by itself: so the next one has a
    /// time of its own.
    pub lead: u32,
    /// Decoding can start with it.
    pub is_sync: bool,
}

impl Mapping {
    /// From the headers of a bitstream of this kind; `None` when they are damaged.
    pub fn new(kind: Kind, headers: Vec<Vec<u8>>) -> Option<Self> {
        let codec = match kind {
            Kind::Opus => Codec::Opus(opus_head(headers.first()?)?),
            Kind::Vorbis => Codec::Vorbis(VorbisConfig::new(headers.try_into().ok()?)?),
            Kind::Theora => Codec::Theora(TheoraConfig::new(headers.try_into().ok()?)?),
            // Behind 9 bytes of the mapping and "fLaC", a metadata block header and STREAMINFO.
            Kind::Flac => Codec::Flac(FlacConfig::new(headers.first()?.get(17..)?)?),
            Kind::Skeleton | Kind::Other(_) => return None,
        };
        Some(Self { codec, kind })
    }

    /// See [`Kind::is_header`].
    pub fn is_header(&self, packet: &[u8]) -> bool {
        self.kind.is_header(packet)
    }

    /// Whether the last granule position cuts off the end of the last packet (RFC 7845 section 4.4, Vorbis I appendix
    /// A.2).
    pub fn trims_end(&self) -> bool {
        matches!(self.codec, Codec::Opus(_) | Codec::Vorbis(_))
    }

    /// What is in a packet that is no header. `before` is the block size of the packet before it, for Vorbis, and will
    /// be that of this one.
    pub fn contents(&self, packet: &[u8], before: &mut Option<u16>) -> Option<Contents> {
        let audio = |duration| Contents { duration, lead: 0, is_sync: true };
        match &self.codec {
            Codec::Opus(_) => Some(packet_duration(packet)).filter(|duration| *duration > 0).map(audio),
            Codec::Vorbis(config) => {
                let size = config.block_size(packet)?;
                Some(match before.replace(size) {
                    Some(before) => audio((u32::from(before) + u32::from(size)) / 4),
                    // The first packet of a stretch is there for the next one only (Vorbis I section 4.3.8).
                    None => Contents { lead: u32::from(size) / 2, ..audio(0) },
                })
            }
            Codec::Flac(config) => FrameHeader::parse(packet, config).map(|header| audio(header.block_size)),
            _ => Some(Contents { duration: 1, lead: 0, is_sync: is_theora_key_frame(packet) }),
        }
    }

    /// The position that a granule position tells, in ticks.
    pub fn position(&self, granule: u64) -> i64 {
        let position = if let Codec::Theora(config) = &self.codec { config.frames_until(granule) } else { granule };
        // Beyond what any recording has, and far enough from the end of the type that sums cannot reach it.
        position.min(1 << 56) as i64
    }

    /// When what begins at this position is to be shown, by the bitstream's own clock.
    pub fn time(&self, position: i64) -> MediaTime {
        match &self.codec {
            Codec::Opus(config) => {
                MediaTime::from_ticks(position.saturating_sub(config.pre_skip.into()), OPUS_CLOCK_RATE)
            }
            Codec::Theora(config) => {
                let (frames, seconds) = config.frame_rate;
                MediaTime::from_ticks(position.saturating_mul(seconds.into()), frames)
            }
            other => MediaTime::from_ticks(position, other.sound().map_or(1, |(sample_rate, _)| sample_rate)),
        }
    }

    /// How much sound at the start is for the decoder only.
    pub fn priming(&self) -> MediaTime {
        if let Codec::Opus(config) = &self.codec {
            MediaTime::from_ticks(config.pre_skip.into(), OPUS_CLOCK_RATE)
        } else {
            MediaTime::ZERO
        }
    }

    /// Whether what `other` describes can be decoded by who knows `self` only.
    pub fn goes_on_as(&self, other: &Self) -> bool {
        match (&self.codec, &other.codec) {
            // A packet tells by itself whether it is mono or stereo.
            (Codec::Opus(one), Codec::Opus(other)) => {
                one.mapping_family == 0 && other.mapping_family == 0 || one == other
            }
            (Codec::Vorbis(one), Codec::Vorbis(other)) => {
                one.headers[2] == other.headers[2]
                    && (one.sample_rate, one.channels) == (other.sample_rate, other.channels)
            }
            (Codec::Theora(one), Codec::Theora(other)) => {
                (&one.headers[0], &one.headers[2]) == (&other.headers[0], &other.headers[2])
            }
            (Codec::Flac(one), Codec::Flac(other)) => {
                (one.sample_rate, one.channels, one.bits_per_sample)
                    == (other.sample_rate, other.channels, other.bits_per_sample)
            }
            _ => false,
        }
    }
}

/// The identification header of Opus (RFC 7845 section 5.1).
fn opus_head(packet: &[u8]) -> Option<OpusConfig> {
    let head: &[u8; 19] = packet.first_chunk()?;
    // The upper half of the version tells of changes that older readers cannot know.
    let is_known = head.starts_with(b"OpusHead") && head[8] >> 4 == 0 && head[9] > 0;
    is_known.then(|| OpusConfig {
        channels: head[9],
        pre_skip: u16::from_le_bytes([head[10], head[11]]),
        mapping_family: head[18],
    })
}
