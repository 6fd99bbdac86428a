//! Channels: recordings under a path of their own. Whether one is sent to a group is the server's business.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Found, LookupError};
use crate::config::Channel;
use crate::media::looped::Looped;
use crate::sync::Leaf;

/// All channels by path.
pub struct Channels {
    by_path: HashMap<PathBuf, Source>,
}

/// What is played on a channel.
pub struct Source {
    file: PathBuf,
    is_looped: bool,
    /// The loop that was made last; made anew when its recording was opened anew.
    looped: Leaf<Option<Arc<Looped>>>,
}

impl Channels {
    /// The channels of the configuration.
    pub fn new(configured: &[Channel]) -> Self {
        let source = |Channel { path, file, is_looped, .. }: &Channel| {
            (path.clone(), Source { file: file.clone(), is_looped: *is_looped, looped: Leaf::default() })
        };
        Self { by_path: configured.iter().map(source).collect() }
    }

    /// The channel at a path, if there is one.
    pub fn find(&self, path: &Path) -> Option<&Source> {
        self.by_path.get(path)
    }
}

impl Source {
    /// The recording's own path.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// What is played, where the recording was found.
    ///
    /// # Errors
    /// When it cannot be looped.
    pub fn of(&self, found: Found) -> Result<Found, LookupError> {
        if !self.is_looped {
            return Ok(found);
        }
        let last = self.looped.with(|looped| looped.clone());
        let looped = match last.filter(|looped| Arc::ptr_eq(looped.inner(), &found.recording)) {
            Some(looped) => looped,
            None => {
                let looped = Looped::new(found.recording).map_err(|error| LookupError::Media(Arc::new(error)))?;
                let looped = Arc::new(looped);
                self.looped.with(|last| *last = Some(Arc::clone(&looped)));
                looped
            }
        };
        Ok(Found { recording: looped, ..found })
    }
}
