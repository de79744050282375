//! Log, artifacts, status and exit code.

use crate::site::{Site, files, task};
use serde_json::json;

#[test]
fn log_artifacts_and_status_are_shown_and_left() {
    let site = Site::new(
        "echo from the script; echo and its stderr >&2\n\
         mkdir -p $artifacts/public/build; echo '{}' > $artifacts/public/build/info.json\n\
         cp $work/task.json $work/current_task_info.json $artifacts/public/build",
    );
    let said = site.try_task(&json!({
        "created": "2020-01-01T00:00:00.000Z", "deadline": "2020-01-02T00:00:00.000Z",
        "expires": "2020-02-01T00:00:00.000Z", "provisionerId": "real-provisioner", "workerType": "real-worker",
        "taskQueueId": "real-provisioner/real-worker", "schedulerId": "-", "projectId": "none", "priority": "lowest",
        "taskGroupId": "Ypg6xKhKRU-pnkwylNQrMw", "dependencies": ["Ypg6xKhKRU-pnkwylNQrMw"], "requires": "all-completed",
        "routes": ["index.x"], "retries": 5, "scopes": ["project:releng:signing:cert:dep"], "tags": {"a": "b"},
        "extra": {"parent": "Ypg6xKhKRU-pnkwylNQrMw"}, "payload": {"answer": 42},
        "metadata": {"name": "n", "description": "d", "owner": "o@example.com", "source": "https://example.com/"},
    }));
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    let log = "from the script\nand its stderr\nexit code: 0\n";
    assert!(
        said.out.contains(&format!("== log (public/logs/live_backing.log)\n{log}== artifacts")),
        "{}",
        said.out
    );
    assert!(
        said.out.contains("public/build/info.json  application/json  gzip  3 bytes  sha256:ca3d163b"),
        "{}",
        said.out
    );
    assert!(said.out.contains("public/logs/live.log  text/plain  a link"), "{}", said.out);
    assert!(said.out.contains("== status\ncompleted: success (0)\n"), "{}", said.out);
    assert!(!said.err.contains("would never be given it"), "{}", said.err);
    assert_eq!(
        files(&site.path("out")),
        [
            "artifacts/public/build/current_task_info.json",
            "artifacts/public/build/info.json",
            "artifacts/public/build/task.json",
            "artifacts/public/chain-of-trust.json",
            "artifacts/public/logs/live_backing.log",
            "worker.log"
        ]
    );
    assert_eq!(site.read("out/artifacts/public/logs/live_backing.log"), log);
    // the script saw what its author wrote, in the form in which a queue has it
    let seen: serde_json::Value =
        serde_json::from_str(&site.read("out/artifacts/public/build/task.json")).unwrap();
    assert_eq!(seen["payload"], json!({"answer": 42}));
    assert_eq!(seen["scopes"], json!(["project:releng:signing:cert:dep"]));
    assert_eq!(seen["dependencies"], json!(["Ypg6xKhKRU-pnkwylNQrMw"]));
    assert_ne!(seen["created"], json!("2020-01-01T00:00:00.000Z"));
    // wiped as after every task, and the worker's own log directory is not touched
    assert_eq!(files(&site.path("work")), [""; 0]);
    assert_eq!(files(&site.path("artifacts")), [""; 0]);
    assert!(!site.path("log").exists());
}

#[test]
fn the_exit_code_is_the_number_of_the_status() {
    for (script, code, status) in [
        ("exit 0", 0, "completed: success (0)"),
        ("exit 1", 1, "failed: failure (1)"),
        ("exit 2", 2, "exception: worker-shutdown (2)"),
        ("exit 3", 3, "exception: malformed-payload (3)"),
        ("exit 4", 4, "exception: resource-unavailable (4)"),
        ("exit 5", 5, "exception: internal-error (5)"),
        ("exit 6", 5, "exception: internal-error (5)"),
        ("exit 7", 7, "exception: intermittent-task (7)"),
        ("exit 9", 1, "failed: failure (1)"),
        ("exit 17", 4, "exception: resource-unavailable (4)"),
        ("kill -KILL $$", 1, "failed: failure (1)"),
        ("mkfifo $artifacts/pipe", 1, "failed: failure (1)"),
    ] {
        let site = Site::new(script).set("reversed_statuses", json!({"17": "resource-unavailable"}));
        let said = site.try_task(&task(json!({})));
        assert_eq!(said.code, code, "{script}\n{}\n{}", said.out, said.err);
        assert!(said.out.contains(&format!("== status\n{status}\n")), "{script}\n{}", said.out);
    }
}

#[test]
fn limits_are_those_of_the_configuration_and_the_task() {
    let site =
        Site::new("echo begun; sleep 600").set("task_max_timeout", 1).set("task_max_timeout_status", 4);
    let said = site.try_task(&task(json!({"maxRunTime": 500})));
    assert_eq!(said.code, 4, "{}\n{}", said.out, said.err);
    assert!(said.out.contains("[scriptworker] the time limit of 1 s has passed"), "{}", said.out);
    let site = Site::new("echo begun; sleep 600").set("max_log_size", 1000);
    let said = site.try_task(&task(json!({"maxRunTime": 1})));
    assert_eq!(said.code, 1, "{}\n{}", said.out, said.err);
    assert!(said.out.contains("the time limit of 1 s has passed"), "{}", said.out);
}

#[test]
fn a_malformed_payload_is_explained_in_the_log() {
    let said = Site::new("echo never").try_task(&task(json!({"maxRunTime": "long"})));
    assert_eq!(said.code, 3, "{}\n{}", said.out, said.err);
    assert!(said.out.contains("payload.maxRunTime must be an integer"), "{}", said.out);
    assert!(!said.out.contains("never"));
}

#[test]
fn without_an_output_directory_a_temporary_one_is_kept() {
    let site = Site::new("echo hello");
    std::fs::create_dir(site.path("tmp")).unwrap();
    let mut command = site.command(&task(json!({})));
    let words: Vec<_> =
        command.get_args().take_while(|word| *word != "--output").map(ToOwned::to_owned).collect();
    command = std::process::Command::new(command.get_program());
    let said = crate::site::said(command.args(words).env("TMPDIR", site.path("tmp")).output().unwrap());
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    let left = files(&site.path("tmp"));
    let [_, log, worker_log] = &left[..] else { unreachable!("{left:?}") };
    assert!(
        log.ends_with("artifacts/public/logs/live_backing.log") && worker_log.ends_with("worker.log"),
        "{left:?}"
    );
    assert!(said.out.contains(site.path("tmp").to_str().unwrap()), "{}", said.out);
}

#[test]
fn the_workers_own_log_is_shown_when_asked_for() {
    let site = Site::new("echo hello");
    let quiet = site.try_task(&task(json!({})));
    assert!(!quiet.err.contains("scriptworker starts"), "{}", quiet.err);
    assert!(site.read("out/worker.log").contains("scriptworker starts"));
    std::fs::remove_dir_all(site.path("out")).unwrap();
    let loud = crate::site::said(site.command(&task(json!({}))).arg("--verbose").output().unwrap());
    assert!(loud.err.contains("scriptworker starts") && loud.err.contains("hello"), "{}", loud.err);
}
