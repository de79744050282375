//! Removing files and whole trees.
//!
//! A tree to remove was made by a script, so its shape is hostile input: read-only directories, links to anywhere,
//! nesting deeper than any stack or descriptor limit, entries that vanish while it is walked. [`remove_tree`]
//! therefore works on directory descriptors opened without following links, holds two of them at most, and never
//! recurses: a non-empty directory below the top is moved up into the top and dealt with there.
#![expect(clippy::disallowed_methods, reason = "this is the one place that the bans point to")]

use super::fault::{self, Operation, Purpose};
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat, renameat};
use nix::sys::stat::{Mode, fstat};
use nix::unistd::{UnlinkatFlags, unlinkat};
use std::ffi::{CStr, CString};
use std::fs::Permissions;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// How often a top directory that fills up again is emptied anew before giving up.
const ROUNDS_AGAINST_NEW_ENTRIES: u32 = 16;

impl Purpose {
    /// Removes a file or a symbolic link (the link itself). Absent is fine; a directory is an error.
    pub fn remove_file(self, path: &Path) -> io::Result<()> {
        fault::point(self, Operation::Remove)?;
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Removes whatever is there: a file, a link (never what it points to), or a directory with everything below it.
    /// Absent is fine.
    ///
    /// Directories without read, write or search permission are given it (they are ours to remove). It goes on past
    /// what it cannot remove and returns the first such error at the end.
    pub fn remove_tree(self, path: &Path) -> io::Result<()> {
        fault::point(self, Operation::Remove)?;
        match std::fs::remove_file(path) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            // Linux answers EISDIR for a directory; POSIX would also allow EPERM.
            Err(error) if !matches!(error.raw_os_error(), Some(nix::libc::EISDIR | nix::libc::EPERM)) => {
                return Err(error);
            }
            Err(_) => {}
        }
        // Most of what is wiped is empty already. Whatever else this says, the long way finds out and says it better.
        if let Ok(()) | Err(Errno::ENOENT) = unlinkat(AT_FDCWD, path, UnlinkatFlags::RemoveDir) {
            return Ok(());
        }
        let top = match open_dir(AT_FDCWD, path) {
            Ok(top) => top,
            Err(Errno::ENOENT) => return Ok(()),
            Err(errno) => return Err(errno.into()),
        };
        let mut top = Top { folder: top, purpose: self, fresh: 0 };
        for _ in 0..ROUNDS_AGAINST_NEW_ENTRIES {
            empty(&mut top)?;
            match unlinkat(AT_FDCWD, path, UnlinkatFlags::RemoveDir) {
                Ok(()) | Err(Errno::ENOENT) => return Ok(()),
                Err(Errno::ENOTEMPTY | Errno::EEXIST) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Err(Errno::ENOTEMPTY.into())
    }
}

/// [`Purpose::remove_file`] for [`Purpose::Other`].
pub fn remove_file(path: &Path) -> io::Result<()> {
    Purpose::Other.remove_file(path)
}

/// [`Purpose::remove_tree`] for [`Purpose::Other`].
pub fn remove_tree(path: &Path) -> io::Result<()> {
    Purpose::Other.remove_tree(path)
}

/// The directory that is being emptied.
struct Top {
    folder: OwnedFd,
    purpose: Purpose,
    /// Counts the names that were given to directories that moved up.
    fresh: u64,
}

/// Passes over the top directory until it is empty, or until a pass gets nothing done.
fn empty(top: &mut Top) -> io::Result<()> {
    loop {
        let mut first_error = None;
        let mut progress = false;
        for name in names(&top.folder)? {
            match remove_entry(None, &name, top) {
                Ok(()) => progress = true,
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        match (progress, first_error) {
            (true, _) => {}
            (false, Some(error)) => return Err(error),
            (false, None) => return Ok(()),
        }
    }
}

/// Removes one entry of `parent` (of the top, if there is none). A directory that is not empty is emptied one level
/// deep if it is an entry of the top, else moved into the top.
fn remove_entry(parent: Option<&OwnedFd>, name: &CStr, top: &mut Top) -> io::Result<()> {
    fault::point(top.purpose, Operation::Remove)?;
    let folder = parent.unwrap_or(&top.folder);
    match unlinkat(folder, name, UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => return Ok(()),
        Err(Errno::EISDIR | Errno::EPERM) => {}
        Err(errno) => return Err(errno.into()),
    }
    match unlinkat(folder, name, UnlinkatFlags::RemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => return Ok(()),
        Err(Errno::ENOTEMPTY | Errno::EEXIST) => {}
        // Not a directory after all: the file of before is what cannot be removed (an immutable one, say).
        Err(Errno::ENOTDIR) => return Err(Errno::EPERM.into()),
        Err(errno) => return Err(errno.into()),
    }
    let dir = match open_dir(folder, name) {
        Ok(dir) => dir,
        Err(Errno::ENOENT) => return Ok(()),
        Err(errno) => return Err(errno.into()),
    };
    if let Some(parent) = parent {
        drop(dir); // opened only to be sure of write permission, which moving a directory needs
        return move_up(parent, name, top);
    }
    let mut first_error = None;
    for child in names(&dir)? {
        if let Err(error) = remove_entry(Some(&dir), &child, top) {
            first_error = first_error.or(Some(error));
        }
    }
    match unlinkat(&top.folder, name, UnlinkatFlags::RemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => Ok(()),
        Err(errno) => Err(first_error.unwrap_or_else(|| errno.into())),
    }
}

/// Moves a directory into the top under a name that is free there.
fn move_up(parent: &OwnedFd, name: &CStr, top: &mut Top) -> io::Result<()> {
    loop {
        top.fresh = top.fresh.saturating_add(1);
        let free = CString::new(format!(".removing-{}", top.fresh))?;
        match renameat(parent, name, &top.folder, free.as_c_str()) {
            Ok(()) | Err(Errno::ENOENT) => return Ok(()),
            Err(Errno::ENOTEMPTY | Errno::EEXIST | Errno::ENOTDIR) => {} // taken: the next number
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// The names in a directory, without `.` and `..`.
fn names(dir: &OwnedFd) -> io::Result<Vec<CString>> {
    // An open of `.` has a read position of its own, so each pass starts at the beginning.
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let mut stream = match Dir::openat(dir, c".", flags, Mode::empty()) {
        Ok(stream) => stream,
        Err(Errno::ENOENT) => return Ok(Vec::new()), // the directory itself was removed meanwhile
        Err(errno) => return Err(errno.into()),
    };
    let mut names = Vec::new();
    for entry in stream.iter() {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// Opens a directory (never through a link) and makes sure that its owner may read, change and search it.
fn open_dir<P: nix::NixPath + ?Sized>(parent: impl AsFd, name: &P) -> Result<OwnedFd, Errno> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    // O_PATH needs no permission on the directory itself.
    let handle = openat(&parent, name, flags | OFlag::O_PATH, Mode::empty())?;
    let mode = fstat(&handle)?.st_mode;
    if mode & 0o700 != 0o700 {
        // fchmod refuses an O_PATH descriptor; the link in /proc leads to exactly the opened directory.
        let link = format!("/proc/self/fd/{}", handle.as_raw_fd());
        // When it is not ours to change, the operation that needs the permission says so.
        let _ = std::fs::set_permissions(link, Permissions::from_mode(mode & 0o7777 | 0o700));
    }
    openat(&handle, c".", OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn absent_is_fine() {
        let dir = tempfile::tempdir().unwrap();
        remove_file(&dir.path().join("x")).unwrap();
        remove_tree(&dir.path().join("x/y")).unwrap();
        assert!(remove_file(dir.path()).is_err());
    }

    #[test]
    fn removes_files_and_nested_directories() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().join("top");
        for path in ["a/b/c/d", "a/b/e", "f/.removing-1/x", "f/.removing-2", ".removing-1/y"] {
            fs::create_dir_all(top.join(path)).unwrap();
        }
        fs::write(top.join(".removing-3"), "a file in the way").unwrap();
        fs::write(top.join("a/b/c/d/file"), "x").unwrap();
        fs::write(top.join("f/.removing-1/x/file"), "x").unwrap();
        remove_tree(&top).unwrap();
        assert!(!top.exists());
        fs::write(&top, "a file").unwrap();
        remove_tree(&top).unwrap();
        assert!(!top.exists());
    }

    #[test]
    fn links_are_removed_and_never_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (kept, top) = (dir.path().join("kept"), dir.path().join("top"));
        fs::create_dir_all(kept.join("inside")).unwrap();
        fs::write(kept.join("inside/file"), "kept").unwrap();
        fs::create_dir_all(top.join("deep")).unwrap();
        symlink(&kept, top.join("link")).unwrap();
        symlink(&kept, top.join("deep/link")).unwrap();
        symlink("nowhere", top.join("deep/dangling")).unwrap();
        remove_tree(&top).unwrap();
        assert!(!top.exists());
        symlink(&kept, &top).unwrap();
        remove_tree(&top).unwrap();
        assert!(fs::symlink_metadata(&top).is_err());
        assert_eq!(fs::read(kept.join("inside/file")).unwrap(), b"kept");
    }

    #[test]
    fn deeper_than_paths_and_descriptors_allow() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().join("top");
        fs::create_dir(&top).unwrap();
        let mut at = open_dir(AT_FDCWD, &top).unwrap();
        for _ in 0..2000 {
            nix::sys::stat::mkdirat(&at, c"deeper", Mode::from_bits_truncate(0o755)).unwrap();
            at = open_dir(&at, c"deeper").unwrap();
        }
        drop(at);
        remove_tree(&top).unwrap();
        assert!(!top.exists());
    }

    #[test]
    fn directories_without_permissions_are_opened_up() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().join("top");
        let locked = ["a/locked/inside", "a", ""];
        fs::create_dir_all(top.join("a/locked/inside")).unwrap();
        fs::write(top.join("a/locked/inside/file"), "x").unwrap();
        for path in locked {
            fs::set_permissions(top.join(path), Permissions::from_mode(0o000)).unwrap();
        }
        // Root may do everything anyway: the permissions themselves are what is looked at.
        let opened = open_dir(AT_FDCWD, &top).unwrap();
        assert_eq!(fstat(&opened).unwrap().st_mode & 0o777, 0o700);
        remove_tree(&top).unwrap();
        assert!(!top.exists());
    }

    #[test]
    fn entries_that_vanish_meanwhile_are_fine() {
        let dir = tempfile::tempdir().unwrap();
        for _ in 0..20 {
            let top = dir.path().join("top");
            for n in 0..50 {
                fs::create_dir_all(top.join(format!("d{n}/e/f"))).unwrap();
                fs::write(top.join(format!("d{n}/e/file")), "x").unwrap();
            }
            std::thread::scope(|scope| {
                let workers: Vec<_> = (0..3).map(|_| scope.spawn(|| remove_tree(&top))).collect();
                for worker in workers {
                    worker.join().unwrap().unwrap();
                }
            });
            assert!(!top.exists());
        }
    }
}
