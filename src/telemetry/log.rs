//! The worker's own log: `<log_dir>/worker.log`, with a copy on stderr when `verbose` (worker.md 12).
//!
//! Lines come from `tracing` events, or in bulk through [`LogHandle::append_lines`] for the output of scripts. One
//! event is one line, whatever its message holds: control characters are escaped, so nothing can forge a line.

use super::format::{LineFormat, Record};
use super::log_file::LogFile;
use chrono::Local;
use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;

pub use super::log_file::Rotation;

/// Crates whose chatter below a warning is about themselves; `pgp` would print packets of keys.
const QUIET: [&str; 10] = ["actix", "awc", "h2", "hickory", "hyper", "mio", "pgp", "rustls", "tokio", "want"];

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
    /// This process logs already.
    #[error("failed to start the log: this process has one already")]
    AlreadyLogging,
}

/// The open log. Clones write to the same file.
#[derive(Clone)]
pub struct LogHandle(Arc<Sink>);

struct Sink {
    format: LineFormat,
    level: LevelFilter,
    outputs: Mutex<Outputs>,
}

struct Outputs {
    file: LogFile,
    copy: Option<Box<dyn Write + Send>>,
    failed_copies: u64,
}

impl fmt::Debug for LogHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogHandle").field("level", &self.0.level).finish_non_exhaustive()
    }
}

/// Opens the log and makes it the one of this process.
///
/// # Errors
/// When the file cannot be opened, or the process logs already.
pub fn init(settings: &LogSettings) -> Result<LogHandle, LogError> {
    let copy = settings.verbose.then(|| Box::new(io::stderr()) as Box<dyn Write + Send>);
    let handle = LogHandle::open(settings, copy)?;
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(handle.layer()))
        .map_err(|_| LogError::AlreadyLogging)?;
    // only the first `init` of a process comes as far as this
    OF_PROCESS.get_or_init(|| handle.clone());
    Ok(handle)
}

/// The log of this process, for [`script_output`].
static OF_PROCESS: OnceLock<LogHandle> = OnceLock::new();

/// Writes lines of the script's output, each ended by a line feed, into the log of this process: in bulk, past
/// `tracing`, for a script can write millions of them. Without such a log each becomes an event.
pub fn script_output(lines: &str) {
    const TARGET: &str = "script";
    let lines = lines.split_terminator('\n');
    match OF_PROCESS.get() {
        Some(log) => log.append_lines(Level::INFO, TARGET, lines.map(str::as_bytes)),
        None => lines.for_each(|line| tracing::info!(target: TARGET, "{line}")),
    }
}

impl LogHandle {
    /// Opens the log without making it the one of the process; every line is copied to `copy`.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(settings: &LogSettings, copy: Option<Box<dyn Write + Send>>) -> Result<Self, LogError> {
        let file = LogFile::open(&settings.path, settings.rotation, Instant::now())
            .map_err(|source| LogError::Open { path: settings.path.clone(), source })?;
        let level = if settings.verbose { LevelFilter::DEBUG } else { LevelFilter::INFO };
        let outputs = Mutex::new(Outputs { file, copy, failed_copies: 0 });
        Ok(Self(Arc::new(Sink { format: settings.format.clone(), level, outputs })))
    }

    /// What `tracing` has to be given, filter included.
    pub fn layer<S: Subscriber + for<'span> LookupSpan<'span>>(&self) -> impl Layer<S> + use<S> {
        let quiet = QUIET.into_iter().map(|target| (target, LevelFilter::WARN));
        let filter = Targets::new().with_default(self.0.level).with_targets(quiet);
        Lines(Arc::clone(&self.0)).with_filter(filter)
    }

    /// Writes many lines of somebody else's text at once: the way for script output. Every line gets the same
    /// prefix, with the time of this call; bytes that are no UTF-8 become `\u{fffd}`.
    ///
    /// Below the log's level nothing happens.
    pub fn append_lines<'a>(&self, level: Level, target: &str, lines: impl IntoIterator<Item = &'a [u8]>) {
        if level > self.0.level {
            return;
        }
        let when = Local::now();
        let date = self.0.format.date(when);
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or("unnamed");
        let mut text = String::new();
        let mut message = String::new();
        for line in lines {
            message.clear();
            escape_into(&String::from_utf8_lossy(line), &mut message);
            let record = Record { when, level, target, file: None, line: None, thread, message: &message };
            self.0.format.render(&record, &date, &mut text);
        }
        self.0.write(text.as_bytes());
    }

    /// How many times a line could not be written to the file or to the copy.
    pub fn failed_writes(&self) -> u64 {
        let outputs = self.0.outputs.lock().unwrap_or_else(PoisonError::into_inner);
        outputs.file.failed_writes().saturating_add(outputs.failed_copies)
    }
}

impl Sink {
    fn write(&self, lines: &[u8]) {
        if lines.is_empty() {
            return;
        }
        let mut outputs = self.outputs.lock().unwrap_or_else(PoisonError::into_inner);
        let outputs = &mut *outputs;
        outputs.file.append(lines, Instant::now());
        if let Some(copy) = &mut outputs.copy
            && copy.write_all(lines).is_err()
        {
            outputs.failed_copies = outputs.failed_copies.saturating_add(1);
        }
    }
}

/// The layer: one event, one line.
struct Lines(Arc<Sink>);

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut message = Message::default();
        event.record(&mut message);
        message.text.push_str(&message.fields);
        let metadata = event.metadata();
        let thread = std::thread::current();
        let when = Local::now();
        let record = Record {
            when,
            level: *metadata.level(),
            target: metadata.target(),
            file: metadata.file(),
            line: metadata.line(),
            thread: thread.name().unwrap_or("unnamed"),
            message: &message.text,
        };
        let mut line = String::with_capacity(message.text.len() + 64);
        self.0.format.render(&record, &self.0.format.date(when), &mut line);
        self.0.write(line.as_bytes());
    }
}

/// The message and its fields, escaped.
#[derive(Default)]
struct Message {
    text: String,
    fields: String,
}

impl Visit for Message {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            escape_into(value, &mut self.text);
        } else {
            // Quoted, so that a value with spaces cannot look like another field.
            let _ = write!(self.fields, " {}={value:?}", field.name());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        if field.name() == "message" {
            escape_into(&text, &mut self.text);
        } else {
            let _ = write!(self.fields, " {}=", field.name());
            escape_into(&text, &mut self.fields);
        }
    }
}

/// Appends a text with its control characters, tabs excepted, written as `\n`, `\u{1b}` and so on.
fn escape_into(text: &str, out: &mut String) {
    // nearly every line, and many times faster than looking at each character
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t')) {
        return out.push_str(text);
    }
    for letter in text.chars() {
        if letter.is_control() && letter != '\t' || matches!(letter, '\u{2028}' | '\u{2029}') {
            out.extend(letter.escape_default());
        } else {
            out.push(letter);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    /// A copy that the test can read.
    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Broken;

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }

    fn settings(dir: &tempfile::TempDir, verbose: bool) -> LogSettings {
        LogSettings {
            path: dir.path().join("logs/worker.log"),
            format: LineFormat::parse("%(levelname)8s - %(message)s", "%H").unwrap(),
            verbose,
            rotation: Rotation::None,
        }
    }

    fn logged(settings: &LogSettings, handle: &LogHandle, act: impl FnOnce()) -> String {
        let subscriber = tracing_subscriber::registry().with(handle.layer());
        tracing::subscriber::with_default(subscriber, act);
        io::read_to_string(File::open(&settings.path).unwrap()).unwrap()
    }

    #[test]
    fn an_event_is_one_line_whatever_it_holds() {
        let dir = tempfile::tempdir().unwrap();
        let settings = settings(&dir, true);
        let handle = LogHandle::open(&settings, None).unwrap();
        let text = logged(&settings, &handle, || {
            tracing::info!(task = "abc", run = 3, "claimed");
            tracing::warn!(path = "a\nb c", "two\n    INFO - forged\u{1b}[2J\u{85}\u{2028}x\ty ä");
        });
        assert_eq!(
            text,
            "    INFO - claimed task=\"abc\" run=3\n \
             WARNING - two\\n    INFO - forged\\u{1b}[2J\\u{85}\\u{2028}x\ty ä path=\"a\\nb c\"\n"
        );
        assert_eq!(text.lines().count(), 2);
    }

    #[test]
    fn the_level_depends_on_verbose_and_chatter_is_kept_out() {
        for (verbose, expected) in
            [(true, "   DEBUG - ours\n WARNING - theirs\n"), (false, " WARNING - theirs\n")]
        {
            let dir = tempfile::tempdir().unwrap();
            let settings = settings(&dir, verbose);
            let handle = LogHandle::open(&settings, None).unwrap();
            let text = logged(&settings, &handle, || {
                tracing::debug!("ours");
                tracing::info!(target: "pgp::packet", "the secret packet");
                tracing::warn!(target: "actix_rt::system", "theirs");
            });
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn script_output_goes_in_bulk_to_file_and_copy() {
        let dir = tempfile::tempdir().unwrap();
        let settings = settings(&dir, true);
        let copy = Shared::default();
        let handle = LogHandle::open(&settings, Some(Box::new(copy.clone()))).unwrap();
        let lines: [&[u8]; 3] = [b"plain", b"", b"\xffbroken\rback"];
        handle.append_lines(Level::INFO, "script", lines);
        handle.append_lines(Level::TRACE, "script", lines);
        let expected = "    INFO - plain\n    INFO - \n    INFO - \u{fffd}broken\\rback\n";
        assert_eq!(io::read_to_string(File::open(&settings.path).unwrap()).unwrap(), expected);
        assert_eq!(String::from_utf8(copy.0.lock().unwrap().clone()).unwrap(), expected);
        assert_eq!(handle.failed_writes(), 0);
    }

    #[test]
    fn a_reader_of_stderr_that_is_gone_does_not_matter() {
        let dir = tempfile::tempdir().unwrap();
        let settings = settings(&dir, true);
        let handle = LogHandle::open(&settings, Some(Box::new(Broken))).unwrap();
        let text = logged(&settings, &handle, || tracing::info!("still here"));
        assert_eq!((text.as_str(), handle.failed_writes()), ("    INFO - still here\n", 1));
    }

    #[test]
    fn a_log_that_cannot_be_opened_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let mut settings = settings(&dir, true);
        settings.path = "/dev/null/worker.log".into();
        assert!(matches!(LogHandle::open(&settings, None), Err(LogError::Open { .. })));
    }
}
