//! The file behind the log: appended to, reopened when somebody moved it, rotated when it is too large. A write that
//! fails is counted and forgotten: the log never fails the worker.

use crate::fsio::{Purpose, WriteFile};
use std::fs::{self, Metadata};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Who may read the log.
const MODE: u32 = 0o644;

/// How often the file is looked for.
const WATCH_EVERY: Duration = Duration::from_secs(1);

/// What keeps the file from growing for ever (worker.md 12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// Nothing: plain append.
    None,
    /// Somebody else moves it; it is reopened then.
    Watched,
    /// It becomes `worker.log.1`, `.2`, … before it would pass `max_bytes`.
    BySize {
        /// The greatest size, above 0.
        max_bytes: u64,
        /// How many old files are kept, above 0.
        backups: u32,
    },
}

/// An open log file.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    rotation: Rotation,
    open: Open,
    looked: Instant,
    failed_writes: u64,
}

#[derive(Debug)]
struct Open {
    file: WriteFile,
    identity: (u64, u64),
    size: u64,
}

/// Which file it is, whatever its name.
fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

fn open(path: &Path) -> io::Result<Open> {
    if let Some(dir) = path.parent() {
        Purpose::WorkerLog.create_dir_all(dir)?;
    }
    let file = Purpose::WorkerLog.append(path, MODE)?;
    let metadata = file.metadata()?;
    Ok(Open { file, identity: identity(&metadata), size: metadata.len() })
}

impl LogFile {
    pub(super) fn open(path: &Path, rotation: Rotation, now: Instant) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), rotation, open: open(path)?, looked: now, failed_writes: 0 })
    }

    /// Appends whole lines. A rotation by size may come between them.
    pub(super) fn append(&mut self, mut lines: &[u8], now: Instant) {
        while !lines.is_empty() {
            let (piece, rest) = lines.split_at(self.fitting(lines));
            self.append_piece(piece, now);
            lines = rest;
        }
    }

    /// How much of these lines goes into one file: as many whole ones as have room, and one at least.
    fn fitting(&self, lines: &[u8]) -> usize {
        let Rotation::BySize { max_bytes, .. } = self.rotation else { return lines.len() };
        let most = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let first = lines.iter().position(|byte| *byte == b'\n').map_or(lines.len(), |at| at + 1);
        // a file in which not even the first line has room is followed by an empty one
        let room = match most(max_bytes.saturating_sub(self.open.size)) {
            room if room < first => most(max_bytes),
            room => room,
        };
        let whole = lines
            .get(..room)
            .map_or(Some(lines.len()), |part| part.iter().rposition(|byte| *byte == b'\n').map(|at| at + 1));
        whole.unwrap_or(first)
    }

    fn append_piece(&mut self, lines: &[u8], now: Instant) {
        let prepared = match self.rotation {
            Rotation::None => Ok(()),
            Rotation::Watched => self.reopen_if_moved(now),
            Rotation::BySize { max_bytes, backups } => self.rotate_if_full(lines, max_bytes, backups),
        };
        // Where the preparation failed, the old file is still there to be written to.
        let written = self.open.file.write_all(lines);
        if prepared.is_err() || written.is_err() {
            self.failed_writes = self.failed_writes.saturating_add(1);
        }
        self.open.size = self.open.size.saturating_add(lines.len().try_into().unwrap_or(u64::MAX));
    }

    /// How many times something could not be written or reopened.
    pub(super) fn failed_writes(&self) -> u64 {
        self.failed_writes
    }

    /// Opens the file under its name anew; where that fails, the open one stays.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        self.open = open(&self.path)?;
        Ok(())
    }

    fn reopen_if_moved(&mut self, now: Instant) -> io::Result<()> {
        if now.saturating_duration_since(self.looked) < WATCH_EVERY {
            return Ok(());
        }
        self.looked = now;
        match fs::metadata(&self.path) {
            Ok(metadata) if identity(&metadata) == self.open.identity => Ok(()),
            _ => self.reopen(),
        }
    }

    fn rotate_if_full(&mut self, lines: &[u8], max_bytes: u64, backups: u32) -> io::Result<()> {
        let coming = u64::try_from(lines.len()).unwrap_or(u64::MAX);
        if self.open.size == 0 || self.open.size.saturating_add(coming) <= max_bytes {
            return Ok(());
        }
        let numbered = |number: u32| {
            let mut name = self.path.clone().into_os_string();
            name.push(format!(".{number}"));
            PathBuf::from(name)
        };
        // A rotation that came no further than this (the disk was full) is only completed: to begin again each time
        // would push one old file after the other out.
        if self.path.try_exists()? {
            Purpose::WorkerLog.remove_file(&numbered(backups))?;
            for number in (1..backups).rev() {
                match Purpose::WorkerLog.rename(&numbered(number), &numbered(number + 1)) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
            Purpose::WorkerLog.rename(&self.path, &numbered(1))?;
        }
        self.reopen()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fsio;
    use std::fs::File;

    fn content(path: &Path) -> String {
        io::read_to_string(File::open(path).unwrap()).unwrap()
    }

    #[test]
    fn creates_its_directory_and_appends() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("a/b/worker.log");
        let now = Instant::now();
        LogFile::open(&path, Rotation::None, now).unwrap().append(b"one\n", now);
        LogFile::open(&path, Rotation::None, now).unwrap().append(b"two\n", now);
        assert_eq!(content(&path), "one\ntwo\n");
    }

    #[test]
    fn a_moved_file_is_reopened_but_not_looked_for_all_the_time() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("logs/worker.log");
        let aside = temp.path().join("worker.log.1");
        let start = Instant::now();
        let mut log = LogFile::open(&path, Rotation::Watched, start).unwrap();
        log.append(b"one\n", start);
        fsio::rename(&path, &aside).unwrap();
        log.append(b"two\n", start + Duration::from_millis(999));
        log.append(b"three\n", start + Duration::from_millis(1001));
        assert_eq!((content(&aside), content(&path)), ("one\ntwo\n".into(), "three\n".into()));

        fsio::remove_file(&path).unwrap();
        log.append(b"four\n", start + Duration::from_millis(2500));
        assert_eq!(content(&path), "four\n");
        assert_eq!(log.failed_writes(), 0);
    }

    #[test]
    fn a_file_that_cannot_be_reopened_is_written_to_where_it_went() {
        let temp = tempfile::tempdir().unwrap();
        let (dir, aside) = (temp.path().join("logs"), temp.path().join("aside"));
        let start = Instant::now();
        let mut log = LogFile::open(&dir.join("worker.log"), Rotation::Watched, start).unwrap();
        log.append(b"one\n", start);
        fsio::rename(&dir, &aside).unwrap();
        let _in_the_way = fsio::append(&dir, MODE).unwrap();
        log.append(b"two\n", start + Duration::from_secs(2));
        assert_eq!((content(&aside.join("worker.log")).as_str(), log.failed_writes()), ("one\ntwo\n", 1));
        fsio::remove_file(&dir).unwrap();
        log.append(b"three\n", start + Duration::from_secs(4));
        assert_eq!((content(&dir.join("worker.log")).as_str(), log.failed_writes()), ("three\n", 1));
    }

    #[test]
    fn a_full_file_is_rotated_and_the_oldest_dropped() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("worker.log");
        let now = Instant::now();
        let rotation = Rotation::BySize { max_bytes: 10, backups: 2 };
        let mut log = LogFile::open(&path, rotation, now).unwrap();
        for line in ["aaaa\n", "bbbb\n", "cccc\n", "a line longer than that\n", "dddd\n"] {
            log.append(line.as_bytes(), now);
        }
        let file = |name: &str| content(&temp.path().join(name));
        assert_eq!(file("worker.log"), "dddd\n");
        assert_eq!(file("worker.log.1"), "a line longer than that\n");
        assert_eq!(file("worker.log.2"), "cccc\n");
        assert!(!temp.path().join("worker.log.3").exists());
        assert_eq!(log.failed_writes(), 0);
    }

    #[test]
    fn a_rotation_by_size_comes_between_lines_that_are_written_at_once() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("worker.log");
        let now = Instant::now();
        let rotation = Rotation::BySize { max_bytes: 10, backups: 9 };
        let mut log = LogFile::open(&path, rotation, now).unwrap();
        log.append(b"aaaa\n", now);
        log.append(b"bbbb\ncccc\ndd\na line longer than that\neeeeeeeee\nffff\ngggg", now);
        let file = |name: &str| content(&temp.path().join(name));
        let files = ["worker.log.4", "worker.log.3", "worker.log.2", "worker.log.1", "worker.log"].map(file);
        let expected =
            ["aaaa\nbbbb\n", "cccc\ndd\n", "a line longer than that\n", "eeeeeeeee\n", "ffff\ngggg"];
        assert_eq!(files, expected);
        assert!(!temp.path().join("worker.log.5").exists());
    }

    #[test]
    fn a_rotation_that_was_interrupted_is_completed_and_not_repeated() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("worker.log");
        let now = Instant::now();
        let mut log = LogFile::open(&path, Rotation::BySize { max_bytes: 5, backups: 2 }, now).unwrap();
        log.append(b"aaaa\n", now);
        log.append(b"bbbb\n", now);
        // as far as it comes when there is room for a new name but not for a new file
        fsio::rename(&temp.path().join("worker.log.1"), &temp.path().join("worker.log.2")).unwrap();
        fsio::rename(&path, &temp.path().join("worker.log.1")).unwrap();
        log.append(b"cccc\n", now);
        let file = |name: &str| content(&temp.path().join(name));
        assert_eq!(file("worker.log"), "cccc\n");
        assert_eq!((file("worker.log.1"), file("worker.log.2")), ("bbbb\n".into(), "aaaa\n".into()));
    }

    #[test]
    fn a_full_disk_is_counted_and_survived() {
        let now = Instant::now();
        let mut log = LogFile::open(Path::new("/dev/full"), Rotation::None, now).unwrap();
        log.append(b"lost\n", now);
        log.append(b"lost\n", now);
        assert_eq!(log.failed_writes(), 2);
    }
}
