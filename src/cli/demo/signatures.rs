//! Whether others accept what the worker signed: gpg where it is installed; and whether what is stated is what was
//! found.

use super::cases::Case;
use super::compare::{Difference, Found, FoundRun};
use super::keys;
use super::site::Places;
use crate::cli::stored::FoundContent;
use scriptworker_core::cot::{ATTESTATION_NAMES, CLASSIC_NAME, CURRENT_NAME};
use serde_json::Value;
use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Everything that somebody refuses of the attestations of a task.
pub(super) fn check(case: &Case, found: &Found, places: &Places) -> Vec<Difference> {
    let mut all = Vec::new();
    for (number, run) in found.runs.iter().enumerate() {
        let dir = places.tasks().join(case.name).join(format!("run-{number}"));
        let has = |name: &str| run.artifacts.iter().any(|artifact| artifact.name == name);
        if has(CLASSIC_NAME) {
            all.extend(gpg(number, &dir, places));
        }
        if has(CURRENT_NAME) {
            all.extend(stated(number, run, &dir));
        }
    }
    all
}

/// Runs a program to its end; what it said, when it refuses.
fn ask(program: &mut Command) -> io::Result<Result<(), String>> {
    let Output { status, stdout, stderr } = program.stdin(Stdio::null()).output()?;
    let said = [stdout, stderr].concat();
    Ok(if status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&said).trim().replace('\n', "; ")) })
}

/// What gpg says, with a home of its own that knows the worker's key; nothing where it is not installed.
fn gpg(run: usize, dir: &Path, places: &Places) -> Option<Difference> {
    let gpg = |arguments: &[&Path]| {
        let mut command = Command::new("gpg");
        command.args(["--no-options", "--batch", "--quiet", "--homedir"]).arg(places.gpg_home());
        command.args(["--no-autostart", "--trust-model", "always"]).args(arguments);
        ask(&mut command)
    };
    let said = match gpg(&[Path::new("--import"), &places.keys().join(keys::PUBLIC)]) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => Err(error.to_string()),
        Ok(Err(said)) => Err(said),
        Ok(Ok(())) => match gpg(&[Path::new("--verify"), &dir.join(CLASSIC_NAME)]) {
            Ok(said) => said,
            Err(error) => Err(error.to_string()),
        },
    };
    said.err().map(|said| Difference::Signature { run, name: CLASSIC_NAME.to_owned(), by: "gpg", said })
}

/// The body states every artifact of the run, with the digest of its bytes.
fn stated(run: usize, found: &FoundRun, dir: &Path) -> Option<Difference> {
    let read = File::open(dir.join(CURRENT_NAME)).and_then(io::read_to_string);
    let body: Value = read.ok().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let others = found.artifacts.iter().filter(|artifact| {
        !ATTESTATION_NAMES.contains(&artifact.name.as_str()) && artifact.content != FoundContent::Link
    });
    let is_stated = |name: &str, sha256: &str| {
        body.get("artifacts").and_then(|all| all.get(name)?.get("sha256")?.as_str()) == Some(sha256)
    };
    let (mut expected, mut right) = (0, 0);
    for artifact in others {
        expected += 1;
        if let FoundContent::Bytes { sha256, .. } = &artifact.content
            && is_stated(&artifact.name, sha256)
        {
            right += 1;
        }
    }
    (right != expected).then_some(Difference::Stated { run, expected, found: right })
}
