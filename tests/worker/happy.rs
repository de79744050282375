//! Tasks that go well, and what their scripts are given.

use crate::support::{Site, content};
use serde_json::Value;

#[test]
fn a_task_is_claimed_run_uploaded_and_reported() {
    let site = Site::new();
    site.start();
    let task = site.task(
        "echo hello; echo problem >&2\n\
         mkdir -p $artifacts/public/build\n\
         printf 'some bytes' > $artifacts/public/build/target.bin\n\
         echo '{\"a\": 1}' > $artifacts/public/build/info.json",
    );
    assert_eq!(site.outcome(&task, 0), "completed completed", "{}", site.log());
    assert_eq!(site.task_log(&task, 0), "hello\nproblem\nexit code: 0\n");
    let bin = site.artifact(&task, 0, "public/build/target.bin").unwrap();
    assert_eq!(
        (bin.content_type.as_str(), bin.content_encoding.as_deref()),
        ("application/octet-stream", None)
    );
    assert_eq!(content(&bin), b"some bytes");
    let json = site.artifact(&task, 0, "public/build/info.json").unwrap();
    assert_eq!(
        (json.content_type.as_str(), json.content_encoding.as_deref()),
        ("application/json", Some("gzip"))
    );
    let names = site.artifact_names(&task, 0);
    assert!(names.contains(&"public/logs/live.log".to_owned()), "{names:?}");
    site.takes_the_next_task();
}

#[test]
fn the_script_is_given_what_its_contract_says() {
    let site = Site::new();
    site.start_with(&[("TASKCLUSTER_ACCESS_TOKEN", "worker-secret"), ("OTHER", "kept")]);
    let task = site.task(
        "mkdir -p $artifacts/public; cp $work/task.json $work/current_task_info.json $artifacts/public/\n\
         env > $artifacts/public/env.txt; cat <&4 > $artifacts/public/credentials.json",
    );
    assert_eq!(site.outcome(&task, 0), "completed completed", "{}", site.log());
    let text = |name| String::from_utf8(content(&site.artifact(&task, 0, name).unwrap())).unwrap();
    let env = text("public/env.txt");
    for line in [
        format!("TASK_ID={task}"),
        "RUN_ID=0".to_owned(),
        "TASKCLUSTER_CREDENTIALS_FD=4".to_owned(),
        "OTHER=kept".to_owned(),
    ] {
        assert!(env.lines().any(|found| found == line), "{line} in {env}");
    }
    assert!(env.contains(&format!("TASKCLUSTER_ROOT_URL={}", site.queue.root_url())));
    assert!(!env.contains("worker-secret"), "the worker's own credentials are scrubbed");
    assert_eq!(
        text("public/current_task_info.json"),
        format!("{{\n  \"runId\": 0,\n  \"taskId\": \"{task}\"\n}}")
    );
    let definition: Value = serde_json::from_str(&text("public/task.json")).unwrap();
    assert_eq!(definition["workerType"], "test-worker");
    let credentials: Value = serde_json::from_str(&text("public/credentials.json")).unwrap();
    assert!(credentials["clientId"].as_str().unwrap().starts_with(&format!("task-client/{task}/0/")));
    assert!(credentials["certificate"].is_string());
}
