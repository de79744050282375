//! Claims that are not what they should be: unreadable, over, doubled, lost on the way.

use super::{GATED, claimed_with, mark, quick, quick_with, release, state, wait_for_line, was_told};
use crate::support::options;
use scriptworker::embedded_queue::{Call, Fault, FaultKind, Options};
use serde_json::json;
use std::time::Duration;

/// worker.md 5.1: enough can be read to report it, so it is reported.
#[test]
fn an_unreadable_claim_of_a_known_run_is_given_back_as_malformed() {
    let site = quick();
    site.start();
    for (kind, problem) in [
        (FaultKind::without("/tasks/0/takenUntil"), "at .: missing field `takenUntil`"),
        (FaultKind::edit("/tasks/0/takenUntil", json!("tomorrow")), "at takenUntil: "),
        (FaultKind::without("/tasks/0/task"), "at .: missing field `task`"),
        (FaultKind::without("/tasks/0/workerId"), "at .: missing field `workerId`"),
        (FaultKind::without("/tasks/0/status/runs"), "at status: missing field `runs`"),
        (FaultKind::edit("/tasks/0/status/state", json!(7)), "at status.state: "),
        (FaultKind::edit("/tasks/0/status/retriesLeft", json!(-1)), "at status.retriesLeft: "),
    ] {
        let mark = mark(&site);
        let task = claimed_with(&site, kind.clone(), "echo never");
        assert_eq!(site.outcome(&task, 0), "exception malformed-payload", "{kind:?}\n{}", site.log());
        let name = task.to_string();
        let said = ["ERROR", "the claim cannot be read; reporting malformed-payload", problem, &name];
        wait_for_line(&site, mark, &said);
        wait_for_line(&site, mark, &["INFO", "given back", &name]);
        site.takes_the_next_task();
        assert_eq!(was_told(&site, &task).len(), 1, "the report and nothing else");
    }
}

/// Not even that can be read: the loss is said, and the worker goes on.
#[test]
fn an_unreadable_claim_of_an_unknown_run_is_said_to_be_lost() {
    let site = quick();
    site.start();
    for (kind, problem) in [
        (FaultKind::without("/tasks/0/runId"), "at .: missing field `runId`"),
        (FaultKind::edit("/tasks/0/runId", json!(1001)), "at runId: "),
        (FaultKind::without("/tasks/0/status"), "at .: missing field `status`"),
        (FaultKind::edit("/tasks/0/status/taskId", json!("../../etc")), "at status.taskId: "),
        (FaultKind::without("/tasks/0/credentials"), "at .: missing field `credentials`"),
        (FaultKind::edit("/tasks/0/credentials", json!("canary")), "at credentials: invalid type: string"),
        (
            FaultKind::without("/tasks/0/credentials/accessToken"),
            "at credentials: missing field `accessToken`",
        ),
        (FaultKind::edit("/tasks/0", json!("a claim")), "at .: invalid type: string"),
        (FaultKind::edit("/tasks/0", json!(null)), "at .: invalid type: "),
    ] {
        let mark = mark(&site);
        let task = claimed_with(&site, kind.clone(), "echo never");
        let said = "a claimed run is lost: not enough of its claim can be read to report it";
        wait_for_line(&site, mark, &["ERROR", said, problem]);
        site.takes_the_next_task();
        assert_eq!((state(&site, &task), was_told(&site, &task)), ("running".to_owned(), Vec::new()));
    }
    assert!(!site.log().contains("canary"), "what stands in the place of credentials is not quoted");
}

#[test]
fn an_answer_without_a_list_of_claims_is_a_failed_question() {
    let site = quick();
    site.start();
    for kind in [FaultKind::without("/tasks"), FaultKind::edit("/tasks", json!({}))] {
        let mark = mark(&site);
        claimed_with(&site, kind, "echo never");
        wait_for_line(&site, mark, &["WARN", "asking for work failed", "unexpected answer: at "]);
        site.takes_the_next_task();
    }
}

/// Invariant I2: nothing of a claim that is over when it arrives is run, uploaded or reported.
#[test]
fn a_claim_that_is_over_when_it_arrives_is_given_up() {
    let site = quick();
    site.start();
    let mark = mark(&site);
    let over = FaultKind::edit("/tasks/0/takenUntil", json!("2020-01-01T00:00:00.000Z"));
    let task = claimed_with(&site, over, &format!("touch {}", site.path("ran").display()));
    let name = task.to_string();
    wait_for_line(&site, mark, &["ERROR", "the claim expired before it could be renewed", &name]);
    wait_for_line(&site, mark, &["WARN", "given up", "Expired", &name]);
    site.takes_the_next_task();
    assert!(!site.path("ran").exists());
    assert_eq!(was_told(&site, &task), []);
}

/// Credentials that never work: everything is tried until the claim is over by our own clock, and that is what is said.
#[test]
fn credentials_that_never_work_end_with_the_claim() {
    let often = Duration::from_millis(50);
    let claim_timeout = Duration::from_secs(12);
    let site = quick_with(Options { claim_timeout, claim_resolver_interval: often, ..options() });
    site.start();
    let mark = mark(&site);
    let wrong = FaultKind::edit("/tasks/0/credentials/accessToken", json!("canary"));
    let task = claimed_with(&site, wrong, "exit 0");
    let name = task.to_string();
    wait_for_line(&site, mark, &["WARN", "renewing the claim failed", "(AuthenticationFailed)"]);
    wait_for_line(&site, mark, &["ERROR", "the claim expired before it could be renewed", &name]);
    wait_for_line(&site, mark, &["WARN", "given up", "Expired", &name]);
    assert_eq!(site.outcome(&task, 0), "exception claim-expired", "{}", site.log());
    assert_eq!(site.outcome(&task, 1), "completed completed", "{}", site.log());
    assert!(!site.log().contains("canary"));
}

/// One task at a time: what else comes is given back, and the queue makes a new run of it.
#[test]
fn a_second_claim_in_one_answer_is_given_back() {
    let site = quick();
    site.start();
    let first = site.task(GATED);
    site.wait_for_file("work/gate");
    // nobody asks for work now: the next question finds both tasks
    let mark = mark(&site);
    site.queue.inject(Fault::new(Call::ClaimWork, FaultKind::misread("/tasks", json!(2))).times(1));
    let tasks = [site.task("echo one"), site.task("echo two")];
    release(&site);
    assert_eq!(site.outcome(&first, 0), "completed completed", "{}", site.log());
    let mut outcomes = tasks.each_ref().map(|task| site.outcome(task, 0));
    let returned = outcomes.iter().position(|outcome| outcome == "exception worker-shutdown");
    let returned = &tasks[returned.unwrap_or_else(|| panic!("{outcomes:?}\n{}", site.log()))];
    outcomes.sort();
    assert_eq!(outcomes, ["completed completed", "exception worker-shutdown"]);
    let name = returned.to_string();
    wait_for_line(
        &site,
        mark,
        &["WARN", "given back: the queue sent more than the one run asked for", &name],
    );
    assert_eq!(site.outcome(returned, 1), "completed completed", "{}", site.log());
    assert_eq!(site.task_log(returned, 1).lines().count(), 2);
    site.takes_the_next_task();
}

/// The queue claimed, its answer got lost: nobody can know the run, so it expires and the queue makes a new one.
#[test]
fn a_claim_whose_answer_is_lost_is_done_as_the_next_run() {
    let losses = [
        (FaultKind::Truncate, "the answer was cut after "),
        (FaultKind::Reset, "the connection broke: "),
        (FaultKind::HtmlBody { status: 504 }, "(status 504)"),
    ];
    std::thread::scope(|scope| {
        for (kind, text) in losses {
            scope.spawn(move || {
                let site = quick_with(Options { claim_timeout: Duration::from_secs(10), ..options() });
                site.start();
                let mark = mark(&site);
                let task = claimed_with(&site, kind, "echo hello");
                wait_for_line(&site, mark, &["WARN", "asking for work failed", text]);
                assert_eq!(site.outcome(&task, 0), "exception claim-expired");
                assert_eq!(site.outcome(&task, 1), "completed completed", "{}", site.log());
                site.takes_the_next_task();
            });
        }
    });
}
