//! Files that hold keys: secret ones are read only when nobody else can read them, and none is ever overwritten.
//! What the bytes mean is not decided here.

use crate::fsio::{self, WriteFile};
use scriptworker_core::openpgp::Certificate;
use scriptworker_core::secret::Secret;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The mode of files with secrets.
pub const SECRET_MODE: u32 = 0o600;
/// The mode of files for everybody.
pub const PUBLIC_MODE: u32 = 0o644;

/// The longest file that is taken for a secret key or a passphrase.
const MOST_SECRET_BYTES: u64 = 8 << 20;
/// The longest one that is taken for a public key, a document or a signature.
const MOST_PUBLIC_BYTES: u64 = Certificate::MOST_BYTES as u64;

/// Why a file with a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It has secrets that others than the owner can read.
    #[error("{}: others than its owner can read this secret (mode {mode:04o}): chmod 600 {}", path.display(), path.display())]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// A directory, a pipe, a device.
    #[error("{}: expected a regular file", path.display())]
    NotAFile {
        /// Which.
        path: PathBuf,
    },
    /// Longer than any key.
    #[error("{}: expected at most {limit} bytes, found {found}", path.display())]
    TooBig {
        /// Which file.
        path: PathBuf,
        /// How long it may be.
        limit: u64,
        /// Its length.
        found: u64,
    },
    /// Not text where text was expected.
    #[error("{}: expected text", path.display())]
    NotText {
        /// Which file.
        path: PathBuf,
    },
    /// No passphrase on the first line.
    #[error("{}: expected a passphrase on the first line", path.display())]
    NoPassphrase {
        /// Which file.
        path: PathBuf,
    },
    /// A file to be made is there already.
    #[error("{}: exists already, and is not overwritten", path.display())]
    Exists {
        /// Which.
        path: PathBuf,
    },
    /// It cannot be opened, read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl KeyFileError {
    /// Whether the file is not there at all.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// Reads a file that holds a secret: refused when its group or others can read it.
pub fn read_secret(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    read(path, MOST_SECRET_BYTES, |mode| mode & 0o077 == 0)
}

/// Reads a file that is for everybody.
pub fn read_public(path: &Path) -> Result<Vec<u8>, KeyFileError> {
    Ok(std::mem::take(&mut *read(path, MOST_PUBLIC_BYTES, |_| true)?))
}

/// Reads the first line of a file as text that is secret: a passphrase.
pub fn read_passphrase(path: &Path) -> Result<Secret, KeyFileError> {
    let bytes = read_secret(path)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| KeyFileError::NotText { path: path.to_path_buf() })?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(Secret::new(line)),
        Some(_) | None => Err(KeyFileError::NoPassphrase { path: path.to_path_buf() }),
    }
}

fn read(path: &Path, limit: u64, allowed: impl Fn(u32) -> bool) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let io = |source| KeyFileError::Io { path: path.to_path_buf(), source };
    // before it is opened: opening a pipe would wait for a writer
    if !path.metadata().map_err(io)?.is_file() {
        return Err(KeyFileError::NotAFile { path: path.to_path_buf() });
    }
    let file = File::open(path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    let mode = metadata.permissions().mode() & 0o7777;
    if !allowed(mode) {
        return Err(KeyFileError::Exposed { path: path.to_path_buf(), mode });
    }
    // room for all of it: growing would leave copies of a secret behind
    let room = usize::try_from(metadata.len().min(limit)).unwrap_or(0);
    let mut bytes = Zeroizing::new(Vec::with_capacity(room + 1));
    let found = file.take(limit + 1).read_to_end(&mut bytes).map_err(io)?;
    match u64::try_from(found) {
        Ok(found) if found <= limit => Ok(bytes),
        Ok(_) | Err(_) => {
            Err(KeyFileError::TooBig { path: path.to_path_buf(), limit, found: metadata.len() })
        }
    }
}

/// A file that was made under its name and is removed again unless it is [kept](NewFile::keep).
#[derive(Debug)]
pub struct NewFile {
    file: WriteFile,
    path: PathBuf,
    keep: bool,
}

impl NewFile {
    /// Makes the file, empty; what is there already is never touched, not even through a link.
    pub fn create(path: &Path, mode: u32) -> Result<Self, KeyFileError> {
        match fsio::create_new(path, mode) {
            Ok(file) => Ok(Self { file, path: path.to_path_buf(), keep: false }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(KeyFileError::Exists { path: path.to_path_buf() })
            }
            Err(source) => Err(KeyFileError::Io { path: path.to_path_buf(), source }),
        }
    }

    /// Writes its content, down to the disk.
    pub fn fill(&mut self, bytes: &[u8]) -> Result<(), KeyFileError> {
        let written = self.file.write_all(bytes).and_then(|()| self.file.sync());
        written.map_err(|source| KeyFileError::Io { path: self.path.clone(), source })
    }

    /// It is complete, and so are those that belong to it.
    pub fn keep(mut self) {
        self.keep = true;
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.keep {
            // what made it incomplete is being reported already
            let _ = fsio::remove_file(&self.path);
        }
    }
}

/// Makes one file with this content.
pub fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), KeyFileError> {
    let mut file = NewFile::create(path, mode)?;
    file.fill(bytes)?;
    file.keep();
    Ok(())
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests that want links, and modes in spite of the umask")]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::symlink;

    fn file(dir: &Path, name: &str, content: &[u8], mode: u32) -> PathBuf {
        let path = dir.join(name);
        write_new(&path, content, SECRET_MODE).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn a_secret_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        for mode in [0o640, 0o604, 0o660, 0o644, 0o610, 0o601] {
            let path = file(dir.path(), &format!("{mode:o}"), b"canary", mode);
            let error = read_secret(&path).unwrap_err();
            assert!(matches!(error, KeyFileError::Exposed { mode: found, .. } if found == mode));
            let text = error.to_string();
            assert!(text.contains("chmod 600 ") && !text.contains("canary"), "{text}");
            assert_eq!(read_public(&path).unwrap(), b"canary");
        }
        for mode in [0o600, 0o400, 0o700] {
            let path = file(dir.path(), &format!("{mode:o}"), b"secret", mode);
            assert_eq!(**read_secret(&path).unwrap(), *b"secret");
        }
        // the mode that counts is that of the file, as secrets are mounted behind links
        symlink(dir.path().join("644"), dir.path().join("to-open")).unwrap();
        symlink(dir.path().join("600"), dir.path().join("to-closed")).unwrap();
        assert!(matches!(read_secret(&dir.path().join("to-open")), Err(KeyFileError::Exposed { .. })));
        assert!(read_secret(&dir.path().join("to-closed")).is_ok());
    }

    #[test]
    fn only_files_of_a_sane_size_are_read() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(read_secret(dir.path()), Err(KeyFileError::NotAFile { .. })));
        assert!(matches!(read_secret(Path::new("/dev/null")), Err(KeyFileError::NotAFile { .. })));
        let pipe = dir.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRUSR).unwrap();
        assert!(matches!(read_secret(&pipe), Err(KeyFileError::NotAFile { .. })));
        let big = dir.path().join("big");
        fsio::create_new(&big, 0o600).unwrap().set_len(MOST_PUBLIC_BYTES + 1).unwrap();
        for (read, limit) in [
            (read_public(&big).map(drop), MOST_PUBLIC_BYTES),
            (read_secret(&big).map(drop), MOST_SECRET_BYTES),
        ] {
            assert!(matches!(read, Err(KeyFileError::TooBig { limit: said, .. }) if said == limit));
        }
        let absent = read_secret(&dir.path().join("absent")).unwrap_err();
        assert!(
            matches!(absent, KeyFileError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
        );
    }

    #[test]
    fn a_passphrase_is_the_first_line() {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in
            [("a", &b"open sesame"[..]), ("b", b"open sesame\n"), ("c", b"open sesame\r\nnot this\n")]
        {
            let path = file(dir.path(), name, content, 0o600);
            assert_eq!(read_passphrase(&path).unwrap().expose(), "open sesame");
        }
        for (name, content) in [("d", &b""[..]), ("e", b"\n"), ("f", b"\nopen sesame\n")] {
            let path = file(dir.path(), name, content, 0o600);
            assert!(matches!(read_passphrase(&path), Err(KeyFileError::NoPassphrase { .. })));
        }
        let path = file(dir.path(), "g", b"\xff\xfe", 0o600);
        assert!(matches!(read_passphrase(&path), Err(KeyFileError::NotText { .. })));
    }

    #[test]
    fn nothing_is_overwritten_and_nothing_incomplete_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        write_new(&path, b"first", SECRET_MODE).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(write_new(&path, b"second", SECRET_MODE), Err(KeyFileError::Exists { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"first");
        let link = dir.path().join("link");
        symlink(dir.path().join("nowhere"), &link).unwrap();
        assert!(matches!(NewFile::create(&link, SECRET_MODE), Err(KeyFileError::Exists { .. })));
        let other = dir.path().join("other");
        let mut begun = NewFile::create(&other, PUBLIC_MODE).unwrap();
        begun.fill(b"half").unwrap();
        drop(begun);
        assert!(!other.exists());
    }
}
