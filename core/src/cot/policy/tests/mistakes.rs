//! Mistakes: of YAML, of the schema, and those that only the lint finds.

use super::*;
use crate::ed25519::PrivateKey;
use crate::yaml::YamlError;
use proptest::prelude::*;
use serde_json::json;

/// Where the one mistake is, and what would belong there.
fn mistake(path: &[&str], value: Option<Value>) -> String {
    let problems = Policy::from_value(changed(path, value)).unwrap_err();
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// A place, what is put there as JSON (nothing: it is taken away), and the mistake.
#[rustfmt::skip]
const MISTAKES: &[(&str, &str, &str)] = &[
    ("format", r#"2"#, r#"format: expected 1, the form that this version reads, found 2"#),
    ("serial", r#"-1"#, r#"serial: expected a whole number from 0 on, found -1"#),
    ("serial", r#""#, r#"serial: expected a value, found nothing"#),
    ("rules", r#""modern""#, r#"rules: expected classic or current, found "modern""#),
    ("expires", r#""soon""#, r#"expires: expected an RFC 3339 date-time, found "soon""#),
    ("task_types/signing", r#""any""#, r#"task_types.signing: expected decision, action, docker-image, scriptworker or plain, found "any""#),
    ("task_types/a:b", r#""plain""#, r#"task_types["a:b"]: expected a type without a colon, and none called parent, found this one"#),
    ("name", r#""""#, r#"name: expected a text, found """#),
    ("task_types/parent", r#""plain""#, r#"task_types.parent: expected a type without a colon, and none called parent, found this one"#),
    ("task_types/", r#""plain""#, r#"task_types[""]: expected a type without a colon, and none called parent, found this one"#),
    ("pools/0/implementation", r#""taskcluster-worker""#, r#"pools[0].implementation: expected docker-worker, generic-worker, scriptworker, found "taskcluster-worker""#),
    ("pools/0/pool", r#""a/b/c""#, r#"pools[0].pool: expected a pool such as gecko-3/b-linux, perhaps with *, found "a/b/c""#),
    ("attestations/docker-worker", r#"[{"form": "gpg"}]"#, r#"attestations.docker-worker[0].form: expected openpgp or ed25519, found "gpg""#),
    ("attestations/docker-worker", r#"[{"form": "openpgp", "from": "2020-01-01T00:00:00Z", "until": "2019-01-01T00:00:00Z"}]"#, r#"attestations.docker-worker[0]: expected a time that begins before it ends, found the contrary"#),
    ("ed25519_public_keys/scriptworker/0", r#""c2VjcmV0""#, r#"ed25519_public_keys.scriptworker[0]: expected the base64 of an ed25519 public key, or a map of key, not_before, not_after and retired, found something else"#),
    ("valid_hash_algorithms/0", r#""sha1""#, r#"valid_hash_algorithms[0]: expected sha256 or sha512, found "sha1""#),
    ("valid_hash_algorithms", r#"[]"#, r#"valid_hash_algorithms: expected at least one algorithm, found a list of 0"#),
    ("forbidden_features/0/path", r#""payload..x""#, r#"forbidden_features[0].path: expected keys with dots between them, found "payload..x""#),
    ("switches/check_landed", r#""yes""#, r#"switches.check_landed: expected true or false, found "yes""#),
    ("products/firefox", r#"[]"#, r#"products.firefox: expected a map, found a list of 0"#),
    ("products/firefox/cot_product_type", r#"["hg", "svn"]"#, r#"products.firefox.cot_product_type: expected hg, github, or a list of both, found a list of 2"#),
    ("products/firefox/cot_product_type", r#""""#, r#"products.firefox.cot_product_type: expected hg, github, or a list of both, found """#),
    ("products/firefox/source_env_prefix", r#""gecko""#, r#"products.firefox.source_env_prefix: expected a prefix of upper-case letters, digits and _, found "gecko""#),
    ("products/firefox/valid_tasks_for", r#""#, r#"products.firefox.valid_tasks_for: expected a value, found nothing"#),
    ("products/firefox/valid_tasks_for/1", r#""action""#, r#"products.firefox.valid_tasks_for[1]: expected each text once, found "action""#),
    ("products/firefox/prebuilt_docker_image_task_types", r#""all""#, r#"products.firefox.prebuilt_docker_image_task_types: expected any, or a list of types of tasks, found "all""#),
    ("products/firefox/trusted_vcs_rules/0/path_regexes/1", r#""^/x""#, r#"products.firefox.trusted_vcs_rules[0].path_regexes[1]: expected an expression with a group named path, found one without"#),
    ("products/firefox/cot_restricted_trees/beta", r#"["mozilla-beta"]"#, r#"products.firefox.cot_restricted_trees.beta[0]: expected the path of a repository, such as /mozilla-central, found "mozilla-beta""#),
    ("products/firefox/cot_restricted_trees/beta", r#"[{"path": "/a"}]"#, r#"products.firefox.cot_restricted_trees.beta[0].branches: expected a value, found nothing"#),
    ("products/firefox/cot_restricted_scopes/a\n", r#""beta""#, r#"products.firefox.cot_restricted_scopes["a\n"]: expected a scope as its key, of printable ASCII, found "beta""#),
    ("products/firefox/docker_image_allowlists", r#"{"decision": ["sha1:00"]}"#, r#"products.firefox.docker_image_allowlists.decision[0]: expected sha256: and 64 lower-case hexadecimal digits, found "sha1:00""#),
    ("products/firefox/hg_git_mirrors", r#"{"x": "/y"}"#, r#"products.firefox.hg_git_mirrors.x: expected the path of a repository as its key, found "/y""#),
];

#[test]
fn each_mistake_is_named_with_its_path() {
    for (path, value, expected) in MISTAKES {
        let value = (!value.is_empty()).then(|| serde_json::from_str(value).unwrap());
        assert_eq!(mistake(&path.split('/').collect::<Vec<_>>(), value), *expected);
    }
    let unknown = mistake(&["products", "firefox", "valid_task_for"], Some(json!([])));
    assert!(
        unknown.starts_with("products.firefox.valid_task_for: expected no key but cot_product_type,"),
        "{unknown}"
    );
    let path = ["products", "firefox", "trusted_vcs_rules", "0", "path_regexes", "0"];
    let expression = mistake(&path, Some(json!("(?P<path>")));
    let expected = "path_regexes[0]: expected a regular expression, found \"regex parse error";
    assert!(expression.contains(expected), "{expression}");
}

#[test]
fn all_mistakes_are_told_at_once() {
    let document = changed(&["serial"], Some(json!("one")));
    let document = change(document, &["products", "glean", "source_env_prefix"], None);
    let document = change(
        document,
        &["products", "xpi", "cot_restricted_trees", "xpi-manifest-repo", "0"],
        Some(json!("/a/../b")),
    );
    let document = change(document, &["pools", "1", "pool"], Some(json!(7)));
    let document = change(document, &["extra"], Some(json!(null)));
    let paths: Vec<_> =
        Policy::from_value(document).unwrap_err().iter().map(|p| p.path.to_string()).collect();
    assert_eq!(
        paths,
        [
            "serial",
            "pools[1].pool",
            "extra",
            "products.glean.source_env_prefix",
            "products.xpi.cot_restricted_trees.xpi-manifest-repo[0]",
        ]
    );
    assert!(Policy::from_value(json!([])).is_err() && Policy::from_value(json!({})).unwrap_err().len() > 9);
}

#[test]
fn the_classic_rules_need_other_tables() {
    let document = change(classic().show(None).unwrap(), &["products", "firefox", "decision_command"], None);
    let problems = Policy::from_value(document.clone()).unwrap_err();
    assert_eq!(problems[0].to_string(), "products.firefox.decision_command: expected a value, found nothing");
    let document = change(document, &["rules"], Some(json!("current")));
    let missing: Vec<_> =
        Policy::from_value(document).unwrap_err().iter().map(|p| p.path.to_string()).collect();
    assert_eq!(
        missing,
        ["official_github_repos_owner", "prebuilt_docker_image_task_types", "valid_tasks_for"]
            .map(|key| format!("products.firefox.{key}"))
    );
}

#[test]
fn row_104_yaml_has_one_meaning() {
    let parse = |text: &str| Policy::parse(text.as_bytes()).unwrap_err();
    let twice = CURRENT.replacen("serial: 1\n", "serial: 1\nserial: 2\n", 1);
    assert!(
        matches!(parse(&twice), PolicyError::Yaml(YamlError::DuplicateKey { ref path, .. }) if path.to_string() == "serial")
    );
    let inner = CURRENT.replacen("  action: action\n", "  action: action\n  action: plain\n", 1);
    assert!(matches!(parse(&inner), PolicyError::Yaml(YamlError::DuplicateKey { .. })));
    assert!(matches!(
        parse("serial: !!python/object:os.system x"),
        PolicyError::Yaml(YamlError::Ambiguous { .. })
    ));
    assert!(matches!(parse("[1"), PolicyError::Yaml(YamlError::Syntax { .. })));
    assert!(matches!(parse("format: 1"), PolicyError::Document(ref problems) if problems.len() > 5));
    // one product takes over what another one has
    let merged = CURRENT.replacen(
        "products:\n  adhoc:\n",
        "products:\n  new: {<<: *adhoc, source_env_prefix: NEW}\n  adhoc: &adhoc\n",
        1,
    );
    let error = Policy::parse(merged.as_bytes());
    assert!(error.is_err(), "an alias comes after its anchor");
    let merged = format!("{CURRENT}  new: {{<<: *adhoc, source_env_prefix: NEW}}\n").replacen(
        "  adhoc:\n",
        "  adhoc: &adhoc\n",
        1,
    );
    let policy = Policy::parse(merged.as_bytes()).unwrap();
    let (new, adhoc) = (policy.product("new").unwrap(), policy.product("adhoc").unwrap());
    assert_eq!((new.env_prefix.as_str(), &new.decision_pools), ("NEW", &adhoc.decision_pools));
    // JSON is YAML
    let json = serde_json::to_string(&current().show(None).unwrap()).unwrap();
    assert_eq!(Policy::parse(json.as_bytes()).unwrap().show(None), current().show(None));
}

#[test]
fn row_016_row_017_and_row_128_the_lint_finds_what_cannot_be_meant() {
    const KEY: &str = "KO3FX9JnNga/XViTRBiUMHYnji9Fu3s332sU2lXjSwE=";
    let firefox = |key| ["products", "firefox", key];
    for (path, value, expected) in [
        // row 128
        (
            &["products", "xpi", "cot_restricted_scopes", "project:xpi:releng:*"][..],
            json!("xpi-manifest-repo"),
            "error: products.xpi.cot_restricted_scopes[\"project:xpi:releng:*\"]: a scope may match both this and \"project:xpi:releng:github:project:mozilla-extensions/*\"",
        ),
        (
            &["products", "xpi", "cot_restricted_scopes", "a"],
            json!("none"),
            "error: products.xpi.cot_restricted_scopes.a: the level \"none\" is in no tree: nobody can have this scope",
        ),
        // rows 16 and 17
        (
            &["ed25519_public_keys", "scriptworker"],
            json!([]),
            "error: ed25519_public_keys: no key is listed for \"scriptworker\"",
        ),
        (
            &["ed25519_public_keys"],
            json!({"scriptworker": [KEY], "docker-worker": [KEY]}),
            "error: ed25519_public_keys.generic-worker: no key is listed, although ed25519 attestations are accepted",
        ),
        (
            &["ed25519_public_keys", "generic-worker"],
            json!([KEY]),
            &*format!(
                "error: ed25519_public_keys: {KEY} is listed for \"generic-worker\" and for \"scriptworker\", and is not said to be shared"
            ),
        ),
        (
            &["ed25519_public_keys", "generic-worker"],
            json!([{"key": KEY, "retired": "superseded"}]),
            &*format!(
                "error: ed25519_public_keys: {KEY} of \"generic-worker\" is retired, but no not_after says since when"
            ),
        ),
        (
            &["attestations", "generic-worker"],
            json!([]),
            "warning: attestations.generic-worker: no attestation of this implementation is accepted",
        ),
        (
            &["pools"],
            json!([{"pool": "a/*", "implementation": "scriptworker"}, {"pool": "a/b*", "implementation": "docker-worker"}]),
            "warning: pools[1]: a/b* never counts: a/* stands before it",
        ),
        (
            &firefox("prebuilt_docker_image_task_types"),
            json!(["decison"]),
            "warning: products.firefox.prebuilt_docker_image_task_types: \"decison\" is no known type of tasks",
        ),
        (
            &firefox("tag_revisions_for"),
            json!(["github-release"]),
            "warning: products.firefox.tag_revisions_for: \"github-release\" is none of valid_tasks_for",
        ),
        (
            &firefox("level_1_decision_worker_pools"),
            json!(["gecko-1/decison"]),
            "warning: products.firefox.level_1_decision_worker_pools: gecko-1/decison is no decision pool",
        ),
        (
            &firefox("hg_git_mirrors"),
            json!({"/mozilla-central": "/evil/firefox"}),
            "warning: products.firefox.hg_git_mirrors[\"/mozilla-central\"]: no trusted rule gives the path /evil/firefox",
        ),
        (
            &["switches", "require_branches"],
            json!(true),
            "warning: products.glean.cot_restricted_trees.glean-repo[0]: every branch of /mozilla/glean gets the scopes of this level",
        ),
        (
            &["products", "glean", "cot_restricted_trees", "unused"],
            json!([{"path": "/mozilla/glean", "branches": ["main"]}]),
            "note: products.glean.cot_restricted_trees.unused: no scope has this level",
        ),
    ] {
        let found = lints(changed(path, Some(value)));
        assert!(found.iter().any(|lint| lint == expected), "{expected} is not in {found:#?}");
    }
    // a tree of Mercurial has no branches, and one with branches shares nothing
    let tree = ["products", "glean", "cot_restricted_trees", "glean-repo", "0"];
    let document = changed(&tree, Some(json!({"path": "/mozilla/glean", "branches": ["main"]})));
    let found = lints(change(document, &["switches", "require_branches"], Some(json!(true))));
    let shares =
        |product: &str| found.iter().any(|lint| lint.contains(product) && lint.contains("every branch of"));
    assert_eq!(
        ["firefox", "glean", "xpi"].map(|name| shares(&format!("products.{name}."))),
        [false, false, true]
    );
    // row 114
    let all = |pool: &str| {
        let found = lints(changed(&["d2g_pools"], Some(json!(["gecko-3/*", pool]))));
        let text = "every pool of generic-worker counts as one that runs tasks written for docker-worker";
        let noted: Vec<_> = found.into_iter().filter(|lint| lint.contains("d2g_pools")).collect();
        (noted == [format!("note: d2g_pools[1]: {text}")], noted.is_empty())
    };
    for pool in ["*/*", "*"] {
        assert_eq!(all(pool), (true, false), "{pool}");
    }
    for pool in ["*/b-linux", "gecko-1/*", "*-d2g"] {
        assert_eq!(all(pool), (false, true), "{pool}");
    }
    // row 17: a secret where a public key belongs
    let key = current().keys.lists["scriptworker"][0].key.to_string();
    let own = PrivateKey::parse(&key).unwrap();
    let found = current().lint(Some(&own));
    assert!(
        found[0].level == LintLevel::Error
            && found[0].text.contains("private key")
            && !found[0].text.contains(&key)
    );
}

proptest! {
    // each case compiles all expressions of all products
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever stands anywhere in a document, it is read or its mistakes are named; nothing panics.
    #[test]
    fn any_value_anywhere_is_read_or_named(
        which in any::<prop::sample::Index>(),
        value in crate::json::any_value(),
    ) {
        let mut document = current().show(None).unwrap();
        let pointers = pointers(&document);
        let pointer: &String = which.get(&pointers);
        *document.pointer_mut(pointer).unwrap() = value;
        match Policy::from_value(document) {
            Ok(policy) => drop(policy.lint(None)),
            Err(problems) => prop_assert!(!problems.is_empty()),
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in "[a-z:{}\\[\\]\\n -]{0,60}") {
        let _ = Policy::parse(text.as_bytes());
    }
}

/// The JSON pointer of every value.
fn pointers(value: &Value) -> Vec<String> {
    let below = |step: String, value: &Value| -> Vec<String> {
        pointers(value)
            .into_iter()
            .map(|rest| format!("/{}{rest}", step.replace('~', "~0").replace('/', "~1")))
            .collect()
    };
    let mut all = vec![String::new()];
    match value {
        Value::Object(members) => {
            all.extend(members.iter().flat_map(|(key, value)| below(key.clone(), value)))
        }
        Value::Array(items) => {
            all.extend(items.iter().enumerate().flat_map(|(at, item)| below(at.to_string(), item)))
        }
        _ => {}
    }
    all
}
