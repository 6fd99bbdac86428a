//! The media root: nothing outside it is ever opened, and nothing but regular files.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use anyhow::Context;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

/// How deep below the root files are counted.
const COUNT_DEPTH_MAX: usize = 16;

/// The folder that is served.
#[derive(Debug, Clone)]
pub struct Root {
    path: PathBuf,
    follow_symlinks: bool,
}

/// Why a path is not served. Peers get 404 for all of them; the log tells which.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// No such file, or not readable.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A path that names no file, or would climb.
    #[error("the path does not name a file below the root")]
    BadPath,
    /// A folder, FIFO, socket or device.
    #[error("not a regular file")]
    NotRegular,
    /// A symbolic link that leaves the root.
    #[error("a symbolic link leads out of the root, to {0}")]
    Outside(PathBuf),
}

impl Root {
    /// Serves the folder `path`.
    ///
    /// # Errors
    /// When it is not a folder that can be read.
    pub fn new(path: &Path, follow_symlinks: bool) -> anyhow::Result<Self> {
        let shown = path.display();
        let path = path.canonicalize().with_context(|| format!("cannot serve {shown}"))?;
        std::fs::read_dir(&path).with_context(|| format!("cannot serve {shown}"))?;
        Ok(Self { path, follow_symlinks })
    }

    /// The folder, absolute and without symbolic links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the regular file at `relative` below the root.
    ///
    /// The file is looked at before it is opened for reading, so that opening a FIFO does not hang and opening a
    /// device does nothing to it; and what was looked at is what gets opened, whoever swaps links meanwhile.
    ///
    /// # Errors
    /// Why it is not served.
    pub fn open(&self, relative: &Path) -> Result<File, Refusal> {
        let is_plain = relative.components().all(|component| matches!(component, Component::Normal(_)));
        if relative.as_os_str().is_empty() || !is_plain {
            return Err(Refusal::BadPath);
        }
        let looked_at = open_fd(&self.path.join(relative), OFlag::O_PATH)?;
        let by_fd = PathBuf::from(format!("/proc/self/fd/{}", looked_at.as_raw_fd()));
        let real = std::fs::read_link(&by_fd)?;
        if !self.follow_symlinks && !real.starts_with(&self.path) {
            return Err(Refusal::Outside(real));
        }
        let looked_at = File::from(looked_at);
        if !looked_at.metadata()?.is_file() {
            return Err(Refusal::NotRegular);
        }
        Ok(File::from(open_fd(&by_fd, OFlag::O_RDONLY | OFlag::O_NONBLOCK)?))
    }

    /// Counts the files below the root whose name `counts`, up to `max`; and whether it stopped there.
    pub fn count(&self, max: usize, counts: impl Fn(&str) -> bool) -> (usize, bool) {
        let (mut count, mut looked_at) = (0, 0);
        let mut folders = vec![(self.path.clone(), 0)];
        while let Some((folder, depth)) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                looked_at += 1;
                if looked_at > max {
                    return (count, true);
                }
                let Ok(file_type) = entry.file_type() else { continue };
                if file_type.is_dir() && depth < COUNT_DEPTH_MAX {
                    folders.push((entry.path(), depth + 1));
                } else if !file_type.is_dir() && counts(&entry.file_name().to_string_lossy()) {
                    count += 1;
                }
            }
        }
        (count, false)
    }
}

fn open_fd(path: &Path, flags: OFlag) -> Result<OwnedFd, Refusal> {
    let fd = open(path, flags | OFlag::O_CLOEXEC, Mode::empty()).map_err(io::Error::from)?;
    Ok(fd)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn only_regular_files_below_the_root_are_opened() {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join("root");
        std::fs::create_dir_all(path.join("yard")).unwrap();
        std::fs::write(path.join("yard/a.mp4"), "inside").unwrap();
        std::fs::write(outer.path().join("secret"), "outside").unwrap();
        symlink("yard/a.mp4", path.join("link_inside")).unwrap();
        symlink("../secret", path.join("link_outside")).unwrap();
        symlink("..", path.join("folder_outside")).unwrap();
        symlink("/dev/zero", path.join("device")).unwrap();
        nix::unistd::mkfifo(&path.join("fifo.mp4"), Mode::S_IRWXU).unwrap();

        let root = Root::new(&path, false).unwrap();
        for good in ["yard/a.mp4", "link_inside"] {
            assert!(root.open(Path::new(good)).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("yard/b.mp4", "No such file"),
            ("yard", "not a regular file"),
            ("fifo.mp4", "not a regular file"),
            ("link_outside", "out of the root"),
            ("folder_outside/secret", "out of the root"),
            ("device", "out of the root"),
            ("../secret", "below the root"),
            ("yard/../../secret", "below the root"),
            ("/etc/passwd", "below the root"),
            (".", "below the root"),
            ("", "below the root"),
        ] {
            let error = root.open(Path::new(bad)).unwrap_err().to_string();
            assert!(error.contains(why), "{bad:?} was refused with {error:?}");
        }
        let open_root = Root::new(&path, true).unwrap();
        assert!(open_root.open(Path::new("link_outside")).is_ok());
        assert!(matches!(open_root.open(Path::new("device")), Err(Refusal::NotRegular)));
    }
}
