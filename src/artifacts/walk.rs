//! What a script left in `artifact_dir`: a recursive listing that cannot be led out of it, and a way to open exactly
//! the files that were listed.
//!
//! The folder is written by a script that is not trusted. So no symlink is ever followed (folders and files are
//! opened one path component at a time with `O_NOFOLLOW`, always downwards from one open folder), nothing but a
//! regular file is ever opened (a FIFO would hang, a device has side effects), and a name that cannot be an artifact
//! is listed as refused instead of being left out in silence.
//!
//! Everything here blocks: call it from `spawn_blocking`.

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat};
use nix::unistd::{AccessFlags, Uid, faccessat};
use scriptworker_core::cot::ATTESTATION_NAMES;
use scriptworker_core::ids::{ArtifactName, InvalidId};
use scriptworker_core::run::TaskStatus;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[cfg(test)]
mod tests;

/// `artifact_dir`, opened once: whatever its path points to later, files are taken from this folder.
#[derive(Debug, Clone)]
pub struct ArtifactDir {
    folder: Arc<OwnedFd>,
    script_uid: Uid,
}

/// A regular file that was found below `artifact_dir`.
#[derive(Debug, Clone)]
pub struct FoundFile {
    folder: Arc<OwnedFd>,
    name: ArtifactName,
    identity: Identity,
    size: u64,
}

/// Which file it is, whatever its path: device and inode number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The device that holds it.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
}

/// Everything that was found.
#[derive(Debug, Default)]
pub struct Listing {
    /// The files that can be uploaded, by name in byte order.
    pub files: Vec<FoundFile>,
    /// What cannot be uploaded, by path.
    pub refused: Vec<Refused>,
}

/// Something below `artifact_dir` that cannot be an artifact.
#[derive(Debug, thiserror::Error)]
#[error("refused to upload {path}: {reason}")]
pub struct Refused {
    /// Its path relative to `artifact_dir`; bytes outside printable ASCII are escaped.
    pub path: String,
    /// What is wrong with it.
    #[source]
    pub reason: RefusedReason,
}

/// Why something cannot be an artifact.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefusedReason {
    /// A symbolic link: it could point at any file of the machine.
    #[error("it is a symbolic link")]
    Symlink,
    /// A named pipe.
    #[error("it is a FIFO")]
    Fifo,
    /// A socket.
    #[error("it is a socket")]
    Socket,
    /// A block or character device, or something that this system does not know.
    #[error("it is a device")]
    Device,
    /// A hard link to a file that somebody else owns: reading it could publish what the script itself cannot read.
    #[error("it is a hard link to a file of user {found}, expected one of user {expected}")]
    ForeignHardLink {
        /// The user that the script runs as.
        expected: u32,
        /// The owner of the file.
        found: u32,
    },
    /// The path cannot be the name of an artifact.
    #[error("its path cannot be the name of an artifact: {0}")]
    Name(#[source] InvalidId),
    /// The name is one of the worker's own statements: a script does not make those.
    #[error("its name is reserved for what the worker attests")]
    Reserved,
    /// The path is longer than any artifact name may be, so nothing below it was looked at.
    #[error("its path has {found} bytes, expected at most {expected}")]
    TooDeep {
        /// The longest name there may be.
        expected: usize,
        /// The length of this one.
        found: usize,
    },
    /// There is nothing of that name (any more).
    #[error("it is not there")]
    Absent,
    /// It is not the file or folder that was listed (somebody replaced it meanwhile).
    #[error("it was replaced while it was looked at")]
    Replaced,
    /// The system did not let the worker look at it.
    #[error("it cannot be read ({0})")]
    Unreadable(#[source] Errno),
}

/// The listing could not even begin.
#[derive(Debug, thiserror::Error)]
#[error("failed to open the artifact folder {path}: {source}", path = path.display())]
pub struct NoArtifactDir {
    /// The folder.
    pub path: PathBuf,
    /// What the system said.
    pub source: Errno,
}

/// The longest artifact name.
const MAX_NAME: usize = 1024;

impl Refused {
    /// What it means for the task: the script left something that is no artifact, which is the script's failure.
    pub fn status(&self) -> TaskStatus {
        TaskStatus::Failure
    }
}

impl FoundFile {
    /// The name of the artifact.
    pub fn name(&self) -> &ArtifactName {
        &self.name
    }

    /// The size in bytes when it was listed.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Opens the file for reading, if it is still the one that was listed. Never blocks on what is no regular file.
    pub fn open(&self) -> Result<File, Refused> {
        let refused = |reason| Refused { path: self.name.as_str().to_owned(), reason };
        let (file, stat) = open_file(&self.folder, self.name.as_str().as_bytes()).map_err(refused)?;
        if Identity::of(&stat) != self.identity {
            return Err(refused(RefusedReason::Replaced));
        }
        Ok(file)
    }
}

impl Identity {
    fn of(stat: &FileStat) -> Self {
        Self { device: stat.st_dev, inode: stat.st_ino }
    }
}

impl ArtifactDir {
    /// Opens `artifact_dir`, which must be a folder and no symlink. `script_uid` is the user that the script runs as.
    pub fn open(path: &Path, script_uid: Uid) -> Result<Self, NoArtifactDir> {
        match nix::fcntl::open(path, folder_flags(), Mode::empty()) {
            Ok(folder) => Ok(Self { folder: Arc::new(folder), script_uid }),
            Err(source) => Err(NoArtifactDir { path: path.to_owned(), source }),
        }
    }

    /// One file by its name, under the same rules as in [`ArtifactDir::list`].
    pub fn file(&self, name: &ArtifactName) -> Result<FoundFile, Refused> {
        let path = name.as_str().as_bytes();
        let refused = |reason| Refused { path: escaped(path), reason };
        let plain = path.split(|byte| *byte == b'/').all(|part| !matches!(part, b"" | b"." | b".."));
        if !plain {
            let expected = "a path below the artifact folder, without empty, . or .. parts";
            let found = name.as_str().chars().take(64).collect();
            return Err(refused(RefusedReason::Name(InvalidId { expected, found })));
        }
        let (_, stat) = open_file(&self.folder, path).map_err(refused)?;
        self.check(path, &stat).map_err(refused)
    }

    /// Lists everything below the folder. Nothing ends the listing early: what cannot be looked at is in
    /// [`Listing::refused`].
    pub fn list(&self) -> Listing {
        let mut listing = Listing::default();
        let mut folders = vec![Vec::new()];
        while let Some(folder) = folders.pop() {
            self.list_folder(&folder, &mut folders, &mut listing);
        }
        listing.files.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        listing.refused.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        listing
    }

    fn list_folder(&self, folder: &[u8], folders: &mut Vec<Vec<u8>>, listing: &mut Listing) {
        let mut refuse = |path: &[u8], reason| listing.refused.push(Refused { path: escaped(path), reason });
        let mut dir = match open_folder(&self.folder, folder).and_then(|fd| Ok(Dir::from_fd(fd)?)) {
            Ok(dir) => dir,
            Err(reason) => return refuse(folder, reason),
        };
        let mut names = Vec::new();
        for entry in dir.iter() {
            match entry {
                Ok(entry) => names.push(entry.file_name().to_bytes().to_vec()),
                Err(errno) => {
                    refuse(folder, errno.into());
                    break;
                }
            }
        }
        for name in names.iter().filter(|name| !matches!(name.as_slice(), b"." | b"..")) {
            let path = if folder.is_empty() { name.clone() } else { [folder, name].join(&b'/') };
            let stat = match fstatat(&dir, name.as_slice(), AtFlags::AT_SYMLINK_NOFOLLOW) {
                Ok(stat) => stat,
                Err(errno) => {
                    refuse(&path, errno.into());
                    continue;
                }
            };
            if kind(&stat) == SFlag::S_IFDIR {
                if path.len() < MAX_NAME {
                    folders.push(path);
                } else {
                    refuse(&path, RefusedReason::TooDeep { expected: MAX_NAME, found: path.len() });
                }
                continue;
            }
            // known before anything is announced for it. Without flags, which not every container lets through: that it
            // is still this file, and can still be read, is looked at when its turn comes.
            let readable = || {
                faccessat(&dir, name.as_slice(), AccessFlags::R_OK, AtFlags::empty())
                    .map_err(RefusedReason::from)
            };
            match self.check(&path, &stat).and_then(|file| readable().map(|()| file)) {
                Ok(file) => listing.files.push(file),
                Err(reason) => refuse(&path, reason),
            }
        }
    }

    /// The rules for one file.
    fn check(&self, path: &[u8], stat: &FileStat) -> Result<FoundFile, RefusedReason> {
        regular(stat)?;
        if stat.st_nlink > 1 && stat.st_uid != self.script_uid.as_raw() {
            return Err(RefusedReason::ForeignHardLink {
                expected: self.script_uid.as_raw(),
                found: stat.st_uid,
            });
        }
        // what is not UTF-8 keeps a replacement character, which no artifact name may have
        let name = ArtifactName::parse(&String::from_utf8_lossy(path)).map_err(RefusedReason::Name)?;
        if ATTESTATION_NAMES.contains(&name.as_str()) {
            return Err(RefusedReason::Reserved);
        }
        let size = u64::try_from(stat.st_size).map_err(|_| RefusedReason::Unreadable(Errno::EOVERFLOW))?;
        Ok(FoundFile { folder: Arc::clone(&self.folder), name, identity: Identity::of(stat), size })
    }
}

impl From<Errno> for RefusedReason {
    /// With `O_NOFOLLOW`, a symlink is `ELOOP` (`ENOTDIR` together with `O_DIRECTORY`); a socket, or a FIFO without a
    /// reader, is `ENXIO`. The kind was looked at before, so each of them took the place of something else.
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::ENOENT => Self::Absent,
            Errno::ELOOP | Errno::ENOTDIR | Errno::ENXIO => Self::Replaced,
            other => Self::Unreadable(other),
        }
    }
}

fn folder_flags() -> OFlag {
    OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC
}

fn kind(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT
}

fn regular(stat: &FileStat) -> Result<(), RefusedReason> {
    let kind = kind(stat);
    if kind == SFlag::S_IFREG {
        Ok(())
    } else if kind == SFlag::S_IFLNK {
        Err(RefusedReason::Symlink)
    } else if kind == SFlag::S_IFIFO {
        Err(RefusedReason::Fifo)
    } else if kind == SFlag::S_IFSOCK {
        Err(RefusedReason::Socket)
    } else if kind == SFlag::S_IFDIR {
        Err(RefusedReason::Replaced)
    } else {
        Err(RefusedReason::Device)
    }
}

/// Opens a folder below `root`, one component at a time: a symlink anywhere on the way is an error, so the way
/// cannot lead out. `path` is relative, has no `.` or `..`, and may be empty (`root` itself).
fn open_folder(root: &OwnedFd, path: &[u8]) -> Result<OwnedFd, RefusedReason> {
    let mut folder = openat(root, ".", folder_flags(), Mode::empty())?;
    for component in path.split(|byte| *byte == b'/').filter(|component| !component.is_empty()) {
        folder = openat(&folder, component, folder_flags(), Mode::empty())?;
    }
    Ok(folder)
}

/// Opens a regular file below `root` in the same way. Looks before it opens, because opening a device can already
/// do something; looks again afterwards, because only the open file cannot be replaced any more.
fn open_file(root: &OwnedFd, path: &[u8]) -> Result<(File, FileStat), RefusedReason> {
    let (folder, name) = match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => path.split_at(at),
        None => (&[][..], path),
    };
    let name = name.strip_prefix(b"/").unwrap_or(name);
    let folder = open_folder(root, folder)?;
    regular(&fstatat(&folder, name, AtFlags::AT_SYMLINK_NOFOLLOW)?)?;
    // O_NONBLOCK: should it have become a FIFO in between, the open returns instead of waiting for a writer
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let file = openat(&folder, name, flags, Mode::empty())?;
    let stat = fstat(file.as_fd())?;
    regular(&stat)?;
    Ok((File::from(file), stat))
}

/// A path for people and logs: printable ASCII as it is, every other byte (and the backslash) escaped.
fn escaped(path: &[u8]) -> String {
    path.escape_ascii().to_string()
}
