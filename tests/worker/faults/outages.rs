//! The queue is gone for a while, or never answers, in every phase of the worker's life.
//!
//! An outage lasts until the worker has noticed it several times. One test alone has a real one of 30 s.

use super::{
    GATED, count_faulty, count_lines, mark, quick, quick_with, release, wait_for_faulty, wait_for_line,
};
use crate::support::{PATIENCE, Site, is_alive, options, read_pid, until};
use scriptworker::embedded_queue::{Call, Fault, FaultKind, Options};
use scriptworker_core::ids::TaskId;
use std::time::Duration;

/// Every call about a run that is claimed already.
const AFTER_THE_CLAIM: [Call; 6] = [
    Call::ReclaimTask,
    Call::CreateArtifact,
    Call::StoragePut,
    Call::ReportCompleted,
    Call::ReportFailed,
    Call::ReportException,
];

fn out(site: &Site, calls: &[Call]) {
    for call in calls {
        site.queue.inject(Fault::new(*call, FaultKind::Outage));
    }
}

fn everything_out(site: &Site) {
    site.queue.inject(Fault::everywhere(FaultKind::Outage));
}

/// Waits until the log has so many lines after the mark with all of these texts.
fn wait_for_lines(site: &Site, mark: usize, count: usize, texts: &[&str]) {
    until(PATIENCE, || (count_lines(site, mark, texts) >= count).then_some(()))
        .unwrap_or_else(|| panic!("fewer than {count} lines with {texts:?}\n{}", site.log()));
}

/// The task was done by its first run, and the next one is, too.
fn is_done(site: &Site, task: &TaskId) {
    assert_eq!(site.outcome(task, 0), "completed completed", "{}", site.log());
    let log = site.artifact(task, 0, "public/logs/live_backing.log").expect("a log");
    assert!(log.size.is_some(), "its bytes are there");
    site.takes_the_next_task();
}

#[test]
fn an_outage_while_idle() {
    let site = quick();
    site.start();
    site.takes_the_next_task();
    let mark = mark(&site);
    everything_out(&site);
    wait_for_lines(&site, mark, 5, &["WARN", "asking for work failed; asking again", "the connection broke"]);
    site.queue.clear_faults();
    site.takes_the_next_task();
}

#[test]
fn an_outage_while_the_script_runs() {
    let site = quick();
    site.start();
    let task = site.task(GATED);
    site.wait_for_file("work/gate");
    let (mark, script) = (mark(&site), read_pid(&site.path("work/pid")));
    everything_out(&site);
    wait_for_lines(&site, mark, 4, &["WARN", "renewing the claim failed", "the connection broke"]);
    assert!(is_alive(script), "{}", site.log());
    site.queue.clear_faults();
    wait_for_line(&site, mark, &["claim renewed"]);
    release(&site);
    is_done(&site, &task);
}

/// Invariants I2 and I10: at the end of the claim the script is dead, and nothing of it reaches the queue any more.
#[test]
fn an_outage_that_outlives_the_claim_ends_the_script() {
    let site = quick_with(Options { claim_timeout: Duration::from_secs(10), ..options() });
    site.start();
    let mark = mark(&site);
    let task = site.task(&format!("if [ $RUN_ID = 0 ]; then {GATED}fi"));
    site.wait_for_file("work/gate");
    let script = read_pid(&site.path("work/pid"));
    everything_out(&site);
    let name = task.to_string();
    wait_for_line(&site, mark, &["ERROR", "the claim expired before it could be renewed", &name]);
    wait_for_line(&site, mark, &["WARN", "given up", "Expired", &name]);
    assert!(!is_alive(script), "{}", site.log());
    site.queue.clear_faults();
    assert_eq!(site.outcome(&task, 0), "exception claim-expired");
    assert_eq!(site.outcome(&task, 1), "completed completed", "{}", site.log());
    assert_eq!(site.artifact_names(&task, 0), Vec::<String>::new());
    site.takes_the_next_task();
}

/// The queue is gone from the claim on: the run is prepared and the script runs all the same, and then the upload
/// waits.
#[test]
fn an_outage_from_the_claim_until_the_upload() {
    let site = quick();
    site.start();
    out(&site, &AFTER_THE_CLAIM);
    let mark = mark(&site);
    let task = site.task("echo hello");
    wait_for_faulty(&site, Call::CreateArtifact, 4);
    wait_for_line(&site, mark, &["trying again", "createArtifact", "the connection broke"]);
    site.queue.clear_faults();
    is_done(&site, &task);
}

#[test]
fn an_outage_of_the_storage() {
    let site = quick();
    site.start();
    out(&site, &[Call::StoragePut, Call::ReclaimTask]);
    let mark = mark(&site);
    let task = site.task("echo hello");
    wait_for_line(
        &site,
        mark,
        &["WARN", "upload failed, will try again", "attempt=1", "the connection broke"],
    );
    site.queue.clear_faults();
    is_done(&site, &task);
}

#[test]
fn an_outage_while_reporting() {
    let site = quick();
    site.start();
    out(&site, &[Call::ReportCompleted, Call::ReclaimTask]);
    let mark = mark(&site);
    let task = site.task("echo hello");
    wait_for_faulty(&site, Call::ReportCompleted, 4);
    wait_for_line(&site, mark, &["trying again", "reportCompleted", "the connection broke"]);
    site.queue.clear_faults();
    is_done(&site, &task);
}

/// A phase and the calls that are out in it; none: all of them.
const PHASES: [(&str, Call, &[Call]); 5] = [
    ("idle", Call::ClaimWork, &[]),
    ("running", Call::ReclaimTask, &[]),
    ("uploading", Call::CreateArtifact, &AFTER_THE_CLAIM),
    ("storing", Call::StoragePut, &[Call::StoragePut, Call::ReclaimTask]),
    ("reporting", Call::ReportCompleted, &[Call::ReportCompleted, Call::ReclaimTask]),
];

/// The long one: 30 s of real time without a queue, in every phase at once, with the waits of production.
#[test]
fn thirty_seconds_without_a_queue_in_every_phase() {
    std::thread::scope(|scope| {
        for (phase, noticed_by, calls) in PHASES {
            scope.spawn(move || {
                let site = quick().set("poll_interval", 10);
                site.start();
                let task = match phase {
                    "idle" => None,
                    "running" => Some(site.task(GATED)),
                    _ => {
                        out(&site, calls);
                        Some(site.task("echo hello"))
                    }
                };
                if phase == "running" {
                    site.wait_for_file("work/gate");
                }
                if calls.is_empty() {
                    everything_out(&site);
                }
                wait_for_faulty(&site, noticed_by, 1);
                std::thread::sleep(Duration::from_secs(30));
                site.queue.clear_faults();
                if phase == "running" {
                    release(&site);
                }
                match task {
                    Some(task) => is_done(&site, &task),
                    None => site.takes_the_next_task(),
                }
                assert!(count_faulty(&site, noticed_by) > 1, "{phase}: it asked again meanwhile");
            });
        }
    });
}

/// An answer that never comes is given up, and the call is made again.
#[test]
fn an_answer_that_never_comes_is_given_up() {
    let hangs = [
        (Call::ClaimWork, ["asking for work failed", "time-out after 60s while the call as a whole"]),
        (Call::ReclaimTask, ["renewing the claim failed", "time-out after 30s while the call as a whole"]),
        (Call::CreateArtifact, ["createArtifact", "time-out after 30s while waiting for the answer"]),
        (
            Call::StoragePut,
            ["upload failed, will try again", "time-out after 30s while waiting for the answer"],
        ),
        (Call::ReportCompleted, ["reportCompleted", "time-out after 30s while waiting for the answer"]),
    ];
    std::thread::scope(|scope| {
        for (call, texts) in hangs {
            scope.spawn(move || {
                let interval = if call == Call::ReclaimTask { 1 } else { 300 };
                let site = quick().set("reclaim_interval", interval);
                site.queue.inject(Fault::new(call, FaultKind::Hang).times(1));
                site.start();
                let gated = call == Call::ReclaimTask;
                let task = site.task(if gated { GATED } else { "echo hello" });
                wait_for_line(&site, 0, &texts);
                if gated {
                    release(&site);
                }
                is_done(&site, &task);
            });
        }
    });
}
