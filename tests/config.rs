//! The configuration loader from outside: files on disk in, typed values or all findings out.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
#![expect(clippy::disallowed_methods, reason = "tests prepare files below their own temporary directory")]

#[path = "config/credentials.rs"]
mod credentials;
#[path = "config/generations.rs"]
mod generations;
#[path = "config/place.rs"]
mod place;

use ::log as log_crate;
use place::{BASE, CANARY, Place, summary, with, without};
use scriptworker::config::{
    ArtifactStorage, BuiltIn, ConfigProblem, DEFAULT_FILE, FirstSignal, Generation, KEYS, Loaded, Rule,
    State, load,
};
use scriptworker::telemetry::log::{self, Rotation};
use scriptworker_core::cot::policy::OVERRIDABLE;
use scriptworker_core::run::{ScriptExit, TaskStatus};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

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
    // a table of the policy replaces the policy's own wherever it stands
    let is_table = |name: &str, default| default == BuiltIn::Policy || OVERRIDABLE.contains(&name);
    let acting: BTreeSet<&str> = KEYS
        .iter()
        .filter(|spec| spec.state == State::Acts && spec.generation != Generation::Classic)
        .filter(|spec| !is_table(spec.name, spec.default))
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
             ed25519_private_key_path: /etc/scriptworker/ed25519_private_key\ncot_job_type: scriptworker\n\
             credentials: {clientId: x, accessToken: y}\ncot_product: firefox\n",
        )
        .unwrap()
        .config;
    assert_eq!(format!("{full:?}"), format!("{least:?}"));
}
