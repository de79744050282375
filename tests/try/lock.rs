//! A `work_dir` belongs to one process at a time.

use crate::site::{PATIENCE, Site, task};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
use serde_json::json;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// A worker of this configuration that is at work: its first line on stderr after the start has come.
struct Worker(Child);

impl Worker {
    fn start(site: &Site) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_scriptworker"))
            .arg(site.write_config())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let log = lines.by_ref().find(|line| line.contains("claimWork"));
        assert!(log.is_some(), "the worker never asks for work");
        std::thread::spawn(move || lines.for_each(drop));
        Self(child)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// One whose deployment refuses every connection: a worker goes on asking.
fn site() -> Site {
    Site::new("echo fine").set("taskcluster_root_url", "http://127.0.0.1:1")
}

#[test]
fn a_trial_leaves_a_running_worker_alone() {
    let site = site();
    let worker = Worker::start(&site);
    site.write("work/precious", "of the worker's task");
    let said = site.try_task(&task(json!({})));
    assert_eq!(said.code, 70, "{}\n{}", said.out, said.err);
    let expected = format!(
        "{} is in use by another scriptworker (process {})",
        site.path("work").display(),
        worker.0.id()
    );
    assert!(said.err.contains(&expected), "{}", said.err);
    assert_eq!(site.read("work/precious"), "of the worker's task");
    assert!(!site.path("out").exists());
    drop(worker);
    // the worker was killed: its lock went with it
    assert_eq!(site.try_task(&task(json!({}))).code, 0);
}

#[test]
fn two_workers_do_not_share_a_directory_whatever_links_lead_there() {
    let site = site();
    let _worker = Worker::start(&site);
    std::os::unix::fs::symlink(site.path(""), site.path("link")).unwrap();
    let elsewhere = self::site().set("work_dir", site.path("link/work").to_str().unwrap());
    let mut second = Command::new(env!("CARGO_BIN_EXE_scriptworker"))
        .arg(elsewhere.write_config())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    second.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(second.wait().unwrap().code(), Some(1), "{said}");
    assert!(
        said.contains("scriptworker cannot start: ") && said.contains("is in use by another scriptworker"),
        "{said}"
    );
}

/// A script that says that it runs, and ends when a file says so.
const WAITING: &str = "here=$(dirname \"$work\"); echo here; : > \"$here/running\"\n\
    while ! test -e \"$here/go\"; do sleep 0.05; done";

#[test]
fn a_worker_does_not_start_into_a_trial() {
    let site = Site::new(WAITING);
    let trial = site.command(&task(json!({}))).stdout(Stdio::piped()).spawn().unwrap();
    site.wait_for_file("running");
    let output = Command::new(env!("CARGO_BIN_EXE_scriptworker")).arg(site.write_config()).output().unwrap();
    site.write("go", "");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("(process {})", trial.id())), "{said}");
    let output = trial.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn a_signal_ends_a_trial_as_it_ends_a_worker() {
    let site = Site::new(WAITING);
    let trial = site.command(&task(json!({}))).stdout(Stdio::piped()).spawn().unwrap();
    site.wait_for_file("running");
    kill(Pid::from_raw(i32::try_from(trial.id()).unwrap()), Signal::SIGINT).unwrap();
    let output = trial.wait_with_output().unwrap();
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(2), "{out}");
    assert!(out.contains("exception: worker-shutdown (2)") && out.contains("here\n"), "{out}");
}

#[test]
fn a_signal_ends_what_has_not_begun() {
    let site = Site::new("echo never");
    let mut command = site.command(&task(json!({})));
    std::fs::remove_file(site.path("task.json")).unwrap();
    mkfifo(&site.path("task.json"), Mode::from_bits_truncate(0o600)).unwrap();
    let mut trial = command.spawn().unwrap();
    // opening waits for the reader, who then waits for a task that never comes
    let _task = std::fs::OpenOptions::new().write(true).open(site.path("task.json")).unwrap();
    kill(Pid::from_raw(i32::try_from(trial.id()).unwrap()), Signal::SIGTERM).unwrap();
    let end = Instant::now() + PATIENCE;
    let ended = loop {
        match trial.try_wait().unwrap() {
            None if Instant::now() < end => std::thread::yield_now(),
            None => {
                trial.kill().unwrap();
                break trial.wait().unwrap();
            }
            Some(status) => break status,
        }
    };
    assert_eq!(ended.signal(), Some(Signal::SIGTERM as i32));
    assert!(!site.path("work").exists());
}
