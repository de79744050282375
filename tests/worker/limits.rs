//! Time limits, how a script is ended, and what it leaves behind (worker.md 8, design.md 5).

use crate::support::{REPORTS, Site, is_alive};
use scriptworker::embedded_queue::{Call, Fault, FaultKind};
use serde_json::json;
use std::time::Duration;

/// Runs until it is ended.
const ENDLESS: &str = "while :; do sleep 0.1; done";

const KILLED: &str = "Automation Error: python exited with signal -9";
const TERMINATED: &str = "Automation Error: python exited with signal -15";

#[test]
fn the_smaller_limit_counts_and_stands_in_the_log() {
    let site = Site::new().set("task_max_timeout", 2);
    site.start();
    for (max_run_time, seconds) in [(json!(1), 1), (json!(1000), 2), (json!(null), 2), (json!(0), 0)] {
        let task = site.task_with(ENDLESS, json!({ "maxRunTime": max_run_time }));
        assert_eq!(site.outcome(&task, 0), "failed failed", "{max_run_time}\n{}", site.log());
        let expected = format!(
            "[scriptworker] the time limit of {seconds} s has passed\n\
             [scriptworker] ending the script: it has run as long as it may\n{TERMINATED}\n"
        );
        assert_eq!(site.task_log(&task, 0), expected, "{max_run_time}");
    }
    site.takes_the_next_task();
}

#[test]
fn the_limit_has_a_status_of_its_own() {
    let site = Site::new().set("task_max_timeout_status", 7);
    site.start();
    let command = format!("[ $RUN_ID = 0 ] || exit 0; {ENDLESS}");
    let task = site.task_with(&command, json!({ "maxRunTime": 1 }));
    assert_eq!(site.outcome(&task, 0), "exception intermittent-task", "{}", site.log());
    assert_eq!(site.outcome(&task, 1), "completed completed", "{}", site.log());
}

#[test]
fn a_script_that_ignores_the_request_to_end_is_killed_after_the_grace() {
    let site = Site::new().set("kill_grace", 5);
    site.start();
    let command =
        format!("trap 'echo TERM seen' TERM; trap 'echo INT seen' INT; exec 2>/dev/null\n{ENDLESS}");
    let task = site.task_with(&command, json!({ "maxRunTime": 5 }));
    assert_eq!(site.outcome(&task, 0), "failed failed", "{}", site.log());
    assert_eq!(site.said(&task, 0), format!("TERM seen\n{KILLED}\n"));
    site.takes_the_next_task();
}

#[test]
fn the_first_signal_is_the_configured_one() {
    let site = Site::new().set("kill_first_signal", "INT").set("kill_grace", 5);
    site.start();
    let command =
        format!("trap 'echo TERM seen' TERM; trap 'echo INT seen' INT; exec 2>/dev/null\n{ENDLESS}");
    let task = site.task_with(&command, json!({ "maxRunTime": 5 }));
    assert_eq!(site.outcome(&task, 0), "failed failed", "{}", site.log());
    assert_eq!(site.said(&task, 0), format!("INT seen\nTERM seen\n{KILLED}\n"));

    let obedient = site.task_with(
        "trap 'echo going; exit 0' INT; exec 2>/dev/null\nwhile :; do sleep 0.1; done",
        json!({ "maxRunTime": 5 }),
    );
    assert_eq!(site.outcome(&obedient, 0), "failed failed", "the cause decides, not the exit code");
    assert_eq!(site.said(&obedient, 0), "going\nexit code: 0\n");
}

#[test]
fn a_child_that_keeps_the_output_open_does_not_hold_the_task() {
    let site = Site::new().set("drain_timeout", 1);
    site.start();
    let task = site.task("sleep 100000 & echo $! > $work/../child; echo done");
    assert_eq!(site.outcome(&task, 0), "completed completed", "{}", site.log());
    assert!(!is_alive(site.pid("child")));
    let log = site.task_log(&task, 0);
    let expected =
        "done\n[scriptworker] a process that the script left behind still held its output\nexit code: 0\n";
    assert_eq!(log, expected);
}

/// Invariant I4: when the report is on its way, nothing of the script is alive.
#[test]
fn nothing_that_the_script_started_is_alive_when_it_is_reported() {
    let site = Site::new();
    // holds the report open for long enough to look
    site.queue.inject(Fault::new(Call::ReportCompleted, FaultKind::DelayThenAnswer(Duration::from_secs(3))));
    site.start();
    let task = site.task(
        "setsid sh -c 'trap \"\" TERM HUP; echo $$ > $work/../session; while :; do sleep 1; done' >/dev/null 2>&1 &\n\
         (setsid sh -c '(trap \"\" TERM; echo $PPID; exec sh -c \"echo \\$\\$ > $work/../daemon; exec sleep 100000\") &' >/dev/null 2>&1) &\n\
         nohup sh -c 'echo $$ > $work/../nohup; exec sleep 100000' >/dev/null 2>&1 &\n\
         until [ -s $work/../session ] && [ -s $work/../daemon ] && [ -s $work/../nohup ]; do sleep 0.05; done",
    );
    site.wait_for_open_call(Call::ReportCompleted);
    let alive = ["session", "daemon", "nohup"].map(|name| (name, is_alive(site.pid(name))));
    assert_eq!(site.calls_of(&task, 0, &REPORTS), [], "the report is still open");
    assert_eq!(alive, ["session", "daemon", "nohup"].map(|name| (name, false)), "{}", site.log());
    assert_eq!(site.outcome(&task, 0), "completed completed", "{}", site.log());
    assert_eq!(site.task_log(&task, 0), "exit code: 0\n");
}

#[test]
fn a_script_that_is_over_in_time_is_not_late_because_of_what_it_left_behind() {
    let site = Site::new().set("drain_timeout", 30);
    site.start();
    let task = site.task_with("(sleep 12) & exit 0", json!({ "maxRunTime": 10 }));
    assert_eq!(site.outcome(&task, 0), "completed completed", "{}", site.log());
}

#[test]
fn the_run_does_not_wait_for_the_workers_own_log() {
    let site = Site::new();
    site.start();
    let lines = 2_000_000;
    let task = site.task(&format!("yes x | head -n {lines}"));
    site.wait_running(&task);
    assert_eq!(site.outcome(&task, 0), "completed completed");
    let log = site.task_log(&task, 0);
    assert_eq!(log.lines().count(), lines + 1);
    site.takes_the_next_task();
}
