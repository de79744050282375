//! The configuration loader from outside: files on disk in, typed values or all findings out.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
#![expect(clippy::disallowed_methods, reason = "tests prepare files below their own temporary directory")]

use ::log as log_crate;
use scriptworker::config::{
    ArtifactStorage, ConfigErrors, ConfigProblem, DEFAULT_FILE, Environment, FirstSignal, Generation, KEYS,
    Loaded, Rule, State, load,
};
use scriptworker::telemetry::log::{self, Rotation};
use scriptworker_core::run::{ScriptExit, TaskStatus};
use scriptworker_core::secret::Secret;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

const CANARY: &str = "canary-token";

struct Place {
    dir: tempfile::TempDir,
    env: Environment,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["cwd", "home", "etc"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        let env = Environment {
            cwd: dir.path().join("cwd"),
            home: Some(dir.path().join("home")),
            system_dir: dir.path().join("etc"),
            vars: BTreeMap::new(),
        };
        Self { dir, env }
    }

    fn var(mut self, name: &str, value: &str) -> Self {
        self.env.vars.insert(name.to_owned(), Secret::new(value));
        self
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn load(&self, text: &str) -> Result<Loaded, ConfigErrors> {
        let file = self.write("cwd/scriptworker.yaml", text);
        load(Some(&file), &self.env)
    }

    fn problems(&self, text: &str) -> Vec<ConfigProblem> {
        self.load(text).unwrap_err().problems
    }
}

/// The least that a worker without chain of trust needs.
const BASE: &str = "\
work_dir: w
artifact_dir: a
task_log_dir: a/public/logs
log_dir: l
sign_chain_of_trust: false
credentials: {clientId: me, accessToken: canary-token}
";

fn with(more: &str) -> String {
    format!("{BASE}{more}\n")
}

/// `BASE` without the lines that begin with `key`.
fn without(key: &str) -> String {
    BASE.lines().filter(|line| !line.starts_with(key)).map(|line| format!("{line}\n")).collect()
}

fn summary(problems: &[ConfigProblem]) -> Vec<(&str, Rule)> {
    problems.iter().map(|problem| (problem.key.as_str(), problem.rule)).collect()
}

#[test]
fn the_least_configuration_has_the_defaults_of_the_specification() {
    let place = Place::new();
    let Loaded { config, credentials, warnings } = place.load(BASE).unwrap();
    assert_eq!(warnings, []);
    assert_eq!(credentials.client_id, "me");
    assert_eq!(credentials.access_token.expose(), CANARY);
    assert_eq!(credentials.certificate, None);
    assert_eq!(config.generation, Generation::Current);
    assert_eq!(config.root_url(), "https://firefox-ci-tc.services.mozilla.com");
    assert_eq!(config.task_queue_id.as_str(), "test-dummy-provisioner/dummy-worker-myname");
    assert_eq!(config.worker_group.as_str(), "test-dummy-workers");
    assert_eq!(config.worker_id.as_str(), "dummy-worker-myname1");
    assert_eq!((config.log_max_bytes, config.log_max_backups), (0, 10));
    assert!(config.verbose && !config.watch_log_file);
    assert_eq!(config.poll_interval, Duration::from_secs(10));
    assert_eq!(config.reclaim_interval, Duration::from_secs(300));
    assert_eq!(config.task_max_timeout, Duration::from_secs(1200));
    assert_eq!(config.task_max_timeout_status, TaskStatus::Failure);
    assert_eq!(config.reversed_statuses.status_of(ScriptExit::Code(245)), TaskStatus::IntermittentTask);
    assert_eq!(config.task_script, ["bash", "-c", "echo foo && sleep 19 && exit 1"]);
    assert_eq!(config.work_dir, place.env.cwd.join("w"));
    assert_eq!(config.artifact_dir, place.env.cwd.join("a"));
    assert_eq!(config.task_log_dir, place.env.cwd.join("a/public/logs"));
    assert_eq!(config.worker_log(), place.env.cwd.join("l/worker.log"));
    assert_eq!(config.artifact_upload_timeout, Duration::from_secs(1200));
    assert_eq!(config.artifact_expiration_hours, None);
    assert_eq!(config.shutdown_timeout, Duration::from_secs(120));
    assert_eq!((config.kill_grace, config.kill_first_signal), (Duration::from_secs(1), FirstSignal::Term));
    assert_eq!(config.drain_timeout, Duration::from_secs(2));
    assert_eq!((config.artifact_storage, config.max_concurrent_uploads), (ArtifactStorage::S3, 10));
    assert!(config.live_log_link && config.scrub_environment);
    assert_eq!(config.max_log_size, None);
    assert!(!config.sign_chain_of_trust && !config.verify_chain_of_trust);
}

#[test]
fn every_key_that_acts_changes_something() {
    let place = Place::new();
    let config = place
        .load(&with(
            "taskcluster_root_url: http://localhost:8080/tc//\nprovisioner_id: p\nworker_type: t\nworker_group: g\n\
             worker_id: i\nlog_fmt: '%(message)s'\nlog_datefmt: '%H'\nlog_max_bytes: 5\nlog_max_backups: 6\n\
             watch_log_file: true\nverbose: false\nartifact_expiration_hours: 7\ntask_max_timeout: 8\n\
             task_max_timeout_status: 4\nreversed_statuses: {9: resource-unavailable}\nreclaim_interval: 11\n\
             poll_interval: 0\ntask_script: [a, b]\nartifact_upload_timeout: 12\nshutdown_timeout: 13\n\
             kill_grace: 14\nkill_first_signal: INT\ndrain_timeout: 15\nartifact_storage: object\n\
             max_concurrent_uploads: 16\nmax_log_size: 3000000\nlive_log_link: false\nscrub_environment: false",
        ))
        .unwrap()
        .config;
    assert_eq!(config.root_url(), "http://localhost:8080/tc");
    assert_eq!(config.task_queue_id.as_str(), "p/t");
    assert_eq!((config.worker_group.as_str(), config.worker_id.as_str()), ("g", "i"));
    assert_eq!(config.log_format, scriptworker::telemetry::LineFormat::parse("%(message)s", "%H").unwrap());
    assert_eq!((config.log_max_bytes, config.log_max_backups), (5, 6));
    assert!(config.watch_log_file && !config.verbose && !config.live_log_link && !config.scrub_environment);
    assert_eq!(config.max_log_size, Some(3_000_000));
    assert_eq!(config.artifact_expiration_hours, Some(7));
    assert_eq!(config.task_max_timeout_status, TaskStatus::ResourceUnavailable);
    assert_eq!(config.reversed_statuses.status_of(ScriptExit::Code(9)), TaskStatus::ResourceUnavailable);
    // The file's map replaces the default map.
    assert_eq!(config.reversed_statuses.status_of(ScriptExit::Code(245)), TaskStatus::Failure);
    assert_eq!(config.task_script, ["a", "b"]);
    assert_eq!(config.kill_first_signal, FirstSignal::Int);
    assert_eq!((config.artifact_storage, config.max_concurrent_uploads), (ArtifactStorage::Object, 16));
    let seconds = [
        (config.task_max_timeout, 8),
        (config.reclaim_interval, 11),
        (config.poll_interval, 0),
        (config.artifact_upload_timeout, 12),
        (config.shutdown_timeout, 13),
        (config.kill_grace, 14),
        (config.drain_timeout, 15),
    ];
    for (duration, expected) in seconds {
        assert_eq!(duration, Duration::from_secs(expected));
    }
}

#[test]
fn the_environment_gives_defaults_and_the_file_wins() {
    let place = Place::new()
        .var("TASKCLUSTER_ROOT_URL", "https://tc.example.com/")
        .var("SCRIPTWORKER_WORKER_ID", "from-env");
    let config = place.load(BASE).unwrap().config;
    assert_eq!((config.root_url(), config.worker_id.as_str()), ("https://tc.example.com", "from-env"));
    let config =
        place.load(&with("worker_id: from-file\ntaskcluster_root_url: https://file")).unwrap().config;
    assert_eq!((config.root_url(), config.worker_id.as_str()), ("https://file", "from-file"));
    let empty = Place::new().var("TASKCLUSTER_ROOT_URL", "").load(BASE).unwrap().config;
    assert_eq!(empty.root_url(), "https://firefox-ci-tc.services.mozilla.com");
}

#[test]
fn every_finding_comes_at_once_with_key_expected_and_found() {
    let place = Place::new();
    let problems = place.problems(
        "workdir: w\nartifact_dir: ...\ntask_log_dir: ~\nverbose: 'true'\npoll_interval: 1.0\n\
         task_script: [bash, 1]\nprovisioner_id: a b\nreclaim_interval: 5\nreclaim_interval: 6\nshoe_size: 42\n\
         task_max_timeout: 0\nsign_chain_of_trust: false\ncredentials: {clientId: me, accessToken: ...}\nlog_dir: l\n",
    );
    assert_eq!(
        summary(&problems),
        [
            ("workdir", Rule::UnknownKey),
            ("artifact_dir", Rule::NeedsToBeDefined),
            ("task_log_dir", Rule::NeedsToBeDefined),
            ("verbose", Rule::WrongType),
            ("poll_interval", Rule::WrongType),
            ("task_script[1]", Rule::WrongType),
            ("provisioner_id", Rule::BadIdentifier),
            ("reclaim_interval", Rule::Duplicate),
            ("shoe_size", Rule::UnknownKey),
            ("task_max_timeout", Rule::OutOfRange),
            ("credentials.accessToken", Rule::ToBeFilledIn),
            ("work_dir", Rule::NeedsToBeDefined),
        ]
    );
    let by_key: BTreeMap<&str, &ConfigProblem> =
        problems.iter().map(|problem| (problem.key.as_str(), problem)).collect();
    assert_eq!(by_key["workdir"].nearest, Some("work_dir"));
    assert_eq!(by_key["shoe_size"].nearest, None);
    assert_eq!(&*by_key["verbose"].expected, "true or false");
    assert_eq!(&*by_key["verbose"].found, "a text (\"true\")");
    assert_eq!(&*by_key["poll_interval"].found, "a number with a fraction (1.0)");
    assert!(
        problems.iter().all(|problem| problem.file.as_deref() == Some(&place.env.cwd.join(DEFAULT_FILE)))
    );
}

#[test]
fn no_type_is_taken_for_another() {
    let place = Place::new();
    for (line, key) in [
        ("verbose: 1", "verbose"),
        ("verbose: yes", "verbose"),
        ("poll_interval: true", "poll_interval"),
        ("poll_interval: '10'", "poll_interval"),
        ("poll_interval: 1.5", "poll_interval"),
        ("poll_interval: 99999999999999999999", "poll_interval"),
        ("worker_id: 12", "worker_id"),
        ("worker_id: [x]", "worker_id"),
        ("task_script: bash", "task_script"),
        ("reversed_statuses: [1]", "reversed_statuses"),
        ("reversed_statuses: {x: internal-error}", "reversed_statuses.x"),
        ("reversed_statuses: {1.5: internal-error}", "reversed_statuses.(a number with a fraction)"),
        ("reversed_statuses: {1: 2}", "reversed_statuses.1"),
        ("credentials: [a]", "credentials"),
        ("cot_product: 1", "cot_product"),
        ("valid_vcs_rules: [a]", "valid_vcs_rules[0]"),
        ("kill_first_signal: KILL", "kill_first_signal"),
        ("trusted_vcs_rules: {by-cot-product: {firefox: x}}", "trusted_vcs_rules.by-cot-product.firefox"),
        ("source_env_prefix: {firefox: GECKO}", "source_env_prefix"),
        ("gpg_use_agent: 'no'", "gpg_use_agent"),
    ] {
        let text = if line.starts_with("credentials") { without("credentials") + line } else { with(line) };
        let problems = place.problems(&text);
        assert_eq!(problems.len(), 1, "{line}: {problems:?}");
        assert_eq!(problems[0].key, key, "{line}");
        assert!(
            matches!(problems[0].rule, Rule::WrongType | Rule::OutOfRange),
            "{line}: {:?}",
            problems[0].rule
        );
    }
}

#[test]
fn values_beyond_their_type_are_checked() {
    let place = Place::new();
    for (line, key, rule) in [
        ("taskcluster_root_url: ftp://x", "taskcluster_root_url", Rule::OutOfRange),
        ("taskcluster_root_url: tc.example.com", "taskcluster_root_url", Rule::OutOfRange),
        ("taskcluster_root_url: 'https://u:p@x/'", "taskcluster_root_url", Rule::OutOfRange),
        ("taskcluster_root_url: 'https://x/?a=b'", "taskcluster_root_url", Rule::OutOfRange),
        ("worker_id: ''", "worker_id", Rule::BadIdentifier),
        ("worker_group: abcdefghijklmnopqrstuvwxyzabcdefghijklm", "worker_group", Rule::BadIdentifier),
        ("worker_type: \"x\\n\"", "worker_type", Rule::BadIdentifier),
        ("task_script: []", "task_script", Rule::OutOfRange),
        ("task_script: ['']", "task_script", Rule::OutOfRange),
        ("task_script: [x, \"\\0\"]", "task_script[1]", Rule::OutOfRange),
        ("task_max_timeout_status: 0", "task_max_timeout_status", Rule::OutOfRange),
        ("task_max_timeout_status: 8", "task_max_timeout_status", Rule::OutOfRange),
        ("reversed_statuses: {1: failure}", "reversed_statuses.1", Rule::OutOfRange),
        (
            "reversed_statuses: {1: internal-error, '01': internal-error}",
            "reversed_statuses.01",
            Rule::Duplicate,
        ),
        ("log_fmt: '%(nope)s'", "log_fmt", Rule::OutOfRange),
        ("log_datefmt: '%!'", "log_datefmt", Rule::OutOfRange),
        ("log_num_backups: 1\nlog_max_backups: 2", "log_num_backups", Rule::Contradiction),
        (
            "reversed_statuses: {1: internal-error, '1': internal-error}",
            "reversed_statuses.1",
            Rule::Duplicate,
        ),
        ("cot_product: firefix", "cot_product", Rule::OutOfRange),
        (
            "cot_product: firefox\nsource_env_prefix: {by-cot-product: {xpi: XPI}}",
            "source_env_prefix.by-cot-product",
            Rule::NeedsToBeDefined,
        ),
        ("valid_vcs_rules: []\ntrusted_vcs_rules: []", "valid_vcs_rules", Rule::Contradiction),
        ("log_format: xml", "log_format", Rule::OutOfRange),
        ("ed25519_private_key_path: w/key", "work_dir", Rule::DirectoryConflict),
    ] {
        assert_eq!(summary(&place.problems(&with(line))), [(key, rule)], "{line}");
    }
}

#[test]
fn a_file_that_is_no_configuration_is_a_message_not_a_crash() {
    let place = Place::new();
    for (text, rule) in [
        (&b""[..], Rule::Empty),
        (b"# nothing but a comment\n", Rule::Empty),
        (b"---\n", Rule::Empty),
        (b"[1, 2]", Rule::NotAMap),
        (b"just text", Rule::NotAMap),
        (b"work_dir: \xff", Rule::NotUtf8),
        (b"a: 1\nb: [1\n", Rule::Syntax),
    ] {
        let file = place.write("cwd/x.yaml", text);
        let problems = load(Some(&file), &place.env).unwrap_err().problems;
        assert_eq!(summary(&problems), [("", rule)], "{}", text.escape_ascii());
        assert_eq!(problems[0].line.is_some(), rule == Rule::Syntax);
    }
    for path in [Path::new("missing.yaml"), &place.env.cwd] {
        assert_eq!(summary(&load(Some(path), &place.env).unwrap_err().problems), [("", Rule::Unreadable)]);
    }
    place.write("cwd/scriptworker.yaml", BASE);
    assert!(load(None, &place.env).is_ok(), "the default file is in the current directory");
}

#[test]
fn credentials_come_from_the_first_source_that_has_them() {
    let json = |who: &str| format!(r#"{{"credentials": {{"clientId": "{who}", "accessToken": "t"}}}}"#);
    let mut place = Place::new().var("TASKCLUSTER_CLIENT_ID", "env").var("TASKCLUSTER_ACCESS_TOKEN", "t");
    let who = |place: &Place, text: &str| place.load(text).unwrap().credentials.client_id;
    let none = without("credentials");
    assert_eq!(who(&place, &none), "env");
    place.write("etc/.scriptworker", json("etc"));
    assert_eq!(who(&place, &none), "env", "HOME is set, so /etc is not asked");
    place.write("home/.scriptworker", json("home"));
    assert_eq!(who(&place, &none), "home");
    place.write("cwd/secrets.json", json("secrets"));
    assert_eq!(who(&place, &none), "secrets");
    assert_eq!(who(&place, BASE), "me");
    for empty in ["credentials: ~", "credentials: {}"] {
        assert_eq!(who(&place, &format!("{none}{empty}\n")), "secrets", "{empty}");
    }
    place.write("cwd/secrets.json", r#"{"other": 1, "credentials": null}"#);
    assert_eq!(who(&place, &none), "home");
    place.env.home = None;
    assert_eq!(who(&place, &none), "etc");
}

#[test]
fn no_or_bad_credentials_are_reported_and_never_shown() {
    let place = Place::new();
    let none = without("credentials");
    assert_eq!(summary(&place.problems(&none)), [("credentials", Rule::NeedsToBeDefined)]);
    let secrets = place.dir.path().join("cwd/secrets.json");
    for (text, key, rule) in [
        ("{\"credentials\": canary-token", "", Rule::Syntax),
        ("[\"canary-token\"]", "", Rule::NotAMap),
        (r#"{"credentials": "canary-token"}"#, "credentials", Rule::WrongType),
        (
            r#"{"credentials": {"accessToken": "canary-token"}}"#,
            "credentials.clientId",
            Rule::NeedsToBeDefined,
        ),
        (
            r#"{"credentials": {"clientId": "x", "accessToken": ["canary-token"]}}"#,
            "credentials.accessToken",
            Rule::WrongType,
        ),
        (
            r#"{"credentials": {"clientId": "x", "accessToken": "y", "certificate": "canary-token"}}"#,
            "credentials.certificate",
            Rule::OutOfRange,
        ),
    ] {
        place.write("cwd/secrets.json", text);
        let errors = place.load(&none).unwrap_err();
        assert_eq!(summary(&errors.problems), [(key, rule)], "{text}");
        assert_eq!(errors.problems[0].file.as_ref(), Some(&secrets));
        assert!(!format!("{errors} {errors:?}").contains(CANARY), "{errors:?}");
    }
    let errors = place.load(&with("github_oauth_token: [canary-token]")).unwrap_err();
    assert!(!format!("{errors} {errors:?}").contains(CANARY), "{errors:?}");
    let loaded = place.load(BASE).unwrap();
    assert!(!format!("{loaded:?}").contains(CANARY), "{loaded:?}");
}

#[test]
fn temporary_credentials_keep_their_certificate() {
    let place = Place::new()
        .var("TASKCLUSTER_CLIENT_ID", "env")
        .var("TASKCLUSTER_ACCESS_TOKEN", "t")
        .var("TASKCLUSTER_CERTIFICATE", "{\"version\": 1}");
    let credentials = place.load(&without("credentials")).unwrap().credentials;
    assert_eq!(credentials.certificate.unwrap().expose(), "{\"version\": 1}");
    let place = place.var("TASKCLUSTER_CERTIFICATE", CANARY);
    let problems = place.problems(&without("credentials"));
    assert_eq!(summary(&problems), [("TASKCLUSTER_CERTIFICATE", Rule::OutOfRange)]);
}

#[test]
fn a_worker_that_cannot_verify_or_sign_does_not_start_when_asked_to() {
    let place = Place::new();
    let unsigned = without("sign_chain_of_trust");
    for (text, keys) in [
        (unsigned.clone(), &["sign_chain_of_trust"][..]),
        (with("verify_chain_of_trust: true\ncot_product: firefox"), &["verify_chain_of_trust"]),
        (
            unsigned + "verify_chain_of_trust: true\ncot_product: firefox\n",
            &["verify_chain_of_trust", "sign_chain_of_trust"],
        ),
    ] {
        let problems = place.problems(&text);
        let found: Vec<&str> = problems.iter().map(|problem| problem.key.as_str()).collect();
        assert_eq!(found, keys);
        assert!(problems.iter().all(|problem| problem.rule == Rule::Unsupported));
        assert!(problems[0].to_string().contains("set it to false"), "{}", problems[0]);
    }
    let problems = place.problems(&with("verify_chain_of_trust: true"));
    assert_eq!(
        summary(&problems),
        // in one line: the one key asks for the other
        [("verify_chain_of_trust", Rule::Unsupported), ("cot_product", Rule::Contradiction)]
    );
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
    let problems = place.problems(&json(true).to_string());
    assert!(problems.iter().all(|problem| problem.rule == Rule::Unsupported), "{problems:?}");
    assert_eq!(problems.len(), 2);
}

#[test]
fn the_configuration_says_how_the_log_is_kept_short() {
    let place = Place::new();
    for (line, expected) in [
        ("", Rotation::None),
        ("log_max_bytes: 9", Rotation::BySize { max_bytes: 9, backups: 10 }),
        ("log_max_bytes: 9\nlog_max_backups: 0", Rotation::None),
        ("log_max_bytes: 9\nwatch_log_file: true", Rotation::Watched),
    ] {
        assert_eq!(place.load(&with(line)).unwrap().config.log_settings().rotation, expected, "{line}");
    }
}

#[test]
fn the_log_of_a_loaded_configuration_is_the_one_of_the_process() {
    let place = Place::new();
    let config = place.load(&with("verbose: false")).unwrap().config;
    let handle = log::init(&config.log_settings()).unwrap();
    tracing::debug!("not at this level");
    // libraries that know only the `log` crate, under the same filter
    log_crate::debug!(target: "somebody", "not at this level either");
    log_crate::info!(target: "rustls::client", "chatter");
    log_crate::warn!(target: "rustls::client", "a library\nspeaks");
    tracing::info!(worker = config.worker_id.as_str(), "up");
    handle.append_lines(tracing::Level::INFO, "script", ["from the script"]);
    assert!(handle.flush(Duration::from_secs(60)));
    let text = std::io::read_to_string(std::fs::File::open(config.worker_log()).unwrap()).unwrap();
    let lines: Vec<(&str, &str)> =
        text.lines().map(|line| line.split_at("2026-01-31T23:59:59".len())).collect();
    for (date, _) in &lines {
        assert!(
            date.bytes().filter(u8::is_ascii_digit).count() == 14 && date.as_bytes().get(10) == Some(&b'T'),
            "{date}"
        );
    }
    let rest: Vec<&str> = lines.iter().map(|(_, rest)| *rest).collect();
    assert_eq!(rest.first(), Some(&"  WARNING - a library\\nspeaks"));
    let rest = rest.get(1..).unwrap();
    assert_eq!(rest, ["     INFO - up worker=\"dummy-worker-myname1\"", "     INFO - from the script"]);
    assert!(matches!(log::init(&config.log_settings()), Err(log::LogError::AlreadyLogging)));
}

fn template(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name);
    std::io::read_to_string(std::fs::File::open(path).unwrap()).unwrap()
}

#[test]
fn the_templates_load_once_they_are_filled_in() {
    for (name, generation) in
        [("scriptworker.yaml", Generation::Current), ("scriptworker-classic.yaml", Generation::Classic)]
    {
        let place = Place::new();
        let text = template(name);
        let placeholders = place.problems(&text);
        assert_eq!(
            summary(&placeholders),
            [("credentials.clientId", Rule::ToBeFilledIn), ("credentials.accessToken", Rule::ToBeFilledIn)],
            "{name}"
        );
        let loaded = place.load(&text.replace(": ...", ": filled-in")).unwrap();
        assert_eq!(loaded.warnings, [], "{name}");
        assert_eq!(loaded.config.generation, generation, "{name}");
    }
}

#[test]
fn the_template_shows_every_key_that_acts_with_its_default() {
    let text = template("scriptworker.yaml");
    let shown: BTreeMap<String, serde_json::Value> = serde_yaml_ng::from_str(&text).unwrap();
    let acting: BTreeSet<&str> = KEYS
        .iter()
        .filter(|spec| spec.state == State::Acts && spec.generation != Generation::Classic)
        .map(|spec| spec.name)
        .collect();
    let missing: Vec<&&str> = acting.iter().filter(|name| !shown.contains_key(**name)).collect();
    assert!(missing.is_empty(), "{missing:?}");

    // Left out, they give the same configuration, except for what has to be given.
    let place = Place::new();
    let full = place.load(&text.replace(": ...", ": filled-in")).unwrap().config;
    let least = place
        .load(
            "work_dir: /tmp/scriptworker/work\nartifact_dir: /tmp/scriptworker/artifacts\n\
             task_log_dir: /tmp/scriptworker/artifacts/public/logs\nlog_dir: /tmp/scriptworker/logs\n\
             sign_chain_of_trust: false\ncredentials: {clientId: x, accessToken: y}\n",
        )
        .unwrap()
        .config;
    assert_eq!(format!("{full:?}"), format!("{least:?}"));
}
