//! The points that only a library call passes: what it promises holds although the disk fails.

use super::{Case, cases, passed, try_all};
use scriptworker::fsio::{self, Purpose};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::process::Command;

/// How often everything is called to learn what is passed. Under a fault it is twice as often: the fault is over then.
const TRACED_ROUNDS: usize = 4;

/// Runs [`library_under_a_fault`] in a process of its own, because a fault is armed for a whole process. Returns what
/// it told.
fn run(fault: &str) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "library::library_under_a_fault", "--ignored", "--nocapture"])
        .env("SW_FAULT", fault)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{stderr}");
    stderr
}

pub(super) fn traced() -> BTreeMap<&'static str, u64> {
    passed(&run("trace"))
}

#[test]
fn a_library_call_fails_as_a_whole_or_not_at_all() {
    try_all(cases(&traced()), |case: &Case| {
        let told = run(&case.fault());
        assert!(told.contains("fails with"), "the fault was not met: {told}");
    });
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
#[ignore = "needs a fault that another test arms"]
fn library_under_a_fault() {
    let armed = std::env::var("SW_FAULT").unwrap();
    let ends = !armed.contains('+');
    let dir = tempfile::tempdir().unwrap();
    let rounds = if armed == "trace" { TRACED_ROUNDS } else { 2 * TRACED_ROUNDS };
    let failures: Vec<usize> =
        (0..rounds).map(|round| one_round(&dir.path().join(round.to_string()))).collect();
    let expected = if ends { Some(&0) } else { failures.last() };
    assert_eq!(failures.last(), expected, "failures go on after the fault: {failures:?}");
    assert_eq!(failures.iter().sum::<usize>() == 0, armed == "trace", "{failures:?}");
}

/// Every call once. Returns how many failed.
fn one_round(dir: &Path) -> usize {
    std::fs::create_dir_all(dir).unwrap();
    let mut failures = 0;
    let mut tell = |result: io::Result<()>| {
        failures += usize::from(result.is_err());
        result.is_ok()
    };
    let made = tell(fsio::create_dir_all(&dir.join("made/below")));
    assert_eq!(dir.join("made/below").exists(), made);

    // old or new as a whole, and nothing beside
    let whole = dir.join("whole");
    std::fs::create_dir(&whole).unwrap();
    let path = whole.join("run.json");
    for content in ["first", "second"] {
        let before = std::fs::read_to_string(&path).ok();
        let written = tell(fsio::write_atomic(&path, content.as_bytes(), 0o600));
        let now = std::fs::read_to_string(&path).ok();
        assert!(now.as_deref() == Some(content) || (!written && now == before), "{now:?}");
        assert_eq!(names(&whole).len(), usize::from(now.is_some()));
    }

    let (from, to) = (dir.join("from"), dir.join("to"));
    std::fs::write(&from, "x").unwrap();
    let renamed = tell(fsio::rename(&from, &to));
    assert_eq!((from.exists(), to.exists()), (!renamed, renamed));
    let removed = tell(fsio::remove_file(&to));
    assert_eq!(to.exists(), renamed && !removed);

    let changed = fsio::append(&dir.join("changed"), 0o600).and_then(|mut file| {
        file.reserve(0, 4096)?;
        file.write_all(b"some text")?;
        file.set_len(4)?;
        file.sync()
    });
    let whole = tell(changed);
    let text = std::fs::read_to_string(dir.join("changed")).unwrap_or_default();
    assert!(text == "some" || (!whole && "some text".starts_with(&text)), "{text}");

    let nameless = fsio::unlinked(dir).and_then(|file| file.write_all_at(b"text", 0));
    tell(nameless);

    let keyrings = dir.join("keyrings");
    let set = Purpose::Keyring.create_private_dir(&keyrings).and_then(|()| {
        Purpose::Keyring.write_atomic(&keyrings.join("index.json"), b"{}", 0o600)?;
        Purpose::Keyring.sync_dir(&keyrings)
    });
    tell(set);
    let holder = Purpose::Keyring.append(&dir.join("lock.pid"), 0o600).and_then(|file| {
        file.write_all_at(b"7", 0)?;
        file.set_len(0)
    });
    tell(holder);
    let removed = tell(Purpose::Keyring.remove_tree(&keyrings));
    assert!(!removed || !keyrings.exists());

    let tree = dir.join("tree");
    for below in ["a/b/c", "d"] {
        std::fs::create_dir_all(tree.join(below)).unwrap();
        std::fs::write(tree.join(below).join("file"), "x").unwrap();
    }
    let removed = tell(fsio::remove_tree(&tree));
    assert_eq!(tree.exists(), !removed);
    failures
}
