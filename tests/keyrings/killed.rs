//! `kill -9`, and a failing disk, at every write on the way from the key repository to the keyrings in force: what
//! loads afterwards is the old set or the new one, whole, and the next update goes through by itself.
//!
//! Needs `cargo test --features fault`. What an update passes is traced first.

use super::support::Place;
use scriptworker::config::{self, Environment};
use scriptworker::keyrings::{Lock, LockState, Rebuilt, fetch_ready, rebuild};
use scriptworker_core::time::UnixMillis;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The configuration of [`update_under_a_fault`].
const CONFIG: &str = "KEYRINGS_TEST_CONFIG";
/// What an update changes.
const CHANGED: [&str; 6] =
    ["keyrings", "keyrings.tmp", "keyrings.old", "clone", "git_revision", "gpg_homedir.lock"];

#[test]
#[ignore = "needs a fault that another test arms"]
fn update_under_a_fault() {
    let file = PathBuf::from(std::env::var_os(CONFIG).unwrap());
    let environment = Environment::of_process().unwrap();
    let config = config::load_without_credentials(Some(&file), &environment).unwrap().0.keyrings;
    let now = UnixMillis(chrono::Utc::now().timestamp_millis());
    // what was left ready is taken over first, as the KeyringManager does
    fetch_ready(&config).unwrap();
    let rebuilt = rebuild(&config, now).unwrap();
    assert!(!matches!(rebuilt, Rebuilt::Busy(_)), "{rebuilt:?}");
    fetch_ready(&config).unwrap();
}

/// Updates in a process of its own; whether it went through, and what it told.
fn update(place: &Place, fault: Option<&str>) -> (bool, String) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "killed::update_under_a_fault", "--ignored", "--nocapture"])
        .env(CONFIG, place.config_file())
        .env_remove("SW_FAULT");
    if let Some(fault) = fault {
        command.env("SW_FAULT", fault);
    }
    let output = command.output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn copy(from: &Path, to: &Path) {
    for name in CHANGED {
        for name in [name.to_owned(), format!("{name}.pid")] {
            let (from, to) = (from.join(&name), to.join(&name));
            let _ = std::fs::remove_dir_all(&to);
            let _ = std::fs::remove_file(&to);
            if from.exists() {
                assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
            }
        }
    }
}

/// Tries an update that is cut short at every passage, from the state that is there now.
fn every_passage(place: &Place, old: Option<&str>, new: &str, errors: &[&str]) {
    let (here, before) = (place.path(""), place.path("before"));
    std::fs::create_dir(&before).unwrap();
    copy(&here, &before);
    let (ended, told) = update(place, Some("trace"));
    assert!(ended, "{told}");
    let passages: Vec<(&str, &str)> = told
        .lines()
        .filter_map(|line| line.strip_prefix("SW_FAULT: ")?.split_once(" passage "))
        .filter(|(point, _)| point.starts_with("keyring."))
        .collect();
    assert!(passages.len() > 30, "{told}");
    for (point, passage) in &passages {
        for error in errors {
            copy(&before, &here);
            let fault = format!("{point}:{passage}:{error}");
            let (_, told) = update(place, Some(&fault));
            assert!(told.contains(&format!("SW_FAULT: {point} passage {passage} ")), "{fault}: {told}");
            match place.load() {
                Ok(set) => {
                    let found = set.source().revision.as_str();
                    assert!(Some(found) == old || found == new, "{fault}: {found}");
                }
                Err(error) => assert!(old.is_none() && !place.path("keyrings").exists(), "{fault}: {error}"),
            }
            let (ended, told) = update(place, None);
            assert!(ended, "after {fault}: {told}");
            assert_eq!(place.load().unwrap().source().revision, new, "after {fault}");
            assert!(place.path("keyrings/index.json").exists(), "after {fault}");
            let lock = place.path("gpg_homedir.lock");
            assert_eq!(Lock::look(&lock).unwrap(), LockState::Absent, "after {fault}");
            assert_eq!(std::fs::read_to_string(place.path("git_revision")).unwrap(), new, "after {fault}");
        }
    }
    std::fs::remove_dir_all(before).unwrap();
}

#[test]
fn kill_9_at_every_write_leaves_the_old_set_or_the_new_one() {
    let place = Place::new();
    place.tag("v1", "keeper");
    let first = place.head();
    every_passage(&place, None, &first, &["KILL", "ENOSPC"]);
    assert_eq!(place.update(), first);
    place.put("docker-worker/other.asc", place.public("worker"));
    let second = place.commit("another key");
    place.tag("v2", "keeper");
    every_passage(&place, Some(&first), &second, &["KILL"]);
}
