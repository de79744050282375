//! Answers that the queue should not give, to the calls that hold a run: claim, renewal, report.

use super::{
    GATED, calls, count_good, mark, nobodys_answers, quick, release, says, state, status, wait_for_line,
    was_told, wrong_answers,
};
use crate::support::{PATIENCE, Site, is_alive, read_pid, until};
use nix::sys::signal::Signal;
use scriptworker::embedded_queue::{Call, Fault, FaultKind};

/// worker.md 4: whatever comes instead of work is a warning, and the worker asks again.
#[test]
fn claim_work_is_asked_again_whatever_is_answered() {
    let site = quick();
    site.start();
    let refusals = [400, 401, 403, 404, 409, 410].map(|code| (status(code), ""));
    for (kind, text) in nobodys_answers().into_iter().chain(wrong_answers()).chain(refusals) {
        let mark = mark(&site);
        site.queue.inject(Fault::new(Call::ClaimWork, kind.clone()).times(1));
        let named = match kind {
            FaultKind::Status { status, .. } => format!("status {status} (InjectedFault)"),
            _ => text.to_owned(),
        };
        wait_for_line(&site, mark, &["WARN", "asking for work failed", "claimWork failed after 1", &named]);
        site.takes_the_next_task();
    }
    site.signal(Signal::SIGTERM);
    assert_eq!(site.exit_code(), 0, "{}", site.log());
}

/// `Retry-After` counts on every call.
#[test]
fn every_call_waits_as_long_as_the_queue_asks() {
    let calls = [Call::ClaimWork, Call::ReclaimTask, Call::CreateArtifact];
    let reports = REPORTS.map(|(call, ..)| call);
    std::thread::scope(|scope| {
        for call in calls.into_iter().chain(reports) {
            scope.spawn(move || {
                let site = quick();
                let kind = FaultKind::Status { status: 503, retry_after: Some(2) };
                site.queue.inject(Fault::new(call, kind).times(1));
                site.start();
                let command = match call {
                    Call::ReclaimTask => GATED,
                    Call::ReportFailed => "exit 1",
                    Call::ReportException => "exit 4",
                    _ => "exit 0",
                };
                let task = site.task(command);
                assert!(pause_after_fault(&site, call) >= 2000, "{}", call.name());
                if call == Call::ReclaimTask {
                    release(&site);
                }
                site.wait(&task, |status| status["runs"][0]["resolved"].is_string());
                site.takes_the_next_task();
            });
        }
    });
}

/// From the answer that was a fault to the next answer, in milliseconds.
fn pause_after_fault(site: &Site, call: Call) -> i64 {
    let pause = until(PATIENCE, || {
        let calls = calls(site, call);
        let at = calls.iter().rposition(|record| record.faulty)?;
        Some(calls.get(at + 1)?.at.since(calls[at].at))
    });
    pause.expect("a call after the faulty one")
}

/// worker.md 6: only the queue's own no, or the end of the claim, ends the trying. Meanwhile the script runs on.
#[test]
fn a_renewal_is_tried_again_whatever_is_answered() {
    let site = quick();
    site.start();
    let task = site.task(GATED);
    site.wait_for_file("work/gate");
    let script = read_pid(&site.path("work/pid"));
    let refusals = [(status(400), "status 400"), (status(401), "status 401"), (status(403), "status 403")];
    for (kind, text) in nobodys_answers().into_iter().chain(wrong_answers()).chain(refusals) {
        let (mark, renewed) = (mark(&site), count_good(&site, Call::ReclaimTask));
        site.queue.inject(Fault::new(Call::ReclaimTask, kind.clone()).times(1));
        wait_for_line(&site, mark, &["WARN", "renewing the claim failed", &task.to_string(), text]);
        until(PATIENCE, || (count_good(&site, Call::ReclaimTask) > renewed).then_some(()))
            .unwrap_or_else(|| panic!("not renewed after {kind:?}\n{}", site.log()));
        assert!(is_alive(script), "{kind:?}\n{}", site.log());
    }
    release(&site);
    assert_eq!(site.outcome(&task, 0), "completed completed", "{}", site.log());
    site.takes_the_next_task();
}

/// worker.md 6, design.md 3: script stopped, nothing uploaded, nothing reported.
#[test]
fn a_refused_renewal_ends_the_script_and_tells_nobody() {
    let site = quick();
    site.start();
    for code in [409, 404, 410] {
        let mark = mark(&site);
        let task = site.task(&format!("{GATED} echo never"));
        site.wait_for_file("work/gate");
        let script = read_pid(&site.path("work/pid"));
        site.queue.inject(Fault::new(Call::ReclaimTask, status(code)).times(1));
        let name = task.to_string();
        wait_for_line(&site, mark, &["WARN", "renewing the claim failed", &name, &format!("status {code}")]);
        wait_for_line(&site, mark, &["WARN", "ending the script", "ClaimLost", &name]);
        wait_for_line(&site, mark, &["WARN", "the run is no longer ours", &name]);
        wait_for_line(&site, mark, &["WARN", "given up", "Refused", &name]);
        assert!(!is_alive(script), "{}", site.log());
        assert_eq!(state(&site, &task), "running", "as far as the queue knows");
        site.takes_the_next_task();
        assert_eq!(was_told(&site, &task), []);
    }
}

/// A report and the script that leads to it.
const REPORTS: [(Call, &str, &str); 3] = [
    (Call::ReportCompleted, "exit 0", "completed completed"),
    (Call::ReportFailed, "exit 1", "failed failed"),
    (Call::ReportException, "exit 4", "exception resource-unavailable"),
];

fn for_each_report(check: impl Fn(&Site, Call, &str, &str) + Sync) {
    std::thread::scope(|scope| {
        for (call, command, outcome) in REPORTS {
            let check = &check;
            scope.spawn(move || {
                let site = quick();
                site.start();
                check(&site, call, command, outcome);
            });
        }
    });
}

/// worker.md 13: log, retry, go on. The queue takes a repeated report as the first one.
#[test]
fn a_report_is_repeated_until_the_queue_itself_answers() {
    for_each_report(|site, call, command, outcome| {
        // with other credentials, or once the queue's auth is well again, it gets through
        let unauthenticated = [(status(401), "status 401 (InjectedFault)")];
        for (kind, text) in nobodys_answers().into_iter().chain(wrong_answers()).chain(unauthenticated) {
            for arrived in [false, true] {
                let mark = mark(site);
                let fault = Fault::new(call, kind.clone()).times(1);
                site.queue.inject(if arrived { fault.work_done() } else { fault });
                let task = site.task(command);
                assert_eq!(site.outcome(&task, 0), outcome, "{kind:?}\n{}", site.log());
                wait_for_line(site, mark, &[text]);
                wait_for_line(site, mark, &["INFO", "finished", &task.to_string()]);
            }
            site.takes_the_next_task();
        }
    });
}

/// 4xx: repeating cannot help. The run stays claimed until it expires, and the log says so.
#[test]
fn a_refused_report_is_logged_as_unresolved() {
    for_each_report(|site, call, command, _| {
        for code in [400, 403, 413] {
            let mark = mark(site);
            site.queue.inject(Fault::new(call, status(code)).times(1));
            let (task, said) = (site.task(command), format!("status {code} (InjectedFault)"));
            let name = task.to_string();
            wait_for_line(site, mark, &["WARN", "the report did not go through", call.name(), &said, &name]);
            let lost = "the run is lost to the queue: it could not be reported and will expire";
            wait_for_line(site, mark, &["ERROR", lost, &name]);
            wait_for_line(site, mark, &["ERROR", "left unreported", &name]);
            assert_eq!(state(site, &task), "running");
            site.takes_the_next_task();
            let reports =
                calls(site, call).into_iter().filter(|record| record.task_id.as_ref() == Some(&task));
            assert_eq!(reports.count(), 1, "not repeated");
        }
    });
}

/// 409 (and what the queue no longer knows): somebody else resolved the run.
#[test]
fn a_report_that_comes_too_late_is_a_lost_claim() {
    for_each_report(|site, call, command, _| {
        for code in [409, 404, 410] {
            let mark = mark(site);
            site.queue.inject(Fault::new(call, status(code)).times(1));
            let task = site.task(command);
            let name = task.to_string();
            wait_for_line(
                site,
                mark,
                &["WARN", "the report did not go through", &format!("status {code}"), &name],
            );
            wait_for_line(site, mark, &["WARN", "the run is no longer ours", &name]);
            wait_for_line(site, mark, &["WARN", "given up", "Refused", &name]);
            assert!(!says(site, mark, &["the run is lost to the queue"]), "{}", site.log());
            site.takes_the_next_task();
        }
    });
}

/// The report arrives, its answer does not; the renewal that comes in between is refused, because the run is resolved
/// (by us). The claim is gone, but the report did go through, and the log must not say otherwise.
#[test]
fn a_renewal_refused_because_our_report_arrived_is_no_loss() {
    for_each_report(|site, call, command, outcome| {
        let mark = mark(site);
        let kind = FaultKind::Status { status: 503, retry_after: Some(8) };
        site.queue.inject(Fault::new(call, kind).times(1).work_done());
        let task = site.task(command);
        let name = task.to_string();
        wait_for_line(
            site,
            mark,
            &["WARN", "renewing the claim failed", "status 409 (RequestConflict)", &name],
        );
        wait_for_line(site, mark, &["INFO", "finished", &name]);
        assert_eq!(site.outcome(&task, 0), outcome);
        assert!(!says(site, mark, &["the run is no longer ours"]), "{}", site.log());
        site.takes_the_next_task();
    });
}
