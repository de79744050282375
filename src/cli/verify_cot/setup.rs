//! Policy, keys and addresses: those of a configuration, or what is built in.

use super::Options;
use crate::cli::keys::common::now;
use crate::config::{self, BuiltIn, CLASSIC_HOPS, Config, Environment, Inspection, PolicyConfig, find_key};
use crate::cot::policies::{self, LoadedPolicy, PolicyLoadError};
use crate::cot::sources::SourceSettings;
use crate::keyrings::{Store, StoreError};
use crate::taskcluster::{InvalidUrl, RootUrl};
use scriptworker_core::cot::keys::Implementation;
use scriptworker_core::cot::role::RuleSet;
use scriptworker_core::openpgp::Keyring;
use scriptworker_core::secret::Secret;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

const DEFAULT_PRODUCT: &str = "firefox";
const TOKEN_VARIABLE: &str = "SCRIPTWORKER_GITHUB_OAUTH_TOKEN";

/// Why nothing can be judged.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum SetupError {
    #[error("no task to verify")]
    NoTask,
    #[error("failed to read the current directory: {0}")]
    CurrentDirectory(#[source] io::Error),
    #[error("the configuration cannot be used:\n{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Config(Vec<config::ConfigProblem>),
    #[error("the policy cannot be used:\n{0}")]
    Policy(#[from] PolicyLoadError),
    #[error("root URL: {0}")]
    RootUrl(#[from] InvalidUrl),
    #[error("failed to {0}")]
    Keyrings(#[from] StoreError),
    #[error(
        "the policy takes attestations with OpenPGP, and base_gpg_home_dir, where the keyrings are, is not set"
    )]
    NoKeyrings,
}

impl SetupError {
    /// Whether keyrings were not to be had.
    pub(super) fn is_unavailable(&self) -> bool {
        matches!(self, Self::Keyrings(_))
    }
}

/// Everything that does not depend on the task.
pub(super) struct Setup {
    pub(super) policy: LoadedPolicy,
    pub(super) keyrings: BTreeMap<Implementation, Keyring>,
    pub(super) check_signatures: bool,
    pub(super) hops: usize,
    pub(super) root_url: RootUrl,
    pub(super) sources: SourceSettings,
}

impl Setup {
    /// As the command line says.
    pub(super) fn of(options: &Options) -> Result<Self, SetupError> {
        Self::for_product(options, options.cot_product.as_deref())
    }

    /// The same for a product that something else names.
    pub(super) fn for_product(options: &Options, product: Option<&str>) -> Result<Self, SetupError> {
        let inspection = options.config.as_deref().map(inspect).transpose()?;
        let inspection = inspection.as_ref();
        let text = |key| inspection.and_then(|inspection| inspection.text(key));
        let config = inspection.and_then(Inspection::config);
        let built_in_policy = PolicyConfig::built_in(RuleSet::Current);
        let source = config.map_or(&built_in_policy, |config| &config.policy);
        let product = product.or(source.product.as_deref()).unwrap_or(DEFAULT_PRODUCT);
        let policy = policies::load(source, Some(product), None, now())?;
        let keyrings = match options.verify_sigs && policy.takes_openpgp() {
            true => keyrings(config)?,
            false => BTreeMap::new(),
        };
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let root_url = options
            .root_url
            .clone()
            .or_else(|| inspection.map_or_else(|| variable("TASKCLUSTER_ROOT_URL"), |_| None))
            .or_else(|| text("taskcluster_root_url").map(str::to_owned))
            .unwrap_or_else(|| built_in("taskcluster_root_url"));
        let hops = hops(inspection, policy.policy.rules);
        let token = inspection.and_then(Inspection::github_token).cloned();
        Ok(Self {
            policy,
            keyrings,
            check_signatures: options.verify_sigs,
            hops,
            root_url: RootUrl::parse(&root_url)?,
            sources: SourceSettings {
                pushlog_url: text("pushlog_url").map_or_else(|| built_in("pushlog_url"), str::to_owned),
                projects_url: text("project_configuration_url")
                    .map_or_else(|| built_in("project_configuration_url"), str::to_owned),
                github_token: token.or_else(|| variable(TOKEN_VARIABLE).map(Secret::new)),
                github_app: Some(
                    text("github_app_name").map_or_else(|| built_in("github_app_name"), str::to_owned),
                ),
                mirrors: mirrors(options, config),
            },
        })
    }
}

/// The configuration, if nothing is wrong with it that matters to somebody who only looks.
pub(in crate::cli) fn inspect(file: &Path) -> Result<Inspection, SetupError> {
    let environment = Environment::of_process().map_err(SetupError::CurrentDirectory)?;
    let inspection = config::inspect(Some(file), &environment);
    let of_a_worker = |problem: &config::ConfigProblem| {
        matches!(problem.key.as_str(), "credentials" | "cot_job_type")
            || problem.rule == config::Rule::NoSigningKey
            || problem.rule.is_a_note()
    };
    let problems: Vec<_> =
        inspection.problems.iter().filter(|problem| !of_a_worker(problem)).cloned().collect();
    match inspection.config() {
        Some(_) if problems.is_empty() => Ok(inspection),
        Some(_) => Err(SetupError::Config(problems)),
        None => Err(SetupError::Config(inspection.problems)),
    }
}

pub(in crate::cli) fn keyrings(
    config: Option<&Config>,
) -> Result<BTreeMap<Implementation, Keyring>, SetupError> {
    let base = config.and_then(|config| config.keyrings.base.as_deref());
    Ok(Store::new(base.ok_or(SetupError::NoKeyrings)?).load()?.by_implementation())
}

/// The most steps from a task to a link of its chain.
pub(in crate::cli) fn hops(inspection: Option<&Inspection>, rules: RuleSet) -> usize {
    let configured = inspection.and_then(|inspection| inspection.number("max_chain_length"));
    match rules {
        RuleSet::Classic => CLASSIC_HOPS,
        RuleSet::Current => configured.and_then(|hops| usize::try_from(hops).ok()).unwrap_or(20),
    }
}

/// Those of the command line go first, then those of the configuration.
fn mirrors(options: &Options, config: Option<&Config>) -> Vec<(String, String)> {
    let configured = config.map(|config| config.verification.mirrors.as_slice()).unwrap_or_default();
    options.mirror.iter().chain(configured).cloned().collect()
}

/// The built-in text of a key.
fn built_in(key: &str) -> String {
    match find_key(key).map(|spec| spec.default) {
        Some(BuiltIn::Text(text)) => text.to_owned(),
        _ => String::new(),
    }
}
