//! Files: every write, rename and removal goes through here.

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::unlink;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

/// A file open for writing (and for reading back).
#[derive(Debug)]
pub struct WriteFile(File);

impl WriteFile {
    /// The file itself, for reading back.
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

impl Seek for WriteFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

/// A regular file (mode 0600) on the file system of `dir` that has no name.
pub fn unlinked(dir: &Path) -> io::Result<WriteFile> {
    let mode = Mode::S_IRUSR | Mode::S_IWUSR;
    let flags = OFlag::O_RDWR | OFlag::O_CLOEXEC;
    match open(dir, flags | OFlag::O_TMPFILE | OFlag::O_EXCL, mode) {
        Ok(file) => Ok(WriteFile(file.into())),
        Err(nix::errno::Errno::EOPNOTSUPP | nix::errno::Errno::EISDIR) => {
            let path = dir.join(format!(".unlinked-{}", uuid::Uuid::new_v4().simple()));
            let file = open(&path, flags | OFlag::O_CREAT | OFlag::O_EXCL, mode)?;
            unlink(&path)?;
            Ok(WriteFile(file.into()))
        }
        Err(errno) => Err(errno.into()),
    }
}
