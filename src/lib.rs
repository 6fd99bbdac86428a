//! camreel: an RTSP server for camera recordings.

pub mod config;
pub mod media;
pub mod player;
pub mod rtp;
pub mod sync;
pub mod time;
