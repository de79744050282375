//! The wrapper around a script's own main function (client.md 3, `sync_main`).

use super::context::Context;
use chrono::Local;
use futures_util::FutureExt;
use scriptworker_core::client::ScriptError;
use scriptworker_core::run::TaskStatus;
use serde_json::{Map, Value};
use std::error::Error;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::process::ExitCode;
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// What a script may choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The configuration file. `None`: the only argument of the command line.
    pub config: Option<PathBuf>,
    /// What holds when the file does not say otherwise.
    pub defaults: Map<String, Value>,
    /// The key that names the schema's file; `None`: the task is not checked.
    pub schema_key: Option<String>,
}

impl Default for Options {
    /// One argument, no defaults, schema in `schema_file`.
    fn default() -> Self {
        Self { config: None, defaults: Map::new(), schema_key: Some("schema_file".to_owned()) }
    }
}

/// Reads configuration and task, starts the log, checks the task, runs the script; the answer is what `main` returns.
///
/// The log goes to stderr, DEBUG when the configuration says `verbose`, else INFO. A task that violates its schema is
/// exit code 3; a panic is 1.
pub fn main(options: Options, script: impl AsyncFnOnce(Context) -> Result<(), ScriptError>) -> ExitCode {
    ExitCode::from(run(options, script).number())
}

/// The same for a main function that has more to do: the status instead of the exit code.
pub fn run(options: Options, script: impl AsyncFnOnce(Context) -> Result<(), ScriptError>) -> TaskStatus {
    let Some(config) = options.config.or_else(only_argument) else {
        usage();
        return TaskStatus::Failure;
    };
    match start(&config, options.defaults, options.schema_key.as_deref(), script) {
        Ok(()) => TaskStatus::Success,
        Err(error) => {
            report(&error);
            error.status()
        }
    }
}

fn start(
    config: &std::path::Path,
    defaults: Map<String, Value>,
    schema_key: Option<&str>,
    script: impl AsyncFnOnce(Context) -> Result<(), ScriptError>,
) -> Result<(), ScriptError> {
    let loaded = Context::load(config, defaults);
    start_log(loaded.as_ref().is_ok_and(|context| context.config.verbose()));
    let context = loaded?;
    if let Some(key) = schema_key {
        context.validate_task(key)?;
    }
    let system = actix_rt::System::new();
    let ended = system.block_on(AssertUnwindSafe(script(context)).catch_unwind());
    // the panic itself has been written to stderr by then
    ended.unwrap_or_else(|_| Err(ScriptError::failure("the script panicked")))
}

fn only_argument() -> Option<PathBuf> {
    let mut arguments = std::env::args_os().skip(1);
    arguments.next().filter(|_| arguments.next().is_none()).map(PathBuf::from)
}

#[expect(clippy::print_stderr, reason = "there is no log yet")]
fn usage() {
    let program = std::env::args_os().next().unwrap_or_default();
    eprintln!("Usage: {} CONFIG_FILE", program.display());
}

fn report(error: &ScriptError) {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // many errors say their cause already
        if !text.contains(&more) {
            text.push_str("\ncaused by: ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    tracing::error!("the script failed with status {}: {text}", error.status());
}

fn start_log(verbose: bool) {
    use tracing_subscriber::filter::Targets;
    use tracing_subscriber::layer::SubscriberExt;
    let level = if verbose { LevelFilter::DEBUG } else { LevelFilter::INFO };
    let quiet = ["actix", "awc", "h2", "mio", "rustls", "tokio"].map(|target| (target, LevelFilter::WARN));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).event_format(PythonLines);
    let filter = Targets::new().with_default(level).with_targets(quiet);
    let subscriber = tracing_subscriber::registry().with(filter).with(lines);
    // a script that has a log of its own keeps it
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// `%(asctime)s - %(name)s - %(levelname)s - %(message)s`: the lines that log parsers know from scripts in Python.
struct PythonLines;

impl<S, N> FormatEvent<S, N> for PythonLines
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let level = match *event.metadata().level() {
            Level::ERROR => "ERROR",
            Level::WARN => "WARNING",
            Level::INFO => "INFO",
            Level::DEBUG | Level::TRACE => "DEBUG",
        };
        let now = Local::now().format("%Y-%m-%d %H:%M:%S,%3f");
        write!(writer, "{now} - {} - {level} - ", event.metadata().target())?;
        context.format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}
