//! The log: `simplelog` to the terminal and to a file that can be reopened after it was rotated.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, LineWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use simplelog::{
    ColorChoice, CombinedLogger, ConfigBuilder, LevelFilter, LevelPadding, SharedLogger, TermLogger, TerminalMode,
    ThreadLogMode, WriteLogger,
};

use crate::config::{Log, LogDestination};

/// A handle on the running log.
#[derive(Debug, Clone, Default)]
pub struct LogControl {
    reopen: Arc<AtomicBool>,
}

impl LogControl {
    /// Has the file opened anew at the next line: after SIGHUP, when it may have been moved away.
    pub fn reopen(&self) {
        self.reopen.store(true, Ordering::Relaxed);
    }
}

/// Starts the log as configured.
///
/// # Errors
/// When its file cannot be opened.
pub fn start(log: &Log) -> anyhow::Result<LogControl> {
    let control = LogControl::default();
    // UTC: the local offset is unsound to read once threads run, and recordings of several zones meet here.
    let format = ConfigBuilder::new()
        .set_time_format_rfc3339()
        .set_target_level(LevelFilter::Debug)
        .set_location_level(LevelFilter::Off)
        .set_thread_level(LevelFilter::Error)
        .set_thread_mode(ThreadLogMode::Names)
        .set_level_padding(LevelPadding::Right)
        .build();
    let mut loggers: Vec<Box<dyn SharedLogger>> = Vec::new();
    for destination in &log.destinations {
        // The loggers take everything; log::set_max_level decides, also at run time.
        let level = LevelFilter::Trace;
        loggers.push(match destination {
            LogDestination::Terminal => {
                let colors = if io::stderr().is_terminal() { ColorChoice::Auto } else { ColorChoice::Never };
                TermLogger::new(level, format.clone(), TerminalMode::Stderr, colors)
            }
            LogDestination::File => {
                let file = ReopenedFile::open(&log.file, control.clone())?;
                WriteLogger::new(level, format.clone(), file)
            }
        });
    }
    CombinedLogger::init(loggers).context("the log was started twice")?;
    log::set_max_level(log.level);
    Ok(control)
}

/// A log file that is opened anew when told to. Buffers a line: simplelog writes one in many small pieces.
struct ReopenedFile {
    path: PathBuf,
    file: LineWriter<File>,
    control: LogControl,
    /// Files change between lines only.
    in_line: bool,
}

impl ReopenedFile {
    fn open(path: &Path, control: LogControl) -> anyhow::Result<Self> {
        let file = append(path).with_context(|| format!("cannot open the log file {}", path.display()))?;
        Ok(Self { path: path.to_owned(), file, control, in_line: false })
    }
}

fn append(path: &Path) -> io::Result<LineWriter<File>> {
    Ok(LineWriter::new(OpenOptions::new().create(true).append(true).open(path)?))
}

impl Write for ReopenedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.in_line && self.control.reopen.swap(false, Ordering::Relaxed) {
            // If it cannot be opened, the old one is better than none.
            if let Ok(file) = append(&self.path) {
                self.file = file;
            }
        }
        let written = self.file.write(bytes)?;
        self.in_line = written == 0 || bytes[written - 1] != b'\n';
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moved_log_file_is_made_anew_after_reopen() {
        let folder = tempfile::tempdir().unwrap();
        let (path, moved) = (folder.path().join("a.log"), folder.path().join("a.log.1"));
        let control = LogControl::default();
        let mut file = ReopenedFile::open(&path, control.clone()).unwrap();
        writeln!(file, "before").unwrap();
        std::fs::rename(&path, &moved).unwrap();
        control.reopen();
        writeln!(file, "after").unwrap();
        let read = |path| std::fs::read_to_string(path).unwrap();
        assert_eq!((read(&moved), read(&path)), ("before\n".to_owned(), "after\n".to_owned()));
    }
}
