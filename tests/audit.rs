//! The ledger of runs: what a real worker writes into it, and what `scriptworker audit` says about it.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]
#![expect(clippy::disallowed_methods, reason = "tests write files of their own")]
#![expect(dead_code, reason = "the support is shared with the tests of the worker")]

#[path = "worker/support.rs"]
mod support;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use support::{Site, until};

const LEDGER: &str = "log/runs.jsonl";

/// Exit code and stdout of `scriptworker audit`.
fn audit(site: &Site, more: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_scriptworker"))
        .arg("audit")
        .arg(site.path(LEDGER))
        .args(more)
        .env_clear()
        .output()
        .unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

fn lines(site: &Site) -> Vec<Value> {
    site.read(LEDGER).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Waits for so many lines.
fn wait_for_lines(site: &Site, count: usize) -> Vec<Value> {
    until(support::PATIENCE, || (site.read(LEDGER).matches('\n').count() >= count).then_some(()))
        .unwrap_or_else(|| panic!("expected {count} line(s)\n{}\n{}", site.read(LEDGER), site.log()));
    lines(site)
}

/// The heads in the worker's own log.
fn logged_heads(site: &Site) -> Vec<String> {
    let log = site.log();
    let heads = log.lines().filter(|line| line.contains("the run is in the ledger"));
    heads
        .map(|line| line.split("head=").nth(1).unwrap().split_whitespace().next().unwrap().to_owned())
        .collect()
}

#[test]
fn every_run_leaves_a_line_that_hangs_on_the_one_before() {
    let site = Site::new();
    site.start();
    let good = site.task("echo good");
    assert_eq!(site.outcome(&good, 0), "completed completed", "{}", site.log());
    let bad = site.task("exit 1");
    assert_eq!(site.outcome(&bad, 0), "failed failed", "{}", site.log());
    site.signal(Signal::SIGTERM);
    assert_eq!(site.exit_code(), 0, "{}", site.log());

    let lines = lines(&site);
    assert_eq!(lines.len(), 2, "what is written last is written before the worker has left");
    assert_eq!(lines[0]["previous"], format!("sha256:{}", "0".repeat(64)));
    assert_eq!(lines[1]["previous"], lines[0]["digest"]);
    let run = &lines[0]["run"];
    assert_eq!(run["taskId"], good.as_str());
    assert_eq!((&run["runId"], &run["clean"], &run["status"]), (&json!(0), &json!(true), &json!("success")));
    assert_eq!(
        (&run["taskQueueId"], &run["workerId"]),
        (&json!("test-provisioner/test-worker"), &json!("test-worker-1"))
    );
    assert_eq!(run["script"], json!({"exited": {"status": "success", "byItself": true}}));
    assert_eq!(run["resolution"], json!({"resolved": "completed"}));
    for phase in ["preparing", "running", "uploading", "reporting", "cleaning"] {
        assert!(run["phases"][phase].is_u64(), "{phase} in {run}");
    }
    let run = &lines[1]["run"];
    assert_eq!((&run["taskId"], &run["status"]), (&json!(bad.as_str()), &json!("failure")));
    assert_eq!(run["resolution"], json!({"resolved": "failed"}));
    assert_ne!(run["definition"], lines[0]["run"]["definition"]);
    let mode = std::fs::metadata(site.path(LEDGER)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let heads = logged_heads(&site);
    assert_eq!(heads, [lines[0]["digest"].as_str().unwrap(), lines[1]["digest"].as_str().unwrap()]);
    let (code, text) = audit(&site, &["--expect-head", &heads[0]]);
    assert_eq!(code, 0, "{text}");
    assert!(text.starts_with("whole: 2 run(s) in 2 line(s)\n"), "{text}");
    assert!(text.contains(&format!("head {} (number 2)\n", heads[1])), "{text}");
    assert!(text.ends_with("the expected head is in line 1\n"), "{text}");
    let (code, text) = audit(&site, &["--json"]);
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &report["whole"], &report["runs"]), (0, &json!(true), &json!(2)));
    assert_eq!(report["endings"], json!({"success": 1, "failure": 1}));
    assert_eq!(report["first"], lines[0]["run"]["endedAt"]);
}

/// A worker with a ledger of two lines that has left.
fn with_two_lines() -> (Site, Vec<String>) {
    let site = Site::new();
    site.start();
    for _ in 0..2 {
        site.takes_the_next_task();
    }
    site.signal(Signal::SIGTERM);
    assert_eq!(site.exit_code(), 0, "{}", site.log());
    let heads = logged_heads(&site);
    assert_eq!(heads.len(), 2, "{}", site.log());
    (site, heads)
}

#[test]
fn what_was_changed_is_told_with_its_line() {
    let (site, heads) = with_two_lines();
    let whole = site.read(LEDGER);
    let write = |text: &str| std::fs::write(site.path(LEDGER), text).unwrap();

    write(&whole.replacen("\"success\"", "\"failure\"", 1));
    let (code, text) = audit(&site, &[]);
    assert_eq!(code, 3, "{text}");
    assert!(text.starts_with("BROKEN: 1 break(s) in 2 line(s)\nline 1: the line was changed: "), "{text}");
    let (code, text) = audit(&site, &["--json"]);
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &report["whole"], &report["breaks"][0]["line"]), (3, &json!(false), &json!(1)));
    assert_eq!(report["breaks"][0]["kind"], "changed");

    let (first, second) = whole.split_once('\n').unwrap();
    write(second);
    let (code, text) = audit(&site, &[]);
    assert!(code == 3 && text.contains("\nline 1: expected the first line to follow "), "{text}");
    assert_eq!(audit(&site, &["--after", &heads[0]]).0, 0, "that file may have been moved away");

    write(&format!("{first}\n"));
    assert_eq!(audit(&site, &[]).0, 0, "the end is missing, and the chain cannot tell");
    let (code, text) = audit(&site, &["--expect-head", &heads[1]]);
    assert!(code == 3 && text.contains("the end is missing, or all was written anew"), "{text}");

    std::fs::remove_file(site.path(LEDGER)).unwrap();
    assert_eq!(audit(&site, &[]).0, 1);
    assert_eq!(audit(&site, &["--expect-head", "abc"]).0, 2, "a wrong command line");
}

#[test]
fn the_next_life_of_a_worker_steps_over_what_a_crash_left() {
    let (site, heads) = with_two_lines();
    let mut file = std::fs::OpenOptions::new().append(true).open(site.path(LEDGER)).unwrap();
    file.write_all(b"{\"sequence\":3,\"prev").unwrap();
    let (code, text) = audit(&site, &[]);
    assert!(code == 0 && text.contains("\nline 3: not written to its end"), "{text}");
    site.start();
    site.takes_the_next_task();
    let whole = until(support::PATIENCE, || (site.read(LEDGER).matches('\n').count() == 4).then_some(()));
    whole.unwrap_or_else(|| panic!("no line\n{}", site.log()));
    let (code, text) = audit(&site, &["--expect-head", &heads[1]]);
    assert_eq!(code, 0, "{text}");
    assert!(text.starts_with("whole: 3 run(s) in 4 line(s)\nline 3: not written to its end"), "{text}");
    let log = site.log();
    assert!(log.contains("the ledger of runs goes on") && log.contains(&heads[1]), "{log}");
}

#[test]
fn a_run_that_is_left_behind_or_lost_has_a_line_too() {
    let site = Site::new().set("reclaim_interval", 1);
    site.start();
    let cancelled = site.task("while :; do sleep 0.1; done");
    site.wait_running(&cancelled);
    site.wait_for_log("the script runs");
    site.queue.cancel(&cancelled).unwrap();
    let lines = wait_for_lines(&site, 1);
    assert_eq!(lines[0]["run"]["resolution"], json!({"claim-lost": "refused"}), "{}", site.log());

    let malformed = site.task_of(json!({ "payload": { "maxRunTime": "long" } }));
    assert_eq!(site.outcome(&malformed, 0), "exception malformed-payload", "{}", site.log());
    let lines = wait_for_lines(&site, 2);
    let run = &lines[1]["run"];
    assert_eq!(run["resolution"], json!({"resolved": {"exception": "malformed-payload"}}));
    assert_eq!(run["script"], Value::Null);

    let halted = site.task("trap '' TERM; while :; do sleep 0.1; done");
    site.wait_running(&halted);
    site.wait_for_lines("the script runs", 2);
    site.signal(Signal::SIGTERM);
    site.wait_for_log("shutting down: stopping what runs");
    site.signal(Signal::SIGTERM);
    site.exit_status();
    let lines = wait_for_lines(&site, 3);
    assert_eq!(lines[2]["run"]["taskId"], halted.as_str());
    assert_eq!(lines[2]["run"]["status"], "worker-shutdown");
    assert_eq!(audit(&site, &[]).0, 0);
}

#[test]
fn a_ledger_that_is_none_stops_no_worker_and_is_told() {
    let site = Site::new();
    std::fs::create_dir(site.path("log")).unwrap();
    std::fs::write(site.path(LEDGER), "my notes\n").unwrap();
    site.start();
    site.takes_the_next_task();
    site.takes_the_next_task();
    assert_eq!(site.read(LEDGER), "my notes\n");
    let (code, text) = audit(&site, &[]);
    assert!(code == 3 && text.contains("\nline 1: the line cannot be read: "), "{text}");
    site.wait_for_log("the ledger of runs cannot be written");
    std::fs::rename(site.path(LEDGER), site.path("notes")).unwrap();
    site.takes_the_next_task();
    assert_eq!(wait_for_lines(&site, 3).len(), 3);
    assert_eq!(audit(&site, &[]).0, 0);
}

#[test]
fn a_ledger_is_read_from_stdin() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_scriptworker"))
        .args(["audit", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"{}\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.starts_with("BROKEN: 1 break(s) in 1 line(s)\nline 1: the line is not in the form"),
        "{text}"
    );
}
