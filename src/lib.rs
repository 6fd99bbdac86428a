//! camreel: an RTSP server for camera recordings.

pub mod media;
pub mod rtp;
pub mod rtsp;
pub mod sync;
pub mod time;
