//! Configurations of other products and times: what they ask for, what is taken, what is refused.

use crate::place::{CANARY, Place, summary, with, without};
use scriptworker::config::{BundlePlace, Generation, Loaded, OpenPgpKeyFiles, Rule, SignatureScheme};
use scriptworker_core::digest::HashAlgorithm;
use scriptworker_core::run::{ScriptExit, TaskStatus};

#[test]
fn a_worker_that_verifies_knows_its_product_and_what_its_tasks_are() {
    let place = Place::new();
    let problems = place.problems(&with("verify_chain_of_trust: true"));
    assert_eq!(
        summary(&problems),
        // in one line: the one key asks for the others
        [("cot_job_type", Rule::Contradiction), ("cot_product", Rule::Contradiction)]
    );
    let whole = "verify_chain_of_trust: true\ncot_product: firefox\ncot_job_type: signing";
    let Loaded { config, warnings, .. } = place.load(&with(whole)).unwrap();
    assert_eq!(warnings, []);
    let verification = &config.verification;
    assert_eq!((verification.task_type.as_str(), verification.check_signatures), ("signing", false));
    assert_eq!((verification.hops, verification.parallelism), (20, 5));
    assert_eq!((verification.bundle, verification.github_token.is_some()), (BundlePlace::Off, false));
    let more = "cot_bundle: local\nverify_cot_signature: true\ngithub_oauth_token: \"t\\n\"\nsource_mirrors:\n  \
                https://hg.mozilla.org: http://localhost:1/hg\n  https://hg.mozilla.org/try: http://localhost:2";
    let Loaded { config, .. } = place.load(&with(&format!("{whole}\n{more}"))).unwrap();
    let verification = &config.verification;
    assert_eq!((verification.bundle, verification.check_signatures), (BundlePlace::Local, true));
    assert_eq!(verification.github_token.as_ref().map(|token| token.expose()), Some("t"));
    let mirrors: Vec<_> = verification.mirrors.iter().map(|(from, _)| from.as_str()).collect();
    assert_eq!(mirrors, ["https://hg.mozilla.org/try", "https://hg.mozilla.org"], "the longest first");
    for wrong in ["hg.mozilla.org: http://localhost:1", "https://hg.mozilla.org: 5", "https://a: ftp://b"] {
        let problems = place.problems(&with(&format!("{whole}\nsource_mirrors:\n  {wrong}")));
        assert_eq!(problems.len(), 1, "{wrong}: {problems:?}");
        assert_eq!(problems[0].rule, Rule::OutOfRange);
    }
}

#[test]
fn signing_needs_the_keys_of_its_scheme() {
    let place = Place::new();
    // true is the default
    let signed = without("sign_chain_of_trust");
    for (more, missing) in [
        ("", &["ed25519_private_key_path"][..]),
        ("pubkey_path: /k.pub", &["privkey_path"]),
        ("base_gpg_home_dir: /gpg", &["privkey_path"]),
        ("cot_signature_scheme: openpgp\ned25519_private_key_path: /k", &["privkey_path"]),
        ("cot_signature_scheme: both", &["ed25519_private_key_path", "privkey_path"]),
        ("cot_signature_scheme: both\nprivkey_path: /k.sec", &["ed25519_private_key_path"]),
    ] {
        let problems = place.problems(&format!("{signed}{more}\n"));
        let expected: Vec<_> = missing.iter().map(|key| (*key, Rule::NoSigningKey)).collect();
        assert_eq!(summary(&problems), expected, "{more}");
        assert!(place.load(&with(more)).is_ok(), "{more}: unsigned");
    }
}

#[test]
fn the_scheme_follows_the_keys_unless_it_is_given() {
    let place = Place::new();
    let signed = without("sign_chain_of_trust");
    let load = |more: &str| place.load(&format!("{signed}{more}\n")).unwrap();
    let (ed25519, openpgp) = ("ed25519_private_key_path: k", "privkey_path: k.sec\npubkey_path: /k.pub");
    let Loaded { config, warnings, .. } = load(ed25519);
    assert_eq!((config.attestation.scheme, warnings), (SignatureScheme::Ed25519, Vec::new()));
    assert_eq!(config.attestation.keys.ed25519, Some(place.env.cwd.join("k")));
    assert_eq!(config.attestation.keys.openpgp, None);
    let Loaded { config, warnings, .. } = load(&format!("{openpgp}\nprivkey_passphrase_path: pass"));
    assert_eq!((config.attestation.scheme, warnings), (SignatureScheme::OpenPgp, Vec::new()));
    let expected = OpenPgpKeyFiles {
        secret: place.env.cwd.join("k.sec"),
        passphrase: Some(place.env.cwd.join("pass")),
        public: Some("/k.pub".into()),
    };
    assert_eq!((config.attestation.keys.openpgp, config.attestation.keys.ed25519), (Some(expected), None));
    let Loaded { config, warnings, .. } = load(&format!("{ed25519}\n{openpgp}"));
    assert_eq!(config.attestation.scheme, SignatureScheme::Ed25519);
    assert_eq!(summary(&warnings), [("privkey_path", Rule::NoEffect), ("pubkey_path", Rule::NoEffect)]);
    let Loaded { config, warnings, .. } = load(&format!("{ed25519}\n{openpgp}\ncot_signature_scheme: both"));
    assert_eq!((config.attestation.scheme, warnings), (SignatureScheme::Both, Vec::new()));
    assert!(config.attestation.keys.ed25519.is_some() && config.attestation.keys.openpgp.is_some());
}

#[test]
fn the_hash_and_the_schema_of_attestations_are_configured() {
    let place = Place::new();
    let attestation = place.load(&with("")).unwrap().config.attestation;
    assert_eq!((attestation.algorithm, attestation.schema), (HashAlgorithm::Sha256, None));
    let more = "chain_of_trust_hash_algorithm: sha512\ncot_schema_path: s.json";
    let attestation = place.load(&with(more)).unwrap().config.attestation;
    assert_eq!(attestation.algorithm, HashAlgorithm::Sha512);
    assert_eq!(attestation.schema, Some(place.env.cwd.join("s.json")));
    for (line, key) in [
        ("chain_of_trust_hash_algorithm: md5", "chain_of_trust_hash_algorithm"),
        ("cot_signature_scheme: gpg", "cot_signature_scheme"),
    ] {
        assert_eq!(summary(&place.problems(&with(line))), [(key, Rule::OutOfRange)]);
    }
}

#[test]
fn keys_of_products_are_accepted_in_both_forms() {
    let place = Place::new();
    for line in [
        "cot_product: ~",
        "cot_product_type: hg",
        "cot_product_type: [hg, github]",
        "cot_product_type: {by-cot-product: {firefox: [hg, github], thunderbird: hg}}",
        "official_github_repos_owner: mozilla",
        "official_github_repos_owner: [mozilla, thunderbird]",
        "prebuilt_docker_image_task_types: any",
        "prebuilt_docker_image_task_types: {by-cot-product: {firefox: [decision], xpi: any}}",
        "valid_tasks_for: [cron, hg-push]",
        "trusted_vcs_rules: [{schemes: [https]}]",
        "trusted_vcs_rules: {by-cot-product: {firefox: [{schemes: [https]}]}}",
        "hg_git_mirrors: {by-cot-product: {firefox: {/mozilla-central: /mozilla-firefox/firefox}}}",
        "cot_restricted_scopes: {firefox: {'project:releng:signing': all}}",
        "cot_restricted_scopes: {by-cot-product: {firefox: {'project:releng:addons.mozilla.org': all}}}",
        "cot_restricted_trees: ~",
        "source_env_prefix: {by-cot-product: {firefox: GECKO}}",
        "gpg_options: [--anything]",
    ] {
        let loaded = place.load(&with(line));
        assert!(loaded.is_ok(), "{line}: {}", loaded.unwrap_err());
    }
}

#[test]
fn keys_without_effect_and_odd_names_are_warned_about() {
    let place = Place::new();
    for (line, key, rule) in [
        ("aiohttp_max_connections: 3", "aiohttp_max_connections", Rule::NoEffect),
        ("cot_version: 3", "cot_version", Rule::NoEffect),
        ("docker_image_allowlists: {}", "docker_image_allowlists", Rule::NoEffect),
        ("worker_type: Signing_v1", "worker_type", Rule::BadIdentifier),
        ("worker_type: signing-", "worker_type", Rule::BadIdentifier),
        ("reversed_statuses: {-15: intermittent-task}", "reversed_statuses.-15", Rule::NoEffect),
        ("pubkey_path: /k.pub\nmax_chain_length: 5", "max_chain_length", Rule::NoEffect),
    ] {
        let loaded = place.load(&with(line)).unwrap();
        assert_eq!(summary(&loaded.warnings), [(key, rule)], "{line}");
    }
    let loaded = place
        .load(&(without("credentials") + "credentials: {clientId: a, accessToken: b, certficate: c}\n"))
        .unwrap();
    assert_eq!(summary(&loaded.warnings), [("credentials.certficate", Rule::NoEffect)]);
    assert_eq!(loaded.warnings[0].nearest, Some("certificate"));
}

#[test]
fn the_classic_scheme_is_recognized_and_old_names_work() {
    let place = Place::new();
    let loaded = place.load(&with("privkey_path: /k.sec\nlog_num_backups: 3")).unwrap();
    assert_eq!(loaded.config.generation, Generation::Classic);
    assert_eq!((loaded.config.log_max_bytes, loaded.config.log_max_backups), (536_870_912, 3));
    let both = place.load(&with("privkey_path: /k.sec\ned25519_private_key_path: /k")).unwrap();
    assert_eq!(both.config.generation, Generation::Current);
}

/// production-contract.md 1 and 6: rendered JSON, an empty environment, text keys in `reversed_statuses`.
#[test]
fn the_json_of_todays_production_loads_once_the_chain_of_trust_is_off() {
    let mut place = Place::new();
    place.env.home = None;
    let json = |cot: bool| {
        let at = |name: &str| place.env.cwd.join(name);
        serde_json::json!({
            "taskcluster_root_url": "https://firefox-ci-tc.services.mozilla.com/",
            "provisioner_id": "scriptworker-k8s",
            "worker_group": "gecko-3-signing",
            "worker_type": "gecko-3-signing",
            "worker_id": "gecko-3-signing-abcdefghij",
            "credentials": {"clientId": "project/releng", "accessToken": CANARY},
            "artifact_upload_timeout": 1200,
            "task_max_timeout": 7200,
            "task_script": ["/app/.venv/bin/signingscript", at("configs/worker.json")],
            "verbose": true,
            "verify_chain_of_trust": cot,
            "sign_chain_of_trust": cot,
            "verify_cot_signature": cot,
            "cot_job_type": "scriptworker",
            "cot_product": "firefox",
            "github_oauth_token": "",
            "reversed_statuses": {"245": "intermittent-task"},
            "log_dir": at("logs"),
            "work_dir": at("workdir"),
            "artifact_dir": at("artifacts"),
            "task_log_dir": at("artifacts/public/logs"),
            "watch_log_file": true,
            "scriptworker_provisioners": ["scriptworker-k8s", "scriptworker-prov-v1"],
            "ed25519_private_key_path": at("configs/ed25519_privkey")
        })
    };
    let text = serde_json::to_string_pretty(&json(false)).unwrap();
    let Loaded { config, warnings, .. } = place.load(&text).unwrap();
    assert_eq!(warnings, []);
    assert_eq!(config.task_queue_id.as_str(), "scriptworker-k8s/gecko-3-signing");
    assert_eq!(config.reversed_statuses.status_of(ScriptExit::Code(245)), TaskStatus::IntermittentTask);
    assert_eq!(config.reversed_statuses.status_of(ScriptExit::Code(241)), TaskStatus::Failure);
    assert!(config.watch_log_file);
    assert!(place.load(&json(true).to_string()).unwrap().config.verify_chain_of_trust);
}
