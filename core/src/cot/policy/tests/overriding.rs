//! Tables from the configuration, and the identity of policies.

use super::*;
use crate::ed25519::PrivateKey;
use crate::time::UnixMillis;
use serde_json::{Map, json};

fn overrides(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("{other} is no map"),
    }
}

fn overridden(value: Value, product: Option<&str>) -> Result<Policy, Vec<String>> {
    let told = |problems: Vec<PolicyProblem>| problems.iter().map(ToString::to_string).collect();
    current().overridden(&overrides(value), product).map_err(told)
}

#[test]
fn every_form_of_an_override_is_taken() {
    let tasks_for = |policy: &Policy, product: &str| policy.product(product).unwrap().tasks_for.clone();
    for (value, firefox, glean) in [
        (json!({"valid_tasks_for": ["cron"]}), 1, 5),
        (json!({"valid_tasks_for": {"by-cot-product": {"firefox": ["cron"]}}}), 1, 5),
        (
            json!({"valid_tasks_for": {"by-cot-product": {"firefox": ["cron"], "glean": ["cron", "action"]}}}),
            1,
            2,
        ),
        (json!({}), 7, 5),
    ] {
        let policy = overridden(value.clone(), Some("firefox")).unwrap();
        assert_eq!(
            (tasks_for(&policy, "firefox").len(), tasks_for(&policy, "glean").len()),
            (firefox, glean),
            "{value}"
        );
    }
    // a map whose members are no maps is for the worker's own product
    let policy = overridden(json!({"cot_restricted_scopes": {"a": "beta"}}), Some("firefox")).unwrap();
    assert_eq!(policy.product("firefox").unwrap().restricted.len(), 1);
    // text and list mean the same for these
    let policy = overridden(
        json!({"cot_product_type": "hg", "official_github_repos_owner": ["a", "b"]}),
        Some("firefox"),
    );
    let firefox = policy.unwrap().products.remove("firefox").unwrap();
    assert_eq!(
        (firefox.types, Vec::from_iter(firefox.official_owners)),
        (vec![ProductType::Hg], vec!["a".to_owned(), "b".to_owned()])
    );
    // without a product a plain value is for nobody, and a table still is for its products
    let policy = overridden(json!({"valid_tasks_for": ["cron"]}), None).unwrap();
    assert_eq!(tasks_for(&policy, "firefox").len(), 7);
    let policy =
        overridden(json!({"valid_tasks_for": {"by-cot-product": {"glean": ["cron"]}}}), None).unwrap();
    assert_eq!(tasks_for(&policy, "glean").len(), 1);
}

#[test]
fn the_classic_forms_are_taken() {
    let value = json!({
        "cot_restricted_scopes": {"firefox": {"a": "x"}},
        "cot_restricted_trees": {"firefox": {"x": ["/mozilla-central"]}},
        "valid_decision_worker_types": ["my-decision"],
        "valid_docker_image_worker_types": ["my-images"],
        "valid_vcs_rules": [{"schemes": ["https"], "netlocs": ["h"], "path_regexes": ["^(?P<path>/a)"]}],
        "docker_image_allowlists": {"decision": []},
        "scriptworker_worker_types": ["signing-v1"],
    });
    let policy = classic().overridden(&overrides(value), Some("firefox")).unwrap();
    let firefox = policy.product("firefox").unwrap();
    assert_eq!((firefox.restricted.len(), firefox.trees.len()), (1, 1));
    assert_eq!(firefox.decision_pools, [PoolPattern::parse("my-decision").unwrap()]);
    assert_eq!(firefox.image_pools, [PoolPattern::parse("my-images").unwrap()]);
    assert!(firefox.trusted.can_give("/a") && !firefox.trusted.can_give("/mozilla-central"));
    assert_eq!(firefox.image_allowlists.as_ref().unwrap().len(), 1);
    assert_eq!(policy.scriptworker_worker_types, ["signing-v1"]);
    assert_eq!(
        policy.id.overridden,
        [
            "cot_restricted_scopes",
            "cot_restricted_trees",
            "docker_image_allowlists",
            "scriptworker_worker_types",
            "trusted_vcs_rules",
            "valid_decision_worker_pools",
            "valid_docker_image_worker_pools",
        ]
    );
    assert_eq!((policy.id.sha256, policy.id.serial), (classic().id.sha256, 1));
}

#[test]
fn an_override_replaces_the_whole_value() {
    let key = current().keys.lists["scriptworker"][0].key.to_string();
    let policy = overridden(json!({"ed25519_public_keys": {"scriptworker": [key]}}), None).unwrap();
    assert_eq!(policy.keys.lists.keys().collect::<Vec<_>>(), ["scriptworker"]);
    assert!(
        policy
            .lint(None)
            .iter()
            .any(|lint| lint.level == LintLevel::Error && lint.path.to_string().contains("docker-worker"))
    );
}

#[test]
fn a_new_product_needs_every_table() {
    let glean = current().show(Some("glean")).unwrap()["products"]["glean"].clone();
    let mut tables = Map::new();
    for (key, value) in overrides(glean) {
        tables.insert(key, json!({"by-cot-product": {"mine": value}}));
    }
    let policy = current().overridden(&tables, Some("mine")).unwrap();
    assert_eq!(policy.product("mine").unwrap().env_prefix, "GLEAN");
    for prefix in ["MY_APP", "MY2"] {
        tables.insert("source_env_prefix".to_owned(), json!({"by-cot-product": {"mine": prefix}}));
        let policy = current().overridden(&tables, Some("mine")).unwrap();
        assert_eq!(policy.product("mine").unwrap().env_prefix, prefix);
    }
    tables.remove("source_env_prefix");
    let problems = current().overridden(&tables, Some("mine")).unwrap_err();
    assert_eq!(problems[0].to_string(), "products.mine.source_env_prefix: expected a value, found nothing");
}

#[test]
fn mistakes_in_overrides_are_told() {
    for (value, product, expected) in [
        (
            json!({"valid_tasks_for": {"by-cot-product": {"glean": []}}}),
            "firefox",
            "valid_tasks_for: expected a value for cot_product, which is \"firefox\", found none",
        ),
        (
            json!({"valid_tasks_for": {"by-cot-product": []}}),
            "firefox",
            "valid_tasks_for: expected a map of products under by-cot-product, found none",
        ),
        (
            json!({"valid_tasks_for": "cron"}),
            "firefox",
            "products.firefox.valid_tasks_for: expected a list, found \"cron\"",
        ),
        (
            json!({"valid_tasks_for": null}),
            "firefox",
            "products.firefox.valid_tasks_for: expected a list, found null",
        ),
        (json!({"serial": 7}), "firefox", "serial: expected a key of a policy, found none"),
        (json!({"switches": {}}), "firefox", "switches: expected a key of a policy, found none"),
    ] {
        assert_eq!(overridden(value, Some(product)).unwrap_err(), [expected]);
    }
}

#[test]
fn a_policy_never_goes_back() {
    let policy = |name: &str, serial: u64, more: &str| {
        let head = format!("format: 1\nname: {name}\nrules: current\nserial: {serial}\n");
        let text = CURRENT.replacen("format: 1\nname: current\nrules: current\nserial: 1\n", &head, 1);
        Policy::parse(format!("{text}{more}").as_bytes()).unwrap()
    };
    let five = policy("mine", 5, "").id;
    assert_eq!(policy("mine", 5, "").may_follow(&five), Ok(()));
    assert_eq!(policy("mine", 6, "# other\n").may_follow(&five), Ok(()));
    assert_eq!(
        policy("mine", 4, "").may_follow(&five),
        Err(PolicySuccession::OlderSerial { expected: 5, found: 4 })
    );
    assert_eq!(
        policy("mine", 5, "# other\n").may_follow(&five),
        Err(PolicySuccession::SameSerial { serial: 5 })
    );
    let other = PolicySuccession::OtherName { expected: "mine".to_owned(), found: "theirs".to_owned() };
    assert_eq!(policy("theirs", 9, "").may_follow(&five), Err(other));
    let text = serde_json::to_value(&five).unwrap();
    assert_eq!(
        (&text["name"], &text["serial"], text["sha256"].as_str().unwrap().len()),
        (&json!("mine"), &json!(5), 64)
    );
    assert!(five.to_string().starts_with("policy mine 5 (sha256:"));
}

#[test]
fn a_policy_expires() {
    let document = changed(&["expires"], Some(json!("2026-01-01T00:00:00Z")));
    let policy = Policy::from_value(document).unwrap();
    let last = UnixMillis::parse("2026-01-01T00:00:00Z").unwrap();
    assert!(!policy.is_expired(last) && policy.is_expired(last.plus(1)));
    assert!(!current().is_expired(UnixMillis(i64::MAX)));
}

#[test]
fn a_signed_policy_is_signed_by_one_of_the_keys() {
    let key = |seed: u8| {
        PrivateKey::generate(&mut <rand::rngs::StdRng as rand::SeedableRng>::seed_from_u64(seed.into()))
    };
    let (own, other) = (key(1), key(2));
    let signature = *own.sign(CURRENT.as_bytes()).as_bytes();
    let keys = [other.public(), own.public()];
    assert_eq!(Policy::parse_signed(CURRENT.as_bytes(), &signature, &keys).unwrap().id, current().id);
    let changed = CURRENT.replacen("serial: 1", "serial: 2", 1);
    for (text, keys) in [(changed.as_str(), &keys[..]), (CURRENT, &keys[..1]), (CURRENT, &[])] {
        let error = Policy::parse_signed(text.as_bytes(), &signature, keys).unwrap_err();
        assert!(matches!(error, PolicyError::Unsigned { tried } if tried == keys.len()));
    }
    let error = Policy::parse_signed(CURRENT.as_bytes(), &signature[..63], &keys).unwrap_err();
    assert!(matches!(error, PolicyError::SignatureFormat(_)));
    // nothing of what is not signed is read
    let error = Policy::parse_signed(b"[", &signature, &keys).unwrap_err();
    assert!(matches!(error, PolicyError::Unsigned { .. }));
}
