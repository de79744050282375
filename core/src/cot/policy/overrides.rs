//! Tables of a policy that a configuration replaces (config.md 4 and 9), in every form that configurations have: for the
//! worker's own product, under `by-cot-product`, or, as the classic generation wrote two of them, by product directly.

use super::problem::PolicyProblem;
use super::{Policy, product};
use crate::json::JsonPath;
use serde_json::{Map, Value};

/// Keys that are common to all products and may be overridden. The keys of products may be, too.
pub const OVERRIDABLE: [&str; 5] = [
    "ed25519_public_keys",
    "shared_ed25519_public_keys",
    "scriptworker_provisioners",
    "scriptworker_worker_types",
    "valid_hash_algorithms",
];

const BY_PRODUCT: &str = "by-cot-product";

/// Names that keys had in the classic generation.
const RENAMED: [(&str, &str); 3] = [
    ("valid_decision_worker_types", "valid_decision_worker_pools"),
    ("valid_docker_image_worker_types", "valid_docker_image_worker_pools"),
    ("valid_vcs_rules", "trusted_vcs_rules"),
];

impl Policy {
    /// This policy with the tables that a configuration replaces; `product` is the worker's own, if it has one. Each
    /// value replaces what the policy has as a whole. What comes out is read like any policy: every mistake is told,
    /// with the path in the policy.
    pub fn overridden(
        &self,
        overrides: &Map<String, Value>,
        product: Option<&str>,
    ) -> Result<Self, Vec<PolicyProblem>> {
        let mut document = self.document.clone();
        let mut problems = Vec::new();
        let mut keys = self.id.overridden.clone();
        for (given, value) in overrides {
            let renamed = RENAMED.iter().find(|(old, _)| old == given).map(|(_, new)| *new);
            let key = renamed.unwrap_or(given);
            if !keys.iter().any(|known| known == key) {
                keys.push(key.to_owned());
            }
            let placed = if OVERRIDABLE.contains(&key) {
                place(&mut document, None, key, value)
            } else if product::KEYS.contains(&key) {
                place_by_product(&mut document, key, value, product)
            } else {
                Err("a key of a policy".to_owned())
            };
            if let Err(expected) = placed {
                let path = JsonPath::root().key(given.as_str());
                problems.push(PolicyProblem { path, expected, found: "none".to_owned() });
            }
        }
        // what could not be placed is as it was before, so that the rest can be read all the same
        let mut policy = match Self::from_value(document) {
            Ok(policy) if problems.is_empty() => policy,
            Ok(_) => return Err(problems),
            Err(more) => {
                problems.extend(more);
                return Err(problems);
            }
        };
        keys.sort_unstable();
        policy.id = super::PolicyId { overridden: keys, ..self.id.clone() };
        Ok(policy)
    }
}

fn place_by_product(
    document: &mut Value,
    key: &str,
    value: &Value,
    product: Option<&str>,
) -> Result<(), String> {
    let table = match value.get(BY_PRODUCT) {
        Some(Value::Object(table)) => Some(table),
        Some(_) => return Err(format!("a map of products under {BY_PRODUCT}")),
        None => directly_by_product(key, value),
    };
    match (table, product) {
        (Some(table), _) => {
            if let Some(own) = product.filter(|own| !table.contains_key(*own)) {
                return Err(format!("a value for cot_product, which is {own:?}"));
            }
            table.iter().try_for_each(|(name, value)| place(document, Some(name), key, value))
        }
        (None, Some(own)) => place(document, Some(own), key, value),
        // without a product nothing is verified, and the value is for nobody
        (None, None) => Ok(()),
    }
}

/// Scopes and trees as the classic generation wrote them: a map of products. What is in their maps otherwise are texts
/// and lists.
fn directly_by_product<'a>(key: &str, value: &'a Value) -> Option<&'a Map<String, Value>> {
    let table = value.as_object()?;
    let is_such = matches!(key, "cot_restricted_scopes" | "cot_restricted_trees");
    (is_such && !table.is_empty() && table.values().all(Value::is_object)).then_some(table)
}

fn place(document: &mut Value, product: Option<&str>, key: &str, value: &Value) -> Result<(), String> {
    let root = document.as_object_mut();
    let target = match product {
        None => root,
        Some(name) => root
            .and_then(|root| root.entry("products").or_insert_with(|| Map::new().into()).as_object_mut())
            .and_then(|products| products.entry(name).or_insert_with(|| Map::new().into()).as_object_mut()),
    };
    let target = target.ok_or_else(|| "a policy with products".to_owned())?;
    target.insert(key.to_owned(), value.clone());
    Ok(())
}
