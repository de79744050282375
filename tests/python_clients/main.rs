//! Scripts written for the published Python client libraries run unmodified under the worker (client.md 8, L4).
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![expect(clippy::disallowed_methods, reason = "tests write files of their own")]

mod answers;
#[path = "../worker/support.rs"]
#[expect(dead_code, reason = "this test needs a part of what the worker's tests share")]
mod support;
mod venv;

use nix::sys::signal::Signal;
use scriptworker_core::ids::TaskId;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{Site, content};

/// Where the scripts are.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python");

/// A site whose worker runs a Python script.
fn site(environment: &Path, script: &str) -> Site {
    let site = Site::new();
    let at = |name: &str| site.path(name).to_str().unwrap().to_owned();
    let config = json!({
        "work_dir": at("work"), "artifact_dir": at("artifacts"), "verbose": true,
        "schema_file": format!("{SCRIPTS}/schema.json"), "ready_file": at("ready"),
    });
    std::fs::write(at("script.json"), config.to_string()).unwrap();
    let task_script = json!([venv::python(environment), format!("{SCRIPTS}/{script}"), at("script.json")]);
    // Python takes a second to start, and much longer beside other work
    site.set("task_script", task_script).set("task_max_timeout", 600)
}

fn start(site: &Site) {
    // no bytecode beside the sources
    site.start_with(&[("PYTHONDONTWRITEBYTECODE", "1"), ("TASKCLUSTER_ACCESS_TOKEN", "worker-secret")]);
}

fn task(site: &Site, payload: Value) -> TaskId {
    site.task_of(
        json!({ "payload": payload, "scopes": ["project:test:script"], "tags": { "odd": "ä\u{1f600}" } }),
    )
}

fn raises(class: &str, code: Option<u8>) -> Value {
    let kwargs = code.map_or(json!({}), |code| json!({ "exit_code": code }));
    json!({ "action": "raise", "class": class, "kwargs": kwargs })
}

/// Every payload must lead to its outcome, and the log must end with the exit code.
fn check(site: &Site, cases: Vec<(Value, &str, u8)>) {
    let asked: Vec<_> = cases.into_iter().map(|case| (task(site, case.0.clone()), case)).collect();
    for (task, (payload, outcome, code)) in asked {
        assert_eq!(site.outcome(&task, 0), outcome, "{payload}\n{}", site.log());
        let log = site.task_log(&task, 0);
        assert!(
            log.ends_with(&format!("\nexit code: {code}\n")) || log == format!("exit code: {code}\n"),
            "{log}"
        );
        assert_eq!(code != 0, log.contains("Traceback"), "{payload}\n{log}");
    }
}

const FAILED: &str = "failed failed";
const MALFORMED: &str = "exception malformed-payload";
const UNAVAILABLE: &str = "exception resource-unavailable";
const INTERNAL: &str = "exception internal-error";
const INTERMITTENT: &str = "exception intermittent-task";

#[test]
fn a_script_of_today_finds_what_its_library_needs() {
    let Some(environment) = venv::published() else { return };
    finds_its_surroundings(environment, "current_script.py");
}

#[test]
fn a_classic_script_finds_what_its_library_needs() {
    let Some(environment) = venv::published() else { return };
    finds_its_surroundings(environment, "classic_script.py");
}

#[test]
fn a_script_of_the_standalone_library_finds_what_it_needs() {
    let Some(environment) = venv::standalone() else { return };
    finds_its_surroundings(environment, "standalone_script.py");
}

fn finds_its_surroundings(environment: &Path, script: &str) {
    let site = site(environment, script);
    start(&site);
    let reporting = task(&site, json!({ "action": "report" }));
    let credentials = task(&site, json!({ "action": "credentials" }));
    assert_eq!(site.outcome(&reporting, 0), "completed completed", "{}", site.log());
    let artifact = site.artifact(&reporting, 0, "public/build/surroundings.json").unwrap();
    let found: Value = serde_json::from_slice(&content(&artifact)).unwrap();
    assert_eq!(found["info"], json!({ "taskId": reporting, "runId": 0 }));
    assert_eq!(found["task"]["scopes"], json!(["project:test:script"]));
    assert_eq!(found["task"]["tags"]["odd"], "ä\u{1f600}");
    assert_eq!(found["logs_exist"], true);
    assert_eq!(found["work"], json!(["current_task_info.json", "task.json"]));
    assert_eq!(found["env"]["TASK_ID"], json!(reporting));
    assert!(!found["env"].to_string().contains("worker-secret"), "{}", found["env"]);
    assert_eq!(site.outcome(&credentials, 0), "completed completed", "{}", site.log());
    let names = site.artifact_names(&credentials, 0);
    assert!(names.contains(&"public/made-by-script".to_owned()), "{names:?}");
}

#[test]
fn every_exception_of_todays_library_has_its_status() {
    let Some(environment) = venv::published() else { return };
    let site = site(environment, "current_script.py");
    start(&site);
    let class = |name: &str| raises(name, None);
    let coded = |code| raises("ScriptWorkerTaskException", Some(code));
    let exit = |code: u8| json!({ "action": "raise", "class": "SystemExit", "args": [code] });
    check(
        &site,
        vec![
            (class("ScriptWorkerException"), INTERNAL, 5),
            (class("ScriptWorkerRetryException"), UNAVAILABLE, 4),
            (class("ScriptWorkerTaskException"), FAILED, 1),
            (class("TaskVerificationError"), MALFORMED, 3),
            (class("DownloadError"), UNAVAILABLE, 4),
            (class("Download404"), UNAVAILABLE, 4),
            (class("CoTError"), MALFORMED, 3),
            (class("ConfigError"), INTERNAL, 5),
            (coded(2), "exception worker-shutdown", 2),
            (coded(6), INTERNAL, 6),
            (coded(7), INTERMITTENT, 7),
            (class("ValueError"), FAILED, 1),
            // a task that violates the schema: the library catches nothing there
            (json!({ "action": 1 }), FAILED, 1),
        ],
    );
    for (code, outcome) in [(0, "completed completed"), (241, INTERMITTENT), (245, INTERMITTENT), (9, FAILED)]
    {
        let task = task(&site, exit(code));
        assert_eq!(site.outcome(&task, 0), outcome, "{code}\n{}", site.log());
    }
}

#[test]
fn every_exception_of_a_classic_script_has_its_status() {
    let Some(environment) = venv::published() else { return };
    let site = site(environment, "classic_script.py");
    start(&site);
    check(
        &site,
        vec![
            (raises("ScriptWorkerTaskException", None), FAILED, 1),
            (raises("ScriptWorkerTaskException", Some(4)), UNAVAILABLE, 4),
            (raises("TaskVerificationError", None), MALFORMED, 3),
            (raises("ScriptWorkerRetryException", None), FAILED, 1),
            (json!({ "action": [] }), MALFORMED, 3),
        ],
    );
}

#[test]
fn every_exception_of_the_standalone_library_has_its_status() {
    let Some(environment) = venv::standalone() else { return };
    let site = site(environment, "standalone_script.py");
    start(&site);
    let mut cases: Vec<_> =
        ["TaskError", "TimeoutError", "RetryError", "Download404", "DownloadError", "LockfileError"]
            .into_iter()
            .map(|name| (raises(name, None), FAILED, 1))
            .collect();
    cases.extend([
        (raises("ClientError", None), FAILED, 1),
        (raises("ClientError", Some(5)), INTERNAL, 5),
        (raises("ClientError", Some(7)), INTERMITTENT, 7),
        (raises("TaskVerificationError", None), MALFORMED, 3),
        (raises("ValueError", None), FAILED, 1),
        (json!({ "action": 1 }), FAILED, 1),
    ]);
    check(&site, cases);
}

#[test]
fn a_script_that_hangs_is_ended_by_its_time_limit() {
    let Some(environment) = venv::published() else { return };
    let site = site(environment, "current_script.py").set("task_max_timeout_status", 4);
    start(&site);
    let task = task(&site, json!({ "action": "hang", "maxRunTime": 3 }));
    assert_eq!(site.outcome(&task, 0), UNAVAILABLE, "{}", site.log());
    let next = self::task(&site, json!({ "action": "report" }));
    assert_eq!(site.outcome(&next, 0), "completed completed", "{}", site.log());
}

#[test]
fn a_worker_that_must_go_ends_its_script_and_says_so() {
    let Some(environment) = venv::published() else { return };
    let site = site(environment, "current_script.py");
    start(&site);
    let task = task(&site, json!({ "action": "hang" }));
    site.wait_for_file("ready");
    site.signal(Signal::SIGTERM);
    assert_eq!(site.outcome(&task, 0), "exception worker-shutdown", "{}", site.log());
    assert_eq!(site.exit_code(), 0, "{}", site.log());
}

#[test]
fn upstream_artifacts_are_where_todays_library_looks() {
    let Some(environment) = venv::published() else { return };
    finds_upstream_artifacts(environment, "current_script.py");
}

#[test]
fn upstream_artifacts_are_where_the_standalone_library_looks() {
    let Some(environment) = venv::standalone() else { return };
    finds_upstream_artifacts(environment, "standalone_script.py");
}

/// The way of a script's author: `create-test-workdir`, then the script by hand. The library and `scriptworker client`
/// find the same.
fn finds_upstream_artifacts(environment: &Path, script: &str) {
    let site = Site::new();
    site.start();
    let upstream = site.task(
        "mkdir -p $artifacts/public/b; echo 1 > $artifacts/public/a.apk; echo 2 > $artifacts/public/b/c",
    );
    assert_eq!(site.outcome(&upstream, 0), "completed completed", "{}", site.log());
    let wanted = json!({ "action": "upstream", "upstreamArtifacts": [
        { "taskId": upstream, "taskType": "build", "paths": ["public/a.apk", "public/b/c"] },
        { "taskId": upstream, "taskType": "build", "paths": ["public/gone"], "optional": true },
    ]});
    let task = task(&site, wanted);
    let work = site.path("by-hand");
    let made = run(Command::new(env!("CARGO_BIN_EXE_scriptworker"))
        .args(["create-test-workdir", "--root-url", &site.queue.root_url(), task.as_str(), "--path"])
        .arg(&work));
    assert_eq!(made.0, 0, "{made:?}");
    let config = site.path("script.json");
    let artifacts = site.path("by-hand-artifacts");
    let values = json!({ "work_dir": work, "artifact_dir": artifacts, "schema_file": format!("{SCRIPTS}/schema.json") });
    std::fs::write(&config, values.to_string()).unwrap();
    let script: PathBuf = [SCRIPTS, script].iter().collect();
    let ran = run(Command::new(venv::python(environment))
        .arg(script)
        .arg(&config)
        .env("PYTHONDONTWRITEBYTECODE", "1"));
    assert_eq!(ran.0, 0, "{ran:?}");
    let found: Value =
        serde_json::from_slice(&std::fs::read(artifacts.join("public/upstream.json")).unwrap()).unwrap();
    let place = |name: &str| json!(work.join("cot").join(upstream.as_str()).join(name));
    let expected = json!({ upstream.as_str(): [place("public/a.apk"), place("public/b/c")] });
    assert_eq!(
        (&found["found"], &found["missing"]),
        (&expected, &json!({ upstream.as_str(): ["public/gone"] }))
    );
    let ours = run(Command::new(env!("CARGO_BIN_EXE_scriptworker"))
        .args(["client", "upstream-artifacts", "--config"])
        .arg(&config));
    let ours: Value = serde_json::from_str(&ours.1).unwrap();
    assert_eq!((&ours["found"], &ours["missingOptional"]), (&found["found"], &found["missing"]));
}

/// Exit code, stdout and stderr.
fn run(command: &mut Command) -> (i32, String, String) {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().expect("it ends by itself"), text(output.stdout), text(output.stderr))
}
