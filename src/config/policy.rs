//! The keys about the policy (docs/policy.md): which document it is, who has to have signed it, and what the file
//! replaces in it. Nothing is read here: `cot::policies` makes the policy of it.

use super::build::{Around, Raw};
use super::keys::{Generation, KeySpec, State};
use super::load::Inspection;
use super::problem::{ConfigProblem, Rule};
use super::settings::Setting;
use scriptworker_core::cot::policy::OVERRIDABLE;
use scriptworker_core::cot::role::RuleSet;
use scriptworker_core::ed25519::PublicKey;
use scriptworker_core::json::{JsonPath, Step};
use serde_json::{Map, Value};
use std::fmt::Write as _;
use std::path::PathBuf;

/// Which policy is used, and what is replaced in it.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyConfig {
    /// The generation whose rules apply, which is the file's: that of the built-in policy, and a document has to be for it.
    pub rules: RuleSet,
    /// `policy_path`, absolute; `None` for the built-in policy.
    pub path: Option<PathBuf>,
    /// `policy_public_keys`: one of them has to have signed the document. None: it needs no signature.
    pub public_keys: Vec<PublicKey>,
    /// The tables that the file has, under today's names, in the form in which it has them (config.md 4).
    pub tables: Map<String, Value>,
    /// `cot_product`.
    pub product: Option<String>,
}

impl PolicyConfig {
    /// The built-in policy of a generation, as it is.
    pub fn built_in(rules: RuleSet) -> Self {
        Self { rules, path: None, public_keys: Vec::new(), tables: Map::new(), product: None }
    }
}

impl KeySpec {
    /// Whether its value replaces a table of the policy.
    pub(super) fn is_policy_table(&self) -> bool {
        let is_table = self.default == super::keys::BuiltIn::Policy || OVERRIDABLE.contains(&self.name);
        is_table && !matches!(self.state, State::Gone(_))
    }
}

/// The generation's rules.
pub(super) fn rules(generation: Generation) -> RuleSet {
    match generation {
        Generation::Classic => RuleSet::Classic,
        Generation::Current | Generation::Both | Generation::Own => RuleSet::Current,
    }
}

/// What the file replaces. A table of the other generation has no effect, and was warned about.
pub(super) fn tables(settings: &[Setting], generation: Generation) -> Map<String, Value> {
    let replaces = |setting: &&Setting| {
        setting.is_given() && setting.spec.is_policy_table() && setting.spec.belongs_to(generation)
    };
    let given = settings.iter().filter(replaces);
    given.filter_map(|setting| Some((setting.spec.name.to_owned(), setting.value.clone()?))).collect()
}

/// Builds that part of the configuration, or reports why not.
pub(super) fn build(
    raw: &Raw,
    around: &Around<'_>,
    problems: &mut Vec<ConfigProblem>,
    warnings: &mut Vec<ConfigProblem>,
) -> Option<PolicyConfig> {
    let mut public_keys = Vec::new();
    for (at, text) in raw.policy_public_keys.iter().enumerate() {
        let place = format!("policy_public_keys[{at}]");
        let expected = "the base64 of an ed25519 public key, each once";
        match PublicKey::parse(text) {
            Ok(key) if !public_keys.contains(&key) => public_keys.push(key),
            // it may be a private key by mistake: not shown
            Ok(_) => problems.push(ConfigProblem::new(Rule::OutOfRange, place, expected, "one twice")),
            Err(_) => problems.push(ConfigProblem::new(Rule::OutOfRange, place, expected, "another text")),
        }
    }
    let path = raw.policy_path.as_ref().map(|path| around.env.cwd.join(path));
    if path.is_none() && !raw.policy_public_keys.is_empty() {
        let expected = "no such key without policy_path: the built-in policy is part of the program";
        warnings.push(ConfigProblem::new(Rule::NoEffect, "policy_public_keys", expected, "a list"));
    }
    (public_keys.len() == raw.policy_public_keys.len()).then(|| PolicyConfig {
        rules: rules(around.generation),
        path,
        public_keys,
        tables: around.tables.clone(),
        product: raw.cot_product.clone(),
    })
}

impl Inspection {
    /// A finding about the policy: `path` is the place in it, the root for all of it. It is told at the table of this
    /// file that stands in that place, else at the key that says which policy it is.
    pub fn unusable_policy(&self, path: &JsonPath, expected: &str, found: &str) -> ConfigProblem {
        let policy = self.config().map(|config| &config.policy);
        let (place, found) = match policy.and_then(|policy| place(&policy.tables, path)) {
            Some(place) => (place, found.to_owned()),
            None if OWN.iter().any(|key| *path == JsonPath::root().key(*key)) => {
                (path.to_string(), found.to_owned())
            }
            None => {
                let key = match policy {
                    Some(PolicyConfig { path: Some(_), .. }) => "policy_path",
                    Some(PolicyConfig { path: None, .. }) | None => "cot_product",
                };
                let found =
                    if path.steps().is_empty() { found.to_owned() } else { format!("{path}: {found}") };
                (key.to_owned(), found)
            }
        };
        let at = self.spot(&place);
        let problem = ConfigProblem::new(Rule::UnusablePolicy, place, expected, found).at(at);
        ConfigProblem { file: Some(self.file.clone()), ..problem }
    }
}

/// Keys that say what is used of a policy, and stand in none.
const OWN: [&str; 3] = ["cot_product", "cot_job_type", "cot_bundle"];

/// Where in the file the value stands that is in this place of the policy.
fn place(tables: &Map<String, Value>, path: &JsonPath) -> Option<String> {
    let mut steps = path.steps().iter();
    let mut product = None;
    let mut first = steps.next()?;
    if *first == Step::Key("products".to_owned()) {
        let Step::Key(name) = steps.next()? else { return None };
        product = Some(name.as_str());
        first = steps.next()?;
    }
    let Step::Key(key) = first else { return None };
    let value = tables.get(key)?;
    let mut place = key.clone();
    if let Some(product) = product {
        let below = |value: &Value| value.get(product).is_some();
        // writing to a String cannot fail
        if value.get("by-cot-product").is_some_and(below) {
            let _ = write!(place, ".by-cot-product.{product}");
        } else if below(value) {
            let _ = write!(place, ".{product}");
        }
    }
    for step in steps {
        let _ = match step {
            Step::Key(key) => write!(place, ".{key}"),
            Step::Index(at) => write!(place, "[{at}]"),
        };
    }
    Some(place)
}
