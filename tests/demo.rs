//! The demo as people start it: it has to agree with itself, and leave nothing running when it is stopped.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests make directories of their own")]

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn demo(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scriptworker"));
    command.arg("demo").arg("--dir").arg(dir).stdin(Stdio::null());
    command
}

/// The processes that work below this directory: the worker, its guardian, the script, whatever that left behind.
fn processes_in(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir("/proc").unwrap();
    let processes = entries.filter_map(|entry| Some(entry.ok()?.path()));
    processes.filter(|path| fs::read_link(path.join("cwd")).is_ok_and(|cwd| cwd.starts_with(dir))).collect()
}

/// A guardian ends just after its worker: by itself, and at once.
fn assert_nothing_is_left_in(dir: &Path) {
    let end = Instant::now() + Duration::from_secs(20);
    let mut left = processes_in(dir);
    while !left.is_empty() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(20));
        left = processes_in(dir);
    }
    let named = left.iter().map(|process| fs::read_to_string(process.join("cmdline")).unwrap_or_default());
    assert_eq!(named.collect::<Vec<_>>(), [""; 0], "still there: {left:?}");
}

#[test]
fn everything_goes_as_expected() {
    let temp = tempfile::tempdir().unwrap();
    let dir = fs::canonicalize(temp.path()).unwrap().join("new");
    let output = demo(&dir).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{text}\n{stderr}");
    assert!(text.lines().next().unwrap().contains("never for production"), "{text}");
    for (name, expected) in [
        ("build", "completed"),
        ("fail", "failed"),
        ("slow", "failed"),
        ("cancel", "exception canceled"),
        ("malformed", "exception malformed-payload"),
        ("retry", "exception intermittent-task, then completed"),
        ("flood", "completed"),
        ("signing", "completed, verified"),
        ("artifact", "exception malformed-payload, hash (build)"),
        ("signer", "exception malformed-payload, wrong-key-class (build)"),
        ("attestation", "exception malformed-payload, signature (docker-image)"),
        ("graph", "exception malformed-payload, graph-mismatch (build)"),
        ("template", "exception malformed-payload, tree-mismatch (decision)"),
        ("scope", "exception malformed-payload, scope (signing)"),
        ("classic", "completed, verified"),
        ("classic-artifact", "exception malformed-payload, hash (build)"),
        ("classic-signer", "exception malformed-payload, unknown-key (build)"),
        ("classic-unsigned", "exception malformed-payload, missing-signature (build)"),
        ("classic-run", "exception malformed-payload, run-id (build)"),
        ("classic-command", "exception malformed-payload, command (decision)"),
        ("(stop)", "exit code 0"),
    ] {
        let row = |line: &&str| line.split_whitespace().take(2).eq(["✓", name]);
        let row = text.lines().find(row).unwrap_or_else(|| no_row(name, &text));
        assert!(row.contains(&format!(" {expected} ")) && row.contains("as expected"), "{row}");
    }
    assert!(text.contains("Everything went as expected"), "{text}");
    assert_eq!(text.lines().filter(|line| line.starts_with('✗')).count(), 0, "{text}");

    let read = |path: &str| fs::read_to_string(dir.join(path)).expect(path);
    assert_eq!(read("tasks/build/run-0/public/build/info.json"), "{\"answer\": 42}\n");
    assert!(read("tasks/retry/run-0/public/logs/live_backing.log").starts_with("not this time\n"));
    assert!(read("worker/log/worker.log").contains("scriptworker leaves code=0"));
    assert!(read("worker/scriptworker.yaml").contains("task_script"));
    assert!(fs::read_dir(dir.join("queue")).unwrap().next().is_some());
    assert!(!dir.join("tasks/cancel/run-0").exists());
    for name in ["chain-of-trust.json", "chain-of-trust.json.sig", "chainOfTrust.json.asc"] {
        assert!(dir.join("tasks/build/run-0/public").join(name).exists(), "{name}");
    }
    assert!(
        read("tasks/slow/run-0/public/chainOfTrust.json.asc").starts_with("-----BEGIN PGP SIGNED MESSAGE")
    );
    for (name, word) in [("signing", "verified"), ("artifact", "refused")] {
        let picture = read(&format!("{name}.svg"));
        assert!(picture.starts_with("<svg ") && picture.contains(word), "{picture}");
    }
    assert!(
        read("tasks/signing/run-0/public/signed/SHA256SUMS.txt").contains("/public/build/target-1.tar.gz")
    );
    assert!(dir.join("tasks/signing/run-0/public/chain-of-trust.json.sig").exists());
    assert!(dir.join("tasks/classic/run-0/public/chainOfTrust.json.asc").exists());
    assert!(!dir.join("tasks/scope/run-0/public/chain-of-trust.json").exists());
    assert_nothing_is_left_in(&dir);
}

/// The picture in the README is one of a demo (`just picture`): ids and keys are new each time, so it cannot be compared.
#[test]
fn the_picture_in_the_readme_is_one_of_a_refused_chain() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    assert!(readme.contains("](docs/chain.svg)"));
    let picture = fs::read_to_string(root.join("docs/chain.svg")).unwrap();
    assert!(picture.starts_with("<svg ") && picture.contains("[hash]"));
}

#[expect(clippy::panic, reason = "tests")]
fn no_row(name: &str, text: &str) -> ! {
    panic!("no row for {name} with a ✓:\n{text}")
}

#[test]
fn a_signal_stops_worker_and_script() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let temp = tempfile::tempdir().unwrap();
        let dir = fs::canonicalize(temp.path()).unwrap();
        let mut child = demo(&dir).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let running = lines.find(|line| line.contains("slow ") && line.trim_end().ends_with("running"));
        assert!(running.is_some(), "the task `slow` never runs");
        assert!(!processes_in(&dir).is_empty(), "the search finds nothing while there is something");
        kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
        let rest: Vec<_> = lines.collect();
        let code = child.wait().unwrap().code();
        assert_eq!(code, Some(128 + signal as i32), "{rest:#?}");
        assert_nothing_is_left_in(&dir);
        // they were asked to leave, not killed: the task in hand was given back
        for worker in ["worker", "current/worker", "classic/worker"] {
            let log = fs::read_to_string(dir.join(worker).join("log/worker.log")).unwrap();
            assert!(log.contains("scriptworker leaves code=0"), "{worker}: {log}");
        }
    }
}

#[test]
fn a_directory_with_something_in_it_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    fs::create_dir(temp.path().join("precious")).unwrap();
    let output = demo(temp.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("is not empty"));
    let kept: Vec<_> = fs::read_dir(temp.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(kept, ["precious"]);
}
