//! `check-config` and `show-config` as a user runs them: the real binary, an empty environment.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests may fail loudly, and prepare files below their own temporary directory"
)]

#[path = "config_check/key_files.rs"]
mod key_files;
#[path = "config_check/other_user.rs"]
mod other_user;
#[path = "config_check/policy.rs"]
mod policy;
#[path = "config_check/show.rs"]
mod show;

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

const CANARY: &str = "canary-token/+=";

struct Place(tempfile::TempDir);

struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.path(name), text).unwrap();
        name.to_owned()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_scriptworker"));
        command.args(arguments).env_clear().current_dir(self.0.path());
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        ran(self.command(arguments))
    }

    /// The findings of `check-config`, without the directory of this test, and its exit code.
    fn check(&self, text: &str, more: &[&str]) -> (Option<i32>, Vec<String>) {
        self.write("c.yaml", text);
        let ran = self.run(&[&["check-config", "c.yaml"], more].concat());
        assert_eq!(ran.stderr, "");
        let here = format!("{}/", self.0.path().display());
        (ran.code, ran.stdout.replace(&here, "").lines().map(str::to_owned).collect())
    }
}

fn ran(mut command: Command) -> Ran {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// The least that is right.
const BASE: &str = "\
work_dir: /srv/w
artifact_dir: /srv/a
task_log_dir: /srv/a/public/logs
log_dir: /srv/l
sign_chain_of_trust: false
credentials: {clientId: me, accessToken: canary-token/+=}
";

/// Lines with a mistake name it behind `#!`: the key path, what the message must hold, and the rule in words.
const PLANTED: &str = r#"
workdir: /srv/w                                 #! workdir | found "workdir" (did you mean work_dir?)
shoe_size: 42                                   #! shoe_size | expected a known key
artifact_dir: /srv/a
artifact_dir: /srv/b                            #! artifact_dir | a second one (the first is in line 4)
task_log_dir: ...                               #! task_log_dir | the placeholder
verbose: "true"                                 #! verbose | expected true or false, found a text ("true")
watch_log_file: yes                             #! watch_log_file | expected true or false, found a text ("yes")
poll_interval: 1.0                              #! poll_interval | found a number with a fraction (1.0)
reclaim_interval: "300"                         #! reclaim_interval | found a text ("300")
shutdown_timeout: 1                             #! shutdown_timeout | expected a whole number from 2 to
task_max_timeout: 0                             #! task_max_timeout | expected a whole number from 1 to
artifact_upload_timeout: true                   #! artifact_upload_timeout | found a boolean (true)
task_max_timeout_status: 8                      #! task_max_timeout_status | from 1 to 7
log_max_bytes: -1                               #! log_max_bytes | found a whole number (-1)
log_num_backups: 3                              #! log_num_backups | found both
log_max_backups: 4
log_fmt: "%(nope)s"                             #! log_fmt | unknown name "nope"
log_datefmt: "%!"                               #! log_datefmt | unknown code
log_format: xml                                 #! log_format | one of text, json
Kill_Grace: 1                                   #! Kill_Grace | did you mean kill_grace?
kill_first_signal: KILL                         #! kill_first_signal | one of TERM, INT
taskcluster_root_url: ftp://tc.example.com      #! taskcluster_root_url | an http or https URL
provisioner_id: a b                             #! provisioner_id | 1 to 38 letters
worker_group: abcdefghijklmnopqrstuvwxyz-abcdefghijklm  #! worker_group | 1 to 38 letters
worker_id: 12                                   #! worker_id | found a whole number (12)
worker_type: [signing]                          #! worker_type | found a list
task_script:
  - bash
  - 1                                           #! task_script[1] | expected a text, found a whole number (1)
  - {a: b}                                      #! task_script[2] | found a map
reversed_statuses:
  245: intermittent-task
  9: failure                                    #! reversed_statuses.9 | internal-error
credentials:
  clientId: me                                  #! credentials.accessToken | found nothing
  certificate: canary-token/+=                  #! credentials.certificate | a JSON object as text
  certificate: two                              #! credentials.certificate | a second one (the first is in line 37)
cot_product: firefix                            #! cot_product | did you mean firefox?
cot_restricted_trees: 5                         #! cot_restricted_trees | found a whole number (5)
valid_hash_algorithms: sha256                   #! valid_hash_algorithms | a list of texts
ed25519_public_keys: ~                          #! ed25519_public_keys | found null
trusted_vcs_rules:
  by-cot-product:
    firefox: none                               #! trusted_vcs_rules.by-cot-product.firefox | a list of maps
github_oauth_token: [canary-token/+=]           #! github_oauth_token | found a list (not shown)
ed25519_private_key_path: /srv/a/key            #! - | -
sign_chain_of_trust: maybe                      #! sign_chain_of_trust | found a text ("maybe")
"#;

/// Line, key path and a part of the message of every planted mistake.
fn planted() -> Vec<(usize, &'static str, &'static str)> {
    let lines =
        PLANTED.lines().zip(1..).filter_map(|(line, number)| Some((line.split_once("#! ")?.1, number)));
    lines
        .map(|(mark, number)| {
            let (key, part) = mark.split_once(" | ").unwrap();
            (number, key, part)
        })
        .filter(|(_, key, _)| *key != "-")
        .collect()
}

#[test]
fn every_planted_mistake_is_named_in_one_go_with_its_line() {
    let place = Place::new();
    // the marks are comments of the file; without them, too, every line stays where it is
    let text: String =
        PLANTED.lines().map(|line| format!("{}\n", line.split("#!").next().unwrap().trim_end())).collect();
    let (code, found) = place.check(&text, &[]);
    assert_eq!(code, Some(1));
    let errors: Vec<&String> = found.iter().filter(|line| line.starts_with("error: ")).collect();
    let mut planted = planted();
    assert!(planted.len() >= 30, "{}", planted.len());
    for (line, key, part) in &planted {
        let hits = errors.iter().filter(|error| {
            error.starts_with(&format!("error: c.yaml:{line}:"))
                && error.contains(&format!(": {key}: expected "))
                && error.contains(part)
        });
        // the accessToken that is missing is told at the map that lacks it
        let hits = if *key == "credentials.accessToken" {
            errors
                .iter()
                .filter(|error| error.starts_with("error: c.yaml:35:") && error.contains(key))
                .count()
        } else {
            hits.count()
        };
        assert_eq!(hits, 1, "line {line}: {key}: {part}\n{found:#?}");
    }
    // what is not there has no line; what lies in a directory that is wiped is told at that directory
    for absent in ["work_dir", "log_dir"] {
        assert!(
            errors.iter().any(|error| error.starts_with(&format!("error: c.yaml: {absent}: "))),
            "{absent}"
        );
        planted.push((0, absent, ""));
    }
    let conflict = "error: c.yaml:4:1: artifact_dir: expected ed25519_private_key_path outside of it";
    assert!(errors.iter().any(|error| error.starts_with(conflict)), "{found:#?}");
    assert_eq!(errors.len(), planted.len() + 1, "nothing else: {found:#?}");
    assert!(!found.join("\n").contains(CANARY), "{found:#?}");
    assert_eq!(found.last().unwrap(), &format!("not usable: {} errors", errors.len()));
}

#[test]
fn the_worker_itself_refuses_with_the_same_list() {
    let place = Place::new();
    place.write("c.yaml", PLANTED);
    let checked = place.run(&["check-config", "c.yaml"]);
    let refused = place.run(&["c.yaml"]);
    assert_eq!((checked.code, refused.code, refused.stdout.as_str()), (Some(1), Some(1), ""));
    for line in checked.stdout.lines().filter_map(|line| line.strip_prefix("error: ")) {
        assert!(refused.stderr.lines().any(|refusal| refusal == line), "{line}\n{}", refused.stderr);
    }
    assert_eq!(refused.stderr.lines().last(), Some("Exiting..."));
}

#[test]
fn what_is_only_doubtful_or_to_be_filled_in_passes() {
    let place = Place::new();
    assert_eq!(place.check(BASE, &[]), (Some(0), vec!["no mistakes".to_owned()]));
    let (code, found) = place.check(&format!("{BASE}cot_version: 3\nworker_type: Signing\n"), &[]);
    assert_eq!(code, Some(0));
    assert!(found[0].starts_with("warning: c.yaml:7:1: cot_version: expected no such key"), "{found:?}");
    assert!(found[1].starts_with("warning: c.yaml:8:1: worker_type: "), "{found:?}");
    assert_eq!(found[2], "no mistakes: 2 warnings");
    let verifying = "verify_chain_of_trust: true\ncot_product: xpi\ncot_job_type: signing\n";
    let text = format!("{}{verifying}", BASE.replace("canary-token/+=", "..."));
    let (code, found) = place.check(&format!("{text}shoe_size: 1\n"), &[]);
    assert_eq!(code, Some(1), "with the rest, not only when the rest is right");
    assert!(found[0].starts_with("error: c.yaml:10:1: shoe_size: "), "{found:?}");
    assert!(found[1].starts_with("note: c.yaml:6:29: credentials.accessToken: "), "{found:?}");
    assert_eq!(found[2], "not usable: 1 error, 1 note");
    let (code, found) = place.check(&text, &[]);
    assert_eq!(code, Some(0));
    let end = "no mistakes: 1 note; run refuses it until the notes are settled";
    assert_eq!(found.last().unwrap(), end);
    let refused = place.run(&["c.yaml"]);
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains("credentials.accessToken"), "{}", refused.stderr);
}

#[test]
fn files_that_are_no_configuration_are_told_apart() {
    let place = Place::new();
    for (text, part) in [
        ("", "expected a map of keys and values, found an empty file"),
        ("a: [1\nb: 2\n", "c.yaml:"),
        ("- a\n", "found a list"),
    ] {
        let (code, found) = place.check(text, &[]);
        assert_eq!((code, found.len()), (Some(1), 2), "{found:?}");
        assert!(found[0].starts_with("error: c.yaml") && found[0].contains(part), "{found:?}");
    }
    let ran = place.run(&["check-config", "absent.yaml"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stdout.contains("absent.yaml: expected a readable file"), "{}", ran.stdout);
}

/// production-contract.md 1: the JSON as it is rendered today.
fn production() -> Value {
    json!({
        "artifact_dir": "/app/artifacts",
        "artifact_upload_timeout": 1200,
        "cot_job_type": "scriptworker",
        "cot_product": "firefox",
        "credentials": {"accessToken": CANARY, "clientId": "project/releng/scriptworker"},
        "ed25519_private_key_path": "/app/configs/ed25519_privkey",
        "github_oauth_token": CANARY,
        "log_dir": "/app/logs",
        "provisioner_id": "scriptworker-k8s",
        "scriptworker_provisioners": ["scriptworker-k8s", "scriptworker-prov-v1"],
        "sign_chain_of_trust": true,
        "task_log_dir": "/app/artifacts/public/logs",
        "task_max_timeout": 7200,
        "task_script": ["/app/.venv/bin/signingscript", "/app/configs/worker.json"],
        "taskcluster_root_url": "https://firefox-ci-tc.services.mozilla.com/",
        "verbose": true,
        "verify_chain_of_trust": true,
        "verify_cot_signature": true,
        "watch_log_file": true,
        "work_dir": "/app/workdir",
        "worker_group": "gecko-3-signing",
        "worker_id": "gecko-3-signing-abcdefghij",
        "worker_type": "gecko-3-signing",
    })
}

#[test]
fn the_production_json_and_both_templates_pass_as_they_are() {
    let place = Place::new();
    let (code, found) = place.check(&serde_json::to_string_pretty(&production()).unwrap(), &[]);
    assert_eq!(code, Some(0), "{found:#?}");
    let notes: Vec<&String> = found.iter().filter(|line| line.starts_with("note: ")).collect();
    assert_eq!((notes.len(), found.len()), (1, 2), "{found:#?}");
    assert!(notes[0].starts_with("note: c.yaml:10:3: ed25519_private_key_path: "), "{found:#?}");
    assert!(notes[0].contains("No such file"), "{found:#?}");
    for name in ["scriptworker.yaml", "scriptworker-classic.yaml"] {
        let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name);
        let (code, found) = place.check(&std::fs::read_to_string(template).unwrap(), &[]);
        assert_eq!(code, Some(0), "{name}: {found:#?}");
        assert!(!found.iter().any(|line| line.starts_with("warning")), "{name}: {found:#?}");
    }
}

#[test]
fn the_scripts_own_configuration_must_have_the_same_directories() {
    let place = Place::new();
    let more = ["--script-config", "worker.json"];
    place.write("worker.json", "{\"work_dir\": \"/srv/./w/\", \"artifact_dir\": \"/srv/a\", \"verbose\": 1}");
    assert_eq!(place.check(BASE, &more), (Some(0), vec!["no mistakes".to_owned()]));
    place.write("worker.json", "work_dir: /srv/w\n# the old one\nartifact_dir: /srv/artifacts\n");
    let (code, found) = place.check(BASE, &more);
    assert_eq!(code, Some(1));
    let expected = "error: worker.json:3:1: artifact_dir: expected the worker's artifact_dir, \"/srv/a\", found a \
                    text (\"/srv/artifacts\")";
    assert_eq!(found[0], expected);
    place.write("worker.json", "{\n\"work_dir\": [1]}");
    let (code, found) = place.check(&format!("{BASE}shoe_size: 1\n"), &more);
    assert_eq!(code, Some(1));
    assert!(found[0].starts_with("error: c.yaml:7:1: shoe_size"), "{found:?}");
    assert!(found[1].starts_with("error: worker.json:2:1: work_dir: "), "{found:?}");
    assert!(found[2].starts_with("warning: worker.json: artifact_dir: "), "{found:?}");
    for text in ["{", "[]"] {
        place.write("worker.json", text);
        assert_eq!(place.check(BASE, &more).0, Some(1), "{text}");
    }
}

#[test]
fn what_the_environment_got_wrong_is_not_blamed_on_the_file() {
    let place = Place::new();
    place.write("c.yaml", BASE);
    let mut command = place.command(&["check-config", "c.yaml"]);
    command.env("SCRIPTWORKER_WORKER_ID", "a b").env("TASKCLUSTER_ROOT_URL", "tc");
    let ran = ran(command);
    assert_eq!(ran.code, Some(1));
    let mut lines: Vec<&str> = ran.stdout.lines().collect();
    lines.sort_unstable();
    assert!(lines[0].starts_with("error: SCRIPTWORKER_WORKER_ID: expected 1 to 38"), "{lines:?}");
    assert!(lines[1].starts_with("error: TASKCLUSTER_ROOT_URL: expected an http"), "{lines:?}");
}
