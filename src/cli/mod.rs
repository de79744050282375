//! The command line: one file per verb. `scriptworker PATH` means `scriptworker run PATH` unless PATH is a verb, as
//! production starts it today.

mod client;
mod create_test_workdir;
mod demo;
mod old_names;
mod run;

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// The exit code of a command line that is not understood. Not clap's 2: in a script that passes it on, that would mean
/// `worker-shutdown`, and the queue would run the task again.
const EXIT_USAGE: u8 = 1;

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
    /// Show the worker at work: an embedded queue, a worker process and real tasks, good and bad.
    Demo(demo::Options),
    /// What scripts ask about their task and its surroundings: JSON on stdout.
    #[command(subcommand)]
    Client(client::Client),
    /// Make the work directory of a task of a deployment, for trying a script by hand.
    CreateTestWorkdir(create_test_workdir::Options),
}

/// Does what the command line says; the result is the process's exit code.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse_from(old_names::translate(std::env::args_os())) {
        Ok(arguments) => arguments,
        Err(error) => {
            // help and version are what was asked for; that nobody reads it changes nothing
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(EXIT_USAGE) } else { ExitCode::SUCCESS };
        }
    };
    match arguments.verb {
        None => run::run(&arguments.config),
        Some(Verb::Run { config }) => run::run(&config),
        Some(Verb::Demo(options)) => demo::demo(&options),
        Some(Verb::Client(verb)) => client::client(&verb),
        Some(Verb::CreateTestWorkdir(options)) => create_test_workdir::create_test_workdir(&options),
    }
}
