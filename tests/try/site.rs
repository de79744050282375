//! A worker's configuration, as an operator has it, and `scriptworker try` with it.

use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Nothing here takes this long on any machine that is alive.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A directory with a configuration, a script, and what a trial leaves.
pub(crate) struct Site {
    pub(crate) dir: TempDir,
    pub(crate) config: Map<String, Value>,
}

/// What a trial said, and how it ended.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Site {
    /// One whose script is this shell text; `$work` and `$artifacts` are its directories.
    pub(crate) fn new(script: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().canonicalize().unwrap();
        let at = |name: &str| real.join(name).to_str().unwrap().to_owned();
        let text = format!("work='{}'\nartifacts='{}'\n{script}\n", at("work"), at("artifacts"));
        std::fs::write(at("script.sh"), text).unwrap();
        let config = json!({
            "taskcluster_root_url": "https://taskcluster.invalid",
            "provisioner_id": "real-provisioner",
            "worker_type": "real-worker",
            "worker_group": "real-group",
            "worker_id": "real-worker-1",
            "credentials": { "clientId": "real/worker", "accessToken": "real-token" },
            "work_dir": at("work"),
            "artifact_dir": at("artifacts"),
            "task_log_dir": at("artifacts/public/logs"),
            "log_dir": at("log"),
            "task_script": ["sh", at("script.sh")],
            "task_max_timeout": 60,
            "kill_grace": 0,
            "sign_chain_of_trust": false,
        });
        let Value::Object(config) = config else { unreachable!("an object") };
        Self { dir, config }
    }

    pub(crate) fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.config.insert(key.to_owned(), value.into());
        self
    }

    pub(crate) fn without(mut self, key: &str) -> Self {
        self.config.remove(key);
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// Waits for a file of the script's own making: the way for it to say how far it is.
    pub(crate) fn wait_for_file(&self, name: &str) {
        let end = Instant::now() + PATIENCE;
        while !self.path(name).exists() {
            assert!(Instant::now() < end, "{name} does not appear");
            #[expect(clippy::disallowed_methods, reason = "files send no events")]
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn write_config(&self) -> PathBuf {
        self.write("scriptworker.json", &serde_json::to_string_pretty(&self.config).unwrap());
        self.path("scriptworker.json")
    }

    /// `scriptworker try` with this task; its output goes to `out`.
    pub(crate) fn command(&self, task: &Value) -> Command {
        self.write("task.json", &task.to_string());
        let mut command = Command::new(env!("CARGO_BIN_EXE_scriptworker"));
        command.arg("try").arg(self.write_config()).arg("--task").arg(self.path("task.json"));
        command.arg("--output").arg(self.path("out")).current_dir(self.dir.path()).stdin(Stdio::null());
        command
    }

    pub(crate) fn try_task(&self, task: &Value) -> Said {
        said(self.command(task).output().unwrap())
    }
}

pub(crate) fn said(output: Output) -> Said {
    Said {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A task that is nothing but its payload.
pub(crate) fn task(payload: Value) -> Value {
    json!({ "payload": payload })
}

/// Everything below a directory, as sorted relative paths of files.
pub(crate) fn files(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut left = vec![dir.to_owned()];
    while let Some(next) = left.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else {
                found.push(path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}
