//! The keys about verifying chains of trust: what is judged, where questions go, what is kept. The policy has a part of
//! its own.

use super::build::{Around, Raw};
use super::keys::Generation;
use super::problem::{ConfigProblem, Rule};
use super::tree::shorten;
use scriptworker_core::secret::Secret;
use std::collections::BTreeMap;
use url::Url;

/// How chains of trust are verified.
#[derive(Debug, Clone)]
pub struct VerificationConfig {
    /// `cot_job_type`: what the worker's own tasks are in a chain.
    pub task_type: String,
    /// `verify_cot_signature`.
    pub check_signatures: bool,
    /// `max_chain_length`, in the classic generation [`CLASSIC_HOPS`]: the most steps from the task to a link.
    pub hops: usize,
    /// `max_concurrent_downloads`.
    pub parallelism: usize,
    /// `github_oauth_token`, unless it is empty.
    pub github_token: Option<Secret>,
    /// `github_app_name`: which app gives tokens for single repositories, unless it is empty.
    pub github_app: Option<String>,
    /// `project_configuration_url`.
    pub projects_url: String,
    /// `pushlog_url`, with `{repo}` and `{revision}`.
    pub pushlog_url: String,
    /// `source_mirrors`: addresses that begin with the first text are read from the second. No token goes there.
    pub mirrors: Vec<(String, String)>,
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
        let expected =
            "the type of this worker's tasks, such as signing, because verify_chain_of_trust is true";
        let at = around.spots.find(key).or_else(|| around.spots.find("verify_chain_of_trust"));
        problems.push(ConfigProblem::new(Rule::Contradiction, key, expected, UNKNOWN).at(at));
    }
    VerificationConfig {
        task_type: raw.cot_job_type.clone(),
        check_signatures: raw.verify_cot_signature,
        hops: match around.generation {
            Generation::Classic => CLASSIC_HOPS,
            Generation::Current | Generation::Both | Generation::Own => raw.max_chain_length,
        },
        parallelism: raw.max_concurrent_downloads,
        github_token: around.github_token.clone(),
        github_app: Some(raw.github_app_name.clone()).filter(|app| !app.is_empty()),
        projects_url: raw.project_configuration_url.clone(),
        pushlog_url: raw.pushlog_url.clone(),
        mirrors: mirrors(raw, around, problems),
        bundle: match raw.cot_bundle.as_str() {
            "local" => BundlePlace::Local,
            "artifact" => BundlePlace::Artifact,
            _ => BundlePlace::Off,
        },
    }
}

/// Hosts, or parts of them, and where they are read from.
fn mirrors(raw: &Raw, around: &Around<'_>, problems: &mut Vec<ConfigProblem>) -> Vec<(String, String)> {
    let is_address = |text: &str| {
        Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.query().is_none())
    };
    let sorted: BTreeMap<_, _> = raw.source_mirrors.iter().collect();
    let mut mirrors = Vec::new();
    for (from, to) in sorted {
        match to.clone().into_string() {
            Ok(to) if is_address(from) && is_address(&to) => mirrors.push((from.clone(), to)),
            _ => {
                let place = format!("source_mirrors.{from}");
                let expected = "two http or https addresses without a query: of the host, and of its mirror";
                let problem = ConfigProblem::new(Rule::OutOfRange, place, expected, shorten(&to.to_string()));
                problems.push(problem.at(around.spots.find("source_mirrors")));
            }
        }
    }
    // the longest first: what is said of a part of a host goes before what is said of all of it
    mirrors.sort_by_key(|(from, _)| std::cmp::Reverse(from.len()));
    mirrors
}

/// The most steps from the task to a link in the classic generation (chain-of-trust.md 4).
pub const CLASSIC_HOPS: usize = 5;

/// The built-in value of `cot_job_type`.
const UNKNOWN: &str = "unknown";
