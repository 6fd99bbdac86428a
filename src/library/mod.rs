//! From the path in a URL to an opened recording below the media root, and the cache of them.
//!
//! A recording is indexed once and shared by all its viewers. A file that changed is opened anew at the next lookup;
//! who watches the old one keeps it. How a path is written in a URL is `rtsp::url`'s business.

mod channels;
mod root;
mod store;

use std::collections::HashMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crossbeam_channel::{Receiver, Sender};

use crate::config::{self, Config};
use crate::media::container::{self, Options};
use crate::media::io::Source;
use crate::media::{self, Recording};
use crate::sync::Leaf;
use channels::Channels;
pub use root::{Refusal, Root};
pub use store::{IndexKey, IndexStore};

/// How many recordings stay open when nobody watches them.
const CACHE_MAX: usize = 256;
/// How many recordings wait to be read from end to end. Beyond that, viewers' seeks find out what they need.
const UNINDEXED_MAX: usize = 256;

/// The media root and what was opened in it.
pub struct Library {
    root: Root,
    channels: Channels,
    cache: Leaf<HashMap<PathBuf, Entry>>,
    indexes: Arc<IndexStore>,
    /// Recordings that were opened and are not known from end to end.
    unindexed: (Sender<Unindexed>, Receiver<Unindexed>),
}

/// A recording that is worth being read from end to end in the background.
pub struct Unindexed {
    /// Of the file, as a URL has it.
    pub path: PathBuf,
    /// What to read; gone when nobody has use for it any more.
    pub recording: Weak<dyn Recording>,
    /// Where what was found out is kept.
    pub key: IndexKey,
}

#[derive(Clone)]
struct Entry {
    identity: Identity,
    /// Filled by whoever comes first; others wait for it, outside the lock.
    opened: Arc<OnceLock<Opened>>,
    /// Lookup counter at the last use.
    used: u64,
}

type Opened = Result<Arc<dyn Recording>, Arc<media::Error>>;

/// What tells whether a file is still the one that was indexed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    /// What is known of a file that grows is not all.
    is_growing: bool,
    device: u64,
    inode: u64,
    len: u64,
    modified: (i64, i64),
}

/// Why there is nothing to play at a path.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// Nothing that may be served.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A file that cannot be played.
    #[error("{0}")]
    Media(Arc<media::Error>),
}

/// A recording that was found, and whether this lookup opened it, so that its faults are logged once.
pub struct Found {
    /// What was opened.
    pub recording: Arc<dyn Recording>,
    /// False when it came out of the cache.
    pub is_new: bool,
    /// When its file last changed, before it was opened. `None` before 1970.
    pub modified: Option<SystemTime>,
}

impl Library {
    /// A library of the files below `config.root`, and of its channels.
    ///
    /// # Errors
    /// When the root is not a folder that can be read.
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        let root = Root::new(&config.root, config.follow_symlinks)?;
        let indexes = Arc::new(IndexStore::new(&config.media));
        let unindexed = crossbeam_channel::bounded(UNINDEXED_MAX);
        Ok(Self { root, channels: Channels::new(&config.channels), cache: Leaf::default(), indexes, unindexed })
    }

    /// The folder that is served, as an absolute path.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// Where indexes are kept.
    pub fn indexes(&self) -> &IndexStore {
        &self.indexes
    }

    /// Recordings as they are opened of which not all is known.
    pub fn unindexed(&self) -> &Receiver<Unindexed> {
        &self.unindexed.1
    }

    /// The channel at a path, or else the recording at that path below the root.
    ///
    /// # Errors
    /// When there is neither, it may not be served, or it cannot be played.
    pub fn open(&self, path: &Path, options: &Options) -> Result<Found, LookupError> {
        match self.channels.find(path) {
            Some(channel) => channel.of(self.open_file(channel.file(), options)?),
            None => self.open_file(path, options),
        }
    }

    fn open_file(&self, path: &Path, options: &Options) -> Result<Found, LookupError> {
        let source = Source::new(self.root.open(path)?).growing(options.growing_timeout);
        let metadata = source.metadata().map_err(Refusal::from)?;
        let identity = Identity::of(&metadata, source.is_growing());
        let entry = self.entry(path, identity);
        let mut is_new = false;
        let opened = entry.opened.get_or_init(|| {
            is_new = true;
            let name = path.to_string_lossy();
            let recording = container::open(&source, &name, options).map_err(Arc::new)?;
            self.recall_index(&recording, &metadata, path);
            Ok(recording)
        });
        match opened {
            Ok(recording) => Ok(Found { recording: Arc::clone(recording), is_new, modified: identity.modified() }),
            Err(error) => Err(LookupError::Media(Arc::clone(error))),
        }
    }

    /// Gives a recording what was kept of it, or else has it read when there is time.
    fn recall_index(&self, recording: &Arc<dyn Recording>, metadata: &Metadata, path: &Path) {
        let Some(mut indexing) = Arc::clone(recording).indexing() else { return };
        let key = IndexKey::new(self.root.path().join(path), metadata, recording.container());
        if self.indexes.load(&key).is_some_and(|kept| indexing.import(&kept)) {
            return;
        }
        let recording = Arc::downgrade(recording);
        let _ = self.unindexed.0.try_send(Unindexed { path: path.to_owned(), recording, key });
    }

    /// The cache's entry for a file, made or renewed where it is missing or out of date.
    fn entry(&self, path: &Path, identity: Identity) -> Entry {
        self.cache.with(|cache| {
            let used = cache.values().map(|entry| entry.used).max().unwrap_or(0) + 1;
            let entry = cache.entry(path.to_owned()).and_modify(|entry| entry.used = used).or_insert_with(|| Entry {
                identity,
                opened: Arc::default(),
                used,
            });
            if entry.identity != identity {
                *entry = Entry { identity, opened: Arc::default(), used };
            }
            let entry = entry.clone();
            if cache.len() > CACHE_MAX {
                evict_oldest(cache);
            }
            entry
        })
    }

    /// How many recordings lie below the root, and whether the count stopped at `max`. Goes by suffix; meant for a
    /// first impression, not for truth.
    pub fn count(&self, max: usize) -> (usize, bool) {
        self.root.count(max, |name| {
            let suffix = container::suffix(name);
            container::CONTAINERS.iter().any(|container| container.suffixes.contains(&suffix.as_str()))
        })
    }
}

/// What of the configuration is about reading files.
impl From<&Config> for Options {
    fn from(config: &Config) -> Self {
        let config::Media { frame_rate_default, growing_timeout, transport_streams, .. } = &config.media;
        let below = config.transport_streams.iter();
        Self {
            frame_rate_default: *frame_rate_default,
            growing_timeout: *growing_timeout,
            transport_streams: *transport_streams,
            transport_streams_below: below.map(|rule| (rule.path.clone(), rule.form)).collect(),
        }
    }
}

fn evict_oldest(cache: &mut HashMap<PathBuf, Entry>) {
    let oldest = cache.iter().min_by_key(|(_, entry)| entry.used).map(|(path, _)| path.clone());
    if let Some(path) = oldest {
        cache.remove(&path);
    }
}

impl Identity {
    fn modified(&self) -> Option<SystemTime> {
        let (seconds, nanos) = self.modified;
        UNIX_EPOCH.checked_add(Duration::new(seconds.try_into().ok()?, nanos.try_into().ok()?))
    }

    fn of(metadata: &Metadata, is_growing: bool) -> Self {
        Self {
            is_growing,
            device: metadata.dev(),
            inode: metadata.ino(),
            len: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const CLIP: &[u8] = include_bytes!("../../tests/media/open_gop_bframes.h264");

    fn library() -> (tempfile::TempDir, Library) {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("a.h264"), CLIP).unwrap();
        let config = Config { root: root.path().to_owned(), ..Config::default() };
        let library = Library::new(&config).unwrap();
        (root, library)
    }

    fn open(library: &Library, path: &str) -> Found {
        library.open(Path::new(path), &Options::default()).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    #[test]
    fn a_recording_is_opened_once_however_many_come_at_the_same_moment() {
        let (_root, library) = library();
        let found: Vec<Found> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| open(&library, "a.h264"))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(found.iter().filter(|found| found.is_new).count(), 1);
        assert!(found.iter().all(|other| Arc::ptr_eq(&other.recording, &found[0].recording)));
    }

    #[test]
    fn a_channel_is_its_recording_once_or_again_and_again() {
        let (root, _) = library();
        let text = "[[channels]]\npath = \"lobby\"\nfile = \"a.h264\"\nloop = true\n\
                    [[channels]]\npath = \"once\"\nfile = \"a.h264\"\n";
        let config = Config { root: root.path().to_owned(), ..Config::parse(text).unwrap() };
        let library = Library::new(&config).unwrap();
        let (file, once, lobby) = (open(&library, "a.h264"), open(&library, "once"), open(&library, "lobby"));
        assert!(Arc::ptr_eq(&file.recording, &once.recording));
        assert!(file.recording.duration().is_some() && lobby.recording.duration().is_none());
        assert!(Arc::ptr_eq(&lobby.recording, &open(&library, "lobby").recording), "measured only once");

        let times = |recording: Arc<dyn Recording>, count: usize| -> Vec<i64> {
            let (mut reader, mut sample) = (recording.reader().unwrap(), media::Sample::default());
            let next = |_| matches!(reader.next(&mut sample), Ok(media::Next::Sample)).then_some(sample.dts.as_nanos());
            (0..count).map_while(next).collect()
        };
        let lap = times(Arc::clone(&file.recording), 10_000);
        let laps = times(Arc::clone(&lobby.recording), 3 * lap.len());
        assert_eq!(laps.len(), 3 * lap.len());
        let steps: std::collections::BTreeSet<i64> = laps.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let spread = steps.last().zip(steps.first()).map(|(longest, shortest)| longest - shortest);
        assert!(spread <= Some(2), "a lap follows the last one as a picture follows another: {steps:?} ns");

        std::fs::write(root.path().join("a.h264"), CLIP.repeat(2)).unwrap();
        assert!(!Arc::ptr_eq(&lobby.recording, &open(&library, "lobby").recording), "the file has changed");
        assert!(library.open(Path::new("lobby/a"), &Options::default()).is_err());
    }

    #[test]
    fn a_file_that_changed_is_opened_anew_and_who_holds_the_old_one_keeps_it() {
        let (root, library) = library();
        let old = open(&library, "a.h264").recording;
        let mut reader = Arc::clone(&old).reader().unwrap();
        // A recorder replaces the file by one that is longer.
        let path = root.path().join("a.h264");
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, [CLIP, CLIP].concat()).unwrap();
        let new = open(&library, "a.h264");
        assert!(new.is_new);
        assert!(new.recording.duration() > old.duration(), "{:?} {:?}", new.recording.duration(), old.duration());
        let mut sample = media::Sample::default();
        assert!(matches!(reader.next(&mut sample), Ok(media::Next::Sample)), "the old file can still be read");
    }

    #[test]
    fn a_file_that_cannot_be_played_is_tried_again_once_it_changed() {
        let (root, library) = library();
        let path = root.path().join("b.h264");
        std::fs::write(&path, b"not yet").unwrap();
        assert!(library.open(Path::new("b.h264"), &Options::default()).is_err());
        std::thread::sleep(Duration::from_millis(5)); // lest both writes get the same time of change
        std::fs::write(&path, CLIP).unwrap();
        assert!(open(&library, "b.h264").is_new);
    }

    #[test]
    fn the_cache_lets_go_of_what_was_not_used_for_longest() {
        let (root, library) = library();
        open(&library, "a.h264");
        for number in 0..CACHE_MAX {
            let name = format!("{number}.h264");
            std::fs::write(root.path().join(&name), CLIP).unwrap();
            open(&library, &name);
        }
        assert!(open(&library, "a.h264").is_new, "the oldest was let go");
        assert!(!open(&library, "200.h264").is_new, "a younger one was kept");
        assert!(library.cache.with(|cache| cache.len()) <= CACHE_MAX);
    }
}
