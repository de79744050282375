//! What `check-config` and `show-config` say of the policy.

use super::{BASE, Place};
use scriptworker_core::cot::policy::CURRENT;

const VERIFYING: &str = "verify_chain_of_trust: true\ncot_product: firefox\n";

/// The findings about a configuration with these lines.
fn findings(place: &Place, more: &str) -> (Option<i32>, Vec<String>) {
    place.check(&format!("{BASE}{more}cot_job_type: signing\n"), &[])
}

#[test]
fn the_policy_is_checked_with_the_lines_that_replace_it() {
    let place = Place::new();
    let tables = "valid_hash_algorithms:\n  - sha256\n  - md5\nvalid_tasks_for:\n  by-cot-product:\n    firefox:\n      - ''\n\
                  ed25519_public_keys:\n  docker-worker: [bm90IGEga2V5]\n";
    let (code, found) = findings(&place, &format!("{VERIFYING}{tables}"));
    assert_eq!(code, Some(1), "{found:#?}");
    for line in [
        "error: c.yaml:11:5: valid_hash_algorithms[1]: expected sha256 or sha512, found \"md5\"",
        "error: c.yaml:15:9: valid_tasks_for.by-cot-product.firefox[0]: expected a text, found \"\"",
        "error: c.yaml:17:19: ed25519_public_keys.docker-worker[0]: expected the base64 of an ed25519 public key, or a map \
         of key, not_before, not_after and retired, found something else",
    ] {
        assert!(found.iter().any(|found| found == line), "{line}\n{found:#?}");
    }
    // what cannot be meant, at the table that says it
    let (code, found) = findings(&place, &format!("{VERIFYING}cot_restricted_scopes: {{'a:*': x}}\n"));
    assert_eq!(code, Some(1), "{found:#?}");
    assert!(
        found[0].starts_with("error: c.yaml:9:25: cot_restricted_scopes.a:*: ")
            && found[0].contains("in no tree"),
        "{found:#?}"
    );
    // who does not verify is only told
    let (code, found) = findings(&place, &tables.replace("  - md5\n", "  - sha1\n"));
    assert_eq!(code, Some(0), "{found:#?}");
    assert!(
        found.iter().any(|line| line.starts_with("warning: c.yaml:9:5: valid_hash_algorithms[1]: ")),
        "{found:#?}"
    );
    assert_eq!(findings(&place, VERIFYING).0, Some(0));
}

#[test]
fn the_file_of_the_policy_and_its_signature_are_looked_at() {
    let place = Place::new();
    let config = format!("{VERIFYING}policy_path: p.yml\n");
    let (code, found) = findings(&place, &config);
    assert_eq!(code, Some(0), "it may be checked where it is not deployed: {found:#?}");
    assert!(found[0].starts_with("note: c.yaml:9:1: policy_path: "), "{found:#?}");
    place.write(
        "p.yml",
        &CURRENT.replacen("serial: 1\n", "serial: one\nexpires: '2020-01-01T00:00:00Z'\n", 1),
    );
    let (code, found) = findings(&place, &config);
    assert_eq!(code, Some(1));
    assert_eq!(
        found[0],
        "error: c.yaml:9:1: policy_path: expected a policy that can be used, \
         found p.yml: serial: expected a whole number from 0 on, found \"one\""
    );
    place.write("p.yml", &CURRENT.replacen("serial: 1\n", "serial: 1\nexpires: '2020-01-01T00:00:00Z'\n", 1));
    let (_, found) = findings(&place, &config.replace("firefox", "firefix"));
    assert!(found[1].contains("cot_product: expected one of the policy's products ("), "{found:#?}");
    assert!(found[0].contains("expired at 2020-01-01T00:00:00.000Z"), "{found:#?}");
    place.write("p.yml", CURRENT);
    let signed = format!("{config}policy_public_keys: [Kz/aZIVeR6NP8gQU1U+2CCIZqvbd+4QCP6J63lflwik=]\n");
    let (_, found) = findings(&place, &signed);
    assert!(found[0].starts_with("note: c.yaml:10:1: policy_public_keys: "), "{found:#?}");
    assert!(found[0].contains("p.yml.sig"), "{found:#?}");
    place.write("p.yml.sig", &"x".repeat(64));
    let (code, found) = findings(&place, &signed);
    assert_eq!(code, Some(1));
    assert!(found[0].contains("none of the 1 keys for policies signed this document"), "{found:#?}");
    let (code, found) = findings(&place, &signed.replace("Kz/", "Kz!"));
    assert_eq!(code, Some(1));
    assert_eq!(
        found[0],
        "error: c.yaml:10:22: policy_public_keys[0]: expected the base64 of an ed25519 public key, each once, found another text"
    );
    let (code, found) = findings(&place, &signed.replace("policy_path: p.yml\n", ""));
    assert_eq!((code, found[0].contains("without policy_path")), (Some(0), true), "{found:#?}");
}

#[test]
fn the_values_end_with_the_name_of_the_policy() {
    let place = Place::new();
    let shown = |text: &str| {
        place.write("c.yaml", &format!("{BASE}{text}"));
        let ran = place.run(&["show-config", "c.yaml"]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        ran.stdout.lines().last().unwrap().to_owned()
    };
    let last = shown("cot_product: firefox\nvalid_tasks_for: [cron]\n");
    assert!(last.starts_with("# policy current 1 (sha256:"), "{last}");
    assert!(last.ends_with(", with own valid_tasks_for) from the built-in policy"), "{last}");
    place.write("p.yml", &CURRENT.replacen("serial: 1\n", "serial: 7\nexpires: '2020-01-01T00:00:00Z'\n", 1));
    let last = shown("policy_path: p.yml\n");
    assert!(last.contains("policy current 7") && last.contains("/p.yml, which cannot be used"), "{last}");
}

#[test]
fn public_bundles_of_private_repositories_are_warned_of() {
    let place = Place::new();
    let about = |found: &[String]| {
        found.iter().any(|line| line.starts_with("warning: ") && line.contains(": cot_bundle: "))
    };
    // the tables of the first product
    let private =
        CURRENT.replacen("        path_regexes:", "        require_secret: true\n        path_regexes:", 1);
    assert_ne!(private, CURRENT);
    for (policy, bundle, expected) in
        [(private.as_str(), "artifact", true), (&private, "local", false), (CURRENT, "artifact", false)]
    {
        place.write("p.yml", policy);
        let lines = "verify_chain_of_trust: true\ncot_product: adhoc\npolicy_path: p.yml\n";
        let (code, found) = findings(&place, &format!("{lines}cot_bundle: {bundle}\n"));
        assert_eq!((code, about(&found)), (Some(0), expected), "{bundle}: {found:#?}");
    }
}
