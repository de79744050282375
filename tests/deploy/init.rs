//! `init.sh` alone: what it refuses, and what it hands over.

use crate::support::{App, TOKEN, read, repository};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

/// A worker that only tells how it was started.
const TELLTALE: &str = "#!/bin/sh\nenv; echo \"argument $*\"; umask; pwd\n";

fn app() -> App {
    let app = App::new();
    app.write("bin/scriptworker", TELLTALE, 0o755);
    app.write(".venv/bin/signingscript", "", 0o755);
    app.write(
        "docker.d/init_worker.sh",
        "echo \"{\\\"level\\\": \\\"$ENV\\\"}\" > \"$APP_DIR/configs/worker.json\"\n",
        0o644,
    );
    app
}

fn init(app: &App, variables: &[(&str, &str)]) -> Output {
    Command::new(repository("deploy/container/init.sh"))
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("APP_DIR", app.path(""))
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

/// Trailing newlines are what secret stores add.
const PRODUCTION: [(&str, &str); 8] = [
    ("PROJECT_NAME", "signing"),
    ("ENV", "prod"),
    ("COT_PRODUCT", "mobile"),
    ("TASKCLUSTER_ROOT_URL", "https://tc.example.com/"),
    ("TASKCLUSTER_CLIENT_ID", "project/releng/worker"),
    ("TASKCLUSTER_ACCESS_TOKEN", "to\"ken\\&$HOME`'%s\n"),
    ("GITHUB_OAUTH_TOKEN", ""),
    ("ED25519_PRIVKEY", "a2V5\n"),
];

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let refused = init(
        &App::new(),
        &[("ENV", "production"), ("COT_PRODUCT", "chrome"), ("TASKCLUSTER_CLIENT_ID", "a\nb")],
    );
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    for expected in [
        "PROJECT_NAME: expected a value",
        "TASKCLUSTER_ROOT_URL: expected a value",
        "TASKCLUSTER_ACCESS_TOKEN: expected a value",
        "TASKCLUSTER_CLIENT_ID: expected one line",
        "ENV: expected prod, fake-prod or dev, found 'production'",
        "COT_PRODUCT: expected a product, found 'chrome'",
        "GITHUB_OAUTH_TOKEN: expected it to be set",
        "bin/scriptworker: expected a program",
    ] {
        assert!(said.contains(expected), "{expected} in\n{said}");
    }
}

#[test]
fn production_is_never_started_with_less_than_the_chain_of_trust() {
    let app = app();
    let refused = init(&app, &[&PRODUCTION[..], &[("CHAIN_OF_TRUST", "none")]].concat());
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("expected by-env in production, found none"));
    let refused = init(&app, &PRODUCTION[..7]);
    assert!(String::from_utf8(refused.stderr).unwrap().contains("ED25519_PRIVKEY: expected a value"));
    assert!(!app.path("configs").exists(), "nothing is written before everything is right");
}

#[test]
fn a_script_without_configuration_is_not_started() {
    let app = app();
    std::fs::remove_file(app.path("docker.d/init_worker.sh")).unwrap();
    let refused = init(&app, &PRODUCTION);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        String::from_utf8(refused.stderr)
            .unwrap()
            .contains("worker.json: expected the script's configuration")
    );
    assert_eq!(refused.stdout, b"");
}

#[test]
fn production_gets_its_configuration_and_an_empty_environment() {
    let app = app();
    let started = init(&app, &PRODUCTION);
    let said = String::from_utf8(started.stdout).unwrap();
    assert_eq!(started.status.code(), Some(0), "{said}{}", String::from_utf8_lossy(&started.stderr));
    let config = app.path("configs/scriptworker.json");
    let dir = app.path("");
    let dir = dir.to_str().unwrap().trim_end_matches('/').to_owned();
    let mut lines: Vec<&str> = said.lines().collect();
    // the shell of the telltale itself makes these two of nothing
    lines.retain(|line| !line.starts_with("PWD=") && !line.starts_with("_="));
    assert_eq!(lines[1..], ["0022", dir.as_str()], "{said}");
    assert_eq!(lines[0].replace("//", "/"), format!("argument {}", config.display()));
    for (name, content) in [("ed25519_privkey", "a2V5\n"), ("worker.json", "{\"level\": \"prod\"}\n")] {
        assert_eq!(read(&app.path("configs").join(name)), content);
    }
    for name in ["ed25519_privkey", "worker.json", "scriptworker.json"] {
        let mode = std::fs::metadata(app.path("configs").join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let text = read(&config).replace("//", "/").replace("https:/", "https://");
    let mut config: Value = serde_json::from_str(&text).unwrap();
    let id = config["worker_id"].take();
    let id = id.as_str().unwrap();
    assert!(id.starts_with("mobile-3-signing-") && id.len() == 38, "{id}");
    let expected = json!({
        "artifact_dir": format!("{dir}/artifacts"),
        "artifact_upload_timeout": 1200,
        "cot_job_type": "scriptworker",
        "cot_product": "mobile",
        "credentials": { "accessToken": TOKEN, "clientId": "project/releng/worker" },
        "ed25519_private_key_path": format!("{dir}/configs/ed25519_privkey"),
        "github_oauth_token": "",
        "log_dir": format!("{dir}/logs"),
        "provisioner_id": "scriptworker-k8s",
        "scriptworker_provisioners": ["scriptworker-k8s", "scriptworker-prov-v1"],
        "sign_chain_of_trust": true,
        "task_log_dir": format!("{dir}/artifacts/public/logs"),
        "task_max_timeout": 7200,
        "task_script": [format!("{dir}/.venv/bin/signingscript"), format!("{dir}/configs/worker.json")],
        "taskcluster_root_url": "https://tc.example.com/",
        "verbose": true,
        "verify_chain_of_trust": true,
        "verify_cot_signature": true,
        "watch_log_file": true,
        "work_dir": format!("{dir}/workdir"),
        "worker_group": "mobile-3-signing",
        "worker_id": null,
        "worker_type": "mobile-3-signing",
    });
    assert_eq!(config, expected);
}

#[test]
fn worker_types_are_made_as_production_makes_them() {
    for (project, env, product, expected) in [
        ("signing", "dev", "firefox", "gecko-t-signing-dev"),
        ("signing", "fake-prod", "thunderbird", "comm-t-signing"),
        ("beetmover", "fake-prod", "firefox", "gecko-1-beetmover"),
        ("tree", "dev", "xpi", "xpi-1-tree-dev"),
    ] {
        let app = app();
        app.write("script", "", 0o755);
        let script = app.path("script");
        let variables = [
            ("PROJECT_NAME", project),
            ("ENV", env),
            ("COT_PRODUCT", product),
            ("TASK_SCRIPT", script.to_str().unwrap()),
            ("CHAIN_OF_TRUST", "none"),
        ];
        let started = init(&app, &[&PRODUCTION[3..7], &variables].concat());
        assert_eq!(started.status.code(), Some(0), "{}", String::from_utf8_lossy(&started.stderr));
        let config: Value = serde_json::from_str(&read(&app.path("configs/scriptworker.json"))).unwrap();
        assert_eq!(
            (config["worker_type"].as_str(), config["worker_group"].as_str()),
            (Some(expected), Some(expected))
        );
        for key in ["sign_chain_of_trust", "verify_chain_of_trust", "verify_cot_signature"] {
            assert_eq!(config[key], json!(false), "{key}");
        }
        assert_eq!(config["task_script"][0].as_str(), script.to_str());
    }
}
