//! The command line: one file per verb. `scriptworker PATH` means `scriptworker run PATH` unless PATH is a verb, as
//! production starts it today.

mod audit;
mod check_config;
mod client;
mod create_test_workdir;
mod demo;
mod keys;
mod old_names;
mod policy;
mod rebuild_keyrings;
mod run;
mod show_config;
mod stored;
mod try_task;
mod verify_cot;

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// The exit code for a wrong command line (worker.md 2).
const EXIT_USAGE: u8 = 2;
/// The same for verbs that scripts call: passed on as a script's own exit code, 2 would mean `worker-shutdown`.
const EXIT_USAGE_FOR_SCRIPTS: u8 = 1;

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
    /// Run one task with a real configuration and no deployment: on a queue in this process.
    Try(try_task::Options),
    /// Show the worker at work: an embedded queue, a worker process and real tasks, good and bad.
    Demo(demo::Options),
    /// Bring the keyrings of other workers up to date; the worker takes them over.
    RebuildKeyrings(rebuild_keyrings::Options),
    /// What scripts ask about their task and its surroundings: JSON on stdout.
    #[command(subcommand)]
    Client(client::Client),
    /// Make the work directory of a task of a deployment, for trying a script by hand.
    CreateTestWorkdir(create_test_workdir::Options),
    /// Check a ledger of runs: that no line was changed, removed or moved.
    Audit(audit::Options),
    /// Verify the chain of trust of a task: that it descends from an allowed source tree.
    VerifyCot(verify_cot::Options),
    /// Look at policies: what chains of trust are judged by.
    #[command(subcommand)]
    Policy(policy::Verb),
    /// Render a template from stdin: what `verify-cot` starts, with limits.
    #[command(name = crate::cot::renderer::VERB, hide = true)]
    RenderTemplate,
    #[command(flatten)]
    Keys(keys::Verb),
}

/// Does what the command line says; the result is the process's exit code.
pub fn main() -> ExitCode {
    let words = old_names::translate(std::env::args_os());
    let usage = match words.get(1).and_then(|verb| verb.to_str()) {
        Some("client") => EXIT_USAGE_FOR_SCRIPTS,
        Some("try") => try_task::EXIT_MISTAKE,
        _ => EXIT_USAGE,
    };
    let arguments = match Arguments::try_parse_from(words) {
        Ok(arguments) => arguments,
        Err(error) => {
            // help and version are what was asked for; that nobody reads it changes nothing
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(usage) } else { ExitCode::SUCCESS };
        }
    };
    match arguments.verb {
        None => run::run(&arguments.config),
        Some(Verb::Run { config }) => run::run(&config),
        Some(Verb::CheckConfig(options)) => check_config::check_config(&options),
        Some(Verb::ShowConfig(options)) => show_config::show_config(&options),
        Some(Verb::Try(options)) => try_task::try_task(&options),
        Some(Verb::Demo(options)) => demo::demo(&options),
        Some(Verb::RebuildKeyrings(options)) => rebuild_keyrings::rebuild_keyrings(&options),
        Some(Verb::Client(verb)) => client::client(&verb),
        Some(Verb::CreateTestWorkdir(options)) => create_test_workdir::create_test_workdir(&options),
        Some(Verb::Audit(options)) => audit::audit(&options),
        Some(Verb::VerifyCot(options)) => verify_cot::verify_cot(&options),
        Some(Verb::Policy(verb)) => policy::run(&verb),
        Some(Verb::RenderTemplate) => crate::cot::renderer::main(),
        Some(Verb::Keys(verb)) => keys::run(&verb),
    }
}

/// A verb that looks at a configuration cannot even begin.
#[expect(clippy::print_stderr, reason = "the verbs that look at a configuration have no log")]
fn cannot_look(error: &std::io::Error) -> ExitCode {
    eprintln!("failed to read the current directory: {error}");
    ExitCode::FAILURE
}
