//! Tracks that are neither sound nor pictures.

/// Text that is shown at times, such as subtitles. A sample is one cue in UTF-8, empty to clear the display; markup
/// has been taken out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TextConfig {
    /// The language as the file has it, such as `eng` or `de`.
    pub language: Option<String>,
}

/// Metadata of a camera. A sample is one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataConfig {
    /// The encoding name of its payload format, such as `vnd.onvif.metadata`.
    pub encoding: String,
}
