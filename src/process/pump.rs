//! The output pump: from the script's pipe to `live_backing.log`, byte for byte (worker.md 7.4).
//!
//! It runs on a thread of its own and waits for nothing but the pipe and that file, so the script never waits for the
//! worker. Memory is one buffer, whatever the length of a line, and the last 1 MiB of what the file did not take: when
//! it may not grow any more (`max_log_size`) or cannot be written (a full disk), the pipe is drained all the same,
//! because a log is not worth a release.
//!
//! The worker's own acts on the script (time-out, cancel, the final exit line) are lines of the same file, written by
//! the same thread, so they stand where they happened.

mod log;

use self::log::Log;
use crate::fsio::WriteFile;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// As much as a pipe holds by default.
const CHUNK: usize = 64 * 1024;

/// How much is still taken when finishing: more than a pipe holds, so that everything written until then is in the
/// log, and an end to it when somebody goes on writing.
const LAST_READS: u32 = 32;

/// What became of the output.
#[derive(Debug)]
pub struct PumpReport {
    /// Bytes in the file: the script's and the worker's own lines.
    pub bytes: u64,
    /// Bytes that could not be written.
    pub lost: u64,
    /// Bytes that were left out because of the greatest size of the log.
    pub left_out: u64,
    /// The output could not be read to its end: how much is missing is not known.
    pub cut: bool,
    /// The first error of the file or the pipe. The log may be complete all the same: when the disk worked again in
    /// time, nothing is lost.
    pub error: Option<io::Error>,
}

impl PumpReport {
    /// Whether the file has everything that it may have.
    pub fn is_complete(&self) -> bool {
        self.lost == 0 && !self.cut
    }
}

/// Why no more of the script's output follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Every process that held the pipe has closed it.
    AtEnd,
    /// The drain time after the script's end has passed, and a process that it left behind still holds the pipe.
    CutOff,
}

enum Command {
    Note(String),
    ScriptEnded(Duration),
    Finish,
}

/// A running pump. Dropped without [`Pump::finish`] it stops as if finished.
#[derive(Debug)]
pub struct Pump {
    commands: mpsc::Sender<Command>,
    wake: Arc<EventFd>,
    progress: Progress,
    drained: oneshot::Receiver<Drained>,
    /// The answer, once it was given.
    drained_as: Option<Drained>,
    report: oneshot::Receiver<PumpReport>,
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Note(_) => "Note",
            Self::ScriptEnded(_) => "ScriptEnded",
            Self::Finish => "Finish",
        })
    }
}

impl Pump {
    /// Starts pumping. Of the output, the file takes `max_bytes` at most, the beginning and the end, if that is given.
    /// Fails only when the system has no descriptor or thread left.
    pub fn start(output: OwnedFd, file: WriteFile, max_bytes: Option<u64>) -> io::Result<Self> {
        let wake = Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?);
        let (commands, inbox) = mpsc::channel();
        let (drained_tx, drained) = oneshot::channel();
        let (report_tx, report) = oneshot::channel();
        let progress = Progress::default();
        let worker = Worker {
            pipe: Some(output),
            log: Log::new(file, progress.clone(), max_bytes),
            inbox,
            wake: Arc::clone(&wake),
            drain_end: None,
            drained: Some(drained_tx),
        };
        std::thread::Builder::new().name("output-pump".to_owned()).spawn(move || {
            let _ = report_tx.send(worker.run());
        })?;
        Ok(Self { commands, wake, progress, drained, drained_as: None, report })
    }

    /// Appends a line of the worker's own, on a line of its own.
    pub fn note(&self, line: &str) {
        self.tell(Command::Note(line.to_owned()));
    }

    /// Tells that the script itself has ended: whatever still holds the pipe gets `drain` to finish.
    pub fn script_ended(&self, drain: Duration) {
        self.tell(Command::ScriptEnded(drain));
    }

    /// Resolves when no more of the script's output will be written. [`Pump::note`] still works then.
    pub async fn drained(&mut self) -> Drained {
        if let Some(known) = self.drained_as {
            return known;
        }
        // The sender goes unused only if the thread died: nothing more comes then either.
        let drained = (&mut self.drained).await.unwrap_or(Drained::AtEnd);
        *self.drained_as.insert(drained)
    }

    /// How far the file has got, for who follows it.
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Takes what is in the pipe at this moment, waits for no more, closes the file.
    pub async fn finish(mut self) -> PumpReport {
        self.tell(Command::Finish);
        (&mut self.report).await.unwrap_or_else(|_| PumpReport {
            bytes: 0,
            lost: 0,
            left_out: 0,
            cut: true,
            error: Some(io::Error::other("the output pump ended without a report")),
        })
    }

    fn tell(&self, command: Command) {
        // A pump whose thread has died reports that in `finish`.
        let _ = self.commands.send(command);
        let _ = self.wake.write(1);
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        self.tell(Command::Finish);
    }
}

/// How far a growing file has got.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<(Mutex<Length>, Condvar)>);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Length {
    bytes: u64,
    closed: bool,
}

impl Progress {
    /// Waits until the file is longer than `known` bytes or complete; returns its length, and whether that is final.
    pub(super) fn wait_beyond(&self, known: u64) -> (u64, bool) {
        let mut length = self.lock();
        while length.bytes <= known && !length.closed {
            length = self.0.1.wait(length).unwrap_or_else(PoisonError::into_inner);
        }
        (length.bytes, length.closed)
    }

    fn publish(&self, bytes: u64, closed: bool) {
        *self.lock() = Length { bytes, closed };
        self.0.1.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Length> {
        // Two plain numbers are never left half changed.
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread.
struct Worker {
    pipe: Option<OwnedFd>,
    log: Log,
    inbox: mpsc::Receiver<Command>,
    wake: Arc<EventFd>,
    drain_end: Option<Instant>,
    drained: Option<oneshot::Sender<Drained>>,
}

impl Worker {
    fn run(mut self) -> PumpReport {
        let mut chunk = vec![0; CHUNK];
        let mut finishing = false;
        let mut last_reads = LAST_READS;
        loop {
            // What the script wrote before the worker acted stands before the worker's line.
            let readable = self.wait(finishing);
            if readable {
                self.copy(&mut chunk);
            }
            if self.drain_end.is_some_and(|end| end <= Instant::now()) {
                self.no_more(Drained::CutOff);
            }
            finishing |= self.obey();
            if finishing {
                last_reads = last_reads.saturating_sub(1);
                if !readable || self.pipe.is_none() || last_reads == 0 {
                    break;
                }
            }
        }
        self.no_more(Drained::CutOff);
        self.log.close()
    }

    /// Waits for output or a command; `true`: there is output (or its end) to read.
    fn wait(&mut self, finishing: bool) -> bool {
        let timeout = match self.drain_end {
            _ if finishing => PollTimeout::ZERO,
            // Rounded up, or the last millisecond would be spent polling.
            Some(end) => PollTimeout::try_from(
                end.saturating_duration_since(Instant::now()).saturating_add(Duration::from_millis(1)),
            )
            .unwrap_or(PollTimeout::MAX),
            None => PollTimeout::NONE,
        };
        let wake = PollFd::new(self.wake.as_fd(), PollFlags::POLLIN);
        let readable = match &self.pipe {
            Some(pipe) => {
                let mut fds = [PollFd::new(pipe.as_fd(), PollFlags::POLLIN), wake];
                poll(&mut fds, timeout).map(|_| fds.first().and_then(PollFd::any).unwrap_or(true))
            }
            None => poll(&mut [wake], timeout).map(|_| false),
        };
        let _ = self.wake.read();
        match readable {
            Ok(readable) => readable,
            Err(Errno::EINTR) => false,
            // Without memory to poll with, a plain read waits for the script.
            Err(_) => self.pipe.is_some(),
        }
    }

    fn copy(&mut self, chunk: &mut [u8]) {
        let Some(pipe) = &self.pipe else { return };
        match nix::unistd::read(pipe, chunk) {
            Ok(0) => self.no_more(Drained::AtEnd),
            Ok(count) => self.log.write(chunk.get(..count).unwrap_or_default()),
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(errno) => {
                self.log.cut(errno.into());
                self.no_more(Drained::AtEnd);
            }
        }
    }

    /// Carries out every command that waits; `true`: finish.
    fn obey(&mut self) -> bool {
        loop {
            match self.inbox.try_recv() {
                Ok(Command::Note(line)) => self.log.note(&line),
                Ok(Command::ScriptEnded(drain)) => self.drain_end = Instant::now().checked_add(drain),
                Ok(Command::Finish) | Err(mpsc::TryRecvError::Disconnected) => return true,
                Err(mpsc::TryRecvError::Empty) => return false,
            }
        }
    }

    fn no_more(&mut self, how: Drained) {
        self.pipe = None;
        self.drain_end = None;
        self.log.settle();
        if let Some(drained) = self.drained.take() {
            let _ = drained.send(how);
        }
    }
}
