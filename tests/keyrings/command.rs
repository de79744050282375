//! `scriptworker rebuild-keyrings` when all is well, and its lock.

use super::support::Place;
use scriptworker::keyrings::{Lock, LockState, fetch_ready, load_keyring};
use scriptworker_core::openpgp::{KeyReason, Role};
use scriptworker_core::time::UnixMillis;
use std::process::Command;

fn now() -> UnixMillis {
    UnixMillis(chrono::Utc::now().timestamp_millis())
}

#[test]
fn a_signed_tag_becomes_keyrings_by_way_of_the_lock() {
    let place = Place::new();
    let first = place.head();
    place.tag("v1", "keeper");
    let called = place.rebuild();
    assert_eq!(called.code, 0, "{}", called.said);
    let said = format!(
        "new keyrings are ready for the worker: revision {first}, tag v1, signed by {}\n",
        place.fingerprint("keeper")
    );
    assert_eq!(called.said, said);

    // as the old worker would see it
    let lock = std::fs::read_to_string(place.path("gpg_homedir.lock")).unwrap();
    let (state, time) = lock.split_once(':').unwrap();
    assert_eq!(state, "ready");
    assert!((now().0 / 1000 - time.parse::<i64>().unwrap()).abs() < 600, "{time}");
    assert!(place.path("keyrings.tmp/docker-worker").is_dir() && !place.path("keyrings").exists());
    assert_eq!(std::fs::read_to_string(place.path("git_revision")).unwrap(), first, "no newline");

    let again = place.rebuild();
    assert_eq!(again.code, 0, "{}", again.said);
    assert!(again.said.contains("nothing is done now") && again.said.contains("Ready"), "{}", again.said);

    let config = place.config().keyrings;
    assert!(fetch_ready(&config).unwrap().is_some());
    assert_eq!(Lock::look(&config.lockfile).unwrap(), LockState::Absent);
    assert!(place.path("keyrings/index.json").exists() && !place.path("keyrings.tmp").exists());
    let flat = load_keyring(&config, "docker-worker").unwrap().keys(now());
    assert_eq!(
        flat.iter().map(|key| (key.role, key.state.clone())).collect::<Vec<_>>(),
        [(Role::Flat, Ok(()))]
    );
    assert_eq!(flat[0].fingerprint.to_string(), place.fingerprint("docker"));
    let signed = load_keyring(&config, "scriptworker").unwrap().keys(now());
    let states: Vec<_> = signed.iter().map(|key| (key.role, key.state.clone())).collect();
    assert_eq!(states, [(Role::Trusted, Ok(())), (Role::Valid, Ok(()))]);
    assert!(load_keyring(&config, "generic-worker").is_err());

    let unchanged = place.rebuild();
    assert!(unchanged.said.starts_with("the keyrings are current: "), "{}", unchanged.said);
    assert_eq!(Lock::look(&config.lockfile).unwrap(), LockState::Absent, "nothing is left behind");

    place.put("scriptworker/valid/docker.asc", place.public("docker"));
    let second = place.commit("a worker that nobody certified");
    assert_eq!(place.update(), first, "not tagged yet");
    place.tag("v2", "keeper");
    assert_eq!(place.update(), second);
    let signed = load_keyring(&config, "scriptworker").unwrap().keys(now());
    let docker =
        signed.iter().find(|key| key.fingerprint.to_string() == place.fingerprint("docker")).unwrap();
    assert_eq!(docker.state, Err(KeyReason::UntrustedIssuer));
    assert!(place.path("keyrings.old/index.json").exists(), "one backup");
}

#[test]
fn a_signed_commit_will_do_where_nothing_is_tagged() {
    let place = Place::new();
    let commit = place.commit_signed("signed", "keeper");
    // a lightweight tag is only another name of the commit
    place.git(&["tag", "v1"]);
    assert_eq!(place.update(), commit);
    let index: serde_json::Value =
        serde_json::from_slice(&std::fs::read(place.path("keyrings/index.json")).unwrap()).unwrap();
    assert_eq!(index["source"]["revision"], commit);
    assert_eq!(index["source"]["tag"], serde_json::Value::Null);
    assert_eq!(index["source"]["signed_by"], place.fingerprint("keeper"));
    let entry = &index["keyrings"]["docker-worker"]["keys"][0];
    assert_eq!(entry["user_ids"][0], "docker (test key) <docker@example.com>");
    assert!(place.path("keyrings").join(entry["file"].as_str().unwrap()).is_file());
}

#[test]
fn another_layout_is_another_set_of_the_same_revision() {
    let place = Place::new();
    place.tag("v1", "keeper");
    let revision = place.update();
    place.set(
        "gpg_homedirs",
        serde_json::json!({"docker-worker": {"type": "flat", "ignore_suffixes": [".md"]}}),
    );
    assert_eq!(place.update(), revision);
    assert_eq!(place.load().unwrap().implementations().collect::<Vec<_>>(), ["docker-worker"]);
}

#[test]
fn the_origin_of_a_clone_that_is_there_is_used_unless_the_file_names_another() {
    let place = Place::new();
    place.tag("v1", "keeper");
    place.git(&["clone", "--quiet", ".", place.path("clone").to_str().unwrap()]);
    place.unset("git_key_repo_url");
    let revision = place.update();
    assert_eq!(revision, place.head());
    assert!(place.path("clone/.git/scriptworker.git/HEAD").exists());
    assert!(place.path("clone/README.md").exists(), "their work tree is left alone");

    let config = place.path("clone/.git/config");
    let text = std::fs::read_to_string(&config).unwrap();
    let origin = place.path("origin");
    std::fs::write(&config, text.replace(origin.to_str().unwrap(), "ext::touch% /tmp/never")).unwrap();
    let called = place.rebuild();
    assert_eq!(called.code, 5, "{}", called.said);
    assert!(called.said.contains("expected an https, ssh or file URL"), "{}", called.said);
    place.set("git_key_repo_url", origin.to_str().unwrap());
    assert_eq!(place.update(), revision);
}

#[test]
fn a_remote_out_of_reach_is_tried_again_and_has_an_exit_code_of_its_own() {
    let place = Place::new();
    place.tag("v1", "keeper");
    place.update();
    std::fs::rename(place.path("origin"), place.path("gone")).unwrap();
    let before = place.state();
    let called = place.rebuild();
    assert_eq!(called.code, 4, "{}", called.said);
    assert!(called.said.contains("(git): failed to git fetch: "), "{}", called.said);
    let log = std::fs::read_to_string(place.path("log/rebuild_gpg_homedirs.log")).unwrap();
    assert_eq!(log.matches("trying again").count(), 4, "{log}");
    assert_eq!(place.state(), before);
    std::fs::rename(place.path("gone"), place.path("origin")).unwrap();
    place.update();
}

#[test]
fn a_lock_that_is_held_stops_a_rebuild_and_one_that_was_left_behind_does_not() {
    let place = Place::new();
    place.tag("v1", "keeper");
    let path = place.path("gpg_homedir.lock");
    let lock = Lock::build(&path, now()).unwrap();
    let called = place.rebuild();
    assert_eq!(called.code, 0, "{}", called.said);
    let holder = format!("(process {} is at work)", std::process::id());
    assert!(called.said.contains("nothing is done now") && called.said.contains(&holder), "{}", called.said);
    // as if this process were killed
    drop(lock);
    assert_eq!(Lock::look(&path).unwrap(), LockState::Locked);
    assert_eq!(place.update(), place.head());
}

#[test]
fn a_ready_set_that_is_not_whole_is_not_taken_over_and_the_lock_goes() {
    let place = Place::new();
    place.tag("v1", "keeper");
    let first = place.update();
    place.put("docker-worker/other.asc", place.public("worker"));
    let second = place.commit("another");
    place.tag("v2", "keeper");
    assert_eq!(place.rebuild().code, 0);
    // as gpg's own directories look, or half of ours
    std::fs::remove_file(place.path("keyrings.tmp/index.json")).unwrap();
    let config = place.config().keyrings;
    fetch_ready(&config).unwrap_err();
    assert_eq!(Lock::look(&config.lockfile).unwrap(), LockState::Absent);
    assert_eq!(place.load().unwrap().source().revision, first);
    assert_eq!(place.update(), second);
}

#[test]
fn the_old_name_works_as_a_link_and_what_is_not_configured_is_named() {
    let place = Place::new();
    place.tag("v1", "keeper");
    let link = place.path("rebuild_gpg_homedirs");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_scriptworker"), &link).unwrap();
    let call = || Command::new(&link).arg(place.config_file()).env_clear().output().unwrap();
    let output = call();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    place.unset("git_key_repo_dir");
    let output = call();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("git_key_repo_dir is not set"));
    place.set("git_key_repo_dir", place.path("clone").to_str().unwrap());
    place.unset("git_commit_signing_pubkey_dir");
    let output = call();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("because git_key_repo_dir is set"));
}
