//! The releases that the embedded queue makes: verifiers take them as they are, and refuse each of those with which
//! something is wrong for the one reason that is meant.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "tests write files of their own")]

use scriptworker::embedded_queue::release::{Plan, Release, Releases, Tampering};
use scriptworker::embedded_queue::{EmbeddedQueue, Options};
use scriptworker_core::cot::role::RuleSet;
use scriptworker_core::ids::{RunId, RunKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

struct Site {
    dir: TempDir,
    queue: EmbeddedQueue,
    releases: Releases,
}

impl Site {
    fn new(generation: RuleSet) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let queue = EmbeddedQueue::start(Options::default()).unwrap();
        let releases = Releases::start(generation, dir.path()).unwrap();
        let mut config = releases.configuration();
        let at = |name: &str| json!(dir.path().join(name));
        let entries = [
            ("taskcluster_root_url", json!(queue.root_url())),
            ("worker_group", json!("g")),
            ("worker_id", json!("w")),
            ("work_dir", at("work")),
            ("artifact_dir", at("artifacts")),
            ("task_log_dir", at("artifacts/public/logs")),
            ("log_dir", at("log")),
            ("task_script", json!(["true"])),
        ];
        config.extend(entries.map(|(key, value)| (key.to_owned(), value)));
        std::fs::write(dir.path().join("scriptworker.json"), Value::Object(config).to_string()).unwrap();
        Self { dir, queue, releases }
    }

    fn make(&self, plan: &Plan) -> Release {
        self.releases.make(&self.queue, plan).unwrap()
    }

    fn verify(&self, release: &Release) -> (Option<i32>, Value) {
        let output = Command::new(env!("CARGO_BIN_EXE_scriptworker"))
            .args([
                "verify-cot",
                release.signing.as_str(),
                "--task-type",
                "signing",
                "--verify-sigs",
                "--json",
            ])
            .args(["--no-check-task", "--cleanup", "--config"])
            .arg(self.dir.path().join("scriptworker.json"))
            .env_clear()
            .env("TMPDIR", self.dir.path())
            .output()
            .unwrap();
        (output.status.code(), verdict(&output))
    }
}

fn verdict(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// Tasks and reasons of a refusal.
fn refusals(verdict: &Value) -> Vec<(String, String)> {
    let rules = verdict["links"].as_array().unwrap().iter().flat_map(|link| {
        let task = link["taskId"].as_str().unwrap();
        link["rules"].as_array().unwrap().iter().map(move |rule| (task, rule))
    });
    let failed = rules.filter(|(_, rule)| rule["outcome"] == "failed");
    failed.map(|(task, rule)| (task.to_owned(), rule["reason"].as_str().unwrap().to_owned())).collect()
}

fn both_kinds(generation: RuleSet) {
    let site = Site::new(generation);
    let release = site.make(&Plan::default());
    let (code, verdict) = site.verify(&release);
    assert_eq!((code, &verdict["verified"]), (Some(0), &true.into()), "{verdict}");
    assert_eq!(
        verdict["links"].as_array().unwrap().len(),
        5,
        "decision, image, two builds, signing: {verdict}"
    );
    assert_eq!(verdict["signaturesChecked"], true);
    for tampering in Tampering::of(generation) {
        let release = site.make(&Plan { tampering: Some(tampering), ..Plan::default() });
        let (code, verdict) = site.verify(&release);
        let expected =
            (release.culprit(tampering).to_string(), tampering.reason(generation).code().to_owned());
        assert_eq!(refusals(&verdict), [expected], "{tampering:?}");
        assert_eq!(code, Some(3), "{tampering:?}");
    }
}

#[test]
fn releases_of_the_current_generation_are_verified_or_refused_for_the_reason_that_is_meant() {
    both_kinds(RuleSet::Current);
}

#[test]
fn releases_of_the_classic_generation_are_verified_or_refused_for_the_reason_that_is_meant() {
    both_kinds(RuleSet::Classic);
}

fn digest(path: &Path) -> Vec<u8> {
    Sha256::digest(std::fs::read(path).unwrap()).to_vec()
}

#[test]
fn a_release_has_as_many_links_and_as_much_content_as_is_asked_for() {
    let site = Site::new(RuleSet::Current);
    let plan = Plan { builds: 7, artifacts: 3, artifact_size: (1 << 20) + 5, ..Plan::default() };
    let release = site.make(&plan);
    let mut contents = Vec::new();
    for build in &release.builds {
        let run = RunKey { task_id: build.id.clone(), run_id: RunId::FIRST };
        for (name, path) in &build.artifacts {
            assert_eq!(std::fs::metadata(path).unwrap().len(), plan.artifact_size);
            let stored = site.queue.artifact(&run, name).unwrap();
            assert_eq!(stored.size, Some(plan.artifact_size));
            contents.push(digest(path));
        }
    }
    assert_eq!(contents.len(), 21);
    contents.sort();
    contents.dedup();
    assert_eq!(contents.len(), 21, "each has a content of its own");
    let (code, verdict) = site.verify(&release);
    assert_eq!((code, verdict["links"].as_array().unwrap().len()), (Some(0), 10), "{verdict}");
    let status = site.queue.status(&release.signing).unwrap();
    assert_eq!(status["state"], "pending", "{status}");
}

#[test]
fn a_change_of_the_source_tree_is_part_of_the_next_release() {
    let site = Site::new(RuleSet::Current);
    let before = site.make(&Plan::default());
    let template = site.releases.tree().join(".taskcluster.yml");
    let text = std::fs::read_to_string(&template).unwrap();
    std::fs::write(&template, text.replace("taskgraph:decision", "taskgraph:newer")).unwrap();
    let after = site.make(&Plan::default());
    assert_ne!(before.revision, after.revision);
    for release in [before, after] {
        let (code, verdict) = site.verify(&release);
        assert_eq!(code, Some(0), "{verdict}");
    }
    std::fs::remove_file(&template).unwrap();
    let error = site.releases.make(&site.queue, &Plan::default()).unwrap_err();
    assert!(error.to_string().contains(".taskcluster.yml"), "{error}");
}
