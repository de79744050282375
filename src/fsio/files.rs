//! Making, writing and renaming files.
#![expect(clippy::disallowed_methods, reason = "this is the one place that the bans point to")]

use super::fault::{self, Operation, Purpose};
use nix::fcntl::{FallocateFlags, OFlag, fallocate};
use std::ffi::OsString;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, IoSlice, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A file open for writing (and for reading back).
///
/// Dropping it closes it without a sync: what must survive a power cut calls [`WriteFile::sync`].
#[derive(Debug)]
pub struct WriteFile {
    file: File,
    purpose: Purpose,
}

impl WriteFile {
    /// Forces content and size to the disk.
    pub fn sync(&self) -> io::Result<()> {
        fault::point(self.purpose, Operation::Sync)?;
        self.file.sync_all()
    }

    /// Writes all bytes at an offset and leaves the file position alone, also that of other processes that
    /// inherited this file.
    pub fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        fault::point(self.purpose, Operation::Write)?;
        self.file.write_all_at(bytes, offset)
    }

    /// Cuts the file or extends it with zeros.
    pub fn set_len(&self, length: u64) -> io::Result<()> {
        fault::point(self.purpose, Operation::SetLen)?;
        self.file.set_len(length)
    }

    /// Sets disk space aside for `length` bytes from `offset` on, beyond the end too, and leaves the file as it is.
    /// Writes there cannot fail for want of space.
    ///
    /// Fails with `EOPNOTSUPP` (or, for what is no file, `ENODEV`) where this cannot be done at all.
    pub fn reserve(&self, offset: u64, length: u64) -> io::Result<()> {
        fault::point(self.purpose, Operation::Reserve)?;
        let number = |value| i64::try_from(value).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge));
        fallocate(&self.file, FallocateFlags::FALLOC_FL_KEEP_SIZE, number(offset)?, number(length)?)?;
        Ok(())
    }

    /// Takes the lock on this file that a process loses when it ends, however it ends; `false` when another open file
    /// has it. It is gone when this file is closed.
    pub fn try_lock(&self) -> io::Result<bool> {
        match self.file.try_lock() {
            Ok(()) => Ok(true),
            Err(std::fs::TryLockError::WouldBlock) => Ok(false),
            Err(std::fs::TryLockError::Error(error)) => Err(error),
        }
    }

    /// Lets go of that lock, also for a process that is being started and has not closed its copy of this file yet.
    pub fn unlock(&self) -> io::Result<()> {
        self.file.unlock()
    }

    /// What the system knows of the open file.
    pub fn metadata(&self) -> io::Result<Metadata> {
        self.file.metadata()
    }

    /// The file itself, for reading back: writes through it would pass no fault point.
    pub fn into_std(self) -> File {
        self.file
    }
}

impl Write for WriteFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        fault::point(self.purpose, Operation::Write)?;
        self.file.write(bytes)
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        fault::point(self.purpose, Operation::Write)?;
        self.file.write_vectored(pieces)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for WriteFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

impl AsFd for WriteFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Purpose {
    /// Makes a directory and its parents; one that is there already is fine.
    pub fn create_dir_all(self, path: &Path) -> io::Result<()> {
        fault::point(self, Operation::CreateDir)?;
        std::fs::create_dir_all(path)
    }

    /// Makes one directory that only its owner may enter (mode 0700); fails with `AlreadyExists` if anything has that
    /// name.
    pub fn create_private_dir(self, path: &Path) -> io::Result<()> {
        fault::point(self, Operation::CreateDir)?;
        std::fs::DirBuilder::new().mode(0o700).create(path)
    }

    /// Forces the names in a directory to the disk.
    pub fn sync_dir(self, path: &Path) -> io::Result<()> {
        fault::point(self, Operation::Sync)?;
        File::open(path)?.sync_all()
    }

    /// Creates a file, or empties it if it is there. `mode` (less the umask) is for a new file.
    ///
    /// A symbolic link at the last component is refused (`ELOOP`): a script must not be able to point the worker's
    /// writes elsewhere.
    pub fn create(self, path: &Path, mode: u32) -> io::Result<WriteFile> {
        self.open(path, mode, OpenOptions::new().create(true).truncate(true))
    }

    /// Creates a file with `mode` (less the umask); fails with `AlreadyExists` if anything has that name.
    pub fn create_new(self, path: &Path, mode: u32) -> io::Result<WriteFile> {
        self.open(path, mode, OpenOptions::new().create_new(true))
    }

    /// Opens a file so that every write goes to its end, and creates it with `mode` (less the umask) if it is absent.
    /// A symbolic link at the last component is refused (`ELOOP`).
    pub fn append(self, path: &Path, mode: u32) -> io::Result<WriteFile> {
        self.open(path, mode, OpenOptions::new().create(true).append(true))
    }

    fn open(self, path: &Path, mode: u32, options: &mut OpenOptions) -> io::Result<WriteFile> {
        fault::point(self, Operation::Open)?;
        let flags = OFlag::O_NOFOLLOW.bits();
        let file = options.read(true).write(true).mode(mode).custom_flags(flags).open(path)?;
        Ok(WriteFile { file, purpose: self })
    }

    /// A regular file (mode 0600) on the file system of `dir` that has no name: it is gone when the last descriptor
    /// is.
    pub fn unlinked(self, dir: &Path) -> io::Result<WriteFile> {
        fault::point(self, Operation::Open)?;
        let nameless = OFlag::O_TMPFILE | OFlag::O_EXCL;
        let opened =
            OpenOptions::new().read(true).write(true).mode(0o600).custom_flags(nameless.bits()).open(dir);
        match opened {
            Ok(file) => Ok(WriteFile { file, purpose: self }),
            // A file system without O_TMPFILE (EOPNOTSUPP), or a kernel that takes the flags for a plain open of a
            // directory (EISDIR) or refuses them (EINVAL).
            Err(error)
                if has_errno(&error, &[nix::libc::EOPNOTSUPP, nix::libc::EISDIR, nix::libc::EINVAL]) =>
            {
                let path = dir.join(format!(".unlinked-{}", uuid::Uuid::new_v4().simple()));
                let file = self.create_new(&path, 0o600)?;
                std::fs::remove_file(&path)?;
                Ok(file)
            }
            Err(error) => Err(error),
        }
    }

    /// Replaces a file as a whole: a reader, or a machine that loses power, sees the old content or the new one.
    ///
    /// The new content is written to a file beside it, synced, and renamed over; that file is removed again on
    /// failure.
    pub fn write_atomic(self, path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
        let beside = beside(path)?;
        let written = self.create_new(&beside, mode).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync()?;
            self.rename(&beside, path)
        });
        if written.is_err() {
            // The failure to report is the first one; a file left beside is swept with its directory.
            let _ = std::fs::remove_file(&beside);
            return written;
        }
        self.sync_dir(parent_of(path))
    }

    /// Renames; what has the name `to` is replaced as rename(2) says.
    pub fn rename(self, from: &Path, to: &Path) -> io::Result<()> {
        fault::point(self, Operation::Rename)?;
        std::fs::rename(from, to)
    }
}

/// [`Purpose::create_dir_all`] for [`Purpose::Other`].
pub fn create_dir_all(path: &Path) -> io::Result<()> {
    Purpose::Other.create_dir_all(path)
}

/// [`Purpose::create`] for [`Purpose::Other`].
pub fn create(path: &Path, mode: u32) -> io::Result<WriteFile> {
    Purpose::Other.create(path, mode)
}

/// [`Purpose::create_new`] for [`Purpose::Other`].
pub fn create_new(path: &Path, mode: u32) -> io::Result<WriteFile> {
    Purpose::Other.create_new(path, mode)
}

/// [`Purpose::append`] for [`Purpose::Other`].
pub fn append(path: &Path, mode: u32) -> io::Result<WriteFile> {
    Purpose::Other.append(path, mode)
}

/// [`Purpose::unlinked`] for [`Purpose::Other`].
pub fn unlinked(dir: &Path) -> io::Result<WriteFile> {
    Purpose::Other.unlinked(dir)
}

/// [`Purpose::write_atomic`] for [`Purpose::Other`].
pub fn write_atomic(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    Purpose::Other.write_atomic(path, bytes, mode)
}

/// [`Purpose::rename`] for [`Purpose::Other`].
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    Purpose::Other.rename(from, to)
}

/// A name in the same directory that nobody else uses: `.<name>.<random>.tmp`.
fn beside(path: &Path) -> io::Result<PathBuf> {
    let Some(name) = path.file_name() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "expected a path that ends in a file name"));
    };
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}.tmp", uuid::Uuid::new_v4().simple()));
    Ok(path.with_file_name(hidden))
}

fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn has_errno(error: &io::Error, any_of: &[i32]) -> bool {
    error.raw_os_error().is_some_and(|errno| any_of.contains(&errno))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn create_truncates_and_append_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        create(&path, 0o600).unwrap().write_all(b"long content").unwrap();
        create(&path, 0o600).unwrap().write_all(b"new").unwrap();
        append(&path, 0o600).unwrap().write_all(b"er").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"newer");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(create_new(&path, 0o600).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn never_writes_through_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let (target, link) = (dir.path().join("target"), dir.path().join("link"));
        std::fs::write(&target, "kept").unwrap();
        symlink(&target, &link).unwrap();
        for opened in [create(&link, 0o600), append(&link, 0o600), create_new(&link, 0o600)] {
            assert!(opened.is_err());
        }
        write_atomic(&link, b"own", 0o600).unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"kept");
        assert_eq!(std::fs::read(&link).unwrap(), b"own");
    }

    #[test]
    fn write_atomic_replaces_and_leaves_nothing_beside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run.json");
        write_atomic(&path, b"1", 0o640).unwrap();
        let before = std::fs::metadata(&path).unwrap().ino();
        write_atomic(&path, b"2", 0o640).unwrap();
        assert_ne!(std::fs::metadata(&path).unwrap().ino(), before);
        assert_eq!(std::fs::read(&path).unwrap(), b"2");
        assert_eq!(names(dir.path()), ["run.json"]);
        std::fs::create_dir(dir.path().join("taken")).unwrap();
        assert!(write_atomic(&dir.path().join("taken"), b"3", 0o640).is_err());
        assert_eq!(names(dir.path()), ["run.json", "taken"]);
        assert!(write_atomic(Path::new("/"), b"4", 0o640).is_err());
    }

    #[test]
    fn an_unlinked_file_has_no_name_and_is_regular() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = unlinked(dir.path()).unwrap();
        assert_eq!(names(dir.path()), Vec::<String>::new());
        file.write_all(b"{\"a\": 1}").unwrap();
        file.write_all_at(b"b", 2).unwrap();
        file.reserve(8, 1 << 20).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 8, "a reservation is no content");
        file.set_len(6).unwrap();
        assert_eq!(file.stream_position().unwrap(), 8);
        file.rewind().unwrap();
        let mut std_file = file.into_std();
        let mut text = String::new();
        std_file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "{\"b\": ");
        let meta = std_file.metadata().unwrap();
        assert!(meta.is_file());
        assert_eq!((meta.nlink(), meta.permissions().mode() & 0o777), (0, 0o600));
        assert_eq!(unlinked(&dir.path().join("absent")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
