//! `scriptworker show-config CONFIG`: the effective values as YAML, each with its origin. Secrets are masked.

use super::check_config::EXIT_MISTAKES;
use crate::config::{self, Config, DEFAULT_FILE, Environment, Generation};
use crate::cot::policies::{self, Effective};
use crate::telemetry::escaped;
use scriptworker_core::time::UnixMillis;
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
    if let Some(line) = inspection.config().and_then(policy) {
        println!("{line}");
    }
    ExitCode::SUCCESS
}

/// A comment that names the policy that chains of trust are judged by. What is wrong with it, check-config tells.
fn policy(config: &Config) -> Option<String> {
    let now = UnixMillis(chrono::Utc::now().timestamp_millis());
    let Effective { policy, origin, faults, .. } =
        policies::effective(&config.policy, None, None, now).ok()?;
    let but = if faults.is_empty() { "" } else { ", which cannot be used: see check-config" };
    Some(escaped(&format!("# {} from {origin}{but}", policy.id)))
}
