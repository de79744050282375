//! The lock between whoever rebuilds keyrings and the worker that uses them (keyrings.md 5.1).
//!
//! `gpg_lockfile` is what others see, as always: absent, `locked:<unix time>` or `ready:<unix time>`. Its name alone
//! cannot tell a rebuilder at work from one that was killed, so beside it there is `<gpg_lockfile>.pid`: whoever works
//! holds a lock of the system on that file, which ends with the process however it ends, and writes its pid into it
//! before it makes `gpg_lockfile`. A pid that is still there when the system's lock is free was left by one that died,
//! and so was its `locked`. A `locked` without a pid is somebody else's: it counts as left behind after an hour.

use crate::fsio::Purpose::Keyring as Disk;
use crate::fsio::WriteFile;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::sys::stat::Mode;
use scriptworker_core::time::UnixMillis;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// How old a `locked` has to be that nobody of ours made, before it counts as left behind.
const STALE_AFTER_MS: i64 = 3600 * 1000;
/// More than any lock file says.
const MOST_BYTES: u64 = 4096;

/// What the lock file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockState {
    /// There is none: nobody is at work, nothing waits.
    Absent,
    /// A set is being built.
    Locked,
    /// A set waits to be swapped in.
    Ready,
    /// Anything else, the text before the first colon: somebody may just be writing it.
    Other(String),
}

/// Why the lock cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody is at work, or a set waits.
    #[error("lock the keyrings: {} is there and says {state:?}{}", path.display(), held_by(.holder))]
    Present {
        /// The lock file.
        path: PathBuf,
        /// What it says.
        state: LockState,
        /// The process that is at work, when it is known.
        holder: Option<u32>,
    },
    /// It cannot be read or written.
    #[error("{action} the lock {}: {source}", path.display())]
    Disk {
        /// What was tried.
        action: &'static str,
        /// The lock file, or the one beside it.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

fn held_by(holder: &Option<u32>) -> String {
    holder.map_or_else(String::new, |pid| format!(" (process {pid} is at work)"))
}

/// The lock in the hands of this process. Dropping it lets go of the system's lock and leaves the files as they are.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    pid_path: PathBuf,
    pid_file: WriteFile,
}

fn disk(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LockError {
    let path = path.to_path_buf();
    move |source| LockError::Disk { action, path, source }
}

impl Lock {
    /// What the lock file says. Changes nothing.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn look(path: &Path) -> Result<LockState, LockError> {
        let Some(text) = read(path).map_err(disk("read", path))? else { return Ok(LockState::Absent) };
        Ok(match text.split(':').next().unwrap_or_default() {
            "locked" => LockState::Locked,
            "ready" => LockState::Ready,
            other => LockState::Other(other.escape_debug().to_string()),
        })
    }

    /// Takes the lock to build a set: the lock file says `locked` from now on.
    ///
    /// # Errors
    /// [`LockError::Present`] when somebody is at work or a set waits.
    pub fn build(path: &Path, now: UnixMillis) -> Result<Self, LockError> {
        let lock = Self::hold(path)?;
        match Self::look(path)? {
            LockState::Absent => {}
            LockState::Ready => return Err(lock.present(LockState::Ready)),
            state => lock.take_over(state, now)?,
        }
        let pid = std::process::id().to_string();
        let pid_path = &lock.pid_path;
        lock.pid_file.set_len(0).map_err(disk("write", pid_path))?;
        lock.pid_file.write_all_at(pid.as_bytes(), 0).map_err(disk("write", pid_path))?;
        let text = text("locked", now);
        Disk.create_new(path, 0o644)
            .and_then(|file| file.write_all_at(text.as_bytes(), 0))
            .map_err(disk("make", path))?;
        Ok(lock)
    }

    /// Takes the lock to swap in a set that waits; `None` when none waits, or somebody is at work.
    ///
    /// # Errors
    /// When the lock cannot be looked at.
    pub fn fetch(path: &Path) -> Result<Option<Self>, LockError> {
        if Self::look(path)? != LockState::Ready {
            return Ok(None);
        }
        match Self::hold(path) {
            // somebody may have been quicker
            Ok(lock) => Ok((Self::look(path)? == LockState::Ready).then_some(lock)),
            Err(LockError::Present { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Holds the lock of the system.
    fn hold(path: &Path) -> Result<Self, LockError> {
        let mut pid_path = OsString::from(path);
        pid_path.push(".pid");
        let pid_path = PathBuf::from(pid_path);
        let pid_file = Disk.append(&pid_path, 0o644).map_err(disk("open", &pid_path))?;
        if pid_file.try_lock().map_err(disk("lock", &pid_path))? {
            return Ok(Self { path: path.to_path_buf(), pid_path, pid_file });
        }
        let holder = recorded(&pid_path)?;
        Err(LockError::Present { path: path.to_path_buf(), state: Self::look(path)?, holder })
    }

    fn present(&self, state: LockState) -> LockError {
        LockError::Present { path: self.path.clone(), state, holder: None }
    }

    /// Removes a lock file whose maker is gone, as far as that can be known.
    fn take_over(&self, state: LockState, now: UnixMillis) -> Result<(), LockError> {
        let died = recorded(&self.pid_path)?;
        if died.is_none() && !is_old(&self.path, now) {
            return Err(self.present(state));
        }
        tracing::warn!(path = %self.path.display(), ?state, pid = died, "removing a lock that was left behind");
        Disk.remove_file(&self.path).map_err(disk("remove", &self.path))
    }

    /// Says that a set waits to be swapped in.
    ///
    /// # Errors
    /// When that cannot be written: the lock file still says `locked`.
    pub fn ready(self, now: UnixMillis) -> Result<(), LockError> {
        let text = text("ready", now);
        Disk.write_atomic(&self.path, text.as_bytes(), 0o644).map_err(disk("write", &self.path))?;
        self.forget()
    }

    /// Removes the lock file.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(self) -> Result<(), LockError> {
        Disk.remove_file(&self.path).map_err(disk("remove", &self.path))?;
        self.forget()
    }

    fn forget(&self) -> Result<(), LockError> {
        self.pid_file.set_len(0).map_err(disk("write", &self.pid_path))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // closing the file, which comes next, does it as well, if a little later at times
        let _ = self.pid_file.unlock();
    }
}

fn text(state: &str, now: UnixMillis) -> String {
    format!("{state}:{}", now.0.div_euclid(1000))
}

/// The pid in the file beside the lock.
fn recorded(path: &Path) -> Result<Option<u32>, LockError> {
    let text = read(path).map_err(disk("read", path))?;
    Ok(text.and_then(|text| text.trim().parse().ok()))
}

/// Whether the lock file was not touched for a long time. One that is gone meanwhile is old enough.
fn is_old(path: &Path, now: UnixMillis) -> bool {
    let Ok(changed) = path.metadata().and_then(|metadata| metadata.modified()) else { return true };
    let changed = changed.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_millis();
    now.since(UnixMillis(i64::try_from(changed).unwrap_or(i64::MAX))) > STALE_AFTER_MS
}

fn read(path: &Path) -> io::Result<Option<String>> {
    Ok(read_small(path)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// The beginning of a small file; `None` when there is none. Only a regular file is read: a pipe in its place must not
/// hold whoever looks.
pub(super) fn read_small(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let file: File = match openat(AT_FDCWD, path, flags, Mode::empty()) {
        Ok(open) => open.into(),
        Err(Errno::ENOENT) => return Ok(None),
        Err(errno) => return Err(errno.into()),
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(MOST_BYTES).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests write files of their own")]
mod tests {
    use super::*;

    const HOUR: i64 = 3600 * 1000;

    fn now() -> UnixMillis {
        UnixMillis(chrono::Utc::now().timestamp_millis())
    }

    #[test]
    fn a_pipe_in_the_place_of_the_lock_holds_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        nix::unistd::mkfifo(&path, Mode::from_bits_truncate(0o600)).unwrap();
        assert!(matches!(Lock::look(&path), Err(LockError::Disk { action: "read", .. })));
    }

    #[test]
    fn goes_through_the_three_states() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gpg_homedir.lock");
        assert_eq!(Lock::look(&path).unwrap(), LockState::Absent);
        assert!(Lock::fetch(&path).unwrap().is_none());
        let lock = Lock::build(&path, UnixMillis(1_472_242_430_999)).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "locked:1472242430");
        let pid = std::fs::read_to_string(dir.path().join("gpg_homedir.lock.pid")).unwrap();
        assert_eq!(pid, std::process::id().to_string());
        let busy = Lock::build(&path, now().plus(10 * HOUR));
        let me = std::process::id();
        assert!(
            matches!(&busy, Err(LockError::Present { state: LockState::Locked, holder: Some(pid), .. }) if *pid == me),
            "{busy:?}"
        );
        assert!(Lock::fetch(&path).unwrap().is_none(), "nothing waits yet");
        lock.ready(UnixMillis(1_472_242_431_000)).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "ready:1472242431");
        let waits = Lock::build(&path, now().plus(10 * HOUR));
        assert!(matches!(waits, Err(LockError::Present { state: LockState::Ready, .. })), "whatever its age");
        let lock = Lock::fetch(&path).unwrap().unwrap();
        assert!(Lock::fetch(&path).unwrap().is_none(), "one of them only");
        lock.remove().unwrap();
        assert_eq!(Lock::look(&path).unwrap(), LockState::Absent);
        Lock::build(&path, now()).unwrap().remove().unwrap();
    }

    #[test]
    fn a_lock_whose_maker_died_is_taken_over_at_once_and_a_strangers_after_an_hour() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        for left in ["locked:1", "", "lock"] {
            // as `kill -9` leaves it: the system's lock is gone, the files are there
            std::fs::write(&path, left).unwrap();
            std::fs::write(dir.path().join("lock.pid"), "7").unwrap();
            Lock::build(&path, now()).unwrap().remove().unwrap();

            std::fs::write(&path, left).unwrap();
            let young = Lock::build(&path, now());
            assert!(matches!(young, Err(LockError::Present { holder: None, .. })), "{left:?} {young:?}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), left);
            Lock::build(&path, now().plus(HOUR + 60_000)).unwrap().remove().unwrap();
        }
    }

    #[test]
    fn what_cannot_be_read_is_no_free_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        std::fs::create_dir(&path).unwrap();
        assert!(matches!(Lock::build(&path, now()), Err(LockError::Disk { .. })));
        assert!(matches!(Lock::fetch(&path), Err(LockError::Disk { .. })));
    }
}
