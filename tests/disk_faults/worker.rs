//! The worker process with a failing disk.

use super::support::{PATIENCE, Site, content, is_alive, until};
use super::{Case, cases, passed, try_all};
use scriptworker_core::ids::TaskId;
use scriptworker_core::ledger::Audit;
use std::collections::BTreeMap;

/// What the worker does meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Tasks with output and artifacts of both sorts; the worker's log is rotated often.
    Plain,
    /// Scripts that wait for renewed credentials.
    Renewing,
}

const OUTPUT: &str = "one\ntwo\nthree\n";
const BINARY: &[u8] = b"some bytes";
const JSON: &[u8] = b"{\"a\": 1}\n";

/// Written in pieces; then, if it has to, it waits for other credentials than the first, but not for ever.
fn command(kind: Kind) -> String {
    let wait = match kind {
        Kind::Plain => "",
        Kind::Renewing => {
            "first=$(cat /proc/$$/fd/4); left=60\n\
             while [ \"$(cat /proc/$$/fd/4)\" = \"$first\" ] && [ $left -gt 0 ]\n\
             do sleep 0.1; left=$((left - 1)); done\n"
        }
    };
    format!(
        "echo one; sleep 0.02; echo two >&2; sleep 0.02; echo three\n{wait}\
         mkdir -p $artifacts/public/build\n\
         printf 'some bytes' > $artifacts/public/build/target.bin\n\
         echo '{{\"a\": 1}}' > $artifacts/public/build/info.json"
    )
}

fn site(kind: Kind) -> Site {
    let site = Site::new().set("log_max_bytes", 1500).set("log_max_backups", 2);
    match kind {
        Kind::Plain => site,
        Kind::Renewing => site.set("reclaim_interval", 1),
    }
}

fn stderr(site: &Site) -> String {
    String::from_utf8_lossy(&std::fs::read(site.path("stderr")).unwrap_or_default()).into_owned()
}

/// What a healthy worker passes while it runs two tasks.
pub(super) fn traced(kind: Kind) -> BTreeMap<&'static str, u64> {
    let site = site(kind);
    site.start_with(&[("SW_FAULT", "trace")]);
    for _ in 0..2 {
        let task = site.task(&command(kind));
        assert_eq!(site.outcome(&task, 0), "completed completed", "{}", stderr(&site));
        check(&site, &task, "completed completed", None);
    }
    passed(&stderr(&site))
}

#[test]
fn a_worker_stays_honest_and_useful() {
    let mut counts = traced(Kind::Plain);
    counts.retain(|point, _| !point.starts_with("credentials."));
    try_all(cases(&counts), |case| run(case, Kind::Plain));
}

#[test]
fn credentials_are_renewed_when_the_disk_works_again() {
    let mut counts = traced(Kind::Renewing);
    counts.retain(|point, _| point.starts_with("credentials."));
    try_all(cases(&counts), |case| run(case, Kind::Renewing));
}

fn run(case: &Case, kind: Kind) {
    let site = site(kind);
    site.start_with(&[("SW_FAULT", &case.fault())]);
    let (mut taken, mut tasks) = (true, 0);
    while tasks < 2 || !(case.lasts() || case.is_over(&stderr(&site))) {
        tasks += 1;
        assert!(tasks < 10, "the fault was not met\n{}", stderr(&site));
        let task = site.task(&command(kind));
        match over(&site, &task, case) {
            Over::Resolved(outcome) => check(&site, &task, &outcome, Some(case)),
            Over::Refused => {
                refuses(&site, case);
                // without the fault it starts and does what is waiting
                site.start();
                let outcome = site.outcome(&task, 0);
                assert_eq!(outcome, "completed completed", "{}", stderr(&site));
                return check(&site, &task, &outcome, None);
            }
            Over::NotTaken => {
                taken = false;
                break;
            }
        }
    }
    // the ledger is written after the report
    let met = |told: &String| told.contains("fails with") && (says(case, told) || !case.lasts());
    let told = until(PATIENCE, || Some(stderr(&site)).filter(met));
    let told = told.unwrap_or_else(|| panic!("the fault was not met, or not told\n{}", stderr(&site)));
    if case.lasts() {
        assert!(is_alive(site.worker_pid()), "{told}");
        assert!(taken || told.contains("no work is taken until"), "{told}");
    } else {
        let task = site.task(&command(kind));
        let outcome = site.outcome(&task, 0);
        assert_eq!(outcome, "completed completed", "{told}");
        check(&site, &task, &outcome, None);
        logs(&site, &task);
        ledger(&site, tasks + 1);
    }
}

/// A fault of the worker's own log has nowhere to be told.
fn says(case: &Case, told: &str) -> bool {
    case.point.starts_with("worker-log.") || told.contains(case.words)
}

/// Every run is in the ledger, whatever failed meanwhile.
fn ledger(site: &Site, runs: usize) {
    let path = site.path("log/runs.jsonl");
    let lines = || std::fs::read_to_string(&path).unwrap_or_default();
    let all = until(PATIENCE, || (lines().lines().count() >= runs).then_some(()));
    all.unwrap_or_else(|| panic!("expected {runs} lines\n{}\n{}", lines(), stderr(site)));
    let mut audit = Audit::default();
    lines().lines().for_each(|line| audit.line(line.as_bytes()));
    let report = audit.end(b"");
    let found = (report.lines, report.breaks.len());
    assert_eq!(found, (runs.try_into().unwrap(), 0), "{:?}\n{}", report.breaks, lines());
}

enum Over {
    Resolved(String),
    /// The worker left before it took the task.
    Refused,
    /// The worker takes nothing while the fault lasts.
    NotTaken,
}

/// Waits for the first of the things that may happen to a task.
fn over(site: &Site, task: &TaskId, case: &Case) -> Over {
    let over = until(PATIENCE, || {
        let status = site.queue.status(task).unwrap();
        let status = status.get("status").unwrap_or(&status);
        let run = &status["runs"][0];
        if run["resolved"].is_string() {
            let text = |key: &str| run[key].as_str().unwrap().to_owned();
            return Some(Over::Resolved(format!("{} {}", text("state"), text("reasonResolved"))));
        }
        if !is_alive(site.worker_pid()) {
            assert_eq!(status["state"], "pending", "it left a run behind\n{}", stderr(site));
            return Some(Over::Refused);
        }
        let waits = case.lasts() && status["state"] == "pending";
        (waits && stderr(site).contains("no work is taken until")).then_some(Over::NotTaken)
    });
    over.unwrap_or_else(|| panic!("nothing becomes of the task\n{}", stderr(site)))
}

/// A worker that does not start says what it could not do, and why.
fn refuses(site: &Site, case: &Case) {
    let told = stderr(site);
    assert_eq!(site.exit_code(), 1, "{told}");
    let at_start = ["directories.", "worker-log.", "lock."].iter().any(|kind| case.point.starts_with(kind));
    assert!(at_start && told.contains("scriptworker cannot start: "), "{told}");
    assert!(told.contains(case.words), "{told}");
}

/// Green means that everything is in place. Else there is a reason in the worker's log, and an end of the task's log, if
/// there is a log.
fn check(site: &Site, task: &TaskId, outcome: &str, case: Option<&Case>) {
    let log = site.artifact(task, 0, "public/logs/live_backing.log").map(|log| content(&log));
    let log = log.map(|log| String::from_utf8_lossy(&log).into_owned());
    match (outcome, case) {
        ("completed completed", _) => {
            assert_eq!(log, Some(format!("{OUTPUT}exit code: 0\n")), "{}", stderr(site));
            let file = |name| content(&site.artifact(task, 0, name).expect("the artifact"));
            assert_eq!(file("public/build/target.bin"), BINARY);
            assert_eq!(file("public/build/info.json"), JSON);
        }
        ("exception internal-error", Some(case)) => {
            // the copy of the log may come later than the report
            let told = until(PATIENCE, || Some(stderr(site)).filter(|told| told.contains(case.words)));
            let told = told.unwrap_or_else(|| panic!("it does not say why\n{}", stderr(site)));
            match log {
                Some(log) => {
                    let explained = log.contains("could not be started: ") && log.contains(case.words);
                    let ends = log.ends_with("exit code: 0\n");
                    assert!(explained || ends || case.repeats(), "the log has no end: {log:?}\n{told}");
                }
                // nothing could be written, or nothing was there to be written yet
                None => {
                    let early = ["directories.", "input."].iter().any(|early| case.point.starts_with(early));
                    assert!(early || case.repeats(), "there is no log\n{told}");
                }
            }
        }
        _ => panic!("unexpected outcome: {outcome}\n{}", stderr(site)),
    }
}

/// The worker's own log works again: it knows of the last task.
fn logs(site: &Site, task: &TaskId) {
    let knows = || {
        let mut all = String::new();
        for name in ["log/worker.log", "log/worker.log.1", "log/worker.log.2"] {
            all.push_str(&String::from_utf8_lossy(&std::fs::read(site.path(name)).unwrap_or_default()));
        }
        all.contains(task.as_str()).then_some(())
    };
    until(PATIENCE, knows).unwrap_or_else(|| panic!("worker.log stays behind\n{}", stderr(site)));
}
