//! Leaving: what SIGTERM, SIGINT and SIGUSR1 do in every phase, with which exit code, and what SIGUSR2 shows
//! (worker.md 10).

use crate::support::{REPORTS, Site, UPLOADS, is_alive, options};
use nix::sys::signal::Signal;
use scriptworker::embedded_queue::{Call, Fault, FaultKind, Options};
use scriptworker_core::ids::TaskId;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Runs until it is ended; says so, and where the first run is.
const WAITING: &str = "[ $RUN_ID = 0 ] || exit 0\n\
    mkdir -p $artifacts/public; echo made > $artifacts/public/made\n\
    trap 'echo told to end; exit 0' TERM; exec 2>/dev/null\n\
    echo $$ > $work/../pid\n\
    while :; do sleep 0.1; done";

/// Ends when the test says so.
const PATIENT: &str = "echo $$ > $work/../pid; until [ -e $work/../enough ]; do sleep 0.05; done";

/// A queue that holds a question for long.
fn long_polls() -> Options {
    Options { long_poll: Duration::from_secs(20), ..options() }
}

fn now_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// The queue has the run back and will give it to somebody else.
fn assert_given_back(site: &Site, task: &TaskId) {
    assert_eq!(site.outcome(task, 0), "exception worker-shutdown", "{}", site.log());
    let status = site.queue.status(task).unwrap();
    assert_eq!(status["state"], "pending", "{status}");
    assert_eq!(status["runs"][1]["reasonCreated"], "retry", "{status}");
}

#[test]
fn sigterm_between_two_polls() {
    let site = Site::with(Options { long_poll: Duration::ZERO, ..options() }).set("poll_interval", 3600);
    site.start();
    site.wait_for_call(|record| record.call == Call::ClaimWork);
    site.signal(Signal::SIGTERM);
    assert_eq!(site.exit_code(), 0, "{}", site.log());
}

#[test]
fn sigterm_while_the_queue_is_asked() {
    let site = Site::with(Options { long_poll: Duration::from_secs(2), ..options() });
    site.start();
    site.wait_for_open_call(Call::ClaimWork);
    site.signal(Signal::SIGTERM);
    assert_eq!(site.exit_code(), 0, "{}", site.log());
    let statuses: Vec<_> = site.queue.calls().iter().map(|record| (record.call, record.status)).collect();
    assert_eq!(statuses.last(), Some(&(Call::ClaimWork, Some(200))), "the answer could have held a run");
}

#[test]
fn a_run_that_is_claimed_after_sigterm_is_given_back_untouched() {
    let site = Site::with(long_polls());
    site.start();
    site.wait_for_open_call(Call::ClaimWork);
    site.signal(Signal::SIGTERM);
    site.wait_for_log("shutting down");
    let task = site.task("touch $work/../ran");
    assert_given_back(&site, &task);
    assert_eq!(site.exit_code(), 0, "{}", site.log());
    assert!(!site.path("ran").exists());
    assert_eq!(site.calls_of(&task, 0, &UPLOADS), []);
}

/// A claim that cannot be read, taken after the worker was told to leave: it leaves when the queue knows, not before.
fn unreadable_claim_after(signal: Signal, report: FaultKind) -> (Site, TaskId, i32) {
    let site = Site::with(long_polls()).set("shutdown_timeout", 20);
    site.queue.inject(Fault::new(Call::ClaimWork, FaultKind::without("/tasks/0/takenUntil")).work_done());
    site.queue.inject(Fault::new(Call::ReportException, report));
    site.start();
    site.wait_for_open_call(Call::ClaimWork);
    site.signal(signal);
    site.wait_for_log(if signal == Signal::SIGUSR1 { "SIGUSR1 received" } else { "shutting down" });
    let task = site.task("echo never");
    let code = site.exit_code();
    (site, task, code)
}

#[test]
fn a_claim_that_is_given_back_is_waited_for() {
    for signal in [Signal::SIGTERM, Signal::SIGUSR1] {
        let late = FaultKind::DelayThenAnswer(Duration::from_secs(1));
        let (site, task, code) = unreadable_claim_after(signal, late);
        assert_eq!(code, 0, "{}", site.log());
        assert_eq!(site.outcome(&task, 0), "exception malformed-payload", "{}", site.log());
    }
}

#[test]
fn a_claim_that_cannot_be_given_back_is_owned_up_to() {
    for (signal, kind, said) in [
        (
            Signal::SIGUSR1,
            FaultKind::Status { status: 403, retry_after: None },
            "a claimed run is lost: it could not be given back",
        ),
        (Signal::SIGTERM, FaultKind::Hang, "the worker leaves a run behind: it could not be given back"),
    ] {
        let (site, task, code) = unreadable_claim_after(signal, kind);
        let log = site.log();
        assert_eq!(code, 3, "{log}");
        assert_eq!(site.queue.status(&task).unwrap()["state"], "running");
        let run = format!("run={task}/0");
        assert!(log.lines().any(|line| line.contains(said) && line.contains(&run)), "{log}");
    }
}

fn leaves_while_running(signal: Signal) {
    let site = Site::new().set("kill_grace", 60);
    site.start();
    let task = site.task(WAITING);
    let pid = site.pid("pid");
    site.signal(signal);
    assert_eq!(site.exit_code(), 0, "{}", site.log());
    assert_given_back(&site, &task);
    assert!(!is_alive(pid));
    let ending = "[scriptworker] ending the script: the worker is shutting down\n";
    assert!(site.task_log(&task, 0).contains(ending), "{}", site.task_log(&task, 0));
    assert_eq!(site.said(&task, 0), "told to end\nexit code: 0\n");
    assert!(site.artifact(&task, 0, "public/made").is_some(), "everything is saved");
    // the log is stored before anything else is even announced, and the report comes last
    let order: Vec<_> = site
        .queue
        .calls()
        .into_iter()
        .filter(|record| {
            [Call::CreateArtifact, Call::StoragePut].contains(&record.call) || REPORTS.contains(&record.call)
        })
        .map(|record| (record.call, record.name.is_some_and(|name| name.contains("live_backing.log"))))
        .collect();
    assert_eq!(order[..2], [(Call::CreateArtifact, true), (Call::StoragePut, true)], "{order:?}");
    assert_eq!(order.last(), Some(&(Call::ReportException, false)), "{order:?}");
    assert_eq!(order.iter().filter(|(call, _)| REPORTS.contains(call)).count(), 1, "{order:?}");
}

#[test]
fn sigterm_while_a_script_runs() {
    leaves_while_running(Signal::SIGTERM);
}

#[test]
fn sigint_is_sigterm() {
    leaves_while_running(Signal::SIGINT);
}

#[test]
fn a_second_sigterm_ends_everything_at_once() {
    let site = Site::new().set("kill_grace", 3600);
    site.start();
    let task = site.task(
        "setsid sh -c 'trap \"\" TERM; echo $$ > $work/../escaped; while :; do sleep 1; done' &\n\
         trap 'echo ignored' TERM; echo $$ > $work/../pid; while :; do sleep 0.1; done",
    );
    let pids = [site.pid("pid"), site.pid("escaped")];
    site.signal(Signal::SIGTERM);
    site.wait_for_log("ending the script");
    assert!(is_alive(site.pid("pid")));
    let second = now_ms();
    site.signal(Signal::SIGTERM);
    assert_eq!(site.exit_code(), 0, "{}", site.log());
    assert_given_back(&site, &task);
    assert_eq!(pids.map(is_alive), [false, false]);
    assert_eq!(site.calls_of(&task, 0, &UPLOADS), [], "there is no time for that");
    let reports = site.calls_of(&task, 0, &REPORTS);
    assert_eq!(reports.len(), 1, "{reports:?}");
    // without waiting for the grace of an hour; how fast it is belongs to the benchmarks
    assert!(reports[0].at.0 - second <= 60_000, "{reports:?} after {second}");
}

#[test]
fn sigterm_leaves_no_stubborn_child_behind() {
    let site = Site::new().set("kill_grace", 1);
    site.start();
    let task = site.task(
        "trap '' TERM\n\
         setsid sh -c 'echo $$ > $work/../session; while :; do sleep 1; done' &\n\
         (setsid sh -c 'echo $$ > $work/../daemon; while :; do sleep 1; done' >/dev/null 2>&1 &) \n\
         echo $$ > $work/../pid; while :; do sleep 0.1; done",
    );
    let pids = ["pid", "session", "daemon"].map(|name| site.pid(name));
    site.signal(Signal::SIGTERM);
    assert_eq!(site.exit_code(), 0, "{}", site.log());
    assert_eq!(pids.map(is_alive), [false; 3]);
    assert_given_back(&site, &task);
    assert!(site.task_log(&task, 0).ends_with("signal -9\n"));
}

#[test]
fn an_upload_under_way_may_end_before_the_worker_leaves() {
    let site = Site::new();
    let late = FaultKind::DelayThenAnswer(Duration::from_secs(5));
    site.queue.inject(Fault::new(Call::StoragePut, late).times(1));
    site.start();
    let task = site.task("echo done");
    site.wait_for_open_call(Call::StoragePut);
    site.signal(Signal::SIGTERM);
    assert_eq!(site.exit_code(), 0, "{}", site.log());
    assert_eq!(site.outcome(&task, 0), "completed completed");
    assert_eq!(site.task_log(&task, 0), "done\nexit code: 0\n");
}

#[test]
fn an_upload_that_never_ends_is_given_up_in_time() {
    let site = Site::new().set("shutdown_timeout", 4);
    site.queue.inject(Fault::new(Call::StoragePut, FaultKind::Hang));
    site.start();
    let task = site.task("echo done");
    site.wait_for_open_call(Call::StoragePut);
    let asked = now_ms();
    site.signal(Signal::SIGTERM);
    assert_eq!(site.exit_code(), 0, "{}", site.log());
    assert_given_back(&site, &task);
    let reports = site.calls_of(&task, 0, &REPORTS);
    // the last two seconds are for the report: until then the upload had its chance
    assert!(reports[0].at.0 - asked >= 2_000, "{reports:?} after {asked}");
}

#[test]
fn a_report_that_cannot_be_made_in_time_is_owned_up_to() {
    let site = Site::new().set("shutdown_timeout", 4);
    site.queue.inject(Fault::new(Call::ReportCompleted, FaultKind::Outage));
    site.start();
    let task = site.task("echo done");
    site.wait_for_call(|record| record.call == Call::ReportCompleted);
    site.signal(Signal::SIGTERM);
    assert_eq!(site.exit_code(), 3, "{}", site.log());
    assert_eq!(site.queue.status(&task).unwrap()["state"], "running");
    let log = site.log();
    let owned_up = |line: &str| {
        line.contains("the worker leaves a run behind") && line.contains(&format!("run={task}/0"))
    };
    assert!(log.lines().any(owned_up), "{log}");
}

#[test]
fn a_report_that_gets_through_in_time_is_enough() {
    let site = Site::new();
    site.queue.inject(Fault::new(Call::ReportCompleted, FaultKind::Outage));
    site.start();
    let task = site.task("echo done");
    site.wait_for_call(|record| record.call == Call::ReportCompleted);
    site.signal(Signal::SIGTERM);
    site.wait_for_log("shutting down");
    site.queue.clear_faults();
    assert_eq!(site.exit_code(), 0, "{}", site.log());
    assert_eq!(site.outcome(&task, 0), "completed completed");
}

#[test]
fn sigusr1_while_idle() {
    let site = Site::with(Options { long_poll: Duration::ZERO, ..options() }).set("poll_interval", 3600);
    site.start();
    site.wait_for_call(|record| record.call == Call::ClaimWork);
    site.signal(Signal::SIGUSR1);
    assert_eq!(site.exit_code(), 0, "{}", site.log());
}

#[test]
fn a_run_that_is_claimed_after_sigusr1_is_finished() {
    let site = Site::with(long_polls());
    site.start();
    site.wait_for_open_call(Call::ClaimWork);
    site.signal(Signal::SIGUSR1);
    site.wait_for_log("SIGUSR1 received");
    let task = site.task("echo done");
    assert_eq!(site.outcome(&task, 0), "completed completed", "{}", site.log());
    assert_eq!(site.exit_code(), 0, "{}", site.log());
    assert_eq!(site.task_log(&task, 0), "done\nexit code: 0\n");
}

#[test]
fn sigusr1_lets_the_run_end_and_takes_no_other() {
    let site = Site::new();
    site.start();
    let task = site.task(PATIENT);
    site.pid("pid");
    let next = site.task("echo never");
    for times in 1..=3 {
        site.signal(Signal::SIGUSR1);
        // each is seen before the next one, or the kernel would make them one
        site.wait_for_lines("SIGUSR1 received", times);
    }
    site.touch("enough");
    assert_eq!(site.exit_code(), 0, "{}", site.log());
    assert_eq!(site.outcome(&task, 0), "completed completed", "{}", site.log());
    assert_eq!(site.queue.status(&next).unwrap()["state"], "pending");
}

#[test]
fn sigterm_after_sigusr1_does_not_wait_for_the_script() {
    let site = Site::new();
    site.start();
    let task = site.task(PATIENT);
    let pid = site.pid("pid");
    site.signal(Signal::SIGUSR1);
    site.wait_for_log("SIGUSR1 received");
    site.signal(Signal::SIGTERM);
    assert_eq!(site.exit_code(), 0, "{}", site.log());
    assert_given_back(&site, &task);
    assert!(!is_alive(pid));
}

#[test]
fn sigusr2_shows_what_is_under_way_and_changes_nothing() {
    let site = Site::new();
    let late = FaultKind::DelayThenAnswer(Duration::from_secs(3));
    site.queue.inject(Fault::new(Call::StoragePut, late).times(1));
    site.start();
    let task = site.task("echo done");
    site.wait_for_open_call(Call::StoragePut);
    site.signal(Signal::SIGUSR2);
    site.wait_for_log("closed messages:");
    let log = site.log();
    let open = log.split_once("open messages: ").and_then(|(_, rest)| rest.split_once("closed messages: "));
    let upload = format!("Uploader UploadArtifacts from Supervisor for run {task}/0: handled since");
    assert!(open.expect("both lists").0.contains(&upload), "{log}");
    assert_eq!(site.outcome(&task, 0), "completed completed", "{}", site.log());
    site.takes_the_next_task();
}

/// The moment in which work is asked for and the moment of the signal cannot be told apart from outside: whatever the
/// queue gave is given back or was finished.
#[test]
fn nothing_that_is_claimed_around_a_signal_is_forgotten() {
    for round in 0..12 {
        let site = Site::with(Options { long_poll: Duration::from_millis(round), ..options() })
            .set("poll_interval", 0);
        site.start();
        site.wait_for_call(|record| record.call == Call::ClaimWork);
        let signal = if round % 2 == 0 { Signal::SIGTERM } else { Signal::SIGUSR1 };
        site.signal(signal);
        let task = site.task("echo done");
        assert_eq!(site.exit_code(), 0, "{}", site.log());
        let status = site.queue.status(&task).unwrap();
        assert_ne!(status["state"], "running", "{status}\n{}", site.log());
    }
}
