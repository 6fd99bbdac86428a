//! Samples into RTP packets (RFC 3550). A payload format decides only where to split; sequence numbers, timestamps,
//! SSRC and counters are [`RtpStream`]'s. Nothing here knows a socket or a clock.

mod batch;
pub mod payload;
pub mod rtcp;
mod stream;

pub use batch::{PacketBatch, PacketWriter, Piece};
pub use payload::{Mp3Format, PayloadOptions, Payloader, payloader_for};
pub use stream::RtpStream;

/// Length of the fixed RTP header (RFC 3550 section 5.1).
pub const HEADER_LEN: usize = 12;
