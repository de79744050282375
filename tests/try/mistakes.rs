//! What whoever tries has to mend is said, with an exit code that is no task's status.

use crate::site::{Site, said, task};
use serde_json::{Value, json};

const MISTAKE: i32 = 64;

#[test]
fn mistakes_of_the_configuration_are_named_all_at_once() {
    let site = Site::new("echo never").set("verbos", true).set("poll_interval", "5").without("work_dir");
    let said = site.try_task(&task(json!({})));
    assert_eq!(said.code, MISTAKE, "{}\n{}", said.out, said.err);
    for expected in [
        "verbos: expected a known key, found \"verbos\" (did you mean verbose?)",
        "poll_interval: expected a whole number",
        "work_dir: expected",
    ] {
        assert!(said.err.contains(expected), "{}", said.err);
    }
    assert!(said.out.is_empty() && !site.path("out").exists());
}

#[test]
fn a_task_that_is_none_is_told_of() {
    for (text, expected) in [
        ("", "expected a task's definition in JSON: EOF while parsing"),
        ("{\"payload\": }", "at line 1 column 13"),
        ("[]", "expected a JSON object with a task's definition, found a list"),
        ("{}", "payload"),
        ("{\"payload\": {}, \"deadline\": \"soon\"}", "deadline: expected an RFC 3339 date-time"),
        ("{\"payload\": {}, \"created\": 5}", "created: expected a date as text, found a number"),
        ("{\"payload\": {}, \"retries\": 100, \"wrong\": 1}", "retries"),
        ("{\"payload\": {}, \"dependencies\": [\"none\"]}", "a dependency: expected a task id"),
        ("{\"payload\": {}, \"workerType\": \"w\"}", "create the task: "),
    ] {
        let site = Site::new("echo never");
        let mut command = site.command(&Value::Null);
        site.write("task.json", text);
        let said = said(command.output().unwrap());
        assert_eq!(said.code, MISTAKE, "{text}\n{}\n{}", said.out, said.err);
        assert!(said.err.contains(expected), "{text}\n{}", said.err);
        assert!(!site.path("out").exists(), "nothing is left of what did not begin");
        assert!(!site.path("work").exists(), "and nothing was wiped");
    }
    let site = Site::new("echo never");
    let mut command = site.command(&Value::Null);
    std::fs::remove_file(site.path("task.json")).unwrap();
    let said = said(command.output().unwrap());
    assert_eq!(said.code, MISTAKE);
    assert!(said.err.contains("task.json: No such file or directory"), "{}", said.err);
}

#[test]
fn an_output_directory_with_something_in_it_is_refused() {
    let site = Site::new("echo never");
    site.write("out/precious", "kept");
    let said = site.try_task(&task(json!({})));
    assert_eq!(said.code, MISTAKE);
    assert!(said.err.contains("is not empty"), "{}", said.err);
    assert_eq!(crate::site::files(&site.path("out")), ["precious"]);
}

#[test]
fn a_wrong_command_line_is_a_mistake_too() {
    for words in [&["try"][..], &["try", "a", "b", "--task", "t"], &["try", "--upstreams", "x"]] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_scriptworker"));
        let said = said(command.args(words).output().unwrap());
        assert_eq!(said.code, MISTAKE, "{words:?} {}", said.err);
        assert!(said.err.contains("Usage: scriptworker try"), "{}", said.err);
    }
}
