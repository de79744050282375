//! The ledger of runs on the disk: `log_dir/runs.jsonl`, to which every run adds a line (docs/audit.md).
//!
//! A thread of its own writes, one line after the other, and forces each to the disk: nobody waits for that but a worker
//! that leaves. A line that cannot be written is told in the log and tried again with the next one, before it; a run
//! never fails for it.
//!
//! The head is kept in memory. So a file that somebody moved away is followed by one that goes on from its head, and a
//! file whose end somebody cut is not: the next line hangs on what is missing, and an audit finds that. A file whose end
//! is no ledger's is left alone until somebody moves it away.

use crate::fsio::{Purpose, WriteFile};
use scriptworker_core::ledger::{Entry, Head, LineError, RunRecord, Tail, TailError};
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

/// Who may read the ledger.
const MODE: u32 = 0o600;

/// Runs whose lines are not begun yet. One ends at a time: more wait only when the disk hangs.
const QUEUE: usize = 64;

/// Lines that could not be written and are kept for another attempt.
const WAITING: usize = 1000;

/// Where runs are noted. Clones write through the same thread.
#[derive(Debug, Clone)]
pub struct Ledger(SyncSender<Work>);

/// What the thread is given.
enum Work {
    /// Makes the record of a run.
    Note(Box<dyn FnOnce() -> RunRecord + Send>),
    /// Something that is dropped when everything before it is done.
    Flush(SyncSender<()>),
}

/// Why a line was not written.
#[derive(Debug, thiserror::Error)]
enum LedgerError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("expected a regular file")]
    NotAFile,
    #[error("{0}; it is left as it is, and lines are written again when it was moved away")]
    Foreign(#[from] Box<TailError>),
    #[error("{0}")]
    Line(#[from] Box<LineError>),
    #[error("only {written} of {length} bytes found room")]
    Short { written: usize, length: usize },
}

impl Ledger {
    /// Starts the thread, which looks at the file at once: a file that cannot be gone on with is told early.
    pub fn open(path: PathBuf) -> io::Result<Self> {
        let (work, queue) = sync_channel(QUEUE);
        std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || serve(Book::new(path), &queue))?;
        Ok(Self(work))
    }

    /// Notes a run that is over. Never waits; `record` is called on the ledger's thread, and may take its time.
    pub fn note(&self, record: impl FnOnce() -> RunRecord + Send + 'static) {
        let reason = match self.0.try_send(Work::Note(Box::new(record))) {
            Ok(()) => return,
            Err(TrySendError::Full(_)) => "the disk hangs",
            Err(TrySendError::Disconnected(_)) => "its thread is gone",
        };
        tracing::error!(reason, "a run is missing in the ledger");
    }

    /// Waits until everything is written, but no longer than that.
    pub fn flush(&self, most: Duration) {
        let (done, over) = sync_channel(0);
        // an error of either kind means that it is over: done, gone, or too late
        if self.0.try_send(Work::Flush(done)).is_ok() {
            let _ = over.recv_timeout(most);
        }
    }
}

fn serve(mut book: Book, queue: &Receiver<Work>) {
    book.look();
    for work in queue {
        match work {
            Work::Note(record) => book.note(record()),
            Work::Flush(done) => {
                book.write();
                drop(done);
            }
        }
    }
}

/// The file, and what is known of it.
struct Book {
    path: PathBuf,
    /// The last line that was written, or found at the start.
    head: Option<Head>,
    /// Runs that are not in the file yet.
    waiting: VecDeque<RunRecord>,
}

impl Book {
    fn new(path: PathBuf) -> Self {
        Self { path, head: None, waiting: VecDeque::new() }
    }

    /// What an earlier life left.
    fn look(&mut self) {
        let tail = fs::metadata(&self.path).map_err(LedgerError::from).and_then(|metadata| {
            // opening a pipe could wait for ever
            if metadata.is_file() { end_of(&File::open(&self.path)?) } else { Err(LedgerError::NotAFile) }
        });
        match tail {
            Ok(Tail { head: Some(head), .. }) => {
                tracing::info!(sequence = head.sequence, head = %head.digest, "the ledger of runs goes on");
                self.head = Some(head);
            }
            Ok(Tail { head: None, .. }) => {}
            Err(LedgerError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.complain(&error),
        }
    }

    fn note(&mut self, record: RunRecord) {
        if self.waiting.len() >= WAITING
            && let Some(lost) = self.waiting.pop_front()
        {
            tracing::error!(task = %lost.task_id, run = %lost.run_id, "the run is lost to the ledger");
        }
        self.waiting.push_back(record);
        self.write();
    }

    /// Writes what waits, as far as that goes.
    fn write(&mut self) {
        while let Some(record) = self.waiting.front() {
            if let Err(error) = self.write_one(record.clone()) {
                return self.complain(&error);
            }
            self.waiting.pop_front();
        }
    }

    fn write_one(&mut self, record: RunRecord) -> Result<(), LedgerError> {
        let mut file = Purpose::Ledger.append(&self.path, MODE)?;
        let tail = end_of(&File::from(file.as_fd().try_clone_to_owned()?))?;
        if tail.head != self.head
            && let (Some(expected), Some(found)) = (self.head, tail.head)
        {
            tracing::error!(expected = %expected.digest, found = %found.digest, "the ledger of runs is not as it was left");
        }
        let before = self.head.or(tail.head).unwrap_or(Head::START);
        let (task, run) = (record.task_id.clone(), record.run_id);
        let (line, head) = Entry::after(before, tail.torn, record).write().map_err(Box::new)?;
        append(&mut file, &format!("{}{line}\n", if tail.open { "\n" } else { "" }))?;
        self.head = Some(head);
        tracing::info!(%task, %run, sequence = head.sequence, head = %head.digest, "the run is in the ledger");
        // it is in the file, whatever becomes of it there
        if let Err(error) = file.sync() {
            self.complain(&error.into());
        }
        Ok(())
    }

    fn complain(&self, error: &LedgerError) {
        tracing::error!(path = %self.path.display(), %error, waiting = self.waiting.len(), "the ledger of runs cannot be written");
    }
}

/// In one write: what is cut short is the end of the file, and known as that.
fn append(file: &mut WriteFile, text: &str) -> Result<(), LedgerError> {
    match file.write(text.as_bytes())? {
        written if written < text.len() => Err(LedgerError::Short { written, length: text.len() }),
        _ => Ok(()),
    }
}

fn end_of(file: &File) -> Result<Tail, LedgerError> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(LedgerError::NotAFile);
    }
    let from = metadata.len().saturating_sub(Tail::BYTES);
    let mut bytes = vec![0; usize::try_from(metadata.len().saturating_sub(from)).unwrap_or(0)];
    file.read_exact_at(&mut bytes, from)?;
    Ok(Tail::of(&bytes, from == 0).map_err(Box::new)?)
}

#[cfg(test)]
mod tests;
