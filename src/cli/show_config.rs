//! `scriptworker show-config CONFIG`: the effective values as YAML, each with its origin. Secrets are masked.

use super::check_config::EXIT_MISTAKES;
use crate::config::{self, DEFAULT_FILE, Environment, Generation};
use std::path::PathBuf;
use std::process::ExitCode;

/// Which configuration is shown.
#[derive(clap::Args)]
pub(super) struct Options {
    /// The configuration (YAML or JSON).
    #[arg(value_name = "CONFIG", default_value = DEFAULT_FILE)]
    config: PathBuf,
}

/// Prints the values, and on stderr what is wrong with them.
#[expect(clippy::print_stdout, reason = "the values are the result of this verb")]
#[expect(clippy::print_stderr, reason = "findings are not part of the YAML on stdout")]
pub(super) fn show_config(options: &Options) -> ExitCode {
    let environment = match Environment::of_process() {
        Ok(environment) => environment,
        Err(error) => return super::cannot_look(&error),
    };
    let inspection = config::inspect(Some(&options.config), &environment);
    for problem in &inspection.problems {
        eprintln!("{}: {problem}", if problem.rule.is_a_note() { "note" } else { "error" });
    }
    if inspection.problems.iter().any(|problem| !problem.rule.is_a_note()) {
        return ExitCode::from(EXIT_MISTAKES);
    }
    let scheme = if inspection.generation == Generation::Classic { "classic" } else { "current" };
    println!("# {} ({scheme} generation)", inspection.file.display().to_string().escape_debug());
    println!("# Behind each value: where it comes from; * where it differs from the built-in one.");
    for setting in &inspection.settings {
        println!("{setting}");
    }
    ExitCode::SUCCESS
}
