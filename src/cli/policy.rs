//! `scriptworker policy …`: looks at policies (docs/policy.md); nothing is written but by `sign`.
//!
//! | module | what it does |
//! |---|---|
//! | `check` | schema, lint and signature of a file |
//! | `show` | the tables in effect |
//! | `diff` | which recorded chains change their verdict |
//! | `recorded` | bundles, and what a policy makes of them |
//! | `sign` | the signature beside a file |

mod check;
mod diff;
mod recorded;
mod show;
mod sign;

use super::verify_cot::setup::SetupError;
use crate::cot::policies::PolicyLoadError;
use crate::key_files::KeyFileError;
use crate::signing::SigningKeyError;
use crate::telemetry::escaped;
use clap::Subcommand;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

/// What is done with policies.
#[derive(Subcommand)]
pub(super) enum Verb {
    /// Check a policy file: every mistake at once, and what can hardly be meant; exit code 0 or 1.
    Check(check::Options),
    /// Show the policy that a configuration makes, as YAML or JSON.
    Show(show::Options),
    /// Judge recorded chains by two policies: exit code 0 when no verdict changes, 3 when one does, 4 when some cannot be
    /// judged.
    Diff(diff::Options),
    /// Sign a policy file with an ed25519 key: the signature goes beside it.
    Sign(sign::Options),
}

/// Why a verb about policies has no result.
#[derive(Debug, thiserror::Error)]
enum PolicyVerbError {
    #[error(transparent)]
    Setup(#[from] SetupError),
    #[error("the policy cannot be used:\n{0}")]
    Unusable(#[from] PolicyLoadError),
    #[error(transparent)]
    File(#[from] KeyFileError),
    #[error(transparent)]
    Key(#[from] SigningKeyError),
    #[error("{}: {source}", path.display())]
    Directory { path: PathBuf, source: io::Error },
    #[error("expected recorded chains in {}, found none: nothing was compared", .0.display())]
    NoBundles(PathBuf),
    #[error("write the policy as YAML: {0}")]
    Yaml(#[from] serde_yaml_ng::Error),
    #[error("print the result: {0}")]
    Print(#[source] io::Error),
}

/// Does it; the result is the process's exit code.
pub(super) fn run(verb: &Verb) -> ExitCode {
    let result = match verb {
        Verb::Check(options) => check::check(options),
        Verb::Show(options) => show::show(options),
        Verb::Diff(options) => diff::diff(options),
        Verb::Sign(options) => sign::sign(options),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            say(&format!("policy: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Foreign texts are in these lines.
#[expect(clippy::print_stderr, reason = "results are on stdout, everything else is here")]
fn say(text: &str) {
    for line in text.lines() {
        eprintln!("{}", escaped(line));
    }
}

/// Prints a result. A reader that has seen enough and closed the pipe is no reason to fail.
fn print(text: &str) -> Result<(), PolicyVerbError> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(PolicyVerbError::Print),
    }
}
