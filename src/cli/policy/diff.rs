//! `scriptworker policy diff OLD NEW --bundles DIR`: which tables differ, and which recorded chains change their verdict.

use super::recorded::{self, Judge, Outcome};
use super::{PolicyVerbError, print, say};
use crate::cli::keys::common::now;
use crate::cli::verify_cot::setup::{self, inspect};
use crate::config::{Inspection, PolicyConfig};
use crate::cot::policies::{Effective, Origin, PolicyFault, PolicyLoadError, effective, takes_openpgp};
use crate::telemetry::escaped;
use clap::Args;
use scriptworker_core::cot::role::RuleSet;
use scriptworker_core::json::{Comparison, Difference, format_json};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The exit code when a verdict changes.
const EXIT_CHANGED: u8 = 3;
/// The exit code when none is known to change, and some chain cannot be judged.
const EXIT_UNDECIDABLE: u8 = 4;
/// More differences between tables than anybody reads.
const MOST_DIFFERENCES: usize = 200;

/// What is compared.
#[derive(Args)]
pub(in crate::cli) struct Options {
    /// The policy so far: a file; or `classic` or `current`, for one that is built in.
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The other one.
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// The directory with bundles: whatever `verify-cot --bundle` or a worker wrote, at any depth.
    #[arg(long, value_name = "DIR")]
    bundles: PathBuf,
    /// A worker's configuration: its tables replace those of both policies, and its keyrings are used.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The result as JSON.
    #[arg(long)]
    json: bool,
}

/// What one chain's verdicts come to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Same,
    Changed,
    Undecidable,
}

/// Compares, and prints a line for each chain as it is judged.
pub(super) fn diff(options: &Options) -> Result<ExitCode, PolicyVerbError> {
    let inspection = options.config.as_deref().map(inspect).transpose()?;
    let inspection = inspection.as_ref();
    let judge = |which: &Path| judge(which, inspection);
    let (old, new) = (judge(&options.old)?, judge(&options.new)?);
    let tables = table_differences(&old, &new);
    if !options.json {
        let lines = [format!("old: {}", old.policy.id), format!("new: {}", new.policy.id)];
        let changes = tables.iter().map(|difference| format!("  {} {}", kind(difference), difference.path));
        let text: String = lines.into_iter().chain(changes).map(|line| escaped(&line) + "\n").collect();
        print(&text)?;
    }
    let (mut same, mut changed, mut undecidable) = (0_usize, 0_usize, 0_usize);
    let mut chains = Vec::new();
    for file in recorded::files(&options.bundles)? {
        let name = file.strip_prefix(&options.bundles).unwrap_or(&file).display().to_string();
        let Some(read) = recorded::read(&file) else {
            say(&format!("{name}: no bundle, passed over"));
            continue;
        };
        let (task, before, after) = match read {
            Ok((recorded, evidence)) => {
                let task = format!("{} {} of {}", recorded.task_type, recorded.task_id, recorded.product);
                (Some(task), old.judge(&recorded, &evidence), new.judge(&recorded, &evidence))
            }
            Err(why) => (None, Outcome::Undecidable(why.clone()), Outcome::Undecidable(why)),
        };
        let change = Change::of(&before, &after);
        match change {
            Change::Same => same += 1,
            Change::Changed => changed += 1,
            Change::Undecidable => undecidable += 1,
        }
        if options.json {
            let (old, new) = (before.as_json(), after.as_json());
            chains
                .push(json!({"bundle": name, "task": task, "change": change.name(), "old": old, "new": new}));
        } else {
            let whose = task.map(|task| format!(" ({task})")).unwrap_or_default();
            print(&(escaped(&format!("{name}{whose}: {}", sentence(change, &before, &after))) + "\n"))?;
        }
    }
    if same + changed + undecidable == 0 {
        return Err(PolicyVerbError::NoBundles(options.bundles.clone()));
    }
    print(&if options.json {
        let result = json!({
            "old": old.policy.id, "new": new.policy.id,
            "tables": tables.iter().map(|difference| difference.path.to_string()).collect::<Vec<_>>(),
            "chains": chains, "same": same, "changed": changed, "undecidable": undecidable,
        });
        format!("{}\n", format_json(&result))
    } else {
        format!("{same} same, {changed} changed, {undecidable} undecidable\n")
    })?;
    Ok(match (changed, undecidable) {
        (0, 0) => ExitCode::SUCCESS,
        (0, _) => ExitCode::from(EXIT_UNDECIDABLE),
        _ => ExitCode::from(EXIT_CHANGED),
    })
}

/// A policy with what the configuration has for it. That one has expired is no reason not to compare it.
fn judge(which: &Path, inspection: Option<&Inspection>) -> Result<Judge, PolicyVerbError> {
    let config = inspection.and_then(Inspection::config);
    let built_in = match which.to_str() {
        Some("classic") => Some(RuleSet::Classic),
        Some("current") => Some(RuleSet::Current),
        Some(_) | None => None,
    };
    let source = match config {
        Some(config) => config.policy.clone(),
        None => PolicyConfig::built_in(built_in.unwrap_or(RuleSet::Current)),
    };
    if let Some(found) = built_in.filter(|found| *found != source.rules) {
        let (origin, expected) = (Origin::BuiltIn, source.rules);
        return Err(PolicyLoadError(vec![PolicyFault::Rules { origin, expected, found }]).into());
    }
    let path = built_in.is_none().then(|| which.to_path_buf());
    let source = PolicyConfig { path, public_keys: Vec::new(), ..source };
    let Effective { policy, mut faults, .. } =
        effective(&source, None, None, now()).map_err(PolicyLoadError)?;
    faults.retain(|fault| match fault {
        PolicyFault::Expired { .. } => false,
        // without a configuration there is no generation that it has to be of
        PolicyFault::Rules { .. } => config.is_some(),
        PolicyFault::File(_)
        | PolicyFault::SignatureFile(_)
        | PolicyFault::Policy { .. }
        | PolicyFault::Document { .. }
        | PolicyFault::Table(_)
        | PolicyFault::Lint { .. }
        | PolicyFault::NoProduct
        | PolicyFault::TaskType { .. }
        | PolicyFault::Product { .. }
        | PolicyFault::Succession { .. }
        | PolicyFault::Record(_) => true,
    });
    if !faults.is_empty() {
        return Err(PolicyLoadError(faults).into());
    }
    let keyrings = if takes_openpgp(&policy) { setup::keyrings(config)? } else { BTreeMap::new() };
    let hops = setup::hops(inspection, policy.rules);
    Ok(Judge { policy, keyrings, hops })
}

/// Where the documents differ, but for what every policy has of its own.
fn table_differences(old: &Judge, new: &Judge) -> Vec<Difference> {
    const OWN: &[&[&str]] = &[&["name"], &["serial"], &["expires"]];
    let document = |judge: &Judge| judge.policy.show(None).unwrap_or(Value::Null);
    let comparison = Comparison { ignored: OWN, ..Comparison::FULL };
    comparison.all(&document(old), &document(new), MOST_DIFFERENCES)
}

fn kind(difference: &Difference) -> &'static str {
    match (&difference.expected, &difference.found) {
        (None, _) => "added",
        (Some(_), None) => "removed",
        (Some(_), Some(_)) => "changed",
    }
}

impl Change {
    fn of(old: &Outcome, new: &Outcome) -> Self {
        match (old.accepts(), new.accepts()) {
            (Some(old), Some(new)) if old == new => Self::Same,
            (Some(_), Some(_)) => Self::Changed,
            (None, _) | (_, None) => Self::Undecidable,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Changed => "changed",
            Self::Undecidable => "undecidable",
        }
    }
}

/// What is said of one chain.
fn sentence(change: Change, old: &Outcome, new: &Outcome) -> String {
    let (before, after) = (old.to_string(), new.to_string());
    match change {
        Change::Same if before == after => format!("same: {before}"),
        Change::Same => format!("same: {before} → {after}"),
        Change::Changed => format!("{before} → {after}"),
        Change::Undecidable if before == after => format!("undecidable: {before}"),
        Change::Undecidable => format!("undecidable: new: {after}; old: {before}"),
    }
}
