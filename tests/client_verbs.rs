//! `scriptworker client …` as a script in any language calls it: JSON on stdout, words on stderr, exit codes.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "tests write files of their own")]

use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

const TASK: &str = "Ypg6xKhKRU-pnkwylNQrMw";
const OTHER: &str = "AA3UXrp0Qqa5TU3_dWZHUA";

/// The files that a worker and a deployment give to a script.
struct Script {
    dir: TempDir,
    config: Value,
}

impl Script {
    fn new(task: Value) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        std::fs::create_dir(at("work")).unwrap();
        std::fs::write(at("work/task.json"), task.to_string()).unwrap();
        let schema = json!({
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "object", "required": ["payload"],
            "properties": {"payload": {"properties": {
                "maxRunTime": {"type": "integer"},
                "when": {"type": "string", "format": "date-time"},
            }}},
        });
        std::fs::write(at("schema.json"), schema.to_string()).unwrap();
        let config = json!({
            "work_dir": at("work"), "artifact_dir": at("artifacts"), "schema_file": at("schema.json"),
            "schema_files": {"strict": at("strict.yml")},
        });
        std::fs::write(at("strict.yml"), "properties: {payload: {maxProperties: 1}}\n").unwrap();
        Self { dir, config }
    }

    fn set(mut self, key: &str, value: Value) -> Self {
        self.config[key] = value;
        self
    }

    /// Calls a verb with this script's configuration.
    fn ask(&self, arguments: &[&str]) -> Answer {
        let path = self.dir.path().join("script.json");
        std::fs::write(&path, self.config.to_string()).unwrap();
        ask(&[arguments, &["--config", path.to_str().unwrap()]].concat())
    }

    fn write(&self, name: &str) -> &Self {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, name).unwrap();
        self
    }
}

#[derive(Debug)]
struct Answer {
    code: i32,
    out: Value,
    problem: String,
}

fn output(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_scriptworker"))
        .arg("client")
        .args(arguments)
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn ask(arguments: &[&str]) -> Answer {
    let output = output(arguments);
    let out = match &output.stdout[..] {
        [] => Value::Null,
        text => serde_json::from_slice(text).unwrap(),
    };
    let code = output.status.code().unwrap();
    Answer { code, out, problem: String::from_utf8(output.stderr).unwrap() }
}

fn says(answer: &Answer, code: i32, words: &[&str]) {
    assert_eq!(answer.code, code, "{answer:?}");
    for word in words {
        assert!(answer.problem.contains(word), "{word:?} in {answer:?}");
    }
    assert_eq!(answer.problem.is_empty(), code == 0, "{answer:?}");
}

#[test]
fn get_task_prints_the_definition() {
    let task = json!({"payload": {"ä": [1, 2.5]}, "scopes": []});
    let answer = Script::new(task.clone()).ask(&["get-task"]);
    says(&answer, 0, &[]);
    assert_eq!(answer.out, task);
}

#[test]
fn what_cannot_be_read_is_a_failure_that_names_the_file() {
    let script = Script::new(json!({}));
    std::fs::write(script.dir.path().join("work/task.json"), "{\"a\": }").unwrap();
    says(&script.ask(&["get-task"]), 1, &["work/task.json", "line 1 column 7"]);
    std::fs::remove_file(script.dir.path().join("work/task.json")).unwrap();
    says(&script.ask(&["get-task"]), 1, &["work/task.json", "No such file"]);
    says(
        &ask(&["get-task", "--config", "/nowhere/script.json"]),
        1,
        &["/nowhere/script.json", "No such file"],
    );
    says(&Script::new(json!({})).set("work_dir", json!(1)).ask(&["get-task"]), 1, &["work_dir", "a number"]);
}

#[test]
fn a_configuration_may_be_yaml() {
    let script = Script::new(json!({"a": 1}));
    let path = script.dir.path().join("script.yml");
    std::fs::write(&path, format!("# comment\nwork_dir: {}\n", script.config["work_dir"])).unwrap();
    let answer = ask(&["get-task", "--config", path.to_str().unwrap()]);
    says(&answer, 0, &[]);
    assert_eq!(answer.out, json!({"a": 1}));
}

#[test]
fn a_task_is_checked_against_the_schema_of_a_key() {
    let good = Script::new(json!({"payload": {"maxRunTime": 1, "when": "2026-11-23T18:00:00Z"}}));
    let answer = good.ask(&["validate-task"]);
    says(&answer, 0, &[]);
    assert_eq!(answer.out, json!({"valid": true, "violations": []}));
    says(&good.ask(&["validate-task", "--schema-key", "schema_files.strict"]), 3, &["payload"]);

    let answer =
        Script::new(json!({"payload": {"maxRunTime": "1", "when": "later"}})).ask(&["validate-task"]);
    says(&answer, 3, &["/payload/maxRunTime", "/payload/when", "date-time"]);
    assert_eq!((&answer.out["valid"], &answer.out["count"]), (&json!(false), &json!(2)));
    let mut places: Vec<_> =
        answer.out["violations"].as_array().unwrap().iter().map(|v| v["place"].clone()).collect();
    places.sort_by_key(Value::to_string);
    assert_eq!(places, ["/payload/maxRunTime", "/payload/when"]);
}

#[test]
fn a_schema_that_is_none_is_not_the_tasks_fault() {
    let script = Script::new(json!({"payload": {}}));
    says(
        &script.ask(&["validate-task", "--schema-key", "schema_files.gone"]),
        1,
        &["schema_files.gone", "nothing"],
    );
    let nowhere = Script::new(json!({})).set("schema_file", json!("/nowhere.json"));
    says(&nowhere.ask(&["validate-task"]), 1, &["/nowhere.json"]);
    std::fs::write(script.dir.path().join("schema.json"), r#"{"$ref": "https://example.com/x.json"}"#)
        .unwrap();
    says(&script.ask(&["validate-task"]), 1, &["schema.json"]);
    std::fs::write(script.dir.path().join("schema.json"), r#"{"type": "strange"}"#).unwrap();
    says(&script.ask(&["validate-task"]), 1, &["schema.json", "/type"]);
}

#[test]
fn artifact_urls_lead_to_paths_or_are_malformed() {
    let script = Script::new(json!({"dependencies": [TASK], "taskGroupId": OTHER}));
    let url = |root: &str, task: &str| {
        format!("{root}/api/queue/v1/task/{task}/artifacts/public%2Fa%20b?bewit=secret")
    };
    let ours = "https://firefox-ci-tc.services.mozilla.com";
    for task in [TASK, OTHER] {
        let answer = script.ask(&["validate-artifact-url", &url(ours, task)]);
        says(&answer, 0, &[]);
        assert_eq!(answer.out, json!({"filepath": "public/a b"}));
    }
    let refused = script.ask(&["validate-artifact-url", &url(ours, "Not1nListOfTasks0000ww")]);
    says(&refused, 3, &["not allowed"]);
    assert!(refused.out.is_null() && !refused.problem.contains("secret"), "{refused:?}");
    let given = script.ask(&["validate-artifact-url", "--task-id", "any", &url(ours, "any")]);
    says(&given, 0, &[]);
    says(&script.ask(&["validate-artifact-url", "--task-id", "any", &url(ours, TASK)]), 3, &["not allowed"]);
    let elsewhere = url("http://127.0.0.1:1", TASK);
    says(&script.ask(&["validate-artifact-url", &elsewhere]), 3, &["not allowed"]);
    says(&script.ask(&["validate-artifact-url", "--root-url", "http://127.0.0.1:1", &elsewhere]), 0, &[]);
}

#[test]
fn artifact_url_rules_come_from_the_configuration() {
    let rules = json!([{"schemes": ["https"], "netlocs": ["h"], "path_regexes": ["^/x/(?P<filepath>.+)"]}]);
    let script = Script::new(json!({})).set("valid_artifact_rules", rules);
    let answer = script.ask(&["validate-artifact-url", "https://h/x/y%2Fz"]);
    says(&answer, 0, &[]);
    assert_eq!(answer.out, json!({"filepath": "y/z"}));
    says(&script.ask(&["validate-artifact-url", "https://h/x/y/..%2F..%2Fz"]), 3, &["not allowed"]);
    for rules in
        [json!([{"schemes": ["https"]}]), json!([{"schemes": [], "netlocs": [], "path_regexes": ["("]}])]
    {
        let broken = Script::new(json!({})).set("valid_artifact_rules", rules);
        says(&broken.ask(&["validate-artifact-url", "https://h/x/y"]), 1, &["valid_artifact_rules"]);
    }
}

#[test]
fn upstream_artifacts_are_found_or_named_as_missing() {
    let script = Script::new(json!({"payload": {"upstreamArtifacts": [
        {"taskId": TASK, "taskType": "build", "paths": ["public/a.apk"], "formats": ["gpg"]},
        {"taskId": OTHER, "taskType": "l10n", "paths": ["public/*.apk", "public/gone"], "optional": true},
    ]}}));
    for name in ["public/x/b.apk", "public/c.apk", "public/c.txt"] {
        script.write(&format!("work/cot/{OTHER}/{name}"));
    }
    let place = |task: &str, name: &str| json!(script.dir.path().join("work/cot").join(task).join(name));
    let answer = script.ask(&["upstream-artifacts"]);
    says(&answer, 1, &[&format!("cot/{TASK}/public/a.apk")]);
    script.write(&format!("work/cot/{TASK}/public/a.apk"));
    let answer = script.ask(&["upstream-artifacts"]);
    says(&answer, 0, &[]);
    assert_eq!(
        answer.out,
        json!({
            "found": {
                TASK: [place(TASK, "public/a.apk")],
                OTHER: [place(OTHER, "public/c.apk"), place(OTHER, "public/x/b.apk")],
            },
            "missingOptional": {OTHER: ["public/gone"]},
        })
    );
}

#[test]
fn upstream_artifacts_stay_in_their_directory() {
    let upstream =
        |path: &str| json!({"payload": {"upstreamArtifacts": [{"taskId": TASK, "paths": [path]}]}});
    says(&Script::new(upstream("../x")).ask(&["upstream-artifacts"]), 3, &["../x"]);
    says(&Script::new(json!({"payload": []})).ask(&["upstream-artifacts"]), 3, &["payload", "a list"]);
    let script = Script::new(upstream("link"));
    script.write(&format!("work/cot/{TASK}/file")).write("secret");
    let link = script.dir.path().join(format!("work/cot/{TASK}/link"));
    std::os::unix::fs::symlink(script.dir.path().join("secret"), link).unwrap();
    says(&script.ask(&["upstream-artifacts"]), 1, &["is not under"]);
}

#[test]
fn statuses_and_exit_codes() {
    let answer = ask(&["statuses"]);
    says(&answer, 0, &[]);
    assert_eq!(answer.out.as_object().unwrap().len(), 8);
    for (name, code) in answer.out.as_object().unwrap() {
        let one = ask(&["exit-code", name]);
        says(&one, 0, &[]);
        assert_eq!(&one.out, code);
    }
    says(&ask(&["exit-code", "malformed"]), 1, &["malformed-payload", "\"malformed\""]);
}

#[test]
fn a_wrong_command_line_never_looks_like_a_worker_shutdown() {
    for arguments in [&["get-task"][..], &["no-such-verb"], &[], &["exit-code"]] {
        let output = output(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(!output.stderr.is_empty() && output.stdout.is_empty());
    }
    let help = output(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(String::from_utf8(help.stdout).unwrap().contains("validate-artifact-url"));
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let script = Script::new(json!({"payload": "x".repeat(1 << 20)}));
    let path = script.dir.path().join("script.json");
    std::fs::write(&path, script.config.to_string()).unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = Command::new(env!("CARGO_BIN_EXE_scriptworker"))
        .args([Path::new("client"), Path::new("get-task"), Path::new("--config"), &path])
        .stdout(writer)
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(0));
}
