//! `show-config`: the values that hold, where they come from, and no secret.

use super::{BASE, CANARY, Place, production, ran};
use serde_json::{Value, json};
use std::path::Path;

#[test]
fn show_config_prints_values_origins_differences_and_no_secret() {
    let place = Place::new();
    let mut production = production();
    production["poll_interval"] = 10.into();
    production["reversed_statuses"] = json!({"9": "internal-error"});
    production["worker_group"] = "group".into();
    for key in ["worker_id", "log_max_backups"] {
        production.as_object_mut().unwrap().remove(key);
    }
    place.write("c.json", &serde_json::to_string_pretty(&production).unwrap());
    let mut command = place.command(&["show-config", "c.json"]);
    command.env("SCRIPTWORKER_WORKER_ID", "from-env");
    let shown = ran(command);
    assert_eq!(shown.code, Some(0), "{}{}", shown.stdout, shown.stderr);
    assert_eq!(shown.stderr.lines().filter(|line| line.starts_with("note: ")).count(), 0, "{}", shown.stderr);
    assert!(!shown.stdout.contains(CANARY) && !shown.stderr.contains(CANARY));
    for line in [
        "worker_id: \"from-env\"  # * environment variable SCRIPTWORKER_WORKER_ID",
        "poll_interval: 10  # file line 13",
        "task_max_timeout: 7200  # * file line 24",
        "reclaim_interval: 300  # built-in",
        "reversed_statuses: {\"9\":\"internal-error\"}  # * file line 15",
        "github_oauth_token: \"***\"  # * file line 11",
        "# trusted_vcs_rules: as the policy has it",
        "cot_product: \"firefox\"  # * file line 5",
        "work_dir: \"/app/workdir\"  # file line 34",
    ] {
        assert!(shown.stdout.lines().any(|shown| shown == line), "{line}\n{}", shown.stdout);
    }
    let values: serde_json::Map<String, Value> = serde_yaml_ng::from_str(&shown.stdout).unwrap();
    let credentials = json!({"clientId": "project/releng/scriptworker", "accessToken": "***"});
    assert_eq!(values["credentials"], credentials);
    assert!(!values.contains_key("gpg_home"), "a key of the other scheme");

    // what was shown is a configuration with the same values
    place.write("again.yaml", &shown.stdout);
    let again = place.run(&["show-config", "again.yaml"]);
    let again: serde_json::Map<String, Value> = serde_yaml_ng::from_str(&again.stdout).unwrap();
    assert_eq!(again, values);
}

#[test]
fn show_config_shows_old_names_under_their_new_ones() {
    let place = Place::new();
    let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/scriptworker-classic.yaml");
    let text = std::fs::read_to_string(template).unwrap().replace(": ...", ": filled-in");
    let text = text.replace("log_num_backups: 10", "log_num_backups: 3");
    place.write("c.yaml", &format!("{text}valid_decision_worker_types: [gecko-decision]\n"));
    let shown = place.run(&["show-config", "c.yaml"]);
    assert_eq!((shown.code, shown.stderr.as_str()), (Some(0), ""));
    let values: serde_json::Map<String, Value> = serde_yaml_ng::from_str(&shown.stdout).unwrap();
    assert_eq!((&values["log_max_backups"], &values["log_max_bytes"]), (&json!(3), &json!(536_870_912)));
    assert_eq!(values["valid_decision_worker_pools"], json!(["gecko-decision"]));
    assert!(!values.contains_key("log_num_backups") && !values.contains_key("valid_decision_worker_types"));
    let line = shown.stdout.lines().find(|line| line.starts_with("log_max_backups")).unwrap();
    let number = text.lines().position(|line| line.starts_with("log_num_backups")).unwrap() + 1;
    assert_eq!(line, format!("log_max_backups: 3  # * file line {number}"));
    place.write("again.yaml", &shown.stdout);
    assert_eq!(place.run(&["show-config", "again.yaml"]).code, Some(0));
}

#[test]
fn the_classic_generation_has_a_product_when_none_is_named() {
    let place = Place::new();
    for (more, expected) in [
        ("", "cot_product: null  # built-in"),
        ("privkey_path: /k\n", "cot_product: \"firefox\"  # built-in"),
        ("privkey_path: /k\ncot_product: ~\n", "cot_product: null  # * file line 8"),
    ] {
        place.write("c.yaml", &format!("{BASE}{more}"));
        let shown = place.run(&["show-config", "c.yaml"]);
        assert!(shown.stdout.lines().any(|line| line == expected), "{expected}\n{}", shown.stdout);
        let (_, found) = place.check(&format!("{BASE}{more}verify_chain_of_trust: true\n"), &[]);
        let refused = found.iter().any(|line| line.contains("cot_product: expected a product"));
        assert_eq!(refused, expected.contains("null"), "{more}: {found:?}");
    }
}

#[test]
fn show_config_shows_nothing_of_a_file_with_mistakes() {
    let place = Place::new();
    place.write("c.yaml", &format!("{BASE}shoe_size: 1\n"));
    let shown = place.run(&["show-config", "c.yaml"]);
    assert_eq!((shown.code, shown.stdout.as_str()), (Some(1), ""));
    assert!(shown.stderr.contains("c.yaml:7:1: shoe_size: "), "{}", shown.stderr);
}
