//! Every write, rename and removal of files (minimal copy of what this branch needs).

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// A file that is being written.
#[derive(Debug)]
pub struct WriteFile(File);

impl Write for WriteFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Seek for WriteFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the module that the ban points to")]
mod raw {
    use super::*;

    /// Creates a directory and its parents.
    pub fn create_dir_all(path: &Path) -> io::Result<()> {
        std::fs::create_dir_all(path)
    }

    /// Creates a file that must not exist yet.
    pub fn create_new(path: &Path, mode: u32) -> io::Result<WriteFile> {
        OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map(WriteFile)
    }

    /// Removes a file; an absent one is fine.
    pub fn remove_file(path: &Path) -> io::Result<()> {
        absent_is_fine(std::fs::remove_file(path))
    }

    /// Removes a directory with all that is in it; an absent one is fine.
    pub fn remove_tree(path: &Path) -> io::Result<()> {
        absent_is_fine(std::fs::remove_dir_all(path))
    }

    fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
        match result {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

pub use raw::{create_dir_all, create_new, remove_file, remove_tree};
