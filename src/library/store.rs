//! Kept indexes: what reading all of a large file has shown is written to a folder, so that it is known at once when
//! the file is opened after a restart.
//!
//! One file for each recording, named by a hash of its path, so that a recording that changes replaces its own. It is
//! good only for the very file that it was made of, and anything in it that is not as it should be makes it worth
//! nothing, no more. The folder may be emptied at any moment.
//!
//! ```text
//! "camreel\x1a" version(1) len(8) modified(8+4) inode(8) container_len(1) container payload... checksum(8)
//! ```
//! Numbers are little-endian; the checksum is the start of SHA-256 of all that precedes it.

use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::SystemTime;

use log::{debug, warn};
use nix::unistd::{AccessFlags, access};
use sha2::{Digest, Sha256};

use crate::config;

const MAGIC: &[u8; 8] = b"camreel\x1a";
/// Changes when what is written does, or what it was made by gives other samples.
const VERSION: u8 = 1;
const CHECKSUM_LEN: usize = 8;
/// The longest index that is read, in bytes: 65536 places of 16 bytes each are far less.
const INDEX_LEN_MAX: u64 = 4 << 20;
/// Recordings up to this many bytes are read as fast as their index would be.
const RECORDING_LEN_MIN: u64 = 16 << 20;
const SUFFIX: &str = "index";
/// Where there is a folder for it, unless the configuration names another.
const SYSTEM_FOLDER: &str = "/var/cache/camreel";

/// The folder of kept indexes.
#[derive(Debug)]
pub struct IndexStore {
    /// `None`: none are kept.
    folder: Option<PathBuf>,
    /// In bytes.
    len_max: u64,
    /// It has been said that the folder cannot be written to.
    has_warned: AtomicBool,
    next_temporary: AtomicU64,
}

/// What tells one recording from another, and from itself after a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexKey {
    /// Absolute.
    path: PathBuf,
    container: &'static str,
    len: u64,
    modified: (i64, u32),
    inode: u64,
}

impl IndexKey {
    /// Of the file at an absolute path that the system tells this of, read as this container.
    pub fn new(path: PathBuf, metadata: &Metadata, container: &'static str) -> Self {
        let modified = (metadata.mtime(), metadata.mtime_nsec() as u32);
        Self { path, container, len: metadata.len(), modified, inode: metadata.ino() }
    }

    /// What every index of it begins with.
    fn head(&self) -> Vec<u8> {
        let mut head = MAGIC.to_vec();
        head.push(VERSION);
        head.extend(self.len.to_le_bytes());
        head.extend(self.modified.0.to_le_bytes());
        head.extend(self.modified.1.to_le_bytes());
        head.extend(self.inode.to_le_bytes());
        let container = &self.container.as_bytes()[..self.container.len().min(255)];
        head.push(container.len() as u8);
        head.extend(container);
        head
    }

    fn file_name(&self) -> String {
        use std::os::unix::ffi::OsStrExt;
        let hash = Sha256::digest(self.path.as_os_str().as_bytes());
        let name: String = hash[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{name}.{SUFFIX}")
    }
}

impl IndexStore {
    /// The folder that is configured.
    pub fn new(config: &config::Media) -> Self {
        let folder = match config.index_cache.as_os_str() {
            name if name.is_empty() => None,
            name if name == "auto" => default_folder(),
            name => Some(PathBuf::from(name)),
        };
        Self {
            folder,
            len_max: config.index_cache_max.saturating_mul(1 << 20),
            has_warned: AtomicBool::new(false),
            next_temporary: AtomicU64::new(0),
        }
    }

    /// The folder, if indexes are kept.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// What was kept of a recording.
    pub fn load(&self, key: &IndexKey) -> Option<Vec<u8>> {
        let path = self.folder.as_ref()?.join(key.file_name());
        let file = File::open(path).ok()?;
        let mut bytes = Vec::new();
        file.take(INDEX_LEN_MAX + 1).read_to_end(&mut bytes).ok()?;
        if bytes.len() as u64 > INDEX_LEN_MAX {
            return None;
        }
        let (body, checksum) = bytes.split_at_checked(bytes.len().checked_sub(CHECKSUM_LEN)?)?;
        let payload = body.strip_prefix(&key.head()[..])?;
        (checksum_of(body) == checksum).then(|| payload.to_vec())
    }

    /// Keeps what was found out about a recording, if that is worth it. Whether it is kept. A folder that cannot be
    /// written to is told of once.
    pub fn save(&self, key: &IndexKey, payload: &[u8]) -> bool {
        let Some(folder) = self.folder.as_ref().filter(|_| key.len > RECORDING_LEN_MIN) else { return false };
        let mut bytes = key.head();
        bytes.extend(payload);
        let checksum = checksum_of(&bytes);
        bytes.extend(checksum);
        if bytes.len() as u64 > INDEX_LEN_MAX.min(self.len_max) {
            return false;
        }
        match self.write(folder, &key.file_name(), &bytes) {
            Ok(()) => true,
            Err(error) => {
                if !self.has_warned.swap(true, Ordering::Relaxed) {
                    warn!("indexes of large recordings cannot be kept in {}: {error}", folder.display());
                }
                false
            }
        }
    }

    /// Writes a file so that whoever reads it sees all of it or none.
    fn write(&self, folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        let number = self.next_temporary.fetch_add(1, Ordering::Relaxed);
        let temporary = folder.join(format!("{}-{number}.tmp", std::process::id()));
        let written = File::create(&temporary).and_then(|mut file| file.write_all(bytes));
        let done = written.and_then(|()| fs::rename(&temporary, folder.join(name)));
        if done.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        done?;
        self.shrink(folder, name);
        Ok(())
    }

    /// Removes the oldest files, but not `name`, until the rest is within the limit; and what a crash has left.
    fn shrink(&self, folder: &Path, name: &str) {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut files: Vec<(SystemTime, u64, PathBuf)> = entries
            .filter_map(|entry| {
                let path = entry.path();
                let is_ours = path.extension().is_some_and(|suffix| suffix == SUFFIX || suffix == "tmp");
                let metadata = entry.metadata().ok().filter(|metadata| is_ours && metadata.is_file())?;
                Some((metadata.modified().ok()?, metadata.len(), path))
            })
            .collect();
        let mut total: u64 = files.iter().map(|(_, len, _)| len).sum();
        files.sort();
        for (_, len, path) in files {
            if total <= self.len_max {
                break;
            }
            if path.file_name().is_some_and(|other| other != name) && fs::remove_file(&path).is_ok() {
                debug!("index {} removed: the folder is full", path.display());
                total -= len;
            }
        }
    }
}

fn checksum_of(bytes: &[u8]) -> [u8; CHECKSUM_LEN] {
    let mut checksum = [0; CHECKSUM_LEN];
    checksum.copy_from_slice(&Sha256::digest(bytes)[..CHECKSUM_LEN]);
    checksum
}

/// What systemd made for us (`CacheDirectory=`), or the system's folder if there is one and we may use it, or the user's.
fn default_folder() -> Option<PathBuf> {
    let named = |variable: &str| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    let system = || {
        let folder = Path::new(SYSTEM_FOLDER);
        let may_write = |path: &Path| access(path, AccessFlags::W_OK).is_ok();
        (may_write(folder) || !folder.exists() && folder.parent().is_some_and(may_write)).then(|| folder.to_owned())
    };
    let of_user = || named("XDG_CACHE_HOME").or_else(|| Some(named("HOME")?.join(".cache")));
    named("CACHE_DIRECTORY").or_else(system).or_else(|| Some(of_user()?.join("camreel")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn store(folder: &Path, mebibytes: u64) -> IndexStore {
        let (index_cache, index_cache_max) = (folder.to_owned(), mebibytes);
        IndexStore::new(&config::Media { index_cache, index_cache_max, ..config::Media::default() })
    }

    fn key(name: &str) -> IndexKey {
        let (len, modified, inode) = (1 << 30, (1_700_000_000, 5), 77);
        IndexKey { path: PathBuf::from(name), container: "fake", len, modified, inode }
    }

    #[test]
    fn what_is_kept_comes_back_for_the_same_file_only() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder.path().join("made/when/needed"), 1);
        assert_eq!(store.load(&key("/a")), None);
        assert!(store.save(&key("/a"), b"what was found out"));
        assert_eq!(store.load(&key("/a")).unwrap(), b"what was found out");
        let changed: [IndexKey; 5] = [
            IndexKey { len: 2 << 30, ..key("/a") },
            IndexKey { modified: (1_700_000_000, 6), ..key("/a") },
            IndexKey { inode: 78, ..key("/a") },
            IndexKey { container: "fakes", ..key("/a") },
            key("/b"),
        ];
        changed.iter().for_each(|key| assert_eq!(store.load(key), None, "{key:?}"));
        assert!(store.save(&changed[0], b"anew"));
        assert_eq!((store.load(&key("/a")), store.load(&changed[0])), (None, Some(b"anew".to_vec())));
    }

    #[test]
    fn small_recordings_and_a_folder_that_is_switched_off_keep_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!store(folder.path(), 1).save(&IndexKey { len: 1 << 20, ..key("/a") }, b"cheap"));
        let off = store(Path::new(""), 1);
        assert!(off.folder().is_none() && !off.save(&key("/a"), b"x") && off.load(&key("/a")).is_none());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_oldest_go_when_the_folder_is_full_and_nobody_elses_files_do() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path(), 1);
        fs::write(folder.path().join("letter.txt"), vec![0; 2 << 20]).unwrap();
        for number in 0..5_u64 {
            let key = key(&format!("/{number}"));
            assert!(store.save(&key, &vec![0; 300 << 10]));
            let written = File::options().write(true).open(folder.path().join(key.file_name())).unwrap();
            written.set_modified(SystemTime::now() - Duration::from_secs(1000 - number)).unwrap();
        }
        let kept: Vec<bool> = (0..5).map(|number| store.load(&key(&format!("/{number}"))).is_some()).collect();
        assert_eq!(kept, [false, false, true, true, true]);
        assert!(folder.path().join("letter.txt").exists());
    }

    #[test]
    fn a_folder_that_cannot_be_written_to_is_no_more_than_that() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "in the way").unwrap();
        let store = store(&folder.path().join("file/below"), 1);
        assert!(!store.save(&key("/a"), b"x") && !store.save(&key("/a"), b"x"));
        assert_eq!(store.load(&key("/a")), None);
    }

    proptest! {
        #[test]
        fn an_index_that_was_changed_in_any_way_is_none(at in 0..1000_usize, byte: u8, len in 0..1000_usize) {
            let folder = tempfile::tempdir().unwrap();
            let store = store(folder.path(), 1);
            store.save(&key("/a"), &[7; 100]);
            let path = folder.path().join(key("/a").file_name());
            let good = fs::read(&path).unwrap();
            let mut bad = good.clone();
            bad.truncate(len);
            let end = bad.len().max(1);
            if let Some(old) = bad.get_mut(at % end) {
                *old = byte;
            }
            fs::write(&path, &bad).unwrap();
            prop_assert_eq!(store.load(&key("/a")).is_some(), bad == good);
        }
    }
}
