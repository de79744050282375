//! `verify-cot` as people call it: against an embedded queue and a source host, online and from a bundle.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "tests write files of their own")]

#[path = "verify_cot/inside.rs"]
mod inside;
#[path = "verify_cot/releases.rs"]
mod releases;
#[path = "verify_cot/robust.rs"]
mod robust;
#[path = "verify_cot/site.rs"]
mod site;

use scriptworker::embedded_queue::{Call, Fault, FaultKind};
use scriptworker_core::cot::reason::Reason;
use serde_json::Value;
use site::hg::{Tampering, tampered};
use site::{ARTIFACT, BUILD, DECISION, IMAGE, SIGNING, Site};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("ended by a signal: {output:?}"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn verdict(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {} {}", text(&output.stdout), text(&output.stderr)))
}

/// Tasks and reasons of a refusal.
fn refusals(verdict: &Value) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for link in verdict["links"].as_array().unwrap() {
        for rule in link["rules"].as_array().unwrap() {
            if rule["outcome"] == "failed" {
                let of = |value: &Value| value.as_str().unwrap().to_owned();
                all.push((of(&link["taskId"]), of(&rule["reason"])));
            }
        }
    }
    all
}

/// The verdict without what only one of the ways to it has.
fn essence(mut verdict: Value) -> Value {
    verdict.as_object_mut().unwrap().remove("takenAsRecorded");
    verdict
}

#[test]
fn a_whole_chain_is_verified_online_and_again_from_its_bundle() {
    let site = Site::of(&tampered(Tampering::Nothing));
    let bundle = site.path("bundle");
    let output = site.verify(&["--json", "--bundle", bundle.to_str().unwrap()]);
    assert_eq!(code(&output), 0, "{} {}", text(&output.stdout), text(&output.stderr));
    let online = verdict(&output);
    assert_eq!((&online["verified"], &online["signaturesChecked"]), (&true.into(), &true.into()));
    let links: Vec<_> =
        online["links"].as_array().unwrap().iter().map(|link| link["taskId"].as_str().unwrap()).collect();
    for task in [SIGNING, BUILD, IMAGE, DECISION] {
        assert!(links.contains(&task), "{links:?}");
    }
    // what was verified is there, read-only, and nothing else
    let work = std::fs::read_dir(site.path("tmp")).unwrap().next().unwrap().unwrap().path();
    let artifact = work.join("cot").join(BUILD).join(ARTIFACT);
    assert_eq!(std::fs::read(&artifact).unwrap(), b"a build");
    assert_eq!(std::fs::metadata(&artifact).unwrap().permissions().mode() & 0o777, 0o400);
    assert_eq!(std::fs::read_dir(&work).unwrap().count(), 1, "nothing is left of the staging");
    assert_eq!(std::fs::read_dir(work.join("cot")).unwrap().count(), 1);

    let offline = site.run(&["--offline", bundle.to_str().unwrap(), "--verify-sigs", "--json"]);
    assert_eq!(code(&offline), 0, "{}", text(&offline.stderr));
    let offline = verdict(&offline);
    assert!(offline["takenAsRecorded"]["answers"].as_array().unwrap().len() > 4, "{offline}");
    assert_eq!(essence(offline), essence(online));
    // a changed byte is noticed before anything is judged
    let mut changed = std::fs::read(&bundle).unwrap();
    *changed.last_mut().unwrap() ^= 1;
    std::fs::write(&bundle, changed).unwrap();
    let offline = site.run(&["--offline", bundle.to_str().unwrap(), "--verify-sigs"]);
    assert_eq!((code(&offline), offline.stdout.len()), (1, 0), "{}", text(&offline.stderr));
    let stderr = text(&offline.stderr);
    assert!(stderr.contains("/bundle: failed to read the bundle: expected the blob "), "{stderr}");
}

#[test]
fn artifacts_of_a_bundle_are_hashed_again() {
    let site = Site::of(&tampered(Tampering::Nothing));
    let bundle = site.path("bundle");
    let bundle = bundle.to_str().unwrap();
    assert_eq!(code(&site.verify(&["--bundle", bundle])), 0);
    // both layouts: what was handed over, and by task alone
    let handed = std::fs::read_dir(site.path("tmp")).unwrap().next().unwrap().unwrap().path();
    let own = site.path("own");
    let file = own.join(BUILD).join(ARTIFACT);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, b"a build").unwrap();
    let again = |dir: &std::path::Path| {
        let dir = dir.to_str().unwrap();
        let output = site.run(&["--offline", bundle, "--verify-sigs", "--json", "--artifacts", dir]);
        (code(&output), verdict(&output))
    };
    let kinds = |verdict: &Value, key: &str| -> Vec<String> {
        let needs = verdict["takenAsRecorded"][key].as_array().unwrap().iter();
        needs.map(|need| need["kind"].as_str().unwrap().to_owned()).collect()
    };
    for dir in [&handed, &own] {
        let (code, verdict) = again(dir);
        assert_eq!((code, kinds(&verdict, "hashedAgain")), (0, vec!["artifact".to_owned()]), "{verdict}");
        assert!(!kinds(&verdict, "answers").contains(&"artifact".to_owned()), "{verdict}");
    }
    let (code, verdict) = again(&site.path("nowhere"));
    assert_eq!((code, kinds(&verdict, "noFile")), (0, vec!["artifact".to_owned()]));
    assert!(kinds(&verdict, "answers").contains(&"artifact".to_owned()), "{verdict}");
    std::fs::write(&file, b"a bulld").unwrap();
    let (code, verdict) = again(&own);
    assert_eq!((code, refusals(&verdict)), (3, vec![(BUILD.to_owned(), Reason::Hash.code().to_owned())]));
}

#[test]
fn a_verdict_can_be_drawn() {
    for (tampering, exit, word) in [(Tampering::Nothing, 0, "verified"), (Tampering::Graph, 3, "refused")] {
        let site = Site::of(&tampered(tampering));
        let file = site.path("chain.svg");
        assert_eq!(code(&site.verify(&["--graph", file.to_str().unwrap()])), exit);
        let svg = std::fs::read_to_string(&file).unwrap();
        assert!(svg.starts_with("<svg ") && svg.contains(&format!(">{word}: signing {SIGNING}")), "{svg}");
        let is_red = svg.contains("fill=\"#cf222e\">graph</text>");
        assert_eq!(is_red, tampering == Tampering::Graph, "{svg}");
    }
}

#[test]
fn the_text_begins_with_the_line_that_matters_and_says_what_was_not_checked() {
    let site = Site::of(&tampered(Tampering::Nothing));
    let output = site.verify(&["--cleanup"]);
    let shown = text(&output.stdout);
    assert_eq!(code(&output), 0, "{shown}");
    assert!(shown.starts_with(&format!("verified: signing {SIGNING} of firefox, 4 links\n")), "{shown}");
    assert!(shown.contains(", signed by ed25519 key "), "{shown}");
    assert_eq!(std::fs::read_dir(site.path("tmp")).unwrap().count(), 0, "--cleanup");
    let mirror = format!("https://hg.mozilla.org={}/hg", site.host.url());
    let output = site.run(&[SIGNING, "--task-type", "signing", "--mirror", &mirror, "--no-check-task"]);
    // it asks for a restricted scope, which nobody gets unseen
    let shown = text(&output.stdout);
    assert_eq!(code(&output), 3, "{shown}");
    assert!(shown.lines().next().unwrap().contains("signatures are not checked"), "{shown}");
    assert!(shown.contains("\nsignatures were not checked\n"), "{shown}");
}

#[test]
fn whoever_tampers_is_told_by_the_exact_reason() {
    for (tampering, task, reason) in [
        (Tampering::Artifact, BUILD, Reason::Hash),
        (Tampering::Signer, BUILD, Reason::WrongKeyClass),
        (Tampering::Attestation, IMAGE, Reason::Signature),
        (Tampering::Graph, BUILD, Reason::GraphMismatch),
        (Tampering::Template, DECISION, Reason::TreeMismatch),
    ] {
        let site = Site::of(&tampered(tampering));
        let bundle = site.path("bundle");
        let output = site.verify(&["--json", "--bundle", bundle.to_str().unwrap()]);
        let online = verdict(&output);
        assert_eq!(code(&output), 3, "{tampering:?}: {online}");
        assert_eq!(refusals(&online), [(task.to_owned(), reason.code().to_owned())], "{tampering:?}");
        assert_eq!(std::fs::read_dir(site.path("tmp")).unwrap().count(), 0, "nothing of it can be used");
        let offline = site.run(&["--offline", bundle.to_str().unwrap(), "--verify-sigs", "--json"]);
        assert_eq!(code(&offline), 3);
        assert_eq!(essence(verdict(&offline)), essence(online), "{tampering:?}");
        let shown = text(&site.verify(&[]).stdout);
        let first = shown.lines().next().unwrap();
        assert!(first.starts_with("refused: ") && first.contains(reason.code()), "{first}");
    }
}

#[test]
fn a_verdict_is_shown_whatever_becomes_of_what_was_to_be_kept() {
    for (tampering, exit, word) in [(Tampering::Nothing, 1, "verified"), (Tampering::Artifact, 3, "refused")]
    {
        let site = Site::of(&tampered(tampering));
        let nowhere = site.path("nowhere/file");
        let nowhere = nowhere.to_str().unwrap();
        let output = site.verify(&["--bundle", nowhere, "--graph", nowhere]);
        assert_eq!(code(&output), exit, "{}", text(&output.stderr));
        assert!(text(&output.stdout).starts_with(word), "{}", text(&output.stdout));
        let stderr = text(&output.stderr);
        let problems = stderr.lines().filter(|line| line.contains("nowhere/file"));
        assert_eq!(problems.count(), 2, "{stderr}");
    }
}

#[test]
fn there_is_progress_without_asking_for_it() {
    let output = Site::of(&tampered(Tampering::Nothing)).verify(&["--json"]);
    let stderr = text(&output.stderr);
    assert!(stderr.lines().any(|line| line.ends_with(" answers, 0 open")), "{stderr}");
    assert_eq!(verdict(&output)["verified"], true, "and nothing of it in the verdict");
}

#[test]
fn a_program_that_was_replaced_while_it_runs_still_judges() {
    let site = Site::of(&tampered(Tampering::Nothing));
    let old = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let program = old.path().join("scriptworker");
    let built = env!("CARGO_BIN_EXE_scriptworker");
    if std::fs::hard_link(built, &program).is_err() {
        std::fs::copy(built, &program).unwrap();
    }
    let mirror = format!("https://hg.mozilla.org={}/hg", site.host.url());
    let output = std::process::Command::new("/bin/sh")
        .args(["-c", "exec 3<\"$1\"; /bin/rm \"$1\"; shift; exec /proc/self/fd/3 \"$@\"", "sh"])
        .arg(&program)
        .args(["verify-cot", SIGNING, "--task-type", "signing", "--cot-product", "firefox", "--verify-sigs"])
        .args(["--cleanup", "--mirror", &mirror, "--config"])
        .arg(&site.config)
        .env_clear()
        .output()
        .unwrap();
    assert_eq!(code(&output), 0, "{}{}", text(&output.stdout), text(&output.stderr));
    assert!(!program.exists());
}

#[test]
fn trouble_outside_is_no_verdict() {
    let site = Site::of(&tampered(Tampering::Nothing));
    for (beginning, status, body) in [
        ("/projects.yml", 503, "down"),
        ("/hg/mozilla-central/json-pushes", 200, "<html>be right back</html>"),
    ] {
        let site = Site::of(&tampered(Tampering::Nothing));
        site.host.answer(beginning, status, body);
        let output = site.verify(&["--json"]);
        assert_eq!((code(&output), output.stdout.len()), (4, 0), "{}", text(&output.stderr));
        assert_eq!(std::fs::read_dir(site.path("tmp")).unwrap().count(), 0);
    }
    site.queue.inject(Fault::new(Call::Status, FaultKind::HtmlBody { status: 404 }));
    let output = site.verify(&["--json"]);
    assert_eq!((code(&output), output.stdout.len()), (4, 0), "{}", text(&output.stderr));
}

#[test]
fn a_push_that_nobody_knows_is_refused() {
    let site = Site::of(&tampered(Tampering::Nothing));
    site.host.answer("/hg/mozilla-central/json-pushes", 404, "unknown revision");
    let output = site.verify(&["--json"]);
    assert_eq!(code(&output), 3);
    assert_eq!(refusals(&verdict(&output)), [(DECISION.to_owned(), Reason::Revision.code().to_owned())]);
}

#[test]
fn the_command_line_is_that_of_both_generations() {
    let site = Site::of(&tampered(Tampering::Nothing));
    let link = site.path("verify_cot");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_scriptworker"), &link).unwrap();
    let run = |arguments: &[&str]| {
        let output = std::process::Command::new(&link).args(arguments).env_clear().output().unwrap();
        (code(&output), text(&output.stderr))
    };
    let (usage, problem) = run(&[SIGNING]);
    assert_eq!(usage, 2, "{problem}");
    assert!(problem.contains("--task-type"), "{problem}");
    let (trouble, problem) = run(&[SIGNING, "--task-type", "signing", "--cot-product", "nonesuch"]);
    assert_eq!(trouble, 1, "{problem}");
    assert!(problem.contains("nonesuch") && problem.contains("firefox"), "{problem}");
}
