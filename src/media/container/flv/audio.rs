//! The data of audio tags: AudioTagHeader (Adobe Flash Video File Format Specification section E.4.2) and
//! ExAudioTagHeader (Enhanced RTMP version 2).

use super::video::{Packet, skip_modifiers};
use crate::media::Codec;
use crate::media::bits::ByteReader;
use crate::media::codec::mpeg_audio::FrameHeader;
use crate::media::codec::{AacConfig, FlacConfig, G711Config, MpegAudioConfig, OpusConfig, PcmConfig, PcmFormat};

/// What coded the sound of a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AudioFormat {
    /// AAC.
    Aac,
    /// MP3.
    Mp3,
    /// Opus.
    Opus,
    /// FLAC.
    Flac,
    /// G.711 A-law.
    ALaw,
    /// G.711 mu-law.
    MuLaw,
    /// Linear PCM, little-endian where a value has two bytes.
    Pcm {
        /// Of 16 bits, not 8.
        is_16_bit: bool,
    },
    /// What is not streamed, by name.
    Other(&'static str),
}

/// The header of the data of an audio tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AudioTag {
    /// What coded it.
    pub format: AudioFormat,
    /// What it is for.
    pub packet: Packet,
    /// SoundRate in Hz; AAC and MP3 tell their own.
    pub sample_rate: u32,
    /// SoundType: 1 or 2.
    pub channels: u16,
    /// Bytes of the header.
    pub header_len: usize,
}

impl AudioTag {
    /// Reads the start of the data of an audio tag, which lies at byte `at` of the file; `None`: cut off.
    pub fn parse(data: &[u8], at: u64) -> Option<Self> {
        const EXTENDED: u8 = 9;
        let mut r = ByteReader::new(data, at, "audio tag");
        let first = r.u8().ok()?;
        let mut sample_rate = [5512, 11_025, 22_050, 44_100][usize::from(first >> 2 & 3)];
        let mut packet = Packet::Frame;
        let format = match first >> 4 {
            // 0 is the byte order of the machine that wrote it, which no longer means anything but little-endian.
            0 | 3 => AudioFormat::Pcm { is_16_bit: first & 2 != 0 },
            1 => AudioFormat::Other("ADPCM of Flash"),
            2 => AudioFormat::Mp3,
            4..=6 => AudioFormat::Other("Nellymoser"),
            code @ (7 | 8) => {
                sample_rate = 8000;
                if code == 7 { AudioFormat::ALaw } else { AudioFormat::MuLaw }
            }
            EXTENDED => {
                let (format, extended_packet) = read_extended(&mut r, first & 0xf)?;
                packet = extended_packet;
                format
            }
            10 => {
                packet = if r.u8().ok()? == 0 { Packet::Header } else { Packet::Frame };
                AudioFormat::Aac
            }
            11 => AudioFormat::Other("Speex"),
            14 => {
                sample_rate = 8000;
                AudioFormat::Mp3
            }
            _ => AudioFormat::Other("an unknown codec"),
        };
        let channels = u16::from(first & 1) + 1;
        Some(Self { format, packet, sample_rate, channels, header_len: data.len() - r.remaining() })
    }

    /// The codec that a tag with [`Packet::Header`] tells, or one without such a tag a frame. `None` when `payload`
    /// does not tell.
    pub fn codec(&self, payload: &[u8], at: u64) -> Option<Codec> {
        let Self { sample_rate, channels, .. } = *self;
        let is_header = self.packet == Packet::Header;
        Some(match self.format {
            AudioFormat::Aac if is_header => Codec::Aac(AacConfig::parse(payload, at).ok()?),
            AudioFormat::Mp3 => Codec::MpegAudio(mpeg_audio(payload)?),
            AudioFormat::Opus if is_header => Codec::Opus(opus(payload)?),
            AudioFormat::Flac if is_header => Codec::Flac(flac(payload)?),
            AudioFormat::ALaw => Codec::Pcma(G711Config { sample_rate, channels }),
            AudioFormat::MuLaw => Codec::Pcmu(G711Config { sample_rate, channels }),
            AudioFormat::Pcm { is_16_bit } => {
                let format = if is_16_bit { PcmFormat::S16Le } else { PcmFormat::U8 };
                Codec::Pcm(PcmConfig { format, sample_rate, channels })
            }
            _ => return None,
        })
    }
}

fn read_extended(r: &mut ByteReader<'_>, packet_type: u8) -> Option<(AudioFormat, Packet)> {
    const MULTITRACK: u8 = 5;
    let packet_type = skip_modifiers(r, packet_type)?;
    if packet_type == MULTITRACK {
        return Some((AudioFormat::Other("several tracks in one tag"), Packet::Other));
    }
    let format = match &r.array().ok()? {
        b"mp4a" => AudioFormat::Aac,
        b".mp3" => AudioFormat::Mp3,
        b"Opus" => AudioFormat::Opus,
        b"fLaC" => AudioFormat::Flac,
        b"ac-3" | b"ec-3" => AudioFormat::Other("AC-3"),
        _ => AudioFormat::Other("an unknown codec"),
    };
    let packet = match packet_type {
        0 => Packet::Header,
        1 => Packet::Frame,
        _ => Packet::Other,
    };
    Some((format, packet))
}

fn mpeg_audio(frame: &[u8]) -> Option<MpegAudioConfig> {
    let FrameHeader { layer, sample_rate, channels, .. } = FrameHeader::parse(*frame.first_chunk()?)?;
    Some(MpegAudioConfig { layer, sample_rate, channels })
}

/// OpusHead (RFC 7845 section 5.1).
fn opus(head: &[u8]) -> Option<OpusConfig> {
    let &[b'O', b'p', b'u', b's', b'H', b'e', b'a', b'd', _, channels, p0, p1, _, _, _, _, _, _, mapping_family, ..] =
        head
    else {
        return None;
    };
    Some(OpusConfig { channels: channels.max(1), pre_skip: u16::from_le_bytes([p0, p1]), mapping_family })
}

/// `fLaC` and the STREAMINFO block with its header (RFC 9639 sections 8.1 and 8.2).
fn flac(head: &[u8]) -> Option<FlacConfig> {
    let head = head.strip_prefix(b"fLaC").unwrap_or(head);
    let stream_info = head.strip_prefix(&[0, 0, 0, 34]).or(head.strip_prefix(&[0x80, 0, 0, 34]))?.get(..34)?.to_vec();
    let fields = u64::from_be_bytes(stream_info[10..18].try_into().ok()?);
    Some(FlacConfig {
        sample_rate: (fields >> 44) as u32,
        channels: (fields >> 41 & 7) as u8 + 1,
        bits_per_sample: (fields >> 36 & 31) as u8 + 1,
        stream_info,
    })
}
