//! A script in Rust, under the worker and by itself. The test binary is the script, too: started again with a variable
//! that says so, one of its tests becomes the script's main function.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![expect(clippy::disallowed_methods, reason = "tests write files of their own")]

#[path = "worker/support.rs"]
#[expect(dead_code, reason = "this test needs a part of what the worker's tests share")]
mod support;

use scriptworker::script::{self, Context, DownloadPlan, Options, TaskCredentials, download};
use scriptworker::taskcluster::{Auth, Budget, Http, HttpConfig, Queue, RootUrl};
use scriptworker_core::client::ScriptError;
use scriptworker_core::ids::{RunId, RunKey, TaskId};
use scriptworker_core::run::TaskStatus;
use scriptworker_core::secret::Secret;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use support::{Site, content};

/// The configuration of the script that this process is to be.
const BE_SCRIPT: &str = "TEST_BE_SCRIPT";

#[test]
#[expect(clippy::exit, reason = "the exit code is what this is about")]
fn acts_as_a_script() {
    let Some(config) = std::env::var_os(BE_SCRIPT) else { return };
    let defaults = Map::from_iter([("level".to_owned(), json!(7))]);
    let options = Options { config: Some(config.into()), defaults, ..Options::default() };
    std::process::exit(script::run(options, act).number().into());
}

async fn act(context: Context) -> Result<(), ScriptError> {
    let payload = context.task.payload()?.clone();
    let to = context.config.artifact_dir()?.join("public");
    std::fs::create_dir_all(&to)?;
    match payload["action"].as_str() {
        Some("report") => {
            tracing::debug!(level = %context.config.lookup("level").unwrap(), "reporting");
            std::fs::write(to.join("upstream.json"), json!(context.upstream()?.found).to_string())?;
            Ok(())
        }
        Some("use") => {
            let root = std::env::var("TASKCLUSTER_ROOT_URL").map_err(ScriptError::internal_error)?;
            let root = RootUrl::parse(&root).map_err(ScriptError::internal_error)?;
            let http = Http::new(HttpConfig::default()).map_err(ScriptError::internal_error)?;
            let credentials = TaskCredentials::of_process().unwrap().expect("the worker gives credentials");
            let queue = Queue::new(http.clone(), &root, Auth::As(std::sync::Arc::new(credentials)));
            let run = RunKey {
                task_id: std::env::var("TASK_ID").unwrap().parse().unwrap(),
                run_id: RunId::new(std::env::var("RUN_ID").unwrap().parse().unwrap()).unwrap(),
            };
            // only the run's own credentials may do this
            queue.reclaim_task(&run, Budget::once()).await.map_err(ScriptError::failure)?;
            let url = Secret::new(payload["url"].as_str().unwrap());
            let plan = DownloadPlan { attempts: 1, ..DownloadPlan::default() };
            let done = download(&http, &url, None, &to.join("copy"), plan).await?;
            tracing::info!(done.size, done.sha256, "downloaded");
            Ok(())
        }
        Some("fail") => Err(ScriptError::new(
            TaskStatus::from_number(payload["code"].as_i64().unwrap()).unwrap(),
            "failed on purpose",
        )),
        Some("panic") => panic!("on purpose"),
        _ => Err(ScriptError::malformed_payload("no such action")),
    }
}

fn write_config(dir: &Path, work: &Path) -> PathBuf {
    let schema = dir.join("schema.json");
    std::fs::write(&schema, r#"{"properties": {"payload": {"required": ["action"]}}}"#).unwrap();
    let config = dir.join("script.json");
    let values = json!({ "work_dir": work, "artifact_dir": dir.join("artifacts"), "schema_file": schema, "verbose": true });
    std::fs::write(&config, values.to_string()).unwrap();
    config
}

/// The arguments that make this binary the script.
fn arguments() -> [&'static str; 3] {
    ["--exact", "acts_as_a_script", "--nocapture"]
}

fn site() -> Site {
    let site = Site::new();
    let config = write_config(site.path("").as_path(), &site.path("work"));
    let mut script = vec!["/usr/bin/env".to_owned(), format!("{BE_SCRIPT}={}", config.display())];
    script.push(std::env::current_exe().unwrap().to_str().unwrap().to_owned());
    script.extend(arguments().map(str::to_owned));
    site.set("task_script", json!(script))
}

fn task(site: &Site, payload: Value) -> TaskId {
    site.task_of(json!({ "payload": payload }))
}

#[test]
fn a_rust_script_works_under_the_worker() {
    let site = site();
    site.start();
    let report = task(&site, json!({ "action": "report" }));
    assert_eq!(site.outcome(&report, 0), "completed completed", "{}", site.log());
    let artifact = site.artifact(&report, 0, "public/upstream.json").unwrap();
    assert_eq!(content(&artifact), b"{}");
    let log = site.task_log(&report, 0);
    assert!(log.contains(" - rust_script - DEBUG - reporting level=7\n"), "{log}");

    let url =
        format!("{}/api/queue/v1/task/{report}/artifacts/public%2Fupstream.json", site.queue.root_url());
    let using = task(&site, json!({ "action": "use", "url": url }));
    assert_eq!(site.outcome(&using, 0), "completed completed", "{}", site.log());
    assert_eq!(content(&site.artifact(&using, 0, "public/copy").unwrap()), b"{}");
    let gone = task(&site, json!({ "action": "use", "url": url.replace("upstream", "gone") }));
    assert_eq!(site.outcome(&gone, 0), "exception resource-unavailable", "{}", site.log());
}

#[test]
fn every_status_reaches_the_queue() {
    let site = site();
    site.start();
    let fail = |code: u8| json!({ "action": "fail", "code": code });
    let cases = [
        (fail(1), "failed failed"),
        (fail(3), "exception malformed-payload"),
        (fail(4), "exception resource-unavailable"),
        (fail(5), "exception internal-error"),
        (fail(7), "exception intermittent-task"),
        (json!({ "action": "panic" }), "failed failed"),
        (json!({ "action": "other" }), "exception malformed-payload"),
        (json!({}), "exception malformed-payload"),
    ];
    let asked: Vec<_> = cases.into_iter().map(|(payload, outcome)| (task(&site, payload), outcome)).collect();
    for (task, outcome) in &asked {
        assert_eq!(site.outcome(task, 0), *outcome, "{}", site.log());
    }
    let log = site.task_log(&asked[1].0, 0);
    assert!(
        log.contains("ERROR - the script failed with status malformed-payload (3): failed on purpose\n"),
        "{log}"
    );
    let log = site.task_log(&asked[7].0, 0);
    assert!(log.contains("the task does not fit its schema") && log.contains("/payload"), "{log}");
}

fn by_hand(config: &Path) -> (i32, String) {
    let Output { status, stderr, .. } = Command::new(std::env::current_exe().unwrap())
        .args(arguments())
        .env(BE_SCRIPT, config)
        .output()
        .unwrap();
    (status.code().unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn what_is_missing_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let work = dir.path().join("work");
    let config = write_config(dir.path(), &work);
    let (code, problem) = by_hand(&config);
    assert_eq!(code, 1);
    assert!(problem.contains("work/task.json") && problem.contains("No such file"), "{problem}");
    std::fs::create_dir(&work).unwrap();
    std::fs::write(work.join("task.json"), r#"{"payload": {"action": "fail", "code": 4}}"#).unwrap();
    assert_eq!(by_hand(&config).0, 4);
    std::fs::remove_file(dir.path().join("schema.json")).unwrap();
    let (code, problem) = by_hand(&config);
    assert_eq!(code, 1);
    assert!(problem.contains("schema.json"), "{problem}");
    let (code, problem) = by_hand(Path::new("/nowhere.json"));
    assert_eq!(code, 1);
    assert!(problem.contains("/nowhere.json"), "{problem}");
}
