//! Many short tasks through one worker process: nothing that it has grows with their number.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]
#![expect(clippy::disallowed_methods, reason = "tests write files of their own")]
#![expect(clippy::print_stdout, reason = "the figures are worth reading")]
#![expect(dead_code, reason = "the support is shared with the tests of the worker")]

#[path = "worker/support.rs"]
mod support;

use scriptworker::embedded_queue::Call;
use scriptworker_core::ids::TaskId;
use serde_json::json;
use std::path::Path;
use support::{PATIENCE, Site, until};

/// After so many tasks everything that is kept for later use is there: connections, threads, buffers.
const WARM: usize = 50;

/// What the worker has while it waits for work.
#[derive(Debug, Clone, Copy)]
struct Having {
    resident_kib: u64,
    descriptors: usize,
    threads: usize,
    zombies: usize,
    children: usize,
    files: usize,
}

impl Having {
    /// Of everything that can be counted, not more than before.
    fn is_within(&self, before: &Self) -> bool {
        self.descriptors <= before.descriptors
            && self.threads <= before.threads
            && self.files <= before.files
            && (self.zombies, self.children) == (0, 0)
    }
}

fn entries(path: impl AsRef<Path>) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(path) else { return Vec::new() };
    entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect()
}

fn files_below(path: &Path) -> usize {
    let below = |name: &String| 1 + files_below(&path.join(name));
    if path.is_symlink() { 0 } else { entries(path).iter().map(below).sum() }
}

/// The states of the processes whose parent is this one.
fn children(pid: u32) -> Vec<char> {
    let state = |name: String| {
        let stat = std::fs::read_to_string(format!("/proc/{name}/stat")).ok()?;
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let (state, parent) = (fields.next()?.chars().next()?, fields.next()?.parse::<u32>().ok()?);
        (pid == parent).then_some(state)
    };
    entries("/proc")
        .into_iter()
        .filter(|name| name.bytes().all(|b| b.is_ascii_digit()))
        .filter_map(state)
        .collect()
}

fn having(site: &Site) -> Having {
    let pid = site.worker_pid();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let children = children(pid);
    Having {
        resident_kib: resident.trim().trim_end_matches(" kB").parse().unwrap(),
        descriptors: entries(format!("/proc/{pid}/fd")).len(),
        threads: entries(format!("/proc/{pid}/task")).len(),
        zombies: children.iter().filter(|state| **state == 'Z').count(),
        children: children.len(),
        files: files_below(&site.path("")),
    }
}

/// Runs so many tasks, then waits until the worker has cleaned up and asks for more.
fn run(site: &Site, count: usize) {
    let tasks: Vec<TaskId> = (0..count).map(|_| site.task("")).collect();
    for task in &tasks {
        assert_eq!(site.outcome(task, 0), "completed completed", "{}", site.log());
    }
    site.queue.wait_for_open_call(Call::ClaimWork, PATIENCE).unwrap();
}

fn stays_flat(count: usize) {
    // old logs are dropped early, so that their number is the same all the time
    let site = Site::new()
        .set("task_script", json!(["true"]))
        .set("log_max_bytes", 20_000)
        .set("log_max_backups", 1);
    site.start();
    run(&site, WARM);
    let before = having(&site);
    run(&site, count - WARM);
    let mut last = before;
    let settled = until(PATIENCE, || {
        last = having(&site);
        last.is_within(&before).then_some(())
    });
    println!("after {WARM} tasks: {before:?}\nafter {count} tasks: {last:?}");
    assert!(settled.is_some(), "before: {before:?}\nafter: {last:?}\n{}", site.log());
    let growth = last.resident_kib.saturating_sub(before.resident_kib);
    assert!(growth < 8 * 1024, "resident memory has grown by {growth} KiB");
}

#[test]
fn three_hundred_tasks_leave_nothing_behind() {
    stays_flat(300);
}

#[test]
#[ignore = "takes minutes: `just soak`"]
fn two_thousand_tasks_leave_nothing_behind() {
    stays_flat(2_000);
}
