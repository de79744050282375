//! Bad input from everywhere: the queue's answers, its claims, its tasks, the script and what the script leaves. Every
//! case names the error in the worker's log and what becomes of the task, and after each the worker takes the next one.

mod answers;
mod claims;
mod identity;
mod outages;
mod scripts;
mod tasks;
mod uploads;

use crate::support::{PATIENCE, Site, options, until};
use scriptworker::embedded_queue::{Call, CallRecord, Fault, FaultKind, Options};
use scriptworker_core::ids::TaskId;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

/// A script that says that it runs, and goes on when [`release`] lets it.
const GATED: &str = "echo $$ > $work/pid; mkfifo $work/gate; read go < $work/gate\n";

/// A worker that does not wait long for anything: it asks again at once and renews its claim every second.
fn quick() -> Site {
    quick_with(options())
}

fn quick_with(options: Options) -> Site {
    let options = Options { long_poll: Duration::from_millis(200), ..options };
    Site::with(options).set("poll_interval", 0).set("reclaim_interval", 1)
}

/// Lets a [`GATED`] script go on. Fails if nobody waits at the gate.
fn release(site: &Site) {
    site.wait_for_file("work/gate");
    let path = site.path("work/gate");
    let no_wait = nix::fcntl::OFlag::O_NONBLOCK.bits();
    let open = || std::fs::OpenOptions::new().write(true).custom_flags(no_wait).open(&path).ok();
    let mut gate = until(PATIENCE, open).unwrap_or_else(|| panic!("nobody waits\n{}", site.log()));
    gate.write_all(b"go\n").unwrap();
}

/// A place in the worker's log: what is said later counts.
fn mark(site: &Site) -> usize {
    site.log().len()
}

/// Waits for a line after the mark that has all of these texts.
fn wait_for_line(site: &Site, mark: usize, texts: &[&str]) {
    until(PATIENCE, || says(site, mark, texts).then_some(())).unwrap_or_else(|| {
        panic!("no line of the log has all of {texts:?}\n{}", site.log().get(mark..).unwrap_or_default())
    });
}

fn says(site: &Site, mark: usize, texts: &[&str]) -> bool {
    count_lines(site, mark, texts) > 0
}

fn count_lines(site: &Site, mark: usize, texts: &[&str]) -> usize {
    let log = site.log();
    let later = log.get(mark..).unwrap_or_default();
    later.lines().filter(|line| texts.iter().all(|text| line.contains(text))).count()
}

/// The calls of a kind so far.
fn calls(site: &Site, call: Call) -> Vec<CallRecord> {
    site.queue.calls().into_iter().filter(|record| record.call == call).collect()
}

fn count_faulty(site: &Site, call: Call) -> usize {
    calls(site, call).iter().filter(|record| record.faulty).count()
}

/// Waits until so many calls of a kind met a fault.
fn wait_for_faulty(site: &Site, call: Call, count: usize) {
    until(PATIENCE, || (count_faulty(site, call) >= count).then_some(()))
        .unwrap_or_else(|| panic!("fewer than {count} faulty {}\n{}", call.name(), site.log()));
}

fn count_good(site: &Site, call: Call) -> usize {
    calls(site, call).len() - count_faulty(site, call)
}

/// Makes a task whose claim meets this fault, and no other claim does. Every question for work meets it from now on,
/// so the task is made once one has; those to come are good again once one was.
fn claimed_with(site: &Site, kind: FaultKind, command: &str) -> TaskId {
    let met = count_faulty(site, Call::ClaimWork);
    site.queue.inject(Fault::new(Call::ClaimWork, kind).work_done());
    wait_for_faulty(site, Call::ClaimWork, met + 1);
    let task = site.task(command);
    site.wait(&task, |status| status["state"] != "pending");
    let good = count_good(site, Call::ClaimWork);
    site.queue.clear_faults();
    until(PATIENCE, || (count_good(site, Call::ClaimWork) > good).then_some(()))
        .unwrap_or_else(|| panic!("no more good questions\n{}", site.log()));
    task
}

/// Whether the worker told the queue anything about a task after it had claimed it: artifacts or a report.
fn was_told(site: &Site, task: &TaskId) -> Vec<CallRecord> {
    let telling = [Call::CreateArtifact, Call::ReportCompleted, Call::ReportFailed, Call::ReportException];
    let about = |record: &CallRecord| record.task_id.as_ref() == Some(task) && telling.contains(&record.call);
    site.queue.calls().into_iter().filter(about).collect()
}

fn state(site: &Site, task: &TaskId) -> String {
    site.queue.status(task).unwrap()["state"].as_str().unwrap().to_owned()
}

fn status(status: u16) -> FaultKind {
    FaultKind::Status { status, retry_after: None }
}

fn garbage(body: &str) -> FaultKind {
    FaultKind::Garbage { body: body.to_owned() }
}

/// Larger than any answer that the worker reads.
const HUGE: u64 = (16 << 20) + 1;

/// Answers that are none of the queue's own, and what the worker's log says about each: nobody can tell from them
/// whether the queue did what was asked.
fn nobodys_answers() -> Vec<(FaultKind, &'static str)> {
    vec![
        (status(500), "status 500 (InjectedFault): an injected fault"),
        (FaultKind::Status { status: 503, retry_after: Some(1) }, "status 503 (InjectedFault)"),
        (status(429), "status 429 (InjectedFault)"),
        (
            FaultKind::HtmlBody { status: 502 },
            "expected JSON, found an answer (status 502) that begins \"<html>",
        ),
        (
            FaultKind::HtmlBody { status: 200 },
            "expected JSON, found an answer (status 200) that begins \"<html>",
        ),
        (garbage("not JSON"), "expected JSON, found an answer (status 200) that begins \"not JSON\""),
        (garbage(&format!("{{\"x\":{}", "[".repeat(10_000))), "expected JSON, found an answer (status 200)"),
        (garbage(""), "expected JSON, found an answer (status 200) that begins \"\""),
        (FaultKind::Truncate, "the answer was cut after "),
        (FaultKind::Reset, "the connection broke: "),
        (FaultKind::Outage, "the connection broke: "),
    ]
}

/// The same, but a client that only repeats what may pass by itself would take them for final: JSON of another
/// shape, more than any answer has, and a proxy that refuses in the queue's stead.
fn wrong_answers() -> Vec<(FaultKind, &'static str)> {
    vec![
        (garbage("{}"), "unexpected answer: at ."),
        (garbage("[]"), "unexpected answer: at ."),
        (garbage("null"), "unexpected answer: at ."),
        (FaultKind::HugeBody { bytes: HUGE }, "the answer is larger than "),
        (FaultKind::HtmlBody { status: 403 }, "expected JSON, found an answer (status 403)"),
        (FaultKind::HtmlBody { status: 404 }, "expected JSON, found an answer (status 404)"),
        (FaultKind::HtmlBody { status: 409 }, "expected JSON, found an answer (status 409)"),
    ]
}
