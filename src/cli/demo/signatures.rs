//! Whether others accept what the worker signed: `verify-signature`, and gpg where it is installed; and whether what is
//! stated is what was found.

use super::cases::Case;
use super::compare::{Difference, Found, FoundRun};
use super::keys;
use super::places::{Places, Who};
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
            all.extend(our_own(number, CLASSIC_NAME, &dir, places, case.who));
            all.extend(gpg(number, &dir, places, case.who));
        }
        if has(CURRENT_NAME) {
            all.extend(our_own(number, CURRENT_NAME, &dir, places, case.who));
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

/// What our own command says, with the keys that the configuration names.
fn our_own(run: usize, name: &str, dir: &Path, places: &Places, who: Who) -> Option<Difference> {
    let verify = || {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("verify-signature").arg(dir.join(name)).arg("--config").arg(places.config(who));
        ask(command.args(["--keyring", keys::IMPLEMENTATION]))
    };
    let said = verify().unwrap_or_else(|error| Err(error.to_string())).err()?;
    Some(Difference::Signature { run, name: name.to_owned(), by: "verify-signature", said })
}

/// What gpg says, with a home of its own that knows the worker's key; nothing where it is not installed.
fn gpg(run: usize, dir: &Path, places: &Places, who: Who) -> Option<Difference> {
    let gpg = |arguments: &[&Path]| {
        let mut command = Command::new("gpg");
        command.args(["--no-options", "--batch", "--quiet", "--homedir"]).arg(places.gpg_home());
        command.args(["--no-autostart", "--trust-model", "always"]).args(arguments);
        ask(&mut command)
    };
    let said = match gpg(&[Path::new("--import"), &places.public_key(who)]) {
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
        !ATTESTATION_NAMES.contains(&artifact.name.as_str())
            && !matches!(artifact.content, FoundContent::Link { .. })
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

#[cfg(test)]
mod tests {
    use super::super::compare::FoundArtifact;
    use super::*;
    use serde_json::json;

    #[test]
    fn a_digest_that_is_not_stated_as_it_is_shows() {
        let dir = tempfile::tempdir().unwrap();
        let body = json!({"artifacts": {"public/a": {"sha256": "aa"}, "public/b": {"sha256": "bb"}}});
        crate::fsio::create_dir_all(&dir.path().join("public")).unwrap();
        let path = dir.path().join(CURRENT_NAME);
        crate::key_files::write_new(&path, body.to_string().as_bytes(), 0o600).unwrap();
        let found = |name: &str, content| FoundArtifact {
            name: name.to_owned(),
            content_type: "text/plain".to_owned(),
            content,
        };
        let bytes =
            |sha256: &str| FoundContent::Bytes { size: 1, sha256: sha256.to_owned(), text: String::new() };
        let run = |b| FoundRun {
            outcome: "completed".to_owned(),
            artifacts: vec![
                found("public/a", bytes("aa")),
                found("public/b", bytes(b)),
                found("public/link", FoundContent::Link { to: "public/a".to_owned() }),
                found(CURRENT_NAME, bytes("cc")),
            ],
        };
        assert_eq!(stated(0, &run("bb"), dir.path()), None);
        let wrong = Difference::Stated { run: 0, expected: 2, found: 1 };
        assert_eq!(stated(0, &run("bc"), dir.path()), Some(wrong));
    }
}
