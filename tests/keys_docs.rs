//! `docs/keys.md` can be followed word for word: its commands are run in their order, and every test that its table of
//! counterparts names exists.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that prepares a place for commands"
)]

#[path = "support/skip.rs"]
mod skip;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

/// Every function of the old worker's module for gpg.
const OLD_FUNCTIONS: &str = include_str!("fixtures/keys/old_functions.txt");

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn document() -> String {
    fs::read_to_string(Path::new(ROOT).join("docs/keys.md")).unwrap()
}

/// The commands of all blocks, one after another.
fn commands(document: &str) -> String {
    let blocks = document.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap());
    blocks.collect::<Vec<_>>().join("\n")
}

#[test]
fn every_command_of_the_walk_does_what_it_says() {
    if ["gpg", "git"].iter().any(|tool| Command::new(tool).arg("--version").output().is_err()) {
        skip::skip("gpg or git is not installed");
        return;
    }
    // short: the socket of gpg's agent is in it
    let dir = tempfile::Builder::new().prefix("keys").tempdir_in("/tmp").unwrap();
    let [bin, gpg, desk] = ["bin", "gpg", "desk"].map(|name| dir.path().join(name));
    [&bin, &gpg, &desk].into_iter().for_each(|path| fs::create_dir(path).unwrap());
    fs::set_permissions(&gpg, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    symlink(env!("CARGO_BIN_EXE_scriptworker"), bin.join("scriptworker")).unwrap();
    // what a person would type when gpg asks
    let typed = format!(
        "batch\nyes\npinentry-mode loopback\npassphrase-file {}\n",
        desk.join("keeper/passphrase").display()
    );
    fs::write(gpg.join("gpg.conf"), typed).unwrap();
    let script = commands(&document());
    assert!(script.matches("scriptworker ").count() > 15, "{script}");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-x", "-c", &script])
        .current_dir(&desk)
        .env_clear()
        .env("PATH", path)
        .env("HOME", dir.path())
        .env("GNUPGHOME", &gpg)
        .envs([("GIT_AUTHOR_NAME", "Keeper"), ("GIT_AUTHOR_EMAIL", "keykeeper@keeper.example.com")])
        .envs([("GIT_COMMITTER_NAME", "Keeper"), ("GIT_COMMITTER_EMAIL", "keykeeper@keeper.example.com")])
        .output()
        .unwrap();
    let _ = Command::new("gpgconf").env("GNUPGHOME", &gpg).args(["--kill", "all"]).output();
    let [out, said] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
    assert!(output.status.success(), "{said}\n{out}");
    // first all three count, in the end only the keeper's own and the new one of host1
    for (state, count) in [("\nvalid    ", 5), ("\ninvalid  ", 2)] {
        assert_eq!(out.matches(state).count(), count, "{state:?}: {out}");
    }
    for refusal in ["refused: unknown-key", "refused: revoked"] {
        assert!(said.contains(refusal), "{said}");
    }
}

/// The rows of the table of counterparts.
fn counterparts(document: &str) -> Vec<Vec<String>> {
    let (_, section) = document.split_once("\n## Counterparts\n").unwrap();
    let rows = section.split("\n## ").next().unwrap().lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| row.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()).collect()
}

/// Every Rust file of the project's own.
fn sources(dir: &Path, text: &mut String) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn every_function_of_the_old_gpg_chapter_has_its_counterpart_with_a_test() {
    let mut code = String::new();
    ["src", "tests", "core/src", "core/tests"]
        .iter()
        .for_each(|dir| sources(&Path::new(ROOT).join(dir), &mut code));
    let rows = counterparts(&document());
    assert!(rows.len() > 30, "{} rows", rows.len());
    for row in &rows {
        let [old, ours, test] = row.as_slice() else { panic!("expected three cells: {row:?}") };
        assert!(!ours.is_empty(), "{old}");
        for name in test.split('`').skip(1).step_by(2) {
            let test = format!("fn {}(", name.rsplit("::").next().unwrap());
            assert!(code.contains(&test), "{old}: there is no test {name}");
        }
    }
}

/// The names in the specification's list, where it is at hand.
#[test]
fn the_counterparts_are_complete() {
    let known: Vec<String> =
        counterparts(&document()).into_iter().filter_map(|row| row.into_iter().next()).collect();
    for name in OLD_FUNCTIONS.lines() {
        let found = known.iter().any(|known| known.contains(&format!("`{name}`")));
        assert!(found, "docs/keys.md has no counterpart for {name}");
    }
}

/// The list itself, where the specification is beside the repository.
#[test]
fn no_function_of_the_old_worker_is_left_out() {
    let path = Path::new(ROOT).join("../shared/spec/seed-coverage.md");
    let Ok(coverage) = fs::read_to_string(path) else {
        println!("SKIPPED: the specification is not beside the repository");
        return;
    };
    let (_, section) = coverage.split_once("### 8.5 ").unwrap();
    let section = section.split("\n### ").next().unwrap();
    let mut names = Vec::new();
    for row in section.lines().filter(|line| line.starts_with("| ☐")) {
        // what stands in brackets is about the item, not another one
        let item = row.split(" | ").nth(1).unwrap().split(" (").next().unwrap();
        names.extend(
            item.split('`').skip(1).step_by(2).map(|name| name.split('(').next().unwrap().to_owned()),
        );
    }
    assert_eq!(OLD_FUNCTIONS.lines().collect::<Vec<_>>(), names);
}
