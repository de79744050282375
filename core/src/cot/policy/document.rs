//! A policy document: what is common to all products, and the products.

use super::attestations::AcceptedForm;
use super::features::ForbiddenFeature;
use super::identity::PolicyId;
use super::pools::{PoolMap, PoolPattern};
use super::problem::{At, Fields, PolicyProblem, Problems};
use super::product::{Product, pools};
use crate::cot::keys::Implementation;
use crate::cot::role::{Role, RuleSet};
use crate::digest::HashAlgorithm;
use crate::ed25519::trust::{KeyLists, ListedKey};
use crate::json::format_json;
use crate::time::UnixMillis;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The form of documents that this version reads.
const FORMAT: u64 = 1;

/// The worker implementations (chain-of-trust.md 2.2). For any other there would be neither keys nor checks.
pub const IMPLEMENTATIONS: [&str; 3] = ["docker-worker", "generic-worker", "scriptworker"];

const AN_IMPLEMENTATION: &str = "docker-worker, generic-worker or scriptworker as its key";

/// A policy: everything that the rules take as given.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The generation whose rules it is for.
    pub rules: RuleSet,
    /// The last moment at which it may be used.
    pub expires: Option<UnixMillis>,
    /// What a task is in a chain, by its type.
    pub task_types: BTreeMap<String, Role>,
    /// Which implementation runs which pools.
    pub pools: PoolMap,
    /// Pools where generic-worker runs tasks that were written for docker-worker: there, what its attestation says of
    /// the image counts (cot-attacks.md row 114).
    pub d2g_pools: Vec<PoolPattern>,
    /// By implementation, the accepted forms of attestation.
    pub attestations: BTreeMap<Implementation, Vec<AcceptedForm>>,
    /// The keys for attestations with ed25519.
    pub keys: KeyLists,
    /// The algorithms whose digests count.
    pub hash_algorithms: Vec<HashAlgorithm>,
    /// Provisioners whose tasks are run by a scriptworker.
    pub scriptworker_provisioners: Vec<String>,
    /// Worker types whose tasks are run by a scriptworker.
    pub scriptworker_worker_types: Vec<String>,
    /// What a task of a chain with restricted scopes must not have used.
    pub forbidden_features: Vec<ForbiddenFeature>,
    /// How pushes for trying something out are told.
    pub try_pushes: TryPushes,
    /// What is stricter or laxer than the rule.
    pub switches: Switches,
    /// The tables of the products.
    pub products: BTreeMap<String, Product>,
    /// What it is called in verdicts.
    pub id: PolicyId,
    /// The document, as it was read and overridden.
    pub(super) document: Value,
}

/// How pushes for trying something out are told (chain-of-trust.md 5.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TryPushes {
    /// Schedulers that nothing else uses.
    pub schedulers: Vec<String>,
    /// Variables of the environment that name the branch.
    pub branch_variables: Vec<String>,
    /// The name of such a branch or tree; the current generation looks for it within names, too.
    pub word: String,
}

/// Named choices. What is not said is the strict or usual way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switches {
    /// Refuse every pool that `pools` does not map. Usual: no.
    pub require_mapped_pools: bool,
    /// Take upstream tasks that failed (cot-attacks.md row 60). Usual: no.
    pub allow_failed_upstreams: bool,
    /// Take scopes of roles as harmless (row 127). Usual: no.
    pub allow_assumed_roles: bool,
    /// Ask the host whether a revision is on a branch of its repository (row 107). Usual: yes.
    pub check_landed: bool,
    /// Give restricted scopes to no tree on GitHub that does not name its branches (row 129). Usual: no.
    pub require_branches: bool,
    /// How far a parent task may be made from its push without a note in the verdict, in hours (row 105).
    pub created_window_hours: u64,
}

impl Policy {
    /// Makes a policy of a document, or tells every mistake in it. The hash in its id is that of the document in the
    /// worker's own format.
    pub fn from_value(document: Value) -> Result<Self, Vec<PolicyProblem>> {
        let mut problems = Problems::default();
        let policy = read(&At::root(&document), &mut problems);
        match policy {
            Some(mut policy) if problems.0.is_empty() => {
                policy.id.sha256 = Sha256::digest(format_json(&document)).into();
                policy.document = document;
                Ok(policy)
            }
            _ => Err(problems.0),
        }
    }

    /// The tables of a product.
    pub fn product(&self, name: &str) -> Option<&Product> {
        self.products.get(name)
    }

    /// The document: with all products, or with one of them alone. `None`: there is no such product.
    pub fn show(&self, product: Option<&str>) -> Option<Value> {
        let mut shown = self.document.clone();
        if let Some(name) = product {
            let members = shown.get_mut("products")?.as_object_mut()?;
            let own = members.remove(name)?;
            members.clear();
            members.insert(name.to_owned(), own);
        }
        Some(shown)
    }

    /// Whether it may not be used any more.
    pub fn is_expired(&self, now: UnixMillis) -> bool {
        self.expires.is_some_and(|last| last < now)
    }
}

fn read(at: &At<'_>, problems: &mut Problems) -> Option<Policy> {
    let mut fields = at.fields(problems)?;
    let format = fields.required(problems, "format");
    if let Some(format) = format.filter(|format| format.value.as_u64() != Some(FORMAT)) {
        problems.wrong::<()>(&format, format_args!("{FORMAT}, the form that this version reads"));
    }
    let name = fields.required(problems, "name").and_then(|at| at.text(problems));
    let rules = fields.required(problems, "rules").and_then(|at| rule_set(&at, problems));
    let serial = fields.required(problems, "serial").and_then(|at| at.number(problems));
    let expires = fields.optional("expires").filter(|at| !at.value.is_null());
    let expires = expires.and_then(|at| at.parsed(problems, "an RFC 3339 date-time", UnixMillis::parse));
    let task_types = fields.required(problems, "task_types").and_then(|at| task_types(&at, problems));
    let pool_map = fields.required(problems, "pools").and_then(|at| pool_map(&at, problems));
    let d2g_pools = fields.optional("d2g_pools").and_then(|at| pools(&at, problems)).unwrap_or_default();
    let attestations = fields.required(problems, "attestations").and_then(|at| attestations(&at, problems));
    let keys = keys(&mut fields, problems);
    let algorithms =
        fields.required(problems, "valid_hash_algorithms").and_then(|at| algorithms(&at, problems));
    let mut texts = |key| fields.optional(key).and_then(|at| at.texts(problems)).unwrap_or_default();
    let scriptworker_provisioners = texts("scriptworker_provisioners");
    let scriptworker_worker_types = texts("scriptworker_worker_types");
    let forbidden = fields.required(problems, "forbidden_features");
    let forbidden = forbidden.and_then(|at| at.list(problems, |p, item| ForbiddenFeature::read(&item, p)));
    let try_pushes = fields.required(problems, "try_pushes").and_then(|at| try_pushes(&at, problems));
    let switches = fields.optional("switches").map_or(Some(Switches::USUAL), |at| switches(&at, problems));
    let products = fields.required(problems, "products");
    fields.finish(problems);
    // what the products need depends on the generation: without it they are read as the current one's
    let for_products = rules.unwrap_or(RuleSet::Current);
    let products = products.and_then(|at| {
        at.entries(problems, |p, name, at| Some((name.to_owned(), Product::read(&at, for_products, p)?)))
    });
    Some(Policy {
        rules: rules?,
        expires,
        task_types: task_types?,
        pools: pool_map?,
        d2g_pools,
        attestations: attestations?,
        keys,
        hash_algorithms: algorithms?,
        scriptworker_provisioners,
        scriptworker_worker_types,
        forbidden_features: forbidden?,
        try_pushes: try_pushes?,
        switches: switches?,
        products: products?.into_iter().collect(),
        id: PolicyId { name: name?.to_owned(), serial: serial?, sha256: [0; 32], overridden: Vec::new() },
        document: Value::Null,
    })
}

fn rule_set(at: &At<'_>, problems: &mut Problems) -> Option<RuleSet> {
    at.parsed(problems, "classic or current", |text| match text {
        "classic" => Ok(RuleSet::Classic),
        "current" => Ok(RuleSet::Current),
        _ => Err(()),
    })
}

fn task_types(at: &At<'_>, problems: &mut Problems) -> Option<BTreeMap<String, Role>> {
    let expected = "decision, action, docker-image, scriptworker or plain";
    let entries = at.entries(problems, |problems, name, role| {
        let role = role.parsed(problems, expected, |text| match text {
            "decision" => Ok(Role::Decision),
            "action" => Ok(Role::Action),
            "docker-image" => Ok(Role::DockerImage),
            "scriptworker" => Ok(Role::Scriptworker),
            "plain" => Ok(Role::Plain),
            _ => Err(()),
        })?;
        if name.contains(':') || name.is_empty() || name == "parent" {
            problems.add(
                &at.path.clone().key(name),
                "a type without a colon, and none called parent",
                "this one",
            );
        }
        Some((name.to_owned(), role))
    });
    entries.map(|entries| entries.into_iter().collect())
}

pub(super) fn implementation(at: &At<'_>, problems: &mut Problems) -> Option<Implementation> {
    at.parsed(problems, IMPLEMENTATIONS.join(", "), |text| known_implementation(text).ok_or(()))
}

fn known_implementation(name: &str) -> Option<Implementation> {
    Implementation::from_name(name)
}

fn pool_map(at: &At<'_>, problems: &mut Problems) -> Option<PoolMap> {
    let entries = at.list(problems, |problems, item| {
        let mut fields = item.fields(problems)?;
        let expected = "a pool such as gecko-3/b-linux, perhaps with *";
        let pool = fields.required(problems, "pool");
        let pool = pool.and_then(|at| at.parsed(problems, expected, PoolPattern::parse));
        let runs = fields.required(problems, "implementation").and_then(|at| implementation(&at, problems));
        fields.finish(problems);
        Some((pool?, runs?))
    });
    entries.map(PoolMap::new)
}

fn attestations(at: &At<'_>, problems: &mut Problems) -> Option<BTreeMap<Implementation, Vec<AcceptedForm>>> {
    let entries = at.entries(problems, |problems, name, list| {
        let forms = list.list(problems, |problems, item| AcceptedForm::read(&item, problems))?;
        match known_implementation(name) {
            Some(implementation) => Some((implementation, forms)),
            None => problems.wrong(&list, AN_IMPLEMENTATION),
        }
    });
    entries.map(|entries| entries.into_iter().collect())
}

fn keys(fields: &mut Fields<'_>, problems: &mut Problems) -> KeyLists {
    let key = |problems: &mut Problems, item: At<'_>| {
        let key = serde_json::from_value::<ListedKey>(item.value.clone());
        key.ok().or_else(|| {
            let expected =
                "the base64 of an ed25519 public key, or a map of key, not_before, not_after and retired";
            // it may be a private key by mistake: not shown
            problems.add(&item.path, expected, "something else");
            None
        })
    };
    let lists = fields.optional("ed25519_public_keys").and_then(|at| {
        at.entries(problems, |problems, name, list| match known_implementation(name) {
            Some(_) => Some((name.to_owned(), list.list(problems, key)?)),
            None => problems.wrong(&list, AN_IMPLEMENTATION),
        })
    });
    let mut set = |name| {
        let keys = fields.optional(name).and_then(|at| at.list(problems, key)).unwrap_or_default();
        keys.into_iter().map(|listed| listed.key).collect()
    };
    let shared = set("shared_ed25519_public_keys");
    let strangers = set("foreign_ed25519_public_keys");
    KeyLists { lists: lists.unwrap_or_default().into_iter().collect(), shared, strangers }
}

fn algorithms(at: &At<'_>, problems: &mut Problems) -> Option<Vec<HashAlgorithm>> {
    let algorithms = at.list(problems, |problems, item| {
        item.parsed(problems, "sha256 or sha512", |text| HashAlgorithm::from_name(text).ok_or(()))
    })?;
    if algorithms.is_empty() { problems.wrong(at, "at least one algorithm") } else { Some(algorithms) }
}

fn try_pushes(at: &At<'_>, problems: &mut Problems) -> Option<TryPushes> {
    let mut fields = at.fields(problems)?;
    let schedulers = fields.required(problems, "schedulers").and_then(|at| at.texts(problems));
    let variables = fields.required(problems, "branch_variables").and_then(|at| at.texts(problems));
    let word = fields.required(problems, "word").and_then(|at| at.text(problems));
    fields.finish(problems);
    Some(TryPushes { schedulers: schedulers?, branch_variables: variables?, word: word?.to_owned() })
}

impl Switches {
    /// The strict or usual way.
    pub const USUAL: Self = Self {
        require_mapped_pools: false,
        allow_failed_upstreams: false,
        allow_assumed_roles: false,
        check_landed: true,
        require_branches: false,
        created_window_hours: 24,
    };
}

fn switches(at: &At<'_>, problems: &mut Problems) -> Option<Switches> {
    let mut fields = at.fields(problems)?;
    let usual = Switches::USUAL;
    let hours = fields.optional("created_window_hours").and_then(|at| at.number(problems));
    let mut flag = |key, usual| fields.optional(key).and_then(|at| at.flag(problems)).unwrap_or(usual);
    let switches = Switches {
        require_mapped_pools: flag("require_mapped_pools", usual.require_mapped_pools),
        allow_failed_upstreams: flag("allow_failed_upstreams", usual.allow_failed_upstreams),
        allow_assumed_roles: flag("allow_assumed_roles", usual.allow_assumed_roles),
        check_landed: flag("check_landed", usual.check_landed),
        require_branches: flag("require_branches", usual.require_branches),
        created_window_hours: hours.unwrap_or(usual.created_window_hours),
    };
    fields.finish(problems);
    Some(switches)
}
