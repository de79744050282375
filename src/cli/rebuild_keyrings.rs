//! `scriptworker rebuild-keyrings CONFIG`: brings the keyrings of other workers up to date, from cron or before the
//! worker is started. The new set waits, with the lock file saying `ready`, until the worker takes it over
//! (keyrings.md 5).

use crate::config::{self, DEFAULT_FILE, Environment};
use crate::keyrings::{RebuildError, Rebuilt, Source, rebuild};
use crate::telemetry::{self, LogSettings};
use scriptworker_core::time::UnixMillis;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Which configuration holds.
#[derive(clap::Args)]
pub(super) struct Options {
    /// The configuration (YAML or JSON).
    #[arg(value_name = "CONFIG", default_value = DEFAULT_FILE)]
    config: PathBuf,
}

/// The exit code for a remote that is out of reach: the next time may do (worker.md 2).
const EXIT_RESOURCE_UNAVAILABLE: u8 = 4;
/// The exit code for an update that is refused, or cannot be made.
const EXIT_REFUSED: u8 = 5;
/// How long the last lines of the log are waited for.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Rebuilds. What came of it is one line on stderr, and in `<log_dir>/rebuild_gpg_homedirs.log`.
#[expect(clippy::print_stderr, reason = "whoever calls this from cron reads stderr")]
pub(super) fn rebuild_keyrings(options: &Options) -> ExitCode {
    let environment = match Environment::of_process() {
        Ok(environment) => environment,
        Err(error) => return super::cannot_look(&error),
    };
    let (config, warnings) = match config::load_without_credentials(Some(&options.config), &environment) {
        Ok(loaded) => loaded,
        Err(errors) => {
            eprintln!("{errors}");
            return ExitCode::FAILURE;
        }
    };
    let path = config.log_dir.join("rebuild_gpg_homedirs.log");
    // the copy would only repeat what is said below
    if let Err(error) = telemetry::log::init(&LogSettings { path, verbose: false, ..config.log_settings() }) {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    let now = UnixMillis(chrono::Utc::now().timestamp_millis());
    let (said, code) = match rebuild(&config.keyrings, now) {
        Ok(rebuilt) => {
            let said = words(&rebuilt);
            tracing::info!("{said}");
            (said, ExitCode::SUCCESS)
        }
        Err(error) => {
            tracing::error!(reason = error.code(), "the keyrings stay as they are: failed to {error}");
            (
                format!("the keyrings stay as they are ({}): failed to {error}", error.code()),
                exit_code(&error),
            )
        }
    };
    eprintln!("{said}");
    if let Some(log) = telemetry::log::current() {
        log.flush(LAST_LINES);
    }
    code
}

fn words(rebuilt: &Rebuilt) -> String {
    match rebuilt {
        Rebuilt::Busy(error) => format!("nothing is done now: failed to {error}"),
        Rebuilt::Unchanged(source) => format!("the keyrings are current: {}", from(source)),
        Rebuilt::Ready(source) => format!("new keyrings are ready for the worker: {}", from(source)),
    }
}

fn from(source: &Source) -> String {
    let Source { revision, tag, signed_by } = source;
    match tag {
        Some(tag) => format!("revision {revision}, tag {tag}, signed by {signed_by}"),
        None => format!("revision {revision}, signed by {signed_by}"),
    }
}

fn exit_code(error: &RebuildError) -> ExitCode {
    match error {
        RebuildError::NotConfigured { .. } => ExitCode::FAILURE,
        _ if error.is_transient() => ExitCode::from(EXIT_RESOURCE_UNAVAILABLE),
        RebuildError::Lock(_)
        | RebuildError::Signers(_)
        | RebuildError::Repository(_)
        | RebuildError::Store(_)
        | RebuildError::LastGood { .. }
        | RebuildError::NoRevision { .. } => ExitCode::from(EXIT_REFUSED),
    }
}
