//! The keys about verifying chains of trust: what is judged, where questions go, what is kept. The policy has a part of
//! its own.

use super::build::{Around, Raw};
use super::problem::{ConfigProblem, Rule};
use scriptworker_core::secret::Secret;

/// How chains of trust are verified.
#[derive(Debug, Clone)]
pub struct VerificationConfig {
    /// `cot_job_type`: what the worker's own tasks are in a chain.
    pub task_type: String,
    /// `verify_cot_signature`.
    pub check_signatures: bool,
    /// `max_chain_length`: the most steps from the task to a link.
    pub hops: usize,
    /// `max_concurrent_downloads`.
    pub parallelism: usize,
    /// `github_oauth_token`, unless it is empty.
    pub github_token: Option<Secret>,
    /// `project_configuration_url`.
    pub projects_url: String,
    /// `pushlog_url`, with `{repo}` and `{revision}`.
    pub pushlog_url: String,
    /// `cot_bundle`.
    pub bundle: BundlePlace,
}

/// Where everything that a verdict rests on is kept (configuration key `cot_bundle`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BundlePlace {
    /// Nowhere.
    Off,
    /// Below `log_dir`.
    Local,
    /// It is an artifact of the task.
    Artifact,
}

/// Builds that part of the configuration, or reports why not.
pub(super) fn build(raw: &Raw, around: &Around<'_>, problems: &mut Vec<ConfigProblem>) -> VerificationConfig {
    let key = "cot_job_type";
    if raw.verify_chain_of_trust && raw.cot_job_type == UNKNOWN && !around.refused.contains(&key) {
        let expected = "the type of this worker's tasks, such as signing, because verify_chain_of_trust is true";
        let at = around.spots.find(key).or_else(|| around.spots.find("verify_chain_of_trust"));
        problems.push(ConfigProblem::new(Rule::Contradiction, key, expected, UNKNOWN).at(at));
    }
    VerificationConfig {
        task_type: raw.cot_job_type.clone(),
        check_signatures: raw.verify_cot_signature,
        hops: raw.max_chain_length,
        parallelism: raw.max_concurrent_downloads,
        // secret stores like to end values with a newline (production-contract.md 6)
        github_token: Some(raw.github_oauth_token.trim()).filter(|token| !token.is_empty()).map(Secret::new),
        projects_url: raw.project_configuration_url.clone(),
        pushlog_url: raw.pushlog_url.clone(),
        bundle: match raw.cot_bundle.as_str() {
            "local" => BundlePlace::Local,
            "artifact" => BundlePlace::Artifact,
            _ => BundlePlace::Off,
        },
    }
}

/// The built-in value of `cot_job_type`.
const UNKNOWN: &str = "unknown";
