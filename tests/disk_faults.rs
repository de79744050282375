//! Full, over quota, broken and read-only disks, at every fault point of `fsio`: whatever fails, a claimed task is
//! reported with a reason, a green report means that everything is in place, the end of the log survives if it can be
//! written at all, and the worker takes the next task when the fault is over, or says why not.
//!
//! Needs `cargo test --features fault`. What a healthy run passes is traced first; the matrix is made from that, and a
//! point that nothing passes fails the test.
#![cfg(feature = "fault")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]
#![expect(clippy::disallowed_methods, reason = "tests write files of their own")]
#![expect(clippy::print_stdout, reason = "a run prints the points and the number of cases")]
#![expect(dead_code, reason = "the support is shared with the tests of the worker")]

#[path = "disk_faults/library.rs"]
mod library;
#[path = "worker/support.rs"]
mod support;
#[path = "disk_faults/worker.rs"]
mod worker;

use scriptworker::fsio;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

/// The errors, and how the system words them.
const ERRORS: [(&str, &str); 4] = [
    ("ENOSPC", "No space left on device"),
    ("EDQUOT", "Disk quota exceeded"),
    ("EIO", "Input/output error"),
    ("EROFS", "Read-only file system"),
];

/// How many cases run at once: most of their time is waiting.
const AT_ONCE: usize = 6;

/// One cell of the matrix.
#[derive(Debug, Clone)]
struct Case {
    point: &'static str,
    passages: String,
    error: &'static str,
    words: &'static str,
}

impl Case {
    /// The value of `SW_FAULT`.
    fn fault(&self) -> String {
        format!("{}:{}:{}", self.point, self.passages, self.error)
    }

    /// Whether the fault never ends.
    fn lasts(&self) -> bool {
        self.passages.ends_with('+')
    }

    /// Whether a second attempt may fail as well.
    fn repeats(&self) -> bool {
        self.lasts() || self.passages.contains('-')
    }

    /// Whether its last passage was told; never, of a fault that lasts.
    fn is_over(&self, stderr: &str) -> bool {
        let last = self.passages.rsplit('-').next().unwrap();
        stderr.contains(&format!("SW_FAULT: {} passage {last} fails", self.point))
    }
}

/// The points in what was told on stderr, with the number of their passages.
fn passed(stderr: &str) -> BTreeMap<&'static str, u64> {
    let mut counts = BTreeMap::new();
    for line in stderr.lines().filter_map(|line| line.strip_prefix("SW_FAULT: ")) {
        let name = line.split(' ').next().unwrap();
        let point = fsio::fault::points().find(|point| *point == name).unwrap();
        *counts.entry(point).or_default() += 1;
    }
    counts
}

/// The passages that matter: the first, a few later ones, some in a row, and all from there on.
fn cases(counts: &BTreeMap<&'static str, u64>) -> Vec<Case> {
    let mut cases = Vec::new();
    for (point, count) in counts {
        // what comes last in one run may not be reached in another one
        let (middle, late) = (count.div_ceil(2), (count * 4 / 5).max(1));
        let mut all: BTreeSet<String> = [
            "1".to_owned(),
            2.min(*count).to_string(),
            middle.to_string(),
            late.to_string(),
            "1+".to_owned(),
            format!("{middle}+"),
        ]
        .into();
        // what a process passes once has no passages in a row
        if *count > 1 {
            all.insert(format!("{middle}-{}", middle + 2));
        }
        for (error, words) in ERRORS {
            cases.extend(all.iter().map(|passages| Case { point, passages: passages.clone(), error, words }));
        }
    }
    cases
}

/// Tries all cases, and tells all that fail.
fn try_all(cases: Vec<Case>, run: impl Fn(&Case) + Sync) {
    let (count, left, failed) = (cases.len(), Mutex::new(cases), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(case) = left.lock().unwrap().pop() else { return };
                    if let Err(problem) = catch_unwind(AssertUnwindSafe(|| run(&case))) {
                        let text = problem.downcast_ref::<String>().cloned();
                        let text = text.or(problem.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                        failed.lock().unwrap().push(format!(
                            "{}: {}",
                            case.fault(),
                            text.unwrap_or_default()
                        ));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    println!("{count} cases, {} failed", failed.len());
    assert!(failed.is_empty(), "{}", failed.join("\n----\n"));
}

#[test]
fn every_point_is_passed_by_a_healthy_run() {
    let mut counts = worker::traced(worker::Kind::Plain);
    for more in [worker::traced(worker::Kind::Renewing), library::traced()] {
        for (point, count) in more {
            *counts.entry(point).or_default() += count;
        }
    }
    for point in fsio::fault::points() {
        println!("{point}: {} passages", counts.get(point).copied().unwrap_or_default());
    }
    let missed: Vec<_> = fsio::fault::points().filter(|point| !counts.contains_key(point)).collect();
    assert!(missed.is_empty(), "nothing passes {missed:?}");
}
