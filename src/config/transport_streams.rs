//! `[[transport_streams]]`: what becomes of MPEG transport streams below a path.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer, de};

use super::channels::below_root;
use super::find_names;
use crate::media::container::TransportStreams;

/// One of `[[transport_streams]]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransportStreamsBelow {
    /// A folder or file below the root.
    #[serde(deserialize_with = "path")]
    pub path: PathBuf,
    /// What becomes of those in it.
    #[serde(deserialize_with = "form")]
    pub form: TransportStreams,
}

fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    below_root(&String::deserialize(deserializer)?).map_err(de::Error::custom)
}

/// `"tracks"` or `"whole"`.
pub(super) fn form<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TransportStreams, D::Error> {
    let table = [("tracks", TransportStreams::Tracks), ("whole", TransportStreams::Whole)];
    Ok(find_names(&[String::deserialize(deserializer)?], &table)?[0])
}
