//! `scriptworker check-config CONFIG [--script-config FILE]`: every mistake at once, nothing started, nothing written.
//!
//! What only this version cannot do yet, credentials that are still to be filled in, and key files that are not there,
//! are notes: the file is right, so the check passes; `run` refuses to start with it all the same.

use crate::config::{self, BundlePlace, Config, ConfigProblem, DEFAULT_FILE, Environment, Inspection};
use crate::cot::policies::{self, PolicyFault, PolicyLoadError};
use crate::signing::{Attester, CannotSign};
use scriptworker_core::cot::policy::{Lint, LintLevel};
use scriptworker_core::json::JsonPath;
use scriptworker_core::time::UnixMillis;
use std::fmt::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

/// What the check looks at.
#[derive(clap::Args)]
pub(super) struct Options {
    /// The configuration (YAML or JSON).
    #[arg(value_name = "CONFIG", default_value = DEFAULT_FILE)]
    config: PathBuf,
    /// The script's own configuration (YAML or JSON): its work_dir and artifact_dir must be the worker's.
    #[arg(long, value_name = "FILE")]
    script_config: Option<PathBuf>,
}

/// The exit code for a configuration with mistakes.
pub(super) const EXIT_MISTAKES: u8 = 1;

/// How bad a finding is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Severity {
    Error,
    Note,
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Note => "note",
            Self::Warning => "warning",
        })
    }
}

/// Checks and prints.
#[expect(clippy::print_stdout, reason = "the findings are the result of this verb")]
pub(super) fn check_config(options: &Options) -> ExitCode {
    let environment = match Environment::of_process() {
        Ok(environment) => environment,
        Err(error) => return super::cannot_look(&error),
    };
    let inspection = config::inspect(Some(&options.config), &environment);
    let mut findings: Vec<(Severity, &ConfigProblem)> = Vec::new();
    let (script_problems, script_warnings) = match &options.script_config {
        Some(path) => config::compare_script_config(path, &inspection, &environment),
        None => (Vec::new(), Vec::new()),
    };
    let mut files = key_files(&inspection);
    let mut doubts = Vec::new();
    if let Some(config) = inspection.config() {
        let (problems, warnings) = policy(&inspection, config);
        doubts.extend(warnings);
        // who verifies nothing is not kept from running by a policy
        if config.verify_chain_of_trust { &mut files } else { &mut doubts }.extend(problems);
    }
    for problem in inspection.problems.iter().chain(&files).chain(&script_problems) {
        let severity = if problem.rule.is_a_note() { Severity::Note } else { Severity::Error };
        findings.push((severity, problem));
    }
    let warnings = inspection.warnings.iter().chain(&script_warnings).chain(&doubts);
    findings.extend(warnings.map(|warning| (Severity::Warning, warning)));
    let (text, mistakes) = report(&findings);
    print!("{text}");
    if mistakes { ExitCode::from(EXIT_MISTAKES) } else { ExitCode::SUCCESS }
}

/// What is wrong with the files that signing needs.
fn key_files(inspection: &Inspection) -> Vec<ConfigProblem> {
    let opened = inspection.config().map(|config| Attester::open(config, now()));
    let problems = opened.and_then(Result::err).unwrap_or_default();
    let finding = |problem: &CannotSign| {
        inspection.unusable_file(problem.key, problem.is_missing(), &problem.error.to_string())
    };
    problems.iter().map(finding).collect()
}

fn now() -> UnixMillis {
    UnixMillis(chrono::Utc::now().timestamp_millis())
}

/// What is wrong with the policy, and what may be looked at.
fn policy(inspection: &Inspection, config: &Config) -> (Vec<ConfigProblem>, Vec<ConfigProblem>) {
    match policies::check(config, now()) {
        Ok(loaded) => {
            let doubtful = loaded.lints.iter().filter(|lint| lint.level != LintLevel::Note);
            let finding =
                |lint: &Lint| inspection.unusable_policy(&lint.path, "tables that can be meant", &lint.text);
            let mut warnings: Vec<_> = doubtful.map(finding).collect();
            if config.verification.bundle == BundlePlace::Artifact && loaded.product.trusted.require_secret()
            {
                let expected =
                    "off or local: the artifact is public, and repositories of the product are not";
                warnings.push(inspection.unusable_policy(
                    &JsonPath::root().key("cot_bundle"),
                    expected,
                    "\"artifact\"",
                ));
            }
            (Vec::new(), warnings)
        }
        Err(PolicyLoadError(faults)) => {
            // that a worker which verifies needs a product is a rule of the configuration
            let faults = faults.iter().filter(|fault| !matches!(fault, PolicyFault::NoProduct));
            (faults.map(|fault| policy_finding(inspection, fault)).collect(), Vec::new())
        }
    }
}

fn policy_finding(inspection: &Inspection, fault: &PolicyFault) -> ConfigProblem {
    let whole = JsonPath::root;
    match fault {
        PolicyFault::File(error) => {
            inspection.unusable_file("policy_path", error.is_missing(), &error.to_string())
        }
        PolicyFault::SignatureFile(error) => {
            inspection.unusable_file("policy_public_keys", error.is_missing(), &error.to_string())
        }
        PolicyFault::Table(problem) => {
            inspection.unusable_policy(&problem.path, &problem.expected, &problem.found)
        }
        PolicyFault::Lint { lint, .. } => {
            inspection.unusable_policy(&lint.path, "tables that can be meant", &lint.text)
        }
        PolicyFault::Product { known, found } => {
            let expected = format!("one of the policy's products ({})", known.join(", "));
            inspection.unusable_policy(&whole().key("cot_product"), &expected, &format!("{found:?}"))
        }
        PolicyFault::TaskType { known, found, .. } => {
            let expected = format!("one of the policy's task types ({})", known.join(", "));
            inspection.unusable_policy(&whole().key("cot_job_type"), &expected, &format!("{found:?}"))
        }
        PolicyFault::NoProduct
        | PolicyFault::Policy { .. }
        | PolicyFault::Document { .. }
        | PolicyFault::Rules { .. }
        | PolicyFault::Expired { .. }
        | PolicyFault::Succession { .. }
        | PolicyFault::Record(_) => {
            inspection.unusable_policy(&whole(), "a policy that can be used", &fault.to_string())
        }
    }
}

/// The findings, worst first, and a line that sums up; whether there is a mistake among them.
fn report(findings: &[(Severity, &ConfigProblem)]) -> (String, bool) {
    let mut text = String::new();
    let mut sums = Vec::new();
    for severity in [Severity::Error, Severity::Note, Severity::Warning] {
        let mut count = 0;
        for (_, finding) in findings.iter().filter(|(found, _)| *found == severity) {
            // writing to a String cannot fail
            let _ = writeln!(text, "{severity}: {finding}");
            count += 1;
        }
        if count > 0 {
            sums.push(format!("{count} {severity}{}", if count == 1 { "" } else { "s" }));
        }
    }
    let mistakes = findings.iter().any(|(severity, _)| *severity == Severity::Error);
    let verdict = if mistakes { "not usable" } else { "no mistakes" };
    let notes = findings.iter().any(|(severity, _)| *severity == Severity::Note);
    let but = if notes && !mistakes { "; run refuses it until the notes are settled" } else { "" };
    let separator = if sums.is_empty() { "" } else { ": " };
    let _ = writeln!(text, "{verdict}{separator}{}{but}", sums.join(", "));
    (text, mistakes)
}
