//! The verb against what tasks and hosts may try.

use crate::site::hg::{self, Tampering, tampered};
use crate::site::{ARTIFACT, BUILD, DECISION, SIGNING, Site};
use crate::{code, refusals, text, verdict};
use scriptworker::embedded_queue::Call;
use scriptworker_core::cot::reason::Reason;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What the signing task asks for of the build.
fn asking(paths: &[&str], optional: bool) -> hg::Asking {
    hg::Asking { paths: paths.iter().map(|path| (*path).to_owned()).collect(), optional }
}

#[test]
fn each_thing_is_fetched_once_and_told() {
    let site = Site::of(&hg::release());
    let output = site.verify(&["--verbose"]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    let stderr = text(&output.stderr);
    let told: Vec<_> = stderr.lines().filter(|line| line.starts_with("got ")).collect();
    for expected in [
        format!("got definition of {BUILD}"),
        format!("got status of {DECISION}"),
        format!("got {ARTIFACT} of {BUILD}/0"),
        "got list of projects".to_owned(),
    ] {
        assert_eq!(told.iter().filter(|line| **line == expected).count(), 1, "{expected}: {stderr}");
    }
    assert_eq!(told.iter().collect::<BTreeSet<_>>().len(), told.len(), "{stderr}");
    let calls: Vec<_> = site
        .queue
        .calls()
        .into_iter()
        .map(|call| (call.call, call.task_id, call.run_id, call.name))
        .collect();
    let once: BTreeSet<_> = calls.iter().map(|call| format!("{call:?}")).collect();
    assert_eq!(once.len(), calls.len(), "{calls:#?}");
    assert!(calls.iter().filter(|call| call.0 == Call::Status).count() == 4, "{calls:#?}");
    let seen = site.host.seen();
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), seen.len(), "{seen:?}");
    // the progress is not part of the verdict
    assert!(!text(&output.stdout).contains("got "), "{}", text(&output.stdout));
}

#[test]
fn row_081_an_optional_artifact_that_is_not_as_it_was_attested_is_left_out() {
    for served in [None, Some(b"a bulld".to_vec())] {
        let mut release = hg::asking(&asking(&[ARTIFACT], true));
        release.served.insert((BUILD, ARTIFACT.to_owned()), served.clone());
        let site = Site::of(&release);
        let output = site.verify(&["--json"]);
        let shown = verdict(&output);
        assert_eq!(code(&output), 0, "{shown}");
        assert!(shown.to_string().contains(&format!("without {ARTIFACT}")), "{shown}");
        let work = std::fs::read_dir(site.path("tmp")).unwrap().next().unwrap().unwrap().path();
        assert!(!work.join("cot").join(BUILD).join(ARTIFACT).exists(), "it never reaches the script");
        let mut needed = hg::release();
        needed.served.insert((BUILD, ARTIFACT.to_owned()), served.clone());
        let reason = if served.is_some() { Reason::Hash } else { Reason::MissingArtifact };
        let output = Site::of(&needed).verify(&["--json"]);
        assert_eq!(refusals(&verdict(&output)), [(BUILD.to_owned(), reason.code().to_owned())]);
    }
}

#[test]
fn row_074_and_row_075_places_that_collide_are_not_handed_over() {
    for (paths, reason) in [
        (["public/a", "public/a/b"], Reason::PathConflict),
        (["public/A", "public/a"], Reason::PathConflict),
        (["public/a", "task.json"], Reason::Reserved),
        (["public/a", "public/chain-of-trust.json"], Reason::Reserved),
    ] {
        let mut release = hg::asking(&asking(&paths, false));
        for path in paths.iter().filter(|path| !path.contains("chain-of-trust")) {
            release.artifact(BUILD, path, b"content");
        }
        let site = Site::of(&release);
        let output = site.verify(&["--json"]);
        let found = refusals(&verdict(&output));
        assert_eq!(
            (code(&output), found),
            (3, vec![(BUILD.to_owned(), reason.code().to_owned())]),
            "{paths:?}"
        );
        assert_eq!(std::fs::read_dir(site.path("tmp")).unwrap().count(), 0, "nothing is handed over");
    }
}

#[test]
fn row_131_a_list_of_projects_without_the_project_is_refused() {
    let site = Site::of(&hg::release());
    let other = "other: {repo: 'https://hg.mozilla.org/other', repo_type: hg, access: scm_level_3}\n";
    site.host.answer("/projects.yml", 200, other);
    let output = site.verify(&["--json"]);
    assert_eq!(code(&output), 3);
    assert_eq!(refusals(&verdict(&output)), [(DECISION.to_owned(), Reason::Project.code().to_owned())]);
    // what is asked is asked anew by every verification: nothing is stale
    let asked = || site.host.seen().iter().filter(|path| *path == "/projects.yml").count();
    let before = asked();
    site.verify(&["--json"]);
    assert_eq!(asked(), before + 1);
}

#[test]
fn row_133_texts_of_tasks_and_hosts_are_escaped_in_every_output() {
    let evil = "\u{1b}[31m\r\n[taskcluster:error] <script>&\u{202e}";
    let mut release = tampered(Tampering::Nothing);
    let place = release.artifacts.get_mut(&(DECISION, "public/task-graph.json".to_owned())).unwrap();
    let mut graph: Value = serde_json::from_slice(place).unwrap();
    graph[BUILD]["task"]["payload"]["env"]["GECKO_HEAD_REV"] = json!(evil);
    *place = graph.to_string().into_bytes();
    let site = Site::of(&release);
    let svg = site.path("chain.svg");
    let as_text = site.verify(&["--verbose", "--graph", svg.to_str().unwrap()]);
    let as_json = site.verify(&["--json"]);
    let svg = std::fs::read(&svg).unwrap();
    assert_eq!((code(&as_text), code(&as_json)), (3, 3));
    for output in [&as_text.stdout, &as_text.stderr, &as_json.stdout, &as_json.stderr, &svg] {
        let shown = text(output);
        assert!(!shown.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'), "{shown:?}");
        assert!(!shown.lines().any(|line| line.trim_start().starts_with("[taskcluster")), "{shown}");
    }
    assert!(text(&as_text.stdout).contains("[taskcluster:error]"), "it is told all the same");
    assert!(!text(&svg).contains("<script"), "{}", text(&svg));
    // an error page of a host
    let site = Site::of(&hg::release());
    site.host.answer("/projects.yml", 400, "\u{1b}[31m\r[taskcluster:error]");
    let output = site.verify(&[]);
    assert_eq!(code(&output), 4);
    assert!(!text(&output.stderr).contains(['\u{1b}', '\r']), "{:?}", text(&output.stderr));
}

#[test]
fn row_134_credentials_are_never_told() {
    let site = Site::of(&hg::release());
    let canary = "canary-secret";
    std::fs::create_dir_all(site.path("tmp")).unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_scriptworker"))
        .args(["verify-cot", SIGNING, "--task-type", "signing", "--verbose", "--config"])
        .arg(&site.config)
        .env_clear()
        .env("TMPDIR", site.path("tmp"))
        .env("SCRIPTWORKER_GITHUB_OAUTH_TOKEN", canary)
        .env("TASKCLUSTER_CLIENT_ID", "nobody")
        .env("TASKCLUSTER_ACCESS_TOKEN", canary)
        .output()
        .unwrap();
    assert_eq!(code(&output), 4, "nobody knows this client: {}", text(&output.stderr));
    for shown in [text(&output.stdout), text(&output.stderr)] {
        assert!(!shown.contains(canary), "{shown}");
    }
}

#[test]
fn a_bundle_that_is_too_large_is_called_that() {
    let site = Site::of(&hg::release());
    let (large, other) = (site.path("large"), site.path("other"));
    for (path, begins) in [(&large, "scriptworker cot bundle 1\n"), (&other, "something else\n")] {
        std::fs::write(path, begins).unwrap();
        // nothing but its beginning takes space
        std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(3 << 30).unwrap();
    }
    let judged = |path: &std::path::Path| site.run(&["--offline", path.to_str().unwrap()]);
    let output = judged(&large);
    let said = "large: the bundle has 3221225472 bytes, more than the 2147483648 that are read";
    assert_eq!((code(&output), output.stdout.len()), (1, 0));
    assert!(text(&output.stderr).contains(said), "{}", text(&output.stderr));
    let problem = text(&judged(&other).stderr);
    assert!(problem.contains("expected a file that begins with"), "{problem}");
}
