//! The worker's own log: `<log_dir>/worker.log`, with a copy on stderr when `verbose` (worker.md 12).
//!
//! Lines come from `tracing` events, or in bulk through [`LogHandle::append_lines`] for the output of scripts. One
//! event is one line, whatever its message holds: control characters are escaped, so nothing can forge a line.
//!
//! Who logs an event only queues the line and never waits; the file and the copy are each written by a thread of their
//! own. When one of them is too slow for its queue, lines are lost there, and a line says how many.

use super::bridge;
use super::event::EventText;
use super::format::{LineFormat, Record};
use super::log_file::LogFile;
use super::outlet::{Full, Haste, Outlet, Output};
use chrono::Local;
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock, mpsc};
use std::time::{Duration, Instant};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;

pub use super::log_file::Rotation;

/// Crates whose chatter below a warning is about themselves; `pgp` would print packets of keys.
const QUIET: [&str; 10] = ["actix", "awc", "h2", "hickory", "hyper", "mio", "pgp", "rustls", "tokio", "want"];

/// Script output is queued in pieces of about this size.
const PIECE: usize = 64 * 1024;

/// How long script output waits for a copy that takes nothing at all.
const STALLED: Duration = Duration::from_secs(1);

/// What the copy is given at once: as much as a pipe takes without tearing it (`PIPE_BUF`).
const COPIED_AT_ONCE: usize = 4096;

/// The log of this process.
static CURRENT: OnceLock<LogHandle> = OnceLock::new();

/// How to log.
#[derive(Debug, Clone)]
pub struct LogSettings {
    /// The file; its directory is made when it is missing.
    pub path: PathBuf,
    /// The format of a line.
    pub format: LineFormat,
    /// Level DEBUG instead of INFO, and a copy to stderr.
    pub verbose: bool,
    /// What keeps the file from growing for ever.
    pub rotation: Rotation,
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file cannot be opened.
    #[error("failed to open the log {path}: {source}", path = path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// stderr cannot be had, or there is no thread for one of the outputs.
    #[error("failed to start the log: {0}")]
    Start(#[source] io::Error),
    /// This process logs already.
    #[error("failed to start the log: this process has one already")]
    AlreadyLogging,
}

/// The open log. Clones write to the same file.
#[derive(Clone)]
pub struct LogHandle(Arc<Sink>);

pub(super) struct Sink {
    pub(super) format: LineFormat,
    level: LevelFilter,
    file: Outlet<LogFile>,
    copy: Option<Outlet<Copied>>,
}

impl Output for LogFile {
    fn write(&mut self, lines: &str, progress: &mut dyn FnMut()) {
        self.append(lines.as_bytes(), Instant::now());
        progress();
    }

    fn failed_writes(&self) -> u64 {
        LogFile::failed_writes(self)
    }
}

struct Copied {
    to: Box<dyn Write + Send>,
    failed: u64,
}

impl Output for Copied {
    fn write(&mut self, lines: &str, progress: &mut dyn FnMut()) {
        for piece in lines.as_bytes().chunks(COPIED_AT_ONCE) {
            if self.to.write_all(piece).is_err() {
                self.failed = self.failed.saturating_add(1);
                return;
            }
            progress();
        }
    }

    fn failed_writes(&self) -> u64 {
        self.failed
    }
}

impl fmt::Debug for LogHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogHandle").field("level", &self.0.level).finish_non_exhaustive()
    }
}

/// Opens the log and makes it the one of this process.
///
/// # Errors
/// When the file cannot be opened, a thread cannot be started, or the process logs already.
pub fn init(settings: &LogSettings) -> Result<LogHandle, LogError> {
    let copy = if settings.verbose { Some(stderr().map_err(LogError::Start)?) } else { None };
    let handle = LogHandle::open(settings, copy)?;
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(handle.layer()))
        .map_err(|_| LogError::AlreadyLogging)?;
    bridge::install(Arc::clone(&handle.0)).map_err(|_| LogError::AlreadyLogging)?;
    CURRENT.set(handle.clone()).map_err(|_| LogError::AlreadyLogging)?;
    Ok(handle)
}

/// The log of this process, once [`init`] has made it.
pub fn current() -> Option<&'static LogHandle> {
    CURRENT.get()
}

/// stderr without the lock of the standard library: whoever else prints there does not wait for a stalled copy.
fn stderr() -> io::Result<Box<dyn Write + Send>> {
    Ok(Box::new(File::from(io::stderr().as_fd().try_clone_to_owned()?)))
}

impl LogHandle {
    /// Opens the log without making it the one of the process; every line is copied to `copy`.
    ///
    /// # Errors
    /// When the file cannot be opened, or a thread cannot be started.
    pub fn open(settings: &LogSettings, copy: Option<Box<dyn Write + Send>>) -> Result<Self, LogError> {
        let file = LogFile::open(&settings.path, settings.rotation, Instant::now())
            .map_err(|source| LogError::Open { path: settings.path.clone(), source })?;
        let level = if settings.verbose { LevelFilter::DEBUG } else { LevelFilter::INFO };
        let notice = || {
            let format = settings.format.clone();
            move |lost| lost_lines(&format, lost)
        };
        let file = Outlet::start("log-file", file, notice()).map_err(LogError::Start)?;
        let copy = copy
            .map(|to| Outlet::start("log-copy", Copied { to, failed: 0 }, notice()))
            .transpose()
            .map_err(LogError::Start)?;
        Ok(Self(Arc::new(Sink { format: settings.format.clone(), level, file, copy })))
    }

    /// What `tracing` has to be given, filter included.
    pub fn layer<S: Subscriber + for<'span> LookupSpan<'span>>(&self) -> impl Layer<S> + use<S> {
        Lines(Arc::clone(&self.0)).with_filter(self.0.filter())
    }

    /// Closes the file and opens whatever has its name now, or makes it anew: what a rotator asks for with SIGHUP.
    /// Waits until that is done, after every line before it.
    ///
    /// # Errors
    /// When that cannot be opened; lines go on into the file that was open.
    pub fn reopen(&self) -> io::Result<()> {
        let (answer, answered) = mpsc::channel();
        self.0.file.run(move |file| {
            // whoever asked waits for it
            let _ = answer.send(file.reopen());
        });
        answered.recv().unwrap_or_else(|_| Err(io::Error::other("the thread that writes the log died")))
    }

    /// Waits until every line so far is written to the file and the copy, but no longer than `most`; returns whether
    /// that is so.
    pub fn flush(&self, most: Duration) -> bool {
        let end = Instant::now() + most;
        // each says that it is done by dropping its end
        let (file_done, file) = mpsc::channel::<()>();
        let (copy_done, copy) = mpsc::channel::<()>();
        self.0.file.run(move |_| drop(file_done));
        if let Some(copy) = &self.0.copy {
            copy.run(move |_| drop(copy_done));
        } else {
            drop(copy_done);
        }
        [file, copy].iter().all(|done| {
            let left = end.saturating_duration_since(Instant::now());
            done.recv_timeout(left) == Err(mpsc::RecvTimeoutError::Disconnected)
        })
    }

    /// Writes many lines of somebody else's text: the way for script output. All get the same prefix, with the time of
    /// this call; what misleads is escaped as in events. Lines have no line feeds.
    ///
    /// Waits for room: what a script says is not lost because it says much at once, and never pushes an event out.
    /// Only to a copy that takes nothing at all lines are lost at once. Below the log's level nothing happens.
    pub fn append_lines<'a>(&self, level: Level, target: &str, lines: impl IntoIterator<Item = &'a str>) {
        if level > self.0.level {
            return;
        }
        let when = Local::now();
        let date = self.0.format.date(when);
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or("unnamed");
        let mut piece = String::new();
        let mut message = EventText::new(&self.0.format);
        for line in lines {
            message.set_message(line);
            let (message, fields) = (message.message(), message.fields());
            let record = Record { when, level, target, file: None, line: None, thread, message, fields };
            self.0.format.render(&record, &date, &mut piece);
            if piece.len() >= PIECE {
                self.0.write_patiently(&piece);
                piece.clear();
            }
        }
        self.0.write_patiently(&piece);
    }

    /// How many times a line could not be written to the file or to the copy. Lines that were lost for want of room do
    /// not count: the log itself tells of them.
    pub fn failed_writes(&self) -> u64 {
        let copies = self.0.copy.as_ref().map_or(0, Outlet::failed_writes);
        self.0.file.failed_writes().saturating_add(copies)
    }
}

/// The line that stands for lost ones.
fn lost_lines(format: &LineFormat, count: u64) -> String {
    let (when, thread) = (Local::now(), std::thread::current());
    let message = format!("{count} line(s) are missing here: they came faster than they could be written");
    let mut line = String::new();
    let record = Record {
        when,
        level: Level::WARN,
        target: module_path!(),
        file: Some(file!()),
        line: Some(line!()),
        thread: thread.name().unwrap_or("unnamed"),
        message: &message,
        fields: &serde_json::Map::new(),
    };
    format.render(&record, &format.date(when), &mut line);
    line
}

impl Sink {
    /// What gets into the log.
    pub(super) fn filter(&self) -> Targets {
        let quiet = QUIET.into_iter().map(|target| (target, LevelFilter::WARN));
        Targets::new().with_default(self.level).with_targets(quiet)
    }

    /// Writes one record as one line.
    pub(super) fn write_record(&self, record: &Record<'_>) {
        let mut line = String::with_capacity(record.message.len() + 64);
        self.format.render(record, &self.format.date(record.when), &mut line);
        let line = line.into();
        // what tells of a fault is written before the fault can end the process
        let haste = if record.level <= Level::WARN { Haste::Now } else { Haste::Soon };
        self.file.push(&line, Full::Lose, haste);
        if let Some(copy) = &self.copy {
            copy.push(&line, Full::Lose, haste);
        }
    }

    /// Writes lines that can wait.
    fn write_patiently(&self, lines: &str) {
        if lines.is_empty() {
            return;
        }
        let lines = lines.into();
        self.file.push(&lines, Full::Wait, Haste::Soon);
        if let Some(copy) = &self.copy {
            copy.push(&lines, Full::WaitUnlessStalled(STALLED), Haste::Soon);
        }
    }
}

/// The layer: one event, one line.
struct Lines(Arc<Sink>);

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let text = EventText::of(event, &self.0.format);
        let metadata = event.metadata();
        self.0.write_record(&Record {
            when: Local::now(),
            level: *metadata.level(),
            target: metadata.target(),
            file: metadata.file(),
            line: metadata.line(),
            thread: std::thread::current().name().unwrap_or("unnamed"),
            message: text.message(),
            fields: text.fields(),
        });
    }
}

#[cfg(test)]
mod tests;
