//! The claim: renewed as long as it is needed, and nothing done in its name once it is gone (worker.md 6, invariants
//! I2, I5, I8 and I10).

use crate::support::{
    PATIENCE, REPORTS, Site, content, is_alive, is_stopped, options, parent_of, payload, until,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use scriptworker::embedded_queue::{Call, Fault, FaultKind, Options};
use scriptworker_core::ids::TaskId;
use scriptworker_core::time::UnixMillis;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// A script that writes its number and then, until the first run is ended for it, the date again and again; its second
/// run goes well.
const BEATING: &str = "[ $RUN_ID = 0 ] || exit 0\n\
    echo $$ > $work/../pid\n\
    mkdir -p $artifacts/public; echo made > $artifacts/public/made\n\
    while :; do date +%s%3N >> $work/../beats; sleep 0.02; done";

/// A queue whose claims are over after this time.
fn short_claims(claim_timeout: Duration) -> Options {
    let often = Duration::from_millis(50);
    Options { claim_timeout, claim_resolver_interval: often, deadline_resolver_interval: often, ..options() }
}

/// The last sign of life of a [`BEATING`] script.
fn last_beat(site: &Site) -> i64 {
    let beats = site.read("beats");
    beats.lines().rev().find_map(|line| line.parse().ok()).expect("the script lived")
}

/// When the claim of a run was over, as the queue saw it.
fn end_of_claim(site: &Site, task: &TaskId, run: usize) -> i64 {
    let status = site.queue.status(task).unwrap();
    UnixMillis::parse(status["runs"][run]["takenUntil"].as_str().unwrap()).unwrap().0
}

fn send(pid: u32, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), signal).unwrap();
}

#[test]
fn a_cancelled_task_is_stopped_and_neither_uploaded_nor_reported() {
    let site = Site::new().set("reclaim_interval", 1);
    site.start();
    let task = site.task(BEATING);
    let pid = site.pid("pid");
    site.queue.cancel(&task).unwrap();
    site.takes_the_next_task();
    assert!(!is_alive(pid), "{}", site.log());
    site.assert_silence(&task, 0);
    assert_eq!(site.outcome(&task, 0), "exception canceled");
    site.wait_for_log("the run is no longer ours");
}

#[test]
fn a_task_past_its_deadline_is_stopped_and_neither_uploaded_nor_reported() {
    let site = Site::with(short_claims(Duration::from_secs(1200))).set("reclaim_interval", 1);
    site.start();
    let deadline = chrono::Utc::now() + chrono::Duration::seconds(10);
    let deadline = deadline.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    let task = site.task_of(json!({ "payload": payload(BEATING), "deadline": deadline }));
    let pid = site.pid("pid");
    assert_eq!(site.outcome(&task, 0), "exception deadline-exceeded", "{}", site.log());
    site.takes_the_next_task();
    assert!(!is_alive(pid), "{}", site.log());
    site.assert_silence(&task, 0);
}

#[test]
fn a_claim_is_renewed_for_as_long_as_the_script_runs_and_the_script_has_the_newest_credentials() {
    let site = Site::with(short_claims(Duration::from_secs(10)));
    site.start();
    let task = site.task(
        "mkdir -p $artifacts/public; n=0\n\
         until [ -e $work/../enough ]; do\n\
           n=$((n + 1)); cat /proc/self/fd/4 > $artifacts/public/$n.json; sleep 0.2\n\
         done",
    );
    let renewals = || site.calls_of(&task, 0, &[Call::ReclaimTask]).len();
    until(PATIENCE, || (renewals() >= 4).then_some(())).expect("renewed four times");
    site.touch("enough");
    assert_eq!(site.outcome(&task, 0), "completed completed", "{}", site.log());

    let mut tokens = BTreeSet::new();
    for name in site.artifact_names(&task, 0).iter().filter(|name| name.ends_with(".json")) {
        if name == "public/chain-of-trust.json" {
            continue;
        }
        let read = content(&site.artifact(&task, 0, name).unwrap());
        let credentials: Value = serde_json::from_slice(&read).unwrap_or_else(|error| {
            panic!("{name}: {error}: {}", String::from_utf8_lossy(&read));
        });
        assert_eq!(credentials.as_object().unwrap().len(), 3, "{name}");
        tokens.insert(credentials["accessToken"].as_str().unwrap().to_owned());
    }
    assert!(tokens.len() >= 4, "the script saw {} credentials after {} renewals", tokens.len(), renewals());
    site.takes_the_next_task();
}

#[test]
fn a_claim_that_cannot_be_renewed_ends_the_script_in_time() {
    let site = Site::with(short_claims(Duration::from_secs(10)));
    site.queue.inject(Fault::new(Call::ReclaimTask, FaultKind::Status { status: 500, retry_after: None }));
    site.start();
    let task = site.task(BEATING);
    let pid = site.pid("pid");
    assert_eq!(site.outcome(&task, 0), "exception claim-expired", "{}", site.log());
    site.queue.clear_faults();
    assert_eq!(site.outcome(&task, 1), "completed completed", "{}", site.log());
    assert!(!is_alive(pid), "{}", site.log());
    assert!(last_beat(&site) < end_of_claim(&site, &task, 0), "the script has outlived its claim");
    site.assert_silence(&task, 0);
    site.wait_for_log("the claim expired before it could be renewed");
    assert!(site.calls_of(&task, 0, &[Call::ReclaimTask]).len() > 2, "it was tried again");
}

#[test]
fn a_queue_that_is_away_for_less_than_the_claim_changes_nothing() {
    let site = Site::with(short_claims(Duration::from_secs(12)));
    site.queue.inject(Fault::new(Call::ReclaimTask, FaultKind::Outage).times(2));
    site.queue
        .inject(Fault::new(Call::ReclaimTask, FaultKind::Status { status: 503, retry_after: None }).times(1));
    site.start();
    let task = site.task("until [ -e $work/../enough ]; do sleep 0.1; done");
    site.wait_for_call(|record| record.call == Call::ReclaimTask && !record.faulty);
    site.touch("enough");
    assert_eq!(site.outcome(&task, 0), "completed completed", "{}", site.log());
}

/// A frozen worker cannot do anything: the guardian ends the script, and after the thaw the worker knows its place.
#[test]
fn a_frozen_worker_does_not_let_its_script_outlive_the_claim() {
    let site = Site::with(short_claims(Duration::from_secs(10)));
    site.start();
    let task = site.task(BEATING);
    let pid = site.pid("pid");
    site.signal(Signal::SIGSTOP);
    site.wait_until_dead(pid);
    assert!(is_stopped(site.worker_pid()), "it was the guardian");
    assert_eq!(site.outcome(&task, 0), "exception claim-expired");
    assert!(last_beat(&site) < end_of_claim(&site, &task, 0), "the script has outlived its claim");
    site.signal(Signal::SIGCONT);
    assert_eq!(site.outcome(&task, 1), "completed completed", "{}", site.log());
    site.assert_silence(&task, 0);
    site.takes_the_next_task();
}

/// The script ends well while the worker is frozen, so only the claim stands between its artifacts and the queue.
#[test]
fn what_ended_well_during_a_freeze_is_not_uploaded_after_the_claim() {
    let site = Site::with(short_claims(Duration::from_secs(10)));
    site.start();
    let task = site.task(
        "[ $RUN_ID = 0 ] || exit 0\n\
         mkdir -p $artifacts/public; echo made > $artifacts/public/made; echo $$ > $work/../pid\n\
         until [ -e $work/../enough ]; do sleep 0.02; done",
    );
    let pid = site.pid("pid");
    site.signal(Signal::SIGSTOP);
    site.touch("enough");
    site.wait_until_dead(pid);
    assert_eq!(site.outcome(&task, 0), "exception claim-expired");
    site.signal(Signal::SIGCONT);
    assert_eq!(site.outcome(&task, 1), "completed completed", "{}", site.log());
    site.assert_silence(&task, 0);
}

/// A renewal that the queue granted before a freeze is read after it: then it is as old as the freeze is long.
#[test]
fn a_renewal_that_is_read_after_a_freeze_counts_from_when_it_was_asked_for() {
    let site = Site::with(short_claims(Duration::from_secs(15))).set("reclaim_interval", 1);
    let late = FaultKind::DelayThenAnswer(Duration::from_secs(3));
    site.queue.inject(Fault::new(Call::ReclaimTask, late).times(1));
    site.start();
    let task = site.task(BEATING);
    let pid = site.pid("pid");
    site.wait_for_open_call(Call::ReclaimTask);
    site.signal(Signal::SIGSTOP);
    let renewed = site.wait_for_call(|record| record.call == Call::ReclaimTask && record.status == Some(200));
    // and there will be no other
    site.queue.inject(Fault::new(Call::ReclaimTask, FaultKind::Outage));
    until(PATIENCE, || (last_beat(&site) > renewed.at.0 + 3_000).then_some(()))
        .expect("a freeze of three seconds");
    site.signal(Signal::SIGCONT);
    site.wait_until_dead(pid);
    assert_eq!(site.outcome(&task, 0), "exception claim-expired", "{}", site.log());
    assert!(last_beat(&site) < end_of_claim(&site, &task, 0), "the script has outlived its claim");
    assert_eq!(site.outcome(&task, 1), "completed completed", "{}", site.log());
    site.assert_silence(&task, 0);
}

#[test]
fn a_killed_worker_leaves_no_script_behind() {
    let site = Site::new();
    site.start();
    site.task(&format!("setsid sh -c 'echo $$ > $work/../escaped; exec sleep 100000' &\n{BEATING}"));
    let (script, escaped) = (site.pid("pid"), site.pid("escaped"));
    let guardian = parent_of(script);
    site.signal(Signal::SIGKILL);
    for pid in [script, escaped, guardian] {
        site.wait_until_dead(pid);
    }
}

#[test]
fn a_killed_guardian_is_an_internal_error_and_its_script_is_killed() {
    // long enough to see that the script need not be waited for
    let site = Site::new().set("drain_timeout", 3600);
    site.start();
    let task = site.task(&format!("sleep 100000 & echo $! > $work/../child\n{BEATING}"));
    let (script, child) = (site.pid("pid"), site.pid("child"));
    send(parent_of(script), Signal::SIGKILL);
    assert_eq!(site.outcome(&task, 0), "exception internal-error", "{}", site.log());
    assert!(!is_alive(script) && !is_alive(child), "{}", site.log());
    let log = site.task_log(&task, 0);
    assert!(log.ends_with("[scriptworker] how the script ended is not known\n"), "{log}");
    site.takes_the_next_task();
}

#[test]
fn an_upload_is_aborted_when_the_claim_is_lost() {
    let site = Site::new().set("reclaim_interval", 1);
    site.queue.inject(Fault::new(Call::StoragePut, FaultKind::Hang));
    site.start();
    let task = site.task("echo done");
    site.wait_for_open_call(Call::StoragePut);
    site.queue.cancel(&task).unwrap();
    // answered only once the worker has closed its connection
    site.wait_for_call(|record| record.call == Call::StoragePut);
    site.queue.clear_faults();
    site.takes_the_next_task();
    assert_eq!(site.calls_of(&task, 0, &REPORTS), [], "{}", site.log());
    assert_eq!(site.outcome(&task, 0), "exception canceled");
}

#[test]
fn a_run_that_was_lost_while_it_is_reported_is_let_go() {
    let site = Site::new();
    let late = FaultKind::DelayThenAnswer(Duration::from_secs(5));
    site.queue.inject(Fault::new(Call::ReportCompleted, late).times(1));
    site.start();
    let task = site.task("echo done");
    site.wait_for_open_call(Call::ReportCompleted);
    site.queue.cancel(&task).unwrap();
    site.takes_the_next_task();
    let reports = site.calls_of(&task, 0, &REPORTS);
    assert_eq!(reports.iter().map(|record| record.status).collect::<Vec<_>>(), [Some(409)], "{}", site.log());
    assert_eq!(site.outcome(&task, 0), "exception canceled");
}

#[test]
fn two_workers_share_a_queue_and_do_not_disturb_each_other() {
    let one = Site::new();
    let two = one.beside("test-worker-2");
    let meeting = one.path("").display().to_string();
    let meet = |own: &str, other: &str| {
        format!("touch {meeting}/{own}; until [ -e {meeting}/{other} ]; do sleep 0.05; done; echo {own}")
    };
    // neither can end before the other has begun, so each worker takes one
    let pair = [one.task(&meet("a", "b")), one.task(&meet("b", "a"))];
    let more: Vec<_> = (0..6).map(|n| one.task(&format!("echo task {n}"))).collect();
    one.start();
    two.start();
    let worker = |task: &TaskId| {
        assert_eq!(one.outcome(task, 0), "completed completed", "{}\n{}", one.log(), two.log());
        let status = one.queue.status(task).unwrap();
        assert_eq!(status["runs"].as_array().unwrap().len(), 1, "{status}");
        status["runs"][0]["workerId"].as_str().unwrap().to_owned()
    };
    let workers: BTreeSet<_> = pair.iter().map(worker).collect();
    assert_eq!(workers, BTreeSet::from(["test-worker-1".to_owned(), "test-worker-2".to_owned()]));
    for (n, task) in more.iter().enumerate() {
        worker(task);
        assert_eq!(one.task_log(task, 0), format!("task {n}\nexit code: 0\n"));
    }
}
