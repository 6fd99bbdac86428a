//! `camreel index`: reads recordings from end to end ahead of time and keeps what that showed, so that the first viewer
//! finds every seek exact and the duration known.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::Config;
use crate::library::{IndexKey, IndexStore};
use crate::media::container::mpeg_ts::tsx;
use crate::media::container::{self, CONTAINERS, Options};
use crate::media::io::Source;
use crate::media::{Error, Progress};

/// How deep below a folder files are looked for.
const DEPTH_MAX: usize = 16;
/// Width of the bar, in characters.
const BAR_WIDTH: usize = 30;
/// Time between two looks of it.
const BAR_INTERVAL: Duration = Duration::from_millis(100);

/// What became of a file.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// It was read, and its index kept.
    Kept,
    /// Its index had been kept before.
    Known,
    /// Opening it shows all there is to know.
    Needless,
    /// A recorder is still at it.
    Growing,
    /// Why there is no index.
    Failed(String),
}

/// Indexes each file, and each file below each folder whose suffix is that of a recording. Tells of each on `out`, and
/// how it gets on with it on `terminal`, if there is one. True when nothing failed.
///
/// # Errors
/// When `out` takes nothing more.
pub fn run(
    paths: &[PathBuf],
    config: &Config,
    tsx: bool,
    out: &mut impl Write,
    terminal: Option<&mut dyn Write>,
) -> io::Result<bool> {
    let store = IndexStore::new(&config.media);
    let options = Options::from(config);
    if store.folder().is_none() {
        writeln!(out, "indexes are not kept: media.index_cache is empty")?;
        return Ok(false);
    }
    let mut bar = Bar { terminal, shown: None };
    let (mut kept, mut needless, mut failed) = (0, 0, 0);
    for file in paths.iter().flat_map(|path| files_below(path)) {
        let written = if tsx { write_tsx(&file) } else { None };
        let outcome = index(&file, &store, &options, &mut bar);
        bar.clear();
        let text = match &outcome {
            Outcome::Kept => "indexed",
            Outcome::Known => "its index was there",
            Outcome::Needless => "needs no index",
            Outcome::Growing => "left out: it is still being recorded",
            Outcome::Failed(reason) => &format!("cannot be indexed: {reason}"),
        };
        writeln!(out, "{}: {text}", file.display())?;
        match written {
            Some(Ok(path)) => writeln!(out, "{}: written", path.display())?,
            Some(Err(error)) => {
                writeln!(out, "{}: its .tsx cannot be written: {error}", file.display())?;
                failed += 1;
            }
            None => {}
        }
        match outcome {
            Outcome::Kept | Outcome::Known => kept += 1,
            Outcome::Needless | Outcome::Growing => needless += 1,
            Outcome::Failed(_) => failed += 1,
        }
    }
    writeln!(out, "{kept} indexed, {needless} without need, {failed} failed")?;
    Ok(failed == 0)
}

/// A file itself, or those below a folder, by name. What cannot be looked at is among them: opening it says why.
fn files_below(path: &Path) -> Vec<PathBuf> {
    let is_recording = |path: &Path| {
        let suffix = container::suffix(&path.file_name().unwrap_or_default().to_string_lossy());
        CONTAINERS.iter().any(|container| container.suffixes.contains(&suffix.as_str()))
    };
    let mut files = Vec::new();
    let mut left = vec![(path.to_owned(), 0)];
    while let Some((path, depth)) = left.pop() {
        let Ok(entries) = std::fs::read_dir(&path) else {
            files.push(path);
            continue;
        };
        for entry in entries.flatten() {
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_folder && depth < DEPTH_MAX {
                left.push((entry.path(), depth + 1));
            } else if !is_folder && is_recording(&entry.path()) {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    files
}

/// Writes the index that LIVE555 looks for beside a transport stream; `None` for other files.
fn write_tsx(path: &Path) -> Option<Result<PathBuf, Error>> {
    let name = path.file_name()?.to_string_lossy();
    if container::suffix(&name) != "ts" {
        return None;
    }
    let mut index = path.as_os_str().to_owned();
    index.push("x");
    let index = PathBuf::from(index);
    Some(write_index_of(path, &index).map(|()| index))
}

/// Under another name first: nobody shall find half of it.
fn write_index_of(path: &Path, index: &Path) -> Result<(), Error> {
    let unreadable = |source| Error::Io { what: "the file", source };
    let unwritable = |source| Error::Io { what: "the index that is written", source };
    let source = Source::new(std::fs::File::open(path).map_err(unreadable)?);
    let folder = index.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let partial = folder.join(format!(".camreel-{}.tsx", std::process::id()));
    let written = (|| {
        let mut out = io::BufWriter::new(std::fs::File::create(&partial).map_err(unwritable)?);
        tsx::write(&source, &mut out)?;
        out.into_inner().map_err(|error| unwritable(error.into_error()))?;
        std::fs::rename(&partial, index).map_err(unwritable)
    })();
    if written.is_err() {
        let _ = std::fs::remove_file(&partial);
    }
    written
}

fn index(path: &Path, store: &IndexStore, options: &Options, bar: &mut Bar<'_>) -> Outcome {
    try_index(path, store, options, bar).unwrap_or_else(|error| Outcome::Failed(error.to_string()))
}

fn try_index(path: &Path, store: &IndexStore, options: &Options, bar: &mut Bar<'_>) -> Result<Outcome, Error> {
    let unreadable = |source| Error::Io { what: "the file", source };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    let source = Source::new(file).growing(options.growing_timeout);
    if source.is_growing() {
        return Ok(Outcome::Growing);
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let recording = container::open(&source, &name, options)?;
    let Some(mut indexing) = Arc::clone(&recording).indexing() else { return Ok(Outcome::Needless) };
    let key = IndexKey::new(absolute(path).map_err(unreadable)?, &metadata, recording.container());
    if store.load(&key).is_some_and(|kept| indexing.import(&kept)) {
        return Ok(Outcome::Known);
    }
    while let Progress::More { position } = indexing.step()? {
        bar.show(&name, position, metadata.len());
    }
    let is_kept = indexing.export().is_some_and(|index| store.save(&key, &index));
    Ok(if is_kept { Outcome::Kept } else { Outcome::Failed("its index cannot be kept".to_owned()) })
}

/// The path as the server has it, which does not follow the last link either.
fn absolute(path: &Path) -> io::Result<PathBuf> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(folder.canonicalize()?.join(path.file_name().unwrap_or_default()))
}

/// How far a file has been read, on a terminal.
struct Bar<'a> {
    terminal: Option<&'a mut dyn Write>,
    shown: Option<Instant>,
}

impl Bar<'_> {
    fn show(&mut self, name: &str, position: u64, len: u64) {
        let now = Instant::now();
        let is_due = self.shown.is_none_or(|shown| now - shown >= BAR_INTERVAL);
        if let Some(terminal) = self.terminal.as_mut().filter(|_| is_due) {
            self.shown = Some(now);
            let share = position.min(len) as f64 / len.max(1) as f64;
            let done = (share * BAR_WIDTH as f64) as usize;
            let (bar, rest) = ("#".repeat(done), ".".repeat(BAR_WIDTH - done));
            // A terminal that is gone is no reason to stop.
            let _ = write!(terminal, "\r\x1b[K[{bar}{rest}] {:3.0}% {name}", 100.0 * share);
            let _ = terminal.flush();
        }
    }

    fn clear(&mut self) {
        if let (Some(terminal), Some(_)) = (&mut self.terminal, self.shown.take()) {
            let _ = write!(terminal, "\r\x1b[K");
            let _ = terminal.flush();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Codec;

    const CLIP: &[u8] = include_bytes!("../tests/media/open_gop_bframes.h264");

    struct Scene {
        folder: tempfile::TempDir,
        config: Config,
    }

    /// So long that opening it does not show all of it: clips with filler data between them (ITU-T H.264 section
    /// 7.3.2.7), which is quickly read.
    fn long_recording() -> Vec<u8> {
        const FILLER_LEN: usize = 2 << 20;
        let filler = [&[0, 0, 1, 0x0C][..], &vec![0xFF; FILLER_LEN], &[0x80]].concat();
        [CLIP, &filler].concat().repeat(40)
    }

    impl Scene {
        /// A folder with a large and a small recording, something that is none, and a cache beside it. All of them have
        /// long been written.
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let root = folder.path().join("recordings");
            std::fs::create_dir_all(root.join("yard")).unwrap();
            std::fs::write(root.join("yard/long.h264"), long_recording()).unwrap();
            std::fs::write(root.join("short.h264"), CLIP).unwrap();
            std::fs::write(root.join("broken.mp4"), b"nothing").unwrap();
            std::fs::write(root.join("letter.txt"), b"nothing").unwrap();
            for name in ["yard/long.h264", "short.h264", "broken.mp4"] {
                let file = std::fs::File::options().write(true).open(root.join(name)).unwrap();
                file.set_modified(std::time::SystemTime::now() - Duration::from_secs(3600)).unwrap();
            }
            let mut config = Config::default();
            config.media.index_cache = folder.path().join("cache");
            Self { folder, config }
        }

        fn run(&self, path: &str) -> (bool, String, String) {
            let (mut out, mut terminal) = (Vec::new(), Vec::new());
            let all_good =
                run(&[self.folder.path().join(path)], &self.config, false, &mut out, Some(&mut terminal)).unwrap();
            let text = String::from_utf8(out).unwrap().replace(&format!("{}/", self.folder.path().display()), "");
            (all_good, text, String::from_utf8(terminal).unwrap())
        }
    }

    #[test]
    fn a_folder_is_indexed_once_and_what_cannot_be_is_named() {
        let scene = Scene::new();
        let (all_good, text, terminal) = scene.run("recordings");
        assert!(!all_good);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert!(lines[0].starts_with("recordings/broken.mp4: cannot be indexed: "), "{text}");
        assert_eq!(lines[1], "recordings/short.h264: needs no index");
        assert_eq!(lines[2..], ["recordings/yard/long.h264: indexed", "1 indexed, 1 without need, 1 failed"]);
        assert!(terminal.contains("% long.h264") && terminal.ends_with("\r\x1b[K"), "{terminal:?}");

        let (all_good, text, terminal) = scene.run("recordings/yard");
        assert!(all_good && text.contains("its index was there") && terminal.is_empty(), "{text} {terminal:?}");
        scene.folder.path().join("cache").read_dir().unwrap().for_each(|entry| {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        });
        assert!(scene.run("recordings/yard/long.h264").1.contains("long.h264: indexed"));
    }

    #[test]
    fn the_server_knows_what_was_indexed() {
        let scene = Scene::new();
        let config = Config { root: scene.folder.path().join("recordings"), ..scene.config.clone() };
        let open = || {
            let library = crate::library::Library::new(&config).unwrap();
            let found = library.open(Path::new("yard/long.h264"), &Options::from(&config)).unwrap();
            (found.recording, library.unindexed().len())
        };
        let (before, waiting) = open();
        assert_eq!((before.duration(), waiting), (None, 1));
        scene.run("recordings/yard");
        let (after, waiting) = open();
        assert!(matches!(after.tracks()[0].codec, Codec::H264(_)));
        assert!(after.duration().is_some() && waiting == 0, "{:?}, {waiting} to be read", after.duration());
    }

    #[test]
    fn without_a_folder_there_is_nothing_to_be_done() {
        let mut scene = Scene::new();
        scene.config.media.index_cache = PathBuf::new();
        let (all_good, text, _) = scene.run("recordings");
        assert!(!all_good && text.contains("media.index_cache is empty"), "{text}");
    }
}
