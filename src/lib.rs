//! camreel: an RTSP server for camera recordings.

pub mod cli;
pub mod config;
pub mod library;
pub mod logging;
pub mod media;
pub mod player;
pub mod probe;
pub mod rtp;
pub mod rtsp;
pub mod server;
pub mod sync;
pub mod time;
