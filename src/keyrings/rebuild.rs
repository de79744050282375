//! Bringing the keyrings up to date: from the key repository to the set on disk, under the lock (keyrings.md 5).
//!
//! A rebuild leaves the new set beside the one in force and says `ready`; [`fetch_ready`] puts it in force. Whatever
//! fails, the set in force stays what it is.

use super::folder::{FolderError, read_folder};
use super::lockfile::{self, Lock, LockError, LockState};
use super::repository::{GitError, KeyRepository, RepositoryError};
use super::set::{KeyringSet, Source};
use super::store::{Store, StoreError};
use crate::config::{KeyRepositoryConfig, KeyringsConfig};
use crate::fsio::Purpose::Keyring as Disk;
use crate::random::random;
use scriptworker_core::openpgp::git::ObjectId;
use scriptworker_core::openpgp::{Keyring, SignaturePolicy};
use scriptworker_core::retry::Backoff;
use scriptworker_core::time::UnixMillis;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often a remote that is out of reach is asked (keyrings.md 5, step 6).
const ATTEMPTS: u32 = 5;
/// The pauses in between: 1 s, doubling.
const BETWEEN: Backoff = Backoff { base_ms: 1000, max_ms: 30_000, jitter_percent: 25 };

/// How a rebuild ended that did not fail.
#[derive(Debug)]
pub enum Rebuilt {
    /// Somebody else is at work, or a set waits to be swapped in: nothing was done.
    Busy(LockError),
    /// The newest state of the key repository is in force already.
    Unchanged(Source),
    /// A new set waits to be swapped in.
    Ready(Source),
}

/// Why keyrings could not be brought up to date. The set in force stays.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The configuration leaves something out.
    #[error("rebuild the keyrings: {key} is not set")]
    NotConfigured {
        /// The key.
        key: &'static str,
    },
    /// The lock cannot be read or written.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The keys that may sign the key repository cannot be read.
    #[error(transparent)]
    Signers(#[from] FolderError),
    /// The key repository gives no new keys.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// The set on disk cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The last good revision cannot be read or written.
    #[error("{action} the last good revision {}: {source}", path.display())]
    LastGood {
        /// What was tried.
        action: &'static str,
        /// Its file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file of the last good revision has something else in it.
    #[error("read the last good revision {}: expected the id of a commit, found {found:?}", path.display())]
    NoRevision {
        /// The file.
        path: PathBuf,
        /// The beginning of what it has.
        found: String,
    },
}

impl RebuildError {
    /// The stable code of the reason.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotConfigured { .. } => "config",
            Self::Lock(_) => "lock",
            Self::Signers(_) => "signer-keys",
            Self::Repository(error) => error.code(),
            Self::Store(_) => "store",
            Self::LastGood { .. } | Self::NoRevision { .. } => "last-good",
        }
    }

    /// Whether trying again may help by itself.
    pub fn is_transient(&self) -> bool {
        let Self::Repository(RepositoryError::Git(error)) = self else { return false };
        match error {
            GitError::Tool(_) => true,
            GitError::Failed { command, .. } => command == "fetch",
            GitError::Odd { .. }
            | GitError::Clone { .. }
            | GitError::NotADirectory { .. }
            | GitError::Url { .. } => false,
        }
    }
}

/// Looks at the key repository, and builds a new set when there is a newer state that may be trusted. `now` is the
/// current time. Blocks, for minutes when the remote is slow.
///
/// # Errors
/// When there is a newer state that may not be trusted, or something else is in the way.
pub fn rebuild(config: &KeyringsConfig, now: UnixMillis) -> Result<Rebuilt, RebuildError> {
    let missing = |key| RebuildError::NotConfigured { key };
    let store = Store::new(config.base.as_ref().ok_or(missing("base_gpg_home_dir"))?);
    let repository = config.repository.as_ref().ok_or(missing("git_key_repo_dir"))?;
    let lock = match Lock::build(&config.lockfile, now) {
        Ok(lock) => lock,
        Err(present @ LockError::Present { .. }) => return Ok(Rebuilt::Busy(present)),
        Err(error) => return Err(error.into()),
    };
    match build(config, &store, repository, now) {
        Ok(built @ Rebuilt::Ready(_)) => lock.ready(now).map(|()| built).map_err(Into::into),
        Ok(other) => lock.remove().map(|()| other).map_err(Into::into),
        Err(error) => {
            // the first error is the one to tell; a lock that stays is taken over by the next rebuild
            if let Err(stays) = lock.remove() {
                tracing::error!(error = %stays, "the lock stays");
            }
            Err(error)
        }
    }
}

fn build(
    config: &KeyringsConfig,
    store: &Store,
    repository: &KeyRepositoryConfig,
    now: UnixMillis,
) -> Result<Rebuilt, RebuildError> {
    store.recover()?;
    let signers = Keyring::flat(read_folder(&repository.signer_keys, &[])?, SignaturePolicy::default());
    let in_force = match store.load() {
        Ok(set) => Some(set),
        Err(StoreError::Absent { .. }) => None,
        Err(error) => {
            tracing::error!(%error, "the keyrings in force cannot be used: building them anew");
            None
        }
    };
    let last_good = read_last_good(&repository.last_good_file)?;
    let of_set = in_force.as_ref().and_then(|set| ObjectId::parse(&set.source().revision));
    let floors: Vec<ObjectId> = last_good.iter().cloned().chain(of_set).collect();
    let clone = KeyRepository::open(repository)?;
    fetch(&clone)?;
    let newest = clone.newest(&signers, &floors, now)?;
    let source = Source {
        revision: newest.commit().to_string(),
        tag: newest.tag().map(str::to_owned),
        signed_by: newest.signature().signer.clone(),
    };
    let is_new = in_force
        .is_none_or(|set| set.source().revision != source.revision || *set.layouts() != config.layouts);
    if is_new {
        let keys = clone.keys(&newest, &config.layouts)?;
        store.stage(&keys, &source, now)?;
    }
    clone.remember(&newest)?;
    if last_good.as_ref() != Some(newest.commit()) {
        write_last_good(&repository.last_good_file, newest.commit())?;
    }
    Ok(if is_new { Rebuilt::Ready(source) } else { Rebuilt::Unchanged(source) })
}

/// Fetches, again and again when the remote is out of reach.
fn fetch(clone: &KeyRepository) -> Result<(), RepositoryError> {
    let mut attempt = 1;
    loop {
        match clone.fetch() {
            Err(RepositoryError::Git(error @ GitError::Failed { .. })) if attempt < ATTEMPTS => {
                let pause = Duration::from_millis(BETWEEN.wait_ms(attempt, random()));
                tracing::warn!(%error, attempt, ?pause, "the key repository cannot be fetched; trying again");
                wait(pause);
                attempt += 1;
            }
            ended => return ended,
        }
    }
}

/// Waits. Nobody ever sends.
fn wait(pause: Duration) {
    let (_sender, never) = std::sync::mpsc::channel::<()>();
    let _ = never.recv_timeout(pause);
}

/// The revision in the file; `None` when there is no file, or nothing in it.
fn read_last_good(path: &Path) -> Result<Option<ObjectId>, RebuildError> {
    let text = match lockfile::read_small(path) {
        Ok(Some(bytes)) => String::from_utf8_lossy(&bytes).trim_end().to_owned(),
        Ok(None) => return Ok(None),
        Err(source) => {
            return Err(RebuildError::LastGood { action: "read", path: path.to_path_buf(), source });
        }
    };
    if text.is_empty() {
        return Ok(None);
    }
    let found = text.chars().take(80).collect();
    ObjectId::parse(&text).map(Some).ok_or(RebuildError::NoRevision { path: path.to_path_buf(), found })
}

fn write_last_good(path: &Path, revision: &ObjectId) -> Result<(), RebuildError> {
    let failed = |source| RebuildError::LastGood { action: "write", path: path.to_path_buf(), source };
    Disk.write_atomic(path, revision.as_str().as_bytes(), 0o644).map_err(failed)
}

/// Puts a set in force that waits to be swapped in, whoever built it; `None` when none waits. The lock is removed even
/// if the set is not whole: then the next rebuild makes a better one. Blocks.
///
/// # Errors
/// When the set that waits cannot be put in force. The one in force stays.
pub fn fetch_ready(config: &KeyringsConfig) -> Result<Option<KeyringSet>, RebuildError> {
    let base = config.base.as_ref().ok_or(RebuildError::NotConfigured { key: "base_gpg_home_dir" })?;
    let store = Store::new(base);
    let Some(lock) = Lock::fetch(&config.lockfile)? else { return Ok(None) };
    // without one it was put in force already, and only the lock is left
    let swapped = if store.has_staged() { store.swap().map(Some) } else { store.recover().map(|()| None) };
    lock.remove()?;
    Ok(swapped?)
}

/// Whether a set waits to be swapped in. Cheap.
pub fn is_ready(config: &KeyringsConfig) -> bool {
    matches!(Lock::look(&config.lockfile), Ok(LockState::Ready))
}
