//! A transport stream (ISO/IEC 13818-1) as one track.

/// What is to be known of a transport stream that is streamed as it is. A sample is some whole packets of 188 bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TransportStreamConfig {}
