//! The set of keyrings on disk: built beside, checked, swapped in as a whole (keyrings.md 2, 4.4 and K6).
//!
//! ```text
//! <base_gpg_home_dir>/index.json                         what belongs to the set, with a digest of each file
//! <base_gpg_home_dir>/docker-worker/FINGERPRINT.asc      a flat keyring
//! <base_gpg_home_dir>/scriptworker/trusted/…, valid/…    a signed one
//! <base_gpg_home_dir>.tmp                                the next set while it is built, and until it is swapped in
//! <base_gpg_home_dir>.old                                the set before this one
//! ```
//!
//! The index of a set is written when everything else is on the disk, and loading checks every file against it: a set
//! is whole, or it is none. Between the two renames of a swap there is no base directory; whoever loads then takes the
//! set that was about to be there, and the next one who changes something completes the swap.
//!
//! Only the holder of the [lock](super::Lock) changes anything here. All calls block.

use super::folder::{FileFault, read_file};
use super::index::{Index, KeyEntry, KeyringEntry, VERSION, folder, sha256};
use super::set::{KeyringSet, Keys, Source};
use crate::fsio::Purpose::Keyring as Disk;
use scriptworker_core::openpgp::{Certificate, Role};
use scriptworker_core::time::UnixMillis;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

const INDEX: &str = "index.json";
/// A key file is readable by its owner only, like everything around it.
const FILE_MODE: u32 = 0o600;

/// Where the set of keyrings is.
#[derive(Debug, Clone)]
pub struct Store {
    base: PathBuf,
}

/// Why there is no set of keyrings, or none that counts.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// None was ever built.
    #[error("find keyrings: {} does not exist; rebuild-keyrings makes it", base.display())]
    Absent {
        /// Where it should be.
        base: PathBuf,
    },
    /// Something cannot be read or written.
    #[error("{action} {}: {source}", path.display())]
    Disk {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The index does not make sense, or is of another version.
    #[error("read the index of the keyrings in {}: {source}", set.display())]
    Index {
        /// The directory of the set.
        set: PathBuf,
        /// The cause.
        source: serde_json::Error,
    },
    /// The index is of another version.
    #[error("read the index of the keyrings in {}: expected version {VERSION}, found {found}", set.display())]
    Version {
        /// The directory of the set.
        set: PathBuf,
        /// What it says.
        found: u32,
    },
    /// The index names a file in another place than where such a key belongs.
    #[error("read the index of the keyrings in {}: {file:?} is no place for a {role:?} key", set.display())]
    Misplaced {
        /// The directory of the set.
        set: PathBuf,
        /// What it says.
        file: String,
        /// What makes the key count.
        role: Role,
    },
    /// A key file is not what the index says.
    #[error("read the key {file} of the keyrings in {}: it is not the one that was put there", set.display())]
    Changed {
        /// The directory of the set.
        set: PathBuf,
        /// Its place.
        file: String,
    },
    /// A key file cannot be read, or is no key.
    #[error("read the key {file} of the keyrings in {}: {fault}", set.display())]
    Key {
        /// The directory of the set.
        set: PathBuf,
        /// Its place.
        file: String,
        /// Why not.
        fault: FileFault,
    },
}

fn disk(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_path_buf();
    move |source| StoreError::Disk { action, path, source }
}

impl Store {
    /// The set in this directory (`base_gpg_home_dir`).
    pub fn new(base: impl Into<PathBuf>) -> Self {
        Self { base: base.into() }
    }

    /// Where the next set is built.
    pub fn staged(&self) -> PathBuf {
        self.beside(".tmp")
    }

    /// Where the set before this one is.
    pub fn previous(&self) -> PathBuf {
        self.beside(".old")
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = OsString::from(&self.base);
        name.push(suffix);
        name.into()
    }

    /// Builds the next set beside, in place of whatever is there. When it returns, the set is on the disk.
    ///
    /// # Errors
    /// When something cannot be written: what is there then is no set.
    pub fn stage(
        &self,
        keys: &BTreeMap<String, Keys>,
        source: &Source,
        built: UnixMillis,
    ) -> Result<(), StoreError> {
        let staged = self.staged();
        Disk.remove_tree(&staged).map_err(disk("remove the unfinished keyrings", &staged))?;
        let parent = parent_of(&staged);
        Disk.create_dir_all(parent).map_err(disk("make the directory", parent))?;
        make_dir(&staged)?;
        let mut entries = BTreeMap::new();
        for (name, keys) in keys {
            entries.insert(name.clone(), write_keyring(&staged, name, keys)?);
        }
        let index = Index { version: VERSION, built, source: source.clone(), keyrings: entries };
        let mut text = serde_json::to_string_pretty(&index)
            .map_err(|source| StoreError::Index { set: staged.clone(), source })?;
        text.push('\n');
        let path = staged.join(INDEX);
        Disk.write_atomic(&path, text.as_bytes(), FILE_MODE).map_err(disk("write", &path))?;
        Disk.sync_dir(parent).map_err(disk("sync", parent))
    }

    /// Loads the set that is in force: the one in the base directory or, when a swap was cut short, the one that was
    /// about to be there, else the one before. Changes nothing.
    ///
    /// # Errors
    /// When there is none, or the one in the base directory is not whole.
    pub fn load(&self) -> Result<KeyringSet, StoreError> {
        match load_set(&self.base) {
            Err(StoreError::Absent { .. }) => {}
            loaded => return loaded,
        }
        let Some(next) = self.waiting() else {
            return Err(StoreError::Absent { base: self.base.clone() });
        };
        match load_set(&next) {
            // somebody completed the swap meanwhile
            Err(StoreError::Absent { .. }) => load_set(&self.base),
            loaded => loaded,
        }
    }

    /// The set that takes the place of a missing base directory: the next one if it is whole, else the one before.
    fn waiting(&self) -> Option<PathBuf> {
        [self.staged(), self.previous()].into_iter().find(|set| load_set(set).is_ok())
    }

    /// Whether there is a next set, whole or not.
    pub fn has_staged(&self) -> bool {
        self.staged().symlink_metadata().is_ok()
    }

    /// Puts the next set in force and keeps the one before beside it.
    ///
    /// # Errors
    /// When the next set is not whole, or cannot be put there; the one in force stays so.
    pub fn swap(&self) -> Result<KeyringSet, StoreError> {
        let (staged, previous) = (self.staged(), self.previous());
        let set = load_set(&staged)?;
        if self.base.symlink_metadata().is_ok() {
            Disk.remove_tree(&previous).map_err(disk("remove the older keyrings", &previous))?;
            Disk.rename(&self.base, &previous).map_err(disk("set aside the keyrings", &self.base))?;
        }
        if let Err(error) = Disk.rename(&staged, &self.base) {
            // the one before goes back; if that fails too, loading still finds a whole set
            let _ = Disk.rename(&previous, &self.base);
            return Err(disk("put in place the keyrings", &staged)(error));
        }
        let parent = parent_of(&self.base);
        Disk.sync_dir(parent).map_err(disk("sync", parent))?;
        Ok(set)
    }

    /// Completes a swap that was cut short between its two renames.
    ///
    /// # Errors
    /// When the set that waits cannot be put in place; loading finds it where it is.
    pub fn recover(&self) -> Result<(), StoreError> {
        if self.base.symlink_metadata().is_ok() {
            return Ok(());
        }
        let Some(waiting) = self.waiting() else { return Ok(()) };
        Disk.rename(&waiting, &self.base).map_err(disk("put in place the keyrings", &waiting))?;
        let parent = parent_of(&self.base);
        Disk.sync_dir(parent).map_err(disk("sync", parent))?;
        tracing::warn!(from = %waiting.display(), "the change of keyrings that was cut short is complete now");
        Ok(())
    }
}

fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn make_dir(path: &Path) -> Result<(), StoreError> {
    Disk.create_private_dir(path).map_err(disk("make the directory", path))
}

/// Writes the files of one keyring. Everything is on the disk when it returns, its own name excepted.
fn write_keyring(set: &Path, name: &str, keys: &Keys) -> Result<KeyringEntry, StoreError> {
    let (entry, contents) = KeyringEntry::of(name, keys);
    make_dir(&set.join(name))?;
    let mut folders: Vec<PathBuf> = [Role::Trusted, Role::Valid]
        .into_iter()
        .filter(|role| entry.knows(*role))
        .map(|role| set.join(folder(name, role)))
        .collect();
    for folder in &folders {
        make_dir(folder)?;
    }
    folders.push(set.join(name));
    for (key, content) in entry.keys.iter().zip(contents) {
        let path = set.join(&key.file);
        Disk.create_new(&path, FILE_MODE)
            .and_then(|mut file| {
                file.write_all(content.as_bytes())?;
                file.sync()
            })
            .map_err(disk("write", &path))?;
    }
    for folder in folders {
        Disk.sync_dir(&folder).map_err(disk("sync", &folder))?;
    }
    Ok(entry)
}

/// Loads the set in a directory. The directory is opened once, so a swap meanwhile does not mix two sets.
fn load_set(set: &Path) -> Result<KeyringSet, StoreError> {
    let folder = match File::open(set) {
        Ok(folder) => folder,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(StoreError::Absent { base: set.to_path_buf() });
        }
        Err(error) => return Err(disk("open", set)(error)),
    };
    let inside = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()));
    let of_key = |file: &str, fault| StoreError::Key { set: set.to_path_buf(), file: file.to_owned(), fault };
    let text = read_file(&inside.join(INDEX)).map_err(|fault| of_key(INDEX, fault))?;
    let index: Index = serde_json::from_slice(&text)
        .map_err(|source| StoreError::Index { set: set.to_path_buf(), source })?;
    if index.version != VERSION {
        return Err(StoreError::Version { set: set.to_path_buf(), found: index.version });
    }
    let mut all = BTreeMap::new();
    for (name, entry) in &index.keyrings {
        let mut keys = Keys { layout: entry.layout(), by_place: Vec::new(), by_certification: Vec::new() };
        for key in &entry.keys {
            if !entry.knows(key.role) || !key.is_in_place(name) {
                let file = key.file.clone();
                return Err(StoreError::Misplaced { set: set.to_path_buf(), file, role: key.role });
            }
            let content = read_file(&inside.join(&key.file)).map_err(|fault| of_key(&key.file, fault))?;
            let certificate = check(key, &content).map_err(|fault| match fault {
                Some(fault) => of_key(&key.file, fault),
                None => StoreError::Changed { set: set.to_path_buf(), file: key.file.clone() },
            })?;
            match key.role {
                Role::Flat | Role::Trusted => keys.by_place.push(certificate),
                Role::Valid => keys.by_certification.push(certificate),
            }
        }
        all.insert(name.clone(), keys);
    }
    Ok(KeyringSet::new(all, index.source, index.built))
}

/// The key in a file, if it is the one of the index.
fn check(entry: &KeyEntry, content: &[u8]) -> Result<Certificate, Option<FileFault>> {
    if sha256(content) != entry.sha256 {
        return Err(None);
    }
    let key = Certificate::parse(content).map_err(|error| Some(error.into()))?;
    if *key.fingerprint() == entry.fingerprint { Ok(key) } else { Err(None) }
}
