//! `scriptworker policy show [--product P] [--config FILE]`: the tables in effect, with what the configuration replaces.

use super::{PolicyVerbError, print};
use crate::cli::keys::common::now;
use crate::cli::verify_cot::setup::inspect;
use crate::config::{Inspection, PolicyConfig};
use crate::cot::policies::{Effective, PolicyFault, PolicyLoadError, effective};
use crate::telemetry::escaped;
use clap::Args;
use scriptworker_core::cot::role::RuleSet;
use scriptworker_core::json::format_json;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// What is shown.
#[derive(Args)]
pub(in crate::cli) struct Options {
    /// Only the tables of this product, with what is common to all.
    #[arg(long, value_name = "PRODUCT")]
    product: Option<String>,
    /// The configuration that says which policy it is, and replaces tables [default: the built-in policy].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Without a configuration: the built-in policy of this generation.
    #[arg(long, value_name = "GENERATION", value_parser = rules, default_value = "current", conflicts_with = "config")]
    rules: RuleSet,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

fn rules(text: &str) -> Result<RuleSet, &'static str> {
    match text {
        "classic" => Ok(RuleSet::Classic),
        "current" => Ok(RuleSet::Current),
        _ => Err("expected classic or current"),
    }
}

/// Prints it: the document, and in comments what it is called and where it comes from.
pub(super) fn show(options: &Options) -> Result<ExitCode, PolicyVerbError> {
    let inspection = options.config.as_deref().map(inspect).transpose()?;
    let config = inspection.as_ref().and_then(Inspection::config);
    let source = config.map_or_else(|| PolicyConfig::built_in(options.rules), |config| config.policy.clone());
    let product = options.product.as_deref();
    let Effective { policy, origin, mut faults, .. } =
        effective(&source, product, None, now()).map_err(PolicyLoadError)?;
    let document = policy.show(product);
    if let (None, Some(found)) = (&document, product) {
        let known = policy.products.keys().cloned().collect();
        faults.push(PolicyFault::Product { known, found: found.to_owned() });
    }
    let Some(document) = document.filter(|_| faults.is_empty()) else {
        return Err(PolicyLoadError(faults).into());
    };
    print(&if options.json {
        let shown = json!({"policy": policy.id, "origin": origin.to_string(), "document": document});
        format!("{}\n", format_json(&shown))
    } else {
        let head = escaped(&format!("# {} from {origin}", policy.id));
        format!("{head}\n{}", serde_yaml_ng::to_string(&document)?)
    })?;
    Ok(ExitCode::SUCCESS)
}
