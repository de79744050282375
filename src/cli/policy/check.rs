//! `scriptworker policy check FILE [--public-key KEY]…`: everything that is wrong with a policy file.

use super::{PolicyVerbError, print};
use crate::cli::keys::common::now;
use crate::cot::policies::{PolicyFault, read_policy};
use crate::telemetry::escaped;
use clap::Args;
use scriptworker_core::cot::policy::{Lint, LintLevel, Policy, PolicyError};
use scriptworker_core::ed25519::{KeyError, PublicKey};
use scriptworker_core::json::format_json;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

/// What is checked.
#[derive(Args)]
pub(in crate::cli) struct Options {
    /// The policy (YAML or JSON).
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// An ed25519 public key in base64 (repeatable): one of them has to have signed the file, as FILE.sig says.
    #[arg(long, value_name = "KEY", value_parser = public_key)]
    public_key: Vec<PublicKey>,
    /// The findings as JSON.
    #[arg(long)]
    json: bool,
}

fn public_key(text: &str) -> Result<PublicKey, KeyError> {
    PublicKey::parse(text)
}

/// One finding, whatever found it.
struct Finding {
    level: LintLevel,
    /// In the document; none for the file as a whole.
    path: Option<String>,
    text: String,
}

/// Checks, and says what it is.
pub(super) fn check(options: &Options) -> Result<ExitCode, PolicyVerbError> {
    let (policy, mut findings) = match read_policy(&options.file, &[]) {
        Ok(policy) => {
            let lints = policy.lint(None).into_iter().map(Finding::from).collect();
            (Some(policy), lints)
        }
        Err(faults) => (None, faults.iter().map(Finding::from).collect::<Vec<_>>()),
    };
    if let Some(last) = policy.as_ref().and_then(|policy| policy.expires.filter(|_| policy.is_expired(now())))
    {
        let path = Some("expires".to_owned());
        findings.push(Finding { level: LintLevel::Error, path, text: format!("it expired at {last}") });
    }
    if !options.public_key.is_empty() {
        // the rest was found above, signed or not
        let faults = read_policy(&options.file, &options.public_key).err().unwrap_or_default();
        findings.extend(faults.iter().filter(|fault| is_about_the_signature(fault)).map(Finding::from));
    }
    findings.sort_by_key(|finding| finding.level);
    let good = !findings.iter().any(|finding| finding.level == LintLevel::Error);
    print(&if options.json {
        format!("{}\n", format_json(&as_json(policy.as_ref(), good, &findings)))
    } else {
        as_text(policy.as_ref(), good, &findings)
    })?;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn is_about_the_signature(fault: &PolicyFault) -> bool {
    match fault {
        PolicyFault::SignatureFile(_) => true,
        PolicyFault::Policy { source, .. } => match source {
            PolicyError::SignatureFormat(_) | PolicyError::Unsigned { .. } => true,
            PolicyError::Yaml(_) | PolicyError::Document(_) => false,
        },
        PolicyFault::File(_)
        | PolicyFault::Document { .. }
        | PolicyFault::Rules { .. }
        | PolicyFault::Expired { .. }
        | PolicyFault::Table(_)
        | PolicyFault::Lint { .. }
        | PolicyFault::NoProduct
        | PolicyFault::TaskType { .. }
        | PolicyFault::Product { .. }
        | PolicyFault::Succession { .. }
        | PolicyFault::Record(_) => false,
    }
}

impl From<&PolicyFault> for Finding {
    fn from(fault: &PolicyFault) -> Self {
        let (path, text) = match fault {
            PolicyFault::Document { problem, .. } => {
                let text = format!("expected {}, found {}", problem.expected, problem.found);
                (Some(problem.path.to_string()), text)
            }
            PolicyFault::Policy { source, .. } => (None, source.to_string()),
            other => (None, other.to_string()),
        };
        Self { level: LintLevel::Error, path, text }
    }
}

impl From<Lint> for Finding {
    fn from(lint: Lint) -> Self {
        Self { level: lint.level, path: Some(lint.path.to_string()), text: lint.text }
    }
}

fn as_text(policy: Option<&Policy>, good: bool, findings: &[Finding]) -> String {
    let mut lines: Vec<String> = findings
        .iter()
        .map(|Finding { level, path, text }| match path {
            Some(path) => format!("{level}: {path}: {text}"),
            None => format!("{level}: {text}"),
        })
        .collect();
    let what = policy.map_or_else(|| "no policy".to_owned(), |policy| policy.id.to_string());
    lines.push(format!("{}: {what}", if good { "no mistakes" } else { "not usable" }));
    lines.iter().map(|line| escaped(line) + "\n").collect()
}

fn as_json(policy: Option<&Policy>, good: bool, findings: &[Finding]) -> Value {
    let finding =
        |Finding { level, path, text }: &Finding| json!({"level": level, "path": path, "text": text});
    json!({
        "usable": good,
        "policy": policy.map(|policy| &policy.id),
        "findings": findings.iter().map(finding).collect::<Vec<_>>(),
    })
}
