//! The text protocol of RTSP 1.0 (RFC 2326): bytes in, messages out; answers in, bytes out.
//!
//! Nothing here knows a socket, a thread or a clock. What a method does, and which status answers which fault, is
//! `server`'s business; RTP and RTCP within interleaved frames are `rtp`'s.
//!
//! Reading is tolerant, because the clients are what they are: line ends without CR, headers in any case, folded or
//! repeated, names of files that were never escaped. It is bounded as well: every length has its limit, and nothing
//! a peer sends may panic.

pub mod auth;
pub mod decoder;
pub mod headers;
pub mod message;
pub mod sdp;
pub mod status;
pub mod url;

pub use decoder::{DecodeError, Decoder};
pub use headers::Headers;
pub use message::{Frame, Message, Method, PeerResponse, Request, Response, Version};
pub use status::Status;
pub use url::{Target, Url};
