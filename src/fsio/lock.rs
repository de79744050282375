//! Files that one process at a time holds.
#![expect(clippy::disallowed_methods, reason = "this is the one place that the bans point to")]

use super::fault::{self, Operation, Purpose};
use nix::fcntl::OFlag;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// A lock that is held until this is dropped, or its process ends, however that comes about.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Why there is no lock.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("{}", match .0 { Some(pid) => format!("process {pid} holds it"), None => "another process holds it".to_owned() })]
    Held(
        /// The number that it wrote into the file.
        Option<u32>,
    ),
    /// The file system knows no locks.
    #[error("the file system knows no locks")]
    NotSupported(#[source] io::Error),
    /// The file cannot be made, or not be opened.
    #[error(transparent)]
    File(io::Error),
}

impl Purpose {
    /// Takes the lock of this name without waiting, and leaves the number of this process in the file. The file stays
    /// when the lock is gone: removing it would let two processes hold two files of one name.
    ///
    /// A symbolic link at the last component is refused (`ELOOP`).
    pub fn lock(self, path: &Path) -> Result<Lock, LockError> {
        let mut file = self.open_lock(path).map_err(LockError::File)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LockError::Held(holder(&mut file))),
            Err(TryLockError::Error(error)) => return Err(LockError::NotSupported(error)),
        }
        if let Err(error) = self.sign(&mut file) {
            tracing::warn!(path = %path.display(), %error, "the lock does not say who holds it");
        }
        Ok(Lock { _file: file })
    }

    fn open_lock(self, path: &Path) -> io::Result<File> {
        fault::point(self, Operation::Open)?;
        let flags = OFlag::O_NOFOLLOW.bits();
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o644)
            .custom_flags(flags)
            .open(path);
        match opened {
            // made by another user: it can be locked all the same
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(|_| error)
            }
            opened => opened,
        }
    }

    fn sign(self, file: &mut File) -> io::Result<()> {
        fault::point(self, Operation::Write)?;
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())
    }
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    #[test]
    fn one_at_a_time_and_the_other_learns_who_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        // what an earlier holder left is no lock, and no longer its number
        std::fs::write(&path, "4294967295 and more").unwrap();
        let held = Purpose::Lock.lock(&path).unwrap();
        let error = Purpose::Lock.lock(&path).unwrap_err();
        assert!(matches!(error, LockError::Held(Some(pid)) if pid == std::process::id()), "{error}");
        drop(held);
        drop(Purpose::Lock.lock(&path).unwrap());
    }

    #[test]
    fn a_file_that_can_only_be_read_is_a_lock_too() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o444)).unwrap();
        let _held = Purpose::Lock.lock(&path).unwrap();
        assert!(matches!(Purpose::Lock.lock(&path), Err(LockError::Held(_))));
    }

    #[test]
    fn never_through_a_link_and_never_without_a_directory() {
        let dir = tempfile::tempdir().unwrap();
        symlink(dir.path().join("target"), dir.path().join("link")).unwrap();
        for name in ["link", "absent/lock"] {
            let error = Purpose::Lock.lock(&dir.path().join(name)).unwrap_err();
            assert!(matches!(error, LockError::File(_)), "{error}");
        }
        assert!(!dir.path().join("target").exists());
    }
}
