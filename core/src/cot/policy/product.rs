//! What a policy says of one product (chain-of-trust-products.md). The keys are those of the configuration, so that an
//! override looks the same in both places.

use super::pools::PoolPattern;
use super::problem::{At, Fields, Problems, brief};
use super::trees::{self, RestrictedScope, Tree};
use crate::cot::role::RuleSet;
use crate::digest::Digest;
use crate::ids::TaskQueueId;
use crate::scope::Scope;
use crate::source_url::{VcsRule, VcsRuleError, VcsRules};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Where the source trees of a product are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProductType {
    /// On a Mercurial server.
    Hg,
    /// On GitHub.
    GitHub,
}

/// Which tasks may run in an image that no task of the chain made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrebuiltImages {
    /// All.
    Any,
    /// Those of these types.
    Types(Vec<String>),
}

/// The form that the command of a decision task has to have (chain-of-trust.md 5.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecisionCommand {
    /// The first word.
    pub start: String,
    /// Words that may follow.
    pub middle: Vec<String>,
    /// Beginnings of words that may follow.
    pub middle_prefixes: Vec<String>,
    /// Shell commands that may stand beside the one that counts.
    pub other_commands: Vec<String>,
    /// The words, options left out, that the shell commands have to come to.
    pub sequence: Vec<String>,
}

/// The tables of one product.
#[derive(Debug, Clone)]
pub struct Product {
    /// Where its trees are: one type, or several of which the decision task decides.
    pub types: Vec<ProductType>,
    /// The prefix of the environment variables that name the source tree.
    pub env_prefix: String,
    /// The prefix whose variables come first where a task has them.
    pub overriding_env_prefix: Option<String>,
    /// The owners of repositories whose pull requests come from nobody else.
    pub official_owners: BTreeSet<String>,
    /// Who may use prebuilt images.
    pub prebuilt_images: PrebuiltImages,
    /// By type of task, the digests of prebuilt images that it may use; a type without a list may use none. Absent:
    /// digests do not matter.
    pub image_allowlists: Option<BTreeMap<String, Vec<Digest>>>,
    /// The occasions for which parent tasks are made.
    pub tasks_for: BTreeSet<String>,
    /// The occasions on which a tag may stand where a revision belongs.
    pub tag_revisions_for: Vec<String>,
    /// Pools of decision and action tasks.
    pub decision_pools: Vec<PoolPattern>,
    /// Those of them whose chains never get a restricted scope.
    pub level_1_pools: Vec<PoolPattern>,
    /// Pools that make images.
    pub image_pools: Vec<PoolPattern>,
    /// The trusted source trees.
    pub trusted: VcsRules,
    /// The scopes that only some trees give.
    pub restricted: Vec<RestrictedScope>,
    /// Which trees, by level.
    pub trees: BTreeMap<String, Vec<Tree>>,
    /// Paths on the Mercurial server, and of their mirrors on GitHub.
    pub mirrors: BTreeMap<String, String>,
    /// The command of decision tasks, where rules look at it.
    pub decision_command: Option<DecisionCommand>,
    /// The command of image tasks, where rules look at it.
    pub image_command: Option<Vec<String>>,
}

/// Every key of a product.
pub(super) const KEYS: [&str; 17] = [
    "cot_product_type",
    "source_env_prefix",
    "overriding_source_env_prefix",
    "official_github_repos_owner",
    "prebuilt_docker_image_task_types",
    "docker_image_allowlists",
    "valid_tasks_for",
    "tag_revisions_for",
    "valid_decision_worker_pools",
    "level_1_decision_worker_pools",
    "valid_docker_image_worker_pools",
    "trusted_vcs_rules",
    "cot_restricted_scopes",
    "cot_restricted_trees",
    "hg_git_mirrors",
    "decision_command",
    "docker_image_command",
];

impl Product {
    /// Reads the tables of a product. Every mistake is noted; `None` only when there is no product to be had.
    pub(super) fn read(at: &At<'_>, rules: RuleSet, problems: &mut Problems) -> Option<Self> {
        let mut fields = at.fields(problems)?;
        let current = rules == RuleSet::Current;
        let types = fields.required(problems, "cot_product_type");
        let env_prefix = fields.required(problems, "source_env_prefix");
        let decision_pools = fields.required(problems, "valid_decision_worker_pools");
        let image_pools = fields.required(problems, "valid_docker_image_worker_pools");
        let trusted = fields.required(problems, "trusted_vcs_rules");
        let scopes = fields.required(problems, "cot_restricted_scopes");
        let trees = fields.required(problems, "cot_restricted_trees");
        let mut needed_by = |wanted: bool, key| {
            if wanted { fields.required(problems, key) } else { fields.optional(key) }
        };
        let owners = needed_by(current, "official_github_repos_owner");
        let prebuilt = needed_by(current, "prebuilt_docker_image_task_types");
        let tasks_for = needed_by(current, "valid_tasks_for");
        let decision_command = needed_by(!current, "decision_command");
        let image_command = needed_by(!current, "docker_image_command");
        let allowlists = needed_by(!current, "docker_image_allowlists");
        let overriding = fields.optional("overriding_source_env_prefix");
        let tags_for = fields.optional("tag_revisions_for");
        let level_1 = fields.optional("level_1_decision_worker_pools");
        let mirrors = fields.optional("hg_git_mirrors");
        fields.finish(problems);

        // everything is read before anything is missed: all mistakes are found at once
        let types = types.and_then(|at| product_types(&at, problems));
        let env_prefix = env_prefix.and_then(|at| prefix(&at, problems));
        let decision_pools = decision_pools.and_then(|at| pools(&at, problems));
        let image_pools = image_pools.and_then(|at| pools(&at, problems));
        let trusted = trusted.and_then(|at| vcs_rules(&at, problems));
        let restricted = scopes.and_then(|at| trees::restricted(&at, problems));
        let trees = trees.and_then(|at| trees::trees(&at, problems));
        let optional = Optional {
            official_owners: owners.and_then(|at| at.text_or_texts(problems)).into_iter().flatten().collect(),
            prebuilt_images: prebuilt.and_then(|at| prebuilt_images(&at, problems)),
            tasks_for: tasks_for.and_then(|at| at.texts(problems)).into_iter().flatten().collect(),
            decision_command: decision_command.and_then(|at| command(&at, problems)),
            image_command: image_command
                .and_then(|at| at.list(problems, |p, item| item.text(p).map(str::to_owned))),
            image_allowlists: allowlists.and_then(|at| image_allowlists(&at, problems)),
            overriding_env_prefix: overriding.and_then(|at| prefix(&at, problems)),
            tag_revisions_for: tags_for.and_then(|at| at.texts(problems)).unwrap_or_default(),
            level_1_pools: level_1.and_then(|at| pools(&at, problems)).unwrap_or_default(),
            mirrors: mirrors.and_then(|at| trees::mirrors(&at, problems)).unwrap_or_default(),
        };
        Some(Self {
            types: types?,
            env_prefix: env_prefix?,
            overriding_env_prefix: optional.overriding_env_prefix,
            official_owners: optional.official_owners,
            // the classic generation knows no types, only digests
            prebuilt_images: optional.prebuilt_images.unwrap_or(PrebuiltImages::Any),
            image_allowlists: optional.image_allowlists,
            tasks_for: optional.tasks_for,
            tag_revisions_for: optional.tag_revisions_for,
            decision_pools: decision_pools?,
            level_1_pools: optional.level_1_pools,
            image_pools: image_pools?,
            trusted: trusted?,
            restricted: restricted?,
            trees: trees?,
            mirrors: optional.mirrors,
            decision_command: optional.decision_command,
            image_command: optional.image_command,
        })
    }
}

impl Product {
    /// The restrictions that a scope touches (cot-attacks.md row 126).
    pub fn restricted_by<'a>(&'a self, scope: &'a Scope) -> impl Iterator<Item = &'a RestrictedScope> {
        self.restricted.iter().filter(|restricted| scope.touches(&restricted.scope))
    }

    /// Whether decision and action tasks may run in a pool (row 97).
    pub fn is_decision_pool(&self, pool: &TaskQueueId) -> bool {
        self.decision_pools.iter().any(|pattern| pattern.matches(pool))
    }

    /// Whether a pool's chains never get a restricted scope (row 98).
    pub fn is_level_1_pool(&self, pool: &TaskQueueId) -> bool {
        self.level_1_pools.iter().any(|pattern| pattern.matches(pool))
    }

    /// Whether images are made in a pool.
    pub fn is_image_pool(&self, pool: &TaskQueueId) -> bool {
        self.image_pools.iter().any(|pattern| pattern.matches(pool))
    }
}

/// What a product may do without.
struct Optional {
    official_owners: BTreeSet<String>,
    prebuilt_images: Option<PrebuiltImages>,
    tasks_for: BTreeSet<String>,
    decision_command: Option<DecisionCommand>,
    image_command: Option<Vec<String>>,
    image_allowlists: Option<BTreeMap<String, Vec<Digest>>>,
    overriding_env_prefix: Option<String>,
    tag_revisions_for: Vec<String>,
    level_1_pools: Vec<PoolPattern>,
    mirrors: BTreeMap<String, String>,
}

fn product_types(at: &At<'_>, problems: &mut Problems) -> Option<Vec<ProductType>> {
    let names = at.text_or_texts(problems)?;
    let kind = |name: &String| match name.as_str() {
        "hg" => Some(ProductType::Hg),
        "github" => Some(ProductType::GitHub),
        _ => None,
    };
    let types: Option<Vec<_>> = names.iter().map(kind).collect();
    types.filter(|types| !types.is_empty()).or_else(|| problems.wrong(at, "hg, github, or a list of both"))
}

fn prefix(at: &At<'_>, problems: &mut Problems) -> Option<String> {
    at.parsed(problems, "a prefix of upper-case letters, digits and _", |text| {
        let fits = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
        if !text.is_empty() && text.bytes().all(fits) { Ok(text.to_owned()) } else { Err(()) }
    })
}

pub(super) fn pools(at: &At<'_>, problems: &mut Problems) -> Option<Vec<PoolPattern>> {
    at.list(problems, |problems, item| {
        item.parsed(problems, "a pool such as gecko-3/decision", PoolPattern::parse)
    })
}

fn prebuilt_images(at: &At<'_>, problems: &mut Problems) -> Option<PrebuiltImages> {
    match at.value {
        Value::String(any) if any == "any" => Some(PrebuiltImages::Any),
        Value::Array(_) => at.texts(problems).map(PrebuiltImages::Types),
        _ => problems.wrong(at, "any, or a list of types of tasks"),
    }
}

fn image_allowlists(at: &At<'_>, problems: &mut Problems) -> Option<BTreeMap<String, Vec<Digest>>> {
    let digest = |problems: &mut Problems, item: At<'_>| {
        item.parsed(problems, "sha256: and 64 lower-case hexadecimal digits", Digest::parse_prefixed)
    };
    let lists = at.entries(problems, |problems, task_type, list| {
        Some((task_type.to_owned(), list.list(problems, digest)?))
    });
    lists.map(|lists| lists.into_iter().collect())
}

fn command(at: &At<'_>, problems: &mut Problems) -> Option<DecisionCommand> {
    let mut fields = at.fields(problems)?;
    let mut words = |fields: &mut Fields<'_>, key| {
        fields
            .required(problems, key)
            .and_then(|at| at.list(problems, |p, item| item.text(p).map(str::to_owned)))
    };
    let middle = words(&mut fields, "middle");
    let middle_prefixes = words(&mut fields, "middle_prefixes");
    let other_commands = words(&mut fields, "other_commands");
    let sequence = words(&mut fields, "sequence");
    let start = fields.required(problems, "start").and_then(|at| at.text(problems).map(str::to_owned));
    fields.finish(problems);
    Some(DecisionCommand {
        start: start?,
        middle: middle?,
        middle_prefixes: middle_prefixes?,
        other_commands: other_commands?,
        sequence: sequence?,
    })
}

fn vcs_rules(at: &At<'_>, problems: &mut Problems) -> Option<VcsRules> {
    let rules = at.list(problems, |problems, item| {
        let mut fields = item.fields(problems)?;
        let mut texts =
            |fields: &mut Fields<'_>, key| fields.required(problems, key).and_then(|at| at.texts(problems));
        let schemes = texts(&mut fields, "schemes");
        let netlocs = texts(&mut fields, "netlocs");
        let path_regexes = texts(&mut fields, "path_regexes");
        let secret = fields.optional("require_secret").and_then(|at| at.flag(problems));
        fields.finish(problems);
        let require_secret = secret.unwrap_or(false);
        Some(VcsRule { schemes: schemes?, netlocs: netlocs?, path_regexes: path_regexes?, require_secret })
    })?;
    let expression = |rule: usize, index: usize| at.path.clone().index(rule).key("path_regexes").index(index);
    match VcsRules::new(&rules) {
        Ok(rules) => Some(rules),
        Err(VcsRuleError::NoPath { rule, at }) => {
            problems.add(&expression(rule, at), "an expression with a group named path", "one without");
            None
        }
        Err(VcsRuleError::Expression { rule, at, source }) => {
            let found = brief(&Value::from(source.to_string()));
            problems.add(&expression(rule, at), "a regular expression", found);
            None
        }
    }
}
