//! Tasks that can never be run as they are written: the reason stands in their log, the script is never started.

use super::{claimed_with, mark, quick, wait_for_line};
use crate::support::Site;
use scriptworker::embedded_queue::FaultKind;
use scriptworker_core::ids::TaskId;
use serde_json::{Value, json};

fn explains(site: &Site, task: &TaskId, mark: usize, problem: &str) {
    assert_eq!(site.outcome(task, 0), "exception malformed-payload", "{}", site.log());
    let text = format!("[scriptworker] this task cannot be run as it is written: {problem}\n");
    assert_eq!(site.task_log(task, 0), text);
    let said = ["WARN", "the task cannot be run as it is written", problem, &task.to_string()];
    wait_for_line(site, mark, &said);
    assert!(!site.path("ran").exists(), "the script was started\n{}", site.log());
    site.takes_the_next_task();
}

#[test]
fn a_malformed_payload_is_explained_in_the_tasks_log() {
    let site = quick();
    site.start();
    let upstream = |entry: Value| json!({ "upstreamArtifacts": [entry] });
    let paths = |paths: Value| upstream(json!({ "taskId": "x", "taskType": "build", "paths": paths }));
    let illegal = "a path must be relative and may not contain '..'";
    for (payload, problem) in [
        (
            json!({"maxRunTime": "60"}),
            "the task definition's payload.maxRunTime must be an integer (seconds), found \"60\"".to_owned(),
        ),
        (
            json!({"maxRunTime": 1.5}),
            "the task definition's payload.maxRunTime must be an integer (seconds), found 1.5".to_owned(),
        ),
        (
            json!({"upstreamArtifacts": {}}),
            "the task definition's payload.upstreamArtifacts must be a list, found {}".to_owned(),
        ),
        (
            upstream(json!("x")),
            "the task definition's payload.upstreamArtifacts[0] must be an object, found \"x\"".to_owned(),
        ),
        (
            upstream(json!({})),
            "the task definition's payload.upstreamArtifacts[0].paths must be a list of texts, found nothing".to_owned(),
        ),
        (
            paths(json!([1])),
            "the task definition's payload.upstreamArtifacts[0].paths must be a list of texts, found 1".to_owned(),
        ),
        (
            paths(json!(["/etc/passwd"])),
            format!("payload.upstreamArtifacts[0] names the path \"/etc/passwd\": {illegal}"),
        ),
        (
            paths(json!(["public/a", "public/../../x"])),
            format!("payload.upstreamArtifacts[0] names the path \"public/../../x\": {illegal}"),
        ),
        (
            paths(json!(["public/*.apk"])),
            "payload.upstreamArtifacts[0] uses the pattern \"public/*.apk\": only an entry with 'optional: true' \
             may use '*'"
                .to_owned(),
        ),
    ] {
        let mark = mark(&site);
        let ran = format!("touch {}", site.path("ran").display());
        let task = site.task_with(&ran, payload);
        explains(&site, &task, mark, &problem);
    }
}

/// The queue's own schema asks for a payload that is an object, so such a definition comes from a queue gone wrong.
#[test]
fn a_definition_without_a_payload_is_explained_too() {
    let site = quick();
    site.start();
    for (kind, found) in [
        (FaultKind::without("/tasks/0/task/payload"), "nothing"),
        (FaultKind::edit("/tasks/0/task/payload", json!(null)), "null"),
        (FaultKind::edit("/tasks/0/task/payload", json!(["a"])), "[\"a\"]"),
        (FaultKind::edit("/tasks/0/task/payload", json!("text")), "\"text\""),
        (FaultKind::edit("/tasks/0/task", json!({})), "nothing"),
        (FaultKind::edit("/tasks/0/task", json!("text")), "nothing"),
    ] {
        let mark = mark(&site);
        let task = claimed_with(&site, kind, &format!("touch {}", site.path("ran").display()));
        let problem = format!("the task definition's payload must be an object, found {found}");
        explains(&site, &task, mark, &problem);
    }
}
