//! The one door for writes, renames and removals of files.

#![expect(clippy::disallowed_methods, reason = "this module is the door that the bans point to")]

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// A file open for writing.
#[derive(Debug)]
pub struct WriteFile(File);

impl WriteFile {
    /// The plain file.
    pub fn into_std(self) -> File {
        self.0
    }
}

impl Write for WriteFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Creates a directory and its parents; present is fine.
pub fn create_dir_all(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

/// Opens for appending, created when absent.
pub fn append(path: &Path, mode: u32) -> io::Result<WriteFile> {
    OpenOptions::new().append(true).create(true).mode(mode).open(path).map(WriteFile)
}

/// Renames.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
}

/// Removes; absent is fine.
pub fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
