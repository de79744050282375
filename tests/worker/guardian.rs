//! A guardian that cannot do its work does not keep the worker from doing it.

use crate::support::{PATIENCE, Site, is_alive, read_pid, until};
use serde_json::json;

#[test]
fn a_script_that_stops_its_guardian_is_ended_all_the_same() {
    let site = Site::new();
    site.start();
    let command = "echo $$ > $work/../script.pid; kill -STOP $PPID; echo stopped; while :; do sleep 1; done";
    let task = site.task_with(command, json!({ "maxRunTime": 1 }));
    assert_eq!(site.outcome(&task, 0), "failed failed", "{}", site.log());
    let pid = read_pid(&site.path("script.pid"));
    assert!(!is_alive(pid), "the script outlives its run");
    assert!(site.log().contains("the guardian does not do as it is told"), "{}", site.log());
    site.takes_the_next_task();
}

#[test]
fn a_script_whose_guardian_is_killed_ends_as_an_internal_error() {
    let site = Site::new();
    site.start();
    let command = "echo $$ > $work/../script.pid; kill -KILL $PPID; while :; do sleep 1; done";
    let task = site.task(command);
    assert_eq!(site.outcome(&task, 0), "exception internal-error", "{}", site.log());
    let pid = read_pid(&site.path("script.pid"));
    until(PATIENCE, || (!is_alive(pid)).then_some(())).expect("the script is killed");
    assert!(site.task_log(&task, 0).contains("how the script ended is not known"));
    site.takes_the_next_task();
}
