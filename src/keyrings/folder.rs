//! Reading a folder of key files: exactly one public key in each (keyrings.md 4.2; cot-attacks.md 43).
//!
//! Everything that is wrong with a folder is found before anything is said, so one error names all bad files. Where
//! files come from, a directory or a commit, is the caller's; what a key is worth is decided in `core`.

use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::sys::stat::Mode;
use scriptworker_core::openpgp::{Certificate, CertificateError};
use std::ffi::OsStr;
use std::fmt;
use std::fs::{File, FileType, Metadata};
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

/// How many files a folder may have, ignored ones included.
pub(super) const MOST_FILES: usize = 10_000;
/// How many bytes its key files may have together.
pub(super) const MOST_BYTES: u64 = 256 << 20;
/// How deep folders may lie in one another.
const MOST_DEEP: usize = 8;

/// What is wrong with one file.
#[derive(Debug, thiserror::Error)]
pub enum FileFault {
    /// It is a symbolic link: what it leads to may be anything.
    #[error("expected a file, found a symbolic link")]
    Symlink,
    /// It is a pipe, a socket, a device, or another repository.
    #[error("expected a file, found {found}")]
    NotAFile {
        /// What it is.
        found: &'static str,
    },
    /// Its name is no text.
    #[error("expected a name in UTF-8")]
    Name,
    /// It is larger than any key.
    #[error("expected at most {limit} bytes, found {found}")]
    TooBig {
        /// The limit.
        limit: u64,
        /// Its size.
        found: u64,
    },
    /// It cannot be read.
    #[error("read it: {0}")]
    Unreadable(#[from] io::Error),
    /// It is not exactly one public key.
    #[error(transparent)]
    Key(#[from] CertificateError),
}

/// One bad file.
#[derive(Debug)]
pub struct BadFile {
    /// Its name, relative to the folder; escaped where it is no plain text.
    pub name: String,
    /// What is wrong with it.
    pub fault: FileFault,
}

/// All bad files of a folder.
#[derive(Debug)]
pub struct BadFiles(pub Vec<BadFile>);

impl fmt::Display for BadFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, file) in self.0.iter().enumerate() {
            let separator = if number == 0 { "" } else { "; " };
            write!(f, "{separator}{}: {}", file.name, file.fault)?;
        }
        Ok(())
    }
}

/// Why a folder of keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It cannot be listed.
    #[error("list the keys in {}: {source}", path.display())]
    Unreadable {
        /// The folder, or one in it.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Some of its files are no keys.
    #[error("read the keys in {folder}: {files}")]
    BadFiles {
        /// The folder.
        folder: String,
        /// All of them.
        files: BadFiles,
    },
    /// It has too many files, or they are too large together.
    #[error("read the keys in {folder}: expected at most {limit} {what}")]
    TooMuch {
        /// The folder.
        folder: String,
        /// The limit.
        limit: u64,
        /// Of what.
        what: &'static str,
    },
    /// Folders lie too deep in one another.
    #[error("list the keys in {}: expected at most {MOST_DEEP} folders in one another", path.display())]
    TooDeep {
        /// The innermost one.
        path: PathBuf,
    },
}

/// The keys of a folder while its files are read one by one.
pub(super) struct Collection {
    folder: String,
    files: usize,
    bytes: u64,
    keys: Vec<Certificate>,
    bad: Vec<BadFile>,
}

impl Collection {
    /// Of a folder of this name, for messages.
    pub(super) fn of(folder: impl Into<String>) -> Self {
        Self { folder: folder.into(), files: 0, bytes: 0, keys: Vec::new(), bad: Vec::new() }
    }

    /// Counts one more file.
    pub(super) fn count(&mut self) -> Result<(), FolderError> {
        self.files = self.files.saturating_add(1);
        if self.files > MOST_FILES {
            let folder = self.folder.clone();
            return Err(FolderError::TooMuch { folder, limit: MOST_FILES as u64, what: "files" });
        }
        Ok(())
    }

    /// Adds a file, or why it cannot even be read.
    pub(super) fn add(
        &mut self,
        name: &OsStr,
        content: Result<Vec<u8>, FileFault>,
    ) -> Result<(), FolderError> {
        let size = content.as_ref().map_or(0, |content| content.len() as u64);
        self.bytes = self.bytes.saturating_add(size);
        if self.bytes > MOST_BYTES {
            let folder = self.folder.clone();
            return Err(FolderError::TooMuch { folder, limit: MOST_BYTES, what: "bytes" });
        }
        let named = if name.to_str().is_some() { Ok(()) } else { Err(FileFault::Name) };
        let key = named.and(content).and_then(|content| Ok(Certificate::parse(&content)?));
        match key {
            Ok(key) => self.keys.push(key),
            Err(fault) => {
                self.bad.push(BadFile { name: name.to_string_lossy().escape_debug().to_string(), fault })
            }
        }
        Ok(())
    }

    /// The keys, if no file was bad. Copies of one key become one that has what either has.
    pub(super) fn finish(self) -> Result<Vec<Certificate>, FolderError> {
        let Self { folder, bad, keys, .. } = self;
        if !bad.is_empty() {
            return Err(FolderError::BadFiles { folder, files: BadFiles(bad) });
        }
        let mut merged: Vec<Certificate> = Vec::new();
        for key in keys {
            match merged.iter_mut().find(|known| known.fingerprint() == key.fingerprint()) {
                Some(known) => *known = known.merge(&key),
                None => merged.push(key),
            }
        }
        Ok(merged)
    }
}

/// Whether the file is to be passed over.
pub(super) fn is_ignored(name: &[u8], ignore_suffixes: &[String]) -> bool {
    ignore_suffixes.iter().any(|suffix| name.ends_with(suffix.as_bytes()))
}

/// Reads every file below a directory whose name does not end in one of the suffixes, in the order of their names.
/// Blocks.
///
/// # Errors
/// When the directory cannot be listed, or has bad files: all of them are named.
pub fn read_folder(path: &Path, ignore_suffixes: &[String]) -> Result<Vec<Certificate>, FolderError> {
    let mut keys = Collection::of(path.display().to_string());
    let mut open = vec![(path.to_path_buf(), 0)];
    while let Some((folder, depth)) = open.pop() {
        let unreadable = |source| FolderError::Unreadable { path: folder.clone(), source };
        if depth > MOST_DEEP {
            return Err(FolderError::TooDeep { path: folder });
        }
        let entries = std::fs::read_dir(&folder).map_err(unreadable)?;
        let mut entries = entries.collect::<io::Result<Vec<_>>>().map_err(unreadable)?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let kind = entry.file_type().map_err(unreadable)?;
            if kind.is_dir() {
                open.push((entry.path(), depth + 1));
                continue;
            }
            keys.count()?;
            if is_ignored(entry.file_name().as_bytes(), ignore_suffixes) {
                continue;
            }
            let whole = entry.path();
            let name = whole.strip_prefix(path).unwrap_or(&whole);
            keys.add(name.as_os_str(), read_file(&whole))?;
        }
    }
    keys.finish()
}

/// Reads one key file, which must be a regular file of a sensible size. Never waits for anybody's pipe.
///
/// # Errors
/// When it is not that.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, FileFault> {
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let file: File = match openat(AT_FDCWD, path, flags, Mode::empty()) {
        Ok(open) => open.into(),
        Err(nix::errno::Errno::ELOOP) => return Err(FileFault::Symlink),
        // a socket cannot be opened at all
        Err(errno) => match std::fs::symlink_metadata(path).map(|meta| kind(meta.file_type())) {
            Ok(Some(found)) => return Err(FileFault::NotAFile { found }),
            Ok(None) | Err(_) => return Err(io::Error::from(errno).into()),
        },
    };
    let metadata: Metadata = file.metadata()?;
    if let Some(found) = kind(metadata.file_type()) {
        return Err(FileFault::NotAFile { found });
    }
    let limit = Certificate::MOST_BYTES as u64;
    let mut content = Vec::new();
    let found = metadata.len().max(file.take(limit.saturating_add(1)).read_to_end(&mut content)? as u64);
    if found > limit {
        return Err(FileFault::TooBig { limit, found });
    }
    Ok(content)
}

/// What it is, unless it is a file.
fn kind(kind: FileType) -> Option<&'static str> {
    match kind {
        kind if kind.is_file() => None,
        kind if kind.is_dir() => Some("a directory"),
        kind if kind.is_fifo() => Some("a pipe"),
        kind if kind.is_socket() => Some("a socket"),
        _ => Some("a device"),
    }
}
