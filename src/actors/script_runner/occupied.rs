//! One process at a time works in a `work_dir`: each wipes it around every task, and what the other works with, too.

use super::directories::{DirectoryError, at};
use crate::config::Config;
use crate::fsio::{Lock, LockError, Purpose};
use std::io;
use std::path::{Path, PathBuf};

/// Why a work directory is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum OccupyError {
    /// Another scriptworker works there.
    #[error("{} is in use by another scriptworker{}: it would be wiped under its script", work_dir.display(), pid(*holder))]
    InUse {
        /// The directory.
        work_dir: PathBuf,
        /// The process, if it is known.
        holder: Option<u32>,
    },
    /// The file that says so cannot be made.
    #[error(transparent)]
    Lock(#[from] DirectoryError),
}

fn pid(holder: Option<u32>) -> String {
    holder.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}

/// Keeps every other scriptworker of this machine out of `work_dir` until the lock is dropped. Blocks.
///
/// Where the file system knows no locks there is none, and a line of the log says so.
pub fn occupy(config: &Config) -> Result<Option<Lock>, OccupyError> {
    let work_dir = &config.work_dir;
    let path = lock_file(work_dir).map_err(at("make a lock for", work_dir))?;
    match Purpose::Lock.lock(&path) {
        Ok(lock) => Ok(Some(lock)),
        Err(LockError::Held(holder)) => Err(OccupyError::InUse { work_dir: work_dir.clone(), holder }),
        Err(LockError::NotSupported(error)) => {
            tracing::warn!(path = %path.display(), %error, "nothing keeps another worker out of work_dir: it cannot be locked");
            Ok(None)
        }
        Err(LockError::File(error)) => Err(at("lock", &path)(error).into()),
    }
}

/// Beside the directory, which is removed and made anew for every task; by its real place, whatever links lead there.
fn lock_file(work_dir: &Path) -> io::Result<PathBuf> {
    let (Some(parent), Some(name)) = (work_dir.parent(), work_dir.file_name()) else {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    };
    Purpose::Lock.create_dir_all(parent)?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(".lock");
    Ok(parent.canonicalize()?.join(hidden))
}
