//! The built-in policies are what they are meant to be.

use super::*;
use crate::cot::keys::{Form, Implementation};
use crate::cot::role::{Role, RuleSet};
use crate::ids::TaskQueueId;
use crate::json::DocumentKind;
use crate::scope::Scope;
use crate::source_url::SourceUrl;
use crate::time::UnixMillis;

#[test]
fn both_are_read_without_mistakes_and_know_their_generation() {
    assert_eq!((classic().rules, classic().id.serial), (RuleSet::Classic, 1));
    assert_eq!((current().rules, current().id.serial), (RuleSet::Current, 1));
    assert_eq!(classic().products.keys().collect::<Vec<_>>(), ["firefox"]);
    let products: Vec<_> = current().products.into_keys().collect();
    let expected = [
        "adhoc",
        "app-services",
        "enterprise",
        "firefox",
        "glean",
        "mobile",
        "mozillavpn",
        "scriptworker",
        "thunderbird",
        "translations",
        "xpi",
    ];
    assert_eq!(products, expected);
    assert!(CURRENT.len() < usize::try_from(DocumentKind::Policy.limits().bytes).unwrap());
}

/// As many rows as the tables have from which they were made (chain-of-trust-products.md).
#[test]
fn every_table_is_complete() {
    let numbers = |policy: &Policy, name: &str| {
        let product = policy.product(name).unwrap();
        let trees: usize = product.trees.values().map(Vec::len).sum();
        let pools = (product.decision_pools.len(), product.image_pools.len());
        (
            pools,
            product.restricted.len(),
            product.trees.len(),
            trees,
            product.tasks_for.len(),
            product.mirrors.len(),
        )
    };
    assert_eq!(numbers(&classic(), "firefox"), ((1, 2), 13, 7, 22, 0, 0));
    for (name, expected) in [
        ("adhoc", ((4, 4), 1, 1, 2, 3, 0)),
        ("app-services", ((4, 4), 3, 1, 1, 5, 0)),
        ("enterprise", ((3, 3), 4, 1, 2, 6, 0)),
        ("firefox", ((6, 6), 31, 14, 51, 7, 7)),
        ("glean", ((4, 4), 1, 1, 1, 5, 0)),
        ("mobile", ((4, 4), 3, 2, 2, 6, 0)),
        ("mozillavpn", ((4, 4), 4, 1, 1, 5, 0)),
        ("scriptworker", ((4, 4), 2, 2, 3, 5, 0)),
        ("thunderbird", ((6, 6), 19, 8, 22, 3, 0)),
        ("translations", ((2, 2), 1, 1, 1, 5, 0)),
        ("xpi", ((4, 4), 5, 1, 1, 5, 0)),
    ] {
        assert_eq!(numbers(&current(), name), expected, "{name}");
    }
    let lists = classic().product("firefox").unwrap().image_allowlists.clone().unwrap();
    assert_eq!(
        lists.iter().map(|(name, list)| (name.as_str(), list.len())).collect::<Vec<_>>(),
        [("decision", 4), ("docker-image", 4)]
    );
}

#[test]
fn single_values_are_those_of_the_tables() {
    let policy = current();
    let firefox = policy.product("firefox").unwrap();
    assert_eq!(firefox.types, [ProductType::Hg, ProductType::GitHub]);
    assert_eq!(Vec::from_iter(firefox.official_owners.clone()), ["mozilla-firefox"]);
    assert_eq!(
        Vec::from_iter(policy.product("enterprise").unwrap().official_owners.clone()),
        ["mozilla", "thunderbird"]
    );
    assert_eq!(policy.product("enterprise").unwrap().overriding_env_prefix.as_deref(), Some("COMM"));
    assert!(policy.product("thunderbird").unwrap().official_owners.is_empty());
    assert_eq!(policy.product("thunderbird").unwrap().env_prefix, "COMM");
    assert_eq!(policy.product("xpi").unwrap().prebuilt_images, PrebuiltImages::Any);
    let restricted = |name: &str, scope: &str| {
        let product = policy.product(name).unwrap();
        product
            .restricted_by(&Scope::parse(scope).unwrap())
            .map(|entry| entry.level.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        restricted("xpi", "project:xpi:releng:github:project:mozilla-extensions/x"),
        ["xpi-manifest-repo"]
    );
    assert_eq!(restricted("firefox", "project:releng:signing:cert:dep-signing"), [""; 0]);
    assert_eq!(restricted("firefox", "project:releng:signing:cert:*").len(), 4);
    assert_eq!(restricted("firefox", "*").len(), 31);
    assert_eq!(policy.task_types["shipit"], Role::Scriptworker);
    assert_eq!(policy.task_types.get("foo"), None);
    let command = classic().product("firefox").unwrap().decision_command.clone().unwrap();
    assert_eq!(command.sequence, ["./mach", "taskgraph", "decision"]);
}

/// What is known to be odd about the tables, and nothing else.
#[test]
fn the_lint_finds_the_known_oddities_alone() {
    let found = |policy: Policy| -> Vec<String> {
        let lints = policy.lint(None).into_iter();
        // repositories on GitHub share their scopes among all branches: the tables name none
        let others = lints.filter(|lint| !lint.text.starts_with("every branch"));
        others
            .map(|lint| lint.to_string().replace("cot_restricted_trees", "trees").replace("products.", ""))
            .collect()
    };
    assert_eq!(
        found(classic()),
        [
            "note: firefox.trees.all-nightly-branches[1]: no trusted rule gives the path /releases/mozilla-unified",
        ]
    );
    assert_eq!(
        found(current()),
        [
            "note: d2g_pools[0]: every pool of generic-worker counts as one that runs tasks written for docker-worker",
            "note: firefox.trees.all-nightly-branches[1]: no trusted rule gives the path /releases/mozilla-unified",
            "note: firefox.trees.all-release-branches[5]: no trusted rule gives the path /projects/birch",
            "note: firefox.trees.all-release-branches-and-autoland[5]: no trusted rule gives the path /projects/birch",
            "note: mobile.trees.firefox-ios-repo[0]: no trusted rule gives the path /mozilla-mobile/firefox-ios",
            "note: thunderbird.trees.autoland: no scope has this level",
            "note: thunderbird.trees.nightly: no scope has this level",
        ]
    );
}

#[test]
fn trusted_trees_are_known_by_their_addresses() {
    for (policy, product, url, expected) in [
        (
            current(),
            "firefox",
            "https://hg.mozilla.org/releases/mozilla-esr140/file/x",
            Some("/releases/mozilla-esr140"),
        ),
        (
            current(),
            "firefox",
            "https://github.com/mozilla-firefox/firefox/raw/x/y",
            Some("/mozilla-firefox/firefox"),
        ),
        (current(), "firefox", "https://github.com/mozilla-firefox/firefox-ios", None),
        (
            current(),
            "scriptworker",
            "git@github.com:mozilla-releng/scriptworker-scripts.git",
            Some("/mozilla-releng/scriptworker-scripts"),
        ),
        (current(), "glean", "https://github.com/mozilla/glean-git-evil", None),
        (
            classic(),
            "firefox",
            "https://hg.mozilla.org/releases/mozilla-esr52",
            Some("/releases/mozilla-esr52"),
        ),
        (classic(), "firefox", "https://hg.mozilla.org/try", None),
    ] {
        let url = SourceUrl::parse(url).unwrap();
        let path = policy.product(product).unwrap().trusted.trusted_path(&url);
        assert_eq!(path.ok().as_deref(), expected, "{url}");
    }
}

#[test]
fn row_097_and_098_pools_and_their_level() {
    let policy = current();
    let standing = |product: &str, pool: &str| {
        let pool = TaskQueueId::parse(pool).unwrap();
        let product = policy.product(product).unwrap();
        (product.is_decision_pool(&pool), product.is_level_1_pool(&pool))
    };
    assert_eq!(standing("firefox", "gecko-3/decision"), (true, false));
    assert_eq!(standing("firefox", "gecko-1/decision-gcp"), (true, true));
    assert_eq!(standing("firefox", "gecko-3/decision-azure"), (false, false));
    assert_eq!(standing("firefox", "comm-3/decision"), (false, false));
    // this product has no others, and a restricted scope
    assert_eq!(standing("translations", "translations-1/decision"), (true, false));
    let pool = TaskQueueId::parse("aws-provisioner-v1/gecko-decision").unwrap();
    assert!(classic().product("firefox").unwrap().is_decision_pool(&pool));
}

#[test]
fn row_006_pools_are_mapped_and_row_020_forms_are_by_implementation() {
    let pool = |text: &str| TaskQueueId::parse(text).unwrap();
    assert_eq!(
        current().pools.implementation(&pool("scriptworker-k8s/x")),
        Some(Implementation::from_name("scriptworker").unwrap())
    );
    assert_eq!(current().pools.implementation(&pool("gecko-3/b-linux")), None);
    let forms = |policy: &Policy| -> Vec<_> {
        policy.accepted_forms(Implementation::from_name("docker-worker").unwrap(), UnixMillis(0)).collect()
    };
    assert_eq!(forms(&classic()), [Form::OpenPgp]);
    assert_eq!(forms(&current()), [Form::Ed25519]);
}

#[test]
fn one_product_alone_is_shown() {
    let shown = current().show(Some("glean")).unwrap();
    assert_eq!(shown["products"].as_object().unwrap().keys().collect::<Vec<_>>(), ["glean"]);
    assert_eq!(shown["task_types"]["signing"], "scriptworker");
    assert_eq!(current().show(Some("nothing")), None);
}

/// docs/policy.md names every key that there is, and none that there is not.
#[test]
fn every_key_is_documented() {
    // what stands before is about the configuration
    let (_, text) = include_str!("../../../../../docs/policy.md").split_once("\n## The document\n").unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    let mut documented: Vec<&str> =
        rows.flat_map(|cell| cell.split("`, `")).map(|key| key.trim_end_matches('`')).collect();
    documented.sort_unstable();
    let current = current().show(None).unwrap();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let optional = ["expires", "foreign_ed25519_public_keys", "scriptworker_worker_types"].map(str::to_owned);
    let mut known: Vec<String> =
        keys(&current).into_iter().chain(optional).chain(keys(&current["switches"])).collect();
    known.extend(product::KEYS.map(str::to_owned));
    known.sort_unstable();
    assert_eq!(documented, known);
}
