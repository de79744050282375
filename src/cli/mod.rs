//! The command line: one file per verb. `scriptworker PATH` means `scriptworker run PATH` unless PATH is a verb, as
//! production starts it today.

mod check_config;
mod demo;
mod run;
mod show_config;

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Claims tasks from a Taskcluster queue, runs the one script it was built for, accounts for what it did.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// The configuration (YAML or JSON).
    #[arg(value_name = "CONFIG", default_value = crate::config::DEFAULT_FILE)]
    config: PathBuf,
}

#[derive(Subcommand)]
enum Verb {
    /// Serve: claim, run, upload, report, until told to leave.
    Run {
        /// The configuration (YAML or JSON).
        #[arg(value_name = "CONFIG", default_value = crate::config::DEFAULT_FILE)]
        config: PathBuf,
    },
    /// Check a configuration: every mistake at once, with its line; nothing is started.
    CheckConfig(check_config::Options),
    /// Show the effective values of a configuration and where each comes from, secrets masked.
    ShowConfig(show_config::Options),
    /// Show the worker at work: an embedded queue, a worker process and real tasks, good and bad.
    Demo(demo::Options),
}

/// Does what the command line says; the result is the process's exit code.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.verb {
        None => run::run(&arguments.config),
        Some(Verb::Run { config }) => run::run(&config),
        Some(Verb::CheckConfig(options)) => check_config::check_config(&options),
        Some(Verb::ShowConfig(options)) => show_config::show_config(&options),
        Some(Verb::Demo(options)) => demo::demo(&options),
    }
}

/// A verb that looks at a configuration cannot even begin.
#[expect(clippy::print_stderr, reason = "the verbs that look at a configuration have no log")]
fn cannot_look(error: &std::io::Error) -> ExitCode {
    eprintln!("failed to read the current directory: {error}");
    ExitCode::FAILURE
}
