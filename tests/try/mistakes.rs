//! What whoever tries has to mend is said, with an exit code that is no task's status.

use crate::site::{Said, Site, said, task};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
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

/// A trial with `--task`, `--upstream` and `--output` at these names of the site.
fn try_at(site: &Site, task: &str, upstream: &str, output: &str) -> Said {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_scriptworker"));
    command.arg("try").arg(site.write_config()).current_dir(site.path(""));
    command.args(["--task", task, "--upstream", upstream, "--output", output]);
    said(command.output().unwrap())
}

const UPSTREAM: &str = "Ypg6xKhKRU-pnkwylNQrMw/public/a.txt";

#[test]
fn nothing_that_is_wiped_is_read_or_written() {
    for (task, upstream, output, option, key) in [
        ("work/task.json", "up", "out", "--task", "work_dir"),
        ("artifacts/task.json", "up", "out", "--task", "artifact_dir"),
        ("link/task.json", "up", "out", "--task", "work_dir"),
        ("task.json", "work/cot", "out", "--upstream", "work_dir"),
        ("task.json", "artifacts/public/logs", "out", "--upstream", "artifact_dir"),
        ("task.json", ".", "out", "--upstream", "work_dir"),
        ("task.json", "linked", "out", "a file of --upstream", "work_dir"),
        ("task.json", "up", "work", "--output", "work_dir"),
        ("task.json", "up", "work/new/out", "--output", "work_dir"),
        ("task.json", "up", "artifacts/out", "--output", "artifact_dir"),
        ("task.json", "up", "new/../link/out", "--output", "work_dir"),
        ("task.json", "up", "logs/out", "--output", "task_log_dir"),
        ("task.json", "up", ".", "--output", "work_dir"),
    ] {
        let mut site = Site::new("echo never");
        if key == "task_log_dir" {
            site = site.set("task_log_dir", "logs");
        }
        let mut inputs = ["task.json", "work/task.json", "artifacts/task.json"].map(str::to_owned).to_vec();
        inputs.extend(["up", "work/cot", "artifacts/public/logs"].map(|dir| format!("{dir}/{UPSTREAM}")));
        for name in &inputs {
            site.write(name, "{\"payload\": {}}");
        }
        std::os::unix::fs::symlink("work", site.path("link")).unwrap();
        std::fs::create_dir(site.path("linked")).unwrap();
        let id = UPSTREAM.split('/').next().unwrap();
        std::os::unix::fs::symlink(site.path("work/cot").join(id), site.path("linked").join(id)).unwrap();
        let said = try_at(&site, task, upstream, output);
        assert_eq!(said.code, MISTAKE, "{task} {upstream} {output}\n{}\n{}", said.out, said.err);
        let place = format!(": {key} ({}", site.path("").display());
        assert!(said.err.contains(&format!("use {option} ")) && said.err.contains(&place), "{}", said.err);
        assert!(said.err.contains("is wiped around every task"), "{}", said.err);
        for name in &inputs {
            assert!(site.path(name).is_file(), "{name} is gone: {task} {upstream} {output}");
        }
        assert!(!site.path("out").exists() && !site.path("work/new").exists() && !site.path("new").exists());
    }
}

#[test]
fn only_regular_files_are_read() {
    let site = Site::new("echo never");
    mkfifo(&site.path("pipe"), Mode::S_IRWXU).unwrap();
    site.write("task.json", "{\"payload\": {}}");
    site.write(&format!("up/{UPSTREAM}"), "");
    let special = site.path("up").join(UPSTREAM).with_file_name("pipe");
    for (task, expected) in [
        ("pipe", "pipe: expected a regular file"),
        ("/dev/zero", "/dev/zero: expected a regular file"),
        ("up", "up: expected a regular file"),
        ("task.json", "pipe is neither a file nor a directory"),
    ] {
        if task == "task.json" {
            mkfifo(&special, Mode::S_IRWXU).unwrap();
        }
        let said = try_at(&site, task, "up", "out");
        assert_eq!(said.code, MISTAKE, "{task}\n{}\n{}", said.out, said.err);
        assert!(said.err.contains(expected), "{task}\n{}", said.err);
        assert!(!site.path("work").exists() && !site.path("out").exists());
    }
}

#[test]
fn a_task_that_no_queue_would_take_is_refused_and_the_longest_one_runs() {
    let site = Site::new("wc -c < $work/task.json");
    let longest = 8 * 1024 * 1024;
    let text = |length: usize| {
        let around = "{\"payload\": {\"a\": \"\"}}".len();
        format!("{{\"payload\": {{\"a\": \"{}\"}}}}", "a".repeat(length - around))
    };
    site.write(&format!("up/{UPSTREAM}"), "");
    site.write("task.json", &text(longest + 1));
    let said = try_at(&site, "task.json", "up", "out");
    assert_eq!(said.code, MISTAKE, "{}", said.err);
    assert!(said.err.contains("a task's definition of at most 8388608 bytes"), "{}", said.err);
    assert!(!site.path("work").exists() && !site.path("out").exists());
    site.write("task.json", &text(longest));
    let said = try_at(&site, "task.json", "up", "out");
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
}
