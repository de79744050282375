//! `create-test-workdir` against an embedded queue whose upstream tasks were run by a real worker.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![expect(clippy::disallowed_methods, reason = "tests write files of their own")]

#[path = "worker/support.rs"]
#[expect(dead_code, reason = "this test needs a part of what the worker's tests share")]
mod support;

use scriptworker::embedded_queue::{ClientGrant, Options};
use scriptworker_core::ids::TaskId;
use scriptworker_core::scope::Scope;
use scriptworker_core::secret::Secret;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use support::Site;
use tempfile::TempDir;

/// A site with an upstream task that has artifacts, and a directory to work in.
struct Trial {
    site: Site,
    upstream: TaskId,
    dir: TempDir,
}

impl Trial {
    fn new() -> Self {
        let mut options = support::options();
        options.clients.push(ClientGrant {
            client_id: "test/human".to_owned(),
            access_token: Secret::new("human-token"),
            scopes: vec![Scope::parse("queue:get-artifact:private/*").unwrap()],
        });
        Self::with(options)
    }

    fn with(options: Options) -> Self {
        let site = Site::with(options);
        site.start();
        let upstream = site.task(
            "mkdir -p $artifacts/public/build/en $artifacts/private\n\
             head -c 3000000 /dev/zero > $artifacts/public/build/big.bin\n\
             echo '{}' > $artifacts/public/build/en/info.json\n\
             : > $artifacts/public/build/empty.apk; echo x > $artifacts/public/build/en/x.apk\n\
             echo private > $artifacts/private/key",
        );
        assert_eq!(site.outcome(&upstream, 0), "completed completed", "{}", site.log());
        Self { site, upstream, dir: tempfile::tempdir().unwrap() }
    }

    /// A task that wants these artifacts.
    fn task(&self, upstream: Value) -> TaskId {
        let keep = "mkdir -p $artifacts/public; cp $work/task.json $artifacts/public/";
        self.site.task_with(keep, json!({ "upstreamArtifacts": upstream, "ä": "\u{1f600}" }))
    }

    fn command(&self, program: &Path, arguments: &[&str]) -> Output {
        Command::new(program)
            .args(arguments)
            .current_dir(self.dir.path())
            .env_clear()
            .env("TASKCLUSTER_ROOT_URL", self.site.queue.root_url())
            .output()
            .unwrap()
    }

    fn make(&self, arguments: &[&str]) -> (i32, String) {
        let all = [&["create-test-workdir"], arguments].concat();
        ended(&self.command(Path::new(env!("CARGO_BIN_EXE_scriptworker")), &all))
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

fn ended(output: &Output) -> (i32, String) {
    (output.status.code().expect("it ends by itself"), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn the_directory_is_laid_out_as_a_worker_would() {
    let trial = Trial::new();
    let upstream = trial.upstream.as_str();
    let task = trial.task(json!([
        {"taskId": upstream, "paths": ["public/build/big.bin", "public/build/en/info.json"]},
        {"taskId": upstream, "paths": ["public/*.apk", "public/gone"], "optional": true},
    ]));
    let (code, progress) = trial.make(&[task.as_str()]);
    assert_eq!(code, 0, "{progress}");
    let cot = trial.at("work/cot").join(upstream);
    assert_eq!(std::fs::metadata(cot.join("public/build/big.bin")).unwrap().len(), 3_000_000);
    assert_eq!(std::fs::read(cot.join("public/build/en/info.json")).unwrap(), b"{}\n", "decoded");
    assert_eq!(std::fs::read(cot.join("public/build/empty.apk")).unwrap(), b"");
    assert_eq!(std::fs::read(cot.join("public/build/en/x.apk")).unwrap(), b"x\n");
    assert!(progress.contains("public/build/big.bin: 3000000 bytes"), "{progress}");
    assert!(progress.contains("public/gone: not there, but optional"), "{progress}");
    let mut names: Vec<_> =
        std::fs::read_dir(trial.at("work")).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["cot", "task.json"], "nothing else is left");
    // the very text that the worker writes for its script
    let written = std::fs::read_to_string(trial.at("work/task.json")).unwrap();
    assert_eq!(trial.site.outcome(&task, 0), "completed completed");
    let given = trial.site.artifact(&task, 0, "public/task.json").unwrap();
    assert_eq!(support::content(&given), written.as_bytes());
    assert!(written.contains("\\ud83d\\ude00") && written.is_ascii(), "{written}");
}

#[test]
fn what_is_there_is_replaced_only_when_told() {
    let trial = Trial::new();
    let task = trial.task(json!([]));
    std::fs::create_dir_all(trial.at("mine/deep")).unwrap();
    std::fs::write(trial.at("mine/deep/file"), "kept").unwrap();
    let (code, problem) = trial.make(&["--path", "mine", task.as_str()]);
    assert_eq!(code, 1);
    assert!(problem.contains("mine") && problem.contains("--overwrite"), "{problem}");
    assert!(trial.at("mine/deep/file").exists() && !trial.at("mine/task.json").exists());
    // a task that cannot be had leaves everything as it is, too
    let (code, _) = trial.make(&["--path", "mine", "--overwrite", support::task_id().as_str()]);
    assert_eq!(code, 1);
    assert!(trial.at("mine/deep/file").exists());
    let (code, progress) = trial.make(&["--path", "mine", "--overwrite", task.as_str()]);
    assert_eq!(code, 0, "{progress}");
    assert!(!trial.at("mine/deep").exists() && trial.at("mine/task.json").exists());
    for holding in [".", "..", "/"] {
        let (code, problem) = trial.make(&["--path", holding, "--overwrite", task.as_str()]);
        assert_eq!(code, 1);
        assert!(problem.contains("holds the current directory"), "{problem}");
    }
    assert!(trial.at("mine/task.json").exists());
}

#[test]
fn paths_that_leave_their_directory_are_refused_before_anything_is_written() {
    let trial = Trial::new();
    for (task_id, path) in
        [(trial.upstream.as_str(), "../../../etc/x"), (trial.upstream.as_str(), "/etc/x"), ("../..", "x")]
    {
        let task = trial.task(json!([{"taskId": task_id, "paths": [path], "optional": true}]));
        let (code, problem) = trial.make(&[task.as_str()]);
        assert_eq!(code, 1, "{path}");
        assert!(problem.contains(path) || problem.contains("task id"), "{problem}");
        assert!(!trial.at("work").exists());
    }
}

#[test]
fn a_missing_artifact_fails_after_the_others_are_fetched() {
    let trial = Trial::new();
    let upstream = trial.upstream.as_str();
    let task = trial.task(json!([{"taskId": upstream, "paths": ["public/gone", "public/build/en/x.apk"]}]));
    let (code, problem) = trial.make(&[task.as_str()]);
    assert_eq!(code, 1);
    assert!(problem.contains("public/gone") && problem.contains("404"), "{problem}");
    assert!(problem.contains("failed to download 1 of 2 upstream artifacts"), "{problem}");
    assert!(trial.at("work/cot").join(upstream).join("public/build/en/x.apk").exists());
}

#[test]
fn private_artifacts_need_credentials() {
    let trial = Trial::new();
    let task = trial.task(json!([{"taskId": trial.upstream.as_str(), "paths": ["private/key"]}]));
    let (code, problem) = trial.make(&[task.as_str()]);
    assert_eq!(code, 1);
    assert!(problem.contains("private/key") && problem.contains("403"), "{problem}");
    let output = Command::new(env!("CARGO_BIN_EXE_scriptworker"))
        .args([
            "create-test-workdir",
            "--overwrite",
            "--root-url",
            &trial.site.queue.root_url(),
            task.as_str(),
        ])
        .current_dir(trial.dir.path())
        .env_clear()
        .env("TASKCLUSTER_CLIENT_ID", "test/human")
        .env("TASKCLUSTER_ACCESS_TOKEN", "human-token")
        .output()
        .unwrap();
    let (code, progress) = ended(&output);
    assert_eq!(code, 0, "{progress}");
    assert!(!progress.contains("bewit") && !progress.contains("human-token"), "{progress}");
    let key = trial.at("work/cot").join(trial.upstream.as_str()).join("private/key");
    assert_eq!(std::fs::read(key).unwrap(), b"private\n");
}

#[test]
fn the_old_name_is_a_link_to_the_binary() {
    let trial = Trial::new();
    let task = trial.task(json!([]));
    let link = trial.at("create_test_workdir");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_scriptworker"), &link).unwrap();
    let (code, progress) = ended(&trial.command(&link, &["--path", "old", task.as_str()]));
    assert_eq!(code, 0, "{progress}");
    assert!(trial.at("old/task.json").exists());
    let (code, problem) = ended(&trial.command(&link, &["no-task-id"]));
    assert_eq!(code, 2);
    assert!(problem.contains("a task id"), "{problem}");
}

#[test]
fn a_deployment_must_be_named() {
    let output = Command::new(env!("CARGO_BIN_EXE_scriptworker"))
        .args(["create-test-workdir", "Ypg6xKhKRU-pnkwylNQrMw"])
        .env_clear()
        .output()
        .unwrap();
    let (code, problem) = ended(&output);
    assert_eq!(code, 2);
    assert!(problem.contains("--root-url"), "{problem}");
}
